"""What a clip is to the rest of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """Everything about a clip but its pictures.

    Attributes
    ----------
    frame_count, width, height : int
        Number of frames and frame size in px.
    calibration : Calibration
        Scale and times.
    digest : str
        Fingerprint of the clip's content; empty when it has none.
    name, path : str
        File name without folder, and full path; empty for arrays in memory.
    warnings : tuple of str
        Doubts a user should read, one sentence each.
    """

    frame_count: int
    width: int
    height: int
    calibration: Calibration = field(default_factory=Calibration)
    digest: str = ""
    name: str = ""
    path: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        times = self.calibration.times_s
        if times is not None and len(times) != self.frame_count:
            raise ValueError(f"{len(times)} time stamps for {self.frame_count} frames")

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Millimetres per pixel as (x, y), or None."""
        return self.calibration.spacing_mm

    @property
    def fps(self) -> float | None:
        """Mean frame rate in frames per second, or None."""
        return self.calibration.fps

    def calibrated(self, calibration: Calibration) -> VideoInfo:
        """Copy with another calibration."""
        return replace(self, calibration=calibration)

    def same_clip(self, other: VideoInfo) -> bool:
        """Whether both describe the same pictures: size, count and digest."""
        mine = (self.frame_count, self.width, self.height, self.digest)
        return mine == (other.frame_count, other.width, other.height, other.digest)


class Video(Protocol):
    """Lazy access to the grey frames of a clip."""

    @property
    def info(self) -> VideoInfo:
        """Everything about the clip but its pictures."""
        ...

    def frames(self, span: range) -> NDArray[np.uint8]:
        """Grey frames ``[len(span), height, width]`` of a range of step 1."""
        ...


@dataclass(frozen=True, eq=False)
class CallbackVideo:
    """A `Video` whose frames come from a function.

    Parameters
    ----------
    info : VideoInfo
        Size, times and scale.
    read : callable
        Takes a range of frames and returns uint8 ``[n, height, width]``.
    """

    info: VideoInfo
    read: Callable[[range], NDArray[np.uint8]]

    def frames(self, span: range) -> NDArray[np.uint8]:
        """Grey frames ``[len(span), height, width]``."""
        return self.read(span)
