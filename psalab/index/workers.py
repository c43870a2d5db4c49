"""The processes that scrape: how they begin, what they are given, and how they end when nobody waits for them any more."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from psalab.index.chunk_file import scrape_to_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from pathlib import Path

    import numpy as np

    from psalab.index.scrape import Task

__all__ = ["droppable", "processes", "scraped"]

P = ParamSpec("P")
T = TypeVar("T")


class _Worker:
    """What a worker process knows of itself."""

    works = False
    is_to_end = False


_worker: Final = _Worker()


@contextmanager
def processes(number: int) -> Iterator[Executor]:
    """Give worker processes until the block is left; left by an error or Ctrl-C, they drop what they are doing.

    They are not killed, for one that dies while it hands over what it has done may leave the others waiting for ever.
    """
    told, tell = multiprocessing.Pipe(duplex=False)
    with told, tell, ProcessPoolExecutor(number, mp_context=_context(), initializer=_begin, initargs=(told,)) as pool:
        try:
            yield pool
        except BaseException:
            tell.send_bytes(b"end")
            pool.shutdown(cancel_futures=True)
            raise


def _context() -> BaseContext:
    """Fork where this process runs a single thread, which costs nothing; else a server that forks, as threads demand.

    Python counts its own threads alone; from 3.12 on it warns of a fork beside those of Arrow, so there the server forks.
    """
    methods = get_all_start_methods()
    alone = threading.active_count() == 1 and sys.version_info < (3, 12)
    if "fork" in methods and alone and sys.platform != "darwin":
        return get_context("fork")
    return get_context("forkserver" if "forkserver" in methods else "spawn")


def _begin(told: Connection) -> None:
    """Prepare a worker to end when it is told to, or Ctrl-C of the terminal reaches it, or when its parent ends."""
    signal.signal(signal.SIGINT, _drop)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_listen, args=(parent.sentinel, told), daemon=True).start()


def _listen(sentinel: int, told: Connection) -> None:
    if sentinel in multiprocessing.connection.wait([sentinel, told]):
        os._exit(1)  # it would wait for work for ever, and a fork holds the index's lock, too
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _drop(_signal: int, _frame: object) -> None:
    """Drop the task in hand, and those that are in line; between two tasks, nothing must be dropped."""
    _worker.is_to_end = True
    if _worker.works:
        raise KeyboardInterrupt


def droppable(work: Callable[P, T], *arguments: P.args, **more: P.kwargs) -> T:
    """Do some work in a worker, as long as it is not told to end."""
    _worker.works = True
    try:
        if _worker.is_to_end:
            raise KeyboardInterrupt
        return work(*arguments, **more)
    finally:
        _worker.works = False


def scraped(
    workers: Executor | None, todo: Iterable[tuple[Task, Path]]
) -> Generator[tuple[Task, tuple[int, np.ndarray]]]:
    """Scrape tasks into their files as workers become free; a few wait in line, so that a million are not held at once.

    Parameters
    ----------
    workers : concurrent.futures.Executor or None
        None: this process.
    todo : iterable of (Task, pathlib.Path)

    Yields
    ------
    Task, (int, ndarray)
        A task that is done, with the number of its rejects and hashes of the files that its labels name.
    """
    if workers is None:
        for task, file in todo:
            yield task, scrape_to_file(task, str(file))
        return
    waiting: dict[Future[tuple[int, np.ndarray]], Task] = {}
    line = iter(todo)
    in_line = 4 * (os.cpu_count() or 1)
    try:
        while True:
            for task, file in line:
                waiting[workers.submit(droppable, scrape_to_file, task, str(file))] = task
                if len(waiting) >= in_line:
                    break
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    finally:
        if not isinstance(workers, ProcessPoolExecutor):  # one that a worker was killed of stumbles over these
            for future in waiting:
                future.cancel()
