"""Opening by name: the table, the order of trust, and one sentence per problem."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from makers import number_in, numbered, numbered_stack, region, write_dicom, write_video

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import registry
from napari_usstrack.io.registry import SUFFIXES, can_open, open_video


def refused(path: Path, **options) -> str:
    with pytest.raises(UsstrackError) as caught:
        open_video(path, **options)
    message = str(caught.value)
    assert path.name in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_import_loads_no_reader() -> None:
    code = (
        "import sys, napari_usstrack.io.registry\n"
        "heavy = {'av', 'pydicom', 'cv2', 'tifffile', 'scipy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_table_names_functions_that_exist() -> None:
    for entry in {*registry.READERS.values(), *registry.CONTENT.values()}:
        module, function = entry.split(":")
        loaded = registry.import_module(registry._PACKAGE + module)
        assert callable(getattr(loaded, function))


def test_can_open(tmp_path) -> None:
    assert {".mp4", ".avi", ".dcm", ".tif", ".npz", ".gif", ".wmv", ".asf"} <= set(SUFFIXES)
    assert {".mha", ".mhd", ".mat", ".h5", ".zip"} <= set(SUFFIXES)
    assert can_open("somewhere/CLIP.MP4")
    assert not can_open("somewhere/notes.txt")
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    assert not can_open(folder)
    for name in ("IM_0001", "1.2.840.10008.5"):
        assert can_open(write_dicom(tmp_path / name, numbered_stack(3)))
    (tmp_path / "README").write_text("no")
    assert not can_open(tmp_path / "README")
    assert not can_open(tmp_path / "absent")


@pytest.mark.parametrize("name", ["a.mp4", "a.MP4", "a.avi", "a.mov", "a.m4v", "a.mkv"])
def test_containers(tmp_path, name: str) -> None:
    kind = {"codec": "mpeg4"} if name.endswith("avi") else {}
    video = open_video(write_video(tmp_path / name, 12, **kind))
    assert [number_in(frame) for frame in video.frames(range(12))] == list(range(12))
    assert video.info.name == name
    assert len(video.info.digest) == 32


@pytest.mark.parametrize("name", ["a.dcm", "a.dicom", "IM_0001", "1.2.840.10008.5"])
def test_dicom_by_suffix_or_magic(tmp_path, name: str) -> None:
    video = open_video(write_dicom(tmp_path / name, numbered_stack(4)))
    assert number_in(video[3]) == 3


def test_typed_values_come_first(tmp_path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", numbered_stack(4), SequenceOfUltrasoundRegions=[region()], FrameTime=20
    )
    assert open_video(path).info.spacing_mm == (0.5, 0.5)
    info = open_video(str(path), spacing_mm=(0.2, 0.3), fps=100).info
    assert info.spacing_mm == (0.2, 0.3)
    assert info.fps == pytest.approx(100)
    assert info.calibration.spacing_source == info.calibration.time_source == "typed"


def test_typed_values_settle_the_warnings(tmp_path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm",
        numbered_stack(4),
        SequenceOfUltrasoundRegions=[region(RegionLocationMaxX1=300)],
    )
    assert len(open_video(path).info.warnings) == 2
    assert open_video(path, spacing_mm=(1, 1), fps=10).info.warnings == ()


def test_order_of_trust_with_a_sidecar(tmp_path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", numbered_stack(5), SequenceOfUltrasoundRegions=[region()], FrameTime=20
    )
    times = np.array([0, 0.011, 0.02, 0.033, 0.05])
    data = {"Time": times, "cmPerPixX": 0.01, "cmPerPixY": 0.02, "Fnum": 5}
    scipy.io.savemat(tmp_path / "a.mat", {"TVDdata": data})
    info = open_video(path).info
    assert info.spacing_mm == (0.5, 0.5)
    assert info.calibration.spacing_source == "DICOM region 1"
    np.testing.assert_allclose(info.calibration.times_s, times)
    assert info.calibration.time_source == "sidecar a.mat"
    info = open_video(path, fps=50).info
    assert info.calibration.time_source == "typed"


@pytest.mark.parametrize("value", [(0, 1), (-1, 1), (np.nan, 1)])
def test_typed_scale_must_be_positive(tmp_path, value) -> None:
    with pytest.raises(UsstrackError, match="--mm-per-px"):
        open_video(tmp_path / "a.mp4", spacing_mm=value)


@pytest.mark.parametrize("value", [0, -5, np.inf])
def test_typed_rate_must_be_positive(tmp_path, value) -> None:
    with pytest.raises(UsstrackError, match="--fps"):
        open_video(tmp_path / "a.mp4", fps=value)


def test_missing_folder_empty_unknown(tmp_path) -> None:
    assert "does not exist" in refused(tmp_path / "absent.mp4")
    assert "is a folder" in refused(tmp_path)
    for name in ("empty.mp4", "empty.dcm", "empty.npz"):
        (tmp_path / name).touch()
        assert "is empty" in refused(tmp_path / name)
    for name in ("notes.txt", "notes"):
        (tmp_path / name).write_text("hello")
        message = refused(tmp_path / name)
        assert ".mp4" in message
        assert ".dcm" in message


@pytest.mark.parametrize(
    ("error", "words"),
    [(PermissionError(13, "Permission denied"), "may not be read"), (OSError(5, "I/O"), "disk")],
)
def test_a_file_that_may_not_be_read(tmp_path, monkeypatch, error, words) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")

    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(Path, "open", fail)
    assert words in refused(path)


def test_still_images(tmp_path) -> None:
    import tifffile

    np.save(tmp_path / "a.npy", numbered(0))
    np.savez(tmp_path / "a.npz", frames=numbered_stack(1))
    tifffile.imwrite(tmp_path / "a.tif", numbered(0))
    write_dicom(tmp_path / "a.dcm", numbered_stack(1))
    write_video(tmp_path / "a.mp4", 1)
    for suffix in (".npy", ".npz", ".tif", ".dcm", ".mp4"):
        message = refused(tmp_path / f"a{suffix}")
        assert "is a still image; tracking needs a clip of at least 2 frames" in message


def test_muscle_clip_with_its_params(shared_data) -> None:
    info = open_video(shared_data / "muscle" / "p6_isometric_max_01_push_02.mp4").info
    assert info.spacing_mm == pytest.approx((0.0883, 0.0883), abs=1e-5)
    assert info.calibration.spacing_source == "sidecar p6_params.mat"
    assert info.fps == pytest.approx(61)
    assert info.warnings == ()
