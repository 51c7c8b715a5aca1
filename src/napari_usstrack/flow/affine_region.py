"""One affine motion for a whole region, as programs for muscle ultrasound use it.

A peer to compare with, written from published descriptions; no method of the
program. The region around the points moves as one piece: between two frames a
single affine map is fitted to corners inside it and applied to every point.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.tracker import Traits
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import Landing, PairTracker, StepFunction, neighbours
from napari_usstrack.flow.opencv import opencv

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
CORNERS, QUALITY, NEIGHBOURHOOD, APART_PX = 1000, 0.005, 11, 3.0
"""Most corners, their least eigenvalue as a share of the largest, window and distance."""
LEVELS, ITERATIONS, EPSILON_PX = 4, 50, 0.01
FEWEST = 8
"""Corners that a map needs; with fewer the region rests."""
ROUNDS = 10
TUKEY = 4.685
"""Distances beyond so many standard deviations count for nothing."""
LEAST_PX = 0.05
"""Least standard deviation of distances."""


@dataclass(frozen=True)
class AffineRegion(PairTracker):
    """Robust affine motion of corners in a region, forward from frame to frame.

    Parameters
    ----------
    window : int
        Side of the square that is matched around each corner, px.
    margin_px : int
        How far the region reaches beyond the outermost points.
    return_px : float
        A corner counts when tracking it forward and back again misses the
        start by no more than this.
    patience : int
        Without effect: no point is ever lost.

    Notes
    -----
    The scheme of Cronin et al., "Automatic tracking of medial gastrocnemius
    fascicle length during human locomotion" (J Appl Physiol 2011), and of
    Farris and Lichtwark, "UltraTrack" (Comput Methods Programs Biomed 2016):
    smallest-eigenvalue corners (Shi and Tomasi, 1994), found anew in every
    frame, and pyramidal Lucas-Kanade. The map is fitted by least squares from
    the least-median-of-squares one (Rousseeuw, 1984), with Tukey's biweight.
    """

    TRAITS = Traits("affine-region", Source.FLOW, "pair", bound_px=0.5)

    patience: int = 0
    window: int = 21
    margin_px: int = 10
    return_px: float = 3.0

    def stepper(self, _video: Video) -> StepFunction:
        """Give the step, the same for every clip."""

        def step(here: Grey, there: Grey, xy: Floats, _moved: object) -> Landing:
            moved = applied(self.fitted(here, there, xy), xy)
            return Landing(moved, np.ones(len(xy)), np.ones(len(xy), dtype=np.bool_))

        return step

    def fitted(self, here: Grey, there: Grey, xy: Floats) -> Floats:
        """Map from one frame to another of the region around points.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Points in `here`, px.

        Returns
        -------
        float64 ndarray, shape (2, 3)
            Matrix and shift in px; nothing moves where there is no texture.
        """
        start, end = self._corners(here, there, xy)
        if len(start) < FEWEST:
            return np.eye(2, 3)
        return fit_affine(start, end)

    def maps(
        self, video: Video, frames: range, xy: Floats
    ) -> Generator[tuple[int, Grey, Floats], None, None]:
        """Follow the region: frame reached, its picture, and the map from the one before."""
        for _, frame, (here, there) in neighbours(video, frames):
            affine = self.fitted(here, there, xy)
            xy = applied(affine, xy)
            yield frame, there, affine

    def _corners(self, here: Grey, there: Grey, xy: Floats) -> tuple[Floats, Floats]:
        """Corners of the region that were found in `there` and back again."""
        cv2 = opencv()
        nothing = np.empty((0, 2))
        found = cv2.goodFeaturesToTrack(
            here,
            CORNERS,
            QUALITY,
            APART_PX,
            mask=region_mask(xy, here.shape, self.margin_px),
            blockSize=NEIGHBOURHOOD,
        )
        if found is None:
            return nothing, nothing
        search = {
            "winSize": (self.window, self.window),
            "maxLevel": LEVELS - 1,
            "criteria": (
                cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT,
                ITERATIONS,
                EPSILON_PX,
            ),
        }
        landed, there_ok, _ = cv2.calcOpticalFlowPyrLK(here, there, found, None, **search)
        back, back_ok, _ = cv2.calcOpticalFlowPyrLK(there, here, landed, None, **search)
        missed = np.linalg.norm((back - found).reshape(-1, 2), axis=-1)
        good = (there_ok.ravel() > 0) & (back_ok.ravel() > 0) & (missed <= self.return_px)
        start, end = (side.reshape(-1, 2)[good].astype(np.float64) for side in (found, landed))
        return start, end


def region_mask(xy: Floats, shape: tuple[int, ...], margin_px: int) -> Grey:
    """Convex hull of points, widened by a margin, as a picture: 255 inside, else 0.

    Parameters
    ----------
    xy : float64 ndarray, shape (points, 2)
        Px.
    shape : tuple of int
        Height and width of the picture.
    margin_px : int
    """
    cv2 = opencv()
    limit = 4.0 * max(shape)
    outline = cv2.convexHull(np.clip(np.rint(xy), -limit, limit).astype(np.int32))
    mask = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(mask, [outline], 255)
    cv2.polylines(mask, [outline], True, 255, thickness=2 * margin_px + 1)
    return mask


def fit_affine(start: Floats, end: Floats) -> Floats:
    """Fit an affine map robustly.

    Parameters
    ----------
    start, end : float64 ndarray, shape (n, 2)
        Places before and after, px; three at least.

    Returns
    -------
    float64 ndarray, shape (2, 3)
        Matrix and shift.
    """
    cv2 = opencv()
    first, _ = cv2.estimateAffine2D(start, end, method=cv2.LMEDS)
    middle = start.mean(axis=0)
    design = np.column_stack([start - middle, np.ones(len(start))])
    found = np.eye(2, 3) if first is None else np.asarray(first, dtype=np.float64)
    for _ in range(ROUNDS):
        away = np.linalg.norm(end - applied(found, start), axis=-1)
        # The median of a Rayleigh distribution is 1.1774 standard deviations per axis.
        spread = max(float(np.median(away)) / 1.1774, LEAST_PX)
        weight = np.clip(1.0 - (away / (TUKEY * spread)) ** 2, 0.0, None)
        solved = np.linalg.lstsq(design * weight[:, None], end * weight[:, None], rcond=None)[0]
        matrix = solved[:2].T
        found = np.column_stack([matrix, solved[2] - matrix @ middle])
    return found


def applied(affine: Floats, xy: Floats) -> Floats:
    """Places (n, 2) moved by a map (2, 3)."""
    return np.asarray(xy @ affine[:, :2].T + affine[:, 2])
