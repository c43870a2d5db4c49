"""Labels read by the scraper, many at once, and by `read_label`, one by one: what the two tests of equality compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psalab.errors import LabelError
from psalab.index.elements import Elements
from psalab.index.scrape import NO_TIME, Task, scrape
from psalab.index.statements import leaves_of
from psalab.index.walk import unescape
from psalab.labels import read_label
from psalab.labels.values import microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from psalab.labels.identity import Identity

#: An element: kind, text, value (floats by their bits) and unit.
Element = tuple[int, str, int, str | None]


@dataclass
class Reading:
    """What was read of a label; `values` are (is a list, elements) by path, repeats in order."""

    rejected: str | None = None
    identity: tuple[object, ...] = ()
    files: set[str] = field(default_factory=set)
    values: dict[str, list[tuple[bool, list[Element]]]] = field(default_factory=dict)


def _elements(kinds: list[int], texts: list[str], bits: list[int], units: list[str | None]) -> list[Element]:
    return list(zip(kinds, texts, bits, units, strict=True))


def by_read_label(path: Path) -> Reading:
    """Read a label the way that a user does."""
    try:
        label = read_label(path)
    except LabelError as error:
        return Reading(error.reason)
    identity = label.identity
    times = [None if time is None else microseconds(time) for time in (identity.start_time, identity.stop_time)]
    reading = Reading(None, (identity.id, *times, *_common(identity)), set(label.files) - {path.name})
    for place, keyword, _ in leaves_of(label.children):
        made = Elements()
        made.add(keyword.typed)
        arrays = made.arrays()
        units = [*arrays["units"], None]
        elements = _elements(
            arrays["kind"].tolist(), arrays["text"].to_pylist(), arrays["bits"].tolist(),
            [units[unit] for unit in arrays["unit"].tolist()],
        )  # fmt: skip
        reading.values.setdefault(place, []).append((bool(arrays["listed"][0]), elements))
    return reading


def _common(identity: Identity) -> tuple[object, ...]:
    """What products have in common, but for the kind: that comes from the folders of the root, not of the machine."""
    return (
        identity.version, identity.dataset, identity.mission, identity.host, identity.instrument, identity.targets,
        identity.level, identity.level_native, identity.product_type, identity.family,
    )  # fmt: skip


def _time(number: int) -> int | None:
    return None if number == NO_TIME else number


def by_scraper(root: Path, labels: Sequence[str], *, attached: bool = False) -> list[Reading]:
    """Read labels the way that the index does, data objects and all."""
    chunk = scrape(Task(str(root), "root", tuple(labels), attached, structure=True))
    readings = [Reading() for _ in labels]
    for rejected in chunk.rejected:
        readings[rejected.label].rejected = rejected.reason
    products = [readings[at] for at in chunk.label.tolist()]
    for at, reading in enumerate(products):
        times = (_time(chunk.start_time[at].item()), _time(chunk.stop_time[at].item()))
        reading.identity = (chunk.ids[at], *times, *_common(chunk.commons[chunk.common[at]]))
    for row, name in chunk.named:
        if name != labels[chunk.label[row]].rpartition("/")[2]:
            products[row].files.add(name)
    units = [*chunk.units, None]
    for row, path, value in zip(chunk.row.tolist(), chunk.path.tolist(), chunk.value.tolist(), strict=True):
        part = slice(chunk.first[value], chunk.first[value + 1])
        elements = _elements(
            chunk.kind[part].tolist(), chunk.text[part].to_pylist(), chunk.bits[part].tolist(),
            [units[unit] for unit in chunk.unit[part].tolist()],
        )  # fmt: skip
        products[row].values.setdefault(chunk.paths[path], []).append((bool(chunk.listed[value]), elements))
    return readings


def differing(root: Path, labels: Sequence[str]) -> list[str]:
    """Labels that the two ways read differently, with the first difference."""
    found = []
    for label, fast in zip(labels, by_scraper(root, labels), strict=True):
        slow = by_read_label(root / unescape(label))
        for what in ("rejected", "identity", "files", "values"):
            one, other = getattr(fast, what), getattr(slow, what)
            if one != other:
                if isinstance(one, dict):
                    path = next(path for path in [*one, *other] if one.get(path) != other.get(path))
                    one, other = (path, one.get(path)), (path, other.get(path))
                found.append(f"{label}: {what}: the scraper gives {one!r}, read_label {other!r}")
                break
    return found
