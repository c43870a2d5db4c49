"""Checks of values against those of the other labels of their family: ranges, units, kinds, and keywords that are lacking.

All are conservative: they find what next to no other label does, and leave out what is the habit of a data set and product
type inside the family.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.index.check_labels import read_absent
from psalab.index.check_sources import ENOUGH, NUMERIC, Ground, KeywordRow, few, filled
from psalab.index.sql import Query, quoted, union_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psalab.index.check_codes import Finding

__all__ = ["Fence", "fence", "lacking", "odd_kinds", "outliers", "units"]

#: Keywords that are looked at in one pass.
_AT_ONCE: Final = 20

# How far a value must be from the others (docs/reference/checks.md has the measurements). The range of the others is that of
# their middle 98 %, and of all that follow without such a gap: what fills the way from there is no outlier.
#: Beyond the range by so many times its width.
_WIDTHS: Final = 5.0
#: Where all have one sign: so many times as large as the largest, too, and more where nearly all are equal.
_TIMES, _TIMES_EQUAL = 5.0, 100.0
#: Or so many times as small as the smallest, where the others differ by less than the second number.
_TIMES_SMALL, _RATIO_SMALL = 100.0, 10.0
#: Ranges of time are at least this wide (seconds).
_YEAR: Final = 365.25 * 86_400
#: A label that lacks more of what the others have is of another sort, not one that lacks something.
_MOST_LACKING: Final = 5

#: Of `deviating` (product_key, path, found, expected) those that are not as most of their own data set and product type.
_SINGULAR: Final = """
placed as (
    select d.*, p.root, p.label, p.dataset, p.family, p.kind, coalesce(p.dataset, '') as in_set,
        coalesce(p.product_type, '') as in_type
    from deviating d join products p using (product_key)
), sorts as (
    select family, kind, coalesce(dataset, '') as in_set, coalesce(product_type, '') as in_type, count(*) as labels
    from products where family in (select family from placed) group by all
), singular as (
    select * from (select *, count(*) over (partition by family, kind, in_set, in_type, path) as times from placed)
    join sorts using (family, kind, in_set, in_type) where 2 * times < labels
)"""


def _found(code: str) -> str:
    return f"""
select '{code}' as code, null as severity, dataset, root, label as path, path as about, found, expected
from singular order by root, label, path
"""


# ------------------------------------------------------------------------------------------------------------- ranges


class Fence(NamedTuple):
    """Where the outside begins: below `low`, above `high`, and (but for zero) nearer to zero than `small`."""

    low: float
    high: float
    small: float


def fence(low: float, high: float, *, time: bool = False, angle: bool = False) -> Fence:
    """Give the fence of values between two numbers.

    Parameters
    ----------
    low, high : float
        Between them are the middle 98 %.
    time : bool
        Whether these are seconds of a clock.
    angle : bool
        Whether these are degrees: where all are within a full circle, what is beyond it is outside; and zero is a place
        like any other.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return Fence(-math.inf, math.inf, 0.0)
    width = max(high - low, _YEAR) if time else high - low
    near, far = sorted((abs(low), abs(high)))
    if time or low < 0 < high:
        found = Fence(low - _WIDTHS * width, high + _WIDTHS * width, 0.0)
    elif near == 0:
        # zeros and others of one sign; where nearly all are zero, that says nothing of the others
        found = Fence(-math.inf, math.inf, 0.0) if far == 0 else Fence(-far - _WIDTHS * far, far + _WIDTHS * far, 0.0)
    else:
        outer = max(far * _times(near, far), far + _WIDTHS * width)
        found = Fence(-outer, outer, near / _TIMES_SMALL if far / near < _RATIO_SMALL and not angle else 0.0)
    if angle and low >= -360 and high <= 360:
        return Fence(max(found.low, -360.0), min(found.high, 360.0), 0.0)
    return found


