"""What names become for a source."""

from __future__ import annotations

import doctest
from typing import Any, get_args

import pytest

from psalab.errors import FilterError
from psalab.query import parse, to_text, translation
from psalab.query.names import names
from psalab.query.translation import Source, listed, translate

SOURCES = get_args(Source)


def becomes(source: Any, **asked: Any) -> str | None:
    condition = translate(source, **asked).condition
    return None if condition is None else to_text(condition)


# ----------------------------------------------------------------------------------------------------------------- TAP


def test_a_camera_of_osiris_is_told_in_tap_by_its_data_sets() -> None:
    assert becomes("tap", mission="Rosetta", instrument="osiris-nac") == (
        "instrument_host_name in ('Rosetta') and instrument_name in ('OSIRIS') and granule_gid like 'RO-%-OSINAC-%'"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),
        ({"mission": "vex"}, "instrument_host_name in ('Venus Express')"),
        ({"mission": "Philae"}, "granule_gid like 'RL-%' or granule_gid like 'RO/RL-%'"),
        ({"instrument": "DISR"}, "instrument_host_name in ('Huygens') and instrument_name in ('DISR')"),
        ({"instrument": "Rosetta OSIRIS"}, "instrument_host_name in ('Rosetta') and instrument_name in ('OSIRIS')"),
        ({"instrument": "MRS"}, "instrument_host_name in ('Mars Express') and instrument_name in ('MaRS', 'MRS')"),
        (
            {"instrument": "VEX MAG", "mission": ["Venus Express", "Rosetta"]},
            ("(instrument_host_name in ('Venus Express') or instrument_host_name in ('Rosetta')) and "
            "instrument_host_name in ('Venus Express') and instrument_name in ('MAG')"),
        ),
        (
            {"instrument": "FREND"},
            ("instrument_host_name in ('ExoMars 2016') and "
            r"(granule_gid like 'urn:esa:psa:em16\_tgo\_frd' or granule_gid like 'urn:esa:psa:em16\_tgo\_frd:%')"),
        ),
        # nothing is known of it: as people say it
        (
            {"instrument": "JANUS"},
            ("instrument_host_name in ('JUICE', 'Jupiter Icy Moons Explorer') and "
            "instrument_name in ('JANUS', 'Jovis, Amorum ac Natorum Undique Scrutator')"),
        ),
        ({"target": "67P"}, "target_name like '67P%'"),
        ({"target": ["mars", "PHOBOS"]}, "target_name in ('Mars') or target_name in ('Phobos')"),
        ({"target": "Ganymede"}, "target_name in ('Ganymede')"),
        ({"level": "raw", "target": "Moon"}, "target_name in ('Moon') and processing_level in (1, 2)"),
    ],
)  # fmt: skip
def test_names_become_columns_of_tap(asked: Any, expected: str | None) -> None:
    assert becomes("tap", **asked) == expected


def test_an_instrument_whose_levels_tap_numbers_otherwise_is_asked_for_by_both() -> None:
    osiris = "instrument_host_name in ('Rosetta') and instrument_name in ('OSIRIS')"
    either = f"processing_level in (3, 4) or {osiris} and processing_level in (5)"
    assert becomes("tap", level="calibrated") == either
    assert becomes("tap", level="calibrated", instrument="OSIRIS") == f"{osiris} and ({either})"
    assert becomes("tap", level="calibrated", instrument="MIRO") == (
        "instrument_host_name in ('Rosetta') and instrument_name in ('MIRO') and processing_level in (3, 4)"
    )


