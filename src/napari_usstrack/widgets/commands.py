"""Menu entries: each opens the dock, or finds it, and presses one of its buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari import current_viewer
from napari.utils.notifications import show_error

from napari_usstrack.core.errors import UsstrackError

if TYPE_CHECKING:
    from napari_usstrack.widgets.main import UsstrackDock

PLUGIN, DOCK = "napari-usstrack", "USSTrack"


def show() -> None:
    """Show the dock."""
    _press(lambda _: None)


def add_points() -> None:
    """Start placing points by clicks."""
    _press(lambda dock: dock.add_points())


def track() -> None:
    """Track every point from its first label."""
    _press(lambda dock: dock.track())


def fill() -> None:
    """Track between labels."""
    _press(lambda dock: dock.fill())


def smooth() -> None:
    """Open the smoothing panel."""
    _press(lambda dock: dock.open_smoothing())


def export_csv() -> None:
    """Ask for a file and write the tracks as CSV."""
    _press(lambda dock: dock.export_csv())


def save_project() -> None:
    """Save labels and runs beside the clip."""
    _press(lambda dock: dock.save_project())


def _press(action: Callable[[UsstrackDock], object]) -> None:
    viewer = current_viewer()
    if viewer is None:
        raise UsstrackError("There is no napari window; open one first.")
    frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    frame.show()
    frame.raise_()
    try:
        action(dock)
    except UsstrackError as error:
        show_error(str(error))
