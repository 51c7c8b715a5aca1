from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.core.curves import (
    WALLS,
    apex_index,
    path_length,
    segment_lengths,
    spline_length,
    wall_cuts,
)

NAN = [np.nan, np.nan]


def arc(count, radius=10.0, turn=np.pi, closed=False):
    """Points on a circle, evenly spaced."""
    angle = np.linspace(0, turn, count, endpoint=not closed)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def test_length_of_straight_pieces():
    square = [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert path_length(square) == 9
    assert path_length(square, closed=True) == 12
    # n chords of a half circle of radius r: 2 n r sin(pi / 2n)
    assert_allclose(path_length(arc(7)), 2 * 6 * 10 * np.sin(np.pi / 12))


def test_a_spline_through_an_arc_has_its_length_and_the_chords_do_not():
    true = 10 * np.pi
    assert_allclose(spline_length(arc(13)), true, rtol=1e-3)
    assert_allclose(spline_length(arc(25)), true, rtol=1e-4)
    assert path_length(arc(13)) < 0.998 * true


def test_a_closed_spline_has_the_length_of_its_circle():
    assert_allclose(
        spline_length(arc(12, turn=2 * np.pi, closed=True), closed=True), 20 * np.pi, rtol=2e-4
    )
    rolled = np.roll(arc(12, turn=2 * np.pi, closed=True), 5, axis=0)
    assert_allclose(spline_length(rolled, closed=True), 20 * np.pi, rtol=2e-4)


def test_a_natural_spline_worked_by_hand():
    # Points 0, 1, 2 in x with y = 0, 1, 0 have chords of one length, so knots 0, 1, 2 and
    # R b = Q g reads 2/3 b = -2: b = -3 in the middle. On the first piece
    # dy/du = 1 - 3 / 6 (3 u^2 - 1) = 1.5 - 1.5 u^2 and dx/du = 1.
    u = (np.arange(200_000) + 0.5) / 200_000
    want = 2 * np.hypot(1.0, 1.5 - 1.5 * u**2).mean()
    assert_allclose(spline_length([[0, 0], [1, 1], [2, 0]]), want, rtol=1e-9)


def test_straight_lines_have_one_length_whatever_measures_them():
    line = np.array([[0, 0], [3, 4], [4.5, 6], [6, 8]])
    for smooth in (0, 2, 20):
        assert_allclose(spline_length(line, smooth_points=smooth), 10)
    assert_allclose(spline_length([[0, 0], [3, 4]]), 5)


def test_repeated_points_change_nothing():
    points = arc(9)
    doubled = np.repeat(points, [1, 1, 2, 1, 1, 1, 3, 1, 1], axis=0)
    assert_allclose(spline_length(doubled), spline_length(points))
    assert_allclose(path_length(doubled), path_length(points))


def test_length_turns_moves_reverses_and_scales():
    points = arc(11) * [1.0, 0.6]
    turned = points @ np.array([[0.6, -0.8], [0.8, 0.6]]) + [500, -30]
    for measure in (path_length, spline_length, lambda p: spline_length(p, smooth_points=3)):
        assert_allclose(measure(turned), measure(points))
        assert_allclose(measure(points[::-1]), measure(points))
        assert_allclose(measure(2.5 * points), 2.5 * measure(points))


def test_jitter_lengthens_a_polyline_and_a_smoothing_spline_less():
    x = np.linspace(0, 100, 41)
    zigzag = np.stack([x, 0.5 * (-1.0) ** np.arange(41)], axis=-1)
    # 40 pieces of hypot(2.5, 1)
    assert_allclose(path_length(zigzag), 40 * np.hypot(2.5, 1))
    assert spline_length(zigzag) > path_length(zigzag)
    assert_allclose(spline_length(zigzag, smooth_points=8), 100, rtol=2e-3)


def test_half_of_a_wave_as_short_as_stated_stays():
    x = np.arange(401.0)
    height = 0.05
    wave = np.stack([x, height * np.cos(2 * np.pi * x / 20)], axis=-1)
    extra = 400 * (height * 2 * np.pi / 20) ** 2 / 4  # of a shallow wave
    assert_allclose(spline_length(wave) - 400, extra, rtol=0.01)
    assert_allclose(spline_length(wave, smooth_points=20) - 400, extra / 4, rtol=0.1)


def test_missing_points_spoil_their_own_frame_only():
    frames = np.stack([arc(9), arc(9), np.ones((9, 2))])
    frames[1, 3] = NAN
    for measure in (path_length, spline_length):
        found = measure(frames)
        assert np.isfinite(found[0])
        assert np.isnan(found[1:]).all()
        assert measure(np.stack([frames, frames])).shape == (2, 3)
    assert np.isnan(spline_length([[0, 0], [1, 0], [0, 0]], closed=True))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="negative"):
        spline_length(arc(5), smooth_points=-1)
    for apex in (0, 8, 20):
        with pytest.raises(ValueError, match="apex"):
            wall_cuts(arc(9), apex)
    with pytest.raises(ValueError, match="cuts must rise"):
        segment_lengths(arc(9), [0, 9])
    with pytest.raises(ValueError, match="cuts must rise"):
        segment_lengths(arc(9), [0, 5, 4])
    with pytest.raises(ValueError, match="missing"):
        apex_index([[0, 0], NAN, [1, 1]])


