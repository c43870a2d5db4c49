"""How fresh an index is, and whether its volumes are there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from psalab.index.ask import open_index
from psalab.index.build import build_index
from psalab.index.update import update_index
from tests.index.volumes import pds3, series, write

if TYPE_CHECKING:
    from pathlib import Path

    from psalab.index.status import Status


def status(index: Path) -> Status:
    with open_index(index) as opened:
        return opened.status()


def two_volumes(tmp_path: Path) -> tuple[Path, Path, Path]:
    one = write(tmp_path / "one", series(["1"]) | {"VOLDESC.CAT": pds3(id="V"), "bad.lbl": "X = ("})
    other, index = write(tmp_path / "other", series(["2"])), tmp_path / "index.duckdb"
    build_index([one, other], index, jobs=1)
    return one, other, index


def test_an_index_is_as_of_the_start_of_its_build(tmp_path: Path) -> None:
    _, _, index = two_volumes(tmp_path)
    found = status(index)
    assert found.as_of.keys() == {"one", "other"}
    assert found.built is not None
    assert found.up_to_date == found.as_of["one"] == found.as_of["other"] < found.built
    assert found.command == "build"


def test_an_update_that_finds_nothing_makes_an_index_fresher_all_the_same(tmp_path: Path) -> None:
    one, _, index = two_volumes(tmp_path)
    before = status(index)
    update_index(index, [one], jobs=1)
    after = status(index)
    assert after.built == before.built
    assert after.as_of["one"] > before.as_of["one"]
    assert after.as_of["other"] == after.up_to_date == before.up_to_date


def test_a_look_at_a_part_does_not_make_an_index_fresher(tmp_path: Path) -> None:
    one, _, index = two_volumes(tmp_path)
    before = status(index)
    write(one, {"DATA/new.lbl": pds3(id="new")})
    update_index(index, under=one / "DATA", jobs=1)
    (tmp_path / "list").write_text(f"{one}/DATA/new.lbl\n")
    update_index(index, from_list=tmp_path / "list", jobs=1)
    after = status(index)
    assert after.products == before.products + 1
    assert (after.as_of, after.command) == (before.as_of, "update")


def test_a_note_that_is_damaged_or_of_another_index_is_no_matter(tmp_path: Path) -> None:
    one, _, index = two_volumes(tmp_path)
    before = status(index)
    for text in (
        "",
        "[]",
        '{"one": 5}',
        '{"one": "yesterday"}',
        '{"one": "2000-01-01T00:00:00Z", "third": "2100-01-01T00:00:00Z"}',
    ):
        (tmp_path / "index.duckdb.checked").write_text(text)
        assert status(index).as_of == before.as_of
        update_index(index, [one], jobs=1)
        assert status(index).as_of["one"] > before.as_of["one"]


def test_labels_that_the_last_run_was_the_first_to_reject_are_counted(tmp_path: Path) -> None:
    one, _, index = two_volumes(tmp_path)
    assert (status(index).rejected, status(index).rejected_new) == (1, 1)
    write(one, {"worse.lbl": "Y = ("})
    update_index(index, jobs=1)
    assert (status(index).rejected, status(index).rejected_new) == (2, 1)
    build_index(one, index, jobs=1)
    assert (status(index).rejected, status(index).rejected_new) == (2, 0)


def test_a_volume_is_mounted_if_its_marker_is_there_or_anything(tmp_path: Path) -> None:
    one, other, index = two_volumes(tmp_path)
    assert status(index).mounted == {"one": True, "other": True}
    (one / "VOLDESC.CAT").unlink()
    shutil.rmtree(other)
    other.mkdir()
    assert status(index).mounted == {"one": False, "other": False}
