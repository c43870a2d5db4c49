"""XPath 1.0 on PDS4 labels, as recipes use it: checked before it is run, for a recipe may come from anywhere.

Functions are those of the XPath recommendation alone: none of them opens a file, and extensions (EXSLT and whatever else a
program registers) are not known here. What an expression may cost is bounded by its form: a condition that searches the
whole label is run for each element, so one of them may, and no condition inside it.

Prefixes are the label's own, ``pds`` for its default namespace, and the usual prefix of every namespace in it, so that an
expression fits labels that spell their prefixes in other ways.

Source: XML Path Language (XPath) 1.0, sections 3.7 (lexical structure) and 4 (core function library).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from psalab.labels.pds4 import XSI, declared_type, element_value, prefix_of, prefixed
from psalab.labels.values import BOOLEAN, FLOAT, MISSING, TEXT, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psalab.labels.values import Value

__all__ = ["NOTHING_THERE", "is_absence", "is_failure", "mistake", "namespaces_of", "value_at"]

#: Reason why a path or an expression gives no value: the label has no such keyword.
NOTHING_THERE: Final = "no such keyword"
_NO_PREFIX: Final = "no namespace of the label has the prefix "
_A_CLASS: Final = "a class, not an attribute"
_TOO_LARGE: Final = "an XPath that searches several times, too much for a label of more than {:,} elements"
_FAILS: Final = "an XPath that fails: "

_MAX_LENGTH: Final = 1000
_MAX_NESTED: Final = 3
_MAX_SEARCHES: Final = 4
#: A label of more elements is not asked an expression that searches it more than once: this takes the square of them.
_MAX_ELEMENTS: Final = 10_000

_FUNCTIONS: Final = frozenset(
    {
        "boolean", "ceiling", "concat", "contains", "count", "false", "floor", "id", "lang", "last", "local-name", "name",
        "namespace-uri", "normalize-space", "not", "number", "position", "round", "starts-with", "string", "string-length",
        "substring", "substring-after", "substring-before", "sum", "translate", "true",
    }
)  # fmt: skip
_NODE_TYPES: Final = frozenset({"comment", "text", "processing-instruction", "node"})
#: Axes that lead out of an element, or to all that is in it.
_FAR_AXES: Final = frozenset(
    {
        "ancestor", "ancestor-or-self", "descendant", "descendant-or-self", "following", "following-sibling", "parent",
        "preceding", "preceding-sibling",
    }
)  # fmt: skip
_NAME: Final = r"[^\W\d][\w.\-]*"
_TOKEN: Final = re.compile(
    rf"""\s*(?: (?P<literal> "[^"]*" | '[^']*' ) | (?P<number> \d+(?:\.\d*)? | \.\d+ )
              | (?P<name> {_NAME}(?: :(?!:)(?:{_NAME}|\*) )? ) | (?P<mark> :: | // | \.\. | [<>!]= | \S ) )""",
    re.VERBOSE,
)


def _tokens(path: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(path):
        kind = str(match.lastgroup)
        yield kind, match[kind]


def _with_next(tokens: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    return pairwise([*tokens, ("", "")])


@lru_cache(maxsize=1024)
def _prefixes(path: str) -> tuple[str, ...]:
    return tuple(sorted({text.partition(":")[0] for kind, text in _tokens(path) if kind == "name" and ":" in text}))


def mistake(path: str) -> str | None:
    """Tell what is wrong with an expression, in a user's words; None where it can be run on any label."""
    if len(path) > _MAX_LENGTH:
        return f"an XPath of {len(path):,} characters; at most {_MAX_LENGTH:,} are read"
    tokens = list(_tokens(path))
    for (kind, text), (_, following) in _with_next(tokens):
        if kind == "name" and following == "(" and text not in _FUNCTIONS | _NODE_TYPES:
            return f"XPath has no function {text}(); conditions on a label need none that is not in XPath 1.0"
        if (kind, text) == ("mark", "$"):
            return "a variable ($) has no meaning here"
    return _too_costly(tokens) or _not_xpath(path)


def _too_costly(tokens: list[tuple[str, str]]) -> str | None:
    """Bound the time that an expression takes by its form; see `_MAX_ELEMENTS`."""
    depth = deepest = inside = outside = 0
    for _, depth, far in _searches(tokens):
        deepest = max(deepest, depth)
        if far and depth > 1:
            return (
                "a condition inside a condition searches the whole label (//, .., another axis); it would take for ever"
            )
        inside += far and depth == 1
        outside += far and depth == 0
    if deepest > _MAX_NESTED:
        return f"conditions [...] nested {deepest} deep; at most {_MAX_NESTED} are run"
    if inside > 1:
        return "more than one search of the whole label (//, .., another axis) inside conditions; one is run"
    if inside + outside > _MAX_SEARCHES:
        return f"{inside + outside} searches of the whole label (//, another axis); at most {_MAX_SEARCHES} are run"
    return None


def _searches(tokens: list[tuple[str, str]]) -> Iterator[tuple[str, int, bool]]:
    """Give each token, how many conditions it stands in, and whether it searches the label at large."""
    depth = 0
    before = ""
    for (kind, text), (_, following) in _with_next(tokens):
        depth += (kind == "mark") * ((text == "[") - (text == "]"))
        begins = text == "/" and before in (
            "",
            "[",
            "(",
            ",",
            "=",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "|",
            "+",
            "-",
            "and",
            "or",
        )
        far = kind == "mark" and (text == "//" or (depth > 0 and (text == ".." or begins)))
        far |= kind == "name" and ((following == "::" and text in _FAR_AXES) or (following == "(" and text == "id"))
        yield text, depth, far
        before = text if kind != "literal" else "'"


def _not_xpath(path: str) -> str | None:
    try:
        _compiled(path, tuple((prefix, _undeclared(prefix)) for prefix in _prefixes(path)))(etree.Element("none"))
    except etree.XPathError as error:
        return f"not an XPath: {error}"
    return None


def _undeclared(prefix: str) -> str:
    return f"urn:x-psalab:no-namespace-of-the-label:{prefix}"


@lru_cache(maxsize=1024)
def _compiled(path: str, namespaces: tuple[tuple[str, str], ...]) -> etree.XPath:
    return etree.XPath(path, namespaces=dict(namespaces), regexp=False)


@lru_cache(maxsize=1024)
def _searches_often(path: str) -> bool:
    return sum(far for _, _, far in _searches(list(_tokens(path)))) > 1


def namespaces_of(root: etree._Element) -> Mapping[str, str]:
    """Prefixes of a label and what they stand for."""
    tags = {str(element.tag) for element in root.iter()}
    uris = {tag[1:].rpartition("}")[0] for tag in tags if tag[:1] == "{"}
    default = {"pds": root.nsmap[None]} if None in root.nsmap else {}
    usual = {prefix: uri for uri in sorted(uris) if (prefix := prefix_of(uri))}
    own = {prefix: uri for prefix, uri in root.nsmap.items() if prefix is not None}
    return default | usual | own


def value_at(root: etree._Element, namespaces: Mapping[str, str], path: str) -> Value:
    """Value that an expression gives on a label.

    Parameters
    ----------
    root : lxml.etree._Element
        The label's root element; relative paths begin there.
    namespaces : mapping
        What `namespaces_of` gives.
    path : str
        An expression without a `mistake`.

    Returns
    -------
    Scalar or Sequence
        An element typed as the data dictionary says, text of an attribute, a number, a truth; a Sequence where several
        are found; missing, with the reason, where there is none.
    """
    if _searches_often(path) and sum(1 for _ in root.iter()) > _MAX_ELEMENTS:
        return Scalar(MISSING, None, _TOO_LARGE.format(_MAX_ELEMENTS))
    used = _prefixes(path)
    known = tuple((prefix, namespaces.get(prefix) or _undeclared(prefix)) for prefix in used)
    try:
        found: Any = _compiled(path, known)(root)
    except etree.XPathError as error:  # what a condition compares can be seen on a label alone
        return Scalar(MISSING, None, f"{_FAILS}{error}")
    if isinstance(found, list):
        scalars = [_scalar(item) for item in found]
        if len(scalars) > 1:
            return Sequence(tuple(scalars))
        if scalars:
            return scalars[0]
        strange = next((prefix for prefix in used if prefix not in namespaces), None)
        return Scalar(MISSING, None, f"{_NO_PREFIX}{strange}" if strange else NOTHING_THERE)
    return _scalar(found)


def _scalar(found: Any) -> Scalar:
    """One item of what an XPath gives: an element, a piece of text with its element, a number, a truth."""
    if isinstance(found, etree._Element):  # noqa: SLF001  lxml has no other name for it
        return _of_element(found)
    if isinstance(found, bool):
        return Scalar(BOOLEAN, found, str(found).lower())
    if isinstance(found, float):
        return Scalar(FLOAT, found, repr(found)) if found - found == 0 else Scalar(MISSING, None, NOTHING_THERE)
    if isinstance(found, tuple):  # a namespace: its prefix and URI
        found = found[1]
    element = found.getparent() if getattr(found, "is_text", False) else None
    if element is not None and not len(element):
        return _of_element(element)
    text = " ".join(found.split())
    return Scalar(TEXT, text, text) if text else Scalar(MISSING, None, "empty")


def _of_element(element: etree._Element) -> Scalar:
    if len(element) or not isinstance(element.tag, str):
        return Scalar(MISSING, None, _A_CLASS)
    parent = element.getparent()
    class_name = prefixed(parent) if parent is not None else ""
    is_nil = element.get(f"{{{XSI}}}nil", "").strip() in ("true", "1")
    nil = str(element.get("nilReason") or "nil") if is_nil else None
    unit = element.get("unit")
    declared = declared_type(class_name, prefixed(element))
    return element_value(element.text or "", declared, str(unit) if unit else None, nil)


def is_absence(reason: str) -> bool:
    """Tell whether a reason says that a label has no such keyword."""
    return reason == NOTHING_THERE or reason.startswith(_NO_PREFIX)


def is_failure(reason: str) -> bool:
    """Tell whether a reason says that an expression does not do for a label."""
    return reason in (_A_CLASS, _TOO_LARGE.format(_MAX_ELEMENTS)) or reason.startswith(_FAILS)
