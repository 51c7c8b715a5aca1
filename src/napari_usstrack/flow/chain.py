"""Steps between neighbouring frames, chained over a clip in both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.tracker import Progress, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source, blank_arrays
from napari_usstrack.core.video import Video
from napari_usstrack.flow.local_affine import LocalAffine

CHUNK = 16
"""Frames read at once, by a second thread while those before are in use."""
REGAINED = 0.6


@dataclass(frozen=True, eq=False)
class Landing:
    """Where points of one frame lie in a neighbouring frame.

    Attributes
    ----------
    xy : float64 ndarray, shape (points, 2)
        Positions in px.
    confidence : float64 ndarray, shape (points,)
        0 to 1.
    found : bool ndarray, shape (points,)
        False where the point was lost in this step.
    motion : LocalAffine, optional
        How the tissue around each point moved, where the step knows.
    """

    xy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    found: NDArray[np.bool_]
    motion: LocalAffine | None = None


Grey = NDArray[np.uint8]
StepFunction = Callable[[Grey, Grey, NDArray[np.float64], NDArray[np.float64]], Landing]
"""Frame, next frame, positions in the first, and how far each point last moved (NaN: unknown)."""
Prepare = Callable[[Grey, Grey], object]
"""Does beforehand what a step from one frame to the other needs, whatever the points."""
Pairs = Generator[tuple[int, int, tuple[Grey, Grey]], None, None]


class Settler(Protocol):
    """Has the last word on where points landed in a step."""

    def turn(self) -> None:
        """Start a pass in the other direction."""
        ...

    def settle(
        self,
        points: NDArray[np.intp],
        here: int,
        there: int,
        frames: tuple[Grey, Grey],
        moved: Landing,
    ) -> Landing:
        """Correct where queries, by index, landed in frame `there`."""
        ...


@dataclass(frozen=True)
class PairTracker(ABC):
    """What all engines that step from frame to frame share.

    A subclass is a frozen dataclass of its settings, sets `TRAITS`, and gives
    its step function.

    Parameters
    ----------
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.
    """

    TRAITS: ClassVar[Traits]

    patience: Annotated[int, Interval(ge=0)] = 25

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        return self.TRAITS

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        return asdict(self)

    @abstractmethod
    def stepper(self, video: Video) -> StepFunction:
        """Give the function that moves points from a frame of `video` to the next."""

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries both ways from their frames, inside their limits."""
        source = self.TRAITS.source
        return follow(self.stepper(video), video, queries, span, source, self.patience)


def follow(
    step: StepFunction,
    video: Video,
    queries: Queries,
    span: range,
    source: Source,
    patience: int = 0,
    settler: Settler | None = None,
    prepare: Prepare | None = None,
) -> Work[Cells]:
    """Chain `step` from every query both ways inside its limits.

    All points that live in a frame pair go into one call. A point that is
    lost keeps its last believed position, not visible, confidence 0. For
    `patience` frames it is looked for again from the frame it was last seen
    in; after that it stays lost. A `settler` may correct each landing. A second
    thread reads ahead; it ends when the work ends or is closed.
    """
    out = _Answer(queries, span, source, patience, settler)
    passes = (_forward(queries, span), _backward(queries, span))
    total = sum(len(frames) for frames, _ in passes)
    done = 0
    for frames, ends in passes:
        sign = frames.step
        out.turn()
        with closing(_prepared(neighbours(video, frames), prepare)) as pairs:
            for here, there, pair in pairs:
                alive = (queries.frame * sign <= here * sign) & (here * sign < ends * sign)
                out.advance(step, here, there, alive, pair)
                done += 1
                yield Progress(done, total)
    if total == 0:
        yield Progress(0, 0)
    return out.cells()


def _forward(queries: Queries, span: range) -> tuple[range, NDArray[np.intp]]:
    first, last = queries.limits(span)
    moving = (queries.frame < last) & (first <= queries.frame)
    ends = np.where(moving, last, queries.frame)
    if not moving.any():
        return range(0), ends
    return range(int(queries.frame[moving].min()), int(ends[moving].max())), ends


def _backward(queries: Queries, span: range) -> tuple[range, NDArray[np.intp]]:
    first, last = queries.limits(span)
    moving = (queries.frame > first) & (queries.frame <= last)
    ends = np.where(moving, first, queries.frame)
    if not moving.any():
        return range(0, 0, -1), ends
    return range(int(queries.frame[moving].max()), int(ends[moving].min()), -1), ends


def neighbours(video: Video, frames: range) -> Pairs:
    """Each frame of a range with its successor in the range's direction.

    Yields frame index, successor index and both grey frames. A thread reads
    one chunk ahead, each stretch of the clip once, going backward too; it ends
    with the iterator.
    """
    if not frames:
        return
    sign = frames.step
    here, held = frames.start, None
    with ThreadPoolExecutor(1, "usstrack-read") as reader:
        for chunk in _ahead(reader, video, _chunks(frames)):
            for picture in chunk[::sign]:
                if held is not None:
                    yield here - sign, here, (held, picture)
                held = picture
                here += sign


