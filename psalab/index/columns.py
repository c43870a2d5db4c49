"""What the columns of the index are: kinds counted over all chunks, then settled once.

A column is of the kind that at least 99 % of its values have. Nothing is widened in place, so the result does not depend
on the order of the labels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from psalab.index.elements import HUGE, KINDS
from psalab.labels.units import normalise
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TEXT, TIME

if TYPE_CHECKING:
    from psalab.index.scrape import Chunk

__all__ = [
    "WIDEST",
    "WIDE_FROM",
    "Column",
    "Family",
    "Observed",
    "expand",
    "free_name",
    "group_starts",
    "merge",
    "settle",
    "summarise",
    "texts_of",
]

#: A family of this many labels has a table of its own.
WIDE_FROM: Final = 100
#: More paths than this of a family go to the long table, the rarest first.
WIDEST: Final = 10_000
_ENOUGH: Final = 0.99
_EXAMPLES: Final = 3
_LONGEST_EXAMPLE: Final = 200
_LOOKED_AT: Final = 10

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

    def merge(self, other: Observed) -> None:
        """Take in what another chunk saw."""
        self.kinds = self.kinds + other.kinds
        self.labels += other.labels
        self.missing += other.missing
        self.units += other.units
        self.listed |= other.listed
        self.least = float(np.fmin(self.least, other.least))
        self.most = float(np.fmax(self.most, other.most))
        if len(self.examples) < _EXAMPLES:
            self.examples = list(dict.fromkeys(self.examples + other.examples))[:_EXAMPLES]


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


def summarise(chunk: Chunk, families: dict[str, Family]) -> None:
    """Count what a chunk holds into its families."""
    for common, products in zip(
        chunk.commons, np.bincount(chunk.common, minlength=len(chunk.commons)).tolist(), strict=True
    ):
        family = families.get(common.family)
        if family is None:
            standard = (
                "PDS4"
                if common.family.rpartition("/")[2].startswith("Product_") and _is_pds4(chunk, common)
                else "PDS3"
            )
            family = families[common.family] = Family(common.family, standard, common.host, common.instrument)
        family.products += products
    for (name, path), observed in _observe(chunk):
        seen = families[name].seen
        if path in seen:
            seen[path].merge(observed)
        else:
            seen[path] = observed


def _is_pds4(chunk: Chunk, common: object) -> bool:
    at = int(np.flatnonzero(chunk.common == chunk.commons.index(common))[0])  # type: ignore[arg-type]  # one of them
    return bool(chunk.standard[at] == 4)


def _observe(chunk: Chunk) -> list[tuple[tuple[str, str], Observed]]:
    if not len(chunk.row):
        return []
    starts = group_starts(chunk)
    group = np.zeros(len(chunk.row), np.int64)
    group[starts[1:]] = 1
    group = np.cumsum(group)
    sizes = np.diff(chunk.first)[chunk.value]
    elements = expand(chunk.first[chunk.value], sizes)
    element_group = np.repeat(group, sizes)
    kind = chunk.kind[elements]
    count = len(starts)
    kinds = np.bincount(element_group * KINDS + kind, minlength=count * KINDS).reshape(count, KINDS)
    units = _unit_counts(chunk, element_group, elements, count)
    changed = np.ones(len(chunk.row), bool)
    changed[1:] = (chunk.row[1:] != chunk.row[:-1]) | (group[1:] != group[:-1])
    missing = _missing_counts(chunk, element_group, np.repeat(np.cumsum(changed) - 1, sizes), elements)
    labels = np.add.reduceat(changed.astype(np.int64), starts)
    entries = np.diff([*starts, len(chunk.row)])
    listed = np.logical_or.reduceat(chunk.listed[chunk.value], starts) | (entries > labels)
    least, most = _ranges(chunk, element_group, elements, count)
    examples = _examples(chunk, starts)
    return [
        (
            (chunk.families[chunk.family[chunk.row[start]]], chunk.paths[chunk.path[start]]),
            Observed(
                kinds[at], int(labels[at]), missing.get(at, Counter()), units[at], bool(listed[at]), least[at], most[at],
                examples[at],
            ),
        )
        for at, start in enumerate(starts.tolist())
    ]  # fmt: skip


def group_starts(chunk: Chunk) -> np.ndarray:
    """Where the entries of each (family, path) begin."""
    family = chunk.family[chunk.row]
    changed = np.ones(len(chunk.row), bool)
    changed[1:] = (chunk.path[1:] != chunk.path[:-1]) | (family[1:] != family[:-1])
    return np.flatnonzero(changed)


def expand(first: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Give the elements of ranges, range by range: ``first[i], first[i] + 1, ...``, ``sizes[i]`` of them."""
    before = np.cumsum(sizes) - sizes
    total = int(before[-1] + sizes[-1]) if len(sizes) else 0
    elements: np.ndarray = np.arange(total) + np.repeat(first - before, sizes)
    return elements


