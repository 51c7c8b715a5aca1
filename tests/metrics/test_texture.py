"""Measures of texture against laws and pictures whose texture is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.metrics.imaged_area import (
    ImagedArea,
    changing_pixels,
    sector_apex,
    sector_mask,
)
from napari_usstrack.metrics.texture import (
    grey_summary,
    patch_correlations,
    patch_grid,
    sampled,
    step_lengths,
    texture_widths,
    without_local_mean,
)

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
HEIGHT, WIDTH = 200, 240


def whole(height=HEIGHT, width=WIDTH):
    return ImagedArea(np.ones((height, width), dtype=bool))


def smooth_noise(random, shape, sigma_y, sigma_x):
    """Periodic Gaussian noise of variance 1, by a Gaussian filter of known width."""
    frequencies = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")
    exponent = sum(
        (2 * np.pi * f * s) ** 2 for f, s in zip(frequencies, (sigma_y, sigma_x), strict=True)
    )
    picture = np.fft.ifft2(np.fft.fft2(random.normal(size=shape)) * np.exp(-exponent / 2)).real
    return picture / picture.std()


def as_grey(noise):
    return np.clip(np.rint(128 + 30 * noise), 0, 255).astype(np.uint8)


def standing(frames, places):
    return np.broadcast_to(np.asarray(places, dtype=float), (frames, len(places), 2)).copy()


# --- imaged area -----------------------------------------------------------------------------


def test_a_sector_is_found_again_from_its_mask():
    apex = (120.0, -12.0)
    mask = sector_mask((180, 241), apex, (20.0, 170.0), 35.0)
    assert sector_apex(mask) == pytest.approx(apex, abs=1.5)


def test_a_sector_cut_by_the_frame_is_found_again():
    apex = (80.0, 4.0)
    mask = sector_mask((200, 161), apex, (8.0, 190.0), 40.0)
    assert mask[:, 0].any()
    assert sector_apex(mask) == pytest.approx(apex, abs=1.5)


def test_parallel_sides_have_no_apex():
    mask = np.zeros((50, 60), dtype=bool)
    mask[5:45, 10:50] = True
    assert sector_apex(mask) is None
    assert sector_apex(np.ones((50, 60), dtype=bool)) is None


def test_depth_runs_along_the_beam():
    apex = (100.0, 0.0)
    area = ImagedArea(sector_mask((161, 201), apex, (40.0, 140.0), 45.0), apex)
    assert area.depth_px == pytest.approx(100.0, abs=1.0)
    places = np.array([[100.0, 90.0], [100 + 90 * np.sin(0.5), 90 * np.cos(0.5)]])
    np.testing.assert_allclose(area.depth_share(places), 0.5, atol=0.01)
    np.testing.assert_allclose(area.beam(places), [[0, 1], [np.sin(0.5), np.cos(0.5)]], atol=1e-9)


def test_beams_without_apex_run_down():
    area = whole()
    np.testing.assert_array_equal(area.beam([[3.0, 4.0]]), [[0.0, 1.0]])
    assert area.limits_px == (0.0, HEIGHT - 1)


def test_changing_pixels_fill_rows_between_the_first_and_the_last():
    frames = np.zeros((3, 4, 8), dtype=np.uint8)
    frames[1, 1, 2] = frames[2, 1, 5] = 9
    frames[1, 2, 3] = 3
    expected = np.zeros((4, 8), dtype=bool)
    expected[1, 2:6] = True
    np.testing.assert_array_equal(changing_pixels(frames), expected)


# --- grey levels -----------------------------------------------------------------------------


def test_grey_summary_of_a_known_picture():
    frames = np.full((2, 4, 10), 100, dtype=np.uint8)
    frames[0, 0, :8] = 7
    frames[1, 0, :4] = 251
    frames[:, 3] = 0
    mask = np.ones((4, 10), dtype=bool)
    mask[3] = False
    found = grey_summary(frames, mask)
    assert found.black == pytest.approx(8 / 60)
    assert found.saturated == pytest.approx(4 / 60)
    assert found.mean == pytest.approx((8 * 7 + 4 * 251 + 48 * 100) / 60)
    assert (found.p10, found.p50) == (7.0, 100.0)


def test_limits_of_black_and_saturated_do_not_count():
    frames = np.array([[[8, 250, 7, 251]]], dtype=np.uint8)
    found = grey_summary(frames, np.ones((1, 4), dtype=bool))
    assert (found.black, found.saturated) == (0.25, 0.25)


# --- sampling --------------------------------------------------------------------------------


def test_sampling_gives_pixels_and_straight_ramps_exactly():
    rows, columns = np.indices((30, 40))
    picture = 2.0 * columns - 3.0 * rows + 5.0
    xy = np.random.default_rng(0).uniform(3, 25, (50, 2))
    np.testing.assert_allclose(sampled(picture, xy), 2 * xy[:, 0] - 3 * xy[:, 1] + 5)
    assert sampled(picture, np.array([7.0, 9.0])) == picture[9, 7]


def test_patches_lie_along_the_beam():
    grid = patch_grid(np.array([[10.0, 20.0]]), np.array([[0.0, 1.0]]), (1, 2))
    assert grid.shape == (1, 3, 5, 2)
    np.testing.assert_array_equal(grid[0, :, 2], [[10, 19], [10, 20], [10, 21]])
    np.testing.assert_array_equal(grid[0, 1, :, 0], [8, 9, 10, 11, 12])
    turned = patch_grid(np.array([[10.0, 20.0]]), np.array([[1.0, 0.0]]), (1, 2))
    np.testing.assert_array_equal(turned[0, :, 2], [[9, 20], [10, 20], [11, 20]])


def test_local_mean_of_a_constant_is_all_of_it():
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:25, 8:33] = True
    picture = np.where(mask, 77, 200)
    np.testing.assert_allclose(without_local_mean(picture, mask, 9), 0.0, atol=1e-9)


def test_local_mean_is_that_of_the_square():
    random = np.random.default_rng(1)
    picture = random.normal(size=(30, 40))
    rest = without_local_mean(picture, np.ones(picture.shape, dtype=bool), 7)
    assert picture[12, 20] - rest[12, 20] == pytest.approx(picture[9:16, 17:24].mean())
    assert picture[0, 0] - rest[0, 0] == pytest.approx(picture[:4, :4].mean())


# --- width of texture ------------------------------------------------------------------------


@pytest.mark.parametrize(("axial", "lateral"), [(1.2, 2.5), (2.0, 2.0), (1.5, 4.0)])
def test_width_of_filtered_noise(axial, lateral):
    random = np.random.default_rng(2)
    frames = np.stack([as_grey(smooth_noise(random, (400, 400), axial, lateral)) for _ in "ab"])
    found = texture_widths(frames, whole(400, 400), window_share=0.2)
    truth = FWHM * np.sqrt(2.0) * np.array([axial, lateral])
    assert [found.axial_px, found.lateral_px] == pytest.approx(truth, rel=0.08)
    assert found.axial_thirds_px == pytest.approx([truth[0]] * 3, rel=0.15)
    assert found.lateral_thirds_px == pytest.approx([truth[1]] * 3, rel=0.15)
    assert found.contrast == pytest.approx(30.0, rel=0.08)


def test_width_by_thirds_follows_depth():
    random = np.random.default_rng(3)
    parts = [smooth_noise(random, (200, 400), 1.5, lateral) for lateral in (1.5, 2.5, 4.0)]
    found = texture_widths(as_grey(np.concatenate(parts))[None], whole(600, 400))
    assert found.lateral_thirds_px == pytest.approx(
        FWHM * np.sqrt(2) * np.array([1.5, 2.5, 4.0]), rel=0.15
    )


def test_axial_is_along_the_beam_wherever_it_points():
    """Speckle that is narrow along every beam of a sector, made on the beams' own grid."""
    random = np.random.default_rng(4)
    apex, radii = (150.0, 0.0), (200.0, 500.0)
    mask = sector_mask((460, 480), apex, radii, 45.0)
    noise = smooth_noise(random, (512, 1024), 1.5, 4.0)
    rows, columns = np.indices(mask.shape)
    mask &= columns - apex[0] > 0.3 * rows
    across, down = columns - apex[0], rows - apex[1]
    arc = np.arctan2(across, down) * 350.0 + 400.0
    beams = np.stack([arc, np.hypot(across, down)], axis=-1)
    frames = as_grey(sampled(noise, beams))[None]
    found = texture_widths(frames, ImagedArea(mask, apex), window_share=0.12)
    assert found.axial_px == pytest.approx(FWHM * np.sqrt(2) * 1.5, rel=0.1)
    straight = texture_widths(frames, ImagedArea(mask), window_share=0.12)
    assert straight.lateral_px / straight.axial_px < 0.7 * found.lateral_px / found.axial_px


