"""A million products, made from the values of real labels and varied, through the real store: questions to them.

The file stays in .bench (``--fresh`` makes it anew): scraping 12,000 labels, writing a thousand chunks and loading them
takes some minutes, and some gigabytes for the chunks meanwhile.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figure
from benchmarks.real_labels import REPOSITORY, archive, below, scratch, size_of
from benchmarks.timing import took
from psalab import open_index
from psalab.index import store
from psalab.index.chunk_file import write_chunk
from psalab.index.scrape import NO_TIME, Chunk, Task, scrape
from psalab.labels.values import FLOAT, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from psalab.index.ask import Index
    from psalab.results import Results

__all__ = ["figures", "index", "make"]

_FILE = REPOSITORY / ".bench" / "million.duckdb"
_PRODUCTS = 1_000_000
_CHUNK = 1000
_ROOT = "million"
_ROUNDS = 41
_ROWS = 1000
#: A value that so few labels of a chunk share is one of their own, and varied; others (settings, texts) stay as they are.
_OWN = 3
_JITTER = 0.05

_FILTERS = {
    "most": "PHASE_ANGLE < 90 and SURFACE_INTERCEPT_DISTANCE < 50 km",
    "many": "PHASE_ANGLE < 30 and SURFACE_INTERCEPT_DISTANCE < 50 km",
    "few": "PHASE_ANGLE between 60 and 60.5 and EXPOSURE_DURATION > 1 s",
}


# --------------------------------------------------------------------------------------------------------------- asking


def figures(repeat: int, *, fresh: bool = False) -> list[Figure]:
    """Ask an index of a million products, warm; each number is the median of many questions."""
    del repeat
    index(fresh=fresh)
    made = datetime.fromtimestamp(_FILE.stat().st_mtime).isoformat(sep=" ", timespec="minutes")
    label_bytes = size_of(sample := below(archive("osiris_labels"))) / len(sample)
    found = [
        Figure(
            "size of the index beside the labels", 100 * _FILE.stat().st_size / _PRODUCTS / label_bytes, "%",
            note=f"{_FILE.stat().st_size / _PRODUCTS:,.0f} bytes a product; made {made}",
        )
    ]  # fmt: skip
    for threads in (1, None):
        with open_index(_FILE, threads=threads) as opened:
            for name, condition in _FILTERS.items():
                found += _ask(
                    opened, condition, f"{name} match, {'1 thread' if threads else f'{os.cpu_count()} threads'}"
                )
    return found


def index(*, fresh: bool = False) -> Path:
    """Give the index, made if it is not there."""
    if fresh or not _FILE.exists():
        make(_FILE)
    return _FILE


def _ask(index: Index, condition: str, name: str) -> list[Figure]:
    """Time a search, which counts, and the first rows of its results."""

    def search() -> Results:
        return index.search(filter=condition)

    def rows(results: Results) -> object:
        return results.head(_ROWS).rows()

    def frame(results: Results) -> object:
        return results.head(_ROWS).df

    count = _median(search)
    first_rows, first_frame = (_median(partial(_after, search, step)) for step in (rows, frame))
    matches = len(search())
    return [
        Figure(f"two-keyword filter ({name}): search and count", count, "ms", 20, 5, note=f"{matches:,} products"),
        Figure(
            f"two-keyword filter ({name}): first {_ROWS:,} rows of Results", first_rows, "ms", 60, 20,
            note=f"as a DataFrame {first_frame:.1f} ms",
        ),
    ]  # fmt: skip


def _after(prepare: Callable[[], Results], work: Callable[[Results], object]) -> float:
    """Seconds of some work on new Results, which know no rows yet."""
    results = prepare()
    began = perf_counter()
    work(results)
    return perf_counter() - began


def _median(work: Callable[[], object]) -> float:
    """Milliseconds; a work that gives seconds has measured itself."""

    def once() -> float:
        began = perf_counter()
        own = work()
        return own if isinstance(own, float) else perf_counter() - began

    for _ in range(3):
        once()
    return 1e3 * statistics.median(once() for _ in range(_ROUNDS))


# --------------------------------------------------------------------------------------------------------------- making


def make(target: Path) -> None:
    """Make the index."""
    tree = archive("osiris_labels")
    labels = [os.path.relpath(path, tree) for path in below(tree)]
    real = [
        Real.of(scrape(Task(str(tree), _ROOT, tuple(labels[at : at + _CHUNK]))))
        for at in range(0, len(labels) - _CHUNK + 1, _CHUNK)
    ]
    folder = scratch("million_chunks")
    files: list[Path] = []
    listed: list[tuple[str, str]] = []
    random = np.random.default_rng(1)
    say(f"writing {_PRODUCTS // _CHUNK:,} chunks")
    for number in range(_PRODUCTS // _CHUNK):
        copy, at = divmod(number, len(real))
        chunk = real[at].varied(copy, np.timedelta64((copy * 5 * 24 * 60 + at * 37) * 60_000, "ms"), random)
        files.append(folder / f"{number:06}.chunk")
        write_chunk(chunk, files[-1])
        listed += [_split(label) for label in chunk.labels]
        listed += [(_split(chunk.labels[chunk.label[row]])[0], name) for row, name in chunk.named]
    say(f"loading {sum(file.stat().st_size for file in files) / 1e9:.1f} GB of chunks")
    run = store.RunRecord("build", datetime.now(UTC).replace(tzinfo=None), 1, version("psalab"), structure=False)
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    listing = store.Listing(_ROOT, str(tree), None, lambda: _batches(sorted(set(listed))))
    seconds = took(lambda: store.load(part, files, [listing], run, threads=os.cpu_count() or 1, progress=say)).wall
    say(f"loaded in {seconds:.0f} s")
    os.replace(part, target)
    shutil.rmtree(folder)


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"  million: {what}", file=sys.stderr, flush=True)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _batches(files: Sequence[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    for at in range(0, len(files), 50_000):
        folders, names = zip(*files[at : at + 50_000], strict=True)
        columns: list[Any] = [
            pa.array(folders), pa.array(names), pa.array([23_040] * len(names), pa.int64()),
            pa.array([1_400_000_000_000_000] * len(names), pa.int64()),
            pa.array(["label" if name.endswith(".LBL") else "other" for name in names]),
        ]  # fmt: skip
        yield pa.RecordBatch.from_arrays(columns, schema=store.LISTED)


_STAMP = re.compile(r"(.*?)(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})(.*)", re.DOTALL)  # as in the ids of products
_CLOCK = re.compile(r"(\d/)(\d{10})(\.\d+)")  # of the spacecraft


class Stamped(NamedTuple):
    """Texts with a time in them, those of `at`, taken apart."""

    at: np.ndarray
    before: list[str]
    times: np.ndarray
    behind: list[str]

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Stamped:
        """Take apart what has a time."""
        found = [(at, match) for at, text in enumerate(texts) if text and (match := _STAMP.fullmatch(text))]
        times = ["{}-{}-{}T{}:{}:{}.{}".format(*match.groups()[1:8]) for _, match in found]
        return cls(
            np.array([at for at, _ in found], dtype=np.int64),
            [match[1] for _, match in found],
            np.array(times, dtype="datetime64[ms]"),
            [match[9] for _, match in found],
        )

    def moved(self, texts: Sequence[str | None], by: np.timedelta64, prefix: str = "") -> np.ndarray:
        """Give the texts, those with a time with another one, each with a prefix."""
        times: list[str] = np.datetime_as_string((self.times + by).astype("datetime64[ms]"), unit="ms").tolist()
        stamps = [time.replace("-", "").replace(":", "").replace(".", "") for time in times]
        new = np.array(texts, dtype=object)
        new[self.at] = [
            f"{prefix}{before}{stamp}{behind}"
            for before, stamp, behind in zip(self.before, stamps, self.behind, strict=True)
        ]
        return new


class Real(NamedTuple):
    """A chunk of real labels, and what of it is varied.

    Attributes
    ----------
    chunk : Chunk
    texts, ids, labels, named : Stamped
        Texts of elements that are a label's own, ids, paths of labels, and names of data files.
    clocks : dict
        Element -> its text, of spacecraft clocks.
    times, reals : ndarray
        Elements that are a label's own.
    decimals : ndarray
        Digits behind the point of `reals`; -1 where there is an exponent.
    """

    chunk: Chunk
    texts: Stamped
    ids: Stamped
    labels: Stamped
    named: Stamped
    clocks: dict[int, re.Match[str]]
    times: np.ndarray
    reals: np.ndarray
    decimals: np.ndarray

    @classmethod
    def of(cls, chunk: Chunk) -> Real:
        """Find out what labels have of their own."""
        uses = np.bincount(chunk.value, minlength=len(chunk.listed))
        own = np.repeat(uses <= _OWN, np.diff(chunk.first))
        texts = [text if mine else None for text, mine in zip(chunk.text, own, strict=True)]
        reals = np.flatnonzero(own & (chunk.kind == FLOAT))
        written = [chunk.text[at] for at in reals.tolist()]
        decimals = [-1 if "e" in text.lower() else len(text.partition(".")[2]) for text in written]
        return cls(
            chunk,
            Stamped.of(texts),
            Stamped.of(chunk.ids),
            Stamped.of(chunk.labels),
            Stamped.of([name for _, name in chunk.named]),
            {at: match for at, text in enumerate(texts) if text and (match := _CLOCK.fullmatch(text))},
            np.flatnonzero(own & (chunk.kind == TIME)),
            reals,
            np.array(decimals),
        )

    def varied(self, copy: int, by: np.timedelta64, random: np.random.Generator) -> Chunk:
        """Give labels of another time, with other ids, file names, times, clocks and reals."""
        chunk = self.chunk
        microseconds = int(by / np.timedelta64(1, "us"))
        bits = chunk.bits.copy()
        bits[self.times] += microseconds
        bits[self.reals] = self._jittered(random).view(np.int64)
        texts = self.texts.moved(chunk.text, by)
        for at, match in self.clocks.items():
            texts[at] = f"{match[1]}{int(match[2]) + microseconds // 1_000_000:010}{match[3]}"
        names = self.named.moved([name for _, name in chunk.named], by).tolist()
        prefix = f"VOLUME_{copy:03}/"
        return replace(
            chunk,
            labels=self.labels.moved(chunk.labels, by, prefix).tolist(),
            ids=self.ids.moved(chunk.ids, by).tolist(),
            start_time=np.where(chunk.start_time == NO_TIME, NO_TIME, chunk.start_time + microseconds),
            stop_time=np.where(chunk.stop_time == NO_TIME, NO_TIME, chunk.stop_time + microseconds),
            bits=bits,
            text=texts,
            named=list(zip([row for row, _ in chunk.named], names, strict=True)),
        )

    def _jittered(self, random: np.random.Generator) -> np.ndarray:
        """Other reals, as many digits behind the point as before."""
        reals = self.chunk.bits[self.reals].view(np.float64)
        new = reals * (1 + _JITTER * random.uniform(-1, 1, len(reals)))
        for digits in np.unique(self.decimals[self.decimals >= 0]).tolist():
            here = self.decimals == digits
            new[here] = np.round(new[here], digits)
        finite: np.ndarray = np.where(np.isfinite(new), new, reals)
        return finite
