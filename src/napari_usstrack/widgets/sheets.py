"""One Points or Tracks layer, as a writer gets it, to checked rows; no window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import PLACED_BY_HAND, Source, Tracks
from napari_usstrack.widgets.layers import (
    LABELS,
    RUN_POINTS,
    RUN_TRACKS,
    LayerTuple,
    Placement,
    role,
)

NAME_COLUMNS = ("point", "name", "label")
_KNOWN = (*NAME_COLUMNS, "confidence", "visible", "source")
_WORDS = {source.name.lower(): source for source in Source if source > Source.ABSENT}
_OFF_FRAME = 1e-3

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Sheet:
    """The vertices of one layer, in px of the clip.

    Attributes
    ----------
    layer, role, run : str
        Name of the layer, its role if it is ours, and the run it shows.
    snapshot : Tracks or None
        What one of our layers was made from.
    frames, xy, names, confidence, visible, source : array or list
        One entry per vertex.
    """

    layer: str
    role: str
    run: str
    snapshot: Tracks | None
    frames: NDArray[np.intp]
    xy: NDArray[np.float64]
    names: list[str]
    confidence: NDArray[np.float32]
    visible: NDArray[np.bool_]
    source: NDArray[np.uint8]

    @property
    def intact(self) -> bool:
        """Whether the layer still shows what its snapshot says."""
        table = self.snapshot
        if table is None or not set(self.names) <= set(table.names):
            return False
        if len(self.frames) and (self.frames.min() < 0 or self.frames.max() >= table.shape[0]):
            return False
        rows = np.arange(len(self.frames))
        if self.role == LABELS:
            rows = np.flatnonzero(np.isin(self.source, PLACED_BY_HAND))
            if len(rows) not in _label_counts(table, self.frames):
                return False
        columns = np.array([table.names.index(self.names[row]) for row in rows], dtype=np.intp)
        return bool(np.array_equal(table.xy[self.frames[rows], columns], self.xy[rows]))


def _label_counts(table: Tracks, frames: NDArray[np.intp]) -> tuple[int, ...]:
    """How many labels a layer may show: all, or those of the one frame it holds."""
    held = np.unique(frames)
    here = int(table.by_hand[held[0]].sum()) if held.size == 1 else -1
    return int(table.by_hand.sum()), here


@dataclass(frozen=True, eq=False)
class Grid:
    """The px grid of a clip: how a layer's attributes place it, and its first px."""

    geometry: Mapping[str, Any]
    placement: Placement | None = None
    origin: tuple[int, int] = (0, 0)

    def of(self, layer: LayerTuple) -> NDArray[np.float64]:
        """Vertices of another layer in coordinates of this grid."""
        coordinates = vertices(layer)[0]
        ndim = coordinates.shape[1]
        theirs, ours = _matrix(layer[1], ndim), _matrix(self.geometry, ndim)
        if len(theirs) != len(ours):
            raise UsstrackError(
                f"Layer '{layer_name(layer)}' has {len(theirs) - 1} axes and the clip "
                f"{len(ours) - 1}; choose a layer made over this clip."
            )
        out = coordinates.copy()
        if not np.array_equal(theirs, ours):
            onto = np.linalg.solve(ours, theirs)
            out = coordinates @ onto[:-1, :-1].T + onto[:-1, -1]
        out[:, -2:] += self.origin[::-1]
        return out


def sheet_of(layer: LayerTuple, grid: Grid | None) -> Sheet:
    """Read a layer.

    Parameters
    ----------
    layer : (data, attributes, type)
        A Points or Tracks layer.
    grid : Grid or None
        Where the clip lies; without it the layer's own coordinates count.

    Raises
    ------
    UsstrackError
        When a row cannot be used.
    """
    attributes, name = layer[1], layer_name(layer)
    ours = role(attributes.get("metadata", {}))
    coordinates = vertices(layer)[0] if grid is None or ours else grid.of(layer)
    placement = tagged(attributes).get("placement") or (grid.placement if grid else None)
    if placement is None or placement.ndim != coordinates.shape[1]:
        placement = placement_of(coordinates, name)
    keep = np.asarray(np.isfinite(coordinates).all(axis=1))
    frames, xy = _frames_and_xy(coordinates[keep], placement, name)
    columns = _columns(attributes.get("features"), keep)
    identities = vertices(layer)[1]
    by_hand = identities is None and ours != RUN_POINTS
    source = _source(columns, len(frames), Source.MANUAL if by_hand else Source.FLOW)
    confidence = _confidence(columns, len(frames), name)
    confidence[source == Source.MANUAL] = np.nan
    snapshot = snapshot_of(attributes)
    names = _names_at(snapshot, frames, xy) if snapshot and ours == RUN_TRACKS else None
    if names is None:
        names = _names(columns, frames, None if identities is None else identities[keep])
    return Sheet(
        layer=name,
        role=ours,
        run=str(tagged(attributes).get("run") or name),
        snapshot=snapshot,
        frames=frames,
        xy=xy,
        names=names,
        confidence=confidence,
        visible=_visible(columns, len(frames)),
        source=source,
    )


def vertices(layer: LayerTuple) -> tuple[NDArray[np.float64], NDArray[np.intp] | None]:
    """Coordinates, one row per vertex, and the track each belongs to."""
    data = np.asarray(layer[0], dtype=np.float64)
    if layer[2] == "tracks":
        return data[:, 1:], data[:, 0].astype(np.intp)
    return data, None


