"""Strain of the left ventricle in studies of three apical views, with exact motion.

Run ``python -m benchmarks.gls --cache FOLDER --csv gls.csv``. Each study is one
generated heart in three views at 256 px, from end diastole (ED) to the next; a third
each are normal, of reduced function, and ill in the segments of one artery. 21 points
along the middle of the wall and 21 along its inside are queried in ED. Strain is
``100 (L / L_ED - 1)`` of the spline through the points; six segments per view of equal
length per wall in ED are carried along. The truth is that of the same points. The
peak is the lowest value of the beat, in a study the mean of its views' peaks. Columns,
in percentage points (means over studies):

- ``peak``: absolute error of the study's peak strain; ``curve``: rms error of the
  mean curve of the views; ``segments``: absolute peak error of the 18 segments
- ``bias``: found less true peak, and ``limits`` of agreement
- ``MDC``: minimal detectable change of the peak, 1.96 sqrt(2) times the standard
  deviation within a heart, of two examinations of it: the same motion, another
  speckle, scanner, breathing, pose and slice, and points placed about 1 mm off in
  each. ``true paths`` says what the placing alone does.
- ``missing %``: frames without a length, since a point was lost; ``s``: seconds of
  tracking per examination (three views)

Brackets hold 95 % bootstrap intervals over studies. All but the MDC is from the
first examination.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.kept import add_cache, cache, kept
from napari_usstrack.core.curves import apex_index, segment_lengths, spline_length, wall_cuts
from napari_usstrack.core.tracker import Queries, Tracker, finish
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.truth import read_arrays, true_tracks
from napari_usstrack.metrics.agreement import agreement, repeatability
from napari_usstrack.metrics.pairs import Floats, mean_or_nan
from napari_usstrack.pipelines.bench.cases import in_memory
from napari_usstrack.pipelines.bench.methods import own
from napari_usstrack.pipelines.bench.run import warm_up
from napari_usstrack.pipelines.figures import Figure, mean_of, resampled
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import render
from napari_usstrack.synth.study import VIEWS, Heart, Kind, examined

SIZE_PX = 256
FIRST_SEED, STUDIES, VISITS = 9301, 30, 2
KINDS: tuple[Kind, ...] = ("normal", "reduced", "regional")
LAYERS = ("mid-wall", "endocardium")
COLUMNS = ("peak", "curve", "segments", "bias", "limits", "MDC", "missing %", "s")
ROWS = ("method", "layer", "study", "kind", "visit", "view")
WIDE, NARROW = 22, 12
"""Widths of columns."""
VALUES = ("true_peak", "peak", "curve_rms", "segments", "missing_percent")


# --- studies ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class View:
    """One view of one examination.

    Attributes
    ----------
    video : Video
        In memory; begins and ends at end diastole.
    truth : Tracks
        Points of `LAYERS`, in order along the wall.
    """

    video: Video
    truth: Tracks

    def queries(self) -> Queries:
        """Every point at its true place in the first frame."""
        points = self.truth.points
        return Queries(
            frame=np.zeros(len(points), dtype=np.intp),
            xy=self.truth.xy[0],
            name=tuple(point.name for point in points),
            group=tuple(point.group for point in points),
            kind=tuple(point.kind for point in points),
        )

    def line_mm(self, xy: Floats, layer: str) -> Floats:
        """Points of one layer in mm, from positions ``[frames, points, 2]`` of all in px."""
        own_points = [i for i, p in enumerate(self.truth.points) if p.group == layer]
        return self.video.info.calibration.mm(xy[:, own_points])


@dataclass(frozen=True, eq=False)
class Study:
    """A heart, and its examinations of three views each."""

    heart: Heart
    visits: tuple[tuple[View, ...], ...]


def heart(number: int) -> Heart:
    """Heart of a study, counted from 0."""
    return Heart.drawn(FIRST_SEED + number, KINDS[number % len(KINDS)])


def made(number: int, visit: int, name: str) -> Clip:
    """Draw one view."""
    scene, seed = examined(heart(number), name, visit)
    return render(scene, seed=seed, size=SIZE_PX)


def study(folder: Path, number: int, make: Callable[[int, int, str], Clip] = made) -> Study:
    """A study whose clips lie in a folder, made where they are missing."""

    def view(visit: int, name: str) -> View:
        label = f"gls-{FIRST_SEED + number}-{visit + 1}-{name}"
        path = kept(folder, label, partial(make, number, visit, name))
        video = open_video(path)
        return View(in_memory(video), true_tracks(read_arrays(path), video.info, path))

    visits = tuple(tuple(view(visit, name) for name in VIEWS) for visit in range(VISITS))
    return Study(heart(number), visits)


# --- strain ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Strain:
    """Strain along one layer of a view, percent.

    Attributes
    ----------
    line : float64 ndarray, shape (frames,)
    segments : float64 ndarray, shape (frames, 6)
    """

    line: Floats
    segments: Floats


def strain(line_mm: Floats, placed_mm: Floats) -> Strain:
    """Strain relative to the first frame.

    Parameters
    ----------
    line_mm : float64 ndarray, shape (frames, points, 2)
    placed_mm : float64 ndarray, shape (points, 2)
        Where the points were put, which is where walls are cut into segments.
    """
    cuts = wall_cuts(placed_mm, apex_index(placed_mm))
    length, parts = spline_length(line_mm), segment_lengths(line_mm, cuts)
    return Strain(100.0 * (length / length[0] - 1.0), 100.0 * (parts / parts[0] - 1.0))


def peak(curves: Floats) -> Floats:
    """Lowest value over time; NaN where there is none."""
    known = np.where(np.isnan(curves), np.inf, curves).min(axis=0)
    return np.asarray(np.where(np.isinf(known), np.nan, known))


def rms(curve: Floats, true: Floats) -> float:
    """Root mean square difference over the known frames after the first."""
    return float(np.sqrt(mean_or_nan((curve - true)[1:] ** 2)))


@dataclass(frozen=True, eq=False)
class Reading:
    """Found and true strain of one layer, per view of an examination."""

    found: tuple[Strain, ...]
    true: tuple[Strain, ...]

    def peaks(self) -> tuple[float, float]:
        """Found and true peak, mean over views."""
        sides = (self.found, self.true)
        found, true = (np.mean([peak(each.line) for each in side]) for side in sides)
        return float(found), float(true)

    def curve_rms(self) -> float:
        """Error of the mean curve of the views."""
        found, true = (np.mean([s.line for s in side], axis=0) for side in (self.found, self.true))
        return rms(found, true)

    def segments(self) -> float:
        """Mean absolute peak error of the segments."""
        pairs = zip(self.found, self.true, strict=True)
        return mean_or_nan([abs(peak(f.segments) - peak(t.segments)) for f, t in pairs])

    def missing(self) -> float:
        """Frames without a length, percent."""
        return 100.0 * float(np.mean([np.isnan(each.line[1:]).mean() for each in self.found]))

    def row(self) -> tuple[float, ...]:
        """What `VALUES` name."""
        found, true = self.peaks()
        return true, found, self.curve_rms(), self.segments(), self.missing()


def reading(views: Sequence[View], paths: Sequence[Floats], layer: str) -> Reading:
    """Strains from paths ``[frames, points, 2]`` in px, one array per view."""
    found, true = [], []
    for view, xy in zip(views, paths, strict=True):
        line = view.line_mm(view.truth.xy, layer)
        found.append(strain(view.line_mm(xy, layer), line[0]))
        true.append(strain(line, line[0]))
    return Reading(tuple(found), tuple(true))


# --- methods ---------------------------------------------------------------------------------

Follow = Callable[[View], Floats]


def true_paths(view: View) -> Floats:
    """Positions of a method that knows."""
    return view.truth.xy


def followed(tracker: Tracker, view: View) -> Floats:
    """Track all points of a view from its first frame."""
    span = range(view.video.info.frame_count)
    return finish(tracker.track(view.video, view.queries(), span)).xy


@dataclass(frozen=True, eq=False)
class Measured:
    """All readings of one method in one study.

    Attributes
    ----------
    heart : Heart
    readings : mapping of str to tuple of Reading
        One for each examination, by layer.
    seconds : float
        Of tracking, per examination.
    """

    heart: Heart
    readings: dict[str, tuple[Reading, ...]]
    seconds: float


def measured(given: Study, follow: Follow) -> Measured:
    """Follow the points of every view, and measure."""
    begun = time.perf_counter()
    paths = [[follow(view) for view in views] for views in given.visits]
    spent = (time.perf_counter() - begun) / len(given.visits)
    pairs = list(zip(given.visits, paths, strict=True))
    return Measured(
        given.heart,
        {layer: tuple(reading(*pair, layer) for pair in pairs) for layer in LAYERS},
        spent,
    )


# --- figures ---------------------------------------------------------------------------------


def figures(studies: Sequence[Measured], layer: str) -> dict[str, Figure]:
    """Figures of one method by name, with intervals over studies.

    `limits` stands for both limits of agreement: its value is the bias, its ends are
    the limits.
    """
    firsts = [each.readings[layer][0] for each in studies]
    found, true = np.array([each.peaks() for each in firsts]).T
    visits = np.array([[r.peaks()[0] for r in each.readings[layer]] for each in studies])
    both = agreement(np.stack([found, true], axis=1), setting="against a reference")

    def change(at: NDArray[np.intp]) -> float:
        return repeatability(visits[at], setting="repeated scans").mdc95

    means = {
        "peak": abs(found - true),
        "curve": [each.curve_rms() for each in firsts],
        "segments": [each.segments() for each in firsts],
        "bias": found - true,
    }
    points = {name: mean_of(name, "points", v, over="subject") for name, v in means.items()}
    return {
        **points,
        "limits": Figure("limits", both.bias, "points", both.low, both.high),
        "MDC": resampled("MDC", "points", len(studies), change, over="subject"),
        "missing %": Figure("missing %", mean_or_nan([each.missing() for each in firsts]), "%"),
        "s": Figure("s", mean_or_nan([each.seconds for each in studies]), "s"),
    }


def described(name: str, found: dict[str, Figure]) -> str:
    """One line of the table."""
    line = f"{name:<48}"
    for column in COLUMNS:
        figure = found[column]
        ends = "-" if np.isnan(figure.low) else f"{figure.low:.2f} to {figure.high:.2f}"
        if column == "limits":
            line += f"{ends:>{WIDE}}"
        elif figure.over:
            line += f"{f'{figure.value:.2f} ({ends})':>{WIDE}}"
        else:
            line += f"{figure.value:>{NARROW}.2f}"
    return line


def told(studies: dict[str, Measured]) -> str:
    """Peaks of one study by every method, in the middle of the wall."""
    one = next(iter(studies.values()))
    words = [f"true {one.readings[LAYERS[0]][0].peaks()[1]:.2f}"]
    words += [f"{name} {m.readings[LAYERS[0]][0].peaks()[0]:.2f}" for name, m in studies.items()]
    return f"{one.heart.seed}, {one.heart.kind}: {', '.join(words)}"


def table(name: str, studies: Sequence[Measured]) -> Iterator[str]:
    """Lines of one method: both layers, and the kinds of hearts in the middle of the wall."""
    for layer in LAYERS:
        yield described(f"{name}, {layer}", figures(studies, layer))
    for kind in KINDS:
        some = [each for each in studies if each.heart.kind == kind]
        if some:
            yield described(f"{name}, {LAYERS[0]}, {kind}", figures(some, LAYERS[0]))


def rows(name: str, studies: Sequence[Measured]) -> Iterator[tuple[object, ...]]:
    """Values of every view, and of three views together, for a file."""
    for each in studies:
        for layer, readings in each.readings.items():
            for visit, whole in enumerate(readings, start=1):
                label = (name, layer, each.heart.seed, each.heart.kind, visit)
                pairs = zip(VIEWS, whole.found, whole.true, strict=True)
                for view, found, true in pairs:
                    yield *label, view, *Reading((found,), (true,)).row()
                yield *label, "all", *whole.row()


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade:window=21")
    parser.add_argument("--studies", type=int, default=STUDIES, metavar="N")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="values of every view")
    add_cache(parser)
    given = parser.parse_args(words)
    methods = own(given.methods)
    warm_up(methods)
    follows: dict[str, Follow] = {each.name: partial(followed, each.tracker) for each in methods}
    follows["true paths"] = true_paths
    found: dict[str, list[Measured]] = {name: [] for name in follows}
    with cache(given.cache) as folder:
        for number in range(given.studies):
            one = study(folder, number)
            for name, follow in follows.items():
                found[name].append(measured(one, follow))
            print(told({name: studies[-1] for name, studies in found.items()}), flush=True)
    widths = (NARROW if name in COLUMNS[-2:] else WIDE for name in COLUMNS)
    titles = "".join(f"{name:>{width}}" for name, width in zip(COLUMNS, widths, strict=True))
    print(f"{f'{given.studies} studies, percentage points':<48}{titles}")
    for name, studies in found.items():
        print("\n".join(table(name, studies)), flush=True)
    if given.csv:
        with given.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((*ROWS, *VALUES))
            writer.writerows(row for name, each in found.items() for row in rows(name, each))


if __name__ == "__main__":
    main()
