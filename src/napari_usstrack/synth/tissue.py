"""Random material points that can be followed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.scene import Mark, Scene

BRIGHT_DB = -24.0


def tissue_places(
    scene: Scene, body: str, count: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Draw material places of a body inside tissue, evenly over what is in view.

    Tissue is what is bright: no blood, no lung far behind the pericardium, no
    air.

    Parameters
    ----------
    scene : Scene
    body : str
        Name of a body.
    count : int
        How many.
    random : numpy Generator

    Returns
    -------
    ndarray, shape (count, 2)
        mm.

    Raises
    ------
    ValueError
        When hardly any of the view is tissue of that body.
    """
    probe, here = scene.probe, scene.body(body)
    found = np.empty((0, 2))
    for _ in range(40):
        side = max(probe.depth_mm, 0.5 * probe.width)
        tries = random.uniform([-side, 0.0], [side, probe.depth_mm], (8 * count + 200, 2))
        x, y = torch.from_numpy(tries).T
        beam, range_mm = probe.beam_and_range(x, y)
        seen = (beam >= 0) & (beam <= probe.beams - 1) & (range_mm >= 0)
        seen &= range_mm <= probe.depth_mm
        x, y = scene.pose.anatomy((x[seen], y[seen]))
        good = here.echo_db(x, y) > BRIGHT_DB
        found = np.concatenate([found, torch.stack([x[good], y[good]], dim=1).numpy()])
        if len(found) >= count:
            return found[:count]
    raise ValueError(f"hardly any of the view is tissue of {body!r}")


def tissue_marks(
    scene: Scene, body: str, count: int, random: np.random.Generator
) -> tuple[Mark, ...]:
    """Marks of the group "tissue" at places from `tissue_places`."""
    places = tissue_places(scene, body, count, random)
    return tuple(
        Mark(f"tissue {number}", body, float(x), float(y), "tissue")
        for number, (x, y) in enumerate(places)
    )
