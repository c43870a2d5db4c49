"""Labels to measure with: the archives of ../shared, unpacked once, and trees made of them below .bench."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from psalab.labels.find import begins_with_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LABEL_SUFFIXES", "archive", "below", "link", "read_all", "sample", "scratch", "size_of"]

REPOSITORY = Path(__file__).resolve().parent.parent
LABEL_SUFFIXES = (".lbl", ".xml", ".lblx")


def archive(name: str) -> Path:
    """Folder of an archive of ``$PSALAB_SHARED/data`` (../shared), unpacked into .data where it is not there yet."""
    shared = Path(os.environ.get("PSALAB_SHARED") or REPOSITORY.parent / "shared")
    unpack = shared / "data" / "unpack.py"
    if not unpack.is_file():
        raise SystemExit(f"no real labels: {unpack} is not there; PSALAB_SHARED names another folder than {shared}")
    unpacked = REPOSITORY / ".data"
    unpacked.mkdir(exist_ok=True)
    subprocess.run([sys.executable, str(unpack), name, str(unpacked)], check=True, stdout=subprocess.DEVNULL)
    return unpacked / name


def scratch(name: str) -> Path:
    """Give an empty folder below .bench."""
    folder = REPOSITORY / ".bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def below(folder: Path, *, attached: bool = False) -> list[str]:
    """All label files below a folder, in order; with `attached` also data files that begin with a label."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if name.lower().endswith(LABEL_SUFFIXES) or (attached and _begins(path)):
                found.append(path)
    return sorted(found)


def _begins(path: str) -> bool:
    with open(path, "rb") as file:
        return begins_with_label(file.read(4096))


def link(files: Iterable[str], source: Path, target: Path) -> None:
    """Put files below another folder as they are below `source`, as hard links: one more name costs no space."""
    for file in files:
        path = target / os.path.relpath(file, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, path)


def sample(labels: Sequence[str], size: int) -> list[str]:
    """Choose labels, the same ones in every run."""
    return random.Random(1).sample(labels, min(size, len(labels)))


def read_all(paths: Iterable[str]) -> None:
    """Read files as fast as Python reads a small file: one open, one read, one close."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.read(descriptor, 2**20)
        os.close(descriptor)


def size_of(paths: Iterable[str]) -> int:
    """Bytes of files."""
    return sum(os.path.getsize(path) for path in paths)
