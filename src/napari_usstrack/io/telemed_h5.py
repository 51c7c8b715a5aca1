"""Portable Telemed recordings (``.tvd.h5``): pictures, true times and display scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.array_video import stack_clip
from napari_usstrack.io.clip import ClipVideo, file_digest

_PICTURES, _TIMES = "frames/gray", "timing/time_ms"
_PANELS = range(1, 5)
_CHUNK_CACHE = 64 * 2**20
_ODD_STEP = 0.5
"""A last step shorter than this part of the median one marks the end, it is not a frame's."""


class HdfFrames:
    """An HDF5 dataset ``[t, y, x]``, read when sliced."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.dtype = np.dtype(dataset.dtype)
        self.shape = tuple(int(n) for n in dataset.shape)

    def __getitem__(self, at: slice) -> NDArray:
        return np.asarray(self.dataset[at])


def holds_clip(path: Path) -> bool:
    """Whether an HDF5 file holds a Telemed recording with its pictures."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return _PICTURES in file
    except (OSError, RuntimeError):
        return False


def open_clip(path: Path) -> ClipVideo:
    """Open a recording, frame by frame, full screen as captured.

    Times are those of the device. Scale is the display scale, which follows
    the depth setting; the beamformer's own, about 2 % off, stands in where it
    is missing.
    """
    import h5py

    try:
        file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
    except (OSError, RuntimeError) as error:
        raise UsstrackError(
            f"{path.name} is damaged or not an HDF5 file; copy or export it again."
        ) from error
    if _PICTURES not in file:
        held = ", ".join(sorted(str(name) for name in file)) or "nothing"
        file.close()
        raise UsstrackError(
            f"{path.name} holds {held} but no pictures (/{_PICTURES}); open the video it belongs "
            "to."
        )
    source = HdfFrames(file[_PICTURES])
    known, notes = _calibration(file, source.shape[0], path.name)
    video = stack_clip(
        source, known, name=path.name, path=str(path), digest=file_digest(path), close=file.close
    )
    return video.with_info(replace(video.info, warnings=(*video.info.warnings, *notes)))


def _calibration(file: Any, count: int, name: str) -> tuple[Calibration, tuple[str, ...]]:
    spacing, source, doubts = _scale(file.attrs, name)
    times, late = _times(file, count, name)
    notes = [*doubts, *late]
    panels = [n for n in _PANELS if _number(file.attrs, f"roi{n}_x2") is not None]
    if len(panels) > 1:
        notes.append(
            f"{name} shows {len(panels)} panels side by side; keep the points that you measure "
            "between within one panel."
        )
    if _number(file.attrs, "param_b_is_scan_direction_changed"):
        notes.append(
            f"{name} was recorded with the scan direction changed, left and right are swapped; it "
            "is shown as stored."
        )
    when = "unknown" if times is None else "Telemed time stamps"
    return Calibration(spacing, times, source, when), tuple(notes)


def _scale(attrs: Any, name: str) -> tuple[tuple[float, float] | None, str, tuple[str, ...]]:
    """Millimetres per pixel (x, y), where from, and a doubt."""
    shown = _pair(attrs, "image_d{}_cm_per_px")
    if shown is not None:
        return shown, "Telemed display scale", ()
    own = [_pair(attrs, "physical_d{}_cm_per_px")]
    own += [_pair(attrs, f"physical_d{{}}{n}_cm_per_px") for n in _PANELS]
    found = {pair for pair in own if pair is not None}
    if len(found) != 1:
        return None, "unknown", ()
    note = (
        f"{name} lacks the display scale, so the beamformer's was taken, which may be 2 % off; "
        "check it against the depth scale and correct it with --mm-per-px."
    )
    return found.pop(), "Telemed beamformer scale", (note,)


def _pair(attrs: Any, pattern: str) -> tuple[float, float] | None:
    """Two attributes in cm per px as mm per px (x, y)."""
    x, y = (_number(attrs, pattern.format(axis)) for axis in "xy")
    if x is None or y is None:
        return None
    return 10.0 * x, 10.0 * y


def _number(attrs: Any, key: str) -> float | None:
    """A positive number among the attributes, or None."""
    value = np.asarray(attrs.get(key, np.nan))
    if value.size != 1 or value.dtype.kind not in "biuf":
        return None
    number = float(value.ravel()[0])
    return number if np.isfinite(number) and number > 0 else None


def _times(file: Any, count: int, name: str) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Seconds from the first frame; the last step is replaced where it is not a frame's."""
    unknown = f"{name} has no usable frame times; give the rate with --fps."
    values = np.asarray(file[_TIMES], dtype=np.float64).ravel() if _TIMES in file else np.empty(0)
    if values.size != count or not np.isfinite(values).all():
        return None, (unknown,)
    seconds = (values - values[0]) / 1000.0
    notes: tuple[str, ...] = ()
    if count > 2:
        middle = float(np.median(np.diff(seconds[:-1])))
        if seconds[-1] - seconds[-2] < _ODD_STEP * middle:
            seconds[-1] = seconds[-2] + middle
            notes = (
                f"{name} ends with a time step that is not a frame's; the last frame was put one "
                "median step later.",
            )
    if (np.diff(seconds) <= 0).any():
        return None, (unknown,)
    return seconds, notes
