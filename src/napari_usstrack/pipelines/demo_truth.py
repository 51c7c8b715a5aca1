"""The demo's second act: generated clips, whose exact motion is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks
from napari_usstrack.io import overlay, tables
from napari_usstrack.io.files import copied
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import GENERATED, generated_clip, generated_truth
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench.derived import derived_errors
from napari_usstrack.pipelines.evaluate import evaluate
from napari_usstrack.pipelines.figures import Figure, find
from napari_usstrack.pipelines.track import track


@dataclass(frozen=True, eq=False)
class Act:
    """One generated clip, tracked and compared with its truth.

    Attributes
    ----------
    name : str
        "heart" or "muscle".
    clip, csv, truth, picture : Path
        The clip, its tracks and true tracks as tables, and a picture.
    tracks : Tracks
        What was tracked from frame 0.
    figures : tuple of Figure
        How far it is from the truth.
    """

    name: str
    clip: Path
    csv: Path
    truth: Path
    picture: Path
    tracks: Tracks
    figures: tuple[Figure, ...]


def run_acts(folder: Path) -> Work[list[Act]]:
    """Track every generated clip from its true points in frame 0, and score it.

    Parameters
    ----------
    folder : Path
        Where the files go; made when it does not exist.
    """
    acts = []
    for number, name in enumerate(GENERATED):
        acts.append((yield from part(_act(name, folder), number, 1, len(GENERATED))))
    return acts


def _act(name: str, folder: Path) -> Work[Act]:
    clip = copied(generated_clip(name), folder)
    video = open_video(clip)
    truth = generated_truth(name)
    first = np.flatnonzero(truth.visible[0])
    truth = truth.select([truth.points[i].name for i in first])
    run = yield from track(video, _labels(truth), trackers.make())
    paths = {end: folder / f"{name}-{end}" for end in ("tracks.csv", "truth.csv", "tracks.png")}
    tables.write_tracks(run, paths["tracks.csv"])
    tables.write_tracks(truth, paths["truth.csv"])
    middle = run.shape[0] // 2
    overlay.write_overlay_picture(video, run, paths["tracks.png"], middle, names=False)
    derived = derived_errors(truth)
    more = tuple(derived(run.xy)) if derived else ()
    return Act(
        *(name, clip, paths["tracks.csv"], paths["truth.csv"], paths["tracks.png"]),
        tracks=run,
        figures=(*evaluate(run, truth, mode="first").figures, *more),
    )


def _labels(truth: Tracks) -> Tracks:
    """Only frame 0 of the truth, as if placed by hand."""
    xy = np.full(truth.xy.shape, np.nan)
    xy[0] = truth.xy[0]
    cells = Cells.placed(xy, Source.MANUAL)
    arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
    return Tracks(**arrays, points=truth.points, video=truth.video)


def told(acts: Iterable[Act]) -> list[str]:
    """Table of how far the tracks are from the truth."""
    rows = [
        f"{'generated clip':<16}{'points':>8}{'moved, mm':>11}{'error, mm':>11}{'95 %, mm':>10}"
        "  mean error of"
    ]
    for act in acts:
        moved, mean, far = (
            _value(act.figures, metric) for metric in ("excursion", "mean_error", "p95_error")
        )
        rows.append(
            f"{act.name:<16}{act.tracks.shape[1]:>8}{moved:>11.1f}{mean:>11.2f}{far:>10.2f}"
            f"  {_made(act.figures)}"
        )
    return rows


def _value(figures: Iterable[Figure], metric: str) -> float:
    figure = find(figures, metric, "mm")
    return float("nan") if figure is None else figure.value


def _made(figures: tuple[Figure, ...]) -> str:
    words = {
        "wall_strain_error": "wall strain {:.1f} percentage points",
        "fascicle_length_error": "fascicle length {:.1f} mm",
        "fascicle_angle_error": "angle {:.1f} degrees",
    }
    known = ((text, find(figures, metric)) for metric, text in words.items())
    return ", ".join(text.format(figure.value) for text, figure in known if figure)
