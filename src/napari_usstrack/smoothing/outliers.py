"""Steps unlike the rest: jumps, and blips that go there and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
NORMAL = 1.4826
"""Standard deviation of a normal distribution, in units of its median absolute deviation."""
FLAT_PX = 1e-6


@dataclass(frozen=True, eq=False)
class Blips:
    """What the scan of one trace found.

    Attributes
    ----------
    spans : intp ndarray, shape (blips, 2)
        First and last frame of each blip, both included, in order.
    at_edge, no_return, too_long : int
        Large steps that open no blip: the trace ends before it comes back, is
        missing before it comes back, or stays away for longer than allowed.
    """

    spans: NDArray[np.intp]
    at_edge: int = 0
    no_return: int = 0
    too_long: int = 0


def steps(xy: ArrayLike, times_s: ArrayLike | None = None) -> Floats:
    """Motion from each frame to the next.

    Parameters
    ----------
    xy : array_like, shape (frames, 2) or (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,), optional
        Time of each frame, s. A step over another interval than the median one
        is scaled to that; intervals that are not positive count as the median.

    Returns
    -------
    float64 ndarray, shape (frames - 1, 2) or (frames - 1, points, 2)
        Px per frame interval; NaN next to a missing position.

    Raises
    ------
    ValueError
        For another shape.
    """
    places = np.asarray(xy, dtype=np.float64)
    if places.ndim not in (2, 3) or places.shape[-1] != 2:
        raise ValueError(f"xy must be frames (x points) x 2, got {places.shape}")
    moved = np.diff(places, axis=0)
    if times_s is None or len(moved) == 0:
        return moved
    times = np.asarray(times_s, dtype=np.float64)
    if times.shape != places.shape[:1]:
        raise ValueError(f"{len(times)} times for {len(places)} frames")
    interval = np.diff(times)
    usual = np.median(interval)
    stretch = np.divide(usual, interval, out=np.ones_like(interval), where=interval > 0)
    return moved * stretch.reshape(-1, *[1] * (moved.ndim - 1))


def length(vectors: Floats) -> Floats:
    """Length of vectors along the last axis."""
    x, y = vectors[..., 0], vectors[..., 1]
    return np.sqrt(x * x + y * y)


def centre_and_spread(values: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation of each column.

    Parameters
    ----------
    values : float64 ndarray, shape (n,) or (n, points)
        NaN is ignored.

    Returns
    -------
    centre, spread : float64 ndarray, shape () or (points,)
        The spread is 1.4826 * MAD; both are NaN where there is no value.

    Notes
    -----
    Hampel, "The influence curve and its role in robust estimation" (JASA 1974).
    """
    shape = values.shape[1:]
    columns = values.reshape(len(values), int(np.prod(shape)))
    found = np.full((2, columns.shape[1]), np.nan)
    for i, column in enumerate(columns.T):
        known = column[np.isfinite(column)]
        if known.size:
            found[0, i] = np.median(known)
            found[1, i] = NORMAL * np.median(np.abs(known - found[0, i]))
    return found[0].reshape(shape), found[1].reshape(shape)


def bar_above(values: Floats, k: float) -> Floats:
    """Bar above which a value of a column is an outlier.

    Parameters
    ----------
    values : float64 ndarray, shape (n,) or (n, points)
        NaN is ignored.
    k : float
        Robust standard deviations from the median to the bar.

    Returns
    -------
    float64 ndarray, shape () or (points,)
        Median + k * 1.4826 * MAD. Where the MAD vanishes, midway between
        median and maximum, or infinity if all values are alike or missing.

    Notes
    -----
    The rules for a vanishing MAD are those of DUSTrack 1.3.2.
    """
    centre, spread = centre_and_spread(values)
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    midway = np.where(high - low < FLAT_PX, np.inf, (centre + high) / 2.0)
    bar = np.where(spread < NORMAL * FLAT_PX, midway, centre + k * spread)
    return np.where(np.isnan(centre), np.inf, bar)


