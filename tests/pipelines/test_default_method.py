"""The default method on generated clips: lines, fills between labels, corrections, steps."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow import with_lines
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import generated_clip, generated_truth
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench.methods import own
from napari_usstrack.pipelines.fill import fill
from napari_usstrack.pipelines.hybrid import Hybrid
from napari_usstrack.pipelines.queries import first_queries
from napari_usstrack.pipelines.track import track
from napari_usstrack.session import Session

LAST, MIDDLE = 39, 20


def sample(name: str):
    """A generated clip, and true tracks of points that are in view all the time."""
    truth = generated_truth(name)
    seen = np.flatnonzero(truth.visible.all(axis=0))
    return open_video(generated_clip(name)), truth.select([truth.names[i] for i in seen])


def labels(truth: Tracks, *frames: int) -> Tracks:
    """The truth in these frames, as if placed by hand."""
    xy = np.full(truth.xy.shape, np.nan)
    xy[list(frames)] = truth.xy[list(frames)]
    cells = Cells.placed(xy, Source.MANUAL)
    arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
    return Tracks(**arrays, points=truth.points, video=truth.video)


def off_mm(run: Tracks, truth: Tracks) -> np.ndarray:
    return np.linalg.norm((run.xy - truth.xy) * np.asarray(truth.video.spacing_mm), axis=-1)


@pytest.fixture(scope="module")
def heart():
    return sample("heart")


@pytest.fixture(scope="module")
def muscle():
    return sample("muscle")


# --- lines -----------------------------------------------------------------------------------


def test_points_of_lines_are_held_to_them_after_all_else(muscle):
    video, truth = muscle
    queries = first_queries(labels(truth, 0), range(12), "both", None)
    steps = []
    found = finish(Hybrid().track(video, queries, range(12)), steps.append)
    free = finish(Hybrid(lines=False).track(video, queries, range(12)))
    again = finish(with_lines.held(video, queries, free, range(12)))
    assert found.equals(again)
    assert not found.equals(free)
    np.testing.assert_array_equal(found.xy[0], truth.xy[0])
    assert len({step.total for step in steps}) == 1
    assert all(a.done <= b.done for a, b in pairwise(steps))
    assert steps[-1].done == steps[-1].total


def test_without_lines_or_contours_nothing_is_measured(muscle, monkeypatch):
    video, truth = muscle
    queries = first_queries(labels(truth, 0), range(4), "both", None)
    plain = Queries(queries.frame, queries.xy, queries.name)
    monkeypatch.setattr(with_lines, "held", lambda *_: pytest.fail("measured for nothing"))
    cells = finish(Hybrid().track(video, plain, range(4)))
    assert cells.equals(finish(Hybrid(lines=False).track(video, plain, range(4))))


@pytest.mark.parametrize(("word", "held"), [("hybrid", True), ("hybrid:lines=false", False)])
def test_lines_may_be_refused_in_a_benchmark(word, held):
    (method,) = own(word)
    assert method.tracker == Hybrid(lines=held)
    assert trackers.make("hybrid", {"lines": str(held).lower()}) == Hybrid(lines=held)


# --- between labels --------------------------------------------------------------------------


def test_labels_on_both_sides_are_used_by_every_pass(heart):
    video, truth = heart
    free = off_mm(finish(track(video, labels(truth, 0), Hybrid(lines=False))), truth)
    anchors = [0, MIDDLE, LAST]
    said = labels(truth, *anchors)
    run = finish(fill(video, said, Hybrid(lines=False)))
    np.testing.assert_array_equal(run.xy[anchors], truth.xy[anchors])
    assert off_mm(run, truth).mean() < 0.5 * free.mean()
    columns = np.repeat(np.arange(len(truth.names)), 2)
    frame = np.tile([MIDDLE, LAST], len(truth.names))
    names = tuple(truth.names[i] for i in columns)
    queries = Queries(
        *(frame, truth.xy[frame, columns], names),
        first=np.full(len(frame), MIDDLE),
        last=np.full(len(frame), LAST),
    )
    cells = finish(Hybrid().track(video, queries, range(MIDDLE, LAST + 1)))
    np.testing.assert_array_equal(cells.xy[0, 1::2], truth.xy[MIDDLE])
    np.testing.assert_array_equal(cells.xy[-1, ::2], truth.xy[LAST])
    apart = np.linalg.norm(cells.xy[:, ::2] - cells.xy[:, 1::2], axis=-1)
    assert np.median(apart) < 1.0


def test_a_correction_is_filled_again_within_seconds(heart):
    video, truth = heart
    with Session(video) as session:
        session.curation.propagating = True
        session.curation.use("hybrid")
        name, path = truth.names[3], truth.xy[:, 3]
        session.place_all("label", {(0, name): path[0], (LAST, name): path[LAST]})
        session.review.fill("whole clip", [name])
        before = session.curation.shown.xy[:, 0].copy()
        begun = time.perf_counter()
        session.place(name, MIDDLE, tuple(path[MIDDLE]))
        assert time.perf_counter() - begun < 20.0
        shown = session.curation.shown.xy[:, 0]
    anchors = [0, MIDDLE, LAST]
    np.testing.assert_array_equal(shown[anchors], path[anchors])
    was, now = (np.linalg.norm(xy - path, axis=-1).mean() for xy in (before, shown))
    assert now < was


# --- steps -----------------------------------------------------------------------------------


def grains(frames: int) -> np.ndarray:
    """Speckle at rest that gets coarser from frame to frame."""
    cv2 = opencv()
    noise = np.random.default_rng(0).normal(size=(120, 120))
    blurred = [cv2.GaussianBlur(noise, (0, 0), 1.0 + 0.12 * i) for i in range(frames)]
    return np.stack([np.clip(100 + 40 * b / b.std(), 0, 255) for b in blurred]).astype(np.uint8)


def test_single_steps_keep_to_the_sizes_of_the_first_one():
    frames = grains(8)
    info = VideoInfo(8, 120, 120, digest="grains", calibration=Calibration((0.5, 0.5)))
    video = CallbackVideo(info, lambda span: frames[span.start : span.stop])
    memory, xy = {}, np.array([[60.0, 60.0]])
    for here in range(7):
        queries = Queries([here], xy, ("a",))
        xy = finish(Hybrid().resume(video, queries, range(here, here + 2), memory)).xy[1]
    assert np.abs(xy - 60.0).max() < 0.1
    other = replace(info, calibration=Calibration((0.3, 0.3)))
    rescaled = CallbackVideo(other, video.frames)
    finish(Hybrid().resume(rescaled, Queries([6], xy, ("a",)), range(6, 8), memory))
    assert set(memory) == {("", -1), ("a", 7)}
