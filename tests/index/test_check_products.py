"""Checks of products against each other: ids that are there twice, versions, ids against the names of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.index.check_codes import Finding
from tests.index.checked import brief, camera, check
from tests.index.volumes import pds4

if TYPE_CHECKING:
    from pathlib import Path

DATASET = "SC-X-CAM-2-TEST-V1.0"


def others(count: int = 5, **keywords: str) -> dict[str, str]:
    """Good labels beside those that a test is about."""
    return {f"GOOD{n}.LBL": camera(id=f"GOOD{n}", **keywords) for n in range(count)}


# ---------------------------------------------------------------------------------------------------------------- twice


def test_two_labels_of_one_product_are_a_doubt_that_names_both(tmp_path: Path) -> None:
    files = {**others(), "A.LBL": camera(id="A"), "B.LBL": camera(id="A")}
    assert check(tmp_path, files) == [
        Finding(
            code="product-twice",
            severity="doubt",
            dataset=DATASET,
            root="volume",
            path="B.LBL",
            line=3,
            about="A",
            found="A.LBL, too",
            expected="one label of A version 1.0",
        )
    ]


def test_the_same_id_in_another_data_set_or_version_is_another_product(tmp_path: Path) -> None:
    files = {
        "ONE/A.LBL": camera(id="A"),
        "TWO/A.LBL": camera(id="A", dataset="SC-X-CAM-2-TEST-V2.0"),
        "THREE/A.LBL": camera('PRODUCT_VERSION_ID = "2.0"', id="A"),
    }
    assert check(tmp_path, files) == []


def test_an_attached_label_and_the_detached_one_beside_it_are_one_product(tmp_path: Path) -> None:
    attached = camera("^IMAGE = 5", id="A")
    assert (
        check(tmp_path, {**others(), "A.IMG": attached, "A.LBL": camera('^HEADER = "A.FIT"', id="A"), "A.FIT": ""})
        == []
    )


def test_of_many_copies_the_first_three_are_named(tmp_path: Path) -> None:
    files = {**others(20), **{f"COPY{n}.LBL": camera(id="A") for n in range(6)}}
    (finding,) = check(tmp_path, files)
    assert finding.found == "COPY0.LBL, COPY1.LBL, COPY2.LBL and 2 others, too"


def test_where_most_ids_are_shared_each_is_a_note_and_the_data_set_a_doubt(tmp_path: Path) -> None:
    files = {f"{folder}/P{n}.LBL": camera(id=f"P{n}") for folder in ("DATA", "COPY") for n in range(10)}
    findings = check(tmp_path, files)
    assert [(f.code, f.severity) for f in findings] == [("ids-not-unique", "doubt"), *[("product-twice", "note")] * 10]
    assert findings[0].found == "20 of 20 products share id and version with another"


def test_a_copy_in_another_volume_is_no_fault(tmp_path: Path) -> None:
    from psalab.index.build import build_index
    from tests.index.checked import run
    from tests.index.volumes import write

    roots = [write(tmp_path / name, {**others(), "A.LBL": camera(id="A")}) for name in ("public", "mine")]
    build_index(roots, tmp_path / "both.duckdb", jobs=1)
    assert run(tmp_path / "both.duckdb")[0] == []


# ------------------------------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("versions", "gap"),
    [
        (["1.0", "1.1"], None),
        (["1.9", "1.10"], None),
        (["1.0", "2.0"], None),
        (["1.3", "2.0"], None),
        (["1.0", "1.2"], ("version 1.2 follows 1.0", "version 1.1 or 2.0")),
        (["1.0", "3.0"], ("version 3.0 follows 1.0", "version 1.1 or 2.0")),
        (["1.3", "2.4"], ("version 2.4 follows 1.3", "version 1.4 or 2.0")),
        (["3.0"], None),
    ],
)
def test_between_two_versions_of_a_pds4_product_none_is_missing(
    tmp_path: Path, versions: list[str], gap: tuple[str, str] | None
) -> None:
    files = {f"p_{version}.xml": pds4(version=version) for version in versions}
    findings = check(tmp_path, files, structure=True)
    assert [(f.code, f.found, f.expected) for f in findings] == ([("version-gap", *gap)] if gap else [])
    if gap:
        assert (findings[0].about, findings[0].line) == ("urn:esa:psa:bundle:data:p", 4)


@pytest.mark.parametrize(
    ("versions", "found"),
    [(["1", "2"], []), (["1", "3"], ["version 3 follows 1"]), (["V1.0", "V2.0"], []), (["A", "C"], [])],
)
def test_versions_of_pds3_products_are_compared_as_numbers(
    tmp_path: Path, versions: list[str], found: list[str]
) -> None:
    files = {f"A{v}.LBL": camera(f'PRODUCT_VERSION_ID = "{v}"', id="A") for v in versions}
    assert [finding.found for finding in check(tmp_path, files)] == found


def test_a_gap_among_the_versions_of_a_data_set_is_a_note(tmp_path: Path) -> None:
    files = {f"V{n}/A.LBL": camera(id="A", dataset=f"SC-X-CAM-2-TEST-V{n}.0") for n in (1, 2, 4)}
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.severity, finding.path) == ("version-gap", "note", None)
    assert (finding.dataset, finding.found) == ("SC-X-CAM-2-TEST-V4.0", "version 4.0 follows 2.0")


# ---------------------------------------------------------------------------------------------------- ids and file names

HABITS = {
    "the same": ("P{n:03}.LBL", "P{n:03}"),
    "in another case": ("p{n:03}.lbl", "P{n:03}"),
    "with the suffix of the data": ("P{n:03}.LBL", "P{n:03}.IMG"),
    "other punctuation": ("P-{n:03}_A.LBL", "P{n:03}.A"),
    "a version behind it": ("P{n:03}_V01.LBL", "P{n:03}"),
    "a prefix in front": ("P{n:03}.LBL", "CAM_P{n:03}"),
    "the same numbers": ("IMG{n:06}A.LBL", "CAM-{n:06}-B"),
    "the longest number": ("N1727{n:06}_1.LBL", "1_N1727{n:06}.118"),
}


@pytest.mark.parametrize("habit", HABITS)
def test_the_habit_of_a_data_set_is_learned_and_who_does_not_keep_it_is_a_doubt(tmp_path: Path, habit: str) -> None:
    name, own = HABITS[habit]
    files = {name.format(n=n): camera(id=own.format(n=n)) for n in range(1, 41)}
    assert check(tmp_path, files) == []
    files[name.format(n=7)] = camera(id=own.format(n=877))
    (finding,) = check(tmp_path / "one", files)
    assert (finding.code, finding.severity, finding.path) == ("id-file-name", "doubt", name.format(n=7))
    assert finding.about == own.format(n=877)
    assert finding.line == 3
    assert finding.expected.endswith("as in 39 other labels")


def test_of_a_lid_the_last_part_counts(tmp_path: Path) -> None:
    lid = "urn:esa:psa:bundle:data:"
    files = {f"cam_{n:03}.xml": pds4(lid=f"{lid}cam_{n:03}") for n in range(30)}
    files["cam_007.xml"] = pds4(lid=f"{lid}cam_777")
    assert brief(check(tmp_path, files, structure=True)) == [("id-file-name", "doubt", "cam_007.xml")]


def test_a_product_of_several_versions_may_be_called_otherwise(tmp_path: Path) -> None:
    """Meta kernels, as ESA's SPICE archive has them: mk_em16 in em16_v001.xml, em16_v002.xml, …"""
    lid = "urn:esa:psa:bundle:data:"
    files = {f"cam_{n:03}.xml": pds4(lid=f"{lid}cam_{n:03}") for n in range(60)}
    files |= {f"em16_v00{n}.xml": pds4(lid=f"{lid}mk_em16", version=f"{n}.0") for n in (1, 2, 3)}
    assert check(tmp_path, files, structure=True) == []


def test_a_data_set_without_a_habit_has_no_exceptions(tmp_path: Path) -> None:
    files = {f"P{n}.LBL": camera(id=f"P{n}" if n % 2 else f"OTHER{n * 7919}") for n in range(60)}
    assert check(tmp_path, files) == []


def test_a_few_labels_are_no_habit(tmp_path: Path) -> None:
    files = {f"P{n}.LBL": camera(id=f"P{n}") for n in range(10)}
    assert check(tmp_path, {**files, "X.LBL": camera(id="OTHER")}) == []
