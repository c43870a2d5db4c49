"""Real data, skips that must not happen, and how hypothesis behaves: for all tests."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

REPOSITORY = Path(__file__).resolve().parent.parent
UNPACKED = REPOSITORY / ".data"

#: Tests that may be skipped in CI all the same: node id, and in a comment why.
MAY_BE_SKIPPED: frozenset[str] = frozenset()

# a busy machine is no fault of the code: what takes long is watched by pytest-timeout
settings.register_profile("psalab", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("psalab")


# ------------------------------------------------------------------------------------------------------------ real data


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real data: PSALAB_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("PSALAB_SHARED") or REPOSITORY.parent / "shared")
    if not (folder / "data" / "unpack.py").is_file():
        pytest.skip(f"no real data: {folder}/data/unpack.py is not there; PSALAB_SHARED names another folder")
    return folder


@pytest.fixture(scope="session")
def real_archive(shared: Path) -> Callable[[str], Path]:
    """Unpack an archive of real labels by its name, once for all workers and runs, and return its folder."""

    def unpacked(name: str) -> Path:
        UNPACKED.mkdir(exist_ok=True)
        with (UNPACKED / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            command = [sys.executable, str(shared / "data" / "unpack.py"), name, str(UNPACKED)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{name} cannot be unpacked: {done.stderr.strip()}")
        return UNPACKED / name

    return unpacked


@pytest.fixture(scope="session")
def labels_only(real_archive: Callable[[str], Path]) -> Path:
    """Labels of many missions, both standards, without their data."""
    return real_archive("labels_only")


@pytest.fixture(scope="session")
def real_products(real_archive: Callable[[str], Path]) -> Path:
    """Labels with data: good ones, broken ones, and some whose data are missing."""
    return real_archive("real_products")


@pytest.fixture(scope="session")
def osiris_labels(real_archive: Callable[[str], Path]) -> Path:
    """12,344 labels of the OSIRIS narrow-angle camera as a mounted tree."""
    return real_archive("osiris_labels")


# ------------------------------------------------------------------------------------- where everything must be there


def _everything_must_be_there() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _as_failure(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure; a test that is expected to fail is another thing."""
    if not report.skipped or hasattr(report, "wasxfail") or report.nodeid in MAY_BE_SKIPPED:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} was skipped, and CI=true means that nothing may be missing here.\n{reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _everything_must_be_there():
        _as_failure(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _everything_must_be_there():
        _as_failure(report)
    return report


# -------------------------------------------------------------------------------------------------------------- markers


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stands in tests/services is marked so; what reads an archive is marked `real_data`."""
    real = {"shared", "real_archive", "labels_only", "real_products", "osiris_labels"}
    for item in items:
        if REPOSITORY / "tests" / "services" in item.path.parents:
            item.add_marker(pytest.mark.services)
        if real & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real_data)
