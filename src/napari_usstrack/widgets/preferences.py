"""What a person sets once, on the plugin's page of napari's Preferences."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from napari.settings import get_plugin_settings
from psygnal import Signal

from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.propagate import METHOD
from napari_usstrack.widgets.layers import MOST_VERTICES, TAIL

PLUGIN = "napari-usstrack"
SMALLEST_WINDOW = 7
PAGES = {
    "author": "person",
    "method": "tracking",
    "proposals": "tracking",
    "window_px": "tracking",
    "tail_frames": "display",
    "marker_percent": "display",
    "most_vertices": "display",
}


@dataclass(frozen=True)
class Preferences:
    """The settings in force; the defaults are those of the manifest.

    Attributes
    ----------
    author : str
        Signs labels in the project file.
    method : str
        Tracking method offered first.
    proposals : str
        Method that carries points along and fills after a correction.
    window_px : int
        Side of the square matched around a point; 0 leaves it to the method.
    tail_frames : int
        Past frames that a tail shows.
    marker_percent : float
        Diameter of a marker, percent of the longer side of the picture.
    most_vertices : int
        Vertices of a run drawn at a time.
    """

    author: str = ""
    method: str = trackers.DEFAULT
    proposals: str = METHOD
    window_px: int = 0
    tail_frames: int = TAIL
    marker_percent: float = 1.6
    most_vertices: int = MOST_VERTICES

    def options(self, method: str) -> dict[str, Any]:
        """Settings of a method, with the preferred window where it has one."""
        options = dict(trackers.make(method).settings)
        options.pop(trackers.FINGERPRINT, None)
        if self.window_px and "window" in options:
            options["window"] = max(self.window_px, SMALLEST_WINDOW)
        return options

    def marker_px(self, info: VideoInfo) -> float:
        """Diameter of a marker for a clip of this size, px."""
        size = self.marker_percent / 100 * max(info.width, info.height)
        return min(max(size, 3.0), 100.0)


def preferences() -> Preferences:
    """Read the preferences; defaults where napari has no page for them."""
    page = _page()
    if page is None:
        return Preferences()
    values = {
        item.name: getattr(getattr(page, PAGES[item.name]), item.name)
        for item in fields(Preferences)
    }
    return Preferences(**values)


class PreferenceWatch:
    """Emits ``changed(Preferences)`` when a person changes one, until closed."""

    changed = Signal(Preferences)

    def __init__(self) -> None:
        self.now = preferences()
        self._page = _page()
        if self._page is not None:
            self._page.events.changed.connect(self._on_changed)

    def close(self) -> None:
        """Stop listening."""
        if self._page is not None:
            self._page.events.changed.disconnect(self._on_changed)
            self._page = None

    def _on_changed(self, _event: Any) -> None:
        read = preferences()
        if read != self.now:
            self.now = read
            self.changed.emit(read)


def _page() -> Any:
    return get_plugin_settings().get(PLUGIN)
