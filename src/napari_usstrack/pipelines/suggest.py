"""Which frame and point to check next, worst first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.pipelines.doubts import DEFAULT, Doubt, Limits, doubts_of

NOTHING: Mapping[str, Tracks] = MappingProxyType({})
AT_ANCHOR = 0.5
"""Part of the score that is left right beside an anchor."""
AGAIN = 0.7
"""Part of the score that is left for each further entry of a stretch."""
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Flag:
    """A place that deserves a second look.

    Attributes
    ----------
    frame : int
        Where it is worst.
    point : str
        Which point.
    score : float
        0 to 1, the worst highest; half means just over a limit.
    reasons : tuple of str
        Short phrases with numbers and units, the strongest first: what is wrong in
        this frame, what else is in others of the entry, and which frames those are.
    first, last : int
        The frames it stands for, both included; not all of them need be in doubt.
    """

    frame: int
    point: str
    score: float
    reasons: tuple[str, ...]
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class _Groups:
    """Doubtful frames of one point that lie together, one row each."""

    column: Indices
    first: Indices
    last: Indices
    frame: Indices
    score: Floats

    def at(self, rows: Indices | Mask | slice) -> _Groups:
        """Give some of the groups."""
        return _Groups(
            self.column[rows],
            self.first[rows],
            self.last[rows],
            self.frame[rows],
            self.score[rows],
        )


def check_next(
    annotations: Tracks,
    shown: Tracks,
    *,
    others: Mapping[str, Tracks] = NOTHING,
    dismissed: Collection[tuple[int, str]] = (),
    spacing_mm: tuple[float, float] | None = None,
    gap_px: ArrayLike | None = None,
    limits: Limits = DEFAULT,
    most: int = 200,
) -> tuple[Flag, ...]:
    """List the places to check next, the worst first.

    Looked at is every cell of `shown` that no person set: its confidence, jumps
    and blips, the distance to other runs, and whether the point is lost. Doubts
    that lie together in one point are one entry, at the worst frame. Doubts near
    a label set by hand count less, and so do further entries of one stretch
    between two labels, since a new label there renews the whole stretch.

    Parameters
    ----------
    annotations : Tracks
        The labels.
    shown : Tracks
        Labels over the run that is looked at.
    others : mapping of str to Tracks
        Other runs to compare with, by name.
    dismissed : collection of (frame, point)
        Places that a person looked at and found right; an entry whose frames
        include one is left out.
    spacing_mm : tuple of float, optional
        Mm per px, (x, y); adds mm to the reasons.
    gap_px : array_like, shape (frames, points of `shown`), optional
        Forward-backward distance, px; NaN where unknown.
    limits : Limits
        From where on something is worth a look.
    most : int
        Longest list.

    Returns
    -------
    tuple of Flag
        The same for the same input.

    Raises
    ------
    UsstrackError
        When the labels or another run are of another length.
    """
    said = shown.said | _spread(annotations, annotations.said, shown)
    gap = None if gap_px is None else np.asarray(gap_px, dtype=np.float64)
    doubts = doubts_of(shown, said, others, limits, gap)
    if not doubts:
        return ()
    score = 1.0 - np.prod([1.0 - doubt.score for doubt in doubts], axis=0)
    groups = _groups(score, _looked_at(annotations, shown), limits)
    groups = groups.at(_open(groups, shown, dismissed))
    groups = _ranked(groups, said).at(slice(most))
    return tuple(_flag(groups, row, shown, doubts, spacing_mm) for row in range(len(groups.score)))


def _spread(annotations: Tracks, mask: Mask, shown: Tracks) -> Mask:
    """Carry a mask over the annotations to the columns of `shown`."""
    if annotations.shape[0] != shown.shape[0]:
        raise UsstrackError(
            f"The labels have {annotations.shape[0]} frames and the tracks {shown.shape[0]}; "
            "compare tables of one clip."
        )
    out = np.zeros(shown.shape, dtype=bool)
    shared = [name for name in shown.names if name in annotations.names]
    mine = [annotations.column(name) for name in shared]
    out[:, [shown.column(name) for name in shared]] = mask[:, mine]
    return out


def _looked_at(annotations: Tracks, shown: Tracks) -> Mask:
    looked = np.isin(annotations.source, (Source.MANUAL, Source.ABSENT))
    return _spread(annotations, looked, shown)


def _groups(score: Floats, looked: Mask, limits: Limits) -> _Groups:
    column, frame = np.nonzero(score.T > 0)
    value = score[frame, column] * _weight(frame, column, looked, limits.gap_frames)
    new = np.ones(len(frame), dtype=bool)
    new[1:] = (np.diff(column) > 0) | (np.diff(frame) > limits.gap_frames)
    start = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    worst = np.lexsort((frame, -value, group))[start]
    end = np.append(start[1:], len(frame)) - 1
    return _Groups(column[start], frame[start], frame[end], frame[worst], value[worst])


def _weight(frame: Indices, column: Indices, looked: Mask, near: int) -> Floats:
    """Part of the score that is left this close to a label set by hand."""
    away = np.full(len(frame), near + 1)
    for lag in range(near, 0, -1):
        for at in (frame - lag, frame + lag):
            inside = (at >= 0) & (at < len(looked))
            rows = np.flatnonzero(inside)
            away[rows[looked[at[rows], column[rows]]]] = lag
    return AT_ANCHOR + (1.0 - AT_ANCHOR) * (away - 1) / max(near, 1)


def _open(groups: _Groups, shown: Tracks, dismissed: Collection[tuple[int, str]]) -> Mask:
    """Groups in which nothing was dismissed."""
    keep = np.ones(len(groups.frame), dtype=bool)
    for frame, name in dismissed:
        if name in shown.names:
            here = (groups.first <= frame) & (frame <= groups.last)
            keep &= ~(here & (groups.column == shown.column(name)))
    return keep


def _ranked(groups: _Groups, said: Mask) -> _Groups:
    """Worst first; each further group of a stretch between labels counts less."""
    groups = groups.at(_order(groups))
    stretch = np.cumsum(said, axis=0)[groups.frame, groups.column]
    _, key = np.unique(np.stack([groups.column, stretch]), axis=1, return_inverse=True)
    by_stretch = np.argsort(key.ravel(), kind="stable")
    start = np.searchsorted(key.ravel()[by_stretch], key.ravel()[by_stretch])
    earlier = np.empty(len(start), dtype=np.intp)
    earlier[by_stretch] = np.arange(len(start)) - start
    groups = replace(groups, score=groups.score * AGAIN**earlier)
    return groups.at(_order(groups))


def _order(groups: _Groups) -> Indices:
    return np.lexsort((groups.frame, groups.column, -groups.score))


def _flag(
    groups: _Groups,
    row: int,
    shown: Tracks,
    doubts: Sequence[Doubt],
    spacing_mm: tuple[float, float] | None,
) -> Flag:
    column, frame = int(groups.column[row]), int(groups.frame[row])
    first, last = int(groups.first[row]), int(groups.last[row])
    here, elsewhere = [], []
    for doubt in doubts:
        times = doubt.times[first : last + 1, column]
        worst = first + int(times.argmax())
        if doubt.times[frame, column] > 0:
            words = doubt.words(frame, column, spacing_mm)
            here.append((-float(doubt.times[frame, column]), words))
        elif doubt.times[worst, column] > 0:
            words = f"{doubt.words(worst, column, spacing_mm)} in frame {worst}"
            elsewhere.append((-float(doubt.times[worst, column]), words))
    reasons = [words for _, words in sorted(here) + sorted(elsewhere)]
    if last > first:
        reasons.append(f"frames {first} to {last}")
    name, score = shown.names[column], float(groups.score[row])
    return Flag(frame, name, score, tuple(reasons), first, last)
