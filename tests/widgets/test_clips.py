"""Several clips in one window."""

from __future__ import annotations

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.layers import Tracks

from napari_usstrack.session import run_in_place

pytestmark = pytest.mark.window


@pytest.fixture
def dock(make_napari_viewer, monkeypatch, tmp_path, clip):
    """A dock with two clips: a calibrated one, and a taller one of unknown scale."""
    from napari_usstrack.widgets import main

    shown: list[str] = []
    monkeypatch.setattr(main, "show_error", shown.append)
    np.savez(tmp_path / "one.npz", frames=clip.frames, mm_per_px=0.1, fps=30.0)
    np.savez(tmp_path / "two.npz", frames=np.concatenate([clip.frames] * 2, axis=1), fps=30.0)
    viewer = make_napari_viewer()
    dock = main.UsstrackDock(viewer, runner=run_in_place)
    viewer.window.add_dock_widget(dock, name="USSTrack")
    dock.shown, dock.viewer, dock.folder = shown, viewer, tmp_path
    viewer.open(tmp_path / "one.npz", plugin="napari-usstrack")
    yield dock
    dock.close_benches()


def press(dock, key: str) -> None:
    dock.viewer.keymap[KeyBinding.from_str(key)](dock.viewer)


def open_second(dock):
    first = dock.bench
    dock.viewer.open(dock.folder / "two.npz", plugin="napari-usstrack")
    return first, dock.bench


def test_a_clip_that_is_opened_is_the_one_in_view(dock) -> None:
    first, second = open_second(dock)
    assert second is not first
    assert dock.clip.image.value is second.image
    assert (first.image.visible, second.image.visible) == (False, True)
    assert dock.viewer.layers.selection.active is second.image


def test_each_clip_comes_back_as_it_was_left(dock) -> None:
    dock.add_points()
    dock.bench.session.place_all("label", {(0, "a"): (48.0, 40.0)})
    dock.track()
    first = dock.bench
    tails = next(layer for layer in first.layers if isinstance(layer, Tracks))
    tails.visible = False
    shown = [layer for layer in first.layers if layer.visible]
    dock.bench.show_frame(7)
    dock.viewer.scene.camera.zoom = 33.0
    _, second = open_second(dock)
    assert dock.viewer.scene.camera.zoom != 33.0
    assert not any(layer.visible for layer in first.layers)
    second.show_frame(2)
    assert first.session.frame == 7
    press(dock, "Alt+Left")
    assert dock.bench is first
    assert (first.frame, dock.viewer.scene.camera.zoom) == (7, 33.0)
    assert [layer for layer in first.layers if layer.visible] == shown
    assert tails not in shown
    assert not second.image.visible
    assert dock.viewer.layers.selection.active is first.labels
    press(dock, "Alt+Right")
    assert (dock.bench, second.frame) == (second, 2)


def test_labels_of_both_clips_stay_apart(dock) -> None:
    dock.bench.session.place_all("label", {(3, "a"): (48.0, 40.0)})
    first, second = open_second(dock)
    second.session.place_all("label", {(1, "b"): (20.0, 90.0)})
    press(dock, "Alt+Left")
    press(dock, "Ctrl+Z")
    assert not first.session.annotations.by_hand.any()
    assert second.session.annotations.by_hand.sum() == 1
    assert [one.session.unsaved for one in (first, second)] == [False, True]


def test_what_a_clip_gets_while_it_is_hidden_shows_when_it_comes_back(dock) -> None:
    dock.add_points()
    dock.bench.session.place_all("label", {(0, "a"): (48.0, 40.0)})
    first, _ = open_second(dock)
    first.session.track(method="lucas-kanade", options={"window": 21})
    assert len(first.layers) > 1
    assert not any(layer.visible for layer in first.layers)
    dock.bench.show_frame(9)
    assert not any(layer.visible for layer in first.layers)
    press(dock, "Alt+Left")
    assert first.labels.visible
    assert any(layer.visible for layer in first.layers if isinstance(layer, Tracks))


def test_one_clip_alone_has_no_neighbour(dock) -> None:
    press(dock, "Alt+Right")
    assert "no other clip" in dock.shown[-1]


def test_removing_a_clip_brings_another_into_view(dock) -> None:
    first, second = open_second(dock)
    dock.viewer.layers.remove(second.image)
    assert dock.bench is first
    assert first.image.visible


def test_a_clip_that_is_open_is_not_opened_twice(dock) -> None:
    first, _ = open_second(dock)
    dock._open_again(str(dock.folder / "one.npz"))
    assert dock.bench is first
    assert len(dock.viewer.layers) == 2


def test_the_traces_are_those_of_the_clip_in_view(dock) -> None:
    press(dock, "I")
    dock.bench.session.place_all("label", {(0, "a"): (48.0, 40.0)})
    _, second = open_second(dock)
    plot = dock.traces.plot
    assert plot._curves is None
    second.session.place_all("label", {(1, "b"): (20.0, 90.0), (1, "c"): (20.0, 50.0)})
    dock.curator.chores.finish()
    assert plot._curves.shown.names == ("b", "c")
    press(dock, "Alt+Left")
    dock.curator.chores.finish()
    assert plot._curves.shown.names == ("a",)
