"""Chunks into a DuckDB file: one deterministic load into a new file, which then takes the place of the old one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from psalab.errors import IndexFileError
from psalab.index.chunk_file import read_chunk
from psalab.index.columns import (
    Column,
    Family,
    Observed,
    expand,
    free_name,
    group_starts,
    merge,
    settle,
    summarise,
    texts_of,
)
from psalab.index.elements import HUGE
from psalab.index.scrape import NO_TIME
from psalab.index.sql import literal, quoted
from psalab.labels.units import normalise
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from psalab.index.scrape import Chunk

__all__ = ["LISTED", "SCHEMA_VERSION", "Kept", "Listing", "RunRecord", "load", "product_key", "stored_roots"]

SCHEMA_VERSION: Final = 1

_ARROW: Final = {
    "int": pa.int64(),
    "float": pa.float64(),
    "time": pa.timestamp("us"),
    "boolean": pa.bool_(),
    "text": pa.string(),
}
_EXACT: Final = 2**53
#: What DuckDB may hold (MB) before it writes to disk: the same for ten thousand labels and ten million. Each column of
#: the widest table needs a block (256 kB) of its own.
_MEMORY: Final = 256
_MEMORY_OF_COLUMN: Final = 0.25
#: Rows that are compressed together: fewer than DuckDB's 122,880, for they are held in memory until then.
_ROW_GROUP: Final = 16_384

_TABLES: Final = """
create schema meta;
create table about (key varchar primary key, value varchar);
create table files (root varchar, folder varchar, name varchar, size bigint, mtime timestamp, role varchar,
    product_key bigint);
create table families (family varchar, standard varchar, host varchar, instrument varchar, products bigint, wide boolean,
    view_name varchar);
create table meta.other (product_key bigint, family varchar, path varchar, number double, time timestamp, text varchar,
    unit varchar);
create table keywords (family varchar, path varchar, name varchar, column_name varchar, type varchar, is_list boolean,
    unit varchar, units varchar[], unit_column varchar, count bigint, missing map(varchar, bigint), odd bigint,
    min varchar, max varchar, examples varchar[]);
create table odd_values (product_key bigint, path varchar, text varchar);
create table rejected (root varchar, path varchar, reason varchar, line integer, text varchar, since timestamp,
    run integer);
create table runs (run integer, command varchar, started timestamp, ended timestamp, labels bigint, products bigint,
    rejected bigint, files bigint, bytes bigint, jobs integer, psalab varchar, settings varchar);
create table observed (root varchar, family varchar, products bigint, path varchar, kinds bigint[], labels bigint,
    missing map(varchar, bigint), units map(varchar, bigint), listed boolean, least double, most double,
    examples varchar[]);
