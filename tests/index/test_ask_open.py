"""Opening an index: which files are one, what is said of the others, and what happens when a build swaps the file."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

import psalab.errors
from psalab.errors import IndexFileError, IndexLocked, PsalabError, QueryFailed
from psalab.index.ask import open_index
from tests.index.small_index import FamilyOf, camera, dust, spectrometer, write_index

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index.duckdb", [camera(), spectrometer(), dust()])


def test_an_index_tells_what_it_holds(path: Path) -> None:
    with open_index(path) as index:
        status = index.status()
        assert (status.products, status.labels, status.rejected, status.families) == (10, 10, 0, 3)
        assert status.keywords == 15
        assert status.psalab == "0.1.0"
        assert status.structure is False
        assert status.roots == {"volume": "/media/data/volume"}
        assert status.size == path.stat().st_size
        assert repr(index) == (
            f"Index {path}: 10 products, 15 keywords, 0 rejected, built 2026-01-01 10:05 UTC by psalab 0.1.0\n"
            "families: CAM 6, DUST 2, SPEC 2\n"
            "volumes: volume"
        )
        assert "10 products" in index._repr_html_()


def test_a_closed_index_says_so(path: Path) -> None:
    index = open_index(path)
    index.close()
    index.close()
    assert repr(index) == f"Index {path} (closed)"
    with pytest.raises(IndexFileError, match="has been closed"):
        index.sql("select 1")


def test_without_a_name_the_environment_says_which(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSALAB_INDEX", str(path))
    with open_index() as index:
        assert index.path == path


def test_without_any_name_the_message_says_how_to_give_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("PSALAB_CONFIG", str(tmp_path / "empty.toml"))
    monkeypatch.delenv("PSALAB_INDEX", raising=False)
    with pytest.raises(IndexFileError, match="PSALAB_INDEX"):
        open_index()


def test_a_missing_file_is_answered_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match=r"there is no such file; build an index with `psalab index build"):
        open_index(tmp_path / "none.duckdb")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file"),
        (b"PDS_VERSION_ID = PDS3", "is no DuckDB file"),
        (os.urandom(5000), "is no DuckDB file"),
    ],
    ids=["empty", "label", "noise"],
)
def test_what_is_no_duckdb_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "garbage.duckdb"
    path.write_bytes(content)
    with pytest.raises(IndexFileError, match=said):
        open_index(path)


def test_a_file_that_only_begins_like_duckdb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.duckdb"
    path.write_bytes(bytes(8) + b"DUCK" + bytes(20000))
    with pytest.raises(IndexFileError, match="cannot open it"):
        open_index(path)


def test_an_index_cut_anywhere_answers_as_before_or_fails_with_a_typed_error(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    with open_index(path) as index:
        expected = index.search().rows()
    failed = 0
    for length in range(1, len(content), len(content) // 23):
        cut = tmp_path / f"cut{length}.duckdb"
        cut.write_bytes(content[:length])
        try:
            with open_index(cut) as index:
                assert index.search().rows() == expected
        except PsalabError:
            failed += 1
    assert failed > 10


def test_a_folder_and_a_path_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="is a folder"):
        open_index(tmp_path)
    with pytest.raises(IndexFileError):
        open_index("a\0b")
    with pytest.raises(IndexFileError, match="is no path"):
        open_index(5)  # type: ignore[arg-type]


def test_another_duckdb_file_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table products(a int)")
    with pytest.raises(
        IndexFileError, match="is a DuckDB file, but no index of psalab: it has no table about, families"
    ):
        open_index(path)


@pytest.mark.parametrize(
    ("version", "said"),
    [("2", "this psalab reads schema 1: upgrade psalab"), ("0", "build the index again"), ("x", "says schema 'x'")],
)
def test_an_index_of_another_schema_says_what_to_do(tmp_path: Path, version: str, said: str) -> None:
    path = write_index(
        tmp_path / "i.duckdb", [camera()], f"update about set value = '{version}' where key = 'schema_version'"
    )
    with pytest.raises(IndexFileError, match=said):
        open_index(path)


def test_limits_that_are_none_are_refused(path: Path) -> None:
    with pytest.raises(QueryFailed, match="memory='much'"):
        open_index(path, memory="much")


@pytest.mark.parametrize("name", ["it's.duckdb", "with blank.duckdb", 'quo"te;.duckdb', "ünï.duckdb", "100%*?.duckdb"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with open_index(write_index(tmp_path / name, [camera()])) as index:
        assert len(index.search()) == 4


def test_after_a_swap_a_new_handle_shows_the_new_file_and_the_old_one_the_old(path: Path, tmp_path: Path) -> None:
    newer = write_index(tmp_path / "newer.duckdb", [FamilyOf("SC/CAM", "CAM", camera().shapes, camera().rows[:1])])
    with open_index(path) as old:
        assert len(old.search(kind=None, versions="all")) == 10
        os.replace(newer, path)
        with open_index(path) as new:
            assert len(new.search(kind=None, versions="all")) == 1
            assert len(old.search(kind=None, versions="all").df) == 10
            assert len(new.sql("from products")) == 1
            assert len(old.sql("from products")) == 10


def test_a_file_that_a_process_writes_is_locked(path: Path) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        writer.stdout.readline()
        with pytest.raises(IndexLocked, match="another process is writing it"):
            open_index(path)
        writer.stdin.close()


def test_two_handles_with_different_limits_live_side_by_side(path: Path) -> None:
    with open_index(path, threads=1) as one, open_index(path, threads=2, memory="300MB") as two:
        assert len(one.search()) == len(two.search())


def test_a_question_loads_neither_pandas_nor_pyarrow(path: Path) -> None:
    program = (
        "import sys; from psalab.index.ask import open_index; index = open_index(sys.argv[1]);"
        "index.rows('select 1'); index.plain.keywords('*'); index.plain.values('FILTER_NAME'); index.status();"
        "r = index.search(instrument='CAM', filter='PHASE_ANGLE < 30'); repr(r), list(r);"
        "print([name for name in ('pandas', 'pyarrow', 'numpy', 'astropy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_error_of_duckdb_is_psalabs_own() -> None:
    errors = [getattr(psalab.errors, name) for name in psalab.errors.__all__]
    assert not any(issubclass(error, duckdb.Error) for error in errors)
