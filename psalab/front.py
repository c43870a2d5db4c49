"""The first questions: what there is. They go to the index that is found.

Each function opens an index, asks it and closes it; who asks more opens one with `psalab.open_index`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import pandas as pd

__all__ = ["datasets", "instruments", "missions"]


def missions(*, index: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """List the missions that an index holds, with counts and times.

    Parameters
    ----------
    index : path, optional
        The file of the index; by default the one that `psalab.open_index` finds.

    Returns
    -------
    pandas.DataFrame
        One row for each mission: ``mission``, ``called`` (what labels say), ``instruments``, ``datasets`` and ``products``
        (numbers; products are the latest versions of data products), ``first`` and ``last`` (times).
    """
    from psalab.index.ask import open_index

    with open_index(index) as opened:
        return opened.missions()


def instruments(
    mission: str | Iterable[str] | None = None, *, index: str | os.PathLike[str] | None = None
) -> pd.DataFrame:
    """List the instruments that an index holds, with levels, counts and times.

    Parameters
    ----------
    mission : str or list of str, optional
        As people call it: ``"Rosetta"``, ``"Philae"``.
    index : path, optional
        As in `missions`.

    Returns
    -------
    pandas.DataFrame
        One row for each instrument: ``mission``, ``instrument``, ``called`` (what labels say), ``levels``, ``datasets``,
        ``products``, ``first``, ``last``. What the mission became is in ``attrs["psalab"]["notes"]``.

    Raises
    ------
    FilterError
        A mission that is not known, with suggestions.
    """
    from psalab.index.ask import open_index

    with open_index(index) as opened:
        return opened.instruments(mission)


def datasets(
    *,
    mission: str | Iterable[str] | None = None,
    instrument: str | Iterable[str] | None = None,
    target: str | Iterable[str] | None = None,
    dataset: str | Iterable[str] | None = None,
    time: tuple[Any, Any] | None = None,
    level: str | Iterable[str] | None = None,
    kind: str | Iterable[str] | None = "data",
    versions: str = "latest",
    index: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """List the data sets (PDS4: collections) that hold what is asked for, with counts and times.

    Parameters
    ----------
    mission, instrument, target, dataset, time, level, kind, versions
        As in ``Index.search``: names as people say them, patterns of data sets, a half-open interval.
    index : path, optional
        As in `missions`.

    Returns
    -------
    pandas.DataFrame
        One row for each data set: ``dataset``, ``missions``, ``instruments``, ``levels``, ``products``, ``first``, ``last``.
        What names became is in ``attrs["psalab"]["notes"]``.

    Raises
    ------
    FilterError
        A name that is not known, with suggestions.
    """
    from psalab.index.ask import open_index

    with open_index(index) as opened:
        return opened.datasets(
            mission=mission,
            instrument=instrument,
            target=target,
            dataset=dataset,
            time=time,
            level=level,
            kind=kind,
            versions=versions,
        )
