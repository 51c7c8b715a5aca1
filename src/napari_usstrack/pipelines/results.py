"""What the result of a tracking pipeline carries besides its cells."""

from __future__ import annotations

from typing import Any

from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracker import Tracker
from napari_usstrack.core.tracks import CELL_ARRAYS, Tracks, blank_arrays


def arrays_from(annotations: Tracks, former: Tracks | None) -> dict[str, Any]:
    """Arrays to write into: cells of a former run for the points it shares, else blank."""
    arrays = blank_arrays(*annotations.shape)
    if former is not None:
        shared = [name for name in annotations.names if name in former.names]
        mine = [annotations.column(name) for name in shared]
        theirs = [former.column(name) for name in shared]
        for name in CELL_ARRAYS:
            arrays[name][:, mine] = getattr(former, name)[:, theirs]
    return arrays


def read_of(former: Tracks | None) -> list[Any] | None:
    """What a ticket tells of a former run."""
    return None if former is None else [former.names, *(getattr(former, a) for a in CELL_ARRAYS)]


def run_of(annotations: Tracks, arrays: dict[str, Any], step: Step) -> Tracks:
    """Tracks of the annotated points with these arrays."""
    return Tracks(**arrays, points=annotations.points, video=annotations.video, log=(step,))


def step_of(name: str, tracker: Tracker, ticket: str, span: range) -> Step:
    """Record of one pipeline call."""
    settings = {**tracker.settings, "first_frame": span.start, "last_frame": span.stop - 1}
    traits = tracker.traits
    return Step(name, traits.name, traits.version, settings, inputs=ticket)


def ticket_of(annotations: Tracks, tracker: Tracker, what: str, *parts: object) -> str:
    """Digest of the clip, the method, its settings and all else that is read."""
    traits = tracker.traits
    held = [(p.name, p.group, p.kind) for p in annotations.points if p.kind != "point"]
    return digest(
        what,
        annotations.video.digest,
        annotations.video.spacing_mm if traits.scaled else None,
        list(annotations.names),
        traits.name,
        traits.version,
        dict(tracker.settings),
        *(list(part) if isinstance(part, range) else part for part in parts),
        *([held] if held else []),
    )
