"""``psalab index publish``: an index as Parquet, for everyone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psalab.cli.options import IndexOption, JsonOption, named_index
from psalab.cli.running import LogFileOption, MetricsOption, Run, watched
from psalab.cli.show import bytes_in_words, counted, print_json, print_lines

if TYPE_CHECKING:
    from psalab.index.publish import Publication

__all__ = ["publish"]


def publish(
    *,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where publications are, numbered 1, 2, 3.", show_default=False)
    ],
    index: IndexOption = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all/--public-only", help="With products whose labels give a release date that lies ahead, or without."
        ),
    ] = False,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=1, help="Publications that are kept, the new one counted.")
    ] = 3,
    verify: Annotated[
        bool, typer.Option("--verify", help="Publish nothing: compare the SHA-256 of each published file.")
    ] = False,
    log_file: LogFileOption = None,
    metrics: MetricsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the index as Parquet with a manifest, readable without psalab.

    Readers see the former publication until the new one is whole. Tables that have not changed are not written again.
    """
    if verify:
        _verify(folder, as_json=as_json)
        return
    source = named_index(index)
    interrupted = "interrupted; what was published before is as it was"
    with watched("publish", source, log_file, metrics, interrupted=interrupted, folder=str(folder)) as run:
        done = _run(source, folder, run, keep=keep, public_only=not everything)
        fields = _fields(done)
        run.end(fields, {f"publish_{name}": fields[name] for name in ("number", "products", "bytes")})
        _show(done, fields, as_json=as_json)


def _run(source: Path, folder: Path, run: Run, *, keep: int, public_only: bool) -> "Publication":
    from psalab.index.progress import shown
    from psalab.index.publish import publish_index

    with shown() as tell:
        return publish_index(source, folder, keep=keep, public_only=public_only, progress=run.telling(tell))


def _fields(done: "Publication") -> dict[str, Any]:
    return {
        "folder": str(done.folder),
        "number": done.number,
        "new": done.new,
        "products": done.products,
        "bytes": done.bytes,
        "written": list(done.written),
        "linked": list(done.linked),
        "left_out": done.left_out,
        "removed": list(done.removed),
        "seconds": round(done.seconds, 3),
    }


def _show(done: "Publication", fields: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(fields)
        return
    left_out = done.left_out["products"]
    numbers = (
        counted(done.products, "product"),
        bytes_in_words(done.bytes),
        f"{len(done.written)} of {counted(len(done.written) + len(done.linked), 'table')} written",
        *([f"{counted(left_out, 'product')} left out, not released yet"] if left_out else []),
        *([f"removed {', '.join(map(str, done.removed))}"] if done.removed else []),
        f"{done.seconds:.1f} s",
    )
    print_lines([f"{done.folder}{'' if done.new else ' is as the index is'}: {', '.join(numbers)}"])


def _verify(folder: Path, *, as_json: bool) -> None:
    from psalab.index.manifest import latest_folder, verify

    files = list(verify(folder))
    if as_json:
        print_json(
            {"folder": str(latest_folder(folder)), "files": len(files), "bytes": sum(file.bytes for file in files)}
        )
    else:
        total = bytes_in_words(sum(file.bytes for file in files))
        print_lines([f"{latest_folder(folder)}: {counted(len(files), 'file')}, {total}, as they were written"])
