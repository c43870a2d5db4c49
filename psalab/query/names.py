"""What people call missions, instruments and targets, and what each source calls them.

The knowledge is data, in ``names/*.toml`` beside this module: one `Entry` for each mission, host, instrument (and each of
its parts), target and level, with the names that people say and the words of labels and services. `names` gives the table.
`Names.find` goes from what people say to entries, `Names.recognise` from what a label says to entries;
`psalab.query.translation` makes the question that a source understands.

Two names are the same if they are equal but for case, accents and whatever is no letter or digit: OSIRIS-NAC, osiris nac.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "Entry",
    "Kind",
    "Names",
    "Recognised",
    "has_wildcard",
    "holds",
    "key",
    "like",
    "names",
    "shortened",
    "suggestion",
]

_SHOWN: Final = 60
"""Letters of a name in a message."""

Kind: TypeAlias = Literal["mission", "host", "instrument", "target", "level"]


# ------------------------------------------------------------------------------------------------------ comparing names


def _words(text: str) -> list[str]:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
    return re.findall(r"[^\W_]+", text.casefold())


@lru_cache(65536)
def key(name: str) -> str:
    """Give what is equal for two spellings of one name; of a name without letters and digits, the name."""
    return "".join(_words(name)) or name.casefold()


def holds(text: str, name: str) -> bool:
    """Whether a text holds a name as a whole word or as several: ``67P/CHURYUMOV-GERASIMENKO`` holds 67P, not 67."""
    inside = " ".join(_words(name))
    return bool(inside) and f" {inside} " in f" {' '.join(_words(text))} "


def has_wildcard(name: str) -> bool:
    """Whether a name is a pattern: ``*`` is any text, ``?`` any one character."""
    return "*" in name or "?" in name


def like(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in any case; blanks, ``-``, ``_`` and ``/`` are alike."""
    return _expression((pattern,)).fullmatch(_separated(name)) is not None


@lru_cache(65536)
def _separated(name: str) -> str:
    return re.sub(r"[-_/\s]+", "-", name.casefold())


