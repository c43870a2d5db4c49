"""Labels of the Planetary Science Archive as SQL.

The public face: everything here is loaded when it is first used, so that ``import psalab`` costs next to nothing and a
process that only reads labels never loads pandas or DuckDB.

=============== =========================================================
`read_label`    one label, PDS3 or PDS4, as a lossless tree
`build_index`   every label of a volume into one DuckDB file
`open_index`    ask such a file
`Database`      tables of some keywords, by a recipe (as in pds3_utils)
`missions`      which missions it holds, which `instruments`, which `datasets`
`demo`          write a small synthetic volume to play with
`config`        settings, and where each comes from
`errors`        the tree of errors and warnings
=============== =========================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from psalab import config, errors
    from psalab.front import datasets, instruments, missions
    from psalab.index.ask import open_index
    from psalab.index.build import build_index
    from psalab.index.database import Database
    from psalab.labels import read_label

    __version__: str

__all__ = [
    "Database",
    "__version__",
    "build_index",
    "config",
    "datasets",
    "demo",
    "errors",
    "instruments",
    "missions",
    "open_index",
    "read_label",
]

# name -> where it lives; a module lives in itself
_LAZY = {
    "Database": "psalab.index.database",
    "build_index": "psalab.index.build",
    "config": "psalab.config",
    "datasets": "psalab.front",
    "errors": "psalab.errors",
    "instruments": "psalab.front",
    "missions": "psalab.front",
    "open_index": "psalab.index.ask",
    "read_label": "psalab.labels",
}


def demo(folder: str | Path | None = None) -> Path:
    """Write the demonstration volume and return its path.

    A few megabytes of synthetic products of both standards, the same on every machine, some labels broken on purpose.

    Parameters
    ----------
    folder : path, optional
        Where to write it; by default a folder `demo` below psalab's own data folder of the user.
    """
    from pathlib import Path

    from psalab.demo_volume import write_volume

    if folder is None:
        from platformdirs import user_data_path

        folder = user_data_path("psalab", appauthor=False) / "demo"
    folder = Path(folder)
    write_volume(folder)
    return folder


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("psalab")
    elif name in _LAZY:
        module = import_module(_LAZY[name])
        value = module if module.__name__ == f"psalab.{name}" else getattr(module, name)
    else:
        raise AttributeError(f"module 'psalab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
