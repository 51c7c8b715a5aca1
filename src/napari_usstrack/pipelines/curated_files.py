"""Tracks that a person has gone through, with their clips, from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.io import interchange
from napari_usstrack.io import project as projects
from napari_usstrack.io.registry import open_video
from napari_usstrack.pipelines.smooth_files import clip_of, read_tracks, runs_of


@dataclass(frozen=True, eq=False)
class Curated:
    """Positions of a clip that count as true.

    Attributes
    ----------
    path : Path
        File they come from.
    clip : Path
    video : Video
    tracks : Tracks
        With the scale that is used.
    use : bool ndarray, shape (frames, points)
        Which of them count.
    """

    path: Path
    clip: Path
    video: Video
    tracks: Tracks
    use: NDArray[np.bool_]


def read_curated(
    paths: Sequence[Path],
    clips: Sequence[Path] = (),
    *,
    run: str | None = None,
    names: Sequence[str] = (),
    spacing_mm: tuple[float, float] | None = None,
    fps: float | None = None,
) -> list[Curated]:
    """Read positions that a person made or accepted, or those of a run.

    Parameters
    ----------
    paths : sequence of Path
        Projects, tables, or files of other programs (`io.interchange.FORMATS`).
    clips : sequence of Path
        Of the files that are no projects: one for all of them, or one for each;
        of the projects if there is nothing else.
    run : str, optional
        Run of each project whose visible positions count as true, too.
    names : sequence of str
        Only these points; all when empty.
    spacing_mm, fps : optional
        As in `io.registry.open_video`.

    Raises
    ------
    UsstrackError
        If a file cannot be used or holds nothing to learn from.
    """
    found = []
    for path, clip in zip(paths, _clips_of(paths, clips), strict=True):
        video = open_video(clip, spacing_mm=spacing_mm, fps=fps)
        tracks = _tracks(path, video, run)
        use = tracks.visible & (tracks.present if run is not None else tracks.by_hand)
        found.append(Curated(path, clip, video, tracks, use))
    return [_checked(each, run) for each in _named(found, names)]


def _named(found: list[Curated], names: Sequence[str]) -> list[Curated]:
    """Only what is of the named points."""
    if not names:
        return found
    known = dict.fromkeys(name for each in found for name in each.tracks.names)
    if absent := [name for name in names if name not in known]:
        raise UsstrackError(
            f"no file has a point '{absent[0]}'; after --points choose from {', '.join(known)}"
        )
    kept = []
    for each in found:
        own = [name for name in each.tracks.names if name in names]
        if own:
            columns = [each.tracks.column(name) for name in own]
            kept.append(replace(each, tracks=each.tracks.select(own), use=each.use[:, columns]))
    return kept


def _checked(found: Curated, run: str | None) -> Curated:
    if (found.use.sum(axis=0) >= 2).any():
        return found
    if run is not None:
        raise UsstrackError(f"{found.path} has no point that is visible in two frames; label more")
    raise UsstrackError(
        f"{found.path} has no point that a person placed or accepted in two frames; label more, or "
        "name a run of a project with --run"
    )


def _clips_of(paths: Sequence[Path], clips: Sequence[Path]) -> list[Path]:
    tables = [path for path in paths if not path.name.endswith(projects.ENDING)]
    needy = tables or list(paths)
    if len(clips) not in (0, 1, len(needy)):
        raise UsstrackError(
            f"--clip is given {len(clips)} times for {len(needy)} files; give it once for all of "
            "them or once for each, in the same order"
        )
    every = list(clips) * len(needy) if len(clips) == 1 else list(clips)
    stated = dict(zip(needy, every, strict=True)) if every else {}
    return [clip_of(path, stated.get(path)) for path in paths]


def _tracks(path: Path, video: Video, run: str | None) -> Tracks:
    """Labels of a file, over a run if one is named."""
    if interchange.identify(path) != "project":
        return read_tracks(path, video.info, run)[0]
    project = projects.load(path, video.info)
    labels, runs = project.annotations, runs_of(path, project, run)
    return labels if run is None else labels.over(runs[run])
