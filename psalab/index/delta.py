"""What an update changes in an index: rows of labels that are gone or were read anew go, new ones come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psalab.index.chunk_file import read_products
from psalab.index.columns import merge
from psalab.index.differences import DETACHED
from psalab.index.listed import ROLE_SQL, role_of
from psalab.index.sql import literal, quoted
from psalab.index.store import BASE, FILES_SQL, STEM, Loader
from psalab.index.tables import NAMED, REJECTED, named_rows, sql_type, wide_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from psalab.index.columns import Column, Family
    from psalab.index.former import Former
    from psalab.index.store import Listing, RunRecord

__all__ = ["Delta"]

_RESTATED: Final = ("observed", "families", "keywords", "roots", "about", "runs", "rejected")
_GOES: Final = "product_key in (select product_key from removed)"


_RELISTED_SQL: Final = f"""
create temp table relisted as
select root, folder, name, any_value(size) as size, any_value(mtime) as mtime, {ROLE_SQL} as role
from (
    select root, folder, name, size, mtime from diff where what <> 'equal'
    union all
    select f.root, f.folder, f.name, f.size, epoch_us(f.mtime)
    from former.files f anti join diff using (root, folder, name)
    where f.{_GOES} or (f.root, f.folder, f.name) in (select (root, folder, name) from unnamed)
    union all
    select f.root, f.folder, f.name, f.size, epoch_us(f.mtime)
    from former.files f anti join diff using (root, folder, name)
    join naming_now n on f.root = n.root and f.folder = n.folder and lower(f.name) = lower(n.name)
)
group by root, folder, name
"""


class _Gone(NamedTuple):
    """Products that go: how many, and of each path how many labels had it (None: it is not known) and how many a value."""

    products: int
    labels: dict[str, int]
    valued: dict[str, int]


class Delta(Loader):
    """Changes a copy of an index, attached as `made`; `former` is the index as it was.

    The connection holds what an update found out (`psalab.index.update`): tables `diff` and `reread` (root, path) of files,
    `removed` of products, `scanned` (root, prefix) and `unreadable` (root, path) of folders.
    """

    copies = False

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        scratch: Path,
        run: RunRecord,
        listings: Sequence[Listing],
        before: Former,
        *,
        threads: int,
    ):
        super().__init__(connection, scratch, run, listings, before, threads=threads)
        self.before = before

    def apply(self, chunks: Sequence[Path]) -> None:
        """Change the tables."""
        self.before.families()
        for (view,) in self.connection.execute("select view_name from families where view_name is not null").fetchall():
            self.connection.execute(f"drop view {quoted(view)}")
        self._take_in_named(chunks)
        self.gone = {(root, family): self._gone(root, family) for root, family in self._touched()}
        self._forget()
        self.products(chunks)
        families = self.settle()
        for name in sorted({name for file in self.chunks for name in file.families}):
            if families[name].wide:
                self.wide(families[name])
        self.long()
        self.files()
        self.about()

    # ------------------------------------------------------------------------------------------------------- what goes

    def _take_in_named(self, chunks: Sequence[Path]) -> None:
        """Note what the new labels name; an attached label that one of them names is no product of its own any more."""
        execute = self.connection.execute
        execute(
            "create temp table naming_now"
            " (product_key bigint, root varchar, folder varchar, name varchar, detached boolean)"
        )
        for path in chunks:
            chunk = read_products(path)
            detached = role_of(chunk.labels[0]) == "label"  # all of a chunk are, or none
            select = f"select product_key, {literal(chunk.root)}, folder, name, {detached} from incoming"
            self._load(NAMED, [named_rows(chunk)], f"insert into naming_now {select}")
        # named by a detached label, a file is no product of its own any more, nor rejected
        execute(
            "create temp table data_now as select distinct f.root, f.folder, f.name, f.role, f.product_key"
            " from former.files f join naming_now n"
            " on n.detached and f.root = n.root and f.folder = n.folder and lower(f.name) = lower(n.name)"
            f" where not {DETACHED.format('f.name')}"
        )
        execute("insert into removed select product_key from data_now where role = 'label' and product_key is not null")
        execute(
            "insert into reread"
            " select root, case when folder = '' then name else folder || '/' || name end from data_now"
        )
        execute(f"delete from named where {_GOES}")
        execute("insert into named select product_key, folder, name from naming_now order by all")

    def _touched(self) -> list[tuple[str, str]]:
        """Roots and families that lose products."""
        rows = "select distinct root, family from former.products semi join removed using (product_key) order by all"
        return self.connection.execute(rows).fetchall()

    def _gone(self, root: str, name: str) -> _Gone:
        """Count the products of a family that go, and the keywords that they have."""
        execute = self.connection.execute
        mine = (
            "select product_key from former.products semi join removed using (product_key)"
            f" where root = {literal(root)} and family = {literal(name)}"
        )
        ((products,),) = execute(f"select count(*) from ({mine})").fetchall()
        kept = "text is not null or number is not null or time is not null"
        rows = execute(
            f"select path, count(distinct product_key), count(distinct case when {kept} then product_key end)"
            f" from former.meta.other where product_key in ({mine}) group by 1"
        ).fetchall()
        labels, valued = {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
        family = self.before.tables.get(name)
        columns = [column for column in family.columns.values() if column.column] if family and family.wide else []
        if columns:
            counts = ", ".join(f"count(*) filter (where {_has_value(column)})" for column in columns)
            (row,) = execute(
                f"select {counts} from former.meta.{quoted(name)} where product_key in ({mine})"
            ).fetchall()
            valued |= {column.path: int(count) for column, count in zip(columns, row, strict=True)}
            valued |= self._odd_ones(name, mine, {column.path: column for column in columns}, valued)
        return _Gone(products, labels, valued)

    def _odd_ones(self, name: str, mine: str, columns: dict[str, Column], valued: dict[str, int]) -> dict[str, int]:
        """Add those whose only value is odd, and so not in its column."""
        execute = self.connection.execute
        odd = execute(f"select distinct path from former.odd_values where product_key in ({mine})").fetchall()
        found = {}
        for (path,) in odd:
            if path in columns:
                ((count,),) = execute(
                    f"select count(*) from former.meta.{quoted(name)} where product_key in ({mine})"
                    f" and not coalesce({_has_value(columns[path])}, false)"
                    f" and product_key in (select product_key from former.odd_values where path = {literal(path)})"
                ).fetchall()
                found[path] = valued.get(path, 0) + int(count)
        return found

    def _forget(self) -> None:
        """Remove the rows of products."""
        for name in sorted({name for _, name in self.gone}):
            family = self.before.tables.get(name)
            if family and family.wide:
                self.connection.execute(f"delete from meta.{quoted(name)} where {_GOES}")
        for table in ("products", "meta.other", "odd_values"):
            self.connection.execute(f"delete from {table} where {_GOES}")

    # ------------------------------------------------------------------------------------------------------ what comes

    def _settle_products(self, _table: str) -> None:
        """Judge anew the products that compete with, or are twins of, those that come or go."""
        execute = self.connection.execute
        place = f"hash(id, {BASE}) as one, {STEM} as other"
        execute(
            f"create temp table affected as select {place} from staged"
            f" union select {place} from former.products semi join removed using (product_key)"
        )
        # those that compete with them or are their twins, and, to judge these, whoever these compete with
        execute(
            f"create temp table nearby as select product_key, {place} from made.products"
            f" where hash(id, {BASE}) in (select one from affected) or {STEM} in (select other from affected)"
        )
        execute(
            f"insert into staged by name select * exclude (latest, twin_of) from made.products"
            f" where hash(id, {BASE}) in (select one from nearby) or {STEM} in (select other from nearby)"
        )
        execute(
            "create temp table unaffected as select product_key from staged semi join made.products using (product_key)"
            " anti join nearby using (product_key)"
        )
        super()._settle_products("temp table judged")
        execute("delete from judged where product_key in (select product_key from unaffected)")
        execute("delete from products where product_key in (select product_key from judged)")
        execute("insert into products select * from judged order by root, label")
        execute("drop table judged; drop table affected; drop table nearby; drop table unaffected")
        execute(
            "update products set last_seen = ?"
            " where exists (select 1 from scanned s where s.root = products.root and starts_with(label, s.prefix))"
            " and not exists (select 1 from unreadable u where u.root = products.root"
            "  and (u.prefix = '' or label = u.prefix or starts_with(label, u.prefix || '/')))",
            [self.run.started],
        )
        ((self.count,),) = execute("select count(*) from products").fetchall()

    def settle(self) -> dict[str, Family]:
        """Settle the families by what was there, without what goes, and what comes."""
        new, self.by_root = self.by_root, self.before.by_root()
        for (root, name), gone in self.gone.items():
            _subtract(self.by_root[root][name], gone)
            self._narrow(root, name)
        for root, families in new.items():
            merge(self.by_root.setdefault(root, {}), families)
        for families in self.by_root.values():
            _drop_empty(families)
        settled = self._settle_all()
        self._drop_unused()
        return settled

    def _drop_unused(self) -> None:
        """Remove tables of families without labels, and columns of keywords that no label has any more."""
        for name, former in self.before.tables.items():
            table, family = f"meta.{quoted(name)}", self.families.get(name)
            if former.wide and family is None:
                self.connection.execute(f"drop table {table}")
            elif former.wide and family:
                for path in former.columns.keys() - family.columns.keys():
                    for column in (former.columns[path].column, former.columns[path].unit_column):
                        if column:
                            self.connection.execute(f"alter table {table} drop column {quoted(column)}")

    def _narrow(self, root: str, name: str) -> None:
        """Find the least and the largest numbers and times of what stays."""
        family, seen = self.before.tables.get(name), self.by_root[root][name].seen
        in_table = (
            {path for path, column in family.columns.items() if column.column} if family and family.wide else set()
        )
        for path in seen.keys() - in_table:
            seen[path].least = seen[path].most = float("nan")  # perhaps no label has it any more
        columns = list(_ranged(family)) if family and family.wide else []
        if columns:
            parts = ", ".join(part for column in columns for part in _range_of(column))
            (row,) = self.connection.execute(
                f"select {parts} from meta.{quoted(name)}"
                " where product_key in (select product_key from products where root = ? and family = ?)",
                [root, name],
            ).fetchall()
            for at, column in enumerate(columns):
                seen[column.path].least, seen[column.path].most = (_or_nan(item) for item in row[2 * at : 2 * at + 2])
        number = "coalesce(number, epoch_us(time)::double)"
        rows = self.connection.execute(
            f"select path, min({number}), max({number}) from meta.other join products using (product_key)"
            " where products.root = ? and products.family = ? group by 1",
            [root, name],
        )
        for path, least, most in rows.fetchall():
            seen[path].least, seen[path].most = _or_nan(least), _or_nan(most)

    def wide(self, family: Family) -> None:
        """Add rows to the table of a family, and columns where they are wanted."""
        if family.name not in self.before.tables:
            super().wide(family)
            return
        table, former = f"meta.{quoted(family.name)}", self.before.tables[family.name].columns
        for column in family.columns.values():
            for change in _changes(former.get(column.path), column):
                self.connection.execute(change.format(table=table))
        columns = [column for column in family.columns.values() if column.column]
        files = [file for file in self.chunks if family.name in file.families]
        batches = self._wide_batches(files, family.name, columns)
        self._load(wide_schema(columns), batches, f"insert into {table} by name select * from incoming")

    def files(self) -> None:
        """Table `files`: those that changed, those that a label that goes named, and those that a new one names."""
        execute = self.connection.execute
        execute(_RELISTED_SQL)
        execute(
            "delete from folders using (select * from stale union select * from partly) s"
            " where folders.root = s.root and folders.folder = s.folder"
        )
        execute(
            "delete from files using relisted r where (files.root, files.folder, files.name) = (r.root, r.folder, r.name)"
        )
        for root in sorted(self.listings):
            self._list_files(root)
        # without a digest, which no folder's is like: the next run that comes by compares all of its files
        execute(
            "insert into folders select root, folder, null, count(files.name) from partly left join files using (root, folder)"
            " group by all order by all"
        )

    def _write_files(self, root: str) -> None:
        self.connection.execute(
            "create or replace temp view incoming as"
            f" select * from relisted where root = {literal(root)} and size is not null"
        )
        self.connection.execute(FILES_SQL, [root])
        self.connection.execute("drop view incoming")

    # ---------------------------------------------------------------------------------------------------------- about

    def about(self) -> None:
        """State anew what tells of the index itself."""
        for table in _RESTATED:
            self.connection.execute(f"delete from {table}")
        super().about()

    def _roots(self, products: dict[str, int]) -> None:
        """Table `roots`: the last run of one of which only a part was looked at is the one before."""
        super()._roots(products)
        self.connection.execute(
            "update roots set last_run = f.last_run from former.roots f where f.root = roots.root"
            " and not exists (select 1 from scanned s where s.root = roots.root and s.prefix = '')"
        )

    def _rejected(self) -> None:
        self.run.rejected = self.rejected.rows
        known = "select root, path, reason, min(since) as first from former.rejected group by all"
        self._load(
            REJECTED,
            self.rejected.batches(),
            "insert into rejected select * from ("
            f"select new.* replace (coalesce(first, since) as since) from (select *, ?::timestamp as since, ?::integer as run"
            f" from incoming) new left join ({known}) using (root, path, reason)"
            " union all select * from former.rejected anti join reread using (root, path)"
            ") order by root, path, reason, line",
            [self.run.started, self.run.number],
        )


def _has_value(column: Column) -> str:
    name = quoted(str(column.column))
    return f"list_count({name}) > 0" if column.listed else f"{name} is not null"


def _ranged(family: Family) -> Iterator[Column]:
    return (column for column in family.columns.values() if column.column and column.type in ("int", "float", "time"))


def _range_of(column: Column) -> list[str]:
    name = quoted(str(column.column))
    parts = [f"min(list_min({name}))", f"max(list_max({name}))"] if column.listed else [f"min({name})", f"max({name})"]
    return [f"epoch_us({part})::double" if column.type == "time" else f"{part}::double" for part in parts]


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else number


def _subtract(family: Family, gone: _Gone) -> None:
    """Take out what was seen of products that go.

    A keyword that all labels of a family have is known to be in each of these, with a value or without. Of another one that
    a wide table holds it is not known whether a label lacks it or has no value for it: it is taken to lack it.
    """
    for path, seen in family.seen.items():
        valued = gone.valued.get(path, 0)
        labels = gone.products if seen.labels == family.products else gone.labels.get(path, valued)
        seen.labels = max(seen.labels - labels, 0)
        for reason, count in seen.missing.most_common():
            taken = min(count, labels - valued)
            seen.missing[reason] -= taken
            valued += taken
        seen.missing = +seen.missing
    family.products -= gone.products


def _drop_empty(families: dict[str, Family]) -> None:
    """Forget keywords that no label has any more, and families without labels."""
    for name, family in list(families.items()):
        if not family.products:
            del families[name]
        for path in [path for path, seen in family.seen.items() if not seen.labels]:
            del family.seen[path]


def _changes(former: Column | None, column: Column) -> list[str]:
    """Statements that bring a table from a former column to one of now."""
    if not column.column:
        return []
    name, changes = quoted(column.column), []
    if former is None or not former.column:
        changes.append(f"alter table {{table}} add column {_braced(name)} {sql_type(column)}")
    elif column.listed and not former.listed:
        wrapped = f"case when {_braced(name)} is not null then [{_braced(name)}] end"
        changes.append(f"alter table {{table}} alter {_braced(name)} type {sql_type(column)} using {wrapped}")
    if column.unit_column and not (former and former.unit_column):
        unit_name = _braced(quoted(column.unit_column))
        changes.append(f"alter table {{table}} add column {unit_name} varchar")
        if former and former.unit is not None:
            unit = _braced(literal(former.unit))
            changes.append(f"update {{table}} set {unit_name} = {unit} where {_braced(name)} is not null")
    return changes


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
