"""How muscular walls move: prescribed shortening, nearly incompressible.

A wall is a curve through its middle and a thickness. Its curve shortens by a
prescribed strain at every place; material away from the curve keeps its place
along it and moves along the normal so that volume is conserved, with the
stretch across the picture's plane taken into account. The thickening of the
wall, and that its inside moves more than its outside, follow from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.synth.heart.shapes import Curve, left, pick

Floats = NDArray[np.float64]
State = Mapping[str, float]
"""Channel names to values, all zero in the reference state."""


class Wall(Protocol):
    """A band of muscle around a curve."""

    @property
    def curve(self) -> Curve:
        """Line through its middle."""
        ...

    @property
    def thickness(self) -> Floats:
        """Thickness at every point of the curve, mm."""
        ...

    def moved(self, index: Floats, offset: Floats, state: State) -> Floats:
        """Places ``(n, 2)`` of what is at these indices and offsets of the curve."""
        ...


@dataclass(frozen=True, eq=False)
class Strip:
    """Wall with two ends, as in an apical view.

    Attributes
    ----------
    curve : Curve
    thickness : ndarray, shape (m,)
        mm.
    strain : mapping
        Channel to strain along the curve, (m,), when the channel is 1.
    around : float
        Strain around the long axis per strain along the curve.
    hollow : ndarray, shape (m,)
        Curvature around the long axis, per mm.
    anchor : int
        Point of the curve that `shift_mm` moves, or `holder`.
    narrowing : float
        Extra relative change of width when `contraction` is 1; it comes a
        little later than the shortening.
    rock_deg, shift_mm
        Turn and shift of the whole when `contraction` is 1.
    holder : tuple of Wall, float, float, or None
        Wall that carries the anchor, with the anchor's index and offset there.
    """

    curve: Curve
    thickness: Floats
    strain: Mapping[str, Floats]
    around: float
    hollow: Floats
    anchor: int
    narrowing: float = 0.0
    rock_deg: float = 0.0
    shift_mm: tuple[float, float] = (0.0, 0.0)
    holder: tuple[Wall, float, float] | None = None

    def moved(self, index: Floats, offset: Floats, state: State) -> Floats:
        """Places ``(n, 2)`` of what is at these indices and offsets of the curve."""
        strain = total_strain(self.strain, state)
        tangent = self._turned(state)
        step = (1.0 + strain)[:, None] * tangent * self.curve.step
        path = np.zeros_like(self.curve.points)
        path[1:] = np.cumsum(0.5 * (step[1:] + step[:-1]), axis=0)
        path += self._anchor(state) - path[self.anchor]
        here = pick(strain, index)
        moved = solid_offset(
            offset,
            (pick(self.curve.bend, index), pick(self.hollow, index)),
            (1.0 + here, 1.0 + self.around * here),
        )
        normal = pick(left(tangent), index)
        normal /= np.hypot(*normal.T)[:, None]
        return pick(path, index) + moved[:, None] * normal

    def _turned(self, state: State) -> Floats:
        """Unit tangents after narrowing and rocking."""
        amount = state.get("contraction", 0.0)
        width = 1.0 + self.narrowing * amount * abs(amount) ** 0.2
        tangent = self.curve.tangent * [width, 1.0]
        tangent = tangent / np.hypot(*tangent.T)[:, None]
        angle = np.deg2rad(self.rock_deg) * amount
        return tangent @ turn(angle).T

    def _anchor(self, state: State) -> Floats:
        if self.holder is None:
            shift = np.array(self.shift_mm) * state.get("contraction", 0.0)
            return self.curve.points[self.anchor] + shift
        wall, index, offset = self.holder
        there, offsets = np.array([index]), np.array([offset])
        shift = wall.moved(there, offsets, state) - wall.moved(there, offsets, {})
        return self.curve.points[self.anchor] + shift[0]


@dataclass(frozen=True, eq=False)
class Ring:
    """Closed wall, as in the short axis.

    Attributes
    ----------
    curve : Curve
    thickness : ndarray, shape (m,)
        mm.
    strain : mapping
        Channel to strain along the curve, (m,), when the channel is 1.
    lengthwise : float
        Strain through the picture's plane when `contraction` is 1.
    centre : tuple of float
        What the wall moves to and turns about, mm.
    turn_deg : tuple of float
        Turn of the inside and of the outside when `twist` is 1.
    shift_mm : tuple of float
        Shift when `contraction` is 1.
    lean : float
        How far the ring gives way to where it shortens most: 1 keeps a wall
        that does not shorten in its place.
    """

    curve: Curve
    thickness: Floats
    strain: Mapping[str, Floats]
    lengthwise: float
    centre: tuple[float, float]
    turn_deg: tuple[float, float] = (0.0, 0.0)
    shift_mm: tuple[float, float] = (0.0, 0.0)
    lean: float = 0.7

    def moved(self, index: Floats, offset: Floats, state: State) -> Floats:
        """Places ``(n, 2)`` of what is at these indices and offsets of the curve."""
        curve, centre = self.curve, np.array(self.centre)
        strain = total_strain(self.strain, state)
        mean = float(strain.mean())
        slip = np.cumsum(np.concatenate([[0.0], (strain - mean) / (1.0 + mean)]))
        slip -= slip[:-1].mean()
        around = index + pick(slip, index)
        here = pick(strain, index, closed=True)
        lengthwise = 1.0 + self.lengthwise * state.get("contraction", 0.0)
        bend = pick(curve.bend, around, closed=True)
        flat = np.zeros_like(bend)
        moved = solid_offset(
            offset,
            (pick(curve.bend, index, closed=True), flat),
            (1.0 + here, lengthwise + flat),
            (bend / (1.0 + mean), flat),
        )
        normal = pick(curve.normal, around, closed=True)
        normal /= np.hypot(*normal.T)[:, None]
        apart = (1.0 + mean) * (pick(curve.points, around, closed=True) - centre)
        apart += moved[:, None] * normal
        depth = 0.5 - offset / pick(self.thickness, index, closed=True)
        inside, outside = self.turn_deg
        angle = np.deg2rad(outside + (inside - outside) * depth) * state.get("twist", 0.0)
        shift = np.array(self.shift_mm) * state.get("contraction", 0.0)
        return centre + shift + self._leaning(strain - mean) + _each_turned(apart, angle)

    def _leaning(self, uneven: Floats) -> Floats:
        """Shift away from where the ring shortens less than elsewhere."""
        apart = self.curve.points - np.array(self.centre)
        return 2.0 * self.lean * np.asarray((uneven[:, None] * apart).mean(axis=0))


def total_strain(strain: Mapping[str, Floats], state: State) -> Floats:
    """Strain along a wall in a state."""
    parts = [values * state.get(channel, 0.0) for channel, values in strain.items()]
    return np.asarray(np.sum(parts, axis=0))


def solid_offset(
    offset: Floats,
    bends: tuple[Floats, Floats],
    stretch: tuple[Floats, Floats],
    bends_after: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Distance from the middle curve after stretching, volume kept.

    Parameters
    ----------
    offset : ndarray, shape (n,)
        Signed distance before, mm.
    bends : tuple of ndarray
        Both curvatures of the middle surface, per mm.
    stretch : tuple of ndarray
        How much longer the middle surface is in both directions.
    bends_after : tuple of ndarray, optional
        Curvatures after; else both scale with the stretch.
    """
    if bends_after is None:
        bends_after = (bends[0] / stretch[0], bends[1] / stretch[1])
    volume = _layer(offset, *bends)[0] / (stretch[0] * stretch[1])
    moved = volume.copy()
    for _ in range(8):
        value, slope = _layer(moved, *bends_after)
        moved = moved - (value - volume) / np.maximum(slope, 0.2)
    return moved


