"""Typed values of a chunk, flattened to elements in columns.

`Elements.add` takes one value as `psalab.labels.values` made it. `add_pvl` and `add_pds4` type many texts at once: numbers,
flat lists of them, plain texts and times, which are nearly all, are recognised by regular expressions and converted by
Arrow; the others go through `psalab.labels.values`. Both ways give the same; a test holds them equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from psalab.index.arrow import as_mask, as_numbers, as_numpy, as_scalar, as_strings
from psalab.index.tokens import matching
from psalab.labels.pds4 import element_value
from psalab.labels.values import (
    BOOLEAN,
    FLOAT,
    INT,
    MISSING,
    MISSING_WORDS,
    TEXT,
    TIME,
    Scalar,
    microseconds,
    pvl_value,
    scalars,
)

if TYPE_CHECKING:
    from psalab.labels.values import Value

__all__ = ["DECLARED", "HUGE", "KINDS", "Elements", "Raws"]

#: Kind of an integer beyond 64 bits: text for every column but an integer by nature.
HUGE: Final = 6
KINDS: Final = 7
#: What the data dictionary may say of a PDS4 attribute; its place is its number in `Raws.declared`.
DECLARED: Final[tuple[str | None, ...]] = (None, "int", "float", "time", "boolean", "text")

_LARGEST: Final = 2**63
_WORDS: Final = as_strings(list(MISSING_WORDS))
_TRUTHS: Final = as_strings(["true", "false"])

# Regular expressions of Arrow, which are RE2's: each takes a time that is linear in the text.
_REAL: Final = r"[+-]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?0{0,2}[0-9]{1,2})?"
_INTEGER: Final = r"[+-]?[0-9]{1,18}"
_UNIT: Final = r"(?:[ \t]*<[ \t]*[^<>,\s\v](?:[^<>\n\r,]*[^<>,\s\v])?[ \t]*>)?"
_NUMBER: Final = rf"(?:{_REAL}|{_INTEGER}){_UNIT}"
_ITEM: Final = rf"""[ \t\r\n]*(?:{_NUMBER}|"[^",<\n\r]*")[ \t\r\n]*"""
_NUMBERS: Final = rf"{_NUMBER}|\({_ITEM}(?:,{_ITEM})*\)"
_QUOTED: Final = r'"[^"\n\r]*"'
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_TIME: Final = rf"[12][0-9]{{3}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T{_CLOCK}"
_WORD: Final = r"(?s:[A-Za-z_].*)"


class Raws(NamedTuple):
    """Untyped contents of PDS4 attributes.

    Attributes
    ----------
    texts : pyarrow.StringArray
    units, nils : ndarray of int
        Places of their unit, and of the reason where they are nil, in `names`; -1 for none.
    names : list of str
    declared : ndarray of int
        What the data dictionary says of each: a place in `DECLARED`.
    """

    texts: pa.StringArray
    units: np.ndarray
    nils: np.ndarray
    names: list[str]
    declared: np.ndarray


@dataclass
class _Part:
    """Values one after the other: their elements, and how many of these each one has."""

    kind: np.ndarray
    bits: np.ndarray
    text: pa.StringArray
    unit: np.ndarray
    sizes: np.ndarray
    listed: np.ndarray


