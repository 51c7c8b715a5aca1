"""A plain warning where a clip looks unlike what a network was trained on."""

from __future__ import annotations

from napari_usstrack.core.tracker import Tracker
from napari_usstrack.core.video import Video
from napari_usstrack.models.predictor import SpeckNetTracker

FRAMES = 4
"""Neighbouring frames from the middle of a clip that are looked at."""


def unfamiliar(tracker: Tracker, video: Video) -> str:
    """Say in one sentence what is unusual about a clip; nothing when all is well.

    Parameters
    ----------
    tracker : Tracker
        Others than networks know no training scenes.
    video : Video
    """
    if not isinstance(tracker, SpeckNetTracker):
        return ""
    from napari_usstrack.models.familiar import Looks, statistics
    from napari_usstrack.models.search import Working
    from napari_usstrack.models.weights import load

    looks = Looks.read(load(tracker.path).facts)
    if looks is None:
        return ""
    middle = video.info.frame_count // 2
    span = range(max(0, middle - FRAMES // 2), min(video.info.frame_count, middle + FRAMES // 2))
    view = Working.of(video.info, tracker.side_px)
    found = statistics(view.pictures(video.frames(span), "cpu"))
    if looks.distance(found) <= 1.0:
        return ""
    return (
        f"this clip looks unlike the scenes that {tracker.traits.name} was trained on (mostly "
        f"by its {looks.strangest(found)}); look at the tracks with care, or adapt the network to "
        "your own curated tracks with: usstrack finetune"
    )
