"""Clips changed on purpose, and trackers run on them and compared with themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.coords import Chain, Flip, Transpose, swapped
from napari_usstrack.core.geometry import distance
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Tracker, Work
from napari_usstrack.core.tracks import Cells
from napari_usstrack.core.video import CallbackVideo, Video
from napari_usstrack.metrics.pairs import Floats, Mask, mean_or_nan

Grey = NDArray[np.uint8]
UNITS = 1000
"""Units of progress of one run of a tracker."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A clip and queries to track, and the way back to the original's positions.

    Attributes
    ----------
    video, queries, span
        What the tracker is given.
    undo : callable
        Takes the answer's positions ``[frames, points, 2]`` to the frames and
        px of the original.
    """

    video: Video
    queries: Queries
    span: range
    undo: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Gap:
    """How far a changed run ended up from the plain one.

    Attributes
    ----------
    name : str
        Of the change.
    mean_px, mean_mm, largest_px : float
        Distance over all cells that both runs placed, without the query
        frames, where it is 0 by construction. mm is NaN while the scale is
        unknown.
    unmatched_share : float
        Share of cells that only one of the two runs placed.
    cells : int
        Cells both placed.
    """

    name: str
    mean_px: float
    mean_mm: float
    largest_px: float
    unmatched_share: float
    cells: int


@dataclass(frozen=True)
class Gaps:
    """Gaps of several changes, and how far the points moved at all.

    Attributes
    ----------
    gaps : tuple of Gap
    excursion_px, excursion_mm : float
        Mean distance of the plain run from its queries, over the same frames.
        A gap means little without it: a tracker that never moves has none.
    """

    gaps: tuple[Gap, ...]
    excursion_px: float
    excursion_mm: float

    def gap(self, name: str) -> Gap:
        """Gap of the named change."""
        for gap in self.gaps:
            if gap.name == name:
                return gap
        raise ValueError(f"no gap named {name!r}, only {', '.join(gap.name for gap in self.gaps)}")


def compare(
    tracker: Tracker, video: Video, queries: Queries, span: range, trials: Mapping[str, Trial]
) -> Work[Gaps]:
    """Track the clip as it is and in every trial, and measure the gaps."""
    total = UNITS * (len(trials) + 1)
    plain = yield from part(tracker.track(video, queries, span), 0, UNITS, total)
    counted = counted_rows(queries, span)
    moved = distance(plain.xy, queries.xy)[counted & plain.present]
    scaled = video.info.calibration.mm
    gaps = []
    for i, (name, trial) in enumerate(trials.items(), start=1):
        work = tracker.track(trial.video, trial.queries, trial.span)
        cells = yield from part(work, i * UNITS, UNITS, total)
        gaps.append(_gap(name, plain, trial.undo(cells.xy), counted, video.info.calibration))
    yield Progress(total, total)
    moved_mm = distance(scaled(plain.xy), scaled(queries.xy))[counted & plain.present]
    return Gaps(tuple(gaps), mean_or_nan(moved), mean_or_nan(moved_mm))


def _gap(name: str, plain: Cells, xy: Floats, counted: Mask, scale: Calibration) -> Gap:
    placed = ~np.isnan(xy).any(axis=-1)
    both = counted & placed & plain.present
    apart = distance(xy, plain.xy)[both]
    return Gap(
        name=name,
        mean_px=mean_or_nan(apart),
        mean_mm=mean_or_nan(distance(scale.mm(xy), scale.mm(plain.xy))[both]),
        largest_px=float(apart.max()) if apart.size else float("nan"),
        unmatched_share=mean_or_nan((placed ^ plain.present)[counted]),
        cells=int(both.sum()),
    )


def counted_rows(queries: Queries, span: range) -> Mask:
    """Cells that a tracker was asked for, without the query frames."""
    frames = np.arange(span.start, span.stop)[:, None]
    return queries.asked(span) & (frames != queries.frame)


# --- changes ---------------------------------------------------------------------------------


def mapped(video: Video, queries: Queries, span: range, maps: Sequence[Flip | Transpose]) -> Trial:
    """Mirror or turn the pictures and the queries."""
    chain = Chain(maps)
    width, height = chain.size
    calibration = video.info.calibration
    spacing = calibration.spacing_mm
    if spacing and sum(isinstance(step, Transpose) for step in maps) % 2:
        x, y = swapped(spacing).tolist()
        calibration = replace(calibration, spacing_mm=(x, y))

    def read(frames: range) -> Grey:
        pictures = video.frames(frames)
        for step in maps:
            pictures = step.picture(pictures)
        return np.ascontiguousarray(pictures)

    info = replace(
        video.info, width=width, height=height, calibration=calibration, digest="", path=""
    )
    asked = replace(queries, xy=chain.forward(queries.xy))
    return Trial(CallbackVideo(info, read), asked, span, chain.backward)


def backward(video: Video, queries: Queries, span: range) -> Trial:
    """Run the clip backward in time."""
    end = video.info.frame_count
    calibration = video.info.calibration
    times = calibration.times_s
    if times is not None:
        calibration = replace(calibration, times_s=times[-1] - times[::-1])

    def read(frames: range) -> Grey:
        pictures = video.frames(range(end - frames.stop, end - frames.start))
        return np.ascontiguousarray(pictures[::-1])

    first, last = queries.limits(span)
    asked = Queries(
        end - 1 - queries.frame, queries.xy, queries.name, end - 1 - last, end - 1 - first
    )
    changed = redrawn(video, read, calibration)
    return Trial(changed, asked, range(end - span.stop, end - span.start), lambda xy: xy[::-1])


def recoloured(
    video: Video, queries: Queries, span: range, change: Callable[[Grey], Grey]
) -> Trial:
    """Change grey values and nothing else."""
    changed = redrawn(video, lambda frames: change(video.frames(frames)))
    return Trial(changed, queries, span, lambda xy: xy)


def shifted(
    video: Video, queries: Queries, span: range, offsets: NDArray[np.intp] | Floats
) -> Trial:
    """Shift every picture, and the queries with it.

    By whole px where it matters that all shifts are equally sharp: a part of a
    px is interpolated (quintic spline), which blurs a little. The picture's
    edge is repeated where nothing is left.

    Parameters
    ----------
    video, queries, span
        To be shifted.
    offsets : ndarray, shape (frames of the clip, 2)
        (x, y) px to the right and down; integers for whole px.
    """

    def read(frames: range) -> Grey:
        pictures = video.frames(frames)
        moves = offsets[frames.start : frames.stop]
        return np.stack([_shift(*pair) for pair in zip(pictures, moves, strict=True)])

    asked = replace(queries, xy=queries.xy + offsets[queries.frame])
    by = offsets[span.start : span.stop, None]
    return Trial(redrawn(video, read), asked, span, lambda xy: xy - by)


def _shift(picture: Grey, offset: NDArray[np.intp] | Floats) -> Grey:
    if offset.dtype.kind == "f":
        moved = ndimage.shift(picture.astype(np.float64), offset[::-1], order=5, mode="nearest")
        return _grey(moved)
    height, width = picture.shape
    rows = np.clip(np.arange(height) - offset[1], 0, height - 1)
    columns = np.clip(np.arange(width) - offset[0], 0, width - 1)
    return picture[np.ix_(rows, columns)]


def frozen(video: Video, frame: int, *, noise_grey: float = 0.0, seed: int = 0) -> CallbackVideo:
    """One frame of a clip over and over, with fresh noise in every repeat.

    Parameters
    ----------
    video : Video
    frame : int
        The one that is repeated.
    noise_grey : float
        Standard deviation of the noise, grey levels of 255.
    seed : int
        Same seed, same noise in a frame, however often it is read.
    """
    picture = video.frames(range(frame, frame + 1))[0]

    still = redrawn(video, lambda frames: np.repeat(picture[None], len(frames), axis=0))
    return noisy(still, noise_grey, seed) if noise_grey else still


def noisy(video: Video, noise_grey: float, seed: int = 0) -> CallbackVideo:
    """The same clip with fresh noise in every frame; arguments as in `frozen`."""

    def read(frames: range) -> Grey:
        pictures = video.frames(frames)
        noise = [np.random.default_rng([seed, i]).normal(size=pictures.shape[1:]) for i in frames]
        return _grey(pictures + noise_grey * np.stack(noise))

    return redrawn(video, read)


def _grey(values: Floats) -> Grey:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def redrawn(
    video: Video, read: Callable[[range], Grey], calibration: Calibration | None = None
) -> CallbackVideo:
    """Other pictures of the same size; they lose the fingerprint of the original."""
    known = calibration or video.info.calibration
    info = replace(video.info, calibration=known, digest="", path="")
    return CallbackVideo(info, read)
