"""What a run leaves for whoever watches over it: a log of JSON lines, and a file of metrics."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from psalab.cli.exit_codes import INTERRUPTED, WRONG, complain, exit_code
from psalab.errors import PsalabError

if TYPE_CHECKING:
    from psalab.index.build import Progress

__all__ = ["LogFileOption", "MetricsOption", "Run", "rejected_of", "watched", "write_metrics"]

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

#: What the metrics mean, by their names without ``psalab_``.
_HELP: Final = {
    "run_success": "Whether the last run did what it was asked to.",
    "run_exit_code": "Exit code of the last run.",
    "run_timestamp_seconds": "When the last run ended.",
    "run_last_success_timestamp_seconds": "When the last successful run ended.",
    "run_seconds": "How long the last run took.",
    "run_files": "Files that the last run looked at.",
    "run_labels_read": "Labels that the last run read.",
    "run_labels_new": "Labels that were new.",
    "run_labels_changed": "Labels that had changed.",
    "run_labels_gone": "Labels that were gone.",
    "run_labels_rejected": "Files rejected among what was read.",
    "run_roots_away": "Roots of the index that were not mounted.",
    "index_products": "Products in the index.",
    "index_size_bytes": "Size of the index.",
    "publish_number": "Number of the latest publication.",
    "publish_products": "Products in the latest publication.",
    "publish_bytes": "Size of the latest publication.",
}
#: What a run that failed leaves as it was: the index is still there, and since when it has been good is what alerts ask.
_LASTING: Final = re.compile(r"(index|publish)_.*|run_last_success_timestamp_seconds")


class Run:
    """A run that is watched: it writes a log of JSON lines, each flushed (time in UTC, event, and what belongs to it).

    Attributes
    ----------
    numbers : dict
        Metrics by their names without ``psalab_``; empty until the run has come to its end.
    code : int
        Exit code.
    """

    def __init__(self, path: Path | None, command: str):
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace") if path else None
        self._command, self._last, self._step = command, 0.0, ""
        self.numbers: dict[str, float | int] = {}
        self.code = 0

    def write(self, event: str, **fields: Any) -> None:
        """Write a line; a log that cannot be written any more, on a full disk, does not end the run."""
        if self._file:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "command": self._command,
                "event": event,
            }
            try:
                self._file.write(json.dumps(line | fields, default=str) + "\n")
                self._file.flush()
            except OSError as error:
                complain(f"the log {self._file.name} cannot be written any more: {error.strerror}")
                self._file = None

    def progress(self, report: "Progress") -> None:
        """Write how far a run is: at each new step, and every few seconds."""
        now = time.monotonic()
        if report.step != self._step or now - self._last > _BETWEEN:
            self._step, self._last = report.step, now
            self.write("progress", step=report.step, done=report.done, total=report.total, rejected=report.rejected)

    def telling(self, tell: "Callable[[Progress], None]") -> "Callable[[Progress], None]":
        """Tell progress to somebody else, and to the log."""

        def both(report: "Progress") -> None:
            tell(report)
            self.progress(report)

        return both

    def end(self, fields: Mapping[str, Any], numbers: Mapping[str, float | int]) -> None:
        """Note that the run has come to its end: what the log and the metrics say of it."""
        self.numbers = dict(numbers)
        self.write("end", **fields)

    def close(self) -> None:
        """End the log."""
        if self._file:
            self._file.close()


@contextmanager
def watched(
    command: str, index: Path, log_file: Path | None, metrics: Path | None, *, interrupted: str, **fields: Any
) -> Iterator[Run]:
    """Log a run from its start to its end, and write its metrics, however it ends.

    Parameters
    ----------
    command : str
    index : pathlib.Path
    log_file, metrics : pathlib.Path or None
    interrupted : str
        What Ctrl-C means.
    **fields
        What the log tells of the start.
    """
    if metrics and not os.access(metrics.parent, os.W_OK):
        raise typer.BadParameter(f"the metrics {metrics} cannot be written: {metrics.parent} is no folder to write to")
    try:
        run = Run(log_file, command)
    except OSError as error:
        raise typer.BadParameter(f"the log {log_file} cannot be written: {error.strerror}") from error
    began = time.monotonic()
    run.write("start", pid=os.getpid(), index=str(index), **fields)
    try:
        yield run
    except BaseException as error:
        run.code = _code_of(error)
        if not run.numbers:  # else it came to its end, and only then something was found that is called a failure
            reason = str(error) if isinstance(error, PsalabError) else type(error).__name__
            run.write("failed", kind=type(error).__name__, reason=reason, exit_code=run.code)
        if isinstance(error, KeyboardInterrupt):
            complain(interrupted)
            raise typer.Exit(INTERRUPTED) from error
        raise
    finally:
        run.close()
        if metrics:
            write_metrics(metrics, index, command, _metrics(run, metrics, index, time.monotonic() - began))


def _code_of(error: BaseException) -> int:
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return exit_code(error) if isinstance(error, PsalabError) else WRONG


def _metrics(run: Run, path: Path, index: Path, seconds: float) -> dict[str, float | int]:
    """Metrics of a run; of one that failed also what is still so, as the file has it from the run before."""
    now, success = int(time.time()), bool(run.numbers)
    numbers = {
        "run_success": int(success),
        "run_exit_code": run.code,
        "run_timestamp_seconds": now,
        "run_seconds": round(seconds, 3),
    }
    if success:
        return numbers | {"run_last_success_timestamp_seconds": now} | run.numbers
    return numbers | {name: value for name, value in _former_metrics(path, index).items() if _LASTING.fullmatch(name)}


def _label(index: Path) -> str:
    """Write the label of an index; a path of bytes that are no UTF-8 is escaped, too."""
    name = str(index.absolute()).encode("utf-8", "backslashreplace").decode()
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _former_metrics(path: Path, index: Path) -> dict[str, float | int]:
    """Read what `write_metrics` wrote of an index, if it did."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    label = re.escape(f'index="{_label(index)}"')
    found = re.findall(rf'^psalab_(\w+){{{label},command="\w+"}} ([0-9.e+-]+)$', text, re.MULTILINE)
    return {name: float(number) if "." in number else int(number) for name, number in found}


def write_metrics(path: Path, index: Path, command: str, numbers: Mapping[str, float | int]) -> None:
    """Write metrics of a run in the text format of Prometheus, so that a reader never sees half a file.

    Parameters
    ----------
    path : pathlib.Path
    index, command : pathlib.Path, str
        Become labels, so that the exporter may read the files of several commands.
    numbers : mapping
        By the name of the metric, without ``psalab_``.
    """
    lines = [
        line
        for name, number in numbers.items()
        for line in (
            f"# HELP psalab_{name} {_HELP[name]}",
            f"# TYPE psalab_{name} gauge",
            f'psalab_{name}{{index="{_label(index)}",command="{command}"}} {number}',
        )
    ]
    part = path.with_name(f".{path.name}.{os.getpid()}")  # the exporter reads what ends in .prom
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        complain(f"the metrics {path} cannot be written: {error.strerror}")


def rejected_of(target: Path) -> set[tuple[str, str]]:
    """Give root and path of what an index holds as rejected; nothing where there is no index yet."""
    from psalab.index.ask import open_index

    if not target.exists():
        return set()
    with open_index(target) as former:
        return set(former.rows("select root, path from rejected").rows)
