"""Recipes: which labels make a table, and which of their keywords become its columns.

The two YAML forms are those of pds3_utils and pds4_utils::

    OSINAC:                                 # PDS3: INSTRUMENT_ID
      osiris:                               # the table
        prod_id: "ID30F"                    # regular expression that is searched in PRODUCT_ID; "" for all
        keywords:
          altitude: {path: SPACECRAFT_ALTITUDE}
          x: {path: "IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", index: 0}

    Product_Observational:                  # PDS4: the product class
      mcam:
        lid: ":data_raw:cam_raw_"           # regular expression that is searched in the logical identifier
        keywords:
          camera: "//psa:Sub-Instrument/psa:identifier"

A recipe may come from anywhere: it is read without running anything of it, its size is bounded, its regular expressions
are those of RE2, which take a time linear in the text, and its XPaths are checked (`psalab.index.xpaths`). Every mistake
is told with its line.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from psalab.errors import RecipeError
from psalab.index import xpaths
from psalab.index.arrow import as_strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import yaml

__all__ = ["INDEX_COLUMNS", "Column", "Recipe", "Rule", "bundled", "load_recipe"]

#: Columns of every table, by standard.
INDEX_COLUMNS: Final = {
    "PDS3": ("filename", "dataset", "prod_id", "mission_id", "start_time", "stop_time", "instr_id"),
    "PDS4": (
        "filename", "product_type", "lid", "vid", "start_time", "stop_time", "bundle", "collection", "product_id",
    ),
}  # fmt: skip
#: The key of the regular expression tells for which standard a table is.
_STANDARDS: Final = {"prod_id": "PDS3", "lid": "PDS4"}
_DEFAULT_NAME: Final = "pds_dbase.yml"
_MAX_BYTES: Final = 2**18
_MAX_COLUMNS: Final = 10_000
_MAX_ENTRIES: Final = 100_000
_MAX_NAME: Final = 200
_MAX_TOLD: Final = 20
_YAML: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset(f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "timestamp", "value"))
_INDEX: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,5})")
#: What RE2 reads otherwise than Python does, without a word: repetition up to a number, classes by name.
_OTHERWISE: Final = re.compile(r"\{,\d|\[\[:|\\[CQ]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    path : str
        Path of a keyword (PDS3), or an XPath (PDS4).
    index : int or None
        Which element of a list; negative ones count from the end (PDS3).
    line : int
        Where the recipe says so.
    """

    name: str
    path: str
    index: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Labels that go into a table, and its columns.

    Attributes
    ----------
    table, standard : str
    of : str
        INSTRUMENT_ID (PDS3) or product class (PDS4).
    pattern : str
        Regular expression that is searched in PRODUCT_ID or LID.
    columns : tuple of Column
    line : int
        Where the recipe says so.
    """

    table: str
    standard: str
    of: str
    pattern: str
    columns: tuple[Column, ...]
    line: int

    def selects(self, ids: pa.StringArray) -> pa.BooleanArray:
        """Tell which ids the regular expression is found in."""
        return pc.match_substring_regex(ids, self.pattern)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe.

    Attributes
    ----------
    file : str
    rules : tuple of Rule
        In the order of the file.
    """

    file: str
    rules: tuple[Rule, ...]

    @property
    def tables(self) -> dict[str, list[Rule]]:
        """Tables with their rules: several where labels of several instruments make one table."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.table, []).append(rule)
        return found

    @property
    def standards(self) -> list[str]:
        """Standards of the labels that the recipe is for."""
        return sorted({rule.standard for rule in self.rules})


def bundled() -> dict[str, Path]:
    """Recipes that come with psalab, by name."""
    package = Path(__file__).resolve().parents[1]
    installed, in_repository = package / "indexes", package.parent / "indexes"
    folder = installed if installed.is_dir() else in_repository
    return {path.name: path for path in sorted(folder.glob("*.yml"))}


def _default_file() -> Path:
    """Where pds3_utils and pds4_utils look for a recipe when none is named."""
    folder = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / _DEFAULT_NAME


def load_recipe(config_file: str | os.PathLike[str] | None = None) -> Recipe:
    """Read a recipe and check it.

    Parameters
    ----------
    config_file : path, optional
        The file, or the bare name of one that comes with psalab; a file of that name in the working folder goes first.
        By default ``pds_dbase.yml`` in ``$XDG_CONFIG_HOME`` or ``~/.config``.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        There is no such file, or it has mistakes: an unknown key, a regular expression or an XPath that is none, a
        column twice, ... The message names the file and the line of each.
    """
    path = _found(config_file)
    text = _text(path)
    try:
        return _Reader(str(path)).recipe(_composed(text, str(path)))
    except RecursionError as error:
        raise RecipeError("lists or mappings nested far too deeply", path=str(path)) from error


def _found(config_file: str | os.PathLike[str] | None) -> Path:
    name = "" if config_file is None else os.fsdecode(config_file)
    path = Path(name).expanduser() if name else _default_file()
    try:
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot be read: {error}", path=str(path)) from error
    shipped = bundled()
    if name in shipped:  # a bare name: none of them has a folder
        return shipped[name]
    raise RecipeError(
        "there is no such recipe; name a YAML file with config_file=, or one of those that come with psalab: "
        + ", ".join(shipped),
        path=str(path),
    )


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a named pipe would be waited for
            raise RecipeError("is no file; a recipe is a YAML file", path=str(path))
        with path.open("rb") as file:
            data = file.read(64 * _MAX_BYTES)
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror or error}", path=str(path)) from error
    if len(data) > _MAX_BYTES:
        sizes = [len(line) for line in data.split(b"\n")]
        raise RecipeError(
            f"too large: a recipe has at most {_MAX_BYTES:,} bytes (this line, its longest, has {max(sizes):,})",
            path=str(path),
            line=sizes.index(max(sizes)) + 1,
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecipeError("not UTF-8", path=str(path), line=line) from error


def _composed(text: str, path: str) -> yaml.Node:
    """Parse YAML to its nodes, which know their lines; nothing is constructed of them."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise RecipeError(f"not YAML: {reason}", path=path, line=mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise RecipeError(f"not YAML: {error.reason}", path=path, line=line) from error
    if node is None:
        raise RecipeError("the recipe is empty; expected INSTRUMENT_ID or product class -> table", path=path, line=1)
    return node


