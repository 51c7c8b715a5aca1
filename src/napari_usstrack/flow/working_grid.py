"""The pixel grid on which speckle is matched: as coarse as speckle allows."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Positions, Resize
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.flow.opencv import opencv

FINEST_MM = 0.25
"""Finer pixels than this show no more of speckle, they only cost time."""
LONGEST_PX = 400
"""Longer side of the grid where nobody knows the scale."""
KEPT = 3

Grey = NDArray[np.uint8]


class WorkingGrid:
    """Shrinks frames whose pixels are finer than speckle, and knows its millimetres.

    Parameters
    ----------
    info : VideoInfo
        Size and scale. Without a scale, the frame is shrunk to 400 px and one
        of its pixels counts as 0.25 mm.

    Attributes
    ----------
    mm : float64 ndarray, shape (2,)
        Millimetres per pixel of the grid, (x, y).
    """

    def __init__(self, info: VideoInfo) -> None:
        size = np.array([info.width, info.height])
        if info.spacing_mm is None:
            factor = np.full(2, min(1.0, LONGEST_PX / size.max()))
        else:
            factor = np.minimum(1.0, np.asarray(info.spacing_mm) / FINEST_MM)
        after = np.maximum(1, np.rint(size * factor)).astype(int)
        self._map = Resize((info.width, info.height), (int(after[0]), int(after[1])))
        known = info.spacing_mm is not None
        self.mm = np.asarray(info.spacing_mm) / self._map.factor if known else np.full(2, FINEST_MM)
        self._recent: deque[tuple[Grey, Grey]] = deque(maxlen=KEPT)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px of the grid."""
        return self._map.after

    def picture(self, frame: Grey) -> Grey:
        """Give a frame ``[y, x]`` on the grid; the last few are remembered."""
        for full, small in self._recent:
            if full is frame:
                return small
        small = frame
        if self._map.before != self._map.after:
            cv2 = opencv()
            small = cv2.resize(frame, self._map.after, interpolation=cv2.INTER_AREA)
        self._recent.append((frame, small))
        return small

    def to_grid(self, xy: NDArray[np.float64]) -> Positions:
        """Positions in px of the frame to px of the grid."""
        return self._map.forward(xy)

    def to_frame(self, xy: NDArray[np.float64]) -> Positions:
        """Positions in px of the grid to px of the frame."""
        return self._map.backward(xy)

    def odd_px(self, mm: float) -> int:
        """Side of a square of tissue as an odd number of grid pixels, 7 at least."""
        return max(7, int(np.rint(mm / self.mm.mean())) // 2 * 2 + 1)
