"""Print a pip constraint for each dependency of a pyproject.toml: exactly its lower bound.

``python tools/oldest.py pyproject.toml > oldest.txt``
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BOUNDED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)>=(?P<version>[0-9.]+)")


def oldest(pyproject: dict[str, object]) -> list[str]:
    """Return the constraints of the run-time and the test dependencies, in their order."""
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    assert isinstance(project, dict)
    assert isinstance(groups, dict)
    lines = []
    for requirement in dict.fromkeys([*project["dependencies"], *groups["test"]]):
        match = BOUNDED.match(requirement)
        if match is None:
            raise SystemExit(f"{requirement!r} has no lower bound")
        lines.append(f"{match['name']}=={match['version']}")
    return lines


if __name__ == "__main__":
    print("\n".join(oldest(tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
