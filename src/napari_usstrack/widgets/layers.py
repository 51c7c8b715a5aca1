"""Tracks to and from layer arrays: pure functions, no window.

A layer's coordinates are data coordinates of the image: one number per image
axis, rows and columns last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.coords import swapped
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo

LABELS, RUN_POINTS, RUN_TRACKS = "labels", "run-points", "run-tracks"
TAIL = 30
MOST_VERTICES = 2_000
MOST_LABELS = 200
"""Beyond this the labels layer holds those of the frame in view only."""
LOST, DOUBTFUL, SURE = "#ff3b30", "#ffb000", "#6cf0ff"
HALF_SURE = 0.5
SKELETON = "skeleton"

_WORDS = np.array([source.name.lower() for source in Source], dtype=object)
LayerTuple = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class Placement:
    """Where a clip's frames, rows and columns lie among an image's axes.

    Attributes
    ----------
    ndim : int
        Axes of the image layer, colour not counted.
    time_axis : int
        The axis along which the clip runs; rows and columns are the last two.
    fixed : tuple of int
        Index on every other axis, in axis order.
    """

    ndim: int = 3
    time_axis: int = 0
    fixed: tuple[int, ...] = ()

    def coordinates(self, frames: ArrayLike, xy: ArrayLike) -> NDArray[np.float64]:
        """Layer coordinates ``[n, ndim]`` of positions ``[n, 2]`` in px."""
        frames = np.asarray(frames, dtype=np.float64)
        out = np.empty((len(frames), self.ndim))
        out[:, self._others()] = self.fixed
        out[:, self.time_axis] = frames
        out[:, -2:] = swapped(xy)
        return out

    def positions(self, coordinates: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Frames ``[n]`` and positions ``[n, 2]`` in px of layer coordinates."""
        table = np.atleast_2d(np.asarray(coordinates, dtype=np.float64))
        return np.rint(table[:, self.time_axis]).astype(np.intp), swapped(table[:, -2:])

    def clip_of(self, data: Any) -> Any:
        """View of image data as ``[t, y, x]`` or ``[t, y, x, colour]``."""
        index: list[Any] = [slice(None)] * self.ndim
        for axis, at in zip(self._others(), self.fixed, strict=True):
            index[axis] = at
        return data[tuple(index)]

    def _others(self) -> list[int]:
        return [axis for axis in range(self.ndim - 2) if axis != self.time_axis]


@dataclass(frozen=True, eq=False)
class Rows:
    """Cells of a table as points of a layer, one row each.

    Attributes
    ----------
    keys : tuple of (int, str)
        Frame and point name.
    xy : float64 ndarray, shape (rows, 2)
        Positions in px.
    features : dict of arrays
        ``point``, ``confidence``, ``visible``, ``source``.
    colours : tuple of str
        The colour of each row's point.
    proposed : bool ndarray, shape (rows,)
        Rows that no person confirmed.
    """

    keys: tuple[tuple[int, str], ...]
    xy: NDArray[np.float64]
    features: dict[str, Any]
    colours: tuple[str, ...]
    proposed: NDArray[np.bool_]

    @property
    def frames(self) -> NDArray[np.intp]:
        """Frame of each row."""
        return np.array([frame for frame, _ in self.keys], dtype=np.intp)


def label_rows(tracks: Tracks) -> Rows | None:
    """Rows of all hand-set cells, frame after frame; None where they are too many to show."""
    frames, columns = tracks.by_hand.nonzero()
    return None if len(frames) > MOST_LABELS else rows_at(tracks, frames, columns)


def label_rows_in(tracks: Tracks, frame: int) -> Rows:
    """Rows of the hand-set cells of one frame."""
    columns = np.flatnonzero(tracks.by_hand[frame])
    return rows_at(tracks, np.full(len(columns), frame), columns)


def run_rows(run: Tracks, labels: Tracks | None, span: range) -> Rows:
    """Rows of a run's cells in `span`, those that a person labelled left out."""
    wanted = run.source[span.start : span.stop] > Source.ACCEPTED
    if labels is not None:
        for column, name in enumerate(run.names):
            if name in labels.names:
                hand = labels.by_hand[span.start : span.stop, labels.column(name)]
                wanted[:, column] &= ~hand
    frames, columns = wanted.nonzero()
    return rows_at(run, frames + span.start, columns)


def rows_at(tracks: Tracks, frames: NDArray[np.intp], columns: NDArray[np.intp]) -> Rows:
    """Rows of the cells at these frames and columns."""
    return _rows(tracks, tracks.points, frames, columns, frames)


