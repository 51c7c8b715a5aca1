"""Texture without anatomy that deforms smoothly in any direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.courses import Course, Cycles, Push, Tremor
from napari_usstrack.synth.muscle.settings import (
    Orientation,
    Reached,
    generator,
    slow_waves,
    speckle_lifetime,
    through_plane,
    tissue_marks,
)
from napari_usstrack.synth.muscle.texture import Mottle, Streaks, decibels, power
from napari_usstrack.synth.probe import Plane, Probe, cardiac, curved, linear
from napari_usstrack.synth.scene import Body, Path, Pose, Scene

Floats = NDArray[np.float64]
BODY = "tissue"
BRIGHTEST_DB = 5.0
STEEPEST = 0.35
"""Largest sum of the waves' displacement gradients."""


@dataclass(frozen=True)
class Wave:
    """One plane wave of displacement.

    Attributes
    ----------
    per_mm : tuple of float
        Angular frequency along x and y.
    phase : float
    shift_mm : tuple of float
        Displacement along x and y at the crest, at the strongest.
    course : Course
        Seconds to a factor of about -1 to 1.
    """

    per_mm: tuple[float, float]
    phase: float
    shift_mm: tuple[float, float]
    course: Course

    @property
    def gradient(self) -> float:
        """Largest gradient of its displacement."""
        return math.hypot(*self.per_mm) * math.hypot(*self.shift_mm)


@dataclass(frozen=True, eq=False)
class Flow:
    """Large-scale affine motion after the sum of several waves.

    The waves' gradients add up to less than one and the affine map keeps
    orientation, so the motion is one-to-one at all times.

    Attributes
    ----------
    waves : sequence of Wave
    middle : tuple of float
        Fixed point of turning and stretching, mm.
    affine : sequence of (float, float, float, float, float)
        Turn in radians, stretch, its direction in radians, shift along x and
        y in mm: at the strongest, for each of `courses`.
    courses : sequence of Course
    """

    waves: Sequence[Wave]
    middle: tuple[float, float]
    affine: Sequence[tuple[float, float, float, float, float]]
    courses: Sequence[Course]

    def linear_part(self, seconds: float) -> tuple[Floats, Floats]:
        """Matrix (2, 2) and shift (2,) in mm at a time."""
        matrix, shift = np.eye(2), np.zeros(2)
        for (turn, stretch, angle, dx, dy), course in zip(self.affine, self.courses, strict=True):
            now = course(seconds)
            matrix = _turned(turn * now) @ _stretched(stretch * now, angle) @ matrix
            shift = shift + now * np.array([dx, dy])
        return matrix, shift

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Do what needs doing once for material places (mm)."""
        x0, y0 = self.middle
        left, up = x - x0, y - y0
        sines = [torch.sin(x * w.per_mm[0] + y * w.per_mm[1] + w.phase) for w in self.waves]

        def path(seconds: float) -> Plane:
            matrix, shift = self.linear_part(seconds)
            u, v = left, up
            for wave, sine in zip(self.waves, sines, strict=True):
                now = wave.course(seconds)
                u = torch.add(u, sine, alpha=now * wave.shift_mm[0])
                v = torch.add(v, sine, alpha=now * wave.shift_mm[1])
            (a, b), (c, d) = matrix.tolist()
            px = torch.add(u * a, v, alpha=b) + (x0 + float(shift[0]))
            py = torch.add(u * c, v, alpha=d) + (y0 + float(shift[1]))
            return px, py

        return path


def _turned(angle: float) -> Floats:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _stretched(stretch: float, angle: float) -> Floats:
    """Stretch in one direction that keeps area."""
    turn = _turned(angle)
    return np.asarray(turn @ np.diag([math.exp(stretch), math.exp(-stretch)]) @ turn.T)


@dataclass(frozen=True, eq=False)
class Texture:
    """Brightness without anatomy: patches, and streaks in one or two directions."""

    level_db: float
    contrast_db: tuple[float, float]
    mottles: tuple[Mottle, Mottle]
    turns: tuple[float, float]
    streaks: tuple[tuple[float, Streaks], ...]

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Level at material places, dB."""
        broad, fine = (
            mottle(*_along(angle, x, y))
            for angle, mottle in zip(self.turns, self.mottles, strict=True)
        )
        contrast = self.contrast_db
        total = power(self.level_db + contrast[0] * broad + contrast[1] * fine)
        for angle, streaks in self.streaks:
            total = total + streaks(*_along(angle, x, y))
        return torch.clamp(decibels(total), max=BRIGHTEST_DB)