class _Entry:
    """A key of a mapping with its value."""

    __slots__ = ("line", "node")

    def __init__(self, line: int, node: yaml.Node):
        self.line, self.node = line, node


class _Reader:
    """Makes rules of YAML nodes; what is wrong is collected, to be told at once."""

    def __init__(self, path: str):
        self.path = path
        self.faults: list[tuple[int, str]] = []
        self.columns = self.entries = 0
        self._made: dict[int, dict[str, _Entry] | None] = {}

    def recipe(self, root: yaml.Node) -> Recipe:
        """Make the recipe.

        Raises
        ------
        RecipeError
            All that is wrong with it.
        """
        rules = [
            rule
            for of, tables in self._entries(root, "INSTRUMENT_ID or product class -> table").items()
            for table, entry in self._entries(tables.node, f"{of}: table -> prod_id or lid, and keywords").items()
            if (rule := self._rule(of, table, entry)) is not None
        ]
        self._check_tables(rules)
        if not rules and not self.faults:
            self._fault(1, "the recipe has no table")
        if self.faults:
            raise self._error()
        return Recipe(self.path, tuple(rules))

    def _fault(self, line: int, reason: str) -> None:
        self.faults.append((line, reason))

    def _error(self) -> RecipeError:
        (line, reason), *others = sorted(dict.fromkeys(self.faults))
        told = [f"line {number}: {text}" for number, text in others[: _MAX_TOLD - 1]]
        more = [f"and {len(others) - len(told)} more"] if len(others) > len(told) else []
        return RecipeError("\n    ".join([reason, *told, *more]), path=self.path, line=line)

    # ------------------------------------------------------------------------------- YAML

    def _entries(self, node: yaml.Node, expected: str) -> dict[str, _Entry]:
        """Keys and values of a mapping, those that it takes over (``<<``) included; each mapping is read once."""
        import yaml

        if not isinstance(node, yaml.MappingNode) or node.tag != f"{_YAML}map":
            self._fault(_line(node), f"expected {expected}; found {_shown(node)}")
            return {}
        if id(node) in self._made:
            known = self._made[id(node)]
            if known is None:
                self._fault(_line(node), "this mapping takes itself over (<<)")
            return known or {}
        self._made[id(node)] = None
        own: dict[str, _Entry] = {}
        taken: dict[str, _Entry] = {}
        for key, value in node.value:
            if key.tag == f"{_YAML}merge":
                for other in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    taken = self._entries(other, "a mapping to take over (<<)") | taken
            elif not isinstance(key, yaml.ScalarNode) or not 0 < len(key.value) <= _MAX_NAME:
                self._fault(_line(key), f"expected a name of 1 to {_MAX_NAME} characters; found {_shown(key)}")
            elif key.value in own:
                self._fault(_line(key), f"{key.value} stands twice; it stands in line {own[key.value].line}, too")
            else:
                own[key.value] = _Entry(_line(key), value)
        self._made[id(node)] = entries = taken | own
        self.entries += len(entries)
        if self.entries > _MAX_ENTRIES:  # mappings that take over others grow much faster than the file
            reason = f"more than {_MAX_ENTRIES:,} entries, with those that are taken over (<<)"
            raise RecipeError(reason, path=self.path, line=_line(node))
        return entries

    def _scalar(self, entry: _Entry, expected: str) -> str | None:
        import yaml

        node = entry.node
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return str(node.value)
        self._fault(_line(node), f"expected {expected}; found {_shown(node)}")
        return None

    def _check_keys(self, entries: dict[str, _Entry], known: Iterable[str]) -> None:
        known = list(known)
        for name in entries.keys() - set(known):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            self._fault(entries[name].line, f"unknown key {name!r}; {hint}")

    # ------------------------------------------------------------------------------- recipes

    def _rule(self, of: str, table: str, entry: _Entry) -> Rule | None:
        entries = self._entries(entry.node, f"{table}: prod_id (PDS3) or lid (PDS4), and keywords")
        keys = [key for key in _STANDARDS if key in entries]
        self._check_keys(entries, [*(keys or _STANDARDS), "keywords"])
        if len(keys) != 1 or "keywords" not in entries:
            expected = 'prod_id (PDS3) or lid (PDS4), a regular expression, "" for all labels; and keywords'
            self._fault(entry.line, f"the table {table} needs {expected}; found {', '.join(entries) or 'nothing'}")
            return None
        standard = _STANDARDS[keys[0]]
        pattern = self._pattern(entries[keys[0]])
        columns = [
            column
            for name, item in self._entries(entries["keywords"].node, "column -> keyword").items()
            if (column := self._column(standard, name, item)) is not None
        ]
        self.columns += len(columns)
        if self.columns > _MAX_COLUMNS:  # one mapping may stand in many places: no more of them are made
            raise RecipeError(f"more than {_MAX_COLUMNS:,} columns in all", path=self.path, line=entry.line)
        if not columns and not self.faults:
            self._fault(entries["keywords"].line, f"the table {table} has no column")
        return Rule(table, standard, of, pattern or "", tuple(columns), entry.line)

    def _pattern(self, entry: _Entry) -> str | None:
        pattern = self._scalar(entry, 'a regular expression, "" for all labels')
        if pattern is not None and (reason := _bad_pattern(pattern)):
            shown = pattern if len(pattern) < 80 else f"{pattern[:77]}..."
            self._fault(_line(entry.node), f"the regular expression {shown!r}: {reason}")
        return pattern

    def _column(self, standard: str, name: str, entry: _Entry) -> Column | None:
        if name in INDEX_COLUMNS[standard]:
            self._fault(entry.line, f"every table has a column {name} of its own: give this one another name")
            return None
        if standard == "PDS4":
            path = self._scalar(entry, f"an XPath for {name}")
            if path is not None and (reason := xpaths.mistake(path)):
                self._fault(_line(entry.node), f"{name}: {reason}")
            return None if path is None else Column(name, path, None, entry.line)
        faults = len(self.faults)
        entries = self._entries(entry.node, f"{name}: {{path: GROUP/KEYWORD}} or {{path: GROUP/KEYWORD, index: 0}}")
        self._check_keys(entries, ("path", "index"))
        if "path" not in entries:
            if entries or len(self.faults) == faults:
                self._fault(entry.line, f"{name} has no path")
            return None
        path = self._scalar(entries["path"], "a path such as GROUP/KEYWORD")
        if path is None:
            return None
        if not path or not all(step.strip() == step != "" for step in path.split("/")):
            self._fault(_line(entries["path"].node), f"{path!r} is no path; expected KEYWORD or GROUP/KEYWORD")
        index = self._index(entries["index"]) if "index" in entries else None
        return Column(name, path, index, entry.line)

    def _index(self, entry: _Entry) -> int | None:
        text = self._scalar(entry, "which element of the list: a number, 0 for the first")
        if text is None:
            return None
        if entry.node.tag != f"{_YAML}int" or not _INDEX.fullmatch(text):
            self._fault(_line(entry.node), f"index: {text!r} is no number; expected 0 for the first element, 1, ...")
            return None
        return int(text)

    def _check_tables(self, rules: list[Rule]) -> None:
        """Labels of several instruments make one table where its columns are the same."""
        first: dict[str, Rule] = {}
        for rule in rules:
            other = first.setdefault(rule.table, rule)
            names, others = ([column.name for column in one.columns] for one in (rule, other))
            if rule.standard != other.standard or sorted(names) != sorted(others):
                self._fault(
                    rule.line,
                    f"the table {rule.table} has other columns than in line {other.line}: give it another name",
                )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(node: yaml.Node) -> str:
    """Say what a node is, in a user's words."""
    import yaml

    if node.tag == f"{_YAML}null":
        return "nothing"
    if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
        return repr(node.value if len(node.value) < 60 else f"{node.value[:57]}...")
    kinds = {f"{_YAML}map": "a mapping", f"{_YAML}seq": "a list"}
    return kinds.get(node.tag) or f"something with the tag {node.tag}"


def _bad_pattern(pattern: str) -> str | None:
    """Tell why a regular expression cannot be used: it is for RE2, and to mean what it means to Python."""
    try:
        pc.match_substring_regex(as_strings([""]), pattern)
    except pa.ArrowInvalid as error:
        return (
            f"not one of RE2, whose time is linear in the text ({str(error).removeprefix('Invalid regular expression: ')}); "
            "it knows no lookaround, no references back and no \\Z, and is bounded in size"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, Warning, RecursionError, OverflowError) as error:
        return f"not a regular expression of Python ({error})"
    if _OTHERWISE.search(pattern):
        return "{,n}, [[:class:]], \\C and \\Q mean something else to RE2: write {0,n} and a class in full"
    return None
