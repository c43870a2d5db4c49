"""What importing costs, each time in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.index.volumes import pds3, pds4
from tests.test_public_face import every_module

if TYPE_CHECKING:
    from pathlib import Path

#: Loaded when it is first used, by nobody's import.
HEAVY = ("astropy", "dask", "distributed", "duckdb", "matplotlib", "pandas", "pyarrow", "rich", "tqdm", "xarray")

#: Modules that make an index: Arrow and DuckDB are what they are about, and nothing else imports them at its top.
MAKES_AN_INDEX = {
    f"psalab.index.{name}"
    for name in (
        "arrow",
        "build",
        "chunk_file",
        "database_file",
        "delta",
        "differences",
        "listed",
        "store",
        "tables",
        "update",
    )
}


def fresh(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def loaded_after(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    return set(json.loads(fresh(program)))


def test_importing_psalab_loads_nothing_heavy() -> None:
    assert loaded_after("import psalab") & {*HEAVY, "numpy", "lxml", "platformdirs", "typer"} == set()


def test_reading_labels_needs_lxml_and_the_standard_library_alone() -> None:
    loaded = loaded_after("import psalab; psalab.read_label")
    # what an environment loads into every interpreter (*.pth), and what lxml brings, is no doing of ours
    allowed = loaded_after("import lxml.etree") | set(sys.stdlib_module_names) | {"psalab"}
    assert loaded - allowed == set()


def test_scraping_loads_neither_pandas_nor_duckdb(tmp_path: Path) -> None:
    (tmp_path / "a.lbl").write_text(pds3("A = (1 <km>, 2.5)", "START_TIME = 2014-08-01T00:00:00"))
    (tmp_path / "b.xml").write_text(pds4("<own:A unit='km'>1</own:A>"))
    loaded = loaded_after(
        "from psalab.index.workers import scrape_to_file; from psalab.index.scrape import Task;"
        f" scrape_to_file(Task({str(tmp_path)!r}, 'root', ('a.lbl', 'b.xml')), {str(tmp_path / 'chunk')!r})"
    )
    assert loaded & {"pandas", "duckdb", "astropy", "rich", "tqdm"} == set()


def test_no_module_loads_something_heavy_when_it_is_imported() -> None:
    program = f"""
import importlib, json, sys
blame = {{}}
for name in {every_module()!r}:
    before = set(sys.modules)
    importlib.import_module(name)
    heavy = sorted({{m.partition('.')[0] for m in set(sys.modules) - before}} & set({HEAVY!r}))
    if heavy:
        blame[name] = heavy
print(json.dumps(blame))
"""
    blame = json.loads(fresh(program))
    assert blame.keys() <= MAKES_AN_INDEX, blame


@pytest.mark.parametrize("name", every_module())
def test_every_module_can_be_the_first_to_be_imported(name: str) -> None:
    """Otherwise two modules need each other, and it depends on the order whether that works."""
    loaded_after(f"import {name}")
