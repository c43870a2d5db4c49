"""`Index.search`: names, times and filters become the products that match, and nothing else."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.ask import Index, open_index
from tests.index.small_index import FamilyOf, Shape, at, camera, dust, spectrometer, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psalab.results import Results


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("search") / "index.duckdb", [camera(), spectrometer(), dust()])


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with open_index(path) as index:
        yield index


def ids(results: Results) -> list[str]:
    return [product.id for product in results]


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["C1", "S1", "C2", "S2", "D1", "D2", "C4", "C3"]),
        ({"instrument": "cam"}, ["C1", "C2", "C4", "C3"]),
        ({"instrument": ["CAM", "dust"]}, ["C1", "C2", "D1", "D2", "C4", "C3"]),
        ({"instrument": "[CAM]*".strip("[]*") + "*"}, ["C1", "C2", "C4", "C3"]),
        ({"instrument": "?????"[:4]}, ["S1", "S2", "D1", "D2"]),
        ({"mission": "Synthetic Mission", "instrument": "SPEC"}, ["S1", "S2"]),
        ({"dataset": "sc-dust-*"}, ["D1", "D2"]),
        ({"level": "raw"}, ["C1"]),
        ({"level": ["raw", "derived"]}, ["C1"]),
        ({"level": "derived"}, []),
        ({"id": "c2"}, ["C2"]),
        ({"id": ["C2", "S?"]}, ["S1", "C2", "S2"]),
        ({"id": "*1"}, ["C1", "S1", "D1"]),
        ({"id": "nix"}, []),
        ({"id": "%"}, []),
        ({"kind": None}, ["C1", "S1", "C2", "S2", "D1", "C5", "D2", "C4", "C3"]),
        ({"kind": "browse"}, ["C5"]),
        ({"kind": "Document"}, []),
        ({"versions": "all", "id": "C1"}, ["C1", "C1"]),
        ({"limit": 2}, ["C1", "S1"]),
        ({"limit": 0}, []),
    ],
)
def test_names_are_compared_in_any_case_with_wildcards(index: Index, arguments: Any, expected: list[str]) -> None:
    results = index.search(**arguments)
    assert ids(results) == expected
    assert len(results) == len(expected)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("67P", ["C1", "C2", "D1", "C4", "C3"]),
        ("67p/churyumov-gerasimenko 1 (1969 R1)", ["C1", "C2", "D1", "C4", "C3"]),
        ("Gerasimenko", ["C1", "C2", "D1", "C4", "C3"]),
        ("PHOBOS", ["S1", "S2"]),
        ("mars", ["S1", "S2", "D2"]),
        (["PHOBOS", "67P"], ["C1", "S1", "C2", "S2", "D1", "C4", "C3"]),
        ("M*", ["S1", "S2", "D2"]),
    ],
)
def test_any_target_counts_also_by_a_whole_word(index: Index, target: Any, expected: list[str]) -> None:
    assert ids(index.search(target=target)) == expected


def test_the_answer_says_what_a_name_became(index: Index) -> None:
    assert index.search(target="67P").notes == ("67P -> 67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)",)
    assert index.search(target="mars").notes == ()
    assert index.search(mission="Synthetic").notes == ("Synthetic -> SYNTHETIC MISSION",)
    assert "67P -> 67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)" in repr(index.search(target="67P"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"instrument": "CAMM"}, "instrument='CAMM': this index knows no such instrument; did you mean CAM?"),
        ({"instrument": "XYZ"}, "it knows CAM, DUST, SPEC"),
        ({"mission": "Qwertz"}, "it knows SYNTHETIC MISSION"),
        ({"dataset": "SC-CAM-V2.0"}, "did you mean SC-CAM-V1.0 or"),
        ({"target": "67"}, "did you mean 67P?"),
        ({"target": "PHOBOS2"}, "did you mean PHOBOS?"),
        ({"target": "X*"}, "this index knows no such target"),
        ({"level": "row"}, "did you mean raw?"),
        ({"kind": "brows"}, "did you mean browse?"),
        ({"instrument": ["CAM", "DUSTY"]}, "did you mean DUST?"),
        ({"instrument": 5}, "expected a text, or a list of texts"),
        ({"instrument": ""}, "expected a text"),
        ({"instrument": []}, "expected a text"),
        ({"id": [1]}, "expected a text"),
        ({"versions": "newest"}, "expected 'latest' or 'all'"),
        ({"limit": -1}, "expected a number of rows"),
        ({"limit": True}, "expected a number of rows"),
        ({"limit": "many"}, "expected a number of rows"),
        ({"keywords": [""]}, "expected names of keywords"),
        ({"keywords": [5]}, "expected names of keywords"),
    ],
)
def test_what_the_index_does_not_know_is_an_error_with_suggestions(index: Index, arguments: Any, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        index.search(**arguments)
    assert said in str(caught.value)


def test_an_index_without_products_answers(tmp_path: Path) -> None:
    with open_index(write_index(tmp_path / "empty.duckdb", [])) as index:
        assert len(index.search()) == 0
        assert index.keywords().empty
        with pytest.raises(FilterError, match="it has none at all"):
            index.search(instrument="CAM")
        with pytest.raises(FilterError, match="no keyword is called X"):
            index.search(filter="X < 3")


# ------------------------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (("2014-08-01", "2014-08-02"), ["C1", "S1"]),
        (("2014-08-01", "2014-09-01"), ["C1", "S1", "C2", "S2", "D1", "D2"]),
        (("2014-08-01", "2014-09-01T00:00:00.000001"), ["C1", "S1", "C2", "S2", "D1", "D2", "C4"]),
        (("2014-08-03T12:00:00", "2014-08-03T13:00:00"), ["D1"]),
        (("2014-08-04", "2014-08-05"), ["D1"]),
        (("2014-08-04T00:00:01", "2014-08-05"), []),
        (("2014-08-09", None), ["D2", "C4"]),
        ((None, "2014-08-01T12:00:00"), ["C1"]),
        ((None, None), ["C1", "S1", "C2", "S2", "D1", "D2", "C4"]),
        (("2014-213", "2014-214"), ["C1", "S1"]),
        ((date(2014, 8, 1), datetime(2014, 8, 2)), ["C1", "S1"]),
        ((pd.Timestamp("2014-08-01"), pd.Timestamp("2014-08-02")), ["C1", "S1"]),
        (["2014-08-01 00:00", "2014-08-02"], ["C1", "S1"]),
        ((datetime(2014, 8, 1, 11, tzinfo=timezone(timedelta(hours=1))), "2014-08-01T11:00"), ["C1"]),
    ],
)
def test_products_that_overlap_a_half_open_interval(index: Index, time: Any, expected: list[str]) -> None:
    assert ids(index.search(time=time)) == expected


@pytest.mark.parametrize(
    ("time", "said"),
    [
        ("2014-08-01", "expected (start, end)"),
        (("2014-08-01",), "expected (start, end)"),
        (("2014-08-02", "2014-08-01"), "the end must be later than the start"),
        (("2014-08-01", "2014-08-01"), "the end must be later than the start"),
        (("soon", None), "expected a time such as 2014-08-01"),
        ((5, None), "expected a text, a datetime or a date"),
    ],
)
def test_times_that_are_none_are_refused(index: Index, time: Any, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        index.search(time=time)
    assert said in str(caught.value)


# ------------------------------------------------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("PHASE_ANGLE < 30", ["C1", "S1", "C2"]),
        ("PHASE_ANGLE < 30 and SURFACE_INTERCEPT_DISTANCE < 85 km", ["C2"]),
        ("sc:surface_intercept_distance < 85000 m", ["C2", "C4", "C3"]),
        ("FILTER_NAME = 'red'", ["C4"]),
        ("FILTER_NAME != 'red'", ["C1", "C2", "C3"]),
        ("LINES is null", ["C3"]),
        ("PHASE_ANGLE > 15 or PHASE_ANGLE <= 15", ["C1", "S1", "C2", "S2", "C4"]),
        ("EXPOSURE_DURATION < 1 s", ["S1", "C2", "S2", "D2"]),
        ("EXPOSURE_DURATION <= 400 ms", ["S1", "D2"]),
        ("SUN_VECTOR < 2 km", []),
        ("SUN_VECTOR = 30 km", ["C3"]),
        ("SHUTTER_OPEN = false", ["C3"]),
        ("CHANNELS = 2", ["D1"]),
        ("CHANNELS != 2", ["D2"]),
        ("GRAINS > 5", ["D1"]),
        ("GRAINS is null", ["D2"]),
        ("COMMENT like '%loud%'", ["D1"]),
        ("LENGTH < 2000 m", ["S2"]),
        ("CAMERA_START > 5", None),
        ("START_TIME > 2014-08-01T12:00:00", ["C2", "C4"]),
    ],
)
def test_a_filter_over_any_keywords(index: Index, condition: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(FilterError, match="no keyword is called"):
            index.search(filter=condition)
        return
    results = index.search(filter=condition)
    assert ids(results) == expected
    assert len(results) == len(expected)
    assert results.df["id"].tolist() == expected


def test_keywords_of_the_filter_become_columns_as_they_were_written(index: Index) -> None:
    results = index.search(filter="phase_angle < 30 and IMAGE/FILTER_NAME = 'blue'", keywords=["LINES"])
    assert results.columns[-3:] == ("LINES", "phase_angle", "IMAGE/FILTER_NAME")
    assert [product.as_dict()["phase_angle"] for product in results] == [10.0, 20.0]


def test_families_without_the_keywords_are_left_out_and_named(index: Index) -> None:
    results = index.search(filter="PHASE_ANGLE < 30 and EXPOSURE_DURATION < 100 s")
    assert ids(results) == ["C1", "S1", "C2"]
    assert [(family.family, family.products, family.reason) for family in results.left_out] == [
        ("SC/DUST", 2, "no keyword is called PHASE_ANGLE")
    ]
    assert "left out: 2 products of 1 family that cannot be asked (SC/DUST)" in repr(results)


def test_families_that_the_other_arguments_exclude_are_not_left_out(index: Index) -> None:
    assert index.search(instrument="CAM", filter="PHASE_ANGLE < 30").left_out == ()


def test_products_without_a_value_are_counted(index: Index) -> None:
    results = index.search(filter="PHASE_ANGLE < 30")
    assert results.without_value == 1
    assert results.notes == ("no value for a keyword of the filter: 1 product",)
    assert index.search(filter="GRAINS > 5").without_value == 1
    assert index.search(filter="PHASE_ANGLE is null").without_value == 0
    assert index.search().without_value == 0


def test_other_arguments_and_the_filter_hold_together(index: Index) -> None:
    assert ids(index.search(filter="PHASE_ANGLE < 90", level="raw")) == ["C1"]
    assert ids(index.search(filter="PHASE_ANGLE < 90", versions="all", id="C1")) == ["C1", "C1"]
    assert ids(index.search(filter="PHASE_ANGLE < 90", kind=None, instrument="CAM")) == ["C1", "C2", "C5", "C4"]
    assert ids(index.search(filter="EXPOSURE_DURATION < 1 h", target="MARS", time=("2014-08-02", None))) == ["S2", "D2"]
    assert ids(index.search(filter="EXPOSURE_DURATION < 1 h", target="67P", limit=2)) == ["C1", "C2"]
    assert ids(index.search(filter="GRAINS = 7", instrument="DUST", level="raw")) == []


def test_an_unknown_name_is_shown_at_its_place_with_the_nearest_names(index: Index) -> None:
    with pytest.raises(FilterError) as caught:
        index.search(filter="FILTER_NAME = 'red' and PHASE_ANGEL < 30")
    assert str(caught.value).splitlines() == [
        "no keyword is called PHASE_ANGEL; nearest: PHASE_ANGLE",
        "    FILTER_NAME = 'red' and PHASE_ANGEL < 30",
        "                            ~~~~~~~~~~^",
    ]


def test_a_keyword_that_only_other_instruments_have_says_so(index: Index) -> None:
    with pytest.raises(FilterError, match="no keyword of these labels is called GRAINS"):
        index.search(instrument="CAM", filter="GRAINS > 5")


def test_keywords_that_no_family_has_together_say_who_has_which(index: Index) -> None:
    with pytest.raises(FilterError, match=r"no family .* GRAINS is in SC/DUST; LINES is in SC/CAM"):
        index.search(filter="GRAINS > 5 and LINES > 3")


def test_a_mistake_in_the_grammar_shows_its_place(index: Index) -> None:
    with pytest.raises(FilterError, match=r"(?s)expected.*PHASE_ANGLE <\n +\^"):
        index.search(filter="PHASE_ANGLE <")
    with pytest.raises(FilterError):
        index.search(filter=5)  # type: ignore[arg-type]


def test_a_bare_number_is_refused_where_families_use_different_units(index: Index) -> None:
    with pytest.raises(FilterError) as caught:
        index.search(filter="EXPOSURE_DURATION < 1")
    assert str(caught.value).splitlines()[0] == (
        "EXPOSURE_DURATION comes in different units (s, ms): say which one is meant, such as 1 s, or name an instrument"
    )
    assert ids(index.search(instrument="CAM", filter="EXPOSURE_DURATION < 1")) == ["C2"]


def test_a_constant_that_fits_one_family_alone_leaves_the_others_out(tmp_path: Path) -> None:
    one = FamilyOf("SC/A", "A", [Shape("X", "text")], [({"id": "A1"}, {"X": "7"})])
    other = FamilyOf("SC/B", "B", [Shape("X", "int")], [({"id": "B1"}, {"X": 7})])
    with open_index(write_index(tmp_path / "i.duckdb", [one, other])) as index:
        numbers = index.search(filter="X = 7")
        assert ids(numbers) == ["B1"]
        assert numbers.left_out[0].family == "SC/A"
        assert "X holds text, not a number" in numbers.left_out[0].reason
        assert ids(index.search(filter="X = '7'")) == ["A1"]
        with pytest.raises(FilterError, match="holds"):
            index.search(filter="X = true")


def test_a_name_that_means_several_keywords_is_refused_or_leaves_the_family_out(tmp_path: Path) -> None:
    one = FamilyOf("SC/A", "A", [Shape("G/X", "int"), Shape("H/X", "int")], [({"id": "A1"}, {"G/X": 1, "H/X": 2})])
    other = FamilyOf("SC/B", "B", [Shape("X", "int")], [({"id": "B1"}, {"X": 1})])
    with open_index(write_index(tmp_path / "i.duckdb", [one, other])) as index:
        with pytest.raises(AmbiguousKeyword, match="X means 2 keywords: G/X, H/X"):
            index.search(instrument="A", filter="X = 1")
        assert ids(index.search(filter="G/X = 1")) == ["A1"]
        results = index.search(filter="X = 1")
        assert ids(results) == ["B1"]
        assert "X means 2 keywords" in results.left_out[0].reason
        asked = index.search(keywords=["X"])
        assert asked.df["X"].isna().tolist() == [True, False]
        assert "X means 2 keywords" in asked.notes[0]


# ---------------------------------------------------------------------------------------------------------- keywords


def test_keywords_become_columns_over_all_families(index: Index) -> None:
    frame = index.search(keywords=["PHASE_ANGLE", "GRAINS", "CHANNELS", "COMMENT"]).df.set_index("id")
    assert frame["PHASE_ANGLE"].dropna().to_dict() == {"C1": 10.0, "S1": 5.0, "C2": 20.0, "S2": 60.0, "C4": 40.0}
    assert frame["GRAINS"].dropna().to_dict() == {"D1": 7}
    assert str(frame["GRAINS"].dtype) == "Int64"
    assert frame["CHANNELS"].dropna().to_dict() == {"D1": [3, 1, 2], "D2": [9]}
    assert frame["COMMENT"].dropna().to_dict() == {"D1": "<b>loud</b>", "D2": "calm"}


def test_units_that_disagree_between_families_are_converted_and_said(index: Index) -> None:
    results = index.search(keywords=["EXPOSURE_DURATION"])
    assert results.units["EXPOSURE_DURATION"] == "s"
    assert results.notes == ("EXPOSURE_DURATION: ms converted to s",)
    values = dict(zip(results["id"], results["EXPOSURE_DURATION"], strict=True))
    assert values == {"C1": 1.5, "S1": 0.4, "C2": 0.5, "S2": 0.9, "D1": 60.0, "D2": 0.25, "C4": 3.5, "C3": 2.5}


def test_units_that_disagree_within_a_family_are_converted_row_by_row(index: Index) -> None:
    results = index.search(keywords=["LENGTH"], instrument="SPEC")
    assert results.units["LENGTH"] == "km"
    assert results["LENGTH"].tolist() == [3.0, 1.5]


def test_units_that_cannot_be_converted_stay_and_are_said(tmp_path: Path) -> None:
    one = FamilyOf("SC/A", "A", [Shape("X", "float", "km")], [({"id": "A1"}, {"X": 1.0}), ({"id": "A2"}, {"X": 2.0})])
    other = FamilyOf("SC/B", "B", [Shape("X", "float", "furlong")], [({"id": "B1"}, {"X": 3.0})])
    with open_index(write_index(tmp_path / "i.duckdb", [one, other])) as index:
        results = index.search(keywords=["X"])
        assert results["X"].tolist() == [1.0, 2.0, 3.0]
        assert results.notes == ("X: units disagree, values in furlong are not converted to km",)


def test_types_that_disagree_between_families_are_brought_together(tmp_path: Path) -> None:
    begin = at("2014-08-01T00:00:00")
    families = [
        FamilyOf(
            "SC/A",
            "A",
            [Shape("X", "int"), Shape("Y", "int"), Shape("Z", "time")],
            [({"id": "A"}, {"X": 1, "Y": 2, "Z": begin})],
        ),
        FamilyOf(
            "SC/B",
            "B",
            [Shape("X", "float"), Shape("Y", "text"), Shape("Z", "text")],
            [({"id": "B"}, {"X": 1.5, "Y": "b", "Z": "c"})],
        ),
        FamilyOf("SC/C", "C", [Shape("X", "int", is_list=True)], [({"id": "C"}, {"X": [4, 5]})]),
    ]
    with open_index(write_index(tmp_path / "i.duckdb", families)) as index:
        frame = index.search(keywords=["X", "Y", "Z"]).df
        assert frame["X"].tolist() == [[1.0], [1.5], [4.0, 5.0]]
        assert frame["Y"].tolist()[:2] == ["2", "b"]
        assert frame["Z"].tolist()[:2] == ["2014-08-01 00:00:00", "c"]


@pytest.mark.parametrize("wide", [True, False])
def test_a_family_where_no_label_has_a_value_does_not_turn_numbers_to_text(tmp_path: Path, wide: bool) -> None:
    one = FamilyOf("SC/A", "A", [Shape("X", "float", "km")], [({"id": "A1"}, {"X": 1.5})])
    none = FamilyOf("SC/B", "B", [Shape("X", "text")], [({"id": "B1"}, {"X": None})], wide=wide)
    with open_index(write_index(tmp_path / "i.duckdb", [one, none])) as index:
        assert str(index.search(keywords=["X"]).df["X"].dtype) == "float64"
        results = index.search(filter="X < 2000")
        assert ids(results) == ["A1"]
        assert results.left_out == ()
        assert results.without_value == 1
        assert ids(index.search(filter="X is null")) == ["B1"]
        converted = index.search(filter="X < 2000 m")
        assert ids(converted) == ["A1"]
        assert converted.left_out == ()


def test_keywords_that_differ_in_case_only_are_two_columns(tmp_path: Path) -> None:
    shapes = [Shape("a/Angle", "int"), Shape("a/other", "int")]
    path = write_index(
        tmp_path / "i.duckdb",
        [FamilyOf("b/P", "A", shapes, [({"id": "A"}, {"a/Angle": 1, "a/other": 2})])],
        "update keywords set path = 'a/angle', name = 'angle' where path = 'a/other'",
    )
    with open_index(path) as index:
        results = index.search(keywords=["a/Angle", "a/angle"])
        assert results.df[["a/Angle", "a/angle"]].values.tolist() == [[1, 2]]
        assert results.sort("a/angle").summary("a/Angle")["products"].tolist() == [1]


def test_a_keyword_beyond_the_width_of_a_table_is_found_in_the_long_table(tmp_path: Path) -> None:
    family = FamilyOf(
        "SC/A",
        "A",
        [Shape("X", "int"), Shape("Y", "int")],
        [({"id": "A1"}, {"X": 1, "Y": 5}), ({"id": "A2"}, {"X": 2})],
    )
    path = write_index(
        tmp_path / "i.duckdb",
        [family],
        """
        update keywords set column_name = null where path = 'Y';
        alter table meta."SC/A" drop column "Y";
        insert into meta.other select product_key, 'SC/A', 'Y', 5, null, '5', null from products where id = 'A1';
        """,
    )
    with open_index(path) as index:
        assert ids(index.search(filter="Y = 5 and X = 1")) == ["A1"]
        assert ids(index.search(filter="Y is null")) == ["A2"]
        frame = index.search(keywords=["X", "Y"]).df
        assert frame[["X", "Y"]].fillna(-1).values.tolist() == [[1, 5], [2, -1]]
        assert index.values("Y").values.tolist() == [[5, 1]]
        assert index.table("A")["Y"].fillna(-1).tolist() == [5, -1]


def test_an_unknown_keyword_is_an_error_with_suggestions(index: Index) -> None:
    with pytest.raises(FilterError, match="no keyword is called PHASE_ANGEL; nearest: PHASE_ANGLE"):
        index.search(keywords=["PHASE_ANGEL"])
    with pytest.raises(FilterError, match="no keyword is called nix"):
        index.search().with_keywords("nix")


def test_columns_of_products_may_be_asked_for_by_name(index: Index) -> None:
    assert index.search(keywords=["id", "LINES", "LINES"]).columns[-1] == "LINES"
    assert index.search(keywords="LINES").columns[-1] == "LINES"


def test_narrowing_is_the_same_as_asking_for_both(index: Index) -> None:
    step = index.search(filter="PHASE_ANGLE < 50").filter("EXPOSURE_DURATION > 1 s")
    once = index.search(filter="PHASE_ANGLE < 50 and EXPOSURE_DURATION > 1 s")
    assert step.rows() == once.rows()
    assert ids(index.search().filter("GRAINS > 5")) == ["D1"]
    assert [family.family for family in index.search().filter("GRAINS > 5").left_out] == ["SC/CAM", "SC/SPEC"]


def test_names_with_quotes_do_no_harm(tmp_path: Path) -> None:
    evil = """x"'; drop table products; --"""
    family = FamilyOf(f"SC/{evil}", evil, [Shape(evil, "text")], [({"id": evil, "root": evil}, {evil: evil})])
    with open_index(write_index(tmp_path / "i.duckdb", [family])) as index:
        results = index.search(instrument=evil, id=evil, keywords=[evil])
        assert results[0][evil] == evil
        assert results.df[evil].tolist() == [evil]
        filtered = index.search(filter=f"`{evil}` = '{evil.replace(chr(39), 2 * chr(39))}'")
        assert len(filtered) == 1
        assert index.table(evil).shape == (1, 14)
        assert index.values(evil)["value"].tolist() == [evil]


