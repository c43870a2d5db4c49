"""The filter grammar: what text means, and how a mistake is answered."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.errors import FilterError
from psalab.query import And, Between, Boolean, Compare, Condition, In, IsNull, Like, Not, Number, Or, Text, Time
from psalab.query.conditions import Constant, Leaf, Operator
from psalab.query.grammar import MAX_LENGTH, parse, suggest, to_text
from tests.query import trees

A, B, C = (Compare(name, "=", Number(1)) for name in "abc")


# ---------------------------------------------------------------------------------------------------------- what it means


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("PHASE_ANGLE < 30", Compare("PHASE_ANGLE", "<", Number(30))),
        ("x <= 1", Compare("x", "<=", Number(1))),
        ("x = 1", Compare("x", "=", Number(1))),
        ("x == 1", Compare("x", "=", Number(1))),
        ("x != 1", Compare("x", "!=", Number(1))),
        ("x <> 1", Compare("x", "!=", Number(1))),
        ("x >= 1", Compare("x", ">=", Number(1))),
        ("x>1", Compare("x", ">", Number(1))),
        ("x<-1", Compare("x", "<", Number(-1))),
        ("x between 1 and 2", Between("x", Number(1), Number(2))),
        ("x not between 1 and 2", Not(Between("x", Number(1), Number(2)))),
        ("x in (1, 'a')", In("x", (Number(1), Text("a")))),
        ("x not in (1)", Not(In("x", (Number(1),)))),
        ("x in ()", In("x", ())),
        ("x like 'F%'", Like("x", Text("F%"))),
        ("x not like 'F%'", Not(Like("x", Text("F%")))),
        ("x is null", IsNull("x")),
        ("x is not null", Not(IsNull("x"))),
        ("not x is not null", Not(Not(IsNull("x")))),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a=1 and b=1 or c=1", Or((And((A, B)), C))),
        ("a=1 or b=1 and c=1", Or((A, And((B, C))))),
        ("a=1 and (b=1 or c=1)", And((A, Or((B, C))))),
        ("not a=1 and b=1", And((Not(A), B))),
        ("not (a=1 and b=1)", Not(And((A, B)))),
        ("not not a=1", Not(Not(A))),
        ("a=1 and b=1 and c=1", And((A, B, C))),
        ("(a=1 and b=1) and c=1", And((And((A, B)), C))),
        ("((a=1))", A),
        ("a=1 AND b=1 Or NOT c=1", Or((And((A, B)), Not(C)))),
        ("\n a=1\n\tand(b=1)\n", And((A, B))),
        ("a between 1 and 2 and b=1", And((Between("a", Number(1), Number(2)), B))),
    ],
)
def test_not_binds_tighter_than_and_and_and_tighter_than_or(text: str, condition: Condition) -> None:
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IMAGE_POI/ROSETTA:X = 1", "IMAGE_POI/ROSETTA:X"),
        ("pds:Time_Coordinates/pds:start_date_time = 1", "pds:Time_Coordinates/pds:start_date_time"),
        ("^IMAGE = 1", "^IMAGE"),
        ("TABLE/^STRUCTURE = 1", "TABLE/^STRUCTURE"),
        ("`and` = 1", "and"),
        ("`NULL` = 1", "NULL"),
        ("`a b-c` = 1", "a b-c"),
        ("`a``b` = 1", "a`b"),
        ("`'; drop table products; --` = 1", "'; drop table products; --"),
        ("order = 1", "order"),
        ("android = 1", "android"),
        ("in:x = 1", "in:x"),
        ("not/x = 1", "not/x"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert parse(text) == Compare(name, "=", Number(1))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", Number(5)),
        ("+5", Number(5)),
        ("-0.5", Number(-0.5)),
        (".5", Number(0.5)),
        ("5.", Number(5.0)),
        ("1e-3", Number(0.001)),
        ("9007199254740993", Number(2**53 + 1)),
        ("1" + "0" * 30, Number(10**30)),
        ("1e400", Number(float("inf"))),
        ("500 ms", Number(500, "ms")),
        ("500ms", Number(500, "ms")),
        ("5eV", Number(5, "eV")),
        ("50 KM", Number(50, "KM")),
        ("20 %", Number(20, "%")),
        ("20 °", Number(20, "°")),
        ("3 µm", Number(3, "µm")),
        ("1e-3 W m-2 sr-1 nm-1", Number(0.001, "W m-2 sr-1 nm-1")),
        ("1 W/m**2/sr/nm", Number(1, "W/m**2/sr/nm")),
        ("1 W*m**-2 * sr^-1", Number(1, "W*m**-2 * sr^-1")),
        ("1 ASTRONOMICAL_UNIT", Number(1, "ASTRONOMICAL_UNIT")),
        ("5 [in]", Number(5, "in")),
        ("5 [1/cm]", Number(5, "1/cm")),
        ("5[ W/(m**2 sr) ]", Number(5, "W/(m**2 sr)")),
        ("'F22'", Text("F22")),
        ('"F22"', Text("F22")),
        ("''", Text("")),
        ("'it''s'", Text("it's")),
        ('"say ""a"""', Text('say "a"')),
        ("'\"'", Text('"')),
        ("'2014-08-01'", Text("2014-08-01")),
        ("2014-08-01", Time(datetime(2014, 8, 1))),
        ("2014-8-1", Time(datetime(2014, 8, 1))),
        ("2014-214", Time(datetime(2014, 8, 2))),
        ("2014-08-01T10:00:00.123Z", Time(datetime(2014, 8, 1, 10, 0, 0, 123000))),
        ("2014-08-01 10:00", Time(datetime(2014, 8, 1, 10))),
        ("2014-214T10:00:60", Time(datetime(2014, 8, 2, 10, 1))),
        ("true", Boolean(True)),
        ("FALSE", Boolean(False)),
    ],
)
def test_constants(text: str, value: Constant) -> None:
    found = parse(f"x = {text} and a=1")
    assert found == And((Compare("x", "=", value), A))
    assert isinstance(found, And)
    leaf = found.conditions[0]
    assert isinstance(leaf, Compare)
    if isinstance(value, Number) and isinstance(leaf.value, Number):
        assert type(leaf.value.value) is type(value.value)


