"""The command itself: help, version, usage, and what starting costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import psalab as package
from tests.cli.command import PSALAB, environment, psalab

if TYPE_CHECKING:
    from pathlib import Path


def test_the_short_form_of_help_is_help(tmp_path: Path) -> None:
    assert psalab("-h", cwd=tmp_path).output == psalab("--help", cwd=tmp_path).output


def test_the_version_is_shown(tmp_path: Path) -> None:
    assert psalab("--version", cwd=tmp_path).output == f"psalab {package.__version__}\n"


@pytest.mark.parametrize(
    "command",
    ["", "demo", "label", "index", "index build", "index status", "index errors", "index keywords", "index sql"],
)
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    ended = psalab(*command.split(), "--help", cwd=tmp_path)
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.startswith("Usage: psalab")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("index",),
        ("nonsense",),
        ("label",),
        ("label", "a.lbl", "--nonsense"),
        ("index", "build", "--index", "i.duckdb"),
        ("index", "build", ".", "--index", "i.duckdb", "--jobs", "0"),
        ("index", "build", ".", "--index", "i.duckdb", "--jobs", "many"),
        ("index", "build", ".", "--index", "i.duckdb", "--fail-on", "nothing"),
        ("index", "sql", "--index", "i.duckdb"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ended = psalab(*arguments, cwd=tmp_path)
    assert ended.code == 2
    assert "Usage: psalab" in ended.errors + ended.output
    assert "Traceback" not in ended.errors
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_used_ends_with_2(tmp_path: Path) -> None:
    ended = psalab("index", "sql", "select 1", cwd=tmp_path, env={"PSALAB_JOBS": "many"})
    assert ended.code == 2
    assert ended.errors.startswith("psalab: environment variable PSALAB_JOBS: ")


def loaded_by(*arguments: str, cwd: Path) -> set[str]:
    """Top-level packages that a command has loaded in a fresh interpreter."""
    program = (
        "import json, sys\nfrom psalab.cli import app\n"
        f"try: app({list(arguments)!r}, prog_name='psalab')\nexcept SystemExit as end: assert end.code in (0, None), end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, env=environment(cwd), capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"astropy", "distributed", "lxml", "numpy", "pandas", "pyarrow", "rich", "tqdm"}


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("--help", cwd=tmp_path) & {*HEAVY, "duckdb", "platformdirs"} == set()


def test_a_question_in_sql_loads_duckdb_alone(built: Path) -> None:
    loaded = loaded_by("index", "sql", "select id, start_time from products", "--index", "small.duckdb", cwd=built)
    assert loaded & HEAVY == set()
    assert "duckdb" in loaded


@pytest.mark.parametrize("command", [("status",), ("errors",), ("keywords", "*ANGLE*")])
def test_no_question_to_an_index_loads_pandas(command: tuple[str, ...], built: Path) -> None:
    loaded = loaded_by("index", *command, "--index", "small.duckdb", cwd=built)
    assert loaded & {"pandas", "pyarrow", "numpy", "rich", "tqdm"} == set()


def test_a_label_needs_no_index(built: Path) -> None:
    loaded = loaded_by("label", "SMALL/C1.LBL", cwd=built)
    assert loaded & (HEAVY - {"lxml"} | {"duckdb", "platformdirs"}) == set()


def seconds(*arguments: str, cwd: Path) -> float:
    """Processor time of a command, least of five: other work on the machine is not ours."""

    def once() -> float:
        with subprocess.Popen(
            [*PSALAB, *arguments], cwd=cwd, env=environment(cwd), stdout=subprocess.DEVNULL
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return usage.ru_utime + usage.ru_stime

    return min(once() for _ in range(5))


def test_help_takes_at_most_250_ms(tmp_path: Path) -> None:
    assert seconds("--help", cwd=tmp_path) < 0.250


def test_a_question_to_a_small_index_takes_at_most_350_ms(built: Path) -> None:
    assert seconds("index", "sql", "select id from products", "--index", "small.duckdb", cwd=built) < 0.350
