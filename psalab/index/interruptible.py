"""Statements of DuckDB that the time, or Ctrl-C, ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

__all__ = ["interruptible"]

T = TypeVar("T")


def interruptible(
    run: Callable[[duckdb.DuckDBPyConnection], T], connection: duckdb.DuckDBPyConnection, timeout: float | None = None
) -> T:
    """Run statements so that the time, or Ctrl-C, ends them.

    DuckDB has no setting for a timeout, and looks for Ctrl-C only between its own tasks. So the statements run on a thread,
    and who asked waits here. An interrupt that comes before a statement runs is lost: it is repeated until the end.

    Raises
    ------
    duckdb.InterruptException
        The time is over.
    KeyboardInterrupt
        Ctrl-C; the statements have ended.
    """
    done = threading.Event()
    values: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            values.append(run(connection))
        except BaseException as error:  # noqa: BLE001  raised again where it was asked
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="psalab-question", daemon=True).start()
    try:
        in_time = done.wait(timeout)
    except BaseException:
        _stop(connection, done)
        raise
    if not in_time:
        _stop(connection, done)
    if errors:
        raise errors.pop()
    return values[0]


def _stop(connection: duckdb.DuckDBPyConnection, done: threading.Event) -> None:
    while not done.wait(0.02):
        connection.interrupt()
