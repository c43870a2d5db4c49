"""Trees of conditions for hypothesis."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from psalab.query.conditions import (
    And,
    Between,
    Boolean,
    Compare,
    Condition,
    Constant,
    In,
    IsNull,
    Like,
    Not,
    Number,
    Or,
    Text,
    Time,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["NAMES", "OPERATORS", "conditions", "constants", "joined"]

OPERATORS = st.sampled_from(["<", "<=", "=", "!=", ">=", ">"])
NAMES = st.one_of(
    st.sampled_from(
        ["IMAGE_POI/ROSETTA:X", "pds:A/pds:b", "^IMAGE", "PHASE_ANGLE", "and", "NULL", "in", "True", "a b", "9"]
    ),
    st.text(min_size=1, max_size=8),
)
UNITS = st.one_of(
    st.none(),
    st.sampled_from(["km", "W m-2 sr-1 nm-1", "W/m**2/sr", "ms", "%", "1/cm", "in", "a or b", "m  s", "DEGREE", "e"]),
    st.text(st.characters(exclude_characters="[]\r\n", exclude_categories=["Cs"]), min_size=1, max_size=6)
    .map(str.strip)
    .filter(bool),
)
NUMBERS = st.one_of(st.integers(), st.integers(-(10**40), 10**40), st.floats(allow_nan=False), st.just(float("inf")))
TIMES = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31))

constants: SearchStrategy[Constant] = st.one_of(
    st.builds(Number, NUMBERS, UNITS),
    st.builds(Text, st.text()),
    st.builds(Time, TIMES),
    st.builds(Boolean, st.booleans()),
)
_LEAVES: SearchStrategy[Condition] = st.one_of(
    st.builds(Compare, NAMES, OPERATORS, constants),
    st.builds(Between, NAMES, constants, constants),
    st.builds(In, NAMES, st.lists(constants, max_size=4).map(tuple)),
    st.builds(Like, NAMES, st.builds(Text, st.text())),
    st.builds(IsNull, NAMES),
)


def joined(leaves: SearchStrategy[Condition], most: int = 12) -> SearchStrategy[Condition]:
    """Trees with these leaves."""
    return st.recursive(
        leaves,
        lambda part: st.one_of(
            st.builds(Not, part),
            st.lists(part, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
            st.lists(part, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        ),
        max_leaves=most,
    )


conditions = joined(_LEAVES)
