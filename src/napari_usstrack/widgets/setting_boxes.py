"""A widget and a label for each setting of a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox

SettingBox: TypeAlias = CheckBox | ComboBox | FloatSpinBox | LineEdit | SpinBox
TIPS = {"weights": "File with weights of a network; the shipped ones when empty"}
UNITS = {"px": "px", "mm": "mm", "s": "s", "hz": "Hz"}


def setting_box(name: str, value: Any, words: Sequence[str] = ()) -> SettingBox:
    """Make the widget of a setting, from its value; `words` are all that a text may be, if told."""
    if isinstance(value, bool):
        return CheckBox(name=name, value=value, text="on")
    if isinstance(value, int):
        return SpinBox(name=name, value=value, min=0, max=1001)
    if isinstance(value, float):
        return FloatSpinBox(name=name, value=value, min=0.0, max=1000.0, step=0.01)
    if words:
        return ComboBox(name=name, choices=words, value=value)
    return LineEdit(name=name, value=value, tooltip=TIPS.get(name, ""))


def setting_label(name: str) -> str:
    """Name a setting with its unit."""
    for ending, unit in UNITS.items():
        if name.endswith(f"_{ending}"):
            return f"{_words(name.removesuffix(f'_{ending}'))}, {unit}"
    return f"{_words(name)}, px" if name == "window" else _words(name)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("ncc", "NCC")
