"""Arrow arrays from NumPy arrays and lists of texts, and back.

`pyarrow.array`, `scalar` and `to_numpy` do the same, but load pandas to see whether it has to do with what they are
given: a sixth of a second and 40 MB in each process of a scraper, which has no other use for it.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_mask", "as_numbers", "as_numpy", "as_scalar", "as_strings"]


def as_numbers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Give numbers to Arrow without a copy; those where `missing` is true are null."""
    values = np.ascontiguousarray(values)
    valid = None if missing is None else _bits(~missing)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(values)])


def as_mask(values: np.ndarray) -> pa.BooleanArray:
    """Give a mask to Arrow."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def as_strings(values: Sequence[str | None]) -> pa.StringArray:
    """Give texts to Arrow, less than 2 GB in UTF-8 together; None is null."""
    encoded = [value.encode() if value else b"" for value in values]
    missing = np.array([value is None for value in values], bool)
    offsets = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32, len(encoded) + 1)
    valid = _bits(~missing) if missing.any() else None
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)), valid)


def as_scalar(text: str) -> pa.StringScalar:
    """Give one text to Arrow."""
    return as_strings([text])[0]


def as_numpy(array: pa.Array) -> np.ndarray:
    """Give numbers or a mask of Arrow, without nulls, to NumPy; numbers without a copy."""
    part = slice(array.offset, array.offset + len(array))
    buffer = array.buffers()[1] or bytes(8)
    if pa.types.is_boolean(array.type):
        return np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")[part].view(bool)
    return np.frombuffer(buffer, array.type.to_pandas_dtype())[part]


def _bits(mask: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(mask, bitorder="little"))
