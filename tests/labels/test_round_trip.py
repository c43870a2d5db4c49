"""A tree of a label, written with any layout, is read back as the same tree."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from psalab.labels import pds4, pvl, read_label
from tests.labels.label_trees import (
    NAMESPACES,
    Leaf,
    PvlWriter,
    Tree,
    XmlWriter,
    flat,
    flat_label,
    pvl_trees,
    with_usual_prefixes,
    xml_trees,
)

if TYPE_CHECKING:
    import pytest

RANDOM = st.integers(0, 2**32).map(Random)  # the layout need not shrink, and drawing each choice of it is slow
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(pvl_trees(), RANDOM, LINE_ENDS)
def test_a_tree_written_as_pvl_is_read_back(tree: list[Tree], random: Random, line_end: str) -> None:
    text = PvlWriter(random).label(tree).replace("\n", line_end)
    assert repr(flat_label(pvl.parse(text))) == repr(flat(tree))


@settings(max_examples=40)
@given(pvl_trees(), RANDOM, LINE_ENDS)
def test_a_file_gives_the_same_as_its_text(
    tmp_path_factory: pytest.TempPathFactory, tree: list[Tree], random: Random, line_end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "label.lbl"
    path.write_bytes(f"PDS_VERSION_ID = PDS3\n{PvlWriter(random).label(tree)}".replace("\n", line_end).encode())
    assert flat_label(read_label(path))[1:] == flat(tree)


@settings(max_examples=40)
@given(pvl_trees(), RANDOM)
def test_end_may_be_missing(tree: list[Tree], random: Random) -> None:
    """Unless nothing is there, or the last keyword has no value: it may have been cut off."""
    if tree and not (isinstance(tree[-1], Leaf) and not tree[-1].tokens):
        assert flat_label(pvl.parse(PvlWriter(random).label(tree, end=False))) == flat(tree)


@settings(max_examples=40)
@given(pvl_trees(), RANDOM, st.binary(max_size=200))
def test_what_follows_end_is_not_looked_at(tree: list[Tree], random: Random, data: bytes) -> None:
    text = PvlWriter(random).label(tree, end=False) + "END\r\n"
    assert flat_label(pvl.parse(text + data.decode("latin-1"))) == flat(tree)


def _written(tree: list[Tree], random: Random, prefixes: list[str]) -> tuple[bytes, list[Tree]]:
    by_uri = dict(zip(NAMESPACES, prefixes, strict=True))
    own = by_uri["http://example.org/own"]
    return XmlWriter(random, by_uri).label(tree).encode(), with_usual_prefixes(tree, own)


@given(xml_trees(), RANDOM, st.permutations(["", "a", "pds", "zz"]))
def test_a_tree_written_as_xml_is_read_back(tree: list[Tree], random: Random, prefixes: list[str]) -> None:
    data, expected = _written(tree, random, prefixes)
    assert repr(flat_label(pds4.parse(data))) == repr(flat(expected))
