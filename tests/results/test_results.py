"""`Results` and `Product`: an immutable table in a fixed order that knows where it came from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from psalab.errors import LabelError, ReadError
from psalab.index.ask import Index, open_index
from psalab.results import DEFAULT_COLUMNS, PAGE, Product, Results
from tests.index.small_index import FamilyOf, Shape, at, camera, dust, spectrometer, write_index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LABEL = """PDS_VERSION_ID = PDS3
PRODUCT_ID = "C1"
PHASE_ANGLE = 10.0 <deg>
END
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    (folder / "C1.LBL").write_text(LABEL)
    return write_index(
        folder / "index.duckdb", [camera(), spectrometer(), dust()], f"update roots set path = '{folder}'"
    )


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with open_index(path) as index:
        yield index


@pytest.fixture
def images(index: Index) -> Results:
    return index.search(instrument="CAM", keywords=["PHASE_ANGLE", "LINES"])


def ids(results: Results) -> list[str]:
    return [product.id for product in results]


# ------------------------------------------------------------------------------- order and rows


def test_rows_are_in_order_of_start_time_with_unknown_times_last(images: Results) -> None:
    assert ids(images) == ["C1", "C2", "C4", "C3"]
    assert images["start_time"].isna().tolist() == [False, False, False, True]


def test_equal_start_times_are_in_order_of_id(tmp_path: Path) -> None:
    begin = at("2014-08-01T00:00:00")
    rows: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"id": name, "start_time": begin}, {"X": 1.0}) for name in ("b", "c", "a")
    ]
    with open_index(write_index(tmp_path / "i.duckdb", [FamilyOf("SC/A", "A", [Shape("X")], rows)])) as index:
        assert ids(index.search()) == ["a", "b", "c"]


def test_the_default_columns_come_first_then_what_was_asked_for(images: Results) -> None:
    assert images.columns == (*DEFAULT_COLUMNS, "PHASE_ANGLE", "LINES")


def test_a_frame_has_proper_types(images: Results) -> None:
    frame = images.df
    assert frame.columns.tolist() == list(images.columns)
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert types["start_time"] == types["stop_time"] == "datetime64[us]"
    assert types["PHASE_ANGLE"] == "float64"
    assert types["LINES"] == "Int64"
    assert types["id"] == str(pd.Series(["text"]).dtype)
    assert frame["targets"][0] == ["67P/CHURYUMOV-GERASIMENKO 1 (1969 R1)"]
    assert frame["LINES"].isna().tolist() == [False, False, False, True]


def test_units_go_with_the_frame(images: Results) -> None:
    assert images.units["PHASE_ANGLE"] == "deg"
    assert images.units["id"] is None
    assert images.df.attrs["psalab"]["units"]["PHASE_ANGLE"] == "deg"
    assert images["PHASE_ANGLE"].tolist()[:3] == [10.0, 20.0, 40.0]


def test_rows_are_there_without_pandas(images: Results) -> None:
    columns, rows = images.rows()
    assert columns == images.columns
    assert [row[0] for row in rows] == ["C1", "C2", "C4", "C3"]


def test_a_column_that_is_not_there_is_named_with_those_that_are(images: Results) -> None:
    with pytest.raises(KeyError, match=r"no column 'nix'; there are id, version"):
        images["nix"]
    with pytest.raises(KeyError, match="no column 'nix'"):
        images.sort("nix")
    with pytest.raises(KeyError, match="no column 'nix'"):
        images.summary("nix")


# ------------------------------------------------------------------------------- picking rows


def test_slices_are_results(images: Results) -> None:
    assert ids(images[1:3]) == ["C2", "C4"]
    assert ids(images[::-1]) == ["C3", "C4", "C2", "C1"]
    assert ids(images[-1:]) == ["C3"]
    assert ids(images[5:]) == []
    assert ids(images.head(2)) == ["C1", "C2"]
    assert ids(images.head(0)) == []
    assert ids(images[1:][1:]) == ["C4", "C3"]


