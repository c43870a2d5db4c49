"""``psalab label``: one label, or some of its keywords."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psalab.cli.exit_codes import WRONG, complain
from psalab.cli.options import JsonOption
from psalab.cli.show import in_words, print_lines, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psalab.labels import Keyword, Label

__all__ = ["label"]


def label(
    *,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A label, or the file that begins with one.", show_default=False)
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="NAME",
            help="This keyword or block alone (several times for several): its path, which may be cut from the left, "
            "or a pattern such as '*ANGLE*'.",
            show_default=False,
        ),
    ] = None,
    structures: Annotated[
        bool, typer.Option("--structures", help="With the structure files (FMT) that the label points to.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the keywords of a label, PDS3 or PDS4: path = value <unit>."""
    from psalab.labels import read_label

    try:
        read = read_label(path, structures=structures)
    except OSError as error:
        complain(f"{path}: {error.strerror or error}")
        raise typer.Exit(WRONG) from error
    found = [pair for name in key for pair in _named(read, name)] if key else list(read.leaves())
    if as_json:
        rows = [(path, keyword.value, keyword.unit, keyword.why_missing) for path, keyword in found]
        print_table(("path", "value", "unit", "missing"), rows, as_json=True)
    else:
        print_lines(_line(path, keyword) for path, keyword in found)


def _named(label: "Label", name: str) -> "Iterator[tuple[str, Keyword]]":
    """Keywords that a pattern fits, or that a name means; of a block, all inside."""
    from psalab.errors import UnknownKeyword
    from psalab.labels.paths import PathIndex

    if "*" in name or "?" in name:
        fitting = label.find(name)
        if not fitting:
            raise UnknownKeyword(f"no keyword fits {name!r}", path=str(label.path))
        yield from ((path, keyword) for path, keyword in label.leaves() if path in fitting)
        return
    label.all(name)  # raises where it means none, or several
    meant = PathIndex(path for path, _ in label.walk()).find(name)
    for path, keyword in label.leaves():
        if path == meant or path.startswith(f"{meant}/"):
            yield path, keyword


def _line(path: str, keyword: "Keyword") -> str:
    reason = keyword.why_missing
    if reason is not None:
        return printable(f"{path} is missing ({reason})")
    unit = f" <{keyword.unit}>" if keyword.unit else ""
    return printable(f"{path} = {_value(keyword.value)}{unit}")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(_value(item) for item in value)})"
    return "missing" if value is None else in_words(value)