# ------------------------------------------------------------------------------------------------------- other sources


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"mission": "Rosetta"}, "MISSION_NAME in ('INTERNATIONAL ROSETTA MISSION')"),
        ({"mission": "Philae"}, "INSTRUMENT_HOST_ID in ('RL')"),
        ({"instrument": "ASPERA-4"}, "MISSION_NAME in ('VENUS EXPRESS') and INSTRUMENT_ID in ('ASPERA-4')"),
        (
            {"instrument": "OSIRIS"},
            "MISSION_NAME in ('INTERNATIONAL ROSETTA MISSION') and INSTRUMENT_ID in ('OSINAC', 'OSIWAC')",
        ),
        (
            {"instrument": "SOIR"},
            "MISSION_NAME in ('VENUS EXPRESS') and INSTRUMENT_ID in ('SPICAV') and DATA_SET_ID like 'VEX-%-SPICAV-%-SOIR-%'",
        ),
        ({"target": "Chury"}, "TARGET_NAME in ('67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)')"),
        ({"level": "calibrated"}, "PROCESSING_LEVEL_ID in ('3', '4')"),
    ],
)  # fmt: skip
def test_names_become_keywords_of_pds3(asked: Any, expected: str) -> None:
    assert becomes("pds3", **asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"mission": "ExoMars"}, "pds:Investigation_Area/pds:name in ('ExoMars 2016', 'ExoMars16', 'EXOMARS')"),
        (
            {"instrument": "BepiColombo MAG"},
            "pds:Investigation_Area/pds:name in ('BepiColombo') and pds:Observing_System_Component/pds:name in ('MPO-MAG')",
        ),
        ({"target": "Bennu"}, "pds:Target_Identification/pds:name in ('(101955) Bennu')"),
        ({"level": "raw"}, "pds:Primary_Result_Summary/pds:processing_level in ('Telemetry', 'Raw', 'Partially Processed')"),
    ],
)  # fmt: skip
def test_names_become_attributes_of_pds4(asked: Any, expected: str) -> None:
    assert becomes("pds4", **asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"mission": "Bepi"},
            ("ref_lid_investigation in ('urn:esa:psa:context:investigation:mission.bc') or "
            r"lid like 'urn:esa:psa:bc' or lid like 'urn:esa:psa:bc:%' or lid like 'urn:esa:psa:bc\_%'"),
        ),
        (
            {"mission": "MTM"},
            ("ref_lid_instrument_host in ('urn:esa:psa:context:instrument_host:spacecraft.mtm') or "
            r"lid like 'urn:esa:psa:bc\_mtm\_%'"),
        ),
        (
            {"mission": "Rosetta"},
            ("ref_lid_investigation in ('urn:esa:psa:context:investigation:mission.international_rosetta_mission', "
            "'urn:nasa:pds:context:investigation:mission.international_rosetta_mission')"),
        ),
        (
            {"instrument": "MCAM"},
            ("ref_lid_instrument in ('urn:esa:psa:context:instrument:mcam.mtm', 'urn:esa:psa:context:instrument:mtm.mcam') or "
            r"lid like 'urn:esa:psa:bc\_mtm\_mcam' or lid like 'urn:esa:psa:bc\_mtm\_mcam:%'"),
        ),
        ({"target": "433 Eros"}, "ref_lid_target in ('urn:nasa:pds:context:target:asteroid.433_eros')"),
    ],
)  # fmt: skip
def test_names_become_references_of_the_registry(asked: Any, expected: str) -> None:
    assert becomes("registry", **asked) == expected


def test_what_the_registry_has_no_word_for_matches_nothing_and_says_so() -> None:
    translation = translate("registry", instrument="OSINAC")
    assert translation.condition is not None
    assert to_text(translation.condition) == "ref_lid_instrument in ()"
    assert translation.notes == (
        "OSINAC -> ref_lid_instrument in () (registry has no word for OSIRIS NAC that is known)",
    )


# ------------------------------------------------------------------------------------------------------------- for all


def test_the_answer_says_what_each_name_became() -> None:
    assert translate("tap", mission="Rosetta", instrument="VIRTIS-M", target="67P").notes == (
        "Rosetta -> instrument_host_name in ('Rosetta')",
        (
            "VIRTIS-M -> instrument_host_name in ('Rosetta') and instrument_name in ('VIRTIS') "
            "(it does not tell the parts of VIRTIS apart)"
        ),
        "67P -> target_name like '67P%'",
    )


@pytest.mark.parametrize("source", SOURCES)
def test_every_name_becomes_a_condition_that_can_be_written_and_read(source: Any) -> None:
    for entry in names().entries:
        kind: Any = "mission" if entry.kind == "host" else entry.kind
        said = f"{entry.mission} {entry.name}" if entry.kind == "instrument" else entry.name
        asked: dict[str, Any] = {kind: said}
        condition = translate(source, **asked).condition
        assert condition is not None
        assert parse(to_text(condition)) == condition


def test_an_instrument_of_several_missions_means_that_of_the_missions_asked_for() -> None:
    both, one = becomes("tap", instrument="VIRTIS"), becomes("tap", instrument="VIRTIS", mission="Rosetta")
    assert both is not None
    assert "Venus Express" in both
    assert one == "instrument_host_name in ('Rosetta') and instrument_name in ('VIRTIS')"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mission": "Rosett"}, "mission='Rosett': no such mission is known; did you mean Rosetta or"),
        ({"instrument": "OSINACC"}, "instrument='OSINACC': no such instrument is known; did you mean OSINAC or"),
        ({"target": "67"}, "target='67': no such target is known; did you mean 67P"),
        ({"level": "row"}, "level='row': no such level is known; did you mean raw?"),
        ({"instrument": ["OSINAC", 5]}, "expected a text, or a list of texts"),
        ({"target": ""}, "expected a text, or a list of texts"),
    ],
)
def test_an_unknown_name_is_an_error_with_suggestions(asked: Any, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        translate("tap", **asked)
    assert said in str(caught.value)


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(FilterError, match="expected one of pds3, pds4, tap, registry"):
        translate("pds5", mission="Rosetta")  # type: ignore[arg-type]


def test_one_name_or_several_become_a_list() -> None:
    assert listed("mission", " Rosetta ") == ["Rosetta"]
    assert listed("mission", ("Rosetta", "JUICE")) == ["Rosetta", "JUICE"]


def test_the_examples_of_the_documentation_are_true() -> None:
    assert doctest.testmod(translation).failed == 0
