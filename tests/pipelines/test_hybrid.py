"""What the hybrid makes of anchors, gaps, stretches and doubts; speckle whose motion we made."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.pipelines import refining, trackers
from napari_usstrack.pipelines.hybrid import Hybrid
from napari_usstrack.pipelines.refining import Refined, walked_frames
from napari_usstrack.synth.motion import contraction, shift
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip

WIDTH, HEIGHT, FRAMES, MM = 140, 110, 16, 0.3
POINTS = np.array([[70.0, 55.0], [84.25, 49.5]])
EACH = range(FRAMES)


@cache
def made(name: str = "drift") -> SpeckleClip:
    motion = {
        "drift": shift(0.9, -0.4),
        "beat": contraction((70.0, 55.0), period=24.0),
        "other": shift(-1.1, 0.7),
    }[name]
    seed = {"drift": 3, "beat": 4, "other": 5}[name]
    return speckle_clip(
        motion, frames=FRAMES, width=WIDTH, height=HEIGHT, seed=seed, per_px=0.2, margin_px=25.0
    )


def video(frames, spacing=(MM, MM)) -> CallbackVideo:
    count, height, width = frames.shape
    info = VideoInfo(count, width, height, Calibration(spacing_mm=spacing))
    return CallbackVideo(info, lambda span: frames[span.start : span.stop])


def ask(frames, xy, names=None, **limits) -> Queries:
    names = names or tuple(f"p{i}" for i in range(len(xy)))
    return Queries(frames, xy, names, **limits)


def refined(frames, queries, span=EACH, spacing=(MM, MM), **settings) -> Refined:
    return finish(Hybrid(**settings).refined(video(frames, spacing), queries, span))


def error(found: Refined, truth) -> np.ndarray:
    return np.linalg.norm(found.cells.xy - truth, axis=-1)


# --- anchors ---------------------------------------------------------------------------------


def two_anchors(name: str, off=(0.0, 0.0), frames=(2, 13), **limits):
    """A point asked in two frames, in the second one beside its true place."""
    clip = made(name)
    truth = clip.truth(POINTS[:1])
    xy = np.stack([truth[frames[0], 0], truth[frames[1], 0] + off])
    return clip.frames, ask(list(frames), xy, ("a", "a"), **limits), truth


@pytest.mark.parametrize("off", [(0.0, 0.0), (1.0, -0.6)], ids=str)
def test_two_anchors_of_a_point_are_both_exact_in_both_answers(off):
    frames, queries, _ = two_anchors("beat", off)
    found = refined(frames, queries)
    for frame, place in zip(queries.frame, queries.xy, strict=True):
        np.testing.assert_array_equal(found.cells.xy[frame], [place, place])
        np.testing.assert_array_equal(found.cells.confidence[frame], 1.0)
        np.testing.assert_array_equal(found.covariances[frame], 0.0)


@pytest.mark.parametrize("off", [(0.0, 0.0), (1.0, -0.6)], ids=str)
def test_between_two_anchors_there_is_one_path(off):
    frames, queries, _ = two_anchors("beat", off)
    xy = refined(frames, queries).cells.xy
    assert np.abs(xy[2:14, 0] - xy[2:14, 1]).max() < 0.25


def test_the_error_between_two_anchors_that_disagree_is_shared_out():
    frames, queries, truth = two_anchors("drift", (1.5, 0.0))
    away = refined(frames, queries).cells.xy[2:14, 0] - truth[2:14, 0]
    line = np.linspace(0.0, 1.5, len(away))
    np.testing.assert_allclose(away, np.stack([line, 0.0 * line], axis=-1), atol=0.15)


def test_beyond_an_anchor_that_disagrees_the_path_goes_on_from_it():
    frames, queries, truth = two_anchors("drift", (1.5, 0.0))
    away = refined(frames, queries).cells.xy[14:] - truth[14:]
    np.testing.assert_allclose(away, np.broadcast_to([1.5, 0.0], away.shape), atol=0.15)


def test_anchors_of_other_points_and_outside_the_limits_do_not_matter():
    frames, both, _ = two_anchors("drift", (2.0, 0.0))
    alone = refined(frames, both.select([0]))
    named = refined(frames, replace(both, name=("a", "b")))
    np.testing.assert_allclose(named.cells.xy[:, 0], alone.cells.xy[:, 0], atol=1e-3)
    short = refined(frames, replace(both, last=np.array([12, 15]), first=np.array([0, 13])))
    before = refined(frames, replace(both, last=np.array([12, 15])).select([0]))
    np.testing.assert_allclose(short.cells.xy[:13, 0], before.cells.xy[:13, 0], atol=1e-3)


@pytest.mark.parametrize(("span", "column"), [(range(10), 0), (range(5, 16), 1)], ids=str)
def test_an_anchor_outside_the_span_does_not_matter(span, column):
    frames, both, _ = two_anchors("drift", (2.0, 0.0))
    alone = refined(frames, both.select([column]), span)
    found = refined(frames, both, span)
    np.testing.assert_allclose(found.cells.xy[:, column], alone.cells.xy[:, 0], atol=1e-3)


def test_between_anchors_that_disagree_places_are_less_sure():
    agreed, apart = (two_anchors("drift", (off, 0.0))[:2] for off in (0.0, 1.5))
    sure = [refined(*case).cells.confidence[8:13, 0] for case in (agreed, apart)]
    assert (sure[1] < sure[0] - 0.05).all()


# --- points that cannot be seen --------------------------------------------------------------


def covered(frames, gone) -> np.ndarray:
    """The clip with noise instead of some frames."""
    out = frames.copy()
    out[gone] = np.random.default_rng(0).integers(0, 256, (len(gone), *frames.shape[1:]))
    return out


@pytest.mark.parametrize(("query", "gone"), [(0, [10, 11, 12, 13, 14, 15]), (15, [0, 1, 2, 3])])
def test_hidden_points_stay_where_they_were_last_seen(query, gone):
    clip = made()
    xy = clip.truth(POINTS)[query]
    found = refined(covered(clip.frames, gone), ask([query] * 2, xy))
    cells = found.cells
    seen = np.setdiff1d(EACH, gone)
    assert cells.visible[seen].all()
    assert not cells.visible[gone].any()
    last = seen[-1] if query == 0 else seen[0]
    np.testing.assert_array_equal(cells.xy[gone], np.tile(cells.xy[last], (len(gone), 1, 1)))
    np.testing.assert_array_equal(cells.confidence[gone], 0.0)
    assert np.isnan(found.covariances[gone]).all()


def test_a_point_that_comes_back_is_found_again():
    clip = made()
    gone = [7, 8]
    found = refined(covered(clip.frames, gone), ask([0, 0], POINTS))
    assert not found.cells.visible[gone].any()
    assert found.cells.visible[9:].all()
    assert error(found, clip.truth(POINTS))[9:].max() < 0.3


# --- comparing all frames --------------------------------------------------------------------


@pytest.mark.parametrize("query", [0, 7])
def test_stretches_give_what_one_stretch_gives(query, monkeypatch):
    clip = made("beat")
    truth = clip.truth(POINTS)
    queries = ask([query] * 2, truth[query])
    whole = refined(clip.frames, queries)
    monkeypatch.setattr(refining, "STRETCH", 6)
    parts = refined(clip.frames, queries)
    assert error(parts, whole.cells.xy).max() < 0.25
    assert error(parts, truth).max() < 0.35
    np.testing.assert_array_equal(parts.cells.visible, whole.cells.visible)


def test_comparing_all_frames_is_no_worse_than_the_walk():
    clip = made("beat")
    queries = ask([0, 0], POINTS)
    walk, once, twice = (
        np.sqrt(np.mean(error(refined(clip.frames, queries, rounds=n), clip.truth(POINTS)) ** 2))
        for n in (0, 1, 2)
    )
    assert max(once, twice) < walk + 0.05
    assert once < 0.2


def test_without_rounds_the_answer_is_that_of_the_walk():
    clip = made()
    queries = ask([4, 4], clip.truth(POINTS)[4])
    found = refined(clip.frames, queries, rounds=0)
    walk = finish(Hybrid().resume(video(clip.frames), queries, EACH, None))
    assert found.cells.equals(walk)
    assert np.isnan(found.covariances).all()


def test_a_path_of_two_frames_is_not_compared():
    clip = made()
    found = refined(clip.frames[:2], ask([0, 0], POINTS), range(2))
    assert error(found, clip.truth(POINTS)[:2]).max() < 0.15
    assert found.cells.visible.all()


# --- how sure --------------------------------------------------------------------------------


def fading(most: float) -> np.ndarray:
    """The clip turning into other tissue that moves another way."""
    part = most * np.linspace(0.0, 1.0, FRAMES)[:, None, None]
    mixed = (1.0 - part) * made().frames + part * made("other").frames
    return np.rint(mixed).astype(np.uint8)


def test_confidence_falls_as_tissue_decorrelates():
    queries = ask([0, 0], POINTS)
    means = [refined(fading(most), queries).cells.confidence[1:].mean() for most in (0, 0.3, 0.6)]
    assert means[0] > means[1] > means[2]
    assert means[0] > 0.8


def test_confidence_falls_away_from_the_query():
    found = refined(fading(0.5), ask([0, 0], POINTS))
    sure = found.cells.confidence
    assert (sure[0] == 1.0).all()
    assert (sure[-3:].mean(axis=0) < sure[1:4].mean(axis=0)).all()


def test_a_wider_distance_is_met_more_surely():
    frames, queries = fading(0.4), ask([0, 0], POINTS)
    sure = [refined(frames, queries, within_mm=mm).cells.confidence[1:] for mm in (0.1, 0.5, 5.0)]
    assert (sure[0] < sure[1]).all()
    assert (sure[1] < sure[2]).all()
    assert sure[2].min() > 0.9


def test_regions_are_zero_in_queries_and_grow_away_from_them():
    clip = made("beat")
    queries = ask([0, 8], clip.truth(POINTS)[[0, 8], [0, 1]])
    regions = Hybrid().regions(video(clip.frames), queries, EACH)
    np.testing.assert_array_equal(regions[[0, 8], [0, 1]], 0.0)
    assert np.linalg.eigvalsh(regions)[1:, 0].min() > 0.0
    size = np.trace(regions, axis1=-2, axis2=-1)
    assert size[15, 0] > size[1, 0] > 0.0
    assert min(size[0, 1], size[15, 1]) > size[9, 1] > 0.0


def test_regions_are_in_pixels_of_the_frame():
    clip = made()
    queries = ask([0, 0], POINTS)
    plain = refined(clip.frames, queries)
    wide = np.repeat(clip.frames, 2, axis=2)
    stretched = ask([0, 0], (POINTS + 0.5) * [2.0, 1.0] - 0.5)
    found = refined(wide, stretched, spacing=(MM / 2, MM))
    np.testing.assert_allclose(
        (found.cells.xy + 0.5) / [2.0, 1.0] - 0.5, plain.cells.xy, rtol=0, atol=0.1
    )
    ratio = found.covariances[1:] / plain.covariances[1:]
    assert np.median(ratio[..., 0, 0]) == pytest.approx(4.0, rel=0.1)
    assert np.median(ratio[..., 1, 1]) == pytest.approx(1.0, rel=0.1)


# --- work ------------------------------------------------------------------------------------


def test_closing_at_any_yield_leaves_no_thread(monkeypatch):
    monkeypatch.setattr(refining, "STRETCH", 4)
    clip, queries, span = video(made().frames), ask([3, 3], POINTS), range(1, 9)
    tracker, before = Hybrid(rounds=2), set(threading.enumerate())
    for yields in range(len(list(tracker.track(clip, queries, span))) + 1):
        work = tracker.track(clip, queries, span)
        for _ in range(yields):
            next(work)
        work.close()
        assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_progress_never_falls_and_ends_at_its_total(rounds, monkeypatch):
    monkeypatch.setattr(refining, "STRETCH", 5)
    work = Hybrid(rounds=rounds).track(video(made().frames), ask([3, 9], POINTS), EACH)
    steps = list(work)
    assert len({step.total for step in steps}) == 1
    assert all(a.done <= b.done for a, b in pairwise(steps))
    assert steps[-1].done == steps[-1].total


@pytest.mark.parametrize("queries", [ask([], np.empty((0, 2))), ask([14], POINTS[:1])])
def test_nothing_to_follow(queries):
    found = refined(made().frames, queries, range(2, 6))
    assert found.cells.shape == (4, len(queries))
    assert found.covariances.shape == (4, len(queries), 2, 2)
    assert not found.cells.visible.any()
    assert (found.cells.source == Source.MISSING).all()


def test_frames_to_walk_through():
    span = range(10, 30)
    assert walked_frames(ask([12, 20], POINTS), span) == 19
    assert walked_frames(ask([12, 20], POINTS, first=[12, 15], last=[14, 25]), span) == 10
    assert walked_frames(ask([], np.empty((0, 2))), span) == 1


# --- settings --------------------------------------------------------------------------------


def test_settings_as_values_and_as_text():
    values = {"patience": 3, "reach_mm": 2.5, "rounds": 2, "within_mm": 0.25}
    assert trackers.make("hybrid", values) == Hybrid(**values)
    assert trackers.make("hybrid", {k: str(v) for k, v in values.items()}) == Hybrid(**values)
    assert trackers.make("hybrid").settings == Hybrid().settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patience", -1),
        ("reach_mm", -0.1),
        ("reach_mm", 51),
        ("reach_mm", "nan"),
        ("rounds", -1),
        ("rounds", 11),
        ("rounds", 1.5),
        ("within_mm", 0),
        ("within_mm", "wide"),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(name, value):
    with pytest.raises(UsstrackError, match=f"^Setting '{name}' of method 'hybrid'") as caught:
        trackers.make("hybrid", {name: value})
    assert "\n" not in str(caught.value)


def test_the_reach_that_is_asked_for_is_used():
    clip = made()
    queries = ask([0, 0], POINTS)
    own, same, wide = (refined(clip.frames, queries, reach_mm=mm) for mm in (0.0, 1.0, 6.0))
    assert error(own, same.cells.xy).max() > 1e-4
    assert error(same, wide.cells.xy).max() > 1e-4
    assert error(wide, clip.truth(POINTS)).max() < 0.3
