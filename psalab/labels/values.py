"""Raw text to typed value: the only place where it happens, for both standards.

A value is a `Scalar`, or a `Sequence` of values (PDS3 alone: sequences and sets, which may be nested). Both carry the text
that was typed, so that nothing is lost where a type does not fit its column.

Sources: PDS Standards Reference 3.8, chapter 12 (ODL): 12.3.1 numbers and units, 12.3.2 dates and times, 12.3.3 text
strings, 12.3.4 symbols, 12.4 sequences and sets. PDS4 Information Model, chapter "Data types".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "BOOLEAN",
    "CLOCK_COUNTS",
    "DECLARED_FILLS",
    "FILL_NUMBERS",
    "FLOAT",
    "INT",
    "MISSING",
    "MISSING_WORDS",
    "TEXT",
    "TIME",
    "Python",
    "Scalar",
    "Sequence",
    "Value",
    "clock_value",
    "fills_of",
    "is_clock",
    "masked",
    "microseconds",
    "parse_time",
    "pds4_value",
    "pvl_value",
    "python_value",
    "scalars",
]

MISSING: Final = 0
BOOLEAN: Final = 1
INT: Final = 2
FLOAT: Final = 3
TIME: Final = 4
TEXT: Final = 5

Python: TypeAlias = "bool | int | float | datetime | str | list[Python] | None"

#: Numbers that stand for "no value" in the labels of an instrument (INSTRUMENT_ID), though no keyword declares them.
#: Source: labels of Mars Express HRSC, whose geometry keywords hold both spellings of the VICAR fill.
FILL_NUMBERS: Final[dict[str, frozenset[float]]] = {"HRSC": frozenset({-1e32, -9.99e31})}

#: Keywords that count a spacecraft's clock. They are text without quotes, too: `0366084512.50423` is no decimal number, for
#: behind the point stand parts of a second, 256 of them or 65,536, as each clock has it. Source: PDS Data Dictionary (type
#: CHARACTER; what became of them in PDS4, msn:instrument_clock_start and cassini:housekeeping_clock_count for example, is
#: ASCII_Short_String_Collapsed). SPACECRAFT_CLOCK_CNT_PARTITION is a number, and so are seconds of other names.
CLOCK_COUNTS: Final = frozenset(
    {
        "SPACECRAFT_CLOCK_START_COUNT",
        "SPACECRAFT_CLOCK_STOP_COUNT",
        "INSTRUMENT_CLOCK_START_COUNT",
        "INSTRUMENT_CLOCK_STOP_COUNT",
        "HOUSEKEEPING_CLOCK_COUNT",
    }
)

#: Keywords by which a label declares a number to stand for a missing word in it (PDS Data Dictionary).
DECLARED_FILLS: Final = {"NOT_APPLICABLE_CONSTANT": "N/A", "UNKNOWN_CONSTANT": "UNK", "NULL_CONSTANT": "NULL"}


def fills_of(instrument: str | None) -> frozenset[float]:
    """Fill numbers of an instrument, or of several joined by ``+``."""
    parts = (instrument or "").split("+")
    return frozenset().union(*(FILL_NUMBERS.get(part, frozenset()) for part in parts))


MAX_DEPTH: Final = 64
EPOCH: Final = datetime(1970, 1, 1)


class Scalar(NamedTuple):
    """One typed value.

    Attributes
    ----------
    kind : int
        MISSING, BOOLEAN, INT, FLOAT, TIME or TEXT.
    value : None, bool, int, float, datetime or str
        The value; None when missing. Times are UTC without a zone.
    text : str
        The text without quotes and unit; the reason when missing.
    unit : str or None
        The unit as the label spells it.
    """

    kind: int
    value: bool | int | float | datetime | str | None
    text: str
    unit: str | None = None


class Sequence(NamedTuple):
    """A sequence ``(...)`` or a set ``{...}`` of PDS3, in the order of the label."""

    items: tuple[Value, ...]
    is_set: bool = False


Value: TypeAlias = Scalar | Sequence

_EMPTY: Final = Scalar(MISSING, None, "empty", None)
MISSING_WORDS: Final = {word: word for word in ("N/A", "UNK", "NULL")}
_LAST_DIGITS: Final = " 0123456789ABCDEF"
_BOOLEANS: Final = {"TRUE": True, "FALSE": False}

_NUMBER: Final = re.compile(r"([+-]?[0-9]+)|[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASED: Final = re.compile(r"([+-]?)([0-9]{1,2})#([+-]?)([0-9A-Za-z]+)#")
_UNIT: Final = re.compile(r"[^<]*[^<\s](?=\s*<([^<>]*)>\Z)")
_TIME: Final = re.compile(
    r"""(\d{4})-(?:(\d{1,2})-(\d{1,2})|(\d{3}))                                  # calendar date or day of the year
        (?:T(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d*))?)?)?                          # to the second's fraction
        (Z|[+-](?:\d{1,2}(?::\d{2})?|\d{4}))?""",
    re.VERBOSE | re.ASCII,
)
_LINE_ENDS: Final = re.compile(r"(?<![ \t\f\v])[ \t\f\v]*+[\r\n]\s*+")
_DASHED_LINE_ENDS: Final = re.compile(r"-[\r\n]\s*+")
_ITEM: Final = re.compile(
    r"""\s*+(?>/\*.*?\*/\s*+)*+                                                  # blanks and comments
        (?: (?P<value> "[^"]*" | '[^']*' | (?:[^\s"'(){},<>/]|/(?!\*))+ )
          | (?P<unit> <[^<>]*> ) | (?P<mark> [(){},] ) )""",
    re.VERBOSE | re.DOTALL,
)


def pvl_value(raw: str) -> Value:
    """Type one value of a PDS3 label.

    Parameters
    ----------
    raw : str
        The text right of the equals sign, without comments around it; may be empty.

    Returns
    -------
    Scalar or Sequence
        A sequence or set that is not well formed (a comma is missing, a unit stands alone) is the text that it is.
    """
    first = raw[:1]
    if first == '"':
        return _quoted(raw)
    if first in ("(", "{"):
        return _sequence(raw)
    if first == "'":
        text, _, rest = raw[1:].partition("'")
        return _text(text, rest.strip()[1:-1].strip() or None)
    if raw[-1:] == ">" and (unit := _UNIT.match(raw)):
        return _plain(unit[0], unit[1].strip() or None)
    return _plain(raw, None)


def is_clock(name: str) -> bool:
    """Tell whether a PDS3 keyword, with its namespace or without, counts a spacecraft's clock (`CLOCK_COUNTS`)."""
    return name.rpartition(":")[2] in CLOCK_COUNTS


