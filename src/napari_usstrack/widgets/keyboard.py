"""Our keys on a viewer and on the layers that would take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from qtpy.QtWidgets import QWidget

from napari_usstrack.widgets.key_sheet import KeySheet
from napari_usstrack.widgets.keybindings import bind, bind_layer
from napari_usstrack.widgets.layers import role

if TYPE_CHECKING:
    from napari import Viewer


class Keyboard:
    """Binds the key table while the dock is there, and shows it.

    Parameters
    ----------
    viewer : Viewer
        Where keys are pressed.
    actions : mapping of str to callable
        What every action of the table does; `keys` is added.
    dock : QWidget
        Above which the sheet opens.
    """

    def __init__(
        self, viewer: Viewer, actions: Mapping[str, Callable[[], object]], dock: QWidget
    ) -> None:
        self._viewer = viewer
        self._dock = dock
        self._actions = {**actions, "keys": self.show}
        self._sheet: KeySheet | None = None
        self._releases = [bind(viewer, self._actions, strict=True)]
        for layer in viewer.layers:
            self._take(layer)
        viewer.layers.events.inserted.connect(self._on_inserted)

    def show(self) -> None:
        """Show the sheet of keys, or hide it."""
        if self._sheet is None:
            self._sheet = KeySheet(self._dock.window())
        self._sheet.toggle()

    def close(self) -> None:
        """Give all keys back."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        for release in self._releases:
            release()
        self._releases.clear()
        if self._sheet is not None:
            self._sheet.close()
            self._sheet = None

    def _on_inserted(self, event: Any) -> None:
        self._take(event.value)

    def _take(self, layer: Layer) -> None:
        if isinstance(layer, Image) or role(layer.metadata):
            self._releases.append(bind_layer(layer, self._actions, strict=True))
