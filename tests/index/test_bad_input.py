"""Bad input: a clear typed error, or a row in `rejected`; nothing that has been built is lost, and no run stops."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pytest

from psalab.errors import IndexFileError, IndexLocked, LabelError, VolumeError
from psalab.index.build import Progress, build_index
from psalab.index.walk import escape
from psalab.labels import read_label
from tests.index.volumes import ask, column, index_of, pds3, pds4, series, write

if TYPE_CHECKING:
    from pathlib import Path

WHOLE3 = pds3(
    "X = 1 <km>", "GROUP = G", '  TEXT = "some\r\n  text"', "  LIST = (1,\r\n 2)", "END_GROUP = G", "/* end */"
)
WHOLE4 = pds4("<own:V unit='m'>1</own:V><!-- note --><Time><start>2014-08-01Z</start></Time>")


def rejected(index: Path) -> dict[str, str]:
    """Reasons of the rejected files, by their paths."""
    return dict(ask(index, "select path, reason from rejected"))


def counts(index: Path) -> tuple[int, int, int]:
    """Labels, products and rejects of the last run."""
    ((labels, products, rejects),) = ask(index, "select labels, products, rejected from runs order by run desc limit 1")
    return labels, products, rejects


# --------------------------------------------------------------------------------------------------------------- roots


def test_an_empty_folder_is_an_empty_index(tmp_path: Path) -> None:
    index = index_of(tmp_path, {})
    assert counts(index) == (0, 0, 0)
    assert ask(index, "select root, products from roots") == [("volume", 0)]
    assert ask(index, "select count(*) from products join files using (product_key)") == [(0,)]


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"nowhere is not there: is the volume mounted\?"):
        build_index(tmp_path / "nowhere", tmp_path / "index.duckdb")
    assert not (tmp_path / "index.duckdb").exists()


def test_a_file_as_root(tmp_path: Path) -> None:
    write(tmp_path, {"file.lbl": pds3()})
    with pytest.raises(VolumeError, match=r"file\.lbl is not a folder"):
        build_index(tmp_path / "file.lbl", tmp_path / "index.duckdb")


def test_one_bad_root_of_several_stops_all_before_anything_is_written(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3()})
    before = index.read_bytes()
    with pytest.raises(VolumeError):
        build_index([tmp_path / "volume", tmp_path / "nowhere"], index)
    assert index.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.duckdb", "volume"]


# -------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("suffix", [".lbl", ".xml", ".img"])
@pytest.mark.parametrize(
    "content",
    [b"", b" \r\n \0\0", bytes(range(256)) * 50, b"\x89PNG\r\n\x1a\n" + bytes(1000), b"END", b"= 1", b"<", b"<<<>>>",
     b"\xff\xfe<\0a\0", b"\xef\xbb\xbf", b"(" * 1000, b"<a>" * 1000, b'X = "', b"just some words\n"],
    ids=lambda content: repr(content[:12]),
)  # fmt: skip
def test_what_is_no_label_is_rejected_with_a_reason(tmp_path: Path, content: bytes, suffix: str) -> None:
    index = index_of(tmp_path, {f"bad{suffix}": content, "good.lbl": pds3()})
    products = [label for (label,) in ask(index, "select label from products")]
    assert "good.lbl" in products
    if suffix != ".img" and f"bad{suffix}" not in products:
        assert rejected(index)[f"bad{suffix}"]
    assert len(products) + len(rejected(index)) == counts(index)[0]


@pytest.mark.parametrize(("whole", "suffix"), [(WHOLE3, "LBL"), (WHOLE4, "xml")], ids=["PDS3", "PDS4"])
def test_a_label_truncated_at_any_byte_is_indexed_or_rejected_as_read_label_does(
    tmp_path: Path, whole: str, suffix: str
) -> None:
    data = whole.encode()
    files = {f"{at:04}.{suffix}": data[:at] for at in range(len(data) + 1)}
    index = index_of(tmp_path, files)
    refused = {}
    for name in files:
        try:
            read_label(tmp_path / "volume" / name)
        except LabelError as error:
            refused[name] = error.reason
    assert rejected(index) == refused
    assert counts(index) == (len(files), len(files) - len(refused), len(refused))


def test_a_reject_names_line_and_text(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a/bad.lbl": "PDS_VERSION_ID = PDS3\r\nX = (1, 2\r\nY = 3\r\nEND\r\n"})
    ((root, path, reason, line, text),) = ask(index, "select root, path, reason, line, text from rejected")
    assert (root, path, line, text) == ("volume", "a/bad.lbl", 2, "X = (1, 2")
    assert "never closed" in reason


@pytest.mark.parametrize(
    ("name", "line", "end"),
    [
        ("large.lbl", b"X = 1\r\n", b""),
        ("text.lbl", b"some more words of a text that goes on and on\r\n", b""),
        ("large.xml", b"<x>1</x>\n", b"</a>"),
        ("text.xml", b"some more words of a text that goes on and on\n", b"</a>"),
    ],
)
def test_a_hundred_megabytes_of_label_are_refused(tmp_path: Path, name: str, line: bytes, end: bytes) -> None:
    start = {"large.lbl": b"", "text.lbl": b'X = "'}.get(name, b"<a>")
    large = start + line * (100 * 2**20 // len(line)) + end
    index = index_of(tmp_path, {name: large, "good.lbl": pds3()})
    assert rejected(index) == {name: "no label ends within 64 MB"}
    assert counts(index) == (2, 1, 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("groups.lbl", "GROUP = G\r\n" * 5000 + "X = 1\r\n" + "END_GROUP\r\n" * 5000 + "END\r\n"),
        ("list.lbl", "X = " + "(" * 5000 + "1" + ")" * 5000 + "\r\nEND\r\n"),
        ("tags.xml", '<a xmlns="http://pds.nasa.gov/pds4/pds/v1">' + "<b>" * 5000 + "</b>" * 5000 + "</a>"),
    ],
)
def test_deep_nesting_is_rejected_or_read_and_never_too_much(tmp_path: Path, name: str, content: str) -> None:
    index = index_of(tmp_path, {name: content, "good.lbl": pds3()})
    labels, products, rejects = counts(index)
    assert (labels, products + rejects) == (2, 2)
    if name != "list.lbl":  # a list that is too deep is the text that it is
        assert re.search("deep|depth", rejected(index)[name])


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        '<!DOCTYPE a [<!ENTITY e "x"><!ENTITY f "&e;&e;">]><a>&f;</a>',
        '<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a>1</a>',
        "<a>&unknown;</a>",
        "<a><b></a></b>",
        "<a/><a/>",
    ],
)
def test_entities_document_types_and_bad_xml_are_rejected(tmp_path: Path, content: str) -> None:
    assert rejected(index_of(tmp_path, {"bad.xml": content})).keys() == {"bad.xml"}


def test_labels_of_one_shape_do_not_hide_a_bad_one_among_them(tmp_path: Path) -> None:
    files = series(["1"] * 50) | {"bad.lbl": pds3("X = 1").replace("INSTRUMENT_ID", "GROUP")}
    index = index_of(tmp_path, files)
    assert rejected(index).keys() == {"bad.lbl"}
    assert counts(index) == (51, 50, 1)


# --------------------------------------------------------------------------------------------------------------- names

NAMES = [
    b"a b.lbl", b"it's.lbl", b'say "x".lbl', b"two\nlines.lbl", b"caf\xe9.lbl", b"\xff\xfe.lbl", b"back\\slash.lbl",
    "größe \N{SNOWMAN}.lbl".encode(), b"tab\t.lbl", b"%s{0}.lbl", b"; drop table products.lbl", b"-.lbl", b".lbl",
]  # fmt: skip


def test_files_and_folders_of_odd_names_are_indexed(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path / "volume")
    for name in NAMES:
        folder = os.path.join(root, name.replace(b".lbl", b""))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(pds3().encode())
    index = tmp_path / "index.duckdb"
    build_index(tmp_path / "volume", index, jobs=1)
    assert rejected(index) == {}
    labels = [label for (label,) in ask(index, "select label from products")]
    assert len(set(labels)) == len(NAMES)
    assert "caf\\xe9/caf\\xe9.lbl" in labels
    assert "back\\\\slash/back\\\\slash.lbl" in labels
    assert ask(index, "select count(*) from files where role = 'label'") == [(len(NAMES),)]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_root_of_an_odd_name_is_known_again(tmp_path: Path, name: bytes) -> None:
    root, index = tmp_path / os.fsdecode(b"r" + name), tmp_path / "index.duckdb"
    write(root, {"P.LBL": pds3()})
    for other in ("one", "two"):
        build_index([root, write(tmp_path / other, {"P.LBL": pds3()})], index, jobs=1)
    assert ask(index, "select root from products order by 1") == sorted([(escape(root.name),), ("one",), ("two",)])


@pytest.mark.parametrize("name", [name for name in NAMES if escape(os.fsdecode(name)) == os.fsdecode(name)], ids=repr)
def test_an_index_of_an_odd_name(tmp_path: Path, name: bytes) -> None:
    index = tmp_path / os.fsdecode(b"i" + name)
    for other in ("one", "two"):
        build_index(write(tmp_path / other, {"P.LBL": pds3()}), index, jobs=1)
    index.rename(tmp_path / "index.duckdb")
    assert ask(tmp_path / "index.duckdb", "select root from products order by 1") == [("one",), ("two",)]


@pytest.mark.parametrize("name", [b"caf\xe9.duckdb", b"back\\slash.duckdb"])
def test_an_index_whose_name_the_database_cannot_open_is_refused(tmp_path: Path, name: bytes) -> None:
    write(tmp_path / "volume", {"P.LBL": pds3()})
    with pytest.raises(IndexFileError, match="its path has a backslash or bytes that are no UTF-8"):
        build_index(tmp_path / "volume", tmp_path / os.fsdecode(name))
    assert [path.name for path in tmp_path.iterdir()] == ["volume"]


def test_symbolic_links_in_circles_end(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", {"a/P.LBL": pds3()})
    (root / "a/up").symlink_to(root)
    (root / "loop.lbl").symlink_to("loop.lbl")
    build_index(root, tmp_path / "index.duckdb", jobs=1)
    assert ask(tmp_path / "index.duckdb", "select label from products") == [("a/P.LBL",)]


# --------------------------------------------------------------------------------------------------------- index files


@pytest.mark.parametrize("content", [b"", b"notes of somebody", bytes(20_000)])
def test_a_file_that_is_no_index_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"volume/P.LBL": pds3(), "notes.txt": content})
    with pytest.raises(IndexFileError, match=r"notes\.txt is no index and is not overwritten"):
        build_index(tmp_path / "volume", tmp_path / "notes.txt", jobs=1)
    assert (tmp_path / "notes.txt").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "volume"]


def test_a_database_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "volume", {"P.LBL": pds3()})
    with closing(duckdb.connect(str(tmp_path / "own.duckdb"))) as connection:
        connection.execute("create table about (mine integer)")
    with pytest.raises(IndexFileError, match="no index of psalab"):
        build_index(tmp_path / "volume", tmp_path / "own.duckdb", jobs=1)
    assert ask(tmp_path / "own.duckdb", "select * from about") == []


def test_an_index_of_a_newer_schema_is_not_overwritten(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3()})
    with closing(duckdb.connect(str(index))) as connection:
        connection.execute("update about set value = '2' where key = 'schema_version'")
    with pytest.raises(IndexFileError, match="made by a newer psalab: update psalab, or build under another name"):
        build_index(tmp_path / "volume", index, jobs=1)
    assert ask(index, "select value from about where key = 'schema_version'") == [("2",)]


def test_a_folder_as_index_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"volume/P.LBL": pds3(), "folder/x": ""})
    with pytest.raises(IndexFileError, match="no index and is not overwritten"):
        build_index(tmp_path / "volume", tmp_path / "folder", jobs=1)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["x"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"volume/P.LBL": pds3(), "file": ""})
    with pytest.raises(IndexFileError, match="cannot be built"):
        build_index(tmp_path / "volume", tmp_path / "file/index.duckdb", jobs=1)


def test_two_builds_of_one_index_at_once(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", series(["1"] * 3))
    index = tmp_path / "index.duckdb"
    refusals: list[IndexLocked] = []

    def build_as_well(report: Progress) -> None:
        if report.step == "scrape" and not refusals:
            with pytest.raises(
                IndexLocked, match=f"written by another run: host .*, pid {os.getpid()}, since 20"
            ) as caught:
                build_index(root, index, jobs=1)
            refusals.append(caught.value)

    build_index(root, index, jobs=1, progress=build_as_well)
    assert len(refusals) == 1
    assert ask(index, "select count(*) from products") == [(3,)]


def test_a_lock_that_nobody_holds_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, {"index.duckdb.lock": "host elsewhere, pid 1, since long ago\n"})
    index = index_of(tmp_path, {"P.LBL": pds3()})
    assert not (tmp_path / "index.duckdb.lock").exists()
    assert ask(index, "select count(*) from products") == [(1,)]


def test_a_build_that_fails_gives_up_its_lock_and_keeps_the_former_index(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3("X = 1")})
    before = index.read_bytes()

    def fail(report: Progress) -> None:
        if report.step.startswith("load"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(write(tmp_path / "volume", {"Q.LBL": pds3()}), index, jobs=1, progress=fail)
    assert index.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.duckdb", "index.duckdb.building", "volume"]
    build_index(tmp_path / "volume", index, jobs=1)
    assert ask(index, "select count(*) from products") == [(2,)]


def test_a_locked_index_is_told_apart_from_a_lock_file(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", {"P.LBL": pds3()})
    with (tmp_path / "index.duckdb.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(IndexLocked, match="written by another run: unknown"):
            build_index(root, tmp_path / "index.duckdb", jobs=1)
    build_index(root, tmp_path / "index.duckdb", jobs=1)


def test_an_index_that_somebody_reads_can_be_built_anew(tmp_path: Path) -> None:
    index = index_of(tmp_path, series(["1"] * 100))
    with closing(duckdb.connect(str(index), read_only=True)) as reader:
        write(tmp_path / "volume", series(["2"] * 100))
        build_index(tmp_path / "volume", index, jobs=1)
        assert reader.execute('select distinct "X" from meta."SC/CAM"').fetchall() == [(1,)]
    assert set(column(index)) == {2}
