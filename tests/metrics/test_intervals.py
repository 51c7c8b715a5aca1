from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.metrics.intervals import bootstrap, bootstrap_mean


def rng(seed=0):
    return np.random.default_rng(seed)


def test_interval_of_two_units_worked_by_hand():
    # Means of two draws from 0 and 4: 0, 2, 2, 4, each a quarter. At level 0.8 the tails of 0.1
    # reach into the outer quarters, at 0.4 the tails of 0.3 do not.
    wide = bootstrap_mean([0.0, 4.0], unit="clip", rng=rng(), level=0.8)
    assert (wide.low, wide.estimate, wide.high) == (0, 2, 4)
    narrow = bootstrap_mean([0.0, 4.0], unit="clip", rng=rng(), level=0.4)
    assert (narrow.low, narrow.high) == (2, 2)
    assert (wide.unit, wide.units, wide.resamples, wide.level) == ("clip", 2, 2000, 0.8)


def test_interval_of_a_mean_is_near_that_of_the_normal_law():
    values = rng(1).normal(10, 2, 400)
    found = bootstrap_mean(values, unit="point", rng=rng(2), resamples=4000)
    half = 1.96 * values.std() / 20
    assert_allclose([found.low, found.high], values.mean() + np.array([-half, half]), atol=0.02)


def test_the_same_seed_gives_the_same_interval():
    values = rng(3).normal(size=9)
    first = bootstrap_mean(values, unit="point", rng=rng(5))
    assert bootstrap_mean(values, unit="point", rng=rng(5)) == first
    assert bootstrap_mean(values, unit="point", rng=rng(6)) != first


def test_both_ways_of_asking_agree():
    values = list(rng(3).normal(size=9))
    mean = bootstrap_mean(values, unit="clip", rng=rng(5), resamples=200)
    found = bootstrap(values, np.mean, unit="clip", rng=rng(5), resamples=200)
    assert_allclose([found.estimate, found.low, found.high], [mean.estimate, mean.low, mean.high])


def test_whole_units_are_drawn_not_their_frames():
    # Each point is constant in time: frames add no evidence.
    points = [np.full(frames, level) for frames, level in ((5, 0.0), (500, 4.0))]

    def median_then_mean(drawn):
        return float(np.mean([np.median(point) for point in drawn]))

    found = bootstrap(points, median_then_mean, unit="point", rng=rng(), level=0.8)
    assert (found.low, found.estimate, found.high) == (0, 2, 4)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    random = rng(7)
    hits = 0
    for _ in range(200):
        found = bootstrap_mean(
            random.normal(0, 1, 30), unit="clip", rng=random, level=0.9, resamples=300
        )
        hits += found.low < 0 < found.high
    assert 0.82 < hits / 200 < 0.95


def test_missing_units_and_resamples_are_left_out_and_counted():
    found = bootstrap_mean([1.0, np.nan, 3.0], unit="clip", rng=rng())
    assert (found.units, found.estimate) == (2, 2)
    odd = bootstrap(
        [1.0, 2.0], lambda d: np.nan if d[0] == d[1] else 1.5, unit="clip", rng=rng(), resamples=400
    )
    assert (odd.low, odd.high) == (1.5, 1.5)
    assert 150 < odd.resamples < 250


def test_one_unit_has_no_interval():
    for found in (
        bootstrap_mean([3.0], unit="clip", rng=rng()),
        bootstrap([3.0], np.mean, unit="clip", rng=rng()),
    ):
        assert found.estimate == 3
        assert np.isnan([found.low, found.high]).all()
        assert found.resamples == 0
    assert np.isnan(bootstrap_mean([], unit="clip", rng=rng()).estimate)
    assert np.isnan(bootstrap([], np.mean, unit="clip", rng=rng()).estimate)


def test_frames_are_no_unit_and_levels_are_shares():
    with pytest.raises(ValueError, match="unit"):
        bootstrap_mean([1.0, 2.0], unit="frame", rng=rng())
    with pytest.raises(ValueError, match="level"):
        bootstrap_mean([1.0, 2.0], unit="clip", rng=rng(), level=95)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap([1.0, 2.0], np.mean, unit="clip", rng=rng(), resamples=0)
    with pytest.raises(ValueError, match="per unit"):
        bootstrap_mean([[1.0, 2.0]], unit="clip", rng=rng())
