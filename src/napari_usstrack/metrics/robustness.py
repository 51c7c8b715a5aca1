"""Whether a tracker sees motion where there is none, and bears what should not matter.

Needs no expert labels, so it runs on any clip. All functions are generators
that report progress and can be cancelled; run them with `core.tracker.finish`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_usstrack.core.geometry import distance
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Tracker, Work
from napari_usstrack.core.tracks import Cells
from napari_usstrack.core.video import Video
from napari_usstrack.metrics.pairs import Floats, Mask, mean_or_nan
from napari_usstrack.metrics.trials import (
    UNITS,
    Gaps,
    Grey,
    compare,
    counted_rows,
    frozen,
    recoloured,
    shifted,
)


@dataclass(frozen=True)
class Displacement:
    """How far points ended up from where they should have stayed.

    Attributes
    ----------
    mean_px, mean_mm, largest_px : float
        Over all cells with an answer; mm is NaN while the scale is unknown.
    lost_share : float
        Share of cells without an answer.
    cells : int
        Cells asked for.
    """

    mean_px: float
    mean_mm: float
    largest_px: float
    lost_share: float
    cells: int


def _displacement(xy: Floats, home: Floats, used: Mask, video: Video) -> Displacement:
    mm = video.info.calibration.mm
    home = np.broadcast_to(home, xy.shape)
    apart = distance(xy, home)[used]
    known = apart[~np.isnan(apart)]
    return Displacement(
        mean_px=mean_or_nan(apart),
        mean_mm=mean_or_nan(distance(mm(xy), mm(home))[used]),
        largest_px=float(known.max()) if known.size else float("nan"),
        lost_share=mean_or_nan(np.isnan(apart)),
        cells=int(apart.size),
    )


def static_motion(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    span: range,
    *,
    noise_grey: float = 4.0,
    seed: int = 0,
) -> Work[Displacement]:
    """Displacement on one frame repeated with fresh noise.

    Without fresh noise all frames are the same to the last bit, and nearly
    every method returns 0. A tracker that has learnt how hearts move sees one
    beat here all the same.

    Parameters
    ----------
    tracker : Tracker
    video : Video
        The first query's frame is repeated.
    queries : Queries
    span : range
        Frames to track.
    noise_grey : float
        Standard deviation of the noise, grey levels of 255; state it.
    seed : int
        Of the noise.

    Returns
    -------
    Displacement
        Query frames do not count.
    """
    still = frozen(
        video, int(queries.frame[0]) if len(queries) else 0, noise_grey=noise_grey, seed=seed
    )
    cells = yield from part(tracker.track(still, queries, span), 0, UNITS, UNITS)
    yield Progress(UNITS, UNITS)
    return _displacement(cells.xy, queries.xy, counted_rows(queries, span), video)


def nuisance(
    tracker: Tracker,
    video: Video,
    queries: Queries,
    span: range,
    *,
    dim: float = 0.8,
    shifts_px: Sequence[int] = (2, 6),
) -> Work[Gaps]:
    """Gap between the plain run and runs on a clip changed in ways that should not matter.

    The same clip again, dimmed, and shifted to the right together with its
    points (a network that works on a coarse grid is not the same one pixel
    further).

    Parameters
    ----------
    tracker : Tracker
    video : Video
    queries : Queries
    span : range
        Frames to track.
    dim : float
        Factor on the grey values.
    shifts_px : sequence of int
        Whole px, so that nothing is interpolated.

    Returns
    -------
    Gaps
        Named "again", "dimmed to 80 %" and "shifted by 2 px".
    """

    def dimmed(pictures: Grey) -> Grey:
        return np.clip(np.rint(dim * pictures), 0, 255).astype(np.uint8)

    frames = video.info.frame_count
    trials = {
        "again": recoloured(video, queries, span, lambda pictures: pictures),
        f"dimmed to {100 * dim:g} %": recoloured(video, queries, span, dimmed),
    }
    for shift in shifts_px:
        offsets = np.tile(np.array([shift, 0], dtype=np.intp), (frames, 1))
        trials[f"shifted by {shift} px"] = shifted(video, queries, span, offsets)
    return (yield from compare(tracker, video, queries, span, trials))


def there_and_back(
    tracker: Tracker, video: Video, queries: Queries, span: range
) -> Work[Displacement]:
    """Gap at the query frame after tracking to the end of the span and back again.

    Drift that needs no truth. The way back starts from where the way there
    ended, right or wrong. A small gap is no proof: errors that are the same
    both ways cancel, and a tracker that never moves has none.

    Parameters
    ----------
    tracker : Tracker
    video : Video
    queries : Queries
    span : range
        Frames to track.

    Returns
    -------
    Displacement
        One cell per query that is before the end of the span; those the
        tracker lost on the way are counted as lost.
    """
    _, end = queries.limits(span)
    going = np.flatnonzero((queries.frame < end) & np.isin(queries.frame, span))
    home, goal, xy = queries.frame[going], end[going], queries.xy[going]
    names = [queries.name[i] for i in going]
    asked = Queries(home, xy, tuple(names), home, goal)
    there: Cells = yield from part(tracker.track(video, asked, span), 0, UNITS, 2 * UNITS)
    far = there.xy[goal - span.start, np.arange(len(going))]
    at = np.flatnonzero(~np.isnan(far).any(axis=-1))
    returning = Queries(goal[at], far[at], tuple(names[i] for i in at), home[at], goal[at])
    back: Cells = yield from part(tracker.track(video, returning, span), UNITS, UNITS, 2 * UNITS)
    yield Progress(2 * UNITS, 2 * UNITS)
    ends = np.full(xy.shape, np.nan)
    ends[at] = back.xy[home[at] - span.start, np.arange(len(at))]
    return _displacement(ends, xy, np.ones(len(going), dtype=np.bool_), video)
