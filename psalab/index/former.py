"""The index that a build replaces: the rows of its roots that are not built anew, copied into the new one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.index.columns import Column, Family, Observed
from psalab.index.sql import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

__all__ = ["LONG_ROWS", "Former", "Kept"]


@dataclass(frozen=True)
class Kept:
    """The index that a build replaces, and those of its roots (perhaps none) that it does not touch."""

    index: Path
    roots: Sequence[str]


#: Rows of `meta.other` that stay, with their root and their place.
LONG_ROWS: Final = (
    "select o.*, k.root, o.rowid as place from former.meta.other o join kept k on k.product_key = o.product_key"
)


class Former:
    """An index whose roots stay, all or some, while others are built anew: attached as `former`, its rows are copied.

    Attributes
    ----------
    last_run : int
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, keep: Kept, *, attached: bool = False):
        self.connection, self.roots = connection, list(keep.roots)
        if not attached:
            connection.execute(f"attach {literal(str(keep.index))} as former (read_only)")
        connection.execute("create temp table staying as select unnest(?::varchar[]) as root", [self.roots])
        connection.execute(
            "create temp table kept as select product_key, root from former.products semi join staying using (root)"
        )
        ((self.last_run,),) = connection.execute("select coalesce(max(run), 0) from former.runs").fetchall()

    def by_root(self) -> dict[str, dict[str, Family]]:
        """Give what was seen in the roots that stay."""
        found: dict[str, dict[str, Family]] = {root: {} for root in self.roots}
        rows = self.connection.execute(
            "select o.root, o.family, standard, host, instrument, o.products, path, kinds, labels, missing, units, listed,"
            " least, most, examples from former.observed o join former.families using (family)"
            " semi join staying on staying.root = o.root"
        )
        for (
            root,
            name,
            standard,
            host,
            instrument,
            products,
            path,
            kinds,
            labels,
            missing,
            units,
            *rest,
        ) in rows.fetchall():
            family = found[root].setdefault(name, Family(name, standard, host, instrument, products))
            if path is not None:
                counted = Counter({unit or None: count for unit, count in units.items()})
                family.seen[path] = Observed(np.array(kinds), labels, Counter(missing), counted, *rest)
        return found

    def families(self) -> dict[str, Family]:
        """Give the families that have rows in the roots that stay, with form and columns."""
        staying = {name for families in self.by_root().values() for name in families}
        found: dict[str, Family] = {}
        rows = self.connection.execute(
            "select family, standard, host, instrument, wide, path, name, column_name, type, is_list, unit, unit_column"
            " from former.families join former.keywords using (family)"
        )
        for family, standard, host, instrument, wide, *column in rows.fetchall():
            if family in staying:
                kept = found.setdefault(family, Family(family, standard, host, instrument, 0, wide))
                path, name, column_name, kind, listed, unit, unit_column = column
                kept.columns[path] = Column(path, name, column_name, kind, listed, unit, (), unit_column)
        self.tables = found
        return found

    def copy_products(self) -> None:
        """Add the products that stay to those staged."""
        self.connection.execute(
            "insert into staged by name select * exclude (latest, twin_of) from former.products semi join staying using (root)"
        )

    def copy_wide(self, family: Family, roots: Sequence[str]) -> None:
        """Add the rows of roots that stay to the table of a family."""
        former = self.tables.get(family.name)
        if former is None:
            return
        selected = ["product_key"]
        for path, column in former.columns.items():
            now = family.columns.get(path)
            if now is None or not column.column:  # a path that no root has any more, or one of the long table
                continue
            name = quoted(column.column)
            promoted = now.listed and not column.listed
            selected.append(f"case when {name} is not null then [{name}] end as {name}" if promoted else name)
            if column.unit_column:
                selected.append(quoted(column.unit_column))
            elif now.unit_column:
                unit = "null" if column.unit is None else literal(column.unit)
                selected.append(f"case when {name} is not null then {unit} end as {quoted(now.unit_column)}")
        table = f"meta.{quoted(family.name)}"
        self.connection.execute(
            f"insert into {table} by name select {', '.join(selected)} from former.{table}"
            " where product_key in (select product_key from kept where list_contains(?, root))",
            [list(roots)],
        )

    def copy_files(self, root: str) -> None:
        """Add the files of a root that stays."""
        self.connection.execute("insert into files select * from former.files where root = ?", [root])
        self.connection.execute("insert into folders select * from former.folders where root = ?", [root])
        self.connection.execute(
            "insert into named select n.* from former.named n join kept using (product_key) where kept.root = ? order by all",
            [root],
        )

    def rows_of_roots(self) -> list[tuple[Any, ...]]:
        """Give the rows of `roots` that stay."""
        return self.connection.execute("select * from former.roots semi join staying using (root)").fetchall()

    def rejected(self, new: str) -> str:
        """Write a select of rejected files: new ones, those known since they were first rejected, and those that stay."""
        known = "select root, path, reason, min(since) as first from former.rejected group by all"
        return (
            "select new.* replace (coalesce(first, since) as since)"
            f" from ({new}) new left join ({known}) using (root, path, reason)"
            " union all select * from former.rejected semi join staying using (root)"
        )
