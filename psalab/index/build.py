"""Build an index: walk, scrape in chunks, settle, load, swap."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import shutil
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, TextIO

from psalab.errors import IndexFileError, IndexLocked, RootRefused, VolumeError
from psalab.index.chunk_file import file_hash, named_files, read_chunk
from psalab.index.progress import shown
from psalab.index.scrape import Task, is_slow
from psalab.index.walk import Folder, escape, find_marker, unescape, walk
from psalab.index.workers import processes, scraped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    import pyarrow as pa

    from psalab.index.scrape import Chunk
    from psalab.index.store import Listing

__all__ = ["CHUNK", "Progress", "Report", "build_index"]

#: Seconds to wait for the lock of an index.
_PATIENCE: Final = 1.0
#: Labels of a chunk: enough for the memo to pay, few enough for a worker's memory and for spreading over workers.
CHUNK: Final = 1000
#: Processes for each job where reading a label means waiting.
PROCESSES_IF_SLOW: Final = 2
_CHUNK_BYTES: Final = 256 * 2**20
#: Changes whenever a chunk of the same labels would come out differently, so that none of an older form is resumed.
_CHUNK_FORM: Final = 2
#: Endings of what a build writes: the index, its log of changes, its lock, the chunks, and the index that is being made.
_WRITTEN: Final = ("", ".wal", ".lock", ".building", ".part", ".part.wal", ".part.tmp")

_LABELS: Final = (".lbl", ".xml", ".lblx")
#: Data files that may begin with a label (PDS Standards Reference 3.8, chapter 10 and appendix B, and common usage).
_ATTACHED: Final = (
    ".img", ".tab", ".dat", ".qub", ".cub", ".arr", ".spc", ".ser", ".raw", ".imq", ".ibg", ".asc", ".tbl", ".bin", ".edr",
    ".rdr", ".ddr", ".drk", ".cal", ".red",
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
    with shown(progress) as tell, _mapped_errors(target), _lock(target):
        builder = _Builder(target, structure, exclude, tell)
        builder.use_roots([Path(path) for path in paths])
        return builder.run(jobs or os.cpu_count() or 1, executor)


@contextmanager
def _mapped_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise IndexFileError(
            f"a worker of the build of {target} was killed, perhaps for want of memory; run it again, with fewer jobs: "
            "it goes on from where it was"
        ) from error
    except OSError as error:
        if isinstance(error, (IndexFileError, VolumeError)):
            raise
        raise IndexFileError(_cannot_be_built(target, error)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("duckdb", "_duckdb"):
            raise
        raise IndexFileError(_cannot_be_built(target, error)) from error


def _cannot_be_built(target: Path, error: Exception) -> str:
    full = os.strerror(errno.ENOSPC) in str(error)  # DuckDB hands on the system's words, not its number
    advice = "; free some space and run it again: it goes on from where it was" if full else ""
    return f"{target} cannot be built: {error}{advice}"


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Hold the index's lock; the system gives it up when this process and its workers end, however they end."""
    path = target.with_name(target.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _locked(path, target)
    try:
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"host {os.uname().nodename}, pid {os.getpid()}, since {since}\n")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path, target: Path) -> TextIO:
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
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        file.seek(0)
        return file.read().strip() or "unknown"


