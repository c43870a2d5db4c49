"""Opening what was published, several indexes together, and an index that nobody named."""

from __future__ import annotations

import os
import shutil
import stat
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest

from psalab.errors import IndexFileError, IndexNotFound, PsalabWarning, QueryFailed
from psalab.index import ask_connection
from psalab.index.ask import open_index
from psalab.index.build import build_index
from psalab.index.publish import publish_index
from tests.index.small_index import FamilyOf, Shape, camera, dust, spectrometer, write_index
from tests.index.volumes import pds3, series, write

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "sql": lambda index: index.sql("from products order by product_key"),
    "wide": lambda index: index.sql('from meta."SC/CAM" order by product_key'),
    "other": lambda index: index.sql("from meta.other order by all"),
    "search": lambda index: index.search(kind=None, versions="all").df,
    "filter": lambda index: index.search(filter="PHASE_ANGLE < 45", kind=None).df,
    "converted": lambda index: index.search(filter="EXPOSURE_DURATION < 2 s", keywords=["PHASE_ANGLE"]).df,
    "lists": lambda index: index.search(instrument="DUST", keywords=["CHANNELS", "COMMENT"]).df,
    "sorted": lambda index: index.search(keywords=["EXPOSURE_DURATION"]).sort("EXPOSURE_DURATION").df,
    "table": lambda index: index.table("SPEC"),
    "values": lambda index: index.values("EXPOSURE_DURATION"),
    "keywords": lambda index: index.keywords(),
    "families": lambda index: index.families(),
    "roots": lambda index: index.roots(),
    "runs": lambda index: index.runs(),
    "rejected": lambda index: index.rejected(),
    "odd_values": lambda index: index.odd_values(),
    "missions": lambda index: index.missions(),
    "datasets": lambda index: index.datasets(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index.duckdb", [camera(), spectrometer(), dust()])


@pytest.fixture
def folder(path: Path, tmp_path: Path) -> Path:
    publish_index(path, tmp_path / "published")
    return tmp_path / "published"


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """An open index looks at each question whether there is a newer one."""
    monkeypatch.setattr(ask_connection, "_LOOK_EVERY", 0.0)


def replace(path: Path, families: list[FamilyOf]) -> None:
    """Swap in another index, as a build does."""
    os.replace(write_index(path.with_name("newer.duckdb"), families), path)


# ------------------------------------------------------------------------------------------------------- a publication


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_publication_answers_as_its_index_does(path: Path, folder: Path, question: str) -> None:
    with open_index(path) as built, open_index(folder) as published:
        pd.testing.assert_frame_equal(QUESTIONS[question](published), QUESTIONS[question](built))


def test_the_view_of_an_instrument_is_that_of_its_index(tmp_path: Path) -> None:
    path = built(tmp_path, "ONE", [f"{at} <km>" if at % 2 else f"{at} <m>" for at in range(120)])
    publish_index(path, tmp_path / "published")
    with open_index(path) as index, open_index(tmp_path / "published") as published:
        expected, found = (opened.sql("from CAM order by label") for opened in (index, published))
    pd.testing.assert_frame_equal(found, expected)
    assert "X" in found


def test_the_latest_publication_is_opened_and_an_older_one_by_its_number(path: Path, folder: Path) -> None:
    replace(path, [camera()])
    publish_index(path, folder)
    with open_index(folder) as latest, open_index(folder / "1") as older, open_index(folder / "latest") as link:
        assert [len(index.search(kind=None, versions="all")) for index in (latest, older, link)] == [6, 10, 6]


def test_it_says_its_age_and_what_it_covers(folder: Path) -> None:
    with open_index(folder) as index:
        assert repr(index) == (
            f"Index {folder}: 10 products, 15 keywords, 0 rejected, built 2026-01-01 10:05 UTC by psalab 0.1.0\n"
            "families: CAM 6, DUST 2, SPEC 2\n"
            "volumes: volume"
        )
        assert index.status().products == 10


@pytest.mark.parametrize(
    "query",
    [
        "from read_csv('{outside}')",
        "from read_text('{outside}')",
        "from read_parquet('{outside}')",
        "from '{outside}'",
        "from glob('{folder}/*')",
        "from read_json('{folder}/1/manifest.json')",
        "copy products to '{outside}.csv'",
        "copy products to '{folder}/1/products.parquet'",
        "attach '{outside}'",
        "set allowed_paths = ['{outside}']",
        "create table t as select 1",
        "drop view products",
        "select 1; select 2",
        "pragma database_list",
    ],
)
def test_sql_reaches_nothing_but_the_publication(folder: Path, tmp_path: Path, query: str) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_text("a,b\n1,2\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with open_index(folder) as index, pytest.raises(QueryFailed):
        index.sql(query.format(outside=outside, folder=folder))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_manifest_that_names_a_file_elsewhere_is_refused(folder: Path) -> None:
    import json

    from psalab.index.manifest import _sum

    manifest = folder / "1" / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["sha256"]
    content["files"][0]["name"] = "../../index.duckdb"
    manifest.write_text(json.dumps({**content, "sha256": _sum(content)}))
    with pytest.raises(IndexFileError, match="lies outside the publication"):
        open_index(folder)


@pytest.mark.parametrize("left", ["latest", "latest.json"])
def test_the_link_or_the_file_is_enough(folder: Path, left: str) -> None:
    (folder / ({"latest", "latest.json"} - {left}).pop()).unlink()
    with open_index(folder) as index:
        assert len(index.search()) == 8


def test_a_latest_that_is_not_there_says_which_are(folder: Path) -> None:
    (folder / "latest.json").write_text('{"latest": 7}')
    with pytest.raises(
        IndexFileError, match=r"7 is said to be the latest, but .* is not there; there are 1: publish again"
    ):
        open_index(folder)
    (folder / "latest.json").write_text("seven")
    with pytest.raises(IndexFileError, match=r"latest.json: expected"):
        open_index(folder)


def test_a_newer_schema_says_that_the_parquet_can_be_read_all_the_same(folder: Path) -> None:
    import json

    from psalab.index.manifest import _sum

    manifest = folder / "1" / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["sha256"]
    content["schema_version"] = 2
    manifest.write_text(json.dumps({**content, "sha256": _sum(content)}))
    with pytest.raises(
        IndexFileError, match=r"has schema 2, .* Parquet .* can be read by any version, and without psalab"
    ):
        open_index(folder)


# --------------------------------------------------------------------------------------------------- a read-only share


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_share_that_cannot_be_written_will_do(path: Path, folder: Path, kind: str, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    what = Path(shutil.copy(path, share)) if kind == "file" else Path(shutil.copytree(folder, share / "index"))
    everything = [share, *share.rglob("*")]
    for entry in everything:
        entry.chmod(stat.S_IRUSR | stat.S_IXUSR if entry.is_dir() else stat.S_IRUSR)
    try:
        with open_index(what) as index:
            assert len(index.search(filter="PHASE_ANGLE < 45")) == 4
            assert sorted(share.rglob("*")) == sorted(everything[1:]), "nothing is written beside it"
    finally:
        for entry in everything:
            entry.chmod(stat.S_IRWXU)


# ----------------------------------------------------------------------------------------------------------- a newer one


@pytest.mark.usefixtures("always_looking")
def test_an_open_index_goes_on_and_says_once_that_there_is_a_newer_one(path: Path) -> None:
    with open_index(path) as index:
        replace(path, [camera()])
        with pytest.warns(PsalabWarning, match=r"there is a newer index; this one goes on .* \.reload\(\) opens"):
            assert len(index.search(kind=None, versions="all")) == 10
        assert len(index.search(kind=None, versions="all")) == 10, "without a second warning, which would be an error"


@pytest.mark.usefixtures("always_looking")
def test_reload_opens_the_newer_one_and_former_results_go_on(path: Path) -> None:
    with open_index(path) as index:
        former = index.search(kind=None, versions="all")
        replace(path, [camera()])
        index.reload()
        assert len(index.search(kind=None, versions="all")) == 6
        assert index.status().products == 6
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PsalabWarning)
            assert len(former.df) == 10


@pytest.mark.usefixtures("always_looking")
def test_of_a_publication_the_newer_one_is_noticed_too(path: Path, folder: Path) -> None:
    with open_index(folder) as index:
        replace(path, [camera()])
        publish_index(path, folder)
        with pytest.warns(PsalabWarning, match="there is a newer index"):
            assert len(index.search(kind=None, versions="all")) == 10
        index.reload()
        assert len(index.search(kind=None, versions="all")) == 6


@pytest.mark.usefixtures("always_looking")
def test_a_reload_that_fails_leaves_the_index_as_it_was(path: Path) -> None:
    with open_index(path) as index:
        path.rename(path.with_name("gone"))
        with pytest.raises(IndexFileError, match="there is no such file"):
            index.reload()
        assert len(index.search(kind=None, versions="all")) == 10


# ----------------------------------------------------------------------------------------------------------- several


def built(folder: Path, name: str, values: list[str], **common: Any) -> Path:
    """The index of a volume with a label for each value of X."""
    index = folder / f"{name}.duckdb"
    build_index(write(folder / name, dict(series(values, **common))), index, jobs=1)
    return index


def test_several_answer_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_index(write_index(tmp_path / "small.duckdb", [spectrometer(), dust()]), folder)
    one = built(tmp_path, "ONE", [str(at) for at in range(120)])
    two = built(tmp_path, "TWO", [f"{at}.5" for at in range(150)])
    few = built(tmp_path, "FEW", ["(1000, 2000)", "3000"])
    publish_index(two, tmp_path / "two")
    with open_index([one, tmp_path / "two", few, folder]) as index:
        assert index.sql("select root, count(*) from products group by 1 order by 1").values.tolist() == [
            ["FEW", 2], ["ONE", 120], ["TWO", 150], ["volume", 4],
        ]  # fmt: skip
        (x,) = index.plain.keywords("X").rows
        assert x[:8] == ("SC/CAM", "X", "X", "float", True, None, None, 272)
        assert len(index.search(filter="X >= 100", instrument="CAM")) == 20 + 50 + 2
        rows = index.sql("select root, X from CAM where list_max(X) >= 149 order by 2")
        assert [(root, list(x)) for root, x in rows.values.tolist()] == [
            ("TWO", [149.5]), ("FEW", [1000, 2000]), ("FEW", [3000]),
        ]  # fmt: skip
        found = index.search(filter="X >= 100", instrument="CAM", keywords=["X"]).sort("id").df
        assert sorted(max(value) for value in found["X"])[-3:] == [149.5, 2000, 3000]
        assert len(index.families()) == 3
        assert index.status().products == 276


def test_of_a_root_that_two_hold_the_newest_counts(tmp_path: Path) -> None:
    old = built(tmp_path / "a", "ONE", [str(at) for at in range(120)])
    new = built(tmp_path / "b", "ONE", [str(at) for at in range(1000, 1110)])
    for order in ([old, new], [new, old]):
        with open_index(order) as index:
            assert len(index.search()) == 110
            assert index.sql("select count(*), min(X) from CAM").values.tolist() == [[110, 1000]]
            assert index.roots()["path"].tolist() == [str(tmp_path / "b" / "ONE")]
            assert index.sql('select count(*) from meta."SC/CAM"').values.tolist() == [[110]]


def test_units_that_differ_between_two_are_told_row_by_row(tmp_path: Path) -> None:
    def one(unit: str, root: str) -> FamilyOf:
        rows = [({"id": f"{root}{at}", "root": root, "label": f"{root}{at}"}, {"D": float(at)}) for at in range(3)]
        return FamilyOf("SC/CAM", "CAM", [Shape("D", "float", unit)], rows)

    paths = [write_index(tmp_path / f"{root}.duckdb", [one(unit, root)]) for unit, root in (("km", "A"), ("m", "B"))]
    with closing(duckdb.connect(str(paths[1]))) as connection:  # keys are hashes of root and label
        connection.execute("update products set product_key = -product_key")
        connection.execute('update meta."SC/CAM" set product_key = -product_key')
    with open_index(paths) as index:
        assert sorted(index.search(keywords=["D"]).df["D"]) == [0, 0, 0.001, 0.002, 1, 2]


def test_none_of_several_is_an_error() -> None:
    with pytest.raises(IndexFileError, match="no index is named"):
        open_index([])


# ------------------------------------------------------------------------------------------------- that nobody named


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where volumes are mounted, and no other settings."""
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("PSALAB_CONFIG", str(tmp_path / "empty.toml"))
    monkeypatch.delenv("PSALAB_INDEX", raising=False)
    monkeypatch.setenv("PSALAB_VOLUMES", str(tmp_path / "media" / "*"))
    (tmp_path / "media").mkdir()
    return tmp_path / "media"


def test_an_index_on_a_volume_is_found(volumes: Path, path: Path) -> None:
    (volumes / "ROSETTA" / ".psalab").mkdir(parents=True)
    (volumes / "OTHER").mkdir()
    shutil.copy(path, volumes / "ROSETTA" / ".psalab" / "index.duckdb")
    with open_index() as index:
        assert index.path == volumes / "ROSETTA" / ".psalab" / "index.duckdb"


def test_a_publication_on_a_volume_comes_before_a_file(volumes: Path, path: Path) -> None:
    place = volumes / "ROSETTA" / ".psalab"
    place.mkdir(parents=True)
    shutil.copy(path, place / "index.duckdb")
    publish_index(path, place / "index")
    with open_index() as index:
        assert index.path == place / "index"


def test_those_of_several_volumes_are_asked_together(volumes: Path, tmp_path: Path) -> None:
    for name in ("A", "B"):
        place = volumes / name / ".psalab"
        place.mkdir(parents=True)
        shutil.move(built(tmp_path, name, ["1", "2"]), place / "index.duckdb")
    with open_index() as index:
        assert index.sql("select root, count(*) from products group by 1 order by 1").values.tolist() == [
            ["A", 2],
            ["B", 2],
        ]


def test_the_settings_come_before_the_volumes(volumes: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volumes / "ROSETTA" / ".psalab").mkdir(parents=True)
    shutil.copy(path, volumes / "ROSETTA" / ".psalab" / "index.duckdb")
    monkeypatch.setenv("PSALAB_INDEX", str(path))
    with open_index() as index:
        assert index.path == path


def test_where_there_is_none_the_message_lists_where_it_was_looked_for(volumes: Path) -> None:
    (volumes / "EMPTY").mkdir()
    with pytest.raises(IndexNotFound) as caught:
        open_index()
    for place in ("PSALAB_INDEX", "empty.toml", ".psalab/index", ".psalab/index.duckdb", f"{volumes}/*", "1 volume"):
        assert place in str(caught.value) or place == "empty.toml"


def test_a_volume_that_hangs_is_not_waited_for(volumes: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from psalab.index import find_index

    for name in ("HANGS", "WORKS"):
        (volumes / name / ".psalab").mkdir(parents=True)
        shutil.copy(path, volumes / name / ".psalab" / "index.duckdb")
    answer = find_index._on

    def hang(volume: Path) -> Path | None:
        if volume.name == "HANGS":
            time.sleep(30)
        return answer(volume)

    monkeypatch.setattr(find_index, "_on", hang)
    with open_index() as index:
        assert [path.parent.parent.name for path in index._connection.paths] == ["WORKS"]


# ------------------------------------------------------------------------------------------------- where the volumes are


@pytest.mark.parametrize("inside", ["", "DATA/RO-SET"])
def test_an_index_made_under_one_path_serves_under_another(volumes: Path, tmp_path: Path, inside: str) -> None:
    root = tmp_path / "mnt" / "ROSETTA" / inside
    write(root, {"A/P.LBL": pds3(id="P")})
    build_index(root, tmp_path / "i.duckdb", jobs=1)
    with open_index(tmp_path / "i.duckdb") as index:
        assert index.search()[0].label_path == root / "A/P.LBL"
    (tmp_path / "mnt" / "ROSETTA").rename(volumes / "ROSETTA")
    with open_index(tmp_path / "i.duckdb") as index:
        product = index.search()[0]
        assert product.label_path == volumes / "ROSETTA" / inside / "A/P.LBL"
        assert index.status().roots == {root.name: str(root)}, "where it was indexed"


def test_a_volume_that_is_nowhere_is_where_it_was(volumes: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "mnt" / "ROSETTA", {"P.LBL": pds3(id="P")})
    build_index(root, tmp_path / "i.duckdb", jobs=1)
    shutil.rmtree(tmp_path / "mnt")
    with open_index(tmp_path / "i.duckdb") as index:
        assert index.search()[0].label_path == root / "P.LBL"
    assert not list(volumes.iterdir())
