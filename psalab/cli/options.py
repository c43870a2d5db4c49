"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["IndexOption", "JsonOption", "named_index"]

IndexOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="The index; by default the setting `index`, or PSALAB_INDEX.",
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


def named_index(option: Path | None) -> Path:
    """Give the index that the option or the settings name.

    Raises
    ------
    typer.BadParameter
        Neither does.
    """
    if option is not None:
        return option
    from psalab import config

    index = config.load().index.value
    if index is None:
        raise typer.BadParameter(
            f"no index is named: add --index FILE, or set PSALAB_INDEX, or `index` in {config.default_file()}"
        )
    return index
