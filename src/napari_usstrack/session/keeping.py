"""The files of one session: its project, the lock on it, and its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, History
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import project as project_files
from napari_usstrack.io.journal import Journal, journal_path
from napari_usstrack.io.journal_lines import Action, state_digest
from napari_usstrack.io.locks import ProjectLock
from napari_usstrack.io.project import Project

Runs = Mapping[str, Tracks]


class Keeper:
    """Writes a session's files and remembers who may.

    Parameters
    ----------
    info : VideoInfo
        The clip.
    path : Path or None
        The project file.

    Attributes
    ----------
    path : Path or None
        The project file; None until one is chosen.
    read_only : str
        Why nothing can be saved here, or an empty string.
    notes : tuple of str
        What a user should know of the journal found, one sentence each.
    """

    def __init__(self, info: VideoInfo, path: Path | None) -> None:
        self.path = path
        self.read_only = ""
        self.notes: tuple[str, ...] = ()
        self._info = info
        self._lock: ProjectLock | None = None
        self._journal: Journal | None = None

    @property
    def unsaved(self) -> tuple[Action, ...]:
        """What an earlier session did and did not save, until somebody decides on it."""
        return () if self._journal is None else self._journal.unsaved

    def claim(self, path: Path, project: Project, runs: Runs) -> Journal | None:
        """Take the project's lock and read its journal; without the lock there is none."""
        self._lock = ProjectLock(path)
        self._lock.acquire()
        self.read_only = self._lock.reason
        if self.read_only:
            return None
        state = _state(project.annotations, runs, project.extra)
        self._journal = Journal.open(journal_path(path), self._info, state)
        self.notes = self._journal.notes
        return self._journal

    def did(self, change: Change) -> None:
        """Record that a change was done."""
        if self._journal is not None:
            self._journal.did(change)

    def undid(self) -> None:
        """Record that the last change was undone."""
        if self._journal is not None:
            self._journal.undid()

    def redid(self) -> None:
        """Record that the last undone change was done again."""
        if self._journal is not None:
            self._journal.redid()

    def calibrated(self, calibration: Calibration) -> None:
        """Record another scale and other times."""
        if self._journal is not None:
            self._journal.calibrated(calibration)

    def sync(self) -> None:
        """Force the journal to disk."""
        if self._journal is not None:
            self._journal.sync()

    def recovering(self) -> AbstractContextManager[Iterator[Action]]:
        """Hand out what was not saved, to be done again in order, without recording it anew."""
        return nullcontext(iter(())) if self._journal is None else self._journal.recovering()

    def put_aside(self) -> Path | None:
        """Leave what was not saved in a copy of the journal; returns the copy."""
        return None if self._journal is None else self._journal.put_aside()

    def save(self, project: Project, runs: Runs, history: History, path: Path | None) -> Path:
        """Write the project, here or in another place that becomes this one.

        Parameters
        ----------
        project : Project
            What to write; its runs may be more than `runs`.
        runs : mapping of str to Tracks
            The runs that the history speaks of.
        history : History
            Kept with the project.
        path : Path or None
            Another place.

        Raises
        ------
        UsstrackError
            When the project is open elsewhere, or the folder is not writable.
        """
        target = self.path if path is None else path
        if target is None:
            raise UsstrackError("This clip has no file beside which to save; choose a file name.")
        here = self.path is not None and target.resolve() == self.path.resolve()
        if here and self.read_only:
            raise UsstrackError(self.read_only)
        state = _state(project.annotations, runs, project.extra)
        if not here or self._journal is None:
            self._save_there(project, target, state, history)
            return target
        with self._journal.saving(state, history):
            project_files.save(project, target)
        return target

    def close(self) -> None:
        """Give the project back."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _save_there(self, project: Project, target: Path, state: str, history: History) -> None:
        """Save in another place from now on, if nobody else does."""
        lock = ProjectLock(target)
        if not lock.acquire():
            raise UsstrackError(lock.reason)
        try:
            project_files.save(project, target)
        except UsstrackError:
            lock.release()
            raise
        self.close()
        self._lock, self.path, self.read_only = lock, target, ""
        self._journal = Journal.start(journal_path(target), self._info, state, history)


def _state(annotations: Tracks, runs: Runs, extra: Mapping[str, Any]) -> str:
    return state_digest(annotations, runs, extra.get("events", {}))
