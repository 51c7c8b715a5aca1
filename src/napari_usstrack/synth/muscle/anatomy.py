"""Bellies, aponeuroses and fat, and how bright they are.

Everything is described in the ideal coordinates of `layers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.layers import Layers
from napari_usstrack.synth.muscle.texture import Mottle, Streaks, decibels, facing_db, power
from napari_usstrack.synth.probe import Plane

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Belly:
    """Muscle between two depths, with fascicles from one to the other.

    Attributes
    ----------
    top, bottom : float
        Depths, mm.
    slant_mm : float
        How far along the muscle a fascicle's deep end lies from its
        superficial end.
    curve_mm : float
        How far along the muscle its middle is from the straight line.
    """

    top: float
    bottom: float
    slant_mm: float
    curve_mm: float = 0.0

    @property
    def thickness_mm(self) -> float:
        """Distance between its two sides."""
        return self.bottom - self.top

    @property
    def length_mm(self) -> float:
        """Distance between the ends of a fascicle."""
        return math.hypot(self.slant_mm, self.thickness_mm)

    @property
    def angle_deg(self) -> float:
        """Slope of the fascicles in a picture, positive where they fall to the right."""
        return math.degrees(math.atan2(self.thickness_mm, self.slant_mm))

    def fibre(self, along: torch.Tensor, across: torch.Tensor) -> Plane:
        """Millimetres along the fascicle through a place, and across fascicles."""
        share = (across - self.top) / self.thickness_mm
        inner = torch.clamp(share, 0.0, 1.0)
        bow = 4.0 * self.curve_mm * inner * (1.0 - inner)
        start = along - share * self.slant_mm - bow
        return share * self.length_mm, start * (self.thickness_mm / self.length_mm)

    def points(self, start: float, shares: Floats) -> Floats:
        """Ideal coordinates (n, 2) of a fascicle's points.

        Parameters
        ----------
        start : float
            Where its superficial end lies along the muscle, mm.
        shares : ndarray, shape (n,)
            0 at the superficial end, 1 at the deep end.
        """
        bow = 4.0 * self.curve_mm * shares * (1.0 - shares)
        along = start + self.slant_mm * shares + bow
        return np.stack([along, self.top + self.thickness_mm * shares], axis=1)


@dataclass(frozen=True, eq=False)
class Flesh:
    """Brightness of a belly: dark, with bright sheets between fascicles."""

    belly: Belly
    dark_db: float
    mottles: tuple[Mottle, Mottle]
    sheets: tuple[Streaks, ...]

    @classmethod
    def draw(cls, random: np.random.Generator, belly: Belly, tilt_deg: float = 0.0) -> Flesh:
        """Draw a belly's texture; `tilt_deg` is the tilt of the muscle in the picture."""
        loss = 0.7 * facing_db(belly.angle_deg + tilt_deg)
        even = random.uniform
        strong = Streaks.draw(
            random,
            spacing_mm=float(even(1.6, 3.5)),
            width_mm=float(even(0.3, 0.5)),
            length_mm=(float(even(4.0, 10.0)), float(even(16.0, 32.0))),
            occupancy=float(even(0.35, 0.65)),
            level_db=(-17.0 + loss, float(even(-8.5, -4.0)) + loss),
        )
        fine = Streaks.draw(
            random,
            spacing_mm=float(even(0.7, 1.1)),
            width_mm=float(even(0.22, 0.35)),
            length_mm=(3.0, float(even(7.0, 14.0))),
            occupancy=float(even(0.2, 0.5)),
            level_db=(-22.0 + loss, float(even(-15.0, -11.0)) + loss),
        )
        mottles = (Mottle.draw(random, 9.0, 5.0), Mottle.draw(random, 5.0, 0.7))
        return cls(belly, float(even(-27.5, -20.5)), mottles, (strong, fine))

    def power(self, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
        """Power at ideal places."""
        fibre = self.belly.fibre(along, across)
        broad, thin = (mottle(*fibre) for mottle in self.mottles)
        rim = torch.clamp((self.belly.bottom - across) / 1.5, 0.0, 1.0)
        dark = power(self.dark_db - 5.0 * (1.0 - rim) + 2.2 * broad + 2.2 * thin)
        bright = sum((sheet(*fibre) for sheet in self.sheets), torch.zeros_like(along))
        return dark + bright * torch.pow(10.0, 0.25 * broad) * (0.25 + 0.75 * rim)


@dataclass(frozen=True, eq=False)
class Band:
    """An aponeurosis or fascia: a thin bright sheet, rougher below.

    Attributes
    ----------
    depth : float
        Its upper side, mm.
    thickness_mm : float
        Of the bright sheet.
    below_mm : float
        Thickness of the grainy tissue under it.
    level_db, below_db : float
        Their levels.
    mottles : tuple of Mottle
        Variations of thickness, level and grain along the sheet.
    """

    depth: float
    thickness_mm: float
    below_mm: float
    level_db: float
    below_db: float
    mottles: tuple[Mottle, Mottle, Mottle]

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        depth: float,
        *,
        below_mm: float = 0.0,
        tilt_deg: float = 0.0,
        level_db: float = 0.0,
    ) -> Band:
        """Draw a sheet."""
        even = random.uniform
        level_db += float(even(-1.5, 1.5)) + facing_db(tilt_deg)
        thick = Mottle.draw(random, float(even(12.0, 30.0)), 40.0)
        strong = Mottle.draw(random, float(even(4.0, 12.0)), 40.0)
        grain = Mottle.draw(random, float(even(2.0, 5.0)), 0.9)
        return cls(
            depth=depth,
            thickness_mm=float(even(0.6, 1.2)),
            below_mm=below_mm,
            level_db=level_db,
            below_db=level_db - float(even(8.0, 12.0)),
            mottles=(thick, strong, grain),
        )

    def power(self, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
        """Power at ideal places."""
        thick, strong, grain = (mottle(along, across) for mottle in self.mottles)
        height = self.thickness_mm * torch.clamp(1.0 + 0.2 * thick, min=0.5)
        below = across - self.depth
        sheet = torch.sigmoid(below / 0.08) * torch.sigmoid((height - below) / 0.1)
        bright = power(self.level_db + 2.0 * strong) * sheet
        if self.below_mm <= 0:
            return bright
        reach = self.below_mm * torch.clamp(1.0 + 0.2 * thick, min=0.3)
        under = torch.sigmoid((below - height) / 0.15) * torch.exp(
            -torch.clamp(below - height, min=0.0) / reach
        )
        return bright + power(self.below_db + 2.0 * grain) * under


@dataclass(frozen=True, eq=False)
class Fat:
    """Skin, and fat with septa that run along it."""

    level_db: float
    skin_mm: float
    mottles: tuple[Mottle, Mottle]
    septa: Streaks

    @classmethod
    def draw(cls, random: np.random.Generator, *, skin: bool = True) -> Fat:
        """Draw the fat's texture."""
        even = random.uniform
        septa = Streaks.draw(
            random,
            spacing_mm=float(even(0.9, 1.8)),
            width_mm=float(even(0.3, 0.5)),
            length_mm=(3.0, float(even(6.0, 14.0))),
            occupancy=float(even(0.4, 0.8)),
            level_db=(-16.0, float(even(-10.0, -5.0))),
        )
        mottles = (Mottle.draw(random, 6.0, 0.8), Mottle.draw(random, 8.0, 3.0))
        return cls(
            float(even(-16.0, -11.0)), float(even(0.9, 1.6)) if skin else -1e9, mottles, septa
        )

    def power(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Power at material places."""
        thin, broad = (mottle(x, y) for mottle in self.mottles)
        skin = power(-7.0) * torch.sigmoid((self.skin_mm - y) / 0.1)
        return power(self.level_db + 1.8 * thin + 1.2 * broad) + self.septa(x, y) + skin


@dataclass(frozen=True, eq=False)
class Stack:
    """Fat, then bellies from top to bottom, with sheets on and between them.

    Attributes
    ----------
    layers : Layers
        Gives the ideal coordinates.
    fat : Fat
    flesh : sequence of Flesh
        From top to bottom.
    bands : sequence of Band
    """

    layers: Layers
    fat: Fat
    flesh: Sequence[Flesh]
    bands: Sequence[Band]

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Level at material places, dB."""
        along, across = self.layers.ideal(x, y)
        total = torch.zeros_like(x)
        fat = across < 0
        total[fat] = self.fat.power(x[fat], y[fat])
        depths = [*(flesh.belly.top for flesh in self.flesh[1:]), math.inf]
        for flesh, end in zip(self.flesh, depths, strict=True):
            inside = (across >= flesh.belly.top) & (across < end)
            total[inside] = flesh.power(along[inside], across[inside])
        for band in self.bands:
            near = (across > band.depth - 2.0) & (across < band.depth + 10.0)
            total[near] += band.power(along[near], across[near])
        return decibels(total)
