"""Recipes: the two forms are read as they are; whatever is wrong is told with file and line; none of it runs anything."""

from __future__ import annotations

import os
import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psalab.errors import RecipeError
from psalab.index.recipes import Column, Rule, bundled, load_recipe

PDS3 = """\
OSINAC:
  osiris:
    prod_id: "ID30F"
    keywords:
      altitude: {path: SPACECRAFT_ALTITUDE}
      x: {path: "IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", index: 0}
"""
PDS4 = """\
Product_Observational:
  mcam:
    lid: ":data_raw:cam_raw_"
    keywords:
      camera: "//psa:Sub-Instrument/psa:identifier"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return tmp_path / "recipe.yml"


def table(path: Path, keywords: str, pattern: str = '""') -> Path:
    """A recipe of PDS3 with one table; its first keyword stands in line 5."""
    path.write_text(f"CAM:\n  t:\n    prod_id: {pattern}\n    keywords:\n{keywords}", encoding="utf-8")
    return path


def xpath(path: Path, expression: str) -> Path:
    """A recipe of PDS4 with one XPath, in line 5."""
    quoted = expression.replace("'", "''")
    path.write_text(f"Product_X:\n  t:\n    lid: ''\n    keywords:\n      x: '{quoted}'\n", encoding="utf-8")
    return path


def mistake(path: Path, text: str | None = None) -> RecipeError:
    """The error of a recipe; it names the file."""
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(f"{path}")
    return caught.value


# ------------------------------------------------------------------------------------------------------- what is right


def test_a_recipe_of_pds3_names_instrument_table_regular_expression_and_paths(recipe: Path) -> None:
    recipe.write_text(PDS3)
    columns = (
        Column("altitude", "SPACECRAFT_ALTITUDE", None, 5),
        Column("x", "IMAGE_POI/ROSETTA:SURF_INT_CART_COORD", 0, 6),
    )
    assert load_recipe(recipe).rules == (Rule("osiris", "PDS3", "OSINAC", "ID30F", columns, 2),)


def test_a_recipe_of_pds4_names_product_class_table_regular_expression_and_xpaths(recipe: Path) -> None:
    recipe.write_text(PDS4)
    columns = (Column("camera", "//psa:Sub-Instrument/psa:identifier", None, 5),)
    expected = Rule("mcam", "PDS4", "Product_Observational", ":data_raw:cam_raw_", columns, 2)
    assert load_recipe(recipe).rules == (expected,)


def test_one_file_may_hold_tables_of_both_standards(recipe: Path) -> None:
    recipe.write_text(PDS3 + PDS4)
    assert [(rule.table, rule.standard) for rule in load_recipe(recipe).rules] == [("osiris", "PDS3"), ("mcam", "PDS4")]
    assert load_recipe(recipe).standards == ["PDS3", "PDS4"]


def test_names_are_what_is_written_even_where_yaml_would_make_truth_values_of_them(recipe: Path) -> None:
    recipe.write_text("ON:\n  1.10:\n    prod_id: 007\n    keywords: {yes: {path: NO}}\n")
    (rule,) = load_recipe(recipe).rules
    assert (rule.of, rule.table, rule.pattern, rule.columns[0].name, rule.columns[0].path) == (
        "ON", "1.10", "007", "yes", "NO",
    )  # fmt: skip


def test_columns_may_be_written_once_for_several_instruments_which_then_fill_one_table(recipe: Path) -> None:
    recipe.write_text(
        dedent("""\
        NAC:
          osiris: &table
            prod_id: ""
            keywords: {altitude: {path: ALTITUDE}}
        WAC:
          osiris:
            <<: *table
            prod_id: "^W"
        """)
    )
    assert {rule.of: rule.pattern for rule in load_recipe(recipe).tables["osiris"]} == {"NAC": "", "WAC": "^W"}


@pytest.mark.parametrize("index", [0, 3, -1])
def test_an_index_is_a_number_that_may_count_from_the_end(recipe: Path, index: int) -> None:
    (rule,) = load_recipe(table(recipe, f"      x: {{path: X, index: {index}}}\n")).rules
    assert rule.columns[0].index == index


def test_without_a_name_the_recipe_is_where_it_has_always_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pds_dbase.yml").write_text(PDS3)
    assert load_recipe().file == str(tmp_path / "pds_dbase.yml")


# ----------------------------------------------------------------------------------------------------- bundled recipes


def test_recipes_that_come_with_psalab_are_found_by_their_bare_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(bundled()) == ["bc_mtm_mcam.yml", "osiris_nac_zoo.yml"]
    assert list(load_recipe("osiris_nac_zoo.yml").tables) == ["osiris_nac_zoo"]
    assert list(load_recipe("bc_mtm_mcam.yml").tables) == ["mcam_images", "mcam_browse"]


def test_a_recipe_of_the_working_folder_goes_before_one_that_is_bundled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("osiris_nac_zoo.yml").write_text(PDS3)
    assert list(load_recipe("osiris_nac_zoo.yml").tables) == ["osiris"]


def test_the_bundled_recipe_of_osiris_has_the_columns_of_the_published_table() -> None:
    (rule,) = load_recipe("osiris_nac_zoo.yml").rules
    assert (rule.of, rule.pattern) == ("OSINAC", "")
    assert [column.name for column in rule.columns] == [
        "surf_int_x", "surf_int_y", "surf_int_z", "distance", "sc_altitude", "phase_angle",
        "sc_position_x", "sc_position_y", "sc_position_z", "sub_sc_lat", "sub_sc_lon",
    ]  # fmt: skip


def test_a_recipe_that_is_not_there_is_an_error_that_names_the_bundled_ones(tmp_path: Path) -> None:
    error = mistake(tmp_path / "osiris.yml")
    assert error.reason == (
        "there is no such recipe; name a YAML file with config_file=, or one of those that come with psalab: "
        "bc_mtm_mcam.yml, osiris_nac_zoo.yml"
    )


@pytest.mark.parametrize("name", ["../indexes/osiris_nac_zoo.yml", "./osiris_nac_zoo.yml", "a\0b"])
def test_only_a_bare_name_means_a_bundled_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError):
        load_recipe(name)


# ------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "the recipe is empty"),
        ("# nothing\n", 1, "the recipe is empty"),
        ("{}\n", 1, "the recipe has no table"),
        ("- CAM\n", 1, "found a list"),
        ("CAM: 1\n", 1, "expected CAM: table -> prod_id or lid, and keywords; found '1'"),
        ("CAM:\n  t:\n", 2, "found nothing"),
        ("CAM:\n  t: {keywords: {x: {path: X}}}\n", 2, "the table t needs prod_id (PDS3) or lid (PDS4)"),
        ("CAM:\n  t: {prod_id: ''}\n", 2, "found prod_id"),
        ("CAM:\n  t: {prod_id: '', lid: '', keywords: {x: {path: X}}}\n", 2, "found prod_id, lid, keywords"),
        ("CAM:\n  t:\n    prod_id:\n    keywords: {x: {path: X}}\n", 3, 'expected a regular expression, "" for all'),
        ("CAM:\n  t:\n    prod_id: ''\n    keywords:\n", 4, "expected column -> keyword; found nothing"),
        ("CAM:\n  t:\n    prod_id: ''\n    keywords: {}\n", 4, "the table t has no column"),
        ("CAM:\n  t:\n    prod_id: ''\n    keyword: {x: {path: X}}\n", 2, "the table t needs"),
        ("CAM:\n  t:\n    prod_ids: ''\n    keywords: {x: {path: X}}\n", 2, "the table t needs"),
        ("CAM:\n  t: {prod_id: '', keywords: {}}\n  t: {prod_id: '', keywords: {}}\n", 3, "t stands twice"),
        ("CAM: {t: {prod_id: ''\n", 2, "not YAML: while parsing a flow mapping"),
        ("CAM:\n\tt: 1\n", 2, "not YAML: while scanning"),
        ("CAM: [1\n---\nCAM: 2\n", 2, "not YAML"),
        ("CAM: \x07\n", 1, "not YAML"),
        ("CAM: *unknown\n", 1, "not YAML: found undefined alias 'unknown'"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("[" * 5000, None, "nested far too deeply"),
        ("? [1]\n: 2\n", 1, "expected a name of 1 to 200 characters; found a list"),
        (f"{'x' * 201}: 2\n", 1, "expected a name of 1 to 200 characters"),
        ("CAM: &a\n  <<: *a\n", 1, "this mapping takes itself over"),
    ],
)
def test_a_mistake_in_the_form_is_told_with_its_line(recipe: Path, text: str, line: int | None, reason: str) -> None:
    error = mistake(recipe, text)
    assert reason in error.reason
    assert error.line == line


@pytest.mark.parametrize(
    ("keyword", "reason"),
    [
        (
            "x: SPACECRAFT_ALTITUDE",
            "expected x: {path: GROUP/KEYWORD} or {path: GROUP/KEYWORD, index: 0}; found 'SPACE",
        ),
        ("x: {}", "x has no path"),
        ("x: {index: 0}", "x has no path"),
        ("x: {path: }", "expected a path such as GROUP/KEYWORD; found nothing"),
        ("x: {path: ''}", "'' is no path"),
        ("x: {path: /A/B}", "'/A/B' is no path"),
        ("x: {path: 'A / B'}", "'A / B' is no path"),
        ("x: {path: [A, B]}", "found a list"),
        ("x: {path: A, index: first}", "index: 'first' is no number; expected 0 for the first element"),
        ("x: {path: A, index: '0'}", "index: '0' is no number"),
        ("x: {path: A, index: 010}", "index: '010' is no number"),
        ("x: {path: A, index: 1.0}", "index: '1.0' is no number"),
        ("x: {path: A, index: 99999999999999999999}", "is no number"),
        ("x: {path: A, unit: km}", "unknown key 'unit'; there are path, index"),
        ("x: {path: A, indx: 0}", "unknown key 'indx'; did you mean 'index'?"),
        ("start_time: {path: A}", "every table has a column start_time of its own"),
        ("x: {path: A, path: B}", "path stands twice"),
        ("x: !!python/name:os.system {path: A}", "something with the tag tag:yaml.org,2002:python/name:os.system"),
        ("x: {path: !!python/name:os.system A}", "something with the tag"),
    ],
)
def test_a_mistake_in_a_keyword_is_told_with_its_line(recipe: Path, keyword: str, reason: str) -> None:
    error = mistake(table(recipe, f"      {keyword}\n"))
    assert reason in error.reason
    assert error.line == 5


def test_all_mistakes_are_told_at_once(recipe: Path) -> None:
    error = mistake(table(recipe, "      x: {pth: A}\n      y: {path: B, index: one}\n", pattern='"("'))
    assert error.line == 3
    lines = str(error).splitlines()
    assert len(lines) == 4
    assert "the regular expression '('" in lines[0]
    assert lines[1] == "    line 5: unknown key 'pth'; did you mean 'path'?"
    assert lines[2] == "    line 5: x has no path"
    assert lines[3].startswith("    line 6: index: 'one' is no number")


def test_a_table_of_two_instruments_has_the_same_columns_for_both(recipe: Path) -> None:
    text = "A: {t: {prod_id: '', keywords: {x: {path: X}}}}\nB: {t: {prod_id: '', keywords: {y: {path: Y}}}}\n"
    error = mistake(recipe, text)
    assert (error.line, error.reason) == (2, "the table t has other columns than in line 1: give it another name")


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_file_is_no_recipe(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert mistake(path).reason == "is no file; a recipe is a YAML file"


def test_bytes_that_are_no_utf8_are_told_with_their_line(recipe: Path) -> None:
    recipe.write_bytes(b"CAM:\n  t\xff: 1\n")
    error = mistake(recipe)
    assert (error.line, error.reason) == (2, "not UTF-8")


# ------------------------------------------------------------------------------------------------- regular expressions


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("", ["A_RAW_1", "B_RDR_2"]),
        ("RAW", ["A_RAW_1"]),
        ("^B.*[0-9]$", ["B_RDR_2"]),
        ("(?i)raw|rdr", ["A_RAW_1", "B_RDR_2"]),
        (r"_\d{1,2}", ["A_RAW_1", "B_RDR_2"]),
    ],
)
def test_a_regular_expression_is_searched_anywhere_in_the_id(recipe: Path, pattern: str, ids: list[str]) -> None:
    import pyarrow as pa

    (rule,) = load_recipe(table(recipe, "      x: {path: X}\n", pattern=f"'{pattern}'")).rules
    known = pa.array(["A_RAW_1", "B_RDR_2"])
    assert known.filter(rule.selects(known)).to_pylist() == ids


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?=RAW)", "(?<!X)RAW", r"(A)\1", r"RAW\Z", "x{1001}", "(?P=n)"])
def test_what_is_no_regular_expression_of_linear_time_is_refused(recipe: Path, pattern: str) -> None:
    error = mistake(table(recipe, "      x: {path: X}\n", pattern=f"'{pattern}'"))
    assert f"the regular expression {pattern!r}: not one of RE2, whose time is linear in the text" in error.reason
    assert error.line == 3


@pytest.mark.parametrize("pattern", ["x{,3}", "[[:alpha:]]", r"\QA.B\E", r"\pL", "a(?i)b"])
def test_what_means_something_else_to_python_is_refused(recipe: Path, pattern: str) -> None:
    assert mistake(table(recipe, "      x: {path: X}\n", pattern=f"'{pattern}'")).line == 3


def test_a_regular_expression_takes_a_time_linear_in_the_text(recipe: Path) -> None:
    import pyarrow as pa

    (rule,) = load_recipe(table(recipe, "      x: {path: X}\n", pattern="'^(a+)+$'")).rules
    began = time.perf_counter()
    assert rule.selects(pa.array(["a" * 50_000 + "!"])).to_pylist() == [False]
    assert time.perf_counter() - began < 5


def test_a_million_alternatives_are_refused_with_their_line(recipe: Path) -> None:
    table(recipe, "      x: {path: X}\n", pattern=f"'{'|'.join(map(str, range(1_000_000)))}'")
    error = mistake(recipe)
    assert error.line == 3
    assert error.reason == "too large: a recipe has at most 262,144 bytes (this line, its longest, has 6,888,904)"


def test_as_many_alternatives_as_fit_into_a_recipe_do_not_take_long(recipe: Path) -> None:
    table(recipe, "      x: {path: X}\n", pattern=f"'{'|'.join(map(str, range(30_000)))}'")
    began = time.perf_counter()
    try:
        load_recipe(recipe)
    except RecipeError as error:
        assert error.line == 3  # noqa: PT017  whether it is too large is for RE2 to say
    assert time.perf_counter() - began < 20


# --------------------------------------------------------------------------------------------- mappings that take over


def test_mappings_that_take_over_others_many_times_do_not_fill_the_memory(recipe: Path) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join(9 * [f'*a{n - 1}'])}], x{n}: 1}}" for n in range(1, 2000)]
    began = time.perf_counter()
    assert "more than 100,000 entries" in mistake(recipe, "\n".join(lines)).reason
    assert time.perf_counter() - began < 20


def test_one_mapping_in_many_places_does_not_make_more_columns_than_anybody_needs(recipe: Path) -> None:
    columns = ", ".join(f"c{n}: {{path: X}}" for n in range(1000))
    tables = "\n".join(f"  t{n}: {{prod_id: '', keywords: *columns}}" for n in range(1000))
    text = f"A:\n  t: {{prod_id: '', keywords: &columns {{{columns}}}}}\n{tables}\n"
    assert "more than 10,000 columns" in mistake(recipe, text).reason


# -------------------------------------------------------------------------------------------------------------- XPaths


@pytest.mark.parametrize(
    "expression",
    [
        "pds:Identification_Area/pds:title",
        "/pds:Product_Observational/pds:Observation_Area/pds:comment",
        "pds:Reference_List/pds:Internal_Reference[pds:reference_type='browse_to_data']/pds:lid_reference",
        "//pds:Observing_System_Component[pds:type='Instrument']/pds:name",
        "//pds:Axis_Array[pds:axis_name[.='Line']]/pds:elements",
        "//geom:x_position/@unit",
        "//pds:title/text()",
        "count(//pds:Axis_Array)",
        "//pds:a | //pds:b",
        "//pds:a[last()]/following-sibling::pds:b[1]",
        "string(//*[local-name()='x:y'])",
        "//pds:x[not(contains(., 'document(')) and position() < 3]",
    ],
)
def test_xpaths_with_conditions_are_read(recipe: Path, expression: str) -> None:
    (rule,) = load_recipe(xpath(recipe, expression)).rules
    assert rule.columns[0].path == expression


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "not an XPath"),
        ("//pds:[", "not an XPath"),
        ("//pds:a[", "not an XPath"),
        ("count()", "not an XPath"),
        ("document('/etc/passwd')", "XPath has no function document()"),
        ("//a[document('http://example.org/')]", "XPath has no function document()"),
        ("re:test(//a, '(a+)+$')", "XPath has no function re:test()"),
        ("//a[re:test(., '(a+)+$')]", "XPath has no function re:test()"),
        ("$x", "a variable ($) has no meaning here"),
        ("x" * 1001, "an XPath of 1,001 characters; at most 1,000 are read"),
    ],
)
def test_what_is_no_xpath_or_reaches_outside_is_told_with_its_line(recipe: Path, expression: str, reason: str) -> None:
    error = mistake(xpath(recipe, expression))
    assert error.reason.startswith(f"x: {reason}")
    assert error.line == 5


@pytest.mark.parametrize(
    "expression",
    [
        "//*[count(//*[count(//*) > 1]) > 1]",
        "//*[*[..//*]]",
        "//*[//a = //b]",
        "//*[/a | /b]",
        "//a//b//c//d//e",
        "//*[preceding::a][following::b]",
        "//*[a[b[c[d]]]]",
        "//*[*[id('x')]]",
    ],
)
def test_an_xpath_that_could_take_for_ever_is_refused(recipe: Path, expression: str) -> None:
    assert mistake(xpath(recipe, expression)).line == 5


def test_a_keyword_of_pds4_is_one_xpath(recipe: Path) -> None:
    error = mistake(recipe, "Product_X:\n  t:\n    lid: ''\n    keywords:\n      x: {path: '//a'}\n")
    assert (error.line, error.reason) == (5, "expected an XPath for x; found a mapping")


# ---------------------------------------------------------------------------------------------------- whatever it may be


@given(st.text() | st.binary())
def test_any_text_is_a_recipe_or_a_mistake(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    path = tmp_path_factory.mktemp("recipes") / "recipe.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    with pytest.raises(RecipeError):
        load_recipe(path)


@given(st.text(alphabet="/[]()@*.:|='\"$,a1 <>!+-", max_size=60))
def test_any_text_is_an_xpath_or_a_mistake(tmp_path_factory: pytest.TempPathFactory, expression: str) -> None:
    path = xpath(tmp_path_factory.mktemp("recipes") / "recipe.yml", expression)
    try:
        load_recipe(path)
    except RecipeError as error:
        assert error.line == 5  # noqa: PT017  either answer will do
