"""How far a build is, and how that is shown."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

from psalab.index.build import Progress
from psalab.index.progress import Pace, Shown, shown, where_to_show

if TYPE_CHECKING:
    import pytest


def test_a_pace_has_rate_rejects_and_time_left() -> None:
    pace = Pace()
    assert pace.at(Progress("walk", 1200), 0.0) == Shown("looking for labels", 0, 0, "1,200 files")
    assert pace.at(Progress("scrape", 0, 9000, 0), 10.0).numbers == "0 of 9,000, 0 rejected"
    assert pace.at(Progress("scrape", 3000, 9000, 2), 12.0) == Shown(
        "reading labels", 3000, 9000, "3,000 of 9,000, 1,500/s, 0:04 left, 2 rejected"
    )
    assert pace.at(Progress("load RO/OSINAC", 9000, 9000, 2), 20.0) == Shown(
        "writing RO/OSINAC", 9000, 9000, "2 rejected"
    )


def test_labels_of_an_interrupted_build_do_not_make_it_look_faster() -> None:
    pace = Pace()
    pace.at(Progress("scrape", 8000, 10000), 0.0)
    assert "100/s, 0:18 left" in pace.at(Progress("scrape", 8200, 10000), 2.0).numbers


def test_hours_left_are_shown_as_hours() -> None:
    pace = Pace()
    pace.at(Progress("scrape", 0, 100_000), 0.0)
    assert "2:46:30 left" in pace.at(Progress("scrape", 100, 100_000), 10.0).numbers


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert where_to_show() == "nowhere"
    with shown() as tell:
        tell(Progress("scrape", 1, 2))
    assert capsys.readouterr() == ("", "")


def test_whoever_is_told_is_told_in_place_of_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    reports: list[Progress] = []
    with shown(reports.append, "notebook") as tell:
        tell(Progress("scrape", 1, 2))
    assert reports == [Progress("scrape", 1, 2)]
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook_there_is_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(where="notebook") as tell:
        tell(Progress("walk", 500))
        tell(Progress("scrape", 0, 200))
        tell(Progress("scrape", 100, 200, 3))
        tell(Progress("scrape", 200, 200, 3))
    output, errors = capsys.readouterr()
    assert output == ""
    assert "looking for labels" in errors
    assert "200 of 200" in errors
    assert "3 rejected" in errors


def test_a_notebook_is_known_by_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert where_to_show() == "notebook"


def test_an_ipython_in_a_terminal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(config={})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert where_to_show() != "notebook"
