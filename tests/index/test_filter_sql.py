"""A filter in SQL means what it means in plain words: the same over wide tables, the long table, and in Python."""

from __future__ import annotations

import math
import operator
import re
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.filter_sql import Column, Columns, known, where
from psalab.index.sql import Query, quoted
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
)
from psalab.query.grammar import parse
from tests.query import trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

Row = dict[str, Any]

SQL_TYPES = {"int": "BIGINT", "float": "DOUBLE", "time": "TIMESTAMP", "text": "VARCHAR", "boolean": "BOOLEAN"}
NAMES = {"int": "n", "float": "x", "time": "t", "text": "s", "boolean": "b"}
FAMILY = 'RO/it\'s "odd"'
UNITS = ("ms", "s", "")


def column(kind: Any, *, listed: bool = False, long: bool = False) -> Column:
    path = f"GROUP/{NAMES[kind]}{'_list' if listed else ''}"
    return Column(path, None if long else quoted(path), kind, is_list=listed)


def all_columns(*, long: bool) -> list[Column]:
    """Every type, single and list; a column with a unit, and two in which units disagree."""
    plain = [column(kind, listed=listed, long=long) for kind in SQL_TYPES for listed in (False, True)]
    sql = [None if long else quoted(path) for path in ("D", "E", "E [unit]", "F", "F [unit]")]
    return [
        *plain,
        Column("D", sql[0], "float", unit="km"),
        Column("E", sql[1], "float", unit="ms", units=UNITS, unit_sql=sql[2]),
        Column("F", sql[3], "int", is_list=True, unit="s", units=UNITS, unit_sql=sql[4]),
    ]


WIDE, LONG = all_columns(long=False), all_columns(long=True)
BY_PATH = {column.path: column for column in WIDE}

# ------------------------------------------------------------------------------------------------------------ the meaning


def truth(condition: Condition, row: Row) -> bool | None:
    """What a condition says of a row, in three-valued logic."""
    match condition:
        case Not(condition=part):
            said = truth(part, row)
            return None if said is None else not said
        case And() | Or():
            said_all = [truth(part, row) for part in condition.parts]
            decisive = isinstance(condition, Or)
            if decisive in said_all:
                return decisive
            return None if None in said_all else not decisive
        case Leaf():
            return leaf_truth(condition, row)
        case _:
            raise AssertionError(condition)


def leaf_truth(leaf: Leaf, row: Row) -> bool | None:
    value = row[leaf.name]
    values = [item for item in (value if isinstance(value, list) else [value]) if item is not None]
    if isinstance(leaf, IsNull):
        return not values
    if not values:
        return None
    unit = row.get(f"{leaf.name} [unit]", BY_PATH[leaf.name].unit)
    if unit is None and BY_PATH[leaf.name].units and not (isinstance(leaf, In) and not leaf.values):
        return None  # nobody knows which unit this row has
    kind = BY_PATH[leaf.name].type

    def plain(constant: Constant) -> Any:
        return constant_in(unit, constant, kind)

    match leaf:
        case Compare(op="!=", value=constant):
            return not any(item == plain(constant) for item in values)
        case Compare(op=op, value=constant):
            compare = COMPARE[op]
            return any(compare(item, plain(constant)) for item in values)
        case Between(low=low, high=high):
            return any(plain(low) <= item <= plain(high) for item in values)
        case In(values=constants):
            return any(item == plain(constant) for item in values for constant in constants)
        case Like(pattern=pattern):
            return any(like(item, pattern.value) for item in values)
        case _:
            raise AssertionError(leaf)


COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
TO = {("ms", "s"): Fraction(1, 1000), ("s", "ms"): Fraction(1000), ("m", "km"): Fraction(1, 1000)}


def constant_in(unit: str | None, constant: Constant, kind: str) -> Any:
    if not isinstance(constant, Number):
        return constant.value
    if constant.unit in (None, unit) or (isinstance(constant.value, float) and math.isinf(constant.value)):
        return constant.value
    changed = Fraction(repr(constant.value)) * TO[constant.unit or "", unit or ""]
    if kind != "float":
        return changed
    try:
        return float(changed)
    except OverflowError:
        return math.inf if changed > 0 else -math.inf


def like(text: str, pattern: str) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None


ROW = [name for one in WIDE for name in (one.path, f"{one.path} [unit]") if name == one.path or one.units]

