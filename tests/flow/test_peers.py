"""Plain OpenCV trackers are plain OpenCV, and no methods of the program."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.peers import PEERS
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines import trackers
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

SETTINGS = {
    "opencv-lk-dustrack": (45, 2, 10, 0.03),
    "opencv-lk-21": (21, 3, 30, 0.01),
    "opencv-lk-45": (45, 3, 30, 0.01),
}


@pytest.fixture(scope="module")
def clip():
    return speckle_clip(shift(1.3, -0.6), frames=6, width=120, height=90, seed=2)


def tracked(name: str, frames: np.ndarray, xy: np.ndarray) -> np.ndarray:
    names = tuple(f"p{i}" for i in range(len(xy)))
    queries = Queries(np.zeros(len(xy), dtype=int), xy, names)
    return finish(PEERS[name].track(array_video(frames), queries, range(len(frames)))).xy


@pytest.mark.parametrize("name", SETTINGS)
def test_lucas_kanade_is_a_plain_loop(name, clip):
    cv2 = opencv()
    window, level, iterations, epsilon = SETTINGS[name]
    xy = np.array([[40.0, 40.0], [70.25, 55.5]])
    at, found = xy.astype(np.float32).reshape(-1, 1, 2), [xy]
    for here, there in pairwise(clip.frames):
        at, _, _ = cv2.calcOpticalFlowPyrLK(
            *(here, there, at, None),
            winSize=(window, window),
            maxLevel=level,
            criteria=(3, iterations, epsilon),
        )
        found.append(at.reshape(-1, 2).astype(float))
    np.testing.assert_array_equal(tracked(name, clip.frames, xy), found)


@pytest.mark.parametrize("name", PEERS)
def test_they_follow_a_shift(name, clip):
    xy = np.array([[40.0, 40.0], [70.0, 55.0]])
    error = np.linalg.norm(tracked(name, clip.frames, xy) - clip.truth(xy), axis=-1)
    assert error.max() < 1.5


@pytest.mark.parametrize("name", PEERS)
def test_they_never_lose_a_point(name):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (5, 60, 80), dtype=np.uint8)
    queries = Queries(np.array([2]), [[30.0, 30.0]], ("a",))
    cells = finish(PEERS[name].track(array_video(noise), queries, range(5)))
    assert cells.visible.all()
    assert cells.present.all()


def test_they_are_not_offered_as_methods():
    assert not set(PEERS) & set(trackers.names())
