"""Evidence that a cell is wrong, one kind at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.smoothing.outliers import centre_and_spread, length, steps, surprises

LOST, STILL_LOST = 19.0, 9.0
"""How many times a limit it counts to lose a point, and to be lost since longer."""
SMALLEST = 0.01
LEFT_OVER = 0.5
"""Steps there and back leave less than this part of the shorter one."""
STEP_OF_NOISE = 1.665
"""Median length of a step of white noise, in its standard deviations per axis."""
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """From where on something is worth a look.

    Attributes
    ----------
    confidence : float
        A confidence below it, 0 to 1.
    step_px : float
        A jump or blip of more than this, px.
    deviations : float
        Robust standard deviations that a step or a disagreement stands out
        from the ordinary noise of its point.
    blip_frames : int
        Most frames of a blip.
    apart_px : float
        A distance to the same point in another run of more than this, px.
    gap_px : float
        A forward-backward distance of more than this, px.
    gap_frames : int
        Doubtful frames no farther apart are one entry, and doubts no farther
        from a label set by hand count less.
    """

    confidence: float = 0.5
    step_px: float = 1.5
    deviations: float = 6.0
    blip_frames: int = 5
    apart_px: float = 2.0
    gap_px: float = 2.0
    gap_frames: int = 5


DEFAULT = Limits()


@dataclass(frozen=True, eq=False)
class Doubt:
    """One kind of evidence for every cell.

    Attributes
    ----------
    phrase : str
        What it is called, with the place of the amount.
    times : float64 ndarray, shape (frames, points)
        How many times its limit it is; 0 where there is nothing to say.
    amount : float64 ndarray, shape (frames, points) or (frames, points, 2)
        A plain number, or a vector in px whose length is told.
    unit : str
        Of plain numbers.
    """

    phrase: str
    times: Floats
    amount: Floats
    unit: str = ""

    @property
    def score(self) -> Floats:
        """Weight of the evidence, 0 to 1, half at the limit."""
        return self.times / (1.0 + self.times)

    def words(self, frame: int, column: int, spacing_mm: tuple[float, float] | None) -> str:
        """Name the evidence in one cell; mm per px adds mm to lengths."""
        amount = self.amount[frame, column]
        if amount.ndim == 0:
            return self.phrase.format(f"{amount:.{1 if self.unit else 2}f}{self.unit}")
        told = f"{np.hypot(*amount):.1f} px"
        if spacing_mm is not None:
            told += f" ({np.hypot(*amount * spacing_mm):.2f} mm)"
        return self.phrase.format(told)


def doubts_of(
    shown: Tracks,
    said: Mask,
    others: Mapping[str, Tracks],
    limits: Limits,
    gap_px: Floats | None = None,
) -> list[Doubt]:
    """Collect all evidence against the cells that no person set.

    Parameters
    ----------
    shown : Tracks
        Labels over a run.
    said : bool ndarray, shape (frames, points)
        Its cells that a person set.
    others : mapping of str to Tracks
        Other runs by name.
    limits : Limits
        From where on something is worth a look.
    gap_px : float64 ndarray, shape (frames, points), optional
        Forward-backward distance, px; NaN where unknown.

    Raises
    ------
    UsstrackError
        When another run is of another length.
    """
    free = ~said
    found = [_lost(shown, free), _unsure(shown, free, limits), *_restless(shown, said, limits)]
    if gap_px is not None:
        wide = free & shown.visible & (gap_px > limits.gap_px)
        times = np.where(wide, gap_px / limits.gap_px, 0.0)
        found.append(Doubt("forward and backward {} apart", times, gap_px, " px"))
    for name, other in others.items():
        if other.shape[0] != shown.shape[0]:
            raise UsstrackError(
                f"Run {name} has {other.shape[0]} frames and this clip {shown.shape[0]}; "
                "compare with runs of this clip."
            )
        found += _disagreement(shown, free, name, other, limits)
    return [doubt for doubt in found if doubt.times.any()]


def _lost(shown: Tracks, free: Mask) -> Doubt:
    lost = free & shown.present & ~shown.visible
    beside = np.zeros_like(lost)
    beside[1:] |= shown.visible[:-1]
    beside[:-1] |= shown.visible[1:]
    times = np.where(lost, np.where(beside, LOST, STILL_LOST), 0.0)
    return Doubt("lost", times, times)


def _unsure(shown: Tracks, free: Mask, limits: Limits) -> Doubt:
    unsure = free & shown.visible & (shown.confidence < limits.confidence)
    floor = SMALLEST * limits.confidence
    times = np.zeros(shown.shape)
    times[unsure] = limits.confidence / np.maximum(shown.confidence[unsure], floor)
    return Doubt("confidence {}", times, shown.confidence.astype(np.float64))


def _restless(shown: Tracks, said: Mask, limits: Limits) -> Iterator[Doubt]:
    """Jumps, and blips that explain some of them."""
    if shown.shape[0] < 3:
        return
    seen = np.where(shown.visible[..., None], shown.xy, np.nan)
    calibration = shown.video.calibration
    surprise = surprises(seen, calibration.times_s if calibration.variable_rate else None)
    centre, spread = centre_and_spread(surprise)
    bar = np.fmax(centre + limits.deviations * spread, limits.step_px)
    times = np.where(surprise > bar, surprise / bar, 0.0)
    shift = np.zeros_like(seen)
    shift[1:] = steps(seen)
    yield _blips(seen, said, times, shift, bar, limits.blip_frames)
    yield _jumps(said, times, shift)


def _blips(
    xy: Floats, said: Mask, times: Floats, shift: Floats, bar: Floats, longest: int
) -> Doubt:
    """Blips that a person did not set; the steps of each are taken out of `times`."""
    found, away = np.zeros_like(times), np.zeros_like(xy)
    column, first, back = _there_and_back(times, shift, longest)
    owner, rows, out = _excursions(xy, column, first, back)
    across = column[owner]
    strength = np.where(said[rows, across], 0.0, length(out) / bar[across])
    strength[strength <= 1.0] = 0.0
    found[rows, across], away[rows, across] = strength, out
    explained = np.bincount(owner, strength, minlength=len(column)) > 0
    times[first[explained], column[explained]] = 0.0
    times[back[explained], column[explained]] = 0.0
    return Doubt("there and back {}", found, away)


def _there_and_back(times: Floats, shift: Floats, longest: int) -> tuple[Indices, Indices, Indices]:
    """Column of each blip, the frame that leaves and the frame that is back.

    Two sudden steps in a row, at most `longest` frames apart, that take back
    most of each other.
    """
    column, frame = np.nonzero(times.T > 0)
    step = shift[frame, column]
    size, rest = length(step), length(step[1:] + step[:-1])
    pairs = (np.diff(column) == 0) & (np.diff(frame) <= longest)
    pairs &= rest < LEFT_OVER * np.minimum(size[1:], size[:-1])
    taken = -1
    chosen = []
    for pair in np.flatnonzero(pairs).tolist():
        if pair > taken:
            chosen.append(pair)
            taken = pair + 1
    at = np.array(chosen, dtype=np.intp)
    return column[at], frame[at], frame[at + 1]


def _excursions(
    xy: Floats, column: Indices, first: Indices, back: Indices
) -> tuple[Indices, Indices, Floats]:
    """Tell for each frame of a blip which blip, which frame, and how far from the straight way.

    That way leads from the frame before the blip to the frame that is back.
    """
    count = back - first
    owner = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    rows = first[owner] + place
    share = ((place + 1) / (count[owner] + 1))[:, None]
    across = column[owner]
    way = (1.0 - share) * xy[first[owner] - 1, across] + share * xy[back[owner], across]
    return owner, rows, np.nan_to_num(xy[rows, across] - way)


def _jumps(said: Mask, times: Floats, shift: Floats) -> Doubt:
    """Jumps, blamed on the frame before where they end in a label."""
    into_label = (times > 0) & said
    before = np.zeros_like(times)
    before[:-1][into_label[1:]] = times[1:][into_label[1:]]
    own = np.where(said, 0.0, times)
    before[said | (before < own)] = 0.0
    amount = shift.copy()
    moved = before > 0
    amount[:-1][moved[:-1]] = shift[1:][moved[:-1]]
    return Doubt("jump of {}", np.maximum(own, before), amount)


def _disagreement(
    shown: Tracks, free: Mask, name: str, other: Tracks, limits: Limits
) -> Iterator[Doubt]:
    shared = [point for point in shown.names if point in other.names]
    mine = [shown.column(point) for point in shared]
    theirs = [other.column(point) for point in shared]
    votes = other.visible & ~(other.confidence < limits.confidence)
    both = shown.visible[:, mine] & votes[:, theirs]
    apart = np.where(both[..., None], shown.xy[:, mine] - other.xy[:, theirs], np.nan)
    noise, _ = centre_and_spread(length(np.diff(apart, axis=0)))
    bar = np.fmax(limits.deviations * noise / STEP_OF_NOISE, limits.apart_px)
    distance = length(apart)
    times, amount = np.zeros(shown.shape), np.zeros((*shown.shape, 2))
    times[:, mine] = np.where(free[:, mine] & (distance > bar), distance / bar, 0.0)
    amount[:, mine] = apart
    yield Doubt("{} from run " + name.replace("{", "{{").replace("}", "}}"), times, amount)
