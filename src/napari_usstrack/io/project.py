"""A clip's project: labels, runs and their lock, beside the clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.labels import TIME_TOLERANCE_S, Labels, read_labels, write_labels
from napari_usstrack.io.runs import (
    alike,
    fingerprint,
    read_runs,
    saved_fingerprint,
    write_runs,
)

ENDING = ".usstrack.json"


@dataclass(frozen=True, eq=False)
class Project:
    """All that is kept of the work on one clip.

    Attributes
    ----------
    annotations : Tracks
        What a person placed or accepted.
    runs : mapping of str to Tracks
        What methods computed, by name.
    author : str
        Who works on it; signs cells set since the last save.
    last_edit : int
        Number of the last edit contained in `annotations`.
    extra : mapping
        Events, and entries of the label file this version does not know.
    """

    annotations: Tracks
    runs: Mapping[str, Tracks]
    author: str = ""
    last_edit: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


def project_path(clip_path: str | Path) -> Path:
    """Label file of a clip: ``trial.mp4`` has ``trial.mp4.usstrack.json``."""
    clip = Path(clip_path)
    return clip.with_name(clip.name + ENDING)


def clip_path(path: str | Path) -> Path:
    """Clip of a label file: ``trial.mp4.usstrack.json`` belongs to ``trial.mp4``."""
    return Path(str(path).removesuffix(ENDING))


def runs_path(path: str | Path) -> Path:
    """Run file of a project: ``.nc`` instead of ``.json``."""
    return _checked(path).with_suffix(".nc")


def save(project: Project, path: str | Path) -> None:
    """Write the labels, then the runs if they changed.

    Both files are replaced whole; the present ones stay as ``.bak``.

    Parameters
    ----------
    project : Project
        What to save.
    path : str or Path
        The ``.json`` file; see `project_path`.

    Raises
    ------
    UsstrackError
        If a file cannot be written, or the present ones belong to another
        clip, are damaged or come from a newer version.
    """
    path = _checked(path)
    before = read_labels(path) if path.exists() else None
    if before is not None and not alike(before.annotations.video, project.annotations.video):
        raise _other_clip(path, before.annotations.video, project.annotations.video)
    labels = Labels(
        annotations=project.annotations,
        author=project.author,
        last_edit=project.last_edit,
        extra=project.extra,
    )
    write_labels(labels, path, before=before)
    stored = runs_path(path)
    if not stored.exists() and not project.runs:
        return
    if not stored.exists() or saved_fingerprint(stored) != fingerprint(project.runs):
        write_runs(project.runs, stored)


def load(path: str | Path, info: VideoInfo | None = None) -> Project:
    """Read a project.

    Parameters
    ----------
    path : str or Path
        The ``.json`` file.
    info : VideoInfo, optional
        The clip as opened now. Its scale and times serve where the project
        knows none; without it the project's own description is used.

    Raises
    ------
    UsstrackError
        If a file is damaged, from a newer version or from another clip.
    """
    path = _checked(path)
    labels = read_labels(path)
    saved = labels.annotations.video
    if info is not None and not alike(saved, info):
        raise _other_clip(path, saved, info)
    video = saved if info is None else info.calibrated(_merged(saved, info))
    stored = runs_path(path)
    return Project(
        annotations=labels.annotations.with_video(video),
        runs=read_runs(stored, video) if stored.exists() else {},
        author=labels.author,
        last_edit=labels.last_edit,
        extra=labels.extra,
    )


def _merged(saved: VideoInfo, info: VideoInfo) -> Calibration:
    """The project's scale and times where known, the file's own stamps where they agree."""
    ours, theirs = saved.calibration, info.calibration
    merged = theirs
    if ours.spacing_mm is not None:
        merged = merged.with_spacing(ours.spacing_mm, ours.spacing_source)
    if ours.times_s is None:
        return merged
    if theirs.times_s is not None:
        apart = np.abs(ours.times_s - theirs.times_s).max(initial=0.0)
        if apart <= TIME_TOLERANCE_S:
            return merged
    return Calibration(
        spacing_mm=merged.spacing_mm,
        times_s=ours.times_s,
        spacing_source=merged.spacing_source,
        time_source=ours.time_source,
    )


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".json":
        raise UsstrackError(f"{path} is no project; choose a name that ends in {ENDING}")
    return path


def _other_clip(path: Path, saved: VideoInfo, info: VideoInfo) -> UsstrackError:
    pairs = {
        "frames": (saved.frame_count, info.frame_count),
        "size": (f"{saved.width} x {saved.height}", f"{info.width} x {info.height}"),
        "content": ("another", "its own"),
    }
    what, (then, now) = next(item for item in pairs.items() if item[1][0] != item[1][1])
    detail = "the pictures differ" if what == "content" else f"{what} {then} instead of {now}"
    return UsstrackError(
        f"{path} belongs to another clip than {info.name or 'the one open'} ({detail}); "
        f"open {saved.name or 'its own clip'} or move the project away"
    )
