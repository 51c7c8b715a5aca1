"""Rendered clips against exact motion, and the laws of the renderer."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_usstrack.synth.cloud import single
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.probe import cardiac, curved, linear
from napari_usstrack.synth.render import Renderer
from napari_usstrack.synth.scene import Body, Mark, Scene, everywhere

PROBES = {"sector": cardiac(), "convex": curved(), "linear": linear(depth_mm=40.0, width_mm=40.0)}
QUIET = Look(noise_db=-200.0, dynamic_range_db=60.0)


class Squeeze:
    """Shortening along x, lengthening along y, and a shift."""

    def bind(self, x, y):
        def at(seconds):
            phase = 0.5 * (1.0 - math.cos(2.0 * math.pi * seconds))
            return x * (1.0 - 0.1 * phase) + 2.0 * phase, y * (1.0 + 0.06 * phase) - phase

        return at


def scene_for(probe, **changes):
    depth = probe.depth_mm
    body = Body("tissue", everywhere(-6.0), Squeeze(), lifetime_s=everywhere(0.5))
    mark = Mark("a", "tissue", 0.12 * depth, 0.55 * depth)
    scene = Scene("squeeze", probe, (body,), (mark,), 12, 20.0, look=QUIET)
    return replace(scene, **changes)


def centroid(renderer, picture):
    weight = renderer.display.amplitude(picture.double())
    rows, columns = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in weight.shape), indexing="ij"
    )
    return np.array([float((weight * axis).sum() / weight.sum()) for axis in (columns, rows)])


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("size", [(256, 256), (384, 512)])
def test_a_lone_scatterer_is_drawn_where_the_truth_says(kind, size):
    scene = scene_for(PROBES[kind])
    (mark,) = scene.marks
    lone = single(scene, mark.body, mark.x, mark.y, torch.device("cpu"))
    renderer = Renderer(scene, seed=0, size=size, scatterers=[lone])
    drawn = np.array([centroid(renderer, picture) for picture in renderer.pictures()])
    off = np.abs(drawn - renderer.truth().xy[:, 0])
    assert off.max() < 0.1
    assert np.ptp(drawn, axis=0).max() > 3.0
