"""What the curation panels do to the clip in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.regions import tally
from napari_usstrack.core.tracker import Progress
from napari_usstrack.pipelines.suggest import Flag
from napari_usstrack.session.placing import after_click
from napari_usstrack.widgets.chores import Chores
from napari_usstrack.widgets.curate_panel import CuratePanel, frame_of
from napari_usstrack.widgets.points_panel import NEW, PointsPanel
from napari_usstrack.widgets.region_control import RegionControl
from napari_usstrack.widgets.regions_panel import RegionsPanel
from napari_usstrack.widgets.review_panel import ReviewPanel
from napari_usstrack.widgets.trace_tools import Beat
from napari_usstrack.widgets.traces import Traces
from napari_usstrack.widgets.travel import Travel

if TYPE_CHECKING:
    from napari_usstrack.session import Session
    from napari_usstrack.widgets.workbench import Workbench


class Curator(QObject):
    """Steps, accepts, rejects and reviews for the dock.

    Parameters
    ----------
    points : PointsPanel
        Chooses what a click places.
    open_bench : callable
        The clip in view; raises where there is none.
    attempt : callable
        Runs an action and tells the user when it is refused.
    say : callable
        Shows one sentence.
    track : callable
        Tracks points from a first to a last frame.
    traces : Traces
        The trace plot.
    parent : QWidget
        The dock.
    """

    def __init__(
        self,
        points: PointsPanel,
        *,
        open_bench: Callable[[], Workbench],
        attempt: Callable[[Callable[[], object]], None],
        say: Callable[[str], object],
        track: Callable[[int, int, Sequence[str]], object],
        traces: Traces,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.curate, self.review, self.regions = CuratePanel(), ReviewPanel(), RegionsPanel()
        self.traces = traces
        self.bench: Workbench | None = None
        self._points = points
        self._open_bench = open_bench
        self._attempt = attempt
        self._say = say
        self._flags: tuple[Flag, ...] = ()
        self.region_control = RegionControl(
            self.regions,
            open_bench=open_bench,
            attempt=attempt,
            chosen=self._chosen,
            track=track,
            traces=traces,
        )
        self.travel = Travel(open_bench, self._chosen, say)
        chores: dict[str, Callable[[], object]] = {
            "counts": self._count,
            "tails": self._freshen,
            "flags": self._look_again,
            "traces": self._draw_traces,
        }
        self.chores = Chores(chores, self)
        self._lines = Beat(self._draw_lines, self)
        self._marks = Beat(self._mark_selected, self)
        self._connect()

    @property
    def _session(self) -> Session:
        return self._open_bench().session

    def use(self, bench: Workbench | None) -> None:
        """Serve another clip."""
        if bench is self.bench:
            return
        self._listen(self.bench, False)
        if self.bench is not None:
            self._let_go(self.bench)
        self.bench = bench
        self._listen(bench, True)
        self.traces.use(bench)
        self.region_control.use(bench)
        self._flags = ()
        if bench is None:
            self.review.show_flags((), None, {})
            self.curate.enable(False, False, False)
            self.chores.stop()
            self._lines.stop()
            self._marks.stop()
            return
        bench.lines.ask = self._lines.ask
        self.use_labels()
        bench.session.curation.propagating = self.curate.carrying.value
        self.chores.ask()

    def use_labels(self) -> None:
        """Take over a labels layer that was just made or adopted."""
        bench = self.bench
        if bench is not None and bench.sync is not None and bench.pointing is not None:
            bench.sync.placed = self._placed
            bench.sync.ask_marks = self._marks.ask
            bench.pointing.placing = self.curate.placing.value

    def start_placing(self) -> None:
        """Let clicks place points from now on."""
        self.curate.placing.value = True
        self.use_labels()

    def actions(self) -> dict[str, Callable[[], object]]:
        """Actions of the key table that are about curation."""
        picks = {f"pick_{i}": partial(self.pick, i - 1) for i in range(1, 11)}
        return {
            "accept": self.accept,
            "accept_up_to": self.accept_up_to,
            "reject": self.reject,
            "delete_label": self.delete_label,
            "check_next": self.check_next,
            "check_accept": self.check_accept,
            "next_point": partial(self.pick_beside, 1),
            "previous_point": partial(self.pick_beside, -1),
            "place_here": self.place_here,
            "trace_plot": self.traces.toggle,
            **picks,
            **self.travel.actions(),
            **self.region_control.actions(),
        }

    # --- placing ------------------------------------------------------------------------------

    def pick(self, index: int) -> None:
        """Choose a point by its place in the table."""
        names = self._session.annotations.names
        if index < len(names):
            self._choose(names[index])

    def pick_beside(self, by: int) -> None:
        """Choose the next or the previous point, or a new one between last and first."""
        self._points.step(by)
        chosen = self._points.next.value
        self._session.selection = () if chosen == NEW else (chosen,)

    def place_here(self) -> None:
        """Place the point that a click would place where the mouse is."""
        bench = self._open_bench()
        if not bench.viewer.mouse_over_canvas:
            raise UsstrackError("Point at the tissue with the mouse, then press the key.")
        layer = bench.label()
        self.use_labels()
        if bench.pointing is not None:
            bench.pointing.place(layer.world_to_data(bench.viewer.cursor.position))

    def _choose(self, name: str) -> None:
        self._points.choose(name)
        self._session.selection = (name,)

    def _placed(self, name: str, frame: int) -> None:
        """Choose what the next click places."""
        session, new = self._session, self._points.next.value == NEW
        mode = self.curate.mode.value
        following, there = after_click(mode, session.annotations, name, frame)
        if mode == "loop" or (mode == "sequential" and not new):
            self._points.choose(following)
        if there != frame:
            self.travel.step(1)

    # --- proposals ----------------------------------------------------------------------------

    def accept(self) -> None:
        """Make what is proposed in this frame labels."""
        self._tell_accepted(self._session.curation.accept(self._session.frame))

    def accept_up_to(self) -> None:
        """Make what is proposed up to this frame labels."""
        self._tell_accepted(self._session.curation.accept_up_to(self._session.frame))

    def _tell_accepted(self, count: int) -> None:
        if count:
            self._say(f"{count} {'proposal' if count == 1 else 'proposals'} accepted.")
        else:
            self._say("Nothing is proposed here; step from a labelled frame first.")

    def reject(self) -> None:
        """Say that the chosen points are not to be seen in this frame."""
        session = self._session
        names = self._chosen()
        if not session.curation.reject(session.frame, names):
            self._say(f"There is no {', '.join(names)} in this frame to reject.")

    def delete_label(self) -> None:
        """Forget the label of the chosen points in this frame."""
        session, frame = self._session, self._session.frame
        labels = session.annotations
        held = [name for name in self._chosen() if labels.source[frame, labels.column(name)]]
        if not held:
            raise UsstrackError("The chosen point has no label in this frame.")
        what = held[0] if len(held) == 1 else f"{len(held)} labels"
        session.place_all(f"delete {what}", {(frame, name): None for name in held})

    def _chosen(self) -> tuple[str, ...]:
        chosen = self._session.selection or (self._points.next.value,)
        known = tuple(name for name in chosen if name in self._session.annotations.names)
        if not known:
            raise UsstrackError("No point is chosen; click one, or press its number.")
        return known

    # --- checking -----------------------------------------------------------------------------

    def check_next(self) -> None:
        """Go to the next entry of the list."""
        if "flags" in self.chores.due:
            self.chores.finish()
        flag = self.review.next()
        if flag is None:
            self._say("Nothing to check.")
        else:
            self._go_to(flag, flag.frame)

    def check_accept(self) -> None:
        """Find the chosen entry right and go to the next one."""
        if self.review.chosen is None:
            self.check_next()
            return
        self._session.review.accept(self.review.chosen)
        self._look_again()
        if self.review.chosen is not None:
            self._go_to(self.review.chosen, self.review.chosen.frame)

    def _go_to(self, flag: Flag, frame: int) -> None:
        self._choose(flag.point)
        self._open_bench().show_frame(frame)

    # --- what is shown ------------------------------------------------------------------------

    def _connect(self) -> None:
        curate, review = self.curate, self.review
        for signal, action in (
            (curate.accepted, self.accept),
            (curate.accepted_up_to, self.accept_up_to),
            (curate.rejected, self.reject),
            (review.refreshing, self._look_again),
        ):
            signal.connect(partial(self._attempt, action))
        for typed, use in (
            (curate.stepped, self.travel.step),
            (curate.going, self._go),
            (review.going, lambda flag: self._go_to(flag, flag.frame)),
            (review.went_to_start, lambda flag: self._go_to(flag, flag.first)),
            (review.accepted, self._accept_flag),
            (review.dismissed, self._dismiss_flag),
        ):
            typed.connect(partial(self._attempt_with, use))
        curate.carrying_changed.connect(self._carry)
        curate.placing_changed.connect(lambda _on: self.use_labels())

    def _attempt_with(self, use: Callable[[Any], object], value: Any) -> None:
        self._attempt(partial(use, value))

    def _listen(self, bench: Workbench | None, on: bool) -> None:
        if bench is None:
            return
        session = bench.session
        for signal, heard in (
            (session.history_changed, self._on_change),
            (session.curation.proposed, self._on_change),
            (session.curation.working, self._on_working),
        ):
            if on:
                signal.connect(heard)
            else:
                signal.disconnect(heard)

    def _on_change(self) -> None:
        self.chores.ask()

    def _on_working(self, progress: Progress) -> None:
        self.curate.working(progress.done, progress.total)

    def _carry(self, on: bool) -> None:
        if self.bench is not None:
            self.bench.session.curation.propagating = on

    def _go(self, text: str) -> None:
        bench = self._open_bench()
        info = bench.session.annotations.video
        bench.show_frame(frame_of(text, info.calibration.times_s, info.frame_count))

    def _accept_flag(self, flag: Flag) -> None:
        self._session.review.accept(flag)
        self._look_again()

    def _dismiss_flag(self, flag: Flag) -> None:
        self._session.review.dismiss(flag)
        self._look_again()

    def _count(self) -> None:
        if self.bench is None:
            return
        session = self.bench.session
        counts = tally(session.annotations, session.curation.shown)
        self.curate.tell(counts.labelled, counts.proposed, len(self._flags), counts.frames)
        points = bool(session.annotations.names)
        self.curate.enable(True, points, counts.proposed > 0)

    def _let_go(self, bench: Workbench) -> None:
        bench.lines.ask = bench.lines.draw
        if bench.sync is not None:
            bench.sync.ask_marks = bench.sync.mark_selected

    def _mark_selected(self) -> None:
        if self.bench is not None and self.bench.sync is not None:
            self.bench.sync.mark_selected()

    def _draw_lines(self) -> None:
        if self.bench is not None:
            self.bench.lines.draw()

    def _freshen(self) -> None:
        if self.bench is not None:
            self.bench.freshen()

    def _look_again(self) -> None:
        if self.bench is None:
            return
        session = self.bench.session
        self._flags = session.review.flags()
        colours = {point.name: point.colour for point in session.annotations.points}
        times = session.annotations.video.calibration.times_s
        self.review.show_flags(self._flags, times, colours)
        self.traces.flag([(flag.frame, flag.point) for flag in self._flags])
        self._count()

    def _draw_traces(self) -> None:
        self.traces.draw()
