"""Layers as a writer gets them, back to labels and runs; no window.

Our own layers carry the `Tracks` they show in ``metadata["usstrack"]``; what
they show is written whole, also where a layer holds only a window of it. Of
any other layer, or one of ours that was changed since, the rows are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.coords import inside
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import (
    PLACED_BY_HAND,
    PointInfo,
    Source,
    Tracks,
    blank_arrays,
    named_points,
)
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.display import DisplayClip
from napari_usstrack.widgets.layers import RUN_POINTS, RUN_TRACKS, LayerTuple, Placement
from napari_usstrack.widgets.sheets import (
    Grid,
    Sheet,
    layer_name,
    placement_of,
    sheet_of,
    snapshot_of,
    tagged,
    vertices,
)

_MM = {
    **{"nm": 1e-6, "nanometer": 1e-6, "um": 1e-3, "µm": 1e-3, "micrometer": 1e-3},
    **{"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "centimeter": 10.0, "m": 1e3, "meter": 1e3},
}


@dataclass(frozen=True, eq=False)
class Selection:
    """What the layers of a selection hold.

    Attributes
    ----------
    video : VideoInfo
        The clip they belong to.
    labels : Tracks or None
        What a person placed.
    runs : mapping of str to Tracks
        What methods computed, by name.
    guessed : bool
        Whether no layer tells the clip, so that `video` follows from the points.
    notes : tuple of str
        Doubts a user should read, one sentence each.
    """

    video: VideoInfo
    labels: Tracks | None
    runs: Mapping[str, Tracks]
    guessed: bool = False
    notes: tuple[str, ...] = ()

    def table(self) -> Tracks:
        """Labels over what was computed, as one table.

        Raises
        ------
        UsstrackError
            When two runs have a point of the same name.
        """
        owner: dict[str, str] = {}
        for run, tracks in self.runs.items():
            for name in tracks.names:
                if owner.setdefault(name, run) != run:
                    raise UsstrackError(
                        f"'{owner[name]}' and '{run}' both hold a point '{name}'; "
                        "select the layers of one of them."
                    )
        labels = () if self.labels is None else (self.labels,)
        return reduce(lambda above, below: above.over(below), (*labels, *self.runs.values()))


def read_selection(layers: Sequence[LayerTuple]) -> Selection:
    """Read the layers handed to a writer.

    Parameters
    ----------
    layers : sequence of (data, attributes, type)
        Points and Tracks layers, and the clip's image layer if there is one.

    Raises
    ------
    UsstrackError
        When they belong to several clips, or a row cannot be used.
    """
    shown = [layer for layer in layers if layer[2] in ("points", "tracks")]
    if not any(len(layer[0]) or _has_snapshot(layer) for layer in shown):
        raise UsstrackError("There are no points in these layers, so there is nothing to save.")
    video, grid = _clip([layer for layer in layers if layer[2] == "image"], shown)
    sheets = [sheet_of(layer, grid) for layer in shown]
    notes = [
        f"Layer '{sheet.layer}' was changed outside the dock; what it shows now was saved."
        for sheet in sheets
        if sheet.snapshot is not None and not sheet.intact
    ]
    guessed = video is None
    if video is None:
        video = _guessed(sheets, shown)
        notes.append(
            f"The clip of '{sheets[0].layer}' is not known, so {video.frame_count} frames of "
            f"{video.width} x {video.height} px were taken from the points; "
            "select the clip's image layer as well to save the true ones."
        )
    labels, runs = _sorted_out(sheets, video)
    return Selection(video, labels, runs, guessed, tuple(notes))


def _has_snapshot(layer: LayerTuple) -> bool:
    table = snapshot_of(layer[1])
    return table is not None and bool(table.source.any())


def spacing_mm(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Scale in mm per px, (x, y), where a layer states lengths as its units."""
    units, scale = attributes.get("units"), attributes.get("scale")
    if scale is None or units is None or isinstance(units, str):
        return None
    factors = [_MM.get(str(unit), 0.0) for unit in units[-2:]]
    if not all(factors):
        return None
    down, across = (
        abs(float(size)) * factor for size, factor in zip(scale[-2:], factors, strict=True)
    )
    return across, down


def _clip(
    images: Sequence[LayerTuple], shown: Sequence[LayerTuple]
) -> tuple[VideoInfo | None, Grid | None]:
    """The clip and its grid, from our layers, else from the image, else unknown."""
    known = [
        (layer, table.video) for layer in shown if (table := snapshot_of(layer[1])) is not None
    ]
    for layer, video in known[1:]:
        if not video.same_clip(known[0][1]):
            raise UsstrackError(
                f"Layers '{layer_name(known[0][0])}' and '{layer_name(layer)}' belong to different "
                "clips; save the layers of each clip by themselves."
            )
    if known:
        attributes = known[0][0][1]
        return known[0][1], Grid(attributes, tagged(attributes).get("placement"))
    if len(images) > 1:
        raise UsstrackError(
            f"Image layers '{layer_name(images[0])}' and '{layer_name(images[1])}' are both "
            "selected; select only the one the points belong to."
        )
    return _clip_of(images[0], shown) if images else (None, None)


