"""``psalab index …``: build an index, and ask it."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from psalab.cli import check_command, publish_command, update_command
from psalab.cli.exit_codes import WRONG, complain
from psalab.cli.options import IndexOption, JsonOption, asked_index, named_index
from psalab.cli.running import LogFileOption, MetricsOption, rejected_of, watched
from psalab.cli.show import bytes_in_words, counted, print_facts, print_json, print_lines, print_sections, print_table

if TYPE_CHECKING:
    from psalab.index.ask import Index, Status
    from psalab.index.build import Report

__all__ = ["app", "quoted"]

app = typer.Typer(help="Build an index of volumes, and ask it.", no_args_is_help=True, rich_markup_mode=None)

_ODD_VALUES: Final = """
select p.family, o.path, count(*) as count, min(o.text) as example
from odd_values o join products p using (product_key) group by all order by all
"""
#: Columns of `keywords` that a terminal has room for, family by family; JSON and tab-separated lines have all.
_SHORT_KEYWORDS: Final = ("path", "type", "unit", "count", "min", "max")


def quoted(path: Path) -> str:
    """Write a path as a shell takes it."""
    return shlex.quote(str(path))


# --------------------------------------------------------------------------------------------------------------- build


@app.command()
def build(
    *,
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT", help="Volumes, or any folders.", show_default=False)],
    index: IndexOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="Processes; by default the setting `jobs`.", show_default=False
        ),
    ] = None,
    structure: Annotated[
        bool, typer.Option("--structure", help="With the keywords that describe the layout of data objects.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Leave out files and folders of this name, or path below a root (several times for several).",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        Literal["new", "damage", "never"],
        typer.Option(
            "--fail-on", help="End with 1 if a label was rejected: one that the former index did not reject, or any."
        ),
    ] = "never",
    log_file: LogFileOption = None,
    metrics: MetricsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every label below the roots into an index.

    A former index answers until the new one is whole. Interrupted, the same command goes on from where it was.
    """
    from psalab import config
    from psalab.index.build import build_index
    from psalab.index.progress import shown

    target = named_index(index)
    interrupted = "interrupted; the same command goes on from where it was, and a former index is as it was"
    told = {"roots": [str(root) for root in roots]}
    with watched("build", target, log_file, metrics, interrupted=interrupted, **told) as run:
        known = rejected_of(target) if fail_on == "new" else set()
        processes = config.load(jobs=jobs).jobs.value
        with shown() as tell:
            report = build_index(
                roots, target, jobs=processes, structure=structure, exclude=exclude or (), progress=run.telling(tell)
            )
        run.end(asdict(report), _metrics(report))
        _show_report(report, index, as_json=as_json)
        if fail_on == "damage" and report.rejected:
            raise typer.Exit(WRONG)
        if fail_on == "new" and (new := rejected_of(target) - known):
            complain(f"{counted(len(new), 'file')} rejected that the former index did not reject")
            raise typer.Exit(WRONG)


def _metrics(report: "Report") -> dict[str, float | int]:
    return {
        "run_files": report.files,
        "run_labels_read": report.labels,
        "run_labels_rejected": report.rejected,
        "index_products": report.products,
        "index_size_bytes": report.index.stat().st_size,
    }


def _show_report(report: "Report", option: Path | None, *, as_json: bool) -> None:
    from psalab.index.ask import open_index

    with open_index(report.index) as built:
        status = built.status()
        views = built.rows("select view_name from families where view_name is not null order by products desc").rows
    if as_json:
        print_json(_report_fields(report, status))
        return
    resumed = f", {report.resumed:,} of them read by an interrupted run" if report.resumed else ""
    numbers = (
        f"{counted(report.labels, 'label')}{resumed}",
        counted(report.products, "product"),
        f"{report.rejected:,} rejected",
        counted(status.families, "family", "families"),
        counted(status.keywords, "keyword"),
        bytes_in_words(status.size),
        f"{report.seconds:.1f} s",
    )
    print_lines([f"{report.index}: {', '.join(numbers)}"])
    if sys.stdout.isatty():
        where = f" --index {quoted(option)}" if option else ""
        advice = [f'  psalab index sql{where} "select * from {views[0][0] if views else "products"} limit 5"']  # noqa: S608  for people to copy
        if report.rejected:
            advice.insert(0, f"  psalab index errors{where}")
        print_lines(["what now:", f"  psalab index status{where}", *advice])


def _report_fields(report: "Report", status: "Status") -> dict[str, Any]:
    return {
        "index": str(report.index),
        "labels": report.labels,
        "resumed": report.resumed,
        "products": report.products,
        "rejected": report.rejected,
        "files": report.files,
        "families": status.families,
        "keywords": status.keywords,
        "bytes": status.size,
        "seconds": round(report.seconds, 3),
    }


# ----------------------------------------------------------------------------------------------------------------- ask


