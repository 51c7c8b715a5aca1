"""Any tracker, with its points held to the lines and contours they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Queries, Tracker, Traits, Work
from napari_usstrack.core.tracks import Cells, Source, blank_arrays
from napari_usstrack.core.video import Video
from napari_usstrack.flow.contours import held_to_contours
from napari_usstrack.flow.line_groups import held_to_lines, scale_mm

LINES_ONLY = Traits(
    name="lines-only",
    source=Source.FLOW,
    reach="clip",
    bound_px=np.inf,
    scaled=True,
    summary="Lines measured in every frame, without flow; points that are not on a line stay.",
)


@dataclass(frozen=True)
class WithLines:
    """A tracker whose answer is held to the groups of its points.

    Parameters
    ----------
    tracker : Tracker
        Finds the points first.
    """

    tracker: Tracker

    @property
    def traits(self) -> Traits:
        """Those of the tracker, with a whole clip as its reach."""
        return replace(self.tracker.traits, reach="clip", scaled=True)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of the tracker, and ``lines``."""
        return {**self.tracker.settings, "lines": True}

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries, then hold points of kind ``line`` and ``contour`` to their groups."""
        return (yield from holding(self.tracker.track(video, queries, span), video, queries, span))


def holding(work: Work[Cells], video: Video, queries: Queries, span: range) -> Work[Cells]:
    """Do a tracker's work, then hold what it found; the work alone without lines and contours."""
    if not {"line", "contour"} & set(queries.kind):
        return (yield from work)
    size = len(span)
    cells = yield from part(work, 0, size, 2 * size)
    return (yield from part(held(video, queries, cells, span), size, size, 2 * size))


def held(video: Video, queries: Queries, cells: Cells, span: range) -> Work[Cells]:
    """Hold what a tracker found to lines (`held_to_lines`) and contours (`held_to_contours`)."""
    cells = yield from held_to_lines(video, queries, cells, span)
    x_mm, y_mm = scale_mm(video.info)
    return held_to_contours(queries, cells, span, (float(x_mm), float(y_mm)))


@dataclass(frozen=True)
class LinesOnly:
    """Lines measured in every frame and smoothed over time; all other points stay."""

    @property
    def traits(self) -> Traits:
        """What it says of itself."""
        return LINES_ONLY

    @property
    def settings(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Measure lines in every frame; points of no line stay where they are, not visible."""
        arrays = blank_arrays(len(span), len(queries))
        asked = queries.asked(span)
        arrays["xy"][asked] = np.broadcast_to(queries.xy, (*asked.shape, 2))[asked]
        arrays["confidence"][asked] = 0.0
        arrays["source"][asked] = Source.FLOW
        cells = Cells(**arrays)
        return (yield from held_to_lines(video, queries, cells, span, use_flow=False))
