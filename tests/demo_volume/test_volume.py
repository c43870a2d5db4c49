"""The volume as a whole: the same bytes everywhere, where it may be written, and what its summary says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from psalab.demo_volume import DemoVolume, write_volume
from psalab.errors import VolumeError

# Of the volume with the usual seed, on every platform and Python. Who changes the generator on purpose changes this,
# and the number of the generator in templates/readme.txt.
DIGEST = "be7946f17d352f57988dc86aeb3fb9f4e1ab195a85aac7f9ff0cd61aecf33a47"


def digest(folder: Path) -> str:
    """One number for all names and contents below a folder."""
    total = hashlib.sha256()
    for path in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        total.update(path.encode() + b"\0" + hashlib.sha256((folder / path).read_bytes()).digest())
    return total.hexdigest()


def test_the_bytes_are_the_same_everywhere(volume: DemoVolume) -> None:
    assert digest(volume.folder) == DIGEST


def test_writing_it_over_itself_changes_nothing(tmp_path: Path, volume: DemoVolume) -> None:
    first = write_volume(tmp_path)
    assert write_volume(tmp_path) == first
    assert digest(tmp_path) == digest(volume.folder)


def test_another_seed_gives_another_volume_of_the_same_size(tmp_path: Path, volume: DemoVolume) -> None:
    other = write_volume(tmp_path, seed=2)
    assert digest(tmp_path) != digest(volume.folder)
    assert (other.families, other.kinds, len(other.broken)) == (volume.families, volume.kinds, len(volume.broken))


def test_scale_multiplies_the_products_of_the_larger_instruments(tmp_path: Path, volume: DemoVolume) -> None:
    twice = write_volume(tmp_path, scale=2)
    grown = {family for family, count in twice.families.items() if count > volume.families[family]}
    assert grown == {"RO/OSINAC", "MEX/HRSC", "bc_mtm_mcam/Product_Observational", "bc_mtm_mcam/Product_Browse"}
    assert twice.families["RO/OSINAC"] == volume.families["RO/OSINAC"] + 150
    assert len({label.path for label in twice.labels}) == len(twice.labels)


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1", encoding="ascii")
    with pytest.raises(VolumeError, match="not empty"):
        write_volume(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_demonstration_volume_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("SYNTHETIC DEMONSTRATION VOLUME OF PSALAB\ngenerator 0", encoding="ascii")
    with pytest.raises(VolumeError, match="same seed, scale and version"):
        write_volume(tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_way_is_an_error_that_names_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError, match="file"):
        write_volume(tmp_path / place)


@pytest.mark.parametrize(("seed", "scale"), [(-1, 1), (0, 0)])
def test_a_seed_or_scale_that_makes_no_sense_is_refused(tmp_path: Path, seed: int, scale: int) -> None:
    with pytest.raises(ValueError, match="seed of 0 or more and a scale of 1 or more"):
        write_volume(tmp_path, seed=seed, scale=scale)


def test_the_summary_counts_what_is_there(volume: DemoVolume) -> None:
    files = [path for path in volume.folder.rglob("*") if path.is_file()]
    assert (volume.files, volume.bytes) == (len(files), sum(path.stat().st_size for path in files))
    paths = [label.path for label in volume.labels] + [broken.path for broken in volume.rejected]
    assert len(set(paths)) == len(paths)
    assert all((volume.folder / path).is_file() for path in [*paths, *volume.catalogs])


def test_every_file_that_looks_like_a_label_is_in_the_summary(volume: DemoVolume) -> None:
    known = {label.path for label in volume.labels} | {broken.path for broken in volume.rejected}
    suffixes = {".lbl", ".xml", ".lblx"}
    found = {
        path.relative_to(volume.folder).as_posix()
        for path in volume.folder.rglob("*")
        if path.suffix.lower() in suffixes
    }
    attached = {label.path for label in volume.labels if label.attached}
    assert found == known - attached
    assert {Path(path).suffix for path in attached} == {".IMG", ".TAB"}


def test_three_families_are_large(volume: DemoVolume) -> None:
    large = {family for family, count in volume.families.items() if count >= 120}
    assert large == {"RO/OSINAC", "MEX/HRSC", "bc_mtm_mcam/Product_Observational"}
    assert all(count < 100 for family, count in volume.families.items() if family not in large)


def test_everything_says_that_it_is_synthetic(volume: DemoVolume) -> None:
    silent = [
        label.path for label in volume.labels if b"SYNTHETIC" not in (volume.folder / label.path).read_bytes()[:20_000]
    ]
    assert silent == []
    assert "SYNTHETIC" in (volume.folder / "README.txt").read_text(encoding="ascii")
    assert "BSD-3-Clause" in (volume.folder / "README.txt").read_text(encoding="ascii")


def test_the_faults_are_those_that_were_asked_for(volume: DemoVolume) -> None:
    assert sorted(broken.reason.split(" of ")[0] for broken in volume.rejected) == sorted(
        [
            "cut in the middle",
            "zero bytes",
            "binary data with the suffix",
            "the group STATE is never closed",
            "a document type with entities",
            "no well-formed XML: an element is closed by another's name",
        ]
    )
    doubtful = [broken for broken in volume.broken if not broken.rejected]
    assert len(doubtful) == 3
    assert {broken.path for broken in doubtful} < {label.path for label in volume.labels}


def test_versions_names_and_trees_are_as_odd_as_real_ones(volume: DemoVolume) -> None:
    paths = [label.path for label in volume.labels]
    assert any("'" in path and " " in path for path in paths)
    assert any(path == path.lower() and path.endswith(".lbl") for path in paths)
    assert any(label.dataset == "VEX-V/Y-MAG-3-DEMO-V1.0" and "VEX-V-Y-MAG" in label.path for label in volume.labels)
    versions: dict[str, set[str]] = {}
    for label in volume.labels:
        versions.setdefault(label.id, set()).add(label.version)
    assert {"1.9", "1.10"} in versions.values()
    assert {"1", "2"} in versions.values()
    assert sum(label.twin is not None for label in volume.labels) == 3
