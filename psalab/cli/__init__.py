"""The command line ``psalab``: parse arguments, call, show.

Whatever is heavy (DuckDB, lxml, rich) is imported inside the command that needs it.
"""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from psalab.cli import index_commands, label_command
from psalab.cli.exit_codes import Commands
from psalab.cli.show import print_lines

__all__ = ["app", "main"]

app = typer.Typer(
    name="psalab",
    cls=Commands,
    help="Labels of the Planetary Science Archive as SQL: index a volume, then ask for any keyword of any label.",
    epilog="Exit codes: 0 done, 1 something wrong was found, 2 usage, 3 a mount or a service is not there, "
    "4 refused, 5 another run holds the lock, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
)


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a micro sign on an ASCII terminal, or a file name that is no UTF-8
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="psalab")


def _print_version(asked: bool) -> None:  # noqa: FBT001  typer calls it so
    if asked:
        import psalab

        print_lines([f"psalab {psalab.__version__}"])
        raise typer.Exit


@app.callback()
def _of_psalab_itself(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Where; by default a folder of psalab's own in the user's data.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the demonstration volume, small and synthetic.

    It is the same everywhere, has several instruments and both standards, and some labels are broken on purpose.
    """
    import psalab

    volume = psalab.demo(folder)
    print_lines(
        [
            f"wrote the demonstration volume (synthetic) to {volume}",
            f"index it:  psalab index build {index_commands.quoted(volume)} --index demo.duckdb",
        ]
    )


app.command("label")(label_command.label)
app.add_typer(index_commands.app, name="index")
