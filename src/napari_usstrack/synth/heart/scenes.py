"""Heart scenes: one builder per view."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from napari_usstrack.synth.heart.anatomy import Anatomy, Layers
from napari_usstrack.synth.heart.apical import Size, four_chambers, inner, long_axis, two_chambers
from napari_usstrack.synth.heart.beats import Beats
from napari_usstrack.synth.heart.exam import beam_origin, drawn_pose, drawn_probe
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
from napari_usstrack.synth.heart.motion import Contraction, contraction
from napari_usstrack.synth.heart.paint import painted
from napari_usstrack.synth.heart.short_axis import SEGMENT_NAMES, short_axis
from napari_usstrack.synth.heart.walls import Ring, Strip
from napari_usstrack.synth.scene import Body, Field, Mark, Measures, Scene, everywhere

Orientation = Literal["usual", "any"]
Seed = int | np.random.Generator
LEAST_AREA = 0.08
"""Tissue that shrinks to less than this share of its area at rest is not believable."""


SLICES_BESIDE = 3
"""How many other textures lie in the slab beside the imaged slice."""


@dataclass(frozen=True)
class Options:
    """What a caller may fix.

    Attributes
    ----------
    frame_count : int
        Frames in the clip.
    orientation : {"usual", "any"}
        The usual pose, or any turn and mirroring.
    disordered : int or None
        How many segments do not contract as they should; None for a random
        number from 0 to 3.
    fps : float or None
        Frames per second; None for 24 to 50.
    equal_beats : bool
        All beats alike.
    beats : Beats or None
        All of them; None draws some.
    function : Function or None
        Of the left ventricle; None draws one.
    size : Size or None
        Of the left ventricle in an apical view; None draws one.
    """

    frame_count: int = 64
    orientation: Orientation = "usual"
    disordered: int | None = None
    fps: float | None = None
    equal_beats: bool = False
    beats: Beats | None = None
    function: Function | None = None
    size: Size | None = None


@dataclass(frozen=True, eq=False)
class View:
    """What tells one view from another."""

    name: str
    anatomy: Anatomy
    marks: tuple[Mark, ...]
    measures: Measures
    channels: tuple[str, ...]
    facts: Mapping[str, float]


Draw = Callable[[np.random.Generator, Options], View]


def heart_a4c(seed: Seed, frame_count: int = 64, **fixed: Any) -> Scene:
    """Apical four-chamber view: both ventricles, both atria, two valves.

    Parameters
    ----------
    seed : int or numpy Generator
        Draws everything.
    frame_count : int
        Frames in the clip.
    **fixed
        Other fields of `Options`.
    """

    def draw(random: np.random.Generator, options: Options) -> View:
        lv, rv = _function(random, options), Function(random.uniform(-0.26, -0.14))
        anatomy = four_chambers(random, lv, rv, rv_mm=random.uniform(28.0, 37.0), size=options.size)
        return _apical("heart-a4c", anatomy, lv, ("septal", "lateral"))

    return _scene(seed, Options(frame_count, **fixed), draw)


def heart_a2c(seed: Seed, frame_count: int = 64, **fixed: Any) -> Scene:
    """Apical two-chamber view, left ventricle and atrium; as `heart_a4c`."""

    def draw(random: np.random.Generator, options: Options) -> View:
        lv = _function(random, options)
        anatomy = two_chambers(random, lv, options.size)
        return _apical("heart-a2c", anatomy, lv, ("inferior", "anterior"))

    return _scene(seed, Options(frame_count, **fixed), draw)


def heart_a3c(seed: Seed, frame_count: int = 64, **fixed: Any) -> Scene:
    """Apical long axis with outflow tract and aorta; as `heart_a4c`."""

    def draw(random: np.random.Generator, options: Options) -> View:
        lv = _function(random, options)
        names = ("inferolateral", "anteroseptal")
        return _apical("heart-a3c", long_axis(random, lv, options.size), lv, names)

    return _scene(seed, Options(frame_count, **fixed), draw)


def heart_sax(seed: Seed, frame_count: int = 64, **fixed: Any) -> Scene:
    """Parasternal short axis, the left ventricle beside the right one; as `heart_a4c`."""

    def draw(random: np.random.Generator, options: Options) -> View:
        lv = _function(random, options, closed=True)
        anatomy = short_axis(random, lv)
        ring, free = anatomy.walls["lv"], anatomy.walls["rv"]
        marks = (*contours(ring, count=24), *contours(free, "rv ", 9))
        measures = ring_measures(ring, SEGMENT_NAMES)
        return _view("heart-sax", anatomy, marks, measures, lv, "twist")

    return _scene(seed, Options(frame_count, **fixed), draw)


def heart_rv(seed: Seed, frame_count: int = 64, **fixed: Any) -> Scene:
    """Four-chamber view with a large right ventricle; as `heart_a4c`."""

    def draw(random: np.random.Generator, options: Options) -> View:
        lv = Function(random.uniform(-0.22, -0.1), uneven=random.normal(0.0, 0.06, SEGMENTS))
        rv = Function(random.uniform(-0.3, -0.1), uneven=random.normal(0.0, 0.08, SEGMENTS))
        anatomy = four_chambers(random, lv, rv, rv_mm=random.uniform(38.0, 50.0))
        return _apical("heart-rv", anatomy, lv, ("septal", "lateral"))

    return _scene(seed, Options(frame_count, **fixed), draw)


BUILDERS: dict[str, Callable[..., Scene]] = {
    "heart-a4c": heart_a4c,
    "heart-a2c": heart_a2c,
    "heart-a3c": heart_a3c,
    "heart-sax": heart_sax,
    "heart-rv": heart_rv,
}
"""Names of scenes and what builds them."""


def _function(random: np.random.Generator, options: Options, *, closed: bool = False) -> Function:
    if options.function is not None:
        return options.function
    disorder = Disorder.drawn(random, options.disordered, closed=closed)
    return Function(random.uniform(-0.24, -0.09), disorder, random.normal(0.0, 0.07, SEGMENTS))


def _apical(name: str, anatomy: Anatomy, function: Function, walls: tuple[str, str]) -> View:
    lv = anatomy.walls["lv"]
    assert isinstance(lv, Strip)
    inside = inner(lv)
    marks = [*contours(lv)]
    marks += [
        point("mitral left", inside[0], "annulus"),
        point("mitral right", inside[-1], "annulus"),
    ]
    measures = [apical_measures(lv, lv.anchor, walls)]
    if "rv" in anatomy.walls:
        rv = anatomy.walls["rv"]
        marks += contours(rv, "rv ", 11)
        marks.append(point("tricuspid lateral", rv.curve.points[0], "annulus"))
        measures.append(free_wall_measures(rv, lv.curve.points[lv.anchor]))
    return _view(name, anatomy, tuple(marks), together(*measures), function)


def _view(
    name: str,
    anatomy: Anatomy,
    marks: tuple[Mark, ...],
    measures: Measures,
    function: Function,
    *more_channels: str,
) -> View:
    own = function.disorder.channel
    channels = ("contraction", *more_channels, *([own] if own else []))
    facts = {"wanted_strain_percent": 100.0 * function.strain}
    facts["disordered_segments"] = float(len(function.disorder.segments))
    facts |= {f"ill_segment_{number}": 1.0 for number in function.disorder.segments}
    lv = anatomy.walls["lv"]
    if isinstance(lv, Ring):
        facts["lengthwise_percent"] = 100.0 * lv.lengthwise
    return View(name, anatomy, marks, measures, channels, facts)


def _scene(seed: Seed, options: Options, draw: Draw) -> Scene:
    random = np.random.default_rng(seed)
    fps = options.fps or float(random.uniform(24.0, 50.0))
    beats = options.beats or Beats.drawn(
        random, options.frame_count / fps, equal=options.equal_beats
    )
    view, layers, motion = _unfolded(random, options, draw, beats, options.frame_count / fps)
    probe = drawn_probe(random, view.anatomy)
    pose = drawn_pose(random, view.anatomy, probe, anyhow=options.orientation == "any")
    paint = painted(random, view.anatomy, layers, beam_origin(pose, probe))
    through = _through_mm(random, view.anatomy)
    heart = Body(
        HEART,
        paint.echo_db,
        motion,
        paint.lifetime,
        beside_db=tuple(paint.beside(random).echo_db for _ in range(SLICES_BESIDE)),
        through_mm=through,
    )
    level = paint.levels.wall + random.uniform(0.0, 6.0)
    valves = [
        leaf.body(level, motion, _course(beats, leaf.course)) for leaf in view.anatomy.leaflets
    ]
    return Scene(
        name=view.name,
        probe=probe,
        bodies=(heart, *valves),
        marks=view.marks,
        frame_count=options.frame_count,
        fps=fps,
        pose=pose,
        through=_course(beats, "contraction"),
        measures=view.measures,
        facts={**view.facts, **beats.facts(options.frame_count, fps)},
    )


def _unfolded(
    random: np.random.Generator, options: Options, draw: Draw, beats: Beats, seconds: float
) -> tuple[View, Layers, Contraction]:
    """Draw hearts until the motion of one folds nowhere."""
    while True:
        view = draw(random, options)
        layers = Layers.of(view.anatomy)
        pull, stiffness = layers.pull(view.anatomy)
        motion = contraction(
            layers.lattice,
            list(view.anatomy.walls.values()),
            view.channels,
            _channels(beats, view.channels),
            pull=pull,
            stiffness=stiffness,
        )
        if motion.least_area(np.linspace(0.0, seconds, 25).tolist()) > LEAST_AREA:
            return view, layers, motion


def _through_mm(random: np.random.Generator, anatomy: Anatomy) -> Field | None:
    """Travel through the plane in most scenes, more at the base than at the apex."""
    base_mm, apex_mm = random.uniform(1.0, 4.0), random.uniform(0.0, 1.0)
    if random.random() < 0.15:
        return None
    if math.isinf(anatomy.base_mm):
        return everywhere(base_mm)

    def through_mm(_x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return apex_mm + (base_mm - apex_mm) * torch.clamp(y / anatomy.base_mm, 0.0, 1.2)

    return through_mm


def _channels(beats: Beats, names: Sequence[str]) -> Callable[[float], list[float]]:
    def at(seconds: float) -> list[float]:
        beat = beats.at(seconds)
        return [beat(name, seconds) for name in names]

    return at


def _course(beats: Beats, name: str) -> Callable[[float], float]:
    return lambda seconds: beats(name, seconds)
