"""Scale and times from DICOM tags, trap by trap."""

from __future__ import annotations

import numpy as np
import pytest
from makers import region
from pydicom.dataset import Dataset

from napari_usstrack.io.dicom_scale import calibration, regions, scale, times


def dataset(*items: Dataset, size: tuple[int, int] = (64, 48), **tags) -> Dataset:
    made = Dataset()
    made.Columns, made.Rows = size
    if items:
        made.SequenceOfUltrasoundRegions = list(items)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def ecg() -> Dataset:
    return region(
        RegionSpatialFormat=4,
        RegionDataType=10,
        PhysicalUnitsXDirection=4,
        PhysicalUnitsYDirection=0,
        PhysicalDeltaX=0.009,
        PhysicalDeltaY=0.0,
        RegionLocationMaxX1=500,
    )


def test_one_region() -> None:
    found = scale(dataset(region(PhysicalDeltaY=0.0083078)), "a.dcm")
    assert found.spacing_mm == pytest.approx((0.5, 0.083078), rel=1e-12)
    assert found[1:] == ("DICOM region 1", ())


def test_negative_deltas() -> None:
    found = scale(dataset(region(PhysicalDeltaX=-0.05248, PhysicalDeltaY=0.05248)), "a.dcm")
    assert found.spacing_mm == pytest.approx((0.5248, 0.5248))


@pytest.mark.parametrize(
    "changes",
    [
        {"RegionSpatialFormat": 0, "RegionDataType": 0, "PhysicalUnitsXDirection": 0},
        {"RegionSpatialFormat": 2},
        {"RegionDataType": 3},
        {"PhysicalUnitsXDirection": 4},
        {"PhysicalUnitsYDirection": 7},
        {"PhysicalDeltaX": 0.0},
    ],
)
def test_other_regions_do_not_count(changes: dict) -> None:
    other = region(PhysicalDeltaY=1.0, RegionLocationMaxX1=900, **changes)
    found = scale(dataset(other, region()), "a.dcm")
    assert found == ((0.5, 0.5), "DICOM region 2", ())
    assert scale(dataset(other), "a.dcm").spacing_mm is None


def test_ecg_beside_the_picture() -> None:
    assert scale(dataset(region(), ecg()), "a.dcm").spacing_mm == (0.5, 0.5)


def test_colour_flow_counts() -> None:
    assert len(regions(dataset(region(), region(RegionDataType=2)))) == 2


def test_equal_panels() -> None:
    left = region(RegionLocationMaxX1=30, PhysicalDeltaX=-0.05)
    assert scale(dataset(left, region(RegionLocationMinX0=31)), "a.dcm").spacing_mm == (0.5, 0.5)


def test_differing_panels_stay_in_pixels() -> None:
    found = scale(dataset(region(), region(PhysicalDeltaX=0.06)), "a.dcm")
    assert found.spacing_mm is None
    assert "0.5 mm/px in region 1" in found.warnings[0]
    assert "0.6,0.5 mm/px in region 2" in found.warnings[0]
    assert "--mm-per-px" in found.warnings[0]


@pytest.mark.parametrize(
    ("size", "corner", "would_be"),
    [
        ((320, 240), (595, 414), "1"),
        ((64, 48), (66, 40), "5"),
        ((640, 480), (701, 500), "0.6"),
        ((100, 90), (150, 80), "1"),
        ((64, 48), (60, 50), "5"),
    ],
)
def test_regions_beyond_the_picture(size, corner, would_be: str) -> None:
    item = region(RegionLocationMaxX1=corner[0], RegionLocationMaxY1=corner[1])
    found = scale(dataset(item, size=size, PixelSpacing=[0.3, 0.3]), "a.dcm")
    assert found.spacing_mm is None
    assert f"--mm-per-px {would_be}." in found.warnings[0]


def test_sonosite_factor() -> None:
    item = region(
        RegionLocationMaxX1=595,
        RegionLocationMaxY1=414,
        PhysicalDeltaX=0.05104970559477806,
        PhysicalDeltaY=0.05104970559477806,
    )
    found = scale(dataset(item, size=(320, 240)), "a.dcm")
    assert "640 x 480 px before, confirm with --mm-per-px 1.021." in found.warnings[0]


