"""The smoothing panel in a real window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.tracks import Source
from napari_usstrack.widgets.smooth_control import COMPUTING

pytestmark = pytest.mark.window
SAVGOL = {"window_s": 0.11, "order": 1}


@pytest.fixture
def window(make_napari_viewer, qtbot, monkeypatch):
    """A viewer with the dock, and the sentences it showed as notifications."""
    from napari_usstrack.widgets import main

    shown: list[str] = []
    monkeypatch.setattr(main, "show_error", shown.append)
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    qtbot.addWidget(dock)
    dock.shown = shown
    yield viewer, dock
    dock.close_benches()


@pytest.fixture
def tracked(window, qtbot, clip_file):
    """The dock with two tracked points and the smoothing panel open."""
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    dock.points.add.native.click()
    for name, (x, y) in {"a": (48.0, 40.0), "b": (30.0, 30.0)}.items():
        dock.points.new_name.value = name
        dock.bench.labels.add([[0, y, x]])
    dock.tracking.method.value = "lucas-kanade"
    dock.tracking.settings["window"].value = 21
    dock.tracking.track.native.click()
    idle(qtbot, dock)
    dock.open_smoothing()
    return dock


def idle(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=20_000)


def seen(qtbot, dock):
    """The preview, once it is there."""
    qtbot.waitUntil(lambda: not dock.smoother.pending, timeout=20_000)
    return dock.bench.session.smooth_preview.now


def choose(panel, method: str, **settings) -> None:
    panel.method.value = method
    for name, value in settings.items():
        panel.settings[name].value = value


def drawn(dock) -> np.ndarray:
    """What the trace plot draws of the preview: x of both points."""
    return dock.traces.plot.panes.all["x"].drawing.preview


def test_without_a_run_the_panel_says_what_to_do(window, clip_file) -> None:
    viewer, dock = window
    panel = dock.smoothing
    dock.open_smoothing()
    assert "Press Track or Fill" in panel.nothing.text()
    assert panel.nothing.isVisibleTo(panel)
    assert not panel.source.native.isVisibleTo(panel)
    assert not panel.apply.enabled
    viewer.open(clip_file, plugin="napari-usstrack")
    assert panel.nothing.isVisibleTo(panel)
    panel.preview.value = True
    assert dock.bench.session.smooth_preview.now is None


def test_every_method_shows_its_settings_with_units(tracked) -> None:
    panel = tracked.smoothing
    assert panel.source.native.isVisibleTo(panel)
    assert not panel.nothing.isVisibleTo(panel)
    assert panel.run == "track"
    for method in panel.method.choices:
        panel.method.value = method
        assert panel.summary.text()
        assert panel.settings
    choose(panel, "butterworth")
    assert set(panel.options) == {"cutoff_hz", "order", "keep_anchors"}


def test_smooth_makes_a_run_beside_the_raw_one_that_undo_takes_back(tracked, qtbot) -> None:
    dock = tracked
    choose(dock.smoothing, "savgol", **SAVGOL)
    raw = dock.bench.session.runs["track"]
    dock.smoothing.apply.native.click()
    idle(qtbot, dock)
    session = dock.bench.session
    assert session.runs["track"] is raw
    assert (session.runs["smooth"].source == Source.SMOOTHED).any()
    assert "Done" in dock.tracking.status.text()
    assert dock.curator.regions.current.value == "smooth"
    assert dock.curator.regions.reference.value == "track"
    assert dock.smoothing.run == "track"
    names = [layer.name for layer in dock.bench.layers]
    assert {"clip.npz track", "clip.npz smooth"} <= set(names)
    dock.undo.native.click()
    assert list(session.runs) == ["track"]
    assert dock.curator.regions.current.value == "track"
    assert dock.curator.regions.reference.value == "none"
    dock.redo.native.click()
    assert dock.curator.regions.current.value == "smooth"


def test_the_preview_follows_settings_selection_and_edits(tracked, qtbot) -> None:
    dock = tracked
    panel, session = dock.smoothing, dock.bench.session
    choose(panel, "savgol", **SAVGOL)
    session.selection = ("b",)
    panel.preview.value = True
    assert dock.traces.visible
    first = seen(qtbot, dock)
    assert first.point == "b"
    assert "b, frames 0 to 11" in panel.note.text()
    assert "3 frames" in panel.note.text()
    assert np.isnan(drawn(dock)[:, 0]).all()
    np.testing.assert_allclose(drawn(dock)[:, 1], 0.1 * first.tracks.xy[:, 0, 0])
    panel.settings["window_s"].value = 0.2
    wider = seen(qtbot, dock)
    assert np.abs(wider.tracks.xy - first.tracks.xy).max() > 0
    session.selection = ("a",)
    assert seen(qtbot, dock).point == "a"
    session.place("a", 5, (56.0, 40.0))
    assert dock.bench.session.smooth_preview.now is None
    assert not drawn(dock).size
    moved = seen(qtbot, dock)
    assert moved.tracks.xy[5, 0, 0] > 53.5
    assert list(session.runs) == ["track"]
    panel.preview.value = False
    assert session.smooth_preview.now is None
    assert not drawn(dock).size
    assert panel.note.text() == ""


def test_the_preview_of_flow_windows_is_what_comes_out(tracked, qtbot) -> None:
    dock = tracked
    panel, session = dock.smoothing, dock.bench.session
    choose(panel, "flow-window", window_s=0.17, patch_px=21)
    panel.preview.value = True
    now = seen(qtbot, dock)
    panel.apply.native.click()
    idle(qtbot, dock)
    out = session.runs["smooth"]
    np.testing.assert_array_equal(now.tracks.xy[:, 0], out.xy[:, out.column(now.point)])


def test_a_stale_preview_never_shows(tracked, qtbot, monkeypatch) -> None:
    dock = tracked
    session, shown = dock.bench.session, []
    session.smooth_preview.changed.connect(lambda: shown.append(session.smooth_preview.now))
    choose(dock.smoothing, "flow-window", window_s=0.17, patch_px=21)
    dock.smoothing.preview.value = True
    for window_s in (0.2, 0.23, 0.27):
        qtbot.waitUntil(lambda: session.smooth_preview.busy or bool(shown), timeout=5000)
        shown.clear()
        dock.smoothing.settings["window_s"].value = window_s
    assert seen(qtbot, dock).tracks.log[-1].settings["window_s"] == 0.27
    assert session.smooth_preview.now is shown[-1]


def test_what_cannot_be_previewed_is_said_in_the_panel(tracked, qtbot) -> None:
    dock = tracked
    choose(dock.smoothing, "flow-window", window_s=5.0)
    dock.smoothing.preview.value = True
    assert seen(qtbot, dock) is None
    assert "has 12; set window_s to 0.4 or less" in dock.smoothing.note.text()
    assert dock.smoothing.note.text() != COMPUTING
    dock.smoothing.apply.native.click()
    assert "set window_s to" in dock.shown[-1]
    assert not dock.bench.session.busy


def test_chosen_points_only(tracked, qtbot) -> None:
    dock = tracked
    session = dock.bench.session
    choose(dock.smoothing, "savgol", **SAVGOL)
    dock.smoothing.points.value = "chosen points"
    session.selection = ()
    dock.smoothing.apply.native.click()
    assert "No point is chosen" in dock.shown[-1]
    session.selection = ("b",)
    dock.smoothing.apply.native.click()
    idle(qtbot, dock)
    out = session.runs["smooth"]
    np.testing.assert_array_equal(out.xy[:, 0], session.runs["track"].xy[:, 0])
    assert (out.source[:, 1] == Source.SMOOTHED).any()


def test_cancel_is_idle_at_once_and_changes_nothing(window, qtbot, clip) -> None:
    from qtpy.QtCore import QThreadPool

    from napari_usstrack.io.array_video import array_video

    viewer, dock = window
    frames = np.tile(clip.frames, (40, 3, 3))
    viewer.add_image(frames, name="long", contrast_limits=(0, 255))
    info = array_video(frames, fps=30.0).info
    session = dock.bench.session
    session.calibrate(info.calibration)
    session.place_all("place", {(f, "a"): (140.0, 120.0 + f % 3) for f in range(480)})
    session.set_run("hand", session.annotations)
    dock.open_smoothing()
    choose(dock.smoothing, "flow-window")
    dock.smoothing.apply.native.click()
    assert session.busy
    assert not dock.smoothing.apply.enabled
    qtbot.waitUntil(lambda: "per second" in dock.tracking.status.text(), timeout=10_000)
    dock.tracking.stop.native.click()
    assert not session.busy
    assert dock.smoothing.apply.enabled
    assert list(session.runs) == ["hand"]
    assert "Cancelled" in dock.tracking.status.text()
    assert QThreadPool.globalInstance().waitForDone(5000)


def test_another_clip_takes_the_preview_away(tracked, qtbot, clip) -> None:
    dock = tracked
    choose(dock.smoothing, "savgol", **SAVGOL)
    dock.smoothing.preview.value = True
    assert seen(qtbot, dock) is not None
    first = dock.bench
    dock.clip.image.value = dock.bench.viewer.add_image(clip.frames, name="other")
    assert dock.bench is not first
    assert first.session.smooth_preview.now is None
    assert dock.smoothing.nothing.isVisibleTo(dock.smoothing)
    dock.clip.image.value = first.image
    assert seen(qtbot, dock) is not None
