"""Methods and settings on a fixed set of generated clips, for development.

Run ``python -m benchmarks.tune --methods tissue-flow,tissue-flow:window_mm=4``.
The set has one clip of every kind of scene in its usual view and one turned
muscle: 224 x 224 px, 48 frames, at most 24 points, each queried in the first
frame in which it is visible. Its seeds are not those of ``usstrack benchmark``,
so that settings may be chosen here. Per clip and as the plain mean over clips:
delta_avg in %, MTE in px at 256, mean error in mm (each point its mean over
frames), share of cells whose visibility is right, ms per point and frame.
``--cache FOLDER`` keeps the clips, ``--only TEXT`` takes those whose name holds
it, ``--each`` prints every clip.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.kept import Recipe, add_cache, cache, case_of, kept, tracked
from napari_usstrack.metrics.error import mte, summarise
from napari_usstrack.metrics.pairs import mean_or_nan
from napari_usstrack.metrics.tap import THRESHOLDS_PX, share_within
from napari_usstrack.pipelines.bench.cases import TrackedCase
from napari_usstrack.pipelines.bench.methods import Method, own
from napari_usstrack.pipelines.bench.run import warm_up
from napari_usstrack.pipelines.scores import AT_256, Comparison
from napari_usstrack.synth.catalogue import SCENES

FIRST_SEED = 5001
RECIPES = (
    *(Recipe(name, FIRST_SEED) for name in SCENES),
    Recipe("muscle-unipennate", FIRST_SEED + 1, orientation="any"),
)
COLUMNS = {"delta_avg": 2, "MTE px": 3, "mean mm": 3, "OA %": 1, "ms/pt-fr": 3}
"""Titles and digits."""


def development_set(folder: Path, only: str = "") -> list[Path]:
    """Files of the clips, made where they are missing."""
    return [kept(folder, recipe.name, recipe.made) for recipe in RECIPES if only in recipe.name]


def scored(compared: Comparison) -> tuple[float, ...]:
    """The first four of `COLUMNS`."""
    off, cells = compared.distances(), compared.scored
    shares = [share_within(off[AT_256], cells, limit=limit) for limit in THRESHOLDS_PX]
    agreed = (compared.visible & compared.found) == compared.true_visible
    return (
        100.0 * float(np.mean(shares)),
        mte(off[AT_256], cells),
        summarise(off["mm"], cells, unit="mm").mean,
        100.0 * mean_or_nan(agreed[compared.counted]),
    )


def measured(method: Method, cases: Sequence[TrackedCase], *, each: bool) -> None:
    """Print the mean over clips, and on demand every clip."""
    begun, rows = time.perf_counter(), []
    for case in cases:
        _, compared, ms = tracked(method.tracker, case)
        rows.append((*scored(compared), ms))
        if each:
            row(f"  {case.name}", rows[-1])
    row(method.name, np.nanmean(rows, axis=0), f"{time.perf_counter() - begun:.0f} s")


def row(name: str, values: Sequence[float] | np.ndarray, note: str = "") -> None:
    """Print one line of the table."""
    pairs = zip(values, COLUMNS.values(), strict=True)
    cells = "".join(f"{value:>10.{digits}f}" for value, digits in pairs)
    print(f"{name:<48}{cells}  {note}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade")
    parser.add_argument("--only", default="", metavar="TEXT", help="clips whose name holds TEXT")
    parser.add_argument("--each", action="store_true", help="print every clip, too")
    add_cache(parser)
    given = parser.parse_args()
    methods = own(given.methods)
    with cache(given.cache) as folder:
        cases = [case_of(path) for path in development_set(folder, given.only)]
        if not cases:
            raise SystemExit(f"No clip of the set has '{given.only}' in its name.")
        warm_up(methods)
        print(f"{f'{len(cases)} clips':<48}{''.join(f'{name:>10}' for name in COLUMNS)}  all")
        for method in methods:
            measured(method, cases, each=given.each)


if __name__ == "__main__":
    main()
