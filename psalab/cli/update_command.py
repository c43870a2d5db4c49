"""``psalab index update``: what is new, changed or gone since the last run."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from psalab.cli.exit_codes import WRONG, complain
from psalab.cli.options import IndexOption, JsonOption, named_index
from psalab.cli.running import LogFileOption, MetricsOption, Run, rejected_of, watched
from psalab.cli.show import counted, print_json, print_lines

if TYPE_CHECKING:
    from psalab.index.update import UpdateReport

__all__ = ["update"]


def update(
    *,
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[ROOT]...", help="Volumes; by default all of the index.", show_default=False),
    ] = None,
    index: IndexOption = None,
    under: Annotated[
        Path | None,
        typer.Option("--under", metavar="DIR", help="Look only into this folder.", show_default=False),
    ] = None,
    from_list: Annotated[
        Path | None,
        typer.Option(
            "--from-list",
            metavar="FILE",
            help="Look only at the files that FILE names, one a line.",
            show_default=False,
        ),
    ] = None,
    by_hash: Annotated[
        bool, typer.Option("--hash", help="Compare what labels hold, not only their sizes and times.")
    ] = False,
    max_forget: Annotated[
        float,
        typer.Option(
            "--max-forget", metavar="P", min=0, max=100, help="Largest share (%) of a root's labels that may be gone."
        ),
    ] = 1.0,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Leave out files and folders of this name or path; by default as the last run.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="Processes; by default the setting `jobs`.", show_default=False
        ),
    ] = None,
    fail_on: Annotated[
        Literal["new", "damage", "never"],
        typer.Option("--fail-on", help="End with 1 if a label is rejected: one that was not before, or any."),
    ] = "never",
    log_file: LogFileOption = None,
    metrics: MetricsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read what is new or changed, and forget what is gone.

    A former index answers until the new one is whole. If more is gone than may be, nothing is changed.
    """
    target = named_index(index)
    options = {"under": under, "from_list": from_list, "by_hash": by_hash, "max_forget": max_forget / 100}
    interrupted = "interrupted; nothing was changed, and the same command goes on from where it was"
    told = {"roots": [str(root) for root in roots or ()]}
    with watched("update", target, log_file, metrics, interrupted=interrupted, **told) as run:
        known = rejected_of(target) if fail_on == "new" else set()
        report = _run(target, roots or (), run, jobs, exclude=exclude, **options)
        fields = asdict(report)
        run.end(fields, _metrics(report))
        _show(report, fields, as_json=as_json)
        rejected = rejected_of(target) if fail_on != "never" else set()
        failing = rejected if fail_on == "damage" else rejected - known
        if fail_on != "never" and failing:
            complain(
                f"{counted(len(failing), 'file')} rejected{' that the former index did not reject' * (fail_on == 'new')}"
            )
            raise typer.Exit(WRONG)


def _run(target: Path, roots: "list[Path] | tuple[()]", run: Run, jobs: int | None, **options: Any) -> "UpdateReport":
    from psalab import config
    from psalab.index.progress import shown
    from psalab.index.update import update_index

    processes = config.load(jobs=jobs).jobs.value
    with shown() as tell:
        return update_index(target, roots, jobs=processes, progress=run.telling(tell), **options)


def _metrics(report: "UpdateReport") -> dict[str, float | int]:
    return {
        "run_files": report.files,
        "run_labels_read": report.read,
        "run_labels_new": report.new,
        "run_labels_changed": report.changed,
        "run_labels_gone": report.gone,
        "run_labels_rejected": report.rejected,
        "run_roots_away": len(report.away),
        "index_products": report.products,
        "index_size_bytes": report.index.stat().st_size,
    }


def _show(report: "UpdateReport", fields: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(fields | {"index": str(report.index)})
        return
    numbers = (
        f"{report.new:,} new",
        f"{report.changed:,} changed",
        f"{report.gone:,} gone",
        f"{counted(report.files, 'file')} looked at",
        f"{counted(report.read, 'label')} read",
        f"{report.rejected:,} of them rejected",
        counted(report.products, "product"),
        f"{report.seconds:.1f} s",
    )
    print_lines([f"{report.index}: {', '.join(numbers)}"])
    for note in report.notes:
        complain(note)