create table roots (root varchar, path varchar, marker varchar, products bigint, last_run integer);
"""


@dataclass(frozen=True)
class Listing:
    """Files of a root.

    Attributes
    ----------
    root, path : str
        Name of the volume, and where it was.
    marker : str or None
        A file at its top that tells that the volume is there (VOLDESC.CAT, a bundle's label).
    batches : callable
        Gives Arrow batches of folder, name, size (bytes), mtime (microseconds) and role, in the order of the walk.
    """

    root: str
    path: str
    marker: str | None
    batches: Callable[[], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Kept:
    """The index that a build replaces, and those of its roots (perhaps none) that it does not touch."""

    index: Path
    roots: Sequence[str]


def stored_roots(index: Path) -> dict[str, str]:
    """Names of the roots that an index holds, and where each was.

    Raises
    ------
    IndexFileError
        The file is no index, or one of a newer schema.
    """
    try:
        connection = duckdb.connect(str(index), read_only=True)
    except duckdb.Error as error:
        raise IndexFileError(f"{index} is no index and is not overwritten: {str(error).splitlines()[0]}") from error
    try:
        found = connection.execute("select value from about where key = 'schema_version'").fetchall()
        if not found or int(found[0][0]) > SCHEMA_VERSION:
            raise IndexFileError(f"{index} was made by a newer psalab: update psalab, or build under another name")
        return dict(connection.execute("select root, path from roots").fetchall())
    except (duckdb.Error, ValueError) as error:
        raise IndexFileError(f"{index} is a DuckDB file, but no index of psalab, and is not overwritten") from error
    finally:
        connection.close()


LISTED: Final = pa.schema(
    [
        ("folder", pa.string()), ("name", pa.string()), ("size", pa.int64()), ("mtime", pa.timestamp("us")),
        ("role", pa.string()),
    ]
)  # fmt: skip


@dataclass
class RunRecord:
    """What is known of a run."""

    command: str
    started: datetime
    jobs: int
    psalab: str
    structure: bool
    settings: dict[str, Any] = field(default_factory=dict)
    number: int = 1
    ended: datetime | None = None
    labels: int = 0
    rejected: int = 0
    bytes: int = 0


def product_key(root: str, label: str) -> int:
    """Key of a product: 64 bits of a hash over root name and the label's path below it, as a signed integer."""
    return int.from_bytes(blake2b(f"{root}\0{label}".encode(), digest_size=8).digest(), "big", signed=True)


def load(
    target: Path,
    chunks: Sequence[Path],
    listings: Sequence[Listing],
    run: RunRecord,
    *,
    unreadable: Sequence[tuple[str, str, str]] = (),
    keep: Kept | None = None,
    threads: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[int, int, int, int]:
    """Load chunks into a new index.

    Parameters
    ----------
    target : pathlib.Path
        A file that does not exist.
    chunks : sequence of pathlib.Path
        In the order of their labels.
    listings : sequence of Listing
        The files of each root.
    run : RunRecord
    unreadable : sequence of (str, str, str)
        Root, path and reason of what the walk could not read.
    keep : Kept, optional
        The former index, and those of its roots that stay as they are.
    threads : int
    progress : callable
        Told what is being loaded.

    Returns
    -------
    labels, products, rejected, files : int
    """
    connection = duckdb.connect(
        config={"threads": threads, "memory_limit": f"{_MEMORY}MB", "temp_directory": f"{target}.tmp"}
    )
    try:
        connection.execute(f"attach {literal(str(target))} as made (row_group_size {_ROW_GROUP})")
        connection.execute("use made")
        connection.execute("set enable_progress_bar = false")  # it would be written over what a command prints
        connection.execute(_TABLES)
        former = Former(connection, keep) if keep else None
        loader = _Loader(connection, chunks, run, former, [listing.root for listing in listings])
        loader.rejects += [(root, path, reason, None, None) for root, path, reason in unreadable]
        progress("products")
        loader.products()
        families = loader.settle()
        widest = max((len(family.columns) for family in families.values() if family.wide), default=0)
        connection.execute(f"set memory_limit = '{_MEMORY + widest * _MEMORY_OF_COLUMN:.0f}MB'")
        for name in sorted(families):
            if families[name].wide:
                progress(name)
                loader.wide(families[name])
        progress("other keywords")
        loader.long()
        progress("files")
        loader.files(listings)
        loader.about(listings)
        counts = connection.execute(
            "select labels, products, rejected, files from runs order by run desc limit 1"
        ).fetchall()[0]
        connection.execute("checkpoint")
    finally:
        connection.close()
    return counts


class _Loader:
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        chunks: Sequence[Path],
        run: RunRecord,
        former: Former | None,
        roots: Sequence[str],
    ):
        self.connection, self.chunks, self.run, self.former = connection, chunks, run, former
        self.by_root: dict[str, dict[str, Family]] = {root: {} for root in roots}
        self.families: dict[str, Family] = {}
        if former:
            run.number = former.last_run + 1
        self.odd_rows: list[tuple[int, str, str]] = []
        self.rejects: list[tuple[Any, ...]] = []

    def _read(self) -> Iterator[Chunk]:
        return map(read_chunk, self.chunks)

    def _load(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], sql: str, values: Sequence[Any] = ()) -> None:
        """Run a statement over batches that it knows as `incoming`; they are made while it runs, one after another."""
        self.connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
        try:
            self.connection.execute(sql, list(values))
        finally:
            self.connection.unregister("incoming")

    def products(self) -> None:
        """Table `products`; what is rejected, named and seen comes from the same pass over the chunks."""
        schema = _products_schema()
        staging = f"create temp table staged as select *, {_STAGED} from incoming"
        self._load(schema, self._product_batches(schema), staging, [self.run.number, self.run.started])
        if self.former:
            self.former.copy_products()
        self.connection.execute(_PRODUCTS_SQL)
        self.connection.execute("drop table staged")

    def _product_batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for chunk in self._read():
            self.rejects += [
                (chunk.root, chunk.labels[entry.label], entry.reason, entry.line, entry.text)
                for entry in chunk.rejected
            ]
            self.run.bytes += chunk.read_bytes
            self.run.labels += len(chunk.label) + len(chunk.rejected)
            summarise(chunk, self.by_root[chunk.root])
            yield _products_batch(chunk, schema)

    def settle(self) -> dict[str, Family]:
        """Settle the families, once all chunks have been seen."""
        if self.former:
            self.by_root |= self.former.by_root()
        for root in sorted(self.by_root):
            merge(self.families, self.by_root[root])
        columns = self.former.families(self.families.keys()) if self.former else {}
        for name, family in self.families.items():
            settle(family, columns.get(name))
        return self.families

    def wide(self, family: Family) -> None:
        """Make the table of a family."""
        columns = [column for column in family.columns.values() if column.column]
        schema = pa.schema(
            [pa.field("product_key", pa.int64())]
            + [pa.field(str(column.column), _arrow_type(column)) for column in columns]
            + [pa.field(column.unit_column, pa.string()) for column in columns if column.unit_column]
        )
        table = f"meta.{quoted(family.name)}"
        self._load(
            schema, self._wide_batches(family, columns, schema), f"create table {table} as select * from incoming"
        )
        if self.former:
            self.former.copy_wide(family)

    def _wide_batches(self, family: Family, columns: Sequence[Column], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for chunk in self._read():
            if family.name in chunk.families:
                part = _FamilyPart(chunk, family.name)
                made = [part.column(column) for column in columns]
                units = [part.units(column) for column in columns if column.unit_column]
                self.odd_rows += part.odd
                yield pa.RecordBatch.from_arrays([part.keys, *made, *units], schema=schema)

    def long(self) -> None:
        """Table `meta.other`: every keyword of the small families, and what a wide table has no room for."""
        batches = (batch for chunk in self._read() if (batch := _long_batch(chunk, self.families)) is not None)
        columns = "product_key, family::varchar, path::varchar, number, time, text, unit"
        self._load(
            _LONG,
            _numbered(batches),
            f"insert into meta.other select {columns} from incoming order by family, path, place",
        )
        if self.former:
            self.former.copy("meta.other")

    def files(self, listings: Sequence[Listing]) -> None:
        """Table `files`, with the role of each and the product that it belongs to."""
        self._load(_NAMED, map(_named_batch, self._read()), _NAMED_SQL)
        for listing in listings:
            self._load(LISTED, listing.batches(), _FILES_SQL, [listing.root, listing.root, listing.root])
        self.connection.execute("drop table named")
        if self.former:
            self.former.copy_of_roots("files")

    def about(self, listings: Sequence[Listing]) -> None:
        """Fill the tables that tell of the index itself, and make the views."""
        run, execute = self.run, self.connection.execute
        run.rejected = len(self.rejects)
        since = self.former.rejected_since() if self.former else {}
        rejects = sorted(self.rejects, key=lambda row: row[:2])
        self._insert("rejected", [(*row, since.get(row[:3], run.started), run.number) for row in rejects])
        self._insert("odd_values", sorted(self.odd_rows))
        if self.former:
            self.former.copy("odd_values")
            self.former.copy_of_roots("rejected")
            execute("insert into runs select * from former.runs")
        self._count_odd()
        self._insert(
            "observed", [row for root in sorted(self.by_root) for row in _observed_rows(root, self.by_root[root])]
        )
        views = _view_names(self.families)
        self._insert(
            "families",
            [
                (item.name, item.standard, item.host, item.instrument, item.products, item.wide, views.get(name))
                for name, item in sorted(self.families.items())
            ],
        )
        self._insert("keywords", [row for name in sorted(self.families) for row in _keyword_rows(self.families[name])])
        for name, view in views.items():
            execute(_view_sql(self.families[name], view))
        products = dict(execute("select root, count(*) from products group by 1").fetchall())
        self._insert(
            "roots", [(item.root, item.path, item.marker, products.get(item.root, 0), run.number) for item in listings]
        )
        if self.former:
            self.former.copy_of_roots("roots")
        ((files,),) = execute("select count(*) from files").fetchall()
        self._insert(
            "runs",
            [
                (
                    run.number, run.command, run.started, datetime.now(UTC).replace(tzinfo=None), run.labels,
                    sum(products.values()), run.rejected, files, run.bytes, run.jobs, run.psalab,
                    json.dumps(run.settings, sort_keys=True),
                )
            ],
        )  # fmt: skip
        about = {"schema_version": str(SCHEMA_VERSION), "psalab": run.psalab, "structure": str(run.structure).lower()}
        self._insert("about", list(about.items()))

    def _count_odd(self) -> None:
        counts = self.connection.execute(
            "select family, path, count(*) from odd_values join products using (product_key) group by all"
        )
        for family, path, count in counts.fetchall():
            self.families[family].odd[path] = count

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows through Arrow: row-wise inserts take DuckDB milliseconds each."""
        if rows:
            schema = self.connection.sql(f"select * from {table} limit 0").to_arrow_table().schema
            arrays = [pa.array(values, item.type) for values, item in zip(zip(*rows, strict=True), schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            self._load(schema, [batch], f"insert into {table} select * from incoming")


class Former:
    """An index whose roots stay, all or some, while others are built anew: attached as `former`, its rows are copied.

    Attributes
    ----------
    last_run : int
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, keep: Kept):
        self.connection, self.roots = connection, list(keep.roots)
        connection.execute(f"attach {literal(str(keep.index))} as former (read_only)")
        connection.execute(
            "create temp table kept as select product_key from former.products where list_contains(?, root)",
            [self.roots],
        )
        ((self.last_run,),) = connection.execute("select coalesce(max(run), 0) from former.runs").fetchall()

    def by_root(self) -> dict[str, dict[str, Family]]:
        """Give what was seen in the roots that stay."""
        found: dict[str, dict[str, Family]] = {root: {} for root in self.roots}
        rows = self.connection.execute(
            "select o.root, o.family, standard, host, instrument, o.products, path, kinds, labels, missing, units, listed,"
            " least, most, examples from former.observed o join former.families using (family) where list_contains(?, o.root)",
            [self.roots],
        )
        for (
            root,
            name,
            standard,
            host,
            instrument,
            products,
            path,
            kinds,
            labels,
            missing,
            units,
            *rest,
        ) in rows.fetchall():
            family = found[root].setdefault(name, Family(name, standard, host, instrument, products))
            if path is None:
                continue
            counted = Counter({unit or None: count for unit, count in units.items()})
            listed, least, most, examples = rest
            family.seen[path] = Observed(
                np.array(kinds), labels, Counter(missing), counted, listed, least, most, examples
            )
        return found

    def families(self, names: Iterable[str]) -> dict[str, Family]:
        """Give the families that have rows in the roots that stay, with form and columns."""
        staying = {name for families in self.by_root().values() for name in families}
        found: dict[str, Family] = {}
        rows = self.connection.execute(
            "select family, standard, host, instrument, wide, path, name, column_name, type, is_list, unit, unit_column"
            " from former.families join former.keywords using (family)"
        )
        for family, standard, host, instrument, wide, *column in rows.fetchall():
            if family in staying and family in set(names):
                kept = found.setdefault(family, Family(family, standard, host, instrument, 0, wide))
                path, name, column_name, kind, listed, unit, unit_column = column
                kept.columns[path] = Column(path, name, column_name, kind, listed, unit, (), unit_column)
        self._tables = found
        return found

    def rejected_since(self) -> dict[tuple[str, str, str], datetime]:
        """Give when each file was first rejected, by root, path and reason."""
        rows = self.connection.execute("select root, path, reason, since from former.rejected").fetchall()
        return {row[:3]: row[3] for row in rows}

    def copy_products(self) -> None:
        """Add the products that stay to those staged."""
        self.connection.execute(
            "insert into staged by name select p.* exclude (latest, twin_of) from former.products p semi join kept using"
            " (product_key)"
        )

    def copy_wide(self, family: Family) -> None:
        """Add the rows that stay to the table of a family."""
        former = self._tables.get(family.name)
        if former is None:
            return
        selected = ["product_key"]
        for path, column in former.columns.items():
            now = family.columns.get(path)
            if now is None or not column.column:  # a path that no root has any more, or one of the long table
                continue
            name = quoted(column.column)
            promoted = now.listed and not column.listed
            selected.append(f"case when {name} is not null then [{name}] end as {name}" if promoted else name)
            if column.unit_column:
                selected.append(quoted(column.unit_column))
            elif now.unit_column:
                unit = "null" if column.unit is None else literal(column.unit)
                selected.append(f"case when {name} is not null then {unit} end as {quoted(now.unit_column)}")
        table = f"meta.{quoted(family.name)}"
        self.connection.execute(
            f"insert into {table} by name select {', '.join(selected)} from former.{table} semi join kept using (product_key)"
        )

    def copy(self, table: str) -> None:
        """Add the rows of products that stay."""
        self.connection.execute(
            f"insert into {table} select t.* from former.{table} t semi join kept using (product_key)"
        )

    def copy_of_roots(self, table: str) -> None:
        """Add the rows of roots that stay."""
        self.connection.execute(
            f"insert into {table} select * from former.{table} where list_contains(?, root)", [self.roots]
        )


