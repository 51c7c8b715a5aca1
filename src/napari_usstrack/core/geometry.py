"""Points, straight lines, angles and areas, for one frame or many at once.

Positions are ``(..., 2)`` as (x, y), x right and y down, as in a picture.
Give them in mm wherever a length, an angle or an area is wanted: pixels that
are not square distort all three. Angles are in degrees, counter-clockwise
positive as seen on the screen, so a line that rises to the right is positive.

One missing (NaN) input makes that frame's answer NaN and no other; nothing is
filled in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
PARALLEL_DEG = 1.0
"""Lines closer to parallel than this have no crossing."""
FLAT = 1e-12


@dataclass(frozen=True, eq=False)
class Line:
    """Straight lines without ends: one, or an array of them.

    Attributes
    ----------
    at : float64 ndarray, shape (..., 2)
        A point on each line.
    along : float64 ndarray, shape (..., 2)
        Unit vector that points right, or straight up for a vertical line; NaN
        where there is no line.
    """

    at: Floats
    along: Floats

    @property
    def angle_deg(self) -> Floats:
        """Angle to the horizontal, above -90 and up to 90; rising to the right is positive."""
        return np.rad2deg(np.arctan2(-self.along[..., 1], self.along[..., 0]))


def point_array(values: ArrayLike) -> Floats:
    """Check and convert points ``(..., points, 2)``.

    Raises
    ------
    ValueError
        For another shape, or no point at all.
    """
    points = np.asarray(values, dtype=np.float64)
    if points.ndim < 2 or points.shape[-1] != 2 or points.shape[-2] == 0:
        raise ValueError(f"points must be ... x points x 2, got {points.shape}")
    return points


def cross(u: ArrayLike, v: ArrayLike) -> Floats:
    """Cross product of vectors ``(..., 2)``: x1 y2 - y1 x2."""
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])


def distance(start: ArrayLike, end: ArrayLike) -> Floats:
    """Distance between points ``(..., 2)``, in their unit; NaN where one is missing."""
    apart = np.asarray(end, dtype=np.float64) - np.asarray(start, dtype=np.float64)
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]))


# --- lines -----------------------------------------------------------------------------------


def fit_line(points: ArrayLike) -> Line:
    """Line with the least sum of squared perpendicular distances.

    Vertical lines are no special case, and a turned set of points has the
    turned line: a fit of y on x flattens steep lines.

    Parameters
    ----------
    points : array_like, shape (..., points, 2)
        In mm, so that perpendicular means perpendicular in the tissue.

    Returns
    -------
    Line
        Through the centroid. NaN where a point is missing, all points
        coincide, or they favour no direction (as the corners of a square).

    Raises
    ------
    ValueError
        For another shape.

    Notes
    -----
    Total least squares: the direction is the main axis of the scatter matrix,
    ``0.5 atan2(2 Sxy, Sxx - Syy)``.
    """
    points = point_array(points)
    centre = points.mean(axis=-2)
    x, y = np.moveaxis(points - centre[..., None, :], -1, 0)
    sxx, syy, sxy = (x * x).sum(-1), (y * y).sum(-1), (x * y).sum(-1)
    turn = 0.5 * np.arctan2(2.0 * sxy, sxx - syy)
    known = np.hypot(2.0 * sxy, sxx - syy) > FLAT * (sxx + syy)
    along = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return Line(centre, _rightward(np.where(known[..., None], along, np.nan)))


def line_through(start: ArrayLike, end: ArrayLike) -> Line:
    """Line through two points ``(..., 2)``; NaN where they coincide or one is missing."""
    start, end = np.broadcast_arrays(
        np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    )
    size = distance(start, end)[..., None]
    along = np.divide(end - start, size, out=np.full(end.shape, np.nan), where=size > 0)
    return Line(start, _rightward(along))


def _rightward(along: Floats) -> Floats:
    along = np.where(np.abs(along) < FLAT, 0.0, along)
    x, y = along[..., 0], along[..., 1]
    backward = (x < 0) | ((x == 0) & (y > 0))
    return np.where(backward[..., None], -along, along) + 0.0


def crossing(line: Line, other: Line, *, parallel_deg: float = PARALLEL_DEG) -> Floats:
    """Where two lines meet.

    Parameters
    ----------
    line, other : Line
    parallel_deg : float
        Lines at a smaller acute angle have no crossing, rather than one far
        away that small errors throw about.

    Returns
    -------
    float64 ndarray, shape (..., 2)
        NaN for lines that are missing or nearly parallel.
    """
    sine = cross(line.along, other.along)
    meets = np.abs(sine) >= np.sin(np.deg2rad(parallel_deg))
    meets &= np.abs(sine) > FLAT
    ahead = cross(other.at - line.at, other.along)
    reach = np.divide(ahead, sine, out=np.full(np.shape(sine), np.nan), where=meets)
    return line.at + reach[..., None] * line.along


# --- angles ----------------------------------------------------------------------------------


def fold_deg(angle_deg: ArrayLike) -> Floats:
    """Angle of a line without direction: brought above -90 and up to 90 degrees."""
    return np.asarray(90.0 - np.mod(90.0 - np.asarray(angle_deg, dtype=np.float64), 180.0))


def vector_angle_deg(vectors: ArrayLike) -> Floats:
    """Angle of vectors ``(..., 2)`` to the x axis, above -180 and up to 180; up is positive.

    NaN for a vector of no length.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    angle = np.rad2deg(np.arctan2(0.0 - vectors[..., 1], vectors[..., 0]))
    return np.where((vectors == 0).all(axis=-1), np.nan, angle)


