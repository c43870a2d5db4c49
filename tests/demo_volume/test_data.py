"""The data: where the labels say, of the type that they say, and equal to what was generated."""

from __future__ import annotations

import csv
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from psalab import read_label
from psalab.demo_volume import cosima, hrsc, magnetometer, mcam, nomad, osiris, spicav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.demo_volume import DemoVolume, WrittenLabel

    Only = Callable[[str], tuple[Path, WrittenLabel]]


@pytest.fixture(scope="module")
def taken(volume: DemoVolume) -> osiris.Observation:
    return osiris.observation(volume.seed, 12, osiris.comet(volume.seed))


def test_raw_images_of_the_comet(only: Only, taken: osiris.Observation) -> None:
    path, _ = only(taken.stem(2))
    label: Any = read_label(path)
    image = np.fromfile(path.with_suffix(".IMG"), ">i2").reshape(label["LINES"], label["LINE_SAMPLES"])
    np.testing.assert_array_equal(image, taken.counts)
    assert (label["DERIVED_MINIMUM"], label["DERIVED_MAXIMUM"]) == (image.min(), image.max())
    assert label["EXPOSURE_DURATION"] == taken.exposure


def test_calibrated_images_of_the_comet_in_both_versions(volume: DemoVolume, taken: osiris.Observation) -> None:
    fits = pytest.importorskip("astropy.io.fits")  # a dependency of psalab
    labels = [label for label in volume.labels if taken.stem(3) in label.path]
    assert [label.version for label in labels] == ["1", "2"]
    for written in labels:
        path = volume.folder / written.files[0]
        with fits.open(path) as units:
            units.verify("exception")
            image, header = units[0].data.copy(), units[0].header
        assert (header["BUNIT"], header["EXPTIME"]) == ("W m-2 sr-1 nm-1", taken.exposure)
        np.testing.assert_array_equal(image, taken.radiance())
        label: Any = read_label(volume.folder / written.path)
        pointer = label["^IMAGE"]
        offset = (int(pointer[1]) - 1) * label["RECORD_BYTES"]
        assert path.read_bytes()[offset : offset + image.nbytes] == taken.radiance().astype(">f4").tobytes()


@pytest.mark.parametrize("channel", hrsc.CHANNELS, ids=lambda channel: channel.name)
def test_images_behind_attached_labels(volume: DemoVolume, only: Only, channel: hrsc.Channel) -> None:
    path, _ = only(f"HS004_0000_{channel.name}2.IMG")
    label: Any = read_label(path)
    prefix = label.get("LINE_PREFIX_BYTES") or 0
    start = (label["^IMAGE"] - 1) * label["RECORD_BYTES"]
    rows = np.frombuffer(path.read_bytes()[start:], "u1").reshape(label["LINES"], prefix + label["LINE_SAMPLES"])
    np.testing.assert_array_equal(rows[:, prefix:], hrsc.image(volume.seed, hrsc.orbit(3), channel))
    assert (rows[:, prefix:].min(), rows[:, prefix:].max()) == (label["MINIMUM"], label["MAXIMUM"])


def test_lists_of_grains(volume: DemoVolume, only: Only) -> None:
    path, _ = only("CS_3D0_20140821T031500_GR__")
    with path.with_suffix(".TAB").open(newline="") as file:
        rows = [tuple(map(int, row)) for row in csv.reader(file)]
    assert rows == cosima.grains(volume.seed, "3D0", 2)
    assert len(rows) == read_label(path)["ROWS"]


def test_mass_spectra_have_their_peaks_where_the_elements_are(volume: DemoVolume, only: Only) -> None:
    path, _ = only("CS_1D0_20140821T004500_SP_P")
    mass, counts = np.loadtxt(path.with_suffix(".TAB"), delimiter=",", unpack=True)
    np.testing.assert_array_equal(counts, cosima.spectrum(volume.seed, "1D0", 2)[1])
    highest = mass[np.argmax(np.where((mass > 20) & (mass < 26), counts, 0))]
    assert abs(highest - 22.9898) < cosima.BIN_WIDTH


