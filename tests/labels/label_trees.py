"""Strategies of hypothesis: labels as trees, and how they may be written in either standard."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st

from psalab.labels import Block
from psalab.labels.pds4 import XSI
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TEXT, TIME, Scalar, Sequence

if TYPE_CHECKING:
    from random import Random

    from psalab.labels import Label
    from psalab.labels.values import Value


@dataclass
class Leaf:
    """A keyword: what it must be read as, and the tokens that say so."""

    name: str
    value: Value
    tokens: list[str]
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Branch:
    """A block."""

    name: str
    kind: str
    children: list[Tree]


Tree: TypeAlias = Leaf | Branch
Flat: TypeAlias = list[tuple[str, "Value | str"]]


def flat(children: list[Tree], prefix: str = "") -> Flat:
    """Paths with their values, blocks with their kinds, in order."""
    found: Flat = []
    for child in children:
        path = prefix + child.name
        if isinstance(child, Leaf):
            found.append((path, child.value))
        else:
            found += [(path, child.kind), *flat(child.children, path + "/")]
    return found


def flat_label(label: Label) -> Flat:
    """The same of a label that was read."""
    return [(path, node.kind if isinstance(node, Block) else node.typed) for path, node in label.walk()]


# ------------------------------------------------------------------------------------------------------------ values

_WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters='"'),
    min_size=1,
    max_size=8,
)
_UNITS = st.sampled_from(["km", "m/s", "W m**-2 sr**-1 nm**-1", "deg", "\N{MICRO SIGN}m", "BYTES", "g/cm**3"])
_MISSING = st.sampled_from(["N/A", "UNK", "NULL"])
_IDENTIFIERS = st.sampled_from(
    [
        "A",
        "B",
        "LINES",
        "IMAGE",
        "TABLE",
        "X_1",
        "ENDING",
        "BEGIN",
        "GROUPS",
        "T",
        "N",
        "UNKNOWN",
        "NONE",
        "E5",
        "F" * 40,
    ]
)
_NAMES = st.one_of(
    _IDENTIFIERS,
    st.builds("{}:{}".format, st.sampled_from(["ROSETTA", "XO"]), _IDENTIFIERS),
    st.builds("^{}".format, _IDENTIFIERS),
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[Scalar, str]:
    """A quoted text, perhaps over lines: each line end with the blanks around it is one blank, a dash before it goes."""
    words = draw(st.lists(_WORD, max_size=6))
    content = written = ""
    for at, word in enumerate(words):
        joint = draw(st.sampled_from([" ", "  ", "\n", "  \n\n   ", "-\n  "])) if at else ""
        if "\n" in joint and written.endswith("-"):
            joint = " "
        content += joint if "\n" not in joint else "" if joint[0] == "-" else " "
        content, written = content + word, written + joint + word
    padding = draw(st.sampled_from(["", " ", "\n   "]))
    if padding.startswith("\n") and written.endswith("-"):
        padding = ""
    content = content.strip()
    if content.upper() in {"N/A", "UNK", "NULL"}:
        return Scalar(MISSING, None, content.upper()), f'"{written}"'
    return Scalar(TEXT, content, content), f'"{padding}{written}{padding}"'


@st.composite
def times(draw: st.DrawFn) -> tuple[Scalar, str]:
    """Dates and times in the forms of ODL."""
    time = draw(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
    form = draw(st.sampled_from(["day", "minute", "second", "fraction"]))
    day = draw(st.sampled_from([f"{time:%Y-%m-%d}".rjust(10, "0"), f"{time.year:04}-{time:%j}"]))
    zone = draw(st.sampled_from(["", "Z", "+02:00", "-5:30"]))
    clock = {"day": "", "minute": "T%H:%M", "second": "T%H:%M:%S", "fraction": "T%H:%M:%S.%f"}[form]
    raw = day + time.strftime(clock)
    if form == "day":
        return Scalar(TIME, datetime(time.year, time.month, time.day), raw), raw
    hours = {"+02:00": 2.0, "-5:30": -5.5}.get(zone, 0.0)
    time = time.replace(
        second=0 if form == "minute" else time.second, microsecond=time.microsecond * (form == "fraction")
    )
    return Scalar(TIME, time - timedelta(hours=hours), raw + zone), raw + zone


@st.composite
def based(draw: st.DrawFn) -> tuple[Scalar, str]:
    """Integers with a radix."""
    radix, number = draw(st.sampled_from([2, 8, 16])), draw(st.integers(-(2**70), 2**70))
    digits = {2: "b", 8: "o", 16: draw(st.sampled_from("xX"))}[radix]
    raw = f"{radix}#{number:{digits}}#"
    return Scalar(INT, number, raw), raw


def _reals() -> st.SearchStrategy[tuple[Scalar, str]]:
    forms = st.sampled_from(["{:.17g}", "{:.20e}", "{:.30f}", "{:+.17E}"])
    numbers = st.floats(allow_nan=False, allow_infinity=False)

    def real(form: str, number: float) -> tuple[Scalar, str]:
        raw = form.format(number)
        raw = raw if set(raw) & set(".eE") else raw + "."
        return Scalar(FLOAT, float(raw), raw), raw

    return st.builds(real, forms, numbers)


def _integers() -> st.SearchStrategy[tuple[Scalar, str]]:
    forms = st.sampled_from(["{}", "{:+}", "{:05}"])
    return st.builds(lambda form, n: (Scalar(INT, n, form.format(n)), form.format(n)), forms, st.integers())


_PLAIN = st.one_of(
    texts(),
    times(),
    based(),
    _reals(),
    _integers(),
    _IDENTIFIERS.map(lambda word: (Scalar(TEXT, word, word), word)),
    _MISSING.map(lambda word: (Scalar(MISSING, None, word), word)),
    st.sampled_from(["TRUE", "False"]).map(lambda word: (Scalar(BOOLEAN, word == "TRUE", word), word)),
    st.sampled_from(["1/0366084512.50423", "3:12345:67", "DATA/A.IMG"]).map(lambda w: (Scalar(TEXT, w, w), w)),
    st.sampled_from(["A SYMBOL", 'say "no"', "a,b)("]).map(lambda text: (Scalar(TEXT, text, text), f"'{text}'")),
)


@st.composite
def scalars(draw: st.DrawFn) -> tuple[Value, list[str]]:
    """A scalar with or without a unit."""
    value, raw = draw(_PLAIN)
    unit = draw(st.none() | _UNITS)
    if unit is None:
        return value, [raw]
    return (value if value.kind == MISSING else value._replace(unit=unit)), [raw, f"<{unit}>"]


def _listed(items: list[tuple[Value, list[str]]], is_set: bool) -> tuple[Value, list[str]]:
    tokens = ["{" if is_set else "("]
    for at, (_, item) in enumerate(items):
        tokens += [*([","] if at else []), *item]
    return Sequence(tuple(value for value, _ in items), is_set), [*tokens, "}" if is_set else ")"]


VALUES = st.recursive(
    scalars(), lambda inner: st.builds(_listed, st.lists(inner, max_size=5), st.booleans()), max_leaves=6
)


def pvl_trees(leaves: int = 20) -> st.SearchStrategy[list[Tree]]:
    """Labels of PDS3."""
    keyword = st.builds(lambda name, pair: Leaf(name, *pair), _NAMES, VALUES)
    empty = st.builds(lambda name: Leaf(name, Scalar(MISSING, None, "empty"), []), _NAMES)
    blocks = st.recursive(
        st.one_of(keyword, keyword, keyword, empty),
        lambda inner: st.builds(
            Branch, _IDENTIFIERS, st.sampled_from(["GROUP", "OBJECT"]), st.lists(inner, max_size=6)
        ),
        max_leaves=leaves,
    )
    return st.lists(blocks, max_size=8)


# ----------------------------------------------------------------------------------------------------- written as PVL

_COMMENTS = ["/**/", "/* word */", '/* "not closed, KEY = 1, ( { < */', "/*** stars ***/", "/* over\n lines = 2 */"]


@dataclass
class PvlWriter:
    """Writes a tree with a layout of its own."""

    random: Random
    out: list[str] = field(default_factory=list)

    def label(self, children: list[Tree], *, end: bool = True) -> str:
        self.out = []
        self._children(children, self.random.choice(["", "  ", "\t"]))
        if end:
            self.out.append(self.random.choice(["END", "End", "END\n", "END   \n", "END\n\n   garbage = ( behind"]))
        return "".join(self.out)

    def _children(self, children: list[Tree], indent: str) -> None:
        for child in children:
            self._between()
            self.out.append(indent)
            if isinstance(child, Leaf):
                self._keyword(child)
            else:
                self._block(child, indent)

    def _between(self) -> None:
        while self.random.random() < 0.2:
            self.out.append(self.random.choice(["\n", "   \n", *(comment + "\n" for comment in _COMMENTS)]))

    def _name(self, name: str) -> str:
        return self.random.choice([name, name.lower(), name.title()])

    def _gap(self, *, lines: bool) -> str:
        gap = self.random.choice(["", "", " ", "    ", "\t"])
        if lines and self.random.random() < 0.2:
            gap += self.random.choice(["\n", "\n  ", *_COMMENTS])
        return gap

    def _line_end(self) -> str:
        return self.random.choice(["\n", "\n", "  \n", " /* behind */\n", ";\n"])

    def _keyword(self, leaf: Leaf) -> None:
        self.out += [self._name(leaf.name), self._gap(lines=False), "=", self._gap(lines=bool(leaf.tokens))]
        for at, token in enumerate(leaf.tokens):
            self.out += [self._gap(lines=token[0] != "<") if at else "", token]
        self.out.append(self._line_end() if leaf.tokens else "\n")

    def _block(self, block: Branch, indent: str) -> None:
        begin = self.random.choice(["", "BEGIN_"])
        self.out += [f"{self._name(begin + block.kind)} = {self._name(block.name)}", self._line_end()]
        self._children(block.children, indent + "  ")
        closed = self.random.choice([f" = {self._name(block.name)}", ""])
        self.out += [indent, self._name(f"END_{block.kind}"), closed, self._line_end()]


# ----------------------------------------------------------------------------------------------------- written as XML

CORE = "http://pds.nasa.gov/pds4/pds/v1"
#: URI -> usual prefix; that of the last is not known and comes from the label.
NAMESPACES = {
    "http://pds.nasa.gov/pds4/zz/v1": "zz",
    "http://psa.esa.int/psa/em16/zz/v1": "em16_zz",
    "https://pds.nasa.gov/pds4/mission/yy/v1": "yy",
    "http://example.org/own": "",
}
_XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=30
)


_XML_SCALARS = st.one_of(
    st.integers().map(lambda n: (str(n), Scalar(INT, n, str(n)))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: (repr(x), Scalar(FLOAT, x, repr(x)))),
    times().map(lambda pair: (pair[1], pair[0])),
    st.sampled_from(["true", "false"]).map(lambda word: (word, Scalar(BOOLEAN, word == "true", word))),
    _MISSING.map(lambda word: (word, Scalar(MISSING, None, word))),
    _XML_TEXT.map(lambda text: (f"x{text}", Scalar(TEXT, f"x{text}".strip(), f"x{text}".strip()))),
)


def _nil(reason: str) -> tuple[Scalar, str, dict[str, str]]:
    attributes = {"xsi:nil": "true"} | ({"nilReason": reason} if reason else {})
    return Scalar(MISSING, None, reason or "nil"), "", attributes


def _xml_value(pair: tuple[str, Scalar], padding: str, unit: str | None) -> tuple[Scalar, str, dict[str, str]]:
    text, scalar = pair
    if scalar.kind != MISSING:
        scalar = scalar._replace(unit=unit)
    return scalar, padding + text + padding, {} if unit is None else {"unit": unit}


#: What the text of an attribute that no dictionary declares is read as, the text, and the XML attributes.
_XML_VALUES = st.one_of(
    *[st.builds(_xml_value, _XML_SCALARS, st.sampled_from(["", " ", "   "]), st.none() | _UNITS)] * 8,
    st.sampled_from(["", "inapplicable", "unknown"]).map(_nil),
)


def xml_trees() -> st.SearchStrategy[list[Tree]]:
    """Labels of PDS4: the names carry their URI in braces."""
    local = st.sampled_from(["a", "b", "A", "_x", "x-y", "x.y", "abc_0", "z9"])
    names = st.builds("{{{}}}{}".format, st.sampled_from(list(NAMESPACES)), local)
    leaf = st.builds(lambda name, made: Leaf(name, made[0], [made[1]], made[2]), names, _XML_VALUES)
    blocks = st.recursive(
        leaf,
        lambda inner: st.builds(Branch, names, st.just("CLASS"), st.lists(inner, min_size=1, max_size=6)),
        max_leaves=20,
    )
    return st.lists(blocks, max_size=8)


def with_usual_prefixes(children: list[Tree], own: str) -> list[Tree]:
    """The tree with the names that the index uses; ``own`` is the label's prefix for the unknown URI."""
    renamed: list[Tree] = []
    for child in children:
        uri, _, local = child.name[1:].partition("}")
        prefix = NAMESPACES[uri] or own
        name = f"{prefix}:{local}" if prefix else local
        if isinstance(child, Leaf):
            renamed.append(Leaf(name, child.value, child.tokens, child.attributes))
        else:
            renamed.append(Branch(name, child.kind, with_usual_prefixes(child.children, own)))
    return renamed


