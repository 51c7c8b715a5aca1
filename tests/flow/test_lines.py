"""Bands and lines followed through pictures made for the purpose."""

from __future__ import annotations

import numpy as np
import pytest
from line_pictures import MM, MUSCLE, X, dark, grey, speckle, straight, with_band

from napari_usstrack.core.geometry import fit_line
from napari_usstrack.flow.bands import band, moved
from napari_usstrack.flow.line_angles import corrected, plausible_path
from napari_usstrack.flow.line_smoothing import joined, likely_jerk, smoothed
from napari_usstrack.flow.ridges import Votes


@pytest.mark.parametrize(("part", "side"), [("upper", -7.0), ("middle", 0.0), ("lower", 7.0)])
def test_place_of_a_band_to_a_tenth_of_a_pixel(part, side):
    picture = with_band(dark(), 120.37, 0.0)
    found = band(picture, straight(115.0, 0.0), spacing_mm=(MM, MM), part=part)
    assert found.place_mm / MM == pytest.approx(120.37 + side - 115.0, abs=0.1)
    assert found.tilt_mm == pytest.approx(0.0, abs=0.01)
    assert found.confidence > 0.9


def test_slope_of_a_band_under_speckle():
    picture = grey(with_band(dark(), 121.0, 0.03) * speckle(MUSCLE, seed=1))
    line = straight(118.0, 0.01)
    found = band(picture, line, spacing_mm=(MM, MM), part="middle")
    now = fit_line(moved(line, found, spacing_mm=(MM, MM)))
    assert now.angle_deg == pytest.approx(-np.rad2deg(np.arctan(0.03)), abs=0.3)
    assert now.at[1] == pytest.approx(121.0, abs=1.5)
    assert abs(now.at[1] - 121.0) * MM < 4.0 * found.place_sd_mm


def test_a_curved_band_a_gap_and_pixels_that_are_not_square():
    picture = with_band(dark(), 122.0, 0.0, bow_px=9.0)
    picture[:, 150:220] = 40.0
    curve = straight(119.0, 0.0) + np.stack([0 * X, 9.0 * (1 - ((X - 207.5) / 192.5) ** 2)], -1)
    found = band(picture, curve, spacing_mm=(0.08, 0.12), part="middle")
    assert found.place_mm / 0.12 == pytest.approx(3.0, abs=0.3)


def test_without_a_band_nothing_is_found():
    found = band(np.full(MUSCLE, 70, np.uint8), straight(100.0, 0.0), spacing_mm=(MM, MM))
    assert found.confidence == 0.0
    assert np.isnan(found.place_mm)


def test_the_path_keeps_off_the_direction_of_aponeuroses():
    angles = np.arange(-90.0, 90.0, 1.5)
    hill = lambda at: np.exp(-0.5 * ((angles - at) / 4.0) ** 2)
    cast = [
        Votes(angles, np.tile((hill(at) + 1.5 * hill(1.5)) / 8.0, (2, 4, 1)))
        for at in np.linspace(18.0, 36.0, 13)
    ]
    assert abs(plausible_path(cast, 0, 18.0)[-1]) < 6.0
    path = plausible_path(cast, 0, 18.0, (0.0, 3.0))
    np.testing.assert_allclose(path, np.linspace(18.0, 36.0, 13), atol=2.0)


def test_smoothing_rejects_an_outlier_and_bridges_a_gap():
    truth = np.linspace(10.0, 20.0, 21)
    values = truth.copy()
    values[7], values[12:14] = 60.0, np.nan
    smooth, sd = smoothed(values, np.full(21, 0.5), 0.1)
    np.testing.assert_allclose(smooth, truth, atol=0.6)
    assert sd[13] > sd[10] > 0


def test_the_slower_of_two_jerks_is_chosen_where_flow_drifts_slowly():
    random = np.random.default_rng(4)
    slow = 0.02 * np.arange(60) + random.normal(0.0, 0.5, 60)
    fast = 5.0 * np.sin(np.arange(60) / 4.0) + random.normal(0.0, 0.5, 60)
    jerks, sd = (0.003, 0.03, 0.3), np.full(60, 0.5)
    assert likely_jerk(slow, sd, jerks) == 0.003
    assert likely_jerk(fast, sd, jerks) == 0.3
    assert likely_jerk(np.full(60, np.nan), sd, jerks) == 0.3


def test_what_is_fast_comes_from_flow_and_what_lasts_from_measures():
    random = np.random.default_rng(5)
    frames = np.arange(80)
    truth = 3.0 * np.sin(frames / 2.0)
    flow = truth + 0.1 * frames
    measured = truth + random.normal(0.0, 1.0, 80)
    jerks = (0.003, 0.01, 0.03, 0.1, 0.3)
    linked = np.ones(79, dtype=bool)
    with_flow, sd = joined(measured, np.ones(80), flow, linked, jerks)
    alone, alone_sd = joined(measured, np.ones(80), np.zeros(80), ~linked, jerks)
    assert np.abs(with_flow - truth).mean() < 0.35
    assert np.abs(with_flow - truth).mean() < 0.6 * np.abs(alone - truth).mean()
    assert (sd < alone_sd).all()
    only_flow, none = joined(np.full(80, np.nan), np.ones(80), flow, linked, jerks)
    np.testing.assert_array_equal(only_flow, flow)
    assert np.isnan(none).all()


def test_small_corrections_of_flow_are_not_believed():
    flow, linked = np.linspace(20.0, 30.0, 40), np.ones(39, dtype=bool)
    small, large = np.linspace(0.0, 1.0, 40), np.linspace(0.0, 20.0, 40)
    np.testing.assert_allclose(corrected(flow + small, flow, linked), flow, atol=0.1)
    np.testing.assert_allclose(corrected(flow + large, flow, linked), flow + large, atol=0.1)
    np.testing.assert_allclose(corrected(flow + small, flow, ~linked), flow + small)


def test_wrong_input_is_refused():
    frame = np.zeros(MUSCLE, np.uint8)
    with pytest.raises(ValueError, match="two distinct ends"):
        band(frame, [[1.0, 1.0], [1.0, 1.0]], spacing_mm=(MM, MM))
    with pytest.raises(ValueError, match="two at least"):
        band(frame, [[1.0, 1.0]], spacing_mm=(MM, MM))
    with pytest.raises(ValueError, match="grey frame is y x x"):
        band(frame[None], straight(100.0, 0.0), spacing_mm=(MM, MM))
