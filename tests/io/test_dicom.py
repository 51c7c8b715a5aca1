"""DICOM clips: pictures of every kind, laziness, errors, real files."""

from __future__ import annotations

import logging

import numpy as np
import pydicom
import pytest
from makers import dicom_dataset, number_in, numbered_stack, region, write_dicom

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import dicom
from napari_usstrack.io.dicom import open_clip
from napari_usstrack.io.pixels import grey_of
from napari_usstrack.io.registry import open_video

STACK = numbered_stack(5)
COLOURS = np.repeat(STACK[..., None], 3, axis=-1) // np.array([1, 2, 3], dtype=np.uint8)


def all_frames(video) -> np.ndarray:
    return video.frames(range(len(video)))


def test_grey(tmp_path) -> None:
    video = open_clip(write_dicom(tmp_path / "a.dcm", STACK, FrameTime=20))
    np.testing.assert_array_equal(all_frames(video), STACK)
    np.testing.assert_array_equal(video.colour(range(1, 2))[0, ..., 2], STACK[1])
    assert video.info.fps == pytest.approx(50)
    assert video.info.warnings == ()


def test_monochrome1_is_inverted(tmp_path) -> None:
    video = open_clip(write_dicom(tmp_path / "a.dcm", 255 - STACK, "MONOCHROME1"))
    np.testing.assert_array_equal(all_frames(video), STACK)


def test_rgb(tmp_path) -> None:
    video = open_clip(write_dicom(tmp_path / "a.dcm", COLOURS, "RGB"))
    np.testing.assert_array_equal(all_frames(video), grey_of(COLOURS))
    np.testing.assert_array_equal(video.colour(range(2, 4)), COLOURS[2:4])


def test_planar_rgb(tmp_path) -> None:
    planes = np.ascontiguousarray(np.moveaxis(COLOURS, -1, 1))
    made = dicom_dataset(COLOURS, "RGB", PixelData=planes.tobytes(), PlanarConfiguration=1)
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(open_clip(tmp_path / "a.dcm").colour(range(5)), COLOURS)


def test_ybr_full(tmp_path) -> None:
    ybr = np.full((*STACK.shape, 3), 128, dtype=np.uint8)
    ybr[..., 0] = STACK
    video = open_clip(write_dicom(tmp_path / "a.dcm", ybr, "YBR_FULL"))
    assert np.abs(all_frames(video).astype(int) - STACK).max() <= 1


def test_ybr_full_422(tmp_path) -> None:
    packed = np.full((*STACK.shape[:2], STACK.shape[2] // 2, 4), 128, dtype=np.uint8)
    packed[..., 0], packed[..., 1] = STACK[..., ::2], STACK[..., 1::2]
    made = dicom_dataset(COLOURS, "YBR_FULL_422", PixelData=packed.tobytes())
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    video = open_clip(tmp_path / "a.dcm")
    assert np.abs(all_frames(video).astype(int) - STACK).max() <= 1


@pytest.mark.parametrize("wide", [False, True])
def test_palette(tmp_path, wide: bool) -> None:
    table = np.arange(255, -1, -1, dtype=np.uint16) * (257 if wide else 1)
    tags = {}
    for colour in ("Red", "Green", "Blue"):
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = table.astype("<u2").tobytes()
    video = open_clip(write_dicom(tmp_path / "a.dcm", STACK, "PALETTE COLOR", **tags))
    np.testing.assert_array_equal(all_frames(video), 255 - STACK)


def test_deep_pixels_are_scaled(tmp_path) -> None:
    deep = STACK.astype(np.uint16) * 16
    video = open_clip(write_dicom(tmp_path / "a.dcm", deep, FrameTime=20))
    assert (all_frames(video).min(), all_frames(video).max()) == (0, 255)
    assert "uint16" in video.info.warnings[0]


def test_deflated(tmp_path) -> None:
    made = dicom_dataset(STACK)
    made.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(all_frames(open_clip(tmp_path / "a.dcm")), STACK)


def test_frames_are_decoded_by_index(tmp_path, monkeypatch) -> None:
    video = open_clip(write_dicom(tmp_path / "a.dcm", STACK))
    asked: list[int] = []
    plain = dicom.iter_pixels

    def spy(source, indices):
        asked.extend(indices)
        return plain(source, indices=indices)

    monkeypatch.setattr(dicom, "iter_pixels", spy)
    assert number_in(video[3]) == 3
    assert number_in(video[1]) == 1
    assert asked == [3, 1]


def test_scale_times_and_warnings_reach_the_clip(tmp_path) -> None:
    tags = {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=-0.02)]}
    info = open_clip(write_dicom(tmp_path / "a.dcm", STACK, **tags)).info
    assert info.spacing_mm == pytest.approx((0.2, 0.5))
    assert info.calibration.spacing_source == "DICOM region 1"
    assert "--fps" in info.warnings[0]


