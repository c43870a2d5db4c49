"""What an open index reads: a DuckDB file, a publication (Parquet), or several of both as one.

A DuckDB file alone is asked as it is; for all else there are views (`ask_views`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from psalab.errors import IndexFileError
from psalab.index.manifest import is_published, latest_folder, read_manifest
from psalab.index.sql import literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

__all__ = [
    "INDEX",
    "ROWS",
    "SCHEMA_VERSION",
    "TABLES",
    "Part",
    "Table",
    "attached_part",
    "published_part",
    "schema_error",
]

SCHEMA_VERSION: Final = 1
#: Tables that every index has.
TABLES: Final = frozenset(
    {"products", "files", "families", "keywords", "odd_values", "rejected", "runs", "roots", "about"}
)
INDEX: Final = "psalab_index"
ROWS: Final = "psalab_rows"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a part: a FROM clause, the name of the number of a row there, and types of columns by name."""

    source: str
    rowid: str
    columns: dict[str, str]


@dataclass(slots=True)
class Part:
    """One file or publication of an open index.

    Attributes
    ----------
    path : pathlib.Path
        The DuckDB file, or the folder of the publication.
    tables : dict
        By schema and name.
    files : list of str
        What may be read when all else is forbidden.
    size : int
        Bytes.
    """

    path: Path
    tables: dict[tuple[str, str], Table]
    files: list[str] = field(default_factory=list)
    size: int = 0


def published_part(path: Path) -> Part | None:
    """Give the publication that a folder is, or the latest in it; None where nothing was published.

    Raises
    ------
    IndexFileError
        It is damaged, or of a newer psalab.
    """
    if not is_published(path):
        return None
    folder = latest_folder(path)
    manifest = read_manifest(folder)
    if manifest.schema_version != SCHEMA_VERSION:
        raise schema_error(folder, str(manifest.schema_version), manifest.psalab)
    found = {_table_key(file.table): file for file in manifest.files}
    if missing := sorted(TABLES - {name for schema, name in found if schema == "main"}):
        raise IndexFileError(f"{folder} lacks the tables {', '.join(missing)}; publish again")
    tables = {
        key: Table(
            f"read_parquet({literal(str(folder.absolute() / file.name))})",
            "file_row_number",
            {column["name"]: column["type"] for column in file.columns},
        )
        for key, file in found.items()
    }
    files = [str(folder.absolute() / file.name) for file in manifest.files]
    return Part(folder, tables, files, sum(file.bytes for file in manifest.files))


def _table_key(table: str) -> tuple[str, str]:
    """``meta.RO/OSINAC`` -> meta, RO/OSINAC."""
    return ("meta", table.removeprefix("meta.")) if table.startswith("meta.") else ("main", table)


def attached_part(instance: duckdb.DuckDBPyConnection, path: Path, name: str) -> Part:
    """Give the tables of a DuckDB file that is attached."""
    rows = instance.execute(
        "select c.schema_name, c.table_name, list({name: c.column_name, type: c.data_type} order by c.column_index)"
        " from duckdb_columns() c join duckdb_tables() t using (database_name, schema_name, table_name)"
        " where database_name = ? group by all",
        [name],
    ).fetchall()
    tables = {
        (schema, table): Table(
            f"{name}.{schema}.{quoted(table)}", "rowid", {column["name"]: column["type"] for column in columns}
        )
        for schema, table, columns in rows
    }
    return Part(path, tables, size=path.stat().st_size)


def schema_error(path: Path, version: str | None, psalab: str | None) -> IndexFileError:
    """Say what to do with an index of another schema.

    There is one schema so far. A part of an older one will be read through views that give its tables today's columns:
    `ask_views.make_views` is where they belong.
    """
    if version is not None and version.isdecimal() and int(version) > SCHEMA_VERSION:
        return IndexFileError(
            f"{path} has schema {version}, written by psalab {psalab or 'unknown'}; this psalab reads schema "
            f"{SCHEMA_VERSION}: upgrade psalab (pip install -U psalab), or build the index again. The Parquet that "
            "`psalab index publish` writes can be read by any version, and without psalab"
        )
    return IndexFileError(f"{path} says schema {version!r}, expected {SCHEMA_VERSION}; build the index again")
