"""Portable Telemed recordings: pictures, device times, display scale, panels."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from makers import numbered_stack

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.registry import can_open, open_video

STACK = numbered_stack(6)
TIMES_MS = np.array([0.0, 16.0, 34.0, 50.0, 67.0, 83.0])
SCALE = {"image_dx_cm_per_px": 0.00896, "image_dy_cm_per_px": 0.009}


def write(
    path: Path, frames: np.ndarray | None = STACK, times: object = TIMES_MS, **attrs: object
) -> Path:
    with h5py.File(path, "w") as file:
        if frames is not None:
            file["frames/gray"] = frames
        if times is not None:
            file["timing/time_ms"] = np.asarray(times)
        file.attrs.update(attrs)
    return path


def test_pictures_scale_and_times(tmp_path) -> None:
    path = write(tmp_path / "a.tvd.h5", **SCALE, roi1_x2=100, roi2_x2=0, physical_dx1_cm_per_px=1)
    assert can_open(path)
    video = open_video(path)
    np.testing.assert_array_equal(video.frames(range(6)), STACK)
    info = video.info
    assert info.spacing_mm == pytest.approx((0.0896, 0.09), rel=1e-12)
    assert info.calibration.spacing_source == "Telemed display scale"
    np.testing.assert_allclose(info.calibration.times_s, TIMES_MS / 1000)
    assert info.calibration.time_source == "Telemed time stamps"
    assert info.warnings == ()
    video.close()


def test_the_last_step_is_replaced(tmp_path) -> None:
    times = [*TIMES_MS[:-1], TIMES_MS[-2] + 0.078]
    info = open_video(write(tmp_path / "a.h5", times=times, **SCALE)).info
    assert info.calibration.times_s[-1] == pytest.approx(0.0835)
    assert "median step later" in info.warnings[0]


@pytest.mark.parametrize("times", [None, TIMES_MS[:4], TIMES_MS * np.nan, [0, 9, 9, 18, 27, 36]])
def test_times_that_cannot_be_used(tmp_path, times: object) -> None:
    info = open_video(write(tmp_path / "a.h5", times=times, **SCALE)).info
    assert info.calibration.times_s is None
    assert "--fps" in info.warnings[0]


def test_beamformer_scale_stands_in(tmp_path) -> None:
    attrs = {"physical_dx1_cm_per_px": 0.009, "physical_dy1_cm_per_px": 0.0092}
    info = open_video(write(tmp_path / "a.h5", **attrs)).info
    assert info.spacing_mm == pytest.approx((0.09, 0.092))
    assert "2 % off" in info.warnings[0]
    other = {"physical_dx2_cm_per_px": 0.01, "physical_dy2_cm_per_px": 0.01}
    assert open_video(write(tmp_path / "b.h5", **attrs, **other)).info.spacing_mm is None
    assert open_video(write(tmp_path / "c.h5")).info.spacing_mm is None


def test_panels_and_flip_are_told(tmp_path) -> None:
    attrs = {"roi1_x2": 70, "roi2_x2": 150, "param_b_is_scan_direction_changed": True}
    video = open_video(write(tmp_path / "a.h5", **SCALE, **attrs))
    panels, flip = video.info.warnings
    assert "2 panels" in panels
    assert "left and right" in flip
    np.testing.assert_array_equal(video[2], STACK[2])


def test_files_without_pictures(tmp_path) -> None:
    path = write(tmp_path / "a.h5", None)
    assert not can_open(path)
    with pytest.raises(UsstrackError, match=r"a\.h5 holds timing but no pictures"):
        open_video(path)
    (tmp_path / "b.h5").write_text("hello")
    assert not can_open(tmp_path / "b.h5")
    assert not can_open(tmp_path / "absent.h5")
    with pytest.raises(UsstrackError, match=r"b\.h5 is damaged or not an HDF5 file"):
        open_video(tmp_path / "b.h5")
    with pytest.raises(UsstrackError, match="still image"):
        open_video(write(tmp_path / "c.h5", STACK[:1]))
