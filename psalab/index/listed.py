"""The files of a root on disk: written once while walking, read as often as needed, and cut into tasks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from psalab.index.arrow import as_numbers, as_scalar, as_strings
from psalab.index.chunk_file import file_hash
from psalab.index.scrape import Task
from psalab.index.walk import find_marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from psalab.index.walk import Folder

__all__ = ["LISTED", "ROLE_SQL", "Listed", "Tasks", "role_of"]

_LABELS: Final = (".lbl", ".xml", ".lblx")
#: Data files that may begin with a label (PDS Standards Reference 3.8, chapter 10 and appendix B, and common usage).
_ATTACHED: Final = (
    ".img", ".tab", ".dat", ".qub", ".cub", ".arr", ".spc", ".ser", ".raw", ".imq", ".ibg", ".asc", ".tbl", ".bin", ".edr",
    ".rdr", ".ddr", ".drk", ".cal", ".red",
)  # fmt: skip
#: The role of a file by its name, as `role_of` tells it, in SQL.
ROLE_SQL: Final = (
    f"case when regexp_matches(lower(name), '[.]({'|'.join(suffix[1:] for suffix in _LABELS)})$') then 'label'"
    f" when regexp_matches(lower(name), '[.]({'|'.join(suffix[1:] for suffix in _ATTACHED)})$') then 'peeked'"
    " else 'other' end"
)
_CHUNK_BYTES: Final = 256 * 2**20
_ROWS: Final = 2000
LISTED: Final = pa.schema(
    [("folder", pa.string()), ("name", pa.string()), ("size", pa.int64()), ("mtime", pa.int64()), ("role", pa.string())]
)


class Listed:
    """Files of a root.

    Attributes
    ----------
    name : str
    path, file : pathlib.Path
        Where the root is; where its files are written to.
    marker : str or None
        As in `psalab.index.store.Listing`.
    unreadable : list of (str, str)
        Path and reason of what could not be read.
    folders : list of (str, int, int)
        Path, `Folder.digest` and number of files of each folder.
    labels : int
        Files whose name is that of a label.
    label_bytes : int
        Their bytes, of each as many as may be read.
    """

    def __init__(self, name: str, path: Path, file: Path):
        self.name, self.path, self.file = name, path, file
        self.marker: str | None = None
        self.unreadable: list[tuple[str, str]] = []
        self.folders: list[tuple[str, int, int]] = []
        self.labels = self.label_bytes = 0

    def write(self, folders: Iterable[Folder]) -> Iterator[int]:
        """Write the folders of a walk; give the number of files so far."""
        count = 0
        with _written(self.file) as writer:
            for batch in self._batched(folders):
                writer.write_batch(batch)
                count += batch.num_rows
                yield count

    def _batched(self, folders: Iterable[Folder]) -> Iterator[pa.RecordBatch]:
        rows: list[tuple[str, str, int, int, str]] = []
        for folder in folders:
            self.unreadable += folder.unreadable
            self.folders.append((folder.path, folder.digest(), len(folder.files)))
            if not folder.path:
                self.marker = find_marker([file.name for file in folder.files])
            rows += [(folder.path, name, size, mtime, role_of(name)) for name, size, mtime in folder.files]
            if len(rows) >= _ROWS:
                yield self._batch(rows)
                rows = []
        yield self._batch(rows)

    def _batch(self, rows: Sequence[tuple[str, str, int, int, str]]) -> pa.RecordBatch:
        folder, name, size, mtime, role = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        numbers = [as_numbers(np.array(column, np.int64)) for column in (size, mtime)]
        batch = pa.RecordBatch.from_arrays(
            [as_strings(folder), as_strings(name), *numbers, as_strings(role)], schema=LISTED
        )
        self._count(batch)
        return batch

    def _count(self, batch: pa.RecordBatch) -> None:
        import pyarrow.compute as pc

        sizes = batch.filter(pc.equal(batch.column("role"), as_scalar("label"))).column("size").to_numpy()
        self.labels += len(sizes)
        self.label_bytes += int(np.minimum(sizes, 2**20).sum())

    def copy(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Write files that come from elsewhere, as `LISTED`."""
        with _written(self.file) as writer:
            for batch in batches:
                writer.write_batch(batch)
                self._count(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the files back: folder, name, size, mtime (microseconds) and role."""
        with pa.memory_map(str(self.file)) as source:
            yield from pa.ipc.open_stream(source)

    def tell_named(self, named: np.ndarray) -> int:
        """Note which files that might begin with a label are named by one, and so are not peeked into; count the others.

        `named` are the hashes of the files that labels name.
        """
        peeked = 0
        told = self.file.with_suffix(".roles")
        with _written(told) as writer:
            for batch in self.batches():
                folders, names, _, _, roles = (column.to_pylist() for column in batch.columns)
                asked = np.array([at for at, role in enumerate(roles) if role == "peeked"], np.int64)
                hashes = [file_hash(self.name, folders[at], names[at]) for at in asked.tolist()]
                is_named = np.isin(np.array(hashes, np.int64), named)
                for at in asked[is_named].tolist():
                    roles[at] = "other"
                peeked += int(np.count_nonzero(~is_named))
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns[:4], as_strings(roles)], schema=LISTED))
        self.file = told
        return peeked

    def tasks(self, role: str, size: int, *, structure: bool) -> Iterator[Task]:
        """Tasks of at most `size` files of a role."""
        labels: list[str] = []
        stamps: list[tuple[str, int, int]] = []
        total = 0
        for folder, name, file_size, mtime in self._of(role):
            if labels and (len(labels) == size or total + min(file_size, 2**20) > _CHUNK_BYTES):
                yield Task(str(self.path), self.name, tuple(labels), role != "label", structure, tuple(stamps))
                labels, stamps, total = [], [], 0
            label = f"{folder}/{name}" if folder else name
            labels.append(label)
            stamps.append((label, file_size, mtime))
            total += min(file_size, 2**20)
        if labels:
            yield Task(str(self.path), self.name, tuple(labels), role != "label", structure, tuple(stamps))

    def _of(self, role: str) -> Iterator[tuple[str, str, int, int]]:
        import pyarrow.compute as pc

        for batch in self.batches():
            chosen = batch.filter(pc.equal(batch.column("role"), as_scalar(role)))
            yield from zip(*(column.to_pylist() for column in chosen.columns[:4]), strict=True)


class Tasks:
    """Tasks of the files of a role: made anew each time, for the paths and times of ten million files are not held at once."""

    def __init__(self, listings: Sequence[Listed], role: str, size: int, *, structure: bool):
        self.listings, self.role, self.size, self.structure = listings, role, size, structure

    def __iter__(self) -> Iterator[Task]:
        for listing in self.listings:
            yield from listing.tasks(self.role, self.size, structure=self.structure)


def role_of(name: str) -> str:
    """Give the role of a file by its name: 'label', 'peeked' (it may begin with one) or 'other'."""
    lower = name.lower()
    return "label" if lower.endswith(_LABELS) else "peeked" if lower.endswith(_ATTACHED) else "other"


@contextmanager
def _written(file: Path) -> Iterator[pa.RecordBatchStreamWriter]:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, LISTED) as writer:
        yield writer
