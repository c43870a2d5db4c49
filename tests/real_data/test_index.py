"""Indexes of real labels: the numbers, the published table, and that nothing of a label is lost on the way."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pytest

from psalab.errors import LabelError
from psalab.index import scrape as scraping
from psalab.index.ask import open_index
from psalab.index.build import build_index
from psalab.index.statements import leaves_of
from psalab.index.walk import unescape
from psalab.labels import read_label
from psalab.labels.values import MISSING, scalars
from tests.index.two_readings import by_scraper, differing
from tests.index.volumes import ask, differences

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Labels of OSIRIS that are read by `read_label`, too; all of them by hand: PSALAB_LABELS=20000.
SAMPLE = int(os.environ.get("PSALAB_LABELS") or 2000)
SUFFIXES = (".lbl", ".xml", ".lblx")

#: Columns of the published table: the keyword, and which element of it.
PUBLISHED = {
    "surf_int_x": ("IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", 0),
    "surf_int_y": ("IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", 1),
    "surf_int_z": ("IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", 2),
    "distance": ("IMAGE_POI/ROSETTA:SURFACE_INTERCEPT_DISTANCE", None),
    "sc_altitude": ("SPACECRAFT_ALTITUDE", None),
    "phase_angle": ("PHASE_ANGLE", None),
    "sc_position_x": ("SC_TARGET_POSITION_VECTOR", 0),
    "sc_position_y": ("SC_TARGET_POSITION_VECTOR", 1),
    "sc_position_z": ("SC_TARGET_POSITION_VECTOR", 2),
    "sub_sc_lat": ("SUB_SPACECRAFT_LATITUDE", None),
    "sub_sc_lon": ("SUB_SPACECRAFT_LONGITUDE", None),
}


def labels_below(root: Path) -> list[str]:
    """Paths of all label files, sorted."""
    paths = (os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names)
    return sorted(path for path in paths if path.lower().endswith(SUFFIXES))


# -------------------------------------------------------------------------------------------------------------- OSIRIS


@pytest.fixture(scope="module")
def osiris_index(osiris_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    index = tmp_path_factory.mktemp("osiris") / "osiris.duckdb"
    build_index(osiris_labels, index, jobs=2)
    return index


def test_every_osiris_label_is_a_product(osiris_index: Path) -> None:
    assert ask(osiris_index, "select labels, products, rejected from runs") == [(12_344, 12_344, 0)]
    assert ask(osiris_index, "select family, products, wide, view_name from families") == [
        ("RO/OSINAC", 12_344, True, "OSINAC")
    ]
    assert ask(osiris_index, "select count(*) from odd_values") == [(0,)]


def test_osiris_has_295_keywords_of_which_five_are_missing_in_some_labels(osiris_index: Path) -> None:
    assert ask(osiris_index, "select count(column_name) from keywords") == [(295,)]
    missing = ask(osiris_index, "select path, missing, count from keywords where count < 12344 order by 1")
    poi = [(path, reasons) for path, reasons, _ in missing if path.startswith("IMAGE_POI/")]
    assert len(poi) == 5
    assert all(reasons == {"N/A": 1000} for _, reasons in poi)
    assert ask(osiris_index, "select path from keywords where units is not null") == []


@pytest.fixture(scope="module")
def published(shared: Path) -> pd.DataFrame:
    """The published table; its first eight rows are copies of later ones."""
    table = pd.read_csv(shared / "data" / "osiris_published_metadata.csv.gz", parse_dates=["start_time", "stop_time"])
    return table.drop_duplicates("prod_id", keep="last").sort_values("prod_id").reset_index(drop=True)


def assert_published(found: pd.DataFrame, published: pd.DataFrame) -> None:
    """Compare every scraped column exactly; all but the author's own path and what is computed from others."""
    assert len(found) == len(published) == 10_344
    names = [name for name in published.columns if name in found.columns]
    assert set(names) == {"dataset", "mission_id", "prod_id", "start_time", "stop_time", "instr_id", *PUBLISHED}
    differing_rows = {
        name: int((found[name].to_numpy() != published[name].astype(found[name].dtype).to_numpy()).sum())
        for name in names
    }
    assert differing_rows == dict.fromkeys(names, 0)


def test_the_published_table_comes_out_of_sql(osiris_index: Path, published: pd.DataFrame) -> None:
    columns = ", ".join(
        f'"{path}" as {name}' if item is None else f'"{path}"[{item + 1}] as {name}'
        for name, (path, item) in PUBLISHED.items()
    )
    question = f"""
        select dataset, "MISSION_ID" as mission_id, id as prod_id, p.start_time, p.stop_time, instrument as instr_id, {columns}
        from products p join meta."RO/OSINAC" using (product_key)
        where "IMAGE_POI/ROSETTA:SURF_INT_CART_COORD" is not null
          and "IMAGE_POI/ROSETTA:SURFACE_INTERCEPT_DISTANCE" < 50
        order by id"""
    with closing(duckdb.connect(str(osiris_index), read_only=True)) as connection:
        assert_published(connection.execute(question).df(), published)


