"""The fast path through PDS4 labels: many at once, tag by tag.

A label is cut at each ``<``, so that a piece is a tag and the text behind it. Tags are few; each is taken apart once for
all labels of a chunk, and texts that are plain are Arrow's from then on. The other pieces are looked at one by one. What
remains of a label is a row of numbers of statements; whether tags nest is checked once for each sequence of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from psalab.index.arrow import as_mask, as_numbers, as_numpy, as_scalar, as_strings
from psalab.index.elements import Raws
from psalab.index.statements import Leaf, Unusual, leaves_of
from psalab.index.tokens import BLANK, halves, matching, shapes, silent, tokenise
from psalab.labels import pds4
from psalab.labels.label import MAX_DEPTH
from psalab.labels.pointers import file_names, is_structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psalab.index.elements import Elements
    from psalab.labels.label import Label
    from psalab.labels.values import Scalar

__all__ = ["Pieces"]

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
_TAG = rf"""({_NAME})((?:{_S}+{_NAME}{_S}*={_S}*(?:"[^"&{_NO_XML}]*"|'[^'&{_NO_XML}]*'))*+){_S}*(/?)"""
_OPEN: Final = re.compile(_TAG)
_OPEN_WITH_TEXT: Final = re.compile(f"{_TAG}>({_TEXT})")
_CLOSE: Final = re.compile(rf"/({_NAME}){_S}*")
_COMMENT: Final = re.compile(rf"<!--(?:[^\-{_NO_XML}]|-(?!-))*+-->")
_ASIDE: Final = re.compile(rf"\?(?!(?i:xml){_S})[A-Za-z][A-Za-z0-9_.\-]*(?:{_S}[^?{_NO_XML}]*)?\?>{_S}*")
_DECLARATION: Final = (
    rf"""\?xml{_S}+version{_S}*={_S}*["']1\.[0-9]["'](?:{_S}+encoding{_S}*={_S}*["'](?i:utf-8|us-ascii|ascii)["'])?"""
    rf"""(?:{_S}+standalone{_S}*={_S}*["'](?:yes|no)["'])?{_S}*\?>{_S}*"""
)
_PLAIN: Final = r"[^&\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]*"
_ATTRIBUTE: Final = re.compile(rf"""{_S}+({_NAME}){_S}*={_S}*(?:"([^"]*)"|'([^']*)')""")
_SHAPES: Final = re.compile(r"xmlns\Z|[^:]+:")
#: Names of namespaces that need no check: others go through the parser, which knows what a URI is.
_PLAIN_URI: Final = re.compile(r"https?://[A-Za-z0-9.\-]+(?:/[A-Za-z0-9._~\-]*)*#?")
_LINE_ENDS: Final = re.compile(r"[\t\n\r]")
_OPENS, _CLOSES, _EMPTY = "open", "close", "empty"
_CLOSED_OR_EMPTY: Final = (_CLOSES, _EMPTY)
_UNKNOWN: Final = -1  # number of a piece that only a parser can tell

Key: TypeAlias = tuple[Any, ...]


class _Tag(NamedTuple):
    """What a tag says: its key but for the text, and the places of unit and reason of nil in the list of names."""

    kind: str
    name: str
    shaping: tuple[tuple[str, str], ...]
    unit: int
    nil: int


class Pieces:
    """Statements of many PDS4 labels.

    Parameters
    ----------
    texts : sequence of str
        The labels, with line feeds as line ends.

    Attributes
    ----------
    unusual : list of int
        Labels that must be read as a whole.
    """

    standard = "PDS4"

    def __init__(self, texts: Sequence[str]):
        self._keys: list[Key] = [()]
        self._key_numbers: dict[Key, int] = {(): 0}
        self._names: list[str] = []  # units and reasons of nil
        self._others: list[
            tuple[int, str, int, int]
        ] = []  # key, text, unit, nil of statements that were read one by one
        self._tokens = tokenise([_COMMENT.sub("", text) if "<!--" in text else text for text in texts], "<")
        of_piece = self._take_apart()
        self._check(of_piece)

    def _key(self, *key: Any) -> int:
        number = self._key_numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
        return number

    def _name(self, name: str | None) -> int:
        if name is None:
            return -1
        self._names.append(name)
        return len(self._names) - 1

    def _take_apart(self) -> np.ndarray:
        """Make a statement of each distinct piece; give the statements' numbers."""
        pieces = self._tokens.distinct
        heads, tails = halves(pieces, ">")
        heads = heads.dictionary_encode()
        texts = pc.fill_null(tails, as_scalar(""))
        blank = as_numpy(pc.utf8_is_space(texts)) | as_numpy(pc.equal(texts, as_scalar("")))
        plain = as_numpy(pc.is_valid(tails)) & matching(texts, _PLAIN) & ~as_numpy(pc.match_substring(texts, "]]>"))
        ends = matching(texts, f"{_S}*")
        tags = [self._tag(head) for head in heads.dictionary.to_pylist()]
        of_head = as_numpy(heads.indices)
        known = np.array([tag is not None for tag in tags], bool)[of_head]
        closing = np.array([tag is not None and tag.kind in _CLOSED_OR_EMPTY for tag in tags], bool)[of_head]
        sure = known & plain & (ends | ~closing)
        keys = np.array([[self._tag_key(tag, empty) for empty in (0, 1)] for tag in tags], np.int32).reshape(-1, 2)
        spare = _Tag("", "", (), -1, -1)
        units = np.array([(tag or spare).unit for tag in tags], np.int32)
        nils = np.array([(tag or spare).nil for tag in tags], np.int32)
        # statement n is that of piece n - 1; those of `_others` follow
        self._own_keys = np.concatenate([np.zeros(1, np.int32), keys[of_head, blank.astype(np.intp)]])
        self._texts = pa.concat_arrays([as_strings([""]), texts])
        self._units = np.concatenate([np.full(1, -1, np.int32), units[of_head]])
        self._nils = np.concatenate([np.full(1, -1, np.int32), nils[of_head]])
        of_piece = np.arange(1, len(pieces) + 1, dtype=np.int32)
        of_piece[~sure] = [self._piece(piece) for piece in pieces.filter(as_mask(~sure)).to_pylist()]
        return of_piece

    def _tag(self, head: str) -> _Tag | None:
        """Take a tag apart; None where only a parser can."""
        if close := _CLOSE.fullmatch(head):
            return _Tag(_CLOSES, close[1], (), -1, -1)
        if (found := _OPEN.fullmatch(head)) is None:
            return None
        name, attributes, empty = found.groups()
        try:
            unit, nil, shaping = self._attributes(attributes) if attributes else (None, None, ())
        except Unusual:
            return None
        return _Tag(_EMPTY if empty else _OPENS, name, shaping, self._name(unit), self._name(nil))

    def _tag_key(self, tag: _Tag | None, blank: int) -> int:
        if tag is None:
            return 0
        return (
            self._key(_CLOSES, tag.name)
            if tag.kind == _CLOSES
            else self._key(tag.kind, tag.name, bool(blank), tag.shaping)
        )

    def _piece(self, piece: str) -> int:
        """Give the statement of a piece whose tag or text is not plain; `_UNKNOWN` where only a parser can tell."""
        if _ASIDE.fullmatch(piece):
            return BLANK
        found = _OPEN_WITH_TEXT.fullmatch(piece)
        tag = self._tag(piece[: found.end(3)]) if found else None
        text = found[4] if found else ""
        blank = not text or text.isspace()
        if tag is None or "]]>" in text or (tag.kind == _EMPTY and not blank):
            return _UNKNOWN
        for entity, char in _PREDEFINED:
            text = text.replace(entity, char)
        self._others.append((self._tag_key(tag, blank), text, tag.unit, tag.nil))
        return len(self._texts) + len(self._others) - 1

    def _check(self, of_piece: np.ndarray) -> None:
        """Give each label its row of statements, and tell the labels that need a parser."""
        codes, bounds = self._tokens.codes, self._tokens.bounds
        pieces = self._tokens.distinct
        declares, empty = matching(pieces, _DECLARATION), as_numpy(pc.equal(pieces, as_scalar("")))
        of_piece[declares] = _UNKNOWN
        self._numbers = of_piece[codes]
        first, count = bounds[:-1], np.diff(bounds)
        second = first[count > 1] + 1
        begins = second[declares[codes[second]] & empty[codes[second - 1]]]
        self._numbers[begins] = BLANK  # a declaration, where it may stand
        bad = ~matching(pieces, f"{_S}*")[codes[first]]  # text before the root element
        self._numbers[first] = BLANK
        wrong = np.flatnonzero(self._numbers == _UNKNOWN)
        bad[np.searchsorted(bounds, wrong, "right") - 1] = True
        for label in np.flatnonzero(bad).tolist():
            self._numbers[bounds[label] : bounds[label + 1]] = BLANK
        self.unusual = silent(self._numbers, bounds)

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

    def shapes(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give for each shape its keys, its labels, and the matrix of their statements (see `tokens.shapes`)."""
        keys = np.concatenate([self._own_keys, np.array([other[0] for other in self._others], np.int32)])
        return shapes(self._numbers, self._tokens.bounds, keys)

    def leaves(self, keys: Sequence[int]) -> list[Leaf]:
        """Keywords of a shape; checks that elements nest and that prefixes are declared.

        Raises
        ------
        Unusual
            They do not, or it takes a parser to tell.
        """
        return list(_Nesting([self._keys[number] for number in keys]).leaves())

    def root(self, keys: Sequence[int]) -> str:
        """Name of the root element of a shape, with its usual prefix."""
        return _Nesting([self._keys[number] for number in keys]).root()

    def whole(self, label: Label) -> Iterator[tuple[Leaf, int]]:
        """Keywords of a label that was read as a whole, each with a statement of its own."""
        for path, keyword, inside in leaves_of(label.children):
            nil = keyword.why_missing if keyword.attributes.get("xsi:nil", "").strip() in ("true", "1") else None
            unit = keyword.attributes.get("unit")
            self._others.append((0, keyword.raw, self._name(unit), self._name(nil)))
            class_name = (f"{label.name}/{path}").split("/")[-2]
            declared = pds4.declared_type(class_name, keyword.name)
            yield Leaf(path, 0, declared, inside), len(self._texts) + len(self._others) - 1

    def _raw(self, statement: int) -> tuple[str, str | None, str | None]:
        """Text, unit and reason of nil of a statement."""
        other = statement - len(self._texts)
        if other >= 0:
            _, text, unit, nil = self._others[other]
        else:
            text, unit, nil = self._texts[statement].as_py(), int(self._units[statement]), int(self._nils[statement])
        return text, *(self._names[name] if name >= 0 else None for name in (unit, nil))  # type: ignore[return-value]

    def typed(self, statement: int, declared: str | None) -> Scalar:
        """Type the text of an attribute."""
        text, unit, nil = self._raw(statement)
        return pds4.element_value(text, declared, unit, nil)

    def file_names(self, statement: int) -> list[str]:
        """Name of the file in a ``file_name``."""
        return file_names([self.typed(statement, "text")])

    def add_typed(self, statements: np.ndarray, declared: np.ndarray, elements: Elements) -> np.ndarray:
        """Type the texts of attributes, many at once, as `DECLARED` says; give the number of each value."""
        _, texts, units, nils = zip(*self._others, strict=True) if self._others else ((), (), (), ())
        raws = Raws(
            pa.concat_arrays([self._texts, as_strings(texts)]).take(as_numbers(statements)),
            np.concatenate([self._units, np.array(units, np.int32)])[statements],
            np.concatenate([self._nils, np.array(nils, np.int32)])[statements],
            self._names,
            declared,
        )
        return elements.add_pds4(raws)


class _Nesting:
    """Walks the tags of one shape as an XML parser would."""

    def __init__(self, keys: list[Key]):
        self.keys = keys
        self.scopes: list[dict[str, str]] = [{}]
        self.names: list[dict[str, str]] = [
            {}
        ]  # of tags without attributes, for each scope; one that is shared has them once

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
                self._leave()
                if not open_tags and at != last:
                    raise Unusual("more than one root element")
                continue
            name = self._enter(tag, key[3])
            if not open_tags and not pds4.is_core(self.scopes[-1].get(tag.rpartition(":")[0])):
                raise Unusual("XML of another standard")
            parent, prefix, inside = open_tags[-1][1:] if open_tags else ("", "", False)
            if (key[0] == _EMPTY or keys[min(at + 1, last)] == (_CLOSES, tag)) and open_tags:
                yield Leaf(prefix + name, at, pds4.declared_type(parent, name), inside)
            elif not key[2]:
                raise Unusual("mixed content")
            if key[0] == _EMPTY:
                self._leave()
                if not open_tags and at != last:
                    raise Unusual("more than one root element")
            else:
                if len(open_tags) > MAX_DEPTH - 2:
                    raise Unusual("deep nesting")
                below = prefix + name + "/" if open_tags else ""
                open_tags.append((tag, name, below, inside or is_structure(name, "CLASS")))
        if open_tags or not keys:
            raise Unusual("tags that are not closed")

    def _leave(self) -> None:
        self.scopes.pop()
        self.names.pop()

    def _enter(self, tag: str, shaping: tuple[tuple[str, str], ...]) -> str:
        """Open a tag in a scope of its own; give its name."""
        if shaping:
            self._declare(shaping)
        else:
            self.scopes.append(self.scopes[-1])
            self.names.append(self.names[-1])
        names = self.names[-1]
        name = names.get(tag)
        if name is None:
            name = names[tag] = self._name(tag)
        return name

    def _declare(self, shaping: tuple[tuple[str, str], ...]) -> None:
        """Open a scope with the namespaces that a tag declares, and check that its prefixes are declared."""
        scope = self.scopes[-1]
        declared = {name[6:]: uri for name, uri in shaping if name == "xmlns" or name.startswith("xmlns:")}
        if declared:
            if not all(_PLAIN_URI.fullmatch(uri) for uri in declared.values()):
                raise Unusual("a namespace that may be none")
            scope = scope | declared
        self.scopes.append(scope)
        self.names.append({} if declared else self.names[-1])
        for name, _ in shaping:
            space = name.partition(":")[0]
            if space != "xmlns" and (not scope.get(space) or (name == "xsi:nil" and scope[space] != pds4.XSI)):
                raise Unusual("a prefix that is not declared")

    def _name(self, tag: str) -> str:
        """Name of a tag with its usual prefix."""
        scope = self.scopes[-1]
        prefix, _, local = tag.rpartition(":")
        uri = scope.get(prefix)
        if (prefix and not uri) or (uri is not None and uri.startswith("http://www.w3.org/")):
            raise Unusual("a prefix that is not declared, or of another standard")
        usual = pds4.prefix_of(uri) if uri else None
        return f"{usual or prefix}:{local}" if usual or prefix else local
