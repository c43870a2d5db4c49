"""Damaged labels by the thousand: the scraper reads or rejects each as `read_label` does, and a build never stops.

PSALAB_FUZZ_SECONDS says for how long (`make fuzz`); a failure names its seed, and the same seed gives the same labels.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from psalab.demo_volume import write_volume
from psalab.index.build import build_index
from tests.index.two_readings import differing
from tests.index.volumes import ask, pds3, pds4, write

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = float(os.environ.get("PSALAB_FUZZ_SECONDS") or 8)
FIRST_SEED = int(os.environ.get("PSALAB_FUZZ_SEED") or 0)
BATCH = 120

TOKENS = [
    b'"', b"'", b"(", b")", b"{", b"}", b"<", b">", b"=", b",", b"/*", b"*/", b"\r\n", b"\n", b"\r", b"\0", b"\xe9", b"\xff",
    b"END", b"END\r\n", b"END_GROUP", b"GROUP = G\r\n", b"OBJECT = O\r\n", b"-", b"1e400", b"N/A", b"TRUE", b"16#", b"#",
    b"<km>", b"2014-", b":", b"^", b"&amp;", b"&", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x?>", b"/>", b"</", b" xmlns=''",
    b" unit='km'", b"<a>", b"</a>", b"\xef\xbb\xbf", b";", b"\t", b"   ", b"9" * 40, b"A = 1\r\n", b"A.B", b"_",
]  # fmt: skip


def replaced(data: bytes, dice: random.Random) -> bytes:
    at, length = dice.randrange(len(data) + 1), dice.choice((0, 1, 1, 2, 10))
    return data[:at] + dice.choice(TOKENS) + data[at + length :]


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def line_moved(data: bytes, dice: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    line = lines.pop(dice.randrange(len(lines)))
    for _ in range(dice.randrange(3)):  # lost, moved or doubled
        lines.insert(dice.randrange(len(lines) + 1), line)
    return b"".join(lines)


def bit_flipped(data: bytes, dice: random.Random) -> bytes:
    if not data:
        return data
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


Damage = Callable[[bytes, random.Random], bytes]
DAMAGES: list[Damage] = [replaced, replaced, replaced, cut, line_moved, line_moved, bit_flipped]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Good labels of both standards, the shorter the likelier that a damage meets something."""
    demo = write_volume(tmp_path_factory.mktemp("demo") / "volume")
    by_family: dict[tuple[str, str], tuple[str, bytes]] = {}
    for label in demo.labels:
        if not label.attached:
            data = (demo.folder / label.path).read_bytes()
            by_family.setdefault((label.family, label.kind), (label.path.rpartition(".")[2], data))
    own = [
        ("lbl", pds3("A = (1, 2 <km>)", 'B = "two\r\n lines"', "GROUP = G", "C = N/A", "END_GROUP = G").encode())
    ] * 8
    return [*by_family.values(), *own, *[("xml", pds4("<own:A unit='m'>1</own:A><own:B/>").encode())] * 8]


def batch(seeds: list[tuple[str, bytes]], seed: int) -> dict[str, bytes]:
    """Damaged labels, the same for the same seed."""
    dice = random.Random(seed)
    files = {}
    for number in range(BATCH):
        suffix, data = dice.choice(seeds)
        for _ in range(dice.choice((0, 1, 1, 1, 2, 5))):
            data = dice.choice(DAMAGES)(data, dice)
        files[f"{number:04}.{suffix}"] = data
    return files


def test_damaged_labels_are_read_alike_and_never_stop_a_build(seeds: list[tuple[str, bytes]], tmp_path: Path) -> None:
    until, seed = time.monotonic() + SECONDS, FIRST_SEED
    while time.monotonic() < until:
        files = batch(seeds, seed)
        root = write(tmp_path / f"{seed}" / "volume", files)
        assert differing(root, sorted(files)) == [], f"PSALAB_FUZZ_SEED={seed}"
        if seed % 3 == 0:
            index = tmp_path / f"{seed}" / "index.duckdb"
            report = build_index(root, index, jobs=1, structure=True)
            assert report.labels == len(files) == report.products + report.rejected, f"PSALAB_FUZZ_SEED={seed}"
            assert ask(index, "select count(*) from products anti join files using (product_key)") == [(0,)]
        for path in root.iterdir():
            path.unlink()
        seed += 1
    assert seed > FIRST_SEED


def test_many_damaged_labels_make_wide_tables_too(seeds: list[tuple[str, bytes]], tmp_path: Path) -> None:
    suffix, good = min(seeds, key=lambda entry: len(entry[1]))
    dice = random.Random(FIRST_SEED)
    files: dict[str, bytes] = {}
    for number in range(1500):
        data = good.replace(b'"P"', f'"P{number}"'.encode())
        files[f"{number:04}.{suffix}"] = dice.choice(DAMAGES)(data, dice) if number % 3 else data
    index = tmp_path / "index.duckdb"
    report = build_index(write(tmp_path / "volume", files), index, jobs=1)
    assert report.products + report.rejected == len(files)
    assert ask(index, "select count(*) from families where wide") >= [(1,)]
    held = "select sum(products) from families"
    assert ask(index, held) == [(report.products,)]
