"""How tissue around a point moves and deforms, from many small matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDS = 4
FLOOR_MM = 0.01
"""Matches are never believed to be more exact than this."""
TOLERANCE = 2.25
"""How many times the typical distance from the fit makes a match count half."""


@dataclass(frozen=True, eq=False)
class LocalAffine:
    """Motion around each point: ``shift + gradient @ offset``.

    Attributes
    ----------
    shift : float64 ndarray, shape (points, 2)
        Motion of the point itself, mm.
    gradient : float64 ndarray, shape (points, 2, 2)
        Displacement gradient: change of (x, y) motion per mm along x and y.
    spread : float64 ndarray, shape (points,)
        Typical distance of the matches from the fit, mm.
    weight : float64 ndarray, shape (points, seeds)
        What each match counted in the end.
    """

    shift: Floats
    gradient: Floats
    spread: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Seeds:
    """Places around a point that are matched, and what each counts.

    Attributes
    ----------
    offsets : float64 ndarray, shape (seeds, 2)
        (x, y) from the point, mm.
    weights : float64 ndarray, shape (seeds,)
        1 at the point, less farther away.
    """

    offsets: Floats
    weights: Floats

    @classmethod
    def around(cls, step_mm: float, reach_mm: float) -> Seeds:
        """Give a 5 x 5 grid.

        Parameters
        ----------
        step_mm : float
            Distance of neighbouring seeds.
        reach_mm : float
            Standard deviation of the Gaussian weight.
        """
        line = np.arange(-2, 3) * step_mm
        offsets = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        return cls(offsets, np.exp(-0.5 * (offsets**2).sum(axis=-1) / reach_mm**2))


def fit(offsets: Floats, shifts: Floats, weights: Floats, stiffness: float) -> LocalAffine:
    """Fit shift and gradient robustly to the motions of seeds.

    Parameters
    ----------
    offsets : ndarray, shape (seeds, 2)
        Where the seeds lie around every point, mm.
    shifts : ndarray, shape (points, seeds, 2)
        How far each moved, mm.
    weights : ndarray, shape (points, seeds)
        How far each is to be believed; 0 leaves it out.
    stiffness : float
        How strongly gradients are drawn to 0, in mm^2 of weighted seeds.

    Notes
    -----
    Least squares reweighted by the Cauchy function, its scale taken anew from
    the median distance in each of four rounds.
    """
    design = np.column_stack([np.ones(len(offsets)), offsets])
    ridge = np.diag([1e-6, stiffness, stiffness])
    robust = np.ones_like(weights)
    for _ in range(ROUNDS):
        weight = weights * robust
        normal = np.einsum("np,pi,pj->nij", weight, design, design) + ridge
        right = np.einsum("np,pi,npk->nik", weight, design, shifts)
        found = np.linalg.solve(normal, right)
        away = np.linalg.norm(shifts - np.einsum("pi,nik->npk", design, found), axis=-1)
        typical = np.median(away, axis=1, keepdims=True) + FLOOR_MM
        robust = 1.0 / (1.0 + (away / (TOLERANCE * typical)) ** 2)
    total = np.maximum(weight.sum(axis=1), 1e-9)
    spread = np.sqrt((weight * away**2).sum(axis=1) / total)
    return LocalAffine(found[:, 0], found[:, 1:].transpose(0, 2, 1), spread, weight)
