"""Length of lines and walls through ordered points, whole and in segments.

Points are ``(..., points, 2)`` in order along the line, in mm. A place on the
line is a fractional index: 2.25 lies a quarter of the way from point 2 to
point 3. It names the same material from frame to frame, so a wall is cut once
and the cuts are carried along.

Jitter makes a line longer: the length of a raw polyline, and of a spline
through every point, is too long, the more so the closer the points, and
shortening comes out too small. Only a smoothing spline undoes that, and only
where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.geometry import Floats, distance, point_array

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
WALLS = ("basal", "mid", "apical", "apical", "mid", "basal")
"""Names of the six segments of an apical view, along the line from base to apex to base."""


def path_length(points: ArrayLike, *, closed: bool = False) -> Floats:
    """Length of the straight pieces that join the points, in their unit.

    Parameters
    ----------
    points : array_like, shape (..., points, 2)
    closed : bool
        Whether the last point joins the first.

    Returns
    -------
    float64 ndarray, shape (...)
        NaN where a point is missing or all coincide. Too long under jitter.

    Raises
    ------
    ValueError
        For another shape.
    """
    points = point_array(points)
    after = np.roll(points, -1, axis=-2)
    pieces = distance(points, after)
    total = pieces.sum(axis=-1) if closed else pieces[..., :-1].sum(axis=-1)
    return np.where(total > 0, total, np.nan)


def spline_length(points: ArrayLike, *, smooth_points: float = 0.0, closed: bool = False) -> Floats:
    """Length of a cubic spline along the points, in their unit.

    Parameters
    ----------
    points : array_like, shape (..., points, 2)
    smooth_points : float
        Waves along the line as short as this many point spacings lose half
        their height, shorter ones nearly all; 0 passes through every point.
    closed : bool
        Whether the last point joins the first, smoothly.

    Returns
    -------
    float64 ndarray, shape (...)
        NaN where a point is missing or all coincide (closed: fewer than three
        points are distinct).

    Raises
    ------
    ValueError
        For another shape, or a negative `smooth_points`.

    Notes
    -----
    Natural (or periodic) cubic smoothing spline over the chord length: Green
    and Silverman, "Nonparametric Regression and Generalized Linear Models"
    (1994), chapter 2. Gauss-Legendre integration between neighbouring points.
    """
    points = point_array(points)
    end = np.array([points.shape[-2] - (0.0 if closed else 1.0)])

    def whole(frame: Floats) -> Floats:
        return _Spline.fit(frame, smooth_points, closed).arc(end)

    return _each(whole, points, 1)[..., 0]


def apex_index(points: ArrayLike) -> int:
    """Index of the point farthest from the middle of both ends, ``(points, 2)``.

    Raises
    ------
    ValueError
        When a point is missing.
    """
    points = point_array(points)
    if points.ndim != 2 or np.isnan(points).any():
        raise ValueError("the apex needs points x 2 without a missing one")
    return int(distance(points, 0.5 * (points[0] + points[-1])).argmax())


def wall_cuts(
    points: ArrayLike,
    apex: int,
    *,
    per_wall: int = 3,
    spline: bool = True,
    smooth_points: float = 0.0,
) -> Floats:
    """Cut each wall of the reference frame into pieces of equal arc length.

    The apex parts the walls. Six equal parts of the whole line are another
    thing, and the same only for walls of equal length.

    Parameters
    ----------
    points : array_like, shape (points, 2)
        The line in the reference frame, from base to apex to base.
    apex : int
        Index of the apex point.
    per_wall : int
        Segments per wall.
    spline : bool
        Measure along the spline of `spline_length`, else along straight
        pieces.
    smooth_points : float
        As for `spline_length`.

    Returns
    -------
    float64 ndarray, shape (2 * per_wall + 1,)
        Fractional indices, from 0 to points - 1; NaN if a point is missing.

    Raises
    ------
    ValueError
        For another shape, or an apex at or beyond an end.
    """
    points = point_array(points)
    last = points.shape[0] - 1
    if points.ndim != 2 or not 0 < apex < last or per_wall < 1:
        raise ValueError(f"cannot cut {points.shape} at apex {apex} into {per_wall} per wall")
    if np.isnan(points).any():
        return np.full(2 * per_wall + 1, np.nan)
    arc = _arc(points, spline, smooth_points)
    start, middle, end = arc(np.array([0.0, apex, last]))
    wanted = np.concatenate(
        [np.linspace(start, middle, per_wall + 1), np.linspace(middle, end, per_wall + 1)[1:]]
    )
    cuts = _invert(arc, wanted, last)
    cuts[[0, per_wall, -1]] = 0, apex, last
    return cuts


def segment_lengths(
    points: ArrayLike, cuts: ArrayLike, *, spline: bool = True, smooth_points: float = 0.0
) -> Floats:
    """Arc length between neighbouring cuts, frame by frame, in the points' unit.

    Parameters
    ----------
    points : array_like, shape (..., points, 2)
    cuts : array_like, shape (segments + 1,)
        Fractional indices from `wall_cuts` of the reference frame.
    spline, smooth_points
        As for `wall_cuts`; use the same.

    Returns
    -------
    float64 ndarray, shape (..., segments)
        NaN where a point of the line is missing; all NaN if a cut is. They
        add up to the length of the line between the first cut and the last.

    Raises
    ------
    ValueError
        For another shape, or cuts outside the line or out of order.
    """
    points = point_array(points)
    cuts = np.asarray(cuts, dtype=np.float64)
    if cuts.ndim != 1 or len(cuts) < 2:
        raise ValueError(f"cuts must be segments + 1, got {cuts.shape}")
    if np.isnan(cuts).any():
        return np.full((*points.shape[:-2], len(cuts) - 1), np.nan)
    if cuts.min() < 0 or cuts.max() > points.shape[-2] - 1 or (np.diff(cuts) < 0).any():
        raise ValueError(f"cuts must rise from 0 to {points.shape[-2] - 1}, got {cuts.tolist()}")

    def pieces(frame: Floats) -> Floats:
        return np.diff(_arc(frame, spline, smooth_points)(cuts))

    return _each(pieces, points, len(cuts) - 1)


# --- arc length at fractional indices --------------------------------------------------------

Arc = Callable[[Floats], Floats]


def _each(measure: Arc, points: Floats, width: int) -> Floats:
    """Apply `measure` to each frame without missing points; NaN elsewhere."""
    frames = points.reshape(-1, *points.shape[-2:])
    out = np.full((len(frames), width), np.nan)
    for i in np.flatnonzero(~np.isnan(frames).any(axis=(1, 2))):
        if (frames[i] != frames[i, 0]).any():
            out[i] = measure(frames[i])
    return out.reshape(*points.shape[:-2], width)


def _arc(points: Floats, spline: bool, smooth_points: float) -> Arc:
    if spline:
        return _Spline.fit(points, smooth_points, closed=False).arc
    so_far = np.concatenate([[0.0], np.cumsum(distance(points[:-1], points[1:]))])
    return lambda at: np.interp(at, np.arange(len(points)), so_far)


def _invert(arc: Arc, wanted: Floats, last: int) -> Floats:
    """Fractional indices at which `arc` reaches the wanted lengths, by bisection."""
    low, high = np.zeros(len(wanted)), np.full(len(wanted), float(last))
    for _ in range(60):
        middle = 0.5 * (low + high)
        short = arc(middle) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return 0.5 * (low + high)


@dataclass(frozen=True, eq=False)
class _Spline:
    """Cubic spline over the chord length; `time` is the knot position of every point."""

    time: Floats
    knots: Floats
    values: Floats
    bends: Floats

    @classmethod
    def fit(cls, points: Floats, smooth_points: float, closed: bool) -> _Spline:
        if smooth_points < 0:
            raise ValueError(f"smooth_points must not be negative, got {smooth_points}")
        after = np.roll(points, -1, axis=0)
        chord = distance(points, after)
        chord = chord if closed else chord[:-1]
        time = np.concatenate([[0.0], np.cumsum(chord)])
        time *= np.count_nonzero(chord) / (time[-1] or 1.0)
        knots, first = np.unique(time, return_index=True)
        steps = np.diff(knots)
        values = points[first % len(points)]
        if closed:
            values = values[: len(steps)]
            if len(steps) < 3:
                nothing = np.full((len(knots), 2), np.nan)
                return cls(time, knots, nothing, nothing)
        values, bends = _smoothed(values, steps, (smooth_points / (2.0 * np.pi)) ** 4, closed)
        return cls(time, knots, values, bends)

    def arc(self, at: Floats) -> Floats:
        """Arc length from the start to fractional indices."""
        time = np.interp(at, np.arange(len(self.time)), self.time)
        piece = np.clip(np.searchsorted(self.knots, time, side="right") - 1, 0, None)
        piece = np.minimum(piece, len(self.knots) - 2)
        everywhere = np.arange(len(self.knots) - 1)
        whole = self._part(everywhere, np.ones(len(everywhere)))
        so_far = np.concatenate([[0.0], np.cumsum(whole)])
        return so_far[piece] + self._part(
            piece, (time - self.knots[piece]) / np.diff(self.knots)[piece]
        )

    def _part(self, piece: NDArray[np.intp], share: Floats) -> Floats:
        """Length of the first `share` of each piece."""
        step = np.diff(self.knots)[piece]
        u = (0.5 * share[:, None] * (NODES + 1.0))[..., None]
        h = step[:, None, None]
        start, end = self.values[piece, None], self.values[piece + 1, None]
        bend, next_bend = self.bends[piece, None], self.bends[piece + 1, None]
        speed = (end - start) / h + h / 6.0 * (
            (3.0 * u**2 - 1.0) * next_bend - (3.0 * (1.0 - u) ** 2 - 1.0) * bend
        )
        return 0.5 * share * step * (np.hypot(speed[..., 0], speed[..., 1]) @ WEIGHTS)


def _smoothed(values: Floats, steps: Floats, penalty: float, closed: bool) -> tuple[Floats, Floats]:
    """Values and second derivatives at the knots of a smoothing spline.

    With Q g the second differences of the values g and R the Gram matrix of
    the hat functions, R b = Q g, and g solves (I + penalty Q' R^-1 Q) g = y.
    """
    count = len(values)
    inner = np.arange(count) if closed else np.arange(1, count - 1)
    before, after = (inner - 1) % count, (inner + 1) % count
    h0, h1 = steps[before], steps[inner] if len(inner) else steps[:0]
    q, r, row = np.zeros((len(inner), count)), np.zeros((len(inner), count)), np.arange(len(inner))
    for columns, slope, overlap in (
        (before, 1.0 / h0, h0 / 6.0),
        (inner, -1.0 / h0 - 1.0 / h1, (h0 + h1) / 3.0),
        (after, 1.0 / h1, h1 / 6.0),
    ):
        q[row, columns] += slope
        r[row, columns] += overlap
    r = r[:, inner]
    if penalty:
        stiff = np.eye(count) + penalty * q.T @ np.linalg.solve(r, q)
        values = np.asarray(np.linalg.solve(stiff, values), dtype=np.float64)
    bends = np.zeros((count, 2))
    bends[inner] = np.linalg.solve(r, q @ values)
    if closed:
        values, bends = np.vstack([values, values[:1]]), np.vstack([bends, bends[:1]])
    return values, bends
