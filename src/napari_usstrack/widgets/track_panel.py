"""Panel: method, range and the Track, Fill and Cancel buttons."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, ProgressBar, PushButton, SpinBox
from psygnal import Signal

from napari_usstrack.core.tracker import Progress
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.propagate import METHOD
from napari_usstrack.session import JobState
from napari_usstrack.widgets.form import Fold, Form, heading, sentence
from napari_usstrack.widgets.preferences import Preferences
from napari_usstrack.widgets.rate import RateMeter
from napari_usstrack.widgets.setting_boxes import SettingBox, setting_box, setting_label

PHASES = {"cancelled": "Cancelled; nothing was changed.", "done": "Done"}


class TrackPanel(Form):
    """Asks for tracking and shows how far it has come.

    Buttons, bar and status are in `controls`, a form of its own, so that they
    can stay in sight.
    """

    tracking = Signal()
    filling = Signal()
    cancelling = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.method = ComboBox(name="method", choices=trackers.names())
        self.proposals = ComboBox(name="proposals", choices=trackers.names(), value=METHOD)
        self.proposals.tooltip = (
            "What carries points along when you step, and fills again after a correction"
        )
        self.direction = ComboBox(name="direction", choices=["both", "forward", "backward"])
        self.direction.tooltip = "Which way Track goes from the first label of each point"
        self.lines = CheckBox(text="Measure lines, smooth contours")
        self.lines.tooltip = (
            "Points of one group and of kind line or contour (All points) are held to it: lines "
            "are measured in every frame, without drift. On at first with the method hybrid"
        )
        self.first = SpinBox(name="first", max=0, tooltip="First frame to track")
        self.last = SpinBox(name="last", max=0, tooltip="Last frame to track")
        self.extend = CheckBox(text="Fill beyond the outer labels, too")
        self.extend.value = True
        self.track = PushButton(text="Track", tooltip="Follow every point from its first label")
        self.fill = PushButton(
            text="Fill", tooltip="Fill the frames between labels; labels stay where they are"
        )
        self.stop = PushButton(text="Cancel", tooltip="Stop; nothing is changed")
        self.bar = ProgressBar(value=0, max=1000)
        self.status = sentence(lines=2)
        self.settings: dict[str, SettingBox] = {}
        self._settings_form = Form()
        self._holds_lines = False
        self.controls = Form()
        self._lay_out()
        self._meter = RateMeter()
        self._preferred = Preferences()
        self.method.changed.connect(self._offer_settings)
        self.track.clicked.connect(lambda: self.tracking.emit())
        self.fill.clicked.connect(lambda: self.filling.emit())
        self.stop.clicked.connect(lambda: self.cancelling.emit())
        self._offer_settings()
        self.busy(False)

    def _lay_out(self) -> None:
        self.wide(heading("Tracking"))
        self.row("Proposals by", self.proposals)
        self.row("Method", self.method)
        self.wide(Fold("Settings of the method", self._settings_form))
        self.wide(self.lines)
        self.row("Direction", self.direction)
        self.row("From frame", self.first)
        self.row("To frame", self.last)
        self.wide(self.extend)
        self.controls.wide(self.track, self.fill, self.stop)
        self.controls.wide(self.bar)
        self.controls.wide(self.status)

    @property
    def proposing(self) -> tuple[str, dict[str, Any]]:
        """Method and settings of proposals."""
        method = str(self.proposals.value)
        return method, self._preferred.options(method)

    @property
    def options(self) -> dict[str, Any]:
        """Settings of the method."""
        told = {name: box.value for name, box in self.settings.items()}
        held = bool(self.lines.value)
        return {**told, trackers.LINES: held} if held or self._holds_lines else told

    def prefer(self, wanted: Preferences) -> None:
        """Offer the preferred method and settings."""
        self._preferred = wanted
        self.method.value = wanted.method
        self.proposals.value = wanted.proposals
        self._offer_settings()

    def offer_frames(self, count: int) -> None:
        """Offer the frames of a clip."""
        for box, value in ((self.first, 0), (self.last, count - 1)):
            box.max = max(count - 1, 0)
            box.value = max(value, 0)

    def busy(self, running: bool, *, ready: bool = False) -> None:
        """Enable what can be pressed now."""
        self.track.enabled = ready and not running
        self.fill.enabled = ready and not running
        self.stop.enabled = running

    def say(self, text: str) -> None:
        """Show one sentence below the bar."""
        self.status.setText(text)

    def report(self, state: JobState, frames: int) -> None:
        """Show what a job is doing."""
        if state.phase == "running":
            self._running(state)
            return
        self.bar.value = 1000 if state.phase == "done" else 0
        line = state.message or PHASES[state.phase]
        self.say(f"{line}: {self._meter.summary(frames)}." if state.phase == "done" else line)

    def _running(self, state: JobState) -> None:
        progress = state.progress or Progress(0, 0)
        if progress.total == 0:
            self._meter = RateMeter()
        self.bar.value = 1000 * progress.done // max(progress.total, 1)
        self.say(self._meter.line(progress))

    def _offer_settings(self) -> None:
        self.settings.clear()
        self._settings_form.clear()
        words = trackers.choices(self.method.value)
        options = self._preferred.options(self.method.value)
        self._holds_lines = trackers.LINES in options
        self.lines.value = options.pop(trackers.LINES, False)
        for name, value in options.items():
            box = setting_box(name, value, words.get(name, ()))
            self.settings[name] = box
            self._settings_form.row(setting_label(name), box)
