"""From a file name to a clip: a table of readers, each imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.sidecar import with_sidecar

if TYPE_CHECKING:
    from napari_usstrack.io.clip import ClipVideo

_PACKAGE = "napari_usstrack.io."
_VIDEO = "pyav_video:open_clip"
_TIFF = "array_video:open_tiff"
_DICOM = "dicom:open_clip"
_METAIMAGE = "metaimage:open_clip"
READERS: dict[str, str] = {
    ".mp4": _VIDEO,
    ".avi": _VIDEO,
    ".mov": _VIDEO,
    ".m4v": _VIDEO,
    ".mkv": _VIDEO,
    ".wmv": _VIDEO,
    ".asf": _VIDEO,
    ".gif": "gif:open_clip",
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".npy": "array_video:open_npy",
    ".npz": "array_video:open_npz",
    ".dcm": _DICOM,
    ".dicom": _DICOM,
    ".zip": "zipped_dicom:open_clip",
    ".mha": _METAIMAGE,
    ".mhd": _METAIMAGE,
    ".mat": "matlab_clip:open_clip",
    ".h5": "telemed_h5:open_clip",
}
"""File suffix to ``module:function`` within `napari_usstrack.io`."""

CONTENT: dict[str, str] = {
    ".zip": "zipped_dicom:holds_clip",
    ".mat": "matlab_clip:holds_clip",
    ".h5": "telemed_h5:holds_clip",
}
"""Suffixes of files that often hold something else, to the function that looks inside."""

SUFFIXES: tuple[str, ...] = tuple(READERS)
_MAGIC_AT, _MAGIC = 128, b"DICM"


def open_video(
    path: str | PathLike[str],
    *,
    spacing_mm: tuple[float, float] | None = None,
    fps: float | None = None,
) -> ClipVideo:
    """Open a clip, with its scale and times from wherever they are known.

    For the scale a typed value comes first, then the file's own, then a
    ``.mat`` beside it. For times a typed rate comes first, then ``Time`` of a
    ``.mat`` whose length equals the frame count, then the file's own.

    Parameters
    ----------
    path : str or path
        The file, or a folder of pictures.
    spacing_mm : tuple of float, optional
        Millimetres per pixel as (x, y), instead of any other source.
    fps : float, optional
        Frames per second, instead of any other source.

    Returns
    -------
    ClipVideo
        Frames on demand; `info.warnings` holds what a user should know.

    Raises
    ------
    UsstrackError
        If the file is not a clip that can be read, or a typed value is not positive.
    """
    _check_typed(spacing_mm, fps)
    path = Path(path)
    clip = _reader(path)(path)
    if len(clip) < 2:
        clip.close()
        from napari_usstrack.io.clip import still_image

        raise still_image(path.name)
    return clip.with_info(_typed(with_sidecar(clip.info), spacing_mm, fps))


def can_open(path: str | PathLike[str]) -> bool:
    """Whether there is a reader for this file, or for this folder of at least 2 pictures.

    The name decides where it can. Files without a suffix, and those of `CONTENT`, are
    looked into.
    """
    path = Path(path)
    if path.is_dir():
        return bool(_function("image_folder:holds_pictures")(path))
    suffix = path.suffix.lower()
    if suffix in CONTENT:
        return path.is_file() and bool(_function(CONTENT[suffix])(path))
    if suffix in READERS:
        return True
    named_by_uid = path.suffix[1:].isdigit()
    return (not path.suffix or named_by_uid) and path.is_file() and _is_dicom(path)


def _reader(path: Path) -> Callable[[Path], ClipVideo]:
    if path.is_dir():
        return _function("image_folder:open_folder")
    _check_file(path)
    entry = READERS.get(path.suffix.lower())
    if entry is None and _is_dicom(path):
        entry = _DICOM
    if entry is None:
        raise UsstrackError(
            f"{path.name} is of a kind that cannot be read; known are {', '.join(SUFFIXES)}, "
            "DICOM files without a suffix, and folders of pictures."
        )
    return _function(entry)


def _function(entry: str) -> Callable[[Path], Any]:
    module, function = entry.split(":")
    found: Callable[[Path], Any] = getattr(import_module(_PACKAGE + module), function)
    return found


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise UsstrackError(f"{path} does not exist; check the name and the folder.") from None
    except PermissionError:
        raise UsstrackError(
            f"{path} may not be read by you; change its permissions or copy it elsewhere."
        ) from None
    except OSError as error:
        raise UsstrackError(
            f"{path} cannot be read ({error.strerror or error}); check the disk it is on."
        ) from error
    if empty:
        raise UsstrackError(f"{path.name} is empty; copy or export it again.")


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC
    except OSError:
        return False


def _check_typed(spacing_mm: tuple[float, float] | None, fps: float | None) -> None:
    if spacing_mm is not None and not (np.isfinite(spacing_mm).all() and min(spacing_mm) > 0):
        raise UsstrackError(
            f"--mm-per-px needs positive numbers, not {spacing_mm}; type for example 0.0883."
        )
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise UsstrackError(f"--fps needs a positive number, not {fps}; type for example 60.")


def _typed(info: VideoInfo, spacing_mm: tuple[float, float] | None, fps: float | None) -> VideoInfo:
    """Put typed values in force and drop the warnings that asked for them."""
    calibration, warnings = info.calibration, info.warnings
    if spacing_mm is not None:
        calibration = calibration.with_spacing(spacing_mm, "typed")
        warnings = tuple(line for line in warnings if "--mm-per-px" not in line)
    if fps is not None:
        calibration = calibration.with_rate(info.frame_count, fps, "typed")
        warnings = tuple(line for line in warnings if "--fps" not in line)
    return replace(info, calibration=calibration, warnings=warnings)
