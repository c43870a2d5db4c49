"""Publishing: Parquet that anyone can read, numbered folders of which one is the latest, and nothing that is not public."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from psalab.errors import IndexFileError, IndexLocked
from psalab.index.ask import open_index
from psalab.index.build import build_index, locked
from psalab.index.manifest import latest_folder, read_manifest, sha256_of, verify
from psalab.index.publish import publish_index
from tests.index.small_index import FamilyOf, camera, dust, spectrometer, write_index
from tests.index.volumes import ask, pds3, series, write

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
#: How often a publication is killed; more of them by hand: PSALAB_KILLS=50.
KILLS = int(os.environ.get("PSALAB_KILLS") or 8)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index.duckdb", [camera(), spectrometer(), dust()])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "published"


def change(index: Path, sql: str) -> None:
    with closing(duckdb.connect(str(index))) as connection:
        connection.execute(sql)


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ------------------------------------------------------------------------------------------------- what is published


def test_every_table_is_read_by_pyarrow_alone_as_the_index_has_it(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    manifest = json.loads((folder / "latest" / "manifest.json").read_text())
    assert {file["table"] for file in manifest["files"]} == {
        "about", "families", "files", "keywords", "meta.SC/CAM", "meta.SC/SPEC", "meta.other", "odd_values", "products",
        "rejected", "roots", "runs",
    }  # fmt: skip
    for file in manifest["files"]:
        table = pq.read_table(folder / "latest" / file["name"])
        schema, _, name = file["table"].rpartition("meta.")
        with closing(duckdb.connect(str(index), read_only=True)) as connection:
            expected = connection.sql(
                f'from {"meta" if schema or file["table"].startswith("meta.") else "main"}."{name}"'
            )
            assert table.to_pylist() == expected.to_arrow_table().to_pylist()
        assert table.column_names == [column["name"] for column in file["columns"]]
        assert file["rows"] == table.num_rows
        assert file["bytes"] == (folder / "latest" / file["name"]).stat().st_size
        assert file["sha256"] == sha256_of(folder / "latest" / file["name"])


def test_a_map_is_a_map_a_list_a_list_and_a_time_a_time_without_zone(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    keywords = pq.read_schema(folder / "latest" / "keywords.parquet")
    products = pq.read_schema(folder / "latest" / "products.parquet")
    assert keywords.field("missing").type == pa.map_(pa.string(), pa.int64())
    assert pa.types.is_list(products.field("targets").type)
    assert products.field("start_time").type == pa.timestamp("us")


def test_reading_needs_no_psalab(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    program = (
        "import json, pathlib, sys, pyarrow.parquet as pq; folder = pathlib.Path(sys.argv[1]);"
        "latest = folder / str(json.loads((folder / 'latest.json').read_text())['latest']);"
        "names = [file['name'] for file in json.loads((latest / 'manifest.json').read_text())['files']];"
        "print(sum(pq.read_table(latest / name).num_rows for name in names if name == 'products.parquet'),"
        " 'psalab' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "10 False\n"


def test_the_manifest_tells_when_by_what_of_which_volumes_and_runs(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    manifest = read_manifest(folder / "1")
    assert manifest.number == manifest.schema_version == 1
    assert manifest.roots == {"volume": "/media/data/volume"}
    assert [run["command"] for run in manifest.runs] == ["build"]
    assert manifest.public_only
    assert manifest.left_out == {"products": 0, "datasets": [], "until": None}
    assert datetime.fromisoformat(manifest.made).utcoffset() == timedelta(0)


def test_names_that_a_file_cannot_have_become_others(tmp_path: Path, folder: Path) -> None:
    odd = [
        FamilyOf(name, "X", camera().shapes, camera().rows[:1]) for name in ("A/b c:d", "a/B_c_D", "x" * 300, "ü/../.")
    ]
    publish_index(write_index(tmp_path / "odd.duckdb", odd), folder)
    files = [file for file in read_manifest(folder / "1").files if file.family]
    assert {file.family for file in files} == {family.name for family in odd}
    assert len({file.name.lower() for file in files}) == 4
    assert all((folder / "1" / file.name).is_file() for file in files)
    assert entries(folder) == {"1", "latest", "latest.json"}


# --------------------------------------------------------------------------------------------------- numbers and files


def test_a_publication_gets_the_next_number_and_is_the_latest(index: Path, folder: Path) -> None:
    assert publish_index(index, folder).number == 1
    change(index, "update products set level = 'derived' where id = 'C1'")
    done = publish_index(index, folder)
    assert (done.number, done.new, done.folder) == (2, True, folder / "2")
    assert latest_folder(folder) == folder / "2"
    assert os.readlink(folder / "latest") == "2"
    assert json.loads((folder / "latest.json").read_text()) == {"latest": 2}


def test_where_nothing_has_changed_there_is_no_new_publication(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    done = publish_index(index, folder)
    assert (done.number, done.new, done.written) == (1, False, ())
    assert entries(folder) == {"1", "latest", "latest.json"}


def test_only_what_has_changed_is_written(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    change(index, """update meta."SC/CAM" set "GEOMETRY/PHASE_ANGLE" = 1 where "GEOMETRY/PHASE_ANGLE" = 10""")
    done = publish_index(index, folder)
    assert done.written == ("meta.SC/CAM",)
    assert len(done.linked) == 11
    assert os.path.samefile(folder / "1" / "products.parquet", folder / "2" / "products.parquet")
    assert not os.path.samefile(
        folder / "1" / "families" / "SC_CAM.parquet", folder / "2" / "families" / "SC_CAM.parquet"
    )
    assert len(list(verify(folder))) == 12


@pytest.mark.parametrize(
    "sql",
    [
        'alter table meta."SC/CAM" alter "GEOMETRY/PHASE_ANGLE" type float',
        'alter table meta."SC/CAM" rename "GEOMETRY/PHASE_ANGLE" to "X"',
        'alter table meta."SC/CAM" add column "NEW" varchar',
        'create or replace table meta."SC/CAM" as from meta."SC/CAM" order by product_key desc',
        'delete from meta."SC/CAM" where product_key = (select min(product_key) from meta."SC/CAM")',
        'update meta."SC/CAM" set "GEOMETRY/PHASE_ANGLE" = null',
    ],
    ids=["type", "name", "column", "order", "row", "null"],
)
def test_whatever_changes_in_a_family_is_noticed(index: Path, folder: Path, sql: str) -> None:
    publish_index(index, folder)
    change(index, sql)
    assert publish_index(index, folder).written == ("meta.SC/CAM",)


def test_without_links_files_are_copied(index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "no links here")

    publish_index(index, folder)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    change(index, "update products set level = 'derived' where id = 'C1'")
    assert publish_index(index, folder).written == ("products",)
    assert not os.path.samefile(folder / "1" / "runs.parquet", folder / "2" / "runs.parquet")
    assert latest_folder(folder) == folder / "2", "the file says what the link cannot"


def test_the_last_ones_are_kept(index: Path, folder: Path) -> None:
    for number in range(1, 6):
        change(index, f"update products set product_type = 'T{number}'")
        done = publish_index(index, folder, keep=2)
    assert done.removed == (3,)
    assert entries(folder) == {"4", "5", "latest", "latest.json"}


def test_a_damaged_file_is_written_anew_rather_than_linked(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    path = folder / "1" / "files.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert publish_index(index, folder).written == ("files",)
    assert len(list(verify(folder))) == 12


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_is_kept(index: Path, folder: Path, keep: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        publish_index(index, folder, keep=keep)


# ------------------------------------------------------------------------------------------------------- what is wrong


def test_two_publications_at_once_are_refused(index: Path, folder: Path) -> None:
    folder.mkdir()
    with locked(folder / "publish"), pytest.raises(IndexLocked, match="is being written by another run: host"):
        publish_index(index, folder)


@pytest.mark.parametrize("name", ["none.duckdb", "text.txt", "."])
def test_what_is_no_index_is_not_published(tmp_path: Path, folder: Path, name: str) -> None:
    (tmp_path / "text.txt").write_text("PDS_VERSION_ID = PDS3")
    with pytest.raises(IndexFileError):
        publish_index(tmp_path / name, folder)
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_a_typed_error(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match="cannot be published to"):
        publish_index(index, tmp_path / "file")


def test_a_publication_that_fails_leaves_the_former_one(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    publish_index(index, folder)
    change(index, "update products set level = 'derived'")
    monkeypatch.setattr("psalab.index.publish.write_manifest", full)
    with pytest.raises(IndexFileError, match=r"No space left on device; what was published before is as it was"):
        publish_index(index, folder)
    assert entries(folder) == {"1", "latest", "latest.json"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace('"products": 0', '"products": 1'), "its sum is"),
        (lambda text: text[: len(text) // 2], "is no manifest"),
        (lambda _: "[]", "is no manifest"),
        (lambda text: text.replace('"sha256"', '"sha"'), "is no manifest"),
    ],
    ids=["changed", "cut", "list", "keys"],
)
def test_a_manifest_that_does_not_fit_is_refused(index: Path, folder: Path, damage: Any, said: str) -> None:
    publish_index(index, folder)
    path = folder / "1" / "manifest.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(IndexFileError, match=said):
        open_index(folder)


def test_files_that_do_not_fit_the_manifest_are_refused(index: Path, folder: Path) -> None:
    publish_index(index, folder)
    path = folder / "1" / "products.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"?" + content[101:])
    with pytest.raises(IndexFileError, match=r"products.parquet: its SHA-256 is"):
        list(verify(folder))
    path.write_bytes(content[:100])
    with pytest.raises(IndexFileError, match=r"has 100 bytes, manifest.json says"):
        open_index(folder)
    path.unlink()
    with pytest.raises(IndexFileError, match=r"No such file or directory, but manifest.json lists it"):
        open_index(folder)


# ------------------------------------------------------------------------------------------------- what is not public


@pytest.fixture
def dated(tmp_path: Path) -> Path:
    """An index of a volume with release dates in a large family and in a small one."""
    files: dict[str, str | bytes] = dict(series([str(at) for at in range(120)]))
    files |= {
        f"R{at}.LBL": pds3(f"PRODUCT_RELEASE_DATE = 20{20 + at}-06-01", f"X = {1000 + at}", id=f"R{at}")
        for at in range(10)
    }
    files["P5B.LBL"] = pds3('PRODUCT_VERSION_ID = "2"', "PRODUCT_RELEASE_DATE = 2029-01-01", "X = 7777", id="P5")
    files |= {
        f"S{at}.LBL": pds3(f'DATA_SET_ID = "SC-X-SMALL-2-V{at}.0"', *release, "Y = 5", id=f"S{at}", instrument="SMALL")
        for at, release in enumerate([["DATA_SET_RELEASE_DATE = 2030-01-01"], ['DATA_SET_RELEASE_DATE = "N/A"'], []])
    }
    files["S0B.LBL"] = pds3('DATA_SET_ID = "SC-X-SMALL-2-V0.0"', "Y = 4242", id="S0B", instrument="SMALL")
    index = tmp_path / "dated.duckdb"
    build_index(write(tmp_path / "volume", files), index, jobs=1)
    return index


def tables(folder: Path) -> Mapping[str, Any]:
    manifest = read_manifest(latest_folder(folder))
    return {file.table: pq.read_table(latest_folder(folder) / file.name).to_pylist() for file in manifest.files}


def test_products_that_are_released_later_are_in_no_table(dated: Path, folder: Path) -> None:
    done = publish_index(dated, folder, now=datetime(2026, 1, 1))
    assert done.left_out == {
        "products": 7,
        "datasets": ["SC-X-SMALL-2-V0.0"],
        "until": "2030-01-01T00:00:00",
    }
    assert read_manifest(folder / "1").left_out == done.left_out
    hidden = {key for (key,) in ask(dated, "select product_key from products where id in ('R6', 'R7', 'R8', 'R9')")}
    hidden |= {key for (key,) in ask(dated, "select product_key from products where id like 'S0%' or version = '2'")}
    assert len(hidden) == 7
    for name, rows in tables(folder).items():
        assert not hidden & {row.get("product_key") for row in rows}, name
        assert not {"R9", "1009", "7777", "4242"} & {str(value) for row in rows for value in row.values()}, name
        assert not any("R9" in str(row) for row in rows), name


def test_what_is_told_of_keywords_is_told_of_what_is_public(dated: Path, folder: Path) -> None:
    publish_index(dated, folder, now=datetime(2026, 1, 1))
    (x,) = (row for row in tables(folder)["keywords"] if row["path"] == "X")
    assert (x["count"], x["min"], x["max"], x["examples"]) == (126, "0", "1005", None)
    (family,) = (row for row in tables(folder)["families"] if row["family"] == "SC/CAM")
    assert family["products"] == 126
    (root,) = tables(folder)["roots"]
    assert root["products"] == 128


def test_the_older_version_is_the_latest_that_is_public(dated: Path, folder: Path) -> None:
    latest = "select version from products where id = 'P5' and latest"
    assert ask(dated, latest) == [("2",)]
    publish_index(dated, folder, now=datetime(2026, 1, 1))
    with open_index(folder) as index:
        assert index.rows(latest.replace("version", "count(*)")).rows == [(1,)]
        assert len(index.search(id="P5")) == 1


def test_time_makes_products_public(dated: Path, folder: Path) -> None:
    counts = [
        publish_index(dated, folder, now=datetime(year, 1, 1)).left_out["products"] for year in (2019, 2026, 2035)
    ]
    assert counts == [13, 7, 0]


def test_all_are_published_if_asked_for(dated: Path, folder: Path) -> None:
    done = publish_index(dated, folder, public_only=False, now=datetime(2026, 1, 1))
    assert done.products == 135
    assert done.left_out["products"] == 0
    assert not read_manifest(folder / "1").public_only


# -------------------------------------------------------------------------------------------------- killed at random


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that takes a moment to publish."""
    index = write_index(tmp_path_factory.mktemp("larger") / "index.duckdb", [camera(), spectrometer(), dust()])
    change(
        index,
        'insert into meta."SC/CAM" by name select c.* replace (c.product_key * 100000 + n as product_key)'
        ' from meta."SC/CAM" c, range(30000) r(n)',
    )
    return index


