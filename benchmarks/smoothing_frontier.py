"""Residual jitter against lost speed of smoothers, on a sudden contraction with exact truth.

Run ``python -m benchmarks.smoothing_frontier [--plot FILE]``. Rendered muscles
(`napari_usstrack.synth`) are at rest, contract in a tenth to a quarter of a
second and relax. True positions get errors like those of a network: white
noise, slow noise (AR(1)), and rarely a gross outlier. Every smoother gets the
same positions; those that use flow measure it in the frames by Lucas-Kanade
from these positions. A smoother is good where little jitter is left at rest and
little of the contraction's peak speed is lost.

Jitter is the standard deviation of errors per axis in frames at rest, px. Lost
speed is the share of the true speed, along its direction, that is missing in
the mean over points and repeats, at each point's fastest frame. Error in motion
is the rms distance from the truth in the other frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_usstrack.core.tracker import finish
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.smoothing.filters import (
    Butterworth,
    Median,
    SavitzkyGolay,
    butterworth,
    median,
    savitzky_golay,
)
from napari_usstrack.smoothing.flow_window import FlowWindow, smooth_with_flow
from napari_usstrack.smoothing.fusion import Measured, fuse
from napari_usstrack.smoothing.uncertainty import closure_covariances
from napari_usstrack.synth.benchmark import video_of
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import render

SCENE, SEEDS, FRAMES, SIZE = "muscle-unipennate", (3, 14, 16), 100, (288, 384)
POINTS, REPEATS = 8, 3
LK_MM = 4.0
"""Side of the windows of Lucas-Kanade: about 45 px of a recording of muscle."""
REST = 0.15
"""Points that move less per frame, as a share of the largest, in the mean, are at rest."""
SPREAD = 4
"""Frames around a moving one that do not count as rest."""
WINDOWS = (3, 5, 9, 15, 25)
FLOW_FACTORS = (0.3, 1.0, 3.0, 10.0)
SAVGOL_FRAMES = (5, 7, 9, 13, 19)
CUTOFFS_HZ = (15.0, 10.0, 7.0, 5.0, 3.0, 2.0)
MEDIAN_FRAMES = (3, 5, 7, 9, 13, 19)
LOOKS = {
    "flow window": ("tab:orange", "s"),
    "fusion": ("tab:red", "o"),
    "Savitzky-Golay 2": ("tab:blue", "v"),
    "Savitzky-Golay 4": ("tab:cyan", "^"),
    "Butterworth": ("tab:green", "D"),
    "median": ("tab:purple", "P"),
}


@dataclass(frozen=True)
class Jitter:
    """Errors of measured positions, per axis.

    Attributes
    ----------
    white_px, slow_px : float
        Standard deviations of noise that is new in every frame, and of noise
        that lasts.
    slow_s : float
        Time in which the slow noise falls to 1/e.
    outliers, outlier_px : float
        Share of positions with another error, and its standard deviation.
    """

    white_px: float = 1.0
    slow_px: float = 0.5
    slow_s: float = 0.5
    outliers: float = 0.0
    outlier_px: float = 10.0

    def errors(self, shape: tuple[int, ...], fps: float, seed: int) -> np.ndarray:
        """Draw errors ``[frame, column, (x, y)]``, px."""
        rng = np.random.default_rng(seed)
        keep = np.exp(-1.0 / (self.slow_s * fps))
        slow = rng.normal(0.0, self.slow_px, shape)
        for frame in range(1, len(slow)):
            slow[frame] = keep * slow[frame - 1] + np.sqrt(1.0 - keep**2) * slow[frame]
        off = slow + rng.normal(0.0, self.white_px, shape)
        gross = rng.random(shape[:-1]) < self.outliers
        return off + np.where(gross[..., None], rng.normal(0.0, self.outlier_px, shape), 0.0)


@dataclass(frozen=True, eq=False)
class Case:
    """A clip, true and measured positions ``[frame, column, (x, y)]``, px."""

    clip: Clip
    true: np.ndarray
    measured: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """When each frame was taken."""
        return np.arange(len(self.true)) / (self.clip.tracks.video.fps or 1.0)


def rendered(seed: int) -> Clip:
    """A muscle that contracts at once."""
    scene = draw(SCENE, seed, frames=FRAMES, manner="fast")
    return render(scene, seed=seed, size=SIZE)


def case_of(clip: Clip, jitter: Jitter, seed: int) -> Case:
    """Take the faster half of the points that are visible throughout, evenly, with errors."""
    xy = clip.tracks.xy[:, clip.tracks.visible.all(axis=0)]
    speed = np.linalg.norm(np.diff(xy, axis=0), axis=-1).max(axis=0)
    fast = np.flatnonzero(speed >= np.median(speed))
    chosen = fast[np.linspace(0, len(fast) - 1, POINTS).round().astype(int)]
    true = np.tile(xy[:, chosen], (1, REPEATS, 1))
    fps = clip.tracks.video.fps or 1.0
    return Case(clip, true, true + jitter.errors(true.shape, fps, seed))


# --- smoothers -------------------------------------------------------------------------------


def smoothed(case: Case, jitter: Jitter) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, setting and answer of every smoother."""
    yield "raw", "", case.measured
    yield from _windows(case)
    yield from _fusions(case, jitter)
    fps = case.clip.tracks.video.fps or 1.0
    for order in (2, 4):
        for frames in (n for n in SAVGOL_FRAMES if n > order + 1):
            settings = SavitzkyGolay((frames - 0.5) / fps, order)
            answer = savitzky_golay(case.measured, case.times_s, settings).xy
            yield f"Savitzky-Golay {order}", f"{frames} frames", answer
    for cutoff in (f for f in CUTOFFS_HZ if f < 0.5 * fps):
        answer = butterworth(case.measured, case.times_s, Butterworth(cutoff)).xy
        yield "Butterworth", f"{cutoff:g} Hz", answer
    for frames in MEDIAN_FRAMES:
        answer = median(case.measured, case.times_s, Median((frames - 0.5) / fps)).xy
        yield "median", f"{frames} frames", answer


