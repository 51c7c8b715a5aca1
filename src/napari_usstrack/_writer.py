"""Points and Tracks layers to a table or a project."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_warning

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.io.locks import ProjectLock
from napari_usstrack.io.project import ENDING, Project, load, project_path, runs_path, save
from napari_usstrack.io.tables import sidecar_path, write_tracks
from napari_usstrack.widgets.layers import LayerTuple
from napari_usstrack.widgets.saving import Selection, read_selection


def write_table(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write labels, runs or any named points as tidy CSV; returns the files."""
    target = _ending(Path(path), ".csv")
    selection = read_selection(layers)
    write_tracks(selection.table(), target)
    _tell(selection)
    return [str(target), str(sidecar_path(target))]


def write_project(path: str, layers: list[LayerTuple]) -> list[str]:
    """Write labels and runs as the project of their clip; returns the files.

    Runs that the project holds already and that are not among the layers stay.
    """
    target = _ending(Path(path), ENDING)
    selection = read_selection(layers)
    if selection.guessed:
        raise UsstrackError(
            "A project belongs to a clip; select the clip's image layer together with its points."
        )
    with ProjectLock(target) as lock:
        if not lock.owned:
            raise UsstrackError(
                f"{target.name} is in use or protected, so layers cannot be saved over it; press "
                "Save project in the dock, or choose another file name."
            )
        save(_project(selection, target), target)
    _tell(selection, target)
    return [str(file) for file in (target, runs_path(target)) if file.exists()]


def _project(selection: Selection, target: Path) -> Project:
    video = selection.video
    former = load(target, video) if target.exists() else Project(Tracks.blank(video), {})
    labels = former.annotations if selection.labels is None else selection.labels
    runs = {name: run.with_video(video) for name, run in former.runs.items()}
    return Project(
        annotations=labels.with_video(video),
        runs={**runs, **selection.runs},
        author=former.author,
        last_edit=former.last_edit,
        extra=former.extra,
    )


def _ending(path: Path, ending: str) -> Path:
    """The path with its ending; a name made that way does not replace a file unasked."""
    if path.name.lower().endswith(ending):
        return path
    named = path.with_name(path.name + ending)
    if named.exists():
        raise UsstrackError(f"{named.name} exists already; type its full name to replace it.")
    return named


def _tell(selection: Selection, project: Path | None = None) -> None:
    for note in selection.notes:
        show_warning(note)
    clip = selection.video.path
    if project is not None and clip and project.resolve() != project_path(clip).resolve():
        show_warning(
            f"{project.name} is found by itself only as {project_path(clip).name} beside the clip."
        )
