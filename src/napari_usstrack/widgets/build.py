"""The only place that builds napari layers; `writing` fills them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Tracks, Vectors
from numpy.typing import NDArray

from napari_usstrack.core.tracks import Tracks as ClipTracks
from napari_usstrack.widgets import layers as arrays
from napari_usstrack.widgets.layers import Placement

if TYPE_CHECKING:
    from napari.components import ViewerModel

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


def place_over(layer: Layer, geometry: Mapping[str, Any]) -> None:
    """Move one of our layers to where the clip lies now."""
    for name in ("scale", "translate", "affine", "units"):
        held, wanted = getattr(layer, name), geometry[name]
        if not np.array_equal(np.asarray(held), np.asarray(wanted)):
            setattr(layer, name, wanted)


def resize(layer: Points, size: float) -> None:
    """Give all points of a layer a diameter in px, those to come included."""
    if not (layer.size == size).all():
        layer.size = size
    layer.current_size = size


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


def remove(viewer: ViewerModel, layer: Layer) -> None:
    """Remove one of our layers; names are hidden first, since napari may crash otherwise."""
    if isinstance(layer, Points):
        layer.text.visible = False
    if layer in viewer.layers:
        viewer.layers.remove(layer)
