"""A tree of conditions rendered to DuckDB's SQL, for wide tables and for ``meta.other``; constants are bound, always.

A tree is first brought to a form in which ``Not`` stands at single conditions alone (three-valued logic allows it), so
that for each of them only two questions are left: is it true, is it false? Both are no where a value is missing. A
scalar column becomes a plain comparison, by which DuckDB can skip blocks of rows.

Numbers compare exactly: a constant is never rounded to the type of a column, but the comparison is changed into one
that says the same with a number of that type (``n < 2.5`` is ``n <= 2`` for whole n).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.sql import Query, joined
from psalab.labels.paths import PathIndex
from psalab.labels.units import exact_conversion, normalise
from psalab.query.conditions import (
    And,
    Between,
    Boolean,
    Compare,
    Condition,
    Constant,
    In,
    IsNull,
    Leaf,
    Like,
    Not,
    Number,
    Or,
    Text,
    Time,
    constants,
)
from psalab.query.grammar import mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psalab.query.conditions import Operator

__all__ = ["Column", "Columns", "known", "where"]

Kind: TypeAlias = Literal["int", "float", "time", "text", "boolean"]

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
#: Below this a DOUBLE, which is what meta.other keeps, tells whole numbers apart.
_EXACT: Final = 2**53
#: Longer lists of ``in`` are bound as one list and joined, which costs the same for 50 items and for 100,000.
_FEW: Final = 50
#: Longer texts are no unit.
MAX_UNIT: Final = 100

_OPPOSITE: Final[dict[Operator, Operator]] = {"<": ">=", "<=": ">", "=": "!=", "!=": "=", ">=": "<", ">": "<="}
_SQL_TYPES: Final = {"int": "BIGINT", "float": "DOUBLE", "time": "TIMESTAMP", "text": "VARCHAR", "boolean": "BOOLEAN"}
_HOLDS: Final = {"int": "numbers", "float": "numbers", "time": "times", "text": "text", "boolean": "true or false"}
_SPECIMEN: Final = {
    "int": "a number such as 30, without quotes",
    "float": "a number such as 0.5, without quotes",
    "time": "a time such as 2014-08-01 or 2014-08-01T10:00:00",
    "text": "a text in quotes such as 'F22'",
    "boolean": "true or false, without quotes",
}


@dataclass(frozen=True, slots=True)
class Column:
    """Where the values of a keyword stand, and what they are.

    Attributes
    ----------
    path : str
        The keyword's full path.
    sql : str or None
        SQL of the column in the table that is asked, quoted by whoever makes it; None when the values stand in
        ``meta.other``.
    type : {'int', 'float', 'time', 'text', 'boolean'}
        BIGINT, DOUBLE, TIMESTAMP, VARCHAR or BOOLEAN (in ``meta.other``: its columns number, time and text).
    is_list : bool
        Whether the column is a LIST of the type.
    unit : str or None
        Unit of the numbers; None when they have none.
    units : tuple of str
        All units, where rows disagree (an empty text for rows without one); else empty.
    unit_sql : str or None
        SQL of the column that holds each row's unit, where they disagree. Not needed in ``meta.other``.
    """

    path: str
    sql: str | None
    type: Kind
    is_list: bool = False
    unit: str | None = None
    units: tuple[str, ...] = ()
    unit_sql: str | None = None


class Columns:
    """Columns by the names that people use for them.

    Parameters
    ----------
    columns : iterable of Column
        Their paths differ.
    """

    __slots__ = ("_by_path", "_paths")

    def __init__(self, columns: Iterable[Column]):
        self._by_path = {column.path: column for column in columns}
        self._paths = PathIndex(self._by_path)

    def __call__(self, name: str) -> Column:
        """Give the one column that the name means.

        Raises
        ------
        AmbiguousKeyword
            It means several.
        FilterError
            It means none; the message names what is nearest.
        """
        return self._by_path[self._paths.resolve(name)]

    def find(self, name: str) -> Column | None:
        """Give the one column that the name means, None for none; raises AmbiguousKeyword for several."""
        path = self._paths.find(name)
        return None if path is None else self._by_path[path]


def where(
    condition: Condition,
    columns: Callable[[str], Column],
    *,
    families: Iterable[str] = (),
    key: str = "product_key",
    long_table: str = "meta.other",
) -> Query:
    """Render a condition for a WHERE clause that keeps the rows for which it is true.

    Parameters
    ----------
    condition : Condition
    columns : callable
        Gives the `Column` that a name means, such as `Columns`. What it raises is raised with the place in the filter.
    families : iterable of str
        Families that are asked; needed where a column stands in ``meta.other``.
    key : str
        SQL of the key of the asked rows, with the table's name where a subquery would hide it.
    long_table : str
        SQL of the long table.

    Returns
    -------
    Query
        SQL text with ``?`` for each constant, and the constants in order; the text is one operand (in parentheses where
        needed).

    Raises
    ------
    FilterError
        A name that nothing is called by, a constant of another type or unit than the column's, a number without unit
        where the column has several.
    AmbiguousKeyword
        A name that means several keywords.
    """
    return _Renderer(columns, _Long(tuple(families), key, long_table)).condition(condition, negated=False)


def known(
    condition: Condition,
    columns: Callable[[str], Column],
    *,
    families: Iterable[str] = (),
    key: str = "product_key",
    long_table: str = "meta.other",
) -> Query:
    """Render the question whether each keyword of the condition (``is null`` excepted) has a value.

    Rows for which this is false, and `where` as well, are those that do not match for want of a value.
    """
    renderer = _Renderer(columns, _Long(tuple(families), key, long_table))
    leaves = {leaf.name: leaf for leaf in condition.leaves() if not isinstance(leaf, IsNull)}
    parts = [renderer.condition(IsNull(leaf.name, place=leaf.place), negated=True) for leaf in leaves.values()]
    if not parts:
        return Query("true")
    both = joined(" AND ", parts)
    return Query(f"({both.text})", both.values)


# ------------------------------------------------------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class _Long:
    """The long table, and who is asked."""

    families: tuple[str, ...]
    key: str
    table: str

    def rows(self, path: str) -> Query:
        """Select the rows of a keyword."""
        if not self.families:
            raise ValueError(f"{path} stands in the long table: say which families are asked")
        marks = ", ".join("?" * len(self.families))
        return Query(f"FROM {self.table} WHERE family IN ({marks}) AND path = ?", (*self.families, path))


@dataclass(slots=True)
class _Renderer:
    """Renders a tree; resolves each name once."""

    columns: Callable[[str], Column]
    long: _Long
    resolved: dict[str, Column] = field(default_factory=dict)

    def condition(self, condition: Condition, *, negated: bool) -> Query:
        """Render the question whether the condition is true; negated, whether it is false."""
        match condition:
            case Not(condition=part):
                return self.condition(part, negated=not negated)
            case And() | Or():
                parts = [self.condition(part, negated=negated) for part in condition.parts]
                word = " AND " if isinstance(condition, And) != negated else " OR "
                text, values = joined(word, parts)
                return Query(f"({text})", values)
            case Compare(op="!=", value=value):  # the opposite of =, also for lists
                return self.leaf(Compare(condition.name, "=", value, place=condition.place), negated=not negated)
            case Leaf():
                return self.leaf(condition, negated=negated)
            case _:
                raise TypeError(f"no condition: {condition!r}")

    def leaf(self, leaf: Leaf, *, negated: bool) -> Query:
        """Render a condition about one name; errors show its place."""
        place = leaf.place
        try:
            column = self.column(leaf.name)
        except AmbiguousKeyword as error:
            if place is None:
                raise
            shown = mistake("", place.source, place.name)
            raise AmbiguousKeyword(error.reason, text=str(shown).strip("\n").removeprefix("    ")) from None
        except FilterError as error:
            if place is None or error.span is not None:
                raise
            raise mistake(error.reason, place.source, place.name) from None
        try:
            return _rendered(leaf, column, self.long, negated=negated)
        except FilterError as error:
            if place is None or error.span is not None:
                raise
            raise mistake(error.reason, place.source, place.whole) from None

    def column(self, name: str) -> Column:
        """Resolve a name, once."""
        column = self.resolved.get(name)
        if column is None:
            column = self.resolved[name] = self.columns(name)
        return column


def _rendered(leaf: Leaf, column: Column, long: _Long, *, negated: bool) -> Query:
    """Choose the form: plain comparison, list, long table; each for the units that there are."""
    if isinstance(leaf, IsNull):
        return _is_null(column, long, negated=negated)
    cases = _unit_cases(leaf, column)
    if column.sql is None:
        return _in_long(leaf, column, long, cases, negated=negated)
    form = _list_form if column.is_list else _scalar_form
    parts = [(spelling, form(_typed(leaf, column, unit), column, negated=negated)) for spelling, unit in cases]
    if not column.units or not _has_numbers(leaf):
        return parts[0][1]
    return _by_unit(column.unit_sql or "", parts)


def _is_null(column: Column, long: _Long, *, negated: bool) -> Query:
    word = "NOT NULL" if negated else "NULL"
    if column.sql is None:
        rows = long.rows(column.path)
        have_value = f"(SELECT product_key {rows.text} AND {_stored(column)} IS NOT NULL)"
        return Query(f"{long.key} {'' if negated else 'NOT '}IN {have_value}", rows.values)
    value = f"list_min({column.sql})" if column.is_list else column.sql
    return Query(f"{value} IS {word}")


def _by_unit(unit_sql: str, parts: list[tuple[str, Query]]) -> Query:
    """Decide by the unit of each row; a row with another unit, or none, is not known to match."""
    cases = " ".join(f"WHEN ? THEN {query.text}" for _, query in parts)
    values = tuple(value for spelling, query in parts for value in (spelling, *query.values))
    return Query(f"(CASE {unit_sql} {cases} END)", values)


# --------------------------------------------------------------------------------------------- a condition for one type


@dataclass(frozen=True, slots=True)
class _Bound:
    """``value op constant``; the constant is of the column's type."""

    op: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class _Range:
    """Two bounds that both hold."""

    low: _Bound
    high: _Bound


