"""Intervals, marks, regions, merging and the list to check; no window."""

from __future__ import annotations

import numpy as np
import pytest
from queued import CLIP

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session
from napari_usstrack.session.placing import after_click

SMALL = {"window": 21}


@pytest.fixture
def session() -> Session:
    session = Session(array_video(CLIP.frames))
    session.curation.use("lucas-kanade", SMALL)
    session.place_all("labels", {(0, "a"): (40, 40), (0, "b"): (50, 35), (6, "a"): (46, 37)})
    return session


def test_an_interval_is_set_from_either_end(session):
    told = []
    session.review.interval_changed.connect(told.append)
    session.review.begin_interval(4)
    session.review.end_interval(6)
    session.review.begin_interval(2)
    session.review.end_interval(1)
    assert told == [range(4, 5), range(4, 7), range(2, 7), range(1, 2)]


def test_marks_toggle_and_undo(session):
    session.review.mark(5)
    session.review.mark(2)
    assert session.review.marked == (2, 5)
    session.review.mark(5)
    assert session.review.marked == (2,)
    assert session.undo() == "unmark frame 5"
    assert session.review.marked == (2, 5)
    session.undo()
    session.undo()
    assert "marked_frames" not in session.events


@pytest.mark.parametrize(("scope", "sentence"), [("interval", "Shift"), ("marked frames", "M")])
def test_a_scope_that_is_not_there_says_how_to_get_it(session, scope, sentence):
    with pytest.raises(UsstrackError, match=sentence):
        session.review.clear(scope, ["a"])


def test_clearing_an_interval_leaves_the_rest(session):
    session.review.interval = range(4, 8)
    session.review.clear("interval", ["a", "b"])
    assert session.annotations.by_hand.sum() == 2
    session.undo()
    assert session.annotations.by_hand.sum() == 3


def test_filling_an_interval_proposes_inside_and_between(session):
    session.review.interval = range(1, 4)
    session.review.fill("interval", ["a", "b"])
    proposals = session.curation.proposals
    assert np.flatnonzero(proposals.present[:, 0]).tolist() == [1, 2, 3, 4, 5]
    assert np.flatnonzero(proposals.present[:, 1]).tolist() == [1, 2, 3]


def test_filling_one_frame_gives_what_filling_all_gives(session):
    session.frame = 3
    session.review.fill("this frame", ["a"])
    alone = session.curation.proposals.xy[3, 0]
    session.fill(method="lucas-kanade", options=SMALL)
    np.testing.assert_array_equal(alone, session.runs["fill"].xy[3, 0])


def test_a_frame_beyond_the_last_label_is_filled_from_there(session):
    session.frame = 7
    session.review.fill("this frame", ["a"])
    proposals = session.curation.proposals
    assert proposals.present[7, 0]
    truth = CLIP.truth(np.array([[46.0, 37.0]]), 6)[7, 0]
    assert np.linalg.norm(proposals.xy[7, 0] - truth) < 1


def test_filling_without_labels_says_so():
    session = Session(array_video(CLIP.frames))
    session.add_point("a")
    with pytest.raises(UsstrackError, match="label the points first"):
        session.review.fill("whole clip", ["a"])


def test_copying_a_run_keeps_what_a_person_set(session):
    session.track(method="lucas-kanade", options=SMALL)
    session.review.copy("track", "whole clip", ["a"])
    assert session.annotations.source[6, 0] == Source.MANUAL
    assert (session.annotations.source[[1, 2, 7], 0] == Source.ACCEPTED).all()
    assert not session.annotations.present[1:, 1].any()
    with pytest.raises(UsstrackError, match="no run 'fill'"):
        session.review.copy("fill", "whole clip", ["a"])


def test_a_merge_does_what_its_preview_said_once(session):
    session.track(method="lucas-kanade", options=SMALL)
    made = session.review.plan_merge("track", "fill missing")
    assert made.counts.added == 13
    session.review.merge("track", made)
    assert session.annotations.by_hand.all()
    with pytest.raises(UsstrackError, match="preview it again"):
        session.review.merge("track", made)
    session.undo()
    assert session.annotations.by_hand.sum() == 3


def test_thinning_for_training(session):
    session.track(method="lucas-kanade", options=SMALL)
    session.review.merge("track", session.review.plan_merge("track", "fill missing"))
    session.review.decimate("whole clip", ["a", "b"], 3)
    assert np.flatnonzero(session.annotations.by_hand[:, 0]).tolist() == [0, 3, 6]
    session.delete("b", 3)
    session.review.keep_complete("whole clip", ["a", "b"])
    assert np.flatnonzero(session.annotations.by_hand[:, 0]).tolist() == [0, 6]


def spoiled(session):
    """A track with one frame of point a far off."""
    session.track(method="lucas-kanade", options=SMALL)
    run = session.runs["track"]
    xy = run.xy.copy()
    xy[4, 0] += (9, 0)
    arrays = {"xy": xy, "confidence": run.confidence, "visible": run.visible}
    session.set_run(
        "track", type(run)(**arrays, source=run.source, points=run.points, video=run.video)
    )


def test_a_jump_is_listed_accepted_and_dismissed(session):
    spoiled(session)
    (flag, *_) = session.review.flags()
    assert (flag.point, flag.frame) == ("a", 4)
    session.review.dismiss(flag)
    assert (flag.point, flag.frame) not in [(f.point, f.frame) for f in session.review.flags()]
    session.undo()
    assert session.review.flags()[0] == flag
    session.review.accept(flag)
    assert session.annotations.source[4, 0] == Source.ACCEPTED
    assert all(f.frame != 4 for f in session.review.flags())


def test_ways_of_placing(session):
    labels = session.annotations
    assert after_click("quick", labels, "a", 3) == ("a", 3)
    assert after_click("loop", labels, "a", 3) == ("a", 4)
    assert after_click("loop", labels, "a", 7) == ("a", 7)
    assert after_click("sequential", labels, "a", 6) == ("b", 6)
    assert after_click("sequential", labels, "a", 0) == ("a", 0)


def test_copying_replaces_labels_only_where_asked(session):
    session.track(method="lucas-kanade", options=SMALL)
    session.place_all("moved", {(frame, "a"): (20, 20) for frame in range(8)})
    session.review.interval = range(2, 4)
    with pytest.raises(UsstrackError, match="set by hand"):
        session.review.copy("track", "interval", ["a"])
    session.review.copy("track", "interval", ["a"], replace=True)
    moved = (session.annotations.xy[:, 0] != 20).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [2, 3]
    session.undo()
    assert (session.annotations.xy[:, 0] == 20).all()


def test_tracking_a_part_keeps_the_run_elsewhere(session):
    session.track(method="lucas-kanade", options=SMALL)
    before = session.runs["track"]
    session.place_all("move a", {(0, "a"): (30, 30)})
    session.track(method="lucas-kanade", options=SMALL, start=0, stop=3, names=["a"], keep=True)
    changed = (session.runs["track"].xy != before.xy).any(axis=-1)
    assert np.flatnonzero(changed[:, 0]).tolist() == [0, 1, 2, 3]
    assert not changed[:, 1].any()
    session.undo()
    assert session.runs["track"] is before
