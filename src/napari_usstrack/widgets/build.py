"""The only place that builds napari layers or writes rows into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Tracks, Vectors
from napari.utils.colormaps import Colormap
from numpy.typing import NDArray

from napari_usstrack.core.coords import swapped
from napari_usstrack.core.tracks import Tracks as ClipTracks
from napari_usstrack.widgets import layers as arrays
from napari_usstrack.widgets.layers import Look, Placement, Rows, Segments

if TYPE_CHECKING:
    from napari.components import ViewerModel

CONFIDENCE_COLOURS = Colormap(
    [arrays.LOST, arrays.DOUBTFUL, arrays.SURE],
    name="usstrack confidence",
    controls=[0.0, 0.5, 1.0],
)
BLANK_FEATURES = {"point": "", "confidence": 1.0, "visible": True, "source": "manual"}


def geometry_of(image: Image) -> dict[str, Any]:
    """Everything that places a layer over `image`."""
    return {
        name: getattr(image, name)
        for name in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    }


def labels_layer(
    name: str, geometry: Mapping[str, Any], placement: Placement, tracks: ClipTracks
) -> Points:
    """Make the layer in which a person places points."""
    size = arrays.marker_px(tracks.video)
    layer = Points(
        np.empty((0, placement.ndim)),
        ndim=placement.ndim,
        name=f"{name} labels",
        features={feature: [] for feature in BLANK_FEATURES},
        size=size,
        border_width=0.12,
        border_color="black",
        text=arrays.text_style(),
        metadata={"usstrack": {"role": arrays.LABELS}},
        **geometry,
    )
    layer.current_size = size
    return layer


def run_layers(
    clip: str, geometry: Mapping[str, Any], placement: Placement, run: ClipTracks, name: str
) -> tuple[Points, Tracks]:
    """Make the layers that show a run: points by confidence, and tails."""
    rows = arrays.run_rows(run, None, range(0))
    size = arrays.marker_px(run.video)
    points = Points(
        placement.coordinates(rows.frames, rows.xy),
        ndim=placement.ndim,
        name=f"{clip} {name} points",
        features={feature: [] for feature in BLANK_FEATURES},
        size=size,
        border_width=0.25,
        text=arrays.text_style(),
        metadata={"usstrack": {"role": arrays.RUN_POINTS, "run": name}},
        **geometry,
    )
    tails = Tracks(
        _no_tail(placement),
        name=f"{clip} {name}",
        tail_length=arrays.TAIL,
        tail_width=3,
        metadata={"usstrack": {"role": arrays.RUN_TRACKS, "run": name}},
        **geometry,
    )
    return points, tails


def _no_tail(placement: Placement) -> NDArray[np.float64]:
    """One vertex, which draws nothing; a Tracks layer cannot be empty."""
    return np.zeros((1, placement.ndim + 1))


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


def place_over(layer: Layer, geometry: Mapping[str, Any]) -> None:
    """Move one of our layers to where the clip lies now."""
    for name in ("scale", "translate", "affine", "units"):
        setattr(layer, name, geometry[name])


def resize(layer: Points, size: float) -> None:
    """Give all points of a layer a diameter in px, those to come included."""
    layer.size = size
    layer.current_size = size


class EditorWriter:
    """Writes labels and proposals into their layer, as little as will do.

    Parameters
    ----------
    layer : Points
        The labels layer.
    placement : Placement
        Axes of the clip.

    Notes
    -----
    Every property set on a Points layer draws it anew, at one to eight
    milliseconds each; while rows stay the same in number, places are written
    into the layer's own array and it is drawn once.
    """

    def __init__(self, layer: Points, placement: Placement) -> None:
        self._layer = layer
        self._placement = placement
        self._rows: Rows | None = None
        self._look: Look | None = None

    def write(self, rows: Rows, hidden: frozenset[str]) -> None:
        """Show rows; the points in `hidden` are kept, but not drawn."""
        with sliced(self._layer):
            self._write(rows, hidden)

    def _write(self, rows: Rows, hidden: frozenset[str]) -> None:
        layer, before, look = self._layer, self._rows, arrays.look_of(rows)
        coordinates = self._placement.coordinates(rows.frames, rows.xy)
        same = before is not None and len(layer.data) == len(coordinates) == len(before.keys)
        if same:
            layer.data[:] = coordinates
        else:
            layer.selected_data = set()
            layer.data = coordinates
        self._write_features(rows, before if same else None)
        self._write_look(rows, look, before if same else None)
        shown = np.array([name not in hidden for _, name in rows.keys], dtype=bool)
        if not np.array_equal(shown, layer.shown):
            layer.shown = shown
        self._rows, self._look = rows, look
        if same:
            layer.refresh(extent=False, thumbnail=False)

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
        layer, old = self._layer, self._look
        if not len(rows.keys):
            return
        known = old if before is not None else None
        if known is None or not np.array_equal(known.face, look.face):
            layer.face_color = look.face
        if known is None or not np.array_equal(known.border, look.border):
            layer.border_color = look.border
        if known is None or not np.array_equal(known.symbol, look.symbol):
            layer.symbol = look.symbol
        if before is None or before.colours != rows.colours:
            layer.text.color = [arrays.rgba(colour) for colour in rows.colours]


def skeleton_layer(name: str, geometry: Mapping[str, Any], placement: Placement) -> Vectors:
    """Make the layer that draws lines between the points of a line or contour."""
    return Vectors(
        np.empty((0, 2, placement.ndim)),
        ndim=placement.ndim,
        name=f"{name} lines",
        vector_style="line",
        edge_width=1.0,
        opacity=0.8,
        metadata={"usstrack": {"role": arrays.SKELETON}},
        **geometry,
    )


def write_skeleton(
    layer: Vectors, placement: Placement, segments: Segments, frame: int, width: float
) -> None:
    """Show segments in one frame."""
    frames = np.full(len(segments.starts), frame)
    starts = placement.coordinates(frames, segments.starts)
    ends = placement.coordinates(frames, segments.ends)
    layer.data = np.stack([starts, ends - starts], axis=1)
    if len(frames):
        layer.edge_color = segments.colours
        layer.edge_width = width


def write_run_points(layer: Points, placement: Placement, rows: Rows) -> None:
    """Show a run's rows as rings coloured by confidence."""
    with sliced(layer):
        _write_rings(layer, placement, rows)


