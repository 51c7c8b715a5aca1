"""Scale from two clicks on the ruler in the picture."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.layers import Image

from napari_usstrack.core.coords import swapped


class TwoClicks:
    """Waits for two clicks on an image layer.

    Parameters
    ----------
    image : Image
        The layer to click on.
    clicked : callable
        Told how many clicks were made.
    measured : callable
        Told the distance between both in px of the full frame.
    """

    def __init__(
        self,
        image: Image,
        clicked: Callable[[int], object],
        measured: Callable[[float], object],
    ) -> None:
        self._image = image
        self._clicked = clicked
        self._measured = measured
        self._ends: list[np.ndarray] = []
        image.mouse_drag_callbacks.append(self._on_press)

    def stop(self) -> None:
        """Stop waiting."""
        if self._on_press in self._image.mouse_drag_callbacks:
            self._image.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, image: Image, event: Any) -> Generator[None, None, None]:
        yield
        while event.type == "mouse_move":
            yield
        self._ends.append(swapped(np.asarray(image.world_to_data(event.position))[-2:]))
        self._clicked(len(self._ends))
        if len(self._ends) == 2:
            self.stop()
            self._measured(float(np.linalg.norm(self._ends[1] - self._ends[0])))
