"""Where everything must be there (CI=true), a skipped test is a failure: the rules of conftest.py on small tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = {
    "test_few.py": """
import pytest

@pytest.fixture
def server():
    pytest.skip("no server")

def test_good(): pass
def test_skips(): pytest.skip("no moon")
def test_needs_a_server(server): pass
@pytest.mark.skipif(True, reason="wrong day")
def test_wrong_day(): pass
@pytest.mark.xfail(reason="known")
def test_known(): raise RuntimeError
def test_reads_real_data(labels_only): pass
""",
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\ndef test_never(): pass\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of its own under the rules of this one."""
    (tmp_path / "tests").mkdir()
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  real_data\n  services\n")
    for name, text in TESTS.items():
        (tmp_path / "tests" / name).write_text(text)
    return tmp_path


def closing_line(folder: Path, ci: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**environment, "CI": ci, "PSALAB_SHARED": str(folder / "nothing")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip().splitlines()[-1].partition(" in ")[0]


def test_elsewhere_a_skip_is_a_skip(folder: Path) -> None:
    assert closing_line(folder, "") == "1 passed, 5 skipped, 1 xfailed"


def test_in_ci_a_skip_is_a_failure(folder: Path) -> None:
    assert closing_line(folder, "true") == "1 failed, 1 passed, 1 xfailed, 4 errors"
