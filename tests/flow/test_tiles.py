"""Squares cut around points and laid side by side."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.flow.tiles import Sheet

WIDTH, HEIGHT = 70, 50


@given(
    side=st.integers(1, 30),
    corners=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), min_size=1, max_size=20),
    turned=st.booleans(),
)
def test_each_square_is_on_the_sheet_where_it_is_said_to_be(side, corners, turned):
    frame = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    frame = np.asfortranarray(frame) if turned else frame
    sheet = Sheet(side, len(corners))
    picture = sheet.cut(frame, np.array(corners))
    assert picture.size == sheet.area
    assert sheet.fits(np.array(corners), frame)
    for (x, y), (u, v) in zip(corners, sheet.corners, strict=True):
        expected = frame[y : y + side, x : x + side]
        np.testing.assert_array_equal(picture[v : v + side, u : u + side], expected)


def test_squares_beyond_the_frame_do_not_fit():
    frame = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    sheet = Sheet(10, 1)
    for corner, fits in {(0, 0): True, (60, 40): True, (61, 40): False, (60, 41): False}.items():
        assert sheet.fits(np.array([corner]), frame) == fits
    assert not sheet.fits(np.array([(-1, 5)]), frame)
    assert not sheet.fits(np.array([(5, -1)]), frame)
