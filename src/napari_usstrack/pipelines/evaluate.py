"""Tracks against a truth, matched by point name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.clip_of_table import clip_of_table
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.tables import check_points, read_points
from napari_usstrack.metrics.error import closure
from napari_usstrack.metrics.pairs import Mask, Mode
from napari_usstrack.pipelines.figures import Figure, mean_of
from napari_usstrack.pipelines.scores import Comparison, scores

AUTO = "hand-set cells of the tracks"
FALLBACK = "first frame in which the truth is visible"
STATED = "stated"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good tracks are.

    Attributes
    ----------
    figures : tuple of Figure
        Over all points.
    points : mapping of str to tuple of Figure
        Of each point.
    queries : mapping of str to tuple of int
        Frames left out of each point, because they are its query frames.
    query_rule : str
        Where they come from.
    mode : {"first", "strided"}
        Only frames after the first query, or all others.
    cells : int
        Cells whose position is scored.
    only_tracks, only_truth : tuple of str
        Points that the other table lacks; they are not scored.
    comparison : Comparison
        What was scored, with the size, scale and rate that were used.
    """

    figures: tuple[Figure, ...]
    points: Mapping[str, tuple[Figure, ...]]
    queries: Mapping[str, tuple[int, ...]]
    query_rule: str
    mode: Mode
    cells: int
    only_tracks: tuple[str, ...]
    only_truth: tuple[str, ...]
    comparison: Comparison

    @property
    def video(self) -> VideoInfo:
        """Size, scale and rate that were used."""
        return self.comparison.video


def read_pair(
    tracks: Path,
    truth: Path,
    *,
    clip: Path | None = None,
    spacing_mm: tuple[float, float] | None = None,
    fps: float | None = None,
) -> tuple[Tracks, Tracks]:
    """Read two tidy CSV files of the same clip.

    Size and scale come from the clip, else from the JSON file beside the
    tracks, else from that beside the truth.

    Raises
    ------
    UsstrackError
        When a table cannot be used, nothing tells the size of the clip, or
        the two belong to clips of different length or size.
    """
    for path in (tracks, truth):
        check_points(path)
    told = {path: clip_of_table(path) for path in (tracks, truth)}
    if clip is not None:
        info = open_video(clip).info
        for path, found in told.items():
            _same_clip(path, found, clip, info)
    else:
        known = told[tracks] or told[truth]
        if known is None:
            raise UsstrackError(
                f"{tracks} has no {tracks.name}.json beside it that tells the size of its clip; "
                "name the clip with --clip"
            )
        info = known
        _same_clip(truth, told[truth], tracks, info)
    info = info.calibrated(_typed(info, spacing_mm, fps))
    return read_points(tracks, info), read_points(truth, info)


def _same_clip(path: Path, found: VideoInfo | None, other: Path, info: VideoInfo) -> None:
    if found is None:
        return
    mine = f"{found.frame_count} frames of {found.width} x {found.height} px"
    theirs = f"{info.frame_count} frames of {info.width} x {info.height} px"
    if mine != theirs:
        raise UsstrackError(
            f"{path} belongs to a clip of {mine}, {other} to one of {theirs}; compare tables of "
            "the same clip"
        )


def _typed(
    info: VideoInfo, spacing_mm: tuple[float, float] | None, fps: float | None
) -> Calibration:
    calibration = info.calibration
    if spacing_mm is not None:
        calibration = calibration.with_spacing(spacing_mm, "typed")
    if fps is not None:
        if not (np.isfinite(fps) and fps > 0):
            raise UsstrackError(f"--fps needs a positive number, not {fps}; type for example 60.")
        calibration = calibration.with_rate(info.frame_count, fps, "typed")
    return calibration


