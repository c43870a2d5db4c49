"""`Results`: an immutable table of products with where it came from, and `Product`, one of its rows.

Both hold a small `Source` from their maker (the index now, services later), which counts, fetches and narrows. Nothing
here knows SQL; pandas and pyarrow load when a frame is asked for.
"""

from __future__ import annotations

import html
import operator
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, overload

from psalab.errors import ReadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    from psalab.labels import Label

__all__ = ["LeftOut", "Overview", "Product", "Request", "Results", "Rows", "Source", "to_frame"]

PAGE: Final = 1000
"""Rows that are fetched at once."""
_PAGES_KEPT: Final = 8
_SHOWN_ROWS: Final = 10
_CELL_WIDTH: Final = 40
#: Columns that every result has; the table form shows the first of these and what was asked for.
_SHOWN_COLUMNS: Final = ("id", "instrument", "start_time", "level", "product_type")
DEFAULT_COLUMNS: Final = (
    "id",
    "version",
    "dataset",
    "mission",
    "host",
    "instrument",
    "targets",
    "start_time",
    "stop_time",
    "level",
    "product_type",
    "root",
    "label",
)


class Rows(NamedTuple):
    """Rows without pandas: names of the columns, and one tuple per row."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent: the text of the query, the values bound to it, and what names became in it."""

    text: str
    parameters: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        bound = "".join(f"\n-- ${number}: {value!r}" for number, value in enumerate(self.parameters, 1))
        became = "".join(f"\n-- {name}" for name in self.names)
        return f"{self.text}{bound}{became}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A family of labels that could not be asked, and why."""

    family: str
    products: int
    reason: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What a result holds, in numbers: levels, instruments and the time from the first start to the last stop."""

    levels: tuple[tuple[str | None, int], ...]
    instruments: tuple[str, ...]
    first: datetime | None
    last: datetime | None


class Source(Protocol):
    """Where rows come from. Immutable: each change gives another source."""

    @property
    def name(self) -> str:
        """The source in words."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""

    @property
    def units(self) -> Mapping[str, str | None]:
        """Unit of each column; None where it has none."""

    @property
    def request(self) -> Request:
        """What was sent."""

    @property
    def asked_at(self) -> datetime:
        """When, in UTC."""

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Families that could not be asked."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the answer."""

    @property
    def complete(self) -> bool:
        """Whether no limit cut the rows."""

    def count(self) -> int:
        """Rows."""

    def found(self) -> int:
        """Rows that match, with those that a limit cut."""

    def without_value(self) -> int:
        """Products that were asked but lack a keyword of the filter."""

    def fetch(self, start: int, stop: int) -> list[tuple[Any, ...]]:
        """Rows from start to stop, in order."""

    def table(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all rows, in order."""

    def pick(self, positions: Sequence[int] | slice) -> Source:
        """Rows at these positions, in this order; none is negative or beyond the end."""

    def narrow(self, condition: str) -> Source:
        """Rows that also match this filter."""

    def sort(self, columns: Sequence[str], *, descending: bool) -> Source:
        """Rows in another order; what has no value comes last."""

    def with_keywords(self, names: Sequence[str]) -> Source:
        """More columns."""

    def summarise(self, columns: Sequence[str]) -> Rows:
        """Products, first start and last stop for each combination of values."""

    def overview(self) -> Overview:
        """Numbers of the summary line."""

    def label_file(self, root: str, label: str) -> Path | None:
        """Where a label is on this machine; None where the source does not know."""


class Results:
    """An immutable table of products, in the order of start time and id.

    A search counts; rows are fetched in pages when they are needed, ``.df`` fetches all.

    ====================================== ===================================================================
    ``len(r)``, ``r.df``, ``r.head(n)``    number of rows; all as a pandas.DataFrame; the first ones as Results
    ``r["start_time"]``                    a column as a pandas.Series
    ``r[0]``, ``for product in r``         a `Product`
    ``r[:100]``, ``r[mask]``, ``r[[3, 1]]`` Results
    ``r.filter("PHASE_ANGLE < 30")``       narrower Results; keywords of the filter become columns
    ``r.request``, ``r.source``            what was sent, and whereto
    ``r.complete``, ``r.left_out``         whether a limit cut the rows; families that could not be asked
    ====================================== ===================================================================
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pages: OrderedDict[int, list[tuple[Any, ...]]] = OrderedDict()
        self._overview: Overview | None = None

    # ------------------------------------------------------------------------------- where it came from

    @property
    def source(self) -> str:
        """Where the rows come from, in words."""
        return self._source.name

    @property
    def request(self) -> Request:
        """What was sent: query and bound values."""
        return self._source.request

    @property
    def asked_at(self) -> datetime:
        """When the question was asked, in UTC."""
        return self._source.asked_at

    @property
    def complete(self) -> bool:
        """Whether these are all rows that match; False where a limit cut them."""
        return self._source.complete

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Families of labels that could not be asked, with the reason (they lack a keyword of the filter)."""
        return self._source.left_out

    @property
    def without_value(self) -> int:
        """Products that were asked but have no value for a keyword of the filter, and so do not match."""
        return self._source.without_value()

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know of this answer: what names became, which values were converted."""
        return self._source.notes

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._source.columns

    @property
    def units(self) -> dict[str, str | None]:
        """Unit of each column, None where it has none."""
        return dict(self._source.units)

    # ------------------------------------------------------------------------------- the rows

    def __len__(self) -> int:
        return self._source.count()

    def __iter__(self) -> Iterator[Product]:
        for position in range(len(self)):
            yield Product(self._source, self._row(position))

    @overload
    def __getitem__(self, key: str) -> pd.Series[Any]: ...
    @overload
    def __getitem__(self, key: int) -> Product: ...
    @overload
    def __getitem__(self, key: slice | Iterable[int] | Iterable[bool]) -> Results: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._column(key)
        if isinstance(key, slice):
            return Results(self._source.pick(key))
        if hasattr(key, "__iter__"):
            return Results(self._source.pick(_positions(key, len(self))))
        if not isinstance(key, bool) and hasattr(key, "__index__"):
            return Product(self._source, self._row(_position(operator.index(key), len(self))))
        raise TypeError(
            f"Results are indexed by a column's name, a number, a slice, a mask or a list of numbers, not by {key!r}"
        )

    def _row(self, position: int) -> tuple[Any, ...]:
        page, offset = divmod(position, PAGE)
        rows = self._pages.get(page)
        if rows is None:
            rows = self._source.fetch(page * PAGE, min((page + 1) * PAGE, len(self)))
            self._pages[page] = rows
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        return rows[offset]

    def _column(self, name: str) -> pd.Series[Any]:
        self._check_columns((name,))
        return self.frame((name,))[name]

    def _check_columns(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.columns:
                known = ", ".join(self.columns)
                raise KeyError(f"no column {name!r}; there are {known} (with_keywords(...) adds keywords of labels)")

    @property
    def df(self) -> pd.DataFrame:
        """All rows as a DataFrame; ``attrs["psalab"]["units"]`` holds the units.

        Integers with gaps are Int64, times datetime64 (UTC without zone), text what pandas uses for text, lists are
        lists.
        """
        return self.frame(self.columns)

    def frame(self, columns: Iterable[str]) -> pd.DataFrame:
        """Give some columns of all rows as a DataFrame, as `df` does for all columns."""
        columns = tuple(columns)
        self._check_columns(columns)
        frame = to_frame(self._source.table(columns))
        frame.attrs["psalab"] = {"units": {name: self.units.get(name) for name in columns}}
        return frame

    def head(self, n: int = 5) -> Results:
        """Give the first rows, as Results."""
        return self[: max(n, 0)]

    def rows(self) -> Rows:
        """Give all rows as tuples, without pandas."""
        return Rows(self.columns, self._source.fetch(0, len(self)))

    # ------------------------------------------------------------------------------- other Results

    def sort(self, *columns: str, descending: bool = False) -> Results:
        """Sort by columns; what has no value comes last, equal rows keep the order of start time and id.

        Parameters
        ----------
        *columns : str
            Names of columns.
        descending : bool
            Largest first.
        """
        if not columns:
            raise TypeError('sort() needs the name of a column, such as sort("start_time")')
        self._check_columns(columns)
        return Results(self._source.sort(columns, descending=descending))

    def filter(self, condition: str) -> Results:
        """Keep what also matches a filter over any keywords of the labels, such as ``"PHASE_ANGLE < 30"``."""
        return Results(self._source.narrow(condition))

    def with_keywords(self, *names: str) -> Results:
        """Add keywords of the labels as columns, called as they are written here; a path may be cut from the left."""
        return Results(self._source.with_keywords(names))

    def summary(self, *columns: str) -> pd.DataFrame:
        """Count the products for each combination of values, with the first start and the last stop.

        Parameters
        ----------
        *columns : str
            Names of columns, such as ``"instrument", "level"``; without any, of all rows together.
        """
        self._check_columns(columns)
        import pandas as pd

        names, rows = self._source.summarise(columns)
        frame = pd.DataFrame(rows, columns=list(names))
        for time in ("first", "last"):
            frame[time] = pd.to_datetime(frame[time]).astype("datetime64[us]")
        return frame

    def to_parquet(self, path: str | Path) -> Path:
        """Write all rows to a Parquet file; its metadata say where they came from and the unit of each column.

        Parameters
        ----------
        path : path
            The file; it is replaced as a whole when all rows are written.
        """
        return _write_parquet(self, Path(path))

    # ------------------------------------------------------------------------------- for a reader

    def overview(self) -> Overview:
        """Give the numbers of the summary line."""
        if self._overview is None:
            self._overview = self._source.overview()
        return self._overview

    def __repr__(self) -> str:
        columns, rows = self._shown()
        lines = [self._headline(), *self._remarks()]
        if rows:
            cells = [[_text(value) for value in row] for row in rows]
            widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
            lines += [
                "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                for line in (list(columns), *cells)
            ]
            if len(self) > len(rows):
                lines.append(f"... {len(self) - len(rows):,} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        columns, rows = self._shown()
        numeric = [any(_is_number(value) for value in column) for column in zip(*rows, strict=True)]
        head = "".join(
            _cell_html("th", _breakable(name) + _unit_html(self.units.get(name)), right=right)
            for name, right in zip(columns, numeric, strict=False)
        )
        body = "".join(
            "<tr>"
            + "".join(
                _cell_html("td", _escape(_text(value)), right=right) for value, right in zip(row, numeric, strict=True)
            )
            + "</tr>"
            for row in rows
        )
        remarks = "".join(f"<br>{_escape(line)}" for line in self._remarks())
        made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        table = f'<div style="overflow-x:auto">{made}</div>' if rows else ""
        rest = len(self) - len(rows)
        more = f"<p>&hellip; {rest:,} more; <code>.df</code> has all</p>" if rest > 0 else ""
        return f"<div><p><b>{_escape(self._headline())}</b>{remarks}</p>{table}{more}</div>"

    def _shown(self) -> tuple[tuple[str, ...], list[list[Any]]]:
        """Columns and first rows of the table form."""
        asked = tuple(name for name in self.columns if name not in DEFAULT_COLUMNS)
        columns = tuple(name for name in _SHOWN_COLUMNS if name in self.columns) + asked
        places = [self.columns.index(name) for name in columns]
        rows = [self._row(position) for position in range(min(_SHOWN_ROWS, len(self)))]
        return columns, [[row[place] for place in places] for row in rows]

    def _headline(self) -> str:
        """``1,203 products = 402 raw + 801 calibrated; OSINAC; 2014-08-01 .. 2014-09-01``."""
        count = len(self)
        text = f"{count:,} product{'' if count == 1 else 's'}"
        if not count:
            return text
        overview = self.overview()
        if any(level for level, _ in overview.levels):
            text += " = " + " + ".join(f"{number:,} {level or 'of no level'}" for level, number in overview.levels)
        names = [name for name in overview.instruments if name]
        if names:
            text += "; " + ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        if overview.first is not None:
            text += f"; {overview.first:%Y-%m-%d} .. {overview.last or overview.first:%Y-%m-%d}"
        return text

    def _remarks(self) -> list[str]:
        remarks = []
        if not self.complete:
            remarks.append(f"cut by the limit: {self._source.found():,} products match")
        remarks += self.notes
        if self.left_out:
            products = sum(family.products for family in self.left_out)
            names = ", ".join(family.family for family in self.left_out[:3]) + (
                ", ..." if len(self.left_out) > 3 else ""
            )
            families = "1 family" if len(self.left_out) == 1 else f"{len(self.left_out)} families"
            remarks.append(f"left out: {products:,} products of {families} that cannot be asked ({names})")
        return remarks


class Product:
    """One row of `Results`: its columns are attributes and items.

    ``product.label`` is the whole label; the label's path relative to its volume is ``product["label"]``.
    """

    __slots__ = ("_label", "_row", "_source")

    def __init__(self, source: Source, row: tuple[Any, ...]) -> None:
        self._source, self._row = source, row
        self._label: Label | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._source.columns

    def __getitem__(self, name: str) -> Any:
        try:
            return self._row[self._source.columns.index(name)]
        except ValueError:
            raise KeyError(f"no column {name!r}; there are {', '.join(self._source.columns)}") from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._source.columns:
            raise AttributeError(f"a product has no {name!r}; its columns are {', '.join(self._source.columns)}")
        return self[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._source.columns})

    def as_dict(self) -> dict[str, Any]:
        """Give all columns by name."""
        return dict(zip(self._source.columns, self._row, strict=True))

    @property
    def label_path(self) -> Path:
        """The label's file, where the volume was when it was indexed.

        Raises
        ------
        ReadError
            The source does not know where the volume is.
        """
        root, label = self["root"], self["label"]
        path = self._source.label_file(root, label) if root is not None and label is not None else None
        if path is None:
            raise ReadError(f"{self['id']}: {self._source.name} does not say where volume {root!r} is on this machine")
        return path

    @property
    def label(self) -> Label:
        """The whole label, read from `label_path` when it is first asked for."""
        if self._label is None:
            from psalab.labels import read_label

            self._label = read_label(self.label_path)
        return self._label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self["id"], self["version"], self["root"], self["label"]))

    def __repr__(self) -> str:
        width = max(map(len, self.columns))
        units = self._source.units
        lines = [
            f"{name.ljust(width)}  {_whole_text(value)} {units.get(name) or ''}".rstrip()
            for name, value in self.as_dict().items()
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        units = self._source.units
        rows = "".join(
            f'<tr><th style="text-align:left">{_breakable(name)}</th>'
            f'<td style="text-align:left">{_escape(_whole_text(value))} {_escape(units.get(name) or "")}</td></tr>'
            for name, value in self.as_dict().items()
        )
        return f"<table><tbody>{rows}</tbody></table>"


# ------------------------------------------------------------------------------- positions


def _position(index: int, length: int) -> int:
    position = index + length if index < 0 else index
    if not 0 <= position < length:
        raise IndexError(f"row {index} of results with {length:,} rows")
    return position


def _positions(key: Any, length: int) -> list[int]:
    """Positions that a mask, or a list of numbers, means."""
    if hasattr(key, "reindex"):  # a pandas.Series: its index says which row each value belongs to, as in pandas
        if len(key) != length or set(key.index) != set(range(length)):
            return _listed(key.tolist(), length)
        key = key.sort_index()
    return _listed(key.tolist() if hasattr(key, "tolist") else list(key), length)


def _listed(items: list[Any], length: int) -> list[int]:
    # a missing value of a nullable boolean Series is no True, as everywhere in a filter
    if items and all(isinstance(item, bool) or _is_missing(item) for item in items):
        if len(items) != length:
            raise IndexError(f"a mask of {len(items):,} values for results with {length:,} rows")
        return [position for position, item in enumerate(items) if item is True]
    try:
        return [_position(operator.index(item), length) for item in items]
    except TypeError:
        raise TypeError("a list that picks rows holds numbers alone, or True and False alone") from None


def _is_missing(item: object) -> bool:
    return item is None or type(item).__name__ == "NAType"


# ------------------------------------------------------------------------------- frames


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Make a DataFrame of an Arrow table, the same with pandas 2 and 3.

    Integers with gaps are Int64 and booleans with gaps `boolean` (never float or object), times are datetime64, dates
    too, text is what this pandas uses for text, decimals are numbers, lists are lists, maps are dicts.
    """
    import pandas as pd

    series = [_series(column) for column in table.columns]
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(table.num_rows))
    frame.columns = pd.Index(table.column_names, dtype="object" if not series else None)
    return frame


def _series(column: pa.ChunkedArray[Any]) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind):  # DuckDB's sums of integers are decimals without a fraction
        column = column.cast(pa.int64()) if kind.scale == 0 and _fits_int64(column) else column.cast(pa.float64())
        kind = column.type
    if pa.types.is_nested(kind):
        values = column.to_pylist()
        if pa.types.is_map(kind):
            values = [None if value is None else dict(value) for value in values]
        return pd.Series(values, dtype="object")
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us"))
    if pa.types.is_null(kind):
        return pd.Series([None] * len(column), dtype="object")
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        gaps = column.is_null().to_numpy()
        if pa.types.is_boolean(kind):
            return pd.Series(pd.arrays.BooleanArray(column.fill_null(False).to_numpy(), gaps))  # noqa: FBT003
        return pd.Series(pd.arrays.IntegerArray(column.fill_null(0).to_numpy(), gaps))
    series: pd.Series[Any] = column.to_pandas()
    return series


def _fits_int64(column: pa.ChunkedArray[Any]) -> bool:
    import pyarrow as pa

    try:
        column.cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _write_parquet(results: Results, path: Path) -> Path:
    import os

    import pyarrow.parquet as pq

    table = results._source.table(results.columns)  # noqa: SLF001  a function of the same class
    fields = [
        field.with_metadata({"unit": unit}) if (unit := results.units.get(field.name)) else field
        for field in table.schema
    ]
    import pyarrow as pa

    metadata = {
        "psalab.source": results.source,
        "psalab.request": str(results.request),
        "psalab.asked_at": results.asked_at.isoformat(),
        "psalab.complete": str(results.complete).lower(),
    }
    table = table.cast(pa.schema(fields)).replace_schema_metadata(metadata)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pq.write_table(table, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


# ------------------------------------------------------------------------------- text


def _text(value: Any) -> str:
    """Show a value in a cell of limited width."""
    text = _whole_text(value)
    return text if len(text) <= _CELL_WIDTH else text[: _CELL_WIDTH - 1] + "…"


def _whole_text(value: Any) -> str:
    """Show a value."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return "".join(character if character.isprintable() else " " for character in str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def _breakable(name: str) -> str:
    """Escape a name; a long path may go on in the next line behind a slash or a colon."""
    return _escape(name).replace("/", "/<wbr>").replace(":", ":<wbr>")


def _cell_html(tag: str, content: str, *, right: bool) -> str:
    wrap = "vertical-align:bottom" if tag == "th" else "white-space:nowrap"
    return f'<{tag} style="text-align:{"right" if right else "left"};{wrap}">{content}</{tag}>'


def _unit_html(unit: str | None) -> str:
    return f"<br><small>{_escape(unit)}</small>" if unit else ""
