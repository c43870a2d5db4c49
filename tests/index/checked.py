"""Volumes with a fault, and what a check says of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from psalab.index.ask_connection import Connection
from psalab.index.check import Check, Options
from tests.index.volumes import index_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from psalab.index.check_codes import Finding


def run(index: Path, today: date | None = None, **options: Any) -> tuple[list[Finding], Check]:
    """Check an index; give the findings, and the check itself for its counts."""
    with closing(Connection(index)) as connection:
        check = Check(connection, Options(**options), today=today)
        return list(check), check


def check(
    tmp_path: Path, files: Mapping[str, str | bytes], *, structure: bool = False, **options: Any
) -> list[Finding]:
    """Check a volume that holds these files."""
    return run(index_of(tmp_path, files, structure=structure), **options)[0]


def brief(findings: Iterable[Finding]) -> list[tuple[str, str, str | None]]:
    """Code, severity and path of findings."""
    return [(finding.code, finding.severity, finding.path) for finding in findings]


def camera(*statements: str, id: str, dataset: str = "SC-X-CAM-2-TEST-V1.0") -> str:
    """A detached PDS3 label of one camera."""
    head = ("PDS_VERSION_ID = PDS3", f'DATA_SET_ID = "{dataset}"', f'PRODUCT_ID = "{id}"')
    instrument = ("INSTRUMENT_HOST_ID = SC", "INSTRUMENT_ID = CAM", "PRODUCT_TYPE = EDR")
    return "\r\n".join([*head, *instrument, *statements, "END", ""])


def series(count: int, *statements: str, **changed: str | None) -> dict[str, str]:
    """Labels P000.LBL, P001.LBL, …; `#` in a statement is the number. One of them may have other statements in place."""
    files = {}
    for number in range(count):
        own = changed.get(f"P{number:03}", "; ".join(statements)) or ""
        lines = [line.replace("#", str(number)) for line in own.split("; ") if line]
        files[f"P{number:03}.LBL"] = camera(*lines, id=f"P{number:03}")
    return files
