"""How far the observers' figures depend on where exactly the points start.

Run ``python -m benchmarks.start_points DIR``, where DIR holds
``muscle/labels.csv`` and its clips. Each plain Lucas-Kanade tracker runs again
and again from start points moved at random by a hundredth and a tenth of a
pixel, far less than anybody can place them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import numpy as np

from napari_usstrack.core.tracker import finish
from napari_usstrack.flow.peers import PEERS
from napari_usstrack.pipelines.bench import observers
from napari_usstrack.pipelines.figures import find

METHODS = ("opencv-lk-21", "opencv-lk-45")
MOVES_PX = (0.01, 0.1)
REPEATS = 8


def main() -> None:
    """Print the smallest and largest mean error of each tracker and move."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    (case,) = observers.observer_cases([parser.parse_args().folder])
    plain, rng = observers.start_points, np.random.default_rng(0)
    print(f"{'method':<16}{'moved, px':>10}{'angle error, deg':>22}{'length error, mm':>22}")
    for method in METHODS:
        for move in MOVES_PX:

            def moved(start: dict[str, float], move: float = move) -> np.ndarray:
                xy = plain(start)
                return xy + rng.normal(0.0, move, xy.shape)

            told = []
            for _ in range(REPEATS):
                with mock.patch.object(observers, "start_points", moved):
                    *_, pooled = finish(case.run(PEERS[method]))
                told.append(
                    [find(pooled.figures, key).value for key in ("angle_error", "length_error")]
                )
            low, high = np.min(told, axis=0), np.max(told, axis=0)
            spans = "".join(f"{a:>14.2f} to {b:>5.2f}" for a, b in zip(low, high, strict=True))
            print(f"{method:<16}{move:>10}{spans}", flush=True)


if __name__ == "__main__":
    main()
