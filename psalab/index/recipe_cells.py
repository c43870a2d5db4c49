"""What a recipe asks of some labels: cells of tables that are not typed yet. This is what a worker does.

Keywords of PDS3 come from the scraper, which reads many labels at once; XPaths are asked of each PDS4 label that a table
wants, parsed once for all tables.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from psalab.errors import LabelError
from psalab.index import xpaths
from psalab.index.arrow import as_mask, as_numbers, as_numpy, as_strings
from psalab.index.elements import HUGE, Elements
from psalab.index.observe import expand
from psalab.index.recipes import INDEX_COLUMNS
from psalab.index.scrape import NO_TIME, scrape
from psalab.index.walk import escape, unescape
from psalab.labels import find
from psalab.labels.pds4 import XmlLabel
from psalab.labels.units import normalise
from psalab.labels.values import FLOAT, INT, MISSING, Scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psalab.index.recipes import Recipe, Rule
    from psalab.index.scrape import Chunk, Task

__all__ = ["NO_ELEMENT", "Cells", "Part", "Selection", "openable", "read_part"]

#: Reason why a cell is empty: the list has no element of that index.
NO_ELEMENT: Final = "no such element"
_ABSENT: Final = -1  # numbers of elements that are not there: no keyword, no element of that index
_BEYOND: Final = -2


class Cells(NamedTuple):
    """Cells of a column, label after label.

    Attributes
    ----------
    sizes : ndarray of int
        Elements of each cell; one where the cell is no list.
    listed : ndarray of bool
        Which cells are lists.
    kind, bits, text : arrays
        The elements, as in a `Chunk`; the text of a missing one is the reason.
    units : Counter
        Elements that are numbers or have a unit, by unit in normal spelling; None for none.
    repeated : int
        Labels in which the keyword stands more than once; the first one counts.
    """

    sizes: np.ndarray
    listed: np.ndarray
    kind: np.ndarray
    bits: np.ndarray
    text: pa.StringArray
    units: Counter[str | None]
    repeated: int = 0


class Selection(NamedTuple):
    """What a rule takes of a part: rows of its index, and the cells of each column."""

    rows: np.ndarray
    cells: list[Cells]


@dataclass
class Part:
    """What a task gave.

    Attributes
    ----------
    index : pyarrow.Table
        A row for each label.
    selections : list of Selection
        One for each rule of the recipe.
    rejected : list of (str, str, int or None, str or None)
        Files that are left out: path, reason, line, the text there.
    instruments : Counter
        Labels by what rules tell them by: INSTRUMENT_ID or product class.
    paths : set of str
        Keywords of the labels.
    """

    index: pa.Table
    selections: list[Selection] = field(default_factory=list)
    rejected: list[tuple[str, str, int | None, str | None]] = field(default_factory=list)
    instruments: Counter[str] = field(default_factory=Counter)
    paths: set[str] = field(default_factory=set)


def read_part(recipe: Recipe, task: Task) -> Part:
    """Read some labels, and take of them what a recipe asks."""
    chunk = scrape(task)
    wanted = np.isin(chunk.standard, [int(standard[3]) for standard in recipe.standards])
    products = np.flatnonzero(wanted)
    part = Part(_index(chunk, task, products, recipe.standards), paths=set(chunk.paths))
    part.rejected = [
        (openable(task.root, task.labels[entry.label]), entry.reason, entry.line, entry.text)
        for entry in chunk.rejected
    ] + [
        (openable(task.root, task.labels[chunk.label[at]]), _of_other_standard(int(chunk.standard[at])), None, None)
        for at in np.flatnonzero(~wanted).tolist()
    ]
    of = np.array([_of(chunk, at) for at in products.tolist()], dtype=object)
    part.instruments.update(of.tolist())
    ids = as_strings([chunk.ids[at] for at in products.tolist()])
    chosen = [
        np.flatnonzero(
            (of == rule.of) & (chunk.standard[products] == int(rule.standard[3])) & as_numpy(rule.selects(ids))
        )
        for rule in recipe.rules
    ]
    by_xpath = _by_xpath(task, chunk, products, recipe.rules, chosen)
    for number, (rule, rows) in enumerate(zip(recipe.rules, chosen, strict=True)):
        if rule.standard == "PDS3":
            cells = [_by_path(chunk, products[rows], column.path, column.index) for column in rule.columns]
        else:
            cells = by_xpath[number]
        part.selections.append(Selection(rows, cells))
    return part


def openable(root: str, label: str) -> str:
    """Path of a label as functions of the system take it; escaped where it holds bytes that are no UTF-8."""
    path = os.path.join(root, unescape(label))
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.path.join(escape(root), label)
    return path


def _of_other_standard(standard: int) -> str:
    return f"a PDS{standard} label, and the recipe has no table of those"


def _of(chunk: Chunk, product: int) -> str:
    """Tell what rules tell a product by."""
    common = chunk.commons[chunk.common[product]]
    return (common.instrument if chunk.standard[product] == 3 else common.product_type) or ""


# --------------------------------------------------------------------------------------------------- the index columns


def _index(chunk: Chunk, task: Task, products: np.ndarray, standards: Sequence[str]) -> pa.Table:
    """Columns that every table has; those of the other standard are null where a recipe is for both."""
    numbers = products.tolist()
    names = [openable(task.root, task.labels[at]) for at in chunk.label[products].tolist()]
    columns: dict[str, pa.Array] = {
        "filename": as_strings(names),
        "start_time": _times(chunk.start_time[products]),
        "stop_time": _times(chunk.stop_time[products]),
    }
    commons = [chunk.commons[chunk.common[at]] for at in numbers]
    ids = [chunk.ids[at] or "" for at in numbers]
    texts: dict[str, list[str | None]] = {}
    if "PDS3" in standards:
        mine = chunk.standard[products] == 3
        texts["dataset"] = [common.dataset for common in commons]
        texts["prod_id"] = list(ids)
        texts["mission_id"] = _first_texts(_by_path(chunk, products, "MISSION_ID"))
        texts["instr_id"] = [common.instrument for common in commons]
        _blank(texts, INDEX_COLUMNS["PDS3"], mine)
    if "PDS4" in standards:
        mine = chunk.standard[products] == 4
        steps = [id_.split(":") for id_ in ids]
        texts["product_type"] = [common.product_type for common in commons]
        texts["lid"] = list(ids)
        texts["vid"] = [common.version for common in commons]
        texts["bundle"] = [parts[3] if len(parts) > 3 else None for parts in steps]
        texts["collection"] = [parts[4] if len(parts) > 4 else None for parts in steps]
        texts["product_id"] = [parts[-1] for parts in steps]
        _blank(texts, INDEX_COLUMNS["PDS4"], mine)
    columns |= {name: as_strings(values) for name, values in texts.items()}
    order = dict.fromkeys(name for standard in standards for name in INDEX_COLUMNS[standard])
    return pa.table({name: columns[name] for name in order})


def _blank(texts: dict[str, list[str | None]], names: Sequence[str], mine: np.ndarray) -> None:
    """Make the columns of a standard null for labels of the other one."""
    for name in texts.keys() & set(names):
        texts[name] = [value if own else None for value, own in zip(texts[name], mine.tolist(), strict=True)]


def _times(microseconds: np.ndarray) -> pa.Array:
    return as_numbers(microseconds, microseconds == NO_TIME).cast(pa.timestamp("us"))


def _first_texts(cells: Cells) -> list[str | None]:
    """Text of the first element of each cell; None where it is missing."""
    first = np.cumsum(cells.sizes) - cells.sizes
    texts = cells.text.to_pylist()
    return [
        texts[at] if size and cells.kind[at] != MISSING else None
        for at, size in zip(first.tolist(), cells.sizes.tolist(), strict=True)
    ]


# ------------------------------------------------------------------------------------------------- keywords by their path


def _by_path(chunk: Chunk, products: np.ndarray, path: str, index: int | None = None) -> Cells:
    """Take a keyword of PDS3 labels by its path, in any case, or one element of it."""
    path = path.upper()
    entries = np.flatnonzero(chunk.path == (chunk.paths.index(path) if path in chunk.paths else -1))
    row, firsts, times = np.unique(chunk.row[entries], return_index=True, return_counts=True)
    value_of = np.full(len(chunk.label), _ABSENT, np.int64)
    value_of[row] = chunk.value[entries[firsts]]
    value = value_of[products]
    there = value >= 0
    first = np.where(there, chunk.first[value], _ABSENT).astype(np.int64)
    sizes = np.where(there, chunk.first[value + there] - chunk.first[value], 1).astype(np.int64)
    listed = there & chunk.listed[value] if len(chunk.listed) else there
    if index is None:
        elements = expand(first, sizes)
    else:
        elements = _picked(chunk, first, sizes, listed, index)
        sizes, listed = np.ones_like(sizes), np.zeros_like(listed)
    repeated = int(np.isin(row[times > 1], products).sum())
    return _of_elements(chunk, elements, sizes, listed, repeated)


def _picked(chunk: Chunk, first: np.ndarray, sizes: np.ndarray, listed: np.ndarray, index: int) -> np.ndarray:
    """Give the element of that index of each value; a single value is a list of one, and a missing one stays missing."""
    at = index if index >= 0 else sizes + index
    elements = np.where((at >= 0) & (at < sizes), first + at, _BEYOND)
    lone = ~listed & (first >= 0)
    lone[lone] = chunk.kind[first[lone]] == MISSING
    elements[lone] = first[lone]
    elements[first == _ABSENT] = _ABSENT
    return elements


def _of_elements(chunk: Chunk, elements: np.ndarray, sizes: np.ndarray, listed: np.ndarray, repeated: int) -> Cells:
    gone = elements < 0
    kind = np.where(gone, MISSING, chunk.kind[elements] if len(chunk.kind) else MISSING).astype(np.int8)
    bits = np.where(gone, 0, chunk.bits[elements] if len(chunk.bits) else 0)
    text = chunk.text.take(as_numbers(elements, gone))
    if gone.any():
        reasons = as_strings([xpaths.NOTHING_THERE, NO_ELEMENT]).take(
            as_numbers((elements == _BEYOND).astype(np.int32))
        )
        text = pc.if_else(as_mask(gone), reasons, text)
    unit = chunk.unit[elements] if len(chunk.unit) else np.full(len(elements), -1)
    return Cells(sizes, listed, kind, bits, text, _counted(kind, unit, chunk.units), repeated)


def _counted(kind: np.ndarray, unit: np.ndarray, names: Sequence[str]) -> Counter[str | None]:
    """Count numbers, and whatever else has a unit, by unit."""
    found, times = np.unique(
        unit[(kind != MISSING) & ((unit >= 0) | np.isin(kind, (INT, FLOAT, HUGE)))], return_counts=True
    )
    counter: Counter[str | None] = Counter()
    for number, count in zip(found.tolist(), times.tolist(), strict=True):
        counter[normalise(names[number]) if number >= 0 else None] += count
    return counter


# ----------------------------------------------------------------------------------------------------- values by an XPath


def _by_xpath(
    task: Task, chunk: Chunk, products: np.ndarray, rules: Sequence[Rule], chosen: Sequence[np.ndarray]
) -> dict[int, list[Cells]]:
    """Ask the XPaths of every label that a rule has chosen; give the cells by the rule's number."""
    asked = {number: [Elements() for _ in rule.columns] for number, rule in enumerate(rules) if rule.standard == "PDS4"}
    rules_of: dict[int, list[int]] = {}
    for number in asked:
        for row in chosen[number].tolist():
            rules_of.setdefault(row, []).append(number)
    for row in sorted(rules_of):
        label = task.labels[chunk.label[products[row]]]
        root = _root(os.path.join(task.root, unescape(label)))
        spaces = {} if isinstance(root, Scalar) else xpaths.namespaces_of(root)
        for number in rules_of[row]:
            for column, elements in zip(rules[number].columns, asked[number], strict=True):
                elements.add(root if isinstance(root, Scalar) else xpaths.value_at(root, spaces, column.path))
    return {number: [_cells(elements.arrays()) for elements in columns] for number, columns in asked.items()}


def _root(path: str) -> Any:
    """Root element of a label; a missing value with the reason where it cannot be read, or has been replaced meanwhile."""
    try:
        label = find.read_label(path)
    except (LabelError, OSError) as error:
        return Scalar(MISSING, None, f"the label cannot be read again: {getattr(error, 'reason', error)}")
    return label.element if isinstance(label, XmlLabel) else Scalar(MISSING, None, "the label is another one now")


def _cells(arrays: dict[str, Any]) -> Cells:
    sizes = np.diff(arrays["first"]).astype(np.int64)
    kind = arrays["kind"]
    units = _counted(kind, arrays["unit"], arrays["units"])
    return Cells(sizes, arrays["listed"], kind, arrays["bits"], arrays["text"], units)
