"""The command ``usstrack``: everything the dock does, without a window."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_usstrack.cli import scoring, smoothing, training
from napari_usstrack.cli.parts import (
    Clip,
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
from napari_usstrack.core.errors import UsstrackError

if TYPE_CHECKING:
    from napari_usstrack.core.tracker import Tracker
    from napari_usstrack.core.tracks import Tracks
    from napari_usstrack.core.video import Video

PLUGIN = "napari-usstrack"
app = typer.Typer(
    name="usstrack",
    help="Follow points through ultrasound video. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Direction(StrEnum):
    """Which way to track from the query frame."""

    FORWARD = "forward"
    BACKWARD = "backward"
    BOTH = "both"


class Format(StrEnum):
    """Kinds of files that hold labels."""

    DUSTRACK = "dustrack"
    DEEPLABCUT = "deeplabcut"
    CSV = "csv"
    PROJECT = "project"


Points = Annotated[
    Path,
    typer.Option("--points", "-p", help="Labels as tidy CSV: frame,point,x,y (px, from 0)."),
]
Method = Annotated[str, typer.Option("--method", "-m", help="Tracking method.")]


@app.command(epilog="Example: usstrack info trial01.mp4 --json")
def info(
    clip: Clip,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    mm_per_px: Scale = None,
    fps: Rate = None,
) -> None:
    """Show frames, size, times, scale and where the scale came from."""
    from napari_usstrack.pipelines import describe

    found = open_clip(clip, mm_per_px, fps).info
    if as_json:
        typer.echo(json.dumps(describe.facts(found), indent=2))
        return
    typer.echo(found.name)
    for label, text in describe.lines(found):
        typer.echo(f"  {label:<9}{text}")


@app.command(
    epilog="Example: usstrack track trial01.mp4 --points points.csv --output tracks.csv "
    "--set reach_mm=1.5 --mm-per-px 0.0883"
)
def track(
    clip: Clip,
    points: Points,
    output: Output,
    method: Method = "hybrid",
    settings: Settings = None,
    start: Annotated[int | None, typer.Option(help="First frame to track, from 0.")] = None,
    stop: Annotated[int | None, typer.Option(help="Last frame to track, included.")] = None,
    direction: Annotated[
        Direction, typer.Option(help="Which way from the query frame.")
    ] = Direction.BOTH,
    overlay: Overlay = None,
    mm_per_px: Scale = None,
    fps: Rate = None,
) -> None:
    """Follow points through a clip from the first labelled frame of each."""
    from napari_usstrack.pipelines import track as tracking
    from napari_usstrack.pipelines import trackers

    tracker = trackers.make(method, options(settings))
    video, labels = _inputs(clip, points, (output, overlay), mm_per_px, fps)
    _warn(tracker, video)
    work = tracking.track(video, labels, tracker, start=start, stop=stop, direction=direction.value)
    write(video, run(work, "Tracking"), output, overlay)


@app.command(epilog="Example: usstrack fill trial01.mp4 --points anchors.csv --output tracks.csv")
def fill(
    clip: Clip,
    points: Points,
    output: Output,
    method: Method = "hybrid",
    settings: Settings = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Also track before the first and after the last label.")
    ] = False,
    overlay: Overlay = None,
    mm_per_px: Scale = None,
    fps: Rate = None,
) -> None:
    """Fill the frames between labelled frames; labels stay exactly where they are."""
    from napari_usstrack.pipelines import fill as filling
    from napari_usstrack.pipelines import trackers

    tracker = trackers.make(method, options(settings))
    video, labels = _inputs(clip, points, (output, overlay), mm_per_px, fps)
    _warn(tracker, video)
    work = filling.fill(video, labels, tracker, extend=extend)
    write(video, run(work, "Filling"), output, overlay)


@app.command(
    epilog="Example: usstrack convert trial01_annotations_me.json labels.csv --clip trial01.mp4"
)
def convert(
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN",
            help="Files of labels; --from lists the formats. Later files count over earlier ones.",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File to write, or with --to a folder."),
    ],
    clip: Annotated[Path | None, typer.Option("--clip", help="Video the labels belong to.")] = None,
    reads: Annotated[
        Format | None, typer.Option("--from", help="Format of IN; by default told from the file.")
    ] = None,
    writes: Annotated[
        Format | None, typer.Option("--to", help="Format of OUT; by default told from its name.")
    ] = None,
    scorer: Annotated[
        str,
        typer.Option("--scorer", metavar="NAME", help="Who labelled, for a file name in a folder."),
    ] = "",
) -> None:
    """Turn labels of DUSTrack or DeepLabCut into ours, and back; merge several files."""
    from napari_usstrack.pipelines.convert import convert as converting

    made = converting(
        *(source, target),
        clip=clip,
        reads=reads.value if reads else "",
        writes=writes.value if writes else "",
        scorer=scorer,
    )
    counts = f"{made.points} points, {made.frames} frames, {made.cells} cells"
    typer.echo(f"{made.path}: {counts}")
    for note in made.notes:
        typer.echo(f"  {'note':<9}{note}")


@app.command(epilog="Example: usstrack demo --output usstrack-demo")
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "usstrack-demo"
    ),
) -> None:
    """Track a real echo cine and two generated clips with known motion; needs no files."""
    from napari_usstrack.pipelines import describe
    from napari_usstrack.pipelines.demo import run_demo
    from napari_usstrack.pipelines.demo_truth import run_acts, told

    made = run(run_demo(output), "Demo")
    tracks = made.tracks
    for label, text in describe.lines(tracks.video):
        typer.echo(f"  {label:<9}{text}")
    typer.echo()
    for line in describe.travel(tracks):
        typer.echo(f"  {line}")
    typer.echo()
    for what, path in (
        ("points", made.points),
        ("tracks", made.csv),
        ("project", made.project),
        ("picture", made.picture),
        ("film", made.film),
    ):
        typer.echo(f"  {what:<9}{path}")
    acts = run(run_acts(output), "Against exact motion")
    typer.echo()
    for line in told(acts):
        typer.echo(f"  {line}")
    typer.echo()
    for act in acts:
        typer.echo(
            f"  {act.name:<9}{act.clip}, {act.csv.name}, {act.truth.name}, {act.picture.name}"
        )
    command = _command_name()
    heart = acts[0]
    typer.echo(f"\nSee it in napari: {command} open {made.clip} {heart.clip}")
    typer.echo(f"Score it yourself: {command} evaluate {heart.csv} {heart.truth}")


smooth = app.command(epilog=smoothing.EXAMPLE)(smoothing.smooth)
evaluate = app.command(epilog=scoring.EVALUATE_EXAMPLE)(scoring.evaluate)
benchmark = app.command(epilog=scoring.BENCHMARK_EXAMPLE)(scoring.benchmark)
pretrain = app.command(epilog=training.PRETRAIN_EXAMPLE)(training.pretrain)
finetune = app.command(epilog=training.FINETUNE_EXAMPLE)(training.finetune)


@app.command(name="open", epilog="Example: usstrack open trial01.mp4 trial02.mp4")
def open_window(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CLIP", help="Videos, or their projects, to open in one window."),
    ] = None,
) -> None:
    """Start napari with the plugin docked."""
    import os
    import subprocess
    from importlib.util import find_spec

    files = _checked(clips or [])
    if not any(find_spec(f"{binding}6") for binding in ("PyQt", "PySide")):
        raise UsstrackError(
            "napari needs a Qt binding, which is missing; install one with: pip install "
            '"napari-usstrack[all]".'
        )
    shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if sys.platform == "linux" and not shown:
        raise UsstrackError(
            "There is no display to open a window on; start from a desktop session, or under a "
            "virtual display such as xvfb-run."
        )
    command = [sys.executable, "-m", "napari", *files, "--with", PLUGIN, "USSTrack"]
    raise typer.Exit(subprocess.call(command))


def main() -> None:
    """Run the command; a problem with the input ends it with one sentence."""
    try:
        app(prog_name="usstrack")
    except UsstrackError as error:
        typer.echo(f"usstrack: {error}", err=True)
        sys.exit(1)


def _command_name() -> str:
    from shutil import which

    return "usstrack" if which("usstrack") else sys.argv[0]


def _checked(clips: list[Path]) -> list[str]:
    """Clips as words for napari, after a look at each and at its project."""
    from napari_usstrack.io import project

    found = [
        project.clip_path(path) if path.name.endswith(project.ENDING) else path for path in clips
    ]
    for clip in found:
        info = open_clip(clip, None, None).info
        saved = project.project_path(clip)
        if saved.exists():
            project.load(saved, info)
    reader = [] if not found or any(clip.is_dir() for clip in found) else ["--plugin", PLUGIN]
    return [*map(str, found), *reader]


def _inputs(
    clip: Path,
    points: Path,
    outputs: tuple[Path, Path | None],
    mm_per_px: str | None,
    fps: float | None,
) -> tuple[Video, Tracks]:
    from napari_usstrack.io.tables import read_points

    check_outputs(outputs, (clip, points))
    video = open_clip(clip, mm_per_px, fps)
    tell_warnings(video)
    return video, read_points(points, video.info)


def _warn(tracker: Tracker, video: Video) -> None:
    from napari_usstrack.pipelines.unfamiliar import unfamiliar

    if strange := unfamiliar(tracker, video):
        typer.echo(f"warning: {strange}.", err=True)
    if tracker.traits.scaled and video.info.spacing_mm is None:
        typer.echo(
            f"warning: {tracker.traits.name} sizes what it matches in mm, and the scale of this "
            "clip is unknown; give it with --mm-per-px for better tracks.",
            err=True,
        )
