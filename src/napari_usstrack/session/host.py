"""What the parts of a session see of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from psygnal import SignalInstance

from napari_usstrack.core.history import Change
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video


class Host(Protocol):
    """The labels, runs and frame of one clip."""

    video: Video
    frame: int

    @property
    def annotations(self) -> Tracks:
        """What a person set."""
        ...

    @property
    def runs(self) -> Mapping[str, Tracks]:
        """What methods computed, by run name."""
        ...

    @property
    def job_changed(self) -> SignalInstance:
        """Told every `JobState`."""
        ...

    @property
    def events(self) -> Mapping[str, Any]:
        """What is noted about the clip as a whole."""
        ...

    def note(self, name: str, key: str, value: Any) -> None:
        """Note a plain value about the clip; undoable."""
        ...

    def run_or_none(self, name: str) -> Tracks | None:
        """The named run, if there is one."""
        ...

    def do(self, change: Change) -> None:
        """Apply a change and remember it."""
        ...