# --------------------------------------------------------------------------------------------- against a plain reading

PRODUCTS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),  # instrument, and family
        st.sampled_from(["raw", "calibrated", None]),
        st.sampled_from(["data", "data", "browse"]),
        st.booleans(),  # latest
        st.none() | st.integers(0, 20),  # start, in hours
        st.none() | st.integers(0, 5),  # duration
        st.none() | st.integers(0, 9),  # X
    ),
    max_size=12,
)
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "instrument": st.sampled_from(["a", "A", ["B", "c"], "*"]),
        "level": st.sampled_from(["raw", ["raw", "calibrated"]]),
        "kind": st.sampled_from([None, "data", ["data", "browse"]]),
        "versions": st.sampled_from(["all", "latest"]),
        "limit": st.integers(0, 5),
        "time": st.tuples(st.none() | st.integers(0, 10), st.none() | st.integers(11, 25)),
        "filter": st.integers(0, 9),
    },
)
START = at("2014-08-01T00:00:00")


def plain_answer(rows: list[Any], question: dict[str, Any]) -> list[str]:
    """Answer by looking at each product."""

    names = question.get("instrument", "*")
    wanted = {"A", "B", "C"} if names == "*" else {name.upper() for name in names}
    kinds = question.get("kind", "data")
    low, high = question.get("time", (None, None))

    def fits(row: Any) -> bool:
        instrument, level, kind, latest, start, duration, x = row
        conditions = [
            instrument in wanted,
            "level" not in question or (level is not None and level in question["level"]),
            kinds is None or kind in kinds,
            latest or question.get("versions") == "all",
            "filter" not in question or (x is not None and x < question["filter"]),
        ]
        if "time" in question:
            stop = start if start is None or duration is None else start + duration
            conditions.append(start is not None and (low is None or stop >= low) and (high is None or start < high))
        return all(conditions)

    found = [(row[4] is None, row[4], f"P{place:02}") for place, row in enumerate(rows) if fits(row)]
    return [name for _, _, name in sorted(found, key=lambda item: (item[0], item[1] or 0, item[2]))][
        : question.get("limit")
    ]


