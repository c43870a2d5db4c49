"""The disk that a run needs, estimated and looked for before it begins."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from psalab.errors import IndexFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from psalab.index.listed import Listed

__all__ = ["check_room", "room_for", "room_of_labels"]

#: What chunks and index take of the labels that are read: a share of their bytes (12,344 OSIRIS labels of 284 MB: 19 MB of
#: chunks and an index of 9 MB), and some bytes for each.
_SHARE: Final = 0.1
_EACH: Final = 2000
#: Chunks beside the index that is made of them (the same labels: 2.2), and the index itself.
_TIMES: Final = 3
#: Labels from which on an index tells what its labels take: in a smaller one most is what any index takes.
_MANY: Final = 10_000


def room_for(listings: Sequence[Listed], former: Path | None, left: int = 0) -> int:
    """Estimate the bytes that reading and loading the labels of some listings take.

    Parameters
    ----------
    listings : sequence of Listed
    former : pathlib.Path, optional
        An index of such labels, which tells what these take.
    left : int
        Bytes of chunks that an interrupted run has left.
    """
    labels, size = sum(listing.labels for listing in listings), sum(listing.label_bytes for listing in listings)
    return max(room_of_labels(labels, size, _share_of(former) if former else None) - left, 0)


def room_of_labels(labels: int, size: int, share: float | None = None) -> int:
    """Estimate what labels of some bytes take; `share` is the index of a label's bytes, where it is known."""
    return round(_SHARE * size + _EACH * labels if share is None else _TIMES * share * size)


def _share_of(index: Path) -> float | None:
    """Tell what an index of many labels takes beside their bytes."""
    import duckdb

    with closing(duckdb.connect(str(index), read_only=True)) as connection:
        ((labels, size),) = connection.execute(
            "select count(*), sum(least(size, 1048576)) from files where role = 'label'"
        ).fetchall()
    return index.stat().st_size / size if labels >= _MANY and size else None


def check_room(target: Path, needed: int, doing: str) -> None:
    """See that there is room in the folder of an index.

    Raises
    ------
    IndexFileError
        There is not.
    """
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise IndexFileError(
            f"{target} cannot be {doing}: that takes about {_in_words(needed)} in {target.parent}, where {_in_words(free)} "
            "are free. Nothing was read; free some space and run it again"
        )


def _in_words(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
