"""What the regions panel does to the clip in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.merge import MergePlan, Policy
from napari_usstrack.widgets.merge_dialog import MergeDialog
from napari_usstrack.widgets.regions_panel import RegionsPanel
from napari_usstrack.widgets.traces import Traces

if TYPE_CHECKING:
    from napari_usstrack.session import Session
    from napari_usstrack.session.review import Scope
    from napari_usstrack.widgets.workbench import Workbench


class RegionControl:
    """Fills, tracks, clears, copies and merges in parts of a clip; compares runs.

    Parameters
    ----------
    regions : RegionsPanel
        Where a person asks for it.
    open_bench : callable
        The clip in view; raises where there is none.
    attempt : callable
        Runs an action and tells the user when it is refused.
    chosen : callable
        Names of the chosen points; raises where there is none.
    track : callable
        Tracks points from a first to a last frame.
    traces : Traces
        The trace plot.
    """

    def __init__(
        self,
        regions: RegionsPanel,
        *,
        open_bench: Callable[[], Workbench],
        attempt: Callable[[Callable[[], object]], None],
        chosen: Callable[[], tuple[str, ...]],
        track: Callable[[int, int, Sequence[str]], object],
        traces: Traces,
    ) -> None:
        self.regions = regions
        self.traces = traces
        self.bench: Workbench | None = None
        self._open_bench = open_bench
        self._attempt = attempt
        self._chosen = chosen
        self._track = track
        regions.marking.connect(partial(attempt, self.mark))
        regions.swapping.connect(partial(attempt, self.swap))
        regions.removing.connect(partial(attempt, self.remove_run))
        for typed, use in (
            (regions.interval_set, self.set_interval),
            (regions.asked, self.act),
            (regions.current_changed, self._use_current),
            (regions.reference_changed, self._use_reference),
        ):
            typed.connect(partial(self._attempt_with, use))

    @property
    def _session(self) -> Session:
        return self._open_bench().session

    def actions(self) -> dict[str, Callable[[], object]]:
        """Actions of the key table that are about regions."""
        return {
            "mark": self.mark,
            "interval_from": partial(self.set_interval, "from"),
            "interval_to": partial(self.set_interval, "to"),
            "swap": self.swap,
            "copy_point": lambda: self.copy("this frame", self._chosen()),
            "copy_frame": lambda: self.copy("this frame", self._session.annotations.names),
        }

    def use(self, bench: Workbench | None) -> None:
        """Serve another clip."""
        self._listen(self.bench, False)
        self.bench = bench
        self._listen(bench, True)
        self.tell()

    def mark(self) -> None:
        """Mark this frame as one of interest, or take the mark away."""
        self._session.review.mark(self._session.frame)

    def set_interval(self, what: str) -> None:
        """Let the interval begin or end in this frame, or clear it."""
        review, frame = self._session.review, self._session.frame
        if what == "from":
            review.begin_interval(frame)
        elif what == "to":
            review.end_interval(frame)
        else:
            review.interval = None

    def swap(self) -> None:
        """Let the reference be edited, and what was edited be the reference."""
        bench = self._open_bench()
        current, reference = bench.session.curation.base, bench.reference
        if not current and not reference:
            raise UsstrackError("There is no run to swap; track first.")
        bench.session.curation.base, bench.reference = reference, current
        bench.freshen()
        self.tell()

    def merge(self) -> None:
        """Show what merging a run into the labels would change, and do it when confirmed."""
        bench, review = self._open_bench(), self._session.review
        runs = tuple(bench.session.runs)
        if not runs:
            raise UsstrackError("There is no run to merge; track or fill first.")

        def plan(run: str, policy: Policy, least: float) -> MergePlan:
            return review.plan_merge(run, policy, least)

        dialog = MergeDialog(runs, plan, self.regions.window())
        if dialog.exec() and dialog.plan is not None:
            review.merge(dialog.run, dialog.plan)

    def act(self, what: str) -> None:
        """Do what a button of the regions panel asks for."""
        if what == "merge":
            self.merge()
            return
        review = self._session.review
        scope, every = self.regions.scope.value, self.regions.every.value
        names = self._named()
        if what == "copy":
            self.copy(scope, names)
        elif what == "decimate":
            review.decimate(scope, names, every)
        elif what == "track":
            frames = review.frames(scope)
            self._track(min(frames), max(frames), names)
        else:
            getattr(review, what)(scope, names)

    def copy(self, scope: Scope, names: Sequence[str]) -> None:
        """Make the reference's positions labels."""
        reference = self._reference(self._open_bench())
        replace = self.regions.replace.value
        self._session.review.copy(reference, scope, names, replace=replace)

    def remove_run(self) -> None:
        """Take away the run that is shown under the labels."""
        session = self._session
        if not session.curation.base:
            raise UsstrackError("There is no run to remove; choose one first.")
        session.set_run(session.curation.base, None)

    def _reference(self, bench: Workbench) -> str:
        if not bench.reference:
            raise UsstrackError(
                "There is no reference to copy from; choose one under Regions and comparison."
            )
        return bench.reference

    def _named(self) -> tuple[str, ...]:
        if self.regions.points.value == "selected points":
            return self._chosen()
        return self._session.annotations.names

    def _use_current(self, run: str) -> None:
        self._open_bench().session.curation.base = run
        self._open_bench().freshen()

    def _use_reference(self, run: str) -> None:
        self._open_bench().reference = run
        self.traces.draw()

    def tell(self, *_: object) -> None:
        """Show interval, marks and runs of the clip."""
        if self.bench is None:
            return
        session = self.bench.session
        times = session.annotations.video.calibration.times_s
        self.regions.tell(session.review.interval, session.review.marked, times)
        runs = tuple(session.runs)
        self.regions.offer_layers(runs, session.curation.base, self.bench.reference)
        self.traces.mark(session.review.marked, session.review.interval)

    def _listen(self, bench: Workbench | None, on: bool) -> None:
        if bench is None:
            return
        session = bench.session
        for signal in (session.review.interval_changed, session.event_changed, session.run_changed):
            if on:
                signal.connect(self.tell)
            else:
                signal.disconnect(self.tell)

    def _attempt_with(self, use: Callable[[Any], object], value: Any) -> None:
        self._attempt(partial(use, value))
