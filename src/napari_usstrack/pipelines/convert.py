"""Files of labels into another format, several merged into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    source: str | Path | Sequence[str | Path],
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
    source : path or sequence of path
        What to read. Several files are merged: each may add points and frames, and
        where two say something of the same cell, the later file counts.
    target : path
        What to write; may be a folder where the format dictates the name.
    clip : path, optional
        The video the positions belong to.
    reads, writes : str
        Keys of `interchange.FORMATS`; by default told from the files.
    scorer : str
        Who labelled.

    Raises
    ------
    UsstrackError
        If a file cannot be used, several come without a clip, or an input would
        be overwritten.
    """
    sources = [Path(one) for one in ([source] if isinstance(source, (str, Path)) else source)]
    info = _info(clip)
    if len(sources) > 1 and info is None:
        raise UsstrackError("files are merged over their clip; name the video with --clip")
    kinds = [reads or interchange.identify(one) for one in sources]
    parts, notes = _read(sources, kinds, info)
    tracks = _merged(parts)
    writes, path = interchange.target(tracks, Path(target), format=writes, scorer=scorer)
    _check_inputs(path, sources, clip)
    if writes == "project" and info is None and kinds != ["project"]:
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


def _read(
    sources: Sequence[Path], kinds: Sequence[str], info: VideoInfo | None
) -> tuple[list[Tracks], list[str]]:
    """Tables of all files, and what to tell of them."""
    parts: list[Tracks] = []
    notes: list[str] = []
    for source, kind in zip(sources, kinds, strict=True):
        tracks, told = _chosen(interchange.read(source, info, format=kind), source)
        if parts:
            notes += _differences(_merged(parts), tracks, source)
        parts.append(tracks)
        notes += told
    return parts, notes


def _merged(parts: Sequence[Tracks]) -> Tracks:
    """All tables in one, later over earlier, points in the order they come."""
    whole, *rest = parts
    for part in rest:
        names = dict.fromkeys((*whole.names, *part.names))
        whole = part.over(whole).select(list(names))
    return whole


def _differences(before: Tracks, after: Tracks, source: Path) -> tuple[str, ...]:
    """Tell how far a file is from those before it, where both have a position."""
    shared = [name for name in after.names if name in before.names]
    mine, theirs = before.select(shared), after.select(shared)
    both = mine.present & theirs.present
    away = np.linalg.norm(theirs.xy - mine.xy, axis=-1)[both]
    moved = away[away > 0]
    if not moved.size:
        return ()
    return (
        f"{moved.size} of {both.sum()} positions that were there already differ in {source.name}, "
        f"by up to {moved.max():.1f} px; they are taken from it.",
    )


def _chosen(found: interchange.Imported, source: Path) -> tuple[Tracks, tuple[str, ...]]:
    """The labels unless there are none, and the notes."""
    labels, run = found.labels, found.run
    if run is None or (labels is not None and labels.source.any()):
        if labels is None:
            raise UsstrackError(f"{source} holds no points; choose another file")
        left = () if run is None else (f"{source.name} holds a run too, which is left out.",)
        return labels, (*found.notes, *left)
    return run, found.notes


def _check_inputs(path: Path, sources: Sequence[Path], clip: str | Path | None) -> None:
    inputs = [*sources] if clip is None else [*sources, Path(clip)]
    if path.resolve() in [given.resolve() for given in inputs]:
        raise UsstrackError(f"{path} is an input; choose another name for the result")