def _rows(
    cells: Cells,
    points: tuple[PointInfo, ...],
    at: NDArray[np.intp],
    columns: NDArray[np.intp],
    frames: NDArray[np.intp],
) -> Rows:
    """Rows of the cells at ``[at, columns]``, which lie in `frames`."""
    infos = [points[column] for column in columns.tolist()]
    names = [point.name for point in infos]
    confidence = cells.confidence[at, columns]
    source = cells.source[at, columns]
    return Rows(
        keys=tuple(zip(frames.tolist(), names, strict=True)),
        xy=cells.xy[at, columns].reshape(-1, 2),
        features={
            "point": np.array(names, dtype=object),
            "confidence": np.where(np.isnan(confidence), 1.0, confidence).astype(np.float64),
            "visible": cells.visible[at, columns],
            "source": _WORDS[source],
        },
        colours=tuple(point.colour for point in infos),
        proposed=(source != Source.MANUAL) & (source != Source.ACCEPTED),
    )


def offered_rows(
    annotations: Tracks, points: tuple[PointInfo, ...], offered: Cells, frame: int
) -> Rows:
    """Rows of what is proposed in a frame where no person said anything.

    Parameters
    ----------
    annotations : Tracks
        What a person set.
    points : tuple of PointInfo
        Points of `offered`.
    offered : Cells
        What lies under the labels in that frame, ``[1, points]``.
    frame : int
        The frame.
    """
    said = (annotations.source[frame] != Source.MISSING).tolist()
    there = offered.present[0].tolist()
    known = {point.name: column for column, point in enumerate(points)}
    columns = [known.get(name, -1) for name in annotations.names]
    free = [c for c, done in zip(columns, said, strict=True) if not done and c >= 0 and there[c]]
    chosen = np.array(free, dtype=np.intp)
    return _rows(offered, points, np.zeros_like(chosen), chosen, np.full(len(chosen), frame))


def editor_rows(labels: Rows, offered: Rows, before: Rows | None = None) -> Rows:
    """Rows to edit: labels, and what is proposed in the frame in view.

    Each row keeps the place it had `before`: a proposal that became a label
    stays where it was, and what is proposed for a point stands where it stood
    in another frame. New rows come last, labels first.
    """
    rows = _joined(labels, offered)
    if before is None:
        return rows
    places = {key: place for place, key in enumerate(before.keys)}
    stood = {before.keys[i][1]: i for i in np.flatnonzero(before.proposed).tolist()}
    new, proposed = len(places), rows.proposed.tolist()
    rank = [
        places.get(key, stood.get(key[1], new) if offered else new)
        for key, offered in zip(rows.keys, proposed, strict=True)
    ]
    order = sorted(range(len(rank)), key=rank.__getitem__)
    return rows if order == list(range(len(rank))) else _taken(rows, order)


def _taken(rows: Rows, order: list[int]) -> Rows:
    at = np.array(order, dtype=np.intp)
    return Rows(
        keys=tuple(rows.keys[i] for i in order),
        xy=rows.xy[at],
        features={name: values[at] for name, values in rows.features.items()},
        colours=tuple(rows.colours[i] for i in order),
        proposed=rows.proposed[at],
    )


def _joined(one: Rows, other: Rows) -> Rows:
    return Rows(
        keys=one.keys + other.keys,
        xy=np.concatenate([one.xy, other.xy]),
        features={
            name: np.concatenate([one.features[name], other.features[name]])
            for name in one.features
        },
        colours=one.colours + other.colours,
        proposed=np.concatenate([one.proposed, other.proposed]),
    )


@dataclass(frozen=True, eq=False)
class Look:
    """How rows are drawn, one entry each: RGBA in 0..1, and symbols."""

    face: NDArray[np.float32]
    border: NDArray[np.float32]
    symbol: NDArray[Any]


def look_of(rows: Rows) -> Look:
    """Labels solid; proposals hollow, amber where doubtful, a red cross where lost."""
    own = np.array([rgba(colour) for colour in rows.colours], np.float32).reshape(-1, 4)
    visible, sure = rows.features["visible"], rows.features["confidence"] >= HALF_SURE
    face = own.copy()
    face[rows.proposed] = 0.0
    border = np.tile(np.array(rgba("#000000"), np.float32), (len(own), 1))
    border[rows.proposed] = own[rows.proposed]
    border[rows.proposed & ~sure] = rgba(DOUBTFUL)
    border[~visible] = rgba(LOST)
    return Look(face, border, _symbols(visible))


