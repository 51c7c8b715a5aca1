"""Tidy CSV: one row per frame and point."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import software_version
from napari_usstrack.core.tracks import (
    KINDS,
    PALETTE,
    PointInfo,
    Source,
    Tracks,
    blank_arrays,
)
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import beside, check_writable, write_bytes
from napari_usstrack.io.labels import (
    SOURCE_WORDS,
    calibration_entry,
    clip_entry,
    document,
    dump,
    listed,
    shortest,
)

__all__ = [
    "COLUMNS",
    "check_points",
    "check_writable",
    "read_points",
    "sidecar_path",
    "write_tracks",
]

REQUIRED = ("frame", "point", "x", "y")
COLUMNS = (
    *("frame", "time_s", "point", "x", "y", "x_mm", "y_mm"),
    *("confidence", "visible", "source", "group", "kind"),
)
NOWHERE = (math.nan, math.nan)
_TRUTH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class _Row:
    """One checked line: where a point is and what is said of it."""

    frame: int
    point: str
    xy: tuple[float, float]
    confidence: float
    visible: bool
    source: Source

    @property
    def placed(self) -> bool:
        """Whether the line gives a position."""
        return self.xy is not NOWHERE


@dataclass
class _Roster:
    """Points in order of first appearance, with the group and kind named for each."""

    columns: dict[str, int] = field(default_factory=dict)
    traits: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, fields: Mapping[str, str], where: str) -> None:
        """Take in the point of a line; group and kind must agree with earlier lines."""
        name = fields["point"]
        if not name.strip():
            _refuse(where, "the point has no name", "fill in the point column")
        self.columns.setdefault(name, len(self.columns))
        told = {
            "group": fields.get("group", ""),
            "kind": fields.get("kind", "").strip().lower(),
        }
        if told["kind"] and told["kind"] not in KINDS:
            problem = f"kind {told['kind']!r} is unknown"
            _refuse(where, problem, f"write one of {', '.join(KINDS)}")
        for trait, said in told.items():
            known = self.traits.setdefault((name, trait), said) if said else said
            if known != said:
                problem = f"{trait} of {name!r} is {said!r} after {known!r}"
                _refuse(where, problem, f"give the point one {trait}")

    def points(self) -> tuple[PointInfo, ...]:
        """The points, coloured in palette order."""
        return tuple(
            PointInfo(
                name,
                group=self.traits.get((name, "group"), ""),
                kind=self.traits.get((name, "kind"), "point"),  # type: ignore[arg-type]
                colour=PALETTE[i % len(PALETTE)],
            )
            for name, i in self.columns.items()
        )


def read_points(path: str | Path, info: VideoInfo) -> Tracks:
    """Read anchors or tracks from a tidy CSV.

    Columns `frame`, `point`, `x` and `y` (px) are needed; `confidence`,
    `visible`, `source`, `group` and `kind` are honoured, others ignored. Rows
    come in any order; empty x and y mean unlabelled.

    Parameters
    ----------
    path : str or Path
        UTF-8 text with commas, dot decimals and a header.
    info : VideoInfo
        The clip the positions belong to.

    Raises
    ------
    UsstrackError
        At the first line that cannot be used.
    """
    path = Path(path)
    roster = _Roster()
    rows: dict[tuple[int, str], _Row] = {}
    lines: dict[tuple[int, str], int] = {}
    for line, fields in _lines(path):
        where = f"{path}, line {line}"
        roster.note(fields, where)
        row = _row(fields, where, info)
        place = row.frame, row.point
        if place in rows:
            problem = f"frame {row.frame} of {row.point!r} is already on line {lines[place]}"
            _refuse(where, problem, "keep one of the two")
        rows[place], lines[place] = row, line
    if not rows:
        _refuse(str(path), "there are no rows below the header", "add one row per labelled frame")
    if not any(row.placed for row in rows.values()):
        _refuse(str(path), "no row has a position", "fill in x and y where points were seen")
    _check_inside(rows, lines, path, info)
    arrays = blank_arrays(info.frame_count, len(roster.columns))
    for row in rows.values():
        _fill(arrays, row, roster.columns[row.point])
    return Tracks(**arrays, points=roster.points(), video=info)


def check_points(path: str | Path) -> None:
    """Refuse a file that is no table of points, before its clip is known."""
    for _line, _fields in _lines(Path(path)):
        return
    _refuse(str(path), "there are no rows below the header", "add one row per labelled frame")


def write_tracks(tracks: Tracks, path: str | Path, frames: range | None = None) -> None:
    """Write every point of every frame as tidy CSV, and a JSON sidecar.

    Parameters
    ----------
    tracks : Tracks
        What to write.
    path : str or Path
        The CSV file; the sidecar is `sidecar_path(path)`.
    frames : range, optional
        Only these frames; all by default.

    Raises
    ------
    UsstrackError
        If either file cannot be written or the frames lie outside the clip.
    """
    path = Path(path)
    count = tracks.video.frame_count
    span = range(count) if frames is None else frames
    if len(span) and (min(span) < 0 or max(span) >= count):
        raise UsstrackError(
            f"frames {min(span)} to {max(span)} lie outside the clip of {count} frames; "
            f"choose from 0 to {count - 1}"
        )
    check_table(path)
    rows = _table(tracks, np.asarray(span, dtype=np.intp))
    text = "".join(f"{','.join(row)}\n" for row in (COLUMNS, *rows))
    write_bytes(path, text.encode())
    write_bytes(sidecar_path(path), _sidecar(tracks, span).encode())


def check_table(path: str | Path) -> None:
    """Refuse a table that could not be written, or whose name does not end in .csv."""
    if Path(path).suffix.lower() != ".csv":
        raise UsstrackError(f"{path} has the wrong ending; a table is written as .csv")
    check_writable(path)


def sidecar_path(path: str | Path) -> Path:
    """The JSON file that tells how a table came about."""
    return beside(Path(path), ".json")


def _sidecar(tracks: Tracks, span: range) -> str:
    anchors = {
        name: np.flatnonzero(tracks.by_hand[:, i]).tolist() for i, name in enumerate(tracks.names)
    }
    content = {
        "software": dump(f"napari-usstrack {software_version()}"),
        "clip": dump(clip_entry(tracks.video)),
        "calibration": dump(calibration_entry(tracks.video.calibration)),
        "frames": dump([min(span), max(span)] if len(span) else []),
        "reference_frames": dump(anchors),
        "steps": listed([step.to_dict() for step in tracks.log], 2),
    }
    return document(content)


def _table(tracks: Tracks, frames: NDArray[np.intp]) -> Iterator[list[str]]:
    calibration = tracks.video.calibration
    xy = tracks.xy[frames]
    words = {int(source): word for word, source in SOURCE_WORDS.items()}
    columns = zip(
        frames.tolist(),
        _texts(calibration.seconds(frames)),
        _texts(xy),
        _texts(calibration.mm(xy)),
        tracks.confidence[frames],
        tracks.visible[frames].tolist(),
        tracks.source[frames].tolist(),
        strict=True,
    )
    points = [(_quoted(p.name), _quoted(p.group), p.kind) for p in tracks.points]
    for frame, time, places, places_mm, confidences, sight, sources in columns:
        for i, (name, group, kind) in enumerate(points):
            sure = confidences[i]
            yield [
                *(str(frame), time, name, *places[i], *places_mm[i]),
                "" if np.isnan(sure) else repr(shortest(sure)),
                "1" if sight[i] else "0",
                *(words[sources[i]], group, kind),
            ]


def _quoted(text: str) -> str:
    """A field quoted where it must be; the csv module forgets a lone carriage return."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def _texts(values: NDArray[np.float64]) -> list[Any]:
    flat = ["" if value != value else repr(value) for value in values.ravel().tolist()]
    texts: list[Any] = np.array(flat, dtype=object).reshape(values.shape).tolist()
    return texts


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    header: list[str] = []
    try:
        for values in reader:
            if not any(values):
                continue
            where = f"{path}, line {reader.line_num}"
            if not header:
                header = _header(values, where)
                continue
            if len(values) != len(header):
                problem = f"there are {len(values)} fields under {len(header)} column names"
                _refuse(where, problem, "separate by commas and quote names that hold one")
            yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        _refuse(f"{path}, line {reader.line_num}", f"{error}", "save the table as plain CSV")
    if not header:
        _refuse(str(path), "the file is empty", f"start it with {','.join(REQUIRED)}")


