"""Building an index: the products and files in it, several roots, executors, and that nothing depends on order."""

from __future__ import annotations

import random
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from psalab.demo_volume import write_volume
from psalab.errors import RootRefused
from psalab.index import build as building
from psalab.index.build import Progress, build_index
from tests.index.volumes import ask, column, differences, index_of, keyword, pds3, pds4, series, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psalab.demo_volume import DemoVolume

ATTACHED = 'PDS_VERSION_ID = PDS3\r\nPRODUCT_ID = "{}"\r\nEND\r\n'


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoVolume:
    return write_volume(tmp_path_factory.mktemp("demo") / "volume")


@pytest.fixture(scope="module")
def demo_index(demo: DemoVolume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    index = tmp_path_factory.mktemp("index") / "index.duckdb"
    build_index(demo.folder, index, jobs=1, structure=True)
    return index


# ---------------------------------------------------------------------------------------------- the demonstration volume


def test_every_label_of_the_demonstration_volume_is_a_product(demo: DemoVolume, demo_index: Path) -> None:
    found = ask(demo_index, "select label, standard, kind, family, id, version, dataset from products order by label")
    assert found == [
        (label.path, label.standard, label.kind, label.family, label.id, label.version, label.dataset)
        for label in sorted(demo.labels, key=lambda label: label.path)
    ]


def test_every_broken_label_of_the_demonstration_volume_is_rejected(demo: DemoVolume, demo_index: Path) -> None:
    found = ask(demo_index, "select path, reason <> '' from rejected order by path")
    assert found == [(broken.path, True) for broken in demo.rejected]


def test_the_files_of_a_product_are_known(demo: DemoVolume, demo_index: Path) -> None:
    found = ask(
        demo_index,
        "select trim(folder || '/' || name, '/') as path, p.label from files f join products p using (product_key)"
        " where role = 'data' order by all",
    )
    there = {path for path, _ in found} | {label.path for label in demo.labels}
    named = sorted(
        (file, label.path) for label in demo.labels for file in label.files if file != label.path and file in there
    )
    assert found == named


def test_all_files_of_a_volume_are_listed(demo: DemoVolume, demo_index: Path) -> None:
    assert ask(demo_index, "select count(*), sum(size) from files") == [(demo.files, demo.bytes)]
    labels = {
        path for (path,) in ask(demo_index, "select trim(folder || '/' || name, '/') from files where role = 'label'")
    }
    assert labels == {label.path for label in demo.labels} | {broken.path for broken in demo.rejected}


def test_the_two_labels_of_twins_are_linked(demo: DemoVolume, demo_index: Path) -> None:
    found = ask(
        demo_index,
        "select a.label, d.label from products a join products d on a.twin_of = d.product_key order by all",
    )
    assert found == sorted((label.twin, label.path) for label in demo.labels if label.twin)
    assert found


# -------------------------------------------------------------------------------------------------------- independence


class Shuffled(Executor):
    """Runs one of those that wait, whichever comes up."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.waiting: list[tuple[int, Future[Any], Callable[[], Any]]] = []
        self.submitted = 0
        self.order: list[int] = []
        self.thread = ThreadPoolExecutor(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((self.submitted, future, partial(fn, *args, **kwargs)))
        self.submitted += 1
        self.thread.submit(self._run_one)
        return future

    def _run_one(self) -> None:
        number, future, call = self.waiting.pop(self.dice.randrange(len(self.waiting)))
        self.order.append(number)
        future.set_result(call())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.thread.shutdown(wait=wait, cancel_futures=cancel_futures)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", 20)


@pytest.fixture(scope="module")
def reference(demo: DemoVolume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration volume by one process, in small chunks."""
    index = tmp_path_factory.mktemp("reference") / "index.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "CHUNK", 20)
        build_index(demo.folder, index, jobs=1)
    return index


@pytest.mark.usefixtures("small_chunks")
def test_two_processes_give_the_same_index_as_one(demo: DemoVolume, reference: Path, tmp_path: Path) -> None:
    build_index(demo.folder, tmp_path / "two.duckdb", jobs=2)
    assert differences(reference, tmp_path / "two.duckdb") == {}


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_in_which_chunks_are_scraped_does_not_matter(
    demo: DemoVolume, reference: Path, tmp_path: Path, seed: int
) -> None:
    with Shuffled(seed) as executor:
        build_index(demo.folder, tmp_path / "shuffled.duckdb", executor=executor)
    assert executor.order != sorted(executor.order)
    assert differences(reference, tmp_path / "shuffled.duckdb") == {}


@pytest.mark.usefixtures("small_chunks")
def test_any_executor_will_do(demo: DemoVolume, reference: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as executor:
        build_index(demo.folder, tmp_path / "threads.duckdb", executor=executor)
    assert differences(reference, tmp_path / "threads.duckdb") == {}


@pytest.mark.usefixtures("small_chunks")
def test_dask_gives_the_same_index(demo: DemoVolume, reference: Path, tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
        client.get_executor() as executor,
    ):
        build_index(demo.folder, tmp_path / "dask.duckdb", executor=executor)
    assert differences(reference, tmp_path / "dask.duckdb") == {}


def test_a_build_in_a_process_with_threads_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", 5)
    with warnings.catch_warnings(), ThreadPoolExecutor(1) as busy:
        warnings.simplefilter("error")
        busy.submit(int).result()
        index = index_of(tmp_path, series(["1"] * 20), jobs=2)
    assert ask(index, "select count(*) from products") == [(20,)]


# ------------------------------------------------------------------------------------------------------------ products


def test_the_keys_of_products_are_those_of_root_and_label_whatever_the_place(tmp_path: Path) -> None:
    files = {"Q.LBL": pds3(id="Q")}
    one, other = index_of(tmp_path / "here", files), index_of(tmp_path / "there", {**files, "new.lbl": pds3()})
    key = "select product_key from products where label = 'Q.LBL'"
    assert ask(one, key) == ask(other, key) == [(-3021368636398009512,)]


def test_what_identifies_a_product_comes_from_its_label(tmp_path: Path) -> None:
    label = pds3(
        'DATA_SET_ID = "RO-C-OSINAC-3-ESC1-67P-M07-V1.0"', 'PRODUCT_VERSION_ID = "V2"', 'MISSION_NAME = "ROSETTA"',
        'TARGET_NAME = {"67P", "CALIBRATION"}', "START_TIME = 2014-08-01T10:00:00.5Z", 'STOP_TIME = "UNK"',
        "PRODUCT_TYPE = RDR", 'PROCESSING_LEVEL_ID = "3"', id="N1.IMG", host="RO", instrument="OSINAC",
    )  # fmt: skip
    index = index_of(tmp_path, {"DATA/N1.LBL": label})
    wanted = (
        "standard, kind, id, version, dataset, mission, host, instrument, targets, level, level_native, product_type"
    )
    assert ask(index, f"select {wanted}, family, root, label from products") == [
        ("PDS3", "data", "N1.IMG", "V2", "RO-C-OSINAC-3-ESC1-67P-M07-V1.0", "ROSETTA", "RO", "OSINAC",
         ["67P", "CALIBRATION"], "calibrated", "3", "RDR", "RO/OSINAC", "volume", "DATA/N1.LBL")
    ]  # fmt: skip
    assert ask(index, "select start_time::varchar, stop_time from products") == [("2014-08-01 10:00:00.5", None)]


def test_host_and_instrument_come_from_the_name_of_the_data_set_where_they_are_missing(tmp_path: Path) -> None:
    label = pds3('DATA_SET_ID = "MEX-M-HRSC-3-RDR-V2.0"', host=None, instrument="N/A")
    index = index_of(tmp_path, {"P.LBL": label})
    assert ask(index, "select host, instrument, family, level, version from products") == [
        ("MEX", "HRSC", "MEX/HRSC", "calibrated", "2.0")
    ]


def test_a_set_of_ids_is_one_name_whatever_its_order(tmp_path: Path) -> None:
    files = {
        "1.LBL": pds3("INSTRUMENT_ID = {WAC, NAC}", instrument=None),
        "2.LBL": pds3("INSTRUMENT_ID = {NAC, WAC}", instrument=None),
    }
    assert ask(index_of(tmp_path, files), "select distinct instrument, family from products") == [
        ("NAC+WAC", "SC/NAC+WAC")
    ]


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        (["1.9", "1.10", "1.1"], ["1.10"]),
        (["2.0", "10.0"], ["10.0"]),
        (["1.0", "1.0"], ["1.0", "1.0"]),
        (["1.0", "1.0.1"], ["1.0.1"]),
    ],
)
def test_the_latest_version_is_the_highest_number(tmp_path: Path, versions: list[str], latest: list[str]) -> None:
    files = {f"{at}.xml": pds4(version=version) for at, version in enumerate(versions)}
    index = index_of(tmp_path, files)
    assert sorted(version for (version,) in ask(index, "select version from products")) == sorted(versions)
    assert [version for (version,) in ask(index, "select version from products where latest")] == latest


