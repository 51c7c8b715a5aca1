"""Runs of known positions between gaps, which are smoothed each on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Run:
    """Frames of one point without a gap.

    Attributes
    ----------
    point : int
        Column of the point.
    first, last : int
        First and last frame, both included.
    """

    point: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def cells(self) -> tuple[slice, int]:
        """Where the run lies in ``[frames, points, ...]``."""
        return slice(self.first, self.last + 1), self.point


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Smoothed positions, and what was left alone.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Positions in px, NaN where they were missing before.
    unsmoothed : tuple of Run
        Runs that are too short; their positions are those given.
    """

    xy: Floats
    unsmoothed: tuple[Run, ...]


def positions(xy: ArrayLike) -> Floats:
    """Give a float64 copy of positions, each missing one NaN in both coordinates.

    Parameters
    ----------
    xy : array_like, shape (frames, points, 2)
        Positions in px; one with a NaN or infinite coordinate is missing.

    Raises
    ------
    ValueError
        For another shape.
    """
    places = np.array(xy, dtype=np.float64)
    if places.ndim != 3 or places.shape[-1] != 2:
        raise ValueError(f"xy must be frames x points x 2, got {places.shape}")
    places[~np.isfinite(places).all(axis=-1)] = np.nan
    return places


def runs(xy: Floats) -> Iterator[Run]:
    """Find the runs between gaps, point after point.

    Parameters
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        NaN where missing.
    """
    known = np.isfinite(xy).all(axis=-1)
    edge = np.zeros((1, known.shape[1]), dtype=np.int8)
    change = np.diff(known.astype(np.int8), axis=0, prepend=edge, append=edge)
    for point in range(known.shape[1]):
        first = np.flatnonzero(change[:, point] == 1)
        stop = np.flatnonzero(change[:, point] == -1)
        for a, b in zip(first.tolist(), stop.tolist(), strict=True):
            yield Run(point, a, b - 1)
