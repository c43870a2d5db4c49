"""Names as people say them, asked of an index: what they become, what is empty, what is a mistake; and what there is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import psalab
from psalab.errors import FilterError, IndexFileError
from psalab.index.ask import Index, open_index
from tests.index.small_index import FamilyOf, Shape, at, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMET = "67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)"
ROSETTA = {"mission": "INTERNATIONAL ROSETTA MISSION", "host": "RO"}
BEPI = {"mission": "BepiColombo", "host": "Mercury Planetary Orbiter", "targets": ["Mercury"], "standard": "PDS4"}


def camera(name: str, target: str, **product: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A product of an OSIRIS camera."""
    dataset = f"RO-{'C' if target == COMET else 'A'}-{product.get('instrument', 'OSINAC')}-3-V1.0"
    day = at(f"2014-08-0{len(name)}T00:00:00")
    given = {**ROSETTA, "id": name, "dataset": dataset, "targets": [target], "start_time": day, "stop_time": day}
    return {**given, **product}, {"FILTER_NAME": product.get("instrument", "red")}


FAMILIES = [
    FamilyOf(
        "RO/OSINAC",
        "OSINAC",
        [Shape("FILTER_NAME", "text")],
        [camera("N1", COMET), camera("N22", "21 LUTETIA", level="raw"), camera("N", COMET, kind="document")],
    ),
    FamilyOf("RO/OSIWAC", "OSIWAC", [Shape("FILTER_NAME", "text")], [camera("W1", COMET, instrument="OSIWAC")]),
    FamilyOf(
        "RL/ROMAP",
        "ROMAP",
        [],
        [({**ROSETTA, "host": "RL", "id": "R1", "dataset": "RL-C-ROMAP-2-V1.0", "targets": [COMET]}, {})],
    ),
    # two missions with an instrument of one name, and one that the table of names does not know
    FamilyOf(
        "VEX/MAG",
        "MAG",
        [],
        [({"mission": "VENUS EXPRESS", "host": "VEX", "id": "V1", "dataset": "VEX-V-Y-MAG-3-V1.0", "targets": ["VENUS"]}, {})],
    ),
    FamilyOf("SC/MAG", "MAG", [], [({"id": "S1", "targets": ["(1) Ceres", "1 CERES"]}, {})]),
    # of PDS4, the browse product says nothing of mission and instrument
    FamilyOf(
        "bc_mpo_mag/Product_Observational",
        "MPO-MAG",
        [],
        [({**BEPI, "id": "B1", "dataset": "urn:esa:psa:bc_mpo_mag:data_derived", "level": "derived"}, {})],
    ),
    FamilyOf(
        "bc_mpo_mag/Product_Browse",
        "",
        [],
        [
            (
                {
                    "standard": "PDS4",
                    "id": "B2",
                    "kind": "browse",
                    "dataset": "urn:esa:psa:bc_mpo_mag:browse",
                    **dict.fromkeys(("mission", "host", "instrument", "level")),
                    "targets": [],
                },
                {},
            )
        ],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for family in FAMILIES:
        family.wide = False
    return write_index(tmp_path_factory.mktemp("names") / "index.duckdb", FAMILIES)


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with open_index(path) as index:
        yield index


def ids(index: Index, **asked: Any) -> list[str]:
    return sorted(product.id for product in index.search(**asked))


# ----------------------------------------------------------------------------------------------------------- searching


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"mission": "Rosetta"}, ["N1", "N22", "R1", "W1"]),
        ({"mission": "international-rosetta_mission"}, ["N1", "N22", "R1", "W1"]),
        ({"mission": "philae"}, ["R1"]),
        ({"mission": ["Philae", "VEX"]}, ["R1", "V1"]),
        ({"mission": "Bepi", "kind": None}, ["B1", "B2"]),
        ({"mission": "Synthetic"}, ["S1"]),
        ({"mission": "*ROSETTA*"}, ["N1", "N22", "R1", "W1"]),
        ({"instrument": "OSIRIS"}, ["N1", "N22", "W1"]),
        ({"instrument": "OSINAC"}, ["N1", "N22"]),
        ({"instrument": "OSIRIS NAC"}, ["N1", "N22"]),
        ({"instrument": "osiris-nac"}, ["N1", "N22"]),
        ({"instrument": "Rosetta OSIWAC"}, ["W1"]),
        ({"instrument": "OSI*"}, ["N1", "N22", "W1"]),
        ({"instrument": "MAG"}, ["B1", "S1", "V1"]),
        ({"instrument": "VEX MAG"}, ["V1"]),
        ({"instrument": ["VEX MAG", "OSIWAC"]}, ["V1", "W1"]),
        ({"instrument": "MAG", "mission": "BepiColombo"}, ["B1"]),
        ({"instrument": "MAG", "mission": "Bepi", "kind": None}, ["B1", "B2"]),
        ({"instrument": "MPO-MAG", "kind": "browse"}, ["B2"]),
        ({"instrument": "MPO-MAG IB"}, ["B1"]),
        ({"target": "67P"}, ["N1", "R1", "W1"]),
        ({"target": "chury"}, ["N1", "R1", "W1"]),
        ({"target": "C-G"}, ["N1", "R1", "W1"]),
        ({"target": "Lutetia"}, ["N22"]),
        ({"target": "Ceres"}, ["S1"]),
        ({"target": "1 ceres"}, ["S1"]),
        ({"target": ["VENUS", "Mercury"]}, ["B1", "V1"]),
        ({"dataset": "ro-c-osinac-3-v1.0"}, ["N1"]),
        ({"dataset": "VEX-V/Y-MAG-*"}, ["V1"]),
        ({"level": "uncalibrated"}, ["N22"]),
        ({"level": "RAW", "instrument": "OSIRIS"}, ["N22"]),
    ],
)
def test_products_are_found_by_what_people_say(index: Index, asked: Any, expected: list[str]) -> None:
    assert ids(index, **asked) == expected


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        ({"mission": "Rosetta"}, ("Rosetta -> INTERNATIONAL ROSETTA MISSION",)),
        ({"mission": "Venus Express"}, ()),
        ({"mission": "Philae"}, ("Philae -> RL",)),
        ({"instrument": "OSIRIS"}, ("OSIRIS -> OSINAC, OSIWAC",)),
        ({"instrument": "osi-nac"}, ()),
        ({"instrument": "MAG"}, ("MAG -> MAG, MPO-MAG",)),
        ({"mission": "Bepi", "instrument": "MAG"}, ("Bepi -> BepiColombo", "MAG -> MPO-MAG")),
        (
            {"instrument": "MPO-MAG IB"},
            ("MPO-MAG IB -> MPO-MAG", "MPO-MAG IB: the names in labels do not tell the parts of MPO-MAG apart"),
        ),
        ({"target": "67P"}, (f"67P -> {COMET}",)),
        ({"target": "Ceres"}, ("Ceres -> (1) Ceres, 1 CERES",)),
        ({"level": "uncalibrated"}, ("uncalibrated -> raw",)),
        ({"instrument": "OSI*"}, ()),
    ],
)
def test_the_answer_says_what_names_became(index: Index, asked: Any, notes: tuple[str, ...]) -> None:
    assert index.search(**asked).notes == notes


