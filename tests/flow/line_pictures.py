"""Pictures of even lines and of speckle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MM = 0.1
SHAPE, MUSCLE = (240, 420), (260, 420)
X = np.linspace(15.0, 400.0, 7)


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


def straight(at_px, slope):
    """Line through (207.5, at_px)."""
    return np.stack([X, at_px + slope * (X - 207.5)], axis=-1)


def with_band(picture, at_px, slope, *, thick_px=14.0, level=230.0, bow_px=0.0):
    """Picture with a bright band around a line, its edges as sharp as speckle is deep."""
    y, x = np.mgrid[: MUSCLE[0], : MUSCLE[1]].astype(float)
    bowed = bow_px * (1.0 - ((x - 207.5) / 192.5) ** 2)
    away = (y - at_px - slope * (x - 207.5) - bowed) / np.hypot(1.0, slope)
    share = (
        0.25 * (1 + np.tanh((away + thick_px / 2) / 2)) * (1 - np.tanh((away - thick_px / 2) / 2))
    )
    return picture + share * (level - picture)


def dark():
    return np.full(MUSCLE, 40.0)


def muscle(angles, upper, lower):
    """Lines of given angles between two bands; both (place, slope) per frame."""
    frames = []
    for number, angle in enumerate(angles):
        picture = lines(angle, shape=MUSCLE, phase=0.3 * number) * speckle(MUSCLE, seed=number)
        picture = with_band(0.6 * picture, *upper[number])
        frames.append(grey(with_band(picture, *lower[number])))
    return frames