def test_slow_changes_of_brightness_do_not_widen():
    random = np.random.default_rng(5)
    noise = smooth_noise(random, (400, 400), 1.5, 2.5)
    slope = np.linspace(-2.0, 2.0, 400)[:, None]
    plain = texture_widths(as_grey(noise)[None], whole(400, 400))
    shaded = texture_widths(as_grey(0.5 * noise + slope)[None], whole(400, 400))
    assert shaded.axial_px == pytest.approx(plain.axial_px, rel=0.03)


def test_black_pictures_have_no_texture():
    found = texture_widths(np.zeros((1, 100, 100), dtype=np.uint8), whole(100, 100))
    assert np.isnan([found.axial_px, found.lateral_px, found.contrast]).all()
    assert found.places == 0


# --- correlation with later frames -----------------------------------------------------------


PLACES = np.stack(np.meshgrid(np.arange(60, 190, 16), np.arange(50, 160, 16)), -1).reshape(-1, 2)


def test_fading_texture_correlates_as_its_own_law_says():
    r = 0.9
    random = np.random.default_rng(6)
    picture = smooth_noise(random, (HEIGHT, WIDTH), 1.2, 2.0)
    frames = [picture]
    for _ in range(19):
        fresh = smooth_noise(random, (HEIGHT, WIDTH), 1.2, 2.0)
        frames.append(r * frames[-1] + np.sqrt(1 - r**2) * fresh)
    lags = (1, 2, 5, 10)
    paths = standing(20, PLACES)
    cells = patch_correlations(frames, paths, area=whole(), half_px=(7, 12), lags=lags)
    assert cells.shape == (4, 20, len(PLACES))
    assert np.nanmedian(cells, axis=(1, 2)) == pytest.approx([r**lag for lag in lags], abs=0.05)


