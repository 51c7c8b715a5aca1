"""Flow joined with measured places as a smoothing method."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

import numpy as np
from annotated_types import Interval

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import neighbours
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.pipelines.smoothers.base import Answer, Floats, Mask, Smoother
from napari_usstrack.smoothing.fusion import ROUNDS, Measured, fusing
from napari_usstrack.smoothing.uncertainty import closure_covariances, confidence

LOST_PX = 8.0
"""Flow that misses its start by more, there and back, is no flow."""
COMPUTED = (Source.FLOW, Source.INTERPOLATED, Source.SMOOTHED)
T = TypeVar("T")
Px = Annotated[float, Interval(gt=0, le=1000)]


@dataclass(frozen=True, kw_only=True)
class FusionSmoother(Smoother):
    """The motion flow measures between frames, joined with places measured on their own.

    Positions set by hand and those of networks are places. Positions that flow
    itself found are not: a chain of steps only repeats the motion, and to count
    it as places would make its drift look certain. They say where flow is
    measured, and what the answer is comes from the places.

    Parameters
    ----------
    anchors : {"exact", "soft"}
        Whether positions set by hand stay exactly, or have an error.
    anchor_px : float
        Standard deviation of that error on each axis, px; soft only.
    place_px : float
        Standard deviation of places on each axis, px; scaled to what the data
        show where `calibrate` is on.
    flow_places : bool
        Count what flow, interpolation or smoothing found as places, too: right
        for methods that compare each frame with the labelled one.
    robust : {"student", "huber", "none"}
        How outliers are believed less.
    calibrate : bool
        Scale all variances to what the data show.
    within_mm, within_px : float
        Confidence is the probability of an error below this: mm where the
        scale is known, else px.
    patch_px : int
        Side of the square that flow matches, px.
    levels : int
        Pyramid levels of flow.
    """

    NAME: ClassVar[str] = "fusion"
    SUMMARY: ClassVar[str] = "Flow joined with hand-set and network positions; says how sure it is."
    SCALED: ClassVar[bool] = True
    TIMED: ClassVar[bool] = False
    PICTURES: ClassVar[bool] = True

    anchors: Literal["exact", "soft"] = "exact"
    anchor_px: Px = 1.0
    place_px: Px = 2.0
    flow_places: bool = False
    robust: Literal["student", "huber", "none"] = "student"
    calibrate: bool = True
    within_mm: Px = 0.5
    within_px: Px = 5.0
    patch_px: Annotated[int, Interval(ge=5, le=301)] = 45
    levels: Annotated[int, Interval(ge=1, le=8)] = 3

    @property
    def keeps_anchors(self) -> bool:
        """Whether cells set by hand stay exactly where they are."""
        return self.anchors == "exact"

    def smooth(self, video: Video, tracks: Tracks) -> Work[Answer]:
        """Smooth every point; yields after every frame pair and every round of the smoother."""
        measured = self.measured(tracks)
        if not self._informed(tracks).any():
            raise UsstrackError(self._nothing_measured(tracks))
        pairs = tracks.shape[0] - 1
        moved, closure = yield from _flow(video, tracks, self._tracker(), pairs + ROUNDS)
        work = fusing(
            moved,
            closure_covariances(closure),
            measured,
            robust=self.robust,
            calibrate=self.calibrate,
        )
        with closing(work):
            fused = yield from _after(work, pairs)
        spacing = video.info.spacing_mm
        within = self.within_px if spacing is None else self.within_mm
        done = tracks.present & np.isfinite(fused.xy).all(axis=-1)
        return Answer(fused.xy, done, confidence(fused.covariances, within, spacing))

    def measured(self, tracks: Tracks) -> Measured:
        """Places that count, by where they are from."""
        hand = 0.0 if self.keeps_anchors else self.anchor_px
        parts = [
            _places(tracks, tracks.by_hand, hand, "manual"),
            _places(tracks, tracks.source == Source.MODEL, self.place_px, "network"),
        ]
        if self.flow_places:
            parts.append(_places(tracks, np.isin(tracks.source, COMPUTED), self.place_px, "flow"))
        return parts[0].and_(*parts[1:])

    def _informed(self, tracks: Tracks) -> Mask:
        """Whether there is a place for a point, and a cell of it that may move."""
        places = np.zeros(tracks.shape, dtype=bool)
        measured = self.measured(tracks)
        places[measured.frame, measured.point] = True
        fixed = tracks.by_hand if self.keeps_anchors else np.zeros(tracks.shape, dtype=bool)
        return np.asarray(places.any(axis=0) & (tracks.present & ~fixed).any(axis=0))

    def _nothing_measured(self, tracks: Tracks) -> str:
        if tracks.by_hand[tracks.present].all():
            return (
                "All positions count as set by hand and stay exactly where they are; set anchors "
                "to soft to smooth them."
            )
        return (
            "Fusion needs positions set by hand or by a network, and there are none: flow alone "
            "cannot tell where a point is; label some frames, or set flow_places to true."
        )

    def _tracker(self) -> LucasKanade:
        return LucasKanade(window=self.patch_px, levels=self.levels, check=False)


def _places(tracks: Tracks, which: Mask, deviation_px: float, kind: str) -> Measured:
    xy = np.where((which & tracks.present)[..., None], tracks.xy, np.nan)
    return Measured.from_tracks(xy, deviation_px**2 * np.eye(2), kind)


def _flow(
    video: Video, tracks: Tracks, tracker: LucasKanade, total: int
) -> Generator[Progress, None, tuple[Floats, Floats]]:
    """Motion to the next frame, and what going back leaves over, ``[frames - 1, points, 2]``."""
    frames, points = tracks.shape
    moved = np.full((frames - 1, points, 2), np.nan)
    closure = moved.copy()
    with closing(neighbours(video, range(frames - 1))) as pairs:
        for here, there, (one, other) in pairs:
            at = np.flatnonzero(tracks.present[here] & tracks.present[there])
            if at.size:
                start = tracks.xy[here, at]
                landed = tracker.step(one, other, start)
                back = tracker.step(other, one, landed.xy)
                left = back.xy - start
                known = landed.found & back.found & (np.hypot(*left.T) <= LOST_PX)
                moved[here, at[known]] = (landed.xy - start)[known]
                closure[here, at[known]] = left[known]
            yield Progress(there, total)
    return moved, closure


def _after(work: Work[T], before: int) -> Work[T]:
    """Add steps that are done already to the progress of work."""
    while True:
        try:
            progress = next(work)
        except StopIteration as stop:
            found: T = stop.value
            return found
        yield Progress(before + progress.done, before + progress.total)
