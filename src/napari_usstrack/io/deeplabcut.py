"""DeepLabCut tables: labelled pictures (``CollectedData_*``) and predictions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracks import PALETTE, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import BACKUP, check_writable, write_bytes
from napari_usstrack.io.dlc_table import Column, Table, csv_text, read_table
from napari_usstrack.io.imported import (
    Found,
    Imported,
    Written,
    listed_names,
    lost_notes,
    read_file,
    recalled,
)
from napari_usstrack.io.trackermap import PREFIX, TrackerMap, find_map

METHOD = "deeplabcut"
FOLDER = "labeled-data"
SCORER = "usstrack"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_NUMBERED = re.compile(rf"{PREFIX}[0-9]+")
_DIGITS = re.compile(r"[0-9]+")
_FILE = re.compile(r"CollectedData_(.+)\.csv")
_PICTURE = re.compile(r"img[0-9]+")
_CUTS = re.compile(r"[/\\]")
_LIKELIHOOD_SLACK = 1e-6
_MOST_DIGITS = 12


def read(path: str | Path, info: VideoInfo | None = None) -> Imported:
    """Read labelled pictures as labels, or predictions as a run.

    Points are bodyparts in stored order, named by ``dlc_trackermap.txt``
    where the folder or a parent has one, and ``individual/bodypart`` in
    tables of several animals.

    Parameters
    ----------
    path : str or Path
        A csv, or an h5 in the fixed format of pandas.
    info : VideoInfo, optional
        The clip; without it the length and size follow from the positions.

    Raises
    ------
    UsstrackError
        If the table is damaged, holds other videos only, or labels a frame
        beyond the clip.
    """
    path = Path(path)
    table = read_table(path)
    known = find_map(path.parent)
    rows, frames, stem = _rows(table, info)
    points, notes = _points(table, known)
    xy, likelihood = _numbers(table, rows)
    predicted = likelihood is not None or _is_predicted(table)
    clip = f"{stem}.mp4" if stem else ""
    found = Found(path, points, frames, xy, clip, likelihood, notes)
    if not predicted and (empty := frames[np.isnan(xy).all(axis=(1, 2))].tolist()):
        notes.append(f"Rows without a label are left out: frames {listed_names(_words(empty))}.")
    step = Step(
        *("import", METHOD),
        settings={"scorer": table.columns[0].scorer},
        inputs=digest(read_file(path)),
    )
    tracks = found.over(info, Source.MODEL if predicted else Source.MANUAL, step)
    told = tuple(notes)
    return Imported(None, tracks, told) if predicted else Imported(tracks, None, told)


def write(tracks: Tracks, path: str | Path) -> Written:
    """Write labelled pictures as ``CollectedData_{scorer}.csv``, rows in order of frame.

    Pictures in the folder and a present table give the image names, else they
    are ``img{frame}.png``, padded to the digits of the frame count. Rows of a
    present table stay, which is kept as ``.bak``. Points named by digits
    become ``point<digits>``, as DUSTrack names them.

    Raises
    ------
    UsstrackError
        If the file has another name or cannot be written.
    """
    path = Path(path)
    named = _FILE.fullmatch(path.name)
    if named is None:
        raise UsstrackError(
            f"{path} is no name for labels of DeepLabCut; call it CollectedData_NAME.csv, or give "
            "a folder and --scorer"
        )
    check_writable(path)
    before = read_table(path) if path.exists() else None
    names = bodyparts_for(tracks, find_map(path.parent), before)
    images = _images(path, before)
    headings = [
        Column(named[1], individual, bodypart, coord)
        for individual, bodypart in names
        for coord in ("x", "y")
    ]
    if not headings:
        raise UsstrackError(f"{path} would have no columns; add a point first")
    stem = _stem(path, tracks, before)
    present = np.flatnonzero(tracks.present.any(axis=1)).tolist()
    kept = [frame for frame in images[1] if frame < tracks.shape[0]]
    width = len(str(tracks.video.frame_count))
    lines = [
        [FOLDER, stem, images[0].get(frame, f"img{frame:0{width}d}.png"), *_cells(tracks, frame)]
        for frame in sorted({*present, *kept})
    ]
    write_bytes(path, csv_text(headings, lines, lead=3).encode(), backup=BACKUP)
    return Written(path, (*lost_notes(tracks), *_told(tracks, names, path)))


def folder_name(tracks: Tracks, scorer: str = "") -> str:
    """Name of the table in a folder; without a scorer that of the table read, if any."""
    return f"CollectedData_{scorer or recalled(tracks, METHOD, 'scorer') or SCORER}.csv"


def bodyparts_for(
    tracks: Tracks, known: TrackerMap, before: Table | None = None
) -> tuple[tuple[str, str], ...]:
    """(individual, bodypart) of every point, in order.

    Raises
    ------
    UsstrackError
        If two points would get the same bodypart.
    """
    held = set() if before is None else {column.bodypart for column in before.columns}
    several = bool(tracks.points) and all(
        point.group and point.name.startswith(f"{point.group}/") for point in tracks.points
    )
    made = []
    for point in tracks.points:
        name = point.name.removeprefix(f"{point.group}/") if several else point.name
        part = known.internal(name) or name
        if _DIGITS.fullmatch(part) and part not in held:
            part = PREFIX + part
        made.append((point.group if several else "", part))
    if twins := [entry for entry in made if made.count(entry) > 1]:
        raise UsstrackError(
            f"two points would be the bodypart {twins[0][1]!r}; rename one of "
            f"{listed_names([n for n, m in zip(tracks.names, made, strict=True) if m == twins[0]])}"
        )
    return tuple(made)


def frame_of(image: str) -> int | None:
    """Frame number of an image name: its last run of digits, or None."""
    digits = _DIGITS.findall(image.rsplit(".", 1)[0])
    return int(digits[-1]) if digits and len(digits[-1]) <= _MOST_DIGITS else None


def _is_predicted(table: Table) -> bool:
    return bool(table.index) and all(len(row) == 1 and row[0].isdigit() for row in table.index)


def _rows(table: Table, info: VideoInfo | None) -> tuple[NDArray[np.intp], NDArray[np.intp], str]:
    """Rows to take in order of frame, their frames, and the stem of their video."""
    if _is_predicted(table):
        places = [("", row[0]) for row in table.index]
        stem = re.sub(r"DLC.*", "", table.path.stem) if "DLC" in table.path.stem else ""
    else:
        places = [_image(row) for row in table.index]
        stem = _one_video(table, sorted({video for video, _ in places}), info)
        stem = stem or _parent_stem(table.path)
    chosen: dict[int, int] = {}
    for row, (video, image) in enumerate(places):
        if video and video != stem:
            continue
        frame = frame_of(image)
        if frame is None:
            _refuse(table, f"{image!r} has no frame number", "name pictures like img012.png")
        if frame in chosen:
            _refuse(table, f"frame {frame} has two rows", "keep one of the two")
        chosen[frame] = row
    frames = np.asarray(sorted(chosen), dtype=np.intp)
    return np.asarray([chosen[f] for f in frames.tolist()], dtype=np.intp), frames, stem


def _image(row: Sequence[str]) -> tuple[str, str]:
    parts = [part for cell in row for part in _CUTS.split(cell)]
    return (parts[-2] if len(parts) > 1 else ""), parts[-1]


def _one_video(table: Table, videos: Sequence[str], info: VideoInfo | None) -> str:
    if len(videos) < 2:
        return videos[0] if videos else ""
    stem = Path(info.name).stem if info is not None else ""
    if stem in videos:
        return stem
    problem = f"it holds the videos {listed_names(videos)}"
    _refuse(table, problem, "name one of them as the clip")


def _points(table: Table, known: TrackerMap) -> tuple[tuple[PointInfo, ...], list[str]]:
    parts = _parts(table)
    bodyparts = list(dict.fromkeys(part for _, part in parts))
    readable = dict(zip(bodyparts, known.readable(bodyparts), strict=True))
    notes = list(known.notes)
    if any(readable[part] != part for part in bodyparts):
        notes.append(f"Points are named by {known.path}.")
    notes.extend(_order_notes(bodyparts))
    points = []
    for i, (individual, part) in enumerate(parts):
        name = f"{individual}/{readable[part]}" if individual else readable[part]
        if not name.strip():
            _refuse(table, "a bodypart has no name", "name it")
        points.append(PointInfo(name, group=individual, colour=PALETTE[i % len(PALETTE)]))
    return tuple(points), notes


def _order_notes(bodyparts: list[str]) -> list[str]:
    if bodyparts == sorted(bodyparts) or all(map(_NUMBERED.fullmatch, bodyparts)):
        return []
    return [
        f"Bodyparts are stored as {listed_names(bodyparts)}; DUSTrack numbers them alphabetically "
        f"when it loads the h5 ({listed_names(sorted(bodyparts))}), so points may swap there."
    ]


def _parts(table: Table) -> list[tuple[str, str]]:
    return list(dict.fromkeys((c.individual, c.bodypart) for c in table.columns))


def _numbers(
    table: Table, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Positions of the rows, and likelihoods where the table has them."""
    parts = _parts(table)
    xy = np.full((len(rows), len(parts), 2), np.nan)
    likelihood = np.full((len(rows), len(parts)), np.nan)
    for i, (individual, part) in enumerate(parts):
        for axis, coord in enumerate(("x", "y")):
            values = table.column(individual, part, coord)
            if values is None:
                _refuse(table, f"bodypart {part!r} has no column {coord}", "export it again")
            xy[:, i, axis] = values[rows]
        sure = table.column(individual, part, "likelihood")
        if sure is not None:
            likelihood[:, i] = sure[rows]
    if all(column.coord != "likelihood" for column in table.columns):
        return xy, None
    beyond = (likelihood < -_LIKELIHOOD_SLACK) | (likelihood > 1 + _LIKELIHOOD_SLACK)
    if beyond.any():
        _refuse(table, f"likelihood {likelihood[beyond][0]} is outside 0 to 1", "export it again")
    return xy, np.clip(likelihood, 0.0, 1.0)


