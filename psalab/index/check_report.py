"""Reports of a check for machines: lines of JSON, and CSV for a spreadsheet."""

from __future__ import annotations

import csv
import json
import os
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

from psalab.index.check_codes import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from psalab.index.check import Check

__all__ = ["as_table", "csv_report", "harmless", "json_lines", "whole_file"]

#: With these a cell begins that a spreadsheet would compute.
_COMPUTED: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """Write control characters, and those that turn the direction of writing, as their codes: labels are foreign text."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """Open a file for writing that is there whole or not at all."""
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            yield stream
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def csv_report(path: Path) -> Iterator[Callable[[Finding], None]]:
    """Write findings as CSV; give what takes them."""
    with whole_file(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(Finding._fields)
        yield lambda finding: writer.writerow(_cell(value) for value in finding)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    text = harmless(str(value))
    return f"'{text}" if text.startswith(_COMPUTED) else text


def json_lines(check: Check, findings: Iterable[Finding]) -> Iterator[str]:
    """Write a check as one JSON object, a finding to a line; what is known at its end alone comes last."""
    heading = _json(check.heading())
    yield "{"
    yield from (f"  {json.dumps(name)}: {text}," for name, text in heading.items())
    yield '  "findings": ['
    before = None
    for finding in findings:
        if before is not None:
            yield before + ","
        before = f"    {json.dumps(finding._asdict(), ensure_ascii=False)}"
    if before is not None:
        yield before
    yield "  ],"
    *rest, last = (f"  {json.dumps(name)}: {text}" for name, text in _json(check.closing()).items())
    yield from (f"{line}," for line in rest)
    yield last
    yield "}"


def as_table(findings: Iterable[Finding]) -> pa.Table:
    """Make an Arrow table of findings."""
    import pyarrow as pa

    kinds = {"line": pa.int64(), "new": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in Finding._fields])
    batches = []
    rows = iter(findings)
    while some := list(islice(rows, 10_000)):
        columns = zip(schema, zip(*some, strict=True), strict=True)
        batches.append(
            pa.RecordBatch.from_arrays([pa.array(values, item.type) for item, values in columns], schema=schema)
        )
    return pa.Table.from_batches(batches, schema)


def _json(values: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value, ensure_ascii=False, default=_plain) for name, value in values.items()}


def _plain(value: Any) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
