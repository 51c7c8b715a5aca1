"""Layers and session together on a viewer model, no window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points

from napari_usstrack.core.coords import Crop
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.registry import open_video
from napari_usstrack.session import run_in_place
from napari_usstrack.widgets.layers import LABELS, Placement, role
from napari_usstrack.widgets.naming import free_name
from napari_usstrack.widgets.preferences import Preferences
from napari_usstrack.widgets.view import View
from napari_usstrack.widgets.workbench import Workbench


class Bench:
    """A viewer with one clip open, and what a dock would hand to it."""

    def __init__(self, data, placement: Placement | None = None, **options) -> None:
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(data, contrast_limits=(0, 255), **options)
        self.wanted = "p1"
        self.complaints: list[str] = []
        self.bench = Workbench(
            self.viewer,
            self.image,
            placement or Placement(),
            runner=run_in_place,
            next_name=self.next_name,
            complain=self.complaints.append,
        )

    def next_name(self) -> str:
        bench = getattr(self, "bench", None)
        taken = bench.session.annotations.names if bench is not None else ()
        return free_name(self.wanted, taken)

    @property
    def session(self):
        return self.bench.session

    def layers(self, ours: str) -> list:
        return [layer for layer in self.viewer.layers if role(layer.metadata) == ours]


@pytest.fixture
def opened(clip) -> Bench:
    return Bench(clip.frames)


def test_a_click_places_a_named_point(opened) -> None:
    layer = opened.bench.label()
    opened.wanted = "apex"
    opened.bench.sync.expect("apex")
    layer.add([[3, 40.0, 50.5]])
    labels = opened.session.annotations
    assert labels.names == ("apex",)
    np.testing.assert_array_equal(labels.xy[3, 0], [50.5, 40.0])
    assert layer.features["point"].tolist() == ["apex"]


def test_one_click_is_one_undo(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 10.0, 20.0]])
    layer.add([[0, 30.0, 40.0]])
    assert len(layer.data) == 2
    opened.session.undo()
    assert len(layer.data) == 1
    opened.session.undo()
    assert len(layer.data) == 0
    opened.session.redo()
    np.testing.assert_array_equal(layer.data, [[0, 10, 20]])


def test_placing_a_point_again_moves_it(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 10.0, 20.0]])
    opened.next_name_is = "p1"
    opened.bench.sync.next_name = lambda: "p1"
    layer.add([[0, 12.0, 22.0]])
    np.testing.assert_array_equal(layer.data, [[0, 12, 22]])
    assert opened.session.annotations.names == ("p1",)


def test_a_drag_moves_the_label(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 10.0, 20.0], [0, 30.0, 40.0]])
    layer.data[1] = [0, 33.0, 44.0]
    layer.events.data(value=layer.data, action="changed", data_indices=(1,), vertex_indices=((),))
    np.testing.assert_array_equal(opened.session.annotations.xy[0, 1], [44.0, 33.0])
    opened.session.undo()
    np.testing.assert_array_equal(layer.data[1], [0, 30, 40])


def test_deleting_several_points_is_one_undo(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 10.0, 20.0], [0, 30.0, 40.0], [2, 5.0, 6.0]])
    layer.selected_data = {0, 2}
    layer.remove_selected()
    assert layer.features["point"].tolist() == ["p2"]
    opened.session.undo()
    assert sorted(layer.features["point"]) == ["p1", "p2", "p3"]


def test_a_click_outside_the_picture_is_refused(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 500.0, 20.0]])
    assert len(layer.data) == 0
    assert opened.complaints == ["Point 'p1' must lie inside the picture."]


def test_a_run_shows_as_tails_and_points(opened, clip) -> None:
    layer = opened.bench.label()
    layer.add([[0, 40.0, 48.0]])
    opened.session.track(run="track", method="lucas-kanade", options={"window": 21})
    (tails,) = opened.layers("run-tracks")
    assert len(tails.data) == 12
    assert not opened.layers("run-points")
    opened.bench.reference = "track"
    (points,) = opened.layers("run-points")
    assert points.visible
    run = opened.session.runs["track"]
    for frame in (5, 9):
        opened.bench.show_frame(frame)
        np.testing.assert_array_equal(points.data, [[frame, *run.xy[frame, 0, ::-1]]])
        assert points.get_value(points.data[0], world=True) == 0
    truth = clip.truth(np.array([[48.0, 40.0]]))[:, 0]
    np.testing.assert_allclose(tails.data[:, [3, 2]], truth, atol=0.3)
    assert opened.viewer.layers[-1] is layer
    opened.session.undo()
    assert not opened.layers("run-tracks")
    opened.session.redo()
    assert len(opened.layers("run-tracks")) == 1


def test_layers_follow_scale_and_translate_of_the_image(clip) -> None:
    opened = Bench(clip.frames, scale=(0.02, 0.1, 0.2), translate=(1.0, 5.0, 7.0))
    layer = opened.bench.label()
    layer.add([layer.world_to_data((1.0, 9.0, 15.0))])
    np.testing.assert_allclose(opened.session.annotations.xy[0, 0], [40.0, 40.0])
    opened.session.track()
    for ours in opened.layers("run-points") + opened.layers("run-tracks"):
        np.testing.assert_allclose(ours.scale[-2:], (0.1, 0.2))
        np.testing.assert_allclose(ours.translate[-2:], (5.0, 7.0))
    opened.viewer.dims.set_point(0, 1.0 + 0.02 * 7)
    assert opened.bench.frame == 7


def test_scale_in_millimetres_is_taken_from_the_layer(clip) -> None:
    opened = Bench(clip.frames, scale=(1, 0.1, 0.2), units=("pixel", "mm", "mm"))
    assert opened.session.video.info.spacing_mm == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize("make", ["rgb", "dask", "float", "4d-last", "4d-first"])
def test_any_image_layer_gives_the_same_tracks(clip, make: str) -> None:
    placement, options, data = Placement(), {}, clip.frames
    if make == "rgb":
        data, options = np.stack([clip.frames] * 3, axis=-1), {"rgb": True}
    elif make == "dask":
        data = pytest.importorskip("dask.array").from_array(clip.frames, chunks=(3, 80, 96))
    elif make == "float":
        data = clip.frames / 255.0
    elif make == "4d-last":
        data, placement = np.stack([clip.frames * 0, clip.frames]), Placement(4, 1, (1,))
    elif make == "4d-first":
        data = np.stack([clip.frames * 0, clip.frames], axis=1)
        placement = Placement(4, 0, (1,))
    opened = Bench(data, placement, **options)
    opened.session.place("a", 0, (48.0, 40.0))
    opened.session.track(method="lucas-kanade", options={"window": 21})
    truth = clip.truth(np.array([[48.0, 40.0]]))[:, 0]
    np.testing.assert_allclose(opened.session.runs["track"].xy[:, 0], truth, atol=0.35)
    (tails,) = opened.layers("run-tracks")
    assert tails.ndim == placement.ndim


def test_a_points_layer_is_adopted_with_its_names(opened) -> None:
    layer = opened.viewer.add_points(
        [[0, 10.0, 20.0], [4, 11.0, 21.0]], features={"name": ["septum", "septum"]}, ndim=3
    )
    opened.bench.label(layer)
    labels = opened.session.annotations
    assert labels.names == ("septum",)
    assert labels.frames_of("septum").tolist() == [0, 4]
    assert role(layer.metadata) == LABELS
    layer.add([[5, 12.0, 22.0]])
    assert opened.session.annotations.names == ("septum", "p1")


def test_a_flat_points_layer_is_adopted_at_the_current_frame(opened) -> None:
    opened.viewer.dims.set_point(0, 6)
    layer = Points([[10.0, 20.0], [30.0, 40.0]])
    opened.viewer.add_layer(layer)
    opened.bench.label(layer)
    labels = opened.session.annotations
    assert labels.names == ("p1", "p2")
    np.testing.assert_array_equal(labels.xy[6], [[20.0, 10.0], [40.0, 30.0]])


def test_a_point_twice_in_one_frame_is_refused(opened) -> None:
    layer = opened.viewer.add_points([[0, 1.0, 2.0]] * 2, features={"point": ["a", "a"]}, ndim=3)
    with pytest.raises(UsstrackError, match="twice in one frame"):
        opened.bench.label(layer)
    assert opened.session.annotations.names == ()


def test_a_still_image_is_refused() -> None:
    with pytest.raises(UsstrackError, match="still image"):
        Bench(np.zeros((1, 40, 50), dtype=np.uint8))


def test_a_saved_project_comes_back_with_all_layers(clip_file) -> None:
    opened = Bench(open_video(clip_file))
    opened.bench.label().add([[0, 40.0, 48.0], [5, 20.0, 30.0]])
    opened.session.track()
    opened.session.save()
    opened.bench.close()
    again = Bench(open_video(clip_file))
    assert len(again.layers(LABELS)) == 1
    assert len(again.layers("run-tracks")) == 1
    assert again.session.annotations.equals(opened.session.annotations)
    assert again.session.runs["track"].equals(opened.session.runs["track"])
    assert not again.session.unsaved
    again.bench.close()


def test_removing_the_labels_layer_keeps_the_labels(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 40.0, 48.0]])
    opened.viewer.layers.remove(layer)
    assert opened.bench.labels is None
    assert opened.session.annotations.by_hand.any()
    again = opened.bench.label()
    assert len(again.data) == 1


def test_removing_run_layers_and_tracking_again_shows_them_again(opened) -> None:
    opened.bench.label().add([[0, 40.0, 48.0]])
    opened.session.track()
    opened.bench.reference = "track"
    for layer in opened.layers("run-points"):
        opened.viewer.layers.remove(layer)
    opened.session.track(method="lucas-kanade", options={"window": 21})
    (points,) = opened.layers("run-points")
    assert points.visible


def looked_at(clip_file, **view) -> Bench:
    opened = Bench(open_video(clip_file))
    opened.bench.label().add([[0, 40.0, 48.0]])
    opened.session.track(method="lucas-kanade", options={"window": 21})
    opened.bench.look(View(**view))
    return opened


def world_of(layer, coordinates) -> np.ndarray:
    return np.asarray(layer.data_to_world(coordinates))


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"crop": Crop(10, 5, 60, 50)},
        {"mirrored": True},
        {"crop": Crop(10, 5, 60, 50), "mirrored": True, "contrast": 2.0},
    ],
)
def test_in_every_view_labels_lie_on_their_tissue(clip_file, clip, view) -> None:
    opened = looked_at(clip_file, **view)
    plain = np.asarray(opened.session.annotations.xy[0, 0])
    np.testing.assert_array_equal(plain, [48.0, 40.0])
    labels = opened.bench.labels
    at = opened.image.world_to_data(labels.data_to_world(labels.data[0]))
    crop = view.get("crop") or Crop(0, 0, 96, 80)
    np.testing.assert_allclose(at[-2:], [40.0 - crop.top, 48.0 - crop.left], atol=1e-9)
    shown = opened.image.data[0]
    if not view.get("contrast"):
        np.testing.assert_array_equal(shown, crop.picture(clip.frames[0]))
    for layer in opened.layers("run-points") + opened.layers("run-tracks"):
        np.testing.assert_allclose(
            world_of(layer, [0] * (layer.ndim - 2) + [7.0, 9.0]),
            world_of(labels, [0, 7.0, 9.0])[-layer.ndim :],
        )
    opened.bench.close()


def test_a_click_in_a_mirrored_cropped_view_lands_in_full_frame_px(clip_file) -> None:
    opened = looked_at(clip_file, crop=Crop(10, 5, 60, 50), mirrored=True)
    pixel = (0, 12, 30)
    labels = opened.bench.labels
    labels.add([labels.world_to_data(opened.image.data_to_world(pixel))])
    np.testing.assert_allclose(opened.session.annotations.xy[0, 1], [40.0, 17.0], atol=1e-9)
    opened.bench.close()


def test_a_view_never_reaches_the_tracker(clip_file) -> None:
    plain = looked_at(clip_file)
    before = plain.session.runs["track"]
    plain.bench.look(View(Crop(10, 5, 60, 50), True, 3.0))
    plain.session.track(method="lucas-kanade", options={"window": 21})
    assert plain.session.runs["track"].equals(before)
    plain.bench.close()


def test_the_view_is_remembered_with_the_project(clip_file) -> None:
    opened = looked_at(clip_file, crop=Crop(10, 5, 60, 50), mirrored=True)
    opened.session.save()
    opened.bench.close()
    again = Bench(open_video(clip_file))
    assert again.bench.view == View(Crop(10, 5, 60, 50), True)
    assert again.image.data.shape == (12, 50, 60)
    again.bench.close()


def test_the_frame_stays_when_scale_or_rate_change(clip_file) -> None:
    opened = looked_at(clip_file)
    opened.bench.show_frame(7)
    known = opened.session.annotations.video.calibration
    opened.session.calibrate(known.with_spacing((0.5, 0.5), "typed").with_rate(12, 10, "typed"))
    assert opened.bench.frame == 7
    np.testing.assert_allclose(opened.image.scale, (0.1, 0.5, 0.5))
    assert opened.viewer.canvas.overlays.scale_bar.visible
    opened.bench.close()


def test_hidden_points_are_hidden_everywhere(opened) -> None:
    layer = opened.bench.label()
    layer.add([[0, 40.0, 48.0], [0, 20.0, 30.0]])
    opened.session.track(method="lucas-kanade", options={"window": 21})
    opened.bench.reference = "track"
    opened.bench.hidden = {"p1"}
    assert layer.shown.tolist() == [False, True]
    (points,) = opened.layers("run-points")
    assert set(points.features["point"]) == {"p2"}
    opened.bench.hidden = ()
    assert set(points.features["point"]) == {"p1", "p2"}


def test_a_renamed_point_keeps_labels_and_track_and_undoes_as_one(opened) -> None:
    opened.bench.label().add([[0, 40.0, 48.0], [0, 20.0, 30.0]])
    opened.session.track(method="lucas-kanade", options={"window": 21})
    count = len(opened.session.history)
    opened.session.rename_point("p1", "apex")
    assert opened.session.annotations.names == ("apex", "p2")
    assert opened.session.runs["track"].names == ("apex", "p2")
    assert len(opened.session.history) == count + 1
    opened.session.undo()
    assert opened.session.runs["track"].names == ("p1", "p2")


def test_a_removed_point_leaves_labels_and_run(opened) -> None:
    opened.bench.label().add([[0, 40.0, 48.0], [0, 20.0, 30.0]])
    opened.session.track(method="lucas-kanade", options={"window": 21})
    opened.bench.reference = "track"
    opened.session.remove_point("p1")
    (points,) = opened.layers("run-points")
    assert set(points.features["point"]) == {"p2"}
    opened.session.undo()
    assert set(points.features["point"]) == {"p1", "p2"}


def test_an_adopted_layer_with_another_scale_keeps_its_places(clip) -> None:
    opened = Bench(clip.frames, scale=(1, 0.1, 0.1), translate=(0, 2.0, 3.0))
    layer = opened.viewer.add_points([[4, 20.0, 24.0]], scale=(1, 0.2, 0.2), translate=(0, 2, 3))
    opened.bench.label(layer)
    np.testing.assert_allclose(opened.session.annotations.xy[4, 0], [48.0, 40.0])
    np.testing.assert_allclose(layer.data, [[4, 40, 48]])
    np.testing.assert_allclose(layer.scale, opened.image.scale)


def test_preferences_set_sizes_tails_and_author(opened) -> None:
    opened.bench.label().add([[0, 40.0, 48.0]])
    opened.session.track(method="lucas-kanade", options={"window": 21})
    opened.bench.reference = "track"
    opened.bench.prefer(Preferences(author="rater 1", tail_frames=7, marker_percent=10.0))
    (tails,) = opened.layers("run-tracks")
    (points,) = opened.layers("run-points")
    assert tails.tail_length == 7
    np.testing.assert_allclose([*points.size, *opened.bench.labels.size], 9.6, atol=1e-5)
    assert opened.session.author == "rater 1"


def draws(layer) -> list:
    told: list = []
    layer.events.set_data.connect(lambda event: told.append(event))
    return told


@pytest.fixture
def shown(opened):
    """All layers of the dock: labels, proposals, lines, a run with tails and its twin."""
    opened.bench.label()
    for name, x in (("a", 30.0), ("b", 40.0)):
        opened.session.add_point(name, group="wall", kind="line")
        opened.session.place(name, 0, (x, 30.0))
    opened.session.track(run="track", method="lucas-kanade", options={"window": 21})
    opened.session.set_run("twin", opened.session.runs["track"])
    opened.bench.reference = "twin"
    opened.bench.show_frame(3)
    return opened


@pytest.mark.parametrize("by", ["viewer", "session"])
def test_a_step_draws_every_layer_once_and_as_it_is_there(shown, by) -> None:
    labels, lines = shown.bench.labels, shown.bench.lines.layers[0]
    (points,) = [layer for layer in shown.layers("run-points") if layer.visible]
    told = {layer.name: draws(layer) for layer in (labels, lines, points)}
    if by == "viewer":
        shown.viewer.dims.set_point(0, 4)
    else:
        shown.session.curation.step(1)
    assert {name: len(times) for name, times in told.items()} == dict.fromkeys(told, 1)
    xy = shown.session.curation.shown.xy[4]
    for row, (y, x) in enumerate(xy[:, ::-1].tolist()):
        assert labels.get_value((4, y, x), world=True) == row + 2
        assert points.get_value((4, y, x), world=True) == row
    np.testing.assert_array_equal(lines.data[:, 0], [[4, *xy[0, ::-1]]])
    np.testing.assert_array_equal(lines.data[:, 1, 1:], [xy[1, ::-1] - xy[0, ::-1]])


def test_a_step_is_drawn_where_the_picture_is_hidden(shown) -> None:
    shown.image.visible = False
    shown.viewer.dims.set_point(0, 4)
    _, y, x = shown.bench.labels.data[-1]
    assert shown.bench.labels.get_value((4, y, x), world=True) is not None
    assert shown.session.frame == 4


def test_labels_set_in_one_turn_are_drawn_once_in_the_next(shown, qtbot) -> None:
    labels = shown.bench.labels
    shown.bench.session.curation.propagating = False
    told = draws(labels)
    for x in (32.0, 33.0):
        shown.bench.sync.put("a", 3, np.array([x, 34.0]))
    np.testing.assert_array_equal(labels.data[2], [3, 34, 33])
    assert not told
    qtbot.waitUntil(lambda: bool(told))
    qtbot.wait(20)
    assert len(told) == 1
    assert labels.get_value((3, 34.0, 33.0), world=True) == 2


def test_a_label_that_comes_or_goes_is_drawn_at_once(shown) -> None:
    labels = shown.bench.labels
    shown.bench.session.curation.propagating = False
    told = draws(labels)
    shown.session.place("c", 3, (20.0, 10.0))
    assert len(told) == 1
    assert labels.get_value((3, 10.0, 20.0), world=True) is not None
    shown.session.undo()
    assert len(told) == 2
    assert labels.get_value((3, 10.0, 20.0), world=True) is None


def test_the_name_of_the_next_point_waits_for_the_tool_that_adds_points(shown) -> None:
    labels, sync = shown.bench.labels, shown.bench.sync
    sync.expect("tip")
    assert labels.feature_defaults["point"][0] != "tip"
    labels.mode = "add"
    assert labels.feature_defaults["point"][0] == "tip"
    sync.expect("base")
    assert labels.feature_defaults["point"][0] == "base"


def test_placing_a_label_on_a_proposal_makes_it_solid(shown) -> None:
    labels = shown.bench.labels
    shown.bench.session.curation.propagating = False
    shown.bench.sync.put("a", 3, np.array([33.0, 34.0]))
    assert labels.features["point"].tolist() == ["a", "b", "a", "b"]
    assert labels.features["source"].tolist() == ["manual", "manual", "manual", "flow"]
    assert labels.get_value((3, 34.0, 33.0), world=True) == 2
    np.testing.assert_array_equal(labels.face_color[2], labels.face_color[0])
    assert not labels.face_color[3].any()
    shown.session.undo()
    assert labels.features["source"].tolist() == ["manual", "manual", "flow", "flow"]
    assert not labels.face_color[2].any()


def test_tails_that_a_person_hid_stay_hidden(opened) -> None:
    opened.bench.label().add([[0, 40.0, 48.0]])
    opened.session.track(run="track", method="lucas-kanade", options={"window": 21})
    (tails,) = opened.layers("run-tracks")
    tails.visible = False
    opened.bench.freshen()
    assert not tails.visible
    opened.bench.hidden = ["p1"]
    opened.bench.hidden = []
    assert tails.visible


def test_lines_and_rings_follow_an_edit_when_they_are_asked_to(shown) -> None:
    asked: list[str] = []
    shown.bench.lines.ask = lambda: asked.append("lines")
    shown.bench.sync.ask_marks = lambda: asked.append("rings")
    lines, labels = shown.bench.lines.layers[0], shown.bench.labels
    before = lines.data.copy()
    shown.session.curation.propagating = False
    shown.session.place("a", 3, (33.0, 34.0))
    shown.session.selection = ("a",)
    assert asked == ["lines", "rings"]
    np.testing.assert_array_equal(lines.data, before)
    assert not labels.selected_data
    shown.bench.lines.draw()
    shown.bench.sync.mark_selected()
    np.testing.assert_array_equal(lines.data[0, 0], [3, 34.0, 33.0])
    assert set(labels.selected_data) == {2}


def test_one_frame_of_what_lies_under_equals_the_whole(shown) -> None:
    curation = shown.session.curation
    shown.session.place("a", 6, (36.0, 34.0))
    points, cells = curation.under_in(5)
    whole = curation.under
    assert points == whole.points
    assert cells.equals(whole.block([5], range(whole.shape[1])))
