"""Which volumes are mounted here, found without waiting for one that hangs."""

from __future__ import annotations

import glob
import threading
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["PATIENCE", "answers", "folders_of", "volumes"]

T = TypeVar("T")

#: Seconds that a volume has to answer: a server that is gone lets whoever asks wait for minutes.
PATIENCE: Final = 1.5


def answers(questions: Sequence[Callable[[], T]], seconds: float = PATIENCE) -> list[T | None]:
    """Ask all at once; None for what fails, or has not answered in time.

    A question that hangs keeps its thread, which does not keep Python from ending.
    """
    found: list[T | None] = [None] * len(questions)

    def ask(place: int) -> None:
        try:
            found[place] = questions[place]()
        except (OSError, ValueError):
            found[place] = None

    threads = [threading.Thread(target=ask, args=(place,), daemon=True) for place in range(len(questions))]
    for thread in threads:
        thread.start()
    until = monotonic() + seconds
    for thread in threads:
        thread.join(max(until - monotonic(), 0))
    return list(found)


def volumes(patterns: Iterable[str], seconds: float = PATIENCE) -> list[Path]:
    """Find the folders that are volumes; ``*`` stands for every folder there. They need not answer."""
    listed = answers([partial(glob.glob, pattern) for pattern in patterns], seconds)
    return [Path(path) for paths in listed for path in sorted(paths or ())]


def folders_of(stored: Mapping[str, Path], patterns: Iterable[str], seconds: float = PATIENCE) -> dict[str, Path]:
    """Find where roots are here.

    Parameters
    ----------
    stored : mapping of str to Path
        Name of each root, and where it was when it was indexed.
    patterns : iterable of str
        Folders that are volumes here.
    seconds : float
        How long to wait for an answer.

    Returns
    -------
    dict
        For each root where it was, if it is there; else its place in a mounted volume of the same name; else where it was.
    """
    there = answers([path.is_dir for path in stored.values()], seconds)
    found = dict(stored)
    lost = [root for root, answer in zip(stored, there, strict=True) if not answer]
    if lost:
        mounted = volumes(patterns, seconds)
        candidates = [(root, path) for root in lost for path in _places(stored[root], mounted)]
        are_there = answers([path.is_dir for _, path in candidates], seconds)
        for (root, path), answer in reversed(list(zip(candidates, are_there, strict=True))):
            if answer:
                found[root] = path
    return found


def _places(stored: Path, mounted: Sequence[Path]) -> list[Path]:
    """Where a path may be: in a volume whose name is a step of it, the last such step first."""
    parts = stored.parts
    return [
        volume.joinpath(*parts[place + 1 :])
        for place in reversed(range(len(parts)))
        for volume in mounted
        if volume.name and parts[place] == volume.name
    ]