def test_versions_compete_in_a_data_set_whatever_its_version(tmp_path: Path) -> None:
    datasets = ["RO-C-CAM-3-A-V1.0", "RO-C-CAM-3-A-V2.0", "RO-C-CAM-3-B-V1.0", "RO-C-CAM-3-A-V10.0"]
    files = {f"{at}.LBL": pds3(f'DATA_SET_ID = "{dataset}"') for at, dataset in enumerate(datasets)}
    index = index_of(tmp_path, files)
    assert ask(index, "select dataset from products where latest order by 1") == [
        ("RO-C-CAM-3-A-V10.0",), ("RO-C-CAM-3-B-V1.0",),
    ]  # fmt: skip


def test_two_labels_with_the_same_identifier_are_two_products(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"a/P.LBL": pds3("X = 1"), "b/P.LBL": pds3("X = 2")})
    assert ask(index, "select label, id, latest from products order by 1") == [
        ("a/P.LBL", "P", True),
        ("b/P.LBL", "P", True),
    ]


# --------------------------------------------------------------------------------------------------------------- files


def test_labels_are_known_by_their_suffix_in_any_case(tmp_path: Path) -> None:
    files = {
        "1.LBL": pds3(), "2.lbl": pds3(), "3.Lbl": pds3(), "4.XML": pds4(), "5.xml": pds4(), "6.lblx": pds4(),
        "7.LBLX": pds4(), "8.txt": pds3(), "9.LBL.bak": pds3(),
    }  # fmt: skip
    index = index_of(tmp_path, files)
    assert ask(index, "select label from products order by 1") == [(name,) for name in sorted(files)[:7]]


