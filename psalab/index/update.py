"""Bring an index up to date: what is new, changed or gone since the last run is found, and nothing else is read.

A folder whose files are what they were (names, sizes, times: `Folder.digest`) is passed by; the files of the others are
compared with what the index holds, by SQL. The index is copied, the copy is changed, and takes the place of the index, so
that a former index answers until then, and a killed update has changed nothing.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from psalab.errors import IndexFileError, NotMounted, TooMuchForgotten, VolumeError
from psalab.index.build import Builder, Progress, as_listing, file_name, locked, mapped_errors, remove_database
from psalab.index.differences import Differences, read_digests
from psalab.index.interruptible import interruptible
from psalab.index.listed import Listed
from psalab.index.progress import shown
from psalab.index.sql import literal
from psalab.index.walk import FileEntry, Folder, escape, unescape, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    import duckdb

__all__ = ["UpdateReport", "update_index"]

#: Share of odd values of a column from which on building anew is advised.
_ODD: Final = 0.01


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What an update did.

    Attributes
    ----------
    index : pathlib.Path
    read : int
        Labels that were read.
    new, changed, gone : int
        Labels.
    files : int
        Files that were looked at.
    products, rejected : int
        In the index, and among what was read.
    seconds : float
    notes : tuple of str
        What whoever runs it should know.
    """

    index: Path
    read: int
    new: int
    changed: int
    gone: int
    files: int
    products: int
    rejected: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def nothing_changed(self) -> bool:
        """Whether the index is what it was."""
        return not (self.read or self.gone)


@dataclass(frozen=True)
class Scope:
    """What of the roots is looked at.

    Attributes
    ----------
    under : str or None
        A folder, with all inside it.
    listed : sequence of str or None
        Single files.
    """

    under: str | None = None
    listed: Sequence[str] | None = None


