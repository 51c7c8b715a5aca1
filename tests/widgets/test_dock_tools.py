"""Point table, ruler, view and keys of the dock, in a real window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_usstrack.pipelines import trackers

pytestmark = pytest.mark.window


@pytest.fixture
def window(make_napari_viewer, qtbot, monkeypatch, clip_file):
    """A viewer with the dock and a clip with two labelled points."""
    from napari_usstrack.widgets import files, main

    shown: list[str] = []
    monkeypatch.setattr(main, "show_error", shown.append)
    monkeypatch.setattr(files, "show_info", shown.append)
    viewer = make_napari_viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    qtbot.addWidget(dock)
    dock.shown = shown
    viewer.open(clip_file, plugin="napari-usstrack")
    dock.add_points()
    dock.bench.session.place_all("label", {(0, "a"): (48.0, 40.0), (5, "b"): (30.0, 30.0)})
    yield viewer, dock
    dock.close_benches()


def test_table_renames_regroups_and_hides(window) -> None:
    _, dock = window
    table = dock.points.table.table
    assert [table.item(row, 1).text() for row in range(2)] == ["a", "b"]
    table.item(0, 1).setText("septum")
    table.item(1, 2).setText("wall")
    table.cellWidget(1, 3).setCurrentText("contour")
    points = dock.bench.session.annotations.points
    assert [p.name for p in points] == ["septum", "b"]
    assert (points[1].group, points[1].kind) == ("wall", "contour")
    from qtpy.QtCore import Qt

    table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert dock.bench.hidden == {"septum"}
    assert dock.bench.labels.shown.sum() == 1


def test_chosen_rows_become_a_line_in_one_step(window) -> None:
    _, dock = window
    session, table = dock.bench.session, dock.points.table
    session.place("c", 0, (20.0, 20.0))
    table.table.selectAll()
    assert table.all_chosen == ("a", "b", "c")
    table.group.value = "deep"
    table.join.clicked.emit(True)
    assert {(p.group, p.kind) for p in session.annotations.points} == {("deep", "line")}
    session.undo()
    assert {(p.group, p.kind) for p in session.annotations.points} == {("", "point")}
    session.redo()
    table.table.cellWidget(0, 3).setCurrentText("contour")
    assert {p.kind for p in session.annotations.points} == {"contour"}


def test_track_can_hold_points_to_their_lines(qtbot, window) -> None:
    _, dock = window
    dock.tracking.method.value = "tissue-flow"
    assert "lines" not in dock.tracking.options
    dock.tracking.lines.value = True
    assert dock.tracking.options["lines"] is True
    dock.bench.session.describe_points(["a", "b"], group="sheet", kind="line")
    dock.bench.session.place("b", 0, (20.0, 30.0))
    dock.tracking.track.clicked.emit(True)
    qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=60_000)
    run = dock.bench.session.runs["track"]
    assert run.log[-1].settings["lines"] is True
    assert run.points[0].kind == "line"


def test_the_first_method_holds_points_to_lines_until_told_otherwise(window, qtbot) -> None:
    _, dock = window
    assert dock.tracking.method.value == "hybrid"
    assert dock.tracking.lines.value is True
    assert dock.tracking.options["lines"] is True
    assert "lines" not in dock.tracking.settings
    dock.tracking.lines.value = False
    dock.tracking.track.clicked.emit(True)
    qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=60_000)
    assert dock.bench.session.runs["track"].log[-1].settings["lines"] is False
    dock.tracking.method.value = "dense-flow"
    dock.tracking.method.value = "hybrid"
    assert dock.tracking.lines.value is True


def test_after_a_correction_the_stretch_is_filled_again_by_the_method_chosen(window, qtbot) -> None:
    _, dock = window
    session = dock.bench.session
    dock.tracking.proposals.value = "hybrid"
    session.curation.propagating = True
    session.place("a", 7, (48.0, 40.0))
    session.review.fill("whole clip", ["a"])
    qtbot.waitUntil(lambda: not session.curation.busy, timeout=20_000)
    before = session.curation.shown.xy[:, 0].copy()
    session.place("a", 4, tuple(before[4] + (3.0, -2.0)))
    qtbot.waitUntil(lambda: not session.curation.busy, timeout=20_000)
    shown = session.curation.shown
    after = shown.xy[:, shown.column("a")]
    np.testing.assert_array_equal(after[[0, 4, 7]], [before[0], before[4] + (3.0, -2.0), before[7]])
    assert np.isfinite(after).all()
    assert np.linalg.norm(after[3] - before[3]) > 0.3


def test_a_taken_name_is_refused_and_the_table_shows_the_old_one(window) -> None:
    _, dock = window
    table = dock.points.table.table
    table.item(0, 1).setText("b")
    assert dock.shown
    assert dock.bench.session.annotations.names == ("a", "b")
    assert table.item(0, 1).text() == "a"


def test_table_reorders_and_removes(window) -> None:
    _, dock = window
    table = dock.points.table
    table.table.selectRow(1)
    table.up.native.click()
    assert dock.bench.session.annotations.names == ("b", "a")
    assert table.chosen == "b"
    table.remove.native.click()
    assert dock.bench.session.annotations.names == ("a",)
    dock.undo.native.click()
    assert dock.bench.session.annotations.names == ("b", "a")


def test_ruler_sets_the_scale(window) -> None:
    _, dock = window
    image = dock.bench.image
    dock.clip.length.value = 20.0
    dock.clip.ruler.native.click()
    assert "first of two marks" in dock.tracking.status.text()
    for pixel in ((0, 10, 10), (0, 10, 60)):
        event = SimpleNamespace(type="mouse_press", position=image.data_to_world(pixel))
        for callback in list(image.mouse_drag_callbacks):
            steps = callback(image, event)
            next(steps)
            event.type = "mouse_release"
            next(steps, None)
            event.type = "mouse_press"
    assert dock.bench.session.annotations.video.spacing_mm == pytest.approx((0.4, 0.4))
    assert "0.4 mm per px" in dock.tracking.status.text()
    assert "20 mm on the ruler" in dock.clip.facts.text()


def test_depth_sets_the_scale_of_the_shown_picture(window) -> None:
    _, dock = window
    dock.clip.depth_typed.emit("40")
    assert dock.bench.session.annotations.video.spacing_mm == pytest.approx((0.5, 0.5))
    dock.clip.depth_typed.emit("deep")
    assert "cannot be 'deep'" in dock.shown[-1]


def test_view_controls_change_only_the_display(window, clip) -> None:
    _, dock = window
    dock.view.mirrored.value = True
    dock.view.contrast.value = 2.0
    assert dock.bench.view.mirrored
    assert not np.array_equal(dock.bench.image.data[0], clip.frames[0])
    np.testing.assert_array_equal(dock.bench.session.video.frames(range(1))[0], clip.frames[0])
    dock.view.crop.native.click()
    assert "nothing to cut off" in dock.shown[-1]


def test_contrast_follows_the_frame_and_becomes_plain_again(window, clip) -> None:
    viewer, dock = window
    image, dark = dock.bench.image, np.quantile(clip.frames[0], 0.5)
    dock.view.contrast.value = 2.0
    dock.view.contrast.value = 0.0
    dock.view.auto.native.click()
    low, high = image.contrast_limits
    assert 0 <= low < dark < high < 255
    image.gamma = 0.5
    dock.view.contrast.value = 2.0
    dock.view.plain.native.click()
    assert (image.contrast_limits, image.gamma, dock.bench.view.contrast) == ([0, 255], 1.0, 0.0)
    viewer.add_image(clip.frames.astype(np.float32) / 255, name="floats", contrast_limits=(0, 9))
    dock.clip.image.value = viewer.layers["floats"]
    dock.view.auto.native.click()
    assert viewer.layers["floats"].contrast_limits[1] <= 1.0


def test_play_runs_and_pauses(window, qtbot) -> None:
    _, dock = window
    dock.view.play.native.click()
    assert dock.view.play.text == "Pause"
    qtbot.waitUntil(lambda: dock.bench.frame > 0, timeout=5000)
    dock.view.play.native.click()
    assert dock.view.play.text == "Play"


def press(viewer, key: str) -> None:
    from app_model.types import KeyBinding

    viewer.keymap[KeyBinding.from_str(key)](viewer)


def test_keys_step_between_labels_and_points(window) -> None:
    viewer, dock = window
    press(viewer, "N")
    assert dock.bench.frame == 5
    press(viewer, "J")
    assert dock.bench.frame == 0
    press(viewer, ".")
    assert dock.points.point_name == "a"
    press(viewer, ",")
    assert dock.points.point_name == "p1"
    press(viewer, "Ctrl+Z")
    assert not dock.bench.session.annotations.by_hand.any()


def test_two_clips_keep_their_own_work(window, qtbot, clip) -> None:
    viewer, dock = window
    first = dock.bench
    viewer.add_image(clip.frames, name="other", contrast_limits=(0, 255))
    dock.clip.image.value = viewer.layers["other"]
    assert dock.bench is not first
    assert dock.points.next.choices == ("a new point",)
    first.session.track(method="lucas-kanade", options={"window": 21})
    qtbot.waitUntil(lambda: not first.session.busy, timeout=10_000)
    assert "Done" not in dock.tracking.status.text()
    dock.clip.image.value = first.image
    assert dock.bench is first
    assert set(first.session.runs) == {"track"}


@pytest.mark.parametrize("method", trackers.names())
def test_every_method_runs_with_the_settings_the_dock_offers(window, qtbot, method) -> None:
    _, dock = window
    dock.tracking.method.value = method
    dock.track()
    qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=20_000)
    (step,) = dock.bench.session.runs["track"].log
    assert step.method == method
    assert set(dock.tracking.options) <= set(step.settings)


def test_the_point_that_is_chosen_is_the_one_that_keys_act_on(window) -> None:
    viewer, dock = window
    session = dock.bench.session
    session.place_all("label", {(0, "b"): (20.0, 20.0)})
    press(viewer, "1")
    press(viewer, ".")
    assert (dock.points.point_name, session.selection) == ("b", ("b",))
    press(viewer, "Y")
    assert session.annotations.by_hand[0].tolist() == [True, False]
    press(viewer, ".")
    assert (dock.points.next.value, session.selection) == ("a new point", ())


def test_a_key_places_the_point_where_the_mouse_is(window) -> None:
    viewer, dock = window
    session = dock.bench.session
    press(viewer, "T")
    assert "mouse" in dock.shown[-1]
    assert session.annotations.by_hand.sum() == 2
    dock.bench.show_frame(3)
    press(viewer, "1")
    viewer.mouse_over_canvas = True
    viewer.cursor.position = dock.bench.labels.data_to_world((3, 22.0, 33.0))
    press(viewer, "T")
    np.testing.assert_allclose(session.annotations.xy[3, 0], (33.0, 22.0))
    press(viewer, "Ctrl+Z")
    assert not session.annotations.present[3].any()


def test_hidden_layers_stay_hidden_while_work_goes_on(window, qtbot) -> None:
    _, dock = window
    bench = dock.bench
    dock.track()
    qtbot.waitUntil(lambda: not bench.session.busy, timeout=20_000)
    dock.curator.regions.reference.value = "track"
    bench.session.place_all("label", {(0, name): (20.0, 20.0) for name in "cdefg"})
    shown = [layer for layer in bench.layers if layer is not bench.image]
    for layer in shown:
        layer.visible = False
    bench.session.undo()
    bench.show_frame(3)
    bench.session.place_all("label", {(3, "c"): (20.0, 20.0)})
    bench.freshen()
    assert not any(layer.visible for layer in shown)
    for layer in shown:
        layer.visible = True
    rows = list(map(tuple, bench.labels.data[:, :1].astype(int).tolist()))
    assert rows.count((3,)) >= 1
    assert len(rows) == len(bench.sync.keys)


def test_the_method_of_proposals_is_chosen_beside_that_of_runs(window, qtbot) -> None:
    _, dock = window
    curation = dock.bench.session.curation
    assert curation._tracker.traits.name == dock.tracking.proposals.value == "tissue-flow"
    dock.tracking.method.value = "block-matching"
    assert curation._tracker.traits.name == "tissue-flow"
    dock.tracking.proposals.value = "dense-flow"
    assert curation._tracker.traits.name == "dense-flow"
