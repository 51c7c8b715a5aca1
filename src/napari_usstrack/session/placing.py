"""What the next click places, in the three ways of placing points."""

from __future__ import annotations

from typing import Literal

from napari_usstrack.core.tracks import Source, Tracks

Mode = Literal["quick", "sequential", "loop"]
MODES: tuple[Mode, ...] = ("quick", "sequential", "loop")


def after_click(mode: Mode, annotations: Tracks, name: str, frame: int) -> tuple[str, int]:
    """Point and frame that come after a point was placed.

    Parameters
    ----------
    mode : {"quick", "sequential", "loop"}
        Stay with the point; go to the next point that nobody said anything of in this
        frame; or stay with the point and go one frame on.
    annotations : Tracks
        Labels, the new one included.
    name : str
        The point that was placed.
    frame : int
        Where.
    """
    if mode == "loop":
        return name, min(frame + 1, annotations.shape[0] - 1)
    if mode == "sequential":
        return next_missing(annotations, name, frame), frame
    return name, frame


def next_missing(annotations: Tracks, name: str, frame: int) -> str:
    """The first point after `name`, in order, that has no label in a frame; else `name`."""
    at = annotations.column(name)
    order = [*annotations.names[at + 1 :], *annotations.names[:at]]
    for other in order:
        if annotations.source[frame, annotations.column(other)] == Source.MISSING:
            return other
    return name
