"""Chunks into a DuckDB file: one deterministic load into a new file, which then takes the place of the old one."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from psalab.errors import IndexFileError
from psalab.index.chunk_file import product_key, read_products, read_values
from psalab.index.columns import Family, merge, settle, take_in
from psalab.index.describe import keyword_rows, observed_rows, view_names, view_sql
from psalab.index.former import LONG_ROWS, Former, Kept
from psalab.index.interruptible import interruptible
from psalab.index.listed import LISTED
from psalab.index.sql import literal, quoted
from psalab.index.tables import (
    LONG,
    NAMED,
    ODD,
    PRODUCTS,
    REJECTED,
    FamilyRows,
    as_array,
    is_long,
    long_rows,
    named_rows,
    product_rows,
    rejected_rows,
    wide_schema,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from psalab.index.chunk_file import Products
    from psalab.index.columns import Column

__all__ = [
    "BASE",
    "FILES_SQL",
    "LISTED",
    "RIVALS_SQL",
    "SCHEMA_VERSION",
    "STEM",
    "Kept",
    "Listing",
    "Loader",
    "RunRecord",
    "database",
    "last_settings",
    "load",
    "product_key",
    "state",
    "stored_roots",
]

SCHEMA_VERSION: Final = 1

#: What DuckDB may hold (bytes) before it writes to disk: the same for ten thousand labels and ten million, but for a few
#: numbers of each product, which are joined, and for the widest table, whose columns are all written at once, with all
#: elements of their lists. Ten million products, and 30,000 elements a label, were tried with less.
_MEMORY: Final = 160 * 2**20
_MEMORY_OF_COLUMN: Final = 2**17
_MEMORY_OF_ELEMENT: Final = 3 * 2**14
_MEMORY_OF_PRODUCT: Final = 128
#: Rows that are compressed together: fewer than DuckDB's 122,880, for they are held in memory until then.
_ROW_GROUP: Final = 8192
#: Bytes that are read and written together: fewer than DuckDB's 256 kB, for a column of few rows fills none of these.
_BLOCK: Final = 65_536

_TABLES: Final = """
create schema meta;
create table about (key varchar primary key, value varchar);
create table files (root varchar, folder varchar, name varchar, size bigint, mtime timestamp, role varchar,
    product_key bigint);
create table folders (root varchar, folder varchar, digest bigint, files bigint);
create table named (product_key bigint, folder varchar, name varchar);
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
        Gives Arrow batches of folder, name, size (bytes), mtime (microseconds) and role, as `LISTED`.
    folders : sequence of (str, int, int)
        Of each folder the path, what its files amount to (`Folder.digest`), and their number.
    """

    root: str
    path: str
    marker: str | None
    batches: Callable[[], Iterator[pa.RecordBatch]]
    folders: Sequence[tuple[str, int, int]] = ()


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


def last_settings(index: Path) -> dict[str, Any]:
    """How the last run of an index was told to go about it: what to leave out, and whether with structure."""
    with closing(duckdb.connect(str(index), read_only=True)) as connection:
        rows = connection.execute("select settings from runs order by run desc limit 1").fetchall()
    return dict(json.loads(rows[0][0])) if rows else {}


def state(index: Path, odd: float) -> tuple[int, list[str]]:
    """Count the products of an index, and tell of columns of which more than a share of the values is odd."""
    with closing(duckdb.connect(str(index), read_only=True)) as connection:
        ((products,),) = connection.execute("select count(*) from products").fetchall()
        rows = connection.execute(
            "select family, path, type, odd, count from keywords where odd > ? * count and count > 0 order by all",
            [odd],
        ).fetchall()
    return products, [
        f"{family}: {odd_ones:,} of {count:,} values of {path} are no {kind}: psalab index build settles its type anew"
        for family, path, kind, odd_ones, count in rows
    ]


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
        A file that does not exist. Beside it, in a folder of its name and ``.tmp``, is what does not fit into memory.
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
        With more than one, rows are made while DuckDB writes those before them.
    progress : callable
        Told what is being loaded.

    Returns
    -------
    labels, products, rejected, files : int
    """
    scratch = target.with_name(f"{target.name}.tmp")
    scratch.mkdir(exist_ok=True)
    pa.default_memory_pool().release_unused()  # what scraping has left

    def fill(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int, int]:
        connection.execute(f"attach {literal(str(target))} as made (row_group_size {_ROW_GROUP}, block_size {_BLOCK})")
        connection.execute("use made")
        connection.execute(_TABLES)
        former = Former(connection, keep) if keep else None
        loader = Loader(connection, scratch, run, listings, former, threads=threads)
        loader.reject([(root, path, reason, None, None) for root, path, reason in unreadable])
        loader.fill(chunks, progress)
        counts = connection.execute(
            "select labels, products, rejected, files from runs order by run desc limit 1"
        ).fetchall()[0]
        connection.execute("checkpoint")
        return counts

    connection = database(scratch)
    try:
        return interruptible(fill, connection)
    finally:
        connection.close()
        shutil.rmtree(scratch, ignore_errors=True)


