"""Stepping, proposing, accepting: how labels are made, with no window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_usstrack.core import edits
from napari_usstrack.core.edits import Edit, Roster
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Memory, Progress, Work
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, arrays_of, trusted
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.propagate import METHOD, Patch, carry, refill
from napari_usstrack.pipelines.queries import Stretch
from napari_usstrack.session.host import Host
from napari_usstrack.session.jobs import JobState, Runner
from napari_usstrack.session.proposals import Proposals, stretches_owed

Patches = tuple[Patch, ...]


class Curation:
    """Proposals of one session and what a person does with them.

    A single step carries every point that is in view along; jumps, playing
    and scrubbing do not. An edit forgets the proposals that followed from
    the labels it changed, and their frames are filled again in the
    background, between neighbouring labels only.

    Parameters
    ----------
    session : Host
        The labels, frame and history.
    runner : Runner
        Where flow runs.

    Attributes
    ----------
    propagating : bool
        Whether a step carries points along, and edits fill again; off at first.
    base : str
        Run that is shown under labels and proposals; empty for none.

    Notes
    -----
    Signals: ``proposed()`` when what is shown changed by computing,
    ``working(Progress)`` while it computes, with equal numbers at the end.
    """

    proposed = Signal()
    working = Signal(Progress)

    def __init__(self, session: Host, runner: Runner) -> None:
        self._session = session
        self._runner = runner
        self.propagating = False
        self._base = ""
        self._tracker = trackers.make(METHOD)
        self._memory: Memory = {}
        self._proposals = Proposals(session.annotations)
        self._steps: deque[tuple[int, int]] = deque()
        self._stepping = False
        self._filling: tuple[Stretch, ...] = ()
        self._stop_filling: Callable[[], None] | None = None
        self._closed = False
        self._under_key: tuple[object, ...] = ()
        self._shown_key: tuple[object, ...] = ()
        self._under = self._shown = session.annotations

    # --- what there is ------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """Run that is shown under labels and proposals; empty for none."""
        return self._base

    @base.setter
    def base(self, run: str) -> None:
        if run != self._base:
            self._base = run
            self.proposed.emit()

    @property
    def proposals(self) -> Tracks:
        """What was computed while stepping and after edits."""
        return self._proposals.tracks

    @property
    def under(self) -> Tracks:
        """Proposals over the base run."""
        run = self._session.run_or_none(self._base)
        key = (self._proposals.tracks, run)
        if not _same(key, self._under_key):
            proposals = self._proposals.tracks
            self._under = proposals if run is None else proposals.over(run)
            self._under_key = key
        return self._under

    def under_in(self, frame: int) -> tuple[Roster, Cells]:
        """Points and cells ``[1, points]`` of `under` in one frame, without the rest of it."""
        run = self._session.run_or_none(self._base)
        proposals = self._proposals.tracks
        known = run is None or _same((proposals, run), self._under_key)
        if known or run is None or proposals.names != run.names:
            whole = self.under
            return whole.points, whole.block([frame], range(whole.shape[1]))
        arrays = arrays_of(run.block([frame], range(run.shape[1])))
        said = proposals.source[frame] > 0
        for name in CELL_ARRAYS:
            arrays[name][0, said] = getattr(proposals, name)[frame, said]
        return proposals.points, trusted(Cells, **arrays)

    @property
    def shown(self) -> Tracks:
        """Labels over proposals over the base run."""
        annotations, under = self._session.annotations, self.under
        key = (annotations, under)
        if not _same(key, self._shown_key):
            self._shown = annotations.over(under)
            self._shown_key = key
        return self._shown

    @property
    def busy(self) -> bool:
        """Whether flow is being computed."""
        return self._stepping or self._stop_filling is not None

    def use(self, method: str, options: Mapping[str, Any] | None = None) -> None:
        """Choose the method of proposals to come."""
        tracker = trackers.make(method, options)
        if tracker != self._tracker:
            self._tracker = tracker
            self._memory.clear()

    def restore(self, proposals: Tracks) -> None:
        """Take over proposals that were saved."""
        self._proposals.put(proposals)

    # --- what a person does -------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Go to another frame; a step of one frame carries the points along."""
        here = self._session.frame
        last = self._session.video.info.frame_count - 1
        there = min(max(here + by, 0), last)
        if there == here:
            return
        if self.propagating and abs(by) == 1:
            self._steps.append((here, there))
        self._session.frame = there
        self._carry_on()

    def accept(self, frame: int, names: Iterable[str] | None = None) -> int:
        """Make proposals of one frame labels; returns how many."""
        return self.accept_all(range(frame, frame + 1), names, f"accept frame {frame}")

    def accept_up_to(self, frame: int, names: Iterable[str] | None = None) -> int:
        """Make all proposals up to a frame labels, it included; returns how many."""
        return self.accept_all(range(frame + 1), names, f"accept up to frame {frame}")

    def reject(self, frame: int, names: Iterable[str]) -> int:
        """Say that points are not to be seen here: what is proposed ends; returns how many."""
        shown, annotations = self.shown, self._session.annotations
        chosen = [
            name
            for name in names
            if name in annotations.names and shown.present[frame, shown.column(name)]
        ]
        if chosen:
            edit = edits.mark_absent(annotations, [frame], chosen)
            what = chosen[0] if len(chosen) == 1 else f"{len(chosen)} points"
            self._session.do(replace(edit, name=f"reject {what}"))
        return len(chosen)

    def request(self, frames: Iterable[int], names: Iterable[str]) -> None:
        """Propose points in these frames, from the labels around them.

        Raises
        ------
        UsstrackError
            When nothing lies between labels or beside one.
        """
        annotations, owed = self._session.annotations, self._proposals.owed.copy()
        rows = np.asarray(list(frames), dtype=np.intp)
        columns = [annotations.column(name) for name in names]
        owed[np.ix_(rows, np.asarray(columns, dtype=np.intp))] = True
        owed &= ~annotations.said
        if not stretches_owed(annotations, owed):
            raise UsstrackError("There is no label to fill from; label the points first.")
        self._proposals.owed |= owed
        self._abandon()
        self._fill()

    def open_proposals(self, frames: Sequence[int] | range) -> NDArray[np.bool_]:
        """Cells ``[len(frames), points]`` that are proposed, in view, and not labelled."""
        rows = np.asarray(frames, dtype=np.intp)
        annotations, under = self._session.annotations, self.under
        columns = np.array([under.column(name) for name in annotations.names], dtype=np.intp)
        found = under.visible[np.ix_(rows, columns)] & under.present[np.ix_(rows, columns)]
        return found & ~annotations.said[rows]

    def accept_all(self, frames: range, names: Iterable[str] | None, title: str) -> int:
        """Make proposals in a span of frames labels, as one change; returns how many."""
        annotations, under = self._session.annotations, self.under
        wanted = annotations.names if names is None else tuple(names)
        mask = self.open_proposals(frames)
        mask &= np.isin(annotations.names, wanted)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            return 0
        points = [annotations.names[c] for c in columns]
        at = rows + frames.start
        block = annotations.block(at, columns)
        offered = under.block(at, [under.column(name) for name in points])
        cells = _taken(block, offered, mask[np.ix_(rows, columns)])
        self._session.do(edits.write(annotations, title, at, points, cells))
        return int(mask.sum())

    # --- what follows from it -----------------------------------------------------------------

    def heard(self, edit: Edit, before: Tracks, under: Tracks) -> None:
        """Forget what an edit made stale and compute it again; the session calls this."""
        annotations = self._session.annotations
        self._proposals.heard(edit, before, under, annotations)
        touched = set(edit.points)
        if any(stretch.point in touched for stretch in self._filling):
            self._abandon()

    def run_changed(self, name: str, before: Tracks | None, after: Tracks | None) -> None:
        """Forget proposals when another result lies under them; the session calls this."""
        if name != self._base or (before and after and before.log is after.log):
            return
        self._proposals.clear()
        self._memory.clear()
        self._steps.clear()
        self._abandon()

    def refresh(self) -> None:
        """Compute what is owed, in the background."""
        if self.propagating:
            self._fill()

    def _fill(self) -> None:
        if self._closed or self._stop_filling is not None:
            return
        annotations = self._session.annotations
        spans = stretches_owed(annotations, self._proposals.owed)
        if not spans:
            self._proposals.owed[:] = False
            return
        self._filling = spans
        self._stop_filling = _nothing
        work = refill(self._session.video, annotations, spans, self._tracker)

        def returned(patches: Patches) -> None:
            if self._filling is spans:
                self._filled(patches)

        stop = self._start(work, returned, lambda: self._filling is spans)
        if self._filling is spans and self._stop_filling is not None:
            self._stop_filling = stop

    def close(self) -> None:
        """Stop computing."""
        self._closed = True
        self._steps.clear()
        self._abandon()

    def _filled(self, patches: Patches) -> None:
        self._filling, self._stop_filling = (), None
        self._proposals.write(patches)
        self.working.emit(Progress(1, 1))
        self.proposed.emit()
        self.refresh()
        self._carry_on()

    def _abandon(self) -> None:
        stop, self._stop_filling, self._filling = self._stop_filling, None, ()
        if stop is not None:
            stop()
            self.working.emit(Progress(1, 1))

    def _carry_on(self) -> None:
        """Compute the next step that waits, if there is one."""
        while self._steps and not self._stepping and not self._closed:
            here, there = self._steps.popleft()
            names = self._to_carry(here, there)
            if names:
                self._carry(here, there, names)
            self.refresh()

    def _to_carry(self, here: int, there: int) -> tuple[str, ...]:
        """Points that one step carries; what has to wait for a fill is noted as owed."""
        annotations, shown, owed = self._session.annotations, self.shown, self._proposals.owed
        said, hand = annotations.said, annotations.by_hand
        present = shown.source[[here, there]] > Source.ABSENT
        names = []
        for column, name in enumerate(annotations.names):
            if said[there, column] or owed[there, column] or present[1, column]:
                continue
            if owed[here, column] or _bounded(said[:, column], hand[:, column], there):
                owed[there, column] = True
            elif present[0, column] and shown.visible[here, column]:
                names.append(name)
        return tuple(names)

    def _carry(self, here: int, there: int, names: tuple[str, ...]) -> None:
        annotations, shown = self._session.annotations, self.shown
        self._stepping = True
        work = carry(
            self._session.video,
            annotations,
            shown,
            self._tracker,
            here,
            there,
            names,
            self._memory,
        )

        def returned(patches: Patches) -> None:
            self._stepping = False
            now = self.shown
            fresh = [patch for patch in patches if _still_true(patch, here, shown, now)]
            if fresh and not self._closed:
                self._proposals.write(fresh)
                self.proposed.emit()
            self._carry_on()

        self._start(work, returned, lambda: False)

    def _give_up(self) -> None:
        self._stepping = False
        self._filling, self._stop_filling = (), None
        self._steps.clear()
        self._proposals.owed[:] = False

    def _start(
        self,
        work: Work[Patches],
        returned: Callable[[Patches], None],
        reporting: Callable[[], bool],
    ) -> Callable[[], None]:
        def progressed(progress: Progress) -> None:
            if reporting():
                self.working.emit(progress)

        def failed(error: BaseException) -> None:
            self._give_up()
            self._session.job_changed.emit(JobState("Propagate", "failed", message=str(error)))
            if not isinstance(error, UsstrackError):
                raise error

        return self._runner(work, progressed=progressed, returned=returned, failed=failed)


