"""Build an index: walk, scrape in chunks, settle, load, swap."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, TextIO

import numpy as np

from psalab.errors import IndexFileError, IndexLocked, RootRefused, VolumeError
from psalab.index.chunk_file import named_files, read_products
from psalab.index.listed import Listed, Tasks
from psalab.index.progress import shown
from psalab.index.room import check_room, room_for
from psalab.index.scrape import is_slow
from psalab.index.walk import escape, unescape, walk
from psalab.index.workers import processes, scraped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    from psalab.index.chunk_file import Products
    from psalab.index.scrape import Task
    from psalab.index.store import Listing

__all__ = [
    "CHUNK",
    "Builder",
    "Progress",
    "Report",
    "as_listing",
    "build_index",
    "file_name",
    "locked",
    "mapped_errors",
    "remove_database",
]

#: Seconds to wait for the lock of an index.
_PATIENCE: Final = 1.0
#: Labels of a chunk: enough for the memo to pay, few enough for a worker's memory and for spreading over workers.
CHUNK: Final = 1000
#: Processes for each job where reading a label means waiting.
PROCESSES_IF_SLOW: Final = 2
#: Changes whenever a chunk of the same labels would come out differently, so that none of an older form is resumed.
_CHUNK_FORM: Final = 3
#: What `flock` says where a file system, or the service that it asks, has no locks.
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
#: Endings of what a build writes: the index, its log of changes, its lock, the chunks, and the index that is being made.
_WRITTEN: Final = (
    "", ".wal", ".lock", ".building", ".part", ".part.wal", ".part.tmp", ".updating", ".checked", ".checked.part",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: step ('walk', 'scrape', 'peek', 'load'), labels done, labels in all (0: not known), rejects."""

    step: str
    done: int = 0
    total: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did.

    Attributes
    ----------
    index : pathlib.Path
    labels, products, rejected, files : int
    seconds : float
    resumed : int
        Labels that an earlier, interrupted build had scraped already.
    """

    index: Path
    labels: int
    products: int
    rejected: int
    files: int
    seconds: float
    resumed: int = 0


def build_index(
    roots: str | PathLike[str] | Sequence[str | PathLike[str]],
    index: str | PathLike[str],
    *,
    jobs: int | None = None,
    structure: bool = False,
    exclude: Sequence[str] = (),
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Index every keyword of every label below some folders.

    Parameters
    ----------
    roots : path or sequence of paths
        Mounted volumes, or any folders. They are read anew; other roots that the index holds stay as they are.
    index : path
        The DuckDB file. A former index answers until the new one is whole, and stays if the build fails.
    jobs : int, optional
        Worker processes; by default as many as there are cores. 1 works in this process.
    structure : bool
        Whether keywords of data objects (OBJECT = IMAGE and the like, File_Area) become columns, too.
    exclude : sequence of str
        Patterns of names or of paths below a root that are left out.
    executor : concurrent.futures.Executor, optional
        Used in place of processes of our own, for example Dask's ``Client.get_executor()``. Its workers must see the
        roots and the index's folder under the same paths.
    progress : callable, optional
        Told of every step; by default a bar shows it, in a notebook and on a terminal.

    Returns
    -------
    Report

    Raises
    ------
    VolumeError
        A root is not there, is no folder, or cannot be listed.
    RootRefused
        A root lies inside one that the index holds.
    IndexLocked
        Another build is writing the same index.
    IndexFileError
        The index cannot be written, or what is there is no index of this version.
    """
    paths = [roots] if isinstance(roots, (str, os.PathLike)) else list(roots)
    target = Path(index).absolute()
    if "\\" in escape(str(target)):
        raise IndexFileError(f"{str(target)!r} cannot be an index: its path has a backslash or bytes that are no UTF-8")
    with shown(progress) as tell, mapped_errors(target), locked(target):
        builder = Builder(target, structure, exclude, tell)
        builder.use_roots([Path(path) for path in paths])
        return builder.run(jobs or os.cpu_count() or 1, executor)


