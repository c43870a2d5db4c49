"""The two image formats of the volume, written byte by byte: FITS and PNG."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BLOCK", "browse_png", "fits", "png"]

#: Headers and data of FITS are padded to multiples of it (FITS standard 4.0, section 3.1).
BLOCK: Final = 2880
_BITPIX: Final = {"u1": 8, "i2": 16, "i4": 32, "f4": -32, "f8": -64}


def fits(image: NDArray[Any], cards: Mapping[str, str | float]) -> bytes:
    """Write an image as the primary unit of a FITS file.

    Parameters
    ----------
    image : ndarray
        Lines and samples; of a type that FITS knows.
    cards : mapping of str to (str, int or float)
        Further cards of the header. They must leave it within its first two blocks.
    """
    lines, samples = image.shape
    header = {
        "SIMPLE": True,
        "BITPIX": _BITPIX[image.dtype.str[1:]],
        "NAXIS": 2,
        "NAXIS1": samples,
        "NAXIS2": lines,
        **cards,
    }
    text = "".join(_card(name, value) for name, value in header.items()) + f"{'END':<80}"
    data = image.astype(image.dtype.newbyteorder(">")).tobytes()
    return _padded(text.encode("ascii"), b" ") + _padded(data, b"\0")


def _card(name: str, value: str | float) -> str:
    """One line of 80 characters (FITS standard 4.0, sections 4.1 and 4.2)."""
    if name == "COMMENT":
        return f"COMMENT {value}"[:80].ljust(80)
    if isinstance(value, bool):
        shown = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        shown = "'{:<8}'".format(value.replace("'", "''"))
    else:
        shown = f"{value:>20}"
    return f"{name:<8}= {shown}".ljust(80)


def _padded(data: bytes, filling: bytes) -> bytes:
    return data + filling * (-len(data) % BLOCK)


def png(image: NDArray[np.uint8]) -> bytes:
    """Write a grey image as PNG, not compressed: the output of zlib differs between its versions.

    Source: PNG specification (W3C), third edition; RFC 1950 and 1951.
    """
    lines, samples = image.shape
    rows = np.zeros((lines, samples + 1), dtype=np.uint8)  # the first byte of a row says: no filter
    rows[:, 1:] = image
    raw = rows.tobytes()
    pieces = [raw[start : start + 0xFFFF] for start in range(0, len(raw), 0xFFFF)]
    stored = b"".join(
        struct.pack("<BHH", piece is pieces[-1], len(piece), len(piece) ^ 0xFFFF) + piece for piece in pieces
    )
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", samples, lines, 8, 0, 0, 0, 0)),
            _chunk(b"IDAT", b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(raw))),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def browse_png(image: NDArray[Any]) -> bytes:
    """Write any image as a grey PNG, from its least to its greatest value."""
    values = image.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    grey = np.rint((values - low) * (255.0 / (high - low or 1.0)))
    return png(grey.astype(np.uint8))
