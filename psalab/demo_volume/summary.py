"""What was written, in a form that tests can compare with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BrokenLabel", "DemoVolume", "WrittenLabel"]


@dataclass(frozen=True, slots=True)
class WrittenLabel:
    """A label that can be parsed, and so is a product of the volume.

    Attributes
    ----------
    path : str
        Of the file that holds the label, relative to the volume, with ``/``.
    standard : {'PDS3', 'PDS4'}
    kind : str
        data, browse, document, index, collection, bundle, context, ancillary.
    family : str
        Host and instrument id (PDS3), bundle and product class (PDS4).
    id, version, dataset : str
        PRODUCT_ID and PRODUCT_VERSION_ID, or LID and VID; DATA_SET_ID, or bundle and collection of the LID.
    files : tuple of str
        Data files that the label names, relative to the volume; the label itself where it is attached.
    attached : bool
        Whether the data follow in the same file.
    twin : str or None
        The attached label of the same stem, of a detached label beside one.
    """

    path: str
    standard: str
    kind: str
    family: str
    id: str
    version: str
    dataset: str
    files: tuple[str, ...] = ()
    attached: bool = False
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenLabel:
    """Something that is wrong on purpose.

    Attributes
    ----------
    path : str
        Relative to the volume.
    reason : str
        What is wrong with it.
    rejected : bool
        Whether it is no label at all; the others can be parsed and stand in `DemoVolume.labels` too.
    """

    path: str
    reason: str
    rejected: bool


@dataclass(frozen=True, slots=True)
class DemoVolume:
    """What `write_volume` wrote.

    Attributes
    ----------
    folder : Path
    seed, scale : int
        As asked for.
    labels : tuple of WrittenLabel
        Every label that a parser accepts, in the order of their paths.
    broken : tuple of BrokenLabel
        Everything that is wrong on purpose, in the order of their paths.
    catalogs : tuple of str
        Files that begin as labels do and are none of a product: VOLDESC.CAT and the folder CATALOG.
    files, bytes : int
        All files of the volume, and their sizes together.
    """

    folder: Path
    seed: int
    scale: int
    labels: tuple[WrittenLabel, ...]
    broken: tuple[BrokenLabel, ...]
    catalogs: tuple[str, ...]
    files: int
    bytes: int

    @property
    def rejected(self) -> tuple[BrokenLabel, ...]:
        """The files that look like labels and are none."""
        return tuple(broken for broken in self.broken if broken.rejected)

    @property
    def families(self) -> dict[str, int]:
        """Labels of each family, in the order of their names."""
        return dict(sorted(Counter(label.family for label in self.labels).items()))

    @property
    def kinds(self) -> dict[str, int]:
        """Labels of each kind, in the order of their names."""
        return dict(sorted(Counter(label.kind for label in self.labels).items()))