def jumps(xy: ArrayLike, times_s: ArrayLike | None = None, *, k: float = 5.0) -> NDArray[np.bool_]:
    """Frames that are reached by an unusually long step.

    Parameters
    ----------
    xy, times_s
        As for `steps`.
    k : float
        Robust standard deviations above the median step.

    Returns
    -------
    bool ndarray, shape (frames,) or (frames, points)
        False in the first frame and next to missing positions.

    Notes
    -----
    The bar is that of `bar_above`, per point.
    """
    distance = length(steps(xy, times_s))
    bar = bar_above(distance, k)
    found = np.zeros(np.shape(xy)[:-1], dtype=bool)
    found[1:] = distance > bar
    return found


def surprises(xy: ArrayLike, times_s: ArrayLike | None = None) -> Floats:
    """Tell how much the step into each frame differs from the steps before and after it.

    Fast motion that lasts is no surprise, nor is its start or its end.

    Parameters
    ----------
    xy, times_s
        As for `steps`.

    Returns
    -------
    float64 ndarray, shape (frames,) or (frames, points)
        Px per frame interval: the distance to the more similar neighbour; NaN
        where no neighbouring step is known. With one known neighbour, as at
        either end, 0 for the shorter of the two steps.
    """
    moved = steps(xy, times_s)
    out = np.full(np.shape(xy)[:-1], np.nan)
    if len(moved) < 2:
        return out
    size, change = length(moved), length(np.diff(moved, axis=0))
    before, after = np.full(size.shape, np.nan), np.full(size.shape, np.nan)
    before[1:], after[:-1] = change, change
    out[1:] = np.fmin(before, after)
    rising = np.diff(size, axis=0) > 0
    only_after, only_before = np.isnan(before[:-1]), np.isnan(after[1:])
    out[1:-1][only_after & rising] = 0.0
    out[2:][only_before & ~rising & ~np.isnan(change)] = 0.0
    return out


def blips(xy: ArrayLike, k: float = 5.0, longest: int = 5, back: float = 3.0) -> Blips:
    """Find short excursions that end near where they began.

    Parameters
    ----------
    xy : array_like, shape (frames, 2)
        Positions of one point in px, NaN where missing.
    k : float
        Robust standard deviations above the median step that open a blip.
    longest : int
        Most frames of a blip.
    back : float
        A blip ends where the trace is back within `back` median steps per
        frame step since it left.

    Raises
    ------
    ValueError
        When `longest` is below 1, or `xy` has another shape.

    Notes
    -----
    Equals the released detector of DUSTrack 1.3.2. The step out of frame s - 1
    opens a blip if it is above the bar of `bar_above`; the blip is s to e
    for the first e at which frame e + 1 lies within back * median * (e - s + 2)
    of frame s - 1. The scan goes on behind it.
    """
    places = np.asarray(xy, dtype=np.float64)
    if longest < 1 or places.ndim != 2:
        raise ValueError(f"blips need frames x 2 and longest >= 1, got {places.shape}, {longest}")
    distance = length(steps(places))
    starts = np.flatnonzero(distance > bar_above(distance, k))
    if starts.size == 0:
        return Blips(np.empty((0, 2), dtype=np.intp))
    centre, _ = centre_and_spread(distance)
    ends, why = _returns(places, starts, longest, back * float(centre))
    spans: list[tuple[int, int]] = []
    failed = np.zeros(3, dtype=int)
    free = 0
    for start, end, reason in zip(starts.tolist(), ends.tolist(), why.tolist(), strict=True):
        if start < free:
            continue
        if end < 0:
            failed[reason] += 1
            continue
        spans.append((start + 1, end))
        free = end + 1
    return Blips(np.array(spans, dtype=np.intp).reshape(-1, 2), *failed.tolist())


def _returns(
    places: Floats, starts: NDArray[np.intp], longest: int, room_px: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Last frame of the blip that opens after each start, or -1, and why there is none.

    Reasons are 0 edge, 1 missing, 2 too long.
    """
    lag = np.arange(2, longest + 2)
    landing = starts[:, None] + lag
    beyond = landing >= len(places)
    place = places[np.minimum(landing, len(places) - 1)]
    away = length(place - places[starts][:, None])
    near = ~beyond & (away <= room_px * lag)
    stop = beyond | np.isnan(place[..., 0]) | near
    first = stop.argmax(axis=1)
    row = np.arange(len(starts))
    end = np.where(near[row, first], starts + lag[first] - 1, -1)
    why = np.where(beyond[row, first], 0, np.where(stop[row, first], 1, 2))
    return end, why
