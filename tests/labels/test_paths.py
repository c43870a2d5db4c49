"""Which keyword a name means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.labels.paths import PathIndex, resolve, suggest

PDS3 = [
    "PHASE_ANGLE",
    "IMAGE_POI/ROSETTA:SURFACE_INTERCEPT_DISTANCE",
    "SC_COORDINATE_SYSTEM/COORDINATE_SYSTEM_NAME",
    "IMAGE_POI/COORDINATE_SYSTEM_NAME",
    "SR_PROCESSING/PHASE_ANGLE",
]
PDS4 = [
    "pds:Observation_Area/pds:Time_Coordinates/pds:start_date_time",
    "pds:Identification_Area/pds:title",
    "img:Exposure/img:title",
]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("IMAGE_POI/ROSETTA:SURFACE_INTERCEPT_DISTANCE", PDS3[1]),
        ("ROSETTA:SURFACE_INTERCEPT_DISTANCE", PDS3[1]),
        ("SURFACE_INTERCEPT_DISTANCE", PDS3[1]),
        ("surface_intercept_distance", PDS3[1]),
        ("image_poi/Surface_Intercept_Distance", PDS3[1]),
        ("image_poi/coordinate_system_name", PDS3[3]),
        ("start_date_time", PDS4[0]),
        ("pds:Time_Coordinates/pds:start_date_time", PDS4[0]),
        ("Time_Coordinates/pds:start_date_time", PDS4[0]),
        ("PDS:TIME_COORDINATES/START_DATE_TIME", PDS4[0]),
        ("img:title", PDS4[2]),
    ],
)
def test_a_path_may_be_cut_from_the_left_in_any_case_with_or_without_namespace(name: str, path: str) -> None:
    assert resolve(name, PDS3 + PDS4) == path


def test_a_whole_path_wins_over_longer_ones_in_any_case_and_without_namespace() -> None:
    assert resolve("PHASE_ANGLE", PDS3) == "PHASE_ANGLE"
    assert resolve("phase_angle", PDS3) == "PHASE_ANGLE"
    assert resolve("x", ["NS:X", "GROUP/X"]) == "NS:X"


def test_paths_that_differ_in_case_only_are_told_apart_by_writing_them_exactly() -> None:
    paths = PathIndex(["a:Class/a:value", "a:Class/a:Value"])
    assert paths.resolve("a:Class/a:Value") == "a:Class/a:Value"
    with pytest.raises(AmbiguousKeyword):
        paths.resolve("A:CLASS/A:VALUE")


def test_paths_that_differ_in_namespace_only_are_told_apart_by_writing_it() -> None:
    paths = PathIndex(["GROUP/X", "GROUP/NS:X"])
    assert paths.resolve("ns:x") == "GROUP/NS:X"
    assert paths.resolve("group/x") == "GROUP/X"


@pytest.mark.parametrize(
    "name", ["DISTANCE", "INTERCEPT_DISTANCE", "OTHER:SURFACE_INTERCEPT_DISTANCE", "I/PHASE_ANGLE", ""]
)
def test_steps_are_whole(name: str) -> None:
    assert PathIndex(PDS3).find(name) is None


def test_an_ambiguous_name_is_answered_with_the_candidates() -> None:
    with pytest.raises(AmbiguousKeyword) as caught:
        resolve("COORDINATE_SYSTEM_NAME", PDS3)
    assert str(caught.value) == (
        "COORDINATE_SYSTEM_NAME means 2 keywords: SC_COORDINATE_SYSTEM/COORDINATE_SYSTEM_NAME, "
        "IMAGE_POI/COORDINATE_SYSTEM_NAME. Write more steps of the path."
    )


def test_of_many_candidates_a_few_are_named() -> None:
    with pytest.raises(AmbiguousKeyword, match=r"means 20 keywords: G0/X, .*, G5/X and 14 more\."):
        resolve("X", [f"G{i}/X" for i in range(20)])


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(FilterError) as caught:
        resolve("phase_angel", PDS3)
    assert str(caught.value) == "no keyword is called phase_angel; nearest: PHASE_ANGLE, SR_PROCESSING/PHASE_ANGLE"
    with pytest.raises(FilterError) as caught:
        resolve("qqqq", PDS3)
    assert str(caught.value) == "no keyword is called qqqq"


def test_all_paths_that_end_in_the_name() -> None:
    assert PathIndex(PDS3 + PDS4).find_all("title") == PDS4[1:]
    assert PathIndex(PDS3).find_all("nothing") == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SURFACE_INTERCEPT_DIST", PDS3[1]),
        ("star_date_time", PDS4[0]),
        ("IMAGE_POI/COORDINATE_NAME", PDS3[3]),
        ("Time_Coordinate/start_time", PDS4[0]),
    ],
)
def test_nearest_names_by_last_step_or_whole_path(name: str, nearest: str) -> None:
    assert suggest(name, PDS3 + PDS4)[0] == nearest


STEP = st.builds(
    lambda space, name: f"{space}:{name}" if space else name, st.sampled_from(["", "A", "b"]), st.sampled_from("XYz")
)
PATH = st.lists(STEP, min_size=1, max_size=3).map("/".join)


def means(name: str, path: str) -> bool:
    """The rule, written as slowly and plainly as can be."""
    wanted, own = name.lower().split("/"), path.lower().split("/")
    return len(own) >= len(wanted) and all(
        step in (full, full.split(":")[-1]) for step, full in zip(reversed(wanted), reversed(own), strict=False)
    )


@given(PATH, st.lists(PATH, unique=True))
def test_the_index_finds_what_the_rule_says(name: str, paths: list[str]) -> None:
    assert PathIndex(paths).find_all(name) == [path for path in paths if means(name, path)]


@given(st.lists(PATH, min_size=1, unique=True), st.data())
def test_every_path_can_be_named(paths: list[str], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths))
    assert resolve(path, paths) == path
