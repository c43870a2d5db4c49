"""PDS3 labels: ODL text to statements, statements to a tree.

`statement` reads one statement at a position; everything else here is built on it. The index's fast path calls it too,
for lines that it has not met before, so that there is one grammar.

Source: PDS Standards Reference 3.8, chapter 12. Kept from real labels beyond it: END may be missing, a comment may lack
its end on the line, SFDU lines, BEGIN_GROUP and BEGIN_OBJECT, a semicolon behind a statement, a keyword without a value.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Final, NamedTuple

from psalab.errors import LabelError
from psalab.labels.label import MAX_DEPTH, Block, Keyword, Label, shown, too_deep
from psalab.labels.values import DECLARED_FILLS, FILL_NUMBERS, clock_value, fills_of, is_clock, pvl_value
from psalab.labels.values import MAX_DEPTH as MAX_LIST_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "ASSIGN",
    "BEGIN",
    "BLANK",
    "BLOCK_WORDS",
    "END",
    "FINISH",
    "SIMPLE",
    "SIMPLE_LINE",
    "PvlError",
    "Statement",
    "decode",
    "end_of",
    "located",
    "nest",
    "parse",
    "statement",
    "statements",
    "tree",
    "with_line_feeds",
]

ASSIGN: Final = 0
BEGIN: Final = 1
FINISH: Final = 2
END: Final = 3
BLANK: Final = 4


class Statement(NamedTuple):
    """One statement of a label.

    Attributes
    ----------
    kind : int
        ASSIGN, BEGIN (of a block), FINISH (of a block), END (of the label) or BLANK (blanks and comments).
    name : str
        The keyword, or GROUP or OBJECT; upper case.
    raw : str
        The value, or the block's name.
    position : int
        Where it begins in the text.
    """

    kind: int
    name: str
    raw: str
    position: int


class PvlError(LabelError):
    """Text that is no statement; ``position`` is where, ``incomplete`` whether more text might mend it."""

    def __init__(self, reason: str, position: int, *, incomplete: bool = False):
        super().__init__(reason)
        self.position, self.incomplete = position, incomplete


#: A statement on one line whose value is one token: nearly all of them are. What does not match goes the careful way.
#: Written in what Python's regular expressions and those of RE2 have in common: the index uses it in both.
SIMPLE_LINE: Final = (
    r"[ \t]*(?P<name>\^?[A-Za-z][A-Za-z0-9_:]*)[ \t]*=[ \t]*"
    r"""(?P<raw>"[^"\n\r]*"|[^ \t\n\r\f\v\x00"'(){}<>,;=/]+(?:[ \t]*<[^<>\n\r]*>)?"""
    r"""|\((?:[^(){}"'/;=\n\r]|/[^(){}"'/;=\n\r*]|"[^"\n\r]*")*\))[ \t\r]*"""
)
SIMPLE: Final = re.compile(SIMPLE_LINE + r"(?:\n|\Z)(?![ \t\r\n]*<)")  # a unit may stand on the next line
_BLANKS: Final = re.compile(r"[ \t\r\n\f\v\0]+")
_COMMENT_ON_LINE: Final = re.compile(r"/\*[^\n\r]*?\*/")
_NAME: Final = re.compile(r"\^?[A-Za-z0-9_][^\s\x00-\x1f=(){}<>\"',;/]*")
_EQUALS: Final = re.compile(r"[ \t]*=")
_SFDU: Final = re.compile(r"(?:CCSD|NJPL)[0-9A-Za-z]{16,}[ \t]*(?:\r?\n|\r|\Z)")
_BARE: Final = re.compile(r"(?:[^\s\0\"'(){}<>,;=/]|/(?!\*))+")
_NEXT_ASSIGNS: Final = re.compile(
    r"\^?[A-Za-z][A-Za-z0-9_:]*[ \t]*=|END(?:_GROUP|_OBJECT)?\b", re.ASCII | re.IGNORECASE
)
_UNIT: Final = re.compile(r"\s*<[^<>\n\r]*>")
_LIST_PART: Final = re.compile(r"""[^"'(){}/]+|"[^"]*"|'[^'\n]*'|/\*|[/(){}]""")
_LINE_REST: Final = re.compile(r"[ \t\f\v\0;]*+(?P<end>\r\n?|\n|\Z)?")