def test_an_attached_label_is_a_product_unless_a_detached_one_names_its_file(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "ONE.IMG": ATTACHED.format("ONE"),
        "TWO.IMG": ATTACHED.format("TWO"),
        "TWO.LBL": pds3('^IMAGE = "two.img"', id="DETACHED"),
        "SUB/TWO.IMG": ATTACHED.format("OTHER FOLDER"),
        "DATA.TAB": b"1,2,3\r\n",
        "NOISE.DAT": bytes(range(256)),
    }
    index = index_of(tmp_path, files)
    assert ask(index, "select label, id from products order by 1") == [
        ("ONE.IMG", "ONE"), ("SUB/TWO.IMG", "OTHER FOLDER"), ("TWO.LBL", "DETACHED"),
    ]  # fmt: skip
    assert ask(index, "select * from rejected") == []
    roles = dict(ask(index, "select name, role from files where folder = ''"))
    assert roles == {
        "ONE.IMG": "label", "TWO.IMG": "data", "TWO.LBL": "label", "DATA.TAB": "peeked", "NOISE.DAT": "peeked",
    }  # fmt: skip


def test_a_detached_label_and_the_attached_one_of_its_stem_are_twins(tmp_path: Path) -> None:
    files = {"P.LBL": pds3('^TABLE = "P.ASC"'), "P.ASC": "1\r\n", "P.IMG": ATTACHED.format("P")}
    index = index_of(tmp_path, files)
    assert ask(
        index, "select a.label, d.label from products a left join products d on a.twin_of = d.product_key order by 1"
    ) == [("P.IMG", "P.LBL"), ("P.LBL", None)]


