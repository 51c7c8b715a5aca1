"""Multi-frame ultrasound DICOM: frames decoded one by one."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import apply_color_lut, get_decoder, iter_pixels

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.clip import Bytes, ClipVideo, file_digest, still_image
from napari_usstrack.io.dicom_scale import calibration
from napari_usstrack.io.pixels import grey_of, scaling_note, to_bytes

_TAGS: list[int | str] = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "FrameIncrementPointer",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "SequenceOfUltrasoundRegions",
    "SharedFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
]
"""All that is ever parsed: nothing about the patient."""
_FRAMES: list[int | str] = ["NumberOfFrames", "Rows"]
_DEFER = 2**16
_SAMPLES = 9
_DAMAGE = (
    ValueError,
    RuntimeError,
    NotImplementedError,
    AttributeError,
    OSError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    BytesLengthException,
)


def open_clip(path: Path, *, after: Callable[[], object] | None = None) -> ClipVideo:
    """Open a multi-frame DICOM file.

    Scale comes from calibrated ultrasound regions or PixelSpacing, times from
    the frame-time tags; see `dicom_scale`.

    Parameters
    ----------
    path : Path
        The file.
    after : callable, optional
        Called once the file has been closed.
    """
    dataset = _header(path)
    count = int(dataset.get("NumberOfFrames") or 1)
    if count == 1:
        raise still_image(path.name)
    _check_decoder(dataset, path.name)
    reader = DicomReader(path, dataset, count, after)
    try:
        notes = reader.prepare()
        known, doubts = calibration(dataset, count, path.name)
        info = VideoInfo(
            frame_count=count,
            width=reader.width,
            height=reader.height,
            calibration=known,
            digest=file_digest(path),
            name=path.name,
            path=str(path),
            warnings=(*notes, *doubts),
        )
    except UsstrackError:
        reader.close()
        raise
    return ClipVideo(info, reader)


def frames_stated(file: IO[bytes]) -> int:
    """Number of frames by the header of an open DICOM file; 0 where it cannot be told."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=_FRAMES)
            return int(dataset.get("NumberOfFrames") or 1) if dataset.get("Rows") else 0
    except (InvalidDicomError, *_DAMAGE):
        return 0


def _header(path: Path) -> Any:
    """The tags of interest; pixel data stay in the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, defer_size=_DEFER, specific_tags=_TAGS)
            if dataset.file_meta.get("TransferSyntaxUID") is None:
                raise InvalidDicomError("no transfer syntax")
            pictures = "PixelData" in dataset and dataset.get("Rows") and dataset.get("Columns")
    except InvalidDicomError as error:
        raise UsstrackError(
            f"{path.name} is not a DICOM file, whatever its name says; export it again."
        ) from error
    except _DAMAGE as error:
        raise _damaged(path.name) from error
    if not pictures:
        raise UsstrackError(
            f"{path.name} is a DICOM file without pictures; choose the file that holds the clip."
        )
    return dataset


def _check_decoder(dataset: Any, name: str) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise UsstrackError(
            f"{name} is compressed as {syntax.name}, which needs more software; install it with "
            'pip install "napari-usstrack[dicom]".'
        )


def _damaged(name: str) -> UsstrackError:
    return UsstrackError(
        f"{name} is cut short or damaged and its frames cannot be decoded; copy or export it again."
    )


class DicomReader:
    """Frames of a DICOM file by number.

    Parameters
    ----------
    path : Path
        The file, opened once and kept open.
    dataset : pydicom Dataset
        Its header.
    count : int
        Number of frames.
    after : callable, optional
        Called once the file has been closed.
    """

    whole = None

    def __init__(
        self,
        path: Path,
        dataset: Any,
        count: int,
        after: Callable[[], object] | None = None,
    ) -> None:
        self._after = after
        self.name, self.count = path.name, count
        self.width, self.height = int(dataset.Columns), int(dataset.Rows)
        self._kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
        self._table = _palette(dataset) if self._kind == "PALETTE COLOR" else None
        self._colourful = self._table is not None or int(dataset.get("SamplesPerPixel", 1)) == 3
        self._limits: tuple[float, float] | None = None
        self._file: BinaryIO = path.open("rb")
        syntax = dataset.file_meta.TransferSyntaxUID
        self._one_by_one = self._kind == "YBR_FULL_422" and not syntax.is_encapsulated
        deflated = syntax.is_deflated
        self._source: Any = dcmread(path, specific_tags=_TAGS) if deflated else self._file

    def prepare(self) -> tuple[str, ...]:
        """Decode a few frames, so that damage shows now, and fix the grey scaling."""
        ends = list(self._decode([0, self.count - 1]))
        dtype = ends[0].dtype
        if dtype == np.uint8 or self._table is not None:
            return ()
        picked = np.unique(np.linspace(0, self.count - 1, _SAMPLES).round().astype(int))
        frames = list(self._decode([int(i) for i in picked]))
        self._limits = (float(np.min(frames)), float(np.max(frames)))
        of = f"{len(frames)} frames spread over the clip"
        return (scaling_note(self.name, dtype, self._limits, of),)

    @property
    def read_colour(self) -> Callable[[range], Iterator[tuple[int, Bytes]]] | None:
        """Reader of RGB frames; None for a grey source."""
        return self._colour if self._colourful else None

    def read_grey(self, span: range) -> Iterator[tuple[int, Bytes]]:
        """Grey frames of a span."""
        for number, picture in self._pictures(span):
            yield number, grey_of(picture) if self._colourful else picture

    def _colour(self, span: range) -> Iterator[tuple[int, Bytes]]:
        return self._pictures(span)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        if self._after is not None:
            self._after()

    def _pictures(self, span: range) -> Iterator[tuple[int, Bytes]]:
        """Bytes, grey or RGB, with high values bright."""
        for number, values in zip(span, self._decode(list(span)), strict=True):
            if self._table is not None:
                yield number, self._table[values]
                continue
            picture = values if self._limits is None else to_bytes(values, self._limits)
            yield number, np.uint8(255) - picture if self._kind == "MONOCHROME1" else picture

    def _decode(self, indices: list[int]) -> Iterator[NDArray]:
        # pydicom 3.0 misplaces every frame but the first of an uncompressed 4:2:2 run.
        runs = [[index] for index in indices] if self._one_by_one else [indices]
        try:
            for run in runs:
                yield from iter_pixels(self._source, indices=run)
        except _DAMAGE as error:
            raise _damaged(self.name) from error


def _palette(dataset: Any) -> Bytes:
    """RGB bytes for every stored value."""
    values = np.arange(2 ** int(dataset.BitsAllocated), dtype=f"u{int(dataset.BitsAllocated) // 8}")
    table = apply_color_lut(values.reshape(1, -1), dataset)[0]
    if table.max() > 255:
        table = table >> 8
    return table.astype(np.uint8)