def evaluate(
    tracks: Tracks,
    truth: Tracks,
    *,
    query_frames: Sequence[int] = (),
    mode: Mode = "strided",
    cycle: tuple[int, int] | None = None,
) -> Evaluation:
    """Score tracks against a truth of the same clip, point by point of the same name.

    Parameters
    ----------
    tracks : Tracks
        The prediction.
    truth : Tracks
        Cells that nobody looked at do not count. A cell marked absent counts
        as truly hidden.
    query_frames : sequence of int
        Frames left out because the points were given there. Left out, those
        are the cells of the tracks that a person set; of a point for which
        that says nothing (no cell, or all of them), the first frame in which
        it is truly visible.
    mode : {"strided", "first"}
        All other frames, or only those after a point's first query.
    cycle : tuple of int, optional
        Two frames of the same phase, such as the first and last end-diastole:
        adds how far the points end from where they began, in tracks and truth.

    Raises
    ------
    UsstrackError
        Without a shared point, a cell to score, or a frame that exists.
    """
    shared = [name for name in truth.names if name in tracks.names]
    if not shared:
        raise UsstrackError(
            f"Tracks ({_named(tracks.names)}) and truth ({_named(truth.names)}) share no point; "
            "give the same points the same names"
        )
    _check_frames((*query_frames, *(cycle or ())), tracks.shape[0])
    found, true = tracks.select(shared), truth.select(shared)
    queries, rule = _queries(found, true, query_frames)
    comparison = _comparison(found, true, queries, mode)
    cells = int(comparison.scored.sum())
    if not cells:
        raise UsstrackError(
            f"No cell is left to score in mode '{mode}' without the query frames; label the truth "
            "in other frames too, or state --query-frame"
        )
    whole = (*scores(comparison), *_closures(comparison, cycle))
    return Evaluation(
        figures=whole,
        points={name: scores(comparison.column(i)) for i, name in enumerate(shared)},
        queries={name: _rows(queries[:, i]) for i, name in enumerate(shared)},
        query_rule=rule,
        mode=mode,
        cells=cells,
        only_tracks=tuple(name for name in tracks.names if name not in shared),
        only_truth=tuple(name for name in truth.names if name not in shared),
        comparison=comparison,
    )


def _comparison(found: Tracks, true: Tracks, queries: Mask, mode: Mode) -> Comparison:
    looked = true.source != Source.MISSING
    return Comparison(
        xy=found.xy,
        visible=found.visible,
        true_xy=true.xy,
        true_visible=true.visible,
        judged=looked & ~queries,
        query_frames=queries.argmax(axis=0),
        mode=mode,
        video=found.video,
    )


def _queries(found: Tracks, true: Tracks, stated: Sequence[int]) -> tuple[Mask, str]:
    """Query cells ``[frames, points]`` and the rule that gave them."""
    cells = np.zeros(found.shape, dtype=np.bool_)
    if stated:
        cells[list(stated)] = True
        return cells, STATED
    rules = set()
    for column in range(found.shape[1]):
        by_hand, placed = found.by_hand[:, column], found.present[:, column]
        if by_hand.any() and (by_hand != placed).any():
            cells[:, column] = by_hand
            rules.add(AUTO)
        else:
            cells[true.visible[:, column].argmax(), column] = True
            rules.add(FALLBACK)
    return cells, ", else the ".join(rule for rule in (AUTO, FALLBACK) if rule in rules)


def _closures(comparison: Comparison, cycle: tuple[int, int] | None) -> list[Figure]:
    if cycle is None:
        return []
    first, last = cycle
    scaled = {"px": (1.0, 1.0)}
    if comparison.video.spacing_mm is not None:
        scaled["mm"] = comparison.video.spacing_mm
    return [
        mean_of(name, unit, closure(xy * np.asarray(scale), first_ed=first, last_ed=last))
        for unit, scale in scaled.items()
        for name, xy in (("closure", comparison.xy), ("true_closure", comparison.true_xy))
    ]


def _check_frames(frames: Sequence[int], count: int) -> None:
    for frame in frames:
        if not 0 <= frame < count:
            raise UsstrackError(
                f"Frame {frame} is outside the clip of {count} frames; count from 0 to {count - 1}"
            )


def _rows(column: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(column).tolist())


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown}, ..." if len(names) > 3 else shown