def test_translation_that_is_followed_keeps_the_correlation():
    noise = smooth_noise(np.random.default_rng(7), (HEIGHT, WIDTH), 1.5, 2.5)
    steps = np.array([[0.37 * t, -0.73 * t] for t in range(12)])
    rows, columns = np.indices((HEIGHT, WIDTH))
    grid = np.stack([columns, rows], axis=-1).astype(float)
    frames = np.stack([as_grey(sampled(noise, grid - step)) for step in steps])
    paths = PLACES + steps[:, None]
    cells = patch_correlations(frames, paths, area=whole(), half_px=(6, 9))
    assert np.nanmin(cells) > 0.985
    left_behind = patch_correlations(
        frames, standing(12, PLACES), area=whole(), half_px=(6, 9), lags=(8,)
    )
    assert np.nanmedian(left_behind) < 0.5


def test_a_frame_correlates_fully_with_its_copy_and_its_contrast_does_not_matter():
    grey = as_grey(smooth_noise(np.random.default_rng(8), (HEIGHT, WIDTH), 1.5, 2.5))
    frames = [grey, 0.4 * grey + 50.0, 255.0 - grey]
    cells = patch_correlations(
        frames, standing(3, PLACES), area=whole(), half_px=(5, 5), lags=(1, 2)
    )
    np.testing.assert_allclose(cells[0, 0], 1.0)
    np.testing.assert_allclose(cells[1, 0], -1.0)
    assert np.isnan(cells[1, 1:]).all()


def test_patches_beyond_the_imaged_area_and_lost_points_do_not_count():
    grey = as_grey(smooth_noise(np.random.default_rng(9), (HEIGHT, WIDTH), 1.5, 2.5))
    mask = np.ones((HEIGHT, WIDTH), dtype=bool)
    mask[:, :40] = False
    paths = standing(3, [[100, 100], [44, 100], [100, 2], [120, 120]])
    paths[1:, 3] = np.nan
    cells = patch_correlations(
        np.stack([grey] * 3), paths, area=ImagedArea(mask), half_px=(5, 5), lags=(1,)
    )
    np.testing.assert_array_equal(np.isnan(cells[0, 0]), [False, True, True, True])


def test_paths_must_fit_the_frames():
    with pytest.raises(ValueError, match="3 frames need paths"):
        patch_correlations(
            np.zeros((3, 9, 9)), np.zeros((2, 1, 2)), area=whole(9, 9), half_px=(1, 1)
        )


# --- displacement ----------------------------------------------------------------------------


def test_steps_in_px_mm_and_shares_of_depth():
    paths = np.array(
        [[[0.0, 0.0], [5.0, 5.0]], [[3.0, 4.0], [5.0, 5.0]], [[3.0, 4.0], [np.nan] * 2]]
    )
    np.testing.assert_array_equal(step_lengths(paths), [[5.0, 0.0], [0.0, np.nan]])
    np.testing.assert_allclose(step_lengths(paths, (2.0, 0.5))[0, 0], np.hypot(6.0, 2.0))
    np.testing.assert_allclose(step_lengths(paths, 0.01)[0, 0], 0.05)
