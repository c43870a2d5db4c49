"""Values of keywords over all labels of an index, as SQL: for checks that need one keyword of every product."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psalab.index.check_codes import CODES, Finding
from psalab.index.sql import Query, quoted, union_all
from psalab.index.walk import unescape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from psalab.index.ask_connection import Connection

__all__ = ["ENOUGH", "NUMERIC", "Ground", "KeywordRow", "few", "filled", "numbers", "texts"]

NUMERIC: Final = ("int", "float", "time")
#: Fewer labels than this have no habit that could be learned.
ENOUGH: Final = 20

_KEYWORDS: Final = """
select k.family, f.standard, f.products, k.path, k.column_name, k.type, k.is_list, coalesce(k.unit, '') as unit,
    k.unit_column, coalesce(len(k.units), 0) > 1 as units_differ, f.products - k.count - coalesce(
        list_sum(map_values(k.missing)), 0)::bigint as lacking, coalesce(list_sum(map_values(k.missing)), 0)::bigint as missing
from keywords k join families f using (family)
order by k.family, k.path
"""


class KeywordRow(NamedTuple):
    """A keyword of a family.

    Attributes
    ----------
    family, standard : str
    products : int
        Labels of the family.
    path : str
    column : str or None
        In the wide table; None where the values are in the long one.
    type : str
    is_list : bool
    unit : str
        The commonest, or empty.
    unit_column : str or None
    units_differ : bool
    lacking : int
        Labels that do not have the keyword.
    missing : int
        Labels that have the keyword, but no value.
    """

    family: str
    standard: str
    products: int
    path: str
    column: str | None
    type: str
    is_list: bool
    unit: str
    unit_column: str | None
    units_differ: bool
    lacking: int
    missing: int

    @property
    def valued(self) -> int:
        """Labels that have a value."""
        return self.products - self.lacking - self.missing

    @property
    def block(self) -> str:
        """Path of the block that holds it."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Last step of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_pointer(self) -> bool:
        """Whether it is a pointer (PDS3): a file's name, a place in it, or both, as each label has it."""
        return self.name.startswith("^")

    @property
    def table(self) -> str:
        """The wide table."""
        return f"meta.{quoted(self.family)}"


class Ground:
    """What all checks stand on: the index, where its volumes are, and what could not be checked.

    Attributes
    ----------
    connection : Connection
    folders : dict of str to Path
        Volume -> where it was when the index was built.
    keywords : list of KeywordRow
    structure : bool
        Whether the index holds the layout of data objects (and with it the file areas of PDS4 labels).
    read_all : bool
        Whether all PDS4 labels are to be read where the index does not hold their file areas; else only those that no data
        file belongs to.
    declared : list of pyarrow.Table
        The files that the labels read so far declare: product_key, name, bytes, md5.
    limits : list of str
        What was not checked, and why, in words.
    tell : callable
        Told what is being done: step, done, total (0: not known).
    """

    def __init__(
        self, connection: Connection, tell: Callable[[str, int, int], None], *, read_all: bool = False
    ) -> None:
        self.connection, self.tell, self.read_all = connection, tell, read_all
        self.declared: list[pa.Table] = []
        self.limits: list[str] = []
        self.keywords = [KeywordRow(*row) for row in connection.rows(_KEYWORDS).rows]
        about = dict(connection.rows("select key, value from about").rows)
        self.structure = about.get("structure") == "true"
        rows = connection.rows("select root, path from roots order by root").rows
        self.folders: dict[str, Path] = {root: Path(unescape(path)) for root, path in rows}

    def limit(self, text: str) -> None:
        """Note what was not checked."""
        if text not in self.limits:
            self.limits.append(text)

    def findings(self, query: Query, **frames: pa.Table) -> Iterator[Finding]:
        """Ask for code, severity (NULL: that of the code), dataset, root, path, about, found and expected of findings."""
        for code, severity, dataset, root, path, about, found, expected in self.rows(query, **frames):
            yield Finding(code, severity or CODES[code].severity, dataset, root, path, None, about, found, expected)

    def rows(self, query: Query, **frames: pa.Table) -> Iterator[tuple[Any, ...]]:
        """Ask; the answer is held as an Arrow table, which is compact, and comes out row by row."""
        table = self.connection.table(query.text, query.values, frames=frames)
        for batch in table.to_batches(max_chunksize=10_000):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def few(labels: str) -> str:
    """Write how many exceptions a habit of so many labels may have, as SQL: one in a hundred, and of few labels one in 20."""
    return f"greatest(1, {labels} // 100, least({labels} // 20, 10))"


def filled(text: str, **parts: object) -> str:
    """Put parts into SQL at their names in braces; other braces stay (values are bound, never put in)."""
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", str(part))
    return text


def texts(keywords: Sequence[KeywordRow]) -> Query:
    """Select product_key, path, position (from 1, within a repeated keyword or a sequence) and the value as text.

    Numbers in columns of numbers are left out; what stands among them as text is found.
    """
    parts = [
        _wide(keyword, quoted(keyword.column)) for keyword in keywords if keyword.column and keyword.type == "text"
    ]
    odd = sorted({keyword.path for keyword in keywords if keyword.column and keyword.type != "text"})
    if odd:
        text = "select product_key, path, 1 as position, text as value from odd_values where path in (select unnest(?))"
        parts.append(Query(text, (odd,)))
    return _with_long(parts, keywords, "text", "varchar")


def numbers(keywords: Sequence[KeywordRow]) -> Query:
    """Select product_key, path, position and the value as a number (DOUBLE)."""
    parts = [
        _wide(keyword, f"try_cast({quoted(keyword.column)} as double{'[]' if keyword.is_list else ''})")
        for keyword in keywords
        if keyword.column and keyword.type in ("int", "float")
    ]
    return _with_long(parts, keywords, "number", "double")


def _wide(keyword: KeywordRow, value: str) -> Query:
    column = quoted(str(keyword.column))
    if keyword.is_list:
        text = f"generate_subscripts({column}, 1) as position, unnest({value}) as value from {keyword.table}"
    else:
        text = f"1 as position, {value} as value from {keyword.table} where {column} is not null"
    return Query(f"select product_key, ?::varchar as path, {text}", (keyword.path,))


def _with_long(parts: list[Query], keywords: Sequence[KeywordRow], column: str, kind: str) -> Query:
    long = sorted({keyword.path for keyword in keywords if keyword.column is None})
    if long:
        text = (
            "select product_key, path, row_number() over (partition by product_key, path order by rowid) as position, "
            f"{column} as value from meta.other where path in (select unnest(?))"
        )
        parts = [*parts, Query(text, (long,))]
    nothing = f"select 0 as product_key, '' as path, 1 as position, null::{kind} as value where false"
    return union_all(parts) if parts else Query(nothing)