def _observed_rows(root: str, families: dict[str, Family]) -> list[tuple[Any, ...]]:
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


_PRODUCT_TEXTS: Final = (
    "version", "dataset", "mission", "host", "instrument", "level", "level_native", "product_type", "kind", "family",
)  # fmt: skip


def _products_schema() -> pa.Schema:
    coded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("product_key", pa.int64()), ("standard", coded), ("id", pa.string()),
            *((name, coded) for name in _PRODUCT_TEXTS),
            ("targets", pa.list_(pa.string())), ("start_time", pa.timestamp("us")), ("stop_time", pa.timestamp("us")),
            ("root", coded), ("label", pa.string()),
        ]
    )  # fmt: skip


def _products_batch(chunk: Chunk, schema: pa.Schema) -> pa.RecordBatch:
    common = pa.array(chunk.common)
    labels = [chunk.labels[at] for at in chunk.label.tolist()]
    commons = chunk.commons

    def coded(values: Sequence[str | None], codes: pa.Array = common) -> pa.Array:
        return pa.DictionaryArray.from_arrays(codes, pa.array(values, pa.string()))

    targets = pa.array([list(item.targets) for item in commons], pa.list_(pa.string()))
    zeros = pa.array(np.zeros(len(labels), np.int32))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([product_key(chunk.root, label) for label in labels], pa.int64()),
            coded(["PDS3", "PDS4"], pa.array(chunk.standard - np.int8(3), pa.int32())),
            pa.array(chunk.ids, pa.string()),
            *(coded([getattr(item, name) for item in commons]) for name in _PRODUCT_TEXTS),
            targets.take(common),
            _times(chunk.start_time),
            _times(chunk.stop_time),
            coded([chunk.root], zeros),
            pa.array(labels, pa.string()),
        ],
        schema=schema,
    )


