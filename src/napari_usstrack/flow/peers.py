"""Plain OpenCV trackers to compare with: what one would write in ten lines.

They chain OpenCV's own answer from frame to frame, check nothing, never lose a
point and so call every point visible. They are there for benchmarks and are no
methods of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.tracker import Traits
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, PairTracker, StepFunction
from napari_usstrack.flow.dense import DenseFlow, sample
from napari_usstrack.flow.opencv import opencv

COUNT_AND_EPSILON = 3
"""OpenCV's code for stopping at a number of iterations or at a short step."""

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class PlainLucasKanade(PairTracker):
    """OpenCV's pyramidal Lucas-Kanade on whole frames, forward only.

    Parameters
    ----------
    window : int
        Side of the window, px.
    max_level : int
        Coarsest pyramid level, as OpenCV counts them: 0 is the frame itself.
    iterations : int
        Most refinement steps on each level.
    epsilon_px : float
        Refinement stops when a step is shorter than this.
    patience : int
        Without effect: no point is ever lost.
    """

    TRAITS = Traits("opencv-lk", Source.FLOW, "pair", bound_px=0.2)

    patience: Literal[0] = 0
    window: int = 21
    max_level: int = 3
    iterations: int = 30
    epsilon_px: float = 0.01

    def stepper(self, _video: Video) -> StepFunction:
        """Give the step, the same for every clip."""
        cv2 = opencv()
        settings = {
            "winSize": (self.window, self.window),
            "maxLevel": self.max_level,
            "criteria": (COUNT_AND_EPSILON, self.iterations, self.epsilon_px),
        }

        def step(here: Grey, there: Grey, xy: NDArray[np.float64], _moved: object) -> Landing:
            start = xy.astype(np.float32).reshape(-1, 1, 2)
            landed, _, _ = cv2.calcOpticalFlowPyrLK(here, there, start, None, **settings)
            return _sure(landed.reshape(-1, 2).astype(np.float64))

        return step


@dataclass(frozen=True)
class PlainDenseFlow(PairTracker):
    """OpenCV's dense inverse search, sampled bilinearly at the points, forward only.

    Parameters
    ----------
    preset : {"fast", "medium", "ultrafast"}
        OpenCV's balance of speed and detail.
    patience : int
        Without effect: no point is ever lost.
    """

    TRAITS = Traits("opencv-dis", Source.FLOW, "pair", bound_px=0.9)

    patience: Literal[0] = 0
    preset: Literal["fast", "medium", "ultrafast"] = "medium"

    def stepper(self, _video: Video) -> StepFunction:
        """Give the step, the same for every clip."""
        flow = DenseFlow(preset=self.preset).flow

        def step(here: Grey, there: Grey, xy: NDArray[np.float64], _moved: object) -> Landing:
            return _sure(xy + sample(flow(here, there), xy))

        return step


def _sure(xy: NDArray[np.float64]) -> Landing:
    return Landing(xy, np.ones(len(xy)), np.ones(len(xy), dtype=np.bool_))


PEERS: dict[str, PairTracker] = {
    "opencv-lk-dustrack": PlainLucasKanade(window=45, max_level=2, iterations=10, epsilon_px=0.03),
    "opencv-lk-21": PlainLucasKanade(window=21),
    "opencv-lk-45": PlainLucasKanade(window=45),
    "opencv-dis": PlainDenseFlow(),
}
"""By the names that benchmarks give them; the first has DUSTrack's settings."""
