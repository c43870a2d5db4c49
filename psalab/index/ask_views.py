"""The views that make one index of a publication, or of several parts.

There are two catalogs of views in memory: `psalab_index` has the tables of an index as `.sql` shows them, `psalab_rows` the
same with the number of each row as `rowid`, for psalab's own questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psalab.index.describe_views import instrument_view
from psalab.index.parts import INDEX, ROWS
from psalab.index.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from psalab.index.parts import Part, Table

__all__ = ["make_views"]

#: Tables in `main` whose rows psalab asks by number.
_NUMBERED: Final = ("products", "keywords")


def make_views(instance: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> None:
    """Make the catalogs of views over parts, the newest first."""
    for catalog in (ROWS, INDEX):
        instance.execute(f"attach ':memory:' as {catalog}")
        instance.execute(f"create schema {catalog}.meta")
    if len(parts) == 1:
        selects = {key: _all_of(table) for key, table in parts[0].tables.items()}
    else:
        from psalab.index.ask_union import union_selects

        selects = union_selects(instance, parts)
    for (schema, name), (text, columns) in selects.items():
        table, listed = f"{schema}.{quoted(name)}", ", ".join(quoted(column) for column in columns)
        bare = f"select {listed} from ({text})"
        numbered = schema == "meta" or name in _NUMBERED
        instance.execute(f"create view {ROWS}.{table} as {text if numbered else bare}")
        instance.execute(f"create view {INDEX}.{table} as {bare}")
    _make_instrument_views(instance)


def _all_of(table: Table) -> tuple[str, list[str]]:
    return f"select *, {table.rowid} as rowid from {table.source}", list(table.columns)


def _make_instrument_views(instance: duckdb.DuckDBPyConnection) -> None:
    instance.execute(f"use {INDEX}")
    for family, view, columns, names in instance.execute(
        "select f.family, any_value(f.view_name), list(k.column_name order by k.rowid), list(k.name order by k.rowid)"
        f" from {ROWS}.families f left join {ROWS}.keywords k on k.family = f.family and k.column_name is not null"
        " where f.wide and f.view_name is not null group by all"
    ).fetchall():
        keywords = [(column, name) for column, name in zip(columns, names, strict=True) if column is not None]
        instance.execute(instrument_view(view, family, keywords))