def placement_of(coordinates: NDArray[np.float64], name: str) -> Placement:
    """Find the axis along which points differ; of three axes it is the first."""
    ndim = coordinates.shape[1]
    if ndim < 3:
        raise UsstrackError(
            f"Layer '{name}' has no frame axis; use its points as labels in the dock first."
        )
    if not len(coordinates):
        return Placement(ndim, ndim - 3, (0,) * (ndim - 3))
    varying = np.flatnonzero(np.ptp(coordinates[:, :-2], axis=0))
    if ndim > 3 and len(varying) > 1:
        raise UsstrackError(
            f"Points of layer '{name}' differ on {len(varying)} axes besides y and x; "
            "save those of one clip at a time."
        )
    axis = int(varying[0]) if len(varying) else ndim - 3
    fixed = np.rint(np.delete(coordinates[0, :-2], axis)).astype(int)
    return Placement(ndim, axis, tuple(fixed.tolist()))


def names_in(features: Columns, frames: Iterable[int]) -> list[str]:
    """Names of a layer's points: a column of its features, or p1, p2, ... in each frame."""
    for column in NAME_COLUMNS:
        if column in features:
            return [str(value) for value in np.asarray(features[column]).tolist()]
    counts: dict[int, int] = {}
    names = []
    for frame in frames:
        counts[frame] = counts.get(frame, 0) + 1
        names.append(f"p{counts[frame]}")
    return names


def layer_name(layer: LayerTuple) -> str:
    """Name of a layer, for messages."""
    return str(layer[1].get("name") or layer[2])


def tagged(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What we keep in the metadata of our own layers."""
    ours = attributes.get("metadata", {}).get("usstrack", {})
    return ours if isinstance(ours, Mapping) else {}


def snapshot_of(attributes: Mapping[str, Any]) -> Tracks | None:
    """The tracks that one of our layers shows."""
    tracks = tagged(attributes).get("tracks")
    return tracks if isinstance(tracks, Tracks) else None


def _matrix(attributes: Mapping[str, Any], ndim: int) -> NDArray[np.float64]:
    """Data to world, as a square matrix over one axis more than the layer has."""
    keys = ("scale", "translate", "rotate", "shear", "affine")
    stated = {key: attributes[key] for key in keys if attributes.get(key) is not None}
    ndim = len(stated.get("scale", range(ndim)))
    layer = Points(np.empty((0, ndim)), ndim=ndim, **stated)
    matrix = np.eye(ndim + 1)
    matrix[:-1, -1] = layer.data_to_world(np.zeros(ndim))
    for axis, unit in enumerate(np.eye(ndim)):
        matrix[:-1, axis] = layer.data_to_world(unit) - matrix[:-1, -1]
    return matrix


def _frames_and_xy(
    coordinates: NDArray[np.float64], placement: Placement, name: str
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    frames, xy = placement.positions(coordinates.reshape(-1, placement.ndim))
    times = coordinates[:, placement.time_axis]
    off = np.abs(times - frames) > _OFF_FRAME
    if off.any():
        raise UsstrackError(
            f"Layer '{name}' has a point at frame {times[int(off.argmax())]:g}; "
            "frames are whole numbers."
        )
    return frames, xy


def _columns(features: Any, keep: NDArray[np.bool_]) -> Columns:
    known = () if features is None else [name for name in _KNOWN if name in features]
    return {name: np.asarray(features[name])[keep] for name in known}


def _names(
    columns: Columns, frames: NDArray[np.intp], identities: NDArray[np.intp] | None
) -> list[str]:
    if identities is None:
        return names_in(columns, frames.tolist())
    named = {name: c for name, c in columns.items() if c.dtype.kind != "f"}
    if any(column in named for column in NAME_COLUMNS):
        return names_in(named, ())
    return [f"track {number}" for number in identities.tolist()]


def _names_at(table: Tracks, frames: NDArray[np.intp], xy: NDArray[np.float64]) -> list[str] | None:
    """Names of the points that lie exactly there; None when one does not."""
    if len(frames) and not 0 <= frames.min() <= frames.max() < table.shape[0]:
        return None
    here = (table.xy[frames] == xy[:, None]).all(axis=-1)
    if not here.any(axis=1).all():
        return None
    return [table.names[column] for column in here.argmax(axis=1).tolist()]


def _source(columns: Columns, count: int, otherwise: Source) -> NDArray[np.uint8]:
    words = columns["source"].tolist() if "source" in columns else [""] * count
    return np.array([_WORDS.get(str(word), otherwise) for word in words], dtype=np.uint8)


def _confidence(columns: Columns, count: int, name: str) -> NDArray[np.float32]:
    stated = columns.get("confidence", np.full(count, np.nan))
    try:
        values = stated.astype(np.float32)
    except (TypeError, ValueError):
        values = np.full(count, np.inf, dtype=np.float32)
    if ((values < 0) | (values > 1)).any():
        raise UsstrackError(
            f"Layer '{name}' has a feature 'confidence' outside 0 to 1; rename or rescale it."
        )
    return values


def _visible(columns: Columns, count: int) -> NDArray[np.bool_]:
    stated = columns.get("visible", np.ones(count, dtype=np.bool_))
    return np.array([str(value).lower() not in ("false", "0", "0.0") for value in stated.tolist()])
