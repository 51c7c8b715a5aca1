"""Every kind of scene by name, drawn with a random scanner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from napari_usstrack.synth.free import free
from napari_usstrack.synth.heart.scenes import BUILDERS as HEART
from napari_usstrack.synth.looks import random_look
from napari_usstrack.synth.muscle.scenes import BUILDERS as MUSCLE
from napari_usstrack.synth.probe import Probe
from napari_usstrack.synth.scene import Field, Scene
from napari_usstrack.synth.vessel import vessel

Orientation = Literal["usual", "any"]
SCENES: Mapping[str, Callable[..., Scene]] = {
    **HEART,
    **MUSCLE,
    "vessel": vessel,
    "free": free,
}
"""Names of scenes and what builds them from a random generator and a frame count."""


def draw(
    name: str, seed: int, *, frames: int = 64, orientation: Orientation = "usual", **fixed: object
) -> Scene:
    """Draw anatomy, motion and scanner of a kind of scene.

    Parameters
    ----------
    name : str
        A key of `SCENES`.
    seed : int
        Same seed, same scene.
    frames : int
        Frames of the clip.
    orientation : {"usual", "any"}
        The usual view, or the anatomy turned and mirrored at random.
    **fixed
        What the builder lets a caller fix.
    """
    anatomy, scanner = np.random.default_rng([seed, *name.encode()]).spawn(2)
    return scanned(SCENES[name](anatomy, frames, orientation=orientation, **fixed), scanner)


def scanned(scene: Scene, scanner: np.random.Generator) -> Scene:
    """Draw the settings of a scanner, and how soon speckle fades."""
    restless, life = _fading(scene.probe, scanner)
    bodies = tuple(
        replace(body, restless=restless, lifetime_s=_scaled(body.lifetime_s, life))
        for body in scene.bodies
    )
    return replace(scene, bodies=bodies, look=random_look(scene.probe, scanner))


def _fading(probe: Probe, random: np.random.Generator) -> tuple[float, float]:
    """Share of echoes new in every frame, and a factor of the lifetime of the rest.

    Drawn so that patches fade as in real clips (``python -m
    benchmarks.realism``): in hearts first quickly, then slowly.
    """
    if probe.fan:
        return random.uniform(0.2, 0.5), random.uniform(0.1, 0.3)
    return random.uniform(0.0, 0.01), random.uniform(0.08, 0.22)


def _scaled(field: Field, factor: float) -> Field:
    return lambda x, y: factor * field(x, y)