BLOCK_WORDS: Final = {
    "GROUP": (BEGIN, "GROUP"),
    "OBJECT": (BEGIN, "OBJECT"),
    "BEGIN_GROUP": (BEGIN, "GROUP"),
    "BEGIN_OBJECT": (BEGIN, "OBJECT"),
    "END_GROUP": (FINISH, "GROUP"),
    "END_OBJECT": (FINISH, "OBJECT"),
}


def statement(text: str, pos: int) -> tuple[Statement, int]:
    """Read the statement, or the run of blanks and comments, that begins at a position.

    ``statement = name "=" value | "END_GROUP" | "END_OBJECT" | "END"``

    Parameters
    ----------
    text : str
        The label, or more; its lines end in LF or CRLF (see `with_line_feeds`).
    pos : int
        Start of a line, or any place between two statements; before the end of the text.

    Returns
    -------
    Statement, int
        The statement and the position behind its line end.

    Raises
    ------
    PvlError
        No statement begins here.
    """
    if simple := SIMPLE.match(text, pos):
        return _named(simple["name"], simple["raw"], pos), simple.end()
    start = _skip_blanks(text, pos)
    if start > pos:
        newline = text.rfind("\n", pos, start)
        if newline >= 0 or start >= len(text):
            return Statement(BLANK, "", "", pos), newline + 1 if start < len(text) else start
    if sfdu := _SFDU.match(text, start):
        return Statement(BLANK, "", "", pos), sfdu.end()
    return _careful(text, start)


def _named(name: str, raw: str, pos: int) -> Statement:
    name = name.upper()
    if name in BLOCK_WORDS:
        kind, word = BLOCK_WORDS[name]
        return Statement(kind, word, raw.strip("\"'").upper(), pos)
    return Statement(ASSIGN, name, raw, pos)


def _skip_blanks(text: str, pos: int) -> int:
    """``blanks = {white space | "/*" characters "*/"}``; a comment that its line does not close may end where the line does."""
    while True:
        if blanks := _BLANKS.match(text, pos):
            pos = blanks.end()
        if not text.startswith("/*", pos):
            return pos
        if comment := _COMMENT_ON_LINE.match(text, pos):
            pos = comment.end()
        else:
            reopened = text.find("/*", pos + 2)
            closing = text.find("*/", pos + 2, reopened if reopened >= 0 else len(text))
            pos = closing + 2 if closing >= 0 else _line_end(text, pos)


def _line_end(text: str, pos: int) -> int:
    end = text.find("\n", pos)
    return end if end >= 0 else len(text)


def _careful(text: str, pos: int) -> tuple[Statement, int]:
    found = _NAME.match(text, pos)
    if found is None:
        raise PvlError("expected a keyword at the beginning of a statement", pos)
    name, after = found[0], found.end()
    if name.upper() == "END" and not _EQUALS.match(text, after):  # whatever follows: it may be data
        return Statement(END, "END", "", pos), after
    equals = _EQUALS.match(text, after) or _EQUALS.match(text, _skip_blanks(text, after))
    if equals is None:
        return _without_value(text, name, pos, after)
    start = _skip_blanks(text, equals.end())
    newline = _line_end(text, equals.end())
    if start >= len(text) or (start > newline and _NEXT_ASSIGNS.match(text, start)):
        if start >= len(text) and newline >= len(text):
            return _named(name, "", pos), len(text)
        comment = text.find("/*", equals.end(), newline)
        if comment >= 0 and not _COMMENT_ON_LINE.match(text, comment):  # it may go on behind the line end
            return _named(name, "", pos), text.rfind("\n", 0, start) + 1
        return _named(name, "", pos), min(newline + 1, len(text))
    end = _value_end(text, start)
    if unit := _UNIT.match(text, end):
        end = unit.end()
    return _named(name, text[start:end], pos), _statement_end(text, end)