def _symbols(visible: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(visible, "disc", "cross")


@cache
def rgba(colour: str) -> tuple[float, float, float, float]:
    """Red, green, blue and alpha in 0..1 of ``#rrggbb``."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, 1.0


def skeleton(annotations: Tracks, under: Tracks, frame: int, hidden: Collection[str]) -> Segments:
    """Segments between neighbouring points of every group that is a line or a contour.

    Points lie where they are labelled, else where they are proposed.

    Returns
    -------
    Segments
        Starts ``[n, 2]`` and ends ``[n, 2]`` in px, and colours.
    """
    starts, ends, colours = [], [], []
    last: dict[str, NDArray[np.float64]] = {}
    for point in annotations.points:
        if point.kind == "point" or not point.group or point.name in hidden:
            continue
        here = _place_in(annotations, under, frame, point.name)
        if np.isnan(here[0]):
            continue
        if point.group in last:
            starts.append(last[point.group])
            ends.append(here)
            colours.append(rgba(point.colour))
        last[point.group] = here
    return Segments(
        np.array(starts, dtype=np.float64).reshape(-1, 2),
        np.array(ends, dtype=np.float64).reshape(-1, 2),
        np.array(colours, dtype=np.float32).reshape(-1, 4),
    )


def _place_in(annotations: Tracks, under: Tracks, frame: int, name: str) -> NDArray[np.float64]:
    column = annotations.column(name)
    if annotations.source[frame, column] != Source.MISSING:
        return annotations.xy[frame, column]
    return under.xy[frame, under.column(name)]


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight lines from `starts` to `ends` in px, with RGBA `colours`."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    colours: NDArray[np.float32]


def tracks_table(run: Tracks, span: range) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Rows (id, frame, y, x) of a run in `span`, sorted, finite, cut at gaps.

    Returns
    -------
    table : ndarray, shape (vertices, 4)
    features : dict
        ``confidence``, and ``point``: its column as a place in 0..1, for colours.
    """
    parts, confidences, columns, identity = [], [], [], 0
    present = run.source[span.start : span.stop] > Source.ABSENT
    for column in range(run.shape[1]):
        frames = np.flatnonzero(present[:, column]) + span.start
        for piece in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
            if piece.size == 0:
                continue
            rows = np.column_stack(
                [np.full(len(piece), identity), piece, swapped(run.xy[piece, column])]
            )
            parts.append(rows)
            confidences.append(np.nan_to_num(run.confidence[piece, column], nan=1.0))
            columns.append(np.full(len(piece), (column + 0.5) / run.shape[1]))
            identity += 1
    if not parts:
        return np.empty((0, 4)), {"confidence": np.empty(0), "point": np.empty(0)}
    return np.concatenate(parts), {
        "confidence": np.concatenate(confidences).astype(np.float64),
        "point": np.concatenate(columns),
    }


def window(run: Tracks, frame: int, most: int = MOST_VERTICES) -> range:
    """Frames of a run to show around `frame`: all of them while they are few."""
    frames, points = run.shape
    half = most // max(points, 1) // 2
    if frames <= 2 * half:
        return range(frames)
    start = min(max(frame - half, 0), frames - 2 * half)
    return range(start, start + 2 * half)


def marker_px(info: VideoInfo) -> float:
    """Diameter of a point marker for a clip of this size, px."""
    return float(np.clip(0.016 * max(info.width, info.height), 3.0, 24.0))


def role(metadata: Mapping[str, Any]) -> str:
    """Role of one of our layers, or an empty string."""
    ours = metadata.get("usstrack")
    return str(ours.get("role", "")) if isinstance(ours, Mapping) else ""


def tag(ours: str, tracks: Tracks, placement: Placement, **more: Any) -> dict[str, Any]:
    """Metadata of one of our layers; writers save the `tracks` it shows whole."""
    return {"usstrack": {"role": ours, "tracks": tracks, "placement": placement, **more}}


def text_style() -> dict[str, Any]:
    """How names stand beside points."""
    return {
        "string": "  {point}",
        "size": 8,
        "color": "white",
        "anchor": "upper_left",
    }


def calibrated_axes(info: VideoInfo) -> dict[str, Any]:
    """Scale and units of a clip's own layer: s, mm and mm where they are known.

    Frames stay the unit of time where the rate is unknown or varies.
    """
    fps = info.fps if not info.calibration.variable_rate else None
    spacing = info.spacing_mm
    time = (1.0, "pixel") if fps is None else (1.0 / fps, "second")
    across, down = (1.0, 1.0) if spacing is None else spacing
    unit = "pixel" if spacing is None else "millimeter"
    return {"scale": (time[0], down, across), "units": (time[1], unit, unit)}


def clip_layer(video: Any, name: str) -> LayerTuple:
    """Describe a clip as a grey image layer with fixed contrast limits."""
    options = {
        "name": name,
        "rgb": False,
        "contrast_limits": (0, 255),
        "colormap": "gray",
        "axis_labels": ("frame", "y", "x"),
        "metadata": {"usstrack": {"role": "clip"}},
        **calibrated_axes(video.info),
    }
    return video, options, "image"