def _times(microseconds: np.ndarray) -> pa.Array:
    return pa.array(microseconds, pa.timestamp("us"), mask=microseconds == NO_TIME)


_STAGED: Final = "?::integer as run, ?::timestamp as last_seen"

# Versions are ordered as lists of numbers: 1.10 after 1.9. Products of one id in one data set (but for its version)
# compete; those that share the highest version are all latest.
_PRODUCTS_SQL: Final = """
create table products as
with prepared as (
    select *, regexp_replace(upper(dataset::varchar), '-V[0-9.]+$', '') as dataset_base,
        regexp_extract(upper(dataset::varchar), '-V([0-9.]+)$', 1) as dataset_version,
        not regexp_matches(lower(label), '[.](lbl|xml|lblx)$') as attached
    from staged
), ranked as (
    select product_key, rank() over (
        partition by id, dataset_base
        order by [try_cast(part as bigint) for part in string_split(dataset_version, '.')] desc nulls last,
                 [try_cast(part as bigint) for part in string_split(version, '.')] desc nulls last) as place
    from prepared semi join (select id, dataset_base from prepared group by all having count(*) > 1) several
      on prepared.id is not distinct from several.id and prepared.dataset_base is not distinct from several.dataset_base
), twins as (
    select attached.product_key, min(detached.product_key) as twin
    from (select *, lower(regexp_replace(label, '[.][^./]*$', '')) as stem from prepared where attached) attached
    join (select *, lower(regexp_replace(label, '[.][^./]*$', '')) as stem from prepared where not attached) detached
      using (root, stem)
    group by 1
)
select product_key, standard::varchar as standard, kind::varchar as kind, id, version::varchar as version,
    coalesce(place, 1) = 1 as latest, dataset::varchar as dataset, mission::varchar as mission, host::varchar as host,
    instrument::varchar as instrument, targets, start_time, stop_time, level::varchar as level,
    level_native::varchar as level_native, product_type::varchar as product_type, family::varchar as family,
    root::varchar as root, label, twin as twin_of, run, last_seen
from staged left join ranked using (product_key) left join twins using (product_key)
order by root, label
"""