@dataclass
class XmlWriter:
    """Writes a tree with prefixes and a layout of its own."""

    random: Random
    prefixes: dict[str, str]

    def label(self, children: list[Tree]) -> str:
        declared = "".join(
            f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}" for uri, prefix in self.prefixes.items()
        )
        top = self.random.choice(['<?xml version="1.0" encoding="UTF-8"?>\n', "", "\n<!-- first -->\n<?pi data?>\n"])
        body = "".join(self._element(child, "  ") for child in children)
        root = f'core:Product_Observational xmlns:core="{CORE}" xmlns:xsi="{XSI}"{declared}'
        return f"{top.lstrip() if 'xml v' in top else top}<{root}>{body}\n</core:Product_Observational>\n"

    def _tag(self, name: str) -> str:
        uri, _, local = name[1:].partition("}")
        prefix = self.prefixes[uri]
        return f"{prefix}:{local}" if prefix else local

    def _element(self, node: Any, indent: str) -> str:
        tag = self._tag(node.name)
        before = self.random.choice(["\n" + indent, "", f"\n{indent}<!-- <{tag}> -->", " "])
        if isinstance(node, Branch):
            inner = "".join(self._element(child, indent + "  ") for child in node.children)
            return f"{before}<{tag}>{inner}\n{indent}</{tag}>"
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in node.attributes.items())
        content = self._content(node.tokens[0])
        if not content and self.random.random() < 0.5:
            return f"{before}<{tag}{attributes} />"
        return f"{before}<{tag}{attributes}>{content}</{tag}>"

    def _content(self, text: str) -> str:
        if "]]>" not in text and text and self.random.random() < 0.1:
            return f"<![CDATA[{text}]]>"
        if text and self.random.random() < 0.1:
            return "".join(f"&#{ord(char)};" for char in text)
        return escape(text)
