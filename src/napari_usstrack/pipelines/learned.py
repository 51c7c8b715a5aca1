"""Matches that a network found, as measurements for the smoother."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Map
from napari_usstrack.core.tracker import Queries, Work
from napari_usstrack.core.video import Video
from napari_usstrack.smoothing.fusion import Measured

Floats = NDArray[np.float64]
SEEN = 0.5
"""Matches that are less likely to be seen count for nothing."""
COUNTED = 2.0
"""Standard deviation of a match in units of the distance that the network expects. Errors
of neighbouring frames are alike, so each counts for less than if it were alone."""
SEARCH_MM = 1.5
"""Standard deviation of the search around the path, mm."""
KIND = "network"


@dataclass(frozen=True, eq=False)
class Learned:
    """Where a network found queries.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, queries, 2)
        Px of the clip, NaN where it did not.
    spread_px : float64 ndarray, shape (frames, queries)
        Standard deviation along each axis, px of the clip.
    """

    xy: Floats
    spread_px: Floats

    def measured(self, grid: Map, factor: float) -> Measured:
        """Give the matches on a grid with `factor` px for each px of the clip."""
        variance = (factor * self.spread_px) ** 2
        known = np.isfinite(variance)
        covariance = np.where(known, variance, 1.0)[..., None, None] * np.eye(2)
        xy = np.where(known[..., None], grid.forward(self.xy), np.nan)
        return Measured.from_tracks(xy, covariance, KIND)


def learned(
    video: Video, queries: Queries, span: range, path: Floats, weights: str = ""
) -> Work[Learned]:
    """Find queries with the network, near a path.

    Parameters
    ----------
    video : Video
    queries : Queries
    span : range
    path : float64 ndarray, shape (frames, queries, 2)
        Where they are thought to be, px of the clip; NaN where nobody knows.
    weights : str
        File with weights; those that come with the package when empty.
    """
    from napari_usstrack.models.predictor import SpeckNetTracker

    found = yield from SpeckNetTracker(weights=weights, search_mm=SEARCH_MM).matches(
        video, queries, span, path
    )
    known = (found.seen > SEEN) & np.isfinite(found.spread_px)
    spread = np.where(known, COUNTED * found.spread_px / np.sqrt(found.seen + 1e-9), np.nan)
    return Learned(np.where(known[..., None], found.xy, np.nan), spread)