def _header(values: list[str], where: str) -> list[str]:
    header = [value.strip().lower() for value in values]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        problem = f"no column {' or '.join(missing)} among {', '.join(header)}"
        _refuse(where, problem, f"name the columns {','.join(REQUIRED)}, separated by commas")
    twins = [name for name in COLUMNS if header.count(name) > 1]
    if twins:
        _refuse(where, f"column {twins[0]} is there twice", "remove one of them")
    return header


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UsstrackError(f"{path} cannot be read ({reason}); check the path") from error
    if b"\0" not in content:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    _refuse(str(path), "it is not UTF-8 text", "save the table as CSV UTF-8 with commas")


def _row(fields: Mapping[str, str], where: str, info: VideoInfo) -> _Row:
    xy = _position(fields, where)
    source = _source(fields.get("source", ""), xy is not NOWHERE, where)
    confidence = math.nan
    if fields.get("confidence", "").strip():
        confidence = _number(fields, "confidence", where)
        if not 0 <= confidence <= 1:
            _refuse(where, f"confidence {confidence!r} is outside 0 to 1", "write it as a fraction")
    return _Row(
        frame=_frame(fields, where, info),
        point=fields["point"],
        xy=xy,
        confidence=confidence,
        visible=_visible(fields.get("visible", ""), xy is not NOWHERE, where),
        source=source,
    )