@pytest.mark.parametrize(
    ("said", "meant"), [("<", ">"), ("<=", ">="), ("=", "="), ("!=", "!="), (">=", "<="), (">", "<")]
)
def test_a_constant_may_stand_left(said: str, meant: Operator) -> None:
    assert parse(f"30 deg {said} PHASE_ANGLE") == Compare("PHASE_ANGLE", meant, Number(30, "deg"))


def test_each_condition_knows_its_place() -> None:
    text = "  a = 1 and `b c` in (1, 2) or 5 < d "
    places = [leaf.place for leaf in parse(text).leaves()]
    assert [text[slice(*place.name)] for place in places if place] == ["a", "`b c`", "d"]
    assert [text[slice(*place.whole)] for place in places if place] == ["a = 1", "`b c` in (1, 2)", "5 < d"]


# ---------------------------------------------------------------------------------------------------------- there and back


@given(trees.conditions)
def test_what_is_written_reads_as_the_same_tree(condition: Condition) -> None:
    again = parse(to_text(condition))
    assert again == condition
    kinds = [[type(getattr(c, "value", None)) for c in _constants(tree)] for tree in (condition, again)]
    assert kinds[0] == kinds[1]


def _constants(condition: Condition) -> list[Constant]:
    return [leaf.value for leaf in condition.leaves() if isinstance(leaf, Compare)]


@pytest.mark.parametrize(
    "text",
    [
        "a = 1 and (b = 1 or c = 1)",
        "not (a < 1 or b is null)",
        "not not a = 1",
        "a not in ('x', 'it''s') and `or` is not null",
        "a not between 2014-08-01T00:00:00 and 2014-09-01T10:00:00.500000",
        "a < 0.001 W m-2 sr-1 nm-1 and b >= 5 [1/cm]",
        "a not like 'F\\_%' or b != true",
    ],
)
def test_normal_form_is_written_as_it_was_read(text: str) -> None:
    assert to_text(parse(text)) == text


