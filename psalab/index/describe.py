"""What the tables tell that describe an index: keywords with their counts, and the flat view of each instrument."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.index.columns import Observed
from psalab.index.describe_views import free_name, instrument_view

if TYPE_CHECKING:
    from psalab.index.columns import Family

__all__ = ["keyword_rows", "observed_rows", "view_names", "view_sql"]


def observed_rows(root: str, families: dict[str, Family]) -> list[tuple[Any, ...]]:
    """Rows of `observed`: what was seen in a root, for a later build of other roots."""
    nothing = {None: Observed()}  # a family whose labels have no keywords still has products
    return [
        (
            root, name, family.products, path, seen.kinds.tolist(), seen.labels, sorted(seen.missing.items()),
            sorted((unit or "", count) for unit, count in seen.units.items()), seen.listed, seen.least, seen.most,
            seen.examples,
        )
        for name, family in sorted(families.items())
        for path, seen in (sorted(family.seen.items()) or nothing.items())
    ]  # fmt: skip


def keyword_rows(family: Family) -> list[tuple[Any, ...]]:
    """Rows of `keywords`."""
    rows = []
    for path, column in family.columns.items():
        seen = family.seen[path]
        rows.append(
            (
                family.name, path, column.name, column.column, column.type, column.listed, column.unit,
                list(column.units) or None, column.unit_column, max(seen.labels - sum(seen.missing.values()), 0),
                sorted(seen.missing.items()), family.odd[path], _shown(seen.least, column.type),
                _shown(seen.most, column.type), seen.examples,
            )
        )  # fmt: skip
    return rows


def _shown(number: float, kind: str) -> str | None:
    if np.isnan(number) or kind in ("text", "boolean"):
        return None
    if kind == "time":
        return str(np.datetime64(int(number), "us")).removesuffix(".000000")
    return str(int(number)) if kind == "int" else repr(number + 0.0)  # -0.0 is 0.0, whichever came first


_RESERVED: Final = frozenset(
    ["about", "files", "families", "keywords", "odd_values", "products", "rejected", "runs", "roots", "meta", "main"]
)


def view_names(families: dict[str, Family]) -> dict[str, str]:
    """Name the view of each wide family: by its instrument, or by host and instrument where two share the name."""
    wide = [family for _, family in sorted(families.items()) if family.wide]
    wanted = {family.name: family.name.rpartition("/")[2] if family.standard == "PDS3" else None for family in wide}
    times = Counter(name.lower() for name in wanted.values() if name)
    taken = set(_RESERVED)
    names: dict[str, str] = {}
    for family in wide:
        name = wanted[family.name]
        if name is None or times[name.lower()] > 1 or name.lower() in taken:
            name = family.name.replace("/", "_")
        names[family.name] = free_name(name, taken)
    return names


def view_sql(family: Family, view: str) -> str:
    """Define the view of a family: products and keywords by their short names."""
    keywords = [(column.column, column.name) for column in family.columns.values() if column.column]
    return instrument_view(view, family.name, keywords)
