"""An instrument like COSIMA of Rosetta: ASCII tables whose columns stand in the folder LABEL.

Lists of grains (one without any) and mass spectra; the first data set is repeated in the second. One label is Latin-1,
one is UTF-8, one file has a blank and an apostrophe in its name, and two labels claim one identifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from psalab.demo_volume.tree import Tree

__all__ = ["FIRST", "PEAKS", "SECOND", "SUBSTRATES", "grains", "spectrum", "write"]

SUBSTRATES: Final = {"1D0": "Gold, 20-30 micrometer thickness", "2D0": "Silver, blank", "3D0": "Gold, Ag particles"}
#: Masses of the peaks of positive ions in u, and how high they are: C, Na, Mg, Al, Si, K, Ca, Fe, In.
PEAKS: Final = (
    (12.0000, 150.0),
    (22.9898, 900.0),
    (23.9850, 500.0),
    (26.9815, 260.0),
    (27.9769, 420.0),
    (38.9637, 330.0),
    (39.9626, 240.0),
    (55.9349, 300.0),
    (114.9039, 800.0),
)
BINS: Final = 480
BIN_WIDTH: Final = 0.25  # u

_EPOCH: Final = datetime(2014, 8, 7, 0, 15)
_SESSIONS: Final = 4  # one a week
_NOTE: Final = "SYNTHETIC, demonstration volume of psalab"


def _data_set(version: int) -> DataSet:
    return DataSet(
        id=f"RO-C-COSIMA-3-V{version}.0",
        name=f"SYNTHETIC ROSETTA-ORBITER 67P COSIMA 3 V{version}.0",
        volume=f"DEMO_300{version}",
        host="RO",
        host_name="ROSETTA-ORBITER",
        instrument="COSIMA",
        instrument_name="COMETARY SECONDARY ION MASS ANALYZER",
        mission="INTERNATIONAL ROSETTA MISSION",
        target="67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)",
    )


FIRST: Final = _data_set(1)
SECOND: Final = _data_set(2)


@dataclass(frozen=True, slots=True)
class Table:
    """What tells the two kinds of products apart in their labels."""

    code: str
    name: str
    structure: str
    description: str
    mode: str
    columns: int
    row_bytes: int
    minutes: int


_GRAINS: Final = Table("GR__", "FEATURE_TABLE", "COSISCOPE_GRAINS.FMT", "list of grains", "IMAGE", 6, 33, 10)
_SPECTRUM: Final = Table("SP_P", "MASS_SPECTRUM_TABLE", "COSIMA_SPECTRUM.FMT", "mass spectrum", "SPECTRUM", 2, 17, 3)


def grains(seed: int, substrate: str, session: int) -> list[tuple[int, ...]]:
    """Boxes around the grains of a substrate: those of earlier sessions stay, new ones come; none at first on 2D0."""
    noise = Noise(seed, f"COSIMA grains {substrate}")
    rows = []
    for number in range((6 + 9 * session) if (substrate, session) != ("2D0", 0) else 0):
        x, y = noise.integer(200, 9700), noise.integer(200, 9700)
        size = noise.integer(0, 5) * 14
        rows.append(
            (x, y, x + size, y + size + 14, noise.integer(20, 255), 0 if number % 4 == 0 else noise.integer(10, 255))
        )
    return sorted(rows, key=lambda row: -row[1])


def spectrum(seed: int, substrate: str, session: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Masses of the bins and the counts in them; the peaks grow with the dust that was collected."""
    mass = (np.arange(BINS, dtype=np.float64) + 0.5) * BIN_WIDTH
    counts: NDArray[np.float64] = 6.0 + 30.0 / (1.0 + 0.1 * mass)
    for centre, height in PEAKS:
        away = (mass - centre) / 0.3
        counts += height * (0.3 + 0.2 * session) / (1.0 + away * away * away * away)
    noise = Noise(seed, f"COSIMA spectrum {substrate} {session}").normal(BINS)
    found: NDArray[np.int64] = np.maximum(np.rint(counts + np.sqrt(counts) * noise), 0).astype(np.int64)
    return mass, found


