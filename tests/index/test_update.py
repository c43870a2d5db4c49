"""An update finds what is new, changed or gone, reads nothing else, and gives what a build would."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from psalab.demo_volume import write_volume
from psalab.errors import IndexFileError, IndexLocked, NotMounted, RootRefused, TooMuchForgotten, VolumeError
from psalab.index import build as building
from psalab.index.build import build_index, locked
from psalab.index.update import UpdateReport, update_index
from tests.index.volumes import OF_A_RUN, ask, column, differences, keyword, pds3, pds4, series, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What an update leaves to the next build: what types are settled from, and examples of values.
LEFT = {"main.observed"}


def indexed(tmp_path: Path, files: Mapping[str, str | bytes]) -> tuple[Path, Path]:
    """A volume, and an index of it."""
    root, index = write(tmp_path / "volume", files), tmp_path / "index.duckdb"
    build_index(root, index, jobs=1)
    return root, index


def updated(index: Path, *roots: Path, **options: Any) -> UpdateReport:
    return update_index(index, roots, **{"jobs": 1, "max_forget": 1.0, **options})


def unlike_a_build(tmp_path: Path, root: Path, index: Path, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Tables in which an index is not what a build of its root makes; `but` are columns of `keywords` to leave out."""
    fresh = tmp_path / "fresh.duckdb"
    fresh.unlink(missing_ok=True)
    build_index(root, fresh, jobs=1)
    left_out = OF_A_RUN | {"keywords": ("examples", *but)}
    found = differences(index, fresh, order=False, but=left_out)
    return {table: rows for table, rows in found.items() if table not in LEFT}


def later(path: Path, text: str) -> None:
    """Write a file so that its time is another one, too."""
    stat = path.stat() if path.exists() else None
    path.write_text(text)
    if stat:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_nothing_changed_reads_and_writes_nothing(tmp_path: Path) -> None:
    _, index = indexed(tmp_path, series(["1", "2"]) | {"bad.lbl": "X = ("})
    before = index.stat()
    report = updated(index)
    assert (report.read, report.new, report.changed, report.gone, report.files) == (0, 0, 0, 0, 3)
    assert (index.stat().st_ino, index.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_labels_that_are_new_changed_and_gone_alone_are_read(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(200)))
    (root / "P00003.LBL").unlink()
    later(root / "P00005.LBL", pds3("X = 1005", id="P5"))
    write(root, series(["7"], first=900))
    report = updated(index)
    assert (report.read, report.new, report.changed, report.gone, report.products) == (2, 1, 1, 1, 200)
    assert unlike_a_build(tmp_path, root, index) == {}
    assert column(index)[3:5] == [4, 1005]


def test_what_is_known_of_a_keyword_follows(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series([*(str(at) for at in range(150)), '"N/A"', '"N/A"']))
    for gone in ("P00000.LBL", "P00149.LBL", "P00150.LBL"):
        (root / gone).unlink()
    updated(index)
    assert keyword(index, "X", "(count, min, max, missing::varchar)") == (148, "1", "148", "{N/A=1}")


