"""A database in one Parquet file: a row for each label, the columns of each table beside those of the index.

Any reader of Parquet shows it; the metadata of its schema (``psalab``, JSON) say which columns are whose. Cells of several
kinds, which no column of Parquet can hold, are JSON, too. Nothing is ever pickled or unpickled.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from psalab.errors import IndexFileError
from psalab.index.describe_views import free_name
from psalab.index.recipe_tables import rejected_frame
from psalab.results import to_frame

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["Saved", "read", "write"]

_FORM: Final = 1
_KEY: Final = b"psalab_database"
_PARQUET: Final = b"PAR1"
#: How a pickle of a tuple of DataFrames begins: protocol 2 and later, and the older ones.
_PICKLE: Final = (b"\x80", b"(", b"ccopy_reg", b"cpandas")


@dataclass(frozen=True)
class Saved:
    """A database: the index of all labels, the recipe's columns of each table, what was rejected."""

    index: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    rejected: pd.DataFrame


def write(path: Path, saved: Saved) -> None:
    """Write a database, so that it is there whole or not at all.

    Raises
    ------
    IndexFileError
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    table = _as_arrow(saved)
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        pq.write_table(table, part)
        os.replace(part, path)
    except OSError as error:
        raise IndexFileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _as_arrow(saved: Saved) -> pa.Table:
    taken: set[str] = set()
    columns: dict[str, pa.Array] = {}
    as_json: list[str] = []

    def add(name: str, values: pd.Series[Any], places: pa.Array) -> str:
        column = free_name(name, taken)
        made, is_json = _column(values)
        columns[column] = made.take(places)
        as_json.extend([column] * is_json)
        return column

    everywhere = pa.array(np.arange(len(saved.index)))
    index = [[name, add(str(name), saved.index[name], everywhere)] for name in saved.index]
    tables = []
    for name, table in saved.tables.items():
        place = np.full(len(saved.index), -1)
        place[table.index] = np.arange(len(table))
        rows = free_name(name, taken)
        columns[rows] = pa.array(place >= 0)
        places = pa.array(place, mask=place < 0)
        own = [[column, add(f"{name}/{column}", table[column], places)] for column in table]
        tables.append({"name": name, "rows": rows, "columns": own, "about": table.attrs.get("psalab", {})})
    about = {
        "form": _FORM, "index": index, "tables": tables, "json": as_json,
        "rejected": pa.Table.from_pandas(saved.rejected, preserve_index=False).to_pylist(),
    }  # fmt: skip
    return pa.table(columns).replace_schema_metadata({_KEY: json.dumps(about)})


def _column(values: pd.Series[Any]) -> tuple[pa.Array, bool]:
    """Give a column to Arrow; as JSON, and True, where its values are of several kinds."""
    if values.dtype == object:
        cells = values.tolist()
        items = [item for cell in cells for item in (cell if isinstance(cell, list) else [cell])]
        several = len({type(item) for item in items if item is not None}) > 1
        if several or any(isinstance(item, int) and item.bit_length() > 63 for item in items):
            return pa.array([json.dumps(cell, default=_time_as_json) for cell in cells], pa.string()), True
    return pa.Array.from_pandas(values), False


def _time_as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    raise TypeError(f"{type(value).__name__} in a table of a database")


def _time_from_json(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["time"])


def read(path: Path) -> Saved:
    """Read a database back.

    Raises
    ------
    IndexFileError
        The file is not there, is damaged, or is no database; of a pickle the message says what to do.
    """
    import pyarrow.parquet as pq

    _check_is_parquet(path)
    try:
        about = json.loads((pq.read_schema(path).metadata or {})[_KEY])
        saved = None if about["form"] > _FORM else _from_arrow(pq.read_table(path), about)
    except (pa.ArrowException, OSError) as error:
        raise IndexFileError(f"{path} cannot be read: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise IndexFileError(
            f"{path} is a Parquet file, but no database: save_dbase() writes one, and pandas.read_parquet reads others"
        ) from error
    if saved is None:
        raise IndexFileError(f"{path} was written by a newer psalab: upgrade psalab, or build the database again")
    return saved


def _check_is_parquet(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a named pipe would be waited for
            raise IndexFileError(f"{path} is no file, and so no database; save_dbase() writes one")
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError as error:
        raise IndexFileError(f"{path}: there is no such file; save_dbase() writes one") from error
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if start.startswith(_PICKLE):
        raise IndexFileError(
            f"{path} is a pickle, which pds3_utils and pds4_utils write. It is not read: a pickle can run any program. "
            "Build the database again, Database(...), which takes seconds, and save it with save_dbase()"
        )
    if not start.startswith(_PARQUET):
        found = "is no Parquet file" if start else "is empty"
        raise IndexFileError(f"{path} {found}, and so no database; save_dbase() writes one")


def _from_arrow(table: pa.Table, about: dict[str, Any]) -> Saved:
    as_json = frozenset(about["json"])
    index = _frame(table, about["index"], as_json)
    tables = {}
    for entry in about["tables"]:
        member = table.column(entry["rows"])
        tables[entry["name"]] = _frame(table.filter(member), entry["columns"], as_json)
        tables[entry["name"]].index = index.index[member.to_numpy()]
        tables[entry["name"]].attrs["psalab"] = entry["about"]
    rejected = [(row["path"], row["reason"], row["line"], row["text"]) for row in about["rejected"]]
    return Saved(index, tables, rejected_frame(rejected))


def _frame(table: pa.Table, columns: list[list[str]], as_json: frozenset[str]) -> pd.DataFrame:
    """Make a DataFrame of columns (its name, the file's name)."""
    import pandas as pd

    frame = to_frame(table.select([column for _, column in columns]).rename_columns([name for name, _ in columns]))
    for name, column in columns:
        if column in as_json:
            cells = [json.loads(cell, object_hook=_time_from_json) for cell in table.column(column).to_pylist()]
            frame[name] = pd.Series(cells, dtype="object")
    return frame
