"""One index file, opened read-only on a connection that can reach nothing else.

The file is attached to a DuckDB instance of its own, in memory. Opened directly, DuckDB would hand out the instance
that the process already holds for that path, and with it the former file after a build has swapped in a new one.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psalab.errors import IndexFileError, IndexLocked, PsalabError, QueryFailed
from psalab.index.interruptible import interruptible
from psalab.results import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa

__all__ = ["SCHEMA_VERSION", "Connection", "check_frame_names"]

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
_TABLES: Final = frozenset(
    {"products", "files", "families", "keywords", "odd_values", "rejected", "runs", "roots", "about"}
)
_MAGIC: Final = (8, b"DUCK")
"""Where a DuckDB file says what it is (DuckDB, Internals: storage format)."""
_LOCKS: Final = (
    "use psalab_index",
    "set enable_external_access = false",
    "set lock_configuration = true",
)
_FRAME_NAMES_TAKEN: Final = _TABLES | {"meta"}


class Connection:
    """A read-only, locked-down connection to one index file.

    Each question runs on a cursor of its own, so that several threads may ask and an interrupt ends one question alone.
    """

    def __init__(self, path: Path, *, memory: str | None = None, threads: int | None = None) -> None:
        self.path = path
        self.threads = threads
        self.size = _size_of_duckdb(path)
        self._instance: duckdb.DuckDBPyConnection | None = _open(path, memory, threads)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._instance is None

    def close(self) -> None:
        """Let go of the file; may be called again."""
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def rows(self, text: str, values: Sequence[Any] = (), *, timeout: float | None = None) -> Rows:
        """Run one statement; tuples come back, and nothing but duckdb is loaded."""

        def run(cursor: duckdb.DuckDBPyConnection) -> Rows:
            cursor.execute(text, list(values))
            return Rows(tuple(column[0] for column in cursor.description or ()), cursor.fetchall())

        return self._run(run, {}, timeout)

    def table(
        self,
        text: str,
        values: Sequence[Any] = (),
        *,
        frames: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> pa.Table:
        """Run one select; an Arrow table comes back.

        `frames` are the Arrow tables that this question alone may use by name.
        """

        def run(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
            return cursor.sql(text, params=list(values)).to_arrow_table()

        return self._run(run, frames or {}, timeout)

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
        """Open the file once more, with another limit of memory."""
        self._alive()
        return Connection(self.path, memory=memory, threads=self.threads)

    def _run(
        self, run: Callable[[duckdb.DuckDBPyConnection], T], frames: Mapping[str, Any], timeout: float | None
    ) -> T:
        if timeout is not None and timeout <= 0:
            raise QueryFailed(f"timeout={timeout!r}: expected a number of seconds above 0")
        with self._cursor() as cursor, self._mapped(timeout):
            for name, frame in frames.items():
                cursor.register(name, frame)
            return interruptible(run, cursor, timeout)

    def _alive(self) -> duckdb.DuckDBPyConnection:
        if self._instance is None:
            raise IndexFileError(f"{self.path}: this index has been closed; open it again with open_index(...)")
        return self._instance

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        instance = self._alive()
        with self._mapped(None):
            cursor = instance.cursor()
            cursor.execute(_LOCKS[0])  # each cursor starts in the instance's own, empty catalog
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
                f"{self.path}: the index cannot be read ({_first_line(error)}); if the file is damaged, build it again"
            ) from error
        except duckdb.Error as error:
            raise QueryFailed(str(error).strip()) from error


def check_frame_names(names: Sequence[str]) -> None:
    """Refuse frames that would hide a table of the index."""
    for name in names:
        if name.lower() in _FRAME_NAMES_TAKEN:
            raise QueryFailed(f"{name!r} is a table of the index; give your own frame another name")


# ------------------------------------------------------------------------------- opening


def _open(path: Path, memory: str | None, threads: int | None) -> duckdb.DuckDBPyConnection:
    import duckdb

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
        _attach(instance, path)
        _check_schema(instance, path)
        for statement in _LOCKS:
            instance.execute(statement)
    except BaseException:
        instance.close()
        raise
    return instance


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
        raise IndexFileError(f"{path} is {found}; an index is one file, such as {path.name}.duckdb")
    if head[offset:] != magic:
        found = "an empty file" if not head else "no DuckDB file"
        raise IndexFileError(
            f"{path} is {found}, and so no index; build one with `psalab index build ROOT --index FILE`"
        )
    return status.st_size


def _attach(instance: duckdb.DuckDBPyConnection, path: Path) -> None:
    import duckdb

    target = str(path.absolute()).replace("'", "''")
    try:
        instance.execute(f"attach '{target}' as psalab_index (type duckdb, read_only)")
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


def _check_schema(instance: duckdb.DuckDBPyConnection, path: Path) -> None:
    import duckdb

    try:
        found = {
            name
            for (name,) in instance.execute(
                "select table_name from duckdb_tables() where database_name = 'psalab_index' and schema_name = 'main'"
            ).fetchall()
        }
        if missing := sorted(_TABLES - found):
            raise IndexFileError(
                f"{path} is a DuckDB file, but no index of psalab: it has no table {', '.join(missing)}; "
                "build one with `psalab index build ROOT --index FILE`"
            )
        about = dict(instance.execute("select key, value from psalab_index.main.about").fetchall())
    except duckdb.Error as error:
        raise IndexFileError(f"{path}: the index cannot be read ({_first_line(error)}); build it again") from error
    version = about.get("schema_version")
    if version == str(SCHEMA_VERSION):
        return
    if version is not None and version.isdecimal() and int(version) > SCHEMA_VERSION:
        raise IndexFileError(
            f"{path} has schema {version}, written by psalab {about.get('psalab', 'unknown')}; this psalab reads "
            f"schema {SCHEMA_VERSION}: upgrade psalab (pip install -U psalab), or build the index again"
        )
    raise IndexFileError(f"{path} says schema {version!r}, expected {SCHEMA_VERSION}; build the index again")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
