"""Conditions that tell groups of products apart: by few columns, and exactly."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.index.ask_census import Allowed, Group, ProductConditions, telling

COLUMNS = ("mission", "host", "instrument", "dataset")


def group(mission: str | None, host: str | None, instrument: str | None, dataset: str | None) -> Group:
    named = dict(zip(COLUMNS, (mission, host, instrument, dataset), strict=True))
    return Group("F", True, {**named, "level": None, "kind": "data"}, 1)


GROUPS = [
    group("ROSETTA", "RO", "OSINAC", "RO-1"),
    group("ROSETTA", "RL", "ROMAP", "RL-1"),
    group("VENUS EXPRESS", "VEX", "MAG", "VEX-1"),
    group("GALILEO", "GO", "MAG", "GO-1"),
    group("GALILEO", "GO", "SSI", "GO-2"),
    group(None, None, None, "GO-3"),
]


@pytest.mark.parametrize(
    ("column", "wanted", "sql", "values"),
    [
        ("instrument", [0], "p.instrument in (?)", ("OSINAC",)),
        ("instrument", [2, 3], "p.instrument in (?)", ("MAG",)),
        ("instrument", [2], "p.mission in (?)", ("VENUS EXPRESS",)),
        ("instrument", [3], "p.dataset in (?)", ("GO-1",)),
        ("mission", [0, 1], "p.mission in (?)", ("ROSETTA",)),
        ("mission", [1], "p.host in (?)", ("RL",)),
        ("mission", [3, 4, 5], "(p.mission in (?) or p.mission is null)", ("GALILEO",)),
        ("mission", [], "false", ()),
    ],
)
def test_as_few_columns_as_tell_them_apart_are_asked(column: str, wanted: list[int], sql: str, values: Any) -> None:
    chosen = [GROUPS[place] for place in wanted]
    assert telling(column, lambda group: group in chosen, GROUPS).sql() == (sql, values)


def test_two_columns_are_asked_where_one_does_not_do() -> None:
    groups = [group(mission, None, name, "D") for mission in ("A", "B", "C") for name in ("MAG", "CAM")]
    chosen = [groups[0], groups[3]]
    allowed = telling("instrument", lambda group: group in chosen, groups)
    assert allowed.sql() == (
        "((p.instrument in (?) and p.mission in (?)) or (p.instrument in (?) and p.mission in (?)))",
        ("CAM", "B", "MAG", "A"),
    )


def test_values_that_share_the_rest_are_asked_together() -> None:
    allowed = Allowed(("mission", "host"), frozenset({("A", "X"), ("B", "X"), (None, "X"), ("C", None)}))
    assert allowed.sql() == (
        "(((p.mission in (?, ?) or p.mission is null) and p.host in (?)) or (p.mission in (?) and p.host is null))",
        ("A", "B", "X", "C"),
    )


VALUES = st.sampled_from(["A", "B", None])


@given(
    rows=st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=12, unique=True),
    column=st.sampled_from(["mission", "instrument"]),
    data=st.data(),
)
def test_a_condition_finds_what_was_wanted_and_nothing_else(
    rows: list[tuple[str | None, ...]], column: str, data: st.DataObject
) -> None:
    groups = [group(*row) for row in rows]
    chosen = data.draw(st.sets(st.sampled_from(range(len(rows)))))
    allowed = telling(column, lambda asked: groups.index(asked) in chosen, groups)
    assert {place for place, asked in enumerate(groups) if allowed.match(asked)} == chosen
    query = ProductConditions((allowed,)).sql(groups)
    with duckdb.connect() as connection:
        connection.execute("create table p(place integer, mission text, host text, instrument text, dataset text)")
        connection.executemany(
            "insert into p values (?, ?, ?, ?, ?)", [[place, *row] for place, row in enumerate(rows)]
        )
        found = connection.execute(f"select place from p where {query.text or 'true'}", query.values).fetchall()
    assert {place for (place,) in found} == chosen
