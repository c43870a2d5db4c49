"""The tree of conditions: frozen values joined by & | ~."""

import pickle
from dataclasses import FrozenInstanceError
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from psalab.errors import FilterError
from psalab.query import And, Between, Boolean, Compare, Condition, In, IsNull, Like, Not, Number, Or, Text, Time, parse
from psalab.query.conditions import MAX_DEPTH, Constant, constant, constants
from tests.query import trees

A = Compare("A", "<", Number(1))
B = IsNull("B")
C = Like("C", Text("x%"))


@pytest.mark.parametrize(
    ("joined", "condition"),
    [
        (A & B, And((A, B))),
        (A | B, Or((A, B))),
        (~A, Not(A)),
        (A & B & C, And((A, B, C))),
        (A & (B & C), And((A, B, C))),
        (A | (B | C), Or((A, B, C))),
        ((A & B) | C, Or((And((A, B)), C))),
    ],
)
def test_conditions_join_by_and_or_not_and_chains_stay_flat(joined: Condition, condition: Condition) -> None:
    assert joined == condition


def test_a_long_chain_has_two_levels() -> None:
    condition: Condition = A
    for i in range(500):
        condition |= Compare("A", "=", Number(i))
    assert condition.depth == 2
    assert len(condition.parts) == 501


def test_names_come_once_in_the_order_of_use() -> None:
    assert (~(B | A) & C & A).names() == ("B", "A", "C")


def test_the_place_in_the_text_plays_no_part_in_comparing() -> None:
    assert parse("  A<1") == A
    assert hash(parse("  A<1")) == hash(A)


def test_conditions_are_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        A.name = "B"  # type: ignore[misc]
    assert len({A, Compare("A", "<", Number(1)), B}) == 2


@given(trees.conditions)
def test_conditions_survive_pickling(condition: Condition) -> None:
    assert pickle.loads(pickle.dumps(condition)) == condition  # noqa: S301  our own bytes


@pytest.mark.parametrize("use", [bool, lambda condition: condition and B, lambda condition: not condition])
def test_the_words_of_python_are_refused_for_joining(use: Any) -> None:
    with pytest.raises(TypeError, match=r"join conditions with & \| ~"):
        use(A)


def test_only_conditions_can_be_joined() -> None:
    with pytest.raises(TypeError):
        A & 5


def test_trees_deeper_than_anyone_can_walk_are_refused() -> None:
    condition: Condition = A
    for _ in range(MAX_DEPTH - 1):
        condition = Not(condition)
    assert condition.depth == MAX_DEPTH
    with pytest.raises(FilterError, match=f"nested deeper than {MAX_DEPTH} levels"):
        Not(condition)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, Number(1)),
        (0.5, Number(0.5)),
        (True, Boolean(True)),
        ("2014-08-01", Text("2014-08-01")),
        (datetime(2014, 8, 1, 10), Time(datetime(2014, 8, 1, 10))),
        (date(2014, 8, 1), Time(datetime(2014, 8, 1))),
        (Number(1, "km"), Number(1, "km")),
    ],
)
def test_plain_values_become_constants(value: Any, expected: Constant) -> None:
    made = constant(value)
    assert made == expected
    assert type(made) is type(expected)


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="not with list"):
        constant([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2014-08-01", datetime(2014, 8, 1)),
        ("2014-214", datetime(2014, 8, 2)),
        ("2014-08-01T10:00:00.123Z", datetime(2014, 8, 1, 10, 0, 0, 123000)),
        ("2014-08-01t10:00", datetime(2014, 8, 1, 10)),
        ("2014-08-01 10:00:01", datetime(2014, 8, 1, 10, 0, 1)),
        ("2016-12-31T23:59:60", datetime(2017, 1, 1)),
        ("2014-08-01T10:00:00+02:00", datetime(2014, 8, 1, 8)),
    ],
)
def test_times_are_utc_without_a_zone(text: str, time: datetime) -> None:
    assert Time.from_text(text) == Time(time)


def test_a_datetime_with_a_zone_is_brought_to_utc() -> None:
    assert Time(datetime(2014, 8, 1, 10, tzinfo=timezone(timedelta(hours=2)))) == Time(datetime(2014, 8, 1, 8))


@pytest.mark.parametrize("text", ["", "67P", "2014", "2014-13-01", "2014-02-30", "2014-08-01T25:00", "2014-366"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert Time.from_text(text) is None


def test_mistakes_are_refused_when_a_tree_is_built() -> None:
    with pytest.raises(FilterError, match="no comparison"):
        Compare("A", "~", Number(1))  # type: ignore[arg-type]
    with pytest.raises(FilterError, match="needs the name"):
        IsNull("")
    with pytest.raises(FilterError, match="two conditions"):
        And((A,))
    with pytest.raises(FilterError, match="NaN"):
        Number(float("nan"))
    with pytest.raises(FilterError, match="no unit"):
        Number(1, " ")
    with pytest.raises(FilterError, match="thousand digits"):
        Number(10**2000)
    with pytest.raises(TypeError, match="int or float"):
        Number(True)


def test_constants_in_the_order_of_writing() -> None:
    assert constants(A) == (Number(1),)
    assert constants(Between("A", Number(1), Number(2))) == (Number(1), Number(2))
    assert constants(In("A", (Number(1), Text("x")))) == (Number(1), Text("x"))
    assert constants(C) == (Text("x%"),)
    assert constants(B) == ()