# --- segments --------------------------------------------------------------------------------

# Left wall 6 up, right wall 12 down, apex at index 2.
WALL = np.array([[0, 6.0], [0, 1.5], [0, 0], [4, 0], [12, 0]])


def test_each_wall_is_cut_at_equal_arc_length():
    cuts = wall_cuts(WALL, 2, spline=False)
    # Left: 2 and 4 of 6; the first piece is 4.5 long. Right: 4 and 8 of 12; its pieces 4 and 8.
    assert_allclose(cuts, [0, 2 / 4.5, 4 / 4.5, 2, 3, 3.5, 4])
    assert_allclose(segment_lengths(WALL, cuts, spline=False), [2, 2, 2, 4, 4, 4])
    assert len(WALLS) == 6


def test_cuts_are_carried_as_material_points():
    cuts = wall_cuts(WALL, 2, spline=False)
    moved = WALL.copy()
    moved[0] = [0, 3.75]  # the first piece shrinks from 4.5 to 2.25, and nothing else
    want = [1, 1, 0.25 + 1.5, 4, 4, 4]
    assert_allclose(segment_lengths(moved, cuts, spline=False), want)


def test_segments_of_a_spline_add_up_and_are_equal_per_wall():
    points = arc(15) * [1.0, 1.7]
    cuts = wall_cuts(points, 5)
    lengths = segment_lengths(points, cuts)
    assert_allclose(lengths.sum(), spline_length(points))
    assert_allclose(lengths[:3], lengths[0])
    assert_allclose(lengths[3:], lengths[3])
    assert lengths[3] > 1.2 * lengths[0]


def test_segments_of_a_half_circle_are_equal_arcs():
    points = arc(25)
    assert_allclose(segment_lengths(points, wall_cuts(points, 12)), 10 * np.pi / 6, rtol=2e-4)
    assert_allclose(segment_lengths(0.8 * points, wall_cuts(points, 12)), 8 * np.pi / 6, rtol=2e-4)


def test_a_missing_point_leaves_no_segment_of_its_frame_and_no_cuts_no_segment_at_all():
    frames = np.stack([WALL, WALL])
    frames[0, 1] = NAN
    cuts = wall_cuts(WALL, 2, spline=False)
    found = segment_lengths(frames, cuts, spline=False)
    assert np.isnan(found[0]).all()
    assert_allclose(found[1].sum(), 18)
    assert np.isnan(segment_lengths(frames, wall_cuts(frames[0], 2))).all()


def test_the_apex_is_farthest_from_the_middle_of_the_base():
    assert apex_index([[0, 0], [1, 5], [3, 9], [5, 4], [6, 0]]) == 2
