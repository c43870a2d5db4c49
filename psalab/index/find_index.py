"""Where an index is that nobody named: the settings, PSALAB_INDEX, then a fixed place on each volume."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, Final

from psalab.errors import IndexFileError, IndexNotFound
from psalab.index.manifest import is_published
from psalab.mounts import answers, volumes

__all__ = ["PLACES", "find_index", "index_paths"]

#: On a volume, the first of these that is there: what `psalab index publish` wrote, or an index as it was built.
PLACES: Final = (".psalab/index", ".psalab/index.duckdb")


def index_paths(what: Any) -> tuple[Path, ...]:
    """Give the paths that are meant: those named, or those that are found."""
    if what is None:
        return find_index()
    named = list(what) if isinstance(what, (list, tuple)) else [what]
    try:
        return tuple(Path(os.fsdecode(path)).expanduser() for path in named)
    except (TypeError, RuntimeError) as error:
        raise IndexFileError(f"{what!r} is no path of an index: {error}") from error


def find_index() -> tuple[Path, ...]:
    """Find the index: the one that the settings name, or those on the volumes that are mounted.

    Raises
    ------
    IndexNotFound
        There is none; the message tells where it was looked for.
    """
    from psalab import config

    settings = config.load()
    if settings.index.value is not None:
        return (Path(settings.index.value).expanduser(),)
    mounted = volumes(settings.volumes.value)
    found = answers([partial(_on, volume) for volume in mounted])
    indexes = tuple(path for path in found if path is not None)
    if indexes:
        return indexes
    looked = ", ".join(settings.volumes.value) or "no volumes"
    silent = f"; {len(mounted)} volumes there" if mounted else "; no volume is mounted there"
    raise IndexNotFound(
        f"no index is named, and none was found: looked at the setting `index` ({config.default_file()}), at PSALAB_INDEX, and "
        f"for {' or '.join(PLACES)} on the volumes {looked}{silent}. Give open_index(FILE), or --index FILE; "
        "`psalab index build ROOT --index FILE` makes one"
    )


def _on(volume: Path) -> Path | None:
    """Give the index at the fixed place of a volume."""
    published, built = (volume / place for place in PLACES)
    if is_published(published):
        return published
    return built if built.is_file() else None
