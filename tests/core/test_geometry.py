from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from napari_usstrack.core.geometry import (
    acute_deg,
    angle_between_deg,
    corner_deg,
    crosses_itself,
    crossing,
    distance,
    fit_line,
    fold_deg,
    line_through,
    polygon_area,
    vector_angle_deg,
)

NAN = [np.nan, np.nan]
angles = st.floats(-180.0, 180.0)


def turned(points, degrees):
    """The points turned counter-clockwise as seen on the screen (y down)."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.asarray(points, dtype=float) @ np.array([[c, -s], [s, c]])


# --- distances and lines ---------------------------------------------------------------------


def test_distance_of_a_3_4_5_triangle():
    assert distance([1, 1], [4, 5]) == 5.0
    assert_allclose(distance([[0, 0], NAN], [[0, 2], [1, 1]]), [2.0, np.nan])


def test_a_line_through_points_on_it_is_exact():
    line = fit_line([[0, 1], [2, 2], [4, 3], [10, 6]])
    assert_allclose(line.at, [4, 3])
    assert_allclose(line.along, np.array([2, 1]) / np.sqrt(5))
    assert_allclose(line.angle_deg, -26.565051177, atol=1e-9)  # y down: it falls on the screen


def test_a_line_that_rises_on_the_screen_has_a_positive_angle():
    assert_allclose(line_through([0, 10], [10, 0]).angle_deg, 45)
    assert_allclose(line_through([10, 0], [0, 10]).angle_deg, 45)


def test_a_vertical_line_is_no_special_case():
    line = fit_line([[3, 9], [3, 1], [3, 4]])
    assert_allclose(line.along, [0, -1])
    assert line.angle_deg == 90
    assert line_through([3, 1], [3, 9]).angle_deg == 90


def test_distances_are_perpendicular_not_vertical():
    # Scatter Sxx = 2, Syy = 2, Sxy = 1: the main axis is the diagonal (downwards on the screen).
    # A fit of y on x would give the slope Sxy / Sxx = 0.5.
    line = fit_line([[-1, -1], [1, 0], [0, 1]])
    assert_allclose(line.angle_deg, -45)


@given(angles)
def test_the_line_turns_with_its_points(degrees):
    points = np.array([[0, 0.2], [2, -0.1], [4, 0.3], [6, 0.1]])
    before, after = fit_line(points), fit_line(turned(points, degrees))
    off = fold_deg(after.angle_deg - before.angle_deg - degrees)
    assert min(abs(off), 180 - abs(off)) < 1e-9
    assert_allclose(after.at, turned(before.at, degrees), atol=1e-9)


def test_order_of_points_does_not_matter():
    points = np.array([[0, 0.2], [2, -0.1], [4, 0.3], [6, 0.1]])
    assert_allclose(fit_line(points).along, fit_line(points[[2, 0, 3, 1]]).along)


def test_no_line_through_one_place_or_a_square_or_a_missing_point():
    frames = [
        [[1, 1], [1, 1], [1, 1], [1, 1]],
        [[0, 0], [0, 1], [1, 1], [1, 0]],
        [[0, 0], NAN, [1, 1], [2, 2]],
        [[0, 0], [1, 1], [2, 2], [3, 3]],
    ]
    assert_allclose(fit_line(frames).angle_deg, [np.nan, np.nan, np.nan, -45])
    assert np.isnan(line_through([1, 1], [1, 1]).angle_deg)
    assert np.isnan(line_through([1, 1], NAN).angle_deg)


@pytest.mark.parametrize("shape", [(2,), (0, 2), (4, 3)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="points must be"):
        fit_line(np.zeros(shape))


# --- crossings -------------------------------------------------------------------------------


def test_crossing_at_a_known_point():
    assert_allclose(
        crossing(line_through([0, 0], [1, 1]), line_through([0, 4], [1, 3])), [2, 2], atol=1e-12
    )
    assert_allclose(crossing(line_through([3, 0], [3, 1]), line_through([0, 7], [9, 7])), [3, 7])


def test_near_parallel_lines_have_no_crossing():
    level = line_through([0, 0], [1, 0])
    steep = np.tan(np.deg2rad([0.0, 0.99, 1.01]))
    ends = np.stack([np.ones(3), 5 - steep], axis=-1)
    met = crossing(line_through([[0, 5]] * 3, ends), level)
    assert np.isnan(met[:2]).all()
    assert_allclose(met[2], [5 / np.tan(np.deg2rad(1.01)), 0], atol=1e-9)
    assert np.isfinite(crossing(line_through([[0, 5]] * 3, ends), level, parallel_deg=0.5)[1]).all()
    assert np.isnan(crossing(level, level, parallel_deg=0)).all()


def test_a_missing_line_spoils_its_own_frame_only():
    lines = line_through([[0, 0], NAN], [[1, 1], [1, 1]])
    met = crossing(lines, line_through([0, 4], [1, 3]))
    assert_allclose(met[0], [2, 2], atol=1e-12)
    assert np.isnan(met[1]).all()


# --- angles ----------------------------------------------------------------------------------


def test_angles_of_a_right_triangle_with_sides_1_2_root_3():
    a, b, c = [0, 0], [np.sqrt(3), 0], [0, 1]
    assert_allclose(corner_deg(b, a, c), 90)
    assert_allclose(corner_deg(a, b, c), 30)
    assert_allclose(corner_deg(b, c, a), 60)


def test_vector_angles_count_upward_on_the_screen():
    vectors = [[1, 0], [1, -1], [0, -1], [-1, 0], [0, 1], [1, 1], [0, 0]]
    assert_allclose(vector_angle_deg(vectors), [0, 45, 90, 180, -90, -45, np.nan])


def test_angle_between_vectors_is_unsigned_and_exact_near_straight():
    assert_allclose(angle_between_deg([1, 0], [0, 1]), 90)
    assert_allclose(angle_between_deg([0, 1], [1, 0]), 90)
    assert_allclose(angle_between_deg([1, 0], [-1, 0]), 180)
    tiny = np.deg2rad(1e-7)
    assert_allclose(angle_between_deg([1, 0], [np.cos(tiny), np.sin(tiny)]), 1e-7, rtol=1e-9)
    assert np.isnan(angle_between_deg([0, 0], [1, 0]))


@given(angles, angles)
def test_the_acute_angle_is_the_same_turned_and_mirrored(first, second):
    def angle(a, b, mirror=1):
        lines = [line_through([0, 0], turned([mirror, 0], d * mirror)) for d in (a, b)]
        return acute_deg(*lines)

    plain = angle(first, second)
    assert 0 <= plain <= 90
    assert_allclose(angle(first + 20, second + 20), plain, atol=1e-9)
    assert_allclose(angle(first, second, -1), plain, atol=1e-9)


def test_fold():
    assert_allclose(fold_deg([0, 90, -90, 91, -91, 175, -175]), [0, 90, 90, -89, 89, -5, 5])


# --- areas -----------------------------------------------------------------------------------


def test_area_of_known_polygons():
    assert polygon_area([[0, 0], [4, 0], [4, 3]]) == 6
    assert polygon_area([[4, 3], [4, 0], [0, 0]]) == 6
    assert polygon_area([[0, 0], [4, 0], [4, 3], [2, 1], [0, 3]]) == 8  # 12 less a notch of 4
    angle = np.arange(6) * np.pi / 3
    hexagon = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    assert_allclose(polygon_area(1000 + 2 * hexagon), 6 * np.sqrt(3))


def test_an_outline_that_crosses_itself_has_no_area():
    bow = [[0, 0], [2, 2], [2, 0], [0, 2]]
    assert crosses_itself(bow)
    assert np.isnan(polygon_area(bow))
    assert not crosses_itself([[0, 0], [2, 0], [2, 2], [0, 2]])
    assert polygon_area([[0, 0], [2, 0], [2, 2], [0, 2]]) == 4


def test_area_needs_three_distinct_points_and_none_missing():
    frames = [
        [[0, 0], [1, 0], [0, 0], [1, 0]],
        [[1, 1], [1, 1], [1, 1], [1, 1]],
        [[0, 0], [1, 0], NAN, [0, 1]],
        [[0, 0], [1, 0], [1, 0], [0, 1]],
        [[0, 0], [1, 0], [2, 0], [3, 0]],
    ]
    assert_allclose(polygon_area(frames), [np.nan, np.nan, np.nan, 0.5, 0])
