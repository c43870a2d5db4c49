"""The keywords of an index: which keyword a name means in each family, and the SQL that gives its value in one unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from psalab.errors import AmbiguousKeyword, FilterError
from psalab.index.sql import Query, quoted
from psalab.labels.paths import PathIndex, suggest
from psalab.labels.units import exact_conversion
from psalab.query.names import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from psalab.index.ask_connection import Connection
    from psalab.index.filter_sql import Kind

__all__ = ["SQL_TYPES", "Catalogue", "Family", "Keyword", "KeywordColumn", "Meanings"]

SQL_TYPES: Final = {"int": "bigint", "float": "double", "time": "timestamp", "boolean": "boolean", "text": "varchar"}
#: Column of meta.other that holds a value of a type, as SQL.
_LONG_VALUES: Final = {
    "int": "coalesce(try_cast(o.text as bigint), try_cast(o.number as bigint))",
    "float": "o.number",
    "time": 'o."time"',
    "boolean": "(o.number <> 0)",
    "text": 'case when o.number is null and o."time" is null and o.text is null then null else o.text end',
}


@dataclass(frozen=True, slots=True)
class Family:
    """A family of labels: wide with a table of its own, or long in ``meta.other``."""

    name: str
    wide: bool
    products: int
    instrument: str | None
    view_name: str | None

    @property
    def table(self) -> str:
        """Its wide table, quoted."""
        return f"meta.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword path of a family."""

    family: str
    path: str
    name: str
    column: str | None
    type: Kind
    is_list: bool
    unit: str | None
    unit_column: str | None
    units: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class KeywordColumn:
    """A keyword as a column of an answer: one type and one unit over all families.

    Attributes
    ----------
    name : str
        As the user wrote it.
    keywords : mapping of family to Keyword
    type : {'int', 'float', 'time', 'text', 'boolean'}
    is_list : bool
    unit : str or None
        Unit of the numbers.
    note : str or None
        What the user should know: values were converted, or could not be.
    """

    name: str
    keywords: Mapping[str, Keyword]
    type: Kind
    is_list: bool
    unit: str | None
    note: str | None

    @property
    def sql_type(self) -> str:
        """Its type in DuckDB."""
        return SQL_TYPES[self.type] + ("[]" if self.is_list else "")

    def wide_value(self, family: str) -> Query:
        """Write the value in a row of a wide table ``f``; NULL in a family without it."""
        keyword = self.keywords.get(family)
        if keyword is None or keyword.column is None:
            return Query(f"null::{self.sql_type}")
        column = f"f.{quoted(keyword.column)}"
        value = self._in_unit(column, keyword)
        if self.is_list and not keyword.is_list:
            value = Query(f"case when {column} is null then null else [{value.text}] end", value.values)
        return Query(f"cast({value.text} as {self.sql_type})", value.values)

    def _in_unit(self, column: str, keyword: Keyword) -> Query:
        if self.type not in ("int", "float") or self.unit is None:
            return Query(column)
        if keyword.unit_column is not None:
            unit = f"f.{quoted(keyword.unit_column)}"
            branches = [
                (spelling, self._converted(column, spelling, is_list=keyword.is_list)) for spelling in keyword.units
            ]
            changed = [(spelling, sql) for spelling, sql in branches if sql != column]
            if not changed:
                return Query(column)
            cases = " ".join(f"when ? then {sql}" for _, sql in changed)
            return Query(f"case {unit} {cases} else {column} end", tuple(spelling for spelling, _ in changed))
        return Query(self._converted(column, keyword.unit, is_list=keyword.is_list))

    def _converted(self, column: str, unit: str | None, *, is_list: bool) -> str:
        if unit is None or self.unit is None or (change := exact_conversion(unit, self.unit)) is None:
            return column
        factor, offset = change
        if factor == 1 and offset == 0:
            return column
        term = _scaled("x" if is_list else column, factor, offset)
        return f"[{term} for x in {column}]" if is_list else f"({term})"

    def is_long(self, family: str) -> bool:
        """Whether the values of a family stand in meta.other."""
        return family in self.keywords and self.keywords[family].column is None

    def long_paths(self, families: Iterable[str]) -> set[str]:
        """Paths of the keyword in these families, where they stand in meta.other."""
        return {self.keywords[family].path for family in families if self.is_long(family)}

    def long_value(self, families: Iterable[str]) -> Query:
        """Write the value in a group of rows ``o`` of meta.other, those of one product of these families."""
        keywords = [self.keywords[family] for family in sorted(families) if self.is_long(family)]
        if not keywords:
            return Query(f"any_value(null::{self.sql_type})")
        value = Query(_LONG_VALUES[self.type])
        if self.type in ("int", "float") and self.unit is not None:
            spellings = sorted({unit for keyword in keywords for unit in (keyword.unit, *keyword.units) if unit})
            changed = [(unit, self._converted(value.text, unit, is_list=False)) for unit in spellings]
            changed = [(unit, sql) for unit, sql in changed if sql != value.text]
            if changed:
                cases = " ".join(f"when ? then {sql}" for _, sql in changed)
                value = Query(f"case o.unit {cases} else {value.text} end", tuple(unit for unit, _ in changed))
        pairs = ", ".join("(?, ?)" for _ in keywords)
        bound = tuple(part for keyword in keywords for part in (keyword.family, keyword.path))
        gathered = f"list({value.text} order by o.rowid) filter (where (o.family, o.path) in ({pairs}))"
        if not self.is_list:
            gathered = f"({gathered})[1]"
        return Query(f"cast({gathered} as {self.sql_type})", value.values + bound)


