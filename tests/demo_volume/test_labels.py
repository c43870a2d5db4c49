"""The labels: they say what the summary says, agree with their files, and their values follow from each other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lxml import etree

from psalab import read_label
from psalab.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.demo_volume import DemoVolume, WrittenLabel

    Only = Callable[[str], tuple[Path, WrittenLabel]]


def test_identities_are_those_of_the_summary(volume: DemoVolume) -> None:
    for written in volume.labels:
        label: Any = read_label(volume.folder / written.path)
        identity = label.identity
        found = (label.standard, identity.kind, identity.family, identity.id, identity.version, identity.dataset)
        assert found == (
            written.standard,
            written.kind,
            written.family,
            written.id,
            written.version,
            written.dataset,
        ), written.path


def test_rejected_files_are_no_labels(volume: DemoVolume) -> None:
    for broken in volume.rejected:
        with pytest.raises(LabelError):
            read_label(volume.folder / broken.path)


def test_records_of_pds3_labels_agree_with_the_sizes_of_the_files(volume: DemoVolume) -> None:
    for written in volume.labels:
        label: Any = read_label(volume.folder / written.path)
        if written.standard == "PDS4" or not written.files or label.get("RECORD_TYPE") == "STREAM":
            continue
        size = (volume.folder / written.files[0]).stat().st_size
        assert label["FILE_RECORDS"] * label["RECORD_BYTES"] == size, written.path


def test_sizes_and_checksums_of_pds4_labels_agree_with_the_files(volume: DemoVolume) -> None:
    for written in volume.labels:
        if written.standard == "PDS3":
            continue
        tree = etree.parse(volume.folder / written.path)
        named = {}
        for file in tree.iter("{*}File", "{*}Document_File"):
            name, size, checksum = (file.findtext("{*}" + tag) for tag in ("file_name", "file_size", "md5_checksum"))
            data = (volume.folder / written.path).parent.joinpath(str(name)).read_bytes()
            assert (str(len(data)), hashlib.md5(data, usedforsecurity=False).hexdigest()) == (size, checksum)
            named[name] = len(data)
        assert set(named) == {file.rpartition("/")[2] for file in written.files}


def test_a_prefix_instead_of_the_default_namespace_gives_the_same_paths(volume: DemoVolume) -> None:
    raw = [label for label in volume.labels if label.dataset.endswith("mcam:data_raw") and label.kind == "data"]
    prefixed = [label for label in raw if b"<pds:Product_Observational" in (volume.folder / label.path).read_bytes()]
    assert len(prefixed) == 1
    usual = {path for path, _ in read_label(volume.folder / raw[-1].path).leaves()}
    assert {path for path, _ in read_label(volume.folder / prefixed[0].path).leaves()} == usual


def test_the_latin_label_and_the_utf8_label_keep_their_letters(volume: DemoVolume) -> None:
    notes = {}
    for written in volume.labels:
        data = (volume.folder / written.path).read_bytes()
        if written.family == "RO/COSIMA" and not data.isascii():
            notes[str(read_label(volume.folder / written.path)["NOTE"]).partition(". ")[2]] = b"\xc3" in data
    assert notes == {"Größe der Körner in µm": False, "Größe der Körner in µm, Δm = 0.25 u": True}


def _numbers(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(item) for item in value])


def test_geometry_of_the_comet_camera_agrees_with_itself(volume: DemoVolume) -> None:
    found = 0
    for written in volume.labels:
        if written.family != "RO/OSINAC" or written.kind != "data":
            continue
        label: Any = read_label(volume.folder / written.path)
        target, sun = _numbers(label["SC_TARGET_POSITION_VECTOR"]), _numbers(label["SC_SUN_POSITION_VECTOR"])
        ra, dec = np.radians([label["RIGHT_ASCENSION"], label["DECLINATION"]])
        boresight = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        elongation = np.degrees(np.arccos(boresight @ sun / np.linalg.norm(sun)))
        assert np.linalg.norm(target) == pytest.approx(label["TARGET_CENTER_DISTANCE"], abs=2e-3)
        assert np.linalg.norm(sun - target) == pytest.approx(label["SPACECRAFT_SOLAR_DISTANCE"], abs=1e-2)
        assert elongation == pytest.approx(label["SOLAR_ELONGATION"], abs=1e-4)
        assert label["PHASE_ANGLE"] == pytest.approx(180 - elongation, abs=1e-4)
        if label["SURF_INT_CART_COORD"] is None:
            continue
        lon, lat = np.radians([label["SUB_SPACECRAFT_LONGITUDE"], label["SUB_SPACECRAFT_LATITUDE"]])
        above = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        away = above * label["TARGET_CENTER_DISTANCE"] - _numbers(label["SURF_INT_CART_COORD"])
        assert np.linalg.norm(away) == pytest.approx(label["SURFACE_INTERCEPT_DISTANCE"], abs=3e-3)
        found += 1
    assert found == 120


def test_some_images_of_the_comet_are_near_and_lit_from_behind(volume: DemoVolume) -> None:
    # the filter that the documentation shows
    near = 0
    for written in volume.labels:
        if "OSINAC-3" in written.path and written.kind == "data" and written.version == "2":
            label: Any = read_label(volume.folder / written.path)
            distance, phase = label["SURFACE_INTERCEPT_DISTANCE"], label["PHASE_ANGLE"]
            near += distance is not None and distance < 50 and phase < 30
    assert 5 <= near <= 30


def test_one_temperature_of_the_family_is_text(volume: DemoVolume) -> None:
    odd = [
        written.path
        for written in volume.labels
        if written.family == "RO/OSINAC"
        and written.kind == "data"
        and isinstance(read_label(volume.folder / written.path)["DETECTOR_TEMPERATURE"], str)
    ]
    assert odd == [broken.path for broken in volume.broken if "DETECTOR_TEMPERATURE" in broken.reason]


def test_fill_numbers_stand_in_the_labels_of_the_mars_camera(only: Only) -> None:
    path, _ = only("HS006_0000_ND2.IMG")
    text = path.read_bytes().decode("ascii", "replace")
    assert text.count("-1e+32") == 3
    assert "LABEL_RECORDS" in text
