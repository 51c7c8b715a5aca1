"""Work that becomes a run, unless what it read has changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Work, finish
from napari_usstrack.core.tracks import Tracks

T = TypeVar("T")
Phase = Literal["running", "done", "cancelled", "stale", "failed"]


@dataclass(frozen=True)
class JobState:
    """What a job is doing; `message` is set when it failed."""

    title: str
    phase: Phase
    progress: Progress | None = None
    message: str = ""


@dataclass(frozen=True, eq=False)
class Job:
    """Work whose result becomes a run, if nothing it read has changed.

    Attributes
    ----------
    title : str
        What the user sees.
    run : str
        Name of the run that the result becomes.
    ticket : callable
        Digest of all that the work reads; compared before and after.
    work : callable
        Makes the work.
    arriving : callable
        Called just before a valid result is delivered.
    """

    title: str
    run: str
    ticket: Callable[[], str]
    work: Callable[[], Work[Tracks]]
    arriving: Callable[[], object] = field(default=lambda: None)


class Runner(Protocol):
    """Runs work somewhere and reports on the thread that started it."""

    def __call__(
        self,
        work: Work[T],
        *,
        progressed: Callable[[Progress], object],
        returned: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> Callable[[], None]:
        """Start the work and return a function that cancels it."""
        ...


def run_in_place(
    work: Work[T],
    *,
    progressed: Callable[[Progress], object],
    returned: Callable[[T], object],
    failed: Callable[[BaseException], object],
) -> Callable[[], None]:
    """Run work to its end before returning."""
    try:
        result = finish(work, progressed)
    except UsstrackError as error:
        failed(error)
    except BaseException as error:
        failed(error)
        raise
    else:
        returned(result)
    return _nothing


class JobDesk:
    """Runs one job at a time and drops results that come too late.

    Parameters
    ----------
    runner : Runner
        Where jobs run.
    changed : callable
        Told every `JobState`.
    deliver : callable
        Takes the run name and the run of a job that is still valid.
    """

    def __init__(
        self,
        runner: Runner,
        changed: Callable[[JobState], object],
        deliver: Callable[[str, Tracks], object],
    ) -> None:
        self._runner = runner
        self._changed = changed
        self._deliver = deliver
        self._job: Job | None = None
        self._cancel: Callable[[], None] = _nothing

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    def start(self, job: Job) -> None:
        """Start a job, cancelling one that still runs."""
        ticket = job.ticket()
        work = job.work()
        self.cancel()
        self._job = job
        self._changed(JobState(job.title, "running", Progress(0, 0)))
        if self._job is not job:
            return

        def progressed(progress: Progress) -> None:
            if self._job is job:
                self._changed(JobState(job.title, "running", progress))

        def returned(run: Tracks) -> None:
            if self._job is job:
                self._settle(job, run, ticket)

        def failed(error: BaseException) -> None:
            if self._job is job:
                self._close(job, "failed", str(error))
                if not isinstance(error, UsstrackError):
                    raise error

        cancel = self._runner(work, progressed=progressed, returned=returned, failed=failed)
        if self._job is job:
            self._cancel = cancel

    def cancel(self) -> None:
        """Cancel the job under way, if any; its result will not arrive."""
        job = self._job
        if job is not None:
            self._cancel()
            self._close(job, "cancelled")

    def _settle(self, job: Job, run: Tracks, ticket: str) -> None:
        if _ticket_now(job) != ticket:
            self._close(job, "stale", "The labels changed meanwhile; the result was dropped.")
            return
        self._forget()
        job.arriving()
        self._deliver(job.run, run)
        self._close(job, "done")

    def _close(self, job: Job, phase: Phase, message: str = "") -> None:
        self._forget()
        self._changed(JobState(job.title, phase, message=message))

    def _forget(self) -> None:
        self._job = None
        self._cancel = _nothing


def _nothing() -> None:
    pass


def _ticket_now(job: Job) -> str:
    try:
        return job.ticket()
    except UsstrackError:
        return ""
