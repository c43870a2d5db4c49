"""What the columns of the index are: kinds counted over all chunks, then settled once.

A column is of the kind that at least 99 % of its values have. Nothing is widened in place, so the result does not depend
on the order of the labels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from psalab.index.describe_views import free_name
from psalab.index.elements import HUGE, KINDS
from psalab.index.observe import EXAMPLES
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TEXT, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psalab.index.observe import Observations

__all__ = ["WIDEST", "WIDE_FROM", "Column", "Family", "Observed", "merge", "settle", "take_in"]

#: A family of this many labels has a table of its own.
WIDE_FROM: Final = 100
#: More paths than this of a family go to the long table, the rarest first.
WIDEST: Final = 10_000
_ENOUGH: Final = 0.99

_TYPES: Final = {INT: "int", FLOAT: "float", TIME: "time", BOOLEAN: "boolean", TEXT: "text"}


@dataclass
class Observed:
    """What was seen of a path in a family.

    Attributes
    ----------
    kinds : ndarray of int, shape (KINDS,)
        Elements by kind.
    labels : int
        Labels that have the keyword, with a value or without.
    missing : Counter
        Labels without a value, by reason.
    units : Counter
        Elements by unit, in normal spelling; None for none.
    listed : bool
        Whether a value is a list, or a path repeated.
    least, most : float
        Over numbers and times (microseconds); NaN where there are none.
    examples : list of str
    """

    kinds: np.ndarray = field(default_factory=lambda: np.zeros(KINDS, np.int64))
    labels: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    units: Counter[str | None] = field(default_factory=Counter)
    listed: bool = False
    least: float = np.nan
    most: float = np.nan
    examples: list[str] = field(default_factory=list)

    def add(self, kinds: np.ndarray, labels: int, listed: bool, least: float, most: float) -> None:  # noqa: FBT001
        """Add what else was seen, but for what is counted by text."""
        self.kinds += kinds
        self.labels += labels
        self.listed |= listed
        if not (np.isnan(least) or self.least <= least):
            self.least = least
        if not (np.isnan(most) or self.most >= most):
            self.most = most

    def merge(self, other: Observed) -> None:
        """Take in what was seen elsewhere."""
        self.add(other.kinds, other.labels, other.listed, other.least, other.most)
        self.missing += other.missing
        self.units += other.units
        self.examples = list(dict.fromkeys(self.examples + other.examples))[:EXAMPLES]


@dataclass(frozen=True)
class Column:
    """A settled column.

    Attributes
    ----------
    path, name : str
        Full path; short name, unique in the family.
    column : str or None
        Name in the wide table (the path, with a suffix where two differ in case only); None in the long table.
    type : {'int', 'float', 'time', 'text', 'boolean'}
    listed : bool
    unit : str or None
        The commonest.
    units : tuple of str
        All, where they disagree; else empty.
    unit_column : str or None
        Column that holds each row's unit, where they disagree.
    """

    path: str
    name: str
    column: str | None
    type: str
    listed: bool
    unit: str | None
    units: tuple[str, ...]
    unit_column: str | None


@dataclass
class Family:
    """Labels that are compared with each other.

    Attributes
    ----------
    name : str
    standard, host, instrument : str or None
    products : int
    wide : bool
    columns : dict of str to Column
        By path, in the order of the table.
    seen : dict of str to Observed
    odd : Counter
        Values that did not fit, by path.
    """

    name: str
    standard: str
    host: str | None
    instrument: str | None
    products: int = 0
    wide: bool = False
    columns: dict[str, Column] = field(default_factory=dict)
    seen: dict[str, Observed] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)


def take_in(families: dict[str, Family], seen: Observations, names: Sequence[str], paths: Sequence[str]) -> None:
    """Add what a chunk holds, whose families and paths have these names, to the families."""
    groups = [
        families[names[family]].seen.setdefault(paths[path], Observed())
        for family, path in zip(seen.family.tolist(), seen.path.tolist(), strict=True)
    ]
    numbers = (seen.labels, seen.listed, seen.least, seen.most)
    for group, kinds, *more in zip(groups, seen.kinds, *(column.tolist() for column in numbers), strict=True):
        group.add(kinds, *more)
    for counts, name in ((seen.missing, "missing"), (seen.units, "units")):
        for at, text, count in zip(counts.group.tolist(), counts.text, counts.count.tolist(), strict=True):
            getattr(groups[at], name)[text] += count
    for group, examples in zip(groups, seen.examples, strict=True):
        if len(group.examples) < EXAMPLES:
            group.examples = list(dict.fromkeys(group.examples + examples))[:EXAMPLES]


def merge(families: dict[str, Family], others: dict[str, Family]) -> None:
    """Take in the families of another root."""
    for name, other in others.items():
        family = families.setdefault(name, Family(name, other.standard, other.host, other.instrument))
        family.products += other.products
        for path, observed in other.seen.items():
            family.seen.setdefault(path, Observed()).merge(observed)


def settle(family: Family, former: Family | None = None) -> None:
    """Decide the form and the columns of a family from all that was seen of it.

    Parameters
    ----------
    family : Family
    former : Family, optional
        The family in an index whose rows of other roots stay: its form, and the names and types of its columns, are kept.
    """
    family.wide = former.wide if former else family.products >= WIDE_FROM
    paths = sorted(family.seen)
    kept = {path: former.columns[path] for path in paths if path in former.columns} if former else {}
    in_table = set(paths) if family.wide else set()
    if len(in_table) > WIDEST:
        in_table = set(sorted(paths, key=lambda path: (path not in kept, -family.seen[path].labels, path))[:WIDEST])
    names = _short_names(paths, {path: column.name for path, column in kept.items()})
    taken = {
        "product_key",
        *(name.lower() for item in kept.values() for name in (item.column, item.unit_column) if name),
    }
    for path in paths:
        seen, old = family.seen[path], kept.get(path)
        column = old.column if old else free_name(path, taken) if path in in_table else None
        counted = [unit for unit, _ in sorted(seen.units.items(), key=lambda item: (-item[1], item[0] or ""))]
        units = tuple(unit or "" for unit in counted) if len(counted) > 1 else ()
        unit_column = old.unit_column if old else None
        if units and column and not unit_column:
            unit_column = free_name(f"{path} [unit]", taken)
        unit = next((unit for unit in counted if unit), None)
        kind, listed = (old.type, old.listed or seen.listed) if old else (kind_of(seen), seen.listed)
        family.columns[path] = Column(path, names[path], column, kind, listed, unit, units, unit_column)


def _short_names(paths: list[str], kept: dict[str, str]) -> dict[str, str]:
    """Give the last steps of each path, as many as make it unique in any case; names that are kept stay."""
    names: dict[str, str] = {}
    left, steps = list(paths), 1
    while left:
        tails = {path: "/".join(path.split("/")[-steps:]) for path in left}
        counts = Counter(tail.lower() for tail in tails.values())
        names |= {path: tail for path, tail in tails.items() if counts[tail.lower()] == 1 or tail == path}
        left = [path for path in left if path not in names]
        steps += 1
    taken = {name.lower() for name in kept.values()}
    return kept | {path: free_name(name, taken) for path, name in names.items() if path not in kept}


def kind_of(seen: Observed) -> str:
    """Settle the type of a column from the kinds of its values."""
    kinds = seen.kinds
    present = int(kinds.sum() - kinds[MISSING])
    if not present:
        return "float" if seen.missing["fill"] else "text"  # fills are numbers
    integers = int(kinds[INT] + kinds[HUGE])
    numbers = FLOAT if kinds[FLOAT] else INT
    shares = {numbers: integers + int(kinds[FLOAT]), TIME: int(kinds[TIME]), BOOLEAN: int(kinds[BOOLEAN])}
    best = max(shares, key=lambda kind: shares[kind])
    return _TYPES[best] if shares[best] >= _ENOUGH * present else "text"
