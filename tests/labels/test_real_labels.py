"""Real labels: each is read whole, or refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.errors import LabelError
from psalab.labels import read_label
from psalab.labels.find import begins_with_label

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def labels_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if path.suffix.lower() in {".lbl", ".xml", ".lblx", ".fmt"} or begins_with_label(file.read(4096)):
                    yield path


def test_nearly_every_label_is_read_and_every_other_is_refused_with_its_place(
    labels_only: Path, real_products: Path
) -> None:
    """Refused are templates, and labels that were made to be wrong: docs/explanation/parsers_compared.md."""
    read = refused = keywords = 0
    for path in (*labels_below(labels_only), *labels_below(real_products)):
        try:
            label = read_label(path)
        except LabelError as error:
            refused += 1
            if error.path != str(path):
                pytest.fail(f"the error does not name its file: {error}")
        else:
            read += 1
            keywords += sum(keyword.typed is not None for _, keyword in label.leaves())
    assert read > 2700
    assert refused < 0.025 * read
    assert keywords > 150_000


def test_every_osiris_label_has_the_same_315_keywords(osiris_labels: Path) -> None:
    paths = sorted(osiris_labels.rglob("*.LBL"))[::100]
    labels = [read_label(path) for path in paths]
    assert len(labels) > 100
    shapes = {tuple(path for path, _ in label.leaves()) for label in labels}
    assert [len(shape) for shape in shapes] == [315]


def test_the_traps_of_the_osiris_labels(osiris_labels: Path) -> None:
    label = read_label(min(osiris_labels.rglob("*.LBL")))
    assert str(label["NOTE"]).count("START_TIME") == 1
    assert isinstance(label["ROSETTA:SEGMENT_X"], list)
    assert isinstance(label["DATA_QUALITY_ID"], str)
    assert label.unit("SC_SUN_POSITION_VECTOR") == "km"
    quaternion = str(label["SC_COORDINATE_SYSTEM/QUATERNION_DESC"])
    assert quaternion.endswith("(nx sin(a/2), ny sin(a/2), nz sin(a/2), cos(a/2)")
    assert "\n" not in quaternion
