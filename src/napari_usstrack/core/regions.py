"""Many labels at once: cleared, copied from another table, or thinned; nothing is applied here.

Frames are any frames of the clip: an interval, the marked ones, or a single one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core import edits
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, arrays_of


@dataclass(frozen=True)
class Tally:
    """How far the labelling of a clip has come.

    Attributes
    ----------
    frames : int
        Frames of the clip.
    labelled : int
        Frames in which a person said something of at least one point.
    complete : int
        Frames in which a person said something of every required point.
    proposed : int
        Frames in which a method gives a position that no person set.
    """

    frames: int
    labelled: int
    complete: int
    proposed: int


def clear(annotations: Tracks, frames: Iterable[int], names: Sequence[str]) -> Edit:
    """Forget what was said of the points in these frames, absences included.

    Raises
    ------
    UsstrackError
        When nothing was said of them there, or a frame lies outside the clip.
    """
    rows = rows_of(annotations, frames)
    columns = [annotations.column(name) for name in names]
    said = annotations.block(rows, columns).source != Source.MISSING
    if not said.any():
        raise UsstrackError(
            f"{_which(names)} nothing is labelled in {_where(rows)}; choose other frames or points."
        )
    return edits.clear(annotations, rows[said.any(axis=1)], picked(names, said))


def copy_from(
    annotations: Tracks,
    other: Tracks,
    frames: Iterable[int],
    names: Sequence[str],
    *,
    replace: bool,
    source: Source = Source.ACCEPTED,
) -> Edit:
    """Copy positions of another table of the same clip.

    Places, visibility and confidence are copied; cells without a position and
    those that a method lost sight of are not. A point that only `other` has
    is added.

    Parameters
    ----------
    annotations, other : Tracks
        Where to, and where from.
    frames : iterable of int
        Frames of the clip.
    names : sequence of str
        Points of `other`.
    replace : bool
        Also replace what a person set; without it such cells stay.
    source : Source
        What the copied cells are marked with.

    Raises
    ------
    UsstrackError
        When there is nothing to copy, a frame lies outside the clip, or the
        tables differ in length.
    """
    _same_length(annotations, other)
    rows = rows_of(annotations, frames)
    names = [name for name in dict.fromkeys(names) if name in other.names]
    theirs = other.block(rows, [other.column(name) for name in names])
    wide = widened(annotations, other, names)
    mine = wide.block(rows, [wide.column(name) for name in names])
    wanted = theirs.present & (theirs.visible | theirs.by_hand)
    if not wanted.any():
        raise UsstrackError(
            f"The other table has no position to copy in {_where(rows)}; choose other frames."
        )
    if not replace:
        wanted &= ~mine.said
    if not wanted.any():
        raise UsstrackError(
            f"All positions in {_where(rows)} are set by hand; choose to replace them to copy."
        )
    chosen = picked(names, wanted)
    arrays = arrays_of(mine)
    for name in CELL_ARRAYS:
        arrays[name][wanted] = getattr(theirs, name)[wanted]
    arrays["source"][wanted] = source
    title = f"copy {_count(int(wanted.sum()), 'position')}"
    wide = widened(annotations, other, chosen)
    return write_wide(annotations, wide, title, rows, names, Cells(**arrays), wanted)


def keep_complete(
    annotations: Tracks, frames: Iterable[int] | None, required: Sequence[str]
) -> Edit:
    """Clear labelled frames in which nobody said anything of a required point.

    A point that a person said is absent lacks nothing.

    Parameters
    ----------
    annotations : Tracks
        The labels.
    frames : iterable of int, or None
        Where to look; everywhere if None.
    required : sequence of str
        Points without which a frame is dropped.

    Raises
    ------
    UsstrackError
        When every labelled frame is complete, or a frame lies outside the clip.
    """
    dropped = incomplete_frames(annotations, required, frames)
    if dropped.size == 0:
        raise UsstrackError("Every labelled frame there has all required points; nothing to drop.")
    return _dropping(annotations, dropped, "incomplete frame")


def decimate(
    annotations: Tracks, frames: Iterable[int], required: Sequence[str], every: int = 2
) -> Edit:
    """Drop incomplete frames, then keep the first and every k-th of those that remain.

    Parameters
    ----------
    annotations : Tracks
        The labels.
    frames : iterable of int
        Where to thin.
    required : sequence of str
        Points without which a frame is dropped.
    every : int
        Keep one frame of so many.

    Raises
    ------
    UsstrackError
        When nothing is to be dropped, `every` is below 1, or a frame lies
        outside the clip.
    """
    if every < 1:
        raise UsstrackError(f"One of every {every} frames cannot be kept; choose 1 or more.")
    rows = rows_of(annotations, frames)
    labelled = np.intersect1d(frames_labelled(annotations), rows)
    incomplete = incomplete_frames(annotations, required, rows)
    kept = np.setdiff1d(labelled, incomplete)[::every]
    dropped = np.setdiff1d(labelled, kept)
    if dropped.size == 0:
        raise UsstrackError(f"There is no labelled frame to drop in {_where(rows)}.")
    return _dropping(annotations, dropped, "frame")


def frames_labelled(annotations: Tracks, names: Sequence[str] | None = None) -> NDArray[np.intp]:
    """Frames in which something was said of any of the points; all points if None."""
    return np.flatnonzero((_columns(annotations, names) != Source.MISSING).any(axis=1))


def incomplete_frames(
    annotations: Tracks, required: Sequence[str], frames: Iterable[int] | None = None
) -> NDArray[np.intp]:
    """Labelled frames in which nobody said anything of a required point.

    Parameters
    ----------
    annotations : Tracks
        The labels.
    required : sequence of str
        Points that a complete frame has, or of which a person said they are absent.
    frames : iterable of int, optional
        Where to look; everywhere if None.
    """
    lacking = np.flatnonzero((_columns(annotations, required) == Source.MISSING).any(axis=1))
    found = np.intersect1d(frames_labelled(annotations), lacking)
    return found if frames is None else np.intersect1d(found, rows_of(annotations, frames))


def tally(annotations: Tracks, shown: Tracks, required: Sequence[str] | None = None) -> Tally:
    """Count labelled, complete and proposed frames.

    Parameters
    ----------
    annotations : Tracks
        The labels.
    shown : Tracks
        Labels over a run.
    required : sequence of str, optional
        Points of a complete frame; all points if None.
    """
    needed = annotations.names if required is None else required
    labelled = frames_labelled(annotations)
    proposed = shown.present & ~shown.said
    return Tally(
        frames=annotations.shape[0],
        labelled=len(labelled),
        complete=len(labelled) - len(incomplete_frames(annotations, needed)),
        proposed=int(proposed.any(axis=1).sum()),
    )


def rows_of(annotations: Tracks, frames: Iterable[int]) -> NDArray[np.intp]:
    """Sorted different frames, checked against the clip."""
    rows = np.unique(np.asarray(list(frames), dtype=np.intp))
    last = annotations.shape[0] - 1
    if rows.size and (rows[0] < 0 or rows[-1] > last):
        wrong = rows[0] if rows[0] < 0 else rows[-1]
        raise UsstrackError(f"Frame {wrong} is outside the clip; choose frames 0 to {last}.")
    return rows


def picked(names: Sequence[str], mask: NDArray[np.bool_]) -> list[str]:
    """Names of the columns in which any cell of a mask is set."""
    return [names[column] for column in np.flatnonzero(mask.any(axis=0)).tolist()]


def widened(annotations: Tracks, other: Tracks, names: Sequence[str]) -> Tracks:
    """Annotations with the named points of `other` added, empty, after their own."""
    known = set(annotations.names)
    new = [other.point(name) for name in names if name not in known]
    return edits.add_points(annotations, new).apply(annotations) if new else annotations


def write_wide(
    annotations: Tracks,
    wide: Tracks,
    title: str,
    rows: NDArray[np.intp],
    names: Sequence[str],
    cells: Cells,
    changed: NDArray[np.bool_],
) -> Edit:
    """Write a block into widened annotations, narrowed to the rows and columns that change.

    Parameters
    ----------
    annotations, wide : Tracks
        The annotations, and the same with the new points.
    title : str
        What the user sees in the undo menu.
    rows, names
        Rows and columns of the block.
    cells : Cells
        The block after the edit, ``[len(rows), len(names)]``.
    changed : bool ndarray
        Its cells that differ from before.
    """
    down, across = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    points = picked(names, changed)
    edit = edits.write(wide, title, rows[down], points, cells.block(down, across))
    return replace(edit, roster=(annotations.points, wide.points))


def _same_length(annotations: Tracks, other: Tracks) -> None:
    mine, theirs = annotations.shape[0], other.shape[0]
    if mine != theirs:
        raise UsstrackError(
            f"The other table has {theirs} frames and this clip {mine}; choose one of this clip."
        )


def _dropping(annotations: Tracks, rows: NDArray[np.intp], what: str) -> Edit:
    edit = clear(annotations, rows.tolist(), annotations.names)
    return replace(edit, name=f"drop {_count(len(rows), what)}")


def _columns(annotations: Tracks, names: Sequence[str] | None) -> NDArray[np.uint8]:
    if names is None:
        return annotations.source
    return annotations.source[:, [annotations.column(name) for name in names]]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _which(names: Sequence[str]) -> str:
    return f"Of point '{names[0]}'" if len(names) == 1 else f"Of {len(names)} points"


def _where(rows: NDArray[np.intp]) -> str:
    if len(rows) == 1:
        return f"frame {rows[0]}"
    return f"frames {rows[0]} to {rows[-1]}" if rows.size else "no frame"
