"""Lines measured anew in every frame, against what people drew in muscle clips.

Run ``python -m benchmarks.lines DATA``, where ``DATA/muscle`` holds the clips
and ``labels.csv``; the rule is that of ``usstrack benchmark`` on its set of
observers (`napari_usstrack.pipelines.bench.observers`). One row per clip, all
frames together, and the people themselves: each against the mean of the
others. ``--plot FILE`` draws the angle over time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_usstrack.core.tracker import finish
from napari_usstrack.flow.lines import TrackedLines, track_lines
from napari_usstrack.io.registry import open_video
from napari_usstrack.pipelines.bench.observers import (
    GROUPS,
    SPACING_MM,
    Labels,
    Missed,
    ObserverCase,
    errors,
    observer_cases,
    start_points,
)

COLUMNS = ("angle_deg", "length_mm", "angle_change_deg", "length_change_mm")


def followed(path: Path, labels: Labels) -> tuple[TrackedLines, float]:
    """Lines from the first labelled frame to the last, and mm per px."""
    video = open_video(path)
    spacing = video.info.spacing_mm or (SPACING_MM, SPACING_MM)
    frames = video.frames(range(int(labels.frames[0]), int(labels.frames[-1]) + 1))
    points = start_points(labels.start)
    drawn = [points[GROUPS[name]] for name in ("superficial", "deep", "fascicle")]
    return finish(track_lines(frames, *drawn, spacing_mm=spacing)), float(spacing[0])


def compared(lines: TrackedLines, labels: Labels, spacing_mm: float) -> Missed:
    """Errors in the labelled frames."""
    xy = np.concatenate([lines.superficial, lines.deep, lines.fascicle], axis=1)
    return errors(xy[labels.frames - labels.frames[0]], labels, spacing_mm)


def row(name: str, values: Mapping[str, np.ndarray], note: str = "") -> None:
    """Print means, and medians in brackets."""
    cells = "".join(f"{np.mean(v):>11.2f} ({np.median(v):.2f})" for v in values.values())
    print(f"{name[:34]:<36}{cells}  {note}", flush=True)


def plot(file: Path, runs: Mapping[str, TrackedLines], labels: Mapping[str, Labels]) -> None:
    """Draw the angle over time, with what people drew."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(runs), 1, figsize=(9, 3 * len(runs)), squeeze=False)
    for panel, (name, lines) in zip(panels[:, 0], runs.items(), strict=True):
        own = labels[name]
        frames = own.frames[0] + np.arange(len(lines.angle_deg))
        panel.plot(frames, -lines.measured_deg, ".", ms=3, color="0.7", label="each frame alone")
        panel.plot(frames, -lines.angle_deg, color="C0", label="lines")
        panel.plot(own.frames, own.angles_deg, "x", ms=5, color="C3", label="observers")
        panel.set(title=name, ylabel="fascicle angle, degrees", xlabel="frame")
        handles, names = panel.get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        panel.legend(unique.values(), unique.keys(), frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=100)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FILE")
    given = parser.parse_args()
    cases = [case for case in observer_cases([given.data]) if isinstance(case, ObserverCase)]
    if not cases:
        raise SystemExit(f"{given.data} has no muscle/labels.csv with its clips")
    case, runs, missed = cases[0], {}, []
    titles = "".join(f"{name:>18}" for name in COLUMNS)
    print(f"{'mean absolute error (median)':<36}{titles}  ms a frame")
    for name, labels in case.labels.items():
        begun = time.perf_counter()
        runs[name], spacing = followed(case.folder / name, labels)
        took = 1e3 * (time.perf_counter() - begun) / len(runs[name].angle_deg)
        missed.append(compared(runs[name], labels, spacing))
        row(name, {key: getattr(missed[-1], key) for key in COLUMNS}, f"{took:.0f}")
    row("all", {key: np.concatenate([getattr(m, key) for m in missed]) for key in COLUMNS})
    for name, outcome in case.references():
        by_metric = {figure.metric: figure.value for figure in outcome.figures}
        print(name, ", ".join(f"{key} {value:.2f}" for key, value in by_metric.items()))
    if given.plot:
        plot(given.plot, runs, case.labels)


if __name__ == "__main__":
    main()
