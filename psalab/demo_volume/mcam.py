"""A monitoring camera like MCAM of BepiColombo, during a swing-by of Mercury: labels ``.lblx``.

They have display, imaging and geometry classes. Some products stand there in versions 1.9 and 1.10; one label uses a
prefix for the namespace of PDS, some values are nil, and the exposure is given in ms for raw images and in s for
calibrated ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3, pds4
from psalab.demo_volume.arithmetic import Noise, add, norm, scaled
from psalab.demo_volume.image_files import BLOCK, browse_png, fits
from psalab.demo_volume.orbits import Pointing, View, flyby_view, point
from psalab.demo_volume.scene import Body, render

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["BUNDLE", "Picture", "planet", "take", "write"]

#: Raw images at scale 1, and how many are calibrated.
COUNT: Final = 100
CALIBRATED: Final = 24

_EPOCH: Final = datetime(2021, 10, 1, 23, 34, 41)
_SHAPE: Final = (48, 64)
_PIXEL: Final = 0.02
_BIAS: Final = 30
_PER_COUNT: Final = 3.2e-3  # radiance
_WITH_TWO_VERSIONS: Final = (20, 40, 60)
_PREFIXED: Final = 5
_WITHOUT_STOP: Final = 9
_BROWSE_EVERY: Final = 8

BUNDLE: Final = pds4.Bundle(
    id="bc_mtm_mcam",
    suffix="lblx",
    mission="BepiColombo",
    mission_code="bc",
    host="Mercury Transfer Module",
    host_code="mtm",
    instrument="MCAM",
    instrument_code="mcam",
    instrument_name="Mercury Monitoring Camera",
    target="Mercury",
    target_code="mercury",
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image before it becomes files; the exposure is in ms."""

    number: int
    start: datetime
    camera: int
    exposure: int
    view: View
    pointing: Pointing
    counts: NDArray[np.int16]

    @property
    def stop(self) -> datetime:
        """When the exposure ended."""
        return self.start + timedelta(milliseconds=self.exposure)

    @property
    def name(self) -> str:
        """Name of the product, without what comes before the camera."""
        return f"sc_cam{self.camera}_image_{self.start:%Y%m%dt%H%M%S}_{self.number:02d}_s"

    def radiance(self) -> NDArray[np.float32]:
        """Return the calibrated image, W m-2 sr-1 nm-1."""
        per_count = _PER_COUNT / self.exposure
        return ((self.counts.astype(np.float64) - _BIAS) * per_count).astype(np.float32)


def planet(seed: int) -> Body:
    """Return the planet that all images show."""
    return Body.with_craters((2439.7, 2439.7, 2439.7), Noise(seed, "Mercury"))


def take(seed: int, number: int, body: Body) -> Picture:
    """Take an image, counted from 0 in the order of time."""
    noise = Noise(seed, f"MCAM {number}")
    minutes = -20.0 + 1.2 * number + noise.number(-0.3, 0.3)
    start = _EPOCH + timedelta(milliseconds=round(60_000.0 * minutes))
    view = flyby_view((start - _EPOCH) / timedelta(minutes=1))
    camera = 1 + number % 3
    pointing = point(view, body, _PIXEL, ((-0.15, 0.1, 0.25)[camera - 1], 0.05), roll=40.0 * camera)
    reflectance = render(body, pointing.camera, view.in_body(scaled(view.sun, 1.0 / norm(view.sun))), *_SHAPE)
    reflectance[36:, 4:14] = 0.6 + 0.1 * camera  # a corner of the spacecraft
    exposure = (4, 10, 20)[number % 4 % 3]
    light = reflectance * (30.0 * exposure)
    counts = np.clip(np.rint(light + 2.5 * noise.normal(light.size).reshape(_SHAPE) + _BIAS), 0, 1023).astype(np.int16)
    return Picture(number, start, camera, exposure, view, pointing, counts)


