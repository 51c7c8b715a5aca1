"""Every kind of scene by name, drawn with a random scanner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from napari_usstrack.synth.heart.scenes import BUILDERS as HEART
from napari_usstrack.synth.looks import random_look
from napari_usstrack.synth.muscle.pennate import bipennate, unipennate
from napari_usstrack.synth.scene import Scene

Orientation = Literal["usual", "any"]
SCENES: Mapping[str, Callable[..., Scene]] = {
    **HEART,
    "muscle-unipennate": unipennate,
    "muscle-bipennate": bipennate,
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
    scene = SCENES[name](anatomy, frames, orientation=orientation, **fixed)
    return replace(scene, look=random_look(scene.probe, scanner))
