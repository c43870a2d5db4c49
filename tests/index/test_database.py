"""`Database`: the tables of pds3_utils and pds4_utils, without what made these crash or lose values in silence."""

from __future__ import annotations

import inspect
import json
import pickle
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import psalab
from psalab.errors import IndexFileError, LabelWarning, PsalabWarning, RecipeError, RecipeWarning, VolumeError
from psalab.index.database import Database
from tests.index.volumes import pds3, pds4, write

if TYPE_CHECKING:
    from collections.abc import Mapping

INDEX_PDS3 = ["filename", "dataset", "prod_id", "mission_id", "start_time", "stop_time", "instr_id"]
INDEX_PDS4 = [
    "filename", "product_type", "lid", "vid", "start_time", "stop_time", "bundle", "collection", "product_id",
]  # fmt: skip
COMMON = (
    'DATA_SET_ID = "SC-X-CAM-3-V1.0"', "MISSION_ID = MISSION", "START_TIME = 2014-08-01T10:00:00.5",
    "STOP_TIME = 2014-08-01T10:00:01",
)  # fmt: skip


def label(*statements: str, **ids: Any) -> str:
    """A label of PDS3 with all that the index asks for."""
    return pds3(*COMMON, *statements, **ids)


def recipe_of_pds3(tmp_path: Path, keywords: Mapping[str, Any], *, pattern: str = "", of: str = "CAM") -> Path:
    """A recipe (JSON is YAML) with the table `t`; its keywords stand in lines of their own, from the first one on."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(path if isinstance(path, dict) else {'path': path})}"
        for name, path in keywords.items()
    )
    path = tmp_path / "recipe.yml"
    path.write_text(f'{{"{of}": {{"t": {{"prod_id": {json.dumps(pattern)}, "keywords": {{{lines}}}}}}}}}')
    return path


def recipe_of_pds4(tmp_path: Path, keywords: Mapping[str, str], *, pattern: str = "") -> Path:
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(path)}" for name, path in keywords.items())
    path = tmp_path / "recipe.yml"
    rule = f'{{"lid": {json.dumps(pattern)}, "keywords": {{{lines}}}}}'
    path.write_text(f'{{"Product_Observational": {{"t": {rule}}}}}')
    return path


def from_pds3(
    tmp_path: Path, labels: Mapping[str, str | bytes], keywords: Mapping[str, Any], **options: Any
) -> Database:
    recipe = recipe_of_pds3(tmp_path, keywords)
    return Database(directory=write(tmp_path / "volume", labels), config_file=recipe, jobs=1, **options)


def from_pds4(
    tmp_path: Path, labels: Mapping[str, str | bytes], keywords: Mapping[str, str], **options: Any
) -> Database:
    recipe = recipe_of_pds4(tmp_path, keywords)
    return Database(directory=write(tmp_path / "volume", labels), config_file=recipe, jobs=1, **options)


def table(database: Database, name: str = "t") -> pd.DataFrame:
    found = database.get_table(name)
    assert found is not None
    return found


def column_of(tmp_path: Path, *values: str | None, keyword: Any = "X") -> pd.Series[Any]:
    """Column `x` over labels with these values and no others; None leaves the keyword out."""
    shutil.rmtree(tmp_path / "volume", ignore_errors=True)
    labels = {
        f"P{number}.LBL": label(*([] if value is None else [f"X = {value}"]), id=f"P{number}")
        for number, value in enumerate(values)
    }
    return table(from_pds3(tmp_path, labels, {"x": keyword}))["x"]


def about(database: Database, what: str) -> Any:
    """What the attributes of the table `t` tell of the column `x`."""
    return table(database).attrs["psalab"][what]["x"]


# ------------------------------------------------------------------------------------------------ what stays as it was


def test_names_and_arguments_are_those_of_pds3_utils() -> None:
    assert psalab.Database is Database
    arguments = list(inspect.signature(Database).parameters.values())
    assert [argument.name for argument in arguments] == ["files", "directory", "config_file", "recursive", "jobs"]
    assert [argument.default for argument in arguments[:4]] == [None, ".", None, True]
    assert arguments[4].kind is inspect.Parameter.KEYWORD_ONLY
    methods = ("build", "list_tables", "get_table", "save_dbase", "load_dbase")
    assert all(callable(getattr(Database, name)) for name in methods)


def test_a_table_has_the_columns_of_the_index_and_those_of_the_recipe_in_its_order(tmp_path: Path) -> None:
    labels = {"B.LBL": label("X = 1.5", "Y = A", id="B"), "A/A.LBL": label("X = 2.5", "Y = B", id="A")}
    found = table(from_pds3(tmp_path, labels, {"y": "Y", "x": "X"}))
    assert list(found.columns) == [*INDEX_PDS3, "y", "x"]
    assert found.drop(columns=["filename"]).to_dict("records") == [
        {
            "dataset": "SC-X-CAM-3-V1.0", "prod_id": id_, "mission_id": "MISSION", "instr_id": "CAM",
            "start_time": pd.Timestamp("2014-08-01T10:00:00.5"), "stop_time": pd.Timestamp("2014-08-01T10:00:01"),
            "y": y, "x": x,
        }
        for id_, y, x in (("A", "B", 2.5), ("B", "A", 1.5))
    ]  # fmt: skip
    assert found["filename"].tolist() == [str(tmp_path / "volume" / name) for name in ("A/A.LBL", "B.LBL")]


def test_a_table_of_pds4_has_its_columns(tmp_path: Path) -> None:
    time = "<Time_Coordinates><start_date_time>2024-01-01T00:00:00.25Z</start_date_time></Time_Coordinates>"
    labels = {"a.xml": pds4(time, lid="urn:esa:psa:bundle:data_raw:product_1", version="1.10")}
    found = table(from_pds4(tmp_path, labels, {"title": "pds:Identification_Area/pds:title"}))
    assert list(found.columns) == [*INDEX_PDS4, "title"]
    assert found.to_dict("records") == [
        {
            "filename": str(tmp_path / "volume/a.xml"), "product_type": "Product_Observational",
            "lid": "urn:esa:psa:bundle:data_raw:product_1", "vid": "1.10",
            "start_time": pd.Timestamp("2024-01-01T00:00:00.25"), "stop_time": pd.NaT,
            "bundle": "bundle", "collection": "data_raw", "product_id": "product_1", "title": "SYNTHETIC",
        }
    ]  # fmt: skip


def test_rows_are_numbered_over_all_labels_and_chosen_by_instrument_and_regular_expression(tmp_path: Path) -> None:
    labels = {f"{id_}.LBL": label(id=id_) for id_ in ("A_RAW", "B_RDR", "C_RAW")}
    labels["D_RAW.LBL"] = label(id="D_RAW", instrument="OTHER")
    recipe = recipe_of_pds3(tmp_path, {"id": "PRODUCT_ID"}, pattern="RAW$")
    database = Database(directory=write(tmp_path / "volume", labels), config_file=recipe)
    assert database.index["prod_id"].tolist() == ["A_RAW", "B_RDR", "C_RAW", "D_RAW"]
    assert database.dbase["t"].to_dict() == {"id": {0: "A_RAW", 2: "C_RAW"}}
    assert database.list_tables() == ["t"]
    assert repr(database) == "<Database of 4 labels; tables: t 2; 0 files left out>"


def test_a_pattern_of_names_and_the_folder_alone_can_be_asked_for(tmp_path: Path) -> None:
    labels = {name: label(id=name) for name in ("N1.LBL", "M2.LBL", "inside/N3.LBL")}
    all_of_n = from_pds3(tmp_path, labels, {"x": "PRODUCT_ID"}, files="N*.LBL")
    assert table(all_of_n)["x"].tolist() == ["N1.LBL", "inside/N3.LBL"]
    here = from_pds3(tmp_path, labels, {"x": "PRODUCT_ID"}, files="N*.LBL", recursive=False)
    assert table(here)["x"].tolist() == ["N1.LBL"]


def test_a_relative_folder_gives_absolute_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"A.LBL": label()})
    monkeypatch.chdir(tmp_path)
    found = table(Database(config_file=recipe_of_pds3(tmp_path, {"id": "PRODUCT_ID"})))
    assert found["filename"].tolist() == [str(tmp_path / "A.LBL")]


def test_no_table_of_that_name_is_none_and_a_warning(tmp_path: Path) -> None:
    database = from_pds3(tmp_path, {"A.LBL": label("X = 1")}, {"x": "X"})
    with pytest.warns(RecipeWarning, match="no table is called 'T'; there are t") as caught:
        assert database.get_table("T") is None
    assert caught[0].filename == __file__


def test_build_reads_the_labels_again(tmp_path: Path) -> None:
    database = from_pds3(tmp_path, {"A.LBL": label("X = 1")}, {"x": "X"})
    write(tmp_path / "volume", {"B.LBL": label("X = 2")})
    database.build()
    assert table(database)["x"].tolist() == [1, 2]


def test_one_table_of_several_instruments_has_the_labels_of_all(tmp_path: Path) -> None:
    """The original kept those of the last one."""
    recipe = tmp_path / "recipe.yml"
    recipe.write_text(
        "NAC: {t: {prod_id: '', keywords: {x: {path: X}, y: {path: Y}}}}\n"
        "WAC: {t: {prod_id: '', keywords: {y: {path: Z}, x: {path: X}}}}\n"
    )
    labels = {
        "A.LBL": label("X = 1", "Y = 2", id="A", instrument="WAC").replace("Y =", "Z ="),
        "B.LBL": label("X = 3", "Y = 4.5", id="B", instrument="NAC"),
        "C.LBL": label("X = 5", "Z = 6", id="C", instrument="WAC"),
    }
    found = table(Database(directory=write(tmp_path / "volume", labels), config_file=recipe))
    assert found[["prod_id", "instr_id", "x", "y"]].to_numpy().tolist() == [
        ["A", "WAC", 1, 2.0], ["B", "NAC", 3, 4.5], ["C", "WAC", 5, 6.0],
    ]  # fmt: skip


def test_several_processes_and_chunks_give_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {f"{n % 3}/P{n:02}.LBL": label(f"X = {n}.5 <km>", f"Y = ({n}, A{n})", id=f"P{n}") for n in range(40)}
    labels["bad.LBL"] = "no label"
    recipe = recipe_of_pds3(tmp_path, {"x": "X", "y": {"path": "Y", "index": 1}, "id": "PRODUCT_ID"}, pattern="[0-6]$")
    volume = write(tmp_path / "volume", labels)
    with pytest.warns(LabelWarning):
        one = Database(directory=volume, config_file=recipe, jobs=1)
    monkeypatch.setattr("psalab.index.database.CHUNK", 7)
    with pytest.warns(LabelWarning):
        many = Database(directory=volume, config_file=recipe, jobs=2)
    pd.testing.assert_frame_equal(table(one), table(many))
    pd.testing.assert_frame_equal(one.rejected, many.rejected)
    assert table(one).attrs == table(many).attrs
    assert len(table(one)) == 28


# -------------------------------------------------------------------------------------------------------- typed columns


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1.5", "-2.25e3"], "float64", [1.5, -2250.0]),
        (["1.5", "2"], "float64", [1.5, 2.0]),
        (["1", "2"], "int64", [1, 2]),
        (["1", '"N/A"'], "Int64", [1, None]),
        (["1.5 <km>", '"N/A"'], "float64", [1.5, None]),
        (["2014-08-01T10:00:00", "2014-214"], "datetime64[us]", [datetime(2014, 8, 1, 10), datetime(2014, 8, 2)]),
        (["2014-08-01T10:00:00", '"UNK"'], "datetime64[us]", [datetime(2014, 8, 1, 10), None]),
        (["TRUE", "FALSE"], "bool", [True, False]),
        (["TRUE", "NULL"], "boolean", [True, None]),
        (['"one"', "TWO"], pd.Series(["text"]).dtype, ["one", "TWO"]),
        (["9007199254740993", "1"], "int64", [9007199254740993, 1]),
        (["16#FF#", "2#11#"], "int64", [255, 3]),
        (['"N/A"', '"UNK"'], "object", [None, None]),
    ],
)
def test_columns_are_typed(tmp_path: Path, values: list[str], dtype: Any, expected: list[Any]) -> None:
    """With pandas 3 every column of the original is NaN; with others they are objects."""
    found = column_of(tmp_path, *values)
    assert found.dtype == dtype
    assert [None if pd.isna(value) else value for value in found.tolist()] == expected


def test_floats_are_those_of_the_label_to_the_last_bit(tmp_path: Path) -> None:
    texts = ["0.1", "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "123456.789012345678", "-0.0"]
    found = column_of(tmp_path, *texts)
    assert found.to_numpy().tobytes() == np.array([float(text) for text in texts]).tobytes()


@pytest.mark.parametrize(
    ("values", "expected", "note"),
    [
        (["1.5", "2", '"text"'], [1.5, 2, "text"], r"numbers \(2\), texts \(1\)"),
        (["1", "2014-08-01T10:00:00"], [1, datetime(2014, 8, 1, 10)], r"numbers \(1\), times \(1\)"),
        (["TRUE", "1"], [True, 1], r"truth values \(1\), numbers \(1\)"),
    ],
)
def test_values_of_several_kinds_are_kept_as_each_is_and_told(
    tmp_path: Path, values: list[str], expected: list[Any], note: str
) -> None:
    with pytest.warns(RecipeWarning, match=f"line 1: x: values of X are of several kinds: {note}; a column of objects"):
        found = column_of(tmp_path, *values)
    assert found.dtype == object
    assert found.tolist() == expected


def test_integers_that_no_column_of_numbers_can_hold_are_kept_as_they_are(tmp_path: Path) -> None:
    assert column_of(tmp_path, "1", "123456789012345678901234567890").tolist() == [1, 123456789012345678901234567890]
    assert column_of(tmp_path, "1.5", "9007199254740993").tolist() == [1.5, 9007199254740993]


def test_attributes_of_pds4_are_typed_as_the_data_dictionary_says(tmp_path: Path) -> None:
    content = """<Time_Coordinates><start_date_time>2024-01-01T00:00:00Z</start_date_time></Time_Coordinates>
        <own:a unit="km">1.5</own:a><own:b>TEXT</own:b>"""
    keywords = {
        "version": "pds:Identification_Area/pds:version_id", "start": "//pds:start_date_time", "a": "//own:a",
        "b": "//own:b",
    }  # fmt: skip
    found = table(from_pds4(tmp_path, {"a.xml": pds4(content, version="1.10")}, keywords))
    assert found[list(keywords)].iloc[0].tolist() == ["1.10", pd.Timestamp("2024-01-01"), 1.5, "TEXT"]
    assert found.attrs["psalab"]["units"]["a"] == "km"


# ------------------------------------------------------------------------------------- faults of the original: crashes


def test_a_bad_label_does_not_end_the_run(tmp_path: Path) -> None:
    cut = label("X = 1").rpartition("X = 1")[0] + 'NOTE = "cut off in the m'
    labels = {"A.LBL": label("X = 1"), "B.LBL": cut, "C.LBL": "", "D.LBL": "\x00\x01\x02"}
    with pytest.warns(
        LabelWarning, match=r"3 files are left out, see .rejected for all of them; the first is .*B.LBL: "
    ):
        database = from_pds3(tmp_path, labels, {"x": "X"})
    assert table(database)["x"].tolist() == [1]
    assert [Path(path).name for path in database.rejected["path"]] == ["B.LBL", "C.LBL", "D.LBL"]
    assert database.rejected["reason"].iloc[1] == "the file is empty"
    assert list(database.rejected.columns) == ["path", "reason", "line", "text"]


def test_a_label_without_mission_or_data_set_is_a_row_without_them(tmp_path: Path) -> None:
    found = table(from_pds3(tmp_path, {"A.LBL": pds3("X = 1", id="A")}, {"x": "X"}))
    assert found[["prod_id", "x"]].iloc[0].tolist() == ["A", 1]
    assert found[["dataset", "mission_id", "start_time", "stop_time"]].isna().all(axis=None)


def test_a_label_without_instrument_is_of_the_one_that_its_data_set_names(tmp_path: Path) -> None:
    found = table(from_pds3(tmp_path, {"A.LBL": label("X = 1", instrument=None)}, {"x": "X"}))
    assert found["instr_id"].tolist() == ["CAM"]


@pytest.mark.parametrize("time", ['"UNK"', '"N/A"', "UNK", '"after the landing"', "9999-99-99T99:99:99"])
def test_a_time_that_is_none_is_missing(tmp_path: Path, time: str) -> None:
    text = label("X = 1").replace("2014-08-01T10:00:00.5", time)
    found = table(from_pds3(tmp_path, {"A.LBL": text}, {"x": "X"}))
    assert found["start_time"].isna().tolist() == [True]
    assert found["start_time"].dtype == "datetime64[us]"


def test_times_before_and_after_those_of_nanoseconds_are_times(tmp_path: Path) -> None:
    times = "".join(
        f"<{name}_date_time>{time}</{name}_date_time>"
        for name, time in (("start", "0001-01-01Z"), ("stop", "9999-12-31Z"))
    )
    found = table(
        from_pds4(tmp_path, {"a.xml": pds4(f"<Time_Coordinates>{times}</Time_Coordinates>")}, {"x": "//pds:title"})
    )
    assert [time.year for time in found[["start_time", "stop_time"]].iloc[0]] == [1, 9999]


def test_no_label_at_all_is_empty_tables_and_a_warning(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match=r"no file below .*volume is called \*.lbl: the tables are empty"):
        database = from_pds3(tmp_path, {}, {"x": "X"})
    found = table(database)
    assert len(found) == 0
    assert list(found.columns) == [*INDEX_PDS3, "x"]
    assert found["start_time"].dtype == "datetime64[us]"


@pytest.mark.parametrize("index", [3, -4])
def test_an_element_that_a_list_does_not_have_is_missing_and_told(tmp_path: Path, index: int) -> None:
    reason = f"line 1: x: 1 of 2 labels have fewer elements in X than index: {index} asks for"
    with pytest.warns(RecipeWarning, match=reason):
        found = column_of(tmp_path, "(1, 2, 3)", "(1, 2, 3, 4)", keyword={"path": "X", "index": index})
    assert found.isna().tolist() == [True, False]


def test_elements_may_be_counted_from_the_end(tmp_path: Path) -> None:
    assert column_of(tmp_path, "(1, 2, 3)", "(4, 5)", keyword={"path": "X", "index": -1}).tolist() == [3, 5]


def test_a_single_value_is_a_list_of_one(tmp_path: Path) -> None:
    """The original: a TypeError on a number, a letter of a text, the unit of a number with one."""
    assert column_of(tmp_path, "1.5 <km>", "(2.5 <km>, 3.5 <km>)", keyword={"path": "X", "index": 0}).tolist() == [
        1.5,
        2.5,
    ]
    assert column_of(tmp_path, '"TEXT"', keyword={"path": "X", "index": 0}).tolist() == ["TEXT"]
    with pytest.warns(RecipeWarning, match="2 of 2 labels have fewer elements in X than index: 1 asks for"):
        found = column_of(tmp_path, "1.5 <km>", '"TEXT"', keyword={"path": "X", "index": 1})
    assert found.isna().all()


def test_a_folder_that_is_not_there_is_a_volume_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="nowhere is not there: is the volume mounted"):
        Database(directory=tmp_path / "nowhere", config_file=recipe_of_pds3(tmp_path, {"x": "X"}))
    with pytest.raises(VolumeError, match="cannot be listed"):
        Database(directory=tmp_path / "recipe.yml", config_file=tmp_path / "recipe.yml")


def test_a_recipe_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    """The original logged it, and gave an object without attributes."""
    with pytest.raises(RecipeError, match="there is no such recipe"):
        Database(directory=tmp_path, config_file=tmp_path / "recipe.yml")


# --------------------------------------------------------------------------------- faults of the original: lost values


def test_units_are_kept(tmp_path: Path) -> None:
    labels = {"A.LBL": label("X = 1.5 <KM>"), "B.LBL": label("X = 2.5 <km>"), "C.LBL": label('X = "N/A"')}
    database = from_pds3(tmp_path, labels, {"x": "X"})
    assert about(database, "units") == "km"
    assert table(database).attrs["psalab"]["units"]["prod_id"] is None


def test_units_that_differ_between_labels_are_told(tmp_path: Path) -> None:
    labels = {"A.LBL": label("X = 1 <km>"), "B.LBL": label("X = 2 <m>"), "C.LBL": label("X = 3 <km>")}
    with pytest.warns(RecipeWarning, match=r"values of X differ in their unit: km \(2\), m \(1\); none is converted"):
        database = from_pds3(tmp_path, labels, {"x": "X"})
    assert about(database, "units") is None


@pytest.mark.parametrize("word", ["N/A", "UNK", "NULL"])
def test_words_for_no_value_are_missing_also_inside_lists(tmp_path: Path, word: str) -> None:
    assert column_of(tmp_path, "1.5", f'"{word}"').isna().tolist() == [False, True]
    found = column_of(tmp_path, "(1.5, 2.5)", f'(1.5, "{word}")', f'"{word}"', keyword={"path": "X", "index": 1})
    assert found.dtype == "float64"
    assert found.isna().tolist() == [False, True, True]


def test_a_list_without_index_is_a_list_of_plain_values(tmp_path: Path) -> None:
    labels = {
        "A.LBL": label('X = (1.5 <km>, "N/A", 3 <km>)'), "B.LBL": label("X = 2.5 <km>"), "C.LBL": label('X = "N/A"'),
        "D.LBL": label("X = ()"),
    }  # fmt: skip
    database = from_pds3(tmp_path, labels, {"x": "X"})
    assert table(database)["x"].tolist() == [[1.5, None, 3], [2.5], None, []]
    assert about(database, "units") == "km"


def test_the_lists_inside_a_list_are_one_list(tmp_path: Path) -> None:
    assert column_of(tmp_path, "((1, 2), (3, 4))").tolist() == [[1, 2, 3, 4]]
    assert column_of(tmp_path, "((1, 2), (3, 4))", keyword={"path": "X", "index": 2}).tolist() == [3]


def test_the_reasons_of_missing_values_are_told_apart(tmp_path: Path) -> None:
    """In the original a keyword that is not there, N/A and a label never read look alike."""
    labels = {
        "A.LBL": label("X = (1, 2)"), "B.LBL": label('X = "N/A"'), "C.LBL": label(), "D.LBL": label("X = (1, UNK)"),
        "E.LBL": label("X = (1)"), "F.LBL": "no label",
    }  # fmt: skip
    with pytest.warns(PsalabWarning) as caught:
        database = from_pds3(tmp_path, labels, {"x": {"path": "X", "index": 1}})
    assert about(database, "missing") == {"N/A": 1, "no such keyword": 1, "UNK": 1, "no such element": 1}
    assert [warning.category for warning in caught] == [LabelWarning, RecipeWarning]
    assert len(database.rejected) == 1


def test_labels_are_found_in_any_case_where_no_pattern_is_given(tmp_path: Path) -> None:
    labels = {"A.LBL": label("X = 1"), "b.lbl": label("X = 2"), "C.Lbl": label("X = 3"), "D.TXT": "none"}
    database = from_pds3(tmp_path, labels, {"x": "X"})
    assert sorted(table(database)["x"]) == [1, 2, 3]


def test_a_pattern_that_would_find_more_in_another_case_tells_so(tmp_path: Path) -> None:
    labels = {"A.LBL": label("X = 1"), "b.lbl": label("X = 2")}
    with pytest.warns(LabelWarning, match=r"1 more files would be called \*.LBL in another case, such as b.lbl"):
        database = from_pds3(tmp_path, labels, {"x": "X"}, files="*.LBL")
    assert table(database)["x"].tolist() == [1]


# ------------------------------------------------------------------------------------------------ recipes that do not fit


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("SPACECRAFT_ALTITUD", "none of 1 labels has SPACECRAFT_ALTITUD; nearest: SPACECRAFT_ALTITUDE"),
        ("POI/DISTANCE", "none of 1 labels has POI/DISTANCE; nearest: POI/SC:DISTANCE"),
        ("SC:DISTANCE", "none of 1 labels has SC:DISTANCE; nearest: POI/SC:DISTANCE"),
        ("POI", "none of 1 labels has POI"),
        ("QWERTZ", "none of 1 labels has QWERTZ"),
    ],
)
def test_a_keyword_that_no_label_has_is_told_with_file_line_and_what_is_near(
    tmp_path: Path, path: str, note: str
) -> None:
    text = label("SPACECRAFT_ALTITUDE = 1", "GROUP = POI", "SC:DISTANCE = 2", "END_GROUP = POI")
    with pytest.warns(RecipeWarning) as caught:
        database = from_pds3(tmp_path, {"A.LBL": text}, {"id": "PRODUCT_ID", "x": path})
    assert str(caught[0].message).startswith(f"{tmp_path / 'recipe.yml'}, line 2: x: {note}")
    assert caught[0].filename.endswith("test_database.py")
    assert table(database)["x"].tolist() == [None]


def test_paths_mean_keywords_in_any_case_also_those_of_objects_and_pointers(tmp_path: Path) -> None:
    text = label("^IMAGE = 4", "OBJECT = IMAGE", "LINES = 7", "END_OBJECT = IMAGE")
    keywords = {"lines": "image/lines", "pointer": "^IMAGE"}
    found = table(from_pds3(tmp_path, {"A.LBL": text}, keywords))
    assert found[["lines", "pointer"]].iloc[0].tolist() == [7, 4]


def test_an_instrument_that_no_label_has_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    recipe = recipe_of_pds3(tmp_path, {"x": "X"}, of="CAMERA")
    volume = write(tmp_path / "volume", {"A.LBL": label("X = 1"), "B.LBL": label("X = 1")})
    reason = r"line 1: no label has the INSTRUMENT_ID CAMERA, so that t is empty; there are CAM \(2\)"
    with pytest.warns(RecipeWarning, match=reason):
        database = Database(directory=volume, config_file=recipe)
    assert len(table(database)) == 0


def test_a_regular_expression_that_is_found_nowhere_is_told(tmp_path: Path) -> None:
    recipe = recipe_of_pds3(tmp_path, {"x": "X"}, pattern="^RAW")
    volume = write(tmp_path / "volume", {"A.LBL": label("X = 1")})
    with pytest.warns(RecipeWarning, match=r"line 1: '\^RAW' is found in no PRODUCT_ID of the 1 labels of CAM"):
        Database(directory=volume, config_file=recipe)


def test_of_a_keyword_that_stands_twice_the_first_is_taken_and_it_is_told(tmp_path: Path) -> None:
    with pytest.warns(RecipeWarning, match="X stands more than once in 1 of 1 labels; the first is taken"):
        found = column_of(tmp_path, "1\r\nX = 2")
    assert found.tolist() == [1]


def test_labels_of_a_standard_that_the_recipe_has_no_table_of_are_left_out_and_told(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match="a PDS4 label, and the recipe has no table of those"):
        database = from_pds3(tmp_path, {"A.LBL": label("X = 1"), "a.xml": pds4()}, {"x": "X"}, files="*")
    assert len(database.index) == 1


def test_a_recipe_for_both_standards_reads_both(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yml"
    recipe.write_text(
        "CAM: {of_pds3: {prod_id: '', keywords: {x: {path: X}}}}\n"
        "Product_Observational: {of_pds4: {lid: '', keywords: {x: '//pds:title'}}}\n"
    )
    volume = write(tmp_path / "volume", {"A.LBL": label("X = 1"), "a.lblx": pds4()})
    database = Database(directory=volume, config_file=recipe)
    assert list(database.index.columns) == list(dict.fromkeys([*INDEX_PDS3, *INDEX_PDS4]))
    assert table(database, "of_pds3")["x"].tolist() == [1]
    assert table(database, "of_pds4")["x"].tolist() == ["SYNTHETIC"]
    assert database.index["lid"].isna().tolist() == [True, False]


# --------------------------------------------------------------------------------------------------------------- XPaths


def xpath(tmp_path: Path, expression: str, content: str) -> Any:
    """What an XPath gives on a label with something in its Observation_Area."""
    return table(from_pds4(tmp_path, {"a.xml": pds4(content)}, {"x": expression}))["x"].iloc[0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("pds:Observation_Area/own:A/own:x[../own:kind='ONE']", 1),
        ("/pds:Product_Observational/pds:Observation_Area/own:A[own:kind='TWO']/own:x", 2),
        ("//own:A[2]/own:x", 2),
        ("//own:x", [1, 2]),
        ("//own:A[own:kind='ONE']/own:x/@unit", "km"),
        ("//own:A[own:kind='ONE']/own:x/text()", 1),
        ("count(//own:A)", 2.0),
        ("sum(//own:x) > 2", True),
        ("string(//own:kind)", "ONE"),
        ("name(/*)", "Product_Observational"),
        ("//own:x | //own:kind", [1, "ONE", 2, "TWO"]),
    ],
)
def test_xpaths_may_have_conditions_and_lead_to_attributes_texts_and_numbers(
    tmp_path: Path, expression: str, expected: Any
) -> None:
    """In the original an attribute, a text or a number ends the run."""
    one, two = (
        f'<own:A><own:x unit="km">{n}</own:x><own:kind>{k}</own:kind></own:A>' for n, k in ((1, "ONE"), (2, "TWO"))
    )
    assert xpath(tmp_path, expression, one + two) == expected


def test_several_hits_in_some_labels_make_lists_of_all(tmp_path: Path) -> None:
    labels = {"a.xml": pds4("<own:x>1</own:x><own:x>2</own:x>"), "b.xml": pds4("<own:x>3</own:x>"), "c.xml": pds4()}
    assert table(from_pds4(tmp_path, labels, {"x": "//own:x"}))["x"].tolist() == [[1, 2], [3], None]


def test_malformed_xml_does_not_end_the_run(tmp_path: Path) -> None:
    labels = {"a.xml": pds4("<own:x>1</own:x>"), "b.xml": pds4("<own:x>1</own:y>"), "c.xml": "<schema>none</schema>"}
    with pytest.warns(LabelWarning, match="left out"):
        database = from_pds4(tmp_path, labels, {"x": "//own:x"})
    assert table(database)["x"].tolist() == [1]
    assert "not well-formed XML" in database.rejected["reason"].iloc[0]


def test_prefixes_are_the_labels_own_and_the_usual_ones(tmp_path: Path) -> None:
    """The original skips labels that have a prefix in place of a default namespace."""
    plain = pds4("<own:x>1</own:x>").replace(
        'xmlns:own="https://example.org/own/v1"', 'xmlns:own="http://pds.nasa.gov/pds4/img/v1"'
    )
    prefixed = plain.replace("own", "i").replace("xmlns=", "xmlns:p=")
    for name in (
        "Product_Observational",
        "Identification_Area",
        "logical_identifier",
        "version_id",
        "title",
        "Observation_Area",
    ):
        prefixed = prefixed.replace(f"<{name}", f"<p:{name}").replace(f"</{name}", f"</p:{name}")
    keywords = {"title": "pds:Identification_Area/pds:title", "x": "//img:x"}
    found = table(from_pds4(tmp_path, {"a.xml": plain, "b.xml": prefixed}, keywords))
    assert found["title"].tolist() == ["SYNTHETIC", "SYNTHETIC"]
    assert found["x"].tolist() == [1, 1]
    assert xpath(tmp_path, "//own:x", "<own:x>5</own:x>") == 5


def test_a_prefix_that_no_label_knows_is_told(tmp_path: Path) -> None:
    with pytest.warns(
        RecipeWarning, match="line 1: x: none of 1 labels has //imgg:x: no namespace .* has the prefix imgg"
    ):
        database = from_pds4(tmp_path, {"a.xml": pds4()}, {"x": "//imgg:x"})
    assert table(database)["x"].tolist() == [None]


def test_a_prefix_that_is_not_in_every_label_does_not_hide_other_ways(tmp_path: Path) -> None:
    assert xpath(tmp_path, "//imgg:x | //own:x", "<own:x>1</own:x>") == 1


def test_an_xpath_to_a_class_is_told(tmp_path: Path) -> None:
    with pytest.warns(RecipeWarning, match="in 1 of 1 labels //own:A is a class, not an attribute"):
        found = xpath(tmp_path, "//own:A", "<own:A><own:x>1</own:x></own:A>")
    assert found is None


def test_an_xpath_that_fails_on_a_label_is_told(tmp_path: Path) -> None:
    with pytest.warns(RecipeWarning, match="in 1 of 1 labels .* is an XPath that fails: "):
        xpath(tmp_path, "//own:x[count('1') > 0]", "<own:x>1</own:x>")


def test_an_xpath_that_searches_twice_is_not_run_on_a_label_that_is_too_large_for_it(tmp_path: Path) -> None:
    with pytest.warns(RecipeWarning, match="too much for a label of more than 10,000 elements"):
        xpath(tmp_path, "//own:x[//own:x = 2]", 10_000 * "<own:x>1</own:x>")


def test_entities_and_other_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    attack = pds4("<own:x>&s;</own:x>").replace("?>", f'?><!DOCTYPE x [<!ENTITY s SYSTEM "{secret}">]>', 1)
    with pytest.warns(LabelWarning, match="document type"):
        database = from_pds4(tmp_path, {"a.xml": attack}, {"x": "//own:x"})
    assert len(table(database)) == 0


def test_a_label_that_changes_while_it_is_read_is_a_missing_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_path: str) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("psalab.index.recipe_cells.find.read_label", gone)
    database = from_pds4(tmp_path, {"a.xml": pds4()}, {"x": "//pds:title"})
    assert about(database, "missing") == {"the label cannot be read again: [Errno 2] No such file or directory": 1}


# ---------------------------------------------------------------------------------------------------- saving and loading


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database with columns of every type."""
    labels = {
        f"P{n}.LBL": label(
            f"F = {n}.5 <km>" if n else 'F = "N/A"', f"I = {n}", f"J = {n or 'NULL'}", f"T = 2014-08-0{n + 1}",
            f"B = {'TRUE' if n % 2 else 'FALSE'}", f'S = "text {n}"', f"L = ({n}.5, {n})", f"M = ({n}, A)",
            f"H = {n}{'0' * 30}", f"O = {('1.5', 'TEXT', '2014-08-01')[n]}", 'N = "N/A"', id=f"P{n}",
        )
        for n in range(3)
    }  # fmt: skip
    labels["BAD.LBL"] = "no label"
    labels["OTHER.LBL"] = label(instrument="OTHER")
    with pytest.warns(PsalabWarning):
        return from_pds3(tmp_path, labels, {name.lower(): name for name in "FIJTBSLMHON"})


