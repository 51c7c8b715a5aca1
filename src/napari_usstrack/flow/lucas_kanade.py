"""Pyramidal Lucas-Kanade: one frame pair, and whole clips from query points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.tracker import Traits
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, PairTracker, StepFunction
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.tiles import Views

TRAITS = Traits(
    name="lucas-kanade",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.15,
    summary="Pyramidal optical flow from frame to frame; no training, drifts slowly.",
)
NEAR_PX = 1.5
"""Motion, or departure from the expected one, that is found without coarser levels."""
CLOSE_PX = 3
"""Room for a point to leave the place where it is expected, in a picture cut around it."""
SEARCH_PX = 16
"""The same where all levels are searched; a point that goes further is sought in the frame."""
BLUR_PX = 4
"""Pixels at such a picture's border, on its coarsest level, that halving spoils."""
ROUGH_PX = 0.03
"""How exact the way back of a short step is."""
SURE_GAP_PX = 0.5
"""A point that misses its start by more, there and back, is looked for on all levels."""
SURE_RESIDUAL = 20.0
"""So is one whose windows differ by more grey levels."""
MOST_RESIDUAL = 1e6
"""Beyond this a window matched nothing; OpenCV reports any number then."""

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]
Motion = NDArray[np.float64]
Crossing = tuple[Grey, Grey, Points, Motion | None]


@dataclass(eq=False)
class _Flow:
    """Where points landed, which were found, grey difference, and how far the way back missed."""

    xy: Points
    found: NDArray[np.bool_]
    residual: NDArray[np.float32]
    gap: NDArray[np.float32]

    def copy(self) -> _Flow:
        """A flow of its own with the same values."""
        return _Flow(*(getattr(self, part.name).copy() for part in fields(self)))

    def part(self, first: int, end: int) -> _Flow:
        """The flow of some points in a row, without a copy."""
        return _Flow(*(getattr(self, part.name)[first:end] for part in fields(self)))

    def put(self, points: NDArray[np.intp], other: _Flow) -> None:
        """Replace the flow of some points."""
        for part in fields(self):
            getattr(self, part.name)[points] = getattr(other, part.name)

    def check(self, back: _Flow, start: Points) -> None:
        """Note by how much the way back misses the start."""
        self.found &= back.found
        self.gap = np.hypot(*(back.xy - start).T)


