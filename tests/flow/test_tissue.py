"""Tissue that turns and stretches, followed without drift."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.flow.rematch import Rematcher, cut
from napari_usstrack.flow.seeds import alike
from napari_usstrack.flow.tissue import TissueFlow
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip

WIDTH, HEIGHT, FRAMES, PERIOD, MM = 200, 160, 49, 16.0, 0.25
POINTS = np.array([[70.0, 60.0], [130.0, 60.0], [70.0, 105.0], [130.0, 105.0]])


@cache
def turning() -> SpeckleClip:
    """Three cycles of strong strain and rotation under noise that is new in every frame."""
    motion = contraction((100.0, 80.0), period=PERIOD, strain=0.15, turn_deg=15.0, sway_px=6.0)
    return speckle_clip(
        motion, frames=FRAMES, width=WIDTH, height=HEIGHT, per_px=0.15, noise=45.0, margin_px=40.0
    )


def video(frames: np.ndarray) -> CallbackVideo:
    count, height, width = frames.shape
    info = VideoInfo(count, width, height, Calibration(spacing_mm=(MM, MM)))
    return CallbackVideo(info, lambda span: frames[span.start : span.stop])


def names(count: int) -> tuple[str, ...]:
    return tuple(f"p{i}" for i in range(count))


@cache
def run(tracker) -> np.ndarray:
    clip = turning()
    queries = Queries(np.zeros(4), POINTS, names(4))
    return finish(tracker.track(video(clip.frames), queries, range(FRAMES)))


def error_mm(cells) -> np.ndarray:
    return np.linalg.norm(cells.xy - turning().truth(POINTS), axis=-1) * MM


def test_rotation_and_strain_are_followed():
    assert error_mm(run(TissueFlow())).max() < 0.15


def test_comparing_with_the_first_frame_takes_drift_away():
    held = error_mm(run(TissueFlow()))[-17:].mean()
    free = error_mm(run(TissueFlow(rematch=False)))[-17:].mean()
    plain = error_mm(run(LucasKanade(window=21)))[-17:].mean()
    assert held < 0.6 * free
    assert held < 0.5 * plain


def test_confidence_falls_where_nothing_holds_drift_off():
    held, free = run(TissueFlow()).confidence, run(TissueFlow(rematch=False)).confidence
    assert (np.diff(free, axis=0) <= 0).all()
    assert held[-1].min() > free[-1].max()


def test_tissue_that_rests_under_fresh_noise_does_not_creep():
    random = np.random.default_rng(1)
    picture = turning().frames[0].astype(float)
    noisy = picture + random.normal(0.0, 25.0, (40, HEIGHT, WIDTH))
    frames = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    queries = Queries(np.zeros(4), POINTS, names(4))
    cells = finish(TissueFlow().track(video(frames), queries, range(40)))
    assert np.linalg.norm(cells.xy[-10:] - POINTS, axis=-1).mean() * MM < 0.03


def stepped(memory, start=0, xy=POINTS) -> np.ndarray:
    clip, paths = video(turning().frames), [xy]
    for frame in range(start, 24):
        queries = Queries(np.full(4, frame), paths[-1], names(4))
        cells = finish(TissueFlow().resume(clip, queries, range(frame, frame + 2), memory))
        paths.append(cells.xy[1])
    return np.array(paths)


def test_two_frames_at_a_time_with_memory_equal_the_clip_in_one_go():
    whole = run(TissueFlow()).xy[:25]
    np.testing.assert_allclose(stepped({}), whole, atol=1e-9)
    assert np.abs(stepped(None) - whole).max() > 1e-3


def test_memory_of_another_place_is_not_used():
    memory: dict = {}
    stepped(memory)
    moved = turning().truth(POINTS)[10] + 3.0
    np.testing.assert_array_equal(stepped(memory, 10, moved), stepped({}, 10, moved))


def test_memory_shares_the_first_picture():
    memory: dict = {}
    stepped(memory)
    assert memory[("p0", 24)].template is memory[("p0", 1)].template
    assert memory[("p0", 24)].template is not memory[("p1", 24)].template


def test_queries_that_have_ended_are_let_go(monkeypatch):
    held = []
    forget = Rematcher._forget

    def watched(self, points, here, there):
        forget(self, points, here, there)
        held.append(len(self._trails))

    monkeypatch.setattr(Rematcher, "_forget", watched)
    ends = [2, 4, 4, FRAMES - 1]
    queries = Queries(np.zeros(4), POINTS, names(4), np.zeros(4), ends)
    finish(TissueFlow().track(video(turning().frames), queries, range(6)))
    assert held == [4, 3, 3, 1, 1]


@pytest.mark.parametrize("turn_deg", [0.0, 30.0])
def test_a_deformation_that_is_known_is_undone(turn_deg):
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    deformed = turn @ np.diag([1.2, 0.9])
    rows, columns = np.indices((HEIGHT, WIDTH)) - np.array([80, 100])[:, None, None]

    def texture(x, y):
        return 128 + 60 * np.sin(x / 3.0) + 60 * np.cos(y / 2.5)

    back = np.einsum("ij,jyx->iyx", np.linalg.inv(deformed), np.stack([columns, rows]))
    before = np.rint(texture(columns, rows)).astype(np.uint8)
    after = np.rint(texture(*back)).astype(np.uint8)
    at = np.array([[100.0, 80.0]])
    one = cut(before, at, np.eye(2)[None], 20)
    other = cut(after, at, deformed[None], 20)
    middle = np.array([[20.0, 20.0]])
    assert alike(one, other, middle, middle, 31)[0] > 0.99
    assert alike(one, cut(after, at, np.eye(2)[None], 20), middle, middle, 31)[0] < 0.95
