"""What a run leaves for whoever watches over it: a log of JSON lines, and a file of metrics."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from psalab.errors import PsalabError

if TYPE_CHECKING:
    from psalab.index.build import Progress

__all__ = ["LogFileOption", "MetricsOption", "RunLog", "both", "logged", "rejected_of", "write_metrics"]

LogFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Append what happens as JSON lines.", show_default=False),
]
MetricsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--metrics", metavar="FILE", help="Write metrics for the node exporter of Prometheus.", show_default=False
    ),
]
#: Seconds between two lines of progress.
_BETWEEN: Final = 10.0


class RunLog:
    """Writes what happens as JSON lines, each flushed: time (UTC), event, and what belongs to it."""

    def __init__(self, path: Path | None, command: str):
        self._file = path.open("a", encoding="utf-8") if path else None
        self._command, self._last, self._step = command, 0.0, ""

    def write(self, event: str, **fields: Any) -> None:
        """Write a line."""
        if self._file:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "command": self._command,
                "event": event,
            }
            self._file.write(json.dumps(line | fields, default=str) + "\n")
            self._file.flush()

    def progress(self, report: "Progress") -> None:
        """Write how far a run is: at each new step, and every few seconds."""
        now = time.monotonic()
        if report.step != self._step or now - self._last > _BETWEEN:
            self._step, self._last = report.step, now
            self.write("progress", step=report.step, done=report.done, total=report.total, rejected=report.rejected)

    def close(self) -> None:
        """End the log."""
        if self._file:
            self._file.close()


@contextmanager
def logged(path: Path | None, command: str, **fields: Any) -> Iterator[RunLog]:
    """Log a run from its start to its end, however it ends."""
    try:
        log = RunLog(path, command)
    except OSError as error:
        raise typer.BadParameter(f"the log {path} cannot be written: {error.strerror}") from error
    log.write("start", pid=os.getpid(), **fields)
    try:
        yield log
    except BaseException as error:
        reason = str(error) if isinstance(error, PsalabError) else type(error).__name__
        log.write("failed", kind=type(error).__name__, reason=reason)
        raise
    finally:
        log.close()


def both(one: "Callable[[Progress], None]", other: "Callable[[Progress], None]") -> "Callable[[Progress], None]":
    """Tell progress to two."""

    def tell(report: "Progress") -> None:
        one(report)
        other(report)

    return tell


def write_metrics(path: Path, index: Path, numbers: dict[str, float | int]) -> None:
    """Write metrics of a run in the text format of Prometheus, so that a reader never sees half a file.

    Parameters
    ----------
    path : pathlib.Path
    index : pathlib.Path
        Becomes the label ``index``.
    numbers : dict
        By the name of the metric, without ``psalab_``.
    """
    name = str(index).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    lines = [
        line
        for metric, number in numbers.items()
        for line in (f"# TYPE psalab_{metric} gauge", f'psalab_{metric}{{index="{name}"}} {number}')
    ]
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise typer.BadParameter(f"the metrics {path} cannot be written: {error.strerror}") from error


def rejected_of(target: Path) -> set[tuple[str, str]]:
    """Give root and path of what an index holds as rejected; nothing where there is no index yet."""
    from psalab.index.ask import open_index

    if not target.exists():
        return set()
    with open_index(target) as former:
        return set(former.rows("select root, path from rejected").rows)