# --------------------------------------------------------------------------------------------------------------- the data

INTEGERS = st.one_of(
    st.integers(-3, 3), st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
)
FLOATS = st.one_of(
    st.sampled_from([-1.5, -0.0, 0.0, 0.5, 0.7, 1.0, 2.0, 2.5, 1e300, -1e300, 2.0**53, 2.0**63, 5e-324]),
    st.floats(-3, 3),
)
TIMES = st.sampled_from(
    [datetime(2014, 8, 1), datetime(2014, 8, 1, 0, 0, 0, 1), datetime(1969, 7, 20), datetime(9999, 1, 1)]
)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "A", "ab", "a%", "a_b", "\\", "a\\b", "it's", "é", "a\nb", "67P"]), st.text(max_size=3)
)
TEXTS = TEXTS.filter(lambda text: "\0" not in text)
VALUES: dict[str, SearchStrategy[Any]] = {
    "int": INTEGERS, "float": FLOATS, "time": TIMES, "text": TEXTS, "boolean": st.booleans()
}  # fmt: skip
HUGE = st.sampled_from([10**30, -(10**30), 1e400, -1e400, 10**400, 2**63, -(2**63) - 1, 2.0**63])
PLAIN_NUMBERS = st.one_of(INTEGERS, FLOATS, HUGE)
PATTERNS = st.one_of(
    st.sampled_from(["%", "a%", "_", "a\\%", "a\\_b", "\\\\", "a\\", "\\a", "%b", "a_b", "", "\\%"]), TEXTS
)


def cells(one: Column) -> SearchStrategy[Row]:
    """A value of a column, with its row's unit where units disagree."""
    value = VALUES[one.type]
    listed = st.lists(st.one_of(value, value, value, st.none()), max_size=4)
    cell = st.one_of(listed, listed, st.none()) if one.is_list else st.one_of(value, value, value, st.none())
    made: Any = {one.path: cell}
    if one.units:
        made[f"{one.path} [unit]"] = st.sampled_from(["ms", "s", "ms", "s", None])
    return st.fixed_dictionaries(made)


EMPTY: Row = dict.fromkeys(ROW)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    return EMPTY | {name: value for one in WIDE for name, value in draw(cells(one)).items()}


def constants_for(one: Column) -> SearchStrategy[Constant]:
    made: dict[str, SearchStrategy[Constant]] = {
        "time": st.builds(Time, TIMES), "text": st.builds(Text, TEXTS), "boolean": st.builds(Boolean, st.booleans())
    }  # fmt: skip
    if one.type in made:
        return made[one.type]
    units = ["ms", "s"] if one.units else [None, "km", "m"] if one.unit else [None]
    return st.builds(Number, PLAIN_NUMBERS, st.sampled_from(units))


def leaves_for(one: Column) -> SearchStrategy[Condition]:
    name, constants = st.just(one.path), constants_for(one)
    few = st.lists(constants, max_size=3)
    forms: list[SearchStrategy[Condition]] = [
        st.builds(Compare, name, st.sampled_from(["=", "!="]) if one.type == "boolean" else trees.OPERATORS, constants),
        st.builds(In, name, few.map(tuple)),
        st.builds(IsNull, name),
    ]
    if one.type != "boolean":
        forms.append(st.builds(Between, name, constants, constants))
    if one.type == "text":
        forms.append(st.builds(Like, name, st.builds(Text, PATTERNS)))
    if one.type in ("int", "float"):
        unit = "s" if one.units else None
        many = few.map(lambda items: (*items, *(Number(number, unit) for number in range(1000, 1080))))
        forms.append(st.builds(In, name, many))
    return st.one_of(forms)


CONDITIONS = trees.joined(st.one_of([leaves_for(one) for one in WIDE]), most=6)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("create schema meta")
        columns = [f"{one.sql} {SQL_TYPES[one.type]}{'[]' if one.is_list else ''}" for one in WIDE]
        columns += [f"{one.unit_sql} varchar" for one in WIDE if one.unit_sql]
        made.execute(f"create table wide (product_key bigint, {', '.join(columns)})")
        made.execute("create table products (product_key bigint, family varchar)")
        made.execute(
            "create table meta.other (product_key bigint, family varchar, path varchar, number double, "
            '"time" timestamp, text varchar, unit varchar)'
        )
        yield made