def test_says_nothing_about_the_patient(tmp_path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    path = write_dicom(tmp_path / "a.dcm", STACK, PatientBirthDate="19700101")
    data = path.read_bytes().replace(b"19700101", b"notadate")
    path.write_bytes(data)
    video = open_clip(path)
    all_frames(video)
    told = caplog.text + " ".join(video.info.warnings)
    assert "Nobody" not in told
    assert "notadate" not in told


def test_still(tmp_path) -> None:
    with pytest.raises(UsstrackError, match="is a still image"):
        open_clip(write_dicom(tmp_path / "a.dcm", STACK[:1]))


def test_without_pictures(tmp_path) -> None:
    made = dicom_dataset(STACK)
    del made.PixelData
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(UsstrackError, match=r"a\.dcm is a DICOM file without pictures"):
        open_clip(tmp_path / "a.dcm")


def test_not_dicom(tmp_path) -> None:
    (tmp_path / "a.dcm").write_text("x" * 500)
    with pytest.raises(UsstrackError, match=r"a\.dcm is not a DICOM file"):
        open_clip(tmp_path / "a.dcm")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_cut_short(tmp_path, part: float) -> None:
    path = write_dicom(tmp_path / "a.dcm", STACK)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UsstrackError, match=r"a\.dcm is cut short or damaged"):
        open_clip(path)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.103"])
def test_compression_that_needs_the_extra(tmp_path, uid: str, monkeypatch) -> None:
    made = dicom_dataset(STACK)
    made.PixelData = pydicom.encaps.encapsulate([b"\1\2\3\4"] * 5)
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(uid)
    made["PixelData"].VR = "OB"
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    class Missing:
        is_available = False

    if uid.endswith(".80"):
        monkeypatch.setattr(dicom, "get_decoder", lambda syntax: Missing())
    with pytest.raises(UsstrackError, match=r'pip install "napari-usstrack\[dicom\]"'):
        open_clip(tmp_path / "a.dcm")


def test_variable_times_and_second_region(shared_data) -> None:
    info = open_video(shared_data / "heart" / "DIRW0007.dcm").info
    assert (info.frame_count, info.height, info.width) == (65, 456, 576)
    assert info.spacing_mm == pytest.approx((0.5248, 0.5248), abs=5e-5)
    assert info.calibration.spacing_source == "DICOM region 2"
    assert info.calibration.times_s[-1] == pytest.approx(2.4383, abs=1e-4)
    assert info.calibration.variable_rate
    assert info.warnings == ()


def test_halved_pixels(shared_data) -> None:
    video = open_video(shared_data / "heart" / "examples_ybr_color.dcm")
    assert video.shape == (30, 240, 320)
    assert video.info.spacing_mm is None
    (warning,) = video.info.warnings
    assert "--mm-per-px 1.021" in warning
    rgb = pydicom.pixels.pixel_array(shared_data / "heart" / "examples_ybr_color.dcm")
    np.testing.assert_array_equal(video[17], grey_of(rgb[17]))


@pytest.mark.parametrize(
    "name",
    [
        "GREYSCALE_IMAGE",
        "JPGLosslessP14SV1_1s_1f_8b",
        "US1_J2KR",
        "gdcm-US-ALOKA-16",
        "no-pixel-spacing",
    ],
)
def test_real_stills(shared_data, name: str) -> None:
    with pytest.raises(UsstrackError, match="is a still image"):
        open_video(shared_data / "dicom" / f"{name}.dcm")


def test_real_palette_clip_with_an_ecg_region(shared_data) -> None:
    video = open_video(shared_data / "dicom" / "OBXXXX1A_2frame.dcm")
    assert video.shape == (2, 600, 800)
    assert video.info.spacing_mm == pytest.approx((0.26229, 0.26229), abs=1e-5)
    assert any("--fps" in line for line in video.info.warnings)
