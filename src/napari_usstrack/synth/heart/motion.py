"""One smooth motion of the whole heart, cheap to follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.heart.walls import Wall
from napari_usstrack.synth.lattice import Lattice, filled
from napari_usstrack.synth.probe import Plane
from napari_usstrack.synth.scene import Path

Floats = NDArray[np.float64]
MARGIN_MM = 0.3
"""How far beyond its surface a wall's own motion holds."""
LEVELS = {"late": (-0.3, 0.4, 1.1), "twist": (-0.2, 0.5, 1.1)}
"""Channel values at which walls are sampled; others between 0 and 1.1."""


@dataclass(frozen=True, eq=False)
class Contraction:
    """Displacement as a polynomial of a few channels without a constant term.

    So it is exactly the identity where every channel is zero, and following
    points costs one multiplication and addition per term.

    Attributes
    ----------
    lattice : Lattice
    terms : tensor, shape (nodes, 2 * terms)
        Displacement in mm along x, then along y, of every term.
    powers : tuple of tuple of int
        Exponent of every channel in each term.
    channels : callable
        Seconds to the value of every channel.
    """

    lattice: Lattice
    terms: torch.Tensor
    powers: tuple[tuple[int, ...], ...]
    channels: Callable[[float], Sequence[float]]

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Interpolate every term at the given places."""
        count = len(self.powers)
        terms = self.lattice.sample(self.terms, x, y).T.reshape(2, count, len(x))
        along = terms.transpose(0, 1).contiguous()
        start = torch.stack([x, y])

        def path(seconds: float) -> Plane:
            values = self.channels(seconds)
            place = start.clone()
            for term, power in zip(along, self.powers, strict=True):
                place.add_(term, alpha=_monomial(values, power))
            return place[0], place[1]

        return path

    def least_area(self, times: Sequence[float]) -> float:
        """Smallest area of a cell of the lattice relative to rest, at any of some times.

        It is negative where the motion folds.
        """
        lattice = self.lattice
        x, y = torch.from_numpy(lattice.nodes()).T
        path = self.bind(x, y)
        least = np.inf
        for seconds in times:
            place = torch.stack(path(seconds)).reshape(2, lattice.rows, lattice.columns)
            across = (place[:, :-1, 1:] - place[:, :-1, :-1]) / lattice.step
            along = (place[:, 1:, :-1] - place[:, :-1, :-1]) / lattice.step
            least = min(least, float((across[0] * along[1] - across[1] * along[0]).min()))
        return least


def _monomial(values: Sequence[float], power: Sequence[int]) -> float:
    result = 1.0
    for value, exponent in zip(values, power, strict=True):
        result *= value**exponent
    return result


def contraction(
    lattice: Lattice,
    walls: Sequence[Wall],
    names: Sequence[str],
    channels: Callable[[float], Sequence[float]],
    *,
    pull: Floats,
    stiffness: Floats,
) -> Contraction:
    """Motion that follows the walls and is as smooth as possible elsewhere.

    Parameters
    ----------
    lattice : Lattice
    walls : sequence of Wall
        The first one holds where several overlap.
    names : sequence of str
        The channels.
    channels : callable
        Seconds to their values.
    pull, stiffness : ndarray, shape (nodes,)
        See `filled`.
    """
    powers = _powers(len(names))
    states = [s for s in product(*(LEVELS.get(n, (0.0, 0.55, 1.1)) for n in names)) if any(s)]
    table = np.array([[_monomial(state, power) for power in powers] for state in states])
    solve = np.linalg.pinv(table)
    nodes = lattice.nodes()
    known = np.zeros(len(nodes), dtype=bool)
    values = np.zeros((len(nodes), 2 * len(powers)))
    for wall in reversed(walls):
        index, offset, beyond = wall.curve.locate(nodes)
        half = 0.5 * np.interp(index, np.arange(len(wall.thickness)), wall.thickness)
        inside = (np.abs(offset) <= half + MARGIN_MM) & (beyond <= 0.5 * lattice.step)
        index, offset = index[inside], offset[inside]
        rest = wall.moved(index, offset, {})
        moved = [
            wall.moved(index, offset, dict(zip(names, state, strict=True))) - rest
            for state in states
        ]
        fitted = np.einsum("ps,snd->ndp", solve, np.stack(moved))
        values[inside] = fitted.reshape(len(index), -1)
        known |= inside
    values = filled(lattice, values, known, pull=pull, stiffness=stiffness)
    return Contraction(lattice, torch.from_numpy(values), powers, channels)


def _powers(count: int) -> tuple[tuple[int, ...], ...]:
    """Exponents of all products of one or two channels."""
    chosen = [c for degree in (1, 2) for c in combinations_with_replacement(range(count), degree)]
    return tuple(tuple(c.count(i) for i in range(count)) for c in chosen)
