"""Tracks to curves over time: pure functions, no window.

Time runs along rows, points along columns, a gap is NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import VideoInfo

QUANTITIES = ("x", "y", "speed", "confidence")
LEAST_CONTRAST = 2.6
DARKENING = np.linspace(1.0, 0.0, 21)

Floats = NDArray[np.float64]


def time_axis(info: VideoInfo, in_seconds: bool) -> Floats:
    """Place of every frame on the time axis: its true time in s, or its number."""
    times = info.calibration.times_s
    if in_seconds and times is not None:
        return times
    return np.arange(info.frame_count, dtype=np.float64)


def unit(info: VideoInfo, quantity: str) -> str:
    """Unit in which a quantity of this clip is shown; empty for a number."""
    if quantity == "confidence":
        return ""
    length = "px" if info.spacing_mm is None else "mm"
    if quantity != "speed":
        return length
    return f"{length}/s" if info.calibration.times_s is not None else f"{length}/frame"


def values(tracks: Tracks, quantity: str, columns: ArrayLike | None = None) -> Floats:
    """Values of a quantity in its `unit`, shape (frames, columns)."""
    at = slice(None) if columns is None else np.asarray(columns, dtype=np.intp)
    if quantity == "confidence":
        return tracks.confidence[:, at].astype(np.float64)
    info = tracks.video
    xy = tracks.xy[:, at] if info.spacing_mm is None else info.calibration.mm(tracks.xy[:, at])
    if quantity == "speed":
        return speed(xy, time_axis(info, in_seconds=True))
    return xy[..., "xy".index(quantity)]


def matched(other: Tracks | None, quantity: str, names: Sequence[str], info: VideoInfo) -> Floats:
    """Values of other tracks in the columns of `names`; none at all where they do not fit."""
    if other is None or other.shape[0] != info.frame_count:
        return np.zeros((info.frame_count, 0))
    out = np.full((info.frame_count, len(names)), np.nan)
    known = set(other.names)
    mine = [column for column, name in enumerate(names) if name in known]
    theirs = [other.column(names[column]) for column in mine]
    out[:, mine] = values(other.with_video(info), quantity, theirs)
    return out


def place(info: VideoInfo, frame: int, interval: range | None = None) -> str:
    """Say time and frame, and the length of an interval."""
    times = info.calibration.times_s
    words = [f"frame {frame}"] if times is None else [f"{times[frame]:.3f} s", f"frame {frame}"]
    if interval:
        last = min(interval.stop, info.frame_count) - 1
        length = f"interval {interval.start}\u2013{last}"
        if times is not None:
            length += f" ({times[last] - times[interval.start]:.3f} s)"
        words.insert(0, length)
    return "  \u00b7  ".join(words)


def said(name: str, quantity: str, value: float, unit_name: str) -> str:
    """Say the value of a point after its place."""
    number = "none" if np.isnan(value) else f"{value:.4g} {unit_name}".rstrip()
    return f"  \u00b7  {name}: {quantity} {number}"


def speed(xy: ArrayLike, times: ArrayLike) -> Floats:
    """Length of the displacement over the true time it took.

    From the frame before to the frame after; from or to the frame itself
    where one of both is missing or outside. NaN where the point or both
    neighbours are missing.

    Parameters
    ----------
    xy : array_like, shape (frames, ..., 2)
        Positions.
    times : array_like, shape (frames,)
        Time of every frame.

    Returns
    -------
    ndarray, shape (frames, ...)
        Units of `xy` per unit of `times`.
    """
    xy, times = np.asarray(xy, dtype=np.float64), np.asarray(times, dtype=np.float64)
    out = np.full(xy.shape[:-1], np.nan)
    if len(xy) < 2:
        return out
    steps = _rate(xy[1:], xy[:-1], times[1:] - times[:-1])
    out[:-1] = steps
    out[1:] = np.where(np.isnan(steps), out[1:], steps)
    across = _rate(xy[2:], xy[:-2], times[2:] - times[:-2])
    out[1:-1] = np.where(np.isnan(across), out[1:-1], across)
    out[np.isnan(xy).any(axis=-1)] = np.nan
    return out


def _rate(after: Floats, before: Floats, took: Floats) -> Floats:
    moved = np.hypot(after[..., 0] - before[..., 0], after[..., 1] - before[..., 1])
    took = took.reshape(-1, *[1] * (moved.ndim - 1))
    return np.divide(moved, took, out=np.full(moved.shape, np.nan), where=took > 0)


def nearest_frame(times: Floats, at: float) -> int:
    """Frame whose place on the time axis is nearest to `at`."""
    after = int(np.clip(np.searchsorted(times, at), 1, max(len(times) - 1, 1)))
    before = after - 1
    if after >= len(times):
        return before
    return after if times[after] - at < at - times[before] else before


def in_window(times: Floats, low: float, high: float) -> slice:
    """Frames from `low` to `high` and one more on each side, so that lines reach the edge."""
    first = int(np.searchsorted(times, low, side="left"))
    last = int(np.searchsorted(times, high, side="right"))
    return slice(max(first - 1, 0), min(last + 1, len(times)))


def interval_at(times: Floats, one: float, other: float) -> range:
    """Frames between two places on the time axis, both ends snapped to a frame."""
    first, last = sorted((nearest_frame(times, one), nearest_frame(times, other)))
    return range(first, last + 1)


def thinned(x: ArrayLike, y: ArrayLike, most: int) -> tuple[Floats, Floats]:
    """Curve with the same outline from at most about 3 x `most` vertices.

    Each of `most` equal spans of `x` keeps its lowest and highest value; a
    span with a gap ends in a gap.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Curve; x ascends, y may hold NaN.
    most : int
        Number of spans, as a rule the width in screen pixels.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(x) <= 3 * most or x[-1] <= x[0]:
        return x, y
    edges = x[0] + (x[-1] - x[0]) * np.arange(most) / most
    starts = np.unique(np.searchsorted(x, edges))
    low, high = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    broken = np.logical_or.reduceat(np.isnan(y), starts)
    out = np.stack([low, high, np.where(broken, np.nan, high)], axis=1)
    return np.repeat(x[starts], 3), out.ravel()