def _write_rings(layer: Points, placement: Placement, rows: Rows) -> None:
    layer.data = placement.coordinates(rows.frames, rows.xy)
    layer.features = rows.features
    if not len(rows.keys):
        return
    layer.face_color = "transparent"
    layer.text.color = list(rows.colours)
    layer.border_color = CONFIDENCE_COLOURS.map(
        np.where(rows.features["visible"], rows.features["confidence"], 0.0)
    )
    layer.symbol = np.where(rows.features["visible"], "disc", "cross")
    layer.editable = False


def write_tails(layer: Tracks, placement: Placement, run: ClipTracks, span: range) -> None:
    """Show a run's tails, coloured by point."""
    table, features = arrays.tracks_table(run, span)
    if not len(table):
        layer.color_by = "track_id"
        layer.features = {}
        layer.data = _no_tail(placement)
        return
    coordinates = placement.coordinates(table[:, 1], swapped(table[:, 2:]))
    colours = Colormap([p.colour for p in run.points], name="points", interpolation="zero")
    layer.color_by = "track_id"
    layer.features = {}
    layer.data = np.column_stack([table[:, 0], coordinates])
    layer.features = features
    layer.colormaps_dict = {"point": colours}
    layer.color_by = "point"


def remove(viewer: ViewerModel, layer: Layer) -> None:
    """Remove one of our layers; names are hidden first, since napari may crash otherwise."""
    if isinstance(layer, Points):
        layer.text.visible = False
    if layer in viewer.layers:
        viewer.layers.remove(layer)
