"""Builds on mounts that fail, disks that fill up and folders that may not be read: the run goes on, or says why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from psalab.errors import IndexFileError, VolumeError
from psalab.index.build import build_index
from tests.index.volumes import ask, differences, pds3, series, write
from tests.services.conftest import opens_at_once

if TYPE_CHECKING:
    from tests.services.conftest import Account, FaultyMount, TinyDisk

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A volume: two folders of labels, one with an attached label."""
    files = {f"A/{name}": text for name, text in series(["1"] * 30).items()}
    return write(
        tmp_path / "volume", {**files, "B/Q.LBL": pds3(id="Q"), "B/R.IMG": pds3(id="R"), "VOLDESC.CAT": pds3()}
    )


def rejected(index: Path) -> dict[str, str]:
    """Reasons of the rejected files, by their paths."""
    return dict(ask(index, "select path, reason from rejected"))


# -------------------------------------------------------------------------------------------------------------- mounts


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_that_cannot_be_read_are_rejected_and_the_run_goes_on(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path, jobs: int
) -> None:
    mount = faulty_mount(tree, io_error=("P00003.LBL", "R.IMG"), forbidden=("P00005.LBL",), vanished=("P00007.LBL",))
    index = tmp_path / "index.duckdb"
    report = build_index(mount, index, jobs=jobs)
    assert rejected(index) == {
        "A/P00003.LBL": "cannot be read: Input/output error (EIO)",
        "A/P00005.LBL": "cannot be read: Permission denied (EACCES)",
        "A/P00007.LBL": "cannot be read: No such file or directory",
        "B/R.IMG": "cannot be read: Input/output error (EIO)",
    }
    assert (report.products, report.rejected) == (28, 4)


@pytest.mark.parametrize(("fault", "why"), [("io_error", "Input/output error"), ("forbidden", "Permission denied")])
def test_a_folder_that_cannot_be_read_is_rejected_and_the_run_goes_on(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path, fault: str, why: str
) -> None:
    faults: dict[str, tuple[str, ...]] = {fault: ("A",)}
    mount = faulty_mount(tree, **faults)  # type: ignore[arg-type]  # open_delay is not among them
    build_index(mount, tmp_path / "index.duckdb", jobs=1)
    assert rejected(tmp_path / "index.duckdb") == {"A": f"the folder cannot be read: {why}"}
    assert ask(tmp_path / "index.duckdb", "select label from products") == [("B/Q.LBL",), ("B/R.IMG",)]


