"""What a heart can do: strains along its walls, healthy and not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DISORDERS = ("reduced", "late", "bulging")
SEGMENTS = 6


@dataclass(frozen=True, eq=False)
class Disorder:
    """Segments that do not contract as they should.

    Attributes
    ----------
    kind : str
        One of `DISORDERS`: less strain, strain after end systole, or
        lengthening while the others shorten.
    segments : tuple of int
        Neighbours, counted along the wall.
    """

    kind: str = "reduced"
    segments: tuple[int, ...] = ()

    @classmethod
    def drawn(cls, random: np.random.Generator, count: int | None, *, closed: bool) -> Disorder:
        """As many neighbouring segments as asked for, else 0 to 3."""
        if count is None:
            count = int(random.choice([0, 0, 1, 2, 3]))
        first = int(random.integers(SEGMENTS if closed else SEGMENTS - count + 1))
        segments = tuple((first + i) % SEGMENTS for i in range(count))
        return cls(str(random.choice(DISORDERS)), segments)

    @property
    def channel(self) -> str | None:
        """The channel it needs besides contraction."""
        return self.kind if self.segments and self.kind != "reduced" else None


@dataclass(frozen=True, eq=False)
class Function:
    """Strength of contraction.

    Attributes
    ----------
    strain : float
        Strain along the middle of the wall at end systole, negative.
    disorder : Disorder
    uneven : ndarray, shape (6,)
        Small relative deviations of the segments.
    """

    strain: float
    disorder: Disorder = field(default_factory=Disorder)
    uneven: Floats = field(default_factory=lambda: np.zeros(SEGMENTS))

    def along(self, segment: Floats, *, closed: bool) -> dict[str, Floats]:
        """Strain per channel, ``(m,)``, at places in segments 0 to 6."""
        weights = np.stack([_weight(segment, i, closed) for i in range(SEGMENTS)])
        ill = weights[list(self.disorder.segments)].sum(axis=0)
        healthy = self.strain * (1.0 + self.uneven @ weights)
        left = {"reduced": 0.25, "late": 0.35, "bulging": 0.05}[self.disorder.kind]
        strain = {"contraction": healthy * (1.0 - (1.0 - left) * ill)}
        if self.disorder.channel == "late":
            strain["late"] = 0.45 * self.strain * ill
        if self.disorder.channel == "bulging":
            strain["bulging"] = (0.02 - 0.25 * self.strain) * ill
        return strain


def _weight(segment: Floats, number: int, closed: bool) -> Floats:
    """About 1 in a segment and 0 in others; together 1 everywhere."""
    soft = 0.16

    def step(at: Floats) -> Floats:
        return 0.5 * (1.0 + np.tanh(at / (2.0 * soft)))

    if closed:
        apart = np.mod(segment - number + 2.5, SEGMENTS) - 2.5
        return step(apart) - step(apart - 1.0)
    low = np.ones_like(segment) if number == 0 else step(segment - number)
    high = np.zeros_like(segment) if number == SEGMENTS - 1 else step(segment - number - 1.0)
    return low - high