@dataclass(frozen=True, slots=True)
class _Among:
    """The value is one of these; none is left where no value of the type can be equal."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The text is like this; ``escaped`` where the pattern has escapes."""

    pattern: str
    escaped: bool


_Typed: TypeAlias = "_Bound | _Range | _Among | _Pattern"


def _typed(leaf: Leaf, column: Column, unit: str | None) -> _Typed:
    """Bring the constants to the type of the column and to one unit."""
    match leaf:
        case Compare(op="=", value=value):
            equal = _equal(_value(value, column, unit), column.type)
            return _Among(() if equal is None else (equal,))
        case Compare(op=op, value=value):
            return _bound(op, _ordered(value, column, unit), column.type)
        case Between(low=low, high=high):
            kind = column.type
            return _Range(
                _bound(">=", _ordered(low, column, unit), kind), _bound("<=", _ordered(high, column, unit), kind)
            )
        case In(values=values):
            found = (_equal(_value(value, column, unit), column.type) for value in values)
            return _Among(tuple(dict.fromkeys(value for value in found if value is not None)))
        case Like(pattern=pattern):
            if column.type != "text":
                raise FilterError(f"{column.path} holds {_HOLDS[column.type]}: 'like' is for text alone")
            return _like(_checked_text(pattern.value))
        case _:
            raise TypeError(f"no condition about a value: {leaf!r}")


