"""Filling between anchors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from fakes import CLIP, COUNT, INFO, Walker, labels

from napari_usstrack.core import edits
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.pipelines import fill as filling
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.fill import fill, fill_ticket
from napari_usstrack.pipelines.queries import Stretch, open_ends, stretches
from napari_usstrack.pipelines.refine import affected
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import speckle_clip

TWO = {"a": {2: (10, 20), 12: (25, 22)}}
STAGGERED = {
    "a": {0: (10, 20), 7: (18, 21), 20: (25, 22)},
    "b": {3: (30, 10), 15: (33, 12)},
    "c": {9: (5, 5)},
    "d": {1: (40, 30), 2: (41, 30), 18: (50, 31)},
}


def run(annotations, tracker=None, spans=None, **options):
    return finish(fill(CLIP, annotations, tracker or Walker(), spans, **options))


def filled(tracks, column=0):
    return np.flatnonzero(tracks.present[:, column]).tolist()


def test_between_two_anchors_both_passes_are_blended():
    run_ = run(labels(TWO))
    assert filled(run_) == list(range(2, 13))
    frames = np.arange(2, 13)
    w = forward_weight(10)
    expected = w * (10 + frames - 2) + (1 - w) * (25 + frames - 12)
    np.testing.assert_allclose(run_.xy[2:13, 0, 0], expected, atol=1e-12)
    assert run_.source[2, 0] == run_.source[12, 0] == Source.MANUAL
    assert (run_.source[3:12, 0] == Source.FLOW).all()


def test_equals_plain_opencv_and_the_formula():
    import cv2

    clip = speckle_clip(
        contraction((75.0, 55.0), period=15.0),
        frames=16,
        width=150,
        height=110,
        per_px=0.2,
        margin_px=25.0,
    )
    info = VideoInfo(16, 150, 110)
    video = CallbackVideo(info, lambda span: clip.frames[span.start : span.stop])
    start, end = np.array([[60.3, 50.1], [90.0, 60.7]]), np.array([[62.1, 49.4], [88.7, 61.9]])
    first, last = 2, 13
    points = {
        name: {first: tuple(start[i]), last: tuple(end[i])} for i, name in enumerate(["a", "b"])
    }
    settings = {"window": 45, "levels": 3, "iterations": 10, "epsilon_px": 0.03, "predict": False}
    tracker = trackers.make("lucas-kanade", settings)
    run_ = finish(fill(video, labels(points, info), tracker))
    assert run_.visible[first : last + 1].all()

    def chain(frames, xy):
        at = xy.astype(np.float32).reshape(-1, 1, 2)
        rows = [at]
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
        for here, there in pairwise(frames):
            at, _, _ = cv2.calcOpticalFlowPyrLK(
                here, there, at, None, winSize=(45, 45), maxLevel=2, criteria=stop
            )
            rows.append(at)
        return np.concatenate(rows, axis=1).astype(np.float64).swapaxes(0, 1)

    frames = clip.frames[first : last + 1]
    forward, backward = chain(frames, start), chain(frames[::-1], end)[::-1]
    length = last - first
    f = np.arange(length + 1)
    b = 2 * np.log(1 / 0.01 - 1) / length
    w = (1 / (1 + np.exp(b * (f - length / 2))) - 0.5) / (1 - 2 * 0.01) + 0.5
    expected = w[:, None, None] * forward + (1 - w)[:, None, None] * backward
    np.testing.assert_allclose(run_.xy[first + 1 : last], expected[1:-1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(run_.xy[first], start)
    np.testing.assert_array_equal(run_.xy[last], end)


def test_anchors_stay_exactly_where_they_were_set():
    annotations = labels({"a": {2: (1 / 3, 20.1), 12: (25.7, np.pi), 13: (0.1, 0.2)}})
    run_ = run(annotations, extend=True)
    at = annotations.by_hand
    np.testing.assert_array_equal(run_.xy[at], annotations.xy[at])
    np.testing.assert_array_equal(run_.source[at], annotations.source[at])
    assert (run_.confidence[at] == 1).all()


def test_points_with_staggered_anchors_get_what_each_gets_alone():
    together = run(labels(STAGGERED), extend=True)
    for column, name in enumerate(STAGGERED):
        alone = run(labels({name: STAGGERED[name]}), extend=True)
        assert together.select([name]).equals(alone), name
        assert together.points[column].name == name


def test_real_flow_of_staggered_points_equals_each_alone():
    clip = speckle_clip(contraction((45, 35), period=20.0), frames=21, width=90, height=70)
    info = VideoInfo(21, 90, 70)
    video = CallbackVideo(info, lambda span: clip.frames[span.start : span.stop])
    points = {"a": {0: (40, 30), 9: (41, 31), 20: (40, 30)}, "b": {4: (50, 40), 15: (50, 41)}}
    tracker = trackers.make("lucas-kanade", {"window": 21})
    together = finish(fill(video, labels(points, info), tracker, extend=True))
    for name in points:
        alone = finish(fill(video, labels({name: points[name]}, info), tracker, extend=True))
        beside = together.select([name])
        np.testing.assert_array_equal(beside.source, alone.source)
        np.testing.assert_allclose(beside.xy, alone.xy, atol=1e-3)


def test_one_call_of_the_method_for_all_stretches():
    tracker = Walker()
    run(labels(STAGGERED), tracker)
    ((queries, span),) = tracker.calls
    assert len(queries) == 2 * len(stretches(labels(STAGGERED)))
    assert span == range(0, 21)


def test_a_second_call_for_the_open_ends():
    tracker = Walker()
    run(labels(STAGGERED), tracker, extend=True)
    assert len(tracker.calls) == 2
    queries, _ = tracker.calls[1]
    assert len(queries) == len(open_ends(labels(STAGGERED)))


def test_a_large_job_is_split_without_changing_the_result(monkeypatch):
    annotations = labels(STAGGERED)
    whole = run(annotations)
    monkeypatch.setattr(filling, "BATCH_CELLS", 60)
    tracker = Walker()
    assert run(annotations, tracker).equals(whole)
    assert len(tracker.calls) > 1


def test_extend_follows_beyond_the_first_and_last_anchor():
    assert filled(run(labels(TWO), extend=True)) == list(range(COUNT))
    run_ = run(labels(TWO), extend=True)
    np.testing.assert_array_equal(run_.xy[:3, 0, 0], [8, 9, 10])
    np.testing.assert_array_equal(run_.xy[12:, 0, 0], 25 + np.arange(9))


def test_a_single_label():
    assert filled(run(labels({"c": {9: (5, 5)}}))) == [9]
    assert filled(run(labels({"c": {9: (5, 5)}}), extend=True)) == list(range(COUNT))


def test_no_label_is_an_error():
    with pytest.raises(UsstrackError, match="No point is labelled yet; label points in at least"):
        run(labels({"a": {}, "b": {4: None}}))


def test_absent_keeps_the_stretch_around_it_empty():
    annotations = labels({"a": {2: (10, 20), 8: None, 12: (25, 22), 16: (30, 20)}})
    run_ = run(annotations)
    assert filled(run_) == [2, *range(12, 17)]
    assert run_.source[8, 0] == Source.ABSENT
    assert filled(run(annotations, extend=True)) == [2, 1, 0][::-1] + list(range(12, 21))


def test_cells_of_a_former_method_among_the_labels_do_not_count_as_anchors():
    former = run(labels({"a": {0: (10, 20), 20: (30, 20)}}))
    corrected = edits.put(former, 10, "a", (0.0, 0.0)).apply(former)
    expected = run(labels({"a": {0: (10, 20), 10: (0, 0), 20: (30, 20)}}))
    np.testing.assert_array_equal(run(corrected).xy, expected.xy)


# --- parts of a former run -------------------------------------------------------------------


def test_only_the_named_stretches_are_filled():
    annotations = labels(STAGGERED)
    wanted = [Stretch("a", 7, 20), Stretch("b", 3, 15)]
    tracker = Walker()
    run_ = run(annotations, tracker, wanted)
    assert filled(run_, 0) == [0, *range(7, 21)]
    assert filled(run_, 1) == list(range(3, 16))
    assert filled(run_, 3) == [1, 2, 18]
    assert len(tracker.calls[0][0]) == 4


def test_a_former_run_keeps_its_cells_elsewhere():
    annotations = labels(STAGGERED)
    former = run(annotations, Walker(dx=9.0))
    run_ = run(annotations, Walker(dx=1.0), [Stretch("a", 7, 20)], onto=former)
    fresh = run(annotations, Walker(dx=1.0))
    np.testing.assert_array_equal(run_.xy[8:20, 0], fresh.xy[8:20, 0])
    np.testing.assert_array_equal(run_.xy[:8, 0], former.xy[:8, 0])
    np.testing.assert_array_equal(run_.xy[:, 1:], former.xy[:, 1:])


def test_a_former_run_of_other_points_gives_those_it_shares():
    former = run(labels({"b": STAGGERED["b"], "x": {0: (1, 1)}, "a": STAGGERED["a"]}))
    annotations = labels({"a": STAGGERED["a"], "new": {}, "b": STAGGERED["b"]})
    run_ = run(annotations, spans=[], onto=former)
    assert run_.names == ("a", "new", "b")
    np.testing.assert_array_equal(run_.xy[:, 0], former.xy[:, 2])
    np.testing.assert_array_equal(run_.xy[:, 2], former.xy[:, 0])
    assert filled(run_, 1) == []


@pytest.mark.parametrize(
    ("frame", "point", "expected"),
    [
        (7, "a", {("a", 0, 7), ("a", 7, 20)}),
        (4, "a", {("a", 0, 4), ("a", 4, 7)}),
        (0, "a", {("a", 0, 7)}),
        (9, "b", {("b", 3, 9), ("b", 9, 15)}),
        (3, "d", {("d", 3, 18)}),
        (20, "b", {("b", 15, 20)}),
    ],
)
def test_an_edit_affects_only_the_stretches_around_it(frame, point, expected):
    before = labels(STAGGERED)
    edit = edits.put(before, frame, point, (12.0, 13.0))
    found = affected(edit.apply(before), edit)
    assert {(s.point, s.first, s.last) for s in found} == expected


def test_redoing_affected_stretches_equals_filling_anew():
    before = labels(STAGGERED)
    former = run(before)
    for frame, point, xy in [(7, "a", (0, 0)), (4, "a", (1, 2)), (9, "b", (8, 8))]:
        edit = edits.put(before, frame, point, xy)
        after = edit.apply(before)
        again = run(after, spans=affected(after, edit), onto=former)
        assert again.equals(run(after))


def test_removing_an_anchor_between_two_refills_across_it():
    before = labels(STAGGERED)
    edit = edits.clear(before, [7], ["a"])
    after = edit.apply(before)
    assert affected(after, edit) == (Stretch("a", 0, 20),)
    assert run(after, spans=affected(after, edit), onto=run(before)).equals(run(after))


def test_an_edit_that_removes_a_point_affects_nothing():
    before = labels(STAGGERED)
    edit = edits.remove_point(before, "b")
    assert affected(edit.apply(before), edit) == ()


# --- being good work -------------------------------------------------------------------------


@pytest.mark.parametrize("units", [1, 3, 7])
@pytest.mark.parametrize("batch", [40, 10**6])
def test_progress_never_falls_and_ends_at_its_total(monkeypatch, units, batch):
    monkeypatch.setattr(filling, "BATCH_CELLS", batch)
    steps = list(fill(CLIP, labels(STAGGERED), Walker(units=units), extend=True))
    assert len({step.total for step in steps}) == 1
    assert all(b.done >= a.done for a, b in pairwise(steps))
    assert steps[-1].done == steps[-1].total


def test_closing_closes_the_method():
    tracker = Walker()
    work = fill(CLIP, labels(TWO), tracker)
    next(work)
    work.close()
    assert tracker.closed == [range(2, 13)]


def test_the_source_of_the_method_is_kept():
    run_ = run(labels(TWO), Walker(source=Source.MODEL), extend=True)
    assert set(run_.source[:, 0].tolist()) == {Source.MANUAL, Source.MODEL}


def test_labels_stay_as_they_were_and_the_run_tells_how_it_came_about():
    annotations = labels(TWO)
    before = annotations.xy.copy()
    run_ = run(annotations, Walker(dx=2.0))
    np.testing.assert_array_equal(annotations.xy, before)
    (step,) = run_.log
    assert (step.name, step.method, step.settings["dx"]) == ("fill", "walker", 2.0)
    assert step.inputs == fill_ticket(annotations, Walker(dx=2.0))


def test_ticket_changes_with_all_that_is_read():
    annotations = labels(TWO)
    former = run(annotations)
    moved = labels({"a": {2: (10, 20), 12: (25, 22.5)}})
    walker = Walker()
    tickets = [
        fill_ticket(annotations, walker),
        fill_ticket(moved, walker),
        fill_ticket(labels({"b": TWO["a"]}), walker),
        fill_ticket(annotations, Walker(dx=2.0)),
        fill_ticket(annotations, walker, extend=True),
        fill_ticket(annotations, walker, stretches(annotations)),
        fill_ticket(annotations, walker, stretches(annotations), onto=former),
        fill_ticket(annotations, walker, stretches(annotations), onto=run(moved)),
    ]
    assert len(set(tickets)) == len(tickets)
    assert fill_ticket(labels(TWO), walker) == tickets[0]


def test_clip_of_the_labels_is_clip_of_the_run():
    assert run(labels(TWO)).video is INFO


def test_a_stretch_that_no_longer_exists_is_not_kept():
    before = labels({"a": {0: (10, 20), 6: (18, 21), 20: (25, 22)}})
    former = run(before)
    edit = edits.clear(before, [20], ["a"])
    after = edit.apply(before)
    again = run(after, spans=affected(after, edit), onto=former)
    assert filled(again) == list(range(7))


def test_an_edit_elsewhere_leaves_the_ticket_of_named_stretches():
    before = labels(STAGGERED)
    spans = [Stretch("a", 0, 7)]
    elsewhere = edits.put(before, 5, "b", (31, 11)).apply(before)
    inside = edits.put(before, 5, "a", (14, 20)).apply(before)
    ticket = fill_ticket(before, Walker(), spans)
    assert fill_ticket(elsewhere, Walker(), spans) == ticket
    assert fill_ticket(inside, Walker(), spans) != ticket
