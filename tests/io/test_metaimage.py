"""MetaImage sequences: layouts, compression, scale, frame times, orientation, damage."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from makers import number_in, numbered_stack

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import metaimage
from napari_usstrack.io.registry import can_open, open_video

STACK = numbered_stack(5)
STAMPS = [12.5, 12.52, 12.545, 12.56, 12.6]


def write(
    path: Path,
    frames: np.ndarray = STACK,
    *,
    kind: str = "MET_UCHAR",
    data: str = "LOCAL",
    **fields,
) -> Path:
    """A sequence x, y, frame; `fields` replace or add header lines."""
    packed = str(fields.get("CompressedData", "False")) == "True"
    size = frames.shape[:3][::-1]
    lines = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "DimSize": " ".join(map(str, size)),
        "ElementSpacing": "0.2 0.1 1",
        "ElementType": kind,
        **fields,
        "ElementDataFile": data,
    }
    head = "".join(f"{key} = {value}\n" for key, value in lines.items()).encode()
    body = zlib.compress(frames.tobytes()) if packed else frames.tobytes()
    path.write_bytes(head + (body if data == "LOCAL" else b""))
    if data != "LOCAL":
        (path.parent / data).write_bytes(body)
    return path


def stamped(stamps: list[float] = STAMPS) -> dict[str, object]:
    return {f"Seq_Frame{i:04}_Timestamp": value for i, value in enumerate(stamps)}


def refused(path: Path) -> str:
    with pytest.raises(UsstrackError) as caught:
        open_video(path)
    assert path.name in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("packed", ["True", "False"])
@pytest.mark.parametrize(("name", "data"), [("a.mha", "LOCAL"), ("a.mhd", "a.zraw")])
def test_layouts(tmp_path, packed: str, name: str, data: str) -> None:
    path = write(tmp_path / name, data=data, CompressedData=packed, **stamped())
    assert can_open(path)
    info = open_video(path).info
    np.testing.assert_array_equal(open_video(path).frames(range(5)), STACK)
    assert info.spacing_mm == (0.2, 0.1)
    assert info.calibration.spacing_source == "MetaImage ElementSpacing"
    np.testing.assert_allclose(info.calibration.times_s, np.array(STAMPS) - 12.5)
    assert info.calibration.time_source == "MetaImage frame time stamps"
    assert info.warnings == ()
    assert len(info.digest) == 32


def test_uncompressed_is_mapped(tmp_path) -> None:
    video = open_video(write(tmp_path / "a.mha"))
    assert isinstance(video._frames.reader.source, np.memmap)


def test_large_compressed_data_go_to_a_temporary_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(metaimage, "GREY_BUDGET", 1000)
    monkeypatch.setattr(metaimage, "_READ", 4096)
    video = open_video(write(tmp_path / "a.mha", CompressedData="True"))
    np.testing.assert_array_equal(video.frames(range(5)), STACK)


def test_colour_and_deep_values(tmp_path) -> None:
    colours = np.repeat(STACK[..., None], 3, axis=-1)
    path = write(tmp_path / "c.mha", colours, ElementNumberOfChannels=3)
    np.testing.assert_array_equal(open_video(path)[3], STACK[3])
    deep = (STACK.astype(">u2")) * 9
    path = write(tmp_path / "d.mha", deep, kind="MET_USHORT", BinaryDataByteOrderMSB="True")
    video = open_video(path)
    assert number_in(video[4]) == 4
    assert "0 to 255" in video.info.warnings[0]


def test_fourth_axis_of_one(tmp_path) -> None:
    path = write(tmp_path / "a.mha", NDims=4, DimSize="160 96 1 5")
    assert len(open_video(path)) == 5


def test_header_to_skip(tmp_path) -> None:
    path = write(tmp_path / "a.mhd", data="a.raw", HeaderSize=-1)
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"x" * 100 + raw.read_bytes())
    np.testing.assert_array_equal(open_video(path)[2], STACK[2])
    path = write(path, data="a.raw", HeaderSize=100)
    raw.write_bytes(b"x" * 100 + raw.read_bytes())
    np.testing.assert_array_equal(open_video(path)[2], STACK[2])


@pytest.mark.parametrize("spacing", ["1 1 1", "1 1", "1.0 1.000 0.5", "0 0 1"])
def test_a_spacing_of_one_is_no_scale(tmp_path, spacing: str) -> None:
    info = open_video(write(tmp_path / "a.mha", ElementSpacing=spacing, **stamped())).info
    assert info.spacing_mm is None
    assert "--mm-per-px" in info.warnings[0]


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("cm", 10), ("um", 0.001)])
def test_units(tmp_path, unit: str, factor: float) -> None:
    info = open_video(write(tmp_path / "a.mha", DistanceUnits=unit)).info
    assert info.spacing_mm == pytest.approx((0.2 * factor, 0.1 * factor))


def test_unknown_unit(tmp_path) -> None:
    assert open_video(write(tmp_path / "a.mha", DistanceUnits="furlong")).info.spacing_mm is None


@pytest.mark.parametrize(
    "stamps", [STAMPS[:4], [1, 2, 2, 3, 4], [1, 2, 3, 4, "x"], [1, 2, 3, 4, "nan"]]
)
def test_stamps_that_cannot_be_used(tmp_path, stamps: list) -> None:
    info = open_video(write(tmp_path / "a.mha", **stamped(stamps))).info
    assert info.calibration.times_s is None
    assert "--fps" in info.warnings[0]


def test_no_stamps(tmp_path) -> None:
    info = open_video(write(tmp_path / "a.mha")).info
    assert "states no frame times" in info.warnings[0]


@pytest.mark.parametrize(
    ("stated", "words"),
    [("UF", "mirrored"), ("MN", "upside down"), ("UNA", "half a turn"), ("FM", "another axis")],
)
def test_orientation_is_told_not_applied(tmp_path, stated: str, words: str) -> None:
    path = write(tmp_path / "a.mha", UltrasoundImageOrientation=stated, **stamped())
    video = open_video(path)
    assert words in video.info.warnings[0]
    np.testing.assert_array_equal(video[1], STACK[1])


@pytest.mark.parametrize("stated", ["MF", "MFA", "mf"])
def test_usual_orientation(tmp_path, stated: str) -> None:
    path = write(tmp_path / "a.mha", UltrasoundImageOrientation=stated, **stamped())
    assert open_video(path).info.warnings == ()


def test_frames_marked_invalid(tmp_path) -> None:
    status = {"Seq_Frame0000_ImageStatus": "OK", "Seq_Frame0001_ImageStatus": "INVALID"}
    info = open_video(write(tmp_path / "a.mha", **status, **stamped())).info
    assert "marks 1 of its frames as not valid" in info.warnings[0]


@pytest.mark.parametrize("packed", ["True", "False"])
def test_cut_short(tmp_path, packed: str) -> None:
    path = write(tmp_path / "a.mha", CompressedData=packed)
    path.write_bytes(path.read_bytes()[:-300])
    assert "cut short or damaged" in refused(path)


def test_what_cannot_be_read(tmp_path) -> None:
    path = tmp_path / "a.mhd"
    assert "not beside it" in refused(write(path, data="gone.raw") and _without(path, "gone.raw"))
    assert "many files" in refused(write(path, data="LIST"))
    assert "binary" in refused(write(path, kind="MET_STRING"))
    assert "binary" in refused(write(path, DimSize="160 96 5 2 3"))
    assert "binary" in refused(write(path, DimSize="a b c"))
    assert "still image" in refused(write(path, STACK[:1]))
    assert "still image" in refused(write(path, NDims=2, DimSize="160 96"))
    path.write_text("hello\n")
    assert "no complete MetaImage header" in refused(path)


def _without(path: Path, other: str) -> Path:
    (path.parent / other).unlink()
    return path


def test_real_phantom(shared_data) -> None:
    (path,) = (shared_data / "phantom").glob("*.mha")
    video = open_video(path)
    assert video.shape == (201, 480, 640)
    assert video.info.spacing_mm is None
    assert video.info.calibration.times_s is None
    assert len(video.info.warnings) == 2
    x, y = 357, 235
    around = video[0][y - 4 : y + 5, x - 4 : x + 5]
    assert around.max() > video[0].mean() + 60
