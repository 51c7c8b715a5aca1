"""An artery that pulsates, cut along or across."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.anatomy import Fat
from napari_usstrack.synth.muscle.settings import (
    Orientation,
    Reached,
    generator,
    slow_waves,
    speckle_lifetime,
    through_plane,
    tissue_marks,
    view,
)
from napari_usstrack.synth.muscle.texture import Mottle, Streaks, decibels, power
from napari_usstrack.synth.probe import Plane, Probe, linear
from napari_usstrack.synth.scene import Body, Field, Follow, Mark, Path, Scene

Floats = NDArray[np.float64]
BODY = "vessel"
Cut = Literal["along", "across"]
BLOOD_LIFETIME_S = 0.01


@dataclass(frozen=True)
class Pulse:
    """Course of an artery's diameter over heart beats.

    Attributes
    ----------
    period_s, phase : float
        Length of a beat, and the share of one that has passed at 0 s.
    rise : float
        Share of the beat in which the diameter rises.
    notch : float
        Size of the second wave.
    """

    period_s: float
    phase: float
    rise: float = 0.15
    notch: float = 0.15

    def __call__(self, seconds: float) -> float:
        """From 0 at the smallest to about 1 at the largest diameter."""
        u = (seconds / self.period_s + self.phase) % 1.0
        if u < self.rise:
            return 0.5 - 0.5 * math.cos(math.pi * u / self.rise)
        fall = (u - self.rise) / (1.0 - self.rise)
        second = self.notch * math.sin(math.pi * fall) ** 2
        return (0.5 + 0.5 * math.cos(math.pi * fall)) ** 1.5 + second


@dataclass(frozen=True, eq=False)
class Pulsation:
    """Motion of tissue around a lumen that widens.

    Tissue outside keeps the square of its distance from the axis but for one
    number that is the same everywhere, so that cut across no area changes;
    towards the skin the motion fades away. Blood stretches with the lumen.

    Attributes
    ----------
    radius_mm, depth_mm : float
        Radius of the lumen at its smallest, and depth of its axis.
    widening : callable
        Seconds to the relative growth of the radius.
    creep : callable
        Seconds to displacement along the vessel in mm, at the wall.
    cut : {"along", "across"}
        How the plane lies.
    slope, bend : float
        Slope of the axis, and its curvature per mm; used when cut along.
    """

    radius_mm: float
    depth_mm: float
    widening: Callable[[float], float]
    creep: Callable[[float], float]
    cut: Cut
    slope: float = 0.0
    bend: float = 0.0

    def axis(self, x: torch.Tensor) -> torch.Tensor:
        """Depth of the axis."""
        return self.depth_mm + x * (self.slope + self.bend * x)

    def offset(self, x: torch.Tensor, y: torch.Tensor) -> tuple[Plane, torch.Tensor]:
        """Vector from the axis, and distance from it, mm."""
        if self.cut == "along":
            away = (torch.zeros_like(x), y - self.axis(x))
            return away, away[1].abs()
        away = (x, y - self.depth_mm)
        return away, torch.sqrt(away[0] * away[0] + away[1] * away[1])

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Do what needs doing once for material places (mm)."""
        away, far = self.offset(x, y)
        inside = far < self.radius_mm
        square = torch.clamp(far * far, min=1e-12)
        fade = self._fade(y, far)
        carried = self._carried(far) if self.cut == "along" else None

        def path(seconds: float) -> Plane:
            growth = self.widening(seconds)
            gained = self.radius_mm**2 * ((1.0 + growth) ** 2 - 1.0)
            outside = torch.sqrt(gained / square + 1.0) - 1.0
            share = torch.where(inside, growth, outside * fade)
            px, py = torch.addcmul(x, away[0], share), torch.addcmul(y, away[1], share)
            return (px if carried is None else px + carried * self.creep(seconds)), py

        return path

    def _fade(self, y: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
        """How much of its displacement a place keeps: 1 at the wall, 0 at the skin."""
        u = torch.clamp(y / max(self.depth_mm - self.radius_mm - 1.5, 1.0), 0.0, 1.0)
        beyond = torch.clamp(far - self.radius_mm - 2.0, min=0.0) / 12.0
        return u * u * (3.0 - 2.0 * u) * torch.exp(-beyond * beyond)

    def _carried(self, far: torch.Tensor) -> torch.Tensor:
        beyond = torch.clamp(far - self.radius_mm - 1.0, min=0.0) / 4.0
        return torch.exp(-beyond * beyond)


@dataclass(frozen=True, eq=False)
class VesselTissue:
    """Brightness of blood, wall layers and surroundings.

    Attributes
    ----------
    motion : Pulsation
    wall_mm : float
        Thickness of intima and media together.
    blood_db, media_db, around_db : float
    fat_mm : float
        Thickness of skin and fat.
    fat : Fat
    mottles : tuple of Mottle
        Of the surroundings, and along the wall.
    strands : Streaks
        In the surroundings.
    """

    motion: Pulsation
    wall_mm: float
    blood_db: float
    media_db: float
    around_db: float
    fat_mm: float
    fat: Fat
    mottles: tuple[Mottle, Mottle]
    strands: Streaks

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Level at material places, dB."""
        away, far = self.motion.offset(x, y)
        beyond = far - self.motion.radius_mm
        facing = (away[1] / torch.clamp(far, min=0.1)).square()
        shine = self.mottles[1](x, y)
        intima = power(-8.0 + 1.5 * shine) * facing * _sheet(beyond, 0.0, 0.18)
        outer = power(0.0 + 1.5 * shine) * (0.08 + facing) * _sheet(beyond, self.wall_mm, 0.7)
        media = power(self.media_db) * _sheet(beyond, 0.0, self.wall_mm)
        along = y - 0.6 * (self.motion.axis(x) - self.motion.depth_mm)
        around = power(self.around_db + 2.5 * self.mottles[0](x, along)) + self.strands(x, along)
        fat = torch.sigmoid((self.fat_mm + 0.25 * shine - y) / 0.25)
        fascia = power(-4.0 + shine) * torch.exp(
            -((y - self.fat_mm - 0.25 * shine) / 0.35).square()
        )
        around = torch.lerp(around, self.fat.power(x, y), fat) + fascia
        outside = torch.sigmoid((beyond - self.wall_mm - 0.6) / 0.12)
        blood = power(self.blood_db) * torch.sigmoid(-beyond / 0.05)
        return decibels(blood + intima + media + outer + around * outside)


def _sheet(beyond: torch.Tensor, start: float, thick: float) -> torch.Tensor:
    """Share of a layer that starts some mm from the lumen."""
    return torch.sigmoid((beyond - start) / 0.04) * torch.sigmoid((start + thick - beyond) / 0.05)


def vessel(
    seed: int | np.random.Generator,
    frame_count: int,
    *,
    orientation: Orientation = "usual",
    cut: Cut | None = None,
) -> Scene:
    """Scene with an artery such as the common carotid.

    Parameters
    ----------
    seed : int or numpy Generator
        Same seed, same scene.
    frame_count : int
        Frames of the clip.
    orientation : {"usual", "any"}
        Usual: skin above, left or right at random. Any: any turn.
    cut : {"along", "across"}, optional
        How the plane lies; drawn when not given.
    """
    random = generator(seed)
    even = random.uniform
    probe = linear(
        depth_mm=float(even(30.0, 42.0)),
        width_mm=float(even(34.0, 48.0)),
        mhz=float(even(6.0, 9.0)),
    )
    fps = float(even(25.0, 80.0))
    duration_s = frame_count / fps
    motion = _motion(random, cut or ("along" if random.random() < 0.65 else "across"), duration_s)
    wall_mm = float(even(0.5, 0.95))
    pose = view(random, probe, duration_s, orientation)
    tissue = _tissue(random, motion, wall_mm, skin=orientation == "usual")
    body = Body(
        BODY,
        echo_db=Reached(tissue, motion, pose, probe, np.linspace(0.0, duration_s, 16)),
        motion=motion,
        lifetime_s=_lifetime(random, motion),
        through_mm=through_plane(random),
    )
    walls = _walls(motion, wall_mm, probe)
    marks = [
        Mark(f"{group}-{i + 1}", BODY, float(x), float(y), group=group, kind="line")
        for group, places in walls.items()
        for i, (x, y) in enumerate(places)
    ]
    marks += tissue_marks(random, probe, pose, 16, body=BODY, keep=_solid(motion))
    return Scene(
        name="vessel",
        probe=probe,
        bodies=(body,),
        marks=tuple(marks),
        frame_count=frame_count,
        fps=fps,
        pose=pose,
        through=slow_waves(random),
        measures=VesselTruth(motion.cut, walls),
        margin_mm=18.0,
        facts={"radius_mm": motion.radius_mm, "wall_mm": wall_mm},
    )


@dataclass(frozen=True, eq=False)
class VesselTruth:
    """Measures of a vessel, from material places on its walls by group."""

    cut: Cut
    walls: Mapping[str, Floats]

    def __call__(self, follow: Follow) -> Mapping[str, Floats]:
        """Compute all measures, one number per frame.

        The diameter is the mean distance of opposite points of the near and
        the far wall's inner side; wall thickness is that of the far wall.
        """
        near, far, outer = (
            follow(BODY, self.walls[name]) for name in ("near-wall", "far-wall", "far-outer")
        )
        return {
            "diameter_mm": _apart(near, far),
            "wall_thickness_mm": _apart(far, outer),
        }


def _apart(start: Floats, end: Floats) -> Floats:
    return np.asarray(np.hypot(*np.moveaxis(end - start, -1, 0)).mean(axis=1))


def _motion(random: np.random.Generator, cut: Cut, duration_s: float) -> Pulsation:
    even = random.uniform
    radius_mm = float(even(2.2, 4.2))
    beats = Pulse(
        float(even(0.6, 1.2)), float(even(0.0, 1.0)), float(even(0.1, 0.25)), float(even(0.05, 0.3))
    )
    size, creep = float(even(0.03, 0.14)), float(random.normal(0.0, 0.5))
    late = Pulse(beats.period_s, beats.phase - float(even(0.05, 0.2)), 0.3, 0.0)
    return Pulsation(
        radius_mm=radius_mm,
        depth_mm=float(even(11.0, 20.0)),
        widening=lambda seconds: size * beats(seconds),
        creep=lambda seconds: creep * late(seconds),
        cut=cut,
        slope=float(random.normal(0.0, 0.06)),
        bend=float(random.normal(0.0, 7e-4)),
    )


def _tissue(
    random: np.random.Generator, motion: Pulsation, wall_mm: float, *, skin: bool
) -> VesselTissue:
    even = random.uniform
    return VesselTissue(
        motion=motion,
        wall_mm=wall_mm,
        blood_db=float(even(-46.0, -36.0)),
        media_db=float(even(-30.0, -24.0)),
        around_db=float(even(-22.0, -15.0)),
        fat_mm=float(even(2.5, 6.0)),
        fat=Fat.draw(random, skin=skin),
        mottles=(Mottle.draw(random, 7.0, 1.2), Mottle.draw(random, 9.0, 20.0)),
        strands=Streaks.draw(
            random,
            spacing_mm=float(even(1.2, 2.2)),
            width_mm=float(even(0.2, 0.4)),
            length_mm=(6.0, float(even(14.0, 35.0))),
            occupancy=float(even(0.3, 0.7)),
            level_db=(-20.0, float(even(-11.0, -6.0))),
        ),
    )


def _lifetime(random: np.random.Generator, motion: Pulsation) -> Field:
    solid = speckle_lifetime(random)

    def lifetime_s(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        _, far = motion.offset(x, y)
        return torch.where(far < motion.radius_mm, BLOOD_LIFETIME_S, solid(x, y))

    return lifetime_s


def _solid(motion: Pulsation) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda x, y: motion.offset(x, y)[1] > motion.radius_mm


def _walls(motion: Pulsation, wall_mm: float, probe: Probe, count: int = 7) -> dict[str, Floats]:
    """Material places on the walls, by group; opposite points have equal numbers."""
    if motion.cut == "along":
        x = np.linspace(-0.42, 0.42, count) * probe.width
        middle = np.stack([x, motion.axis(torch.from_numpy(x)).numpy()], axis=1)
        down = np.tile([0.0, 1.0], (count, 1))
    else:
        angle = np.linspace(-0.25, 0.25, count) * np.pi
        middle = np.tile([0.0, motion.depth_mm], (count, 1))
        down = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    inner, outer = motion.radius_mm + 1e-6, motion.radius_mm + wall_mm
    return {
        "near-wall": middle - inner * down,
        "far-wall": middle + inner * down,
        "near-outer": middle - outer * down,
        "far-outer": middle + outer * down,
    }
