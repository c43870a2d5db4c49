"""An index, opened read-only on a connection that can reach nothing else: a file, a publication, or several of both.

A file is attached to a DuckDB instance of its own, in memory. Opened directly, DuckDB would hand out the instance
that the process already holds for that path, and with it the former file after a build has swapped in a new one.
Of a publication DuckDB may read the files that its manifest lists, and no others.
"""

from __future__ import annotations

import os
import stat
import warnings
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psalab.errors import IndexFileError, IndexLocked, PsalabError, PsalabWarning, QueryFailed
from psalab.index.ask_views import make_views
from psalab.index.interruptible import interruptible
from psalab.index.manifest import latest_folder
from psalab.index.parts import (
    INDEX,
    ROWS,
    SCHEMA_VERSION,
    TABLES,
    Part,
    attached_part,
    published_part,
    schema_error,
)
from psalab.results import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb
    import pyarrow as pa

__all__ = ["Connection", "check_frame_names"]

T = TypeVar("T")

#: Seconds between two looks whether there is a newer index.
_LOOK_EVERY: Final = 5.0
_MAGIC: Final = (8, b"DUCK")
"""Where a DuckDB file says what it is (DuckDB, Internals: storage format)."""
_LOCKS: Final = ("set enable_external_access = false", "set lock_configuration = true")
_FRAME_NAMES_TAKEN: Final = TABLES | {"meta"}


