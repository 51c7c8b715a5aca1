"""What the tracking panel asks for, done on the open clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_usstrack.widgets.track_panel import TrackPanel

if TYPE_CHECKING:
    from napari_usstrack.widgets.workbench import Workbench

RUN = "track"


class RunControl:
    """Tracks and fills with the method, settings and frames of the panel.

    Parameters
    ----------
    panel : TrackPanel
        Where they are chosen.
    open_bench : callable
        The clip in view; raises where there is none.
    """

    def __init__(self, panel: TrackPanel, open_bench: Callable[[], Workbench]) -> None:
        self._panel = panel
        self._open_bench = open_bench

    def track(self) -> None:
        """Follow every point from its first label."""
        self._track(self._panel.first.value, self._panel.last.value, None)

    def track_part(self, first: int, last: int, names: Sequence[str]) -> None:
        """Follow some points in some frames; the run stays as it is elsewhere."""
        self._track(first, last, names)

    def fill(self) -> None:
        """Fill the frames between labels."""
        panel = self._panel
        self._open_bench().session.fill(
            run=RUN,
            method=panel.method.value,
            options=panel.options,
            extend=panel.extend.value,
        )

    def _track(self, first: int, last: int, names: Sequence[str] | None) -> None:
        panel = self._panel
        self._open_bench().session.track(
            run=RUN,
            method=panel.method.value,
            options=panel.options,
            start=first,
            stop=last,
            direction=panel.direction.value,
            names=names,
            keep=names is not None,
        )