def lucas_kanade(clip: Clip) -> LucasKanade:
    """The tracker, with windows of a size in mm, an odd number of px."""
    spacing = clip.tracks.video.spacing_mm or (LK_MM / 45.0,)
    window = 2 * round(0.5 * LK_MM / spacing[0]) + 1
    return LucasKanade(window=window, check=False, predict=False)


def _windows(case: Case) -> Iterator[tuple[str, str, np.ndarray]]:
    tracker = lucas_kanade(case.clip)
    for frames in WINDOWS:
        work = smooth_with_flow(
            video_of(case.clip),
            case.measured,
            lambda here, there, xy, motion: tracker.step(here, there, xy, motion).xy,
            forward_weight,
            FlowWindow(frames, ends="padded"),
        )
        yield "flow window", f"{frames} frames", finish(work).xy


def _fusions(case: Case, jitter: Jitter) -> Iterator[tuple[str, str, np.ndarray]]:
    moved, closure = increments(case)
    steps = closure_covariances(closure)
    variance = jitter.white_px**2 + jitter.slow_px**2
    network = Measured.from_tracks(case.measured, variance * np.eye(2), "network")
    for factor in FLOW_FACTORS:
        answer = fuse(moved, factor**2 * steps, network, calibrate=False).xy
        yield "fusion", f"flow error x {factor:g}", answer
    yield "fusion", "calibrated", fuse(moved, steps, network).xy


