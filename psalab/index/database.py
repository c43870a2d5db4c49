"""`Database`: tables of keywords of many labels, by a recipe; the class of pds3_utils and pds4_utils over psalab's scraper."""

from __future__ import annotations

import fnmatch
import os
import re
import warnings
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from psalab import config
from psalab.errors import IndexFileError, LabelWarning, RecipeError, RecipeWarning, VolumeError
from psalab.index import database_file, recipe_tables
from psalab.index.build import CHUNK, Progress
from psalab.index.progress import shown
from psalab.index.recipe_cells import Part, openable, read_part
from psalab.index.recipes import Recipe, load_recipe
from psalab.index.scrape import Task
from psalab.index.walk import unescape, walk
from psalab.index.workers import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

__all__ = ["Database"]

#: Endings of labels, in any case, where no pattern is given.
_SUFFIXES: Final = {"PDS3": (".lbl",), "PDS4": (".xml", ".lblx")}
_CHUNK_BYTES: Final = 256 * 2**20
_FILE: Final = "database.parquet"


class _Listing(NamedTuple):
    """Labels below a folder: their paths below it with their sizes, what cannot be listed, and files in another case."""

    labels: list[tuple[str, int]]
    unreadable: list[tuple[str, str]]
    other_case: list[str]


class Database:
    """Tables of keywords of many labels, made by a recipe.

    Parameters
    ----------
    files : str, optional
        Pattern of the labels' names, such as ``"N*.LBL"``, in the case that it is written in. By default all that end in
        ``.lbl`` (tables of PDS3) or ``.xml`` and ``.lblx`` (tables of PDS4), in any case.
    directory : path
        The folder that holds the labels.
    config_file : path, optional
        The recipe (YAML), or the bare name of one that comes with psalab: ``"osiris_nac_zoo.yml"``. By default
        ``pds_dbase.yml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``.
    recursive : bool
        Whether folders inside the folder are searched, too.
    jobs : int, optional
        Processes that read labels; by default the setting ``jobs``.

    Attributes
    ----------
    index : DataFrame
        A row for each label. PDS3: filename, dataset, prod_id, mission_id, start_time, stop_time, instr_id. PDS4:
        filename, product_type, lid, vid, start_time, stop_time, bundle, collection, product_id.
    dbase : dict of str to DataFrame
        For each table the recipe's columns, by their row in `index`.
    rejected : DataFrame
        Files that are left out, with reason, line and text.
    recipe : Recipe or None
        None where the tables were loaded from a file.

    Raises
    ------
    RecipeError
        The recipe is not there or has mistakes; the message names file and line.
    VolumeError
        The folder is not there or cannot be listed.

    Warns
    -----
    RecipeWarning
        The recipe asks for what no label has, or a column is not what it may be taken for; file and line are named.
    LabelWarning
        No label was found, or some cannot be read and are left out.

    Notes
    -----
    A column is of floats, integers, times (datetime64, UTC without a zone), truth values or text; one with values of
    several kinds holds each as it is. ``N/A``, ``UNK`` and ``NULL`` are missing. ``frame.attrs["psalab"]`` holds the units
    and how many values are missing for which reason.

    Examples
    --------
    >>> db = psalab.Database(
    ...     files="N*.LBL", directory="/media/data/ROSETTA", config_file="osiris_nac_zoo.yml"
    ... )  # doctest: +SKIP
    >>> db.get_table("osiris_nac_zoo")  # doctest: +SKIP
    """

    def __init__(
        self,
        files: str | None = None,
        directory: str | os.PathLike[str] = ".",
        config_file: str | os.PathLike[str] | None = None,
        recursive: bool = True,  # noqa: FBT001, FBT002  as it has always been
        *,
        jobs: int | None = None,
    ) -> None:
        self.recipe: Recipe | None = load_recipe(config_file)
        self._directory = os.path.abspath(os.fsdecode(directory))
        self._files, self._recursive, self._jobs = files, recursive, jobs
        _warn(self._build())

    @classmethod
    def load(cls, filename: str | os.PathLike[str] = _FILE) -> Self:
        """Load what `save_dbase` wrote, without reading a label.

        Raises
        ------
        IndexFileError
            The file is not there, is damaged, or is no database, for example a pickle.
        """
        database = cls.__new__(cls)
        database.recipe = None
        database.load_dbase(filename)
        return database

    def build(self) -> None:
        """Read the labels anew and make the tables again."""
        _warn(self._build())

    def _build(self) -> list[Warning]:
        if self.recipe is None:
            raise RecipeError(
                "these tables were loaded from a file: make a Database with config_file= to build it again"
            )
        jobs = config.load(jobs=self._jobs).jobs.value
        with shown() as tell, _mapped_errors():
            listing = _list(self._directory, self._files, self.recipe.standards, tell, recursive=self._recursive)
            tasks = list(_tasks(self._directory, listing.labels))
            parts = _read(self.recipe, tasks, jobs, tell)
        made = recipe_tables.assemble(self.recipe, parts, listing.unreadable)
        self.index, self.dbase, self.rejected = made.index, made.tables, made.rejected
        notes: list[Warning] = [RecipeWarning(note) for note in made.notes]
        return [*self._label_notes(listing), *notes]

    def _label_notes(self, listing: _Listing) -> Iterator[LabelWarning]:
        """Tell of labels that are left out."""
        pattern = self._files or " or ".join(f"*{suffix}" for suffix in _suffixes(self.recipe))
        if not listing.labels:
            yield LabelWarning(f"no file below {self._directory} is called {pattern}: the tables are empty")
        if listing.other_case:
            more, example = len(listing.other_case), listing.other_case[0]
            yield LabelWarning(
                f"{more:,} more files would be called {pattern} in another case, such as {example}; without files= every "
                "case is taken"
            )
        if len(self.rejected):
            path, reason = self.rejected["path"].iloc[0], self.rejected["reason"].iloc[0]
            yield LabelWarning(
                f"{len(self.rejected):,} files are left out, see .rejected for all of them; the first is {path}: {reason}"
            )

    def list_tables(self) -> list[str]:
        """Names of the tables."""
        return list(self.dbase)

    def get_table(self, table: str) -> pd.DataFrame | None:
        """Give a table: the columns of the index, then those of the recipe in its order.

        Parameters
        ----------
        table : str

        Returns
        -------
        DataFrame or None
            None, with a warning, where no table is called so.
        """
        if table not in self.dbase:
            known = ", ".join(self.dbase) or "none"
            warnings.warn(f"no table is called {table!r}; there are {known}", RecipeWarning, stacklevel=2)
            return None
        own = self.dbase[table]
        about = own.attrs.get("psalab", {})
        joined = self.index.join(own, how="inner")
        joined.attrs["psalab"] = {**about, "units": dict.fromkeys(self.index.columns) | about.get("units", {})}
        return joined

    def save_dbase(self, filename: str = _FILE, directory: str | os.PathLike[str] = ".") -> Path:
        """Write index and tables to one Parquet file, and give its path.

        Parameters
        ----------
        filename : str
            A name of your choice; what is written is Parquet, whatever the name ends in.
        directory : path

        Raises
        ------
        IndexFileError
            The file cannot be written.
        """
        path = Path(directory).expanduser() / filename
        database_file.write(path, database_file.Saved(self.index, self.dbase, self.rejected))
        return path

    def load_dbase(self, filename: str | os.PathLike[str] = _FILE) -> None:
        """Take index and tables from a file that `save_dbase` wrote.

        Raises
        ------
        IndexFileError
            The file is not there, is damaged, or is no database, for example a pickle.
        """
        saved = database_file.read(Path(filename).expanduser())
        self.index, self.dbase, self.rejected = saved.index, saved.tables, saved.rejected

    def __repr__(self) -> str:
        tables = ", ".join(f"{name} {len(table):,}" for name, table in self.dbase.items())
        return f"<Database of {len(self.index):,} labels; tables: {tables or 'none'}; {len(self.rejected):,} files left out>"


