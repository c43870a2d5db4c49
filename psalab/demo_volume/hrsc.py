"""A camera like HRSC of Mars Express: attached labels, five channels for each orbit, fill numbers.

The infrared channel has bytes before each line; the blue one spells END and OBJECT in mixed case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise, atan2, cos, sin
from psalab.demo_volume.orbits import AU
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter
from psalab.demo_volume.scene import plain
from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["CHANNELS", "DATA_SET", "Channel", "Orbit", "image", "orbit", "write"]

#: Orbits at scale 1; each gives one product per channel.
ORBITS: Final = 25
LINES: Final = 80
SAMPLES: Final = 64
#: Words of the label that the blue channel spells as older labels of the instrument do.
_WORDS: Final = ("OBJECT", "END_OBJECT", "END")
_BLUE_WORDS: Final = ("Object", "End_Object", "End")

#: Bytes before each line of the infrared channel, as in older products of the instrument.
PREFIX_BYTES: Final = 16

_FIRST_ORBIT: Final = 90_001
_EPOCH: Final = datetime(2008, 2, 8, 12, 8, 35)
_PERIOD: Final = timedelta(hours=6, minutes=43, seconds=12)
_MARS_RADIUS: Final = 3396.2

DATA_SET: Final = DataSet(
    id="MEX-M-HRSC-3-RDR-V2.0",
    name="SYNTHETIC MARS EXPRESS HRSC RADIOMETRIC RDR V2.0",
    volume="DEMO_2001",
    host="MEX",
    host_name="MARS EXPRESS",
    instrument="HRSC",
    instrument_name="HIGH RESOLUTION STEREO CAMERA",
    mission="MARS EXPRESS",
    target="MARS",
)


@dataclass(frozen=True, slots=True)
class Channel:
    """A line of the detector.

    `wavelength` and `width` of its filter in nm; `angle` is how far it looks ahead, degrees; `scaling` is the radiance
    of one count, W m-2 sr-1.
    """

    name: str
    wavelength: float
    width: float
    angle: float
    macropixel: int
    chain: int
    scaling: float


CHANNELS: Final = (
    Channel("ND", 678.0, 173.0, 0.0, 1, 0, 0.0352104),
    Channel("RE", 748.5, 41.0, -15.9, 4, 1, 0.0081933),
    Channel("GR", 538.0, 89.0, 3.3, 4, 3, 0.0193410),
    Channel("BL", 444.0, 89.0, -3.3, 4, 0, 0.0154417),
    Channel("IR", 955.5, 81.0, 15.9, 4, 2, 0.0169353),
)


@dataclass(frozen=True, slots=True)
class Orbit:
    """One pass over Mars. Angles in degrees, altitude in km."""

    index: int
    number: int
    periapsis_time: datetime
    periapsis: float
    argument: float
    node: float
    latitude: float
    longitude: float
    incidence: float


def orbit(index: int) -> Orbit:
    """Return a pass, counted from 0: the planet turns below, the periapsis wanders slowly south."""
    turned = 360.0 * (_PERIOD / timedelta(hours=24, minutes=37, seconds=22)) * index
    latitude = 25.0 * cos(1.8 * index)
    return Orbit(
        index=index,
        number=_FIRST_ORBIT + index,
        periapsis_time=_EPOCH + index * _PERIOD,
        periapsis=331.9 + 4.0 * sin(11.0 * index),
        argument=(151.2 + 0.09 * index) % 360.0,
        node=(118.52 - 0.011 * index) % 360.0,
        latitude=latitude,
        longitude=(78.0 - turned) % 360.0,
        incidence=52.0 + 14.0 * sin(4.0 * index) + 0.1 * latitude,
    )


def image(seed: int, pass_: Orbit, channel: Channel) -> NDArray[np.uint8]:
    """Take an image; the channels of an orbit see the same ground."""
    ground = plain(Noise(seed, f"HRSC ground {pass_.index}"), cos(pass_.incidence), LINES, SAMPLES)
    noise = Noise(seed, f"HRSC {pass_.index} {channel.name}").normal(LINES * SAMPLES).reshape(LINES, SAMPLES)
    bright = 60.0 + 0.15 * channel.wavelength
    counts: NDArray[np.uint8] = np.clip(np.rint(bright * ground + 1.5 * noise), 0, 255).astype(np.uint8)
    return counts


def write(tree: Tree) -> None:
    """Write the data set."""
    data_set = DataSetWriter(tree, DATA_SET)
    for index in range(ORBITS * tree.scale):
        for channel in CHANNELS:
            _product(data_set, orbit(index), channel)
    for name in ("MEX_ORIENTATION_DESC.TXT", "MEX_POINTING_DESC.TXT"):  # the labels point to them
        tree.write(data_set.path(f"DOCUMENT/{name}"), pds3.encoded(template("hrsc_description.txt")))
    data_set.finish()


def _product(data_set: DataSetWriter, pass_: Orbit, channel: Channel) -> None:
    counts = image(data_set.tree.seed, pass_, channel)
    prefix = PREFIX_BYTES if channel.name == "IR" else 0
    rows = np.zeros((LINES, prefix + SAMPLES), dtype=np.uint8)
    rows[:, :prefix] = np.arange(LINES, dtype=np.uint8)[:, np.newaxis]  # the number of the line
    rows[:, prefix:] = counts
    data = rows.tobytes()
    name = f"HS{pass_.index + 1:03d}_0000_{channel.name}2.IMG"  # S, for synthetic, where real names have a digit
    seconds = 0.9 * channel.angle
    start = pass_.periapsis_time + timedelta(milliseconds=round(1000 * (18.843 - seconds)))
    stop = start + timedelta(milliseconds=LINES * 1840)
    label = pds3.attached(
        "hrsc.lbl",
        SAMPLES + prefix,
        data,
        file=name,
        dataset=DATA_SET.id,
        dataset_name=DATA_SET.name,
        channel=channel,
        orbit=pass_,
        clock_start=pds3.clock(start),
        clock_stop=pds3.clock(stop),
        start=pds3.time(start),
        stop=pds3.time(stop),
        periapsis_time=pds3.time(pass_.periapsis_time),
        lines=LINES,
        samples=SAMPLES,
        words=_BLUE_WORDS if channel.name == "BL" else _WORDS,
        prefix=f"  LINE_PREFIX_BYTES  = {prefix}\n" if prefix else "",
        maximum=int(counts.max()),
        minimum=int(counts.min()),
        mean=int(counts.sum(dtype=np.int64)) / counts.size,
        **_geometry(pass_, channel),
        **_state(data_set.tree.seed, pass_, channel),
    )
    data_set.product(
        f"DATA/{pass_.index + 1:04d}/{name}",
        label,
        id=name,
        version=DATA_SET.id[-3:],  # the labels name none but that of the data set
        times=(start, stop),
        is_attached=True,
    )


def _geometry(pass_: Orbit, channel: Channel) -> dict[str, Any]:
    """Angles and footprint; the ground track runs north, the footprint is a strip."""
    resolution = 0.0383 * pass_.periapsis * channel.macropixel
    half = 0.02 + SAMPLES * resolution / 2000.0 / (_MARS_RADIUS * 0.017_453_3)
    south, north = pass_.latitude - 6.0, pass_.latitude + 6.0
    corners = [(south, -half), (south + 6.0, -half), (north, -half), (north, half), (south + 6.0, half), (south, half)]
    return {
        "resolution": resolution,
        "latitudes": pds3.sequence(f"{latitude:.4f}" for latitude, _ in corners),
        "longitudes": pds3.sequence(f"{(pass_.longitude + east / cos(lat)) % 360.0:.4f}" for lat, east in corners),
        "incidence": pass_.incidence,
        "emission": abs(channel.angle) * 1.1,
        # Sun and camera stand at a right angle when seen along the track, so that the cosines multiply
        "phase": _arc_cosine(cos(pass_.incidence) * cos(1.1 * channel.angle)),
        "solar_distance": 1.62 * AU + 1900.0 * pass_.index,
        "offset": "-1e+32" if pass_.index % 6 == 5 else f"{0.05 + 0.01 * (pass_.index % 20):.2f}",
        "mode": "ACROSSTRACK" if pass_.index % 3 else "NADIR",
    }


def _arc_cosine(value: float) -> float:
    return atan2(float(np.sqrt(1.0 - value * value)), value)


def _state(seed: int, pass_: Orbit, channel: Channel) -> dict[str, Any]:
    """Housekeeping."""
    noise = Noise(seed, f"HRSC state {pass_.index} {channel.name}")
    return {
        "temperatures": (17.3 + noise.number(-1.0, 1.0), 8.0 + noise.number(-0.5, 0.5), 8.2 + noise.number(-0.5, 0.5)),
        "compression": noise.number(5.0, 14.0),
        "missing": noise.integer(0, 1),
    }
