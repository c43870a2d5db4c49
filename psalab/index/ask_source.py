"""`Results` from an index: which products match, in which order, and how their rows are fetched.

A match is three numbers: the product's row in `products`, its row in the wide table of its family, and which family
that is. Matches are ordered first, and columns are fetched for those rows alone that are wanted: a page of 1,000 rows
of 1,000,000 costs what the order costs. The file never changes under an open index, so row numbers stay good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from psalab.index.ask_filter import Filter
from psalab.index.sql import Query, joined, quoted, union_all
from psalab.index.walk import unescape
from psalab.results import DEFAULT_COLUMNS, PAGE, LeftOut, Overview, Request, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from psalab.index.ask_census import Census, Group, ProductConditions
    from psalab.index.ask_connection import Connection
    from psalab.index.ask_keywords import Catalogue, Family, KeywordColumn

__all__ = ["IndexSource", "Question", "Reading"]

_ORDER: Final = "p.start_time nulls last, p.id nulls last, p.product_key"
#: Matches in order, as a table that one query sees.
_KEYS: Final = "psalab_keys"
_PICKED: Final = Query(f"select p, m, f, i from {_KEYS}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the sources of one open index share."""

    connection: Connection
    catalogue: Catalogue
    census: Callable[[], Census]
    folders: Callable[[], Mapping[str, Path]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: conditions on products, a filter over keywords, columns, a limit."""

    conditions: ProductConditions
    filter: Filter | None = None
    keywords: tuple[KeywordColumn, ...] = ()
    limit: int | None = None
    product_columns: tuple[str, ...] = DEFAULT_COLUMNS


class IndexSource:
    """A `psalab.results.Source` over an index; immutable but for what it has fetched."""

    def __init__(
        self, reading: Reading, question: Question, asked_at: datetime, picked: pa.Table | None = None
    ) -> None:
        self._reading, self._question, self._asked_at = reading, question, asked_at
        self._picked = picked
        self._keys: pa.Table | None = picked
        self._first_page: list[tuple[Any, ...]] | None = None
        self._found: int | None = None
        self._without_value: int | None = None

    # ------------------------------------------------------------------------------- where it came from

    @property
    def name(self) -> str:
        """The source in words."""
        return f"index {self._reading.connection.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of `products`, then keywords."""
        return self._question.product_columns + tuple(column.name for column in self._question.keywords)

    @property
    def units(self) -> dict[str, str | None]:
        """Unit of each column."""
        units: dict[str, str | None] = dict.fromkeys(self._question.product_columns)
        return units | {column.name: column.unit for column in self._question.keywords}

    @property
    def request(self) -> Request:
        """The select of all rows; pages ask for parts of it."""
        query = self._fetch(self._ordered_matches(self._question.limit), self.columns, named=True)
        return Request(query.text, query.values, self._question.conditions.notes)

    @property
    def asked_at(self) -> datetime:
        """When the question was asked, in UTC."""
        return self._asked_at

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Families that the filter could not be asked of."""
        return self._question.filter.left_out if self._question.filter else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What names became, what was converted, how many products had no value."""
        notes = (*self._question.conditions.notes, *(column.note for column in self._question.keywords if column.note))
        if self._question.filter and (missing := self.without_value()):
            notes += (f"no value for a keyword of the filter: {missing:,} product{'' if missing == 1 else 's'}",)
        return notes

    def label_file(self, root: str, label: str) -> Path | None:
        """Where a label is, on the path that its volume has here."""
        folder = self._reading.folders().get(root)
        return None if folder is None else folder / unescape(label)

    # ------------------------------------------------------------------------------- counting

    @property
    def complete(self) -> bool:
        """Whether no limit cut the rows."""
        return self._question.limit is None or self._question.limit >= self.found()

    def count(self) -> int:
        """Rows."""
        if self._picked is not None:
            return int(self._picked.num_rows)
        limit = self._question.limit
        return self.found() if limit is None else min(limit, self.found())

    def found(self) -> int:
        """Rows that match, with those that a limit cut; counted once."""
        if self._found is None:
            self._found = self._count_matches()
        return self._found

    def _count_matches(self) -> int:
        """Count with as little as possible: the census, the filter, or the filter and a look at products."""
        groups = self._groups()
        if self._question.filter is None and not self._question.conditions.looked_at:
            return sum(group.products for group in groups if self._question.conditions.match(group))
        matches = self._matches(groups)
        if matches is None:
            return 0
        if self._question.filter is None:
            query = Query(f"select count(*) from {matches.text}", matches.values)
        else:
            parts = [self._of_products(part, groups) for part in self._question.filter.matches]
            query = union_all(Query(f"select count(*) from ({part.text})", part.values) for part in parts)
            query = Query(f"select sum(count) from ({query.text}) as counted(count)", query.values)
        _, rows = self._reading.connection.rows(*query)
        return int(rows[0][0] or 0)

    def _of_products(self, part: Query, groups: list[Group]) -> Query:
        """Restrict keys to products that match; where few do not, these are left out, which costs a third."""
        condition = self._question.conditions.sql(groups)
        if not condition.text:
            return part
        rejected = sum(group.products for group in groups if not self._question.conditions.match(group))
        total = sum(group.products for group in groups)
        families = sorted({group.family for group in groups})
        within = Query(f"p.family in ({', '.join('?' * len(families))})", tuple(families))
        if self._question.conditions.looked_at or rejected > total // 4:
            kept = joined(" and ", (within, condition))
            word = "in"
        else:
            kept = joined(
                " and ", (within, Query(f"coalesce(({condition.text}), false) is not true", condition.values))
            )
            word = "not in"
        return Query(
            f"select product_key from ({part.text}) where product_key {word} "
            f"(select p.product_key from products p where {kept.text})",
            part.values + kept.values,
        )

    def without_value(self) -> int:
        """Products that lack a keyword of the filter; counted when first asked for."""
        if self._question.filter is None:
            return 0
        if self._without_value is None:
            groups = self._groups()
            parts = [self._of_products(part, groups) for part in self._question.filter.undecided]
            counts = [
                self._reading.connection.rows(f"select count(*) from ({part.text})", part.values) for part in parts
            ]
            self._without_value = sum(rows[0][0] for _, rows in counts)
        return self._without_value

    # ------------------------------------------------------------------------------- which products

    def _groups(self) -> list[Group]:
        """Find the groups of the families that can match at all."""
        conditions, groups = self._question.conditions, self._reading.census().groups
        families = {group.family for group in groups if conditions.match(group)}
        if self._question.filter is not None:
            families &= self._question.filter.families
        return [group for group in groups if group.family in families]

    def _families(self, groups: list[Group]) -> list[Family]:
        names = {group.family for group in groups}
        return [family for family in self._reading.catalogue.families.values() if family.name in names]

    def _matches(self, groups: list[Group]) -> Query | None:
        """``products p`` and, with a filter, ``matched a``, restricted to what matches; None where nothing can."""
        if not groups:
            return None
        # without a filter no family stands in the way, so the conditions must hold for all groups of the index
        condition = self._question.conditions.sql(groups if self._question.filter else self._reading.census().groups)
        where = f" where {condition.text}" if condition.text else ""
        if self._question.filter is None:
            return Query(f"products p{where}", condition.values)
        parts = union_all(self._question.filter.matches)
        return Query(
            f"({parts.text}) as a join products p on p.product_key = a.product_key{where}",
            parts.values + condition.values,
        )

    def _ordered_matches(self, limit: int | None, order: str = _ORDER) -> Query:
        """Select (p, m, f) of the matches in order."""
        matches = self._matches(self._groups())
        place = "a.m, a.f" if self._question.filter else "null::bigint as m, null::integer as f"
        if matches is None:
            return Query("select null::bigint as p, null::bigint as m, null::integer as f where false")
        text = f"select p.rowid as p, {place} from {matches.text} order by {order}"
        return Query(text + (f" limit {limit:d}" if limit is not None else ""), matches.values)

    def _all_keys(self) -> pa.Table:
        """All matches in order, as an Arrow table of (p, m, f)."""
        if self._keys is None:
            self._keys = self._reading.connection.table(*self._ordered_matches(self._question.limit))
        return self._keys

    def _page_keys(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        """Get matches from start to stop; the first page is had without putting all matches in order."""
        if self._keys is None and stop <= PAGE:
            if self._first_page is None:
                limit = self._question.limit
                first = PAGE if limit is None else min(limit, PAGE)
                self._first_page = self._reading.connection.rows(*self._ordered_matches(first)).rows
            return self._first_page[start:stop]
        columns = self._all_keys().slice(start, max(stop - start, 0)).to_pydict()
        return list(zip(columns["p"], columns["m"], columns["f"], strict=True))

    # ------------------------------------------------------------------------------- fetching rows

    def fetch(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        """Rows from start to stop."""
        keys = self._page_keys(start, stop)
        if not keys:
            return []
        given = Query(
            "select unnest(?::bigint[]) as p, unnest(?::bigint[]) as m, unnest(?::integer[]) as f, "
            "unnest(?::bigint[]) as i",
            (*map(list, zip(*keys, strict=True)), list(range(len(keys)))),
        )
        query = self._fetch(given, self.columns, numbered=True)
        return self._reading.connection.rows(*query).rows

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all rows."""
        query = self._fetch(_PICKED, columns, numbered=True)
        table = self._reading.connection.table(*query, frames={_KEYS: self._numbered_keys()})
        return table.rename_columns(list(columns))

    def _numbered_keys(self) -> pa.Table:
        import pyarrow as pa

        keys = self._all_keys()
        return keys.append_column("i", pa.array(range(keys.num_rows), pa.int64()))

    def _fetch(self, matches: Query, columns: Sequence[str], *, numbered: bool = False, named: bool = False) -> Query:
        """Select columns of matches, in their order.

        The columns are called c0, c1, ...: two keywords may differ in case only, which SQL does not tell apart. With
        `named` they have their names, for people to read.
        """
        keywords = [column for column in self._question.keywords if column.name in columns]
        places = {column.name: place for place, column in enumerate(keywords)}
        number = "i" if numbered else "row_number() over () as i"
        keys = Query(f"with k as (select p, m, f, {number} from ({matches.text}))", matches.values)
        selected = ", ".join(
            (f"v.v{places[name]}" if name in places else f"p.{quoted(name)}")
            + f" as {quoted(name) if named else f'c{place}'}"
            for place, name in enumerate(columns)
        )
        head, tail = f"select {selected} from k join products p on p.rowid = k.p", "order by k.i"
        if not keywords:
            return Query(f"{keys.text}\n{head} {tail}", keys.values)
        values = self._values(keywords)
        return Query(
            f"{keys.text},\nv as ({values.text})\n{head} left join v on v.i = k.i {tail}", keys.values + values.values
        )

    def _values(self, keywords: Sequence[KeywordColumn]) -> Query:
        """Select the values of keywords for the matches ``k``, one row for each match that has any."""
        asked = {family for column in keywords for family in column.keywords}
        families = [family for family in self._families(self._groups()) if family.name in asked]
        parts = [self._wide_values(family, keywords) for family in families if family.wide]
        names = [family.name for family in families]
        long = {name for column in keywords for name in names if column.is_long(name)}
        if long:
            values = _numbered(column.long_value(long) for column in keywords)
            paths = sorted({path for column in keywords for path in column.long_paths(long)})
            parts.append(
                Query(
                    f"select k.i, {values.text} from k join products p on p.rowid = k.p "
                    "join meta.other o on o.product_key = p.product_key "
                    f"where o.path in ({', '.join('?' * len(paths))}) group by k.i",
                    (*values.values, *paths),
                )
            )
        if not parts:
            nothing = ", ".join(f"null::{column.sql_type} as v{place}" for place, column in enumerate(keywords))
            return Query(f"select null::bigint as i, {nothing} where false")
        union = union_all(parts)
        if not any(family.wide and family.name in long for family in families):
            return union
        # a family with more paths than a table takes columns: one row comes from its table, one from meta.other
        both = ", ".join(f"any_value(v{place}) as v{place}" for place in range(len(keywords)))
        return Query(f"select i, {both} from ({union.text}) group by i", union.values)

    def _wide_values(self, family: Family, keywords: Sequence[KeywordColumn]) -> Query:
        values = _numbered(column.wide_value(family.name) for column in keywords)
        known = self._question.filter.ordinals if self._question.filter else {}
        if family.name not in known:
            # said twice: `in` makes DuckDB read the columns for the wanted rows alone, the join puts them in place
            source = f"k join products p on p.rowid = k.p join {family.table} f on f.product_key = p.product_key"
            wanted = "f.product_key in (select p.product_key from k join products p on p.rowid = k.p)"
            return Query(f"select k.i, {values.text} from {source} where {wanted}", values.values)
        ours = f" where k.f = {known[family.name]:d}" if len(known) > 1 else ""
        return Query(f"select k.i, {values.text} from k join {family.table} f on f.rowid = k.m{ours}", values.values)

    # ------------------------------------------------------------------------------- other sources

    def _with(self, question: Question, picked: pa.Table | None) -> IndexSource:
        return IndexSource(self._reading, question, self._asked_at, picked)

    def pick(self, positions: Sequence[int] | slice) -> IndexSource:
        """Rows at these positions."""
        if isinstance(positions, slice):
            start, stop, step = positions.indices(self.count())
            if step == 1 and start < stop <= PAGE:
                return self._with(self._question, _keys_table(self._page_keys(start, stop)))
            positions = range(start, stop, step)
        return self._with(self._question, _taken(self._all_keys(), positions))

    def sort(self, columns: Sequence[str], *, descending: bool) -> IndexSource:
        """Put the same rows in another order."""
        inner = self._fetch(_PICKED, columns, numbered=True)
        terms = ", ".join(f"c{place} {'desc' if descending else 'asc'} nulls last" for place in range(len(columns)))
        # row_number() keeps the order of the inner select: equal rows stay as they were
        text = f"select i from (select row_number() over () - 1 as i, * from ({inner.text})) order by {terms}, i"
        order = self._reading.connection.table(text, inner.values, frames={_KEYS: self._numbered_keys()})
        return self._with(self._question, self._all_keys().take(order.column("i")))

    def narrow(self, condition: str) -> IndexSource:
        """Rows that also match a filter, in the order that they have."""
        new = both = Filter.of(condition, self._reading.catalogue, {group.family for group in self._groups()})
        if (former := self._question.filter) is not None:
            both = Filter.of(former.condition & new.condition, self._reading.catalogue, new.families)
            both = replace(both, left_out=(*former.left_out, *new.left_out, *both.left_out))
        added = [column for column in new.columns if column.name not in self.columns]
        question = replace(self._question, filter=both, keywords=(*self._question.keywords, *added))
        narrowed = self._with(question, None)
        if self._picked is None and self._question.limit is None:
            narrowed.found()  # a search counts first
            return narrowed
        # these rows alone, in the order that they have
        matches = narrowed._ordered_matches(None)  # noqa: SLF001  the same class
        text = f"select k.p, n.m, n.f from {_KEYS} k join ({matches.text}) n on n.p = k.p order by k.i"
        keys = self._reading.connection.table(text, matches.values, frames={_KEYS: self._numbered_keys()})
        return self._with(question, keys)

    def with_keywords(self, names: Sequence[str]) -> IndexSource:
        """Give the same rows with more columns."""
        added = [self._reading.catalogue.column(name) for name in dict.fromkeys(names) if name not in self.columns]
        wider = self._with(replace(self._question, keywords=(*self._question.keywords, *added)), self._picked)
        wider._keys, wider._found, wider._first_page = self._keys, self._found, self._first_page  # noqa: SLF001
        return wider

    # ------------------------------------------------------------------------------- summarising

    def summarise(self, columns: Sequence[str]) -> Rows:
        """Products, first start and last stop for each combination of values."""
        wanted = [*columns, "start_time", "stop_time"]
        direct = self._picked is None and self._question.limit is None and not self._has_keyword(columns)
        if direct:  # no need to know the order
            matches = self._matches(self._groups()) or Query("products p where false")
            selected = ", ".join(f"p.{quoted(name)} as c{place}" for place, name in enumerate(wanted))
            inner = Query(f"select {selected} from {matches.text}", matches.values)
        else:
            inner = self._fetch(_PICKED, wanted, numbered=True)
        by = ", ".join(f"c{place}" for place in range(len(columns)))
        start, stop = f"c{len(columns)}", f"c{len(columns) + 1}"
        text = (
            f"select {by}{', ' if by else ''}count(*), min({start}), max(coalesce({stop}, {start})) from ({inner.text})"
            + (f" group by {by} order by {by}" if by else "")
        )
        names = (*columns, "products", "first", "last")
        if direct:
            return Rows(names, self._reading.connection.rows(text, inner.values).rows)
        table = self._reading.connection.table(text, inner.values, frames={_KEYS: self._numbered_keys()})
        return Rows(names, list(zip(*(column.to_pylist() for column in table.columns), strict=True)))

    def _has_keyword(self, columns: Sequence[str]) -> bool:
        return not set(columns) <= set(self._question.product_columns)

    def overview(self) -> Overview:
        """Levels, instruments, first and last time."""
        _, rows = self.summarise(("level", "instrument"))
        levels: dict[str | None, int] = {}
        for level, _, products, _, _ in rows:
            levels[level] = levels.get(level, 0) + products
        instruments = sorted({row[1] for row in rows if row[1] is not None})
        firsts = [row[3] for row in rows if row[3] is not None]
        lasts = [row[4] for row in rows if row[4] is not None]
        order = ("raw", "calibrated", "derived")
        ranked = sorted(
            levels.items(), key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0] or "")
        )
        return Overview(tuple(ranked), tuple(instruments), min(firsts, default=None), max(lasts, default=None))


def _numbered(values: Iterable[Query]) -> Query:
    return joined(", ", (Query(f"{value.text} as v{place}", value.values) for place, value in enumerate(values)))


def _keys_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([("p", pa.int64()), ("m", pa.int64()), ("f", pa.int32())])
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _taken(keys: pa.Table, positions: Sequence[int]) -> pa.Table:
    import pyarrow as pa

    return keys.take(pa.array(positions, pa.int64()))
