"""Chained flow and filled stretches equal the arrays that DUSTrack 1.3.2 computed."""

from __future__ import annotations

from functools import cache

import moving_pictures as clips
import numpy as np
import pytest

from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import Video
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.fill import fill
from napari_usstrack.smoothing.flow_window import FlowWindow, smooth_with_flow

CLOSE_PX = 1e-6
LAST = clips.FRAMES - 1
SETTINGS = {
    "window": 45,
    "levels": 3,
    "iterations": 10,
    "epsilon_px": 0.03,
    "lost_px": 1e9,
    "patience": 0,
    "predict": False,
}
CASES = [
    (name, kind, count) for name in clips.SCENES for kind in ("grey", "colour") for count in (1, 4)
]


@cache
def dustrack() -> dict[str, np.ndarray]:
    with np.load(clips.REFERENCE) as stored:
        return dict(stored)


@cache
def video(name: str, kind: str) -> Video:
    frames = clips.grey_clip(name) if kind == "grey" else clips.colour_clip(name)
    clip = array_video(frames)
    assert clips.digest(clip.frames(range(clips.FRAMES))) == str(
        dustrack()[f"{name}-{kind}-digest"]
    )
    return clip


def chained(name: str, kind: str, frame: int, xy: np.ndarray, **options) -> np.ndarray:
    tracker = trackers.make("lucas-kanade", {**SETTINGS, **options})
    queries = Queries(np.full(len(xy), frame), xy, tuple(f"p{i}" for i in range(len(xy))))
    cells = finish(tracker.track(video(name, kind), queries, range(clips.FRAMES)))
    assert cells.visible.all()
    return cells.xy


def rest(frame: int) -> np.ndarray:
    """All frames but the query's, where DUSTrack keeps a rounded copy of the query."""
    return np.arange(clips.FRAMES) != frame


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("name", "kind", "count"), CASES)
def test_forward(name, kind, count, check):
    first, _ = clips.starts(name)
    got = chained(name, kind, 0, first[:count], check=check)
    expected = dustrack()[f"{name}-{kind}-{count}-forward"]
    assert np.abs(got - expected)[rest(0)].max() < CLOSE_PX
    assert np.linalg.norm(expected[-1] - expected[0], axis=-1).min() > 3
    np.testing.assert_array_equal(got[0], first[:count])


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("name", "kind", "count"), CASES)
def test_backward(name, kind, count, check):
    _, last = clips.starts(name)
    got = chained(name, kind, LAST, last[:count], check=check)
    expected = dustrack()[f"{name}-{kind}-{count}-backward"][::-1]
    assert np.abs(got - expected)[rest(LAST)].max() < CLOSE_PX


@pytest.mark.parametrize(("name", "kind", "count"), CASES)
def test_filled_between_two_anchors(name, kind, count):
    first, last = (xy[:count] for xy in clips.starts(name))
    clip = video(name, kind)
    xy = np.full((clips.FRAMES, count, 2), np.nan)
    xy[0], xy[-1] = first, last
    cells = Cells.placed(xy, Source.MANUAL)
    points = named_points([f"p{i}" for i in range(count)])
    arrays = {a: getattr(cells, a) for a in ("xy", "confidence", "visible", "source")}
    labels = Tracks(**arrays, points=points, video=clip.info)
    got = finish(fill(clip, labels, trackers.make("lucas-kanade", SETTINGS)))
    expected = dustrack()[f"{name}-{kind}-{count}-joined"]
    assert np.abs(got.xy - expected)[1:-1].max() < CLOSE_PX
    np.testing.assert_array_equal(got.xy[[0, -1]], [first, last])


@pytest.mark.parametrize("window", clips.WINDOWS)
@pytest.mark.parametrize(("name", "kind", "count"), CASES)
def test_moving_window(name, kind, count, window):
    tracker = trackers.make("lucas-kanade", {**SETTINGS, "check": False})
    work = smooth_with_flow(
        video(name, kind),
        clips.given(name)[:, :count],
        lambda here, there, xy, motion: tracker.step(here, there, xy, motion).xy,
        forward_weight,
        FlowWindow(window),
    )
    expected = dustrack()[f"{name}-{kind}-{count}-window-{window}"]
    np.testing.assert_allclose(finish(work).xy, expected, rtol=0, atol=CLOSE_PX)


@pytest.mark.parametrize("length", [1, 2, 5, LAST, 40])
def test_weights(length):
    forward, backward = dustrack()[f"weights-{length}"]
    np.testing.assert_allclose(forward_weight(length), forward, atol=1e-15)
    np.testing.assert_allclose(1 - forward_weight(length), backward, atol=1e-15)
