"""What covariances say: confidence, regions, and where covariances of flow come from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.smoothing.two_filter import applied, inverse

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
NODES = 32
"""Angles at which the probability of an error is integrated."""


def increments_from_tracks(xy: ArrayLike) -> Floats:
    """Motion from each frame to the next.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.

    Returns
    -------
    float64 ndarray, shape (frames - 1, points, 2)
        Px per frame; NaN next to a missing position.

    Raises
    ------
    ValueError
        For another shape.
    """
    places = np.asarray(xy, dtype=np.float64)
    if places.ndim != 3 or places.shape[-1] != 2:
        raise ValueError(f"xy must be frames x points x 2, got {places.shape}")
    return np.diff(places, axis=0)


def closure_covariances(
    closure: ArrayLike, *, floor_px: float = 0.1, frames: int = 5, prior: float = 4.0
) -> Floats:
    """Covariance of flow from what going there and back leaves over.

    Parameters
    ----------
    closure : array_like, shape (frames - 1, points, 2)
        End minus start after one step forward and one back, px; NaN where flow
        is unknown.
    floor_px : float
        Standard deviation per axis that is left when both agree: errors that
        both steps share do not show. The default was chosen on rendered muscles
        (``python -m benchmarks.smoothing_frontier``): there, 0.03 px left flow
        believed too much, and joined tracks 1.2 instead of 0.9 px off in motion.
    frames : int
        Steps that are averaged, centred; odd.
    prior : float
        Weight of a point's average over the clip, in steps.

    Returns
    -------
    float64 ndarray, shape (frames - 1, points, 2, 2)
        Px^2; NaN where `closure` is.

    Raises
    ------
    ValueError
        For another shape or an even number of frames.

    Notes
    -----
    With independent errors of covariance Q in both steps the closure c has
    covariance 2 Q, so one step says Q = c c' / 2. A single c c' has rank 1, so
    it is averaged over `frames` and shrunk towards the point's own mean. What
    differs by direction stays so: along a line, where flow slides, Q is large.
    """
    left = np.asarray(closure, dtype=np.float64)
    if left.ndim != 3 or left.shape[-1] != 2 or frames % 2 == 0 or frames < 1:
        raise ValueError(f"closure is steps x points x 2 and frames odd: {left.shape}, {frames}")
    known = np.asarray(np.isfinite(left).all(axis=-1))
    filled = np.where(known[..., None], left, 0.0)
    product = 0.5 * filled[..., :, None] * filled[..., None, :]
    count = known.astype(np.float64)[..., None, None]
    usual: Floats = product.sum(axis=0) / np.maximum(count.sum(axis=0), 1.0)
    total = _windowed(product, frames) + prior * usual
    found = total / np.maximum(_windowed(count, frames) + prior, 1e-12) + floor_px**2 * np.eye(2)
    return np.where(known[..., None, None], found, np.nan)


def _windowed(values: Floats, frames: int) -> Floats:
    """Sum over a centred window of frames, cut off at both ends."""
    half = frames // 2
    padded = np.pad(values, [(half, half)] + [(0, 0)] * (values.ndim - 1))
    return np.asarray(sum(padded[i : i + len(values)] for i in range(frames)))


def oriented_covariances(angle_rad: ArrayLike, along_px: ArrayLike, across_px: ArrayLike) -> Floats:
    """Covariances that differ along and across a line, as where flow slides along an edge.

    Parameters
    ----------
    angle_rad : array_like, shape (...)
        Direction of the line, from x towards y.
    along_px, across_px : array_like, shape (...)
        Standard deviations, px.

    Returns
    -------
    float64 ndarray, shape (..., 2, 2)
        Px^2.
    """
    angle = np.asarray(angle_rad, dtype=np.float64)
    line = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    normal = np.stack([-line[..., 1], line[..., 0]], axis=-1)
    along = np.square(np.asarray(along_px, dtype=np.float64))[..., None, None]
    across = np.square(np.asarray(across_px, dtype=np.float64))[..., None, None]
    return np.asarray(
        along * line[..., :, None] * line[..., None, :]
        + across * normal[..., :, None] * normal[..., None, :]
    )


def confidence(
    covariances: ArrayLike,
    within: float,
    spacing_mm: tuple[float, float] | None = None,
    freedom: float = np.inf,
) -> Floats:
    """Probability that a place is less than a distance off.

    Parameters
    ----------
    covariances : array_like, shape (..., 2, 2)
        Px^2.
    within : float
        Distance, in mm when the spacing is given, else in px.
    spacing_mm : tuple of float, optional
        Mm per px in x and y.
    freedom : float
        Degrees of freedom of the errors' Student-t distribution, whose scale the
        covariances then are; infinite for normal errors.

    Returns
    -------
    float64 ndarray, shape (...)
        In 0..1; NaN where a covariance is.

    Notes
    -----
    For a normal error with variances a and b along its main axes, the mean over
    all angles u of 1 - exp(-within^2 / (2 (a cos^2 u + b sin^2 u))). With a = b
    that is the Rayleigh distribution. With n degrees of freedom exp(-t / 2)
    becomes (1 + t / n)^(-n / 2). The midpoint rule over a quarter turn is
    exact to about 1e-6.
    """
    scale = np.ones(2) if spacing_mm is None else np.asarray(spacing_mm, dtype=np.float64)
    spread = np.asarray(covariances, dtype=np.float64) * scale[:, None] * scale
    large, small, _ = _main_axes(spread)
    angle = (np.arange(NODES) + 0.5) * (0.5 * np.pi / NODES)
    found = np.zeros(large.shape)
    for c, s in zip(np.cos(angle) ** 2, np.sin(angle) ** 2, strict=True):
        variance = np.maximum(c * large + s * small, 1e-300)
        ratio = within**2 / variance
        log = -0.5 * ratio if np.isinf(freedom) else -0.5 * freedom * np.log1p(ratio / freedom)
        found -= np.expm1(log)
    return np.asarray(found / NODES)


def region(covariances: ArrayLike, share: float = 0.9) -> tuple[Floats, Floats]:
    """Ellipse around a place that holds the truth with a stated probability.

    Parameters
    ----------
    covariances : array_like, shape (..., 2, 2)
        Px^2.
    share : float
        Probability, below 1.

    Returns
    -------
    semi_axes : float64 ndarray, shape (..., 2)
        Long and short one, px.
    angle_rad : float64 ndarray, shape (...)
        Direction of the long one, from x towards y.

    Notes
    -----
    The squared distance in units of the covariance is chi-square with 2
    degrees of freedom; its quantile is -2 ln(1 - share), 4.605 for 90 %.
    """
    large, small, angle = _main_axes(np.asarray(covariances, dtype=np.float64))
    return np.sqrt(_quantile(share) * np.stack([large, small], axis=-1)), angle


def in_region(errors: ArrayLike, covariances: ArrayLike, share: float = 0.9) -> Mask:
    """Tell whether errors lie inside the region of `region`.

    Parameters
    ----------
    errors : array_like, shape (..., 2)
        Px.
    covariances : array_like, shape (..., 2, 2)
        Px^2. Where one is zero only an error of zero is inside.
    share : float
        Probability, below 1.

    Returns
    -------
    bool ndarray, shape (...)
        False where something is NaN.
    """
    off = np.asarray(errors, dtype=np.float64)
    spread = np.asarray(covariances, dtype=np.float64)
    exact = np.asarray(~spread.any(axis=(-2, -1)))
    solved = applied(inverse(np.where(exact[..., None, None], np.eye(2), spread)), off)
    squared = np.sum(off * solved, axis=-1)
    return np.asarray(np.where(exact, ~off.any(axis=-1), squared <= _quantile(share)))


def _quantile(share: float) -> float:
    return float(-2.0 * np.log1p(-share))


def _main_axes(spread: Floats) -> tuple[Floats, Floats, Floats]:
    """Larger and smaller variance, and the direction of the larger."""
    xx, yy, xy = spread[..., 0, 0], spread[..., 1, 1], spread[..., 0, 1]
    middle, half = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    return middle + half, np.maximum(middle - half, 0.0), angle
