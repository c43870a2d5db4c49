"""Bring an index up to date: what is new, changed or gone since the last run is found, and nothing else is read.

A folder whose files are what they were (names, sizes, times: `Folder.digest`) is passed by; the files of the others are
compared with what the index holds, by SQL. The index is copied, the copy is changed, and takes the place of the index, so
that a former index answers until then, and a killed update has changed nothing.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from psalab.errors import IndexFileError, NotMounted, RootRefused, TooMuchForgotten, VolumeError
from psalab.index.build import Builder, Progress, as_listing, file_name, locked, mapped_errors, remove_database
from psalab.index.checked import note_checked
from psalab.index.differences import Differences, read_digests
from psalab.index.interruptible import interruptible
from psalab.index.listed import Listed
from psalab.index.progress import shown
from psalab.index.room import check_room, room_for
from psalab.index.sql import literal
from psalab.index.walk import escape, pick, unescape, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    import duckdb

    from psalab.index.walk import Folder

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
    away : tuple of str
        Roots that were not mounted, and are left as they were.
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
    away: tuple[str, ...] = ()

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
        Look only at the files that this file names, one a line or ended by NUL, as paths of their own or below the root.
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
    with shown(progress) as tell, mapped_errors(target, "updated"), locked(target):
        updater = Updater(target, tell, scope, by_hash=by_hash, max_forget=max_forget)
        updater.use(roots, exclude)
        return updater.update(jobs or os.cpu_count() or 1, executor)


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VolumeError(f"the list {path} cannot be read: {error.strerror}") from error
    return [os.fsdecode(line) for line in data.split(b"\0" if b"\0" in data else b"\n") if line.strip()]


class Updater(Builder):
    """An update of one index."""

    def __init__(
        self, target: Path, progress: Callable[[Progress], None], scope: Scope, *, by_hash: bool, max_forget: float
    ):
        super().__init__(target, structure=False, exclude=(), progress=progress)
        self.work = target.with_name(target.name + ".updating")
        self.scope, self.by_hash, self.max_forget = scope, by_hash, max_forget
        self.looked_at = self.walked = 0
        self.notes: list[str] = []
        self.listings: list[Listed] = []
        self.unreadable: list[tuple[str, str, str]] = []
        self.away: list[str] = []
        self.differs = False

    def use(self, roots: Sequence[str | PathLike[str]], exclude: Sequence[str] | None) -> None:
        """Settle which roots are looked at, and how: as the last run did."""
        from psalab.index.store import last_settings, stored_roots

        settings = last_settings(self.target)
        self.structure = bool(settings.get("structure"))
        former = tuple(settings.get("exclude", ()))
        self.exclude = former if exclude is None else tuple(exclude)
        stored = {name: Path(unescape(where)) for name, where in stored_roots(self.target).items()}
        self.known = set(stored)
        if roots:
            self.use_roots([Path(root) for root in roots])
            self._refuse_to_absorb(stored)
        else:
            self._use_stored(stored)
        moved = any(stored.get(name) != path for name, path in self.roots.items())
        self.differs = moved or self.exclude != former
        self.kept = [name for name in stored if name not in self.roots]
        self._narrow_roots()

    def _use_stored(self, stored: Mapping[str, Path]) -> None:
        """Look at the roots that the index holds, and that are there today."""
        self.roots = {name: where for name, where in stored.items() if _answers(where)}
        self.away = [name for name in stored if name not in self.roots]
        away = ", ".join(f"{name} ({stored[name]})" for name in self.away)
        if away and not self.roots:
            raise NotMounted(f"no root of {self.target} is there: {away}; is the volume mounted?")
        if away:
            self.notes.append(f"not mounted, and left as it was: {away}")

    def _refuse_to_absorb(self, stored: Mapping[str, Path]) -> None:
        """Refuse a root that holds one of the index: all of its products would get other keys."""
        for path in self.roots.values():
            for name, where in stored.items():
                if where != path and where.is_relative_to(path):
                    raise RootRefused(
                        f"{path} holds the root {name} ({where}) of {self.target}, which an update cannot take in: "
                        f"psalab index build {path}"
                    )

    def _narrow_roots(self) -> None:
        """Leave only the roots that hold what is to be looked at."""
        self.under: dict[str, str] = dict.fromkeys(self.roots, "")
        self.single: dict[str, list[str]] = {}
        if self.scope.under is not None:
            name, inner = self._place(self.scope.under, os.path.realpath)
            self.under = {name: inner}
        if self.scope.listed is not None:
            folder_of = functools.cache(os.path.realpath)

            def real(path: str) -> str:  # but for its own name: a link to a file is a file of the volume
                folder, name = os.path.split(path)
                return os.path.join(folder_of(folder), name)

            for line in self.scope.listed:
                name, inner = self._place(line, real)
                self.single.setdefault(name, []).append(inner)
            self.under = dict.fromkeys(self.single, "")
        self.kept += [name for name in self.roots if name not in self.under]
        self.roots = {name: path for name, path in self.roots.items() if name in self.under}

    def _place(self, path: str, real: Callable[[str], str]) -> tuple[str, str]:
        """Give the root of a path, and the path below it."""
        if not os.path.isabs(path) and len(self.roots) > 1:
            raise VolumeError(
                f"{path} may be in any of {len(self.roots)} roots: give the path from / on, or name the root"
            )
        whole = Path(real(os.path.normpath(os.path.join(next(iter(self.roots.values())), path))))
        for name, root in self.roots.items():
            if whole.is_relative_to(root):
                inner = str(whole.relative_to(root))
                return name, "" if inner == "." else inner
        raise VolumeError(f"{path} lies in no root of {self.target}: {', '.join(map(str, self.roots.values()))}")

    # --------------------------------------------------------------------------------------------------------- looking

    def update(self, jobs: int, executor: Executor | None) -> UpdateReport:
        """Look, read what is new or changed, and change the index."""
        from psalab.index import store

        began, started = monotonic(), datetime.now(UTC).replace(tzinfo=None)
        scratch = self.work / "scratch"
        self._tidy()
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
            if self.found.settle(self.unreadable) or self.differs:
                read, rejected = self._change(connection, jobs, executor, started)
        finally:
            connection.close()
            self._tidy()
        note_checked(self.target, [name for name in self.roots if self._wholly(name)], started)
        shutil.rmtree(self.work, ignore_errors=True)
        products, odd = store.state(self.target, _ODD)
        self.notes += odd
        return UpdateReport(
            self.target, read, *counts, self.looked_at, products, rejected, monotonic() - began, tuple(self.notes),
            tuple(self.away),
        )  # fmt: skip

    def _tidy(self) -> None:
        """Leave of former work only what serves the next run: chunks of what has been read."""
        shutil.rmtree(self.work / "scratch", ignore_errors=True)
        for file in self.work.glob("*"):
            if file.suffix != ".chunk":
                file.unlink(missing_ok=True)
        with suppress(OSError):
            self.work.rmdir()  # it may hold chunks, or not be there

    def _wholly(self, name: str) -> bool:
        """Tell whether all of a root is looked at."""
        return name not in self.single and not self.under[name]

    def _look(self, name: str, path: Path) -> None:
        """Find the files of a root that are not what the index holds."""
        listed = Listed(name, path, self.work / f"{file_name(name)}.files")
        if name in self.single:
            for _ in listed.write(pick(str(path), self.single[name], self.exclude, self._own_files(path))):
                self.progress(Progress("walk", self.looked_at))
            self.looked_at += len(self.single[name])
            places = [where for where, _ in listed.unreadable]
            self.found.add_files(listed, [escape(single) for single in self.single[name]], places)
            self.unreadable += [(name, *row) for row in listed.unreadable]
        else:
            self._look_into(listed, self.under[name])
        listed.marker = listed.marker or self.found.marker(name)
        self.listings.append(listed)

    def _look_into(self, listed: Listed, under: str) -> None:
        """Find the files of a folder, and of those inside it, that are not what the index holds."""
        known = self.found.folders(listed.name, escape(under))
        unreadable: list[tuple[str, str]] = []
        folders = walk(str(listed.path), self.exclude, self._own_files(listed.path), under)
        before, held = self.walked, bool(known)
        for _ in listed.write(self._unlike(folders, known, unreadable)):
            self.progress(Progress("walk", self.looked_at))
        if under and not held and self.walked == before:
            raise VolumeError(
                f"{listed.path / under} is not there, is no folder or is left out, and the index holds nothing of it"
            )
        places = [where for where, _ in unreadable]
        gone = [folder for folder in known if not any(within(folder, where) for where in places)]
        self.differs |= bool(gone)
        self.found.add(listed, gone, escape(under), places)
        self.unreadable += [(listed.name, where, why) for where, why in unreadable]

    def _unlike(
        self, folders: Iterable[Folder], known: dict[str, int], unreadable: list[tuple[str, str]]
    ) -> Iterator[Folder]:
        """Pass on the folders that are not what they were; what is left of `known` is gone."""
        for folder in folders:
            self.walked += 1
            self.looked_at += len(folder.files)
            if folder.unreadable:
                unreadable += folder.unreadable
                if any(where == folder.path for where, _ in folder.unreadable):
                    continue  # what the index holds of it stays
            differs = known.pop(folder.path, None) != folder.digest()
            self.differs |= differs
            if differs or self.by_hash:
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
                    f"changed. If they are gone for good, allow it: --max-forget {math.ceil(100 * lost / products)}"
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
        room = self.target.stat().st_size + room_for(changed, self.target, self._chunk_bytes())
        check_room(self.target, room, "updated")
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
        self.target.with_name(self.target.name + ".wal").unlink(missing_ok=True)
        return run.labels, run.rejected

    def _changed(self, listed: Listed) -> Listed:
        """List the files of a root that may have to be read."""
        changed = Listed(listed.name, listed.path, self.work / f"{file_name(listed.name)}.changed")
        changed.copy(self.found.changed_files(listed.name))
        return changed


def _answers(root: Path) -> bool:
    """Tell whether a root can be listed."""
    try:
        with os.scandir(root) as entries:
            next(entries, None)
    except OSError:
        return False
    return True


def within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or inside it."""
    return path == folder or not folder or path.startswith(f"{folder}/")
