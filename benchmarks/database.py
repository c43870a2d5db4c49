"""`Database` with the recipe of the published OSIRIS table, beside the class of pds3_utils that it takes the place of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.osiris import by_pds3_utils
from benchmarks.real_labels import archive, below, read_all, sample, scratch
from benchmarks.timing import interleaved
from psalab import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["figures"]

_SAMPLE = 5  # of the original, 0.4 s each


def figures(repeat: int) -> list[Figure]:
    """Measure all labels with psalab, and a sample with pds3_utils: files to the same table."""
    tree = archive("osiris_labels")
    labels = below(tree)
    few = sample(labels, _SAMPLE)
    read_all(labels)  # from now on they are warm
    least = interleaved(
        repeat,
        {
            "one": _database(tree, len(labels), jobs=1),
            "two": _database(tree, len(labels), jobs=2),
            "original": by_pds3_utils(few, tree, scratch("database")),
        },
    )
    one, two = least["one"].cpu / len(labels), least["two"].wall / len(labels)
    cpu, wall = (seconds / len(few) for seconds in least["original"])
    return [
        Figure("CPU per label, 1 process", one * 1e6, "us"),
        Figure("less CPU than Database of pds3_utils", cpu / one, "x", 500, 1000, more=True, note=f"it {cpu * 1e3:,.0f} ms"),
        Figure(
            "less wall time than it, 2 processes", wall / two, "x", 500, 1000, more=True,
            note=f"psalab {two * 1e6:,.0f} us, {os.cpu_count()} cores",
        ),
    ]  # fmt: skip


def _database(tree: Path, count: int, *, jobs: int) -> Callable[[], object]:
    def make() -> None:
        table = Database("N*.LBL", tree, "osiris_nac_zoo.yml", jobs=jobs).get_table("osiris_nac_zoo")
        assert table is not None
        assert len(table) == count

    return make
