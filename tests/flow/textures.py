"""Pictures made of random waves: known between pixels too, however they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WAVES = 120
CONTRAST = 40.0
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

    def at(self, xy: Floats) -> Floats:
        """Grey values at places ``[..., 2]``, mean 0."""
        random = np.random.default_rng(self.seed)
        number = random.normal(size=(WAVES, 2)) / np.asarray(self.grain_px)
        phase = random.uniform(0.0, 2.0 * np.pi, WAVES)
        flat = np.asarray(xy).reshape(-1, 2)
        grey = np.cos(flat @ number.T + phase).sum(axis=1) * np.sqrt(2.0 / WAVES)
        return CONTRAST * grey.reshape(np.shape(xy)[:-1])

    def seen(self, size, shift=(0.0, 0.0), turned=STRAIGHT, about=(0.0, 0.0)) -> Floats:
        """The picture ``[y, x]`` of (width, height) px, moved: turned about a place and shifted."""
        width, height = size
        x, y = np.meshgrid(np.arange(float(width)), np.arange(float(height)))
        back = np.stack([x, y], axis=-1) - np.asarray(shift) - about
        return self.at(back @ np.linalg.inv(turned).T + about)


def grey8(picture: Floats) -> NDArray[np.uint8]:
    """As pictures come from a file, mean 128."""
    return np.clip(np.rint(picture + 128.0), 0, 255).astype(np.uint8)


def still(count: int) -> Floats:
    """No deformation of so many squares."""
    return np.tile(np.eye(2), (count, 1, 1))