def test_a_new_keyword_is_a_new_column(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    write(root, {"new.lbl": pds3("X = 5", "Y = 1.5 <km>", id="new")})
    updated(index)
    assert unlike_a_build(tmp_path, root, index) == {}
    assert column(index, "Y")[-1] == 1.5
    assert ask(index, "select count(*) from CAM where Y is not null") == [(1,)]


def test_a_column_keeps_its_type_and_odd_values_are_counted(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    write(root, series(['"text"'] * 3, first=200))
    report = updated(index)
    assert keyword(index, "X", "(type, odd)") == ("int", 3)
    assert [note for note in report.notes if "X" in note and "psalab index build" in note]


def test_a_column_becomes_one_of_lists_and_one_of_units(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(f"{at} <km>" for at in range(120)))
    write(root, series(["(1 <m>, 2 <m>)"], first=200))
    updated(index)
    assert unlike_a_build(tmp_path, root, index) == {}
    assert column(index)[-2:] == [[119], [1, 2]]
    assert column(index, "X [unit]")[-2:] == ["km", "m"]


def test_a_small_family_stays_in_the_long_table_until_the_next_build(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(90)))
    write(root, series((str(at) for at in range(90, 130)), first=90))
    updated(index)
    assert ask(index, "select wide, products from families") == [(False, 130)]
    assert ask(index, "select count(*) from meta.other where path = 'X'") == [(130,)]


def test_a_new_family_of_many_labels_has_a_table_of_its_own(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    write(root / "other", series((str(at) for at in range(120)), instrument="OTHER"))
    updated(index)
    assert unlike_a_build(tmp_path, root, index) == {}


def test_what_is_latest_is_judged_anew(tmp_path: Path) -> None:
    def version(number: int) -> str:
        return pds4(lid="urn:esa:psa:b:data:p", version=f"{number}.0")

    root, index = indexed(tmp_path, {"a/1.xml": version(1), "a/2.xml": version(2)})
    write(root, {"a/10.xml": version(10)})
    updated(index)
    latest = "select version from products where latest"
    assert ask(index, latest) == [("10.0",)]
    (root / "a/10.xml").unlink()
    updated(index)
    assert ask(index, latest) == [("2.0",)]
    assert unlike_a_build(tmp_path, root, index) == {}


def test_an_attached_label_comes_and_goes_with_the_label_that_names_its_file(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"A.IMG": pds3("X = 1", id="A")})
    write(root, {"B.LBL": pds3('^IMAGE = "A.IMG"', id="B")})
    updated(index)
    assert ask(index, "select id from products") == [("B",)]
    assert unlike_a_build(tmp_path, root, index) == {}
    (root / "B.LBL").unlink()
    updated(index)
    assert ask(index, "select id from products") == [("A",)]
    assert unlike_a_build(tmp_path, root, index) == {}


def test_rejected_labels_follow_and_keep_when_they_were_first_rejected(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"a.lbl": pds3(), "bad.lbl": "X = (", "worse.lbl": "Y = (", "old.lbl": "Z = ("})
    since = ask(index, "select since from rejected where path = 'old.lbl'")
    later(root / "bad.lbl", pds3(id="now good"))
    (root / "worse.lbl").unlink()
    later(root / "a.lbl", "A = {")
    updated(index)
    assert ask(index, "select path from rejected order by path") == [("a.lbl",), ("old.lbl",)]
    assert ask(index, "select since from rejected where path = 'old.lbl'") == since
    assert unlike_a_build(tmp_path, root, index) == {}


def test_whatever_happens_to_a_volume_the_result_is_that_of_a_build(tmp_path: Path) -> None:
    demo = write_volume(tmp_path / "volume")
    root, index = demo.folder, tmp_path / "index.duckdb"
    build_index(root, index, jobs=1)
    chance = random.Random(20261121)
    held = tmp_path / "held"
    for _ in range(4):
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for number, path in enumerate(chance.sample(files, 24)):
            if number < 8:
                place = held / path.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, place)
            elif number < 16:
                later(path, path.read_bytes().decode("latin-1").replace("1", "2", 9))
            else:
                shutil.copy(path, path.with_name(f"copy_{path.name}"))
        for path in chance.sample(sorted(path for path in held.rglob("*") if path.is_file()), 4):
            shutil.move(path, root / path.relative_to(held))
        updated(index)
        # whether a label that is gone lacked a keyword or had no value for it is not known where some labels lack it
        assert unlike_a_build(tmp_path, root, index, "missing") == {}


# ------------------------------------------------------------------------------------------------------ what is forgotten


def test_more_than_a_hundredth_is_not_forgotten_without_leave(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(200)))
    for at in range(3):
        (root / f"P{at:05}.LBL").unlink()
    with pytest.raises(TooMuchForgotten, match="3 of 200 labels are gone, more than 1 %"):
        updated(index, max_forget=0.01)
    assert ask(index, "select count(*) from products") == [(200,)]
    assert updated(index, max_forget=0.02).gone == 3


