"""A filter over the families of one index: who can be asked, in which SQL, and who is left out and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.ask_keywords import SQL_TYPES
from psalab.index.filter_sql import Column, known, where
from psalab.index.sql import Query, quoted
from psalab.query.conditions import Condition, Leaf, Number, constants
from psalab.query.grammar import mistake, parse
from psalab.results import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from psalab.index.ask_keywords import Catalogue, Family, Keyword, KeywordColumn, Meanings

__all__ = ["Filter"]

_SHOWN_FAMILIES: Final = 3


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter, resolved and rendered.

    Attributes
    ----------
    condition : Condition
    columns : tuple of KeywordColumn
        Its keywords, called as they are written.
    families : frozenset of str
        Families that are asked.
    ordinals : mapping
        Wide family -> its number in the matches.
    left_out : tuple of LeftOut
        Families that cannot be asked.
    matches, undecided : tuple of Query
        Selects of (product_key, m, f): products that match; products that do not match for want of a value.
    """

    condition: Condition
    columns: tuple[KeywordColumn, ...]
    families: frozenset[str]
    ordinals: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    matches: tuple[Query, ...]
    undecided: tuple[Query, ...]

    @classmethod
    def of(cls, asked: str | Condition, catalogue: Catalogue, families: Iterable[str] = ()) -> Filter:
        """Resolve the names of a filter and render it.

        Parameters
        ----------
        asked : str or Condition
        catalogue : Catalogue
        families : iterable of str
            Families that may be asked; none given means all.

        Raises
        ------
        FilterError
            A mistake in the text, a name that nothing is called by, a constant that fits no family, or a bare number
            where units disagree; the message shows the place.
        AmbiguousKeyword
            A name that means several keywords in every family.
        """
        condition = asked if isinstance(asked, Condition) else parse(asked)
        allowed = set(families)
        inside = [family for family in catalogue.families.values() if not allowed or family.name in allowed]
        meanings = {leaf.name: _meanings(leaf, catalogue, inside) for leaf in condition.leaves()}
        able = [family for family in inside if all(family.name in found.keywords for found in meanings.values())]
        if not able:
            raise FilterError(_nobody(meanings))
        for leaf in condition.leaves():
            _check_bare_numbers(leaf, [meanings[leaf.name].keywords[family.name] for family in able])
        rendered, reasons = _rendered(condition, meanings, able)
        asked_families = frozenset(family.name for part in rendered for family in part.families)
        reasons |= {family.name: _why_not(family, meanings) for family in inside if family not in able}
        return cls(
            condition,
            tuple(catalogue.column(name, asked_families) for name in meanings),
            asked_families,
            {part.families[0].name: part.ordinal for part in rendered if part.ordinal is not None},
            tuple(
                LeftOut(family.name, family.products, reasons[family.name])
                for family in inside
                if family.name in reasons
            ),
            tuple(part.matches for part in rendered),
            tuple(part.undecided for part in rendered),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """Families that one select asks: a wide one, or long ones whose keywords are alike."""

    families: tuple[Family, ...]
    ordinal: int | None
    matches: Query
    undecided: Query


# -------------------------------------------------------------------------------------------------- names and families


def _meanings(leaf: Leaf, catalogue: Catalogue, families: list[Family]) -> Meanings:
    """Resolve a name; a mistake is shown at its place."""
    everywhere = len(families) == len(catalogue.families)
    try:
        return catalogue.meanings(leaf.name, None if everywhere else [family.name for family in families])
    except AmbiguousKeyword as error:
        if leaf.place is None:
            raise
        raise AmbiguousKeyword(error.reason, text=_shown(mistake("", leaf.place.source, leaf.place.name))) from None
    except FilterError as error:
        if leaf.place is None:
            raise
        raise mistake(error.reason, leaf.place.source, leaf.place.name) from None


def _shown(error: FilterError) -> str:
    return str(error).strip("\n").removeprefix("    ")


def _nobody(meanings: Mapping[str, Meanings]) -> str:
    """Say why no family can be asked, though each name means something somewhere."""
    where_each = []
    for name, found in meanings.items():
        families = sorted(found.keywords)
        more = ", ..." if len(families) > _SHOWN_FAMILIES else ""
        where_each.append(f"{name} is in {', '.join(families[:_SHOWN_FAMILIES])}{more}")
    return f"no family of labels has all these keywords: {'; '.join(where_each)}"


def _why_not(family: Family, meanings: Mapping[str, Meanings]) -> str:
    reasons = [found.ambiguous[family.name] for found in meanings.values() if family.name in found.ambiguous]
    lacking = [
        name
        for name, found in meanings.items()
        if family.name not in found.keywords and family.name not in found.ambiguous
    ]
    if lacking:
        reasons.append(f"no keyword is called {' or '.join(lacking)}")
    return "; ".join(reasons)


def _check_bare_numbers(leaf: Leaf, keywords: list[Keyword]) -> None:
    """Refuse a number without a unit where the families that are asked use different units."""
    bare = [value for value in constants(leaf) if isinstance(value, Number) and value.unit is None]
    units = list(
        dict.fromkeys(word.unit for word in keywords if word.unit is not None and word.type in ("int", "float"))
    )
    if not bare or len(units) < 2:
        return
    reason = (
        f"{leaf.name} comes in different units ({', '.join(units)}): say which one is meant, "
        f"such as {bare[0].value} {units[0]}, or name an instrument"
    )
    raise mistake(reason, leaf.place.source, leaf.place.whole) if leaf.place else FilterError(reason)


# ------------------------------------------------------------------------------------------------------------------ SQL


def _rendered(
    condition: Condition, meanings: Mapping[str, Meanings], families: list[Family]
) -> tuple[list[_Part], dict[str, str]]:
    """Render for all families; those whose values the constants do not fit come back with the reason.

    Raises
    ------
    FilterError
        The constants fit no family at all.
    """
    parts: list[_Part] = []
    refused: dict[str, FilterError | AmbiguousKeyword] = {}
    for group in _groups(meanings, families):
        try:
            parts.append(_part(condition, meanings, group, len(parts)))
        except (FilterError, AmbiguousKeyword) as error:
            refused |= {family.name: error for family in group}
    if not parts:
        raise next(iter(refused.values()))
    return parts, {family: error.reason for family, error in refused.items()}


def _groups(meanings: Mapping[str, Meanings], families: list[Family]) -> list[tuple[Family, ...]]:
    """Put long families together whose keywords are alike; a wide one stands alone."""
    groups: dict[tuple[object, ...], list[Family]] = defaultdict(list)
    for family in families:
        words = [found.keywords[family.name] for found in meanings.values()]
        alike = tuple((word.path, word.type, word.unit, word.units) for word in words)
        groups[(family.name,) if family.wide else alike].append(family)
    return [tuple(group) for group in groups.values()]


def _part(condition: Condition, meanings: Mapping[str, Meanings], families: tuple[Family, ...], number: int) -> _Part:
    first = families[0]
    names = tuple(family.name for family in families)
    key = "f.product_key" if first.wide else "p.product_key"
    columns = {name: _column(found.keywords[first.name]) for name, found in meanings.items()}
    if first.wide:
        head = Query(f"select f.product_key, f.rowid as m, {number:d} as f from {first.table} f where ")
    else:
        marks = ", ".join("?" * len(names))
        text = "select p.product_key, null::bigint as m, null::integer as f from products p where"
        head = Query(f"{text} p.family in ({marks}) and ", names)
    matching, undecided = _render_both(condition, columns, names, key)
    return _Part(
        families,
        number if first.wide else None,
        Query(head.text + matching.text, head.values + matching.values),
        Query(head.text + undecided.text, head.values + undecided.values),
    )


def _render_both(
    condition: Condition, columns: Mapping[str, Column], families: tuple[str, ...], key: str
) -> tuple[Query, Query]:
    """Render what matches, and what does not for want of a value."""
    matching = where(condition, columns.__getitem__, families=families, key=key)
    valued = known(condition, columns.__getitem__, families=families, key=key)
    return matching, Query(
        f"({valued.text}) is not true and ({matching.text}) is not true", valued.values + matching.values
    )


def _column(keyword: Keyword) -> Column:
    sql = None if keyword.column is None else f"f.{quoted(keyword.column)}"
    if sql is not None and not keyword.count:  # no value at all, and so a type by chance
        sql = f"cast({sql} as {SQL_TYPES[keyword.type]}{'[]' if keyword.is_list else ''})"
    return Column(
        keyword.path,
        sql,
        keyword.type,
        keyword.is_list,
        keyword.unit,
        keyword.units,
        None if keyword.unit_column is None else f"f.{quoted(keyword.unit_column)}",
    )
