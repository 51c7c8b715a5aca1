"""The two layers that show one run, kept small around the current frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from napari.layers import Layer, Points, Tracks

from napari_usstrack.core.tracks import Tracks as ClipTracks
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import (
    MOST_VERTICES,
    RUN_POINTS,
    RUN_TRACKS,
    TAIL,
    Placement,
    run_rows,
    tag,
    window,
)
from napari_usstrack.widgets.writing import RowWriter, look_of_run, write_tails

NOWHERE = range(0)
TRANSLUCENT = 0.4


class RunView:
    """A run as tails and, when it serves as reference, as translucent points.

    Parameters
    ----------
    clip, name : str
        Names of the image layer and of the run.
    geometry : mapping
        Where the layers lie in the viewer.
    placement : Placement
        Axes of the clip.
    run : Tracks
        What to show.
    """

    def __init__(
        self,
        clip: str,
        name: str,
        geometry: Mapping[str, Any],
        placement: Placement,
        run: ClipTracks,
    ) -> None:
        self.points, self.tails = build.run_layers(clip, geometry, placement, run, name)
        self._name = name
        self._placement = placement
        self._run = run
        self._writer = RowWriter(self.points, placement, look_of_run)
        self._tails_span = NOWHERE
        self._emptied = False
        self._reference = False
        self.most_vertices = MOST_VERTICES
        self.points.visible = False

    @property
    def layers(self) -> tuple[Points, Tracks]:
        """Both layers."""
        return self.points, self.tails

    def __contains__(self, layer: Layer) -> bool:
        return layer is self.points or layer is self.tails

    @property
    def reference(self) -> bool:
        """Whether the run is shown for comparison: points too, both translucent."""
        return self._reference

    @reference.setter
    def reference(self, wanted: bool) -> None:
        self._reference = wanted
        self.points.visible = wanted
        self.points.opacity = self.tails.opacity = TRANSLUCENT if wanted else 1.0

    def show(self, run: ClipTracks, hidden: Collection[str], frame: int) -> None:
        """Show a run around `frame`, without the hidden points."""
        self._run = run.select([name for name in run.names if name not in hidden])
        for layer, ours in ((self.points, RUN_POINTS), (self.tails, RUN_TRACKS)):
            told = tag(ours, run, self._placement, run=self._name)
            layer.metadata = {**layer.metadata, **told}
        if self._reference:
            self._write_points(frame)
        self._write_tails(window(self._run, frame, self.most_vertices))

    def follow(self, frame: int, *, may_wait: bool = False) -> bool:
        """Move along with a step of the viewer, which draws the points afterwards.

        Tails are rewritten as `frame` nears the end of what is shown; with
        `may_wait` only once it is there. Returns whether they were.
        """
        if self._reference:
            self._write_points(frame, by_step=True)
        span, shown = window(self._run, frame, self.most_vertices), self._tails_span
        if span == shown:
            return False
        near = abs(span.start - shown.start) > len(span) // 4
        there = not (max(frame - TAIL, span.start) in shown and frame in shown)
        if there or (near and not may_wait):
            self._write_tails(span)
            return True
        return False

    def settle(self) -> None:
        """Draw what a step should have drawn and did not."""
        self._writer.redraw.settle()

    def resize(self, marker_px: float) -> None:
        """Give points this diameter, px."""
        build.resize(self.points, marker_px)

    def _write_points(self, frame: int, *, by_step: bool = False) -> None:
        rows = run_rows(self._run, None, range(frame, frame + 1))
        self._writer.write(rows, by_step=by_step)
        if self.points.editable:
            self.points.editable = False

    def _write_tails(self, span: range) -> None:
        self._tails_span = span
        there = write_tails(self.tails, self._placement, self._run, span)
        if there == self._emptied:
            self.tails.visible = there
            self._emptied = not there
