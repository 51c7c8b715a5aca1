"""Which cells of a prediction are scored, and how far off they are.

Arrays are ``[frames, points, 2]`` or ``[frames, points]``, NaN where there is
no position. A cell is one pair of a point and a frame.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Mode = Literal["first", "strided"]
"""Frames that count: those after the query frame, or all but the query frame."""


def track_pair(predicted_xy: ArrayLike, true_xy: ArrayLike) -> tuple[Floats, Floats]:
    """Check and convert two arrays of positions.

    Raises
    ------
    ValueError
        When they are not both ``[frames, points, 2]`` of one shape.
    """
    predicted = np.asarray(predicted_xy, dtype=np.float64)
    true = np.asarray(true_xy, dtype=np.float64)
    if predicted.shape != true.shape or true.ndim != 3 or true.shape[-1] != 2:
        raise ValueError(
            f"prediction and truth must be frames x points x 2, "
            f"got {predicted.shape} and {true.shape}"
        )
    return predicted, true


def counted_cells(shape: tuple[int, int], *, query_frames: ArrayLike, mode: Mode) -> Mask:
    """Cells that count, whatever their truth.

    The query frame never counts: its error is 0 by construction and would
    only flatter.

    Parameters
    ----------
    shape : tuple of int
        Frames, points.
    query_frames : array_like of int, shape () or (points,)
        Row of each point's query.
    mode : {"first", "strided"}
        Only frames after the query, or all others. Scores of one mode cannot
        be compared with those of the other.

    Returns
    -------
    bool ndarray, shape (frames, points)

    Raises
    ------
    ValueError
        For an unknown mode, or a query frame outside the rows.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {get_args(Mode)}, got {mode!r}")
    offset = frames_from_query(shape, query_frames)
    return offset > 0 if mode == "first" else offset != 0


def frames_from_query(shape: tuple[int, int], query_frames: ArrayLike) -> NDArray[np.intp]:
    """Frames from each point's query to each row, negative before it."""
    frames, points = shape
    query = np.broadcast_to(np.asarray(query_frames, dtype=np.intp), (points,))
    if ((query < 0) | (query >= frames)).any():
        raise ValueError(f"query frames must lie in 0..{frames - 1}, got {query.tolist()}")
    return np.arange(frames, dtype=np.intp)[:, None] - query


def scored_cells(
    true_xy: ArrayLike,
    *,
    query_frames: ArrayLike,
    mode: Mode,
    true_visible: ArrayLike | None = None,
) -> Mask:
    """Cells whose position is scored: they count, and the true point is visible.

    Parameters
    ----------
    true_xy : array_like, shape (frames, points, 2)
        NaN where the truth is unknown.
    query_frames, mode
        As for `counted_cells`.
    true_visible : array_like of bool, shape (frames, points), optional
        Left out, the point is visible wherever its position is known.

    Returns
    -------
    bool ndarray, shape (frames, points)

    Raises
    ------
    ValueError
        As `counted_cells`.
    """
    known = ~np.isnan(np.asarray(true_xy, dtype=np.float64)).any(axis=-1)
    frames, points = known.shape
    scored = known & counted_cells((frames, points), query_frames=query_frames, mode=mode)
    return scored if true_visible is None else scored & np.asarray(true_visible, dtype=np.bool_)


def missing_share(distances: ArrayLike, scored: Mask) -> float:
    """Share of the scored cells that have no prediction; NaN where none is scored."""
    return mean_or_nan(np.isnan(np.asarray(distances))[scored])


def survival(distances: ArrayLike, scored: Mask, *, query_frames: ArrayLike, limit: float) -> float:
    """Share of a point's scored frames before it is first lost, mean over points.

    A point that comes back is still lost: counting it again would reward
    chance. Before the query the clip runs backward, so there a point is lost
    from the last frame over the limit down.

    Parameters
    ----------
    distances : array_like, shape (frames, points)
        NaN is a missing prediction, which is lost.
    scored : bool ndarray, shape (frames, points)
        From `scored_cells`.
    query_frames : array_like of int, shape () or (points,)
    limit : float
        Lost is farther than this, in the unit of `distances`; at it is not.

    Returns
    -------
    float
        0 to 1. Points without a scored frame are left out; NaN if none is left.
    """
    distances = np.asarray(distances, dtype=np.float64)
    frames, points = distances.shape
    offset = frames_from_query((frames, points), query_frames)
    lost = scored & ~(distances <= limit)
    ahead = np.where(lost & (offset > 0), offset, frames).min(axis=0, initial=frames)
    behind = np.where(lost & (offset < 0), offset, -frames).max(axis=0, initial=-frames)
    kept = scored & (offset < ahead) & (offset > behind)
    count = scored.sum(axis=0)
    return mean_or_nan(kept.sum(axis=0)[count > 0] / count[count > 0])


def mean_or_nan(values: ArrayLike) -> float:
    """Mean of the values that are not NaN; NaN where none is left."""
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if known.size else float("nan")
