"""The label: one ordered tree of blocks and keywords for both standards.

A keyword's *path* is the names of all blocks down to it, joined by ``/``. Paths may be cut from the left when asking.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from psalab.errors import AmbiguousKeyword, LabelError, UnknownKeyword
from psalab.labels.identity import identity_of
from psalab.labels.paths import PathIndex, suggest
from psalab.labels.pointers import named_files
from psalab.labels.values import MISSING, Python, Scalar, Value, masked, python_value, scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from psalab.labels.identity import Identity

__all__ = ["MAX_DEPTH", "Block", "Keyword", "Label", "shown", "too_deep", "unit_of"]

#: Blocks nested deeper than this are no label of any archive, but an attack on the stack of whoever walks the tree.
MAX_DEPTH: Final = 100


class Keyword:
    """A name with a value.

    Attributes
    ----------
    name : str
        As the index and the paths use it: PDS3 in upper case with its namespace, PDS4 with the usual prefix.
    raw : str
        The value as it stands in the label, with quotes and units (PDS3), or the element's text (PDS4).
    line : int or None
        Line of the label, from 1, where known.
    attributes : dict of str to str
        The XML attributes (PDS4); empty for PDS3.
    """

    __slots__ = ("_type", "_typed", "attributes", "line", "name", "raw")

    def __init__(
        self,
        name: str,
        raw: str,
        typed: Callable[[str], Value],
        *,
        line: int | None = None,
        attributes: dict[str, str] | None = None,
    ):
        self.name, self.raw, self.line = name, raw, line
        self.attributes = attributes or {}
        self._type = typed
        self._typed: Value | None = None

    @property
    def typed(self) -> Value:
        """The value with its kind, text and unit, made when first asked for."""
        if self._typed is None:
            self._typed = self._type(self.raw)
        return self._typed

    def mask(self, fills: Mapping[float, str]) -> None:
        """Make numbers missing that stand for no value, each with its reason."""
        typed = self._type
        self._type = lambda raw: masked(typed(raw), fills)

    @property
    def value(self) -> Python:
        """The plain Python value; None when missing."""
        return python_value(self.typed)

    @property
    def unit(self) -> str | None:
        """The unit as the label spells it; elements of a list that differ are joined by a comma."""
        return unit_of(self.typed)

    @property
    def why_missing(self) -> str | None:
        """Why there is no value (``N/A``, ``UNK``, ``NULL``, ``empty``, a nil reason), or None where there is one."""
        typed = self.typed
        return typed.text if isinstance(typed, Scalar) and typed.kind == MISSING else None

    def __repr__(self) -> str:
        return f"<{self.name} = {self.raw if len(self.raw) < 60 else self.raw[:57] + '...'}>"


def unit_of(value: Value) -> str | None:
    """Give the unit of a value; the elements' units joined by a comma where they differ."""
    if isinstance(value, Scalar):
        return value.unit
    units = [scalar.unit for scalar in scalars(value) if scalar.kind != MISSING]
    distinct = dict.fromkeys(units)
    if len(distinct) <= 1:
        return next(iter(distinct), None)
    return ", ".join(unit or "" for unit in units)


class Block:
    """A named block of keywords and further blocks: a GROUP or OBJECT of PDS3, a class of PDS4.

    Attributes
    ----------
    name : str
        As the paths use it.
    kind : {'GROUP', 'OBJECT', 'CLASS', 'LABEL'}
    line : int or None
        Line of the label, from 1, where known.
    """

    __slots__ = ("_children", "kind", "line", "name")

    def __init__(self, name: str, kind: str, children: list[Keyword | Block] | None = None, *, line: int | None = None):
        self.name, self.kind, self.line = name, kind, line
        self._children = [] if children is None else children

    @property
    def children(self) -> list[Keyword | Block]:
        """Keywords and blocks, in the order of the label."""
        return self._children

    def walk(self) -> Iterator[tuple[str, Keyword | Block]]:
        """All keywords and blocks below this one, in the order of the label, each with its path."""
        stack = [("", iter(self.children))]
        while stack:
            prefix, children = stack[-1]
            for child in children:
                path = prefix + child.name
                yield path, child
                if isinstance(child, Block):
                    stack.append((path + "/", iter(child.children)))
                    break
            else:
                stack.pop()

    def leaves(self) -> Iterator[tuple[str, Keyword]]:
        """All keywords below this block, in the order of the label, each with its path."""
        for path, node in self.walk():
            if isinstance(node, Keyword):
                yield path, node

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {len(self.children)} entries>"