def _along(angle: float, x: torch.Tensor, y: torch.Tensor) -> Plane:
    """Coordinates along a direction and across it."""
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def free(
    seed: int | np.random.Generator, frame_count: int, *, orientation: Orientation = "usual"
) -> Scene:
    """Scene with random texture in random smooth motion, for any kind of probe.

    Parameters
    ----------
    seed : int or numpy Generator
        Same seed, same scene.
    frame_count : int
        Frames of the clip.
    orientation : {"usual", "any"}
        Without effect: there is no up or down.
    """
    random = generator(seed)
    probe = _probe(random)
    fps = float(random.uniform(20.0, 60.0))
    duration_s = frame_count / fps
    extent = 0.5 * probe.depth_mm
    motion = _flow(random, extent, duration_s)
    texture = _texture(random, extent)
    pose = Pose(mirrored=bool(random.random() < 0.5))
    body = Body(
        BODY,
        echo_db=Reached(
            *(texture, motion, pose, probe),
            seconds=np.linspace(0.0, duration_s, 24),
            guard_mm=0.12 * extent,
        ),
        motion=motion,
        lifetime_s=speckle_lifetime(random),
        through_mm=through_plane(random),
    )
    return Scene(
        name="free",
        probe=probe,
        bodies=(body,),
        marks=tuple(tissue_marks(random, probe, pose, 48, body=BODY)),
        frame_count=frame_count,
        fps=fps,
        pose=pose,
        through=slow_waves(random),
        margin_mm=0.35 * extent,
        facts={"waves": float(len(motion.waves))},
    )


def _probe(random: np.random.Generator) -> Probe:
    even = random.uniform
    kind = int(random.integers(3))
    if kind == 0:
        return linear(
            depth_mm=float(even(30.0, 60.0)),
            width_mm=float(even(35.0, 64.0)),
            mhz=float(even(4.5, 8.0)),
        )
    if kind == 1:
        return curved(
            depth_mm=float(even(60.0, 120.0)),
            width_deg=float(even(45.0, 70.0)),
            mhz=float(even(2.5, 5.0)),
        )
    return cardiac(
        depth_mm=float(even(100.0, 180.0)),
        width_deg=float(even(60.0, 90.0)),
        mhz=float(even(1.7, 3.6)),
    )


def _flow(random: np.random.Generator, extent: float, duration_s: float) -> Flow:
    even = random.uniform
    waves = [_wave(random, extent, duration_s) for _ in range(int(random.integers(2, 7)))]
    total = sum(wave.gradient for wave in waves)
    scale = min(1.0, STEEPEST * float(even(0.2, 1.0)) / total)
    waves = [
        Wave(w.per_mm, w.phase, (w.shift_mm[0] * scale, w.shift_mm[1] * scale), w.course)
        for w in waves
    ]
    affine = []
    for _ in range(2):
        angle, far = float(even(0.0, 2.0 * math.pi)), float(even(0.0, 0.18)) * extent
        affine.append(
            (
                float(random.normal(0.0, 0.06)),
                float(random.normal(0.0, 0.05)),
                float(even(0.0, math.pi)),
                far * math.cos(angle),
                far * math.sin(angle),
            )
        )
    courses = [_swinging(random, duration_s) for _ in affine]
    return Flow(waves, (float(even(-0.3, 0.3)) * extent, extent), affine, courses)


def _wave(random: np.random.Generator, extent: float, duration_s: float) -> Wave:
    even = random.uniform
    heading, moving = (float(v) for v in even(0.0, 2.0 * math.pi, 2))
    per_mm = 2.0 * math.pi / (extent * math.exp(float(even(math.log(0.5), math.log(4.0)))))
    gradient = float(even(0.03, 0.2))
    size = gradient / per_mm
    return Wave(
        (per_mm * math.cos(heading), per_mm * math.sin(heading)),
        float(even(0.0, 2.0 * math.pi)),
        (size * math.cos(moving), size * math.sin(moving)),
        _swinging(random, duration_s),
    )


def _swinging(random: np.random.Generator, duration_s: float) -> Callable[[float], float]:
    """Draw a course within -1 to 1 that favours neither sign."""
    even = random.uniform
    kind = int(random.integers(3))
    sign = float(random.choice([-1.0, 1.0]))
    if kind == 0:
        swing = Tremor(((1.0, float(even(0.3, 3.0)) / duration_s, float(even(0.0, 6.2832))),))
        return lambda seconds: sign * swing(seconds)
    if kind == 1:
        cycles = Cycles(duration_s / float(even(0.5, 4.0)), float(even()), float(even(0.7, 2.0)))
        return lambda seconds: sign * cycles(seconds)
    rise_s = duration_s * float(even(0.08, 0.8))
    push = Push(float(even(0.0, 0.5)) * duration_s, rise_s, float(even()) * duration_s, rise_s)
    return lambda seconds: sign * push(seconds)


def _texture(random: np.random.Generator, extent: float) -> Texture:
    even = random.uniform
    streaks = []
    for _ in range(int(random.integers(0, 3))):
        drawn = Streaks.draw(
            random,
            spacing_mm=extent * float(even(0.04, 0.15)),
            width_mm=extent * float(even(0.01, 0.03)),
            length_mm=(0.15 * extent, extent * float(even(0.3, 1.5))),
            occupancy=float(even(0.2, 0.7)),
            level_db=(-14.0, float(even(-6.0, 2.0))),
        )
        streaks.append((float(even(0.0, math.pi)), drawn))
    sizes = [extent * float(s) for s in (even(0.2, 0.8), even(0.03, 0.12))]
    shapes = [float(s) for s in even(0.6, 1.7, 2)]
    first, second = (
        Mottle.draw(random, size * shape, size / shape)
        for size, shape in zip(sizes, shapes, strict=True)
    )
    contrast = (float(even(1.0, 5.0)), float(even(0.5, 4.0)))
    turns = (float(even(0.0, math.pi)), float(even(0.0, math.pi)))
    return Texture(float(even(-20.0, -6.0)), contrast, (first, second), turns, tuple(streaks))
