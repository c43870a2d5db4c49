"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["IndexOption", "JsonOption", "asked_index", "named_index"]

IndexOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="The index; by default the setting `index`, PSALAB_INDEX or, to ask, the one on a mounted volume.",
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]


def asked_index(option: Path | None) -> tuple[Path, ...]:
    """Give the index to ask: the one that the option or the settings name, or those on the volumes.

    Raises
    ------
    typer.BadParameter
        There is none.
    """
    from psalab.errors import IndexNotFound
    from psalab.index.find_index import index_paths

    try:
        return index_paths(option)
    except IndexNotFound as error:
        raise typer.BadParameter(str(error)) from error


def named_index(option: Path | None) -> Path:
    """Give the index to write: the one that the option or the settings name.

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
