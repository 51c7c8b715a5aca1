"""Rows, lines and tails into napari layers, drawn as seldom as will do.

Every property set on a napari layer draws it anew, at one to eight milliseconds
each. Here the layer's own arrays are written while its events are blocked, and
it is drawn once; not even that in a step to another frame, which draws anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from napari.layers import Layer, Points, Tracks, Vectors
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray
from qtpy.QtCore import QCoreApplication, QTimer

from napari_usstrack.core.coords import swapped
from napari_usstrack.core.tracks import Tracks as ClipTracks
from napari_usstrack.widgets import layers as arrays
from napari_usstrack.widgets.layers import Look, Placement, Rows, Segments

CONFIDENCE_COLOURS = Colormap(
    [arrays.LOST, arrays.DOUBTFUL, arrays.SURE],
    name="usstrack confidence",
    controls=[0.0, 0.5, 1.0],
)
NONE_HIDDEN: frozenset[str] = frozenset()


@contextmanager
def sliced(layer: Points) -> Iterator[None]:
    """Let a hidden layer follow what is written.

    napari does not slice hidden layers, and would then look for rows that are gone.
    """
    hidden = not layer.visible
    if hidden:
        layer.visible = True
    try:
        yield
    finally:
        if hidden:
            layer.visible = False


class Redraw:
    """Draws a layer whose arrays were written, once, however often they were.

    Rows that moved are drawn in the next turn of the event loop, before the
    canvas is painted, so that the moves of one turn cost one drawing. Rows that
    came or went are drawn at once, since until then napari knows the old ones.

    Parameters
    ----------
    layer : Layer
        One of ours.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._owed = False
        self._soon = QTimer()
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.draw)
        layer.events.set_data.connect(self._drawn)

    def written(self, *, by_step: bool, whole: bool = False) -> None:
        """Draw, unless a step of the viewer is about to; `whole` when rows came or went."""
        self._owed = True
        if by_step:
            return
        if whole or QCoreApplication.instance() is None:
            self._layer.refresh(extent=whole, thumbnail=whole)
        else:
            self._soon.start(0)

    def draw(self) -> None:
        """Draw rows that moved, if they were not drawn meanwhile."""
        if self._owed:
            self._layer.refresh(extent=False, thumbnail=False)

    def settle(self) -> None:
        """Draw what a step should have drawn and did not."""
        if self._owed:
            self._layer.refresh()

    def _drawn(self, _event: object = None) -> None:
        self._owed = False
        self._soon.stop()


class RowWriter:
    """Writes rows into a Points layer.

    Parameters
    ----------
    layer : Points
        One of ours.
    placement : Placement
        Axes of the clip.
    look_of : callable
        How rows are drawn.
    """

    def __init__(
        self, layer: Points, placement: Placement, look_of: Callable[[Rows], Look]
    ) -> None:
        self.redraw = Redraw(layer)
        self._layer = layer
        self._placement = placement
        self._look_of = look_of
        self._rows: Rows | None = None
        self._look: Look | None = None

    def write(
        self, rows: Rows, hidden: frozenset[str] = NONE_HIDDEN, *, by_step: bool = False
    ) -> None:
        """Show rows; the points in `hidden` are kept, but not drawn.

        `by_step` leaves the drawing to the viewer, which is about to move to the
        frame of the rows.
        """
        with sliced(self._layer):
            self._write(rows, hidden, by_step=by_step)

    def _write(self, rows: Rows, hidden: frozenset[str], *, by_step: bool) -> None:
        layer, before, look = self._layer, self._rows, self._look_of(rows)
        coordinates = self._placement.coordinates(rows.frames, rows.xy)
        same = before is not None and len(layer.data) == len(coordinates) == len(before.keys)
        with layer.events.blocker_all():
            if same:
                layer.data[:] = coordinates
            else:
                layer.selected_data = set()
                layer.data = coordinates
            self._write_features(rows, before if same else None)
            self._write_look(rows, look, before if same else None)
            _put(layer, "shown", np.array([name not in hidden for _, name in rows.keys], bool))
        self._rows, self._look = rows, look
        self.redraw.written(by_step=by_step, whole=not same)

    def _write_features(self, rows: Rows, before: Rows | None) -> None:
        features = rows.features
        if before is None or not np.array_equal(before.features["point"], features["point"]):
            self._layer.features = features
            return
        table = self._layer.features
        for name in ("confidence", "visible", "source"):
            if not np.array_equal(before.features[name], features[name]):
                table[name] = features[name]

    def _write_look(self, rows: Rows, look: Look, before: Rows | None) -> None:
        if not len(rows.keys):
            return
        layer, known = self._layer, None if before is None else self._look
        _put(layer, "face_color", look.face)
        _put(layer, "border_color", look.border)
        if known is None or not np.array_equal(known.symbol, look.symbol):
            layer.symbol = look.symbol
        if before is None or before.colours != rows.colours:
            layer.text.color = [arrays.rgba(colour) for colour in rows.colours]


