"""What is in an index, for people who do not know its words: missions, instruments and data sets, counted.

Each function takes products summarised by mission, host, instrument, data set and level, as a search counts them, and
puts together what the table of names knows to be one thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.query.names import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import pyarrow as pa

    from psalab.query.names import Recognised

__all__ = ["SUMMARISED", "Counts", "datasets", "instruments", "missions", "to_arrow"]

SUMMARISED: Final = ("mission", "host", "instrument", "dataset", "level")
"""Columns by which the products are counted."""

_LEVELS: Final = ("raw", "calibrated", "derived")
_COUNTED: Final = {"products": "number", "first": "time", "last": "time"}


class _Counted(NamedTuple):
    """Products that share their words."""

    mission: str | None
    host: str | None
    instrument: str | None
    dataset: str | None
    level: str | None
    products: int
    first: datetime | None
    last: datetime | None

    @property
    def recognised(self) -> Recognised:
        return names().recognise(self.mission, self.host, self.instrument, self.dataset)

    @property
    def mission_name(self) -> str | None:
        mission = self.recognised.mission
        return self.mission if mission is None else mission.name

    @property
    def instrument_name(self) -> str | None:
        return " + ".join(entry.name for entry in self.recognised.instruments) or self.instrument


@dataclass(slots=True)
class _Sum:
    """What is put together."""

    products: int = 0
    first: datetime | None = None
    last: datetime | None = None
    seen: dict[str, set[str]] = field(default_factory=dict)

    def add(self, counted: _Counted) -> None:
        self.products += counted.products
        self.first = min((time for time in (self.first, counted.first) if time is not None), default=None)
        self.last = max((time for time in (self.last, counted.last) if time is not None), default=None)
        ours = {"mission": counted.mission_name, "instrument": counted.instrument_name}
        words = {f"called_{column}": getattr(counted, column) for column in ("mission", "instrument")}
        for name, value in {**ours, **words, "dataset": counted.dataset, "level": counted.level}.items():
            if value is not None:
                self.seen.setdefault(name, set()).add(value)

    def all(self, name: str) -> list[str]:
        return sorted(self.seen.get(name, ()))

    def times(self) -> tuple[int, datetime | None, datetime | None]:
        return self.products, self.first, self.last


class Counts(NamedTuple):
    """A table: the type of each column (text, texts, number, time), and the rows."""

    types: dict[str, str]
    rows: list[tuple[Any, ...]]


def missions(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """Count by mission."""
    return Counts(
        {"mission": "text", "called": "texts", "instruments": "number", "datasets": "number", **_COUNTED},
        [
            (
                *which,
                found.all("called_mission"),
                len(found.all("instrument")),
                len(found.all("dataset")),
                *found.times(),
            )
            for which, found in _together(rows, lambda counted: (counted.mission_name,))
        ],
    )


def instruments(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """Count by mission and instrument."""
    return Counts(
        {
            "mission": "text",
            "instrument": "text",
            "called": "texts",
            "levels": "texts",
            "datasets": "number",
            **_COUNTED,
        },
        [
            (*which, found.all("called_instrument"), _levels(found), len(found.all("dataset")), *found.times())
            for which, found in _together(rows, lambda counted: (counted.mission_name, counted.instrument_name))
        ],
    )


def datasets(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """Count by data set."""
    return Counts(
        {"dataset": "text", "missions": "texts", "instruments": "texts", "levels": "texts", **_COUNTED},
        [
            (*which, found.all("mission"), found.all("instrument"), _levels(found), *found.times())
            for which, found in _together(rows, lambda counted: (counted.dataset,))
        ],
    )


def _levels(found: _Sum) -> list[str]:
    return sorted(found.all("level"), key=lambda level: _LEVELS.index(level) if level in _LEVELS else len(_LEVELS))


def _together(
    rows: Iterable[tuple[Any, ...]], which: Callable[[_Counted], tuple[str | None, ...]]
) -> list[tuple[tuple[str | None, ...], _Sum]]:
    """Put rows together, in the order of their names; what has none comes last."""
    sums: dict[tuple[str | None, ...], _Sum] = {}
    for counted in map(_Counted._make, rows):
        sums.setdefault(which(counted), _Sum()).add(counted)
    return sorted(sums.items(), key=lambda item: [(name is None, (name or "").casefold()) for name in item[0]])


def to_arrow(counts: Counts) -> pa.Table:
    """Make an Arrow table; its types do not depend on what was found."""
    import pyarrow as pa

    types = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.int64(), "time": pa.timestamp("us")}
    schema = pa.schema([(name, types[kind]) for name, kind in counts.types.items()])
    return pa.Table.from_pylist([dict(zip(counts.types, row, strict=True)) for row in counts.rows], schema)
