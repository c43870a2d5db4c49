"""Several indexes asked as one: which part a root is read from, and the tables of all parts put together.

A root that several parts hold is read from the one with the newest run of it, and from that alone. A family that several
parts hold has one table: its columns are those of all parts, each of one type, as a build would settle it: int and float
together are float, single values beside lists are lists of one, all else is text. `latest` is judged by each part for itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from psalab.index.describe_views import free_name
from psalab.index.parts import ROWS
from psalab.index.sql import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from psalab.index.parts import Part, Table

__all__ = ["union_selects"]

#: A view: its select, with `rowid` as the last column, and its other columns.
Select = tuple[str, list[str]]

#: Numbers of rows, and of runs, of two parts must not meet.
_APART: Final = 2**40
_RUNS_APART: Final = 1_000_000
_RUNS: Final = frozenset({"run", "last_run"})
_SQL: Final = {"int": "bigint", "float": "double", "time": "timestamp", "boolean": "boolean", "text": "varchar"}
#: Values of meta.other `o`, by type.
_LONG: Final = {
    "int": "coalesce(try_cast(o.text as bigint), try_cast(o.number as bigint))",
    "float": "o.number",
    "time": 'o."time"',
    "boolean": "(o.number <> 0)",
    "text": "o.text",
}
_KEYWORDS: Final = (
    "family", "path", "name", "column_name", "type", "is_list", "unit", "units", "unit_column", "count", "missing", "odd",
    "min", "max", "examples",
)  # fmt: skip
_FAMILIES: Final = ("family", "standard", "host", "instrument", "products", "wide", "view_name")
_BY_ROOT: Final = frozenset({"products", "files", "rejected", "roots"})
_EXAMPLES: Final = 5


@dataclass
class _Source:
    """A part, and what of it is asked.

    Attributes
    ----------
    later : int
        How many parts are older.
    roots : list of str
        Those that are read from it.
    whole : bool
        Whether these are all of its roots.
    families, keywords : dict
        Rows of its tables by family, and by family and path.
    """

    part: Part
    number: int
    later: int = 0
    roots: list[str] = field(default_factory=list)
    whole: bool = True
    families: dict[str, dict[str, Any]] = field(default_factory=dict)
    keywords: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def in_roots(self) -> str:
        """Condition on a table with roots."""
        return f"t.root in ({', '.join(map(literal, self.roots)) or 'null'})"

    @property
    def in_products(self) -> str:
        """Condition on a table with product keys."""
        products = self.part.tables["main", "products"].source
        return f"t.product_key in (select t.product_key from {products} t where {self.in_roots})"

    def rowid(self, table: Table) -> str:
        """Give the number of a row among those of all parts."""
        return f"t.{table.rowid} + {self.number * _APART} as rowid"


def union_selects(instance: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> dict[tuple[str, str], Select]:
    """Write the views over several parts; `families` and `keywords` become tables, for they are worked out here."""
    sources = _newest(instance, parts)
    for source in sources:
        _describe(instance, source)
    merged = _merged(sources)
    _store(instance, "families", _FAMILIES, _family_rows(instance, sources))
    _store(instance, "keywords", _KEYWORDS, [row for rows in merged.values() for row in rows.values()])
    selects: dict[tuple[str, str], Select] = {}
    for key in {key for source in sources for key in source.part.tables}:
        schema, name = key
        if schema == "meta" and name != "other":
            continue
        if key == ("main", "families"):
            selects[key] = f"select *, rowid from {ROWS}.families_of_all", list(_FAMILIES)
        elif key == ("main", "keywords"):
            selects[key] = f"select *, rowid from {ROWS}.keywords_of_all", list(_KEYWORDS)
        else:
            selects[key] = _plain(sources, key)
    for family, keywords in merged.items():
        if any(source.families.get(family, {}).get("wide") for source in sources):
            selects["meta", family] = _wide(sources, family, keywords)
    return selects


def _newest(instance: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> list[_Source]:
    """Tell from which part each root is read; the part with the newest run comes first."""
    runs: list[tuple[Any, int, str]] = []
    held: dict[int, set[str]] = {}
    for number, part in enumerate(parts):
        rows = instance.execute(
            f"select root, coalesce(ended, started) from {part.tables['main', 'roots'].source} t"
            f" left join {part.tables['main', 'runs'].source} r on r.run = t.last_run order by all"
        ).fetchall()
        held[number] = {root for root, _ in rows}
        runs += [(str(when or ""), -number, root) for root, when in rows]
    sources = {number: _Source(part, number) for number, part in enumerate(parts)}
    taken: set[str] = set()
    order: list[int] = []
    for _, number, root in sorted(runs, reverse=True):
        if -number not in order:
            order.append(-number)
        if root not in taken:
            taken.add(root)
            sources[-number].roots.append(root)
    for number, source in sources.items():
        source.whole = held[number] == set(source.roots)
    ranked = [sources[number] for number in (*order, *(number for number in sources if number not in order))]
    for older, source in enumerate(reversed(ranked)):
        source.later = older
    return ranked


def _describe(instance: duckdb.DuckDBPyConnection, source: _Source) -> None:
    """Read the families and keywords of a part, those of products that are asked."""
    tables = source.part.tables
    products = tables["main", "products"].source
    there = f"select distinct t.family from {products} t where {source.in_roots}"
    for name, columns in (("families", _FAMILIES), ("keywords", _KEYWORDS)):
        selected = ", ".join(f"t.{quoted(column)}" for column in columns)
        table = tables["main", name]
        rows = instance.execute(
            f"select {selected} from {table.source} t where t.family in ({there}) order by t.{table.rowid}"
        ).fetchall()
        for row in rows:
            values = dict(zip(columns, row, strict=True))
            if name == "families":
                source.families[values["family"]] = values
            else:
                source.keywords.setdefault(values["family"], {})[values["path"]] = values


# ------------------------------------------------------------------------------------------------------------- keywords


def _merged(sources: Sequence[_Source]) -> dict[str, dict[str, dict[str, Any]]]:
    """Keywords by family and path, as the views over all parts have them."""
    merged: dict[str, dict[str, dict[str, Any]]] = {}
    for family in sorted({family for source in sources for family in source.families}):
        found = [source.keywords[family] for source in sources if family in source.keywords]
        taken = {"product_key", "rowid"}
        rows = {path: _merge([keywords[path] for keywords in found if path in keywords])
                for path in dict.fromkeys(path for keywords in found for path in keywords)}  # fmt: skip
        for path, row in rows.items():
            if row["column_name"]:
                row["column_name"] = free_name(path, taken)
        for path, row in rows.items():
            if row["unit_column"]:
                row["unit_column"] = free_name(f"{path} [unit]", taken) if row["column_name"] else None
        merged[family] = rows
    return merged


def _merge(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one row of the rows of a keyword, the newest first."""
    if len(rows) == 1:
        return dict(rows[0])
    valued = [row for row in rows if row["count"]] or list(rows[:1])
    types = {row["type"] for row in valued}
    kind = types.pop() if len(types) == 1 else "float" if types == {"int", "float"} else "text"
    spelled = list(dict.fromkeys(unit for row in valued for unit in (row["unit"], *(row["units"] or ())) if unit))
    mixed = any(row["unit_column"] for row in valued) or len({row["unit"] for row in valued}) > 1
    missing: dict[str, int] = {}
    for row in rows:
        for reason, count in (row["missing"] or {}).items():
            missing[reason] = missing.get(reason, 0) + count
    return {
        **valued[0],
        "column_name": next((row["column_name"] for row in rows if row["column_name"]), None),
        "type": kind,
        "is_list": any(row["is_list"] for row in valued),
        "units": (spelled or None) if mixed else valued[0]["units"],
        "unit_column": "unit" if mixed else None,
        "count": sum(row["count"] or 0 for row in rows),
        "missing": missing,
        "odd": sum(row["odd"] or 0 for row in rows),
        "min": _end(valued, "min", kind, min),
        "max": _end(valued, "max", kind, max),
        "examples": list(dict.fromkeys(text for row in rows for text in row["examples"] or ()))[:_EXAMPLES],
    }


