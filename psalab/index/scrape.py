"""A chunk of label files to typed values in columns; what a worker does.

Nothing here knows of pandas or DuckDB. The result is a `Chunk`: arrays that a worker writes to a file and the store loads.
A label becomes a row of numbers (`statements`); rows of one shape are a matrix; everything after that is done for all
labels of a chunk at once. Each distinct value is typed once for a chunk.
"""

from __future__ import annotations

import errno
import gc
import os
from array import array
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from psalab.errors import LabelError
from psalab.index.elements import Elements
from psalab.index.statements import Leaf, Lines, Pieces, Unusual
from psalab.index.walk import unescape
from psalab.labels import find, identity, pointers, pvl
from psalab.labels.values import FLOAT, MISSING, TEXT, TIME, Scalar, fills_of, microseconds, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


__all__ = ["Chunk", "Rejected", "Task", "scrape"]

#: A read slower than this (seconds) is a mount's, not a disk's: then many are under way at once.
_SLOW_READ: Final = 0.001
_READERS: Final = 32
_TRIAL: Final = 3

_OWN_FIELDS: Final = ("id", "start_time", "stop_time")


class Task(NamedTuple):
    """Label files of one root.

    Attributes
    ----------
    root, name : str
        The root's path, and the name of its volume.
    labels : tuple of str
        Paths of the labels below the root.
    attached : bool
        Whether these are data files that may begin with a label; those that do not are no rejects.
    structure : bool
        Whether keywords of data objects become columns, too.
    stamps : tuple of (str, int, int)
        Path, size and time of each label: what tells that a chunk on disk is still of these files.
    """

    root: str
    name: str
    labels: tuple[str, ...]
    attached: bool = False
    structure: bool = False
    stamps: tuple[tuple[str, int, int], ...] = ()


class Rejected(NamedTuple):
    """A file that is no label, or cannot be read; its number in the task, why, where."""

    label: int
    reason: str
    line: int | None
    text: str | None


