"""In every scene a lone scatterer is drawn where the truth says, in all frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_usstrack.synth.catalogue import SCENES, draw
from napari_usstrack.synth.cloud import single
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.render import Renderer

QUIET = Look(noise_db=-200.0)
SIZE = (256, 256)
FREE_SEEDS = {"linear": 1, "sector": 2, "convex": 3}


def lone_scatterer(scene, mark):
    lone = single(scene, mark.body, mark.x, mark.y, torch.device("cpu"))
    return Renderer(scene, seed=0, size=SIZE, scatterers=[lone])


def farthest_from_the_border(scene):
    """The mark that stays farthest inside the view, and how far in px."""
    renderer = Renderer(scene, seed=0, size=SIZE, scatterers=[])
    truth = renderer.truth()
    border = np.argwhere(~renderer.display.mask.numpy())[:, ::-1]
    inside = [
        np.linalg.norm(border[None] - truth.xy[:, i, None], axis=2).min()
        if truth.visible[:, i].all()
        else 0.0
        for i in range(truth.shape[1])
    ]
    return int(np.argmax(inside)), max(inside)


def centroid(renderer, picture):
    weight = renderer.display.amplitude(picture.double()).numpy()
    rows, columns = np.indices(weight.shape)
    return np.array([(weight * axis).sum() for axis in (columns, rows)]) / weight.sum()


@pytest.mark.parametrize(
    ("name", "seed"),
    [(name, 5) for name in SCENES if name != "free"]
    + [("free", seed) for seed in FREE_SEEDS.values()],
)
def test_the_centroid_of_a_lone_scatterer_is_the_truth(name, seed):
    scene = replace(draw(name, seed, frames=10), look=QUIET)
    if name == "free":
        assert scene.probe.kind == {v: k for k, v in FREE_SEEDS.items()}[seed]
    chosen, room_px = farthest_from_the_border(scene)
    assert room_px > 15
    renderer = lone_scatterer(scene, scene.marks[chosen])
    drawn = np.array([centroid(renderer, picture) for picture in renderer.pictures()])
    off = np.abs(drawn - renderer.truth().xy[:, chosen])
    assert off.max() < 0.1