class Elements:
    """Elements of values, value after value; `arrays` gives them as the fields of a `Chunk`."""

    def __init__(self) -> None:
        self.count = 0
        self._parts: list[_Part] = []
        self._units: dict[str, int] = {}
        self._lone: list[tuple[int, int, str, int]] = []  # elements of the values that came one by one
        self._sizes: list[int] = []
        self._listed: list[bool] = []

    def add(self, value: Value) -> int:
        """Append a value; give its number."""
        before = len(self._lone)
        self._lone += map(self._element, (value,) if isinstance(value, Scalar) else scalars(value))
        self._sizes.append(len(self._lone) - before)
        self._listed.append(not isinstance(value, Scalar))
        self.count += 1
        return self.count - 1

    def _element(self, scalar: Scalar) -> tuple[int, int, str, int]:
        kind, content, text, unit = scalar
        bits = 0
        if kind == FLOAT:
            bits = int(np.float64(content).view(np.int64))  # type: ignore[arg-type]  # of this kind
        elif kind in (INT, BOOLEAN, TIME):
            bits = microseconds(content) if kind == TIME else int(content)  # type: ignore[arg-type]
            if not -_LARGEST <= bits < _LARGEST:
                kind, bits = HUGE, 0
        return kind, bits, text, self._unit(unit)

    def _unit(self, unit: str | None) -> int:
        return -1 if unit is None else self._units.setdefault(unit, len(self._units))

    def _append(self, part: _Part) -> np.ndarray:
        """Append values; give their numbers."""
        self._flush()
        self._parts.append(part)
        self.count += len(part.sizes)
        return np.arange(self.count - len(part.sizes), self.count, dtype=np.int32)

    def _append_scalars(self, kind: np.ndarray, bits: np.ndarray, text: pa.Array, unit: np.ndarray) -> np.ndarray:
        return self._append(_Part(kind, bits, text, unit, np.ones(len(kind), np.int32), np.zeros(len(kind), bool)))

    def _flush(self) -> None:
        if not self._sizes:
            return
        kinds, bits, texts, units = zip(*self._lone, strict=True) if self._lone else ((), (), (), ())
        self._parts.append(
            _Part(
                np.array(kinds, np.int8), np.array(bits, np.int64), as_strings(texts), np.array(units, np.int32),
                np.array(self._sizes, np.int32), np.array(self._listed, bool),
            )
        )  # fmt: skip
        self._lone, self._sizes, self._listed = [], [], []

    def add_pvl(self, raws: pa.StringArray) -> np.ndarray:
        """Append the values of raw texts of PDS3 labels; give the number of each."""
        numbers = np.empty(len(raws), np.int32)
        left = np.ones(len(raws), bool)
        for pattern, add in ((_NUMBERS, self._add_numbers), (_QUOTED, self._add_quoted), (_TIME, self._add_times)):
            mine = matching(raws, pattern)
            if mine.any() and (added := add(raws.filter(as_mask(mine)))) is not None:
                numbers[mine] = added
                left &= ~mine
        numbers[left] = [self.add(pvl_value(raw)) for raw in raws.filter(as_mask(left)).to_pylist()]
        return numbers

    def _add_numbers(self, raws: pa.StringArray) -> np.ndarray:
        """Append numbers with their units, and flat lists of numbers and quoted texts: what `_NUMBERS` matches."""
        lists = pc.split_pattern(pc.ascii_trim(raws, "() \t\r\n"), ",")
        texts, units = lists.values, np.full(len(lists.values), -1, np.int32)
        if pc.any(pc.match_substring(texts, "<")).as_py():
            parts = pc.split_pattern(texts, "<", max_splits=1)
            first, has = _first_parts(parts)
            texts = parts.values.take(as_numbers(first))
            spelled = pc.ascii_rtrim(parts.values.take(as_numbers(first[has] + 1)), " \t\r\n>")
            spelled = pc.utf8_trim_whitespace(spelled).dictionary_encode()
            known = np.array([self._unit(unit) for unit in spelled.dictionary.to_pylist()], np.int32)
            units[has] = known[as_numpy(spelled.indices)]
        texts = pc.ascii_trim(texts, " \t\r\n")
        kinds = np.where(as_numpy(pc.match_substring(texts, ".")), FLOAT, INT).astype(np.int8)
        quoted = pc.starts_with(texts, '"')
        if pc.any(quoted).as_py():
            kinds[as_numpy(quoted)], within = _unquoted(texts.filter(quoted))
            texts = pc.replace_with_mask(texts, quoted, within)
        sizes = np.diff(as_numpy(lists.offsets)).astype(np.int32)
        listed = as_numpy(pc.starts_with(raws, "("))
        return self._append(_Part(kinds, _number_bits(kinds, texts), texts, units, sizes, listed))

    def _add_quoted(self, raws: pa.StringArray) -> np.ndarray:
        """Append quoted texts on one line."""
        kinds, texts = _unquoted(raws)
        return self._append_scalars(kinds, np.zeros(len(kinds), np.int64), texts, np.full(len(kinds), -1, np.int32))

    def _add_times(self, raws: pa.StringArray) -> np.ndarray | None:
        """Append what `_TIME` matches; None where one of them is no time after all (a thirtieth of February)."""
        bits = _time_bits(raws)
        if bits is None:
            return None
        return self._append_scalars(
            np.full(len(raws), TIME, np.int8), bits, raws, np.full(len(raws), -1, np.int32)
        )  # fmt: skip

    def add_pds4(self, raws: Raws) -> np.ndarray:
        """Append the values of PDS4 attributes; give the number of each."""
        texts = pc.utf8_trim_whitespace(raws.texts)
        kinds, bits = _pds4_kinds(texts, raws)
        numbers = np.empty(len(kinds), np.int32)
        sure = kinds >= 0
        empty = as_mask(kinds == MISSING) if (kinds == MISSING).any() else None
        if empty is not None:
            texts = pc.if_else(pc.and_(empty, pc.equal(texts, as_scalar(""))), as_scalar("empty"), texts)
        known = np.full(len(raws.names) + 1, -1, np.int32)
        for name in np.unique(raws.units[raws.units >= 0]).tolist():
            known[name] = self._unit(raws.names[name] or None)
        units = known[raws.units]
        units[kinds == MISSING] = -1
        numbers[sure] = self._append_scalars(kinds[sure], bits[sure], texts.filter(as_mask(sure)), units[sure])
        names = [*raws.names, None]
        numbers[~sure] = [
            self.add(element_value(text, DECLARED[declared], names[unit], names[nil]))
            for text, declared, unit, nil in zip(
                raws.texts.filter(as_mask(~sure)).to_pylist(), raws.declared[~sure].tolist(),
                raws.units[~sure].tolist(), raws.nils[~sure].tolist(), strict=True,
            )
        ]  # fmt: skip
        return numbers

    def arrays(self) -> dict[str, Any]:
        """Fields of a `Chunk`."""
        self._flush()
        parts = self._parts

        def joined(name: str, kind: type) -> np.ndarray:
            return np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in parts)]).astype(
                kind, copy=False
            )

        sizes = joined("sizes", np.int32)
        first = np.zeros(len(sizes) + 1, np.int32)
        np.cumsum(sizes, out=first[1:])
        return {
            "kind": joined("kind", np.int8),
            "bits": joined("bits", np.int64),
            "text": pa.concat_arrays([as_strings([]), *(part.text for part in parts)]),
            "unit": joined("unit", np.int32),
            "units": list(self._units),
            "first": first,
            "listed": joined("listed", np.bool_),
        }


