"""Showing: tables on a terminal, tab-separated lines elsewhere, JSON where it is asked for.

Everything here takes what has been computed and prints it; rich loads when a table is shown on a terminal.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, Final, NoReturn

import typer

__all__ = [
    "bytes_in_words",
    "counted",
    "in_words",
    "plain",
    "print_facts",
    "print_json",
    "print_lines",
    "print_sections",
    "print_table",
    "printable",
]

#: Rows of a table that a terminal shows; whoever wants more writes them to a file or a pager.
_SHOWN_ROWS: Final = 200
#: A table whose columns cannot be at least this wide is shown row by row.
_NARROWEST: Final = 24

#: Control characters (C0, DEL, C1) as their escapes: labels are foreign text, and a terminal obeys some of these.
_ESCAPES: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{ord(char): name for char, name in (("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))},
}


def printable(text: str, *, keep: str = "") -> str:
    r"""Write control characters as escapes (``\x1b``), but for those to keep."""
    if text.isprintable():
        return text
    return text.translate({code: escape for code, escape in _ESCAPES.items() if chr(code) not in keep})


def plain(value: Any) -> Any:
    """Make a value what JSON can hold: times in ISO 8601 (UTC), no NaN, bytes in hexadecimal."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return str(value)


def in_words(value: Any) -> str:
    """Write a value as the text of a cell; a missing one is empty, a list or a mapping is JSON."""
    value = plain(value)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def counted(number: int, one: str, several: str | None = None) -> str:
    """Write how many there are of something: 1 label, 2,000 labels."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def bytes_in_words(size: int) -> str:
    """Write a number of bytes: 3.9 MB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


# ------------------------------------------------------------------------------------------------------------ printing


def print_lines(lines: Iterable[str]) -> None:
    """Print lines; a reader that has seen enough (``| head``) is no error, and the command goes on to its end."""
    try:
        for line in lines:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
    except OSError as error:
        _output_failed(error)


def _close_output() -> None:
    """Let what is still buffered go nowhere, or Python complains about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _output_failed(error: OSError) -> NoReturn:
    _close_output()
    print(f"psalab: the output cannot be written: {error.strerror or error}", file=sys.stderr)
    raise typer.Exit(1) from error


def print_json(value: Any) -> None:
    """Print a value as JSON; each item of a list, also inside a mapping, is a line of its own."""
    print_lines(_json_lines(plain(value)))


def _json_lines(value: Any) -> Iterator[str]:
    if isinstance(value, list) and value:
        yield "["
        last = len(value) - 1
        for number, item in enumerate(value):
            yield f"  {json.dumps(item, ensure_ascii=False)}{',' if number < last else ''}"
        yield "]"
    elif isinstance(value, dict) and value:
        yield "{"
        last = len(value) - 1
        for number, (key, item) in enumerate(value.items()):
            first, *rest = _json_lines(item) if isinstance(item, list) else [json.dumps(item, ensure_ascii=False)]
            lines = [f"  {json.dumps(key, ensure_ascii=False)}: {first}", *(f"  {line}" for line in rest)]
            lines[-1] += "," if number < last else ""
            yield from lines
        yield "}"
    else:
        yield json.dumps(value, ensure_ascii=False)


# -------------------------------------------------------------------------------------------------------------- tables


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool = False) -> None:
    r"""Print a table: as JSON (a list of objects), for people on a terminal, else as tab-separated lines with a header.

    In tab-separated lines a tab, a line end or a backslash inside a value is written ``\t``, ``\n``, ``\\``.
    """
    if as_json:
        names = _distinct(columns)
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():
        _print_on_terminal(columns, rows)
    else:
        print_lines(_tab_separated(cells) for cells in (columns, *rows))


def _distinct(columns: Sequence[str]) -> list[str]:
    """Names of columns, made distinct (``id``, ``id_1``), so that an object loses none."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _tab_separated(cells: Iterable[Any]) -> str:
    return "\t".join(printable(in_words(cell).replace("\\", "\\\\")) for cell in cells)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and what they mean, one to a line."""
    names, words = zip(*facts, strict=True)
    print_lines(_row_by_row(names, [[printable(word) for word in words]]))


def print_sections(columns: Sequence[str], sections: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    """Print tables that have their columns in common as one for a terminal, each below its name."""
    from rich.text import Text

    every = [row for rows in sections.values() for row in rows]
    table = _grid(columns, (), _numeric(columns, every))
    left = _SHOWN_ROWS
    for name, rows in sections.items():
        shown = rows[:left]
        left -= len(shown)
        if shown:
            table.add_row(Text(printable(name), style="bold"))
        for row in shown:
            first, *others = (printable(in_words(value)) for value in row)
            table.add_row(Text(f"  {first}"), *map(Text, others))
    console = _console()
    console.print(table)
    _print_what_is_left(console, len(every) - (_SHOWN_ROWS - left))


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _numeric(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[bool]:
    return [all(isinstance(row[at], int | float | None) for row in rows) for at in range(len(columns))]


def _print_what_is_left(console: Any, rows: int) -> None:
    if rows:
        console.print(f"... and {rows:,} more rows; a file, a pipe or --json gets them all", style="dim")


def _print_on_terminal(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    console = _console()
    shown = rows[:_SHOWN_ROWS]
    cells = [[printable(in_words(value)) for value in row] for row in shown]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    if sum(min(width, _NARROWEST) + 2 for width in widths) <= console.width:
        console.print(_grid(columns, cells, _numeric(columns, shown)))
    else:
        print_lines(_row_by_row(columns, cells))
    _print_what_is_left(console, len(rows) - len(shown))


def _grid(columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, right in zip(columns, numeric, strict=True):
        table.add_column(Text(printable(name)), justify="right" if right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _row_by_row(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write each row as lines of name and value, rows parted by an empty line; what is missing is left out."""
    widest = max(len(name) for name in columns)
    for number, row in enumerate(cells):
        if number:
            yield ""
        yield from (f"{printable(name):{widest}}  {cell}" for name, cell in zip(columns, row, strict=True) if cell)
