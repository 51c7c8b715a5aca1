"""The seeded clips that methods are compared on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.core.video import CallbackVideo, Video, VideoInfo
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip

SPACING_MM, FPS = 0.2, 50.0


def benchmark_clips() -> Iterator[tuple[str, Video, Tracks]]:
    """Make the clips one at a time, always the same.

    Yields
    ------
    name : str
    video : Video
    truth : Tracks
        Exact tracks with true visibility. A point is queried in the first
        frame in which it is visible.
    """
    for name, noise in (("contraction", 0.0), ("contraction-noisy", 25.0)):
        motion = contraction((100.0, 75.0), period=24.0)
        clip = speckle_clip(motion, frames=30, width=200, height=150, seed=3, noise=noise)
        yield name, *_described(name, clip)


def _described(name: str, clip: SpeckleClip) -> tuple[Video, Tracks]:
    count, height, width = clip.frames.shape
    calibration = Calibration((SPACING_MM, SPACING_MM), spacing_source="simulated")
    calibration = calibration.with_rate(count, FPS, "simulated")
    info = VideoInfo(count, width, height, calibration, name=name)
    x, y = np.meshgrid(np.linspace(40.0, 160.0, 5), np.linspace(35.0, 115.0, 4))
    cells = Cells.placed(clip.truth(np.stack([x.ravel(), y.ravel()], axis=1)), Source.MANUAL)
    points = named_points([f"p{i + 1}" for i in range(x.size)])
    truth = Tracks(**{key: getattr(cells, key) for key in CELL_ARRAYS}, points=points, video=info)
    return CallbackVideo(info, lambda span: clip.frames[span.start : span.stop]), truth