def test_a_root_that_cannot_be_listed_is_an_error_and_the_former_index_stays(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index.duckdb"
    build_index(tree, index, jobs=1)
    before = index.read_bytes()
    mount = faulty_mount(tree, io_error=("",))
    with pytest.raises(VolumeError, match="cannot be listed: Input/output error"):
        build_index(mount, index, jobs=1)
    assert index.read_bytes() == before


def test_what_could_not_be_read_comes_with_the_next_build(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path
) -> None:
    index, whole = tmp_path / "index.duckdb", tmp_path / "whole.duckdb"
    mount = faulty_mount(tree, io_error=("P00003.LBL",))
    build_index(mount, index, jobs=1)
    assert len(rejected(index)) == 1
    healed = faulty_mount(tree)
    for target in (index, whole):
        build_index(healed, target, jobs=1)
    assert ask(index, "select count(*) from products where root = ?", healed.name) == [(32,)]


def test_a_slow_mount_is_read_by_many_threads(faulty_mount: FaultyMount, tmp_path: Path) -> None:
    tree = write(
        tmp_path / "volume", {f"{at % 7}/{name}": text for at, (name, text) in enumerate(series(["1"] * 700).items())}
    )
    mount = faulty_mount(tree, open_delay=0.02)
    build_index(mount, tmp_path / "slow.duckdb", jobs=1)
    assert opens_at_once(mount) > 8
    build_index(tree, tmp_path / "fast.duckdb", jobs=1)
    labels = "select label, id from products order by 1"
    assert ask(tmp_path / "slow.duckdb", labels) == ask(tmp_path / "fast.duckdb", labels)


# --------------------------------------------------------------------------------------------------------------- disks


@pytest.fixture
def large_tree(tmp_path: Path) -> Path:
    """Labels whose chunks and index take some megabytes: every value is another."""
    files = {
        f"P{at:04}.LBL": pds3(*(f'K{key} = "{at * 7919 + key:064x}"' for key in range(80)), id=f"P{at}")
        for at in range(400)
    }
    return write(tmp_path / "large", files)


@pytest.mark.parametrize("size", [600_000, 1_300_000, 2_500_000])
def test_a_disk_that_fills_up_is_an_error_and_the_former_index_answers(
    tiny_disk: TinyDisk, tmp_path: Path, large_tree: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psalab.index.build.CHUNK", 50)
    former = tmp_path / "former.duckdb"
    build_index(write(tmp_path / "large2/large", {"P.LBL": pds3()}), former, jobs=1)
    disk = tiny_disk(former.stat().st_size + size)
    index = Path(shutil.copy(former, disk / "index.duckdb"))
    with pytest.raises(IndexFileError, match=r"cannot be built: (?s:.*)free some space and run it again"):
        build_index(large_tree, index, jobs=1)
    assert ask(index, "select id from products") == [("P",)]
    assert {path.suffix for path in disk.iterdir()} <= {".duckdb", ".building"}


def test_a_build_on_a_full_disk_goes_on_when_there_is_space(
    tiny_disk: TinyDisk, tmp_path: Path, large_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psalab.index.build.CHUNK", 50)
    build_index(large_tree, tmp_path / "reference.duckdb", jobs=1)
    disk = tiny_disk(40_000_000)
    (disk / "ballast").write_bytes(bytes(38_500_000))
    with pytest.raises(IndexFileError, match="free some space"):
        build_index(large_tree, disk / "index.duckdb", jobs=2)
    (disk / "ballast").unlink()
    report = build_index(large_tree, disk / "index.duckdb", jobs=2)
    assert report.resumed > 0
    shutil.copy(disk / "index.duckdb", tmp_path / "index.duckdb")
    assert differences(tmp_path / "index.duckdb", tmp_path / "reference.duckdb") == {}
    assert [path.name for path in disk.iterdir()] == ["index.duckdb"]


def test_no_space_at_all_leaves_nothing_behind(tiny_disk: TinyDisk, tree: Path) -> None:
    disk = tiny_disk(64 * 1024)
    (disk / "ballast").write_bytes(bytes(60 * 1024))
    with pytest.raises(IndexFileError, match="cannot be built"):
        build_index(tree, disk / "index.duckdb", jobs=1)
    assert not (disk / "index.duckdb").exists()


# -------------------------------------------------------------------------------------------------------------- rights


def as_nobody(nobody: Account, root: Path, index: Path) -> subprocess.CompletedProcess[str]:
    """A build by somebody without rights; everything is imported before, for Python itself may stand behind a door."""
    script = f"""
import os, sys, tempfile
from psalab.errors import PsalabError
from psalab.index.build import build_index
with tempfile.TemporaryDirectory() as empty:
    build_index(empty, empty + "/index.duckdb", jobs=1)
os.setgroups([]); os.setgid({nobody.gid}); os.setuid({nobody.uid})
try:
    report = build_index(sys.argv[1], sys.argv[2], jobs=1)
    print(report.products, report.rejected)
except PsalabError as error:
    print(type(error).__name__, error)
"""
    command = [sys.executable, "-c", script, str(root), str(index)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_files_and_folders_without_rights_are_rejected(nobody: Account, open_folder: Path) -> None:
    tree = write(open_folder / "volume", {"A/P.LBL": pds3(), "A/Q.LBL": pds3(), "B/R.LBL": pds3()})
    (tree / "A/Q.LBL").chmod(0)
    (tree / "B").chmod(0)
    done = as_nobody(nobody, tree, open_folder / "index.duckdb")
    assert done.stdout == "1 2\n", done.stderr
    assert rejected(open_folder / "index.duckdb") == {
        "A/Q.LBL": "cannot be read: Permission denied (EACCES)", "B": "the folder cannot be read: Permission denied",
    }  # fmt: skip


def test_a_root_without_rights_is_an_error(nobody: Account, open_folder: Path) -> None:
    tree = write(open_folder / "volume", {"P.LBL": pds3()})
    tree.chmod(0)
    done = as_nobody(nobody, tree, open_folder / "index.duckdb")
    assert done.stdout == f"VolumeError the root {tree} cannot be listed: Permission denied\n", done.stderr


def test_a_root_below_a_folder_without_rights_is_an_error(nobody: Account, open_folder: Path) -> None:
    tree = write(open_folder / "closed/volume", {"P.LBL": pds3()})
    (open_folder / "closed").chmod(0)
    done = as_nobody(nobody, tree, open_folder / "index.duckdb")
    assert done.stdout == f"VolumeError the root {tree} cannot be listed: Permission denied\n", done.stderr


def test_a_folder_that_may_not_be_written_is_an_error(nobody: Account, open_folder: Path) -> None:
    tree = write(open_folder / "volume", {"P.LBL": pds3()})
    (open_folder / "closed").mkdir(mode=0o555)
    done = as_nobody(nobody, tree, open_folder / "closed/index.duckdb")
    assert done.stdout.startswith("IndexFileError "), done.stderr
    assert "Permission denied" in done.stdout


def test_a_former_index_that_may_not_be_read_is_an_error(nobody: Account, open_folder: Path) -> None:
    tree = write(open_folder / "volume", {"P.LBL": pds3()})
    write(open_folder, {"index.duckdb": b"x"})
    (open_folder / "index.duckdb").chmod(0)
    done = as_nobody(nobody, tree, open_folder / "index.duckdb")
    assert done.stdout.startswith("IndexFileError "), done.stderr


def test_two_users_of_a_mount_do_not_disturb_each_other(faulty_mount: FaultyMount, tree: Path, tmp_path: Path) -> None:
    mount = faulty_mount(tree, open_delay=0.001)
    targets = [tmp_path / f"{at}.duckdb" for at in range(2)]
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda target: build_index(mount, target, jobs=1), targets))
    assert differences(*targets) == {}
    assert os.path.getsize(targets[0]) > 0