# ---------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            """expected the name of a keyword, a constant, 'not' or '(', but the filter ends here
    |
    |^""",
        ),
        (
            "PHASE_ANGLE < ",
            """expected a constant: a number, a text in quotes, a time, true or false, but the filter ends here
    |PHASE_ANGLE <
    |              ^""",
        ),
        (
            "FILTER = RED and a=1",
            """expected a constant (text stands in quotes), found 'RED'
    |FILTER = RED and a=1
    |         ~~^""",
        ),
        (
            "a = null",
            """expected a constant (what is missing is asked for by: NAME is null), found 'null'
    |a = null
    |    ~~~^""",
        ),
        (
            "a = 1 und b = 2",
            """'und b' is no unit: expected 'and' or 'or' before the next condition
    |a = 1 und b = 2
    |    ~~~~~~^""",
        ),
        (
            "a = 'x' und b = 2",
            """expected 'and', 'or' or the end, found 'und'
    |a = 'x' und b = 2
    |        ~~^""",
        ),
        (
            "10 < a < 20",
            """expected 'and', 'or' or the end (a range is written: NAME between 10 and 20), found '<'
    |10 < a < 20
    |       ^""",
        ),
        (
            "(a = 1 and b = 2",
            """the parenthesis that opens here is not closed
    |(a = 1 and b = 2
    |^""",
        ),
        (
            "a = 1)",
            """a parenthesis is closed here that was not opened
    |a = 1)
    |     ^""",
        ),
        (
            "a = 'x",
            """the text that begins here is not closed: expected '
    |a = 'x
    |    ^""",
        ),
        (
            "`a = 1",
            """the name that begins here is not closed: expected `
    |`a = 1
    |^""",
        ),
        (
            "`` = 1",
            """a name is empty
    |`` = 1
    |~^""",
        ),
        (
            "5 < like",
            """expected the name of a keyword (a keyword that is called so stands in backticks), found 'like'
    |5 < like
    |    ~~~^""",
        ),
        (
            "a in (1, 2",
            """the list that begins here is not closed
    |a in (1, 2
    |     ^""",
        ),
        (
            "a in ('x' 'y')",
            """expected ',' or ')', found "'"
    |a in ('x' 'y')
    |          ^""",
        ),
        (
            "a in 5",
            """expected a list in parentheses, such as ('22', '16'), found '5'
    |a in 5
    |     ^""",
        ),
        (
            "a like 5",
            """expected a pattern in quotes, such as 'F%', found '5'
    |a like 5
    |       ^""",
        ),
        (
            "a between 1, 2",
            """expected 'and' and the upper end (NAME between 10 and 20), found ','
    |a between 1, 2
    |           ^""",
        ),
        (
            "a is 5",
            """expected 'null' or 'not null', found '5'
    |a is 5
    |     ^""",
        ),
        (
            "a not = 5",
            """expected 'between', 'in' or 'like', found '='
    |a not = 5
    |      ^""",
        ),
        (
            "t > 2014-13-01",
            """there is no such date or time: expected such as 2014-08-01, 2014-214 or 2014-08-01T10:00:00
    |t > 2014-13-01
    |    ~~~~~~~~~^""",
        ),
        (
            "a = 5 []",
            """expected a unit in the brackets
    |a = 5 []
    |      ~^""",
        ),
        (
            "a = 1 and\nb = $",
            """line 2: expected a constant: a number, a text in quotes, a time, true or false, found '$'
    |a = 1 and b = $
    |              ^""",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_place_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    shown = [line.rstrip() for line in str(caught.value).splitlines()]
    assert shown == [line.replace("    |", "    ", 1).rstrip() for line in message.splitlines()]


def test_of_a_long_filter_the_part_around_the_mistake_is_shown() -> None:
    with pytest.raises(FilterError) as caught:
        parse("a = 1 and " * 1000 + "b ! 2" + " and a = 1" * 1000)
    _, source, marker = str(caught.value).splitlines()
    assert len(source) < 140
    assert source[marker.index("^")] == "!"


@pytest.mark.parametrize("text", ["(" * 10_000 + "a=1" + ")" * 10_000, "not " * 10_000 + "a=1", "(not " * 5000 + "a=1"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="nested deeper than 100 levels"):
        parse(text)


def test_a_hundred_levels_fit_on_the_stack_with_room_for_the_caller() -> None:
    assert parse("(" * 100 + "a=1" + ")" * 100) == A
    nested = "(a=1 or b=1 and " * 100 + "c=1" + ")" * 100
    with pytest.raises(FilterError, match="nested deeper than 100 levels"):
        parse(nested)


def test_a_filter_that_is_longer_than_any_list_is_refused() -> None:
    with pytest.raises(FilterError, match="at most 5,000,000 are read"):
        parse("a" * (MAX_LENGTH + 1))


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(FilterError, match="more than 1000 digits"):
        parse("a = " + "9" * 5000)


def test_a_filter_is_text() -> None:
    with pytest.raises(FilterError, match="not int"):
        parse(5)  # type: ignore[arg-type]


WORDS = ["a", "b/c", "and", "or", "not", "(", ")", "in", "is", "null", "like", "between", "1", "2 km", "'x'", ",", "<", "=",
         "2014-08-01", "`q`", "'", "`", "[", "true", "!", "\n", "é"]  # fmt: skip


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join), st.lists(st.sampled_from(WORDS)).map("".join))
)
def test_any_text_is_a_tree_or_a_filter_error_with_its_place(text: str) -> None:
    try:
        condition = parse(text)
    except FilterError as error:
        mistake = error
    else:
        assert parse(to_text(condition)) == condition
        return
    assert mistake.source is not None
    assert mistake.span is not None
    assert 0 <= mistake.span[0] <= len(mistake.source)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + " " * 500_000 + "$",
        "a = 5 m" + " " * 500_000 + "$",
        "a < 5 " + "m " * 100_000 + "$",
        "a = '" + "''" * 500_000,
        "/" * 100_000,
        "a" + ":a" * 500_000 + "$",
        "2014-" + "1-" * 200_000,
        "`" * 500_001,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


def test_a_list_of_ten_thousand_items_is_read_fast() -> None:
    text = "id in (" + ", ".join(f"'N20140923T{i:09}ID30F22'" for i in range(10_000)) + ")"
    condition = parse(text)
    assert isinstance(condition, In)
    assert len(condition.values) == 10_000
    assert isinstance(condition, Leaf)


def test_nearest_names_serve_who_resolves_names() -> None:
    assert suggest("PHSE_ANGLE", ["PHASE_ANGLE", "INCIDENCE_ANGLE", "FILTER"])[0] == "PHASE_ANGLE"
