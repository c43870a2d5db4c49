"""The errors and warnings of psalab.

The tree::

    PsalabError
    ├── LabelError (ValueError)          a label that cannot be parsed, or a keyword that cannot be told
    │   ├── AmbiguousKeyword (KeyError)  a cut path that means several keywords
    │   └── UnknownKeyword (KeyError)    a path that means none
    ├── IndexFileError (OSError)         an index that is not there, is none, or cannot be written
    │   ├── IndexLocked                  another run is writing it
    │   ├── IndexNotFound                none was named, and none is on the volumes
    │   ├── RootRefused                  a root that does not fit the roots that the index holds
    │   └── TooMuchForgotten             more labels are gone than an update may forget
    ├── QueryFailed (RuntimeError)       SQL that the index could not answer (syntax, names, time, memory)
    ├── RecipeError (ValueError)         a recipe file with a mistake in it
    ├── FilterError (ValueError)         a filter expression with a mistake in it
    ├── ReadError (ValueError)           a product that cannot be decoded
    ├── VolumeError (OSError)            a volume that is not there or does not answer
    │   └── NotMounted                   what was asked for lies on a volume that is not mounted here
    ├── ArchiveError (RuntimeError)      a service of the archive
    │   ├── ServiceUnavailable           it does not answer
    │   ├── QueryError                   it refused the question
    │   ├── ResultsTruncated             it did not send everything (`.rows` holds what came)
    │   └── LoginRequired                it wants to know who asks
    ├── ConfigError (ValueError)         a setting that cannot be used
    └── MissingExtra (ImportError)       an optional dependency that is not installed

    PsalabWarning (UserWarning)          something that a user can act on
    ├── LabelWarning                     labels that an answer leaves out, for they cannot be read
    └── RecipeWarning                    a recipe asks for what the labels do not have
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AmbiguousKeyword",
    "ArchiveError",
    "ConfigError",
    "FilterError",
    "IndexFileError",
    "IndexLocked",
    "IndexNotFound",
    "LabelError",
    "LabelWarning",
    "LoginRequired",
    "MissingExtra",
    "NotMounted",
    "PsalabError",
    "PsalabWarning",
    "QueryError",
    "QueryFailed",
    "ReadError",
    "RecipeError",
    "RecipeWarning",
    "ResultsTruncated",
    "RootRefused",
    "ServiceUnavailable",
    "TooMuchForgotten",
    "UnknownKeyword",
    "VolumeError",
]


class PsalabError(Exception):
    """Whatever psalab raises on purpose."""


class LabelError(PsalabError, ValueError):
    """A label cannot be parsed.

    Parameters
    ----------
    reason : str
        What was found and what was expected, in a user's words.
    path : str, optional
        The file.
    line : int, optional
        Line in the file, from 1.
    text : str, optional
        The offending text, one line.
    """

    def __init__(self, reason: str, *, path: str | None = None, line: int | None = None, text: str | None = None):
        super().__init__(reason)
        self.reason, self.path, self.line, self.text = reason, path, line, text

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.path, f"line {self.line}" if self.line else None) if part)
        shown = f"\n    {self.text}" if self.text else ""
        return f"{where}: {self.reason}{shown}" if where else f"{self.reason}{shown}"


class AmbiguousKeyword(LabelError, KeyError):
    """A cut path means several keywords; the message names them."""


class UnknownKeyword(LabelError, KeyError):
    """A path means no keyword of the label; the message names the nearest."""


class IndexFileError(PsalabError, OSError):
    """An index file is missing, damaged, of a newer schema, or cannot be written."""


class IndexLocked(IndexFileError):
    """Another run holds the lock of the index."""


class IndexNotFound(IndexFileError):
    """No index was named, and none was found; the message tells where it was looked for."""


class RootRefused(IndexFileError):
    """A root does not fit the roots that the index already holds."""


class TooMuchForgotten(IndexFileError):
    """An update would forget more labels than it may, or those of a volume that is not itself."""


class QueryFailed(PsalabError, RuntimeError):
    """SQL could not be answered; the message carries the engine's words."""


class RecipeError(PsalabError, ValueError):
    """A recipe has a mistake, or several; the message names file and lines.

    Parameters
    ----------
    reason : str
        What was found and what was expected, in a user's words.
    path : str, optional
        The file.
    line : int, optional
        Line in the file, from 1; of several mistakes that of the first.
    """

    def __init__(self, reason: str, *, path: str | None = None, line: int | None = None):
        super().__init__(reason)
        self.reason, self.path, self.line = reason, path, line

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.path, f"line {self.line}" if self.line else None) if part)
        return f"{where}: {self.reason}" if where else self.reason


class FilterError(PsalabError, ValueError):
    """A filter expression has a mistake.

    Parameters
    ----------
    reason : str
        What is wrong and what was expected, in a user's words.
    source : str, optional
        The whole expression.
    span : tuple of (int, int), optional
        First and one-past-last character of the mistake.
    """

    def __init__(self, reason: str, *, source: str | None = None, span: tuple[int, int] | None = None):
        super().__init__(reason)
        self.reason, self.source, self.span = reason, source, span

    def __str__(self) -> str:
        if self.source is None or self.span is None:
            return self.reason
        start, end = self.span
        marker = " " * start + "~" * max(end - start - 1, 0) + "^"
        return f"{self.reason}\n    {self.source}\n    {marker}"


class ReadError(PsalabError, ValueError):
    """A product cannot be decoded as its label describes it."""


class VolumeError(PsalabError, OSError):
    """A volume is not there, or does not answer."""


class NotMounted(VolumeError):
    """What was asked for lies on a volume that is not mounted here."""


class ArchiveError(PsalabError, RuntimeError):
    """A service of the archive failed."""


class ServiceUnavailable(ArchiveError):
    """A service does not answer."""


class QueryError(ArchiveError):
    """A service refused the question."""


class ResultsTruncated(ArchiveError):
    """A service did not send everything; ``rows`` holds what came."""

    def __init__(self, reason: str, rows: Any = None):
        super().__init__(reason)
        self.rows = rows


class LoginRequired(ArchiveError):
    """A service wants to know who asks."""


class ConfigError(PsalabError, ValueError):
    """A setting cannot be used; the message says where it comes from."""


class MissingExtra(PsalabError, ImportError):
    """An optional dependency is not installed; the message says what to install."""


class PsalabWarning(UserWarning):
    """Something that a user can act on."""


class LabelWarning(PsalabWarning):
    """An answer leaves labels out, for they cannot be read."""


class RecipeWarning(PsalabWarning):
    """A recipe asks for what the labels do not have; the message names file and line."""
