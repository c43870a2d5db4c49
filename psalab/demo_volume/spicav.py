"""A spectrometer like SPICAV of Venus Express: binary tables with bit columns, in a tree of lower-case names.

Times are days of the year, two keywords are sets; the labels name their data files in upper case, as real ones do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise, sin
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["DATA_SET", "ROW", "table", "write"]

PRODUCTS: Final = 12
ROWS: Final = 24
CHANNELS: Final = 64
MISSING_TEMPERATURE: Final = -32_768
#: A row as the label describes it; STATUS holds the three bit columns.
ROW: Final = np.dtype(
    [
        ("COUNTER", ">u4"),
        ("STATUS", ">u2"),
        ("DETECTOR_TEMPERATURE", ">i2"),
        ("ALTITUDE", ">f4"),
        ("PHASE_ANGLE", ">f8"),
        ("SPECTRUM", ">i2", (CHANNELS,)),
    ]
)

_EPOCH: Final = datetime(2008, 2, 25, 3, 10)
_ORBIT: Final = timedelta(hours=24)
#: Channel, depth and width of the bands of carbon dioxide.
_BANDS: Final = ((18.0, 0.45, 3.0), (34.0, 0.6, 4.0), (50.0, 0.3, 2.5))

DATA_SET: Final = DataSet(
    id="VEX-V-SPICAV-2-DEMO-V1.0",
    name="SYNTHETIC VENUS EXPRESS SPICAV 2 DEMO V1.0",
    volume="DEMO_4001",
    host="VEX",
    host_name="VENUS EXPRESS",
    instrument="SPICAV",
    instrument_name="SPECTROMETER SPICAV",
    mission="VENUS EXPRESS",
    target="VENUS",
    lower=True,
)


def table(seed: int, number: int) -> NDArray[Any]:
    """Rows of a product: the spacecraft climbs from the periapsis, the spectra fade."""
    noise = Noise(seed, f"SPICAV {number}")
    rows = np.zeros(ROWS, dtype=ROW)
    steps = np.arange(ROWS)
    channel = np.arange(CHANNELS, dtype=np.float64)
    shape = 1.0 - 0.006 * channel
    for centre, depth, width in _BANDS:
        away = (channel - centre) / width
        shape = shape * (1.0 - depth / (1.0 + away * away))
    phase = 40.0 + 2.0 * number + 0.5 * steps
    rows["COUNTER"] = 1000 * number + steps
    rows["STATUS"] = (6 << 12) | ((steps % 8 != 0).astype(np.int64) << 11) | (40 * steps)
    rows["DETECTOR_TEMPERATURE"] = np.rint(300.0 * noise.normal(ROWS))
    rows["DETECTOR_TEMPERATURE"][number % ROWS] = MISSING_TEMPERATURE
    rows["ALTITUDE"] = 250.0 + 3.5 * steps * steps
    rows["PHASE_ANGLE"] = phase
    bright = (9000.0 - 55.0 * phase)[:, np.newaxis] * shape[np.newaxis, :]
    open_shutter = (steps % 8 != 0)[:, np.newaxis]
    spread = 25.0 * noise.normal(ROWS * CHANNELS).reshape(ROWS, CHANNELS)
    rows["SPECTRUM"] = np.rint(np.where(open_shutter, bright, 0.0) + spread + 120.0)
    return rows


def write(tree: Tree) -> None:
    """Write the data set."""
    data_set = DataSetWriter(tree, DATA_SET)
    for number in range(PRODUCTS):
        rows = table(tree.seed, number)
        start = _EPOCH + number * _ORBIT + timedelta(seconds=round(600.0 * sin(31.0 * number)))
        stop = start + timedelta(seconds=4 * ROWS)
        stem = f"SV{number + 1:04d}"
        label = pds3.filled(
            "spicav.lbl",
            row_bytes=ROW.itemsize,
            rows=ROWS,
            channels=CHANNELS,
            spectrum_bytes=2 * CHANNELS,
            file=f"{stem}.DAT",
            dataset=DATA_SET.id,
            dataset_name=DATA_SET.name,
            id=stem,
            start_day_of_year=f"{start:%Y-%jT%H:%M:%S}.000",
            stop_day_of_year=f"{stop:%Y-%jT%H:%M:%S}.000",
            orbit=675 + number,
            clock_start=pds3.clock(start),
            clock_stop=pds3.clock(stop),
            exposure=22.4 if number % 2 else 89.6,
        )
        data_set.product(
            f"DATA/{stem}.LBL",
            pds3.encoded(label),
            id=stem,
            version="1.0",
            times=(start, stop),
            files={f"DATA/{stem}.DAT": rows.tobytes()},
        )
    data_set.finish()
