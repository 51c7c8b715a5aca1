"""Changes as values: what a person does to annotations, and its inverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.errors import EditConflictError, UsstrackError
from napari_usstrack.core.tracks import (
    CELL_ARRAYS,
    Cells,
    PointInfo,
    Source,
    Tracks,
    arrays_of,
    blank_arrays,
    trusted,
)

Roster = tuple[PointInfo, ...]


@dataclass(frozen=True, eq=False)
class Edit:
    """The only way annotations change.

    Attributes
    ----------
    name : str
        What the user sees in the undo menu.
    frames : intp ndarray
        Rows of the block.
    points : tuple of str
        Columns of the block, by name.
    before, after : Cells
        The block before and after, ``[len(frames), len(points)]``.
    roster : tuple of two tuples of PointInfo
        All points before and after, in column order.
    """

    name: str
    frames: NDArray[np.intp]
    points: tuple[str, ...]
    before: Cells
    after: Cells
    roster: tuple[Roster, Roster]

    def __post_init__(self) -> None:
        shape = (len(self.frames), len(self.points))
        if self.before.shape != shape or self.after.shape != shape:
            raise ValueError(
                f"'{self.name}' needs blocks of {shape} (frames x points), "
                f"got {self.before.shape} and {self.after.shape}"
            )
        if shape[0] and (self.frames.min() < 0 or len(np.unique(self.frames)) != shape[0]):
            raise ValueError(f"frames of '{self.name}' must be different and not negative")
        if len(set(self.points)) != shape[1]:
            raise ValueError(f"points of '{self.name}' must be different, got {self.points}")
        for points in self.roster:
            names = [point.name for point in points]
            if twice := {name for name in names if names.count(name) > 1}:
                raise UsstrackError(
                    f"There is already a point named {sorted(twice)[0]!r}; choose another name."
                )

    def apply(self, tracks: Tracks) -> Tracks:
        """Annotations after this edit.

        Raises
        ------
        EditConflictError
            If `tracks` is not what the edit was made for, or a point that
            still holds labels would be dropped.
        """
        old, new = self.roster
        if tracks.points != old:
            raise EditConflictError(f"'{self.name}' was made for other points; undo in order")
        if old == new:
            return self._written(tracks)
        return _narrowed(self._written(_widened(tracks, new)), new, self.name)

    def inverse(self) -> Edit:
        """The edit that takes this one back."""
        return replace(self, before=self.after, after=self.before, roster=self.roster[::-1])

    def _written(self, tracks: Tracks) -> Tracks:
        columns = [tracks.column(name) for name in self.points]
        if not tracks.block(self.frames, columns).equals(self.before):
            raise EditConflictError(f"'{self.name}' meets labels that changed since; undo in order")
        arrays = arrays_of(tracks)
        at = np.ix_(self.frames, np.asarray(columns, dtype=np.intp))
        for name in CELL_ARRAYS:
            arrays[name][at] = getattr(self.after, name)
        return trusted(Tracks, **arrays, points=tracks.points, video=tracks.video, log=tracks.log)


def _widened(tracks: Tracks, new: Roster) -> Tracks:
    known = set(tracks.names)
    extra = tuple(point for point in new if point.name not in known)
    if not extra:
        return tracks
    blank = blank_arrays(tracks.shape[0], len(extra))
    arrays = {
        name: np.concatenate([getattr(tracks, name), blank[name]], axis=1) for name in CELL_ARRAYS
    }
    points = tracks.points + extra
    return trusted(Tracks, **arrays, points=points, video=tracks.video, log=tracks.log)


def _narrowed(tracks: Tracks, new: Roster, edit: str) -> Tracks:
    kept = {point.name for point in new}
    for column, name in enumerate(tracks.names):
        if name not in kept and tracks.source[:, column].any():
            raise EditConflictError(f"'{edit}' would drop the labels of point {name!r}")
    columns = [tracks.column(point.name) for point in new]
    arrays = {name: getattr(tracks, name)[:, columns] for name in CELL_ARRAYS}
    return trusted(Tracks, **arrays, points=new, video=tracks.video, log=tracks.log)


def write(
    tracks: Tracks, name: str, frames: ArrayLike, points: Sequence[str], cells: Cells
) -> Edit:
    """Replace a block of cells, frames x named points."""
    frames = np.asarray(frames, dtype=np.intp)
    before = tracks.block(frames, [tracks.column(point) for point in points])
    roster = (tracks.points, tracks.points)
    return Edit(name, frames, tuple(points), before, cells, roster)


def put(
    tracks: Tracks, frame: int, point: str, xy: ArrayLike, source: Source = Source.MANUAL
) -> Edit:
    """Place or move one point in one frame; xy in px."""
    cells = Cells.placed(np.asarray(xy, dtype=np.float64).reshape(1, 1, 2), source)
    verb = "move" if tracks.present[frame, tracks.column(point)] else "place"
    return write(tracks, f"{verb} {point}", [frame], [point], cells)


def scatter(
    tracks: Tracks,
    name: str,
    places: Mapping[tuple[int, str], ArrayLike | None],
    source: Source = Source.MANUAL,
    new: Sequence[PointInfo] = (),
) -> Edit:
    """Place, move or, with None, forget single cells in one edit.

    Parameters
    ----------
    tracks : Tracks
        The annotations.
    name : str
        What the user sees in the undo menu.
    places : mapping
        Position in px, or None, by frame and point name.
    source : Source
        Who placed them.
    new : sequence of PointInfo
        Points to add with the same edit.
    """
    wide = _widened(tracks, (*tracks.points, *new))
    frames = sorted({frame for frame, _ in places})
    points = sorted({point for _, point in places}, key=wide.column)
    before = wide.block(frames, [wide.column(point) for point in points])
    arrays = arrays_of(before)
    for (frame, point), xy in places.items():
        at = frames.index(frame), points.index(point)
        arrays["xy"][at] = np.nan if xy is None else xy
        arrays["confidence"][at] = np.nan
        arrays["visible"][at] = xy is not None
        arrays["source"][at] = Source.MISSING if xy is None else source
    rows = np.asarray(frames, dtype=np.intp)
    roster = (tracks.points, wide.points)
    return Edit(name, rows, tuple(points), before, Cells(**arrays), roster)


def clear(tracks: Tracks, frames: ArrayLike, points: Sequence[str]) -> Edit:
    """Forget what was said of the points in these frames."""
    frames = np.asarray(frames, dtype=np.intp)
    what = points[0] if len(points) == 1 else f"{len(points)} points"
    cells = Cells.empty(len(frames), len(points))
    return write(tracks, f"delete {what}", frames, points, cells)


def mark_absent(tracks: Tracks, frames: ArrayLike, points: Sequence[str]) -> Edit:
    """Say that the points are not in view in these frames."""
    frames = np.asarray(frames, dtype=np.intp)
    arrays = blank_arrays(len(frames), len(points))
    arrays["source"][:] = Source.ABSENT
    return write(tracks, "mark absent", frames, points, Cells(**arrays))


def set_roster(tracks: Tracks, name: str, points: Sequence[PointInfo]) -> Edit:
    """Add empty points, drop empty ones, reorder, recolour or regroup."""
    nothing = Cells.empty(0, 0)
    frames = np.empty(0, dtype=np.intp)
    return Edit(name, frames, (), nothing, nothing, (tracks.points, tuple(points)))


def add_points(tracks: Tracks, points: Sequence[PointInfo]) -> Edit:
    """Add points without labels, after the present ones."""
    what = points[0].name if len(points) == 1 else f"{len(points)} points"
    return set_roster(tracks, f"add {what}", (*tracks.points, *points))


def remove_point(tracks: Tracks, point: str) -> Edit:
    """Remove a point and all its labels."""
    frames = np.flatnonzero(tracks.source[:, tracks.column(point)])
    cleared = clear(tracks, frames, [point])
    roster = tuple(info for info in tracks.points if info.name != point)
    return replace(cleared, name=f"remove {point}", roster=(tracks.points, roster))


def rename_point(tracks: Tracks, old: str, new: str) -> Edit:
    """Give a point another name, keeping its place, colour and labels."""
    if new in tracks.names:
        raise UsstrackError(f"There is already a point named {new!r}; choose another name.")
    column = tracks.column(old)
    frames = np.flatnonzero(tracks.source[:, column])
    held = tracks.block(frames, [column])
    nothing = Cells.empty(len(frames), 1)
    roster = tuple(replace(info, name=new) if info.name == old else info for info in tracks.points)
    return Edit(
        f"rename {old} to {new}",
        frames,
        (old, new),
        _beside(held, nothing),
        _beside(nothing, held),
        (tracks.points, roster),
    )


def _beside(left: Cells, right: Cells) -> Cells:
    arrays = {
        name: np.concatenate([getattr(left, name), getattr(right, name)], axis=1)
        for name in CELL_ARRAYS
    }
    return trusted(Cells, **arrays)