def test_nothing_is_forgotten_of_a_volume_whose_marker_is_gone(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["1", "2"]) | {"VOLDESC.CAT": pds3(id="V")})
    (root / "VOLDESC.CAT").unlink()
    (root / "P00001.LBL").unlink()
    with pytest.raises(TooMuchForgotten, match=r"so is VOLDESC\.CAT"):
        updated(index)
    assert ask(index, "select count(*) from products") == [(2,)]


def test_a_root_that_is_empty_today_keeps_its_rows(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["1", "2"]))
    shutil.rmtree(root)
    root.mkdir()
    with pytest.raises(TooMuchForgotten):
        updated(index, max_forget=0.01)
    root.rmdir()
    with pytest.raises(NotMounted, match="is the volume mounted"):
        updated(index)
    assert ask(index, "select count(*) from products") == [(2,)]


def test_a_root_that_is_away_is_left_as_it_was_while_others_are_looked_at(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["1"]))
    other = write(tmp_path / "other", series(["2"]))
    updated(index, other)
    shutil.rmtree(root)
    write(other, series(["3"], first=5))
    report = updated(index)
    assert (report.new, report.gone, report.products) == (1, 0, 3)
    assert [note for note in report.notes if "not mounted" in note and "volume" in note]


# ------------------------------------------------------------------------------------------------- times and contents


def test_new_times_alone_make_a_sample_be_read(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(150)))
    for path in root.iterdir():
        os.utime(path, (1, 1))
    report = updated(index)
    assert (report.read, report.changed) == (0, 0)
    assert [note for note in report.notes if "a sample of 100 labels is what it was" in note]
    assert updated(index).notes == ()
    assert unlike_a_build(tmp_path, root, index) == {}


def test_new_times_and_other_contents_make_all_be_read(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(1000, 1150)))
    for path in root.iterdir():
        path.write_bytes(path.read_bytes().replace(b"X = 1", b"X = 2"))
        os.utime(path, (1, 1))
    report = updated(index)
    assert report.read == 150
    assert unlike_a_build(tmp_path, root, index) == {}


def test_contents_are_compared_where_certainty_is_wanted(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["1", "2", "3"]))
    path = root / "P00001.LBL"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"X = 2", b"X = 9"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert updated(index).changed == 0
    assert updated(index, by_hash=True).changed == 1
    assert unlike_a_build(tmp_path, root, index) == {}


# -------------------------------------------------------------------------------------------------------------- scopes


def test_only_a_folder_is_looked_at(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {f"{folder}/a.lbl": pds3(id=folder) for folder in "abc"})
    write(root, {f"{folder}/new.lbl": pds3(id=f"new {folder}") for folder in "abc"})
    assert updated(index, under="b").new == 1
    assert updated(index, under=root / "c").new == 1
    assert [row[0] for row in ask(index, "select label from products order by 1")] == [
        "a/a.lbl", "b/a.lbl", "b/new.lbl", "c/a.lbl", "c/new.lbl",
    ]  # fmt: skip
    assert updated(index).new == 1
    assert unlike_a_build(tmp_path, root, index) == {}


def test_only_listed_files_are_looked_at(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {f"d/{name}.lbl": pds3(id=name) for name in "abc"})
    (root / "d/b.lbl").unlink()
    (root / "d/c.lbl").unlink()
    write(root, {"d/new.lbl": pds3(id="new"), "d/unlisted.lbl": pds3(id="unlisted")})
    names = tmp_path / "list"
    names.write_text(f"{root / 'd/new.lbl'}\nd/b.lbl\n\nd/never_was.lbl\n")
    report = updated(index, from_list=names)
    assert (report.read, report.new, report.gone) == (1, 1, 1)
    assert ask(index, "select id from products order by 1") == [("a",), ("c",), ("new",)]
    report = updated(index)
    assert (report.new, report.gone) == (1, 1)
    assert unlike_a_build(tmp_path, root, index) == {}