def lone(y: Floats) -> NDArray[np.bool_]:
    """Samples with a gap, or the end, on both sides: a line would not show them."""
    gap = np.isnan(y)
    padded = np.concatenate([[True], gap, [True]])
    return ~gap & padded[:-2] & padded[2:]


def bounds(table: Floats) -> tuple[float, float] | None:
    """Lowest and highest value with some air, or None without any value."""
    if table.size == 0:
        return None
    low, high = float(np.fmin.reduce(table, axis=None)), float(np.fmax.reduce(table, axis=None))
    if not np.isfinite(low):
        return None
    air = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    return low - air, high + air


def distances(x: Floats, table: Floats, at: tuple[float, float]) -> Floats:
    """Distance of a place from each curve, all in screen pixels; inf where it has none.

    Parameters
    ----------
    x : ndarray, shape (frames,)
        Horizontal places.
    table : ndarray, shape (frames, points)
        Vertical places.
    at : tuple of float
        The place, (x, y).
    """
    nodes = np.hypot(x[:, None] - at[0], table - at[1])
    nearest = np.fmin.reduce(nodes, axis=0, initial=np.inf)
    if len(x) < 2:
        return nearest
    start = np.stack([np.broadcast_to(x[:-1, None], table[:-1].shape), table[:-1]], axis=-1)
    along = np.stack(
        [np.broadcast_to(np.diff(x)[:, None], table[:-1].shape), np.diff(table, axis=0)], axis=-1
    )
    square = np.maximum((along**2).sum(axis=-1), 1e-12)
    share = np.clip(((np.asarray(at) - start) * along).sum(axis=-1) / square, 0, 1)
    foot = start + share[..., None] * along - np.asarray(at)
    return np.fmin(nearest, np.fmin.reduce(np.hypot(foot[..., 0], foot[..., 1]), axis=0))


@lru_cache(maxsize=256)
def readable(colour: str, background: str) -> str:
    """Shade of `colour` that stands out from `background`: darkened until it does."""
    rgb, behind = _rgb(colour), _luminance(_rgb(background))
    for share in DARKENING:
        darker = rgb * share
        light, dark = sorted((_luminance(darker), behind), reverse=True)
        if behind < 0.2 or (light + 0.05) / (dark + 0.05) >= LEAST_CONTRAST:
            break
    return "#" + "".join(f"{round(255 * part):02x}" for part in darker)


def _rgb(colour: str) -> Floats:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _luminance(rgb: Floats) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@dataclass
class Curves:
    """All points of one set of tracks as curves, computed when first asked for.

    Attributes
    ----------
    shown : Tracks
        What the curves show.
    origin : uint8 ndarray, shape (frames, points)
        What a person set in each cell of `shown`, as a `Source`; else MISSING.
    """

    shown: Tracks
    origin: NDArray[np.uint8]
    _tables: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, shown: Tracks, labels: Tracks) -> Curves:
        """Curves of `shown`, ticked where `labels` hold something."""
        return cls(shown, said_sources(labels, shown.names))

    def table(self, quantity: str) -> Floats:
        """Values of a quantity, shape (frames, points)."""
        if quantity not in self._tables:
            self._tables[quantity] = values(self.shown, quantity)
        return self._tables[quantity]

    def renew(self, shown: Tracks, labels: Tracks, names: Collection[str]) -> list[int]:
        """Take the named points from new tracks of the same points; give their columns."""
        self.shown = shown
        columns = [column for column, name in enumerate(shown.names) if name in names]
        renewed = [shown.names[column] for column in columns]
        if columns:
            self.origin[:, columns] = said_sources(labels, renewed)
        for quantity, table in self._tables.items():
            fresh = table if table.flags.writeable else table.copy()
            fresh[:, columns] = values(shown, quantity, columns)
            self._tables[quantity] = fresh
        return columns

    def fits(self, shown: Tracks) -> bool:
        """Whether other tracks have the same points on the same axes."""
        mine, theirs = self.shown.video, shown.video
        return (
            shown.points == self.shown.points
            and mine.frame_count == theirs.frame_count
            and mine.spacing_mm == theirs.spacing_mm
            and same_times(mine, theirs)
        )


def same_times(one: VideoInfo, other: VideoInfo) -> bool:
    """Whether two clips have the same frames at the same times."""
    mine, theirs = one.calibration.times_s, other.calibration.times_s
    if mine is None or theirs is None:
        return mine is theirs and one.frame_count == other.frame_count
    return mine is theirs or np.array_equal(mine, theirs)


def said_sources(labels: Tracks, names: Sequence[str]) -> NDArray[np.uint8]:
    """Sources of a person's cells in the columns of `names`; MISSING elsewhere."""
    out = np.zeros((labels.shape[0], len(names)), dtype=np.uint8)
    known = set(labels.names)
    for column, name in enumerate(names):
        if name in known:
            out[:, column] = labels.source[:, labels.column(name)]
    out[~np.isin(out, (Source.ABSENT, Source.MANUAL, Source.ACCEPTED))] = Source.MISSING
    return out