def _prepared(pairs: Pairs, prepare: Prepare | None) -> Pairs:
    """Pairs with the next one being prepared while each is in use."""
    with closing(pairs):
        if prepare is None:
            yield from pairs
            return
        with ThreadPoolExecutor(1, "usstrack-prepare") as worker:
            ready = None
            for item in pairs:
                coming = worker.submit(prepare, *item[2])
                if ready is not None:
                    yield ready
                coming.result()
                ready = item
            if ready is not None:
                yield ready


def _chunks(frames: range) -> list[range]:
    """Spans of step 1 that cover a range and its last successor, in its direction."""
    sign = frames.step
    stop = frames[-1] + sign
    spans = []
    for begin in range(frames.start, stop + sign, sign * CHUNK):
        end = begin + sign * (CHUNK - 1)
        end = min(end, stop) if sign > 0 else max(end, stop)
        spans.append(range(min(begin, end), max(begin, end) + 1))
    return spans


def _ahead(reader: Executor, video: Video, spans: Sequence[range]) -> Iterator[Grey]:
    """Read spans one after the other, always one more than was asked for."""
    coming = reader.submit(video.frames, spans[0])
    for following in [*spans[1:], None]:
        ready = coming.result()
        if following is not None:
            coming = reader.submit(video.frames, following)
        yield ready


class _Answer:
    """The cells found so far, and the pictures in which lost points were last seen."""

    def __init__(
        self,
        queries: Queries,
        span: range,
        source: Source,
        patience: int,
        settler: Settler | None,
    ) -> None:
        self._settler = settler
        self._span = span
        self._source = source
        self._patience = patience
        self._asked = queries.asked(span)
        self._arrays = blank_arrays(len(span), len(queries))
        inside = np.flatnonzero((queries.frame >= span.start) & (queries.frame < span.stop))
        rows = queries.frame[inside] - span.start
        self._arrays["xy"][rows, inside] = queries.xy[inside]
        self._arrays["confidence"][rows, inside] = 1.0
        self._arrays["visible"][rows, inside] = True
        self.turn()

    def turn(self) -> None:
        """Start a pass in the other direction."""
        points = self._asked.shape[1]
        self._seen = np.zeros(points, dtype=np.intp)
        self._motion = np.full((points, 2), np.nan)
        self._pictures: dict[int, Grey] = {}
        if self._settler is not None:
            self._settler.turn()

    def advance(
        self,
        step: StepFunction,
        here: int,
        there: int,
        alive: NDArray[np.bool_],
        pair: tuple[Grey, Grey],
    ) -> None:
        """Carry all living points from frame `here` to frame `there`."""
        row, to = here - self._span.start, there - self._span.start
        a = self._arrays
        a["xy"][to, alive] = a["xy"][row, alive]
        a["confidence"][to, alive] = 0.0
        a["visible"][to, alive] = False
        moving = np.flatnonzero(alive & a["visible"][row])
        self._seen[moving] = here
        if moving.size:
            start = a["xy"][row, moving]
            landing = step(*pair, start, self._motion[moving])
            if self._settler is not None:
                landing = self._settler.settle(moving, here, there, pair, landing)
            self._land(moving, to, landing)
            self._motion[moving] = np.where(landing.found[:, None], landing.xy - start, np.nan)
        if self._patience:
            self._look_again(step, here, to, np.flatnonzero(alive & ~a["visible"][row]), pair[1])
            if not a["visible"][to, moving].all():
                self._pictures[here] = pair[0]

    def _look_again(
        self,
        step: StepFunction,
        here: int,
        to: int,
        lost: NDArray[np.intp],
        picture: Grey,
    ) -> None:
        for seen in list(self._pictures):
            group = lost[self._seen[lost] == seen]
            if group.size == 0 or abs(here - seen) > self._patience:
                del self._pictures[seen]
                continue
            start = self._arrays["xy"][to, group]
            unknown = np.full_like(start, np.nan)
            landing = step(self._pictures[seen], picture, start, unknown)
            sure = landing.found & (landing.confidence >= REGAINED)
            self._land(group, to, Landing(landing.xy, landing.confidence, sure))

    def _land(self, queries: NDArray[np.intp], to: int, landing: Landing) -> None:
        found = queries[landing.found]
        self._arrays["xy"][to, found] = landing.xy[landing.found]
        self._arrays["confidence"][to, found] = landing.confidence[landing.found]
        self._arrays["visible"][to, found] = True

    def cells(self) -> Cells:
        """All cells that were asked for."""
        a = self._arrays
        hidden = ~self._asked
        a["xy"][hidden] = np.nan
        a["confidence"][hidden] = np.nan
        a["visible"][hidden] = False
        known = ~np.isnan(a["xy"]).any(axis=-1)
        a["source"][known] = self._source
        return Cells(**a)