def _without_value(text: str, name: str, pos: int, after: int) -> tuple[Statement, int]:
    word = name.upper()
    if word in ("END_GROUP", "END_OBJECT"):
        return _named(word, "", pos), _statement_end(text, after)
    raise PvlError(f"expected '=' behind the keyword {name[:60]}", pos, incomplete=_line_end(text, pos) >= len(text))


def _value_end(text: str, start: int) -> int:
    """``value = text | symbol | list | word``."""
    first = text[start]
    if first == '"':
        end = text.find('"', start + 1)
        if end < 0:
            raise PvlError("a quoted text is never closed", start, incomplete=True)
        return end + 1
    if first == "'":
        end = text.find("'", start + 1)
        if end < 0 or end > _line_end(text, start):
            raise PvlError("a symbol in single quotes is not closed on its line", start, incomplete=end < 0)
        return end + 1
    if first in "({":
        return _list_end(text, start)
    bare = _BARE.match(text, start)
    if bare is None:
        raise PvlError("expected a value behind '='", start)
    return bare.end()


def _list_end(text: str, start: int) -> int:
    """``list = "(" [value {"," value}] ")" | "{" [value {"," value}] "}"``."""
    closers: list[str] = []
    pos = start
    while part := _LIST_PART.match(text, pos):
        pos = part.end()
        mark = part[0]
        if mark in ("(", "{"):
            closers.append(")" if mark == "(" else "}")
            if len(closers) > MAX_LIST_DEPTH:
                raise PvlError(f"lists nested deeper than {MAX_LIST_DEPTH} levels", start)
        elif mark in (")", "}"):
            if closers.pop() != mark:
                raise PvlError(f"a list is closed by the wrong bracket {mark!r}", pos - 1)
            if not closers:
                return pos
        elif mark == "/*":
            pos = text.find("*/", pos) + 2
            if pos < 2:
                raise PvlError("a comment within a list is never closed", start, incomplete=True)
        elif "=" in mark and mark[0] not in "\"'/":
            raise PvlError("a list is never closed", start)
    raise PvlError("a list is never closed", start, incomplete=True)


def _statement_end(text: str, pos: int) -> int:
    """Pass the rest of the line: blanks, comments and a semicolon."""
    while rest := _LINE_REST.match(text, pos):
        pos = rest.end()
        if rest["end"] is not None:
            return pos
        if not text.startswith("/*", pos):
            break
        start, pos = pos, _skip_blanks(text, pos)
        newline = text.rfind("\n", start, pos)
        if newline >= 0 or pos >= len(text):
            return newline + 1 if newline >= 0 else pos
    raise PvlError("unexpected text behind a value", pos)


