"""The tree that every question becomes: frozen values, joined by ``&``, ``|`` and ``~``.

What a tree means, for one row::

    Condition = Compare | Between | In | Like | IsNull      about one name and constants
              | And | Or | Not                              about other conditions

A name has one value, several (a list), or none. A list matches if any of its values does; ``!=`` and ``Not`` of a
comparison mean that none of its values does. Where a name has no value, a comparison is neither true nor false (so its
negation does not match either), and ``And``, ``Or`` and ``Not`` follow the three-valued logic of SQL. Only `IsNull`
matches what is missing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from psalab.errors import FilterError
from psalab.labels.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_DEPTH",
    "And",
    "Between",
    "Boolean",
    "Compare",
    "Condition",
    "Constant",
    "In",
    "IsNull",
    "Leaf",
    "Like",
    "Not",
    "Number",
    "Operator",
    "Or",
    "Place",
    "Text",
    "Time",
    "constant",
    "constants",
]

#: Deeper trees are refused when they are built, so that whoever walks one may recurse.
MAX_DEPTH: Final = 100

#: Integers beyond this are no measured quantity, and Python is slow to write them.
MAX_BITS: Final = 3300

Operator: TypeAlias = Literal["<", "<=", "=", "!=", ">=", ">"]


# ------------------------------------------------------------------------------------------------------------ constants


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit, if one was said.

    Attributes
    ----------
    value : int or float
        Integers stay exact.
    unit : str or None
        As it was written.
    """

    value: int | float
    unit: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"a number must be int or float, not {type(self.value).__name__}")
        if isinstance(self.value, int) and self.value.bit_length() > MAX_BITS:
            raise FilterError("a number of more than a thousand digits")
        if self.value != self.value:  # the one number that differs from itself
            raise FilterError("NaN compares with nothing: ask for 'is null' instead")
        if self.unit is not None and (not self.unit.strip() or set(self.unit) & set("[]\r\n")):
            raise FilterError(f"{self.unit!r} is no unit: it is empty, or holds brackets or line ends")


@dataclass(frozen=True, slots=True)
class Text:
    """A text; compared exactly, upper and lower case differ."""

    value: str


@dataclass(frozen=True, slots=True)
class Time:
    """An instant, UTC without a zone; a ``datetime`` with a zone is brought to UTC."""

    value: dt.datetime

    def __post_init__(self) -> None:
        if self.value.tzinfo is not None:
            utc = self.value.astimezone(dt.UTC).replace(tzinfo=None)
            object.__setattr__(self, "value", utc)

    @classmethod
    def from_text(cls, text: str) -> Time | None:
        """Read ``2014-08-01``, ``2014-214``, ``2014-08-01T10:00:00.123Z`` (a blank may stand for the T).

        Returns
        -------
        Time or None
            None where the text is no time. A leap second (``:60``) is the second after it.
        """
        found = parse_time(text.strip().upper().replace(" ", "T", 1))
        return None if found is None else cls(found)


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    value: bool


Constant: TypeAlias = Number | Text | Time | Boolean


def constant(value: Constant | float | str | dt.date) -> Constant:
    """Make a constant from a plain Python value; text stays text, even where it looks like a time."""
    if isinstance(value, Number | Text | Time | Boolean):
        return value
    if isinstance(value, bool):
        return Boolean(value)
    if isinstance(value, int | float):
        return Number(value)
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dt.datetime):
        return Time(value)
    if isinstance(value, dt.date):
        return Time(dt.datetime(value.year, value.month, value.day))
    raise TypeError(f"a filter compares with a number, text, time or boolean, not with {type(value).__name__}")


# ------------------------------------------------------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class Place:
    """Where a condition stands in the text that it was parsed from; it plays no part in comparing trees.

    Attributes
    ----------
    source : str
        The whole text.
    name, whole : tuple of (int, int)
        First and one-past-last character of the name, and of the whole condition.
    """

    source: str
    name: tuple[int, int]
    whole: tuple[int, int]


