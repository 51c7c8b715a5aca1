"""Annotation files of DUSTrack: one JSON object, label to frame to (x, y)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracks import Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import BACKUP, check_writable, write_bytes
from napari_usstrack.io.imported import (
    Found,
    Imported,
    Written,
    listed_names,
    lost_notes,
    read_file,
    recalled,
)
from napari_usstrack.io.trackermap import PREFIX, TrackerMap, add_names, check_name, find_map

METHOD = "dustrack"
MARK = "_annotations"
DROPPED = ".dustrack-dropped-incomplete-"
LAYER = "usstrack"
_DIGITS = re.compile(r"[0-9]+")
_COMPUTED = (
    (re.compile(r"_lkmovavg_"), Source.SMOOTHED),
    (re.compile(r"_blip_(corrections|removed)$"), Source.MODEL),
    (re.compile(r"_annotations_dlc(corr)?(_|$)"), Source.MODEL),
    (re.compile(r"_annotations_buffer$"), Source.FLOW),
)
_COPIED = re.compile(r"_annotations_(iteration-[0-9]+(_manual_corrections)?|labeled_data)$")


def read(path: str | Path, info: VideoInfo | None = None) -> Imported:
    """Read an annotation file.

    Points are named by the ``dlc_trackermap.txt`` of the folder or its
    parents, else by the digits of the file. Layers that DUSTrack computed
    (flow averages, network output, ``buffer``) become a run, others labels.

    Parameters
    ----------
    path : str or Path
        ``{stem}_annotations_{layer}.json``.
    info : VideoInfo, optional
        The clip; without it the length and size follow from the positions.

    Raises
    ------
    UsstrackError
        If the file is damaged, holds something else, or labels a frame
        beyond the clip.
    """
    path = Path(path)
    _check_kind(path)
    content = read_file(path)
    labels = _parsed(path, content)
    known = find_map(path.parent)
    names = _names(labels, known, path)
    frames, xy = _stacked(labels)
    stem, layer = split_name(path)
    clip = f"{stem}.mp4" if MARK in path.stem else ""
    found = Found(path, named_points(names), frames, xy, clip)
    found.notes.extend(known.notes)
    if known.names and tuple(labels) != names:
        found.notes.append(f"Points are named by {known.path}.")
    source = computed_source(path)
    step = Step("import", METHOD, settings={"layer": layer}, inputs=digest(content))
    tracks = found.over(info, source or Source.MANUAL, step)
    notes = tuple(found.notes)
    return Imported(tracks, None, notes) if source is None else Imported(None, tracks, notes)


def write(tracks: Tracks, path: str | Path) -> Written:
    """Write an annotation file as DUSTrack does: frames ascending, no empty positions.

    Names that are digits are the labels. Other names keep the number that
    ``dlc_trackermap.txt`` of the folder or its parents gives them, or get the
    next free one and a line there. Present files stay as ``.bak``.

    Parameters
    ----------
    tracks : Tracks
        What to write; only positions are kept.
    path : str or Path
        A ``.json`` file; see `file_name`.

    Raises
    ------
    UsstrackError
        If a name cannot be written down, or a file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise UsstrackError(f"{path} has the wrong ending; DUSTrack reads .json files")
    known = find_map(path.parent)
    labels = labels_for(tracks.names, known)
    check_writable(path)
    notes = [*lost_notes(tracks)]
    if MARK not in path.stem:
        notes.append(f"DUSTrack only finds files named like {file_name('clip', LAYER)}.")
    if renamed := [n for n in tracks.names if known.names.get(f"{PREFIX}{n}", n) != n]:
        notes.append(f"{known.path} has other names for {listed_names(renamed)}.")
    data = {label: _places(tracks, column) for column, label in enumerate(labels)}
    new = {f"{PREFIX}{label}": name for label, name in zip(labels, tracks.names, strict=True)}
    new = {key: name for key, name in new.items() if not _DIGITS.fullmatch(name)}
    if not new.keys() <= known.names.keys():
        check_writable(known.path)
        add_names(known, new)
        notes.append(f"Names of the points are in {known.path}.")
    write_bytes(path, json.dumps(data, indent=4, allow_nan=False).encode(), backup=BACKUP)
    return Written(path, tuple(notes))


def file_name(stem: str, layer: str) -> str:
    """Name of the annotation file of a clip `stem`, for a layer that may be empty."""
    return f"{stem}{MARK}{'_' if layer else ''}{layer}.json"


def folder_name(tracks: Tracks, scorer: str = "") -> str:
    """Name of the annotation file in a folder; the layer is the scorer or the one read."""
    stem = Path(tracks.video.name).stem or "clip"
    return file_name(stem, scorer or recalled(tracks, METHOD, "layer") or LAYER)


def split_name(path: str | Path) -> tuple[str, str]:
    """Stem of the clip and layer of an annotation file; both as DUSTrack cuts them."""
    stem = Path(path).stem
    if MARK not in stem:
        return stem, ""
    return stem.split(MARK)[0], stem.rsplit(MARK)[-1].removeprefix("_")


def computed_source(path: str | Path) -> Source | None:
    """What computed a derived file, or None for one that a person may have labelled."""
    stem = Path(path).stem
    return next((source for pattern, source in _COMPUTED if pattern.search(stem)), None)


