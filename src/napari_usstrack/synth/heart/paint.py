"""How bright a heart's tissue is, and how long its speckle lives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.heart.anatomy import Anatomy, Layers
from napari_usstrack.synth.lattice import Lattice

Floats = NDArray[np.float64]
PLAIN_SD = 0.48
"""Standard deviation of a B-spline surface over unit white noise."""
PATCHES_MM, STREAKS_MM = (9.0, 9.0), (7.0, 1.3)
FIELDS = (
    *("blood", "hull", "muscle", "level", "along", "offset"),
    *("facing_blood", "facing_hull", "rough"),
)


@dataclass(frozen=True, eq=False)
class Texture:
    """Smooth noise of unit variance, with its own scale along x and y."""

    lattice: Lattice
    values: torch.Tensor
    scale_mm: tuple[float, float]

    @classmethod
    def drawn(
        cls, random: np.random.Generator, scale_mm: tuple[float, float], reach_mm: float = 260.0
    ) -> Texture:
        """Noise out to `reach_mm` around the origin."""
        columns, rows = (int(2.0 * reach_mm / scale) + 4 for scale in scale_mm)
        lattice = Lattice(-0.5 * columns, -0.5 * rows, 1.0, rows, columns)
        values = random.standard_normal((rows * columns, 1)) / PLAIN_SD
        return cls(lattice, torch.from_numpy(values), scale_mm)

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Noise at places in mm."""
        return self.lattice.sample(self.values, x / self.scale_mm[0], y / self.scale_mm[1])[:, 0]


@dataclass(frozen=True)
class Levels:
    """Mean echoes in dB; `fade` is the loss behind the pericardium in dB per mm."""

    wall: float
    blood: float
    pericardium: float
    lung: float
    fade: float
    chest: float
    chest_mm: float