def _clip_of(image: LayerTuple, shown: Sequence[LayerTuple]) -> tuple[VideoInfo, Grid]:
    data, attributes, _ = image
    if isinstance(data, DisplayClip):
        origin = (data.crop.left, data.crop.top) if data.crop else (0, 0)
        return data.video.info, Grid(attributes, origin=origin)
    if isinstance(data, ClipVideo):
        return data.info, Grid(attributes)
    pictures = data[0] if attributes.get("multiscale") else data
    ndim = len(pictures.shape) - bool(attributes.get("rgb"))
    tables = [table for layer in shown if (table := vertices(layer)[0]).shape[1] == ndim]
    placement = placement_of(np.concatenate(tables), layer_name(image)) if tables else None
    clip = (placement or Placement(ndim)).clip_of(pictures) if ndim > 2 else ()
    if len(clip) < 2:
        raise UsstrackError(f"Layer '{layer_name(image)}' is a still image; select a clip.")
    info = array_video(clip, spacing_mm=spacing_mm(attributes), name=layer_name(image)).info
    return info, Grid(attributes, placement)


def _guessed(sheets: Sequence[Sheet], shown: Sequence[LayerTuple]) -> VideoInfo:
    last = max(int(sheet.frames.max(initial=0)) for sheet in sheets)
    xy = np.concatenate([sheet.xy for sheet in sheets])
    width, height = np.maximum(np.ceil(xy.max(axis=0) + 0.5), 1).astype(int).tolist()
    spacing = spacing_mm(shown[0][1])
    calibration = Calibration(spacing, spacing_source="layer scale" if spacing else "unknown")
    return VideoInfo(last + 1, width, height, calibration)


def _sorted_out(sheets: Sequence[Sheet], video: VideoInfo) -> tuple[Tracks | None, dict]:
    """Labels and runs; a Points layer that is none of ours may hold both."""
    labels: list[Tracks] = []
    runs: dict[str, Tracks] = {}
    taken: dict[tuple[int, str], str] = {}
    for sheet in sheets:
        hand = np.isin(sheet.source, PLACED_BY_HAND)
        whole = np.ones_like(hand)
        if sheet.role in (RUN_POINTS, RUN_TRACKS):
            run = _shown(sheet, video, whole)
            runs[sheet.run] = runs[sheet.run].over(run) if sheet.run in runs else run
            continue
        _refuse_twins(sheet, hand, taken)
        if sheet.intact or hand.any():
            labels.append(_shown(sheet, video, whole if sheet.intact else hand))
        if not sheet.intact and not hand.all():
            runs[_free(sheet.run, runs)] = _shown(sheet, video, ~hand)
    merged = reduce(lambda above, below: above.over(below), labels) if labels else None
    return merged, runs


def _free(name: str, taken: Mapping[str, object]) -> str:
    while name in taken:
        name = f"{name} 2"
    return name


def _refuse_twins(sheet: Sheet, hand: NDArray[np.bool_], taken: dict[tuple[int, str], str]) -> None:
    for row in np.flatnonzero(hand).tolist():
        frame, name = int(sheet.frames[row]), sheet.names[row]
        owner = taken.setdefault((frame, name), sheet.layer)
        if owner != sheet.layer:
            raise UsstrackError(
                f"Layers '{owner}' and '{sheet.layer}' both hold point '{name}' in frame {frame}; "
                "select one of them."
            )


def _shown(sheet: Sheet, video: VideoInfo, wanted: NDArray[np.bool_]) -> Tracks:
    """What a layer shows: its snapshot while that is true, else the wanted rows."""
    if sheet.snapshot is not None and sheet.intact:
        return sheet.snapshot.with_video(video)
    rows = np.flatnonzero(wanted)
    points = _points(sheet, rows)
    column_of = {point.name: column for column, point in enumerate(points)}
    _check(sheet, rows, video)
    arrays = blank_arrays(video.frame_count, len(points))
    for row in rows.tolist():
        at = sheet.frames[row], column_of[sheet.names[row]]
        if arrays["source"][at]:
            raise UsstrackError(
                f"Layer '{sheet.layer}' has point '{sheet.names[row]}' twice in frame "
                f"{sheet.frames[row]}; remove one of them."
            )
        for name in arrays:
            arrays[name][at] = getattr(sheet, name)[row]
    if sheet.snapshot is not None:
        _keep_absent(arrays["source"], sheet.snapshot, column_of)
    return Tracks(**arrays, points=points, video=video)


def _points(sheet: Sheet, rows: NDArray[np.intp]) -> tuple[PointInfo, ...]:
    known = {} if sheet.snapshot is None else {p.name: p for p in sheet.snapshot.points}
    names = dict.fromkeys(sheet.names[row] for row in rows.tolist())
    ordered = [*(n for n in known if n in names), *(n for n in names if n not in known)]
    if any(not name.strip() for name in ordered):
        raise UsstrackError(f"Layer '{sheet.layer}' has a point without a name; give it one.")
    return tuple(known.get(point.name, point) for point in named_points(ordered))


def _check(sheet: Sheet, rows: NDArray[np.intp], video: VideoInfo) -> None:
    frames = sheet.frames[rows]
    outside = (frames < 0) | (frames >= video.frame_count)
    outside |= ~inside(sheet.xy[rows], video.width, video.height)
    if outside.any():
        row = rows[int(outside.argmax())]
        x, y = sheet.xy[row].tolist()
        raise UsstrackError(
            f"Point '{sheet.names[row]}' of layer '{sheet.layer}' lies at frame "
            f"{sheet.frames[row]}, x {x:g}, y {y:g}, outside the clip of {video.frame_count} "
            f"frames of {video.width} x {video.height} px; move or remove it."
        )


def _keep_absent(source: NDArray[np.uint8], snapshot: Tracks, column_of: Mapping[str, int]) -> None:
    for name, column in column_of.items():
        if name in snapshot.names:
            absent = snapshot.source[:, snapshot.column(name)] == Source.ABSENT
            source[absent & (source[:, column] == Source.MISSING), column] = Source.ABSENT
