"""A method whose answers are known by hand, and labels in few words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from napari_usstrack.core.tracker import Progress, Queries, Traits
from napari_usstrack.core.tracks import Cells, Source, Tracks, blank_arrays, named_points
from napari_usstrack.core.video import CallbackVideo, VideoInfo

COUNT, WIDTH, HEIGHT = 21, 60, 40
INFO = VideoInfo(COUNT, WIDTH, HEIGHT, digest="abc", name="clip.npy")


def _no_frames(span):
    raise AssertionError("the pipeline itself reads no frames")


CLIP = CallbackVideo(INFO, _no_frames)


@dataclass(frozen=True)
class Walker:
    """Says that every point walks at a constant velocity, px per frame."""

    dx: float = 1.0
    dy: float = 0.0
    source: Source = Source.FLOW
    units: int = 1
    calls: list = field(default_factory=list, compare=False)
    closed: list = field(default_factory=list, compare=False)

    @property
    def traits(self) -> Traits:
        return Traits("walker", self.source, "pair", bound_px=0.1)

    @property
    def settings(self):
        return {k: v for k, v in asdict(self).items() if k in ("dx", "dy")}

    def track(self, video, queries: Queries, span: range):
        self.calls.append((queries, span))
        total = self.units * len(span)
        try:
            for done in range(total + 1):
                yield Progress(done, total)
            return self._cells(queries, span)
        finally:
            self.closed.append(span)

    def _cells(self, queries: Queries, span: range) -> Cells:
        arrays = blank_arrays(len(span), len(queries))
        asked = queries.asked(span)
        steps = np.arange(span.start, span.stop)[:, None] - queries.frame
        walked = queries.xy + steps[..., None] * np.array([self.dx, self.dy])
        arrays["xy"][asked] = walked[asked]
        arrays["confidence"][asked] = 0.5
        arrays["visible"][asked] = True
        arrays["source"][asked] = self.source
        return Cells(**arrays)


def labels(points: dict[str, dict[int, tuple[float, float] | None]], info=INFO) -> Tracks:
    """Hand-set cells by point and frame; None says that the point is absent."""
    arrays = blank_arrays(info.frame_count, len(points))
    for column, cells in enumerate(points.values()):
        for frame, xy in cells.items():
            arrays["source"][frame, column] = Source.ABSENT if xy is None else Source.MANUAL
            if xy is not None:
                arrays["xy"][frame, column] = xy
                arrays["visible"][frame, column] = True
    return Tracks(**arrays, points=named_points(list(points)), video=info)
