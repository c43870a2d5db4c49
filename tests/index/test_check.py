"""`Index.check`: what it says of the demonstration volume, whose faults are known; options, waivers, former reports."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from psalab.demo_volume import write_volume
from psalab.errors import ConfigError
from psalab.index.ask import open_index
from psalab.index.build import build_index
from psalab.index.check_codes import CODES, SEVERITIES, Finding
from psalab.index.check_report import json_lines
from tests.conftest import REPOSITORY
from tests.index.checked import brief, camera, run
from tests.index.volumes import index_of

if TYPE_CHECKING:
    from pathlib import Path

    from psalab.demo_volume import DemoVolume


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> DemoVolume:
    return write_volume(tmp_path_factory.mktemp("demo") / "DEMO")


@pytest.fixture(scope="module")
def demo(volume: DemoVolume) -> Path:
    index = volume.folder.parent / "demo.duckdb"
    build_index(volume.folder, index, jobs=1)
    return index


#: A small volume with a damage, a doubt and a note.
FAULTY: dict[str, str | bytes] = {
    "DATA/A.LBL": camera('^IMAGE = "A.IMG"', id="A"),
    "DATA/LEFT.IMG": b"data",
    "DATA/b.lbl": camera('^IMAGE = "B.IMG"', id="B"),
    "DATA/b.img": b"data",
}
FOUND = [
    ("data-missing", "damage", "DATA/A.LBL"),
    ("data-name-case", "note", "DATA/b.lbl"),
    ("orphan-file", "doubt", "DATA/LEFT.IMG"),
]


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    return index_of(tmp_path, FAULTY)


# ------------------------------------------------------------------------------------------- the demonstration volume


def test_every_fault_of_the_demonstration_is_found_and_nothing_else(demo: Path, volume: DemoVolume) -> None:
    findings, _ = run(demo, sizes=True, hash=True)
    found = {finding.path for finding in findings if finding.severity != "note"}
    other_name = {label.path for label in volume.labels if label.path.endswith("BORIS'S GRAINS.LBL")}
    assert found == {broken.path for broken in volume.broken} | other_name


def test_each_of_them_for_what_is_wrong_with_it(demo: Path) -> None:
    findings, check = run(demo)
    counted = {(count.code, count.severity): count.findings for count in check.counts}
    assert counted == {
        ("label-unreadable", "damage"): 6,
        ("data-missing", "damage"): 1,
        ("product-twice", "doubt"): 1,
        ("id-file-name", "doubt"): 2,
        ("value-outlier", "doubt"): 1,
        ("data-name-case", "note"): 14,
    }
    assert sum(counted.values()) == len(findings)


def test_findings_are_told_with_the_line_where_one_can_be(demo: Path) -> None:
    findings, _ = run(demo)
    assert {finding.code for finding in findings if finding.line is None} == {"label-unreadable"}
    assert [finding.path for finding in findings if finding.line is None] == ["RO-X-BROKEN-2-DEMO-V1.0/DATA/EMPTY.LBL"]


def test_the_index_with_file_areas_says_the_same(volume: DemoVolume, demo: Path, tmp_path: Path) -> None:
    build_index(volume.folder, tmp_path / "whole.duckdb", jobs=1, structure=True)
    findings, check = run(tmp_path / "whole.duckdb", sizes=True, hash=True)
    assert findings == run(demo, sizes=True, hash=True)[0]
    assert check.not_checked == []


def test_in_python_it_is_a_table(demo: Path) -> None:
    with open_index(demo) as index:
        frame = index.check()
        assert list(frame.columns) == list(Finding._fields)
        assert len(frame) == 25
        damage = frame[frame["severity"] == "damage"]
        assert set(damage["code"]) == {"label-unreadable", "data-missing"}
        assert frame.attrs["psalab"]["counts"][0]["code"] == "label-unreadable"
        assert index.check(dataset="RO-C-COSIMA-*")["code"].to_list() == [
            "product-twice",
            "id-file-name",
            "id-file-name",
        ]


def test_an_index_without_faults_is_an_empty_table(tmp_path: Path) -> None:
    with open_index(index_of(tmp_path, {"A.LBL": camera(id="A")})) as index:
        frame = index.check()
    assert frame.empty
    assert frame.attrs["psalab"] == {"counts": [], "not_checked": [], "waivers": []}


def test_every_code_has_a_severity_and_says_what_it_means() -> None:
    for code, told in CODES.items():
        assert told.severity in SEVERITIES, code
        assert told.title[0].isupper(), code
        assert told.meaning.endswith("."), code


def test_every_code_is_documented_with_its_severity() -> None:
    text = (REPOSITORY / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("|")[1:3] for row in rows] == [
        [f" `{code}` ", f" {told.severity} "] for code, told in CODES.items()
    ]


# ------------------------------------------------------------------------------------------------------------- waivers


def waivers(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "waivers.csv"
    file.write_text("\n".join(["code,path,reason,until", *lines, ""]), encoding="utf-8")
    return file


TODAY = date(2026, 5, 17)


def test_a_waived_finding_does_not_count_and_keeps_its_reason(faulty: Path, tmp_path: Path) -> None:
    file = waivers(tmp_path, "# known faults", 'data-missing,DATA/A.*,"lost in 1998, see letter",2026-05-17')
    findings, check = run(faulty, today=TODAY, waivers=file)
    assert [finding.waived for finding in findings] == ["lost in 1998, see letter", None, None]
    assert brief(findings) == FOUND
    assert check.total("damage") == 0
    assert [count for count in check.counts if count.waived] == [("data-missing", "damage", 0, None, 1)]
    assert check.about_waivers == []


@pytest.mark.parametrize("pattern", ["*", "DATA/?.LBL", "volume/DATA/A.LBL", "*/A.LBL"])
def test_the_pattern_may_name_the_volume(faulty: Path, tmp_path: Path, pattern: str) -> None:
    _, check = run(faulty, today=TODAY, waivers=waivers(tmp_path, f"data-missing,{pattern},known,2027-01-01"))
    assert check.total("damage") == 0


@pytest.mark.parametrize("pattern", ["DATA", "data/a.lbl", "DATA/[A].LBL", "A.LBL"])
def test_a_pattern_fits_the_whole_path_as_it_is_written(faulty: Path, tmp_path: Path, pattern: str) -> None:
    _, check = run(faulty, today=TODAY, waivers=waivers(tmp_path, f"data-missing,{pattern},known,2027-01-01"))
    assert check.total("damage") == 1
    assert check.about_waivers == [
        f"{tmp_path / 'waivers.csv'}, line 2: the waiver of data-missing for {pattern} covers nothing"
    ]


def test_a_finding_about_a_data_set_is_waived_by_its_name(tmp_path: Path) -> None:
    files = {f"P{n}.LBL": camera(f'^IMAGE = "P{n}.IMG"', id=f"P{n}") for n in range(12)}
    file = waivers(tmp_path, "data-set-without-data,SC-X-CAM-*,labels alone,2027-01-01")
    _, check = run(index_of(tmp_path, files), today=TODAY, waivers=file)
    assert check.total(*SEVERITIES) == 0


def test_an_expired_waiver_does_not_hold_and_is_told(faulty: Path, tmp_path: Path) -> None:
    file = waivers(tmp_path, "data-missing,*,known,2026-05-16")
    findings, check = run(faulty, today=TODAY, waivers=file)
    assert findings[0].waived is None
    assert check.total("damage") == 1
    assert check.about_waivers == [f"{file}, line 2: the waiver of data-missing for * expired on 2026-05-16"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data-mising,*,known,2027-01-01", "line 2: no finding has the code 'data-mising'; there are label-unreadable"),
        ("data-missing,*,known", "line 2: expected 4 fields (code, path, reason, until), found 3"),
        ("data-missing,,known,2027-01-01", "line 2: the path is empty; * means any"),
        ("data-missing,*,,2027-01-01", "line 2: the reason is empty"),
        ("data-missing,*,known,next year", "line 2: until is 'next year', expected a day such as 2026-12-31"),
        ('data-missing,*,"known,2027-01-01', "no CSV in UTF-8"),
    ],
)
def test_a_mistake_in_a_waiver_is_named_with_its_line(faulty: Path, tmp_path: Path, line: str, said: str) -> None:
    file = waivers(tmp_path, line)
    with pytest.raises(ConfigError) as caught:
        run(faulty, waivers=file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_all_mistakes_are_named_at_once(faulty: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 2: .*; line 4: "):
        run(faulty, waivers=waivers(tmp_path, "x,*,known,2027-01-01", "", "data-missing,*,known,soon"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"path,code\n", "expected the heading code,path,reason,until"),
        (b"code,path,reason,until\n\xff", "no CSV in UTF-8"),
    ],
)
def test_a_file_that_holds_no_waivers_is_refused(faulty: Path, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "waivers.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        run(faulty, waivers=tmp_path / "waivers.csv")


def test_waivers_that_are_not_there_are_an_error(faulty: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: the waivers cannot be read: No such file"):
        run(faulty, waivers=tmp_path / "none.csv")


# ------------------------------------------------------------------------------------------------------ former reports


def report(index: Path, file: Path) -> Path:
    from contextlib import closing

    from psalab.index.ask_connection import Connection
    from psalab.index.check import Check

    with closing(Connection(index)) as connection:
        check = Check(connection)
        file.write_text("\n".join(json_lines(check, check)))
    return file


def test_nothing_is_new_since_a_report_of_the_same_volume(faulty: Path, tmp_path: Path) -> None:
    findings, check = run(faulty, since=report(faulty, tmp_path / "last.json"))
    assert [finding.new for finding in findings] == [False, False, False]
    assert check.total(*SEVERITIES, new=True) == 0


def test_what_a_former_report_did_not_have_is_new(faulty: Path, tmp_path: Path) -> None:
    last = report(faulty, tmp_path / "last.json")
    changed: dict[str, str | bytes] = {
        **FAULTY,
        "DATA/C.LBL": camera('^IMAGE = "C.IMG"', id="C"),
        "DATA/A.IMG": b"data",
    }
    findings, check = run(index_of(tmp_path, changed), since=last)
    assert [(finding.path, finding.new) for finding in findings] == [
        ("DATA/C.LBL", True),
        ("DATA/b.lbl", False),
        ("DATA/LEFT.IMG", False),
    ]
    assert check.total("damage", new=True) == 1


def test_a_waived_finding_is_not_new_when_its_waiver_ends(faulty: Path, tmp_path: Path) -> None:
    file = waivers(tmp_path, "data-missing,*,known,2026-05-16")
    findings, check = run(faulty, today=TODAY, waivers=file, since=report(faulty, tmp_path / "last.json"))
    assert findings[0].new is False
    assert check.total("damage") == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"findings": 3}', '{"findings": [3]}'])
def test_a_file_that_is_no_report_is_refused(faulty: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "last.json").write_text(content)
    with pytest.raises(ConfigError, match=r"last\.json: no report of a check"):
        run(faulty, since=tmp_path / "last.json")


def test_a_first_check_goes_without_a_former_report(faulty: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: there is no such report; the first check goes without --since"):
        run(faulty, since=tmp_path / "none.json")


def test_a_report_is_json_that_tells_when_and_of_what(faulty: Path, tmp_path: Path) -> None:
    told = json.loads(report(faulty, tmp_path / "last.json").read_text())
    assert list(told) == [
        "index",
        "built",
        "checked",
        "psalab",
        "volumes",
        "since",
        "findings",
        "counts",
        "not_checked",
        "waivers",
    ]
    assert told["volumes"] == {"volume": str(tmp_path / "volume")}
    assert [tuple(finding) for finding in told["findings"]] == [Finding._fields] * 3
    assert told["counts"][0] == {"code": "data-missing", "severity": "damage", "findings": 1, "new": None, "waived": 0}
