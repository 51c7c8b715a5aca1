"""The single truth while a clip is open; no window, no toolkit.

A script or a dock opens a `Session`, tells it what the user did, and listens
to its signals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from psygnal import Signal

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, EventChange, History, RunChange, Together
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.io import project as project_files
from napari_usstrack.io.calibrated import with_calibration
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.journal_lines import Action
from napari_usstrack.io.project import Project
from napari_usstrack.io.registry import open_video
from napari_usstrack.pipelines.propagate import PROPOSALS
from napari_usstrack.session.curation import Curation
from napari_usstrack.session.jobs import JobDesk, JobState, Runner, run_in_place
from napari_usstrack.session.keeping import Keeper
from napari_usstrack.session.review import Review
from napari_usstrack.session.running import Methods
from napari_usstrack.session.smoothing import SmoothPreview
from napari_usstrack.session.verbs import Verbs


class Session(Verbs, Methods):
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
        self.video = with_calibration(video, project.annotations.video.calibration)
        self.history = History()
        self._keeper = Keeper(video.info, path)
        self._annotations = project.annotations
        self._runs = dict(project.runs)
        self._project = project
        self._edits_before = project.last_edit
        self._frame = 0
        self._selection: tuple[str, ...] = ()
        self._owned: ClipVideo | None = None
        self._saved = self._state()
        self._saved_annotations, self._saved_runs = self._annotations, dict(self._runs)
        self._desk = JobDesk(runner, self.job_changed.emit, self._deliver)
        proposals = self._runs.pop(PROPOSALS, None)
        self.curation = Curation(self, runner)
        self.review = Review(self, self.curation)
        self.smooth_preview = SmoothPreview(self, runner)
        self._replaced_bases: dict[str, str] = {}
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

    @property
    def unsaved(self) -> bool:
        """Whether anything changed since the last save."""
        return self._saved != self._state()

    @property
    def saved_annotations(self) -> Tracks:
        """Labels as they were last saved, or opened."""
        return self._saved_annotations

    @property
    def runs_changed(self) -> int:
        """Runs added, replaced or removed since the last save."""
        names = {*self._runs, *self._saved_runs}
        return sum(self._runs.get(name) is not self._saved_runs.get(name) for name in names)

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
        self._keeper.did(change)
        self.history_changed.emit()
        self.curation.refresh()

    def undo(self) -> str | None:
        """Take the last change back; returns its name."""
        name = self.history.undo_name
        return self._replay(self.history.undo(), name, self.history.redo, self._keeper.undid)

    def redo(self) -> str | None:
        """Do the last undone change again; returns its name."""
        name = self.history.redo_name
        return self._replay(self.history.redo(), name, self.history.undo, self._keeper.redid)

    def _deliver(self, name: str, run: Tracks) -> None:
        """Take over the result of a job and show it under the labels."""
        if self.curation.base != name:
            self._replaced_bases[name] = self.curation.base
        self.curation.base = name
        self.set_run(name, run)

    def calibrate(self, calibration: Calibration) -> None:
        """Put another scale and other times under labels and runs."""
        self.video = with_calibration(self.video, calibration)
        info = self.video.info
        self._annotations = self._annotations.with_video(info)
        self._runs = {name: run.with_video(info) for name, run in self._runs.items()}
        self._keeper.calibrated(calibration)
        self.calibrated.emit(calibration)

    def claim(self, path: Path) -> None:
        """Take the project's lock and its history; without the lock the session is read-only."""
        journal = self._keeper.claim(path, self._project, self._runs)
        if journal is None:
            return
        for name, run in journal.runs.items():
            if run is None:
                self._runs.pop(name, None)
            else:
                self._runs[name] = run
        self.history = journal.history
        self._edits_before -= len(self.history)
        self._saved = self._state()

    @property
    def path(self) -> Path | None:
        """The project file; None until one is chosen."""
        return self._keeper.path

    @property
    def read_only(self) -> str:
        """Why nothing can be saved here, or an empty string."""
        return self._keeper.read_only

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the files found, one sentence each."""
        return self._keeper.notes

    @property
    def recoverable(self) -> tuple[Action, ...]:
        """What an earlier session did and did not save; working on puts it aside."""
        return self._keeper.unsaved

    def recover(self) -> int:
        """Do again what an earlier session did and did not save; returns how many actions."""
        propagating, self.curation.propagating = self.curation.propagating, False
        with self._keeper.recovering() as actions:
            count = 0
            for action in actions:
                self._do_again(action)
                count += 1
        self.curation.propagating = propagating
        self.curation.refresh()
        return count

    def put_aside(self) -> Path | None:
        """Leave what an earlier session did not save in a file; returns it."""
        return self._keeper.put_aside()

    def sync(self) -> None:
        """Force the journal to disk, to outlast a power cut."""
        self._keeper.sync()

    def save(self, path: str | Path | None = None) -> Path:
        """Write labels, runs and history; returns the project file.

        Another `path` is where the session saves from then on.

        Raises
        ------
        UsstrackError
            When the project is open elsewhere, or the folder is not writable.
        """
        project = replace(
            self._project,
            annotations=self._annotations,
            runs=self._runs_to_save(),
            last_edit=self._edits_before + len(self.history),
        )
        where = None if path is None else Path(path)
        target = self._keeper.save(project, self._runs, self.history, where)
        self._saved = self._state()
        self._saved_annotations, self._saved_runs = self._annotations, dict(self._runs)
        return target

    def _runs_to_save(self) -> dict[str, Tracks]:
        proposals = self.curation.proposals
        extra = {PROPOSALS: proposals} if proposals.present.any() else {}
        return {**self._runs, **extra}

    def _state(self) -> tuple[Change | None, Calibration]:
        return self.history.last, self._annotations.video.calibration

    def close(self) -> None:
        """Cancel jobs and give the project's lock back."""
        self.cancel()
        self.smooth_preview.clear()
        self.curation.close()
        self._keeper.close()
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
        self._choose_base(change)

    def _choose_base(self, change: RunChange) -> None:
        """Show the run below one that went, and one that came back; tell another result."""
        run, curation = change.run, self.curation
        below = self._replaced_bases.get(run, "")
        if below in self._runs and change.after is None and curation.base == run:
            curation.base = below
        elif below in self._runs and change.before is None and curation.base == below:
            curation.base = run
        elif curation.base == run and not _same_result(change):
            curation.proposed.emit()

    def _note(self, key: str, value: Any) -> None:
        events = {**self.events, key: value}
        if value is None:
            del events[key]
        self._project = replace(self._project, extra={**self._project.extra, "events": events})
        self.event_changed.emit(key)

    def _do_again(self, action: Action) -> None:
        if action.change is not None:
            self.do(action.change)
        elif action.calibration is not None:
            self.calibrate(action.calibration)
        elif action.kind == "undo":
            self.undo()
        else:
            self.redo()

    def _replay(
        self,
        change: Change | None,
        name: str | None,
        take_back: Callable[[], object],
        record: Callable[[], object],
    ) -> str | None:
        if change is None:
            return None
        try:
            self._apply(change)
        except UsstrackError:
            take_back()
            raise
        record()
        self.history_changed.emit()
        self.curation.refresh()
        return name

    def _dated(self, run: Tracks) -> Tracks:
        """The run with the scale and times now in force."""
        info = self._annotations.video
        return run if run.video.calibration is info.calibration else run.with_video(info)


def _same_result(change: RunChange) -> bool:
    """Whether a run only had its points renamed or described."""
    before, after = change.before, change.after
    return before is not None and after is not None and before.log is after.log


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
