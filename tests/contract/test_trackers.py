"""What every method promises, whichever it is; scenes with motion we made."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest
from scenes import DIRECTIONS, FRAMES, HEIGHT, POINTS, WIDTH, ask, moving, resting, video

from napari_usstrack.core.coords import Chain, Flip, Transpose
from napari_usstrack.core.tracker import Tracker, finish
from napari_usstrack.core.tracks import Cells
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.pipelines import trackers

WHOLE = range(FRAMES)
SIZE = (WIDTH, HEIGHT)


@pytest.fixture(params=trackers.names())
def tracker(request) -> Tracker:
    return trackers.make(request.param)


def run(tracker, frames, queries, span=None) -> Cells:
    return finish(tracker.track(video(frames), queries, span or range(len(frames))))


def error_px(cells: Cells, truth) -> np.ndarray:
    return np.linalg.norm(cells.xy - truth, axis=-1)


def assert_lawful(cells: Cells) -> None:
    assert not (cells.visible & np.isnan(cells.xy).any(axis=-1)).any()
    told = cells.confidence[~np.isnan(cells.confidence)]
    assert ((told >= 0) & (told <= 1)).all()
    believed = cells.present & ~cells.visible
    assert (cells.confidence[believed] == 0).all()


def test_traits_name_the_method_as_it_is_asked_for(tracker):
    traits = tracker.traits
    assert traits.name in trackers.names()
    assert traits.reach in ("pair", "window", "clip")
    assert 0 < traits.bound_px < 1
    assert traits.summary
    assert type(trackers.make(traits.name, tracker.settings)) is type(tracker)


# --- accuracy --------------------------------------------------------------------------------


def test_one_frame_repeated_shows_no_motion(tracker):
    cells = run(tracker, resting(), ask(0, POINTS))
    assert error_px(cells, POINTS).max() < 1e-3
    assert cells.visible.all()


@pytest.mark.parametrize("speed", [1.0, 2.0, 0.4, 1.3, 3.3])
def test_known_shift_in_eight_directions(tracker, speed):
    worst = []
    for dx, dy in DIRECTIONS:
        clip = moving(dx * speed, dy * speed)
        cells = run(tracker, clip.frames, ask(0, POINTS))
        assert_lawful(cells)
        assert cells.visible.all()
        worst.append(error_px(cells, clip.truth(POINTS)).max())
    assert max(worst) < tracker.traits.bound_px
    assert max(worst) < 2.0 * np.median(worst) + 0.05


def test_the_answer_knows_which_way_it_went(tracker):
    there = run(tracker, moving(1.3, 0.4).frames, ask(0, POINTS)).xy[-1] - POINTS
    assert np.abs(there - 7 * np.array([1.3, 0.4])).max() < tracker.traits.bound_px


@pytest.mark.parametrize("middle", [1, 4, FRAMES - 1])
def test_a_query_in_the_middle_is_followed_both_ways(tracker, middle):
    clip = moving(1.3, -1.3)
    odd = POINTS + 1 / 3
    cells = run(tracker, clip.frames, ask(middle, odd))
    np.testing.assert_array_equal(cells.xy[middle], odd)
    assert (cells.source == tracker.traits.source).all()
    assert error_px(cells, clip.truth(odd, middle)).max() < tracker.traits.bound_px


MAPS = {
    "transposed": Transpose(SIZE),
    "flipped left-right": Flip(SIZE),
    "flipped top-bottom": Flip(SIZE, horizontal=False, vertical=True),
    "turned over": Flip(SIZE, vertical=True),
    "turned by 90 degrees": Chain([Transpose(SIZE), Flip((HEIGHT, WIDTH))]),
}


@pytest.mark.parametrize("change", MAPS.values(), ids=MAPS)
def test_the_answer_follows_the_picture(tracker, change):
    clip = moving(2.6, 1.3)
    frames = clip.frames
    for step in getattr(change, "maps", [change]):
        frames = step.picture(frames)
    cells = run(tracker, frames, ask(0, change.forward(POINTS)))
    truth = change.forward(clip.truth(POINTS))
    assert error_px(cells, truth).max() < tracker.traits.bound_px


def test_a_reversed_clip_is_followed_backward(tracker):
    clip = moving(2.6, 1.3)
    cells = run(tracker, clip.frames[::-1], ask(FRAMES - 1, POINTS))
    truth = clip.truth(POINTS)[::-1]
    assert error_px(cells, truth).max() < tracker.traits.bound_px


@pytest.mark.parametrize(("width", "height"), [(145, 61), (61, 121), (97, 96), (128, 128)])
def test_any_frame_size(tracker, width, height):
    clip = moving(0.4, -0.4)
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    top = max(top, 0)
    frames = clip.frames[:, top : top + height, left : left + width]
    corner = np.array([left, top])
    cells = run(tracker, frames, ask(0, POINTS - corner))
    assert error_px(cells, clip.truth(POINTS) - corner).max() < tracker.traits.bound_px


# --- what is asked ---------------------------------------------------------------------------


def test_a_clip_of_one_frame(tracker):
    cells = run(tracker, moving(1, 0).frames[:1], ask(0, POINTS))
    np.testing.assert_array_equal(cells.xy, POINTS[None])
    assert cells.visible.all()


def test_no_query(tracker):
    cells = run(tracker, moving(1, 0).frames, ask(0, np.empty((0, 2))))
    assert cells.shape == (FRAMES, 0)


def test_one_query_gets_what_it_gets_in_company(tracker):
    clip = moving(1.3, 0.4)
    together = run(tracker, clip.frames, ask(0, POINTS))
    alone = run(tracker, clip.frames, ask(0, POINTS[2:3]))
    assert error_px(alone, together.xy[:, 2:3]).max() < tracker.traits.bound_px


def test_the_order_of_queries_only_orders_the_answer(tracker):
    clip = moving(1.3, 0.4)
    order = [2, 0, 3, 1]
    straight = run(tracker, clip.frames, ask([0, 3, 5, 7], POINTS))
    mixed = run(tracker, clip.frames, ask([5, 0, 7, 3], POINTS[order]))
    assert error_px(mixed, straight.xy[:, order]).max() < tracker.traits.bound_px
    np.testing.assert_array_equal(mixed.visible, straight.visible[:, order])


def test_the_same_point_asked_twice_is_answered_twice(tracker):
    clip = moving(1.3, 0.4)
    path = clip.truth(POINTS[:1])
    twice = ask([0, 6], np.concatenate([path[0], path[6]]))
    cells = run(tracker, clip.frames, twice)
    assert error_px(cells, path).max() < tracker.traits.bound_px


def test_a_span_in_the_middle_of_the_clip(tracker):
    clip = moving(1.3, 0.4, 12)
    span = range(3, 9)
    at = clip.truth(POINTS)[5]
    cells = run(tracker, clip.frames, ask(5, at), span)
    assert cells.shape == (len(span), len(POINTS))
    assert error_px(cells, clip.truth(POINTS)[3:9]).max() < tracker.traits.bound_px


def test_limits_are_kept(tracker):
    clip = moving(1.3, 0.4)
    first, last = [2, 0, 3, 4], [5, 7, 3, 100]
    queries = ask([3, 0, 3, 7], clip.truth(POINTS)[[3, 0, 3, 7], range(4)], first=first, last=last)
    cells = run(tracker, clip.frames, queries)
    frames = np.arange(FRAMES)[:, None]
    asked = (frames >= first) & (frames <= last)
    np.testing.assert_array_equal(cells.present, asked)
    assert np.isnan(cells.confidence[~asked]).all()
    error = error_px(cells, clip.truth(POINTS))
    assert error[asked].max() < tracker.traits.bound_px


def test_limits_of_one_query_do_not_touch_another(tracker):
    clip = moving(1.3, 0.4)
    free = run(tracker, clip.frames, ask(3, POINTS))
    mixed = run(tracker, clip.frames, ask(3, POINTS, first=[0, 2, 3, 0], last=[7, 5, 3, 4]))
    assert error_px(mixed, free.xy)[mixed.present].max() < tracker.traits.bound_px


@pytest.mark.parametrize("company", [False, True])
@pytest.mark.parametrize(
    ("frame", "first", "last"), [(1, 4, 6), (7, 2, 5)], ids=["before its limits", "after them"]
)
def test_a_query_outside_its_limits_is_not_followed(tracker, frame, first, last, company):
    clip = moving(1.3, 0.4)
    queries = ask([frame], POINTS[:1], first=[first], last=[last])
    if company:
        queries = ask([frame, 0, 7], POINTS[:3], first=[first, 0, 0], last=[last, 7, 7])
    cells = run(tracker, clip.frames, queries)
    assert not cells.present[:, 0].any()


@pytest.mark.parametrize("frame", [0, 11])
def test_a_query_outside_the_span_is_not_followed(tracker, frame):
    clip = moving(1.3, 0.4, 12)
    cells = run(tracker, clip.frames, ask([frame, 5], POINTS[:2]), range(3, 9))
    assert not cells.present[:, 0].any()
    assert cells.present[:, 1].all()


# --- losing a point --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("velocity", "start"),
    [((-4, 0), (20, 60)), ((4, 0), (124, 60)), ((0, -4), (70, 20)), ((0, 4), (70, 100))],
    ids=["left", "right", "top", "bottom"],
)
def test_a_point_that_leaves_the_frame_is_no_longer_visible(tracker, velocity, start):
    clip = moving(*velocity, 12)
    start = np.array([start], dtype=float)
    cells = run(tracker, clip.frames, ask(0, start))
    assert_lawful(cells)
    x, y = clip.truth(start)[:, 0].T
    outside = (x < -1) | (y < -1) | (x > WIDTH) | (y > HEIGHT)
    assert outside.sum() >= 4
    assert cells.visible[:3].all()
    assert not cells.visible[outside].any()
    last_seen = np.flatnonzero(cells.visible)[-1]
    assert cells.present.all()
    np.testing.assert_array_equal(cells.xy[last_seen + 1 :, 0] - cells.xy[last_seen, 0], 0.0)
    assert (cells.confidence[last_seen + 1 :] == 0).all()


def test_noise_without_any_tissue_is_lawful(tracker):
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    assert_lawful(run(tracker, noise, ask(0, POINTS)))


@pytest.mark.parametrize("grey", [0, 255])
def test_pictures_without_texture_are_lawful(tracker, grey):
    flat = np.full((FRAMES, HEIGHT, WIDTH), grey, dtype=np.uint8)
    assert_lawful(run(tracker, flat, ask(0, POINTS)))


def test_queries_on_the_border_are_lawful(tracker):
    corners = np.array([[0, 0], [WIDTH - 1, 0], [-0.5, HEIGHT - 0.5], [WIDTH - 0.5, 30]])
    cells = run(tracker, moving(1.3, 0.4).frames, ask(0, corners))
    assert_lawful(cells)
    np.testing.assert_array_equal(cells.xy[0], corners)


# --- being good work -------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [ask(0, POINTS), ask([0, 3, 5, 7], POINTS), ask(4, POINTS[:0])])
@pytest.mark.parametrize("span", [WHOLE, range(4, 5), range(0)], ids=str)
def test_progress_never_falls_and_ends_at_its_total(tracker, queries, span):
    steps = list(tracker.track(video(moving(1, 0).frames), queries, span))
    assert steps
    assert len({step.total for step in steps}) == 1
    assert all(b.done >= a.done for a, b in pairwise(steps))
    assert steps[0].done >= 0
    assert steps[-1].done == steps[-1].total


def test_the_first_yield_comes_within_one_unit_of_work(tracker):
    count = 120
    picture = resting()[0]
    read = []

    def frames(span):
        read.extend(span)
        return np.broadcast_to(picture, (len(span), *picture.shape))

    long = CallbackVideo(VideoInfo(count, WIDTH, HEIGHT), frames)
    work = tracker.track(long, ask(0, POINTS), range(count))
    first = next(work)
    work.close()
    if tracker.traits.reach == "pair":
        assert (first.done, first.total) == (1, count - 1)
    if tracker.traits.reach != "clip":
        assert len(read) <= count // 2
        assert first.done < first.total


def test_closing_after_any_yield_leaves_no_thread(tracker):
    clip = video(moving(1.3, 0.4).frames)
    before = set(threading.enumerate())
    total = len(list(tracker.track(clip, ask(3, POINTS), WHOLE)))
    for yields in range(total + 1):
        work = tracker.track(clip, ask(3, POINTS), WHOLE)
        for _ in range(yields):
            next(work)
        work.close()
        assert set(threading.enumerate()) <= before
        with pytest.raises(StopIteration):
            next(work)


def test_work_that_is_never_started_can_be_closed(tracker):
    tracker.track(video(moving(1, 0).frames), ask(0, POINTS), WHOLE).close()


def test_frames_and_queries_stay_as_they_were(tracker):
    frames = moving(1.3, 0.4).frames.copy()
    xy = POINTS.copy()
    run(tracker, frames, ask(3, xy))
    np.testing.assert_array_equal(frames, moving(1.3, 0.4).frames)
    np.testing.assert_array_equal(xy, POINTS)


def test_the_same_question_gets_the_same_answer(tracker):
    clip = moving(1.3, 0.4)
    again = trackers.make(tracker.traits.name)
    one, two = (run(t, clip.frames, ask([0, 3, 5, 7], POINTS)) for t in (tracker, again))
    assert one.equals(two)


def test_two_questions_at_once_do_not_mix(tracker):
    left, right = moving(1.3, 0.4), moving(-1.3, 0.4)
    works = [tracker.track(video(c.frames), ask(0, POINTS), WHOLE) for c in (left, right)]
    answers = [None, None]
    while None in answers:
        for i, work in enumerate(works):
            try:
                next(work)
            except StopIteration as stop:
                answers[i] = answers[i] or stop.value
    for clip, answer in zip((left, right), answers, strict=True):
        assert answer.equals(run(tracker, clip.frames, ask(0, POINTS)))


def test_random_states_and_threads_of_opencv_stay_as_they_were(tracker):
    import cv2

    legacy, plain, threads = np.random.get_state(), random.getstate(), cv2.getNumThreads()
    run(tracker, moving(1.3, 0.4).frames, ask(3, POINTS))
    after = np.random.get_state()
    np.testing.assert_array_equal(after[1], legacy[1])
    assert after[2:] == legacy[2:]
    assert random.getstate() == plain
    assert cv2.getNumThreads() == threads


ALONE = """
import os, sys
before = dict(os.environ)
import numpy as np
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.pipelines import trackers
frames = np.zeros((3, 40, 50), np.uint8)
clip = CallbackVideo(VideoInfo(3, 50, 40), lambda span: frames[span.start:span.stop])
finish(trackers.make(sys.argv[1]).track(clip, Queries([0], [[20, 20]], ("a",)), range(3)))
changed = {k for k in {*before, *os.environ} if before.get(k) != os.environ.get(k)}
sys.exit(f"changed: {sorted(changed)}" if changed else 0)
"""


@pytest.mark.parametrize("name", trackers.names())
def test_the_environment_stays_as_it_was(name):
    ran = subprocess.run(
        [sys.executable, "-c", ALONE, name],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("QT_")},
    )
    assert ran.returncode == 0, ran.stderr
