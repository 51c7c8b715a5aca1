"""MetaImage sequences (.mha, and .mhd with its data file), as Plus and ITK write them."""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.array_video import stack_clip
from napari_usstrack.io.clip import GREY_BUDGET, ClipVideo, file_digest

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MM = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3}
_LAST = "ElementDataFile"
_LONGEST_HEADER = 64 * 2**20
_READ = 2**22
_TRUE = "true"

Header = dict[str, str]


def open_clip(path: Path) -> ClipVideo:
    """Open a MetaImage sequence ``x, y, frame``.

    Uncompressed data are mapped, not loaded. Times are the time stamps that
    Plus keeps for each frame, scale is ElementSpacing unless that is 1 on both
    axes, which is what programs write that do not know it.
    """
    header, start = _header(path)
    shape, dtype = _layout(header, path)
    data, at = _data_file(header, path, start)
    if header.get("CompressedData", "").lower() == _TRUE:
        source = _inflated(data, at, shape, dtype, path)
    else:
        source = _mapped(data, at, header, shape, dtype, path)
    known, notes = _calibration(header, shape[0], path.name)
    video = stack_clip(source, known, name=path.name, path=str(path), digest=file_digest(data))
    return video.with_info(replace(video.info, warnings=(*video.info.warnings, *notes)))


def _header(path: Path) -> tuple[Header, int]:
    """Fields as text, and where the bytes after the last of them begin."""
    found: Header = {}
    with path.open("rb") as file:
        while (line := file.readline(_READ)) and file.tell() < _LONGEST_HEADER:
            if not line.strip():
                continue
            key, sign, value = line.decode("utf-8", "replace").partition("=")
            if not sign:
                break
            found[key.strip()] = value.strip()
            if key.strip() == _LAST:
                return found, file.tell()
    raise UsstrackError(f"{path.name} has no complete MetaImage header; copy or export it again.")


