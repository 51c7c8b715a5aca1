"""The published moving-window optical-flow filter; the flow step is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.video import Video
from napari_usstrack.smoothing.flow_sweep import (
    Both,
    Carry,
    FlowStep,
    FlowSteps,
    Indices,
    Mapped,
    Sweep,
    exactly,
    one_by_one,
)
from napari_usstrack.smoothing.runs import Floats, Run, Smoothed, positions, runs

CHUNK = 16
"""Frames read together."""
BATCH_S = 0.05
"""How long work goes on before progress is reported."""


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
    spacing_px : float
        Fast only: largest distance of places on that grid. Less comes nearer
        to the exact mode and takes longer.
    threads : {1, 2}
        Exact only: directions of time that are worked on at once, each in a
        thread. Fast mode asks the flow step about both at once.
    """

    frames: int = 25
    ends: Literal["unsmoothed", "padded"] = "unsmoothed"
    mode: Literal["exact", "fast"] = "exact"
    spacing_px: float = 6.0
    threads: Literal[1, 2] = 2

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"A window of optical flow needs 2 frames or more, not {self.frames}.")
        if self.ends not in ("unsmoothed", "padded") or self.mode not in ("exact", "fast"):
            raise ValueError(f"There are no ends {self.ends!r} or no mode {self.mode!r}.")
        if not self.spacing_px > 0:
            raise ValueError(f"Places {self.spacing_px} px apart make no grid.")
        if self.threads not in (1, 2):
            raise ValueError(f"There are 1 or 2 threads, not {self.threads}.")


def frames_of(window_s: float, fps: float) -> int:
    """Frames of a window of so many seconds, rounded as DUSTrack does."""
    return round(window_s * fps)


def smooth_with_flow(
    video: Video,
    xy: ArrayLike,
    step: FlowStep,
    weights: Callable[[int], Floats],
    settings: FlowWindow | None = None,
    *,
    steps: FlowSteps | None = None,
) -> Work[Smoothed]:
    """Average, at each frame, what optical flow says from anchors around it.

    Windows begin at every frame. In each, points are tracked forward from
    their positions in its first frame and backward from those in its last, and
    the passes are joined; a frame's result is the mean of all windows it is in.

    Parameters
    ----------
    video : Video
        The clip, read from both ends to the other, by one thread.
    xy : array_like, shape (frames, points, 2)
        Given positions, px, NaN where missing. Each run between gaps is
        smoothed on its own; one shorter than the window stays as it is.
    step : callable
        ``step(here, there, xy, motion)`` moves positions (n, 2) from one grey
        frame to another; a lost one is NaN and its path ends. It must move
        each position without regard to the others, and allow calls from two
        threads at once where `settings` has two. `motion` is None, or in fast
        mode the flow (n, 2) across the frame pair before, px, NaN where
        unknown. A step that searches near it first is faster yet.
    weights : callable
        Weight of the forward pass at each of the ``length + 1`` frames of a
        stretch; that of the backward pass is the rest to 1. The published one
        is the reversed sigmoid of `flow.blending.forward_weight`.
    settings : FlowWindow, optional
    steps : callable, optional
        Fast mode only: ``steps([(here, there, xy, motion), ...])`` answers as
        `step` does, but for several frame pairs in one call, which may be
        quicker than one call for each.

    Yields
    ------
    Progress
        For every frame pair, of both ways: all those of 0.05 s together.

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
    prepares the two pictures once for all windows. Both directions of time are
    independent, so each has a thread, or both are one call in fast mode.

    Fast beside exact, measured with Lucas-Kanade in 45 px on three levels, 4
    points off by 1 px (standard deviation) and windows of 25 frames, is apart
    by 0.015 px rms and 0.06 px at most on 200 frames of speckle; by 0.13, 0.05,
    0.08 and 0.97 px rms and 0.6, 0.2, 0.7 and 5.6 px at most on four clips of
    muscle, and 0.7 and 3.2 px on a heart. With a step that searches near
    `motion` first: the same on speckle, 0.22, 1.5, 0.08 and 0.85 px rms and
    1.6, 10, 0.5 and 4.1 px at most on muscle, 0.7 and 2.7 px on the heart.
    Large ones are of single points at which flow depends on where the search
    begins: the 10 px are due to one frame pair in which the search from no
    guess finds 2 px and that from the motion before 19 px, with less left over.
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
    last = _last(smoothed, places.shape[:2], settings)
    with ThreadPoolExecutor(settings.threads, "usstrack-flow") as pool:
        helper = pool if settings.threads > 1 else None
        carry = _carry(step, steps or one_by_one(step), settings, helper)
        both = np.concatenate([anchors, anchors[::-1]], axis=1).astype(np.float64)
        sweep = Sweep(both, np.concatenate([last[1], last[-1]], axis=1), weight, carry)
        yield from _through(video, sweep, pool)
    (sums, total), (sums_back, total_back) = _ways(sweep)
    total = (total + total_back[::-1])[..., None]
    sums = sums + sums_back[::-1]
    mean = np.divide(sums, total, out=places.copy(), where=total > 0)
    return Smoothed(mean, unsmoothed)


def _carry(
    step: FlowStep, steps: FlowSteps, settings: FlowWindow, helper: Executor | None
) -> Carry:
    if settings.mode == "fast":
        return Mapped(steps, settings.spacing_px)
    return exactly(step, helper)


def _ways(sweep: Sweep) -> list[tuple[Floats, Floats]]:
    """Sums and weights of both directions of time."""
    sums, totals = (np.split(each, 2, axis=1) for each in (sweep.sums, sweep.total))
    return list(zip(sums, totals, strict=True))


def _through(video: Video, sweep: Sweep, pool: Executor) -> Work[None]:
    """Take a sweep through a clip in a thread while this one reads on."""
    pairs = 2 * (video.info.frame_count - 1)
    read, done = _chunks(video), 0
    coming = next(read, None)
    while coming is not None:
        sweep.feed(coming)
        coming = None
        while not sweep.hungry:
            job = pool.submit(sweep.work, BATCH_S)
            coming = next(read, None) if coming is None else coming
            job.result()
            before, done = done, 2 * sweep.frame
            for pair in range(before, done):
                yield Progress(pair + 1, pairs)


def _chunks(video: Video) -> Iterator[list[Both]]:
    """Frames from the first on, each with as many from the last back."""
    count = video.info.frame_count
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        ahead = video.frames(range(first, stop))
        back = video.frames(range(count - stop, count - first))[::-1]
        yield list(zip(ahead, back, strict=True))


def _check(positions_given: int, in_clip: int, window: int) -> None:
    if positions_given != in_clip:
        raise ValueError(f"There are positions for {positions_given} frames of {in_clip}.")
    if window > in_clip:
        raise ValueError(
            f"The window of {window} frames is longer than the clip, which has {in_clip}."
        )


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
