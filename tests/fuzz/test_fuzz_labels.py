"""Labels of the corpus, damaged and crossed at random: each is read or refused, soon, and what must not matter does not.

PSALAB_FUZZ_SECONDS says for how long (`make fuzz`); a failure names its seed, and PSALAB_FUZZ_SEED begins there.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from psalab.errors import LabelError
from psalab.labels import pvl, read_label
from tests.labels.label_trees import flat_label
from tests.labels.test_corpus import labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = float(os.environ.get("PSALAB_FUZZ_SECONDS") or 4)
FIRST_SEED = int(os.environ.get("PSALAB_FUZZ_SEED") or 0)
SAMPLES = {path.name: path.read_bytes() for kind in ("valid", "invalid") for path in labels(kind)}
MARKS = [
    *[
        b'"',
        b"'",
        b"(",
        b")",
        b"{",
        b"}",
        b"<",
        b">",
        b"=",
        b",",
        b";",
        b"/*",
        b"*/",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"#",
        b"-",
    ],
    *[
        b"END",
        b"\nEND\n",
        b"END_GROUP\n",
        b"GROUP = G\n",
        b"\xe9",
        b"\xef\xbb\xbf",
        b"\xa0",
        b"1e400",
        b"9" * 5000,
        b"N/A",
    ],
    *[b"<a>", b"</a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&lt;", b"&x;", b" xmlns='x'", b"<?xml version='1.0'?>"],
]


def seeds() -> Iterator[int]:
    until = time.monotonic() + SECONDS
    return itertools.takewhile(lambda _: time.monotonic() < until, itertools.count(FIRST_SEED))


def damaged(dice: random.Random) -> bytes:
    """A label with some of its bytes lost, doubled, exchanged or followed by those of another."""
    data = dice.choice(list(SAMPLES.values()))
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at, other = dice.randrange(len(data) + 1), dice.choice(list(SAMPLES.values()))
        until = min(len(data), at + dice.choice((0, 1, 5, 50, 5000)))
        piece = dice.choice(
            (b"", dice.choice(MARKS), dice.randbytes(3), data[at:until] * 2, other[: dice.randrange(200)])
        )
        data = data[:at] + piece + data[until:]
    return data[:200_000]


def test_a_damaged_label_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "label.lbl"
    for seed in seeds():
        path.write_bytes(damaged(random.Random(seed)))
        try:
            label = read_label(path)
        except LabelError as error:
            outcome = str(error)
        except Exception as error:  # noqa: BLE001  that is what is looked for
            pytest.fail(f"seed {seed}: {error!r}")
        else:
            outcome = f"{len(flat_label(label))} {label.identity} {label.files}"
        assert outcome


def lines_of(name: str) -> list[str]:
    return pvl.with_line_feeds(pvl.decode(SAMPLES[name])).replace("\r\n", "\n").split("\n")


def between_statements(text: str) -> list[int]:
    """Where a statement of a label begins on a line of its own."""
    found = [statement.position for statement in pvl.statements(text)]
    return [at for at in found if not text[text.rfind("\n", 0, at) + 1 : at].strip()]


def test_comments_blanks_and_line_ends_between_statements_do_not_matter() -> None:
    names = [path.name for path in labels("valid") if "pds3" in path.parts and path.suffix == ".lbl"]
    texts = {name: "\n".join(lines_of(name)) for name in names}
    for seed in seeds():
        dice = random.Random(seed)
        name = dice.choice(names)
        text = changed = texts[name]
        for at in sorted(dice.choices(between_statements(text), k=5), reverse=True):
            line = text.rfind("\n", 0, at) + 1
            what = dice.choice(
                ["\n", "   \t\n", "/* c */\n", '/* KEY = "1 */\n', "/* over\nlines = ( */\n", "\n\n/**/\n"]
            )
            changed = changed[:line] + what + changed[line:]
        changed = changed.replace("\n", dice.choice(["\n", "\r\n", "\r"]))
        assert flat_label(pvl.parse(changed)) == flat_label(pvl.parse(text)), f"seed {seed}: {name}"
