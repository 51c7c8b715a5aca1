"""One measured number with its unit, interval and share of missing predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.metrics.intervals import Unit, bootstrap, bootstrap_mean

RESAMPLES = 1000
SEED = 0
PERCENT = "%"
NAN = float("nan")


@dataclass(frozen=True)
class Figure:
    """A number that a table shows.

    Attributes
    ----------
    metric : str
        What was measured; unique together with the unit.
    value : float
        NaN where it is not defined.
    unit : str
    low, high : float
        Ends of the 95 % interval; NaN where there is none.
    over : str
        What was resampled for it: "point", "clip", or nothing.
    missing : float
        Share of the cells asked for that had no prediction, %.
    """

    metric: str
    value: float
    unit: str
    low: float = NAN
    high: float = NAN
    over: str = ""
    missing: float = NAN

    @property
    def label(self) -> str:
        """Metric and unit."""
        return f"{self.metric}, {self.unit}" if self.unit else self.metric


def find(figures: Iterable[Figure], metric: str, unit: str | None = None) -> Figure | None:
    """The figure of a metric, in a unit where there are several; None without one."""
    for figure in figures:
        if figure.metric == metric and unit in (None, figure.unit):
            return figure
    return None


def with_missing(figures: Iterable[Figure], missing: float) -> tuple[Figure, ...]:
    """The same figures, all with this share of missing predictions in %."""
    return tuple(replace(figure, missing=missing) for figure in figures)


def resampled(
    metric: str,
    unit: str,
    count: int,
    statistic: Callable[[NDArray[np.intp]], float],
    *,
    over: Unit = "point",
) -> Figure:
    """A statistic of whole units with its bootstrap interval.

    Parameters
    ----------
    metric, unit : str
    count : int
        Units there are.
    statistic : callable
        Takes indices of units, some of them several times.
    over : {"point", "clip", "subject"}
        What the units are.
    """

    def chosen(units: Sequence[int]) -> float:
        return statistic(np.asarray(units, dtype=np.intp))

    made = bootstrap(
        range(count),
        chosen,
        unit=over,
        rng=np.random.default_rng(SEED),
        resamples=RESAMPLES,
    )
    return Figure(metric, made.estimate, unit, made.low, made.high, over)


def mean_of(metric: str, unit: str, values: ArrayLike, *, over: Unit = "point") -> Figure:
    """Plain mean of one number per unit with its bootstrap interval; NaN is left out."""
    made = bootstrap_mean(values, unit=over, rng=np.random.default_rng(SEED), resamples=RESAMPLES)
    return Figure(metric, made.estimate, unit, made.low, made.high, over)


def share_of(metric: str, part: ArrayLike, whole: ArrayLike) -> Figure:
    """Share in % of pooled counts, given per point, with an interval over points."""
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)

    def share(at: NDArray[np.intp]) -> float:
        base = wholes[at].sum()
        return float(100.0 * parts[at].sum() / base) if base else NAN

    return resampled(metric, PERCENT, len(parts), share)
