"""One table of keys: it binds them and it documents them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from napari.utils.key_bindings import coerce_keybinding

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

STEP, POINTS, PROPOSALS = "Step and play", "Points", "Proposals"
CHECK, REGIONS, RUN, PROJECT = "Check", "Regions", "Run", "Project"
GROUPS = (STEP, POINTS, PROPOSALS, CHECK, REGIONS, RUN, PROJECT)
PICK = "pick_"
PICK_SHOWN = "1 … 9, 0"
ARROWS = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓"}

Actions = Mapping[str, Callable[[], object]]
Release = Callable[[], None]


@dataclass(frozen=True)
class Key:
    """A key, the action it starts, what it does in words, and its place on the sheet."""

    key: str
    action: str
    text: str
    group: str


@dataclass(frozen=True)
class Line:
    """A line of the key sheet: keys as keyboards are labelled, and what they do."""

    keys: str
    text: str


PICKS = tuple(
    Key(str(number % 10), f"{PICK}{number}", "Choose point 1 to 10", POINTS)
    for number in range(1, 11)
)
KEYS = (
    Key("Left", "step_back", "One frame back, points come along", STEP),
    Key("Right", "step_on", "One frame on, points come along", STEP),
    Key("D", "walk_back", "One frame back, but stay in a labelled one", STEP),
    Key("F", "walk_on", "One frame on, but stay in a labelled one", STEP),
    Key("Up", "jump_back", "10 frames back", STEP),
    Key("Down", "jump_on", "10 frames on", STEP),
    Key("Shift-Left", "stride_back", "A twentieth of the clip back", STEP),
    Key("Shift-Right", "stride_on", "A twentieth of the clip on", STEP),
    Key("Home", "first_frame", "First frame", STEP),
    Key("End", "last_frame", "Last frame", STEP),
    Key("J", "previous_label", "Go to the previous labelled frame", STEP),
    Key("N", "next_label", "Go to the next labelled frame", STEP),
    Key("Shift-J", "previous_own_label", "Go to the previous label of the chosen point", STEP),
    Key("Shift-N", "next_own_label", "Go to the next label of the chosen point", STEP),
    Key("K", "play", "Play or pause", STEP),
    Key("Q", "add_points", "Add points by clicking", POINTS),
    Key("T", "place_here", "Place the point where the mouse is", POINTS),
    *PICKS,
    Key(",", "previous_point", "Choose the previous point", POINTS),
    Key(".", "next_point", "Choose the next point", POINTS),
    Key("Y", "delete_label", "Forget the chosen point in this frame", POINTS),
    Key("E", "accept", "Accept the proposals of this frame", PROPOSALS),
    Key("Shift-E", "accept_up_to", "Accept all proposals up to this frame", PROPOSALS),
    Key("R", "reject", "Reject: the point is not to be seen here", PROPOSALS),
    Key("C", "check_next", "Go to the next place to check", CHECK),
    Key("Shift-C", "check_accept", "Find it right and go on", CHECK),
    Key("I", "trace_plot", "Show or hide the trace plot", CHECK),
    Key("M", "mark", "Mark this frame, or take the mark away", REGIONS),
    Key("Alt-,", "previous_marked", "Go to the previous marked frame", REGIONS),
    Key("Alt-.", "next_marked", "Go to the next marked frame", REGIONS),
    Key("[", "interval_from", "A region starts in this frame", REGIONS),
    Key("]", "interval_to", "The region ends in this frame", REGIONS),
    Key("X", "swap", "Swap what is edited and the reference", REGIONS),
    Key("W", "copy_point", "Copy the chosen point here from the reference", REGIONS),
    Key("Shift-W", "copy_frame", "Copy all points here from the reference", REGIONS),
    Key("G", "track", "Track", RUN),
    Key("H", "fill", "Fill between labels", RUN),
    Key("U", "cancel", "Cancel", RUN),
    Key("Alt-Left", "previous_clip", "Show the previous clip", PROJECT),
    Key("Alt-Right", "next_clip", "Show the next clip", PROJECT),
    Key("Control-Z", "undo", "Undo", PROJECT),
    Key("Control-Shift-Z", "redo", "Redo", PROJECT),
    Key("Control-Shift-S", "save_project", "Save project", PROJECT),
    Key("Control-Alt-E", "export_csv", "Export", PROJECT),
    Key("F1", "keys", "Show these keys", PROJECT),
)


def bind(viewer: ViewerModel, actions: Actions, *, strict: bool = False) -> Release:
    """Bind the keys of the table on a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Its own keys of the same name give way.
    actions : mapping of str to callable
        What to do, by the action names of the table.
    strict : bool
        Whether every action of the table must be given; else keys without
        one are left alone.

    Returns
    -------
    callable
        Takes our keys off again, so that napari's own work as before.

    Raises
    ------
    ValueError
        When an action is missing or is none of the table.
    """
    return _bind_all(viewer, _keys_of(actions, strict), actions)


def bind_layer(layer: Layer, actions: Actions, *, strict: bool = False) -> Release:
    """Bind on one layer those keys of the table that its class has taken.

    napari asks the active layer before the viewer, so on a Points layer "1"
    would delete what is selected, and on an Image "C" would set the contrast.
    Only this layer is changed. Parameters and returns as those of `bind`.
    """
    keymaps = [getattr(cls, "class_keymap", {}) for cls in type(layer).__mro__]
    keys = [
        key
        for key in _keys_of(actions, strict)
        if any(coerce_keybinding(key.key) in keymap for keymap in keymaps)
    ]
    return _bind_all(layer, keys, actions)


def lines(group: str) -> Iterator[Line]:
    """Lines of one group of the sheet; the ten keys that choose a point are one."""
    for key in KEYS:
        if key.group != group or (key in PICKS and key is not PICKS[0]):
            continue
        yield Line(PICK_SHOWN if key in PICKS else shown(key.key), key.text)


def table_html() -> str:
    """Draw the table for the dock, group by group."""
    rows = ""
    for group in GROUPS:
        rows += f"<tr><td colspan='2' style='padding-top:8px'><b>{group}</b></td></tr>"
        rows += "".join(
            f"<tr><td style='padding-right:12px'>{escape(line.keys)}</td>"
            f"<td>{escape(line.text)}</td></tr>"
            for line in lines(group)
        )
    return f"<table>{rows}</table>"


def shown(key: str) -> str:
    """Write a key the way keyboards are labelled."""
    *held, last = key.replace("Control", "Ctrl").split("-")
    return "+".join([*held, ARROWS.get(last, last)])


def _keys_of(actions: Actions, strict: bool) -> list[Key]:
    known = {key.action for key in KEYS}
    if strange := sorted(set(actions) - known):
        raise ValueError(f"no key for the actions {', '.join(strange)}")
    if strict and (missing := sorted(known - set(actions))):
        raise ValueError(f"no action for the keys of {', '.join(missing)}")
    return [key for key in KEYS if key.action in actions]


def _bind_all(owner: Any, keys: list[Key], actions: Actions) -> Release:
    bound = {key.key: _calling(actions[key.action]) for key in keys}
    for name, pressed in bound.items():
        owner.bind_key(name, pressed, overwrite=True)

    def release() -> None:
        for name, pressed in bound.items():
            if owner.keymap.get(coerce_keybinding(name)) is pressed:
                owner.bind_key(name, None)
        bound.clear()

    return release


def _calling(action: Callable[[], object]) -> Callable[[Any], None]:
    def pressed(_owner: Any) -> None:
        action()

    return pressed
