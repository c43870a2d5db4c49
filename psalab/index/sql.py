"""SQL text: names are quoted here and nowhere else; values are never written into SQL but bound."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Query", "glob_expression", "joined", "literal", "quoted", "union_all"]

_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-^`{-~]")
"""What RE2 lets stand behind a backslash: ASCII alone."""


class Query(NamedTuple):
    """A piece of SQL with the values bound to its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


def quoted(name: str) -> str:
    """Quote a name of a table or a column."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text, where a statement takes no bound values (ATTACH, the definition of a view)."""
    return "'" + text.replace("'", "''") + "'"


def joined(separator: str, parts: Iterable[Query]) -> Query:
    """Join pieces of SQL; their values stay in order."""
    parts = tuple(parts)
    return Query(separator.join(part.text for part in parts), tuple(value for part in parts for value in part.values))


def union_all(parts: Iterable[Query]) -> Query:
    """Join selects by UNION ALL."""
    return joined("\nunion all\n", parts)


def glob_expression(pattern: str) -> str:
    """Turn ``*`` and ``?`` into a regular expression that Python and DuckDB (RE2) read alike; all else is literal."""
    special = {"*": "(?s:.*)", "?": "(?s:.)"}
    return "".join(special.get(character) or _PUNCTUATION.sub(r"\\\g<0>", character) for character in pattern)
