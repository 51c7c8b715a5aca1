"""Run free from the first label of each point."""

from __future__ import annotations

from collections.abc import Sequence

from napari_usstrack.core.tracker import Tracker, Work
from napari_usstrack.core.tracks import CELL_ARRAYS, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.pipelines.queries import Direction, first_queries, frame_span
from napari_usstrack.pipelines.results import arrays_from, read_of, run_of, step_of, ticket_of


def track(
    video: Video,
    annotations: Tracks,
    tracker: Tracker,
    *,
    start: int | None = None,
    stop: int | None = None,
    direction: Direction = "both",
    names: Sequence[str] | None = None,
    onto: Tracks | None = None,
) -> Work[Tracks]:
    """Follow every labelled point from its first label.

    Parameters
    ----------
    video : Video
        The clip.
    annotations : Tracks
        Labels; the first one of each point inside the range is its query.
    tracker : Tracker
        The method.
    start, stop : int, optional
        First and last frame to track, both included; the whole clip if None.
    direction : {"both", "forward", "backward"}
        Which way from the query.
    names : sequence of str, optional
        Points to follow; all if None.
    onto : Tracks, optional
        A former run that keeps its cells in other frames and points.

    Returns
    -------
    Tracks
        All frames of the clip; queries keep their hand-set source.
    """
    span = frame_span(video.info, start, stop)
    ticket = track_ticket(annotations, tracker, span, direction, names=names, onto=onto)
    queries = first_queries(annotations, span, direction, names)
    found = yield from tracker.track(video, queries, span)
    arrays = arrays_from(annotations, onto)
    columns = [annotations.column(name) for name in queries.name]
    for name in CELL_ARRAYS:
        arrays[name][span.start : span.stop, columns] = getattr(found, name)
    arrays["source"][queries.frame, columns] = annotations.source[queries.frame, columns]
    step = step_of("track", tracker, ticket, span)
    return run_of(annotations, arrays, step)


def track_ticket(
    annotations: Tracks,
    tracker: Tracker,
    span: range,
    direction: Direction = "both",
    *,
    names: Sequence[str] | None = None,
    onto: Tracks | None = None,
) -> str:
    """Digest of all that `track` reads."""
    queries = first_queries(annotations, span, direction, names)
    former = () if onto is None else (read_of(onto),)
    return ticket_of(annotations, tracker, "track", span, *queries.digest_parts(), *former)
