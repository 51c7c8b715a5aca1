from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.coords import Crop, Flip
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.display import DisplayClip, enhanced, moving_panel
from napari_usstrack.widgets.layers import Placement, calibrated_axes
from napari_usstrack.widgets.view import View, mirror, window_translate


def test_view_round_trips_through_plain_values() -> None:
    view = View(Crop(3, 4, 50, 60), mirrored=True, contrast=1.5)
    assert View.from_dict(view.to_dict()) == view
    assert View.from_dict({}) == View()


@given(x=st.floats(0, 299), scale=st.floats(0.01, 2), shift=st.floats(-50, 50))
def test_mirror_puts_a_pixel_where_the_flipped_picture_has_it(x, scale, shift) -> None:
    base = {"scale": (1.0, scale, scale), "translate": (0.0, 0.0, shift)}
    world = np.array([0.0, 5.0 * scale, x * scale + shift, 1.0])
    flipped = Flip((300, 200)).forward([x, 5.0])[0]
    turned = mirror(base, Placement(), 300) @ world
    assert turned[2] == pytest.approx(flipped * scale + shift, abs=1e-6)
    assert turned[1] == world[1]


def test_a_window_moves_the_picture_to_its_place_in_the_frame() -> None:
    base = {"scale": (1.0, 0.1, 0.2), "translate": (0.0, 1.0, 2.0)}
    np.testing.assert_allclose(window_translate(base, Crop(10, 20, 5, 5)), [0, 3, 4])
    np.testing.assert_allclose(window_translate(base, None), [0, 1, 2])


def info(**known) -> VideoInfo:
    return VideoInfo(11, 40, 30, Calibration(**known))


def test_axes_are_in_seconds_and_millimetres_where_known() -> None:
    known = info(spacing_mm=(0.1, 0.2), times_s=np.arange(11) / 50)
    axes = calibrated_axes(known)
    assert axes["scale"] == pytest.approx((0.02, 0.2, 0.1))
    assert axes["units"] == ("second", "millimeter", "millimeter")


def test_axes_stay_frames_and_px_where_unknown_or_variable() -> None:
    assert calibrated_axes(info())["units"] == ("pixel",) * 3
    uneven = np.cumsum([0.0, *[0.02, 0.05] * 5])
    axes = calibrated_axes(info(times_s=uneven))
    assert axes["scale"][0] == 1.0
    assert axes["units"][0] == "pixel"


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 30, 40), dtype=np.uint8)


@pytest.mark.parametrize(
    "key",
    [0, -1, slice(1, 4), (2, slice(3, 9), slice(None)), (slice(None), 4, 5), ([0, 3], slice(2, 4))],
)
def test_cropped_display_indexes_like_the_cropped_array(picture, key) -> None:
    crop = Crop(5, 6, 20, 15)
    shown_ = DisplayClip(array_video(picture), crop)
    assert shown_.shape == (6, 15, 20)
    np.testing.assert_array_equal(shown_[key], crop.picture(picture)[key])


def test_contrast_changes_the_display_and_not_the_clip(picture) -> None:
    dull = (picture // 8 + 100).astype(np.uint8)
    video = array_video(dull)
    brighter = DisplayClip(video, None, 3.0)[2]
    assert np.ptp(brighter) > 2 * np.ptp(dull[2])
    np.testing.assert_array_equal(video.frames(range(2, 3))[0], dull[2])
    np.testing.assert_array_equal(brighter, enhanced(dull[2], 3.0))


def test_moving_panel_finds_where_the_picture_changes() -> None:
    frames = np.full((10, 60, 80), 50, dtype=np.uint8)
    frames[:, 10:50, 20:70] = np.random.default_rng(1).integers(0, 256, (10, 40, 50))
    assert moving_panel(array_video(frames)) == Crop(20, 10, 50, 40)


def test_moving_panel_of_a_still_or_a_full_picture_is_none(picture) -> None:
    assert moving_panel(array_video(picture)) is None
    assert moving_panel(array_video(np.zeros((5, 30, 40), dtype=np.uint8))) is None
