"""Curves and outlines of an anatomy, as arrays in mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Line through the middle of a wall, densely and evenly sampled.

    Attributes
    ----------
    points : ndarray, shape (m, 2)
        mm.
    step : float
        Arc length between neighbours, mm.
    tangent, normal : ndarray, shape (m, 2)
        Unit vectors; going along the tangent, the normal points to the left
        as seen on a screen with y down.
    bend : ndarray, shape (m,)
        Curvature per mm, positive where the curve turns away from the normal.
    closed : bool
        Whether the last point joins the first.
    """

    points: Floats
    step: float
    tangent: Floats
    normal: Floats
    bend: Floats
    closed: bool = False

    @classmethod
    def through(cls, points: Floats, count: int = 241, *, closed: bool = False) -> Curve:
        """Evenly resample a polyline of many points."""
        line = np.vstack([points, points[:1]]) if closed else points
        so_far = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        wanted = np.linspace(0.0, so_far[-1], count + 1 if closed else count)
        even = np.stack([np.interp(wanted, so_far, line[:, axis]) for axis in (0, 1)], axis=1)
        even = even[:-1] if closed else even
        step = float(wanted[1])
        tangent = _unit(_slope(even, step, closed))
        turning = _slope(tangent, step, closed)
        normal = left(tangent)
        bend = -(turning * normal).sum(axis=1)
        return cls(even, step, tangent, normal, _rounded(bend, 5, closed), closed)

    def __len__(self) -> int:
        return len(self.points)

    def at(self, share: Floats, offset: Floats | float = 0.0) -> Floats:
        """Places at shares of the length (0 to 1), some mm along the normal."""
        place = share * (len(self) if self.closed else len(self) - 1)
        return pick(self.points, place, self.closed) + np.reshape(offset, (-1, 1)) * _unit(
            pick(self.normal, place, self.closed)
        )

    def locate(self, places: Floats) -> tuple[Floats, Floats, Floats]:
        """Nearest place on the curve.

        Returns
        -------
        index, offset, beyond : ndarray, shape (n,)
            Fractional index of the curve's points; signed distance along the
            normal; how far the place lies beyond an end, mm.
        """
        nearest = np.empty(len(places), dtype=np.intp)
        for part in np.array_split(np.arange(len(places)), max(1, len(places) // 4000)):
            x, y = (places[part, None, axis] - self.points[:, axis] for axis in (0, 1))
            nearest[part] = (x * x + y * y).argmin(axis=1)
        apart = places - self.points[nearest]
        along = (apart * self.tangent[nearest]).sum(axis=1)
        offset = (apart * self.normal[nearest]).sum(axis=1)
        stretch = np.clip(1.0 + self.bend[nearest] * offset, 0.2, 5.0)
        more = along / (stretch * self.step)
        beyond = np.zeros(len(places))
        if not self.closed:
            first, last = nearest == 0, nearest == len(self) - 1
            beyond = np.where(first, -along, 0.0) + np.where(last, along, 0.0)
            more = np.where(first, np.clip(more, 0.0, 0.5), more)
            more = np.where(last, np.clip(more, -0.5, 0.0), more)
        return nearest + np.clip(more, -0.5, 0.5), offset, np.maximum(beyond, 0.0)


def pick(values: Floats, index: Floats, closed: bool = False) -> Floats:
    """Values at fractional indices, linear in between."""
    count = len(values)
    low = np.floor(index).astype(np.intp)
    share = index - low
    share = share.reshape(share.shape + (1,) * (values.ndim - 1))
    if closed:
        return values[low % count] * (1.0 - share) + values[(low + 1) % count] * share
    low = np.clip(low, 0, count - 2)
    share = (index - low).reshape(share.shape)
    return values[low] * (1.0 - share) + values[low + 1] * share


def left(vectors: Floats) -> Floats:
    """Vectors turned to the left as seen on a screen with y down."""
    return np.stack([vectors[..., 1], -vectors[..., 0]], axis=-1)


def bezier(corners: Sequence[tuple[float, float] | Floats], count: int = 61) -> Floats:
    """Cubic Bezier curve of four control points."""
    t = np.linspace(0.0, 1.0, count)[:, None]
    a, b, c, d = (np.asarray(corner, dtype=np.float64) for corner in corners)
    u = 1.0 - t
    return np.asarray(u**3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t**3 * d)


def outline_distance(outline: Floats, places: Floats) -> Floats:
    """Signed distance ``(n,)`` to a closed outline ``(m, 2)``; negative inside."""
    start = outline
    side = np.roll(outline, -1, axis=0) - start
    slant = side[:, 0] / np.where(side[:, 1] == 0, 1.0, side[:, 1])
    length2 = np.maximum((side**2).sum(axis=1), 1e-9)
    nearest = np.empty(len(places))
    inside = np.empty(len(places), dtype=bool)
    for part in np.array_split(np.arange(len(places)), max(1, len(places) // 4000)):
        x, y = (places[part, None, axis] - start[:, axis] for axis in (0, 1))
        share = np.clip((x * side[:, 0] + y * side[:, 1]) / length2, 0.0, 1.0)
        nearest[part] = np.sqrt(
            ((x - share * side[:, 0]) ** 2 + (y - share * side[:, 1]) ** 2).min(axis=1)
        )
        spans = (y < 0) != (y < side[:, 1])
        crossed = y * slant > x
        inside[part] = (spans & crossed).sum(axis=1) % 2 == 1
    return np.where(inside, -nearest, nearest)


def union(distances: Sequence[Floats], round_mm: float = 0.0) -> Floats:
    """Signed distance to several outlines at once, inner corners rounded."""
    if round_mm <= 0:
        return np.min(distances, axis=0)
    low = np.min(distances, axis=0)
    total = sum(np.exp(-(one - low) / round_mm) for one in distances)
    return np.asarray(low - round_mm * np.log(total))


def thinned(outline: Floats, count: int) -> Floats:
    """About `count` points of an outline."""
    return outline[:: max(1, len(outline) // count)]


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.hypot(*vectors.T), 1e-12)[:, None]


def _slope(values: Floats, step: float, closed: bool) -> Floats:
    if closed:
        return (np.roll(values, -1, axis=0) - np.roll(values, 1, axis=0)) / (2.0 * step)
    return np.asarray(np.gradient(values, step, axis=0))


def _rounded(values: Floats, reach: int, closed: bool) -> Floats:
    """Running mean over 2 * reach + 1 values."""
    padded = np.pad(values, reach, mode="wrap" if closed else "edge")
    return np.convolve(padded, np.full(2 * reach + 1, 1.0 / (2 * reach + 1)), "valid")