def test_the_published_table_comes_out_of_a_search(osiris_index: Path, published: pd.DataFrame) -> None:
    with open_index(osiris_index) as index:
        results = index.search(
            instrument="OSINAC",
            filter="SURFACE_INTERCEPT_DISTANCE < 50 km and SURF_INT_CART_COORD is not null",
            keywords=["MISSION_ID", *dict.fromkeys(path for path, _ in PUBLISHED.values())],
            versions="all",
        )
        table = results.df.sort_values("id").reset_index(drop=True)
    found = pd.DataFrame(
        {
            name: table[_column(table, path)]
            if item is None
            else table[_column(table, path)].map(lambda v, i=item: v[i])
            for name, (path, item) in PUBLISHED.items()
        }
    )
    own = ["dataset", "id", "start_time", "stop_time", "instrument"]
    renamed = table[own].rename(columns={"id": "prod_id", "instrument": "instr_id"})
    found = pd.concat([renamed, table[[_column(table, "MISSION_ID")]].set_axis(["mission_id"], axis=1), found], axis=1)
    assert_published(found, published)


def _column(table: pd.DataFrame, path: str) -> str:
    """Column of a keyword: as it was asked for, or by its short name."""
    return path if path in table.columns else path.rpartition("/")[2]


def test_one_process_and_small_chunks_give_the_same_index(
    osiris_labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_set = next(path for path in sorted(osiris_labels.iterdir()) if sum(1 for _ in path.rglob("*.LBL")) > 300)
    monkeypatch.setattr("psalab.index.build.CHUNK", 150)
    for jobs in (1, 2):
        build_index(data_set, tmp_path / f"{jobs}.duckdb", jobs=jobs, structure=True)
    assert differences(tmp_path / "1.duckdb", tmp_path / "2.duckdb") == {}


def test_with_structure_osiris_has_315_keywords_in_every_label(osiris_labels: Path, tmp_path: Path) -> None:
    build_index(osiris_labels, tmp_path / "index.duckdb", jobs=2, structure=True)
    seen = "count + coalesce(list_sum(map_values(missing)), 0)"
    counted = ask(tmp_path / "index.duckdb", f"select count(column_name), min({seen}), max({seen}) from keywords")
    assert counted == [(315, 12_344, 12_344)]


# ------------------------------------------------------------------------------------------------------- all archives


@pytest.mark.parametrize("archive", ["labels_only", "real_products"])
def test_scraper_and_read_label_give_the_same_of_every_label(real_archive: Callable[[str], Path], archive: str) -> None:
    root = real_archive(archive)
    labels = labels_below(root)
    assert len(labels) > 300
    assert [line for at in range(0, len(labels), 1000) for line in differing(root, labels[at : at + 1000])] == []


def test_scraper_and_read_label_give_the_same_of_osiris_labels(osiris_labels: Path) -> None:
    labels = labels_below(osiris_labels)
    chosen = labels[:: max(1, len(labels) // SAMPLE)]
    assert [
        line for at in range(0, len(chosen), 1000) for line in differing(osiris_labels, chosen[at : at + 1000])
    ] == []


def test_osiris_labels_go_the_fast_way(osiris_labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly: list[int] = []
    monkeypatch.setattr(scraping._Scraper, "_whole", lambda _, number: slowly.append(number))
    by_scraper(osiris_labels, labels_below(osiris_labels)[:500])
    assert slowly == []


@pytest.mark.parametrize("archive", ["labels_only", "real_products"])
def test_every_label_is_indexed_with_all_its_keywords_or_rejected(
    real_archive: Callable[[str], Path], tmp_path: Path, archive: str
) -> None:
    root, index = real_archive(archive), tmp_path / "index.duckdb"
    build_index(root, index, jobs=2, structure=True)
    ((labels, products, rejected),) = ask(index, "select labels, products, rejected from runs")
    assert labels == products + rejected
    reasons = dict(ask(index, "select path, reason from rejected"))
    assert all(reasons.values())
    held = indexed_paths(index)
    names = labels_below(root)
    assert held.keys() | reasons.keys() >= {name.replace("\\", "\\\\") for name in names}
    lost = {
        label: paths for label, found in held.items() if (paths := paths_with_values(root / unescape(label)) ^ found)
    }
    assert lost == {}


def indexed_paths(index: Path) -> dict[str, set[str]]:
    """Paths of the keywords that have a value, for each product: from its wide table, the long one and the odd values."""
    labels = dict(ask(index, "select product_key, label from products"))
    found: dict[str, set[str]] = {label: set() for label in labels.values()}
    for table in ("meta.other", "odd_values"):
        for key, path in ask(index, f"select product_key, path from {table} where text is not null"):
            found[labels[key]].add(path)
    for (family,) in ask(index, "select family from families where wide"):
        columns = ask(
            index, "select column_name, path from keywords where family = ? and column_name is not null", family
        )
        paths = [path for _, path in columns]
        names = ", ".join(f'"{name}"' for name, _ in columns)
        for key, *values in ask(index, f'select product_key, {names} from meta."{family}"'):
            held = (path for path, value in zip(paths, values, strict=True) if _has_value(value))
            found[labels[key]].update(held)
    return found


def _has_value(value: object) -> bool:
    return any(item is not None for item in value) if isinstance(value, list) else value is not None


def paths_with_values(path: Path) -> set[str]:
    """Paths of the keywords of a label that have a value."""
    try:
        label = read_label(path)
    except LabelError:
        return set()
    return {
        place
        for place, keyword, _ in leaves_of(label.children)
        if any(scalar.kind != MISSING for scalar in scalars(keyword.typed))
    }
