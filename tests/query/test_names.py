"""The table of names: that it is sound, that people are understood, and that labels are recognised."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.labels import identity
from psalab.query.names import Entry, Names, has_wildcard, holds, key, like, names, read, shortened, suggestion

TABLE = names()


def said(*arguments: Any) -> list[str]:
    """What was found, with its mission."""
    return [f"{entry.mission}: {entry.name}" if entry.mission else entry.name for entry in TABLE.find(*arguments)]


# ----------------------------------------------------------------------------------------------------------- the table


def test_a_name_means_one_thing() -> None:
    """Missions and hosts are asked for alike; instruments of two missions may share a name."""
    meant = defaultdict(set)
    for entry in TABLE.entries:
        kind = "mission" if entry.kind == "host" else entry.kind
        owner = entry.mission or entry.name if kind == "mission" else entry.name
        for name in entry.spoken:
            meant[kind, entry.mission if kind == "instrument" else None, key(name)].add(owner)
    assert {place: owners for place, owners in meant.items() if len(owners) > 1} == {}


def test_hosts_of_one_mission_share_no_name() -> None:
    meant = defaultdict(set)
    for entry in TABLE.of_kind("host"):
        for name in entry.written:
            meant[key(name)].add((entry.mission, entry.name))
    assert {name: hosts for name, hosts in meant.items() if len(hosts) > 1} == {}


def test_a_word_of_labels_means_one_instrument_of_a_mission() -> None:
    meant = defaultdict(set)
    for entry in TABLE.of_kind("instrument"):
        for name in entry.written:
            meant[entry.mission, key(name)].add(entry.name)
    assert {place: found for place, found in meant.items() if len(found) > 1} == {}


def test_no_entry_repeats_itself() -> None:
    repeated = {
        (entry.kind, entry.mission, entry.name): listed
        for entry in TABLE.entries
        for listed in (tuple(map(key, entry.spoken)), entry.pds3, entry.pds4, entry.tap, entry.lids, entry.datasets)
        if len(listed) != len(set(listed))
    }
    assert repeated == {}


def test_every_part_belongs_to_a_whole_instrument_of_its_mission() -> None:
    for part in (entry for entry in TABLE.of_kind("instrument") if entry.part_of is not None):
        whole = TABLE.whole(part)
        assert (whole.mission, whole.part_of) == (part.mission, None)
        assert part in TABLE.parts(whole)


def test_every_host_and_instrument_belongs_to_a_mission_and_every_instrument_to_a_host_of_it() -> None:
    missions = {entry.name for entry in TABLE.of_kind("mission")}
    hosts = {(entry.mission, entry.name) for entry in TABLE.of_kind("host")}
    assert {entry.mission for entry in TABLE.entries if entry.kind in ("host", "instrument")} <= missions
    assert {(e.mission, e.host) for e in TABLE.of_kind("instrument") if e.host is not None} <= hosts


def test_the_data_sets_of_an_instrument_are_those_of_its_mission_alone() -> None:
    owned = [(entry, pattern) for entry in TABLE.entries if entry.mission for pattern in entry.datasets]
    for entry, pattern in owned:
        example = pattern.replace("*", "X")
        owners = [mission.name for mission in TABLE.of_kind("mission") if mission.owns(example)]
        assert owners == [entry.mission], pattern


def test_context_products_are_of_the_kind_of_their_entry() -> None:
    steps = {"mission": "investigation", "host": "instrument_host", "instrument": "instrument", "target": "target"}
    for entry in TABLE.entries:
        for lid in entry.lids:
            assert lid.split(":")[3:5] == ["context", steps[entry.kind]], lid


def test_levels_are_those_of_the_index() -> None:
    levels = {entry.name: entry for entry in TABLE.of_kind("level")}
    assert {number: name for name, entry in levels.items() for number in entry.pds3} == identity._CODMAC
    assert {word.upper(): name for name, entry in levels.items() for word in entry.pds4} == identity._PDS4_LEVELS
    exceptions = {level for entry in TABLE.entries for level, _ in entry.tap_levels}
    assert exceptions <= set(levels)


@pytest.mark.parametrize(
    "mission",
    [
        "Rosetta",
        "Philae",
        "Mars Express",
        "Venus Express",
        "Giotto",
        "Huygens",
        "SMART-1",
        "Chandrayaan-1",
        "BepiColombo",
        "ExoMars 2016",
        "JUICE",
        "Hera",
        "Hubble",
        "Ground Based",
    ],
)
def test_every_mission_of_the_archive_is_known(mission: str) -> None:
    assert [entry.name for entry in TABLE.find("mission", mission)] == [mission]


def test_a_file_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="alias"):
        list(read({"mission": [{"name": "X", "alias": ["Y"]}]}))


def test_entries_are_frozen_and_the_table_is_read_once() -> None:
    with pytest.raises(FrozenInstanceError):
        TABLE.entries[0].name = "X"  # type: ignore[misc]
    assert names() is TABLE


# ------------------------------------------------------------------------------------------------- from what people say


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("mission", "rosetta", ["Rosetta"]),
        ("mission", "INTERNATIONAL_ROSETTA_MISSION", ["Rosetta"]),
        ("mission", "philae", ["Rosetta: Philae"]),
        ("mission", "Rosetta-Lander", ["Rosetta: Philae"]),
        ("mission", "TGO", ["ExoMars 2016: Trace Gas Orbiter"]),
        ("mission", "smart 1", ["SMART-1"]),
        ("mission", "Rosett", []),
        ("instrument", "OSIRIS", ["Rosetta: OSIRIS"]),
        ("instrument", "osinac", ["Rosetta: OSIRIS NAC"]),
        ("instrument", "OSIRIS NAC", ["Rosetta: OSIRIS NAC"]),
        ("instrument", "osiris-nac", ["Rosetta: OSIRIS NAC"]),
        ("instrument", "Rosetta OSIRIS_NAC", ["Rosetta: OSIRIS NAC"]),
        ("instrument", "Mars Express HRSC", ["Mars Express: HRSC"]),
        ("instrument", "mex hrsc", ["Mars Express: HRSC"]),
        ("instrument", "VIRTIS", ["Rosetta: VIRTIS", "Venus Express: VIRTIS"]),
        ("instrument", "VEX VIRTIS-H", ["Venus Express: VIRTIS-H"]),
        ("instrument", "Philae ROMAP", ["Rosetta: ROMAP"]),
        ("instrument", "Mars Express OSIRIS", []),
        ("instrument", "NAC of OSIRIS", []),
        ("instrument", "MIXS*", ["BepiColombo: MIXS", "BepiColombo: MIXS-C", "BepiColombo: MIXS-T"]),
        ("target", "67p", ["67P/Churyumov-Gerasimenko"]),
        ("target", "Chury", ["67P/Churyumov-Gerasimenko"]),
        ("target", "Gerasimenko", ["67P/Churyumov-Gerasimenko"]),
        ("target", "67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)", ["67P/Churyumov-Gerasimenko"]),
        ("target", "Šteins", ["Steins"]),
        ("target", "21 Lutetia", ["Lutetia"]),
        ("target", "134340", ["Pluto"]),
        ("target", "67", []),
        ("level", "RAW", ["raw"]),
        ("level", "row", []),
    ],
)  # fmt: skip
def test_people_are_understood(kind: Any, name: str, expected: list[str]) -> None:
    assert said(kind, name) == expected


@given(data=st.data(), joint=st.sampled_from([" ", "-", "_", "", "  "]), case=st.sampled_from([str.upper, str.lower]))
def test_every_name_is_found_in_any_case_and_with_any_blanks(data: st.DataObject, joint: str, case: Any) -> None:
    entry = data.draw(st.sampled_from(TABLE.entries))
    name = data.draw(st.sampled_from(entry.spoken))
    found = TABLE.find(
        "mission" if entry.kind == "host" else entry.kind, case(joint.join(name.replace("-", " ").split()))
    )
    owners = [TABLE.mission_of(entry)] if entry.kind == "host" else []
    assert entry in found or any(owner in found for owner in owners)


def test_an_instrument_stands_for_its_parts() -> None:
    osiris, nac = TABLE.find("instrument", "OSIRIS")[0], TABLE.find("instrument", "OSINAC")[0]
    assert [entry.name for entry in TABLE.covered(osiris)] == ["OSIRIS", "OSIRIS NAC", "OSIRIS WAC"]
    assert [entry.name for entry in TABLE.covered(nac)] == ["OSIRIS NAC"]


def test_a_part_that_no_label_tells_apart_stands_for_the_whole() -> None:
    part = TABLE.find("instrument", "Rosetta VIRTIS-M")[0]
    assert not part.told_apart
    assert [entry.name for entry in TABLE.covered(part)] == ["VIRTIS-M", "VIRTIS"]


# ------------------------------------------------------------------------------------------------ from what labels say


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("INTERNATIONAL ROSETTA MISSION", "RO", "OSINAC", "RO-C-OSINAC-3-PRL-67PCHURYUMOV-M06-V2.0"),
            ["Rosetta", "Rosetta", "OSIRIS NAC"],
        ),
        (("INTERNATIONAL ROSETTA MISSION", "RL", "ROMAP", "RL-C-ROMAP-2-SDL-MAG-V1.0"), ["Rosetta", "Philae", "ROMAP"]),
        (
            ("INTERNATIONAL ROSETTA MISSION", "RL+RO", "CONSERT", "RO/RL-C-CONSERT-2-SDL-V2.0"),
            ["Rosetta", "Philae", "Rosetta", "CONSERT"],
        ),
        (("MARS EXPRESS", "MEX", "HRSC", "MEX-M-HRSC-3-RDR-V3.0"), ["Mars Express", "Mars Express", "HRSC"]),
        (("VENUS EXPRESS", "VEX", "SPICAV", "VEX-Y/V-SPICAV-2-SOIR-EXT1-V1.0"), ["Venus Express", "Venus Express", "SOIR"]),
        (
            ("BepiColombo", "Mercury Planetary Orbiter", "MPO-MAG", "urn:esa:psa:bc_mpo_mag:data_derived"),
            ["BepiColombo", "Mercury Planetary Orbiter", "MPO-MAG"],
        ),
        (("ExoMars16", "TGO", "NOMAD", "urn:esa:psa:em16_tgo_nmd:data_raw"), ["ExoMars 2016", "Trace Gas Orbiter", "NOMAD"]),
        # browse products and documents name neither mission nor instrument: the bundle does
        ((None, None, None, "urn:esa:psa:bc_mtm_mcam:browse"), ["BepiColombo", "Mercury Transfer Module", "MCAM"]),
        ((None, None, None, "urn:esa:psa:bc"), ["BepiColombo"]),
        # an older label names the host alone
        ((None, "GO", "SSI", "GO-J/JSA-SSI-2-REDR-V1.0"), ["Galileo", "Galileo Orbiter", "SSI"]),
        (("Cassini Orbiter", None, "CDA", None), ["Cassini-Huygens", "CDA"]),
        ((None, None, None, "VEX-V-VIRTIS-2-3-V3.0"), ["Venus Express", "Venus Express", "VIRTIS"]),
        (
            ("OSIRIS-REx", "OSIRIS-REx", "OCAMS+OLA", None),
            ["OSIRIS-REx", "OSIRIS-REx", "OCAMS", "OLA"],
        ),
        (("ROSETTA", None, "UNHEARD OF", None), ["Rosetta"]),
        ((None, None, "OSINAC", None), []),
        (("SYNTHETIC", "SC", "CAM", "SC-CAM-V1.0"), []),
        ((None, None, None, None), []),
    ],
)  # fmt: skip
def test_labels_are_recognised(words: tuple[str | None, ...], expected: list[str]) -> None:
    assert [entry.name for entry in TABLE.recognise(*words).entries] == expected


def test_a_table_of_ones_own_does_as_well() -> None:
    document = {
        "mission": [
            {
                "name": "Example",
                "datasets": ["EX-*"],
                "instruments": [{"name": "CAM"}, {"name": "CAM 1", "of": "CAM", "pds3": ["C1"]}],
            }
        ]
    }
    table = Names(read(document))
    assert [entry.name for entry in table.recognise(None, None, "C1", "EX-CAL-C1-2-V1.0").entries] == [
        "Example",
        "CAM 1",
    ]
    assert [entry.name for entry in table.covered(table.find("instrument", "cam")[0])] == ["CAM", "CAM 1"]


# ------------------------------------------------------------------------------------------------------ comparing names


@pytest.mark.parametrize(
    ("one", "other"),
    [("OSIRIS-NAC", "osiris nac"), ("J_MAG", "J-MAG"), ("MPO-MAG", "mpomag"), ("Šteins", "STEINS"), ("L'TES", "LTES")],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_names_without_letters_are_themselves() -> None:
    assert key("--") == "--" != key("-")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)", "67p", True),
        ("67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)", "churyumov gerasimenko", True),
        ("67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)", "67", False),
        ("67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)", "67P Gerasimenko", False),
        ("(1) Ceres", "1 CERES", True),
        ("MARSALIS", "MARS", False),
        ("MARS", "", False),
    ],
)
def test_a_name_is_held_as_whole_words(text: str, name: str, expected: bool) -> None:
    assert holds(text, name) is expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("RO-*-OSINAC-*", "RO-C-OSINAC-3-PRL-V1.0", True),
        ("vex-v-virtis-2/3-*", "VEX-V-VIRTIS-2-3-V3.0", True),
        ("OSI?AC", "osinac", True),
        ("OSI*", "ROSINA", False),
        ("V1.0", "V1x0", False),
        ("[A]*", "[A]B", True),
        ("A*", "A\nB", True),
        ("*a*b*c", "xaxbxbxc", True),
        ("*a*b*a", "ab", False),
        ("a*a", "a", False),
        ("*" * 50 + "x", "a" * 500, False),
        ("*a" * 50 + "x", "a" * 500, False),
    ],
)
def test_patterns_are_compared_in_any_case_and_with_any_separator(pattern: str, name: str, expected: bool) -> None:
    assert like(pattern, name) is expected


@given(pattern=st.text("ab-*?", max_size=8), name=st.text("ab-", max_size=8))
def test_a_pattern_fits_as_in_a_shell(pattern: str, name: str) -> None:
    single = [re.sub("-+", "-", text) for text in (pattern, name)]  # separators are one, however many
    assert like(pattern, name) == fnmatch.fnmatchcase(single[1], single[0])


def test_stars_and_question_marks_make_a_pattern() -> None:
    assert [has_wildcard(name) for name in ("OSI*", "OSI?AC", "OSINAC")] == [True, True, False]


@pytest.mark.parametrize(
    ("asked", "known", "further", "expected"),
    [
        ("OSIRS", ["OSINAC", "HRSC"], ["OSIRIS", "VIRTIS"], "; did you mean OSIRIS?"),
        ("CAMM", ["CAM", "DUST"], ["MCAM"], "; did you mean CAM?"),
        ("67", ["67P/CHURYUMOV", "MARS"], [], "; did you mean 67P/CHURYUMOV?"),
        ("XYZ", ["b", "A"], [], "; it knows A, b"),
        ("XYZ", list("abcdefghij"), [], "; it knows a, b, c, d, e, f, g, h, ..."),
        ("CAMM", ["MCAM"], ["CAM"], "; did you mean CAM?"),
        ("XYZ", [], ["XYZZ"], "; it has none at all"),
    ],
)
def test_the_nearest_names_are_suggested(asked: str, known: list[str], further: list[str], expected: str) -> None:
    assert suggestion(asked, known, further) == expected


def test_a_long_name_is_cut_in_a_message() -> None:
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 61) == "x" * 59 + "…"


def test_an_entry_says_what_it_is_called() -> None:
    entry = Entry("target", "Mars", ("Red Planet",), pds3=("MARS",))
    assert entry.spoken == ("Mars", "Red Planet")
    assert entry.written == ("Mars", "Red Planet", "MARS")