def _position(fields: Mapping[str, str], where: str) -> tuple[float, float]:
    empty = [name for name in ("x", "y") if not fields[name].strip()]
    if len(empty) == 2:
        return NOWHERE
    if empty:
        _refuse(where, f"{empty[0]} is empty", "fill in both x and y or neither")
    x, y = _number(fields, "x", where), _number(fields, "y", where)
    return x, y


def _check_inside(
    rows: Mapping[tuple[int, str], _Row],
    lines: Mapping[tuple[int, str], int],
    path: Path,
    info: VideoInfo,
) -> None:
    placed = [place for place, row in rows.items() if row.placed]
    outside = ~inside([rows[place].xy for place in placed], info.width, info.height)
    if outside.any():
        place = placed[int(outside.argmax())]
        problem = f"{rows[place].xy} is outside the frame of {info.width} x {info.height} px"
        remedy = "give px of the full frame, counted from 0 at the top left"
        _refuse(f"{path}, line {lines[place]}", problem, remedy)


def _source(text: str, placed: bool, where: str) -> Source:
    word = text.strip().lower()
    if word and word not in SOURCE_WORDS:
        _refuse(where, f"source {text!r} is unknown", f"write one of {', '.join(SOURCE_WORDS)}")
    source = SOURCE_WORDS.get(word, Source.MANUAL)
    if placed and source <= Source.ABSENT:
        problem = f"source is {word} although x and y are given"
        _refuse(where, problem, "empty x and y or name another source")
    if not placed and source != Source.ABSENT:
        return Source.MISSING
    return source


def _visible(text: str, placed: bool, where: str) -> bool:
    word = text.strip().lower()
    if word and word not in _TRUTH:
        _refuse(where, f"visible is {text!r}", "write 1 or 0")
    visible = _TRUTH.get(word, placed)
    if visible and not placed:
        _refuse(where, "visible is 1 but x and y are empty", "fill in the position or write 0")
    return visible


def _frame(fields: Mapping[str, str], where: str, info: VideoInfo) -> int:
    value = _number(fields, "frame", where)
    if not value.is_integer():
        problem = f"frame {fields['frame'].strip()} is not a whole number"
        _refuse(where, problem, "count frames from 0")
    if not 0 <= value < info.frame_count:
        problem = f"frame {int(value)} is outside the clip of {info.frame_count} frames"
        _refuse(where, problem, f"count from 0 to {info.frame_count - 1}")
    return int(value)


def _number(fields: Mapping[str, str], column: str, where: str) -> float:
    text = fields[column].strip()
    try:
        value = float(text.replace("_", "?"))
    except ValueError:
        _refuse(where, f"{column} is {text!r}, not a number", "write digits with a decimal dot")
    if not math.isfinite(value):
        _refuse(where, f"{column} is {text!r}", "leave x and y empty where nothing is known")
    return value


def _fill(arrays: dict[str, Any], row: _Row, column: int) -> None:
    at = row.frame, column
    arrays["xy"][at] = row.xy
    arrays["confidence"][at] = row.confidence
    arrays["visible"][at] = row.visible
    arrays["source"][at] = row.source


def _refuse(where: str, problem: str, remedy: str) -> NoReturn:
    raise UsstrackError(f"{where}: {problem}; {remedy}")
