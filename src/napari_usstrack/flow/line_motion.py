"""What tracked points say of the line they lie on: how it moved, turned and stretched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.geometry import Floats
from napari_usstrack.core.tracks import Cells
from napari_usstrack.flow.line_drawings import Drawing

Mask = NDArray[np.bool_]
ROUNDS, TUKEY = 4, 4.685
LEAST_SCALE_MM = 0.01
SHRINK = 0.5
"""Weight, in points, against stretch along the line."""
LEAST_LENGTH = 0.3
OWN_MM, OWN_SHARE = 1.0, 0.4
"""How far a point may move along the line apart from all others, mm, and as a share
of the distance to the next point."""


@dataclass(frozen=True, eq=False)
class Carried:
    """Points of one line as flow carried them.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Mm.
    seen : bool ndarray, shape (frames, points)
        Not lost.
    """

    xy: Floats
    seen: Mask

    @classmethod
    def of(
        cls, drawing: Drawing, cells: Cells, frames: range, first: int, spacing: Floats
    ) -> Carried:
        """Take the points of a drawing from cells whose row 0 is frame `first`."""
        rows = slice(frames.start - first, frames.stop - first)
        xy = np.full((len(frames), len(drawing.points), 2), np.nan)
        seen = np.zeros(xy.shape[:2], dtype=bool)
        for i, columns in enumerate(drawing.columns):
            for column in columns:
                there = cells.present[rows, column] & ~seen[:, i]
                xy[there, i] = cells.xy[rows, column][there]
                seen[there, i] = cells.visible[rows, column][there]
        anchor = drawing.frame - frames.start
        xy[anchor], seen[anchor] = drawing.points, True
        return cls(xy * spacing, seen)

    @property
    def linked(self) -> Mask:
        """Steps over which two points at least were followed, shape (frames - 1,)."""
        return np.asarray((self.seen[1:] & self.seen[:-1]).sum(axis=1) >= 2)


@dataclass(frozen=True, eq=False)
class Moves:
    """Motion of a line since it was drawn, summed up from frame to frame.

    Attributes
    ----------
    across, tilt : float64 ndarray, shape (frames,)
        Of its middle across the drawn line, and of its ends besides, mm.
    turn_deg : float64 ndarray, shape (frames,)
        Rotation, rising to the right is positive.
    centre : float64 ndarray, shape (frames, 2)
        Of its middle, mm.
    """

    across: Floats
    tilt: Floats
    turn_deg: Floats
    centre: Floats


def moves(carried: Carried, anchor: int) -> Moves:
    """Sum up the steps of a line outwards from the frame it was drawn in; 0 where unknown."""
    drawn = carried.xy[anchor]
    chord = drawn[-1] - drawn[0]
    place = (drawn - drawn.mean(axis=0)) @ chord / float(np.hypot(*chord))
    steps = np.array([_step(carried, row, place) for row in range(len(carried.xy) - 1)])
    path = np.concatenate([np.zeros((1, 5)), np.cumsum(steps.reshape(-1, 5), axis=0)])
    path -= path[anchor]
    return Moves(path[:, 0], path[:, 1], path[:, 2], path[:, 3:])


def _step(carried: Carried, row: int, place: Floats) -> Floats:
    """Of one step: across and tilt of the line's ends, turn, and x and y of its middle."""
    both = carried.seen[row] & carried.seen[row + 1]
    if both.sum() < 2:
        return np.zeros(5)
    here, there = carried.xy[row, both], carried.xy[row + 1, both]
    chord = here[-1] - here[0]
    length = float(np.hypot(*chord))
    if length == 0:
        return np.zeros(5)
    along = chord / length
    normal = np.array([-along[1], along[0]])
    shift, turn = robust_line(place[both], (there - here) @ normal)
    slide, _ = robust_line(place[both], (there - here) @ along)
    across = shift + turn * 0.5 * (place[0] + place[-1])
    tilt = turn * 0.5 * (place[-1] - place[0])
    middle = slide * along + shift * normal
    return np.array([across, tilt, -np.rad2deg(np.arctan(turn)), *middle])


def robust_line(place: Floats, values: Floats, shrink: float = 0.0) -> tuple[float, float]:
    """Value at place 0, and slope, by Tukey's biweight; the slope is drawn to 0 by `shrink`."""
    columns = np.stack([np.ones_like(place), place], axis=-1)
    rms = float(np.sqrt(np.mean(place * place))) or 1.0
    prior = np.diag([1e-9, shrink * rms * rms + 1e-9])
    weight: Floats = np.ones(len(place))
    solution: Floats = np.zeros(2)
    for _ in range(ROUNDS):
        normal = columns.T @ (columns * weight[:, None]) + prior
        solution = np.asarray(np.linalg.solve(normal, columns.T @ (weight * values)))
        rest = values - columns @ solution
        scale = max(1.4826 * float(np.median(np.abs(rest))), LEAST_SCALE_MM)
        weight = np.asarray(np.clip(1.0 - (rest / (TUKEY * scale)) ** 2, 0.0, None) ** 2 + 1e-6)
    return float(solution[0]), float(solution[1])


def along_line(places: Floats, now: Floats, seen: Mask) -> Floats:
    """Places of points along their line, in order and none far from the common motion.

    Parameters
    ----------
    places : float64 ndarray, shape (points,)
        Where they are expected along the line, mm, rising.
    now : float64 ndarray, shape (frames, points)
        Where flow says they are.
    seen : bool ndarray, shape (frames, points)

    Returns
    -------
    float64 ndarray, shape (frames, points)
        A common shift and stretch, fitted robustly to what is seen, and of
        each point at most 1 mm, or 0.4 of the distance to the next point, of
        its own. Where nothing is seen, as in the frame before.
    """
    room = min(OWN_MM, OWN_SHARE * float(np.diff(places).min(initial=np.inf)))
    middle = places.mean()
    found = np.empty_like(now)
    last = np.zeros(2)
    for row in range(len(now)):
        ok = seen[row]
        off = now[row] - places
        if ok.sum() >= 2:
            last = np.array(robust_line(places[ok] - middle, off[ok], SHRINK))
            last[1] = max(last[1], LEAST_LENGTH - 1.0)
        elif ok.any():
            last[0] = float(off[ok].mean() - last[1] * (places[ok] - middle).mean())
        common = last[0] + last[1] * (places - middle)
        own = np.where(ok, np.clip(off - common, -room, room), 0.0)
        found[row] = np.maximum.accumulate(places + common + own)
    return found
