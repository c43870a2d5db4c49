"""Statements of labels: what the fast path makes of PDS3 lines and PDS4 tags, and how they become paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psalab.labels.label import Block, Keyword
from psalab.labels.pointers import is_structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Leaf", "Unusual", "leaves_of"]


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
        Type that the data dictionary gives (PDS4); "text" for the count of a spacecraft's clock (PDS3).
    in_structure : bool
        Whether it describes the layout of data rather than the product.
    """

    path: str
    position: int
    declared: str | None
    in_structure: bool


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
