"""What was done to a project since it began: undo after reopening, nothing lost on a crash.

One line per entry, ``[number, checksum, entry]``. A `saved` entry marks a state
of the project's files by its digest; opening looks for the last mark whose
digest is that of the files as they are. What comes before it is the history,
what comes after was never saved.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from weakref import finalize

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, History
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import beside, replacing, unwritable
from napari_usstrack.io.change_text import ChangeWriter, Entry, calibration_value
from napari_usstrack.io.journal_lines import (
    NOWHERE,
    Action,
    Found,
    Place,
    dated,
    header,
    line_of,
    read_journal,
)

ENDING = ".journal"
_ROOM_BYTES = 1_000_000


def journal_path(project: str | Path) -> Path:
    """Journal of a project: ``.journal`` instead of ``.json``."""
    return Path(project).with_suffix(ENDING)


class Journal:
    """The journal of one open project; one program at a time, the lock's owner.

    Opening only reads. The first line that is written creates the file, or
    puts the present one in order: what cannot be used is copied aside first.

    Parameters
    ----------
    path : Path
        The journal file.
    video : VideoInfo
        The clip.
    state : str
        `state_digest` of the project as it is in its files.

    Attributes
    ----------
    history : History
        What could be undone and redone when the project was saved.
    unsaved : tuple of Action
        What was done after the save and never saved, until it is recovered,
        put aside, or work begins without either.
    runs : mapping of str to Tracks or None
        Runs to put in place of those loaded, or to drop, because the last
        save ended between its two files; mostly empty.
    notes : tuple of str
        What a user should know of the journal found, one sentence each.

    Notes
    -----
    A line is handed to the operating system before the call returns, so that
    the end of the program at any moment loses nothing. It is not forced to
    disk: that takes up to tens of milliseconds and would be felt with every
    click, to guard against a power cut only. Let a timer call `sync`.

    When a line cannot be written the call raises once. The journal then rests,
    and its further calls do nothing, until the next save writes it anew.
    """

    def __init__(self, path: Path, video: VideoInfo, state: str) -> None:
        self.path = path
        self._video = video
        self._file: Any = None
        self._muted = self._rests = False
        self._mark = self._place = NOWHERE
        self._tidy_bytes = 0
        self._keep = self._keep_found = False
        self.unsaved: tuple[Action, ...] = ()
        self._begin(Found(), state)

    @classmethod
    def open(cls, path: str | Path, video: VideoInfo, state: str) -> Self:
        """Read the journal, or begin one where there is none; nothing is written yet."""
        journal = cls(Path(path), video, state)
        journal._begin(read_journal(journal.path, video, state), state)
        return journal

    @classmethod
    def start(cls, path: str | Path, video: VideoInfo, state: str, history: History) -> Self:
        """Write a whole journal for a project just saved; one found there is kept aside."""
        journal = cls(Path(path), video, state)
        journal._keep = journal.path.exists()
        if len(history.done) + len(history.undone):
            journal._rewrite(state, history)
        return journal

    def did(self, change: Change) -> None:
        """A change was done."""
        self._append("do", change=change)

    def undid(self) -> None:
        """The last change was undone."""
        self._append("undo")

    def redid(self) -> None:
        """The last undone change was done again."""
        self._append("redo")

    def calibrated(self, calibration: Calibration) -> None:
        """Scale or times became these."""
        self._append("calibrate", calibration_value(calibration))

    @contextmanager
    def saving(self, state: str, history: History) -> Iterator[None]:
        """Hold around the writing of the project's files.

        The mark is written first: whenever the program ends, it belongs to
        the files that are there, the old ones or the new. Once the journal
        has doubled it is then rewritten without what can no longer be undone.

        Raises
        ------
        UsstrackError
            If the journal cannot be written.
        """
        if self._size:
            with suppress(UsstrackError):
                self._append("saved", state)
                self.sync()
        marked = self._place
        yield
        self._state, self._mark = state, marked
        late = not self._size and len(history.done) + len(history.undone) > 0
        if self._rests or late or self._size > 2 * self._tidy_bytes + _ROOM_BYTES:
            self._rewrite(state, history)

    @contextmanager
    def recovering(self) -> Iterator[Iterator[Action]]:
        """Hand out the unsaved actions to be done again, in order.

        They are in the file already, so within the block nothing is written.
        After an exception the journal ends with the last action that went
        well; a copy of all of it is kept aside when work goes on.
        """
        actions = self.unsaved
        self._muted = True
        done = 0

        def each() -> Iterator[Action]:
            nonlocal done
            for action in actions:
                yield action
                done += 1
                self._place = action.place

        try:
            yield each()
        finally:
            self._muted = False
            self._keep = self._keep_found or done < len(actions)
            self.unsaved = ()

    def put_aside(self) -> Path | None:
        """Go back to the last save; returns the copy that holds what came after, if any did."""
        if not self.unsaved and self._place == self._mark:
            return None
        self._close()
        self._place, self._keep, self.unsaved = self._mark, True, ()
        try:
            return self._settle()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def sync(self) -> None:
        """Force to disk what was written."""
        if self._file is None or self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Force to disk and close; the next line would open it again."""
        try:
            self.sync()
        finally:
            self._close()

    @property
    def _size(self) -> int:
        return self._place.end

    def _begin(self, found: Found, state: str) -> None:
        self.history = found.history
        self.unsaved = found.unsaved
        self.runs = found.runs
        self.notes = found.notes
        self._state = state
        self._writer = ChangeWriter(found.known)
        self._mark = found.mark
        self._place = found.mark
        self._tidy_bytes = found.mark.end
        self._keep_found = found.keep
        self._keep = found.keep or bool(found.unsaved)

    def _append(self, kind: str, value: object = True, change: Change | None = None) -> None:
        if self._muted or self._rests:
            return
        try:
            if self._file is None:
                self._settle()
            if not self._size:
                self._write([header(self._video), dated("saved", self._state)])
                self._mark = self._place
            needed: list[Entry] = []
            if change is not None:
                *needed, value = self._writer.entries(change, self._place.lines)
            self._write([*needed, dated(kind, value)])
        except OSError as error:
            self._rest()
            raise UsstrackError(
                f"{self.path} cannot be written ({error.strerror or error}), so changes are not "
                "protected against a crash; save the project, in another folder if need be."
            ) from error

    def _write(self, entries: Sequence[Entry]) -> None:
        first = self._place.lines
        lines = b"".join(line_of(number, entry) for number, entry in enumerate(entries, first))
        rest = memoryview(lines)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._place = Place(self._size + len(lines), first + len(entries))

    def _settle(self) -> Path | None:
        """Make the file end at our place, ready to go on; a copy is kept where one is due."""
        kept = None
        self.unsaved = ()
        if self.path.exists():
            if self._keep:
                kept = _kept(self.path)
            os.truncate(self.path, self._size)
        elif self._size:
            raise FileNotFoundError(0, "it is no longer there")
        self._keep = self._keep_found = False
        self._writer.forget(self._place.lines)
        self._file = self.path.open("ab", buffering=0)
        self._closing = finalize(self, self._file.close)
        return kept

    def _rest(self) -> None:
        self._rests = True
        if self._file is not None:
            self._close()
            with suppress(OSError):
                os.truncate(self.path, self._size)

    def _rewrite(self, state: str, history: History) -> None:
        """Replace the file by header, history and mark."""
        self._close()
        writer = ChangeWriter()
        place = NOWHERE
        with replacing(self.path) as part:
            if self._keep and self.path.exists():
                _kept(self.path)
            with part.open("wb") as file:
                for entry in _whole(self._video, state, history, writer):
                    written = file.write(line_of(place.lines, entry))
                    place = Place(place.end + written, place.lines + 1)
        self._begin(Found(mark=place), state)
        self._writer = writer
        self._rests = False

    def _close(self) -> None:
        if self._file is not None:
            self._closing()
            self._file = None


def _whole(video: VideoInfo, state: str, history: History, writer: ChangeWriter) -> Iterator[Entry]:
    """The entries that make this history: all is done, then the undone part undone."""
    yield header(video)
    number = 1
    for change in (*history.done, *reversed(history.undone)):
        *needed, last = writer.entries(change, number)
        yield from needed
        yield dated("do", last)
        number += len(needed) + 1
    for _ in history.undone:
        yield dated("undo")
    yield dated("saved", state)


def _kept(path: Path) -> Path:
    """Copy a journal to a name of its own that tells the time."""
    stamp = f"{datetime.now():%Y-%m-%d_%H%M%S}"
    names = (f".{stamp}{more}.bak" for more in ("", *(f"-{n}" for n in range(2, 1000))))
    kept = next(free for name in names if not (free := beside(path, name)).exists())
    with replacing(kept) as part:
        shutil.copyfile(path, part)
    return kept
