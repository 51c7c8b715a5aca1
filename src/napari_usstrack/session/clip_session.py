"""The single truth while a clip is open; no window, no toolkit.

A script or a dock opens a `Session`, tells it what the user did, and listens
to its signals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike
from psygnal import Signal

from napari_usstrack.core import edits
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, EventChange, History, RunChange, Together
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.io import project as project_files
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.locks import ProjectLock
from napari_usstrack.io.project import Project
from napari_usstrack.io.registry import open_video
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.queries import Direction, Stretch
from napari_usstrack.session import changes, running
from napari_usstrack.session.curation import Curation
from napari_usstrack.session.jobs import Job, JobDesk, JobState, Runner, run_in_place
from napari_usstrack.session.review import Review

PROPOSALS = "proposals"
"""Name under which proposals are saved among the runs."""


class Session:
    """Labels, runs, history and jobs of one clip.

    Parameters
    ----------
    video : Video
        The clip.
    project : Project, optional
        What was saved earlier; a blank one if None.
    runner : Runner
        Where jobs run; in place by default.
    path : Path, optional
        Where `save` writes.

    Notes
    -----
    Signals: ``edited(Edit)``, ``run_changed(str)``, ``frame_changed(int)``,
    ``selection_changed(tuple)``, ``job_changed(JobState)``,
    ``history_changed()``, ``calibrated(Calibration)``, ``event_changed(str)``.
    """

    edited = Signal(Edit)
    run_changed = Signal(str)
    frame_changed = Signal(int)
    selection_changed = Signal(tuple)
    job_changed = Signal(JobState)
    history_changed = Signal()
    calibrated = Signal(Calibration)
    event_changed = Signal(str)

    def __init__(
        self,
        video: Video,
        project: Project | None = None,
        *,
        runner: Runner = run_in_place,
        path: Path | None = None,
    ) -> None:
        project = Project(Tracks.blank(video.info), {}) if project is None else project
        self.video = video
        self.path = path
        self.read_only = ""
        self.history = History()
        self._annotations = project.annotations
        self._runs = dict(project.runs)
        self._project = project
        self._frame = 0
        self._selection: tuple[str, ...] = ()
        self._owned: ClipVideo | None = None
        self._saved = self._state()
        self._lock: ProjectLock | None = None
        self._desk = JobDesk(runner, self.job_changed.emit, self._deliver)
        proposals = self._runs.pop(PROPOSALS, None)
        self.curation = Curation(self, runner)
        self.review = Review(self, self.curation)
        if proposals is not None:
            self.curation.restore(proposals)

    @classmethod
    def open(
        cls,
        clip: str | Path,
        *,
        project: str | Path | None = None,
        spacing_mm: tuple[float, float] | None = None,
        fps: float | None = None,
        runner: Runner = run_in_place,
    ) -> Self:
        """Open a clip, with the project beside it when there is one.

        Parameters
        ----------
        clip : path
            The video.
        project : path, optional
            Project file; ``<clip>.usstrack.json`` by default.
        spacing_mm : tuple of float, optional
            Scale in mm per px, (x, y), over what the files say.
        fps : float, optional
            Frame rate in frames per second, over what the files say.
        runner : Runner
            Where jobs run.
        """
        video = open_video(clip, spacing_mm=spacing_mm, fps=fps)
        path = project_files.project_path(clip) if project is None else Path(project)
        saved = project_files.load(path, video.info) if path.exists() else None
        session = cls(video, saved, runner=runner, path=path)
        session._owned = video
        session.claim(path)
        if saved is not None and (spacing_mm is not None or fps is not None):
            session.calibrate(_stated(session.annotations.video, video.info, spacing_mm, fps))
        return session

    @property
    def annotations(self) -> Tracks:
        """What a person set."""
        return self._annotations

    @property
    def runs(self) -> Mapping[str, Tracks]:
        """What methods computed, by run name."""
        return dict(self._runs)

    @property
    def frame(self) -> int:
        """The frame being looked at."""
        return self._frame

    @frame.setter
    def frame(self, frame: int) -> None:
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit(frame)

    @property
    def selection(self) -> tuple[str, ...]:
        """Names of the selected points."""
        return self._selection

    @selection.setter
    def selection(self, names: Sequence[str]) -> None:
        if tuple(names) != self._selection:
            self._selection = tuple(names)
            self.selection_changed.emit(self._selection)

    @property
    def author(self) -> str:
        """Who signs labels from now on."""
        return self._project.author

    @author.setter
    def author(self, name: str) -> None:
        self._project = replace(self._project, author=name)

    @property
    def view(self) -> Mapping[str, Any]:
        """How the clip is looked at, plain values, remembered with the project."""
        return dict(self._project.extra.get("view", {}))

    @view.setter
    def view(self, values: Mapping[str, Any]) -> None:
        extra = {**self._project.extra, "view": dict(values)}
        self._project = replace(self._project, extra=extra)

    @property
    def events(self) -> Mapping[str, Any]:
        """What is noted about the clip as a whole, plain values by key."""
        return dict(self._project.extra.get("events", {}))

    def note(self, name: str, key: str, value: Any) -> None:
        """Note a plain value about the clip as a whole, or forget it with None; undoable."""
        self.do(EventChange(name, key, self.events.get(key), value))

    @property
    def unsaved(self) -> bool:
        """Whether anything changed since the last save."""
        return self._saved != self._state()

    def run_or_none(self, name: str) -> Tracks | None:
        """The named run, if there is one."""
        return self._runs.get(name)

    def shown(self, run: str) -> Tracks:
        """Labels over the named run."""
        return self._annotations.over(self._runs[run])

    def do(self, change: Change) -> None:
        """Apply a change and remember it."""
        self._apply(change)
        self.history.did(change)
        self.history_changed.emit()
        self.curation.refresh()

    def undo(self) -> str | None:
        """Take the last change back; returns its name."""
        name = self.history.undo_name
        return self._replay(self.history.undo(), name, self.history.redo)

    def redo(self) -> str | None:
        """Do the last undone change again; returns its name."""
        name = self.history.redo_name
        return self._replay(self.history.redo(), name, self.history.undo)

    def add_point(self, name: str, **details: Any) -> None:
        """Add a named point; details are `group`, `kind` and `colour`."""
        self.do(changes.adding(self._annotations, name, **details))

    def place(self, name: str, frame: int, xy: ArrayLike, source: Source = Source.MANUAL) -> None:
        """Place or move a point, adding it if it is new; xy in px."""
        known = name in self._annotations.names
        column = self._annotations.column(name) if known else 0
        rows = range(self._annotations.shape[0])
        moved = known and frame in rows and self._annotations.present[frame, column]
        self.place_all(f"{'move' if moved else 'place'} {name}", {(frame, name): xy}, source)

    def place_all(self, name: str, places: changes.Places, source: Source = Source.MANUAL) -> None:
        """Place or, with None, forget many cells as one change; xy in px."""
        info = self.video.info
        self.do(changes.placing(self._annotations, name, places, source, info))

    def rename_point(self, old: str, new: str) -> None:
        """Give a point another name, in labels and runs."""
        self.do(changes.renaming(self._annotations, self._runs, old, new))

    def describe_point(self, name: str, **details: Any) -> None:
        """Change `group`, `kind` or `colour` of a point, in labels and runs."""
        self.do(changes.describing(self._annotations, self._runs, name, **details))

    def remove_point(self, name: str) -> None:
        """Remove a point with its labels, and from the runs."""
        self.do(changes.removing(self._annotations, self._runs, name))

    def order_points(self, names: Sequence[str]) -> None:
        """Put the points into another order."""
        self.do(changes.ordering(self._annotations, names))

    def delete(self, name: str, frame: int) -> None:
        """Forget a point in one frame."""
        self.do(edits.clear(self._annotations, [frame], [name]))

    def set_run(self, name: str, run: Tracks | None) -> None:
        """Add, replace or, with None, remove a run; undoable."""
        verb = "remove" if run is None else "replace" if name in self._runs else "add"
        self.do(RunChange(f"{verb} run {name}", name, self._runs.get(name), run))

    def _deliver(self, name: str, run: Tracks) -> None:
        """Take over the result of a job and show it under the labels."""
        self.curation.base = name
        self.set_run(name, run)

    def calibrate(self, calibration: Calibration) -> None:
        """Put another scale and other times under labels and runs."""
        info = self.video.info.calibrated(calibration)
        self._annotations = self._annotations.with_video(info)
        self._runs = {name: run.with_video(info) for name, run in self._runs.items()}
        self.calibrated.emit(calibration)

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
    ) -> None:
        """Start following every labelled point from its first label."""
        tracker = trackers.make(method, options)
        self.start(running.tracking(self, run, tracker, start, stop, direction))

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
        self.start(running.filling(self, run, tracker, spans, extend))

    def claim(self, path: Path) -> None:
        """Take the project's lock; without it the session is read-only."""
        self._lock = ProjectLock(path)
        self._lock.acquire()
        self.read_only = self._lock.reason

    def save(self, path: str | Path | None = None) -> Path:
        """Write labels and runs; returns the project file.

        Another `path` is where the session saves from then on.

        Raises
        ------
        UsstrackError
            When the project is open elsewhere, or the folder is not writable.
        """
        target = self.path if path is None else Path(path)
        if target is None:
            raise UsstrackError("This clip has no file beside which to save; choose a file name.")
        here = self.path is not None and target.resolve() == self.path.resolve()
        if here and self.read_only:
            raise UsstrackError(self.read_only)
        if not here:
            self._move_to(target)
        project = replace(
            self._project,
            annotations=self._annotations,
            runs=self._runs_to_save(),
            last_edit=self._project.last_edit + len(self.history),
        )
        project_files.save(project, target)
        self._saved = self._state()
        return target

    def _runs_to_save(self) -> dict[str, Tracks]:
        proposals = self.curation.proposals
        extra = {PROPOSALS: proposals} if proposals.present.any() else {}
        return {**self._runs, **extra}

    def _move_to(self, target: Path) -> None:
        """Save there from now on, if nobody else does."""
        lock = ProjectLock(target)
        if not lock.acquire():
            raise UsstrackError(lock.reason)
        if self._lock is not None:
            self._lock.release()
        self._lock, self.path, self.read_only = lock, target, ""

    def _state(self) -> tuple[Change | None, Calibration]:
        return self.history.last, self._annotations.video.calibration

    def close(self) -> None:
        """Cancel jobs and give the project's lock back."""
        self.cancel()
        self.curation.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._owned is not None:
            self._owned.close()
            self._owned = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _apply(self, change: Change) -> None:
        if isinstance(change, Together):
            for part in change.parts:
                self._apply(part)
            return
        if isinstance(change, Edit):
            before, under = self.curation.shown, self.curation.under
            self._annotations = change.apply(self._annotations)
            self.curation.heard(change, before, under)
            self.edited.emit(change)
            return
        if isinstance(change, EventChange):
            self._note(change.key, change.after)
            return
        self.curation.run_changed(change.run, change.before, change.after)
        if change.after is None:
            self._runs.pop(change.run, None)
        else:
            self._runs[change.run] = self._dated(change.after)
        self.run_changed.emit(change.run)

    def _note(self, key: str, value: Any) -> None:
        events = {**self.events, key: value}
        if value is None:
            del events[key]
        self._project = replace(self._project, extra={**self._project.extra, "events": events})
        self.event_changed.emit(key)

    def _replay(
        self, change: Change | None, name: str | None, take_back: Callable[[], object]
    ) -> str | None:
        if change is None:
            return None
        try:
            self._apply(change)
        except UsstrackError:
            take_back()
            raise
        self.history_changed.emit()
        self.curation.refresh()
        return name

    def _dated(self, run: Tracks) -> Tracks:
        """The run with the scale and times now in force."""
        info = self._annotations.video
        return run if run.video.calibration is info.calibration else run.with_video(info)


def _stated(
    saved: VideoInfo, opened: VideoInfo, spacing_mm: tuple[float, float] | None, fps: float | None
) -> Calibration:
    """What the project knows, with the scale or rate stated at opening in its place."""
    ours, theirs = saved.calibration, opened.calibration
    if spacing_mm is not None:
        ours = ours.with_spacing(theirs.spacing_mm, theirs.spacing_source)
    if fps is not None:
        ours = replace(ours, times_s=theirs.times_s, time_source=theirs.time_source)
    return ours
