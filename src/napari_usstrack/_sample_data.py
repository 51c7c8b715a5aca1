"""Sample clips: a real echo cine, and generated clips with known motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_usstrack.core.coords import swapped
from napari_usstrack.core.video import Video
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import embedded_cine, generated_clip, generated_truth
from napari_usstrack.synth.speckle import sample_clip
from napari_usstrack.widgets.layers import LayerTuple, calibrated_axes, clip_layer


def echo_cine() -> list[LayerTuple]:
    """Apical echo cine of 30 frames, from the installed pydicom package."""
    video = open_video(embedded_cine())
    return [clip_layer(video.with_info(replace(video.info, path="")), "echo cine")]


def heart() -> list[LayerTuple]:
    """Generated apical four-chamber view, with the true tracks of the left ventricle's wall."""
    return _generated("heart")


def muscle() -> list[LayerTuple]:
    """Generated muscle in contraction, with the true tracks of aponeuroses and fascicles."""
    return _generated("muscle")


def speckle() -> list[LayerTuple]:
    """Generate speckle that contracts twice, with the true paths as tracks."""
    clip, queries = sample_clip()
    video = array_video(clip.frames, spacing_mm=(0.1, 0.1), fps=30.0, name="speckle")
    return [clip_layer(video, "speckle"), _truth_layer(clip.truth(queries), video, "speckle")]


def _generated(name: str) -> list[LayerTuple]:
    video = open_video(generated_clip(name))
    shown = video.with_info(replace(video.info, path=""))
    label = f"generated {name}"
    return [clip_layer(shown, label), _truth_layer(generated_truth(name).xy, shown, label)]


def _truth_layer(xy: np.ndarray, video: Video, name: str) -> LayerTuple:
    """Tracks layer of true paths ``[frames, points, 2]`` in px, where they are in the picture."""
    paths = swapped(xy)
    frames, points = np.indices(paths.shape[:2])
    rows = np.column_stack([points.ravel(), frames.ravel(), paths.reshape(-1, 2)])
    rows = rows[np.isfinite(rows).all(axis=1)]
    truth = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return truth, {"name": f"{name} true motion", **calibrated_axes(video.info)}, "tracks"
