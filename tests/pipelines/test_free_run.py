"""Tracking from the first label of each point."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import CLIP, COUNT, Walker, labels

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.tracks import Source
from napari_usstrack.pipelines.track import track, track_ticket


def run(annotations, tracker=None, **options):
    return finish(track(CLIP, annotations, tracker or Walker(), **options))


def filled(tracks, column=0):
    return np.flatnonzero(tracks.present[:, column]).tolist()


def test_a_point_is_followed_through_the_whole_clip():
    run_ = run(labels({"a": {5: (10, 20)}}))
    assert run_.shape == (COUNT, 1)
    np.testing.assert_array_equal(run_.xy[:, 0, 0], 10 + np.arange(COUNT) - 5)
    np.testing.assert_array_equal(run_.xy[:, 0, 1], 20)
    assert run_.source[5, 0] == Source.MANUAL
    assert (np.delete(run_.source[:, 0], 5) == Source.FLOW).all()


@pytest.mark.parametrize(
    ("direction", "first", "last"),
    [("both", 0, 20), ("forward", 5, 20), ("backward", 0, 5)],
)
def test_direction(direction, first, last):
    run_ = run(labels({"a": {5: (10, 20)}}), direction=direction)
    assert filled(run_) == list(range(first, last + 1))


@pytest.mark.parametrize(("start", "stop"), [(3, 9), (5, 5), (0, 5), (5, 20), (None, 7), (4, None)])
def test_start_and_stop_are_included(start, stop):
    run_ = run(labels({"a": {5: (10, 20)}}), start=start, stop=stop)
    first, last = 0 if start is None else start, 20 if stop is None else stop
    assert filled(run_) == list(range(first, last + 1))
    assert run_.log[0].settings["first_frame"] == first
    assert run_.log[0].settings["last_frame"] == last


def test_direction_and_range_together():
    run_ = run(labels({"a": {5: (10, 20)}}), start=3, stop=9, direction="forward")
    assert filled(run_) == list(range(5, 10))


def test_absent_labels_stop_the_point_on_both_sides():
    annotations = labels({"a": {0: (1, 1), 3: None, 8: (10, 20), 12: None, 15: (3, 3)}})
    assert filled(run(annotations, start=4)) == list(range(4, 12))
    assert filled(run(annotations)) == [0, 1, 2]


def test_absent_outside_the_range_does_not_matter():
    annotations = labels({"a": {1: None, 8: (10, 20), 19: None}})
    assert filled(run(annotations, start=5, stop=15)) == list(range(5, 16))


def test_the_first_label_inside_the_range_counts():
    annotations = labels({"a": {2: (10, 20), 8: (30, 5), 14: (50, 9)}})
    run_ = run(annotations, start=6)
    np.testing.assert_array_equal(run_.xy[8, 0], (30, 5))
    np.testing.assert_array_equal(run_.xy[14, 0], (36, 5))
    assert run_.source[14, 0] == Source.FLOW


def test_points_start_where_each_was_first_labelled():
    run_ = run(labels({"a": {2: (10, 20)}, "b": {}, "c": {9: (5, 5), 12: (6, 6)}}))
    assert run_.names == ("a", "b", "c")
    assert filled(run_, 1) == []
    np.testing.assert_array_equal(run_.xy[10, :, 0], [18, np.nan, 6])


def test_only_the_named_points_are_followed():
    annotations = labels({"a": {5: (10, 20)}, "b": {1: (3, 4)}})
    run_ = run(annotations, names=["a"], start=4, stop=8)
    assert (filled(run_, 0), filled(run_, 1)) == ([4, 5, 6, 7, 8], [])


def test_a_former_run_keeps_its_cells_elsewhere():
    annotations = labels({"a": {5: (10, 20)}, "b": {5: (3, 4)}})
    former = run(annotations)
    moved = labels({"a": {5: (11, 30)}, "b": {5: (3, 4)}})
    run_ = run(moved, names=["a"], start=4, stop=8, onto=former)
    changed = (run_.xy != former.xy).any(axis=-1)
    assert np.flatnonzero(changed[:, 0]).tolist() == [4, 5, 6, 7, 8]
    assert not changed[:, 1].any()
    np.testing.assert_array_equal(run_.xy[4:9, 0, 1], 30)


def test_the_method_is_asked_once_for_all_points():
    tracker = Walker()
    run(labels({"a": {2: (10, 20)}, "b": {9: (5, 5)}}), tracker)
    ((queries, span),) = tracker.calls
    assert queries.name == ("a", "b")
    assert queries.frame.tolist() == [2, 9]
    assert span == range(COUNT)


def test_labels_stay_as_they_were_and_the_run_tells_how_it_came_about():
    annotations = labels({"a": {5: (10, 20)}})
    before = annotations.xy.copy()
    run_ = run(annotations, Walker(dx=2.0))
    np.testing.assert_array_equal(annotations.xy, before)
    (step,) = run_.log
    assert (step.name, step.method, step.settings["dx"]) == ("track", "walker", 2.0)
    assert step.inputs == track_ticket(annotations, Walker(dx=2.0), range(COUNT))


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        ({}, {}, "No point is labelled yet"),
        ({"a": {}, "b": {3: None}}, {}, "No point is labelled yet"),
        (
            {"a": {5: (1, 1)}},
            {"start": 6},
            r"Point 'a' is first labelled in frame 5, outside fr.*6",
        ),
        ({"a": {5: (1, 1)}}, {"stop": 4}, "outside frames 0 to 4"),
        ({"a": {5: (1, 1)}}, {"start": -1}, r"clip.npy has frames 0 to 20; frames -1 to 20"),
        ({"a": {5: (1, 1)}}, {"stop": 21}, "frames 0 to 21 cannot be tracked"),
        ({"a": {5: (1, 1)}}, {"start": 9, "stop": 3}, "frames 9 to 3 cannot be tracked"),
        ({"a": {5: (1, 1)}}, {"direction": "sideways"}, "'sideways'.*forward, backward, both"),
    ],
)
def test_what_cannot_be_tracked_is_said_in_a_sentence(points, options, message):
    with pytest.raises(UsstrackError, match=message):
        run(labels(points), **options)


def test_ticket_changes_with_what_is_read_only():
    base = {"a": {2: (10, 20), 8: (30, 5)}, "b": {4: (1, 1)}}
    span = range(COUNT)

    def ticket(points=base, tracker=None, span=span, direction="both", **more):
        return track_ticket(labels(points), tracker or Walker(), span, direction, **more)

    assert ticket() == ticket()
    later = {"a": {2: (10, 20), 8: (31, 5), 9: (0, 0)}, "b": {4: (1, 1)}}
    assert ticket(later) == ticket()
    assert (
        len(
            {
                ticket(),
                ticket({"a": {2: (10.5, 20)}, "b": {4: (1, 1)}}),
                ticket({"a": {1: (10, 20)}, "b": {4: (1, 1)}}),
                ticket({"a": {2: (10, 20), 9: None}, "b": {4: (1, 1)}}),
                ticket({"a": {2: (10, 20)}, "c": {4: (1, 1)}}),
                ticket(tracker=Walker(dx=2.0)),
                ticket(span=range(3, COUNT), points={"a": {8: (1, 1)}, "b": {4: (1, 1)}}),
                ticket(direction="forward"),
                ticket(names=["a"]),
                ticket(onto=run(labels(base))),
                ticket(onto=run(labels(later))),
            }
        )
        == 10
    )


def test_closing_closes_the_method():
    tracker = Walker()
    work = track(CLIP, labels({"a": {5: (10, 20)}}), tracker)
    next(work)
    work.close()
    assert tracker.closed == [range(COUNT)]
