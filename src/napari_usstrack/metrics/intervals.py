"""Bootstrap confidence intervals whose unit is a whole point or a whole clip.

Neighbouring frames are nearly the same measurement, and points of one clip
move together. Resampling frames pretends to far more evidence than there is
and gives intervals that are far too narrow, so the unit is never a frame; for
a claim about other clips it must be the clip (or the subject).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.metrics.pairs import Floats, mean_or_nan

Unit = Literal["point", "clip", "subject"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile bootstrap interval.

    Attributes
    ----------
    estimate : float
        Of the units as they are.
    low, high : float
        Ends of the interval; NaN with fewer than two units.
    level : float
        Share of resamples between them.
    unit : {"point", "clip", "subject"}
        What was resampled.
    units : int
        How many there are.
    resamples : int
        Resamples that gave a number.
    """

    estimate: float
    low: float
    high: float
    level: float
    unit: Unit
    units: int
    resamples: int


def bootstrap(
    units: Sequence[Any],
    statistic: Callable[[Sequence[Any]], float],
    *,
    unit: Unit,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Percentile interval of any statistic of whole units.

    Parameters
    ----------
    units : sequence
        All that belongs to each point or clip, such as its error in every
        frame.
    statistic : callable
        Takes a list of units, some of them several times, and returns one
        number; NaN where it has none.
    unit : {"point", "clip", "subject"}
        What the units are.
    rng : numpy Generator
        Seeded, so that the interval can be made again.
    level : float
        Between 0 and 1.
    resamples : int
        How often as many units are drawn, with replacement.

    Returns
    -------
    Interval
        Resamples that give NaN are left out and not counted.

    Raises
    ------
    ValueError
        For another unit, level or number of resamples.

    Notes
    -----
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter
    13. With few units percentile intervals are too narrow.
    """
    _check(unit, level, resamples)
    count = len(units)
    drawn = np.full(resamples, np.nan)
    if count > 1:
        for i, chosen in enumerate(rng.integers(0, count, (resamples, count))):
            drawn[i] = statistic([units[j] for j in chosen])
    return _interval(statistic(list(units)) if count else np.nan, drawn, level, unit, count)


def bootstrap_mean(
    values: ArrayLike,
    *,
    unit: Unit,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Percentile interval of the plain mean of one number per unit.

    To compare two methods on the same units, give the differences: the
    intervals of each alone may overlap although one is always better.

    Parameters
    ----------
    values : array_like, shape (units,)
        One number per point or clip, such as its MTE. NaN is left out and not
        counted as a unit.
    unit, rng, level, resamples
        As for `bootstrap`.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        As `bootstrap`, or for another shape.
    """
    _check(unit, level, resamples)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must be one number per unit, got shape {array.shape}")
    known = array[~np.isnan(array)]
    drawn = np.full(resamples, np.nan)
    if known.size > 1:
        drawn = known[rng.integers(0, known.size, (resamples, known.size))].mean(axis=1)
    return _interval(mean_or_nan(known), drawn, level, unit, known.size)


def _interval(estimate: float, drawn: Floats, level: float, unit: Unit, count: int) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    tail = 0.5 * (1.0 - level)
    ends = np.quantile(drawn, [tail, 1.0 - tail]) if drawn.size else np.full(2, np.nan)
    low, high = (float(end) for end in ends)
    return Interval(float(estimate), low, high, level, unit, count, int(drawn.size))


def _check(unit: Unit, level: float, resamples: int) -> None:
    if unit not in get_args(Unit):
        raise ValueError(f"unit must be one of {get_args(Unit)}, got {unit!r}")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"cannot take {resamples} resamples at level {level}")
