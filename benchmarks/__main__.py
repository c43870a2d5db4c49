"""Figures on real labels.

    python -m benchmarks [NAME ...] [--repeat 3] [--fresh] [--json FILE]

Ratios are measured in one run, in turn with what they are compared with; each time is the least of `repeat`. The labels
come from the archives of ../shared (or PSALAB_SHARED); what is made of them lies in .bench and may be removed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import show
from benchmarks.running import NAMES, measure

if TYPE_CHECKING:
    from benchmarks.figures import Figure


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; by default all")
    parser.add_argument("--repeat", type=int, default=3, help="times that each is measured")
    parser.add_argument("--fresh", action="store_true", help="make the index of a million products anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    measured = show.where()
    found: dict[str, list[Figure]] = {}
    failed = False
    for name in arguments.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = perf_counter()
        try:
            found[name] = measure(name, arguments.repeat, fresh=arguments.fresh)
        except Exception as error:  # noqa: BLE001  the others are to be measured all the same
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            failed = True
        print(f"{name}: {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(show.table(found))
    print()
    for what, text in measured.items():
        print(f"{what}: {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps(show.as_json(found, measured), indent=1) + "\n", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
