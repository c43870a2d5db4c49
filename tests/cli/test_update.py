"""``psalab index update``, and what it and ``build`` leave for whoever watches over them: exit codes, log, metrics."""

from __future__ import annotations

import fcntl
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.command import Ended, psalab, psalab_on_a_terminal
from tests.cli.conftest import write_labels

if TYPE_CHECKING:
    from pathlib import Path

BAD = 'PDS_VERSION_ID = PDS3\nNOTE = "never closed\n'
#: A line of the text format of Prometheus that tells a number of an index.
NUMBER = re.compile(r'(psalab_[a-z_]+)\{index="((?:[^"\\\n]|\\.)*)",command="[a-z]+"\} (\d+(?:\.\d+)?)')


def run(folder: Path, *arguments: str) -> Ended:
    return psalab("index", *arguments, "--index", "i.duckdb", "--jobs", "1", cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a volume, one of whose labels is broken, and its index."""
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    assert run(tmp_path, "build", "V").code == 0
    return tmp_path


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def metrics_of(folder: Path, name: str = "psalab.prom") -> dict[str, float]:
    """Numbers of a file of metrics, each declared before it is told, and only once."""
    lines = (folder / name).read_text().splitlines()
    numbers = {}
    for help_, kind, told in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        found = NUMBER.fullmatch(told)
        assert found, told
        metric, index, number = found.groups()
        assert re.fullmatch(rf"# HELP {metric} \S.*", help_)
        assert kind == f"# TYPE {metric} gauge"
        assert metric not in numbers
        assert index == str(folder / "i.duckdb")
        numbers[metric.removeprefix("psalab_")] = float(number)
    return numbers


# ---------------------------------------------------------------------------------------------------------------- says


def test_without_a_terminal_an_update_says_one_line(folder: Path) -> None:
    write_labels(folder / "V", 4, 5)
    ended = run(folder, "update")
    assert (ended.code, ended.errors) == (0, "")
    assert re.fullmatch(
        r".*/i\.duckdb: 2 new, 0 changed, 0 gone, 6 files looked at, 2 labels read, 0 of them rejected, 5 products, [\d.]+ s\n",
        ended.output,
    )


def test_on_a_terminal_a_bar_shows_what_is_done(folder: Path) -> None:
    write_labels(folder / "V", 4, 5)
    ended = psalab_on_a_terminal("index", "update", "--index", "i.duckdb", cwd=folder)
    assert ended.code == 0
    assert "looking for labels" in ended.output
    assert "2 new" in ended.output


def test_an_update_tells_as_json(folder: Path) -> None:
    (folder / "V" / "C1.LBL").unlink()
    ended = run(folder, "update", "--json", "--max-forget", "100")
    report = json.loads(ended.output)
    assert report["index"] == str(folder / "i.duckdb")
    assert {name: report[name] for name in ("read", "new", "changed", "gone", "files", "products", "rejected")} == {
        "read": 0, "new": 0, "changed": 0, "gone": 1, "files": 3, "products": 2, "rejected": 0,
    }  # fmt: skip


def test_the_scope_and_what_is_left_out_can_be_told(folder: Path) -> None:
    write_labels(folder / "V" / "A", 10, 11)
    write_labels(folder / "V" / "B", 12, 14)
    assert "2 new" in run(folder, "update", "--under", "A").output
    (folder / "list").write_text("B/C12.LBL\n")
    assert "1 new" in run(folder, "update", "--from-list", "list").output
    assert "1 new" in run(folder, "update", "--exclude", "C13.*").output
    assert "0 new" in run(folder, "update").output
    assert "1 new" in run(folder, "update", "--hash", "--exclude", "nothing").output


# ---------------------------------------------------------------------------------------------------------- exit codes


def test_too_much_that_is_gone_is_refused_with_4_and_the_answer_says_how_to_allow_it(folder: Path) -> None:
    (folder / "V" / "C1.LBL").unlink()
    ended = run(folder, "update")
    assert (ended.code, ended.output) == (4, "")
    assert "1 of 3 labels are gone, more than 1 %" in ended.errors
    allowed = re.search(r"--max-forget (\d+)", ended.errors)
    assert allowed
    assert run(folder, "update", "--max-forget", allowed[1]).code == 0


def test_a_root_that_is_not_there_ends_with_3(folder: Path) -> None:
    assert run(folder, "update", "nowhere").code == 3
    (folder / "V").rename(folder / "W")
    ended = run(folder, "update")
    assert (ended.code, ended.output) == (3, "")
    assert "is the volume mounted?" in ended.errors


def test_an_index_that_another_run_is_writing_ends_with_5(folder: Path) -> None:
    with (folder / "i.duckdb.lock").open("w") as lock:
        lock.write("host elsewhere, pid 17, since yesterday")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run(folder, "update")
    assert ended.code == 5
    assert "host elsewhere, pid 17, since yesterday" in ended.errors


def test_a_root_that_holds_one_of_the_index_is_refused_with_4(folder: Path) -> None:
    ended = run(folder, "update", ".")
    assert ended.code == 4
    assert "psalab index build" in ended.errors


@pytest.mark.parametrize(
    "wrong",
    [
        ("--max-forget", "101"), ("--fail-on", "anything"), ("--log-file", "no/where"),
        ("--metrics", "no/where"), ("--unknown",),
    ],
)  # fmt: skip
def test_a_mistake_in_the_command_line_ends_with_2(folder: Path, wrong: tuple[str, ...]) -> None:
    before = (folder / "i.duckdb").stat().st_ino
    write_labels(folder / "V", 4, 5)
    ended = run(folder, "update", *wrong)
    assert (ended.code, ended.output) == (2, "")
    assert (folder / "i.duckdb").stat().st_ino == before


def test_where_no_index_is_there_yet_the_answer_says_how_to_build_one(tmp_path: Path) -> None:
    ended = run(tmp_path, "update")
    assert ended.code == 1
    assert "psalab index build ROOT" in ended.errors


def test_what_counts_as_failure_can_be_told(folder: Path) -> None:
    assert run(folder, "update").code == 0
    assert run(folder, "update", "--fail-on", "new").code == 0
    ended = run(folder, "update", "--fail-on", "damage")
    assert (ended.code, ended.errors) == (1, "psalab: 1 file rejected\n")
    (folder / "V" / "WORSE.LBL").write_text(BAD)
    ended = run(folder, "update", "--fail-on", "new")
    assert (ended.code, ended.errors) == (1, "psalab: 1 file rejected that the former index did not reject\n")
    assert "1 new" in ended.output


# ----------------------------------------------------------------------------------------------------------------- log


@pytest.mark.parametrize("command", [("build", "V"), ("update",)])
def test_a_run_is_logged_from_its_start_to_its_end(folder: Path, command: tuple[str, ...]) -> None:
    write_labels(folder / "V", 4, 5)
    for _ in range(2):
        assert run(folder, *command, "--log-file", "log").code == 0
    lines = log_of(folder)
    events = [line["event"] for line in lines]
    assert events.count("start") == events.count("end") == 2
    assert (events[0], events[-1], "progress" in events) == ("start", "end", True)
    assert {line["command"] for line in lines} == {command[0]}
    assert all(datetime.fromisoformat(line["time"]).utcoffset() is not None for line in lines)
    assert (lines[-1]["products"], lines[-1]["index"]) == (5, str(folder / "i.duckdb"))
    assert lines[0]["pid"] > 0


@pytest.mark.parametrize("command", [("build", "nowhere"), ("update", "nowhere")])
def test_a_failure_is_logged(folder: Path, command: tuple[str, ...]) -> None:
    assert run(folder, *command, "--log-file", "log").code == 3
    last = log_of(folder)[-1]
    assert (last["event"], last["kind"], last["exit_code"]) == ("failed", "VolumeError", 3)
    assert last["reason"].startswith("the root nowhere is not there")


def test_a_run_that_ended_is_no_failure_in_the_log_whatever_it_found(folder: Path) -> None:
    assert run(folder, "update", "--fail-on", "damage", "--log-file", "log").code == 1
    assert log_of(folder)[-1]["event"] == "end"


# ------------------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize("command", [("build", "V"), ("update",)])
def test_a_run_leaves_metrics(folder: Path, command: tuple[str, ...]) -> None:
    write_labels(folder / "V", 4, 5)
    assert run(folder, *command, "--metrics", "psalab.prom").code == 0
    numbers = metrics_of(folder)
    assert (numbers["run_success"], numbers["run_exit_code"], numbers["index_products"]) == (1, 0, 5)
    assert numbers["index_size_bytes"] == (folder / "i.duckdb").stat().st_size
    assert numbers["run_last_success_timestamp_seconds"] == numbers["run_timestamp_seconds"]
    assert sorted(path.name for path in folder.glob("*prom*")) == ["psalab.prom"]


def test_a_run_that_failed_says_so_and_leaves_what_is_still_so(folder: Path) -> None:
    assert run(folder, "update", "--metrics", "psalab.prom").code == 0
    text = (folder / "psalab.prom").read_text()
    former = re.sub(r"(psalab_run_last_success\w+\{.*\}) \d+", r"\1 1700000000", text)
    (folder / "psalab.prom").write_text(former)
    (folder / "V" / "C1.LBL").unlink()
    assert run(folder, "update", "--metrics", "psalab.prom").code == 4
    numbers = metrics_of(folder)
    assert (numbers["run_success"], numbers["run_exit_code"], numbers["index_products"]) == (0, 4, 3)
    assert numbers["run_last_success_timestamp_seconds"] == 1700000000 < numbers["run_timestamp_seconds"]
    assert "run_labels_gone" not in numbers


def test_the_first_run_that_fails_leaves_metrics_too(tmp_path: Path) -> None:
    assert run(tmp_path, "build", "nowhere", "--metrics", "psalab.prom").code == 3
    assert metrics_of(tmp_path).keys() == {"run_success", "run_exit_code", "run_timestamp_seconds", "run_seconds"}


def test_a_run_that_found_something_wrong_was_a_success_with_its_exit_code(folder: Path) -> None:
    assert run(folder, "update", "--fail-on", "damage", "--metrics", "psalab.prom").code == 1
    numbers = metrics_of(folder)
    assert (numbers["run_success"], numbers["run_exit_code"]) == (1, 1)


def test_roots_that_are_away_are_counted(folder: Path) -> None:
    write_labels(folder / "W", 7, 8)
    assert run(folder, "update", "W").code == 0
    (folder / "V").rename(folder / "elsewhere")
    ended = run(folder, "update", "--metrics", "psalab.prom")
    assert (ended.code, metrics_of(folder)["run_roots_away"]) == (0, 1)
    assert ended.errors.startswith("psalab: not mounted, and left as it was: V (")