_NAMED: Final = pa.schema(
    [("root", pa.string()), ("product_key", pa.int64()), ("folder", pa.string()), ("name", pa.string())]
)
_NAMED_SQL: Final = """
create temp table named as
select root, folder, lower(name) as name, min(product_key) as product_key from incoming group by all
"""
_FILES_SQL: Final = """
insert into files
select ?, listed.folder, listed.name, listed.size, listed.mtime,
    case when labels.product_key is not null or listed.role = 'label' then 'label'
         when named.product_key is not null then 'data' else listed.role end,
    coalesce(labels.product_key, named.product_key)
from incoming listed
left join (select product_key, label from products where root = ?) labels
  on labels.label = case when listed.folder = '' then listed.name else listed.folder || '/' || listed.name end
left join (select * from named where root = ?) named
  on named.folder = listed.folder and named.name = lower(listed.name)
order by listed.folder, listed.name
"""


def _named_batch(chunk: Chunk) -> pa.RecordBatch:
    labels = [chunk.labels[chunk.label[row]] for row, _ in chunk.named]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([chunk.root] * len(labels), pa.string()),
            pa.array([product_key(chunk.root, label) for label in labels], pa.int64()),
            pa.array([label.rpartition("/")[0] for label in labels], pa.string()),
            pa.array([name for _, name in chunk.named], pa.string()),
        ],
        schema=_NAMED,
    )