def _value(value: Constant, column: Column, unit: str | None) -> Any:
    """Give the plain value of a constant that is of the column's type, a number in `unit`."""
    match column.type, value:
        case (("int" | "float"), Number(value=number, unit=given)):
            return number if given is None else _converted(number, given, unit or "")
        case "time", Time(value=time):
            return time
        case "time", Text(value=text) if (found := Time.from_text(text)) is not None:
            return found.value
        case "text", Text(value=text):
            return _checked_text(text)
        case "boolean", Boolean(value=truth):
            return truth
        case _:
            said = {Number: "a number", Text: "text", Time: "a time", Boolean: "true or false"}[type(value)]
            unit_said = f" ({column.unit})" if column.unit and column.type in ("int", "float") else ""
            raise FilterError(
                f"{column.path} holds {_HOLDS[column.type]}{unit_said}, not {said}: expected {_SPECIMEN[column.type]}"
            )


def _ordered(value: Constant, column: Column, unit: str | None) -> Any:
    if column.type == "boolean":
        raise FilterError(f"{column.path} holds true or false, which have no order: expected = or !=")
    return _value(value, column, unit)


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FilterError(f"{text!r} holds characters that are no text (lone surrogates)") from None
    return text


def _bound(op: Operator, number: Any, kind: Kind) -> _Bound:
    """Say ``value op number`` with a number of the column's type."""
    if kind == "int":
        return _whole_bound(op, number)
    if kind == "float" and isinstance(number, int):
        near = _nearest(number)
        if near > number:
            return _Bound("<" if op in ("<", "<=") else ">=", near)
        if near < number:
            return _Bound("<=" if op in ("<", "<=") else ">", near)
        return _Bound(op, near)
    return _Bound(op, _nearest(number) if isinstance(number, Fraction) else number)


