"""Clips of one bright pixel, and trackers whose every answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracker import Progress, Queries, Traits
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo

WIDTH, HEIGHT, FRAMES = 40, 30, 5
SPACING = (0.5, 0.2)
START = np.array([15, 12])


def clip(frames) -> CallbackVideo:
    """A calibrated clip of these pictures."""
    count, height, width = frames.shape
    scale = Calibration(SPACING, np.arange(count) ** 2 / 10)
    info = VideoInfo(count, width, height, scale, digest="abc", path="somewhere")
    return CallbackVideo(info, lambda span: frames[span.start : span.stop])


def spot(step=(0, 0), frames=FRAMES) -> CallbackVideo:
    """One bright pixel that moves by whole px per frame."""
    pictures = np.zeros((frames, HEIGHT, WIDTH), dtype=np.uint8)
    for i in range(frames):
        x, y = START + i * np.array(step)
        pictures[i, y, x] = 200
    return clip(pictures)


def ask(frame=0, xy=((15.0, 12.0), (18.0, 10.0))) -> Queries:
    """Queries in one frame."""
    return Queries([frame] * len(xy), xy, tuple(f"p{i}" for i in range(len(xy))))


@dataclass
class Fake:
    """Answers with ``place(video, frame, query frame, query xy)``, NaN where that is None."""

    place: Callable
    log: list[str] = field(default_factory=list)
    settings = {}
    traits = Traits("fake", Source.FLOW, "pair", 1.0)

    def track(self, video, queries, span):
        try:
            xy = np.full((len(span), len(queries), 2), np.nan)
            for row, frame in enumerate(span):
                yield Progress(row, len(span))
                for i in np.flatnonzero(queries.asked(span)[row]):
                    here = self.place(video, frame, queries.frame[i], queries.xy[i])
                    xy[row, i] = np.nan if here is None else here
            yield Progress(len(span), len(span))
            return Cells.placed(xy, Source.FLOW)
        finally:
            self.log.append("closed")


def _bright(video, frame):
    picture = video.frames(range(frame, frame + 1))[0]
    return np.argwhere(picture == picture.max()).mean(axis=0)[::-1]


def seeing() -> Fake:
    """Moves with the bright pixel."""
    return Fake(lambda v, frame, home, xy: xy + _bright(v, frame) - _bright(v, home))


def resting() -> Fake:
    """Never moves."""
    return Fake(lambda v, frame, home, xy: xy)


def drifting(x, y) -> Fake:
    """Moves by (x, y) px per frame whatever the picture shows."""
    return Fake(lambda v, frame, home, xy: xy + np.array([x, y]) * (frame - home))
