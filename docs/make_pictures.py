"""Make the README's pictures: the real window with tracks and traces, and the demo's overlay.

Run under a virtual display::

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python docs/make_pictures.py
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["NAPARI_ASYNC"] = "0"

import napari
from qtpy.QtCore import QCoreApplication

from napari_usstrack.core.tracker import finish
from napari_usstrack.pipelines.demo import SETTINGS, WALL, run_demo
from napari_usstrack.widgets.form import Fold

IMAGES = Path(__file__).parent / "images"
FRAME = 14
DOUBTFUL = "lateral mid"
LONGEST_S = 60.0


def settle(seconds: float) -> None:
    """Let the window draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.01)


def main() -> None:
    """Open the sample, place the wall points, press Track, take the picture."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.open_sample("napari-usstrack", "echo_cine")
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    settle(1.0)
    dock.points.add.native.click()
    for name, (x, y) in WALL.items():
        dock.points.new_name.value = name
        dock.bench.labels.add([[0, y, x]])
    dock.tracking.settings["window"].value = SETTINGS["window"]
    dock.tracking.track.native.click()
    end = time.monotonic() + LONGEST_S
    while dock.bench.session.busy and time.monotonic() < end:
        settle(0.1)
    dock.bench.show_frame(FRAME)
    viewer.scene.camera.center = (0.0, 108.0, 172.0)
    viewer.scene.camera.zoom = 3.4
    settle(1.0)
    IMAGES.mkdir(exist_ok=True)
    viewer.screenshot(str(IMAGES / "window.png"), canvas_only=False, flash=False)
    dock.traces.toggle()
    dock.bench.session.selection = (DOUBTFUL,)
    settle(1.0)
    for fold in dock.findChildren(Fold):
        fold.button.setChecked("Check next" in fold.button.text())
    settle(1.0)
    viewer.screenshot(str(IMAGES / "review.png"), canvas_only=False, flash=False)
    viewer.close()
    with TemporaryDirectory() as folder:
        shutil.copy(finish(run_demo(Path(folder))).picture, IMAGES / "overlay.png")


if __name__ == "__main__":
    main()
