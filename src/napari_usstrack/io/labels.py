"""What a person made, as text that can be read, compared and merged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step, software_version
from napari_usstrack.core.tracks import PointInfo, Source, Tracks, blank_arrays
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import BACKUP, damaged, newer, write_bytes

SCHEMA = 1
SOURCE_WORDS = {source.name.lower(): source for source in Source}
TIME_TOLERANCE_S = 1e-3
_KNOWN = (
    *("schema", "software", "author", "last_edit", "clip", "calibration"),
    *("points", "log", "labels", "events"),
)


@dataclass(frozen=True, eq=False)
class Labels:
    """The content of a ``.usstrack.json`` file.

    Attributes
    ----------
    annotations : Tracks
        Hand-set cells over a clip as the file describes it.
    author : str
        Who saved last; signs cells that have no author yet.
    last_edit : int
        Number of the last edit contained.
    extra : mapping
        Events, and top-level entries this version does not know.
    authors : mapping
        Author by (point name, frame), where known.
    """

    annotations: Tracks
    author: str = ""
    last_edit: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    authors: Mapping[tuple[str, int], str] = field(default_factory=dict)


def read_labels(path: str | Path) -> Labels:
    """Read a label file.

    Raises
    ------
    UsstrackError
        If it is missing, damaged, or written by a newer version.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UsstrackError(f"{path} cannot be read ({reason}); check the path") from error
    try:
        raw = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_no_twins)
        if raw["schema"] > SCHEMA:
            raise newer(path, raw["schema"], SCHEMA)
        return _labels(raw)
    except KeyError as error:
        raise damaged(path, f"entry {error} is missing") from error
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path, error) from error


def write_labels(labels: Labels, path: str | Path, *, before: Labels | None = None) -> None:
    """Replace a label file, keeping the present one as ``.bak``.

    Cells unchanged since `before` keep their author, others are signed by
    `labels.author`.
    """
    signed = replace(labels, authors=_signatures(labels, before))

    def verify(part: Path) -> None:
        found = read_labels(part)
        same = found.annotations.equals(signed.annotations)
        if not same or found.annotations.points != signed.annotations.points:
            raise UsstrackError(f"{path} did not read back as written; save in another place")

    write_bytes(path, text_of(signed).encode(), verify=verify, backup=BACKUP)


def text_of(labels: Labels) -> str:
    """The file's text: one line per point, step and cell."""
    tracks = labels.annotations
    cells = _cells(tracks, labels.authors)
    entries = {
        "schema": str(SCHEMA),
        "software": dump(f"napari-usstrack {software_version()}"),
        "author": dump(labels.author),
        "last_edit": str(labels.last_edit),
        "clip": dump(clip_entry(tracks.video)),
        "calibration": dump(_with_times(tracks.video)),
        "points": listed([dict(p.__dict__) for p in tracks.points], 2),
        "log": listed([step.to_dict() for step in tracks.log], 2),
        "labels": _mapped({name: listed(cells[name], 4) for name in tracks.names}),
        "events": dump(labels.extra.get("events", {})),
    }
    for key, value in labels.extra.items():
        if key not in _KNOWN:
            entries[key] = dump(value, indent=2).replace("\n", "\n  ")
    return document(entries)


def document(entries: Mapping[str, str]) -> str:
    """A JSON object of entries that are JSON text already, one after the other."""
    body = ",\n".join(f"  {dump(key)}: {text}" for key, text in entries.items())
    return f"{{\n{body}\n}}\n"


def listed(items: Iterable[object], indent: int) -> str:
    """A JSON list with one line per item, closed at `indent` spaces."""
    pad = " " * indent
    lines = ",\n".join(f"{pad}  {dump(item)}" for item in items)
    return f"[\n{lines}\n{pad}]" if lines else "[]"