class Label(Block):
    """A whole label.

    Attributes
    ----------
    standard : {'PDS3', 'PDS4'}
    path : pathlib.Path or None
        The file that it was read from.
    """

    __slots__ = ("_nodes", "_paths", "path", "standard")

    def __init__(
        self, standard: str, children: list[Keyword | Block], *, path: Path | None = None, name: str = "LABEL"
    ):
        super().__init__(name, "LABEL", children)
        self.standard, self.path = standard, path
        self._nodes: dict[str, list[Keyword | Block]] | None = None
        self._paths: PathIndex | None = None

    def __getitem__(self, path: str) -> Python | Block:
        """Give the value of the one keyword, or the one block, that the path means.

        Parameters
        ----------
        path : str
            May be cut from the left, in any case, with or without namespace.

        Raises
        ------
        UnknownKeyword
            Nothing is called so (a KeyError).
        AmbiguousKeyword
            Several keywords are called so, or the one is repeated (then ask `all`).
        """
        node = self._one(path)
        return node.value if isinstance(node, Keyword) else node

    def all(self, path: str) -> list[Python | Block]:
        """Give every value (or block) of the path, in the order of the label."""
        return [node.value if isinstance(node, Keyword) else node for node in self._nodes_at(self._resolve(path))]

    def get(self, path: str, default: Python = None) -> Python | Block:
        """Like ``label[path]``, with a default where nothing is called so."""
        try:
            return self[path]
        except UnknownKeyword:
            return default

    def __contains__(self, path: object) -> bool:
        try:
            return isinstance(path, str) and bool(self._resolve(path))
        except AmbiguousKeyword:
            return True
        except KeyError:
            return False

    def keyword(self, path: str) -> Keyword:
        """Give the one keyword that the path means, with its raw text."""
        node = self._one(path)
        if isinstance(node, Block):
            raise AmbiguousKeyword(f"{path!r} is a block, not a keyword", path=self._file)
        return node

    def find(self, pattern: str) -> dict[str, Python]:
        """Give the keywords whose path or name matches a pattern such as ``*ANGLE*``, in any case.

        Returns
        -------
        dict of str to value
            By path; a list of the values where a path is repeated.
        """
        wanted = pattern.upper()
        found: dict[str, list[Python]] = {}
        for path, keyword in self.leaves():
            upper = path.upper()
            if fnmatch.fnmatchcase(upper, wanted) or fnmatch.fnmatchcase(upper.rpartition("/")[2], wanted):
                found.setdefault(path, []).append(keyword.value)
        return {path: values[0] if len(values) == 1 else list(values) for path, values in found.items()}

    def unit(self, path: str) -> str | None:
        """Give the unit of a keyword as the label spells it."""
        return self.keyword(path).unit

    def why_missing(self, path: str) -> str | None:
        """Give the reason why a keyword has no value, or None where it has one."""
        return self.keyword(path).why_missing

    @property
    def files(self) -> list[str]:
        """Names of the files that the label describes, in its order, each once."""
        return named_files(self)

    @property
    def identity(self) -> Identity:
        """What identifies the product; the same fields for both standards."""
        return identity_of(self)

    @property
    def _file(self) -> str | None:
        return str(self.path) if self.path else None

    def _index(self) -> tuple[dict[str, list[Keyword | Block]], PathIndex]:
        if self._nodes is None or self._paths is None:
            self._nodes = {}
            for path, node in self.walk():
                self._nodes.setdefault(path, []).append(node)
            self._paths = PathIndex(self._nodes)
        return self._nodes, self._paths

    def _resolve(self, path: str) -> str:
        nodes, paths = self._index()
        try:
            found = paths.find(path)
        except AmbiguousKeyword as error:
            raise AmbiguousKeyword(error.reason, path=self._file) from None
        if found is None:
            near = suggest(path, nodes)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise UnknownKeyword(f"no keyword or block is called {path!r}{hint}", path=self._file)
        return found

    def _nodes_at(self, path: str) -> list[Keyword | Block]:
        return self._index()[0][path]

    def _one(self, path: str) -> Keyword | Block:
        full = self._resolve(path)
        nodes = self._nodes_at(full)
        if len(nodes) > 1:
            raise AmbiguousKeyword(f"{full} occurs {len(nodes)} times: use .all({path!r})", path=self._file)
        return nodes[0]

    def __repr__(self) -> str:
        return f"<{self.standard} label {self.path or ''}: {sum(1 for _ in self.leaves())} keywords>"


def shown(text: str) -> str:
    """Make a line of a label harmless for a message: cut, and what cannot be printed replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.strip()[:120])


def too_deep(path: str | None, line: int | None) -> LabelError:
    """Make the error for blocks nested too deeply."""
    return LabelError(f"blocks nested deeper than {MAX_DEPTH} levels", path=path, line=line)
