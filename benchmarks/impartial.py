"""Whether methods favour a direction, or see motion where there is none, on generated clips.

Run ``python -m benchmarks.impartial --cache FOLDER``. Clips of hearts, muscles and
free texture, 256 x 256 px, 24 frames, at most 16 points seen and queried in frame 0.
All figures are in px of these pictures, means over clips:

- ``motion``: how far the points move in the method's plain run; a method that never
  moves has no gap
- ``left-right``, ``up-down``, ``quarter turn``: the clip mirrored or turned, tracked
  and the answer turned back; gap to the plain run, 0 for an impartial method
- ``static``: false motion on frame 0 again and again with fresh noise (standard
  deviation 4 grey levels) in every frame
- ``rigid``: frame 0 moved as a whole by 10 px in 8 equal steps, each in eight
  directions, with fresh noise; mean error, ``max-min`` of the means by direction, and
  ``excursion %``, how far the points were moved of how far they should have been. The
  second table has the mean error by direction, degrees counter-clockwise from the right.

Steps are 1.25 px, so that pictures are interpolated and slightly blurred, not alike
in all directions; ``usstrack benchmark --sets checks`` moves by whole px. Brackets
hold 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.kept import add_cache, cache, case_of, drawn, kept
from napari_usstrack.core.tracker import Queries, Tracker, finish
from napari_usstrack.core.video import Video
from napari_usstrack.metrics.impartiality import ANGLES_DEG, equivariance, rigid_motion
from napari_usstrack.metrics.pairs import Floats, mean_or_nan
from napari_usstrack.metrics.robustness import static_motion
from napari_usstrack.pipelines.bench.checks import NOISE_GREY, TRAVEL_PX
from napari_usstrack.pipelines.bench.methods import own
from napari_usstrack.pipelines.bench.run import warm_up
from napari_usstrack.pipelines.figures import Figure, resampled
from napari_usstrack.synth.catalogue import SCENES as CATALOGUE
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.clip import Clip

SIZE_PX, FRAMES, POINTS = 256, 24, 16
FIRST_SEED = 9401
SCENES = ("heart-a4c", "heart-a2c", "heart-sax", "muscle-unipennate", "muscle-bipennate", "free")
STEPS = 8
CHANGES = {
    "left-right": "left-right",
    "up-down": "up-down",
    "quarter turn": "quarter turn left",
}
"""Titles of columns and names of changes."""
COLUMNS = ("motion", *CHANGES, "static", "rigid", "max-min", "excursion %")


@dataclass(frozen=True, eq=False)
class Look:
    """What was measured on one clip.

    Attributes
    ----------
    motion, static : float
        Mean excursion of the plain run, and false motion, px.
    gaps : tuple of float
        In the order of `CHANGES`, px.
    rigid : float64 ndarray, shape (8,)
        Mean error in each of `ANGLES_DEG`, px.
    excursions : float64 ndarray, shape (8,)
        Found over true excursion.
    """

    motion: float
    gaps: tuple[float, ...]
    static: float
    rigid: Floats
    excursions: Floats


def looked(
    tracker: Tracker, video: Video, queries: Queries, *, noise_grey: float = NOISE_GREY
) -> Look:
    """Run all checks on one clip whose points are queried in frame 0."""
    given = (tracker, video, queries)
    whole, steps = range(video.info.frame_count), range(STEPS + 1)
    turned = finish(equivariance(*given, whole, changes=tuple(CHANGES.values())))
    still = finish(static_motion(*given, whole, noise_grey=noise_grey))
    moved = rigid_motion(*(*given, steps), travel_px=TRAVEL_PX, whole=False, noise_grey=noise_grey)
    rigid = finish(moved)
    return Look(
        motion=turned.excursion_px,
        gaps=tuple(gap.mean_px for gap in turned.gaps),
        static=still.mean_px,
        rigid=np.array(rigid.errors_px),
        excursions=np.array(rigid.excursion_shares),
    )


def figures(looks: Sequence[Look]) -> list[Figure]:
    """What `COLUMNS` name, with intervals over clips."""
    simple = np.array([(look.motion, *look.gaps, look.static) for look in looks])
    rigid = np.array([look.rigid for look in looks])
    shares = np.array([look.excursions for look in looks])

    def spread(at: NDArray[np.intp]) -> float:
        means = by_direction(rigid[at])
        return float(means.max() - means.min())

    statistics = [
        *(lambda at, i=i: mean_or_nan(simple[at, i]) for i in range(simple.shape[1])),
        lambda at: mean_or_nan(rigid[at]),
        spread,
        lambda at: 100.0 * mean_or_nan(shares[at]),
    ]
    return [
        resampled(name, "%" if "%" in name else "px", len(looks), statistic, over="clip")
        for name, statistic in zip(COLUMNS, statistics, strict=True)
    ]


def by_direction(rigid: Floats) -> Floats:
    """Mean error in each direction over clips, px."""
    return np.array([mean_or_nan(column) for column in rigid.T])


def described(name: str, found: Sequence[Figure]) -> str:
    """One line of the first table."""
    line = f"{name:<44}"
    for figure in found:
        digits = 1 if figure.unit == "%" else 2
        low, high = (f"{value:.{digits}f}" for value in (figure.low, figure.high))
        ends = "" if np.isnan(figure.low) else f" ({low}-{high})"
        line += f"{f'{figure.value:.{digits}f}{ends}':>22}"
    return line


def directions(name: str, looks: Sequence[Look]) -> str:
    """One line of the second table."""
    means = by_direction(np.array([look.rigid for look in looks]))
    return f"{name:<44}{''.join(f'{value:>10.2f}' for value in means)}"


def made(name: str) -> Clip:
    """Draw one clip."""
    return drawn(
        draw(name, FIRST_SEED, frames=FRAMES), FIRST_SEED, SIZE_PX, POINTS, from_start=True
    )


def clip(folder: Path, name: str) -> tuple[Video, Queries]:
    """One clip and its points."""
    case = case_of(kept(folder, f"impartial-{name}-{FIRST_SEED}", partial(made, name)))
    return case.video, case.queries()


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade")
    parser.add_argument("--scenes", default=",".join(SCENES), help="default: %(default)s")
    parser.add_argument("--each", action="store_true", help="print every clip, too")
    add_cache(parser)
    given = parser.parse_args(words)
    methods, scenes = own(given.methods), given.scenes.split(",")
    if unknown := [name for name in scenes if name not in CATALOGUE]:
        raise SystemExit(f"There is no scene '{unknown[0]}'; choose from: {', '.join(CATALOGUE)}.")
    with cache(given.cache) as folder:
        clips = {name: clip(folder, name) for name in scenes}
    warm_up(methods)
    print(f"{f'{len(clips)} clips, px':<44}{''.join(f'{name:>22}' for name in COLUMNS)}")
    looks: dict[str, list[Look]] = {}
    for method in methods:
        own_looks = looks[method.name] = []
        for name, one in clips.items():
            own_looks.append(looked(method.tracker, *one))
            if given.each:
                print(described(f"  {name}", figures(own_looks[-1:])), flush=True)
        print(described(method.name, figures(own_looks)), flush=True)
    print(f"\n{'mean error by direction, px':<44}{''.join(f'{a:>10}' for a in ANGLES_DEG)}")
    for name, some in looks.items():
        print(directions(name, some))


if __name__ == "__main__":
    main()
