"""The published moving-window optical-flow filter; the flow step is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.video import Video
from napari_usstrack.smoothing.runs import Floats, Run, Smoothed, positions, runs

Grey = NDArray[np.uint8]
Indices = NDArray[np.intp]
FlowStep = Callable[[Grey, Grey, Floats, Floats | None], Floats]
"""Moves positions (n, 2), px, from one frame to another; told what motion to expect, if known."""
Carry = Callable[[Grey, Grey, Indices, Floats], Floats]
"""Moves paths from one frame to another: point and place of each."""
CHUNK = 16
"""Frames read together."""
LEAST_PX = 1.0
"""Half the side of the smallest square in which flow is mapped."""


@dataclass(frozen=True)
class FlowWindow:
    """How the filter works.

    Attributes
    ----------
    frames : int
        Frames of a window, both anchors included, at least 2. More smooth
        more: noise of the given positions falls to about 0.93 / sqrt(frames),
        from 25 frames on and as far as the flow does not depend on it.
    ends : {"unsmoothed", "padded"}
        The first and the last `frames` - 1 frames of a run lie in fewer
        windows, and its first and last position stay as they are; or windows
        that reach over an end are cut there and keep the one pass whose anchor
        is inside, so that ends are smoothed as well.
    mode : {"exact", "fast"}
        Every path is tracked on its own; or, at each frame pair, flow is
        measured on a grid over the paths of a point and carries them between.
    seeds : int
        Fast only: places on each side of that grid, at least 2. More come
        nearer to the exact mode and take longer.
    """

    frames: int = 25
    ends: Literal["unsmoothed", "padded"] = "unsmoothed"
    mode: Literal["exact", "fast"] = "exact"
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"A window of optical flow needs 2 frames or more, not {self.frames}.")
        if self.ends not in ("unsmoothed", "padded") or self.mode not in ("exact", "fast"):
            raise ValueError(f"There are no ends {self.ends!r} or no mode {self.mode!r}.")
        if self.seeds < 2:
            raise ValueError(f"A grid has 2 places or more on each side, not {self.seeds}.")


def frames_of(window_s: float, fps: float) -> int:
    """Frames of a window of so many seconds, rounded as DUSTrack does."""
    return round(window_s * fps)


def smooth_with_flow(
    video: Video,
    xy: ArrayLike,
    step: FlowStep,
    weights: Callable[[int], Floats],
    settings: FlowWindow | None = None,
) -> Work[Smoothed]:
    """Average, at each frame, what optical flow says from anchors around it.

    Windows begin at every frame. In each, points are tracked forward from
    their positions in its first frame and backward from those in its last, and
    the passes are joined; a frame's result is the mean of all windows it is in.

    Parameters
    ----------
    video : Video
        The clip, read once forward and once backward.
    xy : array_like, shape (frames, points, 2)
        Given positions, px, NaN where missing. Each run between gaps is
        smoothed on its own; one shorter than the window stays as it is.
    step : callable
        ``step(here, there, xy, motion)`` moves positions (n, 2) from one grey
        frame to another; a lost one is NaN and its path ends. It must move
        each position without regard to the others. `motion` is None, or in
        fast mode the flow (n, 2) across the frame pair before, px, NaN where
        unknown. A step that searches near it only is faster yet.
    weights : callable
        Weight of the forward pass at each of the ``length + 1`` frames of a
        stretch; that of the backward pass is the rest to 1. The published one
        is the reversed sigmoid of `flow.blending.forward_weight`.
    settings : FlowWindow, optional

    Yields
    ------
    Progress
        After every frame pair, of both ways.

    Returns
    -------
    Smoothed

    Raises
    ------
    ValueError
        When positions and clip differ in length, or the window is longer than
        the clip.

    Notes
    -----
    Magana-Salgado et al., "A comparison of point-tracking algorithms in
    ultrasound videos from the upper limb" (BioMedical Engineering OnLine
    2023), averaged over moving windows as in DUSTrack's `lkmovavg`; exact mode
    with unsmoothed ends equals DUSTrack 1.3.2, which rounds anchors to single
    precision: so does this mode.

    All paths that cross a frame pair are moved in one call, so exact mode
    prepares the two pictures once for all windows.

    Fast beside exact, measured with Lucas-Kanade in 45 px on three levels, 4
    points off by 1 px (standard deviation) and windows of 25 frames: 0.014 px
    rms and 0.07 px at most apart on 200 frames of speckle, 0.07 and 0.7 px on a
    muscle, 0.5 and 2.5 px on a heart, where nearly all is one point (1.05 px
    rms, the others up to 0.12) at which flow depends on where it starts; in
    three quarters to six tenths of the time. With a step that searches near
    `motion` only: 0.014, 1.6 and 1.0 px rms; faster on speckle alone.
    ``python -m benchmarks.flow_window`` measures it again.
    """
    settings = settings or FlowWindow()
    places = positions(xy)
    _check(len(places), video.info.frame_count, settings.frames)
    weight = np.asarray(weights(settings.frames - 1), dtype=np.float64)
    found = list(runs(places))
    smoothed = [run for run in found if len(run) >= settings.frames]
    unsmoothed = tuple(run for run in found if len(run) < settings.frames)
    anchors = places.astype(np.float32) if settings.mode == "exact" else places
    total = np.zeros((*places.shape[:2], 1))
    sums = np.zeros(places.shape)
    pairs = 2 * (len(places) - 1)
    done = 0
    for turn in (1, -1):
        last = _last(smoothed, places.shape[:2], settings)[turn]
        carry = _carry(step, settings, places.shape[1])
        sweep = _Sweep(
            anchors[::turn].astype(np.float64), last, weight, carry, sums[::turn], total[::turn]
        )
        for frame, (here, there) in enumerate(pairwise(_frames(video, turn))):
            sweep.move(frame, here, there)
            done += 1
            yield Progress(done, pairs)
    mean = np.divide(sums, total, out=places.copy(), where=total > 0)
    return Smoothed(mean, unsmoothed)


def _check(positions_given: int, in_clip: int, window: int) -> None:
    if positions_given != in_clip:
        raise ValueError(f"There are positions for {positions_given} frames of {in_clip}.")
    if window > in_clip:
        raise ValueError(
            f"The window of {window} frames is longer than the clip, which has {in_clip}."
        )


def _frames(video: Video, turn: int) -> Iterator[Grey]:
    """Frames one by one, in order or backward."""
    count = video.info.frame_count
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        span = range(first, stop) if turn > 0 else range(count - stop, count - first)
        yield from video.frames(span)[::turn]


def _last(found: list[Run], shape: tuple[int, ...], settings: FlowWindow) -> dict[int, Indices]:
    """Last frame of the path from each anchor, forward (1) and in reversed time (-1).

    Where none begins it is -1.
    """
    count, length = shape[0], settings.frames - 1
    out = {turn: np.full(shape, -1, dtype=np.intp) for turn in (1, -1)}
    for run in found:
        for turn in (1, -1):
            first, end = run.first, run.last
            if turn < 0:
                first, end = count - 1 - end, count - 1 - first
            anchors = np.arange(first, end + 1)
            reached = anchors + length
            if settings.ends == "unsmoothed":
                reached[reached > end] = -1
            out[turn][first : end + 1, run.point] = np.minimum(reached, end)
    return out


class _Sweep:
    """Paths on their way through the clip in one direction.

    Parameters
    ----------
    given : float64 ndarray, shape (frames, points, 2)
    last : intp ndarray, shape (frames, points)
        Where the path from each position ends.
    weight : float64 ndarray, shape (window frames,)
        What a path counts at so many frames from its anchor.
    carry : Carry
    sums, total : float64 ndarray
        Added to: weighted positions and weights, ``[frames, points, ...]``.
    """

    def __init__(
        self,
        given: Floats,
        last: Indices,
        weight: Floats,
        carry: Carry,
        sums: Floats,
        total: Floats,
    ) -> None:
        self._given, self._last, self._weight = given, last, weight
        self._carry, self._sums, self._total = carry, sums, total
        self._anchor = np.empty(0, dtype=np.intp)
        self._point = np.empty(0, dtype=np.intp)
        self._xy = np.empty((0, 2))
        self._begin(0)

    def move(self, frame: int, here: Grey, there: Grey) -> None:
        """Carry all paths from a frame to the next, where others begin."""
        self._keep(np.flatnonzero(self._last[self._anchor, self._point] > frame))
        if self._xy.size:
            self._xy = self._carry(here, there, self._point, self._xy)
            self._keep(np.flatnonzero(np.isfinite(self._xy).all(axis=-1)))
        self._count(frame + 1, self._anchor, self._point, self._xy)
        self._begin(frame + 1)

    def _keep(self, which: Indices) -> None:
        self._anchor, self._point = self._anchor[which], self._point[which]
        self._xy = self._xy[which]

    def _begin(self, frame: int) -> None:
        """Start paths at the given positions of a frame."""
        point = np.flatnonzero(self._last[frame] >= frame)
        anchor = np.full(len(point), frame)
        xy = self._given[frame, point]
        self._count(frame, anchor, point, xy)
        self._anchor = np.concatenate([self._anchor, anchor])
        self._point = np.concatenate([self._point, point])
        self._xy = np.concatenate([self._xy, xy])

    def _count(self, frame: int, anchor: Indices, point: Indices, xy: Floats) -> None:
        weight = self._weight[frame - anchor][:, None]
        np.add.at(self._sums[frame], point, weight * xy)
        np.add.at(self._total[frame], point, weight)


def _carry(step: FlowStep, settings: FlowWindow, points: int) -> Carry:
    if settings.mode == "exact":
        return lambda here, there, _point, xy: step(here, there, xy, None)
    return _Mapped(step, settings.seeds, points)


class _Mapped:
    """Carries the paths of a point by flow on a grid over them, bilinear in between."""

    def __init__(self, step: FlowStep, seeds: int, points: int) -> None:
        line = np.linspace(-1.0, 1.0, seeds)
        self._grid = np.stack(np.meshgrid(line, line), axis=-1)
        self._step, self._seeds = step, seeds
        self._motion = np.full((points, *self._grid.shape), np.nan)

    def __call__(self, here: Grey, there: Grey, point: Indices, xy: Floats) -> Floats:
        needed, row = np.unique(point, return_inverse=True)
        low = np.full((len(needed), 2), np.inf)
        high = -low
        np.minimum.at(low, row, xy)
        np.maximum.at(high, row, xy)
        middle, half = (low + high) / 2.0, np.maximum((high - low) / 2.0, LEAST_PX)
        start = middle[:, None, None] + half[:, None, None] * self._grid
        told = self._motion[needed].reshape(-1, 2)
        flow = self._step(here, there, start.reshape(-1, 2), told).reshape(start.shape) - start
        self._motion[:] = np.nan
        self._motion[needed] = flow
        return xy + _between(flow, row, (xy - middle[row]) / half[row])


def _between(flow: Floats, row: Indices, at: Floats) -> Floats:
    """Interpolate in grids.

    Parameters
    ----------
    flow : float64 ndarray, shape (grids, y, x, 2)
    row : intp ndarray, shape (n,)
        Grid of each place.
    at : float64 ndarray, shape (n, 2)
        (x, y) in the grid, -1 to 1.
    """
    side = flow.shape[1] - 1
    cell = (at + 1.0) / 2.0 * side
    corner = np.clip(np.floor(cell).astype(np.intp), 0, side - 1)
    (x, y), part = corner.T, cell - corner
    right, down = part[:, :1], part[:, 1:]
    upper = (1.0 - right) * flow[row, y, x] + right * flow[row, y, x + 1]
    lower = (1.0 - right) * flow[row, y + 1, x] + right * flow[row, y + 1, x + 1]
    return (1.0 - down) * upper + down * lower