def _times(near: float, far: float) -> float:
    return _TIMES_EQUAL if near == far else max(_TIMES, math.sqrt(far / near))


class _Population(NamedTuple):
    """Values of a keyword in one unit, over a family."""

    keyword: KeywordRow
    unit: str
    middle: tuple[float, float]
    least: float
    most: float
    smallest: float | None

    @property
    def fence(self) -> Fence:
        """Where the outside begins, were there nothing between it and the middle."""
        return fence(*self.middle, time=self.keyword.type == "time", angle=self.unit == "deg")


# In few values the least and the most are left out, in many one in a hundred at each end.
_STATISTICS: Final = f"""
select case when n < 100 then least[2] else middle[1] end, case when n < 100 then most[2] else middle[2] end, least[1],
    most[1], smallest, unit{{keys}}
from (
    select unit{{keys}}, count(*) as n, quantile_disc(value, [0.01, 0.99]) as middle, min(value, 2) as least,
        max(value, 2) as most, min(abs(value)) filter (where value <> 0) as smallest
    from ({{values}}) where isfinite(value) group by unit{{keys}} having count(*) >= {ENOUGH}
)
"""
#: Those on one side of the fence (`up` is the value, or its opposite), from the first gap that is wide enough: where the
#: values up to it have a fence that the next one is beyond.
_BEYOND: Final = """
select product_key, ?::varchar as path, {shown} as shown, ?::varchar as expected, up from (
    select *, coalesce(lag(up) over (order by up), ?) as before from (
        select *, value * ? as up from ({values}) where unit = ? and isfinite(value)) where up > ?)
qualify up >= min(case when up > {next_fence} then up end) over () or up > ?
"""
_TOO_SMALL: Final = """
select product_key, ?::varchar as path, {shown} as shown, ?::varchar as expected, abs(value) as up
from ({values}) where unit = ? and value <> 0 and abs(value) < ?
"""
_OUTLIERS: Final = f"""
with outside as ({{outside}}), deviating as (
    select product_key, path, arg_max(shown, up) as found, any_value(expected) as expected from outside group by all
), {_SINGULAR}
{_found("value-outlier")}
"""


def outliers(ground: Ground) -> Iterator[Finding]:
    """Numbers and times far outside the range of the other labels of the family."""
    outside = [query for population in _populations(ground) for query in _outside(population)]
    for start in range(0, len(outside), _AT_ONCE):
        some = union_all(outside[start : start + _AT_ONCE])
        yield from ground.findings(Query(filled(_OUTLIERS, outside=some.text), some.values))


def _populations(ground: Ground) -> Iterator[_Population]:
    rows = [row for row in ground.keywords if row.type in NUMERIC and row.valued >= ENOUGH and not row.is_pointer]
    wide = [row for row in rows if row.column]
    for done, row in enumerate(wide):
        ground.tell("comparing values", done, len(wide))
        yield from _summed(ground, {(): row}, _values(row), "")
    long = {(row.family, row.path): row for row in rows if not row.column}
    if long:
        times = "case when number is null then epoch(time) else number end"
        values = Query(f"select family, path, coalesce(unit, '') as unit, {times} as value from meta.other")
        yield from _summed(ground, long, values, ", family, path")


def _summed(
    ground: Ground, keywords: Mapping[tuple[Any, ...], KeywordRow], values: Query, keys: str
) -> Iterator[_Population]:
    query = Query(filled(_STATISTICS, keys=keys, values=values.text), values.values)
    for low, high, least, most, smallest, unit, *key in ground.rows(query):
        if (keyword := keywords.get(tuple(key))) is not None:
            yield _Population(keyword, unit, (low, high), least, most, smallest)