@app.command()
def status(*, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Show what an index holds, and since when."""
    from psalab.index.ask import open_index

    with open_index(asked_index(index)) as opened:
        fields = _status_fields(opened)
    if as_json:
        print_json(fields)
    elif sys.stdout.isatty():
        print_facts(_facts(fields))
        print_lines([""])
        told = ("family", "products", "keywords", "view_name")
        rows = [[family[name] for name in told] for family in fields["families"]]
        print_table((*told[:3], "table"), rows)
    else:
        print_table(("what", "value"), [*_facts(fields), *_families_in_words(fields)])


def _status_fields(opened: "Index") -> dict[str, Any]:
    status = opened.status()
    families = opened.plain.families()
    return {
        "index": str(status.path),
        "bytes": status.size,
        "built": status.built,
        "age_seconds": _seconds_since(status.built),
        "command": status.command,
        "up_to_date": status.up_to_date,
        "lag_seconds": _seconds_since(status.up_to_date),
        "psalab": status.psalab,
        "structure": status.structure,
        "labels": status.labels,
        "products": status.products,
        "rejected": status.rejected,
        "rejected_new": status.rejected_new,
        "rejected_old": status.rejected - status.rejected_new,
        "keywords": status.keywords,
        "roots": [
            {"root": root, "path": path, "mounted": status.mounted[root], "as_of": status.as_of.get(root)}
            for root, path in status.roots.items()
        ],
        "families": [dict(zip(families.columns, row, strict=True)) for row in families.rows],
    }


def _facts(fields: Mapping[str, Any]) -> "list[tuple[str, str]]":
    writing = {"build": "built", "update": "updated"}.get(fields["command"], "written")
    new = (
        f" ({fields['rejected_new']:,} of them new in the last run that found changes)"
        if fields["rejected_new"]
        else ""
    )
    return [
        ("index", f"{fields['index']} ({bytes_in_words(fields['bytes'])})"),
        ("written", f"{_age(fields['built'])}, {writing} by psalab {fields['psalab']}"),
        ("up to date", _age(fields["up_to_date"])),
        ("structure", "indexed" if fields["structure"] else "left out"),
        *((name, f"{fields[name]:,}") for name in ("labels", "products")),
        ("rejected", f"{fields['rejected']:,}{new}"),
        ("keywords", f"{fields['keywords']:,}"),
        *(
            (f"root {root['root']}", f"{root['path']}{'' if root['mounted'] else ' (not mounted here)'}")
            for root in fields["roots"]
        ),
    ]


def _seconds_since(when: datetime | None) -> int | None:
    return None if when is None else round((datetime.now(UTC).replace(tzinfo=None) - when).total_seconds())


def _families_in_words(fields: Mapping[str, Any]) -> "Iterator[tuple[str, str]]":
    for family in fields["families"]:
        view = f"; table {family['view_name']}" if family["view_name"] else ""
        found = f"{counted(family['products'], 'product')}, {counted(family['keywords'], 'keyword')}{view}"
        yield f"family {family['family']}", found


def _age(built: datetime | None) -> str:
    if built is None:
        return "never finished"
    minutes = (datetime.now(UTC).replace(tzinfo=None) - built).total_seconds() / 60
    hours, days = minutes / 60, minutes / 60 / 24
    ago = f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h" if days < 2 else f"{days:.0f} days"
    return f"{built:%Y-%m-%d %H:%M} UTC, {ago} ago"


app.command()(check_command.check)
app.command()(update_command.update)
app.command()(publish_command.publish)


@app.command()
def errors(*, index: IndexOption = None, as_json: JsonOption = False) -> None:
    """List the labels that are none, with the reason, and the keywords with values that do not fit their column."""
    from psalab.index.ask import open_index

    with open_index(asked_index(index)) as opened:
        rejected = opened.plain.rejected()
        odd = opened.rows(_ODD_VALUES)
    if as_json:
        tables = {"rejected": rejected, "odd_values": odd}
        print_json(
            {name: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for name, table in tables.items()}
        )
        return
    if sys.stdout.isatty():
        print_lines([f"{counted(len(rejected.rows), 'file')} rejected", ""])
    if rejected.rows or not sys.stdout.isatty():
        shown = [rejected.columns.index(name) for name in ("root", "path", "line", "reason", "text")]
        print_table([rejected.columns[at] for at in shown], [[row[at] for at in shown] for row in rejected.rows])
    if odd.rows:
        print_lines(["", f"{counted(len(odd.rows), 'keyword')} with odd values", ""] if sys.stdout.isatty() else [""])
        print_table(odd.columns, odd.rows)


@app.command()
def keywords(
    *,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN", help="With * and ?, in any case, compared with the path, cut from the left: '*ANGLE*'."
        ),
    ] = "*",
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keywords: type, unit, how many labels have a value, why others have none, range, examples."""
    from psalab.index.ask import open_index

    with open_index(asked_index(index)) as opened:
        columns, rows = opened.plain.keywords(pattern)
    if not rows:
        complain(f"no keyword fits {pattern!r}")
    if as_json or not sys.stdout.isatty():
        print_table(columns, rows, as_json=as_json)
    elif rows:
        shown, family = [columns.index(name) for name in _SHORT_KEYWORDS], columns.index("family")
        sections: dict[str, list[list[Any]]] = {}
        for row in rows:
            sections.setdefault(row[family], []).append([row[at] for at in shown])
        print_sections(_SHORT_KEYWORDS, sections)


@app.command()
def sql(
    *,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="One SELECT in DuckDB's SQL; - reads it from standard input.")
    ],
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask in SQL: tables products, files, keywords, rejected, …, and one for each large family of labels."""
    # the connection alone: what else an open index can do (filters, units, labels) takes longer to load than to answer
    from psalab.index.ask_connection import Connection

    text = sys.stdin.read() if query == "-" else query
    with closing(Connection(asked_index(index))) as connection:
        connection.check_select(text)
        columns, rows = connection.rows(text, users=True)
    print_table(columns, rows, as_json=as_json)
