"""Block matching: search in px and mm, sub-pixel peaks, blocks at the border."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.block_matching import BlockMatching, _cut, _peak, match
from napari_usstrack.pipelines import trackers
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

WIDTH, HEIGHT = 150, 110
POINTS = np.array([[60.3, 50.1], [90.0, 60.7], [75.25, 45.0]])


def clip(dx, dy, frames=2):
    return speckle_clip(
        shift(dx, dy), frames=frames, width=WIDTH, height=HEIGHT, per_px=0.2, margin_px=45.0
    ).frames


# --- peaks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [(0.0, 0.0), (0.3, -0.4), (-0.49, 0.1)])
def test_the_peak_of_a_gaussian_is_found_exactly(where):
    y, x = np.mgrid[-1:2, -1:2].astype(float)
    dx, dy = x - where[0], y - where[1]
    bump = np.exp(-(0.2 * dx**2 + 0.1 * dx * dy + 0.3 * dy**2))
    np.testing.assert_allclose(_peak(bump), where, atol=1e-9)


@pytest.mark.parametrize(
    "flat", [np.zeros((3, 3)), np.ones((3, 3)), 1 - np.eye(3), [[0.1, 0.1, 0.9]] * 3]
)
def test_where_there_is_no_peak_there_is_no_offset(flat):
    np.testing.assert_array_equal(_peak(np.array(flat, dtype=float)), 0.0)


def test_an_offset_stays_within_a_pixel():
    slope = np.array([[0.2, 0.5, 0.9], [0.2, 0.5, 0.92], [0.2, 0.5, 0.9]])
    assert np.abs(_peak(slope)).max() <= 1.0


# --- one step --------------------------------------------------------------------------------


@pytest.mark.parametrize("motion", [(3, -2), (-15, 12), (0, 0)])
def test_a_whole_shift_is_found_exactly(motion):
    landing = BlockMatching().step(*clip(*motion), POINTS)
    np.testing.assert_allclose(landing.xy - POINTS, np.tile(motion, (3, 1)), atol=1e-3)
    assert (landing.confidence > 0.99).all()


@pytest.mark.parametrize("motion", [(0.5, 0.5), (2.25, -1.75), (-7.4, 3.1)])
def test_a_fraction_is_found_between_pixels(motion):
    landing = BlockMatching().step(*clip(*motion), POINTS)
    assert np.abs(landing.xy - POINTS - motion).max() < 0.08


def test_confidence_is_correlation_and_the_way_back():
    here, there = clip(1.3, 0.4)
    noise = np.random.default_rng(0).normal(0, 40, there.shape)
    there = np.clip(there + noise, 0, 255).astype(np.uint8)
    tracker = BlockMatching()
    landing = tracker.step(here, there, POINTS)
    for point, xy in enumerate(POINTS):
        motion, ncc = match(here, there, xy, tracker.window, (16, 16))
        back, _ = match(there, here, xy + motion, tracker.window, (16, 16))
        gap = np.hypot(*(motion + back))
        np.testing.assert_array_equal(landing.xy[point], xy + motion)
        np.testing.assert_allclose(landing.confidence[point], ncc / (1 + gap**2))
    assert landing.confidence.max() < 0.95
    assert not BlockMatching(lost_ncc=0.98).step(here, there, POINTS).found.any()


def test_brightness_and_contrast_do_not_matter():
    here, there = clip(2.0, 1.0)
    darker = (there // 2 + 20).astype(np.uint8)
    landing = BlockMatching().step(here, darker, POINTS)
    assert np.abs(landing.xy - POINTS - [2, 1]).max() < 0.02
    assert (landing.confidence > 0.98).all()


def test_no_texture_is_a_loss():
    flat = np.full((2, HEIGHT, WIDTH), 7, dtype=np.uint8)
    landing = BlockMatching().step(*flat, POINTS)
    assert not landing.found.any()
    np.testing.assert_array_equal(landing.xy, POINTS)
    textured_here = BlockMatching().step(clip(0, 0)[0], flat[0], POINTS)
    assert not textured_here.found.any()


# --- border ----------------------------------------------------------------------------------


@pytest.mark.parametrize("centre", [-0.5, 0, 3.4, 10, 60, 130, 149.5])
@pytest.mark.parametrize(("window", "search"), [(45, 16), (45, 100), (7, 1), (45, 1), (301, 16)])
@pytest.mark.parametrize("size", [150, 31, 4, 1])
def test_a_block_lies_in_the_frame(centre, window, search, size):
    centre = min(centre, size - 0.5)
    low, high = _cut(centre, window, search, size)
    assert 0 <= low < high <= size
    assert high - low <= 2 * (window // 2) + 1


@pytest.mark.parametrize(
    ("start", "motion"),
    [((8, 55), (-6, 0)), ((142, 55), (6, 1)), ((75, 6), (0, -5)), ((75, 104), (2, 5))],
)
def test_points_near_the_border_can_move_towards_it(start, motion):
    xy = np.array([start], dtype=float)
    landing = BlockMatching().step(*clip(*motion), xy)
    assert landing.found.all()
    np.testing.assert_allclose(landing.xy - xy, [motion], atol=0.05)


def test_a_step_that_ends_outside_the_frame_is_a_loss():
    landing = BlockMatching().step(*clip(-6, 0), np.array([[2.0, 55.0], [75.0, 55.0]]))
    assert landing.found.tolist() == [False, True]


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (3, 200), (16, 9)])
def test_pictures_smaller_than_the_block(shape):
    here, there = np.random.default_rng(0).integers(0, 255, (2, *shape), dtype=np.uint8)
    landing = BlockMatching().step(here, there, np.array([[shape[1] / 2, shape[0] / 2]]))
    assert np.isfinite(landing.xy).all()


# --- search ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spacing", "search"),
    [(None, (16, 16)), ((0.1, 0.2), (20, 10)), ((3.0, 0.001), (2, 100)), ((0.3, 0.3), (7, 7))],
)
def test_search_in_px_or_mm(spacing, search):
    assert BlockMatching(search_mm=2.0).search(spacing) == search


@pytest.mark.parametrize(("spacing", "finds"), [((0.2, 0.2), True), ((1.0, 1.0), False)])
def test_the_scale_of_the_clip_decides_how_far_to_look(spacing, finds):
    frames = clip(8, 0, 3)
    info = VideoInfo(3, WIDTH, HEIGHT, calibration=Calibration(spacing_mm=spacing))
    video = CallbackVideo(info, lambda span: frames[span.start : span.stop])
    queries = Queries([0, 0], POINTS[:2], ("a", "b"))
    cells = finish(BlockMatching(search_mm=2.0).track(video, queries, range(3)))
    right = np.linalg.norm(cells.xy[2] - POINTS[:2] - [16, 0], axis=-1) < 0.1
    assert right.all() == finds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 5),
        ("search_px", 0),
        ("search_mm", 0),
        ("lost_ncc", 1),
        ("lost_px", "nan"),
        ("patience", -1),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(name, value):
    with pytest.raises(UsstrackError, match=f"^Setting '{name}' of method 'block-matching'"):
        trackers.make("block-matching", {name: value})
