"""Panel: how the clip is looked at; nothing here reaches the tracker."""

from __future__ import annotations

from dataclasses import replace

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, PushButton
from psygnal import Signal

from napari_usstrack.widgets.form import Form
from napari_usstrack.widgets.view import View

SPEEDS = {"real time": 1.0, "1/2": 0.5, "1/4": 0.25, "1/10": 0.1, "2 x": 2.0}


class ViewPanel(Form):
    """Crop to the image panel, mirror, contrast, auto contrast and play."""

    looked = Signal(object)
    panel_wanted = Signal()
    auto_contrast = Signal()
    plain_contrast = Signal()
    play_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.crop = PushButton(
            text="Crop to the image", tooltip="Show only the part in which the picture changes"
        )
        self.whole = PushButton(text="Whole frame", tooltip="Show the whole frame again")
        self.mirrored = CheckBox(text="Mirror left and right")
        self.contrast = FloatSlider(
            min=0.0, max=4.0, step=0.5, tooltip="Local contrast of the display (CLAHE), 0 for none"
        )
        self.auto = PushButton(
            text="Auto contrast", tooltip="Spread the grey levels of this frame over the display"
        )
        self.plain = PushButton(
            text="Plain", tooltip="Show the grey levels as they are; napari has a slider for gamma"
        )
        self.play = PushButton(text="Play", tooltip="Play by the true time stamps (K)")
        self.speed = ComboBox(choices=list(SPEEDS), value="real time", tooltip="Speed of Play")
        self._view = View()
        self.wide(self.play, self.speed)
        self.wide(self.crop, self.whole)
        self.wide(self.mirrored)
        self.row("Contrast", self.contrast)
        self.wide(self.auto, self.plain)
        self.crop.clicked.connect(lambda: self.panel_wanted.emit())
        self.whole.clicked.connect(lambda: self._change(crop=None))
        self.mirrored.changed.connect(lambda on: self._change(mirrored=on))
        self.contrast.changed.connect(lambda value: self._change(contrast=value))
        self.auto.clicked.connect(lambda: self.auto_contrast.emit())
        self.plain.clicked.connect(lambda: self.plain_contrast.emit())
        self.play.clicked.connect(lambda: self.play_pressed.emit())

    @property
    def speed_factor(self) -> float:
        """How many times real time Play runs."""
        return SPEEDS[self.speed.value]

    def offer(self, view: View, changeable: bool) -> None:
        """Show the view in force."""
        self._view = view
        with self.mirrored.changed.blocked(), self.contrast.changed.blocked():
            self.mirrored.value = view.mirrored
            self.contrast.value = view.contrast
        for widget in (self.crop, self.mirrored, self.contrast):
            widget.enabled = changeable
        self.whole.enabled = changeable and view.crop is not None

    def playing(self, on: bool) -> None:
        """Show whether the clip is being played."""
        self.play.text = "Pause" if on else "Play"

    def _change(self, **changes: object) -> None:
        self.looked.emit(replace(self._view, **changes))  # type: ignore[arg-type]
