"""Muscles with oblique fascicles: one belly as in gastrocnemius, two as in tibialis anterior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.anatomy import Band, Belly, Fat, Flesh, Stack
from napari_usstrack.synth.muscle.courses import Course, Manner, effort
from napari_usstrack.synth.muscle.layers import Layers, Profile, Shape
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
from napari_usstrack.synth.muscle.truth import PennateTruth
from napari_usstrack.synth.probe import Probe
from napari_usstrack.synth.scene import Body, Scene

Floats = NDArray[np.float64]
BODY = "muscle"
STEEPEST_DEG = 46.0
FARTHEST_MM = 15.0
SLICES_BESIDE = 3
"""How many other sets of fascicles lie in the slab beside the imaged slice."""
SLIP_MM = 0.8
"""Thickness of the loose tissue in which muscles slide past each other."""


@dataclass(frozen=True)
class Contraction:
    """How far a belly contracts at the strongest.

    Attributes
    ----------
    shortening : float
        Relative shortening of its fascicles.
    slide_mm : float
        How far the aponeuroses slide past each other.
    """

    shortening: float
    slide_mm: float

    @classmethod
    def draw(
        cls, random: np.random.Generator, belly: Belly, stretch: float, farthest_mm: float
    ) -> Contraction:
        """Draw a contraction that neither turns fascicles too far nor slides too far.

        Parameters
        ----------
        random : numpy Generator
        belly : Belly
            At rest.
        stretch : float
            Relative change of the muscle's length at the strongest; its
            thickness changes inversely.
        farthest_mm : float
            Largest `slide_mm`.
        """
        wanted = float(random.uniform(0.12, 0.4))
        for shortening in np.linspace(wanted, 0.03, 40):
            length = belly.length_mm * (1.0 - float(shortening))
            sine = belly.thickness_mm / (1.0 + stretch) / length
            if sine < math.sin(math.radians(STEEPEST_DEG)):
                reach = length * math.sqrt(1.0 - sine * sine) / (1.0 + stretch)
                slide_mm = abs(belly.slant_mm) - reach
                if 0.0 < slide_mm <= farthest_mm:
                    return cls(float(shortening), slide_mm)
        return cls(0.0, 0.25 * min(abs(belly.slant_mm), farthest_mm))


@dataclass(frozen=True, eq=False)
class Drive:
    """State of the muscle over time.

    Attributes
    ----------
    rest, strongest : Shape
        Without and with full contraction.
    turned : Shape
        After a passive turn of the joint.
    effort, turn : Course
        Contraction, and joint turn.
    """

    rest: Shape
    strongest: Shape
    turned: Shape
    effort: Course
    turn: Course

    def __call__(self, seconds: float) -> Shape:
        """State at a time."""
        return self.state(self.effort(seconds), self.turn(seconds))

    def state(self, effort: float, turn: float) -> Shape:
        """State at a strength of contraction and a share of the joint's turn."""
        rest, strong, turned = self.rest, self.strongest, self.turned
        mix = lambda a, b, c: a + effort * (b - a) + turn * (c - a)
        c0, c1, c2 = (mix(*c) for c in zip(rest.lift, strong.lift, turned.lift, strict=True))
        return Shape(
            slides=(effort, turn),
            stretch=mix(rest.stretch, strong.stretch, turned.stretch),
            bulge=mix(rest.bulge, strong.bulge, turned.bulge),
            lift=(c0, c1, c2),
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """What tells one pennate muscle from another.

    Attributes
    ----------
    name : str
        Of the scene.
    bellies : sequence of Belly
        From top to bottom; the last reaches beyond the view.
    sheets_mm : sequence of float
        Depth of every aponeurosis.
    lines : sequence of str
        Group of each of them.
    slides : tuple of Profile
        At the strongest contraction, and after a full passive turn.
    measured : sequence of int
        Bellies with fascicles to follow.
    fat_mm : float
        Thickness of skin and fat at the middle.
    stretch : float
        Relative change of length at the strongest.
    facts : dict
        What was drawn.
    """

    name: str
    bellies: Sequence[Belly]
    sheets_mm: Sequence[float]
    lines: Sequence[str]
    slides: tuple[Profile, Profile]
    measured: Sequence[int]
    fat_mm: float
    stretch: float
    facts: dict[str, float]


def unipennate(
    seed: int | np.random.Generator,
    frame_count: int,
    *,
    orientation: Orientation = "usual",
    manner: Manner | None = None,
) -> Scene:
    """Scene with one muscle belly over another, as gastrocnemius over soleus.

    Parameters
    ----------
    seed : int or numpy Generator
        Same seed, same scene.
    frame_count : int
        Frames of the clip.
    orientation : {"usual", "any"}
        Usual: skin above, left or right at random. Any: any turn.
    manner : {"slow", "fast", "cycles", "still"}, optional
        How it contracts; drawn when not given.
    """
    random = generator(seed)
    probe = muscle_probe(random)
    return assembled(
        random, probe, unipennate_plan(random, probe), frame_count, orientation, manner
    )


def bipennate(
    seed: int | np.random.Generator,
    frame_count: int,
    *,
    orientation: Orientation = "usual",
    manner: Manner | None = None,
) -> Scene:
    """Scene with fascicles on both sides of a central aponeurosis, as in tibialis anterior.

    Parameters are those of `unipennate`.
    """
    random = generator(seed)
    probe = muscle_probe(random)
    return assembled(random, probe, bipennate_plan(random, probe), frame_count, orientation, manner)


def unipennate_plan(random: np.random.Generator, probe: Probe) -> Plan:
    """Draw anatomy and contraction of a muscle with one belly over another."""
    even = random.uniform
    fat_mm = float(even(3.5, 11.0))
    thick = min(float(even(12.0, 24.0)), 0.55 * probe.depth_mm - 0.5 * fat_mm)
    angle = math.radians(float(even(8.0, 30.0)))
    slant = min(thick / math.tan(angle), 70.0)
    belly = Belly(0.0, thick, slant, float(random.normal(0.0, 0.03)) * slant)
    sheet = float(even(0.8, 2.0))
    below = thick + sheet + SLIP_MM
    depth = float(even(22.0, 40.0))
    other = Belly(below, below + depth, -depth / math.tan(math.radians(float(even(15.0, 35.0)))))
    stretch = float(random.normal(0.0, 0.04))
    part = float(even(0.45, 0.75))
    pull = Contraction.draw(random, belly, stretch, FARTHEST_MM / max(part, 1.0 - part))
    upper, lower = pull.slide_mm * (1.0 - part), -pull.slide_mm * part
    slip = float(random.normal(0.0, 2.0))
    main = ((0.0, upper), (thick, lower), (thick + sheet, lower), (below, lower + slip))
    bottom = (other.bottom, float(random.normal(0.0, 2.0)))
    moved, sheared = float(random.normal(0.0, 2.5)), float(random.normal(0.0, 1.5))
    passive = ((0.0, moved), (thick, moved + sheared), (other.bottom, 0.5 * moved))
    return Plan(
        name="muscle-unipennate",
        bellies=(belly, other),
        sheets_mm=(-0.7, thick),
        lines=("superficial", "deep"),
        slides=(Profile((*main, bottom)), Profile(passive)),
        measured=(0,),
        fat_mm=fat_mm,
        stretch=stretch,
        facts=_facts(belly, pull),
    )


def bipennate_plan(random: np.random.Generator, probe: Probe) -> Plan:
    """Draw anatomy and contraction of a muscle with a central aponeurosis."""
    even = random.uniform
    fat_mm = float(even(2.5, 7.0))
    room = 0.8 * probe.depth_mm - fat_mm
    first = float(even(9.0, min(15.0, 0.5 * room)))
    second = float(even(9.0, min(15.0, 0.5 * room)))
    sheet = float(even(0.7, 1.4))
    slants = [
        min(thick / math.tan(math.radians(float(even(9.0, 20.0)))), 65.0)
        for thick in (first, second)
    ]
    upper = Belly(0.0, first, slants[0], float(random.normal(0.0, 0.03)) * slants[0])
    top = first + sheet
    lower = Belly(top, top + second, -slants[1], float(random.normal(0.0, 0.03)) * slants[1])
    below = lower.bottom + 1.5
    rest = Belly(below, below + 30.0, 60.0)
    stretch = float(random.normal(0.0, 0.03))
    pull = Contraction.draw(random, upper, stretch, FARTHEST_MM)
    central = -pull.slide_mm
    slack = float(random.normal(0.0, 0.6))
    main = ((0.0, 0.0), (first, central), (top, central), (lower.bottom, slack), (below, 0.0))
    moved = float(random.normal(0.0, 2.0))
    passive = ((0.0, moved), (first, 1.4 * moved), (top, 1.4 * moved), (below, moved))
    return Plan(
        name="muscle-bipennate",
        bellies=(upper, lower, rest),
        sheets_mm=(-0.7, first, lower.bottom),
        lines=("superficial", "central", "deep"),
        slides=(Profile(main), Profile(passive)),
        measured=(0, 1),
        fat_mm=fat_mm,
        stretch=stretch,
        facts=_facts(upper, pull),
    )


def _facts(belly: Belly, pull: Contraction) -> dict[str, float]:
    return {
        "rest_length_mm": belly.length_mm,
        "rest_angle_deg": belly.angle_deg,
        "shortening_percent": 100.0 * pull.shortening,
        "slide_mm": pull.slide_mm,
    }


def assembled(
    random: np.random.Generator,
    probe: Probe,
    plan: Plan,
    frame_count: int,
    orientation: Orientation,
    manner: Manner | None,
) -> Scene:
    """Scene of a plan: motion, brightness, points, measures, view and scanner."""
    fps = float(random.uniform(20.0, 60.0))
    duration_s = frame_count / fps
    layers = drawn_layers(random, plan, duration_s, manner)
    pose = view(random, probe, duration_s, orientation)
    tilt = math.degrees(math.atan(layers.rest.lift[1])) + pose.turn_deg
    stack = _stack(random, plan, layers, tilt, skin=orientation == "usual")
    beside = [replace(stack, flesh=_flesh(random, plan, tilt)) for _ in range(SLICES_BESIDE)]
    times = np.linspace(0.0, duration_s, 16)
    here, *others = (Reached(each, layers, pose, probe, times) for each in (stack, *beside))
    body = Body(
        BODY,
        echo_db=here,
        beside_db=tuple(others),
        motion=layers,
        lifetime_s=speckle_lifetime(random),
        through_mm=through_plane(random),
    )
    lines = [_on_layer(layers, depth, probe) for depth in _sheet_middles(plan)]
    marks = [
        mark
        for group, places in zip(plan.lines, lines, strict=True)
        for mark in line_marks(group, BODY, [(float(x), float(y)) for x, y in places])
    ]
    fascicles = {i: _fascicles(random, layers, plan.bellies[i], probe) for i in plan.measured}
    every = [places for found in fascicles.values() for places in found]
    for number, places in enumerate(every, 1):
        shown = [(float(x), float(y)) for x, y in places[::FINE]]
        marks += line_marks(f"fascicle-{number}", BODY, shown)
    marks += tissue_marks(random, probe, pose, 24, body=BODY)
    truths = [
        PennateTruth(BODY, lines[i], lines[i + 1], found, _prefix(plan, i))
        for i, found in fascicles.items()
    ]
    return Scene(
        name=plan.name,
        probe=probe,
        bodies=(body,),
        marks=tuple(marks),
        frame_count=frame_count,
        fps=fps,
        pose=pose,
        through=slow_waves(random),
        measures=lambda follow: {k: v for truth in truths for k, v in truth(follow).items()},
        margin_mm=34.0,
        facts=plan.facts,
    )


FINE = 4
"""Places along a fascicle, for its length, between two of its marks."""


def _prefix(plan: Plan, belly: int) -> str:
    return f"belly_{belly + 1}_" if len(plan.measured) > 1 else ""


def _sheet_middles(plan: Plan) -> list[float]:
    """Depths at which aponeuroses are marked: on the side of the measured belly."""
    return [0.0 if depth < 0 else depth for depth in plan.sheets_mm]


def drawn_layers(
    random: np.random.Generator, plan: Plan, duration_s: float, manner: Manner | None
) -> Layers:
    """Draw the shape at rest and how the muscle is driven."""
    bulge = float(np.clip(random.normal(0.0, 0.06), -0.13, 0.13))
    rest = Shape(bulge=bulge, lift=lie(random, plan.fat_mm))

    def changed(stretch: float, size: float) -> Shape:
        return Shape(
            stretch=stretch,
            bulge=rest.bulge + float(np.clip(random.normal(0.0, 0.05 * size), -0.1, 0.1)),
            lift=moved_lie(random, rest.lift, size),
        )

    turning = random.random() < 0.5
    return Layers(
        rest=rest,
        at=Drive(
            rest,
            changed(plan.stretch, 0.7),
            changed(float(random.normal(0.0, 0.03)), 0.5),
            effort(random, duration_s, manner),
            effort(random, duration_s) if turning else _never,
        ),
        slides=plan.slides,
        wave_per_mm=2.0 * math.pi / float(random.uniform(90.0, 180.0)),
        wave_phase=float(random.uniform(0.0, 2.0 * math.pi)),
    )


def _never(_seconds: float) -> float:
    return 0.0


def _stack(
    random: np.random.Generator, plan: Plan, layers: Layers, tilt_deg: float, *, skin: bool
) -> Stack:
    bands = [Band.draw(random, plan.sheets_mm[0], tilt_deg=tilt_deg)]
    for depth in plan.sheets_mm[1:]:
        below = float(random.uniform(0.5, 2.0))
        bands.append(Band.draw(random, depth, below_mm=below, tilt_deg=tilt_deg))
    return Stack(layers, Fat.draw(random, skin=skin), _flesh(random, plan, tilt_deg), bands)


def _flesh(random: np.random.Generator, plan: Plan, tilt_deg: float) -> list[Flesh]:
    return [Flesh.draw(random, belly, tilt_deg) for belly in plan.bellies]


def _on_layer(layers: Layers, depth: float, probe: Probe, count: int = 7) -> Floats:
    """Material places (count, 2) on a layer, over most of the view."""
    half = 0.44 * probe.width
    x = np.linspace(-half, half, count)
    along, _ = layers.ideal(torch.from_numpy(x), torch.zeros(count, dtype=torch.float64))
    return placed(layers, np.stack([along.numpy(), np.full(count, depth)], axis=1))


def _fascicles(
    random: np.random.Generator, layers: Layers, belly: Belly, probe: Probe, count: int = 4
) -> list[Floats]:
    """Material places along fascicles whose middles lie in the view."""
    middles = np.linspace(-0.32, 0.32, count) + random.uniform(-0.06, 0.06, count)
    shares = np.linspace(0.0, 1.0, 8 * FINE + 1)
    starts = middles * probe.width - 0.5 * belly.slant_mm
    return [placed(layers, belly.points(float(start), shares)) for start in starts]


def placed(layers: Layers, ideal: Floats) -> Floats:
    """Material places (n, 2) of ideal coordinates."""
    along, across = torch.from_numpy(np.ascontiguousarray(ideal.T))
    return torch.stack(layers.material(along, across), dim=1).numpy()
