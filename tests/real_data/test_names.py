"""Names as people say them, asked of indexes of real labels."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from psalab.index.ask import Index, open_index
from psalab.index.build import build_index
from psalab.query import And, Condition, In, Like, Or, to_text
from psalab.query.translation import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def index(labels_only: Path, real_products: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = tmp_path_factory.mktemp("names") / "many_missions.duckdb"
    build_index([labels_only, real_products], path, jobs=2)
    with open_index(path) as index:
        yield index


@pytest.mark.parametrize(
    ("asked", "sql"),
    [
        ("Mars Express", "mission ilike 'mars express'"),
        ("Rosetta", "mission = 'INTERNATIONAL ROSETTA MISSION'"),
        ("BepiColombo", "mission = 'BepiColombo' or dataset like 'urn:esa:psa:bc%'"),
        ("ExoMars", "mission in ('ExoMars 2016', 'ExoMars16', 'EXOMARS') or dataset like 'urn:esa:psa:em16%'"),
        ("JUICE", "mission = 'JUICE'"),
        ("Cassini", ("lower(mission) like '%cassini%' or (mission is null and host in ('CO', 'Cassini Orbiter', "
         "'Another thing+Cassini Orbiter'))")),
    ],
)  # fmt: skip
def test_a_mission_is_all_that_its_labels_call_it(index: Index, asked: str, sql: str) -> None:
    expected = index.rows(f"select count(*) from products where ({sql})").rows[0][0]
    assert len(index.search(mission=asked, kind=None, versions="all")) == expected > 0


def test_every_label_of_the_archive_itself_is_recognised(index: Index) -> None:
    """But for exercises and tests, whose labels name no real mission."""
    names = index.search(mission=["BepiColombo", "ExoMars 2016", "JUICE", "Mars Express"], kind=None, versions="all")
    found = {product.dataset for product in names}
    of_the_archive = index.rows(
        "select distinct dataset from products where regexp_matches(dataset, '^urn:esa:psa:(bc|em16)(_|$|:)')"
    ).rows
    assert {dataset for (dataset,) in of_the_archive} <= found


def test_the_list_of_missions_adds_up(index: Index) -> None:
    found = len(index.search())
    assert index.missions()["products"].sum() == index.instruments()["products"].sum() == found
    assert index.datasets()["products"].sum() == found


def test_what_is_listed_is_found_by_its_name(index: Index) -> None:
    for mission, instrument, products in (
        index.instruments()[["mission", "instrument", "products"]].dropna().itertuples(index=False)
    ):
        if " + " not in instrument and "$" not in mission:
            assert len(index.search(mission=mission, instrument=instrument)) >= products, (mission, instrument)


def test_instruments_of_the_archive_are_found_as_people_say_them(index: Index) -> None:
    counts = {
        name: len(index.search(instrument=name))
        for name in ("HRSC", "Mars Express HRSC", "NOMAD", "TGO NOMAD", "cassis")
    }
    assert counts["HRSC"] >= counts["Mars Express HRSC"] > 0
    assert counts["NOMAD"] == counts["TGO NOMAD"] > 0
    assert counts["cassis"] > 0


def test_an_asteroid_is_found_by_number_and_by_name(index: Index) -> None:
    assert len(index.search(target="Bennu")) == len(index.search(target="101955 Bennu")) > 0
    assert index.search(target="Bennu").notes == ("Bennu -> (101955) BENNU, (101955) Bennu, 101955 BENNU and 1 more",)


@pytest.mark.parametrize("asked", ["OSIRIS", "osiris", "OSINAC", "OSIRIS NAC", "osiris-nac", "Rosetta OSIRIS_NAC"])
def test_the_narrow_angle_camera_is_found_in_every_spelling(osiris_index: Index, asked: str) -> None:
    assert len(osiris_index.search(mission="rosetta", instrument=asked, target="67P")) == 12_344


def test_the_wide_angle_camera_is_known_but_not_there(osiris_index: Index) -> None:
    results = osiris_index.search(instrument="OSIRIS WAC")
    assert len(results) == 0
    assert "OSIRIS WAC (Rosetta) is known, but this index holds no product of it" in results.notes[0]


@pytest.fixture(scope="module")
def osiris_index(osiris_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = tmp_path_factory.mktemp("names") / "osiris.duckdb"
    build_index(osiris_labels, path, jobs=2)
    with open_index(path) as index:
        yield index


# ------------------------------------------------------------------------------------------- names in TAP and registry


@pytest.fixture(scope="module")
def epn_core(shared: Path) -> Iterator[Callable[..., int]]:
    """Count rows of the sample of the archive's table by names."""
    with duckdb.connect() as connection:
        connection.read_csv(str(shared / "data" / "epn_sample.csv.gz"), all_varchar=True).to_table("epn_core")
        connection.execute("alter table epn_core alter processing_level type integer")

        def count(**asked: Any) -> int:
            condition = translate("tap", **asked).condition
            text = "true" if condition is None else re.sub(r"(like '[^']*')", r"\1 escape '\\'", to_text(condition))
            return int(connection.execute(f"select count(*) from epn_core where {text}").fetchall()[0][0])

        yield count


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({"instrument": "OSIRIS"}, 3750),
        ({"mission": "Rosetta", "instrument": "osiris-nac", "target": "67P", "level": "calibrated"}, 3750),
        ({"instrument": "OSIWAC"}, 0),
        ({"instrument": "VEX ASPERA-4"}, 15),
        ({"instrument": "VeRa"}, 21),
        ({"instrument": "SOIR"}, 7),
        ({"instrument": "D-CIXS"}, 3),
        ({"instrument": "Bepi MAG", "target": "mercury"}, 5),
        ({"mission": "SMART-1", "target": "Moon"}, 30),
        ({"instrument": "SIR-2"}, 2),
    ],
)
def test_names_find_their_rows_in_the_archives_table(epn_core: Callable[..., int], asked: Any, rows: int) -> None:
    assert epn_core(**asked) == rows


