"""Points and the motion of the tissue around them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.pipelines.neighbours import agreed

FRAMES, REACH_PX = 12, 10.0
START = np.stack(np.meshgrid(np.arange(5) * 12.0, np.arange(4) * 12.0), axis=-1).reshape(-1, 2)
COUNT = len(START)
QUERY = np.zeros(COUNT, dtype=np.intp)
STRETCH = np.array([[0.1, 0.05], [-0.04, -0.08]])


def affine() -> np.ndarray:
    """Paths of tissue that shifts, stretches and turns ``[frames, points, 2]``."""
    part = np.linspace(0.0, 1.0, FRAMES)[:, None, None]
    return START + part * (START @ STRETCH.T + [6.0, -3.0])


def variance(value: float = 1.0) -> np.ndarray:
    return np.full((FRAMES, COUNT), value)


def test_paths_of_one_affine_motion_stay():
    np.testing.assert_allclose(agreed(affine(), variance(), QUERY, REACH_PX), affine(), atol=0.05)


def test_noise_of_single_points_falls():
    noisy = affine() + np.random.default_rng(0).normal(0.0, 1.0, (FRAMES, COUNT, 2))
    noisy[0] = START
    found = agreed(noisy, variance(), QUERY, REACH_PX)
    before, after = (np.abs(xy - affine())[1:].mean() for xy in (noisy, found))
    assert after < 0.95 * before


def test_a_point_far_astray_is_drawn_back_and_does_not_draw_others():
    wrong, doubt = affine(), variance()
    wrong[6:, 7] += [15.0, 10.0]
    doubt[6:, 7] = 100.0
    found = agreed(wrong, doubt, QUERY, REACH_PX)
    assert np.abs(found[6:, 7] - affine()[6:, 7]).max() < 1.0
    others = np.arange(COUNT) != 7
    assert np.abs((found - affine())[:, others]).max() < 0.3


def test_tissues_that_slide_along_each_other_keep_their_own_motion():
    sliding = np.repeat(START[None], FRAMES, axis=0)
    upper = START[:, 1] < 18.0
    sliding[:, upper, 0] += np.linspace(0.0, 12.0, FRAMES)[:, None]
    sliding[:, ~upper, 0] -= np.linspace(0.0, 12.0, FRAMES)[:, None]
    found = agreed(sliding, variance(0.05), QUERY, REACH_PX)
    assert np.abs(found - sliding).max() < 0.6


@pytest.mark.parametrize("points", [1, 3, 5])
def test_few_points_stay(points):
    paths = affine()[:, :points] + np.random.default_rng(1).normal(0, 1, (FRAMES, points, 2))
    found = agreed(paths, variance()[:, :points], QUERY[:points], REACH_PX)
    np.testing.assert_array_equal(found, paths)


def test_points_known_in_other_frames_are_no_neighbours():
    paths = affine() + np.random.default_rng(1).normal(0, 1, (FRAMES, COUNT, 2))
    np.testing.assert_array_equal(agreed(paths, variance(), np.arange(COUNT) % 8, REACH_PX), paths)


def test_what_is_unknown_stays_unknown_and_says_nothing():
    paths, doubt = affine(), variance()
    paths[5:, 3], doubt[5:, 3] = np.nan, np.nan
    found = agreed(paths, doubt, QUERY, REACH_PX)
    assert np.isnan(found[5:, 3]).all()
    others = np.arange(COUNT) != 3
    np.testing.assert_allclose(found[:, others], affine()[:, others], atol=0.05)
