"""Generators of test files; each picture carries its frame number as dark and bright blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 10
BLOCK = 12


def numbered(number: int, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """A grey picture with its number as a row of blocks, over a moving texture."""
    y, x = np.mgrid[:height, :width]
    picture = (110 + 40 * np.sin((x + 2 * number) / 7) * np.cos((y - number) / 9)).astype(np.uint8)
    for bit in range(BITS):
        at = slice(bit * BLOCK, (bit + 1) * BLOCK)
        picture[:BLOCK, at] = 220 if number >> bit & 1 else 30
    return picture


def number_in(picture: NDArray) -> int:
    """The number written by `numbered`, after any codec."""
    middle = picture[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK]
    return sum(1 << bit for bit, value in enumerate(middle) if value > 125)


def write_video(
    path: Path,
    count: int = 40,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (160, 96),
    rate: int = 25,
    gop: int = 250,
    b_frames: int = 0,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    picture: Callable[[int, int, int], NDArray[np.uint8]] = numbered,
    adapt: Callable[[Any], None] | None = None,
) -> Path:
    """Encode numbered grey (or RGB) pictures.

    `pts` are in units of `time_base`; `adapt` may set fields of each frame.
    """
    import av

    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        if time_base is not None:
            stream.time_base = stream.codec_context.time_base = time_base
        for number in range(count):
            values = picture(number, *size)
            kind = "gray" if values.ndim == 2 else "rgb24"
            frame = av.VideoFrame.from_ndarray(values, format=kind)
            if kind != pix_fmt:
                full = pix_fmt.startswith("yuvj")
                frame = frame.reformat(format=pix_fmt, dst_color_range=2 if full else 1)
            if adapt is not None:
                adapt(frame)
            frame.pts = number if pts is None else pts[number]
            if time_base is not None:
                frame.time_base = time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def region(**changes: Any) -> Any:
    """An ultrasound region: 2-D tissue in cm, 0.05 cm per px, inside 64 x 48 px."""
    from pydicom.dataset import Dataset

    values = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": 4,
        "RegionLocationMinY0": 4,
        "RegionLocationMaxX1": 59,
        "RegionLocationMaxY1": 43,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.05,
        "PhysicalDeltaY": 0.05,
    }
    made = Dataset()
    for keyword, value in (values | changes).items():
        setattr(made, keyword, value)
    return made


def dicom_dataset(frames: NDArray, kind: str = "MONOCHROME2", **tags: Any) -> Any:
    """A multi-frame dataset of the given pictures, uncompressed."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["usstrack"])
    made.SOPClassUID = UltrasoundMultiFrameImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID
    made.Modality = "US"
    made.PatientName = "Test^Nobody"
    made.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    if frames.ndim == 4:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = kind
    made.NumberOfFrames, made.Rows, made.Columns = (str(len(frames)), *frames.shape[1:3])
    made.BitsAllocated = made.BitsStored = 8 * frames.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = 0
    made.PixelData = frames.tobytes()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def write_dicom(path: Path, frames: NDArray, kind: str = "MONOCHROME2", **tags: Any) -> Path:
    """Save `dicom_dataset` as a file."""
    dicom_dataset(frames, kind, **tags).save_as(path, enforce_file_format=True)
    return path


def write_mat73(path: Path, **variables: Any) -> Path:
    """A MATLAB 7.3 file: HDF5 after 512 bytes of header, axes reversed, structs as groups."""
    import h5py

    def put(group: Any, name: str, value: Any) -> None:
        if isinstance(value, dict):
            inside = group.create_group(name)
            for field, part in value.items():
                put(inside, field, part)
            return
        values = np.atleast_2d(np.asarray(value))
        group.create_dataset(name, data=values.T, chunks=True, compression="gzip")

    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            put(file, name, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(124) + b"\x00\x02IM")
    return path


def numbered_stack(count: int = 6, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """Numbered pictures as one array ``[t, y, x]``."""
    return np.stack([numbered(i, width, height) for i in range(count)])
