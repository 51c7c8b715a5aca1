"""Lines measured anew in every frame, against what people drew in muscle clips.

Run ``python -m benchmarks.lines DATA``, where ``DATA/muscle`` holds the clips
and ``labels.csv``; the rule is that of ``usstrack benchmark`` on its set of
observers (`napari_usstrack.pipelines.bench.observers`). One row per method: flow
with lines, flow alone, filters alone, and the people, each against the mean of
the others. ``--made N`` adds as many generated muscles, whose truth is exact
(seeds from 73001 on, first looked at when all was settled), and ``--plot FILE``
draws the angle over time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_usstrack.core.fascicles import fascicle_between
from napari_usstrack.core.geometry import fit_line, fold_deg
from napari_usstrack.core.tracker import Queries, Tracker, finish
from napari_usstrack.core.video import CallbackVideo, Video
from napari_usstrack.flow.with_lines import LinesOnly
from napari_usstrack.io.registry import open_video
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench.cases import in_memory
from napari_usstrack.pipelines.bench.observers import (
    GROUP_OF_POINT,
    GROUPS,
    SPACING_MM,
    Labels,
    ObserverCase,
    errors,
    observer_cases,
    start_points,
)

COLUMNS = ("angle_deg", "length_mm", "angle_change_deg", "length_change_mm")
FLOWS = ("hybrid", "tissue-flow", "lucas-kanade")
FIRST_SEED, FRAMES, SIZE = 73001, 40, (320, 380)
MADE = ("fascicle-2", "fascicle-3")


def methods() -> dict[str, Tracker]:
    """All rows, by name."""
    found: dict[str, Tracker] = {"lines-only": LinesOnly()}
    for name in FLOWS:
        found[name] = trackers.make(name, {"lines": False})
        found[f"{name} + lines"] = trackers.make(name, {"lines": True})
    return found


def queries(xy: np.ndarray, groups: Sequence[str]) -> Queries:
    """Points of lines, all in frame 0."""
    names = tuple(f"p{i + 1}" for i in range(len(xy)))
    return Queries(np.zeros(len(xy)), xy, names, group=tuple(groups), kind=("line",) * len(xy))


def tracked(tracker: Tracker, video: Video, asked: Queries) -> tuple[np.ndarray, float]:
    """Positions (frames, points, 2), px, and ms a frame."""
    count = video.info.frame_count
    begun = time.process_time()
    cells = finish(tracker.track(video, asked, range(count)))
    return cells.xy, 1e3 * (time.process_time() - begun) / count


def row(name: str, values: Mapping[str, Sequence[np.ndarray]], ms: Sequence[float]) -> None:
    """Print means, and medians in brackets."""
    told = [np.concatenate([np.ravel(v) for v in each]) for each in values.values()]
    cells = "".join(f"{np.nanmean(v):>11.2f} ({np.nanmedian(v):.2f})" for v in told)
    print(f"{name[:34]:<36}{cells}  {np.mean(ms):.0f}", flush=True)


# --- clips that people measured --------------------------------------------------------------


def opened(path: Path, labels: Labels) -> Video:
    """Frames from the first labelled one to the last."""
    clip = in_memory(open_video(path), int(labels.frames[-1]) + 1)
    first = int(labels.frames[0])
    frames = clip.frames(range(first, clip.info.frame_count))
    info = in_memory(clip, len(frames)).info
    return CallbackVideo(info, lambda span: frames[span.start : span.stop])


def measured(case: ObserverCase) -> dict[str, np.ndarray]:
    """Print a row per method; angles of `tissue-flow` with lines, by clip."""
    clips = {name: opened(case.folder / name, own) for name, own in case.labels.items()}
    shown: dict[str, np.ndarray] = {}
    for method, tracker in methods().items():
        missed, ms = [], []
        for name, labels in case.labels.items():
            asked = queries(start_points(labels.start), GROUP_OF_POINT)
            xy, took = tracked(tracker, clips[name], asked)
            spacing = float((clips[name].info.spacing_mm or (SPACING_MM,))[0])
            missed.append(errors(xy[labels.frames - labels.frames[0]], labels, spacing))
            ms.append(took)
            if method == "tissue-flow + lines":
                shown[name] = -fit_line(xy[:, GROUPS["fascicle"]]).angle_deg
        row(method, {key: [getattr(m, key) for m in missed] for key in COLUMNS}, ms)
    for name, outcome in case.references():
        by_metric = {figure.metric: figure.value for figure in outcome.figures}
        print(name, ", ".join(f"{key} {value:.2f}" for key, value in by_metric.items()))
    return shown


def plot(file: Path, runs: Mapping[str, np.ndarray], labels: Mapping[str, Labels]) -> None:
    """Draw the angle over time, with what people drew."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(runs), 1, figsize=(9, 3 * len(runs)), squeeze=False)
    for panel, (name, angle) in zip(panels[:, 0], runs.items(), strict=True):
        own = labels[name]
        panel.plot(own.frames[0] + np.arange(len(angle)), angle, color="C0", label="lines")
        panel.plot(own.frames, own.angles_deg, "x", ms=5, color="C3", label="observers")
        panel.set(title=name, ylabel="fascicle angle, degrees", xlabel="frame")
        handles, names = panel.get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        panel.legend(unique.values(), unique.keys(), frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=100)


