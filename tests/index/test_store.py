"""The tables of an index as others rely on them: names, types, order, keys and views."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from psalab.errors import IndexFileError
from psalab.index.store import SCHEMA_VERSION, product_key, stored_roots
from tests.index.volumes import ask, index_of, pds3, pds4, series, write

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "about": "key VARCHAR, value VARCHAR",
    "products": "product_key BIGINT, standard VARCHAR, kind VARCHAR, id VARCHAR, version VARCHAR, latest BOOLEAN, "
    "dataset VARCHAR, mission VARCHAR, host VARCHAR, instrument VARCHAR, targets VARCHAR[], start_time TIMESTAMP, "
    "stop_time TIMESTAMP, level VARCHAR, level_native VARCHAR, product_type VARCHAR, family VARCHAR, root VARCHAR, "
    "label VARCHAR, twin_of BIGINT, run INTEGER, last_seen TIMESTAMP, digest BIGINT",
    "files": "root VARCHAR, folder VARCHAR, name VARCHAR, size BIGINT, mtime TIMESTAMP, role VARCHAR, product_key BIGINT",
    "families": "family VARCHAR, standard VARCHAR, host VARCHAR, instrument VARCHAR, products BIGINT, wide BOOLEAN, "
    "view_name VARCHAR",
    "meta.other": "product_key BIGINT, family VARCHAR, path VARCHAR, number DOUBLE, time TIMESTAMP, text VARCHAR, "
    "unit VARCHAR",
    "keywords": "family VARCHAR, path VARCHAR, name VARCHAR, column_name VARCHAR, type VARCHAR, is_list BOOLEAN, "
    "unit VARCHAR, units VARCHAR[], unit_column VARCHAR, count BIGINT, missing MAP(VARCHAR, BIGINT), odd BIGINT, "
    "min VARCHAR, max VARCHAR, examples VARCHAR[]",
    "odd_values": "product_key BIGINT, path VARCHAR, text VARCHAR",
    "rejected": "root VARCHAR, path VARCHAR, reason VARCHAR, line INTEGER, text VARCHAR, since TIMESTAMP, run INTEGER",
    "runs": "run INTEGER, command VARCHAR, started TIMESTAMP, ended TIMESTAMP, labels BIGINT, products BIGINT, "
    "rejected BIGINT, files BIGINT, bytes BIGINT, jobs INTEGER, psalab VARCHAR, settings VARCHAR",
    "roots": "root VARCHAR, path VARCHAR, marker VARCHAR, products BIGINT, last_run INTEGER",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = ("T = 2014-08-01", "B = TRUE", "L = (1.5 <km>, 2.5 <km>)", "N = 7", 'W = "word"')
    files: dict[str, str | bytes] = {f"W/{at:03}.LBL": pds3(*content, id=f"W{at}") for at in range(100)}
    files |= {"few.xml": pds4("<own:A unit='km'>1.5</own:A>"), "bad.lbl": "X = (1", "P.DAT": b"\x00\x01"}
    return index_of(tmp_path_factory.mktemp("store"), files)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_columns_that_others_rely_on(index: Path, table: str) -> None:
    assert ", ".join(f"{name} {kind}" for name, kind, *_ in ask(index, f"describe {table}")) == TABLES[table]


def test_the_wide_table_of_a_family_has_a_typed_column_for_each_keyword(index: Path) -> None:
    assert [(name, kind) for name, kind, *_ in ask(index, 'describe meta."SC/CAM"')] == [
        ("product_key", "BIGINT"), ("B", "BOOLEAN"), ("INSTRUMENT_HOST_ID", "VARCHAR"), ("INSTRUMENT_ID", "VARCHAR"),
        ("L", "DOUBLE[]"), ("N", "BIGINT"), ("PDS_VERSION_ID", "VARCHAR"), ("PRODUCT_ID", "VARCHAR"), ("T", "TIMESTAMP"),
        ("W", "VARCHAR"),
    ]  # fmt: skip


def test_a_keyword_is_described(index: Path) -> None:
    described = ask(
        index,
        "select path, name, column_name, type, is_list, unit, units, unit_column, count, missing, odd, min, max, examples"
        " from keywords where path in ('L', 'T') order by path",
    )
    assert described == [
        ("L", "L", "L", "float", True, "km", None, None, 100, {}, 0, "1.5", "2.5", ["1.5"]),
        ("T", "T", "T", "time", False, None, None, None, 100, {}, 0, "2014-08-01T00:00:00", "2014-08-01T00:00:00",
         ["2014-08-01"]),
    ]  # fmt: skip


def test_the_view_of_an_instrument_joins_products_and_keywords(index: Path) -> None:
    (row,) = ask(index, "select id, label, root, T, L[2], N, latest from CAM where id = 'W7'")
    assert row == ("W7", "W/007.LBL", "volume", datetime(2014, 8, 1), 2.5, 7, True)


def test_products_and_files_stand_in_the_order_of_their_paths(index: Path) -> None:
    labels = [label for (label,) in ask(index, "select label from products order by rowid")]
    assert labels == sorted(labels)
    files = ask(index, "select folder, name from files order by rowid")
    assert files == sorted(files)


def test_every_row_belongs_to_a_product(index: Path) -> None:
    for table in ("files", 'meta."SC/CAM"', "meta.other", "odd_values"):
        orphans = f"select count(*) from {table} anti join products using (product_key) where product_key is not null"
        assert ask(index, orphans) == [(0,)]
    assert ask(index, "select count(*), count(distinct product_key) from products") == [(101, 101)]


def test_roles_of_files(index: Path) -> None:
    assert ask(index, "select role, count(*) from files group by 1 order by 1") == [("label", 102), ("peeked", 1)]
    assert ask(index, "select product_key is null from files where name = 'bad.lbl'") == [(True,)]


def test_the_key_of_a_product_is_a_hash_of_root_and_path(index: Path) -> None:
    ((key,),) = ask(index, "select product_key from products where label = 'few.xml'")
    assert key == product_key("volume", "few.xml")
    assert -(2**63) <= key < 2**63
    assert product_key("a", "b/c") != product_key("a/b", "c")


def test_an_index_tells_its_roots_and_its_schema(index: Path) -> None:
    assert stored_roots(index) == {"volume": str(index.parent / "volume")}
    assert ask(index, "select value from about where key = 'schema_version'") == [(str(SCHEMA_VERSION),)]


def test_what_is_no_index_has_no_roots(tmp_path: Path) -> None:
    write(tmp_path, {"x.duckdb": b"no index"})
    with pytest.raises(IndexFileError, match="is no index"):
        stored_roots(tmp_path / "x.duckdb")


@pytest.mark.parametrize(
    "text", ["it''s", "a;b", "\\n", "%s", "{0}", "caf\xe9", "\N{SNOWMAN}", "x" * 100_000, "\x7f\x01"]
)
def test_any_text_comes_through(tmp_path: Path, text: str) -> None:
    index = index_of(tmp_path, series([f'"{text}"']))
    assert ask(index, "select text from meta.other where path = 'X'") == [(text,)]


def test_a_keyword_of_any_name_is_a_column(tmp_path: Path) -> None:
    names = ["select", "A:B", "A.B", "A-B", "1ST", "x~2", "X~2", "TABLE", "A|B"]
    files = {f"{at:03}.LBL": pds3(*(f"{name} = {at}" for name in names), id=f"P{at}") for at in range(100)}
    index = index_of(tmp_path, files)
    assert ask(index, "select distinct reason from rejected") == []
    found = {path for (path,) in ask(index, "select path from keywords")}
    assert found >= {name.upper() for name in names}
    assert ask(index, "select count(*) from CAM") == [(100,)]
