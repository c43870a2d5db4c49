"""A label answers for both standards alike."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from psalab.errors import AmbiguousKeyword, UnknownKeyword
from psalab.labels import Block, Label, read_label

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
POI = "IMAGE_POI/DEMO:INTERCEPT_DISTANCE"


@pytest.fixture
def frame() -> Label:
    return read_label(CORPUS / "pds3" / "valid" / "camera_frame.lbl")


@pytest.fixture
def observation() -> Label:
    return read_label(CORPUS / "pds4" / "valid" / "observation.xml")


@pytest.mark.parametrize("name", ["FILTER_NUMBER", "filter_number", "Filter_Number"])
def test_a_keyword_is_asked_for_in_any_case(frame: Label, name: str) -> None:
    assert frame[name] == "22"
    assert name in frame


@pytest.mark.parametrize("name", ["DEMO:SEGMENT_X", "segment_x", "ACQUIRE_OPTIONS/SEGMENT_X"])
def test_a_path_may_be_cut_from_the_left_and_lack_its_namespace(frame: Label, name: str) -> None:
    assert frame[name] == [0]


def test_a_missing_value_is_none_and_says_why(frame: Label) -> None:
    assert (frame[POI], frame.why_missing(POI)) == (None, "N/A")
    assert (frame["FILTER_NUMBER"], frame.why_missing("FILTER_NUMBER")) == ("22", None)


def test_a_unit_is_that_of_all_elements_or_each_of_them() -> None:
    label = read_label(CORPUS / "pds3" / "valid" / "units.lbl")
    names = ["SCALAR", "ELEMENTS", "MIXED", "MISSING_AMONG", "PDS_VERSION_ID"]
    assert [label.unit(name) for name in names] == ["km", "km", "km, m, ", "km", None]


def test_a_block_is_given_as_a_block(frame: Label) -> None:
    block = frame["IMAGE"]
    assert isinstance(block, Block)
    assert (block.kind, block.name, [child.name for child in block.children]) == (
        "OBJECT",
        "IMAGE",
        ["INTERCHANGE_FORMAT", "LINES"],
    )


def test_a_repeated_keyword_is_asked_for_with_all() -> None:
    label = read_label(CORPUS / "pds3" / "valid" / "names.lbl")
    assert label.all("SAME_NAME") == ["FIRST", "SECOND"]
    with pytest.raises(AmbiguousKeyword, match=r"SAME_NAME occurs 2 times: use \.all\('SAME_NAME'\)"):
        label["SAME_NAME"]


def test_a_name_in_two_blocks_is_ambiguous() -> None:
    label = read_label(CORPUS / "pds3" / "valid" / "names.lbl")
    with pytest.raises(AmbiguousKeyword, match="COORDINATES/COORDINATE_SYSTEM_NAME, CAMERA/COORDINATE_SYSTEM_NAME"):
        label["COORDINATE_SYSTEM_NAME"]
    assert label["CAMERA/COORDINATE_SYSTEM_NAME"] == "CAMERA_FRAME"


def test_an_unknown_keyword_is_answered_with_the_nearest(frame: Label) -> None:
    with pytest.raises(UnknownKeyword, match=r"nearest: .*FILTER_NUMBER"):
        frame["FILTER_NUMBR"]
    assert frame.get("FILTER_NUMBR", 5) == 5
    assert "FILTER_NUMBR" not in frame
    assert isinstance(UnknownKeyword("x"), KeyError)


def test_keywords_are_found_by_a_pattern(frame: Label) -> None:
    assert frame.find("*intercept*") == {POI: None, "IMAGE_POI/DEMO:INTERCEPT_COORD": None}
    assert read_label(CORPUS / "pds3" / "valid" / "names.lbl").find("SAME*") == {"SAME_NAME": ["FIRST", "SECOND"]}


def test_a_keyword_keeps_its_text_and_line(frame: Label) -> None:
    keyword = frame.keyword("DEMO:COMMANDED_FILTER_NUMBER")
    assert (keyword.raw, keyword.value, keyword.line, keyword.attributes) == ("00", 0, 25, {})


def test_the_identity_of_a_pds3_product(frame: Label) -> None:
    found = frame.identity
    assert (found.id, found.version, found.dataset) == (
        "N20140806T120000000ID30F22.FIT",
        "1.0",
        "XO-C-XCAM-3-DEMO-V1.0",
    )
    assert (found.host, found.instrument, found.level, found.level_native, found.family) == (
        *("XO", "XCAM", "calibrated", "3"),
        "XO/XCAM",
    )
    assert (found.start_time, found.stop_time) == (
        datetime(2014, 8, 6, 12, 0, 0, 123000),
        datetime(2014, 8, 6, 12, 0, 1, 123000),
    )


def test_the_identity_of_a_pds4_product(observation: Label) -> None:
    found = observation.identity
    assert (found.id, found.version, found.dataset, found.kind, found.product_type, found.family) == (
        "urn:esa:psa:xo_xcam:data_raw:xcam_0001",
        "1.10",
        "urn:esa:psa:xo_xcam:data_raw",
        "data",
        "Product_Observational",
        "xo_xcam/Product_Observational",
    )
    assert found.targets == ("Mars", "Phobos")
    assert (found.start_time, found.stop_time) == (datetime(2024, 2, 3, 4, 5, 6, 789000), None)


def test_the_files_of_a_product(frame: Label, observation: Label) -> None:
    assert observation.files == ["xcam_0001.img"]
    assert frame.files == []
    pointers = read_label(CORPUS / "pds3" / "valid" / "pointers.lbl")
    assert pointers.files == ["pointers.lbl", "N20140806.FIT", "DATA.TAB", "QUBE.QUB"]
    assert read_label(CORPUS / "pds3" / "valid" / "data_behind_end.img").files == ["data_behind_end.img"]


def test_a_pointer_to_nothing_names_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lbl"
    path.write_text('PDS_VERSION_ID = PDS3\n^IMAGE = "N/A"\n^TABLE =\nEND\n')
    assert read_label(path).files == []


def test_pds4_paths_are_asked_with_or_without_prefixes(observation: Label) -> None:
    for name in ("exposure_duration", "img:Exposure/img:exposure_duration", "EXPOSURE/EXPOSURE_DURATION"):
        assert (observation[name], observation.unit(name)) == (12.5, "ms")
    assert observation.why_missing("stop_date_time") == "unknown"
    assert observation.all("Target_Identification/name") == ["Mars", "Phobos"]


def test_xml_attributes_are_kept(observation: Label) -> None:
    assert observation.keyword("stop_date_time").attributes == {"xsi:nil": "true", "nilReason": "unknown"}
    assert observation.keyword("file_size").attributes == {"unit": "byte"}


def test_a_repr_is_short(frame: Label, observation: Label) -> None:
    assert repr(frame).startswith("<PDS3 label ")
    assert repr(frame).endswith("camera_frame.lbl: 24 keywords>")
    assert repr(observation["pds:File_Area_Observational"]) == "<CLASS pds:File_Area_Observational: 2 entries>"
    assert len(repr(frame.keyword("NOTE"))) < 80


def test_a_file_that_is_not_there_is_a_plain_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_label(tmp_path / "none.lbl")
    with pytest.raises(IsADirectoryError):
        read_label(tmp_path)
