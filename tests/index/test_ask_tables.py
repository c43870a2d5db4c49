"""The tables of an index that people look at: keywords, values, whole families, and what was rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.ask import Index, open_index
from psalab.results import DEFAULT_COLUMNS
from tests.index.small_index import FamilyOf, Shape, camera, dust, spectrometer, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MORE = """
insert into rejected values
    ('volume', 'B/BAD.LBL', 'no END', 3, 'X = (1', timestamp '2026-01-01', 1),
    ('volume', 'A/BAD.LBL', 'empty file', null, null, timestamp '2026-01-01', 1);
insert into odd_values select product_key, 'IMAGE/LINES', 'many' from products where id = 'C3';
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("tables") / "index.duckdb", [camera(), spectrometer(), dust()], MORE)


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with open_index(path) as index:
        yield index


# ---------------------------------------------------------------------------------------------------------- keywords


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*ANGLE*", ["GEOMETRY/PHASE_ANGLE", "GEOMETRY/PHASE_ANGLE"]),
        ("phase_angle", ["GEOMETRY/PHASE_ANGLE", "GEOMETRY/PHASE_ANGLE"]),
        ("surface_intercept_distance", ["IMAGE_POI/SC:SURFACE_INTERCEPT_DISTANCE"]),
        ("SC:SURFACE*", ["IMAGE_POI/SC:SURFACE_INTERCEPT_DISTANCE"]),
        ("IMAGE/L?NES", ["IMAGE/LINES"]),
        ("LINE", []),
        ("DUST/*", ["DUST/CHANNELS", "DUST/COMMENT", "DUST/EXPOSURE_DURATION", "DUST/GRAINS"]),
        ("*[0-9]*", []),
        ("(", []),
        ("LINES|GRAINS", []),
        ("°é*", []),
    ],
)
def test_keywords_are_listed_by_a_pattern(index: Index, pattern: str, expected: list[str]) -> None:
    assert index.keywords(pattern)["path"].tolist() == expected


def test_a_keyword_is_listed_with_what_is_known_of_it(index: Index) -> None:
    columns, rows = index.plain.keywords("LINES")
    assert dict(zip(columns, rows[0], strict=True)) == {
        "family": "SC/CAM",
        "path": "IMAGE/LINES",
        "name": "LINES",
        "type": "int",
        "is_list": False,
        "unit": None,
        "units": None,
        "count": 5,
        "missing": {"N/A": 1},
        "odd": 0,
        "min": "1024",
        "max": "1024",
        "examples": ["1024", "1024", "1024"],
    }


@pytest.mark.parametrize("family", ["SC/DUST", "dust", "DUST"])
def test_keywords_of_a_family_by_any_of_its_names(index: Index, family: str) -> None:
    assert len(index.keywords(family=family)) == 4
    assert len(index.keywords()) == 15


def test_a_family_that_is_not_there_is_an_error_with_suggestions(index: Index) -> None:
    with pytest.raises(FilterError, match=r"'CAMS' is no family, view or instrument .* did you mean CAM or SC/CAM\?"):
        index.keywords(family="CAMS")
    with pytest.raises(FilterError, match="did you mean DUST"):
        index.table("DUSTY")


# ------------------------------------------------------------------------------------------------------------ values


def test_values_are_counted_the_commonest_first(index: Index) -> None:
    frame = index.values("FILTER_NAME")
    assert frame.values.tolist() == [["blue", 4], ["red", 2]]
    assert frame.columns.tolist() == ["value", "count"]


def test_values_are_of_one_unit_over_families(index: Index) -> None:
    frame = index.values("EXPOSURE_DURATION")
    assert frame.attrs["psalab"] == {"units": {"value": "ms", "count": None}} or frame.attrs["psalab"] == {
        "units": {"value": "s", "count": None}
    }
    assert len(frame) == 9
    assert index.values("EXPOSURE_DURATION", instrument="spec")["value"].tolist() == [400.0, 900.0]


def test_each_element_of_a_list_counts_once_for_a_product(tmp_path: Path) -> None:
    family = FamilyOf(
        "SC/A",
        "A",
        [Shape("X", "int", is_list=True)],
        [({"id": "A1"}, {"X": [1, 1, 2]}), ({"id": "A2"}, {"X": [2]}), ({"id": "A3"}, {"X": None})],
    )
    for wide in (True, False):
        family.wide = wide
        with open_index(write_index(tmp_path / "i.duckdb", [family])) as index:
            assert index.values("X").values.tolist() == [[2, 2], [1, 1]]


def test_values_of_unknown_names_are_errors(index: Index) -> None:
    with pytest.raises(FilterError, match="nearest: FILTER_NAME"):
        index.values("FILTERNAME")
    with pytest.raises(FilterError, match="did you mean CAM"):
        index.values("FILTER_NAME", instrument="CAMM")
    with pytest.raises(FilterError, match="no keyword of these labels is called FILTER_NAME"):
        index.values("FILTER_NAME", instrument="DUST")