def test_a_bad_attached_label_is_rejected(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.IMG": 'PDS_VERSION_ID = PDS3\r\nX = "never closed\r\nEND\r\n'})
    ((path, reason),) = ask(index, "select path, reason from rejected")
    assert path == "P.IMG"
    assert "quot" in reason
    assert ask(index, "select products, rejected from runs") == [(0, 1)]


def test_data_behind_an_attached_label_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "volume", {"P.IMG": ATTACHED.format("P")})
    with (tmp_path / "volume/P.IMG").open("r+b") as file:
        file.truncate(2 * 2**30)  # sparse: two gigabytes behind the label
    index = tmp_path / "index.duckdb"
    build_index(tmp_path / "volume", index, jobs=1)
    assert ask(index, "select id, size from products join files using (product_key)") == [("P", 2 * 2**30)]
    ((read,),) = ask(index, "select bytes from runs")
    assert read < 2**20


def test_structure_blocks_become_columns_when_asked_for(tmp_path: Path) -> None:
    block = "OBJECT = IMAGE\r\n  LINES = 5\r\n  OBJECT = WINDOW\r\n    BITS = 8\r\n  END_OBJECT\r\nEND_OBJECT = IMAGE"
    files = {"P.LBL": pds3("X = 1", block, "OBJECT = NOTES\r\n  A = 1\r\nEND_OBJECT")}
    paths = "select path from keywords where path similar to '(X|.*/.*)' order by 1"
    without, with_them = index_of(tmp_path / "1", files), index_of(tmp_path / "2", files, structure=True)
    assert ask(without, paths) == [("NOTES/A",), ("X",)]
    assert ask(with_them, paths) == [("IMAGE/LINES",), ("IMAGE/WINDOW/BITS",), ("NOTES/A",), ("X",)]
    assert [ask(index, "select value from about where key = 'structure'") for index in (without, with_them)] == [
        [("false",)], [("true",)],
    ]  # fmt: skip


def test_what_is_excluded_is_not_there(tmp_path: Path) -> None:
    files = {"DATA/P.LBL": pds3(), "EXTRAS/Q.LBL": pds3(), "DATA/OLD/R.LBL": pds3()}
    index = index_of(tmp_path, files, exclude=["EXTRAS", "DATA/OLD"])
    assert ask(index, "select label from products") == [("DATA/P.LBL",)]
    assert ask(index, "select folder, name from files") == [("DATA", "P.LBL")]
    ((settings,),) = ask(index, "select settings from runs")
    assert settings == '{"exclude": ["EXTRAS", "DATA/OLD"], "structure": false}'


# --------------------------------------------------------------------------------------------------------------- roots


def test_several_roots_stand_in_one_index(tmp_path: Path) -> None:
    a, b = write(tmp_path / "A", series(["1"] * 60)), write(tmp_path / "B", series(["2"] * 60, first=60))
    build_index([a, b], tmp_path / "index.duckdb", jobs=1)
    index = tmp_path / "index.duckdb"
    assert ask(index, "select root, path, products from roots order by 1") == [("A", str(a), 60), ("B", str(b), 60)]
    assert column(index) == [1] * 60 + [2] * 60


def test_the_marker_of_a_root_is_noted(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"VOLDESC.CAT": pds3(), "P.LBL": pds3()})
    assert ask(index, "select marker from roots") == [("VOLDESC.CAT",)]


