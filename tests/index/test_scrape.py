"""The scraper reads many labels at once as `read_label` reads each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.demo_volume import write_volume
from psalab.index import scrape as scraping
from psalab.index.build import CHUNK
from psalab.index.chunk_file import read_chunk, scrape_to_file
from psalab.index.scrape import Task, scrape
from psalab.labels.values import MISSING
from tests.index.two_readings import by_scraper, differing
from tests.index.volumes import pds3, pds4, series, write

if TYPE_CHECKING:
    from pathlib import Path

BODIES = {
    "scalars": ["A = 1", "B = 1.5 <km>", "C = ON", "D = TRUE", "E = 16#FF#", "F = 2014-213T10:00", "G = 'symbol'", "H ="],
    "units": ["A = 1 < km >", "B = 5\r\n<m/s>", 'C = "text" <s>', "D = (1, 2) <km>", "E = (1 <m>, 2 <km>)", "F = 1 <>"],
    "texts": ['A = "on\r\n  several   -\r\nlines"', 'B = ""', 'C = " padded "', 'D = "a = b"', 'E = "END\r\n"', 'F = "N/A"'],
    "lists": ["A = (1, 2)", "B = ((1, 2), (3))", "C = {A, B}", "D = ()", "E = (1,\r\n 2)", 'F = ("a, b", "(")', "G = (1, N/A)"],
    "odd lists": ["A = (1 2)", "B = (1,, 2)", "C = (1, 2", "D = 3"],
    "numbers": ["A = 007", "B = +1", "C = 1e400", f"D = {'9' * 30}", "E = 1.", "F = .5", "G = 1E+05", "H = -0.0", "I = 0x1F"],
    "blocks": ["GROUP = G", "A = 1", "OBJECT = O", "A = 2", "END_OBJECT", "END_GROUP = G", "group = g", "a = 3", "end_group"],
    "repeats": ["A = 1", "A = 2", "GROUP = G", "A = 3", "END_GROUP", "GROUP = G", "A = 4", "END_GROUP"],
    "comments": ["/* one */ A = 1 /* two */", "B = 2 /* over\r\nlines */", "/* C = 3 */", 'D = "/* text */"'],
    "names": ["NS:A = 1", "ns:b = 2", "^X = 7", '^IMAGE = ("A.IMG", 5 <BYTES>)', '^TABLE = "B"', '^STRUCTURE = "C.FMT"'],
    "times": ["START_TIME = 2014-12-31T23:59:60.5Z", "A = 2014-02-30", "B = 24:00", "C = 1/0123456789.123", "D = 2014-366"],
    "crosses": ['NOTE = "line', 'A = 1"', "B = 2", 'NOTE = "line', 'A = 1"'],
    "clocks": ["SPACECRAFT_CLOCK_START_COUNT = 1.2", 'SPACECRAFT_CLOCK_STOP_COUNT = "5"', "A:HOUSEKEEPING_CLOCK_COUNT = UNK"],
    "latin": ["A = caf\xe9", 'B = "\xfcber"'],
}  # fmt: skip
PDS4_BODIES = {
    "plain": "<own:A>1</own:A><own:B unit='km'>1.5</own:B><own:C>text &amp; more</own:C><own:D/>",
    "nil": "<own:A xsi:nil='true' nilReason='unknown' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'/>",
    "repeats": "<own:G><own:A>1</own:A></own:G><own:G><own:A>2</own:A><own:A>3</own:A></own:G>",
    "spaces": "<own:A>\n  1\n</own:A><own:B> a\n b </own:B><own:C> </own:C>",
    "comments": "<!-- <own:A>1</own:A> --><own:B>1<!-- in -->2</own:B>",
    "cdata": "<own:A><![CDATA[<raw>]]></own:A>",
    "references": "<own:A>&#65;&#x42;</own:A>",
    "prefixes": "<x:A xmlns:x='https://example.org/own/v1'>1</x:A><A xmlns='https://example.org/own/v1'>2</A>",
    "types": "<own:T>2014-08-01T00:00:00Z</own:T><own:F>true</own:F><own:V>1.10</own:V><own:N>-1e5</own:N>",
    "instructions": "<?note something?><own:A>1</own:A>",
    "mixed": "<own:A>text<own:B>1</own:B></own:A>",
    "unclosed": "<own:A>",
}


def labels_of(bodies: dict[str, list[str]]) -> dict[str, bytes]:
    """Every body in each line ending, and once more with other values in the same shape."""
    files: dict[str, bytes] = {}
    for name, lines in bodies.items():
        text = pds3(*lines)
        for end, ending in (("crlf", "\r\n"), ("lf", "\n"), ("cr", "\r")):
            files[f"{name} {end}.lbl"] = text.replace("\r\n", ending).encode("latin-1")
        files[f"{name} again.lbl"] = text.replace("1", "8").encode("latin-1")
        files[f"{name} no end.lbl"] = text.removesuffix("END\r\n").encode("latin-1")
        files[f"{name} padded.lbl"] = text.encode("latin-1") + b" " * 500
        files[f"{name} data.lbl"] = text.encode("latin-1") + bytes(range(256))
    return files


@pytest.mark.parametrize("name", BODIES)
def test_pds3_labels_read_the_same_alone(tmp_path: Path, name: str) -> None:
    files = labels_of({name: BODIES[name]})
    write(tmp_path, files)
    assert [line for label in files for line in differing(tmp_path, [label])] == []


def test_pds3_labels_read_the_same_together(tmp_path: Path) -> None:
    files = labels_of(BODIES)
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)) == []
    assert differing(tmp_path, sorted(files, reverse=True)) == []


@pytest.mark.parametrize("order", [1, -1])
def test_pds4_labels_read_the_same_together(tmp_path: Path, order: int) -> None:
    files = {f"{name}.xml": pds4(body) for name, body in PDS4_BODIES.items()}
    files |= {f"{name} again.xml": pds4(body.replace("1", "7")) for name, body in PDS4_BODIES.items()}
    files |= {f"{name} crlf.xml": pds4(body).replace("\n", "\r\n") for name, body in PDS4_BODIES.items()}
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)[::order]) == []


@pytest.mark.parametrize(
    "content",
    ["<a/><a/>", "<a/>", "<a>1</a>", "<a><b/></a>x", "<a>\n</a>\n", "\n<a/>", "<?xml version='1.0'?><a/>",
     "\n<?xml version='1.0'?><a><b>1</b></a>", "<a><b>1<</b></a>", "<a><b c='\x01'>1</b></a>", "<a><b>1</b></a>\x0b",
     "<a xmlns:b='http://no>uri'><b>1</b></a>", "<a><b xmlns=''>1</b></a>", "<a><b\x0c>1</b></a>", "<a>\x0b<b>1</b></a>",
     "<?note \x0f?><a><b>1</b></a>", "<a><c:b xmlns:c=''>1</c:b></a>", "<a><b>1</b>\xa0</a>"],
)  # fmt: skip
def test_xml_that_is_hardly_any_reads_the_same(tmp_path: Path, content: str) -> None:
    write(tmp_path, {"a.xml": content.replace("<a", "<a xmlns='http://pds.nasa.gov/pds4/pds/v1'")})
    assert differing(tmp_path, ["a.xml"]) == []


@pytest.mark.parametrize(
    "root",
    ["a", "a xmlns=''", "a xmlns='urn:x'", "x:a xmlns:x='http://www.w3.org/1999/XSL/Transform'", "pds:a xmlns:pds='urn:x'",
     "a xmlns='http://pds.nasa.gov/pds4/disp/v1'", "a xmlns:pds='http://pds.nasa.gov/pds4/pds/v1'"],
)  # fmt: skip
def test_xml_of_another_standard_is_rejected(tmp_path: Path, root: str) -> None:
    tag = root.partition(" ")[0]
    write(tmp_path, {"1.xml": f"<{root}><b>1</b></{tag}>", "2.xml": f"<{root}/>", "3.xml": pds4()})
    labels = ["1.xml", "2.xml", "3.xml"]
    assert differing(tmp_path, labels) == []
    reasons = [reading.rejected for reading in by_scraper(tmp_path, labels)]
    assert [str(reason).partition(":")[0] for reason in reasons] == [*["XML, but no PDS4 label"] * 2, "None"]


@pytest.mark.parametrize("end", ["\r", "\r>", "\r\x0b", "\0\r", " /* */ \r", ";\r"])
def test_a_lone_carriage_return_in_a_label_does_not_change_its_neighbours(tmp_path: Path, end: str) -> None:
    good = pds3('A = "1"', "B = (1, 2)", "GROUP = G", "C = 3", "END_GROUP")
    lines = good.split("\r\n")
    bad = {f"b{at}.lbl": "\r\n".join(lines[:at]) + end + "\r\n".join(lines[at:]) for at in range(1, len(lines))}
    files = {"a.lbl": good, **bad, "c.lbl": good}
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)) == []
    assert differing(tmp_path, sorted(files, reverse=True)) == []


def test_a_label_that_ends_within_a_text_does_not_change_its_neighbours(tmp_path: Path) -> None:
    whole = pds3('B = "two\r\n lines"', "C = 1")
    files = {"1.lbl": whole.partition("C")[0].rstrip(), "2.lbl": whole.replace(' lines"\r\n', ""), "3.lbl": whole}
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)) == []
    assert by_scraper(tmp_path, sorted(files))[1].rejected == "a quoted text is never closed"


def test_labels_of_the_demonstration_volume_read_the_same(tmp_path: Path) -> None:
    demo = write_volume(tmp_path / "volume")
    labels = [label.path for label in demo.labels] + [broken.path for broken in demo.rejected]
    assert differing(demo.folder, sorted(set(labels))) == []


def test_the_fast_path_takes_nearly_all_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = write_volume(tmp_path / "volume")
    slowly: list[int] = []
    read_whole = scraping._Scraper._whole

    def counted(scraper: scraping._Scraper, number: int) -> None:
        slowly.append(number)
        read_whole(scraper, number)

    monkeypatch.setattr(scraping._Scraper, "_whole", counted)
    labels = [label.path for label in demo.labels]
    by_scraper(demo.folder, labels)
    assert len(slowly) < len(labels) / 50


def test_numbers_that_fill_gaps_of_an_instrument_are_missing_there_alone(tmp_path: Path) -> None:
    files = {
        "hrsc.lbl": pds3("A = -1e32", "B = (1.5, -9.99e31 <km>)", "C = -1e31", instrument="HRSC"),
        "other.lbl": pds3("A = -1e32", "B = (1.5, -9.99e31 <km>)"),
    }
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)) == []
    hrsc, other = by_scraper(tmp_path, sorted(files))
    assert hrsc.values["A"] == [(False, [(MISSING, "fill", 0, None)])]
    assert [element[0] == MISSING for element in hrsc.values["B"][0][1]] == [False, True]
    assert other.values["A"][0][1][0][1] == "-1e32"


def test_a_slow_mount_is_read_by_many_threads_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = series([str(at) for at in range(300)])
    write(tmp_path, files)
    labels = [*sorted(files), "gone.lbl"]
    fast = by_scraper(tmp_path, labels)
    monkeypatch.setattr(scraping, "_SLOW_READ", -1.0)
    assert by_scraper(tmp_path, labels) == fast
    assert fast[-1].rejected == "cannot be read: No such file or directory (ENOENT)"


def test_products_stand_in_the_order_of_their_labels(tmp_path: Path) -> None:
    files = series(["1", None, '"N/A"'] * 10) | {f"Q{at}.xml": pds4() for at in range(5)}
    write(tmp_path, files)
    chunk = scrape(Task(str(tmp_path), "root", tuple(sorted(files, key=hash))))
    assert chunk.label.tolist() == list(range(len(files)))
    assert (chunk.row[1:][chunk.path[1:] == chunk.path[:-1]] >= chunk.row[:-1][chunk.path[1:] == chunk.path[:-1]]).all()


def test_a_chunk_comes_back_from_its_file(tmp_path: Path) -> None:
    files = series(["1", "(1.5 <km>, N/A)", '"text"']) | {"a.xml": pds4("<own:A>1</own:A>"), "bad.lbl": "X = ("}
    write(tmp_path / "root", files)
    task = Task(str(tmp_path / "root"), "root", tuple(sorted(files)))
    made = scrape(task)
    assert scrape_to_file(task, str(tmp_path / "chunk"))[0] == 1
    read = read_chunk(tmp_path / "chunk")
    for name in ("label", "standard", "common", "start_time", "row", "path", "value", "kind", "bits", "unit", "first"):
        assert getattr(read, name).tolist() == getattr(made, name).tolist()
    for name in ("root", "labels", "ids", "commons", "paths", "families", "units", "named", "rejected", "read_bytes"):
        assert getattr(read, name) == getattr(made, name)
    assert read.text == made.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chunk", "root"]


def test_a_task_without_labels_gives_an_empty_chunk(tmp_path: Path) -> None:
    chunk = scrape(Task(str(tmp_path), "root", ()))
    assert (len(chunk.label), len(chunk.row), chunk.rejected) == (0, 0, [])
    assert CHUNK >= 1


def test_a_keyword_that_one_label_has_as_text_and_another_as_block(tmp_path: Path) -> None:
    files = {"1.lbl": pds3("A = 1"), "2.lbl": pds3("GROUP = A", "A = 2", "END_GROUP"), "3.lbl": pds3("A = 3")}
    write(tmp_path, files)
    assert differing(tmp_path, sorted(files)) == []
    assert [sorted(reading.values.keys() & {"A", "A/A"}) for reading in by_scraper(tmp_path, sorted(files))] == [
        ["A"], ["A/A"], ["A"],
    ]  # fmt: skip
