"""When the roots of an index were last found to be as the index says: noted beside it, for then the index is not written."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["note_checked", "when_checked"]


def _file(index: Path) -> Path:
    return index.with_name(f"{index.name}.checked")


def note_checked(index: Path, roots: Iterable[str], when: datetime) -> None:
    """Note that roots were looked at as a whole.

    Parameters
    ----------
    index : pathlib.Path
    roots : iterable of str
        By name.
    when : datetime.datetime
        When the run began, in UTC without a zone.
    """
    noted = when_checked(index) | dict.fromkeys(roots, when)
    file = _file(index)
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps({root: f"{time.isoformat()}Z" for root, time in noted.items()}) + "\n", encoding="utf-8")
    os.replace(part, file)


def when_checked(index: Path) -> dict[str, datetime]:
    """When each root was last looked at as a whole, in UTC without a zone; nothing where nobody has noted it."""
    try:
        noted = json.loads(_file(index).read_text(encoding="utf-8"))
        return {root: datetime.fromisoformat(time.removesuffix("Z")) for root, time in noted.items()}
    except (OSError, ValueError, AttributeError):
        return {}  # it says nothing that a run could not find out again
