"""Publish an index: Parquet for each table and each family, in numbered folders, readable without psalab.

    DIR/latest.json, DIR/latest    which number is the latest
    DIR/7/manifest.json            what each file holds, with its SHA-256
    DIR/7/products.parquet …       the tables
    DIR/7/families/RO_OSINAC.parquet

A publication is made in ``DIR/7.part`` and gets its name when it is whole. A file whose rows are those of the publication
before is linked, not written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import duckdb

from psalab.errors import IndexFileError
from psalab.index.ask_connection import Connection
from psalab.index.build import Progress, locked
from psalab.index.describe_views import free_name
from psalab.index.manifest import (
    PART,
    Manifest,
    PublishedFile,
    name_latest,
    publications,
    read_manifest,
    sha256_of,
    write_manifest,
)
from psalab.index.parts import SCHEMA_VERSION
from psalab.index.public import REPLACED, leave_out
from psalab.index.sql import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KEEP", "Publication", "publish_index"]

#: Publications that are kept, the new one counted.
KEEP: Final = 3
#: What only a build needs; `observed` also tells of products that are not public yet.
_NOT_PUBLISHED: Final = frozenset({"observed", "folders"})
#: Rows of a row group, which are held in memory: so many cells, but not more rows than DuckDB's own habit.
_CELLS: Final = 36_000_000
_ROWS: Final = 122_880
_FEWEST_ROWS: Final = 2048
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published.

    Attributes
    ----------
    folder : pathlib.Path
        Of this publication.
    number, products, bytes : int
    written, linked : tuple of str
        Tables whose files were written, and those that are the files of the publication before.
    left_out : dict
        ``products``: how many are not public yet; ``datasets``: of which data sets; ``until``: when the last is released.
    removed : tuple of int
        Older publications that are gone.
    seconds : float
    new : bool
        Whether there is a new publication: not if nothing has changed.
    """

    folder: Path
    number: int
    products: int
    bytes: int
    written: tuple[str, ...]
    linked: tuple[str, ...]
    left_out: dict[str, Any]
    removed: tuple[int, ...]
    seconds: float
    new: bool


