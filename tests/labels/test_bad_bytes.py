"""Whatever the bytes: a label, or a LabelError; never another exception, never a wrong tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.errors import LabelError
from psalab.labels import read_label
from tests.corpus.tree_as_json import entries
from tests.labels.test_corpus import labels, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = labels("valid")


def read_or_refuse(path: Path) -> list[dict[str, Any]] | None:
    """Every entry of a label, typed, or None where it is refused."""
    try:
        return entries(read_label(path))
    except LabelError as error:
        if str(path) not in str(error):
            pytest.fail(f"the message does not name the file: {error}")
        return None


def is_beginning(entry_list: list[dict[str, Any]], whole: list[dict[str, Any]]) -> bool:
    """Whether entries are the first of others; a unit that stands on a line of its own may be cut off unnoticed."""
    *before, last = entry_list or [{}]
    *same, twin = whole[: len(entry_list)] or [{}]
    return before == same and last in (twin, without_unit(twin))


def without_unit(entry: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in entry.items() if key != "unit"}
    if entry.get("kind") in {"sequence", "set"}:
        bare["value"] = [without_unit(item) for item in entry["value"]]
    return bare


@pytest.mark.parametrize("path", LABELS, ids=name_of)
def test_a_label_cut_at_any_byte_is_refused_or_the_beginning_of_the_whole(path: Path, tmp_path: Path) -> None:
    whole = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    data, cut = path.read_bytes(), tmp_path / path.name
    read = 0
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        found = read_or_refuse(cut)
        if found is not None:
            read += 1
            assert is_beginning(found, whole), f"cut at byte {size}: {data[max(0, size - 40) : size]!r}"
    if path.suffix in {".xml", ".lblx"}:
        assert read <= len(data) - len(data.rstrip(b"\0\r\n")), "a cut tag was not noticed"


@pytest.mark.parametrize("path", LABELS, ids=name_of)
def test_a_byte_changed_anywhere_is_refused_or_read(path: Path, tmp_path: Path) -> None:
    data, changed = path.read_bytes(), tmp_path / path.name
    for at in range(0, len(data), 7):
        for byte in b'\0"\n=\xff(<':
            changed.write_bytes(data[:at] + bytes([byte]) + data[at + 1 :])
            read_or_refuse(changed)


PIECES = st.sampled_from(
    [
        *[
            b"A",
            b"=",
            b" = ",
            b"\n",
            b"\r\n",
            b"\r",
            b'"',
            b"'",
            b"(",
            b")",
            b"{",
            b"}",
            b"<",
            b">",
            b",",
            b";",
            b"/*",
            b"*/",
        ],
        *[
            b"GROUP = G\n",
            b"END_GROUP\n",
            b"OBJECT = ",
            b"END_OBJECT = ",
            b"END\n",
            b"END",
            b"KEY = 1\n",
            b"^P",
            b"#",
            b"16#",
        ],
        *[
            b"\0",
            b"\xff",
            b"\xc3",
            b"\xc3\xbc",
            b"\xef\xbb\xbf",
            b"\xa0",
            b"\x85",
            b"\x1c",
            b"\xe2\x80\xa8",
            b"-\n",
            b"N/A",
        ],
        *[
            b"<a>",
            b"</a>",
            b"<a/>",
            b"<?xml",
            b"?>",
            b"<!--",
            b"-->",
            b"<![CDATA[",
            b"]]>",
            b"&lt;",
            b"&#0;",
            b"<!DOCTYPE a>",
        ],
        *[b' xmlns="x"', b' unit="m"', b"2014-08-06", b"T10:00", b"1.5E3", b"1" * 400],
    ]
)


@given(st.lists(PIECES | st.binary(max_size=5), max_size=40).map(b"".join))
def test_any_bytes_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.lbl"
    path.write_bytes(data)
    read_or_refuse(path)


# ------------------------------------------------------------------------------------------------------------ large ones


def lines(count: int) -> Iterator[bytes]:
    yield b"PDS_VERSION_ID = PDS3\r\n"
    for number in range(count):
        yield b"KEY_%d = %d <km>\r\n" % (number, number)


def test_20_000_keywords_are_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.lbl"
    path.write_bytes(b"".join(lines(20_000)) + b"END\r\n")
    label = read_label(path)
    assert (label["KEY_19999"], label.unit("KEY_19999"), len(label.children)) == (19_999, "km", 20_001)


def test_a_label_longer_than_the_first_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "long.img"
    text = b'A = 1\r\nNOTE = "' + b"a word\r\nEND\r\n" * 40_000 + b'"\r\nLAST = "M\xc3\xbcller"\r\nEND\r\n'
    path.write_bytes(text + b"\xff" * 1_000_000)
    label = read_label(path)
    assert [label["A"], label["LAST"], len(label.children)] == [1, "Müller", 3]
    assert str(label["NOTE"]).startswith("a word END a word")


@pytest.mark.timeout(60)
def test_100_mb_of_label_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.lbl"
    with path.open("wb") as file:
        block = b"".join(lines(50_000))
        for _ in range(100_000_000 // len(block) + 1):
            file.write(block)
    with pytest.raises(LabelError, match="no label ends within 64 MB"):
        read_label(path)


@pytest.mark.timeout(60)
def test_100_mb_of_xml_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(b"<Product_Context>")
        file.truncate(100_000_000)
    with pytest.raises(LabelError, match="no label ends within 64 MB"):
        read_label(path)


@pytest.mark.timeout(20)
def test_data_behind_an_attached_label_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "attached.img"
    with path.open("wb") as file:
        file.write(b"PDS_VERSION_ID = PDS3\r\n^IMAGE = 2\r\nEND\r\n" + b" " * 100)
        file.truncate(2**31)  # takes no room on the disk
    assert read_label(path)["^IMAGE"] == 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize("byte", [b"\0", b" ", b"A", b"=", b"\xff", b"\n"])
def test_a_large_file_that_is_no_label_is_refused_soon(tmp_path: Path, byte: bytes) -> None:
    path = tmp_path / "data.lbl"
    path.write_bytes(byte * 5_000_000)
    with pytest.raises(LabelError):
        read_label(path)


@pytest.mark.timeout(20)
def test_10_000_levels_of_blocks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.lbl"
    path.write_text("A = 1\n" + "OBJECT = O\n" * 10_000 + "END_OBJECT\n" * 10_000 + "END\n")
    with pytest.raises(LabelError, match="nested deeper than 100 levels"):
        read_label(path)


@pytest.mark.timeout(20)
def test_10_000_levels_of_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.lbl"
    path.write_text("A = " + "(" * 10_000 + ")" * 10_000 + "\nEND\n")
    with pytest.raises(LabelError, match="nested deeper than 64 levels"):
        read_label(path)


@pytest.mark.timeout(20)
def test_10_000_levels_of_elements_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    path.write_text("<a>" * 10_000 + "</a>" * 10_000)
    with pytest.raises(LabelError, match="Excessive depth"):
        read_label(path)


def test_the_deepest_label_that_is_read_can_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "deep.lbl"
    path.write_text("OBJECT = O\n" * 100 + "A = " + "(" * 64 + "1" + ")" * 64 + "\n" + "END_OBJECT\n" * 100 + "END\n")
    label = read_label(path)
    value = label["A"]
    for _ in range(64):
        assert isinstance(value, list)
        value = value[0]
    assert value == 1
    assert "/".join("O" * 100) + "/A" in dict(label.leaves())
    assert label.identity.id == "deep.lbl"
