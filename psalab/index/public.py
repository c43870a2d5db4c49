"""Which products are not public yet, and what an index tells when they are left out.

What tells it is a release date in a label that lies ahead: ``PRODUCT_RELEASE_DATE`` or ``release_date`` for the product,
``DATA_SET_RELEASE_DATE`` for all products of its data set. Where no date is known, a product is public.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psalab.index.sql import literal, quoted
from psalab.index.store import BASE, RIVALS_SQL

if TYPE_CHECKING:
    import duckdb

__all__ = ["REPLACED", "leave_out"]

_OF_PRODUCT: Final = ("product_release_date", "release_date")
_OF_DATASET: Final = ("data_set_release_date",)
#: A text as a time; of a year or a month, its first day.
_AS_TIME: Final = """
try_cast(case when regexp_full_match(trim({0}), '[0-9]{{4}}') then trim({0}) || '-01-01'
    when regexp_full_match(trim({0}), '[0-9]{{4}}-[0-9]{{2}}') then trim({0}) || '-01' else {0} end as timestamp)
"""

# In all statements `source` is the index, attached, and `hidden` the products that are left out.

_PRODUCTS_SQL: Final = f"""
create temp table staged as
select * from source.products anti join hidden using (product_key)
where hash(id, {BASE}) in (select hash(id, {BASE}) from source.products semi join hidden using (product_key));
{RIVALS_SQL}
create temp table products as
select p.* replace (
    case when staged.product_key is null then p.latest else outdated.product_key is null end as latest,
    case when p.twin_of not in (select product_key from hidden) then p.twin_of end as twin_of)
from source.products p anti join hidden using (product_key)
    left join staged using (product_key) left join outdated using (product_key)
order by p.rowid;
"""
_COUNTS_SQL: Final = """
create temp table families as
select f.* replace (coalesce(c.products, 0) as products)
from source.families f left join (select family, count(*) as products from products group by 1) c using (family)
where coalesce(c.products, 0) > 0 order by f.rowid;
create temp table roots as
select r.* replace (coalesce(c.products, 0) as products)
from source.roots r left join (select root, count(*) as products from products group by 1) c using (root) order by r.rowid;
create temp table affected as
select distinct family from source.products semi join hidden using (product_key);
create temp table told (family varchar, path varchar, count bigint, least varchar, most varchar);
"""
#: Examples and reasons of what is missing are not kept by product: where some are left out, they are not told.
_KEYWORDS_SQL: Final = """
create temp table keywords as
select k.* replace (
    case when a.family is null then k.count else coalesce(t.count, 0) end as count,
    case when a.family is null then k.min else t.least end as min,
    case when a.family is null then k.max else t.most end as max,
    case when a.family is null then k.odd else coalesce(o.odd, 0) end as odd,
    case when a.family is null then k.missing end as missing,
    case when a.family is null then k.examples end as examples)
from source.keywords k semi join families using (family) left join affected a using (family)
    left join told t using (family, path)
    left join (select p.family, o.path, count(*) as odd
        from source.odd_values o join products p using (product_key) group by all) o using (family, path)
order by k.rowid
"""
#: Tables of what is left when products are left out; all others are the index's own, without their rows.
REPLACED: Final = ("products", "families", "roots", "keywords")


def leave_out(connection: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    """Find the products that are not public at a time, and make the tables (`REPLACED`) that tell of the others.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the index attached as `source`; it gets a table `hidden` of product keys.
    now : datetime
        In UTC, without a zone.

    Returns
    -------
    dict
        ``products``: how many are left out; ``datasets``: of which data sets; ``until``: when the last of them is released,
        or None.
    """
    connection.execute("create temp table dated (product_key bigint, released timestamp, of_dataset boolean)")
    rows = connection.execute(
        "select family, path, column_name, type, is_list from source.keywords"
        " where list_contains(?::varchar[], lower(regexp_extract(path, '[^/:]*$')))",
        [[*_OF_PRODUCT, *_OF_DATASET]],
    ).fetchall()
    for row in rows:
        _date(connection, now, *row)
    connection.execute(
        "create temp table hidden as select product_key from source.products"
        " where product_key in (select product_key from dated) or dataset in (select dataset from source.products"
        " where product_key in (select product_key from dated where of_dataset))"
    )
    ((count, datasets),) = connection.execute(
        "select count(*), list(distinct dataset order by dataset) filter (dataset is not null)"
        " from source.products semi join hidden using (product_key)"
    ).fetchall()
    ((until,),) = connection.execute("select max(released) from dated").fetchall()
    if count:
        connection.execute(_PRODUCTS_SQL)
        connection.execute(_COUNTS_SQL)
        _tell(connection)
        connection.execute(_KEYWORDS_SQL)
    return {"products": count, "datasets": datasets or [], "until": until and until.isoformat()}


def _date(  # noqa: PLR0917  what a row of `keywords` has
    connection: duckdb.DuckDBPyConnection,
    now: datetime,
    family: str,
    path: str,
    column: str | None,
    kind: str,
    is_list: bool | None,  # noqa: FBT001  a column of a table
) -> None:
    """Note the products for which a keyword says a date that lies ahead."""
    of_dataset = path.lower().endswith(_OF_DATASET)
    if column is None:
        found = f'select product_key, coalesce("time", {_AS_TIME.format("text")}) as released from source.meta.other'
        found += f" where family = {literal(family)} and path = {literal(path)}"
    else:
        value = f"unnest({quoted(column)})" if is_list else quoted(column)
        time = "value" if kind == "time" else _AS_TIME.format("value::varchar")
        inner = f"select product_key, {value} as value from source.meta.{quoted(family)}"
        found = f"select product_key, {time} as released from ({inner})"
    connection.execute(
        f"insert into dated select product_key, max(released), ? from ({found}) where released > ? group by 1",
        [of_dataset, now],
    )


def _tell(connection: duckdb.DuckDBPyConnection) -> None:
    """Count the values of the families that have lost products, and find their range, anew."""
    rows = connection.execute(
        "select k.family, list({path: k.path, name: k.column_name, type: k.type, listed: coalesce(k.is_list, false)})"
        " from source.keywords k semi join affected using (family) semi join families using (family)"
        " where k.column_name is not null group by 1"
    ).fetchall()
    told: list[tuple[Any, ...]] = []
    for family, columns in rows:
        selected = ", ".join(_range(column) for column in columns)
        values = connection.execute(
            f"select {selected} from source.meta.{quoted(family)} anti join hidden using (product_key)"
        ).fetchall()[0]
        told += [
            (family, column["path"], count, _shown(least, column["type"]), _shown(most, column["type"]))
            for column, count, least, most in zip(columns, values[::3], values[1::3], values[2::3], strict=True)
        ]
    if told:
        connection.executemany("insert into told values (?, ?, ?, ?, ?)", told)
    connection.execute(
        "insert into told select o.family, o.path, count(distinct product_key), min(number)::varchar, max(number)::varchar"
        " from source.meta.other o semi join affected using (family) anti join hidden using (product_key)"
        ' where number is not null or "time" is not null or text is not null group by all'
    )


def _range(column: dict[str, Any]) -> str:
    name = quoted(column["name"])
    least, most = (f"list_min({name})", f"list_max({name})") if column["listed"] else (name, name)
    return f"count({name}), min({least}), max({most})"


def _shown(value: Any, kind: str) -> str | None:
    """Write the end of a range as the index does."""
    if value is None or kind in ("text", "boolean"):
        return None
    return value.isoformat() if isinstance(value, datetime) else repr(value)
