"""What a check reads in labels themselves: the files of a PDS4 label, and the line that a finding is about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.errors import LabelError
from psalab.index.walk import unescape
from psalab.labels.find import read_label
from psalab.labels.label import Block, Keyword, Label
from psalab.labels.values import scalars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from psalab.index.check_codes import Finding
    from psalab.index.check_sources import Ground
    from psalab.index.sql import Query

__all__ = ["Declared", "Lines", "declared_files", "line_of", "read_absent", "read_declared"]

#: Labels whose files are compared at once.
_AT_ONCE: Final = 5_000
#: Labels that are read to tell the lines of findings.
_MOST_LINES: Final = 20_000
#: Labels that are read to tell whether they have a keyword.
_MOST_READ: Final = 2_000


class Declared(NamedTuple):
    """A file as its label declares it; size in bytes and MD5 sum where it does."""

    name: str
    bytes: int | None
    md5: str | None


def declared_files(label: Label) -> Iterator[Declared]:
    """Give the files of a PDS4 label."""
    for _, node in label.walk():
        if isinstance(node, Block):
            leaves = {child.name: child for child in node.children if isinstance(child, Keyword)}
            if "pds:file_name" in leaves:
                folder = leaves.get("pds:directory_path_name")
                name = leaves["pds:file_name"].raw.strip()
                size = leaves["pds:file_size"].value if "pds:file_size" in leaves else None
                md5 = leaves["pds:md5_checksum"].raw.strip() if "pds:md5_checksum" in leaves else None
                yield Declared(
                    f"{folder.raw.strip().strip('/')}/{name}" if folder else name,
                    size if isinstance(size, int) else None,
                    md5,
                )


def read_declared(ground: Ground, query: Query, step: str) -> Iterator[pa.Table]:
    """Read labels, and give the files that they declare as tables: product_key, name, bytes, md5.

    Parameters
    ----------
    ground : Ground
    query : Query
        Selects product_key, root and label.
    step : str
        What is being done, in words.
    """
    import pyarrow as pa

    rows = list(ground.rows(query))
    for start in range(0, len(rows), _AT_ONCE):
        declared: list[tuple[int, Declared]] = []
        for done, (key, root, path) in enumerate(rows[start : start + _AT_ONCE], start):
            ground.tell(step, done, len(rows))
            label = _label(ground, root, path)
            declared += [(key, file) for file in declared_files(label)] if label else []
        yield pa.table(
            {
                "product_key": pa.array([key for key, _ in declared], pa.int64()),
                "name": pa.array([file.name for _, file in declared], pa.string()),
                "bytes": pa.array([file.bytes for _, file in declared], pa.int64()),
                "md5": pa.array([file.md5 for _, file in declared], pa.string()),
            }
        )


def read_absent(ground: Ground, candidates: Sequence[tuple[str, int, Query]]) -> pa.Table:
    """Read labels that may lack keywords, and give those that do as a table: product_key, path, labels, products.

    Parameters
    ----------
    ground : Ground
    candidates : sequence of (str, int, Query)
        A keyword's path, how many labels may lack it, and a query for them with the columns of the answer.
    """
    import pyarrow as pa

    found: list[tuple[Any, ...]] = []
    for path, labels, query in candidates:
        if labels > _MOST_READ:
            ground.limit(f"which labels lack {path}: too many have it without a value")
            continue
        text = f"select c.*, p.root, p.label from ({query.text}) c join products p using (product_key) order by all"
        for *row, root, file in ground.rows(query._replace(text=text)):
            label = _label(ground, root, file)
            if label is not None and not any(there == path for there, _ in label.leaves()):
                found.append(tuple(row))
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    names = {"product_key": pa.int64(), "path": pa.string(), "labels": pa.int64(), "products": pa.int64()}
    return pa.table({name: pa.array(column, kind) for (name, kind), column in zip(names.items(), columns, strict=True)})


def _label(ground: Ground, root: str, path: str) -> Label | None:
    """Read a label of a volume; None, and a word in the limits, where it is not there any more, or not the one of the index."""
    file = os.path.join(ground.folders[root], unescape(path))
    try:
        return read_label(file)
    except (OSError, LabelError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has changed"
        ground.limit(f"labels of {root} that could not be read where it was, {ground.folders[root]} ({reason})")
        return None


class Lines:
    """Tells the lines of labels that findings are about; keeps the last label, for findings come label by label."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._read = 0
        self._last: tuple[tuple[str, str], Label | None] | None = None

    def located(self, finding: Finding) -> Finding:
        """Give a finding with the line that it is about, where that can be told."""
        if finding.line is not None or finding.path is None or finding.about is None:
            return finding
        label = self._label(finding.root, finding.path)
        return finding._replace(line=line_of(label, finding.about)) if label else finding

    def _label(self, root: str, path: str) -> Label | None:
        if self._last is None or self._last[0] != (root, path):
            if self._read >= _MOST_LINES:
                self._ground.limit(
                    f"lines of labels are given for the findings of the first {_MOST_LINES:,} labels alone"
                )
                return None
            self._read += 1
            self._last = ((root, path), _label(self._ground, root, path))
        return self._last[1]


def line_of(label: Label, about: str) -> int | None:
    """Line of the first keyword that has this path, or else this text among its values (in any case)."""
    named: int | None = None
    wanted = about.lower()
    for path, keyword in label.leaves():
        if path == about:
            return keyword.line
        if named is None and any(scalar.text.strip().lower() == wanted for scalar in scalars(keyword.typed)):
            named = keyword.line
    return named
