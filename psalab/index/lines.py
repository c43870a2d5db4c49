"""The fast path through PDS3 labels: many at once, line by line.

Nearly every line is a statement of its own, the same wherever it stands; Arrow takes those apart. The others (values over
several lines, ends of blocks, comments) are read where they stand, by the scanner that `read_label` uses; one that was met
before is known by its lines. What remains of a label is a row of numbers of statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from psalab.index.arrow import as_mask, as_numbers, as_numpy, as_strings
from psalab.index.statements import Leaf, Unusual, leaves_of
from psalab.index.tokens import BLANK, halves, matching, shapes, silent, tokenise
from psalab.labels import pvl
from psalab.labels.label import Keyword
from psalab.labels.pointers import file_names, file_names_in
from psalab.labels.values import DECLARED_FILLS, Value, clock_value, is_clock, pvl_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psalab.index.elements import Elements
    from psalab.labels.label import Label

__all__ = ["AS_TEXT", "PLAIN", "Lines"]

#: How the value of a statement is typed, beside the numbers that `elements.DECLARED` gives those of PDS4: by its look, or
#: as the text that it is.
PLAIN: Final = 6
AS_TEXT: Final = 7

_BLANKS: Final = r"[ \t\r\f\v]*(?:/\*(?:[^*\n\r]|\*+[^*/\n\r])*\*+/[ \t\r\f\v]*)*"
_END: Final = r"END[ \t\r]*"
_LOOK: Final = -1  # number of a line that must be read where it stands


class Lines:
    """Statements of many PDS3 labels.

    Parameters
    ----------
    texts : sequence of str
        The labels, each to its END or beyond.

    Attributes
    ----------
    unusual : list of int
        Labels that must be read as a whole.
    """

    standard = "PDS3"

    def __init__(self, texts: Sequence[str]):
        self._texts = texts
        self._tokens = tokenise(texts, "\n")
        self._keys: list[tuple[Any, ...]] = []
        self._key_numbers: dict[tuple[Any, ...], int] = {}
        self._others: list[str] = []  # raw values of the statements that were read one by one
        self._masked: dict[int, Value] = {}  # values of labels read as a whole that their raw text alone does not tell
        self._begun: dict[int, tuple[bytes, int]] = {}  # first line -> all lines of the last statement that began so
        of_line = self._take_apart()
        self._numbers = of_line[self._tokens.codes]
        self._other_keys: list[int] = []
        self._read_others(of_line)

    def _key(self, *key: Any) -> int:
        number = self._key_numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
        return number

    def _take_apart(self) -> np.ndarray:
        """Make statements of the lines that are simple; give the statement of each distinct line."""
        lines = self._tokens.distinct
        simple = matching(lines, pvl.SIMPLE_LINE)
        names, raws = halves(lines.filter(as_mask(simple)), "=")
        names = pc.ascii_upper(pc.ascii_trim(names, " \t")).dictionary_encode()
        self._raws = pa.concat_arrays([as_strings([""]), pc.ascii_trim(raws, " \t\r")])
        keys = np.array([self._key(name) for name in names.dictionary.to_pylist()], np.int32)[as_numpy(names.indices)]
        words = as_numpy(pc.is_in(names.dictionary, as_strings(list(pvl.BLOCK_WORDS))))
        for at in np.flatnonzero(words[as_numpy(names.indices)]).tolist():
            keys[at] = self._block_key(pvl.statement(f"{names[at]} = {self._raws[at + 1]}", 0)[0])
        self._own_keys = np.concatenate([np.zeros(1, np.int32), keys])
        of_line = np.full(len(lines), _LOOK, np.int32)
        of_line[simple] = np.arange(1, len(self._raws), dtype=np.int32)
        of_line[matching(lines, _BLANKS)] = BLANK
        return of_line

    def _block_key(self, found: pvl.Statement) -> int:
        return self._key(found.name, found.kind, found.raw)

    def _add(self, found: pvl.Statement) -> int:
        """Give a statement that was read by itself its number."""
        self._other_keys.append(self._key(found.name) if found.kind == pvl.ASSIGN else self._block_key(found))
        self._others.append(found.raw)
        return len(self._raws) + len(self._others) - 1

    def _read_others(self, of_line: np.ndarray) -> None:
        """Read the lines that are no statements of their own, in order, each label to its END."""
        codes, bounds = self._tokens.codes, self._tokens.bounds
        is_end = matching(self._tokens.distinct, _END)
        lines = np.flatnonzero((self._numbers == _LOOK) | is_end[codes])
        labels = np.searchsorted(bounds, lines, "right") - 1
        ends = bounds.tolist()
        done = 0  # the line up to which all is read
        ended = np.zeros(len(self._texts), bool)
        known, is_end = of_line.tolist(), is_end.tolist()
        for line, label, code in zip(lines.tolist(), labels.tolist(), codes[lines].tolist(), strict=True):
            if line < done:
                continue
            if is_end[code]:
                ended[label], done = True, ends[label + 1]
                self._numbers[line:done] = BLANK
            elif known[code] >= 0:  # met before in these labels, on a line of its own
                self._numbers[line] = known[code]
            else:
                done = self._read(label, line, code, known, ended)
        for label in np.flatnonzero(~ended).tolist():
            self._numbers[ends[label] : ends[label + 1]] = BLANK
        self.unusual = silent(self._numbers, bounds)

    def _read(self, label: int, line: int, code: int, known: list[int], ended: np.ndarray) -> int:
        """Read what stands on a line; give the line behind it: the label's last where it cannot be read."""
        codes, last = self._tokens.codes, int(self._tokens.bounds[label + 1])
        begun = self._begun.get(code)
        if begun and codes[line : line + len(begun[0]) // 4].tobytes() == begun[0]:
            return self._place(begun[1], line, line + len(begun[0]) // 4)
        text, at = self._text_from(label, line)
        try:
            found, end = pvl.statement(text, at)
        except pvl.PvlError:
            return last  # without END: unusual
        if found.kind == pvl.END:
            ended[label] = True
            self._numbers[line:last] = BLANK
            return last
        behind = line + text.count("\n", at, end)
        if not text.endswith("\n", at, end):
            return last  # it ends within a line, at a lone carriage return, or with the text
        if found.kind == pvl.BLANK:
            return self._place(BLANK, line, behind)
        number = self._add(found)
        if behind > line + 1:
            self._begun[code] = (codes[line:behind].tobytes(), number)
        elif (found.raw or found.kind == pvl.FINISH) and text.rfind("/*", at, end) <= text.rfind("*/", at, end):
            known[code] = number  # elsewhere an empty value may stand on the next line, and a comment end there
        return self._place(number, line, behind)

    def _place(self, number: int, line: int, behind: int) -> int:
        self._numbers[line + 1 : behind] = BLANK
        self._numbers[line] = number
        return behind

    def _text_from(self, label: int, line: int) -> tuple[str, int]:
        """Give the text of a label, and where in it a line begins."""
        text, first, starts = self._texts[label], int(self._tokens.bounds[label]), self._tokens.starts
        at = int(starts[line] - starts[first]) + line - first
        return text, at if text.isascii() else len(text.encode()[:at].decode())

    def shapes(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give for each shape its keys, its labels, and the matrix of their statements (see `tokens.shapes`)."""
        keys = np.concatenate([self._own_keys, np.array(self._other_keys, np.int32)])
        return shapes(self._numbers, self._tokens.bounds, keys)

    def leaves(self, keys: Sequence[int]) -> list[Leaf]:
        """Keywords of a shape.

        Raises
        ------
        Unusual
            Blocks do not nest, or values mean something else than they say.
        """

        def skeleton() -> Iterator[pvl.Statement]:
            for position, number in enumerate(keys):
                name, *block = self._keys[number]
                kind, raw = block or (pvl.ASSIGN, "")
                yield pvl.Statement(kind, name, raw, position)

        try:
            tree = pvl.nest(skeleton())
        except pvl.PvlError as error:
            raise Unusual(error.reason) from None
        if any(isinstance(node, Keyword) and node.name in DECLARED_FILLS for node in tree):
            raise Unusual("numbers that the label declares to be missing")
        return [Leaf(path, keyword.line or 0, _declared(keyword), inside) for path, keyword, inside in leaves_of(tree)]

    def whole(self, label: Label) -> Iterator[tuple[Leaf, int]]:
        """Keywords of a label that was read as a whole, each with a statement of its own."""
        declares = any(isinstance(node, Keyword) and node.name in DECLARED_FILLS for node in label.children)
        for path, keyword, inside in leaves_of(label.children):
            self._others.append(keyword.raw)
            number = len(self._raws) + len(self._others) - 1
            if declares:
                self._masked[number] = keyword.typed
            yield Leaf(path, 0, _declared(keyword), inside), number

    def _raw(self, statement: int) -> str:
        other = statement - len(self._raws)
        return self._others[other] if other >= 0 else str(self._raws[statement])

    def typed(self, statement: int, declared: str | None) -> Value:
        """Type the value of a statement."""
        make = clock_value if declared == "text" else pvl_value
        return self._masked.get(statement) or make(self._raw(statement))

    def file_names(self, statement: int) -> list[str]:
        """Names of files in a pointer."""
        raw = self._raw(statement)
        return file_names_in(raw) or file_names([pvl_value(raw)])

    def add_typed(self, statements: np.ndarray, declared: np.ndarray, elements: Elements) -> np.ndarray:
        """Type the values of statements, many at once, each PLAIN or AS_TEXT; give the number of each value."""
        raws = pa.concat_arrays([self._raws, as_strings(self._others)]).take(as_numbers(statements))
        alone = (declared == AS_TEXT) & ~as_numpy(pc.starts_with(raws, '"'))
        if self._masked:
            alone |= np.isin(statements, list(self._masked))
        numbers = np.empty(len(statements), np.int32)
        numbers[~alone] = elements.add_pvl(raws.filter(as_mask(~alone)))
        numbers[alone] = [
            elements.add(self.typed(statement, "text" if code == AS_TEXT else None))
            for statement, code in zip(statements[alone].tolist(), declared[alone].tolist(), strict=True)
        ]
        return numbers


def _declared(keyword: Keyword) -> str | None:
    return "text" if is_clock(keyword.name) else None
