"""Direction of bundles of lines, such as fascicles, in one picture at a time.

A fascicle is a line: motion along it cannot be seen, but its direction can, in
every frame anew and so without drift. A bank of long, narrow filters is laid
over a region, one for each direction. Every place votes for the direction that
answers the most there, and the direction with the most votes is that of the
lines.

Regions are outlines in px of the picture, (x, y); everything inside is
computed on square pixels in mm. Angles are in degrees, positive where a line
rises to the right, as in `core.geometry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, ndimage

from napari_usstrack.core.geometry import Floats, fold_deg
from napari_usstrack.flow.region_texture import Picture, Spacing, patch

GRID_MM = 0.25
"""Side of the square pixels on which filters work."""
LENGTH_MM, WIDTH_MM = 16.0, 0.9
"""Filter: full width at half height along the line; distance of its zeros across it."""
MARGIN_MM = 1.0
"""Strip along the edge of a region that is left out, for the glare of aponeuroses."""
POWER = 4
"""Votes weigh with this power of the answer: few clear lines outvote much speckle."""
LEAST_SEEN = 0.2
"""A filter that lies inside the region by a smaller share counts as if by this one."""
COARSE, ALIKE_PX = 4, 32
STEP_DEG, BLUR_STEPS = 1.5, 2.0
TOP = 0.6
"""Part of a peak, from its top, whose centroid is the angle."""
STRIPS, HALVES = 4, 2
"""Parts of a region along and across its longer side, for spread and curvature."""
SURE = 6.0
"""Height of a peak, in mean heights of all directions, at which confidence is 1 - 1/e."""
LEAST_SD_DEG = 0.3


@dataclass(frozen=True, eq=False)
class Votes:
    """How much each direction is present in the parts of a region.

    Attributes
    ----------
    angles_deg : float64 ndarray, shape (angles,)
        All directions, evenly spaced, from -90 on.
    parts : float64 ndarray, shape (2, 4, angles)
        Upper and lower half, each in strips along the region.
    sought : bool ndarray, shape (angles,), optional
        Directions that were looked at; the others have no votes. All by
        default.
    """

    angles_deg: Floats
    parts: Floats
    sought: NDArray[np.bool_] | None = None

    @property
    def all(self) -> Floats:
        """Votes of the whole region, shape (angles,)."""
        return np.asarray(self.parts.sum(axis=(0, 1)))


@dataclass(frozen=True)
class Direction:
    """Direction of the lines in a region; NaN where there is nothing to see.

    Attributes
    ----------
    angle_deg : float
        Above -90 and up to 90, rising to the right is positive.
    sd_deg : float
        Standard deviation of the angle, from leaving out a strip at a time.
    confidence : float
        0 where no direction stands out to 1.
    bend_deg : float
        Angle of the upper half of the region minus that of the lower.
    """

    angle_deg: float
    sd_deg: float
    confidence: float
    bend_deg: float


def line_energy(
    frame: NDArray,
    region: ArrayLike,
    angles_deg: ArrayLike,
    *,
    spacing_mm: Spacing,
    length_mm: float = LENGTH_MM,
    width_mm: float = WIDTH_MM,
    margin_mm: float = MARGIN_MM,
) -> Floats:
    """How strongly bright lines of each direction answer in a region.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey picture.
    region : array_like, shape (corners, 2)
        Outline in px, (x, y).
    angles_deg : array_like, shape (angles,)
    spacing_mm : tuple of float
        Mm per px, (x, y).
    length_mm, width_mm : float
        Of the filters: full width at half height along the line, and distance
        between the zeros across it.
    margin_mm : float
        Strip inside the outline that is left out.

    Returns
    -------
    float64 ndarray, shape (angles,)
        Without a unit; white noise gives about the same in all directions. 0
        where the region is even.

    Raises
    ------
    ValueError
        For an outline or picture of another shape, or when nothing is left
        inside the margin.

    Notes
    -----
    Second derivative of a Gaussian across, a Gaussian along, without a mean.
    The answer at each place is divided by the spread it would have in white
    noise, given the part of the filter inside the region, so that the shape of
    the region favours no direction; the mean of the fourth power of positive
    answers, whose root is taken, is little moved by where lines lie.
    """
    texture, inside = patch(frame, region, spacing_mm, margin_mm, GRID_MM)
    sizes = length_mm / GRID_MM, width_mm / GRID_MM
    answers = _answers(texture, inside, np.asarray(angles_deg, float), *sizes)
    return np.asarray(np.sqrt((answers[:, inside].astype(float) ** POWER).mean(axis=1) / 1.5))


def votes(
    frame: NDArray,
    region: ArrayLike,
    *,
    spacing_mm: Spacing,
    length_mm: float = LENGTH_MM,
    width_mm: float = WIDTH_MM,
    margin_mm: float = MARGIN_MM,
    within_deg: tuple[float, float] = (-90.0, 90.0),
    grid_mm: float = GRID_MM,
) -> Votes:
    """Let each place of a region vote for the direction that answers the most there.

    Parameters
    ----------
    frame, region, spacing_mm, length_mm, width_mm, margin_mm
        As for `line_energy`.
    within_deg : tuple of float
        First and last direction that are looked at; the first may be below
        -90. Places whose best direction is one of the two do not vote.
    grid_mm : float
        Side of the square pixels on which filters work.

    Returns
    -------
    Votes

    Raises
    ------
    ValueError
        As for `line_energy`.
    """
    texture, inside = patch(frame, region, spacing_mm, margin_mm, grid_mm)
    angles = np.arange(-90.0, 90.0, STEP_DEG)
    count, at = len(angles), _looked_at(angles, within_deg)
    answers = _answers(texture, inside, angles[at], length_mm / grid_mm, width_mm / grid_mm)
    best, weight = _best(answers[:, inside], around=len(at) == count)
    place = at[0] + best
    first = np.floor(place).astype(int)
    part = _parts(inside) * count
    cast = np.zeros(HALVES * STRIPS * count)
    for step, share in ((0, 1.0 - (place - first)), (1, place - first)):
        bins = part + (first + step) % count
        cast += np.bincount(bins, weights=weight * share, minlength=len(cast))
    parts = cast.reshape(HALVES, STRIPS, count)
    sought = np.isin(np.arange(count), at)
    return Votes(angles, ndimage.gaussian_filter1d(parts, BLUR_STEPS, mode="wrap"), sought)


def _looked_at(angles_deg: Floats, within_deg: tuple[float, float]) -> NDArray[np.intp]:
    """Indices of neighbouring directions, counted on beyond the first or the last."""
    step, count = angles_deg[1] - angles_deg[0], len(angles_deg)
    low, high = (round((edge - angles_deg[0]) / step) for edge in within_deg)
    if high - low >= count - 1:
        return np.arange(count)
    return np.arange(low, high + 1) % count


def _best(answers: Picture, *, around: bool) -> tuple[Floats, Floats]:
    """Direction that answers the most at each place, to a part of a step, and its weight."""
    count, places = len(answers), np.arange(answers.shape[1])
    best = answers.argmax(axis=0)
    left, top, right = (answers[(best + step) % count, places] for step in (-1, 0, 1))
    bend = np.minimum(left - 2.0 * top + right, -1e-6)
    at = best + np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    weight = top.astype(float) ** POWER / len(places)
    if not around:
        weight[(best == 0) | (best == count - 1)] = 0.0
    return at, weight


def fascicle_angle(
    frame: NDArray,
    region: ArrayLike,
    *,
    spacing_mm: Spacing,
    predicted_deg: float | None = None,
    search_deg: float = 20.0,
    length_mm: float = LENGTH_MM,
    width_mm: float = WIDTH_MM,
    margin_mm: float = MARGIN_MM,
) -> Direction:
    """Dominant direction of the lines in a region.

    Parameters
    ----------
    frame, region, spacing_mm, length_mm, width_mm, margin_mm
        As for `line_energy`.
    predicted_deg : float, optional
        Where to look; everywhere when not given.
    search_deg : float
        How far from the prediction, on either side.

    Returns
    -------
    Direction

    Raises
    ------
    ValueError
        As for `line_energy`.
    """
    cast = votes(
        frame,
        region,
        spacing_mm=spacing_mm,
        length_mm=length_mm,
        width_mm=width_mm,
        margin_mm=margin_mm,
    )
    return direction(cast, predicted_deg=predicted_deg, search_deg=search_deg)


def direction(
    cast: Votes, *, predicted_deg: float | None = None, search_deg: float = 20.0
) -> Direction:
    """Read the dominant direction, its spread and its bend off the votes.

    Notes
    -----
    The angle is the centroid of the upper part of the highest peak. Its
    standard deviation is the jackknife's over the strips along the region.
    """
    whole, angles = cast.all, cast.angles_deg
    if not whole.max() > 0:
        return Direction(np.nan, np.nan, 0.0, np.nan)
    sought = np.ones(len(angles), bool) if cast.sought is None else cast.sought
    angle = _peak(whole, angles, sought, predicted_deg, search_deg)
    strips = cast.parts.sum(axis=0)
    near = min(search_deg, 10.0)
    without = [_peak(whole - strip, angles, sought, angle, near) for strip in strips]
    apart = fold_deg(np.array(without) - angle)
    spread = np.sqrt((STRIPS - 1) / STRIPS * ((apart - apart.mean()) ** 2).sum())
    upper, lower = (_peak(half, angles, sought, angle, near) for half in cast.parts.sum(axis=1))
    at = np.abs(fold_deg(angles - angle)).argmin()
    height = max(0.0, whole[at] / whole[sought].mean() - 3.0)
    return Direction(
        angle,
        float(np.hypot(spread, LEAST_SD_DEG)),
        float(1.0 - np.exp(-height / SURE)),
        float(fold_deg(upper - lower)),
    )


def _peak(
    heights: Floats,
    angles_deg: Floats,
    sought: NDArray[np.bool_],
    predicted_deg: float | None,
    search_deg: float,
) -> float:
    """Centroid of the top of the highest peak, degrees."""
    near = sought
    if predicted_deg is not None:
        near = near & (np.abs(fold_deg(angles_deg - predicted_deg)) <= search_deg)
    top = int(np.where(near, heights, -np.inf).argmax())
    floor = heights[top] - TOP * (heights[top] - np.median(heights[sought]))
    count = len(heights)
    around = np.roll(heights, count // 2 - top) - floor
    below = np.flatnonzero(around <= 0)
    first = below[below < count // 2].max(initial=-1) + 1
    last = below[below > count // 2].min(initial=count)
    weight = around[first:last]
    if weight.sum() <= 0:
        return float(fold_deg(angles_deg[top]))
    shift = (weight * (np.arange(first, last) - count // 2)).sum() / weight.sum()
    return float(fold_deg(angles_deg[top] + shift * (angles_deg[1] - angles_deg[0])))


def _parts(inside: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the part of each inner pixel: strip along its main axis, half across."""
    y, x = np.nonzero(inside)
    x, y = x - x.mean(), y - y.mean()
    turn = 0.5 * np.arctan2(2.0 * (x * y).sum(), (x * x).sum() - (y * y).sum())
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    cuts = np.quantile(along, np.arange(1, STRIPS) / STRIPS)
    return np.asarray((across > 0) * STRIPS + np.searchsorted(cuts, along))