@dataclass(frozen=True, eq=False)
class Paint:
    """Brightness and speckle lifetime at material places.

    Attributes
    ----------
    lattice : Lattice
    fields : tensor, shape (nodes, len(FIELDS))
    source : tuple of float
        The probe's origin in the anatomy, mm.
    levels : Levels
    patches, grain, streaks, life : Texture
    lifetime_s : tuple of float
        Typical for tissue, and for blood.
    """

    lattice: Lattice
    fields: torch.Tensor
    source: tuple[float, float]
    levels: Levels
    patches: Texture
    grain: Texture
    streaks: Texture
    life: Texture
    lifetime_s: tuple[float, float]

    def beside(self, random: np.random.Generator) -> Paint:
        """The same anatomy with other patches and fibres, as off the image plane."""
        return replace(
            self,
            patches=Texture.drawn(random, PATCHES_MM),
            streaks=Texture.drawn(random, STREAKS_MM),
        )

    def echo_db(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean brightness, dB."""
        of = self._of(x, y)
        grain = self.grain(x, y)
        inside = torch.sigmoid(-(of["hull"] - 0.3 * grain) / 0.4)
        blood = self._blood(of, grain)
        heart = torch.lerp(self._tissue(of, x, y, grain), self.levels.blood + grain, blood)
        level = torch.lerp(self._around(of, x, y, grain), heart, inside)
        return torch.maximum(level, self._pericardium(of, grain))

    def lifetime(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Lifetime of speckle, s."""
        of = self._of(x, y)
        blood = self._blood(of, self.grain(x, y)) * torch.sigmoid(-of["hull"] / 0.4)
        tissue, fluid = self.lifetime_s
        alive = torch.clamp(tissue * torch.exp(0.6 * self.life(x, y)), 0.15, 2.0)
        return torch.exp(
            torch.lerp(torch.log(alive), torch.full_like(x, float(np.log(fluid))), blood)
        )

    def _of(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.lattice.sample(self.fields, x, y)
        return dict(zip(FIELDS, found.unbind(1), strict=True))

    def _blood(self, of: dict[str, torch.Tensor], grain: torch.Tensor) -> torch.Tensor:
        """Share of blood: cavities with rough walls less the muscles in them."""
        rough = of["blood"] + of["rough"] * torch.clamp(grain + 0.3, min=0.0)
        cavity = torch.sigmoid(-rough / 0.35)
        return cavity * torch.sigmoid(of["muscle"] / 0.35)

    def _tissue(
        self, of: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, grain: torch.Tensor
    ) -> torch.Tensor:
        streak = self.streaks(of["along"], of["offset"])
        facing = of["facing_blood"]
        lining = 6.0 * facing * torch.exp(-(((of["blood"] - 0.7) / 0.9) ** 2))
        texture = 2.5 * self.patches(x, y) + 3.0 * streak + 1.5 * grain
        return self.levels.wall + of["level"] + texture + 8.0 * (facing - 0.6) + lining

    def _pericardium(self, of: dict[str, torch.Tensor], grain: torch.Tensor) -> torch.Tensor:
        """Thin line, bright where it faces the beam."""
        apart = (of["hull"] - 1.2) / 1.1
        level = self.levels.pericardium - 22.0 * (1.0 - of["facing_hull"]) + 2.5 * grain
        return level + of["level"] - 9.0 * torch.clamp(apart * apart, max=9.0)

    def _around(
        self, of: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, grain: torch.Tensor
    ) -> torch.Tensor:
        """Lung with its haze, and the chest wall near the probe."""
        levels = self.levels
        apart = torch.clamp(of["hull"], min=0.0)
        lung = levels.lung - 10.0 * (1.0 - of["facing_hull"] ** 2) - levels.fade * apart
        lung = torch.clamp(lung + 4.0 * self.patches(x, y) + 2.0 * grain, min=-60.0)
        reach = torch.hypot(x - self.source[0], y - self.source[1])
        layers = self.streaks(2.0 * (x - self.source[0]), reach)
        chest = levels.chest + 3.0 * layers + 1.5 * grain
        share = torch.sigmoid((levels.chest_mm + 2.0 * self.patches(x, y) - reach) / 2.0)
        return torch.lerp(lung, chest, share)


def painted(
    random: np.random.Generator, anatomy: Anatomy, layers: Layers, source: tuple[float, float]
) -> Paint:
    """Draw the look of an anatomy.

    Parameters
    ----------
    random : numpy Generator
    anatomy : Anatomy
    layers : Layers
        Of that anatomy.
    source : tuple of float
        The probe's origin in the anatomy, mm.
    """
    lattice = layers.lattice
    nodes = lattice.nodes()
    along, offset = _wall_places(anatomy, nodes)
    fields = {
        "blood": layers.blood,
        "hull": layers.hull,
        "muscle": np.minimum(layers.muscle, 99.0),
        "level": _uneven(random, anatomy, nodes),
        "along": along,
        "offset": offset,
        "facing_blood": _facing(lattice, layers.blood, nodes, source),
        "facing_hull": _facing(lattice, layers.hull, nodes, source),
        "rough": _roughness(random, anatomy, layers, nodes),
    }
    levels = Levels(
        wall=random.uniform(-13.0, -8.0),
        blood=random.uniform(-46.0, -36.0),
        pericardium=random.uniform(-2.0, 5.0),
        lung=random.uniform(-17.0, -7.0),
        fade=random.uniform(0.35, 1.0),
        chest=random.uniform(-12.0, -6.0),
        chest_mm=random.uniform(8.0, 18.0),
    )
    return Paint(
        lattice,
        torch.from_numpy(np.stack([fields[name] for name in FIELDS], axis=1)),
        source,
        levels,
        Texture.drawn(random, PATCHES_MM),
        Texture.drawn(random, (2.4, 2.4)),
        Texture.drawn(random, STREAKS_MM),
        Texture.drawn(random, (12.0, 12.0)),
        (float(np.exp(random.uniform(np.log(0.25), np.log(1.0)))), random.uniform(0.01, 0.02)),
    )


def _wall_places(anatomy: Anatomy, nodes: Floats) -> tuple[Floats, Floats]:
    """Arc length and offset in the nearest wall, for fibres."""
    along, offset = np.zeros(len(nodes)), np.full(len(nodes), np.inf)
    for number, wall in enumerate(anatomy.walls.values()):
        index, apart, _beyond = wall.curve.locate(nodes)
        nearer = np.abs(apart) < np.abs(offset)
        start = 0.5 * len(wall.curve)
        along = np.where(nearer, (index - start) * wall.curve.step, along)
        offset = np.where(nearer, apart + 60.0 * number, offset)
    return along, np.clip(offset, -200.0, 200.0)


def _facing(
    lattice: Lattice, distance: Floats, nodes: Floats, source: tuple[float, float]
) -> Floats:
    """How squarely the beams meet the surfaces of equal distance, 0 to 1."""
    slope = lattice.gradient(distance)
    beam = nodes - np.array(source)
    size = np.maximum(np.hypot(*slope.T) * np.hypot(*beam.T), 1e-6)
    return np.asarray(np.abs((slope * beam).sum(axis=1)) / size)


def _uneven(random: np.random.Generator, anatomy: Anatomy, nodes: Floats) -> Floats:
    """Parts of the heart seen better or worse, dB."""
    wall = anatomy.walls["lv"].curve
    level = np.zeros(len(nodes))
    for _ in range(int(random.integers(1, 4))):
        at = wall.at(np.array([random.uniform(0.0, 1.0)]))[0]
        size = random.uniform(12.0, 28.0)
        loss = random.uniform(4.0, 14.0)
        level -= loss * np.exp(-(((nodes - at) ** 2).sum(axis=1)) / size**2)
    for _ in range(3):
        at = wall.at(np.array([random.uniform(0.0, 1.0)]))[0]
        level += random.uniform(1.0, 4.0) * np.exp(-(((nodes - at) ** 2).sum(axis=1)) / 15.0**2)
    broad = Texture.drawn(random, (28.0, 28.0))
    level += 3.5 * broad(*torch.from_numpy(nodes).T).numpy()
    level -= 3.0 * np.clip((nodes[:, 1] - anatomy.base_mm) / 8.0, 0.0, 1.0)
    for hinge in anatomy.hinges:
        level += random.uniform(2.0, 6.0) * np.exp(-(((nodes - hinge) ** 2).sum(axis=1)) / 4.0**2)
    return level


def _roughness(
    random: np.random.Generator, anatomy: Anatomy, layers: Layers, nodes: Floats
) -> Floats:
    """How far trabeculae reach into the cavities, mm."""
    rough = np.full(len(nodes), 0.4)
    if np.isfinite(anatomy.base_mm):
        apical = np.clip(1.0 - nodes[:, 1] / (0.55 * anatomy.base_mm), 0.0, 1.0)
        rough += random.uniform(0.4, 1.1) * apical * (layers.cavity["lv"] < 4.0)
    if "rv" in layers.cavity:
        rough += random.uniform(0.4, 1.0) * np.clip(1.0 - layers.cavity["rv"] / 5.0, 0.0, 1.0)
    return rough
