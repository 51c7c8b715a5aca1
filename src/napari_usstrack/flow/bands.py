"""Place and slope of a bright band, such as an aponeurosis, near a predicted line.

The picture is sampled in a strip along the line, straightened; the band's edge
or middle is where a filter across the strip answers the most. One straight
displacement, a shift and a tilt, is sought for the whole line, so that a gently
curved line keeps its shape, and a gap in the band does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_usstrack.core.geometry import Floats
from napari_usstrack.flow.opencv import opencv

Part = Literal["upper", "middle", "lower"]
ACROSS_MM, ALONG_MM = 0.1, 0.5
"""Steps of the strip across and along the line."""
SMOOTH_MM = 1.5
"""Sigma of smoothing along the line."""
EDGE_MM, MIDDLE_MM = 0.25, 0.6
"""Sigma of the filter across the line, for an edge and for the middle."""
SEARCH_MM, TILT_MM = 2.0, 1.0
"""How far the line may have moved, and its ends besides, in opposite directions."""
NEAR_MM = 0.5
"""How far from the common line single places are looked for."""
FEWEST, ROUNDS = 5, 5


@dataclass(frozen=True)
class Shift:
    """How far a band lies from the predicted line; NaN where none is seen.

    Attributes
    ----------
    place_mm : float
        Mean displacement across the line, positive downwards (to the right of
        a line that is followed upwards).
    tilt_mm : float
        Displacement of the line's last point besides; the first has the
        opposite one.
    place_sd_mm, tilt_sd_mm : float
        Standard deviations, from the spread of single places.
    confidence : float
        Share of the line along which the band is seen, 0 to 1.
    """

    place_mm: float
    tilt_mm: float
    place_sd_mm: float
    tilt_sd_mm: float
    confidence: float


NOT_SEEN = Shift(np.nan, np.nan, np.nan, np.nan, 0.0)


def band(
    frame: NDArray,
    line: ArrayLike,
    *,
    spacing_mm: tuple[float, float],
    part: Part = "middle",
    search_mm: float = SEARCH_MM,
    tilt_mm: float = TILT_MM,
) -> Shift:
    """Find a bright band near a line.

    Parameters
    ----------
    frame : ndarray, shape (y, x)
        Grey picture.
    line : array_like, shape (points, 2)
        Predicted line, px, (x, y), two points at least, from left to right.
    spacing_mm : tuple of float
        Mm per px, (x, y).
    part : {"upper", "middle", "lower"}
        Which part of the band the line follows: an edge or the middle.
    search_mm, tilt_mm : float
        Largest displacement of the whole line, and of its ends besides.

    Returns
    -------
    Shift

    Raises
    ------
    ValueError
        For a picture or line of another shape, or a line without length.

    Notes
    -----
    The filter is the first derivative of a Gaussian for an edge, the second
    for the middle. The displacement is the one whose mean answer is largest,
    as in a Radon transform; around it, the highest answer at each place along
    the line, to a fraction of a step by a parabola, goes into a straight fit
    with Tukey's biweight.
    """
    grey, points = np.asarray(frame), np.asarray(line, dtype=np.float64)
    if grey.ndim != 2:
        raise ValueError(f"a grey frame is y x x, got {grey.shape}")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ValueError(f"a line is points x 2, two at least, got {points.shape}")
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    along, normal, where = _stations(points * spacing)
    reach = search_mm + tilt_mm + NEAR_MM + 3.0 * MIDDLE_MM
    offsets = np.arange(-reach, reach + 0.5 * ACROSS_MM, ACROSS_MM)
    places = (where[:, None] + offsets[:, None] * normal) / spacing
    inside = ((places > -0.5) & (places < np.array(grey.shape[::-1]) - 0.5)).all(axis=-1)
    seen = inside.mean(axis=1) > 0.5
    if seen.sum() < FEWEST:
        return NOT_SEEN
    answer = _answer(_strip(grey, places), part)[seen]
    coarse = _displacement(answer, along[seen], offsets, search_mm, tilt_mm)
    return NOT_SEEN if coarse is None else _refined(answer, along[seen], offsets, coarse)


def moved(line: ArrayLike, shift: Shift, *, spacing_mm: tuple[float, float]) -> Floats:
    """Give the points of a line, px, displaced by a shift."""
    points = np.asarray(line, dtype=np.float64)
    at = points * spacing_mm
    normal, along = _frame(at)
    return points + (shift.place_mm + shift.tilt_mm * along)[:, None] * normal / spacing_mm


def _frame(at_mm: Floats) -> tuple[Floats, Floats]:
    """Unit vector across a line's chord, and where its points lie along it, -1 to 1."""
    chord = at_mm[-1] - at_mm[0]
    length = float(np.hypot(*chord))
    if length == 0:
        raise ValueError("a line needs two distinct ends")
    chord = chord / length
    along = 2.0 * ((at_mm - at_mm[0]) @ chord) / length - 1.0
    return np.array([-chord[1], chord[0]]), along


