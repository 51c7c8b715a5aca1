"""Known motions: where material points of frame 0 lie at a later frame.

A motion is a function of frame number and material positions ``(n, 2)`` in
px; it returns positions in px. At frame 0 it returns what it was given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Motion = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]


def still(_frame: int, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """No motion."""
    return xy


def shift(dx: float, dy: float) -> Motion:
    """Constant velocity in px per frame."""
    return lambda frame, xy: xy + np.array([dx, dy]) * frame


def contraction(
    centre: tuple[float, float],
    *,
    period: float,
    strain: float = 0.08,
    turn_deg: float = 4.0,
    sway_px: float = 4.0,
) -> Motion:
    """Periodic shortening along x with thickening along y, a turn and a sway.

    Parameters
    ----------
    centre : tuple of float
        Fixed point of the deformation, px.
    period : float
        Frames per cycle.
    strain : float
        Largest relative shortening along x; area is kept.
    turn_deg : float
        Largest rotation, degrees.
    sway_px : float
        Largest displacement along y, px.
    """
    middle = np.asarray(centre)

    def at(frame: int, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = 0.5 * (1.0 - np.cos(2.0 * np.pi * frame / period))
        stretch = 1.0 - strain * phase
        angle = np.deg2rad(turn_deg) * phase
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = (xy - middle) * np.array([stretch, 1.0 / stretch]) @ turn.T
        return moved + middle + np.array([0.0, sway_px * phase])

    return at
