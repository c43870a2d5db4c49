"""A real PDS4 label of 11 KB and 114 leaves, in copies with other ids, times and numbers, into columns with units."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.building import a_build
from benchmarks.figures import Figure
from benchmarks.real_labels import archive, below, read_all, sample, scratch, size_of
from benchmarks.timing import interleaved
from psalab.index.scrape import Task, scrape

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["figures"]

_COPIES = 2000
_CHUNK = 1000  # of a build
_SAMPLE = 200
#: The image of a camera, its label and its data; of all labels of the archives the one next to 11 KB, 114 leaves (elements
#: and units) and with the most units.
_LABEL = "cam_raw_sc_cam3_image_20241018t001002_61_f__t0004.lblx"

_STAMP = re.compile(r"\d{8}t\d{6}")
_TIME = re.compile(r"(?<=>)\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?=Z?<)")
_REAL = re.compile(r"(?<=>)[+-]?\d+\.\d+(?:[eE][+-]?\d+)?(?=<)(?!</[\w:]*version)")


def figures(repeat: int) -> list[Figure]:
    """Measure scrape and build beside a warm read and pds4_tools."""
    original = next(archive("real_products").rglob(_LABEL))
    folder = scratch("pds4")
    tree = folder / "tree"
    _write_copies(original.read_text(encoding="utf-8"), tree)
    labels = below(tree)
    names = [str(Path(path).relative_to(tree)) for path in labels]
    tasks = [Task(str(tree), "copies", tuple(names[at : at + _CHUNK])) for at in range(0, _COPIES, _CHUNK)]
    for_tools = sample(labels, _SAMPLE)
    read_all(labels)
    least = interleaved(
        repeat,
        {
            "read": lambda: read_all(labels),
            "tools": lambda: _by_pds4_tools(for_tools),
            "scrape": lambda: [scrape(task) for task in tasks],
            "build": a_build(tree, folder / "index.duckdb", jobs=1),
        },
    )
    read, scraped, built = (least[name].cpu / _COPIES for name in ("read", "scrape", "build"))
    tools = least["tools"].cpu / _SAMPLE
    note = f"read {read * 1e6:.1f} us, pds4_tools {tools * 1e6:,.0f} us, {size_of(labels) / _COPIES / 1e3:.1f} KB"
    return [
        Figure("CPU per label into columns", scraped * 1e6, "us", note=note),
        Figure("CPU per label of the whole build, 1 process", built * 1e6, "us"),
        Figure("into columns beside reading the same files warm", scraped / read, "x", 14, 10),
        Figure("whole build beside reading the same files warm", built / read, "x"),
        Figure("into columns: less CPU than pds4_tools.read(lazy_load=True)", tools / scraped, "x", 4, 6, more=True),
        Figure("whole build: less CPU than pds4_tools.read(lazy_load=True)", tools / built, "x", more=True),
    ]


def _by_pds4_tools(paths: Sequence[str]) -> None:
    import pds4_tools

    for path in paths:
        pds4_tools.read(path, lazy_load=True, quiet=True)


def _write_copies(text: str, tree: Path) -> None:
    """Write labels that differ as those of one camera do: id, file names, times, and numbers with a fraction."""
    stamp = _STAMP.search(_LABEL)
    assert stamp is not None
    for number in range(_COPIES):
        later = timedelta(seconds=97.125 * number)
        moved = (datetime.strptime(stamp[0], "%Y%m%dt%H%M%S") + later).strftime("%Y%m%dt%H%M%S")
        changed = text.replace(stamp[0], moved).replace(stamp[0].upper(), moved.upper())
        changed = _TIME.sub(lambda match, by=later: _moved(match[0], by), changed)  # type: ignore[misc]
        changed = _REAL.sub(lambda match, by=number: _scaled(match[0], by), changed)  # type: ignore[misc]
        path = tree / f"orbit_{number // 500:02}" / _LABEL.replace(stamp[0], moved)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed, encoding="utf-8")


def _moved(time: str, by: timedelta) -> str:
    fraction = len(time.partition(".")[2])
    moved = (datetime.fromisoformat(time) + by).isoformat(timespec="microseconds")
    return moved[: 20 + fraction] if fraction else moved[:19]


def _scaled(number: str, by: int) -> str:
    """Multiply a number, with as many digits behind the point as it had."""
    mantissa, mark, exponent = re.split(r"([eE])", number) if re.search(r"[eE]", number) else (number, "", "")
    digits = len(mantissa.partition(".")[2])
    return f"{float(mantissa) * (1 + by / 20_000):.{digits}f}{mark}{exponent}"