def _scaled(term: str, factor: Fraction, offset: Fraction) -> str:
    """``factor * term + offset``; divided rather than multiplied where that is exact (700 ms are 0.7 s)."""
    scaled = (
        f"{term} / {float(factor.denominator)!r}" if factor.numerator == 1 else f"{term} * {float(factor)!r}::double"
    )
    return scaled if offset == 0 else f"{scaled} + {float(offset)!r}::double"


class Catalogue:
    """All families and keywords of an index."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def families(self) -> dict[str, Family]:
        """Families by name, the largest first."""
        _, rows = self._connection.rows(
            "select family, wide, products, instrument, view_name from families order by products desc, family"
        )
        return {row[0]: Family(*row) for row in rows}

    @cached_property
    def _by_last_step(self) -> dict[str, list[Keyword]]:
        """Keywords by the last step of their path, without prefix, in lower case."""
        _, rows = self._connection.rows(
            "select family, path, name, column_name, type, coalesce(is_list, false), unit, unit_column, units, "
            "coalesce(count, 0) from keywords order by family, path"
        )
        found: dict[str, list[Keyword]] = {}
        for family, path, name, column, kind, is_list, unit, unit_column, units, count in rows:
            keyword = Keyword(family, path, name, column, kind, is_list, unit, unit_column, tuple(units or ()), count)
            found.setdefault(_last_step(path), []).append(keyword)
        return found

    def families_named(self, name: str) -> list[Family]:
        """Families that a name means: a family, its view, or the instrument of several; the largest first.

        Raises
        ------
        FilterError
            There is none; the message names what is near.
        """
        known: dict[str, list[Family]] = {}
        for family in self.families.values():
            for known_as in dict.fromkeys((family.view_name, family.instrument, family.name)):
                if known_as is not None:
                    known.setdefault(known_as, []).append(family)
        for same in (str.__eq__, _same_but_for_case):
            found = {family.name for known_as in known if same(known_as, name) for family in known[known_as]}
            if found:
                return [family for family in self.families.values() if family.name in found]
        raise FilterError(f"{name!r} is no family, view or instrument of this index{suggestion(name, known)}")

    def short_names(self, families: Iterable[Family]) -> list[str]:
        """Short names of all keywords of families; where one would mean several paths, the paths."""
        inside = {family.name for family in families}
        keywords = sorted(
            (keyword for found in self._by_last_step.values() for keyword in found if keyword.family in inside),
            key=lambda keyword: keyword.path,
        )
        paths: dict[str, set[str]] = {}
        for keyword in keywords:
            paths.setdefault(keyword.name, set()).add(keyword.path)
        return list(dict.fromkeys(word.name if len(paths[word.name]) == 1 else word.path for word in keywords))

    def meanings(self, name: str, families: Iterable[str] | None = None) -> Meanings:
        """Which keyword a name means in each family.

        Parameters
        ----------
        name : str
            A path, which may be cut from the left.
        families : iterable of str, optional
            These families alone.

        Raises
        ------
        AmbiguousKeyword
            The name means one keyword in no family, and several in some.
        FilterError
            No family knows it.
        """
        inside = None if families is None else set(families)
        by_family: dict[str, dict[str, Keyword]] = {}
        for keyword in self._by_last_step.get(_last_step(name), ()):
            if inside is None or keyword.family in inside:
                by_family.setdefault(keyword.family, {})[keyword.path] = keyword
        meant: dict[str, Keyword] = {}
        ambiguous: dict[str, AmbiguousKeyword] = {}
        for family, keywords in by_family.items():
            try:
                path = PathIndex(keywords).find(name)
            except AmbiguousKeyword as error:
                ambiguous[family] = error
            else:
                if path is not None:
                    meant[family] = keywords[path]
        if not meant and ambiguous:
            raise next(iter(ambiguous.values()))
        if not meant:
            raise FilterError(self._unknown(name, inside))
        return Meanings(self._typed(meant), {family: error.reason for family, error in ambiguous.items()})

    def _typed(self, keywords: dict[str, Keyword]) -> dict[str, Keyword]:
        """Give keywords that no label of their family has a value for the type and the unit that the others have.

        A build cannot tell it, and their being text must not turn a column of numbers to text.
        """
        valued = [keywords[family] for family in self.families if family in keywords and keywords[family].count]
        if not valued:
            return keywords
        kind, unit = valued[0].type, valued[0].unit
        return {
            family: keyword if keyword.count else replace(keyword, type=kind, unit=unit, units=(), unit_column=None)
            for family, keyword in keywords.items()
        }

    def _unknown(self, name: str, inside: set[str] | None) -> str:
        known = {
            keyword.path: keyword.name
            for keywords in self._by_last_step.values()
            for keyword in keywords
            if inside is None or keyword.family in inside
        }
        near = list(dict.fromkeys(known[path] for path in suggest(name, known)))
        hint = f"; nearest: {', '.join(near)}" if near else ""
        elsewhere = inside is not None and self._by_last_step.get(_last_step(name))
        return f"no keyword {'of these labels ' if elsewhere else ''}is called {name}{hint}"

    def column(self, name: str, families: Iterable[str] | None = None) -> KeywordColumn:
        """Make a column of a keyword: its type and its unit over all families that have it."""
        return _column(name, self.meanings(name, families), self.families)


@dataclass(frozen=True, slots=True)
class Meanings:
    """What a name means: one keyword in some families, several in others (with the reason in words)."""

    keywords: Mapping[str, Keyword]
    ambiguous: Mapping[str, str]


def _same_but_for_case(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _last_step(path: str) -> str:
    return path[path.rfind("/") + 1 :].rpartition(":")[2].casefold()


def _column(name: str, meanings: Meanings, families: Mapping[str, Family]) -> KeywordColumn:
    keywords = meanings.keywords
    types = {keyword.type for keyword in keywords.values()}
    kind: Kind = types.pop() if len(types) == 1 else "float" if types == {"int", "float"} else "text"
    largest = sorted(keywords.values(), key=lambda keyword: (-families[keyword.family].products, keyword.family))
    spelled = list(dict.fromkeys(unit for word in largest for unit in (word.unit, *word.units) if unit))
    unit = spelled[0] if spelled and kind in ("int", "float") else None
    notes = [f"{name} is not told for {family}: {reason}" for family, reason in meanings.ambiguous.items()]
    others = [other for other in spelled if other != unit]
    if unit is not None and others:
        kept = [other for other in others if exact_conversion(other, unit) is None]
        changed = [other for other in others if other not in kept]
        if changed:
            notes.append(f"{name}: {', '.join(changed)} converted to {unit}")
            kind = "float"
        if kept:
            notes.append(f"{name}: units disagree, values in {', '.join(kept)} are not converted to {unit}")
    listed = any(keyword.is_list for keyword in keywords.values())
    return KeywordColumn(name, keywords, kind, listed, unit, "; ".join(notes) or None)