def clock_value(raw: str) -> Value:
    """Type one value of a keyword that `is_clock`: as `pvl_value` does, but what is not missing is the text that it is."""
    return _as_text(pvl_value(raw))


def _as_text(value: Value) -> Value:
    if isinstance(value, Sequence):
        return Sequence(tuple(_as_text(item) for item in value.items), value.is_set)
    return value if value.kind == MISSING else Scalar(TEXT, value.text, value.text, value.unit)


def _quoted(raw: str) -> Scalar:
    text, unit = raw[1:-1], None
    if raw[-1] != '"':
        text, _, rest = raw[1:].partition('"')
        unit = rest.strip()[1:-1].strip() or None
    return _text(text, unit)


def _text(text: str, unit: str | None) -> Scalar:
    if "\n" in text or "\r" in text:
        # ODL 12.3.3: a dash at the end of a line goes with the line end; other line ends are one blank.
        text = _LINE_ENDS.sub(" ", _DASHED_LINE_ENDS.sub("", text))
    text = text.strip()
    reason = MISSING_WORDS.get(text.upper()) if len(text) <= 4 else None
    if reason:
        return Scalar(MISSING, None, reason, None)
    return Scalar(TEXT, text, text, unit)


def _plain(raw: str, unit: str | None) -> Scalar:
    """Type a number, a time, a symbol or a bare word."""
    first = raw[:1]
    if first in "+-.0123456789" and first:
        if number := _NUMBER.fullmatch(raw):
            return _number(raw, number[1], unit)
        if (time := parse_time(raw)) is not None:
            return Scalar(TIME, time, raw, unit)
        if based := _BASED.fullmatch(raw):
            return _based(raw, based, unit)
        return Scalar(TEXT, raw, raw, unit)
    if first == "'":
        return _text(raw[1:-1], unit)
    word = raw.upper()
    if word in _BOOLEANS:
        return Scalar(BOOLEAN, _BOOLEANS[word], raw, unit)
    if word in MISSING_WORDS:
        return Scalar(MISSING, None, word, None)
    return Scalar(TEXT, raw, raw, unit) if raw else _EMPTY


