"""Block matching: the place where the texture around a point correlates best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

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
    name="block-matching",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.3,
    summary="Best normalised correlation of the texture around each point; finds large motion.",
)
FEWEST_PX = 2
MOST_PX = 100
"""Limits of the search in px where it is given in mm."""

Grey = NDArray[np.uint8]
Pair = tuple[int, int]


@dataclass(frozen=True)
class BlockMatching(PairTracker):
    """Zero-mean normalised cross-correlation, chained from frame to frame.

    Parameters
    ----------
    window : int
        Side of the square of texture around each point, px.
    search_px : int
        Largest motion between two frames that is looked for on each axis, px;
        used while the scale is unknown.
    search_mm : float
        The same in mm, used where the scale is known (at least 2, at most 100 px).
    lost_ncc : float
        A point is lost when its texture correlates less than this, 0 to 1.
    lost_px : float
        A point is lost when matching it forward and back again misses the
        start by more than this.
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.

    Notes
    -----
    Speckle tracking by normalised correlation, as in Bohs and Trahey (IEEE
    Trans. Biomed. Eng. 1991) and Lewis, "Fast normalized cross-correlation"
    (1995). Sub-pixel: peak of a quadratic through the logarithm of the 3 x 3
    correlations around the best one, less what the same fit says of the block
    on itself, then once more on texture resampled at that place. The
    forward-backward check is that of Kalal et al. (ICPR 2010).
    """

    TRAITS = TRAITS

    window: Annotated[int, Interval(ge=7, le=301)] = 45
    search_px: Annotated[int, Interval(ge=1, le=200)] = 16
    search_mm: Annotated[float, Interval(gt=0, le=50)] = 2.0
    lost_ncc: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    lost_px: Annotated[float, Interval(gt=0)] = 8.0

    def stepper(self, video: Video) -> StepFunction:
        """Give the step that searches as far as the clip's scale says."""
        search = self.search(video.info.spacing_mm)
        return lambda here, there, xy, _motion: self.step(here, there, xy, search)

    def search(self, spacing_mm: tuple[float, float] | None) -> Pair:
        """Largest motion that is looked for, (x, y) px.

        Parameters
        ----------
        spacing_mm : tuple of float or None
            Millimetres per px, (x, y).
        """
        if spacing_mm is None:
            return self.search_px, self.search_px
        x, y = (int(np.clip(np.ceil(self.search_mm / s), FEWEST_PX, MOST_PX)) for s in spacing_mm)
        return x, y

    def step(
        self, here: Grey, there: Grey, xy: NDArray[np.float64], search: Pair | None = None
    ) -> Landing:
        """Move points from one frame to the next and check them by matching back.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Positions in `here`, px.
        search : tuple of int, optional
            Largest motion, (x, y) px; `search_px` if None.
        """
        reach = search or self.search(None)
        height, width = here.shape
        landed = np.array(xy, dtype=np.float64)
        ncc, gap = np.zeros(len(xy)), np.full(len(xy), np.inf)
        for point, start in enumerate(landed.copy()):
            motion, ncc[point] = match(here, there, start, self.window, reach)
            if ncc[point] <= 0 or not inside(start + motion, width, height):
                continue
            landed[point] = start + motion
            back, _ = match(there, here, landed[point], self.window, reach)
            gap[point] = np.hypot(*(motion + back))
        found = (ncc > self.lost_ncc) & (gap <= self.lost_px)
        sure = np.where(found, np.clip(ncc, 0.0, 1.0) / (1.0 + gap**2), 0.0)
        return Landing(landed, sure, found)


