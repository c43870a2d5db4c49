"""Types, units and names of columns: what many labels of a family become."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.index.volumes import ask, column, index_of, keyword, pds3, pds4, series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def padded(values: Sequence[str | None], padding: str, count: int = 100) -> list[str | None]:
    """Values and as much padding as makes a family wide."""
    return [*values, *[padding] * (count - len(values))]


# ------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("values", "padding", "kind", "first"),
    [
        (["1", "-7"], "3", "int", [1, -7]),
        (["1.5", "1e3"], "3.0", "float", [1.5, 1000.0]),
        (["1", "2.5"], "3", "float", [1.0, 2.5]),
        (["16#FF#"], "3", "int", [255]),
        (["2014-08-01", "2014-08-01T10:00:00.123Z"], "2014-213", "time",
         [datetime(2014, 8, 1), datetime(2014, 8, 1, 10, 0, 0, 123000)]),
        (["TRUE", "false"], "TRUE", "boolean", [True, False]),
        (["ON", '"two  words"'], "OFF", "text", ["ON", "two  words"]),
        (['"00"', '"16#39#"'], '"01"', "text", ["00", "16#39#"]),
        (["(1, 2)", "(3, 4)"], "(5)", "int", [[1, 2], [3, 4]]),
        (["{A, B}"], "{}", "text", [["A", "B"]]),
    ],
)  # fmt: skip
def test_a_column_is_of_the_kind_of_its_values(
    tmp_path: Path, values: list[str], padding: str, kind: str, first: list[Any]
) -> None:
    index = index_of(tmp_path, series(padded(values, padding)))
    assert keyword(index, "X", "type") == kind
    assert keyword(index, "X", "is_list") == isinstance(first[0], list)
    assert column(index)[: len(first)] == first
    assert ask(index, "select * from odd_values") == []


@pytest.mark.parametrize(("odd", "kind"), [(1, "int"), (2, "text")])
def test_a_kind_needs_ninety_nine_of_a_hundred_values(tmp_path: Path, odd: int, kind: str) -> None:
    index = index_of(tmp_path, series(padded(["BROKEN"] * odd, "7")))
    assert keyword(index, "X", "type") == kind
    if kind == "int":
        assert column(index) == [None] + [7] * 99
        assert ask(index, "select label, path, text from odd_values join products using (product_key)") == [
            ("P00000.LBL", "X", "BROKEN")
        ]
        assert keyword(index, "X", "odd") == 1
    else:
        assert column(index) == ["BROKEN"] * 2 + ["7"] * 98
        assert ask(index, "select * from odd_values") == []


def test_missing_values_do_not_count_for_the_kind(tmp_path: Path) -> None:
    values = ["BROKEN"] + ["7"] * 99 + ["N/A"] * 300
    index = index_of(tmp_path, series(values))
    assert keyword(index, "X", "type") == "int"
    assert keyword(index, "X", "count") == 100


def test_one_label_of_a_thousand_has_text_where_the_others_have_numbers(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(['"see comment"'], "1.5", 1000)))
    assert (keyword(index, "X", "type"), keyword(index, "X", "odd")) == ("float", 1)
    assert ask(index, "select text from odd_values") == [("see comment",)]
    assert sum(value == 1.5 for value in column(index)) == 999


@pytest.mark.parametrize(
    ("integer", "exact"),
    [(2**53, True), (2**53 + 1, False), (-(2**53) - 1, False), (2**62, True), (2**63 - 1, False), (-(2**63), True),
     (2**63 + 1, False), (10**30, False)],
)  # fmt: skip
def test_an_integer_that_a_float_cannot_hold_is_noted(tmp_path: Path, integer: int, exact: bool) -> None:
    index = index_of(tmp_path, series(padded([str(integer)], "0.5")))
    assert keyword(index, "X", "type") == "float"
    assert column(index)[0] == float(integer)
    assert ask(index, "select text from odd_values") == ([] if exact else [(str(integer),)])


@pytest.mark.parametrize("integer", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_large_integers_among_integers_are_exact(tmp_path: Path, integer: int) -> None:
    index = index_of(tmp_path, series(padded([str(integer)], "1")))
    assert column(index)[:2] == [integer, 1]
    assert ask(index, "select * from odd_values") == []


@pytest.mark.parametrize("integer", [2**63, 10**30, -(2**63) - 1])
def test_integers_beyond_64_bits_are_odd_among_integers(tmp_path: Path, integer: int) -> None:
    index = index_of(tmp_path, series(padded([str(integer)], "1")))
    assert keyword(index, "X", "type") == "int"
    assert column(index)[:2] == [None, 1]
    assert ask(index, "select text from odd_values") == [(str(integer),)]


def test_a_column_without_any_value_is_text(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(['"UNK"', "NULL"], '"N/A"')))
    assert (keyword(index, "X", "type"), keyword(index, "X", "count")) == ("text", 0)
    assert column(index) == [None] * 100


def test_an_empty_text_is_a_value(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded([], '""')))
    assert (keyword(index, "X", "type"), keyword(index, "X", "count")) == ("text", 100)
    assert column(index) == [""] * 100


def test_text_keeps_the_text_of_every_value(tmp_path: Path) -> None:
    values = padded(["007", "1.50 <km>", "TRUE", "2014-08-01", "16#FF#"], "WORD")
    assert column(index_of(tmp_path, series(values)))[:6] == ["007", "1.50", "TRUE", "2014-08-01", "16#FF#", "WORD"]


# ------------------------------------------------------------------------------------------------- lists and repeats


def test_single_values_beside_lists_are_lists_of_one(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["(1, 2)", "3", "(4)", "()", '"N/A"', None], "5")))
    assert keyword(index, "X", "is_list") is True
    assert column(index)[:7] == [[1, 2], [3], [4], [], None, None, [5]]


def test_nested_lists_are_flat_and_keep_their_order(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["((1, 2), (3, 4))"], "(0)")))
    assert column(index)[:2] == [[1, 2, 3, 4], [0]]


def test_missing_elements_keep_their_place_in_a_list(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(['(1.5, "N/A", 2.5)', '("N/A", "N/A")'], "(0.5)")))
    assert column(index)[:3] == [[1.5, None, 2.5], [None, None], [0.5]]


def test_odd_elements_of_a_list_are_null_there(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["(1, BROKEN, 2)"], "(3, 4, 5)")))
    assert column(index)[0] == [1, None, 2]
    assert ask(index, "select path, text from odd_values") == [("X", "BROKEN")]


def test_lists_of_times_and_booleans(tmp_path: Path) -> None:
    files = {
        f"{at:03}.LBL": pds3("T = (2014-08-01, 2014-08-02T00:00:00.5)", "B = (TRUE, FALSE)", id=f"{at}")
        for at in range(100)
    }
    index = index_of(tmp_path, files)
    assert column(index, "T")[0] == [datetime(2014, 8, 1), datetime(2014, 8, 2, 0, 0, 0, 500000)]
    assert column(index, "B")[0] == [True, False]


def test_a_repeated_keyword_is_a_list(tmp_path: Path) -> None:
    files = series(padded([], "1", 99)) | {"Q.LBL": pds3("X = 2", "X = (3, 4)", "X = 5", id="Q")}
    assert column(index_of(tmp_path, files))[-2:] == [[1], [2, 3, 4, 5]]


def test_repeated_blocks_give_lists_of_their_keywords(tmp_path: Path) -> None:
    block = "GROUP = G\r\n  A = {0}\r\n  {1}\r\nEND_GROUP = G"
    content = [block.format(1, "B = 10"), block.format(2, ""), block.format(3, "B = 30")]
    index = index_of(tmp_path, {f"{at:03}.LBL": pds3(*content, id=f"{at}") for at in range(100)})
    assert column(index, "G/A")[0] == [1, 2, 3]
    assert column(index, "G/B")[0] == [10, 30]


def test_labels_that_hold_empty_lists_and_nothing_else(tmp_path: Path) -> None:
    index = index_of(tmp_path, {f"{at:03}.LBL": "X = ()\r\nEND\r\n" for at in range(100)})
    assert column(index, family="UNKNOWN/UNKNOWN") == [[]] * 100


def test_a_label_without_any_keyword_is_a_product(tmp_path: Path) -> None:
    index = index_of(tmp_path, {f"{at:03}.LBL": "END\r\n" for at in range(3)})
    assert ask(index, "select labels, products, rejected from runs") == [(3, 3, 0)]


# -------------------------------------------------------------------------------------------------- what is counted


def test_reasons_of_missing_values_are_counted_by_label(tmp_path: Path) -> None:
    values = ['"N/A"', "N/A", "UNK", "NULL", None, '("N/A", "N/A")', '("UNK", 1)']
    index = index_of(tmp_path, series(padded(values, "(1)")))
    assert keyword(index, "X", "missing") == {"N/A": 3, "NULL": 1, "UNK": 1}
    assert keyword(index, "X", "count") == 94


def test_range_and_examples_of_a_keyword(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["5", "-3", "5", "40"], "7")))
    assert [keyword(index, "X", what) for what in ("min", "max", "examples")] == ["-3", "40", ["5", "-3", "40"]]
    times = index_of(tmp_path / "times", series(padded(["2014-08-02T00:00:00.25", "2014-08-01"], "2014-08-02")))
    assert [keyword(times, "X", what) for what in ("min", "max")] == [
        "2014-08-01T00:00:00",
        "2014-08-02T00:00:00.250000",
    ]


# -------------------------------------------------------------------------------------------------------------- units


def test_units_are_one_whatever_their_spelling(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["1 <DEGREE>", "2 <DEG>"], "3 <deg>")))
    assert (keyword(index, "X", "unit"), keyword(index, "X", "units"), keyword(index, "X", "unit_column")) == (
        "deg", None, None,
    )  # fmt: skip


def test_units_that_disagree_have_a_column(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["1 <m>", "2", None, "N/A"], "3 <km>")))
    assert (keyword(index, "X", "unit"), keyword(index, "X", "units")) == ("km", ["km", "", "m"])
    of_unit = keyword(index, "X", "unit_column")
    assert column(index)[:5] == [1, 2, None, None, 3]
    assert column(index, of_unit)[:5] == ["m", None, None, None, "km"]


def test_the_unit_of_a_list_is_that_of_its_elements(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(padded(["(1 <km>, 2 <km>)", "(1, 2) <km>"], "(3 <km>, 4 <km>)")))
    assert (keyword(index, "X", "unit"), keyword(index, "X", "units")) == ("km", None)


def test_the_same_word_is_text_and_number_with_and_without_quotes(tmp_path: Path) -> None:
    values = [f'"{at}"' for at in range(50)] + [str(at) for at in range(50)]
    index = index_of(tmp_path, series(values))
    assert keyword(index, "X", "type") == "text"
    assert column(index) == [str(at) for at in range(50)] * 2


# -------------------------------------------------------------------------------------------------------------- names


def test_short_names_are_the_last_steps_that_tell_paths_apart(tmp_path: Path) -> None:
    content = (
        "A = 1", "GROUP = G", "B = 2", "C = 3", "END_GROUP = G", "GROUP = H", "C = 4", "OBJECT = I", "A = 5",
        "END_OBJECT = I", "END_GROUP = H",
    )  # fmt: skip
    index = index_of(tmp_path, {f"{at:03}.LBL": pds3(*content, id=f"{at}") for at in range(100)})
    names = dict(ask(index, "select path, name from keywords"))
    assert {path: names[path] for path in ("A", "G/B", "G/C", "H/C", "H/I/A")} == {
        "A": "A", "G/B": "B", "G/C": "G/C", "H/C": "H/C", "H/I/A": "I/A",
    }  # fmt: skip
    assert ask(index, 'select A, B, "G/C", "H/C", "I/A" from CAM limit 1') == [(1, 2, 3, 4, 5)]


def test_pds4_paths_that_differ_in_case_only_keep_their_exact_path(tmp_path: Path) -> None:
    content = "<own:Values><own:dB>1</own:dB><own:DB>2</own:DB><own:db>3</own:db></own:Values>"
    index = index_of(tmp_path, {f"{at:03}.xml": pds4(content, lid=f"urn:esa:psa:b:data:p{at}") for at in range(100)})
    paths = [f"pds:Observation_Area/own:Values/own:{name}" for name in ("DB", "dB", "db")]
    rows = dict(ask(index, "select path, column_name from keywords where path like '%/own:Values/%'"))
    assert sorted(rows) == sorted(paths)
    assert len({name.lower() for name in rows.values()}) == 3
    family = "b/Product_Observational"
    assert [column(index, rows[path], family)[0] for path in paths] == [2, 1, 3]


def test_keywords_named_as_columns_of_ours_have_names_of_their_own(tmp_path: Path) -> None:
    names = ["PRODUCT_KEY", "ID", "LABEL", "LATEST", "ROOT"]
    files = {f"{at:03}.LBL": pds3(*(f"{name} = {at}" for name in names), id=f"P{at}") for at in range(100)}
    index = index_of(tmp_path, files)
    columns = dict(ask(index, "select path, column_name from keywords"))
    assert [column(index, columns[name])[42] for name in names] == [42] * 5
    ((id_, label),) = ask(index, 'select id, label from CAM where "ID~2" = 42')
    assert (id_, label) == ("P42", "042.LBL")


def test_namespaces_are_part_of_a_path(tmp_path: Path) -> None:
    index = index_of(tmp_path, {f"{at:03}.LBL": pds3("ROSETTA:X = 1", "X = 2", id=f"{at}") for at in range(100)})
    assert (column(index, "ROSETTA:X")[0], column(index, "X")[0]) == (1, 2)


# --------------------------------------------------------------------------------------------------------- wide, long


@pytest.mark.parametrize(("count", "wide"), [(99, False), (100, True)])
def test_a_family_of_a_hundred_has_a_table_of_its_own(tmp_path: Path, count: int, wide: bool) -> None:
    index = index_of(tmp_path, series(padded([], "7 <km>", count)))
    assert ask(index, "select family, products, wide, view_name from families") == [
        ("SC/CAM", count, wide, "CAM" if wide else None)
    ]
    long = ask(index, "select count(*) from meta.other where path = 'X' and number = 7 and text = '7' and unit = 'km'")
    assert long == [(0 if wide else count,)]
    assert ask(index, "select count(*) from duckdb_tables() where table_name = 'SC/CAM'") == [(int(wide),)]


def test_the_long_table_has_a_row_for_each_element_in_order(tmp_path: Path) -> None:
    content = ("A = (3 <m>, 1.5, N/A)", "B = 2014-08-01", "C = TRUE", "D = UNK", f"E = {10**30}", "F = ()", "A = 9")
    index = index_of(tmp_path, {"P.LBL": pds3(*content)})
    rows = ask(index, "select path, number, time, text, unit from meta.other where length(path) = 1")
    assert rows == [
        ("A", 3.0, None, "3", "m"), ("A", 1.5, None, "1.5", None), ("A", None, None, None, None),
        ("A", 9.0, None, "9", None), ("B", None, datetime(2014, 8, 1), "2014-08-01", None), ("C", 1.0, None, "TRUE", None),
        ("D", None, None, None, None), ("E", 1e30, None, str(10**30), None),
    ]  # fmt: skip


def test_twenty_thousand_keywords_in_one_label(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3(*(f"KEYWORD_{at} = {at}" for at in range(20_000)))})
    assert ask(index, "select count(*), sum(number) from meta.other where path like 'KEYWORD%'") == [
        (20_000, sum(range(20_000)))
    ]
    assert ask(index, "select count(*) from keywords where path like 'KEYWORD%'") == [(20_000,)]


def test_beyond_ten_thousand_paths_the_rarest_of_a_family_are_long(tmp_path: Path) -> None:
    files = series(["1"] * 101) | {"many.LBL": pds3(*(f"RARE_{at:05} = {at}" for at in range(10_500)), id="Q")}
    index = index_of(tmp_path, files)
    assert ask(index, "select count(*) filter (column_name is not null), count(*) from keywords") == [(10_000, 10_505)]
    assert column(index)[:101] == [1] * 101
    assert ask(index, "select count(*), max(number) from meta.other") == [(505, 10_499.0)]
    assert column(index, "RARE_09994")[-1] == 9994


def test_instruments_whose_names_differ_in_case_only_are_one_family(tmp_path: Path) -> None:
    files = {
        f"{name}{at:03}.LBL": pds3(f"X = {at}", id=f"{name}{at}", instrument=name)
        for name in ("CAM", "Cam")
        for at in range(100)
    }
    index = index_of(tmp_path, files)
    assert ask(index, "select family, products from families") == [("SC/CAM", 200)]
    assert ask(index, "select instrument, count(*) from products group by 1 order by 1") == [("CAM", 100), ("Cam", 100)]


def test_views_of_instruments_with_names_of_tables_or_of_each_other(tmp_path: Path) -> None:
    files = {
        f"{host}{instrument}{at:03}.LBL": pds3("X = 1", id=f"{host}{instrument}{at}", host=host, instrument=instrument)
        for host, instrument in (
            ("SC", "FILES"),
            ("SC", "CAM"),
            ("MEX", "CAM"),
            ("SC", 'it is "odd"'.replace('"', "'")),
        )
        for at in range(100)
    }
    index = index_of(tmp_path, files)
    views = dict(ask(index, "select family, view_name from families"))
    assert views == {"MEX/CAM": "MEX_CAM", "SC/CAM": "SC_CAM", "SC/FILES": "SC_FILES", "SC/IT IS 'ODD'": "IT IS 'ODD'"}
    for view in views.values():
        assert ask(index, f'select count(*) from "{view}"') == [(100,)]
