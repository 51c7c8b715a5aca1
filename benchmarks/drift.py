"""Error in the last cycle over error in the first, on long clips with exact motion.

Run ``python -m benchmarks.drift --cache FOLDER``. Three kinds of clips, 256 x 256
px, at most 20 points that are seen in frame 0 and queried there:

- ``muscle``: 20 contractions of a unipennate muscle at 30 frames/s
- ``heart``: 10 beats of an apical four-chamber view
- ``fast``: a bipennate muscle that contracts and lets go again and again, each time
  in 0.4 to 1 s, 1,500 frames at 300 frames/s

A cycle is the mean one of the clip. The first is the one that follows the query
frame, the last the one that the clip ends with, both whole, so each holds all
phases. The error is the mean over the frames of a cycle in which a point is
truly visible, then over the points that are scored in both cycles. A ratio of
two small errors says little, hence both stand beside it. ``staying`` is the error
of points that never move: cycles differ, and where its ratio is not 1 the first
and the last cycle are not equally hard. ``called visible`` is the share of truly
visible cells of the last cycle that the method calls visible, ``survival`` the
share of frames before a point is first more than 50 px at 256 off.
``--seeds 9101,9102`` takes more clips of each kind.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept import add_cache, cache, case_of, drawn, kept, tracked
from napari_usstrack.io.truth import read_arrays
from napari_usstrack.metrics.pairs import Floats, Mask, mean_or_nan, survival
from napari_usstrack.metrics.tap import LOST_PX
from napari_usstrack.pipelines.bench.methods import Method, own
from napari_usstrack.pipelines.bench.run import warm_up
from napari_usstrack.pipelines.scores import AT_256, Comparison
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.scene import Scene

SIZE_PX, POINTS = 256, 20
FIRST_SEED = 9101
HEART = "heart-a4c"
CYCLES, BEATS = 20, 10
SLOW_FPS = 30.0
FAST_FPS, FAST_FRAMES = 300.0, 1500
COLUMNS = {
    **{"first mm": 10, "last mm": 10, "last/first": 12, "first px": 10, "last px": 10},
    **{"called visible %": 18, "survival %": 12, "ms/pt-fr": 12},
}
"""Titles and widths."""


# --- clips -----------------------------------------------------------------------------------


def muscle(seed: int) -> tuple[Scene, float]:
    """Twenty contractions; anatomy and course are drawn as for a clip of three seconds."""
    scene, cycle_s = contracting("muscle-unipennate", seed, drawn_s=3.0)
    frames = count(CYCLES, cycle_s, SLOW_FPS)
    return replace(scene, fps=SLOW_FPS, frame_count=frames), cycle_s


def fast(seed: int) -> tuple[Scene, float]:
    """Sudden contractions; drawn as for a clip of one second."""
    scene, cycle_s = contracting("muscle-bipennate", seed, drawn_s=1.0)
    return replace(scene, fps=FAST_FPS, frame_count=FAST_FRAMES), cycle_s


def contracting(name: str, seed: int, drawn_s: float) -> tuple[Scene, float]:
    """A muscle that contracts again and again without an end, and the seconds of a cycle."""
    fps = draw(name, seed, frames=1, manner="cycles").fps
    scene = draw(name, seed, frames=round(drawn_s * fps), manner="cycles")
    motion: Any = scene.body("muscle").motion
    return scene, float(motion.at.effort.main.period_s)


def heart(seed: int) -> tuple[Scene, float]:
    """Ten beats; their number decides the length of the clip."""
    first = draw(HEART, seed, frames=2)
    scene = draw(HEART, seed, frames=count(BEATS, beat_s(first), first.fps))
    return scene, beat_s(scene)


def beat_s(scene: Scene) -> float:
    """Mean seconds of a beat."""
    return 60.0 / scene.facts["heart_rate_bpm"]


def count(cycles: int, cycle_s: float, fps: float) -> int:
    """Frames of so many cycles and the query frame before them."""
    return round(cycles * cycle_s * fps) + 1


KINDS: dict[str, Callable[[int], tuple[Scene, float]]] = {
    "muscle": muscle,
    "heart": heart,
    "fast": fast,
}
"""From a seed to a scene and the mean seconds of its cycles."""


def made(kind: str, seed: int) -> Clip:
    """Render a scene; the length of a cycle becomes one of the clip's facts."""
    scene, cycle_s = KINDS[kind](seed)
    clip = drawn(scene, seed, SIZE_PX, POINTS, from_start=True)
    return replace(clip, facts={**clip.facts, "cycle_s": cycle_s})


