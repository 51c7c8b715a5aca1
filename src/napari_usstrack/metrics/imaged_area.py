"""The part of a frame that shows tissue, and which way the beams run through it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.metrics.pairs import Floats, Mask

CHANGE = 4
"""Grey levels by which a pixel must change over a clip to count as imaged."""
LEAST_WIDENING = 0.2
"""Widening of a picture, px per row of depth, below which its beams count as parallel."""
LEAST_ROWS = 8


@dataclass(frozen=True, eq=False)
class ImagedArea:
    """Imaged pixels of a frame and the course of its beams.

    Attributes
    ----------
    mask : bool ndarray, shape (height, width)
        Pixels that show tissue.
    apex_xy : tuple of float, optional
        Where the beams of a sector meet, px; it may lie outside the frame.
        Without it, beams run straight down.
    """

    mask: Mask
    apex_xy: tuple[float, float] | None = None

    @cached_property
    def limits_px(self) -> tuple[float, float]:
        """Least and greatest distance of imaged pixels along the beam, from apex or top row."""
        rows, columns = np.nonzero(self.mask)
        if not len(rows):
            raise ValueError("no pixel is imaged")
        along = self._along(np.stack([columns, rows], axis=-1).astype(np.float64))
        return float(along.min()), float(along.max())

    @property
    def depth_px(self) -> float:
        """Imaged depth along the beam, px."""
        near, far = self.limits_px
        return far - near

    def depth_share(self, xy: ArrayLike) -> Floats:
        """Depth of positions ``(..., 2)``: 0 where the picture begins, 1 where it ends."""
        near, _ = self.limits_px
        return (self._along(np.asarray(xy, dtype=np.float64)) - near) / self.depth_px

    def beam(self, xy: ArrayLike) -> Floats:
        """Unit vectors ``(..., 2)`` away from the probe at positions ``(..., 2)``."""
        places = np.asarray(xy, dtype=np.float64)
        if self.apex_xy is None:
            return np.broadcast_to(np.array([0.0, 1.0]), places.shape).copy()
        away = places - np.asarray(self.apex_xy)
        return away / np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9)

    def _along(self, xy: Floats) -> Floats:
        if self.apex_xy is None:
            return xy[..., 1]
        return np.linalg.norm(xy - np.asarray(self.apex_xy), axis=-1)


def sector_mask(
    shape: tuple[int, int],
    apex_xy: tuple[float, float],
    radii_px: tuple[float, float],
    half_angle_deg: float,
) -> Mask:
    """Pixels of a sector that points straight down.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the frame, px.
    apex_xy : tuple of float
        Where the beams meet, px.
    radii_px : tuple of float
        Distances from the apex between which the picture lies, px.
    half_angle_deg : float
        Angle between the middle and the last beam, degrees.
    """
    rows, columns = np.indices(shape)
    across, down = columns - apex_xy[0], rows - apex_xy[1]
    radius = np.hypot(across, down)
    angle = np.degrees(np.arctan2(across, down))
    return (radius >= radii_px[0]) & (radius <= radii_px[1]) & (np.abs(angle) <= half_angle_deg)


def changing_pixels(frames: NDArray[np.uint8], change: int = CHANGE) -> Mask:
    """Pixels that change over time, each row filled from its first to its last one.

    Parameters
    ----------
    frames : uint8 ndarray, shape (frames, height, width)
        Grey pictures without burned-in text that changes.
    change : int
        Least difference of the brightest and the darkest value, grey levels.
    """
    changed = (frames.max(axis=0) - frames.min(axis=0)) >= change
    from_left = np.maximum.accumulate(changed, axis=1)
    from_right = np.maximum.accumulate(changed[:, ::-1], axis=1)[:, ::-1]
    return from_left & from_right


def sector_apex(mask: Mask) -> tuple[float, float] | None:
    """Where the sides of a picture that widens downwards meet, px.

    Lines are fitted to both sides over the rows that end clear of the frame
    and above the widest row.

    Parameters
    ----------
    mask : bool ndarray, shape (height, width)
        Imaged pixels.

    Returns
    -------
    tuple of float or None
        (x, y); None when the sides are nearly parallel or too little of them
        can be seen.
    """
    width = mask.shape[1]
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = width - 1 - mask[rows, ::-1].argmax(axis=1)
    clear = (left > 0) & (right < width - 1)
    if clear.any():
        widest = int(np.where(clear, right - left, -1).argmax())
        clear[widest + 1 :] = False
    if clear.sum() < LEAST_ROWS:
        return None
    slope_l, start_l = _line(rows[clear], left[clear])
    slope_r, start_r = _line(rows[clear], right[clear])
    if slope_r - slope_l < LEAST_WIDENING:
        return None
    y = (start_l - start_r) / (slope_r - slope_l)
    return float(slope_l * y + start_l), float(y)


def _line(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[float, float]:
    """Slope and offset of a line through most of the points, whatever the rest do."""
    half = len(rows) // 2
    rise = columns[half:] - columns[: len(columns) - half]
    slope = float(np.median(rise / (rows[half:] - rows[: len(rows) - half])))
    return slope, float(np.median(columns - slope * rows))
