"""Pictures made of random waves: known between pixels too, however they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WAVES = 120
STRENGTH = 40.0 * np.sqrt(2.0 / WAVES)
STRAIGHT = np.eye(2)


@dataclass(frozen=True)
class Texture:
    """Grey values at any place.

    Attributes
    ----------
    seed : int
    grain_px : tuple of float
        Standard deviation of the grains along x and y.
    """

    seed: int = 0
    grain_px: tuple[float, float] = (2.5, 2.5)

    def waves(self) -> tuple[Floats, Floats]:
        """Wave numbers ``[waves, 2]`` and phases."""
        random = np.random.default_rng(self.seed)
        number = random.normal(size=(WAVES, 2)) / np.asarray(self.grain_px)
        return number, random.uniform(0.0, 2.0 * np.pi, WAVES)

    def at(self, xy: Floats) -> Floats:
        """Grey values at places ``[n, 2]``, mean 0."""
        number, phase = self.waves()
        return STRENGTH * np.cos(xy @ number.T + phase).sum(axis=1)

    def seen(self, size, shift=(0.0, 0.0), turned=STRAIGHT, about=(0.0, 0.0)) -> Floats:
        """The picture ``[y, x]`` of (width, height) px, moved: turned about a place and shifted."""
        number, phase = self.waves()
        moved = number @ np.linalg.inv(turned)
        phase = phase + number @ np.asarray(about) - moved @ (np.asarray(shift) + about)
        across = np.exp(1j * (np.arange(size[0])[:, None] * moved[:, 0] + phase))
        down = np.exp(1j * np.arange(size[1])[:, None] * moved[:, 1])
        return STRENGTH * (down @ across.T).real


def grey8(picture: Floats) -> NDArray[np.uint8]:
    """As pictures come from a file, mean 128."""
    return np.clip(np.rint(picture + 128.0), 0, 255).astype(np.uint8)


def still(count: int) -> Floats:
    """No deformation of so many squares."""
    return np.tile(np.eye(2), (count, 1, 1))
