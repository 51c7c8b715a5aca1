"""Reading frames in pairs, and chaining an arbitrary step."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.chain import CHUNK, Landing, follow, neighbours


def counting(count: int):
    """A clip whose picture is its frame number, and the frames read from it so far."""
    asked: list[int] = []

    def read(span: range):
        assert span.step == 1
        assert 0 <= span.start < span.stop <= count
        asked.extend(span)
        return np.array(span, dtype=np.uint8).reshape(-1, 1, 1)

    return CallbackVideo(VideoInfo(count, 1, 1), read), asked


LENGTHS = [2, 3, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 2, 2 * CHUNK, 2 * CHUNK + 1, 100]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("offset", [0, 7])
def test_forward_pairs_read_each_frame_once(length, offset):
    video, asked = counting(length + offset)
    pairs = list(neighbours(video, range(offset, offset + length - 1)))
    assert [(a, b) for a, b, _ in pairs] == [(f, f + 1) for f in range(offset, offset + length - 1)]
    assert all((p.item(), q.item()) == (a, b) for a, b, (p, q) in pairs)
    assert sorted(asked) == list(range(offset, offset + length))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("offset", [0, 7])
def test_backward_pairs_read_each_frame_once(length, offset):
    video, asked = counting(length + offset)
    last = offset + length - 1
    pairs = list(neighbours(video, range(last, offset, -1)))
    assert [(a, b) for a, b, _ in pairs] == [(f, f - 1) for f in range(last, offset, -1)]
    assert all((p.item(), q.item()) == (a, b) for a, b, (p, q) in pairs)
    assert sorted(asked) == list(range(offset, offset + length))


@pytest.mark.parametrize("frames", [range(0), range(0, 0, -1), range(5, 5)])
def test_no_pairs_read_nothing(frames):
    video, asked = counting(10)
    assert list(neighbours(video, frames)) == []
    assert asked == []


def test_pairs_are_read_as_they_are_needed():
    video, asked = counting(200)
    next(neighbours(video, range(199)))
    assert len(asked) <= 2 * CHUNK


def test_the_next_chunk_is_read_by_another_thread_while_this_one_is_in_use():
    read, threads = [], []
    second = threading.Event()

    def frames(span: range):
        read.append(span)
        threads.append(threading.current_thread())
        if len(read) == 2:
            second.set()
        return np.zeros((len(span), 1, 1), dtype=np.uint8)

    pairs = neighbours(CallbackVideo(VideoInfo(100, 1, 1), frames), range(99))
    next(pairs)
    assert second.wait(5)
    pairs.close()
    assert len(read) == 2
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_an_error_while_reading_ahead_comes_when_its_frames_are_due():
    def frames(span: range):
        if span.start >= CHUNK:
            raise UsstrackError("frame 16 is damaged")
        return np.zeros((len(span), 1, 1), dtype=np.uint8)

    pairs = neighbours(CallbackVideo(VideoInfo(100, 1, 1), frames), range(99))
    before = [next(pairs)[0] for _ in range(CHUNK - 1)]
    assert before == list(range(CHUNK - 1))
    with pytest.raises(UsstrackError, match="damaged"):
        next(pairs)


def by_one(calls: list[tuple[int, int, int]]):
    """A step that moves every point one px right per frame forward."""

    def step(here, there, xy, _motion):
        calls.append((here.item(), there.item(), len(xy)))
        way = int(there.item()) - int(here.item())
        sure = np.full(len(xy), 0.5)
        return Landing(xy + [way, 0.0], sure, np.ones(len(xy), dtype=bool))

    return step


def queries(frames, **limits) -> Queries:
    xy = np.column_stack([frames, np.arange(len(frames))]).astype(float)
    return Queries(frames, xy, tuple(f"p{i}" for i in range(len(frames))), **limits)


def test_points_share_one_call_per_pair_and_only_where_they_live():
    video, asked = counting(8)
    calls: list[tuple[int, int, int]] = []
    asked_for = queries([2, 5], first=[1, 5], last=[6, 7])
    cells = finish(follow(by_one(calls), video, asked_for, range(8), Source.FLOW))
    assert calls == [
        *[(2, 3, 1), (3, 4, 1), (4, 5, 1), (5, 6, 2), (6, 7, 1)],
        (2, 1, 1),
    ]
    assert sorted(asked) == [1, 2, 2, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(cells.xy[1:7, 0], [(f, 0.0) for f in range(1, 7)])
    np.testing.assert_array_equal(cells.xy[5:8, 1], [(f, 1.0) for f in range(5, 8)])
    assert cells.present.sum() == 6 + 3


def test_the_query_cell_is_sure_and_others_carry_the_confidence_of_their_step():
    video, _ = counting(4)
    cells = finish(follow(by_one([]), video, queries([1]), range(4), Source.MODEL))
    assert cells.confidence[:, 0].tolist() == [0.5, 1.0, 0.5, 0.5]
    assert (cells.source == Source.MODEL).all()


def test_rows_count_from_the_start_of_the_span():
    video, asked = counting(30)
    cells = finish(follow(by_one([]), video, queries([14]), range(10, 20), Source.FLOW))
    np.testing.assert_array_equal(cells.xy[:, 0, 0], np.arange(10, 20))
    assert (min(asked), max(asked)) == (10, 19)


def test_a_step_is_told_how_each_point_last_moved():
    video, _ = counting(8)
    told = []

    def step(here, there, xy, motion):
        told.append((here.item(), there.item(), motion[:, 0].tolist()))
        return losing_at(3)(here, there, xy, motion)

    finish(follow(step, video, queries([1]), range(6), Source.FLOW, patience=2))
    assert [(h, t, [str(v) for v in m]) for h, t, m in told] == [
        (1, 2, ["nan"]),
        (2, 3, ["1.0"]),
        (2, 4, ["nan"]),
        (4, 5, ["nan"]),
        (1, 0, ["nan"]),
    ]


def losing_at(frame: int):
    """A step that loses every point on the way into `frame`."""

    def step(here, there, xy, _motion):
        found = np.full(len(xy), there.item() != frame)
        return Landing(xy + 1.0, np.ones(len(xy)), found)

    return step


def test_a_lost_point_is_looked_for_from_the_frame_it_was_last_seen_in():
    video, _ = counting(8)
    pairs = []

    def step(here, there, xy, motion):
        pairs.append((here.item(), there.item()))
        return losing_at(4)(here, there, xy, motion)

    cells = finish(follow(step, video, queries([0]), range(8), Source.FLOW, patience=3))
    assert cells.visible[:, 0].tolist() == [True] * 4 + [False] + [True] * 3
    assert (3, 5) in pairs
    assert (4, 5) not in pairs


@pytest.mark.parametrize(("sure", "regained"), [(0.1, False), (0.9, True)])
def test_a_lost_point_is_taken_back_only_when_the_method_is_sure(sure, regained):
    video, _ = counting(8)

    def step(here, there, xy, motion):
        again = abs(int(there.item()) - int(here.item())) > 1
        landing = losing_at(4)(here, there, xy, motion)
        return Landing(landing.xy, np.full(len(xy), sure if again else 1.0), landing.found)

    cells = finish(follow(step, video, queries([0]), range(8), Source.FLOW, patience=3))
    assert cells.visible[5:, 0].any() == regained


# --- prepared pairs --------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, CHUNK + 1, 2 * CHUNK + 3])
def test_every_pair_is_prepared_once_in_order_and_before_its_step(length):
    video, _ = counting(length)
    told: list[tuple[str, int, int]] = []

    def prepare(here, there):
        told.append(("ready", here.item(), there.item()))

    def step(here, there, xy, motion):
        told.append(("step", here.item(), there.item()))
        return by_one([])(here, there, xy, motion)

    middle = length // 2
    finish(follow(step, video, queries([middle]), range(length), Source.FLOW, prepare=prepare))
    forward = [(f, f + 1) for f in range(middle, length - 1)]
    pairs = forward + [(f, f - 1) for f in range(middle, 0, -1)]
    for word in ("ready", "step"):
        assert [(here, there) for kind, here, there in told if kind == word] == pairs
    for pair in pairs:
        assert told.index(("ready", *pair)) < told.index(("step", *pair))


def test_preparing_changes_no_answer_and_no_picture():
    video, asked = counting(2 * CHUNK + 3)
    seen = []
    span, points = range(2 * CHUNK + 3), queries([4, 9])
    plain = finish(follow(by_one([]), video, points, span, Source.FLOW))
    once = list(asked)
    asked.clear()
    work = follow(
        by_one([]), video, points, span, Source.FLOW, prepare=lambda *pair: seen.append(pair)
    )
    assert finish(work).equals(plain)
    assert asked == once
    assert all(here.item() + 1 == there.item() for here, there in seen[: 2 * CHUNK - 2])


def test_the_next_pair_is_prepared_by_another_thread_while_one_is_in_use():
    video, _ = counting(10)
    second, threads, stepped = threading.Event(), [], []

    def prepare(here, _there):
        threads.append(threading.current_thread())
        if here.item() == 1:
            second.set()

    def step(here, there, xy, motion):
        stepped.append(here.item())
        assert second.wait(5)
        return by_one([])(here, there, xy, motion)

    work = follow(step, video, queries([0]), range(10), Source.FLOW, prepare=prepare)
    next(work)
    assert stepped == [0]
    work.close()
    assert len(threads) <= 3
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("bad", [0, 3, 8])
def test_an_error_while_preparing_reaches_the_caller_and_leaves_no_thread(bad):
    video, _ = counting(10)
    before = set(threading.enumerate())
    stepped = []

    def prepare(here, _there):
        if here.item() == bad:
            raise UsstrackError("no flow")

    def step(here, there, xy, motion):
        stepped.append(here.item())
        return by_one([])(here, there, xy, motion)

    work = follow(step, video, queries([0]), range(10), Source.FLOW, prepare=prepare)
    with pytest.raises(UsstrackError, match="no flow"):
        finish(work)
    assert stepped == list(range(bad))
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("yields", [0, 1, 5, 9])
def test_closing_ends_the_thread_that_prepares(yields):
    video, _ = counting(10)
    before = set(threading.enumerate())
    work = follow(by_one([]), video, queries([0]), range(10), Source.FLOW, prepare=lambda *_: None)
    for _ in range(yields):
        next(work)
    work.close()
    assert set(threading.enumerate()) <= before
