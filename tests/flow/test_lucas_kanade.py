"""Lucas-Kanade against a plain OpenCV loop, and what happens to points that are hidden."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.lucas_kanade import (
    LucasKanade,
    confidence,
    levels_for,
)
from napari_usstrack.pipelines import trackers
from napari_usstrack.synth.motion import contraction, shift
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip

WIDTH, HEIGHT, FRAMES = 150, 110, 12
POINTS = np.array([[60.3, 50.1], [90.0, 60.7], [75.25, 45.0]])
DUSTRACK = {
    "window": 45,
    "levels": 3,
    "iterations": 10,
    "epsilon_px": 0.03,
    "lost_px": 1e9,
    "patience": 0,
    "predict": False,
}


@cache
def beating() -> SpeckleClip:
    motion = contraction((75.0, 55.0), period=11.0, sway_px=6.0)
    return clip_of(motion)


@cache
def drifting() -> SpeckleClip:
    return clip_of(shift(1.3, -0.4))


def clip_of(motion) -> SpeckleClip:
    return speckle_clip(
        motion, frames=FRAMES, width=WIDTH, height=HEIGHT, per_px=0.2, margin_px=25.0, noise=2.0
    )


def follow(tracker, frames, queries, span=None):
    count, height, width = frames.shape
    video = CallbackVideo(VideoInfo(count, width, height), lambda s: frames[s.start : s.stop])
    return finish(tracker.track(video, queries, span or range(count)))


def ask(frame, xy=POINTS):
    return Queries(np.broadcast_to(frame, len(xy)), xy, tuple(f"p{i}" for i in range(len(xy))))


def plain_loop(frames, xy):
    import cv2

    at = np.asarray(xy, dtype=np.float32).reshape(-1, 1, 2)
    rows = [at.reshape(-1, 2)]
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    for here, there in pairwise(frames):
        at, _, _ = cv2.calcOpticalFlowPyrLK(
            here, there, at, None, winSize=(45, 45), maxLevel=2, criteria=stop
        )
        rows.append(at.reshape(-1, 2))
    return np.array(rows, dtype=np.float64)


@pytest.mark.parametrize("points", [POINTS, POINTS[:1]], ids=["many points", "one point"])
def test_forward_chain_equals_plain_opencv(points):
    tracker = trackers.make("lucas-kanade", DUSTRACK)
    cells = follow(tracker, beating().frames, ask(0, points))
    np.testing.assert_allclose(cells.xy[1:], plain_loop(beating().frames, points)[1:], atol=1e-6)
    np.testing.assert_array_equal(cells.xy[0], points)


def test_backward_chain_equals_plain_opencv_on_the_reversed_clip():
    tracker = trackers.make("lucas-kanade", DUSTRACK)
    cells = follow(tracker, beating().frames, ask(FRAMES - 1))
    expected = plain_loop(beating().frames[::-1], POINTS)[::-1]
    np.testing.assert_allclose(cells.xy[:-1], expected[:-1], atol=1e-6)


def test_both_ways_from_the_middle_equal_two_plain_chains():
    tracker = trackers.make("lucas-kanade", DUSTRACK)
    frames = beating().frames
    cells = follow(tracker, frames, ask(5))
    np.testing.assert_allclose(cells.xy[6:], plain_loop(frames[5:], POINTS)[1:], atol=1e-6)
    np.testing.assert_allclose(cells.xy[:5], plain_loop(frames[5::-1], POINTS)[:0:-1], atol=1e-6)


def test_points_asked_in_different_frames_equal_chains_of_their_own():
    tracker = trackers.make("lucas-kanade", DUSTRACK)
    frames = beating().frames
    cells = follow(tracker, frames, ask([0, 4, 9]))
    for column, start in enumerate([0, 4, 9]):
        alone = plain_loop(frames[start:], POINTS[column])[:, 0]
        np.testing.assert_allclose(cells.xy[start + 1 :, column], alone[1:], atol=1e-6)


def test_the_check_by_moving_back_does_not_change_where_points_land():
    plain = follow(trackers.make("lucas-kanade", DUSTRACK), beating().frames, ask(0))
    checked = follow(
        trackers.make("lucas-kanade", {**DUSTRACK, "lost_px": 8.0, "patience": 25}),
        beating().frames,
        ask(0),
    )
    assert checked.visible.all()
    np.testing.assert_array_equal(checked.xy, plain.xy)


def test_the_default_follows_the_true_motion_through_a_cycle():
    cells = follow(LucasKanade(), beating().frames, ask(0))
    error = np.linalg.norm(cells.xy - beating().truth(POINTS), axis=-1)
    assert error.max() < 0.35


# --- hidden points ---------------------------------------------------------------------------


def shadowed(hidden: range, columns: slice = slice(None)):
    frames = drifting().frames.copy()
    frames[hidden.start : hidden.stop, :, columns] = 0
    return frames


def noise(shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("start", [0, FRAMES - 1], ids=["forward", "backward"])
def test_a_point_in_a_shadow_is_found_again(start):
    hidden = range(4, 8)
    path = drifting().truth(POINTS[:1])
    cells = follow(LucasKanade(), shadowed(hidden), ask(start, path[start]))
    seen = np.setdiff1d(np.arange(FRAMES), hidden)
    assert not cells.visible[hidden].any()
    assert cells.visible[seen].all()
    assert np.linalg.norm(cells.xy - path, axis=-1)[seen].max() < 0.5


def test_a_hidden_point_keeps_its_last_believed_place_without_confidence():
    cells = follow(LucasKanade(), shadowed(range(4, 8)), ask(0, POINTS[:1]))
    np.testing.assert_array_equal(cells.xy[4:8], np.repeat(cells.xy[3:4], 4, axis=0))
    assert (cells.confidence[4:8] == 0).all()
    assert (cells.source == cells.source[0, 0]).all()


def test_without_patience_a_lost_point_stays_lost():
    tracker = LucasKanade(patience=0)
    cells = follow(tracker, shadowed(range(4, 8)), ask(0, POINTS[:1]))
    assert cells.visible[:4].all()
    assert not cells.visible[4:].any()
    np.testing.assert_array_equal(cells.xy[4:, 0] - cells.xy[3, 0], 0.0)


@pytest.mark.parametrize("start", [0, FRAMES - 1], ids=["forward", "backward"])
@pytest.mark.parametrize(("patience", "regained"), [(2, False), (3, False), (4, True), (5, True)])
def test_patience_is_the_number_of_frames_that_may_be_hidden(patience, regained, start):
    hidden = range(4, 8)
    path = drifting().truth(POINTS[:1])
    tracker = LucasKanade(patience=patience)
    cells = follow(tracker, shadowed(hidden), ask(start, path[start]))
    beyond = slice(8, None) if start == 0 else slice(0, 4)
    assert cells.visible[beyond].all() == regained
    assert cells.visible[beyond].any() == regained


def test_losing_one_point_does_not_disturb_another():
    frames = shadowed(range(4, 8), slice(60))
    two = np.array([[30.0, 70.0], [105.0, 70.0]])
    tracker = LucasKanade(window=31)
    together = follow(tracker, frames, ask(0, two))
    assert not together.visible[4:8, 0].any()
    assert together.visible[:, 1].all()
    alone = follow(tracker, frames, ask(0, two[1:]))
    np.testing.assert_allclose(together.xy[:, 1], alone.xy[:, 0], atol=1e-3)


# --- confidence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "residual", "expected"),
    [(0, 0, 1.0), (1, 0, 0.5), (0, 40, 0.5), (1, 40, 0.25), (2, 0, 0.2), (3, 80, 0.02)],
)
def test_confidence_by_hand(gap, residual, expected):
    got = confidence(np.array([gap], dtype=float), np.array([residual], dtype=float))
    np.testing.assert_allclose(got, expected)


def test_a_residual_of_any_size_gives_no_confidence_and_no_warning():
    got = confidence(np.zeros(1, dtype=np.float32), np.array([3e38], dtype=np.float32))
    assert 0.0 <= got[0] < 1e-6


@pytest.mark.parametrize("unrelated", ["noise", "other tissue"])
def test_a_match_with_something_else_is_not_trusted(unrelated):
    frames = drifting().frames.copy()
    other = speckle_clip(shift(0, 0), frames=1, width=WIDTH, height=HEIGHT, seed=9, per_px=0.2)
    frames[4:] = noise((8, HEIGHT, WIDTH)) if unrelated == "noise" else other.frames
    cells = follow(LucasKanade(), frames, ask(0))
    assert (cells.confidence[:4] > 0.9).all()
    assert (cells.confidence[4] < 0.5).all()


def opencv_step(here, there, xy, levels, window=21):
    import cv2

    landed, _, residual = cv2.calcOpticalFlowPyrLK(
        here,
        there,
        xy.astype(np.float32).reshape(-1, 1, 2),
        None,
        winSize=(window, window),
        maxLevel=levels - 1,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01),
    )
    return landed.reshape(-1, 2), residual.ravel()


def test_confidence_falls_with_the_distance_after_there_and_back():
    here, there = drifting().frames[0], noise((HEIGHT, WIDTH)) // 2 + drifting().frames[1] // 2
    y, x = np.mgrid[30:80:10, 30:120:15]
    start = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    landing = LucasKanade(window=21).step(here, there, start)

    landed, residual = opencv_step(here, there, start, 3)
    needed = levels_for(np.abs(landed - start.astype(np.float32)).max(axis=-1), 3)
    assert len(set(needed)) > 1
    back = [
        opencv_step(there, here, xy[None], n)[0][0] for xy, n in zip(landed, needed, strict=True)
    ]
    gap = np.linalg.norm(back - start, axis=-1)
    assert np.ptp(gap) > 0.1
    expected = 1 / (1 + gap**2) / (1 + (residual / 40) ** 2)
    found = landing.found
    assert found.sum() > 10
    np.testing.assert_allclose(landing.confidence[found], expected[found], rtol=1e-5)
    np.testing.assert_array_equal(landing.xy, landed)
    strict = LucasKanade(window=21, lost_px=float(np.median(gap))).step(here, there, start)
    np.testing.assert_array_equal(strict.found, found & (gap <= np.median(gap)))
    assert (strict.confidence[~strict.found] == 0).all()


def test_without_the_check_only_the_grey_difference_counts():
    here, there = drifting().frames[:2]
    landing = LucasKanade(window=21, check=False).step(here, there, POINTS)
    landed, residual = opencv_step(here, there, POINTS, 3)
    np.testing.assert_array_equal(landing.xy, landed)
    np.testing.assert_allclose(landing.confidence, 1 / (1 + (residual / 40) ** 2), rtol=1e-6)
    assert landing.found.all()


@pytest.mark.parametrize(
    ("motion", "most", "levels"),
    [(0, 3, 1), (1.5, 3, 1), (1.6, 3, 2), (3.0, 3, 2), (3.1, 3, 3), (99, 3, 3), (99, 1, 1)],
)
def test_levels_that_the_way_back_starts_on(motion, most, levels):
    assert levels_for(np.array([motion]), most).tolist() == [levels]


def test_a_step_that_ends_outside_the_frame_is_a_loss():
    clip = speckle_clip(shift(-6.0, 0.0), frames=2, width=90, height=70, margin_px=20.0)
    landing = LucasKanade(window=21).step(*clip.frames, np.array([[2.0, 35.0], [45.0, 35.0]]))
    assert landing.found.tolist() == [False, True]


# --- looking first where the last motion leads -----------------------------------------------

LARGE = (620, 470)


@cache
def large() -> SpeckleClip:
    width, height = LARGE
    motion = contraction((width / 2, height / 2), period=8.0, strain=0.03, sway_px=5.0)
    return speckle_clip(motion, frames=3, width=width, height=height, per_px=0.1, margin_px=20.0)


class Watched(LucasKanade):
    """Notes the pyramid levels and picture size of every call to OpenCV."""

    calls: ClassVar[list[tuple[int, tuple[int, ...]]]] = []

    def _call(self, views, xy, levels, *more, **options):
        self.calls.append((levels, views.here.shape))
        return super()._call(views, xy, levels, *more, **options)


def watched(**chosen):
    Watched.calls.clear()
    return Watched(**chosen)


PLACES = {
    "middle": [[300.3, 220.7], [340.1, 250.2]],
    "one": [[301.7, 223.3]],
    "corner": [[3.2, 4.1], [30.0, 12.5]],
    "last corner": [[616.0, 466.5], [590.2, 440.9]],
    "edge": [[310.0, 468.0]],
    "many": [[float(x), float(y)] for x in range(60, 580, 40) for y in range(60, 430, 40)],
}


SETTINGS = pytest.mark.parametrize(("window", "levels"), [(45, 3), (21, 4), (31, 3)])
OFF = pytest.mark.parametrize("off", [0.0, 1.0], ids=["true motion", "1 px off"])


@pytest.mark.parametrize("place", ["middle", "one", "many"])
@SETTINGS
@OFF
def test_an_expected_motion_leads_where_the_whole_search_does(place, window, levels, off):
    xy = np.array(PLACES[place])
    truth = large().truth(xy)
    tracker = watched(window=window, levels=levels)
    landing = tracker.step(*large().frames[:2], xy, truth[1] - truth[0] + off)
    assert {called for called, _ in Watched.calls} == {1}
    whole = LucasKanade(window=window, levels=levels).step(*large().frames[:2], xy)
    assert np.abs(landing.xy - whole.xy).max() < 0.03
    np.testing.assert_array_equal(landing.found, whole.found)
    np.testing.assert_allclose(landing.confidence, whole.confidence, atol=0.01)


@pytest.mark.parametrize("place", ["corner", "last corner", "edge"])
@SETTINGS
@OFF
def test_at_the_border_an_expected_motion_does_no_harm(place, window, levels, off):
    xy = np.array(PLACES[place])
    truth = large().truth(xy)
    tracker = LucasKanade(window=window, levels=levels)
    expected = truth[1] - truth[0] + off
    led, whole = (tracker.step(*large().frames[:2], xy, m).xy for m in (expected, None))
    errors = [np.linalg.norm(landed - truth[1], axis=-1) for landed in (led, whole)]
    assert (errors[0] <= errors[1] + 0.1).all()


def test_few_points_are_cut_out_and_many_are_not():
    for name, smaller in {"middle": True, "edge": False, "many": False}.items():
        xy = np.array(PLACES[name])
        watched().step(*large().frames[:2], xy, np.zeros_like(xy))
        assert (Watched.calls[0][1] != large().frames.shape[1:]) == smaller, name


@pytest.mark.parametrize("wrong", [6.0, -25.0, np.nan])
def test_a_wrong_expectation_falls_back_on_the_whole_search(wrong):
    xy = np.array(PLACES["middle"])
    expected = large().truth(xy)[1] - xy + [[wrong, 0.0], [0.0, 0.0]]
    tracker = watched()
    landing = tracker.step(*large().frames[:2], xy, expected)
    assert max(called for called, _ in Watched.calls) == 3
    whole = LucasKanade().step(*large().frames[:2], xy)
    np.testing.assert_array_equal(landing.xy[0], whole.xy[0])
    assert np.abs(landing.xy[1] - whole.xy[1]).max() < 0.03


def test_a_sudden_start_and_a_sudden_stop_are_followed():
    places = np.array([[0.0, 0.0], [0.0, 0.0], [7.0, 3.0], [7.0, 3.0], [0.0, 1.0]])

    def lurch(frame, xy):
        return xy + places[frame]

    clip = speckle_clip(lurch, frames=5, width=200, height=160, per_px=0.2, margin_px=25.0)
    xy = np.array([[100.0, 80.0], [120.0, 60.0]])
    cells = follow(LucasKanade(), clip.frames, ask(0, xy))
    assert np.linalg.norm(cells.xy - clip.truth(xy), axis=-1).max() < 0.1


def test_without_prediction_every_step_searches_all_levels():
    tracker = watched(predict=False, check=False)
    cells = follow(tracker, beating().frames, ask(0))
    assert set(Watched.calls) == {(3, (HEIGHT, WIDTH))}
    predicted = follow(LucasKanade(check=False), beating().frames, ask(0))
    assert np.abs(predicted.xy - cells.xy).max() < 0.1
