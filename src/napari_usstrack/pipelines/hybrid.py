"""The tracker that needs no training: flow, matches to all frames, and a smoother over both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Memory, Progress, Queries, Traits, Work, finish
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import Video
from napari_usstrack.flow.chain import follow
from napari_usstrack.flow.guided import Guide
from napari_usstrack.flow.support import (
    NOMINAL_MM,
    PX_PER_REACH,
    Grid,
    Support,
    reach_mm,
    speckle_mm,
)
from napari_usstrack.flow.with_lines import holding
from napari_usstrack.pipelines.learned import learned
from napari_usstrack.pipelines.refining import Refined, Refiner, walked_frames

Floats = NDArray[np.float64]
TRAITS = Traits(
    name="hybrid",
    source=Source.FLOW,
    reach="clip",
    bound_px=0.15,
    scaled=True,
    summary="Flow, matches of every frame to all others, and a smoother that joins them: "
    "little drift, still clutter left out, confidence that means something; no training.",
)
LOOKED_AT = 3
"""Frames from which the size of speckle is told."""
FINEST_MM = 0.25
SIZES = "", -1
"""Where a memory keeps the scale, the grid and the support that its templates were cut with."""


@dataclass(frozen=True)
class Hybrid:
    """Flow joined with matches to the query and to the clip as a whole.

    Parameters
    ----------
    patience : int
        Frames for which a lost point is looked for again from the frame it was
        last seen in.
    reach_mm : float
        Standard deviation of the weight that tissue around a point has, mm; 0
        to choose by the size of the speckle.
    rounds : int
        How often all frames are compared along the path found so far. 2 is a
        little better and slower; 0 leaves it at flow that is held to the query.
    within_mm : float
        Confidence is the probability of being less than so far off, mm (in
        clips without a scale a pixel of the working grid counts as 0.25 mm).
    lines : bool
        Whether points of one group and of kind line or contour are held to it
        (`flow.with_lines`).
    learned : bool
        Whether matches of a pretrained network (method specknet) are one more
        source.
    weights : str
        File with its weights; those that come with the package when empty.

    Notes
    -----
    1. Dense inverse search (Kroeger et al., 2016) leads each point near, and
       an affine registration of its tissue with the frame before and with the
       query's says where it is (`flow.guided`).
    2. Along that path all frames are compared with their mean, with the first
       picture and with their neighbours, stationary clutter left out
       (`flow.group_match`).
    3. A robust forward-backward smoother joins steps and matches with the
       precision that each has in each direction (`smoothing.fusion`). Other
       anchors of the point inside its limits are honoured exactly.

    Steps 2 and 3 may be repeated. Errors have heavier tails than the smoother
    knows: confidence is that of a Student-t distribution whose scale adds what
    comparing all frames changed (`refining`).
    """

    patience: Annotated[int, Interval(ge=0)] = 25
    reach_mm: Annotated[float, Interval(ge=0, le=50)] = 0.0
    rounds: Annotated[int, Interval(ge=0, le=10)] = 1
    within_mm: Annotated[float, Interval(gt=0, le=50)] = 0.5
    lines: bool = True
    learned: bool = False
    weights: str = ""

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        return TRAITS

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        return asdict(self)

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries both ways from their frames, inside their limits."""
        found = self._found(video, queries, span)
        return (yield from holding(found, video, queries, span) if self.lines else found)

    def _found(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        return (yield from self.refined(video, queries, span)).cells

    def regions(self, video: Video, queries: Queries, span: range) -> Floats:
        """Covariances of the errors of `track` without lines, px^2; see `refining.Refined`."""
        return finish(self.refined(video, queries, span)).covariances

    def refined(self, video: Video, queries: Queries, span: range) -> Work[Refined]:
        """Do as `track` without lines, and say how far off each place may be."""
        guide = self._guide(video, queries, span, None)
        walk = walked_frames(queries, span)
        refiner = Refiner(video, queries, span, self.within_mm)
        looked = walk if self.learned else 0
        total = looked + walk + (self.rounds + 1) * refiner.size
        start = yield from part(self._start(guide, video, queries, span), 0, walk, total)
        if self.learned and guide is not None:
            path = np.where(start.visible[..., None], start.xy, np.nan)
            work = learned(video, queries, span, path, self.weights)
            refiner.learned = yield from part(work, walk, looked, total)
        if self.rounds == 0 or guide is None:
            yield Progress(total, total)
            return Refined(start, np.full((*start.shape, 2, 2), np.nan))
        refining = refiner.refine(start, guide, self.rounds)
        found = yield from part(refining, looked + walk, total - looked - walk, total)
        yield Progress(total, total)
        return found

    def resume(
        self, video: Video, queries: Queries, span: range, memory: Memory | None
    ) -> Work[Cells]:
        """Follow by flow held to the query, going on from what is remembered of a point.

        For single steps; comparing all frames needs all frames. See
        `core.tracker.Resuming`.
        """
        return self._start(self._guide(video, queries, span, memory), video, queries, span)

    def _start(
        self, guide: Guide | None, video: Video, queries: Queries, span: range
    ) -> Work[Cells]:
        step, prepare = (_nowhere, None) if guide is None else (guide.step, guide.prepare)
        source, patience = TRAITS.source, self.patience
        return follow(step, video, queries, span, source, patience, guide, prepare)

    def _guide(
        self, video: Video, queries: Queries, span: range, memory: Memory | None
    ) -> Guide | None:
        """What moves the points; None when there is nothing to follow."""
        asked = queries.frame[(queries.frame >= span.start) & (queries.frame < span.stop)]
        frames = np.unique(asked)[:LOOKED_AT].tolist()
        if not frames:
            return None
        known = None if memory is None else memory.get(SIZES)
        if memory is not None and (known is None or known[0] != video.info.spacing_mm):
            memory.clear()
            known = memory[SIZES] = video.info.spacing_mm, self._sizes(video, frames)
        grid, support = self._sizes(video, frames) if known is None else known[1]
        return Guide(grid, support, queries, memory)

    def _sizes(self, video: Video, frames: list[int]) -> tuple[Grid, Support]:
        """How finely and how much tissue is compared, by the speckle in some frames."""
        fine = Grid.of(video.info, FINEST_MM)
        seen = [fine.picture(video.frames(range(i, i + 1))[0]) for i in frames]
        grain = speckle_mm(np.stack(seen), fine.mm)
        reach = self.reach_mm or reach_mm(grain)
        mm = reach / PX_PER_REACH if video.info.spacing_mm is not None else NOMINAL_MM
        grid = Grid.of(video.info, mm)
        return grid, Support.reaching(reach / grid.mm, grain / grid.mm)


def _nowhere(*_: object) -> Any:
    raise AssertionError("there is nothing to follow")
