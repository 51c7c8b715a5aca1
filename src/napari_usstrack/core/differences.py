"""How much two states of the same labels differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_usstrack.core.tracks import Source, Tracks


@dataclass(frozen=True)
class Counts:
    """What changed between two states.

    Attributes
    ----------
    added, moved, removed : int
        Labels: cells in which a person placed a point or found it absent.
    points_added, points_removed : int
        Named points.
    """

    added: int = 0
    moved: int = 0
    removed: int = 0
    points_added: int = 0
    points_removed: int = 0

    def __bool__(self) -> bool:
        return self != Counts()


def differences(before: Tracks, after: Tracks) -> Counts:
    """Count what changed, points matched by name.

    A label is moved when it is elsewhere, or was placed and is absent now or
    the other way round. A renamed point counts as one removed and one added.

    Parameters
    ----------
    before, after : Tracks
        Two states of the labels of one clip.

    Raises
    ------
    ValueError
        When the two have different numbers of frames.
    """
    if before.shape[0] != after.shape[0]:
        raise ValueError(f"{before.shape[0]} frames before and {after.shape[0]} after")
    shared = [name for name in after.names if name in before.names]
    gone = [name for name in before.names if name not in after.names]
    new = [name for name in after.names if name not in before.names]
    old, now = before.select(shared), after.select(shared)
    was, is_now = old.source != Source.MISSING, now.source != Source.MISSING
    same = (old.present == now.present) & (
        (old.xy == now.xy).all(axis=2) | ~(old.present | now.present)
    )
    return Counts(
        added=int((is_now & ~was).sum()) + _labels(after, new),
        moved=int((was & is_now & ~same).sum()),
        removed=int((was & ~is_now).sum()) + _labels(before, gone),
        points_added=len(new),
        points_removed=len(gone),
    )


def _labels(tracks: Tracks, names: list[str]) -> int:
    return int(np.count_nonzero(tracks.select(names).source))