def _values(row: KeywordRow) -> Query:
    """Select product_key, unit and value (as a number; of times the seconds) of a keyword."""
    if row.column is None:
        value = "epoch(time)" if row.type == "time" else "number"
        text = f"select product_key, coalesce(unit, '') as unit, {value} as value from meta.other where family = ? and path = ?"
        return Query(text, (row.family, row.path))
    column = f"unnest({quoted(row.column)})" if row.is_list else quoted(row.column)
    value = f"epoch({column})" if row.type == "time" else f"{column}::double"
    if row.unit_column:
        return Query(
            f"select product_key, coalesce({quoted(row.unit_column)}, '') as unit, {value} as value from {row.table}"
        )
    return Query(f"select product_key, ?::varchar as unit, {value} as value from {row.table}", (row.unit,))


def _outside(found: _Population) -> Iterator[Query]:
    """Select the values of a population that are outside, if it may have any."""
    low, high = found.middle
    if found.most > found.fence.high:
        yield _beyond(found, low, high, 1)
    if found.least < found.fence.low:
        yield _beyond(found, -high, -low, -1)
    if found.smallest is not None and found.smallest < found.fence.small:
        values = _values(found.keyword)
        bound = (found.keyword.path, _expected(found), *values.values, found.unit, found.fence.small)
        yield Query(filled(_TOO_SMALL, shown=_shown(found), values=values.text), bound)


def _beyond(found: _Population, low: float, high: float, sign: int) -> Query:
    values = _values(found.keyword)
    # whatever has another sign than all the rest, or is beyond a full circle, needs no gap
    at_once = 360.0 if found.unit == "deg" and max(abs(low), abs(high)) <= 360 else math.inf
    at_once = found.fence.high if high < 0 else at_once
    bound = (found.keyword.path, _expected(found), high, sign, *values.values, found.unit, high, at_once)
    next_fence = _next_fence(low, time=found.keyword.type == "time")
    return Query(filled(_BEYOND, shown=_shown(found), values=values.text, next_fence=next_fence), bound)


def _next_fence(low: float, *, time: bool) -> str:
    """Write `fence` for the values from `low` up to `before`, as SQL."""
    width = f"(before - ({low!r}))"
    if time:
        return f"before + {_WIDTHS} * greatest({width}, {_YEAR})"
    if low <= 0:
        return f"before + {_WIDTHS} * {width}"
    times = f"case when before = {low!r} then {_TIMES_EQUAL} else greatest({_TIMES}, sqrt(before / {low!r})) end"
    return f"greatest(before * {times}, before + {_WIDTHS} * {width})"


def _shown(found: _Population) -> str:
    if found.keyword.type == "time":
        return "make_timestamp((value * 1000000)::bigint)::varchar"
    whole = "case when value = trunc(value) and abs(value) < 1e15 then value::bigint::varchar else value::varchar end"
    return f"trim({whole} || ' ' || unit)"


def _expected(found: _Population) -> str:
    low, high = (_as_time(end) if found.keyword.type == "time" else f"{end:g}" for end in found.middle)
    if low == high:
        return f"{low} {found.unit}, as in nearly all others".replace(" ,", ",")
    return f"as the others: 98 % are between {low} and {high} {found.unit}".rstrip()


def _as_time(seconds: float) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat(" ", "seconds")


# -------------------------------------------------------------------------------------------------------------- units

_UNITS: Final = f"""
with valued as ({{values}}), counted as (
    select family, path, unit, count(distinct product_key) as labels from valued join products using (product_key)
    group by all
), ruling as (
    select family, path, arg_max(unit, labels) as unit, max(labels) as labels, sum(labels) as total from counted
    group by all having sum(labels) >= {ENOUGH} and sum(labels) - max(labels) <= {few("sum(labels)")}
), deviating as (
    select distinct v.product_key, v.path,
        coalesce('the unit ' || nullif(v.unit, ''), 'no unit') as found,
        coalesce('the unit ' || nullif(r.unit, ''), 'no unit')
            || format(', as in {{:,}} other labels', r.labels::bigint) as expected
    from valued v join products p using (product_key) join ruling r on r.family = p.family and r.path = v.path
    where v.unit <> r.unit
), {_SINGULAR}
{_found("unit-outlier")}
"""


