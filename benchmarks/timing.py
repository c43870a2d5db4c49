"""Time that work takes: CPU of this process and of the children that it waited for, and wall."""

from __future__ import annotations

import gc
import resource
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Took", "interleaved", "took"]


class Took(NamedTuple):
    """Seconds."""

    cpu: float
    wall: float


def took(work: Callable[[], object]) -> Took:
    """Do some work once; garbage of what ran before is not on its bill."""
    gc.collect()
    cpu, wall = _cpu(), time.perf_counter()
    work()
    return Took(_cpu() - cpu, time.perf_counter() - wall)


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def interleaved(repeat: int, works: Mapping[str, Callable[[], object]]) -> dict[str, Took]:
    """Do all works in turn, `repeat` times over; give the least CPU and the least wall time of each.

    Works that are compared run within the same minute, so that another load of the machine meets all of them.
    """
    rounds = [{name: took(work) for name, work in works.items()} for _ in range(repeat)]
    return {
        name: Took(min(round_[name].cpu for round_ in rounds), min(round_[name].wall for round_ in rounds))
        for name in works
    }