def database(scratch: Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, which writes to a folder what does not fit."""
    # with several threads DuckDB collects the rows of each, and copies them once more to put them in order
    connection = duckdb.connect(config={"threads": 1, "memory_limit": _limit(_MEMORY), "temp_directory": str(scratch)})
    connection.execute("set enable_progress_bar = false")  # it would be written over what a command prints
    # what stands on the right of a join is small and held in memory; DuckDB takes a stream of Arrow to be smaller still
    connection.execute("set disabled_optimizers = 'join_order,build_side_probe_side'")
    return connection


def _limit(memory: float) -> str:
    return f"{memory / 2**20:.0f}MiB"


def _memory_of(family: Family) -> float:
    """Memory that writing the table of a family takes."""
    elements = sum(int(seen.kinds.sum()) for seen in family.seen.values()) / max(family.products, 1)
    return len(family.columns) * _MEMORY_OF_COLUMN + elements * _MEMORY_OF_ELEMENT


@dataclass(frozen=True)
class _ChunkFile:
    """A chunk on disk, and which families have labels in it."""

    path: Path
    root: str
    families: frozenset[str]


class _Spool:
    """Rows that wait on disk until all of their kind are there."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path, self.schema, self.rows = path, schema, 0
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._file, schema)

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._writer.write_batch(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """End writing, and read."""
        self._writer.close()
        self._file.close()
        with pa.memory_map(str(self.path)) as source:
            yield from pa.ipc.open_stream(source)


class Loader:
    """Fills the tables one after another; in each, roots stand in the order of their names, new ones and old ones."""

    #: Whether the rows of former roots that stay must be copied.
    copies = True

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        scratch: Path,
        run: RunRecord,
        listings: Sequence[Listing],
        former: Former | None,
        *,
        threads: int,
    ):
        self.connection, self.run, self.former, self.threads = connection, run, former, threads
        self.listings = {listing.root: listing for listing in listings}
        self.by_root: dict[str, dict[str, Family]] = {root: {} for root in self.listings}
        self.memory: float = _MEMORY
        self.families: dict[str, Family] = {}
        self.chunks: list[_ChunkFile] = []
        self.odd = _Spool(scratch / "odd.arrows", ODD)
        self.rejected = _Spool(scratch / "rejected.arrows", REJECTED)
        if former:
            run.number = former.last_run + 1

    def fill(self, chunks: Sequence[Path], progress: Callable[[str], None]) -> None:
        """Fill all tables."""
        progress("products")
        self.products(chunks)
        families = self.settle()
        for name in sorted(families):
            if families[name].wide:
                progress(name)
                self.wide(families[name])
        progress("other keywords")
        self.long()
        progress("files")
        self.files()
        self.about()

    def _load(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], sql: str, values: Sequence[Any] = ()) -> None:
        """Run a statement over batches that it knows as `incoming`; they are made while it runs, one after another."""
        made = _ahead(batches) if self.threads > 1 else batches
        self.connection.register("incoming", pa.RecordBatchReader.from_batches(schema, made))
        try:
            self.connection.execute(sql, list(values))
        finally:
            self.connection.unregister("incoming")

    def reject(self, rows: Sequence[tuple[str, str, str, int | None, str | None]]) -> None:
        """Note what is no label: root, path, reason, line and text."""
        if rows:
            self.rejected.add(rejected_rows(rows))

    # ------------------------------------------------------------------------------------------------- what is there

    def products(self, chunks: Sequence[Path]) -> None:
        """Table `products`; what is rejected and seen comes from the same pass over the chunks."""
        staging = f"create temp table staged as select *, {_STAGED} from incoming"
        self._load(PRODUCTS, self._product_batches(chunks), staging, [self.run.number, self.run.started])
        self.chunks.sort(key=lambda chunk: chunk.root)
        if self.former and self.copies:
            self.former.copy_products()
        ((count,),) = self.connection.execute("select count(*) from staged").fetchall()
        self._allow(count * _MEMORY_OF_PRODUCT)
        self._settle_products("table products")

    def _allow(self, more: float) -> None:
        self.memory += more
        self.connection.execute(f"set memory_limit = '{_limit(self.memory)}'")

    def _settle_products(self, table: str) -> None:
        """Make a table of the products that are staged, with what only all of them together tell."""
        self.connection.execute(RIVALS_SQL)
        self.connection.execute(f"create {table} as {_SETTLED_SQL}")
        for done in _STAGED_TABLES:
            self.connection.execute(f"drop table {done}")

    def _product_batches(self, chunks: Sequence[Path]) -> Iterator[pa.RecordBatch]:
        for path in chunks:
            chunk = read_products(path)
            self.chunks.append(_ChunkFile(path, chunk.root, frozenset(chunk.families)))
            self.reject(
                [(chunk.root, chunk.labels[at], reason, line, text) for at, reason, line, text in chunk.rejected]
            )
            self.run.bytes += chunk.read_bytes
            self.run.labels += len(chunk.label) + len(chunk.rejected)
            self._see(chunk)
            yield product_rows(chunk)

    def _see(self, chunk: Products) -> None:
        families = self.by_root[chunk.root]
        for common, products, standard in chunk.kinds():
            family = families.get(common.family)
            if family is None:
                family = families[common.family] = Family(common.family, standard, common.host, common.instrument)
            family.products += products
        take_in(families, chunk.seen, chunk.families, chunk.paths)

    def settle(self) -> dict[str, Family]:
        """Settle the families, once all chunks have been seen."""
        if self.former:
            self.by_root |= self.former.by_root()
        return self._settle_all()

    def _settle_all(self) -> dict[str, Family]:
        for root in sorted(self.by_root):
            merge(self.families, self.by_root[root])
        columns = self.former.families() if self.former else {}
        for name, family in self.families.items():
            settle(family, columns.get(name))
        self._allow(max((_memory_of(family) for family in self.families.values() if family.wide), default=0))
        return self.families

    # ------------------------------------------------------------------------------------------------------- keywords

    def wide(self, family: Family) -> None:
        """Make the table of a family."""
        columns = [column for column in family.columns.values() if column.column]
        schema = wide_schema(columns)
        table = f"meta.{quoted(family.name)}"
        types = ", ".join(f"{quoted(item.name)} {_SQL_TYPES[item.type]}" for item in schema)
        self.connection.execute(f"create table {table} ({types})")
        for kept, of_roots in groupby(sorted(self.by_root), key=lambda root: root not in self.listings):
            roots = list(of_roots)
            if kept and self.former:
                self.former.copy_wide(family, roots)
            else:
                files = [file for file in self.chunks if file.root in roots and family.name in file.families]
                batches = self._wide_batches(files, family.name, columns)
                self._load(schema, batches, f"insert into {table} select * from incoming")

    def _wide_batches(
        self, files: Iterable[_ChunkFile], family: str, columns: Sequence[Column]
    ) -> Iterator[pa.RecordBatch]:
        for file in files:
            rows = FamilyRows(read_values(file.path), family)
            yield rows.batch(columns)
            for odd in rows.odd:
                self.odd.add(odd)

    def long(self) -> None:
        """Table `meta.other`: every keyword of the small families, and what a wide table has no room for."""
        every = "select * from incoming"
        if self.former and self.copies:
            every += f" union all by name {LONG_ROWS}"
        selected = "product_key, family, path, number, time, text, unit"
        self._load(
            LONG,
            self._long_batches(),
            f"insert into meta.other select {selected} from ({every}) order by family, path, root, place",
        )

    def _long_batches(self) -> Iterator[pa.RecordBatch]:
        long = {name for name, family in self.families.items() if is_long(family)}
        place = 0
        for file in self.chunks:
            if file.families & long:
                batch = long_rows(read_values(file.path), self.families, file.root, place)
                place += batch.num_rows
                yield batch

    # ---------------------------------------------------------------------------------------------------------- files

    def files(self) -> None:
        """Table `files`, with the role of each and the product that it belongs to."""
        for root in sorted(self.by_root):
            if root in self.listings:
                named = (named_rows(read_products(file.path)) for file in self.chunks if file.root == root)
                self._load(NAMED, named, "insert into named select * from incoming order by all")
                self._list_files(root)
            elif self.former:
                self.former.copy_files(root)

    def _list_files(self, root: str) -> None:
        self.connection.execute(_LABELS_SQL, [root])
        self.connection.execute(_NAMING_SQL)
        self._write_files(root)
        self.connection.execute("drop table naming; drop table labels")
        self._insert("folders", [(root, *folder) for folder in self.listings[root].folders])

    def _write_files(self, root: str) -> None:
        self._load(LISTED, self.listings[root].batches(), FILES_SQL, [root])

    # ---------------------------------------------------------------------------------------------------------- about

    def about(self) -> None:
        """Fill the tables that tell of the index itself, and make the views."""
        self._odd_values()
        self._rejected()
        execute = self.connection.execute
        self._insert(
            "observed", [row for root in sorted(self.by_root) for row in observed_rows(root, self.by_root[root])]
        )
        views = view_names(self.families)
        self._insert(
            "families",
            [
                (item.name, item.standard, item.host, item.instrument, item.products, item.wide, views.get(name))
                for name, item in sorted(self.families.items())
            ],
        )
        self._insert("keywords", [row for name in sorted(self.families) for row in keyword_rows(self.families[name])])
        for name, view in views.items():
            execute(view_sql(self.families[name], view))
        products = dict(execute("select root, count(*) from products group by 1").fetchall())
        self._roots(products)
        self._run(sum(products.values()))
        run = self.run
        about = {"schema_version": str(SCHEMA_VERSION), "psalab": run.psalab, "structure": str(run.structure).lower()}
        self._insert("about", list(about.items()))

    def _odd_values(self) -> None:
        every = "select * from incoming"
        if self.former and self.copies:
            every += " union all select o.* from former.odd_values o semi join kept using (product_key)"
        self._load(ODD, self.odd.batches(), f"insert into odd_values select * from ({every}) order by all")
        counts = self.connection.execute(
            "select family, path, count(*) from odd_values join products using (product_key) group by all"
        )
        for family, path, count in counts.fetchall():
            self.families[family].odd[path] = count

    def _rejected(self) -> None:
        self.run.rejected = self.rejected.rows
        every = "select *, ?::timestamp as since, ?::integer as run from incoming"
        if self.former:
            every = self.former.rejected(every)
        self._load(
            REJECTED,
            self.rejected.batches(),
            f"insert into rejected select * from ({every}) order by root, path, reason, line",
            [self.run.started, self.run.number],
        )

    def _roots(self, products: dict[str, int]) -> None:
        rows = [
            (item.root, item.path, item.marker, products.get(item.root, 0), self.run.number)
            for item in self.listings.values()
        ]
        rows += [row for row in (self.former.rows_of_roots() if self.former else []) if row[0] not in self.listings]
        self._insert("roots", sorted(rows))

    def _run(self, products: int) -> None:
        run = self.run
        if self.former:
            self.connection.execute("insert into runs select * from former.runs")
        ((files,),) = self.connection.execute("select count(*) from files").fetchall()
        self._insert(
            "runs",
            [
                (
                    run.number, run.command, run.started, datetime.now(UTC).replace(tzinfo=None), run.labels, products,
                    run.rejected, files, run.bytes, run.jobs, run.psalab, json.dumps(run.settings, sort_keys=True),
                )
            ],
        )  # fmt: skip

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows through Arrow: row-wise inserts take DuckDB milliseconds each."""
        if rows:
            schema = self.connection.sql(f"select * from {table} limit 0").to_arrow_table().schema
            arrays = [as_array(values, item.type) for values, item in zip(zip(*rows, strict=True), schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            self._load(schema, [batch], f"insert into {table} select * from incoming")


def _ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give batches, of which a thread makes the next one meanwhile."""
    left = iter(batches)
    with ThreadPoolExecutor(1) as maker:
        following = maker.submit(next, left, None)
        while (batch := following.result()) is not None:
            following = maker.submit(next, left, None)
            yield batch


