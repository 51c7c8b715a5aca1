"""Bands and lines followed through pictures made for the purpose."""

from __future__ import annotations

import numpy as np
import pytest
from line_pictures import MM, MUSCLE, X, dark, grey, muscle, speckle, straight, with_band

from napari_usstrack.core.geometry import fit_line
from napari_usstrack.core.tracker import finish
from napari_usstrack.flow.bands import band, moved
from napari_usstrack.flow.line_angles import plausible_path
from napari_usstrack.flow.line_smoothing import smoothed
from napari_usstrack.flow.lines import track_lines
from napari_usstrack.flow.ridges import Votes
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.render import render


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


def test_bands_that_move_and_tilt_and_lines_that_turn_are_followed():
    count = 12
    angles = np.linspace(20.0, 31.0, count)
    upper = [(40.0 + 0.5 * i, 0.002 * i) for i in range(count)]
    lower = [(225.0 - 1.0 * i, -0.03 + 0.002 * i) for i in range(count)]
    frames = muscle(angles, upper, lower)
    turn = np.deg2rad(angles[4])
    drawn = np.array([207.0, 135.0]) + np.linspace(-80, 80, 5)[:, None] * [
        np.cos(turn),
        -np.sin(turn),
    ]
    inner = (straight(upper[4][0] + 7, upper[4][1]), straight(lower[4][0] - 7, lower[4][1]))
    run = finish(track_lines(frames, *inner, drawn, spacing_mm=(MM, MM), anchor=4))
    np.testing.assert_allclose(run.angle_deg, angles, atol=1.0)
    np.testing.assert_array_equal(run.superficial[4], inner[0])
    np.testing.assert_allclose(run.fascicle[4], drawn, atol=1e-6)
    for lines_there, truth, side in ((run.superficial, upper, 7.0), (run.deep, lower, -7.0)):
        there = fit_line(lines_there)
        slopes = np.array([slope for _, slope in truth])
        np.testing.assert_allclose(there.angle_deg, -np.rad2deg(np.arctan(slopes)), atol=0.3)
        np.testing.assert_allclose(there.at[:, 1], [y + side for y, _ in truth], atol=1.0)
    assert (run.confidence > 0.3).all()


@pytest.mark.parametrize("seed", [1, 3])
def test_fascicles_of_synthetic_muscles_within_two_degrees(seed):
    made = render(draw("muscle-unipennate", seed, frames=16), seed=seed, size=(320, 380))
    groups = np.array([point.group for point in made.tracks.points])
    spacing, xy = made.tracks.video.spacing_mm, made.tracks.xy

    def shown(group, frame=0):
        there = xy[frame, groups == group]
        there = there[~np.isnan(there).any(axis=1)]
        return there[np.argsort(there[:, 0])]

    upper, lower, first = shown("superficial"), shown("deep"), shown("fascicle-2")
    slope = np.array([fit_line(shown("deep", i)).angle_deg for i in range(16)])
    rises = np.sign(fit_line(first).angle_deg - slope[0])
    truth = slope + rises * made.measures["pennation_deg"]
    turn = np.deg2rad(truth[0])
    drawn = first.mean(axis=0) + np.array([[-40.0], [40.0]]) * [np.cos(turn), -np.sin(turn)]
    run = finish(track_lines(made.frames, upper, lower, drawn, spacing_mm=spacing))
    assert np.abs(run.angle_deg - truth).mean() < 2.0


def test_an_offset_of_what_was_drawn_fades_or_stays():
    angles = [*np.repeat(22.0, 5), *np.linspace(23.5, 36.5, 10), *np.repeat(38.0, 5)]
    bands = [(40.0, 0.0)] * 20, [(225.0, 0.0)] * 20
    frames = muscle(angles, *bands)
    turn = np.deg2rad(26.0)
    drawn = np.array([207.0, 135.0]) + np.array([[-80], [80]]) * [np.cos(turn), -np.sin(turn)]
    edges = straight(47.0, 0.0), straight(218.0, 0.0)
    run = finish(track_lines(frames, *edges, drawn, spacing_mm=(MM, MM)))
    np.testing.assert_allclose(run.angle_deg[[0, 1, 18, 19]], [26.0, 26.0, 38.0, 38.0], atol=1.5)
    kept = finish(track_lines(frames, *edges, drawn, spacing_mm=(MM, MM), fade_deg=np.inf))
    np.testing.assert_allclose(kept.angle_deg[[0, 1, 18, 19]], [26.0, 26.0, 42.0, 42.0], atol=1.5)


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


def test_wrong_input_is_refused():
    line = straight(100.0, 0.0)
    frames = np.zeros((3, *MUSCLE), np.uint8)
    with pytest.raises(ValueError, match="two at least"):
        finish(track_lines(frames, line[:1], line, line, spacing_mm=(MM, MM)))
    with pytest.raises(ValueError, match="anchor 3"):
        finish(track_lines(frames, line, line, line, spacing_mm=(MM, MM), anchor=3))
    with pytest.raises(ValueError, match="two distinct ends"):
        band(frames[0], [[1.0, 1.0], [1.0, 1.0]], spacing_mm=(MM, MM))
