"""A mixed tree: every label of `labels_only` and `real_products`, and 2,000 of one instrument."""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING

from benchmarks.building import a_build, build
from benchmarks.compare_parsers import within
from benchmarks.figures import Figure
from benchmarks.real_labels import LABEL_SUFFIXES, archive, below, link, read_all, sample, scratch
from benchmarks.timing import Took, interleaved
from psalab import open_index
from psalab.index.walk import unescape
from psalab.labels.find import is_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["figures"]

_OSIRIS = 2000
_LIMIT = 10  # seconds that a parser has for a label
_END = re.compile(rb"(?:^|[\r\n])[ \t]*END[ \t]*(?:[\r\n]|\Z)")


def figures(repeat: int) -> list[Figure]:
    """Measure the build beside pdr's parse of the PDS3 labels and pds4_tools' parse of the PDS4 labels."""
    folder = scratch("mixed")
    tree = _tree(folder)
    index = folder / "index.duckdb"
    labels, rejected = _read_by(tree, index)
    pds4 = [path for path in labels if _is_xml(path)]
    pds3 = sorted(set(labels) - set(pds4))
    parsers = {
        "pdr": _Parser(_pdr(), pds3),
        "label": _Parser(_label(), pds4),
        "read_label": _Parser(_read_label(), pds4),
    }
    read_all(labels)
    works: dict[str, Callable[[], object]] = {"build": a_build(tree, index, jobs=1)}
    least = interleaved(repeat, works | {name: parser.parse_all for name, parser in parsers.items()})
    built = least["build"].cpu / len(labels)
    pdr, label, lean = (least[name].cpu for name in parsers)
    failures = [
        f"{rejected:,} rejected",
        *(f"{len(parsers[name].failed):,} failures of {who}" for name, who in _WHO.items()),
    ]
    return [
        Figure("labels", len(labels), "", note=f"{len(pds3):,} PDS3, {len(pds4):,} XML; {', '.join(failures)}"),
        Figure("CPU per label of the whole build, 1 process", built * 1e6, "us", note=f"wall {_each(least['build'], labels)}"),
        Figure(
            "less CPU than the parse by pdr and pds4_tools", (pdr + label) / len(labels) / built, "x", 5, 10, more=True,
            note=f"pdr {pdr / len(pds3) * 1e6:,.0f} us, pds4_tools {label / len(pds4) * 1e6:,.0f} us (Label.from_file)",
        ),
        Figure(
            "the same, beside the first half of pds4_tools' parse", (pdr + lean) / len(labels) / built, "x", more=True,
            note=f"{lean / len(pds4) * 1e6:,.0f} us (read_label, which Label.from_file does twice)",
        ),
        Figure("size of the index beside the labels", 100 * index.stat().st_size / _label_bytes(labels), "%", 25),
    ]  # fmt: skip


def _read_by(tree: Path, index: Path) -> tuple[list[str], int]:
    """Build the index; give the labels that it was made of, and how many of them were rejected.

    A data file that begins with a label is none of them where a detached label names it: that one describes it.
    """
    rejected = build(tree, index, jobs=1).rejected
    with open_index(index) as opened:
        found = opened.rows("select label from products union select path from rejected")
    return sorted(os.path.join(tree, unescape(label)) for (label,) in found.rows), rejected


_WHO = {"pdr": "pdr", "label": "pds4_tools"}


def _each(took: Took, labels: Sequence[str]) -> str:
    return f"{took.wall / len(labels) * 1e6:,.0f} us"


def _tree(folder: Path) -> Path:
    """Make the tree; the data that the labels describe stay where they are, but for those that begin with a label."""
    tree = folder / "tree"
    for name in ("labels_only", "real_products"):
        source = archive(name)
        link(below(source, attached=True), source, tree / name)
    source = archive("osiris_labels")
    link(sample(below(source), _OSIRIS), source, tree / "osiris_labels")
    return tree


def _is_xml(path: str) -> bool:
    with open(path, "rb") as file:
        return is_xml(file.read(64))


def _label_bytes(paths: Sequence[str]) -> int:
    """Bytes of the labels, without the data behind attached ones."""
    size = 0
    for path in paths:
        if path.lower().endswith(LABEL_SUFFIXES):
            size += os.path.getsize(path)
        else:
            with open(path, "rb") as file:
                end = _END.search(start := file.read(2**20))
            size += end.end() if end else len(start)
    return size


class _Parser:
    """Parses labels one after another; what it fails on, or does not come back from, costs it the time until then."""

    def __init__(self, parse: Callable[[str], object], paths: Sequence[str]):
        self.parse, self.paths = parse, paths
        self.failed: list[str] = []

    def parse_all(self) -> None:
        self.failed = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for path in self.paths:
                try:
                    with within(_LIMIT):
                        self.parse(path)
                except Exception:  # noqa: BLE001  whatever another parser raises, it failed
                    self.failed.append(path)


def _pdr() -> Callable[[str], object]:
    import pdr
    from pdr.parselabel.pds3 import read_pvl

    return lambda path: pdr.Metadata(read_pvl(path))


def _label() -> Callable[[str], object]:
    from pds4_tools.reader.label_objects import Label

    from_file: Callable[[str], object] = Label.from_file
    return from_file


def _read_label() -> Callable[[str], object]:
    from pds4_tools.reader.read_label import read_label

    return lambda path: read_label(path, enforce_default_prefixes=True)
