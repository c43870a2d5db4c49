"""The files of a root, folder by folder, in a fixed order.

Symbolic links to folders are not followed (what they point to inside the root is found by itself, and outside is none of
the root's business), so there are no loops; links to files are followed where they stay inside the root.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Future

__all__ = ["SKIPPED", "FileEntry", "Folder", "escape", "find_marker", "pick", "unescape", "walk"]

#: Folders that file systems and tools make and that are nobody's data.
SKIPPED: Final = (
    ".snapshot",
    ".snapshots",
    ".git",
    ".ipynb_checkpoints",
    "lost+found",
    ".psalab",
    ".Trash-*",
    "__MACOSX",
)

#: A stat slower than this (seconds) is a mount's: then many are under way at once.
_SLOW: Final = 0.0005
_THREADS: Final = 32


_NAME_OF: Final = attrgetter("name")
_NOTHING: Final = r"(?!)"  # a regular expression that nothing matches


class FileEntry(NamedTuple):
    """A file: name (escaped), size in bytes, modification time in microseconds since 1970."""

    name: str
    size: int
    mtime: int


@dataclass(frozen=True)
class Folder:
    """A folder: its path below the root (escaped, '' for the root), its files, and what could not be read."""

    path: str
    files: Sequence[FileEntry]
    unreadable: Sequence[tuple[str, str]] = ()

    def digest(self) -> int:
        """Give 64 bits that tell whether the folder's own files are those of another time: names, sizes and times."""
        names, sizes, mtimes = zip(*self.files, strict=True) if self.files else ((), (), ())
        text = blake2b("\0".join(names).encode(), digest_size=8)
        text.update(array("q", sizes).tobytes() + array("q", mtimes).tobytes())
        return int.from_bytes(text.digest(), "little", signed=True)


def escape(name: str) -> str:
    r"""Write a name that may hold bytes that are no UTF-8 as text: such a byte is ``\xNN``, a backslash is doubled."""
    if "\\" not in name and name.isascii():
        return name
    doubled = name.replace("\\", "\\\\")
    return "".join(f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in doubled)


def unescape(name: str) -> str:
    """Give the name that `escape` wrote, as the operating system's functions take it."""
    if "\\" not in name:
        return name
    parts = name.split("\\\\")
    return "\\".join(_unescape_bytes(part) for part in parts)


def _unescape_bytes(text: str) -> str:
    head, *rest = text.split("\\x")
    return head + "".join(chr(0xDC00 + int(part[:2], 16)) + part[2:] for part in rest)


def walk(root: str, exclude: Sequence[str] = (), own: Collection[str] = (), under: str = "") -> Iterator[Folder]:
    """Give the folders of a root, each before those inside it, all in the order of their names.

    Parameters
    ----------
    root : str
    exclude : sequence of str
        Patterns (``*.TMP``, ``EXTRAS``, ``DATA/OLD/*``) of names or of paths below the root, beside `SKIPPED`.
    own : collection of str
        Paths below the root, as they are, of files and folders that belong to whoever walks, and are left out.
    under : str
        A folder below the root, as it is: only this one and those inside it.

    Raises
    ------
    OSError
        The root itself cannot be listed.
    """
    os.listdir(root)
    with _Lister(os.path.realpath(root), root, (*SKIPPED, *exclude), frozenset(own)) as lister:
        if under and (lister.leaves_out(under) or not _may_be_there(root, under)):
            return
        waiting: list[tuple[str, Future[_Listed] | None]] = [(under, None)]
        while waiting:
            path, future = waiting.pop()
            listed = future.result() if future else lister.list(path)
            yield Folder(escape(path), listed.files, listed.unreadable)
            waiting += [(inner, lister.ahead(inner)) for inner in reversed(listed.folders)]


def pick(root: str, paths: Iterable[str], exclude: Sequence[str] = (), own: Collection[str] = ()) -> Iterator[Folder]:
    """Give the folders of some files, with those of the files that `walk` would find there, and no others.

    Parameters
    ----------
    root, exclude, own
        As for `walk`.
    paths : iterable of str
        Files below the root, as they are.
    """
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    with _Lister(os.path.realpath(root), root, (*SKIPPED, *exclude), frozenset(own)) as lister:
        for folder in sorted(folders):
            if lister.leaves_out(folder) or not _may_be_there(root, folder):
                yield Folder(escape(folder), ())
            else:
                listed = lister.list(folder, folders[folder])
                yield Folder(escape(folder), listed.files, listed.unreadable)