def write(tree: Tree) -> None:
    """Write the bundle."""
    bundle = pds4.BundleWriter(tree, BUNDLE)
    body = planet(tree.seed)
    for number in range(COUNT * tree.scale):
        picture = take(tree.seed, number, body)
        for vid in ("1.9", "1.10") if number in _WITH_TWO_VERSIONS else ("1.0",):
            _raw(bundle, picture, vid)
        if number < CALIBRATED * tree.scale:
            _calibrated(bundle, picture)
        if number % _BROWSE_EVERY == 0:
            _browse(bundle, picture)
    bundle.guide("mcam_users_guide", "mcam user's guide")
    bundle.product(
        "context/instrument.mtm.mcam",
        "instrument.xml",
        product_class="Product_Context",
        title="SYNTHETIC context of MCAM",
        files={},
    )
    bundle.finish()


def _raw(bundle: pds4.BundleWriter, picture: Picture, vid: str) -> None:
    stem = f"cam_raw_{picture.name}"
    file_stem = stem if vid == "1.0" else f"{stem}__v{vid.replace('.', '_')}"
    cards: dict[str, str | float] = {
        "OBJECT": "MERCURY",
        "DATE-OBS": pds4.time(picture.start),
        "VERSION": vid,
        "COMMENT": "SYNTHETIC, demonstration volume of psalab",
    }
    data = fits(picture.counts, cards)
    fields = _fields(picture, "Raw")
    if picture.number == _WITHOUT_STOP:
        fields["stop_element"] = '<stop_date_time xsi:nil="true" nilReason="unknown"/>'
    bundle.product(
        f"data_raw/{picture.start:%Y%m%d}/{stem}",
        "mcam_image.xml",
        product_class="Product_Observational",
        title="SYNTHETIC BepiColombo MCAM image, raw",
        vid=vid,
        label_name=file_stem,
        files={f"{file_stem}.fits": data},
        prefixed=picture.number == _PREFIXED,
        exposure=picture.exposure,
        exposure_unit="ms",
        header=pds4.filled("fits_header.xml", length=BLOCK) + "\n",
        data_offset=BLOCK,
        element="<data_type>SignedMSB2</data_type>",
        **fields,
    )


def _calibrated(bundle: pds4.BundleWriter, picture: Picture) -> None:
    stem = f"cam_cal_{picture.name}"
    bundle.product(
        f"data_calibrated/{picture.start:%Y%m%d}/{stem}",
        "mcam_image.xml",
        product_class="Product_Observational",
        title="SYNTHETIC BepiColombo MCAM image, calibrated",
        files={f"{stem}.dat": picture.radiance().astype("<f4").tobytes()},
        exposure=f"{picture.exposure / 1000:.3f}",
        exposure_unit="s",
        header="",
        data_offset=0,
        element="<data_type>IEEE754LSBSingle</data_type>\n        <unit>W m-2 sr-1 nm-1</unit>",
        **_fields(picture, "Calibrated"),
    )


def _browse(bundle: pds4.BundleWriter, picture: Picture) -> None:
    stem = f"cam_raw_{picture.name}"
    bundle.product(
        f"browse/{stem}_browse",
        "browse.xml",
        product_class="Product_Browse",
        title="SYNTHETIC BepiColombo MCAM browse image",
        files={f"{stem}_browse.png": browse_png(picture.counts)},
        shows=bundle.lid("data_raw", stem),
    )


def _fields(picture: Picture, level: str) -> dict[str, Any]:
    """Fields of the template that raw and calibrated images share."""
    view = picture.view
    return {
        "level": level,
        "start": pds4.time(picture.start),
        "stop_element": f"<stop_date_time>{pds4.time(picture.stop)}Z</stop_date_time>",
        "clock_start": pds3.clock(picture.start).replace(".", ":"),
        "clock_stop": pds3.clock(picture.stop).replace(".", ":"),
        "camera": picture.camera,
        "kernel": picture.number // 25,
        "quality": 1 if picture.number % 11 else 2,
        "gain": 2.01 + 0.1 * picture.camera,
        "offset_element": '<img:analog_offset xsi:nil="true" nilReason="missing"/>'
        if picture.camera == 2
        else f"<img:analog_offset>{picture.camera}</img:analog_offset>",
        "solar_distance": norm(add(view.spacecraft, scaled(view.sun, -1.0))),
        "distance": norm(view.spacecraft),
        "phase": picture.pointing.phase,
        "position": add(view.spacecraft, scaled(view.sun, -1.0)),
        "lines": _SHAPE[0],
        "samples": _SHAPE[1],
    }