def dump(value: object, indent: int | None = None) -> str:
    """JSON text, readable where UTF-8 can hold it; numpy values become plain."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, default=_plain)
    return text


def clip_entry(info: VideoInfo) -> dict[str, Any]:
    """Name, digest, frame count and size in px of a clip."""
    return {
        "name": info.name,
        "digest": info.digest,
        "frame_count": info.frame_count,
        "width": info.width,
        "height": info.height,
    }


def calibration_entry(calibration: Calibration) -> dict[str, Any]:
    """Spacing in mm per px, mean rate in frames per second, and their origins."""
    return {
        "spacing_mm": calibration.spacing_mm,
        "spacing_source": calibration.spacing_source,
        "fps": calibration.fps,
        "time_source": calibration.time_source,
    }


def shortest(value: np.float32) -> float:
    """The float with the fewest digits that becomes `value` in single precision."""
    short = float(str(value))
    return short if np.float32(short) == value else float(value)


def _with_times(info: VideoInfo) -> dict[str, Any]:
    """The calibration entry, with every time only where a rate cannot say them."""
    calibration = info.calibration
    entry = calibration_entry(calibration)
    times = calibration.times_s
    if times is None:
        return entry
    rate = _rate(times, calibration.fps)
    if rate is None:
        return {**entry, "times_s": times.tolist()}
    return {**entry, "fps": rate}


def _rate(times: NDArray[np.float64], fps: float | None) -> float | None:
    if fps is None:
        return None
    count = np.arange(len(times))
    trials = (fps, round(fps, 9), *np.nextafter(fps, [0.0, np.inf]).tolist())
    for trial in trials:
        if np.array_equal(count / trial, times):
            return float(trial)
    close = np.abs(count / fps - times).max() < TIME_TOLERANCE_S
    return fps if close else None


def _cells(
    tracks: Tracks, authors: Mapping[tuple[str, int], str]
) -> dict[str, list[dict[str, Any]]]:
    cells: dict[str, list[dict[str, Any]]] = {}
    for column, name in enumerate(tracks.names):
        rows = np.flatnonzero(tracks.source[:, column]).tolist()
        cells[name] = [_cell(tracks, row, column, authors.get((name, row), "")) for row in rows]
    return cells


def _cell(tracks: Tracks, row: int, column: int, author: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"frame": row}
    source = Source(int(tracks.source[row, column]))
    confidence = tracks.confidence[row, column]
    if source > Source.ABSENT:
        cell["x"], cell["y"] = tracks.xy[row, column].tolist()
    cell["source"] = source.name.lower()
    if source > Source.ABSENT and not tracks.visible[row, column]:
        cell["visible"] = False
    if not np.isnan(confidence):
        cell["confidence"] = shortest(confidence)
    if author:
        cell["author"] = author
    return cell


def _signatures(labels: Labels, before: Labels | None) -> dict[tuple[str, int], str]:
    old = _by_place(before.annotations) if before else {}
    signed = before.authors if before else {}
    names: dict[tuple[str, int], str] = {}
    for place, cell in _by_place(labels.annotations).items():
        kept = signed.get(place, "") if old.get(place) == cell else labels.author
        names[place] = labels.authors.get(place, kept)
    return names


def _by_place(tracks: Tracks) -> dict[tuple[str, int], dict[str, Any]]:
    cells = _cells(tracks, {})
    return {(name, cell["frame"]): cell for name, column in cells.items() for cell in column}


def _labels(raw: Mapping[str, Any]) -> Labels:
    info = _info(raw)
    points = tuple(PointInfo(**entry) for entry in raw["points"])
    columns = {point.name: i for i, point in enumerate(points)}
    arrays = blank_arrays(info.frame_count, len(points))
    authors: dict[tuple[str, int], str] = {}
    for name, cells in raw["labels"].items():
        if name not in columns:
            raise ValueError(f"labels of {name!r}, which is not among the points")
        for cell in cells:
            frame = _place(arrays, columns[name], cell, name)
            if cell.get("author"):
                authors[name, frame] = str(cell["author"])
    log = tuple(Step.from_dict(step) for step in raw.get("log", []))
    extra = {key: value for key, value in raw.items() if key not in _KNOWN}
    if raw.get("events"):
        extra["events"] = raw["events"]
    return Labels(
        annotations=Tracks(**arrays, points=points, video=info, log=log),
        author=str(raw.get("author", "")),
        last_edit=_whole(raw.get("last_edit", 0), "last_edit"),
        extra=extra,
        authors=authors,
    )


def _place(arrays: dict[str, Any], column: int, cell: Mapping[str, Any], name: str) -> int:
    frame = _whole(cell["frame"], "frame")
    if not 0 <= frame < len(arrays["source"]):
        raise ValueError(f"frame {frame} of {name!r} lies outside the clip")
    if arrays["source"][frame, column]:
        raise ValueError(f"frame {frame} of {name!r} is labelled twice")
    if cell["source"] not in SOURCE_WORDS:
        raise ValueError(f"frame {frame} of {name!r} has the unknown source {cell['source']!r}")
    source = SOURCE_WORDS[cell["source"]]
    arrays["source"][frame, column] = source
    arrays["confidence"][frame, column] = cell.get("confidence", np.nan)
    if source > Source.ABSENT:
        arrays["xy"][frame, column] = cell["x"], cell["y"]
        arrays["visible"][frame, column] = cell.get("visible", True)
    return frame


def _info(raw: Mapping[str, Any]) -> VideoInfo:
    clip, saved = raw["clip"], raw["calibration"]
    count = _whole(clip["frame_count"], "frame_count")
    times = saved.get("times_s")
    if times is None and saved.get("fps"):
        times = np.arange(count) / float(saved["fps"])
    calibration = Calibration(
        spacing_mm=saved.get("spacing_mm"),
        times_s=times,
        spacing_source=saved.get("spacing_source", "unknown"),
        time_source=saved.get("time_source", "unknown"),
    )
    return VideoInfo(
        frame_count=count,
        width=_whole(clip["width"], "width"),
        height=_whole(clip["height"], "height"),
        calibration=calibration,
        digest=clip["digest"],
        name=clip["name"],
    )


def _whole(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{what} is {value!r} instead of a whole number")
    return value


def _no_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"entry {twin!r} is there twice")
    return found


def _mapped(texts: Mapping[str, str]) -> str:
    lines = ",\n".join(f"    {dump(key)}: {text}" for key, text in texts.items())
    return f"{{\n{lines}\n  }}" if lines else "{}"


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | range):
        return sorted(value)
    return str(value)
