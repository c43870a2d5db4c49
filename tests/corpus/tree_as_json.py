"""A label as the JSON that stands beside it in the corpus.

python -m tests.corpus.tree_as_json LABEL...     writes what psalab reads today beside each label: read it before trusting it

Each entry of the JSON is a block or a keyword, in the order of the label. A value is what ``kind`` says of ``value``; a time
is written as ISO 8601; the elements of a sequence or set are such values again.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psalab.labels import Block, read_label
from psalab.labels.values import BOOLEAN, FLOAT, INT, MISSING, TEXT, TIME, Scalar

if TYPE_CHECKING:
    from psalab.labels import Label
    from psalab.labels.values import Value

KINDS = {MISSING: "missing", BOOLEAN: "boolean", INT: "int", FLOAT: "float", TIME: "time", TEXT: "text"}


def entries(label: Label) -> list[dict[str, Any]]:
    """Blocks and keywords of a label."""
    return [
        {"block": path, "kind": node.kind} if isinstance(node, Block) else {"path": path} | typed(node.typed)
        for path, node in label.walk()
    ]


def typed(value: Value) -> dict[str, Any]:
    """A value with its kind, its unit, and why it is missing."""
    if not isinstance(value, Scalar):
        return {"kind": "set" if value.is_set else "sequence", "value": [typed(item) for item in value.items]}
    if value.kind == MISSING:
        return {"kind": "missing", "why": value.text}
    plain = value.value.isoformat() if isinstance(value.value, datetime) else value.value
    return {"kind": KINDS[value.kind], "value": plain} | ({"unit": value.unit} if value.unit is not None else {})


def written(label: Label) -> str:
    """The JSON of a label: one line for each entry."""
    lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in entries(label))
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(f"{name}.json").write_text(written(read_label(name)), encoding="utf-8")