class Condition:
    """A question about one row; see the module for what it means."""

    __slots__ = ()

    @property
    def depth(self) -> int:
        """Levels of the tree; a condition about one name has one."""
        return 1

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions right below this one."""
        return ()

    def leaves(self) -> Iterator[Leaf]:
        """All conditions about one name, from left to right."""
        for part in self.parts:
            yield from part.leaves()

    def names(self) -> tuple[str, ...]:
        """Give the names that are used, each once, in the order of their first use."""
        return tuple(dict.fromkeys(leaf.name for leaf in self.leaves()))

    def __and__(self, other: object) -> Condition:
        return And(_joined(And, self, other)) if isinstance(other, Condition) else NotImplemented

    def __or__(self, other: object) -> Condition:
        return Or(_joined(Or, self, other)) if isinstance(other, Condition) else NotImplemented

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError("a condition is neither true nor false: join conditions with & | ~, not with and, or, not")


def _joined(kind: type[And | Or], left: Condition, right: Condition) -> tuple[Condition, ...]:
    """Keep long chains flat: ``a & b & c`` is one level."""
    return tuple(part for side in (left, right) for part in (side.parts if isinstance(side, kind) else (side,)))


@dataclass(frozen=True, slots=True)
class Leaf(Condition):
    """A condition about one name.

    Attributes
    ----------
    name : str
        A keyword's path, which may be cut from the left.
    place : Place or None
        Where it was written, for messages.
    """

    name: str
    place: Place | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name:
            raise FilterError("a condition needs the name of a keyword")

    def leaves(self) -> Iterator[Leaf]:
        """Give this condition."""
        yield self


@dataclass(frozen=True, slots=True)
class Compare(Leaf):
    """``name op value``."""

    op: Operator
    value: Constant

    def __post_init__(self) -> None:
        Leaf.__post_init__(self)
        if self.op not in get_args(Operator):
            raise FilterError(f"{self.op!r} is no comparison: expected one of {' '.join(get_args(Operator))}")


@dataclass(frozen=True, slots=True)
class Between(Leaf):
    """``name between low and high``; both ends belong to it."""

    low: Constant
    high: Constant


@dataclass(frozen=True, slots=True)
class In(Leaf):
    """``name in (value, ...)``; no value at all matches nothing."""

    values: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Like(Leaf):
    r"""``name like 'pattern'``: ``%`` is any text, ``_`` any one character, ``\`` takes the next character as it is."""

    pattern: Text


@dataclass(frozen=True, slots=True)
class IsNull(Leaf):
    """``name is null``: there is no value, for whatever reason."""


@dataclass(frozen=True, slots=True)
class _Joined(Condition):
    """Two or more conditions."""

    conditions: tuple[Condition, ...]
    levels: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.conditions) < 2:
            raise FilterError(f"{type(self).__name__} needs two conditions or more, not {len(self.conditions)}")
        object.__setattr__(self, "levels", _one_more(self.conditions))

    @property
    def depth(self) -> int:
        """Levels of the tree."""
        return self.levels

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions right below this one."""
        return self.conditions


@dataclass(frozen=True, slots=True)
class And(_Joined):
    """All of the conditions."""


@dataclass(frozen=True, slots=True)
class Or(_Joined):
    """Any of the conditions."""


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The condition does not match, though there is a value to tell by."""

    condition: Condition
    levels: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", _one_more((self.condition,)))

    @property
    def depth(self) -> int:
        """Levels of the tree."""
        return self.levels

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions right below this one."""
        return (self.condition,)


def _one_more(parts: tuple[Condition, ...]) -> int:
    levels = 1 + max(part.depth for part in parts)
    if levels > MAX_DEPTH:
        raise FilterError(f"conditions nested deeper than {MAX_DEPTH} levels")
    return levels


def constants(leaf: Leaf) -> tuple[Constant, ...]:
    """Give the constants of a condition about one name, in the order of writing."""
    match leaf:
        case Compare(value=value):
            return (value,)
        case Between(low=low, high=high):
            return (low, high)
        case In(values=values):
            return values
        case Like(pattern=pattern):
            return (pattern,)
        case _:
            return ()
