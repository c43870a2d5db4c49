"""An update that is killed has changed nothing, and the next one completes."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from psalab.index import build as building
from psalab.index.build import build_index
from psalab.index.update import update_index
from tests.index.test_resume import CHUNK, KILLS, REPOSITORY
from tests.index.test_update import LEFT, later
from tests.index.volumes import OF_A_RUN, ask, differences, pds3, pds4, series, write

PRODUCTS = "select count(*) from products"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", CHUNK)


def values(first: int, number: int) -> list[str]:
    return [f"({at}, {at}.5 <km>)" if at % 3 else f"{at} <km>" for at in range(first, first + number)]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A volume of which much is new, changed or gone, its index from before that, and a new one."""
    folder = tmp_path_factory.mktemp("changed")
    files: dict[str, str | bytes] = {f"A/{name}": text for name, text in series(values(0, 400)).items()}
    files |= {f"B/{at:03}.xml": pds4(lid=f"urn:esa:psa:b:data:{at}", version=f"1.{at}") for at in range(120)}
    root, index, fresh = folder / "volume", folder / "index.duckdb", folder / "fresh.duckdb"
    build_index(write(root, files), index, jobs=1)
    for at in range(0, 400, 10):
        (root / f"A/P{at:05}.LBL").unlink()
        later(root / f"A/P{at + 1:05}.LBL", pds3(f"X = {at} <km>", id=f"changed {at}"))
    write(root / "A", series(values(1000, 400), first=1000))
    write(root / "C", {f"{at}.IMG": pds3(id=f"I{at}") for at in range(40)} | {"bad.lbl": "X = (1"})
    build_index(root, fresh, jobs=1)
    return root, index, fresh


def start(index: Path, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.update_in_chunks", str(index), str(jobs), str(CHUNK)]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    return process


@pytest.fixture(scope="module")
def duration(changed: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that an update takes from its first sign of life."""
    _, former, _ = changed
    process = start(Path(shutil.copy(former, tmp_path_factory.mktemp("timed") / "index.duckdb")), 2)
    began = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("instant", range(KILLS))
def test_an_update_killed_at_any_instant_has_changed_nothing_and_the_next_one_completes(
    changed: tuple[Path, Path, Path], duration: float, tmp_path: Path, instant: int
) -> None:
    _, former, fresh = changed
    index = tmp_path / "index.duckdb"
    shutil.copy(former, index)
    process = start(index, jobs=1 + instant % 2)
    time.sleep(random.Random(instant).random() * duration)
    process.kill()
    process.communicate()
    assert ask(index, PRODUCTS) in (ask(former, PRODUCTS), ask(fresh, PRODUCTS))
    left = list((tmp_path / "index.duckdb.updating").glob("*.chunk"))
    report = update_index(index, jobs=1, max_forget=1.0)
    assert report.nothing_changed or report.new == 401
    assert not left or not report.nothing_changed
    but = OF_A_RUN | {"keywords": ("examples", "missing")}
    assert differences(index, fresh, order=False, but=but).keys() <= LEFT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.duckdb", "index.duckdb.checked"]
