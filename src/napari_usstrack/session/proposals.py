"""What methods propose between and beyond labels, and which of it an edit makes stale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.tracks import (
    CELL_ARRAYS,
    Source,
    Tracks,
    arrays_of,
    blank_arrays,
    trusted,
)
from napari_usstrack.pipelines.propagate import Patch
from napari_usstrack.pipelines.queries import Stretch

Mask = NDArray[np.bool_]


class Proposals:
    """Computed cells under the labels, and those that wait to be computed again.

    They follow from the labels, so they are no part of the history: an edit,
    done or undone, forgets what depended on the labels it changed, and the
    same frames are proposed anew.

    Parameters
    ----------
    annotations : Tracks
        What a person set.
    """

    def __init__(self, annotations: Tracks) -> None:
        self.tracks = Tracks.blank(annotations.video, annotations.points)
        self.owed: Mask = np.zeros(annotations.shape, dtype=bool)
        self._reached: Mask = self.owed.copy()

    def clear(self) -> None:
        """Forget all of them, and what was owed."""
        self.tracks = Tracks.blank(self.tracks.video, self.tracks.points)
        self.owed = np.zeros(self.tracks.shape, dtype=bool)
        self._reached = self.owed.copy()

    def put(self, tracks: Tracks) -> None:
        """Take over saved proposals, for the points they know."""
        self.tracks = _conformed(tracks, self.tracks)
        self._reached = self.tracks.present.copy()

    def write(self, patches: Sequence[Patch]) -> None:
        """Put computed cells in; they are no longer owed."""
        arrays = arrays_of(self.tracks)
        for patch in patches:
            column = self.tracks.column(patch.point)
            rows = slice(patch.frames.start, patch.frames.stop)
            for name in CELL_ARRAYS:
                arrays[name][rows, column] = getattr(patch.cells, name)[:, 0]
            self.owed[rows, column] = False
        self.tracks = _with(self.tracks, arrays)

    def heard(self, edit: Edit, before: Tracks, under: Tracks, annotations: Tracks) -> None:
        """Forget what an edit made stale, and note what is to be proposed again.

        Parameters
        ----------
        edit : Edit
            What was done.
        before : Tracks
            What was shown before it: labels over everything computed.
        under : Tracks
            Everything computed, without the labels.
        annotations : Tracks
            Labels after it.
        """
        if self._follow_roster(edit, annotations):
            return
        self._reach(before)
        said = annotations.said
        stale = np.zeros(annotations.shape, dtype=bool)
        owed = self.owed & ~said
        for name in edit.points:
            if name not in annotations.names:
                continue
            column = annotations.column(name)
            moved = _moved(edit, name, before, under)
            for low, high in _gaps(said[:, column], moved):
                inside = slice(low + 1, high)
                stale[inside, column] = True
                reached = self._reached[inside, column] | owed[inside, column]
                owed[inside, column] = _to_fill(annotations.by_hand[:, column], low, high, reached)
        self.owed = owed
        if stale.any():
            self._forget(stale)

    def _reach(self, before: Tracks) -> None:
        """Remember where anything was shown, so that it is proposed again when it can be."""
        if before.names == self.tracks.names:
            self._reached |= before.present
            return
        for column, name in enumerate(self.tracks.names):
            if name in before.names:
                self._reached[:, column] |= before.present[:, before.column(name)]

    def _forget(self, cells: Mask) -> None:
        gone = (cells & (self.tracks.source > 0)).nonzero()
        if not gone[0].size:
            return
        blank = blank_arrays(1, 1)
        arrays = arrays_of(self.tracks)
        for name in CELL_ARRAYS:
            arrays[name][gone] = blank[name][0, 0]
        self.tracks = _with(self.tracks, arrays)

    def _follow_roster(self, edit: Edit, annotations: Tracks) -> bool:
        """Take over other points; returns whether one was renamed and nothing else happened."""
        if self.tracks.points == annotations.points:
            return False
        old, new = edit.roster
        pairs = zip(old, new, strict=True) if len(old) == len(new) else ()
        renamed = {a.name: b for a, b in pairs if b.name not in self.tracks.names}
        tracks = self.tracks.revised(renamed)
        columns = [tracks.names.index(n) if n in tracks.names else -1 for n in annotations.names]
        self.owed = _reordered(self.owed, columns)
        self._reached = _reordered(self._reached, columns)
        self.tracks = _conformed(tracks, annotations)
        return bool(renamed)


def stretches_owed(annotations: Tracks, owed: Mask) -> tuple[Stretch, ...]:
    """Spans to fill so that no cell stays owed.

    Whole ones between two anchors, else as far as is owed; cells that no
    anchor reaches are left out.
    """
    said = annotations.said
    found = []
    for column in np.flatnonzero(owed.any(axis=0)):
        name = annotations.names[column]
        hand = annotations.by_hand[:, column]
        frames = np.flatnonzero(owed[:, column] & ~said[:, column])
        for low, high in _gaps(said[:, column], frames):
            inside = frames[(frames > low) & (frames < high)]
            left = low >= 0 and bool(hand[low])
            right = high < len(hand) and bool(hand[high])
            if left:
                found.append(Stretch(name, low, high if right else int(inside[-1])))
            elif right:
                found.append(Stretch(name, int(inside[0]), high))
    return tuple(found)


def _moved(edit: Edit, name: str, before: Tracks, under: Tracks) -> NDArray[np.intp]:
    """Frames of an edit in which the shown place of a point changed."""
    at = edit.points.index(name)
    gone = edit.after.source[:, at] == Source.MISSING
    now = np.where(gone[:, None], _places(under, name, edit.frames), edit.after.xy[:, at])
    was = _places(before, name, edit.frames)
    same = (now == was) | (np.isnan(now) & np.isnan(was))
    return edit.frames[~same.all(axis=-1)]


def _places(tracks: Tracks, name: str, frames: NDArray[np.intp]) -> NDArray[np.float64]:
    if name not in tracks.names:
        return np.full((len(frames), 2), np.nan)
    return tracks.xy[frames, tracks.column(name)]


def _gaps(said: Mask, frames: Iterable[int]) -> list[tuple[int, int]]:
    """Open intervals around and beside frames that no label interrupts, each once.

    -1 and the number of frames stand for the ends of the clip.
    """
    where = np.concatenate([[-1], np.flatnonzero(said), [len(said)]])
    frames = np.asarray(frames, dtype=np.intp)
    left = np.searchsorted(where, frames, side="left") - 1
    right = np.searchsorted(where, frames, side="right")
    places = np.unique(np.concatenate([left, right - 1]))
    gaps = [(int(where[i]), int(where[i + 1])) for i in places]
    return [(low, high) for low, high in gaps if high - low > 1]


def _to_fill(hand: Mask, low: int, high: int, reached: Mask) -> Mask:
    """Frames of a gap that are proposed anew: all between two anchors, else those reached."""
    left = low >= 0 and bool(hand[low])
    right = high < len(hand) and bool(hand[high])
    if left and right:
        return np.ones(high - low - 1, dtype=bool)
    return reached & (left or right)


def _reordered(mask: Mask, columns: Sequence[int]) -> Mask:
    """Columns of a mask in another order; False where there was none (-1)."""
    out = np.zeros((len(mask), len(columns)), dtype=bool)
    for to, column in enumerate(columns):
        if column >= 0:
            out[:, to] = mask[:, column]
    return out


def _conformed(tracks: Tracks, like: Tracks) -> Tracks:
    """The same cells for the points of `like`; new points are empty."""
    arrays = blank_arrays(*like.shape)
    for column, name in enumerate(like.names):
        if name in tracks.names:
            for array in CELL_ARRAYS:
                arrays[array][:, column] = getattr(tracks, array)[:, tracks.column(name)]
    return trusted(Tracks, **arrays, points=like.points, video=like.video, log=tracks.log)


def _with(tracks: Tracks, arrays: dict) -> Tracks:
    return trusted(Tracks, **arrays, points=tracks.points, video=tracks.video, log=tracks.log)
