"""Confidence of errors with heavy tails."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.smoothing.uncertainty import confidence, oriented_covariances


@pytest.mark.parametrize("freedom", [1.0, 2.5, 4.0, 30.0])
@pytest.mark.parametrize("within", [0.1, 1.0, 5.0])
def test_equal_in_all_directions_it_has_a_closed_form(freedom, within):
    variance = 1.7
    wanted = 1.0 - (1.0 + within**2 / (freedom * variance)) ** (-freedom / 2.0)
    found = confidence(variance * np.eye(2), within, freedom=freedom)
    assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("freedom", [2.0, 4.0])
def test_it_is_the_share_of_student_errors_within_the_distance(freedom):
    random = np.random.default_rng(0)
    spread = oriented_covariances(0.7, 2.0, 0.4)
    normal = random.multivariate_normal([0.0, 0.0], spread, 200_000)
    errors = normal / np.sqrt(random.chisquare(freedom, (len(normal), 1)) / freedom)
    for within in (0.3, 1.0, 4.0):
        share = (np.hypot(*(errors * [0.1, 0.3]).T) < within * 0.2).mean()
        found = confidence(spread, within * 0.2, (0.1, 0.3), freedom)
        assert found == pytest.approx(share, abs=0.004)


def test_with_many_degrees_of_freedom_errors_are_normal():
    spread = oriented_covariances([0.0, 0.4, 1.2], [2.0, 1.0, 0.3], [0.5, 1.0, 0.1])
    for within in (0.1, 1.0, 4.0):
        np.testing.assert_allclose(
            confidence(spread, within, freedom=1e7), confidence(spread, within), rtol=1e-5
        )


def test_heavier_tails_leave_less_certainty_far_out():
    shares = [confidence(np.eye(2), 3.0, freedom=n) for n in (1.0, 2.0, 4.0, 16.0, np.inf)]
    assert np.all(np.diff(shares) > 0.0)


@pytest.mark.parametrize("freedom", [1.0, 4.0, np.inf])
def test_it_rises_with_the_distance_from_0_to_1(freedom):
    spread = oriented_covariances(0.3, 1.0, 0.2)
    shares = [float(confidence(spread, within, freedom=freedom)) for within in (0, 0.1, 1, 3)]
    assert shares[0] == pytest.approx(0.0, abs=1e-12)
    assert np.all(np.diff(shares) > 0.0)
    assert confidence(spread, 1e6, freedom=freedom) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("freedom", [1.0, 4.0, np.inf])
def test_what_is_exact_is_certain_and_what_is_unknown_stays_so(freedom):
    spread = np.stack([np.zeros((2, 2)), np.full((2, 2), np.nan), np.eye(2)])
    found = confidence(spread, 0.5, freedom=freedom)
    assert found[0] == pytest.approx(1.0, abs=1e-9)
    assert np.isnan(found).tolist() == [False, True, False]
    assert 0.0 < found[2] < 1.0
