"""Lines between the points of a fascicle, an aponeurosis or a wall."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

import numpy as np
from napari.layers import Layer, Vectors

from napari_usstrack.session import Session
from napari_usstrack.widgets.layers import Placement, Segments, skeleton
from napari_usstrack.widgets.writing import LineWriter

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

    Attributes
    ----------
    ask : callable
        Called when labels or proposals changed; draws at once, unless a window
        puts something in its place that draws soon.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._layer: Vectors | None = None
        self._writer: LineWriter | None = None
        self._drawn: tuple[Segments, int] | None = None
        self.ask: Callable[[], object] = self.draw
        session = bench.session
        session.edited.connect(self._ask)
        session.curation.proposed.connect(self._ask)

    @property
    def layers(self) -> tuple[Vectors, ...]:
        """The layer, if there is one."""
        return () if self._layer is None else (self._layer,)

    def close(self) -> None:
        """Stop listening."""
        session = self._bench.session
        session.edited.disconnect(self._ask)
        session.curation.proposed.disconnect(self._ask)

    def removed(self, layer: Layer) -> None:
        """Notice that a person removed the layer."""
        if layer is self._layer:
            self._layer = self._writer = self._drawn = None

    def draw(self) -> None:
        """Draw the lines of the frame in view."""
        self._write(by_step=False)

    def follow(self) -> None:
        """Write the lines of the frame that the viewer is about to draw."""
        self._write(by_step=True)

    def settle(self) -> None:
        """Draw what a step should have drawn and did not."""
        if self._writer is None:
            self.draw()
        else:
            self._writer.redraw.settle()

    def _write(self, *, by_step: bool) -> None:
        bench = self._bench
        session = bench.session
        frame = session.frame
        found = skeleton(session.annotations, session.curation.under, frame, bench.hidden)
        if self._layer is None or self._writer is None:
            if by_step or not len(found.starts):
                return
            self._layer = bench.add_lines()
            self._writer = LineWriter(self._layer, bench.placement)
        elif not len(found.starts) and not len(self._layer.data):
            return
        if self._same(found, frame):
            return
        self._drawn = found, frame
        self._writer.write(found, frame, WIDTH_OF_MARKER * bench.marker_px, by_step=by_step)

    def _same(self, found: Segments, frame: int) -> bool:
        if self._drawn is None or self._drawn[1] != frame:
            return False
        drawn = self._drawn[0]
        return (
            np.array_equal(drawn.starts, found.starts)
            and np.array_equal(drawn.ends, found.ends)
            and np.array_equal(drawn.colours, found.colours)
        )

    def _ask(self, _what: Any = None) -> None:
        self.ask()
