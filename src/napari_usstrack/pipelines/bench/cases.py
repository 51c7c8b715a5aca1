"""What a benchmark runs a tracker on, and clips with a truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.tracker import Queries, Tracker, Work
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks, named_points
from napari_usstrack.core.video import CallbackVideo, Video
from napari_usstrack.metrics.pairs import Floats, Mask
from napari_usstrack.pipelines.figures import NAN, Figure
from napari_usstrack.pipelines.scores import Comparison, scores

ALL = "all clips"
"""Case whose figures pool the other cases of its set; a table shows it alone."""
TIME = "time"
TIME_UNIT = "ms/point-frame"


@dataclass(frozen=True)
class Outcome:
    """Figures of one method on one case."""

    case: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class NoData:
    """A set, or a file of it, that has nothing to run on, and why."""

    set_name: str
    case: str
    reason: str


class Case(Protocol):
    """One thing that every method is run on."""

    @property
    def set_name(self) -> str:
        """Set it belongs to."""
        ...

    @property
    def name(self) -> str:
        """Unique in its set."""
        ...

    def run(self, tracker: Tracker) -> Work[list[Outcome]]:
        """Run a tracker and score it."""
        ...

    def references(self) -> Sequence[tuple[str, Outcome]]:
        """Figures that need no tracker, such as a person's, by name."""
        ...


@runtime_checkable
class SelfTimed(Protocol):
    """A tracker that tells the seconds of its last run itself, without its start."""

    seconds: float


@dataclass(frozen=True, eq=False)
class TrackedCase:
    """A clip with true tracks, followed from each point's query frame.

    Attributes
    ----------
    set_name, name : str
    video : Video
        Frames in memory, so that decoding is no part of the time.
    true_xy : float64 ndarray, shape (frames, points, 2)
        Px; NaN where unknown.
    true_visible, judged : bool ndarray, shape (frames, points)
        Whether the point can be seen, and whether that is known.
    query_frames : intp ndarray, shape (points,)
    extra : callable, optional
        Takes positions ``[frames, points, 2]`` in px and gives more figures.
    points : tuple of PointInfo
        Names, groups and kinds; unnamed, ungrouped points when left out.
    """

    set_name: str
    name: str
    video: Video
    true_xy: Floats
    true_visible: Mask
    judged: Mask
    query_frames: NDArray[np.intp]
    extra: Callable[[Floats], Iterable[Figure]] | None = None
    points: tuple[PointInfo, ...] = ()

    def run(self, tracker: Tracker) -> Work[list[Outcome]]:
        """Track every point from its query to the end, and score the later frames."""
        span = range(self.video.info.frame_count)
        cells, spent = yield from timed(tracker, self.video, self.queries(), span)
        figures = scores(
            Comparison(
                xy=cells.xy,
                visible=cells.visible,
                true_xy=self.true_xy,
                true_visible=self.true_visible,
                judged=self.judged,
                query_frames=self.query_frames,
                mode="first",
                video=self.video.info,
            )
        )
        more = tuple(self.extra(cells.xy)) if self.extra else ()
        missing = figures[0].missing
        more = tuple(replace(figure, missing=missing) for figure in more)
        return [Outcome(self.name, (*figures, *more, spent))]

    def queries(self) -> Queries:
        """Each point at its true place in its query frame, followed forward."""
        points = np.arange(len(self.query_frames))
        named = self.points or named_points([f"p{i + 1}" for i in points])
        return Queries(
            frame=self.query_frames,
            xy=self.true_xy[self.query_frames, points],
            name=tuple(point.name for point in named),
            first=self.query_frames,
            group=tuple(point.group for point in named),
            kind=tuple(point.kind for point in named),
        )

    def references(self) -> Sequence[tuple[str, Outcome]]:
        """None."""
        return ()


def tracked_case(
    set_name: str,
    name: str,
    video: Video,
    truth: Tracks,
    extra: Callable[[Floats], Iterable[Figure]] | None = None,
) -> TrackedCase:
    """A case from true tracks; queried in the first frame in which a point is visible.

    Points that are never visible are left out.
    """
    seen = np.flatnonzero(truth.visible.any(axis=0))
    return TrackedCase(
        set_name=set_name,
        name=name,
        video=in_memory(video),
        true_xy=truth.xy[:, seen],
        true_visible=truth.visible[:, seen],
        judged=truth.source[:, seen] != Source.MISSING,
        query_frames=truth.visible[:, seen].argmax(axis=0),
        extra=extra,
        points=tuple(truth.points[i] for i in seen),
    )


def timed(
    tracker: Tracker, video: Video, queries: Queries, span: range
) -> Work[tuple[Cells, Figure]]:
    """Track, and measure the time per point and frame, query frames left out."""
    begun = time.perf_counter()
    cells = yield from tracker.track(video, queries, span)
    seconds = tracker.seconds if isinstance(tracker, SelfTimed) else time.perf_counter() - begun
    steps = int(queries.asked(span).sum()) - len(queries)
    return cells, Figure(TIME, 1e3 * seconds / steps if steps else NAN, TIME_UNIT)


def in_memory(video: Video, count: int | None = None) -> CallbackVideo:
    """The first `count` frames of a clip, all of them by default, read once."""
    info = video.info
    count = info.frame_count if count is None else min(count, info.frame_count)
    frames = np.ascontiguousarray(video.frames(range(count)))
    frames.flags.writeable = False
    calibration = info.calibration
    if calibration.times_s is not None:
        calibration = replace(calibration, times_s=calibration.times_s[:count])
    short = replace(info, frame_count=count, calibration=calibration)
    return CallbackVideo(short, lambda span: frames[span.start : span.stop])


def absolute(predicted: ArrayLike, true: ArrayLike) -> Floats:
    """Size of the differences that are known."""
    off = np.abs(np.asarray(predicted, dtype=np.float64) - np.asarray(true, dtype=np.float64))
    return off[~np.isnan(off)]
