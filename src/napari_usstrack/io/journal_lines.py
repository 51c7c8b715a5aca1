"""Lines of a journal and what they tell of a project as its files are now."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.edits import Roster
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, History
from napari_usstrack.core.provenance import software_version
from napari_usstrack.core.tracks import CELL_ARRAYS, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.change_text import ChangeReader, Entry, calibration_of, roster_of
from napari_usstrack.io.labels import clip_entry, dump
from napari_usstrack.io.runs import alike

SCHEMA = 1
Kind = Literal["do", "undo", "redo", "calibrate"]
_ACTIONS = ("do", "undo", "redo", "calibrate")
_UNUSABLE = (LookupError, TypeError, ValueError, AttributeError, zlib.error, UsstrackError)
_ANEW = "so undo begins anew; a copy of it is kept aside when work goes on."


class Place(NamedTuple):
    """Where a journal ends: bytes and number of lines."""

    end: int
    lines: int


NOWHERE = Place(0, 0)


@dataclass(frozen=True, eq=False)
class Action:
    """What was done and never saved.

    Attributes
    ----------
    kind : {"do", "undo", "redo", "calibrate"}
        What to do again.
    at : str
        When, ISO 8601 in UTC.
    place : Place
        End of its line.
    change : Change or None
        What was done, with "do".
    calibration : Calibration or None
        What scale and times became, with "calibrate".
    """

    kind: Kind
    at: str
    place: Place
    change: Change | None = None
    calibration: Calibration | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What a journal says of a project; the attributes of `Journal` tell more.

    Attributes
    ----------
    history, unsaved, runs, notes
        See `Journal`.
    mark : Place
        End of the mark that fits the project's files; 0 where none does.
    keep : bool
        Whether the file holds what cannot be used, so that a copy is due.
    known : mapping
        Number of the line by roster, and by digest of a table.
    """

    history: History = field(default_factory=History)
    unsaved: tuple[Action, ...] = ()
    runs: Mapping[str, Tracks | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mark: Place = NOWHERE
    keep: bool = False
    known: Mapping[Roster | str, int] = field(default_factory=dict)


class _Line(NamedTuple):
    number: int
    kind: str
    content: bytes
    end: int

    @property
    def entry(self) -> Entry:
        entry: Entry = json.loads(self.content)
        return entry

    @property
    def place(self) -> Place:
        return Place(self.end, self.number + 1)


class _Mark(NamedTuple):
    """A saved state: its line, and the lines that are done and undone there."""

    line: _Line
    labels: str
    runs: str
    done: tuple[_Line, ...]
    undone: tuple[_Line, ...]


def state_digest(annotations: Tracks, runs: Mapping[str, Tracks], events: Mapping[str, Any]) -> str:
    """Fingerprints of labels with events, and of runs; the same before a save and after a load.

    Scale and times do not count: no change depends on them, and loading
    matches them with those of the clip, which may alter their last bits.
    """
    noted = json.dumps(json.loads(dump(dict(events))), sort_keys=True)
    return f"{_sum({noted: annotations})} {_sum(runs)}"


def header(video: VideoInfo) -> Entry:
    """The first entry of a journal."""
    software = f"napari-usstrack {software_version()}"
    return {"journal": SCHEMA, "software": software, "clip": clip_entry(video)}


def dated(kind: str, value: object = True) -> Entry:
    """An entry with the present time."""
    return {kind: value, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def line_of(number: int, entry: Entry) -> bytes:
    """The line of an entry, with its number and checksum."""
    content = dump(entry).encode()
    return b'[%d,"%08x",%s]\n' % (number, zlib.crc32(content), content)


def read_journal(path: Path, video: VideoInfo, state: str) -> Found:
    """What a journal says of a clip whose project files have this `state_digest`.

    A last line that was cut off does not count. Whatever else is wrong ends
    what can be used and is told in a note, never raised.
    """
    try:
        lines, damaged = _good_lines(path)
    except FileNotFoundError:
        return Found()
    except OSError as error:
        return _refused(f"{path} cannot be read ({error.strerror or error}), {_ANEW}")
    if damaged:
        trouble = f"{path} is damaged in line {len(lines) + 1}; what follows there is lost to it"
        trouble += ", and a copy of it is kept aside when work goes on."
    else:
        trouble = ""
    try:
        return _found(path, lines, video, state, trouble)
    except _UNUSABLE as error:
        return _refused(f"{path} makes no sense ({error}), {_ANEW}")


def _found(path: Path, lines: Sequence[_Line], video: VideoInfo, state: str, trouble: str) -> Found:
    if not lines:
        return _refused(trouble) if trouble else Found()
    if refusal := _refusal(path, lines[0].entry, video):
        return _refused(refusal)
    marks = _marks(lines)
    if not marks and not trouble:
        return Found()
    mark, earlier = _fitting(marks, state)
    if mark is None:
        unfit = f"{path} does not fit the project as it is now (changed elsewhere?), {_ANEW}"
        return _refused(trouble or unfit)
    reader = ChangeReader(lambda number: lines[number].entry, video)
    done, undone = (
        [reader.change(line.entry["do"]) for line in stack] for stack in (mark.done, mark.undone)
    )
    runs: dict[str, Tracks | None] = {}
    notes = [trouble] if trouble else []
    if earlier is not None:
        runs = _runs_between(earlier, mark, lines, reader)
        notes.append(
            f"The last save of {path.with_suffix('.json')} was cut short; "
            "the runs come from the journal, so save again."
        )
    later = lines[mark.line.number + 1 :]
    return Found(
        history=History(done, undone),
        unsaved=tuple(_action(line, reader) for line in later if line.kind in _ACTIONS),
        runs=runs,
        notes=tuple(notes),
        mark=mark.line.place,
        keep=bool(trouble),
        known=_known(lines),
    )


def _good_lines(path: Path) -> tuple[list[_Line], bool]:
    """All lines up to the first bad one, and whether that is more than a cut-off last line."""
    lines: list[_Line] = []
    end = 0
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return lines, False
            end += len(raw)
            parts = raw[1:-2].split(b",", 2)
            number = len(lines)
            if len(parts) < 3 or parts[0] != b"%d" % number:
                return lines, True
            content = parts[2]
            if parts[1] != b'"%08x"' % zlib.crc32(content) or raw[-2:] != b"]\n":
                return lines, True
            lines.append(_Line(number, content.split(b'"', 2)[1].decode(), content, end))
    return lines, False


def _refused(note: str) -> Found:
    return Found(notes=(note,), keep=True)


def _refusal(path: Path, head: Entry, video: VideoInfo) -> str:
    """Why a journal with this header is of no use; empty if it may be."""
    if head["journal"] > SCHEMA:
        return f"{path} was written by a newer version (update napari-usstrack), {_ANEW}"
    clip = head["clip"]
    saved = VideoInfo(
        clip["frame_count"], clip["width"], clip["height"], digest=clip["digest"], name=clip["name"]
    )
    if not alike(saved, video):
        return f"{path} belongs to another clip ({saved.name or 'nameless'}), {_ANEW}"
    return ""


def _marks(lines: Iterable[_Line]) -> list[_Mark]:
    done: list[_Line] = []
    undone: list[_Line] = []
    marks: list[_Mark] = []
    for line in lines:
        if line.kind == "saved":
            labels, runs = line.entry["saved"].split()
            marks.append(_Mark(line, labels, runs, tuple(done), tuple(undone)))
        else:
            _moved(line, done, undone)
    return marks


def _moved(line: _Line, done: list[_Line], undone: list[_Line]) -> _Line | None:
    """Let a line act on both stacks; returns the change that was done, undone or redone."""
    if line.kind == "do":
        done.append(line)
        undone.clear()
    elif line.kind == "undo":
        undone.append(done.pop())
        return undone[-1]
    elif line.kind == "redo":
        done.append(undone.pop())
    else:
        return None
    return done[-1]


def _fitting(marks: Sequence[_Mark], state: str) -> tuple[_Mark | None, _Mark | None]:
    """The last mark of the state; for a save cut after its labels, also that of its runs."""
    labels, runs = state.split()
    for mark in reversed(marks):
        if (mark.labels, mark.runs) == (labels, runs):
            return mark, None
    for at in range(len(marks) - 1, 0, -1):
        if marks[at].labels == labels:
            earlier = [mark for mark in marks[:at] if mark.runs == runs]
            return (marks[at], earlier[-1]) if earlier else (None, None)
    return None, None


def _runs_between(
    start: _Mark, stop: _Mark, lines: Sequence[_Line], reader: ChangeReader
) -> dict[str, Tracks | None]:
    """The runs as of `stop` that changed since `start`; None where one was removed."""
    runs: dict[str, Tracks | None] = {}
    done, undone = list(start.done), list(start.undone)
    for line in lines[start.line.number + 1 : stop.line.number]:
        acted = _moved(line, done, undone)
        if acted is not None:
            runs.update(reader.runs(acted.entry["do"], backwards=line.kind == "undo"))
    return runs


def _action(line: _Line, reader: ChangeReader) -> Action:
    entry = line.entry
    return Action(
        kind=line.kind,  # type: ignore[arg-type]
        at=entry["at"],
        place=line.place,
        change=reader.change(entry["do"]) if line.kind == "do" else None,
        calibration=calibration_of(entry["calibrate"]) if line.kind == "calibrate" else None,
    )


def _known(lines: Iterable[_Line]) -> dict[Roster | str, int]:
    known: dict[Roster | str, int] = {}
    for line in lines:
        if line.kind == "roster":
            known[roster_of(line.entry)] = line.number
        elif line.kind == "table":
            known[line.content.split(b'"', 4)[3].decode()] = line.number
    return known


def _sum(tables: Mapping[str, Tracks]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for name in sorted(tables):
        tracks = tables[name]
        points = [dict(point.__dict__) for point in tracks.points]
        text = json.dumps([name, points, tracks.shape], ensure_ascii=False)
        state.update(text.encode("utf-8", "backslashreplace"))
        for array in (getattr(tracks, key) for key in CELL_ARRAYS):
            one_nan = np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
            state.update(np.ascontiguousarray(one_nan).data)
    return state.hexdigest()
