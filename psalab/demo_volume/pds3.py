"""PDS3 labels: values as ODL writes them, templates, and the records of attached labels.

Source: PDS Standards Reference 3.8, chapters 5 (labels) and 12 (ODL).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psalab.demo_volume.arithmetic import Vector

__all__ = ["attached", "clock", "encoded", "filled", "quoted", "sequence", "time", "vector"]

#: Counts of the spacecraft clocks of Rosetta and Mars Express begin here.
_CLOCK_EPOCH: Final = datetime(2003, 1, 1)
#: Where lines of sequences end, and where the values of the templates begin.
_WIDTH: Final = 76
_VALUE_COLUMN: Final = 35


def time(moment: datetime) -> str:
    """Write a time with milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def clock(moment: datetime) -> str:
    """Write a spacecraft clock: seconds, a point, and parts of 65536."""
    count = moment - _CLOCK_EPOCH
    seconds = count // timedelta(seconds=1)
    return f"1/{seconds:010d}.{count.microseconds * 65536 // 1_000_000:05d}"


def quoted(items: Iterable[str]) -> list[str]:
    """Put quotes around each text."""
    return [f'"{item}"' for item in items]


def vector(values: Vector, unit: str, digits: int = 3) -> str:
    """Write a sequence with the unit behind each element."""
    return "(" + ", ".join(f"{value:.{digits}f} <{unit}>" for value in values) + ")"


def sequence(items: Iterable[str]) -> str:
    """Write a sequence over as many lines as it needs, in brackets even if it has one element."""
    lines, line, room = [], "(", _WIDTH - _VALUE_COLUMN
    for item in items:
        if len(line) + len(item) > room:
            lines.append(line)
            line, room = "    ", _WIDTH
        line += f"{item}, "
    return "\n".join([*lines, line.removesuffix(", ")]) + ")"


def filled(name: str, /, **values: Any) -> str:
    """Fill a template of a label."""
    return template(name).format(**values)


def encoded(label: str, encoding: str = "ascii", pad_to: int | None = None) -> bytes:
    """Write a label with the line ends of the archive, filled up with blanks to whole records where asked for."""
    data = label.replace("\n", "\r\n").encode(encoding)
    return data + b" " * (-len(data) % pad_to) if pad_to else data


def attached(name: str, record_bytes: int, data: bytes, /, **values: Any) -> bytes:
    """Fill a template and put it before its data.

    The template gets ``label_records``, ``file_records`` and ``data_record`` (of the first record behind the label).
    """
    data_records = -(-len(data) // record_bytes)
    label_records = 1
    while True:  # the number of records stands in the label, whose length it may change
        label = encoded(
            filled(
                name,
                record_bytes=record_bytes,
                label_records=label_records,
                data_record=label_records + 1,
                file_records=label_records + data_records,
                **values,
            ),
            pad_to=record_bytes,
        )
        needed = len(label) // record_bytes
        if needed <= label_records:
            return label.ljust(label_records * record_bytes) + data
        label_records = needed
