"""An index that lies inside one of its roots is no file of the volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.index.build import build_index
from psalab.index.walk import walk
from tests.index.volumes import ask, pds3, write

if TYPE_CHECKING:
    from pathlib import Path

FILES = "select concat_ws('/', nullif(folder, ''), name) from files order by all"


def files_of(index: Path) -> list[str]:
    return [path for (path,) in ask(index, FILES)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "volume", {"a.lbl": pds3("A = 1"), "INDEX/b.lbl": pds3("A = 2")})


@pytest.mark.parametrize("place", ["volume.duckdb", "INDEX/volume.duckdb", "INDEX/new/volume.duckdb"])
def test_the_files_of_a_build_are_not_among_those_of_the_volume(root: Path, place: str) -> None:
    for _ in ("a first build", "one beside the former index"):
        build_index(root, root / place, jobs=1)
        assert files_of(root / place) == ["INDEX/b.lbl", "a.lbl"]


def test_what_a_killed_build_has_left_is_not_among_them_either(root: Path) -> None:
    index = root / "volume.duckdb"
    left = [
        "volume.duckdb.part",
        "volume.duckdb.part.wal",
        "volume.duckdb.part.tmp/x.lbl",
        "volume.duckdb.building/x.lbl",
    ]
    write(root, dict.fromkeys(left, ""))
    build_index(root, index, jobs=1)
    assert files_of(index) == ["INDEX/b.lbl", "a.lbl"]
    assert [path.name for path in root.iterdir() if path.name.startswith("volume")] == ["volume.duckdb"]


def test_an_index_that_is_named_by_way_of_a_link_is_found_too(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    build_index(tmp_path / "link", tmp_path / "link" / "volume.duckdb", jobs=1)
    assert files_of(root / "volume.duckdb") == ["INDEX/b.lbl", "a.lbl"]


def test_any_other_file_is_listed_even_when_it_looks_like_one_of_these(root: Path) -> None:
    others = ["INDEX/volume.duckdb", "other.duckdb", "volume.duckdb.bak", "volume.duckdb.part2"]
    write(root, dict.fromkeys(others, ""))
    build_index(root, root / "volume.duckdb", jobs=1)
    assert files_of(root / "volume.duckdb") == sorted(["INDEX/b.lbl", "a.lbl", *others])


def test_what_is_left_out_by_its_path_is_no_pattern(tmp_path: Path) -> None:
    root = write(tmp_path, dict.fromkeys(["[a].x", "a.x", "b/[a].x", "c"], ""))
    left = [f"{folder.path}/{file.name}" for folder in walk(str(root), own=["[a].x", "c"]) for file in folder.files]
    assert left == ["/a.x", "b/[a].x"]
