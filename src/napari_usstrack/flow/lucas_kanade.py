"""Pyramidal Lucas-Kanade: one frame pair, and whole clips from query points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.coords import Crop, inside
from napari_usstrack.core.tracker import Traits
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, PairTracker, StepFunction
from napari_usstrack.flow.opencv import opencv

TRAITS = Traits(
    name="lucas-kanade",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.15,
    summary="Pyramidal optical flow from frame to frame; no training, drifts slowly.",
)
SEARCH_PX = 16
"""Room in a crop for points to move; those that go further are sought in the whole frame."""
WORTH_CROPPING_PX = 60_000
"""What a crop must leave out of the frame; less is not worth it."""
NEAR_PX = 1.5
"""Motion that the way back finds without the help of a coarser level."""
BLUR_PX = 4
"""Pixels at a crop's border, on its coarsest level, that halving spoils."""

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]
Flow = tuple[Points, NDArray[np.bool_], NDArray[np.float32]]
"""Where points landed, which were found, mean grey difference of the windows."""


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
    crop : bool
        Look only at the surroundings of the points where that is faster. One
        step then differs by less than 1e-3 px, by rounding; without it results
        equal plain OpenCV's to the last bit.

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
    crop: bool = True

    def stepper(self, _video: Video) -> StepFunction:
        """Give `step`, the same for every clip."""
        return self.step

    def step(self, here: Grey, there: Grey, xy: NDArray[np.float64]) -> Landing:
        """Move points from one frame to the next and check them by moving back.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Positions in `here`, px.
        """
        height, width = here.shape
        start = xy.astype(np.float32)
        landed, found, residual = self._flow(here, there, start, self.levels)
        gap = np.zeros(len(xy))
        if self.check:
            returned, found_back = self._back(there, here, landed, start)
            gap = np.hypot(*(returned - start).T).astype(np.float64)
            found &= found_back & (gap <= self.lost_px)
        found &= inside(landed, width, height)
        return Landing(
            xy=landed.astype(np.float64),
            confidence=np.where(found, confidence(gap, residual), 0.0),
            found=found,
        )

    def _back(
        self, here: Grey, there: Grey, xy: Points, origin: Points
    ) -> tuple[Points, NDArray[np.bool_]]:
        """Flow from where points landed, each with the levels that its motion needs."""
        landed, found = xy.copy(), np.zeros(len(xy), dtype=bool)
        needed = levels_for(np.abs(xy - origin).max(axis=-1), self.levels)
        for levels in np.unique(needed).tolist():
            group = np.flatnonzero(needed == levels)
            landed[group], found[group], _ = self._flow(here, there, xy[group], levels)
        return landed, found

    def _flow(self, here: Grey, there: Grey, xy: Points, levels: int) -> Flow:
        size = here.shape[::-1]
        part = surroundings(xy, self.window, levels, *size) if self.crop else None
        if part is None:
            return self._call(here, there, xy, levels)
        corner = np.array([part.left, part.top], dtype=np.float32)
        first, second = (np.ascontiguousarray(part.picture(frame)) for frame in (here, there))
        landed, found, residual = self._call(first, second, xy - corner, levels)
        landed += corner
        if clear(landed, part, self.window, levels, *size):
            return landed, found, residual
        return self._call(here, there, xy, levels)

    def _call(self, here: Grey, there: Grey, xy: Points, levels: int) -> Flow:
        cv2 = opencv()
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, self.iterations, self.epsilon_px)
        landed, status, residual = cv2.calcOpticalFlowPyrLK(
            here,
            there,
            xy.reshape(-1, 1, 2),
            None,
            winSize=(self.window, self.window),
            maxLevel=levels - 1,
            criteria=stop,
        )
        return landed.reshape(-1, 2), status.ravel().astype(bool), residual.ravel()


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


def surroundings(xy: Points, window: int, levels: int, width: int, height: int) -> Crop | None:
    """Part of a frame that serves the points as well as the whole; None where that is much of it.

    Its corner is a multiple of the coarsest level's px, so that both have the
    same pyramid, and it has as many levels as the frame.

    Parameters
    ----------
    xy : ndarray, shape (points, 2)
        Positions, px.
    window : int
        Side of the matched square, px.
    levels : int
        Pyramid levels.
    width, height : int
        Size of the frame, px.
    """
    if width * height < WORTH_CROPPING_PX:
        return None
    step = 1 << (levels - 1)
    room = (window // 2 + BLUR_PX) * step + SEARCH_PX
    least = (window + 2) * step
    (x_low, y_low), (x_high, y_high) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    left, right = _stretch(x_low, x_high, room, least, step, width)
    top, bottom = _stretch(y_low, y_high, room, least, step, height)
    part = Crop(left, top, right - left, bottom - top)
    spared = width * height - part.width * part.height
    return part if spared >= WORTH_CROPPING_PX and min(part.size) >= least else None


def _stretch(
    low: float, high: float, room: int, least: int, step: int, size: int
) -> tuple[int, int]:
    """First and last + 1 px of a crop on one axis."""
    first = min(max(int(low) - room, 0), max(size - least, 0))
    first -= first % step
    return first, min(max(int(high) + room + 2, first + least), size)


def clear(xy: Points, part: Crop, window: int, levels: int, width: int, height: int) -> bool:
    """Whether all windows stay inside a crop, or reach where it ends with the frame."""
    room = (window // 2 + BLUR_PX) << (levels - 1)
    (x_low, y_low), (x_high, y_high) = xy.min(axis=0), xy.max(axis=0)
    right, bottom = part.left + part.width, part.top + part.height
    return bool(
        (part.left == 0 or x_low - room >= part.left)
        and (part.top == 0 or y_low - room >= part.top)
        and (right == width or x_high + room + 1 <= right)
        and (bottom == height or y_high + room + 1 <= bottom)
    )


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
    return 1.0 / (1.0 + gap_px.astype(np.float64) ** 2) / (1.0 + (residual / 40.0) ** 2)
