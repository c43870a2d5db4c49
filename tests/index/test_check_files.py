"""Checks of files: labels that cannot be read, data that are not there, sizes and sums that differ, orphans."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from psalab.index.check_codes import Finding
from tests.index.checked import brief, camera, check, run
from tests.index.volumes import index_of

if TYPE_CHECKING:
    from pathlib import Path

DATASET = "SC-X-CAM-2-TEST-V1.0"


def pds4_files(*names: str, lid: str = "urn:esa:psa:bundle:data:p", more: str = "") -> str:
    """A PDS4 label that names files; `more` stands behind each name."""
    areas = "".join(
        f"<File_Area_Observational><File><file_name>{name}</file_name>{more}</File></File_Area_Observational>"
        for name in names
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">
  <Identification_Area>
    <logical_identifier>{lid}</logical_identifier>
    <version_id>1.0</version_id>
  </Identification_Area>
  {areas}
</Product_Observational>
"""


# ------------------------------------------------------------------------------------------------------------- labels


def test_a_label_that_cannot_be_parsed_is_damage_with_its_line_and_text(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"A.LBL": camera(id="A"), "DATA/CUT.LBL": camera('NOTE = "never closed', id="CUT")}
    assert check(tmp_path, files) == [
        Finding(
            code="label-unreadable",
            severity="damage",
            dataset=DATASET,
            root="volume",
            path="DATA/CUT.LBL",
            line=7,
            about=None,
            found='a quoted text is never closed: NOTE = "never closed',
            expected="a PDS3 or PDS4 label",
        )
    ]


def test_the_data_file_of_an_unreadable_label_is_no_orphan(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"A.LBL": camera('NOTE = "never closed', id="A"), "A.IMG": b"data"}
    assert brief(check(tmp_path, files)) == [("label-unreadable", "damage", "A.LBL")]


# --------------------------------------------------------------------------------------------------------- data files


@pytest.mark.parametrize("pointer", ['"A.IMG"', '("A.IMG", 3)', '("A.IMG", 3 <BYTES>)'])
def test_a_pds3_label_whose_data_file_is_not_there_is_damage(tmp_path: Path, pointer: str) -> None:
    assert check(tmp_path, {"DATA/A.LBL": camera(f"^IMAGE = {pointer}", id="A")}) == [
        Finding(
            code="data-missing",
            severity="damage",
            dataset=DATASET,
            root="volume",
            path="DATA/A.LBL",
            line=7,
            about="A.IMG",
            found="A.IMG is not there",
            expected="a file A.IMG beside the label",
        )
    ]


def test_of_several_files_the_one_that_is_missing_is_named(tmp_path: Path) -> None:
    label = camera('^IMAGE = "A.IMG"', '^HISTOGRAM = "A.HIS"', id="A")
    (finding,) = check(tmp_path, {"A.LBL": label, "A.IMG": b"data"})
    assert (finding.code, finding.about, finding.line) == ("data-missing", "A.HIS", 8)


def test_a_pointer_among_those_of_attached_labels_is_found_though_the_column_holds_numbers(tmp_path: Path) -> None:
    attached = {f"P{n}.IMG": camera("^IMAGE = 5", id=f"P{n}") for n in range(120)}
    findings = check(tmp_path, {**attached, "DETACHED.LBL": camera('^IMAGE = "GONE.IMG"', id="DETACHED")})
    assert brief(findings) == [("data-missing", "damage", "DETACHED.LBL")]


@pytest.mark.parametrize("structure", [False, True])
def test_a_pds4_label_whose_data_file_is_not_there_is_damage(tmp_path: Path, structure: bool) -> None:
    (finding,) = check(tmp_path, {"a.xml": pds4_files("a.tab")}, structure=structure)
    assert (finding.code, finding.path, finding.about, finding.line) == ("data-missing", "a.xml", "a.tab", 7)


def test_one_of_several_pds4_files_is_found_where_the_index_has_the_file_areas(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"a.xml": pds4_files("a.tab", "b.tab"), "a.tab": "1\r\n"}
    (finding,) = check(tmp_path, files, structure=True)
    assert (finding.code, finding.about) == ("data-missing", "b.tab")


