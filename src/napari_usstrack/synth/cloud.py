"""Scatterers: where they start, how bright they are, how they travel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from napari_usstrack.synth.probe import Plane, Probe
from napari_usstrack.synth.scene import NOTHING_DB, Body, Path, Scene

PER_CELL = 10.0
SLAB = 2.5
"""Thickness of the slab of scatterers in full widths of the imaged slice."""


RESTLESS_S = 1e-3
"""Lifetime of echoes that are new in every frame."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Scatterers of one body, on one device.

    Attributes
    ----------
    path : Path
        Seconds to places in mm of the anatomy.
    amplitude : tensor, shape (2, n)
        Echoes in the first frame, real and imaginary.
    scale : tensor, shape (n,)
        Standard deviation of each echo's parts over time.
    lifetime_s : tensor, shape (n,)
        An echo correlates with itself as ``exp(-t / lifetime_s)``.
    across_mm : tensor, shape (n,), or None
        Distance from the image plane; None for a flat cloud.
    through_mm : tensor, shape (n,), or None
        Travel through the plane when the scene's `through` is 1.
    """

    path: Path
    amplitude: torch.Tensor
    scale: torch.Tensor
    lifetime_s: torch.Tensor
    across_mm: torch.Tensor | None = None
    through_mm: torch.Tensor | None = None

    def kept(self, seconds: float) -> torch.Tensor:
        """Share of each echo that is the same after some seconds, (n,)."""
        return torch.exp(-seconds / self.lifetime_s)


def clouds(scene: Scene, random: np.random.Generator, device: torch.device) -> list[Cloud]:
    """Fill the view with scatterers, evenly per resolution cell, for every body.

    There are at least `PER_CELL` in every cell of the imaged slice (full
    widths at half maximum along, across and through the plane), out to the
    scene's margin around the view.
    """
    thick = any(body.through_mm is not None for body in scene.bodies)
    seen, level = _even(scene.probe, random, scene.margin_mm, PER_CELL * (SLAB if thick else 1.0))
    across = torch.from_numpy(random.random(len(level), dtype=np.float32)) - 0.5
    found = []
    for body in scene.bodies:
        place = scene.pose.anatomy(seen)
        echo_db = _echo_db(body, place, across)
        there = echo_db > NOTHING_DB
        scale = (torch.pow(10.0, echo_db / 20.0) * level)[there]
        x, y = (axis[there] for axis in place)
        across_mm = SLAB * scene.probe.elevation_mm * across[there]
        found.append(_cloud(body, (x, y), scale, across_mm, random, device))
    return found


def _echo_db(body: Body, place: Plane, across: torch.Tensor) -> torch.Tensor:
    """Brightness of scatterers that lie from -0.5 to 0.5 of the slab off its middle."""
    echo_db = body.echo_db(*place).clone()
    layer = ((across + 0.5) * (1 + len(body.beside_db))).long()
    for number, beside in enumerate(body.beside_db, start=1):
        here = layer == number
        echo_db[here] = beside(place[0][here], place[1][here])
    return echo_db


def single(scene: Scene, body: str, x: float, y: float, device: torch.device) -> Cloud:
    """One bright scatterer at a material place, in the image plane, that never fades."""
    place = tuple(torch.tensor([value], device=device) for value in (x, y))
    one = torch.ones(1, device=device)
    return Cloud(
        path=scene.body(body).motion.bind(*place),
        amplitude=torch.stack([one, 0.0 * one]),
        scale=0.0 * one,
        lifetime_s=1e9 * one,
    )


def _even(
    probe: Probe, random: np.random.Generator, margin_mm: float, per_cell: float
) -> tuple[Plane, torch.Tensor]:
    """Places in mm with `per_cell` scatterers per resolution cell, and their unit echo."""
    top = max(-margin_mm, 1.0 - probe.radius_mm) if probe.fan else -margin_mm
    ranges = torch.linspace(top, probe.depth_mm + margin_mm, 2000, dtype=torch.float64)
    density = probe.cells_per_beam_mm(ranges) * per_cell
    side = margin_mm / probe.beam_step
    if probe.fan:
        side = side / (0.6 * probe.depth_mm + probe.radius_mm)
    beams = probe.beams - 1 + 2.0 * side
    total = torch.cumulative_trapezoid(density, ranges)
    count = int(float(total[-1]) * beams)
    share = torch.cat([torch.zeros(1, dtype=torch.float64), total / total[-1]])
    drawn = np.interp(np.sort(random.random(count)), share.numpy(), ranges.numpy())
    along = torch.from_numpy(drawn).float()
    beam = torch.from_numpy(random.random(count) * beams - side).float()
    per_sample = probe.cells_per_beam_mm(along) * per_cell * probe.sample_mm
    return probe.place(beam, along), torch.rsqrt(per_sample)


def _cloud(
    body: Body,
    place: Plane,
    scale: torch.Tensor,
    across_mm: torch.Tensor,
    random: np.random.Generator,
    device: torch.device,
) -> Cloud:
    lifetime_s = body.lifetime_s(*place)
    restless = torch.from_numpy(random.random(len(scale)) < body.restless)
    lifetime_s = torch.where(restless, RESTLESS_S, lifetime_s)
    through = None if body.through_mm is None else body.through_mm(*place)
    amplitude = torch.from_numpy(random.standard_normal((2, len(scale)), dtype=np.float32))
    x, y = (axis.to(device) for axis in place)
    scale = scale / 2.0**0.5
    return Cloud(
        path=body.motion.bind(x, y),
        amplitude=(amplitude * scale).to(device),
        scale=scale.to(device),
        lifetime_s=lifetime_s.to(device),
        across_mm=None if through is None else across_mm.to(device),
        through_mm=None if through is None else through.to(device),
    )
