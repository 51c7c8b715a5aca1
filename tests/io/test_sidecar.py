"""MATLAB files beside a clip: which belong to it, scale, times and doubts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import write_mat73
from scipy.io import savemat

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.sidecar import candidates, read_sidecar, with_sidecar

TIMES = np.array([0.0, 0.016, 0.034, 0.050, 0.067, 0.083])


def telemed(path: Path, **fields) -> Path:
    values = {"Time": TIMES, "cmPerPixX": 0.01, "cmPerPixY": 0.02, "Fnum": 6} | fields
    values = {name: value for name, value in values.items() if value is not None}
    savemat(path, {"TVDdata": values})
    return path


def info(path: Path, **options) -> VideoInfo:
    return VideoInfo(6, 64, 48, path=str(path), name=path.name, **options)


def test_params_are_mm_per_px(tmp_path) -> None:
    savemat(tmp_path / "p6_params.mat", {"Params": {"px2mmX": 0.0883, "px2mmY": 0.09}})
    found = with_sidecar(info(tmp_path / "p6_push_01.mp4"))
    assert found.spacing_mm == (0.0883, 0.09)
    assert found.calibration.spacing_source == "sidecar p6_params.mat"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("p1_params.mat", True),
        ("p1_push_params.mat", True),
        ("p1_push_01_params.mat", True),
        ("p_params.mat", False),
        ("p10_params.mat", False),
        ("_params.mat", False),
        ("p1_push_01.mat", True),
        ("p1_push.mat", False),
    ],
)
def test_which_files_belong(tmp_path, name: str, belongs: bool) -> None:
    (tmp_path / name).touch()
    assert (candidates(tmp_path / "p1_push_01.mp4") == [tmp_path / name]) == belongs


def test_own_name_first_then_the_longest(tmp_path) -> None:
    for name in ("a_params.mat", "a_b.mat", "a_b_params.mat"):
        (tmp_path / name).touch()
    found = [path.name for path in candidates(tmp_path / "a_b.avi")]
    assert found == ["a_b.mat", "a_b_params.mat", "a_params.mat"]


def test_arrays_have_no_sidecar() -> None:
    assert candidates(Path("")) == []


def test_telemed_scale_and_times(tmp_path) -> None:
    found = read_sidecar(telemed(tmp_path / "a.mat"), 6)
    assert found.spacing_mm == pytest.approx((0.1, 0.2))
    np.testing.assert_allclose(found.times_s, TIMES)
    assert found.warnings == ()


@pytest.mark.parametrize("fields", [{}, {"Im": np.zeros((4, 5, 6), np.uint8)}])
def test_milliseconds(tmp_path, fields: dict) -> None:
    found = read_sidecar(telemed(tmp_path / "a.mat", Time=TIMES * 1000 + 70, **fields), 6)
    np.testing.assert_allclose(found.times_s, TIMES, atol=1e-12)


def test_pictures_inside_mean_milliseconds_where_the_step_is_in_doubt(tmp_path) -> None:
    fast = np.arange(6) * 2.0
    found = read_sidecar(telemed(tmp_path / "a.mat", Time=fast, Im=np.zeros((4, 5, 6))), 6)
    np.testing.assert_allclose(found.times_s, fast / 1000)


def test_repeated_last_stamp(tmp_path) -> None:
    times = np.array([0, 0.02, 0.04, 0.06, 0.08, 0.08])
    found = read_sidecar(telemed(tmp_path / "a.mat", Time=times), 6)
    np.testing.assert_allclose(found.times_s, np.arange(6) * 0.02)
    assert "repeats its last time stamp" in found.warnings[0]


@pytest.mark.parametrize("times", [TIMES[::-1], np.where(TIMES > 0.06, np.nan, TIMES)])
def test_times_that_do_not_rise(tmp_path, times) -> None:
    found = read_sidecar(telemed(tmp_path / "a.mat", Time=times), 6)
    assert found.times_s is None
    assert "do not rise" in found.warnings[0]


@pytest.mark.parametrize("fields", [{}, {"Time": None}])
def test_another_frame_count(tmp_path, fields: dict) -> None:
    found = read_sidecar(telemed(tmp_path / "a.mat", **fields), 9)
    assert found.times_s is None
    assert found.spacing_mm == pytest.approx((0.1, 0.2))
    assert "6 frames but the clip has 9" in found.warnings[0]


def test_the_clips_own_scale_stays_and_times_give_way(tmp_path) -> None:
    telemed(tmp_path / "a.mat")
    own = Calibration((1.0, 1.0), np.arange(6), "DICOM region 1", "container time stamps")
    found = with_sidecar(info(tmp_path / "a.mp4", calibration=own)).calibration
    assert found.spacing_mm == (1.0, 1.0)
    assert found.time_source == "sidecar a.mat"
    np.testing.assert_allclose(found.times_s, TIMES)


@pytest.mark.parametrize("scale", [0.0, -0.1, np.nan, "0.1"])
def test_scales_that_are_none(tmp_path, scale) -> None:
    path = tmp_path / "a_params.mat"
    savemat(path, {"Params": {"px2mmX": scale, "px2mmY": 0.1}})
    assert read_sidecar(path, 6).spacing_mm is None


def make_unusable(path: Path, kind: str) -> Path:
    if kind == "text":
        path.write_text("hello there, this is not MATLAB at all" * 20)
    elif kind == "empty":
        path.touch()
    elif kind == "unrelated":
        savemat(path, {"other": np.eye(3)})
    elif kind == "not a struct":
        savemat(path, {"TVDdata": np.eye(3), "Params": "words"})
    else:
        data = telemed(path).read_bytes()
        path.write_bytes(data[: len(data) - 100])
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "unrelated", "not a struct", "cut"])
def test_unusable_files_are_named_only_with_the_clips_name(tmp_path, kind: str) -> None:
    make_unusable(tmp_path / "a.mat", kind)
    make_unusable(tmp_path / "a_params.mat", kind)
    found = with_sidecar(info(tmp_path / "a.mp4"))
    (warning,) = found.warnings
    assert warning.startswith("a.mat ")
    assert warning.endswith("it was ignored.")
    assert found.spacing_mm is None


@pytest.mark.parametrize("large", [False, True])
def test_version_73(tmp_path, large: bool) -> None:
    data = {"Time": TIMES, "cmPerPixX": 0.01, "cmPerPixY": 0.02, "Fnum": 6}
    if large:
        data["Im"] = np.zeros((600, 600, 6), dtype=np.uint8)
    write_mat73(tmp_path / "a.mat", TVDdata=data)
    found = with_sidecar(info(tmp_path / "a.mp4"))
    assert found.spacing_mm == pytest.approx((0.1, 0.2))
    np.testing.assert_allclose(found.calibration.times_s, TIMES)
    assert found.warnings == ()


def test_version_73_params(tmp_path) -> None:
    write_mat73(tmp_path / "p6_params.mat", Params={"px2mmX": 0.0883, "px2mmY": 0.09})
    assert with_sidecar(info(tmp_path / "p6_push_01.mp4")).spacing_mm == (0.0883, 0.09)


def test_version_73_damaged(tmp_path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(512, b" "))
    assert "cannot be read" in read_sidecar(path, 6).warnings[0]
    write_mat73(path, TVDdata={"Time": TIMES})
    path.write_bytes(path.read_bytes()[:700])
    assert "cannot be read" in read_sidecar(path, 6).warnings[0]


def test_a_clip_is_not_its_own_sidecar(tmp_path) -> None:
    path = telemed(tmp_path / "a.mat")
    assert candidates(path) == []