# --- generated clips -------------------------------------------------------------------------


def made(count: int) -> None:
    """Print a row per method for generated muscles: means of the clips' means."""
    from napari_usstrack.synth.catalogue import draw
    from napari_usstrack.synth.render import render

    clips = []
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        clip = render(draw("muscle-unipennate", seed, frames=FRAMES), seed=seed, size=SIZE)
        clips.append((clip.frames, clip.tracks))
    for method, tracker in methods().items():
        found: dict[str, list[np.ndarray]] = {"angle_deg": [], "length_mm": []}
        ms = []
        for frames, truth in clips:
            video = CallbackVideo(truth.video, lambda span, f=frames: f[span.start : span.stop])
            for fascicle in MADE:
                groups = np.array([point.group for point in truth.points])
                at = np.isin(groups, ["superficial", "deep", fascicle]) & truth.visible[0]
                at &= truth.present.all(axis=0)
                xy, took = tracked(tracker, video, queries(truth.xy[0, at], groups[at]))
                spacing = np.asarray(truth.video.spacing_mm)
                ours, true = (
                    _fascicle(each * spacing, groups[at], fascicle)
                    for each in (xy, truth.xy[:, at])
                )
                found["angle_deg"].append(np.abs(fold_deg(ours[0] - true[0]))[1:].mean())
                found["length_mm"].append(np.nanmean(np.abs(ours[1] - true[1])[1:]))
                ms.append(took)
        row(method, found, ms)


def _fascicle(xy_mm: np.ndarray, groups: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Angle, degrees, and length between the aponeuroses, mm."""
    upper, lower, line = (fit_line(xy_mm[:, groups == g]) for g in ("superficial", "deep", name))
    length = fascicle_between(line, superficial=upper, deep=lower).length_mm
    return line.angle_deg, length


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--made", type=int, default=0, metavar="N")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    given = parser.parse_args()
    cases = [case for case in observer_cases([given.data]) if isinstance(case, ObserverCase)]
    if not cases:
        raise SystemExit(f"{given.data} has no muscle/labels.csv with its clips")
    titles = "".join(f"{name:>18}" for name in COLUMNS)
    print(f"{'mean absolute error (median)':<36}{titles}  ms a frame")
    shown = measured(cases[0])
    if given.made:
        print(f"{given.made} generated muscles, two fascicles each")
        made(given.made)
    if given.plot:
        plot(given.plot, shown, cases[0].labels)


if __name__ == "__main__":
    main()
