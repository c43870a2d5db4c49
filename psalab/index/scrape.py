"""A chunk of label files to typed values in columns; what a worker does.

Nothing here knows of pandas or DuckDB. The result is a `Chunk`: arrays that a worker writes to a file and the store loads.
A label becomes a row of numbers (`statements`); rows of one shape are a matrix; everything after that is done for all
labels of a chunk at once. Each distinct value is typed once for a chunk.
"""

from __future__ import annotations

import errno
import gc
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from psalab.errors import LabelError
from psalab.index.arrow import as_mask, as_scalar
from psalab.index.elements import DECLARED, Elements
from psalab.index.lines import AS_TEXT, PLAIN, Lines
from psalab.index.pieces import Pieces
from psalab.index.statements import Leaf, Unusual
from psalab.index.walk import unescape
from psalab.labels import find, identity, pointers, pvl
from psalab.labels.values import FLOAT, MISSING, TEXT, TIME, Scalar, fills_of, microseconds, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["Chunk", "Rejected", "Task", "digest_of", "is_slow", "read_start", "scrape"]

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
    digest : ndarray
        Of each product what its label's bytes amount to (`digest_of`).
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
    text: pa.StringArray
    unit: np.ndarray
    units: list[str]
    first: np.ndarray
    listed: np.ndarray
    named: list[tuple[int, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read_bytes: int = 0
    digest: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


NO_TIME: Final = np.iinfo(np.int64).min
#: An XML label of more bytes goes through the parser at once: cut to pieces it takes many times its size.
_MAX_FAST_BYTES: Final = 2**20


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


def digest_of(data: bytes) -> int:
    """Give 64 bits that tell whether a label is what it was: XXH3 of what `read_start` reads, as a signed integer."""
    return int.from_bytes(xxhash.xxh3_64_digest(data), "big", signed=True)


def _read(path: str) -> bytes | OSError:
    try:
        return read_start(path)
    except OSError as error:
        return error


def is_slow(paths: Sequence[str]) -> bool:
    """Tell whether files lie on a mount that makes each reader wait; reads a few of them."""
    took = []
    for path in paths[:_TRIAL]:
        began = perf_counter()
        _read(path)
        took.append(perf_counter() - began)
    return bool(took) and sorted(took)[len(took) // 2] >= _SLOW_READ


def _read_all(paths: Sequence[str]) -> list[bytes | OSError]:
    """Contents of files in the order of the paths; on a slow mount many are read at once."""
    if not is_slow(paths):
        return list(map(_read, paths))
    share = -(-len(paths) // _READERS)  # neighbours to one reader: readers in one folder wait for each other

    def read_some(first: int) -> list[bytes | OSError]:
        return list(map(_read, paths[first : first + share]))

    with ThreadPoolExecutor(_READERS) as readers:
        return list(chain.from_iterable(readers.map(read_some, range(0, len(paths), share))))


class _Scraper:
    def __init__(self, task: Task):
        self.task = task
        self.rejected: list[Rejected] = []
        self.digests = np.zeros(len(task.labels), np.int64)
        self.read_bytes = 0
        self.products = _Products(task)
        self.entries = _Entries()

    def run(self) -> Chunk:
        texts: dict[str, dict[int, str]] = {"PDS3": {}, "PDS4": {}}
        whole = []
        root = self.task.root
        for number, data in enumerate(_read_all([os.path.join(root, unescape(label)) for label in self.task.labels])):
            if isinstance(data, OSError):
                self._reject_unreadable(number, data)
                continue
            self.read_bytes += len(data)
            if self.task.attached and not find.begins_with_label(data):
                continue
            self.digests[number] = digest_of(data)
            standard = "PDS4" if find.is_xml(data) else "PDS3"
            text = _xml_text(data) if standard == "PDS4" else _pvl_text(data)
            if text is None:
                whole.append(number)
            else:
                texts[standard][number] = text
        self.lines, self.pieces = Lines(list(texts["PDS3"].values())), Pieces(list(texts["PDS4"].values()))
        for memo, numbers in ((self.lines, np.array([*texts["PDS3"]])), (self.pieces, np.array([*texts["PDS4"]]))):
            whole += numbers[memo.unusual].tolist() if memo.unusual else []
            for keys, labels, matrix in memo.shapes():
                self._shape(memo, keys, numbers[labels], matrix)
        for number in whole:
            self._whole(number)
        return self._chunk()

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
        place = products.finish(self.lines, self.pieces)
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
            digest=self.digests[np.array(products.label, dtype=np.int32)],
        )
        _mask_fills(chunk)
        return chunk


def _pvl_text(data: bytes) -> str:
    """Text of a PDS3 label, to its END where data follow that are no ASCII."""
    if len(data) < find.FIRST_BYTES and data.isascii():
        return data.decode()
    for end in (b"\nEND\r\n", b"\nEND\n"):
        at = data.find(end)
        if at >= 0:
            data = data[: at + len(end)]
            break
    return pvl.decode(data)


def _xml_text(data: bytes) -> str | None:
    """Text of an XML label; None where it takes a parser to tell."""
    if len(data) > _MAX_FAST_BYTES:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _typed(coded: np.ndarray, lines: Lines, pieces: Pieces, elements: Elements) -> np.ndarray:
    """Type statements, each distinct one once; give the number of each one's value."""
    used = np.zeros(int(coded.max()) + 1 if len(coded) else 0, bool)
    used[coded] = True
    distinct = np.flatnonzero(used)
    statements, codes = distinct >> 3, distinct & 7
    number = np.zeros(len(used), np.int32)
    of_lines = codes >= PLAIN
    for memo, mine in ((lines, of_lines), (pieces, ~of_lines)):
        if mine.any():
            number[distinct[mine]] = memo.add_typed(statements[mine], codes[mine], elements)
    values: np.ndarray = number[coded]
    return values


def _coded(memo: Lines | Pieces, leaves: Sequence[Leaf], matrix: np.ndarray) -> np.ndarray:
    """Statements of keywords with their declared types, as `_typed` wants them: a row for each label."""
    if isinstance(memo, Pieces):
        codes = [DECLARED.index(leaf.declared) for leaf in leaves]
    else:
        codes = [AS_TEXT if leaf.declared == "text" else PLAIN for leaf in leaves]
    return matrix[:, [leaf.position for leaf in leaves]].astype(np.int64) * 8 + np.array(codes, np.int64)


class _Shape(NamedTuple):
    """What the labels of a shape have in common.

    Attributes
    ----------
    memo : Lines or Pieces
    shared : list of (str, list of Leaf)
        Fields of the identity and the keywords that tell them; a product's own fields are left out.
    root : str
        Name of the root element (PDS4).
    """

    memo: Lines | Pieces
    shared: list[tuple[str, list[Leaf]]]
    root: str


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
        self._shapes: list[_Shape] = []
        self._shared: list[tuple[int, tuple[int, ...]]] = []  # shape, and statements of the fields in common
        self._own: list[tuple[int, np.ndarray, np.ndarray]] = []  # own field, products, coded statements

    def add(
        self, memo: Lines | Pieces, leaves: Sequence[Leaf], numbers: np.ndarray, matrix: np.ndarray, root: str
    ) -> np.ndarray:
        """Take in the labels of a shape; give the numbers of their products."""
        paths = [leaf.path for leaf in leaves]
        chosen = {
            name: [leaves[at] for at in found] for name, found in identity.select(memo.standard, paths).items()
        }  # fmt: skip
        shape = _Shape(memo, [(name, found) for name, found in chosen.items() if name not in _OWN_FIELDS], root)
        keys = matrix[:, [leaf.position for _, found in shape.shared for leaf in found]].tolist()
        rows = np.arange(len(self.label), len(self.label) + len(numbers), dtype=np.int32)
        self.label += numbers.tolist()
        self.standard += [int(memo.standard[3])] * len(numbers)
        self._shared += [(len(self._shapes), tuple(key)) for key in keys]
        self._shapes.append(shape)
        for field_, name in enumerate(_OWN_FIELDS):
            coded = _coded(memo, chosen.get(name, []), matrix)
            self._own += [(field_, rows, column) for column in coded.T]
        naming = [leaves[at] for at in pointers.select_files(memo.standard, paths)]
        if naming:
            self._name_files(memo, rows, matrix[:, [leaf.position for leaf in naming]])
        return rows

    def _name_files(self, memo: Lines | Pieces, rows: np.ndarray, statements: np.ndarray) -> None:
        names = {statement: memo.file_names(statement) for statement in np.unique(statements).tolist()}
        for row, own in zip(rows.tolist(), statements.tolist(), strict=True):
            self.named += [(row, name) for name in dict.fromkeys(name for at in own for name in names[at])]

    def finish(self, lines: Lines, pieces: Pieces) -> np.ndarray:
        """Tell who the products are, and bring them in the order of their labels; give the new place of each."""
        self._tell_own(lines, pieces)
        known: dict[tuple[Any, ...], int] = {}
        for at, number in enumerate(self.label):
            folder, _, name = self.task.labels[number].rpartition("/")
            shape, statements = self._shared[at]
            id_ = self.ids[at] = self.ids[at] or name
            bundle = ":".join(id_.split(":")[:5]) if self.standard[at] == 4 else ""
            key = shape, statements, folder, bundle
            common = known.get(key)
            if common is None:
                common = known[key] = self._common(self._shapes[shape], statements, folder, bundle)
            self.common.append(common)
        return self._sort()

    def _tell_own(self, lines: Lines, pieces: Pieces) -> None:
        """Fill in id, start and stop: of each the first value that is there."""
        fields, rows, coded = zip(*self._own, strict=True) if self._own else ((), (), ())
        elements = Elements()
        values = _typed(np.concatenate([np.zeros(0, np.int64), *coded]), lines, pieces, elements)
        made = elements.arrays()
        kinds, bits, texts, first = (made[name].tolist() for name in ("kind", "bits", "text", "first"))
        found: list[dict[int, tuple[int, int, str]]] = [{}, {}, {}]
        field_of = np.repeat(np.array(fields, np.int32), [len(own) for own in rows])
        row_of = np.concatenate([np.zeros(0, np.int32), *rows])
        for field_, row, value in zip(field_of.tolist(), row_of.tolist(), values.tolist(), strict=True):
            for at in range(first[value], first[value + 1]):
                if kinds[at] != MISSING and texts[at]:
                    found[field_].setdefault(row, (kinds[at], bits[at], texts[at]))
                    break
        nothing = (MISSING, 0, "")
        everyone = range(len(self.label))
        self.ids = [found[0].get(row, nothing)[2] or None for row in everyone]
        self.start, self.stop = ([_moment(*found[field_].get(row, nothing)) for row in everyone] for field_ in (1, 2))

    def _common(self, shape: _Shape, statements: Sequence[int], folder: str, bundle: str) -> int:
        """Give the number of what a product has in common with others of its folder, root element and bundle."""
        memo = shape.memo
        of_leaf = iter(statements)
        values = {name: [memo.typed(next(of_leaf), leaf.declared) for leaf in found] for name, found in shape.shared}
        if bundle:
            values["id"] = [Scalar(TEXT, bundle, bundle)]
        common = identity.assemble(memo.standard, shape.root, values, folder.split("/"))
        return self.commons.setdefault(common, len(self.commons))

    def _sort(self) -> np.ndarray:
        order = np.argsort(np.array(self.label, dtype=np.int32), kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        for column in (self.label, self.standard, self.common, self.ids, self.start, self.stop):
            column[:] = [column[at] for at in order.tolist()]
        self.named = sorted((int(place[row]), name) for row, name in self.named)
        return place


def _moment(kind: int, bits: int, text: str) -> int:
    """Microseconds of a start or stop time, which may be quoted."""
    time = parse_time(text) if kind == TEXT else None
    return bits if kind == TIME else NO_TIME if time is None else microseconds(time)


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
        statements = _coded(memo, leaves, matrix).T
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
        return row[order], path[order], _typed(statement[order], lines, pieces, elements), elements


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
        texts = chunk.text.slice(start, stop - start)
        chunk.text = pa.concat_arrays([chunk.text, pc.if_else(as_mask(masked), as_scalar("fill"), texts)])
        chunk.listed = np.append(chunk.listed, chunk.listed[value])
        chunk.first = np.append(chunk.first, np.int32(len(chunk.kind)))
