"""Flow of a piece of tissue that may stretch and turn, held to what it looked like at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.tracker import Memory, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.flow.chain import Grey, Landing, PairTracker, StepFunction, follow
from napari_usstrack.flow.local_affine import LocalAffine, Seeds, fit
from napari_usstrack.flow.rematch import Rematcher
from napari_usstrack.flow.seeds import returned, search
from napari_usstrack.flow.working_grid import WorkingGrid

TRAITS = Traits(
    name="tissue-flow",
    source=Source.FLOW,
    reach="pair",
    bound_px=0.15,
    scaled=True,
    summary="Flow of the tissue around a point, stretch and rotation included, matched again "
    "and again to the frame it was labelled in; no training, little drift.",
)
STIFFNESS_MM2 = 0.5
HALF_SURE_MM = 0.25
"""Disagreement of the seeds at which one step is half sure."""
LEAST_SUPPORT = 0.005
"""A point is lost when its seeds are worth less than this part of perfect ones."""


@dataclass(frozen=True)
class TissueFlow(PairTracker):
    """Small windows around each point give its motion, stretch and rotation.

    Parameters
    ----------
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.
    window_mm : float
        Side of each of the 25 squares of tissue matched around a point, mm.
    seed_mm : float
        Distance between their centres, mm.
    reach_mm : float
        Standard deviation of the weight they have around the point, mm.
    rematch : bool
        Compare each frame with the one the point was labelled in, too, which
        takes drift away as long as the tissue still looks alike.

    Notes
    -----
    Pyramidal Lucas-Kanade (Bouguet, 2001) of every seed, checked forward and
    backward (Kalal et al., 2010), and an affine motion fitted robustly to
    them: strain and rotation that blur the match of one large window are
    followed instead. The fits, chained, say how the tissue has deformed since
    it was labelled; undone, they leave a picture that can be compared with
    the first one directly, and a scalar Kalman filter weighs that comparison
    against the drift that flow has gathered.
    """

    TRAITS = TRAITS

    window_mm: Annotated[float, Interval(ge=0.5, le=100)] = 5.0
    seed_mm: Annotated[float, Interval(ge=0.1, le=50)] = 2.5
    reach_mm: Annotated[float, Interval(ge=0.1, le=100)] = 4.0
    rematch: bool = True

    def stepper(self, video: Video) -> StepFunction:
        """Give the step function for a clip's size and scale."""
        return TissueStep(self, video.info).step

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries both ways from their frames, inside their limits."""
        return self.resume(video, queries, span, None)

    def resume(
        self, video: Video, queries: Queries, span: range, memory: Memory | None
    ) -> Work[Cells]:
        """Do as `track` does, going on from what is remembered of a point in its query's frame.

        Parameters
        ----------
        video : Video
            The clip.
        queries : Queries
            Where to start.
        span : range
            Frames of the answer.
        memory : mutable mapping, optional
            What earlier calls left, by point and frame; this one adds its own.
            A place that differs from the query's is not gone on from.
        """
        step = TissueStep(self, video.info)
        settler = Rematcher(
            step.grid, step.seeds, step.window, queries, memory, comparing=self.rematch
        )
        source = self.TRAITS.source
        return follow(step.step, video, queries, span, source, self.patience, settler)


class TissueStep:
    """Moves points of one clip from frame to frame.

    Parameters
    ----------
    settings : TissueFlow
        Sizes.
    info : VideoInfo
        Frame size and scale of the clip.
    """

    def __init__(self, settings: TissueFlow, info: VideoInfo) -> None:
        self.grid = WorkingGrid(info)
        self.seeds = Seeds.around(settings.seed_mm, settings.reach_mm)
        self.window = self.grid.odd_px(settings.window_mm)
        self._full = info.width, info.height

    def step(
        self,
        here: Grey,
        there: Grey,
        xy: NDArray[np.float64],
        _motion: NDArray[np.float64] | None = None,
    ) -> Landing:
        """Move points from one frame to the next.

        Parameters
        ----------
        here, there : uint8 ndarray, shape (height, width)
            Grey frames.
        xy : float64 ndarray, shape (points, 2)
            Positions in `here`, px.
        """
        grid = self.grid
        start = grid.to_grid(xy)
        motion = self._motion(grid.picture(here), grid.picture(there), start)
        landed = grid.to_frame(start + motion.shift / grid.mm)
        support = motion.weight.sum(axis=1) / self.seeds.weights.sum()
        found = (support >= LEAST_SUPPORT) & inside(landed, *self._full)
        sure = 1.0 / (1.0 + (motion.spread / HALF_SURE_MM) ** 2)
        return Landing(landed, np.where(found, sure, 0.0), found, motion)

    def _motion(self, here: Grey, there: Grey, start: NDArray[np.float64]) -> LocalAffine:
        seeds = (start[:, None] + self.seeds.offsets / self.grid.mm).reshape(-1, 2)
        landed, good = search(here, there, seeds, self.window)
        back, _ = search(there, here, landed, self.window)
        good &= inside(seeds, *self.grid.size)
        count = len(start)
        weight = np.where(good, returned(seeds, back, self.grid.mm), 0.0).reshape(count, -1)
        shifts = ((landed - seeds) * self.grid.mm).reshape(count, -1, 2)
        return fit(self.seeds.offsets, shifts, weight * self.seeds.weights, STIFFNESS_MM2)
