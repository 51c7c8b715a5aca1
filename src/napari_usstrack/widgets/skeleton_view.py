"""Lines between the points of a fascicle, an aponeurosis or a wall."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

import numpy as np
from napari.layers import Layer, Vectors

from napari_usstrack.session import Session
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import Placement, Segments, skeleton

WIDTH_OF_MARKER = 0.15


class Bench(Protocol):
    """What the lines need to know of the clip they lie on."""

    session: Session
    placement: Placement

    @property
    def hidden(self) -> Collection[str]:
        """Points that are not shown."""
        ...

    @property
    def marker_px(self) -> float:
        """Diameter of a marker, px."""
        ...

    def add_lines(self) -> Vectors:
        """Add the layer of lines to the viewer, below the labels."""
        ...


class SkeletonView:
    """Draws the lines of the frame in view; its layer is made when there is one to draw.

    Parameters
    ----------
    bench : Workbench
        The clip's session and viewer.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._layer: Vectors | None = None
        self._drawn: Segments | None = None
        session = bench.session
        session.edited.connect(self._redraw)
        session.curation.proposed.connect(self.draw)
        session.frame_changed.connect(self._redraw)

    @property
    def layers(self) -> tuple[Vectors, ...]:
        """The layer, if there is one."""
        return () if self._layer is None else (self._layer,)

    def close(self) -> None:
        """Stop listening."""
        session = self._bench.session
        session.edited.disconnect(self._redraw)
        session.curation.proposed.disconnect(self.draw)
        session.frame_changed.disconnect(self._redraw)

    def removed(self, layer: Layer) -> None:
        """Notice that a person removed the layer."""
        if layer is self._layer:
            self._layer = None

    def draw(self) -> None:
        """Draw the lines of the frame in view."""
        bench = self._bench
        session = bench.session
        frame = session.frame
        found = skeleton(session.annotations, session.curation.under, frame, bench.hidden)
        if self._layer is None:
            if not len(found.starts):
                return
            self._layer = bench.add_lines()
        elif not len(found.starts) and not len(self._layer.data):
            return
        if self._same(found, frame):
            return
        self._drawn = found
        width = WIDTH_OF_MARKER * bench.marker_px
        build.write_skeleton(self._layer, bench.placement, found, frame, width)

    def _same(self, found: Segments, frame: int) -> bool:
        drawn, layer = self._drawn, self._layer
        if drawn is None or layer is None or len(drawn.starts) != len(found.starts):
            return False
        at = self._bench.placement.time_axis
        return (
            bool((layer.data[:, 0, at] == frame).all())
            and np.array_equal(drawn.starts, found.starts)
            and np.array_equal(drawn.ends, found.ends)
            and np.array_equal(drawn.colours, found.colours)
        )

    def _redraw(self, _what: Any) -> None:
        self.draw()
