"""The faults are what the tests on top of them take them for."""

from __future__ import annotations

import errno
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.conftest import opens_at_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.conftest import Account, FaultyMount, TinyDisk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("a/one.lbl", "a/two.lbl", "b/three.lbl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"NAME = {name}\nEND\n")
    return folder


def listed(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder))


def test_a_mount_without_faults_shows_what_is_there(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree)
    assert listed(mount) == ["a", "b"]
    assert [entry.is_dir() for entry in os.scandir(mount)] == [True, True]
    assert (mount / "a/one.lbl").read_bytes() == (tree / "a/one.lbl").read_bytes()
    assert (mount / "a/one.lbl").stat().st_mtime_ns == (tree / "a/one.lbl").stat().st_mtime_ns


def test_names_that_are_no_utf8_come_through(faulty_mount: FaultyMount, tree: Path) -> None:
    (tree / os.fsdecode(b"caf\xe9.lbl")).write_text("END\n")
    mount = faulty_mount(tree)
    assert b"caf\xe9.lbl" in os.listdir(os.fsencode(mount))


def test_a_file_with_a_bad_sector_opens_and_cannot_be_read(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree, io_error=("one.lbl",))
    assert listed(mount / "a") == ["one.lbl", "two.lbl"]
    with (
        (mount / "a/one.lbl").open("rb", buffering=0) as stream,
        pytest.raises(OSError, match="Input/output") as caught,
    ):
        stream.read()
    assert caught.value.errno == errno.EIO
    assert (mount / "a/two.lbl").read_bytes()


def test_a_folder_with_a_bad_sector_cannot_be_listed(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree, io_error=("a",))
    with pytest.raises(OSError, match="Input/output") as caught:
        listed(mount / "a")
    assert caught.value.errno == errno.EIO
    assert listed(mount / "b") == ["three.lbl"]


def test_what_is_forbidden_is_so_for_root_too(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree, forbidden=("a/two.lbl", "b"))
    with pytest.raises(PermissionError):
        (mount / "a/two.lbl").read_bytes()
    with pytest.raises(PermissionError):
        listed(mount / "b")


def test_a_vanished_file_is_listed_and_not_there(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree, vanished=("one.lbl",))
    assert listed(mount / "a") == ["one.lbl", "two.lbl"]
    with pytest.raises(FileNotFoundError):
        (mount / "a/one.lbl").read_bytes()


def test_opens_wait_side_by_side(faulty_mount: FaultyMount, tree: Path) -> None:
    for number in range(60):
        (tree / f"{number}.lbl").write_text("END\n")
    mount = faulty_mount(tree, open_delay=0.05)
    paths = sorted(mount.glob("*.lbl"))
    assert [path.read_bytes() for path in paths[:5]] == [b"END\n"] * 5
    assert opens_at_once(mount) == 1
    with ThreadPoolExecutor(30) as threads:
        assert list(threads.map(lambda path: path.read_bytes(), paths)) == [b"END\n"] * 60
    assert opens_at_once(mount) > 8


def test_a_mount_takes_no_writes(faulty_mount: FaultyMount, tree: Path) -> None:
    mount = faulty_mount(tree)
    with pytest.raises(OSError, match="Read-only") as caught:
        (mount / "new.lbl").write_text("END\n")
    assert caught.value.errno == errno.EROFS


def test_a_tiny_disk_fills_up(tiny_disk: TinyDisk) -> None:
    disk = tiny_disk(64 * 1024)
    with pytest.raises(OSError, match="No space") as caught:
        (disk / "large").write_bytes(b"x" * 100_000)
    assert caught.value.errno == errno.ENOSPC


def test_nobody_stands_before_a_closed_door_and_walks_through_an_open_one(nobody: Account, open_folder: Path) -> None:
    """Root walks through both."""
    for name, mode in (("open.lbl", 0o644), ("closed.lbl", 0)):
        (open_folder / name).write_text("END\n")
        (open_folder / name).chmod(mode)

    def read(name: str, **who: Any) -> tuple[int, str, bool]:
        done = subprocess.run(
            ["cat", open_folder / name],
            **who,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C"},
        )
        return done.returncode, done.stdout, "Permission denied" in done.stderr

    as_nobody = {"user": nobody.uid, "group": nobody.gid, "extra_groups": []}
    assert read("open.lbl", **as_nobody) == (0, "END\n", False)
    assert read("closed.lbl", **as_nobody) == (1, "", True)
    assert read("open.lbl") == read("closed.lbl") == (0, "END\n", False)
