"""The census of an index: its products counted by everything that a search names.

It says what a name may mean, which families can match at all, and where a condition needs no look at the single products
because all of a family fulfil it. `recognise` reads each group's words by the table of names, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from psalab.index.sql import Query, joined
from psalab.query.names import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from psalab.index.ask_connection import Connection
    from psalab.query.names import Entry

__all__ = ["Allowed", "Census", "Group", "ProductConditions", "telling"]

#: Columns that names are about.
_NAMED: Final = ("mission", "host", "instrument", "dataset", "level", "kind")
#: Columns that say which mission, host and instrument a product is of.
_IDENTITY: Final = ("mission", "host", "instrument", "dataset")


@dataclass(frozen=True, slots=True)
class Group:
    """Products that a search cannot tell apart by names."""

    family: str
    latest: bool
    named: Mapping[str, str | None]
    products: int

    def entries(self) -> tuple[Entry, ...]:
        """Give the mission, hosts and instruments of the table of names that these products are of."""
        mission, host, instrument, dataset = (self.named[column] for column in _IDENTITY)
        return names().recognise(mission, host, instrument, dataset).entries


@dataclass(frozen=True, slots=True)
class Census:
    """All groups of an index."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, connection: Connection) -> Census:
        """Count the products of an index."""
        columns = ", ".join(_NAMED)
        _, rows = connection.rows(f"select family, latest, {columns}, count(*) from products group by all order by all")
        return cls(
            tuple(
                Group(row[0], row[1] is not False, dict(zip(_NAMED, row[2:-1], strict=True)), row[-1]) for row in rows
            )
        )

    def values(self, name: str) -> list[str]:
        """All values of a column."""
        return sorted({value for group in self.groups if (value := group.named[name]) is not None})


# ------------------------------------------------------------------------------- conditions


@dataclass(frozen=True, slots=True)
class Allowed:
    """What some columns of a product may hold: one of `values`, each with a value (or None) for each column."""

    columns: tuple[str, ...]
    values: frozenset[tuple[str | None, ...]]

    def match(self, group: Group) -> bool:
        """Whether the products of a group fulfil it."""
        return tuple(group.named[column] for column in self.columns) in self.values

    def sql(self) -> Query:
        """Render it on ``p``."""
        return _one_of([f"p.{column}" for column in self.columns], self.values)


def telling(column: str, wanted: Callable[[Group], bool], groups: Iterable[Group]) -> Allowed:
    """Make the condition that some groups fulfil and no others.

    Parameters
    ----------
    column : str
        The column that was asked about; where it does not tell the groups apart, others of the identity help.
    wanted : callable
        Judges a group by the columns of its identity.
    groups : iterable of Group
        The groups to tell apart.

    Returns
    -------
    Allowed
        By the column alone if that is possible, else the shortest.
    """
    chosen: list[Group] = []
    others: list[Group] = []
    for group in groups:
        (chosen if wanted(group) else others).append(group)
    first = _allowed((column,), chosen)
    if not any(map(first.match, others)):
        return first
    others_than = [other for other in _IDENTITY if other != column]
    choices = (*((other,) for other in others_than), *((column, other) for other in others_than), _IDENTITY)
    tried = [_allowed(columns, chosen) for columns in choices]
    return min(
        (allowed for allowed in tried if not any(map(allowed.match, others))),
        key=lambda allowed: len(allowed.values) * len(allowed.columns),
    )


def _allowed(columns: tuple[str, ...], groups: Iterable[Group]) -> Allowed:
    return Allowed(columns, frozenset(tuple(group.named[name] for name in columns) for group in groups))


def _one_of(columns: list[str], values: Iterable[tuple[str | None, ...]]) -> Query:
    """``column in (...)``; of several columns the rest is asked for each value of the first, or for those that share it."""
    by_first: dict[frozenset[tuple[str | None, ...]], list[str | None]] = {}
    firsts = sorted({value[0] for value in values}, key=lambda first: (first is None, first or ""))
    for first in firsts:
        rest = frozenset(value[1:] for value in values if value[0] == first)
        by_first.setdefault(rest, []).append(first)
    parts = []
    for rest, shared in by_first.items():
        head = _in(columns[0], shared)
        if len(columns) > 1:
            tail = _one_of(columns[1:], rest)
            head = Query(f"({head.text} and {tail.text})", head.values + tail.values)
        parts.append(head)
    return _either(parts)


def _in(column: str, values: Sequence[str | None]) -> Query:
    given = tuple(value for value in values if value is not None)
    parts = [Query(f"{column} in ({', '.join('?' * len(given))})", given)] if given else []
    return _either(parts + ([Query(f"{column} is null")] if None in values else []))


def _either(parts: list[Query]) -> Query:
    either = joined(" or ", parts)
    return Query(f"({either.text})", either.values) if len(parts) > 1 else parts[0] if parts else Query("false")


@dataclass(frozen=True, slots=True)
class ProductConditions:
    """What the arguments of a search ask of the columns of `products`.

    Attributes
    ----------
    allowed : tuple of Allowed
        Names, which the census can judge.
    latest : bool
        Latest versions alone.
    families : frozenset of str, optional
        These families alone.
    looked_at : tuple of Query
        Conditions (on ``p``) that only a look at the products can judge: id, target, time.
    notes : tuple of str
        What names became, for the user.
    """

    allowed: tuple[Allowed, ...] = ()
    latest: bool = False
    families: frozenset[str] | None = None
    looked_at: tuple[Query, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def match(self, group: Group) -> bool:
        """Whether the products of a group fulfil what names say."""
        return (
            (group.latest or not self.latest)
            and (self.families is None or group.family in self.families)
            and all(allowed.match(group) for allowed in self.allowed)
        )

    def sql(self, groups: Iterable[Group]) -> Query:
        """Render the conditions on ``p``; those that all of `groups` fulfil are left away."""
        groups = tuple(groups)
        parts = []
        if self.families is not None and any(group.family not in self.families for group in groups):
            parts.append(_in("p.family", sorted(self.families)))
        parts += [allowed.sql() for allowed in self.allowed if not all(allowed.match(group) for group in groups)]
        if self.latest and not all(group.latest for group in groups):
            parts.append(Query("p.latest is not false"))
        return joined(" and ", (*parts, *self.looked_at))