def annotation_files(clip: str | Path) -> tuple[Path, ...]:
    """Files with a person's labels of this clip and no other, in order of name.

    Parameters
    ----------
    clip : str or Path
        The video, which need not exist; its folder is searched.
    """
    clip = Path(clip)
    own = re.compile(re.escape(clip.stem + MARK) + r"(_.*)?\.json")
    return tuple(
        sorted(
            path
            for path in clip.parent.iterdir()
            if own.fullmatch(path.name)
            and split_name(path)[0] == clip.stem
            and computed_source(path) is None
            and not _COPIED.search(path.stem)
        )
    )


def labels_for(names: Sequence[str], known: TrackerMap) -> tuple[str, ...]:
    """A digit label for every point name, in order.

    Raises
    ------
    UsstrackError
        If a name cannot stand in the map, or two points claim one label.
    """
    fixed = {name: label for name in names if (label := _fixed_label(name, known))}
    taken = {*fixed.values(), *(key.removeprefix(PREFIX) for key in known.names)}
    labels: list[str] = []
    for name in names:
        label = fixed.get(name)
        if label is None:
            check_name(name)
            label = _wanted(name, taken) or _free(taken)
            taken.add(label)
        if label in labels:
            other = names[labels.index(label)]
            raise UsstrackError(
                f"points {other!r} and {name!r} are both label {label} by {known.path}; "
                "rename one of them"
            )
        labels.append(label)
    return tuple(labels)


def _fixed_label(name: str, known: TrackerMap) -> str | None:
    internal = (known.internal(name) or "").removeprefix(PREFIX)
    if _DIGITS.fullmatch(internal):
        return internal
    return name if _DIGITS.fullmatch(name) else None


def _wanted(name: str, taken: set[str]) -> str | None:
    label = name.removeprefix(PREFIX)
    return label if _DIGITS.fullmatch(label) and label not in taken else None


def _free(taken: set[str]) -> str:
    return next(label for i in range(len(taken) + 1) if (label := str(i)) not in taken)


def _stacked(
    labels: Mapping[str, Mapping[int, tuple[float, float]]],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    frames = sorted({frame for places in labels.values() for frame in places})
    rows = {frame: i for i, frame in enumerate(frames)}
    xy = np.full((len(frames), len(labels), 2), np.nan)
    for column, places in enumerate(labels.values()):
        for frame, place in places.items():
            xy[rows[frame], column] = place
    return np.asarray(frames, dtype=np.intp), xy


def _places(tracks: Tracks, column: int) -> dict[str, list[float]]:
    frames = np.flatnonzero(tracks.present[:, column])
    places: list[list[float]] = tracks.xy[frames, column].tolist()
    return dict(zip(map(str, frames.tolist()), places, strict=True))


def _names(labels: Mapping[str, Any], known: TrackerMap, path: Path) -> tuple[str, ...]:
    for label in labels:
        if not _DIGITS.fullmatch(label):
            _refuse(path, f"label {label!r} is not a number", "labels of DUSTrack are 0, 1, 2, ...")
    mapped = known.readable([f"{PREFIX}{label}" for label in labels])
    plain = [
        label if name == f"{PREFIX}{label}" and name not in known.names else name
        for label, name in zip(labels, mapped, strict=True)
    ]
    if len(set(plain)) < len(plain):
        twin = next(name for name in plain if plain.count(name) > 1)
        raise UsstrackError(f"{known.path} names a point {twin!r} like a label; rename it there")
    return tuple(plain)


def _check_kind(path: Path) -> None:
    if DROPPED in path.name:
        _refuse(
            path,
            "it is a recovery file of frames that DUSTrack dropped",
            "open the annotation file beside it instead",
        )
    if "_events_" in path.name and MARK not in path.name:
        _refuse(path, "it holds events of DUSTrack, no positions", "choose an annotation file")


def _parsed(path: Path, content: bytes) -> dict[str, dict[int, tuple[float, float]]]:
    try:
        raw = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as error:
        raise UsstrackError(f"{path} is no annotation file ({error}); restore it") from error
    if isinstance(raw, list):
        _refuse(path, "it holds a list such as events, no positions", "choose an annotation file")
    if not isinstance(raw, dict) or not all(isinstance(v, dict) for v in raw.values()):
        _refuse(path, "it does not map labels to frames", "choose an annotation file of DUSTrack")
    return {label: _label(path, label, places) for label, places in raw.items()}


def _label(path: Path, label: str, places: Mapping[str, Any]) -> dict[int, tuple[float, float]]:
    found: dict[int, tuple[float, float]] = {}
    for key, place in places.items():
        where = f"{path}, label {label}"
        if not _DIGITS.fullmatch(key) or len(key) > 12:
            raise UsstrackError(f"{where}: frame {key!r} is not a whole number; correct it")
        if int(key) in found:
            raise UsstrackError(f"{where}: frame {int(key)} is there twice; keep one of the two")
        found[int(key)] = _place(f"{where}, frame {key}", place)
    return found


def _place(where: str, place: Any) -> tuple[float, float]:
    numbers = isinstance(place, list) and all(type(value) in (int, float) for value in place)
    if not numbers or len(place) != 2 or any(abs(value) > 1e12 for value in place):
        shown = json.dumps(place)[:60]
        raise UsstrackError(f"{where}: {shown} is no position; write two numbers, x and y in px")
    x, y = place
    return float(x), float(y)


def _no_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twins = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"{listed_names(twins)} is there twice")
    return dict(pairs)


def _refuse(path: Path, problem: str, remedy: str) -> NoReturn:
    raise UsstrackError(f"{path} cannot be read: {problem}; {remedy}")
