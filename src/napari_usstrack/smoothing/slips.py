"""Steps at which flow parts from places measured on their own, for good."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.smoothing.two_filter import Belief

Floats = NDArray[np.float64]
SPAN = 25
"""Frames on either side that are compared; a burst of half as many outliers goes unnoticed."""
FEWEST = 3
MEDIAN = np.pi / 2
"""Variance of a median in units of that of a mean."""


def slip_distances(increments: Floats, variances: Floats, cells: Belief) -> Floats:
    """Squared normalised distance between both sides of each step.

    Parameters
    ----------
    increments : float64 ndarray, shape (frames - 1, points, 2)
        Px, 0 where flow is unknown.
    variances : float64 ndarray, shape (frames - 1, points)
        Of the increments, per axis, px^2; NaN where flow is unknown.
    cells : Belief, shape (frames, points)
        Measured places.

    Returns
    -------
    float64 ndarray, shape (frames - 1, points)
        0 where either side has fewer than three measurements.

    Notes
    -----
    Places less the motion summed up so far are constant as long as flow is
    right. Compared are their medians over 25 frames before and after the step,
    with the error that medians of normal measurements have.
    """
    frames, points = cells.known.shape
    path = np.concatenate([np.zeros((1, points, 2)), np.cumsum(increments, axis=0)])
    level = np.where(cells.known[..., None], cells.mean - path, np.nan)
    padded = np.pad(level, ((SPAN - 1, SPAN), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, SPAN, axis=0), axis=-1)
    count = np.isfinite(windows[..., 0, :]).sum(axis=-1)
    middle = np.maximum(count - 1, 0) // 2
    median = np.take_along_axis(windows, middle[..., None, None], axis=-1)[..., 0]
    before, after = slice(0, frames - 1), slice(SPAN, SPAN + frames - 1)
    known = np.minimum(count[before], count[after]) >= FEWEST
    jump = np.where(known[..., None], median[after] - median[before], 0.0)
    noise = np.trace(cells.covariance, axis1=-2, axis2=-1) / 2
    noise = noise.sum(axis=0) / np.maximum(cells.known.sum(axis=0), 1)
    worth = 1.0 / np.maximum(count[before], 1) + 1.0 / np.maximum(count[after], 1)
    linked = np.isfinite(variances)
    drift = np.where(linked, variances, 0.0).sum(axis=0) / np.maximum(linked.sum(axis=0), 1)
    spread = MEDIAN * noise * worth + SPAN * drift
    return np.asarray(np.sum(jump**2, axis=-1) / np.maximum(spread, 1e-12))
