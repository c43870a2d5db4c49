"""What of the files of some roots is not as an index holds it: found by SQL, in a database that holds nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa

from psalab.index.arrow import as_strings
from psalab.index.chunk_file import file_hash
from psalab.index.listed import LISTED, ROLE_SQL
from psalab.index.scrape import digest_of, read_start
from psalab.index.sql import literal
from psalab.index.walk import unescape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb

    from psalab.index.listed import Listed

__all__ = ["DETACHED", "Counts", "Differences", "read_digests"]

#: Labels of which a sample is read when the times of nearly all have changed, but no size.
_SAMPLE: Final = 100
_NEARLY_ALL: Final = 0.9
_TOGETHER: Final = 1000
#: How reasons begin of files that could not be read, as the walk and the scraper give them.
_UNREADABLE: Final = "cannot be read"

#: Whether a path or a name is that of a detached label.
DETACHED: Final = "regexp_matches(lower({}), '[.](lbl|xml|lblx)$')"
#: Whether a difference is a file that may have to be read.
_COMES: Final = "d.what in ('new', 'changed', 'touched', 'again')"
_PATH: Final = "case when folder = '' then name else folder || '/' || name end"
#: diff: files that are not as they were ('new', 'changed': another size, 'touched': another time alone, 'gone', 'equal':
#: not different, but to be compared by content; 'same': compared, and not different; 'again': to be read anew, whatever it
#: is). removed: products whose rows go.
#: reread: paths that `rejected` may hold and that were looked at again. stale: folders whose digest is another one or that
#: are gone. partly: folders of which only some files were looked at. scanned, unreadable: beginnings of paths.
_TABLES: Final = """
create temp table diff (root varchar, folder varchar, name varchar, size bigint, mtime bigint, role varchar, what varchar,
    product_key bigint);