def _first_parts(parts: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
    """Of texts split in two: where the first part of each is, and which have a second."""
    offsets = as_numpy(parts.offsets)
    return offsets[:-1], np.diff(offsets) > 1


def _unquoted(quoted: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """Kinds and texts of quoted texts on one line: TEXT, or MISSING and the reason."""
    texts = pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(quoted, 1, -1))
    words = pc.ascii_upper(texts)
    missing = pc.is_in(words, _WORDS)
    return np.where(as_numpy(missing), MISSING, TEXT).astype(np.int8), pc.if_else(missing, words, texts)


def _number_bits(kinds: np.ndarray, texts: pa.StringArray) -> np.ndarray:
    """Convert the texts of INT and FLOAT kinds; 0 for others. Floats are given by their bits."""
    bits = np.zeros(len(kinds), np.int64)
    for kind, made in ((INT, pa.int64()), (FLOAT, pa.float64())):
        mine = kinds == kind
        if mine.any():
            converted = pc.cast(pc.ascii_ltrim(texts.filter(as_mask(mine)), "+"), made)
            bits[mine] = as_numpy(converted).view(np.int64)
    return bits


def _time_bits(texts: pa.StringArray) -> np.ndarray | None:
    """Microseconds of times; None where one of them is no time after all."""
    try:
        times = pc.cast(pc.ascii_rtrim(texts, "Z"), pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    return as_numpy(times.view(pa.int64()))


def _pds4_kinds(texts: pa.StringArray, raws: Raws) -> tuple[np.ndarray, np.ndarray]:
    """Kind and bits of each attribute; the kind is -1 where that needs a closer look (`element_value`)."""
    free, integer, real, time, _, text = (raws.declared == number for number in range(len(DECLARED)))
    kinds = np.full(len(texts), -1, np.int8)
    kinds[text | (free & matching(texts, _WORD) & ~as_numpy(pc.is_in(texts, _TRUTHS)))] = TEXT
    number = free | integer | real
    integers = number & matching(texts, _INTEGER)
    kinds[integers] = INT
    kinds[(number & matching(texts, _REAL)) | (real & integers)] = FLOAT
    kinds[as_numpy(pc.is_in(texts, _WORDS)) | as_numpy(pc.equal(texts, as_scalar("")))] = MISSING
    kinds[as_numpy(pc.match_substring(texts, "\n")) | (raws.nils >= 0)] = -1
    bits = _number_bits(kinds, texts)
    times = (free | time) & (kinds < 0) & (raws.nils < 0) & matching(texts, f"{_TIME}Z?")
    if times.any() and (moments := _time_bits(texts.filter(as_mask(times)))) is not None:
        kinds[times], bits[times] = TIME, moments
    return kinds, bits
