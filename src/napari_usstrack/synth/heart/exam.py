"""How a heart is looked at: probe and pose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from napari_usstrack.synth.heart.anatomy import Anatomy
from napari_usstrack.synth.probe import Probe, cardiac
from napari_usstrack.synth.scene import Pose


def drawn_probe(random: np.random.Generator, anatomy: Anatomy) -> Probe:
    """Phased array with settings for a view."""
    near_mm = 20.0 if math.isinf(anatomy.base_mm) else 0.0
    narrow_deg = 0.0 if "rv" in anatomy.walls else 14.0
    return cardiac(
        depth_mm=random.uniform(135.0, 170.0) - near_mm,
        width_deg=random.uniform(74.0, 92.0) - narrow_deg,
        mhz=random.uniform(1.9, 3.4),
    )


def beam_origin(pose: Pose, probe: Probe) -> tuple[float, float]:
    """Where the beams start, in mm of the anatomy."""
    start = torch.zeros(1, dtype=torch.float64), torch.tensor([-probe.radius_mm]).double()
    x, y = pose.anatomy(start)
    return float(x), float(y)


def drawn_pose(
    random: np.random.Generator, anatomy: Anatomy, probe: Probe, *, anyhow: bool
) -> Pose:
    """The usual pose of a view, or any turn and mirroring."""
    sway = _sway(random)
    if anyhow:
        deep_mm = 0.56 * probe.depth_mm + random.normal(0.0, 6.0)
        return Pose(
            turn_deg=float(random.uniform(-180.0, 180.0)),
            mirrored=bool(random.random() < 0.5),
            pivot=anatomy.middle,
            at=(float(random.normal(0.0, 6.0)), float(deep_mm)),
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


def found_again(
    random: np.random.Generator, pose: Pose, *, shift_mm: float = 2.0, turn_deg: float = 3.0
) -> Pose:
    """The same view once more: probe put down and turned a little differently, other breathing."""
    across, along = random.normal(0.0, shift_mm, 2)
    return replace(
        pose,
        turn_deg=pose.turn_deg + float(random.normal(0.0, turn_deg)),
        at=(pose.at[0] + float(across), pose.at[1] + float(along)),
        sway=_sway(random),
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
