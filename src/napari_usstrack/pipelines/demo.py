"""The main job on an embedded sample: points on a heart wall, tracked and shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import CELL_ARRAYS, PALETTE, Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import overlay, project, tables
from napari_usstrack.io.files import copied
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import embedded_cine
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.track import track

WALL = {
    "septal base": (154.0, 139.0),
    "septal mid": (151.0, 112.0),
    "septal apical": (150.0, 90.0),
    "apex": (168.0, 46.0),
    "lateral apical": (204.0, 80.0),
    "lateral mid": (206.0, 120.0),
    "lateral base": (199.0, 143.0),
}
"""Points on the wall of the embedded cine in frame 0: x, y in px."""


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo made and where it lies."""

    tracks: Tracks
    clip: Path
    points: Path
    csv: Path
    project: Path
    picture: Path
    film: Path


def wall_labels(info: VideoInfo) -> Tracks:
    """Label the wall points in frame 0 of the embedded cine."""
    points = tuple(
        PointInfo(name, group="wall", kind="contour", colour=colour)
        for name, colour in zip(WALL, PALETTE, strict=False)
    )
    xy = np.full((info.frame_count, len(WALL), 2), np.nan)
    xy[0] = list(WALL.values())
    cells = Cells.placed(xy, Source.MANUAL)
    return Tracks(**{name: getattr(cells, name) for name in CELL_ARRAYS}, points=points, video=info)


def run_demo(folder: Path) -> Work[DemoResult]:
    """Track the wall of the embedded echo cine and write every kind of output.

    Parameters
    ----------
    folder : Path
        Where the files go; made when it does not exist.
    """
    clip = copied(embedded_cine(), folder)
    video = open_video(clip)
    labels = wall_labels(video.info)
    paths = DemoResult(
        tracks=labels,
        clip=clip,
        points=folder / "points.csv",
        csv=folder / "tracks.csv",
        project=project.project_path(clip),
        picture=folder / "overlay.png",
        film=folder / "overlay.mp4",
    )
    tables.write_tracks(labels, paths.points, frames=range(1))
    count = video.info.frame_count
    work = track(video, labels, trackers.make())
    run = yield from part(work, 0, count, 2 * count)
    tables.write_tracks(run, paths.csv)
    project.save(project.Project(labels, {"track": run}), paths.project)
    overlay.write_overlay_picture(video, run, paths.picture, frame=run.shape[0] // 2)
    film = overlay.write_overlay_video(video, run, paths.film)
    yield from part(film, count, count, 2 * count)
    return DemoResult(**{**paths.__dict__, "tracks": run})