create temp table removed (product_key bigint);
create temp table reread (root varchar, path varchar);
create temp table stale (root varchar, folder varchar);
create temp table partly (root varchar, folder varchar);
create temp table scanned (root varchar, prefix varchar);
create temp table unreadable (root varchar, prefix varchar);
create temp table unnamed (root varchar, folder varchar, name varchar);
create temp table wanted (root varchar, path varchar);
"""
#: What the index holds as rejected, and whether it holds it as a file, too (it may be a folder, or no longer there).
_REFUSED: Final = """
create temp table refused as
with split as (
    select distinct root, path, reason, split_part(path, '/', -1) as name, left(path, -length(name) - 1) as folder
    from former.rejected
)
select split.*, f.size, epoch_us(f.mtime) as mtime, f.product_key, f.name is not null as held
from split left join (
    select * from former.files semi join split using (root, folder, name)
) f using (root, folder, name)
"""
_STORED: Final = """
create temp table stored as
select folder, name, size, epoch_us(mtime) as mtime, role, product_key
from former.files semi join {chosen} where root = ?
"""
_DIFF: Final = """
insert into diff
select * from (
    select ? as root, folder, name, l.size, l.mtime, case when s.role = 'label' then s.role else coalesce(l.role, s.role) end,
        case when s.name is null then 'new' when l.name is null then 'gone' when l.size <> s.size then 'changed'
             when l.mtime <> s.mtime then 'touched' when ? and 'label' in (l.role, s.role) then 'equal' end as what,
        s.product_key
    from listed l full join stored s using (folder, name)
) where what is not null
"""


class Counts(NamedTuple):
    """Labels that are new, changed and gone."""

    new: int
    changed: int
    gone: int


class Differences:
    """Files that are not as they were.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The index is attached as `former`.
    by_hash : bool
        Whether labels that look as they did are compared by what they hold.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, by_hash: bool):
        self.connection, self.by_hash = connection, by_hash
        connection.execute(_TABLES)
        connection.execute(_REFUSED)

    def folders(self, root: str, under: str) -> dict[str, int]:
        """Digests of the folders that the index holds, at and below one."""
        rows = self.connection.execute(
            "select folder, digest from former.folders"
            " where root = $root and ($under = '' or folder = $under or starts_with(folder, $under || '/'))",
            {"root": root, "under": under},
        )
        return dict(rows.fetchall())

    def marker(self, root: str) -> str | None:
        """Give the file that tells that a volume is there, as the last build saw it."""
        rows = self.connection.execute("select marker from former.roots where root = ?", [root]).fetchall()
        return rows[0][0] if rows else None

    def add(self, listed: Listed, gone: Iterable[str], under: str, unreadable: Sequence[str]) -> None:
        """Compare whole folders: those that were listed, and those that are gone."""
        root = listed.name
        self._tell("stale", root, [*gone, *(folder for folder, _, _ in listed.folders)])
        self._tell("unreadable", root, unreadable)
        self.connection.execute("insert into scanned values (?, ?)", [root, f"{under}/" if under else ""])
        self._compare(
            listed,
            f"stale on stale.root = {literal(root)} and stale.folder = files.folder and files.root = stale.root",
        )

    def add_files(self, listed: Listed, paths: Sequence[str], unreadable: Sequence[str]) -> None:
        """Compare single files, those of `paths`, of which those that are there were listed."""
        self._tell("wanted", listed.name, paths)
        self._tell("unreadable", listed.name, unreadable)
        listed.folders.clear()
        self._compare(listed, f"wanted on wanted.root = {literal(listed.name)} and wanted.path = {_PATH}")
        # what else is in these folders was not looked at: the next run does
        self.connection.execute(
            "insert into partly select distinct root, folder from diff where root = ? and what <> 'equal'",
            [listed.name],
        )

    def _tell(self, table: str, root: str, values: Iterable[str]) -> None:
        texts = list(values)
        batch = pa.RecordBatch.from_arrays(
            [as_strings([root] * len(texts)), as_strings(texts)], names=["root", "value"]
        )
        self._insert(table, [batch], batch.schema)

    def _insert(self, table: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> None:
        self.connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
        try:
            self.connection.execute(f"insert into {table} select * from incoming")
        finally:
            self.connection.unregister("incoming")

    def _compare(self, listed: Listed, chosen: str) -> None:
        execute = self.connection.execute
        execute("create temp table listed (folder varchar, name varchar, size bigint, mtime bigint, role varchar)")
        self._insert("listed", listed.batches(), LISTED)
        execute(_STORED.format(chosen=chosen), [listed.name])
        execute(_DIFF, [listed.name, self.by_hash])
        execute("drop table listed; drop table stored")
        within = (
            "unreadable.root = diff.root and (unreadable.prefix = path or starts_with(path, unreadable.prefix || '/'))"
        )
        execute(
            f"delete from diff where what = 'gone' and exists (select 1 from unreadable where {within.replace('path', _PATH)})"
        )

    # --------------------------------------------------------------------------------------------- compared by content

    def compare_contents(self, roots: dict[str, Path], judge: Callable[[list[str]], list[int | None]]) -> list[str]:
        """Compare labels by what they hold, where they are to be; give what whoever runs this should know.

        Parameters
        ----------
        roots : dict of str to pathlib.Path
        judge : callable
            Digests of files, None for one that cannot be read.
        """
        notes = []
        for root, path in roots.items():
            self._try_again(root, path, judge)
            if self.by_hash:
                self._judge(root, path, judge, "true")
                self.connection.execute(
                    "update diff set what = 'again' where root = ? and what = 'equal' and product_key is null", [root]
                )
            elif sampled := self._all_touched(root):
                places = f"product_key in ({', '.join(map(str, sampled))})"
                if self._judge(root, path, judge, places):
                    notes.append(
                        f"{root}: nearly all times of files have changed, but no size: a sample of {len(sampled)} labels is "
                        "not what it was, so all are read anew"
                    )
                else:
                    self.connection.execute("update diff set what = 'same' where root = ? and what = 'touched'", [root])
                    notes.append(
                        f"{root}: nearly all times of files have changed, but no size: a sample of {len(sampled)} labels is "
                        "what it was, so none was read anew; --hash compares all"
                    )
        return notes

    def _try_again(self, root: str, path: Path, judge: Callable[[list[str]], list[int | None]]) -> None:
        """Find the files that could not be read the last time, and now can: they look as they did."""
        rows = self.connection.execute(
            "select folder, name, size, mtime, product_key from refused r anti join (from diff where what <> 'equal')"
            f" using (root, folder, name) where r.root = $1 and r.held and r.reason like '{_UNREADABLE}%'"
            "  and (exists (select 1 from scanned s where s.root = $1 and starts_with(r.path, s.prefix))"
            "   or r.path in (select w.path from wanted w where w.root = $1)) order by all",
            [root],
        ).fetchall()
        found = judge([os.path.join(path, unescape(folder), unescape(name)) for folder, name, *_ in rows])
        readable = [row for row, digest in zip(rows, found, strict=True) if digest is not None]
        for folder, name, size, mtime, key in readable:
            self.connection.execute("delete from diff where root = ? and folder = ? and name = ?", [root, folder, name])
            self.connection.execute(
                "insert into diff values (?, ?, ?, ?, ?, 'label', 'changed', ?)", [root, folder, name, size, mtime, key]
            )

    def _all_touched(self, root: str) -> list[int]:
        """Give a sample of the products whose label has another time, where that is so of nearly all."""
        rows = self.connection.execute(
            "select d.product_key from diff d join former.products p using (product_key)"
            " where d.root = ? and what = 'touched' and d.role = 'label' order by hash(d.product_key)",
            [root],
        )
        sample = [key for (key,) in rows.fetchmany(_SAMPLE)]
        ((touched,), (all_,)) = self.connection.execute(
            "select count(*) from diff where root = $1 and what = 'touched' and role = 'label'"
            " union all select count(*) from former.products where root = $1",
            [root],
        ).fetchall()
        return sample if touched >= _SAMPLE and touched >= _NEARLY_ALL * all_ else []

    def _judge(self, root: str, path: Path, judge: Callable[[list[str]], list[int | None]], chosen: str) -> int:
        """Read labels; give how many are not what they were."""
        rows = self.connection.execute(
            f"select product_key, {_PATH}, p.digest from diff join former.products p using (product_key)"
            f" where diff.root = ? and what in ('touched', 'equal') and {chosen} order by 2",
            [root],
        ).fetchall()
        different: list[int] = []
        alike: list[int] = []
        for at in range(0, len(rows), _TOGETHER):
            part = rows[at : at + _TOGETHER]
            found = judge([os.path.join(path, unescape(label)) for _, label, _ in part])
            for (key, _, known), digest in zip(part, found, strict=True):
                (alike if digest == known else different).append(key)
        for keys, was, what in (
            (different, "'touched', 'equal'", "changed"),
            (alike, "'touched'", "same"),
        ):
            self.connection.execute(
                f"update diff set what = ? where product_key in (select unnest(?::bigint[])) and what in ({was})"
                " and role = 'label'",
                [what, keys],
            )
        return len(different)

    # ------------------------------------------------------------------------------------------------------ what follows

    def counts(self) -> Counts:
        """Count labels."""
        rows = dict(
            self.connection.execute(
                "select case what when 'touched' then 'changed' else what end, count(*) from diff where role = 'label'"
                " group by 1"
            ).fetchall()
        )
        return Counts(rows.get("new", 0), rows.get("changed", 0), rows.get("gone", 0))

    def lost(self, root: str) -> tuple[int, int]:
        """Count the products of a root whose label is gone, and all of them."""
        return self.connection.execute(
            f"select count(*) filter (where (root, label) in (select (root, {_PATH}) from diff where what = 'gone')), count(*)"
            " from former.products where root = ?",
            [root],
        ).fetchall()[0]

    def settle(self, unreadable: Sequence[tuple[str, str, str]]) -> bool:
        """Work out which products go and which paths were looked at again; tell whether the index has to change at all."""
        execute = self.connection.execute
        execute(
            "insert into removed select p.product_key from former.products p join diff d"
            f" on p.root = d.root and p.label = {_PATH.replace('folder', 'd.folder').replace('name', 'd.name')}"
            " where d.what in ('gone', 'changed', 'touched')"
        )
        execute(f"insert into reread select root, {_PATH} from diff where what not in ('same', 'equal')")
        execute("insert into reread select root, prefix from unreadable")
        execute(
            "insert into reread select r.root, r.path from refused r where not held"
            " and exists (select 1 from scanned s where s.root = r.root and starts_with(r.path || '/', s.prefix))"
        )
        ((goes,),) = execute("select count(*) from removed").fetchall()
        if goes:
            self._find_unnamed()
        before = execute(
            "select root, path, reason from former.rejected semi join reread using (root, path)"
        ).fetchall()
        ((different,),) = execute("select count(*) from diff where what <> 'equal'").fetchall()
        return bool(different) or set(before) != set(unreadable)

    def _find_unnamed(self) -> None:
        """Find the files that labels which go named; only detached labels keep a file from being looked into."""
        self.connection.execute(
            "insert into unnamed select distinct f.root, f.folder, f.name from former.files f"
            " join former.named n on f.folder = n.folder and lower(f.name) = lower(n.name)"
            " join former.products p on p.product_key = n.product_key and p.root = f.root"
            f" where p.product_key in (select product_key from removed) and {DETACHED.format('p.label')}"
            f" and not {DETACHED.format('f.name')}"
        )
        self.connection.execute(f"insert into reread select root, {_PATH} from unnamed")

    def changed_files(self, root: str) -> Iterator[pa.RecordBatch]:
        """Files that may have to be read: labels that are new or changed, and those that may begin with one."""
        role = ROLE_SQL
        made = self.connection.sql(
            f"select folder, name, size, mtime, {role} as role from diff d where root = $1 and ({_COMES})"
            f" union all select folder, name, size, epoch_us(mtime), {role} from former.files f"
            " semi join unnamed using (root, folder, name)"
            " anti join diff d on (d.root, d.folder, d.name) = (f.root, f.folder, f.name) and d.what not in ('same', 'equal')"
            " where f.root = $1 order by folder, name",
            params=[root],
        )
        yield from (batch.cast(LISTED) for batch in made.to_arrow_reader(50_000))

    def named(self, root: str) -> list[int]:
        """Hashes (`file_hash`) of what detached labels that stay name, in the folders of files that may have to be read."""
        rows = self.connection.execute(
            "select distinct n.folder, n.name from former.named n join former.products p using (product_key)"
            f" anti join removed using (product_key) where p.root = $1 and {DETACHED.format('p.label')}"
            " and n.folder in (select folder from diff where root = $1 union select folder from unnamed where root = $1)",
            [root],
        ).fetchall()
        return [file_hash(root, folder, name) for folder, name in rows]


def read_digests(paths: Sequence[str]) -> list[int | None]:
    """Digests of what the scraper would read of files; None for one that cannot be read."""

    def digest(path: str) -> int | None:
        try:
            return digest_of(read_start(path))
        except OSError:
            return None

    return list(map(digest, paths))