@dataclass
class Chunk:
    """What a task gave.

    Attributes
    ----------
    root, labels, attached : str, list of str, bool
        As in the task, `root` by name.
    label, standard, common, ids, start_time, stop_time : ndarray
        One entry a product: its number in the task, 3 or 4, its row in `commons`, the rest microseconds (`NO_TIME` if none).
    ids : list of str
    commons : list of Identity
        What products of one kind have in common; the fields that are a product's own are None.
    row, path, value : ndarray
        One entry a value: its product, path and value, grouped by (family, path).
    paths, families : list of str
    kind, bits, text, unit, first : arrays of elements
        ``first[v]:first[v + 1]`` are the elements of value v; `listed` tells which values are lists. `bits` holds integers,
        booleans, microseconds, and floats by their bits.
    named : list of (int, str)
        Product and the name of a file that its label names.
    rejected : list of Rejected
    """

    root: str
    labels: list[str]
    attached: bool
    label: np.ndarray
    standard: np.ndarray
    common: np.ndarray
    ids: list[str | None]
    start_time: np.ndarray
    stop_time: np.ndarray
    commons: list[identity.Identity]
    row: np.ndarray
    path: np.ndarray
    value: np.ndarray
    paths: list[str]
    families: list[str]
    family: np.ndarray
    kind: np.ndarray
    bits: np.ndarray
    text: Any  # a list of str where it was just made, an Arrow array where it was read
    unit: np.ndarray
    units: list[str]
    first: np.ndarray
    listed: np.ndarray
    named: list[tuple[int, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read_bytes: int = 0


NO_TIME: Final = np.iinfo(np.int64).min
_DECLARED: Final[tuple[str | None, ...]] = (None, "int", "float", "time", "boolean", "text", None, None)
_CODES: Final = {declared: code for code, declared in enumerate(_DECLARED[:6]) if code} | {None: 6}


def scrape(task: Task) -> Chunk:
    """Read, parse and type the labels of a task.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Chunk
        Files that cannot be read or are no labels are in its `rejected`; nothing is raised for them.
    """
    collecting = gc.isenabled()
    gc.disable()  # what a chunk makes is millions of small objects without cycles: looking for some takes a fifth of the time
    try:
        return _Scraper(task).run()
    finally:
        if collecting:
            gc.enable()


def read_start(path: str) -> bytes:
    """Read the beginning of a file: of a PDS3 label as much as nearly always suffices, of an XML label all of it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        data = os.read(descriptor, find.FIRST_BYTES)
        if len(data) == find.FIRST_BYTES and find.is_xml(data):
            while (more := os.read(descriptor, 2**20)) and len(data) <= find.MAX_LABEL_BYTES:
                data += more
        return data
    finally:
        os.close(descriptor)


def _read_all(paths: Sequence[str]) -> Iterator[bytes | OSError]:
    """Contents of files in the order of the paths; on a slow mount many are read at once."""

    def read(path: str) -> bytes | OSError:
        try:
            return read_start(path)
        except OSError as error:
            return error

    trial = min(_TRIAL, len(paths))
    took = []
    for path in paths[:trial]:
        began = perf_counter()
        data = read(path)
        took.append(perf_counter() - began)
        yield data
    if trial == len(paths) or sorted(took)[trial // 2] < _SLOW_READ:
        yield from map(read, paths[trial:])
        return
    with ThreadPoolExecutor(_READERS) as readers:
        rest = iter(paths[trial:])
        under_way = deque(readers.submit(read, path) for path in islice(rest, 4 * _READERS))
        while under_way:
            yield under_way.popleft().result()
            under_way.extend(readers.submit(read, path) for path in islice(rest, 1))


class _Rows:
    """Labels of one standard as rows of statement numbers, end to end."""

    def __init__(self, memo: Lines | Pieces):
        self.memo = memo
        self.flat = array("i")
        self.ends: list[int] = []
        self.labels: list[int] = []

    def add(self, label: int, row: list[int]) -> None:
        self.flat.extend(row)
        self.ends.append(len(self.flat))
        self.labels.append(label)

    def shapes(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give for each shape its keys, the numbers of its labels, and the matrix of their statements."""
        flat = np.frombuffer(self.flat, dtype=np.int32)
        keys = np.frombuffer(self.memo.keys, dtype=np.int32)[flat]
        kept = np.flatnonzero(keys)
        bounds = np.searchsorted(kept, [0, *self.ends])
        flat, keys = flat[kept], keys[kept]
        members: dict[bytes, list[int]] = {}
        for at in range(len(self.labels)):
            members.setdefault(keys[bounds[at] : bounds[at + 1]].tobytes(), []).append(at)
        numbers = np.array(self.labels)
        for shape, ats in members.items():
            columns = np.arange(len(shape) // keys.itemsize)
            yield np.frombuffer(shape, np.int32), numbers[ats], flat[bounds[ats][:, None] + columns]


class _Scraper:
    def __init__(self, task: Task):
        self.task = task
        self.lines, self.pieces = Lines(), Pieces()
        self.rows = {"PDS3": _Rows(self.lines), "PDS4": _Rows(self.pieces)}
        self.rejected: list[Rejected] = []
        self.read_bytes = 0
        self.products = _Products(task)
        self.entries = _Entries()

    def run(self) -> Chunk:
        root = self.task.root
        for number, data in enumerate(_read_all([os.path.join(root, unescape(label)) for label in self.task.labels])):
            if isinstance(data, OSError):
                self._reject_unreadable(number, data)
            else:
                self._take(number, data)
        for rows in self.rows.values():
            for keys, numbers, matrix in rows.shapes():
                self._shape(rows.memo, keys, numbers, matrix)
        return self._chunk()

    def _take(self, number: int, data: bytes) -> None:
        self.read_bytes += len(data)
        if self.task.attached and not find.begins_with_label(data):
            return
        if len(data) > find.MAX_LABEL_BYTES:
            self._whole(number)
            return
        standard = "PDS4" if find.is_xml(data) else "PDS3"
        rows = self.rows[standard]
        try:
            row = rows.memo.row(_xml_text(data) if standard == "PDS4" else _pvl_text(data))
        except Unusual:
            self._whole(number)
        else:
            rows.add(number, row)

    def _whole(self, number: int) -> None:
        """Read a label the way that `read_label` does."""
        path = os.path.join(self.task.root, unescape(self.task.labels[number]))
        try:
            label = find.read_label(path)
        except LabelError as error:
            self.rejected.append(Rejected(number, error.reason, error.line, error.text))
        except OSError as error:
            self._reject_unreadable(number, error)
        else:
            memo = self.lines if label.standard == "PDS3" else self.pieces
            found = list(memo.whole(label))
            leaves = [Leaf(leaf.path, at, leaf.declared, leaf.in_structure) for at, (leaf, _) in enumerate(found)]
            matrix = np.array([[statement for _, statement in found]], dtype=np.int32)
            self._add(memo, leaves, np.array([number]), matrix, label.name)

    def _reject_unreadable(self, number: int, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, "error")
        self.rejected.append(Rejected(number, f"cannot be read: {error.strerror or error} ({name})", None, None))

    def _shape(self, memo: Lines | Pieces, keys: np.ndarray, numbers: np.ndarray, matrix: np.ndarray) -> None:
        try:
            leaves = memo.leaves(keys.tolist())
            root = memo.root(keys.tolist()) if isinstance(memo, Pieces) else ""
        except Unusual:
            for number in numbers.tolist():
                self._whole(number)
        else:
            self._add(memo, leaves, numbers, matrix, root)

    def _add(
        self, memo: Lines | Pieces, leaves: Sequence[Leaf], numbers: np.ndarray, matrix: np.ndarray, root: str
    ) -> None:
        rows = self.products.add(memo, leaves, numbers, matrix, root)
        self.entries.add(memo, [leaf for leaf in leaves if self.task.structure or not leaf.in_structure], rows, matrix)

    def _chunk(self) -> Chunk:
        products, entries = self.products, self.entries
        place = products.sort()
        families: dict[str, int] = {}
        family_of = [families.setdefault(common.family, len(families)) for common in products.commons]
        common = np.array(products.common, dtype=np.int32)
        family = np.array(family_of, dtype=np.int32)[common] if len(common) else common
        row, path, value, typed = entries.sorted(family, place, self.lines, self.pieces)
        chunk = Chunk(
            root=self.task.name,
            labels=list(self.task.labels),
            attached=self.task.attached,
            label=np.array(products.label, dtype=np.int32),
            standard=np.array(products.standard, dtype=np.int8),
            common=common,
            ids=products.ids,
            start_time=np.array(products.start, dtype=np.int64),
            stop_time=np.array(products.stop, dtype=np.int64),
            commons=list(products.commons),
            row=row,
            path=path,
            value=value,
            paths=list(entries.paths),
            families=list(families),
            family=family,
            **typed.arrays(),
            named=products.named,
            rejected=self.rejected,
            read_bytes=self.read_bytes,
        )
        _mask_fills(chunk)
        return chunk


def _pvl_text(data: bytes) -> str:
    for end in (b"\nEND\r\n", b"\nEND\n"):
        at = data.find(end)
        if at >= 0:
            data = data[: at + len(end)]
            break
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        return pvl.decode(data)


def _xml_text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusual("not UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


class _Products:
    """What identifies the products of a task, and the files that their labels name."""

    def __init__(self, task: Task):
        self.task = task
        self.label: list[int] = []
        self.standard: list[int] = []
        self.common: list[int] = []
        self.ids: list[str | None] = []
        self.start: list[int] = []
        self.stop: list[int] = []
        self.commons: dict[identity.Identity, int] = {}
        self.named: list[tuple[int, str]] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def add(
        self, memo: Lines | Pieces, leaves: Sequence[Leaf], numbers: np.ndarray, matrix: np.ndarray, root: str
    ) -> np.ndarray:
        """Take in the labels of a shape; give the numbers of their products."""
        paths = [leaf.path for leaf in leaves]
        chosen = identity.select(memo.standard, paths)
        shared = [(name, [leaves[at] for at in ats]) for name, ats in chosen.items() if name not in _OWN_FIELDS]
        naming = [leaves[at] for at in pointers.select_files(memo.standard, paths)]
        keys = matrix[:, [leaf.position for _, found in shared for leaf in found]].tolist()
        names = matrix[:, [leaf.position for leaf in naming]].tolist()
        fields = tuple((name, len(found)) for name, found in shared)
        first = len(self.label)
        self.label += numbers.tolist()
        self.standard += [int(memo.standard[3])] * len(numbers)
        own = {name: [leaves[at] for at in chosen.get(name, ())] for name in _OWN_FIELDS}
        ids = self._add_own(memo, own, matrix)
        for at, number in enumerate(numbers.tolist()):
            folder, _, name = self.task.labels[number].rpartition("/")
            id_ = ids[at] or name
            self.ids.append(id_)
            bundle = ":".join(id_.split(":")[:5]) if memo.standard == "PDS4" else ""
            place = (memo.standard, folder, root, bundle)
            common = self._known.get((place, fields, key := tuple(keys[at])))
            self.common.append(self._common(memo, shared, key, place, fields) if common is None else common)
            if naming:
                self.named += [(first + at, file) for file in self._files(memo, names[at])]
        return np.arange(first, len(self.label), dtype=np.int32)

    def _add_own(self, memo: Lines | Pieces, own: dict[str, list[Leaf]], matrix: np.ndarray) -> list[str | None]:
        """Take in the start and stop times of the labels of a shape, and give their ids."""
        columns = [self._own(memo, own[name], matrix) for name in _OWN_FIELDS]
        for scalars_of, times in zip(columns[1:], (self.start, self.stop), strict=True):
            for kind, bits, text in scalars_of:
                time = parse_time(text) if kind == TEXT else None
                times.append(bits if kind == TIME else NO_TIME if time is None else microseconds(time))
        return [text if kind != MISSING else None for kind, _, text in columns[0]]

    def _own(self, memo: Lines | Pieces, found: list[Leaf], matrix: np.ndarray) -> list[tuple[int, int, str]]:
        """Give kind, bits and text of the first value that is there, for each label of a shape."""
        nothing = (MISSING, 0, "")
        result = [nothing] * len(matrix)
        for leaf in reversed(found):
            elements = Elements()
            values = memo.add_typed(matrix[:, leaf.position].tolist(), [leaf.declared] * len(matrix), elements)
            there = list(zip(elements.kinds, elements.bits, elements.texts, strict=True))
            for at, value in enumerate(values.tolist()):
                for element in there[elements.first[value] : elements.first[value + 1]]:
                    if element[0] != MISSING and element[2]:
                        result[at] = element
                        break
        return result

    def sort(self) -> np.ndarray:
        """Bring the products in the order of their labels; give the new place of each."""
        order = np.argsort(np.array(self.label, dtype=np.int32), kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        for column in (self.label, self.standard, self.common, self.ids, self.start, self.stop):
            column[:] = [column[at] for at in order.tolist()]
        self.named = sorted((int(place[row]), name) for row, name in self.named)
        return place

    def _common(
        self,
        memo: Lines | Pieces,
        shared: Sequence[tuple[str, list[Leaf]]],
        key: tuple[int, ...],
        place: tuple[str, str, str, str],
        fields: tuple[tuple[str, int], ...],
    ) -> int:
        """Give the number of what a product has in common with others of its folder, root element and bundle."""
        statements = iter(key)
        values = {name: [memo.typed(next(statements), leaf.declared) for leaf in found] for name, found in shared}
        standard, folder, root, bundle = place
        if bundle:
            values["id"] = [Scalar(TEXT, bundle, bundle)]
        common = identity.assemble(standard, root, values, folder.split("/"))
        number = self._known[place, fields, key] = self.commons.setdefault(common, len(self.commons))
        return number

    def _files(self, memo: Lines | Pieces, statements: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(name for statement in statements for name in memo.file_names(statement)))


class _Entries:
    """All values of a task: product, path, and the value as a statement with its declared type."""

    def __init__(self) -> None:
        self.paths: dict[str, int] = {}
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, memo: Lines | Pieces, leaves: Sequence[Leaf], rows: np.ndarray, matrix: np.ndarray) -> None:
        if not leaves:
            return
        numbers = self.paths
        paths = np.array([numbers.setdefault(leaf.path, len(numbers)) for leaf in leaves], dtype=np.int32)
        if memo.standard == "PDS3":
            codes: np.ndarray | int = 0
        else:
            codes = np.array([_CODES[leaf.declared] for leaf in leaves], dtype=np.int64)[:, None]
        statements = matrix[:, [leaf.position for leaf in leaves]].T.astype(np.int64) * 8 + codes
        self._parts.append((np.tile(rows, len(leaves)), np.repeat(paths, len(rows)), statements.ravel()))

    def sorted(
        self, family: np.ndarray, place: np.ndarray, lines: Lines, pieces: Pieces
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Elements]:
        """All entries by family, path and product, with numbers of distinct values in place of statements."""
        elements = Elements()
        if not self._parts:
            nothing = np.zeros(0, np.int32)
            return nothing, nothing, nothing, elements
        row, path, statement = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        row = place[row]
        order = np.argsort(
            (family[row].astype(np.int64) * len(self.paths) + path) * (int(row.max()) + 1) + row, kind="stable"
        )
        row, path, statement = row[order], path[order], statement[order]
        used = np.zeros(int(statement.max()) + 1, bool)
        used[statement] = True
        distinct = np.flatnonzero(used)
        number = np.zeros(len(used), np.int32)
        codes = distinct & 7
        own = distinct[codes == 0] >> 3
        other = distinct[codes > 0]
        number[own << 3] = lines.add_typed(own.tolist(), [None] * len(own), elements)
        declared = [_DECLARED[code] for code in (other & 7).tolist()]
        number[other] = pieces.add_typed((other >> 3).tolist(), declared, elements)
        return row, path, number[statement], elements


def _mask_fills(chunk: Chunk) -> None:
    """Make the numbers missing that an instrument is known to write where it has none (`FILL_NUMBERS`)."""
    for number, name in enumerate(chunk.families):
        fills = fills_of(name.rpartition("/")[2])
        if not fills:
            continue
        bits = np.array(sorted(fills), dtype=np.float64).view(np.int64)
        filled = (chunk.kind == FLOAT) & np.isin(chunk.bits, bits)
        values = np.flatnonzero(np.add.reduceat(filled, chunk.first[:-1])) if filled.any() else np.zeros(0, int)
        own = (chunk.family == number)[chunk.row] & np.isin(chunk.value, values)
        if own.any():
            _replace_filled(chunk, own, filled)


def _replace_filled(chunk: Chunk, entries: np.ndarray, filled: np.ndarray) -> None:
    """Give the entries copies of their values in which the filled elements are missing."""
    for value in np.unique(chunk.value[entries]).tolist():
        start, stop = chunk.first[value], chunk.first[value + 1]
        chunk.value[entries & (chunk.value == value)] = len(chunk.listed)
        masked = filled[start:stop]
        chunk.kind = np.append(chunk.kind, np.where(masked, MISSING, chunk.kind[start:stop]).astype(np.int8))
        chunk.bits = np.append(chunk.bits, np.where(masked, 0, chunk.bits[start:stop]))
        chunk.unit = np.append(chunk.unit, np.where(masked, -1, chunk.unit[start:stop]).astype(np.int32))
        chunk.text += ["fill" if gone else text for gone, text in zip(masked, chunk.text[start:stop], strict=True)]
        chunk.listed = np.append(chunk.listed, chunk.listed[value])
        chunk.first = np.append(chunk.first, np.int32(len(chunk.kind)))