def fill(connection: duckdb.DuckDBPyConnection, table: list[Row]) -> None:
    """The same rows as a wide and as a long family, and another family that must not be seen."""
    connection.execute("delete from wide; delete from products; delete from meta.other")
    insert(connection, "wide", [(key, *row.values()) for key, row in enumerate(table)], [quoted(name) for name in ROW])
    insert(connection, "products", [(key, FAMILY) for key in range(len(table))] + [(1000, "another")])
    long = [
        (key, FAMILY, one.path, *values)
        for key, row in enumerate(table)
        for one in WIDE
        for values in long_rows(row[one.path], row.get(f"{one.path} [unit]", one.unit))
    ]
    insert(connection, "meta.other", [*long, (1000, "another", "D", 1.0, None, "1", "km")])


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Any], names: list[str] | None = None) -> None:
    if not rows:
        return
    columns = f"(product_key, {', '.join(names)})" if names else ""
    marks = ", ".join(f"({', '.join('?' * len(row))})" for row in rows)
    connection.execute(f"insert into {table} {columns} values {marks}", [value for row in rows for value in row])


def long_rows(value: Any, unit: str | None) -> Iterator[tuple[Any, ...]]:
    """A row for each value; a value that is missing has a row, an empty list or a keyword that is not there has none."""
    for item in value if isinstance(value, list) else [value]:
        if item is None:
            yield None, None, None, None
        elif isinstance(item, bool | int | float):
            yield float(item), None, str(item), unit
        elif isinstance(item, datetime):
            yield None, item, item.isoformat(), unit
        else:
            yield None, None, item, unit


def keys(connection: duckdb.DuckDBPyConnection, table: str, query: Query) -> list[int]:
    text = f"select product_key from {table} where family_is_asked and {query.text} order by 1"
    text = text.replace("family_is_asked", "true" if table == "wide" else f"family = {'?'}")
    values = query.values if table == "wide" else (FAMILY, *query.values)
    return [row[0] for row in connection.execute(text, values).fetchall()]


def render(condition: Condition, table: str) -> Query:
    if table == "wide":
        return where(condition, Columns(WIDE))
    return where(condition, Columns(LONG), families=[FAMILY], key="products.product_key")


def check(connection: duckdb.DuckDBPyConnection, table: list[Row], conditions: list[Condition]) -> None:
    fill(connection, table)
    for condition in conditions:
        expected = [key for key, row in enumerate(table) if truth(condition, row)]
        for name in ("wide", "products"):
            query = render(condition, name)
            assert keys(connection, name, query) == expected, (name, condition, query)


@pytest.mark.parametrize("one", WIDE, ids=lambda one: one.path)
@settings(max_examples=20)
@given(data=st.data())
def test_a_condition_about_one_name_means_the_same_everywhere(
    connection: duckdb.DuckDBPyConnection, one: Column, data: st.DataObject
) -> None:
    table = [EMPTY | row for row in data.draw(st.lists(cells(one), min_size=3, max_size=8))]
    leaves = data.draw(st.lists(leaves_for(one), min_size=3, max_size=8))
    check(connection, table, [*leaves, *(Not(leaf) for leaf in leaves)])


@settings(max_examples=50)
@given(st.lists(rows(), min_size=1, max_size=4), st.lists(CONDITIONS, min_size=1, max_size=6))
def test_a_tree_means_the_same_everywhere(
    connection: duckdb.DuckDBPyConnection, table: list[Row], conditions: list[Condition]
) -> None:
    check(connection, table, conditions)


@settings(max_examples=30)
@given(st.lists(rows(), min_size=1, max_size=4), CONDITIONS)
def test_known_says_whether_each_keyword_has_a_value(
    connection: duckdb.DuckDBPyConnection, table: list[Row], condition: Condition
) -> None:
    fill(connection, table)
    names = {leaf.name for leaf in condition.leaves() if not isinstance(leaf, IsNull)}
    expected = [key for key, row in enumerate(table) if not any(leaf_truth(IsNull(name), row) for name in names)]
    assert keys(connection, "wide", known(condition, Columns(WIDE))) == expected
    query = known(condition, Columns(LONG), families=[FAMILY], key="products.product_key")
    assert keys(connection, "products", query) == expected


