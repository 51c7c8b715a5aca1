"""Paths from every anchor on their way through a clip, in one direction of time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.smoothing.runs import Floats

Grey = NDArray[np.uint8]
Indices = NDArray[np.intp]
FlowStep = Callable[[Grey, Grey, Floats, Floats | None], Floats]
"""Moves positions (n, 2), px, from one frame to another; told what motion to expect, if known."""
Carry = Callable[[Grey, Grey, Floats], Floats]
"""Moves paths (window frames, points, 2) from one frame to another; NaN where there is none."""
MOST_SEEDS = 6
"""Places on each side of the grid in which flow is mapped."""
LEAST_PX = 1.0
"""Half the side of the smallest square in which flow is mapped."""


class Sweep:
    """Paths on their way, all those that cross a frame pair together.

    Parameters
    ----------
    given : float64 ndarray, shape (frames, points, 2)
        Where paths begin, px.
    last : intp ndarray, shape (frames, points)
        Frame in which the path from each position ends; -1 where none begins.
    weight : float64 ndarray, shape (window frames,)
        What a path counts at so many frames from its anchor.
    carry : Carry

    Attributes
    ----------
    sums : float64 ndarray, shape (frames, points, 2)
        Weighted positions of all paths, px.
    total : float64 ndarray, shape (frames, points)
        Their weights.
    frame : int
        Where paths have come to.
    """

    def __init__(self, given: Floats, last: Indices, weight: Floats, carry: Carry) -> None:
        self.sums, self.total = np.zeros(given.shape), np.zeros(last.shape)
        self.frame = 0
        self._given, self._weight, self._carry = given, weight, carry
        before = np.full((len(weight) - 1, last.shape[1]), -1, dtype=np.intp)
        self._last = np.concatenate([before, last])
        # By frames since the anchor, so that each row has one weight.
        self._xy = np.full((len(weight), *given.shape[1:]), np.nan)
        self._counted = np.zeros((*self._xy.shape[:2], 3))
        self._waiting: deque[Grey] = deque()
        self._picture: Grey | None = None
        self._begin()

    def feed(self, pictures: Iterable[Grey]) -> None:
        """Take the next frames of the clip."""
        self._waiting.extend(pictures)
        if self._picture is None and self._waiting:
            self._picture = self._waiting.popleft()

    @property
    def hungry(self) -> bool:
        """Whether all frames that were given are used up."""
        return not self._waiting

    def work(self, seconds: float) -> None:
        """Move through waiting frame pairs, one at least, until the time has passed."""
        begun = time.perf_counter()
        while self._waiting:
            self._move(self._waiting.popleft())
            if time.perf_counter() - begun > seconds:
                break

    def _move(self, there: Grey) -> None:
        """Carry all paths from a frame to the next, where others begin."""
        here, self._picture = self._picture, there
        assert here is not None
        goes = np.asarray(self._ends()[:-1] > self.frame)
        xy = np.where(goes[..., None], self._xy[:-1], np.nan)
        self._xy[1:] = self._carry(here, there, xy)
        self.frame += 1
        self._begin()

    def _begin(self) -> None:
        """Start paths at the given positions of a frame, and count all that are there."""
        begins = np.asarray(self._ends()[0] >= self.frame)
        self._xy[0] = np.where(begins[:, None], self._given[self.frame], np.nan)
        there = np.asarray(np.isfinite(self._xy).all(axis=-1))
        self._counted[..., :2] = np.where(there[..., None], self._xy, 0.0)
        self._counted[..., 2] = there
        # Row by row, so that the points beside it change no bit of a point's answer.
        summed = (self._weight[:, None, None] * self._counted).sum(axis=0)
        self.sums[self.frame], self.total[self.frame] = summed[:, :2], summed[:, 2]

    def _ends(self) -> Indices:
        """Where the paths of this frame end, by frames since their anchor."""
        return self._last[self.frame : self.frame + len(self._weight)][::-1]


def exactly(step: FlowStep) -> Carry:
    """Carry every path on its own."""

    def carry(here: Grey, there: Grey, xy: Floats) -> Floats:
        known = np.isfinite(xy).all(axis=-1)
        if known.any():
            xy[known] = step(here, there, xy[known], None)
        return xy

    return carry


class Mapped:
    """Carries the paths of a point by flow on a grid over them, bilinear in between.

    Parameters
    ----------
    step : FlowStep
    spacing_px : float
        Largest distance of grid places, as long as there are no more than
        `MOST_SEEDS` on a side.
    """

    def __init__(self, step: FlowStep, spacing_px: float) -> None:
        self._step, self._spacing_px = step, spacing_px
        self._motion = np.empty((0, 2))

    def __call__(self, here: Grey, there: Grey, xy: Floats) -> Floats:
        """Carry paths, ``[window frames, points, 2]`` px, from a frame to another."""
        low, high = np.fmin.reduce(xy), np.fmax.reduce(xy)
        middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), LEAST_PX)
        needed = np.ceil(2.0 * half.max(axis=-1) / self._spacing_px) + 1.0
        side = np.where(needed > 0, np.clip(needed, 2, MOST_SEEDS), 0).astype(np.intp)
        if not side.any():
            return xy
        if len(self._motion) != len(side):
            self._motion = np.full(middle.shape, np.nan)
        grids = _grids(tuple(side.tolist()))
        owner = grids.owner
        start = middle[owner] + half[owner] * grids.places
        flow = self._step(here, there, start, self._motion[owner]) - start
        self._motion = np.full(middle.shape, np.nan)
        self._motion[side > 0] = np.add.reduceat(flow, grids.first[side > 0])
        self._motion /= np.maximum(side * side, 1)[:, None]
        return xy + grids.between(flow, (xy - middle) / half)


@dataclass(frozen=True, eq=False)
class _Grids:
    """Square grids of several points, one after the other.

    Attributes
    ----------
    side, first : intp ndarray, shape (points,)
        Places on each side, and number of the first place; 0 where there is no grid.
    owner : intp ndarray, shape (places,)
        Point of each place.
    places : float64 ndarray, shape (places, 2)
        (x, y) in the grid, -1 to 1.
    """

    side: Indices
    first: Indices
    owner: Indices
    places: Floats

    def between(self, flow: Floats, at: Floats) -> Floats:
        """Interpolate in grids.

        Parameters
        ----------
        flow : float64 ndarray, shape (places, 2)
        at : float64 ndarray, shape (n, points, 2)
            (x, y) in the grid of the point, -1 to 1, or NaN.
        """
        cells = np.maximum(self.side - 1, 1)[:, None]
        cell = (0.5 * at + 0.5) * cells
        corner = np.minimum(np.fmax(cell, 0.0).astype(np.intp), cells - 1)
        part = cell - corner
        right, down = part[..., :1], part[..., 1:]
        row = self.first + corner[..., 1] * self.side + corner[..., 0]
        below = row + self.side
        upper = flow[row] + right * (flow[row + 1] - flow[row])
        lower = flow[below] + right * (flow[below + 1] - flow[below])
        return np.asarray(upper + down * (lower - upper))


@lru_cache(maxsize=256)
def _grids(side: tuple[int, ...]) -> _Grids:
    """Grids with so many places on each side, for each point."""
    counts = np.array(side) ** 2
    lines = [np.linspace(-1.0, 1.0, n) for n in side if n]
    places = [np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) for line in lines]
    return _Grids(
        np.array(side),
        np.where(counts > 0, np.cumsum(counts) - counts, 0),
        np.repeat(np.arange(len(side)), counts),
        np.concatenate(places),
    )
