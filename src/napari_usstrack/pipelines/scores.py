"""All scores of one set of tracks against a truth, each with an interval over points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.geometry import distance
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.metrics.error import distance_mm, distance_px
from napari_usstrack.metrics.pairs import (
    Floats,
    Mask,
    Mode,
    counted_cells,
    mean_or_nan,
    survival,
)
from napari_usstrack.metrics.tap import LOST_PX, THRESHOLDS_PX, distance_at_256
from napari_usstrack.pipelines.figures import (
    NAN,
    PERCENT,
    Figure,
    mean_of,
    resampled,
    share_of,
    with_missing,
)

AT_256 = "px at 256"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Tracks and truth of the same points over the same frames.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Predicted positions, px; NaN where there is none.
    visible : bool ndarray, shape (frames, points)
        Where the prediction says the point can be seen.
    true_xy : float64 ndarray, shape (frames, points, 2)
        True positions, px; NaN where unknown.
    true_visible : bool ndarray, shape (frames, points)
    judged : bool ndarray, shape (frames, points)
        Cells whose true visibility is known and that are no query; only these
        count.
    query_frames : intp ndarray, shape (points,)
        Frame of each point's first query.
    mode : {"first", "strided"}
        Only frames after the query, or all others.
    video : VideoInfo
        Frame size, scale and times.
    """

    xy: Floats
    visible: Mask
    true_xy: Floats
    true_visible: Mask
    judged: Mask
    query_frames: NDArray[np.intp]
    mode: Mode
    video: VideoInfo

    @property
    def counted(self) -> Mask:
        """Cells that count, whatever their truth."""
        frames, points = self.judged.shape
        shape = frames, points
        counted = counted_cells(shape, query_frames=self.query_frames, mode=self.mode)
        return np.asarray(self.judged & counted)

    @property
    def scored(self) -> Mask:
        """Cells that count and whose true point can be seen: those whose position is scored."""
        known = ~np.isnan(self.true_xy).any(axis=-1)
        return np.asarray(self.counted & self.true_visible & known)

    @property
    def found(self) -> Mask:
        """Cells with a prediction."""
        return np.asarray(~np.isnan(self.xy).any(axis=-1))

    def column(self, point: int) -> Comparison:
        """One point alone."""
        only = slice(point, point + 1)
        return replace(
            self,
            xy=self.xy[:, only],
            visible=self.visible[:, only],
            true_xy=self.true_xy[:, only],
            true_visible=self.true_visible[:, only],
            judged=self.judged[:, only],
            query_frames=self.query_frames[only],
        )

    def distances(self) -> dict[str, Floats]:
        """Distance of prediction and truth ``[frames, points]`` by unit; mm with a known scale."""
        video = self.video
        found = {
            AT_256: distance_at_256(self.xy, self.true_xy, size=(video.width, video.height)),
            "px": distance_px(self.xy, self.true_xy),
        }
        if video.spacing_mm is not None:
            found["mm"] = distance_mm(self.xy, self.true_xy, spacing_mm=video.spacing_mm)
        return found


def scores(comparison: Comparison) -> tuple[Figure, ...]:
    """Every score of a comparison.

    Missing predictions are outside every threshold and lost for survival.
    They have no distance, so errors in px and mm leave them out and state
    their share.

    Returns
    -------
    tuple of Figure
        Named as in `docs/benchmark.md`.
    """
    scored = comparison.scored
    missing = scored & ~comparison.found
    absent = share_of("missing", missing.sum(axis=0), scored.sum(axis=0))
    figures = [
        *_accuracy(comparison),
        *_errors(comparison),
        *_visibility(comparison),
        _survival(comparison),
        *_jitter(comparison),
        *_last(comparison),
        *_excursion(comparison),
        absent,
    ]
    return with_missing(figures, absent.value)


def _accuracy(comparison: Comparison) -> Iterator[Figure]:
    scored = comparison.scored
    off = comparison.distances()[AT_256]
    whole = scored.sum(axis=0)
    within = [((off < limit) & scored).sum(axis=0) for limit in THRESHOLDS_PX]
    yield share_of("delta_avg", np.mean(within, axis=0), whole)
    for limit, hits in zip(THRESHOLDS_PX, within, strict=True):
        yield share_of(f"delta_{limit}", hits, whole)


