"""What names become for a source: a condition in the source's own fields and words.

=========== ============================================================================================
source      the fields that a condition is about
=========== ============================================================================================
``pds3``    keywords of PDS3 labels: MISSION_NAME, INSTRUMENT_HOST_ID, INSTRUMENT_ID, DATA_SET_ID, ...
``pds4``    attributes of PDS4 labels by the end of their path: pds:Investigation_Area/pds:name, ...
``tap``     columns of the archive's epn_core: instrument_host_name, instrument_name, granule_gid, ...
``registry`` fields of the PDS registry: ref_lid_investigation, ref_lid_instrument, lid, ...
=========== ============================================================================================

The condition is a tree of `psalab.query.conditions`; whoever asks the source renders it as SQL, ADQL or query DSL. Texts in
it are names: they are to be compared in any case, and a field may hold several (``Mars#Phobos`` in TAP), any of which may
match. Source of the fields: EPN-TAP 2.0, section 2; the documents that harvest makes for the registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from psalab.errors import FilterError
from psalab.query.conditions import And, Condition, In, Like, Number, Or, Text
from psalab.query.grammar import to_text
from psalab.query.names import Entry, Kind, Names, names, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Source", "Translation", "listed", "translate"]

Source: TypeAlias = Literal["pds3", "pds4", "tap", "registry"]
OneOrMore: TypeAlias = "str | Iterable[str] | None"


@dataclass(frozen=True, slots=True)
class _Fields:
    """Names of a source's fields, and which words of an entry are its own."""

    words: str
    mission: str
    host: str
    instrument: str
    target: str
    level: str
    dataset: str


_COMPONENT: Final = "pds:Observing_System_Component/pds:name"
_LEVEL: Final = "pds:Primary_Result_Summary/pds:processing_level"
_FIELDS: Final[dict[str, _Fields]] = {
    "pds3": _Fields(
        words="pds3",
        mission="MISSION_NAME",
        host="INSTRUMENT_HOST_ID",
        instrument="INSTRUMENT_ID",
        target="TARGET_NAME",
        level="PROCESSING_LEVEL_ID",
        dataset="DATA_SET_ID",
    ),
    "pds4": _Fields(
        words="pds4",
        mission="pds:Investigation_Area/pds:name",
        host=_COMPONENT,
        instrument=_COMPONENT,
        target="pds:Target_Identification/pds:name",
        level=_LEVEL,
        dataset="pds:Identification_Area/pds:logical_identifier",
    ),
    "tap": _Fields(
        words="tap",
        mission="instrument_host_name",
        host="instrument_host_name",
        instrument="instrument_name",
        target="target_name",
        level="processing_level",
        dataset="granule_gid",
    ),
    "registry": _Fields(
        words="lids",
        mission="ref_lid_investigation",
        host="ref_lid_instrument_host",
        instrument="ref_lid_instrument",
        target="ref_lid_target",
        level=_LEVEL,
        dataset="lid",
    ),
}


@dataclass(frozen=True, slots=True)
class Translation:
    """What names became.

    Attributes
    ----------
    condition : Condition or None
        None where nothing was asked. A name that the source has no word for becomes a condition that nothing fulfils.
    notes : tuple of str
        ``OSINAC -> instrument_name in ('OSIRIS') and ...``, one for each name; what is not told apart is said, too.
    """

    condition: Condition | None
    notes: tuple[str, ...]


def translate(
    source: Source,
    *,
    mission: OneOrMore = None,
    instrument: OneOrMore = None,
    target: OneOrMore = None,
    level: OneOrMore = None,
    table: Names | None = None,
) -> Translation:
    """Translate names as people say them into the words of a source.

    Parameters
    ----------
    source : {'pds3', 'pds4', 'tap', 'registry'}
    mission, instrument, target, level : str or iterable of str, optional
        A list means any of them. An instrument that several missions have means theirs alone, if missions are named, too.
    table : Names, optional
        Another table than the one that is shipped.

    Returns
    -------
    Translation

    Raises
    ------
    FilterError
        A name that is not known, with suggestions.

    Examples
    --------
    >>> from psalab.query import to_text
    >>> to_text(translate("tap", instrument="OSINAC").condition)
    "instrument_host_name in ('Rosetta') and instrument_name in ('OSIRIS') and granule_gid like 'RO-%-OSINAC-%'"
    >>> to_text(translate("registry", instrument="mcam").condition).partition(" or ")[0]
    "ref_lid_instrument in ('urn:esa:psa:context:instrument:mcam.mtm', 'urn:esa:psa:context:instrument:mtm.mcam')"
    """
    asked = _Asked(source, table or names())
    missions = asked.named("mission", mission)
    instruments = asked.named("instrument", instrument, missions)
    parts = [
        None if mission is None else asked.any_of("mission", missions),
        None if instrument is None else asked.any_of("instrument", instruments),
        None if target is None else asked.any_of("target", asked.named("target", target)),
        None if level is None else asked.levels(asked.named("level", level), [e for _, e in instruments]),
    ]
    return Translation(_all(parts), tuple(asked.notes))


