"""Every label of the corpus is read as the JSON beside it says, or refused with the words beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from psalab.errors import LabelError
from psalab.labels import read_label
from psalab.labels.pvl import decode, with_line_feeds
from tests.corpus.tree_as_json import entries

CORPUS = Path(__file__).resolve().parent.parent / "corpus"


def labels(kind: str) -> list[Path]:
    """Labels of the corpus: the files that have an expected result beside them, and those that lack it."""
    return [path for path in sorted(CORPUS.glob(f"*/{kind}/*")) if path.suffix not in {".json", ".txt"}]


def name_of(path: Path) -> str:
    return f"{path.parent.parent.name}/{path.name}"


@pytest.mark.parametrize("path", labels("valid"), ids=name_of)
def test_a_valid_label_gives_the_expected_tree(path: Path) -> None:
    expected = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert entries(read_label(path)) == expected


@pytest.mark.parametrize("path", labels("valid"), ids=name_of)
def test_minus_zero_and_the_kind_of_a_number_are_exact(path: Path) -> None:
    """``==`` knows no difference between 1, 1.0 and True, or 0.0 and -0.0."""
    expected = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert repr(entries(read_label(path))) == repr(expected)


@pytest.mark.parametrize("path", [path for path in labels("valid") if "pds3" in path.parts], ids=name_of)
def test_nothing_of_a_value_is_lost(path: Path) -> None:
    text = with_line_feeds(decode(path.read_bytes()))
    for where, keyword in read_label(path).leaves():
        assert keyword.raw in text, where
        assert keyword.name in text.split("\n")[(keyword.line or 0) - 1].upper(), where


@pytest.mark.parametrize("path", labels("invalid"), ids=name_of)
def test_an_invalid_label_is_refused_with_the_expected_words(path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        read_label(path)
    said = str(caught.value).replace(str(path), path.name)
    said = re.sub(r"(?<=not well-formed XML: ).*", "...", said)  # libxml2's words are not the same in all its versions
    assert said + "\n" == Path(f"{path}.txt").read_text(encoding="utf-8")


def test_every_result_belongs_to_a_label() -> None:
    results = [path for path in CORPUS.glob("*/*/*") if path.suffix in {".json", ".txt"}]
    assert [path for path in results if not path.with_suffix("").is_file()] == []
