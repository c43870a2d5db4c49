"""How a command ends: errors of psalab become one message and an exit code, without a traceback."""

import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from psalab.cli.show import printable
from psalab.errors import (
    AmbiguousKeyword,
    ConfigError,
    FilterError,
    IndexLocked,
    PsalabError,
    QueryFailed,
    RootRefused,
    ServiceUnavailable,
    TooMuchForgotten,
    UnknownKeyword,
    VolumeError,
)

__all__ = ["INTERRUPTED", "LOCKED", "NOT_THERE", "REFUSED", "USAGE", "WRONG", "Commands", "complain", "exit_code"]

WRONG: Final = 1
USAGE: Final = 2
NOT_THERE: Final = 3
REFUSED: Final = 4
LOCKED: Final = 5
INTERRUPTED: Final = 130  # as shells have it: 128 and the number of SIGINT

#: The first kind that fits decides.
_CODES: Final[tuple[tuple[type[PsalabError], int], ...]] = (
    (IndexLocked, LOCKED),
    (RootRefused, REFUSED),
    (TooMuchForgotten, REFUSED),
    (VolumeError, NOT_THERE),
    (ServiceUnavailable, NOT_THERE),
    (ConfigError, USAGE),
    (FilterError, USAGE),
    (QueryFailed, USAGE),
    (UnknownKeyword, USAGE),
    (AmbiguousKeyword, USAGE),
    (PsalabError, WRONG),
)


def exit_code(error: PsalabError) -> int:
    """Exit code of an error."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def complain(message: object) -> None:
    """Say what is wrong on standard error; texts of labels are shown harmless."""
    text = printable(str(message), keep="\n")
    print(f"psalab: {text}", file=sys.stderr)


class Commands(TyperGroup):
    """The commands; whatever one of them raises on purpose ends here. Anything else is a bug, and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except PsalabError as error:
            complain(error)
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from error