def _may_be_there(root: str, folder: str) -> bool:
    """Tell whether a folder is there, or cannot be asked for, which is not to say that it is gone."""
    try:
        return stat.S_ISDIR(os.stat(os.path.join(root, folder)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


class _Listed(NamedTuple):
    folders: list[str]
    files: list[FileEntry]
    unreadable: list[tuple[str, str]]


class _Lister:
    """Lists folders; on a slow mount ahead of time and with many stats at once."""

    def __init__(self, real_root: str, root: str, exclude: Sequence[str], own: Collection[str]):
        self.real_root, self.root, self.own = real_root, root, own
        self._names, self._paths = (
            re.compile("|".join(map(fnmatch.translate, patterns)) or _NOTHING)
            for patterns in (exclude, [pattern for pattern in exclude if "/" in pattern])
        )
        self._folders: ThreadPoolExecutor | None = None
        self._stats: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self._folders, self._stats):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def ahead(self, path: str) -> Future[_Listed] | None:
        """Start listing a folder, where that pays."""
        return self._folders.submit(self.list, path) if self._folders else None

    def leaves_out(self, path: str) -> bool:
        """Tell whether a folder is left out, by its own name or that of one that it lies in."""
        parts = path.split("/") if path else []
        inner = ["/".join(parts[: at + 1]) for at in range(len(parts))]
        return any(map(self._names.match, parts)) or any(self._paths.match(one) or one in self.own for one in inner)

    def list(self, path: str, only: Collection[str] | None = None) -> _Listed:
        """List one folder, or some names of it, in order."""
        listed = _Listed([], [], [])
        began = perf_counter()
        try:
            with os.scandir(os.path.join(self.root, path)) as entries:
                asked = entries if only is None else (entry for entry in entries if entry.name in only)
                found = sorted(self._wanted(path, asked), key=_NAME_OF)
        except OSError as error:
            listed.unreadable.append((escape(path), f"the folder cannot be read: {error.strerror or error}"))
            return listed
        stats = self._stats.map(self._stat, found) if self._stats else map(self._stat, found)
        files, within = listed.files, f"{path}/" if path else ""
        for entry, found_out in zip(found, stats, strict=True):
            if isinstance(found_out, os.stat_result):
                files.append(FileEntry(escape(entry.name), found_out.st_size, found_out.st_mtime_ns // 1000))
            elif isinstance(found_out, str):
                listed.unreadable.append((escape(within + entry.name), found_out))
            elif found_out:
                listed.folders.append(within + entry.name)
        if self._folders is None and found and (perf_counter() - began) / len(found) > _SLOW:
            self._folders, self._stats = ThreadPoolExecutor(_THREADS // 4), ThreadPoolExecutor(_THREADS)
        return listed

    def _stat(self, entry: os.DirEntry[str]) -> os.stat_result | bool | str | None:
        """Give a file's stat, True for a folder, None for what is neither or leads outside, or why it cannot be read."""
        try:
            if entry.is_file(follow_symlinks=False):
                return entry.stat()
            if entry.is_dir(follow_symlinks=False):
                return True
            target = os.path.realpath(entry.path)
            inside = os.path.commonpath((target, self.real_root)) == self.real_root
            return entry.stat() if inside and entry.is_file() else None
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    def _wanted(self, path: str, entries: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        """Leave out what is excluded by its name or by its path."""
        by_name, by_path, own = self._names.match, self._paths.match, self.own
        if own or self._paths.pattern != _NOTHING:
            within = f"{path}/" if path else ""
            entries = (e for e in entries if (inner := within + e.name) not in own and not by_path(inner))
        return (entry for entry in entries if not by_name(entry.name))


def find_marker(names: Sequence[str]) -> str | None:
    """Name of the file at the top of a root that tells that the volume is there, if it has one."""
    for name in sorted(names):
        lower = name.lower()
        if lower == "voldesc.cat" or (lower.startswith("bundle") and lower.endswith((".xml", ".lblx"))):
            return name
    return None
