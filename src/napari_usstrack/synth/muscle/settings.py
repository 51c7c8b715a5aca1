"""Probes, scanners and views for muscle, drawn at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.muscle.courses import Effort, effort
from napari_usstrack.synth.muscle.texture import Mottle
from napari_usstrack.synth.probe import Plane, Probe, linear
from napari_usstrack.synth.scene import NOTHING_DB, Field, Mark, Motion, Pose

Floats = NDArray[np.float64]
Orientation = Literal["usual", "any"]
NODE_MM = 1.5
FAR_MM = 50.0
"""How far from the middle of the view tissue may lie."""


def generator(seed: int | np.random.Generator) -> np.random.Generator:
    """Random numbers of a seed, or those given."""
    return np.random.default_rng(seed)


def muscle_probe(random: np.random.Generator) -> Probe:
    """Draw a linear probe as used on limbs."""
    return linear(
        depth_mm=float(random.uniform(38.0, 58.0)),
        width_mm=float(random.uniform(42.0, 64.0)),
        mhz=float(random.uniform(5.0, 7.5)),
    )


@dataclass(frozen=True)
class Sway:
    """Probe that presses, slides and shakes.

    Attributes
    ----------
    press_mm, slide_mm, tilt_deg : float
        At the strongest.
    course : Effort
        When.
    shake : Effort
        Small oscillation, mm.
    """

    press_mm: float
    slide_mm: float
    tilt_deg: float
    course: Effort
    shake: Effort

    def __call__(self, seconds: float) -> tuple[float, float, float]:
        """Shift in mm and turn in degrees at a time."""
        now, shake = self.course(seconds), self.shake(seconds)
        return (
            self.slide_mm * now + 0.15 * shake,
            self.press_mm * now + 0.1 * shake,
            self.tilt_deg * now,
        )


def sway(
    random: np.random.Generator, duration_s: float
) -> Callable[[float], tuple[float, float, float]]:
    """Draw what the probe does."""
    size = float(random.choice([0.0, 0.3, 1.0], p=[0.1, 0.3, 0.6]))
    return Sway(
        press_mm=size * float(random.normal(0.0, 1.5)),
        slide_mm=size * float(np.clip(random.normal(0.0, 7.0), -10.0, 10.0)),
        tilt_deg=size * float(random.normal(0.0, 1.0)),
        course=effort(random, duration_s),
        shake=effort(random, duration_s, "still"),
    )


def view(
    random: np.random.Generator,
    probe: Probe,
    duration_s: float,
    orientation: Orientation,
) -> Pose:
    """Draw how anatomy drawn in the usual view lies before the probe.

    Parameters
    ----------
    random : numpy Generator
    probe : Probe
    duration_s : float
        Length of the clip.
    orientation : {"usual", "any"}
        Usual: skin above, left or right at random. Any: any turn, about the
        middle of the view.
    """
    middle = (0.0, 0.5 * probe.depth_mm)
    turn = float(random.uniform(0.0, 360.0)) if orientation == "any" else 0.0
    return Pose(
        turn_deg=turn,
        mirrored=bool(random.random() < 0.5),
        pivot=middle,
        at=middle,
        sway=sway(random, duration_s),
    )


def speckle_lifetime(random: np.random.Generator) -> Field:
    """Draw a smooth map of 0.3 to 5 s."""
    mottle = Mottle.draw(random, 12.0, 8.0)
    typical = math.log(float(random.uniform(0.7, 3.0)))
    return lambda x, y: torch.clamp(torch.exp(typical + 0.4 * mottle(x, y)), 0.3, 5.0)


@dataclass(frozen=True, eq=False)
class Reached:
    """Brightness of a body, and nothing where it never comes into view.

    Attributes
    ----------
    echo_db : Field
        The brightness.
    motion : Motion
        How the body moves.
    pose : Pose
    probe : Probe
    seconds : sequence of float
        Times to look at.
    guard_mm : float
        How far around the view still counts.
    """

    echo_db: Field
    motion: Motion
    pose: Pose
    probe: Probe
    seconds: Sequence[float] | Floats
    guard_mm: float = 3.0

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Level at material places, dB."""
        level = torch.full_like(x, NOTHING_DB)
        if not len(x):
            return level
        near = self._reaching(x, y)
        level[near] = self.echo_db(x[near], y[near])
        return level

    def _reaching(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Whether a node near a place comes into view.

        Nodes two steps away count, as neighbours may slide past each other.
        """
        left, top = float(x.min()), float(y.min())
        columns = int((float(x.max()) - left) / NODE_MM) + 2
        rows = int((float(y.max()) - top) / NODE_MM) + 2
        nodes = torch.arange(rows * columns, device=x.device)
        across = (nodes % columns).to(x) * NODE_MM + left
        down = torch.div(nodes, columns, rounding_mode="floor").to(x) * NODE_MM + top
        path = self.motion.bind(across, down)
        near = torch.zeros_like(across, dtype=torch.bool)
        for seconds in self.seconds:
            near |= self._near(self.pose.seen(path(float(seconds)), float(seconds)))
        spread = torch.nn.functional.max_pool2d(
            near.to(x).view(1, 1, rows, columns), kernel_size=5, stride=1, padding=2
        )
        row, column = (((v - v0) / NODE_MM).round().long() for v, v0 in ((y, top), (x, left)))
        return spread.take(row * columns + column) > 0

    def _near(self, place: Plane) -> torch.Tensor:
        beam, range_mm = self.probe.beam_and_range(*place)
        step_mm = torch.full_like(beam, self.probe.beam_step)
        if self.probe.fan:
            step_mm = step_mm * torch.clamp(range_mm + self.probe.radius_mm, min=1.0)
        side = self.guard_mm / step_mm
        inside = (beam > -side) & (beam < self.probe.beams - 1 + side)
        return (
            inside & (range_mm > -self.guard_mm) & (range_mm < self.probe.depth_mm + self.guard_mm)
        )


def slow_waves(random: np.random.Generator) -> Callable[[float], float]:
    """Draw a slow course from -1 to 1 for motion through the image plane."""
    hertz, phase = float(random.uniform(0.2, 1.5)), float(random.uniform(0.0, 6.3))
    return lambda seconds: math.sin(2.0 * math.pi * hertz * seconds + phase)


def through_plane(random: np.random.Generator) -> Field | None:
    """Draw motion through the image plane of a few mm, none in some scenes."""
    if random.random() < 0.15:
        return None
    mottle = Mottle.draw(random, 25.0, 15.0)
    size = float(random.uniform(0.8, 3.2))
    return lambda x, y: size * (1.0 + 0.5 * mottle(x, y))


def tissue_marks(
    random: np.random.Generator,
    probe: Probe,
    pose: Pose,
    count: int,
    *,
    body: str,
    edge: float = 0.04,
    keep: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> list[Mark]:
    """Draw random material points that lie in the view in the reference state.

    Parameters
    ----------
    random : numpy Generator
    probe : Probe
    pose : Pose
    count : int
        How many.
    body : str
        Their body.
    edge : float
        Share of the view along its border without points.
    keep : callable, optional
        Material places to whether they may hold a point.
    """
    beam, reach = random.uniform(edge, 1.0 - edge, (2, count * (1 if keep is None else 8)))
    places = probe.place(
        torch.from_numpy(beam * (probe.beams - 1)), torch.from_numpy(reach * probe.depth_mm)
    )
    x, y = pose.anatomy(places)
    if keep is not None:
        kept = keep(x, y)
        x, y = x[kept][:count], y[kept][:count]
    return [
        Mark(f"tissue-{i + 1}", body, float(u), float(v), group="tissue")
        for i, (u, v) in enumerate(zip(x, y, strict=True))
    ]


def lie(random: np.random.Generator, fat_mm: float) -> tuple[float, float, float]:
    """Draw how deep the superficial aponeurosis lies, tilted and bent, never near the skin.

    Returns
    -------
    tuple of float
        For `Shape.lift`.
    """
    tilt, bend = float(random.normal(0.0, 0.035)), float(random.normal(0.0, 2.5e-4))
    rises = abs(tilt) * FAR_MM + max(0.0, -bend) * FAR_MM**2
    scale = min(1.0, 0.5 * fat_mm / max(rises, 1e-9))
    return fat_mm, tilt * scale, bend * scale


def moved_lie(
    random: np.random.Generator, lift: tuple[float, float, float], size: float
) -> tuple[float, float, float]:
    """Draw a change of `lie` with activity, by at most 40 % of the fat."""
    rise, turn, bow = (float(v) for v in np.clip(random.normal(0.0, size, 3), -1.0, 1.0))
    fat_mm = lift[0]
    return (
        fat_mm * (1.0 + 0.1 * rise),
        lift[1] + 0.15 * turn * fat_mm / FAR_MM,
        lift[2] + 0.15 * bow * fat_mm / FAR_MM**2,
    )


def line_marks(
    group: str, body: str, places: Sequence[tuple[float, float]], prefix: str | None = None
) -> list[Mark]:
    """Points of a line at material places, named by number."""
    name = prefix or group
    return [
        Mark(f"{name}-{i + 1}", body, float(x), float(y), group=group, kind="line")
        for i, (x, y) in enumerate(places)
    ]
