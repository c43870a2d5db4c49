"""A build that is killed goes on from its chunks, and the former index answers meanwhile and afterwards."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from psalab.index import build as building
from psalab.index.build import Progress, build_index
from tests.index.volumes import ask, differences, pds3, pds4, series, write

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
CHUNK = 20
#: How often a build is killed; more of them by hand: PSALAB_KILLS=50.
KILLS = int(os.environ.get("PSALAB_KILLS") or 8)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", CHUNK)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred labels, so that a build takes a second or two, with rejects, lists, odd values and attached labels."""
    values = [f"({at}, {at}.5 <km>)" if at % 3 else f'"odd {at}"' if at % 200 == 0 else str(at) for at in range(600)]
    files: dict[str, str | bytes] = {f"A/{name}": text for name, text in series(values).items()}
    files |= {f"B/{at:03}.xml": pds4(lid=f"urn:esa:psa:b:data:{at}", version=f"1.{at}") for at in range(120)}
    files |= {f"B/bad{at}.lbl": "X = (1" for at in range(10)} | {f"C/{at}.IMG": pds3(id=f"I{at}") for at in range(40)}
    return write(tmp_path_factory.mktemp("tree") / "volume", files)


@pytest.fixture(scope="module")
def reference(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Index of the volume by a build that nobody killed."""
    index = tmp_path_factory.mktemp("reference") / "index.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", CHUNK)
        build_index(volume, index, jobs=1)
    return index


def killed_at_chunk(root: Path, index: Path, number: int) -> None:
    """A build that ends after a number of chunks, in this process."""

    class Killed(Exception):
        pass

    def kill(report: Progress) -> None:
        if report.step == "scrape" and report.done >= number * CHUNK:
            raise Killed

    with pytest.raises(Killed):
        build_index(root, index, jobs=1, progress=kill)


def start(volume: Path, index: Path, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.build_in_chunks", *map(str, (volume, index, jobs, CHUNK))]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    return process


def chunk_files(index: Path) -> list[Path]:
    return list(index.with_name(index.name + ".building").glob("*.chunk"))


# ---------------------------------------------------------------------------------------------------- killed at random


@pytest.fixture(scope="module")
def duration(volume: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a build takes from its first sign of life."""
    process = start(volume, tmp_path_factory.mktemp("timed") / "index.duckdb", 2)
    began = time.monotonic()
    assert process.communicate()[1] is None
    assert process.returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("instant", range(KILLS))
def test_a_build_killed_at_any_instant_goes_on_and_gives_the_same_index(
    volume: Path, reference: Path, duration: float, tmp_path: Path, instant: int
) -> None:
    index = tmp_path / "index.duckdb"
    build_index(write(tmp_path / "former" / "volume", {"former.lbl": pds3(id="FORMER")}), index, jobs=1)
    (tmp_path / "former").rename(tmp_path / "gone")
    process = start(volume, index, jobs=1 + instant % 2)
    time.sleep(random.Random(instant).random() * duration)
    during = ask(index, "select count(*) from products")
    process.kill()
    process.communicate()

    whole = ask(reference, "select count(*) from products")
    assert during in ([(1,)], whole)
    assert ask(index, "select count(*) from products") in ([(1,)], whole)
    left = len(chunk_files(index))
    report = build_index(volume, index, jobs=1)
    assert report.resumed > 0 or left == 0
    assert differences(index, reference) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "index.duckdb"]


def test_the_workers_of_a_killed_build_end_too(volume: Path, tmp_path: Path) -> None:
    process = start(volume, tmp_path / "index.duckdb", jobs=2)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("scrape 40"):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in range(100):
        if not members(process.pid):
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {members(process.pid)}")


def members(group: int) -> list[str]:
    """Processes of a group that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, its_group = rest.split()[:3]
        if its_group == str(group) and state != "Z":
            found.append(name)
    return found


def test_a_worker_that_is_killed_is_an_error_that_says_what_to_do(volume: Path, tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from psalab.index import build, workers\n"
        "def die(task, file): os.kill(os.getpid(), 9)\n"
        "build.CHUNK, workers.scrape_to_file = 20, die\n"
        "build.build_index(sys.argv[1], sys.argv[2], jobs=2)\n"
    )
    command = [sys.executable, "-c", script, str(volume), str(tmp_path / "index.duckdb")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a worker was killed" in done.stderr
    assert "run it again, with fewer jobs: it goes on from where it was" in done.stderr


# ------------------------------------------------------------------------------------------------------------- chunks


@pytest.fixture
def half_built(volume: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of the volume, and an index of it whose build ended after ten chunks."""
    root = Path(shutil.copytree(volume, tmp_path / "volume"))
    index = tmp_path / "index.duckdb"
    killed_at_chunk(root, index, 10)
    assert len(chunk_files(index)) == 10
    yield root, index
    assert not index.with_name("index.duckdb.building").exists()


def test_the_chunks_of_an_interrupted_build_are_used(half_built: tuple[Path, Path], reference: Path) -> None:
    root, index = half_built
    told: list[Progress] = []
    report = build_index(root, index, jobs=1, progress=told.append)
    assert report.resumed == 10 * CHUNK
    assert next(entry.done for entry in told if entry.step == "scrape") == 10 * CHUNK
    assert ask(index, "select count(*) from products") == ask(reference, "select count(*) from products")


def test_a_chunk_whose_label_has_changed_is_made_anew(half_built: tuple[Path, Path]) -> None:
    root, index = half_built
    (root / "A/P00030.LBL").write_text(pds3("X = 1", id="CHANGED AND LONGER"))
    os.utime(root / "A/P00050.LBL", ns=(0, 0))
    report = build_index(root, index, jobs=1)
    assert report.resumed == 8 * CHUNK
    assert ask(index, "select id from products where label = 'A/P00030.LBL'") == [("CHANGED AND LONGER",)]


def test_a_label_that_was_added_or_is_gone_is_seen(half_built: tuple[Path, Path]) -> None:
    root, index = half_built
    (root / "A/P00000.LBL").unlink()
    write(root, {"A/P00000A.LBL": pds3(id="NEW")})
    build_index(root, index, jobs=1)
    assert ask(index, "select id from products where label in ('A/P00000.LBL', 'A/P00000A.LBL')") == [("NEW",)]


def test_chunks_made_without_structure_do_not_serve_a_build_with_it(half_built: tuple[Path, Path]) -> None:
    root, index = half_built
    assert build_index(root, index, jobs=1, structure=True).resumed == 0


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_a_damaged_chunk_is_made_anew(half_built: tuple[Path, Path], reference: Path, kept: int) -> None:
    root, index = half_built
    for path in chunk_files(index)[:3]:
        path.write_bytes(path.read_bytes()[:kept])
    assert build_index(root, index, jobs=1).resumed == 7 * CHUNK
    assert ask(index, "select count(*) from products") == ask(reference, "select count(*) from products")


def test_rejects_of_resumed_chunks_are_told_and_kept(volume: Path, reference: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.duckdb"
    killed_at_chunk(volume, index, 36)
    told: list[Progress] = []
    build_index(volume, index, jobs=1, progress=told.append)
    assert told[-1].rejected == 10
    assert differences(index, reference) == {}
