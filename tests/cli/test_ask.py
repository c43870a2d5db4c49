"""``psalab index status | errors | keywords | sql``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import PSALAB, Ended, environment, psalab, psalab_on_a_terminal

if TYPE_CHECKING:
    from pathlib import Path


def ask(built: Path, *arguments: str) -> Ended:
    return psalab("index", *arguments, "--index", "small.duckdb", cwd=built)


# ----------------------------------------------------------------------------------------------------------------- sql


def test_an_answer_comes_as_tab_separated_lines(built: Path) -> None:
    ended = ask(built, "sql", "select id, start_time, targets, twin_of from products order by id limit 2")
    assert (ended.code, ended.errors) == (0, "")
    assert ended.lines == [
        "id\tstart_time\ttargets\ttwin_of",
        'C1\t2014-08-02T10:00:00\t["MARS"]\t',
        'C2\t2014-08-03T10:00:00\t["MARS"]\t',
    ]


def test_an_answer_comes_as_json(built: Path) -> None:
    ended = ask(built, "sql", "--json", "select id, start_time, targets, twin_of from products order by id limit 1")
    assert json.loads(ended.output) == [
        {"id": "C1", "start_time": "2014-08-02T10:00:00", "targets": ["MARS"], "twin_of": None}
    ]


def test_every_type_of_duckdb_can_be_shown(built: Path) -> None:
    query = (
        "select 1.5 as decimal, 2.0::decimal(9,1) as whole, 123456789012345678901::hugeint as huge, 'nan'::double as nan, "
        "{'a': [1]} as struct, map{1: true} as map, '\\x00\\xff'::blob as blob, date '2014-01-02' as day, "
        "time '10:00' as hour, interval 3 days as span, true as yes, 'µ' as text"
    )
    ended = ask(built, "sql", "--json", query)
    assert json.loads(ended.output) == [
        {
            "decimal": 1.5,
            "whole": 2,
            "huge": 123456789012345678901,
            "nan": None,
            "struct": {"a": [1]},
            "map": {"1": True},
            "blob": "00ff",
            "day": "2014-01-02",
            "hour": "10:00:00",
            "span": "3 days, 0:00:00",
            "yes": True,
            "text": "µ",
        }
    ]


def test_columns_of_one_name_are_told_apart(built: Path) -> None:
    ended = ask(built, "sql", "--json", "select 1 as a, 2 as a, 3 as a_1")
    assert json.loads(ended.output) == [{"a": 1, "a_1": 2, "a_1_1": 3}]


def test_no_rows_are_an_empty_answer(built: Path) -> None:
    assert ask(built, "sql", "--json", "select id from products where false").output == "[]\n"
    assert ask(built, "sql", "select id from products where false").output == "id\n"


def test_values_cannot_break_the_lines(built: Path) -> None:
    ended = ask(built, "sql", r"select e'a\tb\nc\\d\x1b[31m' as text")
    assert ended.lines == ["text", r"a\tb\nc\\d\x1b[31m"]


def test_a_question_may_come_from_standard_input(built: Path) -> None:
    ended = psalab(
        "index", "sql", "-", "--index", "small.duckdb", cwd=built, typed="select count(*) as n\nfrom products"
    )
    assert ended.lines == ["n", "3"]


def test_the_view_of_a_family_can_be_asked(built: Path) -> None:
    ended = ask(built, "sql", "select count(*) as n from meta.other where path = 'GEOMETRY/PHASE_ANGLE'")
    assert ended.lines == ["n", "3"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selct 1", "syntax error"),
        ("select nothing from products", "nothing"),
        ("drop table products", "SELECT"),
        ("select 1; select 2", "one SELECT"),
        ("select * from read_text('/etc/hostname')", "disabled"),
    ],
)
def test_a_mistake_in_sql_ends_with_2(query: str, says: str, built: Path) -> None:
    ended = ask(built, "sql", query)
    assert (ended.code, ended.output) == (2, "")
    assert ended.errors.startswith("psalab: ")
    assert says in ended.errors
    assert "Traceback" not in ended.errors


def test_a_reader_that_has_seen_enough_is_no_error(built: Path) -> None:
    command = [*PSALAB, "index", "sql", "select range from range(200000)", "--index", "small.duckdb"]
    with subprocess.Popen(
        command, cwd=built, env=environment(built), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "range\n"
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux alone has a device that is always full")
def test_an_output_that_cannot_be_written_is_said(built: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        ended = psalab("index", "sql", "select 1", "--index", "small.duckdb", cwd=built, stdout=full)
    assert (ended.code, ended.errors) == (1, "psalab: the output cannot be written: No space left on device\n")


def test_a_terminal_that_knows_ascii_alone_gets_escapes(built: Path) -> None:
    ended = psalab(
        "index", "sql", "select 'µ' as text", "--index", "small.duckdb", cwd=built, env={"PYTHONIOENCODING": "ascii"}
    )
    assert (ended.code, ended.lines) == (0, ["text", "\\xb5"])


def test_on_a_terminal_an_answer_is_a_table(built: Path) -> None:
    ended = psalab_on_a_terminal(
        "index",
        "sql",
        "select id, start_time, targets[1] as target from products order by id",
        "--index",
        "small.duckdb",
        cwd=built,
    )
    assert ended.code == 0
    assert "C1   2014-08-02T10:00:00   MARS" in ended.output
    assert "\t" not in ended.output


def test_on_a_terminal_a_table_that_is_too_wide_is_shown_row_by_row(built: Path) -> None:
    ended = psalab_on_a_terminal(
        "index", "sql", "select * from products order by id limit 2", "--index", "small.duckdb", cwd=built, columns=60
    )
    names = [line.split()[0] for line in ended.lines if line]
    assert names.count("id") == 2
    assert "id            C1" in ended.lines


def test_on_a_terminal_a_long_table_is_cut(built: Path) -> None:
    ended = psalab_on_a_terminal(
        "index", "sql", "select range as n from range(1000)", "--index", "small.duckdb", cwd=built
    )
    assert "... and 800 more rows" in ended.output


def test_on_a_terminal_values_cannot_give_orders_to_it(built: Path) -> None:
    ended = psalab_on_a_terminal(
        "index", "sql", r"select e'\x1b]0;owned\x07[red]x[/red]' as t", "--index", "small.duckdb", cwd=built
    )
    assert r"\x1b]0;owned\x07[red]x[/red]" in ended.output
    assert "\x07" not in ended.output


# --------------------------------------------------------------------------------------------------------------- status


def test_the_status_says_what_is_in_an_index(built: Path) -> None:
    ended = ask(built, "status")
    assert ended.code == 0
    said = dict(line.split("\t") for line in ended.lines)
    assert said["products"] == "3"
    assert said["rejected"] == "1 (1 of them new in the last run that found changes)"
    assert said["root SMALL"] == str(built / "SMALL")
    assert said["family SC/CAM"].startswith("3 products, ")
    assert " min ago, built by psalab " in said["written"]
    assert said["up to date"].endswith(" min ago")


def test_the_status_comes_as_json(built: Path) -> None:
    status = json.loads(ask(built, "status", "--json").output)
    assert (status["products"], status["labels"], status["rejected"]) == (3, 4, 1)
    assert (status["rejected_new"], status["rejected_old"], status["command"]) == (1, 0, "build")
    (root,) = status["roots"]
    assert (root["root"], root["path"], root["mounted"]) == ("SMALL", str(built / "SMALL"), True)
    assert root["as_of"] == status["up_to_date"] < status["built"]
    assert 0 <= status["age_seconds"] <= status["lag_seconds"]
    assert [(family["family"], family["products"]) for family in status["families"]] == [("SC/CAM", 3)]
    assert status["structure"] is False


def test_on_a_terminal_the_status_is_facts_and_a_table_of_families(built: Path) -> None:
    ended = psalab_on_a_terminal("index", "status", "--index", "small.duckdb", cwd=built, columns=80)
    assert ended.code == 0
    assert ["products", "3"] in [line.split() for line in ended.lines]
    assert [line.split()[:2] for line in ended.lines if line.startswith("SC/")] == [["SC/CAM", "3"]]


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of a hundred labels, one of which has a word where the others have numbers."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "V").mkdir()
    for number in range(120):
        value = '"TOO COLD"' if number == 50 else f"{number}.5"
        text = (
            f'PDS_VERSION_ID = PDS3\nINSTRUMENT_HOST_ID = "SC"\nINSTRUMENT_ID = "T"\nPRODUCT_ID = "P{number}"\n'
            f"TEMPERATURE = {value}\nEND\n"
        )
        (folder / "V" / f"P{number}.LBL").write_text(text)
    assert psalab("index", "build", "V", "--index", "small.duckdb", cwd=folder).code == 0
    return folder


def test_errors_lists_what_was_rejected_and_why(built: Path) -> None:
    ended = ask(built, "errors")
    assert ended.code == 0
    assert ended.lines[0] == "root\tpath\tline\treason\ttext"
    root, path, line, reason, _ = ended.lines[1].split("\t")
    assert (root, path, line) == ("SMALL", "CUT.LBL", "2")
    assert "never closed" in reason
    assert len(ended.lines) == 2


def test_errors_counts_values_that_do_not_fit(odd: Path) -> None:
    assert ask(odd, "errors").lines == [
        "root\tpath\tline\treason\ttext",
        "",
        "family\tpath\tcount\texample",
        "SC/T\tTEMPERATURE\t1\tTOO COLD",
    ]
    on_terminal = psalab_on_a_terminal("index", "errors", "--index", "small.duckdb", cwd=odd)
    assert "0 files rejected" in on_terminal.output
    assert "1 keyword with odd values" in on_terminal.output


def test_errors_come_as_json(built: Path, odd: Path) -> None:
    broken = json.loads(ask(built, "errors", "--json").output)
    assert [(row["root"], row["path"], row["line"]) for row in broken["rejected"]] == [("SMALL", "CUT.LBL", 2)]
    assert broken["odd_values"] == []
    found = json.loads(ask(odd, "errors", "--json").output)
    assert found == {
        "rejected": [],
        "odd_values": [{"family": "SC/T", "path": "TEMPERATURE", "count": 1, "example": "TOO COLD"}],
    }


# ------------------------------------------------------------------------------------------------------------- keywords


def test_keywords_are_listed_by_pattern(built: Path) -> None:
    ended = ask(built, "keywords", "*angle")
    assert ended.code == 0
    header, row = (line.split("\t") for line in ended.lines)
    found = dict(zip(header, row, strict=True))
    assert (found["path"], found["type"], found["unit"], found["count"]) == (
        "GEOMETRY/PHASE_ANGLE",
        "float",
        "deg",
        "3",
    )


def test_all_keywords_are_listed_without_a_pattern(built: Path) -> None:
    listed = json.loads(ask(built, "keywords", "--json").output)
    assert {"GEOMETRY/PHASE_ANGLE", "POINTING/DISTANCE"} < {keyword["path"] for keyword in listed}
    assert {keyword["path"]: keyword["missing"] for keyword in listed}["FILTER_NAME"] == {"N/A": 1}


def test_a_pattern_that_nothing_fits_is_said(built: Path) -> None:
    ended = ask(built, "keywords", "*ANGEL*")
    assert (ended.code, len(ended.lines)) == (0, 1)
    assert ended.errors == "psalab: no keyword fits '*ANGEL*'\n"


def test_on_a_terminal_keywords_are_a_table_family_by_family(built: Path) -> None:
    ended = psalab_on_a_terminal("index", "keywords", "PHASE_*", "--index", "small.duckdb", cwd=built, columns=80)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", ended.output)
    header, rule, family, keyword = (line.split() for line in plain.splitlines() if line)
    assert header == ["path", "type", "unit", "count", "min", "max"]
    assert len(rule) == 1
    assert family == ["SC/CAM"]
    assert keyword == ["GEOMETRY/PHASE_ANGLE", "float", "deg", "3", "10.5", "31.5"]


def test_on_a_terminal_a_long_list_of_keywords_is_cut(tmp_path: Path) -> None:
    lines = [f"KEY_{number} = {number}" for number in range(300)]
    (tmp_path / "V").mkdir()
    (tmp_path / "V" / "a.lbl").write_text("\n".join(["PDS_VERSION_ID = PDS3", *lines, "END\n"]))
    assert psalab("index", "build", "V", "--index", "i.duckdb", cwd=tmp_path).code == 0
    ended = psalab_on_a_terminal("index", "keywords", "KEY_*", "--index", "i.duckdb", cwd=tmp_path)
    assert ended.output.count("KEY_") == 200
    assert "... and 100 more rows; a file, a pipe or --json gets them all" in ended.output


# --------------------------------------------------------------------------------------------------- what is no index


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("sql", "select 1"), "missing"),
        (("sql", "select 1"), "text"),
        (("sql", "select 1"), "folder"),
        (("status",), "missing"),
        (("errors",), "text"),
        (("keywords",), "folder"),
    ],
)
def test_what_is_no_index_ends_with_1(command: tuple[str, ...], what: str, tmp_path: Path) -> None:
    path = tmp_path / "i.duckdb"
    if what == "text":
        path.write_text("no index")
    elif what == "folder":
        path.mkdir()
    ended = psalab("index", *command, "--index", path, cwd=tmp_path)
    assert (ended.code, ended.output) == (1, "")
    assert ended.errors.startswith(f"psalab: {path}")
    assert "Traceback" not in ended.errors
