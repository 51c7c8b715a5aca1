"""Squares cut from pictures that can be computed between pixels."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, grey8, still

from napari_usstrack.flow import squares as module
from napari_usstrack.flow.squares import Crops, places, squares
from napari_usstrack.flow.support import Support

SUPPORT = Support.reaching(3.0, 2.0)
SIZE, COUNT = (90, 70), 7
TURN = np.array([[1.1, 0.2], [-0.3, 0.9]])


def plane(width=31, height=23) -> np.ndarray:
    """Grey values for which bilinear interpolation is exact."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return 2.0 * x - 3.0 * y


def path(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places near the middle of a clip and deformations, frame by frame."""
    random = np.random.default_rng(seed)
    centre = np.array(SIZE) / 2 + random.normal(0.0, 6.0, (COUNT, 2))
    return centre, np.eye(2) + random.normal(0.0, 0.1, (COUNT, 2, 2))


def clip() -> np.ndarray:
    return np.stack([grey8(Texture(9).seen(SIZE, (2.0 * i, -i))) for i in range(COUNT)])


def test_pixels_lie_where_the_deformation_takes_them():
    centre = np.array([[12.5, 8.0], [100.0, -3.0]])
    deformed = np.stack([np.eye(2), TURN])
    x, y = places(centre, deformed, SUPPORT)
    for row in range(2):
        wanted = centre[row] + SUPPORT.offsets @ deformed[row].T
        np.testing.assert_allclose(np.stack([x[row], y[row]], axis=-1), wanted, atol=1e-4)


def test_grey_values_between_pixels():
    x, y = places(np.array([[15.3, 11.6]]), 0.9 * still(1), SUPPORT)
    np.testing.assert_allclose(squares(plane(), x, y), 2.0 * x - 3.0 * y, atol=0.1)


@pytest.mark.parametrize(
    ("outside", "border"),
    [((-5.0, 3.0), (0.0, 3.0)), ((99.0, 4.0), (30.0, 4.0)), ((7.0, 40.0), (7.0, 22.0))],
)
def test_beyond_its_border_a_picture_goes_on_as_it_ends(outside, border):
    at = np.array([outside, border], dtype=np.float32)
    one, other = squares(plane(), at[:, :1], at[:, 1:])
    assert one == other


def test_crops_show_the_squares_of_whole_pictures():
    frames, (centre, deformed) = clip(), path()
    crops = Crops([frames], centre, deformed, SUPPORT)
    assert crops.shape < frames.shape[1:]
    seen = crops.squares(crops.grey, np.arange(COUNT), centre, deformed)
    for i, frame in enumerate(frames):
        at = places(centre[i : i + 1], deformed[i : i + 1], SUPPORT)
        np.testing.assert_allclose(seen[i : i + 1], squares(frame, *at), atol=0.75)


def test_crops_leave_room_for_squares_that_move_a_little():
    frames, centre, deformed = clip(), np.tile(np.array(SIZE) / 2, (COUNT, 1)), still(COUNT)
    crops = Crops([frames], centre, deformed, SUPPORT)
    moved = centre + [3.0, -3.0]
    seen = crops.squares(crops.grey, np.arange(COUNT), moved, deformed)
    wanted = [
        squares(f, *places(moved[i : i + 1], deformed[i : i + 1], SUPPORT))[0]
        for i, f in enumerate(frames)
    ]
    np.testing.assert_allclose(seen, wanted, atol=0.75)


def test_blocks_follow_each_other():
    frames, (centre, deformed) = clip(), path()
    whole = Crops([frames], centre, deformed, SUPPORT)
    parts = Crops([frames[:1], frames[1:5], frames[5:]], centre, deformed, SUPPORT)
    np.testing.assert_array_equal(parts.grey, whole.grey)
    np.testing.assert_array_equal(parts.corner, whole.corner)


@pytest.mark.parametrize("corner", [(0, 0), (SIZE[0] - 1, SIZE[1] - 1), (-30, 20), (400, 400)])
def test_squares_at_and_beyond_the_border(corner):
    frames = clip()
    centre, deformed = np.tile(np.array(corner, float), (COUNT, 1)), still(COUNT)
    crops = Crops([frames], centre, deformed, SUPPORT)
    seen = crops.squares(crops.grey, np.arange(COUNT), centre, deformed)
    for i, frame in enumerate(frames):
        at = places(centre[:1], deformed[:1], SUPPORT)
        np.testing.assert_allclose(seen[i : i + 1], squares(frame, *at), atol=1e-3)


def test_a_square_shows_nothing_of_the_frames_beside_its_own():
    frames = np.arange(COUNT, dtype=np.uint8)[:, None, None] * np.full(SIZE[::-1], 30, np.uint8)
    centre, deformed = path()
    crops = Crops([frames], centre, deformed, SUPPORT)
    wild = centre + np.random.default_rng(1).normal(0.0, 30.0, (COUNT, 2))
    seen = crops.squares(crops.grey, np.arange(COUNT), wild, deformed)
    np.testing.assert_array_equal(seen, np.broadcast_to(frames[:, :1, 0], seen.shape))


@pytest.mark.parametrize("sheet", [1, 2, 3, COUNT])
def test_more_frames_than_fit_one_sheet(sheet, monkeypatch):
    frames, (centre, deformed) = clip(), path()
    crops = Crops([frames], centre, deformed, SUPPORT)
    asked = np.array([0, 0, 1, 3, 4, 4, 6])
    whole = crops.squares(crops.grey, asked, centre, deformed)
    monkeypatch.setattr(module, "TALLEST_PX", sheet * crops.shape[0])
    parts = crops.squares(crops.grey, asked, centre, deformed)
    np.testing.assert_allclose(parts, whole, atol=1e-2)


def test_more_rows_than_opencv_addresses():
    count, side = 900, 41
    frames = (np.arange(count) % 251).astype(np.uint8)[:, None, None] * np.ones((1, side, side))
    centre = np.tile([20.0, 20.0], (count, 1))
    crops = Crops([frames.astype(np.uint8)], centre, 2.9 * still(count), SUPPORT)
    assert count * crops.shape[0] > 2**15
    asked = np.arange(5, count)
    seen = crops.squares(crops.grey, asked, centre[5:], still(count)[5:])
    np.testing.assert_array_equal(seen, np.broadcast_to(frames[5:, :1, 0], seen.shape))
