"""Texts of many labels cut into pieces, each distinct piece known by a number.

Most pieces of a label (PDS3: lines, PDS4: what stands between two ``<``) stand in other labels of its folder, too. So all
that follows is done once for each distinct piece of a chunk, and for the labels only with numbers. Cutting and numbering
are Arrow's.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow.compute as pc

from psalab.index.arrow import as_numbers, as_numpy, as_strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

__all__ = ["BLANK", "Tokens", "halves", "matching", "shapes", "silent", "tokenise"]

#: Number of a statement that says nothing: of blanks and comments.
BLANK = 0


class Tokens(NamedTuple):
    """Pieces of texts.

    Attributes
    ----------
    codes : ndarray of int32
        All pieces of all texts, each by its place in `distinct`.
    bounds : ndarray of int32
        ``codes[bounds[i]:bounds[i + 1]]`` are the pieces of text i.
    starts : ndarray of int32
        Byte at which each piece begins, counted over all texts in UTF-8, without separators.
    distinct : pyarrow.StringArray
    """

    codes: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    distinct: pa.StringArray


def tokenise(texts: Sequence[str], separator: str) -> Tokens:
    """Cut texts at a separator.

    Parameters
    ----------
    texts : sequence of str
        Less than 2 GB together, in UTF-8.
    separator : str

    Returns
    -------
    Tokens
    """
    pieces = pc.split_pattern(as_strings(texts), separator)
    encoded = pieces.values.dictionary_encode()
    starts = (
        np.frombuffer(pieces.values.buffers()[1], np.int32)[: len(encoded)] if len(encoded) else np.zeros(0, np.int32)
    )
    return Tokens(as_numpy(encoded.indices), as_numpy(pieces.offsets), starts, encoded.dictionary)


def matching(texts: pa.StringArray, pattern: str) -> np.ndarray:
    """Tell which texts a regular expression of RE2 matches in full."""
    return as_numpy(pc.match_substring_regex(texts, f"^(?:{pattern})$"))


def halves(texts: pa.StringArray, separator: str) -> tuple[pa.StringArray, pa.StringArray]:
    """Cut each text at the first separator; the second half is null where there is none."""
    parts = pc.split_pattern(texts, separator, max_splits=1)
    first = as_numpy(parts.offsets)[:-1]
    alone = np.diff(as_numpy(parts.offsets)) < 2
    return parts.values.take(as_numbers(first)), parts.values.take(as_numbers(first + 1, alone))


def silent(numbers: np.ndarray, bounds: np.ndarray) -> list[int]:
    """Texts that have no statement at all; the arguments are those of `shapes`."""
    if not len(numbers):
        return []
    says: np.ndarray = np.maximum.reduceat(numbers, bounds[:-1])  # no text is without a piece
    return np.flatnonzero(says == BLANK).tolist()


def shapes(
    numbers: np.ndarray, bounds: np.ndarray, keys: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Bring texts together that have the same keywords in the same order.

    Parameters
    ----------
    numbers : ndarray of int
        Statements of all texts; BLANK is left out.
    bounds : ndarray of int
        ``numbers[bounds[i]:bounds[i + 1]]`` are those of text i. A text without any is left out.
    keys : ndarray of int32
        Key of each statement.

    Yields
    ------
    keys, texts, matrix : ndarray of int
        Keys of a shape, the texts that have it, and their statements, a row for each text.
    """
    kept = np.flatnonzero(numbers)
    ends = np.searchsorted(kept, bounds).tolist()
    numbers = numbers[kept]
    own_keys = keys[numbers]
    members: dict[bytes, list[int]] = {}
    for text, (start, end) in enumerate(pairwise(ends)):
        if start < end:
            members.setdefault(own_keys[start:end].tobytes(), []).append(text)
    starts = np.array(ends)
    for shape, texts in members.items():
        columns = np.arange(len(shape) // own_keys.itemsize)
        yield np.frombuffer(shape, own_keys.dtype), np.array(texts), numbers[starts[texts][:, None] + columns]