def _end(rows: Sequence[dict[str, Any]], name: str, kind: str, choose: Any) -> str | None:
    """Give the least or the most of texts that are numbers or times."""
    texts = [row[name] for row in rows if row[name] is not None]
    if not texts or kind in ("text", "boolean"):
        return None
    return str(choose(texts, key=float if kind in ("int", "float") else str))


def _family_rows(instance: duckdb.DuckDBPyConnection, sources: Sequence[_Source]) -> list[dict[str, Any]]:
    """Rows of `families`, with the products that are asked, and one view for each wide family."""
    counts: dict[str, int] = {}
    for source in sources:
        products = source.part.tables["main", "products"].source
        rows = instance.execute(
            f"select t.family, count(*) from {products} t where {source.in_roots} group by 1"
        ).fetchall()
        for family, count in rows:
            counts[family] = counts.get(family, 0) + count
    taken = {"meta", "main", *(name for source in sources for schema, name in source.part.tables if schema == "main")}
    found = []
    for family in sorted(counts):
        held = [source.families[family] for source in sources if family in source.families]
        view = next((row["view_name"] for row in held if row["view_name"]), None)
        wide = any(row["wide"] for row in held)
        named = free_name(view, taken) if view and wide else None
        found.append({**held[0], "products": counts.get(family, 0), "wide": wide, "view_name": named})
    return found


