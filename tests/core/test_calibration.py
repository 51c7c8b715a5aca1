from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import CallbackVideo, VideoInfo


def test_unknown_scale_and_time_give_nan_not_a_guess():
    unknown = Calibration()
    assert unknown.fps is None
    assert not unknown.variable_rate
    assert np.isnan(unknown.mm([[3.0, 4.0]])).all()
    assert np.isnan(unknown.seconds([0, 1])).all()


def test_each_axis_has_its_own_scale():
    scale = Calibration(spacing_mm=(0.5, 0.25))
    np.testing.assert_array_equal(scale.mm([[[4.0, 4.0]], [[0.0, 2.0]]]), [[[2, 1]], [[0, 0.5]]])


def test_constant_rate():
    steady = Calibration().with_rate(101, 25.0, "--fps")
    assert steady.fps == pytest.approx(25.0)
    assert steady.time_source == "--fps"
    assert not steady.variable_rate
    np.testing.assert_allclose(steady.seconds([0, 25, 100]), [0, 1, 4])


def test_dropped_frame_shows_as_variable_rate():
    times = np.delete(np.arange(50) / 50, 20)
    assert Calibration(times_s=times).variable_rate


def test_millisecond_rounding_is_not_a_variable_rate():
    times = np.round(np.arange(200) / 30, 3)
    assert not Calibration(times_s=times).variable_rate


@pytest.mark.parametrize("times", [[0.0], [1.0, 1.0]])
def test_no_rate_from_one_instant(times):
    assert Calibration(times_s=times).fps is None


def test_times_are_copied_and_read_only():
    times = np.arange(4.0)
    kept = Calibration(times_s=times)
    times[0] = 9
    assert kept.times_s[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        kept.times_s[0] = 1


@pytest.mark.parametrize("spacing", [(0, 1), (1, -1), (np.nan, 1), (1, np.inf)])
def test_impossible_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing_mm"):
        Calibration(spacing_mm=spacing)


@pytest.mark.parametrize("times", [[[0.0, 1.0]], [0.0, np.nan]])
def test_impossible_times_are_refused(times):
    with pytest.raises(ValueError, match="times_s"):
        Calibration(times_s=times)


@pytest.mark.parametrize("fps", [0.0, -25.0, np.nan, np.inf])
def test_impossible_rate_is_refused(fps):
    with pytest.raises(ValueError, match="fps"):
        Calibration().with_rate(10, fps, "--fps")


def test_another_scale_keeps_the_times():
    timed = Calibration().with_rate(3, 10, "header").with_spacing((0.1, 0.2), "drawn line")
    assert timed.spacing_mm == (0.1, 0.2)
    assert (timed.spacing_source, timed.time_source) == ("drawn line", "header")
    assert timed.fps == pytest.approx(10)


def test_video_info_wants_one_time_per_frame():
    timed = Calibration().with_rate(3, 10, "header")
    assert VideoInfo(3, 8, 6, timed).fps == pytest.approx(10)
    with pytest.raises(ValueError, match="3 time stamps for 4 frames"):
        VideoInfo(4, 8, 6, timed)


def test_same_clip_is_about_pictures_not_about_scale_or_path():
    info = VideoInfo(3, 8, 6, digest="a", path="here.mp4")
    assert info.same_clip(VideoInfo(3, 8, 6, Calibration((1, 1)), digest="a", path="there.mp4"))
    assert not info.same_clip(VideoInfo(3, 8, 6, digest="b"))
    assert not info.same_clip(VideoInfo(3, 6, 8, digest="a"))


def test_calibrated_copy_leaves_the_original():
    info = VideoInfo(3, 8, 6)
    assert info.calibrated(Calibration((0.1, 0.3))).spacing_mm == (0.1, 0.3)
    assert info.spacing_mm is None


def test_callback_video_hands_the_range_on():
    stack = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    video = CallbackVideo(VideoInfo(5, 3, 2), lambda span: stack[span.start : span.stop])
    assert video.frames(range(2, 4))[:, 0, 0].tolist() == [2, 3]
