"""Fill the frames between anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Tracker, Work
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Tracks, blank_arrays
from napari_usstrack.core.video import Video
from napari_usstrack.flow.blending import blend
from napari_usstrack.pipelines.queries import (
    Stretch,
    open_ends,
    queries_from,
    stretches,
)
from napari_usstrack.pipelines.results import arrays_from, read_of, run_of, step_of, ticket_of

BATCH_CELLS = 4_000_000


def fill(
    video: Video,
    annotations: Tracks,
    tracker: Tracker,
    spans: Sequence[Stretch] | None = None,
    *,
    extend: bool = False,
    onto: Tracks | None = None,
) -> Work[Tracks]:
    """Fill the frames between anchors, forward and backward passes blended.

    Parameters
    ----------
    video : Video
        The clip.
    annotations : Tracks
        Anchors.
    tracker : Tracker
        The method of both passes.
    spans : sequence of Stretch, optional
        Which stretches to fill; all if None.
    extend : bool
        Also run free before the first and after the last anchor of a point.
    onto : Tracks, optional
        A former run that keeps its cells elsewhere.

    Returns
    -------
    Tracks
        Anchors exactly where they were set, filled cells between. Cells of
        a former run that no stretch or open end covers now are dropped.
    """
    ticket = fill_ticket(annotations, tracker, spans, extend=extend, onto=onto)
    spans = stretches(annotations) if spans is None else spans
    if not annotations.by_hand.any():
        raise UsstrackError("No point is labelled yet; label points in at least two frames.")
    arrays = arrays_from(annotations, onto)
    tails = open_ends(annotations) if extend else ()
    found = yield from fill_cells(video, annotations, [*spans, *tails], tracker)
    for stretch, cells in found:
        column = annotations.column(stretch.point)
        for name in CELL_ARRAYS:
            arrays[name][stretch.first : stretch.last + 1, column] = getattr(cells, name)[:, 0]
    _drop_stale(arrays, annotations, tails)
    _pin(arrays, annotations)
    step = step_of("fill", tracker, ticket, range(annotations.shape[0]))
    return run_of(annotations, arrays, step)


def fill_ticket(
    annotations: Tracks,
    tracker: Tracker,
    spans: Sequence[Stretch] | None = None,
    *,
    extend: bool = False,
    onto: Tracks | None = None,
) -> str:
    """Digest of all that `fill` reads; with `spans`, only of what lies in them."""
    if spans is None:
        read: list[object] = [annotations.source, annotations.xy]
    else:
        read = [part for stretch in spans for part in _said_in(annotations, stretch)]
    return ticket_of(annotations, tracker, "fill", *read, extend, read_of(onto))


def fill_cells(
    video: Video, annotations: Tracks, spans: Sequence[Stretch], tracker: Tracker
) -> Work[list[tuple[Stretch, Cells]]]:
    """Cells of each stretch, ``[frames, 1]``, its ends included.

    A stretch with an anchor at both ends is filled by forward and backward
    passes blended, one with a single anchor by running free from there.
    """
    between = [span for span in spans if _anchors(annotations, span).all()]
    batches = list(_batches(between))
    tails = [span for span in spans if not _anchors(annotations, span).all()]
    batches += [tuple(tails)] if tails else []
    total = sum(2 * len(_hull(batch)) for batch in batches)
    done = 0
    answers: list[tuple[Stretch, Cells]] = []
    for batch in batches:
        span = _hull(batch)
        work = tracker.track(video, _batch_queries(annotations, batch), span)
        found = yield from part(work, done, 2 * len(span), total)
        done += 2 * len(span)
        answers += _answers(annotations, batch, found, span)
    yield Progress(total, total)
    return answers


def _anchors(annotations: Tracks, stretch: Stretch) -> NDArray[np.bool_]:
    column = annotations.column(stretch.point)
    return annotations.by_hand[[stretch.first, stretch.last], column]


def _said_in(annotations: Tracks, stretch: Stretch) -> list[object]:
    rows = np.arange(stretch.first, stretch.last + 1)
    block = annotations.block(rows, [annotations.column(stretch.point)])
    return [stretch, block.source, block.xy]


def _batches(spans: Sequence[Stretch]) -> Iterator[tuple[Stretch, ...]]:
    """Split stretches so that one batch's answer stays within `BATCH_CELLS`."""
    batch: list[Stretch] = []
    last = 0
    for stretch in sorted(spans, key=lambda s: (s.first, s.last)):
        last = max(last, stretch.last)
        if batch and (last - batch[0].first + 1) * 2 * (len(batch) + 1) > BATCH_CELLS:
            yield tuple(batch)
            batch, last = [], stretch.last
        batch.append(stretch)
    if batch:
        yield tuple(batch)


def _hull(batch: Sequence[Stretch]) -> range:
    return range(min(s.first for s in batch), max(s.last for s in batch) + 1)


def _batch_queries(annotations: Tracks, batch: Sequence[Stretch]) -> Queries:
    rows = []
    for stretch in batch:
        column = annotations.column(stretch.point)
        for frame in (stretch.first, stretch.last):
            if annotations.by_hand[frame, column]:
                xy = annotations.xy[frame, column]
                rows.append((frame, xy, stretch.point, stretch.first, stretch.last))
    return queries_from(rows, annotations.points)


def _answers(
    annotations: Tracks, batch: Sequence[Stretch], found: Cells, span: range
) -> Iterator[tuple[Stretch, Cells]]:
    at = 0
    for stretch in batch:
        rows = np.arange(stretch.first, stretch.last + 1)
        anchored = _anchors(annotations, stretch)
        cells = found.block(rows - span.start, [at])
        if anchored.all():
            cells = blend(cells, found.block(rows - span.start, [at + 1]))
        at += int(anchored.sum())
        yield stretch, cells


def _drop_stale(arrays: dict[str, Any], annotations: Tracks, tails: Sequence[Stretch]) -> None:
    joined = np.zeros(annotations.shape, dtype=bool)
    for stretch in (*stretches(annotations), *tails):
        joined[stretch.first : stretch.last + 1, annotations.column(stretch.point)] = True
    blank = blank_arrays(1, 1)
    for name in CELL_ARRAYS:
        arrays[name][~joined] = blank[name][0, 0]


def _pin(arrays: dict[str, Any], annotations: Tracks) -> None:
    said = annotations.said
    for name in CELL_ARRAYS:
        arrays[name][said] = getattr(annotations, name)[said]
    arrays["confidence"][annotations.by_hand] = 1.0