def _arrow_type(column: Column) -> pa.DataType:
    return pa.list_(_ARROW[column.type]) if column.listed else _ARROW[column.type]


class _FamilyPart:
    """Labels of one family in one chunk, as columns of its table."""

    def __init__(self, chunk: Chunk, family: str):
        self.chunk = chunk
        number = chunk.families.index(family)
        self.rows = np.flatnonzero(chunk.family == number)
        self.place = np.zeros(len(chunk.label), np.int64)
        self.place[self.rows] = np.arange(len(self.rows))
        self.keys_of = [product_key(chunk.root, chunk.labels[at]) for at in chunk.label[self.rows].tolist()]
        self.keys = pa.array(self.keys_of, pa.int64())
        self.odd: list[tuple[int, str, str]] = []
        starts = group_starts(chunk)
        mine = chunk.family[chunk.row[starts]] == number
        ends = np.append(starts[1:], len(chunk.row))
        self.slices = {
            chunk.paths[path]: (start, end)
            for path, start, end in zip(
                chunk.path[starts[mine]].tolist(), starts[mine].tolist(), ends[mine].tolist(), strict=True
            )
        }

    def column(self, column: Column) -> pa.Array:
        """Values of a path, typed as the column is."""
        if column.path not in self.slices:
            return pa.nulls(len(self.rows), _arrow_type(column))
        start, end = self.slices[column.path]
        place, value = self.place[self.chunk.row[start:end]], self.chunk.value[start:end]
        if column.listed:
            return self._lists(column, place, value)
        if len(place) == len(self.rows):
            elements = self.chunk.first[value]  # entries of a path are in the order of the labels
        else:
            elements = np.full(len(self.rows), -1, np.int64)
            elements[place] = self.chunk.first[value]
        return self._typed(column, elements, np.arange(len(self.rows)))

    def _lists(self, column: Column, place: np.ndarray, value: np.ndarray) -> pa.Array:
        chunk = self.chunk
        order = np.argsort(place, kind="stable")  # the repeats of a path in a label follow each other
        place, value = place[order], value[order]
        first, sizes = chunk.first[value].astype(np.int64), np.diff(chunk.first)[value].astype(np.int64)
        lone = ~chunk.listed[value]
        lone[lone] = chunk.kind[first[lone]] == MISSING  # a list may have no element to look at
        repeated = np.bincount(place, minlength=len(self.rows))[place] > 1
        sizes[lone & ~repeated] = 0
        elements = expand(first, sizes)
        counts = np.bincount(place, weights=sizes, minlength=len(self.rows)).astype(np.int64)
        there = np.zeros(len(self.rows), bool)
        there[place[~(lone & ~repeated)]] = True
        items = self._typed(column, elements, np.repeat(place, sizes))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), items, mask=pa.array(~there))

    def _typed(self, column: Column, elements: np.ndarray, place: np.ndarray) -> pa.Array:
        """Elements as an array of the column's type; -1 is none. What does not fit is NULL and noted as odd."""
        chunk = self.chunk
        kind = chunk.kind[elements]
        if elements.min(initial=0) < 0:
            kind = np.where(elements < 0, MISSING, kind)
        if column.type == "text":
            missing = kind == MISSING
            return chunk.text.take(pa.array(elements, mask=missing if missing.any() else None))
        bits = chunk.bits[elements]
        if (kind == _KIND[column.type]).all():  # nearly every column of nearly every chunk
            return _typed_array(column.type, bits.view(np.float64) if column.type == "float" else bits, None)
        fits, odd = _FITS[column.type](kind, bits)
        if odd.any():
            at = np.flatnonzero(odd)
            self.odd += [
                (self.keys_of[row], column.path, text)
                for row, text in zip(place[at].tolist(), texts_of(chunk, elements[at]), strict=True)
            ]
        return _typed_array(
            column.type, _numbers(chunk, elements, kind, bits) if column.type == "float" else bits, ~fits
        )

    def units(self, column: Column) -> pa.Array:
        """Give the unit of each row's first element."""
        texts = np.full(len(self.rows), None, dtype=object)
        if column.path in self.slices:
            start, end = self.slices[column.path]
            chunk = self.chunk
            spelled = np.array([None, *(normalise(unit) for unit in chunk.units)], dtype=object)
            first = chunk.first[chunk.value[start:end]]
            has = first < chunk.first[chunk.value[start:end] + 1]
            place = self.place[chunk.row[start:end]]
            texts[place[has][::-1]] = spelled[chunk.unit[first[has]] + 1][::-1]
        return pa.array(texts, pa.string())


