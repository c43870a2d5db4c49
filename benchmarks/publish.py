"""Publishing the million products of the benchmark `million`, in four families, and opening what was published.

Between two publications one family changes, and with it the table of products. What is compared is writing the table of
that family alone, the same way.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb

from benchmarks import million
from benchmarks.figures import Figure
from benchmarks.real_labels import scratch
from benchmarks.timing import interleaved, took
from psalab import open_index
from psalab.index.publish import publish_index

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["figures"]

_FAMILIES = 4
_TIMES = 11

_SPLIT = """
create table meta.{new} as select * from meta.{old} where abs(product_key % {of}) = {n};
insert into families select * replace ({text} as family, products // {of} as products, null as view_name)
    from families where family = {old_text};
insert into keywords select * replace ({text} as family) from keywords where family = {old_text};
"""


def figures(repeat: int, *, fresh: bool = False) -> list[Figure]:
    """Publish after one family has changed; open what was published, warm."""
    source = million.index(fresh=fresh)
    folder = scratch("publish")
    try:
        index = folder / "index.duckdb"
        shutil.copy(source, index)
        family = _split(index)
        published = folder / "published"
        whole = took(lambda: publish_index(index, published)).wall
        times = interleaved(
            max(repeat, 2),
            {
                "one": lambda: _change_and_publish(index, family, published),
                "alone": lambda: _write(index, family, folder),
            },
        )
        # changing the family is on the bill of the first: it is measured by itself and taken off
        change = took(lambda: _change(index, family)).wall
        one, alone = times["one"].wall - change, times["alone"].wall
        size = sum(file.stat().st_size for file in (published / "latest").rglob("*.parquet"))
        return [
            Figure(
                f"publish with one of {_FAMILIES} families changed / writing that family alone", one / alone, "x", 1.5, 1.2,
                note=f"{one:.1f} s and {alone:.1f} s; all of it {whole:.1f} s, {size / 1e6:,.0f} MB",
            ),
            Figure("open_index to the first answer, published, warm", 1e3 * _open(published), "ms", 500, 150),
        ]  # fmt: skip
    finally:
        shutil.rmtree(folder)


def _split(index: Path) -> str:
    """Make several families of the largest one; give the name of the first."""
    with closing(duckdb.connect(str(index))) as connection:
        ((old,),) = connection.execute("select family from families order by products desc limit 1").fetchall()
        name = '"' + old + '"'
        for n in range(_FAMILIES):
            values = {"new": f'"{old} {n}"', "old": name, "of": _FAMILIES, "n": n}
            connection.execute(_SPLIT.format(text=f"'{old} {n}'", old_text=f"'{old}'", **values))
        connection.execute(f"drop view if exists {old.rpartition('/')[2]}")
        connection.execute(f"drop table meta.{name}")
        connection.execute("delete from families where family = ?", [old])
        connection.execute("delete from keywords where family = ?", [old])
        connection.execute(
            "update products set family = family || ' ' || abs(product_key % ?) where family = ?", [_FAMILIES, old]
        )
    return f"{old} 0"


def _change(index: Path, family: str) -> None:
    """Change a value and the run of each product of a family, as an update does that reads its labels again."""
    with closing(duckdb.connect(str(index))) as connection:
        ((column,),) = connection.execute(
            "select column_name from keywords where family = ? and type = 'float' and not is_list and count > 1000 limit 1",
            [family],
        ).fetchall()
        name = '"' + column + '"'
        connection.execute(f'update meta."{family}" set {name} = {name} + 1')
        connection.execute("update products set run = run + 1 where family = ?", [family])


def _change_and_publish(index: Path, family: str, published: Path) -> None:
    _change(index, family)
    done = publish_index(index, published)
    if f"meta.{family}" not in done.written or len(done.linked) < _FAMILIES - 1:
        raise RuntimeError(f"not one family was written, but {done.written}")


def _write(index: Path, family: str, folder: Path) -> None:
    with closing(duckdb.connect(str(index), read_only=True)) as connection:
        connection.execute(
            f"""copy meta."{family}" to '{folder / "alone.parquet"}' (format parquet, compression zstd)"""
        )


def _open(published: Path) -> float:
    """Seconds from nothing open to an answer: the median of several."""

    def once() -> None:
        with open_index(published) as index:
            len(index.search(kind=None))

    once()
    return sorted(took(once).wall for _ in range(_TIMES))[_TIMES // 2]
