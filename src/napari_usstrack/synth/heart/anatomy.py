"""An anatomy: walls, cavities, surroundings, and what can be marked on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.synth.heart.shapes import outline_distance, union
from napari_usstrack.synth.heart.valves import Leaflet
from napari_usstrack.synth.heart.walls import Wall
from napari_usstrack.synth.lattice import Lattice

Floats = NDArray[np.float64]
STEP_MM = 1.5
ROOM_MM = 26.0


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A heart at end diastole, apex up in apical views.

    Attributes
    ----------
    walls : mapping
        ``lv`` first; ``rv`` where there is a right ventricle.
    cavities : mapping
        Name to outline of blood, mm.
    solids : tuple of (outline, mm)
        Outlines and how far the heart reaches beyond them.
    muscles : tuple of ndarray
        Outlines of muscle within cavities.
    leaflets : tuple of Leaflet
    hinges : tuple of ndarray
        Where leaflets are fixed.
    base_mm : float
        Height of the valve plane; infinite in a short axis.
    length_mm : float
        Apex to valve plane, or size of the ring.
    """

    walls: Mapping[str, Wall]
    cavities: Mapping[str, Floats]
    solids: tuple[tuple[Floats, float], ...]
    muscles: tuple[Floats, ...] = ()
    leaflets: tuple[Leaflet, ...] = ()
    hinges: tuple[Floats, ...] = ()
    base_mm: float = float("inf")
    length_mm: float = 90.0

    def lattice(self) -> Lattice:
        """Grid over the heart and its surroundings."""
        corners = np.concatenate([outline for outline, _ in self.solids])
        low, high = corners.min(axis=0) - ROOM_MM, corners.max(axis=0) + ROOM_MM
        return Lattice.over((low[0], low[1]), (high[0], high[1]), STEP_MM)

    @property
    def middle(self) -> tuple[float, float]:
        """Middle of the heart, mm."""
        corners = np.concatenate([outline for outline, _ in self.solids])
        x, y = 0.5 * (corners.min(axis=0) + corners.max(axis=0))
        return float(x), float(y)


@dataclass(frozen=True, eq=False)
class Layers:
    """Signed distances in mm at the nodes of a lattice, negative inside.

    Attributes
    ----------
    lattice : Lattice
    blood : ndarray, shape (nodes,)
        To the cavities.
    hull : ndarray, shape (nodes,)
        To the pericardium.
    muscle : ndarray, shape (nodes,)
        To muscle within cavities.
    """

    lattice: Lattice
    blood: Floats
    hull: Floats
    muscle: Floats
    cavity: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, anatomy: Anatomy) -> Layers:
        """Measure an anatomy."""
        lattice = anatomy.lattice()
        nodes = lattice.nodes()
        cavity = {
            name: outline_distance(outline, nodes) for name, outline in anatomy.cavities.items()
        }
        solid = [outline_distance(outline, nodes) - more for outline, more in anatomy.solids]
        far = np.full(len(nodes), 99.0)
        muscle = [far, *(outline_distance(outline, nodes) for outline in anatomy.muscles)]
        return cls(
            lattice, union([*cavity.values()]), union(solid, 2.5) - 0.5, union(muscle), cavity
        )

    def pull(self, anatomy: Anatomy) -> tuple[Floats, Floats]:
        """Pull to rest and stiffness for `filled`: still beyond the pericardium.

        The pull is weak beside the valve plane, where everything slides.
        """
        y = self.lattice.nodes()[:, 1]
        below = np.clip((y - anatomy.base_mm - 6.0) / 30.0, 0.0, 1.0)
        beside = np.where(y > anatomy.base_mm, 0.2 + 0.8 * below, 0.6)
        if np.isinf(anatomy.base_mm):
            beside = np.full(len(y), 0.6)
        outside = np.clip((self.hull - 0.5) / 3.0, 0.0, 1.0)
        return outside * beside / 6.0**2, 1.0 + outside