def _nearest(number: int | Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _whole_bound(op: Operator, number: float | Fraction) -> _Bound:
    """Say the same for a BIGINT; beyond its range all values lie on one side."""
    if number in (math.inf, -math.inf):
        number = 2**64 if number > 0 else -(2**64)
    if op in ("<", "<="):
        if number > _MOST:
            return _Bound("<=", _MOST)
        if number < _LEAST:
            return _Bound("<", _LEAST)
        return _Bound(op, int(number)) if number == int(number) else _Bound("<=", math.floor(number))
    if number > _MOST:
        return _Bound(">", _MOST)
    if number < _LEAST:
        return _Bound(">=", _LEAST)
    return _Bound(op, int(number)) if number == int(number) else _Bound(">=", math.ceil(number))


def _equal(value: Any, kind: Kind) -> Any:
    """Give the one value of the column's type that is equal, or None."""
    if kind == "int":
        return int(value) if _LEAST <= value <= _MOST and value == int(value) else None
    if kind == "float" and isinstance(value, int):
        near = _nearest(value)
        return near if near == value else None
    return _nearest(value) if isinstance(value, Fraction) else value


_LIKE: Final = re.compile(r"\\(.)|\\\Z|[^\\]+", re.DOTALL)


def _like(pattern: str) -> _Pattern:
    """Keep only the escapes that are needed; a backslash at the end stands for itself."""

    def plain(match: re.Match[str]) -> str:
        character = match[1] or match[0]
        return "\\" + character if match[0][0] == "\\" and character in "%_\\" else character

    escaped = _LIKE.sub(plain, pattern)
    return _Pattern(escaped, escaped="\\" in escaped)


# -------------------------------------------------------------------------------------------------------------- its SQL


def _element(test: _Typed, value: str, kind: Kind, *, negated: bool) -> Query:
    """Render for one value: true, false, or NULL where the value is NULL."""
    match test:
        case _Bound(op=op, value=constant):
            return Query(f"{value} {_OPPOSITE[op] if negated else op} ?", (constant,))
        case _Range(low=low, high=high):
            first = _element(low, value, kind, negated=negated)
            second = _element(high, value, kind, negated=negated)
            return Query(f"({first.text} {'OR' if negated else 'AND'} {second.text})", (*first.values, *second.values))
        case _Among(values=()):
            return Query(f"{value} {'=' if negated else '<>'} {value}")  # all values, or none
        case _Among(values=(constant,)):
            return Query(f"{value} {'<>' if negated else '='} ?", (constant,))
        case _Among(values=values) if len(values) <= _FEW:
            return Query(f"{value} {'NOT ' if negated else ''}IN ({', '.join('?' * len(values))})", values)
        case _Among(values=values):
            negation = "NOT " if negated else ""
            return Query(f"{value} {negation}IN (SELECT unnest(?::{_SQL_TYPES[kind]}[]))", (list(values),))
        case _Pattern(pattern=pattern, escaped=escaped):
            escape = " ESCAPE '\\'" if escaped else ""
            return Query(f"{value} {'NOT ' if negated else ''}LIKE ?{escape}", (pattern,))


def _scalar_form(test: _Typed, column: Column, *, negated: bool) -> Query:
    return _element(test, column.sql or "", column.type, negated=negated)


def _list_form(test: _Typed, column: Column, *, negated: bool) -> Query:
    """Any element, or, negated, no element of those that there are; NULL for a list without a value.

    The least and the largest element tell by one comparison what a look at each would tell six times slower.
    """
    sql = column.sql or ""
    match test:
        case _Bound(op=op):
            end = "list_min" if op in ("<", "<=") else "list_max"
            return _element(test, f"{end}({sql})", column.type, negated=negated)
        case _Among(values=(constant,)):
            if negated:
                return Query(f"(NOT list_contains({sql}, ?) AND list_min({sql}) IS NOT NULL)", (constant,))
            return Query(f"list_contains({sql}, ?)", (constant,))
        case _Among(values=values) if len(values) > _FEW:
            each = _element(test, "each_value", column.type, negated=False)
            some = Query(f"(SELECT bool_or({each.text}) FROM unnest({sql}) AS elements(each_value))", each.values)
        case _:
            each = _element(test, "each_value", column.type, negated=False)
            some = Query(f"list_bool_or(list_transform({sql}, lambda each_value: {each.text}))", each.values)
    return Query(f"(NOT {some.text})", some.values) if negated else some


def _in_long(leaf: Leaf, column: Column, long: _Long, cases: list[tuple[str, str | None]], *, negated: bool) -> Query:
    """Products that have a row for which it is true; negated, that have rows with a value, and none for which it is."""
    kind: Kind = "float" if column.type == "boolean" else column.type
    parts = []
    for spelling, unit in cases:
        test = _typed(leaf, column, unit)
        value = _stored(column)
        if column.type == "boolean":
            test = _as_numbers(test)
        elif column.type == "int":
            if _beyond_double(test):
                value = "coalesce(try_cast(text AS BIGINT), try_cast(number AS BIGINT))"
            else:
                kind, test = "float", _as_numbers(test)
        parts.append((spelling, _element(test, value, kind, negated=False)))
    each = parts[0][1] if not column.units or not _has_numbers(leaf) else _by_unit("unit", parts)
    rows = long.rows(column.path)
    if not negated:
        return Query(f"{long.key} IN (SELECT product_key {rows.text} AND {each.text})", rows.values + each.values)
    decided = f"SELECT product_key {rows.text} GROUP BY product_key HAVING NOT bool_or({each.text})"
    return Query(f"{long.key} IN ({decided})", rows.values + each.values)


def _stored(column: Column) -> str:
    """Where the long table keeps values of a type; NULL there is a value that does not fit, or none."""
    return {"text": "text", "time": '"time"'}.get(column.type, "number")


def _as_numbers(test: _Typed) -> _Typed:
    """Say the same with constants as the long table keeps them; only for those that a DOUBLE holds."""
    match test:
        case _Bound(op=op, value=value):
            return _Bound(op, float(value))
        case _Range(low=low, high=high):
            return _Range(_Bound(low.op, float(low.value)), _Bound(high.op, float(high.value)))
        case _Among(values=values):
            return _Among(tuple(float(value) for value in values))
        case _:
            return test


def _beyond_double(test: _Typed) -> bool:
    match test:
        case _Bound(value=value):
            return bool(abs(value) >= _EXACT)
        case _Range(low=low, high=high):
            return _beyond_double(low) or _beyond_double(high)
        case _Among(values=values):
            return any(abs(value) >= _EXACT for value in values)
        case _:
            return False


# ---------------------------------------------------------------------------------------------------------------- units


def _numbers(leaf: Leaf) -> list[Number]:
    return [value for value in constants(leaf) if isinstance(value, Number)]


def _has_numbers(leaf: Leaf) -> bool:
    return bool(_numbers(leaf))


def _unit_cases(leaf: Leaf, column: Column) -> list[tuple[str, str | None]]:
    """Units of the column to render for, each as the rows spell it and as it is converted to; one where all agree."""
    numbers = _numbers(leaf) if column.type in ("int", "float") else []
    given = list(dict.fromkeys(number.unit for number in numbers))
    if not column.units or not numbers:
        for unit in given:
            if unit is not None:
                _check_unit(unit, column)
        return [("", column.unit)]
    spelled = [unit for unit in column.units if unit]
    listed = ", ".join(spelled) + (" or none" if len(spelled) < len(column.units) else "")
    if None in given:
        example = f"{numbers[0].value} {spelled[0]}"
        raise FilterError(
            f"{column.path} comes in different units ({listed}): say which one is meant, such as {example}"
        )
    if column.sql is not None and column.unit_sql is None:
        raise FilterError(
            f"{column.path} comes in different units ({listed}), and the index does not tell which row has which"
        )
    fitting = [unit for unit in spelled if all(_conversion(wanted or "", unit) for wanted in given)]
    if not fitting:
        shown = " and ".join(unit or "" for unit in given)
        raise FilterError(f"{column.path} comes in {listed}, none of which {shown} can be converted to")
    return [(unit, unit) for unit in fitting]


def _check_unit(unit: str, column: Column) -> None:
    if column.unit is None:
        raise FilterError(f"{column.path} has no unit in the labels: expected the number alone, without {unit}")
    if _conversion(unit, column.unit) is None:
        raise FilterError(f"{column.path} is in {column.unit}, which {unit} cannot be converted to")


def _converted(number: float, unit: str, wanted: str) -> int | float | Fraction:
    """Convert as decimal numbers: 700 ms are 0.7 s, the double that a label's 0.7 becomes."""
    change = _conversion(unit, wanted)
    if change is None:
        raise FilterError(f"{unit} cannot be converted to {wanted}")
    factor, offset = change
    if (factor == 1 and not offset) or number in (math.inf, -math.inf):
        return number
    return Fraction(repr(number)) * factor + offset


def _conversion(unit: str, wanted: str) -> tuple[Fraction, Fraction] | None:
    """Factor and offset; units that labels use are known here, the rest is astropy's."""
    known_here = exact_conversion(unit, wanted)
    return known_here if known_here is not None else _astropy_conversion(normalise(unit), normalise(wanted))


@lru_cache(maxsize=1024)
def _astropy_conversion(unit: str, wanted: str) -> tuple[Fraction, Fraction] | None:
    import warnings

    from astropy import units

    if len(unit) > MAX_UNIT or len(wanted) > MAX_UNIT:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a deprecated spelling, which the label wrote, not the user
            factor = float(units.Unit(unit).to(units.Unit(wanted)))
        # the shortest decimal that is this double is meant: 0.001, not 0.001000000000000000020816...
        return Fraction(repr(factor)), Fraction(0)
    except (ValueError, TypeError, ArithmeticError, units.UnitsError):
        return None
