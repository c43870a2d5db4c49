"""``psalab demo`` and ``psalab index build``."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from psalab.demo_volume import write_volume
from tests.cli.command import PSALAB, Ended, environment, psalab, psalab_on_a_terminal
from tests.cli.conftest import write_labels

if TYPE_CHECKING:
    from pathlib import Path

BAD = 'PDS_VERSION_ID = PDS3\nNOTE = "never closed\n'


def build(folder: Path, *arguments: str) -> Ended:
    return psalab("index", "build", *arguments, "--index", "i.duckdb", "--jobs", "1", cwd=folder)


def test_the_demonstration_volume_is_written_and_indexed(tmp_path: Path) -> None:
    written = psalab("demo", "volume", cwd=tmp_path)
    assert written.code == 0
    assert "volume" in written.output
    ended = psalab("index", "build", "volume", "--index", "i.duckdb", "--json", cwd=tmp_path)
    assert ended.code == 0
    report = json.loads(ended.output)
    expected = write_volume(tmp_path / "volume")
    assert report["products"] == len(expected.labels)
    assert report["rejected"] == len(expected.rejected)
    assert report["families"] == len(expected.families)
    assert report["index"] == str(tmp_path / "i.duckdb")


def test_the_demonstration_volume_has_a_place_of_its_own(tmp_path: Path) -> None:
    ended = psalab("demo", cwd=tmp_path)
    assert ended.code == 0
    folders = [path.parent for path in tmp_path.rglob("README.txt")]
    assert len(folders) == 1
    assert str(folders[0]) in ended.output


def test_the_demonstration_volume_is_not_written_over_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ended = psalab("demo", ".", cwd=tmp_path)
    assert (ended.code, ended.output) == (3, "")
    assert ended.errors.startswith("psalab: ")
    assert "not empty" in ended.errors


def test_without_a_terminal_a_build_says_one_line(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    ended = build(tmp_path, "V")
    assert (ended.code, ended.errors) == (0, "")
    assert re.fullmatch(
        r".*/i\.duckdb: 4 labels, 3 products, 1 rejected, 1 family, \d+ keywords, [\d.]+ [kM]B, [\d.]+ s\n",
        ended.output,
    )


def test_on_a_terminal_a_build_shows_a_bar_and_what_to_do_next(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    ended = psalab_on_a_terminal("index", "build", "V", "--index", "i.duckdb", cwd=tmp_path)
    assert ended.code == 0
    assert "looking for labels" in ended.output
    assert "4 of 4" in ended.output
    assert "1 rejected" in ended.output
    assert "psalab index errors --index i.duckdb" in ended.output
    assert "psalab index sql --index i.duckdb" in ended.output


def test_what_a_build_advises_works(tmp_path: Path) -> None:
    (tmp_path / "with blank").mkdir()
    write_labels(tmp_path / "V")
    ended = psalab_on_a_terminal("index", "build", "V", "--index", "with blank/i.duckdb", cwd=tmp_path)
    advice = [line.strip() for line in ended.lines if line.startswith("  psalab ")]
    assert len(advice) == 2
    for line in advice:
        command = ["sh", "-c", line.replace("psalab", " ".join(PSALAB), 1)]
        done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_several_roots_become_one_index(tmp_path: Path) -> None:
    write_labels(tmp_path / "A", 1, 2)
    write_labels(tmp_path / "B", 3, 5)
    assert build(tmp_path, "A", "B").code == 0
    ended = psalab(
        "index",
        "sql",
        "select root, count(*) as n from products group by 1 order by 1",
        "--index",
        "i.duckdb",
        cwd=tmp_path,
    )
    assert ended.lines == ["root\tn", "A\t2", "B\t3"]


def test_the_index_may_come_from_the_environment(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    env = {"PSALAB_INDEX": "named.duckdb", "PSALAB_JOBS": "1"}
    assert psalab("index", "build", "V", cwd=tmp_path, env=env).code == 0
    assert (tmp_path / "named.duckdb").is_file()
    ended = psalab("index", "sql", "select count(*) as n from products", cwd=tmp_path, env=env)
    assert ended.lines == ["n", "3"]
    assert psalab("index", "sql", "select jobs from runs", cwd=tmp_path, env=env).lines == ["jobs", "1"]


@pytest.mark.parametrize("command", [("build", "."), ("status",), ("errors",), ("keywords",), ("sql", "select 1")])
def test_where_no_index_is_named_the_answer_says_how_to_name_one(command: tuple[str, ...], tmp_path: Path) -> None:
    ended = psalab("index", *command, cwd=tmp_path)
    assert (ended.code, ended.output) == (2, "")
    assert "--index FILE" in ended.errors
    assert "PSALAB_INDEX" in ended.errors


def test_structure_adds_the_layout_of_data_objects(tmp_path: Path) -> None:
    (tmp_path / "V").mkdir()
    text = 'PDS_VERSION_ID = PDS3\nPRODUCT_ID = "A"\nOBJECT = IMAGE\nLINES = 10\nEND_OBJECT = IMAGE\nEND\n'
    (tmp_path / "V" / "A.LBL").write_text(text)
    counts = []
    for option in ((), ("--structure",)):
        assert build(tmp_path, "V", *option).code == 0
        counts.append(psalab("index", "keywords", "LINES", "--index", "i.duckdb", "--json", cwd=tmp_path).output)
    assert [len(json.loads(text)) for text in counts] == [0, 1]


def test_exclude_leaves_out_files_and_folders(tmp_path: Path) -> None:
    write_labels(tmp_path / "V" / "DATA", 1, 3)
    write_labels(tmp_path / "V" / "OLD", 4, 5)
    assert build(tmp_path, "V", "--exclude", "OLD", "--exclude", "DATA/C1.*").code == 0
    ended = psalab("index", "sql", "select id from products order by 1", "--index", "i.duckdb", cwd=tmp_path)
    assert ended.lines == ["id", "C2", "C3"]


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("damage", 1), ("new", 1)])
def test_what_counts_as_failure_can_be_told(fail_on: str, code: int, tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    ended = build(tmp_path, "V", "--fail-on", fail_on)
    assert ended.code == code
    assert "1 rejected" in ended.output


def test_only_what_the_former_index_did_not_reject_is_new(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    assert build(tmp_path, "V").code == 0
    assert build(tmp_path, "V", "--fail-on", "new").code == 0
    (tmp_path / "V" / "WORSE.LBL").write_text(BAD)
    ended = build(tmp_path, "V", "--fail-on", "new")
    assert ended.code == 1
    assert ended.errors == "psalab: 1 file rejected that the former index did not reject\n"


def test_a_volume_without_bad_labels_is_no_failure(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    assert build(tmp_path, "V", "--fail-on", "damage").code == 0


def test_a_root_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    ended = build(tmp_path, "nowhere")
    assert (ended.code, ended.output) == (3, "")
    assert ended.errors.startswith("psalab: the root nowhere is not there")
    assert "Traceback" not in ended.errors


def test_a_root_inside_another_one_is_refused_with_4(tmp_path: Path) -> None:
    write_labels(tmp_path / "V" / "DATA")
    assert build(tmp_path, "V").code == 0
    ended = build(tmp_path, "V/DATA")
    assert ended.code == 4
    assert "lies inside the root V" in ended.errors


def test_an_index_that_another_run_is_writing_ends_with_5(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    with (tmp_path / "i.duckdb.lock").open("w") as lock:
        lock.write("host elsewhere, pid 17, since yesterday")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = build(tmp_path, "V")
    assert ended.code == 5
    assert "host elsewhere, pid 17, since yesterday" in ended.errors


def test_a_file_that_is_no_index_is_not_overwritten(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "i.duckdb").write_text("precious")
    for fail_on in ("never", "new"):
        ended = build(tmp_path, "V", "--fail-on", fail_on)
        assert ended.code == 1
        assert "Traceback" not in ended.errors
    assert (tmp_path / "i.duckdb").read_text() == "precious"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_build_says_so_and_goes_on_the_next_time(tmp_path: Path, jobs: str) -> None:
    """Ctrl-C of a terminal reaches all processes of the command."""
    write_labels(tmp_path / "V", 1, 6000)
    command = [*PSALAB, "index", "build", "V", "--index", "i.duckdb", "--jobs", jobs]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        while process.poll() is None and not list(tmp_path.glob("i.duckdb.building/*.chunk")):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate()
    assert (process.returncode, output) == (130, "")
    assert (
        errors == "psalab: interrupted; the same command goes on from where it was, and a former index is as it was\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["V", "i.duckdb.building"]
    ended = build(tmp_path, "V", "--json")
    assert ended.code == 0
    report = json.loads(ended.output)
    assert report["labels"] == 6000
    assert report["resumed"] > 0


def test_a_build_goes_on_where_nobody_reads_what_it_says(tmp_path: Path) -> None:
    write_labels(tmp_path / "V")
    (tmp_path / "V" / "BAD.LBL").write_text(BAD)
    command = [*PSALAB, "index", "build", "V", "--index", "i.duckdb", "--fail-on", "damage"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, "")
    assert (tmp_path / "i.duckdb").is_file()
