"""Structure files (FMT): the part of a label that several labels share.

Source: PDS Standards Reference 3.8, section 14.1.3 (``^STRUCTURE`` pointers).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from psalab.errors import LabelError
from psalab.labels import pvl
from psalab.labels.label import MAX_DEPTH, Block, Keyword, Label, too_deep
from psalab.labels.pointers import file_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["find_structure", "with_structures"]

#: How many folders a structure file is looked for upwards where no VOLDESC.CAT ends the data set.
_MAX_LEVELS: Final = 10
_MAX_INCLUDES: Final = 1000
_MAX_WITHIN: Final = 10
_MAX_BYTES: Final = 16 * 2**20


def with_structures(label: Label) -> Label:
    """Give the label with the content of its ``^STRUCTURE`` files where they are pointed to.

    A structure file is looked for beside the label, then in ``LABEL/`` of the folders upward to the data set's root (the
    one with VOLDESC.CAT), names in any case.

    Raises
    ------
    LabelError
        A file is not found, is no ODL, or includes itself.
    """
    if label.standard != "PDS3" or label.path is None:
        return label
    includes = _Includes(label.path)
    return Label("PDS3", includes.expand(label.children, ()), path=label.path)


class _Includes:
    """Structure files of one label, each read once."""

    def __init__(self, path: Path):
        self.path = path
        self.count = 0
        self.contents: dict[str, list[Keyword | Block]] = {}

    def expand(
        self, children: Sequence[Keyword | Block], within: tuple[str, ...], depth: int = 0
    ) -> list[Keyword | Block]:
        expanded: list[Keyword | Block] = []
        for child in children:
            if isinstance(child, Block):
                if depth >= MAX_DEPTH:
                    raise too_deep(str(self.path), child.line)
                inner = self.expand(child.children, within, depth + 1)
                expanded.append(Block(child.name, child.kind, inner, line=child.line))
                continue
            expanded.append(child)
            if child.name.startswith("^") and child.name.endswith("STRUCTURE"):
                for name in file_names([child.typed]):
                    expanded += self.include(name, child, within, depth)
        return expanded

    def include(self, name: str, keyword: Keyword, within: tuple[str, ...], depth: int) -> list[Keyword | Block]:
        self.count += 1
        if name.upper() in within:
            raise self._error(f"the structure file {name} includes itself", keyword)
        if self.count > _MAX_INCLUDES or len(within) >= _MAX_WITHIN:
            raise self._error(f"more than {_MAX_INCLUDES} structure files, or {_MAX_WITHIN} within each other", keyword)
        return self.expand(self._content(name, keyword), (*within, name.upper()), depth)

    def _content(self, name: str, keyword: Keyword) -> list[Keyword | Block]:
        if name.upper() not in self.contents:
            found = find_structure(self.path, name)
            if found is None:
                reason = f"the structure file {name} is neither beside the label nor in LABEL/ above it"
                raise self._error(reason, keyword)
            with found.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            if len(data) > _MAX_BYTES:
                raise self._error(f"the structure file {name} is larger than {_MAX_BYTES >> 20} MB", keyword)
            self.contents[name.upper()] = pvl.parse(pvl.decode(data), path=found).children
        return self.contents[name.upper()]

    def _error(self, reason: str, keyword: Keyword) -> LabelError:
        return LabelError(reason, path=str(self.path), line=keyword.line, text=f"{keyword.name} = {keyword.raw}")


def find_structure(label: Path, name: str) -> Path | None:
    """Find a structure file by the rules of `with_structures`; never outside the data set."""
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        name = name.replace("\\", "/").rpartition("/")[2]
    for folder in _places(label.absolute().parent):
        with_name = _entry(folder, name)
        if with_name is not None and with_name.is_file():
            return with_name
    return None


def _places(beside: Path) -> Iterator[Path]:
    yield beside
    for level, folder in enumerate((beside, *beside.parents)):
        labels = _entry(folder, "LABEL")
        if labels is not None and labels.is_dir():
            yield labels
        if level >= _MAX_LEVELS or _entry(folder, "VOLDESC.CAT") is not None:
            return


def _entry(folder: Path, name: str) -> Path | None:
    """Entry of a folder by its name: exactly, else in any case."""
    exact = folder / name
    if name and exact.exists():
        return exact
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    return next((folder / entry for entry in sorted(names) if entry.upper() == name.upper()), None)
