"""Which files a label names, and which of its blocks describe the layout of data.

Source: PDS Standards Reference 3.8, chapter 14 (pointer usage: data location, description, structure).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from psalab.labels.values import INT, TEXT, scalars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psalab.labels.label import Label
    from psalab.labels.values import Value

__all__ = ["file_names", "file_names_in", "is_structure", "named_files", "select_files"]

#: Pointers to text about the product, not to its data (section 14.1.2: descriptive pointers end so).
_DESCRIPTIVE: Final = ("STRUCTURE", "DESCRIPTION", "DESC", "CATALOG", "NOTE", "TEXT")
#: OBJECT classes that describe the layout of data (Standards Reference 3.8, appendix A). A label's own object may have
#: words before the class: SKY_GEOMETRY_TABLE, IMAGE_HEADER.
_DATA_OBJECTS: Final = frozenset(
    [
        "ARRAY",
        "BIT_COLUMN",
        "BIT_ELEMENT",
        "COLLECTION",
        "COLUMN",
        "CONTAINER",
        "DOCUMENT",
        "ELEMENT",
        "FIELD",
        "HEADER",
        "HISTOGRAM",
        "HISTORY",
        "IMAGE",
        "PALETTE",
        "QUBE",
        "SERIES",
        "SPECTRUM",
        "SPREADSHEET",
        "STRUCTURE",
        "TABLE",
        "TEXT",
        "WINDOW",
    ]
)


def is_structure(name: str, kind: str) -> bool:
    """Tell whether a block describes the layout of data rather than the product.

    Parameters
    ----------
    name, kind : str
        Of the block: an OBJECT (PDS3) such as ``IMAGE`` or ``EXT_SNR_IMAGE``, a CLASS (PDS4) such as
        ``pds:File_Area_Observational``.
    """
    if kind == "OBJECT":
        return name in _DATA_OBJECTS or name.rpartition("_")[2].rstrip("0123456789") in _DATA_OBJECTS
    return kind == "CLASS" and name.startswith("pds:File_Area")


#: ``^IMAGE = "A.DAT"`` or ``("A.DAT", 5 <BYTES>)``: nearly every pointer.
_ONE_FILE: Final = re.compile(r'\(?\s*"([^"\s\0]{5,})"\s*(?:,\s*[0-9]+\s*(?:<[^<>]*>)?\s*)?\)?')


def select_files(standard: str, paths: Sequence[str]) -> list[int]:
    """Find the keywords that name files of the product.

    Parameters
    ----------
    standard : {'PDS3', 'PDS4'}
    paths : sequence of str
        Paths of all keywords of a label.

    Returns
    -------
    list of int
        Positions in `paths`.
    """
    if standard == "PDS4":
        return [at for at, path in enumerate(paths) if path.endswith("/pds:file_name")]
    return [at for at, path in enumerate(paths) if _points_to_data(*path.rpartition("/")[::2])]


def _points_to_data(blocks: str, name: str) -> bool:
    if name == "FILE_NAME":
        return blocks.endswith("_FILE")
    return name.startswith("^") and not name.endswith(_DESCRIPTIVE)


def file_names(values: Sequence[Value]) -> list[str]:
    """Names among the values of pointers, each once; a pointer of a number alone points into the label's own file."""
    texts = (scalar.text for value in values for scalar in scalars(value) if scalar.kind == TEXT)
    return list(dict.fromkeys(text for text in texts if text and "\0" not in text))


def file_names_in(raw: str) -> list[str] | None:
    """Names in the raw value of a pointer of one file, ``"NAME"`` or ``("NAME", 3)``; None where it is anything else."""
    match = _ONE_FILE.fullmatch(raw)
    return [match[1]] if match else None


def named_files(label: Label) -> list[str]:
    """Names of the files that a label describes, in its order, each once."""
    leaves = list(label.leaves())
    positions = select_files(label.standard, [path for path, _ in leaves])
    names = file_names([leaves[at][1].typed for at in positions])
    if label.path and any(leaves[at][1].name.startswith("^") and _is_own(leaves[at][1].typed) for at in positions):
        names.insert(0, label.path.name)
    return list(dict.fromkeys(names))


def _is_own(value: Value) -> bool:
    """Whether a pointer is a record or byte number alone (Standards Reference 14.1.1): the data are in the label's file."""
    kinds = {scalar.kind for scalar in scalars(value)}
    return INT in kinds and TEXT not in kinds