def _bounded(said: NDArray[np.bool_], hand: NDArray[np.bool_], frame: int) -> bool:
    """Whether a frame lies between two anchors, with nothing else said between."""
    frames = np.flatnonzero(said)
    after = int(np.searchsorted(frames, frame, side="right"))
    before = int(np.searchsorted(frames, frame)) - 1
    if before < 0 or after == len(frames):
        return False
    return bool(hand[frames[before]] and hand[frames[after]])


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _taken(block: Cells, offered: Cells, mask: NDArray[np.bool_]) -> Cells:
    """The block with offered cells taken over as accepted where the mask says so."""
    return Cells(
        xy=np.where(mask[..., None], offered.xy, block.xy),
        confidence=np.where(mask, offered.confidence, block.confidence),
        visible=np.where(mask, True, block.visible),
        source=np.where(mask, int(Source.ACCEPTED), block.source),
    )


def _still_true(patch: Patch, here: int, then: Tracks, now: Tracks) -> bool:
    """Whether a point still starts from where it was carried, and is not labelled there."""
    if patch.point not in now.names:
        return False
    start = then.xy[here, then.column(patch.point)]
    column = now.column(patch.point)
    free = not now.present[patch.frames.start, column]
    return free and np.array_equal(now.xy[here, column], start)


def _nothing() -> None:
    pass
