"""Parts that workers have read to typed tables, and what a recipe asks for that the labels do not have."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from psalab.index import xpaths
from psalab.index.elements import HUGE
from psalab.index.recipe_cells import NO_ELEMENT, Cells
from psalab.labels.paths import suggest
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TEXT, TIME, Scalar, pvl_value
from psalab.results import to_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from psalab.index.recipe_cells import Part
    from psalab.index.recipes import Column, Recipe, Rule

__all__ = ["Tables", "assemble", "rejected_frame"]

_EXACT: Final = 2**53
_KINDS: Final = {
    BOOLEAN: "truth values", INT: "numbers", FLOAT: "numbers", HUGE: "numbers", TIME: "times", TEXT: "texts",
}  # fmt: skip
_SHOWN: Final = 5


@dataclass(frozen=True)
class Tables:
    """What a recipe makes of labels.

    Attributes
    ----------
    index : DataFrame
        A row for each label.
    tables : dict of str to DataFrame
        The recipe's columns for the labels of each table, by their row in `index`; ``attrs["psalab"]`` holds units, and
        how many values are missing for which reason.
    rejected : DataFrame
        Files that are left out: path, reason, line, the text there.
    notes : list of str
        What the recipe asks for and the labels do not have, with file and line.
    """

    index: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    rejected: pd.DataFrame
    notes: list[str]


def assemble(recipe: Recipe, parts: Sequence[Part], unreadable: Sequence[tuple[str, str]]) -> Tables:
    """Make tables of parts, which are in the order of their labels.

    Parameters
    ----------
    recipe : Recipe
    parts : sequence of Part
        One at least.
    unreadable : sequence of (str, str)
        Path and reason of what could not even be listed.
    """
    begins = np.cumsum([0, *(part.index.num_rows for part in parts)])
    rows, cells = {}, {}
    for number, rule in enumerate(recipe.rules):
        selections = [part.selections[number] for part in parts]
        rows[rule] = np.concatenate([one.rows + begin for one, begin in zip(selections, begins[:-1], strict=True)])
        cells[rule] = [_joined([one.cells[at] for one in selections]) for at in range(len(rule.columns))]
    tables = {name: _table(rules, rows, cells) for name, rules in recipe.tables.items()}
    labels = sum((part.instruments for part in parts), Counter[str]())
    paths = set[str]().union(*(part.paths for part in parts))
    notes = [
        f"{recipe.file}, line {line}: {note}"
        for rule in recipe.rules
        for line, note in (_rule_notes(rule, len(rows[rule]), labels) or _column_notes(rule, cells[rule], paths))
    ]
    rejected: list[tuple[str, str, int | None, str | None]] = [
        (path, reason, None, None) for path, reason in unreadable
    ]
    rejected += [row for part in parts for row in part.rejected]
    index = to_frame(pa.concat_tables([part.index for part in parts]))
    return Tables(index, tables, rejected_frame(rejected), notes if labels else [])


def rejected_frame(rows: Sequence[tuple[str, str, int | None, str | None]]) -> pd.DataFrame:
    """Make a table of what is left out: path, reason, line, the text there."""
    schema = pa.schema([("path", pa.string()), ("reason", pa.string()), ("line", pa.int64()), ("text", pa.string())])
    ordered = sorted(rows, key=lambda row: row[:2])
    columns = list(zip(*ordered, strict=True)) or [()] * len(schema)
    return to_frame(
        pa.table([pa.array(column, item.type) for column, item in zip(columns, schema, strict=True)], schema)
    )


def _joined(parts: Sequence[Cells]) -> Cells:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return Cells(
        joined("sizes"), joined("listed"), joined("kind"), joined("bits"), pa.concat_arrays([part.text for part in parts]),
        sum((part.units for part in parts), Counter[str | None]()), sum(part.repeated for part in parts),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- tables


def _table(rules: Sequence[Rule], rows: dict[Rule, np.ndarray], cells: dict[Rule, list[Cells]]) -> pd.DataFrame:
    """Make a table; where several rules fill it, they have columns of the same names."""
    import pandas as pd

    names = [column.name for column in rules[0].columns]
    by_name = {
        name: _joined([one for rule in rules for column, one in _pairs(rule, cells) if column.name == name])
        for name in names
    }
    values = {name: _values(one) for name, one in by_name.items()}
    typed = {name: pa.nulls(len(found)) if isinstance(found, list) else found for name, found in values.items()}
    frame = to_frame(pa.table(typed))
    for name, found in values.items():
        if isinstance(found, list):
            frame[name] = pd.Series(found, dtype="object")
    frame.index = pd.Index(np.concatenate([rows[rule] for rule in rules]), dtype="int64")
    frame = frame.sort_index()
    frame.attrs["psalab"] = {
        "units": {name: _unit(one) for name, one in by_name.items()},
        "missing": {name: dict(_missing(one)) for name, one in by_name.items()},
    }
    return frame


def _pairs(rule: Rule, cells: dict[Rule, list[Cells]]) -> Iterator[tuple[Column, Cells]]:
    return zip(rule.columns, cells[rule], strict=True)


def _unit(cells: Cells) -> str | None:
    """Give the unit of all values, None where they differ."""
    return next(iter(cells.units)) if len(cells.units) == 1 else None


def _missing(cells: Cells) -> Counter[str]:
    """Values that are missing, by reason."""
    gone = np.flatnonzero(cells.kind == MISSING)
    return Counter(cells.text.take(pa.array(gone)).to_pylist())


def _values(cells: Cells) -> pa.Array | list[Any]:
    """Type the cells of a column: by Arrow where all values are of one kind, else as what each of them is."""
    kinds = _kinds(cells)
    if cells.listed.any():
        return _lists(cells)
    missing = cells.kind == MISSING
    if not kinds:
        return pa.nulls(len(cells.kind))
    if kinds == {TEXT}:
        return cells.text.take(pa.array(np.arange(len(missing)), mask=missing))
    if kinds == {TIME}:
        return pa.array(cells.bits, pa.timestamp("us"), mask=missing)
    if kinds == {BOOLEAN}:
        return pa.array(cells.bits != 0, mask=missing)
    if kinds == {INT}:
        return pa.array(cells.bits, mask=missing)
    if kinds <= {INT, FLOAT} and _exact(cells):
        numbers = np.where(cells.kind == FLOAT, cells.bits.view(np.float64), cells.bits.astype(np.float64))
        return pa.array(numbers, mask=missing)
    return _python(cells)


def _kinds(cells: Cells) -> set[int]:
    return {int(kind) for kind in np.unique(cells.kind)} - {MISSING}


def _exact(cells: Cells) -> bool:
    """Tell whether floats hold all integers of a column exactly."""
    integers = cells.bits[cells.kind == INT]
    return bool(((integers >= -_EXACT) & (integers <= _EXACT)).all())


def _lists(cells: Cells) -> list[list[Any] | None]:
    """Give each cell as a list; a single value beside lists is a list of one."""
    values = _python(cells)
    ends = np.cumsum(cells.sizes)
    gone = ~cells.listed
    gone[gone] = cells.kind[ends[gone] - 1] == MISSING
    return [
        None if missing else values[end - size : end]
        for end, size, missing in zip(ends.tolist(), cells.sizes.tolist(), gone.tolist(), strict=True)
    ]


def _python(cells: Cells) -> list[Any]:
    """Each element as the plain Python value that it is."""
    floats, bits = cells.bits.view(np.float64).tolist(), cells.bits.tolist()
    times = cells.bits.view("datetime64[us]").tolist()
    texts = cells.text.to_pylist()
    make: dict[int, Callable[[int], Any]] = {
        MISSING: lambda _: None,
        BOOLEAN: lambda at: bool(bits[at]),
        INT: lambda at: bits[at],
        FLOAT: lambda at: floats[at],
        TIME: lambda at: times[at],
        TEXT: lambda at: texts[at],
        HUGE: lambda at: _integer(texts[at]),
    }
    return [make[kind](at) for at, kind in enumerate(cells.kind.tolist())]


def _integer(text: str) -> Any:
    """Integer beyond 64 bits, in any base."""
    value = pvl_value(text)
    return value.value if isinstance(value, Scalar) else text


# ------------------------------------------------------------------------------------------- what the labels do not have


def _rule_notes(rule: Rule, rows: int, labels: Counter[str]) -> list[tuple[int, str]]:
    """Tell of a rule that no label follows."""
    if rows:
        return []
    what, id_ = ("INSTRUMENT_ID", "PRODUCT_ID") if rule.standard == "PDS3" else ("product class", "logical identifier")
    if not labels[rule.of]:
        shown = ", ".join(f"{name or 'none'} ({count:,})" for name, count in labels.most_common(_SHOWN))
        more = " and others" if len(labels) > _SHOWN else ""
        return [
            (rule.line, f"no label has the {what} {rule.of}, so that {rule.table} is empty; there are {shown}{more}")
        ]
    found = f"in no {id_} of the {labels[rule.of]:,} labels of {rule.of}"
    return [(rule.line, f"{rule.pattern!r} is found {found}, so that {rule.table} is empty")]


def _column_notes(rule: Rule, cells: Sequence[Cells], paths: set[str]) -> list[tuple[int, str]]:
    """Tell of the columns of a rule that are not what they may be taken for."""
    return [
        (column.line, f"{column.name}: {note}")
        for column, one in zip(rule.columns, cells, strict=True)
        for note in _notes(rule, column, one, paths)
    ]


def _notes(rule: Rule, column: Column, cells: Cells, paths: set[str]) -> Iterator[str]:
    labels, missing = len(cells.sizes), _missing(cells)
    absent = sum(count for reason, count in missing.items() if xpaths.is_absence(reason))
    if absent == len(cells.kind):
        yield _nowhere(rule, column, labels, missing, paths)
        return
    if missing[NO_ELEMENT]:
        yield (
            f"{missing[NO_ELEMENT]:,} of {labels:,} labels have fewer elements in {column.path} than index: "
            f"{column.index} asks for"
        )
    for reason, count in missing.items():
        if xpaths.is_failure(reason):
            yield f"in {count:,} of {labels:,} labels {column.path} is {reason}"
    if cells.repeated:
        yield f"{column.path} stands more than once in {cells.repeated:,} of {labels:,} labels; the first is taken"
    kinds = Counter(_KINDS[kind] for kind in cells.kind.tolist() if kind != MISSING)
    if len(kinds) > 1 and not cells.listed.any():
        found = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common())
        yield f"values of {column.path} are of several kinds: {found}; a column of objects, each as it is"
    if len(cells.units) > 1:
        found = ", ".join(f"{unit or 'no unit'} ({count:,})" for unit, count in cells.units.most_common(_SHOWN))
        yield f"values of {column.path} differ in their unit: {found}; none is converted"


def _nowhere(rule: Rule, column: Column, labels: int, missing: Counter[str], paths: set[str]) -> str:
    ((reason, _),) = missing.most_common(1)
    near = suggest(column.path, paths) if rule.standard == "PDS3" else []
    because = "" if reason == xpaths.NOTHING_THERE else f": {reason}"
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"none of {labels:,} labels has {column.path}{because}{hint}"
