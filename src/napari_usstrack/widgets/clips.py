"""Several clips in one window: one is in view, the others are as they were left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image, Layer

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.display import DisplayClip

if TYPE_CHECKING:
    from napari import Viewer

    from napari_usstrack.widgets.workbench import Workbench


@dataclass
class Left:
    """How a clip was left: frame, camera, and which of its layers were shown."""

    frame: int
    center: tuple[float, ...]
    zoom: float
    shown: list[Layer] = field(default_factory=list)


class Clips:
    """Shows the layers of one clip and hides those of the others.

    Parameters
    ----------
    viewer : Viewer
        Where the layers are.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._left: WeakKeyDictionary[Workbench, Left] = WeakKeyDictionary()

    def leave(self, bench: Workbench | None, coming: Image | None) -> None:
        """Remember how a clip is looked at and hide it, if another one is coming."""
        if bench is None or coming is None or bench.image is coming:
            return
        camera = self._viewer.scene.camera
        self._left[bench] = Left(bench.frame, camera.center, camera.zoom)
        bench.resting = True
        self.hide(bench)

    def hide(self, bench: Workbench) -> None:
        """Hide what is shown of a clip that was left, until it comes back."""
        left = self._left.get(bench)
        if left is not None:
            shown = [one for one in bench.layers if one in self._viewer.layers and one.visible]
            left.shown += shown
            _set_visible(shown, False)

    def enter(self, bench: Workbench | None) -> None:
        """Show a clip as it was left; one that comes first fills the view."""
        if bench is None:
            return
        others = [layer for layer in self._clips() if layer is not bench.image]
        _set_visible(others, False)
        left = self._left.pop(bench, None)
        bench.resting = False
        if left is not None:
            _set_visible(left.shown, True)
            self._viewer.scene.camera.center = left.center
            self._viewer.scene.camera.zoom = left.zoom
            bench.show_frame(left.frame)
        elif others:
            bench.image.visible = True
            self._viewer.reset_view(layers=[bench.image])
        if others:
            self._viewer.layers.selection.active = bench.labels or bench.image

    def beside(self, image: Image | None, by: int) -> Image:
        """Give the clip that comes after or before one, around the end.

        Raises
        ------
        UsstrackError
            When there is no other clip.
        """
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        if len(images) < 2 or image not in images:
            raise UsstrackError("There is no other clip; open one, or drop it on the window.")
        return images[(images.index(image) + by) % len(images)]

    def _clips(self) -> list[Image]:
        return [layer for layer in self._viewer.layers if is_clip(layer)]


def is_clip(layer: Any) -> bool:
    """Whether a layer shows a clip that we opened."""
    return isinstance(layer, Image) and isinstance(layer.data, (ClipVideo, DisplayClip))


def _set_visible(layers: Sequence[Layer], visible: bool) -> None:
    for layer in layers:
        layer.visible = visible
