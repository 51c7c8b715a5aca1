"""Time per frame step inside the plugin and in the whole viewer.

Run under a display: ``xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX"
python -m benchmarks.ui``. A made clip of 640 x 480 px with 20 points over
2000 frames is stepped through, first bare, then with all layers of the dock.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["NAPARI_ASYNC"] = "0"

import napari
import numpy as np
from qtpy.QtCore import QCoreApplication

from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.io.array_video import array_video
from napari_usstrack.widgets.layers import clip_layer
from napari_usstrack.widgets.workbench import Workbench


def made_run(frames: int, points: int) -> Tracks:
    """Twenty points on slow circles, every cell filled."""
    random = np.random.default_rng(0)
    centre = random.uniform(100, 380, (points, 2))
    phase = np.linspace(0, 40 * np.pi, frames)[:, None]
    xy = centre + 30 * np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    cells = Cells.placed(xy, Source.FLOW, confidence=0.8)
    pictures = random.integers(0, 255, (8, 480, 640), dtype=np.uint8)
    video = array_video(np.concatenate([pictures] * (frames // 8)))
    arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
    run = Tracks(**arrays, points=named_points([f"p{i}" for i in range(points)]), video=video.info)
    made_run.video = video
    return run


def step_through(viewer: napari.Viewer, steps: int, first: int = 500) -> np.ndarray:
    """Milliseconds per step, drawing included."""
    spent = []
    for frame in range(first, first + steps):
        begun = time.perf_counter()
        viewer.dims.set_current_step(0, frame)
        QCoreApplication.processEvents()
        spent.append(1e3 * (time.perf_counter() - begun))
    return np.array(spent)


def line(what: str, ms: np.ndarray) -> str:
    """One row of the table."""
    return f"{what:<44}{np.median(ms):>9.2f}{np.quantile(ms, 0.95):>9.2f}{ms.max():>9.2f}"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    run = made_run(args.frames, args.points)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    data, options, _ = clip_layer(made_run.video, "clip")
    viewer.add_image(data, **options)
    step_through(viewer, 30)
    bare = step_through(viewer, args.steps)
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    session = dock.bench.session
    names = [(0, name) for name in run.names]
    session.place_all("label", dict(zip(names, run.xy[0], strict=True)))
    dock.add_points()
    session.set_run("track", run)
    spent: list[float] = []
    inner = Workbench._on_step

    def timed(self: Workbench, event: object) -> None:
        begun = time.perf_counter()
        inner(self, event)
        spent.append(1e3 * (time.perf_counter() - begun))

    viewer.dims.events.point.disconnect(dock.bench._on_step)
    viewer.dims.events.point.connect(lambda event: timed(dock.bench, event))
    step_through(viewer, 30)
    spent.clear()
    whole = step_through(viewer, args.steps)
    print(f"{'ms per frame step':<44}{'median':>9}{'p95':>9}{'max':>9}")
    print(line("bare image layer, whole viewer", bare))
    print(line("with labels, tracks and points, whole viewer", whole))
    print(line("inside our callbacks", np.array(spent)))
    viewer.close()


if __name__ == "__main__":
    main()
