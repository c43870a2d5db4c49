"""A magnetometer: ASCII tables with attached labels; some have a detached twin, the same rows in binary form.

The name of the data set has a slash in it, its folder a hyphen. One table has a detached label that names the attached
file itself: that is one product, not two.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter
from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["COLUMNS", "DATA_SET", "MISSING", "rows", "write"]

DAYS: Final = 8
ROWS: Final = 144  # one every ten minutes
MISSING: Final = 99_999.999
#: Name and unit of the numbers of a row, behind the time.
COLUMNS: Final = (("BX", "nT"), ("BY", "nT"), ("BZ", "nT"), ("B", "nT"), ("X", "km"), ("Y", "km"), ("Z", "km"))

_EPOCH: Final = datetime(2008, 3, 1)
_ASCII_WIDTH: Final = 12
_TIME_WIDTH: Final = 23
_TWINS: Final = (0, 1, 2)
_DETACHED_FROM_ATTACHED: Final = 3
_ROW_BYTES: Final = _TIME_WIDTH + len(COLUMNS) * (_ASCII_WIDTH + 1) + 2

DATA_SET: Final = DataSet(
    id="VEX-V/Y-MAG-3-DEMO-V1.0",
    name="SYNTHETIC VENUS EXPRESS MAG 3 DEMO V1.0",
    volume="DEMO_5001",
    host="VEX",
    host_name="VENUS EXPRESS",
    instrument="MAG",
    instrument_name="MAGNETOMETER",
    mission="VENUS EXPRESS",
    target="VENUS",
)


def rows(seed: int, day: int) -> NDArray[np.float64]:
    """Field and position of a day, as the ASCII table has them: three decimals; some fields are missing."""
    noise = Noise(seed, f"MAG {day}")
    along = (np.arange(ROWS) - 40.0) / 40.0
    x, y, z = -9000.0 * along, 7000.0 + 4000.0 * along, 21_000.0 - 17_000.0 / (1.0 + along * along)
    far = np.sqrt(x * x + y * y + z * z)
    shock = 1.0 / (1.0 + (far / 12_000.0) * (far / 12_000.0) * (far / 12_000.0) * (far / 12_000.0))
    field = [
        level + strength * shock + 0.8 * noise.normal(ROWS)
        for level, strength in ((-4.0, 9.0), (5.5, -18.0), (0.5 * (day % 3), 11.0))
    ]
    total = np.sqrt(field[0] * field[0] + field[1] * field[1] + field[2] * field[2])
    table = np.rint(1000.0 * np.stack([*field, total, x, y, z], axis=1)) / 1000.0
    table[20 + day : 23 + day, :4] = MISSING
    return table


def write(tree: Tree) -> None:
    """Write the data set."""
    data_set = DataSetWriter(tree, DATA_SET)
    for day in range(DAYS):
        _write_day(data_set, day)
    data_set.finish()


def _write_day(data_set: DataSetWriter, day: int) -> None:
    start = _EPOCH + timedelta(days=day)
    times = [start + timedelta(minutes=10 * step) for step in range(ROWS)]
    values = rows(data_set.tree.seed, day)
    stem = f"MAG_{start:%Y%m%d}_S001"
    table = _ascii(times, values)
    body = _body(day, times, id=f"{stem}.TAB", interchange="ASCII", row_bytes=_ROW_BYTES, columns=_ascii_columns())
    attached = pds3.attached("magnetometer_attached.lbl", _ROW_BYTES, table, body=body)
    write = partial(data_set.product, version="1.0", times=(times[0], times[-1]))
    if day == _DETACHED_FROM_ATTACHED:
        first = (len(attached) - len(table)) // _ROW_BYTES + 1
        label = _detached(f'("{stem}.TAB", {first})', _ROW_BYTES, len(attached) // _ROW_BYTES, body)
        write(f"DATA/{stem}.LBL", label, id=f"{stem}.TAB", files={f"DATA/{stem}.TAB": attached})
        return
    write(f"DATA/{stem}.TAB", attached, id=f"{stem}.TAB", is_attached=True)
    if day in _TWINS:
        data = _binary(times, values)
        row_bytes = len(data) // ROWS
        columns = _binary_columns()
        body = _body(day, times, id=f"{stem}.DAT", interchange="BINARY", row_bytes=row_bytes, columns=columns)
        label = _detached(f'"{stem}.DAT"', row_bytes, ROWS, body)
        files = {f"DATA/{stem}.DAT": data}
        write(f"DATA/{stem}.LBL", label, id=f"{stem}.DAT", files=files, twin=f"DATA/{stem}.TAB")


def _body(day: int, times: Sequence[datetime], **fields: Any) -> str:
    """Fill what the attached and the detached form of a label have in common."""
    return pds3.filled(
        "magnetometer.lbl",
        start=pds3.time(times[0]),
        stop=pds3.time(times[-1]),
        clock_start=pds3.clock(times[0]),
        clock_stop=pds3.clock(times[-1]),
        orbit=680 + day,
        rows=ROWS,
        columns_count=1 + len(COLUMNS),
        **fields,
    )


def _detached(pointer: str, record_bytes: int, records: int, body: str) -> bytes:
    label = pds3.filled(
        "magnetometer_detached.lbl", pointer=pointer, record_bytes=record_bytes, file_records=records, body=body
    )
    return pds3.encoded(label)


def _ascii(times: Sequence[datetime], values: NDArray[np.float64]) -> bytes:
    lines = [
        pds3.time(time) + "".join(f" {value:{_ASCII_WIDTH}.3f}" for value in row) + "\n"
        for time, row in zip(times, values.tolist(), strict=True)
    ]
    return pds3.encoded("".join(lines))


def _binary(times: Sequence[datetime], values: NDArray[np.float64]) -> bytes:
    lines = [
        pds3.time(time).encode("ascii") + row.astype(">f8").tobytes() for time, row in zip(times, values, strict=True)
    ]
    return b"".join(lines)


def _ascii_columns() -> str:
    places = [(_TIME_WIDTH + 2 + (_ASCII_WIDTH + 1) * number, _ASCII_WIDTH) for number in range(len(COLUMNS))]
    return _columns("TIME", "ASCII_REAL", places)


def _binary_columns() -> str:
    return _columns("CHARACTER", "IEEE_REAL", [(_TIME_WIDTH + 1 + 8 * number, 8) for number in range(len(COLUMNS))])


def _columns(time_type: str, number_type: str, places: Sequence[tuple[int, int]]) -> str:
    """Describe the columns; `places` are start byte and width of the numbers."""
    column = template("magnetometer_column.lbl").format
    blocks = [column(number=1, name="UTC", type=time_type, start=1, bytes=_TIME_WIDTH, more="")]
    for number, ((name, unit), (start, width)) in enumerate(zip(COLUMNS, places, strict=True), 2):
        missing = f"        MISSING_CONSTANT         = {MISSING}\n" if unit == "nT" else ""
        more = f'        UNIT                     = "{unit}"\n{missing}'
        blocks.append(column(number=number, name=name, type=number_type, start=start, bytes=width, more=more))
    return "".join(blocks).rstrip("\n")
