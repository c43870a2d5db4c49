"""Which volumes are mounted, without waiting for one that hangs."""

from __future__ import annotations

import threading
from pathlib import Path

from psalab.mounts import answers, folders_of, volumes


def test_volumes_are_listed_by_pattern(tmp_path: Path) -> None:
    for name in ("data/B", "data/A", "user/C"):
        (tmp_path / name).mkdir(parents=True)
    patterns = [f"{tmp_path}/data/*", f"{tmp_path}/user/C", f"{tmp_path}/none/*"]
    assert volumes(patterns) == [tmp_path / "data/A", tmp_path / "data/B", tmp_path / "user/C"]


def test_who_does_not_answer_in_time_is_none_and_the_others_are_heard() -> None:
    forever = threading.Event()

    def fail() -> bool:
        raise OSError(5, "Input/output error")

    assert answers([forever.wait, lambda: True, fail], seconds=0.1) == [None, True, None]
    forever.set()


def test_a_root_is_where_it_was_or_else_on_a_volume_of_a_step_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "media/ROSETTA/SET").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    stored = {
        "there": tmp_path / "there",
        "SET": Path("/mnt/nas/ROSETTA/SET"),
        "OTHER": Path("/mnt/nas/ROSETTA/OTHER"),
        "ROSETTA": Path("/archive/ROSETTA"),
    }
    assert folders_of(stored, [f"{tmp_path}/media/*"]) == {
        "there": tmp_path / "there",
        "SET": tmp_path / "media/ROSETTA/SET",
        "OTHER": Path("/mnt/nas/ROSETTA/OTHER"),
        "ROSETTA": tmp_path / "media/ROSETTA",
    }
