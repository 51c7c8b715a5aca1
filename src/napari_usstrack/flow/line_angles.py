"""Direction of fascicles over time, read off the votes of all frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.geometry import Floats, fold_deg
from napari_usstrack.flow.ridges import Votes, direction

TURN_DEG = 2.5
"""Usual turn of fascicles from frame to frame, for the most plausible path."""
DRAWN_SD_DEG = 3.0
"""How far a drawn fascicle may be from the direction of all lines around it."""
LOUDNESS = 6.0
"""Weight of the votes against the smoothness of the path."""
NEAR_DEG = 8.0
LEAST_PENNATION_DEG, FORBIDDEN = 8.0, 20.0
"""Fascicles are no nearer to parallel to the aponeuroses than this, or half the
drawn pennation if that is less; and what a path pays for it per frame."""
ANGLE_SD_DEG = 0.7
"""Least standard deviation of a measured angle."""
FILTERS_SD_DEG = 2.0
"""How far filters are off for long, as on generated muscles."""
FADE_DEG = 3.0
"""Turn by which what was drawn apart from the measured direction has faded."""


@dataclass(frozen=True, eq=False)
class Angles:
    """Direction of a bundle of lines in every frame.

    Attributes
    ----------
    measured_deg, sd_deg : float64 ndarray, shape (frames,)
        Without jumps of 180; NaN where there is nothing to see.
    """

    measured_deg: Floats
    sd_deg: Floats


def read_angles(
    cast: Sequence[Votes], anchor: int, drawn_deg: float, sheets_deg: Sequence[float] = ()
) -> Angles:
    """Read the direction in every frame, near the most plausible path.

    Parameters are those of `plausible_path`.
    """
    path = plausible_path(cast, anchor, drawn_deg, sheets_deg)
    read = [
        direction(each, predicted_deg=float(at), search_deg=NEAR_DEG)
        for each, at in zip(cast, path, strict=True)
    ]
    angle = np.array([each.angle_deg for each in read])
    sd = np.hypot([each.sd_deg for each in read], ANGLE_SD_DEG)
    return Angles(path + fold_deg(angle - path), sd)


def as_drawn(smooth: Floats, drawn_deg: float, anchor: int, fade_deg: float) -> Floats:
    """Angles that are the drawn one in the anchor frame.

    Parameters
    ----------
    smooth : float64 ndarray, shape (frames,)
        As measured, degrees.
    drawn_deg : float
    anchor : int
        Frame in which the line was drawn.
    fade_deg : float
        The offset in the anchor frame is added in full to frames of the same
        measured direction, and by a Gaussian of this sigma less to others;
        infinity keeps it everywhere.

    Notes
    -----
    In relaxed muscle fascicles are faint and speckle, wider than deep, flattens
    what the filters see; in contracted muscle they are clear. An offset seen in
    one state is wrong in the other.
    """
    if np.isnan(smooth[anchor]):
        return np.full(len(smooth), drawn_deg)
    offset = float(fold_deg(drawn_deg - smooth[anchor]))
    turned = (smooth - smooth[anchor]) / fade_deg
    return np.asarray(smooth + offset * np.exp(-0.5 * turned * turned))


def corrected(held_deg: Floats, flow_deg: Floats, linked: ArrayLike) -> Floats:
    """Believe filters against flow only if they part by more than filters are off.

    Parameters
    ----------
    held_deg : float64 ndarray, shape (frames,)
        Direction from filters and flow together.
    flow_deg : float64 ndarray, shape (frames,)
        From flow alone, the drawn one where the line was drawn.
    linked : array_like of bool, shape (frames - 1,)
        Whether flow is known over each step.

    Returns
    -------
    float64 ndarray, shape (frames,)

    Notes
    -----
    What the filters add to flow is kept by a share D^4 / (D^4 + 2^4), with D its
    root mean square over the clip, degrees: an empirical Bayes shrinkage as of
    James and Stein (1961), but steeper. Where flow is not known it is kept in full.
    """
    added = fold_deg(held_deg - flow_deg)
    size = float(np.mean(added * added)) ** 2
    known = np.asarray(linked, dtype=bool)
    lost = 1.0 - size / (size + FILTERS_SD_DEG**4)
    followed = float(known.mean()) if known.size else 0.0
    return np.asarray(flow_deg + (1.0 - followed * lost) * added)


def plausible_path(
    cast: Sequence[Votes], anchor: int, drawn_deg: float, sheets_deg: Sequence[float] = ()
) -> Floats:
    """Most plausible direction in every frame.

    Parameters
    ----------
    cast : sequence of Votes
        One for each frame.
    anchor : int
        Frame in which the direction was drawn.
    drawn_deg : float
        As drawn.
    sheets_deg : sequence of float
        Directions of the aponeuroses in the anchor frame. The path keeps off
        them, on the side of the drawn direction.

    Returns
    -------
    float64 ndarray, shape (frames,)
        Degrees, without jumps of 180; the sum of votes is largest less a
        penalty for turning.
    """
    angles = cast[0].angles_deg
    count, step = len(angles), float(angles[1] - angles[0])
    heights = np.stack([each.all for each in cast])
    usual = [
        np.median(row if each.sought is None else row[each.sought])
        for row, each in zip(heights, cast, strict=True)
    ]
    clear = heights - np.array(usual)[:, None]
    scale = max(float(np.median(clear.max(axis=1))), 1e-12)
    score = LOUDNESS * np.minimum(clear / scale, 2.0)
    for row, each in zip(score, cast, strict=True):
        if each.sought is not None:
            row[~each.sought] = -LOUDNESS * FORBIDDEN
    score[anchor] -= 0.5 * (fold_deg(angles - drawn_deg) / DRAWN_SD_DEG) ** 2
    for sheet in sheets_deg:
        side = float(fold_deg(drawn_deg - sheet))
        least = min(LEAST_PENNATION_DEG, 0.5 * abs(side))
        score -= FORBIDDEN * (fold_deg(angles - sheet) * np.sign(side) < least)
    reach = round(4.0 * TURN_DEG / step)
    turns = np.arange(-reach, reach + 1)
    penalty = 0.5 * (turns * step / TURN_DEG) ** 2
    total, came = score[0], np.zeros((len(cast), count), dtype=int)
    for frame in range(1, len(cast)):
        from_each = np.stack([np.roll(total, turn) for turn in turns]) - penalty[:, None]
        best = from_each.argmax(axis=0)
        came[frame] = turns[best]
        total = score[frame] + from_each.max(axis=0)
    at = int(total.argmax())
    path = np.empty(len(cast), dtype=int)
    for frame in range(len(cast) - 1, -1, -1):
        path[frame] = at
        at = (at - came[frame, at]) % count
    return np.unwrap(angles[path], period=180.0)
