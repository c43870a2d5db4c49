"""A spectrometer like NOMAD of ExoMars TGO: labels ``.xml``, tables of all three kinds.

Spectra are binary tables, profiles delimited ones, housekeeping is a table of characters.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds4
from psalab.demo_volume.arithmetic import Noise, sin
from psalab.demo_volume.image_files import browse_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["BUNDLE", "RECORD", "housekeeping", "profile", "spectra", "write"]

OCCULTATIONS: Final = 10
RECORDS: Final = 20
CHANNELS: Final = 48
MISSING_TEMPERATURE: Final = -32_768
#: A record of the spectra as the label describes it.
RECORD: Final = np.dtype(
    [
        ("utc", "S24"),
        ("index", "<u4"),
        ("temperature", "<i2"),
        ("tangent_altitude", "<f8"),
        ("transmittance", "<f4", (CHANNELS,)),
    ]
)

_EPOCH: Final = datetime(2018, 4, 21, 19, 30)
_BETWEEN: Final = timedelta(hours=15, minutes=44)
#: Channel, strength and width of the absorption bands.
_BANDS: Final = ((9.0, 1.4, 1.5), (22.0, 2.2, 2.5), (37.0, 0.8, 1.2))

BUNDLE: Final = pds4.Bundle(
    id="em16_tgo_nmd",
    suffix="xml",
    mission="ExoMars 2016",
    mission_code="em16",
    host="TGO",
    host_code="tgo",
    instrument="NOMAD",
    instrument_code="nomad",
    instrument_name="Nadir and Occultation for Mars Discovery",
    target="Mars",
    target_code="mars",
)


def spectra(seed: int, number: int) -> NDArray[Any]:
    """Make the records of an occultation: the Sun sets into the atmosphere, the bands deepen."""
    noise = Noise(seed, f"NOMAD {number}")
    start = _start(number)
    records = np.zeros(RECORDS, dtype=RECORD)
    altitude = 100.0 - 4.5 * np.arange(RECORDS) + 0.1 * noise.normal(RECORDS)
    channel = np.arange(CHANNELS, dtype=np.float64)
    strength = np.zeros(CHANNELS)
    for centre, strong, width in _BANDS:
        away = (channel - centre) / width
        strength += strong / (1.0 + away * away)
    dense = 1.0 / (1.0 + (altitude / 30.0) * (altitude / 30.0))
    depth = dense[:, np.newaxis] * (strength[np.newaxis, :] + 0.2)
    spread = 0.004 * noise.normal(RECORDS * CHANNELS).reshape(RECORDS, CHANNELS)
    moments = [start + timedelta(seconds=2 * step) for step in range(RECORDS)]
    records["utc"] = [f"{pds4.time(moment)}Z".encode() for moment in moments]
    records["index"] = np.arange(RECORDS)
    records["temperature"] = np.rint(250.0 * noise.normal(RECORDS))
    records["temperature"][number % RECORDS] = MISSING_TEMPERATURE
    records["tangent_altitude"] = altitude
    records["transmittance"] = 1.0 / (1.0 + depth) + spread
    return records


def profile(seed: int, number: int) -> list[tuple[float, float | None, int, str]]:
    """Altitude, ozone, number of spectra and a remark; some ozone is missing."""
    noise = Noise(seed, f"NOMAD profile {number}")
    rows: list[tuple[float, float | None, int, str]] = []
    for step in range(16):
        away = (step - 9.0) / 2.5
        ozone = round(60.0 / (1.0 + away * away) + noise.number(0.0, 4.0), 2)
        missing = step == number % 16
        rows.append(
            (10.0 + 5.0 * step, None if missing else ozone, noise.integer(1, 4), "blinded, no value" if missing else "")
        )
    return rows


def housekeeping(seed: int, number: int) -> list[tuple[datetime, int, float, str]]:
    """Time, counter, temperature and state; one temperature is missing."""
    noise = Noise(seed, f"NOMAD housekeeping {number}")
    return [
        (
            _start(number) - timedelta(minutes=30 - step),
            1000 * number + step,
            -999.0 if step == 7 else round(-5.0 + 2.0 * sin(6.0 * step) + noise.number(-0.2, 0.2), 3),
            "PRECOOL" if step < 10 else "SCIENCE",
        )
        for step in range(30)
    ]


def write(tree: Tree) -> None:
    """Write the bundle."""
    bundle = pds4.BundleWriter(tree, BUNDLE)
    for number in range(OCCULTATIONS):
        _spectra(bundle, number)
        _profile(bundle, number)
        _housekeeping(bundle, number)
    _channels(bundle)
    bundle.guide("nmd_users_guide", "nmd_users_guide")
    bundle.finish()


def _start(number: int) -> datetime:
    return _EPOCH + number * _BETWEEN


def _table(bundle: pds4.BundleWriter, name: str, number: int, level: str, data: bytes, **fields: Any) -> None:
    """Write a product of one table; what differs comes as fields."""
    product = name.rpartition("/")[2]
    suffix = fields.pop("suffix")
    bundle.product(
        name,
        "nomad_table.xml",
        **{"product_class": "Product_Observational", "area": "Observation_Area", "file_area": "File_Area_Observational"}
        | {"start": pds4.time(_start(number)), "stop": pds4.time(_start(number) + timedelta(seconds=2 * RECORDS))}
        | fields,
        title=f"SYNTHETIC ExoMars TGO NOMAD {product.partition('_2')[0]}",
        files={f"{product}.{suffix}": data},
        level=level,
        orbit=2100 + 8 * number,
        mode="solar occultation" if number % 2 else "nadir",
        solar_longitude=162.3 + 0.36 * number,
    )


def _spectra(bundle: pds4.BundleWriter, number: int) -> None:
    name = f"nmd_cal_sc_so_{_start(number):%Y%m%dt%H%M%S}"
    table = pds4.filled(
        "nomad_spectra.xml",
        records=RECORDS,
        record_length=RECORD.itemsize,
        channels=CHANNELS,
        group_length=4 * CHANNELS,
    )
    records = spectra(bundle.tree.seed, number)
    _table(bundle, f"data_calibrated/{name}", number, "Calibrated", records.tobytes(), table=table, suffix="dat")
    if number % 3 == 0:
        bundle.product(
            f"browse/{name}_browse",
            "browse.xml",
            product_class="Product_Browse",
            title="SYNTHETIC ExoMars TGO NOMAD browse image",
            files={f"{name}_browse.png": browse_png(np.repeat(records["transmittance"], 2, axis=0))},
            shows=bundle.lid("data_calibrated", name),
        )


def _profile(bundle: pds4.BundleWriter, number: int) -> None:
    lines = [
        f'{altitude:.1f},{"" if ozone is None else f"{ozone:.2f}"},{count},"{remark}"\r\n'
        for altitude, ozone, count, remark in profile(bundle.tree.seed, number)
    ]
    table = pds4.filled("nomad_profile.xml", records=len(lines))
    name = f"data_derived/nmd_der_sc_o3_{_start(number):%Y%m%dt%H%M%S}"
    _table(bundle, name, number, "Derived", "".join(lines).encode(), table=table, suffix="csv")


def _housekeeping(bundle: pds4.BundleWriter, number: int) -> None:
    lines = [
        f"{pds4.time(moment)}Z {counter:6d} {temperature:9.3f} {state:<8}\r\n"
        for moment, counter, temperature, state in housekeeping(bundle.tree.seed, number)
    ]
    table = pds4.filled("nomad_housekeeping.xml", records=len(lines), record_length=len(lines[0]))
    name = f"data_raw/nmd_raw_hk_{_start(number):%Y%m%dt%H%M%S}"
    _table(bundle, name, number, "Raw", "".join(lines).encode(), table=table, suffix="tab")


def _channels(bundle: pds4.BundleWriter) -> None:
    lines = [f"{channel:4d} {2300.0 + 1.25 * channel:9.3f}\r\n" for channel in range(CHANNELS)]
    _table(
        bundle,
        "calibration/nmd_channels",
        0,
        "Calibrated",
        "".join(lines).encode(),
        table=pds4.filled("nomad_channels.xml", records=len(lines), record_length=len(lines[0])),
        suffix="tab",
        product_class="Product_Ancillary",
        area="Context_Area",
        file_area="File_Area_Ancillary",
        relation="ancillary",
    )