def test_an_index_without_file_areas_says_what_it_could_not_check(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a.xml": pds4_files("a.tab", "b.tab"), "a.tab": "1\r\n"})
    findings, done = run(index)
    assert findings == []
    assert "file areas of PDS4 labels" in done.not_checked[0]
    assert "--structure" in done.not_checked[0]


def test_with_sizes_all_labels_are_read_and_nothing_is_left_unchecked(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a.xml": pds4_files("a.tab", "b.tab", "c.tab"), "a.tab": "1\r\n", "C.TAB": "1\r\n"})
    findings, done = run(index, sizes=True)
    assert [(finding.code, finding.about) for finding in findings] == [
        ("data-missing", "b.tab"),
        ("data-name-case", "c.tab"),
    ]
    assert done.not_checked == []


def test_names_in_another_case_are_notes(tmp_path: Path) -> None:
    findings = check(tmp_path, {"a.lbl": camera('^IMAGE = "A.IMG"', id="A"), "a.img": b"data"})
    assert brief(findings) == [("data-name-case", "note", "a.lbl")]
    assert findings[0].found == "a.img"


def test_a_data_set_with_all_its_names_in_another_case_is_one_note(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for n in range(30):
        files |= {f"p{n}.lbl": camera(f'^IMAGE = "P{n}.IMG"', id=f"P{n}"), f"p{n}.img": b"data"}
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.path, finding.found) == ("data-name-case", None, "30 files, such as p0.img")


def test_a_file_in_a_neighbouring_folder_is_a_doubt(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"DS/LABELS/A.LBL": camera('^IMAGE = "A.IMG"', id="A"), "DS/IMAGES/A.IMG": b"data"}
    assert [(f.code, f.found) for f in check(tmp_path, files)] == [("data-elsewhere", "it is DS/IMAGES/A.IMG")]


def test_a_file_of_that_name_in_another_data_set_does_not_count(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "ONE/INDEX/INDEX.LBL": camera('^INDEX_TABLE = "INDEX.TAB"', id="INDEX.TAB"),
        "TWO/INDEX/INDEX.LBL": camera('^INDEX_TABLE = "INDEX.TAB"', id="INDEX.TAB", dataset="SC-X-CAM-2-TWO-V1.0"),
        "TWO/INDEX/INDEX.TAB": "1\r\n",
    }
    assert brief(check(tmp_path, files)) == [("data-missing", "damage", "ONE/INDEX/INDEX.LBL")]


def test_pointers_to_descriptions_and_structures_are_no_data(tmp_path: Path) -> None:
    label = camera('^DESCRIPTION = "A.TXT"', '^STRUCTURE = "A.FMT"', '^DATA_SET_CATALOG = "DATASET.CAT"', id="A")
    assert check(tmp_path, {"A.LBL": label}) == []


def test_what_a_compressed_file_unpacks_to_need_not_be_there(tmp_path: Path) -> None:
    label = camera(
        "OBJECT = COMPRESSED_FILE",
        'FILE_NAME = "A.ZIP"',
        "END_OBJECT = COMPRESSED_FILE",
        "OBJECT = UNCOMPRESSED_FILE",
        'FILE_NAME = "A.IMG"',
        "END_OBJECT = UNCOMPRESSED_FILE",
        id="A",
    )
    assert check(tmp_path, {"A.LBL": label, "A.ZIP": b"data"}) == []


def test_a_data_set_of_labels_alone_is_one_doubt(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"P{n}.LBL": camera(f'^IMAGE = "P{n}.IMG"', id=f"P{n}") for n in range(12)}
    (finding,) = check(tmp_path, files)
    assert (finding.code, finding.severity, finding.dataset, finding.path) == (
        "data-set-without-data",
        "doubt",
        DATASET,
        None,
    )
    assert finding.found == "12 labels, no data file"


# ------------------------------------------------------------------------------------------------------ sizes and sums


def fixed(records: int, size: int, *statements: str) -> str:
    counts = ("RECORD_TYPE = FIXED_LENGTH", f"RECORD_BYTES = {size}", f"FILE_RECORDS = {records}")
    return camera(*counts, *statements, id="A")


@pytest.mark.parametrize(
    ("found", "severity"),
    [(1000, None), (900, "note"), (899, "damage"), (0, "damage"), (1050, "note"), (1100, "doubt"), (5000, "doubt")],
)
def test_a_pds3_file_has_the_size_of_its_records(tmp_path: Path, found: int, severity: str | None) -> None:
    files: dict[str, str | bytes] = {"A.LBL": fixed(10, 100, '^IMAGE = "A.IMG"'), "A.IMG": b"\1" * found}
    findings = check(tmp_path, files, sizes=True)
    assert brief(findings) == ([("size-differs", severity, "A.LBL")] if severity else [])
    if severity:
        assert findings[0].found == f"{found:,} bytes"
        assert findings[0].expected == "1,000 bytes (10 records of 100)"
        assert (findings[0].about, findings[0].line) == ("A.IMG", 10)


def test_sizes_are_compared_only_when_asked_for(tmp_path: Path) -> None:
    assert check(tmp_path, {"A.LBL": fixed(10, 100, '^IMAGE = "A.IMG"'), "A.IMG": b"\1" * 10}) == []


def test_records_that_are_no_fixed_ones_declare_no_size(tmp_path: Path) -> None:
    label = fixed(10, 100, '^IMAGE = "A.IMG"').replace("FIXED_LENGTH", "STREAM")
    assert check(tmp_path, {"A.LBL": label, "A.IMG": b"\1" * 10}, sizes=True) == []


@pytest.mark.parametrize("name", ["A.IMG", "A.LBL"])
def test_the_records_of_an_attached_label_are_those_of_its_file(tmp_path: Path, name: str) -> None:
    label = fixed(10, 100, "^IMAGE = 5")
    whole = label.encode().ljust(1000)
    assert check(tmp_path, {name: whole}, sizes=True) == []
    (finding,) = check(tmp_path / "cut", {name: whole[:500]}, sizes=True)
    assert (finding.code, finding.severity, finding.found) == ("size-differs", "damage", "500 bytes")


def test_of_a_label_with_several_files_each_block_counts_for_its_own(tmp_path: Path) -> None:
    blocks = [
        line
        for name, records in (("A", 10), ("B", 20))
        for line in (
            f"OBJECT = {name}_FILE",
            "RECORD_TYPE = FIXED_LENGTH",
            "RECORD_BYTES = 10",
            f"FILE_RECORDS = {records}",
            f'^TABLE = "{name}.TAB"',
            f"END_OBJECT = {name}_FILE",
        )
    ]
    files: dict[str, str | bytes] = {"P.LBL": camera(*blocks, id="P"), "A.TAB": b"\1" * 100, "B.TAB": b"\1" * 100}
    assert [(f.about, f.expected) for f in check(tmp_path, files, sizes=True)] == [
        ("B.TAB", "200 bytes (20 records of 10)")
    ]


SIZE = '<file_size unit="byte">5</file_size>'


@pytest.mark.parametrize("structure", [False, True])
def test_a_pds4_file_has_the_size_that_its_label_declares(tmp_path: Path, structure: bool) -> None:
    files: dict[str, str | bytes] = {
        "a.xml": pds4_files("a.tab", "b.tab", more=SIZE),
        "a.tab": "12345",
        "b.tab": "1234",
    }
    findings = check(tmp_path, files, structure=structure, sizes=True)
    assert [(f.code, f.severity, f.about, f.found, f.expected) for f in findings] == [
        ("size-differs", "damage", "b.tab", "4 bytes", "5 bytes")
    ]


@pytest.mark.parametrize("structure", [False, True])
def test_a_pds4_file_has_the_sum_that_its_label_declares(tmp_path: Path, structure: bool) -> None:
    declared, changed = (hashlib.md5(text).hexdigest() for text in (b"12345", b"1234x"))  # noqa: S324
    label = pds4_files("a.tab", "b.tab", more=f"<md5_checksum>{declared}</md5_checksum>")
    files: dict[str, str | bytes] = {"a.xml": label, "a.tab": "12345", "b.tab": "1234x"}
    findings = check(tmp_path, files, structure=structure, hash=True)
    assert [(f.code, f.severity, f.about, f.found, f.expected) for f in findings] == [
        ("checksum-differs", "damage", "b.tab", changed, declared)
    ]


def test_a_file_that_has_gone_since_the_index_was_built_cannot_be_summed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.xml": pds4_files("a.tab", more=f"<md5_checksum>{'0' * 32}</md5_checksum>"),
        "a.tab": "12345",
    }
    index = index_of(tmp_path, files)
    (tmp_path / "volume" / "a.tab").unlink()
    ((finding,), _) = run(index, hash=True)
    assert finding.found == "cannot be read: No such file or directory"


# ------------------------------------------------------------------------------------------------------------- orphans


def test_a_file_that_no_label_names_is_an_orphan(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"DATA/A.LBL": camera(id="A"), "DATA/LEFT.IMG": b"data"}
    assert check(tmp_path, files) == [
        Finding(
            code="orphan-file",
            severity="doubt",
            dataset=DATASET,
            root="volume",
            path="DATA/LEFT.IMG",
            line=None,
            about=None,
            found="no label names the file",
            expected="a label that describes it",
        )
    ]


@pytest.mark.parametrize(
    "name",
    [
        "VOLDESC.CAT", "voldesc.sfd", "AAREADME.TXT", "errata.txt", "CATALOG/DATASET.CAT", "INDEX/INDEX.TAB",
        "LABEL/TABLE.FMT", "DOCUMENT/EAICD.TXT", "SOFTWARE/READ.PRO", "CHECKSUM.TAB", "data.md5", "volume.sha256",
        "data/collection_data_inventory.csv", "xml_schema/PDS4_PDS_1B00.xsd", "PDS4_PDS_1B00.sch", "README.md",
        "checksum_manifest.tab",
    ],
)  # fmt: skip
def test_files_that_need_no_label_are_no_orphans(tmp_path: Path, name: str) -> None:
    assert check(tmp_path, {"A.LBL": camera(id="A"), name: "text\r\n"}) == []


def test_pictures_of_products_are_no_orphans(tmp_path: Path) -> None:
    assert check(tmp_path, {"DATA/A.LBL": camera(id="A"), "BROWSE/A.JPG": b"picture"}) == []
    findings = check(tmp_path / "other", {"DATA/A.LBL": camera(id="A"), "BROWSE/B.JPG": b"picture"})
    assert brief(findings) == [("orphan-file", "doubt", "BROWSE/B.JPG")]


def test_a_file_of_a_labels_name_that_it_does_not_mention_is_a_note(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"A.LBL": camera('^IMAGE = "A.IMG"', id="A"), "A.IMG": b"data", "A.DAT": b"data"}
    assert brief(check(tmp_path, files)) == [("file-not-named", "note", "A.DAT")]


def test_a_file_that_a_label_elsewhere_names_is_no_orphan(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"DS/LABELS/A.LBL": camera('^IMAGE = "X.IMG"', id="A"), "DS/IMAGES/X.IMG": b"data"}
    assert [finding.code for finding in check(tmp_path, files)] == ["data-elsewhere"]


def test_a_heap_of_files_without_labels_is_one_finding(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"DATA/OLD/X{n:02}.IMG": b"data" for n in range(15)}
    (finding,) = check(tmp_path, {"DATA/A.LBL": camera(id="A"), **files})
    assert (finding.code, finding.path) == ("orphan-file", "DATA/OLD/*.img")
    assert finding.found == "15 files that no label names, such as X00.IMG"


def test_among_files_with_labels_each_orphan_is_named(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"X{n:02}.IMG": b"data" for n in range(15)}
    files |= {"A.LBL": camera('^IMAGE = "A.IMG"', id="A"), "A.IMG": b"data"}
    assert len(check(tmp_path, files)) == 15


def test_a_name_that_is_no_utf_8_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "\udcff.IMG").write_bytes(b"data")
    findings = check(tmp_path, {"A.LBL": camera(id="A")})
    assert brief(findings) == [("orphan-file", "doubt", r"\xff.IMG")]


# ------------------------------------------------------------------------------------------------- volumes that are away


def test_a_volume_that_is_not_there_is_checked_by_its_index_without_lines(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"A.LBL": camera('^IMAGE = "A.IMG"', id="A"), "b.xml": pds4_files("b.tab")})
    (tmp_path / "volume").rename(tmp_path / "away")
    findings, done = run(index)
    assert [(finding.code, finding.path, finding.line) for finding in findings] == [("data-missing", "A.LBL", None)]
    assert any("No such file or directory" in limit for limit in done.not_checked)