def decode(data: bytes) -> str:
    """Decode a PDS3 label: ASCII by the standard, in truth also UTF-8 and Latin-1."""
    data = data.removeprefix(BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        whole = error.start if error.end == len(data) else 0  # a character may be cut where reading stopped
        return data[:whole].decode() + data[whole:].decode("latin-1")


def with_line_feeds(text: str) -> str:
    """Give a text whose lines end in CR alone the line feeds that everything here counts by."""
    return text.replace("\r", "\n") if "\n" not in text else text


def statements(text: str) -> Iterator[Statement]:
    """Read the statements of a label up to END, or to the end of the text.

    Raises
    ------
    PvlError
        At the first text that is no statement.
    """
    pos, size = 0, len(text)
    while pos < size:
        found, pos = statement(text, pos)
        if found.kind != BLANK:
            yield found
        if found.kind == END:
            return


def end_of(data: bytes) -> int:
    """Find where a label ends that data may follow: behind its END, or at the end of the bytes where there is none."""
    text = with_line_feeds(data.decode("ascii", "replace"))  # one character for each byte
    try:
        return next((found.position + len("END") for found in statements(text) if found.kind == END), len(data))
    except PvlError:
        return len(data)


def nest(found: Iterable[Statement]) -> list[Keyword | Block]:
    """Build the tree of a label from its statements.

    Raises
    ------
    PvlError
        A block is not closed, closed by another name, or closed without having been opened.
    """
    top: list[Keyword | Block] = []
    children = top
    open_blocks: list[tuple[Block, list[Keyword | Block]]] = []
    for kind, name, raw, position in found:
        if kind == ASSIGN:
            children.append(Keyword(name, raw, clock_value if is_clock(name) else pvl_value, line=position))
        elif kind == BEGIN:
            if not raw:
                raise PvlError(f"expected a name for the {name} behind '='", position)
            if len(open_blocks) >= MAX_DEPTH:
                raise PvlError(too_deep(None, None).reason, position)
            block = Block(raw, name, line=position)
            children.append(block)
            open_blocks.append((block, children))
            children = block.children
        elif kind == FINISH:
            if not open_blocks:
                raise PvlError(f"END_{name} {raw} closes a block that was not opened", position)
            block, outer = open_blocks.pop()
            if block.kind != name or (raw and raw != block.name):
                raise PvlError(f"END_{name} {raw} closes {block.kind} {block.name}", position)
            children = outer
        else:
            break
    if open_blocks:
        block = open_blocks[-1][0]
        raise PvlError(f"{block.kind} {block.name} is never closed", block.line or 0, incomplete=True)
    return top


def tree(text: str, *, must_end: bool = False) -> Label:
    """Build the label of a text; ``must_end`` refuses one without END as incomplete.

    Raises
    ------
    PvlError
        The text is no label; with the position.
    """
    text = with_line_feeds(text)
    last = Statement(BLANK, "", "", 0)

    def noted() -> Iterator[Statement]:
        nonlocal last
        for found in statements(text):
            last = found
            yield found

    children = nest(noted())
    if last.kind != END:
        if must_end or last.kind == BLANK:
            raise PvlError("the label has no END" if must_end else "no keyword", len(text), incomplete=True)
        _refuse_cut(last, text)
    label = Label("PDS3", children)
    _number_lines(label, text)
    _mask_fills(label, text)
    return label


def _mask_fills(label: Label, text: str) -> None:
    """Make numbers missing that stand for nothing, where the label declares them or its instrument is known for them."""
    fills: dict[float, str] = {}
    if any(instrument in text for instrument in FILL_NUMBERS):
        fills = dict.fromkeys(fills_of(label.identity.instrument), "fill")
    if "_CONSTANT" in text:
        for node in label.children:
            if isinstance(node, Keyword) and node.name in DECLARED_FILLS and isinstance(node.value, int | float):
                fills[float(node.value)] = DECLARED_FILLS[node.name]
    if fills:
        for _, keyword in label.leaves():
            if not keyword.name.endswith("_CONSTANT"):
                keyword.mask(fills)


def _refuse_cut(last: Statement, text: str) -> None:
    """Refuse a label without END whose last value may be half of one: ``12`` of ``123``, or of ``12 <km>``."""
    if last.kind == ASSIGN and (not last.raw or not text.endswith(("\n", "\r"))):
        line = max(text.rfind("\n"), last.position)
        if not last.raw or _skip_blanks(text, line) < len(text):
            raise PvlError("the label has no END and may be cut within its last value", last.position, incomplete=True)


def parse(text: str, *, path: Path | None = None) -> Label:
    """Parse a PDS3 label.

    Parameters
    ----------
    text : str
        The label; what follows its END is not looked at.
    path : pathlib.Path, optional
        Where it comes from, for messages.

    Returns
    -------
    Label

    Raises
    ------
    LabelError
        The text is no label; names file and line and shows the text.
    """
    try:
        label = tree(text)
    except PvlError as error:
        raise located(error, text, path) from None
    label.path = path
    return label


def _number_lines(label: Label, text: str) -> None:
    """Turn the positions that `nest` noted into line numbers, in one pass."""
    line, before = 1, 0
    for _, node in label.walk():
        position = node.line or 0
        line += text.count("\n", before, position)
        node.line, before = line, position


def located(error: PvlError, text: str, path: Path | None) -> LabelError:
    """Give an error its file, line and text."""
    text = with_line_feeds(text)
    position = min(error.position, len(text))
    line = text.count("\n", 0, position) + 1
    start = text.rfind("\n", 0, position) + 1
    return LabelError(
        error.reason, path=str(path) if path else None, line=line, text=shown(text[start : _line_end(text, position)])
    )
