"""Pyramidal Lucas-Kanade: one frame pair, and whole clips from query points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core import environ
from napari_usstrack.core.coords import inside
from napari_usstrack.core.tracker import Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, follow

TRAITS = Traits(
    name="lucas-kanade",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.15,
    summary="Pyramidal optical flow from frame to frame; no training, drifts slowly.",
)


@dataclass(frozen=True)
class LucasKanade:
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

    Notes
    -----
    Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker"
    (2001), as in OpenCV. The forward-backward check is that of Kalal et al.,
    "Forward-backward error" (ICPR 2010).
    """

    window: Annotated[int, Interval(ge=5, le=301)] = 45
    levels: Annotated[int, Interval(ge=1, le=8)] = 3
    iterations: Annotated[int, Interval(ge=1, le=1000)] = 30
    epsilon_px: Annotated[float, Interval(gt=0, le=1)] = 0.01
    lost_px: Annotated[float, Interval(gt=0)] = 8.0
    patience: Annotated[int, Interval(ge=0)] = 25

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        return TRAITS

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        return asdict(self)

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries both ways from their frames, inside their limits."""
        return follow(self.step, video, queries, span, TRAITS.source, self.patience)

    def step(
        self, here: NDArray[np.uint8], there: NDArray[np.uint8], xy: NDArray[np.float64]
    ) -> Landing:
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
        landed, found, residual = self._flow(here, there, start)
        returned, found_back, _ = self._flow(there, here, landed)
        gap = np.hypot(*(returned - start).T)
        found &= found_back & (gap <= self.lost_px) & inside(landed, width, height)
        return Landing(
            xy=landed.astype(np.float64),
            confidence=np.where(found, confidence(gap, residual), 0.0),
            found=found,
        )

    def _flow(
        self, here: NDArray[np.uint8], there: NDArray[np.uint8], xy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        with environ.preserved(*environ.OPENCV_SETS):
            import cv2
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, self.iterations, self.epsilon_px)
        landed, status, residual = cv2.calcOpticalFlowPyrLK(
            here,
            there,
            xy.reshape(-1, 1, 2),
            None,
            winSize=(self.window, self.window),
            maxLevel=self.levels - 1,
            criteria=stop,
        )
        return landed.reshape(-1, 2), status.ravel().astype(bool), residual.ravel()


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
