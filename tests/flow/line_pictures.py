"""Pictures of even lines and of speckle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MM = 0.1
SHAPE = (240, 420)


def lines(angle_deg, *, spacing=(MM, MM), shape=SHAPE, period_mm=2.5, phase=0.7):
    """Even lines that rise to the right by an angle in mm."""
    y, x = np.mgrid[: shape[0], : shape[1]] * np.array(spacing[::-1])[:, None, None]
    turn = np.deg2rad(angle_deg)
    across = x * np.sin(turn) + y * np.cos(turn)
    return 110.0 + 60.0 * np.cos(2.0 * np.pi * across / period_mm + phase)


def speckle(shape=SHAPE, seed=0, size=(1.5, 4.0)):
    """Multiplicative speckle, wider than deep, of mean 1."""
    random = np.random.default_rng(seed)
    echo = [ndimage.gaussian_filter(random.normal(size=shape), size) for _ in range(2)]
    loud = np.hypot(*echo)
    return loud / loud.mean()


def grey(picture):
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