def _typed_array(kind: str, numbers: np.ndarray, mask: np.ndarray | None) -> pa.Array:
    return pa.array(numbers != 0 if kind == "boolean" else numbers, _ARROW[kind], mask=mask)


def _numbers(chunk: Chunk, elements: np.ndarray, kind: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Elements as floats: those that are numbers or booleans."""
    numbers = np.where(kind == FLOAT, bits.view(np.float64), bits.astype(np.float64))
    huge = np.flatnonzero(kind == HUGE)
    if len(huge):
        numbers[huge] = [_float(text) for text in texts_of(chunk, elements[huge])]
    return numbers


def _float(text: str) -> float:
    """Nearest float of an integer's text; based integers beyond 64 bits have none here."""
    try:
        return float(text)
    except (ValueError, OverflowError):
        return float("nan")


def _inexact(kind: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Tell integers that a float cannot hold."""
    large = (kind == INT) & ((bits > _EXACT) | (bits < -_EXACT))
    if large.any():
        # the float nearest to the largest integers is 2**63, which an int64 cannot hold: compare below it
        rounded = np.minimum(bits[large].astype(np.float64), np.nextafter(2.0**63, 0)).astype(np.int64)
        large[large] = rounded != bits[large]
    inexact: np.ndarray = large | (kind == HUGE)
    return inexact


def _only(*kinds: int) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    def fitting(kind: np.ndarray, _bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fits = np.isin(kind, kinds) if len(kinds) > 1 else kind == kinds[0]
        return fits, ~fits & (kind != MISSING)

    return fitting


def _floats(kind: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fits = (kind == FLOAT) | (kind == INT) | (kind == HUGE)
    return fits, (~fits & (kind != MISSING)) | _inexact(kind, bits)


_FITS: Final = {"int": _only(INT), "float": _floats, "time": _only(TIME), "boolean": _only(BOOLEAN)}
_KIND: Final = {"int": INT, "float": FLOAT, "time": TIME, "boolean": BOOLEAN}

_LONG: Final = pa.schema(
    [
        ("product_key", pa.int64()), ("family", pa.dictionary(pa.int32(), pa.string())),
        ("path", pa.dictionary(pa.int32(), pa.string())), ("number", pa.float64()), ("time", pa.timestamp("us")),
        ("text", pa.string()), ("unit", pa.string()), ("place", pa.int64()),
    ]
)  # fmt: skip


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give batches whose rows are numbered over all of them, so that sorting keeps the order of lists."""
    seen = 0
    for batch in batches:
        place = pa.array(np.arange(seen, seen + batch.num_rows))
        seen += batch.num_rows
        yield pa.RecordBatch.from_arrays([*batch.columns, place], schema=_LONG)


def _long_batch(chunk: Chunk, families: dict[str, Family]) -> pa.RecordBatch | None:
    starts = group_starts(chunk) if len(chunk.row) else np.zeros(0, int)
    ends = np.append(starts[1:], len(chunk.row)) if len(starts) else starts
    long = np.array(
        [
            families[chunk.families[family]].columns[chunk.paths[path]].column is None
            for family, path in zip(chunk.family[chunk.row[starts]].tolist(), chunk.path[starts].tolist(), strict=True)
        ],
        dtype=bool,
    )
    if not long.any():
        return None
    entries = expand(starts[long], (ends - starts)[long])
    row, path, value = chunk.row[entries], chunk.path[entries], chunk.value[entries]
    sizes = np.diff(chunk.first)[value].astype(np.int64)
    owner, elements = np.repeat(np.arange(len(value)), sizes), expand(chunk.first[value].astype(np.int64), sizes)
    kind, bits = chunk.kind[elements], chunk.bits[elements]
    numeric = np.isin(kind, (INT, FLOAT, BOOLEAN, HUGE))
    keys = np.array([product_key(chunk.root, chunk.labels[at]) for at in chunk.label.tolist()], np.int64)
    units = pa.array([normalise(unit) for unit in chunk.units], pa.string())
    unit = chunk.unit[elements]
    return pa.RecordBatch.from_arrays(
        [
            pa.array(keys[row[owner]]),
            pa.DictionaryArray.from_arrays(pa.array(chunk.family[row[owner]]), pa.array(chunk.families)),
            pa.DictionaryArray.from_arrays(pa.array(path[owner]), pa.array(chunk.paths)),
            pa.array(_numbers(chunk, elements, kind, bits), mask=~numeric),
            pa.array(bits, pa.timestamp("us"), mask=kind != TIME),
            chunk.text.take(pa.array(elements, mask=kind == MISSING)),
            units.take(pa.array(unit, mask=unit < 0)),
        ],
        schema=pa.schema(list(_LONG)[:-1]),
    )


def _keyword_rows(family: Family) -> list[tuple[Any, ...]]:
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
    return str(int(number)) if kind == "int" else repr(number)


_RESERVED: Final = frozenset(
    ["about", "files", "families", "keywords", "odd_values", "products", "rejected", "runs", "roots", "meta", "main"]
)
_PRODUCT_COLUMNS: Final = (
    "product_key", "standard", "kind", "id", "version", "latest", "dataset", "mission", "host", "instrument", "targets",
    "start_time", "stop_time", "level", "level_native", "product_type", "root", "label", "twin_of", "run", "last_seen",
)  # fmt: skip


def _view_names(families: dict[str, Family]) -> dict[str, str]:
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


def _view_sql(family: Family, view: str) -> str:
    taken = set(_PRODUCT_COLUMNS)
    keywords = [
        f"m.{quoted(column.column)} as {quoted(free_name(column.name, taken))}"
        for column in family.columns.values()
        if column.column
    ]
    columns = ", ".join([f"p.{name}" for name in _PRODUCT_COLUMNS] + keywords)
    joined = f"products p join meta.{quoted(family.name)} m using (product_key)"
    return f"create view {quoted(view)} as select {columns} from {joined}"
