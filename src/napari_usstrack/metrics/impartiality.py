"""Whether a tracker favours a direction of space or time.

A tracker trained on hearts that all lie the same way learns where tissue
usually goes, and is right for the wrong reason. None of this needs expert
labels, so it runs on any clip.

All functions are generators that report progress and can be cancelled; run
them with `core.tracker.finish`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.coords import Flip, Transpose, inside
from napari_usstrack.core.geometry import distance
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Tracker, Work
from napari_usstrack.core.video import Video
from napari_usstrack.metrics.pairs import Floats, mean_or_nan
from napari_usstrack.metrics.trials import (
    UNITS,
    Gaps,
    Trial,
    backward,
    compare,
    counted_rows,
    frozen,
    mapped,
    noisy,
    shifted,
)

SYMMETRIES = (
    "unchanged",
    "left-right",
    "up-down",
    "half turn",
    "quarter turn left",
    "quarter turn right",
    "main diagonal",
    "other diagonal",
)
TIME = "time reversal"
ANGLES_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
"""Counter-clockwise from the right, as seen on the screen."""


def square_symmetry(name: str, size: tuple[int, int]) -> tuple[Flip | Transpose, ...]:
    """Maps that mirror or turn a frame of `size`, (width, height), in this way.

    Raises
    ------
    ValueError
        For a name that is not in `SYMMETRIES`.
    """
    turned = size[::-1]
    maps: dict[str, tuple[Flip | Transpose, ...]] = {
        "unchanged": (Flip(size, False, False),),
        "left-right": (Flip(size),),
        "up-down": (Flip(size, False, True),),
        "half turn": (Flip(size, True, True),),
        "quarter turn left": (Transpose(size), Flip(turned, False, True)),
        "quarter turn right": (Transpose(size), Flip(turned, True, False)),
        "main diagonal": (Transpose(size),),
        "other diagonal": (Transpose(size), Flip(turned, True, True)),
    }
    if name not in maps:
        raise ValueError(f"no symmetry named {name!r}, only {', '.join(maps)}")
    return maps[name]


def equivariance(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    span: range,
    *,
    changes: Sequence[str] = (*SYMMETRIES, TIME),
) -> Work[Gaps]:
    """Gap between tracking a clip, and tracking it mirrored, turned or reversed in time.

    The clip and the queries are changed, tracked, and the answer is changed
    back; an unbiased tracker answers the same. Not quite 0 even then: a
    method that chains frames, or rounds, need not be exactly symmetrical. The
    query frame, where the gap is 0 by construction, does not count.

    Parameters
    ----------
    tracker : Tracker
    video : Video
    queries : Queries
    span : range
        Frames to track.
    changes : sequence of str
        Any of `SYMMETRIES` and "time reversal". "unchanged" is the same clip
        once more: what it shows is chance, not direction.

    Returns
    -------
    Gaps
        In px and mm, with the plain run's mean excursion beside them.

    Raises
    ------
    ValueError
        For an unknown change.
    """
    size = video.info.width, video.info.height
    trials = {
        name: backward(video, queries, span)
        if name == TIME
        else mapped(video, queries, span, square_symmetry(name, size))
        for name in changes
    }
    return (yield from compare(tracker, video, queries, span, trials))


@dataclass(frozen=True)
class Directions:
    """Error of a tracker on a picture that moves as a whole.

    Attributes
    ----------
    angles_deg : tuple of int
        Counter-clockwise from the right, as seen on the screen.
    errors_px, errors_mm : tuple of float
        Mean error in each direction; mm is NaN while the scale is unknown.
    lost_shares : tuple of float
        Share of cells without an answer; the errors are of the others.
    mean_px : float
        Mean of `errors_px`.
    spread_px : float
        Largest less smallest of `errors_px`.
    no_motion_px : float
        Mean error of never moving a point, for scale.
    excursion_shares : tuple of float
        Mean distance of the answers from their queries over that of the true
        places; 1 is right.
    """

    angles_deg: tuple[int, ...]
    errors_px: tuple[float, ...]
    errors_mm: tuple[float, ...]
    lost_shares: tuple[float, ...]
    mean_px: float
    spread_px: float
    no_motion_px: float
    excursion_shares: tuple[float, ...]


def rigid_motion(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    span: range,
    *,
    travel_px: float = 10.0,
    truth: ArrayLike | None = None,
    whole: bool = True,
    noise_grey: float = 0.0,
    seed: int = 0,
) -> Work[Directions]:
    """Error under rigid motion in eight directions.

    Without a truth, one frame (the first query's) moves in a straight line.
    With one, the clip's own motion goes on inside the moving picture and the
    truth is moved along.

    Parameters
    ----------
    tracker : Tracker
    video : Video
    queries : Queries
        Far enough inside the frame to stay there; a point is not scored
        where its true place is outside.
    span : range
        Frames to track; the queries lie in it.
    travel_px : float
        Length of the way from the first to the last frame of the span.
    truth : array_like, shape (len(span), queries, 2), optional
        True path of each query in the clip as it is, px; NaN where unknown.
    whole : bool
        Shift by whole px, so that no interpolation blurs one direction more
        than another; else by the same in every frame, parts of a px as well.
    noise_grey : float
        Standard deviation of noise that is new in every frame and does not
        move, grey levels of 255.
    seed : int
        Of the noise.

    Returns
    -------
    Directions
        Query frames do not count.

    Raises
    ------
    ValueError
        For a truth of another shape, or a query outside the span.
    """
    path = _path(queries, span, truth)
    moving = frozen(video, int(queries.frame[0])) if truth is None and len(queries) else video
    found: list[_Miss] = []
    total = UNITS * len(ANGLES_DEG)
    for i, angle in enumerate(ANGLES_DEG):
        offsets = _straight(video.info.frame_count, span, travel_px, angle, whole)
        trial = shifted(moving, queries, span, offsets)
        shown = noisy(trial.video, noise_grey, seed) if noise_grey else trial.video
        work = tracker.track(shown, trial.queries, span)
        cells = yield from part(work, UNITS * i, UNITS, total)
        found.append(_miss(cells.xy, path + offsets[span.start : span.stop, None], trial))
    yield Progress(total, total)
    errors = [miss.px for miss in found]
    known = [error for error in errors if not np.isnan(error)]
    return Directions(
        angles_deg=ANGLES_DEG,
        errors_px=tuple(errors),
        errors_mm=tuple(miss.mm for miss in found),
        lost_shares=tuple(miss.lost for miss in found),
        mean_px=mean_or_nan(errors),
        spread_px=max(known) - min(known) if known else float("nan"),
        no_motion_px=mean_or_nan([miss.no_motion_px for miss in found]),
        excursion_shares=tuple(miss.excursion_share for miss in found),
    )


def _path(queries: Queries, span: range, truth: ArrayLike | None) -> Floats:
    """True path of each query before the picture is moved; at rest without a truth."""
    if any(frame not in span for frame in queries.frame.tolist()):
        raise ValueError(f"queries must lie in {span}, got {queries.frame.tolist()}")
    still: Floats = np.broadcast_to(queries.xy, (len(span), len(queries), 2))
    path = still if truth is None else np.asarray(truth, dtype=np.float64)
    if path.shape != still.shape:
        raise ValueError(f"truth must have shape {still.shape}, got {path.shape}")
    return path


@dataclass(frozen=True)
class _Miss:
    px: float
    mm: float
    lost: float
    no_motion_px: float
    excursion_share: float


def _straight(
    frames: int, span: range, travel_px: float, angle_deg: float, whole: bool
) -> NDArray[np.intp] | Floats:
    """Px to the right and down in every frame; none before the span, all after it."""
    share = np.clip((np.arange(frames) - span.start) / max(len(span) - 1, 1), 0.0, 1.0)
    turn = np.deg2rad(angle_deg)
    way = travel_px * np.array([np.cos(turn), -np.sin(turn)])
    offsets = np.asarray(np.round(share[:, None] * way, 9), dtype=np.float64)
    return np.rint(offsets).astype(np.intp) if whole else offsets


def _miss(xy: Floats, path: Floats, trial: Trial) -> _Miss:
    info = trial.video.info
    scored = counted_rows(trial.queries, trial.span) & inside(path, info.width, info.height)
    apart, away = distance(xy, path), distance(xy, trial.queries.xy)
    true_away = distance(path, trial.queries.xy)
    placed = scored & ~np.isnan(apart)
    way = float(true_away[placed].sum())
    mm = info.calibration.mm
    return _Miss(
        px=mean_or_nan(apart[scored]),
        mm=mean_or_nan(distance(mm(xy), mm(path))[scored]),
        lost=mean_or_nan(np.isnan(apart)[scored]),
        no_motion_px=mean_or_nan(true_away[scored]),
        excursion_share=float(away[placed].sum()) / way if way > 0 else float("nan"),
    )