def listed(name: str, asked: Any) -> list[str]:
    """Make a list of what a user gives for one or several names.

    Raises
    ------
    FilterError
        It is neither a text nor a list of texts.
    """
    items = [asked] if isinstance(asked, str) else list(asked) if hasattr(asked, "__iter__") else [asked]
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise FilterError(f"{name}={asked!r}: expected a text, or a list of texts")
    return [item.strip() for item in items]


class _Asked:
    """One question to one source; collects the notes."""

    def __init__(self, source: Source, table: Names) -> None:
        if source not in _FIELDS:
            raise FilterError(f"source={source!r}: expected one of {', '.join(_FIELDS)}")
        self.source, self.table, self.fields = source, table, _FIELDS[source]
        self.notes: list[str] = []

    # ------------------------------------------------------------------------------- names to entries

    def named(
        self, kind: Kind, asked: OneOrMore, missions: Iterable[tuple[str, Entry]] = ()
    ) -> list[tuple[str, Entry]]:
        """Pairs of what was said and what it means; of instruments those of the missions, if any belongs to them."""
        owners = {entry.mission or entry.name for _, entry in missions}
        pairs = []
        for item in [] if asked is None else listed(kind, asked):
            found = self.table.find(kind, item)
            if not found:
                near = suggestion(item, self.table.spoken(kind))
                raise FilterError(f"{kind}={item!r}: no such {kind} is known{near}")
            ours = [entry for entry in found if entry.mission in owners]
            pairs += [(item, entry) for entry in ours or found]
        return pairs

    # ------------------------------------------------------------------------------- entries to conditions

    def any_of(self, kind: Kind, pairs: list[tuple[str, Entry]]) -> Condition:
        """Make the condition that any of the entries is meant, and say what each became."""
        conditions = []
        for said, entry in pairs:
            condition = self._instrument(entry) if kind == "instrument" else self._plain(entry)
            self.notes.append(f"{said} -> {to_text(condition)}{self._remark(entry, condition)}")
            conditions.append(condition)
        return _sure(_any(conditions), getattr(self.fields, kind))

    def levels(self, pairs: list[tuple[str, Entry]], instruments: list[Entry]) -> Condition:
        """Make the condition for levels; where TAP numbers those of an instrument in its own way, for it alone."""
        conditions: list[Condition] = []
        for _, entry in pairs:
            words = entry.tap if self.source == "tap" else entry.pds3 if self.source == "pds3" else entry.pds4
            conditions += [self._level(words), *self._exceptions(entry.name, instruments)]
        return _sure(_any(conditions), self.fields.level)

    def _level(self, words: tuple[str, ...]) -> Condition:
        numbers = self.source == "tap"
        return In(self.fields.level, tuple(Number(int(word)) if numbers else Text(word) for word in words))

    def _exceptions(self, level: str, instruments: list[Entry]) -> list[Condition]:
        if self.source != "tap":
            return []
        asked = {(entry.mission, entry.part_of or entry.name) for entry in instruments}
        found = [e for e in self.table.entries if e.tap_levels and (not asked or (e.mission, e.name) in asked)]
        return [
            _sure(_all([self._instrument(entry), self._level(words)]), self.fields.level)
            for entry in found
            for name, words in entry.tap_levels
            if name == level
        ]

    def _plain(self, entry: Entry) -> Condition:
        """Ask for a mission, a host or a target by its own words, else by its data sets, else as people say it."""
        field = getattr(self.fields, entry.kind)
        return _sure(self._known(field, self._words(entry), entry, (entry,)), field)

    def _instrument(self, entry: Entry) -> Condition:
        """Ask for an instrument of its mission; the registry's references tell the mission already."""
        words = self._part(entry) if entry.part_of is not None else self._whole(entry)
        owner = self._owner(entry)
        return _sure(_all([None if owner is None else self._plain(owner), words]), self.fields.instrument)

    def _owner(self, entry: Entry) -> Entry | None:
        if self.source == "registry":
            return None
        hosts = (host for host in self.table.of_kind("host", entry.mission) if host.name == entry.host)
        return next((host for host in hosts if self._words(host)), None) or self.table.mission_of(entry)

    def _part(self, entry: Entry) -> Condition | None:
        """Ask for a part by its own words, or by the whole's and its own data sets, or for the whole."""
        words = _matching(self.fields.instrument, self._words(entry))
        return _first(words, _all([self._whole(self.table.whole(entry)), self._of_data_sets((entry,))]))

    def _whole(self, entry: Entry) -> Condition | None:
        """Ask for an instrument with its parts by their words, else by their data sets, else as people say it."""
        every = self.table.covered(entry)
        words = tuple(dict.fromkeys(word for part in every for word in self._words(part)))
        return self._known(self.fields.instrument, words, entry, every)

    def _known(self, field: str, words: tuple[str, ...], entry: Entry, every: Iterable[Entry]) -> Condition | None:
        named, of_data_sets = _matching(field, words), self._of_data_sets(every)
        if self.source == "registry":  # products that refer to nothing are in its bundle all the same
            return _any([named, of_data_sets])
        return _first(named, of_data_sets, In(field, tuple(map(Text, entry.spoken))))

    def _words(self, entry: Entry) -> tuple[str, ...]:
        words: tuple[str, ...] = getattr(entry, self.fields.words)
        return words

    def _of_data_sets(self, entries: Iterable[Entry]) -> Condition | None:
        patterns = tuple(dict.fromkeys(pattern for entry in entries for pattern in entry.datasets))
        bundles = [pattern for pattern in patterns if pattern.startswith("urn:")]
        plain = [] if self.source in ("pds4", "registry") else [p for p in patterns if not p.startswith("urn:")]
        if self.source != "pds3":
            plain += [form for pattern in bundles for form in _forms(pattern)]
        return _any([Like(self.fields.dataset, Text(_pattern(pattern))) for pattern in plain])

    def _remark(self, entry: Entry, condition: Condition) -> str:
        if any(isinstance(leaf, In) and not leaf.values for leaf in condition.leaves()):
            return f" ({self.source} has no word for {entry.name} that is known)"
        if entry.part_of is not None and not self._words(entry) and self._of_data_sets((entry,)) is None:
            return f" (it does not tell the parts of {entry.part_of} apart)"
        return ""


