"""Smoothing of the runs of a session: jobs, and a preview of one point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from psygnal import Signal, SignalInstance

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import RunChange
from napari_usstrack.core.provenance import Step, digest
from napari_usstrack.core.tracker import Progress
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.pipelines import smoothers
from napari_usstrack.pipelines.results import read_of
from napari_usstrack.pipelines.smooth import Preview, preview, smooth, smooth_ticket
from napari_usstrack.pipelines.smoothers.base import Smoother
from napari_usstrack.session.curation import Curation
from napari_usstrack.session.host import Host
from napari_usstrack.session.jobs import Job, Runner

RUN = "smooth"
"""Name of the run that smoothing makes."""


class Smoothable(Host, Protocol):
    """What smoothing sees of a session."""

    curation: Curation

    @property
    def edited(self) -> SignalInstance:
        """Told every edit of labels."""
        ...

    @property
    def run_changed(self) -> SignalInstance:
        """Told the name of a run that was added, replaced or removed."""
        ...

    @property
    def calibrated(self) -> SignalInstance:
        """Told another scale or other times."""
        ...


def to_smooth(session: Smoothable, source: str, names: Sequence[str] | None = None) -> Tracks:
    """Labels over proposals over a run.

    Parameters
    ----------
    session : Smoothable
        The session.
    source : str
        Name of the run; empty for the one that is shown.
    names : sequence of str, optional
        Only these points; all if None.

    Raises
    ------
    UsstrackError
        Where there is no such run or point.
    """
    curation = session.curation
    source = source or curation.base
    run = session.run_or_none(source)
    if run is None:
        known = ", ".join(session.runs)
        raise UsstrackError(
            f"There is no run '{source}' to smooth; choose one of: {known}."
            if source and known
            else "There is no run to smooth yet; press Track or Fill first."
        )
    parts = (session.annotations, curation.proposals, run)
    if names is None:
        return curation.shown if source == curation.base else _stacked(parts)
    for name in names:
        if not any(name in part.names for part in parts):
            raise UsstrackError(f"There is no point '{name}' to smooth; choose another one.")
    return _stacked([part.select([n for n in names if n in part.names]) for part in parts])


def _stacked(parts: Sequence[Tracks]) -> Tracks:
    labels, proposals, run = parts
    return labels.over(proposals.over(run))


def keep_proposals(session: Smoothable, source: str) -> None:
    """Make proposals part of a run, undoable, as a result that contains them takes their place."""
    proposals, run = session.curation.proposals, session.run_or_none(source)
    if run is None or not proposals.present.any():
        return
    step = Step("keep", "proposals", inputs=digest(read_of(proposals)))
    whole = proposals.over(run)
    kept = whole.with_cells(whole, step)
    session.do(RunChange(f"keep proposals in run {source}", source, run, kept))


def smoothing(
    session: Smoothable,
    run: str,
    source: str,
    smoother: Smoother,
    names: Sequence[str] | None,
    keep: bool,
) -> Job:
    """Smooth a run into another; with `keep`, other points of a former one stay."""
    smoother.check(session.video.info)
    source = source or session.curation.base
    to_smooth(session, source, names)

    def what() -> tuple[Tracks, dict[str, Any]]:
        former = session.run_or_none(run) if keep else None
        return to_smooth(session, source), {"names": names, "onto": former}

    def ticket() -> str:
        tracks, more = what()
        return smooth_ticket(session.video.info, tracks, smoother, **more)

    def work() -> Any:
        tracks, more = what()
        return smooth(session.video, tracks, smoother, **more)

    def arriving() -> None:
        keep_proposals(session, source)

    return Job(f"Smooth, {smoother.NAME}", run, ticket, work, arriving)


class SmoothPreview:
    """One point as smoothing would leave it, computed beside jobs.

    Only the latest request counts. Whatever changes labels, runs or times ends
    it, and takes what it showed away.

    Parameters
    ----------
    session : Smoothable
        The session.
    runner : Runner
        Where it is computed.

    Notes
    -----
    Signals: ``changed()`` when there is another preview, or none;
    ``told(str)`` with a sentence where there can be none, empty when it is
    being computed or there.
    """

    changed = Signal()
    told = Signal(str)

    def __init__(self, session: Smoothable, runner: Runner) -> None:
        self._session = session
        self._runner = runner
        self._now: Preview | None = None
        self._asked: object = None
        self._cancel: Callable[[], None] = _nothing
        for signal in (
            session.edited,
            session.run_changed,
            session.calibrated,
            session.curation.proposed,
        ):
            signal.connect(self.clear)

    @property
    def now(self) -> Preview | None:
        """What there is to show."""
        return self._now

    @property
    def busy(self) -> bool:
        """Whether one is being computed."""
        return self._asked is not None

    def ask(
        self,
        point: str,
        *,
        source: str = "",
        method: str = smoothers.DEFAULT,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Compute the preview of a point around the frame in view.

        The present one stays until the new one is there, if it is of the same
        point.
        """
        self._stop()
        if self._now is not None and self._now.point != point:
            self._show(None)
        session = self._session
        try:
            smoother = smoothers.make(method, options)
            smoother.check(session.video.info)
            tracks = to_smooth(session, source, [point])
        except UsstrackError as error:
            self._refuse(str(error))
            return
        self.told.emit("")
        asked = self._asked = object()
        work = preview(session.video, tracks, smoother, point, session.frame)

        def returned(found: Preview) -> None:
            if self._asked is asked:
                self._asked, self._cancel = None, _nothing
                self._show(found)

        def failed(error: BaseException) -> None:
            if self._asked is asked:
                self._asked, self._cancel = None, _nothing
                self._refuse(str(error))
                if not isinstance(error, UsstrackError):
                    raise error

        cancel = self._runner(work, progressed=_ignore, returned=returned, failed=failed)
        if self._asked is asked:
            self._cancel = cancel

    def clear(self, *_: object) -> None:
        """Stop computing and show none."""
        self._stop()
        if self._now is not None:
            self._show(None)

    def _stop(self) -> None:
        cancel, self._asked, self._cancel = self._cancel, None, _nothing
        cancel()

    def _refuse(self, sentence: str) -> None:
        if self._now is not None:
            self._show(None)
        self.told.emit(sentence)

    def _show(self, found: Preview | None) -> None:
        self._now = found
        self.changed.emit()


def _ignore(_progress: Progress) -> None:
    pass


def _nothing() -> None:
    pass
