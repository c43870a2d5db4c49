"""Where Sun and spacecraft stand: smooth made-up orbits, from which all geometry of the labels follows.

Vectors are km in the Earth mean equator frame of J2000, from the centre of the body, unless something else is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from psalab.demo_volume.arithmetic import Vector, add, angle, atan2, cos, cross, dot, norm, scaled, sin, unit
from psalab.demo_volume.scene import Body, Camera, surface_point

__all__ = ["AU", "Pointing", "View", "comet_view", "flyby_view", "latitude", "longitude", "point"]

AU: Final = 149_597_870.7

_COMET_POLE: Final = (69.3, 64.1)  # right ascension and declination, degrees
_COMET_DAY: Final = 12.4  # hours
_MERCURY_POLE: Final = (281.0, 61.4)


@dataclass(frozen=True, slots=True)
class View:
    """A body, the Sun and a spacecraft at one instant.

    Attributes
    ----------
    sun, spacecraft : Vector
    velocity : Vector
        Of the spacecraft, m/s.
    axes : tuple of Vector
        The three axes of the body's own frame.
    """

    sun: Vector
    spacecraft: Vector
    velocity: Vector
    axes: tuple[Vector, Vector, Vector]

    def in_body(self, vector: Vector) -> Vector:
        """Turn a vector into the frame of the body."""
        return (dot(vector, self.axes[0]), dot(vector, self.axes[1]), dot(vector, self.axes[2]))


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where a camera looks, and what follows from it for a label.

    Attributes
    ----------
    camera : Camera
        In the frame of the body.
    boresight : Vector
    intercept : Vector or None
        Where the boresight meets the surface, in the frame of the body.
    distance : float or None
        From the spacecraft to there.
    phase, elongation : float
        Angle between the directions to the Sun and along the boresight, and what is left to 180 degrees.
    north_azimuth : float
        Of celestial north in the image, clockwise from three o'clock, degrees.
    """

    camera: Camera
    boresight: Vector
    intercept: Vector | None
    distance: float | None
    phase: float
    elongation: float
    north_azimuth: float


def direction(right_ascension: float, declination: float) -> Vector:
    """Make a unit vector from angles in degrees."""
    level = cos(declination)
    return (level * cos(right_ascension), level * sin(right_ascension), sin(declination))


def latitude(vector: Vector) -> float:
    """Latitude or declination of a direction, degrees."""
    return atan2(vector[2], math.sqrt(vector[0] * vector[0] + vector[1] * vector[1]))


def longitude(vector: Vector) -> float:
    """Longitude or right ascension of a direction, 0 to 360 degrees."""
    east = atan2(vector[1], vector[0])
    return east + 360.0 if east < 0.0 else east


def _frame(pole: tuple[float, float], spin: float) -> tuple[Vector, Vector, Vector]:
    """Axes of a body that has turned by `spin` degrees about its pole."""
    z = direction(*pole)
    node = unit(cross((0.0, 0.0, 1.0), z))
    side = cross(z, node)
    x = add(scaled(node, cos(spin)), scaled(side, sin(spin)))
    return x, cross(z, x), z


def comet_view(hours: float) -> View:
    """67P and Rosetta so many hours after 2014-08-01: from 100 km down to 32 and back, every eight days."""
    spacecraft = _around_comet(hours)
    later = _around_comet(hours + 1.0 / 3600.0)
    far = (2.42 + 1.18 * cos(0.02 * hours)) * AU  # the perihelion comes after a year
    return View(
        sun=scaled(direction(113.0 + 0.006 * hours, 24.0 * cos(0.01 * hours)), far),
        spacecraft=spacecraft,
        velocity=scaled(add(later, scaled(spacecraft, -1.0)), 1000.0),
        axes=_frame(_COMET_POLE, 360.0 * math.fmod(hours / _COMET_DAY, 1.0)),
    )


def _around_comet(hours: float) -> Vector:
    radius = 66.0 + 34.0 * cos(360.0 * hours / 192.0)
    return scaled(direction(70.0 + 0.6 * hours, 10.0 + 35.0 * sin(0.9 * hours)), radius)


def flyby_view(minutes: float) -> View:
    """Mercury and BepiColombo so many minutes from the closest approach at 2,640 km from the centre."""
    path = 7.7 * 60.0 * minutes
    near, along = direction(200.0, -15.0), direction(290.0, 0.0)
    spacecraft = add(scaled(near, 2640.0), scaled(along, path))
    return View(
        sun=scaled(direction(225.0 + 0.0001 * minutes, -8.0), 0.45 * AU),
        spacecraft=spacecraft,
        velocity=scaled(along, 7700.0),
        axes=_frame(_MERCURY_POLE, 40.0 + 0.004_26 * minutes),
    )


def point(
    view: View, body: Body, pixel: float, offset: tuple[float, float] = (0.0, 0.0), roll: float = 0.0
) -> Pointing:
    """Point a camera at the centre of the body, or beside it.

    Parameters
    ----------
    view : View
    body : Body
    pixel : float
        Angle of a pixel, radians.
    offset : tuple of float
        Tangents of the angles to the right and down by which it misses the centre.
    roll : float
        Turn about the boresight, degrees.
    """
    ahead = scaled(unit(view.spacecraft), -1.0)
    level = unit(cross(ahead, (0.0, 0.0, 1.0)))
    below = cross(ahead, level)
    right = add(scaled(level, cos(roll)), scaled(below, sin(roll)))
    down = cross(ahead, right)
    boresight = unit(add(ahead, add(scaled(right, offset[0]), scaled(down, offset[1]))))
    right = unit(add(right, scaled(boresight, -dot(right, boresight))))
    down = cross(boresight, right)
    camera = Camera(
        view.in_body(view.spacecraft), view.in_body(boresight), view.in_body(right), view.in_body(down), pixel
    )
    intercept = surface_point(body, camera.position, camera.boresight)
    elongation = angle(boresight, add(view.sun, scaled(view.spacecraft, -1.0)))
    return Pointing(
        camera=camera,
        boresight=boresight,
        intercept=intercept,
        distance=None if intercept is None else norm(add(camera.position, scaled(intercept, -1.0))),
        phase=180.0 - elongation,
        elongation=elongation,
        north_azimuth=math.fmod(atan2(down[2], right[2]) + 360.0, 360.0),
    )
