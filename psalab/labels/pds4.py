"""PDS4 labels: a view on the XML tree.

Names carry the usual prefix of their namespace's URI, whatever prefix the label uses. The root element is not part of the
paths. Document types, entities and XInclude are refused: a label needs none, and they reach for other files.

Sources: PDS4 Information Model; PDS4 Standards Reference, "Namespaces" (a URI ends in its dictionary's path and ``v1``).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from psalab.errors import LabelError
from psalab.labels.label import MAX_DEPTH, Block, Keyword, Label, shown, too_deep
from psalab.labels.values import MISSING, Scalar, pds4_value

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["XSI", "declared_type", "element_value", "is_core", "parse", "prefix_of", "prefixed"]

XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_CORE: Final = "http://pds.nasa.gov/pds4/pds/v1"
_DEEPER: Final = etree.XPath("/*" * (MAX_DEPTH + 1))
_XINCLUDE: Final = "http://www.w3.org/2001/XInclude"
_NIL: Final = f"{{{XSI}}}nil"

_DOCTYPE: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_URI: Final = re.compile(r"https?://[^/]+/(?P<steps>.+?)(?:/v[0-9i]+)?/?\Z")


@lru_cache(maxsize=1024)
def prefix_of(uri: str) -> str | None:
    """Give the usual prefix of a namespace.

    Parameters
    ----------
    uri : str
        ``http://pds.nasa.gov/pds4/disp/v1``, ``http://psa.esa.int/psa/em16/tgo/cas/v1`` and the like.

    Returns
    -------
    str or None
        ``disp``, ``em16_tgo_cas``; None where the URI does not follow the rule.
    """
    if uri == XSI:
        return "xsi"
    match = _URI.match(uri)
    if match is None:
        return None
    archive, *steps = match["steps"].split("/")
    steps = [step for step in steps if step != "mission"]
    prefix = "_".join(steps) or archive
    return prefix if archive in ("pds4", "psa") and re.fullmatch(r"[A-Za-z_][\w.-]*", prefix) else None


def is_core(uri: str | None) -> bool:
    """Tell whether a namespace is that of PDS4 itself, in any version: the root element of a label is of it."""
    return uri is not None and prefix_of(uri) == "pds"


@lru_cache(maxsize=8192)
def _usual_name(tag: str) -> str | None:
    uri, _, local = tag[1:].rpartition("}")
    prefix = prefix_of(uri) if uri else None
    return f"{prefix}:{local}" if prefix else None


def prefixed(element: etree._Element) -> str:
    """Name of an element with the usual prefix of its namespace (the label's own where the URI gives none)."""
    tag = str(element.tag)
    name = _usual_name(tag)
    if name is None:
        local = tag.rpartition("}")[2]
        name = f"{element.prefix}:{local}" if element.prefix else local
    return name


@cache
def _types() -> dict[str, str]:
    table = resources.files("psalab.labels").joinpath("pds4_types.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in table.splitlines())


#: Attributes that no dictionary here declares but whose name says that a number in them is a name (1.10 is not 1.1), or the
#: count of a spacecraft's clock (`values.CLOCK_COUNTS`).
_NAMES: Final = re.compile(
    r"(?:^|_)(?:id|identifier|version|vid|name|title|lid|lidvid|(?:spacecraft|instrument)_clock_(?:start|stop))(?:$|_)"
)


def declared_type(class_name: str, attribute: str) -> str | None:
    """Give the type that the data dictionary declares.

    Parameters
    ----------
    class_name, attribute : str
        With their usual prefixes: ``pds:Time_Coordinates``, ``pds:start_date_time``.

    Returns
    -------
    {'int', 'float', 'time', 'boolean', 'text'} or None
        None for an attribute of a dictionary that is not shipped.
    """
    types = _types()
    declared = types.get(f"{class_name}/{attribute}") or types.get(attribute)
    if declared is None and _NAMES.search(attribute.rpartition(":")[2]):
        return "text"
    return declared


def element_value(text: str, declared: str | None, unit: str | None, nil: str | None) -> Scalar:
    """Type the content of an element; ``nil`` is the reason of one that is nil, else None."""
    return Scalar(MISSING, None, nil, None) if nil is not None else pds4_value(text, declared, unit or None)


class ClassBlock(Block):
    """A PDS4 class: a view on its element, whose children are named when first asked for.

    Attributes
    ----------
    element : lxml.etree._Element
    """

    __slots__ = ("element",)

    def __init__(self, element: etree._Element):
        super().__init__(prefixed(element), "CLASS", line=_line(element))
        self.element = element

    @property
    def children(self) -> list[Keyword | Block]:
        """Attributes (as keywords) and classes, in the order of the label."""
        if not self._children:
            self._children = view(self.element, self.name)
        return self._children


def view(element: etree._Element, class_name: str) -> list[Keyword | Block]:
    """Name the children of an element: those with children of their own are classes, the others attributes."""
    return [
        ClassBlock(child) if len(child) else _keyword(child, class_name)
        for child in element.iterchildren(tag=etree.Element)
    ]


def _keyword(element: etree._Element, class_name: str) -> Keyword:
    name = prefixed(element)
    attributes = {_attribute_name(str(key)): str(value) for key, value in element.attrib.items()}
    nil = None
    if element.get(_NIL, "").strip() in ("true", "1"):
        nil = attributes.get("nilReason", "nil")
    typed = partial(element_value, declared=declared_type(class_name, name), unit=attributes.get("unit"), nil=nil)
    return Keyword(name, element.text or "", typed, line=_line(element), attributes=attributes)


def _line(element: etree._Element) -> int | None:
    return element.sourceline  # type: ignore[return-value]  # the stubs call it a property without a type


def _attribute_name(key: str) -> str:
    uri, _, local = key[1:].rpartition("}") if key.startswith("{") else ("", "", key)
    return f"{prefix_of(uri) or uri}:{local}" if uri else local


class XmlLabel(Label):
    """A PDS4 label.

    Attributes
    ----------
    element : lxml.etree._Element
        The root element, for XPath and for whatever the tree does not say.
    """

    __slots__ = ("element",)

    def __init__(self, element: etree._Element, path: Path | None):
        name = prefixed(element)
        super().__init__("PDS4", view(element, name), path=path, name=name)
        self.element = element


def parse(data: bytes, *, path: Path | None = None) -> Label:
    """Parse a PDS4 label.

    Parameters
    ----------
    data : bytes
        The whole file; its XML declaration says the encoding.
    path : pathlib.Path, optional
        Where it comes from, for messages.

    Returns
    -------
    Label

    Raises
    ------
    LabelError
        The text is not well-formed XML, or is, but no label: its root element is not of PDS4. Or it has a document type,
        includes other files, is nested too deeply, or has text beside elements.
    """
    where = str(path) if path else None
    if _DOCTYPE.match(data):
        raise LabelError("a document type (DTD, entities) is refused in a label", path=where, line=1)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _not_well_formed(error, data, where) from error
    except ValueError as error:  # an encoding that lxml does not know
        raise LabelError(f"not readable as XML: {error}", path=where, line=1) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise LabelError("a document type (DTD, entities) is refused in a label", path=where, line=1)
    _refuse_other_xml(root, where)
    _refuse(root, data, where)
    return XmlLabel(root, path)


def _refuse_other_xml(root: etree._Element, where: str | None) -> None:
    name = etree.QName(root)
    if not is_core(name.namespace):
        found = f"of the namespace {name.namespace}" if name.namespace else "of no namespace"
        raise LabelError(
            f"XML, but no PDS4 label: the root element {name.localname[:60]} is {found}, expected {_CORE}",
            path=where,
            line=_line(root),
        )


def _refuse(root: etree._Element, data: bytes, where: str | None) -> None:
    for element in root.iter(f"{{{_XINCLUDE}}}*", etree.Entity):
        raise LabelError("references to other files are refused in a label", path=where, line=_line(element))
    deeper: Any = _DEEPER(root)
    for element in deeper:
        raise too_deep(where, _line(element))
    for element in root.iter():
        inside = element.text if len(element) or element is root else None
        for text in (inside, element.tail):
            if text and not text.isspace():
                line, words = _line_of(text, data, _line(element) or 1), shown(" ".join(text.split()))
                raise LabelError("text beside elements is refused in a label", path=where, line=line, text=words)


def _line_of(text: str, data: bytes, line: int) -> int:
    """Line of a text that stands somewhere behind an element: a parser only knows where elements begin."""
    word = text.split(maxsplit=1)[0].encode()
    behind = enumerate(data.splitlines()[line - 1 :], line)
    return next((number for number, content in behind if word in content), line)


def _not_well_formed(error: etree.XMLSyntaxError, data: bytes, where: str | None) -> LabelError:
    line = error.lineno or 1
    lines = data.splitlines()
    text = lines[line - 1].decode("latin-1") if line <= len(lines) else ""
    return LabelError(f"not well-formed XML: {error.msg}", path=where, line=line, text=shown(text))
