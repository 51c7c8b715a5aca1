"""A muscle that ends in its tendon, and the junction that slides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.anatomy import Band, Belly, Fat, Flesh
from napari_usstrack.synth.muscle.courses import Manner, effort
from napari_usstrack.synth.muscle.layers import Layers, Profile, Shape
from napari_usstrack.synth.muscle.pennate import Drive, placed
from napari_usstrack.synth.muscle.settings import (
    Orientation,
    Reached,
    generator,
    lie,
    line_marks,
    moved_lie,
    muscle_probe,
    slow_waves,
    speckle_lifetime,
    through_plane,
    tissue_marks,
    view,
)
from napari_usstrack.synth.muscle.texture import Mottle, Streaks, decibels, facing_db, power
from napari_usstrack.synth.muscle.truth import stretch_percent
from napari_usstrack.synth.probe import Probe
from napari_usstrack.synth.scene import Body, Follow, Mark, Scene

Floats = NDArray[np.float64]
BODY = "muscle"
ROUNDING_MM = 3.0


@dataclass(frozen=True)
class Wedge:
    """Outline of a belly that tapers to its tendon, in ideal coordinates.

    Attributes
    ----------
    tip_mm : float
        Where it ends, along the muscle; the belly lies on the side of
        smaller numbers.
    depth_mm : float
        Depth of the tip.
    thickness_mm, taper_mm : float
        Thickness far from the tip, and length over which it grows.
    sheet_mm, tendon_mm : float
        Thickness of the deep aponeurosis, and of the tendon.
    """

    tip_mm: float
    depth_mm: float
    thickness_mm: float
    taper_mm: float
    sheet_mm: float
    tendon_mm: float

    def border(self, along: torch.Tensor) -> torch.Tensor:
        """Depth of the belly's deep side."""
        return self._border(torch.clamp(self.tip_mm - along, min=0.0))

    def _border(self, before_mm: torch.Tensor) -> torch.Tensor:
        u = before_mm / self.taper_mm
        return self.depth_mm + self.thickness_mm * u / torch.sqrt(1.0 + u * u)

    def tendon_top(self, along: torch.Tensor) -> torch.Tensor:
        """Depth of the upper side of tendon and deep aponeurosis."""
        beyond = torch.clamp((along - self.tip_mm) / 6.0, 0.0, 1.0)
        return self.border(along) - self.depth_mm * beyond * beyond * (3.0 - 2.0 * beyond)

    def tendon_bottom(self, along: torch.Tensor) -> torch.Tensor:
        """Depth of the lower side of tendon and deep aponeurosis."""
        before = self.tip_mm - along
        u = torch.sigmoid(-(before - 4.0) / 5.0)
        rounded = self._border(ROUNDING_MM * torch.nn.functional.softplus(before / ROUNDING_MM))
        return rounded + self.sheet_mm + (self.tendon_mm - self.sheet_mm) * u