def test_what_was_saved_is_loaded_as_it_was(database: Database, tmp_path: Path) -> None:
    path = database.save_dbase(directory=tmp_path)
    assert path == tmp_path / "database.parquet"
    loaded = Database.load(path)
    pd.testing.assert_frame_equal(loaded.index, database.index)
    pd.testing.assert_frame_equal(loaded.rejected, database.rejected)
    pd.testing.assert_frame_equal(table(loaded), table(database))
    assert table(loaded).attrs == table(database).attrs
    assert loaded.list_tables() == ["t"]
    assert [type(value) for value in table(loaded)["o"]] == [type(value) for value in table(database)["o"]]


def test_loading_reads_no_label_and_needs_no_recipe(database: Database, tmp_path: Path) -> None:
    database.save_dbase("saved.parquet", tmp_path)
    (tmp_path / "recipe.yml").unlink()
    (tmp_path / "volume").rename(tmp_path / "elsewhere")
    loaded = Database.load(tmp_path / "saved.parquet")
    assert len(table(loaded)) == 3
    with pytest.raises(RecipeError, match="these tables were loaded from a file"):
        loaded.build()


def test_a_database_can_load_another_in_its_place(database: Database, tmp_path: Path) -> None:
    expected = table(database)
    path = database.save_dbase(directory=tmp_path)
    database.dbase = {}
    database.load_dbase(path)
    pd.testing.assert_frame_equal(table(database), expected)


