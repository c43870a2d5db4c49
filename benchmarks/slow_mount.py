"""A mount that takes 5 ms for each open: a build beside reading the same files with 32 threads."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from benchmarks.building import build
from benchmarks.figures import Figure
from benchmarks.real_labels import REPOSITORY, archive, below, read_all, scratch
from benchmarks.timing import interleaved
from psalab.index.build import PROCESSES_IF_SLOW
from psalab.index.scrape import read_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

__all__ = ["figures"]

_DELAY = 0.005  # seconds
_THREADS = 32
_SERVER = REPOSITORY / "tests" / "services" / "faulty_filesystem.py"


def figures(repeat: int) -> list[Figure]:
    """Measure with opens that wait inside the process, and on a FUSE mount where this machine can have one."""
    tree = archive("osiris_labels")
    folder = scratch("slow_mount")
    read_all(below(tree))
    found = _measure(repeat, tree, folder, "opens that wait")
    if importlib.util.find_spec("mfusepy") is not None and os.access("/dev/fuse", os.R_OK | os.W_OK):
        with _mounted(tree, folder / "mount") as mount:
            found += _measure(repeat, mount, folder, "FUSE mount")
    return found


def _measure(repeat: int, tree: Path, folder: Path, how: str) -> list[Figure]:
    slow = how != "FUSE mount"
    labels = below(tree)
    works: dict[str, Callable[[], object]] = {
        "read": lambda: _read(labels, slow=slow),
        "one": lambda: _build(tree, folder / "index.duckdb", 1, slow=slow),
        "two": lambda: _build(tree, folder / "index.duckdb", 2, slow=slow),
    }
    least = interleaved(repeat, works)
    read, one, two = (least[name].wall for name in works)
    note = f"reading {read:.2f} s, {read / len(labels) * 1e3:.2f} ms/label"
    return [
        Figure(f"{how}: wall of the build, 2 jobs, beside {_THREADS} threads reading", two / read, "x", 1.5, note=note),
        Figure(f"{how}: the same, 1 job", one / read, "x", note=f"{one:.2f} s"),
    ]  # fmt: skip


def _read(labels: Sequence[str], *, slow: bool) -> None:
    with _slow_opens(slow=slow), ThreadPoolExecutor(_THREADS) as readers:
        for _ in readers.map(read_start, labels):
            pass


def _build(tree: Path, index: Path, jobs: int, *, slow: bool) -> None:
    with _slow_opens(slow=slow):
        if jobs == 1:
            build(tree, index, jobs=1)
        else:
            with _workers(jobs, slow=slow) as executor:
                build(tree, index, jobs=jobs, executor=executor)


def _workers(jobs: int, *, slow: bool) -> Executor:
    """Make processes as a build does, told to open slowly, since not every way of starting one hands that down."""
    context = get_context("fork" if sys.platform != "darwin" else "spawn")
    return ProcessPoolExecutor(jobs * PROCESSES_IF_SLOW, mp_context=context, initializer=_open_slowly if slow else None)


_open = os.open


def _slow_open(*arguments: Any, **options: Any) -> int:
    time.sleep(_DELAY)
    return _open(*arguments, **options)


def _open_slowly() -> None:
    os.open = _slow_open


@contextmanager
def _slow_opens(*, slow: bool) -> Iterator[None]:
    """Make ``os.open``, which is how the scraper opens labels, wait as a mount would; other threads go on meanwhile."""
    if slow:
        _open_slowly()
    try:
        yield
    finally:
        os.open = _open


@contextmanager
def _mounted(source: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    faults = f'{{"open_delay": {_DELAY}}}'
    command = [sys.executable, str(_SERVER), str(source), str(folder), faults]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # FUSE calls it an error that it is told to end
    try:
        for _ in range(1000):
            if folder.is_mount():
                break
            if server.poll() is not None:
                raise RuntimeError(f"{source} cannot be mounted at {folder} through FUSE")
            time.sleep(0.01)
        yield folder
    finally:
        server.terminate()  # libfuse unmounts when it is told to end
        server.wait(10)
