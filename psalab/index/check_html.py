"""Reports of a check for people: one HTML page for each data set, to send to those who made it, and a page that lists them.

A page needs nothing but itself, runs no program, and can be printed. Every text of a label or a file name is escaped.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from psalab.errors import ConfigError
from psalab.index.check_codes import CODES, DAMAGE, DOUBT, NOTE, SEVERITIES, Finding
from psalab.index.check_report import harmless, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from psalab.index.check import Check

__all__ = ["HtmlReports"]

#: Findings of one kind that a page shows; the others are counted, and stand in the CSV.
_SHOWN: Final = 200
_SEVERAL: Final = {DAMAGE: "damage", DOUBT: "doubts", NOTE: "notes"}

_STYLE: Final = """
:root { --ink: #1c2733; --soft: #5b6875; --line: #d5dce3; --damage: #a81d2c; --doubt: #92600a; --note: #2c5c8f; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 2rem; max-width: 68rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
header { border-bottom: 2px solid var(--ink); padding-bottom: .75rem; margin-bottom: 1.25rem; }
header p { margin: 0; color: var(--soft); }
h1 { font-size: 1.65rem; line-height: 1.25; margin: .1rem 0 .35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.12rem; margin: 2.25rem 0 .25rem; break-after: avoid; }
h2 + p { margin: 0 0 .6rem; color: var(--soft); max-width: 52rem; break-after: avoid; }
.counts { display: flex; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.counts li { flex: 1; border: 1px solid var(--line); border-top: 4px solid; border-radius: 4px; padding: .5rem .9rem; }
.counts b { display: block; font-size: 1.6rem; line-height: 1.2; }
.counts span { color: var(--soft); }
.damage { border-top-color: var(--damage) !important; } .doubt { border-top-color: var(--doubt) !important; }
.note { border-top-color: var(--note) !important; }
.tag { display: inline-block; color: #fff; border-radius: 3px; padding: 0 .45em; font-size: .75rem; font-weight: 600;
  vertical-align: .12em; letter-spacing: .02em; }
.tag.damage { background: var(--damage); } .tag.doubt { background: var(--doubt); } .tag.note { background: var(--note); }
.tag.new { background: #2a6a3c; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink);
  padding: .2rem 1.2rem .2rem 0; }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: .35rem 1.2rem .35rem 0; overflow-wrap: anywhere; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
code { font: .86rem/1.45 ui-monospace, "Liberation Mono", Consolas, monospace; }
.line { color: var(--soft); white-space: nowrap; }
.list td:nth-child(n+2), .list th:nth-child(n+2) { text-align: right; width: 7rem; }
.facts { width: auto; } .facts th { border: 0; padding-right: 1.5rem; }
.facts td { border: 0; padding-top: .2rem; padding-bottom: .2rem; }
.more { color: var(--soft); margin: .4rem 0 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .6rem; color: var(--soft); font-size: .85rem; }
a { color: inherit; }
@media print { body { padding: 0; max-width: none; font-size: 10pt; } .tag, .counts li { print-color-adjust: exact;
  -webkit-print-color-adjust: exact; } @page { margin: 16mm; } }
"""


#: By this a page is known for one that a check wrote, and may replace.
_OURS: Final = '<meta name="generator" content="psalab index check">'


class _Page:
    """What is kept of a data set while findings come in: a few of each kind, and how many there are."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], list[Finding]] = {}
        self.counted: Counter[tuple[str, str]] = Counter()
        self.new = self.waived = 0

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        if finding.waived is not None:
            self.waived += 1
            return
        kind = (finding.code, finding.severity)
        self.counted[kind] += 1
        self.new += bool(finding.new)
        shown = self.shown.setdefault(kind, [])
        if len(shown) < _SHOWN:
            shown.append(finding)

    def total(self, severity: str) -> int:
        """Count the findings of a severity."""
        return sum(times for (_, found), times in self.counted.items() if found == severity)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Codes and severities, the worst first."""
        codes = list(CODES)
        return sorted(self.counted, key=lambda kind: (SEVERITIES.index(kind[1]), codes.index(kind[0])))


class HtmlReports:
    """Takes findings, and writes the pages when all are there.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Pages of an earlier check are replaced; those of data sets without findings are removed.

    Raises
    ------
    ConfigError
        The folder has an `index.html` that no check wrote.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / "index.html"
        if index.exists() and not _is_ours(index):
            raise ConfigError(
                f"{index} was not written by a check, and is not replaced; name a folder for the report alone"
            )
        self.folder = folder
        self._pages: dict[str | None, _Page] = {}

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        self._pages.setdefault(finding.dataset, _Page()).add(finding)

    def write(self, check: Check) -> None:
        """Write the pages, and `index.html`, which lists them."""
        heading, labels = check.heading(), check.labels_of()
        pages = dict(sorted(((name, page) for name, page in self._pages.items() if page.counted), key=_worst_first))
        files = dict(zip(pages, _file_names(pages), strict=True))
        for name, page in pages.items():
            self._write(files[name], _page(name, page, heading, labels.get(name, 0), check))
        self._write("index.html", _index(pages, files, heading, labels, check))
        for old in self.folder.glob("check-*.html"):
            if old.name not in files.values() and _is_ours(old):
                old.unlink()

    def _write(self, name: str, lines: Iterator[str]) -> None:
        with whole_file(self.folder / name) as stream:
            stream.writelines(f"{line}\n" for line in lines)


def _is_ours(file: Path) -> bool:
    with file.open("rb") as stream:
        return _OURS.encode() in stream.read(1000)


def _worst_first(item: tuple[str | None, _Page]) -> tuple[int, int, str]:
    name, page = item
    return -page.total(DAMAGE), -page.total(DOUBT), name or ""


def _file_names(names: Mapping[str | None, _Page]) -> Iterator[str]:
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name or "no-data-set")[:120]
        free, number = f"check-{stem}.html", 1
        while free.lower() in taken:
            number += 1
            free = f"check-{stem}-{number}.html"
        taken.add(free.lower())
        yield free


def _text(value: object) -> str:
    return html.escape(harmless(str(value)))


def _path(value: str) -> str:
    return _text(value).replace("/", "/<wbr>")  # a long one is broken behind a folder


def _begin(title: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{_OURS}'
    # a page of foreign texts runs nothing and loads nothing, should one of them ever escape its escaping
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"


def _end(heading: Mapping[str, Any]) -> Iterator[str]:
    yield f"<footer>Made by psalab {_text(heading['psalab'])} from the index {_text(heading['index'])}. Times are UTC.</footer>"
    yield "</body>\n</html>"


def _facts(rows: Mapping[str, str]) -> Iterator[str]:
    yield '<table class="facts">'
    yield from (f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows.items() if value)
    yield "</table>"


def _times(heading: Mapping[str, Any]) -> dict[str, str]:
    built = heading["built"]
    return {
        "Checked": f"{heading['checked']:%Y-%m-%d %H:%M}",
        "Files as of": f"{built:%Y-%m-%d %H:%M} (when the index was built)" if built else "",
        "New means": f"not in the report {heading['since']}" if heading["since"] else "",
    }


def _counts(totals: Mapping[str, int]) -> Iterator[str]:
    yield '<ul class="counts">'
    for name, times in totals.items():
        yield f'<li class="{name}"><b>{times:,}</b><span>{name if times == 1 else _SEVERAL[name]}</span></li>'
    yield "</ul>"


# ------------------------------------------------------------------------------------------------------- a data set


def _page(name: str | None, page: _Page, heading: Mapping[str, Any], labels: int, check: Check) -> Iterator[str]:
    title = name or "Files that belong to no data set"
    yield from _begin(f"Check of {title}")
    yield f"<header><p>Check of the archive</p><h1>{_text(title)}</h1></header>"
    roots = sorted({finding.root for findings in page.shown.values() for finding in findings})
    yield from _facts({"Labels": f"{labels:,}" if name else "", "Volume": ", ".join(roots), **_times(heading)})
    yield from _counts({severity: page.total(severity) for severity in SEVERITIES})
    if page.new:
        yield f'<p><span class="tag new">new</span> {page.new:,} of them since the last report.</p>'
    if page.waived:
        yield f"<p>{page.waived:,} more are known and waived; they are not shown.</p>"
    for number, kind in enumerate(page.kinds):
        yield from _section(kind, page, number)
    yield from _not_checked(check)
    yield from _end(heading)


def _section(kind: tuple[str, str], page: _Page, number: int) -> Iterator[str]:
    (code, severity), found = kind, page.shown[kind]
    yield f'<section id="s{number}"><h2>{_text(CODES[code].title)} <span class="tag {severity}">{severity}</span></h2>'
    yield f'<p>{_text(CODES[code].meaning)} <code class="line">{_text(code)}</code></p>'
    yield '<table><colgroup><col style="width:44%"><col style="width:29%"><col style="width:27%"></colgroup>'
    yield "<thead><tr><th>Where</th><th>Found</th><th>Expected</th></tr></thead><tbody>"
    yield from (_row(finding) for finding in sorted(found, key=lambda item: (item.path or "", item.line or 0)))
    yield "</tbody></table>"
    if page.counted[kind] > len(found):
        yield f'<p class="more">and {page.counted[kind] - len(found):,} more of this kind; the CSV lists all.</p>'
    yield "</section>"


def _row(finding: Finding) -> str:
    where = '<span class="tag new">new</span> ' if finding.new else ""
    where += f"<code>{_path(finding.path)}</code>" if finding.path else "the whole data set"
    where += f' <span class="line">line {finding.line}</span>' if finding.line is not None else ""
    about = f"<br><code>{_text(finding.about)}</code>" if finding.about and finding.about != finding.path else ""
    return f"<tr><td>{where}{about}</td><td>{_text(finding.found)}</td><td>{_text(finding.expected)}</td></tr>"


def _not_checked(check: Check) -> Iterator[str]:
    if check.not_checked:
        yield "<section><h2>Not checked</h2><ul>"
        yield from (f"<li>{_text(limit)}</li>" for limit in check.not_checked)
        yield "</ul></section>"


# ------------------------------------------------------------------------------------------------------ all of them


def _index(
    pages: Mapping[str | None, _Page],
    files: Mapping[str | None, str],
    heading: Mapping[str, Any],
    labels: Mapping[str | None, int],
    check: Check,
) -> Iterator[str]:
    yield from _begin("Check of the archive")
    yield "<header><p>Check of the archive</p><h1>All data sets with findings</h1></header>"
    volumes = ", ".join(heading["volumes"])
    yield from _facts({"Volumes": volumes, "Labels": f"{sum(labels.values()):,}", **_times(heading)})
    yield from _counts({severity: check.total(severity) for severity in SEVERITIES})
    yield '<table class="list"><thead><tr><th>Data set</th><th>Labels</th><th>Damage</th><th>Doubts</th><th>Notes</th>'
    yield "<th>New</th></tr></thead><tbody>" if heading["since"] else "</tr></thead><tbody>"
    for name, page in pages.items():
        numbers = [labels.get(name, 0), *(page.total(severity) for severity in SEVERITIES)]
        numbers += [page.new] if heading["since"] else []
        cells = "".join(f"<td>{number:,}</td>" if number else "<td></td>" for number in numbers)
        yield f'<tr><td><a href="{files[name]}">{_text(name or "no data set")}</a></td>{cells}</tr>'
    yield "</tbody></table>"
    if not pages:
        yield "<p>Nothing was found.</p>"
    for words in check.about_waivers:
        yield f'<p class="more">{_text(words)}</p>'
    yield from _not_checked(check)
    yield from _end(heading)