class LineWriter:
    """Writes segments of one frame into a Vectors layer.

    Parameters
    ----------
    layer : Vectors
        One of ours.
    placement : Placement
        Axes of the clip.
    """

    def __init__(self, layer: Vectors, placement: Placement) -> None:
        self.redraw = Redraw(layer)
        self._layer = layer
        self._placement = placement
        self._width = 0.0

    def write(self, segments: Segments, frame: int, width: float, *, by_step: bool = False) -> None:
        """Show segments; `by_step` as in `RowWriter.write`."""
        layer = self._layer
        frames = np.full(len(segments.starts), frame)
        starts = self._placement.coordinates(frames, segments.starts)
        ends = self._placement.coordinates(frames, segments.ends)
        data = np.stack([starts, ends - starts], axis=1)
        same = len(layer.data) == len(data)
        with layer.events.blocker_all():
            if same:
                layer.data[:] = data
            else:
                layer.data = data
            if len(data):
                _put(layer, "edge_color", segments.colours)
            if len(data) and width != self._width:
                layer.edge_width = self._width = width
        self.redraw.written(by_step=by_step, whole=not same)


def look_of_run(rows: Rows) -> Look:
    """Rings coloured by confidence; a cross where the point is lost."""
    visible = rows.features["visible"]
    rings = CONFIDENCE_COLOURS.map(np.where(visible, rows.features["confidence"], 0.0))
    return Look(
        np.zeros((len(rows.keys), 4), np.float32),
        np.asarray(rings, np.float32).reshape(-1, 4),
        np.where(visible, "disc", "cross"),
    )


def write_tails(layer: Tracks, placement: Placement, run: ClipTracks, span: range) -> bool:
    """Show a run's tails, coloured by point; returns whether there are any."""
    table, features = arrays.tracks_table(run, span)
    if not len(table):
        return False
    coordinates = placement.coordinates(table[:, 1], swapped(table[:, 2:]))
    colour_by = layer.color_by if layer.color_by in features else "point"
    if colour_by in layer.properties_to_color_by:
        with layer.events.blocker_all():
            _fill_tails(layer, np.column_stack([table[:, 0], coordinates]), features)
            layer.colormaps_dict = {"point": _by_column(run)}
            layer.color_by = colour_by
        layer.events.rebuild_tracks()
        layer.refresh()
    else:
        _fill_tails(layer, np.column_stack([table[:, 0], coordinates]), features)
        layer.colormaps_dict = {"point": _by_column(run)}
        layer.color_by = colour_by
    return True


def _fill_tails(layer: Tracks, data: NDArray[np.float64], features: dict) -> None:
    layer.color_by = "track_id"
    layer.features = {}
    layer.data = data
    layer.features = features


def _by_column(run: ClipTracks) -> Colormap:
    return _colours_in_turn(tuple(point.colour for point in run.points))


@lru_cache(maxsize=8)
def _colours_in_turn(colours: tuple[str, ...]) -> Colormap:
    return Colormap(list(colours), name="points", interpolation="zero")


def _put(layer: Layer, name: str, values: NDArray) -> None:
    """Write a property in place, or set it where the layer hands out a copy."""
    held = getattr(layer, name)
    if np.array_equal(held, values):
        return
    held[:] = values
    if not np.array_equal(getattr(layer, name), values):
        setattr(layer, name, values)
