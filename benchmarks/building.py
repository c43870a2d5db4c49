"""A build from nothing, as work to be timed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psalab import build_index

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from psalab.index.build import Report

__all__ = ["a_build", "build"]


def build(tree: Path, index: Path, *, jobs: int, executor: Executor | None = None) -> Report:
    """Build the index of a tree; a former one is removed first."""
    index.unlink(missing_ok=True)
    return build_index(tree, index, jobs=jobs, executor=executor)


def a_build(tree: Path, index: Path, *, jobs: int) -> Callable[[], Report]:
    """Give that build, to be done later."""
    return partial(build, tree, index, jobs=jobs)
