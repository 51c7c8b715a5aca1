"""Whether a tracker's confidence says how often it is right, on clips with exact motion.

Run ``python -m benchmarks.calibration --cache FOLDER --plot calibration.png``. Twelve
generated clips (256 x 256 px, 48 frames, at most 24 points, every kind of scene,
seeds on which nothing is tuned), each point queried in the first frame in which it
is visible; the cells in which it is truly visible later count. Confidence is taken
as the probability that a cell is less than a distance off: ``within_mm`` of the
tracker's settings or traits where it is there, else ``--within-mm``. Columns:

- ``right %``: cells less than that distance off; ``said %``: mean confidence
- ``ECE %``: expected calibration error, the mean gap between the two in ten
  equal bins of confidence, weighted by their cells; 0 is best
- ``AUC``: probability that a cell at most 1 mm off has a higher confidence than one
  that is farther off; 0.5 says nothing, 1 is best
- ``in region %``: truth inside the stated 90 % region, where a tracker gives one

Brackets hold 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.kept import Recipe, add_cache, cache, case_of, kept, tracked
from napari_usstrack.core.tracker import Queries, Tracker
from napari_usstrack.core.video import Video
from napari_usstrack.metrics.pairs import Floats, Mask, mean_or_nan
from napari_usstrack.pipelines.bench.cases import TrackedCase
from napari_usstrack.pipelines.bench.methods import Method, own
from napari_usstrack.pipelines.bench.run import warm_up
from napari_usstrack.pipelines.canvas import COLOURS, canvas, save
from napari_usstrack.pipelines.figures import Figure, resampled
from napari_usstrack.smoothing.uncertainty import in_region
from napari_usstrack.synth.catalogue import SCENES

FIRST_SEED = 9201
RECIPES = (
    *(Recipe(name, FIRST_SEED, size_px=256) for name in SCENES),
    Recipe("muscle-unipennate", FIRST_SEED + 1, size_px=256, orientation="any"),
)
BINS = 10
FAR_MM = 1.0
REGION = 0.9
DOMAINS = {"all": "", "hearts": "heart", "muscles": "muscle"}
"""What the name of a clip's scene holds."""
COLUMNS = ("right %", "said %", "ECE %", "AUC", "in region %")


# --- what a tracker says ---------------------------------------------------------------------


@runtime_checkable
class Regional(Protocol):
    """A tracker that can tell how uncertain each place is."""

    def regions(self, video: Video, queries: Queries, span: range) -> Floats:
        """Covariances of the errors, px^2, shape (frames, queries, 2, 2)."""
        ...


def covariances(tracker: Tracker, case: TrackedCase) -> Floats | None:
    """What a tracker states of its errors, px^2, ``[frames, points, 2, 2]``; None if nothing."""
    if not isinstance(tracker, Regional):
        return None
    span = range(case.video.info.frame_count)
    return tracker.regions(case.video, case.queries(), span)


def stated_mm(tracker: Tracker, otherwise: float) -> float:
    """Distance that the tracker's confidence is about, mm."""
    known = getattr(tracker.traits, "within_mm", otherwise)
    return float(tracker.settings.get("within_mm", known))


# --- cells -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Told:
    """Scored cells of one clip.

    Attributes
    ----------
    clip : str
    confidence : float64 ndarray, shape (cells,)
        0 to 1; 0 where the method gave none or no position.
    off_mm : float64 ndarray, shape (cells,)
        Distance from the truth; infinite without a position.
    held : bool ndarray, shape (cells,)
        Whether the stated region holds the truth; empty where there is none.
    """

    clip: str
    confidence: Floats
    off_mm: Floats
    held: Mask


def told(method: Method, case: TrackedCase) -> Told:
    """Track a clip and keep what was said of its scored cells."""
    cells, compared, _ = tracked(method.tracker, case)
    scored = compared.scored
    off = compared.distances()["mm"][scored]
    stated = covariances(method.tracker, case)
    held = np.zeros(0, dtype=np.bool_)
    if stated is not None:
        errors = compared.xy[scored] - compared.true_xy[scored]
        held = in_region(errors, stated[scored], REGION)
    return Told(
        clip=case.name,
        confidence=np.where(np.isnan(off), 0.0, np.nan_to_num(cells.confidence[scored])),
        off_mm=np.where(np.isnan(off), np.inf, off),
        held=held,
    )


def pooled(clips: Sequence[Told], at: NDArray[np.intp]) -> Told:
    """Cells of some clips together."""
    some = [clips[i] for i in at]
    columns = (
        np.concatenate([getattr(clip, name) for clip in some])
        for name in ("confidence", "off_mm", "held")
    )
    return Told("pooled", *columns)


# --- figures ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against how often it was right, in bins that hold cells.

    Attributes
    ----------
    said, right : float64 ndarray, shape (bins,)
        Mean confidence, and share of cells within the distance.
    cells : intp ndarray, shape (bins,)
    """

    said: Floats
    right: Floats
    cells: NDArray[np.intp]

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1."""
        whole = self.cells.sum()
        gaps = np.abs(self.said - self.right)
        return float((self.cells * gaps).sum() / whole) if whole else float("nan")