def _warn(notes: Iterable[Warning]) -> None:
    for note in notes:
        warnings.warn(note, stacklevel=3)  # of who called the constructor, or build()


def _suffixes(recipe: Recipe | None) -> list[str]:
    return [suffix for standard in recipe.standards for suffix in _SUFFIXES[standard]] if recipe else []


def _list(
    directory: str, files: str | None, standards: Iterable[str], tell: Callable[[Progress], None], *, recursive: bool
) -> _Listing:
    """Find the labels, in the order of their paths."""
    suffixes = tuple(suffix for standard in standards for suffix in _SUFFIXES[standard])
    fits = _ends_in(suffixes) if files is None else re.compile(fnmatch.translate(files)).match
    fits_in_other_case = re.compile(fnmatch.translate(files or ""), re.IGNORECASE).match
    found = _Listing([], [], [])
    with _mapped_walk(directory):
        for folder in islice(walk(directory), None if recursive else 1):
            within = f"{folder.path}/" if folder.path else ""
            found.unreadable.extend((openable(directory, path), reason) for path, reason in folder.unreadable)
            for file in folder.files:
                name = unescape(file.name)
                if fits(name):
                    found.labels.append((within + file.name, file.size))
                elif fits_in_other_case(name):
                    found.other_case.append(name)
            tell(Progress("walk", len(found.labels)))
    found.labels.sort()
    return found


def _ends_in(suffixes: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(suffixes)


@contextmanager
def _mapped_walk(directory: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise VolumeError(f"the folder {directory} is not there: is the volume mounted?") from error
    except OSError as error:
        raise VolumeError(f"the folder {directory} cannot be listed: {error.strerror or error}") from error


def _tasks(directory: str, labels: list[tuple[str, int]]) -> Iterator[Task]:
    """Chunks of labels; one at least, so that there are tables, if empty ones."""
    chunk: list[str] = []
    size = 0
    for label, bytes_ in labels:
        size += min(bytes_, 2**20)
        if chunk and (len(chunk) == CHUNK or size > _CHUNK_BYTES):
            yield Task(directory, "", tuple(chunk), structure=True)
            chunk, size = [], min(bytes_, 2**20)
        chunk.append(label)
    yield Task(directory, "", tuple(chunk), structure=True)


def _read(recipe: Recipe, tasks: list[Task], jobs: int, tell: Callable[[Progress], None]) -> list[Part]:
    """Read all labels, in processes where there are many."""
    total, rejected = sum(len(task.labels) for task in tasks), 0
    parts: list[Part] = []

    def take(made: Iterable[Part]) -> list[Part]:
        nonlocal rejected
        tell(Progress("scrape", 0, total))
        for part in made:
            parts.append(part)
            rejected += len(part.rejected)
            tell(Progress("scrape", sum(len(task.labels) for task in tasks[: len(parts)]), total, rejected))
        return parts

    read: Any = partial(read_part, recipe)
    number = min(jobs, len(tasks))
    if number <= 1:
        return take(map(read, tasks))
    with processes(number) as pool:
        return take(pool.map(read, tasks))


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise IndexFileError(
            "a process that read labels was killed, perhaps for want of memory; try again with jobs=1"
        ) from error
