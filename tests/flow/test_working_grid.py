"""The grid on which speckle is matched."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.flow.working_grid import WorkingGrid


def grid(width, height, spacing_mm=None) -> WorkingGrid:
    return WorkingGrid(VideoInfo(5, width, height, Calibration(spacing_mm=spacing_mm)))


@pytest.mark.parametrize(
    ("size", "spacing_mm", "after", "mm"),
    [
        ((1148, 624), (0.125, 0.125), (574, 312), (0.25, 0.25)),
        ((320, 240), (0.5, 0.5), (320, 240), (0.5, 0.5)),
        ((200, 100), (0.125, 0.5), (100, 100), (0.25, 0.5)),
        ((800, 600), None, (400, 300), (0.25, 0.25)),
        ((145, 121), None, (145, 121), (0.25, 0.25)),
    ],
)
def test_pixels_are_no_finer_than_speckle_needs(size, spacing_mm, after, mm):
    got = grid(*size, spacing_mm)
    assert got.size == after
    np.testing.assert_allclose(got.mm, mm)


def test_a_length_is_the_same_on_both_grids():
    spacing_mm = (0.1, 0.07)
    got = grid(611, 407, spacing_mm)
    ends = np.array([[10.0, 20.0], [310.0, 250.0]])
    there = np.diff(got.to_grid(ends), axis=0) * got.mm
    np.testing.assert_allclose(there, np.diff(ends, axis=0) * spacing_mm)
    np.testing.assert_allclose(got.to_frame(got.to_grid(ends)), ends)


def test_a_bright_spot_stays_where_it_was():
    got = grid(640, 480, (0.1, 0.1))
    frame = np.zeros((480, 640), np.uint8)
    frame[200:220, 300:330] = 255
    small = got.picture(frame).astype(float)
    rows, columns = np.indices(small.shape)
    centre = [(small * axis).sum() / small.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(centre, got.to_grid(np.array([314.5, 209.5])), atol=0.05)


def test_a_frame_is_shrunk_once():
    got = grid(640, 480, (0.1, 0.1))
    frame = np.zeros((480, 640), np.uint8)
    assert got.picture(frame) is got.picture(frame)


@pytest.mark.parametrize(("mm", "px"), [(5.0, 21), (4.9, 21), (1.0, 7), (10.0, 41)])
def test_windows_are_odd(mm, px):
    assert grid(640, 480, (0.25, 0.25)).odd_px(mm) == px
