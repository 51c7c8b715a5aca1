"""What the result of a tracking pipeline carries besides its cells."""

from __future__ import annotations

from typing import Any

from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracker import Tracker
from napari_usstrack.core.tracks import Tracks


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
    return digest(
        what,
        annotations.video.digest,
        annotations.video.spacing_mm if traits.scaled else None,
        list(annotations.names),
        traits.name,
        traits.version,
        dict(tracker.settings),
        *(list(part) if isinstance(part, range) else part for part in parts),
    )
