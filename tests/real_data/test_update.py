"""An update of real labels reads what is new or changed alone, and gives what a build would."""

from __future__ import annotations

import os
import random
import re
import shutil
from typing import TYPE_CHECKING

from psalab.index import scrape as scraping
from psalab.index.build import build_index
from psalab.index.update import update_index
from tests.index.test_update import LEFT
from tests.index.volumes import OF_A_RUN, ask, differences

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def linked(source: Path, target: Path) -> Path:
    """The same files under another folder, as hard links where the disk is the same."""

    def link(file: str, copy: str) -> None:
        try:
            os.link(file, copy)
        except OSError:
            shutil.copy2(file, copy)

    return shutil.copytree(source, target, copy_function=link)


def change(path: Path) -> bytes:
    """Put a file with another phase angle in the place of a label."""
    data, count = re.subn(rb"(PHASE_ANGLE +=) +[\d.]+", rb"\1 12.25", path.read_bytes())
    assert count
    path.unlink()  # it may be a link
    path.write_bytes(data)
    return data


def test_three_labels_added_changed_and_deleted_among_12344(
    osiris_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = linked(osiris_labels, tmp_path / "osiris_labels")
    index, fresh = tmp_path / "index.duckdb", tmp_path / "fresh.duckdb"
    build_index(root, index, jobs=2)
    labels = sorted(path for path in root.rglob("*") if path.suffix.lower() == ".lbl")
    chosen = random.Random(20261121).sample(labels, 9)
    for path in chosen[:3]:
        path.unlink()
    for path in chosen[3:6]:
        change(path)
    for path in chosen[6:]:
        path.with_name(f"NEW_{path.name}").write_bytes(path.read_bytes())

    read: list[str] = []

    def noted(path: str) -> bytes:
        read.append(path)
        return scraping.read_start(path)

    monkeypatch.setattr(scraping, "_read", noted)
    report = update_index(index, jobs=1)
    assert (report.new, report.changed, report.gone, report.read) == (3, 3, 3, 6)
    expected = {*map(str, chosen[3:6]), *(str(path.with_name(f"NEW_{path.name}")) for path in chosen[6:])}
    assert set(read) == expected
    monkeypatch.undo()

    build_index(root, fresh, jobs=2)
    assert ask(index, "select count(*) from products") == [(12_344,)]
    but = OF_A_RUN | {"keywords": ("examples",)}
    assert differences(index, fresh, order=False, but=but).keys() <= LEFT
    assert update_index(index, jobs=1).nothing_changed
