"""Clips inside MATLAB files: Telemed conversions with their pictures (``TVDdata.Im``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import matfile
from napari_usstrack.io.array_video import stack_clip
from napari_usstrack.io.clip import ClipVideo, file_digest, still_image
from napari_usstrack.io.sidecar import from_telemed

_PICTURES = "TVDdata/Im"
_SIDECARS = {"TVDdata", "Params"}
_TRACKS = {"TrackingData", "Fdat"}
_STILL = {"data", "pixtocm"}
_CHUNK_CACHE = 64 * 2**20
_SURELY_PICTURES = 16 * 2**20
"""A file of more bytes than this with TVDdata holds its pictures."""


class Frames73:
    """Pictures of a version 7.3 file, ``[t, y, x]``, read when sliced.

    Parameters
    ----------
    dataset : h5py.Dataset
        As HDF5 has it: frame, x, y.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.dtype = np.dtype(dataset.dtype)
        sizes = tuple(int(n) for n in dataset.shape)
        self.shape = (sizes[0], sizes[2], sizes[1]) if len(sizes) == 3 else sizes

    def __getitem__(self, at: slice) -> NDArray:
        return np.ascontiguousarray(np.asarray(self.dataset[at]).swapaxes(1, 2))


def holds_clip(path: Path) -> bool:
    """Whether a ``.mat`` holds pictures of a clip, rather than scale, times or tracks."""
    try:
        if "TVDdata" not in matfile.names(path):
            return False
        hdf5 = matfile.is_hdf5(path)
        if not hdf5 and path.stat().st_size > _SURELY_PICTURES:
            return True
        return "Im" in _fields(matfile.load(path, ("TVDdata",)))
    except (matfile.UnreadableError, OSError):
        return False


def open_clip(path: Path) -> ClipVideo:
    """Open a MATLAB file with ``TVDdata.Im``, height x width x frames.

    Scale and times come from ``TVDdata`` as well. A file of version 7.3 is
    read frame by frame, an older one as a whole.
    """
    try:
        names = matfile.names(path)
        values = matfile.load(path, ("TVDdata",))
    except matfile.UnreadableError as error:
        raise UsstrackError(
            f"{path.name} is damaged or not a MATLAB file; save it again."
        ) from error
    data = _fields(values)
    if "Im" not in data:
        raise _no_pictures(path.name, names)
    source, close = _source(path, data)
    count = int(source.shape[0])
    found = from_telemed(data, count, path.name)
    known = Calibration(
        found.spacing_mm,
        found.times_s,
        "TVDdata cmPerPix" if found.spacing_mm else "unknown",
        "TVDdata Time" if found.times_s is not None else "unknown",
    )
    video = stack_clip(
        source, known, name=path.name, path=str(path), digest=file_digest(path), close=close
    )
    notes = (*video.info.warnings, *found.warnings)
    if found.times_s is None:
        notes += (f"{path.name} has no usable frame times; give the rate with --fps.",)
    return video.with_info(replace(video.info, warnings=notes))


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    data = values.get("TVDdata")
    return data if isinstance(data, dict) else {}


def _source(path: Path, data: dict[str, Any]) -> tuple[Any, Callable[[], object] | None]:
    """Pictures ``[t, y, x]``, and how to close their file."""
    if matfile.is_hdf5(path):
        import h5py

        file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
        source = Frames73(file[_PICTURES])
        if len(source.shape) == 3:
            return source, file.close
        file.close()
        raise still_image(path.name)
    pictures = np.asarray(data["Im"])
    if pictures.ndim == 2:
        raise still_image(path.name)
    if pictures.ndim != 3:
        raise UsstrackError(
            f"{path.name} has pictures of shape {pictures.shape}; a clip needs height x width x "
            "frames."
        )
    return np.ascontiguousarray(np.moveaxis(pictures, 2, 0)), None


def _no_pictures(name: str, names: set[str]) -> UsstrackError:
    if names >= _STILL:
        return still_image(name)
    if names & _TRACKS:
        return UsstrackError(
            f"{name} holds tracks but no pictures; open the video they were made from."
        )
    if names & _SIDECARS:
        return UsstrackError(
            f"{name} holds scale or times but no pictures, it is a sidecar; open the video beside "
            "it, which takes them from there."
        )
    return UsstrackError(
        f"{name} holds no clip, that is no TVDdata with pictures in Im; export the clip as mp4 or "
        "tif."
    )