def test_any_reader_of_parquet_shows_it(database: Database, tmp_path: Path) -> None:
    found = pd.read_parquet(database.save_dbase(directory=tmp_path))
    assert len(found) == 4
    assert found.loc[found["t"], "t/f"].tolist()[1:] == [1.5, 2.5]
    assert found["prod_id"].tolist() == database.index["prod_id"].tolist()


def test_nothing_is_pickled_whatever_the_name(database: Database, tmp_path: Path) -> None:
    path = database.save_dbase("database.pkl", tmp_path)
    assert path.read_bytes()[:4] == b"PAR1"
    assert len(table(Database.load(path))) == 3


class Attack:
    """A pickle that runs something when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_nothing_of_it_is_run(tmp_path: Path, protocol: int) -> None:
    pickled = tmp_path / "database.pkl"
    pickled.write_bytes(pickle.dumps((pd.DataFrame({"a": [1]}), {"t": Attack(tmp_path / "run")}), protocol))
    with pytest.raises(IndexFileError, match=r"is a pickle, .* Build the database again"):
        Database.load(pickled)
    assert not (tmp_path / "run").exists()


def damaged(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : -8] = bytes(len(data) - len(data) // 3 - 8)
    return bytes(data)


def test_what_is_no_database_is_told(database: Database, tmp_path: Path) -> None:
    whole = database.save_dbase(directory=tmp_path)
    other = tmp_path / "other.parquet"
    cases: list[tuple[bytes, str]] = [
        (b"", "is empty, and so no database"),
        (b"prod_id,x\nA,1\n", "is no Parquet file, and so no database"),
        (whole.read_bytes()[:100], "cannot be read"),
        (damaged(whole), "cannot be read"),
    ]
    for content, reason in cases:
        other.write_bytes(content)
        with pytest.raises(IndexFileError, match=reason):
            Database.load(other)
    with pytest.raises(IndexFileError, match="there is no such file"):
        Database.load(tmp_path / "nowhere.parquet")
    with pytest.raises(IndexFileError, match="is no file"):
        Database.load(tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(other)
    with pytest.raises(IndexFileError, match="is a Parquet file, but no database"):
        Database.load(other)


@pytest.mark.parametrize(
    "about",
    [
        b"", b"{}", b"[]", b'{"form": "1"}', b'{"form": 1, "index": 1, "tables": [], "json": [], "rejected": []}',
        b'{"form": 1, "index": [["a", "b"]], "tables": [], "json": [], "rejected": []}',
        b'{"form": 1, "index": [["a", "a"]], "tables": [{"name": "t"}], "json": [], "rejected": []}',
        b'{"form": 1, "index": [["a", "a"]], "tables": [], "json": ["a"], "rejected": []}',
        b'{"form": 1, "index": [["a", "a"]], "tables": [], "json": [], "rejected": [{"path": 1}]}',
    ],
)  # fmt: skip
def test_metadata_that_are_none_are_told(tmp_path: Path, about: bytes) -> None:
    path = tmp_path / "database.parquet"
    pq.write_table(pa.table({"a": ["{"]}).replace_schema_metadata({b"psalab_database": about}), path)
    with pytest.raises(IndexFileError, match="is a Parquet file, but no database"):
        Database.load(path)


def test_a_database_of_a_newer_psalab_is_told(tmp_path: Path) -> None:
    path = tmp_path / "database.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({b"psalab_database": b'{"form": 2}'}), path)
    with pytest.raises(IndexFileError, match="upgrade psalab"):
        Database.load(path)


def test_a_file_that_cannot_be_written_is_told_and_the_former_one_stays(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database.save_dbase(directory=tmp_path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(IndexFileError, match=r"database.parquet cannot be written: No space left on device"):
        database.save_dbase(directory=tmp_path)
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.glob("*.part*")] == []
    monkeypatch.undo()
    with pytest.raises(IndexFileError, match="cannot be written"):
        database.save_dbase(directory=tmp_path / "nowhere")


# ------------------------------------------------------------------------------------------------------ other bad input


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    labels = {"A.LBL": label("X = 1"), "closed/B.LBL": label("X = 2")}
    with pytest.warns(LabelWarning, match="closed: the folder cannot be read: Permission denied"):
        database = from_pds3(tmp_path, labels, {"x": "X"})
    assert table(database)["x"].tolist() == [1]


def test_names_that_are_no_utf8_are_escaped(tmp_path: Path) -> None:
    volume = write(tmp_path / "volume", {"A.LBL": label("X = 1")})
    (volume / "A.LBL").rename(bytes(volume).decode() + "/A\udcff.LBL")
    found = table(Database(directory=volume, config_file=recipe_of_pds3(tmp_path, {"x": "X"})))
    assert found["filename"].tolist() == [f"{volume}/A\\xff.LBL"]


def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures.process import BrokenProcessPool

    def killed(*_: Any) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr("psalab.index.database.read_part", killed)
    with pytest.raises(IndexFileError, match="was killed, perhaps for want of memory; try again with jobs=1"):
        from_pds3(tmp_path, {"A.LBL": label()}, {"x": "X"})