@dataclass(frozen=True)
class LucasKanade(PairTracker):
    """Sparse pyramidal optical flow, chained from frame to frame.

    Parameters
    ----------
    window : int
        Side of the square that is matched around each point, px.
    levels : int
        Pyramid levels; each more doubles the largest motion that is found.
    iterations : int
        Most refinement steps on each level.
    epsilon_px : float
        Refinement stops when a step is shorter than this.
    lost_px : float
        A point is lost when tracking it forward and back again misses the
        start by more than this.
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.
    check : bool
        Track each step back again; without it only a point that leaves the
        frame is lost, and confidence knows the grey difference alone.
    predict : bool
        Look for a point first where its last motion leads, on the finest level
        alone, and on all levels where that does not convince. Without it
        results equal plain OpenCV's to the last bit.

    Notes
    -----
    Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker"
    (2001), as in OpenCV. The forward-backward check is that of Kalal et al.,
    "Forward-backward error" (ICPR 2010); the way back starts on the level on
    which the motion is small, which finds the same errors in less time.
    """

    TRAITS = TRAITS

    window: Annotated[int, Interval(ge=5, le=301)] = 45
    levels: Annotated[int, Interval(ge=1, le=8)] = 3
    iterations: Annotated[int, Interval(ge=1, le=1000)] = 30
    epsilon_px: Annotated[float, Interval(gt=0, le=1)] = 0.01
    lost_px: Annotated[float, Interval(gt=0)] = 8.0
    check: bool = True
    predict: bool = True

    def stepper(self, _video: Video) -> StepFunction:
        """Give `step`, the same for every clip."""
        return self.step

    def step(
        self,
        here: Grey,
        there: Grey,
        xy: NDArray[np.float64],
        motion: NDArray[np.float64] | None = None,
    ) -> Landing:
        """Move points from one frame to the next and check them by moving back.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Positions in `here`, px.
        motion : float64 ndarray, shape (points, 2), optional
            How far each point is expected to move, px; NaN where nobody knows.
        """
        return self._landing(here, self._search(here, there, xy.astype(np.float32), motion))

    def steps(
        self,
        crossings: Sequence[tuple[Grey, Grey, NDArray[np.float64], NDArray[np.float64] | None]],
    ) -> list[Landing]:
        """Move points across several frame pairs, as `step` does for one.

        Where motions are expected, all points are searched for in one call,
        which takes less time than one for each pair.

        Parameters
        ----------
        crossings : sequence of (here, there, xy, motion)
            The parameters of `step` for each frame pair.
        """
        asked = [(a, b, xy.astype(np.float32), motion) for a, b, xy, motion in crossings]
        flows = self._near_together(asked) if self.predict else None
        if flows is None:
            flows = [self._search(*crossing) for crossing in asked]
        return [self._landing(here, flow) for (here, *_), flow in zip(asked, flows, strict=True)]

    def _landing(self, here: Grey, flow: _Flow) -> Landing:
        found = flow.found & (flow.gap <= self.lost_px) & inside(flow.xy, *here.shape[::-1])
        return Landing(
            xy=flow.xy.astype(np.float64),
            confidence=np.where(found, confidence(flow.gap, flow.residual), 0.0),
            found=found,
        )

    def _search(self, here: Grey, there: Grey, xy: Points, motion: Motion | None) -> _Flow:
        if not self.predict:
            return self._all_levels(Views.whole(here, there, xy), xy)
        if motion is None or not (expected := np.isfinite(motion[:, 0])).any():
            return self._far(here, there, xy)
        shift = np.where(expected[:, None], motion, 0.0).astype(np.float32)
        views = Views.around(xy, xy + shift, here, there, self._near_room)
        flow = self._near(views, xy, shift)
        flow.found &= expected
        return self._surely(here, there, xy, shift, flow)

    def _near_together(self, crossings: Sequence[Crossing]) -> list[_Flow] | None:
        """Search the finest level for all frame pairs at once, where that can be done."""
        known = [crossing for crossing in crossings if _all_known(crossing[3])]
        if len(known) < max(len(crossings), 2):
            return None
        starts = [xy for _, _, xy, _ in known]
        shifts = [np.asarray(motion, dtype=np.float32) for *_, motion in known]
        parts = [(a, b, xy, xy + by) for (a, b, xy, _), by in zip(known, shifts, strict=True)]
        views = Views.stacked(parts, self._near_room)
        if views is None:
            return None
        flow = self._near(views, np.concatenate(starts), np.concatenate(shifts))
        ends = np.cumsum([len(xy) for xy in starts])
        return [
            self._surely(a, b, xy, by, flow.part(end - len(xy), end))
            for (a, b, xy, _), by, end in zip(known, shifts, ends.tolist(), strict=True)
        ]

    def _surely(self, here: Grey, there: Grey, xy: Points, shift: Points, flow: _Flow) -> _Flow:
        """Search all levels for those points whose near search does not convince."""
        away = np.abs(flow.xy - xy - shift).max(axis=-1)
        sure = flow.found & (away <= NEAR_PX)
        sure &= (flow.gap <= SURE_GAP_PX) & (flow.residual <= SURE_RESIDUAL)
        if not sure.all():
            doubtful = np.flatnonzero(~sure)
            flow.put(doubtful, self._far(here, there, xy[doubtful]))
        return flow

    @property
    def _near_room(self) -> int:
        return self.window // 2 + CLOSE_PX + 1

    def _near(self, views: Views, xy: Points, shift: Points) -> _Flow:
        """Search the finest level around where points are expected."""
        flow = self._call(views, xy, 1, xy + shift)
        if self.check:
            flow.check(self._call(views.reversed, flow.xy, 1, flow.xy - shift, rough=True), xy)
        return flow

    def _far(self, here: Grey, there: Grey, xy: Points) -> _Flow:
        """Search all levels, around where points were if they are few."""
        coarsest = 1 << (self.levels - 1)
        room = (self.window // 2 + BLUR_PX) * coarsest + SEARCH_PX
        views = Views.around(xy, xy, here, there, room, coarsest)
        flow = self._all_levels(views, xy)
        if views.here is not here:
            beyond = np.flatnonzero(np.abs(flow.xy - xy).max(axis=-1) > SEARCH_PX)
            if beyond.size:
                again = Views.whole(here, there, xy[beyond])
                flow.put(beyond, self._all_levels(again, xy[beyond]))
        return flow

    def _all_levels(self, views: Views, xy: Points) -> _Flow:
        flow = self._call(views, xy, self.levels)
        if self.check:
            back = flow.copy()
            needed = levels_for(np.abs(flow.xy - xy).max(axis=-1), self.levels)
            for levels in np.unique(needed).tolist():
                group = np.flatnonzero(needed == levels)
                one_way = views.of(group).reversed
                back.put(group, self._call(one_way, flow.xy[group], levels))
            flow.check(back, xy)
        return flow

    def _call(
        self,
        views: Views,
        xy: Points,
        levels: int,
        guess: Points | None = None,
        *,
        rough: bool = False,
    ) -> _Flow:
        """Call OpenCV; a rough answer is less exact and lacks the grey difference."""
        cv2 = opencv()
        epsilon_px = max(self.epsilon_px, ROUGH_PX) if rough else self.epsilon_px
        flags = cv2.OPTFLOW_LK_GET_MIN_EIGENVALS if rough else 0
        start = None
        if guess is not None:
            start = (guess + views.to_there).reshape(-1, 1, 2)
            flags |= cv2.OPTFLOW_USE_INITIAL_FLOW
        landed, status, residual = cv2.calcOpticalFlowPyrLK(
            views.here,
            views.there,
            (xy + views.to_here).reshape(-1, 1, 2),
            start,
            winSize=(self.window, self.window),
            maxLevel=levels - 1,
            criteria=(
                cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT,
                self.iterations,
                epsilon_px,
            ),
            flags=flags,
        )
        found = status.ravel().astype(bool)
        landed = landed.reshape(-1, 2) - views.to_there
        return _Flow(landed, found, residual.ravel(), np.zeros(len(xy), np.float32))


def _all_known(motion: Motion | None) -> bool:
    return motion is not None and bool(np.isfinite(motion).all())


def levels_for(motion_px: NDArray[np.floating], most: int) -> NDArray[np.intp]:
    """Pyramid levels that find a motion, 1 to `most`.

    Parameters
    ----------
    motion_px : ndarray
        Larger of the motions along x and y, px.
    most : int
        Levels of the pyramid.
    """
    bars = NEAR_PX * 2.0 ** np.arange(most - 1)
    return np.searchsorted(bars, motion_px) + 1


def confidence(gap_px: NDArray[np.floating], residual: NDArray[np.floating]) -> NDArray[np.float64]:
    """Confidence in one step, 0 to 1.

    Halved where going there and back misses by 1 px, and again where the
    matched windows differ by 40 grey levels on average.

    Parameters
    ----------
    gap_px : ndarray
        Forward-backward distance, px.
    residual : ndarray
        Mean absolute grey difference of the matched windows.
    """
    lost = np.clip(residual, 0.0, MOST_RESIDUAL)
    return 1.0 / (1.0 + gap_px.astype(np.float64) ** 2) / (1.0 + (lost / 40.0) ** 2)
