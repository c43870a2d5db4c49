"""Settings: defaults < file < environment < arguments. Each value knows where it comes from.

The file is ``config.toml`` in the user's configuration folder (Linux: ``~/.config/psalab/``), or the one that
``PSALAB_CONFIG`` names::

    index = "~/indexes/rosetta.duckdb"
    jobs = 4
    volumes = ["/media/data/*", "/data/user/*"]

The environment says the same as ``PSALAB_INDEX``, ``PSALAB_JOBS`` and ``PSALAB_VOLUMES`` (several, separated by ``:``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from psalab.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Setting", "Settings", "default_file", "load"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting.

    Attributes
    ----------
    name : str
        As in the file.
    value
        Checked, and of the setting's type.
    origin : str
        Where it comes from, in words: ``"default"``, ``"/home/me/.config/psalab/config.toml"``,
        ``"environment variable PSALAB_JOBS"``, ``"argument"``.
    """

    name: str
    value: T
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes
    ----------
    index : Setting of Path or None
        The index that is asked where none is named.
    jobs : Setting of int
        Processes of a build.
    volumes : Setting of tuple of str
        Folders that are volumes; ``*`` stands for every folder there.
    """

    index: Setting[Path | None]
    jobs: Setting[int]
    volumes: Setting[tuple[str, ...]]

    def __iter__(self) -> Iterator[Setting[Any]]:
        yield from (self.index, self.jobs, self.volumes)


def default_file() -> Path:
    """Where the file is when ``PSALAB_CONFIG`` does not say otherwise; it need not exist."""
    from platformdirs import user_config_path

    return user_config_path("psalab", appauthor=False) / "config.toml"


def load(environment: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
    """Collect the settings.

    Parameters
    ----------
    environment : mapping, optional
        Instead of ``os.environ``.
    **arguments
        Settings by name; None means "not given".

    Raises
    ------
    ConfigError
        A value that cannot be used, a setting that does not exist, or a file that is no TOML. The message says where.
    """
    environment = os.environ if environment is None else environment
    found: dict[str, Setting[Any]] = {
        "index": Setting("index", None, "default"),
        "jobs": Setting("jobs", _processors(), "default"),
        "volumes": Setting("volumes", ("/media/data/*", "/data/user/*"), "default"),
    }
    for origin, base, values in _sources(environment, arguments):
        for name, value in values.items():
            if name not in _CHECKS:
                raise ConfigError(_unknown(name, origin))
            where = f"environment variable PSALAB_{name.upper()}" if origin == "environment" else origin
            try:
                found[name] = Setting(name, _CHECKS[name](value, base), where)
            except ValueError as error:
                raise ConfigError(f"{where}: {name} = {value!r}: {error}") from None
    return Settings(**found)


def _sources(
    environment: Mapping[str, str], arguments: Mapping[str, Any]
) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
    """Origin, the folder that relative paths start from, and values; the last one wins."""
    named = environment.get("PSALAB_CONFIG")
    file = Path(named).expanduser() if named else default_file()
    if named or file.exists():
        yield str(file), file.absolute().parent, _read(file)
    here = Path.cwd()
    given = {name: environment.get(f"PSALAB_{name.upper()}") for name in _CHECKS}
    yield "environment", here, {name: text for name, text in given.items() if text}
    yield "argument", here, {name: value for name, value in arguments.items() if value is not None}


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: no such file; PSALAB_CONFIG names it, unset the variable or write the file"
        ) from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _unknown(name: str, origin: str) -> str:
    near = get_close_matches(name, _CHECKS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(_CHECKS))}"
    return f"{origin}: no setting is called {name!r}; {hint}"


def _processors() -> int:
    """Processors that this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _index(value: Any, base: Path) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("expected the path of an index")
    return base / Path(value).expanduser()


def _jobs(value: Any, _base: Path) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isascii() and text.isdigit():
        text = int(text)
    if not isinstance(text, int) or isinstance(text, bool) or text < 1:
        raise ValueError("expected a number of processes, 1 or more")
    return text


def _volumes(value: Any, base: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part]
    elif isinstance(value, Path):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str | Path) and str(part) for part in value):
        raise ValueError("expected a list of folders")
    return tuple(str(base / Path(part).expanduser()) for part in value)


_CHECKS: dict[str, Callable[[Any, Path], Any]] = {"index": _index, "jobs": _jobs, "volumes": _volumes}