def test_what_names_became_is_in_every_form_of_the_answer(index: Index) -> None:
    results = index.search(target="67P", instrument="OSIRIS")
    assert results.request.names == ("OSIRIS -> OSINAC, OSIWAC", f"67P -> {COMET}")
    assert str(results.request).endswith(f"\n-- OSIRIS -> OSINAC, OSIWAC\n-- 67P -> {COMET}")
    assert f"67P -> {COMET}" in repr(results)
    assert f"67P -&gt; {COMET}" in results._repr_html_()


def test_a_name_that_tells_products_apart_alone_is_one_condition(index: Index) -> None:
    assert "p.instrument in (?, ?)" in index.search(instrument="OSIRIS").request.text
    assert "p.host in (?)" in index.search(mission="Philae").request.text
    assert "p.mission in (?)" in index.search(instrument="VEX MAG").request.text


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        ({"mission": "Mars Express"}, "Mars Express -> nothing: Mars Express is known, but this index holds no product of it"),
        ({"instrument": "HRSC"}, "HRSC -> nothing: HRSC (Mars Express) is known, but this index holds no product of it"),
        ({"target": "Phobos"}, "Phobos -> nothing: Phobos is known, but this index holds no product of it"),
        (
            {"mission": "Rosetta", "instrument": "VEX MAG"},
            "VEX MAG -> nothing: what is called so belongs to other missions",
        ),
    ],
)  # fmt: skip
def test_what_is_known_but_not_there_is_an_empty_answer_that_says_so(index: Index, asked: Any, note: str) -> None:
    results = index.search(**asked)
    assert (len(results), results.df.empty, list(results)) == (0, True, [])
    assert note in results.notes
    assert note in repr(results)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mission": "Rosett"}, "mission='Rosett': this index knows no such mission; did you mean Rosetta?"),
        ({"instrument": "OSIRS"}, "instrument='OSIRS': this index knows no such instrument; did you mean OSIRIS?"),
        ({"instrument": "Mars Express OSIRIS"}, "this index knows no such instrument"),
        ({"target": "Chry"}, "target='Chry': this index knows no such target; did you mean Chury?"),
        ({"target": "67"}, "did you mean 67P?"),
        ({"instrument": ["OSIRIS", "NIX"]}, "instrument='NIX': this index knows no such instrument"),
    ],
)
def test_what_nobody_knows_is_an_error_with_the_nearest_names(index: Index, asked: Any, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        index.search(**asked)
    assert said in str(caught.value)


def test_names_and_filters_hold_together(index: Index) -> None:
    assert ids(index, mission="Rosetta", instrument="OSIRIS", target="Lutetia", level="raw") == ["N22"]
    assert ids(index, mission="Rosetta", instrument="OSIRIS", versions="all", kind=["data", "document"]) == [
        "N",
        "N1",
        "N22",
        "W1",
    ]


def test_values_of_an_instrument_take_its_name_as_people_say_it(index: Index) -> None:
    assert index.values("FILTER_NAME", instrument="osiris nac").values.tolist() == [["red", 3]]
    assert index.values("FILTER_NAME", instrument="OSIRIS").values.tolist() == [["red", 3], ["OSIWAC", 1]]


# ------------------------------------------------------------------------------------------------------------ browsing


def test_missions_are_listed_with_counts_and_times(index: Index) -> None:
    frame = index.missions()
    assert frame["mission"].tolist() == ["BepiColombo", "Rosetta", "SYNTHETIC MISSION", "Venus Express"]
    rosetta = frame.set_index("mission").loc["Rosetta"].to_dict()
    assert rosetta == {
        "called": ["INTERNATIONAL ROSETTA MISSION"],
        "instruments": 3,
        "datasets": 4,
        "products": 4,
        "first": pd.Timestamp("2014-08-02"),
        "last": pd.Timestamp("2014-08-03"),
    }
    assert str(frame["first"].dtype) == "datetime64[us]"
    assert frame["products"].sum() == len(index.search())


def test_instruments_are_listed_for_a_mission(index: Index) -> None:
    frame = index.instruments("rosetta")
    assert frame[["mission", "instrument", "called", "levels", "datasets", "products"]].values.tolist() == [
        ["Rosetta", "OSIRIS NAC", ["OSINAC"], ["raw", "calibrated"], 2, 2],
        ["Rosetta", "OSIRIS WAC", ["OSIWAC"], ["calibrated"], 1, 1],
        ["Rosetta", "ROMAP", ["ROMAP"], ["calibrated"], 1, 1],
    ]
    assert frame.attrs["psalab"]["notes"] == ["rosetta -> INTERNATIONAL ROSETTA MISSION"]


def test_all_instruments_are_listed_without_a_mission(index: Index) -> None:
    frame = index.instruments()
    assert frame[["mission", "instrument"]].values.tolist() == [
        ["BepiColombo", "MPO-MAG"],
        ["Rosetta", "OSIRIS NAC"],
        ["Rosetta", "OSIRIS WAC"],
        ["Rosetta", "ROMAP"],
        ["SYNTHETIC MISSION", "MAG"],
        ["Venus Express", "MAG"],
    ]


def test_data_sets_are_listed_by_the_words_of_a_search(index: Index) -> None:
    frame = index.datasets(mission="Rosetta", instrument="OSIRIS", target="67P")
    assert frame[["dataset", "missions", "instruments", "levels", "products"]].values.tolist() == [
        ["RO-C-OSINAC-3-V1.0", ["Rosetta"], ["OSIRIS NAC"], ["calibrated"], 1],
        ["RO-C-OSIWAC-3-V1.0", ["Rosetta"], ["OSIRIS WAC"], ["calibrated"], 1],
    ]
    assert index.datasets(time=("2014-08-03", None))["dataset"].tolist() == ["RO-A-OSINAC-3-V1.0"]


def test_what_is_called_by_its_name_is_found_by_it(index: Index) -> None:
    for mission, name, products in index.instruments()[["mission", "instrument", "products"]].values.tolist():
        assert len(index.search(mission=mission, instrument=name)) == products


def test_an_empty_list_has_the_same_columns(index: Index) -> None:
    empty, full = index.datasets(mission="Mars Express"), index.datasets()
    assert empty.empty
    assert list(empty.columns) == list(full.columns)
    assert empty.dtypes.tolist() == full.dtypes.tolist()
    assert "this index holds no product of it" in empty.attrs["psalab"]["notes"][0]


# --------------------------------------------------------------------------------------------------- without an index


def test_the_first_questions_open_the_index_themselves(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSALAB_INDEX", str(path))
    monkeypatch.setenv("PSALAB_CONFIG", "")
    assert "Rosetta" in psalab.missions()["mission"].tolist()
    assert psalab.instruments("Philae")["instrument"].tolist() == ["ROMAP"]
    assert psalab.datasets(instrument="MPO-MAG")["last"].tolist() == [pd.NaT]
    assert psalab.datasets(mission="Philae", index=path)["dataset"].tolist() == ["RL-C-ROMAP-2-V1.0"]


def test_without_an_index_the_message_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PSALAB_INDEX", raising=False)
    monkeypatch.setenv("PSALAB_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises((IndexFileError, psalab.errors.ConfigError)):
        psalab.missions()


def test_times_of_a_list_are_those_of_the_products(index: Index) -> None:
    assert index.instruments("Rosetta")["last"].max() == datetime(2014, 8, 3)
