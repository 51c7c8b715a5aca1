"""What stands around the trace plots: the row of tools, the list of points, a steady beat."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence

from psygnal import Signal
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_usstrack.core.tracks import PointInfo
from napari_usstrack.widgets.trace_data import QUANTITIES

BEAT_S = 1 / 30
FIRST_SHOWN = ("x", "y")
SECONDS, FRAMES = "time in s", "time in frames"
LEGEND_WIDTH = 112
TIPS = {
    "x": "Position across the picture, growing to the right",
    "y": "Position down the picture; the axis points down as the picture does",
    "speed": "Length of the displacement over the true time it took",
    "confidence": "How sure the method is, 0 to 1",
}


class Beat(QObject):
    """Runs a function soon after it was asked for, at most 30 times a second."""

    def __init__(self, run: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._run = run
        self._last = -math.inf
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._due)

    def ask(self) -> None:
        """Run soon; many requests before then count as one."""
        if not self.timer.isActive():
            wait = max(self._last + BEAT_S - time.monotonic(), 0.0)
            self.timer.start(math.ceil(1000 * wait))

    def stop(self) -> None:
        """Forget the request."""
        self.timer.stop()

    def _due(self) -> None:
        self._last = time.monotonic()
        self._run()


class TraceTools(QWidget):
    """Quantities, unit of time, buttons and the read-out."""

    changed = Signal()
    whole_clip = Signal()
    clear_interval = Signal()
    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.boxes = {name: QCheckBox(name) for name in QUANTITIES}
        self.time = QComboBox()
        self.time.addItems([SECONDS, FRAMES])
        self.fit = QCheckBox("Fit selected")
        self.whole = QPushButton("Whole clip")
        self.clear = QPushButton("Clear interval")
        self.export = QPushButton("Export…")
        self.read_out = QLabel()
        self._explain()
        self._lay_out()
        self._connect()

    @property
    def quantities(self) -> tuple[str, ...]:
        """Quantities to show, in order."""
        return tuple(name for name, box in self.boxes.items() if box.isChecked())

    @property
    def in_seconds(self) -> bool:
        """Whether time is wanted in seconds."""
        return self.time.isEnabled() and self.time.currentText() == SECONDS

    def offer_seconds(self, known: bool) -> None:
        """Let seconds be chosen where frames have times; else show frames."""
        if known == self.time.isEnabled():
            return
        self.time.blockSignals(True)
        self.time.setCurrentText(SECONDS if known else FRAMES)
        self.time.blockSignals(False)
        self.time.setEnabled(known)

    def _explain(self) -> None:
        for name, box in self.boxes.items():
            box.setChecked(name in FIRST_SHOWN)
            box.setToolTip(TIPS[name])
        self.fit.setChecked(True)
        self.time.setToolTip("Unit of the time axis; frames while the frame rate is unknown")
        self.fit.setToolTip("Stretch the value axes to the selected points")
        self.whole.setToolTip("Show the whole clip and all values (double click)")
        self.clear.setToolTip("Forget the interval (Shift + drag selects one)")
        self.export.setToolTip("Save the plots as PNG or SVG")
        self.read_out.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.read_out.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 4, 0)
        row.setSpacing(8)
        for widget in (*self.boxes.values(), self.time, self.fit):
            row.addWidget(widget)
        for widget in (self.whole, self.clear, self.export):
            row.addWidget(widget)
        row.addWidget(self.read_out, 1)

    def _connect(self) -> None:
        for box in (*self.boxes.values(), self.fit):
            box.toggled.connect(lambda _: self.changed.emit())
        self.time.currentTextChanged.connect(lambda _: self.changed.emit())
        self.whole.clicked.connect(lambda: self.whole_clip.emit())
        self.clear.clicked.connect(lambda: self.clear_interval.emit())
        self.export.clicked.connect(lambda: self.export_wanted.emit())


class Legend(QListWidget):
    """List of points in their colours; what is selected in it is selected in the plots."""

    picked = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self._points: tuple[PointInfo, ...] = ()
        self.setFixedWidth(LEGEND_WIDTH)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemSelectionChanged.connect(self._picked)

    def offer(self, points: Sequence[PointInfo]) -> None:
        """List these points."""
        if tuple(points) == self._points:
            return
        self._points = tuple(points)
        self.blockSignals(True)
        self.clear()
        for point in points:
            patch = QPixmap(10, 10)
            patch.fill(QColor(point.colour))
            item = QListWidgetItem(QIcon(patch), point.name)
            item.setToolTip(point.name)
            self.addItem(item)
        self.blockSignals(False)

    def show_state(self, chosen: Collection[str], hidden: Collection[str]) -> None:
        """Select these and leave those out."""
        self.blockSignals(True)
        for row, point in enumerate(self._points):
            self.item(row).setHidden(point.name in hidden)
            self.item(row).setSelected(point.name in chosen)
        self.blockSignals(False)
        self.viewport().update()

    def _picked(self) -> None:
        chosen = {self.row(item) for item in self.selectedItems()}
        self.picked.emit(
            tuple(point.name for row, point in enumerate(self._points) if row in chosen)
        )
