"""Random walks seen through noise: what both directions of time say of every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Belief:
    """Normal distributions of places; nothing is NaN, unknown cells hold zeros.

    Attributes
    ----------
    mean : float64 ndarray, shape (..., 2)
        Px.
    covariance : float64 ndarray, shape (..., 2, 2)
        Px^2; zero where the place is exact.
    known : bool ndarray, shape (...)
        False where nothing is known at all.
    """

    mean: Floats
    covariance: Floats
    known: Mask

    def at(self, index: int | slice | tuple[slice, slice]) -> Belief:
        """Cells of an index, as views."""
        return Belief(self.mean[index], self.covariance[index], self.known[index])


@dataclass(frozen=True, eq=False)
class Passes:
    """Both directions of time, each with shape (frames, points).

    Attributes
    ----------
    past, future : Belief
        From the frames before, and from those after, each with the frame's own
        measurements.
    all : Belief
        From every frame.
    """

    past: Belief
    future: Belief
    all: Belief


def inverse(matrix: Floats) -> Floats:
    """Inverse of 2 x 2 matrices, shape (..., 2, 2), that have one."""
    out = np.empty_like(matrix)
    out[..., 0, 0] = matrix[..., 1, 1]
    out[..., 1, 1] = matrix[..., 0, 0]
    out[..., 0, 1] = -matrix[..., 0, 1]
    out[..., 1, 0] = -matrix[..., 1, 0]
    determinant = matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]
    out /= determinant[..., None, None]
    return out


def applied(matrix: Floats, vector: Floats) -> Floats:
    """Matrices of shape (..., 2, 2) times vectors of shape (..., 2)."""
    return np.asarray((matrix @ vector[..., None])[..., 0])


def symmetric(matrix: Floats) -> Floats:
    """Mean of matrices and their transposes."""
    return np.asarray(0.5 * (matrix + matrix.swapaxes(-1, -2)))


def join(first: Belief, second: Belief) -> Belief:
    """Product of independent beliefs.

    Where the first is exact it comes back unchanged, bit for bit.

    Notes
    -----
    The covariance is the parallel sum A (A + B)^-1 B (Anderson and Duffin,
    1969), which needs no difference of nearly equal matrices.
    """
    total = first.covariance + second.covariance
    both = first.known & second.known
    usable = both & (np.trace(total, axis1=-2, axis2=-1) > 0)
    gain = first.covariance @ inverse(np.where(usable[..., None, None], total, np.eye(2)))
    mean = first.mean + applied(gain, second.mean - first.mean)
    covariance = symmetric(gain @ second.covariance)
    only_first, only_second = ~second.known, ~first.known
    if only_first.any():
        mean = np.where(only_first[..., None], first.mean, mean)
        covariance = np.where(only_first[..., None, None], first.covariance, covariance)
    if only_second.any():
        mean = np.where(only_second[..., None], second.mean, mean)
        covariance = np.where(only_second[..., None, None], second.covariance, covariance)
    return Belief(mean, covariance, first.known | second.known)


def both_ways(increments: Floats, covariances: Floats, cells: Belief) -> Passes:
    """Run a random walk forward and backward and join what they say.

    Parameters
    ----------
    increments : float64 ndarray, shape (frames - 1, points, 2)
        Measured motion from each frame to the next, px.
    covariances : float64 ndarray, shape (frames - 1, points, 2, 2)
        Of the increments, px^2, positive definite. An infinite first entry
        stands for nothing known, and cuts the walk in two.
    cells : Belief, shape (frames, points)
        Measured places.

    Returns
    -------
    Passes

    Notes
    -----
    The two-filter smoother (Fraser and Potter, 1969) gives the answer of Rauch,
    Tung and Striebel (1965) and treats both directions of time alike. It starts
    from no prior: a first measurement is taken as it is.
    """
    points = cells.known.shape[1]
    linked = np.isfinite(covariances[..., 0, 0])
    moved = np.where(linked[..., None], increments, 0.0)
    spread = np.where(linked[..., None, None], covariances, 0.0)
    steps = Belief(
        np.concatenate([moved, -moved[::-1]], axis=1),
        np.concatenate([spread, spread[::-1]], axis=1),
        np.concatenate([linked, linked[::-1]], axis=1),
    )
    seen = Belief(
        np.concatenate([cells.mean, cells.mean[::-1]], axis=1),
        np.concatenate([cells.covariance, cells.covariance[::-1]], axis=1),
        np.concatenate([cells.known, cells.known[::-1]], axis=1),
    )
    expected, settled = _run(steps, seen)
    ahead, back = np.s_[:, :points], np.s_[:, points:]
    past = settled.at(ahead)
    beyond = expected.at(back).at(np.s_[::-1])
    return Passes(past, settled.at(back).at(np.s_[::-1]), join(past, beyond))


def _run(steps: Belief, seen: Belief) -> tuple[Belief, Belief]:
    """What is expected of each frame before, and known after, its own measurements."""
    expected, settled = (
        Belief(
            np.zeros_like(seen.mean),
            np.zeros_like(seen.covariance),
            np.zeros_like(seen.known),
        )
        for _ in range(2)
    )
    now = expected.at(0)
    measured = np.asarray(seen.known.any(axis=1))
    for frame in range(len(seen.known)):
        if frame:
            step = steps.at(frame - 1)
            now = Belief(now.mean + step.mean, now.covariance + step.covariance, now.known)
            now = Belief(now.mean, now.covariance, now.known & step.known)
        _put(expected, frame, now)
        if measured[frame]:
            now = join(seen.at(frame), now)
        _put(settled, frame, now)
    return expected, settled


def _put(beliefs: Belief, frame: int, now: Belief) -> None:
    beliefs.mean[frame] = now.mean
    beliefs.covariance[frame] = now.covariance
    beliefs.known[frame] = now.known