def increments(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Flow from each measured position to the next frame, and what the way back misses, px."""
    tracker = lucas_kanade(case.clip)
    moved, closure = [], []
    for (here, there), xy in zip(pairwise(case.clip.frames), case.measured, strict=False):
        landed = tracker.step(here, there, xy).xy
        moved.append(landed - xy)
        closure.append(tracker.step(there, here, landed).xy - xy)
    return np.stack(moved), np.stack(closure)


# --- figures ---------------------------------------------------------------------------------


def figures(case: Case, answer: np.ndarray) -> tuple[float, float, float]:
    """Jitter, px; lost share of the peak speed; error in motion, px."""
    true = case.true
    usual = np.linalg.norm(np.diff(true, axis=0), axis=-1).mean(axis=1)
    moving = np.append(usual, 0.0) > REST * usual.max()
    moving = np.convolve(moving, np.ones(2 * SPREAD + 1), "same") > 0
    off = answer - true
    velocity = np.gradient(true, axis=0)
    fastest = np.linalg.norm(velocity, axis=-1).argmax(axis=0)
    columns = np.arange(true.shape[1])
    peak, found = velocity[fastest, columns], np.gradient(answer, axis=0)[fastest, columns]
    seen = (found * peak).sum() / (peak * peak).sum()
    error = np.sqrt((off[moving] ** 2).sum(axis=-1).mean())
    return float(np.std(off[~moving])), float(1.0 - seen), float(error)


def table(clips: Sequence[Clip], jitter: Jitter) -> list[tuple[str, str, np.ndarray]]:
    """Figures of every smoother, means over the clips."""
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for number, clip in enumerate(clips):
        case = case_of(clip, jitter, number)
        for name, setting, answer in smoothed(case, jitter):
            rows.setdefault((name, setting), []).append(figures(case, answer))
    return [(*key, np.mean(values, axis=0)) for key, values in rows.items()]


Rows = Sequence[tuple[str, str, np.ndarray]]


def plot(columns: Sequence[tuple[str, Rows]], path: Path) -> None:
    """Draw both costs over jitter: a column for each kind of errors, a line for each smoother."""
    made = Figure(figsize=(9.0, 7.4), layout="constrained")
    FigureCanvasAgg(made)
    grid = made.subplots(2, len(columns), sharex="col", sharey="row")
    costs = (("lost peak speed, %", 1, 100.0), ("error in motion, px", 2, 1.0))
    for row, (label, which, factor) in zip(grid, costs, strict=True):
        row[0].set_ylabel(label)
        for axes, (_, rows) in zip(row, columns, strict=True):
            _panel(axes, rows, which, factor)
    for top, bottom, (title, _) in zip(*grid, columns, strict=True):
        top.set_title(title)
        bottom.set_xlabel("jitter left at rest, px")
    made.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right center")
    made.savefig(path, dpi=100)


def _panel(axes: Axes, rows: Rows, which: int, factor: float) -> None:
    for name, (colour, marker) in LOOKS.items():
        points = [
            (values[0], factor * values[which])
            for own, setting, values in rows
            if own == name and setting != "calibrated"
        ]
        axes.plot(*np.array(points).T, color=colour, marker=marker, label=name, markersize=5)
    for label, colour, marker in (("calibrated", "tab:red", "*"), ("raw", "black", "x")):
        values = next(values for own, setting, values in rows if label in (own, setting))
        name = "fusion, calibrated" if label == "calibrated" else label
        at = values[0], factor * values[which]
        axes.plot(*at, marker, color=colour, label=name, markersize=12, zorder=3)
    axes.grid(alpha=0.3)


def show(title: str, rows: Rows) -> None:
    """Print one table."""
    print(title)
    print(f"{'smoother':18}{'setting':18}{'jitter px':>10}{'lost %':>8}{'in motion px':>14}")
    for name, setting, (jitter, lost, error) in rows:
        print(f"{name:18}{setting:18}{jitter:10.2f}{100 * lost:8.1f}{error:14.2f}", flush=True)


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="of the scenes")
    parser.add_argument("--outliers", type=float, default=0.02, help="share in the second table")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    given = parser.parse_args()
    clips = [rendered(seed) for seed in given.seeds]
    panels = []
    for share in (0.0, given.outliers):
        jitter = Jitter(outliers=share)
        title = f"{100 * share:g} % outliers" if share else "no outliers"
        panels.append((title, table(clips, jitter)))
        show(*panels[-1])
    if given.plot:
        plot(panels, given.plot)


if __name__ == "__main__":
    main()
