"""Sample clips: a real echo cine and speckle with known motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_usstrack.core.coords import swapped
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import embedded_cine
from napari_usstrack.synth.speckle import sample_clip
from napari_usstrack.widgets.layers import LayerTuple, calibrated_axes, clip_layer


def echo_cine() -> list[LayerTuple]:
    """Apical echo cine of 30 frames, from the installed pydicom package."""
    video = open_video(embedded_cine())
    return [clip_layer(video.with_info(replace(video.info, path="")), "echo cine")]


def speckle() -> list[LayerTuple]:
    """Generate speckle that contracts twice, with the true paths as tracks."""
    clip, queries = sample_clip()
    video = array_video(clip.frames, spacing_mm=(0.1, 0.1), fps=30.0, name="speckle")
    paths = swapped(clip.truth(queries))
    frames, points = np.indices(paths.shape[:2])
    rows = np.column_stack([points.ravel(), frames.ravel(), paths.reshape(-1, 2)])
    truth = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    options = {"name": "speckle true motion", **calibrated_axes(video.info)}
    return [clip_layer(video, "speckle"), (truth, options, "tracks")]
