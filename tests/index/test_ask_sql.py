"""`Index.sql`: any question in SQL, and nothing but questions."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from psalab.errors import PsalabError, QueryFailed
from psalab.index.ask import Index, open_index
from tests.index.small_index import camera, dust, spectrometer, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDLESS = "select count(*) from range(1000000000) a, range(1000000000) b where (a.range * b.range) % 7 = 3"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("sql") / "index.duckdb", [camera(), spectrometer(), dust()])


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with open_index(path) as index:
        yield index


def test_a_question_gives_a_frame(index: Index) -> None:
    frame = index.sql("select instrument, count(*) as products from products group by 1 order by 1")
    assert frame.to_dict("list") == {"instrument": ["CAM", "DUST", "SPEC"], "products": [6, 2, 2]}


def test_rows_gives_tuples_with_bound_values(index: Index) -> None:
    answer = index.rows("select id from products where instrument = ? order by id limit ?", ["CAM", 2])
    assert answer == (("id",), [("C1",), ("C1",)])


def test_wide_and_long_tables_are_there(index: Index) -> None:
    assert len(index.sql('select "GEOMETRY/PHASE_ANGLE" from meta."SC/CAM"')) == 6
    assert len(index.sql("from meta.other")) == 10


@pytest.mark.parametrize(
    "query", ["with a as (select 1 as x) from a", "values (1)", "table roots", "describe products"]
)
def test_other_ways_to_write_a_select_pass(index: Index, query: str) -> None:
    assert len(index.sql(query)) >= 1


# ------------------------------------------------------------------------------- own frames


def test_own_frames_are_tables_of_this_question_alone(index: Index) -> None:
    mine = pd.DataFrame({"id": ["C1", "C4"], "note": ["good", None]})
    frame = index.sql("select id, note from mine join products using (id) where latest order by id", mine=mine)
    assert frame["id"].tolist() == ["C1", "C4"]
    assert frame["note"].isna().tolist() == [False, True]
    with pytest.raises(QueryFailed, match="mine does not exist"):
        index.sql("from mine")


def test_arrow_tables_dicts_and_results_are_frames_too(index: Index) -> None:
    assert index.sql("from t", t=pa.table({"x": [1]}))["x"].tolist() == [1]
    assert index.sql("from t", t={"x": [1, 2]})["x"].tolist() == [1, 2]
    assert index.sql("select id from t order by id", t=index.search(instrument="SPEC"))["id"].tolist() == ["S1", "S2"]


@pytest.mark.parametrize("name", ["products", "PRODUCTS", "keywords", "meta"])
def test_a_frame_must_not_hide_a_table_of_the_index(index: Index, name: str) -> None:
    with pytest.raises(QueryFailed, match="is a table of the index; give your own frame another name"):
        index.sql("select 1", timeout=None, memory=None, **{name: pd.DataFrame({"x": [1]})})


def test_what_is_no_table_is_refused_with_its_name(index: Index) -> None:
    with pytest.raises(QueryFailed, match="t=int: expected a DataFrame"):
        index.sql("from t", t=5)


def test_variables_of_the_caller_are_not_tables(index: Index) -> None:
    mine = pd.DataFrame({"x": [1]})
    with pytest.raises(QueryFailed, match="mine does not exist"):
        index.sql("from mine")
    assert len(mine) == 1


# ------------------------------------------------------------------------------- what is forbidden


@pytest.mark.parametrize(
    "query",
    [
        "insert into products(id) values ('x')",
        "update products set id = 'x'",
        "delete from products",
        "drop table products",
        "create table mine as select 1",
        "create temp table mine as select 1",
        "copy products to '{folder}/out.csv'",
        "copy (select 1) to '{folder}/out.parquet'",
        "export database '{folder}/out'",
        "attach '{folder}/other.duckdb' as other",
        "attach ':memory:' as other",
        "detach psalab_index",
        "use memory",
        "set threads = 1",
        "reset enable_external_access",
        "pragma enable_external_access",
        "pragma database_list",
        "install httpfs",
        "load httpfs",
        "call pragma_version()",
        "checkpoint",
        "begin",
        "prepare p as select 1",
        "explain analyze select 1",
        "select 1; select 2",
        "select 1; drop table products",
        "",
        "-- nothing",
    ],
)
def test_only_one_select_passes(index: Index, tmp_path: Path, query: str) -> None:
    with pytest.raises(QueryFailed, match=r"one SELECT is asked for|an index only answers SELECT"):
        index.sql(query.format(folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "query",
    [
        "from read_csv('{file}')",
        "from read_csv_auto('{file}')",
        "from '{file}'",
        "from read_text('{file}')",
        "from read_blob('{file}')",
        "from read_json('{file}')",
        "from read_parquet('{file}')",
        "from parquet_metadata('{file}')",
        "from parquet_schema('{file}')",
        "from sniff_csv('{file}')",
        "from glob('{folder}/*')",
        "from read_duckdb('{file}')",
        "from query('from read_csv(''{file}'')')",
        "from query_table('{file}')",
        "from read_csv('https://example.invalid/x.csv')",
        "from 'https://example.invalid/x.parquet'",
        "from read_parquet('s3://bucket/x.parquet')",
        "from json_execute_serialized_sql(json_serialize_sql('from read_text(''{file}'')'))",
        "from import_database('{folder}')",
        "from create_external_resource('file')",
        "select getenv('HOME')",
        "from enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/log')",
        "from force_checkpoint()",
        "from load_aws_credentials()",
        "select * from postgres_scan('', '', '')",
        "select write_log('x', level := 'INFO'), * from read_text('{file}')",
    ],
)
def test_a_question_reads_no_file_and_reaches_no_network(index: Index, tmp_path: Path, query: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(PsalabError):
        index.sql(query.format(file=secret, folder=tmp_path))
    assert [item.name for item in tmp_path.iterdir()] == ["secret.csv"]


def test_secrets_of_the_user_are_not_told(index: Index) -> None:
    assert index.rows("from duckdb_secrets()").rows == []


def test_asking_leaves_nothing_beside_the_file(path: Path, index: Index) -> None:
    index.sql("select * from products a, products b order by all")
    assert [item.name for item in path.parent.iterdir()] == [path.name]


# ------------------------------------------------------------------------------- mistakes


def test_a_mistake_is_shown_with_its_place(index: Index) -> None:
    with pytest.raises(QueryFailed, match=r"(?s)syntax error at or near.*\^"):
        index.sql("selec 1")
    with pytest.raises(QueryFailed, match="phase"):
        index.sql("select phase from products")


def test_the_cause_is_chained(index: Index) -> None:
    with pytest.raises(QueryFailed) as caught:
        index.sql("select 1/0::boolean::date")
    assert isinstance(caught.value.__cause__, duckdb.Error)


def test_values_that_cannot_be_bound_are_refused(index: Index) -> None:
    with pytest.raises(QueryFailed):
        index.rows("select ?", [object()])
    with pytest.raises(QueryFailed):
        index.rows("select ?", [])


# ------------------------------------------------------------------------------- limits


def test_a_question_can_be_limited_in_time(index: Index) -> None:
    with pytest.raises(QueryFailed, match=r"not answered within 0\.2 s"):
        index.sql(ENDLESS, timeout=0.2)
    assert index.sql("select 1 as one", timeout=10)["one"].tolist() == [1]


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_timeout_must_be_positive(index: Index, timeout: float) -> None:
    with pytest.raises(QueryFailed, match="expected a number of seconds above 0"):
        index.rows("select 1", timeout=timeout)


def test_the_shortest_timeout_still_ends_the_question(index: Index) -> None:
    with pytest.raises(QueryFailed, match="not answered within"):
        index.sql(ENDLESS, timeout=1e-6)


def test_a_question_can_be_limited_in_memory(index: Index) -> None:
    with pytest.raises(QueryFailed, match="more memory than it may take"):
        index.sql("select list(range) from range(100000000)", memory="50MB")
    assert index.rows("select 1", memory="50MB").rows == [(1,)]


def test_a_limit_of_memory_that_is_none_is_refused(index: Index) -> None:
    with pytest.raises(QueryFailed, match="memory='much'"):
        index.sql("select 1", memory="much")


def test_ctrl_c_ends_a_question(index: Index) -> None:
    killer = threading.Timer(0.3, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        index.sql(ENDLESS, timeout=60)
    assert index.rows("select 1").rows == [(1,)]


def test_threads_may_ask_one_index_at_once(index: Index) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: index.rows("select ? + count(*) from products", [n]).rows[0][0], range(64)))
    assert answers == [number + 10 for number in range(64)]


def test_the_timeout_of_one_question_does_not_end_another(index: Index) -> None:
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(index.rows, "select count(*) from range(30000000) a where hash(range) % 3 = 1", timeout=60)
        with pytest.raises(QueryFailed):
            index.rows(ENDLESS, timeout=0.05)
        assert long.result().rows[0][0] > 0


# ------------------------------------------------------------------------------- types of a frame


def test_the_types_of_a_frame_do_not_depend_on_gaps_in_surprising_ways(index: Index) -> None:
    frame = index.sql(
        "select * from (values (1, 1.5, true, 'a', timestamp '2014-08-01', [1.5], date '2014-08-01', 1::hugeint), "
        "(null, null, null, null, null, null, null, null)) t(i, f, b, s, t, l, d, h)"
    )
    assert {name: str(dtype) for name, dtype in frame.dtypes.items() if name != "s"} == {
        "i": "Int32",
        "f": "float64",
        "b": "boolean",
        "t": "datetime64[us]",
        "l": "object",
        "d": "datetime64[us]",
        "h": "Int64",
    }
    assert frame["s"].isna().tolist() == [False, True]
    assert frame["l"][0] == [1.5]
    assert frame["t"][0] == datetime.fromisoformat("2014-08-01")


def test_without_gaps_integers_and_booleans_are_plain(index: Index) -> None:
    frame = index.sql("select 1::bigint as i, true as b, sum(1) as h, 12::utinyint as u")
    assert [str(dtype) for dtype in frame.dtypes] == ["int64", "bool", "int64", "uint8"]


def test_sums_beyond_64_bits_become_floats_and_decimals_do(index: Index) -> None:
    frame = index.sql("select 170141183460469231731687303715884105727::hugeint as h, 1.25::decimal(4, 2) as d")
    assert frame["h"][0] == pytest.approx(1.7014118346046923e38)
    assert frame["d"][0] == Decimal("1.25")
    assert str(frame["d"].dtype) == "float64"


def test_maps_are_dicts_and_equal_names_stay(index: Index) -> None:
    frame = index.sql("select map {'a': 1} as m, 1 as x, 2 as x")
    assert frame["m"][0] == {"a": 1}
    assert list(frame.columns) == ["m", "x", "x"]


def test_an_empty_answer_keeps_its_columns_and_types(index: Index) -> None:
    frame = index.sql("select id, start_time, product_key from products where false")
    assert [str(dtype) for dtype in frame.dtypes][1:] == ["datetime64[us]", "int64"]
    assert frame.empty