def _store(
    instance: duckdb.DuckDBPyConnection, name: str, columns: Iterable[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Make a table of rows, column by column: row-wise inserts take DuckDB milliseconds each."""
    types = {
        "products": "bigint", "count": "bigint", "odd": "bigint", "wide": "boolean", "is_list": "boolean",
        "units": "varchar[]", "examples": "varchar[]", "missing": "map(varchar, bigint)",
    }  # fmt: skip
    listed = {column: types.get(column, "varchar") for column in columns}
    table = f"{ROWS}.{name}_of_all"
    instance.execute(f"create table {table} ({', '.join(f'{quoted(item)} {kind}' for item, kind in listed.items())})")
    if rows:
        plain = {column: kind for column, kind in listed.items() if column != "missing"}
        values: list[Any] = [[row[column] for row in rows] for column in plain]
        unnested = [f"unnest(?::{kind}[]) as {quoted(column)}" for column, kind in plain.items()]
        if "missing" in listed:  # a map is bound as its keys and values
            reasons = [row["missing"] for row in rows]
            unnested.append("unnest(?::varchar[][]) as reasons, unnest(?::bigint[][]) as counts")
            values += [[list(item) for item in reasons], [list(item.values()) for item in reasons]]
        selected = ", ".join("map(reasons, counts)" if item == "missing" else quoted(item) for item in listed)
        instance.execute(f"insert into {table} select {selected} from (select {', '.join(unnested)})", values)


# ---------------------------------------------------------------------------------------------------------------- views


def _plain(sources: Sequence[_Source], key: tuple[str, str]) -> Select:
    """Rows of all parts, each of those roots that are read from it."""
    if key == ("main", "about"):  # each tells of itself: the newest speaks for all
        about = sources[0].part.tables[key]
        return f"select *, {about.rowid} as rowid from {about.source}", list(about.columns)
    columns = list(dict.fromkeys(column for source in sources if key in source.part.tables
                                 for column in source.part.tables[key].columns))  # fmt: skip
    selects = []
    for source in sources:
        if table := source.part.tables.get(key):
            listed = ", ".join(_column(column, source, table) for column in columns)
            conditions = [] if source.whole else _condition(source, key[1], table)
            if key == ("meta", "other"):
                conditions += _pivoted(sources, source)
            where = f" where {' and '.join(conditions)}" if conditions else ""
            selects.append(f"select {listed}, {source.rowid(table)} from {table.source} t{where}")
    return " union all ".join(selects), columns


def _column(name: str, source: _Source, table: Table) -> str:
    if name not in table.columns:
        return f"null as {quoted(name)}"
    if name in _RUNS:
        return f"t.{name} + {source.later * _RUNS_APART} as {name}"
    return f"t.{quoted(name)}"


def _condition(source: _Source, name: str, table: Table) -> list[str]:
    if name in _BY_ROOT:
        return [source.in_roots]
    return [source.in_products] if "product_key" in table.columns else []


def _pivoted(sources: Sequence[_Source], source: _Source) -> list[str]:
    """Leave out of `meta.other` the families that have a table in another part, and so in all."""
    names = [
        family for family, row in source.families.items()
        if not row["wide"] and any(other.families.get(family, {}).get("wide") for other in sources)
    ]  # fmt: skip
    return [f"t.family not in ({', '.join(map(literal, names))})"] if names else []


def _wide(sources: Sequence[_Source], family: str, keywords: dict[str, dict[str, Any]]) -> Select:
    """Rows of a family: from its table, or from `meta.other` of a part where it is small."""
    columns = [row for row in keywords.values() if row["column_name"]]
    names = ["product_key", *(row["column_name"] for row in columns)]
    names += [row["unit_column"] for row in columns if row["unit_column"]]
    selects = []
    for source in sources:
        if family in source.families:
            make = _wide_part if source.families[family]["wide"] else _long_part
            selects.append(make(source, family, columns))
    return " union all ".join(selects), names


def _wide_part(source: _Source, family: str, columns: Sequence[dict[str, Any]]) -> str:
    table = source.part.tables["meta", family]
    own = source.keywords.get(family, {})
    values, units = [], []
    for row in columns:
        mine = own.get(row["path"])
        stored = mine and mine["column_name"]
        value = f"t.{quoted(stored)}" if stored else "null"
        cast = _cast(value, row, is_list=bool(mine and mine["is_list"]))
        values.append(f"{cast} as {quoted(row['column_name'])}")
        if row["unit_column"]:
            unit = "null::varchar"
            if mine and stored and mine["unit_column"]:
                unit = f"t.{quoted(mine['unit_column'])}"
            elif mine and stored and mine["unit"]:
                unit = f"case when {value} is not null then {literal(mine['unit'])} end"
            units.append(f"{unit} as {quoted(row['unit_column'])}")
    where = "" if source.whole else f" where {source.in_products}"
    return f"select t.product_key, {', '.join([*values, *units, source.rowid(table)])} from {table.source} t{where}"


def _cast(value: str, row: dict[str, Any], *, is_list: bool) -> str:
    if row["is_list"] and not is_list and value != "null":
        value = f"case when {value} is null then null else [{value}] end"
    return f"cast({value} as {_SQL[row['type']]}{'[]' if row['is_list'] else ''})"


def _long_part(source: _Source, family: str, columns: Sequence[dict[str, Any]]) -> str:
    """Rows of a family that has no table in a part: fewer than a hundred labels, so grouping them costs little."""
    table, products = source.part.tables["meta", "other"], source.part.tables["main", "products"]
    values, units = [], []
    for row in columns:
        this = f"filter (where o.path = {literal(row['path'])})"
        gathered = f"list({_LONG[row['type']]} order by o.{table.rowid}) {this}"
        first = "" if row["is_list"] else "[1]"
        values.append(f"cast({gathered} as {_SQL[row['type']]}[]){first} as {quoted(row['column_name'])}")
        if row["unit_column"]:
            units.append(f"any_value(o.unit) {this} as {quoted(row['unit_column'])}")
    rowid = f"min(t.{products.rowid}) + {source.number * _APART} as rowid"
    return (
        f"select t.product_key, {', '.join([*values, *units, rowid])} from {products.source} t"
        f" left join {table.source} o on o.product_key = t.product_key and o.family = {literal(family)}"
        f" where t.family = {literal(family)} and {source.in_roots} group by t.product_key"
    )
