"""The walk: which files it gives, in which order, and what it does with names and links that are odd."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.index import walk as walking
from psalab.index.walk import escape, find_marker, unescape, walk
from tests.index.volumes import write

if TYPE_CHECKING:
    from pathlib import Path


def seen(root: Path, *exclude: str) -> list[str]:
    """Paths of all files of a walk, in its order."""
    return [f"{folder.path}/{file.name}".lstrip("/") for folder in walk(str(root), exclude) for file in folder.files]


def test_folders_come_before_those_inside_them_all_in_the_order_of_their_names(tmp_path: Path) -> None:
    root = write(tmp_path, dict.fromkeys(["b/2", "b/10", "a/c/x", "a/z", "top", "B/1"], ""))
    assert [folder.path for folder in walk(str(root))] == ["", "B", "a", "a/c", "b"]
    assert seen(root) == ["top", "B/1", "a/z", "a/c/x", "b/10", "b/2"]


def test_a_file_has_its_size_and_its_time_in_microseconds(tmp_path: Path) -> None:
    write(tmp_path, {"file": b"12345"})
    os.utime(tmp_path / "file", ns=(0, 1_400_000_000_123_456_789))
    (folder,) = walk(str(tmp_path))
    assert folder.files == [("file", 5, 1_400_000_000_123_456)]


def test_an_empty_folder_is_one_folder_without_files(tmp_path: Path) -> None:
    assert [(folder.path, list(folder.files)) for folder in walk(str(tmp_path))] == [("", [])]


def test_a_root_that_is_not_there_or_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(walk(str(tmp_path / "nowhere")))
    write(tmp_path, {"file": ""})
    with pytest.raises(NotADirectoryError):
        list(walk(str(tmp_path / "file")))


def test_patterns_leave_out_names_and_paths(tmp_path: Path) -> None:
    root = write(tmp_path, dict.fromkeys(["a.TMP", "a.LBL", "EXTRAS/x", "DATA/OLD/x", "DATA/NEW/x", "OLD/x"], ""))
    assert seen(root, "*.TMP", "EXTRAS", "DATA/OLD") == ["a.LBL", "DATA/NEW/x", "OLD/x"]


def test_folders_that_tools_make_are_left_out(tmp_path: Path) -> None:
    root = write(
        tmp_path, dict.fromkeys([".snapshot/x", ".git/x", ".Trash-1000/x", "a/.ipynb_checkpoints/x", "a/y"], "")
    )
    assert seen(root) == ["a/y"]


def test_links_that_go_round_in_circles_end(tmp_path: Path) -> None:
    root = write(tmp_path, {"a/b/x": ""})
    (root / "a/b/up").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    assert seen(root) == ["a/b/x"]


def test_links_are_followed_to_files_of_the_root_alone(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret": "", "folder/x": ""})
    root = write(tmp_path / "root", {"a/file": "12"})
    (root / "inside").symlink_to("a/file")
    (root / "outside").symlink_to("../outside/secret")
    (root / "folder").symlink_to("../outside/folder")
    (root / "dangling").symlink_to("nothing")
    assert seen(root) == ["inside", "a/file"]


def test_what_is_neither_file_nor_folder_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.lbl")
    assert seen(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (b"A 1.LBL", "A 1.LBL"),
        (b"quote'\".lbl", "quote'\".lbl"),
        (b"line\nend.lbl", "line\nend.lbl"),
        ("größe.lbl".encode(), "größe.lbl"),
        (b"caf\xe9.lbl", "caf\\xe9.lbl"),
        (b"back\\slash.lbl", "back\\\\slash.lbl"),
        (b"\\\xff\\x41.lbl", "\\\\\\xff\\\\x41.lbl"),
    ],
)
def test_odd_names_are_written_as_text_and_lead_back_to_the_file(tmp_path: Path, name: bytes, written: str) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"x")
    assert seen(tmp_path) == [written]
    assert os.fsencode(tmp_path / unescape(written)) == path


@given(st.binary(max_size=30).filter(lambda name: b"\0" not in name))
def test_every_name_can_be_escaped_and_back(name: bytes) -> None:
    text = os.fsdecode(name)
    escape(text).encode()
    assert unescape(escape(text)) == text


@given(st.lists(st.binary(max_size=8).filter(lambda name: b"\0" not in name), unique=True, max_size=20))
def test_two_names_are_never_written_alike(names: list[bytes]) -> None:
    assert len({escape(os.fsdecode(name)) for name in names}) == len(names)


def test_a_slow_mount_is_walked_by_many_threads_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path, {f"{a}/{b}/file{c}": "" for a in range(4) for b in range(5) for c in range(3)})
    (root / "1/loop").symlink_to(root)
    fast = [(folder.path, list(folder.files)) for folder in walk(str(root))]
    monkeypatch.setattr(walking, "_SLOW", -1.0)
    assert [(folder.path, list(folder.files)) for folder in walk(str(root))] == fast


@pytest.mark.parametrize(
    ("names", "marker"),
    [
        (["AAREADME.TXT", "VOLDESC.CAT"], "VOLDESC.CAT"),
        (["voldesc.cat"], "voldesc.cat"),
        (["bundle_bc.xml", "readme.txt"], "bundle_bc.xml"),
        (["readme.txt", "bundle.txt"], None),
    ],
)
def test_the_marker_of_a_volume(names: list[str], marker: str | None) -> None:
    assert find_marker(names) == marker