def start(index: Path, folder: Path) -> subprocess.Popen[str]:
    program = (
        "import sys; from psalab.index.publish import publish_index; print('begun', flush=True);"
        "publish_index(sys.argv[1], sys.argv[2], keep=2)"
    )
    command = [sys.executable, "-c", program, str(index), str(folder)]
    process = subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture(scope="module")
def duration(larger: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a publication takes."""
    process = start(larger, tmp_path_factory.mktemp("timed"))
    began = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("instant", range(KILLS))
def test_a_publication_killed_at_any_instant_leaves_the_former_one_and_the_next_run_completes(
    index: Path, larger: Path, duration: float, folder: Path, instant: int
) -> None:
    for number in (1, 2):
        change(index, f"update products set product_type = 'T{number}'")
        publish_index(index, folder, keep=2)
    process = start(larger, folder)
    time.sleep(random.Random(instant).random() * duration)
    process.kill()
    process.communicate()

    number = int(latest_folder(folder).name)
    assert number in (2, 3)
    assert list(verify(folder))
    with open_index(folder) as opened:
        assert len(opened.search(kind=None, versions="all")) == 10
    left = {name for name in entries(folder) if not name.isdecimal()}
    assert {name for name in left if not name.endswith((".part", ".lock"))} == {"latest", "latest.json"}
    publish_index(larger, folder, keep=2)
    assert latest_folder(folder) == folder / "3"
    assert len(list(verify(folder))) == 12
    assert entries(folder) == {"2", "3", "latest", "latest.json"}
