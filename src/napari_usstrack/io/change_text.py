"""Changes as entries of a journal, and back, exact to the last bit.

Rosters and tables (the points, and the whole `Tracks`, that changes refer to)
are entries of their own: each is written once and then called by its number.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.edits import Edit, Roster
from napari_usstrack.core.history import Change, EventChange, RunChange, SingleChange, Together
from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import (
    CELL_ARRAYS,
    Cells,
    PointInfo,
    Source,
    Tracks,
    arrays_of,
    blank_arrays,
    trusted,
)
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.labels import SOURCE_WORDS, dump, shortest

FEW = 64
Entry = dict[str, Any]
_WORDS = {int(source): word for word, source in SOURCE_WORDS.items()}
_STORED = {"xy": "<f8", "confidence": "<f4", "visible": "|u1", "source": "|u1"}
_BITS = {"xy": np.uint64, "confidence": np.uint32, "visible": np.uint8, "source": np.uint8}
_ZIPPED = "zlib:"
_SAMPLE_BYTES = 16_384
_PAYS = 0.25


class ChangeWriter:
    """Turns changes into entries and remembers what was written already.

    Parameters
    ----------
    known : mapping
        Number of the entry by roster, and by digest of a table.
    """

    def __init__(self, known: Mapping[Roster | str, int] | None = None) -> None:
        self._known = dict(known or {})
        self._digests: WeakKeyDictionary[Tracks, str] = WeakKeyDictionary()
        self._first = 0
        self._needed: list[Entry] = []

    def forget(self, count: int) -> None:
        """Only the first `count` entries are there still."""
        self._known = {key: number for key, number in self._known.items() if number < count}

    def entries(self, change: Change, first: int) -> list[Entry]:
        """What must be written, numbered from `first`; the change comes last."""
        self._first, self._needed = first, []
        entry = self._change(change)
        return [*self._needed, entry]

    def _change(self, change: Change) -> Entry:
        if isinstance(change, Together):
            return {"together": change.name, "parts": [self._change(p) for p in change.parts]}
        if isinstance(change, Edit):
            return self._edit(change)
        if isinstance(change, EventChange):
            values = {"before": change.before, "after": change.after}
            return {"event": change.key, "name": change.name, **values}
        before = self._table(change.before, None)
        after = self._table(change.after, change.before)
        return {"run": change.run, "name": change.name, "before": before, "after": after}

    def _edit(self, edit: Edit) -> Entry:
        return {
            "edit": edit.name,
            "frames": edit.frames.tolist(),
            "points": edit.points,
            "roster": [self._roster(points) for points in edit.roster],
            "before": cells_value(_one_nan(edit.before)),
            "after": cells_value(_one_nan(edit.after)),
        }

    def _roster(self, points: Roster) -> int:
        if points not in self._known:
            self._add(points, {"roster": [dict(point.__dict__) for point in points]})
        return self._known[points]

    def _table(self, tracks: Tracks | None, base: Tracks | None) -> int | None:
        if tracks is None:
            return None
        key = self._digest(tracks)
        if key not in self._known:
            roster = self._roster(tracks.points)
            self._add(key, {"table": key, "roster": roster, **self._content(tracks, base)})
        return self._known[key]

    def _content(self, tracks: Tracks, base: Tracks | None) -> Entry:
        steps = [step.to_dict() for step in tracks.log]
        if base is None or base.shape != tracks.shape:
            return {"log": steps, "cells": cells_value(tracks)}
        rows, columns = _difference(base, tracks)
        if 2 * len(rows) * len(columns) > tracks.source.size:
            return {"log": steps, "cells": cells_value(tracks)}
        kept = _shared(base.log, tracks.log)
        return {
            "of": self._known[self._digest(base)],
            "kept": kept,
            "log": steps[kept:],
            "frames": rows.tolist(),
            "columns": columns.tolist(),
            "cells": cells_value(tracks.block(rows, columns)),
        }

    def _digest(self, tracks: Tracks) -> str:
        if tracks not in self._digests:
            self._digests[tracks] = table_digest(tracks)
        return self._digests[tracks]

    def _add(self, key: Roster | str, entry: Entry) -> None:
        self._known[key] = self._first + len(self._needed)
        self._needed.append(entry)


class ChangeReader:
    """Turns entries back into changes.

    Parameters
    ----------
    entry : callable
        The entry of a number.
    video : VideoInfo
        The clip under the tables.
    """

    def __init__(self, entry: Callable[[int], Entry], video: VideoInfo) -> None:
        self._entry = entry
        self._video = video
        self._rosters: dict[int, Roster] = {}
        self._tables: dict[int, Tracks] = {}

    def change(self, entry: Entry) -> Change:
        """The change of an entry.

        Raises
        ------
        LookupError, TypeError, ValueError
            If the entry is not one that `ChangeWriter` made.
        """
        if "together" in entry:
            parts = tuple(self._single(part) for part in entry["parts"])
            return Together(entry["together"], parts)
        return self._single(entry)

    def runs(self, entry: Entry, *, backwards: bool = False) -> dict[str, Tracks | None]:
        """The runs as a change leaves them; None where it removes one."""
        side = "before" if backwards else "after"
        parts = entry.get("parts", [entry])
        return {part["run"]: self._table(part[side]) for part in parts if "run" in part}

    def roster(self, number: int) -> Roster:
        """The points of a roster entry."""
        if number not in self._rosters:
            self._rosters[number] = roster_of(self._entry(number))
        return self._rosters[number]

    def _single(self, entry: Entry) -> SingleChange:
        if "event" in entry:
            return EventChange(entry["name"], entry["event"], entry["before"], entry["after"])
        if "run" in entry:
            before, after = (self._table(entry[side]) for side in ("before", "after"))
            return RunChange(entry["name"], entry["run"], before, after)
        frames = np.asarray(entry["frames"], dtype=np.intp)
        shape = len(frames), len(entry["points"])
        old, new = entry["roster"]
        return Edit(
            name=entry["edit"],
            frames=frames,
            points=tuple(entry["points"]),
            before=cells_of(entry["before"], shape),
            after=cells_of(entry["after"], shape),
            roster=(self.roster(old), self.roster(new)),
        )

    def _table(self, number: int | None) -> Tracks | None:
        if number is None:
            return None
        chain: list[tuple[int, Entry]] = []
        at = number
        while at not in self._tables:
            entry = self._entry(at)
            chain.append((at, entry))
            if "of" not in entry:
                break
            if entry["of"] >= at:
                raise ValueError(f"table {at} builds on a later one")
            at = entry["of"]
        for each, entry in reversed(chain):
            self._tables[each] = self._built(entry)
        return self._tables[number]

    def _built(self, entry: Entry) -> Tracks:
        points = self.roster(entry["roster"])
        steps = tuple(Step.from_dict(step) for step in entry["log"])
        if "of" not in entry:
            cells = cells_of(entry["cells"], (self._video.frame_count, len(points)))
            arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
            return trusted(Tracks, **arrays, points=points, video=self._video, log=steps)
        base = self._tables[entry["of"]]
        rows, columns = (np.asarray(entry[key], dtype=np.intp) for key in ("frames", "columns"))
        block = cells_of(entry["cells"], (len(rows), len(columns)))
        arrays = arrays_of(base)
        for name in CELL_ARRAYS:
            arrays[name][np.ix_(rows, columns)] = getattr(block, name)
        log = (*base.log[: entry["kept"]], *steps)
        return trusted(Tracks, **arrays, points=points, video=self._video, log=log)


def roster_of(entry: Entry) -> Roster:
    """The points of a roster entry."""
    return tuple(PointInfo(**values) for values in entry["roster"])


def table_digest(tracks: Tracks) -> str:
    """Fingerprint of points, log and numbers; the clip does not count."""
    state = hashlib.blake2b(digest_size=16)
    points = [dict(point.__dict__) for point in tracks.points]
    state.update(dump([points, [step.to_dict() for step in tracks.log]]).encode())
    for name in CELL_ARRAYS:
        state.update(np.ascontiguousarray(getattr(tracks, name)).data)
    return state.hexdigest()


def calibration_value(calibration: Calibration) -> Entry:
    """A calibration as plain values, its times exact."""
    times = calibration.times_s
    return {**calibration.__dict__, "times_s": None if times is None else numbers_value(times)}


def calibration_of(value: Mapping[str, Any]) -> Calibration:
    """The inverse of `calibration_value`."""
    times = value["times_s"]
    return Calibration(**{**value, "times_s": None if times is None else numbers_of(times)})


def numbers_value(values: NDArray[np.float64]) -> list[float] | str:
    """Finite numbers: a list when few, else packed."""
    return values.tolist() if values.size <= FEW else _packed(values, "<f8")


def numbers_of(value: list[float] | str) -> NDArray[np.float64]:
    """The inverse of `numbers_value`."""
    if isinstance(value, str):
        return _unpacked(value, "<f8").astype(np.float64)
    return np.asarray(value, dtype=np.float64)


def cells_value(cells: Cells) -> list[list[Any] | None] | dict[str, str]:
    """A block as one ``[x, y, confidence, visible, source]`` per cell when small, else packed.

    Cells in which nobody looked are null.
    """
    if cells.source.size > FEW:
        return {name: _packed(getattr(cells, name), _STORED[name]) for name in CELL_ARRAYS}
    rows = zip(
        cells.xy.reshape(-1, 2).tolist(),
        cells.confidence.ravel(),
        cells.visible.ravel().tolist(),
        cells.source.ravel().tolist(),
        strict=True,
    )
    return [_cell_value(x, y, sure, seen, source) for (x, y), sure, seen, source in rows]


def cells_of(value: Sequence[Any] | Mapping[str, str], shape: tuple[int, int]) -> Cells:
    """The block, frames x points, that `cells_value` wrote."""
    if isinstance(value, Mapping):
        tails = {"xy": (2,)}
        arrays: dict[str, Any] = {
            name: _unpacked(value[name], _STORED[name]).reshape(*shape, *tails.get(name, ()))
            for name in CELL_ARRAYS
        }
        return Cells(**arrays)
    if len(value) != shape[0] * shape[1]:
        raise ValueError(f"{len(value)} cells for {shape[0]} x {shape[1]}")
    if not any(value):
        return Cells.empty(*shape)
    arrays = blank_arrays(*shape)
    for at, cell in zip(np.ndindex(*shape), value, strict=True):
        if cell is not None:
            x, y, sure, seen, source = cell
            arrays["xy"][at] = _number(x), _number(y)
            arrays["confidence"][at] = _number(sure)
            arrays["visible"][at] = seen
            arrays["source"][at] = SOURCE_WORDS[source]
    return Cells(**arrays)


def _cell_value(x: float, y: float, sure: np.float32, seen: bool, source: int) -> list[Any] | None:
    if source == Source.MISSING:
        return None
    place = [None if np.isnan(value) else value for value in (x, y)]
    return [*place, None if np.isnan(sure) else shortest(sure), seen, _WORDS[source]]


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _packed(values: NDArray[Any], dtype: str) -> str:
    """Base64 of the bytes, zipped where a sample says that this is much smaller, so quick too."""
    content = np.ascontiguousarray(values, dtype=dtype).tobytes()
    middle = max(0, len(content) // 2 - _SAMPLE_BYTES // 2) // 8 * 8
    sample = content[middle : middle + _SAMPLE_BYTES]
    if len(zlib.compress(sample, 1)) > _PAYS * len(sample):
        return b64encode(content).decode()
    return _ZIPPED + b64encode(zlib.compress(content, 1)).decode()


def _unpacked(text: str, dtype: str) -> NDArray[Any]:
    zipped = text.startswith(_ZIPPED)
    content = b64decode(text.removeprefix(_ZIPPED), validate=True)
    return np.frombuffer(zlib.decompress(content) if zipped else content, dtype=dtype)


def _one_nan(cells: Cells) -> Cells:
    """The block with one kind of NaN, as the label file gives it back, so that edits still meet."""
    if cells.source.size <= FEW:
        return cells
    arrays = {name: getattr(cells, name) for name in ("visible", "source")}
    for name in ("xy", "confidence"):
        values = getattr(cells, name)
        arrays[name] = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return trusted(Cells, **arrays)


def _difference(base: Tracks, tracks: Tracks) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the smallest block that holds all that differs."""
    changed = np.zeros(tracks.shape, dtype=np.bool_)
    for name in CELL_ARRAYS:
        old, new = (getattr(t, name).view(_BITS[name]) for t in (base, tracks))
        apart = old != new
        changed |= apart[..., 0] | apart[..., 1] if name == "xy" else apart
    return np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))


def _shared(old: Iterable[Step], new: Iterable[Step]) -> int:
    """How many steps both logs begin with."""
    count = 0
    for ours, theirs in zip(old, new, strict=False):
        if ours is not theirs and dump(ours.to_dict()) != dump(theirs.to_dict()):
            break
        count += 1
    return count
