"""How long a command takes to start: whole processes, wall time."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psalab
from benchmarks.figures import Figure
from benchmarks.real_labels import scratch
from benchmarks.timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["figures"]

_LEAST_ROUNDS = 10
_COUNT = "select instrument, count(*) from products group by 1"


def figures(repeat: int) -> list[Figure]:
    """Measure each command at least ten times."""
    folder = scratch("startup")
    index = folder / "index.duckdb"
    psalab.build_index(psalab.demo(folder / "volume"), index, jobs=1)
    command = str(Path(sys.executable).with_name("psalab"))
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "import": [sys.executable, "-c", "import psalab"],
        "help": [command, "--help"],
        "sql": [command, "index", "sql", "--index", str(index), _COUNT],
    }
    works: dict[str, Callable[[], object]] = {name: partial(_run, words) for name, words in commands.items()}
    for work in works.values():
        work()  # what Python compiles and the disk reads, once
    least = {name: took.wall * 1e3 for name, took in interleaved(max(repeat, _LEAST_ROUNDS), works).items()}
    return [
        Figure("python -c pass", least["bare"], "ms"),
        Figure("python -c 'import psalab'", least["import"], "ms", 60),
        Figure("psalab --help", least["help"], "ms", 250),
        Figure("psalab index sql, small index", least["sql"], "ms", 350),
    ]


def _run(words: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PSALAB_")}
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
