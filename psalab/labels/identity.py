"""What identifies a product, from its label: the same fields for both standards.

`select` finds the keywords by their paths, once for all labels of one shape; `assemble` makes the identity from their
values. `identity_of` does both for one label.

Sources: PDS Data Dictionary (PDS3 keywords); PDS Standards Reference 3.8, chapter 6 (the parts of a DATA_SET_ID); CODMAC
processing levels; PDS4 Information Model (Identification_Area, Observation_Area).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from psalab.labels.values import MISSING, TIME, Scalar, Sequence, parse_time, scalars

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Sequence as Items

    from psalab.labels.label import Label
    from psalab.labels.values import Value

__all__ = ["Identity", "assemble", "data_set_parts", "identity_of", "select"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a product; None where the label does not say.

    Attributes
    ----------
    id : str or None
        PRODUCT_ID, or the logical identifier (LID).
    version : str or None
        PRODUCT_VERSION_ID or the data set's Vn, or the version identifier (VID); as text, for 1.10 is not 1.1.
    dataset : str or None
        DATA_SET_ID, or bundle and collection of the LID.
    mission, host, instrument : str or None
        Host and instrument by their ids (PDS3; from the data set's name where missing) or names (PDS4).
    targets : tuple of str
    start_time, stop_time : datetime or None
        UTC without a zone.
    level : {'raw', 'calibrated', 'derived'} or None
    level_native : str or None
        As the label says it.
    product_type : str or None
        PRODUCT_TYPE, or the product class.
    kind : str
        data, browse, document, calibration, collection, bundle, ...
    family : str
        What labels are compared within: host and instrument, or bundle and product class.
    """

    id: str | None
    version: str | None
    dataset: str | None
    mission: str | None
    host: str | None
    instrument: str | None
    targets: tuple[str, ...]
    start_time: datetime | None
    stop_time: datetime | None
    level: str | None
    level_native: str | None
    product_type: str | None
    kind: str
    family: str


#: Field -> the keywords that tell it, the best first.
_PDS3: Final[dict[str, tuple[str, ...]]] = {
    "id": ("PRODUCT_ID", "FILE_NAME"),
    "version": ("PRODUCT_VERSION_ID",),
    "dataset": ("DATA_SET_ID",),
    "mission": ("MISSION_NAME", "MISSION_ID"),
    "host": ("INSTRUMENT_HOST_ID", "SPACECRAFT_ID"),
    "instrument": ("INSTRUMENT_ID",),
    "targets": ("TARGET_NAME",),
    "start_time": ("START_TIME",),
    "stop_time": ("STOP_TIME",),
    "level": ("PROCESSING_LEVEL_ID",),
    "product_type": ("PRODUCT_TYPE",),
}
_PDS4: Final[dict[str, tuple[str, ...]]] = {
    "id": ("pds:Identification_Area/pds:logical_identifier",),
    "version": ("pds:Identification_Area/pds:version_id",),
    "mission": ("pds:Investigation_Area/pds:name",),
    "component": ("pds:Observing_System/pds:Observing_System_Component/pds:name",),
    "component_type": ("pds:Observing_System/pds:Observing_System_Component/pds:type",),
    "targets": ("pds:Target_Identification/pds:name",),
    "start_time": ("pds:Time_Coordinates/pds:start_date_time",),
    "stop_time": ("pds:Time_Coordinates/pds:stop_date_time",),
    "level": ("pds:Primary_Result_Summary/pds:processing_level",),
}
_PDS4_KINDS: Final = {
    "Product_Observational": "data",
    "Product_Browse": "browse",
    "Product_Thumbnail": "browse",
    "Product_Document": "document",
    "Product_File_Text": "document",
    "Product_Collection": "collection",
    "Product_Bundle": "bundle",
    "Product_Context": "context",
    "Product_SPICE_Kernel": "spice",
    "Product_XML_Schema": "schema",
    "Product_Ancillary": "ancillary",
}
#: Folders of a PDS3 volume (Standards Reference 3.8, chapter 19) that say what their products are.
_FOLDER_KINDS: Final = {
    "BROWSE": "browse",
    "EXTRAS": "ancillary",
    "CALIB": "calibration",
    "CALIBRATION": "calibration",
    "CATALOG": "catalog",
    "DOCUMENT": "document",
    "DOCUMENTS": "document",
    "GEOMETRY": "geometry",
    "INDEX": "index",
    "SOFTWARE": "software",
}
_CODMAC: Final = {"1": "raw", "2": "raw", "3": "calibrated", "4": "calibrated", "5": "derived"}
_PDS4_LEVELS: Final = {
    "TELEMETRY": "raw",
    "RAW": "raw",
    "PARTIALLY PROCESSED": "raw",
    "CALIBRATED": "calibrated",
    "DERIVED": "derived",
}
_DATA_SET: Final = re.compile(
    r"(?P<host>[A-Z0-9]+(?:[/&][A-Z0-9]+)*)-(?P<target>[A-Z0-9]+(?:[/&][A-Z0-9]+)*)-(?P<instrument>[A-Z0-9]+(?:[/&][A-Z0-9]+)*)"
    r"(?:-(?P<level>[0-9](?:/[0-9])*))?(?:-.*?)?(?:-V(?P<version>[0-9.]+))?"
)