def write(tree: Tree) -> None:
    """Write both data sets."""
    first, second = DataSetWriter(tree, FIRST), DataSetWriter(tree, SECOND)
    for session in range(_SESSIONS):
        for substrate in SUBSTRATES:
            for data_set in (first, second) if session < 2 else (second,):
                _grain_list(data_set, substrate, session)
                _mass_spectrum(data_set, substrate, session)
    _odd_ones(second)
    for data_set in (first, second):
        data_set.format_file("COSISCOPE_GRAINS.FMT")
        data_set.format_file("COSIMA_SPECTRUM.FMT")
        data_set.finish()


def _grain_list(data_set: DataSetWriter, substrate: str, session: int, **changes: Any) -> str:
    lines = [
        f"{a:5d},{b:5d},{c:5d},{d:5d},{plus:3d},{minus:3d}\n"
        for a, b, c, d, plus, minus in grains(data_set.tree.seed, substrate, session)
    ]
    return _product(data_set, _GRAINS, substrate, session, lines, **changes)


def _mass_spectrum(data_set: DataSetWriter, substrate: str, session: int, **changes: Any) -> str:
    mass, counts = spectrum(data_set.tree.seed, substrate, session)
    lines = [f"{u:8.3f},{n:6d}\n" for u, n in zip(mass.tolist(), counts.tolist(), strict=True)]
    return _product(data_set, _SPECTRUM, substrate, session, lines, **changes)


def _product(
    data_set: DataSetWriter,
    table: Table,
    substrate: str,
    session: int,
    lines: list[str],
    *,
    stem: str = "",
    note: str = _NOTE,
    encoding: str = "ascii",
    later: timedelta = timedelta(0),
    id: str = "",
) -> str:
    """Write a table; the keyword arguments are for the odd ones."""
    start = _EPOCH + timedelta(weeks=session, minutes=90 * list(SUBSTRATES).index(substrate)) + later
    start += timedelta(minutes=30) if table is _SPECTRUM else timedelta(0)
    stop = start + timedelta(minutes=table.minutes)
    name = f"CS_{substrate}_{start:%Y%m%dT%H%M%S}_{table.code}"
    file = f"{stem or name}.TAB"
    label = pds3.filled(
        "cosima.lbl",
        row_bytes=table.row_bytes,
        rows=len(lines),
        columns=table.columns,
        file=file,
        table=table.name,
        structure=table.structure,
        description=table.description,
        mode=table.mode,
        dataset=data_set.about.id,
        dataset_name=data_set.about.name,
        id=id or name,
        version=data_set.about.id[-3:],
        start=pds3.time(start),
        stop=pds3.time(stop),
        clock_start=pds3.clock(start),
        clock_stop=pds3.clock(stop),
        note=note,
        substrate=substrate,
        material=SUBSTRATES[substrate],
        spectrum=_spectrum_keywords(session) if table is _SPECTRUM else "",
    )
    folder = f"DATA/SUB_{substrate}"
    return data_set.product(
        f"{folder}/{stem or name}.LBL",
        pds3.encoded(label, encoding),
        id=id or name,
        version=data_set.about.id[-3:],
        times=(start, stop),
        files={f"{folder}/{file}": pds3.encoded("".join(lines))},
    )


def _spectrum_keywords(session: int) -> str:
    return (
        f"ROSETTA:COSIMA_SUBSTRATE_X       = {2100 + 350 * session}\n"
        f"ROSETTA:COSIMA_SUBSTRATE_Y       = {4800 - 120 * session}\n"
        "ROSETTA:COSIMA_SPECTRUM_POL      = POSITIVE\n"
        "ROSETTA:COSIMA_SPECTRUM_SHOTS    = 225138\n"
    )


def _odd_ones(data_set: DataSetWriter) -> None:
    """Labels that are right and unusual, and a pair that is not right."""
    hour = timedelta(hours=8)
    _grain_list(data_set, "1D0", 3, stem="BORIS'S GRAINS", later=hour)
    _mass_spectrum(data_set, "2D0", 3, later=hour, encoding="latin-1", note=f"{_NOTE}. Größe der Körner in µm")
    _mass_spectrum(
        data_set, "3D0", 3, later=hour, encoding="utf-8", note=f"{_NOTE}. Größe der Körner in µm, Δm = 0.25 u"
    )
    one = _mass_spectrum(data_set, "1D0", 3, later=2 * hour)
    name = one.rpartition("/")[2].removesuffix(".LBL")
    other = _mass_spectrum(data_set, "1D0", 3, later=3 * hour, id=name)
    data_set.tree.doubt(other, f"its PRODUCT_ID is that of {one}")