@pytest.mark.parametrize("outside", ["../elsewhere", "/elsewhere"])
def test_what_lies_outside_the_roots_is_refused(tmp_path: Path, outside: str) -> None:
    _, index = indexed(tmp_path, series(["1"]))
    with pytest.raises(VolumeError):
        updated(index, under=outside)


def test_a_root_is_added(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    other = write(tmp_path / "other", series((f"{at}.5" for at in range(120)), instrument="OTHER"))
    assert updated(index, other).new == 120
    fresh = tmp_path / "both.duckdb"
    build_index([root, other], fresh, jobs=1)
    assert differences(index, fresh, order=False).keys() <= LEFT


def test_an_index_that_is_not_there_cannot_be_updated(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="psalab index build"):
        updated(tmp_path / "none.duckdb")


def test_two_updates_at_once_are_one_too_many(tmp_path: Path) -> None:
    _, index = indexed(tmp_path, series(["1"]))
    with locked(index), pytest.raises(IndexLocked):
        updated(index)


def test_an_update_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CHUNK", 5)
    root, index = indexed(tmp_path, series(["1"]))
    write(root, series((str(at) for at in range(50)), first=50))

    class Killed(BaseException):
        pass

    def kill(report: building.Progress) -> None:
        if report.step == "scrape" and report.done >= 20:
            raise Killed

    with pytest.raises(Killed):
        updated(index, progress=kill)
    assert ask(index, "select count(*) from products") == [(1,)]
    assert updated(index).read == 50
    assert unlike_a_build(tmp_path, root, index) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fresh.duckdb",
        "index.duckdb",
        "index.duckdb.checked",
        "volume",
    ]


# ----------------------------------------------------------------------------------------------------------- bad input


