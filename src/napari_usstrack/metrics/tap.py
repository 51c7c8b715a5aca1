"""Scores of tracking any point: accuracy within thresholds, occlusion, Jaccard, survival.

All thresholds are px of a picture scaled to 256 x 256, whatever the clip's
shape. Prediction and truth are pixel coordinates of the same full frame, and
x is scaled by 256 / width, y by 256 / height, both by the same rule. (Scores
made by dividing by width - 1 and multiplying by 256 are off by 0.4 %.) A px of
a 4:3 picture is not equal in x and y on that grid, so report millimetres from
`metrics.error` beside these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.geometry import distance
from napari_usstrack.metrics.pairs import (
    Floats,
    Mask,
    Mode,
    counted_cells,
    mean_or_nan,
    missing_share,
    survival,
    track_pair,
)

GRID_PX = 256
THRESHOLDS_PX = (1, 2, 4, 8, 16)
LOST_PX = 50
AVERAGED = (
    "delta_avg",
    "occlusion_accuracy",
    "jaccard_own",
    "jaccard_true_visibility",
    "survival",
    "missing_share",
)


@dataclass(frozen=True)
class Accuracy:
    """Scores of one video, or the plain mean over videos.

    All shares are 0 to 1 and higher is better; NaN where nothing could be
    scored.

    Attributes
    ----------
    mode : {"first", "strided"}
        Frames that count: after the query, or all but the query.
    shares : tuple of float
        Share of cells strictly closer than 1, 2, 4, 8 and 16 px at 256.
    delta_avg : float
        Plain mean of the five.
    occlusion_accuracy : float
        Share of cells where predicted and true visibility agree.
    jaccard_own : float
        Average Jaccard with the prediction's own visibility.
    jaccard_true_visibility : float
        The same with the true visibility put in the prediction's place, as in
        published echo evaluations. It scores positions only; never compare
        one of the two with the other.
    survival : float
        Share of frames before a point is first more than 50 px at 256 off.
    missing_share : float
        Share of scored cells without a prediction; they are outside every
        threshold. Lower is better.
    cells : int
        Scored cells.
    videos : int
        Videos these scores are the mean of.
    """

    mode: Mode
    shares: tuple[float, ...]
    delta_avg: float
    occlusion_accuracy: float
    jaccard_own: float
    jaccard_true_visibility: float
    survival: float
    missing_share: float
    cells: int
    videos: int = 1


def distance_at_256(
    predicted_xy: ArrayLike, true_xy: ArrayLike, *, size: tuple[int, int]
) -> Floats:
    """Distance of prediction and truth in px of a 256 x 256 picture.

    Parameters
    ----------
    predicted_xy, true_xy : array_like, shape (frames, points, 2)
        Px of the full frame.
    size : tuple of int
        Width and height of the full frame, px.

    Returns
    -------
    float64 ndarray, shape (frames, points)
        NaN where either is missing.
    """
    predicted, true = track_pair(predicted_xy, true_xy)
    grid = Resize(size, (GRID_PX, GRID_PX))
    return distance(grid.forward(predicted), grid.forward(true))


def share_within(distances: ArrayLike, scored: Mask, *, limit: float) -> float:
    """Share of the scored cells that are strictly closer than `limit`.

    A missing prediction is not. Strictly, because a distance that equals the
    limit counts in some programs and not in others.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
    scored : bool ndarray, shape (frames, points)
    limit : float
        In the unit of `distances`.

    Returns
    -------
    float
        NaN where no cell is scored.
    """
    return mean_or_nan((np.asarray(distances, dtype=np.float64) < limit)[scored])


def average_jaccard(
    distances: ArrayLike, counted: Mask, *, true_visible: ArrayLike, predicted_visible: ArrayLike
) -> float:
    """Average Jaccard over the five thresholds.

    Per threshold TP / (truly visible + FP): TP is truly visible, predicted
    visible and within; FP is predicted visible but truly hidden or too far. A
    cell that is predicted visible without a position is too far.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
        Px at 256.
    counted : bool ndarray, shape (frames, points)
        Cells that count and whose true visibility is known.
    true_visible, predicted_visible : array_like of bool, shape (frames, points)

    Returns
    -------
    float
        NaN where nothing is visible in truth or prediction.

    Notes
    -----
    Counts are pooled over the points of the video.
    """
    distances = np.asarray(distances, dtype=np.float64)
    visible = counted & np.asarray(true_visible, dtype=np.bool_)
    claimed = counted & np.asarray(predicted_visible, dtype=np.bool_)
    scores = []
    for limit in THRESHOLDS_PX:
        hit = visible & claimed & (distances < limit)
        base = int(visible.sum()) + int((claimed & ~hit).sum())
        scores.append(hit.sum() / base if base else np.nan)
    return float(np.mean(scores))


def accuracy(
    predicted_xy: ArrayLike,
    true_xy: ArrayLike,
    *,
    size: tuple[int, int],
    query_frames: ArrayLike,
    mode: Mode,
    true_visible: ArrayLike | None = None,
    predicted_visible: ArrayLike | None = None,
    labelled: ArrayLike | None = None,
) -> Accuracy:
    """Score one video.

    The query frame is left out of everything. Positions are scored only where
    the true point is visible, so a guess for a hidden point costs nothing
    there. A missing prediction is outside every threshold, so that giving up
    on hard frames is no way to a better score.

    Parameters
    ----------
    predicted_xy, true_xy : array_like, shape (frames, points, 2)
        Px of the full frame; NaN where missing.
    size : tuple of int
        Width and height of the full frame, px.
    query_frames : array_like of int, shape () or (points,)
        Row of each point's query.
    mode : {"first", "strided"}
        Frames that count.
    true_visible : array_like of bool, shape (frames, points), optional
        Left out, visible wherever the true position is known.
    predicted_visible : array_like of bool, shape (frames, points), optional
        Left out, visible wherever there is a prediction; without one never.
    labelled : array_like of bool, shape (frames, points), optional
        Cells whose true visibility is known. Left out, all of them, or if
        `true_visible` is left out too, those with a true position.

    Returns
    -------
    Accuracy

    Raises
    ------
    ValueError
        For shapes that disagree, an unknown mode, a query frame outside the
        rows, or a true point that is visible but nowhere.
    """
    distances = distance_at_256(predicted_xy, true_xy, size=size)
    found, known = (~np.isnan(np.asarray(xy)).any(axis=-1) for xy in (predicted_xy, true_xy))
    visible = _mask(true_visible, known, "true_visible")
    judged = _mask(labelled, known if true_visible is None else np.ones_like(known), "labelled")
    claimed = found & _mask(predicted_visible, found, "predicted_visible")
    if (visible & judged & ~known).any():
        raise ValueError("a true point is visible in a cell where it has no position")
    frames, points = known.shape
    counted = judged & counted_cells((frames, points), query_frames=query_frames, mode=mode)
    scored = counted & visible
    shares = tuple(share_within(distances, scored, limit=limit) for limit in THRESHOLDS_PX)
    truths = {"true_visible": visible}
    return Accuracy(
        mode=mode,
        shares=shares,
        delta_avg=float(np.mean(shares)),
        occlusion_accuracy=mean_or_nan((visible == claimed)[counted]),
        jaccard_own=average_jaccard(distances, counted, predicted_visible=claimed, **truths),
        jaccard_true_visibility=average_jaccard(
            distances, counted, predicted_visible=visible, **truths
        ),
        survival=survival(distances, scored, query_frames=query_frames, limit=LOST_PX),
        missing_share=missing_share(distances, scored),
        cells=int(scored.sum()),
    )


def mean_over_videos(scores: Sequence[Accuracy]) -> Accuracy:
    """Plain mean of per-video scores, each video the same weight.

    Pooling all cells instead would let one long clip decide. A video that has
    no score of a kind (NaN) is left out of the mean of that kind only.

    Raises
    ------
    ValueError
        Without a video, or when modes differ.
    """
    modes = {score.mode for score in scores}
    if len(modes) != 1:
        raise ValueError(f"videos must be scored in one mode, got {sorted(modes) or 'no video'}")
    means = {name: mean_or_nan([getattr(score, name) for score in scores]) for name in AVERAGED}
    columns = zip(*(score.shares for score in scores), strict=True)
    return Accuracy(
        mode=scores[0].mode,
        shares=tuple(mean_or_nan(column) for column in columns),
        cells=sum(score.cells for score in scores),
        videos=sum(score.videos for score in scores),
        **means,
    )


def _mask(values: ArrayLike | None, default: Mask, name: str) -> Mask:
    if values is None:
        return default
    mask = np.asarray(values, dtype=np.bool_)
    if mask.shape != default.shape:
        raise ValueError(f"{name} must have shape {default.shape}, got {mask.shape}")
    return mask
