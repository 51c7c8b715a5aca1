"""The labels layer as an input device: its events become edits, edits its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.session import Session
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import (
    LABELS,
    Placement,
    Rows,
    editor_rows,
    label_rows,
    label_rows_in,
    look_of,
    offered_rows,
    tag,
)
from napari_usstrack.widgets.writing import RowWriter

Key = tuple[int, str]


class LabelSync:
    """Keeps one labels layer and one session in step.

    The layer holds labels, and what is proposed in the frame in view; moving
    a proposal makes it a label, deleting one rejects it.

    Parameters
    ----------
    session : Session
        The truth.
    layer : Points
        What the user clicks in.
    placement : Placement
        How the layer's coordinates relate to the clip.
    next_name : callable
        Name that a newly clicked point gets.
    complain : callable
        Told one sentence when a click cannot be used.

    Attributes
    ----------
    ask_marks : callable
        Called when other points are selected; rings them at once, unless a
        window puts something in its place that does it soon.
    """

    def __init__(
        self,
        session: Session,
        layer: Points,
        placement: Placement,
        next_name: Callable[[], str],
        complain: Callable[[str], object],
    ) -> None:
        self.layer = layer
        self.session = session
        self.placement = placement
        self.complain = complain
        self.next_name = next_name
        self.placed: Callable[[str, int], object] = _ignore
        self.ask_marks: Callable[[], object] = self.mark_selected
        self._rows: Rows | None = None
        self._labelled: Tracks | None = None
        self._all_labels: Rows | None = None
        self._writer = RowWriter(layer, placement, look_of)
        self._expected = self._named = ""
        self._writing = False
        self.hidden: frozenset[str] = frozenset()
        layer.events.data.connect(self._on_data)
        layer.events.mode.connect(self._name_next)
        layer.selected_data.events.items_changed.connect(self._on_selected)
        session.edited.connect(self._on_edited)
        session.selection_changed.connect(self._on_selection)
        session.curation.proposed.connect(self.write)
        self.write()

    def close(self) -> None:
        """Stop listening."""
        self.layer.events.data.disconnect(self._on_data)
        self.layer.events.mode.disconnect(self._name_next)
        self.layer.selected_data.events.items_changed.disconnect(self._on_selected)
        self.session.edited.disconnect(self._on_edited)
        self.session.selection_changed.disconnect(self._on_selection)
        self.session.curation.proposed.disconnect(self.write)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Frame and point name of every row."""
        return () if self._rows is None else self._rows.keys

    def write(self) -> None:
        """Show the session's labels and proposals in the layer."""
        self._write(by_step=False)

    def follow(self) -> None:
        """Write what the frame that the viewer is about to draw shows, where it differs."""
        rows = self._rows
        changing = rows is None or rows.proposed.any() or self._all_labels is None
        if changing or self.session.curation.under_in(self.session.frame)[1].present.any():
            self._write(by_step=True)

    def moved(self) -> None:
        """Draw rows that are being dragged."""
        self._writer.redraw.written(by_step=False)

    def settle(self) -> None:
        """Draw what a step should have drawn and did not."""
        self._writer.redraw.settle()

    def _write(self, *, by_step: bool) -> None:
        annotations, frame = self.session.annotations, self.session.frame
        offered = offered_rows(annotations, *self.session.curation.under_in(frame), frame)
        rows = editor_rows(self._label_rows(annotations), offered, self._rows)
        with self._own():
            self._writer.write(rows, self.hidden, by_step=by_step)
            self._rows = rows
            self._mark_selected()
        told = self.layer.metadata.get("usstrack", {})
        if told.get("tracks") is not annotations:
            told = tag(LABELS, annotations, self.placement)
            self.layer.metadata = {**self.layer.metadata, **told}
        self.expect(self.next_name())

    def _label_rows(self, annotations: Tracks) -> Rows:
        """Rows of all labels, made once for as long as they are the same, or of the frame."""
        if self._labelled is not annotations:
            self._labelled, self._all_labels = annotations, label_rows(annotations)
        if self._all_labels is not None:
            return self._all_labels
        return label_rows_in(annotations, self.session.frame)

    def expect(self, name: str) -> None:
        """Note the name of the next point, for napari's own tool that adds points."""
        self._expected = name
        self._name_next()

    def _name_next(self, _event: Any = None) -> None:
        """Give the point that napari would add its name; costly, so only while it can add one."""
        if str(self.layer.mode) == "add" and self._named != self._expected:
            self._named = self._expected
            self.layer.feature_defaults = {**build.BLANK_FEATURES, "point": self._named}

    def put(self, name: str, frame: int, xy: NDArray[np.float64]) -> None:
        """Place or move a point, and tell that it was placed."""
        try:
            self.session.place(name, frame, xy)
        except UsstrackError as error:
            self.complain(str(error))
            self.write()
            return
        self.placed(name, frame)

    @contextmanager
    def _own(self) -> Iterator[None]:
        """What the layer tells meanwhile is our own doing."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _on_edited(self, _edit: Edit) -> None:
        self.write()

    def _on_selection(self, _names: tuple[str, ...]) -> None:
        if not self._writing:
            self.ask_marks()

    def mark_selected(self) -> None:
        """Ring the selected points of the frame in view."""
        with self._own():
            self._mark_selected()

    def _mark_selected(self) -> None:
        names, frame = self.session.selection, self.session.frame
        rows = {i for i, key in enumerate(self.keys) if key[0] == frame and key[1] in names}
        if set(self.layer.selected_data) != rows:
            self.layer.selected_data = rows

    def _on_selected(self, *_: Any) -> None:
        if self._writing:
            return
        keys = self.keys
        chosen = [keys[row][1] for row in sorted(self.layer.selected_data) if row < len(keys)]
        with self._own():
            self.session.selection = tuple(dict.fromkeys(chosen))

    def _on_data(self, event: Any) -> None:
        if self._writing:
            return
        action = str(getattr(event.action, "value", event.action))
        if action not in ("added", "changed", "removed"):
            return
        indices = np.asarray(event.data_indices, dtype=np.intp)
        try:
            getattr(self, f"_{action}")(indices)
        except UsstrackError as error:
            self.complain(str(error))
            self.write()

    def _added(self, indices: NDArray[np.intp]) -> None:
        frames, xy = self.placement.positions(self.layer.data[indices])
        for frame, at in zip(frames, xy, strict=True):
            self.put(self.next_name(), int(frame), at)

    def _changed(self, indices: NDArray[np.intp]) -> None:
        frames, xy = self.placement.positions(self.layer.data[indices])
        keys = [self.keys[index] for index in indices]
        if any(frame != key[0] for frame, key in zip(frames, keys, strict=True)):
            raise UsstrackError("A point stays in its frame; place it anew in the other frame.")
        what = keys[0][1] if len(keys) == 1 else f"{len(keys)} points"
        self.session.place_all(f"move {what}", dict(zip(keys, xy, strict=True)))

    def _removed(self, indices: NDArray[np.intp]) -> None:
        rows = self._rows
        if rows is None:
            return
        gone = [rows.keys[i] for i in indices if not rows.proposed[i]]
        refused = [rows.keys[i] for i in indices if rows.proposed[i]]
        if gone:
            what = gone[0][1] if len(gone) == 1 else f"{len(gone)} labels"
            self.session.place_all(f"delete {what}", dict.fromkeys(gone))
        for frame in {frame for frame, _ in refused}:
            self.session.curation.reject(frame, [n for f, n in refused if f == frame])


def _ignore(_name: str, _frame: int) -> None:
    pass
