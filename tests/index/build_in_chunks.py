"""``python -m tests.index.build_in_chunks ROOT INDEX JOBS CHUNK``: a build in small chunks, made to be killed."""

from __future__ import annotations

import sys

from psalab.index import build


def say(report: build.Progress) -> None:
    sys.stdout.write(f"{report.step} {report.done}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    root, index, jobs, chunk = sys.argv[1:]
    build.CHUNK = int(chunk)  # type: ignore[misc]  # constant for everybody else
    build.build_index(root, index, jobs=int(jobs), progress=say)
