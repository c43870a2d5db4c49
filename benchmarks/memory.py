"""Peak memory of a build, at the tree once and ten times over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # it ships no types

from benchmarks.figures import Figure
from benchmarks.real_labels import archive, below, link, scratch

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["figures"]

_TIMES = 10
_BETWEEN = 0.01  # seconds
_BUILD = """
import sys
from psalab import build_index
report = build_index(sys.argv[1], sys.argv[2], jobs=int(sys.argv[3]))
assert report.products == int(sys.argv[4]), report
"""


def figures(repeat: int) -> list[Figure]:
    """Measure builds in processes of their own; `repeat` is of no use: a peak is reached in every run."""
    del repeat
    source = archive("osiris_labels")
    labels = below(source)
    folder = scratch("memory")
    found = []
    peaks: dict[tuple[int, int], float] = {}
    for times in (1, _TIMES):
        tree = folder / f"times_{times}"
        for number in range(times):
            link(labels, source, tree / f"volume_{number}")
        for jobs in (1, 2):
            peaks[times, jobs] = _peak(tree, folder / "index.duckdb", jobs, times * len(labels)) / 1e6
    shutil.rmtree(folder)  # a hundred thousand names
    for jobs in (1, 2):
        once, often = peaks[1, jobs], peaks[_TIMES, jobs]
        found.append(
            Figure(
                f"peak memory at {_TIMES * len(labels):,} labels beside {len(labels):,}, {jobs} process(es)", often / once,
                "x", 1.2, note=f"{often:,.0f} MB beside {once:,.0f} MB",
            )
        )  # fmt: skip
    return found


def _peak(tree: Path, index: Path, jobs: int, products: int) -> float:
    """Bytes that a build and its workers hold at most at the same time; pages that they share count for each."""
    index.unlink(missing_ok=True)
    words = [str(tree), str(index), str(jobs), str(products)]
    build = subprocess.Popen([sys.executable, "-c", _BUILD, *words], stdout=subprocess.DEVNULL)
    peak = 0
    watched = psutil.Process(build.pid)
    while build.poll() is None:
        peak = max(peak, sum(map(_held, [watched, *_children(watched)])))
        time.sleep(_BETWEEN)
    if build.returncode:
        raise RuntimeError(f"the build of {tree} ended with {build.returncode}")
    return peak


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
