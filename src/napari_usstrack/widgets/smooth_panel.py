"""Panel: a smoothing method with its settings, a preview, and Apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, PushButton
from psygnal import Signal
from qtpy.QtWidgets import QComboBox

from napari_usstrack.pipelines import smoothers
from napari_usstrack.widgets.form import Fold, Form, bring_into_view, sentence
from napari_usstrack.widgets.setting_boxes import SettingBox, setting_box, setting_label

NOTHING_YET = (
    "There is no run to smooth yet. Press Track or Fill; what comes out can be smoothed here, and "
    "stays beside the result."
)
POINTS = ("all points", "chosen points")
FIRST_SETTINGS = 4
"""As many are in sight; the rest is folded away."""
SHORTEST_NAME = 12
TIPS = {
    "window_s": "Longer smooths more, and rounds off fast motion",
    "cutoff_hz": "Motion faster than this is taken out",
    "order": "Higher follows fast motion more closely, and noise too",
    "k": "How far off, in robust standard deviations, a position is replaced",
    "ends": "unsmoothed: smoothing fades towards both ends; padded: ends are smoothed as well",
    "mode": "exact: every path on its own; fast: nearly the same, in less time",
    "keep_anchors": "Positions set by hand stay exactly; the curve may bend there",
    "anchors": "exact: positions set by hand stay; soft: they have an error of their own",
    "anchor_px": "Error of positions set by hand, per axis; counts where anchors are soft",
    "place_px": "Error of network positions, per axis, to begin with",
    "flow_places": "Count positions found by flow as measured places, too; not for chained flow",
}


class SmoothPanel(Form):
    """Asks for smoothing; every change that a preview depends on is told by a signal."""

    applying = Signal()
    changed = Signal()
    previewing = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.source = ComboBox(choices=[], tooltip="The run to smooth; it stays as it is")
        self.method = ComboBox(choices=smoothers.names(), value=smoothers.DEFAULT)
        self.summary = sentence(lines=2)
        self.settings: dict[str, SettingBox] = {}
        self.points = ComboBox(choices=list(POINTS))
        self.points.tooltip = "With chosen points, others stay as they were smoothed before"
        self.preview = CheckBox(text="Preview the chosen point in Traces")
        self.preview.tooltip = "The thin line over the bold one is how the point would come out"
        self.note = sentence(lines=3)
        self.apply = PushButton(text="Smooth", tooltip="Make a smoothed run beside this; undoable")
        self.nothing = sentence(NOTHING_YET, lines=4)
        self._running = False
        self._body, self._settings_form, self._more_form = Form(), Form(), Form()
        self._more = Fold("Further settings", self._more_form)
        self._lay_out()
        self.method.changed.connect(self._offer_settings)
        for box in (self.source, self.method):
            box.changed.connect(lambda _: self.changed.emit())
        self.preview.changed.connect(lambda on: self.previewing.emit(on))
        self.apply.clicked.connect(lambda: self.applying.emit())
        self._offer_settings()
        self.offer((), "")

    @property
    def options(self) -> dict[str, Any]:
        """Settings of the method."""
        return {name: box.value for name, box in self.settings.items()}

    @property
    def run(self) -> str:
        """Name of the run to smooth; empty where there is none."""
        return str(self.source.value or "")

    def offer(self, runs: Sequence[str], preferred: str) -> None:
        """Offer runs; without any, say what to do first."""
        before = self.run
        with self.source.changed.blocked():
            self.source.choices = list(runs)
            chosen = before if before in runs else preferred
            if chosen in runs:
                self.source.value = chosen
        self._body.setVisible(bool(runs))
        self.nothing.setVisible(not runs)
        self._refresh()
        if self.run != before:
            self.changed.emit()

    def busy(self, running: bool) -> None:
        """Enable what can be pressed now."""
        self._running = running
        self._refresh()

    def say(self, text: str) -> None:
        """Show a sentence or two above the button."""
        self.note.setText(text)

    def keep_in_view(self) -> None:
        """Scroll back to the preview and the button after the dock became lower."""
        bring_into_view(self.apply.native)
        bring_into_view(self.preview.native)

    def _refresh(self) -> None:
        self.apply.enabled = bool(self.run) and not self._running

    def _lay_out(self) -> None:
        body, native = self._body, self.source.native
        native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        native.setMinimumContentsLength(SHORTEST_NAME)
        body.row("Run", self.source)
        body.row("Method", self.method)
        body.wide(self.summary)
        body.wide(self._settings_form)
        body.wide(self._more)
        body.row("Points", self.points)
        body.wide(self.preview)
        body.wide(self.note)
        body.wide(self.apply)
        self.wide(self.nothing)
        self.wide(body)

    def _offer_settings(self) -> None:
        method = str(self.method.value)
        smoother, words = smoothers.make(method), smoothers.choices(method)
        self.summary.setText(smoother.SUMMARY)
        self.settings.clear()
        self._settings_form.clear()
        self._more_form.clear()
        values = dict(smoother.settings)
        for place, (name, value) in enumerate(_ordered(values).items()):
            box = setting_box(name, value, words.get(name, ()))
            box.tooltip = TIPS.get(name, "")
            box.changed.connect(lambda _: self.changed.emit())
            self.settings[name] = box
            form = self._settings_form if place < FIRST_SETTINGS else self._more_form
            form.row(setting_label(name), box)
        self._more.setVisible(len(values) > FIRST_SETTINGS)


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    """The settings with explanations first, as those are wanted most."""
    return {name: values[name] for name in (*TIPS, *values) if name in values}
