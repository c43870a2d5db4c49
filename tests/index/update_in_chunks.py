"""``python -m tests.index.update_in_chunks INDEX JOBS CHUNK``: an update in small chunks, made to be killed."""

from __future__ import annotations

import sys

from psalab.index import build
from psalab.index.update import update_index
from tests.index.build_in_chunks import say

if __name__ == "__main__":
    index, jobs, chunk = sys.argv[1:]
    build.CHUNK = int(chunk)  # type: ignore[misc]  # constant for everybody else
    update_index(index, jobs=int(jobs), max_forget=1.0, progress=say)
