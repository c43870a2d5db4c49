"""``psalab index publish``: what it writes, what it says, and what it asks of others."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from tests.cli.command import psalab
from tests.cli.conftest import write_labels

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A folder with an index of its own."""
    shutil.copy(built / "small.duckdb", tmp_path / "small.duckdb")
    return tmp_path


def publish(folder: Path, *options: str) -> dict[str, object]:
    done = psalab("index", "publish", "out", "--index", "small.duckdb", "--json", *options, cwd=folder)
    assert (done.code, done.errors) == (0, "")
    told: dict[str, object] = json.loads(done.output)
    return told


def test_it_tells_what_was_published(folder: Path) -> None:
    told = publish(folder)
    assert {name: told[name] for name in ("number", "new", "products", "linked", "removed", "left_out")} == {
        "number": 1,
        "new": True,
        "products": 3,
        "linked": [],
        "removed": [],
        "left_out": {"products": 0, "datasets": [], "until": None},
    }
    assert told["folder"] == str(folder / "out" / "1")
    assert pq.read_table(folder / "out" / "latest" / "products.parquet").num_rows == 3


def test_in_one_line_for_people(folder: Path) -> None:
    done = psalab("index", "publish", "out", "--index", "small.duckdb", cwd=folder)
    (line,) = done.lines
    assert line.startswith(f"{folder / 'out' / '1'}: 3 products, ")
    assert "tables written" in line
    again = psalab("index", "publish", "out", "--index", "small.duckdb", cwd=folder)
    assert again.lines[0].startswith(f"{folder / 'out' / '1'} is as the index is: 3 products, ")


def test_products_that_are_released_later_are_left_out_unless_all_are_asked_for(folder: Path) -> None:
    write_labels(folder / "LATER")
    label = folder / "LATER" / "C1.LBL"
    label.write_text(label.read_text().replace("FILTER_NAME", "PRODUCT_RELEASE_DATE = 2999-01-01\nFILTER_NAME", 1))
    assert psalab("index", "build", "LATER", "--index", "small.duckdb", "--jobs", "1", cwd=folder).code == 0
    assert publish(folder)["left_out"] == {
        "products": 1,
        "datasets": ["SC-X-CAM-2-TEST-V1.0"],
        "until": "2999-01-01T00:00:00",
    }
    said = psalab("index", "publish", "out", "--index", "small.duckdb", cwd=folder).output
    assert "1 product left out, not released yet" in said
    assert publish(folder, "--all")["products"] == 6


def test_what_was_published_answers_like_an_index(folder: Path) -> None:
    publish(folder)
    count = "select count(*) as n from products"
    for where in ("out", "out/1", "out/latest"):
        assert psalab("index", "sql", count, "--index", where, cwd=folder).lines == ["n", "3"]
    assert psalab("index", "sql", count, cwd=folder, env={"PSALAB_INDEX": "out"}).lines == ["n", "3"]
    for command in ("status", "errors", "keywords"):
        done = psalab("index", command, "--index", "out", cwd=folder)
        assert (done.code, done.errors) == (0, "")
        assert done.output


def test_an_index_on_a_volume_is_asked_without_a_name(folder: Path) -> None:
    publish(folder)
    (folder / "volumes" / "ONE" / ".psalab").mkdir(parents=True)
    (folder / "out").rename(folder / "volumes" / "ONE" / ".psalab" / "index")
    environment = {"PSALAB_VOLUMES": "volumes/*"}
    assert psalab("index", "sql", "select 1 as n", cwd=folder, env=environment).lines == ["n", "1"]
    none = psalab("index", "sql", "select 1 as n", cwd=folder, env={"PSALAB_VOLUMES": "elsewhere/*"})
    assert none.code == 2
    assert "elsewhere/*" in none.errors


def test_files_are_compared_with_their_sums(folder: Path) -> None:
    publish(folder)
    assert psalab("index", "publish", "out", "--verify", cwd=folder).output.endswith("as they were written\n")
    path = folder / "out" / "1" / "products.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    done = psalab("index", "publish", "out", "--verify", cwd=folder)
    assert done.code == 1
    assert "products.parquet: its SHA-256 is" in done.errors


def test_a_run_is_logged_and_measured(folder: Path) -> None:
    publish(folder, "--log-file", "log", "--metrics", "out.prom")
    events = [json.loads(line)["event"] for line in (folder / "log").read_text().splitlines()]
    assert (events[0], events[-1]) == ("start", "end")
    metrics = (folder / "out.prom").read_text()
    assert "psalab_publish_products{" in metrics
    assert "psalab_run_last_success_timestamp_seconds{" in metrics


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("out",), 2),
        (("out", "--index", "none.duckdb"), 1),
        (("out", "--index", "small.duckdb", "--keep", "0"), 2),
        (("out", "--verify"), 1),
        (("small.duckdb", "--index", "small.duckdb"), 1),
    ],
    ids=["no index named", "no index there", "keep none", "nothing published", "a file"],
)
def test_what_cannot_be_done_ends_with_its_code(folder: Path, arguments: tuple[str, ...], code: int) -> None:
    done = psalab("index", "publish", *arguments, cwd=folder)
    assert done.code == code
    assert "Traceback" not in done.errors
