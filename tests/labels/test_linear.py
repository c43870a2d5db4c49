"""No text makes a regular expression run away: the time that reading takes grows as the length of the text does."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from psalab.errors import LabelError
from psalab.index import pieces
from psalab.index.elements import Elements
from psalab.index.lines import Lines
from psalab.index.pieces import Pieces
from psalab.labels import find, identity, pds4, pvl, values

if TYPE_CHECKING:
    from collections.abc import Callable

#: A short text of these parts shows what may run away: quadratic takes far more than SUSPICIOUS seconds for it.
SHORT = 4_000
LONG = 32_000
SUSPICIOUS = 0.003

#: Beginnings that lead somewhere, what is repeated behind them, and an end that does not fit.
STARTS = [
    *["", "A = ", "A = (", 'A = "', "A = '", "A = 1 ", "A = 1 <", "A = (1 <", "/*", "A = /*", "A = (/*", "END"],
    *["<a>", "<a ", '<a b="', "<!--", "<a><!--", "1", "2014-", "16#", "(1", "<"],
]
REPEATED = [
    *[
        " ",
        "\n",
        "\r\n",
        "\0",
        '"',
        "'",
        "(",
        ")",
        "()",
        ",",
        "<",
        ">",
        "<>",
        "<a",
        "/*",
        "*/",
        "/**/",
        "/* */ ",
        "/*\n",
    ],
    *[
        "=",
        "1",
        "1 ",
        "1,",
        "1.",
        "-",
        "-\n",
        "- ",
        "#",
        "a",
        "a ",
        "a\n",
        "a:",
        ";",
        "\xa0",
        "&",
        "1 <m> ",
        "END\n",
        '" "',
    ],
    *["A = 1\n", "A =\n", "<a>", "</a>", "<!--", "-->", "<?", "?>", ' b="1"', "/*a*/ /*b*/ ", '"a\n', "e5", "0"],
]
ENDS = ["", "x", "\n<", '"', "!"]


def made(parts: tuple[str, str, str], size: int) -> str:
    start, repeated, end = parts
    return start + repeated * (size // len(repeated)) + end


def seconds(work: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    with contextlib.suppress(LabelError):
        work(text)
    return time.process_time() - start


def runs_away(work: Callable[[str], object], parts: tuple[str, str, str]) -> bool:
    """Whether eight times the length takes far more than eight times the time: 64 times it is where time is quadratic."""
    short = made(parts, SHORT)
    if seconds(work, short) < SUSPICIOUS:
        return False
    few = min(seconds(work, short) for _ in range(3))
    if few <= SUSPICIOUS:
        return False
    long, allowed = made(parts, LONG), 6 * (LONG / SHORT) * few
    return all(seconds(work, long) > allowed for _ in range(3))  # one measurement alone may have been disturbed


def all_statements(text: str) -> None:
    for found in pvl.statements(text):
        if found.kind == pvl.ASSIGN:
            values.pvl_value(found.raw)


def bytes_of_a_file(text: str) -> None:
    data = text.encode()
    find.begins_with_label(data)
    find.is_xml(data)
    find.label_bytes(data)
    pvl.end_of(data)


WORK: dict[str, Callable[[str], object]] = {
    "pvl.statements": all_statements,
    "values.pvl_value": values.pvl_value,
    "values.pds4_value": lambda text: values.pds4_value(text, None),
    "values.parse_time": values.parse_time,
    "pds4.parse": lambda text: pds4.parse(text.encode()),
    "find": bytes_of_a_file,
    "identity.data_set_parts": identity.data_set_parts,
    "index.Lines": lambda text: Lines([text]),
    "index.Pieces": lambda text: Pieces([text]),
    "index.Elements": lambda text: Elements().add_pvl(pa.array([text])),
}
PATTERNS = {
    f"{module.__name__}.{name}": pattern
    for module in (pvl, values, pds4, identity, find, pieces)
    for name, pattern in vars(module).items()
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str)
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", WORK)
def test_no_function_runs_away(name: str) -> None:
    assert [parts for parts in itertools.product(STARTS, REPEATED, ENDS) if runs_away(WORK[name], parts)] == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PATTERNS)
def test_no_regular_expression_runs_away(name: str) -> None:
    """Each is tried at the beginning of a text; where it is searched for, a function above does so."""
    pattern = PATTERNS[name]
    starts = ["", "A", "A = ", '"', "(", "<", "1", "/*", "-", "a b=", "!--"]
    assert [parts for parts in itertools.product(starts, REPEATED, ENDS) if runs_away(pattern.fullmatch, parts)] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("repeated", [" ", '"', "<", "/*", "=", "(", "1", "a ", "\n", "\0"])
def test_a_megabyte_of_one_thing_takes_no_time(repeated: str) -> None:
    for start in ("", "A = ", "A = (", 'A = "', "<a>"):
        for name in (
            "pvl.statements",
            "values.pvl_value",
            "pds4.parse",
            "index.Lines",
            "index.Pieces",
            "index.Elements",
        ):
            seconds(WORK[name], made((start, repeated, ""), 1_000_000))
