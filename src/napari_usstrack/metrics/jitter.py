"""Frame-to-frame noise of tracks: the second time difference, with and without a truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import make_smoothing_spline

from napari_usstrack.metrics.pairs import Floats, Mask, track_pair

SHORTEST = 5
"""Frames a spline needs."""


@dataclass(frozen=True)
class Jitter:
    """RMS second time difference; lower is better.

    Attributes
    ----------
    rms : float
        Length unit per frame squared; NaN where nothing could be measured.
    unit : str
        "px/frame²" or "mm/frame²".
    fps : float or None
        Frame rate. Per frame squared means nothing without it: at twice the
        rate, the same motion leaves a quarter.
    triples : int
        Groups of three frames measured.
    """

    rms: float
    unit: str
    fps: float | None
    triples: int


def jitter_of_error(
    predicted_xy: ArrayLike,
    true_xy: ArrayLike,
    *,
    fps: float | None,
    unit: str = "px",
    scored: Mask | None = None,
) -> Jitter:
    """Jitter of e = prediction - truth: RMS of e[t+1] - 2 e[t] + e[t-1].

    True acceleration cancels, so fast tissue is not taken for noise.

    Parameters
    ----------
    predicted_xy, true_xy : array_like, shape (frames, points, 2)
        In px or mm.
    fps : float or None
        Frames per second; None only while unknown.
    unit : {"px", "mm"}
        Of the positions.
    scored : bool ndarray, shape (frames, points), optional
        Cells to use. A triple counts if all three of its cells are used and
        known. Leave the query frame out here as well: its error is 0.

    Returns
    -------
    Jitter
    """
    predicted, true = track_pair(predicted_xy, true_xy)
    error = predicted - true
    if scored is not None:
        error = np.where(scored[..., None], error, np.nan)
    return _rms(error, fps, unit)


def jitter_of_track(
    xy: ArrayLike, *, fps: float | None, unit: str = "px", smooth_frames: float = 8.0
) -> Jitter:
    """Jitter without a truth: the same, on what a smooth spline leaves of the track.

    The second difference of the track itself would mostly measure the
    tissue's own acceleration.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        In px or mm; NaN where missing.
    fps : float or None
        Frames per second; None only while unknown.
    unit : {"px", "mm"}
        Of the positions.
    smooth_frames : float
        Period in frames of which the spline takes half; it takes nearly all
        of slower motion and little of faster. Set it well below the period of
        the fastest true motion, and compare only figures of one setting.

    Returns
    -------
    Jitter
        Stretches of fewer than five frames without a gap are left out.

    Raises
    ------
    ValueError
        For another shape, or a period that is not positive.

    Notes
    -----
    Cubic smoothing spline with the penalty (smooth_frames / 2 pi)^4 on the
    squared second derivative: it passes 1 / (1 + (smooth_frames / period)^4)
    of each period.
    """
    places = np.asarray(xy, dtype=np.float64)
    if places.ndim != 3 or places.shape[-1] != 2 or not smooth_frames > 0:
        raise ValueError(
            f"needs frames x points x 2 and a positive period, got {places.shape}, {smooth_frames}"
        )
    penalty = (smooth_frames / (2.0 * np.pi)) ** 4
    left = np.full(places.shape, np.nan)
    for point in range(places.shape[1]):
        for rows in _stretches(places[:, point]):
            time = np.arange(rows.start, rows.stop, dtype=np.float64)
            for axis in (0, 1):
                track = places[rows, point, axis]
                spline = make_smoothing_spline(time, track, lam=penalty)
                left[rows, point, axis] = track - spline(time)
    return _rms(left, fps, unit)


def _stretches(track: Floats) -> Iterator[slice]:
    known = ~np.isnan(track).any(axis=-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    for start, stop in edges.reshape(-1, 2).tolist():
        if stop - start >= SHORTEST:
            yield slice(start, stop)


def _rms(error: Floats, fps: float | None, unit: str) -> Jitter:
    second = error[2:] - 2.0 * error[1:-1] + error[:-2]
    squares = (second**2).sum(axis=-1)
    squares = squares[~np.isnan(squares)]
    rms = float(np.sqrt(squares.mean())) if squares.size else float("nan")
    return Jitter(rms, f"{unit}/frame²", fps, int(squares.size))
