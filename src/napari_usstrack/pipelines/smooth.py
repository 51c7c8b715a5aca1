"""Smooth tracks into new ones; the raw ones stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, arrays_of, blank_arrays
from napari_usstrack.core.video import CallbackVideo, Video, VideoInfo
from napari_usstrack.pipelines.results import read_of
from napari_usstrack.pipelines.smoothers.base import Answer, Smoother

SHOWN_FRAMES = 60
"""A preview by flow reaches so far on either side of the frame in view."""
WHOLE_FRAMES = 600
"""Clips up to this length are previewed as a whole where a result depends on all frames."""


def smooth(
    video: Video,
    tracks: Tracks,
    smoother: Smoother,
    *,
    names: Sequence[str] | None = None,
    onto: Tracks | None = None,
) -> Work[Tracks]:
    """Smooth points over time.

    Positions in view are smoothed, each run between gaps on its own; hidden
    and missing cells stay as they are. A cell whose position changes becomes
    `Source.SMOOTHED`, any other keeps its source. Visibility stays; so does
    confidence, unless the method computes one.

    Parameters
    ----------
    video : Video
        The clip; its pictures are read by methods that use flow.
    tracks : Tracks
        What to smooth.
    smoother : Smoother
        The method, from `smoothers.make`.
    names : sequence of str, optional
        Points to smooth; all if None. Others are copied.
    onto : Tracks, optional
        Former result that keeps its cells of points that are not smoothed.

    Yields
    ------
    Progress

    Returns
    -------
    Tracks
        The points of `tracks`; the log has one more `Step`.

    Raises
    ------
    UsstrackError
        For a point that does not exist, settings that do not fit the clip, or
        nothing to smooth.
    """
    wanted = _known(tracks, names)
    smoother.check(video.info)
    ticket = smooth_ticket(video.info, tracks, smoother, names=names, onto=onto)
    part = _in_view(tracks.select(wanted))
    if not part.present.any():
        raise UsstrackError("There is no position in view to smooth; track or fill first.")
    work = smoother.smooth(video, part)
    with closing(work):
        answer = yield from work
    if not answer.done.any():
        raise UsstrackError(
            f"No stretch without a gap is long enough for method '{smoother.NAME}' with these "
            "settings; track or fill first, or choose a shorter window."
        )
    arrays, log = _base(tracks, wanted, onto)
    _write(arrays, [tracks.column(name) for name in wanted], part, answer, smoother, video.info)
    settings = {**smoother.settings, **smoother.resolved(video.info), "points": list(wanted)}
    step = Step("smooth", smoother.NAME, smoother.VERSION, settings, inputs=ticket)
    return Tracks(**arrays, points=tracks.points, video=tracks.video, log=(*log, step))


def smooth_ticket(
    info: VideoInfo,
    tracks: Tracks,
    smoother: Smoother,
    *,
    names: Sequence[str] | None = None,
    onto: Tracks | None = None,
) -> str:
    """Digest of all that `smooth` reads."""
    return digest(
        "smooth",
        info.digest,
        info.calibration.times_s if smoother.TIMED else None,
        info.spacing_mm if smoother.SCALED else None,
        smoother.NAME,
        smoother.VERSION,
        dict(smoother.settings),
        list(_known(tracks, names)),
        read_of(tracks),
        read_of(onto),
    )


@dataclass(frozen=True, eq=False)
class Preview:
    """One point as it would come out.

    Attributes
    ----------
    frames : range
        Frames that were smoothed.
    tracks : Tracks
        All frames of the clip, one point; missing outside `frames`.
    """

    frames: range
    tracks: Tracks

    @property
    def point(self) -> str:
        """Name of the point."""
        return self.tracks.names[0]


def preview(
    video: Video, tracks: Tracks, smoother: Smoother, name: str, frame: int
) -> Work[Preview]:
    """Smooth one point around a frame, or over the clip where that is quick.

    Filters over time are shown over the whole clip. Flow windows reach
    `SHOWN_FRAMES` to both sides, with all frames that these depend on, so that
    they equal the result of `smooth`. Fusion is shown over the whole clip up to
    `WHOLE_FRAMES`, else over as many around the frame; with points before or
    after left out its confidence may differ from that of `smooth`, and so may
    scales of variance, which all points share there.

    Parameters
    ----------
    video, tracks, smoother
        As in `smooth`.
    name : str
        The point.
    frame : int
        The frame in view.

    Raises
    ------
    UsstrackError
        As in `smooth`.
    """
    smoother.check(video.info)
    shown, read = preview_frames(video.info, smoother, frame)
    one = tracks.select(_known(tracks, [name]))
    part = _cut(video, read)
    cells = one.block(np.arange(read.start, read.stop), [0])
    held = {array: getattr(cells, array) for array in CELL_ARRAYS}
    work = smooth(part, Tracks(**held, points=one.points, video=part.info), smoother)
    with closing(work):
        found = yield from work
    arrays = blank_arrays(tracks.shape[0], 1)
    rows = slice(shown.start - read.start, shown.stop - read.start)
    for array in CELL_ARRAYS:
        arrays[array][shown.start : shown.stop] = getattr(found, array)[rows]
    return Preview(shown, Tracks(**arrays, points=one.points, video=tracks.video, log=found.log))


def preview_frames(info: VideoInfo, smoother: Smoother, frame: int) -> tuple[range, range]:
    """Frames that a preview shows around a frame, and those that it reads."""
    count = info.frame_count
    halo = smoother.halo(info)
    if halo is None:
        whole = not smoother.PICTURES or count <= WHOLE_FRAMES
        shown = range(count) if whole else _around(frame, WHOLE_FRAMES // 2, count)
        return shown, shown
    shown = _around(frame, SHOWN_FRAMES, count)
    return shown, range(max(shown.start - halo, 0), min(shown.stop + halo, count))


def _around(frame: int, reach: int, count: int) -> range:
    return range(max(frame - reach, 0), min(frame + reach + 1, count))


def _cut(video: Video, span: range) -> Video:
    """A stretch of a clip as a clip of its own, at the times it has."""
    calibration = video.info.calibration
    if calibration.times_s is not None:
        times = calibration.times_s[span.start : span.stop]
        calibration = replace(calibration, times_s=times)
    info = replace(video.info, frame_count=len(span), calibration=calibration)

    def read(frames: range) -> NDArray[np.uint8]:
        return video.frames(range(frames.start + span.start, frames.stop + span.start))

    return CallbackVideo(info, read)


def _known(tracks: Tracks, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tracks.names
    for name in names:
        if name not in tracks.names:
            raise UsstrackError(
                f"There is no point '{name}' in these tracks; choose from: "
                f"{', '.join(tracks.names) or 'none'}."
            )
    return tuple(dict.fromkeys(names))


def _in_view(tracks: Tracks) -> Tracks:
    """The tracks without positions that are hidden or lost."""
    arrays = arrays_of(tracks)
    unseen = ~tracks.visible
    arrays["xy"][unseen], arrays["confidence"][unseen] = np.nan, np.nan
    arrays["source"][unseen] = Source.MISSING
    return tracks.with_cells(Cells(**arrays))


def _base(
    tracks: Tracks, wanted: Sequence[str], onto: Tracks | None
) -> tuple[dict[str, Any], tuple[Step, ...]]:
    """Arrays to write into, and the log so far."""
    arrays = arrays_of(tracks)
    if onto is None:
        return arrays, tracks.log
    for name in set(onto.names) & set(tracks.names) - set(wanted):
        for array in CELL_ARRAYS:
            arrays[array][:, tracks.column(name)] = getattr(onto, array)[:, onto.column(name)]
    return arrays, onto.log


def _write(
    arrays: dict[str, Any],
    columns: Sequence[int],
    part: Tracks,
    answer: Answer,
    smoother: Smoother,
    info: VideoInfo,
) -> None:
    """Write smoothed cells, inside the picture, over raw ones."""
    done = answer.done & part.present
    if smoother.keeps_anchors:
        done &= ~part.by_hand
    inside = np.clip(answer.xy, -0.5, np.array([info.width, info.height]) - 0.5)
    rows, points = np.nonzero(done)
    at = rows, np.asarray(columns, dtype=np.intp)[points]
    found = inside[rows, points]
    if answer.confidence is not None:
        arrays["confidence"][at] = np.clip(answer.confidence[rows, points], 0.0, 1.0)
    moved = (found != arrays["xy"][at]).any(axis=-1)
    arrays["xy"][at] = found
    arrays["source"][at] = np.where(moved, int(Source.SMOOTHED), arrays["source"][at])
