from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.metrics.jitter import jitter_of_error, jitter_of_track

TIME = np.arange(60.0)
SMOOTH = np.stack([5 * np.sin(TIME * 2 * np.pi / 60), 0.1 * TIME], axis=-1)[:, None]


def noise(sd, seed=0):
    return np.random.default_rng(seed).normal(0, sd, (60, 1, 2))


def test_jitter_of_an_error_worked_by_hand():
    error = np.array([[0.0, 0], [3, 4], [0, 0], [0, 0]])[:, None]
    # Second differences: (0 - 6 + 0, 0 - 8 + 0) of length 10, then (3, 4) of length 5.
    found = jitter_of_error(SMOOTH[:4] + error, SMOOTH[:4], fps=50)
    assert_allclose(found.rms, np.sqrt((100 + 25) / 2))
    assert (found.unit, found.fps, found.triples) == ("px/frame²", 50, 2)


def test_steady_drift_and_true_acceleration_are_no_jitter():
    drift = 0.3 * TIME[:, None, None] + np.array([5.0, -2.0])
    assert jitter_of_error(SMOOTH + drift, SMOOTH, fps=50).rms < 1e-12


def test_a_triple_with_a_gap_or_an_unscored_cell_is_left_out():
    error = np.zeros((7, 1, 2))
    error[3] = np.nan
    assert jitter_of_error(error, 0 * SMOOTH[:7], fps=None).triples == 2
    scored = np.ones((7, 1), dtype=bool)
    scored[0] = False
    assert jitter_of_error(error, 0 * SMOOTH[:7], fps=None, scored=scored).triples == 1
    assert np.isnan(jitter_of_error(error[:2], 0 * SMOOTH[:2], fps=None).rms)


def test_white_noise_has_its_known_jitter():
    # Second difference of white noise: variance 1 + 4 + 1 per axis, two axes.
    want = 0.5 * np.sqrt(12)
    found = [jitter_of_error(SMOOTH + noise(0.5, i), SMOOTH, fps=50).rms for i in range(30)]
    assert_allclose(np.mean(found), want, rtol=0.03)
    alone = [jitter_of_track(SMOOTH + noise(0.5, i), fps=50).rms for i in range(30)]
    assert_allclose(np.mean(alone), want, rtol=0.05)


def test_smooth_motion_is_no_jitter_even_without_a_truth():
    bare = np.sqrt((np.diff(SMOOTH, 2, axis=0) ** 2).sum(-1).mean())
    assert jitter_of_track(SMOOTH, fps=50).rms < 0.05 * bare


def test_a_spline_takes_half_of_the_period_stated():
    time = np.arange(400.0)
    wave = np.stack([np.cos(time * 2 * np.pi / 10), 0 * time], axis=-1)[:, None]
    bare = np.sqrt((np.diff(wave, 2, axis=0) ** 2).sum(-1).mean())
    assert_allclose(jitter_of_track(wave, fps=50, smooth_frames=10).rms / bare, 0.5, atol=0.03)


def test_jitter_is_the_same_backward_turned_and_for_points_in_another_order():
    xy = np.concatenate([SMOOTH + noise(0.5, 1), SMOOTH + noise(0.9, 2)], axis=1)
    plain = jitter_of_track(xy, fps=50).rms
    assert_allclose(jitter_of_track(xy[::-1], fps=50).rms, plain)
    assert_allclose(jitter_of_track(xy[:, ::-1], fps=50).rms, plain)
    assert_allclose(jitter_of_track(xy[..., ::-1], fps=50).rms, plain)
    assert_allclose(jitter_of_track(0.2 * xy, fps=50, unit="mm").rms, 0.2 * plain)


def test_stretches_too_short_for_a_spline_are_left_out():
    xy = SMOOTH + noise(0.5)
    xy[4], xy[10] = np.nan, np.nan
    found = jitter_of_track(xy[:20], fps=50)  # stretches of 4, 5 and 9 frames
    assert found.triples == 3 + 7
    assert np.isnan(jitter_of_track(xy[:4], fps=50).rms)
    with pytest.raises(ValueError, match="positive period"):
        jitter_of_track(xy, fps=50, smooth_frames=0)
    with pytest.raises(ValueError, match="frames x points"):
        jitter_of_track(xy[:, 0], fps=50)
