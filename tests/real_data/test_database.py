"""`Database` on real labels: the published table comes out of the bundled recipe, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from psalab import Database

if TYPE_CHECKING:
    from pathlib import Path

#: Columns that the author computed from others, or that are his own paths.
NOT_SCRAPED = ["filename", "half_width", "browse_url", "data_url"]


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"start_time": "datetime64[us]", "stop_time": "datetime64[us]"}).sort_values(
        "prod_id", ignore_index=True
    )


def test_the_published_table_of_osiris_comes_out_of_the_bundled_recipe(osiris_labels: Path, shared: Path) -> None:
    database = Database(files="N*.LBL", directory=osiris_labels, config_file="osiris_nac_zoo.yml", recursive=True)
    table = database.get_table("osiris_nac_zoo")
    assert table is not None
    assert len(table) == 12_344
    kept = table[table["surf_int_x"].notna()]
    assert len(kept) == 11_344
    kept = kept[kept["distance"] < 50.0]

    # as text, for not every pandas reads a float to the last bit; the first 8 rows are copies of later ones
    published = pd.read_csv(shared / "data" / "osiris_published_metadata.csv.gz", dtype=str)
    published = published.drop_duplicates("prod_id", keep="last").drop(columns=NOT_SCRAPED)
    published = published.astype(dict.fromkeys(kept.columns[7:], "float64"))
    assert len(published) == 10_344
    assert set(published.columns) == set(kept.columns) - {"filename"}
    assert (kept.dtypes.iloc[7:] == "float64").all()
    kept, published = comparable(kept[published.columns]), comparable(published)
    pd.testing.assert_frame_equal(kept, published, check_exact=True)
    floats = list(kept.select_dtypes("float64"))
    assert len(floats) == 11
    assert kept[floats].to_numpy().tobytes() == published[floats].to_numpy().tobytes()


def test_units_and_missing_values_of_osiris_are_told(osiris_labels: Path) -> None:
    database = Database(directory=osiris_labels, config_file="osiris_nac_zoo.yml")
    about = database.dbase["osiris_nac_zoo"].attrs["psalab"]
    assert {name: unit for name, unit in about["units"].items() if unit != "km"} == {
        "phase_angle": "deg", "sub_sc_lat": "deg", "sub_sc_lon": "deg",
    }  # fmt: skip
    assert {name: reasons for name, reasons in about["missing"].items() if reasons} == {
        name: {"N/A": 1000} for name in ("surf_int_x", "surf_int_y", "surf_int_z", "distance")
    }


def test_the_bundled_recipe_of_mcam_finds_every_keyword_of_a_real_product(real_products: Path) -> None:
    database = Database(directory=real_products, config_file="bc_mtm_mcam.yml")
    (image,) = database.dbase["mcam_images"].to_dict("records")
    (browse,) = database.dbase["mcam_browse"].to_dict("records")
    assert [name for name, value in {**image, **browse}.items() if pd.isna(value)] == []
    assert image == image | {
        "camera": "CAM3", "exposure": 4.0, "gain": 2.01, "lines": 1024, "samples": 1024,
        "solar_distance": 69325702.90179566, "meta_kernel": "bc_ops_v430_20241016_002.tm",
    }  # fmt: skip
    assert browse["data_lid"].endswith(":data_raw:cam_raw_sc_cam3_image_20241018t001002_61_f__t0004")
    assert database.dbase["mcam_images"].attrs["psalab"]["units"]["exposure"] == "ms"
