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
    Placement,
    run_rows,
    tag,
    window,
)

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
        self._points_span = self._tails_span = NOWHERE
        self._reference = False
        self.most_vertices = MOST_VERTICES
        self.marker_px = 0.0
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
        self._points_span = NOWHERE

    def show(self, run: ClipTracks, hidden: Collection[str], frame: int) -> None:
        """Show a run around `frame`, without the hidden points."""
        self._run = run.select([name for name in run.names if name not in hidden])
        for layer, ours in ((self.points, RUN_POINTS), (self.tails, RUN_TRACKS)):
            told = tag(ours, run, self._placement, run=self._name)
            layer.metadata = {**layer.metadata, **told}
        span = window(self._run, frame, self.most_vertices)
        if self._reference:
            self._write_points(span)
        self._write_tails(span)

    def follow(self, frame: int) -> bool:
        """Move along when `frame` nears the end of what is shown.

        Rewrites one layer at the most, so that no step waits for both; returns
        whether it did.
        """
        span = window(self._run, frame, self.most_vertices)
        far = len(span) // 4
        if abs(span.start - self._tails_span.start) > far:
            self._write_tails(span)
            return True
        if self._reference and abs(span.start - self._points_span.start) > far:
            self._write_points(span)
            return True
        return False

    def _write_points(self, span: range) -> None:
        self._points_span = span
        rows = run_rows(self._run, None, span)
        build.write_run_points(self.points, self._placement, rows)
        if self.marker_px:
            build.resize(self.points, self.marker_px)

    def _write_tails(self, span: range) -> None:
        self._tails_span = span
        build.write_tails(self.tails, self._placement, self._run, span)
