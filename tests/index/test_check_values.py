"""Checks of values against those of the family: ranges, units, kinds, and keywords that are lacking."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.index.check_codes import Finding
from psalab.index.check_values import fence
from tests.index.checked import brief, camera, check, series

if TYPE_CHECKING:
    from pathlib import Path

#: A family whose keywords are in the long table, and one that has a wide table.
SIZES = [40, 150]


def valued(values: list[str], keyword: str = "X") -> dict[str, str]:
    """A label for each value of a keyword."""
    return {f"P{n:03}.LBL": camera(f"{keyword} = {value}", id=f"P{n:03}") for n, value in enumerate(values)}


# --------------------------------------------------------------------------------------------------------------- fence


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.0, 2.0, (-16.0, 17.0, 0.0)),
        (1.0, 2.0, (-10.0, 10.0, 0.01)),
        (1.0, 10_000.0, (-1_000_000.0, 1_000_000.0, 0.0)),
        (-2.0, -1.0, (-10.0, 10.0, 0.01)),
        (5.0, 5.0, (-500.0, 500.0, 0.05)),
        (0.0, 3.0, (-18.0, 18.0, 0.0)),
        (0.0, 0.0, (-math.inf, math.inf, 0.0)),
        (math.nan, 1.0, (-math.inf, math.inf, 0.0)),
    ],
)
def test_the_fence_is_several_times_as_wide_as_the_range(
    low: float, high: float, expected: tuple[float, float, float]
) -> None:
    assert fence(low, high) == expected


def test_no_angle_is_beyond_a_full_circle_where_all_the_others_are_within() -> None:
    assert fence(0.0, 180.0, angle=True) == (-360.0, 360.0, 0.0)
    assert fence(1.0, 2.0, angle=True).small == 0.0
    assert fence(0.0, 720.0, angle=True).high > 720


def test_a_range_of_time_is_at_least_a_year_wide() -> None:
    assert fence(1.4e9, 1.4e9 + 60, time=True).high == pytest.approx(1.4e9 + 60 + 5 * 365.25 * 86_400)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_what_is_in_the_range_is_never_outside_the_fence(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = fence(low, high)
    assert found.low <= low
    assert high <= found.high
    assert all(abs(end) >= found.small for end in (low, high))


# -------------------------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize("count", SIZES)
def test_a_value_a_thousand_times_too_large_is_a_doubt(tmp_path: Path, count: int) -> None:
    values = [f"{100 + n % 37} <km>" for n in range(count)]
    values[7] = "107000 <km>"
    (finding,) = check(tmp_path, valued(values))
    assert finding == Finding(
        code="value-outlier",
        severity="doubt",
        dataset="SC-X-CAM-2-TEST-V1.0",
        root="volume",
        path="P007.LBL",
        line=7,
        about="X",
        found="107000 km",
        expected=finding.expected,
    )
    assert finding.expected.startswith("as the others: 98 % are between 100 and 13")


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        (range(100, 130), "0.1"),
        (range(100, 130), "-5000"),
        (range(-5, 6), "500"),
        ([12.5], "12500"),
        (range(0, 180, 7), "9999 <deg>"),
        ([293.15, 295.2, 291.1], "1e37"),
    ],
)
def test_other_values_that_are_outside(tmp_path: Path, count: int, usual: list[float], odd: str) -> None:
    unit = odd[odd.index("<") :] if "<" in odd else ""
    usual = list(usual)
    values = [f"{usual[n % len(usual)]} {unit}" for n in range(count)]
    values[11] = odd
    assert brief(check(tmp_path, valued(values))) == [("value-outlier", "doubt", "P011.LBL")]


def test_a_time_of_another_age_is_a_doubt(tmp_path: Path) -> None:
    values = [f"2014-08-{1 + n % 28:02}T10:00:00" for n in range(50)]
    values[3] = "1914-08-04T10:00:00"
    (finding,) = check(tmp_path, valued(values, "START_TIME"))
    assert (finding.path, finding.found) == ("P003.LBL", "1914-08-04 10:00:00")


@pytest.mark.parametrize(
    "values",
    [
        [str(10 ** (n % 8)) for n in range(60)],
        [str(2**n) for n in range(50)],
        [str(random.Random(1).gauss(0, 1)) for _ in range(300)],
        [str(random.Random(2).paretovariate(1.1)) for _ in range(300)],
        [f"{n * n * n} <km>" for n in range(120)],
        ["0"] * 99 + ["5"],
        [f"{n * 1.8:.3f} <deg>" for n in range(1, 200)] + ["0.0001 <deg>"],
        ["1", "1000000"] * 30,
    ],
    ids=["decades", "powers", "normal", "heavy tail", "approach", "mostly zero", "angles", "two kinds"],
)
def test_values_that_vary_have_no_outliers(tmp_path: Path, values: list[str]) -> None:
    assert check(tmp_path, valued(values)) == []


def test_an_element_of_a_sequence_can_be_outside(tmp_path: Path) -> None:
    values = [f"({n}.5, -{n}.5, {n % 7}.0)" for n in range(1, 120)]
    values[50] = "(50.5, 8.4e37, 1.0)"
    (finding,) = check(tmp_path, valued(values))
    assert (finding.path, finding.found) == ("P050.LBL", "8.4e+37")


def test_text_among_numbers_is_a_doubt(tmp_path: Path) -> None:
    values = [str(n) for n in range(150)]
    values[9] = '"TOO COLD"'
    (finding,) = check(tmp_path, valued(values))
    assert (finding.code, finding.path, finding.found) == ("value-outlier", "P009.LBL", "TOO COLD")


def test_what_half_of_a_data_set_has_is_its_habit(tmp_path: Path) -> None:
    """A calibration campaign of two images among a thousand is no fault, however far away."""
    files = valued([str(100 + n % 30) for n in range(300)])
    for n in (1, 2):
        files[f"STAR/S{n}.LBL"] = camera("X = 5000000", id=f"S{n}", dataset="SC-CAL-CAM-2-STAR-V1.0")
    assert check(tmp_path, files) == []


def test_pointers_are_places_in_a_file_not_measurements(tmp_path: Path) -> None:
    files = {f"P{n:03}.IMG": camera(f"^IMAGE = {900_000 if n == 5 else 5}", id=f"P{n:03}") for n in range(60)}
    assert check(tmp_path, files) == []


# --------------------------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize(("odd", "said"), [("107 <m>", "the unit m"), ("107", "no unit")])
def test_a_unit_that_no_other_label_has_is_a_doubt(tmp_path: Path, count: int, odd: str, said: str) -> None:
    values = [f"{100 + n % 37} <km>" for n in range(count)]
    values[7] = odd
    (finding,) = check(tmp_path, valued(values))
    assert (finding.code, finding.path, finding.line, finding.about) == ("unit-outlier", "P007.LBL", 7, "X")
    assert (finding.found, finding.expected) == (said, f"the unit km, as in {count - 1} other labels")


def test_units_that_are_spelled_otherwise_are_the_same(tmp_path: Path) -> None:
    values = [f"{n} <deg>" for n in range(60)]
    assert check(tmp_path, valued([*values[:30], "30 <DEGREES>", *values[31:]])) == []


def test_a_data_set_with_units_of_its_own_is_no_fault(tmp_path: Path) -> None:
    files = valued([f"{100 + n % 37} <km>" for n in range(300)])
    for n in (1, 2):
        files[f"OLD/S{n}.LBL"] = camera("X = 101000 <m>", id=f"S{n}", dataset="SC-X-CAM-2-OLD-V1.0")
    assert check(tmp_path, files) == []


# ------------------------------------------------------------------------------------------------------------ keywords


@pytest.mark.parametrize("count", SIZES)
def test_a_keyword_that_all_the_others_have_is_missed(tmp_path: Path, count: int) -> None:
    files = series(count, "X = #; Y = 5", P007="X = 7")
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.severity, finding.path, finding.about) == (
        "keyword-lacking",
        "doubt",
        "P007.LBL",
        "Y",
    )
    assert finding.expected == f"the keyword, as in {count - 1} of {count} labels"


@pytest.mark.parametrize("count", SIZES)
def test_a_keyword_without_a_value_is_there(tmp_path: Path, count: int) -> None:
    """In a wide table both are NULL: the label tells them apart."""
    files = series(count, "X = #; Y = 5", P003='X = 3; Y = "N/A"', P007="X = 7")
    assert brief(check(tmp_path, files)) == [("keyword-lacking", "doubt", "P007.LBL")]


def test_a_label_of_quite_another_sort_lacks_nothing(tmp_path: Path) -> None:
    statements = "; ".join(f"K{n} = #" for n in range(8))
    assert check(tmp_path, series(60, statements, P007="OTHER = 1")) == []


def test_a_keyword_that_some_labels_lack_is_optional(tmp_path: Path) -> None:
    assert check(tmp_path, series(60, "X = #; Y = 5", P003="X = 3", P007="X = 7")) == []


def test_a_few_labels_have_no_habits(tmp_path: Path) -> None:
    assert check(tmp_path, series(10, "X = #; Y = 5", P007="X = 70000000")) == []