@dataclass(frozen=True, eq=False)
class JunctionTissue:
    """Brightness of fat, belly, tendon and the muscle below."""

    layers: Layers
    wedge: Wedge
    fat: Fat
    flesh: Flesh
    below: Flesh
    fascia: Band
    fibrils: Streaks
    mottle: Mottle
    tendon_db: float

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Level at material places, dB."""
        along, across = self.layers.ideal(x, y)
        border, top = self.wedge.border(along), self.wedge.tendon_top(along)
        bottom = self.wedge.tendon_bottom(along)
        total = torch.zeros_like(x)
        parts = {
            "fat": across < 0,
            "belly": (across >= 0) & (across < torch.minimum(border, top)),
            "tendon": (across >= torch.clamp(top, min=0.0)) & (across < bottom),
            "below": (across >= 0) & (across >= bottom),
        }
        total[parts["fat"]] = self.fat.power(x[parts["fat"]], y[parts["fat"]])
        for name, flesh in (("belly", self.flesh), ("below", self.below)):
            total[parts[name]] = flesh.power(along[parts[name]], across[parts[name]])
        inside = parts["tendon"]
        total[inside] = self._tendon(along[inside], (across - top)[inside], (bottom - top)[inside])
        return decibels(total + self.fascia.power(along, across))

    def _tendon(self, along: torch.Tensor, down: torch.Tensor, thick: torch.Tensor) -> torch.Tensor:
        edge = torch.minimum(down, thick - down)
        rims = power(-2.0) * torch.sigmoid((0.4 - edge) / 0.08)
        core = power(self.tendon_db + 2.0 * self.mottle(along, down))
        return core + self.fibrils(along, down) + rims


def junction(
    seed: int | np.random.Generator,
    frame_count: int,
    *,
    orientation: Orientation = "usual",
    manner: Manner | None = None,
) -> Scene:
    """Scene with a muscle-tendon junction that slides by 5 to 20 mm.

    Parameters are those of `muscle.pennate.unipennate`.
    """
    random = generator(seed)
    probe = muscle_probe(random)
    fps = float(random.uniform(20.0, 60.0))
    duration_s = frame_count / fps
    travel_mm = float(random.uniform(5.0, min(20.0, 0.4 * probe.width)) * random.choice([-1, 1]))
    wedge = drawn_wedge(random, probe, travel_mm)
    layers = _layers(random, wedge, travel_mm, duration_s, manner)
    pose = view(random, probe, duration_s, orientation)
    tissue = _tissue(random, wedge, layers, pose.turn_deg, skin=orientation == "usual")
    body = Body(
        BODY,
        echo_db=Reached(tissue, layers, pose, probe, np.linspace(0.0, duration_s, 16)),
        motion=layers,
        lifetime_s=speckle_lifetime(random),
        through_mm=through_plane(random),
    )
    lines = _lines(wedge, layers, probe)
    marks = [mark for group, places in lines.items() for mark in _marks(group, places)]
    marks += tissue_marks(random, probe, pose, 24, body=BODY)
    return Scene(
        name="muscle-junction",
        probe=probe,
        bodies=(body,),
        marks=tuple(marks),
        frame_count=frame_count,
        fps=fps,
        pose=pose,
        through=slow_waves(random),
        measures=JunctionTruth(lines),
        margin_mm=34.0,
        facts={"travel_mm": travel_mm, "tip_mm": wedge.tip_mm},
    )


@dataclass(frozen=True, eq=False)
class JunctionTruth:
    """Measures of a junction, from material places by group."""

    lines: Mapping[str, Floats]

    def __call__(self, follow: Follow) -> Mapping[str, Floats]:
        """Compute all measures, one number per frame.

        Displacements are along the tendon of the first frame, positive away
        from the muscle; strains are relative to the first frame.
        """
        tip, upper = (follow(BODY, self.lines[name]) for name in ("junction", "superficial"))
        tendon = follow(BODY, self.lines["tendon"])
        deep = follow(BODY, self.lines["deep"])
        moved = tip[:, 0] - tip[0, 0]
        along = tendon[0, -1] - tendon[0, 0]
        along /= np.hypot(*along)
        return {
            "junction_x_mm": tip[:, 0, 0],
            "junction_displacement_mm": moved @ along,
            "superficial_displacement_mm": (upper - upper[0]).mean(axis=1) @ along,
            "tendon_strain_percent": stretch_percent(tendon[:, :1], tendon[:, -1:]),
            "aponeurosis_strain_percent": stretch_percent(deep[:, :1], deep[:, -1:]),
        }


def drawn_wedge(random: np.random.Generator, probe: Probe, travel_mm: float) -> Wedge:
    """Draw an outline whose tip stays in view while it travels."""
    even = random.uniform
    room = 0.4 * probe.width
    low, high = -room + max(0.0, -travel_mm), room - max(0.0, travel_mm)
    return Wedge(
        tip_mm=float(even(low, high)) if low < high else 0.5 * (low + high),
        depth_mm=float(even(0.8, 2.5)),
        thickness_mm=float(even(9.0, 17.0)),
        taper_mm=float(even(22.0, 45.0)),
        sheet_mm=float(even(0.8, 1.5)),
        tendon_mm=float(even(3.5, 6.5)),
    )


def _layers(
    random: np.random.Generator,
    wedge: Wedge,
    travel_mm: float,
    duration_s: float,
    manner: Manner | None,
) -> Layers:
    even = random.uniform
    fat_mm = float(even(2.5, 8.0))
    deep = wedge.depth_mm + wedge.thickness_mm + 2.0
    upper = travel_mm * float(even(0.7, 1.0))
    below = travel_mm * float(even(0.3, 0.9))
    rest = Shape(bulge=float(random.normal(0.0, 0.03)), lift=lie(random, fat_mm))
    wave = 2.0 * math.pi / float(even(110.0, 180.0))
    # The cosine is steepest at the tip: muscle shortens where tendon lengthens.
    phase = -0.5 * math.pi - wave * wedge.tip_mm
    strain = float(even(0.02, 0.1)) * (1.0 if travel_mm < 0 else -1.0)

    def changed(bulge: float, size: float) -> Shape:
        lift = moved_lie(random, rest.lift, size)
        return Shape(bulge=rest.bulge + bulge, lift=lift)

    moved = float(random.normal(0.0, 1.0))
    return Layers(
        rest=rest,
        at=Drive(
            rest,
            changed(strain, 0.6),
            changed(0.0, 0.4),
            effort(random, duration_s, manner),
            effort(random, duration_s),
        ),
        slides=(
            Profile(((0.0, upper), (deep, travel_mm), (deep + 25.0, below)), rounding_mm=1.0),
            Profile(((0.0, moved), (deep, moved), (deep + 25.0, 0.5 * moved))),
        ),
        wave_per_mm=wave,
        wave_phase=phase,
    )


def _tissue(
    random: np.random.Generator, wedge: Wedge, layers: Layers, turn_deg: float, *, skin: bool
) -> JunctionTissue:
    even = random.uniform
    tilt = math.degrees(math.atan(layers.rest.lift[1])) + turn_deg
    thick = wedge.thickness_mm + wedge.depth_mm
    belly = Belly(0.0, thick, thick / math.tan(math.radians(float(even(12.0, 28.0)))))
    below = Belly(wedge.tendon_mm, 45.0, -35.0 / math.tan(math.radians(float(even(12.0, 30.0)))))
    loss = facing_db(tilt)
    fibrils = Streaks.draw(
        random,
        spacing_mm=float(even(0.45, 0.7)),
        width_mm=float(even(0.16, 0.25)),
        length_mm=(6.0, float(even(20.0, 45.0))),
        occupancy=float(even(0.6, 0.9)),
        level_db=(-10.0 + loss, float(even(-3.0, 0.0)) + loss),
    )
    return JunctionTissue(
        layers=layers,
        wedge=wedge,
        fat=Fat.draw(random, skin=skin),
        flesh=Flesh.draw(random, belly, tilt),
        below=Flesh.draw(random, below, tilt),
        fascia=Band.draw(random, -0.6, tilt_deg=tilt, level_db=-2.0),
        fibrils=fibrils,
        mottle=Mottle.draw(random, 8.0, 0.6),
        tendon_db=float(even(-16.0, -11.0)) + 0.5 * loss,
    )


def _lines(wedge: Wedge, layers: Layers, probe: Probe) -> dict[str, Floats]:
    """Material places of the points to follow, by group."""
    half, tip = 0.46 * probe.width, wedge.tip_mm
    left = np.linspace(min(-half, tip - 12.0), tip - 3.0, 7)
    right = np.linspace(tip + 3.0, max(half, tip + 12.0), 7)
    depth = lambda side, along: side(torch.from_numpy(along)).numpy()
    middle = 0.5 * (depth(wedge.tendon_top, right) + depth(wedge.tendon_bottom, right))
    flat = np.zeros_like(left)
    one = np.array([tip])
    ideal = {
        "junction": (one, depth(wedge.border, one)),
        "superficial": (left, flat),
        "deep": (left, depth(wedge.border, left)),
        "tendon": (right, middle),
    }
    return {name: placed(layers, np.stack(pair, axis=1)) for name, pair in ideal.items()}


def _marks(group: str, places: Floats) -> list[Mark]:
    if group == "junction":
        return [Mark("junction", BODY, float(places[0, 0]), float(places[0, 1]), group="junction")]
    return line_marks(group, BODY, [(float(x), float(y)) for x, y in places])
