"""Frames of later cycles compared with the frames of the first cycle in the same phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.registration import Registered, Templates, register
from napari_usstrack.flow.squares import Crops
from napari_usstrack.flow.support import Support

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Indices = NDArray[np.intp]
THUMB_PX = 32
FEWEST_CYCLES = 1.5
"""Cycles that a clip must hold at least."""
LEAST_PEAK = 0.3
"""Correlation of frames one cycle apart, on average, from which motion counts as periodic."""
LEAST_ALIKE = 0.5
"""Correlation of two frames from which they count as the same phase."""
SOONEST = 0.85
"""Share of a cycle that must lie between two frames in the same phase."""
LEAST_LIKENESS = 0.4
ROOM = 1.0
"""How far apart two cycles may be in the same phase, in reaches."""
MOST_CHANGE = 0.3
MATCH = (30.0, 0.15)
"""Error of a match: factor of the stated covariance, and mm beside it."""


def thumbnail(picture: Grey) -> Singles:
    """A picture in 32 x 32 px, flat."""
    cv2 = opencv()
    small = cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32).ravel()


def period(thumbs: Singles) -> int:
    """Frames of a cycle; 0 where motion does not recur.

    Parameters
    ----------
    thumbs : float32 ndarray, shape (frames, pixels)
        As `levelled` gives them.

    Notes
    -----
    Without what all share, frames resemble those nearby, are
    unlike those half a cycle on, and resemble those one cycle on: the first
    such peak of the mean correlation is taken.
    """
    count = len(thumbs)
    alike = _likeness(thumbs, thumbs)
    longest = int(count / FEWEST_CYCLES)
    mean = np.array([np.diagonal(alike, lag).mean() for lag in range(longest + 1)])
    unlike = np.flatnonzero(mean < 0.0)
    if not unlike.size:
        return 0
    peak = mean[unlike[0] :].max()
    if peak < LEAST_PEAK:
        return 0
    near = np.flatnonzero(mean[unlike[0] :] > 0.8 * peak)[0] + unlike[0]
    last = near
    while last + 1 < len(mean) and mean[last + 1] >= mean[last]:
        last += 1
    return int(last)


def partners(thumbs: Singles, query: int, cycle: int) -> Indices:
    """Frame of the cycle next to the query that is in the same phase as each later one.

    Parameters
    ----------
    thumbs : float32 ndarray, shape (frames, pixels)
    query : int
        Frame in which a point is known.
    cycle : int
        Frames of a cycle, at least 1.

    Returns
    -------
    intp ndarray, shape (frames,)
        -1 where there is none, and in the first cycle itself.
    """
    frames = np.arange(len(thumbs))
    out = np.full(len(thumbs), -1, dtype=np.intp)
    for sign in (1, -1):
        first = query + sign * np.arange(cycle)
        first = first[(first >= 0) & (first < len(thumbs))]
        later = frames[(frames - query) * sign >= SOONEST * cycle]
        if not first.size or not later.size:
            continue
        alike = _likeness(thumbs[later], thumbs[first])
        early = np.abs(later[:, None] - first) < SOONEST * cycle
        alike[early] = -1.0
        best = alike.argmax(axis=1)
        good = alike[np.arange(len(later)), best] >= LEAST_ALIKE
        out[later[good]] = first[best[good]]
    return out


def levelled(thumbs: Singles) -> Singles:
    """Thumbnails less what all of them share and of the same strength."""
    moving = thumbs - thumbs.mean(axis=1, keepdims=True)
    moving -= moving.mean(axis=0)
    strength = np.linalg.norm(moving, axis=1, keepdims=True)
    return np.asarray(moving / np.maximum(strength, 1e-3), dtype=np.float32)


def _likeness(some: Singles, others: Singles) -> Singles:
    return np.asarray(some @ others.T)


@dataclass(frozen=True, eq=False)
class Closed:
    """Where a point is by comparison with an earlier cycle, px; NaN where that says nothing.

    Attributes
    ----------
    place : float64 ndarray, shape (n, 2)
    covariance : float64 ndarray, shape (n, 2, 2)
    deformed : float64 ndarray, shape (n, 2, 2)
        How the tissue has deformed since the query.
    """

    place: Floats
    covariance: Floats
    deformed: Floats


@dataclass(frozen=True, eq=False)
class Path:
    """Where a point is thought to be, row by row, and how its tissue has deformed.

    Attributes
    ----------
    centre : float64 ndarray, shape (n, 2)
        Px.
    deformed : float64 ndarray, shape (n, 2, 2)
    """

    centre: Floats
    deformed: Floats

    def of(self, rows: Indices) -> Path:
        """Some rows of it."""
        return Path(self.centre[rows], self.deformed[rows])

    def and_(self, other: Path) -> Path:
        """Both, one after the other."""
        return Path(
            np.concatenate([self.centre, other.centre]),
            np.concatenate([self.deformed, other.deformed]),
        )


def closing_match(
    first: tuple[Grey, Path],
    later: tuple[Grey, Path],
    partner: Indices,
    support: Support,
    mm: float,
) -> Closed:
    """Look in later frames for what a point looked like in the same phase of the first cycle.

    Parameters
    ----------
    first : uint8 ndarray, shape (m, height, width), and Path
        Pictures of the first cycle, and the point's path there.
    later : uint8 ndarray, shape (n, height, width), and Path
        Pictures of later frames, and the path so far.
    partner : intp ndarray, shape (n,)
        Row of `first` in the same phase.
    support : Support
    mm : float
        Side of a pixel.

    Notes
    -----
    The search begins where the point was in the first cycle, so errors gathered
    since do not matter; and once more where the path is. Only where the former
    finds the tissue more alike does it say anything.
    """
    pictures, path = first
    anew = path.of(partner)
    every = path.and_(anew)
    whole = every.and_(later[1])
    crops = Crops([pictures, later[0]], whole.centre, whole.deformed, support)
    seen = crops.squares(crops.grey, np.arange(len(pictures)), path.centre, path.deformed)
    wanted = Templates.of(seen, support).of_rows(partner)
    rows = np.arange(len(pictures), len(every.centre))

    def found(start: Path) -> Registered:
        return register(
            wanted,
            lambda place, shape: crops.squares(crops.grey, rows, place, shape),
            start.centre,
            start.deformed,
            support,
        )

    match, stay = found(anew), found(later[1])
    turn = anew.deformed
    place = anew.centre + np.einsum("nij,nj->ni", turn, match.shift)
    far = np.hypot(*match.shift.T) > ROOM * support.reach_px
    place[far | (match.likeness < np.maximum(LEAST_LIKENESS, stay.likeness))] = np.nan
    own = MATCH[0] * support.grain_px**2 * match.covariance + (MATCH[1] / mm) ** 2 * np.eye(2)
    change = np.clip(match.gradient, -MOST_CHANGE, MOST_CHANGE)
    return Closed(
        place, np.asarray(turn @ own @ turn.transpose(0, 2, 1)), turn @ (np.eye(2) + change)
    )