def fits(condition: Condition, document: dict[str, Any]) -> bool:
    """Whether a document of the registry fulfils a condition."""
    match condition:
        case And(conditions=parts):
            return all(fits(part, document) for part in parts)
        case Or(conditions=parts):
            return any(fits(part, document) for part in parts)
        case In(name=name, values=values):
            return any(value in {constant.value for constant in values} for value in given(document, name))
        case Like(name=name, pattern=pattern):
            expression = re.escape(re.sub(r"\\(.)", r"\1", pattern.value)).replace("%", ".*")
            return any(re.fullmatch(expression, value) for value in given(document, name))
    raise AssertionError(condition)


def given(document: dict[str, Any], name: str) -> list[str]:
    value = document.get(name, [])
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("asked", "bundles"),
    [
        ({"mission": "BepiColombo"}, {"bc_mtm_mcam": 2}),
        ({"instrument": "MCAM"}, {"bc_mtm_mcam": 2}),
        ({"instrument": "MCAM", "level": "raw"}, {"bc_mtm_mcam": 1}),
        ({"mission": "ExoMars"}, {"em16_tgo_nmd": 16, "em16_tgo_cas": 1}),
        ({"instrument": "TGO NOMAD", "target": "Mars"}, {"em16_tgo_nmd": 6}),
        ({"mission": "OSIRIS-REx"}, {"orex.altimetry": 12}),
        ({"instrument": "OSINAC"}, {}),
    ],
)
def test_names_find_their_documents_in_the_registry(
    real_archive: Callable[[str], Path], asked: Any, bundles: dict[str, int]
) -> None:
    condition = translate("registry", **asked).condition
    assert condition is not None
    found: dict[str, int] = {}
    for path in (real_archive("registry_docs") / "flat" / "pairs").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))["_source"]
        if fits(condition, document):
            bundle = document["lid"].split(":")[3]
            found[bundle] = found.get(bundle, 0) + 1
    assert found == bundles
