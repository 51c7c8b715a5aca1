"""What a clip looks like: speckle size, grey levels, how soon texture fades, how fast tissue moves.

The same measures for real and for synthetic clips, so that the two can be
compared. Positions are (x, y) in px, x right and y down, an integer is a pixel
centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.metrics.imaged_area import ImagedArea
from napari_usstrack.metrics.pairs import Floats, Mask

BLACK, SATURATED = 8, 250
THIRDS = 3
DARKEST = 0.5
"""Share of black pixels above which a place shows no texture."""
_TAPS = np.arange(-1, 3)


class GreySummary(NamedTuple):
    """Grey levels of a set of pixels; shares are 0 to 1.

    Attributes
    ----------
    black, saturated : float
        Share of pixels below 8 and above 250.
    mean, sd : float
        Grey levels.
    p10, p50, p90 : float
        Percentiles, grey levels.
    """

    black: float
    saturated: float
    mean: float
    sd: float
    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, eq=False)
class TextureWidths:
    """Full width at half maximum of the autocorrelation of texture, px.

    Attributes
    ----------
    axial_px, lateral_px : float
        Along and across the beam, over the whole depth; NaN where there is no
        texture.
    axial_thirds_px, lateral_thirds_px : tuple of float
        The same in the upper, middle and lower third of the imaged depth.
    contrast : float
        Median over places of the standard deviation of the texture, grey levels.
    places : int
        Patches measured.
    """

    axial_px: float
    lateral_px: float
    axial_thirds_px: tuple[float, ...]
    lateral_thirds_px: tuple[float, ...]
    contrast: float
    places: int


def grey_summary(frames: NDArray[np.uint8], mask: Mask) -> GreySummary:
    """Summarise the grey levels of the imaged pixels.

    Parameters
    ----------
    frames : uint8 ndarray, shape (frames, height, width)
        Grey pictures.
    mask : bool ndarray, shape (height, width)
        Pixels that count.
    """
    grey = frames[:, mask]
    percentiles = np.percentile(grey, (10, 50, 90))
    return GreySummary(
        float((grey < BLACK).mean()),
        float((grey > SATURATED).mean()),
        float(grey.mean()),
        float(grey.std()),
        *(float(value) for value in percentiles),
    )


def sampled(picture: NDArray, xy: Floats) -> Floats:
    """Grey at sub-pixel positions by cubic convolution.

    Parameters
    ----------
    picture : ndarray, shape (height, width)
        Grey levels; beyond its edge they go on as they end.
    xy : float64 ndarray, shape (..., 2)
        Positions, px.

    Returns
    -------
    float64 ndarray, shape (...)

    Notes
    -----
    Keys (1981) with a = -0.5. Unlike linear interpolation it hardly blurs, so
    fine speckle keeps its correlation when it moves by half a pixel.
    """
    height, width = picture.shape
    corner = np.floor(xy)
    weight_x, weight_y = (_cubic(xy[..., axis] - corner[..., axis]) for axis in (0, 1))
    whole = corner.astype(np.intp)
    columns = np.clip(whole[..., 0, None] + _TAPS, 0, width - 1)
    rows = np.clip(whole[..., 1, None] + _TAPS, 0, height - 1)
    grey = np.zeros(xy.shape[:-1])
    for tap in range(len(_TAPS)):
        line = picture[rows[..., tap, None], columns]
        grey += weight_y[..., tap] * (line * weight_x).sum(axis=-1)
    return grey


def _cubic(part: Floats) -> Floats:
    t, t2, t3 = part, part**2, part**3
    taps = (-t + 2 * t2 - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, -t2 + t3)
    return 0.5 * np.stack(taps, axis=-1)


def patch_grid(centres: Floats, beams: Floats, half_px: tuple[int, int]) -> Floats:
    """Positions of the pixels of patches that lie along the beam.

    Parameters
    ----------
    centres, beams : float64 ndarray, shape (..., 2)
        Middle of each patch, px, and the unit vector of its axial direction.
    half_px : tuple of int
        Pixels on each side of the middle, axial and lateral.

    Returns
    -------
    float64 ndarray, shape (..., axial, lateral, 2)
    """
    axial = np.arange(-half_px[0], half_px[0] + 1)[:, None, None]
    lateral = np.arange(-half_px[1], half_px[1] + 1)[None, :, None]
    across = np.stack([beams[..., 1], -beams[..., 0]], axis=-1)
    shift = axial * beams[..., None, None, :] + lateral * across[..., None, None, :]
    return centres[..., None, None, :] + shift


def wholly_inside(mask: Mask, grid: Floats) -> Mask:
    """Patches ``[..., axial, lateral, 2]`` of which every pixel is imaged."""
    height, width = mask.shape
    near = np.rint(np.where(np.isnan(grid), -1.0, grid)).astype(np.intp)
    x, y = near[..., 0], near[..., 1]
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    imaged = mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.all(within & imaged, axis=(-1, -2))


def without_local_mean(picture: NDArray, mask: Mask, window_px: int) -> Floats:
    """Picture less its mean over a square of imaged pixels; 0 outside the mask.

    Parameters
    ----------
    picture : ndarray, shape (height, width)
        Grey levels.
    mask : bool ndarray, shape (height, width)
        Imaged pixels.
    window_px : int
        Side of the square, px; an even one is made odd.
    """
    grey = np.where(mask, picture, 0.0)
    count = _box_sum(mask.astype(np.float64), window_px // 2)
    mean = _box_sum(grey, window_px // 2) / np.maximum(count, 1.0)
    return np.where(mask, grey - mean, 0.0)


def _box_sum(values: Floats, half: int) -> Floats:
    for axis in (0, 1):
        total = np.cumsum(values, axis=axis)
        total = np.insert(total, 0, 0.0, axis=axis)
        at = np.arange(values.shape[axis])
        stop = np.minimum(at + half + 1, values.shape[axis])
        values = total.take(stop, axis) - total.take(np.maximum(at - half, 0), axis)
    return values


def texture_widths(
    frames: NDArray[np.uint8], area: ImagedArea, *, window_share: float = 0.1
) -> TextureWidths:
    """Speckle size along and across the beam, by autocorrelation.

    Parameters
    ----------
    frames : uint8 ndarray, shape (frames, height, width)
        Grey pictures; a few that differ are enough.
    area : ImagedArea
        Where tissue is, and which way the beams run.
    window_share : float
        Side of the square whose mean is taken away, as a share of the imaged
        depth, and axial side of the patches measured, which are twice as
        wide. Structure that is larger in both directions does not count.

    Notes
    -----
    The autocorrelation is taken over patches that fill the imaged area, its
    median over patches and frames is formed at every distance, and twice the
    distance at which that falls to one half is the width; NaN where it never does.
    """
    side = max(9, round(window_share * area.depth_px))
    half = (side // 2, side)
    centres = _tiling(area.mask.shape, 3 * side // 4)
    grid = patch_grid(centres, area.beam(centres), half)
    fits = wholly_inside(area.mask, grid)
    centres, grid = centres[fits], grid[fits]
    columns, rows = np.moveaxis(np.rint(grid).astype(np.intp), -1, 0)
    along, across, sd, depth = [], [], [], []
    for frame in frames:
        lit = (frame[rows, columns] < BLACK).mean(axis=(-1, -2)) < DARKEST
        patches = sampled(without_local_mean(frame, area.mask, side), grid[lit])
        along.append(_autocorrelation(patches, half[0]))
        across.append(_autocorrelation(patches.swapaxes(-1, -2), half[1]))
        sd.append(patches.std(axis=(-1, -2)))
        depth.append(area.depth_share(centres[lit]))
    axial, lateral = (_widths(np.concatenate(a), np.concatenate(depth)) for a in (along, across))
    deviations = np.concatenate(sd)
    contrast = float(np.median(deviations)) if len(deviations) else float("nan")
    return TextureWidths(axial[0], lateral[0], axial[1:], lateral[1:], contrast, len(deviations))


def _tiling(shape: tuple[int, ...], spacing: int) -> Floats:
    rows, columns = (np.arange(spacing // 2, size, spacing) for size in shape)
    x, y = np.meshgrid(columns, rows)
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)


def _autocorrelation(patches: Floats, longest: int) -> Floats:
    """Correlation ``[patches, distance]`` of rows with later rows, 0 to `longest` apart."""
    out = np.empty((len(patches), longest + 1))
    rows = patches.shape[1]
    for apart in range(longest + 1):
        first, later = patches[:, : rows - apart], patches[:, apart:]
        size = np.sqrt((first**2).sum(axis=(1, 2)) * (later**2).sum(axis=(1, 2)))
        product = (first * later).sum(axis=(1, 2))
        out[:, apart] = np.where(size > 0, product / np.maximum(size, 1e-12), np.nan)
    return out


def _widths(curves: Floats, depth: Floats) -> tuple[float, ...]:
    third = np.clip((depth * THIRDS).astype(np.intp), 0, THIRDS - 1)
    return (_half_maximum(curves), *(_half_maximum(curves[third == i]) for i in range(THIRDS)))


def _half_maximum(curves: Floats) -> float:
    """Full width at half maximum of the median of curves that start at distance 0."""
    curves = curves[~np.isnan(curves).any(axis=1)]
    if not len(curves):
        return float("nan")
    curve = np.median(curves, axis=0)
    below = np.flatnonzero(curve < 0.5)
    if not len(below):
        return float("nan")
    after = int(below[0])
    high, low = curve[after - 1], curve[after]
    return 2.0 * float(after - 1 + (high - 0.5) / (high - low))


def patch_correlations(
    frames: NDArray,
    xy: ArrayLike,
    *,
    area: ImagedArea,
    half_px: tuple[int, int],
    lags: Sequence[int] = tuple(range(1, 11)),
) -> Floats:
    """Correlation of tissue with itself some frames later, its motion followed.

    Parameters
    ----------
    frames : ndarray, shape (frames, height, width)
        Grey pictures.
    xy : array_like, shape (frames, points, 2)
        Paths of tissue points, px; NaN where lost.
    area : ImagedArea
        Where tissue is; a patch that reaches beyond it does not count.
    half_px : tuple of int
        Pixels of a patch on each side of its point, along and across the beam
        at the point's first position. Some three to four speckles in all let
        the texture decide and keep stretch inside the patch small.
    lags : sequence of int
        Frames between the two patches.

    Returns
    -------
    float64 ndarray, shape (lags, frames, points)
        Normalised correlation -1 to 1 of the patch in each frame with the one
        `lag` frames later; NaN where either is unknown or has one grey only.
    """
    paths = np.asarray(xy, dtype=np.float64)
    if paths.ndim != 3 or paths.shape[0] != len(frames) or paths.shape[-1] != 2:
        raise ValueError(f"{len(frames)} frames need paths [frames, points, 2], got {paths.shape}")
    beams = area.beam(paths[0])
    seen = zip(frames, paths, strict=True)
    patches = np.stack([_normalised(grey, at, beams, area.mask, half_px) for grey, at in seen])
    out = np.full((len(lags), *paths.shape[:2]), np.nan)
    for row, lag in enumerate(lags):
        if lag < len(frames):
            pairs = np.einsum("tpn,tpn->tp", patches[: len(frames) - lag], patches[lag:])
            out[row, : len(frames) - lag] = pairs
    return out


def _normalised(
    frame: NDArray, centres: Floats, beams: Floats, mask: Mask, half_px: tuple[int, int]
) -> Floats:
    """Patches ``[points, pixels]`` of mean 0 and length 1; NaN where there is none."""
    grid = patch_grid(centres, beams, half_px)
    usable = wholly_inside(mask, grid)
    patches = np.full(grid.shape[:-1], np.nan)
    patches[usable] = sampled(frame, grid[usable])
    flat = patches.reshape(len(centres), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    size = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(size > 1e-6, flat / np.maximum(size, 1e-6), np.nan)


def step_lengths(xy: ArrayLike, unit_per_px: float | tuple[float, float] = 1.0) -> Floats:
    """Distance each point moves from frame to frame.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Paths, px; NaN where lost.
    unit_per_px : float or (x, y)
        Millimetres per px, or one over the imaged depth in px for shares of it.

    Returns
    -------
    float64 ndarray, shape (frames - 1, points)
        NaN where either end is unknown.
    """
    steps = np.diff(np.asarray(xy, dtype=np.float64), axis=0)
    return np.linalg.norm(steps * np.asarray(unit_per_px, dtype=np.float64), axis=-1)
