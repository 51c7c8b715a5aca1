"""The labels layer as an input device: its events become edits, edits its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import NDArray

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.session import Session
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import LABELS, Placement, label_rows, tag


class LabelSync:
    """Keeps one labels layer and one session in step.

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
        self._session = session
        self._placement = placement
        self._next_name = next_name
        self._complain = complain
        self._keys: tuple[tuple[int, str], ...] = ()
        self._writing = False
        self.hidden: frozenset[str] = frozenset()
        layer.events.data.connect(self._on_data)
        session.edited.connect(self._on_edited)
        self.write()

    def close(self) -> None:
        """Stop listening."""
        self.layer.events.data.disconnect(self._on_data)
        self._session.edited.disconnect(self._on_edited)

    def write(self) -> None:
        """Show the session's labels in the layer."""
        rows = label_rows(self._session.annotations, self._keys)
        self._writing = True
        try:
            build.write_labels(self.layer, self._placement, rows, self.hidden)
        finally:
            self._writing = False
        self._keys = rows.keys
        told = tag(LABELS, self._session.annotations, self._placement)
        self.layer.metadata = {**self.layer.metadata, **told}
        self.expect(self._next_name())

    def expect(self, name: str) -> None:
        """Give the next clicked point its name before the click."""
        self.layer.feature_defaults = {**build.BLANK_FEATURES, "point": name}

    def _on_edited(self, _edit: Edit) -> None:
        self.write()

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
            self._complain(str(error))
            self.write()

    def _added(self, indices: NDArray[np.intp]) -> None:
        frames, xy = self._placement.positions(self.layer.data[indices])
        for frame, at in zip(frames, xy, strict=True):
            self._session.place(self._next_name(), int(frame), at)

    def _changed(self, indices: NDArray[np.intp]) -> None:
        frames, xy = self._placement.positions(self.layer.data[indices])
        keys = [self._keys[index] for index in indices]
        if any(frame != key[0] for frame, key in zip(frames, keys, strict=True)):
            raise UsstrackError("A point stays in its frame; place it anew in the other frame.")
        what = keys[0][1] if len(keys) == 1 else f"{len(keys)} points"
        self._session.place_all(f"move {what}", dict(zip(keys, xy, strict=True)))

    def _removed(self, indices: NDArray[np.intp]) -> None:
        gone = [self._keys[index] for index in indices]
        what = gone[0][1] if len(gone) == 1 else f"{len(gone)} labels"
        self._session.place_all(f"delete {what}", dict.fromkeys(gone))