def _number(raw: str, integer: str | None, unit: str | None) -> Scalar:
    if integer is not None and len(raw) < 1000:
        return Scalar(INT, int(raw), raw, unit)
    number = float(raw)
    if number - number != 0:  # beyond the range of a float: kept as text rather than as infinity
        return Scalar(TEXT, raw, raw, unit)
    return Scalar(FLOAT, number, raw, unit)


def _based(raw: str, match: re.Match[str], unit: str | None) -> Scalar:
    """``based_integer = radix "#" [sign] digits "#"``, 2 <= radix <= 16 (ODL 12.3.1.2); the sign may stand first, too."""
    sign, radix, inner, digits = match.groups()
    base = int(radix)
    if 2 <= base <= 16 and max(digits.upper()) <= _LAST_DIGITS[base] and len(digits) < 1000:
        return Scalar(INT, int(f"{inner or sign}{digits}", base), raw, unit)
    return Scalar(TEXT, raw, raw, unit)


def _sequence(raw: str) -> Value:
    """``sequence = "(" [value {"," value}] ")"``, ``set = "{" [value {"," value}] "}"`` (ODL 12.4), nested at will."""
    open_lists: list[tuple[str, list[Value], int]] = []
    items: list[Value] = []
    commas = pos = 0
    while match := _ITEM.match(raw, pos):
        pos = match.end()
        kind = match.lastgroup
        if kind == "value" or (kind == "mark" and match["mark"] in "({"):
            if len(items) > commas or len(open_lists) > MAX_DEPTH:
                break
            if kind == "mark":
                open_lists.append((match["mark"], items, commas))
                items, commas = [], 0
                continue
            token = match["value"]
            items.append(_quoted(token) if token[0] == '"' else _plain(token, None))
        elif kind == "unit":
            if len(items) <= commas:
                break
            items[-1] = _with_unit(items[-1], match["unit"][1:-1].strip())
        elif match["mark"] == ",":
            if len(items) == commas:  # nothing between two commas still takes a place
                items.append(_EMPTY)
            commas += 1
        else:
            opener, outer, commas = open_lists.pop()
            outer.append(Sequence(tuple(items), opener == "{"))
            items = outer
            if not open_lists:
                rest = raw[pos:].strip()
                return _with_unit(items[0], rest[1:-1].strip()) if rest else items[0]
    return Scalar(TEXT, raw, raw, None)


def _with_unit(value: Value, unit: str) -> Value:
    """Give a unit that stands behind a list to each of its elements that has none."""
    if isinstance(value, Sequence):
        return Sequence(tuple(_with_unit(item, unit) for item in value.items), value.is_set)
    return value if value.unit or not unit or value.kind == MISSING else value._replace(unit=unit)


