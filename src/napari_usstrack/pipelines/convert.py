"""One file of labels into another format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import interchange
from napari_usstrack.io.registry import open_video


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote.

    Attributes
    ----------
    path : Path
        The file.
    points, frames, cells : int
        Points, frames with at least one position, and positions.
    notes : tuple of str
        What a user should know, one sentence each.
    """

    path: Path
    points: int
    frames: int
    cells: int
    notes: tuple[str, ...]


def convert(
    source: str | Path,
    target: str | Path,
    *,
    clip: str | Path | None = None,
    reads: str = "",
    writes: str = "",
    scorer: str = "",
) -> Converted:
    """Read labels, or a run where there are none, and write them in another format.

    Parameters
    ----------
    source, target : path
        The files; `target` may be a folder where the format dictates the name.
    clip : path, optional
        The video the positions belong to.
    reads, writes : str
        Keys of `interchange.FORMATS`; by default told from the files.
    scorer : str
        Who labelled.

    Raises
    ------
    UsstrackError
        If a file cannot be used, or an input would be overwritten.
    """
    source, target = Path(source), Path(target)
    info = _info(clip)
    reads = reads or interchange.identify(source)
    found = interchange.read(source, info, format=reads)
    tracks, notes = _chosen(found, source)
    writes, path = interchange.target(tracks, target, format=writes, scorer=scorer)
    _check_inputs(path, source, clip)
    if writes == "project" and reads != "project" and info is None:
        raise UsstrackError(f"{path} needs to know its clip; name the video with --clip")
    written = interchange.write(tracks, path, format=writes)
    return Converted(
        path=written.path,
        points=tracks.shape[1],
        frames=int(tracks.present.any(axis=1).sum()),
        cells=int(tracks.present.sum()),
        notes=(*notes, *written.notes),
    )


def _info(clip: str | Path | None) -> VideoInfo | None:
    if clip is None:
        return None
    video = open_video(clip)
    video.close()
    return video.info


def _chosen(found: interchange.Imported, source: Path) -> tuple[Tracks, tuple[str, ...]]:
    """The labels unless there are none, and the notes."""
    labels, run = found.labels, found.run
    if run is None or (labels is not None and labels.source.any()):
        if labels is None:
            raise UsstrackError(f"{source} holds no points; choose another file")
        left = () if run is None else (f"{source.name} holds a run too, which is left out.",)
        return labels, (*found.notes, *left)
    return run, found.notes


def _check_inputs(path: Path, source: Path, clip: str | Path | None) -> None:
    inputs = [source] if clip is None else [source, Path(clip)]
    if path.resolve() in [given.resolve() for given in inputs]:
        raise UsstrackError(f"{path} is an input; choose another name for the result")
