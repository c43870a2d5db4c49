"""The fast path of the scraper: a memo over the pieces that labels are made of.

Most lines of a label stand in other labels of its folder, too. So a label is cut into pieces (PDS3: lines, PDS4: what
stands between two ``<``), each piece is looked up in a memo, and only those not met before are scanned, by the same
scanner that `read_label` uses. What remains of a label is a row of numbers; the sequence of its keywords is its *shape*.
Paths are worked out once for each shape.

Whatever a memo cannot tell for certain raises `Unusual`, and the label goes through `read_label`.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np

from psalab.index.elements import Elements, Raw
from psalab.labels import pds4, pvl
from psalab.labels.label import MAX_DEPTH, Block, Keyword
from psalab.labels.pointers import file_names, file_names_in, is_structure
from psalab.labels.values import DECLARED_FILLS, Scalar, Value, pvl_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psalab.labels.label import Label

__all__ = ["Leaf", "Lines", "Pieces", "Unusual", "leaves_of"]


class Unusual(Exception):
    """The fast path cannot tell; the label must be read as a whole."""


class Leaf(NamedTuple):
    """A keyword of a shape.

    Attributes
    ----------
    path : str
    position : int
        Which statement of the shape holds the value.
    declared : str or None
        Type that the data dictionary gives (PDS4).
    in_structure : bool
        Whether it describes the layout of data rather than the product.
    """

    path: str
    position: int
    declared: str | None
    in_structure: bool


Key: TypeAlias = tuple[Any, ...]

BLANK: Final = 0
_BLANK_LINE: Final = re.compile(r"\s*+(?>/\*[^\n]*?\*/\s*+)*+")


def leaves_of(children: Sequence[Keyword | Block]) -> Iterator[tuple[str, Keyword, bool]]:
    """All keywords below, in the order of the label, each with its path and whether a structure block holds it."""
    stack = [("", False, iter(children))]
    while stack:
        prefix, inside, rest = stack[-1]
        for child in rest:
            path = prefix + child.name
            if isinstance(child, Block):
                stack.append((path + "/", inside or is_structure(child.name, child.kind), iter(child.children)))
                break
            yield path, child, inside
        else:
            stack.pop()


class _Memo:
    """Pieces met so far: piece -> number; number -> what it says.

    Attributes
    ----------
    keys : list of int
        For each statement the number of its key: all of it that shapes the tree, without the value.
    """

    def __init__(self) -> None:
        self._statements: dict[str, int] = {"": BLANK}
        self._key_numbers: dict[Key, int] = {}
        self._keys: list[Key] = [()]
        self.keys = array("i", [BLANK])

    def _add(self, key: Key) -> int:
        number = self._key_numbers.get(key)
        if number is None:
            number = self._key_numbers[key] = len(self._keys)
            self._keys.append(key)
        self.keys.append(number)
        return len(self.keys) - 1


class Lines(_Memo):
    """Memo over the lines of PDS3 labels."""

    standard = "PDS3"

    def __init__(self) -> None:
        super().__init__()
        self.raws: list[str] = [""]
        self._end = self._statement(pvl.Statement(pvl.END, "END", "", 0))
        self._statements |= {"END": self._end, "END\r": self._end}
        self._masked: dict[int, Value] = {}  # values of labels read as a whole that their raw text alone does not tell
        self._assigns: dict[str, int] = {}  # keyword as the label spells it -> number of its key
        self._begun: dict[
            str, tuple[str, int]
        ] = {}  # first line -> the last statement over several lines that began so

    def _statement(self, found: pvl.Statement) -> int:
        kind, name, raw, _ = found
        number = self._add((name,) if kind == pvl.ASSIGN else (name, kind, raw))
        self.raws.append(raw)
        return number

    def row(self, text: str) -> list[int]:
        """Numbers of the statements of a label, line by line, to its END; blanks are BLANK.

        Raises
        ------
        Unusual
            The text has no END, or is none that can be read line by line.
        """
        lines = text.split("\n")
        statements = self._statements
        row: list[int | None] = list(map(statements.get, lines))
        row.append(None)  # a sentinel: the search for what is unseen always ends
        simple, assigns, keys, raws = pvl.SIMPLE.match, self._assigns, self.keys, self.raws
        end = self._first_end(row, 0)
        unseen = counted = offset = 0  # `offset` is that of line `counted`
        while (unseen := row.index(None, unseen)) < end:
            line = lines[unseen]
            if (match := simple(line)) and (key := assigns.get(match[1])) is not None:
                row[unseen] = statements[line] = len(raws)
                keys.append(key)
                raws.append(match[2])
                unseen += 1
                continue
            offset += sum(map(len, lines[counted:unseen])) + unseen - counted
            counted, offset = self._learn(text, offset, lines, row, unseen)
            unseen = counted
            if row[counted] == self._end:  # one that was not met before; `row` ends in a sentinel
                end = counted
            elif end < counted:  # that END was a word in a text
                end = self._first_end(row, counted)
        if end == len(lines):
            raise Unusual("no END")
        return row[:end]  # type: ignore[return-value]  # none is unseen before the END

    def _first_end(self, row: list[int | None], start: int) -> int:
        """Line of the first END that was recognised, or the number of lines."""
        try:
            return row.index(self._end, start)
        except ValueError:
            return len(row) - 1

    def _learn(self, text: str, offset: int, lines: list[str], row: list[int | None], at: int) -> tuple[int, int]:
        """Scan the statement at line `at`; give the line and the offset behind it."""
        begun = self._begun.get(lines[at])
        if begun and text.startswith(begun[0], offset):
            return self._place(begun[1], begun[0].count("\n"), at, row), offset + len(begun[0])
        try:
            found, end = pvl.statement(text, offset)
        except pvl.PvlError as error:
            raise Unusual(error.reason) from None
        if found.kind == pvl.END:
            row[at] = self._end
            return at, offset
        complete = text.endswith("\n", offset, end)
        if not complete and end < len(text):
            raise Unusual("a statement that ends within a line")  # at a lone carriage return, for example
        count = text.count("\n", offset, end) + (not complete)
        if found.kind == pvl.BLANK:
            for line in range(at, at + count):
                row[line] = BLANK
                if _BLANK_LINE.fullmatch(lines[line]):
                    self._statements[lines[line]] = BLANK
            return at + count, end
        number = self._statement(found)
        if found.kind == pvl.ASSIGN:
            self._assigns.setdefault(lines[at].partition("=")[0].strip(), self.keys[number])
        if count > 1:
            if complete and found.raw:
                self._begun[lines[at]] = (text[offset:end], number)
        elif found.raw:  # a value that is empty here may stand on the next line elsewhere
            self._statements[lines[at]] = number
        return self._place(number, count, at, row), end

    def _place(self, number: int, count: int, at: int, row: list[int | None]) -> int:
        row[at : at + count] = [number, *[BLANK] * (count - 1)]
        return at + count

    def leaves(self, keys: Sequence[int]) -> list[Leaf]:
        """Keywords of a shape."""

        def skeleton() -> Iterator[pvl.Statement]:
            for position, number in enumerate(keys):
                name, *block = self._keys[number]
                kind, raw = block or (pvl.ASSIGN, "")
                yield pvl.Statement(kind, name, raw, position)

        try:
            tree = pvl.nest(skeleton())
        except pvl.PvlError as error:
            raise Unusual(error.reason) from None
        if any(isinstance(node, Keyword) and node.name in DECLARED_FILLS for node in tree):
            raise Unusual("numbers that the label declares to be missing")
        return [Leaf(path, keyword.line or 0, None, inside) for path, keyword, inside in leaves_of(tree)]

    def whole(self, label: Label) -> Iterator[tuple[Leaf, int]]:
        """Keywords of a label that was read as a whole, each with a statement of its own."""
        declares = any(isinstance(node, Keyword) and node.name in DECLARED_FILLS for node in label.children)
        for path, keyword, inside in leaves_of(label.children):
            number = self._add(("", path))
            self.raws.append(keyword.raw)
            if declares:
                self._masked[number] = keyword.typed
            yield Leaf(path, 0, None, inside), number

    def typed(self, statement: int, _declared: str | None) -> Value:
        """Type the value of a statement."""
        return self._masked.get(statement) or pvl_value(self.raws[statement])

    def file_names(self, statement: int) -> list[str]:
        """Names of files in a pointer."""
        raw = self.raws[statement]
        return file_names_in(raw) or file_names([pvl_value(raw)])

    def add_typed(self, statements: Sequence[int], _declared: Sequence[str | None], elements: Elements) -> np.ndarray:
        """Type the values of statements, many at once; give the number of each value."""
        raws = self.raws
        if not self._masked:
            return elements.add_pvl([raws[statement] for statement in statements])
        plain = [at for at, statement in enumerate(statements) if statement not in self._masked]
        numbers = np.empty(len(statements), np.int32)
        numbers[plain] = elements.add_pvl([raws[statements[at]] for at in plain])
        for at, statement in enumerate(statements):
            if statement in self._masked:
                numbers[at] = elements.add(self._masked[statement])
        return numbers


_NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*(?::[A-Za-z_][A-Za-z0-9_.\-]*)?"
_NO_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
_S = "[ \t\n\r]"
_TEXT = f"(?:[^&{_NO_XML}]|&(?:amp|lt|gt|quot|apos);)*+"
_PREDEFINED: Final = (
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", '"'),
    ("&apos;", "'"),
    ("&amp;", "&"),
)  # the last unescapes
_OPEN: Final = re.compile(
    rf"""({_NAME})((?:{_S}+{_NAME}{_S}*={_S}*(?:"[^"&{_NO_XML}]*"|'[^'&{_NO_XML}]*'))*+){_S}*(/?)>({_TEXT})"""
)
_CLOSE: Final = re.compile(rf"/({_NAME}){_S}*>{_S}*")
_COMMENT: Final = re.compile(rf"<!--(?:[^\-{_NO_XML}]|-(?!-))*+-->")
_ASIDE: Final = re.compile(rf"\?(?!(?i:xml){_S})[A-Za-z][A-Za-z0-9_.\-]*(?:{_S}[^?{_NO_XML}]*)?\?>{_S}*")
_DECLARES: Final = re.compile(rf"\?xml{_S}")
_DECLARATION: Final = re.compile(
    rf"""\?xml{_S}+version{_S}*={_S}*["']1\.[0-9]["'](?:{_S}+encoding{_S}*={_S}*["'](?i:utf-8|us-ascii|ascii)["'])?"""
    rf"""(?:{_S}+standalone{_S}*={_S}*["'](?:yes|no)["'])?{_S}*\?>{_S}*"""
)
_ATTRIBUTE: Final = re.compile(rf"""{_S}+({_NAME}){_S}*={_S}*(?:"([^"]*)"|'([^']*)')""")
_SHAPES: Final = re.compile(r"xmlns\Z|[^:]+:")
#: Names of namespaces that need no check: others go through the parser, which knows what a URI is.
_PLAIN_URI: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(?:/[A-Za-z0-9._~\-]*)*#?")
_LINE_ENDS: Final = re.compile(r"[\t\n\r]")
_OPENS, _CLOSES, _EMPTY = "open", "close", "empty"


class Pieces(_Memo):
    """Memo over the pieces of PDS4 labels: the tag behind each ``<`` with the text that follows it."""

    standard = "PDS4"

    def __init__(self) -> None:
        super().__init__()
        self._statements = {}  # nothing between two "<" is no blank
        self.raws: list[Raw] = [Raw("", None, None)]
        self._heads: dict[str, tuple[str | None, str | None, int]] = {}  # tag with a text -> unit, nil reason, key

    def row(self, text: str) -> list[int]:
        """Numbers of the pieces of a label; declarations and comments are BLANK.

        Raises
        ------
        Unusual
            A piece has an entity, a section, mixed content, or is no XML.
        """
        if "<!--" in text:
            text = _COMMENT.sub("", text)
        first, *pieces = text.split("<")
        if first.strip(" \t\n\r") or not pieces:
            raise Unusual("text before the root element")
        row: list[int | None] = list(map(self._statements.get, pieces))
        if _DECLARES.match(pieces[0]):
            if first or not _DECLARATION.fullmatch(pieces[0]):
                raise Unusual("a declaration that is not plain UTF-8")
            row[0] = BLANK
        at = -1
        try:
            while True:
                at = row.index(None, at + 1)
                row[at] = self._statements[pieces[at]] = self._piece(pieces[at])
        except ValueError:
            return row  # type: ignore[return-value]  # no None is left

    def _piece(self, piece: str) -> int:
        head, _, text = piece.partition(">")
        known = self._heads.get(head)
        if known and text and text.isprintable() and not text.isspace() and "&" not in text and "]]>" not in text:
            unit, nil, key = known
            self.raws.append(Raw(text, unit, nil))
            self.keys.append(key)
            return len(self.keys) - 1
        if close := _CLOSE.fullmatch(piece):
            self.raws.append(self.raws[0])
            return self._add((_CLOSES, close[1]))
        found = _OPEN.fullmatch(piece)
        if found is None:
            if _ASIDE.fullmatch(piece):
                return BLANK
            raise Unusual("an entity, a section, or no XML")
        name, attributes, empty, text = found.groups()
        unit, nil, shaping = self._attributes(attributes) if attributes else (None, None, ())
        if "]]>" in text:
            raise Unusual("the end of a section")
        if "&" in text:
            for entity, char in _PREDEFINED:
                text = text.replace(entity, char)
        blank = not text or text.isspace()
        if empty and not blank:
            raise Unusual("mixed content")
        self.raws.append(Raw("" if empty else text, unit, nil))
        number = self._add((_EMPTY if empty else _OPENS, name, blank, shaping))
        if not empty and not blank and piece == f"{head}>{found[4]}":
            self._heads[head] = (unit, nil, self.keys[number])
        return number

    def _attributes(self, text: str) -> tuple[str | None, str | None, tuple[tuple[str, str], ...]]:
        """Give unit, reason of a nil value, and what shapes the names: namespaces, and the attributes that have a prefix."""
        pairs = [(name, double or single) for name, double, single in _ATTRIBUTE.findall(text)]
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unusual("an attribute twice")
        shaping = tuple(
            (name, value if name.startswith("xmlns") else "") for name, value in pairs if _SHAPES.match(name)
        )
        nil = found.get("nilReason", "nil") if found.get("xsi:nil", "").strip() in ("true", "1") else None
        unit = found.get("unit")
        if _LINE_ENDS.search(f"{unit}{nil}") or any(name.endswith(":nil") and name != "xsi:nil" for name in found):
            raise Unusual("an attribute over lines, or a prefix that is not the usual one")
        return unit, nil, shaping

    def leaves(self, keys: Sequence[int]) -> list[Leaf]:
        """Keywords of a shape; checks that elements nest and that prefixes are declared."""
        return list(_Nesting([self._keys[number] for number in keys]).leaves())

    def root(self, keys: Sequence[int]) -> str:
        """Name of the root element of a shape, with its usual prefix."""
        return _Nesting([self._keys[number] for number in keys]).root()

    def whole(self, label: Label) -> Iterator[tuple[Leaf, int]]:
        """Keywords of a label that was read as a whole, each with a statement of its own."""
        for path, keyword, inside in leaves_of(label.children):
            number = self._add(("", path))
            nil = keyword.why_missing if keyword.attributes.get("xsi:nil", "").strip() in ("true", "1") else None
            self.raws.append(Raw(keyword.raw, keyword.attributes.get("unit"), nil))
            class_name = (f"{label.name}/{path}").split("/")[-2]
            yield Leaf(path, 0, pds4.declared_type(class_name, keyword.name), inside), number

    def file_names(self, statement: int) -> list[str]:
        """Name of the file in a ``file_name``."""
        return file_names([self.typed(statement, "text")])

    def add_typed(self, statements: Sequence[int], declared: Sequence[str | None], elements: Elements) -> np.ndarray:
        """Type the texts of attributes, many at once; give the number of each value."""
        raws = self.raws
        return elements.add_pds4([raws[statement] for statement in statements], declared)

    def typed(self, statement: int, declared: str | None) -> Scalar:
        """Type the text of an attribute."""
        raw = self.raws[statement]
        return pds4.element_value(raw.text, declared, raw.unit, raw.nil)


class _Nesting:
    """Walks the tags of one shape as an XML parser would."""

    def __init__(self, keys: list[Key]):
        self.keys = keys
        self.scopes: list[dict[str, str]] = [{}]

    def root(self) -> str:
        key = self.keys[0]
        return self._enter(str(key[1]), key[3])

    def leaves(self) -> Iterator[Leaf]:
        keys = self.keys
        open_tags: list[tuple[str, str, str, bool]] = []  # tag, name, path with a slash, in structure
        last = len(keys) - 1
        for at, key in enumerate(keys):
            tag = str(key[1])
            if key[0] == _CLOSES:
                if not open_tags or open_tags.pop()[0] != tag:
                    raise Unusual("tags that do not nest")
                self.scopes.pop()
                if not open_tags and at != last:
                    raise Unusual("more than one root element")
                continue
            name = self._enter(tag, key[3])
            parent, prefix, inside = open_tags[-1][1:] if open_tags else ("", "", False)
            if (key[0] == _EMPTY or keys[min(at + 1, last)] == (_CLOSES, tag)) and open_tags:
                yield Leaf(prefix + name, at, pds4.declared_type(parent, name), inside)
            elif not key[2]:
                raise Unusual("mixed content")
            if key[0] == _EMPTY:
                self.scopes.pop()
                if not open_tags and at != last:
                    raise Unusual("more than one root element")
            else:
                if len(open_tags) > MAX_DEPTH - 2:
                    raise Unusual("deep nesting")
                below = prefix + name + "/" if open_tags else ""
                open_tags.append((tag, name, below, inside or is_structure(name, "CLASS")))
        if open_tags or not keys:
            raise Unusual("tags that are not closed")

    def _enter(self, tag: str, shaping: tuple[tuple[str, str], ...]) -> str:
        scope = self.scopes[-1]
        declared = {name[6:]: uri for name, uri in shaping if name == "xmlns" or name.startswith("xmlns:")}
        if declared:
            if not all(_PLAIN_URI.fullmatch(uri) for uri in declared.values()):
                raise Unusual("a namespace that may be none")
            scope = scope | declared
        self.scopes.append(scope)
        for name, _ in shaping:
            space = name.partition(":")[0]
            if space != "xmlns" and (not scope.get(space) or (name == "xsi:nil" and scope[space] != pds4.XSI)):
                raise Unusual("a prefix that is not declared")
        prefix, _, local = tag.rpartition(":")
        uri = scope.get(prefix)
        if (prefix and not uri) or (uri is not None and uri.startswith("http://www.w3.org/")):
            raise Unusual("a prefix that is not declared, or of another standard")
        usual = pds4.prefix_of(uri) if uri else None
        return f"{usual or prefix}:{local}" if usual or prefix else local
