"""The calls a script or notebook makes: paths or arrays in, `Tracks` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.coords import inside
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, finish, ignore
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.io import project as projects
from napari_usstrack.io import registry, tables
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.calibrated import with_calibration
from napari_usstrack.io.project import Project
from napari_usstrack.pipelines import fill as filling
from napari_usstrack.pipelines import smooth as smoothing
from napari_usstrack.pipelines import smoothers, trackers
from napari_usstrack.pipelines import track as tracking
from napari_usstrack.pipelines.queries import Direction

AnyPath = str | PathLike[str]
Clip = AnyPath | ArrayLike | Video
Points = AnyPath | Tracks | Mapping[str, ArrayLike] | ArrayLike


def open_video(
    clip: Clip,
    *,
    mm_per_px: float | tuple[float, float] | None = None,
    fps: float | None = None,
) -> Video:
    """Open a clip for reading.

    Parameters
    ----------
    clip : path, array or Video
        A file, or frames ``[t, y, x]`` or ``[t, y, x, 3]``.
    mm_per_px : float or (x, y), optional
        Scale, over what the file says.
    fps : float, optional
        Frames per second, over what the file says.

    Raises
    ------
    UsstrackError
        When the clip cannot be used, in one sentence.
    """
    spacing = None if mm_per_px is None else tuple(np.broadcast_to(mm_per_px, 2).tolist())
    if isinstance(clip, (str, PathLike)):
        return registry.open_video(Path(clip), spacing_mm=spacing, fps=fps)
    if hasattr(clip, "frames") and hasattr(clip, "info"):
        return _recalibrated(cast("Video", clip), spacing, fps)
    return array_video(clip, spacing_mm=spacing, fps=fps)


def track(
    clip: Clip,
    points: Points,
    *,
    method: str = trackers.DEFAULT,
    start: int | None = None,
    stop: int | None = None,
    direction: Direction = "both",
    mm_per_px: float | tuple[float, float] | None = None,
    fps: float | None = None,
    report: Callable[[Progress], object] = ignore,
    **options: Any,
) -> Tracks:
    """Follow points from their first label through a clip.

    Parameters
    ----------
    clip : path, array or Video
        The clip; see `open_video`.
    points : path, Tracks, mapping or array
        A tidy CSV; labels; ``{name: (frame, x, y)}``; or rows (frame, x, y).
        Positions in px of the full frame.
    method : str
        Tracker, by name.
    start, stop : int, optional
        First and last frame, both included.
    direction : {"both", "forward", "backward"}
        Which way from the query.
    mm_per_px, fps
        See `open_video`.
    report : callable
        Called with `Progress`.
    **options
        Settings of the method, such as ``reach_mm=1.5``.

    Returns
    -------
    Tracks
        One row per frame, one column per point.
    """
    tracker = trackers.make(method, options)
    video = open_video(clip, mm_per_px=mm_per_px, fps=fps)
    labels = as_labels(points, video.info)
    work = tracking.track(video, labels, tracker, start=start, stop=stop, direction=direction)
    return finish(work, report)


def fill(
    clip: Clip,
    points: Points,
    *,
    method: str = trackers.DEFAULT,
    extend: bool = False,
    mm_per_px: float | tuple[float, float] | None = None,
    fps: float | None = None,
    report: Callable[[Progress], object] = ignore,
    **options: Any,
) -> Tracks:
    """Fill the frames between labelled frames, both ends pinned.

    Parameters are those of `track`; `extend` also runs free before the first
    and after the last label of a point.
    """
    tracker = trackers.make(method, options)
    video = open_video(clip, mm_per_px=mm_per_px, fps=fps)
    labels = as_labels(points, video.info)
    return finish(filling.fill(video, labels, tracker, extend=extend), report)


def smooth(
    clip: Clip,
    tracks: Points,
    *,
    method: str = smoothers.DEFAULT,
    points: Sequence[str] | None = None,
    mm_per_px: float | tuple[float, float] | None = None,
    fps: float | None = None,
    report: Callable[[Progress], object] = ignore,
    **options: Any,
) -> Tracks:
    """Smooth tracks over time; the given ones stay as they are.

    Parameters
    ----------
    clip : path, array or Video
        The clip; see `open_video`.
    tracks : path or Tracks
        What to smooth: a tidy CSV, or the result of `track` or `fill`.
    method : str
        "flow-window", "fusion", "savgol", "butterworth", "median", "hampel" or
        "spline".
    points : sequence of str, optional
        Points to smooth; all if None. Others are copied.
    mm_per_px, fps
        See `open_video`.
    report : callable
        Called with `Progress`.
    **options
        Settings of the method, such as ``window_s=0.5`` (s) or ``cutoff_hz=6``
        (Hz).

    Returns
    -------
    Tracks
        Smoothed cells have the source ``Source.SMOOTHED``.

    Raises
    ------
    UsstrackError
        When settings do not fit the clip, in one sentence.
    """
    smoother = smoothers.make(method, options)
    video = open_video(clip, mm_per_px=mm_per_px, fps=fps)
    given = as_labels(tracks, video.info)
    return finish(smoothing.smooth(video, given, smoother, names=points), report)


def load(path: AnyPath, clip: Clip | None = None) -> Tracks | Project:
    """Read a tidy CSV or a project file.

    Parameters
    ----------
    path : path
        ``.csv``, or ``.usstrack.json``.
    clip : path, array or Video, optional
        The clip it belongs to: needed for a CSV, checked for a project.
    """
    info = None if clip is None else open_video(clip).info
    if str(path).endswith(projects.ENDING):
        return projects.load(Path(path), info)
    if Path(path).suffix.lower() != ".csv":
        raise UsstrackError(f"{Path(path).name} is neither a .csv nor a {projects.ENDING} file.")
    if info is None:
        raise UsstrackError(f"{Path(path).name} holds points only; say which clip they belong to.")
    return tables.read_points(Path(path), info)


def save(what: Tracks | Project, path: AnyPath) -> Path:
    """Write tracks as tidy CSV, or a project as ``.usstrack.json`` and ``.nc``."""
    target = Path(path)
    if isinstance(what, Project):
        projects.save(what, target)
    else:
        tables.write_tracks(what, target)
    return target


def _recalibrated(video: Video, spacing: tuple[float, float] | None, fps: float | None) -> Video:
    if spacing is None and fps is None:
        return video
    calibration = video.info.calibration
    if spacing is not None:
        calibration = calibration.with_spacing(spacing, "typed")
    if fps is not None:
        calibration = calibration.with_rate(video.info.frame_count, fps, "typed")
    return with_calibration(video, calibration)


def as_labels(points: Points, info: VideoInfo) -> Tracks:
    """Labels over a clip from whatever `track` accepts as points."""
    if isinstance(points, (str, PathLike)):
        return tables.read_points(Path(points), info)
    if isinstance(points, Tracks):
        if (points.video.frame_count, points.video.width, points.video.height) != (
            info.frame_count,
            info.width,
            info.height,
        ):
            raise UsstrackError("These labels were made on a clip of another size.")
        return points.with_video(info)
    if isinstance(points, Mapping):
        return _from_rows(list(points), list(points.values()), info)
    rows = np.asarray(points, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise UsstrackError(f"Points must be rows of frame, x, y; got shape {rows.shape}.")
    return _from_rows([f"p{i + 1}" for i in range(len(rows))], rows, info)


def _from_rows(names: list[str], rows: Any, info: VideoInfo) -> Tracks:
    if any(np.shape(row) != (3,) for row in rows):
        raise UsstrackError("Each point must be given as (frame, x, y).")
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 3)
    blank = Tracks.blank(info, named_points(names))
    xy = blank.xy.copy()
    for column, (name, (frame, x, y)) in enumerate(zip(names, table, strict=True)):
        if not (frame.is_integer() and 0 <= frame < info.frame_count):
            raise UsstrackError(
                f"Point '{name}' is in frame {frame:g}; the clip has frames 0 to "
                f"{info.frame_count - 1}."
            )
        if not inside([x, y], info.width, info.height):
            raise UsstrackError(
                f"Point '{name}' at ({x:g}, {y:g}) px lies outside the frame of "
                f"{info.width} x {info.height} px."
            )
        xy[int(frame), column] = x, y
    cells = Cells.placed(xy, Source.MANUAL)
    return Tracks(
        **{name: getattr(cells, name) for name in CELL_ARRAYS}, points=blank.points, video=info
    )
