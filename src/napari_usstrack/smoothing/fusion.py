"""Flow from frame to frame joined with places that were measured on their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.tracker import Progress, Work, finish
from napari_usstrack.smoothing.slips import slip_distances
from napari_usstrack.smoothing.two_filter import (
    Belief,
    Passes,
    applied,
    both_ways,
    inverse,
    symmetric,
)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Robust = Literal["student", "huber", "none"]
LEAST_PX2 = 1e-10
"""Variance that every increment has at least."""
FREEDOM = 4.0
"""Degrees of freedom of the Student-t distribution."""
BOUND = 9.210340372
"""Squared normalised distance up to which weights are 1; 99 % of normal errors are nearer."""
INNER = 0.9535
"""Mean of half the squared distance of normal errors within the bound."""
LEAST_WEIGHT = 1e-6
COOLING = (25.0, 5.0)
"""Factors on the variance of measurements in the first rounds."""
WITNESSES = 2.5
"""Total weight of places before, and after, a step that it takes to doubt its flow."""
ROUNDS = 20
SETTLED = 2e-3
"""Largest change of a weight, and relative change of a scale, that ends the rounds."""
PRIOR = 10.0
"""How many measured numbers the belief is worth that stated variances are right."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Places measured without the frame before; rows with a NaN count for nothing.

    Attributes
    ----------
    frame, point : intp ndarray, shape (n,)
        Which cell.
    xy : float64 ndarray, shape (n, 2)
        Px.
    covariance : float64 ndarray, shape (n, 2, 2)
        Px^2, positive definite; all zero for an exact place.
    kind : str ndarray, shape (n,)
        Where the place is from, such as "network", "match", "cycle", "manual".
        What is of one kind shares one scale of variance.
    """

    frame: NDArray[np.intp]
    point: NDArray[np.intp]
    xy: Floats
    covariance: Floats
    kind: NDArray[np.str_]

    @classmethod
    def from_tracks(cls, xy: ArrayLike, covariance: ArrayLike, kind: str) -> Measured:
        """Take every known cell of tracks.

        Parameters
        ----------
        xy : array_like, shape (frames, points, 2)
            Px, NaN where missing.
        covariance : array_like
            Px^2, of a shape that broadcasts to (frames, points, 2, 2).
        kind : str
            Where the places are from.
        """
        places = np.asarray(xy, dtype=np.float64)
        spread = np.broadcast_to(np.asarray(covariance, np.float64), (*places.shape, 2))
        frame, point = np.nonzero(np.isfinite(places).all(axis=-1))
        kinds = np.full(len(frame), kind)
        return cls(frame, point, places[frame, point], spread[frame, point], kinds)

    def and_(self, *others: Measured) -> Measured:
        """All of these together."""
        parts = (self, *others)
        return Measured(
            np.concatenate([part.frame for part in parts]),
            np.concatenate([part.point for part in parts]),
            np.concatenate([part.xy for part in parts]),
            np.concatenate([part.covariance for part in parts]),
            np.concatenate([part.kind for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class Fused:
    """Smoothed places.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Px, NaN where nothing is known.
    covariances : float64 ndarray, shape (frames, points, 2, 2)
        Px^2, NaN where nothing is known.
    weights : float64 ndarray, shape (n,)
        Of each measurement, 0..1: how far it was believed. NaN if not used.
    flow_weights : float64 ndarray, shape (frames - 1, points)
        Of each increment; NaN where flow is unknown.
    scales : mapping of str to float
        Factor found for the stated variances of each kind.
    flow_scale : float
        The same for increments.
    """

    xy: Floats
    covariances: Floats
    weights: Floats
    flow_weights: Floats
    scales: Mapping[str, float]
    flow_scale: float


def fuse(
    increments: ArrayLike,
    covariances: ArrayLike,
    measured: Measured,
    *,
    robust: Robust = "student",
    calibrate: bool = True,
    gap_px: float = np.inf,
) -> Fused:
    """Smooth tracks with the motion between frames and places measured on their own.

    Parameters
    ----------
    increments : array_like, shape (frames - 1, points, 2)
        Motion from each frame to the next, px; NaN where flow is unknown.
    covariances : array_like, shape (frames - 1, points, 2, 2)
        Of the increments, px^2. Large along a line where flow slides.
    measured : Measured
        Places from networks, matches, closed cycles and by hand, any number in
        a cell.
    robust : {"student", "huber", "none"}
        How outliers are believed less, among places and among increments.
    calibrate : bool
        Whether to scale the variances of each kind, and of flow, to what
        the data show.
    gap_px : float
        Standard deviation per axis of a step over which flow is unknown. With
        infinity, frames that nothing leads to stay missing.

    Returns
    -------
    Fused
        Exact places come back bit for bit.

    Raises
    ------
    ValueError
        For shapes that do not fit, cells that do not exist, covariances that
        are not positive definite, or two exact places for one cell.

    Notes
    -----
    Position is a random walk driven by the increments; see `two_filter` for the
    smoother. Outliers: variances are divided by weights and the smoother is run
    again. With d the distance from what everything else says in units of its
    standard deviation (de Jong, 1989), weights are 1 up to d^2 = 9.210, within
    which 99 % of normal errors lie. Beyond, they fall as those of a Student-t
    distribution with 4 degrees of freedom, 13.210 / (4 + d^2) (Lange, Little and
    Taylor, 1989), or as Huber's (1964), 3.035 / d; for increments as the square
    of that, as a slip is an error of another kind than imprecision (Geman and
    McClure, 1987). The first rounds believe all measurements less, so that a burst of
    outliers does not confirm itself (graduated non-convexity, Blake and Zisserman,
    1987), and doubt flow only where it parts from places for good (`slip_distances`).
    Later an increment is doubted only with about three places on either side, or an
    exact one, so that a stray place near an end is not blamed on flow.
    Calibration: scales are variance components found by the fixed point of the
    restricted likelihood (Harville, 1977): with innovations e of covariance S,
    scale <- scale sum(e'S^-1 R S^-1 e) / sum(tr(S^-1 R)), with a prior worth 10
    numbers at scale 1. Outliers beyond d^2 = 9.210 are left out, and what that
    takes from normal errors is made up for.
    """
    return finish(fusing(increments, covariances, measured, robust, calibrate, gap_px))


def fusing(
    increments: ArrayLike,
    covariances: ArrayLike,
    measured: Measured,
    robust: Robust = "student",
    calibrate: bool = True,
    gap_px: float = np.inf,
) -> Work[Fused]:
    """Do as `fuse`, yielding after every run of the smoother over the clip."""
    data = _checked(increments, covariances, measured, gap_px)
    as_stated = np.ones(len(data.xy)), np.ones(len(data.kinds))
    scheme = _Scheme(*as_stated, _first_flow_weights(data, robust), 1.0)
    for heat in COOLING if robust != "none" else ():
        cool = _smoothed(data, scheme, heat)
        yield Progress(0, ROUNDS)
        tried, _ = _improved(data, scheme, cool, robust, calibrate=False)
        scheme = replace(scheme, weights=tried.weights)
    last = _smoothed(data, scheme)
    for done in range(ROUNDS if calibrate or robust != "none" else 0):
        yield Progress(done, ROUNDS)
        scheme, change = _improved(data, scheme, last, robust, calibrate=calibrate)
        last = _smoothed(data, scheme)
        if change < SETTLED:
            break
    yield Progress(ROUNDS, ROUNDS)
    return _answer(data, scheme, last)


@dataclass(frozen=True, eq=False)
class _Data:
    """What was given, checked; `linked` where flow is known, `kind` as index into `kinds`."""

    increments: Floats
    steps: Floats
    linked: Mask
    used: Mask
    cell: tuple[NDArray[np.intp], NDArray[np.intp]]
    xy: Floats
    spread: Floats
    kind: NDArray[np.intp]
    kinds: tuple[str, ...]
    exact: Belief


@dataclass(frozen=True, eq=False)
class _Scheme:
    """How far everything is believed."""

    weights: Floats
    scales: Floats
    flow_weights: Floats
    flow_scale: float

    def spread(self, data: _Data) -> Floats:
        """Scaled covariances of measurements, outliers or not."""
        return np.asarray(data.spread * self.scales[data.kind][:, None, None])

    def steps(self, data: _Data) -> Floats:
        """Scaled covariances of increments; steps without flow keep theirs."""
        factor = np.where(data.linked, self.flow_scale, 1.0)
        return np.asarray(data.steps * factor[..., None, None])


@dataclass(frozen=True, eq=False)
class _Round:
    """One run of the smoother, and the covariances it was given."""

    passes: Passes
    spread: Floats
    steps: Floats


@dataclass(frozen=True, eq=False)
class _Misfit:
    """Squared normalised distances; what they and their expectations add to a scale."""

    squared: Floats
    fit: Floats
    room: Floats

    @classmethod
    def of(cls, innovation: Floats, elsewhere: Floats, given: Floats) -> _Misfit:
        worth = inverse(elsewhere + given)
        pull = applied(worth, innovation)
        return cls(
            np.sum(innovation * pull, axis=-1),
            np.sum(pull * applied(given, pull), axis=-1),
            np.trace(worth @ given, axis1=-2, axis2=-1),
        )

    def counted(self, robust: Robust) -> tuple[Floats, Floats]:
        """Misfit and its expectation, without outliers."""
        if robust == "none":
            return self.fit, self.room
        inner = self.squared <= BOUND
        return np.where(inner, self.fit, 0.0), np.where(inner, INNER * self.room, 0.0)


def _smoothed(data: _Data, scheme: _Scheme, heat: float = 1.0) -> _Round:
    spread = heat * scheme.spread(data) / scheme.weights[:, None, None]
    steps = scheme.steps(data) / scheme.flow_weights[..., None, None]
    return _Round(both_ways(data.increments, steps, _cells(data, spread)), spread, steps)


def _cells(data: _Data, spread: Floats) -> Belief:
    """All measurements of each cell as one."""
    shape = data.exact.known.shape
    precision, pull = np.zeros((*shape, 2, 2)), np.zeros((*shape, 2))
    known = data.exact.known.copy()
    worth = inverse(spread)
    np.add.at(precision, data.cell, worth)
    np.add.at(pull, data.cell, applied(worth, data.xy))
    known[data.cell] = True
    soft = known & ~data.exact.known
    covariance = inverse(np.where(soft[..., None, None], precision, np.eye(2)))
    covariance = np.where(soft[..., None, None], symmetric(covariance), 0.0)
    mean = np.where(soft[..., None], applied(covariance, pull), data.exact.mean)
    return Belief(mean, covariance, known)


def _improved(
    data: _Data, scheme: _Scheme, last: _Round, robust: Robust, *, calibrate: bool
) -> tuple[_Scheme, float]:
    """Weights and scales that the last round suggests, and how much they changed."""
    places, flow = _misfit(data, scheme, last), _flow_misfit(data, scheme, last)
    weights = _weight(places.squared, robust)
    flow_weights = np.where(_witnessed(data, weights), _weight(flow.squared, robust) ** 2, 1.0)
    scales, flow_scale = scheme.scales, scheme.flow_scale
    if calibrate:
        count = len(data.kinds)
        fit, room = places.counted(robust)
        scales = _rescaled(
            scales, np.bincount(data.kind, fit, count), np.bincount(data.kind, room, count)
        )
        fit, room = flow.counted(robust)
        flow_scale = _rescaled(flow_scale, fit.sum(), room.sum()).item()
    change = max(
        np.abs(weights - scheme.weights).max(initial=0.0),
        np.abs(flow_weights - scheme.flow_weights).max(initial=0.0),
        np.abs(np.log(scales / scheme.scales)).max(initial=0.0),
        abs(np.log(flow_scale / scheme.flow_scale)),
    )
    return _Scheme(weights, scales, flow_weights, flow_scale), float(change)


def _first_flow_weights(data: _Data, robust: Robust) -> Floats:
    if robust == "none":
        return np.ones(data.linked.shape)
    variances = np.where(data.linked, np.trace(data.steps, axis1=-2, axis2=-1) / 2, np.nan)
    apart = slip_distances(data.increments, variances, _cells(data, data.spread))
    return np.where(data.linked, _weight(apart, robust), 1.0)


def _witnessed(data: _Data, weights: Floats) -> Mask:
    """Steps with enough believed places on either side, shape (frames - 1, points)."""
    believed = np.where(data.exact.known, WITNESSES, 0.0)
    np.add.at(believed, data.cell, weights)
    before, after = np.cumsum(believed, axis=0), np.cumsum(believed[::-1], axis=0)[::-1]
    return np.asarray(np.minimum(before[:-1], after[1:]) >= WITNESSES)


def _rescaled(scale: ArrayLike, fit: ArrayLike, room: ArrayLike) -> Floats:
    return (np.asarray(scale) * np.asarray(fit) + PRIOR) / (np.asarray(room) + PRIOR)


def _misfit(data: _Data, scheme: _Scheme, last: _Round) -> _Misfit:
    """Compare measurements with what all else says of their cells."""
    left = data.xy - last.passes.all.mean[data.cell]
    after = last.passes.all.covariance[data.cell]
    share = last.spread @ inverse(last.spread * (1.0 + 1e-9) - after)
    return _Misfit.of(applied(share, left), symmetric(share @ after), scheme.spread(data))


def _flow_misfit(data: _Data, scheme: _Scheme, last: _Round) -> _Misfit:
    """Compare increments with what both sides say; 0 where one side knows nothing."""
    before, after = last.passes.past.at(np.s_[:-1]), last.passes.future.at(np.s_[1:])
    usable = data.linked & before.known & after.known
    elsewhere = before.covariance + after.covariance
    given = np.where(usable[..., None, None], scheme.steps(data), np.eye(2))
    innovation = after.mean - before.mean - data.increments
    found = _Misfit.of(innovation, elsewhere, given)
    return _Misfit(
        *(np.where(usable, part, 0.0) for part in (found.squared, found.fit, found.room))
    )


def _weight(squared: Floats, robust: Robust) -> Floats:
    if robust == "none":
        return np.ones_like(squared)
    beyond = np.maximum(squared, BOUND)
    weight = (
        np.sqrt(BOUND / beyond) if robust == "huber" else (FREEDOM + BOUND) / (FREEDOM + beyond)
    )
    return np.asarray(np.maximum(weight, LEAST_WEIGHT))


def _answer(data: _Data, scheme: _Scheme, last: _Round) -> Fused:
    every = last.passes.all
    weights = np.full(len(data.used), np.nan)
    weights[data.used] = scheme.weights
    return Fused(
        np.where(every.known[..., None], every.mean, np.nan),
        np.where(every.known[..., None, None], every.covariance, np.nan),
        weights,
        np.where(data.linked, scheme.flow_weights, np.nan),
        dict(zip(data.kinds, scheme.scales.tolist(), strict=True)),
        scheme.flow_scale,
    )


def _checked(
    increments: ArrayLike, covariances: ArrayLike, measured: Measured, gap_px: float
) -> _Data:
    moved = np.asarray(increments, dtype=np.float64)
    steps = np.asarray(covariances, dtype=np.float64)
    if moved.ndim != 3 or moved.shape[-1] != 2 or steps.shape != (*moved.shape, 2):
        raise ValueError(
            "increments must be steps x points x 2 and covariances one 2 x 2 matrix each, "
            f"got {moved.shape} and {steps.shape}"
        )
    linked = np.asarray(np.isfinite(moved).all(axis=-1) & np.isfinite(steps).all(axis=(-2, -1)))
    gap = gap_px**2 * np.eye(2) if np.isfinite(gap_px) else np.full((2, 2), np.inf)
    inside = np.where(linked[..., None, None], symmetric(steps) + LEAST_PX2 * np.eye(2), np.eye(2))
    if not _definite(inside).all():
        raise ValueError("a covariance of an increment is not positive definite")
    steps = np.where(linked[..., None, None], inside, gap)
    moved = np.where(linked[..., None], moved, 0.0)
    shape = len(moved) + 1, moved.shape[1]
    exact, used = _exact(measured, shape)
    kinds, kind = np.unique(measured.kind, return_inverse=True)
    cell = measured.frame[used], measured.point[used]
    spread = symmetric(measured.covariance[used])
    if not _definite(spread).all():
        raise ValueError("a covariance of a measurement is neither zero nor positive definite")
    names = tuple(str(name) for name in kinds)
    return _Data(
        moved, steps, linked, used, cell, measured.xy[used], spread, kind[used], names, exact
    )


def _exact(measured: Measured, shape: tuple[int, int]) -> tuple[Belief, Mask]:
    """Exact places of every cell, and which rows are measurements with an error."""
    cell = np.stack([measured.frame, measured.point])
    if ((cell < 0) | (cell >= np.array(shape)[:, None])).any():
        raise ValueError(f"a measurement lies outside the {shape[0]} frames x {shape[1]} points")
    known = np.isfinite(measured.covariance).all(axis=(-2, -1)) & np.isfinite(measured.xy).all(-1)
    fixed = known & ~measured.covariance.any(axis=(-2, -1))
    mean, held = np.zeros((*shape, 2)), np.zeros(shape, dtype=bool)
    at = measured.frame[fixed], measured.point[fixed]
    mean[at], held[at] = measured.xy[fixed], True
    if (mean[at] != measured.xy[fixed]).any():
        raise ValueError("two exact places for one point in one frame")
    return Belief(mean, np.zeros((*shape, 2, 2)), held), np.asarray(known & ~fixed)


def _definite(matrix: Floats) -> Mask:
    determinant = matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] ** 2
    return np.asarray((matrix[..., 0, 0] > 0) & (determinant > 0))
