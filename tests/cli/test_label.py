"""``psalab label``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import Ended, psalab

if TYPE_CHECKING:
    from pathlib import Path

DETACHED = """PDS_VERSION_ID = PDS3
PRODUCT_ID = "A"
FILTER_NAME = "N/A"
NOTE = "first line
        second line"
EXPOSURE = 0.5 <s>
VECTOR = (1.0, "UNK", 3.5) <km>
START_TIME = 2014-08-01T10:00:00Z
^TABLE = "A.TAB"
OBJECT = TABLE
  ^STRUCTURE = "A.FMT"
  ROWS = 2
END_OBJECT = TABLE
GROUP = ONE
  COLOUR = "RED"
  COLOUR = "BLUE"
  PHASE_ANGLE = 30 <deg>
END_GROUP = ONE
GROUP = TWO
  PHASE_ANGLE = 40 <deg>
END_GROUP = TWO
END
"""
PDS4 = """<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <Identification_Area>
    <logical_identifier>urn:esa:psa:test:data:a</logical_identifier>
    <version_id>1.10</version_id>
  </Identification_Area>
  <Observation_Area>
    <Time_Coordinates>
      <start_date_time>2014-08-01T10:00:00Z</start_date_time>
      <stop_date_time xsi:nil="true" nilReason="unknown"/>
    </Time_Coordinates>
    <length unit="km">2.5</length>
  </Observation_Area>
</Product_Observational>
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.lbl").write_text(DETACHED)
    (tmp_path / "a.fmt").write_text('OBJECT = COLUMN\nNAME = "TIME"\nEND_OBJECT = COLUMN\n')
    (tmp_path / "a.xml").write_text(PDS4)
    return tmp_path


def label(folder: Path, *arguments: str | bytes) -> Ended:
    return psalab("label", *arguments, cwd=folder)


def test_a_label_is_shown_keyword_by_keyword(folder: Path) -> None:
    ended = label(folder, "a.lbl")
    assert (ended.code, ended.errors) == (0, "")
    assert ended.lines[:7] == [
        "PDS_VERSION_ID = PDS3",
        "PRODUCT_ID = A",
        "FILTER_NAME is missing (N/A)",
        "NOTE = first line second line",
        "EXPOSURE = 0.5 <s>",
        "VECTOR = (1.0, missing, 3.5) <km>",
        "START_TIME = 2014-08-01T10:00:00",
    ]


def test_a_label_of_the_other_standard_is_shown_alike(folder: Path) -> None:
    assert label(folder, "a.xml").lines == [
        "pds:Identification_Area/pds:logical_identifier = urn:esa:psa:test:data:a",
        "pds:Identification_Area/pds:version_id = 1.10",
        "pds:Observation_Area/pds:Time_Coordinates/pds:start_date_time = 2014-08-01T10:00:00",
        "pds:Observation_Area/pds:Time_Coordinates/pds:stop_date_time is missing (unknown)",
        "pds:Observation_Area/pds:length = 2.5 <km>",
    ]


def test_single_keywords_are_shown_in_the_order_asked_for(folder: Path) -> None:
    assert label(folder, "a.lbl", "--key", "exposure", "--key", "ONE/PHASE_ANGLE").lines == [
        "EXPOSURE = 0.5 <s>",
        "ONE/PHASE_ANGLE = 30 <deg>",
    ]


def test_a_repeated_keyword_is_shown_as_often_as_it_is_there(folder: Path) -> None:
    assert label(folder, "a.lbl", "--key", "COLOUR").lines == ["ONE/COLOUR = RED", "ONE/COLOUR = BLUE"]


def test_of_a_block_all_keywords_are_shown(folder: Path) -> None:
    assert label(folder, "a.lbl", "--key", "TWO").lines == ["TWO/PHASE_ANGLE = 40 <deg>"]


def test_a_pattern_shows_what_it_fits(folder: Path) -> None:
    assert label(folder, "a.lbl", "--key", "phase*").lines == [
        "ONE/PHASE_ANGLE = 30 <deg>",
        "TWO/PHASE_ANGLE = 40 <deg>",
    ]


@pytest.mark.parametrize(
    ("key", "says"), [("PHASE_ANGEL", "nearest: "), ("PHASE_ANGLE", "ONE/PHASE_ANGLE, TWO/PHASE_ANGLE"), ("X*", "'X*'")]
)
def test_a_name_that_means_nothing_or_too_much_ends_with_2(key: str, says: str, folder: Path) -> None:
    ended = label(folder, "a.lbl", "--key", key)
    assert (ended.code, ended.output) == (2, "")
    assert says in ended.errors
    assert ended.errors.startswith("psalab: a.lbl: ")


def test_a_label_comes_as_json(folder: Path) -> None:
    ended = label(folder, "a.lbl", "--json", "--key", "FILTER_NAME", "--key", "VECTOR", "--key", "START_TIME")
    assert json.loads(ended.output) == [
        {"path": "FILTER_NAME", "value": None, "unit": None, "missing": "N/A"},
        {"path": "VECTOR", "value": [1.0, None, 3.5], "unit": "km", "missing": None},
        {"path": "START_TIME", "value": "2014-08-01T10:00:00", "unit": None, "missing": None},
    ]


def test_structure_files_belong_to_it_when_asked_for(folder: Path) -> None:
    assert "TABLE/COLUMN/NAME = TIME" not in label(folder, "a.lbl").lines
    assert "TABLE/COLUMN/NAME = TIME" in label(folder, "a.lbl", "--structures").lines


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), ('PDS_VERSION_ID = PDS3\nNOTE = "open', "line 2"), ("<a><b></a>", "not well-formed")],
)
def test_a_bad_label_ends_with_1(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.lbl").write_text(text)
    ended = label(tmp_path, "bad.lbl")
    assert (ended.code, ended.output) == (1, "")
    assert ended.errors.startswith("psalab: bad.lbl")
    assert says in ended.errors


def test_a_file_that_cannot_be_read_ends_with_1(tmp_path: Path) -> None:
    assert label(tmp_path, "none.lbl").errors == "psalab: none.lbl: No such file or directory\n"
    ended = label(tmp_path, ".")
    assert (ended.code, ended.errors) == (1, "psalab: .: Is a directory\n")


def test_text_of_a_label_gives_no_orders_to_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.lbl").write_bytes(b'PDS_VERSION_ID = PDS3\nNOTE = "\x1b[2J"\nEND\n')
    assert label(tmp_path, "a.lbl", "--key", "NOTE").output == "NOTE = \\x1b[2J\n"
    (tmp_path / "bad.lbl").write_bytes(b"PDS_VERSION_ID = PDS3\nNOTE \x1b[2J\nEND\n")
    ended = label(tmp_path, "bad.lbl")
    assert ended.code == 1
    assert "\x1b" not in ended.errors


def test_a_name_that_is_no_utf_8_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.lbl")).write_text(DETACHED)
    assert label(tmp_path, b"caf\xe9.lbl", "--key", "PRODUCT_ID").output == "PRODUCT_ID = A\n"
    (tmp_path / os.fsdecode(b"bad\xe9.lbl")).write_text("")
    ended = label(tmp_path, b"bad\xe9.lbl")
    assert ended.code == 1
    assert ended.errors.startswith("psalab: bad\\udce9.lbl")
