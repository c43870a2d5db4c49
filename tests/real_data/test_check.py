"""Checking real volumes: thirty planted faults are found, and next to nothing is said of good products."""

from __future__ import annotations

import csv
import hashlib
import os
import random
import re
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from psalab.index.build import build_index
from tests.index.checked import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.index.check_codes import Finding

#: A real label with many numbers, and a data file of its own.
CLONED = "NASA-PDS+transform/src/main/resources/examples/N1727539187_1.LBL"
CLONES = 60
LABELS = (".lbl", ".xml", ".lblx")


@dataclass
class Planted:
    """A copy of the archive, with faults in it.

    Attributes
    ----------
    root : Path
    random : Random
    good : list of str
        Labels of good products that no fault has touched yet, below the root.
    faults : list of (str, str)
        Code, and a part of the path of what should be found.
    touched : set of str
        Labels, below the root.
    """

    root: Path
    random: random.Random
    good: list[str]
    faults: list[tuple[str, str]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def expect(self, code: str, path: Path | str) -> None:
        """Note a fault."""
        self.faults.append((code, path if isinstance(path, str) else str(path.relative_to(self.root))))

    def victim(self, suits: Callable[[Path], bool]) -> Path:
        """Take a label of a good product."""
        label = self.random.choice([name for name in self.good if suits(self.root / name)])
        self.good.remove(label)
        self.touched.add(label)
        return self.root / label


# ------------------------------------------------------------------------------------------------ the archive as it is


def notes(shared: Path) -> dict[str, str]:
    """What the archive's own list says of each product: good, deliberately broken, data missing."""
    with (shared / "data" / "real_products.csv").open(newline="") as stream:
        return {row["path"]: row["note"] for row in csv.DictReader(stream)}


def doubtful(findings: list[Finding]) -> dict[str, list[Finding]]:
    """Findings of more than a note, by path."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity != "note" and finding.path:
            found.setdefault(finding.path, []).append(finding)
    return found


@pytest.fixture(scope="module")
def index(real_products: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("check") / "real.duckdb"
    build_index(real_products, made, jobs=2, structure=True)
    return made


def test_good_products_are_hardly_doubted(index: Path, shared: Path) -> None:
    """Each of the few is right: a file that is not there, an id that is there twice, a file without a label."""
    noted = notes(shared)
    doubted = Counter(noted.get(path) for path in doubtful(run(index)[0]))
    good = sum(note == "good" for note in noted.values())
    assert doubted["good"] <= 0.05 * good


def test_every_product_whose_data_are_missing_is_found(index: Path, shared: Path) -> None:
    found = {finding.path for finding in run(index, sizes=True)[0] if finding.severity == "damage"}
    missing = {path for path, note in notes(shared).items() if note == "data missing"}
    assert len(missing) == 69
    assert missing - found == set()


def test_sizes_and_sums_that_differ_do_so_by_the_bytes_of_label_and_file(index: Path, real_products: Path) -> None:
    """Also of products that the list calls good: read here by other means."""
    findings = [f for f in run(index, sizes=True, hash=True)[0] if f.code in ("size-differs", "checksum-differs")]
    assert len(findings) > 30
    for finding in findings:
        assert finding.path
        assert finding.about
        label = (real_products / finding.path).read_bytes().decode("latin-1")
        data = next(
            file
            for file in (real_products / finding.path).parent.iterdir()
            if file.name.lower() == finding.about.lower()
        )
        if finding.code == "checksum-differs":
            assert hashlib.md5(data.read_bytes()).hexdigest() == finding.found  # noqa: S324
            assert finding.expected in label.lower()
        elif finding.path.lower().endswith((".xml", ".lblx")):
            assert finding.expected.removesuffix(" bytes").replace(",", "") in re.findall(
                r"file_size[^>]*>\s*(\d+)", label
            )
            assert data.stat().st_size == int(finding.found.removesuffix(" bytes").replace(",", ""))
        else:
            records, size = (
                int(re.findall(rf"{name}\s*=\s*(\d+)", label)[0]) for name in ("FILE_RECORDS", "RECORD_BYTES")
            )
            assert data.stat().st_size != records * size


# ---------------------------------------------------------------------------------------------------------- OSIRIS


def test_of_osiris_only_garbage_from_telemetry_is_doubted(osiris_labels: Path, tmp_path: Path) -> None:
    """12,344 good labels without data. Real: SPIHT levels of 2290496, and gains of 1.3e36 where all others are up to 3.1."""
    build_index(osiris_labels, tmp_path / "osiris.duckdb", jobs=2)
    findings, _ = run(tmp_path / "osiris.duckdb", sizes=True)
    counted = Counter(finding.code for finding in findings)
    assert counted == {"data-set-without-data": 35, "value-outlier": 67}
    keywords = {(finding.about or "").rpartition(":")[2] for finding in findings if finding.code == "value-outlier"}
    assert {name.split("_")[0] for name in keywords} == {"SPIHT", "SQRT"}
    values = [float(finding.found) for finding in findings if finding.code == "value-outlier"]
    assert min(abs(value) for value in values) > 50


# ---------------------------------------------------------------------------------------------------------- planting


def sole_data(label: Path) -> Path | None:
    """The one data file that a label names, if no other label of the folder mentions it and it has no label itself."""
    text = label.read_bytes().lower()
    names = [file for file in label.parent.iterdir() if file != label and file.name.lower().encode() in text]
    if len(names) != 1 or names[0].suffix.lower() in (*LABELS, ".fmt") or names[0].stat().st_size < 1000:
        return None
    others = [file for file in label.parent.iterdir() if file.suffix.lower() in LABELS and file != label]
    mentioned = any(names[0].name.lower().encode() in other.read_bytes().lower() for other in others)
    return None if mentioned or names[0].read_bytes()[:20].startswith(b"PDS_VERSION_ID") else names[0]


def data_of(label: Path) -> Path:
    """That data file."""
    data = sole_data(label)
    assert data
    return data


def has_sole_data(label: Path) -> bool:
    """Whether there is such a file."""
    return sole_data(label) is not None


def is_pds4(label: Path) -> bool:
    return label.suffix == ".xml"


def declares_size(label: Path) -> bool:
    text = label.read_text("latin-1")
    return has_sole_data(label) and (
        text.count("<file_size") == 1 if is_pds4(label) else text.count("FILE_RECORDS") == 1
    )


def is_fixed(label: Path) -> bool:
    return declares_size(label) and (is_pds4(label) or "FIXED_LENGTH" in label.read_text("latin-1"))


def declares_sum(label: Path) -> bool:
    return is_fixed(label) and label.read_text("latin-1").count("<md5_checksum>") == 1


def has_version(label: Path) -> bool:
    return is_pds4(label) and has_id(label) and "<version_id>1.0</version_id>" in label.read_text("latin-1")


def has_id(label: Path) -> bool:
    text = label.read_text("latin-1")
    return label.suffix.lower() in (".lbl", ".xml") and ("DATA_SET_ID" in text or "<logical_identifier>urn:" in text)


def plant_unreadable(planted: Planted) -> None:
    for suits, spoil in (
        (lambda label: label.suffix.lower() == ".lbl", lambda data: data[: data.index(b'"') + 1]),
        (is_pds4, lambda data: data[: len(data) // 2]),
        (is_pds4, lambda _: b""),
        (lambda label: label.suffix.lower() == ".lbl", lambda _: os.urandom(500)),
    ):
        label = planted.victim(suits)
        label.write_bytes(spoil(label.read_bytes()))
        planted.expect("label-unreadable", label)


def plant_missing_data(planted: Planted) -> None:
    for pds4 in (True, True, False):
        label = planted.victim(lambda label, pds4=pds4: has_sole_data(label) and is_pds4(label) is pds4)  # type: ignore[misc]
        data_of(label).unlink()
        planted.expect("data-missing", label)


def plant_sizes_and_names(planted: Planted) -> None:
    for pds4, change in ((True, -100), (True, 100), (False, None)):
        label = planted.victim(lambda label, pds4=pds4: is_fixed(label) and is_pds4(label) is pds4)  # type: ignore[misc]
        data = data_of(label)
        os.truncate(data, data.stat().st_size + change if change else data.stat().st_size // 2)
        planted.expect("size-differs", label)
    for _ in range(2):
        label = planted.victim(declares_sum)
        data = data_of(label)
        content = bytearray(data.read_bytes())
        content[500] ^= 1
        data.write_bytes(content)
        planted.expect("checksum-differs", label)
    for _ in range(2):
        label = planted.victim(has_sole_data)
        data = data_of(label)
        data.rename(data.with_name(data.name.swapcase()))
        planted.expect("data-name-case", label)


def plant_products(planted: Planted) -> None:
    for _ in range(3):
        label = planted.victim(has_id)
        copy = label.with_name(f"zz_copy_{label.name}")
        shutil.copy(label, copy)
        planted.expect("product-twice", copy)
    for version in ("1.2", "3.0", "2.7"):
        label = planted.victim(has_version)
        later = label.with_name(f"zz_{version}_{label.name}")
        text = label.read_bytes()
        later.write_bytes(text.replace(b"<version_id>1.0<", f"<version_id>{version}<".encode(), 1))
        planted.expect("version-gap", later)
    folders = {os.path.dirname(label) for label in planted.good}
    for folder in planted.random.sample(sorted(folder for folder in folders if "data" in folder.lower().split("/")), 2):
        orphan = planted.root / folder / "LEFT_BEHIND.DAT"
        orphan.write_bytes(b"\0" * 2000)
        planted.expect("orphan-file", orphan)


def plant_values(planted: Planted) -> None:
    """A family of clones of one real label whose numbers vary by a tenth; some of them have a fault."""
    original = planted.root / CLONED
    text, size = original.read_bytes().decode("ascii"), original.with_suffix(".IMG").stat().st_size
    folder = planted.root / "planted"
    folder.mkdir()
    names = [f"N17275{number:05}_1" for number in range(CLONES)]
    faulty = dict(zip(planted.random.sample(names, len(FAULTS)), FAULTS, strict=True))
    for name in names:
        own = text.replace("N1727539187_1", name).replace("1727539187", name[1:11])
        own = re.sub(
            r"(?<== )-?\d+\.\d+", lambda match: f"{float(match[0]) * planted.random.uniform(0.9, 1.1):.6f}", own
        )
        if name in faulty:
            code, pattern, replacement = faulty[name]
            own, times = re.subn(pattern, replacement, own, count=1, flags=re.MULTILINE)
            assert times == 1, pattern
            planted.expect(code, f"planted/{name}.LBL")
        (folder / f"{name}.LBL").write_text(own)
        with (folder / f"{name}.IMG").open("wb") as data:
            data.truncate(size)  # holes take no room


#: Code, what is replaced in a label, and by what.
FAULTS = [
    ("unit-outlier", r"<DEGC>", "<K>"),
    ("unit-outlier", r" <DEGC>", ""),
    ("value-outlier", r"^EXPOSURE_DURATION = .*", "EXPOSURE_DURATION = 38000000.0"),
    ("value-outlier", r"^ELECTRONICS_BIAS = .*", "ELECTRONICS_BIAS = -2147483648"),
    ("value-outlier", r"^IMAGE_TIME = 2012", "IMAGE_TIME = 1912"),
    ("keyword-lacking", r"^FILTER_NAME = .*\n", ""),
    ("id-file-name", r"^PRODUCT_ID = .*", 'PRODUCT_ID = "1_N9999999999.118"'),
    ("id-file-name", r"^PRODUCT_ID = .*", 'PRODUCT_ID = "1_W1234567890.118"'),
]


@pytest.mark.parametrize(("seed", "structure"), [(1, True), (2, True), (3, False)])
def test_thirty_planted_faults_are_found_and_nothing_else_is_new(  # noqa: PLR0917  fixtures
    real_products: Path, shared: Path, index: Path, tmp_path: Path, seed: int, structure: bool
) -> None:
    as_it_is, _ = run(index, sizes=True, hash=True)
    before = {finding.identity for finding in as_it_is}
    spoken_of = {finding.path for finding in as_it_is}
    noted = notes(shared)
    root = tmp_path / "real_products"
    shutil.copytree(real_products, root)
    good = sorted(path for path, note in noted.items() if note == "good" and path not in spoken_of)
    planted = Planted(root, random.Random(seed), good)
    planted.good.remove(CLONED)
    for plant in (plant_sizes_and_names, plant_missing_data, plant_unreadable, plant_products, plant_values):
        plant(planted)
    assert len(planted.faults) == 30
    build_index(root, tmp_path / "planted.duckdb", jobs=2, structure=structure)
    findings, _ = run(tmp_path / "planted.duckdb", sizes=True, hash=True)
    found = {(finding.code, finding.path) for finding in findings}
    assert [fault for fault in planted.faults if fault not in found] == []
    new = doubtful([finding for finding in findings if finding.identity not in before])
    untouched = [path for path, note in noted.items() if note == "good" and path not in planted.touched]
    assert len([path for path in untouched if path in new]) <= 0.05 * len(untouched)
