"""The only arithmetic that resizes, crops, flips or swaps.

Each map knows the frame size it leads to, sends positions there with
`forward` and back with `backward`, and pictures with `picture` where that
needs no interpolation. Positions are ``(..., 2)`` as (x, y) in px, integers
are pixel centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Positions = NDArray[np.float64]


class Map(Protocol):
    """A change of pixel grid."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the map, in px."""
        ...

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions on the new grid."""
        ...

    def backward(self, xy: ArrayLike) -> Positions:
        """Positions on the old grid."""
        ...


def swapped(xy: ArrayLike) -> Positions:
    """(x, y) to (y, x) and back, on the last axis."""
    return np.asarray(xy, dtype=np.float64)[..., ::-1]


@dataclass(frozen=True)
class Resize:
    """x' = (x + 0.5) s - 0.5 on each axis; sizes are (width, height) in px."""

    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the map, in px."""
        return self.after

    @property
    def factor(self) -> Positions:
        """New px per old px, (x, y)."""
        return np.asarray(self.after) / np.asarray(self.before)

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions on the resized grid."""
        return (np.asarray(xy, dtype=np.float64) + 0.5) * self.factor - 0.5

    def backward(self, xy: ArrayLike) -> Positions:
        """Positions on the original grid."""
        return (np.asarray(xy, dtype=np.float64) + 0.5) / self.factor - 0.5


@dataclass(frozen=True)
class Crop:
    """A window of `width` x `height` px whose first pixel is (left, top)."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the map, in px."""
        return self.width, self.height

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions inside the window."""
        return np.asarray(xy, dtype=np.float64) - (self.left, self.top)

    def backward(self, xy: ArrayLike) -> Positions:
        """Positions in the full frame."""
        return np.asarray(xy, dtype=np.float64) + (self.left, self.top)

    def picture(self, frames: NDArray) -> NDArray:
        """Cut ``[..., y, x]`` to the window, which must lie inside."""
        height, width = frames.shape[-2:]
        right, bottom = self.left + self.width, self.top + self.height
        if min(self.left, self.top) < 0 or right > width or bottom > height:
            raise ValueError(f"{self} does not fit a frame of {width} x {height} px")
        return frames[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Flip:
    """Mirror left-right (`horizontal`), top-bottom (`vertical`), or both."""

    before: tuple[int, int]
    horizontal: bool = True
    vertical: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the map, in px."""
        return self.before

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions in the mirrored frame."""
        width, height = self.before
        x, y = np.moveaxis(np.asarray(xy, dtype=np.float64), -1, 0)
        x = width - 1 - x if self.horizontal else x
        y = height - 1 - y if self.vertical else y
        return np.stack([x, y], axis=-1)

    backward = forward

    def picture(self, frames: NDArray) -> NDArray:
        """Mirror ``[..., y, x]``."""
        rows = slice(None, None, -1) if self.vertical else slice(None)
        columns = slice(None, None, -1) if self.horizontal else slice(None)
        return frames[..., rows, columns]


@dataclass(frozen=True)
class Transpose:
    """Rows become columns."""

    before: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the map, in px."""
        width, height = self.before
        return height, width

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions in the transposed frame."""
        return swapped(xy)

    backward = forward

    def picture(self, frames: NDArray) -> NDArray:
        """Transpose ``[..., y, x]``."""
        return np.swapaxes(frames, -1, -2)


@dataclass(frozen=True)
class Chain:
    """Several maps, one after the other."""

    maps: Sequence[Map]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height after the last map, in px."""
        return self.maps[-1].size

    def forward(self, xy: ArrayLike) -> Positions:
        """Positions after the last map."""
        start = np.asarray(xy, dtype=np.float64)
        return reduce(lambda at, step: step.forward(at), self.maps, start)

    def backward(self, xy: ArrayLike) -> Positions:
        """Positions before the first map."""
        start = np.asarray(xy, dtype=np.float64)
        return reduce(lambda at, step: step.backward(at), reversed(self.maps), start)


def inside(xy: ArrayLike, width: int, height: int) -> NDArray[np.bool_]:
    """Which positions lie on a pixel of a width x height frame; NaN does not."""
    at = np.asarray(xy)
    x, y = at[..., 0], at[..., 1]
    return (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
