"""What the arguments of a search mean in one index: names as people type them become values that the index holds.

One query, the census, counts the products by everything that a search names. It says what a name may mean, which
families can match at all, and where a condition needs no look at the single products because all of a family fulfil it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from psalab.errors import FilterError
from psalab.index.sql import Query, glob_expression, joined
from psalab.labels.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from psalab.index.ask_connection import Connection

__all__ = ["Census", "Group", "OneOrMore", "ProductConditions", "product_conditions", "suggestion"]

OneOrMore = "str | Iterable[str] | None"

NAMED: Final = ("mission", "instrument", "dataset", "level", "kind")
#: Words of the vocabulary: asking for one that the index does not hold is an empty answer, not a mistake.
_VOCABULARY: Final = {
    "level": frozenset({"raw", "calibrated", "derived"}),
    "kind": frozenset({"data", "browse", "document", "calibration", "collection", "bundle", "context", "ancillary"}),
}


@dataclass(frozen=True, slots=True)
class Group:
    """Products that a search cannot tell apart by names."""

    family: str
    latest: bool
    named: Mapping[str, str | None]
    products: int


@dataclass(frozen=True, slots=True)
class Census:
    """All groups of an index."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, connection: Connection) -> Census:
        """Count the products of an index."""
        columns = ", ".join(NAMED)
        _, rows = connection.rows(f"select family, latest, {columns}, count(*) from products group by all order by all")
        return cls(
            tuple(Group(row[0], row[1] is not False, dict(zip(NAMED, row[2:-1], strict=True)), row[-1]) for row in rows)
        )

    def values(self, name: str) -> list[str]:
        """All values of a column."""
        return sorted({value for group in self.groups if (value := group.named[name]) is not None})


@dataclass(frozen=True, slots=True)
class ProductConditions:
    """What the arguments of a search ask of the columns of `products`.

    Attributes
    ----------
    allowed : mapping of column to values
        Names that the census can judge.
    latest : bool
        Latest versions alone.
    families : frozenset of str, optional
        These families alone.
    looked_at : tuple of Query
        Conditions (on ``p``) that only a look at the products can judge: id, target, time.
    notes : tuple of str
        What names became, for the user.
    """

    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    latest: bool = False
    families: frozenset[str] | None = None
    looked_at: tuple[Query, ...] = ()
    notes: tuple[str, ...] = ()

    def match(self, group: Group) -> bool:
        """Whether the products of a group fulfil what names say."""
        return (
            (group.latest or not self.latest)
            and (self.families is None or group.family in self.families)
            and all(group.named[name] in values for name, values in self.allowed.items())
        )

    def sql(self, groups: Iterable[Group]) -> Query:
        """Render the conditions on ``p``; those that all of `groups` fulfil are left away."""
        groups = tuple(groups)
        parts = []
        if self.families is not None and any(group.family not in self.families for group in groups):
            parts.append(_one_of("p.family", self.families))
        parts += [
            _one_of(f"p.{name}", values)
            for name, values in self.allowed.items()
            if any(group.named[name] not in values for group in groups)
        ]
        if self.latest and not all(group.latest for group in groups):
            parts.append(Query("p.latest is not false"))
        return joined(" and ", (*parts, *self.looked_at))


def _one_of(column: str, values: Iterable[str]) -> Query:
    values = tuple(sorted(values))
    if not values:
        return Query("false")
    return Query(f"{column} in ({', '.join('?' * len(values))})", values)


# ------------------------------------------------------------------------------- the arguments


def product_conditions(
    census: Census,
    targets: Callable[[], list[str]],
    *,
    id: Any = None,
    target: Any = None,
    time: Any = None,
    versions: str = "latest",
    named: Mapping[str, Any],
) -> ProductConditions:
    """Resolve the arguments of a search.

    Parameters
    ----------
    census : Census
    targets : callable
        Gives all targets of the index; called when a target is asked for.
    id, target, time, versions
        As in ``Index.search``.
    named : mapping
        Arguments for the columns of `NAMED`; None does not restrict.

    Raises
    ------
    FilterError
        A name that the index does not know, with suggestions; a time or a version that is none.
    """
    allowed, notes, looked_at = {}, [], []
    for name, asked in named.items():
        if asked is not None:
            allowed[name], became = _named(name, _listed(name, asked), census.values(name))
            notes += became
    if id is not None:
        looked_at.append(_id_condition(_listed("id", id)))
    if target is not None:
        matched, became = _targets(_listed("target", target), targets())
        notes += became
        looked_at.append(Query("list_has_any(p.targets, ?::varchar[])", (matched,)))
    if time is not None:
        looked_at.append(_time_condition(time))
    if versions not in ("latest", "all"):
        raise FilterError(f"versions={versions!r}: expected 'latest' or 'all'")
    return ProductConditions(allowed, versions == "latest", None, tuple(looked_at), tuple(notes))


