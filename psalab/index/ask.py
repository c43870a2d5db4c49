"""`open_index`: ask an index in SQL, or by names and filters."""

from __future__ import annotations

import html
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from psalab.errors import FilterError, QueryFailed
from psalab.index import ask_browse
from psalab.index.ask_census import Census, ProductConditions
from psalab.index.ask_connection import Connection, check_frame_names
from psalab.index.ask_filter import Filter
from psalab.index.ask_keywords import Catalogue
from psalab.index.ask_names import product_conditions
from psalab.index.ask_source import IndexSource, Question, Reading
from psalab.index.ask_tables import Plain, Tables
from psalab.index.find_index import index_paths
from psalab.index.status import Status, mounted, status_of
from psalab.index.walk import unescape
from psalab.mounts import folders_of
from psalab.results import DEFAULT_COLUMNS, Results, Rows, to_frame

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    import pandas as pd

    from psalab.index.ask_browse import Counts
    from psalab.index.sql import Query

__all__ = ["Index", "Status", "open_index"]

PRODUCT_COLUMNS: Final = (
    *DEFAULT_COLUMNS,
    "standard",
    "kind",
    "latest",
    "level_native",
    "family",
    "product_key",
    "twin_of",
    "run",
    "last_seen",
)
"""Columns of `products` that a table may hold."""


def open_index(
    what: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    *,
    memory: str | None = None,
    threads: int | None = None,
) -> Index:
    """Open an index, read-only.

    Parameters
    ----------
    what : path or list of paths, optional
        The file of an index, a folder that ``psalab index publish`` has written (or one publication in it), or several
        of them, asked as one: of a root that several hold, the newest counts. Without it the index is that of the setting
        ``index`` or of the environment variable PSALAB_INDEX, or those at a fixed place on the volumes that are mounted:
        ``.psalab/index`` (published) or ``.psalab/index.duckdb``.
    memory : str, optional
        What a question may take, such as ``"4GB"``; by default 80 % of the machine's.
    threads : int, optional
        Threads of a question; by default as many as the machine has cores.

    Returns
    -------
    Index

    Raises
    ------
    IndexFileError
        It is not there, is no index, or was written by a newer psalab; the message says what to do.

    Notes
    -----
    A build replaces the file as a whole, and a publication gets a folder of its own: an open index goes on answering from
    what it opened, says once that there is a newer one, and `Index.reload` opens that.

    Examples
    --------
    >>> with psalab.open_index("rosetta.duckdb") as index:  # doctest: +SKIP
    ...     index.sql("select instrument, count(*) from products group by 1")
    """
    return Index(Connection(index_paths(what), memory=memory, threads=threads))


