"""Paths found by flow made better by comparing all frames along them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.believed import held
from napari_usstrack.core.coords import inside
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Work
from napari_usstrack.core.tracks import Cells
from napari_usstrack.core.video import Video
from napari_usstrack.flow.group_match import GroupMatch, group_match
from napari_usstrack.flow.guided import Guide
from napari_usstrack.pipelines.closing import Cycles, Loop, close, spread
from napari_usstrack.pipelines.learned import Learned
from napari_usstrack.pipelines.neighbours import agreed
from napari_usstrack.smoothing.fusion import Fused, Measured, fusing
from napari_usstrack.smoothing.uncertainty import confidence

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Grey = NDArray[np.uint8]
STRETCH = 200
"""Frames that are compared together at most."""
THREADS = 2
FEWEST = 3
"""Frames of a path that are worth comparing."""
STATED, CHANGED = 2.2, 1.05
"""What the smoother's covariance, and the squared distance by which comparing all frames
moved a path, contribute to the scale of real errors; found on generated clips."""
FREEDOM = 4.0
"""Degrees of freedom of the Student-t distribution that real errors then have."""
REGION = 3.9
"""Factor from that scale to the covariance of normal errors with the same 90 % region."""


def walked_frames(queries: Queries, span: range) -> int:
    """Frames that are walked through from the queries, at least 1."""
    first, last = queries.limits(span)
    return int(max(1, np.maximum(last - first, 0).max(initial=0)))


@dataclass(frozen=True, eq=False)
class Refined:
    """Better paths.

    Attributes
    ----------
    cells : Cells
    covariances : float64 ndarray, shape (frames, points, 2, 2)
        Px^2 of normal errors whose 90 % region holds the truth as often as that
        of real errors; zero in the queries, NaN where a point is not seen.
    """

    cells: Cells
    covariances: Floats


@dataclass(frozen=True)
class _Task:
    """Rows of one point that are compared together; `query` outside of them is put in front."""

    point: int
    rows: range
    query: int

    @property
    def own(self) -> bool:
        """Whether the query's frame is among the rows."""
        return self.query in self.rows


