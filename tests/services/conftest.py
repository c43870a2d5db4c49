"""Real faults of the machine: a mount that fails, a disk that is full. Made and taken away by the fixtures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parent / "faulty_filesystem.py"


class FaultyMount(Protocol):
    """Mount a view of `source` with faults (see `faulty_filesystem.Faults`) and return its folder."""

    def __call__(
        self,
        source: Path,
        *,
        io_error: tuple[str, ...] = (),
        forbidden: tuple[str, ...] = (),
        vanished: tuple[str, ...] = (),
        open_delay: float = 0.0,
    ) -> Path: ...


class TinyDisk(Protocol):
    """Mount an empty disk of `size` bytes (rounded up to pages) and return its folder."""

    def __call__(self, size: int) -> Path: ...


def opens_at_once(mount: Path) -> int:
    """How many opens of files were under way at once, at the most, on a mount that `faulty_mount` made."""
    return int(Path(f"{mount}.opens").read_text())


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody without rights: `uid` and `gid` for ``subprocess.run(..., user=, group=, extra_groups=[])``."""

    uid: int = 65534
    gid: int = 65534


@pytest.fixture
def faulty_mount(tmp_path: Path) -> Iterator[FaultyMount]:
    """Mounts that fail as they are told to, unmounted when the test is over."""
    if importlib.util.find_spec("mfusepy") is None:
        pytest.skip("no faulty mount: mfusepy is not installed (pip install --group services)")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no faulty mount: /dev/fuse is not there, or not for this user")
    with contextlib.ExitStack() as stack:

        def mount(
            source: Path,
            *,
            io_error: tuple[str, ...] = (),
            forbidden: tuple[str, ...] = (),
            vanished: tuple[str, ...] = (),
            open_delay: float = 0.0,
        ) -> Path:
            from tests.services.faulty_filesystem import Faults

            faults = Faults(io_error, forbidden, vanished, open_delay)
            folder = tmp_path / f"mount{len(list(tmp_path.glob('mount*')))}"
            return stack.enter_context(_served(source, folder, faults.to_json()))

        yield mount


@contextlib.contextmanager
def _served(source: Path, folder: Path, faults: str) -> Iterator[Path]:
    folder.mkdir()
    command = [sys.executable, str(SERVER), str(source), str(folder), faults]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not folder.is_mount():
            if server.poll() is not None or time.monotonic() > deadline:
                server.kill()
                pytest.skip(f"no faulty mount: {server.communicate()[1].strip() or 'FUSE does not mount here'}")
            time.sleep(0.01)
        yield folder
    finally:
        server.terminate()  # libfuse unmounts when it is told to end
        try:
            server.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            _unmount(folder)
            server.kill()
            server.communicate()
        if folder.is_mount():
            _unmount(folder)


def _unmount(folder: Path) -> None:
    """Also where a process still stands in it: it sees its files until it ends."""
    tool = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
    subprocess.run([*tool, str(folder)], check=True, capture_output=True)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[TinyDisk]:
    """Disks that are full after a few bytes, unmounted when the test is over."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("no tiny disk: only root may mount one")
    with contextlib.ExitStack() as stack:

        def mount(size: int) -> Path:
            folder = tmp_path / f"disk{len(list(tmp_path.glob('disk*')))}"
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no tiny disk: {done.stderr.strip()}")
            stack.callback(_unmount, folder)
            return folder

        yield mount


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter and write to; those of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # noqa: S103  # that is what it is for
        yield Path(folder)


@pytest.fixture
def nobody() -> Account:
    """An account without rights, for whom chmod 000 is a closed door; root walks through it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    return Account()
