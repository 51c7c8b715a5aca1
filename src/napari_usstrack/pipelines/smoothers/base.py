"""What every smoothing method has in common, and seconds turned into frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.smoothing.runs import Run

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method found.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Px; counts only where `done`.
    done : bool ndarray, shape (frames, points)
        Cells that were smoothed.
    confidence : float ndarray, shape (frames, points), optional
        Of the cells done; None leaves what the raw tracks say.
    """

    xy: Floats
    done: Mask
    confidence: Floats | None = None


class Smoother(ABC):
    """A smoothing method with its settings; subclasses are frozen dataclasses."""

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1
    SUMMARY: ClassVar[str]
    SCALED: ClassVar[bool] = False
    """Whether the numbers depend on the clip's scale."""
    TIMED: ClassVar[bool] = True
    """Whether the times of frames count."""
    PICTURES: ClassVar[bool] = False
    """Whether pictures are read."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        return asdict(self)  # type: ignore[call-overload]

    @property
    def keeps_anchors(self) -> bool:
        """Whether cells set by hand stay exactly where they are."""
        return bool(getattr(self, "keep_anchors", False))

    def check(self, info: VideoInfo) -> None:
        """Refuse a clip that the settings do not fit, in one sentence."""
        self.resolved(info)

    def resolved(self, info: VideoInfo) -> Mapping[str, Any]:
        """What the settings come to on a clip, such as ``{"window_frames": 15}``.

        Raises
        ------
        UsstrackError
            Where they do not fit.
        """
        del info
        return {}

    def halo(self, info: VideoInfo) -> int | None:
        """How many frames before and after one decide its result; None for all."""
        del info
        return None

    @abstractmethod
    def smooth(self, video: Video, tracks: Tracks) -> Work[Answer]:
        """Smooth every point.

        Parameters
        ----------
        video : Video
            The clip.
        tracks : Tracks
            Positions in view only; anything else is missing.
        """


def rate_of(info: VideoInfo, what: str) -> float:
    """Mean frame rate in frames per second, needed for something that is named.

    Raises
    ------
    UsstrackError
        Where the rate is unknown.
    """
    if info.fps is None:
        raise UsstrackError(
            f"The frame rate of {info.name or 'this clip'} is unknown, so {what} cannot be turned "
            "into frames; give it with --fps, or under 'Set scale or frame rate' in the dock."
        )
    return info.fps


def check_window(method: str, window_s: float, frames: int, least: int, info: VideoInfo) -> None:
    """Refuse a window that holds too few frames, or more than the clip has.

    Parameters
    ----------
    method : str
        Name of the method.
    window_s : float
        Window, s.
    frames : int
        Frames that it holds.
    least : int
        Frames that the method needs.
    info : VideoInfo
        The clip; its rate is known.
    """
    rate = rate_of(info, f"a window of {window_s:g} s")
    count = info.frame_count
    if frames < least:
        raise UsstrackError(
            f"A window of {window_s:g} s is {frames} frame{'s' * (frames != 1)} at {rate:.4g} "
            f"frames per second and method '{method}' needs {least}; set window_s to "
            f"{_rounded(least / rate, up=True)} or more."
        )
    if frames > count:
        raise UsstrackError(
            f"A window of {window_s:g} s is {frames} frames at {rate:.4g} frames per second and "
            f"{info.name or 'the clip'} has {count}; set window_s to "
            f"{_rounded(count / rate, up=False)} or less."
        )


def _rounded(seconds: float, *, up: bool) -> str:
    """Seconds with three decimals, rounded so that the limit is kept."""
    thousandths = np.ceil(1000.0 * seconds - 1e-6) if up else np.floor(1000.0 * seconds + 1e-6)
    return f"{thousandths / 1000.0:g}"


def done_but(present: Mask, unsmoothed: tuple[Run, ...]) -> Mask:
    """Cells with a position that lie in no run that was left alone."""
    done = present.copy()
    for run in unsmoothed:
        done[run.cells] = False
    return done