def reliability(confidence: Floats, right: Mask, bins: int = BINS) -> Reliability:
    """Sort cells into equal bins of confidence.

    Parameters
    ----------
    confidence : float64 ndarray, shape (cells,)
        0 to 1.
    right : bool ndarray, shape (cells,)
        Whether the cell is within the distance.
    bins : int
        How many; empty ones are left out.
    """
    number = np.clip((confidence * bins).astype(np.intp), 0, bins - 1)
    cells = np.bincount(number, minlength=bins)
    used = cells > 0
    said = np.bincount(number, weights=confidence, minlength=bins)[used] / cells[used]
    share = np.bincount(number, weights=right, minlength=bins)[used] / cells[used]
    return Reliability(said, share, cells[used])


def area_under_curve(confidence: Floats, good: Mask) -> float:
    """Probability that a good cell has a higher confidence than a bad one; ties count half.

    Parameters
    ----------
    confidence : float64 ndarray, shape (cells,)
    good : bool ndarray, shape (cells,)

    Returns
    -------
    float
        NaN where all cells are good, or none.
    """
    count, others = int(good.sum()), int((~good).sum())
    if not count or not others:
        return float("nan")
    above = rankdata(confidence)[good].sum() - 0.5 * count * (count + 1)
    return float(above / (count * others))


def figures(clips: Sequence[Told], within_mm: float) -> list[Figure]:
    """What `COLUMNS` name, with intervals over clips."""

    def right(some: Told) -> float:
        return 100.0 * mean_or_nan(some.off_mm < within_mm)

    def said(some: Told) -> float:
        return 100.0 * mean_or_nan(some.confidence)

    def missed(some: Told) -> float:
        return 100.0 * reliability(some.confidence, some.off_mm < within_mm).error

    def ranked(some: Told) -> float:
        return area_under_curve(some.confidence, some.off_mm <= FAR_MM)

    def held(some: Told) -> float:
        return 100.0 * mean_or_nan(some.held)

    pairs = zip(COLUMNS, (right, said, missed, ranked, held), strict=True)
    return [
        resampled(name, "", len(clips), lambda at, f=f: f(pooled(clips, at)), over="clip")
        for name, f in pairs
    ]


def row(name: str, found: Sequence[Figure]) -> None:
    """Print one line of the table."""
    cells = ""
    for figure in found:
        digits = 3 if figure.metric == "AUC" else 1
        low, high = (f"{value:.{digits}f}" for value in (figure.low, figure.high))
        text = "-" if np.isnan(figure.value) else f"{figure.value:.{digits}f} ({low}-{high})"
        cells += f"{text:>22}"
    print(f"{name:<40}{cells}", flush=True)


def of_domain(clips: Sequence[Told], word: str) -> list[Told]:
    """Clips whose name holds a word."""
    return [clip for clip in clips if word in clip.clip]


# --- picture ---------------------------------------------------------------------------------


def plot(file: Path, runs: Mapping[str, Sequence[Told]], within: Mapping[str, float]) -> None:
    """Draw a reliability curve and how many cells have which confidence, a column per method."""
    made = canvas(1.0 + 3.0 * len(runs), 4.4)
    panels = made.subplots(
        2, len(runs), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1)
    )
    for (curve, counts), (name, clips) in zip(panels.T, runs.items(), strict=True):
        draw_curves(curve, clips, within[name])
        curve.set_title(f"{name}\nright: less than {within[name]:g} mm off", fontsize=9)
        every = pooled(clips, np.arange(len(clips)))
        share = np.full(len(every.confidence), 100.0 / len(every.confidence))
        counts.hist(every.confidence, np.linspace(0, 1, BINS + 1), weights=share, color="0.6")
    panels[0, 0].set_ylabel("share of cells that are right")
    panels[1, 0].set_ylabel("cells, %")
    panels[0, 0].legend(frameon=False, fontsize=8, loc="upper left")
    made.supxlabel("confidence", fontsize=10)
    save(made, file)


def draw_curves(axes: Any, clips: Sequence[Told], within_mm: float) -> None:
    """Share of right cells over confidence, by domain; bins of few cells are left out."""
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for (name, word), colour in zip(DOMAINS.items(), COLOURS, strict=False):
        own_clips = of_domain(clips, word)
        cells = pooled(own_clips, np.arange(len(own_clips)))
        curve = reliability(cells.confidence, cells.off_mm < within_mm)
        shown = curve.cells >= 0.005 * curve.cells.sum()
        axes.plot(
            *(curve.said[shown], curve.right[shown]),
            *("o-",),
            color=colour,
            label=name,
            markersize=4,
            linewidth=2.0 if not word else 1.0,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade")
    parser.add_argument("--within-mm", type=float, default=0.5, metavar="MM")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    add_cache(parser)
    given = parser.parse_args()
    methods = own(given.methods)
    warm_up(methods)
    with cache(given.cache) as folder:
        recipes = {f"calibration-{recipe.name}": recipe for recipe in RECIPES}
        cases = [case_of(kept(folder, name, recipe.made)) for name, recipe in recipes.items()]
    print(f"{'':<40}{''.join(f'{name:>22}' for name in COLUMNS)}")
    runs, within = {}, {}
    for method in methods:
        clips = runs[method.name] = [told(method, case) for case in cases]
        distance = within[method.name] = stated_mm(method.tracker, given.within_mm)
        for domain, word in DOMAINS.items():
            found = figures(of_domain(clips, word), distance)
            row(f"{method.name}, {distance:g} mm, {domain}", found)
    if given.plot:
        plot(given.plot, runs, within)


if __name__ == "__main__":
    main()
