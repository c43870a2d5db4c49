"""Rows of the tables of an index, made from chunks: Arrow batches that the store loads.

A column of a wide table is made for all labels of a chunk at once. Nearly every column of nearly every chunk has a value
of its own kind in every label: then its array is a view of, or one gather from, the arrays of the chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from psalab.index.arrow import as_mask, as_numbers, as_strings
from psalab.index.elements import HUGE
from psalab.index.observe import expand
from psalab.index.scrape import NO_TIME
from psalab.labels.units import normalise
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psalab.index.chunk_file import Products, Values
    from psalab.index.columns import Column, Family

__all__ = [
    "LONG",
    "NAMED",
    "ODD",
    "PRODUCTS",
    "REJECTED",
    "FamilyRows",
    "as_array",
    "is_long",
    "long_rows",
    "named_rows",
    "product_rows",
    "rejected_rows",
    "sql_type",
    "wide_schema",
]

_ARROW: Final = {
    "int": pa.int64(),
    "float": pa.float64(),
    "time": pa.timestamp("us"),
    "boolean": pa.bool_(),
    "text": pa.string(),
}
_SQL: Final = {"int": "bigint", "float": "double", "time": "timestamp", "boolean": "boolean", "text": "varchar"}
_EXACT: Final = 2**53
_TIME: Final = pa.timestamp("us")
_CODED: Final = pa.dictionary(pa.int32(), pa.string())

# ------------------------------------------------------------------------------------------------------------ products

_PRODUCT_TEXTS: Final = (
    "version", "dataset", "mission", "host", "instrument", "level", "level_native", "product_type", "kind", "family",
)  # fmt: skip
PRODUCTS: Final = pa.schema(
    [
        ("product_key", pa.int64()), ("standard", _CODED), ("id", pa.string()),
        *((name, _CODED) for name in _PRODUCT_TEXTS),
        ("targets", pa.list_(pa.string())), ("start_time", _TIME), ("stop_time", _TIME), ("root", _CODED),
        ("label", pa.string()), ("digest", pa.int64()),
    ]
)  # fmt: skip
NAMED: Final = pa.schema([("product_key", pa.int64()), ("folder", pa.string()), ("name", pa.string())])
REJECTED: Final = pa.schema(
    [("root", pa.string()), ("path", pa.string()), ("reason", pa.string()), ("line", pa.int32()), ("text", pa.string())]
)


def product_rows(chunk: Products) -> pa.RecordBatch:
    """Rows of `products`, but for what only all of them together tell."""
    common = as_numbers(chunk.common)
    commons = chunk.commons

    def coded(values: Sequence[str | None], codes: pa.Array = common) -> pa.Array:
        return pa.DictionaryArray.from_arrays(codes, as_strings(values))

    return pa.RecordBatch.from_arrays(
        [
            as_numbers(chunk.key),
            coded(["PDS3", "PDS4"], as_numbers((chunk.standard - 3).astype(np.int32))),
            chunk.ids,
            *(coded([getattr(item, name) for item in commons]) for name in _PRODUCT_TEXTS),
            _lists_of([item.targets for item in commons]).take(common),
            _times(chunk.start_time, chunk.start_time == NO_TIME),
            _times(chunk.stop_time, chunk.stop_time == NO_TIME),
            coded([chunk.root], as_numbers(np.zeros(len(chunk.label), np.int32))),
            as_strings([chunk.labels[at] for at in chunk.label.tolist()]),
            as_numbers(chunk.digest),
        ],
        schema=PRODUCTS,
    )


def _lists_of(texts: Sequence[Sequence[str]]) -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(texts), as_strings([text for item in texts for text in item]))


def named_rows(chunk: Products) -> pa.RecordBatch:
    """Files that labels name, where they would be."""
    folders = [label.rpartition("/")[0] for label in chunk.labels]
    row = np.array([row for row, _ in chunk.named], np.int64)
    return pa.RecordBatch.from_arrays(
        [
            as_numbers(chunk.key[row]),
            as_strings([folders[at] for at in chunk.label[row].tolist()]),
            as_strings([name for _, name in chunk.named]),
        ],
        schema=NAMED,
    )


def rejected_rows(rejects: Sequence[tuple[str, str, str, int | None, str | None]]) -> pa.RecordBatch:
    """Rows of `rejected`, but for when."""
    root, path, reason, line, text = zip(*rejects, strict=True) if rejects else ([], [], [], [], [])
    lines = as_numbers(
        np.array([0 if at is None else at for at in line], np.int32), np.array([at is None for at in line], bool)
    )
    return pa.RecordBatch.from_arrays(
        [as_strings(root), as_strings(path), as_strings(reason), lines, as_strings(text)], schema=REJECTED
    )


# ---------------------------------------------------------------------------------------------------------------- wide

ODD: Final = pa.schema([("product_key", pa.int64()), ("path", pa.string()), ("text", pa.string())])


def wide_schema(columns: Sequence[Column]) -> pa.Schema:
    """Columns of the table of a family."""
    return pa.schema(
        [pa.field("product_key", pa.int64())]
        + [pa.field(str(column.column), _arrow_type(column)) for column in columns]
        + [pa.field(column.unit_column, pa.string()) for column in columns if column.unit_column]
    )


def sql_type(column: Column) -> str:
    """Type of a column in DuckDB."""
    return _SQL[column.type] + ("[]" if column.listed else "")


def _arrow_type(column: Column) -> pa.DataType:
    return pa.list_(_ARROW[column.type]) if column.listed else _ARROW[column.type]


class _Group(NamedTuple):
    """Values of a path in the labels of a family: row of the table and value of each entry, and how many are of which kind.

    `whole` tells whether every row has one, `single` whether none has several.
    """

    row: np.ndarray
    value: np.ndarray
    kinds: np.ndarray
    whole: bool
    single: bool


class FamilyRows:
    """Labels of one family in one chunk, as rows of its table.

    Attributes
    ----------
    odd : list of RecordBatch
        Rows of `odd_values`: what did not fit the columns made so far.
    """

    def __init__(self, chunk: Values, family: str):
        self.chunk = chunk
        number = chunk.families.index(family)
        rows = np.flatnonzero(chunk.family == number)
        self.count = len(rows)
        self.keys = chunk.key[rows]
        self.place: np.ndarray | None = None  # rows of the chunk are rows of the table
        if self.count < len(chunk.family):
            self.place = np.zeros(len(chunk.family), np.int64)
            self.place[rows] = np.arange(self.count)
        mine = np.flatnonzero(chunk.seen.family == number).tolist()
        self.groups = {chunk.paths[path]: at for at, path in zip(mine, chunk.seen.path[mine].tolist(), strict=True)}
        self.ends = np.append(chunk.seen.start[1:], len(chunk.row))
        self.odd: list[pa.RecordBatch] = []

    def batch(self, columns: Sequence[Column]) -> pa.RecordBatch:
        """Rows with these columns, those of units last."""
        made = [self._column(column) for column in columns]
        units = [self._units(column) for column in columns if column.unit_column]
        return pa.RecordBatch.from_arrays([as_numbers(self.keys), *made, *units], schema=wide_schema(columns))

    def _group(self, path: str) -> _Group | None:
        at = self.groups.get(path)
        if at is None:
            return None
        chunk, seen = self.chunk, self.chunk.seen
        start, end = int(seen.start[at]), int(self.ends[at])
        row = chunk.row[start:end] if self.place is None else self.place[chunk.row[start:end]]
        labels = int(seen.labels[at])
        return _Group(row, chunk.value[start:end], seen.kinds[at], labels == self.count, labels == end - start)

    def _column(self, column: Column) -> pa.Array:
        """Values of a path, typed as the column is."""
        group = self._group(column.path)
        if group is None:
            return pa.nulls(self.count, _arrow_type(column))
        if column.listed:
            return self._lists(column, group)
        elements = self.chunk.first[group.value]
        if not group.whole:
            elements, there = np.full(self.count, -1, elements.dtype), elements
            elements[group.row] = there
        return self._typed(column, elements, group.kinds, None)

    def _lists(self, column: Column, group: _Group) -> pa.Array:
        chunk = self.chunk
        row, value = group.row, group.value
        first, sizes = chunk.first[value], np.diff(chunk.first)[value]
        lone = ~chunk.listed[value]
        if lone.any():
            lone[lone] = chunk.kind[first[lone]] == MISSING  # a list may have no element to look at
            if not group.single:
                lone &= np.bincount(row, minlength=self.count)[row] == 1
            sizes[lone] = 0  # a value that is missing is no list of nothing
        counts = sizes if group.whole and group.single else _sums(row, sizes, self.count)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        without = np.ones(self.count, bool)
        without[row[~lone]] = False
        kinds = group.kinds.copy()
        kinds[MISSING] -= np.count_nonzero(lone)
        items = self._typed(column, expand(first, sizes), kinds, np.repeat(row, sizes))
        return pa.ListArray.from_arrays(as_numbers(offsets), items, mask=as_mask(without) if without.any() else None)

    def _typed(self, column: Column, elements: np.ndarray, kinds: np.ndarray, row: np.ndarray | None) -> pa.Array:
        """Elements as an array of the column's type; -1 is none. What does not fit is NULL and noted as odd.

        `kinds` are how many of them there are of each kind; `row` is the row of each, if not simply one after another.
        """
        chunk = self.chunk
        if column.type == "text":
            if kinds.sum() == len(elements) and not kinds[MISSING]:
                return chunk.text.take(as_numbers(elements))
            missing = (elements < 0) | (chunk.kind[elements] == MISSING)
            return chunk.text.take(as_numbers(elements, missing))
        bits = chunk.bits[elements]
        if kinds[_KIND[column.type]] == len(elements):  # nearly every column of nearly every chunk
            return _typed_array(column.type, bits.view(np.float64) if column.type == "float" else bits)
        kind = np.where(elements < 0, MISSING, chunk.kind[elements])
        fits, odd = _FITS[column.type](kind, bits)
        if odd.any():
            at = np.flatnonzero(odd)
            self._note(column.path, at if row is None else row[at], elements[at])
        return _typed_array(
            column.type, _numbers(chunk, elements, kind, bits) if column.type == "float" else bits, ~fits
        )

    def _note(self, path: str, row: np.ndarray, elements: np.ndarray) -> None:
        texts = self.chunk.text.take(as_numbers(elements))
        self.odd.append(
            pa.RecordBatch.from_arrays([as_numbers(self.keys[row]), as_strings([path] * len(row)), texts], schema=ODD)
        )

    def _units(self, column: Column) -> pa.Array:
        """Give the unit of each row's first element."""
        units = np.full(self.count, -1, np.int32)
        group = self._group(column.path)
        if group is not None:
            first = self.chunk.first[group.value]
            has = np.flatnonzero(first < self.chunk.first[group.value + 1])[
                ::-1
            ]  # of several, the first is written last
            units[group.row[has]] = self.chunk.unit[first[has]]
        return _spelled(self.chunk).take(as_numbers(units, units < 0))


