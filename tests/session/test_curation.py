"""Stepping, proposing, correcting, accepting; no window."""

from __future__ import annotations

import numpy as np
import pytest
from queued import CLIP, Queue

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Source
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.flow.tissue import TissueFlow
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session

SMALL = {"window": 21}
LAST = len(CLIP.frames) - 1


def opened(runner=None) -> Session:
    options = {} if runner is None else {"runner": runner}
    session = Session(array_video(CLIP.frames), **options)
    session.curation.propagating = True
    session.curation.use("lucas-kanade", SMALL)
    return session


@pytest.fixture
def session() -> Session:
    session = opened()
    session.place("tip", 0, (40, 40))
    return session


def off(session, name="tip", frames=range(LAST + 1)):
    shown = session.curation.shown
    expected = CLIP.truth(np.array([[40.0, 40.0]]))[:, 0]
    return np.linalg.norm(shown.xy[:, shown.column(name)] - expected, axis=-1)[list(frames)]


def proposed_frames(session, name="tip"):
    proposals = session.curation.proposals
    column = proposals.column(name)
    free = session.annotations.source[:, column] == Source.MISSING
    return np.flatnonzero(proposals.present[:, column] & free).tolist()


# --- stepping --------------------------------------------------------------------------------


def test_a_step_carries_points_along(session):
    for _ in range(3):
        session.curation.step(1)
    assert session.frame == 3
    assert proposed_frames(session) == [1, 2, 3]
    assert off(session, frames=range(4)).max() < 0.3
    assert session.curation.shown.source[2, 0] == Source.FLOW
    assert not session.annotations.present[1:].any()


def test_stepping_back_works_the_same():
    session = opened()
    session.place("tip", LAST, (40, 40))
    session.frame = LAST
    session.curation.step(-1)
    session.curation.step(-1)
    assert proposed_frames(session) == [LAST - 2, LAST - 1]


def test_jumps_and_steps_with_propagation_off_propose_nothing(session):
    session.frame = 3
    session.curation.step(2)
    session.curation.propagating = False
    session.frame = 0
    session.curation.step(1)
    assert proposed_frames(session) == []


def test_steps_end_at_the_ends_of_the_clip(session):
    session.curation.step(-1)
    assert session.frame == 0
    session.frame = LAST
    session.curation.step(1)
    assert session.frame == LAST


def test_what_is_proposed_or_labelled_is_not_proposed_again():
    queue = Queue()
    session = opened(queue)
    session.place("tip", 0, (40, 40))
    session.curation.step(1)
    assert len(queue.jobs) == 1
    queue.jobs.pop().finish()
    session.curation.step(-1)
    session.curation.step(1)
    assert queue.jobs == []


def test_quick_steps_wait_for_each_other():
    queue = Queue()
    session = opened(queue)
    session.place("tip", 0, (40, 40))
    for _ in range(4):
        session.curation.step(1)
    assert len(queue.jobs) == 1
    for _ in range(4):
        queue.jobs.pop(0).finish()
    assert queue.jobs == []
    assert proposed_frames(session) == [1, 2, 3, 4]


def test_a_step_whose_start_was_moved_meanwhile_is_dropped():
    queue = Queue()
    session = opened(queue)
    session.place("tip", 0, (40, 40))
    session.curation.step(1)
    session.place("tip", 0, (30, 30))
    queue.jobs.pop(0).finish()
    assert proposed_frames(session) == []


# --- correcting ------------------------------------------------------------------------------


def test_a_correction_flows_on_and_fills_back(session):
    for _ in range(6):
        session.curation.step(1)
    right = session.curation.shown.xy[:, 0].copy()
    session.place("tip", 3, right[3] + (2, 0))
    now = session.curation.shown.xy[:, 0]
    assert proposed_frames(session) == [1, 2, 4, 5, 6]
    np.testing.assert_allclose(now[4:7] - right[4:7], [(2, 0)] * 3, atol=0.4)
    assert 0 < now[2, 0] - right[2, 0] < 2.2
    assert session.annotations.by_hand.sum() == 2


