"""What a chunk holds of each path in a family, counted where the chunk is made.

From these counts the columns are settled, without looking at the values again. Most entries of a keyword repeat the one
before them, so what is looked at are runs of equal values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from psalab.index.arrow import as_numbers
from psalab.index.elements import KINDS
from psalab.labels.units import normalise
from psalab.labels.values import FLOAT, INT, MISSING, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psalab.index.scrape import Chunk

__all__ = ["EXAMPLES", "Counts", "Observations", "expand", "group_starts", "observe"]

#: Examples of a keyword: its first different texts.
EXAMPLES: Final = 3
_LONGEST_EXAMPLE: Final = 200
_LOOKED_AT: Final = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """How often a text occurs in a group: one entry for each pair that occurs."""

    group: np.ndarray
    text: list[str | None]
    count: np.ndarray


@dataclass(frozen=True, slots=True)
class Observations:
    """What a chunk holds of each path in a family: a group of entries, which follow each other.

    Attributes
    ----------
    start, family, path : ndarray
        Its first entry; its numbers in the chunk's `families` and `paths`.
    kinds : ndarray, shape (groups, KINDS)
    labels, listed, least, most : ndarray
    missing, units : Counts
    examples : list of list of str
        Of each group the first different texts, in the order of the labels.

    See `Observed` for the rest.
    """

    start: np.ndarray
    family: np.ndarray
    path: np.ndarray
    kinds: np.ndarray
    labels: np.ndarray
    listed: np.ndarray
    least: np.ndarray
    most: np.ndarray
    missing: Counts
    units: Counts
    examples: list[list[str]]


def observe(chunk: Chunk) -> Observations:
    """Look at all values of a chunk, so that its columns can be settled without doing so again."""
    runs = _Runs(chunk)
    first = runs.start
    least, most = runs.ranges()
    listed = chunk.listed[runs.value]
    return Observations(
        runs.entries,
        chunk.family[chunk.row[runs.entries]],
        chunk.path[runs.entries],
        runs.kinds(),
        runs.labels,
        (np.logical_or.reduceat(listed, first) if len(first) else listed) | (runs.sizes > runs.labels),
        least,
        most,
        runs.missing(),
        runs.units(),
        runs.examples(),
    )


class _Runs:
    """The entries of a chunk, group by group, where several with the same value are one.

    Attributes
    ----------
    entries, sizes, labels : ndarray
        For each group its first entry, its number of entries, and the labels that these are of.
    start : ndarray
        First run of each group.
    group, value, weight : ndarray
        For each run its group, its value, and the entries that it stands for.
    of, element, times : ndarray
        For each element of a run its group, its number in the chunk, and how often it occurs.
    """

    def __init__(self, chunk: Chunk):
        self.chunk = chunk
        count = len(chunk.row)
        self.entries = group_starts(chunk)
        self.sizes = np.diff(self.entries, append=count)
        self.another_label = _changes(chunk.row, self.entries)
        self.labels = np.diff(np.searchsorted(np.flatnonzero(self.another_label), [*self.entries, count]))
        runs = np.flatnonzero(_changes(chunk.value, self.entries))
        self.start = np.searchsorted(runs, self.entries)
        self.group = np.repeat(np.arange(len(self.entries)), np.diff(self.start, append=len(runs)))
        self.value = chunk.value[runs]
        self.weight = np.diff(runs, append=count)
        self.elements_of = np.diff(chunk.first)
        sizes = self.elements_of[self.value]
        self.of, self.times = np.repeat(self.group, sizes), np.repeat(self.weight, sizes)
        self.element = expand(chunk.first[self.value], sizes)
        self.kind = chunk.kind[self.element]

    def _counted(self, numbers: np.ndarray, kinds: int, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Count the elements of each group by a number below `kinds`."""
        pairs = self.of[chosen] * kinds + numbers
        counts = np.bincount(pairs, self.times[chosen], minlength=len(self.entries) * kinds)
        return counts.astype(np.int64).reshape(-1, kinds)

    def kinds(self) -> np.ndarray:
        """Count elements by kind."""
        return self._counted(self.kind, KINDS)

    def units(self) -> Counts:
        """Count elements that are there by unit, in normal spelling."""
        spelled = [normalise(unit) for unit in self.chunk.units]
        texts = [None, *sorted(set(spelled))]
        number = np.array([*(texts.index(unit) for unit in spelled), 0])  # the last, -1, is none
        present = np.flatnonzero(self.kind != MISSING)
        counts = self._counted(number[self.chunk.unit[self.element[present]]], len(texts), present)
        group, unit = np.nonzero(counts)
        return Counts(group, [texts[at] for at in unit.tolist()], counts[group, unit])

    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest number or time of each group."""
        kind, bits = self.chunk.kind, self.chunk.bits
        numbers = np.where(kind == FLOAT, bits.view(np.float64), bits.astype(np.float64))
        numbers[(kind != INT) & (kind != FLOAT) & (kind != TIME)] = np.nan
        least, most = np.full((2, len(self.entries)), np.nan)
        starts = np.flatnonzero(_changes(self.of))
        if len(starts):
            least[self.of[starts]] = np.fmin.reduceat(numbers[self.element], starts)
            most[self.of[starts]] = np.fmax.reduceat(numbers[self.element], starts)
        return least, most

    def missing(self) -> Counts:
        """Count the labels without any value, by the reason that their first element gives."""
        chunk = self.chunk
        before = np.concatenate([[0], np.cumsum(chunk.kind == MISSING)])
        absent = before[chunk.first[1:]] - before[chunk.first[:-1]]
        without = (absent == self.elements_of) & (absent > 0)
        repeated = self.sizes > self.labels
        runs = np.flatnonzero(without[self.value] & ~repeated[self.group])
        group, value, count = self.group[runs], self.value[runs], self.weight[runs]
        if repeated.any():  # a keyword that stands several times in a label is missing where each is
            entries = np.flatnonzero(np.repeat(repeated, self.sizes))
            label = np.cumsum(self.another_label[entries])
            has = absent[chunk.value[entries]] < self.elements_of[chunk.value[entries]]
            left = entries[without[chunk.value[entries]] & ~np.isin(label, label[has])]
            left = left[_changes(np.cumsum(self.another_label)[left])]
            group = np.append(group, np.searchsorted(self.entries, left, side="right") - 1)
            value, count = np.append(value, chunk.value[left]), np.append(count, np.ones(len(left), np.int64))
        return _summed(group, _texts_of(chunk, chunk.first[value]), count)

    def examples(self) -> list[list[str]]:
        """Give the first different texts of each group."""
        chunk = self.chunk
        some = np.flatnonzero(self.elements_of[self.value])
        element = chunk.first[self.value[some]]
        present = chunk.kind[element] != MISSING
        group, element = self.group[some[present]], element[present]
        bounds = np.searchsorted(group, np.arange(len(self.entries) + 1))
        looked_at = np.minimum(np.diff(bounds), _LOOKED_AT)
        texts = iter(_texts_of(chunk, element[expand(bounds[:-1], looked_at)]))
        found: list[dict[str, None]] = []
        for at, number in enumerate(looked_at.tolist()):
            different = dict.fromkeys(text[:_LONGEST_EXAMPLE] for text in islice(texts, number))
            if len(different) < EXAMPLES and number == _LOOKED_AT:
                different = self._different(element[bounds[at] : bounds[at + 1]])
            found.append(different)
        return [list(different)[:EXAMPLES] for different in found]

    def _different(self, elements: np.ndarray) -> dict[str, None]:
        """Give the first different texts of elements that are often the same."""
        _, first = np.unique(elements, return_index=True)
        elements = elements[np.sort(first)]
        found: dict[str, None] = {}
        for at in range(0, len(elements), _LOOKED_AT):
            texts = _texts_of(self.chunk, elements[at : at + _LOOKED_AT])
            found |= dict.fromkeys(text[:_LONGEST_EXAMPLE] for text in texts)
            if len(found) >= EXAMPLES:
                break
        return found


def _summed(group: np.ndarray, texts: Sequence[str], count: np.ndarray) -> Counts:
    """Add up the counts of the same text in a group."""
    sums: Counter[tuple[int, str]] = Counter()
    for at, text, times in zip(group.tolist(), texts, count.tolist(), strict=True):
        sums[at, text] += times
    return Counts(
        np.array([at for at, _ in sums], np.int64), [text for _, text in sums], np.array([*sums.values()], np.int64)
    )


def _changes(values: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Tell where a value is another than the one before it, or the first of a group."""
    changed = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    if starts is not None:
        changed[starts] = True
    return changed


def group_starts(chunk: Chunk) -> np.ndarray:
    """Where the entries of each (family, path) begin."""
    changed = _changes(chunk.path)
    if len(chunk.families) > 1:
        changed |= _changes(chunk.family[chunk.row])
    return np.flatnonzero(changed)


def expand(first: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Give the elements of ranges, range by range: ``first[i], first[i] + 1, ...``, ``sizes[i]`` of them."""
    before = np.cumsum(sizes) - sizes
    total = int(before[-1] + sizes[-1]) if len(sizes) else 0
    elements: np.ndarray = np.arange(total) + np.repeat(first - before, sizes)
    return elements


def _texts_of(chunk: Chunk, elements: np.ndarray) -> list[str]:
    """Texts of elements."""
    texts: list[str] = chunk.text.take(as_numbers(elements)).to_pylist()
    return texts
