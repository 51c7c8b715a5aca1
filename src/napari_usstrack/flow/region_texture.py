"""Texture of a region of a picture, of even brightness and contrast on square pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_usstrack.core.geometry import Floats
from napari_usstrack.flow.opencv import opencv

Spacing = tuple[float, float]
Picture = NDArray[np.float32]
CONTRAST_MM, QUIETEST, CLIPPED = 2.5, 0.3, 3.0
"""Local contrast: sigma of the neighbourhood, smallest spread as a share of the
region's, and the largest value kept, in spreads."""
AROUND_PX = 16


class NothingLeftError(ValueError):
    """A region has no pixel inside its margin."""


def patch(
    frame: NDArray, region: ArrayLike, spacing_mm: Spacing, margin_mm: float, grid_mm: float
) -> tuple[Picture, NDArray[np.bool_]]:
    """Cut out a region's texture on square pixels.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey picture.
    region : array_like, shape (corners, 2)
        Outline in px, (x, y).
    spacing_mm : tuple of float
        Mm per px, (x, y).
    margin_mm : float
        Strip inside the outline that is left out.
    grid_mm : float
        Side of the square pixels.

    Returns
    -------
    texture : float32 ndarray, shape (rows, columns)
        Of even brightness and contrast, 0 outside.
    inside : bool ndarray, shape (rows, columns)

    Raises
    ------
    ValueError
        For an outline or picture of another shape, or when nothing is left
        inside the margin.
    """
    grey, outline = np.asarray(frame), np.asarray(region, dtype=np.float64)
    if grey.ndim != 2:
        raise ValueError(f"a grey frame is y x x, got {grey.shape}")
    if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3:
        raise ValueError(f"a region is corners x 2, three at least, got {outline.shape}")
    picture, corners = _square(grey, outline, np.asarray(spacing_mm, dtype=np.float64), grid_mm)
    inside = _filled(corners, picture.shape)
    if margin_mm > 0:
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        inside &= depth > margin_mm / grid_mm
    if not inside.any():
        raise NothingLeftError(f"nothing is left of the region inside a margin of {margin_mm} mm")
    return _even(picture, inside.astype(np.float32), CONTRAST_MM / grid_mm), inside


def _square(
    grey: NDArray, outline: Floats, spacing_mm: Floats, grid_mm: float
) -> tuple[Picture, Floats]:
    """Cut out the part around an outline on square pixels; the outline in those."""
    cv2 = opencv()
    limit = np.array(grey.shape[::-1]) - 0.5
    outline = np.clip(outline, -0.5, limit) * spacing_mm / grid_mm
    low, high = np.floor(outline.min(axis=0)) - 2, np.ceil(outline.max(axis=0)) + 2
    factor = grid_mm / spacing_mm
    # Sampling more coarsely than the picture's pixels needs smoothing first.
    sigma = 0.5 * np.sqrt(np.maximum(0.0, factor**2 - 1.0))
    x, y = (
        (np.arange(low[axis], high[axis] + 1) * factor[axis]).astype(np.float32) for axis in (0, 1)
    )
    grey, x, y = _cut(grey, x, y)
    source = ndimage.gaussian_filter(grey.astype(np.float32), sigma[::-1], mode="nearest")
    picture = cv2.remap(
        source, *np.meshgrid(x, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return picture, outline - low


def _cut(grey: NDArray, x: Picture, y: Picture) -> tuple[NDArray, Picture, Picture]:
    """The part of a picture around columns and rows, and those in it."""
    first, last = (
        [int(np.clip(edge, 0, n - 1)) for n, edge in zip(grey.shape[::-1], edges, strict=True)]
        for edges in ((x[0] - AROUND_PX, y[0] - AROUND_PX), (x[-1] + AROUND_PX, y[-1] + AROUND_PX))
    )
    return grey[first[1] : last[1] + 1, first[0] : last[0] + 1], x - first[0], y - first[1]


def _filled(corners: Floats, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside, by the even-odd rule."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    inside = np.zeros(shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            spans = (y0 <= y) != (y1 <= y)
            inside ^= spans & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _even(picture: Picture, mask: Picture, sigma: float) -> Picture:
    weight = np.maximum(ndimage.gaussian_filter(mask, sigma, mode="constant"), 1e-6)

    def local(values: Picture) -> Picture:
        return np.asarray(ndimage.gaussian_filter(mask * values, sigma, mode="constant") / weight)

    rest = mask * (picture - local(picture))
    total = float((rest * rest).sum() / mask.sum())
    if total < 1e-6:
        return np.zeros_like(picture)
    spread = np.sqrt(local(rest * rest) + QUIETEST**2 * total)
    return np.asarray(mask * np.clip(rest / spread, -CLIPPED, CLIPPED))
