"""The flat view of an instrument, and names that are free; needs neither Arrow nor numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psalab.index.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["free_name", "instrument_view"]

_PRODUCT_COLUMNS: Final = (
    "product_key", "standard", "kind", "id", "version", "latest", "dataset", "mission", "host", "instrument", "targets",
    "start_time", "stop_time", "level", "level_native", "product_type", "root", "label", "twin_of", "run", "last_seen",
)  # fmt: skip


def free_name(name: str, taken: set[str]) -> str:
    """Make a name unique in any case: DuckDB does not tell ``Foo`` from ``foo``."""
    free, number = name, 1
    while free.lower() in taken:
        number += 1
        free = f"{name}~{number}"
    taken.add(free.lower())
    return free


def instrument_view(view: str, family: str, keywords: Iterable[tuple[str, str]]) -> str:
    """Define the view of a family: products, and keywords (column, short name) by their short names."""
    taken = set(_PRODUCT_COLUMNS)
    short = [f"m.{quoted(column)} as {quoted(free_name(name, taken))}" for column, name in keywords]
    columns = ", ".join([f"p.{name}" for name in _PRODUCT_COLUMNS] + short)
    joined = f"products p join meta.{quoted(family)} m using (product_key)"
    return f"create view {quoted(view)} as select {columns} from {joined}"