def rebuilt(tmp_path: Path, b: dict[str, str], a: dict[str, str], now: dict[str, str]) -> tuple[Path, Path]:
    """Index of B and A of which A was built anew with other files, and one of the same two roots made at once."""
    index, fresh = tmp_path / "index.duckdb", tmp_path / "fresh.duckdb"
    for root, files in (("B", b), ("A", a)):
        build_index(write(tmp_path / root, files), index, jobs=1)
    for path in (tmp_path / "A").iterdir():
        path.unlink()
    build_index(write(tmp_path / "A", now), index, jobs=1)
    build_index([tmp_path / "A", tmp_path / "B"], fresh, jobs=1)
    return index, fresh


def test_a_root_that_is_built_anew_leaves_the_others_alone(tmp_path: Path) -> None:
    of_b = series(["5", "6 <km>", '"N/A"'] * 50, first=100) | {
        "small.xml": pds4(),
        "bad.lbl": "X = (1",
        "data.tab": "1",
    }
    of_a = series(["1", "2"]) | {"Q.LBL": pds3("OLD = 1", id="Q")}
    index, fresh = rebuilt(tmp_path, of_b, of_a, series(["3 <km>", "4"] * 3))
    assert differences(index, fresh) == {}
    assert ask(index, "select run from runs order by 1") == [(1,), (2,), (3,)]
    assert ask(index, "select root, last_run from roots order by 1") == [("A", 3), ("B", 1)]
    assert ask(index, "select distinct root, run from products order by 1") == [("A", 3), ("B", 1)]


def test_a_scalar_column_becomes_a_list_where_the_new_root_has_lists(tmp_path: Path) -> None:
    index, fresh = rebuilt(tmp_path, series(["1.5", '"N/A"'] * 60, first=100), {}, series(["(2.5, 3.5)"]))
    assert column(index)[:3] == [[2.5, 3.5], [1.5], None]
    assert differences(index, fresh) == {}


def test_units_that_disagree_between_roots(tmp_path: Path) -> None:
    index, fresh = rebuilt(tmp_path, series(["1 <km>", '"N/A"'] * 60, first=100), {}, series(["2 <m>"]))
    assert keyword(index, "X", "units") == ["km", "m"]
    assert column(index, keyword(index, "X", "unit_column"))[:3] == ["m", "km", None]
    assert differences(index, fresh) == {}


def test_a_column_that_is_kept_keeps_its_type(tmp_path: Path) -> None:
    index, _ = rebuilt(tmp_path, series(["1"] * 100, first=100), {}, series(["WORD"] * 50))
    assert keyword(index, "X", "type") == "int"
    assert column(index) == [None] * 50 + [1] * 100
    assert ask(index, "select count(*) from odd_values where text = 'WORD'") == [(50,)]
    assert keyword(index, "X", "odd") == 50


def test_a_keyword_that_no_root_has_any_more_is_gone(tmp_path: Path) -> None:
    of_a = {"Q.LBL": pds3("OLD = 1", id="Q")}
    index, fresh = rebuilt(tmp_path, series(["1"] * 100, first=100), of_a, series(["2"]))
    assert ask(index, "select count(*) from keywords where path = 'OLD'") == [(0,)]
    assert differences(index, fresh) == {}


def test_a_family_that_is_kept_keeps_its_form(tmp_path: Path) -> None:
    index, _ = rebuilt(tmp_path, series(["1"] * 60, first=100), {}, series(["2"] * 60))
    assert ask(index, "select products, wide from families") == [(120, False)]
    assert ask(index, "select number, count(*) from meta.other where path = 'X' group by 1 order by 1") == [
        (1, 60),
        (2, 60),
    ]


def test_versions_compete_across_roots_and_builds(tmp_path: Path) -> None:
    index, fresh = rebuilt(tmp_path, {"P.xml": pds4(version="1.9")}, {}, {"P.xml": pds4(version="1.10")})
    assert ask(index, "select version, latest from products order by all") == [("1.10", True), ("1.9", False)]
    assert differences(index, fresh) == {}