# --- filters ---------------------------------------------------------------------------------


def _answers(
    texture: Picture,
    inside: NDArray[np.bool_],
    angles_deg: Floats,
    length_px: float,
    width_px: float,
) -> Picture:
    """Positive answers (angles, y, x) in spreads of white noise."""
    height, width = texture.shape
    reach = int(np.ceil(1.3 * length_px))
    shape = tuple(_rounded(n + reach) for n in (height, width))
    angles = tuple(float(a) for a in angles_deg)
    bank = _bank(shape, angles, length_px, width_px)
    raw = fft.irfft2(bank * fft.rfft2(texture, shape), shape)[:, :height, :width]
    seen = _seen(inside, angles, length_px)
    return np.asarray(np.maximum(raw, 0.0) / np.sqrt(seen), dtype=np.float32)


def _rounded(size: int) -> int:
    """Length of a fast transform; few different ones, so that filters serve again."""
    return int(fft.next_fast_len(-(-size // ALIKE_PX) * ALIKE_PX, real=True))


@lru_cache(maxsize=4)
def _bank(
    shape: tuple[int, int], angles_deg: tuple[float, ...], length_px: float, width_px: float
) -> NDArray[np.complex64]:
    """Spectra of filters without a mean and with a sum of squares of 1."""
    spectra = []
    for u, v in (_turned(shape, angle) for angle in angles_deg):
        across = (2.0 * v / width_px) ** 2
        window = np.exp(-0.5 * across - 0.5 * (u * 2.3548 / length_px) ** 2)
        kernel = (1.0 - across) * window
        kernel -= window * (kernel.sum() / window.sum())
        kernel /= np.sqrt((kernel * kernel).sum())
        spectra.append(fft.rfft2(kernel.astype(np.float32)))
    return np.stack(spectra)


@lru_cache(maxsize=4)
def _lines(
    shape: tuple[int, int], angles_deg: tuple[float, ...], length_px: float
) -> NDArray[np.complex64]:
    """Spectra of the squared filters, about, with a sum of 1."""
    spectra = []
    for u, v in (_turned(shape, angle) for angle in angles_deg):
        kernel = np.exp(-((u * 2.3548 / length_px) ** 2) - v * v)
        spectra.append(fft.rfft2((kernel / kernel.sum()).astype(np.float32)))
    return np.stack(spectra)


def _turned(shape: tuple[int, int], angle_deg: float) -> tuple[Floats, Floats]:
    """Places along and across a direction, px, around the first pixel."""
    y, x = (fft.fftfreq(n, 1.0 / n) for n in shape)
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return x * cosine - y[:, None] * sine, x * sine + y[:, None] * cosine


def _seen(inside: NDArray[np.bool_], angles_deg: tuple[float, ...], length_px: float) -> Picture:
    """Share (angles, y, x) of each squared filter that lies in the region, on a coarse grid."""
    height, width = inside.shape
    rows, columns = -(-height // COARSE), -(-width // COARSE)
    full = np.zeros((rows * COARSE, columns * COARSE), dtype=np.float32)
    full[:height, :width] = inside
    small = full.reshape(rows, COARSE, columns, COARSE).mean(axis=(1, 3))
    reach = int(np.ceil(1.3 * length_px / COARSE))
    shape = tuple(fft.next_fast_len(n + reach, real=True) for n in small.shape)
    bank = _lines(shape, angles_deg, length_px / COARSE)
    share = fft.irfft2(bank * fft.rfft2(small, shape), shape)[:, :rows, :columns]
    share = share.repeat(COARSE, axis=1).repeat(COARSE, axis=2)[:, :height, :width]
    return np.asarray(np.maximum(share, LEAST_SEEN))
