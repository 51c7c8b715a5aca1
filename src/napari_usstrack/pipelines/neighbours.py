"""Points drawn towards where their neighbours in the same tissue say they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
REACH = 4.0
"""Standard deviation of the weight that neighbours have, in reaches of a point's own tissue."""
LEAST_WEIGHT = 0.05
FEWEST = 5
ROUNDS = 3
TOLERANCE = 2.25
DISTRUST = 3.0
"""How many times the spread of neighbours around their motion is the error of that motion."""
FLOOR_PX = 0.06
STIFFNESS = 1e-3


def agreed(centre: Floats, variance: Floats, query: Indices, reach_px: float) -> Floats:
    """Paths weighed against the motion of the tissue around them.

    Parameters
    ----------
    centre : float64 ndarray, shape (frames, points, 2)
        Paths, px; NaN where unknown.
    variance : float64 ndarray, shape (frames, points)
        Expected squared error per axis, px^2; NaN where unknown.
    query : intp ndarray, shape (points,)
        Row in which each point is known. Points of other rows are no neighbours.
    reach_px : float
        How far the tissue reaches that a point was followed by.

    Returns
    -------
    float64 ndarray, shape (frames, points, 2)
        Points with fewer than five neighbours stay.

    Notes
    -----
    Displacements since the query are fitted by an affine motion, each counted by
    nearness and certainty and less if it is an outlier (Cauchy weights). The fit
    without the point itself is one more measurement of it, with three times the
    spread of the neighbours around the fit as its error: across a boundary
    where tissues slide the spread is large, and the point keeps its own path.
    """
    out = centre.copy()
    frames, points = variance.shape
    for point in range(points):
        row = query[point]
        if not 0 <= row < frames:
            continue
        others = np.flatnonzero((query == row) & (np.arange(points) != point))
        away = (centre[row, others] - centre[row, point]) / (REACH * reach_px)
        near = np.exp(-0.5 * np.sum(away**2, axis=-1))
        close = near > LEAST_WEIGHT
        if np.count_nonzero(close) < FEWEST:
            continue
        others, away, near = others[close], away[close], near[close]
        moved = centre[:, others] - centre[row, others]
        shift, error = _common(away, near, moved, variance[:, others])
        share = variance[:, point] / (variance[:, point] + error)
        known = np.isfinite(share) & np.isfinite(centre[:, point]).all(axis=-1)
        told = centre[row, point] + shift
        gap = np.where(known[:, None], told - centre[:, point], 0.0)
        out[:, point] += np.where(known, share, 0.0)[:, None] * gap
    return out


def _common(away: Floats, near: Floats, moved: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Motion at the middle of neighbours ``[frames, 2]``, and its squared error per axis."""
    known = np.isfinite(moved).all(axis=-1) & np.isfinite(variance)
    given = np.where(known, near / (np.where(known, variance, 1.0) + FLOOR_PX), 0.0)
    moved = np.where(known[..., None], moved, 0.0)
    design = np.column_stack([np.ones(len(away)), away])
    weight = given
    for _ in range(ROUNDS):
        total = weight.sum(axis=1)[:, None, None]
        normal = np.einsum("tn,na,nb->tab", weight, design, design)
        normal += total * np.diag([0.0, STIFFNESS, STIFFNESS]) + 1e-9 * np.eye(3)
        right = np.einsum("tn,na,tnk->tak", weight, design, moved)
        fit = np.linalg.solve(normal, right)
        off = np.linalg.norm(moved - np.einsum("na,tak->tnk", design, fit), axis=-1)
        typical = np.median(off, axis=1, keepdims=True) + FLOOR_PX
        weight = given / (1.0 + (off / (TOLERANCE * typical)) ** 2)
    total_weight = np.maximum(weight.sum(axis=1), 1e-12)
    spread = np.sum(weight * off**2, axis=1) / (2.0 * total_weight)
    enough = np.count_nonzero(known, axis=1) >= FEWEST
    return fit[:, 0], np.where(enough, DISTRUST**2 * spread + FLOOR_PX**2, np.inf)
