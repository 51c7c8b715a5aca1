"""One table of keys: it binds them and it documents them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class Key:
    """A key, the action it starts, and what it does in words."""

    key: str
    action: str
    text: str


KEYS = (
    Key("Control-Z", "undo", "Undo"),
    Key("Control-Shift-Z", "redo", "Redo"),
    Key("Q", "add_points", "Add points by clicking"),
    Key("G", "track", "Track"),
    Key("H", "fill", "Fill between labels"),
    Key("U", "cancel", "Cancel"),
    Key("K", "play", "Play or pause"),
    Key("N", "next_label", "Go to the next labelled frame"),
    Key("J", "previous_label", "Go to the previous labelled frame"),
    Key(".", "next_point", "Next click places the next point"),
    Key(",", "previous_point", "Next click places the previous point"),
    Key("Control-Alt-S", "save_project", "Save project"),
    Key("Control-Alt-E", "export_csv", "Export CSV"),
)


def bind(viewer: ViewerModel, actions: Mapping[str, Callable[[], object]]) -> None:
    """Bind every key of the table on a viewer."""
    for key in KEYS:
        viewer.bind_key(key.key, _calling(actions[key.action]), overwrite=True)


def table_html() -> str:
    """Draw the table for the dock."""
    rows = "".join(
        f"<tr><td style='padding-right:12px'><b>{shown(key.key)}</b></td><td>{key.text}</td></tr>"
        for key in KEYS
    )
    return f"<table>{rows}</table>"


def shown(key: str) -> str:
    """Write a key the way keyboards are labelled."""
    return key.replace("Control", "Ctrl").replace("-", "+")


def _calling(action: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(_viewer: Any) -> None:
        action()

    return pressed