def _stations(at_mm: Floats) -> tuple[Floats, Floats, Floats]:
    """Even places along a line: -1 to 1, the vector across, and mm (places, 2)."""
    normal, own = _frame(at_mm)
    steps = np.hypot(*np.diff(at_mm, axis=0).T)
    gone = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.linspace(0.0, gone[-1], max(FEWEST, round(gone[-1] / ALONG_MM) + 1))
    where = np.stack([np.interp(even, gone, axis) for axis in at_mm.T], axis=-1)
    return np.interp(even, gone, own), normal, where


def _strip(grey: NDArray, places: Floats) -> Floats:
    cv2 = opencv()
    x, y = (places[..., axis].astype(np.float32) for axis in (0, 1))
    picture = grey.astype(np.float32)
    return np.asarray(
        cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), float
    )


def _answer(strip: Floats, part: Part) -> Floats:
    """Answer (places, offsets) of the filter across, no place louder than thrice the usual."""
    smooth = ndimage.gaussian_filter1d(strip, SMOOTH_MM / ALONG_MM, axis=0, mode="nearest")
    sigma = (MIDDLE_MM if part == "middle" else EDGE_MM) / ACROSS_MM
    order = 2 if part == "middle" else 1
    answer = ndimage.gaussian_filter1d(smooth, sigma, axis=1, order=order, mode="nearest")
    answer = answer if part == "upper" else -answer
    loudest = answer.max(axis=1, keepdims=True)
    usual = float(np.median(loudest))
    return np.asarray(answer / np.maximum(loudest, 3.0 * usual) if usual > 1e-6 else 0.0 * answer)


def _displacement(
    answer: Floats, along: Floats, offsets: Floats, search_mm: float, tilt_mm: float
) -> tuple[float, float] | None:
    """Shift and tilt, mm, to a step, with the largest mean answer."""
    shifts = offsets[np.abs(offsets) <= search_mm + 1e-9]
    tilts = np.arange(-tilt_mm, tilt_mm + 0.5 * ACROSS_MM, ACROSS_MM)
    rows = np.arange(len(along))[:, None]
    best, found = 0.0, None
    for tilt in tilts:
        at = (shifts + tilt * along[:, None] - offsets[0]) / ACROSS_MM
        score = answer[rows, np.rint(at).astype(int)].mean(axis=0)
        top = int(score.argmax())
        if score[top] > best:
            best, found = float(score[top]), (float(shifts[top]), float(tilt))
    return found


def _refined(answer: Floats, along: Floats, offsets: Floats, coarse: tuple[float, float]) -> Shift:
    expected = coarse[0] + coarse[1] * along
    near = np.where(np.abs(offsets - expected[:, None]) <= NEAR_MM, answer, -np.inf)
    near[:, [0, -1]] = -np.inf
    top = near.argmax(axis=1)
    rows = np.arange(len(along))
    left, peak, right = (answer[rows, top + step] for step in (-1, 0, 1))
    bend = left - 2.0 * peak + right
    seen = (peak > 0) & (bend < 0)
    if seen.sum() < FEWEST:
        return NOT_SEEN
    place = offsets[top] + ACROSS_MM * 0.5 * np.divide(
        left - right, bend, out=np.zeros_like(bend), where=seen
    )
    weight = np.where(seen, peak, 0.0)
    columns = np.stack([np.ones_like(along), along], axis=-1)
    solution, robust = np.array(coarse), weight
    for _ in range(ROUNDS):
        rest = place - columns @ solution
        scale = max(1.4826 * float(np.median(np.abs(rest[seen]))), 0.02)
        robust = weight * np.clip(1.0 - (rest / (4.685 * scale)) ** 2, 0.0, None) ** 2
        solution = np.linalg.lstsq(
            columns * np.sqrt(robust)[:, None], place * np.sqrt(robust), rcond=None
        )[0]
    # Smoothing leaves fewer independent places than there are.
    alike = max(1.0, 2.0 * np.sqrt(np.pi) * SMOOTH_MM / ALONG_MM)
    normal = columns.T @ (columns * (robust / max(robust.max(), 1e-12))[:, None])
    place_sd, tilt_sd = scale * np.sqrt(alike * np.diag(np.linalg.pinv(normal)))
    share = float((robust > 0.2 * np.median(weight[seen])).mean())
    return Shift(float(solution[0]), float(solution[1]), float(place_sd), float(tilt_sd), share)