def test_masks_of_any_kind_are_results(images: Results) -> None:
    assert ids(images[images["PHASE_ANGLE"] > 15]) == ["C2", "C4"]
    assert ids(images[images["LINES"] == 1024]) == ["C1", "C2", "C4"]  # missing is not true
    assert ids(images[np.array([True, False, False, True])]) == ["C1", "C3"]
    assert ids(images[[False, True, False, False]]) == ["C2"]


def test_a_mask_that_was_sorted_still_means_the_same_rows(images: Results) -> None:
    mask = (images["PHASE_ANGLE"] > 15).iloc[::-1]
    assert ids(images[mask]) == ["C2", "C4"]


def test_lists_of_positions_are_results_in_that_order(images: Results) -> None:
    assert ids(images[[2, 0, 0]]) == ["C4", "C1", "C1"]
    assert ids(images[np.array([-1, 1])]) == ["C3", "C2"]
    assert ids(images[[]]) == []


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ([True], IndexError),
        ([4], IndexError),
        (4, IndexError),
        (-5, IndexError),
        ([1, "x"], TypeError),
        ([1.5], TypeError),
        (1.5, TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_what_picks_no_row_is_an_error(images: Results, key: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        images[key]  # type: ignore[call-overload]


def test_results_do_not_change_when_others_are_made_of_them(images: Results) -> None:
    before = images.rows()
    images.sort("id")
    images.filter("PHASE_ANGLE < 15")
    images.with_keywords("EXPOSURE_DURATION")
    frame = images.df
    frame.loc[0, "id"] = "changed"
    assert images.rows() == before


# ------------------------------------------------------------------------------- sorting and counting


def test_sorting_puts_missing_values_last_both_ways(images: Results) -> None:
    assert ids(images.sort("PHASE_ANGLE")) == ["C1", "C2", "C4", "C3"]
    assert ids(images.sort("PHASE_ANGLE", descending=True)) == ["C4", "C2", "C1", "C3"]
    assert ids(images.sort("start_time", descending=True)) == ["C4", "C2", "C1", "C3"]


def test_rows_that_sort_equal_keep_their_order(images: Results) -> None:
    assert ids(images.sort("level")) == ["C2", "C4", "C3", "C1"]
    assert ids(images.sort("level", "id", descending=True)) == ["C1", "C4", "C3", "C2"]
    assert ids(images[::-1].sort("product_type")) == ["C3", "C4", "C2", "C1"]


def test_sorted_results_can_be_sliced_filtered_and_widened(images: Results) -> None:
    back = images.sort("start_time", descending=True)
    assert ids(back[:2]) == ["C4", "C2"]
    assert ids(back.filter("PHASE_ANGLE < 30")) == ["C2", "C1"]
    assert back.with_keywords("FILTER_NAME")["FILTER_NAME"].tolist() == ["red", "blue", "blue", "blue"]


def test_sorting_by_nothing_is_an_error(images: Results) -> None:
    with pytest.raises(TypeError, match="needs the name of a column"):
        images.sort()


def test_a_summary_counts_each_combination(index: Index) -> None:
    summary = index.search().summary("instrument", "level")
    assert summary[["instrument", "level", "products"]].values.tolist() == [
        ["CAM", "calibrated", 3],
        ["CAM", "raw", 1],
        ["DUST", "calibrated", 2],
        ["SPEC", "calibrated", 2],
    ]
    assert str(summary["first"].dtype) == "datetime64[us]"
    assert summary["last"][2] == pd.Timestamp("2014-08-09")


def test_a_summary_of_all_rows_together_and_of_keywords(images: Results) -> None:
    assert images.summary()["products"].tolist() == [4]
    assert images[1:].summary("LINES")["products"].tolist() == [2, 1]
    assert images.summary("PHASE_ANGLE")["products"].tolist() == [1, 1, 1, 1]


# ------------------------------------------------------------------------------- where from


def test_results_know_where_they_came_from(images: Results, path: Path) -> None:
    assert images.source == f"index {path}"
    assert "order by p.start_time nulls last" in images.request.text
    assert "CAM" in str(images.request)
    assert images.asked_at.tzinfo is UTC
    assert images.complete
    assert images.left_out == ()


def test_a_limit_makes_results_incomplete_and_they_say_so(index: Index) -> None:
    limited = index.search(limit=3)
    assert len(limited) == 3
    assert ids(limited) == ["C1", "S1", "C2"]
    assert not limited.complete
    assert "cut by the limit: 8 products match" in repr(limited)
    assert index.search(limit=8).complete
    assert index.search(limit=100).complete
    assert not limited[:1].complete
    assert not limited.filter("PHASE_ANGLE < 90").complete


def test_a_slice_of_all_rows_is_no_cut_by_a_limit(index: Index) -> None:
    assert index.search()[:2].complete


# ------------------------------------------------------------------------------- text


def test_the_text_form_begins_with_a_summary(index: Index) -> None:
    shown = repr(index.search(instrument=["CAM", "SPEC"], keywords=["PHASE_ANGLE"])).splitlines()
    assert shown[0] == "6 products = 1 raw + 5 calibrated; CAM, SPEC; 2014-08-01 .. 2014-09-01"
    assert shown[1].split() == ["id", "instrument", "start_time", "level", "product_type", "PHASE_ANGLE"]
    assert shown[2].split() == ["C1", "CAM", "2014-08-01", "10:00:00", "raw", "RDR", "10"]
    assert shown[-1].split() == ["C3", "CAM", "-", "calibrated", "RDR", "-"]


def test_empty_results_say_so(index: Index) -> None:
    nothing = index.search(id="nix")
    assert repr(nothing) == "0 products"
    assert "0 products" in nothing._repr_html_()
    assert len(nothing.df) == 0
    assert list(nothing) == []
    assert nothing.df.columns.tolist() == list(DEFAULT_COLUMNS)


def test_one_product_is_no_plural(index: Index) -> None:
    assert repr(index.search(id="C1")).startswith("1 product = 1 raw; CAM; 2014-08-01 .. 2014-08-01")


def test_html_of_labels_is_text(index: Index) -> None:
    results = index.search(instrument="DUST", keywords=["COMMENT"])
    for shown in (results._repr_html_(), results[0]._repr_html_()):
        assert "<b>loud</b>" not in shown
        assert "&lt;b&gt;loud&lt;/b&gt;" in shown


def test_html_shows_units_and_how_many_rows_are_left(tmp_path: Path) -> None:
    rows: list[tuple[dict[str, object], dict[str, object]]] = [({"id": f"P{n:03}"}, {"X": n}) for n in range(12)]
    family = FamilyOf("SC/A", "A", [Shape("X", "int", "km<br>")], rows)
    with open_index(write_index(tmp_path / "i.duckdb", [family])) as index:
        results = index.search(keywords=["X"])
        assert ">X<br><small>km&lt;br&gt;</small></th>" in results._repr_html_()
        assert "&hellip; 2 more" in results._repr_html_()
        assert repr(results).endswith("... 2 more")


def test_control_characters_and_long_texts_do_not_break_the_table(tmp_path: Path) -> None:
    family = FamilyOf("SC/A", "A", [Shape("X", "text")], [({"id": "a\nb\x1b[31m"}, {"X": "long " * 100})])
    with open_index(write_index(tmp_path / "i.duckdb", [family])) as index:
        shown = repr(index.search(keywords=["X"]))
        assert len(shown.splitlines()) == 3
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) < 120


# ------------------------------------------------------------------------------- products


def test_a_product_has_its_columns_as_attributes_and_items(images: Results) -> None:
    product = images[0]
    assert isinstance(product, Product)
    assert (product.id, product.version, product.level) == ("C1", "1", "raw")
    assert product["PHASE_ANGLE"] == product.PHASE_ANGLE == 10.0
    assert product.start_time == datetime.fromisoformat("2014-08-01T10:00:00")
    assert product.as_dict()["LINES"] == 1024
    assert {"id", "PHASE_ANGLE", "label_path"} <= set(dir(product))
    assert "PHASE_ANGLE" in repr(product)
    with pytest.raises(AttributeError, match="a product has no 'nix'"):
        _ = product.nix
    with pytest.raises(KeyError, match="no column 'nix'"):
        product["nix"]


def test_products_are_equal_by_their_rows(images: Results) -> None:
    assert images[0] == images[[0]][0]
    assert images[0] != images[1]
    assert len({images[0], images[0], images[1]}) == 2


def test_a_product_reads_its_label_when_asked(images: Results, path: Path) -> None:
    product = images[0]
    assert product.label_path == path.parent / "C1.LBL"
    assert product["label"] == "C1.LBL"
    assert product.label["PHASE_ANGLE"] == 10.0


def test_a_label_that_is_gone_is_a_typed_error(images: Results) -> None:
    with pytest.raises((LabelError, OSError)):
        _ = images[1].label


def test_a_volume_that_the_index_does_not_know_is_a_typed_error(tmp_path: Path) -> None:
    path = write_index(tmp_path / "i.duckdb", [camera()], "delete from roots")
    with open_index(path) as index, pytest.raises(ReadError, match="does not say where volume 'volume' is"):
        _ = index.search()[0].label_path


# ------------------------------------------------------------------------------- to Parquet


def test_parquet_keeps_rows_units_and_where_they_came_from(images: Results, tmp_path: Path) -> None:
    written = images.to_parquet(tmp_path / "images.parquet")
    table = pq.read_table(written)
    assert table.column("id").to_pylist() == ["C1", "C2", "C4", "C3"]
    assert table.schema.field("PHASE_ANGLE").metadata == {b"unit": b"deg"}
    assert table.schema.metadata is not None
    assert table.schema.metadata[b"psalab.complete"] == b"true"
    assert b"order by" in table.schema.metadata[b"psalab.request"]
    assert [item.name for item in tmp_path.iterdir()] == ["images.parquet"]


def test_parquet_that_cannot_be_written_leaves_nothing(images: Results, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        images.to_parquet(tmp_path / "none" / "images.parquet")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------- pages


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,503 products whose order in the file is not the order of their times, two in three with a value below 2."""
    return write_index(
        tmp_path_factory.mktemp("many") / "index.duckdb",
        [FamilyOf("SC/A", "A", [Shape("X", "int")])],
        """
        insert into products select i * 13, 'PDS3', 'data', 'P' || lpad(i::varchar, 5, '0'), '1', true, 'D', 'M', 'SC',
            'A', ['T'], timestamp '2014-08-01' + to_minutes(i), null, 'raw', null, 'EDR', 'SC/A', 'volume', i || '.LBL',
            null, 1, null from range(2503) t(i) order by hash(i);
        insert into meta."SC/A" select i * 13, i % 3 from range(2503) t(i) order by hash(i + 1);
        update families set products = 2503;
        """,
    )


def test_pages_follow_each_other(many: Path) -> None:
    with open_index(many) as index:
        results = index.search(keywords=["X"])
        assert len(results) > 2 * PAGE
        expected = [f"P{number:05}" for number in range(2503)]
        assert ids(results) == expected
        assert results["id"].tolist() == expected
        assert results["X"].tolist() == [number % 3 for number in range(2503)]
        assert [results[place].id for place in (0, 999, 1000, 2502, -1)] == [
            "P00000", "P00999", "P01000", "P02502", "P02502",
        ]  # fmt: skip


def test_pages_of_filtered_rows_follow_each_other(many: Path) -> None:
    expected = [f"P{number:05}" for number in range(2503) if number % 3 < 2]
    with open_index(many) as index:
        results = index.search(filter="X < 2")
        assert len(results) == len(expected)
        assert ids(results) == expected
        assert results.df["id"].tolist() == expected
        assert ids(results[1500:1510]) == expected[1500:1510]
        assert ids(results[::-1].filter("X = 1"))[:2] == ["P02500", "P02497"]
        assert ids(index.search(filter="X < 2", limit=1200))[-1] == expected[1199]
        assert len(index.search(filter="X < 2", limit=1200).df) == 1200
