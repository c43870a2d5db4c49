"""The public names, and what must not stand in their way."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import psalab

PACKAGE = Path(psalab.__file__).parent


def every_module() -> list[str]:
    """Names of all modules and packages below psalab, from the files: nothing is imported."""
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"}
    return sorted(names - {"psalab"})


def test_the_public_names_are_these_and_sorted() -> None:
    assert psalab.__all__ == sorted(psalab.__all__)
    assert psalab.__all__ == [
        "Database",
        "__version__",
        "build_index",
        "config",
        "datasets",
        "demo",
        "errors",
        "instruments",
        "missions",
        "open_index",
        "read_label",
    ]


def test_dir_shows_the_public_names_and_no_others() -> None:
    assert dir(psalab) == psalab.__all__


@pytest.mark.parametrize("name", psalab.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(psalab, name) is getattr(psalab, name)


def test_a_star_import_brings_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from psalab import *", names)  # noqa: S102  the statement is the test
    assert set(psalab.__all__) <= set(names)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'psalab' has no attribute 'serach'"):
        _ = psalab.serach


def test_every_public_function_says_what_it_does_and_has_types() -> None:
    for name in psalab.__all__:
        thing = getattr(psalab, name)
        if inspect.isfunction(thing):
            assert inspect.getdoc(thing), name
            signature = inspect.signature(thing)
            assert signature.return_annotation is not inspect.Signature.empty, name
            assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values()), name


def test_the_version_is_that_of_the_package() -> None:
    assert psalab.__version__ == version("psalab")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", psalab.__version__)


def test_no_module_stands_in_the_way_of_a_public_function() -> None:
    """Importing a submodule binds its name in psalab: it must not replace a function."""
    program = f"""
import importlib, types
import psalab
for name in {every_module()!r}:
    importlib.import_module(name)
for name in psalab.__all__:
    thing = getattr(psalab, name)
    if name in ("config", "errors"):
        assert isinstance(thing, types.ModuleType), name
    elif name == "__version__":
        assert isinstance(thing, str), name
    else:
        assert callable(thing), name
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_error_is_a_psalab_error_and_what_it_resembles() -> None:
    for name in psalab.errors.__all__:
        kind = getattr(psalab.errors, name)
        if name.endswith("Warning"):
            assert issubclass(kind, psalab.errors.PsalabWarning), name
            assert issubclass(kind, UserWarning), name
        elif name != "PsalabError":
            assert issubclass(kind, psalab.errors.PsalabError), name
            assert any(base.__module__ == "builtins" for base in kind.__mro__ if base is not Exception), name


def test_the_tree_of_errors_shows_every_error() -> None:
    tree = inspect.getdoc(psalab.errors) or ""
    assert [name for name in psalab.errors.__all__ if name not in tree] == []


@pytest.mark.parametrize("name", every_module())
def test_every_module_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert isinstance(module, ModuleType)
    assert module.__doc__, name


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert {path.stem for path in PACKAGE.rglob("*.py")} & {"utils", "helpers", "common", "core", "misc"} == set()


def test_the_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()