def _errors(comparison: Comparison) -> Iterator[Figure]:
    scored = comparison.scored
    for unit, off in comparison.distances().items():
        columns = _known(off, scored)
        yield mean_of("MTE", unit, [np.median(c) if c.size else NAN for c in columns])
        yield mean_of("mean_error", unit, [c.mean() if c.size else NAN for c in columns])
        yield _p95(unit, columns)


def _known(values: Floats, scored: Mask) -> list[Floats]:
    """Known scored values of each point."""
    use = scored & ~np.isnan(values)
    return [values[use[:, i], i] for i in range(values.shape[1])]


def _p95(unit: str, columns: list[Floats]) -> Figure:
    def tail(at: NDArray[np.intp]) -> float:
        pooled = np.concatenate([np.empty(0), *(columns[i] for i in at)])
        return float(np.percentile(pooled, 95)) if pooled.size else NAN

    return resampled("p95_error", unit, len(columns), tail)


def _visibility(comparison: Comparison) -> Iterator[Figure]:
    counted = comparison.counted
    seen = comparison.true_visible
    claimed = comparison.visible & comparison.found
    yield _jaccard("AJ_own_visibility", comparison, claimed)
    yield _jaccard("AJ_true_visibility", comparison, seen)
    yield share_of("OA", ((seen == claimed) & counted).sum(axis=0), counted.sum(axis=0))


def _jaccard(metric: str, comparison: Comparison, claimed: Mask) -> Figure:
    """Average Jaccard; counts are pooled over the points."""
    seen = comparison.counted & comparison.true_visible
    claimed = comparison.counted & claimed
    off = comparison.distances()[AT_256]
    hits = np.stack([(seen & claimed & (off < limit)).sum(axis=0) for limit in THRESHOLDS_PX])
    base = seen.sum(axis=0) + claimed.sum(axis=0) - hits

    def average(at: NDArray[np.intp]) -> float:
        whole = base[:, at].sum(axis=1)
        return float(100.0 * np.mean(hits[:, at].sum(axis=1) / whole)) if whole.all() else NAN

    return resampled(metric, PERCENT, len(comparison.query_frames), average)


def _survival(comparison: Comparison) -> Figure:
    off, scored = comparison.distances()[AT_256], comparison.scored
    each = [
        100.0 * survival(off[:, [i]], scored[:, [i]], query_frames=query, limit=LOST_PX)
        for i, query in enumerate(comparison.query_frames)
    ]
    return mean_of("survival", PERCENT, each)


def _jitter(comparison: Comparison) -> Iterator[Figure]:
    error = np.where(comparison.scored[..., None], comparison.xy - comparison.true_xy, np.nan)
    for unit, scaled in _in_units(error, comparison.video):
        second = scaled[2:] - 2.0 * scaled[1:-1] + scaled[:-2]
        squares = (second**2).sum(axis=-1)
        known = ~np.isnan(squares)
        sums, counts = np.nansum(squares, axis=0), known.sum(axis=0)

        def rms(
            at: NDArray[np.intp], sums: Floats = sums, counts: NDArray[np.intp] = counts
        ) -> float:
            base = counts[at].sum()
            return float(np.sqrt(sums[at].sum() / base)) if base else NAN

        yield resampled("jitter", f"{unit}/frame²", len(sums), rms)


def _in_units(xy: Floats, video: VideoInfo) -> Iterator[tuple[str, Floats]]:
    yield "px", xy
    if video.spacing_mm is not None:
        yield "mm", xy * np.asarray(video.spacing_mm)


def _last(comparison: Comparison) -> Iterator[Figure]:
    """Drift: the error in each point's last scored frame."""
    scored = comparison.scored
    rows = len(scored) - 1 - scored[::-1].argmax(axis=0)
    columns = np.flatnonzero(scored.any(axis=0))
    for unit, off in comparison.distances().items():
        if unit != AT_256:
            yield mean_of("final_error", unit, off[rows[columns], columns])


def _excursion(comparison: Comparison) -> Iterator[Figure]:
    """How far the true points are from their place at the query: the error of never moving."""
    points = np.arange(len(comparison.query_frames))
    home = comparison.true_xy[comparison.query_frames, points]
    for unit, scaled in _in_units(comparison.true_xy - home, comparison.video):
        columns = _known(distance(np.zeros(2), scaled), comparison.scored)
        yield mean_of("excursion", unit, [mean_or_nan(column) for column in columns])
