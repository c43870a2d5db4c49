"""Updates on mounts that fail and disks that fill up: what the index holds stays, and is as a build has it when all is well."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from psalab.errors import IndexFileError, NotMounted, TooMuchForgotten
from psalab.index import build as building
from psalab.index.build import build_index
from psalab.index.update import UpdateReport, update_index
from tests.index.test_update import unlike_a_build
from tests.index.volumes import ask, pds3, series, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.conftest import FaultyMount, TinyDisk

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A volume of three folders, the names of two of which begin alike."""
    files = {f"A/{name}": text for name, text in series(["1"] * 30).items()}
    files |= {f"AB/{name}": text for name, text in series(["2"] * 30, first=100).items()}
    return write(tmp_path / "volume", {**files, "B/C/Q.LBL": pds3(id="Q"), "B/R.IMG": pds3(id="R")})


def indexed(root: Path, tmp_path: Path) -> Path:
    index = tmp_path / "index.duckdb"
    build_index(root, index, jobs=1)
    return index


def updated(index: Path, *roots: Path, **options: Any) -> UpdateReport:
    return update_index(index, roots, **{"jobs": 1, "max_forget": 0.01, **options})


# -------------------------------------------------------------------------------------------------------------- mounts


@pytest.mark.parametrize("fault", ["io_error", "forbidden"])
def test_what_cannot_be_listed_keeps_its_rows_until_it_can(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path, fault: str
) -> None:
    mount = faulty_mount(tree)
    index = indexed(mount, tmp_path)
    bad = faulty(faulty_mount, tree, fault, "A", "C")
    write(tree, {"AB/new.lbl": pds3(id="new")})
    with mounted_at(bad, mount):
        report = updated(index)
        again = updated(index)
    assert (report.new, report.gone, report.products) == (1, 0, 63)
    assert (again.new, again.gone, again.nothing_changed) == (0, 0, True)
    assert ask(index, "select path from rejected order by 1") == [("A",), ("B/C",)]
    seen = "select distinct split_part(label, '/', 1) || (last_seen = (select max(last_seen) from products))"
    assert ask(index, f"{seen} from products order by 1") == [("ABtrue",), ("Afalse",), ("Bfalse",), ("Btrue",)]
    assert ask(index, "select count(*) from runs") == [(2,)]
    updated(index)
    assert ask(index, "select path from rejected") == []
    assert ask(index, "select count(distinct last_seen) from products") == [(1,)]
    assert unlike_a_build(tmp_path, mount, index) == {}


def faulty(faulty_mount: FaultyMount, tree: Path, fault: str, *names: str) -> Path:
    """A mount with one kind of fault."""
    faults: Any = {fault: names}
    return faulty_mount(tree, **faults)


