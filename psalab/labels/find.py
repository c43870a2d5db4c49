"""A file to its label: which standard, where it ends, in what encoding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from psalab.errors import LabelError
from psalab.labels import pds4, pvl
from psalab.labels.structures import with_structures

if TYPE_CHECKING:
    from os import PathLike

    from psalab.labels.label import Label

__all__ = ["FIRST_BYTES", "MAX_LABEL_BYTES", "begins_with_label", "is_xml", "read_label"]

#: Read of a file at first: nearly every label ends within, and so does the one before gigabytes of data.
FIRST_BYTES: Final = 65_536
#: A label larger than this is refused: it is no label, or an attack on the memory of whoever reads it.
MAX_LABEL_BYTES: Final = 64 * 2**20

_BEGIN: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:(?:CCSD|NJPL)[0-9A-Z]{16}|(?:/\*[^\n]*\*/\s*+)*+(?:PDS_VERSION_ID|ODL_VERSION_ID|LABEL_RECORDS|RECORD_TYPE)\s*=)",
)
_END: Final = re.compile(rb"(?:^|[\r\n])[ \t]*+END[ \t\0]*+(?:[\r\n]|\Z)", re.IGNORECASE)
#: What every END looks like, and some words that are none.
_MAY_END: Final = re.compile(rb"(?<![A-Za-z0-9_:])END(?![A-Za-z0-9_:])", re.IGNORECASE)


def begins_with_label(start: bytes) -> bool:
    """Tell whether the first bytes of a data file are those of an attached PDS3 label.

    Source: PDS Standards Reference 3.8, section 5.1 (PDS_VERSION_ID is first, behind an SFDU label if there is one).
    """
    return _BEGIN.match(start) is not None


def is_xml(start: bytes) -> bool:
    """Tell whether a file begins as XML does: with a tag, behind a byte order mark and blanks if there are any."""
    return start[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" or start[:2] in (b"\xff\xfe", b"\xfe\xff")


def label_bytes(data: bytes) -> bytes:
    """Cut the bytes of a file behind the first line that may be the label's END, so that data are not decoded."""
    end = _END.search(data)
    return data[: end.end()] if end else data


def read_label(path: str | PathLike[str], *, structures: bool = False) -> Label:
    """Read a label: PDS3 detached or attached, or PDS4.

    Parameters
    ----------
    path : str or path-like
        The label, or the file that begins with one. Data behind an attached label are not read.
    structures : bool
        Whether the content of the structure files (FMT) that a PDS3 label points to becomes part of it. They are looked
        for beside the label, then in ``LABEL/`` of the folders upward to the data set's root, names in any case.

    Returns
    -------
    Label

    Raises
    ------
    LabelError
        The file is no label, or names a structure file that is not there; the message says where and why.
    FileNotFoundError, PermissionError, OSError
        The file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        data = file.read(FIRST_BYTES)
        if is_xml(data):
            data += file.read(MAX_LABEL_BYTES - len(data) + 1)
            return pds4.parse(_bounded(data, path), path=path)
        while True:
            room = MAX_LABEL_BYTES - len(data) + 1
            complete = len(data) < FIRST_BYTES or not (more := file.read(min(3 * len(data), room)))
            # a long file that is no label is refused by its first bytes; a long label is parsed when its END is there
            if complete or len(data) == FIRST_BYTES or _MAY_END.search(data):
                label = _try_pds3(data, path, complete=complete)
                if label is not None:
                    return with_structures(label) if structures else label
            data = _bounded(data + more, path)


def _bounded(data: bytes, path: Path) -> bytes:
    if len(data) > MAX_LABEL_BYTES:
        raise LabelError(f"no label ends within {MAX_LABEL_BYTES >> 20} MB", path=str(path))
    return data


def _try_pds3(data: bytes, path: Path, *, complete: bool) -> Label | None:
    """Parse what has been read so far; None when more of the file is wanted."""
    if not data.strip(b"\0 \t\r\n"):
        if complete:
            raise LabelError("the file holds nothing but blanks" if data else "the file is empty", path=str(path))
        return None
    cut = label_bytes(data)
    label = _parse(cut, path, must_end=not complete, more=not complete or len(cut) < len(data))
    if label is None and len(cut) < len(data):  # that END was a word in a text
        label = _parse(data[: pvl.end_of(data)], path, must_end=not complete, more=not complete)
    return label


def _parse(data: bytes, path: Path, *, must_end: bool, more: bool) -> Label | None:
    """Parse a label; None when it is incomplete, and `more` might mend it."""
    text = pvl.decode(data)
    try:
        label = pvl.tree(text, must_end=must_end)
    except pvl.PvlError as error:
        if more and (error.incomplete or 2 * error.position > len(text)):
            return None
        raise pvl.located(error, text, path) from None
    label.path = path
    return label
