"""What a check leaves out of its count: findings that a waiver covers; and what a former report had already.

A file of waivers is CSV, so that a spreadsheet can keep it::

    code,path,reason,until
    orphan-file,DATA/OLD/*,"kept for the team, see e-mail of 3 May",2026-12-31
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.errors import ConfigError
from psalab.index.check_codes import CODES
from psalab.index.sql import glob_expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from psalab.index.check_codes import Finding

__all__ = ["Former", "Waiver", "Waivers"]

_COLUMNS: Final = ("code", "path", "reason", "until")


class Waiver(NamedTuple):
    """A line of a waiver file.

    Attributes
    ----------
    line : int
    code : str
    path : str
        Pattern with ``*`` and ``?``; compared with the path below the volume, with volume and path, and, where a finding
        is about a whole data set, with the name of that.
    reason : str
    until : date
        The last day on which it holds.
    """

    line: int
    code: str
    path: str
    reason: str
    until: date


class Waivers:
    """The waivers of a file.

    Parameters
    ----------
    file : path
    today : date

    Raises
    ------
    ConfigError
        The file is not there, or lines of it are wrong; the message names each.
    """

    def __init__(self, file: str | PathLike[str], today: date) -> None:
        self.file = str(file)
        waivers = list(_read(self.file))
        self.expired = [waiver for waiver in waivers if waiver.until < today]
        self._used: Counter[Waiver] = Counter()
        self._holding: dict[str, list[tuple[re.Pattern[str], Waiver]]] = {}
        for waiver in waivers:
            if waiver.until >= today:
                pattern = re.compile(glob_expression(waiver.path))
                self._holding.setdefault(waiver.code, []).append((pattern, waiver))

    def reason(self, finding: Finding) -> str | None:
        """Give the reason of the first waiver that covers a finding, or None."""
        names = (finding.path, f"{finding.root}/{finding.path}") if finding.path else (finding.dataset or "",)
        for pattern, waiver in self._holding.get(finding.code, ()):
            if any(pattern.fullmatch(name) for name in names):
                self._used[waiver] += 1
                return waiver.reason
        return None

    @property
    def unused(self) -> list[Waiver]:
        """Waivers that hold, and cover nothing so far."""
        waivers = [waiver for group in self._holding.values() for _, waiver in group]
        return sorted(waiver for waiver in waivers if not self._used[waiver])


def _read(file: str) -> Iterator[Waiver]:
    mistakes = []
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            heading = None
            for row in reader:
                if not any(cell.strip() for cell in row) or row[0].startswith("#"):
                    continue
                cells = [cell.strip() for cell in row]
                if heading is None:
                    heading = tuple(cells)
                    if heading != _COLUMNS:
                        mistakes.append(
                            f"line {reader.line_num}: expected the heading {','.join(_COLUMNS)}, found {','.join(cells)}"
                        )
                        break
                    continue
                found = _waiver(reader.line_num, cells)
                if isinstance(found, str):
                    mistakes.append(f"line {reader.line_num}: {found}")
                else:
                    yield found
    except OSError as error:
        raise ConfigError(f"{file}: the waivers cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}, line {reader.line_num + 1}: no CSV in UTF-8: {error}") from error
    if mistakes:
        raise ConfigError(f"{file}: " + "; ".join(mistakes))


def _waiver(line: int, cells: Sequence[str]) -> Waiver | str:
    """Make a waiver of a line, or say what is wrong with it."""
    if len(cells) != len(_COLUMNS):
        return f"expected {len(_COLUMNS)} fields ({', '.join(_COLUMNS)}), found {len(cells)}"
    code, path, reason, until = cells
    if code not in CODES:
        return f"no finding has the code {code!r}; there are {', '.join(CODES)}"
    if not path:
        return "the path is empty; * means any"
    if not reason:
        return "the reason is empty: say why this finding may stay"
    try:
        return Waiver(line, code, path, reason, date.fromisoformat(until))
    except ValueError:
        return f"until is {until!r}, expected a day such as 2026-12-31"


class Former:
    """The findings of an earlier report.

    Parameters
    ----------
    file : path
        What ``psalab index check --json`` printed.

    Raises
    ------
    ConfigError
        The file is not there, or is no such report.
    """

    def __init__(self, file: str | PathLike[str]) -> None:
        self.file = str(file)
        report = _json(self.file)
        findings = report.get("findings") if isinstance(report, dict) else None
        if not isinstance(findings, list) or not all(isinstance(finding, dict) for finding in findings):
            raise ConfigError(f"{file}: no report of a check: expected what `psalab index check --json` prints")
        self._known = {
            tuple(finding.get(name) for name in ("code", "dataset", "root", "path", "about")) for finding in findings
        }

    def had(self, finding: Finding) -> bool:
        """Tell whether the report has a finding."""
        return finding.identity in self._known


def _json(file: str) -> Any:
    try:
        with open(file, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{file}: there is no such report; the first check goes without --since, its --json is the next one's"
        ) from error
    except OSError as error:
        raise ConfigError(f"{file}: the former report cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: no report of a check: not JSON ({error})") from error