def test_an_outer_root_absorbs_the_inner_ones(tmp_path: Path) -> None:
    index, fresh = tmp_path / "index.duckdb", tmp_path / "fresh.duckdb"
    for name in ("volumes/A", "volumes/B", "C"):
        build_index(write(tmp_path / name, {"P.LBL": pds3()}), index, jobs=1)
    build_index([tmp_path / "volumes", tmp_path / "volumes/A"], index, jobs=1)
    build_index([tmp_path / "volumes", tmp_path / "C"], fresh, jobs=1)
    assert ask(index, "select root, products from roots order by 1") == [("C", 1), ("volumes", 2)]
    assert differences(index, fresh) == {}


def test_a_root_inside_another_is_refused_with_the_command_to_use(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"DATA/P.LBL": pds3()})
    before = index.read_bytes()
    with pytest.raises(RootRefused, match=r"lies inside the root volume .*: psalab index update --under DATA"):
        build_index(tmp_path / "volume/DATA", index, jobs=1)
    assert index.read_bytes() == before


def test_no_root_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RootRefused, match="no root was given"):
        build_index([], tmp_path / "index.duckdb")


def test_roots_of_one_name_are_told_apart_and_keep_their_names(tmp_path: Path) -> None:
    index = tmp_path / "index.duckdb"
    for place in "xy":
        build_index(write(tmp_path / place / "data", {"P.LBL": pds3(f"X = {place}")}), index, jobs=1)
    names = "select root, path, products from roots order by 2"
    both = [("data", str(tmp_path / "x/data"), 1), ("y/data", str(tmp_path / "y/data"), 1)]
    assert ask(index, names) == both
    for place in "yx":
        build_index(tmp_path / place / "data", index, jobs=1)
        assert ask(index, names) == both


def test_a_volume_that_is_mounted_elsewhere_keeps_its_name_and_keys(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3()})
    before = ask(index, "select product_key, root from products")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "volume").rename(tmp_path / "elsewhere/volume")
    build_index(tmp_path / "elsewhere/volume", index, jobs=1)
    assert ask(index, "select product_key, root from products") == before


def test_a_link_to_a_root_is_that_root(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"P.LBL": pds3()})
    (tmp_path / "link").symlink_to("volume")
    build_index(tmp_path / "link", index, jobs=1)
    assert ask(index, "select root, path from roots") == [("volume", str(tmp_path / "volume"))]


# ------------------------------------------------------------------------------------------------- report and progress


def test_a_build_reports_what_it_did(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", {"P.LBL": pds3(), "bad.lbl": "", "P.IMG": b"123"})
    report = build_index(root, tmp_path / "deep/er/index.duckdb", jobs=1)
    assert (report.index, report.labels, report.products, report.rejected, report.files, report.resumed) == (
        tmp_path / "deep/er/index.duckdb", 2, 1, 1, 3, 0,
    )  # fmt: skip
    assert report.seconds > 0
    assert [path.name for path in report.index.parent.iterdir()] == ["index.duckdb"]


def test_a_build_tells_how_far_it_is(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", {"P.LBL": pds3(), "bad.lbl": "", "P.IMG": ATTACHED.format("P")})
    told: list[Progress] = []
    build_index(root, tmp_path / "index.duckdb", jobs=1, progress=told.append)
    assert next(report.step for report in told if report.step != "walk") == "scrape"
    assert told[0] == Progress("walk", 3)
    assert Progress("scrape", 2, 2, 1) in told
    assert Progress("peek", 3, 3, 1) in told
    assert told[-1] == Progress("load files", 3, 3, 1)


def test_the_run_is_in_the_index(tmp_path: Path) -> None:
    from importlib.metadata import version

    index = index_of(tmp_path, {"P.LBL": pds3(), "bad.lbl": ""})
    ((run, command, labels, products, rejected, files, jobs, psalab, took),) = ask(
        index, "select run, command, labels, products, rejected, files, jobs, psalab, ended >= started from runs"
    )
    assert (run, command, labels, products, rejected, files, jobs, psalab, took) == (
        1, "build", 2, 1, 1, 2, 1, version("psalab"), True,
    )  # fmt: skip
    assert dict(ask(index, "select key, value from about")) == {
        "schema_version": "1", "psalab": version("psalab"), "structure": "false",
    }  # fmt: skip
