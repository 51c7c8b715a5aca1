"""Heart scenes: one builder per view."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from napari_usstrack.synth.heart.anatomy import Anatomy, Layers
from napari_usstrack.synth.heart.apical import four_chambers, inner, long_axis, two_chambers
from napari_usstrack.synth.heart.beats import Beats
from napari_usstrack.synth.heart.function import SEGMENTS, Disorder, Function
from napari_usstrack.synth.heart.marks import (
    HEART,
    apical_measures,
    contours,
    free_wall_measures,
    point,
    ring_measures,
    together,
)
from napari_usstrack.synth.heart.motion import contraction
from napari_usstrack.synth.heart.paint import painted
from napari_usstrack.synth.heart.short_axis import SEGMENT_NAMES, short_axis
from napari_usstrack.synth.heart.walls import Strip
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.probe import Probe, cardiac
from napari_usstrack.synth.scene import Body, Mark, Measures, Pose, Scene

Orientation = Literal["standard", "any"]
Seed = int | np.random.Generator


@dataclass(frozen=True)
class Options:
    """What a caller may fix.

    Attributes
    ----------
    frame_count : int
        Frames in the clip.
    orientation : {"standard", "any"}
        The usual pose, or any turn and mirroring.
    disordered : int or None
        How many segments do not contract as they should; None for a random
        number from 0 to 3.
    fps : float or None
        Frames per second; None for 40 to 80.
    equal_beats : bool
        All beats alike.
    """

    frame_count: int = 64
    orientation: Orientation = "standard"
    disordered: int | None = None
    fps: float | None = None
    equal_beats: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """What tells one view from another."""

    name: str
    anatomy: Anatomy
    marks: tuple[Mark, ...]
    measures: Measures
    channels: tuple[str, ...]
    facts: Mapping[str, float]


def heart_a4c(seed: Seed, frame_count: int = 64, **fixed: object) -> Scene:
    """Apical four-chamber view: both ventricles, both atria, two valves."""
    random, options = _start(seed, frame_count, fixed)
    lv, rv = _function(random, options), Function(random.uniform(-0.26, -0.14))
    anatomy = four_chambers(random, lv, rv, rv_mm=random.uniform(28.0, 37.0))
    return _scene(random, options, _apical("heart-a4c", anatomy, lv, ("septal", "lateral")))


def heart_a2c(seed: Seed, frame_count: int = 64, **fixed: object) -> Scene:
    """Apical two-chamber view: left ventricle and atrium."""
    random, options = _start(seed, frame_count, fixed)
    lv = _function(random, options)
    view = _apical("heart-a2c", two_chambers(random, lv), lv, ("inferior", "anterior"))
    return _scene(random, options, view)


def heart_a3c(seed: Seed, frame_count: int = 64, **fixed: object) -> Scene:
    """Apical long axis: left ventricle, atrium, outflow tract and aorta."""
    random, options = _start(seed, frame_count, fixed)
    lv = _function(random, options)
    names = ("inferolateral", "anteroseptal")
    return _scene(random, options, _apical("heart-a3c", long_axis(random, lv), lv, names))


def heart_rv(seed: Seed, frame_count: int = 64, **fixed: object) -> Scene:
    """Four-chamber view with a large right ventricle in the middle."""
    random, options = _start(seed, frame_count, fixed)
    lv = Function(random.uniform(-0.22, -0.1), uneven=random.normal(0.0, 0.06, SEGMENTS))
    rv = Function(random.uniform(-0.3, -0.1), Disorder.drawn(random, 0, closed=False))
    anatomy = four_chambers(random, lv, rv, rv_mm=random.uniform(38.0, 50.0))
    return _scene(random, options, _apical("heart-rv", anatomy, lv, ("septal", "lateral")))


def heart_sax(seed: Seed, frame_count: int = 64, **fixed: object) -> Scene:
    """Parasternal short axis: ring of the left ventricle beside the right one."""
    random, options = _start(seed, frame_count, fixed)
    lv = _function(random, options, closed=True)
    anatomy = short_axis(random, lv)
    ring, free = anatomy.walls["lv"], anatomy.walls["rv"]
    marks = (*contours(ring, count=24), *contours(free, "rv ", 9))
    measures = ring_measures(ring, SEGMENT_NAMES)
    return _scene(random, options, _view("heart-sax", anatomy, marks, measures, lv, "twist"))


BUILDERS: dict[str, Callable[..., Scene]] = {
    "heart-a4c": heart_a4c,
    "heart-a2c": heart_a2c,
    "heart-a3c": heart_a3c,
    "heart-sax": heart_sax,
    "heart-rv": heart_rv,
}
"""Names of scenes and what builds them."""


def _start(
    seed: Seed, frame_count: int, fixed: Mapping[str, object]
) -> tuple[np.random.Generator, Options]:
    options = replace(Options(frame_count), **fixed)  # type: ignore[arg-type]
    return np.random.default_rng(seed), options


def _function(random: np.random.Generator, options: Options, *, closed: bool = False) -> Function:
    disorder = Disorder.drawn(random, options.disordered, closed=closed)
    return Function(random.uniform(-0.24, -0.09), disorder, random.normal(0.0, 0.07, SEGMENTS))


def _apical(name: str, anatomy: Anatomy, function: Function, walls: tuple[str, str]) -> View:
    lv = anatomy.walls["lv"]
    assert isinstance(lv, Strip)
    inside = inner(lv)
    marks = [*contours(lv)]
    marks += [point("mitral left", inside[0], "annulus"), point("mitral right", inside[-1], "annulus")]
    measures = [apical_measures(lv, lv.anchor, walls)]
    if "rv" in anatomy.walls:
        rv = anatomy.walls["rv"]
        marks += contours(rv, "rv ", 11)
        marks.append(point("tricuspid lateral", rv.curve.points[0], "annulus"))
        measures.append(free_wall_measures(rv, lv.curve.points[lv.anchor]))
    return _view(name, anatomy, tuple(marks), together(*measures), function, "narrowing")


def _view(
    name: str,
    anatomy: Anatomy,
    marks: tuple[Mark, ...],
    measures: Measures,
    function: Function,
    second: str,
) -> View:
    own = function.disorder.channel
    channels = ("contraction", second, *([own] if own else []))
    facts = {"wanted_strain_percent": 100.0 * function.strain}
    facts["disordered_segments"] = float(len(function.disorder.segments))
    return View(name, anatomy, marks, measures, channels, facts)


def _scene(random: np.random.Generator, options: Options, view: View) -> Scene:
    fps = options.fps or float(random.uniform(40.0, 80.0))
    beats = Beats.drawn(random, options.frame_count / fps, equal=options.equal_beats)
    anatomy, layers = view.anatomy, Layers.of(view.anatomy)
    near = 20.0 if math.isinf(anatomy.base_mm) else 0.0
    probe = cardiac(
        depth_mm=random.uniform(135.0, 170.0) - near,
        width_deg=random.uniform(74.0, 92.0),
        mhz=random.uniform(1.9, 3.4),
    )
    pose = _pose(random, options, anatomy, probe)
    pull, stiffness = layers.pull(anatomy)
    motion = contraction(
        layers.lattice,
        list(anatomy.walls.values()),
        view.channels,
        _channels(beats, view.channels),
        pull=pull,
        stiffness=stiffness,
    )
    paint = painted(random, anatomy, layers, _origin(pose, probe))
    heart = Body(HEART, paint.echo_db, motion, paint.lifetime)
    level = paint.levels.wall + random.uniform(0.0, 6.0)
    valves = [leaf.body(level, motion, _course(beats, leaf.course)) for leaf in anatomy.leaflets]
    return Scene(
        name=view.name,
        probe=probe,
        bodies=(heart, *valves),
        marks=view.marks,
        frame_count=options.frame_count,
        fps=fps,
        pose=pose,
        look=_look(random),
        through=_course(beats, "contraction"),
        measures=view.measures,
        facts={**view.facts, **beats.facts(options.frame_count, fps)},
    )


def _channels(beats: Beats, names: Sequence[str]) -> Callable[[float], list[float]]:
    def at(seconds: float) -> list[float]:
        beat = beats.at(seconds)
        contraction = beat("contraction", seconds)
        # the ventricle narrows a little later than it shortens
        later = contraction * abs(contraction) ** 0.2
        return [later if name == "narrowing" else beat(name, seconds) for name in names]

    return at


def _course(beats: Beats, name: str) -> Callable[[float], float]:
    return lambda seconds: beats(name, seconds)


def _origin(pose: Pose, probe: Probe) -> tuple[float, float]:
    """The beams' origin in the anatomy, mm."""
    angle = math.radians(pose.turn_deg)
    x, y = -pose.at[0], -probe.radius_mm - pose.at[1]
    flip = -1.0 if pose.mirrored else 1.0
    across, along = math.cos(angle) * x + math.sin(angle) * y, -math.sin(angle) * x + math.cos(angle) * y
    return flip * across + pose.pivot[0], along + pose.pivot[1]


