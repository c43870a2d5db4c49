"""Typed values of a chunk, flattened to elements in columns.

`Elements.add` takes one value as `psalab.labels.values` made it. `Elements.add_pvl` types many raw values at once: numbers,
lists of numbers and plain texts, which are nearly all, are recognised by one regular expression each and converted in bulk;
the others go through `pvl_value`. Both give the same; a test holds them equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.labels.values import (
    BOOLEAN,
    FLOAT,
    INT,
    MISSING_WORDS,
    TEXT,
    TIME,
    Scalar,
    microseconds,
    pvl_value,
    scalars,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psalab.labels.values import Value

__all__ = ["HUGE", "KINDS", "Elements"]

#: Kind of an integer beyond 64 bits: text for every column but an integer by nature.
HUGE: Final = 6
KINDS: Final = 7

_LARGEST: Final = 2**63
_LONGEST_MISSING: Final = max(map(len, MISSING_WORDS))

_REAL: Final = r"[+-]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?"
_INTEGER: Final = r"[+-]?[0-9]{1,18}"
_UNIT: Final = r"(?:[ \t]*<[ \t]*[^<>\s,](?:[^<>\n\r,]*[^<>\s,])?[ \t]*>)?"
_NUMBER: Final = rf"(?:{_REAL}|{_INTEGER}){_UNIT}"
#: A number, or a flat list of numbers: what `_PART` takes apart without further looking.
_NUMERIC: Final = re.compile(rf"{_NUMBER}|\(\s*{_NUMBER}\s*(?:,\s*{_NUMBER}\s*)*\)")
_PART: Final = re.compile(rf"(?:({_REAL})|({_INTEGER}))(?:[ \t]*<[ \t]*([^<>]*[^<>\s])[ \t]*>)?")
_PLAIN_TEXT: Final = re.compile(r'"\s*([^"\s](?:[^"\n\r]*[^"\s])?)\s*"')


class Elements:
    """Elements of values, value after value.

    Attributes
    ----------
    kinds, texts, units : list
        Kind, text and unit (None for none) of each element.
    bits : list of int
        Integers, booleans and microseconds.
    floats : list of float
        Reals; 0 elsewhere.
    first : list of int
        ``first[v]:first[v + 1]`` are the elements of value v.
    listed : list of bool
        Which values are lists.
    """

    def __init__(self) -> None:
        self.kinds: list[int] = []
        self.texts: list[str] = []
        self.units: list[str | None] = []
        self.bits: list[int] = []
        self.floats: list[float] = []
        self.first = [0]
        self.listed: list[bool] = []

    def add(self, value: Value) -> None:
        """Append a value."""
        for scalar in (value,) if isinstance(value, Scalar) else scalars(value):
            self._scalar(scalar)
        self.listed.append(not isinstance(value, Scalar))
        self.first.append(len(self.kinds))

    def _scalar(self, scalar: Scalar) -> None:
        kind, content, text, unit = scalar
        bits, real = 0, 0.0
        if kind == FLOAT:
            real = content  # type: ignore[assignment]  # of this kind
        elif kind in (INT, BOOLEAN, TIME):
            bits = microseconds(content) if kind == TIME else int(content)  # type: ignore[arg-type]
            if not -_LARGEST <= bits < _LARGEST:
                kind, bits = HUGE, 0
        self.kinds.append(kind)
        self.texts.append(text)
        self.units.append(unit)
        self.bits.append(bits)
        self.floats.append(real)

    def add_pvl(self, raws: Sequence[str]) -> None:
        """Append the values of raw texts of PDS3 labels."""
        numeric = [bool(_NUMERIC.fullmatch(raw)) for raw in raws]
        parts = _PART.findall("\n".join([raw for raw, is_numeric in zip(raws, numeric, strict=True) if is_numeric]))
        part = 0
        for raw, is_numeric in zip(raws, numeric, strict=True):
            if is_numeric:
                listed = raw[0] == "("
                following = part + (raw.count(",") + 1 if listed else 1)
                self._numbers(parts[part:following], listed=listed)
                part = following
            elif (plain := _PLAIN_TEXT.fullmatch(raw)) and (
                len(text := plain[1]) > _LONGEST_MISSING or text.upper() not in MISSING_WORDS
            ):
                self.kinds.append(TEXT)
                self.texts.append(text)
                self.units.append(None)
                self.bits.append(0)
                self.floats.append(0.0)
                self.listed.append(False)
                self.first.append(len(self.kinds))
            else:
                self.add(pvl_value(raw))

    def _numbers(self, parts: Sequence[tuple[str, str, str]], *, listed: bool) -> None:
        for real, integer, unit in parts:
            if real:
                self.kinds.append(FLOAT)
                self.texts.append(real)
                self.bits.append(0)
                self.floats.append(float(real))
            else:
                self.kinds.append(INT)
                self.texts.append(integer)
                self.bits.append(int(integer))
                self.floats.append(0.0)
            self.units.append(unit or None)
        self.listed.append(listed)
        self.first.append(len(self.kinds))

    def arrays(self) -> dict[str, Any]:
        """Fields of a `Chunk`."""
        kind = np.array(self.kinds, dtype=np.int8)
        numbers: dict[str | None, int] = {None: -1}
        for text in dict.fromkeys(self.units):
            numbers.setdefault(text, len(numbers) - 1)
        bits = np.array(self.bits, dtype=np.int64)
        reals = np.array(self.floats, dtype=np.float64)
        is_real = kind == FLOAT
        bits[is_real] = reals[is_real].view(np.int64)
        return {
            "kind": kind,
            "bits": bits,
            "text": self.texts,
            "unit": np.array(list(map(numbers.__getitem__, self.units)), dtype=np.int32),
            "units": [text for text in numbers if text is not None],
            "first": np.array(self.first, dtype=np.int32),
            "listed": np.array(self.listed, dtype=bool),
        }
