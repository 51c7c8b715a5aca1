"""What to ask a tracker, from labels: queries, stretches, open ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.tracks import PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo

Direction = Literal["forward", "backward", "both"]
Row = tuple[int, NDArray[np.float64], str, int, int]


@dataclass(frozen=True)
class Stretch:
    """The span of one point between two neighbouring anchors, ends included."""

    point: str
    first: int
    last: int


def frame_span(info: VideoInfo, start: int | None, stop: int | None) -> range:
    """Frames from `start` to `stop`, both included, checked against the clip."""
    first = 0 if start is None else start
    last = info.frame_count - 1 if stop is None else stop
    name = info.name or "The clip"
    if not 0 <= first <= last < info.frame_count:
        raise UsstrackError(
            f"{name} has frames 0 to {info.frame_count - 1}; frames {first} to {last} cannot be "
            "tracked, choose a start and a stop inside the clip, start first."
        )
    return range(first, last + 1)


def first_queries(
    annotations: Tracks,
    span: range,
    direction: Direction = "both",
    names: Sequence[str] | None = None,
) -> Queries:
    """Turn the first labelled frame of each point inside `span` into its query.

    An ABSENT label stops the tracking of its point in both directions.

    Raises
    ------
    UsstrackError
        When no point is labelled, one has no label inside the span, or there
        is no such direction.
    """
    if direction not in get_args(Direction):
        raise UsstrackError(
            f"Direction '{direction}' is unknown; choose one of: {', '.join(get_args(Direction))}."
        )
    wanted = annotations.names if names is None else names
    if not annotations.by_hand[:, [annotations.column(name) for name in wanted]].any():
        raise UsstrackError("No point is labelled yet; place at least one point, then track.")
    rows: list[Row] = []
    for name in wanted:
        column = annotations.column(name)
        labelled = np.flatnonzero(annotations.by_hand[:, column])
        here = labelled[(labelled >= span.start) & (labelled < span.stop)]
        if labelled.size == 0:
            continue
        if here.size == 0:
            raise UsstrackError(
                f"Point '{name}' is first labelled in frame {labelled[0]}, outside frames "
                f"{span.start} to {span.stop - 1}; widen the range or label it inside."
            )
        frame = int(here[0])
        low, high = free_span(annotations.source[:, column], frame, span)
        low = frame if direction == "forward" else low
        high = frame if direction == "backward" else high
        rows.append((frame, annotations.xy[frame, column], name, low, high))
    return queries_from(rows, annotations.points)


def free_span(source: NDArray[np.uint8], frame: int, span: range) -> tuple[int, int]:
    """First and last frame around `frame` that no ABSENT label cuts off."""
    absent = np.flatnonzero(source == Source.ABSENT)
    before, after = absent[absent < frame], absent[absent > frame]
    low = int(before[-1]) + 1 if before.size else span.start
    high = int(after[0]) - 1 if after.size else span.stop - 1
    return max(low, span.start), min(high, span.stop - 1)


def queries_from(rows: Sequence[Row], points: Sequence[PointInfo] = ()) -> Queries:
    """Turn rows of frame, xy, name, first and last frame into queries.

    Group and kind are those of the points of that name.
    """
    frame, xy, name, first, last = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    known = {point.name: point for point in points}
    told = [known.get(each) or PointInfo(each) for each in name]
    return Queries(
        frame=np.asarray(frame, dtype=np.intp),
        xy=np.asarray(xy, dtype=np.float64),
        name=tuple(name),
        first=np.asarray(first, dtype=np.intp),
        last=np.asarray(last, dtype=np.intp),
        group=tuple(point.group for point in told),
        kind=tuple(point.kind for point in told),
    )


def stretches(annotations: Tracks, names: Iterable[str] | None = None) -> tuple[Stretch, ...]:
    """List the spans between neighbouring anchors that hold frames to fill.

    An ABSENT label between two anchors leaves their span unfilled.
    """
    found = []
    for name in annotations.names if names is None else names:
        column = annotations.column(name)
        said = np.flatnonzero(annotations.said[:, column])
        hand = annotations.by_hand[said, column]
        for (a, b), both in zip(pairwise(said), hand[:-1] & hand[1:], strict=True):
            if both and b - a > 1:
                found.append(Stretch(name, int(a), int(b)))
    return tuple(found)


def open_ends(annotations: Tracks) -> tuple[Stretch, ...]:
    """Open ends: from the first anchor back, and from the last anchor on."""
    whole = range(annotations.shape[0])
    ends = []
    for column, name in enumerate(annotations.names):
        hand = np.flatnonzero(annotations.by_hand[:, column])
        if hand.size == 0:
            continue
        low, _ = free_span(annotations.source[:, column], int(hand[0]), whole)
        _, high = free_span(annotations.source[:, column], int(hand[-1]), whole)
        ends += [Stretch(name, low, int(hand[0])), Stretch(name, int(hand[-1]), high)]
    return tuple(end for end in ends if end.first < end.last)
