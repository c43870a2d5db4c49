"""Structure files are found as the standard says, and become part of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.errors import LabelError
from psalab.labels import read_label

if TYPE_CHECKING:
    from pathlib import Path

LABEL = """PDS_VERSION_ID = PDS3
OBJECT = TABLE
  COLUMNS = 1
  ^STRUCTURE = "COLUMNS.FMT"
  AFTER = 2
END_OBJECT = TABLE
END
"""
COLUMN = 'OBJECT = COLUMN\n  NAME = "%s"\nEND_OBJECT = COLUMN\n'


@pytest.fixture
def label(tmp_path: Path) -> Path:
    """A label deep within a data set."""
    (tmp_path / "SET" / "DATA" / "2014").mkdir(parents=True)
    (tmp_path / "SET" / "VOLDESC.CAT").touch()
    path = tmp_path / "SET" / "DATA" / "2014" / "A.LBL"
    path.write_text(LABEL)
    return path


def put(folder: Path, name: str, content: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)


def names(path: Path) -> list[str]:
    return [str(name) for name in read_label(path, structures=True).all("COLUMN/NAME")]


def test_the_content_stands_where_the_pointer_is(label: Path) -> None:
    put(label.parent, "COLUMNS.FMT", COLUMN % "UTC")
    paths = [path for path, _ in read_label(label, structures=True).leaves()]
    assert paths[1:] == ["TABLE/COLUMNS", "TABLE/^STRUCTURE", "TABLE/COLUMN/NAME", "TABLE/AFTER"]


def test_without_asking_nothing_is_included(label: Path) -> None:
    assert "TABLE/COLUMN/NAME" not in read_label(label)


@pytest.mark.parametrize("name", ["COLUMNS.FMT", "columns.fmt", "Columns.fmt"])
@pytest.mark.parametrize("folder", [".", "LABEL", "../LABEL", "../../label"])
def test_it_is_looked_for_beside_the_label_and_in_label_folders_upward_in_any_case(
    label: Path, folder: str, name: str
) -> None:
    put(label.parent / folder, name, COLUMN % "UTC")
    assert names(label) == ["UTC"]


def test_the_nearest_wins(label: Path) -> None:
    put(label.parents[2] / "LABEL", "COLUMNS.FMT", COLUMN % "far")
    put(label.parents[1] / "LABEL", "COLUMNS.FMT", COLUMN % "near")
    assert names(label) == ["near"]
    put(label.parent, "columns.fmt", COLUMN % "beside")
    assert names(label) == ["beside"]
    put(label.parent, "COLUMNS.FMT", COLUMN % "exact")
    assert names(label) == ["exact"]


def test_nothing_outside_the_data_set_is_read(label: Path) -> None:
    put(label.parents[3] / "LABEL", "COLUMNS.FMT", COLUMN % "outside")
    with pytest.raises(LabelError, match="neither beside the label nor in LABEL/ above it"):
        names(label)


@pytest.mark.parametrize("name", ["../../../secret.fmt", "/etc/hostname", "..\\\\secret.fmt", "..", "."])
def test_a_pointer_leads_nowhere_else(label: Path, name: str) -> None:
    put(label.parents[3], "secret.fmt", COLUMN % "secret")
    label.write_text(LABEL.replace("COLUMNS.FMT", name))
    with pytest.raises(LabelError, match="neither beside the label"):
        names(label)


def test_a_file_that_is_not_there_is_named_with_the_line(label: Path) -> None:
    with pytest.raises(LabelError) as caught:
        names(label)
    assert str(caught.value) == (
        f"{label}, line 4: the structure file COLUMNS.FMT is neither beside the label nor in LABEL/ above it\n"
        '    ^STRUCTURE = "COLUMNS.FMT"'
    )


def test_structures_include_structures(label: Path) -> None:
    put(label.parent, "COLUMNS.FMT", COLUMN % "one" + '^TIME_STRUCTURE = ("TIMES.FMT")\n' + COLUMN % "four")
    put(label.parents[2] / "LABEL", "TIMES.FMT", COLUMN % "two" + COLUMN % "three")
    assert names(label) == ["one", "two", "three", "four"]


@pytest.mark.parametrize("inner", ["COLUMNS.FMT", "columns.fmt", "OTHER.FMT"])
def test_a_structure_that_includes_itself_is_refused(label: Path, inner: str) -> None:
    put(label.parent, "COLUMNS.FMT", f'^STRUCTURE = "{inner}"\n')
    put(label.parent, "OTHER.FMT", '^STRUCTURE = "COLUMNS.FMT"\n')
    with pytest.raises(LabelError, match="includes itself"):
        names(label)


def test_one_file_may_be_included_often(label: Path) -> None:
    label.write_text(LABEL.replace("AFTER = 2", '^STRUCTURE = "COLUMNS.FMT"'))
    put(label.parent, "COLUMNS.FMT", COLUMN % "UTC")
    assert names(label) == ["UTC", "UTC"]


def test_a_bomb_of_structures_is_refused(label: Path) -> None:
    """Each includes the next ten times: 10,000,000,000 copies of the last."""
    put(label.parent, "COLUMNS.FMT", '^STRUCTURE = "F0.FMT"\n')
    for level in range(10):
        put(label.parent, f"F{level}.FMT", f'^STRUCTURE = "F{level + 1}.FMT"\n' * 10)
    put(label.parent, "F10.FMT", COLUMN % "last")
    with pytest.raises(LabelError, match="more than 1000 structure files, or 10 within each other"):
        names(label)


def test_blocks_too_deep_over_several_files_are_refused(label: Path) -> None:
    for level in range(3):
        text = "OBJECT = O\n" * 60 + f'^STRUCTURE = "F{level}.FMT"\n' + "END_OBJECT\n" * 60
        put(label.parent, "COLUMNS.FMT" if not level else f"F{level - 1}.FMT", text)
    with pytest.raises(LabelError, match="nested deeper than 100 levels"):
        names(label)


def test_a_structure_that_is_no_label_is_refused_with_its_own_line(label: Path) -> None:
    put(label.parent, "COLUMNS.FMT", "A = 1\nno label\n")
    with pytest.raises(LabelError, match=r"COLUMNS\.FMT, line 2: expected '=' behind the keyword no"):
        names(label)


def test_a_large_structure_is_refused(label: Path) -> None:
    with (label.parent / "COLUMNS.FMT").open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(LabelError, match="larger than 16 MB"):
        names(label)