def test_values_of_an_instrument_within_a_family_of_several(tmp_path: Path) -> None:
    rows: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"id": "A1", "instrument": "ONE"}, {"X": 1}),
        ({"id": "A2", "instrument": "TWO"}, {"X": 2}),
    ]
    with open_index(write_index(tmp_path / "i.duckdb", [FamilyOf("b/P", "ONE", [Shape("X", "int")], rows)])) as index:
        assert index.values("X", instrument="TWO").values.tolist() == [[2, 1]]


# ------------------------------------------------------------------------------------------------------ whole families


def test_a_family_as_a_table_has_all_products_and_short_names(index: Index) -> None:
    frame = index.table("CAM")
    assert frame["id"].tolist() == ["C1", "C1", "C2", "C5", "C4", "C3"]
    assert frame.columns.tolist() == [
        *DEFAULT_COLUMNS,
        "PHASE_ANGLE",
        "EXPOSURE_DURATION",
        "FILTER_NAME",
        "LINES",
        "SHUTTER_OPEN",
        "SUN_VECTOR",
        "SURFACE_INTERCEPT_DISTANCE",
        "START_TIME",
    ]
    assert frame["SHUTTER_OPEN"].tolist() == [True, True, True, True, True, False]
    assert str(frame["START_TIME"].dtype) == "datetime64[us]"


def test_a_small_family_is_a_table_all_the_same(index: Index) -> None:
    frame = index.table("SC/DUST", columns=["id", "GRAINS", "DUST/CHANNELS"])
    assert frame.to_dict("list")["DUST/CHANNELS"] == [[3, 1, 2], [9]]
    assert frame.columns.tolist() == ["id", "GRAINS", "DUST/CHANNELS"]


def test_columns_filter_and_limit_of_a_table(index: Index) -> None:
    frame = index.table("cam", columns=["kind", "PHASE_ANGLE", "id"], filter="LINES = 1024", limit=3)
    assert frame.values.tolist() == [["data", 11.0, "C1"], ["data", 10.0, "C1"], ["data", 20.0, "C2"]] or (
        frame.values.tolist() == [["data", 10.0, "C1"], ["data", 11.0, "C1"], ["data", 20.0, "C2"]]
    )


def test_a_column_that_is_not_there_is_an_error_with_suggestions(index: Index) -> None:
    with pytest.raises(FilterError, match="no keyword is called LINEZ; nearest: LINES"):
        index.table("CAM", columns=["LINEZ"])


def test_short_names_that_mean_several_paths_are_written_out(tmp_path: Path) -> None:
    families = [
        FamilyOf("SC/A", "A", [Shape("G/X", "int"), Shape("Y", "int")], [({"id": "A1"}, {"G/X": 1, "Y": 2})]),
        FamilyOf("SD/A", "A", [Shape("H/X", "int"), Shape("Y", "int")], [({"id": "A2"}, {"H/X": 3, "Y": 4})]),
    ]
    with open_index(write_index(tmp_path / "i.duckdb", families)) as index:
        frame = index.table("A")
        assert frame.columns.tolist()[-3:] == ["G/X", "H/X", "Y"]
        assert frame["Y"].tolist() == [2, 4]
        assert len(index.table("SD/A")) == 1


# -------------------------------------------------------------------------------------------- what is in it, and what not


def test_what_was_rejected_is_listed_by_path(index: Index) -> None:
    assert index.rejected()["path"].tolist() == ["A/BAD.LBL", "B/BAD.LBL"]
    assert index.rejected()["reason"].tolist() == ["empty file", "no END"]
    assert index.status().rejected == 2


def test_odd_values_come_with_their_product(index: Index) -> None:
    row = index.odd_values().iloc[0]
    assert (row["family"], row["path"], row["text"], row["id"], row["label"]) == (
        "SC/CAM",
        "IMAGE/LINES",
        "many",
        "C3",
        "C3.LBL",
    )


def test_families_roots_and_runs_are_listed(index: Index) -> None:
    assert index.families()[["family", "products", "keywords"]].values.tolist() == [
        ["SC/CAM", 6, 8],
        ["SC/DUST", 2, 4],
        ["SC/SPEC", 2, 3],
    ]
    assert index.roots()["root"].tolist() == ["volume"]
    assert index.runs()["command"].tolist() == ["build"]


def test_the_same_tables_are_there_as_tuples(index: Index) -> None:
    for name in ("keywords", "rejected", "odd_values", "runs", "roots", "families"):
        columns, rows = getattr(index.plain, name)()
        frame = getattr(index, name)()
        assert list(columns) == frame.columns.tolist()
        assert len(rows) == len(frame)
    assert index.plain.values("FILTER_NAME") == (("value", "count"), [("blue", 4), ("red", 2)])


def test_a_name_that_means_several_keywords_is_an_error(tmp_path: Path) -> None:
    family = FamilyOf("SC/A", "A", [Shape("G/X"), Shape("H/X")], [({"id": "A1"}, {})])
    with open_index(write_index(tmp_path / "i.duckdb", [family])) as index:
        with pytest.raises(AmbiguousKeyword):
            index.values("X")
        with pytest.raises(AmbiguousKeyword):
            index.table("A", columns=["X"])


def test_missing_labels_are_a_dict_in_a_frame_too(index: Index) -> None:
    assert index.keywords("LINES")["missing"][0] == {"N/A": 1}