def _listed(name: str, asked: Any) -> list[str]:
    items = [asked] if isinstance(asked, str) else list(asked) if hasattr(asked, "__iter__") else [asked]
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise FilterError(f"{name}={asked!r}: expected a text, or a list of texts")
    return [item.strip() for item in items]


def _named(name: str, asked: Sequence[str], known: list[str]) -> tuple[frozenset[str], list[str]]:
    values: set[str] = set()
    notes = []
    for item in asked:
        matched = [value for value in known if _same_name(item, value)]
        if not matched and name in ("mission", "instrument") and not _has_wildcard(item):
            matched = [value for value in known if _word_in(item, value)]
            if matched:
                notes.append(f"{item} -> {', '.join(matched)}")
        if not matched and item.casefold() not in _VOCABULARY.get(name, ()):
            raise FilterError(f"{name}={item!r}: this index knows no such {name}{suggestion(item, known)}")
        values.update(matched)
    return frozenset(values), notes


def _targets(asked: Sequence[str], known: list[str]) -> tuple[list[str], list[str]]:
    values: set[str] = set()
    notes = []
    for item in asked:
        matched = [
            value for value in known if _same_name(item, value) or (not _has_wildcard(item) and _word_in(item, value))
        ]
        if not matched:
            raise FilterError(f"target={item!r}: this index knows no such target{suggestion(item, known)}")
        if [value.casefold() for value in matched] != [item.casefold()]:
            shown = ", ".join(matched[:3]) + (f" and {len(matched) - 3} more" if len(matched) > 3 else "")
            notes.append(f"{item} -> {shown}")
        values.update(matched)
    return sorted(values), notes


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _same_name(asked: str, value: str) -> bool:
    """Equal but for case, with wildcards; of several ids joined by ``+`` one is enough."""
    if not _has_wildcard(asked):
        return asked.casefold() == value.casefold() or asked.casefold() in value.casefold().split("+")
    return re.fullmatch(glob_expression(asked), value, re.IGNORECASE) is not None


def _word_in(asked: str, value: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(asked)}(?![^\W_])", value, re.IGNORECASE) is not None


def suggestion(asked: str, known: Iterable[str]) -> str:
    """``; did you mean A or B?``, or what there is when nothing is near."""
    by_fold = {name.casefold(): name for name in known}
    near = get_close_matches(asked.casefold(), by_fold, n=3, cutoff=0.6)
    if not near:
        near = [fold for fold in by_fold if asked.casefold() in fold][:3]
    if near:
        return f"; did you mean {' or '.join(by_fold[fold] for fold in near)}?"
    if not by_fold:
        return "; it has none at all"
    names = sorted(by_fold.values())
    return f"; it knows {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"


def _id_condition(asked: Sequence[str]) -> Query:
    plain = [item.casefold() for item in asked if not _has_wildcard(item)]
    parts = []
    if plain:
        parts.append(Query(f"lower(p.id) in ({', '.join('?' * len(plain))})", tuple(plain)))
    parts += [Query("p.id ilike ? escape '\\'", (_like(item),)) for item in asked if _has_wildcard(item)]
    return Query("(" + " or ".join(part.text for part in parts) + ")", tuple(v for part in parts for v in part.values))


def _like(pattern: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%").replace("?", "_")


def _time_condition(time: Any) -> Query:
    """Products whose time, both ends included, meets the half-open interval; without a stop the start is the stop."""
    if isinstance(time, (str, date)) or not hasattr(time, "__len__") or len(time) != 2:
        raise FilterError(
            f'time={time!r}: expected (start, end), such as ("2014-08-01", "2014-09-01"); None leaves one open'
        )
    start, end = (None if item is None else _moment(item) for item in time)
    if start is not None and end is not None and start >= end:
        raise FilterError(f"time={time!r}: the end must be later than the start (the interval does not hold its end)")
    parts = []
    if end is not None:
        parts.append(Query("p.start_time < ?", (end,)))
    if start is not None:
        # written so that DuckDB can skip blocks by their smallest and largest time
        parts.append(Query("(p.stop_time >= ? or (p.stop_time is null and p.start_time >= ?))", (start, start)))
    if not parts:
        return Query("p.start_time is not null")
    return joined(" and ", (*parts, Query("p.start_time is not null")))


def _moment(value: Any) -> datetime:
    """Read a time in UTC without a zone, from a text, a datetime, a date, or what has ``to_datetime`` (astropy)."""
    if isinstance(value, str):
        moment = parse_time(value.strip().replace(" ", "T"))
        if moment is None:
            raise FilterError(
                f"time {value!r}: expected a time such as 2014-08-01, 2014-213 or 2014-08-01T10:00:00 (UTC)"
            )
        return moment
    if hasattr(value, "to_datetime"):
        value = value.to_datetime()
    elif hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo is not None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise FilterError(f"time {value!r}: expected a text, a datetime or a date")
