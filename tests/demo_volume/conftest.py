"""One demonstration volume for all tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from psalab.demo_volume import DemoVolume, write_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.demo_volume import WrittenLabel


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> DemoVolume:
    """The volume as `make demo` writes it."""
    return write_volume(tmp_path_factory.mktemp("demo") / "volume")


@pytest.fixture(scope="session")
def only(volume: DemoVolume) -> Callable[[str], tuple[Path, WrittenLabel]]:
    """Find the first label whose path has a piece of text in it."""

    def found(piece: str) -> tuple[Path, WrittenLabel]:
        label = next(label for label in volume.labels if piece in label.path)
        return volume.folder / label.path, label

    return found
