"""Angles, vectors and noise that are the same to the last bit on every machine.

The volume is byte-identical everywhere. `math.sin`, `numpy.sin` and `Generator.normal` are not: they come from the C
library or from vector instructions of the processor, and may differ in the last bit; numpy may also change its
distributions between versions. So everything here is made of ``+ - * /``, square roots and `fmod`, which IEEE 754
defines exactly, and of the raw bits of PCG64, which numpy promises to keep.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Noise", "Vector", "add", "angle", "atan2", "cos", "cross", "dot", "norm", "scaled", "sin", "unit"]

Vector = tuple[float, float, float]

_RADIANS: Final = math.pi / 180
#: Coefficients of the Taylor series, the highest first: enough for 45 degrees and for a tangent of 0.1.
_SIN: Final = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(8, -1, -1))
_COS: Final = tuple((-1) ** k / math.factorial(2 * k) for k in range(8, -1, -1))
_ATAN: Final = tuple((-1) ** k / (2 * k + 1) for k in range(8, -1, -1))


def _series(coefficients: tuple[float, ...], x: float) -> float:
    total = 0.0
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


def sin(degrees: float) -> float:
    """Sine of an angle in degrees."""
    turned = math.fmod(degrees, 360.0)
    quarter = round(turned / 90.0)
    x = (turned - 90.0 * quarter) * _RADIANS
    value = x * _series(_SIN, x * x) if quarter % 2 == 0 else _series(_COS, x * x)
    return -value if quarter % 4 in (2, 3) else value


def cos(degrees: float) -> float:
    """Cosine of an angle in degrees."""
    return sin(degrees + 90.0)


def atan2(y: float, x: float) -> float:
    """Angle of a point in degrees, from -180 to 180."""
    if x == 0.0 and y == 0.0:
        return 0.0
    steep = abs(y) > abs(x)
    tangent = abs(x / y) if steep else abs(y / x)
    for _ in range(3):  # each halves the angle: 45 degrees become 5.6
        tangent = tangent / (1.0 + math.sqrt(1.0 + tangent * tangent))
    first = 8.0 * tangent * _series(_ATAN, tangent * tangent) / _RADIANS
    first = 90.0 - first if steep else first
    upper = 180.0 - first if x < 0.0 else first
    return -upper if y < 0.0 else upper


def dot(a: Vector, b: Vector) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def add(a: Vector, b: Vector) -> Vector:
    """Sum of two vectors."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def scaled(a: Vector, factor: float) -> Vector:
    """Product of a vector and a number."""
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def norm(a: Vector) -> float:
    """Length of a vector."""
    return math.sqrt(dot(a, a))


def unit(a: Vector) -> Vector:
    """Vector of length one in the same direction."""
    length = norm(a)
    return (a[0] / length, a[1] / length, a[2] / length)


def angle(a: Vector, b: Vector) -> float:
    """Angle between two vectors in degrees, from 0 to 180."""
    return atan2(norm(cross(a, b)), dot(a, b))


class Noise:
    """Random numbers that depend on the seed and on a name alone, not on what was drawn for others.

    Parameters
    ----------
    seed : int
        Of the volume.
    name : str
        Of the product or series that the numbers are for.
    """

    def __init__(self, seed: int, name: str):
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Numbers from 0 to below 1."""
        raw = self._bits.random_raw(size)
        return (raw >> np.uint64(11)).astype(np.float64) / 2.0**53

    def normal(self, size: int) -> NDArray[np.float64]:
        """Numbers of mean 0 and deviation 1, nearly normal: the sum of four uniform ones."""
        four = self.uniform(4 * size).reshape(4, size)
        total: NDArray[np.float64] = (((four[0] + four[1]) + (four[2] + four[3])) - 2.0) * math.sqrt(3.0)
        return total

    def number(self, low: float, high: float) -> float:
        """One number between two."""
        return low + (high - low) * float(self.uniform(1)[0])

    def integer(self, low: int, high: int) -> int:
        """One whole number, `low` and `high` included."""
        return low + int(float(self.uniform(1)[0]) * (high - low + 1))
