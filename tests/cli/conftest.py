"""A small volume of our own writing and its index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.command import psalab

if TYPE_CHECKING:
    from pathlib import Path

LABEL = """PDS_VERSION_ID = PDS3
DATA_SET_ID = "SC-X-CAM-2-TEST-V1.0"
PRODUCT_ID = "{id}"
MISSION_NAME = "TEST"
INSTRUMENT_HOST_ID = "SC"
INSTRUMENT_ID = "CAM"
TARGET_NAME = "MARS"
START_TIME = 2014-08-{day:02}T10:00:00
STOP_TIME = 2014-08-{day:02}T10:01:00
FILTER_NAME = {filter}
GROUP = GEOMETRY
  PHASE_ANGLE = {phase} <deg>
  SUN_VECTOR = (1.0, 2.5, -3.0) <km>
END_GROUP = GEOMETRY
GROUP = POINTING
  DISTANCE = {day} <km>
END_GROUP = POINTING
END
"""
LABELS = 3


def write_labels(folder: Path, first: int = 1, last: int = LABELS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for day in range(first, last + 1):
        name = '"RED"' if day % 2 else '"N/A"'
        text = LABEL.format(id=f"C{day}", day=1 + day % 28, filter=name, phase=10.5 * (day % 28))
        (folder / f"C{day}.LBL").write_text(text)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a volume, one of whose labels is broken, and its index `small.duckdb`."""
    folder = tmp_path_factory.mktemp("cli")
    write_labels(folder / "SMALL")
    (folder / "SMALL" / "CUT.LBL").write_text('PDS_VERSION_ID = PDS3\nNOTE = "never closed\n')
    done = psalab("index", "build", "SMALL", "--index", "small.duckdb", "--jobs", "1", cwd=folder)
    assert done.code == 0, done.errors
    return folder
