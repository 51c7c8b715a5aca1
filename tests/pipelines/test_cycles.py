"""Deformations corrected in some rows, and what that means for those between."""

from __future__ import annotations

import numpy as np

from napari_usstrack.pipelines.closing import STRIDE, spread


def turned(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def test_rows_between_are_corrected_alike_and_others_stay():
    deformed = np.stack([turned(0.05 * row) for row in range(20)])
    before = deformed.copy()
    rows = np.arange(6, 15, STRIDE)
    spread(deformed, rows, turned(0.3) @ before[rows])
    np.testing.assert_allclose(deformed[6:15], turned(0.3) @ before[6:15])
    np.testing.assert_array_equal(deformed[:6], before[:6])
    np.testing.assert_array_equal(deformed[rows[-1] + STRIDE :], before[rows[-1] + STRIDE :])


def test_rows_far_from_any_corrected_one_stay():
    deformed = np.tile(np.eye(2), (30, 1, 1))
    spread(deformed, np.array([3, 25]), np.tile(turned(0.2), (2, 1, 1)))
    np.testing.assert_array_equal(deformed[10:20], np.tile(np.eye(2), (10, 1, 1)))
    np.testing.assert_allclose(deformed[[3, 25]], np.tile(turned(0.2), (2, 1, 1)))


def test_no_row_and_a_single_row():
    deformed = np.tile(np.eye(2), (5, 1, 1))
    spread(deformed, np.empty(0, np.intp), np.empty((0, 2, 2)))
    np.testing.assert_array_equal(deformed, np.tile(np.eye(2), (5, 1, 1)))
    spread(deformed, np.array([4]), turned(0.1)[None])
    np.testing.assert_allclose(deformed[4], turned(0.1))
