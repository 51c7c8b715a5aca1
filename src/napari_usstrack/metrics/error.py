"""Errors in px and mm: typical, mean and tail, at phases of a cycle, and closure.

A missing prediction has no distance, so it is left out of every average here
and its share is reported beside: an error is worth as much as the cells it is
known for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.geometry import distance
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.metrics.pairs import (
    Floats,
    Mask,
    mean_or_nan,
    missing_share,
    survival,
    track_pair,
)
from napari_usstrack.metrics.tap import distance_at_256


@dataclass(frozen=True)
class Errors:
    """Distances of one video in a few numbers, all in `unit`; lower is better.

    Attributes
    ----------
    unit : str
        "px", "mm" or "px at 256".
    mte : float
        Per point the median over frames, then the mean over points.
    mean : float
        Per point the mean over frames, then the mean over points.
    p95 : float
        95th percentile of all scored cells of the video, pooled.
    missing_share : float
        Share of scored cells without a prediction.
    cells : int
        Scored cells.
    """

    unit: str
    mte: float
    mean: float
    p95: float
    missing_share: float
    cells: int


@dataclass(frozen=True)
class PhaseErrors:
    """Mean error at named frames of a cycle.

    Attributes
    ----------
    query : str
        Where the points were queried ("ED", "0.72 T"). Errors of another
        query frame are another task.
    unit : str
        Of the errors.
    at : mapping of str to float
        Mean over points by phase; NaN where nothing is scored.
    spread : float
        Largest less smallest; a tracker that favours no phase has none.
    """

    query: str
    unit: str
    at: Mapping[str, float]
    spread: float


def distance_px(predicted_xy: ArrayLike, true_xy: ArrayLike) -> Floats:
    """Distance in px of the full frame, ``[frames, points]``; NaN where one is missing."""
    return distance(*track_pair(predicted_xy, true_xy))


def distance_mm(
    predicted_xy: ArrayLike, true_xy: ArrayLike, *, spacing_mm: tuple[float, float]
) -> Floats:
    """Distance in mm, with the true pixel size on each axis.

    One size for both axes is wrong wherever pixels are not square.

    Parameters
    ----------
    predicted_xy, true_xy : array_like, shape (frames, points, 2)
        Px of the full frame.
    spacing_mm : tuple of float
        Millimetres per px, (x, y).

    Returns
    -------
    float64 ndarray, shape (frames, points)
        NaN where either is missing.
    """
    predicted, true = track_pair(predicted_xy, true_xy)
    return distance(predicted * np.asarray(spacing_mm), true * np.asarray(spacing_mm))


def mte(distances: ArrayLike, scored: Mask) -> float:
    """Median trajectory error: per point the median over frames, then the mean over points.

    A mean over frames, or one pool of all points, lets the tails decide.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
        NaN where missing.
    scored : bool ndarray, shape (frames, points)
        From `metrics.pairs.scored_cells`, without the query frame.

    Returns
    -------
    float
        In the unit of `distances`. Points without a scored cell are left out;
        NaN if none is left.
    """
    return mean_or_nan([np.median(column) for column in _columns(distances, scored)])


def summarise(distances: ArrayLike, scored: Mask, *, unit: str) -> Errors:
    """Put the distances of one video into a few numbers.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
        From `distance_px`, `distance_mm` or `metrics.tap.distance_at_256`.
    scored : bool ndarray, shape (frames, points)
        From `metrics.pairs.scored_cells`, without the query frame.
    unit : str
        Of the distances.
    """
    columns = _columns(distances, scored)
    pooled = np.concatenate([np.empty(0), *columns])
    return Errors(
        unit=unit,
        mte=mte(distances, scored),
        mean=mean_or_nan([column.mean() for column in columns]),
        p95=float(np.percentile(pooled, 95)) if pooled.size else float("nan"),
        missing_share=missing_share(distances, scored),
        cells=int(np.sum(scored)),
    )


def in_all_units(
    predicted_xy: ArrayLike, true_xy: ArrayLike, scored: Mask, *, video: VideoInfo
) -> tuple[Errors, ...]:
    """Errors in px, in px at 256, and in mm where the clip's scale is known.

    Millimetres always stand beside pixels: a px is another length in every
    clip.

    Parameters
    ----------
    predicted_xy, true_xy : array_like, shape (frames, points, 2)
        Px of the full frame.
    scored : bool ndarray, shape (frames, points)
        From `metrics.pairs.scored_cells`, without the query frame.
    video : VideoInfo
        Frame size and scale.

    Returns
    -------
    tuple of Errors
        Two, or three with a scale.
    """
    size = video.width, video.height
    distances = {
        "px": distance_px(predicted_xy, true_xy),
        "px at 256": distance_at_256(predicted_xy, true_xy, size=size),
    }
    if video.spacing_mm is not None:
        distances["mm"] = distance_mm(predicted_xy, true_xy, spacing_mm=video.spacing_mm)
    return tuple(summarise(each, scored, unit=unit) for unit, each in distances.items())


def _columns(distances: ArrayLike, scored: Mask) -> list[Floats]:
    """Known scored distances of each point that has any."""
    distances = np.asarray(distances, dtype=np.float64)
    use = scored & ~np.isnan(distances)
    return [distances[use[:, i], i] for i in np.flatnonzero(use.any(axis=0))]


def survival_mm(
    distances_mm: ArrayLike, scored: Mask, *, query_frames: ArrayLike, limit_mm: float
) -> float:
    """Share of frames before a point is first farther than `limit_mm` off, mean over points.

    The 50 px of the px score mean another length in every clip; see
    `metrics.pairs.survival` for the rules.
    """
    return survival(distances_mm, scored, query_frames=query_frames, limit=limit_mm)


def phase_errors(
    distances: ArrayLike, scored: Mask, frames: Mapping[str, int], *, query: str, unit: str
) -> PhaseErrors:
    """Mean error at named frames, such as end-systole and mid-diastole.

    An average over the cycle hides a tracker that is best near its query.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
    scored : bool ndarray, shape (frames, points)
    frames : mapping of str to int
        Row of each phase.
    query : str
        Phase in which the points were queried.
    unit : str
        Of the distances.

    Raises
    ------
    ValueError
        When a frame is outside the rows.
    """
    distances = np.asarray(distances, dtype=np.float64)
    if outside := [name for name, frame in frames.items() if not 0 <= frame < len(distances)]:
        raise ValueError(f"{outside[0]!r} is not one of the {len(distances)} frames")
    at = {name: mean_or_nan(distances[row][scored[row]]) for name, row in frames.items()}
    known = [error for error in at.values() if not np.isnan(error)]
    return PhaseErrors(query, unit, at, max(known) - min(known) if known else float("nan"))


def closure(xy: ArrayLike, *, first_ed: int, last_ed: int) -> Floats:
    """Distance between a point's places at the first and the last ED of a full cycle.

    Drift that needs no truth. It also holds true motion that does not repeat,
    as breathing and a moving probe, so it is no error of the tracker alone.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Px or mm.
    first_ed, last_ed : int
        Rows of the two end-diastoles.

    Returns
    -------
    float64 ndarray, shape (points,)
        In the unit of `xy`; NaN where a place is missing.

    Raises
    ------
    ValueError
        When the two are not in order inside the rows.
    """
    places = np.asarray(xy, dtype=np.float64)
    if not 0 <= first_ed < last_ed < len(places):
        raise ValueError(
            f"first and last ED must be in order in 0..{len(places) - 1}, got {first_ed}, {last_ed}"
        )
    return distance(places[first_ed], places[last_ed])
