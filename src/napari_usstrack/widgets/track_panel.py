"""Panel: method, range and the Track, Fill and Cancel buttons."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FloatSpinBox,
    Label,
    ProgressBar,
    PushButton,
    SpinBox,
)
from psygnal import Signal

from napari_usstrack.core.tracker import Progress
from napari_usstrack.pipelines import trackers
from napari_usstrack.session import JobState
from napari_usstrack.widgets.rate import RateMeter

PHASES = {"cancelled": "Cancelled; nothing was changed.", "done": "Done"}


class TrackPanel(Container):
    """Asks for tracking and shows how far it has come."""

    tracking = Signal()
    filling = Signal()
    cancelling = Signal()

    def __init__(self) -> None:
        self.method = ComboBox(name="method", label="Method", choices=trackers.names())
        self.settings = Container(name="settings", label="Settings", labels=True)
        self.settings.margins = (0, 0, 0, 0)
        self.direction = ComboBox(
            name="direction", label="Direction", choices=["both", "forward", "backward"]
        )
        self.first = SpinBox(name="first", label="From frame", max=0)
        self.last = SpinBox(name="last", label="To frame", max=0)
        self.extend = CheckBox(
            name="extend", text="Fill reaches beyond the first and last label", value=True
        )
        self.track = _button("Track", "Follow every point from its first label")
        self.fill = _button("Fill", "Fill the frames between labels; labels stay where they are")
        self.stop = _button("Cancel", "Stop; nothing is changed")
        self.bar = ProgressBar(value=0, max=1000)
        self.status = Label(value="")
        buttons = Container(
            widgets=[self.track, self.fill, self.stop], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        super().__init__(
            widgets=[
                self.method,
                self.settings,
                self.direction,
                self.first,
                self.last,
                self.extend,
                buttons,
                self.bar,
                self.status,
            ]
        )
        self.margins = (0, 0, 0, 0)
        self.status.native.setWordWrap(True)
        self._meter = RateMeter()
        self.method.changed.connect(self._offer_settings)
        self.track.clicked.connect(lambda: self.tracking.emit())
        self.fill.clicked.connect(lambda: self.filling.emit())
        self.stop.clicked.connect(lambda: self.cancelling.emit())
        self._offer_settings()
        self.busy(False)

    @property
    def options(self) -> dict[str, Any]:
        """Settings of the method."""
        return {widget.name: widget.value for widget in self.settings}

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
        self.status.value = text

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
        for name, value in trackers.make(self.method.value).settings.items():
            label = name.removesuffix("_px").replace("_", " ").capitalize()
            label = f"{label}, px" if name.endswith("_px") or name == "window" else label
            if isinstance(value, int):
                box: Any = SpinBox(name=name, label=label, value=value, min=1, max=1001)
            else:
                box = FloatSpinBox(
                    name=name, label=label, value=value, min=0.001, max=1000.0, step=0.01
                )
            self.settings.append(box)


def _button(text: str, tooltip: str) -> PushButton:
    button = PushButton(text=text, name=text.lower())
    button.tooltip = tooltip
    return button
