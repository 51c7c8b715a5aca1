"""The moving-window optical-flow filter as a smoothing method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval

from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.pipelines.smoothers.base import (
    Answer,
    Floats,
    Smoother,
    check_window,
    done_but,
    rate_of,
)
from napari_usstrack.smoothing.flow_sweep import Crossing, Grey
from napari_usstrack.smoothing.flow_window import FlowWindow, frames_of, smooth_with_flow

FARTHEST_PX = 1e9
"""Flow is believed however far going there and back misses, as in DUSTrack."""


@dataclass(frozen=True, kw_only=True)
class FlowWindowSmoother(Smoother):
    """What flow says of each frame from the positions around it; see `smoothing.flow_window`.

    The defaults are DUSTrack's.

    Parameters
    ----------
    window_s : float
        Window, s.
    ends : {"unsmoothed", "padded"}
        Whether smoothing fades at both ends of a run, or windows are cut there.
    mode : {"exact", "fast"}
        Every path tracked on its own, or flow on a grid over the paths.
    keep_anchors : bool
        Put positions set by hand back exactly; the curve may bend there.
    patch_px : int
        Side of the square that flow matches, px.
    levels, iterations : int
        Pyramid levels, and most refinement steps on each.
    epsilon_px : float
        Refinement stops when a step is shorter.
    """

    NAME: ClassVar[str] = "flow-window"
    SUMMARY: ClassVar[str] = "The mean of what flow says from all positions within the window."
    PICTURES: ClassVar[bool] = True

    window_s: Annotated[float, Interval(gt=0, le=3600)] = 0.5
    ends: Literal["unsmoothed", "padded"] = "unsmoothed"
    mode: Literal["exact", "fast"] = "exact"
    keep_anchors: bool = False
    patch_px: Annotated[int, Interval(ge=5, le=301)] = 45
    levels: Annotated[int, Interval(ge=1, le=8)] = 3
    iterations: Annotated[int, Interval(ge=1, le=1000)] = 10
    epsilon_px: Annotated[float, Interval(gt=0, le=1)] = 0.03

    def resolved(self, info: VideoInfo) -> Mapping[str, Any]:
        """Frames of the window; see `Smoother`."""
        frames = frames_of(self.window_s, rate_of(info, f"a window of {self.window_s:g} s"))
        check_window(self.NAME, self.window_s, frames, 2, info)
        return {"window_frames": frames}

    def halo(self, info: VideoInfo) -> int | None:
        """One frame less than the window."""
        return int(self.resolved(info)["window_frames"]) - 1

    def smooth(self, video: Video, tracks: Tracks) -> Work[Answer]:
        """Smooth every point; yields for every frame pair of both ways."""
        frames = frames_of(self.window_s, rate_of(video.info, "the window"))
        flow = LucasKanade(
            window=self.patch_px,
            levels=self.levels,
            iterations=self.iterations,
            epsilon_px=self.epsilon_px,
            lost_px=FARTHEST_PX,
            check=False,
            predict=self.mode == "fast",
        )

        def step(here: Grey, there: Grey, xy: Floats, motion: Floats | None) -> Floats:
            return flow.step(here, there, xy, motion).xy

        def steps(crossings: Sequence[Crossing]) -> list[Floats]:
            return [landing.xy for landing in flow.steps(crossings)]

        chosen = FlowWindow(frames, ends=self.ends, mode=self.mode)
        found = yield from smooth_with_flow(
            video, tracks.xy, step, forward_weight, chosen, steps=steps
        )
        return Answer(found.xy, done_but(tracks.present, found.unsmoothed))
