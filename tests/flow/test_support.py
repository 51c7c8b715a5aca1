"""The working grid, squares with weights, and the size of speckle we made."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, grey8

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.flow.support import (
    BASE_MM,
    LONGEST_PX,
    MOST_MM,
    MOST_PRODUCTS,
    NOMINAL_MM,
    PER_WIDTH,
    Grid,
    Support,
    product,
    reach_mm,
    speckle_mm,
)

TO_FULL_WIDTH = 2.0 * np.sqrt(2.0 * np.log(2.0))

# --- the grid --------------------------------------------------------------------------------

CLIPS = {
    "wide": (640, 200, (0.1, 0.1)),
    "tall": (200, 640, (0.1, 0.1)),
    "flat pixels": (300, 300, (0.05, 0.2)),
    "standing pixels": (301, 207, (0.3, 0.08)),
    "odd": (97, 41, (0.123, 0.077)),
    "unknown": (1000, 300, None),
}


def info(width: int, height: int, spacing: tuple[float, float] | None) -> VideoInfo:
    return VideoInfo(1, width, height, Calibration(spacing_mm=spacing))


@pytest.mark.parametrize(("width", "height", "spacing"), CLIPS.values(), ids=CLIPS)
def test_places_come_back_from_the_grid(width, height, spacing):
    grid = Grid.of(info(width, height, spacing), 0.25)
    xy = np.random.default_rng(0).uniform(-3.0, [width + 3.0, height + 3.0], (50, 2))
    np.testing.assert_allclose(grid.map.backward(grid.map.forward(xy)), xy, atol=1e-9)


@pytest.mark.parametrize(("width", "height", "spacing"), list(CLIPS.values())[:-1])
def test_pixels_of_the_grid_are_squares_of_the_stated_size(width, height, spacing):
    grid = Grid.of(info(width, height, spacing), 0.25)
    assert grid.mm == 0.25
    field = np.array([width, height]) * spacing
    assert np.abs(np.array(grid.map.after) * grid.mm - field).max() <= 0.5 * grid.mm + 1e-9


def test_the_grid_is_no_finer_than_the_clip():
    grid = Grid.of(info(100, 80, (0.4, 0.6)), 0.25)
    assert grid.mm == 0.4
    assert grid.map.after == (100, 120)


@pytest.mark.parametrize(
    ("size", "after"), [((1000, 300), (LONGEST_PX, 120)), ((300, 1000), (120, LONGEST_PX))]
)
def test_without_a_scale_pictures_are_shrunk_to_a_longest_side(size, after):
    grid = Grid.of(VideoInfo(1, *size), 0.1)
    assert (grid.map.after, grid.mm) == (after, NOMINAL_MM)


def test_a_small_picture_without_a_scale_stays_as_it_is():
    grid = Grid.of(VideoInfo(1, 120, 90), 0.1)
    frame = grey8(Texture().seen((120, 90)))
    assert grid.picture(frame) is frame


@pytest.mark.parametrize(("width", "height", "spacing"), list(CLIPS.values())[:-2])
def test_a_picture_on_the_grid_shows_things_where_the_map_says(width, height, spacing):
    grid = Grid.of(info(width, height, spacing), 0.25)
    middle = np.array([0.6 * width, 0.35 * height])
    y, x = np.mgrid[:height, :width]
    away = np.stack([x, y], axis=-1) - middle
    blob = 250.0 * np.exp(-0.5 * ((away * spacing) ** 2).sum(axis=-1))
    seen = grid.picture(blob.astype(np.uint8)).astype(float)
    assert seen.shape == grid.map.after[::-1]
    y, x = np.mgrid[: seen.shape[0], : seen.shape[1]]
    found = np.array([(x * seen).sum(), (y * seen).sum()]) / seen.sum()
    np.testing.assert_allclose(found, grid.map.forward(middle), atol=0.05)


# --- squares ---------------------------------------------------------------------------------


def test_pixels_of_a_square_are_listed_row_by_row():
    support = Support.reaching(1.2, 2.0)
    assert (support.radius, support.side) == (3, 7)
    assert support.offsets[[0, 1, 7, -1]].tolist() == [[-3, -3], [-2, -3], [-3, -2], [3, 3]]
    np.testing.assert_array_equal(support.plane[0], 1.0)
    np.testing.assert_array_equal(support.plane[1:].T, support.offsets)


@pytest.mark.parametrize("reach", [1.2, 4.0, 10.0])
def test_weights_are_gaussian_with_an_empty_edge(reach):
    support = Support.reaching(reach, 2.0)
    weight = support.weight.reshape(support.side, support.side).astype(float)
    line = np.exp(-0.5 * (np.arange(-support.radius, support.radius + 1) / reach) ** 2)
    full = np.outer(line, line)
    np.testing.assert_allclose(weight[1:-1, 1:-1], full[1:-1, 1:-1], rtol=1e-6)
    assert weight.sum() == pytest.approx(full[1:-1, 1:-1].sum())
    assert support.total == pytest.approx(weight.sum(), rel=1e-6)


def test_the_core_lies_near_the_centre_on_all_sides():
    support = Support.reaching(10.0, 2.0)
    away = support.offsets[support.core]
    assert np.hypot(*away.T).max() < 1.6 * support.reach_px
    assert all((side * away[:, axis] > 5).any() for side in (-1, 1) for axis in range(2))


def test_pieces_are_no_smaller_than_a_pixel():
    assert Support.reaching(5.0, 0.2).grain_px == 1.0
    assert Support.reaching(5.0, 3.5).grain_px == 3.5


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 40, 401])
@pytest.mark.parametrize(
    "shape", [(3, 1), (3, 36), (1681, 6), (1681, 36), (2, MOST_PRODUCTS), (5, 61_001)], ids=str
)
def test_a_product_in_pieces_is_the_product(rows, shape):
    if rows * shape[1] > 5_000_000:
        rows = 9
    random = np.random.default_rng(rows)
    left = random.normal(size=(rows, shape[0])).astype(np.float32)
    right = random.normal(size=shape).astype(np.float32)
    found = product(left, right)
    assert (found.shape, found.dtype) == ((rows, shape[1]), np.float32)
    wanted = left.astype(float) @ right.astype(float)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * shape[0])


# --- the size of speckle ---------------------------------------------------------------------


def speckle(along_x: float, along_y: float, count: int = 2) -> np.ndarray:
    """Noise blurred by a Gaussian, px."""
    size = (260, 220)
    fx, fy = np.fft.rfftfreq(size[0]), np.fft.fftfreq(size[1])[:, None]
    keep = np.exp(-2.0 * np.pi**2 * ((along_x * fx) ** 2 + (along_y * fy) ** 2))
    random = np.random.default_rng(0)
    noise = np.fft.rfft2(random.normal(size=(count, *size[::-1])))
    blurred = np.fft.irfft2(noise * keep, size[::-1])
    return np.stack([grey8(40.0 * each / each.std()) for each in blurred])


def width_mm(sigma_px: float, mm: float) -> float:
    """Full width at half maximum of the autocorrelation of noise so blurred."""
    return TO_FULL_WIDTH * np.sqrt(2.0) * sigma_px * mm


@pytest.mark.parametrize("sigma", [1.2, 2.0, 3.0])
@pytest.mark.parametrize("mm", [0.1, 0.25])
def test_the_width_of_grains_is_that_of_the_blur(sigma, mm):
    assert speckle_mm(speckle(sigma, sigma), mm) == pytest.approx(width_mm(sigma, mm), rel=0.12)


@pytest.mark.parametrize("sigmas", [(1.5, 4.0), (4.0, 1.5)], ids=str)
def test_the_narrow_side_of_grains_counts(sigmas):
    assert speckle_mm(speckle(*sigmas), 0.2) == pytest.approx(width_mm(1.5, 0.2), rel=0.12)


@pytest.mark.parametrize("sigmas", [(2.0, 60.0), (60.0, 2.0)], ids=str)
def test_stripes_do_not_count_as_coarse(sigmas):
    assert speckle_mm(speckle(*sigmas), 0.2) == pytest.approx(width_mm(2.0, 0.2), rel=0.2)


def test_brightness_that_changes_slowly_does_not_count():
    plain = speckle(2.0, 2.0)
    slope = np.linspace(0.2, 1.0, plain.shape[2])
    shaded = np.clip(plain * slope, 0, 255).astype(np.uint8)
    assert speckle_mm(shaded, 0.2) == pytest.approx(speckle_mm(plain, 0.2), rel=0.1)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_pictures_have_no_grains(grey):
    assert speckle_mm(np.full((2, 60, 80), grey, np.uint8), 0.25) == 0.0


def test_coarser_speckle_asks_for_more_tissue_up_to_a_limit():
    assert reach_mm(0.0) == BASE_MM
    assert reach_mm(1.0) == pytest.approx(BASE_MM + PER_WIDTH)
    assert reach_mm(100.0) == MOST_MM