class Refiner:
    """Compares frames along paths and joins what that says.

    Parameters
    ----------
    video : Video
        The clip.
    queries : Queries
        What was asked.
    span : range
        Frames of the answer.
    within_mm : float
        Distance of which confidence speaks.

    Attributes
    ----------
    learned : Learned or None
        What a network found; one more source of matches.
    """

    def __init__(
        self,
        video: Video,
        queries: Queries,
        span: range,
        within_mm: float,
    ) -> None:
        self._video, self._queries, self._span = video, queries, span
        self.learned: Learned | None = None
        self._within_mm = within_mm
        self._stretches = [
            range(first, min(first + STRETCH, len(span)))
            for first in range(0, max(len(span) - 1, 0), STRETCH - 1)
        ]

    @property
    def size(self) -> int:
        """Units of work of a round."""
        return len(self._stretches) * len(self._queries) + 1

    def refine(self, start: Cells, guide: Guide, rounds: int) -> Work[Refined]:
        """Give better paths.

        Parameters
        ----------
        start : Cells
            Paths to begin with.
        guide : Guide
            What found them.
        rounds : int
            How often frames are compared.
        """
        paths = _Paths.of(start, guide, self._queries, self._span)
        total = (rounds + 1) * self.size
        yield from part(self._closed(paths, guide, start.shape), 0, self.size, total)
        fused: Fused | None = None
        for turn in range(rounds):
            before = (turn + 1) * self.size
            found = _Evidence.of_steps(start.shape, guide, self._span)
            yield from part(self._measured(paths, guide, found), before, self.size - 1, total)
            fused = yield from part(
                self._joined(found, paths, guide),
                before + self.size - 1,
                1,
                total,
            )
            known = np.isfinite(fused.xy)
            paths.centre[known] = fused.xy[known]
        assert fused is not None
        return self._refined(start, paths, fused, guide)

    def _closed(self, paths: _Paths, guide: Guide, shape: tuple[int, int]) -> Work[None]:
        """Hold paths through several cycles to the first one."""
        cycles = Cycles.of(guide, set(paths.query), self._span.start)
        found = _Evidence.of_steps(shape, guide, self._span)
        loops = []
        for point, (rows, query) in enumerate(zip(paths.rows, paths.query, strict=True)):
            later, partner = cycles.rows(query, rows)
            if later.size:
                loops.append(Loop(point, later, partner))
        pinned = sum(1 for _ in _anchors(self._queries, self._span)) > len(self._queries)
        if not (loops or pinned or self.learned is not None):
            yield Progress(1, 1)
            return

        def load(rows: range) -> Grey:
            return self._pictures(rows, guide)

        path = paths.centre, paths.deformed
        total = len(loops) * len(self._stretches) + 1
        matches = close(loops, self._stretches, load, *path, guide, THREADS) if loops else ()
        for done, (point, at, closed) in enumerate(matches, 1):
            found.common[at, point] = closed.place
            found.common_covariance[at, point] = closed.covariance
            known = np.isfinite(closed.place).all(axis=-1)
            spread(paths.deformed[:, point], at[known], closed.deformed[known])
            yield Progress(min(done, total - 1), total)
        fused = yield from part(self._joined(found, paths, guide), total - 1, 1, total)
        known = np.isfinite(fused.xy)
        paths.centre[known] = fused.xy[known]

    def _joined(self, found: _Evidence, paths: _Paths, guide: Guide) -> Work[Fused]:
        """Smooth each path over steps and matches, through its anchors."""
        exact = np.full(paths.centre.shape, np.nan)
        for row, column, place in _anchors(self._queries, self._span):
            exact[row, column] = guide.grid.map.forward(place)
        common = _measured(
            _bent(found.common, exact, paths.query), found.common_covariance, "common"
        )
        measured = Measured.from_tracks(exact, np.zeros((2, 2)), "manual").and_(common)
        if self.learned is not None:
            factor = float(np.mean(guide.grid.map.factor))
            measured = measured.and_(self.learned.measured(guide.grid.map, factor))
        return fusing(found.step, found.step_covariance, measured, calibrate=False)

    def _measured(self, paths: _Paths, guide: Guide, found: _Evidence) -> Work[None]:
        """Compare frames, stretch by stretch, points side by side."""
        done, total = 0, self.size - 1
        queried: dict[int, Grey] = {}
        for stretch in self._stretches:
            tasks = list(paths.tasks(stretch))
            if tasks:
                pictures = self._pictures(stretch, guide)
                for task in tasks:
                    if not task.own and task.query not in queried:
                        row = range(task.query, task.query + 1)
                        queried[task.query] = self._pictures(row, guide)
                for task, match in _side_by_side(tasks, stretch, pictures, queried, paths, guide):
                    found.put(task, match)
                    done += 1
                    yield Progress(min(done, total), total)
        yield Progress(total, total)

    def _pictures(self, rows: range, guide: Guide) -> Grey:
        frames = range(self._span.start + rows.start, self._span.start + rows.stop)
        if all(frame in guide.kept for frame in frames):
            return np.stack([guide.kept[frame] for frame in frames])
        return np.stack([guide.grid.picture(frame) for frame in self._video.frames(frames)])

    def _refined(self, start: Cells, paths: _Paths, fused: Fused, guide: Guide) -> Refined:
        info, grid = self._video.info, guide.grid
        moved = np.sum((paths.centre - grid.map.forward(start.xy)) ** 2, axis=-1)
        scale = STATED * fused.covariances + CHANGED * moved[..., None, None] * np.eye(2)
        per_axis = 0.5 * np.trace(scale, axis1=-2, axis2=-1)
        query = self._queries.frame - self._span.start
        xy = grid.map.backward(agreed(paths.centre, per_axis, query, guide.support.reach_px))
        sure = confidence(scale, self._within_mm, (grid.mm, grid.mm), FREEDOM)
        visible = start.visible & np.isfinite(sure) & inside(xy, info.width, info.height)
        for row, column, place in _anchors(self._queries, self._span):
            xy[row, column], sure[row, column], scale[row, column] = place, 1.0, 0.0
            visible[row, column] |= start.present[row, column]
        xy = held(xy, visible, query, start.present)
        given = np.where(start.present, np.where(visible, sure, 0.0), np.nan)
        cells = Cells(xy, given.astype(np.float32), visible & start.present, start.source)
        to_frame = 1.0 / np.asarray(grid.map.factor)
        region = REGION * scale * to_frame[:, None] * to_frame
        return Refined(cells, np.where(visible[..., None, None], region, np.nan))


