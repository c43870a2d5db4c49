"""12,344 real PDS3 labels of one instrument, 23 KB and 315 keywords each: files to a typed DuckDB file."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

from benchmarks.building import a_build
from benchmarks.figures import Figure
from benchmarks.real_labels import archive, below, link, read_all, sample, scratch, size_of
from benchmarks.timing import interleaved
from psalab.index.recipes import bundled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["by_pdr", "by_pds3_utils", "figures"]

_PDR_SAMPLE = 200
_SCRAPER_SAMPLE = 5  # 0.4 s each

#: The recipe of the published table, and its table.
_RECIPE, _TABLE = "osiris_nac_zoo.yml", "osiris_nac_zoo"


def figures(repeat: int) -> list[Figure]:
    """Measure the build beside a warm read, pdr, and the scraper that it replaces."""
    tree = archive("osiris_labels")
    labels = below(tree)
    for_pdr, for_scraper = sample(labels, _PDR_SAMPLE), sample(labels, _SCRAPER_SAMPLE)
    folder = scratch("osiris")
    index = folder / "index.duckdb"
    read_all(labels)  # from now on they are warm
    least = interleaved(
        repeat,
        {
            "read": lambda: read_all(labels),
            "pdr": lambda: by_pdr(for_pdr),
            "one": a_build(tree, index, jobs=1),
            "two": a_build(tree, index, jobs=2),
            "scraper": by_pds3_utils(for_scraper, tree, folder),
        },
    )
    count = len(labels)
    read, one, two = least["read"].cpu / count, least["one"].cpu / count, least["two"].wall / count
    pdr_cpu, pdr_wall = (seconds / len(for_pdr) for seconds in least["pdr"])
    scraper = least["scraper"].cpu / len(for_scraper)
    of_bytes = size_of(labels)
    return [
        Figure("CPU per label of the whole build, 1 process", one * 1e6, "us"),
        Figure(
            "less CPU than pdr.Metadata(read_pvl(path))", pdr_cpu / one, "x", 13, 22, more=True,
            note=f"pdr {pdr_cpu * 1e6:,.0f} us",
        ),
        Figure(
            "less wall time than pdr, 2 processes", pdr_wall / two, "x", 22, 40, more=True,
            note=f"pdr {pdr_wall * 1e6:,.0f} us, build {two * 1e6:,.0f} us, {os.cpu_count()} cores",
        ),
        Figure("CPU beside reading the same files warm", one / read, "x", 45, 25, note=f"read {read * 1e6:.1f} us"),
        Figure(
            "less CPU than Database of pds3_utils", scraper / one, "x", more=True, note=f"it {scraper * 1e3:,.0f} ms"
        ),
        Figure("size of the index beside the labels", 100 * index.stat().st_size / of_bytes, "%", 5, 3),
        Figure("labels a second, 2 processes", 1 / two, "/s", more=True, note=f"{of_bytes / count / two / 1e6:,.0f} MB/s"),
    ]  # fmt: skip


def by_pdr(paths: Sequence[str]) -> None:
    """Parse PDS3 labels with pdr; values are not typed before they are asked for."""
    import pdr
    from pdr.parselabel.pds3 import read_pvl

    for path in paths:
        pdr.Metadata(read_pvl(path))


def by_pds3_utils(labels: Sequence[str], tree: Path, folder: Path) -> Callable[[], object]:
    """Give the Database of pds3_utils over some labels, in a folder of their own."""
    from pds3_utils import Database

    logging.getLogger("pds3_utils").setLevel(logging.ERROR)
    few = folder / "few"
    link(labels, tree, few)

    def scrape() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it writes through copies of frames, which newer pandas warns of
            table = Database(directory=str(few), config_file=str(bundled()[_RECIPE])).get_table(_TABLE)
        assert len(table) == len(labels)

    return scrape