@contextmanager
def mounted_at(bad: Path, place: Path) -> Iterator[None]:
    """Let one mount hide another for a while."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount one folder over another")
    done = subprocess.run(["mount", "--bind", str(bad), str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mount over another: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


@pytest.mark.parametrize("fault", ["io_error", "forbidden", "vanished"])
def test_a_file_that_could_not_be_read_is_read_when_it_can_be_though_it_looks_as_it_did(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path, fault: str
) -> None:
    mount = faulty_mount(tree)
    bad = faulty(faulty_mount, tree, fault, "P00003.LBL", "R.IMG")
    with mounted_at(bad, mount):
        index = indexed(mount, tmp_path)
        runs = [updated(index) for _ in range(2)]
    assert [run.read for run in runs] == [0, 0]
    assert ask(index, "select path from rejected order by 1") == [("A/P00003.LBL",), ("B/R.IMG",)]
    assert ask(index, "select count(*) from runs") == [(1,)]
    assert updated(index).read == 2
    assert unlike_a_build(tmp_path, mount, index) == {}


@pytest.mark.parametrize("fault", ["io_error", "forbidden", "vanished"])
def test_a_file_that_cannot_be_read_any_more(faulty_mount: FaultyMount, tree: Path, tmp_path: Path, fault: str) -> None:
    """One that is there as it was is not read; one that cannot be asked for keeps its row, and is told once."""
    mount = faulty_mount(tree)
    index = indexed(mount, tmp_path)
    bad = faulty(faulty_mount, tree, fault, "P00003.LBL")
    with mounted_at(bad, mount):
        for _ in range(3):
            report = updated(index)
            assert (report.read, report.gone, report.products) == (0, 0, 62)
        assert len(ask(index, "select * from rejected")) == (fault == "vanished")
        assert ask(index, "select count(*) from runs") == [(1 + (fault == "vanished"),)]
    updated(index)
    assert ask(index, "select * from rejected") == []
    assert unlike_a_build(tmp_path, mount, index) == {}


def test_a_volume_that_went_away_while_it_was_mounted_is_not_there(
    faulty_mount: FaultyMount, tree: Path, tmp_path: Path
) -> None:
    mount = faulty_mount(tree, io_error=("",))
    sound = faulty_mount(tree)
    index = indexed(sound, tmp_path)
    with mounted_at(mount, sound):
        with pytest.raises(NotMounted, match="is the volume mounted"):
            updated(index)
        other = write(tmp_path / "other", series(["1"]))
        report = updated(index, other)
        assert report.new == 1
        report = updated(index)
        assert (report.away, report.gone) == ((sound.name,), 0)
    assert ask(index, "select count(*) from products") == [(63,)]


def test_an_empty_folder_in_place_of_a_volume_is_refused(tree: Path, tmp_path: Path) -> None:
    index = indexed(tree, tmp_path)
    tree.rename(tmp_path / "away")
    tree.mkdir()
    with pytest.raises(TooMuchForgotten, match="62 of 62 labels are gone"):
        updated(index)
    assert ask(index, "select count(*) from products") == [(62,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away", "index.duckdb", "volume"]


# --------------------------------------------------------------------------------------------------------------- disks


@pytest.fixture
def large_tree(tmp_path: Path) -> Path:
    """Labels whose chunks and index take some megabytes: every value is another."""
    return write(tmp_path / "large", {f"P{at:04}.LBL": large(at) for at in range(300)})


def large(at: int) -> str:
    return pds3(*(f'K{key} = "{at * 7919 + key:064x}"' for key in range(80)), id=f"P{at}")


@pytest.mark.parametrize("room", [500_000, 2_000_000, 2_400_000])
def test_a_disk_that_fills_up_is_an_error_and_the_former_index_answers(
    tiny_disk: TinyDisk, tmp_path: Path, large_tree: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "CHUNK", 50)
    monkeypatch.setattr("psalab.index.update.check_room", lambda *_: None)
    former = indexed(large_tree, tmp_path)
    disk = tiny_disk(former.stat().st_size + room)
    index = Path(shutil.copy(former, disk / "index.duckdb"))
    write(large_tree, {f"Q{at:04}.LBL": large(1000 + at) for at in range(300)})
    with pytest.raises(IndexFileError, match=r"cannot be updated: (?s:.*)free some space and run it again"):
        updated(index)
    assert ask(index, "select count(*) from products") == [(300,)]
    assert {path.suffix for path in disk.rglob("*")} <= {".duckdb", ".updating", ".chunk"}


def test_an_update_that_a_full_disk_ended_goes_on_when_there_is_space(
    tiny_disk: TinyDisk, tmp_path: Path, large_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "CHUNK", 50)
    monkeypatch.setattr("psalab.index.update.check_room", lambda *_: None)
    former = indexed(large_tree, tmp_path)
    disk = tiny_disk(former.stat().st_size + 40_000_000)
    index = Path(shutil.copy(former, disk / "index.duckdb"))
    write(large_tree, {f"Q{at:04}.LBL": large(1000 + at) for at in range(300)})
    (disk / "ballast").write_bytes(bytes(38_000_000))
    with pytest.raises(IndexFileError):
        updated(index)
    (disk / "ballast").unlink()
    assert updated(index).new == 300
    assert unlike_a_build(tmp_path, large_tree, Path(shutil.copy(index, tmp_path / "index.duckdb"))) == {}
    assert sorted(path.name for path in disk.iterdir()) == ["index.duckdb", "index.duckdb.checked"]


def test_too_small_a_disk_is_told_before_anything_is_read(
    tiny_disk: TinyDisk, tmp_path: Path, large_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        pytest.fail("a label was read")

    former = indexed(large_tree, tmp_path)
    write(large_tree, {f"Q{at:04}.LBL": large(1000 + at) for at in range(300)})
    disk = tiny_disk(former.stat().st_size + 300_000)
    index = Path(shutil.copy(former, disk / "index.duckdb"))
    monkeypatch.setattr("psalab.index.chunk_file.scrape", read)
    words = r": that takes about [\d.]+ MB in .*, where 0\.\d MB are free\. Nothing was read; free some space"
    with pytest.raises(IndexFileError, match=f"cannot be updated{words}"):
        updated(index)
    with pytest.raises(IndexFileError, match=f"cannot be built{words}"):
        build_index(large_tree, index, jobs=1)
    assert ask(index, "select count(*) from products") == [(300,)]


# ------------------------------------------------------------------------------------------------------ readers, locks


def test_a_reader_in_another_process_goes_on_with_the_former_index(tree: Path, tmp_path: Path) -> None:
    index = indexed(tree, tmp_path)
    script = (
        "import sys, psalab\n"
        "index = psalab.open_index(sys.argv[1])\n"
        "for _ in sys.stdin:\n"
        "    print(index.rows('select count(*) from products').rows[0][0], flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(index)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        answers = []
        for at in range(3):
            reader.stdin.write("\n")
            reader.stdin.flush()
            answers.append(reader.stdout.readline())
            write(tree, {f"new{at}.lbl": pds3(id=f"new{at}")})
            assert updated(index).new == 1
        reader.stdin.close()
    assert answers == ["62\n"] * 3
    assert ask(index, "select count(*) from products") == [(65,)]


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_share_without_locks_is_an_error_that_says_what_to_do(
    tree: Path, tmp_path: Path, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    index = indexed(tree, tmp_path)
    monkeypatch.setattr(fcntl, "flock", flock)
    for run in (lambda: updated(index), lambda: build_index(tree, index, jobs=1)):
        with pytest.raises(IndexFileError, match=r"is on a share without locks .*; write it on a local disk"):
            run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.duckdb", "volume"]