def parse_time(text: str) -> datetime | None:
    """Read a date or a date and time of ODL (12.3.2) or ISO 8601, as UTC without a zone.

    Parameters
    ----------
    text : str
        ``2014-08-01``, ``2014-213``, ``2014-08-01T10:00:00.123Z`` and the like; seconds may be 60 (leap second, given as
        the second after it); an offset is applied; digits beyond microseconds are cut.

    Returns
    -------
    datetime or None
        None where the text is no such time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, day_of_year, hour, minute, second, fraction, zone = match.groups()
    if zone and hour is None:
        return None if zone != "Z" else parse_time(text[:-1])
    try:
        date = datetime(int(year), int(month or 1), int(day or 1))
        if day_of_year is not None:
            date += timedelta(days=int(day_of_year) - 1)
            if day_of_year == "000" or date.year != int(year):
                return None
        if hour is None:
            return date
        if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 60:
            return None
        if hour == "24" and f"{minute}{second or ''}{fraction or ''}".strip("0"):
            return None  # 24:00 is the end of a day, and there is nothing behind it
        date += timedelta(
            hours=int(hour),
            minutes=int(minute),
            seconds=int(second or 0),
            microseconds=int((fraction or "")[:6].ljust(6, "0")),
        )
        return date - _offset(zone) if zone and zone != "Z" else date
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    hours, minutes = zone[1:3].rstrip(":"), zone[-2:] if len(zone) > 3 else "0"
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if zone[0] == "-" else offset


def microseconds(time: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00 UTC, exactly."""
    if time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    delta = time - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


_PDS4_PARTIAL_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2}))?Z?", re.ASCII)


def pds4_value(text: str, declared: str | None, unit: str | None = None) -> Scalar:
    """Type the text of a PDS4 attribute.

    Parameters
    ----------
    text : str
        The element's text, entities resolved.
    declared : {'int', 'float', 'time', 'boolean', 'text'} or None
        What the data dictionary says of the attribute; None lets the value decide.
    unit : str, optional
        The element's ``unit``.

    Returns
    -------
    Scalar
        A value that is not of the declared type is TEXT.
    """
    collapsed = text.strip()
    if "\n" in collapsed:
        collapsed = " ".join(collapsed.split())
    if not collapsed:
        return Scalar(MISSING, None, "empty", None)
    if collapsed in MISSING_WORDS:
        return Scalar(MISSING, None, collapsed, None)
    if declared != "text":
        if declared in (None, "int", "float") and (number := _NUMBER.fullmatch(collapsed)):
            scalar = _number(collapsed, number[1], unit)
            if declared == "float" and scalar.kind == INT and isinstance(scalar.value, int):
                return _real(scalar)
            return scalar
        if declared in (None, "time") and (time := _pds4_time(collapsed, declared)) is not None:
            return Scalar(TIME, time, collapsed, unit)
        if declared in (None, "boolean") and (truth := _pds4_boolean(collapsed, declared)) is not None:
            return Scalar(BOOLEAN, truth, collapsed, unit)
    return Scalar(TEXT, collapsed, collapsed, unit)


def _real(scalar: Scalar) -> Scalar:
    try:
        return Scalar(FLOAT, float(scalar.text), scalar.text, scalar.unit)
    except OverflowError:
        return Scalar(TEXT, scalar.text, scalar.text, scalar.unit)


def _pds4_time(text: str, declared: str | None) -> datetime | None:
    if (time := parse_time(text)) is not None or declared is None:
        return time
    if partial := _PDS4_PARTIAL_DATE.fullmatch(text):  # ASCII_Date_YMD allows a year, or a year and a month
        return parse_time(f"{partial[1]}-{partial[2] or '01'}-01")
    return None


def _pds4_boolean(text: str, declared: str | None) -> bool | None:
    if declared is None:
        return {"true": True, "false": False}.get(text)
    return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())


def masked(value: Value, fills: Mapping[float, str]) -> Value:
    """Give a value in which numbers that stand for nothing are missing, each with its reason."""
    if isinstance(value, Sequence):
        return Sequence(tuple(masked(item, fills) for item in value.items), value.is_set)
    if value.kind in (INT, FLOAT) and value.value in fills:
        return Scalar(MISSING, None, fills[float(value.value)])  # type: ignore[arg-type]  # a number, of these kinds
    return value


def scalars(value: Value) -> Iterator[Scalar]:
    """All scalars of a value, in order."""
    if isinstance(value, Scalar):
        yield value
    else:
        for item in value.items:
            yield from scalars(item)


def python_value(value: Value) -> Python:
    """Give the plain Python value: None, bool, int, float, datetime, str, or a list of these."""
    return value.value if isinstance(value, Scalar) else [python_value(item) for item in value.items]