def publish_index(
    index: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    keep: int = KEEP,
    public_only: bool = True,
    now: datetime | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Publication:
    """Publish an index as Parquet.

    Parameters
    ----------
    index : path
        The file of the index.
    folder : path
        Where publications are; made if it is not there.
    keep : int
        Publications that are kept, the new one counted.
    public_only : bool
        Leave out products whose labels say that they are released later.
    now : datetime, optional
        What "later" means, in UTC without a zone; by default now.
    progress : callable
        Told how many tables are done.

    Returns
    -------
    Publication

    Raises
    ------
    IndexFileError
        The index cannot be read, or the folder cannot be written; what was published before stays.
    IndexLocked
        Another run publishes there.
    """
    if keep < 1:
        raise ValueError(f"keep={keep}: expected the number of publications to keep, 1 or more")
    source, target = Path(index).absolute(), Path(folder).absolute()
    if not source.is_file():
        raise IndexFileError(f"{source} is no file: expected the index that psalab index build has made")
    with closing(Connection(source)):
        pass  # an index, and one of this version: the message says otherwise what is wrong
    now = now or datetime.now(UTC).replace(tzinfo=None)
    with _mapped_errors(target), locked(target / "publish"):
        return _Publisher(target, public_only, now, progress).run(source, keep)


@contextmanager
def _mapped_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except IndexFileError:
        raise
    except (OSError, duckdb.Error) as error:
        raise IndexFileError(
            f"{target} cannot be published to: {str(error).splitlines()[0]}; what was published before is as it was"
        ) from error


@dataclass(frozen=True, slots=True)
class _Table:
    """A table to publish: its name, its family if it is that of one, the FROM clause of its rows ``t``, and its columns."""

    name: str
    family: str | None
    rows: str
    columns: list[dict[str, str]]

    @property
    def selected(self) -> str:
        """Its columns."""
        return ", ".join(f"t.{quoted(column['name'])}" for column in self.columns)


@dataclass
class _Publisher:
    """Makes one publication."""

    target: Path
    public_only: bool
    now: datetime
    progress: Callable[[Progress], None]
    former: dict[str, PublishedFile] = field(default_factory=dict)
    former_folder: Path | None = None
    written: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)

    def run(self, source: Path, keep: int) -> Publication:
        """Write what has changed, link the rest, name it, and remove what is too old."""
        began = monotonic()
        for left in self.target.glob(f"*{PART}"):  # of a run that was killed
            _remove(left)
        number = max(publications(self.target), default=0) + 1
        former = self._find_former()
        part = self.target / f"{number}{PART}"
        part.mkdir()
        try:
            with closing(_database(source, part)) as connection:
                manifest = self._write(connection, part, number)
            shutil.rmtree(part / "tmp", ignore_errors=True)
            new = former is None or not self._same(former, manifest)
            if former is not None and not new:
                shutil.rmtree(part)
                manifest = former
            else:
                write_manifest(part, manifest)
                part.rename(self.target / str(number))
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        name_latest(self.target, manifest.number)
        return Publication(
            folder=self.target / str(manifest.number),
            number=manifest.number,
            products=next(file.rows for file in manifest.files if file.table == "products"),
            bytes=sum(file.bytes for file in manifest.files),
            written=tuple(self.written) if new else (),
            linked=tuple(self.linked),
            left_out=manifest.left_out,
            removed=tuple(self._prune(keep, manifest.number)),
            seconds=monotonic() - began,
            new=new,
        )

    def _find_former(self) -> Manifest | None:
        """Find the newest publication that is whole, whose files may serve again."""
        for number in reversed(publications(self.target)):
            folder = self.target / str(number)
            try:
                manifest = read_manifest(folder)
            except IndexFileError:
                continue  # damaged: all is written anew
            self.former, self.former_folder = {file.table: file for file in manifest.files}, folder
            return manifest
        return None

    def _same(self, former: Manifest, made: Manifest) -> bool:
        """Tell whether nothing is new, and nothing of the former publication is damaged."""
        same = (former.schema_version, former.psalab, former.public_only, former.left_out)
        return (
            not self.written
            and same == (made.schema_version, made.psalab, made.public_only, made.left_out)
            and (len(former.files) == len(made.files))
        )

    def _write(self, connection: duckdb.DuckDBPyConnection, part: Path, number: int) -> Manifest:
        """Write or link the file of each table."""
        left_out = (
            leave_out(connection, self.now) if self.public_only else {"products": 0, "datasets": [], "until": None}
        )
        tables = list(_tables(connection, hides=left_out["products"] > 0))
        taken: set[str] = set()
        files = []
        for done, table in enumerate(tables):
            self.progress(Progress(f"publish {table.name}", done, len(tables)))
            files.append(self._publish(connection, table, part, _file_name(table, taken)))
        run_columns = ("run", "command", "started", "ended", "labels", "products", "rejected", "psalab")
        runs = connection.execute(f"select {', '.join(run_columns)} from source.runs order by run").fetchall()
        return Manifest(
            number=number,
            schema_version=SCHEMA_VERSION,
            psalab=version("psalab"),
            duckdb=duckdb.__version__,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            public_only=self.public_only,
            left_out=left_out,
            roots=dict(connection.execute("select root, path from source.roots order by root").fetchall()),
            runs=[dict(zip(run_columns, map(_plain, row), strict=True)) for row in runs],
            files=files,
        )

    def _publish(self, connection: duckdb.DuckDBPyConnection, table: _Table, part: Path, name: str) -> PublishedFile:
        """Write the file of a table, or take that of the publication before if its rows are the same."""
        path = part / name
        path.parent.mkdir(exist_ok=True)
        rows, content = _content(connection, table)
        former = self.former.get(table.name)
        if former and former.content == content and self._link(former, path):
            self.linked.append(table.name)
            sha256 = former.sha256
        else:
            size = min(max(_CELLS // len(table.columns), _FEWEST_ROWS), _ROWS)
            connection.execute(
                f"copy (select {table.selected} from {table.rows}) to {literal(str(path))}"
                f" (format parquet, compression zstd, row_group_size {size})"
            )
            self.written.append(table.name)
            sha256 = sha256_of(path)
        return PublishedFile(name, table.name, table.family, rows, path.stat().st_size, table.columns, sha256, content)

    def _link(self, former: PublishedFile, path: Path) -> bool:
        """Give a file of the publication before another name, or copy it; not if it is damaged."""
        old = Path(self.former_folder or "") / former.name
        try:
            if sha256_of(old) != former.sha256:
                return False
        except OSError:
            return False
        try:
            os.link(old, path)
        except OSError:  # a share without hard links
            shutil.copyfile(old, path)
        return True

    def _prune(self, keep: int, latest: int) -> Iterator[int]:
        """Remove publications that are too old."""
        for number in publications(self.target)[:-keep]:
            if number != latest:
                part = self.target / f"{number}{PART}"
                (self.target / str(number)).rename(part)  # a run that is killed here leaves no half publication
                _remove(part)
                yield number


# --------------------------------------------------------------------------------------------------------------- tables


def _database(source: Path, part: Path) -> duckdb.DuckDBPyConnection:
    (part / "tmp").mkdir()
    connection = duckdb.connect(config={"temp_directory": str(part / "tmp")})
    connection.execute("set enable_progress_bar = false")
    connection.execute(f"attach {literal(str(source))} as source (read_only)")
    return connection


def _tables(connection: duckdb.DuckDBPyConnection, *, hides: bool) -> Iterator[_Table]:
    """Give the tables to publish, without the rows of products that are left out."""
    families = {name for (name,) in connection.execute("select family from source.families where wide").fetchall()}
    shown = families
    if hides:
        shown = {name for (name,) in connection.execute("select family from families where wide").fetchall()}
    for schema, name, columns in connection.execute(
        "select schema_name, table_name, list({name: column_name, type: data_type} order by column_index)"
        " from duckdb_columns() where database_name = 'source' and not internal and table_name in"
        " (select table_name from duckdb_tables() where database_name = 'source') group by all order by all"
    ).fetchall():
        family = name if schema == "meta" and name in families else None
        if (schema == "main" and name in _NOT_PUBLISHED) or (family and family not in shown):
            continue
        rows = f"source.{schema}.{quoted(name)} t"
        if hides and schema == "main" and name in REPLACED:
            rows = f"{name} t"
        elif hides and any(column["name"] == "product_key" for column in columns):
            rows += " anti join hidden using (product_key)"
        yield _Table(name if schema == "main" else f"{schema}.{name}", family, rows, columns)


def _content(connection: duckdb.DuckDBPyConnection, table: _Table) -> tuple[int, str]:
    """Count the rows of a table, and give what they amount to, in their order."""
    ((rows, total),) = connection.execute(
        f"select count(*), coalesce(sum(hash(t.rowid, {table.selected})), 0) from {table.rows}"
    ).fetchall()
    columns = hashlib.sha256(json.dumps(table.columns).encode()).hexdigest()[:16]
    return rows, f"{duckdb.__version__}:{columns}:{rows}:{total}"  # another DuckDB may hash otherwise


def _file_name(table: _Table, taken: set[str]) -> str:
    """Name the file of a table, so that any system can store it."""
    folder, name = ("families/", table.family) if table.family else ("", table.name)
    plain = re.sub(r"[^A-Za-z0-9.+_-]+", "_", name).strip(".")[:_LONGEST_NAME] or "family"
    return f"{free_name(folder + plain, taken)}.parquet"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
