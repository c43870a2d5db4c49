"""Make psalab/labels/pds4_types.tsv from a PDS registry data dictionary (newline-delimited JSON).

    python3 tools/make_pds4_types.py registry_dd.ndjson > psalab/labels/pds4_types.tsv

An attribute that has one type in all of its classes is one line; classes that differ from its commonest type follow.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

TYPES = {"double": "float", "float": "float", "long": "int", "integer": "int", "date": "time", "boolean": "boolean"}


def read_types(dictionary: Path) -> dict[str, dict[str, str]]:
    """Type of each attribute in each of its classes."""
    types: dict[str, dict[str, str]] = defaultdict(dict)
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "attr_name" not in entry or "es_data_type" not in entry or entry["attr_ns"] in ("registry", "ops"):
            continue
        attribute = f"{entry['attr_ns']}:{entry['attr_name']}"
        types[attribute][f"{entry['class_ns']}:{entry['class_name']}"] = TYPES.get(entry["es_data_type"], "text")
    return types


def main() -> int:
    """Write the table to standard output."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for attribute, classes in sorted(read_types(Path(sys.argv[1])).items()):
        commonest = min(Counter(classes.values()).items(), key=lambda item: (-item[1], item[0]))[0]
        print(attribute, commonest, sep="\t")
        for name, kind in sorted(classes.items()):
            if kind != commonest:
                print(f"{name}/{attribute}", kind, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