@lru_cache(4096)
def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Make the expression for any of some patterns; for none, one that nothing fits."""
    return re.compile("|".join(map(_glob, patterns)) if patterns else r"(?!)", re.DOTALL)


def _glob(pattern: str) -> str:
    """Each piece between stars is taken where it first occurs, for good: many stars cost no more than few."""
    pieces = ["".join("." if c == "?" else re.escape(c) for c in piece) for piece in _separated(pattern).split("*")]
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>.*?{piece})" for piece in middle) + f".*{last}"


def suggestion(asked: str, known: Iterable[str], further: Iterable[str] = ()) -> str:
    """``; did you mean A or B?``, or what there is when nothing is near.

    Parameters
    ----------
    asked : str
    known : iterable of str
        Names that would have done.
    further : iterable of str
        Other names that are known; suggested where one of them is nearer.
    """
    known = list(known)
    if not known:
        return "; it has none at all"
    near, others = _near(asked, known), _near(asked, further)
    if others and (not near or _alike(asked, others[0]) > _alike(asked, near[0])):
        near = [name for name in others if _alike(asked, name) > _alike(asked, others[0]) - 0.1]
    near = near or [name for name in known if asked.casefold() in name.casefold()][:3]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    listed = sorted({name.casefold(): shortened(name) for name in known}.values())
    return f"; it knows {', '.join(listed[:8])}{', ...' if len(listed) > 8 else ''}"


def shortened(name: str) -> str:
    """Cut a name that is too long for a line."""
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…"


def _near(asked: str, known: Iterable[str]) -> list[str]:
    by_fold: dict[str, str] = {}
    for name in known:
        by_fold.setdefault(name.casefold(), name)
    return [by_fold[name] for name in get_close_matches(asked.casefold(), by_fold, n=3, cutoff=0.6)]


def _alike(asked: str, name: str) -> float:
    return SequenceMatcher(None, name.casefold(), asked.casefold()).ratio()


# ------------------------------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One thing, and its names. What is not known is left out; each is in the table once, and equal to itself alone.

    Attributes
    ----------
    kind : {'mission', 'host', 'instrument', 'target', 'level'}
    name : str
        As psalab shows it.
    aliases : tuple of str
        What else people say.
    pds3 : tuple of str
        Words of PDS3 labels: MISSION_NAME, INSTRUMENT_HOST_ID, INSTRUMENT_ID, TARGET_NAME, or CODMAC numbers.
    pds4 : tuple of str
        Words of PDS4 labels: name of the investigation, of a component of the observing system, of a target, or level.
    tap : tuple of str
        Words of the archive's TAP: instrument_host_name, instrument_name, target_name, processing_level; ``*`` is any text.
    lids : tuple of str
        Context products that PDS4 labels and the registry refer to.
    datasets : tuple of str
        Patterns of DATA_SET_ID, and LIDs of bundles (``urn:...``); ``*`` is any text.
    tap_levels : tuple of (str, tuple of str)
        Further numbers of processing_level that TAP gives products of a level of this instrument.
    mission : str or None
        Of a host or an instrument.
    host : str or None
        Of an instrument, where the mission has several.
    part_of : str or None
        The instrument that this one is a part of.
    """

    kind: Kind
    name: str
    aliases: tuple[str, ...] = ()
    pds3: tuple[str, ...] = ()
    pds4: tuple[str, ...] = ()
    tap: tuple[str, ...] = ()
    lids: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    tap_levels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    mission: str | None = None
    host: str | None = None
    part_of: str | None = None

    @property
    def spoken(self) -> tuple[str, ...]:
        """What people say."""
        return (self.name, *self.aliases)

    @property
    def written(self) -> tuple[str, ...]:
        """What people say and labels write."""
        return (*self.spoken, *self.pds3, *self.pds4)

    @property
    def told_apart(self) -> bool:
        """Whether labels and data sets have a word for it; some parts of instruments have none."""
        return bool(self.pds3 or self.pds4 or self.datasets)

    def owns(self, dataset: str) -> bool:
        """Whether a data set (DATA_SET_ID, or a LID) belongs to it by its name."""
        name = ":".join(dataset.split(":")[:4]) if dataset[:4].lower() == "urn:" else dataset
        return _expression(self.datasets).fullmatch(_separated(name)) is not None


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the words of a label mean."""

    mission: Entry | None = None
    hosts: tuple[Entry, ...] = ()
    instruments: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return (*((self.mission,) if self.mission else ()), *self.hosts, *self.instruments)


_NOTHING: Final = Recognised()


class Names:
    """The table.

    Parameters
    ----------
    entries : iterable of Entry
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)
        self._spoken = _by_key(self.entries, "spoken")
        self._written = _by_key(self.entries, "written")
        self._of_missions: dict[tuple[Kind, str | None], tuple[Entry, ...]] = {}
        self._recognised: dict[tuple[str | None, ...], Recognised] = {}

    def of_kind(self, kind: Kind, mission: str | None = None) -> tuple[Entry, ...]:
        """Give the entries of a kind, or those of one mission."""
        if (kind, mission) not in self._of_missions:
            found = (entry for entry in self.entries if entry.kind == kind and mission in (None, entry.mission))
            self._of_missions[kind, mission] = tuple(found)
        return self._of_missions[kind, mission]

    def spoken(self, kind: Kind) -> tuple[str, ...]:
        """Give all that people say, for suggestions; a mission is also called by its hosts."""
        kinds = ("mission", "host") if kind == "mission" else (kind,)
        return tuple(name for entry in self.entries if entry.kind in kinds for name in entry.spoken)

    # ------------------------------------------------------------------------------- from what people say

    def find(self, kind: Kind, said: str) -> tuple[Entry, ...]:
        """Find what people mean.

        Parameters
        ----------
        kind : {'mission', 'host', 'instrument', 'target', 'level'}
            A mission may be said by one of its hosts (Philae).
        said : str
            A name as people say it, or a pattern (OSI*). An instrument may stand alone or behind its mission or host
            (Mars Express HRSC); a target may be a word of its name (Gerasimenko).

        Returns
        -------
        tuple of Entry
            Several where missions have instruments of one name; none where nothing is called so.
        """
        if has_wildcard(said):
            return tuple(e for e in self.entries if e.kind == kind and any(like(said, name) for name in e.written))
        found = self._spoken.get((kind, key(said)), ())
        if not found and kind == "mission":
            found = self._spoken.get(("host", key(said)), ())
        elif not found and kind == "instrument":
            found = self._of_a_mission(said)
        elif not found and kind == "target":
            held = (entry for entry in self.of_kind("target") if any(holds(name, said) for name in entry.spoken))
            found = self._written.get(("target", key(said))) or tuple(held)
        return found

    def _of_a_mission(self, said: str) -> tuple[Entry, ...]:
        """``instrument = mission or host, instrument of it``."""
        words = _words(said)
        for place in range(1, len(words)):
            owners = self.find("mission", " ".join(words[:place]))
            if owners:
                missions = {owner.mission or owner.name for owner in owners}
                found = self._spoken.get(("instrument", "".join(words[place:])), ())
                if within := tuple(entry for entry in found if entry.mission in missions):
                    return within
        return ()

    def covered(self, entry: Entry) -> tuple[Entry, ...]:
        """Give all whose products are meant: an instrument with its parts; a part that is not told apart with the whole."""
        if entry.part_of is not None and not entry.told_apart:
            return (entry, self.whole(entry))
        return (entry, *self.parts(entry))

    def parts(self, instrument: Entry) -> tuple[Entry, ...]:
        """Give the parts of an instrument; nothing else has any."""
        if instrument.kind != "instrument" or instrument.part_of is not None:
            return ()
        ours = self.of_kind("instrument", instrument.mission)
        return tuple(entry for entry in ours if entry.part_of == instrument.name)

    def whole(self, part: Entry) -> Entry:
        """Give the instrument that a part belongs to."""
        ours = self.of_kind("instrument", part.mission)
        return next(entry for entry in ours if entry.name == part.part_of)

    def mission_of(self, entry: Entry) -> Entry | None:
        """Give the mission of a host or an instrument."""
        return next((e for e in self.of_kind("mission") if e.name == entry.mission), None)

    # ------------------------------------------------------------------------------- from what a label says

    def recognise(
        self,
        mission: str | None = None,
        host: str | None = None,
        instrument: str | None = None,
        dataset: str | None = None,
    ) -> Recognised:
        """Recognise mission, hosts and instruments by what a label says.

        Parameters
        ----------
        mission, host, instrument, dataset : str or None
            As in the table `products` of an index; several hosts or instruments are joined by ``+``.

        Returns
        -------
        Recognised
            The parts of instruments where the label tells them, else the instruments.
        """
        asked = (mission, host, instrument, dataset)
        if asked not in self._recognised:
            self._recognised[asked] = self._read(mission, _split(host), _split(instrument), dataset or "")
        return self._recognised[asked]

    def _read(self, mission: str | None, hosts: list[str], instruments: list[str], dataset: str) -> Recognised:
        named = next(iter(self._written.get(("mission", key(mission)), ())), None) if mission else None
        owner = named or self._by_host(hosts) or next((e for e in self.of_kind("mission") if e.owns(dataset)), None)
        if owner is None:
            return _NOTHING
        return Recognised(
            owner,
            self._chosen("host", owner, hosts, dataset),
            self._chosen("instrument", owner, instruments, dataset),
        )

    def _chosen(self, kind: Kind, owner: Entry, said: list[str], dataset: str) -> tuple[Entry, ...]:
        """Choose what bears the names; the data set's name serves where these say nothing, and where it tells a part."""
        written = (entry for name in said for entry in self._written.get((kind, key(name)), ()))
        named = [entry for entry in written if entry.mission == owner.name]
        others = [part for entry in named for part in self.parts(entry)] if named else self.of_kind(kind, owner.name)
        owned = (entry for entry in others if dataset and entry.owns(dataset))
        found = dict.fromkeys((*named, *owned))
        wholes = {entry.part_of for entry in found}
        return tuple(entry for entry in found if entry.name not in wholes)

    def _by_host(self, hosts: list[str]) -> Entry | None:
        found = [entry for host in hosts for entry in self._written.get(("host", key(host)), ())]
        return self.mission_of(found[0]) if found else None


