"""Check an index for what is wrong with its volumes: labels, files, ids, versions, values.

Whatever the index can tell is asked in SQL; labels are read where it cannot, and to tell the line of a finding. Findings
come out one by one, so that an archive with a million of them needs no more memory than one with ten.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.index import check_missing, check_orphans, check_products, check_sizes, check_values
from psalab.index.check_codes import CODES, SEVERITIES, Finding
from psalab.index.check_labels import Lines
from psalab.index.check_sources import Ground
from psalab.index.check_waivers import Former, Waivers
from psalab.index.sql import glob_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from psalab.index.ask_connection import Connection

__all__ = ["Check", "Count", "Options"]

_CHECKS: Final[tuple[tuple[str, Callable[[Ground], Iterator[Finding]]], ...]] = (
    ("looking at rejected labels", check_products.unreadable),
    ("looking for data files", check_missing.missing_data),
    ("comparing sizes", check_sizes.sizes),
    ("comparing sums", check_sizes.checksums),
    ("looking for ids that are there twice", check_products.repeated),
    ("looking for versions", check_products.version_gaps),
    ("comparing ids and file names", check_products.file_names),
    ("comparing units", check_values.units),
    ("comparing values", check_values.outliers),
    ("comparing kinds of values", check_values.odd_kinds),
    ("comparing keywords", check_values.lacking),
    ("looking for files that no label names", check_orphans.orphans),
)


class Options(NamedTuple):
    """What is asked of a check.

    Attributes
    ----------
    sizes : bool
        Compare the sizes that labels declare with those of the files.
    hash : bool
        Read files and compare their MD5 sums with those that PDS4 labels declare.
    dataset : str or None
        Findings of these data sets alone; with ``*`` and ``?``, in any case.
    waivers : path or None
        File of waivers.
    since : path or None
        A former report (JSON): findings that it does not have are new.
    """

    sizes: bool = False
    hash: bool = False
    dataset: str | None = None
    waivers: str | PathLike[str] | None = None
    since: str | PathLike[str] | None = None


class Count(NamedTuple):
    """How many findings of a code and severity there are: those that count, and how many of them are new; and the waived."""

    code: str
    severity: str
    findings: int
    new: int | None
    waived: int


class Check:
    """One run of all checks: iterate over it once, then ask for its counts.

    Parameters
    ----------
    connection : Connection
    options : Options
    tell : callable, optional
        Told what is being done: step, done, total (0: not known).
    today : date, optional
        The day that waivers are compared with.

    Raises
    ------
    ConfigError
        The waivers or the former report cannot be used.
    """

    def __init__(
        self,
        connection: Connection,
        options: Options = Options(),  # noqa: B008  immutable
        tell: Callable[[str, int, int], None] = lambda *_: None,
        today: date | None = None,
    ) -> None:
        self.options, self.started = options, datetime.now(UTC).replace(tzinfo=None)
        self._ground = Ground(connection, tell, read_all=options.sizes or options.hash)
        self._dataset = None if options.dataset is None else re.compile(glob_expression(options.dataset), re.IGNORECASE)
        self._waivers = None if options.waivers is None else Waivers(options.waivers, today or self.started.date())
        self._former = None if options.since is None else Former(options.since)
        self._counted: Counter[tuple[str, str]] = Counter()
        self._new: Counter[tuple[str, str]] = Counter()
        self._waived: Counter[tuple[str, str]] = Counter()

    def __iter__(self) -> Iterator[Finding]:
        lines = Lines(self._ground)
        for step, check in _CHECKS:
            if (check is check_sizes.sizes and not self.options.sizes) or (
                check is check_sizes.checksums and not self.options.hash
            ):
                continue
            self._ground.tell(step, 0, 0)
            for finding in check(self._ground):
                if self._dataset is None or (finding.dataset and self._dataset.fullmatch(finding.dataset)):
                    yield self._judged(lines.located(finding))

    def _judged(self, finding: Finding) -> Finding:
        """Give a finding with whether it is new and waived, and count it."""
        new = None if self._former is None else not self._former.had(finding)
        waived = None if self._waivers is None else self._waivers.reason(finding)
        kind = (finding.code, finding.severity)
        if waived is not None:
            self._waived[kind] += 1
        else:
            self._counted[kind] += 1
            self._new[kind] += bool(new)
        return finding._replace(new=new, waived=waived)

    @property
    def counts(self) -> list[Count]:
        """Findings so far by code and severity, the worst first."""
        kinds = {*self._counted, *self._waived}
        codes = list(CODES)
        return [
            Count(*kind, self._counted[kind], None if self._former is None else self._new[kind], self._waived[kind])
            for kind in sorted(kinds, key=lambda kind: (SEVERITIES.index(kind[1]), codes.index(kind[0])))
        ]

    def total(self, *severities: str, new: bool = False) -> int:
        """Count the findings of some severities that no waiver covers; all of them, or the new ones alone."""
        counted = self._new if new else self._counted
        return sum(times for (_, severity), times in counted.items() if severity in severities)

    @property
    def not_checked(self) -> list[str]:
        """What was not checked so far, and why, in words."""
        return list(self._ground.limits)

    @property
    def about_waivers(self) -> list[str]:
        """What to know of the waivers, in words: those that have expired, and those that cover nothing."""
        if self._waivers is None:
            return []
        words = [(waiver, f"expired on {waiver.until}") for waiver in self._waivers.expired]
        words += [(waiver, "covers nothing") for waiver in self._waivers.unused]
        return [
            f"{self._waivers.file}, line {waiver.line}: the waiver of {waiver.code} for {waiver.path} {what}"
            for waiver, what in words
        ]

    def heading(self) -> dict[str, Any]:
        """Give what a report begins with: the index, when it was built, when it was checked, by which version."""
        from importlib.metadata import version

        ((built,),) = self._ground.connection.rows("select max(ended) from runs").rows
        return {
            "index": str(self._ground.connection.path),
            "built": built,
            "checked": self.started,
            "psalab": version("psalab"),
            "volumes": {root: str(path) for root, path in self._ground.folders.items()},
            "since": None if self._former is None else self._former.file,
        }

    def closing(self) -> dict[str, Any]:
        """Give what a report ends with: counts, what was not checked, and what to know of waivers."""
        return {
            "counts": [count._asdict() for count in self.counts],
            "not_checked": self.not_checked,
            "waivers": self.about_waivers,
        }

    def labels_of(self) -> dict[str | None, int]:
        """Labels of each data set."""
        return dict(self._ground.connection.rows("select dataset, count(*) from products group by all").rows)
