"""Changes to points and places, built from labels and runs; nothing is applied here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from napari_usstrack.core import edits
from napari_usstrack.core.coords import inside
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, RunChange, Together
from napari_usstrack.core.tracks import PALETTE, PointInfo, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo

Runs = Mapping[str, Tracks]
Places = Mapping[tuple[int, str], ArrayLike | None]


def adding(annotations: Tracks, name: str, **details: Any) -> Edit:
    """Add a named point; details are `group`, `kind` and `colour`."""
    if name in annotations.names:
        raise UsstrackError(f"There is a point '{name}' already; choose another name.")
    colour = PALETTE[len(annotations.names) % len(PALETTE)]
    return edits.add_points(annotations, [PointInfo(name, **{"colour": colour, **details})])


def placing(
    annotations: Tracks, name: str, places: Places, source: Source, info: VideoInfo
) -> Edit:
    """Place or, with None, forget many cells as one change, adding points that are new."""
    _check_places(places, info)
    known = annotations.names
    new = [point for point in dict.fromkeys(p for _, p in places) if point not in known]
    points = named_points([*known, *new])[len(known) :]
    return edits.scatter(annotations, name, places, source, points)


def renaming(annotations: Tracks, runs: Runs, old: str, new: str) -> Change:
    """Give a point another name, in labels and runs."""
    edit = edits.rename_point(annotations, old, new)
    return _in_runs(edit, runs, {old: replace(annotations.point(old), name=new)})


def describing(annotations: Tracks, runs: Runs, names: Sequence[str], **details: Any) -> Change:
    """Change `group`, `kind` or `colour` of points, in labels and runs."""
    changed = {name: replace(annotations.point(name), **details) for name in names}
    points = [changed.get(p.name, p) for p in annotations.points]
    what = names[0] if len(names) == 1 else f"{len(names)} points"
    edit = edits.set_roster(annotations, f"change {what}", points)
    return _in_runs(edit, runs, changed)


def removing(annotations: Tracks, runs: Runs, name: str) -> Change:
    """Remove a point with its labels, and from the runs."""
    return _in_runs(edits.remove_point(annotations, name), runs, {name: None})


def ordering(annotations: Tracks, names: Sequence[str]) -> Edit:
    """Put the points into another order."""
    points = [annotations.point(name) for name in names]
    return edits.set_roster(annotations, "reorder points", points)


def _in_runs(edit: Edit, runs: Runs, points: Mapping[str, PointInfo | None]) -> Change:
    """Make an edit of the roster one change with the same in every run."""
    parts = tuple(
        RunChange(edit.name, name, run, run.revised(points))
        for name, run in runs.items()
        if set(run.names) & set(points)
    )
    return Together(edit.name, (edit, *parts)) if parts else edit


def _check_places(places: Places, info: VideoInfo) -> None:
    for (frame, name), xy in places.items():
        if not 0 <= frame < info.frame_count:
            raise UsstrackError(
                f"Point '{name}' must lie in a frame of the clip, 0 to {info.frame_count - 1}."
            )
        if xy is not None and not inside(xy, info.width, info.height):
            raise UsstrackError(f"Point '{name}' must lie inside the picture.")
