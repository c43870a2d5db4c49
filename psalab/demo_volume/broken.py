"""What is wrong on purpose, apart from the faults that the instruments have among their own products."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise
from psalab.demo_volume.mcam import BUNDLE
from psalab.demo_volume.pds3_volume import DataSet, DataSetWriter
from psalab.demo_volume.templates import template

if TYPE_CHECKING:
    from psalab.demo_volume.tree import Tree

__all__ = ["DATA_SET", "write"]

DATA_SET: Final = DataSet(
    id="RO-X-BROKEN-2-DEMO-V1.0",
    name="SYNTHETIC LABELS WITH FAULTS V1.0",
    volume="DEMO_9001",
    host="RO",
    host_name="ROSETTA-ORBITER",
    instrument="BROKEN",
    instrument_name="NO INSTRUMENT AT ALL",
    mission="INTERNATIONAL ROSETTA MISSION",
    target="CALIBRATION",
)


def write(tree: Tree) -> None:
    """Write the data set of faults, and two labels into a bundle."""
    _pds3(tree)
    _pds4(tree)


def _pds3(tree: Tree) -> None:
    data_set = DataSetWriter(tree, DATA_SET)
    good = pds3.filled("broken.lbl", stem="GOOD")
    cut = good[: good.index("tion volume of psalab")]
    open_group = good.replace("END_GROUP                        = STATE\n", "")
    noise = (Noise(tree.seed, "binary").uniform(600) * 256.0).astype("u1").tobytes()
    for name, data, reason in (
        ("CUT", pds3.encoded(cut), "cut in the middle of a text: the quote is never closed"),
        ("EMPTY", b"", "zero bytes"),
        ("BINARY", b"\x00\xff\xfe" + noise, "binary data with the suffix of a label"),
        ("GROUP", pds3.encoded(open_group), "the group STATE is never closed"),
    ):
        tree.reject(data_set.path(f"DATA/{name}.LBL"), data, reason)
    start = datetime(2014, 8, 1)
    times = (start, start + timedelta(seconds=1))
    image = {"DATA/GOOD.IMG": bytes(range(64))}
    data_set.product("DATA/GOOD.LBL", pds3.encoded(good), id="GOOD", version="1.0", times=times, files=image)
    missing = pds3.encoded(pds3.filled("broken.lbl", stem="MISSING"))
    path = data_set.product("DATA/MISSING.LBL", missing, id="MISSING", version="1.0", times=times)
    tree.doubt(path, "the data file MISSING.IMG is not there")
    data_set.finish()


def _pds4(tree: Tree) -> None:
    folder = f"{BUNDLE.id}/data_raw/broken"
    for name, reason in (
        ("entity", "a document type with entities"),
        ("nesting", "no well-formed XML: an element is closed by another's name"),
    ):
        text = template(f"pds4/broken_{name}.xml")
        tree.reject(f"{folder}/{name}.{BUNDLE.suffix}", text.encode(), reason)