@dataclass(frozen=True, eq=False)
class _Paths:
    """Where points are thought to be on the grid, row by row of the span.

    Attributes
    ----------
    centre : float64 ndarray, shape (frames, points, 2)
        Px of the grid; NaN outside `rows`.
    deformed : float64 ndarray, shape (frames, points, 2, 2)
    rows : tuple of range
        Of each point: from the first to the last row in which it was seen.
    query : tuple of int
        Row of each point's query.
    """

    centre: Floats
    deformed: Floats
    rows: tuple[range, ...]
    query: tuple[int, ...]

    @classmethod
    def of(cls, start: Cells, guide: Guide, queries: Queries, span: range) -> _Paths:
        """Paths of a tracker's answer, gaps bridged."""
        seen = start.visible
        deformed = np.tile(np.eye(2), (*seen.shape, 1, 1))
        for (point, _, frame), reached in guide.reached.items():
            deformed[frame - span.start, point] = reached.deformed
        centre = np.where(seen[..., None], guide.grid.map.forward(start.xy), np.nan)
        rows = []
        for point in range(seen.shape[1]):
            at = np.flatnonzero(seen[:, point])
            rows.append(range(at[0], at[-1] + 1) if at.size else range(0))
            every = np.arange(rows[-1].start, rows[-1].stop)
            for axis in range(2) if at.size else ():
                centre[every, point, axis] = np.interp(every, at, centre[at, point, axis])
        return cls(centre, deformed, tuple(rows), tuple((queries.frame - span.start).tolist()))

    def tasks(self, stretch: range) -> Iterator[_Task]:
        """Work to be done in a stretch of rows."""
        for point, (rows, query) in enumerate(zip(self.rows, self.query, strict=True)):
            shared = range(max(rows.start, stretch.start), min(rows.stop, stretch.stop))
            if len(shared) >= 2 and len(rows) >= FEWEST:
                yield _Task(point, shared, query)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """All that comparing frames has said, as in `GroupMatch`, for all points."""

    common: Floats
    common_covariance: Floats
    step: Floats
    step_covariance: Floats

    @classmethod
    def of_steps(cls, shape: tuple[int, int], guide: Guide, span: range) -> _Evidence:
        """What is known from walking along the paths."""
        frames, points = shape
        place, place_covariance = (
            np.full((frames, points, 2), np.nan),
            np.full((frames, points, 2, 2), np.nan),
        )
        step, covariance = place[1:].copy(), place_covariance[1:].copy()
        for (point, here, there), reached in guide.reached.items():
            row = min(here, there) - span.start
            step[row, point] = reached.step if there > here else -reached.step
            covariance[row, point] = reached.covariance
        return cls(place, place_covariance, step, covariance)

    def put(self, task: _Task, match: GroupMatch) -> None:
        """Take in what was said of a task's rows."""
        skip = 0 if task.own else 1
        rows = slice(task.rows.start, task.rows.stop)
        self.common[rows, task.point] = match.common[skip:]
        self.common_covariance[rows, task.point] = match.common_covariance[skip:]


def _side_by_side(
    tasks: list[_Task],
    stretch: range,
    pictures: Grey,
    queried: dict[int, Grey],
    paths: _Paths,
    guide: Guide,
) -> Iterator[tuple[_Task, GroupMatch]]:
    """Do tasks in a few threads; they end with the iterator."""

    def do(task: _Task) -> GroupMatch:
        rows = np.arange(task.rows.start, task.rows.stop)
        blocks = [pictures[rows[0] - stretch.start : rows[-1] + 1 - stretch.start]]
        if not task.own:
            rows = np.concatenate([[task.query], rows])
            blocks.insert(0, queried[task.query])
        query = int(np.flatnonzero(rows == task.query)[0])
        centre, deformed = paths.centre[rows, task.point], paths.deformed[rows, task.point]
        return group_match(blocks, centre, deformed, query, guide.support, guide.grid.mm)

    with ThreadPoolExecutor(THREADS, "usstrack-match") as pool:
        waiting: list[Future[GroupMatch]] = [pool.submit(do, task) for task in tasks]
        try:
            for task, answer in zip(tasks, waiting, strict=True):
                yield task, answer.result()
        finally:
            for answer in waiting:
                answer.cancel()


def _bent(places: Floats, exact: Floats, query: tuple[int, ...]) -> Floats:
    """Matches with the query, moved so that they meet other anchors, linearly in between."""
    out, every = places.copy(), np.arange(len(places))
    for point, row in enumerate(query):
        off = exact[:, point] - places[:, point]
        if row in every:
            off[row] = 0.0
        at = np.flatnonzero(np.isfinite(off).all(axis=-1))
        for axis in range(2) if at.size > 1 else ():
            out[:, point, axis] += np.interp(every, at, off[at, axis])
    return out


def _measured(xy: Floats, covariance: Floats, kind: str) -> Measured:
    known = np.asarray(np.isfinite(covariance).all(axis=(-2, -1)))
    filled = np.where(known[..., None, None], covariance, np.eye(2))
    return Measured.from_tracks(np.where(known[..., None], xy, np.nan), filled, kind)


def _anchors(queries: Queries, span: range) -> Iterator[tuple[int, int, Floats]]:
    """Row, column and place of each query, and of others of its point inside its limits."""
    first, last = queries.limits(span)
    columns = range(len(queries))
    for column in columns:
        for other in columns:
            frame = int(queries.frame[other])
            same = other == column or queries.name[other] == queries.name[column]
            if same and first[column] <= frame <= last[column]:
                own = other == column
                if own or frame != queries.frame[column]:
                    yield frame - span.start, column, queries.xy[other]
