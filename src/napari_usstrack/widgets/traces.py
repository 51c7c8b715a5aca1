"""The trace plot of the clip in view, in a dock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_usstrack.widgets.trace_plot import TracePlot
from napari_usstrack.widgets.trace_tools import Beat

if TYPE_CHECKING:
    from napari import Viewer

    from napari_usstrack.core.tracks import Tracks
    from napari_usstrack.widgets.workbench import Workbench

TITLE = "USSTrack traces"
LOWEST_PX = 200
NOTHING = "Place a point on the clip and step; its path over time is drawn here."


class Traces:
    """Keeps the trace plot and the clip in view in step; the plot is made when first asked for.

    Parameters
    ----------
    viewer : Viewer
        Where the plot docks.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.plot: TracePlot | None = None
        self._selecting: Beat | None = None
        self._viewer = viewer
        self._dock = None
        self._bench: Workbench | None = None
        self._flags: Sequence[tuple[int, str]] = ()
        self._previewed: Tracks | None = None

    @property
    def visible(self) -> bool:
        """Whether the plot can be seen."""
        return self._dock is not None and not self._dock.isHidden()

    def toggle(self) -> None:
        """Show the plot, or hide it."""
        if self.plot is None:
            self._make()
        elif self._dock is not None:
            self._dock.setVisible(self._dock.isHidden())
        self._draw()

    def use(self, bench: Workbench | None) -> None:
        """Show another clip."""
        if self._bench is not None:
            self._listen(self._bench, False)
        self._bench = bench
        if bench is not None:
            self._listen(bench, True)
        self.draw()

    def draw(self) -> None:
        """Draw all curves anew, if they can be seen."""
        if self.visible:
            self._draw()

    def _draw(self) -> None:
        plot, bench = self.plot, self._bench
        if plot is None:
            return
        if bench is None or not bench.session.annotations.names:
            plot.empty(NOTHING)
            return
        session = bench.session
        reference = session.run_or_none(bench.reference)
        plot.show_tracks(session.curation.shown, labels=session.annotations, reference=reference)
        plot.show_preview(self._previewed)
        plot.hide_points(bench.hidden)
        plot.flag(self._flags)
        plot.select(session.selection)
        self.mark(session.review.marked, session.review.interval)
        plot.follow(session.frame)

    def flag(self, flags: Sequence[tuple[int, str]]) -> None:
        """Point out places to check."""
        self._flags = flags
        if self.plot is not None:
            self.plot.flag(flags)

    def preview(self, tracks: Tracks | None) -> None:
        """Show points as they would come out, over the curves; None takes that away."""
        self._previewed = tracks
        if self.plot is not None:
            self.plot.show_preview(tracks)

    def show(self) -> None:
        """Show the plot if it cannot be seen."""
        if not self.visible:
            self.toggle()

    def mark(self, frames: Sequence[int], interval: range | None) -> None:
        """Show frames of interest and the interval."""
        if self.plot is not None:
            self.plot.mark(frames)
            self.plot.interval = interval

    def playing(self, on: bool) -> None:
        """Leave the cursor while the clip plays."""
        if self.plot is not None:
            self.plot.playing = on

    def close(self) -> None:
        """Stop listening and take the plot away."""
        self.use(None)
        if self._dock is not None:
            self._viewer.window.remove_dock_widget(self._dock)
            self.plot = self._dock = self._selecting = None

    def _make(self) -> None:
        plot = TracePlot()
        plot.setMinimumHeight(LOWEST_PX)
        plot.seek.connect(self._seek)
        plot.selected.connect(self._select)
        plot.interval_changed.connect(self._set_interval)
        self.plot = plot
        self._selecting = Beat(self._select_now, plot)
        self._dock = self._viewer.window.add_dock_widget(plot, name=TITLE, area="bottom")

    def _listen(self, bench: Workbench, on: bool) -> None:
        session = bench.session
        for signal, heard in (
            (session.frame_changed, self._follow),
            (session.selection_changed, self._mark_selected),
        ):
            if on:
                signal.connect(heard)
            else:
                signal.disconnect(heard)

    def _follow(self, frame: int) -> None:
        if self.plot is not None and self.visible:
            self.plot.follow(frame)

    def _mark_selected(self, _names: tuple[str, ...]) -> None:
        if self._selecting is not None:
            self._selecting.ask()

    def _select_now(self) -> None:
        if self.plot is not None and self._bench is not None:
            self.plot.select(self._bench.session.selection)

    def _seek(self, frame: int) -> None:
        if self._bench is not None:
            self._bench.show_frame(frame)

    def _select(self, names: tuple[str, ...]) -> None:
        if self._bench is not None:
            self._bench.session.selection = names

    def _set_interval(self, frames: range | None) -> None:
        if self._bench is not None:
            self._bench.session.review.interval = frames
