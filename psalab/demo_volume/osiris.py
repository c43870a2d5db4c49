"""A camera like OSIRIS NAC of Rosetta: detached labels, raw images (.IMG) and calibrated ones (.FIT), three data sets.

The calibrated images stand in two versions of the data set, with the same product ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise, norm, scaled
from psalab.demo_volume.image_files import browse_png, fits
from psalab.demo_volume.orbits import AU, Pointing, View, comet_view, latitude, longitude, point
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter
from psalab.demo_volume.scene import Body, render, surface_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["CALIBRATED_1", "CALIBRATED_2", "RAW", "Observation", "comet", "observation", "write"]

#: Observations at scale 1, and how many of them stand in the first version of the calibrated data set.
COUNT: Final = 60
IN_VERSION_1: Final = 30

_EPOCH: Final = datetime(2014, 8, 1, 2, 0)
_EVERY_HOURS: Final = 4.0
_PIXEL: Final = 6.054e-4
_SHAPE: Final = (64, 64)
_BIAS: Final = 240
#: Number, name, irradiance of the Sun at 1 AU (W m-2 nm-1), radiance of one count per second.
_FILTERS: Final = (
    ("22", "FFP-Vis_Orange", 1.60, 2.0e-8),
    ("23", "FFP-Vis_Green", 1.85, 2.4e-8),
    ("24", "FFP-Vis_Blue", 2.03, 3.1e-8),
    ("41", "Near-IR_NFP-Vis", 0.97, 3.6e-8),
)
_ALBEDO: Final = 0.065
_EXPOSURES: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


def _data_set(level: int, version: int) -> DataSet:
    code = "EDR" if level == 2 else "RDR"
    return DataSet(
        id=f"RO-C-OSINAC-{level}-PRL-67PCHURYUMOV-M06-V{version}.0",
        name=f"SYNTHETIC ROSETTA-ORBITER 67P OSINAC {level} PRL-MTP006 {code} V{version}.0",
        volume=f"DEMO_{1000 + 10 * level + version}",
        host="RO",
        host_name="ROSETTA-ORBITER",
        instrument="OSINAC",
        instrument_name="OSIRIS - NARROW ANGLE CAMERA",
        mission="INTERNATIONAL ROSETTA MISSION",
        target="67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)",
    )


RAW: Final = _data_set(2, 1)
CALIBRATED_1: Final = _data_set(3, 1)
CALIBRATED_2: Final = _data_set(3, 2)


@dataclass(frozen=True, slots=True)
class Observation:
    """One image, before it becomes files.

    Attributes
    ----------
    number : int
    stem : str
        Name of the files, without the level and the suffix.
    start : datetime
    exposure : float
        Seconds.
    filter : tuple
        A row of the table of filters.
    view : View
    pointing : Pointing
    counts : ndarray of int16
        The raw image.
    """

    number: int
    start: datetime
    exposure: float
    filter: tuple[str, str, float, float]
    view: View
    pointing: Pointing
    counts: NDArray[np.int16]

    @property
    def stop(self) -> datetime:
        """When the shutter closed."""
        return self.start + timedelta(seconds=self.exposure)

    def stem(self, level: int) -> str:
        """Name of the product; SY, for synthetic, stands where real names have ID."""
        moment = self.start - timedelta(seconds=70)  # real names carry the time of the command
        milliseconds = moment.microsecond // 1000
        return f"N{moment:%Y%m%dT%H%M%S}{milliseconds:03d}SY{level}0F{self.filter[0]}"

    def radiance(self) -> NDArray[np.float32]:
        """Return the calibrated image, W m-2 sr-1 nm-1."""
        per_count = self.filter[3] / self.exposure
        return ((self.counts.astype(np.float64) - _BIAS) * per_count).astype(np.float32)


def comet(seed: int) -> Body:
    """Return the nucleus that all images of the volume show."""
    return Body.with_craters((2.4, 1.7, 1.3), Noise(seed, "67P"))


def observation(seed: int, number: int, body: Body) -> Observation:
    """Take an image.

    Parameters
    ----------
    seed : int
    number : int
        From 0, in the order of time.
    body : Body
        The nucleus.
    """
    noise = Noise(seed, f"OSINAC {number}")
    hours = _EVERY_HOURS * number + noise.number(-0.5, 0.5)
    start = _EPOCH + timedelta(milliseconds=round(hours * 3_600_000))
    view = comet_view((start - datetime(2014, 8, 1)) / timedelta(hours=1))
    # every fifth looks past the nucleus, so that nothing stands in IMAGE_POI
    aside = (2.9 if number % 5 == 4 else 0.3) / norm(view.spacecraft)
    pointing = point(view, body, _PIXEL, (aside, noise.number(-0.3, 0.3) * aside), roll=noise.number(-20.0, 20.0))
    chosen = _FILTERS[number % len(_FILTERS)]
    reflectance = render(body, pointing.camera, view.in_body(scaled(view.sun, 1.0 / norm(view.sun))), *_SHAPE)
    far = norm(view.sun) / AU
    rate = reflectance * (_ALBEDO * chosen[2] / (np.pi * far * far * chosen[3]))
    brightest = float(rate.max())
    exposure = next((time for time in reversed(_EXPOSURES) if time * brightest < 30_000.0), _EXPOSURES[0])
    light = rate * exposure
    spread = np.sqrt(light / 8.0 + 9.0) * noise.normal(light.size).reshape(_SHAPE)
    counts = np.clip(np.rint(light + spread + _BIAS), 0, 32_767).astype(np.int16)
    return Observation(number, start, exposure, chosen, view, pointing, counts)


def write(tree: Tree) -> None:
    """Write the three data sets."""
    body = comet(tree.seed)
    raw, first, second = (DataSetWriter(tree, about) for about in (RAW, CALIBRATED_1, CALIBRATED_2))
    for number in range(COUNT * tree.scale):
        taken = observation(tree.seed, number, body)
        _write_raw(raw, taken, body)
        _write_calibrated(second, taken, body)
        if number < IN_VERSION_1 * tree.scale:
            _write_calibrated(first, taken, body)
    for data_set in (raw, first, second):
        data_set.finish()


def _write_raw(data_set: DataSetWriter, taken: Observation, body: Body) -> None:
    file = f"{taken.stem(2)}.IMG"
    odd = taken.number == 7
    label = pds3.filled(
        "osiris.lbl",
        **_common(data_set, taken, body, file),
        record_bytes=2 * _SHAPE[1],
        file_records=_SHAPE[0],
        pointers=f'^IMAGE                           = "{file}"',
        source='"N/A"',
        product_type="EDR",
        level="2",
        level_description="Raw data, in counts",
        calibrated="FALSE",
        version="1",
        # one label of the family has text where the others have a number
        detector_temperature='"TOO COLD TO TELL"' if odd else f"{_kelvin(data_set, taken)[1]:.2f} <K>",
        objects=pds3.filled(
            "osiris_raw_image.lbl", minimum=int(taken.counts.min()), maximum=int(taken.counts.max())
        ).rstrip("\n"),
    )
    name = f"DATA/IMG/{taken.stem(2)}.LBL"
    data = taken.counts.astype(">i2").tobytes()
    path = _product(data_set, name, label, taken, {f"DATA/IMG/{file}": data})
    if odd:
        data_set.tree.doubt(path, "DETECTOR_TEMPERATURE is text, in all other labels of the family a number")


def _write_calibrated(data_set: DataSetWriter, taken: Observation, body: Body) -> None:
    stem = taken.stem(3)
    file = f"{stem}.FIT"
    image = taken.radiance()
    cards: dict[str, str | float] = {
        "BUNIT": "W m-2 sr-1 nm-1",
        "OBJECT": "67P",
        "DATE-OBS": pds3.time(taken.start),
        "EXPTIME": taken.exposure,
        "FILTER": taken.filter[1],
        "COMMENT": "SYNTHETIC, demonstration volume of psalab",
    }
    data = fits(image, cards)
    header_bytes = len(data) - (-(-image.nbytes // 2880) * 2880)
    label = pds3.filled(
        "osiris.lbl",
        **_common(data_set, taken, body, file),
        record_bytes=2880,
        file_records=len(data) // 2880,
        pointers=f'^HEADER                          = ("{file}", 1)\n'
        f'^IMAGE                           = ("{file}", {header_bytes // 2880 + 1})',
        source=f'"{taken.stem(2)}.IMG"',
        product_type="RDR",
        level="3",
        level_description="Radiometrically calibrated data, in radiance units",
        calibrated="TRUE",
        version=data_set.about.id[-3],
        detector_temperature=f"{_kelvin(data_set, taken)[1]:.2f} <K>",
        objects=pds3.filled(
            "osiris_calibrated_image.lbl",
            file=file,
            header_bytes=header_bytes,
            header_records=header_bytes // 2880,
            minimum=float(image.min()),
            maximum=float(image.max()),
        ).rstrip("\n"),
    )
    if data_set.about is CALIBRATED_2:
        data_set.tree.write(data_set.path(f"BROWSE/{stem}.PNG"), browse_png(image))
    _product(data_set, f"DATA/FIT/{stem}.LBL", label, taken, {f"DATA/FIT/{file}": data})


def _product(data_set: DataSetWriter, name: str, label: str, taken: Observation, files: dict[str, bytes]) -> str:
    return data_set.product(
        name,
        # real labels of this camera are filled up to records of FITS
        pds3.encoded(label, pad_to=2880),
        id=next(iter(files)).rpartition("/")[2],
        version=data_set.about.id[-3],
        times=(taken.start, taken.stop),
        files=files,
    )


def _kelvin(data_set: DataSetWriter, taken: Observation) -> tuple[float, float, float]:
    noise = Noise(data_set.tree.seed, f"OSINAC temperatures {taken.number}")
    return (288.0 + noise.number(-3.0, 3.0), 149.0 + noise.number(-0.6, 0.6), 222.0 + noise.number(-1.0, 1.0))


def _common(data_set: DataSetWriter, taken: Observation, body: Body, file: str) -> dict[str, Any]:
    """Fields of the template that do not depend on the level."""
    about, noise = data_set.about, Noise(data_set.tree.seed, f"OSINAC housekeeping {taken.number}")
    segments = 1 + taken.number % 7
    return {
        "dataset": about.id,
        "dataset_name": about.name,
        "volume": about.volume,
        "file": file,
        "image_id": 1_115_000 + taken.number,
        "quality": "10" if noise.number(0.0, 1.0) < 0.1 else "00",
        "start": pds3.time(taken.start),
        "stop": pds3.time(taken.stop),
        "clock_start": pds3.clock(taken.start),
        "clock_stop": pds3.clock(taken.stop),
        "pointing": taken.pointing,
        "filter": taken.filter,
        "exposure": taken.exposure,
        "stp": 14 + taken.number // 42,
        "activity": taken.number,
        "segment_x": pds3.sequence(str(64 // segments * n) for n in range(segments)),
        "segment_w": pds3.sequence([str(64 // segments)] * segments),
        "encoding": pds3.sequence(["SPIHT_LIFT"] * segments),
        "compression": noise.number(1.0, 12.0),
        "kernels": pds3.sequence(
            pds3.quoted(
                [
                    rf"ck\RATT_DV_{145 + taken.number // 20}_01.BC",
                    r"fk\ROS_V33.TF",
                    r"lsk\NAIF0011.TLS",
                    r"spk\DE405.BSP",
                ]
            )
        ),
        "volts": (28.4 + noise.number(-0.1, 0.1), 5.2, -15.0 + noise.number(-0.1, 0.1)),
        "current": 1630.0 + noise.number(-40.0, 40.0),
        "kelvin": _kelvin(data_set, taken),
        "dose": 516.5 + 0.05 * taken.number,
        "protons": noise.integer(0, 3),
        **_geometry(taken, body),
    }


def _geometry(taken: Observation, body: Body) -> dict[str, Any]:
    """Fields of the template that follow from where things stand."""
    view, pointing = taken.view, taken.pointing
    position = pointing.camera.position
    below = surface_point(body, position, scaled(position, -1.0 / norm(position)))
    found = pointing.intercept is not None
    sun = view.in_body(view.sun)
    return {
        "sun": pds3.vector(
            (view.sun[0] - view.spacecraft[0], view.sun[1] - view.spacecraft[1], view.sun[2] - view.spacecraft[2]), "km"
        ),
        "solar_distance": norm(view.sun),
        "origin": pds3.vector(scaled(view.sun, -1.0), "km"),
        "right_ascension": longitude(pointing.boresight),
        "declination": latitude(pointing.boresight),
        "target": pds3.vector(scaled(view.spacecraft, -1.0), "km"),
        "velocity": pds3.vector(scaled(view.velocity, -1.0), "m/s", 5),
        "distance": norm(position),
        "altitude": norm(position) - norm(below or (0.0, 0.0, 0.0)),
        "sub_spacecraft": (latitude(position), longitude(position)),
        "sub_solar": (latitude(sun), longitude(sun)),
        "poi": '"BORESIGHT"' if found else '"N/A"',
        "poi_pixel": "(32, 32)" if found else '"N/A"',
        "poi_frame": '"67P/C-G_CK"' if found else '"N/A"',
        "poi_distance": f"{pointing.distance:.3f} <km>" if found else '"N/A"',
        "poi_point": pds3.vector(pointing.intercept, "km") if pointing.intercept else '"N/A"',
    }
