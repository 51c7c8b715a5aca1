"""Laws of the filters over time."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.smoothing.filters import (
    FILTERS,
    Butterworth,
    Hampel,
    Median,
    SavitzkyGolay,
    Spline,
    butterworth,
    hampel,
    median,
    savitzky_golay,
    smoothing_spline,
)
from napari_usstrack.smoothing.runs import Run

RATE = 50.0
EVEN_ONLY = ["savitzky-golay", "butterworth"]
each_filter = pytest.mark.parametrize("name", FILTERS)


def times(count: int, rate: float = RATE) -> np.ndarray:
    return 3.0 + np.arange(count) / rate


def uneven(count: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(5).uniform(0.5, 1.5, count)) / RATE


def noise(count: int = 120, points: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 1.0, (count, points, 2))


def line(when: np.ndarray) -> np.ndarray:
    return np.array([[40.0, 7.0], [300.0, 90.0]]) + when[:, None, None] * [[30.0, -8.0], [0, 500.0]]


# --- laws ------------------------------------------------------------------------------------


@each_filter
def test_constants_and_straight_lines_stay(name):
    still = np.full((80, 2, 2), [3.5, 220.25])
    np.testing.assert_allclose(FILTERS[name](still, times(80), None).xy, still, atol=1e-9)
    straight = line(times(80))
    np.testing.assert_allclose(FILTERS[name](straight, times(80), None).xy, straight, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in EVEN_ONLY])
def test_straight_lines_stay_at_uneven_times(name):
    straight = line(uneven(80))
    np.testing.assert_allclose(FILTERS[name](straight, uneven(80), None).xy, straight, atol=1e-7)


@each_filter
def test_the_picture_may_be_moved_before_or_after(name):
    xy, by = noise(), np.array([17.0, -4.0])
    moved = FILTERS[name](xy + by, times(len(xy)), None).xy
    np.testing.assert_allclose(moved, FILTERS[name](xy, times(len(xy)), None).xy + by, atol=1e-9)


@each_filter
def test_time_may_run_backward(name):
    xy = noise()
    there = FILTERS[name](xy, times(len(xy)), None).xy
    back = FILTERS[name](xy[::-1], times(len(xy)), None).xy[::-1]
    np.testing.assert_allclose(back, there, atol=1e-8)


@each_filter
def test_gaps_stay_and_part_what_is_smoothed(name):
    xy = noise()
    xy[50:53, 1] = np.nan
    xy[54:56, 1, 0] = np.nan
    got = FILTERS[name](xy, times(len(xy)), None)
    missing = np.zeros(xy.shape[:2], dtype=bool)
    missing[[50, 51, 52, 54, 55], 1] = True
    np.testing.assert_array_equal(np.isnan(got.xy), np.repeat(missing[..., None], 2, axis=-1))
    assert got.unsmoothed == (Run(1, 53, 53),)
    np.testing.assert_array_equal(got.xy[53, 1], xy[53, 1])
    alone = FILTERS[name](xy[:50, 1:2], times(50), None).xy
    np.testing.assert_allclose(got.xy[:50, 1:2], alone, atol=1e-9)


@each_filter
def test_what_is_given_is_not_written_to(name):
    xy = noise()
    before = xy.copy()
    FILTERS[name](xy, times(len(xy)), None)
    np.testing.assert_array_equal(xy, before)


@each_filter
def test_runs_that_are_too_short_are_told(name):
    got = FILTERS[name](noise(2, 1), times(2), None)
    np.testing.assert_array_equal(got.xy, noise(2, 1))
    assert got.unsmoothed == (Run(0, 0, 1),)
    assert len(got.unsmoothed[0]) == 2


@each_filter
def test_nothing_known_and_no_frames(name):
    nothing = FILTERS[name](np.full((9, 1, 2), np.nan), times(9), None)
    assert np.isnan(nothing.xy).all()
    assert nothing.unsmoothed == ()
    assert FILTERS[name](np.empty((0, 2, 2)), [], None).xy.shape == (0, 2, 2)


# --- how much is smoothed --------------------------------------------------------------------


def gain(smoothed: np.ndarray, given: np.ndarray) -> float:
    return float(np.std(smoothed[40:-40]) / np.std(given[40:-40]))


def sine_gain(smooth, settings, hertz: float) -> float:
    """What is left of a sine in the middle of a long clip."""
    when = np.arange(1000) / RATE
    wave = np.sin(2 * np.pi * hertz * when)
    got = smooth(np.stack([wave, wave], axis=-1)[:, None], when, settings).xy[300:700, 0, 0]
    return float(np.sqrt(np.mean(got**2) / np.mean(wave[300:700] ** 2)))


@pytest.mark.parametrize("window", [5, 11, 25])
def test_a_mean_of_n_frames_leaves_one_part_in_root_n_of_noise(window):
    xy = noise(4000, 2)
    settings = SavitzkyGolay((window - 1) / RATE, order=1)
    got = savitzky_golay(xy, times(len(xy)), settings).xy
    assert gain(got, xy) == pytest.approx(window**-0.5, rel=0.1)
    mean = xy[:window].mean(axis=0)
    np.testing.assert_allclose(got[window // 2], mean, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_butterworth_lets_its_cutoff_through_by_minus_3_db(order):
    assert sine_gain(butterworth, Butterworth(5.0, order), 5.0) == pytest.approx(0.5**0.5, rel=1e-3)
    assert sine_gain(butterworth, Butterworth(5.0, order), 0.5) == pytest.approx(1.0, abs=0.01)


def test_butterworth_lets_as_much_noise_through_as_its_response():
    xy = noise(6000, 2)
    got = butterworth(xy, times(len(xy)), Butterworth(5.0)).xy
    frequency = np.linspace(0, 0.5, 2001)[:-1]
    ratio = np.tan(np.pi * frequency) / np.tan(np.pi * 5.0 / RATE)
    response = 1.0 / (1.0 + (2.0**0.5 - 1.0) * ratio**4)
    assert gain(got, xy) == pytest.approx(np.sqrt(np.mean(response**2)), rel=0.1)


def test_a_spline_lets_its_cutoff_through_by_minus_3_db():
    assert sine_gain(smoothing_spline, Spline(2.0), 2.0) == pytest.approx(0.5**0.5, rel=0.01)
    quarter = 1.0 / (1.0 + (2.0**0.5 - 1.0) * 2.0**4)
    assert sine_gain(smoothing_spline, Spline(2.0), 4.0) == pytest.approx(quarter, rel=0.02)


def test_the_median_of_a_window_and_smaller_ones_at_ends():
    x = np.array([0.0, 9.0, 1.0, 2.0, -7.0, 3.0, 4.0])
    xy = np.stack([x, -x], axis=-1)[:, None]
    got = median(xy, times(7), Median(4 / RATE)).xy[:, 0]
    np.testing.assert_array_equal(got[:, 0], [0, 1, 1, 2, 2, 3, 4])
    np.testing.assert_array_equal(got[:, 1], -got[:, 0])


def test_the_median_window_is_in_seconds_of_the_true_times():
    x = np.array([0.0, 5.0, 1.0, 5.0, 0.0, 1.0, 0.0])
    xy = np.stack([x, x], axis=-1)[:, None]
    when = np.array([0.0, 0.1, 0.2, 0.3, 1.0, 2.0, 3.0])
    got = median(xy, when, Median(0.2)).xy[:, 0, 0]
    np.testing.assert_array_equal(got, [0, 1, 5, 5, 0, 1, 0])


def test_hampel_replaces_outliers_alone():
    xy = line(times(60)) + np.random.default_rng(1).normal(0, 0.1, (60, 2, 2))
    struck = xy.copy()
    struck[30, 0, 0] += 25.0
    settings = Hampel(0.3, k=6.0)
    got = hampel(struck, times(60), settings).xy
    assert abs(got[30, 0, 0] - xy[30, 0, 0]) < 2.0
    struck[30, 0, 0] = got[30, 0, 0]
    np.testing.assert_array_equal(got, struck)
    every = hampel(xy, times(60), Hampel(0.3, k=0.0)).xy
    np.testing.assert_array_equal(every, median(xy, times(60), Median(0.3)).xy)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVEN_ONLY)
def test_uneven_times_are_refused_within_a_run_only(name):
    xy = noise()
    when = times(len(xy))
    when[60:] += 0.5
    with pytest.raises(ValueError, match=r"even frame rate, but after 4\.18 s"):
        FILTERS[name](xy, when, None)
    xy[60] = np.nan
    assert FILTERS[name](xy, when, None).unsmoothed == ()


@pytest.mark.parametrize("name", EVEN_ONLY)
def test_times_rounded_to_milliseconds_are_even(name):
    xy = noise()
    rounded = np.round(np.arange(len(xy)) / 30.0, 3)
    assert np.isfinite(FILTERS[name](xy, rounded, None).xy).all()


@each_filter
def test_wrong_shapes_and_times(name):
    with pytest.raises(ValueError, match="frames x points x 2"):
        FILTERS[name](np.zeros((5, 2)), times(5), None)
    with pytest.raises(ValueError, match="for 5 frames"):
        FILTERS[name](np.zeros((5, 1, 2)), times(4), None)
    with pytest.raises(ValueError, match="rise"):
        FILTERS[name](np.zeros((5, 1, 2)), np.zeros(5), None)


def test_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="needs more than 2"):
        savitzky_golay(noise(), times(120), SavitzkyGolay(0.02))
    with pytest.raises(ValueError, match=r"50\.0 frames per second, not 50"):
        butterworth(noise(), times(120), Butterworth(25.0))
    for make in (SavitzkyGolay, Butterworth, Median, Hampel, Spline):
        with pytest.raises(ValueError, match="above 0"):
            make(0.0)
    with pytest.raises(ValueError, match="order"):
        SavitzkyGolay(0.3, -1)
    with pytest.raises(ValueError, match="k must be"):
        Hampel(0.3, -1.0)
