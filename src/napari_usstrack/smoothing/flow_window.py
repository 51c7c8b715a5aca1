"""The published moving-window optical-flow filter; the flow step is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.video import Video
from napari_usstrack.smoothing.flow_sweep import (
    FlowStep,
    Grey,
    Indices,
    Mapped,
    Sweep,
    exactly,
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
        Directions of time that are worked on at once, each in a thread.
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
    independent, so each has a thread.

    Fast beside exact, measured with Lucas-Kanade in 45 px on three levels, 4
    points off by 1 px (standard deviation) and windows of 25 frames, is apart
    by 0.015 px rms and 0.07 px at most on 200 frames of speckle; by 0.10, 0.05,
    0.12 and 0.91 px rms and 0.7, 0.2, 0.8 and 5.6 px at most on four clips of
    muscle, and 1.0 and 6.0 px on a heart. With a step that searches near
    `motion` first: the same on speckle, 0.22, 1.5, 0.12 and 0.87 px rms and
    1.6, 10, 1.6 and 4.3 px at most on muscle, 0.66 and 4.4 px on the heart.
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
    sweeps = [
        Sweep(
            anchors[::turn].astype(np.float64),
            last[turn],
            weight,
            exactly(step) if settings.mode == "exact" else Mapped(step, settings.spacing_px),
        )
        for turn in (1, -1)
    ]
    yield from _through(video, sweeps, settings.threads)
    total = (sweeps[0].total + sweeps[1].total[::-1])[..., None]
    sums = sweeps[0].sums + sweeps[1].sums[::-1]
    mean = np.divide(sums, total, out=places.copy(), where=total > 0)
    return Smoothed(mean, unsmoothed)


def _through(video: Video, sweeps: Sequence[Sweep], threads: int) -> Work[None]:
    """Take both sweeps through a clip, at once where there are threads for them."""
    pairs = len(sweeps) * (video.info.frame_count - 1)
    read, done = _chunks(video), 0
    with ThreadPoolExecutor(threads, "usstrack-flow") as pool:
        coming = next(read, None)
        while coming is not None:
            for sweep, pictures in zip(sweeps, coming, strict=True):
                sweep.feed(pictures)
            coming = None
            while not all(sweep.hungry for sweep in sweeps):
                jobs = [pool.submit(sweep.work, BATCH_S) for sweep in sweeps]
                coming = next(read, None) if coming is None else coming
                for job in jobs:
                    job.result()
                before, done = done, sum(sweep.frame for sweep in sweeps)
                for pair in range(before, done):
                    yield Progress(pair + 1, pairs)


def _chunks(video: Video) -> Iterator[tuple[Grey, Grey]]:
    """Frames from the first on, and as many from the last back."""
    count = video.info.frame_count
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        yield (
            video.frames(range(first, stop)),
            video.frames(range(count - stop, count - first))[::-1],
        )


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
