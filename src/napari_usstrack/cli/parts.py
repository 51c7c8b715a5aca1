"""What several commands share: options, opening a clip, a progress bar."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from napari_usstrack.core.tracker import Work
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
