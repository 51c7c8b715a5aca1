"""Small clips whose motion is known exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.synth.motion import shift, still
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip

WIDTH, HEIGHT, FRAMES = 145, 121, 8
POINTS = np.array([[70.0, 60.0], [80.0, 55.0], [75.25, 66.5], [66.75, 51.0]])
DIRECTIONS = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]


@cache
def moving(dx: float, dy: float, frames: int = FRAMES) -> SpeckleClip:
    """Speckle that drifts by (dx, dy) px per frame."""
    return speckle_clip(
        shift(dx, dy),
        frames=frames,
        width=WIDTH,
        height=HEIGHT,
        seed=3,
        per_px=0.2,
        margin_px=30.0,
    )


@cache
def resting() -> NDArray[np.uint8]:
    """One speckle picture, over and over."""
    picture = speckle_clip(still, frames=1, width=WIDTH, height=HEIGHT, seed=3, per_px=0.2)
    return np.broadcast_to(picture.frames, (FRAMES, HEIGHT, WIDTH))


def video(frames: NDArray[np.uint8]) -> CallbackVideo:
    """A clip of these frames, handed out read-only."""
    count, height, width = frames.shape

    def read(span: range) -> NDArray[np.uint8]:
        block = frames[span.start : span.stop].view()
        block.flags.writeable = False
        return block

    return CallbackVideo(VideoInfo(count, width, height), read)


def ask(frames: int | list[int], xy: NDArray[np.float64], **limits: list[int]) -> Queries:
    """Queries for positions in one frame, or each in its own."""
    at = np.broadcast_to(frames, len(xy))
    return Queries(at, xy, tuple(f"p{i}" for i in range(len(xy))), **limits)
