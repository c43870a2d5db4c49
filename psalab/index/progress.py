"""How far a build is, shown: tqdm in a notebook, rich on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psalab.index.build import Progress

__all__ = ["Pace", "Shown", "bar", "shown", "where_to_show"]

#: Seconds between two changes of what is shown.
_BETWEEN: Final = 0.1
_READING: Final = frozenset({"scrape", "peek"})


class Shown(NamedTuple):
    """What a bar says.

    Attributes
    ----------
    step : str
        What is being done, in words.
    done, total : int
        Labels; a total of 0 is not known.
    numbers : str
        Labels, rate, rejects and time left.
    """

    step: str
    done: int
    total: int
    numbers: str


class Pace:
    """Turns reports into what a bar says; the labels that an interrupted build had read count, but not for the rate."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def at(self, report: Progress, now: float) -> Shown:
        """Give what a bar says.

        Parameters
        ----------
        report : Progress
        now : float
            Seconds of a clock.
        """
        if report.step == "walk":
            return Shown("looking for labels", 0, 0, f"{report.done:,} files")
        if report.step not in _READING:
            return Shown(report.step.replace("load", "writing", 1), report.done, report.total, _rejects(report))
        if self._began is None:
            self._began = (now, report.done)
        step = "reading labels" if report.step == "scrape" else "reading attached labels"
        parts = [f"{report.done:,} of {report.total:,}"]
        seconds, done = now - self._began[0], report.done - self._began[1]
        if seconds > 0 and done > 0:
            rate = done / seconds
            parts.append(f"{rate:,.0f}/s")
            parts.append(f"{_duration((report.total - report.done) / rate)} left")
        return Shown(step, report.done, report.total, ", ".join([*parts, _rejects(report)]))


def _rejects(report: Progress) -> str:
    return f"{report.rejected:,} rejected"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def where_to_show() -> Literal["notebook", "terminal", "nowhere"]:
    """Tell where somebody may be looking."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    if shell is not None and "IPKernelApp" in shell.config:
        return "notebook"
    return "terminal" if sys.stderr is not None and sys.stderr.isatty() else "nowhere"


@contextmanager
def shown(
    progress: Callable[[Progress], None] | None = None,
    where: Literal["notebook", "terminal", "nowhere"] | None = None,
) -> Iterator[Callable[[Progress], None]]:
    """Give something that is told how far a build is, and shows it until the block is left.

    Parameters
    ----------
    progress : callable, optional
        Told in place of a bar.
    where : {'notebook', 'terminal', 'nowhere'}, optional
        By default what `where_to_show` finds.
    """
    where = where or where_to_show()
    if progress is not None:
        yield progress
    elif where == "nowhere":
        yield lambda _: None
    else:
        with _notebook_bar() if where == "notebook" else _terminal_bar() as show:
            show(Shown("looking for labels", 0, 0, ""))
            yield _paced(show)


@contextmanager
def bar(where: Literal["notebook", "terminal", "nowhere"] | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """Give something that is told what is being done (step, done, total; 0 where not known), and shows it meanwhile."""
    where = where or where_to_show()
    if where == "nowhere":
        yield lambda *_: None
        return
    last = ("", 0.0)

    def tell(step: str, done: int, total: int) -> None:
        nonlocal last
        now = monotonic()
        if step != last[0] or now > last[1] + _BETWEEN:
            last = (step, now)
            show(Shown(step, done, total, f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""))

    with _notebook_bar() if where == "notebook" else _terminal_bar() as show:
        yield tell


def _paced(show: Callable[[Shown], None]) -> Callable[[Progress], None]:
    """Show reports, though not more often than somebody can see; what begins or ends a step always."""
    pace = Pace()
    last = ("", 0.0)

    def tell(report: Progress) -> None:
        nonlocal last
        now = monotonic()
        says = pace.at(report, now)
        if (says.step, now) > (last[0], last[1] + _BETWEEN) or says.step != last[0] or says.done == says.total:
            last = (says.step, now)
            show(says)

    return tell


@contextmanager
def _terminal_bar() -> Iterator[Callable[[Shown], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)),
    )
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    # no thread of its own: a process with several threads cannot fork its workers
    with Progress(*columns, console=console, auto_refresh=False, transient=True, expand=True) as bars:
        bar = bars.add_task("", total=None, numbers="")

        def show(says: Shown) -> None:
            bars.update(bar, description=says.step, completed=says.done, total=says.total or None, numbers=says.numbers)
            bars.refresh()

        yield show


@contextmanager
def _notebook_bar() -> Iterator[Callable[[Shown], None]]:
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # without ipywidgets it is a bar of text, and that is well
        from tqdm.auto import tqdm
    with tqdm(total=0, leave=False, bar_format="{desc} {bar} {postfix}") as bar:

        def show(says: Shown) -> None:
            if says.total != bar.total:
                bar.reset(total=says.total)
            bar.n = says.done
            bar.set_description_str(says.step, refresh=False)
            bar.set_postfix_str(says.numbers, refresh=False)
            bar.refresh()

        yield show
