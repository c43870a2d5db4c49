"""What an index holds, in numbers, and how fresh it is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psalab.index.checked import when_checked
from psalab.index.walk import unescape

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from psalab.index.ask_connection import Connection

__all__ = ["Status", "mounted", "status_of"]


@dataclass(frozen=True, slots=True)
class Status:
    """What an index holds, in numbers.

    Attributes
    ----------
    path : Path
    size : int
        Bytes of the file.
    products, labels, rejected, families, keywords : int
        `labels` are those that were read by the last run of each volume, good or bad.
    built : datetime or None
        End of the last run that wrote it, in UTC without a zone.
    psalab : str or None
        Version that wrote it.
    structure : bool
        Whether the layout of data objects was indexed, too.
    roots : mapping
        Volume -> where it was.
    rejected_new : int
        Those of `rejected` that the last run that wrote the index was the first to reject.
    command : str or None
        What wrote it last: ``build`` or ``update``.
    as_of : mapping
        Volume -> when the run began that last looked at all of it, whether it found something to write or not.
    up_to_date : datetime or None
        The earliest of `as_of`: what was there then, the index holds.
    mounted : mapping
        Volume -> whether it is there now, with its marker (VOLDESC.CAT, a bundle's label), if it had one.
    """

    path: Path
    size: int
    products: int
    labels: int
    rejected: int
    families: int
    keywords: int
    built: datetime | None
    psalab: str | None
    structure: bool
    roots: Mapping[str, str]
    rejected_new: int = 0
    command: str | None = None
    as_of: Mapping[str, datetime] = field(default_factory=dict)
    up_to_date: datetime | None = None
    mounted: Mapping[str, bool] = field(default_factory=dict)


def status_of(connection: Connection, path: Path, folders: Mapping[str, Path]) -> Status:
    """Give the numbers of an index; the volumes are not looked at."""
    products, labels, rejected, families, keywords, built, command, rejected_new = connection.rows(
        "select (select count(*) from products), (select count(*) from files where role = 'label'), "
        "(select count(*) from rejected), (select count(*) from families), (select count(*) from keywords), "
        "(select max(ended) from runs), (select arg_max(command, run) from runs), "
        "(select count(*) from rejected where since = (select arg_max(started, run) from runs))"
    ).rows[0]
    about = dict(connection.rows("select key, value from about").rows)
    as_of = _as_of(connection, path)
    return Status(
        path=path,
        size=connection.size,
        products=products,
        labels=labels,
        rejected=rejected,
        families=families,
        keywords=keywords,
        built=built,
        psalab=about.get("psalab"),
        structure=about.get("structure") == "true",
        roots={root: str(folder) for root, folder in folders.items()},
        rejected_new=rejected_new,
        command=command,
        as_of=as_of,
        up_to_date=min(as_of.values(), default=None) if as_of.keys() >= folders.keys() else None,
    )


def _as_of(connection: Connection, path: Path) -> dict[str, datetime]:
    """When each root was last looked at as a whole: by the run that wrote the index, or one that had nothing to write."""
    rows = connection.rows("select root, started from roots join runs on runs.run = roots.last_run").rows
    written: dict[str, datetime] = dict(rows)
    noted = when_checked(path)
    return {root: max(when, noted.get(root, when)) for root, when in written.items()}


def mounted(connection: Connection, folders: Mapping[str, Path]) -> dict[str, bool]:
    """Look which volumes are there now."""
    markers = dict(connection.rows("select root, marker from roots").rows)
    return {root: _is_there(folder, markers.get(root)) for root, folder in folders.items()}


def _is_there(folder: Path, marker: str | None) -> bool:
    if marker:
        return os.path.exists(folder / unescape(marker))
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None  # where nothing is mounted there is an empty folder
    except OSError:
        return False
