"""Running the real command, away from the settings of whoever runs the tests."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PSALAB = (sys.executable, "-m", "psalab")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    errors: str = ""

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without psalab's variables, with a home of its own."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PSALAB_", "XDG_", "PYTHON"))
    }
    return {**inherited, "HOME": str(home), "COLUMNS": "100", **(more or {})}


def psalab(
    *arguments: str | bytes | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    typed: str | None = None,
    **more: Any,
) -> Ended:
    """Run a command with its output in pipes."""
    done = subprocess.run(
        [*PSALAB, *arguments],
        cwd=cwd,
        env=environment(cwd, env),
        input=typed,
        encoding="utf-8",
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )
    return Ended(done.returncode, done.stdout or "", done.stderr)


def psalab_on_a_terminal(*arguments: str | Path, cwd: Path, columns: int = 100) -> Ended:
    """Run a command on a terminal of its own; output and errors come together, as people see them."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {
        name: value
        for name, value in environment(cwd, {"TERM": "xterm"}).items()
        if name not in {"COLUMNS", "NO_COLOR"}
    }
    with subprocess.Popen([*PSALAB, *arguments], cwd=cwd, env=env, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        seen = b""
        while more := _read(ours):
            seen += more
    os.close(ours)
    return Ended(process.returncode, seen.decode().replace("\r\n", "\n"))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO where the other end has been closed
        return b""
