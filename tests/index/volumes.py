"""Small trees of labels, the indexes built from them, and how to ask and compare these."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb

from psalab.index.build import build_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: Columns that tell of a run rather than of the labels.
OF_A_RUN = {"products": ("run", "last_seen"), "rejected": ("run", "since"), "roots": ("last_run",)}


def pds3(*statements: str, id: str | None = "P", host: str | None = "SC", instrument: str | None = "CAM") -> str:
    """A detached PDS3 label."""
    given = (("PRODUCT_ID", id), ("INSTRUMENT_HOST_ID", host), ("INSTRUMENT_ID", instrument))
    common = [f'{name} = "{value}"' for name, value in given if value is not None]
    return "\r\n".join(["PDS_VERSION_ID = PDS3", *common, *statements, "END", ""])


def pds4(content: str = "", *, lid: str = "urn:esa:psa:bundle:data:p", version: str = "1.0") -> str:
    """A PDS4 label with something in its Observation_Area."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1" xmlns:own="https://example.org/own/v1">
  <Identification_Area>
    <logical_identifier>{lid}</logical_identifier>
    <version_id>{version}</version_id>
    <title>SYNTHETIC</title>
  </Identification_Area>
  <Observation_Area>{content}</Observation_Area>
</Product_Observational>
"""


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a root, by their paths."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def series(values: Iterable[str | None], keyword: str = "X", *, first: int = 0, **common: Any) -> dict[str, str]:
    """A label for each value of a keyword; None leaves the keyword out."""
    return {
        f"P{number:05}.LBL": pds3(*([] if value is None else [f"{keyword} = {value}"]), id=f"P{number}", **common)
        for number, value in enumerate(values, first)
    }


def ask(index: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of an answer."""
    with closing(duckdb.connect(str(index), read_only=True)) as connection:
        return connection.execute(sql, list(values)).fetchall()


def column(index: Path, name: str = "X", family: str = "SC/CAM") -> list[Any]:
    """Values of a column of a wide table, in the order of the labels."""
    rows = ask(index, f'select m."{name}" from products p join meta."{family}" m using (product_key) order by p.label')
    return [value for (value,) in rows]


def keyword(index: Path, path: str, what: str, family: str = "SC/CAM") -> Any:
    """What the index tells of a keyword: a column of `keywords`."""
    ((value,),) = ask(index, f"select {what} from keywords where family = ? and path = ?", family, path)
    return value


def index_of(tmp_path: Path, files: Mapping[str, str | bytes], **options: Any) -> Path:
    """Index of a volume that holds these files."""
    index = tmp_path / "index.duckdb"
    build_index(write(tmp_path / "volume", files), index, **{"jobs": 1, **options})
    return index


def differences(
    one: Path, other: Path, *, order: bool = True, but: Mapping[str, tuple[str, ...]] = OF_A_RUN
) -> dict[str, list[tuple[Any, ...]]]:
    """Tables in which two indexes differ, but for some columns: rows that only one has (at that place), by EXCEPT both ways."""
    with closing(duckdb.connect()) as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        found = {"columns": _except(connection, _COLUMNS.format("one"), _COLUMNS.format("other"))}
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'one' and table_name <> 'runs'"
            " order by all"
        ).fetchall()
        for schema, table in [] if found["columns"] else tables:
            names = [row[0] for row in connection.execute(f'describe one.{schema}."{table}"').fetchall()]
            # the text of a MAP, which cannot be compared itself; the text of a float, for NaN
            kept = ", ".join(f'"{name}"::varchar' for name in names if name not in but.get(table, ()))
            place = "rowid" if order else "0"
            sides = [f'select {place}, {kept} from {side}.{schema}."{table}"' for side in ("one", "other")]
            found[f"{schema}.{table}"] = _except(connection, *sides)
        return {table: rows for table, rows in found.items() if rows}


_COLUMNS = """
select schema_name, table_name, column_name, column_index, data_type from duckdb_columns() where database_name = '{}'
"""


def _except(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> list[tuple[Any, ...]]:
    sides = (("one", one, other), ("other", other, one))
    both = " union all ".join(f"select '{side}', * from ({mine} except all {theirs})" for side, mine, theirs in sides)
    return connection.execute(f"select * from ({both}) order by all limit 6").fetchall()