@contextmanager
def mapped_errors(target: Path, doing: str = "built") -> Iterator[None]:
    """Make errors of the system, of DuckDB and of worker processes those of an index."""
    try:
        yield
    except BrokenProcessPool as error:
        raise IndexFileError(
            f"{target} cannot be {doing}: a worker was killed, perhaps for want of memory; run it again, with fewer jobs: "
            "it goes on from where it was"
        ) from error
    except OSError as error:
        if isinstance(error, (IndexFileError, VolumeError)):
            raise
        raise IndexFileError(_failed(target, error, doing)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("duckdb", "_duckdb"):
            raise
        raise IndexFileError(_failed(target, error, doing)) from error


def _failed(target: Path, error: Exception, doing: str) -> str:
    full = os.strerror(errno.ENOSPC) in str(error)  # DuckDB hands on the system's words, not its number
    advice = "; free some space and run it again: it goes on from where it was" if full else ""
    return f"{target} cannot be {doing}: {error}{advice}"


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the index's lock; the system gives it up when this process and its workers end, however they end."""
    path = target.with_name(target.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _patient_lock(path, target)
    try:
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"host {os.uname().nodename}, pid {os.getpid()}, since {since}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _patient_lock(path: Path, target: Path) -> TextIO:
    """Lock the file and give it open; the workers of a build that was killed may hold it for a moment more."""
    patience = monotonic() + _PATIENCE
    while isinstance(found := _try_lock(path), str):
        if monotonic() > patience:
            raise IndexLocked(f"{target} is being written by another run: {found}")
        sleep(0.05)
    return found


def _try_lock(path: Path) -> TextIO | str:
    """Give the file, locked, or who holds the lock."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("a+"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                stack.pop_all()
                return file
        except FileNotFoundError:
            pass  # whoever held it has just removed it: this is not the file that the next one would lock
        except OSError as error:
            if error.errno in _NO_LOCKS:
                path.unlink(missing_ok=True)
                raise IndexFileError(
                    f"{path.with_suffix('')} cannot be written safely: {path.parent} is on a share without locks "
                    f"({error.strerror}), where two runs at once would spoil it; write it on a local disk, and copy it there"
                ) from error
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        file.seek(0)
        return file.read().strip() or "unknown"


class Builder:
    """A build of one index: roots, the labels that have to be read, and the chunks that hold what was read."""

    def __init__(self, target: Path, structure: bool, exclude: Sequence[str], progress: Callable[[Progress], None]):  # noqa: FBT001
        self.target, self.structure, self.exclude, self.progress = target, structure, tuple(exclude), progress
        self.work = target.with_name(target.name + ".building")
        self.roots: dict[str, Path] = {}
        self.kept: list[str] = []
        self.named: list[np.ndarray] = []
        self.left: set[str] = set()
        self.rejected = self.done = self.total = self.resumed = 0

    def use_roots(self, paths: Sequence[Path]) -> None:
        """Check the roots and name them by their volume."""
        from psalab.index.store import stored_roots

        if not paths:
            raise RootRefused("no root was given: name the folder of a volume")
        for path in paths:
            try:
                os.listdir(path)
            except FileNotFoundError as error:
                raise VolumeError(f"the root {path} is not there: is the volume mounted?") from error
            except NotADirectoryError as error:
                raise VolumeError(f"the root {path} is not a folder") from error
            except OSError as error:
                raise VolumeError(f"the root {path} cannot be listed: {error.strerror}") from error
        real = sorted({path.resolve() for path in paths})
        outer = [path for path in real if not any(path != other and path.is_relative_to(other) for other in real)]
        stored = stored_roots(self.target) if self.target.exists() else {}
        held = {name: Path(unescape(where)) for name, where in stored.items()}
        for path in outer:
            for name, where in held.items():
                if path != where and path.is_relative_to(where):
                    raise RootRefused(
                        f"{path} lies inside the root {name} ({where}) of {self.target}: "
                        f"psalab index update --under {path.relative_to(where)}"
                    )
        absorbed = [name for name, where in held.items() if any(where.is_relative_to(path) for path in outer)]
        # a volume that is not where it was may have been mounted elsewhere: one of its name takes its place
        others = {name for name, where in held.items() if name not in absorbed and os.path.isdir(where)}
        known = {where: name for name, where in held.items()}
        for path in sorted(outer, key=lambda path: path not in known):
            name = known.get(path) or _volume_name(path, others | self.roots.keys())
            self.roots[name] = path
        self.roots = dict(sorted(self.roots.items(), key=lambda item: item[1]))
        self.kept = [name for name in held if name not in absorbed and name not in self.roots]

    def run(self, jobs: int, executor: Executor | None) -> Report:
        """Walk, scrape, load and swap."""
        began, started = monotonic(), datetime.now(UTC).replace(tzinfo=None)
        self.work.mkdir(parents=True, exist_ok=True)
        self.left = {file.name for file in self.work.glob("*.chunk")}
        listings = [self._walk(name, path) for name, path in self.roots.items()]
        self._check_room(listings)
        report = self._load(listings, self.read(listings, jobs, executor), started, jobs)
        shutil.rmtree(self.work, ignore_errors=True)
        return Report(self.target, *report, monotonic() - began, self.resumed)

    def _check_room(self, listings: Sequence[Listed]) -> None:
        """See that there is room for what is read, and for the rows of the roots that stay."""
        former = self.target if self.target.exists() else None
        kept = former.stat().st_size if former and self.kept else 0
        check_room(self.target, kept + room_for(listings, former, self._chunk_bytes()), "built")

    def _chunk_bytes(self) -> int:
        """Bytes of the chunks that an interrupted run has left."""
        return sum((self.work / name).stat().st_size for name in self.left)

    def read(
        self, listings: Sequence[Listed], jobs: int, executor: Executor | None, named: Sequence[int] = ()
    ) -> list[Path]:
        """Read the labels of listings, and the data files that begin with one and that no label names; give the chunks.

        `named` are hashes of files that other labels name.
        """
        self.total = sum(listing.labels for listing in listings)
        tasks = Tasks(listings, "label", CHUNK, structure=self.structure)
        with self._executor(executor, _processes(jobs, tasks)) as workers:
            chunks = self._scrape(workers, tasks, "scrape")
            all_named = np.unique(np.concatenate([np.array(named, np.int64), *self.named]))
            self.total += sum(listing.tell_named(all_named) for listing in listings)
            return chunks + self._scrape(workers, Tasks(listings, "peeked", CHUNK, structure=self.structure), "peek")

    def _walk(self, name: str, path: Path) -> Listed:
        listed = Listed(name, path, self.work / f"{file_name(name)}.files")
        for count in listed.write(walk(str(path), self.exclude, self._own_files(path))):
            self.progress(Progress("walk", count))
        return listed

    def _own_files(self, root: Path) -> list[str]:
        """Paths below a root of what this build writes, where the index lies inside the root."""
        folder = self.target.parent.resolve()
        if not folder.is_relative_to(root):
            return []
        return [str((folder / (self.target.name + ending)).relative_to(root)) for ending in _WRITTEN]

    @contextmanager
    def _executor(self, executor: Executor | None, number: int) -> Iterator[Executor | None]:
        if executor is not None:
            yield executor
        elif number <= 1:
            yield None
        else:
            with processes(number) as pool:
                yield pool

    def _scrape(self, workers: Executor | None, tasks: Iterable[Task], step: str) -> list[Path]:
        """Scrape tasks into chunk files, those that are there already left out; give the files in the order of the tasks."""
        there = self._resume(tasks) if self.left else set()
        files: list[Path] = []

        def todo() -> Iterator[tuple[Task, Path]]:
            for task in tasks:
                files.append(self.work / f"{_digest(task)}.chunk")
                if files[-1] not in there:
                    yield task, files[-1]

        self.progress(Progress(step, self.done, self.total, self.rejected))
        with closing(scraped(workers, todo())) as done:
            for task, (rejected, named) in done:
                self.named.append(named)
                self.done += len(task.labels)
                self.rejected += rejected
                self.progress(Progress(step, self.done, self.total, self.rejected))
        return files

    def _resume(self, tasks: Iterable[Task]) -> set[Path]:
        """Take in the chunks that an interrupted build has left of these tasks; give their files."""
        there = set()
        for task in tasks:
            file = self.work / f"{_digest(task)}.chunk"
            chunk = _chunk_on_disk(file) if file.name in self.left else None
            if chunk is not None:
                there.add(file)
                self.named.append(named_files(chunk))
                self.rejected += len(chunk.rejected)
                self.resumed += len(task.labels)
                self.done += len(task.labels)
        return there

    def _load(
        self, listings: Sequence[Listed], chunks: Sequence[Path], started: datetime, jobs: int
    ) -> tuple[int, int, int, int]:
        from psalab.index import store

        settings = {"exclude": list(self.exclude), "structure": self.structure}
        run = store.RunRecord("build", started, jobs, version("psalab"), self.structure, settings)
        part = self.target.with_name(self.target.name + ".part")
        remove_database(part)
        try:
            counts = store.load(
                part,
                chunks,
                [as_listing(listing) for listing in listings],
                run,
                unreadable=[(listing.name, *row) for listing in listings for row in listing.unreadable],
                keep=store.Kept(self.target, self.kept) if self.target.exists() else None,
                threads=max(1, min(jobs, os.cpu_count() or 1)),
                progress=lambda what: self.progress(Progress(f"load {what}", self.done, self.total, self.rejected)),
            )
            os.replace(part, self.target)
        finally:
            remove_database(part)
        self.target.with_name(self.target.name + ".wal").unlink(missing_ok=True)
        return counts


def remove_database(database: Path) -> None:
    """Remove a database that is not whole, with what DuckDB keeps beside it."""
    for leftover in (database, database.with_name(database.name + ".wal")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(database.with_name(database.name + ".tmp"), ignore_errors=True)


def _processes(jobs: int, tasks: Iterable[Task]) -> int:
    """How many processes `jobs` are; on a slow mount twice as many, so that some read while others parse."""
    few = [] if jobs == 1 else list(islice(tasks, jobs * PROCESSES_IF_SLOW))
    if len(few) <= 1:
        return 1
    slow = is_slow([os.path.join(few[0].root, unescape(label)) for label in few[0].labels])
    return min(jobs * (PROCESSES_IF_SLOW if slow else 1), len(few))


def file_name(name: str) -> str:
    """Give a file's name for the name of a volume."""
    return blake2b(name.encode(), digest_size=8).hexdigest()


def as_listing(listed: Listed) -> Listing:
    """Give what the store needs of the files of a root."""
    from psalab.index.store import Listing

    return Listing(listed.name, escape(str(listed.path)), listed.marker, listed.batches, listed.folders)


def _volume_name(path: Path, taken: Collection[str]) -> str:
    """Name of a volume: its folder's name, with the folder above where two roots share it."""
    name = escape(path.name) or "root"
    for parent in path.parents:
        if name not in taken:
            return name
        name = f"{escape(parent.name)}/{name}"
    return name


def _chunk_on_disk(file: Path) -> Products | None:
    """Give the chunk that an interrupted build has left; None where there is none, or one that a crash has damaged."""
    import pyarrow as pa

    try:
        return read_products(file)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError):
        file.unlink()
        return None


def _digest(task: Task) -> str:
    text = json.dumps(
        [_CHUNK_FORM, version("psalab"), task.root, task.name, task.attached, task.structure, task.stamps]
    )
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
