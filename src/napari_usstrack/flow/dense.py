"""Dense inverse search: flow of every pixel, sampled at the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.tracker import Traits
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, PairTracker, StepFunction
from napari_usstrack.flow.opencv import opencv

TRAITS = Traits(
    name="dense-flow",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.9,
    summary="Dense optical flow sampled at the points; its cost does not grow with their number.",
)
SMALLEST_PX = 16
"""Pictures with a shorter side are padded to it."""

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class DenseFlow(PairTracker):
    """Flow of the whole frame, sampled at the points and chained from frame to frame.

    Parameters
    ----------
    preset : {"fast", "medium", "ultrafast"}
        OpenCV's balance of speed and detail.
    lost_px : float
        A point is lost when the flow forward and back again misses the start
        by more than this.
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.

    Notes
    -----
    Kroeger et al., "Fast optical flow using dense inverse search" (ECCV 2016),
    with variational refinement, as in OpenCV. OpenCV shares the picture out
    among its threads in stripes, so the last digits depend on their number.
    The forward-backward check is that of Kalal et al. (ICPR 2010).
    """

    TRAITS = TRAITS

    preset: Literal["fast", "medium", "ultrafast"] = "medium"
    lost_px: Annotated[float, Interval(gt=0)] = 8.0

    def stepper(self, _video: Video) -> StepFunction:
        """Give `step`, the same for every clip."""
        return lambda here, there, xy, _motion: self.step(here, there, xy)

    def step(self, here: Grey, there: Grey, xy: NDArray[np.float64]) -> Landing:
        """Move points from one frame to the next and check them by the reverse flow.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Positions in `here`, px.
        """
        height, width = here.shape
        landed = xy + sample(self.flow(here, there), xy)
        returned = landed + sample(self.flow(there, here), landed)
        gap = np.linalg.norm(returned - xy, axis=-1)
        found = (gap <= self.lost_px) & inside(landed, width, height)
        found &= textured(here, xy)
        return Landing(landed, np.where(found, 1.0 / (1.0 + gap**2), 0.0), found)

    def flow(self, here: Grey, there: Grey) -> NDArray[np.float32]:
        """Displacement ``[y, x, (dx, dy)]`` in px of every pixel of `here`."""
        cv2 = opencv()
        height, width = here.shape
        short = [max(0, SMALLEST_PX - side) for side in (height, width)]
        if any(short):
            edges = ((0, short[0]), (0, short[1]))
            here, there = np.pad(here, edges, mode="edge"), np.pad(there, edges, mode="edge")
        pair = (np.ascontiguousarray(picture) for picture in (here, there))
        preset = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{self.preset.upper()}")
        field = cv2.DISOpticalFlow.create(preset).calc(*pair, None)
        return np.asarray(field[:height, :width], dtype=np.float32)


def sample(field: NDArray[np.floating], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a field between its pixels, bilinear; the border's beyond it.

    Parameters
    ----------
    field : ndarray, shape (height, width, channels)
        Values at pixel centres.
    xy : ndarray, shape (points, 2)
        Positions, px.

    Returns
    -------
    ndarray, shape (points, channels)
    """
    height, width = field.shape[:2]
    at = np.clip(xy, 0.0, (width - 1.0, height - 1.0))
    low = np.minimum(at.astype(np.intp), np.maximum((width - 2, height - 2), 0))
    part = at - low
    (x, y), (u, v) = low.T, part.T[..., None]
    right, below = np.minimum(x + 1, width - 1), np.minimum(y + 1, height - 1)
    upper = (1.0 - u) * field[y, x] + u * field[y, right]
    lower = (1.0 - u) * field[below, x] + u * field[below, right]
    return np.asarray((1.0 - v) * upper + v * lower, dtype=np.float64)


def textured(picture: Grey, xy: NDArray[np.float64], reach: int = 8) -> NDArray[np.bool_]:
    """Whether there is anything but one grey around each position.

    Parameters
    ----------
    picture : uint8 ndarray, shape (height, width)
        Grey frame.
    xy : ndarray, shape (points, 2)
        Positions, px.
    reach : int
        Half side of the square that is looked at, px.
    """
    height, width = picture.shape
    answer = np.empty(len(xy), dtype=bool)
    for point, (x, y) in enumerate(np.clip(np.rint(xy), 0, (width - 1, height - 1)).astype(int)):
        rows, columns = (
            slice(max(y - reach, 0), y + reach + 1),
            slice(max(x - reach, 0), x + reach + 1),
        )
        answer[point] = np.ptp(picture[rows, columns]) > 0
    return answer