class _Builder:
    def __init__(self, target: Path, structure: bool, exclude: Sequence[str], progress: Callable[[Progress], None]):  # noqa: FBT001
        self.target, self.structure, self.exclude, self.progress = target, structure, tuple(exclude), progress
        self.work = target.with_name(target.name + ".building")
        self.roots: dict[str, Path] = {}
        self.kept: list[str] = []
        self.named: set[bytes] = set()
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
                        f"{path} lies inside the root {name} ({where}) of {self.target}; read that anew: "
                        f"psalab index build {shlex.quote(str(where))} --index {shlex.quote(str(self.target))}"
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
        listings = [self._walk(name, path) for name, path in self.roots.items()]
        tasks = [task for listing in listings for task in listing.tasks(_LABELS, self.structure)]
        self.total = sum(len(task.labels) for task in tasks)
        with self._executor(executor, _processes(jobs, tasks)) as workers:
            chunks = self._scrape(workers, tasks, "scrape")
            peeks = [task for listing in listings for task in listing.peek_tasks(self.named, self.structure)]
            self.total += sum(len(task.labels) for task in peeks)
            attached = self._scrape(workers, peeks, "peek")
        report = self._load(listings, [*chunks, *attached], started, jobs, peeks)
        shutil.rmtree(self.work, ignore_errors=True)
        return Report(self.target, *report, monotonic() - began, self.resumed)

    def _walk(self, name: str, path: Path) -> _Listed:
        listed = _Listed(name, path, self.work / f"{blake2b(name.encode(), digest_size=8).hexdigest()}.files")
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

    def _scrape(self, workers: Executor | None, tasks: Sequence[Task], step: str) -> list[Path]:
        """Scrape tasks into chunk files, those that are there already left out; give the files in the order of the tasks."""
        files = [self.work / f"{_digest(task)}.chunk" for task in tasks]
        todo = []
        for task, file in zip(tasks, files, strict=True):
            chunk = _chunk_on_disk(file)
            if chunk is None:
                todo.append((task, file))
            else:
                self.named |= named_files(chunk)
                self.rejected += len(chunk.rejected)
                self.resumed += len(task.labels)
                self.done += len(task.labels)
        self.progress(Progress(step, self.done, self.total, self.rejected))
        with closing(scraped(workers, todo)) as done:
            for task, (rejected, named) in done:
                self.named |= named
                self.done += len(task.labels)
                self.rejected += rejected
                self.progress(Progress(step, self.done, self.total, self.rejected))
        return files

    def _load(
        self, listings: Sequence[_Listed], chunks: Sequence[Path], started: datetime, jobs: int, peeks: Sequence[Task]
    ) -> tuple[int, int, int, int]:
        from psalab.index import store

        settings = {"exclude": list(self.exclude), "structure": self.structure}
        run = store.RunRecord("build", started, jobs, version("psalab"), self.structure, settings)
        part = self.target.with_name(self.target.name + ".part")
        _remove(part)
        peeked = {task.name: set[str]() for task in peeks}
        for task in peeks:
            peeked[task.name].update(task.labels)
        try:
            counts = store.load(
                part,
                chunks,
                [listing.listing(peeked.get(listing.name, frozenset())) for listing in listings],
                run,
                unreadable=[(listing.name, *row) for listing in listings for row in listing.unreadable],
                keep=store.Kept(self.target, self.kept) if self.target.exists() else None,
                threads=max(1, min(jobs, os.cpu_count() or 1)),
                progress=lambda what: self.progress(Progress(f"load {what}", self.done, self.total, self.rejected)),
            )
            os.replace(part, self.target)
        finally:
            _remove(part)
        self.target.with_name(self.target.name + ".wal").unlink(missing_ok=True)
        return counts


