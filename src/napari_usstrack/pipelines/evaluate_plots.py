"""Pictures of an evaluation: accuracy, error over time, error of each point."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_usstrack.metrics.tap import THRESHOLDS_PX
from napari_usstrack.pipelines.canvas import COLOURS, canvas, folder_for, save
from napari_usstrack.pipelines.evaluate import Evaluation
from napari_usstrack.pipelines.figures import Figure, find


def draw(found: Evaluation, folder: Path) -> list[Path]:
    """Write three PNG files into a folder, which is made if it is missing.

    Raises
    ------
    UsstrackError
        If they cannot be written.
    """
    folder_for(folder)
    return [
        _accuracy(found, folder / "accuracy.png"),
        _over_time(found, folder / "error-over-time.png"),
        _per_point(found, folder / "error-per-point.png"),
    ]


def _unit(found: Evaluation) -> str:
    return "px" if found.video.spacing_mm is None else "mm"


def _accuracy(found: Evaluation, path: Path) -> Path:
    made = canvas(6.0, 4.2)
    axes = made.add_subplot()
    places = range(len(THRESHOLDS_PX))
    for figures in found.points.values():
        axes.plot(places, _shares(figures), color=COLOURS[6], alpha=0.3, linewidth=0.8)
    axes.plot(places, _shares(found.figures), "o-", color=COLOURS[0], label="all points")
    axes.plot([], [], color=COLOURS[6], alpha=0.5, label="each point")
    axes.set_xticks(places, [f"{limit}" for limit in THRESHOLDS_PX])
    axes.set_ylim(-2, 102)
    axes.set_xlabel("closer than, px at 256")
    axes.set_ylabel("share of scored cells, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return save(made, path)


def _shares(figures: tuple[Figure, ...]) -> list[float]:
    each = (find(figures, f"delta_{limit}") for limit in THRESHOLDS_PX)
    return [figure.value for figure in each if figure is not None]


def _over_time(found: Evaluation, path: Path) -> Path:
    unit = _unit(found)
    comparison = found.comparison
    off = np.where(comparison.scored, comparison.distances()[unit], np.nan)
    rows = np.flatnonzero(~np.isnan(off).all(axis=1))
    seconds = found.video.calibration.seconds(rows)
    timed = found.video.fps is not None
    times = seconds if timed else rows
    low, middle, high = np.nanpercentile(off[rows], [5, 50, 95], axis=1)
    made = canvas(7.0, 3.8)
    axes = made.add_subplot()
    axes.fill_between(times, low, high, color=COLOURS[0], alpha=0.2, label="5 to 95 % of points")
    axes.plot(times, middle, ".-", color=COLOURS[0], label="median of points")
    axes.set_xlabel("time, s" if timed else "frame")
    axes.set_ylabel(f"error, {unit}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    return save(made, path)


def _per_point(found: Evaluation, path: Path) -> Path:
    unit = _unit(found)
    comparison = found.comparison
    off = comparison.distances()[unit]
    use = comparison.scored & ~np.isnan(off)
    names = list(found.points)
    made = canvas(6.5, 1.4 + 0.24 * len(names))
    axes = made.add_subplot()
    errors = [off[use[:, i], i] for i in range(len(names))]
    axes.boxplot(
        errors,
        orientation="horizontal",
        tick_labels=names,
        flierprops={"markersize": 2.5},
        medianprops={"color": COLOURS[1]},
    )
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(f"error, {unit} (box: middle half of the frames, line: median)")
    axes.grid(axis="x", alpha=0.3)
    return save(made, path)
