"""The tables of an index that people look at, as SQL: keywords, values, what was rejected, what is in it.

`Tables` writes the questions; `Plain` answers them as tuples, `psalab.index.ask.Index` as DataFrames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psalab.index.ask_names import product_conditions
from psalab.index.sql import Query, glob_expression, joined, union_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psalab.index.ask_census import Census
    from psalab.index.ask_connection import Connection
    from psalab.index.ask_keywords import Catalogue, KeywordColumn
    from psalab.results import Rows

__all__ = ["Plain", "Tables"]

_KEYWORD_COLUMNS = "family, path, name, type, is_list, unit, units, count, missing, odd, min, max, examples"


class Tables:
    """Writes the questions."""

    def __init__(self, catalogue: Catalogue, census: Callable[[], Census]) -> None:
        self._catalogue, self._census = catalogue, census

    def keywords(self, pattern: str, family: str | None) -> Query:
        """Keywords whose path, cut from the left with or without prefix, or whose short name fits a pattern."""
        glob = glob_expression(pattern)
        conditions = [
            Query("(regexp_full_match(path, ?, 'i') or regexp_full_match(name, ?, 'i'))", (f"(?s:.*[/:])?{glob}", glob))
        ]
        if family is not None:
            names = [found.name for found in self._catalogue.families_named(family)]
            conditions.append(Query("list_contains(?::varchar[], family)", (names,)))
        where = joined(" and ", conditions)
        return Query(f"select {_KEYWORD_COLUMNS} from keywords where {where.text} order by family, path", where.values)

    def values(self, name: str, instrument: str | Iterable[str] | None) -> tuple[Query, KeywordColumn]:
        """Values of a keyword and in how many products each stands; of a list each element counts."""
        census = self._census()
        conditions = product_conditions(census, list, versions="all", named={"instrument": instrument})
        families = {group.family for group in census.groups if conditions.match(group)}
        column = self._catalogue.column(name, families)
        asked = set(column.keywords)
        restriction = conditions.sql(group for group in census.groups if group.family in asked)
        parts = [
            Query(f"select f.product_key, {value.text} as value from {family.table} f", value.values)
            for family in self._catalogue.families.values()
            if family.name in asked and not column.is_long(family.name)
            for value in (column.wide_value(family.name),)
        ]
        long = sorted(name for name in asked if column.is_long(name))
        if long:
            value = column.long_value(long)
            parts.append(
                Query(
                    f"select o.product_key, {value.text} as value from meta.other o "
                    "where list_contains(?::varchar[], o.family) group by o.product_key",
                    (*value.values, long),
                )
            )
        found = union_all(parts)
        text, bound = found
        if restriction.text:
            text = f"select a.* from ({text}) a join products p using (product_key) where {restriction.text}"
            bound += restriction.values
        if column.is_list:
            text = f"select distinct product_key, unnest(value) as value from ({text})"
        counted = f"select value, count(*) as count from ({text}) where value is not null group by 1 order by 2 desc, 1"
        return Query(counted, bound), column

    def rejected(self) -> Query:
        """Files that should be labels and are none."""
        return Query("select root, path, reason, line, text, since, run from rejected order by root, path, line")

    def odd_values(self) -> Query:
        """Values that do not fit the type of their column."""
        return Query(
            "select p.family, o.path, o.text, p.id, p.root, p.label, o.product_key from odd_values o "
            "left join products p using (product_key) order by p.family, o.path, p.root, p.label, o.text"
        )

    def runs(self) -> Query:
        """List builds and updates."""
        return Query("select * from runs order by run")

    def roots(self) -> Query:
        """List volumes."""
        return Query("select * from roots order by root")

    def families(self) -> Query:
        """Families of labels, with the number of their keywords."""
        return Query(
            "select f.*, coalesce(k.keywords, 0) as keywords from families f "
            "left join (select family, count(*) as keywords from keywords group by family) k using (family) "
            "order by products desc, family"
        )


class Plain:
    """The tables of an index as tuples; loads no pandas."""

    def __init__(self, connection: Connection, tables: Tables) -> None:
        self._connection, self._tables = connection, tables

    def keywords(self, pattern: str = "*", family: str | None = None) -> Rows:
        """As ``Index.keywords``."""
        return self._connection.rows(*self._tables.keywords(pattern, family))

    def values(self, name: str, instrument: str | Iterable[str] | None = None) -> Rows:
        """As ``Index.values``."""
        query, _ = self._tables.values(name, instrument)
        return self._connection.rows(*query)

    def rejected(self) -> Rows:
        """As ``Index.rejected``."""
        return self._connection.rows(*self._tables.rejected())

    def odd_values(self) -> Rows:
        """As ``Index.odd_values``."""
        return self._connection.rows(*self._tables.odd_values())

    def runs(self) -> Rows:
        """As ``Index.runs``."""
        return self._connection.rows(*self._tables.runs())

    def roots(self) -> Rows:
        """As ``Index.roots``."""
        return self._connection.rows(*self._tables.roots())

    def families(self) -> Rows:
        """As ``Index.families``."""
        return self._connection.rows(*self._tables.families())
