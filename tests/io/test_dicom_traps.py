"""Every known trap of ultrasound DICOM as a whole file, and every real file at hand."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from makers import dicom_dataset, number_in, numbered_stack, region, write_dicom
from PIL import Image
from pydicom.dataset import Dataset

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.dicom_scale import scale
from napari_usstrack.io.registry import open_video

STACK = numbered_stack(5)


def described(tmp_path, frames: np.ndarray = STACK, *regions: Dataset, **tags) -> VideoInfo:
    """What `open_video` makes of a written file."""
    if regions:
        tags["SequenceOfUltrasoundRegions"] = list(regions)
    return open_video(write_dicom(tmp_path / "a.dcm", frames, **tags)).info


def screen() -> Dataset:
    """A region over the whole screen without units."""
    return region(
        RegionSpatialFormat=0,
        RegionDataType=0,
        PhysicalUnitsXDirection=0,
        PhysicalUnitsYDirection=0,
        PhysicalDeltaX=1.0,
        PhysicalDeltaY=1.0,
        RegionLocationMinX0=0,
        RegionLocationMinY0=0,
        RegionLocationMaxX1=159,
        RegionLocationMaxY1=95,
    )


def ecg() -> Dataset:
    return region(
        RegionSpatialFormat=4,
        RegionDataType=10,
        PhysicalUnitsXDirection=4,
        PhysicalUnitsYDirection=0,
        PhysicalDeltaX=0.0096,
        PhysicalDeltaY=0.0,
    )


def test_first_region_is_the_screen_and_the_next_is_mirrored(tmp_path) -> None:
    tissue = region(PhysicalDeltaX=-0.05248, PhysicalDeltaY=0.05248)
    info = described(tmp_path, STACK, screen(), tissue, FrameTime=33.3)
    assert info.spacing_mm == pytest.approx((0.5248, 0.5248), rel=1e-12)
    assert info.calibration.spacing_source == "DICOM region 2"
    assert info.warnings == ()


def test_pixels_halved_after_writing(tmp_path) -> None:
    tissue = region(
        RegionLocationMaxX1=595,
        RegionLocationMaxY1=414,
        PhysicalDeltaX=0.05105,
        PhysicalDeltaY=0.05105,
    )
    info = described(tmp_path, numbered_stack(2, 320, 240), tissue, FrameTime=33.3)
    assert info.spacing_mm is None
    assert "640 x 480 px before, confirm with --mm-per-px 1.021." in info.warnings[0]


@pytest.mark.parametrize(("right", "would_be"), [(200, "1"), (420, "1.5"), (2000, "6.5")])
def test_region_beyond_the_picture_by_any_amount(tmp_path, right: int, would_be: str) -> None:
    tissue = region(RegionLocationMaxX1=right)
    info = described(tmp_path, STACK, tissue, FrameTime=33.3, PixelSpacing=[0.3, 0.3])
    assert info.spacing_mm is None
    assert f"--mm-per-px {would_be}." in info.warnings[0]


def test_region_and_ecg(tmp_path) -> None:
    info = described(tmp_path, STACK, region(), ecg(), FrameTime=33.3)
    assert (info.spacing_mm, info.warnings) == ((0.5, 0.5), ())


def test_centimetres_on_one_axis_only(tmp_path) -> None:
    mixed = region(PhysicalUnitsXDirection=4)
    assert described(tmp_path, STACK, mixed, FrameTime=33.3).spacing_mm is None


def test_two_panels_and_a_colour_bar(tmp_path) -> None:
    bar = region(RegionSpatialFormat=0, RegionDataType=13, PhysicalDeltaX=0, PhysicalDeltaY=0)
    left, right = region(RegionLocationMaxX1=70), region(RegionLocationMinX0=80)
    info = described(tmp_path, STACK, left, right, bar, FrameTime=33.3)
    assert (info.spacing_mm, info.warnings) == ((0.5, 0.5), ())


def test_no_region_and_no_spacing(tmp_path) -> None:
    info = described(tmp_path, FrameTime=33.3)
    assert (info.spacing_mm, info.calibration.spacing_source) == (None, "unknown")


def test_pixel_spacing_names_rows_first_and_is_never_multiplied(tmp_path) -> None:
    info = described(tmp_path, PixelSpacing=[0.2, 0.3], FrameTime=33.3)
    assert info.spacing_mm == (0.3, 0.2)
    info = described(tmp_path, STACK, region(), PixelSpacing=[0.2, 0.3], FrameTime=33.3)
    assert info.spacing_mm == (0.5, 0.5)


def test_spacing_of_an_enhanced_object(tmp_path) -> None:
    measures, group = Dataset(), Dataset()
    measures.PixelSpacing = [0.2, 0.3]
    group.PixelMeasuresSequence = [measures]
    info = described(tmp_path, SharedFunctionalGroupsSequence=[group], FrameTime=33.3)
    assert info.spacing_mm == (0.3, 0.2)
    assert info.calibration.spacing_source == "DICOM PixelMeasures"
    made = Dataset()
    made.Columns, made.Rows = 64, 48
    made.SharedFunctionalGroupsSequence = [Dataset()]
    assert scale(made, "a.dcm").spacing_mm is None


def test_mixed_frame_times_whose_first_is_not_zero(tmp_path) -> None:
    vector = [33.333, 33.3, 38.3, 50.0, 33.3]
    info = described(
        tmp_path, FrameTimeVector=vector, FrameIncrementPointer=0x00181065, CineRate=30
    )
    np.testing.assert_allclose(info.calibration.times_s, [0, 0.0333, 0.0716, 0.1216, 0.1549])
    assert info.calibration.variable_rate
    short = described(tmp_path, FrameTimeVector=vector[:4], CineRate=30)
    assert short.calibration.time_source == "DICOM CineRate"
    assert "4 entries" in short.warnings[0]


@pytest.mark.parametrize("missing", [{}, {"FrameTime": 0}, {"FrameTime": None}])
def test_without_a_frame_time(tmp_path, missing: dict) -> None:
    info = described(tmp_path, **missing, CineRate=50, RecommendedDisplayFrameRate=25)
    assert (info.fps, info.calibration.time_source) == (pytest.approx(50), "DICOM CineRate")
    info = described(tmp_path, **missing, RecommendedDisplayFrameRate=25)
    assert info.fps == pytest.approx(25)
    assert "perhaps not the true one" in info.calibration.time_source
    info = described(tmp_path, **missing)
    assert info.calibration.times_s is None
    assert "--fps" in info.warnings[0]


def test_the_plain_case(tmp_path) -> None:
    tissue = region(PhysicalDeltaX=0.0083078, PhysicalDeltaY=0.0083078)
    frames = numbered_stack(27)
    info = described(tmp_path, frames, tissue, FrameTime=33.333, CineRate=30)
    assert info.frame_count == 27
    assert info.spacing_mm == pytest.approx((0.083078, 0.083078), rel=1e-12)
    np.testing.assert_allclose(info.calibration.times_s, np.arange(27) * 0.033333, rtol=1e-12)
    assert info.warnings == ()


def test_identical_frames_are_a_clip(tmp_path) -> None:
    frames = np.repeat(STACK[:1], 100, axis=0)
    path = write_dicom(tmp_path / "a.dcm", frames, FrameTime=33.3)
    video = open_video(path)
    assert len(video) == 100
    assert video.info.warnings == ()
    np.testing.assert_array_equal(video[99], video[0])


def test_run_length_coding(tmp_path) -> None:
    made = dicom_dataset(STACK, FrameTime=20)
    made.compress(pydicom.uid.RLELossless, encoding_plugin="pydicom")
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(open_video(tmp_path / "a.dcm").frames(range(5)), STACK)


def test_jpeg_baseline_in_colour(tmp_path) -> None:
    colours = np.repeat(STACK[..., None], 3, axis=-1)
    parts = []
    for picture in colours:
        packed = io.BytesIO()
        Image.fromarray(picture).save(packed, "JPEG", quality=95, subsampling="4:2:2")
        parts.append(packed.getvalue())
    made = dicom_dataset(colours, "YBR_FULL_422", FrameTime=20)
    made.PixelData = pydicom.encaps.encapsulate(parts)
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    video = open_video(tmp_path / "a.dcm")
    assert [number_in(video[i]) for i in (4, 0, 2)] == [4, 0, 2]
    assert np.abs(video[3].astype(int) - STACK[3]).mean() < 3


STILLS = {
    "GREYSCALE_IMAGE.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "US1_J2KR.dcm",
    "gdcm-US-ALOKA-16.dcm",
    "no-pixel-spacing.dcm",
}
SCALES_MM = {
    "GREYSCALE_IMAGE.dcm": 0.064904689685,
    "JPGLosslessP14SV1_1s_1f_8b.dcm": 0.25476696592,
    "OBXXXX1A_2frame.dcm": 0.26228787662,
    "US1_J2KR.dcm": None,
    "gdcm-US-ALOKA-16.dcm": 0.38265306503,
    "no-pixel-spacing.dcm": 0.33054208903,
}


def test_every_real_file(shared_data) -> None:
    paths = sorted((shared_data / "dicom").glob("*.dcm"))
    assert {path.name for path in paths} == set(SCALES_MM)
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        found, wanted = scale(header, path.name).spacing_mm, SCALES_MM[path.name]
        assert found == (None if wanted is None else pytest.approx((wanted, wanted), rel=1e-9))
        if path.name in STILLS:
            with pytest.raises(UsstrackError, match="is a still image"):
                open_video(path)
            continue
        video = open_video(path)
        assert video.shape == (2, 600, 800)
        assert video.info.spacing_mm == found
        assert video.frames(range(2)).std() > 5
