"""Filters of positions over time as smoothing methods; no pictures are read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Interval

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.pipelines.smoothers.base import (
    Answer,
    Floats,
    Smoother,
    check_window,
    done_but,
    rate_of,
)
from napari_usstrack.smoothing.runs import Smoothed

Seconds = Annotated[float, Interval(gt=0, le=3600)]
Hertz = Annotated[float, Interval(gt=0, le=10_000)]


@dataclass(frozen=True, kw_only=True)
class OverTime(Smoother):
    """A filter that looks at one point at a time.

    Parameters
    ----------
    keep_anchors : bool
        Put positions set by hand back exactly; the curve may bend there.
    """

    keep_anchors: bool = False

    @abstractmethod
    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """Filter positions ``[frames, points, 2]``, px."""

    def smooth(self, video: Video, tracks: Tracks) -> Work[Answer]:
        """Smooth every point; yields after each."""
        rate_of(video.info, "time")
        times = video.info.calibration.times_s
        assert times is not None
        xy, done = tracks.xy.copy(), np.zeros(tracks.shape, dtype=bool)
        for column in range(tracks.shape[1]):
            one = [column]
            try:
                found = self.filter(tracks.xy[:, one], times)
            except ValueError as error:
                raise UsstrackError(str(error)) from error
            xy[:, one] = found.xy
            done[:, one] = done_but(tracks.present[:, one], found.unsmoothed)
            yield Progress(column + 1, tracks.shape[1])
        return Answer(xy, done)


@dataclass(frozen=True, kw_only=True)
class Windowed(OverTime):
    """A filter with a window that is centred on each frame."""

    LEAST: ClassVar[int] = 3
    window_s: Seconds = 0.3

    def resolved(self, info: VideoInfo) -> Mapping[str, Any]:
        """Frames of the window; see `Smoother`."""
        rate = rate_of(info, f"a window of {self.window_s:g} s")
        frames = 2 * int(np.floor(self.window_s * rate / 2.0 + 1e-6)) + 1
        check_window(self.NAME, self.window_s, frames, self.least, info)
        return {"window_frames": frames}

    @property
    def least(self) -> int:
        """Frames that the window must hold."""
        return self.LEAST


@dataclass(frozen=True, kw_only=True)
class SavgolSmoother(Windowed):
    """Savitzky and Golay's filter.

    Parameters
    ----------
    window_s : float
        Window, s: the frames within half of it on either side.
    order : int
        Order of the polynomial.
    """

    NAME: ClassVar[str] = "savgol"
    SUMMARY: ClassVar[str] = "A polynomial fitted in a window around each frame; keeps peaks."

    order: Annotated[int, Interval(ge=0, le=9)] = 2

    @property
    def least(self) -> int:
        """Frames that the window must hold, an odd number."""
        return max(2 * (self.order // 2) + 3, self.LEAST)

    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """See `OverTime`."""
        from napari_usstrack.smoothing.filters import SavitzkyGolay, savitzky_golay

        return savitzky_golay(xy, times_s, SavitzkyGolay(self.window_s, self.order))


@dataclass(frozen=True, kw_only=True)
class ButterworthSmoother(OverTime):
    """Butterworth's low pass, forward and backward.

    Parameters
    ----------
    cutoff_hz : float
        Frequency that is weakened to 1 / sqrt(2), Hz.
    order : int
        Order of one way.
    """

    NAME: ClassVar[str] = "butterworth"
    SUMMARY: ClassVar[str] = "A low pass without delay: what is faster than the cut-off goes."

    cutoff_hz: Hertz = 6.0
    order: Annotated[int, Interval(ge=1, le=8)] = 2

    def resolved(self, info: VideoInfo) -> Mapping[str, Any]:
        """Check the cut-off; see `Smoother`."""
        rate = rate_of(info, f"a cut-off of {self.cutoff_hz:g} Hz")
        if self.cutoff_hz >= rate / 2.0:
            raise UsstrackError(
                f"A cut-off of {self.cutoff_hz:g} Hz needs more than {2 * self.cutoff_hz:g} frames "
                f"per second and {info.name or 'the clip'} has {rate:.4g}; set cutoff_hz below "
                f"{rate / 2.0:.4g}."
            )
        return {}

    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """See `OverTime`."""
        from napari_usstrack.smoothing.filters import Butterworth, butterworth

        return butterworth(xy, times_s, Butterworth(self.cutoff_hz, self.order))


@dataclass(frozen=True, kw_only=True)
class MedianSmoother(Windowed):
    """The median around each frame.

    Parameters
    ----------
    window_s : float
        Window, s.
    """

    NAME: ClassVar[str] = "median"
    SUMMARY: ClassVar[str] = "The median in a window around each frame; takes out single jumps."

    window_s: Seconds = 0.2

    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """See `OverTime`."""
        from napari_usstrack.smoothing.filters import Median, median

        return median(xy, times_s, Median(self.window_s))


@dataclass(frozen=True, kw_only=True)
class HampelSmoother(Windowed):
    """Outliers replaced by the median around them.

    Parameters
    ----------
    window_s : float
        Window, s.
    k : float
        Robust standard deviations beyond which a coordinate is replaced.
    """

    NAME: ClassVar[str] = "hampel"
    SUMMARY: ClassVar[str] = "Outliers replaced by the median around them; the rest stays."

    k: Annotated[float, Interval(ge=0, le=1000)] = 3.0

    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """See `OverTime`."""
        from napari_usstrack.smoothing.filters import Hampel, hampel

        return hampel(xy, times_s, Hampel(self.window_s, self.k))


@dataclass(frozen=True, kw_only=True)
class SplineSmoother(OverTime):
    """A cubic smoothing spline.

    Parameters
    ----------
    cutoff_hz : float
        Frequency that is weakened to 1 / sqrt(2), Hz.
    """

    NAME: ClassVar[str] = "spline"
    SUMMARY: ClassVar[str] = "A cubic smoothing spline; takes uneven times as well."

    cutoff_hz: Hertz = 6.0

    def resolved(self, info: VideoInfo) -> Mapping[str, Any]:
        """Need a rate; see `Smoother`."""
        rate_of(info, f"a cut-off of {self.cutoff_hz:g} Hz")
        return {}

    def filter(self, xy: Floats, times_s: Floats) -> Smoothed:
        """See `OverTime`."""
        from napari_usstrack.smoothing.filters import Spline, smoothing_spline

        return smoothing_spline(xy, times_s, Spline(self.cutoff_hz))
