"""Affine motion from many matches, some of them wrong."""

from __future__ import annotations

import numpy as np

from napari_usstrack.flow.local_affine import Seeds, fit

SEEDS = Seeds.around(2.0, 4.0)
SHIFT = np.array([[0.7, -0.3], [-1.2, 0.4]])
GRADIENT = np.array([[[0.02, -0.08], [0.05, -0.04]], [[-0.1, 0.0], [0.03, 0.1]]])


def moved() -> np.ndarray:
    return SHIFT[:, None] + np.einsum("nij,sj->nsi", GRADIENT, SEEDS.offsets)


def weights() -> np.ndarray:
    return np.broadcast_to(SEEDS.weights, (2, len(SEEDS.weights))).copy()


def test_seeds_lie_around_the_point_and_count_most_at_it():
    assert SEEDS.offsets.shape == (25, 2)
    np.testing.assert_allclose(SEEDS.offsets.mean(axis=0), 0.0)
    middle = np.flatnonzero((SEEDS.offsets == 0).all(axis=1))
    assert SEEDS.weights[middle] == SEEDS.weights.max() == 1.0


def test_an_affine_motion_is_found():
    found = fit(SEEDS.offsets, moved(), weights(), stiffness=1e-6)
    np.testing.assert_allclose(found.shift, SHIFT, atol=1e-6)
    np.testing.assert_allclose(found.gradient, GRADIENT, atol=1e-6)
    assert found.spread.max() < 1e-6


def test_wrong_matches_are_left_out():
    random = np.random.default_rng(0)
    shifts = moved()
    wrong = random.permutation(25)[:7]
    shifts[:, wrong] += random.uniform(1.0, 3.0, (2, 7, 2))
    found = fit(SEEDS.offsets, shifts, weights(), stiffness=1e-6)
    plain = np.average(shifts, axis=1, weights=SEEDS.weights)
    assert np.abs(found.shift - SHIFT).max() < 0.04
    assert np.abs(plain - SHIFT).max() > 0.3
    assert found.weight[:, wrong].max() < 0.1


def test_a_seed_of_no_weight_says_nothing():
    shifts, weight = moved(), weights()
    shifts[:, 3], weight[:, 3] = 1e3, 0.0
    found = fit(SEEDS.offsets, shifts, weight, stiffness=1e-6)
    np.testing.assert_allclose(found.shift, SHIFT, atol=1e-6)


def test_without_any_weight_nothing_moves():
    found = fit(SEEDS.offsets, moved(), np.zeros((2, 25)), stiffness=0.5)
    np.testing.assert_allclose(found.shift, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.gradient, 0.0, atol=1e-6)
