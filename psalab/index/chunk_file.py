"""Chunks on disk: one Arrow file each, so that a killed build goes on from those that are there.

A chunk is a record batch of a single row whose columns are lists: the arrays of a `Chunk`, keys of its products, and what
`observe` counted. Objects that are few (identities, rejects) are JSON. Nothing is ever unpickled. Who reads a chunk reads the
columns that are needed alone.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from psalab.index.arrow import as_numbers, as_numpy, as_strings
from psalab.index.elements import KINDS
from psalab.index.observe import Counts, Observations, observe
from psalab.index.scrape import Chunk, Rejected, Task, scrape
from psalab.labels.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "Products",
    "Values",
    "file_hash",
    "named_files",
    "product_key",
    "read_chunk",
    "read_products",
    "read_values",
    "scrape_to_file",
    "write_chunk",
]

_PRODUCTS: Final = ("label", "standard", "common", "start_time", "stop_time", "family", "digest")
_ELEMENTS: Final = ("value", "kind", "bits", "unit", "first", "listed")
_TEXTS: Final = ("labels", "ids", "paths", "families", "units")
#: Arrays of `Observations`; each of `_COUNTED` is three.
_OBSERVED: Final = ("start", "family", "path", "kinds", "labels", "listed", "least", "most")
_COUNTED: Final = ("missing", "units")


@dataclass(frozen=True)
class Products:
    """The products of a chunk, and what was seen of their keywords; `key` and what is not said here as in `Chunk`."""

    root: str
    labels: list[str]
    key: np.ndarray
    label: np.ndarray
    standard: np.ndarray
    common: np.ndarray
    ids: pa.StringArray
    start_time: np.ndarray
    stop_time: np.ndarray
    digest: np.ndarray
    commons: list[Identity]
    families: list[str]
    paths: list[str]
    seen: Observations
    named: list[tuple[int, str]]
    rejected: list[Rejected]
    read_bytes: int

    def kinds(self) -> Iterator[tuple[Identity, int, str]]:
        """Give what products have in common, how many these are, and their standard."""
        counts = np.bincount(self.common, minlength=len(self.commons)).tolist()
        _, first = np.unique(self.common, return_index=True)
        for common, count, standard in zip(self.commons, counts, self.standard[first].tolist(), strict=True):
            yield common, count, f"PDS{standard}"


@dataclass(frozen=True)
class Values:
    """The values of a chunk; the path of each stands in `seen` alone, for the values of a path follow each other."""

    key: np.ndarray
    family: np.ndarray
    paths: list[str]
    families: list[str]
    seen: Observations
    row: np.ndarray
    value: np.ndarray
    kind: np.ndarray
    bits: np.ndarray
    text: pa.StringArray
    unit: np.ndarray
    units: list[str]
    first: np.ndarray
    listed: np.ndarray


def product_key(root: str, label: str) -> int:
    """Key of a product: 64 bits of a hash over root name and the label's path below it, as a signed integer."""
    return int.from_bytes(blake2b(f"{root}\0{label}".encode(), digest_size=8).digest(), "big", signed=True)


# ------------------------------------------------------------------------------------------------------------- writing


def write_chunk(chunk: Chunk, target: str | Path) -> None:
    """Write a chunk so that it is there whole or not at all."""
    keys = [product_key(chunk.root, chunk.labels[at]) for at in chunk.label.tolist()]
    columns = {name: as_numbers(getattr(chunk, name)) for name in (*_PRODUCTS, *_ELEMENTS) if name != "listed"}
    columns |= {name: as_strings(getattr(chunk, name)) for name in _TEXTS}
    columns |= {
        "key": as_numbers(np.array(keys, np.int64)),
        "listed": as_numbers(chunk.listed.view(np.int8)),
        "step": as_numbers(np.diff(chunk.row, prepend=np.int32(0))),  # nearly always 1, and so nearly no bytes
        "text": chunk.text,
        "named_row": as_numbers(np.array([row for row, _ in chunk.named], np.int32)),
        "named_file": as_strings([name for _, name in chunk.named]),
        "objects": as_strings([_objects(chunk)]),
        **_observed_columns(observe(chunk)),
    }
    lists = [
        pa.LargeListArray.from_arrays(as_numbers(np.array([0, len(column)])), column) for column in columns.values()
    ]
    batch = pa.RecordBatch.from_arrays(lists, names=list(columns))
    part = f"{target}.part{os.getpid()}"
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    try:
        with pa.OSFile(part, "wb") as sink, pa.ipc.new_file(sink, batch.schema, options=options) as writer:
            writer.write_batch(batch)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)  # on a full disk, others may need the space
        raise


