"""Proposals: points carried along while a person steps, and spans filled again after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_usstrack.core.tracker import Memory, Progress, Resuming, Tracker, Work
from napari_usstrack.core.tracks import Cells, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.pipelines.fill import fill_cells
from napari_usstrack.pipelines.queries import Row, Stretch, queries_from

METHOD = "tissue-flow"
"""What carries points until another method is chosen."""
PROPOSALS = "proposals"
"""Name under which proposals are saved among the runs."""


@dataclass(frozen=True, eq=False)
class Patch:
    """Cells of one point over a span of frames.

    Attributes
    ----------
    point : str
        Name of the point.
    frames : range
        Frames of the rows.
    cells : Cells
        ``[len(frames), 1]``.
    """

    point: str
    frames: range
    cells: Cells


def carry(
    video: Video,
    annotations: Tracks,
    shown: Tracks,
    tracker: Tracker,
    here: int,
    there: int,
    names: Sequence[str],
    memory: Memory | None = None,
) -> Work[tuple[Patch, ...]]:
    """Carry points from one frame to a frame next to it.

    Parameters
    ----------
    video : Video
        The clip.
    annotations : Tracks
        What a person set.
    shown : Tracks
        Labels over everything proposed so far; the points start from here.
    tracker : Tracker
        The method.
    here, there : int
        Neighbouring frames.
    names : sequence of str
        Points to carry; one that is not in view in `here` stays where it was.
    memory : mutable mapping, optional
        What the method knows of points that it carried to `here`; added to.

    Returns
    -------
    tuple of Patch
        One per carried point, with a single row for `there`.
    """
    span = range(min(here, there), max(here, there) + 1)
    columns = [shown.column(name) for name in names]
    seen = [c for c in columns if shown.present[here, c] and shown.visible[here, c]]
    rows: list[Row] = [
        (here, shown.xy[here, c], shown.names[c], span.start, span.stop - 1) for c in seen
    ]
    if not rows:
        yield Progress(0, 0)
        return ()
    queries = queries_from(rows, shown.points)
    if memory is not None and isinstance(tracker, Resuming):
        found = yield from tracker.resume(video, queries, span, memory)
    else:
        found = yield from tracker.track(video, queries, span)
    at = there - span.start
    frames = range(there, there + 1)
    return tuple(Patch(shown.names[c], frames, found.block([at], [i])) for i, c in enumerate(seen))


def refill(
    video: Video, annotations: Tracks, spans: Sequence[Stretch], tracker: Tracker
) -> Work[tuple[Patch, ...]]:
    """Fill stretches between anchors, and run free over those with one anchor.

    Parameters
    ----------
    video : Video
        The clip.
    annotations : Tracks
        Anchors.
    spans : sequence of Stretch
        Each with an anchor at one end or at both.
    tracker : Tracker
        The method.

    Returns
    -------
    tuple of Patch
        One per stretch, without the anchors themselves.
    """
    found = yield from fill_cells(video, annotations, spans, tracker)
    return tuple(_between(annotations, stretch, cells) for stretch, cells in found)


def _between(annotations: Tracks, stretch: Stretch, cells: Cells) -> Patch:
    hand = annotations.by_hand[:, annotations.column(stretch.point)]
    first = stretch.first + bool(hand[stretch.first])
    last = stretch.last - bool(hand[stretch.last])
    rows = np.arange(first, last + 1) - stretch.first
    return Patch(stretch.point, range(first, last + 1), cells.block(rows, [0]))
