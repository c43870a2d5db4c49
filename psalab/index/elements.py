"""Typed values of a chunk, flattened to elements in columns.

`Elements.add` takes one value as `psalab.labels.values` made it. `Elements.add_pvl` types many raw values at once: numbers,
plain texts, flat lists of these, and times, which are nearly all, are recognised by a regular expression and converted in
bulk; the others go through `pvl_value`. Both give the same; a test holds them equal.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from psalab.labels.pds4 import element_value
from psalab.labels.values import (
    BOOLEAN,
    FLOAT,
    INT,
    MISSING,
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

__all__ = ["HUGE", "KINDS", "Elements", "Raw"]

#: Kind of an integer beyond 64 bits: text for every column but an integer by nature.
HUGE: Final = 6
KINDS: Final = 7

_LARGEST: Final = 2**63
_LONGEST_MISSING: Final = max(map(len, MISSING_WORDS))

_REAL: Final = r"[+-]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?0{0,2}[0-9]{1,2})?"
_INTEGER: Final = r"[+-]?[0-9]{1,18}"
_UNIT: Final = r"(?:[ \t]*<[ \t]*[^<>\s,](?:[^<>\n\r,]*[^<>\s,])?[ \t]*>)?"
_ITEM: Final = rf"""(?:(?:{_REAL}|{_INTEGER}){_UNIT}|"[^"\n\r]*")"""
#: A number, a text on one line, or a flat list of these: what `_PART` takes apart without looking twice.
_FLAT: Final = re.compile(rf"{_ITEM}|\(\s*+{_ITEM}\s*+(?:,\s*+{_ITEM}\s*+)*+\)")
_PART: Final = re.compile(rf"""(?:({_REAL})|({_INTEGER}))(?:[ \t]*<[ \t]*([^<>]*[^<>\s])[ \t]*>)?|"([^"]*)\"""")
_TIME: Final = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?")


_TIME_Z: Final = re.compile(_TIME.pattern + "Z?")


class Raw(NamedTuple):
    """The untyped content of a PDS4 attribute: its text, its unit, and the reason where it is nil."""

    text: str
    unit: str | None
    nil: str | None


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

    def add(self, value: Value) -> int:
        """Append a value; give its number."""
        for scalar in (value,) if isinstance(value, Scalar) else scalars(value):
            self._scalar(scalar)
        self.listed.append(not isinstance(value, Scalar))
        self.first.append(len(self.kinds))
        return len(self.listed) - 1

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

    def add_pvl(self, raws: Sequence[str]) -> np.ndarray:
        """Append the values of raw texts of PDS3 labels, in an order of its own; give the number of each value."""
        flat: list[int] = []
        times: list[int] = []
        others: list[int] = []
        for at, raw in enumerate(raws):
            (flat if _FLAT.fullmatch(raw) else times if _TIME.fullmatch(raw) else others).append(at)
        before = len(self.listed)
        self._add_flat([raws[at] for at in flat])
        if not self._add_times([raws[at] for at in times]):
            others += times
            times = []
        for at in others:
            self.add(pvl_value(raws[at]))
        numbers = np.empty(len(raws), np.int32)
        numbers[flat + times + others] = np.arange(before, len(self.listed), dtype=np.int32)
        return numbers

    def add_pds4(self, raws: Sequence[Raw], declared: Sequence[str | None]) -> np.ndarray:
        """Append the values of PDS4 attributes, in an order of its own; give the number of each value."""
        times = [
            at
            for at, (raw, kind) in enumerate(zip(raws, declared, strict=True))
            if kind in (None, "time") and raw.unit is None and raw.nil is None and _TIME_Z.fullmatch(raw.text)
        ]
        before = len(self.listed)
        if not self._add_times([raws[at].text for at in times]):
            times = []
        bulk = set(times)
        others = [at for at in range(len(raws)) if at not in bulk]
        for at in others:
            raw = raws[at]
            self.add(element_value(raw.text, declared[at], raw.unit, raw.nil))
        numbers = np.empty(len(raws), np.int32)
        numbers[times + others] = np.arange(before, len(self.listed), dtype=np.int32)
        return numbers

    def _add_flat(self, raws: Sequence[str]) -> None:
        """Append what `_FLAT` matches: all parts of all values at once."""
        parts = _PART.findall("\n".join(raws))
        kinds = [FLOAT if real else INT if integer else TEXT for real, integer, _, _ in parts]
        texts = [real or integer or text.strip() for real, integer, _, text in parts]
        for at, (kind, text) in enumerate(zip(kinds, texts, strict=True)):
            if kind == TEXT and len(text) <= _LONGEST_MISSING and text.upper() in MISSING_WORDS:
                kinds[at], texts[at] = MISSING, text.upper()
        self.kinds += kinds
        self.texts += texts
        self.units += [unit or None for _, _, unit, _ in parts]
        self.bits += [int(integer) if integer else 0 for _, integer, _, _ in parts]
        self.floats += [float(real) if real else 0.0 for real, _, _, _ in parts]
        listed = [raw[0] == "(" for raw in raws]
        sizes = [
            1 if not is_list else len(_PART.findall(raw)) if '"' in raw else raw.count(",") + 1
            for raw, is_list in zip(raws, listed, strict=True)
        ]
        self._add_values(sizes, listed)

    def _add_times(self, raws: Sequence[str]) -> bool:
        """Append what `_TIME` matches; False where one of them is no time after all (a thirteenth month)."""
        try:
            microseconds_of = (
                np.array([raw.rstrip("Z") for raw in raws], dtype="datetime64[us]").astype(np.int64).tolist()
            )
        except ValueError:
            return False
        self.kinds += [TIME] * len(raws)
        self.texts += raws
        self.units += [None] * len(raws)
        self.bits += microseconds_of
        self.floats += [0.0] * len(raws)
        self._add_values([1] * len(raws), [False] * len(raws))
        return True

    def _add_values(self, sizes: Sequence[int], listed: Sequence[bool]) -> None:
        self.first += list(accumulate(sizes, initial=self.first[-1]))[1:]
        self.listed += listed

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