def _objects(chunk: Chunk) -> str:
    return json.dumps(
        {
            "commons": [asdict(common) for common in chunk.commons],
            "rejected": [tuple(rejected) for rejected in chunk.rejected],
            "read_bytes": chunk.read_bytes,
            "root": chunk.root,
            "attached": chunk.attached,
        },
        default=_as_json,
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a chunk")


def _observed_columns(seen: Observations) -> dict[str, pa.Array]:
    arrays = {name: getattr(seen, name).ravel() for name in _OBSERVED}
    columns = {
        f"seen_{name}": as_numbers(array.view(np.int8) if array.dtype == bool else array)
        for name, array in arrays.items()
    }
    for name in _COUNTED:
        counts: Counts = getattr(seen, name)
        columns[f"seen_{name}_group"] = as_numbers(counts.group)
        columns[f"seen_{name}_text"] = as_strings(counts.text)
        columns[f"seen_{name}_count"] = as_numbers(counts.count)
    columns["seen_examples"] = as_strings([text for texts in seen.examples for text in texts])
    columns["seen_examples_size"] = as_numbers(np.array([len(texts) for texts in seen.examples], np.int32))
    return columns


# ------------------------------------------------------------------------------------------------------------- reading

_OF_SEEN: Final = (
    *(f"seen_{name}" for name in _OBSERVED),
    *(f"seen_{name}_{part}" for name in _COUNTED for part in ("group", "text", "count")),
    "seen_examples",
    "seen_examples_size",
)
_OF_PRODUCTS: Final = (
    *_PRODUCTS, "key", "labels", "ids", "paths", "families", "named_row", "named_file", "objects", *_OF_SEEN,
)  # fmt: skip
_OF_VALUES: Final = (*_ELEMENTS, "key", "family", "step", "text", "paths", "families", "units", *_OF_SEEN)


def read_products(path: str | Path) -> Products:
    """Read the products of a chunk."""
    stored = _Stored(path, _OF_PRODUCTS)
    numbers, texts, objects = stored.numbers, stored.texts, stored.objects()
    return Products(
        root=objects["root"],
        labels=texts("labels"),
        key=numbers("key"),
        label=numbers("label"),
        standard=numbers("standard"),
        common=numbers("common"),
        ids=stored.column("ids"),
        start_time=numbers("start_time"),
        stop_time=numbers("stop_time"),
        digest=numbers("digest"),
        commons=objects["commons"],
        families=texts("families"),
        paths=texts("paths"),
        seen=stored.seen(),
        named=stored.named(),
        rejected=objects["rejected"],
        read_bytes=objects["read_bytes"],
    )


def read_values(path: str | Path) -> Values:
    """Read the values of a chunk."""
    stored = _Stored(path, _OF_VALUES)
    numbers, texts = stored.numbers, stored.texts
    return Values(
        key=numbers("key"),
        family=numbers("family"),
        paths=texts("paths"),
        families=texts("families"),
        seen=stored.seen(),
        row=stored.rows(),
        value=numbers("value"),
        kind=numbers("kind"),
        bits=numbers("bits"),
        text=stored.column("text"),
        unit=numbers("unit"),
        units=texts("units"),
        first=numbers("first"),
        listed=numbers("listed"),
    )


def read_chunk(path: str | Path) -> Chunk:
    """Read a whole chunk back."""
    stored = _Stored(path)
    seen, row = stored.seen(), stored.rows()
    arrays: dict[str, Any] = {name: stored.numbers(name) for name in (*_PRODUCTS, *_ELEMENTS)}
    arrays["path"] = np.repeat(seen.path, np.diff(seen.start, append=len(row)))
    texts: dict[str, Any] = {name: stored.texts(name) for name in _TEXTS}
    return Chunk(**arrays, **texts, row=row, text=stored.column("text"), named=stored.named(), **stored.objects())


class _Stored:
    """A chunk file, or some of its columns."""

    def __init__(self, path: str | Path, columns: Iterable[str] | None = None):
        with pa.memory_map(str(path)) as source:
            names = pa.ipc.open_file(source).schema.names
            fields = None if columns is None else sorted(map(names.index, columns))
            options = pa.ipc.IpcReadOptions(included_fields=fields)
            self.batch = pa.ipc.open_file(source, options=options).get_batch(0)

    def column(self, name: str) -> pa.Array:
        return self.batch.column(name).flatten()

    def numbers(self, name: str) -> np.ndarray:
        numbers = as_numpy(self.column(name))
        return numbers.view(bool) if name.endswith("listed") else numbers

    def texts(self, name: str) -> list[Any]:
        texts: list[Any] = self.column(name).to_pylist()
        return texts

    def rows(self) -> np.ndarray:
        return np.cumsum(self.numbers("step"), dtype=np.int32)

    def named(self) -> list[tuple[int, str]]:
        return list(zip(self.numbers("named_row").tolist(), self.texts("named_file"), strict=True))

    def objects(self) -> dict[str, Any]:
        objects: dict[str, Any] = json.loads(self.texts("objects")[0])
        objects["commons"] = [_identity(common) for common in objects["commons"]]
        objects["rejected"] = [Rejected(*rejected) for rejected in objects["rejected"]]
        return objects

    def seen(self) -> Observations:
        arrays: dict[str, Any] = {name: self.numbers(f"seen_{name}") for name in _OBSERVED}
        arrays["kinds"] = arrays["kinds"].reshape(-1, KINDS)
        for name in _COUNTED:
            group, text, count = (f"seen_{name}_{part}" for part in ("group", "text", "count"))
            arrays[name] = Counts(self.numbers(group), self.texts(text), self.numbers(count))
        examples = iter(self.texts("seen_examples"))
        sizes = self.numbers("seen_examples_size").tolist()
        return Observations(**arrays, examples=[list(islice(examples, size)) for size in sizes])


_TIMES: Final = frozenset({"start_time", "stop_time"})


def _identity(entry: dict[str, Any]) -> Identity:
    values = {item.name: entry[item.name] for item in fields(Identity)}
    values["targets"] = tuple(values["targets"])
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Identity(**values)


# ------------------------------------------------------------------------------------------------------------ scraping


def scrape_to_file(task: Task, target: str) -> tuple[int, np.ndarray]:
    """Scrape a task into a chunk file; give the number of rejects and the files that its labels name."""
    chunk = scrape(task)
    write_chunk(chunk, target)
    found = len(chunk.rejected), named_files(chunk)
    del chunk
    pa.default_memory_pool().release_unused()
    return found


def named_files(chunk: Chunk | Products) -> np.ndarray:
    """Files that the labels of a chunk name, as `file_hash`."""
    folders = [label.rpartition("/")[0] for label in chunk.labels]
    label = chunk.label.tolist()
    return np.array([file_hash(chunk.root, folders[label[row]], name) for row, name in chunk.named], np.int64)


def file_hash(root: str, folder: str, name: str) -> int:
    """Hash of a file's place, its name in lower case, of 64 bits: what an array of ten million files can be made of."""
    digest = blake2b(f"{root}\0{folder}\0{name.lower()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