def units(ground: Ground) -> Iterator[Finding]:
    """Units that next to no other label of the family has for this keyword."""
    rows = [
        row
        for row in ground.keywords
        if row.units_differ and row.type in ("int", "float") and row.valued >= ENOUGH and not row.is_pointer
    ]
    for start in range(0, len(rows), _AT_ONCE):
        parts = [_with_path(row) for row in rows[start : start + _AT_ONCE]]
        values = union_all(parts)
        yield from ground.findings(Query(filled(_UNITS, values=values.text), values.values))


def _with_path(row: KeywordRow) -> Query:
    values = _values(row)
    return Query(
        f"select product_key, ? as path, unit from ({values.text}) where value is not null", (row.path, *values.values)
    )


# ---------------------------------------------------------------------------------------------------- kinds of values

_ODD: Final = f"""
with deviating as (
    select product_key, o.path, any_value(left(o.text, 80)) as found,
        any_value(case k.type when 'time' then 'a time' when 'boolean' then 'true or false' else 'a number' end)
            || ', as in the other labels' as expected
    from odd_values o join products p using (product_key) join keywords k on k.family = p.family and k.path = o.path
    where k.type <> 'text' and not regexp_matches(k.path, '(^|/)\\^[^/]*$')
        and (k.type not in ('int', 'float') or try_cast(o.text as double) is null)
    group by all
), {_SINGULAR}
{_found("value-outlier")}
"""


def odd_kinds(ground: Ground) -> Iterator[Finding]:
    """Text where the other labels of the family have numbers, times, or true and false."""
    yield from ground.findings(Query(_ODD))


# ----------------------------------------------------------------------------------------------------------- keywords

_LACKING: Final = f"""
with absent as ({{absent}}), deviating as (
    select product_key, path, 'the keyword is not there' as found,
        format('the keyword, as in {{:,}} of {{:,}} labels', labels, products) as expected
    from absent semi join (
        select product_key from absent group by product_key having count(*) <= {_MOST_LACKING}) using (product_key)
), {_SINGULAR}
{_found("keyword-lacking")}
"""


def lacking(ground: Ground) -> Iterator[Finding]:
    """Keywords that at least 99 % of the labels of the family have, and a label has not."""
    rows = [row for row in ground.keywords if 0 < row.lacking <= max(1, row.products // 100) and row.products >= ENOUGH]
    by_family: dict[str, list[KeywordRow]] = {}
    for row in rows:
        by_family.setdefault(row.family, []).append(row)
    for family, some in by_family.items():
        ground.tell(f"looking for keywords that labels of {family} lack", 0, 0)
        # in a wide table a keyword without a value looks like one that is not there: the labels tell which it is
        read = [row for row in some if row.column and row.missing]
        absent = union_all([*(_absent(row) for row in some if row not in read), _READ_ABSENT])
        frame = read_absent(ground, [(row.path, row.lacking + row.missing, _absent(row)) for row in read])
        yield from ground.findings(Query(filled(_LACKING, absent=absent.text), absent.values), read=frame)


_READ_ABSENT: Final = Query("select product_key, path, labels, products from read")


def _absent(row: KeywordRow) -> Query:
    bound = (row.path, row.products - row.lacking, row.products)
    head = "select product_key, ?::varchar as path, ?::bigint as labels, ?::bigint as products"
    if row.column is None:
        there = "select product_key from meta.other where family = ? and path = ?"
        text = f"{head} from products anti join ({there}) using (product_key) where family = ?"
        return Query(text, (*bound, row.family, row.path, row.family))
    text = f"{head} from {row.table} anti join (select product_key from odd_values where path = ?) using (product_key)"
    return Query(f"{text} where {quoted(row.column)} is null", (*bound, row.path))