class Connection:
    """A read-only, locked-down connection to an index.

    Each question runs on a cursor of its own, so that several threads may ask and an interrupt ends one question alone.

    Parameters
    ----------
    what : path, or several
        DuckDB files, folders that `psalab index publish` writes, or publications in them. Of a root that several hold, the
        newest one counts.
    memory : str, optional
    threads : int, optional
    """

    def __init__(self, what: Path | Sequence[Path], *, memory: str | None = None, threads: int | None = None) -> None:
        self.paths = (what,) if isinstance(what, Path) else tuple(what)
        self.memory, self.threads = memory, threads
        self._stamps = [_stamp(path) for path in self.paths]
        self._looked, self._told = monotonic(), False
        self._instance: duckdb.DuckDBPyConnection | None
        self._instance, self._own_catalog, self.size = _open(self.paths, memory, threads)

    @property
    def path(self) -> Path:
        """The file or folder, the first of several."""
        return self.paths[0]

    @property
    def name(self) -> str:
        """All of them in words."""
        return " + ".join(map(str, self.paths))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._instance is None

    def close(self) -> None:
        """Let go of the file; may be called again."""
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def rows(self, text: str, values: Sequence[Any] = (), *, timeout: float | None = None, users: bool = False) -> Rows:
        """Run one statement; tuples come back, and nothing but duckdb is loaded.

        `users` tells that a user wrote it: then tables have the columns of an index alone.
        """

        def run(cursor: duckdb.DuckDBPyConnection) -> Rows:
            cursor.execute(text, list(values))
            return Rows(tuple(column[0] for column in cursor.description or ()), cursor.fetchall())

        return self._run(run, {}, timeout, users=users)

    def table(
        self,
        text: str,
        values: Sequence[Any] = (),
        *,
        frames: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        users: bool = False,
    ) -> pa.Table:
        """Run one select; an Arrow table comes back.

        `frames` are the Arrow tables that this question alone may use by name; `users` as in `rows`.
        """

        def run(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
            return cursor.sql(text, params=list(values)).to_arrow_table()

        return self._run(run, frames or {}, timeout, users=users)

    def check_select(self, text: str) -> None:
        """Refuse what is not one single SELECT; nothing is run.

        Raises
        ------
        QueryFailed
            A mistake in the syntax, several statements, or a statement of another kind.
        """
        import duckdb

        with self._cursor() as cursor, self._mapped(None):
            statements = cursor.extract_statements(text)
        if len(statements) != 1:
            raise QueryFailed(f"one SELECT is asked for, found {len(statements)} statements; ask them one by one")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise QueryFailed(
                f"found a statement of type {statements[0].type.name}; an index only answers SELECT "
                "(it is read-only, and reads no other files)"
            )

    def limited(self, memory: str) -> Connection:
        """Open the same once more, with another limit of memory."""
        self._alive()
        return Connection(self.paths, memory=memory, threads=self.threads)

    def again(self) -> Connection:
        """Open what is there now, with the same limits."""
        return Connection(self.paths, memory=self.memory, threads=self.threads)

    def _run(
        self,
        run: Callable[[duckdb.DuckDBPyConnection], T],
        frames: Mapping[str, Any],
        timeout: float | None,
        *,
        users: bool,
    ) -> T:
        if timeout is not None and timeout <= 0:
            raise QueryFailed(f"timeout={timeout!r}: expected a number of seconds above 0")
        self._look_for_newer()
        with self._cursor(users=users) as cursor, self._mapped(timeout):
            for name, frame in frames.items():
                cursor.register(name, frame)
            return interruptible(run, cursor, timeout)

    def _look_for_newer(self) -> None:
        """Say once that there is a newer index; this one goes on answering."""
        if self._told or monotonic() - self._looked < _LOOK_EVERY:
            return
        self._looked = monotonic()
        for path, stamp in zip(self.paths, self._stamps, strict=True):
            if _stamp(path) not in (stamp, None):
                self._told = True
                message = f"{path}: there is a newer index; this one goes on with the old, .reload() opens the new one"
                warnings.warn(message, PsalabWarning, stacklevel=2)
                return

    def _alive(self) -> duckdb.DuckDBPyConnection:
        if self._instance is None:
            raise IndexFileError(f"{self.name}: this index has been closed; open it again with open_index(...)")
        return self._instance

    @contextmanager
    def _cursor(self, *, users: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        instance = self._alive()
        with self._mapped(None):
            cursor = instance.cursor()
            # each cursor starts in the instance's own, empty catalog
            cursor.execute(f"use {INDEX if users else self._own_catalog}")
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def _mapped(self, timeout: float | None) -> Iterator[None]:
        """Turn DuckDB's exceptions into psalab's."""
        import duckdb

        try:
            yield
        except PsalabError:
            raise
        except duckdb.InterruptException as error:
            raise QueryFailed(
                f"not answered within {timeout:g} s; narrow the question or give it more time"
                if timeout
                else "the question was interrupted"
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise QueryFailed(
                f"the question needs more memory than it may take: {_first_line(error)}; narrow it, or raise memory="
            ) from error
        except (
            duckdb.IOException,
            duckdb.SerializationException,
            duckdb.FatalException,
            duckdb.InternalException,
        ) as error:
            raise IndexFileError(
                f"{self.name}: the index cannot be read ({_first_line(error)}); if it is damaged, build or publish it again, "
                "if it was replaced, .reload() opens the new one"
            ) from error
        except duckdb.Error as error:
            raise QueryFailed(str(error).strip()) from error


def check_frame_names(names: Sequence[str]) -> None:
    """Refuse frames that would hide a table of the index."""
    for name in names:
        if name.lower() in _FRAME_NAMES_TAKEN:
            raise QueryFailed(f"{name!r} is a table of the index; give your own frame another name")


# ------------------------------------------------------------------------------- opening


def _open(paths: Sequence[Path], memory: str | None, threads: int | None) -> tuple[duckdb.DuckDBPyConnection, str, int]:
    """Open what is named; give the instance, the catalog for psalab's own questions, and the bytes of all."""
    import duckdb

    if not paths:
        raise IndexFileError("no index is named: expected a file, or a folder that psalab index publish has written")
    published = {path: part for path in paths if (part := published_part(path))}
    size = sum(part.size for part in published.values())
    size += sum(_size_of_duckdb(path) for path in paths if path not in published)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "temp_directory": "",  # a reader leaves no files behind; memory= is the limit
        **({"memory_limit": memory} if memory is not None else {}),
        **({"threads": str(threads)} if threads is not None else {}),
    }
    try:
        instance = duckdb.connect(":memory:", config=settings)
    except duckdb.Error as error:
        raise QueryFailed(f"memory={memory!r}, threads={threads!r}: {_first_line(error)}") from error
    try:
        alone = len(paths) == 1 and not published
        parts = [
            published.get(path) or _attached(instance, path, INDEX if alone else f"part{n}")
            for n, path in enumerate(paths)
        ]
        if not alone:
            _make_views(instance, parts)
        for statement in (*_LOCKS, f"use {INDEX}"):
            instance.execute(statement)
    except BaseException:
        instance.close()
        raise
    return instance, INDEX if alone else ROWS, size


def _attached(instance: duckdb.DuckDBPyConnection, path: Path, name: str) -> Part:
    _attach(instance, path, name)
    _check_schema(instance, path, name)
    return attached_part(instance, path, name)


def _make_views(instance: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> None:
    import duckdb

    files = [file for part in parts for file in part.files]
    try:
        instance.execute("set parquet_metadata_cache = true")  # a publication never changes
        instance.execute("set allowed_paths = ?", [files])
        make_views(instance, parts)
    except duckdb.Error as error:
        where = " + ".join(str(part.path) for part in parts)
        raise IndexFileError(
            f"{where}: cannot be opened ({_first_line(error)}); if it is damaged, build or publish it again"
        ) from error


def _stamp(path: Path) -> object:
    """Tell one index from the next one of its name; None where there is none at the moment."""
    try:
        if path.is_dir():
            return latest_folder(path)
        status = path.stat()
    except (OSError, ValueError):  # an IndexFileError is an OSError, too
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _size_of_duckdb(path: Path) -> int:
    """Look at the first bytes, for DuckDB's own words about a file that is none do not help; give the size."""
    offset, magic = _MAGIC
    try:
        # a named pipe would be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            head = os.read(descriptor, offset + len(magic)) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise IndexFileError(
            f"{path}: there is no such file; build an index with `psalab index build ROOT --index {path}`"
        ) from error
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise IndexFileError(
            f"{path} is {found}; an index is one file, such as {path.name}.duckdb, or a folder that "
            "`psalab index publish` has written"
        )
    if head[offset:] != magic:
        found = "an empty file" if not head else "no DuckDB file"
        raise IndexFileError(
            f"{path} is {found}, and so no index; build one with `psalab index build ROOT --index FILE`"
        )
    return status.st_size


def _attach(instance: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    import duckdb

    target = str(path.absolute()).replace("'", "''")
    try:
        instance.execute(f"attach '{target}' as {name} (type duckdb, read_only)")
    except (duckdb.Error, UnicodeError) as error:
        reason = _first_line(error)
        if "conflicting lock" in reason.lower():
            raise IndexLocked(
                f"{path}: another process is writing it; try again when it has ended ({reason})"
            ) from error
        raise IndexFileError(
            f"{path}: DuckDB {duckdb.__version__} cannot open it ({reason}); "
            "it is damaged, or was written by a newer DuckDB: build it again, or upgrade duckdb"
        ) from error


def _check_schema(instance: duckdb.DuckDBPyConnection, path: Path, catalog: str) -> None:
    import duckdb

    try:
        rows = instance.execute(
            "select table_name from duckdb_tables() where database_name = ? and schema_name = 'main'", [catalog]
        ).fetchall()
        if missing := sorted(TABLES - {name for (name,) in rows}):
            raise IndexFileError(
                f"{path} is a DuckDB file, but no index of psalab: it has no table {', '.join(missing)}; "
                "build one with `psalab index build ROOT --index FILE`"
            )
        about = dict(instance.execute(f"select key, value from {catalog}.main.about").fetchall())
    except duckdb.Error as error:
        raise IndexFileError(f"{path}: the index cannot be read ({_first_line(error)}); build it again") from error
    if about.get("schema_version") != str(SCHEMA_VERSION):
        raise schema_error(path, about.get("schema_version"), about.get("psalab"))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