def test_a_file_that_changes_while_it_is_read_is_read_again_the_next_time(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    write(root, {"new.lbl": pds3("X = 1", id="new")})

    def change(report: building.Progress) -> None:
        if report.step == "scrape" and not report.done:
            later(root / "new.lbl", pds3("X = 2", "Y = 3", id="newer"))

    assert updated(index, progress=change).new == 1
    assert ask(index, "select id from products where label = 'new.lbl'") == [("newer",)]
    assert updated(index).changed == 1
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_label_that_goes_while_it_is_looked_for_is_rejected_and_forgotten_the_next_time(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    write(root, {"new.lbl": pds3("X = 1", id="new")})

    def remove(report: building.Progress) -> None:
        if report.step == "scrape":
            (root / "new.lbl").unlink(missing_ok=True)

    report = updated(index, progress=remove)
    assert (report.new, report.rejected) == (1, 1)
    assert updated(index).gone == 1
    assert unlike_a_build(tmp_path, root, index) == {}


ODD_NAMES = (
    b"caf\xe9.lbl",
    b"new\nline.lbl",
    b"quo'te.lbl",
    b'quo"te.lbl',
    b"back\\slash.lbl",
    b"{brace}%.lbl",
    b"\xff\xfe.IMG",
)


def test_names_of_odd_bytes_come_change_and_go(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    folder = os.fsencode(root) + b"/d'\xe4\n\\"
    os.mkdir(folder)
    for number, name in enumerate(ODD_NAMES):
        with open(folder + b"/" + name, "w") as file:
            file.write(pds3(f"X = {number}", f'^IMAGE = "im{number}\'.img"', id=f"odd {number}"))
    assert updated(index).read == len(ODD_NAMES)
    assert unlike_a_build(tmp_path, root, index) == {}
    for name in ODD_NAMES[::2]:
        os.utime(folder + b"/" + name, (5, 5))
    os.unlink(folder + b"/" + ODD_NAMES[1])
    report = updated(index)
    assert (report.read, report.gone) == (len(ODD_NAMES[::2]), 1)
    assert unlike_a_build(tmp_path, root, index) == {}
    assert updated(index).nothing_changed
    names = tmp_path / "list"
    os.unlink(folder + b"/" + ODD_NAMES[0])
    names.write_bytes(b"\0".join(folder + b"/" + name for name in ODD_NAMES) + b"\0")
    assert updated(index, from_list=names).gone == 1
    assert updated(index, under=os.fsdecode(folder)).nothing_changed
    assert updated(index).nothing_changed
    assert unlike_a_build(tmp_path, root, index) == {}


def test_symbolic_links_are_what_a_build_takes_them_for(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"real/a.lbl": pds3(id="a"), "b.lbl": pds3(id="b")})
    outside = write(tmp_path / "outside", {"secret.lbl": pds3(id="secret")})
    (root / "linked").symlink_to(root / "real")
    (root / "away").symlink_to(outside)
    (root / "link.lbl").symlink_to(root / "b.lbl")
    (root / "secret.lbl").symlink_to(outside / "secret.lbl")
    (root / "loop").symlink_to(root)
    (root / "broken.lbl").symlink_to(root / "nothing.lbl")
    assert updated(index).new == 1
    assert unlike_a_build(tmp_path, root, index) == {}
    write(root, {"real/new.lbl": pds3(id="new")})
    names = tmp_path / "list"
    names.write_text("link.lbl\nsecret.lbl\nbroken.lbl\nlinked\nreal\nlinked/new.lbl\nloop/loop/b.lbl\n")
    report = updated(index, from_list=names)
    assert (report.new, report.gone) == (1, 0)
    assert updated(index, under=root / "linked").nothing_changed
    with pytest.raises(VolumeError, match="lies in no root"):
        updated(index, under=root / "away")
    assert updated(index).nothing_changed
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_root_that_is_a_symbolic_link_is_the_same_one(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"d/a.lbl": pds3(id="a")})
    (tmp_path / "mounted").symlink_to(root)
    write(root, {"d/b.lbl": pds3(id="b"), "c.lbl": pds3(id="c")})
    assert updated(index, tmp_path / "mounted", root, root, under=tmp_path / "mounted/d").new == 1
    assert updated(index, tmp_path / "mounted").new == 1
    assert unlike_a_build(tmp_path, root, index) == {}


def test_an_index_inside_its_root_is_none_of_its_files(tmp_path: Path) -> None:
    root = write(tmp_path / "volume", {"a.lbl": pds3(id="a"), "INDEX/b.lbl": pds3(id="b")})
    index = root / "INDEX/index.duckdb"
    build_index(root, index, jobs=1)
    for at in range(2):
        write(root, {f"{at}.lbl": pds3(id=f"{at}")})
        assert updated(index).new == 1
        assert updated(index).nothing_changed
        assert updated(index, under="INDEX").nothing_changed
    assert ask(index, "select count(*) from files") == [(4,)]


def test_a_root_that_holds_one_of_the_index_is_refused(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"d/a.lbl": pds3(id="a")})
    with pytest.raises(RootRefused, match="psalab index build"):
        updated(index, tmp_path)
    with pytest.raises(RootRefused, match="psalab index update --under d"):
        updated(index, root / "d")
    assert ask(index, "select count(*) from products") == [(1,)]


def test_a_volume_that_is_mounted_elsewhere_is_the_same_one(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    (tmp_path / "media").mkdir()
    moved = root.rename(tmp_path / "media" / "volume")
    assert updated(index, moved).nothing_changed
    assert updated(index).nothing_changed
    assert ask(index, "select path from roots") == [(str(moved),)]
    assert unlike_a_build(tmp_path, moved, index) == {}


def test_what_is_left_out_is_forgotten_and_stays_so(tmp_path: Path) -> None:
    files = {f"{folder}/{name}.lbl": pds3(id=folder + name) for folder in ("DATA", "OLD") for name in "ab"}
    root, index = indexed(tmp_path, files)
    assert updated(index, exclude=["OLD", "*.TMP"]).gone == 2
    write(root, {"OLD/c.lbl": pds3(id="c"), "x.TMP": "x"})
    assert updated(index).nothing_changed
    for scope in ({"under": "OLD"}, {"under": "NOWHERE"}, {"under": "DATA/a.lbl"}):
        with pytest.raises(VolumeError, match="the index holds nothing of it"):
            updated(index, **scope)
    (tmp_path / "list").write_text("OLD/c.lbl\nx.TMP\n")
    assert updated(index, from_list=tmp_path / "list").nothing_changed
    report = updated(index, exclude=[])
    assert (report.new, report.files) == (3, 6)
    assert unlike_a_build(tmp_path, root, index) == {}


def test_what_is_left_out_from_now_on_is_remembered_though_nothing_goes(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"a.lbl": pds3()})
    assert updated(index, exclude=["*.TMP"]).nothing_changed
    write(root, {"x.TMP": "x"})
    assert updated(index).files == 1


