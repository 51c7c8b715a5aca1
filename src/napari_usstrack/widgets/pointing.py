"""The mouse on the labels layer: click places or picks, drag moves, all else pans."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.layers import Points
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.widgets.sync import LabelSync

SLACK_PX = 3.0
"""Screen pixels a click may wander before it counts as a drag."""
REACH_PX = 8.0
"""Screen pixels from a marker at which it is still hit."""


class Pointing:
    """Mouse control of one labels layer in napari's pan mode.

    Parameters
    ----------
    sync : LabelSync
        The layer and its session.
    zoom : callable
        Screen pixels per world unit.
    picked : callable
        Told the name of a point that was clicked.

    Attributes
    ----------
    placing : bool
        Whether a click beside all markers places the current point.
    """

    def __init__(
        self,
        sync: LabelSync,
        zoom: Callable[[], float],
        picked: Callable[[str], object],
    ) -> None:
        self.placing = False
        self._sync = sync
        self._zoom = zoom
        self._picked = picked
        sync.layer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Leave the mouse alone."""
        if self._on_press in self._sync.layer.mouse_drag_callbacks:
            self._sync.layer.mouse_drag_callbacks.remove(self._on_press)

    def place(self, at: ArrayLike) -> None:
        """Place the current point in the frame in view, at coordinates of the layer."""
        _, xy = self._sync.placement.positions(np.asarray(at, dtype=float))
        self._sync.put(self._sync.next_name(), self._sync.session.frame, xy[0])

    def _on_press(self, layer: Points, event: Any) -> Generator[None, None, None]:
        if str(layer.mode) != "pan_zoom" or event.button != 1 or event.modifiers:
            return
        begun = np.array(layer.world_to_data(event.position), dtype=float)
        row = self._hit(begun)
        layer.mouse_pan = row is None
        wandered = False
        yield
        while event.type == "mouse_move":
            here = np.array(layer.world_to_data(event.position), dtype=float)
            wandered = wandered or self._on_screen(here - begun) > SLACK_PX
            if row is not None and wandered:
                self._carry(layer, row, here - begun)
                begun = here
            yield
        layer.mouse_pan = True
        if row is not None:
            self._released(row, wandered)
        elif self.placing and not wandered:
            self.place(begun)

    def _carry(self, layer: Points, row: int, by: NDArray[np.float64]) -> None:
        layer.data[row, -2:] += by[-2:]
        self._sync.moved()

    def _released(self, row: int, moved: bool) -> None:
        frame, name = self._sync.keys[row]
        if moved:
            _, xy = self._sync.placement.positions(self._sync.layer.data[row])
            self._sync.put(name, frame, xy[0])
        self._sync.session.selection = (name,)
        self._picked(name)

    def _hit(self, at: NDArray[np.float64]) -> int | None:
        """Row of the nearest marker in this frame within reach."""
        layer, frame = self._sync.layer, self._sync.session.frame
        rows = [i for i, key in enumerate(self._sync.keys) if key[0] == frame and layer.shown[i]]
        if not rows:
            return None
        away = np.linalg.norm(layer.data[rows, -2:] - at[-2:], axis=1)
        reach = max(float(layer.size[rows[0]]) / 2, REACH_PX / self._on_screen(np.eye(2)[0]))
        nearest = int(away.argmin())
        return rows[nearest] if away[nearest] <= reach else None

    def _on_screen(self, motion: NDArray[np.float64]) -> float:
        """Length in screen pixels of a motion in layer pixels."""
        return float(np.linalg.norm(motion[-2:] * self._sync.layer.scale[-2:])) * self._zoom()
