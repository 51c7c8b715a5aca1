"""The jobs a session starts: following points freely, filling between anchors, smoothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from napari_usstrack.core.tracker import Tracker
from napari_usstrack.pipelines import smoothers, trackers
from napari_usstrack.pipelines.fill import fill, fill_ticket
from napari_usstrack.pipelines.queries import Direction, Stretch, frame_span
from napari_usstrack.pipelines.track import track, track_ticket
from napari_usstrack.session.host import Host
from napari_usstrack.session.jobs import Job, JobDesk
from napari_usstrack.session.smoothing import RUN, Smoothable, smoothing


def tracking(
    session: Host,
    run: str,
    tracker: Tracker,
    start: int | None,
    stop: int | None,
    direction: Direction,
    names: Sequence[str] | None,
    keep: bool,
) -> Job:
    """Follow labelled points from their first label; with `keep`, onto the former run."""
    span = frame_span(session.video.info, start, stop)

    def what() -> dict:
        return {"names": names, "onto": session.runs.get(run) if keep else None}

    return Job(
        f"Track, {tracker.traits.name}",
        run,
        lambda: track_ticket(session.annotations, tracker, span, direction, **what()),
        lambda: track(
            session.video,
            session.annotations,
            tracker,
            start=start,
            stop=stop,
            direction=direction,
            **what(),
        ),
    )


def filling(
    session: Host,
    run: str,
    tracker: Tracker,
    spans: Sequence[Stretch] | None,
    extend: bool,
) -> Job:
    """Fill between anchors; with `spans`, only those of a former run."""

    def former() -> dict:
        return {"extend": extend, "onto": None if spans is None else session.runs.get(run)}

    return Job(
        f"Fill, {tracker.traits.name}",
        run,
        lambda: fill_ticket(session.annotations, tracker, spans, **former()),
        lambda: fill(session.video, session.annotations, tracker, spans, **former()),
    )


class Methods(Smoothable, Protocol):
    """Starts the jobs of a session, one at a time."""

    _desk: JobDesk

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._desk.busy

    def start(self, job: Job) -> None:
        """Start a job, cancelling one that still runs."""
        self._desk.start(job)

    def cancel(self) -> None:
        """Cancel the job under way, if any; its result will not arrive."""
        self._desk.cancel()

    def track(
        self,
        *,
        run: str = "track",
        method: str = trackers.DEFAULT,
        options: Mapping[str, Any] | None = None,
        start: int | None = None,
        stop: int | None = None,
        direction: Direction = "both",
        names: Sequence[str] | None = None,
        keep: bool = False,
    ) -> None:
        """Start following every labelled point, or those named, from its first label.

        With `keep`, a former run of this name keeps its cells in other frames and points.
        """
        tracker = trackers.make(method, options)
        self.start(tracking(self, run, tracker, start, stop, direction, names, keep))

    def fill(
        self,
        *,
        run: str = "fill",
        method: str = trackers.DEFAULT,
        options: Mapping[str, Any] | None = None,
        spans: Sequence[Stretch] | None = None,
        extend: bool = False,
    ) -> None:
        """Start filling between anchors; with `spans`, only those of a former run."""
        tracker = trackers.make(method, options)
        self.start(filling(self, run, tracker, spans, extend))

    def smooth(
        self,
        *,
        run: str = RUN,
        source: str = "",
        method: str = smoothers.DEFAULT,
        options: Mapping[str, Any] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Start smoothing a run, the shown one by default, into another beside it.

        With `names`, only these points; others are those of a former smoothed
        run, else of the raw one.
        """
        smoother = smoothers.make(method, options)
        keep = names is not None
        self.start(smoothing(self, run, source, smoother, names, keep))