def test_a_folder_that_is_gone_is_forgotten_when_it_is_named(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {f"{folder}/d/a.lbl": pds3(id=folder) for folder in "abc"})
    shutil.rmtree(root / "b")
    assert updated(index, under="b").gone == 1
    shutil.rmtree(root / "c")
    (tmp_path / "list").write_text("c/d/a.lbl\n")
    assert updated(index, from_list=tmp_path / "list").gone == 1
    assert updated(index).nothing_changed
    assert unlike_a_build(tmp_path, root, index) == {}


def test_single_files_that_are_as_they_were_do_not_make_the_index_be_written(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"d/a.lbl": pds3(id="a"), "d/b.lbl": pds3(id="b")})
    before = index.stat().st_ino
    (tmp_path / "list").write_text("d/a.lbl\n")
    report = updated(index, from_list=tmp_path / "list")
    assert (report.files, report.nothing_changed) == (1, True)
    assert updated(index, by_hash=True).nothing_changed
    assert index.stat().st_ino == before
    assert unlike_a_build(tmp_path, root, index) == {}


def test_an_attached_label_is_compared_by_content_too(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {f"{at}.IMG": pds3(f"X = {at}", id=f"P{at}") for at in range(100, 250)})
    path = root / "120.IMG"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"X = 120", b"X = 999"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert updated(index).changed == 0
    assert updated(index, by_hash=True).changed == 1
    assert unlike_a_build(tmp_path, root, index) == {}
    for file in root.iterdir():
        os.utime(file, (1, 1))
    assert updated(index).read == 0
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_rejected_label_is_read_anew_where_certainty_is_wanted(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"a.lbl": pds3(), "bad.lbl": "PDS_VERSION_ID = PDS3\nX = (1\nEND\n"})
    path = root / "bad.lbl"
    stat = path.stat()
    path.write_text("PDS_VERSION_ID = PDS3\nX = 12\nEND\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert updated(index).read == 0
    assert updated(index, by_hash=True).read == 1
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_rejected_file_that_a_new_label_names_is_no_label_of_its_own(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"A.IMG": "PDS_VERSION_ID = PDS3\nX = (\n"})
    assert ask(index, "select path from rejected") == [("A.IMG",)]
    write(root, {"B.LBL": pds3('^IMAGE = "A.IMG"', id="B")})
    updated(index)
    assert ask(index, "select path from rejected") == []
    assert unlike_a_build(tmp_path, root, index) == {}
    (root / "B.LBL").unlink()
    updated(index)
    assert ask(index, "select path from rejected") == [("A.IMG",)]
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_family_whose_instrument_changes_its_name(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(str(at) for at in range(120)))
    for at, path in enumerate(sorted(root.iterdir())):
        later(path, pds3(f"X = {at}", id=f"P{at}", instrument="CAM2"))
    assert updated(index).changed == 120
    assert unlike_a_build(tmp_path, root, index) == {}
    assert ask(index, "select family from families") == [("SC/CAM2",)]


