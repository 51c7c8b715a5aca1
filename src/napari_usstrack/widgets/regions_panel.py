"""Panel: what to do in a part of the clip, marked frames, and comparing runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, PushButton, SpinBox
from numpy.typing import ArrayLike
from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QLabel

from napari_usstrack.session.review import SCOPES
from napari_usstrack.widgets.form import Form, heading, sentence

NO_INTERVAL = "No interval: drag with Shift in the trace plot, or press [ and ]."
NO_MARKS = "No marked frames: press M to mark the one in view."
LABELS_ONLY, NONE = "labels and proposals", "none"
POINTS = ("all points", "selected points")
MOST_MARKS = 8
SHORTEST_NAME = 12
ACTIONS = (
    ("fill", "Fill", "Fill the points there from the labels around; labels stay where they are"),
    (
        "track",
        "Track",
        "Follow the points from their first label there; elsewhere the run stays as it is",
    ),
    ("copy", "Copy from reference", "Make the reference's positions labels there; undoable"),
    ("clear", "Clear labels", "Forget the labels there; undoable"),
    (
        "keep_complete",
        "Keep complete frames",
        "Clear the labels of frames in which a point lacks one; undoable",
    ),
    (
        "decimate",
        "Keep every",
        "Keep the labels of the first and every n-th complete frame, clear the rest; undoable",
    ),
)


class RegionsPanel(Form):
    """Asks for edits of regions; every press is told by a signal.

    Signals carry runs by name, and labels alone or no reference as "".
    """

    asked = Signal(str)
    interval_set = Signal(str)
    marking = Signal()
    swapping = Signal()
    removing = Signal()
    current_changed = Signal(str)
    reference_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.interval = sentence(NO_INTERVAL, lines=2)
        self.begin = PushButton(text="From here", tooltip="The interval begins in this frame ([)")
        self.end = PushButton(text="To here", tooltip="The interval ends in this frame (])")
        self.none = PushButton(text="Clear interval", tooltip="No interval; labels stay")
        self.marks = sentence(NO_MARKS, lines=2)
        self.mark = PushButton(text="Mark this frame")
        self.mark.tooltip = "Mark it as one of interest, or take its mark away (M)"
        self.scope = ComboBox(choices=list(SCOPES), value="interval")
        self.scope.tooltip = "The frames that the buttons below are about"
        self.points = ComboBox(choices=list(POINTS))
        self.points.tooltip = "The points that the buttons below are about"
        self.buttons = {name: PushButton(text=text, tooltip=tip) for name, text, tip in ACTIONS}
        self.every = SpinBox(value=2, min=1, max=1000, tooltip="n of 'Keep every n-th frame'")
        self.replace = CheckBox(text="Copy over labels that are there")
        self.replace.tooltip = "Without it 'Copy from reference' keeps what a person set"
        self.current = ComboBox(choices=[LABELS_ONLY])
        self.current.tooltip = "What is shown under labels and proposals, and edited"
        self.reference = ComboBox(choices=[NONE])
        self.reference.tooltip = "The run to compare with, shown translucent"
        self.swap = PushButton(text="Swap", tooltip="Edit the reference, compare with this (X)")
        self.remove = PushButton(text="Remove run")
        self.remove.tooltip = "Take away the run that is edited; labels stay; undoable"
        self.merge = PushButton(text="Merge run into labels…")
        self.merge.tooltip = "See first what a run would change in the labels; undoable"
        self._has_clip = self._has_points = True
        self._filled_scopes = set(SCOPES[2:])
        self._lay_out()
        self._connect()
        self.tell(None, (), None)
        self.offer_layers((), "", "")

    def enable(self, has_clip: bool, has_points: bool) -> None:
        """Enable what can be used now."""
        self._has_clip, self._has_points = has_clip, has_points
        self._refresh()

    def tell(
        self, interval: range | None, marked: Sequence[int], times_s: ArrayLike | None
    ) -> None:
        """Show interval and marked frames, with times in s where known."""
        self.interval.setText(_told(interval, times_s) if interval else NO_INTERVAL)
        self.marks.setText(_listed(marked) if marked else NO_MARKS)
        self.marks.setToolTip(", ".join(map(str, marked)) if len(marked) > MOST_MARKS else "")
        self._filled_scopes = set(SCOPES[2:])
        if interval:
            self._filled_scopes.add("interval")
        if marked:
            self._filled_scopes.add("marked frames")
        self._refresh()

    def offer_layers(self, names: Sequence[str], current: str, reference: str) -> None:
        """Offer the runs there are; "" chooses labels alone, and no reference."""
        for box, first, value in (
            (self.current, LABELS_ONLY, current),
            (self.reference, NONE, reference),
        ):
            with box.changed.blocked():
                box.choices = [first, *names]
                box.value = value if value in names else first
        self._refresh()

    def _refresh(self) -> None:
        clip, runs = self._has_clip, len(self.current.choices) > 1
        for widget in (self.begin, self.end, self.mark, self.scope, self.points, self.every):
            widget.enabled = clip
        self.none.enabled = clip and "interval" in self._filled_scopes
        compared = self.reference.value not in (None, NONE)
        somewhere = clip and self._has_points and self.scope.value in self._filled_scopes
        for name, button in self.buttons.items():
            button.enabled = somewhere and (name != "copy" or compared)
        self.current.enabled = self.reference.enabled = self.merge.enabled = clip and runs
        self.replace.enabled = clip and compared
        self.remove.enabled = clip and self.current.value != LABELS_ONLY
        self.swap.enabled = clip and (compared or self.current.value != LABELS_ONLY)

    def _lay_out(self) -> None:
        buttons = self.buttons
        for box in (self.current, self.reference):
            _let_shrink(box.native)
        self.wide(self.interval)
        self.wide(self.begin, self.end, self.none)
        self.wide(self.marks)
        self.wide(self.mark)
        self.row("Frames", self.scope)
        self.row("Points", self.points)
        self.wide(buttons["fill"], buttons["track"], buttons["clear"])
        self.wide(buttons["copy"], buttons["keep_complete"])
        self.wide(buttons["decimate"], self.every, QLabel("-th frame"))
        self.wide(heading("Compare"))
        self.row("Current", self.current)
        self.row("Reference", self.reference)
        self.wide(self.replace)
        self.wide(self.swap, self.remove, self.merge)

    def _connect(self) -> None:
        for button, what in ((self.begin, "from"), (self.end, "to"), (self.none, "clear")):
            button.clicked.connect(lambda _=None, what=what: self.interval_set.emit(what))
        for name, button in (*self.buttons.items(), ("merge", self.merge)):
            button.clicked.connect(lambda _=None, name=name: self.asked.emit(name))
        self.mark.clicked.connect(lambda: self.marking.emit())
        self.swap.clicked.connect(lambda: self.swapping.emit())
        self.remove.clicked.connect(lambda: self.removing.emit())
        self.scope.changed.connect(self._refresh)
        for box, signal in (
            (self.current, self.current_changed),
            (self.reference, self.reference_changed),
        ):
            box.changed.connect(self._refresh)
            box.changed.connect(lambda choice, signal=signal: signal.emit(_plain(choice)))


def _let_shrink(box: QComboBox) -> None:
    """Let long names be cut with dots rather than widen the panel; tell them in full."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(SHORTEST_NAME)


def _plain(choice: object) -> str:
    return "" if choice in (None, LABELS_ONLY, NONE) else str(choice)


def _told(interval: range, times_s: ArrayLike | None) -> str:
    first, last = interval[0], interval[-1]
    frames = f"Frame {first}" if first == last else f"Frames {first} to {last}"
    if times_s is None:
        return f"{frames}."
    times = np.asarray(times_s)
    if first == last:
        return f"{frames} ({times[first]:.2f} s)."
    return f"{frames} ({times[first]:.2f} to {times[last]:.2f} s)."


def _listed(marked: Sequence[int]) -> str:
    count = f"{len(marked)} marked frame{'' if len(marked) == 1 else 's'}"
    listed = ", ".join(map(str, marked[:MOST_MARKS]))
    left = len(marked) - MOST_MARKS
    return f"{count}: {listed}{f' and {left} more' if left > 0 else ''}."
