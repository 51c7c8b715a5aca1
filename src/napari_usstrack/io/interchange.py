"""Files that other programs and people exchange: told apart, read and written."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, blank_arrays
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import deeplabcut, dustrack, project, tables
from napari_usstrack.io.dlc_table import HDF_SUFFIXES, is_table
from napari_usstrack.io.imported import (
    MOST_FRAMES,
    Imported,
    Written,
    guess_note,
    guessed_clip,
    read_file,
    recalled,
)

__all__ = ["FORMATS", "Format", "Imported", "Written", "identify", "read", "target", "write"]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    what : str
        For a list of formats.
    read : callable
        Takes a path and the clip, or None.
    write : callable
        Takes tracks and a path.
    name_in : callable or None
        File name in a folder, from tracks and a scorer; None where any will do.
    """

    what: str
    read: Callable[[Path, VideoInfo | None], Imported]
    write: Callable[[Tracks, Path], Written]
    name_in: Callable[[Tracks, str], str] | None = None


def read(path: str | Path, info: VideoInfo | None = None, *, format: str = "") -> Imported:
    """Read labels or a run, whatever the file is.

    Parameters
    ----------
    path : str or Path
        A file of one of `FORMATS`.
    info : VideoInfo, optional
        The clip; without it length and size follow from the positions, which
        a note says.
    format : str
        A key of `FORMATS`; by default told from the name and content.

    Raises
    ------
    UsstrackError
        If the file is of no known format or cannot be used.
    """
    path = Path(path)
    return _format(format or identify(path)).read(path, info)


def write(tracks: Tracks, path: str | Path, *, format: str = "", scorer: str = "") -> Written:
    """Write tracks in a format of another program, or ours.

    Parameters
    ----------
    tracks : Tracks
        What to write.
    path : str or Path
        A file, or a folder where the format dictates the name.
    format : str
        A key of `FORMATS`; by default told from the name.
    scorer : str
        Who labelled; part of the file name in a folder.

    Raises
    ------
    UsstrackError
        If the format cannot be told or the file cannot be written.
    """
    name, path = target(tracks, path, format=format, scorer=scorer)
    return FORMATS[name].write(tracks, path)


def target(
    tracks: Tracks, path: str | Path, *, format: str = "", scorer: str = ""
) -> tuple[str, Path]:
    """Format and file that `write` would choose; see there."""
    path = Path(path)
    if not path.is_dir():
        name = format or _by_name(path)
        _check_scorer(name, path, scorer)
        return name, path
    name_in = _format(format).name_in if format else None
    if name_in is None:
        problem = f"{format} files may have any name" if format else "its format is open"
        raise UsstrackError(
            f"{path} is a folder and {problem}; name a file in it, or use --to "
            f"{' or '.join(n for n, f in FORMATS.items() if f.name_in)}"
        )
    if set(scorer) & set('/\\:*?"<>|\n\r\0'):
        raise UsstrackError(f"--scorer {scorer!r} cannot be part of a file name; use letters")
    return format, path / name_in(tracks, scorer)


def _check_scorer(format: str, path: Path, scorer: str) -> None:
    if scorer and format == "deeplabcut" and path.name != f"CollectedData_{scorer}.csv":
        raise UsstrackError(
            f"{path} does not fit --scorer {scorer}; call it CollectedData_{scorer}.csv or name "
            "its folder"
        )


