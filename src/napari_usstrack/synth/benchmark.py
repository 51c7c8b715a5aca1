"""The seeded clips that methods are compared on."""

from __future__ import annotations

from collections.abc import Iterator

from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import CallbackVideo, Video
from napari_usstrack.synth.catalogue import SCENES, Orientation, draw
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import render

FRAMES, SIZE_PX = 60, 288
FIRST_SEED = 9001
"""Seeds from here on are kept for the benchmark; nothing is trained or tuned on them."""
TURNED = ("free", "heart-a4c", "muscle-unipennate")
"""Scenes that are also shown with the anatomy turned and mirrored at random."""


def benchmark_clips() -> Iterator[tuple[str, Video, Tracks]]:
    """Render the clips one at a time, always the same.

    One clip of every kind of scene in its usual view, then some with the
    anatomy turned at random, so that direction is not tied to anatomy.

    Yields
    ------
    name : str
    video : Video
    truth : Tracks
        Exact tracks with true visibility. A point is queried in the first
        frame in which it is visible.
    """
    for name, clip in rendered_clips():
        yield name, video_of(clip), clip.tracks


def rendered_clips() -> Iterator[tuple[str, Clip]]:
    """Render the same clips with all that is known of them."""
    wanted: list[tuple[str, Orientation, int]] = [(name, "usual", FIRST_SEED) for name in SCENES]
    wanted += [(name, "any", FIRST_SEED + 1) for name in TURNED]
    for name, orientation, seed in wanted:
        scene = draw(name, seed, frames=FRAMES, orientation=orientation)
        label = name if orientation == "usual" else f"{name}-turned"
        yield label, render(scene, seed=seed, size=SIZE_PX)


def video_of(clip: Clip) -> Video:
    """Frames of a rendered clip as a `Video`."""
    return CallbackVideo(clip.tracks.video, lambda span: clip.frames[span.start : span.stop])