@settings(max_examples=25)
@given(rows=PRODUCTS, question=QUESTIONS)
def test_an_answer_is_what_a_look_at_each_product_gives(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], question: dict[str, Any]
) -> None:
    families = {
        name: FamilyOf(f"SC/{name}", name, [Shape("X", "int"), Shape("Y", "int")], wide=name != "C") for name in "ABC"
    }
    for place, (instrument, level, kind, latest, start, duration, x) in enumerate(rows):
        begin = None if start is None else START + timedelta(hours=start)
        end = None if begin is None or duration is None else begin + timedelta(hours=duration)
        product = {"level": level, "kind": kind, "latest": latest, "start_time": begin, "stop_time": end}
        families[instrument].rows.append(({"id": f"P{place:02}", **product}, {"X": x, "Y": place}))
    # an index that knows each name that may be asked for
    for name, family in families.items():
        for kind in ("data", "browse"):
            product = {"level": "raw", "kind": kind, "latest": False, "start_time": None, "stop_time": None}
            family.rows.append(({"id": f"{name}-{kind}", **product}, {}))
    asked = dict(question)
    if "time" in asked:
        asked["time"] = tuple(None if hour is None else START + timedelta(hours=hour) for hour in asked["time"])
    if "filter" in asked:
        asked["filter"] = f"X < {asked['filter']}"
    with open_index(write_index(tmp_path_factory.mktemp("plain") / "i.duckdb", list(families.values()))) as index:
        results = index.search(**asked, keywords=["Y"])
        answer = [(product.id, product.Y) for product in results if "-" not in product.id]
        if "limit" not in question:
            expected = plain_answer(rows, question)
            assert answer == [(name, int(name[1:])) for name in expected]
            assert results.df["Y"].dropna().tolist() == [int(name[1:]) for name in expected]
        assert len(list(results)) == len(results) == len(results.df)
        assert results.complete == ("limit" not in question or question["limit"] >= results._source.found())
