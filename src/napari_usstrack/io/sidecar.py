"""Scale and frame times from a MATLAB file beside the clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import matfile

_PARAMS = "_params"
_SECONDS = (0.005, 0.1)
_MILLISECONDS = (5.0, 100.0)


@dataclass(frozen=True, eq=False)
class Sidecar:
    """What one file beside a clip says.

    Attributes
    ----------
    spacing_mm : tuple of float or None
        Millimetres per pixel as (x, y).
    times_s : ndarray, shape (frames,), or None
        Seconds, from 0.
    warnings : tuple of str
        Doubts, one sentence each.
    """

    spacing_mm: tuple[float, float] | None = None
    times_s: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()


def with_sidecar(info: VideoInfo) -> VideoInfo:
    """Add what files beside the clip say.

    A scale is taken only where the clip has none; times replace the clip's.
    """
    for path in candidates(Path(info.path)):
        exact = path.stem == Path(info.path).stem
        found = read_sidecar(path, info.frame_count, exact=exact)
        calibration = info.calibration
        warnings = info.warnings + found.warnings
        if calibration.spacing_mm is None and found.spacing_mm is not None:
            calibration = calibration.with_spacing(found.spacing_mm, f"sidecar {path.name}")
            warnings = tuple(line for line in warnings if "--mm-per-px" not in line)
        if found.times_s is not None and not calibration.time_source.startswith("sidecar"):
            calibration = replace(
                calibration, times_s=found.times_s, time_source=f"sidecar {path.name}"
            )
            warnings = tuple(line for line in warnings if "--fps" not in line)
        info = replace(info, calibration=calibration, warnings=warnings)
    return info


def candidates(clip: Path) -> list[Path]:
    """The ``.mat`` of the same stem, then ``*_params.mat`` whose stem begins the clip's.

    ``p1_params.mat`` belongs to ``p1_push.mp4`` but not to ``p10_push.mp4``:
    the stem must end at a word's end.
    """
    if not clip.name or not clip.parent.is_dir():
        return []
    own = clip.with_suffix(".mat")
    same = [own] if own != clip and own.is_file() else []
    params = [
        path
        for path in clip.parent.glob(f"*{_PARAMS}.mat")
        if path not in (clip, *same) and _begins(path.stem.removesuffix(_PARAMS), clip.stem)
    ]
    return same + sorted(params, key=lambda path: (-len(path.stem), path.name))


def read_sidecar(path: Path, frame_count: int, *, exact: bool = True) -> Sidecar:
    """Scale and times of one MATLAB file.

    Parameters
    ----------
    path : Path
        The ``.mat`` file.
    frame_count : int
        Frames of the clip; times of another length are refused.
    exact : bool
        Whether the file carries the clip's own name. Otherwise a file that
        is unreadable or about something else is passed over in silence.
    """
    problem = "holds neither a scale nor frame times"
    try:
        values = matfile.load(path, ("TVDdata", "Params"))
    except matfile.UnreadableError:
        values, problem = {}, "cannot be read as a MATLAB file"
    found = Sidecar()
    if "TVDdata" in values:
        found = from_telemed(values["TVDdata"], frame_count, path.name)
    if found.spacing_mm is None and "Params" in values:
        found = replace(found, spacing_mm=_pair(values["Params"], "px2mmX", "px2mmY", 1.0))
    if found.spacing_mm or found.times_s is not None or found.warnings:
        return found
    return Sidecar(warnings=(f"{path.name} {problem}; it was ignored.",) if exact else ())


def from_telemed(data: Any, frame_count: int, name: str) -> Sidecar:
    """Scale and times of a ``TVDdata`` struct, given as its fields by name.

    ``cmPerPixX`` and ``cmPerPixY`` are cm per px; ``Time`` is in seconds, or in
    milliseconds in files that also carry pictures.
    """
    spacing = _pair(data, "cmPerPixX", "cmPerPixY", 10.0)
    times = _numbers(data, "Time")
    stated = _numbers(data, "Fnum")
    if times.size == frame_count > 1:
        times_s, warnings = _clean_times(times, "Im" in data, name)
        return Sidecar(spacing, times_s, tuple(warnings))
    count = times.size or (int(stated[0]) if stated.size == 1 else 0)
    if count and count != frame_count:
        note = (
            f"{name} is about {count} frames but the clip has {frame_count}; its times were "
            "ignored."
        )
        return Sidecar(spacing, None, (note,))
    return Sidecar(spacing)


def _clean_times(
    times: NDArray[np.float64], milliseconds_likely: bool, name: str
) -> tuple[NDArray[np.float64] | None, list[str]]:
    """Times from 0 in seconds; a repeated last stamp is replaced."""
    warnings: list[str] = []
    times = times - times[0]
    steps = np.diff(times[:-1]) if len(times) > 2 else np.diff(times)
    middle = float(np.median(steps))
    if len(times) > 2 and times[-1] == times[-2]:
        times[-1] = times[-2] + middle
        warnings.append(
            f"{name} repeats its last time stamp; the last frame was put one median step later."
        )
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        return None, [f"{name} has time stamps that do not rise; its times were ignored."]
    in_ms = _MILLISECONDS[0] <= middle <= _MILLISECONDS[1]
    in_s = _SECONDS[0] <= middle <= _SECONDS[1]
    return times / 1000.0 if in_ms or (milliseconds_likely and not in_s) else times, warnings


def _pair(data: Any, x: str, y: str, factor: float) -> tuple[float, float] | None:
    values = [_numbers(data, field) for field in (x, y)]
    if any(v.size != 1 or not np.isfinite(v[0]) or v[0] <= 0 for v in values):
        return None
    return float(values[0][0]) * factor, float(values[1][0]) * factor


def _numbers(data: Any, field: str) -> NDArray[np.float64]:
    """A numeric field as a flat array; empty where it is absent or of another kind."""
    if not isinstance(data, dict) or data.get(field) is None:
        return np.empty(0)
    value = np.asarray(data[field])
    return value.astype(np.float64).ravel() if value.dtype.kind in "iuf" else np.empty(0)


def _begins(prefix: str, stem: str) -> bool:
    return bool(prefix) and stem.startswith(prefix) and not stem[len(prefix) :][:1].isalnum()