def data_set_parts(dataset: str) -> dict[str, str | None]:
    """Take a DATA_SET_ID apart: host, target, instrument, level, version (None where it does not say).

    Source: PDS Standards Reference 3.8, section 6.3.
    """
    match = _DATA_SET.fullmatch(dataset.upper())
    if match is None:
        return dict.fromkeys(("host", "target", "instrument", "level", "version"))
    return match.groupdict()


def select(standard: str, paths: Items[str]) -> dict[str, list[int]]:
    """Find the keywords that tell the identity.

    Parameters
    ----------
    standard : {'PDS3', 'PDS4'}
    paths : sequence of str
        Paths of all keywords of a label, in its order.

    Returns
    -------
    dict of str to list of int
        For each field the positions in `paths`: of the best keyword that is there, the least nested ones, all repeats.
    """
    wanted = _PDS3 if standard == "PDS3" else _PDS4
    by_name: dict[str, list[int]] = {}
    names = {path.rpartition("/")[2] for choices in wanted.values() for path in choices}
    for position, path in enumerate(paths):
        name = path.rpartition("/")[2]
        if name in names:
            by_name.setdefault(name, []).append(position)
    chosen: dict[str, list[int]] = {}
    for field, choices in wanted.items():
        for choice in choices:
            found = [at for at in by_name.get(choice.rpartition("/")[2], ()) if _ends_with(paths[at], choice)]
            if found:
                depth = min(paths[at].count("/") for at in found)
                chosen[field] = [at for at in found if paths[at].count("/") == depth]
                break
    return chosen


def _ends_with(path: str, steps: str) -> bool:
    return path == steps or path.endswith("/" + steps)


def assemble(
    standard: str,
    root: str,
    values: Mapping[str, list[Value]],
    folders: Iterable[str] = (),
    name: str = "",
) -> Identity:
    """Make the identity from the values of the keywords that `select` found.

    Parameters
    ----------
    standard : {'PDS3', 'PDS4'}
    root : str
        Name of the root element (PDS4).
    values : mapping of str to list of values
        By field; may lack fields.
    folders : iterable of str
        Names of the folders that hold the label, the outermost first.
    name : str
        Name of the label's file, the last resort for an id.

    Returns
    -------
    Identity
    """
    make = _assemble_pds3 if standard == "PDS3" else _assemble_pds4
    return make(root, values, tuple(folders), name)


def _assemble_pds3(_root: str, values: Mapping[str, list[Value]], folders: tuple[str, ...], name: str) -> Identity:
    dataset = _joined(values, "dataset")
    parts = data_set_parts(dataset or "")
    host = _joined(values, "host") or parts["host"]
    instrument = _joined(values, "instrument") or parts["instrument"]
    native = _joined(values, "level") or parts["level"]
    return Identity(
        id=_first(values, "id") or name or None,
        version=_first(values, "version") or parts["version"],
        dataset=dataset,
        mission=_first(values, "mission"),
        host=host,
        instrument=instrument,
        targets=_texts(values, "targets"),
        start_time=_time(values, "start_time"),
        stop_time=_time(values, "stop_time"),
        level=_CODMAC.get((native or "").strip()[:1]),
        level_native=native,
        product_type=_first(values, "product_type"),
        kind=_pds3_kind(folders, dataset),
        family=f"{host or 'UNKNOWN'}/{instrument or 'UNKNOWN'}".upper(),  # tables do not tell case apart
    )


