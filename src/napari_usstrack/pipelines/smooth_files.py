"""Tracks to smooth, from whatever file holds them."""

from __future__ import annotations

from pathlib import Path

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import interchange
from napari_usstrack.io import project as projects
from napari_usstrack.pipelines.propagate import PROPOSALS


def clip_of(path: Path, clip: Path | None) -> Path:
    """Tell the clip that tracks belong to: the one stated, or the one beside a project.

    Raises
    ------
    UsstrackError
        Where neither tells.
    """
    if clip is not None:
        return clip
    if path.name.endswith(projects.ENDING):
        return projects.clip_path(path)
    raise UsstrackError(f"{path} holds points only; name the video they belong to with --clip.")


def read_tracks(
    path: Path, info: VideoInfo, run: str | None = None
) -> tuple[Tracks, tuple[str, ...]]:
    """Read tracks from a table, a project or a file of another program.

    Of a project, labels over proposals over the run are read.

    Parameters
    ----------
    path : Path
        A file of one of `io.interchange.FORMATS`.
    info : VideoInfo
        The clip.
    run : str, optional
        Run of a project; needed where it has several.

    Returns
    -------
    tracks : Tracks
    notes : tuple of str
        What a user should know, one sentence each.

    Raises
    ------
    UsstrackError
        For a file that cannot be used, or a run that does not exist or is not named.
    """
    if interchange.identify(path) == "project":
        return _of_project(path, info, run), ()
    if run is not None:
        raise UsstrackError(f"{path} is no project and has no runs; leave --run out.")
    found = interchange.read(path, info)
    parts = [part for part in (found.labels, found.run) if part is not None]
    if not parts:
        raise UsstrackError(f"{path} holds no points; choose another file.")
    return (parts[0].over(parts[1]) if len(parts) > 1 else parts[0]), found.notes


def _of_project(path: Path, info: VideoInfo, run: str | None) -> Tracks:
    project = projects.load(path, info)
    runs = runs_of(path, project, run)
    if run is None and len(runs) > 1:
        raise UsstrackError(f"{path} has the runs {', '.join(runs)}; choose one with --run.")
    labels, proposals = project.annotations, project.runs.get(PROPOSALS)
    if proposals is not None and (proposals.source > Source.MISSING).any():
        labels = labels.over(proposals)
    chosen = runs[run] if run is not None else next(iter(runs.values()), None)
    return (labels if chosen is None else labels.over(chosen)).with_video(info)


def runs_of(path: Path, project: projects.Project, run: str | None) -> dict[str, Tracks]:
    """Runs of a project but proposals.

    Raises
    ------
    UsstrackError
        If a run is named that is not among them.
    """
    runs = {name: tracks for name, tracks in project.runs.items() if name != PROPOSALS}
    if run is not None and run not in runs:
        raise UsstrackError(f"{path} has no run '{run}'; it has: {', '.join(runs) or 'none'}.")
    return runs
