"""What the cameras see: a lit body with craters, and a cratered plain.

The body is a triaxial ellipsoid, so that the ray of each pixel is solved exactly; craters change the slope that the
light falls on, not the outline. The appearance follows from where Sun and camera stand, as in the labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from psalab.demo_volume.arithmetic import Noise, Vector, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float64]

__all__ = ["Body", "Camera", "plain", "render", "surface_point"]

CRATERS: Final = 16


@dataclass(frozen=True, slots=True)
class Body:
    """An ellipsoid with craters.

    Attributes
    ----------
    axes : Vector
        Half axes in km, in the frame of the body.
    craters : tuple of (Vector, float)
        Direction of each centre and the cosine of its angular radius.
    """

    axes: Vector
    craters: tuple[tuple[Vector, float], ...]

    @classmethod
    def with_craters(cls, axes: Vector, noise: Noise, count: int = CRATERS) -> Body:
        """Scatter craters over an ellipsoid."""
        draws = noise.uniform(4 * count).reshape(count, 4)
        centres = [unit((float(x) - 0.5, float(y) - 0.5, float(z) - 0.5)) for x, y, z, _ in draws]
        return cls(
            axes, tuple((centre, 0.88 + 0.11 * float(row[3])) for centre, row in zip(centres, draws, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a camera stands and looks, in the frame of the body; km and unit vectors.

    `right` and `down` are the directions of growing sample and line; `pixel` is the angle of a pixel in radians.
    """

    position: Vector
    boresight: Vector
    right: Vector
    down: Vector
    pixel: float


def surface_point(body: Body, position: Vector, direction: Vector) -> Vector | None:
    """Return the first point of the surface along a ray, None where it misses."""
    at = tuple(p / axis for p, axis in zip(position, body.axes, strict=True))
    along = tuple(d / axis for d, axis in zip(direction, body.axes, strict=True))
    a = along[0] * along[0] + along[1] * along[1] + along[2] * along[2]
    b = at[0] * along[0] + at[1] * along[1] + at[2] * along[2]
    c = at[0] * at[0] + at[1] * at[1] + at[2] * at[2] - 1.0
    under_root = b * b - a * c
    if under_root < 0.0 or b >= 0.0:
        return None
    distance = (-b - math.sqrt(under_root)) / a
    return (
        position[0] + distance * direction[0],
        position[1] + distance * direction[1],
        position[2] + distance * direction[2],
    )


def render(body: Body, camera: Camera, sun: Vector, lines: int, samples: int) -> Image:
    """Reflectance (0 to about 1) of each pixel; 0 in the sky and in the shadow.

    Parameters
    ----------
    body : Body
    camera : Camera
    sun : Vector
        Direction to the Sun, in the frame of the body.
    lines, samples : int
        Shape of the image.
    """
    rays = _rays(camera, lines, samples)
    at = [p / axis for p, axis in zip(camera.position, body.axes, strict=True)]
    along = [ray / axis for ray, axis in zip(rays, body.axes, strict=True)]
    a = along[0] * along[0] + along[1] * along[1] + along[2] * along[2]
    b = at[0] * along[0] + at[1] * along[1] + at[2] * along[2]
    c = at[0] * at[0] + at[1] * at[1] + at[2] * at[2] - 1.0
    under_root = b * b - a * c
    hit = under_root > 0.0
    distance = (-b - np.sqrt(np.where(hit, under_root, 0.0))) / a
    points = [p + distance * ray for p, ray in zip(camera.position, rays, strict=True)]
    normal = _unit([point / (axis * axis) for point, axis in zip(points, body.axes, strict=True)])
    normal, albedo = _cratered(body, _unit(points), normal)
    light = normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2]
    view = np.maximum(-(normal[0] * rays[0] + normal[1] * rays[1] + normal[2] * rays[2]), 0.05)
    lit = hit & (light > 0.0)
    # the law of Lommel and Seeliger, for dark surfaces
    return np.where(lit, albedo * light / np.where(lit, light + view, 1.0), 0.0)


def _rays(camera: Camera, lines: int, samples: int) -> list[Image]:
    """Directions of all pixels, as three images."""
    x = ((np.arange(samples) - (samples - 1) / 2) * camera.pixel)[np.newaxis, :]
    y = ((np.arange(lines) - (lines - 1) / 2) * camera.pixel)[:, np.newaxis]
    return _unit([camera.boresight[i] + x * camera.right[i] + y * camera.down[i] for i in range(3)])


def _unit(vector: list[Image]) -> list[Image]:
    length = np.sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2])
    return [part / length for part in vector]


def _cratered(body: Body, where: list[Image], normal: list[Image]) -> tuple[list[Image], Image]:
    """Tilt the slope towards the middle of each crater, and brighten its rim."""
    albedo = np.ones_like(where[0])
    for centre, edge in body.craters:
        nearness = (where[0] * centre[0] + where[1] * centre[1] + where[2] * centre[2] - edge) / (1.0 - edge)
        inside = np.where(nearness > 0.0, nearness, 0.0)
        # flat in the middle and at the edge; between them a slope of up to 0.45
        slope = 4.0 * inside * (1.0 - inside) / math.sqrt(1.0 - edge)
        normal = [n + 0.45 * slope * (c - w) for n, c, w in zip(normal, centre, where, strict=True)]
        albedo += np.where((nearness > -0.1) & (nearness < 0.0), 0.12, 0.0)
    return _unit(normal), albedo


def plain(noise: Noise, sun_elevation: float, lines: int, samples: int) -> Image:
    """Brightness (about 0.3 to 1) of a cratered plain that is lit from the left.

    Parameters
    ----------
    noise : Noise
        Places the craters.
    sun_elevation : float
        Sine of the Sun's height; the lower it is, the stronger the relief.
    lines, samples : int
        Shape of the image.
    """
    x = np.arange(samples, dtype=np.float64)[np.newaxis, :]
    y = np.arange(lines, dtype=np.float64)[:, np.newaxis]
    brightness = np.full((lines, samples), 0.35 + 0.4 * sun_elevation)
    relief = 0.6 * (1.0 - sun_elevation)
    for u, v, w in noise.uniform(3 * CRATERS).reshape(CRATERS, 3):
        radius = 3.0 + 10.0 * float(w) * float(w)
        dx, dy = (x - samples * float(u)) / radius, (y - lines * float(v)) / radius
        inside = 1.0 - (dx * dx + dy * dy)
        brightness += np.where(inside > 0.0, relief * dx * 4.0 * inside * (1.0 - inside) * 2.0, 0.0)
    clipped: Image = np.clip(brightness, 0.05, 1.0)
    return clipped