def test_only_the_span_between_neighbouring_anchors_is_filled_again():
    queue = Queue()
    session = opened(queue)
    places = {(0, "tip"): (40, 40), (3, "tip"): (43, 38.5), (6, "tip"): (46, 37)}
    session.place_all("labels", {**places, (0, "base"): (50, 35)})
    queue.jobs.pop(0).finish()
    before = session.curation.proposals
    session.place("tip", 7, (47, 36.5))
    assert queue.jobs == []
    session.place("tip", 6, (46.5, 37))
    queue.jobs.pop(0).finish()
    after = session.curation.proposals
    np.testing.assert_array_equal(after.xy[:3], before.xy[:3])
    assert np.abs(after.xy[4:6, 0] - before.xy[4:6, 0]).min() > 0
    assert queue.jobs == []


def test_two_labels_are_filled_between_at_once(session):
    session.place("tip", 6, (46, 37))
    assert proposed_frames(session) == [1, 2, 3, 4, 5]
    assert off(session, frames=range(7)).max() < 0.3


def test_undo_and_redo_propose_what_was_proposed(session):
    for _ in range(5):
        session.curation.step(1)
    before = session.curation.shown
    session.place("tip", 3, (48, 38.5))
    corrected = session.curation.shown
    session.undo()
    np.testing.assert_allclose(session.curation.shown.xy, before.xy, atol=0.05)
    session.redo()
    np.testing.assert_allclose(session.curation.shown.xy, corrected.xy, atol=0.05)


def test_undoing_everything_leaves_no_proposal(session):
    for _ in range(5):
        session.curation.step(1)
    session.place("tip", 3, (48, 38.5))
    while session.undo():
        pass
    assert session.curation.proposals.shape == (LAST + 1, 0)
    assert not session.curation.busy


def test_an_edit_elsewhere_lets_a_fill_go_on():
    queue = Queue()
    session = opened(queue)
    session.place_all("labels", {(0, "a"): (40, 40), (6, "a"): (46, 37), (0, "b"): (50, 35)})
    session.place("b", 6, (56, 32))
    assert [job.cancelled for job in queue.jobs] == [0]
    queue.jobs.pop(0).finish()
    assert proposed_frames(session, "a") == [1, 2, 3, 4, 5]
    queue.jobs.pop(0).finish()
    assert proposed_frames(session, "b") == [1, 2, 3, 4, 5]


def test_an_edit_in_the_span_being_filled_starts_it_anew():
    queue = Queue()
    session = opened(queue)
    session.place_all("labels", {(0, "a"): (40, 40), (6, "a"): (46, 37)})
    session.place("a", 3, (45, 38.5))
    first, second = queue.jobs
    assert first.cancelled == 1
    second.finish()
    assert proposed_frames(session, "a") == [1, 2, 4, 5]
    assert len(queue.jobs) == 2


def test_renaming_a_point_keeps_its_proposals(session):
    session.curation.step(1)
    before = session.curation.proposals.xy
    session.rename_point("tip", "tendon")
    assert session.curation.proposals.names == ("tendon",)
    np.testing.assert_array_equal(session.curation.proposals.xy, before)
    session.undo()
    np.testing.assert_array_equal(session.curation.proposals.xy, before)


def test_removing_a_point_removes_its_proposals(session):
    session.curation.step(1)
    session.remove_point("tip")
    assert session.curation.proposals.names == ()
    session.undo()
    assert session.curation.proposals.names == ("tip",)


# --- accepting and rejecting -----------------------------------------------------------------


def test_accepting_a_frame_makes_labels_of_it(session):
    session.curation.step(1)
    session.curation.step(1)
    assert session.curation.accept(2) == 1
    assert session.annotations.source[2, 0] == Source.ACCEPTED
    assert session.annotations.source[1, 0] == Source.MISSING
    np.testing.assert_array_equal(session.annotations.xy[2], session.curation.proposals.xy[2])
    assert 0 < session.annotations.confidence[2, 0] <= 1
    assert session.curation.accept(2) == 0
    assert session.undo() == "accept frame 2"
    assert proposed_frames(session) == [1, 2]


def test_accepting_up_to_here_is_one_change(session):
    session.place("base", 0, (50, 35))
    for _ in range(4):
        session.curation.step(1)
    before = session.annotations
    assert session.curation.accept_up_to(3) == 6
    assert (session.annotations.source[1:4] == Source.ACCEPTED).all()
    assert not session.annotations.present[4].any()
    session.undo()
    assert session.annotations.equals(before)


def test_accepting_computes_nothing_again():
    queue = Queue()
    session = opened(queue)
    session.place("tip", 0, (40, 40))
    session.curation.step(1)
    queue.jobs.pop(0).finish()
    session.curation.accept(1)
    session.undo()
    assert queue.jobs == []


