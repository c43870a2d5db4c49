"""A data set of PDS3 with all that belongs to it: VOLDESC.CAT, AAREADME.TXT, CATALOG, DOCUMENT, INDEX, LABEL.

Source: PDS Standards Reference 3.8, chapter 19 (volume organisation).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from psalab.demo_volume import pds3
from psalab.demo_volume.summary import WrittenLabel
from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from psalab.demo_volume.tree import Tree

__all__ = ["DataSet", "DataSetWriter"]

#: Names and widths of the columns of INDEX.TAB.
_INDEX_COLUMNS: Final = {
    "FILE_SPECIFICATION_NAME": 64,
    "PRODUCT_ID": 36,
    "DATA_SET_ID": 44,
    "START_TIME": 23,
    "STOP_TIME": 23,
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """What the labels of a data set have in common.

    `id` is the DATA_SET_ID; `lower` says that all names of files are in lower case, as on the mirror of the Small
    Bodies Node.
    """

    id: str
    name: str
    volume: str
    host: str
    host_name: str
    instrument: str
    instrument_name: str
    mission: str
    target: str
    lower: bool = False

    @property
    def folder(self) -> str:
        """Name of its folder on the mount: a slash cannot be part of one."""
        return self.case(self.id.replace("/", "-"))

    def case(self, name: str) -> str:
        """Return the name as the data set spells file names."""
        return name.lower() if self.lower else name

    @property
    def family(self) -> str:
        """Host and instrument id."""
        return f"{self.host}/{self.instrument}"


class DataSetWriter:
    """A data set while it is being written; `finish` adds what describes it."""

    def __init__(self, tree: Tree, about: DataSet):
        self.tree, self.about = tree, about
        self._index: list[tuple[str, ...]] = []

    def path(self, name: str) -> str:
        """Path of a file below the volume."""
        return f"{self.about.folder}/{self.about.case(name)}"

    def product(
        self,
        name: str,
        label: bytes,
        *,
        id: str,
        version: str,
        times: tuple[datetime, datetime],
        files: Mapping[str, bytes] | None = None,
        kind: str = "data",
        is_attached: bool = False,
        twin: str | None = None,
    ) -> str:
        """Write a product.

        Parameters
        ----------
        name : str
            Path of the label below the data set.
        label : bytes
            The label; with the data behind it if `is_attached`.
        id, version : str
        times : tuple of datetime
            Start and stop.
        files : mapping of str to bytes, optional
            Data files, by their path below the data set.
        kind : str
        is_attached : bool
        twin : str, optional
            Path below the data set of the attached label of the same stem.

        Returns
        -------
        str
            Path of the label below the volume.
        """
        for file, data in (files or {}).items():
            self.tree.write(self.path(file), data)
        record = WrittenLabel(
            path=self.path(name),
            standard="PDS3",
            kind=kind,
            family=self.about.family,
            id=id,
            version=version,
            dataset=self.about.id,
            files=(self.path(name),) if is_attached else tuple(self.path(file) for file in files or ()),
            attached=is_attached,
            twin=None if twin is None else self.path(twin),
        )
        self.tree.label(record, label)
        self._index.append((self.about.case(name), id, self.about.id, *map(pds3.time, times)))
        return record.path

    def format_file(self, name: str) -> None:
        """Write a structure file of the folder LABEL."""
        self.tree.write(self.path(f"LABEL/{name}"), pds3.encoded(template(f"formats/{name}")))

    def finish(self) -> None:
        """Write what describes the data set; the data are complete."""
        about = {key: value for key, value in asdict(self.about).items() if key != "lower"}
        self.tree.write(self.path("AAREADME.TXT"), pds3.encoded(pds3.filled("pds3_aareadme.txt", **about)))
        for name in ("VOLDESC.CAT", "CATALOG/DATASET.CAT", "CATALOG/INSTHOST.CAT"):
            text = pds3.filled(f"pds3_{name.rpartition('/')[2].lower()}", **about)
            self.tree.catalog(self.path(name), pds3.encoded(text))
        self._document(about)
        self._write_index(about)

    def _document(self, about: Mapping[str, str]) -> None:
        document = pds3.encoded(pds3.filled("pds3_eaicd.txt", **about))
        label = pds3.filled("pds3_eaicd.lbl", lines=document.count(b"\n"), bytes=len(document), **about)
        self.tree.write(self.path("DOCUMENT/EAICD.TXT"), document)
        self._describing("DOCUMENT/EAICD.LBL", label, "DOCUMENT/EAICD.TXT", "document")

    def _write_index(self, about: Mapping[str, str]) -> None:
        widths = _INDEX_COLUMNS.values()
        rows = [
            ",".join(f'"{value:<{width}}"' for value, width in zip(row, widths, strict=True)) + "\n"
            for row in sorted(self._index)
        ]
        table = pds3.encoded("".join(rows))
        row_bytes = sum(widths) + 3 * len(_INDEX_COLUMNS) + 1  # quotes and commas, and two bytes to end the line
        label = pds3.filled("pds3_index.lbl", rows=len(rows), row_bytes=row_bytes, columns=_index_columns(), **about)
        self.tree.write(self.path("INDEX/INDEX.TAB"), table)
        self._describing("INDEX/INDEX.LBL", label, "INDEX/INDEX.TAB", "index")

    def _describing(self, name: str, label: str, file: str, kind: str) -> None:
        record = WrittenLabel(
            path=self.path(name),
            standard="PDS3",
            kind=kind,
            family=self.about.family,
            id=file.rpartition("/")[2],
            version="1",
            dataset=self.about.id,
            files=(self.path(file),),
        )
        self.tree.label(record, pds3.encoded(label))


def _index_columns() -> str:
    """Descriptions of the columns of INDEX.TAB."""
    start, blocks = 2, []
    for number, (name, width) in enumerate(_INDEX_COLUMNS.items(), 1):
        blocks.append(template("pds3_index_column.lbl").format(name=name, number=number, start=start, width=width))
        start += width + 3
    return "".join(blocks).rstrip("\n")
