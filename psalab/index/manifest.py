"""What `publish` writes beside its Parquet: a manifest for each publication, and which publication is the latest.

    DIR/latest.json     {"latest": 7}
    DIR/latest          a symbolic link to 7, where the share has such links
    DIR/7/manifest.json
    DIR/7/products.parquet …

Everything here is the standard library: a folder is opened without loading Arrow, and `verify` needs no DuckDB.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psalab.errors import IndexFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MANIFEST",
    "PART",
    "Manifest",
    "PublishedFile",
    "is_published",
    "latest_folder",
    "name_latest",
    "publications",
    "read_manifest",
    "sha256_of",
    "verify",
    "write_manifest",
]

MANIFEST: Final = "manifest.json"
#: Ending of what is not whole yet.
PART: Final = ".part"
_LATEST: Final = "latest"
_LATEST_FILE: Final = "latest.json"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of a publication.

    Attributes
    ----------
    name : str
        Path below the folder of the publication, with ``/``.
    table, family : str
        The table of the index (``products``, ``meta.other``, ``meta.RO/OSINAC``), and the family whose table it is, if any.
    rows, bytes : int
    columns : list of dict
        Name, and type in DuckDB's words, of each column, in order.
    sha256 : str
        Of the file.
    content : str
        What the rows amount to: the same in two publications only if the rows are.
    """

    name: str
    table: str
    family: str | None
    rows: int
    bytes: int
    columns: list[dict[str, str]]
    sha256: str
    content: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a publication holds.

    Attributes
    ----------
    number, schema_version : int
    psalab, duckdb : str
        Versions that made it.
    made : str
        When, in UTC.
    public_only : bool
        Whether products were left out that are not released yet.
    left_out : dict
        How many products that were (``products``), and of which data sets (``datasets``).
    roots : dict
        Name of each volume, and where it was when it was indexed.
    runs : list of dict
        The builds and updates that made the index.
    files : list of PublishedFile
    """

    number: int
    schema_version: int
    psalab: str
    duckdb: str
    made: str
    public_only: bool
    left_out: dict[str, Any]
    roots: dict[str, str]
    runs: list[dict[str, Any]]
    files: list[PublishedFile] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------------- writing


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a publication, with a sum of its own."""
    content = {"format": "index of psalab as Parquet", **asdict(manifest)}
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({**content, "sha256": _sum(content)}, file, indent=1, ensure_ascii=False)
        file.write("\n")
        _to_disk(file.fileno())


def _sum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def name_latest(folder: Path, number: int) -> None:
    """Say which publication is the latest: a reader sees the former one or this one."""
    part = folder / f"{_LATEST_FILE}{PART}"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"latest": number}, file)
        _to_disk(file.fileno())
    os.replace(part, folder / _LATEST_FILE)
    link = folder / f"{_LATEST}{PART}"
    with suppress(OSError):  # a share may have no links; psalab reads the file
        link.unlink(missing_ok=True)
        link.symlink_to(str(number))
        os.replace(link, folder / _LATEST)


def _to_disk(descriptor: int) -> None:
    with suppress(OSError):  # not every share can tell
        os.fsync(descriptor)


# ------------------------------------------------------------------------------------------------------------- reading


def is_published(path: Path) -> bool:
    """Tell whether a folder is one that `publish` wrote, or a publication in it."""
    return any((path / name).exists() for name in (MANIFEST, _LATEST_FILE, _LATEST))


def publications(folder: Path) -> list[int]:
    """Give the numbers of the publications that are whole."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    return sorted(
        int(entry.name) for entry in entries if entry.name.isdecimal() and entry.is_dir(follow_symlinks=False)
    )


def latest_folder(folder: Path) -> Path:
    """Give the folder of the publication that is meant: the folder itself, or the latest in it.

    Raises
    ------
    IndexFileError
        There is none, or what is named is not there.
    """
    if (folder / MANIFEST).exists():
        return folder
    number = _named_latest(folder)
    if number is None:
        raise IndexFileError(
            f"{folder} holds no published index: neither {_LATEST_FILE} nor {_LATEST} is there; "
            f"psalab index publish {folder} writes one"
        )
    found = folder / str(number)
    if not (found / MANIFEST).exists():
        raise IndexFileError(
            f"{folder}: {number} is said to be the latest, but {found / MANIFEST} is not there; "
            f"there are {', '.join(map(str, publications(folder))) or 'none'}: publish again"
        )
    return found


def _named_latest(folder: Path) -> int | None:
    """Give the number in the file, or that of the link where a share was copied without the file."""
    path = folder / _LATEST_FILE
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["latest"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexFileError(f'{path}: expected {{"latest": NUMBER}} ({error}); publish again') from error
    try:
        name = Path(os.readlink(folder / _LATEST)).name
    except OSError:
        return None
    return int(name) if name.isdecimal() else None


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a publication, and compare its sum and the sizes of the files.

    Raises
    ------
    IndexFileError
        It is damaged, or a file is not there or not of the size that it says.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        said, found = content.pop("sha256"), _sum(content)
        files = [PublishedFile(**item) for item in content["files"]]
        rest = {item.name: content[item.name] for item in fields(Manifest) if item.name != "files"}
    except OSError as error:
        raise IndexFileError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IndexFileError(f"{path} is no manifest of a published index ({error!r}); publish again") from error
    if said != found:
        raise IndexFileError(
            f"{path}: its sum is {found}, expected {said}: it was changed or cut after it was written; "
            "publish again, or name an older publication"
        )
    manifest = Manifest(**rest, files=files)
    for file in files:
        _check_size(folder, file)
    return manifest


def _check_size(folder: Path, file: PublishedFile) -> None:
    # the sum says that psalab wrote it; it does not say that psalab was not made to
    if os.path.isabs(file.name) or ".." in file.name.split("/"):
        raise IndexFileError(f"{folder / MANIFEST}: {file.name!r} lies outside the publication")
    path = folder / file.name
    try:
        size = path.stat().st_size
    except OSError as error:
        raise IndexFileError(
            f"{path}: {error.strerror}, but {MANIFEST} lists it; publish again, or name an older publication"
        ) from error
    if size != file.bytes:
        raise IndexFileError(
            f"{path} has {size:,} bytes, {MANIFEST} says {file.bytes:,}; publish again, or name an older publication"
        )


def verify(folder: Path) -> Iterator[PublishedFile]:
    """Compare the sum of each file of a publication; give those that fit, one after another.

    Raises
    ------
    IndexFileError
        A sum does not fit; the message names the file.
    """
    folder = latest_folder(folder)
    for file in read_manifest(folder).files:
        path = folder / file.name
        found = sha256_of(path)
        if found != file.sha256:
            raise IndexFileError(
                f"{path}: its SHA-256 is {found}, {MANIFEST} says {file.sha256}: it was changed after it was written; "
                "publish again, or name an older publication"
            )
        yield file


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
