"""Figures as a table, and where they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.figures import Figure

__all__ = ["as_json", "table", "where"]

_PACKAGES = ("psalab", "duckdb", "pyarrow", "numpy", "pandas", "lxml", "pdr", "pds3_utils", "pds4_tools", "pvl")


def where() -> dict[str, str]:
    """Machine, versions and commit."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.system()} {platform.release()}",
        "load": ", ".join(f"{load:.2f}" for load in os.getloadavg()) + " (before, 1, 5 and 15 minutes)",
        "commit": _commit(),
        "versions": ", ".join([f"python {platform.python_version()}", *(f"{name} {packages[name]}" for name in packages)]),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"


def _commit() -> str:
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "--short", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", "../psalab")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}{' and changes to psalab that are not committed' if changed else ''}"


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def table(found: Mapping[str, Sequence[Figure]]) -> str:
    """All figures, one a line, below the name of their benchmark."""
    rows: list[tuple[str, ...]] = [("figure", "bar", "goal", "reached", "met?", "")]
    for name, figures in found.items():
        rows.append((name, "", "", "", "", ""))
        rows += [_row(figure) for figure in figures]
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    lines = [
        f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  {row[4]:{widths[4]}}"
        f"  {row[5]}".rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    def aim(number: float | None) -> str:
        return "" if number is None else f"{'>=' if figure.more else '<='} {number:g} {figure.unit}"

    met = {"goal": "goal", "bar": "yes", "no": "NO", "": ""}[figure.met]
    reached = f"{_digits(figure.reached)} {figure.unit}".rstrip()
    return f"  {figure.what}", aim(figure.bar), aim(figure.goal), reached, met, figure.note


def _digits(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def as_json(found: Mapping[str, Sequence[Figure]], measured: Mapping[str, str]) -> dict[str, Any]:
    """Everything, for a file."""
    return {
        **measured,
        "figures": [
            {
                "benchmark": name, "figure": figure.what, "unit": figure.unit, "bar": figure.bar, "goal": figure.goal,
                "more_is_better": figure.more, "reached": figure.reached, "met": figure.met, "note": figure.note,
            }
            for name, figures in found.items()
            for figure in figures
        ],
    }  # fmt: skip
