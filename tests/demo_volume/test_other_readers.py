"""The readers that people use today read the good products, and find what was generated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from psalab.demo_volume import cosima, hrsc, magnetometer, mcam, nomad, osiris, spicav

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.demo_volume import DemoVolume, WrittenLabel

    Only = Callable[[str], tuple[Path, WrittenLabel]]

pdr = pytest.importorskip("pdr", reason="in the dependency group bench")
pds4_tools = pytest.importorskip("pds4_tools", reason="in the dependency group bench")
pvl = pytest.importorskip("pvl", reason="in the dependency group bench")

pytestmark = [
    # these leave files open, and use what pandas and numpy mean to drop
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def by_pdr(path: Path, name: str) -> Any:
    return pdr.read(str(path))[name]


def by_pds4_tools(path: Path, number: int = 0) -> Any:
    return pds4_tools.read(str(path), quiet=True)[number].data


def test_pdr_reads_images_of_the_comet(volume: DemoVolume, only: Only) -> None:
    taken = osiris.observation(volume.seed, 3, osiris.comet(volume.seed))
    np.testing.assert_array_equal(by_pdr(only(taken.stem(2))[0], "IMAGE"), taken.counts)
    np.testing.assert_array_equal(by_pdr(only(taken.stem(3))[0], "IMAGE"), taken.radiance())


@pytest.mark.parametrize("channel", hrsc.CHANNELS, ids=lambda channel: channel.name)
def test_pdr_reads_images_behind_attached_labels(volume: DemoVolume, only: Only, channel: hrsc.Channel) -> None:
    path, _ = only(f"HS002_0000_{channel.name}2.IMG")
    if channel.name == "BL":  # pdr 1.4.4 finds no END in mixed case
        with pytest.raises(ValueError, match="Invalid characters"):
            pdr.read(str(path))
        return
    np.testing.assert_array_equal(by_pdr(path, "IMAGE"), hrsc.image(volume.seed, hrsc.orbit(1), channel))


def test_pdr_reads_tables_whose_columns_stand_in_the_folder_label(volume: DemoVolume, only: Only) -> None:
    grains = by_pdr(only("CS_1D0_20140821T001500_GR__")[0], "FEATURE_TABLE")
    assert list(grains.itertuples(index=False, name=None)) == cosima.grains(volume.seed, "1D0", 2)
    spectrum = by_pdr(only("CS_1D0_20140821T004500_SP_P")[0], "MASS_SPECTRUM_TABLE")
    np.testing.assert_array_equal(spectrum["COUNTS"], cosima.spectrum(volume.seed, "1D0", 2)[1])


def test_pdr_reads_binary_tables(volume: DemoVolume, only: Only) -> None:
    rows, table = spicav.table(volume.seed, 4), by_pdr(only("data/sv0005.lbl")[0], "TABLE")
    for name in ("COUNTER", "ALTITUDE", "PHASE_ANGLE"):
        np.testing.assert_array_equal(table[name], rows[name])
    np.testing.assert_allclose(table["DETECTOR_TEMPERATURE"], rows["DETECTOR_TEMPERATURE"] * 0.01 - 20.0)
    np.testing.assert_array_equal(table[[f"SPECTRUM_{n}" for n in range(spicav.CHANNELS)]], rows["SPECTRUM"])


@pytest.mark.parametrize("name", ["MAG_20080301_S001.TAB", "MAG_20080301_S001.LBL"])
def test_pdr_reads_both_twins(volume: DemoVolume, only: Only, name: str) -> None:
    table, numbers = by_pdr(only(name)[0], "TABLE"), magnetometer.rows(volume.seed, 0)
    np.testing.assert_allclose(table[[name for name, _ in magnetometer.COLUMNS]], numbers)


def test_pdr_reads_the_tables_of_products(volume: DemoVolume) -> None:
    for written in volume.labels:
        if written.kind == "index":
            table = by_pdr(volume.folder / written.path, "INDEX_TABLE")
            products = [label for label in volume.labels if label.dataset == written.dataset and label.kind == "data"]
            assert sorted(map(str.strip, table["PRODUCT_ID"])) == sorted(product.id for product in products)


def test_pds4_tools_reads_images_of_the_planet(volume: DemoVolume, only: Only) -> None:
    for number in (3, 5):  # the second has a prefix for the namespace
        picture = mcam.take(volume.seed, number, mcam.planet(volume.seed))
        raw, _ = only(f"cam_raw_{picture.name}.lblx")
        np.testing.assert_array_equal(by_pds4_tools(raw, 1), picture.counts)
        calibrated, _ = only(f"cam_cal_{picture.name}")
        np.testing.assert_array_equal(by_pds4_tools(calibrated), picture.radiance())


def test_pds4_tools_reads_tables_of_all_three_kinds(volume: DemoVolume, only: Only) -> None:
    records, spectra = nomad.spectra(volume.seed, 0), by_pds4_tools(only("data_calibrated/nmd_cal_sc_so_20180421")[0])
    np.testing.assert_array_equal(spectra["spectrum, transmittance"], records["transmittance"])
    np.testing.assert_array_equal(spectra["tangent_altitude"], records["tangent_altitude"])
    hk = by_pds4_tools(only("nmd_raw_hk_20180421")[0])
    np.testing.assert_array_equal(hk["temperature"], [row[2] for row in nomad.housekeeping(volume.seed, 0)])
    profile = by_pds4_tools(only("nmd_der_sc_o3_20180421")[0])
    assert profile["altitude"].tolist() == [row[0] for row in nomad.profile(volume.seed, 0)]


def test_pds4_tools_reads_every_label(volume: DemoVolume) -> None:
    for written in volume.labels:
        if written.standard == "PDS4":
            pds4_tools.read(str(volume.folder / written.path), quiet=True, lazy_load=True)


def test_pvl_reads_a_label_of_each_family(volume: DemoVolume) -> None:
    firsts = {label.family: label for label in reversed(volume.labels) if label.standard == "PDS3"}
    for written in firsts.values():
        assert pvl.load(str(volume.folder / written.path))["DATA_SET_ID"] == written.dataset