def angle_between_deg(u: ArrayLike, v: ArrayLike) -> Floats:
    """Angle between vectors ``(..., 2)``, 0 to 180 degrees, without a sign.

    NaN for a vector of no length. The arc cosine of a dot product loses half
    the digits near 0 and 180 degrees; this does not.
    """
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    none = (u == 0).all(axis=-1) | (v == 0).all(axis=-1)
    angle = np.rad2deg(np.arctan2(np.abs(cross(u, v)), (u * v).sum(axis=-1)))
    return np.where(none, np.nan, angle)


def corner_deg(before: ArrayLike, corner: ArrayLike, after: ArrayLike) -> Floats:
    """Angle at `corner` of the corner before - corner - after, 0 to 180 degrees."""
    corner = np.asarray(corner, dtype=np.float64)
    return angle_between_deg(np.asarray(before) - corner, np.asarray(after) - corner)


def acute_deg(line: Line, other: Line) -> Floats:
    """Angle between lines, 0 to 90 degrees; the same in a mirrored picture."""
    angle = angle_between_deg(line.along, other.along)
    return np.minimum(angle, 180.0 - angle)


# --- areas -----------------------------------------------------------------------------------


def polygon_area(points: ArrayLike) -> Floats:
    """Area of closed outlines, in the square of the unit given.

    Parameters
    ----------
    points : array_like, shape (..., points, 2)
        In order; the last point joins the first.

    Returns
    -------
    float64 ndarray, shape (...)
        Not negative, in either sense of rotation. NaN where a point is
        missing, fewer than three points are distinct, or the outline crosses
        itself: the loops of a figure of eight cancel.

    Raises
    ------
    ValueError
        For another shape.

    Notes
    -----
    Shoelace formula, ``0.5 |sum(x_i y_i+1 - x_i+1 y_i)|``.
    """
    points = point_array(points)
    first = points[..., :1, :]
    area = 0.5 * np.abs(cross(points - first, np.roll(points, -1, axis=-2) - first).sum(axis=-1))
    farthest = np.nan_to_num(distance(points, first)).argmax(axis=-1)[..., None, None]
    second = np.take_along_axis(points, farthest, axis=-2)
    third = ((points != first).any(axis=-1) & (points != second).any(axis=-1)).any(axis=-1)
    return np.where(third & ~crosses_itself(points), area, np.nan)


def crosses_itself(points: ArrayLike) -> NDArray[np.bool_]:
    """Whether two sides of a closed outline ``(..., points, 2)`` cross; touching is no crossing."""
    start = point_array(points)
    side = np.roll(start, -1, axis=-2) - start
    to_start = start[..., None, :, :] - start[..., :, None, :]
    to_end = to_start + side[..., None, :, :]
    own = side[..., :, None, :]
    splits = cross(own, to_start) * cross(own, to_end) < 0
    return np.asarray((splits & np.swapaxes(splits, -1, -2)).any(axis=(-2, -1)))