_SCALARS: Final = {
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.timestamp("us"): "timestamp",
    pa.bool_(): "boolean",
    pa.string(): "varchar",
}
_SQL_TYPES: Final = _SCALARS | {pa.list_(made): f"{name}[]" for made, name in _SCALARS.items()}

_STAGED: Final = "?::integer as run, ?::timestamp as last_seen"

BASE: Final = "regexp_replace(upper(dataset), '-V[0-9.]+$', '')"
STEM: Final = "hash(root, lower(regexp_replace(label, '[.][^./]*$', '')))"
_DETACHED: Final = "regexp_matches(lower(label), '[.](lbl|xml|lblx)$')"

# Products of one id in one data set (but for its version) compete; those that share the highest version are all latest.
# Versions are ordered as lists of numbers: 1.10 after 1.9. Texts are compared by their hashes, for what is joined and
# grouped is held in memory: some bytes a product.
RIVALS_SQL: Final = f"""
create temp table rivals as select hash(id, {BASE}) as rival from staged group by 1 having count(*) > 1;
create temp table contested as
select * from (
    select product_key, hash(id, {BASE}) as rival, regexp_extract(upper(dataset), '-V([0-9.]+)$', 1) as dataset_version,
        version
    from staged
) semi join rivals using (rival);
create temp table places as
select hash(dataset_version, version) as versions, dense_rank() over (
    order by [try_cast(part as bigint) for part in string_split(dataset_version, '.')] desc nulls last,
             [try_cast(part as bigint) for part in string_split(version, '.')] desc nulls last) as place
from (select distinct dataset_version, version from contested);
create temp table placed as
select product_key, rival, place from contested join places on versions = hash(dataset_version, version);
create temp table outdated as
select product_key from placed join (select rival, min(place) as best from placed group by 1) using (rival)
where place > best;
create temp table attached as select product_key, {STEM} as stem from staged where not {_DETACHED};
create temp table twins as
select attached.product_key, min(detached.product_key) as twin
from (select product_key, {STEM} as stem from staged where {_DETACHED}) detached join attached using (stem)
group by 1;
"""
_SETTLED_SQL: Final = """
select product_key, standard, kind, id, version, outdated.product_key is null as latest, dataset, mission, host, instrument,
    targets, start_time, stop_time, level, level_native, product_type, family, root, label, twin as twin_of, run, last_seen,
    digest
from staged left join outdated using (product_key) left join twins using (product_key)
order by root, label
"""
_STAGED_TABLES: Final = ("staged", "rivals", "contested", "places", "placed", "outdated", "attached", "twins")

_NAMING_SQL: Final = """
create temp table naming as
select hash(folder, lower(name)) as place, min(product_key) as product_key
from named join labels using (product_key) group by 1
"""
_LABELS_SQL: Final = """
create temp table labels as select hash(label) as place, product_key from products where root = ?
"""
FILES_SQL: Final = """
insert into files
select ?, folder, name, size, make_timestamp(mtime),
    case when labels.product_key is not null or role = 'label' then 'label'
         when naming.product_key is not null then 'data' else role end,
    coalesce(labels.product_key, naming.product_key)
from incoming
left join labels on labels.place = hash(case when folder = '' then name else folder || '/' || name end)
left join naming on naming.place = hash(folder, lower(name))
order by folder, name
"""
