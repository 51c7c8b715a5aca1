"""Zip archives: one DICOM clip is opened, anything else is listed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from makers import numbered_stack, region, write_dicom

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import zipped_dicom
from napari_usstrack.io.registry import can_open, open_video

STACK = numbered_stack(4)


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def clip(tmp_path) -> bytes:
    tags = {"SequenceOfUltrasoundRegions": [region()], "FrameTime": 20}
    return write_dicom(tmp_path / "clip.dcm", STACK, **tags).read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(UsstrackError) as caught:
        open_video(path)
    assert str(caught.value).startswith(path.name)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_one_clip(tmp_path, clip: bytes) -> None:
    still = write_dicom(tmp_path / "still.dcm", STACK[:1]).read_bytes()
    others = {"notes.txt": b"hi", "still": still, "__MACOSX/._IM1": clip, ".hidden": clip}
    path = zipped(tmp_path / "study.zip", **{"A/IM1": clip}, **others)
    assert can_open(path)
    video = open_video(path)
    np.testing.assert_array_equal(video.frames(range(4)), STACK)
    assert (video.info.name, video.info.path) == ("study.zip", str(path))
    assert video.info.spacing_mm == (0.5, 0.5)
    assert video.info.fps == pytest.approx(50)
    assert video.info.digest == open_video(tmp_path / "clip.dcm").info.digest


def test_the_unpacked_file_goes_with_the_clip(tmp_path, clip: bytes, monkeypatch) -> None:
    monkeypatch.setattr(zipped_dicom.tempfile, "tempdir", str(tmp_path))
    video = open_video(zipped(tmp_path / "a.zip", IM1=clip))
    (folder,) = tmp_path.glob("usstrack_*")
    assert folder.is_dir()
    video.close()
    assert not list(tmp_path.glob("usstrack_*"))
    refused(zipped(tmp_path / "b.zip", x=b"x"))
    refused(zipped(tmp_path / "c.zip", IM1=clip[: len(clip) // 2]))
    assert not list(tmp_path.glob("usstrack_*"))


def test_what_is_inside_is_listed(tmp_path, clip: bytes) -> None:
    message = refused(zipped(tmp_path / "a.zip", IM1=clip, IM2=clip))
    assert "holds 2 DICOM clips (IM1, IM2)" in message
    message = refused(zipped(tmp_path / "b.zip", **{f"{i}.txt": b"x" for i in range(8)}))
    assert "holds no DICOM clip (0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more)" in message
    assert "holds no DICOM clip;" in refused(zipped(tmp_path / "c.zip"))


def test_can_open_looks_inside(tmp_path, clip: bytes) -> None:
    assert can_open(zipped(tmp_path / "a.zip", IM1=clip, IM2=clip))
    assert not can_open(zipped(tmp_path / "b.zip", a=b"x"))
    assert not can_open(tmp_path / "absent.zip")
    (tmp_path / "c.zip").write_text("no archive")
    assert not can_open(tmp_path / "c.zip")
    assert "not a zip archive" in refused(tmp_path / "c.zip")


def test_damage_inside(tmp_path, clip: bytes) -> None:
    assert "cut short or damaged" in refused(zipped(tmp_path / "a.zip", IM1=clip[:-500]))
    path = zipped(tmp_path / "b.zip", IM1=clip)
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(bytes(data))
    refused(path)
