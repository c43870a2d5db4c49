"""Small indexes by plain SQL, of the schema that a build writes: what asking needs, without building."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

SQL_TYPES = {"int": "bigint", "float": "double", "time": "timestamp", "boolean": "boolean", "text": "varchar"}

TABLES = """
create schema meta;
create table products(product_key bigint, standard varchar, kind varchar, id varchar, version varchar, latest boolean,
    dataset varchar, mission varchar, host varchar, instrument varchar, targets varchar[], start_time timestamp,
    stop_time timestamp, level varchar, level_native varchar, product_type varchar, family varchar, root varchar,
    label varchar, twin_of bigint, run integer, last_seen timestamp);
create table files(root varchar, folder varchar, name varchar, size bigint, mtime timestamp, role varchar,
    product_key bigint);
create table families(family varchar, standard varchar, host varchar, instrument varchar, products bigint, wide boolean,
    view_name varchar);
create table meta.other(product_key bigint, family varchar, path varchar, number double, time timestamp, text varchar,
    unit varchar);
create table keywords(family varchar, path varchar, name varchar, column_name varchar, type varchar, is_list boolean,
    unit varchar, units varchar[], unit_column varchar, count bigint, missing map(varchar, bigint), odd bigint,
    min varchar, max varchar, examples varchar[]);
create table odd_values(product_key bigint, path varchar, text varchar);
create table rejected(root varchar, path varchar, reason varchar, line integer, text varchar, since timestamp,
    run integer);
create table runs(run integer, command varchar, started timestamp, ended timestamp, labels bigint, products bigint,
    rejected bigint, files bigint, bytes bigint, jobs integer, psalab varchar, settings varchar);
