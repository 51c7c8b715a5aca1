"""Laws of the moving-window optical-flow filter, with flow that is known exactly."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from napari_usstrack.core.tracker import finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.smoothing.flow_window import FlowWindow, frames_of, smooth_with_flow
from napari_usstrack.smoothing.runs import Run
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import speckle_clip

TURN = np.array([[0.01, -0.02], [0.02, 0.005]])
SHIFT = np.array([1.5, -0.5])
each_mode = pytest.mark.parametrize("mode", ["exact", "fast"])
each_end = pytest.mark.parametrize("ends", ["unsmoothed", "padded"])


def numbered(count: int) -> CallbackVideo:
    """A clip whose pictures tell the frame and nothing else."""
    frames = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    return CallbackVideo(VideoInfo(count, 3, 2), lambda span: frames[span.start : span.stop])


def still(_here, _there, xy, _motion):
    return xy


def affine(here, there, xy, _motion):
    """The material moves by the same affine map from each frame to the next."""
    grow = np.eye(2) + TURN
    if there[0, 0] > here[0, 0]:
        return xy @ grow.T + SHIFT
    return (xy - SHIFT) @ np.linalg.inv(grow).T


def carried(count: int) -> np.ndarray:
    """Positions of two points that move with the material of `affine`."""
    video = numbered(count)
    xy = [np.array([[40.0, 60.0], [10.0, 90.0]])]
    for here, there in pairwise(video.frames(range(count))):
        xy.append(affine(here, there, xy[-1], None))
    return np.stack(xy)


def noise(count: int, points: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (count, points, 2))


def smooth(xy, step=still, **settings):
    work = smooth_with_flow(numbered(len(xy)), xy, step, forward_weight, FlowWindow(**settings))
    return finish(work)


def kernel(window: int) -> np.ndarray:
    """Weights of positions `window` - 1 frames before to as many after."""
    one_side = forward_weight(window - 1) / window
    both = np.concatenate([one_side[:0:-1], one_side])
    both[window - 1] *= 2.0
    return both


# --- laws ------------------------------------------------------------------------------------


@each_mode
@each_end
def test_points_that_move_with_the_material_stay(mode, ends):
    xy = carried(30)
    np.testing.assert_allclose(
        smooth(xy, affine, frames=8, mode=mode, ends=ends).xy, xy, rtol=0, atol=1e-4
    )


@each_mode
@each_end
def test_the_same_backward_in_time(mode, ends):
    xy = noise(30)
    there = smooth(xy, frames=8, mode=mode, ends=ends).xy
    np.testing.assert_allclose(
        smooth(xy[::-1], frames=8, mode=mode, ends=ends).xy[::-1], there, atol=1e-12
    )


@each_mode
@each_end
def test_the_picture_may_be_moved_before_or_after(mode, ends):
    xy, by = noise(30), np.array([256.0, -64.0])
    settings = {"frames": 8, "mode": mode, "ends": ends}
    np.testing.assert_allclose(
        smooth(xy + by, **settings).xy, smooth(xy, **settings).xy + by, atol=1e-4
    )


@each_mode
def test_without_motion_it_is_a_weighted_mean(mode):
    xy, window = noise(60), 9
    assert kernel(window).sum() == pytest.approx(1.0)
    got = smooth(xy, frames=window, mode=mode).xy
    padded = smooth(xy, frames=window, mode=mode, ends="padded").xy
    for point in range(2):
        for axis in range(2):
            mean = np.convolve(xy[:, point, axis], kernel(window), mode="valid")
            inner = slice(window - 1, len(xy) - window + 1)
            np.testing.assert_allclose(got[inner, point, axis], mean, atol=1e-6)
            np.testing.assert_allclose(padded[inner, point, axis], mean, atol=1e-6)


@pytest.mark.parametrize(("window", "part"), [(8, 0.366), (25, 0.188), (37, 0.152)])
def test_noise_is_reduced_by_the_known_part(window, part):
    assert np.sqrt((kernel(window) ** 2).sum()) == pytest.approx(part, abs=2e-3)
    got = smooth(noise(200, 40), frames=window).xy[window:-window]
    assert got.std() == pytest.approx(part, rel=0.1)


def test_only_padded_ends_are_smoothed():
    xy = noise(60, 200)
    plain, padded = (smooth(xy, frames=25, ends=ends).xy for ends in ("unsmoothed", "padded"))
    for end in (0, -1):
        np.testing.assert_allclose(plain[end], xy[end], atol=1e-6)
        weights = forward_weight(24)
        weights[0] = 2.0
        part = np.sqrt((weights**2).sum()) / weights.sum()
        assert padded[end].std() == pytest.approx(part, rel=0.15)
        assert part < 0.3


# --- gaps and lost points --------------------------------------------------------------------


@each_mode
@each_end
def test_runs_between_gaps_are_smoothed_each_on_its_own(mode, ends):
    xy = carried(40) + noise(40)
    xy[12, 0] = np.nan
    xy[16:18, 0, 1] = np.nan
    settings = {"frames": 6, "mode": mode, "ends": ends}
    got = smooth(xy, affine, **settings)
    assert got.unsmoothed == (Run(0, 13, 15),)
    np.testing.assert_array_equal(got.xy[13:16, 0], xy[13:16, 0])
    assert np.isnan(got.xy[[12, 16, 17], 0]).all()
    assert np.isfinite(np.delete(got.xy[:, 0], [12, 16, 17], axis=0)).all()
    alone = smooth(xy[18:], affine, **settings)
    np.testing.assert_allclose(got.xy[18:, 0], alone.xy[:, 0], atol=1e-9)
    other = smooth(xy[:, 1:], affine, **settings)
    np.testing.assert_allclose(got.xy[:, 1:], other.xy, atol=1e-9)


@each_mode
def test_a_path_ends_where_the_step_loses_it(mode):
    def torn(here, there, xy, _motion):
        return xy if {int(here[0, 0]), int(there[0, 0])} != {14, 15} else np.full_like(xy, np.nan)

    xy = noise(30)
    got = smooth(xy, torn, frames=30, mode=mode).xy
    assert np.isfinite(got).all()
    assert np.ptp(got[:15], axis=0).max() < 1e-6
    np.testing.assert_allclose(got[[0, -1]], xy[[0, -1]], atol=1e-6)


def test_nothing_to_smooth():
    got = smooth(np.full((5, 2, 2), np.nan), frames=3)
    assert np.isnan(got.xy).all()
    assert smooth(np.empty((5, 0, 2)), frames=3).xy.shape == (5, 0, 2)


# --- work ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_every_pair_is_seen_once_each_way_and_reported(threads):
    seen = []

    def step(here, there, xy, _motion):
        seen.append((int(here[0, 0]), int(there[0, 0])))
        return xy

    settings = FlowWindow(5, threads=threads)
    work = smooth_with_flow(numbered(40), noise(40), step, forward_weight, settings)
    steps = list(work)
    forward = list(pairwise(range(40)))
    assert [pair for pair in seen if pair[0] < pair[1]] == forward
    assert [pair for pair in seen if pair[0] > pair[1]] == [(b, a) for a, b in forward[::-1]]
    assert [(p.done, p.total) for p in steps] == [(i + 1, 78) for i in range(78)]


@each_mode
def test_threads_change_nothing(mode):
    xy = carried(50) + noise(50)
    one, two = (smooth(xy, affine, frames=9, mode=mode, threads=n).xy for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@each_mode
def test_a_point_does_not_depend_on_those_beside_it(mode):
    def step(here, there, xy, _motion):
        return xy * 1.01 + SHIFT if there[0, 0] > here[0, 0] else (xy - SHIFT) / 1.01

    xy = np.concatenate([carried(50) + noise(50), carried(50) + noise(50, seed=1)], axis=1)
    together = smooth(xy, step, frames=25, mode=mode, ends="padded").xy
    for point in range(4):
        alone = smooth(xy[:, [point]], step, frames=25, mode=mode, ends="padded").xy
        np.testing.assert_array_equal(alone[:, 0], together[:, point])


def workers() -> list[str]:
    """Threads that the filter has started and not ended."""
    return [t.name for t in threading.enumerate() if t.name.startswith("usstrack-flow")]


def test_it_can_be_cancelled_soon_and_leaves_no_thread():
    def slow(_here, _there, xy, _motion):
        time.sleep(0.01)
        return xy

    work = smooth_with_flow(numbered(250), noise(250), slow, forward_weight, FlowWindow(5))
    for _ in range(3):
        begun = time.perf_counter()
        next(work)
        assert time.perf_counter() - begun < 0.2
    assert len(workers()) == 2
    work.close()
    assert not workers()
    assert next(work, None) is None


def test_an_error_of_the_step_is_raised_and_no_thread_is_left():
    def broken(here, _there, xy, _motion):
        if here[0, 0] == 20:
            raise RuntimeError("no flow here")
        return xy

    with pytest.raises(RuntimeError, match="no flow here"):
        smooth(noise(40), broken, frames=5)
    assert not workers()


def test_the_clip_is_read_by_one_thread_in_chunks():
    frames, spans, readers = np.zeros((50, 2, 3), np.uint8), [], set()

    def read(span):
        spans.append(span)
        readers.add(threading.get_ident())
        return frames[span.start : span.stop]

    video = CallbackVideo(VideoInfo(50, 3, 2), read)
    finish(smooth_with_flow(video, noise(50), still, forward_weight, FlowWindow(5)))
    assert readers == {threading.get_ident()}
    assert max(len(span) for span in spans) <= 16
    assert sorted(i for span in spans for i in span) == sorted([*range(50), *range(50)])


def test_fast_mode_tells_the_step_what_flow_to_expect():
    told = []

    def step(here, there, xy, motion):
        told.append(motion)
        return affine(here, there, xy, None)

    smooth(carried(6), step, frames=6, mode="fast")
    first, second = told[:2], told[2:4]
    assert np.isnan(np.concatenate(first)).all()
    there = affine(np.zeros((1, 1)), np.ones((1, 1)), carried(6)[0], None) - carried(6)[0]
    back = carried(6)[-2] - carried(6)[-1]
    for motion, moved in zip(second, (there, back), strict=True):
        np.testing.assert_allclose(motion.reshape(2, 3, 2).mean(axis=1), moved, atol=1.0)
    smooth(carried(6), step, frames=6)
    assert told[-1] is None


def test_fast_mode_asks_for_both_directions_at_once():
    asked = []

    def steps(crossings):
        asked.append([(int(here[0, 0]), int(there[0, 0])) for here, there, _, _ in crossings])
        return [affine(*crossing) for crossing in crossings]

    xy = carried(6)
    settings = FlowWindow(6, mode="fast", ends="padded")
    work = smooth_with_flow(numbered(6), xy, affine, forward_weight, settings, steps=steps)
    np.testing.assert_allclose(finish(work).xy, xy, atol=1e-4)
    assert asked == [[(i, i + 1), (5 - i, 4 - i)] for i in range(5)]


def test_fast_mode_measures_flow_at_more_places_where_paths_are_apart():
    asked = []

    def step(_here, _there, xy, _motion):
        asked.append(len(xy))
        return xy

    near, far = np.zeros((6, 1, 2)), np.zeros((6, 1, 2))
    far[:, 0, 0] = [0, 11, 0, 11, 0, 11]
    smooth(np.concatenate([near, far], axis=1), step, frames=6, mode="fast", ends="padded")
    assert asked[0] == 3 + 3
    assert max(asked) == 3 + 9
    smooth(far, step, frames=6, mode="fast", ends="padded", spacing_px=0.01)
    assert max(asked) == 16


# --- refusals --------------------------------------------------------------------------------


def test_windows_longer_than_the_clip():
    with pytest.raises(ValueError, match="window of 9 frames is longer than the clip, which has 8"):
        smooth(noise(8), frames=9)
    assert smooth(noise(8), frames=8).unsmoothed == ()


def test_what_makes_no_sense():
    work = smooth_with_flow(numbered(8), noise(7), still, forward_weight, FlowWindow(3))
    with pytest.raises(ValueError, match="positions for 7 frames of 8"):
        finish(work)
    for settings in (
        {"frames": 1},
        {"ends": "open"},
        {"mode": "slow"},
        {"spacing_px": 0.0},
        {"threads": 3},
    ):
        with pytest.raises(ValueError, match=r"\bnot?\b"):
            FlowWindow(**settings)


def test_seconds_to_frames():
    assert frames_of(0.5, 30.0) == 15
    assert frames_of(0.5, 29.0) == 14


# --- fast beside exact -----------------------------------------------------------------------


def test_fast_is_close_to_exact_on_speckle():
    count, width, height = 24, 240, 200
    motion = contraction((120, 100), period=48.0, strain=0.05, turn_deg=2.0, sway_px=5.0)
    clip = speckle_clip(
        motion, frames=count, width=width, height=height, seed=3, per_px=0.2, noise=3.0
    )
    frames = clip.frames
    video = CallbackVideo(VideoInfo(count, width, height), lambda s: frames[s.start : s.stop])
    lk = {"check": False, "lost_px": 1e9, "iterations": 30, "epsilon_px": 0.01}
    plain, quick = LucasKanade(**lk, predict=False), LucasKanade(**lk, predict=True)
    track = [np.array([[80.0, 90.0], [150.0, 80.0], [110.0, 120.0]])]
    for here, there in pairwise(frames):
        track.append(plain.step(here, there, track[-1]).xy)
    true = np.stack(track)
    given = true + noise(count, 3)

    def run(tracker, mode):
        def step(here, there, xy, motion):
            return tracker.step(here, there, xy, motion).xy

        settings = FlowWindow(9, mode=mode)
        return finish(smooth_with_flow(video, given, step, forward_weight, settings)).xy

    exact, fast = run(plain, "exact"), run(quick, "fast")
    off = np.linalg.norm(fast - exact, axis=-1)
    assert np.sqrt((off**2).mean()) < 0.05
    assert off.max() < 0.2
    inner = slice(8, -8)
    assert np.std((exact - true)[inner]) < 0.5 * np.std((given - true)[inner])
