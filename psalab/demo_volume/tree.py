"""Writing files below the volume's folder, and keeping the account of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psalab.demo_volume.summary import BrokenLabel, DemoVolume, WrittenLabel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tree"]


class Tree:
    """A volume while it is being written.

    Parameters
    ----------
    folder : Path
        Where; it is made when the first file is written.
    seed, scale : int
        Of the volume.
    """

    def __init__(self, folder: Path, seed: int, scale: int):
        self.folder, self.seed, self.scale = folder, seed, scale
        self._labels: list[WrittenLabel] = []
        self._broken: list[BrokenLabel] = []
        self._catalogs: list[str] = []
        self._sizes: dict[str, int] = {}
        self._made: set[str] = set()

    def write(self, path: str, data: bytes) -> None:
        """Write a file; the path is relative to the volume, with ``/``."""
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            (self.folder / parent).mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        (self.folder / path).write_bytes(data)
        self._sizes[path] = len(data)

    def label(self, record: WrittenLabel, data: bytes) -> None:
        """Write a file that is or begins with a label."""
        self.write(record.path, data)
        self._labels.append(record)

    def catalog(self, path: str, data: bytes) -> None:
        """Write a file that begins as a label does and describes no product."""
        self.write(path, data)
        self._catalogs.append(path)

    def reject(self, path: str, data: bytes, reason: str) -> None:
        """Write a file that looks like a label and is none."""
        self.write(path, data)
        self._broken.append(BrokenLabel(path, reason, rejected=True))

    def doubt(self, path: str, reason: str) -> None:
        """Note what is wrong with a label that can be parsed."""
        self._broken.append(BrokenLabel(path, reason, rejected=False))

    def summary(self) -> DemoVolume:
        """Return what has been written."""
        return DemoVolume(
            folder=self.folder,
            seed=self.seed,
            scale=self.scale,
            labels=tuple(sorted(self._labels, key=lambda label: label.path)),
            broken=tuple(sorted(self._broken, key=lambda broken: broken.path)),
            catalogs=tuple(sorted(self._catalogs)),
            files=len(self._sizes),
            bytes=sum(self._sizes.values()),
        )