def _forms(bundle: str) -> tuple[str, ...]:
    """Give the patterns of a bundle and of what is in it."""
    return (bundle,) if bundle.endswith("*") else (bundle, f"{bundle}:*")


def _matching(field: str, words: tuple[str, ...]) -> Condition | None:
    plain = tuple(Text(word) for word in words if "*" not in word)
    patterns = [Like(field, Text(_pattern(word))) for word in words if "*" in word]
    return _any([In(field, plain) if plain else None, *patterns])


def _pattern(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%")


def _first(*conditions: Condition | None) -> Condition | None:
    return next((condition for condition in conditions if condition is not None), None)


def _sure(condition: Condition | None, field: str) -> Condition:
    """Where there is no word to ask with, nothing matches."""
    return In(field, ()) if condition is None else condition


def _any(conditions: Iterable[Condition | None]) -> Condition | None:
    return _joined(Or, conditions)


def _all(conditions: Iterable[Condition | None]) -> Condition | None:
    return _joined(And, conditions)


def _joined(kind: type[And | Or], conditions: Iterable[Condition | None]) -> Condition | None:
    """Join what is there, each condition once and chains flat."""
    flat = [part for c in conditions if c is not None for part in (c.parts if isinstance(c, kind) else (c,))]
    parts = tuple(dict.fromkeys(flat))
    return parts[0] if len(parts) == 1 else kind(parts) if parts else None
