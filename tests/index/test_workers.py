"""Workers end when nobody waits for them any more, and what waits in line is given back."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import pytest

from psalab.index.scrape import Task
from psalab.index.workers import droppable, processes, scraped

if TYPE_CHECKING:
    from pathlib import Path


def sleep_and_tell(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(3600)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def fail_while_two_work(folder: Path, why: type[BaseException]) -> None:
    with processes(2) as pool:
        for _ in range(6):
            pool.submit(droppable, sleep_and_tell, folder)
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.01)
        raise why


@pytest.mark.timeout(60)
@pytest.mark.parametrize("why", [KeyboardInterrupt, OSError])
def test_workers_drop_their_work_when_the_build_ends(tmp_path: Path, why: type[BaseException]) -> None:
    """It would take hours: the test ends, so nobody waited for it."""
    with pytest.raises(why):
        fail_while_two_work(tmp_path, why)
    assert [path.name for path in tmp_path.iterdir() if runs(int(path.name))] == []


@pytest.mark.timeout(60)
def test_ctrl_c_of_a_terminal_reaches_the_workers_too_and_ends_none_between_two_tasks() -> None:
    with processes(1) as pool:
        pid = pool.submit(os.getpid).result()
        os.kill(pid, signal.SIGINT)
        assert pool.submit(os.getpid).result() == pid
        with pytest.raises(KeyboardInterrupt):
            pool.submit(droppable, os.getpid).result()


class Idle(Executor):
    """Does the first thing that it is given, and nothing else."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        self.futures.append(Future())
        if len(self.futures) == 1:
            self.futures[0].set_result((0, set()))
        return self.futures[-1]


def test_an_executor_is_given_back_what_waits_in_line(tmp_path: Path) -> None:
    """That of a cluster goes on after the build: nobody wants these chunks any more."""
    executor = Idle()
    work = scraped(executor, [(Task(str(tmp_path), "root", (name,)), tmp_path / name) for name in "abc"])
    assert next(work)[0].labels == ("a",)
    work.close()
    assert [future.cancelled() for future in executor.futures] == [False, True, True]