def identify(path: str | Path) -> str:
    """Format of a present file, from its name and content.

    Raises
    ------
    UsstrackError
        If it is of no known format or cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in HDF_SUFFIXES:
        return "deeplabcut"
    if suffix == ".csv":
        return "deeplabcut" if is_table(path) else "csv"
    if path.name.endswith(project.ENDING):
        return "project"
    if suffix == ".json":
        return "project" if _is_project(path) else "dustrack"
    if dustrack.DROPPED in path.name:
        return "dustrack"
    read_file(path)
    raise _unknown(path)


def _by_name(path: Path) -> str:
    if path.name.endswith(project.ENDING):
        return "project"
    if path.suffix.lower() == ".csv":
        return "deeplabcut" if path.name.startswith("CollectedData_") else "csv"
    if path.suffix.lower() == ".json":
        return "dustrack"
    raise _unknown(path)


def _unknown(path: Path) -> UsstrackError:
    return UsstrackError(
        f"{path} is of no kind that can be told; give one of "
        f"{', '.join(entry.what for entry in FORMATS.values())}"
    )


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UsstrackError(f"there is no format {name!r}; use one of {', '.join(FORMATS)}")
    return FORMATS[name]


def _is_project(path: Path) -> bool:
    try:
        raw = json.loads(read_file(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and isinstance(raw.get("schema"), int)


def _read_table(path: Path, info: VideoInfo | None) -> Imported:
    notes: tuple[str, ...] = ()
    if info is None:
        info = _guessed(path)
        notes = (guess_note(info),)
    tracks = tables.read_points(path, info)
    by_person = tracks.by_hand | (tracks.source <= Source.ABSENT)
    return Imported(tracks, None, notes) if by_person.all() else Imported(None, tracks, notes)


def _guessed(path: Path) -> VideoInfo:
    """A clip that holds every number that looks like a place; the reader judges the rest."""
    text = read_file(path).decode("utf-8-sig", errors="replace")
    lines = csv.reader(text.splitlines())
    header = [cell.strip().lower() for cell in next(lines, [])]
    wanted = [header.index(name) if name in header else -1 for name in ("frame", "x", "y")]
    rows = [[_finite(row, column) for column in wanted] for row in lines]
    frames, x, y = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    whole = np.floor(frames[(frames >= 0) & (frames <= MOST_FRAMES)]).astype(np.intp)
    return guessed_clip(path, whole, np.stack([x, y], axis=-1), "")


def _finite(row: list[str], column: int) -> float:
    try:
        value = float(row[column]) if 0 <= column < len(row) else math.nan
    except ValueError:
        return math.nan
    return value if abs(value) <= MOST_FRAMES else math.nan


def _write_table(tracks: Tracks, path: Path) -> Written:
    tables.write_tracks(tracks, path)
    if tracks.present.any():
        return Written(path)
    return Written(path, ("It holds no position, so it cannot be read as a table again.",))


def _read_project(path: Path, info: VideoInfo | None) -> Imported:
    found = project.load(path, info)
    runs = list(found.runs.items())
    notes = () if len(runs) < 2 else (f"Its runs {', '.join(found.runs)} are left out.",)
    return Imported(found.annotations, runs[0][1] if len(runs) == 1 else None, notes)


def _write_project(tracks: Tracks, path: Path) -> Written:
    if path.exists() or project.runs_path(path).exists():
        raise UsstrackError(f"{path} or its runs exist already; choose another name or place")
    by_person = tracks.by_hand | (tracks.source <= Source.ABSENT)
    if by_person.all():
        project.save(project.Project(tracks, {}), path)
        return Written(path)
    labels = tracks.with_cells(_only(tracks, by_person))
    name = recalled(tracks, deeplabcut.METHOD, "scorer") or "imported"
    project.save(project.Project(labels, {name: tracks}), path)
    return Written(path, (f"The positions are the run {name!r} of the project.",))


def _only(tracks: Tracks, which: NDArray[np.bool_]) -> Cells:
    arrays = blank_arrays(*tracks.shape)
    for name in CELL_ARRAYS:
        arrays[name][which] = getattr(tracks, name)[which]
    return Cells(**arrays)


def _project_name(tracks: Tracks, scorer: str) -> str:
    del scorer
    return f"{tracks.video.name or 'clip'}{project.ENDING}"


FORMATS: dict[str, Format] = {
    "dustrack": Format(
        "DUSTrack annotations (.json)", dustrack.read, dustrack.write, dustrack.folder_name
    ),
    "deeplabcut": Format(
        "DeepLabCut labels (CollectedData_*.csv)",
        deeplabcut.read,
        deeplabcut.write,
        deeplabcut.folder_name,
    ),
    "csv": Format("tidy table (.csv)", _read_table, _write_table),
    "project": Format("project (.usstrack.json)", _read_project, _write_project, _project_name),
}
"""Name to reader and writer."""