def _pds3_kind(folders: tuple[str, ...], dataset: str | None) -> str:
    data_set_folder = (dataset or "").replace("/", "-").upper()
    upper = [folder.upper() for folder in folders]
    inside = upper[upper.index(data_set_folder) + 1 :] if data_set_folder in upper else upper[-3:]
    return next((_FOLDER_KINDS[folder] for folder in inside if folder in _FOLDER_KINDS), "data")


def _assemble_pds4(root: str, values: Mapping[str, list[Value]], _folders: tuple[str, ...], name: str) -> Identity:
    product_class = root.rpartition(":")[2]
    lid = _first(values, "id")
    steps = (lid or "").split(":")
    bundle = steps[3] if len(steps) > 3 else None
    native = _joined(values, "level")
    return Identity(
        id=lid or name or None,
        version=_first(values, "version"),
        dataset=":".join(steps[:5]) if bundle else None,
        mission=_first(values, "mission"),
        host=_component(values, ("host", "spacecraft", "rover", "lander")),
        instrument=_component(values, ("instrument",)),
        targets=_texts(values, "targets"),
        start_time=_time(values, "start_time"),
        stop_time=_time(values, "stop_time"),
        level=next(
            (_PDS4_LEVELS[text.upper()] for text in _texts(values, "level") if text.upper() in _PDS4_LEVELS), None
        ),
        level_native=native,
        product_type=product_class,
        kind=_PDS4_KINDS.get(product_class, product_class.removeprefix("Product_").lower()),
        family=f"{(bundle or 'UNKNOWN').lower()}/{product_class}",
    )


def _component(values: Mapping[str, list[Value]], types: tuple[str, ...]) -> str | None:
    """Names of the parts of the observing system that are of a type; name and type are both mandatory, so they pair."""
    names = [_text(value) for value in values.get("component", ())]
    kinds = [(_text(value) or "").lower() for value in values.get("component_type", ())]
    if len(names) != len(kinds):
        return None
    return _join(name for name, kind in zip(names, kinds, strict=True) if name and kind in types)


def _present(values: Mapping[str, list[Value]], field: str) -> list[Scalar]:
    found = [scalar for value in values.get(field, ()) for scalar in scalars(value)]
    return [scalar for scalar in found if scalar.kind != MISSING and scalar.text]


def _texts(values: Mapping[str, list[Value]], field: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scalar.text for scalar in _present(values, field)))


def _first(values: Mapping[str, list[Value]], field: str) -> str | None:
    return next((scalar.text for scalar in _present(values, field)), None)


def _joined(values: Mapping[str, list[Value]], field: str) -> str | None:
    return _join(_texts(values, field))


def _join(texts: Iterable[str]) -> str | None:
    """Several become one name that does not depend on their order."""
    return "+".join(sorted(set(texts))) or None


def _text(value: Value) -> str | None:
    scalar = next(iter(scalars(value)), None) if isinstance(value, Sequence) else value
    return None if scalar is None or scalar.kind == MISSING else scalar.text


def _time(values: Mapping[str, list[Value]], field: str) -> datetime | None:
    for scalar in _present(values, field):
        time = scalar.value if scalar.kind == TIME else parse_time(scalar.text)
        if isinstance(time, datetime):
            return time
    return None


def identity_of(label: Label) -> Identity:
    """Identity of the product that a label describes."""
    leaves = list(label.leaves())
    chosen = select(label.standard, [path for path, _ in leaves])
    values = {field: [leaves[at][1].typed for at in positions] for field, positions in chosen.items()}
    folders = label.path.absolute().parent.parts if label.path else ()
    return assemble(label.standard, label.name, values, folders, label.path.name if label.path else "")
