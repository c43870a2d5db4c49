"""A read-only view of a folder, mounted by FUSE, that fails where it is told to.

``python faulty_filesystem.py SOURCE MOUNTPOINT FAULTS`` runs until it is told to end. FAULTS is JSON::

    {"io_error": ["bad.lbl"], "forbidden": ["secret"], "vanished": ["gone.lbl"], "open_delay": 0.005}

A pattern (fnmatch) means the files and folders whose name, or whose path below the mountpoint, it matches. How many opens
were under way at once, at the most, stands in the file MOUNTPOINT.opens.
"""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mfusepy

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong.

    Attributes
    ----------
    io_error : tuple of str
        A file opens and every read answers EIO; a folder answers EIO when it is listed.
    forbidden : tuple of str
        EACCES, even for root: a file when it is opened, a folder when it is listed.
    vanished : tuple of str
        Listed, but ENOENT for whoever asks for it.
    open_delay : float
        Seconds that each open of a file takes; opens of several threads wait side by side.
    """

    io_error: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    open_delay: float = 0.0

    def to_json(self) -> str:
        return json.dumps({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> Faults:
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
        }
        return cls(**given)


class Counter:
    """Counts what is under way, and writes down the most that was so at once."""

    def __init__(self, file: Path) -> None:
        self.file, self.lock, self.now, self.most = file, threading.Lock(), 0, 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            if self.now > self.most:
                self.most = self.now
                self.file.write_text(str(self.most))
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1


def _meant(path: str, patterns: tuple[str, ...]) -> bool:
    relative = path.lstrip("/")
    name = relative.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(relative, pattern) for pattern in patterns)


class FaultyView(mfusepy.Operations):  # type: ignore[misc]  # mfusepy ships no types
    use_ns = True

    def __init__(self, source: str, faults: Faults, opens: Counter) -> None:
        self.source, self.faults, self.opens = source, faults, opens

    def _real(self, path: str) -> str:
        return self.source + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if _meant(path, self.faults.vanished):
            raise mfusepy.FuseOSError(errno.ENOENT)
        found = os.lstat(self._real(path)) if fh is None else os.fstat(fh)
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")
        times = {f"st_{which}": getattr(found, f"st_{which}_ns") for which in ("atime", "mtime", "ctime")}
        return {name: getattr(found, name) for name in names} | times

    def readlink(self, path: str) -> str:
        return os.readlink(self._real(path))

    def opendir(self, path: str) -> int:
        if _meant(path, self.faults.forbidden):
            raise mfusepy.FuseOSError(errno.EACCES)
        return 0

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        del fh
        if _meant(path, self.faults.io_error):
            raise mfusepy.FuseOSError(errno.EIO)
        entries = [
            (entry.name, {"st_mode": entry.stat(follow_symlinks=False).st_mode}, 0)
            for entry in os.scandir(self._real(path))
        ]
        folder = {"st_mode": os.lstat(self._real(path)).st_mode}
        return iter([(".", folder, 0), ("..", folder, 0), *entries])

    def open(self, path: str, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise mfusepy.FuseOSError(errno.EROFS)
        with self.opens.one_more():
            time.sleep(self.faults.open_delay)
        if _meant(path, self.faults.forbidden):
            raise mfusepy.FuseOSError(errno.EACCES)
        return os.open(self._real(path), flags)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if _meant(path, self.faults.io_error):
            raise mfusepy.FuseOSError(errno.EIO)
        return os.pread(fh, size, offset)

    def release(self, path: str, fh: int) -> int:
        del path
        os.close(fh)
        return 0


def main(source: str, mountpoint: str, faults: str) -> None:
    options: dict[str, Any] = {"foreground": True, "ro": True, "fsname": "faulty"}
    if (mfusepy.fuse_version_major, mfusepy.fuse_version_minor) >= (3, 12):
        options["max_threads"] = 64  # else ten: a reader with 32 threads would measure FUSE, not the delay
    view = FaultyView(source, Faults.from_json(faults), Counter(Path(f"{mountpoint}.opens")))
    mfusepy.FUSE(view, mountpoint, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