create table roots(root varchar, path varchar, marker varchar, products bigint, last_run integer);
create table about(key varchar, value varchar);
insert into about values ('schema_version', '1'), ('psalab', '0.1.0'), ('structure', 'false');
insert into runs values (1, 'build', '2026-01-01 10:00', '2026-01-01 10:05', 0, 0, 0, 0, 0, 1, '0.1.0', '{}');
"""

PRODUCT = {
    "standard": "PDS3",
    "kind": "data",
    "version": "1",
    "latest": True,
    "mission": "SYNTHETIC MISSION",
    "host": "SC",
    "targets": ["67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)"],
    "level": "calibrated",
    "product_type": "RDR",
    "root": "volume",
    "run": 1,
}


@dataclass(frozen=True)
class Shape:
    """A keyword of a family."""

    path: str
    type: str = "float"
    unit: str | None = None
    is_list: bool = False
    units: tuple[str, ...] = ()
    unit_column: str | None = None


@dataclass
class FamilyOf:
    """A family of labels; a row is (columns of products, values of keywords by path)."""

    name: str
    instrument: str
    shapes: list[Shape]
    rows: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    wide: bool = True

    @property
    def view(self) -> str:
        return self.name.rpartition("/")[2]


def write_index(path: Path, families: list[FamilyOf], more: str = "") -> Path:
    """Write an index of these families; `more` is further SQL."""
    path.unlink(missing_ok=True)
    connection = duckdb.connect(str(path))
    connection.execute(TABLES)
    key = 1000
    for family in families:
        if family.wide:
            _create_wide(connection, family)
        for product, values in family.rows:
            key += 7
            _insert(connection, family, key, product, values)
        connection.execute(
            "insert into families values (?, 'PDS3', 'SC', ?, ?, ?, ?)",
            [family.name, family.instrument, len(family.rows), family.wide, family.view],
        )
        for shape in family.shapes:
            _describe(connection, family, shape)
    connection.execute(
        "insert into roots select root, '/media/data/' || root, 'VOLDESC.CAT', count(*), 1 from products group by root"
    )
    connection.execute("insert into files select root, '', label, 10, null, 'label', product_key from products")
    connection.execute(more)
    connection.close()
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _create_wide(connection: duckdb.DuckDBPyConnection, family: FamilyOf) -> None:
    columns = ["product_key bigint"]
    columns += [f"{_quoted(s.path)} {SQL_TYPES[s.type]}{'[]' if s.is_list else ''}" for s in family.shapes]
    columns += [f"{_quoted(s.unit_column)} varchar" for s in family.shapes if s.unit_column]
    connection.execute(f"create table meta.{_quoted(family.name)}({', '.join(columns)})")


def _insert(
    connection: duckdb.DuckDBPyConnection, family: FamilyOf, key: int, product: dict[str, Any], values: dict[str, Any]
) -> None:
    row = {
        **PRODUCT,
        "instrument": family.instrument,
        "family": family.name,
        "dataset": f"SC-{family.view}-V1.0",
        "label": f"{product['id']}.LBL",
        **product,
        "product_key": key,
    }
    connection.execute(
        f"insert into products({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())
    )
    if family.wide:
        names = ", ".join(_quoted(name) for name in ("product_key", *values))
        marks = ", ".join("?" * (len(values) + 1))
        connection.execute(
            f"insert into meta.{_quoted(family.name)}({names}) values ({marks})", [key, *values.values()]
        )
        return
    units = {shape.path: shape.unit for shape in family.shapes}
    for path, value in values.items():
        # a value may come with the unit of its own row
        given, unit = value if isinstance(value, tuple) else (value, units[path])
        for item in given if isinstance(given, list) else [given]:
            number = float(item) if isinstance(item, (bool, int, float)) else None
            time = item if isinstance(item, datetime) else None
            text = None if item is None else str(item)
            connection.execute(
                "insert into meta.other values (?, ?, ?, ?, ?, ?, ?)",
                [key, family.name, path, number, time, text, unit],
            )


def _describe(connection: duckdb.DuckDBPyConnection, family: FamilyOf, shape: Shape) -> None:
    values = [values.get(shape.path) for _, values in family.rows]
    there = [value for value in values if value is not None]
    connection.execute(
        "insert into keywords values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, map {'N/A': ?}, 0, ?, ?, ?)",
        [
            family.name,
            shape.path,
            shape.path.rpartition("/")[2].rpartition(":")[2],
            shape.path if family.wide else None,
            shape.type,
            shape.is_list,
            shape.unit,
            list(shape.units) or None,
            shape.unit_column,
            len(there),
            len(values) - len(there),
            str(min(there, key=str, default=None)),
            str(max(there, key=str, default=None)),
            [str(value) for value in there[:3]],
        ],
    )


def at(text: str) -> datetime:
    """Read a time as UTC without a zone."""
    return datetime.fromisoformat(text)


def camera() -> FamilyOf:
    """A wide family: five images, one of an older version, one raw, one without a start, one a browse image."""
    shapes = [
        Shape("GEOMETRY/PHASE_ANGLE", "float", "deg"),
        Shape("IMAGE_POI/SC:SURFACE_INTERCEPT_DISTANCE", "float", "km"),
        Shape("IMAGE/FILTER_NAME", "text"),
        Shape("IMAGE/EXPOSURE_DURATION", "float", "s"),
        Shape("IMAGE/LINES", "int"),
        Shape("IMAGE/SUN_VECTOR", "float", "km", is_list=True),
        Shape("IMAGE/SHUTTER_OPEN", "boolean"),
        Shape("START_TIME", "time"),
    ]

    def row(
        name: str, start: str | None, phase: float | None, distance: float, exposure: float, **product: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        begin = None if start is None else at(start)
        return (
            {"id": name, "start_time": begin, "stop_time": begin, **product},
            {
                "GEOMETRY/PHASE_ANGLE": phase,
                "IMAGE_POI/SC:SURFACE_INTERCEPT_DISTANCE": distance,
                "IMAGE/FILTER_NAME": "red" if phase and phase > 30 else "blue",
                "IMAGE/EXPOSURE_DURATION": exposure,
                "IMAGE/LINES": 1024 if name != "C3" else None,
                "IMAGE/SUN_VECTOR": [distance, 2.0, 3.0],
                "IMAGE/SHUTTER_OPEN": phase is not None,
                "START_TIME": begin,
            },
        )

    return FamilyOf(
        "SC/CAM",
        "CAM",
        shapes,
        [
            row("C2", "2014-08-02T10:00:00", 20.0, 80.0, 0.5),
            row("C1", "2014-08-01T10:00:00", 10.0, 90.0, 1.5, level="raw"),
            row("C3", None, None, 30.0, 2.5),
            row("C4", "2014-09-01T00:00:00", 40.0, 10.0, 3.5),
            row("C1", "2014-08-01T10:00:00", 11.0, 91.0, 1.5, version="0", latest=False, level="raw"),
            row("C5", "2014-08-05T00:00:00", 50.0, 20.0, 4.5, kind="browse"),
        ],
    )


def spectrometer() -> FamilyOf:
    """A wide family whose exposures are in ms, and whose temperatures come in two units."""
    shapes = [
        Shape("GEOMETRY/PHASE_ANGLE", "float", "deg"),
        Shape("SPECTRUM/EXPOSURE_DURATION", "float", "ms"),
        Shape("SPECTRUM/LENGTH", "float", "km", units=("km", "m"), unit_column="SPECTRUM/LENGTH (unit)"),
    ]
    rows: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for number, (phase, exposure, length, unit) in enumerate([(5.0, 400.0, 3.0, "km"), (60.0, 900.0, 1500.0, "m")], 1):
        begin = at(f"2014-08-0{number}T12:00:00")
        rows.append(
            (
                {"id": f"S{number}", "start_time": begin, "stop_time": begin, "targets": ["MARS", "PHOBOS"]},
                {
                    "GEOMETRY/PHASE_ANGLE": phase,
                    "SPECTRUM/EXPOSURE_DURATION": exposure,
                    "SPECTRUM/LENGTH": length,
                    "SPECTRUM/LENGTH (unit)": unit,
                },
            )
        )
    return FamilyOf("SC/SPEC", "SPEC", shapes, rows)


def dust() -> FamilyOf:
    """A small family, its keywords in meta.other."""
    shapes = [
        Shape("DUST/EXPOSURE_DURATION", "float", "s"),
        Shape("DUST/GRAINS", "int"),
        Shape("DUST/CHANNELS", "int", is_list=True),
        Shape("DUST/COMMENT", "text"),
    ]
    rows: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (
            {"id": "D1", "start_time": at("2014-08-03T00:00:00"), "stop_time": at("2014-08-04T00:00:00")},
            {
                "DUST/EXPOSURE_DURATION": 60.0,
                "DUST/GRAINS": 7,
                "DUST/CHANNELS": [3, 1, 2],
                "DUST/COMMENT": "<b>loud</b>",
            },
        ),
        (
            {"id": "D2", "start_time": at("2014-08-09T00:00:00"), "stop_time": None, "targets": ["MARS"]},
            {"DUST/EXPOSURE_DURATION": 0.25, "DUST/GRAINS": None, "DUST/CHANNELS": [9], "DUST/COMMENT": "calm"},
        ),
    ]
    return FamilyOf("SC/DUST", "DUST", shapes, rows, wide=False)