def _layer(offset: Floats, bend: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Volume between middle surface and offset per area of it, and its slope."""
    both, product = bend + other, bend * other
    value = offset * (1.0 + offset * (0.5 * both + offset * product / 3.0))
    return value, 1.0 + offset * (both + offset * product)


def turn(angle: float) -> Floats:
    """Matrix that turns from x towards y."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _each_turned(vectors: Floats, angle: Floats) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors.T
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


@dataclass(frozen=True, eq=False)
class Span:
    """Thin wall between two places of another wall, as the free wall in the short axis.

    Attributes
    ----------
    curve : Curve
    thickness : ndarray, shape (m,)
        mm.
    holder : Wall
        Carries both ends.
    ends : tuple of tuple of float
        Index and offset in `holder` where the curve begins and ends.
    inward_mm : float
        How far its middle moves against the normal when `contraction` is 1.
    thicker : float
        Relative thickening when `contraction` is 1.
    """

    curve: Curve
    thickness: Floats
    holder: Wall
    ends: tuple[tuple[float, float], tuple[float, float]]
    inward_mm: float
    thicker: float

    def moved(self, index: Floats, offset: Floats, state: State) -> Floats:
        """Places ``(n, 2)`` of what is at these indices and offsets of the curve."""
        indices, offsets = np.array(self.ends).T
        shift = self.holder.moved(indices, offsets, state) - self.holder.moved(indices, offsets, {})
        share = np.linspace(0.0, 1.0, len(self.curve))[:, None]
        amount = state.get("contraction", 0.0)
        inward = amount * self.inward_mm * np.sin(np.pi * share) * self.curve.normal
        path = self.curve.points + (1.0 - share) * shift[0] + share * shift[1] - inward
        normal = pick(left(np.gradient(path, axis=0)), index)
        normal /= np.hypot(*normal.T)[:, None]
        thick = offset * (1.0 + self.thicker * amount)
        return pick(path, index) + thick[:, None] * normal
