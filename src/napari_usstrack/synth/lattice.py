"""Smooth fields over a plane, known at the nodes of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BORDER = [0, 1, 2, -3, -2, -1]
"""Rows and columns that decide what lies beyond the grid."""


@dataclass(frozen=True)
class Lattice:
    """Square grid of nodes.

    Attributes
    ----------
    x0, y0 : float
        Place of the first node, mm.
    step : float
        Distance between neighbours, mm.
    rows, columns : int
        Nodes along y and x.
    """

    x0: float
    y0: float
    step: float
    rows: int
    columns: int

    @classmethod
    def over(cls, low: tuple[float, float], high: tuple[float, float], step: float) -> Lattice:
        """Grid that reaches from one corner to at least the other."""
        columns, rows = (math.ceil((b - a) / step) + 1 for a, b in zip(low, high, strict=True))
        return cls(low[0], low[1], step, rows, columns)

    def nodes(self) -> Floats:
        """Places of the nodes, ``(rows * columns, 2)`` in mm, row by row."""
        x = self.x0 + self.step * np.arange(self.columns)
        y = self.y0 + self.step * np.arange(self.rows)
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def gradient(self, values: Floats) -> Floats:
        """Slope ``(rows * columns, 2)`` per mm of one number per node."""
        along_y, along_x = np.gradient(values.reshape(self.rows, self.columns), self.step)
        return np.stack([along_x, along_y], axis=-1).reshape(-1, 2)

    def sample(self, values: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Cubic B-spline with the nodes' values as coefficients.

        Twice continuously differentiable; it smooths over about one step and
        keeps straight slopes. Beyond the border it is constant.

        Parameters
        ----------
        values : tensor, shape (rows * columns, fields)
        x, y : tensor, shape (n,)
            mm.

        Returns
        -------
        tensor, shape (n, fields)
            On the device and in the precision of `x`.
        """
        values = values.to(x)
        column, across = _taps((x - self.x0) / self.step, self.columns)
        row, along = _taps((y - self.y0) / self.step, self.rows)
        out = x.new_zeros(len(x), values.shape[1])
        for i in range(4):
            start = (row + i) * self.columns + column
            for j in range(4):
                out.addcmul_((along[i] * across[j])[:, None], values.index_select(0, start + j))
        return out


def _taps(at: torch.Tensor, count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """First of four nodes around fractional node numbers, and the weights of the four."""
    at = torch.clamp(at, 1.0, count - 2.0)
    first = torch.clamp(at.floor(), max=count - 3.0)
    t = at - first
    u = 1.0 - t
    weights = [
        u * u * u / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0,
        t * t * t / 6.0,
    ]
    return first.long() - 1, weights


def filled(
    lattice: Lattice,
    values: Floats,
    known: NDArray[np.bool_],
    *,
    pull: Floats,
    stiffness: Floats,
) -> Floats:
    """Smoothest fields with given values at some nodes.

    They minimise the integral of ``stiffness |grad u|^2 + pull u^2``, and are
    zero along the border.

    Parameters
    ----------
    lattice : Lattice
    values : ndarray, shape (rows * columns, fields)
        Read where known.
    known : bool ndarray, shape (rows * columns,)
    pull : ndarray, shape (rows * columns,)
        Pull to zero, per mm².
    stiffness : ndarray, shape (rows * columns,)

    Returns
    -------
    ndarray, shape (rows * columns, fields)

    Notes
    -----
    Five-point differences, solved by block elimination row after row.
    """
    shape = (lattice.rows, lattice.columns)
    held = known.reshape(shape).copy()
    wanted = np.where(known[:, None], values, 0.0).reshape(*shape, -1)
    held[BORDER] = held[:, BORDER] = True
    wanted[BORDER] = wanted[:, BORDER] = 0.0
    soft = stiffness.reshape(shape)
    beside, below = 0.5 * (soft[:, 1:] + soft[:, :-1]), 0.5 * (soft[1:] + soft[:-1])
    centre = pull.reshape(shape) * lattice.step**2
    centre[:, 1:] += beside
    centre[:, :-1] += beside
    centre[1:] += below
    centre[:-1] += below
    return _eliminated(wanted, held, centre, beside, below).reshape(len(values), -1)


def _eliminated(
    wanted: Floats, held: NDArray[np.bool_], centre: Floats, beside: Floats, below: Floats
) -> Floats:
    free = ~held
    rows, columns = held.shape
    carry, target = np.zeros((rows, columns, columns)), np.array(wanted)
    for i in range(rows):
        block = np.diag(np.where(free[i], centre[i], 1.0))
        side = np.arange(columns - 1)
        block[side, side + 1] -= np.where(free[i, :-1], beside[i], 0.0)
        block[side + 1, side] -= np.where(free[i, 1:], beside[i], 0.0)
        if i:
            above = np.where(free[i], below[i - 1], 0.0)[:, None]
            block -= above * carry[i - 1]
            target[i] += above * target[i - 1]
        after = np.where(free[i], below[i], 0.0) if i + 1 < rows else np.zeros(columns)
        solved = np.linalg.solve(block, np.concatenate([np.diag(after), target[i]], axis=1))
        carry[i], target[i] = solved[:, :columns], solved[:, columns:]
    for i in range(rows - 2, -1, -1):
        target[i] += carry[i] @ target[i + 1]
    return target
