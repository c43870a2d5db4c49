"""The whole volume: which instruments it has, and where it may be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from psalab.demo_volume import broken, cosima, hrsc, magnetometer, mcam, nomad, osiris, spicav
from psalab.demo_volume.templates import template
from psalab.demo_volume.tree import Tree
from psalab.errors import VolumeError

if TYPE_CHECKING:
    from os import PathLike

    from psalab.demo_volume.summary import DemoVolume

__all__ = ["SEED", "write_volume"]

#: Of the volume that the documentation shows.
SEED: Final = 67

_PARTS: Final = (
    osiris.write,
    hrsc.write,
    cosima.write,
    spicav.write,
    magnetometer.write,
    mcam.write,
    nomad.write,
    broken.write,
)
_README: Final = "README.txt"


def write_volume(folder: str | PathLike[str], seed: int = SEED, scale: int = 1) -> DemoVolume:
    """Write the demonstration volume.

    The same arguments give the same bytes everywhere. Writing it again over itself is allowed.

    Parameters
    ----------
    folder : str or path-like
        Where; made if it is not there, and refused if it holds anything else.
    seed : int
        Zero or more; another seed gives other noise, craters and names.
    scale : int
        How many times the products of the larger instruments are written, one or more.

    Returns
    -------
    DemoVolume
        What was written.

    Raises
    ------
    VolumeError
        The folder holds something else, or cannot be written.
    """
    if seed < 0 or scale < 1:
        raise ValueError(
            f"a demonstration volume needs a seed of 0 or more and a scale of 1 or more, not {seed} and {scale}"
        )
    folder = Path(folder)
    readme = template("readme.txt").format(seed=seed, scale=scale).encode("ascii")
    try:
        _refuse_other_contents(folder, readme)
        tree = Tree(folder, seed, scale)
        tree.write(_README, readme)  # first, so that a volume half written is known for what it is
        for write in _PARTS:
            write(tree)
    except OSError as error:
        if isinstance(error, VolumeError):
            raise
        raise VolumeError(f"the demonstration volume cannot be written to {folder}: {error}") from error
    return tree.summary()


def _refuse_other_contents(folder: Path, readme: bytes) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise VolumeError(f"{folder} is a file; the demonstration volume needs a folder, a new one or its own")
    if not any(folder.iterdir()):
        return
    found = folder / _README
    if not found.is_file() or found.read_bytes() != readme:
        raise VolumeError(
            f"{folder} is not empty, and what it holds is not this demonstration volume (same seed, scale and version "
            "of the generator); name a new folder, or remove this one first"
        )
