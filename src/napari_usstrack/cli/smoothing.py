"""The command ``smooth``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_usstrack.cli.parts import (
    Output,
    Overlay,
    Rate,
    Scale,
    Settings,
    check_outputs,
    open_clip,
    options,
    run,
    tell_warnings,
    write,
)

if TYPE_CHECKING:
    from napari_usstrack.core.tracks import Tracks

EXAMPLE = (
    "Example: usstrack smooth tracks.csv --clip trial01.mp4 --method flow-window "
    "--set window_s=0.5 --output smooth.csv"
)

Raw = Annotated[
    Path,
    typer.Argument(
        metavar="TRACKS",
        help="Tracks: tidy CSV, project, DUSTrack annotations or DeepLabCut predictions.",
    ),
]
ClipOfThem = Annotated[
    Path | None,
    typer.Option("--clip", help="Video they belong to; by default the one beside a project."),
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        "-m",
        help="flow-window, fusion, savgol, butterworth, median, hampel or spline.",
    ),
]
Points = Annotated[
    str, typer.Option("--points", metavar="NAME,...", help="Points to smooth; by default all.")
]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="NAME", help="Run of a project; needed if it has several."),
]


def smooth(
    tracks: Raw,
    output: Output,
    clip: ClipOfThem = None,
    method: Method = "flow-window",
    settings: Settings = None,
    points: Points = "",
    run_name: Run = None,
    overlay: Overlay = None,
    mm_per_px: Scale = None,
    fps: Rate = None,
) -> None:
    """Smooth tracks over time; hidden and missing positions stay as they are."""
    from napari_usstrack.pipelines import smoothers
    from napari_usstrack.pipelines.smooth import smooth as smoothing
    from napari_usstrack.pipelines.smooth_files import clip_of, read_tracks

    smoother = smoothers.make(method, options(settings))
    path = clip_of(tracks, clip)
    check_outputs((output, overlay), (path, tracks))
    video = open_clip(path, mm_per_px, fps)
    tell_warnings(video)
    smoother.check(video.info)
    raw, notes = read_tracks(tracks, video.info, run_name)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    names = [name.strip() for name in points.split(",") if name.strip()] or None
    found = run(smoothing(video, raw, smoother, names=names), "Smoothing")
    write(video, found, output, overlay)
    _tell(raw, found)


def _tell(raw: Tracks, found: Tracks) -> None:
    moved = (found.xy != raw.xy).any(axis=-1) & raw.present
    frames = found.log[-1].settings.get("window_frames")
    window = f"; the window is {frames} frames" if frames else ""
    typer.echo(f"  {'moved':<9}{moved.sum()} of {raw.present.sum()} positions{window}")
