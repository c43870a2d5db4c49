"""Reports of a check: CSV for a spreadsheet, HTML for people; texts of labels are foreign and do no harm in either."""

from __future__ import annotations

import csv
import re
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from psalab.errors import ConfigError
from psalab.index.ask_connection import Connection
from psalab.index.check import Check, Options
from psalab.index.check_codes import CODES, Finding
from psalab.index.check_html import HtmlReports
from psalab.index.check_report import csv_report, harmless
from tests.index.checked import camera
from tests.index.volumes import index_of

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "<script>alert('&')</script>\x1b[2J\u202egnp.exe"
FINDING = Finding(
    "data-missing", "damage", "SC-X-CAM-2-TEST-V1.0", "volume", "DATA/A.LBL", 7, "A.IMG", "A.IMG is not there", "it"
)


def of(**changed: object) -> Finding:
    return FINDING._replace(**changed)  # type: ignore[arg-type]  # a test names what it likes


# ----------------------------------------------------------------------------------------------------------------- CSV


def read_csv(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_csv_has_a_row_for_each_finding(tmp_path: Path) -> None:
    with csv_report(tmp_path / "found.csv") as add:
        add(FINDING)
        add(of(path=None, line=None, new=True, waived="known"))
    heading, first, second = read_csv(tmp_path / "found.csv")
    assert tuple(heading) == Finding._fields
    where = ["SC-X-CAM-2-TEST-V1.0", "volume", "DATA/A.LBL", "7"]
    assert first == ["data-missing", "damage", *where, "A.IMG", "A.IMG is not there", "it", "", ""]
    assert second[4:6] + second[9:] == ["", "", "True", "known"]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)"])
def test_no_cell_begins_a_formula(tmp_path: Path, text: str) -> None:
    with csv_report(tmp_path / "found.csv") as add:
        add(of(found=text))
    assert read_csv(tmp_path / "found.csv")[1][7] == f"'{text}"


def test_a_csv_takes_the_place_of_the_last_one_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text("the last one")
    with csv_report(tmp_path / "found.csv") as add:
        add(FINDING)
        assert (tmp_path / "found.csv").read_text() == "the last one"
        assert len(list(tmp_path.iterdir())) == 2
    assert len(read_csv(tmp_path / "found.csv")) == 2
    with pytest.raises(TypeError), csv_report(tmp_path / "found.csv") as add:
        add(3)  # type: ignore[arg-type]
    assert len(read_csv(tmp_path / "found.csv")) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["found.csv"]


def test_characters_that_do_something_are_written_as_their_codes() -> None:
    assert harmless("a\x1b[2J\r\n\u202eb\u00e4\u03bc") == "a\\u001b[2J\\u000d\\u000a\\u202eb\u00e4\u03bc"


# ---------------------------------------------------------------------------------------------------------------- HTML


class Tags(HTMLParser):
    """The tags of a page, its texts, and whether all are closed."""

    VOID = frozenset({"meta", "col", "br", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return index_of(tmp_path, {"DATA/A.LBL": camera('^IMAGE = "A.IMG"', id="A")})


def pages(index: Path, folder: Path, *findings: Finding) -> dict[str, str]:
    with closing(Connection(index)) as connection:
        reports = HtmlReports(folder)
        for finding in findings:
            reports.add(finding)
        reports.write(Check(connection, Options()))
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir())}


PAGE = "check-SC-X-CAM-2-TEST-V1.0.html"


def test_each_data_set_has_a_page_that_tells_where_what_and_what_was_expected(index: Path, tmp_path: Path) -> None:
    written = pages(index, tmp_path / "report", FINDING, of(dataset="OTHER", severity="doubt"))
    assert list(written) == ["check-OTHER.html", PAGE, "index.html"]
    text = "".join(Tags(written[PAGE]).texts)
    for expected in (
        "SC-X-CAM-2-TEST-V1.0",
        "DATA/A.LBL",
        "line 7",
        "A.IMG is not there",
        CODES["data-missing"].meaning,
    ):
        assert expected in text
    assert f'<a href="{PAGE}">' in written["index.html"]


def test_pages_are_well_formed_load_nothing_and_run_nothing(index: Path, tmp_path: Path) -> None:
    for page in pages(
        index, tmp_path / "report", FINDING, of(found=EVIL, about=EVIL, path=EVIL, dataset=EVIL)
    ).values():
        tags = Tags(page)
        assert tags.open == []
        assert not {"script", "img", "link", "iframe"} & set(tags.tags)
        assert not {name for name in tags.attributes if name.startswith("on")} | ({"src"} & tags.attributes)
        assert not re.search(r"url\(|@import|https?:", page)
        assert "default-src 'none'" in page


def test_foreign_texts_are_shown_as_they_are_and_do_nothing(index: Path, tmp_path: Path) -> None:
    page = pages(index, tmp_path / "report", of(found=EVIL))[PAGE]
    assert "<script>alert('&')</script>\\u001b[2J\\u202egnp.exe" in Tags(page).texts
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_names_of_data_sets_become_names_of_files(index: Path, tmp_path: Path) -> None:
    names = ["urn:esa:psa:b:data", "urn-esa-psa-b-data", "../../etc/passwd", None, "A/B", "a/b", "x" * 300]
    written = pages(index, tmp_path / "report", *(of(dataset=name) for name in names))
    assert set(written) == {
        "check-urn-esa-psa-b-data.html", "check-urn-esa-psa-b-data-2.html", "check-..-..-etc-passwd.html",
        "check-no-data-set.html", "check-A-B.html", "check-a-b-2.html", f"check-{'x' * 120}.html", "index.html",
    }  # fmt: skip
    assert not list(tmp_path.glob("etc*"))


def test_a_page_shows_the_first_findings_of_a_kind_and_counts_the_others(index: Path, tmp_path: Path) -> None:
    page = pages(index, tmp_path / "report", *(of(path=f"DATA/P{n:04}.LBL") for n in range(250)))[PAGE]
    assert page.count("<tr><td>") == 200
    assert "and 50 more of this kind; the CSV lists all." in page
    assert "<b>250</b>" in page


def test_waived_findings_are_counted_and_not_shown(index: Path, tmp_path: Path) -> None:
    page = pages(index, tmp_path / "report", FINDING, of(path="SECRET.LBL", waived="known"))[PAGE]
    assert "1 more are known and waived" in page
    assert "SECRET" not in page


def test_new_findings_are_marked(index: Path, tmp_path: Path) -> None:
    page = pages(index, tmp_path / "report", of(new=True))[PAGE]
    assert '<span class="tag new">new</span>' in page


def test_pages_of_data_sets_that_are_well_again_go(index: Path, tmp_path: Path) -> None:
    pages(index, tmp_path / "report", FINDING, of(dataset="OTHER"))
    (tmp_path / "report" / "check-mine.html").write_text("not a page of a check")
    assert set(pages(index, tmp_path / "report", FINDING)) == {"check-mine.html", PAGE, "index.html"}
    assert "Nothing was found." in pages(index, tmp_path / "report")["index.html"]


def test_a_folder_with_an_index_of_its_own_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("<h1>My home page</h1>")
    with pytest.raises(ConfigError, match="was not written by a check, and is not replaced"):
        pages(index, tmp_path / "report", FINDING)
