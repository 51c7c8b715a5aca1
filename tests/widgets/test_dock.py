"""The dock in a real window."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress
from napari_usstrack.session import Job

pytestmark = pytest.mark.window


@pytest.fixture
def window(make_napari_viewer, qtbot, monkeypatch):
    """A viewer with the dock, and the sentences it showed as notifications."""
    from napari_usstrack.widgets import files, main

    shown: list[str] = []
    monkeypatch.setattr(main, "show_error", shown.append)
    monkeypatch.setattr(files, "show_info", shown.append)
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    qtbot.addWidget(dock)
    dock.shown = shown
    yield viewer, dock
    dock.close_benches()


def wait_until_idle(qtbot, dock) -> None:
    qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=20_000)


def place(viewer, dock, places: dict[str, tuple[float, float]], frame: int = 0) -> None:
    dock.points.add.native.click()
    dock.bench.show_frame(frame)
    for name, (x, y) in places.items():
        dock.points.new_name.value = name
        dock.bench.labels.add([[frame, y, x]])


def test_empty_dock_says_what_to_do_and_offers_nothing(window) -> None:
    _, dock = window
    assert "Drop an ultrasound video" in dock.clip.facts.text()
    assert not dock.tracking.track.enabled
    assert not dock.points.isEnabled()
    assert not dock.save.enabled


def test_open_place_track_and_see(window, qtbot, clip_file, clip) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    assert "12 of 96 x 80 px" in dock.clip.facts.text()
    assert "0.1 mm per px" in dock.clip.facts.text()
    assert "Add points" in dock.tracking.status.text()
    assert not dock.tracking.track.enabled
    place(viewer, dock, {"a": (48.0, 40.0), "b": (30.0, 30.0)})
    assert dock.points.new_name.value == "b 2"
    assert "press Track" in dock.tracking.status.text()
    dock.tracking.method.value = "lucas-kanade"
    dock.tracking.settings["window"].value = 21
    dock.tracking.track.native.click()
    assert dock.tracking.stop.enabled
    wait_until_idle(qtbot, dock)
    run = dock.bench.session.runs["track"]
    truth = clip.truth(np.array([[48.0, 40.0], [30.0, 30.0]]))
    np.testing.assert_allclose(run.xy, truth, atol=0.35)
    assert "Done: 12 frames" in dock.tracking.status.text()
    assert [layer.name for layer in viewer.layers] == [
        "clip.npz",
        "clip.npz track",
        "clip.npz labels",
    ]


def test_fill_goes_through_every_label(window, qtbot, clip_file) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    place(viewer, dock, {"a": (48.0, 40.0)})
    dock.points.next.value = "a"
    dock.bench.show_frame(8)
    dock.bench.labels.add([[8, 47.0, 60.0]])
    dock.tracking.fill.native.click()
    wait_until_idle(qtbot, dock)
    run = dock.bench.session.runs["track"]
    np.testing.assert_array_equal(run.xy[8, 0], [60.0, 47.0])
    assert run.present.all()


def endless(closed: list[str]):
    try:
        for done in range(100_000):
            time.sleep(0.01)
            yield Progress(done, 100_000)
    finally:
        closed.append("closed")


def test_cancel_answers_at_once_and_changes_nothing(window, qtbot, clip_file) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    place(viewer, dock, {"a": (48.0, 40.0)})
    closed: list[str] = []
    dock.bench.session.start(Job("Endless", "track", lambda: "same", lambda: endless(closed)))
    qtbot.waitUntil(lambda: "per second" in dock.tracking.status.text(), timeout=5000)
    dock.tracking.stop.native.click()
    assert not dock.bench.session.busy
    assert dock.bench.session.runs == {}
    assert "Cancelled" in dock.tracking.status.text()
    qtbot.waitUntil(lambda: closed == ["closed"], timeout=1000)
    from qtpy.QtCore import QThreadPool

    assert QThreadPool.globalInstance().waitForDone(1000)


def test_labels_that_change_meanwhile_drop_the_result(window, qtbot, clip) -> None:
    viewer, dock = window
    viewer.add_image(np.tile(clip.frames, (20, 4, 4)), name="long", contrast_limits=(0, 255))
    place(viewer, dock, {"a": (48.0, 40.0)})
    dock.tracking.track.native.click()
    dock.bench.session.place("a", 0, (50.0, 41.0))
    wait_until_idle(qtbot, dock)
    assert dock.bench.session.runs == {}
    assert "dropped" in dock.tracking.status.text()


def test_undo_and_redo_buttons_follow_the_history(window, clip_file) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    place(viewer, dock, {"a": (48.0, 40.0)})
    assert dock.undo.enabled
    assert not dock.redo.enabled
    dock.undo.native.click()
    assert not dock.bench.session.annotations.by_hand.any()
    assert dock.redo.enabled
    dock.redo.native.click()
    assert dock.bench.session.annotations.by_hand.sum() == 1


def test_save_close_and_open_again_restores_all(window, qtbot, clip_file) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    place(viewer, dock, {"a": (48.0, 40.0)})
    dock.tracking.track.native.click()
    wait_until_idle(qtbot, dock)
    dock.save.native.click()
    before = dock.bench.session
    assert dock.shown
    assert "clip.npz.usstrack.json" in dock.shown[-1]
    for layer in list(viewer.layers)[::-1]:
        if hasattr(layer, "text"):
            layer.text.visible = False
        viewer.layers.remove(layer)
    assert dock.bench is None
    viewer.open(clip_file, plugin="napari-usstrack")
    after = dock.bench.session
    assert after is not before
    assert after.annotations.equals(before.annotations)
    assert after.runs["track"].equals(before.runs["track"])
    assert len(viewer.layers) == 3
    assert dock.bench.labels.features["point"].tolist() == ["a"]


def test_a_typed_scale_counts(window, clip) -> None:
    viewer, dock = window
    viewer.add_image(clip.frames, name="bare", contrast_limits=(0, 255))
    assert "unknown" in dock.clip.facts.text()
    dock.clip.scale_typed.emit("0.08,0.1")
    assert dock.bench.session.annotations.video.spacing_mm == (0.08, 0.1)
    assert "0.08 (x), 0.1 (y)" in dock.clip.facts.text()
    dock.clip.scale_typed.emit("wide")
    assert "cannot be 'wide'" in dock.shown[-1]


def test_time_axis_can_be_chosen_where_there_are_more(window, clip) -> None:
    viewer, dock = window
    both = np.stack([clip.frames, clip.frames[::-1]], axis=1)
    viewer.add_image(both, name="two views", contrast_limits=(0, 255))
    assert dock.bench.session.video.info.frame_count == 12
    dock.clip.time_axis.value = 1
    assert dock.bench.session.video.info.frame_count == 2


def test_a_failing_run_is_told_in_one_sentence(window, clip_file) -> None:
    viewer, dock = window
    viewer.open(clip_file, plugin="napari-usstrack")
    place(viewer, dock, {"a": (48.0, 40.0)})
    dock.tracking.first.value = 5
    dock.tracking.track.native.click()
    assert dock.shown
    assert dock.shown[-1].startswith("Point 'a' is first labelled in frame 0")


def test_a_second_window_gets_read_only(window, clip_file) -> None:
    from napari_usstrack.session import Session

    viewer, dock = window
    with Session.open(clip_file):
        viewer.open(clip_file, plugin="napari-usstrack")
        assert "read-only" in dock.tracking.status.text()
        with pytest.raises(UsstrackError, match="read-only"):
            dock.bench.session.save()


def test_collections_leave_out_what_was_there_until_a_picture_goes(window, clip) -> None:
    viewer, dock = window
    before = gc.get_freeze_count()
    assert before > 100_000
    image = viewer.add_image(clip.frames)
    assert gc.get_freeze_count() > before
    viewer.layers.remove(image)
    assert gc.get_freeze_count() == 0
    viewer.add_image(clip.frames)
    assert gc.get_freeze_count() > before
    dock.close_benches()
    assert gc.get_freeze_count() == 0
