"""Valve leaflets: thin, bright, hinged at a ring that moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from napari_usstrack.synth.probe import Plane
from napari_usstrack.synth.scene import NOTHING_DB, Body, Motion, Path, everywhere


@dataclass(frozen=True)
class Leaflet:
    """A leaflet in its closed place.

    Attributes
    ----------
    name : str
    hinge, tip, across : tuple of float
        Where it is fixed, where it ends when closed, and the hinge on the
        other side of the ring, mm.
    open_deg : float
        Turn from closed to open, from x towards y.
    sag_mm : float
        How far its middle lies off the straight line, to the right of it.
    thick_mm : float
        Half its thickness.
    course : str
        ``opening`` or ``outflow``.
    """

    name: str
    hinge: tuple[float, float]
    tip: tuple[float, float]
    across: tuple[float, float]
    open_deg: float
    sag_mm: float
    thick_mm: float
    course: str = "opening"

    @property
    def length_mm(self) -> float:
        """Hinge to tip."""
        return math.dist(self.hinge, self.tip)

    def share_and_side(self, x: torch.Tensor, y: torch.Tensor) -> Plane:
        """Share of the way from hinge to tip, and mm beside the leaflet's middle."""
        along = ((self.tip[0] - self.hinge[0]), (self.tip[1] - self.hinge[1]))
        length = self.length_mm
        dx, dy = x - self.hinge[0], y - self.hinge[1]
        share = (dx * along[0] + dy * along[1]) / length**2
        side = (dy * along[0] - dx * along[1]) / length
        return share, side - 4.0 * self.sag_mm * share * (1.0 - share)

    def body(self, level_db: float, motion: Motion, course: Callable[[float], float]) -> Body:
        """Tissue of the leaflet; `motion` is that of the heart."""

        def echo_db(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            share, side = self.share_and_side(x, y)
            thick = self.thick_mm * (1.0 + 0.6 * torch.clamp(share, 0.0, 1.0) ** 3)
            beyond = torch.clamp((share - 0.5).abs() - 0.5, min=0.0) * self.length_mm
            edge = torch.sqrt(side * side + beyond * beyond) / thick
            level = level_db - 5.0 * edge**2
            return torch.where(edge < 1.5, level, torch.full_like(level, NOTHING_DB))

        return Body(self.name, echo_db, Hinged(self, motion, course), everywhere(0.08))


@dataclass(frozen=True)
class Hinged:
    """Motion of a leaflet.

    Attributes
    ----------
    leaflet : Leaflet
    ring : Motion
        Carries both hinges.
    opening : callable
        Seconds to 0 (closed) to 1 (open).
    """

    leaflet: Leaflet
    ring: Motion
    opening: Callable[[float], float]

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Turn about the moving hinge, the root ahead of the tip."""
        leaflet = self.leaflet
        hinges = torch.tensor([leaflet.hinge, leaflet.across], dtype=torch.float64).T
        ring = self.ring.bind(hinges[0], hinges[1])
        rest = math.atan2(*(float(axis[1] - axis[0]) for axis in hinges.flip(0)))
        share, _side = leaflet.share_and_side(x, y)
        bow = math.radians(leaflet.open_deg) * (1.1 - 0.3 * torch.clamp(share, 0.0, 1.2))
        dx, dy = x - leaflet.hinge[0], y - leaflet.hinge[1]

        def path(seconds: float) -> Plane:
            hinge_x, hinge_y = (axis.tolist() for axis in ring(seconds))
            tilt = math.atan2(hinge_y[1] - hinge_y[0], hinge_x[1] - hinge_x[0]) - rest
            angle = bow * self.opening(seconds) + tilt
            cos, sin = torch.cos(angle), torch.sin(angle)
            return cos * dx - sin * dy + hinge_x[0], sin * dx + cos * dy + hinge_y[0]

        return path
