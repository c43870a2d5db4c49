"""An update of 200,000 small labels of which none, or a hundred, are new: beside looking at the same files, and its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.real_labels import REPOSITORY, scratch
from benchmarks.timing import interleaved
from psalab import build_index
from psalab.index.update import update_index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["figures"]

_LABELS = 200_000
_TENTH = _LABELS // 10
_IN_A_FOLDER = 500
_NEW = 100
_UPDATE = """
import sys
from psalab.index.update import update_index
assert update_index(sys.argv[1], jobs=2).nothing_changed
# not ru_maxrss, which begins with what the process that started this one held
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_LABEL = """PDS_VERSION_ID = PDS3
DATA_SET_ID = "BENCH-X-CAM-2-UPDATE-V1.0"
PRODUCT_ID = "{name}"
INSTRUMENT_HOST_ID = "BENCH"
INSTRUMENT_ID = "CAM"
START_TIME = 2014-08-01T10:00:00.{number:06}
EXPOSURE_DURATION = {number} <ms>
END
"""


def figures(repeat: int) -> list[Figure]:
    """Measure updates in this process, but for the memory."""
    folder = scratch("update")
    whole, tenth = (_indexed(number) for number in (_LABELS, _TENTH))
    with_new = folder / "with_new.duckdb"
    works: dict[str, Callable[[], object]] = {
        "floor": partial(_look, whole.parent / "tree"),
        "update": partial(_update, whole),
        "process": partial(_in_a_process, whole),
        "under": partial(_update_with_new, whole, with_new),
    }
    least = interleaved(repeat, works)
    floor, update, process, under = (least[name] for name in works)
    peaks = [_in_a_process(index) / 1e3 for index in (whole, tenth)]
    shutil.rmtree(folder)
    note = f"{update.cpu / _LABELS * 1e6:.2f} beside {floor.cpu / _LABELS * 1e6:.2f} us a file"
    return [
        Figure("update, nothing changed: CPU beside scandir + stat", update.cpu / floor.cpu, "x", 2, 1.5, note=note),
        Figure("the same: wall", update.wall / floor.wall, "x", 2, 1.5),
        Figure(f"psalab as a process, {_LABELS:,} labels, nothing changed: wall", process.wall, "s", 3),
        Figure(f"--under a folder of {_NEW} new labels: wall", under.wall, "s", 1.5),
        Figure(
            f"peak memory at {_LABELS:,} beside {_TENTH:,}", peaks[0] / peaks[1], "x", 1.2,
            note=f"{peaks[0]:.0f} MB beside {peaks[1]:.0f} MB",
        ),
    ]  # fmt: skip


def _indexed(number: int) -> Path:
    """Give the index of a tree of some labels, both made once."""
    folder = REPOSITORY / ".bench" / f"update_{number}"
    index = folder / "index.duckdb"
    if not index.exists():
        for first in range(0, number, _IN_A_FOLDER):
            _write(folder / "tree" / f"D{first // _IN_A_FOLDER:04}", first, _IN_A_FOLDER)
        build_index(folder / "tree", index, jobs=2)
    return index


def _write(folder: Path, first: int, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(first, first + number):
        (folder / f"P{at:06}.LBL").write_text(_LABEL.format(name=f"P{at:06}", number=at))


def _look(tree: Path) -> int:
    """Look at every file as fast as Python can: scandir and stat."""
    looked, waiting = 0, [str(tree)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat()
                    looked += 1
    assert looked >= _TENTH
    return looked


def _update(index: Path) -> None:
    assert update_index(index, jobs=2).nothing_changed


def _update_with_new(index: Path, copy: Path) -> None:
    """Update a copy of the index with a folder that is new; making and removing these is a little of the time."""
    new = index.parent / "tree" / "NEW"
    shutil.copyfile(index, copy)
    _write(new, 10**6, _NEW)
    try:
        report = update_index(copy, under=new, jobs=2)
        assert report.new == _NEW
    finally:
        shutil.rmtree(new)


def _in_a_process(index: Path) -> int:
    """Update in a process of its own; give the most memory that it held, in kB."""
    done = subprocess.run([sys.executable, "-c", _UPDATE, str(index)], check=True, capture_output=True, text=True)
    return int(done.stdout)
