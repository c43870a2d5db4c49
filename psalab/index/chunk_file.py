"""Chunks on disk: one Arrow file each, so that a killed build goes on from those that are there.

A chunk is a record batch of a single row whose columns are lists: the arrays of a `Chunk`. Objects that are few (identities,
rejects) are JSON. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from psalab.index.scrape import Chunk, Rejected, Task, scrape
from psalab.labels.identity import Identity

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_hash", "named_files", "read_chunk", "scrape_to_file", "write_chunk"]

_ARRAYS: Final = (
    "label", "standard", "common", "start_time", "stop_time", "row", "path", "value", "family", "kind", "bits", "unit",
    "first", "listed",
)  # fmt: skip
_TEXTS: Final = ("labels", "ids", "paths", "families", "text", "units")


def write_chunk(chunk: Chunk, target: str | Path) -> None:
    """Write a chunk so that it is there whole or not at all."""
    columns: dict[str, pa.Array] = {name: _one_row(pa.array(getattr(chunk, name))) for name in _ARRAYS}
    columns |= {name: _one_row(pa.array(getattr(chunk, name), pa.string())) for name in _TEXTS}
    columns["named_row"] = _one_row(pa.array([row for row, _ in chunk.named], pa.int32()))
    columns["named_file"] = _one_row(pa.array([name for _, name in chunk.named], pa.string()))
    columns["objects"] = pa.array(
        [
            json.dumps(
                {
                    "commons": [asdict(common) for common in chunk.commons],
                    "rejected": [tuple(rejected) for rejected in chunk.rejected],
                    "read_bytes": chunk.read_bytes,
                    "root": chunk.root,
                    "attached": chunk.attached,
                },
                default=_as_json,
            )
        ]
    )
    batch = pa.RecordBatch.from_pydict(columns)
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


def _one_row(values: pa.Array) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a chunk")


def read_chunk(path: str | Path) -> Chunk:
    """Read a chunk back; text columns stay Arrow arrays where they are long."""
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
    arrays: dict[str, Any] = {}
    for name in _ARRAYS:
        values = _values(batch, name)
        arrays[name] = np.asarray(values.to_numpy(zero_copy_only=False))
    objects = json.loads(batch.column("objects")[0].as_py())
    return Chunk(
        **arrays,
        root=objects["root"],
        attached=objects["attached"],
        labels=_values(batch, "labels").to_pylist(),
        ids=_values(batch, "ids").to_pylist(),
        paths=_values(batch, "paths").to_pylist(),
        families=_values(batch, "families").to_pylist(),
        units=_values(batch, "units").to_pylist(),
        text=_values(batch, "text"),
        commons=[_identity(common) for common in objects["commons"]],
        named=list(zip(_values(batch, "named_row").to_pylist(), _values(batch, "named_file").to_pylist(), strict=True)),
        rejected=[Rejected(*rejected) for rejected in objects["rejected"]],
        read_bytes=objects["read_bytes"],
    )


def _values(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch.column(name).flatten()


_TIMES: Final = frozenset({"start_time", "stop_time"})


def _identity(entry: dict[str, Any]) -> Identity:
    values = {item.name: entry[item.name] for item in fields(Identity)}
    values["targets"] = tuple(values["targets"])
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    return Identity(**values)


def scrape_to_file(task: Task, target: str) -> tuple[int, set[bytes]]:
    """Scrape a task into a chunk file; give the number of rejects and the files that its labels name."""
    chunk = scrape(task)
    write_chunk(chunk, target)
    return len(chunk.rejected), named_files(chunk)


def named_files(chunk: Chunk) -> set[bytes]:
    """Files that the labels of a chunk name, as `file_hash`."""
    folders = [label.rpartition("/")[0] for label in chunk.labels]
    return {file_hash(chunk.root, folders[chunk.label[row]], name) for row, name in chunk.named}


def file_hash(root: str, folder: str, name: str) -> bytes:
    """Short hash of a file's place, its name in lower case: what a set of ten million files can be made of."""
    return blake2b(f"{root}\0{folder}\0{name.lower()}".encode(), digest_size=12).digest()
