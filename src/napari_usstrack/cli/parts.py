"""What several commands share: options, opening a clip, a progress bar, writing tracks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from napari_usstrack.core.errors import UsstrackError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_usstrack.core.tracker import Work
    from napari_usstrack.core.tracks import Tracks
    from napari_usstrack.core.video import Video

T = TypeVar("T")
Clip = Annotated[Path, typer.Argument(help="Video file, DICOM, stack or folder of images.")]
Scale = Annotated[
    str | None,
    typer.Option(
        "--mm-per-px", metavar="X[,Y]", help="Scale in mm per px, over what the file says."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option("--fps", help="Frames per second, over what the file says."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Tidy CSV to write.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Setting of the method; repeatable."),
]
Overlay = Annotated[
    Path | None, typer.Option("--overlay", help="Also write the tracks over the clip, as mp4.")
]


def spacing_of(mm_per_px: str | None) -> tuple[float, float] | None:
    """Mm per px as (x, y) from what was typed."""
    from napari_usstrack.pipelines.typed import spacing_mm

    return None if mm_per_px is None else spacing_mm(mm_per_px, "--mm-per-px")


def open_clip(clip: Path, mm_per_px: str | None, fps: float | None) -> Video:
    """Open a clip with scale and rate as typed."""
    from napari_usstrack.io.registry import open_video

    return open_video(clip, spacing_mm=spacing_of(mm_per_px), fps=fps)


def run(work: Work[T], title: str) -> T:
    """Run work to its end behind a progress bar on stderr."""
    from napari_usstrack.core.tracker import Progress, finish

    hidden = not sys.stderr.isatty()
    with typer.progressbar(length=1000, label=title, file=sys.stderr, hidden=hidden) as bar:

        def report(progress: Progress) -> None:
            share = 1000 * progress.done // max(progress.total, 1)
            if share > bar.pos:
                bar.update(share - bar.pos)

        return finish(work, report)


def options(settings: list[str] | None) -> dict[str, str]:
    """Settings by name from what was typed after ``--set``."""
    pairs = [setting.partition("=") for setting in settings or []]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise UsstrackError(f"--set takes NAME=VALUE, as in rounds=2; got '{name}{equals}'.")
    return {name: value for name, _, value in pairs}


def check_outputs(outputs: tuple[Path, Path | None], inputs: Iterable[Path]) -> None:
    """Refuse a table or film that is an input, has the wrong ending or cannot be written."""
    from napari_usstrack.io.tables import check_table, check_writable

    table, overlay = outputs
    given = [path.resolve() for path in inputs]
    for output in (table, overlay):
        if output is None:
            continue
        if output.resolve() in given:
            raise UsstrackError(f"{output} is an input; choose another name for the result.")
        check_writable(output)
    check_table(table)
    if overlay is not None and overlay.suffix.lower() != ".mp4":
        raise UsstrackError(f"{overlay} has the wrong ending; --overlay writes an .mp4 file.")


def tell_warnings(video: Video) -> None:
    """Say on stderr what a user should know of a clip."""
    for warning in video.info.warnings:
        typer.echo(f"warning: {warning}", err=True)


def write(video: Video, tracks: Tracks, output: Path, overlay: Path | None) -> None:
    """Write tracks, and a film if wanted, and say what was written."""
    from napari_usstrack.io.overlay import write_overlay_video
    from napari_usstrack.io.tables import write_tracks
    from napari_usstrack.pipelines import describe

    write_tracks(tracks, output)
    if overlay is not None:
        run(write_overlay_video(video, tracks, overlay), "Drawing")
    frames, points = tracks.shape
    typer.echo(f"{output}: {frames * points} rows, {frames} frames x {points} points")
    if lost := describe.lost_points(tracks):
        typer.echo(f"  lost     in some frames: {', '.join(lost)}")
    for label, text in describe.lines(tracks.video):
        if label != "warning":
            typer.echo(f"  {label:<9}{text}")
