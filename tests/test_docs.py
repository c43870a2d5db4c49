"""The documentation is complete, its links lead somewhere, and its Python works."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import psalab
from tests.test_public_face import PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = PACKAGE.parent
DOCUMENTS = [
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
INLINE = re.compile(r"`[^`\n]*`")


class Block(NamedTuple):
    document: Path
    line: int
    info: str
    code: str


def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    return [
        Block(document, text.count("\n", 0, match.start("code")) + 1, match["info"].strip(), match["code"])
        for match in FENCE.finditer(text)
    ]


def name_of(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


PYTHON = [block for document in DOCUMENTS for block in blocks(document) if block.info.split()[:1] == ["python"]]
RUN = [document for document in DOCUMENTS if any(block.info == "python run" for block in blocks(document))]


@pytest.fixture(scope="module")
def docs() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS if "docs" in path.parts)


@pytest.mark.parametrize("name", psalab.__all__)
def test_every_public_name_is_documented(name: str, docs: str) -> None:
    assert f"psalab.{name}" in docs


@pytest.mark.parametrize("name", psalab.errors.__all__)
def test_every_error_is_documented(name: str) -> None:
    assert f"`{name}`" in (REPOSITORY / "docs/reference/errors.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    text = (REPOSITORY / "docs/reference/settings.md").read_text(encoding="utf-8")
    for setting in psalab.config.load({"PSALAB_CONFIG": ""}):
        assert f"| `{setting.name}` | `PSALAB_{setting.name.upper()}`" in text


def commands() -> dict[str, list[str]]:
    """Every command of the command line, by introspection, with its options."""
    import typer

    found: dict[str, list[str]] = {}

    def collect(command: Any, words: tuple[str, ...]) -> None:
        if hasattr(command, "commands"):
            for word, inner in command.commands.items():
                collect(inner, (*words, word))
        elif not command.hidden:
            found[" ".join(words)] = sorted(
                option for parameter in command.params for option in parameter.opts if option.startswith("--")
            )

    cli = importlib.import_module("psalab.cli")
    app = next(value for value in vars(cli).values() if isinstance(value, typer.Typer))
    collect(typer.main.get_command(app), ("psalab",))
    return found


def test_every_command_and_option_is_documented() -> None:
    text = (REPOSITORY / "docs/reference/commands.md").read_text(encoding="utf-8")
    missing = [command for command in commands() if f"`{command}" not in text]
    options = {option for listed in commands().values() for option in listed} - {"--help"}
    assert missing + sorted(option for option in options if option not in text) == []


def test_every_command_that_is_documented_exists() -> None:
    shells = [block.code for document in DOCUMENTS for block in blocks(document) if block.info == "sh"]
    spans = [span.strip("`") for document in DOCUMENTS for span in INLINE.findall(document.read_text(encoding="utf-8"))]
    used = re.findall(r"^psalab ((?:index )?[a-z]+)\b", "\n".join([*shells, *spans]), re.MULTILINE)
    assert used
    assert {f"psalab {words}" for words in used} - set(commands()) - {"psalab index"} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_local_link_leads_somewhere(document: Path) -> None:
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            path = target.partition("#")[0]
            assert (document.parent / path).exists(), target


def test_every_document_is_in_the_table_of_contents() -> None:
    contents = REPOSITORY / "docs/README.md"
    linked = {(contents.parent / target).resolve() for target in LINK.findall(contents.read_text(encoding="utf-8"))}
    assert [name_of(path) for path in (REPOSITORY / "docs").rglob("*.md") if path not in linked | {contents}] == []


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: f"{name_of(block.document)}:{block.line}")
def test_every_python_block_is_python(block: Block) -> None:
    ast.parse(block.code)


@pytest.mark.parametrize("document", RUN, ids=name_of)
def test_the_python_of_a_document_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks marked ``python run`` belong together, as in a notebook; each last expression is shown."""
    monkeypatch.chdir(tmp_path)
    for variable in ("PSALAB_INDEX", "PSALAB_JOBS", "PSALAB_VOLUMES", "PSALAB_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(document):
        if block.info == "python run":
            padded = "\n" * (block.line - 1) + block.code  # a traceback names the line of the document
            tree = ast.parse(padded, str(document))
            for statement in tree.body:
                if isinstance(statement, ast.Expr):
                    shown = eval(compile(ast.Expression(statement.value), str(document), "eval"), names)  # noqa: S307
                    assert repr(shown)
                else:
                    exec(compile(ast.Module([statement], []), str(document), "exec"), names)  # noqa: S102


# -------------------------------------------------------------------------------------------- what must say the same


def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def bounded(requirements: list[Any]) -> dict[str, str]:
    """Name -> bounds of each requirement."""
    pairs = [re.fullmatch(r"([A-Za-z0-9_.-]+)\s*([<>=~!].*)", text) for text in requirements if isinstance(text, str)]
    return {match[1].lower(): match[2].strip() for match in pairs if match}


def wanted() -> dict[str, str]:
    project = pyproject()
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    return bounded(
        [text for group in [*groups, *project["project"]["optional-dependencies"].values()] for text in group]
    )


def test_every_dependency_is_bounded_on_both_sides() -> None:
    assert {name: bounds for name, bounds in wanted().items() if not re.fullmatch(r">=[\d.]+,<[\d.]+", bounds)} == {}


def test_the_environment_has_every_dependency_with_its_bounds_and_a_reason() -> None:
    lines = (REPOSITORY / "environment.yml").read_text(encoding="utf-8").splitlines()
    entries = [match for line in lines if (match := re.match(r"\s+- (?!pip:)([^#]*?)\s*(#.*)?$", line))]
    listed = [entry for entry in entries if entry[1] != "conda-forge"]
    assert [entry[1] for entry in listed if not entry[2]] == []
    # the registry and conda-forge call one package by two names
    found = {name.removeprefix("python-"): bounds for name, bounds in bounded([entry[1] for entry in listed]).items()}
    assert {name: found.get(name) for name in wanted()} == wanted()


def test_every_dependency_has_its_reason() -> None:
    text = (REPOSITORY / "docs/explanation/dependencies.md").read_text(encoding="utf-8")
    assert [name for name in wanted() if not re.search(rf"\b{re.escape(name)}\b", text)] == []
    run_time = bounded(pyproject()["project"]["dependencies"])
    assert [name for name, bounds in run_time.items() if f"| {name} | {bounds} |" not in text] == []


def test_the_python_versions_agree() -> None:
    lowest = pyproject()["project"]["requires-python"].removeprefix(">=")
    assert f"python >={lowest}," in (REPOSITORY / "environment.yml").read_text(encoding="utf-8")
