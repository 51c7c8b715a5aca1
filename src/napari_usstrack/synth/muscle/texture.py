"""Brightness of soft tissue: smooth random variation and broken streaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

TABLE = 64
"""Entries along each side of a table of random numbers; patterns repeat after as many cells."""


@dataclass(frozen=True, eq=False)
class Mottle:
    """Smooth random numbers with mean 0 and standard deviation about 1.

    Attributes
    ----------
    table : tensor, shape (TABLE, TABLE)
        Values at the nodes.
    along_mm, across_mm : float
        Distance between nodes.
    """

    table: torch.Tensor
    along_mm: float
    across_mm: float

    @classmethod
    def draw(cls, random: np.random.Generator, along_mm: float, across_mm: float) -> Mottle:
        """Draw a pattern with features of the given size."""
        drawn = random.standard_normal((TABLE, TABLE)).astype(np.float32)
        return cls(torch.from_numpy(drawn) * 1.5, along_mm, across_mm)

    def __call__(self, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
        """Values at places."""
        column, u = _cell(along / self.along_mm)
        row, v = _cell(across / self.across_mm)
        table = self.table.to(along).ravel()
        left, right = (torch.remainder(column + step, TABLE) for step in (0, 1))
        above, below = (torch.remainder(row + step, TABLE) * TABLE for step in (0, 1))
        upper = torch.lerp(table.take(above + left), table.take(above + right), u)
        lower = torch.lerp(table.take(below + left), table.take(below + right), u)
        return torch.lerp(upper, lower, v)


def _cell(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole part, and the rest eased for a smooth transition."""
    whole = at.floor()
    rest = at - whole
    return whole.long(), rest * rest * (3.0 - 2.0 * rest)


@dataclass(frozen=True, eq=False)
class Streaks:
    """Thin bright lines of random length along one coordinate.

    The plane is cut into lanes, every lane into cells of its own length; a cell
    holds one streak or none.

    Attributes
    ----------
    spacing_mm : float
        Mean distance between lanes.
    width_mm : float
        Full width at half maximum of a streak.
    length_mm : tuple of float
        Shortest and longest cell.
    occupancy : float
        Share of cells with a streak.
    level_db : tuple of float
        Weakest and strongest.
    numbers : tensor, shape (TABLE * TABLE, 5)
        Random numbers from 0 to 1, lane by lane.
    wander : Mottle
        Shifts places across by its value times a tenth of the spacing.
    """

    spacing_mm: float
    width_mm: float
    length_mm: tuple[float, float]
    occupancy: float
    level_db: tuple[float, float]
    numbers: torch.Tensor
    wander: Mottle

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        *,
        spacing_mm: float,
        width_mm: float,
        length_mm: tuple[float, float],
        occupancy: float,
        level_db: tuple[float, float],
    ) -> Streaks:
        """Draw a pattern."""
        numbers = torch.from_numpy(random.random((TABLE * TABLE, 5)).astype(np.float32))
        wander = Mottle.draw(random, 0.8 * length_mm[1], 2.5 * spacing_mm)
        return cls(spacing_mm, width_mm, length_mm, occupancy, level_db, numbers, wander)

    def __call__(self, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
        """Power of the streaks at places, 1 for 0 dB."""
        bent = across / self.spacing_mm + 0.1 * self.wander(along, across)
        lane = bent.floor()
        first = torch.remainder(lane.long(), TABLE) * TABLE
        numbers = self.numbers.to(along)
        shortest, longest = self.length_mm
        own = numbers[:, 0].take(first)
        length = shortest + (longest - shortest) * own * own
        place = along / length + numbers[:, 1].take(first) * TABLE
        cell = place.floor()
        drawn = numbers.index_select(0, first + torch.remainder(cell.long(), TABLE)).unbind(1)
        weakest, strongest = self.level_db
        level = torch.pow(10.0, (weakest + (strongest - weakest) * drawn[1]) / 10.0)
        off = (bent - lane - 0.3 - 0.4 * drawn[2]) * (self.spacing_mm / self.width_mm)
        half = 0.3 + 0.2 * drawn[3]
        end = torch.clamp((half - (place - cell - 0.5).abs()) / 0.15, 0.0, 1.0)
        there = (drawn[4] < self.occupancy).to(along)
        return level * torch.exp(-4.0 * math.log(2.0) * off * off) * end * there


def power(db: torch.Tensor | float) -> torch.Tensor:
    """Power of a level in dB."""
    return torch.pow(10.0, torch.as_tensor(db) / 10.0)


def decibels(value: torch.Tensor) -> torch.Tensor:
    """Level in dB of a power, at least -79 dB."""
    return 10.0 * torch.log10(torch.clamp(value, min=1.3e-8))


def facing_db(slope_deg: float) -> float:
    """Loss of a flat structure that is not perpendicular to the beam, dB (0 or less).

    Parameters
    ----------
    slope_deg : float
        Angle between the structure and the horizontal of the picture.
    """
    tilt = abs((slope_deg + 90.0) % 180.0 - 90.0)
    return -10.0 * (1.0 - math.exp(-((tilt / 28.0) ** 2)))
