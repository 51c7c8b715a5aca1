"""Clicks and drags on the labels layer, and what it shows of proposals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from test_workbench import Bench

from napari_usstrack.core.tracks import Source
from napari_usstrack.widgets.layers import SKELETON


@dataclass
class Event:
    position: tuple
    button: int = 1
    modifiers: tuple = ()
    type: str = "mouse_press"
    seen: list = field(default_factory=list)


def drag(bench: Bench, *stops: tuple[float, float], **event) -> None:
    """Press at the first (x, y), move over the others, release."""
    layer = bench.bench.labels
    frame = bench.session.frame
    happening = Event((frame, stops[0][1], stops[0][0]), **event)
    callback = layer.mouse_drag_callbacks[-1](layer, happening)
    if next(callback, "over") == "over":
        return
    happening.type = "mouse_move"
    for x, y in stops[1:]:
        happening.position = (frame, y, x)
        next(callback)
    happening.type = "mouse_release"
    next(callback, None)


@pytest.fixture
def opened(clip) -> Bench:
    bench = Bench(clip.frames)
    bench.bench.label()
    bench.bench.pointing.placing = True
    bench.viewer.scene.camera.zoom = 4.0
    return bench


def test_a_click_beside_all_points_places_the_next(opened) -> None:
    drag(opened, (50.5, 40.0))
    np.testing.assert_array_equal(opened.session.annotations.xy[0, 0], [50.5, 40.0])
    assert opened.session.annotations.source[0, 0] == Source.MANUAL


def test_a_click_places_nothing_while_placing_is_off(opened) -> None:
    opened.bench.pointing.placing = False
    drag(opened, (50.5, 40.0))
    assert opened.session.annotations.names == ()


def test_a_drag_beside_all_points_pans(opened) -> None:
    drag(opened, (50.5, 40.0), (60.0, 45.0))
    assert opened.session.annotations.names == ()
    assert opened.bench.labels.mouse_pan


@pytest.mark.parametrize("event", [{"button": 2}, {"modifiers": ("Shift",)}])
def test_other_buttons_and_modifiers_are_left_to_napari(opened, event) -> None:
    drag(opened, (50.5, 40.0), **event)
    assert opened.session.annotations.names == ()


def test_a_drag_of_a_label_moves_it_as_one_change(opened) -> None:
    drag(opened, (50.0, 40.0))
    count = len(opened.session.history)
    drag(opened, (50.5, 40.5), (54.0, 42.0), (60.5, 45.5))
    np.testing.assert_allclose(opened.session.annotations.xy[0, 0], [60, 45])
    assert len(opened.session.history) == count + 1
    assert opened.session.selection == ("p1",)
    opened.session.undo()
    np.testing.assert_allclose(opened.bench.labels.data, [[0, 40, 50]])


def test_a_click_on_a_label_picks_it(opened) -> None:
    drag(opened, (50.0, 40.0))
    drag(opened, (20.0, 20.0))
    drag(opened, (50.2, 40.2))
    assert opened.session.selection == ("p1",)
    assert opened.bench.labels.selected_data == {0}
    assert opened.session.annotations.by_hand.sum() == 2


def test_a_drag_of_a_proposal_makes_it_a_label_and_flows_on(opened) -> None:
    drag(opened, (40.0, 30.0))
    for _ in range(3):
        opened.session.curation.step(1)
    opened.session.curation.step(-1)
    layer = opened.bench.labels
    assert layer.features["source"].tolist() == ["manual", "flow"]
    assert not layer.face_color[1].any()
    x, y = opened.session.curation.shown.xy[2, 0]
    drag(opened, (x, y), (x + 3, y))
    assert opened.session.annotations.source[2, 0] == Source.MANUAL
    assert layer.features["source"].tolist() == ["manual", "manual"]
    assert opened.session.curation.shown.xy[3, 0, 0] > x + 3


def test_deleting_a_proposal_rejects_it(opened) -> None:
    drag(opened, (40.0, 30.0))
    opened.session.curation.step(1)
    layer = opened.bench.labels
    layer.selected_data = {1}
    layer.remove_selected()
    assert opened.session.annotations.source[1, 0] == Source.ABSENT
    assert len(layer.data) == 1


def test_the_viewer_follows_a_step(opened) -> None:
    opened.session.curation.step(1)
    assert opened.bench.frame == 1


def test_many_labels_are_shown_frame_by_frame(clip) -> None:
    bench = Bench(clip.frames)
    points = {f"p{i}": (10 + 3 * i, 20 + i) for i in range(20)}
    places = {(f, name): xy for f in range(12) for name, xy in points.items()}
    bench.session.place_all("many", places)
    layer = bench.bench.label()
    assert len(layer.data) == 20
    bench.viewer.dims.set_point(0, 7)
    assert set(layer.data[:, 0]) == {7}
    bench.session.delete("p3", 7)
    assert layer.features["source"].tolist().count("manual") == 19
    assert layer.features["source"].tolist().count("flow") == 1


def test_lines_join_the_points_of_a_contour(opened) -> None:
    for name, xy in {"a": (40, 30), "b": (50, 35), "c": (60, 30)}.items():
        opened.session.place(name, 0, xy)
    assert not opened.layers(SKELETON)
    for name in "abc":
        opened.session.describe_point(name, group="wall", kind="contour")
    (lines,) = opened.layers(SKELETON)
    np.testing.assert_array_equal(lines.data[:, 0], [[0, 30, 40], [0, 35, 50]])
    np.testing.assert_array_equal(lines.data[:, 1], [[0, 5, 10], [0, -5, 10]])
    opened.session.curation.step(1)
    assert set(lines.data[:, 0, 0]) == {1}
    opened.session.place("c", 1, (61, 33))
    np.testing.assert_allclose(lines.data[1, 0] + lines.data[1, 1], [1, 33, 61])
    opened.viewer.dims.set_point(0, 9)
    assert len(lines.data) == 0