# --- figures ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """Errors in the first and the last cycle.

    Attributes
    ----------
    first, last : float
        In the unit of the distances; NaN where no point is scored in both.
    points : int
        How many are.
    """

    first: float
    last: float
    points: int

    @property
    def ratio(self) -> float:
        """Last over first."""
        return self.last / self.first if self.first else float("nan")


def ends(distances: Floats, scored: Mask, cycle: int) -> Ends:
    """Mean error in the first and the last cycle of the points that are scored in both.

    Parameters
    ----------
    distances : float64 ndarray, shape (frames, points)
        Of prediction and truth; points are queried in frame 0.
    scored : bool ndarray, shape (frames, points)
        Cells that count.
    cycle : int
        Frames of a cycle.
    """
    use = scored & ~np.isnan(distances)
    first, last = slice(1, 1 + cycle), slice(len(use) - cycle, len(use))
    both = np.flatnonzero(use[first].any(axis=0) & use[last].any(axis=0))
    means = [
        mean_or_nan([distances[part, i][use[part, i]].mean() for i in both])
        for part in (first, last)
    ]
    return Ends(*means, len(both))


def staying(compared: Comparison) -> Comparison:
    """The same clip with points that never move."""
    home = compared.true_xy[compared.query_frames, np.arange(len(compared.query_frames))]
    xy = np.broadcast_to(home, compared.true_xy.shape).copy()
    return replace(compared, xy=xy, visible=np.ones_like(compared.visible))


def described(name: str, compared: Comparison, cycle: int, ms: float = float("nan")) -> str:
    """One line of the table."""
    off, scored = compared.distances(), compared.scored
    mm, px = (ends(off[unit], scored, cycle) for unit in ("mm", AT_256))
    last = scored[-cycle:]
    visible = 100.0 * mean_or_nan(compared.visible[-cycle:][last])
    lives = 100.0 * survival(off[AT_256], scored, query_frames=compared.query_frames, limit=LOST_PX)
    return (
        f"{name:<36}{mm.first:>10.3f}{mm.last:>10.3f}{mm.ratio:>12.2f}{px.first:>10.2f}"
        f"{px.last:>10.2f}{visible:>18.1f}{lives:>12.1f}{ms:>12.3f}"
    )


def compare(path: Path, methods: Sequence[Method]) -> None:
    """Print the lines of one clip."""
    case = case_of(path)
    info = case.video.info
    assert info.fps is not None
    cycle_s = float(read_arrays(path)["fact_cycle_s"])
    cycle = round(cycle_s * info.fps)
    titles = "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    print(f"{path.stem}: {info.frame_count} frames at {info.fps:.0f} frames/s, ", end="")
    print(f"cycles of {cycle_s:.2f} s, {len(case.query_frames)} points")
    print(f"{'  method':<36}{titles}")
    for method in methods:
        _, compared, ms = tracked(method.tracker, case)
        print(described(f"  {method.name}", compared, cycle, ms), flush=True)
    print(described("  staying", staying(compared), cycle), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of: %(default)s")
    parser.add_argument("--seeds", default=str(FIRST_SEED), help="one clip of each kind for each")
    add_cache(parser)
    given = parser.parse_args()
    methods, kinds = own(given.methods), given.kinds.split(",")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise SystemExit(f"There is no kind '{unknown[0]}'; choose from: {', '.join(KINDS)}.")
    warm_up(methods)
    with cache(given.cache) as folder:
        for kind in kinds:
            for seed in map(int, given.seeds.split(",")):
                path = kept(folder, f"drift-{kind}-{seed}", partial(made, kind, seed))
                compare(path, methods)


if __name__ == "__main__":
    main()
