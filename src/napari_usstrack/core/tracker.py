"""What every tracking method looks like from outside."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.tracks import KINDS, Cells, Kind, Source
from napari_usstrack.core.video import Video

T = TypeVar("T")
Reach = Literal["pair", "window", "clip"]


@dataclass(frozen=True)
class Progress:
    """How far a piece of work has come.

    `done` never falls and ends at `total`; `partial` may carry what is known
    so far.
    """

    done: int
    total: int
    partial: Cells | None = None


Work = Generator[Progress, None, T]
"""Yields `Progress`, returns its result; ``close()`` cancels."""


def ignore(_progress: Progress) -> None:
    """Report to nobody."""


def finish(work: Work[T], report: Callable[[Progress], object] = ignore) -> T:
    """Run work to its end and return its result; closes it if `report` raises."""
    try:
        while True:
            try:
                progress = next(work)
            except StopIteration as stop:
                return stop.value
            report(progress)
    finally:
        work.close()


def _unset() -> NDArray[np.intp]:
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Queries:
    """Frames and places that a tracker starts from, one row each.

    Attributes
    ----------
    frame : intp ndarray, shape (queries,)
        Frame of each query, counted from the start of the clip.
    xy : float64 ndarray, shape (queries, 2)
        Position in px.
    name : tuple of str
        Name of the point; the same point may be queried several times.
    first, last : intp ndarray, shape (queries,)
        The query is followed from `first` to `last`, both included; outside,
        the answer is missing. Left out, it is followed as far as the span goes.
    group : tuple of str
        Points that belong together share a group; all are on their own when
        left out.
    kind : tuple of {"point", "line", "contour"}
        What the group is, as in `core.tracks.PointInfo`; all "point" when left
        out. A tracker may use both, or neither.
    """

    frame: NDArray[np.intp]
    xy: NDArray[np.float64]
    name: tuple[str, ...]
    first: NDArray[np.intp] = field(default_factory=_unset)
    last: NDArray[np.intp] = field(default_factory=_unset)
    group: tuple[str, ...] = ()
    kind: tuple[Kind, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.name)
        limits = np.iinfo(np.intp)
        put = object.__setattr__
        put(self, "frame", _column(self.frame, n, "frame"))
        put(self, "xy", _positions(self.xy, n))
        first = self.first if len(self.first) else np.full(n, limits.min)
        last = self.last if len(self.last) else np.full(n, limits.max)
        put(self, "first", _column(first, n, "first"))
        put(self, "last", _column(last, n, "last"))
        put(self, "group", _words(self.group, n, "", "group"))
        put(self, "kind", _words(self.kind, n, "point", "kind"))
        if unknown := set(self.kind) - set(KINDS):
            raise ValueError(f"kind must be one of {KINDS}, got {sorted(unknown)[0]!r}")

    def __len__(self) -> int:
        return len(self.name)

    def limits(self, span: range) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """First and last frame of each query inside `span`."""
        return np.maximum(self.first, span.start), np.minimum(self.last, span.stop - 1)

    def asked(self, span: range) -> NDArray[np.bool_]:
        """Cells ``[len(span), queries]`` that an answer may fill."""
        first, last = self.limits(span)
        frames = np.arange(span.start, span.stop)[:, None]
        return (frames >= first) & (frames <= last)

    def digest_parts(self) -> tuple[object, ...]:
        """All that decides an answer, for `core.provenance.digest`."""
        parts = self.frame, self.xy, list(self.name), self.first, self.last
        if any(self.group) or set(self.kind) - {"point"}:
            return *parts, list(self.group), list(self.kind)
        return parts

    def select(self, rows: ArrayLike) -> Queries:
        """Only these queries, in the given order."""
        at = np.asarray(rows, dtype=np.intp)
        name, group, kind = (
            tuple(column[i] for i in at) for column in (self.name, self.group, self.kind)
        )
        return Queries(
            *(self.frame[at], self.xy[at], name, self.first[at], self.last[at]),
            group=group,
            kind=kind,
        )


def _positions(values: ArrayLike, length: int) -> NDArray[np.float64]:
    xy = np.asarray(values, dtype=np.float64)
    if xy.shape != (length, 2) and (length or xy.size):
        raise ValueError(f"xy must have shape ({length}, 2), got {xy.shape}")
    return xy.reshape(length, 2)


def _column(values: ArrayLike, length: int, name: str) -> NDArray[np.intp]:
    column = np.asarray(values, dtype=np.intp)
    if column.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), got {column.shape}")
    return column


def _words(words: tuple[str, ...], length: int, default: str, name: str) -> tuple[str, ...]:
    column = tuple(words) or (default,) * length
    if len(column) != length:
        raise ValueError(f"{name} must name {length} queries, got {len(column)}")
    return column


@dataclass(frozen=True)
class Traits:
    """What a tracker says of itself.

    Attributes
    ----------
    name : str
        Unique, as typed on the command line.
    source : Source
        What its cells are marked with.
    reach : {"pair", "window", "clip"}
        How many frames it looks at together.
    bound_px : float
        Largest error on the contract suite's scenes, in px.
    version : int
        Raised whenever its numbers change.
    summary : str
        One line for a user.
    scaled : bool
        Whether its numbers depend on the clip's scale.
    """

    name: str
    source: Source
    reach: Reach
    bound_px: float
    version: int = 1
    summary: str = ""
    scaled: bool = False


class Tracker(Protocol):
    """Follows query points through a clip."""

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        ...

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries both ways from their frames, inside their limits.

        The result has one row per frame of `span` and one column per query.
        Yields after every frame pair or window.
        """
        ...


Memory = MutableMapping[tuple[str, int], Any]
"""What a tracker knows of a point, by name, in a frame it has reached; its own affair."""


@runtime_checkable
class Resuming(Protocol):
    """A tracker that can go on from where an earlier call left its points."""

    def resume(
        self, video: Video, queries: Queries, span: range, memory: Memory | None
    ) -> Work[Cells]:
        """Do as `Tracker.track`, going on from what is remembered of each query's place.

        What is remembered of another place in that frame is not used. New
        memories are added under the frames that are reached.
        """
        ...


class Detector(Protocol):
    """Finds points by name, with no query to start from."""

    @property
    def traits(self) -> Traits:
        """What the detector says of itself."""
        ...

    def detect(self, video: Video, names: Sequence[str], span: range) -> Work[Cells]:
        """Find the named points in every frame of `span`."""
        ...
