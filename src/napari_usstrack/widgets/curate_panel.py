"""Panel: how labels are made while stepping through the clip."""

from __future__ import annotations

import re

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, LineEdit, PushButton
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QProgressBar

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.session.placing import MODES
from napari_usstrack.widgets.form import Form, heading, sentence

MODE_TIPS = {
    "quick": "a click moves or places the chosen point",
    "sequential": "after each click the next point that is missing in this frame is chosen",
    "loop": "after each click the clip goes one frame on, same point",
}
NO_CLIP = "No clip yet: drop an ultrasound video on the window."
NO_POINTS = "No points yet: press Add points, click on the tissue, then step: they come along."
WORKING = "Filling… {} %"
BAR_HEIGHT = 8
SLACK_S = 0.005
"""Times are shown to a hundredth of a second, so one just past an end is meant to be there."""


class CuratePanel(Form):
    """Way of placing, stepping, accepting, and how far the work has come."""

    stepped = Signal(int)
    accepted = Signal()
    accepted_up_to = Signal()
    rejected = Signal()
    mode_changed = Signal(str)
    placing_changed = Signal(bool)
    carrying_changed = Signal(bool)
    going = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.mode = ComboBox(name="mode", choices=list(MODES), value="quick")
        self.mode.tooltip = "\n".join(f"{mode}: {tip}" for mode, tip in MODE_TIPS.items())
        self.placing = CheckBox(text="Click places the point")
        self.placing.tooltip = "A drag on a marker always moves it; any other drag pans (Q)"
        self.carrying = CheckBox(text="Carry points along when stepping", value=True)
        self.carrying.tooltip = "Steps of one frame do; jumping, scrubbing and playing never do"
        self.back = PushButton(text="◀ Step", tooltip="One frame back (Left)")
        self.on = PushButton(text="Step ▶", tooltip="One frame on (Right)")
        self.accept = PushButton(text="Accept frame")
        self.accept.tooltip = "Make what is proposed in this frame labels; undoable (E)"
        self.accept_all = PushButton(text="Accept up to here")
        self.accept_all.tooltip = (
            "Make all that is proposed up to this frame labels; undoable (Shift+E)"
        )
        self.reject = PushButton(text="Reject")
        self.reject.tooltip = (
            "The chosen point is not to be seen here and is followed no further; undoable (R)"
        )
        self.go_to = LineEdit(name="go_to")
        self.go_to.tooltip = "A frame, as in 120, or a time, as in 1.25 s or 1:02.5; then Enter"
        self.status = sentence(lines=2)
        self.bar = QProgressBar()
        self.busy = QLabel()
        self._counts = (0, 0, 0, 0)
        self._style()
        self._lay_out()
        self._connect()
        self.enable(False, False, False)

    @property
    def mode_name(self) -> str:
        """What happens after a click: "quick", "sequential" or "loop"."""
        return str(self.mode.value)

    def enable(self, has_clip: bool, has_points: bool, has_proposals: bool) -> None:
        """Enable what can be used now, and say what to do first where nothing can."""
        for widget in (self.mode, self.placing, self.carrying, self.back, self.on, self.go_to):
            widget.enabled = has_clip
        self.accept.enabled = self.accept_all.enabled = has_clip and has_proposals
        self.reject.enabled = has_clip and has_points
        if has_points:
            self._say_counts()
        else:
            self.status.setText(NO_POINTS if has_clip else NO_CLIP)
            self.bar.setValue(0)

    def tell(self, labelled: int, proposed: int, flagged: int, frames: int) -> None:
        """Show how far the work has come, in frames; flagged are places to check."""
        self._counts = (labelled, proposed, flagged, frames)
        self._say_counts()

    def working(self, done: int, total: int) -> None:
        """Show that frames are filled in the background; nothing once all are."""
        self.busy.setText(WORKING.format(100 * done // total) if done < total else "")

    def went(self) -> None:
        """Empty "Go to" and give the keys back to the clip."""
        self.go_to.value = ""
        self.go_to.native.clearFocus()

    def _say_counts(self) -> None:
        labelled, proposed, flagged, frames = self._counts
        self.bar.setValue(1000 * min(labelled + proposed, frames) // max(frames, 1))
        told = f"Labelled {labelled} of {frames} frames, {proposed} proposed, {flagged} to check."
        self.status.setText(told if frames else NO_CLIP)

    def _style(self) -> None:
        for row, mode in enumerate(MODES):
            self.mode.native.setItemData(row, MODE_TIPS[mode], Qt.ItemDataRole.ToolTipRole)
        self.go_to.native.setPlaceholderText("120, 1.25 s or 1:02.5")
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(BAR_HEIGHT)
        self.bar.setToolTip("Part of the frames that are labelled or proposed")
        self.busy.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        widest = self.busy.fontMetrics().horizontalAdvance(WORKING.format(100))
        self.busy.setFixedWidth(widest + 8)

    def _lay_out(self) -> None:
        self.wide(heading("Stepping"))
        self.row("Clicks", self.mode)
        self.wide(self.placing)
        self.wide(self.carrying)
        self.wide(self.back, self.on)
        self.wide(self.accept, self.accept_all, self.reject)
        self.row("Go to", self.go_to)
        self.wide(self.status)
        self.wide(self.bar, self.busy)

    def _connect(self) -> None:
        self.back.clicked.connect(lambda: self.stepped.emit(-1))
        self.on.clicked.connect(lambda: self.stepped.emit(1))
        self.accept.clicked.connect(lambda: self.accepted.emit())
        self.accept_all.clicked.connect(lambda: self.accepted_up_to.emit())
        self.reject.clicked.connect(lambda: self.rejected.emit())
        self.mode.changed.connect(lambda mode: self.mode_changed.emit(mode))
        self.placing.changed.connect(lambda on: self.placing_changed.emit(on))
        self.carrying.changed.connect(lambda on: self.carrying_changed.emit(on))
        self.go_to.native.returnPressed.connect(self._go)

    def _go(self) -> None:
        text = self.go_to.value.strip()
        self.go_to.native.selectAll()
        if text:
            self.going.emit(text)


def frame_of(text: str, times_s: ArrayLike | None, frame_count: int) -> int:
    """Frame that a typed frame number or time means.

    Parameters
    ----------
    text : str
        A frame, ``120``, or a time, ``1.25 s``, ``1:02.5`` (minutes and seconds).
    times_s : array_like, shape (frame_count,), or None
        True time of every frame, s; the nearest counts. None while unknown.
    frame_count : int
        Frames of the clip.

    Raises
    ------
    UsstrackError
        When it is neither, lies outside the clip, or is a time while times
        are unknown.
    """
    text = text.strip()
    if re.fullmatch(r"-?\d+", text, re.ASCII):
        if not 0 <= int(text) < frame_count:
            raise UsstrackError(
                f"Frame {text} is outside the clip; type a frame from 0 to {frame_count - 1}."
            )
        return int(text)
    wanted = _seconds(text)
    if times_s is None:
        raise UsstrackError(
            "The frame rate of this clip is not known; type a frame number, as in 120, "
            "or set the frame rate."
        )
    return _nearest(wanted, np.asarray(times_s, dtype=np.float64))


def frame_and_time(frame: int, times_s: ArrayLike | None) -> str:
    """Write a frame with its time in s, where that is known."""
    if times_s is None:
        return str(frame)
    return f"{frame} ({np.asarray(times_s)[frame]:.2f} s)"


def _seconds(text: str) -> float:
    plain = r"(\d+(?:[.,]\d*)?|[.,]\d+)"
    found = re.fullmatch(rf"(?:(\d+):)?{plain}\s*(s|sec)?", text, re.ASCII | re.IGNORECASE)
    if found is None or (found[1] is None and found[3] is None):
        raise UsstrackError(
            f"'{text}' is no frame and no time; type a frame, as in 120, "
            "or a time, as in 1.25 s or 1:02.5."
        )
    return 60.0 * float(found[1] or 0) + float(found[2].replace(",", "."))


def _nearest(wanted: float, times: NDArray[np.float64]) -> int:
    between = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    slack = max(between / 2, SLACK_S)
    if not times[0] - slack <= wanted <= times[-1] + slack:
        raise UsstrackError(
            f"{wanted:g} s is outside the clip; type a time from "
            f"{times[0]:.2f} s to {times[-1]:.2f} s."
        )
    return int(np.abs(times - wanted).argmin())
