"""Filters of positions over time, each run between gaps on its own.

Every filter takes positions ``[frames, points, 2]`` in px, the time of each
frame in s and its settings, and gives `Smoothed`. Missing positions stay
missing and runs that are too short stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.interpolate import make_smoothing_spline
from scipy.signal import butter, detrend, savgol_filter, sosfiltfilt

from napari_usstrack.smoothing.outliers import NORMAL
from napari_usstrack.smoothing.runs import Floats, Run, Smoothed, positions, runs

UNEVEN = 0.1
"""Part of an interval by which intervals of a clip with a constant frame rate may differ."""
SPLINE_FRAMES = 5
"""Frames a smoothing spline needs."""


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be above 0, not {value}.")


@dataclass(frozen=True)
class SavitzkyGolay:
    """A polynomial fitted in a window around each frame.

    Attributes
    ----------
    window_s : float
        Window, s: the frames within half of it on either side.
    order : int
        Order of the polynomial, 0 or more. Noise falls less with a higher one.
    """

    window_s: float = 0.3
    order: int = 2

    def __post_init__(self) -> None:
        _above_zero(window_s=self.window_s)
        if self.order < 0:
            raise ValueError(f"order must be 0 or more, not {self.order}.")


@dataclass(frozen=True)
class Butterworth:
    """A low pass, run forward and backward.

    Attributes
    ----------
    cutoff_hz : float
        Frequency that both ways together weaken to 1 / sqrt(2), Hz.
    order : int
        Order of one way, 1 or more; the result falls off with twice that.
    """

    cutoff_hz: float = 6.0
    order: int = 2

    def __post_init__(self) -> None:
        _above_zero(cutoff_hz=self.cutoff_hz, order=self.order)


@dataclass(frozen=True)
class Median:
    """The median in a window around each frame.

    Attributes
    ----------
    window_s : float
        Window, s.
    """

    window_s: float = 0.2

    def __post_init__(self) -> None:
        _above_zero(window_s=self.window_s)


@dataclass(frozen=True)
class Hampel:
    """The median in a window, where a position is far from it.

    Attributes
    ----------
    window_s : float
        Window, s.
    k : float
        Robust standard deviations of the window beyond which a coordinate is
        replaced; 0 replaces every one.
    """

    window_s: float = 0.3
    k: float = 3.0

    def __post_init__(self) -> None:
        _above_zero(window_s=self.window_s)
        if not self.k >= 0:
            raise ValueError(f"k must be 0 or more, not {self.k}.")


@dataclass(frozen=True)
class Spline:
    """A cubic smoothing spline.

    Attributes
    ----------
    cutoff_hz : float
        Frequency that is weakened to 1 / sqrt(2), Hz, at an even frame rate.
    """

    cutoff_hz: float = 6.0

    def __post_init__(self) -> None:
        _above_zero(cutoff_hz=self.cutoff_hz)


def savitzky_golay(
    xy: ArrayLike, times_s: ArrayLike, settings: SavitzkyGolay | None = None
) -> Smoothed:
    """Fit a polynomial around each frame.

    Runs shorter than the window stay as they are; the first and last half
    window take the polynomial of the first and last whole one.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,)
        Time of each frame, s. Uneven ones are refused.
    settings : SavitzkyGolay, optional

    Raises
    ------
    ValueError
        For other shapes, times that do not rise, intervals within a run that
        differ by more than a tenth, and a window with too few frames for the
        polynomial.

    Notes
    -----
    Savitzky and Golay, "Smoothing and differentiation of data by simplified
    least squares procedures" (Analytical Chemistry 1964). With order 0 or 1
    and n frames white noise falls to 1 / sqrt(n).
    """
    chosen = settings or SavitzkyGolay()

    def smooth(places: Floats, times: Floats) -> Floats | None:
        if len(places) < 2:
            return None
        window = 2 * _half(chosen.window_s, _even_interval(times)) + 1
        if window <= chosen.order:
            raise ValueError(
                f"A window of {chosen.window_s} s holds {window} frames;"
                f" a polynomial of order {chosen.order} needs more than {chosen.order}."
            )
        if len(places) < window:
            return None
        return savgol_filter(places, window, chosen.order, axis=0, mode="interp")

    return _each_run(xy, times_s, smooth)


def butterworth(xy: ArrayLike, times_s: ArrayLike, settings: Butterworth | None = None) -> Smoothed:
    """Low-pass without delay.

    Runs shorter than a period of the cut-off stay as they are. A straight line
    is taken out before and put back, and ends are continued by reflection in
    the end point.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,)
        Time of each frame, s. Uneven ones are refused.
    settings : Butterworth, optional

    Raises
    ------
    ValueError
        For other shapes, times that do not rise, intervals within a run that
        differ by more than a tenth, and a cut-off of half the frame rate or more.

    Notes
    -----
    The cut-off of one way is raised so that both weaken `cutoff_hz` by 3 dB:
    Winter, "Biomechanics and motor control of human movement" (2009), 3.4.4.2.
    The mean over both orders of the ways is taken, which differs near ends
    alone and does not depend on the direction of time.
    """
    chosen = settings or Butterworth()

    def smooth(places: Floats, times: Floats) -> Floats | None:
        if len(places) < 2:
            return None
        rate = 1.0 / _even_interval(times)
        if chosen.cutoff_hz >= rate / 2.0:
            raise ValueError(
                f"A cut-off of {chosen.cutoff_hz} Hz needs more than"
                f" {2 * chosen.cutoff_hz} frames per second, not {rate:.4g}."
            )
        if len(places) <= max(rate / chosen.cutoff_hz, 3):
            return None
        return _both_ways(places, chosen, rate)

    return _each_run(xy, times_s, smooth)


def _both_ways(places: Floats, settings: Butterworth, rate: float) -> Floats:
    one_way = (np.sqrt(2.0) - 1.0) ** (0.5 / settings.order)
    warped = np.tan(np.pi * settings.cutoff_hz / rate) / one_way
    sections = butter(settings.order, 2.0 / np.pi * np.arctan(warped), output="sos")
    wave = detrend(places, axis=0)
    padding = min(len(places) - 1, int(np.ceil(3.0 * rate / settings.cutoff_hz)))
    low = [sosfiltfilt(sections, wave[::turn], axis=0, padlen=padding)[::turn] for turn in (1, -1)]
    return places - wave + (low[0] + low[1]) / 2.0


def median(xy: ArrayLike, times_s: ArrayLike, settings: Median | None = None) -> Smoothed:
    """Take the median around each frame, of x and y apart.

    The window holds the same number of frames on both sides, as many as lie
    within half of it on either; towards the ends of a run that is fewer, so
    the first and last position stay as they are. Runs of one or two frames
    stay as they are.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,)
        Time of each frame, s, even or not.
    settings : Median, optional

    Raises
    ------
    ValueError
        For other shapes and times that do not rise.

    Notes
    -----
    Tukey, "Exploratory data analysis" (1977).
    """
    chosen = settings or Median()

    def smooth(places: Floats, times: Floats) -> Floats | None:
        return _windowed(places, times, chosen.window_s)[0] if len(places) > 2 else None

    return _each_run(xy, times_s, smooth)


def hampel(xy: ArrayLike, times_s: ArrayLike, settings: Hampel | None = None) -> Smoothed:
    """Replace outliers by the median around them, x and y apart; leave the rest.

    The window is that of `median`.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,)
        Time of each frame, s, even or not.
    settings : Hampel, optional

    Raises
    ------
    ValueError
        For other shapes and times that do not rise.

    Notes
    -----
    Davies and Gather, "The identification of multiple outliers" (JASA 1993);
    a coordinate is an outlier when it is farther from the window's median than
    k * 1.4826 * MAD.
    """
    chosen = settings or Hampel()

    def smooth(places: Floats, times: Floats) -> Floats | None:
        if len(places) < 3:
            return None
        centre, spread = _windowed(places, times, chosen.window_s)
        return np.where(np.abs(places - centre) > chosen.k * spread, centre, places)

    return _each_run(xy, times_s, smooth)


def _windowed(places: Floats, times: Floats, window_s: float) -> tuple[Floats, Floats]:
    """Median and robust standard deviation around each frame, (frames, 2) px."""
    frame = np.arange(len(places))
    within = window_s / 2.0 * (1.0 + 1e-9)
    before = frame - np.searchsorted(times, times - within, side="left")
    after = np.searchsorted(times, times + within, side="right") - 1 - frame
    half = np.minimum(before, after)
    centre, spread = np.empty_like(places), np.empty_like(places)
    for side in np.unique(half).tolist():
        at = np.flatnonzero(half == side)
        window = sliding_window_view(places, 2 * side + 1, axis=0)[at - side]
        middle = np.median(window, axis=-1, keepdims=True)
        centre[at] = middle[..., 0]
        spread[at] = NORMAL * np.median(np.abs(window - middle), axis=-1)
    return centre, spread


def smoothing_spline(xy: ArrayLike, times_s: ArrayLike, settings: Spline | None = None) -> Smoothed:
    """Draw a cubic smoothing spline through each run of at least 5 frames.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px, NaN where missing.
    times_s : array_like, shape (frames,)
        Time of each frame, s, even or not.
    settings : Spline, optional

    Raises
    ------
    ValueError
        For other shapes and times that do not rise.

    Notes
    -----
    Reinsch, "Smoothing by spline functions" (Numerische Mathematik 1967). The
    penalty on the squared second derivative makes the response
    1 / (1 + (sqrt(2) - 1) (f / cutoff)^4); the frame rate in it is that of the
    run's median interval.
    """
    chosen = settings or Spline()

    def smooth(places: Floats, times: Floats) -> Floats | None:
        if len(places) < SPLINE_FRAMES:
            return None
        interval = float(np.median(np.diff(times)))
        penalty = (np.sqrt(2.0) - 1.0) / (2.0 * np.pi * chosen.cutoff_hz * interval) ** 4
        time = (times - times[0]) / interval
        return make_smoothing_spline(time, places, lam=penalty)(time)

    return _each_run(xy, times_s, smooth)


Filter = Callable[[ArrayLike, ArrayLike, Any], Smoothed]
FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "savitzky-golay": savitzky_golay,
        "butterworth": butterworth,
        "median": median,
        "hampel": hampel,
        "spline": smoothing_spline,
    }
)
"""Filters by name; each takes positions, times and settings, None for the defaults."""


def _each_run(
    xy: ArrayLike, times_s: ArrayLike, smooth: Callable[[Floats, Floats], Floats | None]
) -> Smoothed:
    """Apply a function to every run; where it gives None the run stays as it is."""
    places = positions(xy)
    times = np.asarray(times_s, dtype=np.float64)
    if times.shape != places.shape[:1]:
        raise ValueError(f"There are times of shape {times.shape} for {len(places)} frames.")
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise ValueError("Frame times must be finite and rise from frame to frame.")
    out = places.copy()
    unsmoothed: list[Run] = []
    for run in runs(places):
        found = smooth(places[run.cells], times[run.cells[0]])
        if found is None:
            unsmoothed.append(run)
        else:
            out[run.cells] = found
    return Smoothed(out, tuple(unsmoothed))


def _half(window_s: float, interval_s: float) -> int:
    """Frames within half a window."""
    return int(np.floor(window_s / interval_s / 2.0 + 1e-6))


def _even_interval(times: Floats) -> float:
    """Interval of evenly spaced times, s."""
    intervals = np.diff(times)
    usual = float(np.median(intervals))
    off = np.abs(intervals - usual)
    if off.max() > UNEVEN * usual:
        at = int(off.argmax())
        raise ValueError(
            f"This filter needs an even frame rate, but after {times[at]:.4g} s the next frame"
            f" comes {intervals[at]:.4g} s later instead of {usual:.4g} s. The median, Hampel"
            " and spline filters take uneven times."
        )
    return usual