def _split(joined: str | None) -> list[str]:
    return joined.split("+") if joined else []


def _by_key(entries: Iterable[Entry], attribute: str) -> dict[tuple[Kind, str], tuple[Entry, ...]]:
    found: dict[tuple[Kind, str], dict[Entry, None]] = {}
    for entry in entries:
        for name in getattr(entry, attribute):
            found.setdefault((entry.kind, key(name)), {})[entry] = None
    return {place: tuple(listed) for place, listed in found.items()}


# ------------------------------------------------------------------------------------------------------------- the data


@cache
def names() -> Names:
    """Give the table that is shipped with psalab, read once."""
    folder = files(__package__) / "names"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name)
    return Names(entry for path in paths for entry in read(tomllib.loads(path.read_text(encoding="utf-8"))))


def read(document: Mapping[str, Any]) -> Iterator[Entry]:
    """Read the entries of one file.

    Parameters
    ----------
    document : mapping
        Missions with their hosts and instruments (a part says ``of``), targets, asteroids (``"433 Eros"``), levels.

    Raises
    ------
    TypeError
        A field that is none of those of `Entry`.
    """
    for mission in document.get("mission", ()):
        own = {field: value for field, value in mission.items() if field not in ("hosts", "instruments")}
        yield _entry("mission", own)
        for kind, listed in (("host", "hosts"), ("instrument", "instruments")):
            for fields in mission.get(listed, ()):
                yield replace(_entry(kind, fields), mission=mission["name"])
    for kind in ("target", "level"):
        for fields in document.get(kind, ()):
            yield _entry(kind, fields)
    for asteroid in document.get("asteroids", ()):
        yield _asteroid(*asteroid.split(" ", 1))


def _entry(kind: Any, fields: Mapping[str, Any]) -> Entry:
    given: dict[str, Any] = {"part_of" if field == "of" else field: value for field, value in fields.items()}
    given = {field: tuple(value) if isinstance(value, list) else value for field, value in given.items()}
    if "tap_levels" in given:
        given["tap_levels"] = tuple((level, tuple(numbers)) for level, numbers in given["tap_levels"].items())
    return Entry(kind, **given)


def _asteroid(number: str, name: str) -> Entry:
    return Entry(
        "target",
        name,
        (f"{number} {name}",),
        pds3=(f"{number} {name}".upper(),),
        pds4=(f"({number}) {name}",),
        lids=(f"urn:nasa:pds:context:target:asteroid.{number}_{name.lower()}",),
    )