def update_index(
    index: str | PathLike[str],
    roots: Sequence[str | PathLike[str]] = (),
    *,
    under: str | PathLike[str] | None = None,
    from_list: str | PathLike[str] | None = None,
    by_hash: bool = False,
    max_forget: float = 0.01,
    exclude: Sequence[str] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> UpdateReport:
    """Bring an index up to date.

    Parameters
    ----------
    index : path
    roots : sequence of paths
        Volumes; by default all that the index holds. One that it does not hold is added.
    under : path, optional
        Look only into this folder, a path of its own or below the root.
    from_list : path, optional
        Look only at the files that this text file names, one a line, as paths of their own or below the root.
    by_hash : bool
        Read every label and compare what it holds, for certainty; by default sizes and times are compared.
    max_forget : float
        The largest share of a root's labels that may be forgotten because they are gone.
    exclude : sequence of str, optional
        Patterns of what to leave out; by default those of the last run.
    jobs, executor, progress
        As in `psalab.build_index`.

    Returns
    -------
    UpdateReport

    Raises
    ------
    NotMounted
        None of the roots is there.
    TooMuchForgotten
        More labels are gone than may be forgotten, or the volume's marker is not there. Nothing was changed.
    IndexLocked, IndexFileError, VolumeError, RootRefused
        As in `psalab.build_index`.
    """
    target = Path(index).absolute()
    if not target.exists():
        raise IndexFileError(f"{target} is not there: psalab index build ROOT --index {target} makes it")
    scope = Scope(
        None if under is None else os.fspath(under), None if from_list is None else _lines(Path(from_list))
    )  # fmt: skip
    with shown(progress) as tell, mapped_errors(target), locked(target):
        updater = Updater(target, tell, scope, by_hash=by_hash, max_forget=max_forget)
        updater.use(roots, exclude)
        return updater.update(jobs or os.cpu_count() or 1, executor)


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return [line.rstrip("\n") for line in file if line.strip()]
    except OSError as error:
        raise VolumeError(f"the list {path} cannot be read: {error.strerror}") from error


class Updater(Builder):
    """An update of one index."""

    def __init__(
        self, target: Path, progress: Callable[[Progress], None], scope: Scope, *, by_hash: bool, max_forget: float
    ):
        super().__init__(target, structure=False, exclude=(), progress=progress)
        self.work = target.with_name(target.name + ".updating")
        self.scope, self.by_hash, self.max_forget = scope, by_hash, max_forget
        self.looked_at = 0
        self.notes: list[str] = []
        self.listings: list[Listed] = []
        self.unreadable: list[tuple[str, str, str]] = []

    def use(self, roots: Sequence[str | PathLike[str]], exclude: Sequence[str] | None) -> None:
        """Settle which roots are looked at, and how: as the last run did."""
        from psalab.index.store import last_settings, stored_roots

        settings = last_settings(self.target)
        self.structure = bool(settings.get("structure"))
        self.exclude = tuple(settings.get("exclude", ()) if exclude is None else exclude)
        stored = {name: Path(unescape(where)) for name, where in stored_roots(self.target).items()}
        self.known = set(stored)
        if roots:
            self.use_roots([Path(root) for root in roots])
        else:
            self.roots = {name: where for name, where in stored.items() if where.is_dir()}
            away = [f"{name} ({stored[name]})" for name in stored if name not in self.roots]
            if away and not self.roots:
                raise NotMounted(f"no root of {self.target} is there: {', '.join(away)}; is the volume mounted?")
            if away:
                self.notes.append(f"not mounted, and left as it was: {', '.join(away)}")
        self.kept = [name for name in stored if name not in self.roots]
        self._narrow_roots()

    def _narrow_roots(self) -> None:
        """Leave only the roots that hold what is to be looked at."""
        self.under: dict[str, str] = dict.fromkeys(self.roots, "")
        self.single: dict[str, list[str]] = {}
        if self.scope.under is not None:
            name, inner = self._place(self.scope.under)
            self.under = {name: inner}
        if self.scope.listed is not None:
            for line in self.scope.listed:
                name, inner = self._place(line)
                self.single.setdefault(name, []).append(inner)
            self.under = dict.fromkeys(self.single, "")
        self.kept += [name for name in self.roots if name not in self.under]
        self.roots = {name: path for name, path in self.roots.items() if name in self.under}

    def _place(self, path: str) -> tuple[str, str]:
        """Give the root of a path, and the path below it."""
        if os.path.isabs(path):
            whole = Path(os.path.normpath(path))
            for name, root in self.roots.items():
                for candidate in (whole, whole.resolve()):
                    if candidate.is_relative_to(root):
                        inner = str(candidate.relative_to(root))
                        return name, "" if inner == "." else inner
            raise VolumeError(f"{path} lies in no root of {self.target}: {', '.join(map(str, self.roots.values()))}")
        if len(self.roots) > 1:
            raise VolumeError(
                f"{path} may be in any of {len(self.roots)} roots: give the path from / on, or name the root"
            )
        inner = os.path.normpath(path)
        if inner == ".." or inner.startswith("../"):
            raise VolumeError(f"{path} leads out of the root")
        return next(iter(self.roots)), "" if inner == "." else inner

    # --------------------------------------------------------------------------------------------------------- looking

    def update(self, jobs: int, executor: Executor | None) -> UpdateReport:
        """Look, read what is new or changed, and change the index."""
        from psalab.index import store

        began, started = monotonic(), datetime.now(UTC).replace(tzinfo=None)
        scratch = self.work / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        self.left = {file.name for file in self.work.glob("*.chunk")}
        connection = store.database(scratch)
        try:
            connection.execute(f"attach {literal(str(self.target))} as former (read_only)")
            self.found = Differences(connection, by_hash=self.by_hash)
            for name, path in self.roots.items():
                self._look(name, path)
            self.notes += self.found.compare_contents(self.roots, read_digests)
            self._guard()
            counts = self.found.counts()
            read, rejected = 0, 0
            if self.found.settle(self.unreadable) or self.known != {*self.roots, *self.kept}:
                read, rejected = self._change(connection, jobs, executor, started)
        finally:
            connection.close()
        (self.target.with_name(self.target.name + ".checked")).write_text(f"{started.isoformat()}Z\n")
        shutil.rmtree(self.work, ignore_errors=True)
        products, odd = store.state(self.target, _ODD)
        self.notes += odd
        return UpdateReport(
            self.target, read, *counts, self.looked_at, products, rejected, monotonic() - began, tuple(self.notes)
        )

    def _look(self, name: str, path: Path) -> None:
        """Find the files of a root that are not what the index holds."""
        listed = Listed(name, path, self.work / f"{file_name(name)}.files")
        if name in self.single:
            for _ in listed.write(_single_folders(path, self.single[name])):
                self.progress(Progress("walk", self.looked_at))
            self.found.add_files(listed, [escape(single) for single in self.single[name]])
        else:
            under = self.under[name]
            known = self.found.folders(name, escape(under))
            unreadable: list[tuple[str, str]] = []
            folders = walk(str(path), self.exclude, self._own_files(path), under)
            for _ in listed.write(self._unlike(folders, known, unreadable)):
                self.progress(Progress("walk", self.looked_at))
            places = [where for where, _ in unreadable]
            gone = [folder for folder in known if not any(within(folder, where) for where in places)]
            self.found.add(listed, gone, escape(under), places)
            self.unreadable += [(name, where, why) for where, why in unreadable]
        listed.marker = listed.marker or self.found.marker(name)
        self.listings.append(listed)

    def _unlike(
        self, folders: Iterable[Folder], known: dict[str, int], unreadable: list[tuple[str, str]]
    ) -> Iterator[Folder]:
        """Pass on the folders that are not what they were; what is left of `known` is gone."""
        for folder in folders:
            self.looked_at += len(folder.files)
            unreadable += folder.unreadable
            if any(where == folder.path for where, _ in folder.unreadable):
                continue  # it cannot be read: what the index holds of it stays
            if known.pop(folder.path, None) != folder.digest() or self.by_hash:
                yield folder

    def _guard(self) -> None:
        """Refuse to forget much, or anything of a volume that is not itself."""
        for name, path in self.roots.items():
            lost, products = self.found.lost(name)
            marker = self.found.marker(name)
            if lost and marker and not os.path.exists(path / unescape(marker)):
                raise TooMuchForgotten(
                    f"{name}: {lost:,} labels are gone, and so is {marker} at the top of {path}: is this the volume? "
                    "Nothing was changed. If it is, build the index anew."
                )
            if lost > self.max_forget * products:
                raise TooMuchForgotten(
                    f"{name}: {lost:,} of {products:,} labels are gone, more than {100 * self.max_forget:g} %. Nothing was "
                    f"changed. If they are gone for good, allow it: --max-forget {100 * lost / products:.0f}"
                )

    # -------------------------------------------------------------------------------------------------------- changing

    def _change(
        self, connection: duckdb.DuckDBPyConnection, jobs: int, executor: Executor | None, started: datetime
    ) -> tuple[int, int]:
        """Read what has to be read, and change a copy of the index, which takes its place."""
        from psalab.index import store
        from psalab.index.delta import Delta
        from psalab.index.former import Former

        changed = [self._changed(listed) for listed in self.listings]
        chunks = self.read(
            changed, jobs, executor, [hash_ for item in changed for hash_ in self.found.named(item.name)]
        )
        part = self.target.with_name(self.target.name + ".part")
        remove_database(part)
        try:
            shutil.copyfile(self.target, part)
            settings = {"exclude": list(self.exclude), "structure": self.structure}
            run = store.RunRecord("update", started, jobs, version("psalab"), self.structure, settings)
            connection.execute(f"attach {literal(str(part))} as made")
            connection.execute("use made")
            former = Former(connection, store.Kept(self.target, [*self.known]), attached=True)
            delta = Delta(
                connection,
                self.work / "scratch",
                run,
                [as_listing(item) for item in self.listings],
                former,
                threads=jobs,
            )
            delta.reject([(*row, None, None) for row in self.unreadable])
            interruptible(lambda _: delta.apply(chunks), connection)
            connection.execute("checkpoint made")
            connection.execute("use memory; detach made; detach former")
            os.replace(part, self.target)
        finally:
            remove_database(part)
        return run.labels, run.rejected

    def _changed(self, listed: Listed) -> Listed:
        """List the files of a root that may have to be read."""
        changed = Listed(listed.name, listed.path, self.work / f"{file_name(listed.name)}.changed")
        changed.copy(self.found.changed_files(listed.name))
        return changed


def _single_folders(root: Path, paths: Sequence[str]) -> Iterator[Folder]:
    """Folders with the files that are there of some, and no others."""
    folders: dict[str, list[FileEntry]] = {}
    for path in sorted(set(paths)):
        folder, _, name = path.rpartition("/")
        files = folders.setdefault(escape(folder), [])
        try:
            stat = os.stat(root / path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise VolumeError(f"{root / path} cannot be read: {error.strerror}") from error
        files.append(FileEntry(escape(name), stat.st_size, stat.st_mtime_ns // 1000))
    for folder, files in folders.items():
        yield Folder(folder, files)


def within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or inside it."""
    return path == folder or not folder or path.startswith(f"{folder}/")
