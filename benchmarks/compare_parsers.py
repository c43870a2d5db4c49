"""Compare what psalab, pvl, pdr and lxml read in real labels, keyword by keyword.

    python benchmarks/compare_parsers.py [--shared FOLDER | --data FOLDER] [--osiris 200] [--limit 20] [--jobs 2]

Every label of the archives `labels_only` and `real_products`, and some of `osiris_labels`. PDS3 labels go to pvl and to
pdr, PDS4 labels to lxml; each parser has a time limit per label, for pvl does not come back from some. The table that is
printed is explained in docs/explanation/parsers_compared.md; a class of difference that is not explained there, or a label
that psalab alone refuses, is a fault to be mended.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from psalab.errors import LabelError
from psalab.labels import read_label
from psalab.labels.find import begins_with_label
from psalab.labels.values import MISSING, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psalab.labels.values import Value

REPOSITORY = Path(__file__).resolve().parent.parent
SUFFIXES = {".lbl", ".xml", ".lblx", ".fmt"}


class Leaf(NamedTuple):
    """A keyword: its path, its value in plain Python, the units of its elements, and where it has none, why."""

    path: str
    value: Any
    units: tuple[str | None, ...]
    why: str | None = None


class Outcome(NamedTuple):
    """What the comparison of one label with one parser gave."""

    other: str
    label: str
    verdict: str
    equal: int
    differences: list[tuple[str, str]]


# ------------------------------------------------------------------------------------------------- what each parser reads


def by_psalab(path: Path) -> list[Leaf]:
    """Read a label with psalab."""
    return [_own_leaf(where, keyword.typed) for where, keyword in read_label(path).leaves()]


def _own_leaf(path: str, typed: Value) -> Leaf:
    value, units = _own(typed)
    missing = isinstance(typed, Scalar) and typed.kind == MISSING
    return Leaf(path, value, tuple(units), typed.text if isinstance(typed, Scalar) and missing else None)


def _own(typed: Value) -> tuple[Any, list[str | None]]:
    if isinstance(typed, Sequence):
        parts = [_own(item) for item in typed.items]
        values = [value for value, _ in parts]
        return (frozenset(map(str, values)) if typed.is_set else values), [unit for _, units in parts for unit in units]
    return (f"({typed.text})" if typed.kind == MISSING and typed.text != "empty" else typed.value), [typed.unit]


def by_pvl(path: Path) -> list[Leaf]:
    """Read a PDS3 label with pvl."""
    import pvl

    return list(_mapping(pvl.load(path), "", _of_pvl))


def by_pdr(path: Path) -> list[Leaf]:
    """Read a PDS3 label with pdr."""
    import pdr
    from pdr.parselabel.pds3 import read_pvl

    return list(_mapping(pdr.Metadata(read_pvl(str(path), deduplicate_pointers=False)), "", _of_pdr))


def _mapping(mapping: Any, prefix: str, converted: Callable[[Any], tuple[Any, list[str | None]]]) -> Iterator[Leaf]:
    for name, value in mapping.items():
        if hasattr(value, "items") and not (type(value) is dict and set(value) == {"value", "units"}):
            yield from _mapping(value, f"{prefix}{str(name).upper()}/", converted)
        else:
            plain, units = converted(value)
            yield Leaf(prefix + str(name).upper(), plain, tuple(units))


def _of_pvl(value: Any) -> tuple[Any, list[str | None]]:
    if type(value).__name__ == "Quantity":
        plain, units = _of_pvl(value.value)
        return plain, [str(value.units)] * len(units)
    if isinstance(value, (frozenset, set)):
        parts = [_of_pvl(item) for item in value]
        return frozenset(str(plain) for plain, _ in parts), [unit for _, units in parts for unit in units]
    if isinstance(value, list):
        parts = [_of_pvl(item) for item in value]
        return [plain for plain, _ in parts], [unit for _, units in parts for unit in units]
    if isinstance(value, datetime):
        return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value), [None]
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day), [None]
    if isinstance(value, time):
        return f"time of day {value.replace(tzinfo=None)}", [None]
    return (str(value) if isinstance(value, str) else value), [None]  # an empty value is a str of another class


def _of_pdr(value: Any) -> tuple[Any, list[str | None]]:
    if isinstance(value, dict):
        plain, units = _of_pdr(value["value"])
        return plain, [str(value["units"])] * len(units)
    if isinstance(value, (set, frozenset, tuple, list)):
        parts = [_of_pdr(item) for item in value]
        values, units = [plain for plain, _ in parts], [unit for _, found in parts for unit in found]
        return (frozenset(map(str, values)) if isinstance(value, (set, frozenset)) else values), units
    return value, [None]


def by_lxml(path: Path) -> list[Leaf]:
    """Read a PDS4 label with lxml alone: elements without children, by their local names, with text and unit."""
    from lxml import etree

    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    leaves: list[Leaf] = []
    root = etree.parse(path, etree.XMLParser(no_network=True, resolve_entities=False)).getroot()

    def walk(element: Any, prefix: str) -> None:
        children = list(element.iterchildren(tag=etree.Element))
        name = prefix + etree.QName(element).localname
        for child in children:
            walk(child, name + "/")
        if not children and element is not root:
            text = "".join(element.itertext(tag=etree.Element))
            is_nil = element.get(nil) == "true"
            leaves.append(Leaf(name.partition("/")[2], None if is_nil else text, (element.get("unit"),)))

    walk(root, "")
    return leaves


# ------------------------------------------------------------------------------------------------------ where they differ


def _dense(value: Any) -> Any:
    """Text without any blank, quote or dash, so that what is left of a difference is its content."""
    if isinstance(value, (list, frozenset)):
        return "".join(sorted(map(_dense, value))) if isinstance(value, frozenset) else "".join(map(_dense, value))
    return re.sub(r"[\s\"'-]", "", str(value))


_MISSING_WORDS = {"N/A", "UNK", "NULL"}


def value_class(own: Leaf, other: Leaf) -> str | None:
    """Name the class of the difference between two values; None where there is none."""
    mine, theirs = own.value, other.value
    if type(mine) is type(theirs) and mine == theirs:
        return None
    if (
        isinstance(mine, (int, float))
        and isinstance(theirs, (int, float))
        and not isinstance(theirs, bool)
        and mine == theirs
    ):
        return None
    if own.why is not None:
        return _missing_class(own.why, theirs)
    if isinstance(mine, list) and not isinstance(theirs, list):
        if len(mine) == 1 and value_class(Leaf("", mine[0], ()), Leaf("", theirs, ())) is None:
            return "list of one element is a scalar there"
        return "list is a set there" if isinstance(theirs, frozenset) else "list is text there"
    if isinstance(mine, list):
        return _list_class(mine, theirs)
    if isinstance(mine, frozenset):
        return _set_class(mine, theirs)
    return _scalar_class(mine, theirs)


def _missing_class(why: str, theirs: Any) -> str | None:
    if why == "empty":
        return "no value is empty text there" if theirs == "" else "no value is something there"
    if theirs is None:
        return None
    return (
        "missing word is text there"
        if str(theirs).strip("\"' ").upper() in _MISSING_WORDS
        else "fill is a number there"
    )


def _list_class(mine: list[Any], theirs: list[Any]) -> str | None:
    if len(mine) != len(theirs):
        if _dense(mine) == _dense(theirs):
            return "list is cut at commas within texts there"
        return "list has another length there"
    for one, two in zip(mine, theirs, strict=True):
        missing = isinstance(one, str) and one[:1] == "(" and one[1:-1] in _MISSING_WORDS
        found = value_class(Leaf("", one, (), one[1:-1] if missing else None), Leaf("", two, ()))
        if found:
            return f"in a list: {found}"
    return None


def _set_class(mine: frozenset[str], theirs: Any) -> str | None:
    if not isinstance(theirs, frozenset):
        return "set is text there" if isinstance(theirs, str) else "set is a list or a scalar there"
    plain = frozenset(item[1:-1] if item[1:-1] in _MISSING_WORDS else item for item in mine)
    if plain == frozenset("NULL" if item == "None" else item for item in theirs):
        return None
    if _dense(plain) == _dense(theirs):
        return "in a set: blanks, quotes or line ends"
    return "in a set: other content"


def _scalar_class(mine: Any, theirs: Any) -> str:
    if isinstance(mine, datetime):
        if isinstance(theirs, datetime):
            return "time is another time there"
        return "time is text there" if isinstance(theirs, str) else "time is a number there"
    if isinstance(mine, bool):
        return "boolean is text there"
    if isinstance(mine, (int, float)):
        return "number is text there" if isinstance(theirs, str) else "number is another number there"
    if not isinstance(theirs, str):
        return f"text is {'a list' if isinstance(theirs, (list, frozenset)) else type(theirs).__name__} there"
    if theirs.startswith("time of day"):
        return "time of day is text here"
    if mine.strip() == theirs.strip():
        return "blanks at the ends of a text"
    if " ".join(mine.split()) == " ".join(theirs.split()):
        return "line ends or blanks within a text"
    if mine == theirs.strip("'\""):
        return "quotes are part of the text there"
    if _dense(mine) == _dense(theirs):
        return "blanks, dashes or quotes at line ends"
    return "text is another text there"


def unit_class(own: Leaf, other: Leaf) -> str | None:
    """Name the class of the difference between two units; None where there is none."""
    mine, theirs = set(own.units) - {None}, set(other.units) - {None}
    if mine == theirs or own.why is not None:
        return None
    if not theirs:
        return "unit is lost or part of a text there"
    if not mine:
        return "unit is only there"
    return "unit is spelt otherwise there"


def lxml_class(own: Leaf, other: Leaf) -> str | None:
    """Name the class of the difference between a typed value and the text of its element; None where it says the same."""
    text, mine = other.value, own.value
    if own.units != other.units and own.why is None:
        return "unit differs"
    if text is None or own.why is not None:
        bare = (text or "").strip()
        if text is None:
            return None if own.why not in (None, "empty", *_MISSING_WORDS) else "nil here or there only"
        return "missing word is text there" if bare else "no value is empty text there"
    bare = text.strip()
    if isinstance(mine, str):
        if mine == text:
            return None
        if mine == bare:
            return "blanks at the ends of a text"
        return "line ends within a text" if mine == " ".join(bare.split()) else "text is another text there"
    if isinstance(mine, bool):
        return None if {"true": True, "1": True, "false": False, "0": False}.get(bare) == mine else "boolean differs"
    if isinstance(mine, (int, float)):
        return None if float(bare) == mine else "number differs"
    return None if _same_time(bare, mine) else "time differs"


def _same_time(text: str, mine: datetime) -> bool:
    day = re.fullmatch(r"(\d{4})-(\d{3})(T.*)?", text.removesuffix("Z"))
    if day:
        text = f"{date(int(day[1]), 1, 1) + timedelta(days=int(day[2]) - 1)}{day[3] or ''}"
    text = text.removesuffix("Z")
    text = text if "-" in text else f"{text}-01-01"
    leap = re.fullmatch(r"(.*:\d\d):60(.*)", text)  # a leap second is the second after it
    text = f"{leap[1]}:59{leap[2]}" if leap else text
    found = datetime.fromisoformat(text if text.count("-") > 1 else f"{text}-01")
    return found + timedelta(seconds=bool(leap)) == mine


def compare(own: list[Leaf], other: list[Leaf], name: str) -> tuple[int, list[tuple[str, str]]]:
    """Compare two readings of a label: how many keywords are equal, and the classes of those that are not."""
    if name == "lxml":
        own = [leaf._replace(path=re.sub(r"(^|/)[^/:]+:", r"\1", leaf.path)) for leaf in own]
    equal, differences = 0, []
    theirs: dict[str, list[Leaf]] = {}
    for leaf in other:
        theirs.setdefault(leaf.path, []).append(leaf)
    for leaf in own:
        if not (found := theirs.get(leaf.path)):
            differences.append(("keyword is missing there", f"{leaf.path} = {leaf.value!r}"))
            continue
        twin = found.pop(0)
        classes = [lxml_class(leaf, twin)] if name == "lxml" else [value_class(leaf, twin), unit_class(leaf, twin)]
        equal += not any(classes)
        differences += [(kind, _shown(leaf, twin)) for kind in classes if kind]
    differences += [
        ("keyword is only there", f"{leaf.path} = {leaf.value!r}") for left in theirs.values() for leaf in left
    ]
    return equal, differences


def _shown(own: Leaf, other: Leaf) -> str:
    def brief(leaf: Leaf) -> str:
        units = sorted({unit for unit in leaf.units if unit})
        value = repr(leaf.value) if not isinstance(leaf.value, datetime) else str(leaf.value)
        return f"{value if len(value) < 90 else value[:60] + ' ... ' + value[-25:]}{' ' + str(units) if units else ''}"

    return f"{own.path}: {brief(own)} | {brief(other)}"


# ------------------------------------------------------------------------------------------------------- label after label


class _TooLong(Exception):
    pass


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Give up what is done inside after some seconds."""

    def stop(_signal: int, _frame: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def look_at(path: Path, limit: int) -> list[Outcome]:
    """Compare one label with every parser of its standard."""
    warnings.simplefilter("ignore")
    own: list[Leaf] | None = None
    refused = ""
    try:
        own = by_psalab(path)
    except LabelError as error:
        refused = str(error)
    with path.open("rb") as file:
        is_xml = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    others = {"lxml": by_lxml} if is_xml else {"pvl": by_pvl, "pdr": by_pdr}
    return [_outcome(path, own, refused, parser, limit) for parser in others.items()]


def _outcome(
    path: Path, own: list[Leaf] | None, refused: str, parser: tuple[str, Callable[[Path], list[Leaf]]], limit: int
) -> Outcome:
    name, read = parser
    outcome = partial(Outcome, name, str(path))
    try:
        with within(limit):
            other = read(path)
    except _TooLong:
        return outcome("does not come back there", 0, [("does not come back", str(path))])
    except Exception as error:  # noqa: BLE001  whatever another parser raises, it refuses the label
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        return outcome(
            "refused by both" if own is None else "refused there", 0, [(f"refuses: {type(error).__name__}", said)]
        )
    if own is None:
        return outcome("refused here", 0, [("refused here", f"{refused} | {len(other)} keywords there")])
    equal, differences = compare(own, other, name)
    return outcome("differs" if differences else "equal", equal, differences)


def labels_below(folder: Path) -> Iterator[Path]:
    """All labels below a folder: by their suffix, or because they begin with one."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if path.suffix.lower() in SUFFIXES or begins_with_label(file.read(4096)):
                    yield path


def report(outcomes: list[Outcome]) -> None:
    """Print the table."""
    for name in ("pvl", "pdr", "lxml"):
        mine = [outcome for outcome in outcomes if outcome.other == name]
        verdicts = Counter(outcome.verdict for outcome in mine)
        print(
            f"\n## {name}: {len(mine)} labels; " + ", ".join(f"{verdict}: {n}" for verdict, n in verdicts.most_common())
        )
        print(f"{sum(outcome.equal for outcome in mine):,} keywords are equal")
        counts: Counter[str] = Counter()
        where: dict[str, set[str]] = {}
        examples: dict[str, str] = {}
        for outcome in mine:
            for kind, example in outcome.differences:
                counts[kind] += 1
                where.setdefault(kind, set()).add(outcome.label)
                examples.setdefault(kind, f"{example}   [{Path(outcome.label).name}]")
        for kind, count in counts.most_common():
            print(f"{count:7,} in {len(where[kind]):5,} labels  {kind}\n{'':26}{examples[kind]}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("PSALAB_SHARED") or REPOSITORY.parent / "shared")
    parser.add_argument("--shared", type=Path, default=shared, help="folder with the packed archives")
    parser.add_argument(
        "--data", type=Path, help="folder with the unpacked archives (default: .data, unpacked as needed)"
    )
    parser.add_argument("--osiris", type=int, default=200, help="how many labels of osiris_labels")
    parser.add_argument("--limit", type=int, default=20, help="seconds that a parser has for a label")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all", metavar="CLASS", help="print every difference of a class")
    arguments = parser.parse_args()
    data = arguments.data or REPOSITORY / ".data"
    paths: list[Path] = []
    for archive in ("labels_only", "real_products", "osiris_labels"):
        if not arguments.data:
            data.mkdir(exist_ok=True)
            subprocess.run(
                [sys.executable, str(arguments.shared / "data" / "unpack.py"), archive, str(data)], check=True
            )
        found = list(labels_below(data / archive))
        paths += (
            found
            if archive != "osiris_labels"
            else found[:: max(1, len(found) // arguments.osiris)][: arguments.osiris]
        )
    with ProcessPoolExecutor(arguments.jobs) as pool:
        work = pool.map(partial(look_at, limit=arguments.limit), paths, chunksize=8)
        outcomes = [outcome for group in work for outcome in group]
    report(outcomes)
    for outcome in outcomes:
        for kind, example in outcome.differences:
            if arguments.all and kind == arguments.all:
                print(f"{outcome.other}  {outcome.label}\n    {example}")


if __name__ == "__main__":
    main()