def _unit_counts(chunk: Chunk, group: np.ndarray, elements: np.ndarray, count: int) -> list[Counter[str | None]]:
    spelled = [normalise(unit) for unit in chunk.units]
    texts = sorted(set(spelled))
    number = np.array([0, *(texts.index(unit) + 1 for unit in spelled)])
    present = chunk.kind[elements] != MISSING
    kinds = len(texts) + 1
    counts = np.bincount(group[present] * kinds + number[chunk.unit[elements[present]] + 1], minlength=count * kinds)
    pairs = np.flatnonzero(counts)
    result: list[Counter[str | None]] = [Counter() for _ in range(count)]
    for pair, times in zip(pairs.tolist(), counts[pairs].tolist(), strict=True):
        result[pair // kinds][texts[pair % kinds - 1] if pair % kinds else None] += times
    return result


def _missing_counts(
    chunk: Chunk, group: np.ndarray, label: np.ndarray, elements: np.ndarray
) -> dict[int, Counter[str]]:
    """Count the labels without any value, by the reason that their first element gives."""
    missing = chunk.kind[elements] == MISSING
    result: dict[int, Counter[str]] = {}
    if not missing.any():
        return result
    valued = np.zeros(int(label[-1]) + 1, bool)
    valued[label[~missing]] = True
    firsts = np.flatnonzero(np.diff(label, prepend=-1))
    firsts = firsts[~valued[label[firsts]]]
    for at, reason in zip(group[firsts].tolist(), texts_of(chunk, elements[firsts]), strict=True):
        result.setdefault(at, Counter())[reason] += 1
    return result


def texts_of(chunk: Chunk, elements: np.ndarray) -> list[str]:
    """Texts of elements; the chunk's are a list where it was just made, an Arrow array where it was read."""
    if isinstance(chunk.text, list):
        return [chunk.text[element] for element in elements.tolist()]
    texts: list[str] = chunk.text.take(elements).to_pylist()
    return texts


def _ranges(chunk: Chunk, group: np.ndarray, elements: np.ndarray, count: int) -> tuple[list[float], list[float]]:
    kind, bits = chunk.kind[elements], chunk.bits[elements]
    numbers = np.where(kind == FLOAT, bits.view(np.float64), bits.astype(np.float64))
    numbers[(kind != INT) & (kind != FLOAT) & (kind != TIME)] = np.nan
    starts = np.searchsorted(group, np.arange(count))
    empty = np.append(starts, len(group))
    has = np.diff(empty) > 0
    least, most = np.full(count, np.nan), np.full(count, np.nan)
    if len(numbers):
        least[has] = np.fmin.reduceat(numbers, starts[has])
        most[has] = np.fmax.reduceat(numbers, starts[has])
    return least.tolist(), most.tolist()


def _examples(chunk: Chunk, starts: np.ndarray) -> list[list[str]]:
    ends = np.append(starts[1:], len(chunk.row))
    looked_at = np.minimum(ends - starts, _LOOKED_AT)
    owner, entries = np.repeat(np.arange(len(starts)), looked_at), expand(starts, looked_at)
    values = chunk.value[entries]
    elements = chunk.first[values]
    usable = elements < chunk.first[values + 1]
    owner, elements = owner[usable], elements[usable]
    present = chunk.kind[elements] != MISSING
    result: list[dict[str, None]] = [{} for _ in range(len(starts))]
    for at, text in zip(owner[present].tolist(), texts_of(chunk, elements[present]), strict=True):
        result[at][text[:_LONGEST_EXAMPLE]] = None
    return [list(texts)[:_EXAMPLES] for texts in result]


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


def free_name(name: str, taken: set[str]) -> str:
    """Make a name unique in any case: DuckDB does not tell ``Foo`` from ``foo``."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}~{number}"
    taken.add(free.lower())
    return free


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