class Index:
    """An open index.

    ======================================= ===================================================================
    ``missions()``, ``instruments(...)``,   what is in it, by the names that people use: counts and times
    ``datasets(mission=...)``
    ``search(instrument="OSINAC", ...)``    products by names, time and a filter over any keyword -> `Results`
    ``sql("select ...")``                   any question in DuckDB's SQL -> DataFrame
    ``keywords("*ANGLE*")``                 which keywords there are, with type, unit and range
    ``values("FILTER_NAME")``               which values a keyword has, and how often
    ``table("OSINAC")``                     all keywords of a family as a DataFrame
    ``rejected()``, ``odd_values()``        labels that are none; values that do not fit their column
    ``families()``, ``roots()``, ``runs()`` what is in it, and since when
    ``check()``                             what is wrong with the volumes
    ``status()``                            numbers
    ``reload()``                            open the newer index that has taken the place of this one
    ======================================= ===================================================================

    Tables for `sql`: products, files, families, keywords, odd_values, rejected, runs, roots, about, the wide tables
    ``meta."<family>"``, ``meta.other``, and one view for each family with the short names of its keywords.

    ``plain`` answers the same questions without pandas, as tuples.
    """

    def __init__(self, connection: Connection) -> None:
        self._use(connection)

    def _use(self, connection: Connection) -> None:
        """Ask this connection from now on."""
        for remembered in ("_census", "_targets", "_stored_folders", "_folders"):
            self.__dict__.pop(remembered, None)
        self._connection = connection
        self._catalogue = Catalogue(connection)
        self._tables = Tables(self._catalogue, lambda: self._census)
        self.plain = Plain(connection, self._tables)
        """The same tables as tuples, without pandas."""

    @property
    def path(self) -> Path:
        """The file or folder, the first of several."""
        return self._connection.path

    # ------------------------------------------------------------------------------- SQL

    def sql(
        self, query: str, *, timeout: float | None = None, memory: str | None = None, **frames: Any
    ) -> pd.DataFrame:
        """Ask in SQL.

        Parameters
        ----------
        query : str
            One SELECT, in DuckDB's SQL.
        timeout : float, optional
            Seconds after which the question is given up.
        memory : str, optional
            What this question may take, such as ``"500MB"``.
        **frames : DataFrame or pyarrow.Table
            Own tables that the query uses by these names.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        QueryFailed
            A mistake in the query, a statement that is no SELECT, too long, too much memory.
        """
        self._connection.check_select(query)
        check_frame_names(tuple(frames))
        tables = {name: _arrow(name, frame) for name, frame in frames.items()}
        if memory is None:
            return to_frame(self._connection.table(query, frames=tables, timeout=timeout, users=True))
        with closing(self._connection.limited(memory)) as connection:
            return to_frame(connection.table(query, frames=tables, timeout=timeout, users=True))

    def rows(
        self, query: str, values: Iterable[Any] = (), *, timeout: float | None = None, memory: str | None = None
    ) -> Rows:
        """Ask in SQL and get tuples; loads no pandas.

        Parameters
        ----------
        query : str
            One SELECT; ``?`` stands for a value.
        values : iterable
            The values, in order.
        timeout, memory
            As in `sql`.
        """
        self._connection.check_select(query)
        if memory is None:
            return self._connection.rows(query, tuple(values), timeout=timeout, users=True)
        with closing(self._connection.limited(memory)) as connection:
            return connection.rows(query, tuple(values), timeout=timeout, users=True)

    # ------------------------------------------------------------------------------- searching

    def search(
        self,
        *,
        id: str | Iterable[str] | None = None,
        mission: str | Iterable[str] | None = None,
        instrument: str | Iterable[str] | None = None,
        target: str | Iterable[str] | None = None,
        dataset: str | Iterable[str] | None = None,
        time: tuple[Any, Any] | None = None,
        level: str | Iterable[str] | None = None,
        filter: str | None = None,
        keywords: Iterable[str] = (),
        kind: str | Iterable[str] | None = "data",
        versions: str = "latest",
        limit: int | None = None,
    ) -> Results:
        """Search for products.

        Names are compared in any case, and blanks, hyphens and underscores are alike; ``*`` and ``?`` are wildcards, a
        list means any of them. ``results.notes`` says what names became.

        Parameters
        ----------
        id, dataset, level : str or list of str, optional
            As in the columns of `products`.
        mission, instrument : str or list of str, optional
            As people call them (Rosetta, Philae, OSIRIS, OSIRIS NAC, Mars Express HRSC), as the labels do (OSINAC), or a
            whole word of a name that is not known otherwise. An instrument stands for its parts, too.
        target : str or list of str, optional
            Any target of a product, as people call it (Chury) or by a whole word of its name (67P).
        time : (start, end), optional
            Products that overlap this interval, its end excluded; texts, datetimes or None (open).
        filter : str, optional
            Condition on any keywords of the labels: ``"PHASE_ANGLE < 30 and EXPOSURE_DURATION < 500 ms"``. Families of
            labels without these keywords are left out (``results.left_out``).
        keywords : list of str, optional
            Keywords that become columns; those of the filter do so anyway.
        kind : str or list of str, optional
            data, browse, document, ...; None for all.
        versions : {'latest', 'all'}
        limit : int, optional
            At most so many rows, the first in the order of start time and id.

        Returns
        -------
        Results

        Raises
        ------
        FilterError
            A mistake in the filter, or a name that is not known, with suggestions. A name that is known, but of which the
            index holds nothing, is an empty answer that says so.
        """
        conditions = self._conditions(
            id=id,
            mission=mission,
            instrument=instrument,
            target=target,
            dataset=dataset,
            time=time,
            level=level,
            kind=kind,
            versions=versions,
        )
        return Results(self._source(conditions, filter, _names("keywords", keywords), _limit(limit)))

    def _conditions(
        self,
        *,
        id: Any = None,
        target: Any = None,
        time: Any = None,
        kind: Any = "data",
        versions: str = "latest",
        **named: Any,
    ) -> ProductConditions:
        return product_conditions(
            self._census,
            lambda: self._targets,
            id=id,
            target=target,
            time=time,
            versions=versions,
            named={**named, "kind": kind},
        )

    def _source(
        self,
        conditions: ProductConditions,
        filter: str | None,
        keywords: list[str],
        limit: int | None,
        product_columns: tuple[str, ...] = DEFAULT_COLUMNS,
    ) -> IndexSource:
        families = {group.family for group in self._census.groups if conditions.match(group)}
        parsed = None if filter is None else Filter.of(filter, self._catalogue, families)
        names = [name for name in dict.fromkeys(keywords) if name not in product_columns]
        asked = families if parsed is None else parsed.families
        columns = [self._catalogue.column(name, asked or None) for name in names]
        if parsed is not None:
            columns += [column for column in parsed.columns if column.name not in (*names, *product_columns)]
        question = Question(conditions, parsed, tuple(columns), limit, product_columns)
        reading = Reading(self._connection, self._catalogue, lambda: self._census, lambda: self._folders)
        source = IndexSource(reading, question, datetime.now(UTC))
        source.found()  # a search counts first: whatever is wrong with it is said here
        return source

    # ------------------------------------------------------------------------------- browsing

    def missions(self) -> pd.DataFrame:
        """List the missions: how labels call each, and how many instruments, data sets and products there are.

        Counted are the latest versions of data products, as `search` finds them; first and last are their times.
        """
        return self._counted(ask_browse.missions)

    def instruments(self, mission: str | Iterable[str] | None = None) -> pd.DataFrame:
        """List the instruments: how labels call each, its levels, and how many data sets and products there are.

        Parameters
        ----------
        mission : str or list of str, optional
            As in `search`.
        """
        return self._counted(ask_browse.instruments, mission=mission)

    def datasets(
        self,
        *,
        mission: str | Iterable[str] | None = None,
        instrument: str | Iterable[str] | None = None,
        target: str | Iterable[str] | None = None,
        dataset: str | Iterable[str] | None = None,
        time: tuple[Any, Any] | None = None,
        level: str | Iterable[str] | None = None,
        kind: str | Iterable[str] | None = "data",
        versions: str = "latest",
    ) -> pd.DataFrame:
        """List the data sets (PDS4: collections) with products that a search finds, and how many each has.

        Parameters
        ----------
        mission, instrument, target, dataset, time, level, kind, versions
            As in `search`.
        """
        return self._counted(
            ask_browse.datasets,
            mission=mission,
            instrument=instrument,
            target=target,
            dataset=dataset,
            time=time,
            level=level,
            kind=kind,
            versions=versions,
        )

    def _counted(self, count: Callable[[list[tuple[Any, ...]]], Counts], **arguments: Any) -> pd.DataFrame:
        """Count what a search finds; ``attrs["psalab"]["notes"]`` says what names became."""
        source = self._source(self._conditions(**arguments), None, [], None)
        frame = to_frame(ask_browse.to_arrow(count(source.summarise(ask_browse.SUMMARISED).rows)))
        frame.attrs["psalab"] = {"notes": list(source.notes)}
        return frame

    @cached_property
    def _census(self) -> Census:
        return Census.of(self._connection)

    @cached_property
    def _targets(self) -> list[str]:
        _, rows = self._connection.rows("select distinct unnest(targets) from products order by 1")
        return [target for (target,) in rows if target is not None]

    @cached_property
    def _stored_folders(self) -> dict[str, Path]:
        return {root: Path(unescape(path)) for root, path in self._connection.rows("select root, path from roots").rows}

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """Where the roots are here: an index made under one path serves under another."""
        from psalab import config

        return folders_of(self._stored_folders, config.load().volumes.value)

    # ------------------------------------------------------------------------------- the tables

    def keywords(self, pattern: str = "*", family: str | None = None) -> pd.DataFrame:
        """List keywords with type, unit, how many labels have a value, why it is missing in others, range and examples.

        Parameters
        ----------
        pattern : str
            With ``*`` and ``?``, in any case; compared with the path, cut from the left, and with the short name.
        family : str, optional
            A family, its view or its instrument.
        """
        return self._frame(self._tables.keywords(pattern, family))

    def values(self, name: str, instrument: str | Iterable[str] | None = None) -> pd.DataFrame:
        """List the values of a keyword and how many products have each, the commonest first.

        All products count, of any kind and version; of a list each element counts. ``attrs["psalab"]`` holds the unit.

        Parameters
        ----------
        name : str
            A keyword; its path may be cut from the left.
        instrument : str or list of str, optional
            Products of these instruments alone.
        """
        query, column = self._tables.values(name, instrument)
        frame = self._frame(query)
        frame.attrs["psalab"] = {"units": {"value": column.unit, "count": None}}
        return frame

    def table(
        self,
        name: str,
        columns: Iterable[str] | None = None,
        filter: str | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Get the keywords of all labels of a family as one table, in the order of start time and id.

        Parameters
        ----------
        name : str
            A family, its view or its instrument.
        columns : list of str, optional
            Columns of `products` and keywords; by default the columns of every `Results`, and all keywords by their
            short names.
        filter : str, optional
            As in `search`.
        limit : int, optional
            At most so many rows.
        """
        families = self._catalogue.families_named(name)
        inside = frozenset(family.name for family in families)
        if columns is None:
            wanted = [*DEFAULT_COLUMNS, *self._catalogue.short_names(families)]
        else:
            wanted = list(dict.fromkeys(_names("columns", columns)))
        keywords = [column for column in wanted if column not in PRODUCT_COLUMNS]
        conditions = ProductConditions(families=inside)
        source = self._source(conditions, filter, keywords, _limit(limit), tuple(PRODUCT_COLUMNS))
        return Results(source).frame(wanted)

    def rejected(self) -> pd.DataFrame:
        """List the files that should be labels and are none: path, reason, line and the text there."""
        return self._frame(self._tables.rejected())

    def odd_values(self) -> pd.DataFrame:
        """List the values that do not fit the type of their column (NULL there), with their product."""
        return self._frame(self._tables.odd_values())

    def runs(self) -> pd.DataFrame:
        """List the builds and updates."""
        return self._frame(self._tables.runs())

    def roots(self) -> pd.DataFrame:
        """List the volumes."""
        return self._frame(self._tables.roots())

    def families(self) -> pd.DataFrame:
        """List the families of labels, the largest first."""
        return self._frame(self._tables.families())

    def _frame(self, query: Query) -> pd.DataFrame:
        return to_frame(self._connection.table(*query))

    def check(
        self,
        *,
        sizes: bool = False,
        hash: bool = False,
        dataset: str | None = None,
        waivers: str | os.PathLike[str] | None = None,
        since: str | os.PathLike[str] | None = None,
    ) -> pd.DataFrame:
        """Check labels, files, ids, versions and values for what is wrong.

        Parameters
        ----------
        sizes : bool
            Compare the sizes that labels declare with those of the files.
        hash : bool
            Read every file that has an MD5 sum in its PDS4 label, and compare.
        dataset : str, optional
            Findings of these data sets alone; ``*`` and ``?`` are wildcards, in any case.
        waivers : path, optional
            File of findings that may stay (CSV: code, path, reason, until).
        since : path, optional
            A former report (what ``psalab index check --json`` printed): column ``new`` tells what it did not have.

        Returns
        -------
        pandas.DataFrame
            A row for each finding: code, severity, dataset, root, path, line, about, found, expected, new, waived.
            ``attrs["psalab"]`` holds the counts and what was not checked.

        Raises
        ------
        ConfigError
            The waivers or the former report cannot be used.
        """
        from psalab.index.check import Check, Options
        from psalab.index.check_report import as_table
        from psalab.index.progress import bar

        with bar() as tell:
            check = Check(self._connection, Options(sizes, hash, dataset, waivers, since), tell)
            frame = to_frame(as_table(check))
        frame.attrs["psalab"] = check.closing()
        return frame

    def status(self) -> Status:
        """Give the numbers of the index."""
        status = status_of(self._connection, self.path, self._stored_folders)
        return replace(status, mounted=mounted(self._connection, self._folders))

    # ------------------------------------------------------------------------------- as an object

    def reload(self) -> None:
        """Open the index that is there now; results from before go on with the old one.

        Raises
        ------
        IndexFileError
            It cannot be opened; then all stays as it was.
        """
        self._use(self._connection.again())

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(line) for line in self._lines())
        return f"<div><b>{first}</b>{''.join(f'<br>{line}' for line in rest)}</div>"

    def _lines(self) -> list[str]:
        if self._connection.closed:
            return [f"Index {self._connection.name} (closed)"]
        status = status_of(self._connection, self.path, self._stored_folders)  # no volume is waited for
        families = sorted(self._catalogue.families.values(), key=lambda family: -family.products)
        names = ", ".join(f"{family.view_name or family.name} {family.products:,}" for family in families[:5])
        more = f" and {len(families) - 5:,} more" if len(families) > 5 else ""
        built = f", built {status.built:%Y-%m-%d %H:%M} UTC by psalab {status.psalab}" if status.built else ""
        counts = f"{status.products:,} products, {status.keywords:,} keywords, {status.rejected:,} rejected"
        return [
            f"Index {self._connection.name}: {counts}{built}",
            f"families: {names or 'none'}{more}",
            f"volumes: {', '.join(status.roots) or 'none'}",
        ]


def _limit(limit: int | None) -> int | None:
    if limit is not None and (isinstance(limit, bool) or not hasattr(limit, "__index__") or limit < 0):
        raise FilterError(f"limit={limit!r}: expected a number of rows, or None")
    return limit


def _names(argument: str, names: Iterable[str]) -> list[str]:
    listed = [names] if isinstance(names, str) else list(names)
    for name in listed:
        if not hasattr(name, "strip") or not name.strip():
            raise FilterError(f"{argument}={names!r}: expected names of keywords")
    return listed


def _arrow(name: str, frame: Any) -> Any:
    """Make an Arrow table of what a user gives as a table."""
    import pyarrow as pa

    try:
        if isinstance(frame, Results):
            frame = frame.df
        if type(frame).__module__.partition(".")[0] == "pandas":
            return pa.Table.from_pandas(frame, preserve_index=False)
        return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise QueryFailed(
            f"{name}={type(frame).__name__}: expected a DataFrame or an Arrow table that DuckDB can read ({error})"
        ) from error