def test_binary_tables_with_bits(volume: DemoVolume, only: Only) -> None:
    path, written = only("spicav-2-demo-v1.0/data/sv0003.lbl")
    rows = np.fromfile(volume.folder / written.files[0], spicav.ROW)
    np.testing.assert_array_equal(rows, spicav.table(volume.seed, 2))
    assert set(rows["STATUS"] >> 12) == {0b0110}
    np.testing.assert_array_equal(rows["STATUS"] & 0x7FF, 40 * np.arange(len(rows)))
    assert len(rows) == read_label(path)["TABLE/ROWS"]


def test_the_attached_table_and_its_binary_twin_hold_the_same(volume: DemoVolume) -> None:
    binary_row = np.dtype([("UTC", "S23"), ("values", ">f8", (len(magnetometer.COLUMNS),))])
    for day, written in enumerate(label for label in volume.labels if label.twin):
        twin = volume.folder / str(written.twin)
        label: Any = read_label(twin)
        lines = twin.read_bytes()[(label["^TABLE"] - 1) * label["RECORD_BYTES"] :].split(b"\r\n")[:-1]
        numbers = np.array([[float(cell) for cell in line.split()[1:]] for line in lines])
        binary = np.fromfile(volume.folder / written.files[0], binary_row)
        assert [line.split()[0] for line in lines] == binary["UTC"].tolist()
        np.testing.assert_array_equal(numbers, binary["values"])
        np.testing.assert_array_equal(numbers, magnetometer.rows(volume.seed, day))


def test_a_detached_label_that_names_an_attached_file_points_behind_its_label(volume: DemoVolume) -> None:
    written = next(label for label in volume.labels if label.family == "VEX/MAG" and label.path.endswith("04_S001.LBL"))
    label: Any = read_label(volume.folder / written.path)
    data = (volume.folder / written.files[0]).read_bytes()
    assert data.startswith(b"PDS_VERSION_ID")
    pointer = label["^TABLE"]
    assert data[(int(pointer[1]) - 1) * label["RECORD_BYTES"] :].startswith(b"2008-03-04T00:00:00.000")


def test_images_of_the_planet(volume: DemoVolume) -> None:
    picture = mcam.take(volume.seed, 20, mcam.planet(volume.seed))
    raw = [label for label in volume.labels if f"cam_raw_{picture.name}" in label.path and label.kind == "data"]
    assert {label.version for label in raw} == {"1.9", "1.10"}
    for written in raw:
        data = (volume.folder / written.files[0]).read_bytes()
        image = np.frombuffer(data, ">i2", count=picture.counts.size, offset=2880).reshape(picture.counts.shape)
        np.testing.assert_array_equal(image, picture.counts)
    calibrated = next(label for label in volume.labels if f"cam_cal_{picture.name}" in label.path)
    image = np.fromfile(volume.folder / calibrated.files[0], "<f4").reshape(picture.counts.shape)
    np.testing.assert_array_equal(image, picture.radiance())


def test_tables_of_the_spectrometer(volume: DemoVolume) -> None:
    files = {
        label.dataset.rpartition(":")[2]: label.files[0]
        for label in reversed(volume.labels)
        if "_nmd/data" in label.path and label.kind == "data"
    }
    records = np.fromfile(volume.folder / files["data_calibrated"], nomad.RECORD)
    np.testing.assert_array_equal(records, nomad.spectra(volume.seed, 0))
    with (volume.folder / files["data_derived"]).open(newline="") as file:
        ozone = [row[1] for row in csv.reader(file)]
    assert ozone == ["" if row[1] is None else f"{row[1]:.2f}" for row in nomad.profile(volume.seed, 0)]
    lines = (volume.folder / files["data_raw"]).read_text(encoding="ascii").splitlines()
    assert [float(line.split()[2]) for line in lines] == [row[2] for row in nomad.housekeeping(volume.seed, 0)]


def test_browse_images_are_proper_png(volume: DemoVolume) -> None:
    for path in list(volume.folder.rglob("*.png")) + list(volume.folder.rglob("*.PNG")):
        data, at, chunks = path.read_bytes(), 8, {}
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at : at + 8])
            chunks[kind] = data[at + 8 : at + 8 + length]
            assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + chunks[kind])
            at += 12 + length
        width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
        pixels = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), "u1").reshape(height, width + 1)[:, 1:]
        assert (pixels.min(), pixels.max()) == (0, 255)
