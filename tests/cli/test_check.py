"""``psalab index check``: what it prints, writes, and how it ends."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import psalab, psalab_on_a_terminal
from tests.index.checked import camera
from tests.index.volumes import write

if TYPE_CHECKING:
    from pathlib import Path

FILES: dict[str, str | bytes] = {
    "DATA/A.LBL": camera('^IMAGE = "A.IMG"', id="A"),
    "DATA/LEFT.IMG": b"data",
    "DATA/b.lbl": camera('^IMAGE = "B.IMG"', id="B"),
    "DATA/b.img": b"data",
}
SUMMARY = "1 damage, 1 doubt, 1 note; 1 data-missing (damage), 1 orphan-file (doubt), 1 data-name-case (note)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a volume that has a fault of each severity, and its index `faulty.duckdb`."""
    folder = tmp_path_factory.mktemp("check")
    write(folder / "FAULTY", FILES)
    done = psalab("index", "build", "FAULTY", "--index", "faulty.duckdb", "--jobs", "1", cwd=folder)
    assert done.code == 0, done.errors
    return folder


def check(folder: Path, *arguments: str) -> tuple[int, list[str], str]:
    done = psalab("index", "check", "--index", "faulty.duckdb", *arguments, cwd=folder)
    return done.code, done.lines, done.errors


def test_without_a_terminal_one_line_says_what_was_found_and_damage_ends_with_1(folder: Path) -> None:
    assert check(folder) == (1, [f"faulty.duckdb: {SUMMARY}"], "")


@pytest.mark.parametrize(("fail_on", "code"), [("damage", 1), ("never", 0)])
def test_how_it_ends_is_asked_for(folder: Path, fail_on: str, code: int) -> None:
    assert check(folder, "--fail-on", fail_on)[0] == code


def test_new_findings_need_a_former_report(folder: Path) -> None:
    code, _, errors = check(folder, "--fail-on", "new")
    assert code == 2
    assert "--fail-on new needs --since REPORT" in errors


def test_json_is_the_report_that_the_next_check_compares_with(folder: Path, tmp_path: Path) -> None:
    code, lines, errors = check(folder, "--json")
    assert (code, errors) == (1, "")
    assert [finding["code"] for finding in json.loads("\n".join(lines))["findings"]] == [
        "data-missing",
        "data-name-case",
        "orphan-file",
    ]
    (tmp_path / "last.json").write_text("\n".join(lines))
    code, (line,), _ = check(folder, "--since", str(tmp_path / "last.json"), "--fail-on", "new")
    assert code == 0
    assert "; 0 new since " in line


def test_a_new_doubt_ends_with_1_and_a_new_note_does_not(folder: Path, tmp_path: Path) -> None:
    report = json.loads("\n".join(check(folder, "--json")[1]))
    for left_out, code in (("orphan-file", 1), ("data-name-case", 0)):
        kept = [finding for finding in report["findings"] if finding["code"] != left_out]
        (tmp_path / "last.json").write_text(json.dumps({**report, "findings": kept}))
        assert check(folder, "--since", str(tmp_path / "last.json"), "--fail-on", "new")[0] == code


def test_csv_and_html_are_written_beside_the_summary(folder: Path, tmp_path: Path) -> None:
    _, lines, _ = check(folder, "--csv", str(tmp_path / "found.csv"), "--html", str(tmp_path / "pages"))
    assert lines == [f"faulty.duckdb: {SUMMARY}"]
    with (tmp_path / "found.csv").open(newline="") as stream:
        assert len(list(csv.reader(stream))) == 4
    assert sorted(file.name for file in (tmp_path / "pages").iterdir()) == [
        "check-SC-X-CAM-2-TEST-V1.0.html",
        "index.html",
    ]


def test_waived_damage_ends_with_0_and_is_counted(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "waivers.csv"
    file.write_text("code,path,reason,until\ndata-missing,*,lost in 1998,9999-12-31\norphan-file,X,gone,2001-01-01\n")
    code, (line,), errors = check(folder, "--waivers", str(file))
    assert code == 0
    assert line == "faulty.duckdb: 0 damage, 1 doubt, 1 note; 1 waived; 1 orphan-file (doubt), 1 data-name-case (note)"
    assert errors == f"psalab: {file}, line 3: the waiver of orphan-file for X expired on 2001-01-01\n"


def test_mistakes_in_the_waivers_end_with_2(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "waivers.csv").write_text("code,path,reason,until\nnonsense,*,known,2027-01-01\n")
    code, lines, errors = check(folder, "--waivers", str(tmp_path / "waivers.csv"))
    assert (code, lines) == (2, [])
    assert "waivers.csv: line 2: no finding has the code 'nonsense'" in errors


def test_one_data_set_can_be_asked_for(folder: Path) -> None:
    assert check(folder, "--dataset", "OTHER*") == (0, ["faulty.duckdb: 0 damage, 0 doubts, 0 notes"], "")
    assert check(folder, "--dataset", "sc-x-cam*")[0] == 1


def test_a_report_that_cannot_be_written_is_an_error(folder: Path) -> None:
    code, _, errors = check(folder, "--csv", "/proc/nowhere/found.csv")
    assert code == 1
    assert "the report cannot be written" in errors
    assert "Traceback" not in errors


def test_a_terminal_shows_counts_and_the_worst_findings(folder: Path) -> None:
    done = psalab_on_a_terminal("index", "check", "--index", "faulty.duckdb", cwd=folder)
    assert done.code == 1
    assert "damage data-missing: DATA/A.LBL:7" in done.output
    assert "    A.IMG: A.IMG is not there" in done.output
    assert "and 1 more finding: --csv FILE, --html DIR or --json gives all of them" in done.output


def test_a_terminal_says_where_nothing_was_found(folder: Path) -> None:
    done = psalab_on_a_terminal("index", "check", "--index", "faulty.duckdb", "--dataset", "X", cwd=folder)
    assert done.code == 0
    assert "nothing was found" in done.output


def test_a_reader_that_has_seen_enough_does_not_stop_the_reports(folder: Path, tmp_path: Path) -> None:
    """``| head``: the CSV is whole all the same."""
    import subprocess

    from tests.cli.command import PSALAB, environment

    command = [*PSALAB, "index", "check", "--index", "faulty.duckdb", "--json", "--csv", str(tmp_path / "found.csv")]
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
    assert process.returncode == 1
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 4
