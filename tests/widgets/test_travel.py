"""Where the keys go in the clip, on a viewer model without a window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_usstrack.core.tracks import Source
from napari_usstrack.session import run_in_place
from napari_usstrack.widgets.layers import Placement
from napari_usstrack.widgets.travel import Travel
from napari_usstrack.widgets.workbench import Workbench


class Scene:
    """A clip of 400 frames with labels of two points."""

    def __init__(self) -> None:
        viewer = ViewerModel()
        image = viewer.add_image(np.zeros((400, 20, 30), np.uint8), contrast_limits=(0, 255))
        self.said: list[str] = []
        self.bench = Workbench(
            viewer,
            image,
            Placement(),
            runner=run_in_place,
            next_name=lambda: "p1",
            complain=self.said.append,
        )
        self.bench.session.curation.propagating = False
        places = {(5, "a"): (3, 4), (9, "b"): (5, 6), (40, "a"): (7, 8)}
        self.bench.session.place_all("labels", places)
        self.bench.show_frame(0)
        self.chosen = ("a",)
        self.actions = Travel(
            lambda: self.bench, lambda: self.chosen, lambda text: self.said.append(text)
        ).actions()

    def after(self, *actions: str) -> int:
        for action in actions:
            self.actions[action]()
        return self.bench.frame


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_labels_of_any_point_and_of_the_chosen_one(scene) -> None:
    assert scene.after("next_label", "next_label") == 9
    assert scene.after("previous_label") == 5
    assert scene.after("next_own_label") == 40
    assert scene.after("previous_own_label") == 5
    scene.chosen = ("a", "b")
    assert scene.after("next_own_label") == 9


def test_without_a_label_that_way_the_frame_stays_and_it_is_told(scene) -> None:
    scene.bench.show_frame(40)
    assert scene.after("next_label") == 40
    assert scene.after("next_own_label") == 40
    assert scene.after("next_marked") == 40
    assert [
        "No labelled" in scene.said[0],
        "label of a" in scene.said[1],
        "M" in scene.said[2],
    ] == [True] * 3


def test_a_walk_stops_in_a_labelled_frame(scene) -> None:
    scene.bench.show_frame(7)
    assert scene.after(*["walk_on"] * 6) == 9
    assert "9 is labelled" in scene.said[-1]
    assert scene.after("step_back", *["walk_back"] * 9) == 5


def test_a_frame_of_which_only_an_absence_is_known_stops_no_walk(scene) -> None:
    scene.bench.session.place_all("absent", {(8, "b"): (1, 1)}, Source.MANUAL)
    scene.bench.session.curation.reject(8, ["b"])
    scene.bench.show_frame(7)
    assert scene.after(*["walk_on"] * 6) == 9


def test_jumps_and_strides_stay_within_the_clip(scene) -> None:
    assert scene.after("jump_on") == 10
    assert scene.after("stride_on") == 30
    assert scene.after("stride_back", "stride_back") == 0
    assert scene.after("last_frame") == 399
    assert scene.after("stride_on") == 399
    assert scene.after("first_frame") == 0


def test_marked_frames(scene) -> None:
    for frame in (3, 300):
        scene.bench.session.review.mark(frame)
    assert scene.after("next_marked", "next_marked") == 300
    assert scene.after("previous_marked") == 3