def test_one_pixel_over_is_taken_with_a_note() -> None:
    found = scale(dataset(region(RegionLocationMaxX1=64)), "a.dcm")
    assert found.spacing_mm == (0.5, 0.5)
    assert "one pixel beyond" in found.warnings[0]


def test_pixel_spacing_is_row_first_and_the_fallback() -> None:
    assert scale(dataset(PixelSpacing=[0.2, 0.3]), "a.dcm").spacing_mm == (0.3, 0.2)
    assert scale(dataset(ecg(), PixelSpacing=[0.2, 0.3]), "a.dcm").spacing_mm == (0.3, 0.2)
    assert scale(dataset(region(), PixelSpacing=[0.2, 0.3]), "a.dcm").spacing_mm == (0.5, 0.5)


@pytest.mark.parametrize("tags", [{}, {"PixelSpacing": [0, 0.3]}, {"PixelSpacing": None}])
def test_no_scale(tags: dict) -> None:
    assert scale(dataset(**tags), "a.dcm") == (None, "unknown", ())


def test_frame_time_vector_starts_at_zero() -> None:
    found = times(dataset(FrameTimeVector=[33.3, 33.3, 50, 38.3]), 4, "a.dcm")
    np.testing.assert_allclose(found.times_s, [0, 0.0333, 0.0833, 0.1216])
    assert found.source == "DICOM FrameTimeVector"
    assert found.warnings == ()


@pytest.mark.parametrize("pointer", [None, 0x00181065, [0x00181065, 0x00181063]])
def test_vector_before_frame_time(pointer) -> None:
    tags = {} if pointer is None else {"FrameIncrementPointer": pointer}
    made = dataset(FrameTimeVector=[0, 10, 20], FrameTime=40, **tags)
    np.testing.assert_allclose(times(made, 3, "a.dcm").times_s, [0, 0.01, 0.03])


def test_pointer_to_frame_time() -> None:
    made = dataset(FrameTimeVector=[0, 10, 20], FrameTime=40, FrameIncrementPointer=0x00181063)
    np.testing.assert_allclose(times(made, 3, "a.dcm").times_s, [0, 0.04, 0.08])
    made.FrameTime = 0
    np.testing.assert_allclose(times(made, 3, "a.dcm").times_s, [0, 0.01, 0.03])


@pytest.mark.parametrize(
    ("vector", "words"), [([0, 10], "2 entries"), ([0, 10, 0], "rise"), ([0, 10, -5], "rise")]
)
def test_vectors_that_do_not_fit(vector: list, words: str) -> None:
    found = times(dataset(FrameTimeVector=vector, FrameTime=40), 3, "a.dcm")
    assert found.source == "DICOM FrameTime"
    assert words in found.warnings[0]


@pytest.mark.parametrize("step", [None, 0])
def test_rates_without_frame_time(step) -> None:
    made = dataset(FrameTime=step, CineRate=50, RecommendedDisplayFrameRate=25)
    found = times(made, 3, "a.dcm")
    np.testing.assert_allclose(found.times_s, [0, 0.02, 0.04])
    assert found.source == "DICOM CineRate"
    del made.CineRate
    found = times(made, 3, "a.dcm")
    assert found.times_s[-1] == pytest.approx(0.08)
    assert "display rate, perhaps not the true one" in found.source


def test_no_rate() -> None:
    found = times(dataset(), 3, "a.dcm")
    assert found.times_s is None
    assert "--fps" in found.warnings[0]


def test_calibration_joins_both() -> None:
    known, notes = calibration(dataset(region(), FrameTime=33.333, CineRate=30), 4, "a.dcm")
    assert known.spacing_mm == (0.5, 0.5)
    assert known.fps == pytest.approx(1000 / 33.333)
    assert known.time_source == "DICOM FrameTime"
    assert notes == ()
