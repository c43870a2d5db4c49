"""What the arguments of a search mean in one index: names as people say them become values that the index holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from psalab.errors import FilterError
from psalab.index.ask_census import Allowed, ProductConditions, telling
from psalab.index.sql import Query, joined
from psalab.labels.values import parse_time
from psalab.query.names import has_wildcard, holds, key, like, names, shortened, suggestion
from psalab.query.translation import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from psalab.index.ask_census import Census, Group
    from psalab.query.names import Entry

__all__ = ["product_conditions"]

#: Words of the vocabulary: asking for one that the index does not hold is an empty answer, not a mistake.
_KINDS: Final = frozenset({"data", "browse", "document", "calibration", "collection", "bundle", "context", "ancillary"})


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
        Arguments for columns by their names (mission, instrument, dataset, level, kind); None does not restrict.

    Raises
    ------
    FilterError
        A name that neither the index nor the table of names knows, with suggestions; a time or a version that is none.
    """
    allowed, notes, looked_at = [], [], []
    within = census.groups
    for name in sorted((name for name in named if named[name] is not None), key=lambda name: name != "mission"):
        asked = named[name]
        if name in ("mission", "instrument"):
            condition, became = _identity(census, name, listed(name, asked), within)
            within = tuple(group for group in within if condition.match(group))
        else:
            condition, became = _plain(census, name, listed(name, asked))
        allowed.append(condition)
        notes += became
    if id is not None:
        looked_at.append(_id_condition(listed("id", id)))
    if target is not None:
        matched, became = _targets(listed("target", target), targets())
        notes += became
        looked_at.append(Query("list_has_any(p.targets, ?::varchar[])", (matched,)))
    if time is not None:
        looked_at.append(_time_condition(time))
    if versions not in ("latest", "all"):
        raise FilterError(f"versions={versions!r}: expected 'latest' or 'all'")
    return ProductConditions(tuple(allowed), versions == "latest", None, tuple(looked_at), tuple(notes))


def _plain(census: Census, name: str, asked: Sequence[str]) -> tuple[Allowed, list[str]]:
    """Resolve data sets, levels or kinds by the words of the index."""
    known = census.values(name)
    values: set[str] = set()
    notes = []
    for item in asked:
        said = _level(item) if name == "level" else item
        matched = [value for value in known if like(said, value)]
        if not matched and not _in_vocabulary(name, said):
            raise FilterError(f"{name}={item!r}: this index knows no such {name}{suggestion(item, known)}")
        notes += _became(item, [said])
        values.update(matched)
    return Allowed((name,), frozenset((value,) for value in values)), notes


def _level(said: str) -> str:
    return said if has_wildcard(said) else next((entry.name for entry in names().find("level", said)), said)


def _in_vocabulary(name: str, word: str) -> bool:
    return word.casefold() in _KINDS if name == "kind" else name == "level" and bool(names().find("level", word))


def _identity(census: Census, name: Any, asked: Sequence[str], within: Sequence[Group]) -> tuple[Allowed, list[str]]:
    """Resolve missions or instruments; an instrument is one of the missions that were asked for (groups `within`)."""
    meant: list[Callable[[Group], bool]] = []
    notes: list[str] = []
    for item in asked:
        judge, became = _meaning(census, name, item, within)
        meant.append(judge)
        notes += became
    return telling(name, lambda group: any(judge(group) for judge in meant), within), notes


def _meaning(
    census: Census, name: Any, item: str, within: Sequence[Group]
) -> tuple[Callable[[Group], bool], list[str]]:
    """Tell which groups a name means: by the words of the index and the table of names, else as a word of a name."""
    entries = () if has_wildcard(item) else names().find(name, item)
    judge = _judge(name, item, entries)
    if not entries and not has_wildcard(item) and not any(map(judge, census.groups)):
        judge = _word_of(name, item)
    found = [group for group in within if judge(group)]
    if found:
        return judge, [*_became(item, _values(found, name, entries)), *_not_told_apart(item, entries)]
    if any(map(judge, census.groups)):
        return judge, [f"{item} -> nothing: what is called so belongs to other missions"]
    if entries:
        return judge, [_nothing(item, entries)]
    near = suggestion(item, census.values(name), names().spoken(name))
    raise FilterError(f"{name}={item!r}: this index knows no such {name}{near}")


def _judge(name: str, item: str, entries: Iterable[Entry]) -> Callable[[Group], bool]:
    """Make a function that tells whether a group is meant: it bears the name, or it is one of the entries."""
    covered = frozenset(entry for found in entries for entry in names().covered(found))

    def judge(group: Group) -> bool:
        value = group.named[name]
        return (value is not None and _same(item, value)) or not covered.isdisjoint(group.entries())

    return judge


def _word_of(name: str, item: str) -> Callable[[Group], bool]:
    """Make a function that tells whether a group bears a name that holds a word."""
    return lambda group: holds(group.named[name] or "", item)


def _same(item: str, value: str) -> bool:
    """Equal as names are, or like the pattern; of several joined by ``+`` one is enough."""
    if has_wildcard(item):
        return like(item, value)
    return key(item) == key(value) or key(item) in map(key, value.split("+"))


def _values(groups: Iterable[Group], name: str, entries: Iterable[Entry]) -> list[str]:
    """Tell what the index calls it; a mission that is said by its host is shown by the host."""
    column = "host" if any(entry.kind == "host" for entry in entries) else name
    return sorted({value for group in groups if (value := group.named[column]) is not None})


def _targets(asked: Sequence[str], known: list[str]) -> tuple[list[str], list[str]]:
    values: set[str] = set()
    notes = []
    for item in asked:
        entries = () if has_wildcard(item) else names().find("target", item)
        said = {item, *(name for entry in entries for name in entry.written)}
        matched = [v for v in known if _same(item, v) or (not has_wildcard(item) and any(holds(v, n) for n in said))]
        if not matched and not entries:
            near = suggestion(item, known, names().spoken("target"))
            raise FilterError(f"target={item!r}: this index knows no such target{near}")
        notes += _became(item, matched) if matched else [_nothing(item, entries)]
        values.update(matched)
    return sorted(values), notes


# ------------------------------------------------------------------------------- what names became


def _became(item: str, values: Sequence[str]) -> list[str]:
    """``67P -> 67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)``; nothing where the index calls it the same, or by a pattern."""
    if not values or has_wildcard(item) or {key(value) for value in values} == {key(item)}:
        return []
    shown = ", ".join(map(shortened, values[:3]))
    return [f"{item} -> {shown}{f' and {len(values) - 3} more' if len(values) > 3 else ''}"]


def _nothing(item: str, entries: Sequence[Entry]) -> str:
    known = " or ".join(f"{entry.name} ({entry.mission})" if entry.mission else entry.name for entry in entries[:3])
    return f"{item} -> nothing: {known} is known, but this index holds no product of it"


def _not_told_apart(item: str, entries: Iterable[Entry]) -> list[str]:
    wholes = {entry.part_of for entry in entries if entry.part_of is not None and not entry.told_apart}
    return (
        [f"{item}: the names in labels do not tell the parts of {' and '.join(sorted(wholes))} apart"] if wholes else []
    )


# ------------------------------------------------------------------------------- ids and times


def _id_condition(asked: Sequence[str]) -> Query:
    plain = [item.casefold() for item in asked if not has_wildcard(item)]
    parts = []
    if plain:
        parts.append(Query(f"lower(p.id) in ({', '.join('?' * len(plain))})", tuple(plain)))
    parts += [Query("p.id ilike ? escape '\\'", (_like(item),)) for item in asked if has_wildcard(item)]
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
