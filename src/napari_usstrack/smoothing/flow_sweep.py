"""Paths from every anchor on their way through a clip, in one direction of time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.smoothing.runs import Floats

Grey = NDArray[np.uint8]
Both = tuple[Grey, Grey]
"""A frame of the clip, and one of the clip backward."""
Indices = NDArray[np.intp]
FlowStep = Callable[[Grey, Grey, Floats, Floats | None], Floats]
"""Moves positions (n, 2), px, from one frame to another; told what motion to expect, if known."""
Crossing = tuple[Grey, Grey, Floats, Floats | None]
"""What a `FlowStep` is asked."""
FlowSteps = Callable[[Sequence[Crossing]], Sequence[Floats]]
"""Answers several questions at once."""
Carry = Callable[[Both, Both, Floats], Floats]
"""Moves paths (window frames, points, 2) to the next frames; NaN where there is none.

The first half of the points are on the first pictures, the others on the second."""
MOST_SEEDS = 4
"""Places on each side of the grid in which flow is mapped."""
LEAST_PX = 1.0
"""Half the side of the smallest square in which flow is mapped."""


class Sweep:
    """Paths on their way, all those that cross a frame pair together.

    Both directions of time go at once: the second half of the points are on
    the clip backward, where everything is counted from its last frame.

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
        self._waiting: deque[Both] = deque()
        self._pictures: Both | None = None
        self._begin()

    def feed(self, pictures: Iterable[Both]) -> None:
        """Take the next frames of the clip."""
        self._waiting.extend(pictures)
        if self._pictures is None and self._waiting:
            self._pictures = self._waiting.popleft()

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

    def _move(self, there: Both) -> None:
        """Carry all paths from a frame to the next, where others begin."""
        here, self._pictures = self._pictures, there
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


def exactly(step: FlowStep, helper: Executor | None = None) -> Carry:
    """Carry every path on its own; a helper takes one direction of time."""

    def carry(here: Both, there: Both, xy: Floats) -> Floats:
        known = np.asarray(np.isfinite(xy).all(axis=-1))
        half = xy.shape[1] // 2

        def move(way: int) -> None:
            part = np.s_[:, way * half : (way + 1) * half]
            if (moving := known[part]).any():
                xy[part][moving] = step(here[way], there[way], xy[part][moving], None)

        other = None if helper is None else helper.submit(move, 1)
        move(0)
        if other is None:
            move(1)
        else:
            other.result()
        return xy

    return carry


def one_by_one(step: FlowStep) -> FlowSteps:
    """Answer each question on its own."""
    return lambda crossings: [step(*crossing) for crossing in crossings]


class Mapped:
    """Carries the paths of a point by flow on a grid over them, bilinear in between.

    On a grid of two by two, flow is measured at three places and affine.

    Parameters
    ----------
    steps : FlowSteps
        Asked about both directions of time at once.
    spacing_px : float
        Largest distance of grid places, as long as there are no more than
        `MOST_SEEDS` on a side.
    """

    def __init__(self, steps: FlowSteps, spacing_px: float) -> None:
        self._steps, self._spacing_px = steps, spacing_px
        self._motion = np.empty((0, 2))

    def __call__(self, here: Both, there: Both, xy: Floats) -> Floats:
        """Carry paths, ``[window frames, points, 2]`` px, from frames to others."""
        low, high = np.fmin.reduce(xy), np.fmax.reduce(xy)
        middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), LEAST_PX)
        needed = np.ceil(2.0 * half.max(axis=-1) / self._spacing_px) + 1.0
        side = np.where(needed > 0, np.clip(needed, 2, MOST_SEEDS), 0).astype(np.intp)
        if not side.any():
            return xy
        if len(self._motion) != len(side):
            self._motion = np.full(middle.shape, np.nan)
        grids = _grids(tuple(side.tolist()))
        owner = grids.owner[grids.asked]
        start = middle[owner] + half[owner] * grids.places[grids.asked]
        landed = self._across(here, there, start, self._motion[owner], grids.halfway)
        flow = grids.filled(landed - start)
        self._motion = np.full(middle.shape, np.nan)
        self._motion[side > 0] = np.add.reduceat(flow, grids.first[side > 0])
        self._motion /= np.maximum(side * side, 1)[:, None]
        return xy + grids.between(flow, (xy - middle) / half)

    def _across(
        self, here: Both, there: Both, start: Floats, motion: Floats, halfway: int
    ) -> Floats:
        """Move the places of both directions of time, those there are."""
        parts = (np.s_[:halfway], np.s_[halfway:])
        ways = [way for way in (0, 1) if len(start[parts[way]])]
        asked = [(here[way], there[way], start[parts[way]], motion[parts[way]]) for way in ways]
        return np.concatenate(self._steps(asked))


@dataclass(frozen=True, eq=False)
class _Grids:
    """Square grids of several points, one after the other.

    Attributes
    ----------
    side, first : intp ndarray, shape (points,)
        Places on each side, and number of the first place; 0 where there is no grid.
    asked : intp ndarray, shape (measured,)
        Numbers of the places at which flow is measured.
    halfway : int
        How many of those belong to the first half of the points.
    derived : intp ndarray, shape (places - measured,)
        Numbers of the others, each the last corner of a grid of two by two.
    owner : intp ndarray, shape (places,)
        Point of each place.
    places : float64 ndarray, shape (places, 2)
        (x, y) in the grid, -1 to 1.
    """

    side: Indices
    first: Indices
    asked: Indices
    halfway: int
    derived: Indices
    owner: Indices
    places: Floats

    def filled(self, measured: Floats) -> Floats:
        """Flow at all places, (places, 2), from that at the measured ones."""
        flow = np.empty_like(self.places)
        flow[self.asked] = measured
        last = self.derived
        flow[last] = flow[last - 1] + flow[last - 2] - flow[last - 3]
        return flow

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
    ends, owner = np.cumsum(counts), np.repeat(np.arange(len(side)), counts)
    derived = ends[counts == 4] - 1
    asked = np.setdiff1d(np.arange(len(owner)), derived)
    return _Grids(
        np.array(side),
        np.where(counts > 0, ends - counts, 0),
        asked,
        int(np.count_nonzero(owner[asked] < len(side) // 2)),
        derived,
        owner,
        np.concatenate(places),
    )
