"""Make the pictures of README and docs: the real window, and the demo's overlay.

Run under a virtual display::

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python docs/make_pictures.py
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["NAPARI_ASYNC"] = "0"

import napari
from qtpy.QtCore import QCoreApplication

from napari_usstrack.core.tracker import finish
from napari_usstrack.io.sample import generated_truth
from napari_usstrack.pipelines.demo import WALL, run_demo
from napari_usstrack.widgets.form import Fold

IMAGES = Path(__file__).parent / "images"
FRAME = 14
DOUBTFUL = "lateral base"
LONGEST_S = 60.0
SMOOTHED = ("deep-4", "superficial-2", "fascicle-2-5")


def settle(seconds: float) -> None:
    """Let the window draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.01)


def wait(busy: Callable[[], bool]) -> None:
    """Let the window work until it is idle."""
    end = time.monotonic() + LONGEST_S
    while busy() and time.monotonic() < end:
        settle(0.1)


def opened(sample: str, places: Mapping[str, tuple[float, float]]) -> tuple[Any, Any]:
    """A window with a sample, the dock, and points in the first frame."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.open_sample("napari-usstrack", sample)
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    settle(1.0)
    dock.points.add.native.click()
    for name, (x, y) in places.items():
        dock.points.new_name.value = name
        dock.bench.labels.add([[0, y, x]])
    return viewer, dock


def open_fold(dock: Any, title: str) -> None:
    """Open one folded panel, close the others."""
    for fold in dock.findChildren(Fold):
        fold.button.setChecked(title in fold.button.text())
    settle(1.0)


def heart() -> None:
    """Open the echo cine, place the wall points, press Track, take two pictures."""
    viewer, dock = opened("echo_cine", WALL)
    dock.tracking.track.native.click()
    wait(lambda: dock.bench.session.busy)
    dock.bench.show_frame(FRAME)
    viewer.scene.camera.center = (0.0, 108.0, 172.0)
    viewer.scene.camera.zoom = 3.4
    settle(1.0)
    viewer.screenshot(str(IMAGES / "window.png"), canvas_only=False, flash=False)
    dock.traces.toggle()
    dock.bench.session.selection = (DOUBTFUL,)
    settle(1.0)
    open_fold(dock, "Check next")
    viewer.screenshot(str(IMAGES / "review.png"), canvas_only=False, flash=False)
    viewer.close()


def muscle() -> None:
    """Track points of the generated muscle, take a picture with the preview of smoothing on."""
    truth = generated_truth("muscle")
    places = {name: tuple(truth.xy[0, truth.column(name)]) for name in SMOOTHED}
    viewer, dock = opened("muscle", places)
    dock.tracking.method.value = "block-matching"
    dock.tracking.track.native.click()
    wait(lambda: dock.bench.session.busy)
    viewer.layers["generated muscle true motion"].visible = False
    dock.bench.show_frame(FRAME)
    dock.bench.session.selection = SMOOTHED[1:2]
    open_fold(dock, "Smooth")
    dock.smoothing.preview.value = True
    wait(lambda: dock.smoother.pending)
    settle(1.0)
    viewer.reset_view()
    settle(1.0)
    viewer.screenshot(str(IMAGES / "smooth.png"), canvas_only=False, flash=False)
    viewer.close()


def main() -> None:
    """Make all pictures, or those named on the command line."""
    IMAGES.mkdir(exist_ok=True)
    makers = {"heart": heart, "muscle": muscle, "overlay": overlay}
    for name in sys.argv[1:] or makers:
        makers[name]()


def overlay() -> None:
    """Draw the demo's tracks over a frame."""
    with TemporaryDirectory() as folder:
        shutil.copy(finish(run_demo(Path(folder))).picture, IMAGES / "overlay.png")


if __name__ == "__main__":
    main()