def _remove(database: Path) -> None:
    """Remove a database that is not whole, with what DuckDB keeps beside it."""
    for leftover in (database, database.with_name(database.name + ".wal")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(database.with_name(database.name + ".tmp"), ignore_errors=True)


def _processes(jobs: int, tasks: Sequence[Task]) -> int:
    """How many processes `jobs` are; on a slow mount twice as many, so that some read while others parse."""
    if jobs == 1 or len(tasks) <= 1:
        return 1
    first = tasks[0]
    slow = is_slow([os.path.join(first.root, unescape(label)) for label in first.labels])
    return min(jobs * (PROCESSES_IF_SLOW if slow else 1), len(tasks))


def _volume_name(path: Path, taken: Collection[str]) -> str:
    """Name of a volume: its folder's name, with the folder above where two roots share it."""
    name = escape(path.name) or "root"
    for parent in path.parents:
        if name not in taken:
            return name
        name = f"{escape(parent.name)}/{name}"
    return name


def _chunk_on_disk(file: Path) -> Chunk | None:
    """Give the chunk that an interrupted build has left; None where there is none, or one that a crash has damaged."""
    import pyarrow as pa

    try:
        return read_chunk(file)
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


class _Listed:
    """Files of a root, on disk: written once while walking, read as often as needed."""

    def __init__(self, name: str, path: Path, file: Path):
        self.name, self.path, self.file = name, path, file
        self.marker: str | None = None
        self.unreadable: list[tuple[str, str]] = []

    def write(self, folders: Iterable[Folder]) -> Iterator[int]:
        """Write the folders of a walk; give the number of files so far."""
        import pyarrow as pa

        count = 0
        with pa.OSFile(str(self.file), "wb") as sink, pa.ipc.new_stream(sink, _files_schema()) as writer:
            for batch, files in _batched(folders, self):
                writer.write_batch(batch)
                count += files
                yield count

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the files back."""
        import pyarrow as pa

        with pa.memory_map(str(self.file)) as source:
            yield from pa.ipc.open_stream(source)

    def _select(self, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str, int, int]]:
        for batch in self.batches():
            for folder, name, size, mtime in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if name.lower().endswith(suffixes):
                    yield folder, name, size, mtime

    def tasks(self, suffixes: tuple[str, ...], structure: bool) -> Iterator[Task]:  # noqa: FBT001
        """Chunks of the files with these suffixes."""
        yield from self._chunks(self._select(suffixes), attached=False, structure=structure)

    def peek_tasks(self, named: set[bytes], structure: bool) -> Iterator[Task]:  # noqa: FBT001
        """Chunks of the data files that no label names and that may begin with one."""
        unnamed = (row for row in self._select(_ATTACHED) if file_hash(self.name, row[0], row[1]) not in named)
        yield from self._chunks(unnamed, attached=True, structure=structure)

    def _chunks(self, rows: Iterable[tuple[str, str, int, int]], *, attached: bool, structure: bool) -> Iterator[Task]:
        labels: list[str] = []
        stamps: list[tuple[str, int, int]] = []
        size = 0
        for folder, name, file_size, mtime in rows:
            if labels and (len(labels) == CHUNK or size + min(file_size, 2**20) > _CHUNK_BYTES):
                yield Task(str(self.path), self.name, tuple(labels), attached, structure, tuple(stamps))
                labels, stamps, size = [], [], 0
            label = f"{folder}/{name}" if folder else name
            labels.append(label)
            stamps.append((label, file_size, mtime))
            size += min(file_size, 2**20)
        if labels:
            yield Task(str(self.path), self.name, tuple(labels), attached, structure, tuple(stamps))

    def listing(self, peeked: set[str] | frozenset[str]) -> Listing:
        """Give what the store needs."""
        from psalab.index.store import LISTED, Listing

        def batches() -> Iterator[pa.RecordBatch]:
            import pyarrow as pa

            for batch in self.batches():
                folders, names, _, _ = (column.to_pylist() for column in batch.columns)
                roles = [
                    "label"
                    if name.lower().endswith(_LABELS)
                    else "peeked"
                    if f"{folder}/{name}".lstrip("/") in peeked
                    else "other"
                    for folder, name in zip(folders, names, strict=True)
                ]
                columns = [*batch.columns[:3], batch.columns[3].cast(pa.timestamp("us")), pa.array(roles)]
                yield pa.RecordBatch.from_arrays(columns, schema=LISTED)

        return Listing(self.name, escape(str(self.path)), self.marker, batches)


def _files_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("folder", pa.string()), ("name", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])


def _batched(folders: Iterable[Folder], listed: _Listed, rows: int = 50_000) -> Iterator[tuple[pa.RecordBatch, int]]:
    import pyarrow as pa

    columns: tuple[list[Any], ...] = ([], [], [], [])

    def batch() -> tuple[pa.RecordBatch, int]:
        made = pa.RecordBatch.from_arrays(
            [pa.array(column, item.type) for column, item in zip(columns, _files_schema(), strict=True)],
            schema=_files_schema(),
        )
        for column in columns:
            column.clear()
        return made, made.num_rows

    for folder in folders:
        listed.unreadable += folder.unreadable
        if not folder.path:
            listed.marker = find_marker([file.name for file in folder.files])
        for file in folder.files:
            for column, value in zip(columns, (folder.path, file.name, file.size, file.mtime), strict=True):
                column.append(value)
        if len(columns[0]) >= rows:
            yield batch()
    yield batch()
