"""Pixels to millimetres on each axis, frames to seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Calibration:
    """What is known of a clip's scale and time, and from where.

    Attributes
    ----------
    spacing_mm : tuple of float or None
        Millimetres per pixel as (x, y); None while the scale is unknown.
    times_s : ndarray, shape (frames,), or None
        True time of every frame in seconds, from 0; None while unknown.
    spacing_source, time_source : str
        Where each came from, in words ("DICOM region 2", "--fps").
    """

    spacing_mm: tuple[float, float] | None = None
    times_s: NDArray[np.float64] | None = None
    spacing_source: str = "unknown"
    time_source: str = "unknown"

    def __post_init__(self) -> None:
        if self.spacing_mm is not None:
            x, y = (float(value) for value in self.spacing_mm)
            if not (np.isfinite([x, y]).all() and x > 0 and y > 0):
                raise ValueError(f"spacing_mm must be two positive numbers, got {self.spacing_mm}")
            object.__setattr__(self, "spacing_mm", (x, y))
        if self.times_s is not None:
            times = np.array(self.times_s, dtype=np.float64)
            if times.ndim != 1 or not np.isfinite(times).all():
                raise ValueError("times_s must be one finite number per frame")
            times.flags.writeable = False
            object.__setattr__(self, "times_s", times)

    @property
    def fps(self) -> float | None:
        """Mean frame rate in frames per second; None while times are unknown."""
        if self.times_s is None or len(self.times_s) < 2:
            return None
        span = float(self.times_s[-1] - self.times_s[0])
        return (len(self.times_s) - 1) / span if span > 0 else None

    @property
    def variable_rate(self) -> bool:
        """Whether frame intervals differ by more than 1 ms and 2 % of their median."""
        if self.times_s is None or len(self.times_s) < 3:
            return False
        steps = np.diff(self.times_s)
        middle = float(np.median(steps))
        rounding_s = 1e-6
        return bool(np.abs(steps - middle).max() > max(1e-3, 0.02 * middle) + rounding_s)

    def seconds(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Times in seconds of the given frames; NaN while unknown."""
        frames = np.asarray(frames, dtype=np.intp)
        if self.times_s is None:
            return np.full(frames.shape, np.nan)
        return self.times_s[frames]

    def mm(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Positions ``(..., 2)`` from px to mm; NaN while the scale is unknown."""
        xy = np.asarray(xy, dtype=np.float64)
        if self.spacing_mm is None:
            return np.full(xy.shape, np.nan)
        return xy * np.asarray(self.spacing_mm)

    def with_spacing(self, spacing_mm: tuple[float, float] | None, source: str) -> Calibration:
        """Copy with another scale in mm per px, (x, y)."""
        return replace(self, spacing_mm=spacing_mm, spacing_source=source)

    def with_rate(self, frame_count: int, fps: float, source: str) -> Calibration:
        """Copy with frames at a constant rate in frames per second."""
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"fps must be a positive number, got {fps}")
        return replace(self, times_s=np.arange(frame_count) / fps, time_source=source)
