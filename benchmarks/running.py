"""The benchmarks by name; each runs in a process of its own."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Figure

__all__ = ["NAMES", "measure"]

NAMES = ("osiris", "database", "pds4", "mixed", "million", "publish", "memory", "update", "slow_mount", "startup")


def measure(name: str, repeat: int, *, fresh: bool) -> list[Figure]:
    """Run a benchmark in a new process: what another one left in memory would slow it down."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, name, repeat, fresh=fresh).result()


def _measure(name: str, repeat: int, *, fresh: bool) -> list[Figure]:
    figures: Callable[..., list[Figure]] = import_module(f"benchmarks.{name}").figures
    return figures(repeat, fresh=fresh) if name == "million" else figures(repeat)
