"""Pictures in MATLAB files of both versions, and files that hold none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from makers import number_in, numbered_stack, write_mat73
from scipy.io import savemat

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import matlab_clip
from napari_usstrack.io.registry import can_open, open_video

STACK = numbered_stack(6)
TIMES_MS = np.array([0.0, 16.0, 34.0, 50.0, 67.0, 83.0])


def write_mat5(path: Path, **variables: object) -> Path:
    savemat(path, variables, do_compression=True)
    return path


@pytest.fixture(params=[write_mat5, write_mat73], ids=["5", "7.3"])
def write(request: pytest.FixtureRequest) -> Callable[..., Path]:
    return request.param


def telemed(frames: np.ndarray = STACK, **fields: object) -> dict[str, object]:
    values = {
        "Time": TIMES_MS,
        "cmPerPixX": 0.01,
        "cmPerPixY": 0.02,
        "Fnum": 6.0,
        "Im": np.moveaxis(frames, 0, 2),
    }
    return {key: value for key, value in (values | fields).items() if value is not None}


def refused(path: Path) -> str:
    with pytest.raises(UsstrackError) as caught:
        open_video(path)
    assert path.name in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_pictures_scale_and_times(tmp_path, write) -> None:
    path = write(tmp_path / "a.mat", TVDdata=telemed())
    assert can_open(path)
    video = open_video(path)
    np.testing.assert_array_equal(video.frames(range(6)), STACK)
    np.testing.assert_array_equal(video[4], STACK[4])
    info = video.info
    assert info.spacing_mm == pytest.approx((0.1, 0.2))
    np.testing.assert_allclose(info.calibration.times_s, TIMES_MS / 1000)
    assert info.calibration.spacing_source == "TVDdata cmPerPix"
    assert info.calibration.time_source == "TVDdata Time"
    assert info.warnings == ()
    assert len(info.digest) == 32


def test_repeated_last_stamp(tmp_path, write) -> None:
    times = TIMES_MS.copy()
    times[-1] = times[-2]
    info = open_video(write(tmp_path / "a.mat", TVDdata=telemed(Time=times))).info
    assert info.calibration.times_s[-1] == pytest.approx(0.0835)
    assert "repeats its last time stamp" in info.warnings[0]


def test_without_times_and_scale(tmp_path, write) -> None:
    data = telemed(Time=None, cmPerPixX=None)
    info = open_video(write(tmp_path / "a.mat", TVDdata=data)).info
    assert (info.spacing_mm, info.calibration.times_s) == (None, None)
    assert "--fps" in info.warnings[0]


def test_deep_pictures(tmp_path, write) -> None:
    data = telemed(STACK.astype(np.float64) / 255)
    video = open_video(write(tmp_path / "a.mat", TVDdata=data))
    assert number_in(video[5]) == 5
    assert "float64" in video.info.warnings[0]


def test_one_picture_is_a_still(tmp_path, write) -> None:
    path = write(tmp_path / "a.mat", TVDdata=telemed(STACK[:1]))
    assert "still image" in refused(path)


def test_stills(tmp_path, write) -> None:
    path = write(tmp_path / "a.mat", data=STACK[0], pixtocm=0.01)
    assert not can_open(path)
    assert refused(path) == ("a.mat is a still image; tracking needs a clip of at least 2 frames.")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"TVDdata": {"Time": TIMES_MS, "cmPerPixX": 0.01}}, "it is a sidecar"),
        ({"Params": {"px2mmX": 0.1}}, "it is a sidecar"),
        ({"TVDdata": {"Time": TIMES_MS}, "Fdat": {"FL": 1.0}}, "holds tracks"),
        ({"TrackingData": {"res": 40.0}}, "holds tracks"),
        ({"x": 1.0}, "holds no clip"),
        ({"data": STACK}, "holds no clip"),
    ],
)
def test_files_without_pictures(tmp_path, write, variables: dict, words: str) -> None:
    path = write(tmp_path / "a.mat", **variables)
    assert not can_open(path)
    assert words in refused(path)


def test_large_files_are_not_loaded_to_look(tmp_path, monkeypatch) -> None:
    path = write_mat5(tmp_path / "a.mat", TVDdata=telemed())
    monkeypatch.setattr(matlab_clip, "_SURELY_PICTURES", 10)
    monkeypatch.setattr(matlab_clip.matfile, "load", None)
    assert can_open(path)


def test_version_73_is_read_frame_by_frame(tmp_path, monkeypatch) -> None:
    video = open_video(write_mat73(tmp_path / "a.mat", TVDdata=telemed()))
    read: list[slice] = []
    plain = matlab_clip.Frames73.__getitem__
    monkeypatch.setattr(
        matlab_clip.Frames73,
        "__getitem__",
        lambda self, at: (read.append(at), plain(self, at))[1],
    )
    assert number_in(video[3]) == 3
    assert read == [slice(3, 4)]
    video.close()


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_damaged(tmp_path, write, part: float) -> None:
    path = write(tmp_path / "a.mat", TVDdata=telemed())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert not can_open(path)
    assert "damaged or not a MATLAB file" in refused(path)


def test_not_matlab(tmp_path) -> None:
    (tmp_path / "a.mat").write_text("hello " * 100)
    assert not can_open(tmp_path / "a.mat")
    assert not can_open(tmp_path / "absent.mat")
    assert "not a MATLAB file" in refused(tmp_path / "a.mat")


def test_real_params(shared_data) -> None:
    path = shared_data / "muscle" / "p6_params.mat"
    assert not can_open(path)
    assert "it is a sidecar" in refused(path)