def match(
    here: Grey, there: Grey, xy: NDArray[np.float64], window: int, search: Pair
) -> tuple[NDArray[np.float64], float]:
    """Motion of the texture around one position.

    Near the border the block is cut so that it can move by `search` without
    leaving the frame, down to a third of `window`.

    Parameters
    ----------
    here, there : uint8 ndarray, shape (height, width)
        Grey frames.
    xy : ndarray, shape (2,)
        Position in `here`, px.
    window : int
        Side of the block, px.
    search : tuple of int
        Largest motion, (x, y) px.

    Returns
    -------
    motion : ndarray, shape (2,)
        Displacement in px.
    ncc : float
        Correlation at the best whole px, -1 to 1; 0 where there is no texture.
    """
    height, width = here.shape
    left, right = _cut(xy[0], window, search[0], width)
    top, bottom = _cut(xy[1], window, search[1], height)
    block = here[top:bottom, left:right]
    none = np.zeros(2)
    if min(block.shape) < 3 or np.ptp(block) == 0:
        return none, 0.0
    low = np.maximum((-search[0], -search[1]), (-left, -top))
    high = np.minimum(search, (width - right, height - bottom))
    area = there[top + low[1] : bottom + high[1], left + low[0] : right + high[0]]
    ncc = _correlation(area, block)
    row, column = np.unravel_index(int(np.argmax(ncc)), ncc.shape)
    best = float(ncc[row, column])
    whole = low + (column, row)
    if 0 < row < len(ncc) - 1 and 0 < column < ncc.shape[1] - 1:
        near = ncc[row - 1 : row + 2, column - 1 : column + 2]
    else:
        near = _around(there, (left, top), block, whole)
    bias = _peak(_around(here, (left, top), block, np.zeros(2)))
    part = _peak(near) - bias
    part += _peak(_around(there, (left, top), block, whole + part)) - bias
    return np.clip(part, -1.0, 1.0) + whole.astype(np.float64), best


def _cut(centre: float, window: int, search: int, size: int) -> Pair:
    """First and last + 1 px of a block on one axis."""
    middle, half = round(float(centre)), window // 2
    first = max(min(middle, size - 1) - half, 0)
    last = min(max(middle, 0) + half + 1, size)
    least = min(max(window // 3, 3), last - first)
    low = max(first, min(search, last - least))
    high = min(last, max(size - search, first + least))
    return (low, high) if high - low >= least else (first, last)


def _correlation(area: NDArray[Any], block: NDArray[Any]) -> NDArray[np.float32]:
    """Zero-mean normalised cross-correlation of a block with every place in an area."""
    cv2 = opencv()
    ncc = cv2.matchTemplate(
        np.ascontiguousarray(area), np.ascontiguousarray(block), cv2.TM_CCOEFF_NORMED
    )
    ncc[~np.isfinite(ncc) | (np.abs(ncc) > 1.001)] = 0.0
    return np.asarray(ncc, dtype=np.float32)


def _around(picture: Grey, corner: Pair, block: Grey, motion: NDArray[Any]) -> NDArray[np.float32]:
    """Correlations 3 x 3 of a block with a picture around a motion in px."""
    cv2 = opencv()
    whole = np.floor(motion).astype(np.intp)
    along_x, along_y = (_taps(part) for part in motion - whole)
    (x, y), (rows, columns) = np.asarray(corner) + whole, block.shape
    size = picture.shape
    near = np.ix_(
        np.clip(np.arange(y - 2, y + rows + 3), 0, size[0] - 1),
        np.clip(np.arange(x - 2, x + columns + 3), 0, size[1] - 1),
    )
    area = picture[near]
    if np.any(whole != motion):
        area = cv2.sepFilter2D(area, cv2.CV_32F, along_x, along_y, anchor=(1, 1))
        block = block.astype(np.float32)
    return _correlation(area[1:-2, 1:-2], block)


def _taps(part: float) -> NDArray[np.float64]:
    """Weights of the pixels at -1, 0, 1 and 2 for the place `part` (Keys' cubic, a = -1/2)."""
    t = np.array([1.0 + part, part, 1.0 - part, 2.0 - part])
    near = 1.5 * t**3 - 2.5 * t**2 + 1.0
    far = -0.5 * t**3 + 2.5 * t**2 - 4.0 * t + 2.0
    return np.where(t <= 1.0, near, far)


def _peak(ncc: NDArray[np.float32]) -> NDArray[np.float64]:
    """Offset (x, y) in px of the peak of a quadratic through 3 x 3 correlations.

    The fit is to their logarithm, a Gaussian peak; zero where they show none.
    """
    f = np.log(np.clip(ncc.astype(np.float64), 1e-3, None))
    dx, dy = (f[:, 2] - f[:, 0]).sum() / 6.0, (f[2] - f[0]).sum() / 6.0
    dxx = (f[:, 0] - 2.0 * f[:, 1] + f[:, 2]).sum() / 3.0
    dyy = (f[0] - 2.0 * f[1] + f[2]).sum() / 3.0
    dxy = (f[2, 2] - f[2, 0] - f[0, 2] + f[0, 0]) / 4.0
    bend = dxx * dyy - dxy**2
    if bend <= 0 or dxx >= 0:
        return np.zeros(2)
    offset = np.array([dxy * dy - dyy * dx, dxy * dx - dxx * dy]) / bend
    return np.clip(offset, -1.0, 1.0)