def _layout(header: Header, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape ``frame, y, x`` (and colour), and the type of values."""
    order = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", ""))
    code = _TYPES.get(header.get("ElementType", ""))
    try:
        size = [int(n) for n in header.get("DimSize", "").split()]
        channels = int(header.get("ElementNumberOfChannels", "1"))
    except ValueError:
        size, channels = [], 0
    if len(size) == 4 and size[2] == 1:
        del size[2]
    binary = header.get("BinaryData", _TRUE).lower() == _TRUE
    if code is None or len(size) not in (2, 3) or channels not in (1, 3, 4) or not binary:
        raise UsstrackError(
            f"{path.name} holds {header.get('ElementType', 'values of no type')} of size "
            f"{header.get('DimSize', 'unknown')}, not a sequence of pictures; export it as "
            "x, y, frame in binary."
        )
    if min(size) < 1:
        raise _damaged(path)
    shape = (*(size[::-1] if len(size) == 3 else (1, *size[::-1])),)
    dtype = np.dtype(code).newbyteorder(">" if order.lower() == _TRUE else "<")
    return shape + ((channels,) if channels > 1 else ()), dtype


def _data_file(header: Header, path: Path, start: int) -> tuple[Path, int]:
    """The file that holds the values, and where in it they begin."""
    name = header[_LAST]
    if name.upper() == "LOCAL":
        return path, start
    if name.upper().startswith("LIST") or "%" in name:
        raise UsstrackError(
            f"{path.name} spreads its frames over many files, which is not read; save it as one "
            ".mha file."
        )
    data = path.parent / name.replace("\\", "/").rpartition("/")[2]
    if not data.is_file():
        raise UsstrackError(
            f"{path.name} keeps its frames in {data.name}, which is not beside it; put both in "
            "one folder."
        )
    return data, max(0, int(header.get("HeaderSize", "0")))


def _mapped(
    data: Path, at: int, header: Header, shape: tuple[int, ...], dtype: np.dtype, path: Path
) -> NDArray:
    size, wanted = data.stat().st_size, dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if header.get("HeaderSize", "").strip() == "-1":
        at = size - wanted
    if at < 0 or size - at < wanted:
        raise _damaged(path)
    return np.memmap(data, dtype=dtype, mode="r", offset=at, shape=shape)


def _inflated(data: Path, at: int, shape: tuple[int, ...], dtype: np.dtype, path: Path) -> NDArray:
    """Decompressed values; in a temporary file where they would fill the memory."""
    wanted = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    room = _room(wanted)
    unpack = zlib.decompressobj(wbits=47)
    done = 0
    try:
        with data.open("rb") as file:
            file.seek(at)
            while done < wanted and not unpack.eof:
                packed = unpack.unconsumed_tail or file.read(_READ)
                piece = unpack.decompress(packed, min(_READ, wanted - done))
                room[done : done + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
                done += len(piece)
                if not packed and not piece:
                    break
    except zlib.error as error:
        raise _damaged(path) from error
    if done < wanted:
        raise _damaged(path)
    return np.asarray(room).view(dtype).reshape(shape)


def _room(size: int) -> NDArray[np.uint8]:
    if size <= GREY_BUDGET:
        return np.empty(size, dtype=np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=(size,))


def _calibration(header: Header, count: int, name: str) -> tuple[Calibration, tuple[str, ...]]:
    spacing, doubt = _spacing(header, name)
    times, late = _times(header, count, name)
    source = "unknown" if spacing is None else "MetaImage ElementSpacing"
    when = "unknown" if times is None else "MetaImage frame time stamps"
    notes = (*doubt, *late, *_turned(header, name), *_invalid(header, name))
    return Calibration(spacing, times, source, when), notes


def _spacing(header: Header, name: str) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    try:
        x, y = (float(n) for n in header.get("ElementSpacing", "").split()[:2])
    except ValueError:
        return None, ()
    factor = _MM.get(header.get("DistanceUnits", "mm").lower())
    if (x, y) == (1.0, 1.0) or factor is None or not np.isfinite([x, y]).all() or min(x, y) <= 0:
        stated = header.get("ElementSpacing", "")
        note = (
            f"{name} states an ElementSpacing of {stated}, which does not tell a scale, so lengths "
            "stay in pixels; give it with --mm-per-px."
        )
        return None, (note,)
    return (factor * x, factor * y), ()


def _times(
    header: Header, count: int, name: str
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Seconds from the first frame by ``Seq_FrameNNNN_Timestamp``."""
    stated = {
        int(key[9:-10]): value
        for key, value in header.items()
        if key.startswith("Seq_Frame") and key.endswith("_Timestamp") and key[9:-10].isdecimal()
    }
    if not stated:
        return None, (f"{name} states no frame times, so times are unknown; give --fps.",)
    try:
        seconds = np.array([float(stated[i]) for i in range(count)])
    except (KeyError, ValueError):
        seconds = np.array([np.nan])
    if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any():
        return None, (
            f"{name} has frame time stamps that are incomplete or do not rise, so times are "
            "unknown; give --fps.",
        )
    return seconds - seconds[0], ()


def _turned(header: Header, name: str) -> tuple[str, ...]:
    """What the orientation says when it is not the usual one, x to the mark and y to the depth."""
    stated = header.get("UltrasoundImageOrientation", "MF").upper()[:2]
    words = {
        "UF": "mirrored left to right",
        "MN": "upside down, with the probe at the bottom",
        "UN": "turned by half a turn, with the probe at the bottom",
    }
    if stated in ("MF", "XX", ""):
        return ()
    how = words.get(stated, "with depth along another axis than y")
    return (
        f"{name} has the orientation {stated}, so its pictures are {how}; they are shown as "
        "stored, rotate or flip them before export if you need the usual view.",
    )


def _invalid(header: Header, name: str) -> tuple[str, ...]:
    bad = sum(
        key.startswith("Seq_Frame") and key.endswith("ImageStatus") and value.upper() != "OK"
        for key, value in header.items()
    )
    return (f"{name} marks {bad} of its frames as not valid; check what they show.",) if bad else ()


def _damaged(path: Path) -> UsstrackError:
    return UsstrackError(f"{path.name} is cut short or damaged; copy or export it again.")
