"""``psalab index check``: what is wrong with the volumes of an index."""

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from psalab.cli.exit_codes import WRONG, complain
from psalab.cli.options import IndexOption, JsonOption, asked_index
from psalab.cli.show import counted, print_lines, print_table, printable
from psalab.errors import PsalabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from psalab.index.check import Check
    from psalab.index.check_codes import Finding

__all__ = ["check"]

#: Findings that a terminal shows beside the counts, the worst ones.
_SHOWN: Final = 20


def check(
    *,
    index: IndexOption = None,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Compare the sizes that labels declare with those of the files.")
    ] = False,
    sums: Annotated[
        bool, typer.Option("--hash", help="Read every file that has an MD5 sum in its PDS4 label, and compare.")
    ] = False,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="PATTERN", help="Findings of these data sets alone.", show_default=False),
    ] = None,
    waivers: Annotated[
        Path | None,
        typer.Option(
            "--waivers",
            metavar="FILE",
            help="Findings that may stay: CSV of code, path (with * and ?), reason, until.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            "--since", metavar="REPORT", help="What --json printed last time: tell what is new.", show_default=False
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write all findings as CSV.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="DIR", help="Write an HTML page for each data set.", show_default=False),
    ] = None,
    fail_on: Annotated[
        Literal["new", "damage", "never"],
        typer.Option(
            "--fail-on", help="End with 1 if there is damage, or if a damage or a doubt is new (needs --since)."
        ),
    ] = "damage",
    as_json: JsonOption = False,
) -> None:
    """Check labels, files, ids, versions and values for what is wrong.

    The index says what the volumes hold: update it first. Each finding has a code, a severity (note, doubt, damage), and
    what was found and expected.
    """
    if fail_on == "new" and since is None:
        raise typer.BadParameter("--fail-on new needs --since REPORT, the report that findings are new against")
    from psalab.index.ask_connection import Connection
    from psalab.index.check import Check, Options
    from psalab.index.progress import bar

    with closing(Connection(asked_index(index))) as connection:
        with bar("terminal" if sys.stderr.isatty() and not as_json else "nowhere") as tell:
            check = Check(connection, Options(sizes, sums, dataset, waivers, since), tell)
            some = _run(check, csv, html, as_json=as_json)
        if not as_json:
            _show(check, some)
    if _fails(check, fail_on):
        raise typer.Exit(WRONG)


def _run(check: "Check", csv: Path | None, html: Path | None, *, as_json: bool) -> "dict[str, list[Finding]]":
    """Run all checks, write what is asked for, and give some findings of each severity."""
    from psalab.index.check_html import HtmlReports
    from psalab.index.check_report import csv_report, json_lines

    some: dict[str, list[Finding]] = {}
    try:
        with ExitStack() as stack:
            takers = [stack.enter_context(csv_report(csv))] if csv else []
            pages = HtmlReports(html) if html else None
            takers += [pages.add] if pages else []
            findings = _handed_on(check, [*takers, lambda finding: _keep(some, finding)])
            if as_json:
                print_lines(json_lines(check, findings))
            for _ in findings:  # all, where no JSON is printed, and what the reader of a pipe did not want
                pass
            if pages:
                pages.write(check)
    except OSError as error:
        if isinstance(error, PsalabError):
            raise
        complain(f"the report cannot be written: {error}")
        raise typer.Exit(WRONG) from error
    return some


def _handed_on(check: "Check", takers: "Iterable[Callable[[Finding], None]]") -> "Iterator[Finding]":
    for finding in check:
        for take in takers:
            take(finding)
        yield finding


def _keep(some: "dict[str, list[Finding]]", finding: "Finding") -> None:
    kept = some.setdefault(finding.severity, [])
    if finding.waived is None and len(kept) < _SHOWN:
        kept.append(finding)


def _fails(check: "Check", fail_on: str) -> bool:
    from psalab.index.check_codes import DAMAGE, DOUBT

    return (fail_on == "damage" and check.total(DAMAGE) > 0) or (
        fail_on == "new" and check.total(DAMAGE, DOUBT, new=True) > 0
    )


# -------------------------------------------------------------------------------------------------------------- showing


def _show(check: "Check", some: "dict[str, list[Finding]]") -> None:
    if sys.stdout.isatty():
        _show_tables(check, some)
    else:
        print_lines([_summary(check)])
    for words in (*check.about_waivers, *(f"not checked: {limit}" for limit in check.not_checked)):
        complain(words)


def _summary(check: "Check") -> str:
    """Tell what was found on one line."""
    from psalab.index.check_codes import DAMAGE, DOUBT, NOTE

    totals = (
        f"{check.total(DAMAGE):,} damage",
        counted(check.total(DOUBT), "doubt"),
        counted(check.total(NOTE), "note"),
    )
    heading = check.heading()
    parts = [f"{heading['index']}: {', '.join(totals)}"]
    if heading["since"]:
        parts.append(f"{check.total(DAMAGE, DOUBT, NOTE, new=True):,} new since {heading['since']}")
    if waived := sum(count.waived for count in check.counts):
        parts.append(f"{waived:,} waived")
    codes = [f"{count.findings:,} {count.code} ({count.severity})" for count in check.counts if count.findings]
    return "; ".join([*parts, *([", ".join(codes)] if codes else [])])


def _show_tables(check: "Check", some: "dict[str, list[Finding]]") -> None:
    from psalab.index.check_codes import DAMAGE, DOUBT, NOTE

    counts = check.counts
    columns = (
        "severity",
        "code",
        "findings",
        *(("new",) if check.options.since else ()),
        *(("waived",) if check.options.waivers else ()),
    )
    if counts:
        print_table(columns, [[getattr(count, column) for column in columns] for count in counts])
    else:
        print_lines(["nothing was found"])
    worst = [finding for severity in (DAMAGE, DOUBT) for finding in some.get(severity, ())][:_SHOWN]
    print_lines(line for finding in worst for line in _lines(finding))
    if (rest := check.total(DAMAGE, DOUBT, NOTE) - len(worst)) > 0:
        print_lines([f"and {counted(rest, 'more finding')}: --csv FILE, --html DIR or --json gives all of them"])


def _lines(finding: "Finding") -> "Iterator[str]":
    line = f":{finding.line}" if finding.line is not None else ""
    yield printable(f"{finding.severity} {finding.code}: {finding.path or finding.dataset or finding.root}{line}")
    about = f"{finding.about}: " if finding.about else ""
    yield printable(f"    {about}{finding.found}")
    yield printable(f"    expected: {finding.expected}")
