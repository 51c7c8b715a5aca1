from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.core.fascicles import (
    extrapolated_share,
    fascicle_between,
    pennation,
    visible_length,
)
from napari_usstrack.core.geometry import fit_line, line_through

TOP, FLOOR = line_through([0, 10], [50, 10]), line_through([0, 40], [50, 40])
RISING = line_through([0, 40], [40, 10])  # 3-4-5: rises 30 over 40


def at(degrees, through=(0.0, 0.0)):
    """A line at this angle, rising to the right where positive."""
    x, y = through
    turn = np.deg2rad(degrees)
    return line_through(through, np.stack([x + np.cos(turn), y - np.sin(turn)], axis=-1))


def test_length_between_parallel_aponeuroses():
    found = fascicle_between(RISING, superficial=TOP, deep=FLOOR)
    assert_allclose(found.superficial, [40, 10], atol=1e-12)
    assert_allclose(found.deep, [0, 40], atol=1e-12)
    assert_allclose(found.length_mm, 50)


def test_length_equals_the_slope_formula_on_pixels():
    sx, sy = 0.2, 0.1
    s1, s0, d1, d0, f1, f0 = 0.02, 30.0, -0.05, 300.0, -0.8, 400.0
    x = np.array([50.0, 200.0])
    superficial, deep, fascicle = (
        fit_line(np.stack([sx * x, sy * (m * x + b)], axis=-1))
        for m, b in ((s1, s0), (d1, d0), (f1, f0))
    )
    xs, xd = (s0 - f0) / (f1 - s1), (d0 - f0) / (f1 - d1)
    want = np.hypot(sx * (xs - xd), sy * f1 * (xs - xd))
    assert_allclose(fascicle_between(fascicle, superficial=superficial, deep=deep).length_mm, want)


def test_a_fascicle_along_an_aponeurosis_has_no_length():
    found = fascicle_between(at(0.5), superficial=at(30), deep=at(0, (0, 40)))
    assert np.isnan(found.length_mm)


def test_every_convention_by_its_name():
    found = pennation(at(20), superficial=at(5), deep=at(-3))
    assert_allclose(found.to_deep_deg, 23)
    assert_allclose(found.to_superficial_deg, 15)
    assert_allclose(found.to_horizontal_deg, 20)
    assert_allclose(found.between_deep_deg, 23)
    assert_allclose(found.between_superficial_deg, 15)


def test_a_muscle_falling_to_the_right_flips_the_signed_conventions_only():
    found = pennation(at(-20), superficial=at(-5), deep=at(3))
    assert_allclose(found.to_deep_deg, -23)
    assert_allclose(found.to_superficial_deg, -15)
    assert_allclose(found.to_horizontal_deg, -20)
    assert_allclose(found.between_deep_deg, 23)
    assert_allclose(found.between_superficial_deg, 15)


def test_angles_wrap_at_the_vertical():
    found = pennation(at(-85), superficial=at(0), deep=at(80))
    assert_allclose(found.to_deep_deg, 15)
    assert_allclose(found.between_deep_deg, 15)


def test_many_frames_and_a_missing_line():
    fascicles = at(np.array([20.0, np.nan, 30.0]))
    found = pennation(fascicles, superficial=at(5), deep=at(0))
    assert_allclose(found.to_deep_deg, [20, np.nan, 30])
    lengths = fascicle_between(fascicles, superficial=at(0, (0, -10)), deep=at(0, (0, 10)))
    assert_allclose(lengths.length_mm, [20 / np.sin(np.deg2rad(20)), np.nan, 40])


# --- what the picture shows ------------------------------------------------------------------

PANEL = (10.0, 0.0, 30.0, 50.0)


def test_half_of_a_fascicle_is_extrapolated():
    whole = fascicle_between(RISING, superficial=TOP, deep=FLOOR)
    assert_allclose(visible_length(whole.superficial, whole.deep, panel=PANEL), 25)
    assert_allclose(extrapolated_share(whole, panel=PANEL), 0.5)
    width, cosine, length = 20, 0.8, 50
    assert_allclose(extrapolated_share(whole, panel=PANEL), (length - width / cosine) / length)


def test_visible_length_of_known_segments():
    start = [[15, 5], [0, 20], [20, -10], [0, 0], [20, 60], [15, 15], [np.nan, 0], [0, 20]]
    end = [[18, 9], [40, 20], [20, 10], [9, 50], [20, 70], [15, 15], [1, 1], [15, 20]]
    want = [5, 20, 10, 0, 0, 0, np.nan, 5]
    assert_allclose(visible_length(start, end, panel=PANEL), want, atol=1e-12)
    assert_allclose(visible_length(end, start, panel=PANEL), want, atol=1e-12)


def test_no_share_without_a_length_and_no_panel_without_an_inside():
    nothing = fascicle_between(at(0.1), superficial=at(0), deep=at(0, (0, 5)))
    assert np.isnan(extrapolated_share(nothing, panel=PANEL))
    with pytest.raises(ValueError, match="panel"):
        visible_length([0, 0], [1, 1], panel=(3, 0, 3, 1))
