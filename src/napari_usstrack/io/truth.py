"""True tracks that lie beside the frames in an ``.npz`` file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import KINDS, PALETTE, Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo


def read_arrays(path: Path) -> dict[str, NDArray]:
    """Arrays of an ``.npz`` file but its frames, which are only named.

    Raises
    ------
    UsstrackError
        If it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return {key: np.empty(0) if key == "frames" else data[key] for key in data.files}
    except (OSError, ValueError) as error:
        raise UsstrackError(f"{path} cannot be read ({error}); save it with numpy.savez") from error


def true_tracks(arrays: Mapping[str, NDArray], info: VideoInfo, path: Path) -> Tracks:
    """Tracks from the arrays of a clip with truth.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        `tracks`, (points, frames, 2) in px; and if there are any `visible`,
        (points, frames), with which a point without a position is known to be
        out of view, and per point `names`, `groups` and `kinds`.
    info : VideoInfo
        The clip.
    path : Path
        For messages.

    Raises
    ------
    UsstrackError
        If shapes do not fit the clip.
    """
    xy = np.asarray(arrays["tracks"], dtype=np.float64)
    if xy.ndim != 3 or xy.shape[1:] != (info.frame_count, 2):
        raise UsstrackError(
            f"{path}: tracks have shape {xy.shape} for {info.frame_count} frames; store "
            "them as points x frames x 2"
        )
    count = len(xy)
    visible = np.asarray(arrays.get("visible", np.ones(xy.shape[:2], dtype=np.bool_)))
    if visible.shape != xy.shape[:2]:
        raise UsstrackError(
            f"{path}: visible has shape {visible.shape} for tracks of shape {xy.shape}; store it "
            "as points x frames"
        )
    cells = Cells.placed(xy.transpose(1, 0, 2), Source.MANUAL, visible=visible.T.astype(np.bool_))
    gone = ~cells.present & ("visible" in arrays)
    return Tracks(
        xy=cells.xy,
        confidence=cells.confidence,
        visible=cells.visible,
        source=np.where(gone, np.uint8(Source.ABSENT), cells.source),
        points=_points(arrays, count, path),
        video=info,
    )


def _points(arrays: Mapping[str, NDArray], count: int, path: Path) -> tuple[PointInfo, ...]:
    names = _words(arrays, "names", [f"p{i + 1}" for i in range(count)], path)
    groups = _words(arrays, "groups", [""] * count, path)
    kinds = [kind if kind in KINDS else "point" for kind in _words(arrays, "kinds", groups, path)]
    return tuple(
        PointInfo(name, group, kind, colour)
        for name, group, kind, colour in zip(names, groups, kinds, cycle(PALETTE), strict=False)
    )


def _words(arrays: Mapping[str, NDArray], key: str, otherwise: list[str], path: Path) -> list[str]:
    if key not in arrays:
        return otherwise
    words = [str(word) for word in np.asarray(arrays[key]).ravel()]
    if len(words) != len(otherwise):
        raise UsstrackError(
            f"{path}: {len(words)} {key} for {len(otherwise)} points; store one each"
        )
    return words