@pytest.mark.parametrize("table", ["wide", "products"])
def test_whole_numbers_that_no_double_holds_are_told_apart(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    fill(connection, [EMPTY | {"GROUP/n": 2**53 + more} for more in range(-1, 4)])
    for text, found in [
        ("= 9007199254740992", [1]),
        ("= 9007199254740993", [2]),
        ("!= 9007199254740993", [0, 1, 3, 4]),
        ("<= 9007199254740992", [0, 1]),
        ("> 9007199254740992.0", [2, 3, 4]),
        ("in (9007199254740991, 9007199254740993)", [0, 2]),
        ("between 9007199254740993 and 9007199254740994", [2, 3]),
        ("< 1e400", [0, 1, 2, 3, 4]),
    ]:
        assert keys(connection, table, render(parse(f"GROUP/n {text}"), table)) == found, text


@pytest.mark.parametrize("op", COMPARE)
@given(constant=st.integers(), value=INTEGERS | st.integers(-(2**63), 2**63 - 1))
@example(constant=0, value=2**53 + 1)
@example(constant=0, value=-1)
def test_whole_numbers_compare_exactly(
    connection: duckdb.DuckDBPyConnection, op: Any, constant: int, value: int
) -> None:
    near = (value - 1, value - 0.5, value, float(value), value + 0.5, value + 1)
    for number in (constant, *near):
        query = where(Compare("n", op, Number(number)), Columns([Column("n", "n", "int")]))
        values = [*query.values, value]
        said = connection.execute(f"select {query.text} from (select ?::bigint as n)", values).fetchone()
        assert said == (COMPARE[op](value, number),)


# --------------------------------------------------------------------------------------------------------- what it renders

SIMPLE = Columns(
    [
        Column("PHASE_ANGLE", '"PHASE_ANGLE"', "float", unit="deg"),
        Column("IMAGE_POI/ROSETTA:DISTANCE", '"IMAGE_POI/ROSETTA:DISTANCE"', "float", unit="km"),
        Column("SR/DISTANCE", '"SR/DISTANCE"', "float", unit="km"),
        Column("COUNT", '"COUNT"', "int"),
        Column("FILTER_NAME", '"FILTER_NAME"', "text"),
        Column("START_TIME", '"START_TIME"', "time"),
        Column("OPEN", '"OPEN"', "boolean"),
        Column("TEMPERATURE", '"TEMPERATURE"', "float", unit="degC"),
        Column("EXPOSURE", '"EXPOSURE"', "float", unit="ms", units=("ms", "s", ""), unit_sql='"EXPOSURE [unit]"'),
        Column("MIXED", '"MIXED"', "float", unit="K", units=("K", "V")),
        Column("ODD", '"ODD"', "float", unit="furlong per fortnight"),
        Column("FLUX", '"FLUX"', "float", unit="Jy"),
    ]
)


@pytest.mark.parametrize(
    ("text", "sql", "values"),
    [
        ("PHASE_ANGLE < 30", '"PHASE_ANGLE" < ?', (30.0,)),
        ("not phase_angle < 30", '"PHASE_ANGLE" >= ?', (30.0,)),
        (
            "PHASE_ANGLE < 30 and ROSETTA:DISTANCE < 500 m",
            '("PHASE_ANGLE" < ? AND "IMAGE_POI/ROSETTA:DISTANCE" < ?)',
            (30.0, 0.5),
        ),
        ("not (COUNT = 1 or OPEN = true)", '("COUNT" <> ? AND "OPEN" <> ?)', (1, True)),
        ("COUNT < 2.5", '"COUNT" <= ?', (2,)),
        ("COUNT = 2.5", '"COUNT" <> "COUNT"', ()),
        ("COUNT < 1e400", '"COUNT" <= ?', (2**63 - 1,)),
        ("COUNT between 1 and 5", '("COUNT" >= ? AND "COUNT" <= ?)', (1, 5)),
        ("FILTER_NAME not in ('a', 'b')", '"FILTER_NAME" NOT IN (?, ?)', ("a", "b")),
        ("FILTER_NAME like 'F%'", '"FILTER_NAME" LIKE ?', ("F%",)),
        ("FILTER_NAME is not null", '"FILTER_NAME" IS NOT NULL', ()),
        ("START_TIME >= 2014-214", '"START_TIME" >= ?', (datetime(2014, 8, 2),)),
        ("START_TIME >= '2014-08-01T10:00'", '"START_TIME" >= ?', (datetime(2014, 8, 1, 10),)),
        ("TEMPERATURE < 300 K", '"TEMPERATURE" < ?', (26.85,)),
        ("PHASE_ANGLE < 30 DEGREES", '"PHASE_ANGLE" < ?', (30.0,)),
        ("ODD < 5 [furlong per fortnight]", '"ODD" < ?', (5.0,)),
        ("FLUX < 5 mJy", '"FLUX" < ?', (0.005,)),
        (
            "EXPOSURE < 700 ms",
            '(CASE "EXPOSURE [unit]" WHEN ? THEN "EXPOSURE" < ? WHEN ? THEN "EXPOSURE" < ? END)',
            ("ms", 700.0, "s", 0.7),
        ),
    ],
)
def test_scalar_columns_become_plain_comparisons(text: str, sql: str, values: tuple[Any, ...]) -> None:
    assert where(parse(text), SIMPLE) == (sql, values)


@given(TEXTS, st.text(min_size=1))
def test_no_constant_and_no_name_is_ever_part_of_the_sql(text: str, name: str) -> None:
    columns = {name: Column(name, "v", "text", is_list=True)}
    plain = Columns([Column("a", "v", "text", is_list=True)])
    for condition, same in (
        (Compare(name, "=", Text(text)), Compare("a", "=", Text("b"))),
        (In(name, (Text(text), Text("b"), Text("c"))), In("a", (Text("d"), Text("e"), Text("f")))),
    ):
        values = set(where(condition, columns.__getitem__).values)
        assert values <= {text, "b", "c"}
        if text not in ("b", "c"):
            assert where(condition, columns.__getitem__).text == where(same, plain).text


def test_hostile_names_and_constants_stay_constants(connection: duckdb.DuckDBPyConnection) -> None:
    hostile = "x' or 1=1; drop table products; --"
    fill(connection, [])
    connection.execute("insert into products values (1, ?)", [hostile])
    connection.execute("insert into meta.other values (1, ?, ?, null, null, ?, null)", [hostile] * 3)
    columns = Columns([Column(hostile, None, "text")])
    for condition, matches in ((Compare(hostile, "=", Text(hostile)), 1), (Like(hostile, Text("' or '%")), 0)):
        query = where(condition, columns, families=[hostile], key="products.product_key")
        assert hostile not in query.text
        assert len(connection.execute(f"select * from products where {query.text}", query.values).fetchall()) == matches


# ---------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "COUNT > 1 and PHSE_ANGLE < 3",
            """no keyword is called PHSE_ANGLE; nearest: PHASE_ANGLE
    |COUNT > 1 and PHSE_ANGLE < 3
    |              ~~~~~~~~~^""",
        ),
        (
            "PHASE_ANGLE < '30'",
            """PHASE_ANGLE holds numbers (deg), not text: expected a number such as 0.5, without quotes
    |PHASE_ANGLE < '30'
    |~~~~~~~~~~~~~~~~~^""",
        ),
        (
            "FILTER_NAME in ('22', 16)",
            """FILTER_NAME holds text, not a number: expected a text in quotes such as 'F22'
    |FILTER_NAME in ('22', 16)
    |~~~~~~~~~~~~~~~~~~~~~~~~^""",
        ),
        (
            "START_TIME > '67P'",
            """START_TIME holds times, not text: expected a time such as 2014-08-01 or 2014-08-01T10:00:00
    |START_TIME > '67P'
    |~~~~~~~~~~~~~~~~~^""",
        ),
        (
            "OPEN = 1",
            """OPEN holds true or false, not a number: expected true or false, without quotes
    |OPEN = 1
    |~~~~~~~^""",
        ),
        (
            "OPEN < true",
            """OPEN holds true or false, which have no order: expected = or !=
    |OPEN < true
    |~~~~~~~~~~^""",
        ),
        (
            "COUNT like '1%'",
            """COUNT holds numbers: 'like' is for text alone
    |COUNT like '1%'
    |~~~~~~~~~~~~~~^""",
        ),
        (
            "COUNT < 5 km",
            """COUNT has no unit in the labels: expected the number alone, without km
    |COUNT < 5 km
    |~~~~~~~~~~~^""",
        ),
        (
            "PHASE_ANGLE < 5 km",
            """PHASE_ANGLE is in deg, which km cannot be converted to
    |PHASE_ANGLE < 5 km
    |~~~~~~~~~~~~~~~~~^""",
        ),
        (
            "PHASE_ANGLE < 5 parrots",
            """PHASE_ANGLE is in deg, which parrots cannot be converted to
    |PHASE_ANGLE < 5 parrots
    |~~~~~~~~~~~~~~~~~~~~~~^""",
        ),
        (
            "PHASE_ANGLE < 5 and EXPOSURE < 500",
            """EXPOSURE comes in different units (ms, s or none): say which one is meant, such as 500 ms
    |PHASE_ANGLE < 5 and EXPOSURE < 500
    |                    ~~~~~~~~~~~~~^""",
        ),
        (
            "EXPOSURE < 5 km",
            """EXPOSURE comes in ms, s or none, none of which km can be converted to
    |EXPOSURE < 5 km
    |~~~~~~~~~~~~~~^""",
        ),
        (
            "MIXED < 5 K",
            """MIXED comes in different units (K, V), and the index does not tell which row has which
    |MIXED < 5 K
    |~~~~~~~~~~^""",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_place_and_what_the_column_holds(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        where(parse(text), SIMPLE)
    assert str(caught.value).splitlines() == [line.replace("    |", "    ", 1) for line in message.splitlines()]


def test_an_ambiguous_name_is_shown_in_its_place() -> None:
    with pytest.raises(AmbiguousKeyword) as caught:
        where(parse("COUNT = 1 and DISTANCE < 5"), SIMPLE)
    assert str(caught.value).splitlines() == [
        "DISTANCE means 2 keywords: IMAGE_POI/ROSETTA:DISTANCE, SR/DISTANCE. Write more steps of the path.",
        "    COUNT = 1 and DISTANCE < 5",
        "                  ~~~~~~~^",
    ]


def test_a_tree_that_was_not_parsed_has_no_place_to_show() -> None:
    with pytest.raises(FilterError, match=r"\Ano keyword is called X\Z"):
        where(Compare("X", "<", Number(1)), Columns([]))
    with pytest.raises(AmbiguousKeyword, match=r"\ADISTANCE means 2"):
        where(IsNull("DISTANCE"), SIMPLE)
    with pytest.raises(FilterError, match=r"\ACOUNT holds numbers"):
        where(Like("COUNT", Text("x")), SIMPLE)


def test_text_that_no_database_takes_is_refused() -> None:
    with pytest.raises(FilterError, match="lone surrogates"):
        where(Compare("FILTER_NAME", "=", Text("\ud800")), SIMPLE)


def test_the_long_table_needs_to_know_who_is_asked() -> None:
    with pytest.raises(ValueError, match="say which families are asked"):
        where(IsNull("n"), Columns([Column("n", None, "int")]))


def test_whether_a_column_is_there_can_be_asked() -> None:
    assert SIMPLE.find("nothing") is None
    assert SIMPLE.find("count") == SIMPLE("COUNT")


# ------------------------------------------------------------------------------------------------------------------- speed


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("negated", [False, True])
def test_a_list_of_ten_thousand_is_answered_fast(listed: bool, negated: bool) -> None:
    size = 20_000
    values = tuple(Text(f"N{i:09}") for i in range(0, size, 2))
    condition: Condition = In("id", values)
    query = where(~condition if negated else condition, Columns([Column("id", "id", "text", is_list=listed)]))
    with duckdb.connect() as connection:
        text = "printf('N%09d', i)"
        connection.execute(f"create table t as select {f'[{text}]' if listed else text} as id from range({size}) r(i)")
        found = connection.execute(f"select count(*) from t where {query.text}", query.values).fetchone()
    assert found == (size // 2,)


def test_a_plain_comparison_reads_only_the_blocks_that_can_match() -> None:
    """Zone maps: the plan has the comparison as a filter of the scan."""
    with duckdb.connect() as connection:
        connection.execute('create table t as select i::double as "PHASE_ANGLE" from range(1000) r(i)')
        query = where(parse("not PHASE_ANGLE >= 30"), SIMPLE)
        plan = connection.execute(f"explain select * from t where {query.text}", query.values).fetchall()
    assert "Filters:" in plan[0][1]
    assert "FILTER " not in plan[0][1]