def _images(path: Path, before: Table | None) -> tuple[dict[int, str], list[int]]:
    """Image names by frame, from the present table and the pictures, and the table's frames."""
    on_disk: dict[int, list[str]] = {}
    for picture in sorted(path.parent.iterdir()):
        frame = frame_of(picture.name)
        ours = path.resolve().parent.parent.name == FOLDER or _PICTURE.fullmatch(picture.stem)
        if ours and picture.suffix.lower() in PICTURES and frame is not None:
            on_disk.setdefault(frame, []).append(picture.name)
    names = {frame: found[0] for frame, found in on_disk.items()}
    listed: list[int] = []
    for row in before.index if before is not None else ():
        image = _image(row)[1]
        frame = frame_of(image)
        if frame is None:
            continue
        listed.append(frame)
        if image in on_disk.get(frame, [image]):
            names[frame] = image
    return names, listed


def _stem(path: Path, tracks: Tracks, before: Table | None) -> str:
    videos = {_image(row)[0] for row in before.index} if before is not None else set()
    if len(videos) > 1:
        raise UsstrackError(
            f"{path} holds the labels of several videos; write in a folder of one video"
        )
    known = next(iter(videos), "") or _parent_stem(path)
    return known or Path(tracks.video.name).stem or path.resolve().parent.name


def _parent_stem(path: Path) -> str:
    folder = path.resolve().parent
    return folder.name if folder.parent.name == FOLDER else ""


def _cells(tracks: Tracks, frame: int) -> list[str]:
    return ["" if value != value else repr(value) for value in tracks.xy[frame].ravel().tolist()]


def _told(tracks: Tracks, names: Sequence[tuple[str, str]], path: Path) -> list[str]:
    parts = [part for _, part in names]
    notes = _order_notes(list(dict.fromkeys(parts)))
    digits = [name for name in tracks.names if PREFIX + name in parts and _DIGITS.fullmatch(name)]
    if digits:
        notes.append(f"Points named by digits are written as {PREFIX}{digits[0]} and so on.")
    hdf = path.with_suffix(".h5")
    state = "is older than the table now" if hdf.exists() else "is what DeepLabCut trains from"
    notes.append(f"{hdf.name} {state}; make it with deeplabcut.convertcsv2h5.")
    return notes


def _words(values: Sequence[object]) -> list[str]:
    return [str(value) for value in values]


def _refuse(table: Table, problem: str, remedy: str) -> NoReturn:
    raise UsstrackError(f"{table.path} cannot be read: {problem}; {remedy}")