def test_an_index_with_structure_stays_one(tmp_path: Path) -> None:
    files = {
        f"{at}.lbl": pds3("OBJECT = IMAGE", f"LINES = {at}", "END_OBJECT = IMAGE", id=f"{at}") for at in range(120)
    }
    root = write(tmp_path / "volume", files)
    index, fresh = tmp_path / "index.duckdb", tmp_path / "fresh.duckdb"
    build_index(root, index, jobs=1, structure=True)
    write(root, {"new.lbl": pds3("OBJECT = IMAGE", "LINES = 500", "END_OBJECT = IMAGE", id="new")})
    updated(index)
    build_index(root, fresh, jobs=1, structure=True)
    assert differences(index, fresh, order=False, but=OF_A_RUN | {"keywords": ("examples",)}).keys() <= LEFT
    assert ask(index, "select max(LINES) from CAM") == [(500,)]


def test_a_refused_update_leaves_nothing_behind(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["1", "2"]))
    (root / "P00000.LBL").unlink()
    with pytest.raises(TooMuchForgotten, match=r"--max-forget 50$"):
        updated(index, max_forget=0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.duckdb", "volume"]


# ------------------------------------------------------------------------------- faults that random changes have found


def test_a_product_that_is_judged_anew_for_its_twin_is_compared_with_its_rivals(tmp_path: Path) -> None:
    def of(version: int) -> str:
        return pds3(f'DATA_SET_ID = "SC-CAM-V{version}.0"', id="P")

    root, index = indexed(tmp_path, {"a/1.lbl": of(1), "b/3.lbl": of(3)})
    write(root, {"a/1.IMG": pds3(id="I")})
    updated(index)
    assert ask(index, "select label from products where latest and id = 'P'") == [("b/3.lbl",)]
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_folder_of_which_a_part_was_looked_at_and_that_is_gone_then_is_forgotten(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"a.lbl": pds3(id="a"), "d/b.lbl": pds3(id="b"), "d/c.lbl": pds3(id="c")})
    write(root, {"new/d.lbl": pds3(id="d"), "new/e.lbl": pds3(id="e")})
    (root / "d/b.lbl").unlink()
    (tmp_path / "list").write_text("d/b.lbl\nnew/d.lbl\n")
    report = updated(index, from_list=tmp_path / "list")
    assert (report.new, report.gone) == (1, 1)
    shutil.rmtree(root / "d")
    shutil.rmtree(root / "new")
    assert updated(index).gone == 2
    assert unlike_a_build(tmp_path, root, index) == {}


def test_the_range_of_a_keyword_of_the_long_table_follows(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, series(["19"]) | {"other.lbl": pds3(id="other")})
    (root / "P00000.LBL").unlink()
    write(root, series(["5"], first=1))
    updated(index)
    assert keyword(index, "X", "(min, max)") == ("5", "5")
    assert unlike_a_build(tmp_path, root, index) == {}


def test_what_an_attached_label_names_may_have_a_label_of_its_own(tmp_path: Path) -> None:
    root, index = indexed(tmp_path, {"B.IMG": pds3(id="B"), "bad.IMG": "PDS_VERSION_ID = PDS3\nX = (\n"})
    write(root, {"A.IMG": pds3('^IMAGE = "B.IMG"', '^TABLE = "BAD.IMG"', id="A")})
    updated(index)
    assert unlike_a_build(tmp_path, root, index) == {}
    (root / "A.IMG").unlink()
    updated(index)
    assert ask(index, "select path from rejected") == [("bad.IMG",)]
    assert unlike_a_build(tmp_path, root, index) == {}


def test_a_file_that_two_labels_named_and_now_an_attached_one_alone_is_looked_into(tmp_path: Path) -> None:
    named = '^IMAGE = "B.IMG"'
    root, index = indexed(tmp_path, {"B.IMG": pds3(id="B"), "A.IMG": pds3(named, id="A"), "C.LBL": pds3(named, id="C")})
    assert ask(index, "select id from products order by 1") == [("A",), ("C",)]
    (root / "C.LBL").unlink()
    updated(index)
    assert ask(index, "select id from products order by 1") == [("A",), ("B",)]
    assert unlike_a_build(tmp_path, root, index) == {}
