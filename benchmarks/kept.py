"""Rendered clips that are kept as ``.npz`` files, so that the next run need not draw them."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_usstrack.core.tracker import Tracker, finish
from napari_usstrack.core.tracks import Cells, Tracks
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.truth import read_arrays, true_tracks
from napari_usstrack.pipelines.bench.cases import TrackedCase, timed, tracked_case
from napari_usstrack.pipelines.scores import Comparison
from napari_usstrack.synth.catalogue import Orientation, draw
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import render
from napari_usstrack.synth.scene import Scene


@dataclass(frozen=True)
class Recipe:
    """A clip of a catalogue scene.

    Attributes
    ----------
    scene : str
        A key of `synth.catalogue.SCENES`.
    seed : int
    frames : int
    size_px : int
        Side of the square picture.
    points : int
        At most so many points are kept.
    orientation : {"usual", "any"}
    """

    scene: str
    seed: int
    frames: int = 48
    size_px: int = 224
    points: int = 24
    orientation: Orientation = "usual"

    @property
    def name(self) -> str:
        """Unique among recipes of one size and length."""
        turned = "" if self.orientation == "usual" else "-turned"
        return f"{self.scene}{turned}-{self.seed}"

    def made(self) -> Clip:
        """Draw the clip."""
        scene = draw(self.scene, self.seed, frames=self.frames, orientation=self.orientation)
        return drawn(scene, self.seed, self.size_px, self.points)


def drawn(scene: Scene, seed: int, size_px: int, points: int, *, from_start: bool = False) -> Clip:
    """Render a square clip of a scene with some of its points, see `some_points`."""
    clip = render(scene, seed=seed, size=size_px)
    return replace(clip, tracks=some_points(clip.tracks, points, from_start=from_start))


def some_points(truth: Tracks, most: int, *, from_start: bool = False) -> Tracks:
    """At most so many points, evenly taken from those seen in at least half of the frames.

    Parameters
    ----------
    truth : Tracks
    most : int
        How many.
    from_start : bool
        Only points that are seen in the first frame.
    """
    wanted = truth.visible.mean(axis=0) >= 0.5
    seen = np.flatnonzero(wanted & truth.visible[0] if from_start else wanted)
    at = np.unique(np.linspace(0, len(seen) - 1, min(most, len(seen))).round().astype(int))
    return truth.select([truth.points[i].name for i in seen[at]])


def kept(folder: Path, name: str, make: Callable[[], Clip]) -> Path:
    """File of a clip in a folder; the clip is made where the file is missing."""
    path = folder / f"{name}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        make().save(part)
        part.replace(path)
    return path


def case_of(path: Path) -> TrackedCase:
    """A clip with truth, each point queried in the first frame in which it is visible."""
    video = open_video(path)
    return tracked_case("kept", path.stem, video, true_tracks(read_arrays(path), video.info, path))


def tracked(tracker: Tracker, case: TrackedCase) -> tuple[Cells, Comparison, float]:
    """Track a case; also how it compares, and the ms per point and frame."""
    span = range(case.video.info.frame_count)
    cells, spent = finish(timed(tracker, case.video, case.queries(), span))
    compared = Comparison(
        xy=cells.xy,
        visible=cells.visible,
        true_xy=case.true_xy,
        true_visible=case.true_visible,
        judged=case.judged,
        query_frames=case.query_frames,
        mode="first",
        video=case.video.info,
    )
    return cells, compared, spent.value


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Let a command line name the folder of the clips."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keeps the rendered clips; empty it when the generator has changed "
        "(default: a temporary folder)",
    )


@contextmanager
def cache(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one that goes away."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
