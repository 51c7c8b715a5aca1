"""Regions, copying and removing runs from the dock, in a real window."""

from __future__ import annotations

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.utils.key_bindings import coerce_keybinding

from napari_usstrack.core.tracks import CELL_ARRAYS
from napari_usstrack.session import run_in_place
from napari_usstrack.widgets.keybindings import KEYS

pytestmark = pytest.mark.window


@pytest.fixture
def dock(make_napari_viewer, qtbot, monkeypatch, clip_file):
    """A dock whose jobs run in place, with two points that were tracked."""
    from napari_usstrack.widgets import main

    shown: list[str] = []
    monkeypatch.setattr(main, "show_error", shown.append)
    viewer = make_napari_viewer()
    dock = main.UsstrackDock(viewer, runner=run_in_place)
    viewer.window.add_dock_widget(dock, name="USSTrack")
    dock.shown = shown
    dock.viewer = viewer
    viewer.open(clip_file, plugin="napari-usstrack")
    dock.add_points()
    session = dock.bench.session
    session.place_all("label", {(0, "a"): (48.0, 40.0), (0, "b"): (30.0, 30.0)})
    session.track(method="lucas-kanade", options={"window": 21})
    session.place_all("label", {(4, "a"): (40.0, 40.0), (6, "b"): (40.0, 30.0)})
    yield dock
    dock.close_benches()


def press(dock, key: str) -> None:
    dock.viewer.keymap[KeyBinding.from_str(key)](dock.viewer)


def labelled(dock, column: int) -> list[int]:
    return np.flatnonzero(dock.bench.session.annotations.by_hand[:, column]).tolist()


def test_copying_needs_a_reference(dock) -> None:
    press(dock, "W")
    assert "no reference" in dock.shown[-1] or "No point is chosen" in dock.shown[-1]
    press(dock, "1")
    press(dock, "W")
    assert "no reference" in dock.shown[-1]


def test_keys_copy_the_chosen_point_and_the_whole_frame(dock) -> None:
    dock.curator.regions.reference.value = "track"
    dock.bench.show_frame(2)
    press(dock, "2")
    press(dock, "W")
    assert (labelled(dock, 0), labelled(dock, 1)) == ([0, 4], [0, 2, 6])
    dock.bench.show_frame(3)
    press(dock, "Shift+W")
    assert (labelled(dock, 0), labelled(dock, 1)) == ([0, 3, 4], [0, 2, 3, 6])
    press(dock, "Ctrl+Z")
    assert (labelled(dock, 0), labelled(dock, 1)) == ([0, 4], [0, 2, 6])


def test_a_label_is_copied_over_only_when_that_is_ticked(dock) -> None:
    session, regions = dock.bench.session, dock.curator.regions
    assert not regions.replace.enabled
    regions.reference.value = "track"
    dock.bench.show_frame(4)
    press(dock, "1")
    press(dock, "W")
    assert "set by hand" in dock.shown[-1]
    regions.replace.value = True
    press(dock, "W")
    np.testing.assert_array_equal(session.annotations.xy[4, 0], session.runs["track"].xy[4, 0])


def test_tracking_a_region_changes_nothing_else(dock) -> None:
    session, regions = dock.bench.session, dock.curator.regions
    before, bounds = session.runs["track"], (dock.tracking.first.value, dock.tracking.last.value)
    for frame, key in ((3, "["), (7, "]")):
        dock.bench.show_frame(frame)
        press(dock, key)
    press(dock, "1")
    regions.points.value = "selected points"
    regions.buttons["track"].native.click()
    changed = (session.runs["track"].xy != before.xy).any(axis=-1)
    assert np.flatnonzero(changed[:, 0]).tolist() == [3, 4, 5, 6, 7]
    assert not changed[:, 1].any()
    assert (dock.tracking.first.value, dock.tracking.last.value) == bounds


ASKING = {"save_project", "export_csv"}


def test_no_key_takes_anything_away_for_good(dock) -> None:
    session, pressed = dock.bench.session, []
    dock.curator.regions.reference.value = "track"
    dock.curator.regions.replace.value = True
    before, runs, done = session.annotations, session.runs, len(session.history)
    for key in KEYS:
        if key.action in ASKING:
            continue
        dock.bench.show_frame(4)
        dock.curator.pick(0)
        dock.viewer.keymap[coerce_keybinding(key.key)](dock.viewer)
        dock.looking.stop()
        if key.action == "undo":
            session.redo()
        if len(session.history) > done:
            pressed.append(key.action)
        while len(session.history) > done:
            session.undo()
        for name in CELL_ARRAYS:
            now, then = (getattr(labels, name) for labels in (session.annotations, before))
            np.testing.assert_array_equal(now, then, err_msg=key.action)
        assert all(session.runs[name] is run for name, run in runs.items()), key.action
    assert {"delete_label", "reject", "copy_point", "copy_frame", "track"} <= set(pressed)


def test_a_run_is_removed_and_comes_back(dock) -> None:
    session, regions = dock.bench.session, dock.curator.regions
    before = set(dock.bench.layers)
    regions.remove.native.click()
    assert not session.runs
    assert set(dock.viewer.layers) == {dock.bench.image, dock.bench.labels} < before
    assert session.annotations.by_hand.sum() == 4
    assert not regions.remove.enabled
    press(dock, "Ctrl+Z")
    assert list(session.runs) == ["track"]
    assert len(dock.bench.layers) == len(before)
    assert regions.current.value == "track"
