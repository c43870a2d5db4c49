"""Which keyword a name means: the one rule for labels, the index, filters and the registry.

A *path* is the names of all blocks down to a keyword, joined by ``/``; each step may bear a namespace before a colon:
``IMAGE_POI/ROSETTA:SURFACE_INTERCEPT_DISTANCE``. A *name* is what somebody types. It means a path when its steps are
the last steps of the path, in any case, with or without the namespaces.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from psalab.errors import AmbiguousKeyword, FilterError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PathIndex", "resolve", "suggest"]

SHOWN_CANDIDATES: Final = 6


class PathIndex:
    """Many paths, ready to be asked which of them a name means.

    Parameters
    ----------
    paths : iterable of str
        The paths; repeated ones count once. Their order is the order in which candidates are named.
    """

    __slots__ = ("_by_last", "_paths")

    def __init__(self, paths: Iterable[str]):
        self._paths = dict.fromkeys(paths)
        self._by_last: dict[str, list[str]] | None = None

    def find_all(self, name: str) -> list[str]:
        """Give every path that ends in the steps of the name, in any case, with or without namespaces."""
        if self._by_last is None:
            by_last: dict[str, list[str]] = {}
            for path in self._paths:
                by_last.setdefault(_local(path[path.rfind("/") + 1 :].casefold()), []).append(path)
            self._by_last = by_last
        steps = name.casefold().split("/")
        return [path for path in self._by_last.get(_local(steps[-1]), ()) if _ends_in(path, steps)]

    def find(self, name: str) -> str | None:
        """Give the one path that the name means, or None when nothing is called so.

        The path that is exactly the name wins, then the name as a whole path in any case (first with its namespaces as
        they are written, then without): a keyword that another one's path ends in can be named, too.

        Raises
        ------
        AmbiguousKeyword
            The name means several paths; the message names them.
        """
        if name in self._paths:
            return name
        found = self.find_all(name)
        if len(found) > 1:
            steps, folded = name.count("/"), name.casefold()
            whole = [path for path in found if path.count("/") == steps]
            found = [path for path in whole if path.casefold() == folded] or whole or found
        if len(found) > 1:
            shown = ", ".join(found[:SHOWN_CANDIDATES])
            more = f" and {len(found) - SHOWN_CANDIDATES} more" if len(found) > SHOWN_CANDIDATES else ""
            raise AmbiguousKeyword(f"{name} means {len(found)} keywords: {shown}{more}. Write more steps of the path.")
        return found[0] if found else None

    def resolve(self, name: str) -> str:
        """Give the one path that the name means.

        Raises
        ------
        AmbiguousKeyword
            The name means several paths; the message names them.
        FilterError
            Nothing is called so; the message names what is nearest.
        """
        path = self.find(name)
        if path is None:
            near = suggest(name, self._paths)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise FilterError(f"no keyword is called {name}{hint}")
        return path


def resolve(name: str, paths: Iterable[str]) -> str:
    """Give the one path that the name means, like `PathIndex.resolve`; for a question that is asked once."""
    return PathIndex(paths).resolve(name)


def suggest(name: str, known: Iterable[str]) -> list[str]:
    """Give up to five of the known names that are most like a name that nothing is called by, best first.

    Parameters
    ----------
    name : str
        As it was typed.
    known : iterable of str
        Names or paths. They are compared in any case, by their last step without namespace, and as a whole.
    """
    paths = list(dict.fromkeys(known))
    folded = name.casefold()
    last = _local(folded.rpartition("/")[2])
    by_last: dict[str, list[str]] = {}
    for path in paths:
        by_last.setdefault(_local(path.casefold().rpartition("/")[2]), []).append(path)
    by_whole = {path.casefold(): path for path in paths} if "/" in name else {}
    scores: dict[str, float] = {}
    for step in difflib.get_close_matches(last, by_last, n=5, cutoff=0.6):
        score = difflib.SequenceMatcher(None, last, step).ratio()
        scores.update(dict.fromkeys(by_last[step], score))
    for whole in difflib.get_close_matches(folded, by_whole, n=5, cutoff=0.6):
        path = by_whole[whole]
        scores[path] = max(scores.get(path, 0.0), difflib.SequenceMatcher(None, folded, whole).ratio())
    return sorted(scores, key=lambda path: (-scores[path], path))[:5]


def _local(step: str) -> str:
    """Cut the namespace off a step."""
    return step[step.rfind(":") + 1 :]


def _ends_in(path: str, steps: list[str]) -> bool:
    """Whether the last steps of the path are these folded steps."""
    own = path.casefold().split("/")
    if len(own) < len(steps):
        return False
    return all(
        step == wanted or (":" not in wanted and _local(step) == wanted)
        for step, wanted in zip(own[-len(steps) :], steps, strict=True)
    )