def test_rejecting_ends_what_is_proposed(session):
    for _ in range(5):
        session.curation.step(1)
    assert session.curation.reject(3, ["tip"]) == 1
    assert session.annotations.source[3, 0] == Source.ABSENT
    assert proposed_frames(session) == [1, 2]
    session.frame = 3
    session.curation.step(1)
    assert proposed_frames(session) == [1, 2]
    assert session.undo() == "reject tip"
    assert proposed_frames(session) == [1, 2, 3, 4, 5]


def test_rejecting_what_is_not_there_is_no_change(session):
    assert session.curation.reject(4, ["tip", "nobody"]) == 0
    assert len(session.history) == 1


# --- runs below ------------------------------------------------------------------------------


def test_a_correction_of_a_run_is_proposed_over_it(session):
    session.track(method="lucas-kanade", options=SMALL)
    assert session.curation.base == "track"
    assert session.curation.shown.present.all()
    run = session.runs["track"]
    session.place("tip", 4, (46, 38))
    assert proposed_frames(session) == [1, 2, 3, 5, 6, 7]
    assert session.runs["track"] is run
    moved = session.curation.shown.xy[5:, 0] - run.xy[5:, 0]
    np.testing.assert_allclose(moved, [(2, 0)] * 3, atol=0.5)


def test_a_new_result_replaces_what_was_proposed(session):
    session.track(method="lucas-kanade", options=SMALL)
    session.place("tip", 4, (46, 38))
    session.track(method="lucas-kanade", options=SMALL)
    assert proposed_frames(session) == []


def test_recolouring_a_point_of_the_run_keeps_proposals(session):
    session.track(method="lucas-kanade", options=SMALL)
    session.place("tip", 4, (46, 38))
    session.describe_point("tip", colour="#ff0000")
    assert proposed_frames(session) == [1, 2, 3, 5, 6, 7]


# --- kept with the project -------------------------------------------------------------------


def test_proposals_are_saved_with_the_project(tmp_path):
    path = tmp_path / "clip.npy"
    np.save(path, CLIP.frames)
    with Session.open(path) as session:
        session.curation.propagating = True
        session.place("tip", 0, (40, 40))
        session.place("tip", 6, (46, 37))
        session.save()
        before = session.curation.proposals
    with Session.open(path) as again:
        assert again.curation.proposals.equals(before)
        assert again.runs == {}


class Damaged:
    """A clip that cannot be read any further."""

    def __init__(self, video):
        self.info = video.info

    def frames(self, span):
        raise UsstrackError("clip.mp4 is damaged at frame 1; copy it again.")


def test_a_clip_that_cannot_be_read_is_told_once(session):
    states = []
    session.job_changed.connect(states.append)
    session.video = Damaged(session.video)
    session.curation.step(1)
    assert [(state.phase, state.message) for state in states] == [
        ("failed", "clip.mp4 is damaged at frame 1; copy it again.")
    ]
    assert proposed_frames(session) == []
    assert not session.curation.busy


def test_an_unknown_method_is_refused_at_once(session):
    with pytest.raises(UsstrackError, match="no method 'magic'"):
        session.curation.use("magic")


def test_a_new_scale_reaches_the_method(session):
    seen = []

    class Asking:
        traits = LucasKanade().traits
        settings = {}

        def track(self, video, queries, span):
            seen.append(video.info.spacing_mm)
            return LucasKanade().track(video, queries, span)

    session.curation._tracker = Asking()
    session.curation.step(1)
    session.calibrate(session.annotations.video.calibration.with_spacing((0.1, 0.1), "ruler"))
    session.curation.step(1)
    assert seen == [None, (0.1, 0.1)]


def test_stepping_remembers_what_points_looked_like_at_first(session):
    """Two frames at a time, with what is remembered, is the same as the clip in one go."""
    session.curation.use("tissue-flow")
    for _ in range(LAST):
        session.curation.step(1)
    whole = finish(
        TissueFlow().track(session.video, Queries([0], [[40, 40]], ("tip",)), range(LAST + 1))
    )
    np.testing.assert_allclose(session.curation.shown.xy[:, 0], whole.xy[:, 0], atol=1e-9)
    session.curation.use("tissue-flow")
    assert ("tip", LAST) in session.curation._memory
    session.curation.use("tissue-flow", {"window_mm": 4.0})
    assert session.curation._memory == {}