def _spelled(chunk: Values) -> pa.Array:
    """Units in their normal spelling."""
    return as_strings([normalise(unit) for unit in chunk.units])


def _sums(row: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, row, numbers)
    return sums


def _times(microseconds: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    return as_numbers(microseconds, missing).view(_TIME)


def _typed_array(kind: str, numbers: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    if kind == "boolean":
        valid = None if missing is None else as_mask(~missing).buffers()[1]
        return pa.Array.from_buffers(pa.bool_(), len(numbers), [valid, as_mask(numbers != 0).buffers()[1]])
    return _times(numbers, missing) if kind == "time" else as_numbers(numbers, missing)


def _numbers(chunk: Values, elements: np.ndarray, kind: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Elements as floats: those that are numbers or booleans."""
    numbers = np.where(kind == FLOAT, bits.view(np.float64), bits.astype(np.float64))
    huge = np.flatnonzero(kind == HUGE)
    if len(huge):
        numbers[huge] = [_float(text) for text in chunk.text.take(as_numbers(elements[huge])).to_pylist()]
    return numbers


def _float(text: str) -> float:
    """Nearest float of an integer's text; based integers beyond 64 bits have none here."""
    try:
        return float(text)
    except (ValueError, OverflowError):
        return float("nan")


def _inexact(kind: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Tell integers that a float cannot hold."""
    large = (kind == INT) & ((bits > _EXACT) | (bits < -_EXACT))
    if large.any():
        # the float nearest to the largest integers is 2**63, which an int64 cannot hold: compare below it
        rounded = np.minimum(bits[large].astype(np.float64), np.nextafter(2.0**63, 0)).astype(np.int64)
        large[large] = rounded != bits[large]
    inexact: np.ndarray = large | (kind == HUGE)
    return inexact


def _only(*kinds: int) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    def fitting(kind: np.ndarray, _bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fits = np.isin(kind, kinds) if len(kinds) > 1 else kind == kinds[0]
        return fits, ~fits & (kind != MISSING)

    return fitting


def _floats(kind: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fits = (kind == FLOAT) | (kind == INT) | (kind == HUGE)
    return fits, (~fits & (kind != MISSING)) | _inexact(kind, bits)


_FITS: Final = {"int": _only(INT), "float": _floats, "time": _only(TIME), "boolean": _only(BOOLEAN)}
_KIND: Final = {"int": INT, "float": FLOAT, "time": TIME, "boolean": BOOLEAN}

# ---------------------------------------------------------------------------------------------------------------- long

LONG: Final = pa.schema(
    [
        ("product_key", pa.int64()), ("family", _CODED), ("path", _CODED), ("number", pa.float64()), ("time", _TIME),
        ("text", pa.string()), ("unit", pa.string()), ("root", _CODED), ("place", pa.int64()),
    ]
)  # fmt: skip


def is_long(family: Family) -> bool:
    """Whether a family has keywords outside a table of its own."""
    return not family.wide or any(column.column is None for column in family.columns.values())


def long_rows(chunk: Values, families: Mapping[str, Family], root: str, place: int) -> pa.RecordBatch:
    """Rows of `meta.other`, with their root and numbered from a place on, so that sorting keeps the order of lists."""
    seen = chunk.seen
    groups = np.array(
        [
            families[chunk.families[family]].columns[chunk.paths[path]].column is None
            for family, path in zip(seen.family.tolist(), seen.path.tolist(), strict=True)
        ],
        dtype=bool,
    )
    sizes = np.diff(seen.start, append=len(chunk.row))[groups]
    path = np.repeat(seen.path[groups], sizes)
    entries = expand(seen.start[groups], sizes)
    row, value = chunk.row[entries], chunk.value[entries]
    sizes = np.diff(chunk.first)[value]
    owner, elements = np.repeat(np.arange(len(value)), sizes), expand(chunk.first[value], sizes)
    kind, bits, unit = chunk.kind[elements], chunk.bits[elements], chunk.unit[elements]
    numbers = _numbers(chunk, elements, kind, bits)
    return pa.RecordBatch.from_arrays(
        [
            as_numbers(chunk.key[row[owner]]),
            pa.DictionaryArray.from_arrays(as_numbers(chunk.family[row[owner]]), as_strings(chunk.families)),
            pa.DictionaryArray.from_arrays(as_numbers(path[owner]), as_strings(chunk.paths)),
            as_numbers(numbers, ~np.isin(kind, (INT, FLOAT, BOOLEAN, HUGE))),
            _times(bits, kind != TIME),
            chunk.text.take(as_numbers(elements, kind == MISSING)),
            _spelled(chunk).take(as_numbers(unit, unit < 0)),
            pa.DictionaryArray.from_arrays(as_numbers(np.zeros(len(elements), np.int32)), as_strings([root])),
            as_numbers(np.arange(place, place + len(elements))),
        ],
        schema=LONG,
    )


# ------------------------------------------------------------------------------------------------------- small tables


def as_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values of a column of a small table, None or of the column's type, as Arrow."""
    missing = np.array([value is None for value in values], bool)
    if pa.types.is_string(kind):
        return as_strings(values)
    if pa.types.is_map(kind):
        pairs = [pair for value in values for pair in value]
        keys, items = zip(*pairs, strict=True) if pairs else ((), ())
        return pa.MapArray.from_arrays(_offsets(values), as_array(keys, kind.key_type), as_array(items, kind.item_type))
    if pa.types.is_list(kind):
        elements = as_array([element for value in values for element in value or ()], kind.value_type)
        return pa.ListArray.from_arrays(_offsets(values), elements, mask=as_mask(missing))
    if pa.types.is_timestamp(kind):
        return _times(np.array(values, "datetime64[us]").view(np.int64), missing)
    if pa.types.is_boolean(kind):
        return _typed_array("boolean", np.array(values, bool), missing)
    return as_numbers(np.array([value or 0 for value in values], kind.to_pandas_dtype()), missing)


def _offsets(lists: Sequence[Sequence[Any] | None]) -> pa.Array:
    return as_numbers(np.cumsum([0, *(len(item or ()) for item in lists)], dtype=np.int32))
