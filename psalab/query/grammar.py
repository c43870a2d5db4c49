"""The filter grammar: text to a tree of conditions, and back.

One function is one rule, and its docstring is the rule. Words of the grammar may be written in any case; between words
and signs blanks and line ends mean nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from psalab.errors import FilterError
from psalab.labels.paths import suggest
from psalab.query.conditions import (
    MAX_DEPTH,
    And,
    Between,
    Boolean,
    Compare,
    Condition,
    Constant,
    In,
    IsNull,
    Leaf,
    Like,
    Not,
    Number,
    Or,
    Place,
    Text,
    Time,
)

if TYPE_CHECKING:
    from psalab.query.conditions import Operator

__all__ = ["MAX_LENGTH", "mistake", "parse", "suggest", "to_text"]

#: Room for a list of 100,000 identifiers.
MAX_LENGTH: Final = 5_000_000
MAX_DIGITS: Final = 1000
#: Characters that a message shows on each side of a mistake.
SHOWN: Final = 60

_WORDS: Final = frozenset({"and", "or", "not", "between", "in", "like", "is", "null", "true", "false"})
_OPERATORS: Final[dict[str, Operator]] = {
    "<": "<", "<=": "<=", "=": "=", "==": "=", "!=": "!=", "<>": "!=", ">=": ">=", ">": ">",
}  # fmt: skip
_MIRRORED: Final[dict[Operator, Operator]] = {"<": ">", "<=": ">=", "=": "=", "!=": "!=", ">=": "<=", ">": "<"}

_BLANKS: Final = re.compile(r"\s*")
# steps joined by / and namespaces by :, such as IMAGE_POI/ROSETTA:X, pds:Time_Coordinates/pds:start_date_time, ^IMAGE
_NAME: Final = re.compile(r"\^?[^\W\d]\w*(?:[:/]\^?\w+)*")
_BACKTICKED: Final = re.compile(r"`((?:[^`]|``)*)`")
_OPERATOR: Final = re.compile(r"<=|>=|<>|!=|==|=|<|>")
_TIME: Final = re.compile(
    r"""\d{4}-\d[\d-]*                                        # a date, by calendar or by the day of the year
        (?: (?:[Tt]|[ ](?=\d{1,2}:)) \d{1,2}:\d[\d:.]*        # a time of the day
            (?: [Zz] | [+-]\d{1,2}(?::?\d{2})? )?
          | [Zz] )?""",
    re.VERBOSE | re.ASCII,
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# a word that is none of the grammar's, with a power: m, m2, s-1, m**-2
_UNIT_WORD: Final = rf"(?!(?:{'|'.join(sorted(_WORDS))})(?!\w))(?:[^\W\d]|[%°])+(?:\s*(?:\*\*|\^)\s*[+-]?\d+|[+-]?\d+)?"
_UNIT: Final = re.compile(rf"{_UNIT_WORD}(?:(?:\s*[*/.](?!\*)\s*|\s+){_UNIT_WORD})*", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[([^\[\]\r\n]*)\]")
_SINGLE: Final = re.compile(r"'((?:[^']|'')*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"]|"")*)"')


def parse(text: str) -> Condition:
    r"""Read a filter.

    Parameters
    ----------
    text : str
        Such as ``PHASE_ANGLE < 30 and (FILTER_NAME in ('22', '16') or not EXPOSURE_DURATION > 500 ms)``.

        - A name is a keyword's path, which may be cut from the left. One that is a word of the grammar, or has other
          characters than letters, digits, ``_ : / ^``, stands in backticks.
        - A constant is a number, with a unit if wanted (``50 km``, ``3e-4 W m-2 sr-1 nm-1``; what is no run of plain
          unit words stands in brackets: ``5 [1/cm]``), a text in ``'`` or ``"`` (doubled inside), a time
          (``2014-08-01``, ``2014-214T10:00:00.123``; UTC), or true or false. It may stand left of the comparison, too.
        - In the pattern of ``like``, ``%`` is any text, ``_`` one character; ``\`` takes the next one as it is.

    Returns
    -------
    Condition

    Raises
    ------
    FilterError
        The text is no filter; the message shows the place, and says what was expected there.
    """
    if not isinstance(text, str):
        raise FilterError(f'a filter is a text such as "PHASE_ANGLE < 30", not {type(text).__name__}')
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter of {len(text):,} characters: at most {MAX_LENGTH:,} are read")
    return _filter(_Reader(text))


def mistake(reason: str, source: str, span: tuple[int, int]) -> FilterError:
    """Make the error that shows the place of a mistake; of a long text, or one of several lines, the part around it."""
    start, end = span
    end = min(max(end, start + 1), start + SHOWN)
    left, right = max(start - SHOWN, 0), min(end + SHOWN, len(source))
    head, tail = "... " if left else "", " ..." if right < len(source) else ""
    shown = head + "".join(c if c.isprintable() else " " for c in source[left:right]) + tail
    moved = len(head) - left
    where = f"line {source.count(chr(10), 0, start) + 1}: " if "\n" in source else ""
    return FilterError(where + reason, source=shown, span=(start + moved, end + moved))


# ------------------------------------------------------------------------------------------------------------ the rules


class _Reader:
    """Text, and the place up to which it was read."""

    __slots__ = ("depth", "pos", "text")

    def __init__(self, text: str):
        self.text, self.depth = text, 0
        self.pos = self._after_blanks(0)

    def _after_blanks(self, pos: int) -> int:
        match = _BLANKS.match(self.text, pos)
        return match.end() if match else pos

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what the pattern describes and the blanks behind it, if it stands here."""
        match = pattern.match(self.text, self.pos)
        if match is not None:
            self.pos = self._after_blanks(match.end())
        return match

    def take_sign(self, sign: str) -> bool:
        """Read one character, if it stands here."""
        if not self.text.startswith(sign, self.pos):
            return False
        self.pos = self._after_blanks(self.pos + 1)
        return True

    def word(self) -> str:
        """Give the word or name that stands here, in lower case; empty for anything else."""
        match = _NAME.match(self.text, self.pos)
        return match[0].lower() if match else ""

    def take_word(self, word: str) -> bool:
        """Read a word of the grammar, if it stands here."""
        return self.word() == word and self.take(_NAME) is not None

    def deeper(self) -> None:
        """Note that a parenthesis or a ``not`` begins."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.mistake(f"parentheses and 'not' nested deeper than {MAX_DEPTH} levels", self.pos)

    def expected(self, what: str) -> FilterError:
        """Make the error that something else was expected here."""
        if self.pos >= len(self.text):
            return self.mistake(f"expected {what}, but the filter ends here", self.pos)
        match = _NAME.match(self.text, self.pos) or _OPERATOR.match(self.text, self.pos)
        end = match.end() if match else self.pos + 1
        found = self.text[self.pos : min(end, self.pos + SHOWN)]
        return self.mistake(f"expected {what}, found {found!r}", self.pos, end)

    def mistake(self, reason: str, start: int, end: int = 0) -> FilterError:
        """Make the error for a place of the text."""
        return mistake(reason, self.text, (start, end))

    def place(self, start: int, name: tuple[int, int]) -> Place:
        """Give the place of a condition that ends here."""
        return Place(self.text, name, (start, len(self.text[start : self.pos].rstrip()) + start))


def _filter(reader: _Reader) -> Condition:
    """``filter = disjunction``."""
    try:
        condition = _disjunction(reader)
    except FilterError as error:
        if error.span is not None:
            raise
        raise reader.mistake(error.reason, 0, len(reader.text)) from None
    if reader.pos < len(reader.text):
        if reader.text[reader.pos] == ")":
            raise reader.mistake("a parenthesis is closed here that was not opened", reader.pos)
        if _OPERATOR.match(reader.text, reader.pos):
            raise reader.expected("'and', 'or' or the end (a range is written: NAME between 10 and 20)")
        raise reader.expected("'and', 'or' or the end")
    return condition


def _disjunction(reader: _Reader) -> Condition:
    """``disjunction = conjunction {"or" conjunction}``."""
    parts = [_conjunction(reader)]
    while reader.take_word("or"):
        parts.append(_conjunction(reader))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _conjunction(reader: _Reader) -> Condition:
    """``conjunction = negation {"and" negation}``."""
    parts = [_negation(reader)]
    while reader.take_word("and"):
        parts.append(_negation(reader))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _negation(reader: _Reader) -> Condition:
    """``negation = "not" negation | "(" disjunction ")" | condition``."""
    start = reader.pos
    if reader.take_word("not"):
        reader.deeper()
        condition: Condition = Not(_negation(reader))
        reader.depth -= 1
    elif reader.take_sign("("):
        reader.deeper()
        condition = _disjunction(reader)
        if not reader.take_sign(")"):
            if reader.pos >= len(reader.text):
                raise reader.mistake("the parenthesis that opens here is not closed", start)
            raise reader.expected("'and', 'or' or ')'")
        reader.depth -= 1
    else:
        condition = _condition(reader)
    return condition


def _condition(reader: _Reader) -> Condition:
    """``condition = constant operator name | name (operator constant | ["not"] test | "is" ["not"] "null")``."""
    start = reader.pos
    value = _constant(reader)
    if value is not None:
        return _mirrored(reader, start, value)
    name, span = _name(reader, "the name of a keyword, a constant, 'not' or '('")
    if (operator := reader.take(_OPERATOR)) is not None:
        value = _needed(reader, null_hint=True)
        return Compare(name, _OPERATORS[operator[0]], value, place=reader.place(start, span))
    if reader.take_word("is"):
        negated = reader.take_word("not")
        if not reader.take_word("null"):
            raise reader.expected("'null'" if negated else "'null' or 'not null'")
        leaf: Leaf = IsNull(name, place=reader.place(start, span))
    else:
        negated = reader.take_word("not")
        leaf = _test(reader, name, start, span, negated=negated)
    return Not(leaf) if negated else leaf


def _mirrored(reader: _Reader, start: int, value: Constant) -> Compare:
    """``constant operator name``: 30 > X says X < 30."""
    operator = reader.take(_OPERATOR)
    if operator is None:
        raise reader.expected("a comparison (< <= = != >= >)")
    name, span = _name(reader, "the name of a keyword")
    return Compare(name, _MIRRORED[_OPERATORS[operator[0]]], value, place=reader.place(start, span))


def _test(reader: _Reader, name: str, start: int, span: tuple[int, int], *, negated: bool) -> Leaf:
    """``test = "between" constant "and" constant | "in" "(" [constant {"," constant}] ")" | "like" text``."""
    if reader.take_word("between"):
        low = _needed(reader)
        if not reader.take_word("and"):
            raise reader.expected("'and' and the upper end (NAME between 10 and 20)")
        return Between(name, low, _needed(reader), place=reader.place(start, span))
    if reader.take_word("in"):
        values = _list(reader)
        return In(name, values, place=reader.place(start, span))
    if reader.take_word("like"):
        begin = reader.pos
        pattern = _constant(reader)
        if not isinstance(pattern, Text):
            reader.pos = begin
            raise reader.expected("a pattern in quotes, such as 'F%'")
        return Like(name, pattern, place=reader.place(start, span))
    tests = "'between', 'in' or 'like'"
    raise reader.expected(tests if negated else f"a comparison (< <= = != >= >), 'is', 'not', {tests}")


def _list(reader: _Reader) -> tuple[Constant, ...]:
    """``list = "(" [constant {"," constant}] ")"``."""
    begin = reader.pos
    if not reader.take_sign("("):
        raise reader.expected("a list in parentheses, such as ('22', '16')")
    if reader.take_sign(")"):
        return ()
    values = [_needed(reader)]
    while reader.take_sign(","):
        values.append(_needed(reader))
    if not reader.take_sign(")"):
        if reader.pos >= len(reader.text):
            raise reader.mistake("the list that begins here is not closed", begin)
        raise reader.expected("',' or ')'")
    return tuple(values)


def _name(reader: _Reader, what: str) -> tuple[str, tuple[int, int]]:
    """``name = step {"/" step} | "`" anything, backticks doubled "`"``, ``step = {word ":"} ["^"] word``."""
    start = reader.pos
    if reader.text.startswith("`", start):
        quoted = reader.take(_BACKTICKED)
        if quoted is None:
            raise reader.mistake("the name that begins here is not closed: expected `", start)
        if not quoted[1]:
            raise reader.mistake("a name is empty", start, quoted.end())
        return quoted[1].replace("``", "`"), quoted.span()
    if reader.word() in _WORDS:
        raise reader.expected(f"{what} (a keyword that is called so stands in backticks)")
    match = reader.take(_NAME)
    if match is None:
        raise reader.expected(what)
    return match[0], match.span()


def _needed(reader: _Reader, *, null_hint: bool = False) -> Constant:
    """``constant``, and nothing else."""
    begin = reader.pos
    value = _constant(reader)
    if isinstance(value, Number) and value.unit and _OPERATOR.match(reader.text, reader.pos):
        # the run of unit words went into the next condition
        end = len(reader.text[: reader.pos].rstrip())
        raise reader.mistake(f"{value.unit!r} is no unit: expected 'and' or 'or' before the next condition", begin, end)
    if value is not None:
        return value
    if null_hint and reader.word() == "null":
        raise reader.expected("a constant (what is missing is asked for by: NAME is null)")
    if (name := reader.word()) and name not in _WORDS:
        raise reader.expected("a constant (text stands in quotes)")
    raise reader.expected("a constant: a number, a text in quotes, a time, true or false")


def _constant(reader: _Reader) -> Constant | None:
    """``constant = text | time | number [unit] | "true" | "false"``."""
    first = reader.text[reader.pos : reader.pos + 1]
    if first in ("'", '"') and first:
        start = reader.pos
        quoted = reader.take(_SINGLE if first == "'" else _DOUBLE)
        if quoted is None:
            raise reader.mistake(f"the text that begins here is not closed: expected {first}", start)
        return Text(quoted[1].replace(first * 2, first))
    if first in "+-.0123456789" and first:
        return _time(reader) or _number(reader)
    if (word := reader.word()) in ("true", "false"):
        reader.take(_NAME)
        return Boolean(word == "true")
    return None


def _time(reader: _Reader) -> Time | None:
    """``time = date [("T" | " ") time of day] ["Z" | offset]``."""
    match = reader.take(_TIME)
    if match is None:
        return None
    time = Time.from_text(match[0])
    if time is None:
        what = "there is no such date or time: expected such as 2014-08-01, 2014-214 or 2014-08-01T10:00:00"
        raise reader.mistake(what, *match.span())
    return time


def _number(reader: _Reader) -> Number | None:
    """Read ``number = digits ["[" unit "]" | factor {["*" | "/" | "."] factor}]``, ``factor = word [["**"] power]``."""
    match = reader.take(_NUMBER)
    if match is None:
        return None
    digits = match[0]
    if len(digits) > MAX_DIGITS:
        raise reader.mistake(f"a number of more than {MAX_DIGITS} digits", *match.span())
    value = int(digits) if digits.lstrip("+-").isdigit() else float(digits)
    bracketed = reader.take(_BRACKETED)
    if bracketed is not None:
        if not bracketed[1].strip():
            raise reader.mistake("expected a unit in the brackets", *bracketed.span())
        return Number(value, bracketed[1].strip())
    unit = reader.take(_UNIT)
    return Number(value, " ".join(unit[0].split()) if unit else None)


# -------------------------------------------------------------------------------------------------------------- writing


def to_text(condition: Condition) -> str:
    """Write a condition as text that `parse` reads as the same tree."""
    match condition:
        case Or(conditions=parts):
            return " or ".join(_within(part, Or) for part in parts)
        case And(conditions=parts):
            return " and ".join(_within(part, And, Or) for part in parts)
        case Not(condition=Between() | In() | Like() | IsNull() as leaf):
            return _leaf_text(leaf, "not ")
        case Not(condition=part):
            return f"not {_within(part, And, Or)}"
        case Leaf() as leaf:
            return _leaf_text(leaf, "")
        case _:
            raise TypeError(f"no condition: {condition!r}")


def _within(part: Condition, *looser: type[Condition]) -> str:
    text = to_text(part)
    return f"({text})" if isinstance(part, looser) else text


def _leaf_text(leaf: Leaf, negation: str) -> str:
    name = _name_text(leaf.name)
    match leaf:
        case Compare(op=op, value=value):
            return f"{name} {op} {_constant_text(value)}"
        case Between(low=low, high=high):
            return f"{name} {negation}between {_constant_text(low)} and {_constant_text(high)}"
        case In(values=values):
            return f"{name} {negation}in ({', '.join(map(_constant_text, values))})"
        case Like(pattern=pattern):
            return f"{name} {negation}like {_constant_text(pattern)}"
        case _:
            return f"{name} is {negation}null"


def _name_text(name: str) -> str:
    if _NAME.fullmatch(name) and name.lower() not in _WORDS:
        return name
    return "`" + name.replace("`", "``") + "`"


def _constant_text(value: Constant) -> str:
    match value:
        case Number(value=number, unit=unit):
            text = str(number) if abs(number) != float("inf") else "1e999" if number > 0 else "-1e999"
            if unit is None:
                return text
            plain = _UNIT.fullmatch(unit) and " ".join(unit.split()) == unit
            return f"{text} {unit}" if plain else f"{text} [{unit}]"
        case Text(value=content):
            return "'" + content.replace("'", "''") + "'"
        case Time(value=time):
            return time.isoformat()
        case _:
            return "true" if value.value else "false"