def _pose(random: np.random.Generator, options: Options, anatomy: Anatomy, probe: Probe) -> Pose:
    sway = _sway(random)
    if options.orientation == "any":
        return Pose(
            turn_deg=float(random.uniform(-180.0, 180.0)),
            mirrored=bool(random.random() < 0.5),
            pivot=anatomy.middle,
            at=(float(random.normal(0.0, 6.0)), float(0.56 * probe.depth_mm + random.normal(0.0, 6.0))),
            sway=sway,
        )
    if math.isinf(anatomy.base_mm):
        return Pose(
            turn_deg=float(random.normal(32.0, 10.0)),
            at=(float(random.normal(8.0, 4.0)), float(random.uniform(0.48, 0.58) * probe.depth_mm)),
            sway=sway,
        )
    middle = anatomy.middle
    aside = 0.7 * math.degrees(math.atan2(middle[0], middle[1]))
    return Pose(
        turn_deg=float(aside + random.normal(0.0, 4.0)),
        pivot=(0.0, 0.0),
        at=(float(random.normal(0.0, 3.0)), float(random.uniform(14.0, 26.0))),
        sway=sway,
    )


def _sway(random: np.random.Generator) -> Callable[[float], tuple[float, float, float]]:
    """Breathing and a slowly drifting probe."""
    rate, phase = random.uniform(0.2, 0.35), random.uniform(0.0, 2.0 * math.pi)
    breath = random.normal(0.0, 1.2, 2) * random.uniform(0.0, 1.0)
    drift = random.normal(0.0, 0.4, 3)
    tilt = random.normal(0.0, 0.8)

    def sway(seconds: float) -> tuple[float, float, float]:
        wave = math.sin(2.0 * math.pi * rate * seconds + phase)
        slow = math.sin(0.9 * seconds + phase)
        return (
            float(breath[0] * wave + drift[0] * slow),
            float(breath[1] * wave + drift[1] * slow),
            float(tilt * wave + 0.5 * drift[2] * slow),
        )

    return sway


def _look(random: np.random.Generator) -> Look:
    return Look(
        dynamic_range_db=random.uniform(46.0, 58.0),
        gain_db=random.uniform(-1.0, 7.0),
        gamma=random.uniform(1.0, 1.6),
        noise_db=random.uniform(-62.0, -46.0),
        clutter_db=random.uniform(-22.0, -6.0),
        clutter_mm=random.uniform(7.0, 18.0),
        haze_db=random.uniform(-62.0, -44.0),
        dropout_db=random.uniform(0.0, 8.0),
        persistence=random.choice([0.0, 0.0, 0.15, 0.3]),
        smoothing_px=random.uniform(0.4, 0.9),
        block_quality=float(random.choice([0.0, 0.0, 8.0, 16.0])),
    )
