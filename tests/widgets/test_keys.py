"""The table of keys, what it binds, and its sheet."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.components import ViewerModel
from napari.layers import Image, Points
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_usstrack.widgets.keybindings import (
    GROUPS,
    KEYS,
    PICK_SHOWN,
    bind,
    bind_layer,
    lines,
    shown,
    table_html,
)

VIEWER_KEYS = ("napari:toggle", "napari:reset", "napari:increment", "napari:focus", "napari:hold")
# Keys of napari that ours stand in for, and why that is no loss.
REPLACED = {
    "Left": "steps as before, and carries points along",
    "Right": "steps as before, and carries points along",
    "1": "Delete and Backspace still delete points",
    "2": "P still adds points",
    "3": "S still selects points",
    "4": "Z still moves the camera",
    "5": "the transform mode stays a button",
}
ESSENTIAL = {"A", "P", "S", "Z", "Delete", "Backspace", "Space", "V", "Ctrl+C", "Ctrl+V", "Ctrl+A"}
# Menu entries of napari: these never reach the keymaps of viewer or layer.
MENU = {"Ctrl+S", "Ctrl+Alt+S", "Alt+S", "Shift+Alt+S", "Alt+C", "Ctrl+O", "Ctrl+W", "Ctrl+Q"}


def canonical(key: str) -> str:
    return str(coerce_keybinding(key))


def defaults(*starts: str) -> set[str]:
    return {str(k) for n, keys in default_shortcuts.items() if n.startswith(starts) for k in keys}


def all_actions(log: list[str]) -> dict:
    return {key.action: lambda name=key.action: log.append(name) for key in KEYS}


def test_no_key_and_no_action_twice() -> None:
    for values in ([canonical(key.key) for key in KEYS], [key.action for key in KEYS]):
        assert [value for value, count in Counter(values).items() if count > 1] == []


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.action)
def test_every_key_can_be_parsed_and_has_a_group(key) -> None:
    parsed = coerce_keybinding(key.key)
    assert KeyBinding.from_str(str(parsed)) == parsed
    assert len(parsed.parts) == 1
    assert key.group in GROUPS
    assert key.text


def test_what_napari_needs_stays_with_napari() -> None:
    ours = {canonical(key.key) for key in KEYS}
    assert not ours & ESSENTIAL
    assert not ours & MENU
    points = {"napari:select_all_", "napari:select_append", "napari:delete_selected_points"}
    taken = defaults(*VIEWER_KEYS, *points, "napari:activate_points")
    assert taken
    assert ours & taken == set(REPLACED)


def test_the_viewer_answers_every_key() -> None:
    viewer, log = ViewerModel(), []
    bind(viewer, all_actions(log), strict=True)
    for key in KEYS:
        viewer.keymap[coerce_keybinding(key.key)](viewer)
    assert log == [key.action for key in KEYS]


def test_a_missing_or_strange_action_is_told_at_once() -> None:
    viewer = ViewerModel()
    with pytest.raises(ValueError, match=r"no action for the keys of accept, .*undo"):
        bind(viewer, {"track": print}, strict=True)
    with pytest.raises(ValueError, match="no key for the actions trakc"):
        bind(viewer, {"trakc": print})
    assert not viewer.keymap


def test_without_strict_only_given_actions_are_bound() -> None:
    viewer = ViewerModel()
    bind(viewer, {"track": print})
    assert [str(key) for key in viewer.keymap] == ["G"]


def test_released_keys_are_free_again_but_others_stay() -> None:
    viewer, log = ViewerModel(), []
    release = bind(viewer, all_actions(log))
    viewer.bind_key("G", lambda _: log.append("theirs"), overwrite=True)
    release()
    release()
    assert [str(key) for key in viewer.keymap] == ["G"]


@pytest.fixture
def class_keys(monkeypatch):
    """Keys on the layer classes, as a napari window puts them there."""

    def put(cls, *keys: str) -> None:
        keymap = {**cls.class_keymap, **{coerce_keybinding(key): print for key in keys}}
        monkeypatch.setattr(cls, "class_keymap", keymap)

    put(Points, *"12345APSZ", "Delete")
    put(Image, *"12CXYZO")


def test_a_layer_gives_up_only_what_its_class_took(class_keys) -> None:
    log: list[str] = []
    points, other = Points(np.zeros((1, 3))), Points(np.zeros((1, 3)))
    release = bind_layer(points, all_actions(log), strict=True)
    assert {str(key) for key in points.keymap} == set("12345")
    assert not other.keymap
    points.keymap[coerce_keybinding("2")](points)
    assert log == ["pick_2"]
    release()
    assert not points.keymap
    image = Image(np.zeros((2, 4, 4)))
    bind_layer(image, all_actions(log))
    assert {str(key) for key in image.keymap} == set("12CXY")


@pytest.mark.window
def test_keys_win_in_a_real_window(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    layer = viewer.add_points(np.zeros((1, 3)))
    bind_layer(layer, all_actions([]))
    assert {str(key) for key in layer.keymap} == set("12345")


def test_table_names_every_line_once() -> None:
    text = table_html()
    told = [line for group in GROUPS for line in lines(group)]
    assert len(told) == len(KEYS) - 9
    assert [line.keys for line in told].count(PICK_SHOWN) == 1
    assert all(f">{line.keys}<" in text and line.text in text for line in told)
    assert all(f"<b>{group}</b>" in text for group in GROUPS)


def test_keys_are_written_as_on_keyboards() -> None:
    assert shown("Control-Shift-Z") == "Ctrl+Shift+Z"
    assert shown("Alt-,") == "Alt+,"
    assert (shown("Left"), shown("Shift-Left")) == ("←", "Shift+←")


def test_the_readme_names_every_key_and_no_other(root) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    table = text.split("| key | does |\n|---|---|\n")[1].split("\n\n")[0]
    told = [row.split("|")[1].replace(" and ", ", ") for row in table.splitlines()]
    words = {"comma": ",", "full stop": "."}
    named: list[str] = []
    for key in ", ".join(told).replace("1 to 9", ", ".join("123456789")).split(","):
        *held, last = key.strip().split("+")
        named.append("+".join([*held, words.get(last, last)]))
    assert len(set(named)) == len(named)
    assert {canonical(key) for key in named} == {canonical(key.key) for key in KEYS}


@pytest.fixture
def sheet(qtbot):
    from napari_usstrack.widgets.key_sheet import KeySheet

    sheet = KeySheet()
    qtbot.addWidget(sheet)
    return sheet


def visible(sheet) -> list[str]:
    rows = [row for group in sheet.groups for row in group.rows]
    return [row.line.text for row in rows if row.widgets[0].isVisibleTo(sheet)]


def test_sheet_shows_the_table_and_leaves_the_window_usable(sheet) -> None:
    assert not sheet.isModal()
    assert visible(sheet) == [line.text for group in GROUPS for line in lines(group)]
    assert sheet.width() < 1280
    assert sheet.height() < 800


def test_sheet_finds_keys_words_and_groups(sheet) -> None:
    sheet.search.setText("accept")
    assert visible(sheet) == [
        "Accept the proposals of this frame",
        "Accept all proposals up to this frame",
    ]
    sheet.search.setText("ctrl+z")
    assert visible(sheet) == ["Undo"]
    sheet.search.setText("project ")
    assert set(visible(sheet)) >= {"Undo", "Redo", "Save project"}
    sheet.search.setText("espresso")
    assert visible(sheet) == []
    assert sheet.nothing.isVisibleTo(sheet)


def test_sheet_opens_whole_and_closes_again(sheet, qtbot) -> None:
    sheet.search.setText("undo")
    sheet.toggle()
    assert sheet.isVisible()
    assert len(visible(sheet)) == len(KEYS) - 9
    sheet.toggle()
    assert not sheet.isVisible()
