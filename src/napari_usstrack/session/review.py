"""Where to look next, and what to do in a part of the clip; no window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from psygnal import Signal

from napari_usstrack.core import regions
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.merge import MergePlan, Policy, plan
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.pipelines.suggest import Flag, check_next
from napari_usstrack.session.curation import Curation
from napari_usstrack.session.host import Host

Scope = Literal["interval", "marked frames", "this frame", "whole clip"]
SCOPES: tuple[Scope, ...] = ("interval", "marked frames", "this frame", "whole clip")
MARKED, DISMISSED = "marked_frames", "dismissed"


class Review:
    """Marked frames, an interval, the list to check, and edits of regions.

    Parameters
    ----------
    session : Host
        Labels, runs and history.
    curation : Curation
        What is proposed.

    Notes
    -----
    Signal: ``interval_changed(range or None)``. The interval is a way of
    looking, not kept; marked frames and dismissed entries are events of the
    project, and undoable.
    """

    interval_changed = Signal(object)

    def __init__(self, session: Host, curation: Curation) -> None:
        self._session = session
        self._curation = curation
        self._interval: range | None = None

    # --- where --------------------------------------------------------------------------------

    @property
    def interval(self) -> range | None:
        """Frames that were selected, or None."""
        return self._interval

    @interval.setter
    def interval(self, frames: range | None) -> None:
        if frames != self._interval:
            self._interval = frames
            self.interval_changed.emit(frames)

    def begin_interval(self, frame: int) -> None:
        """Let the interval start in a frame, keeping a later end."""
        stop = frame + 1 if self._interval is None else max(self._interval.stop, frame + 1)
        self.interval = range(frame, stop)

    def end_interval(self, frame: int) -> None:
        """Let the interval end in a frame, it included, keeping an earlier start."""
        start = frame if self._interval is None else min(self._interval.start, frame)
        self.interval = range(start, frame + 1)

    @property
    def marked(self) -> tuple[int, ...]:
        """Frames of interest, sorted."""
        return tuple(self._session.events.get(MARKED, ()))

    def mark(self, frame: int) -> None:
        """Mark a frame as one of interest, or take the mark away; undoable."""
        marked = set(self.marked)
        verb = "unmark" if frame in marked else "mark"
        frames = sorted(marked ^ {frame})
        self._session.note(f"{verb} frame {frame}", MARKED, frames or None)

    def frames(self, scope: Scope) -> range | tuple[int, ...]:
        """Frames of a scope.

        Raises
        ------
        UsstrackError
            When there is no interval or no marked frame.
        """
        if scope == "this frame":
            return range(self._session.frame, self._session.frame + 1)
        if scope == "whole clip":
            return range(self._session.video.info.frame_count)
        if scope == "interval":
            if self._interval is None:
                raise UsstrackError(
                    "No interval is selected; drag with Shift in the trace plot, or press [ and ]."
                )
            return self._interval
        if not self.marked:
            raise UsstrackError("No frame is marked; go to one and press M.")
        return self.marked

    # --- what ---------------------------------------------------------------------------------

    def clear(self, scope: Scope, names: Sequence[str]) -> None:
        """Forget the labels of points in a scope."""
        self._do(regions.clear, self.frames(scope), names)

    def copy(self, run: str, scope: Scope, names: Sequence[str], *, replace: bool = False) -> None:
        """Make a run's positions labels in a scope; what a person set stays unless replaced."""
        frames, labels = self.frames(scope), self._session.annotations
        edit = regions.copy_from(labels, self._run(run), frames, names, replace=replace)
        self._session.do(edit)

    def keep_complete(self, scope: Scope, names: Sequence[str]) -> None:
        """Drop labelled frames of a scope in which one of the points lacks a label."""
        self._do(regions.keep_complete, self.frames(scope), names)

    def decimate(self, scope: Scope, names: Sequence[str], every: int) -> None:
        """Keep every k-th complete frame of a scope, for training."""
        self._do(regions.decimate, self.frames(scope), names, every)

    def fill(self, scope: Scope, names: Sequence[str]) -> None:
        """Propose points in a scope, from the labels around it."""
        self._curation.request(self.frames(scope), names)

    def plan_merge(self, run: str, policy: Policy, min_confidence: float = 0.0) -> MergePlan:
        """Work out what merging a run into the labels would change."""
        annotations = self._session.annotations
        return plan(annotations, self._run(run), policy, min_confidence=min_confidence)

    def merge(self, run: str, made: MergePlan) -> None:
        """Merge a run as it was previewed; undoable.

        Raises
        ------
        UsstrackError
            When labels or run changed since.
        """
        self._session.do(made.confirmed(self._session.annotations, self._run(run)))

    # --- check next ---------------------------------------------------------------------------

    def flags(self) -> tuple[Flag, ...]:
        """Places to check, the worst first."""
        session, base = self._session, self._curation.base
        others = {name: run for name, run in session.runs.items() if name != base}
        return check_next(
            session.annotations,
            self._curation.shown,
            others=others,
            dismissed=[(int(frame), str(name)) for frame, name in self._dismissed],
            spacing_mm=session.annotations.video.spacing_mm,
        )

    def accept(self, flag: Flag) -> None:
        """Find a place right: what is proposed in its frames becomes labels."""
        frames = range(flag.first, flag.last + 1)
        if not self._curation.accept_all(frames, [flag.point], f"accept {flag.point}"):
            self.dismiss(flag)

    def dismiss(self, flag: Flag) -> None:
        """Take a place off the list; undoable."""
        dismissed = [*self._dismissed, [flag.frame, flag.point]]
        self._session.note(f"dismiss {flag.point} in frame {flag.frame}", DISMISSED, dismissed)

    @property
    def _dismissed(self) -> list:
        return list(self._session.events.get(DISMISSED, ()))

    def _run(self, name: str) -> Tracks:
        run = self._session.run_or_none(name)
        if run is None:
            raise UsstrackError(f"There is no run '{name}' to take positions from; choose another.")
        return run

    def _do(self, make: Callable[..., Edit], frames: Iterable[int], *rest: object) -> None:
        self._session.do(make(self._session.annotations, frames, *rest))
