"""Table of all points: shown, colour, name, group, kind, order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from magicgui.widgets import ComboBox, LineEdit, PushButton
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QComboBox, QHeaderView, QTableWidget, QTableWidgetItem

from napari_usstrack.core.tracks import KINDS, PointInfo
from napari_usstrack.widgets.form import Form

SHOWN, NAME, GROUP, KIND = range(4)
HEADINGS = ("", "Name", "Group", "Kind")
ROW_HEIGHT = 24
MOST_ROWS = 8


class PointTable(Form):
    """Edits the list of points; every change is asked for by a signal."""

    renamed = Signal(str, str)
    described = Signal(tuple, dict)
    removed = Signal(str)
    ordered = Signal(tuple)
    hidden = Signal(frozenset)

    def __init__(self) -> None:
        super().__init__()
        self.table = QTableWidget(0, len(HEADINGS))
        self.up = PushButton(text="Up", tooltip="Move the chosen point up")
        self.down = PushButton(text="Down", tooltip="Move the chosen point down")
        self.colour = PushButton(text="Colour", tooltip="Choose the colour of the chosen point")
        self.remove = PushButton(text="Remove", tooltip="Remove the point, its labels and tracks")
        self.group = LineEdit(name="group", tooltip="Name of a line, a fascicle or a wall")
        self.kind = ComboBox(name="kind", choices=KINDS, value="line")
        self.kind.tooltip = "What the points make together"
        self.join = PushButton(
            text="Group the chosen rows",
            tooltip="Give all chosen points this group and kind; Ctrl and Shift choose several",
        )
        self._points: tuple[PointInfo, ...] = ()
        self._offered: tuple[tuple[PointInfo, ...], frozenset[str]] | None = None
        self._writing = False
        self._style()
        self.wide(self.table)
        self.wide(self.up, self.down, self.colour, self.remove)
        self.row("Group", self.group)
        self.row("Kind", self.kind)
        self.wide(self.join)
        self.table.itemChanged.connect(self._item_changed)
        self.table.itemSelectionChanged.connect(self._enable)
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))
        self.colour.clicked.connect(self._pick_colour)
        self.remove.clicked.connect(self._remove)
        self.join.clicked.connect(self._join)
        self._enable()

    @property
    def chosen(self) -> str | None:
        """Name of the chosen point."""
        row = self.table.currentRow()
        return self._points[row].name if 0 <= row < len(self._points) else None

    @property
    def all_chosen(self) -> tuple[str, ...]:
        """Names of all chosen points, in the order of the table."""
        rows = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        return tuple(self._points[row].name for row in rows if row < len(self._points))

    def offer(self, points: Sequence[PointInfo], hidden: Collection[str]) -> None:
        """Show these points."""
        now = (tuple(points), frozenset(hidden))
        if now == self._offered:
            return
        self._offered = now
        chosen = self.chosen
        self._points = tuple(points)
        self._writing = True
        try:
            self.table.setRowCount(len(points))
            for row, point in enumerate(points):
                self._write(row, point, point.name not in hidden)
        finally:
            self._writing = False
        names = [point.name for point in points]
        if chosen in names:
            self.table.selectRow(names.index(chosen))
        rows = min(max(len(points), 1), MOST_ROWS)
        self.table.setFixedHeight(rows * ROW_HEIGHT + self.table.horizontalHeader().height() + 4)
        self._enable()

    def _style(self) -> None:
        self.table.setHorizontalHeaderLabels(list(HEADINGS))
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.ExtendedSelection)
        header = self.table.horizontalHeader()
        for column in (SHOWN, KIND):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        for column in (NAME, GROUP):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)

    def _write(self, row: int, point: PointInfo, shown: bool) -> None:
        check = QTableWidgetItem()
        check.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
        check.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
        check.setToolTip("Show this point")
        name = QTableWidgetItem(point.name)
        name.setForeground(QColor(point.colour))
        self.table.setItem(row, SHOWN, check)
        self.table.setItem(row, NAME, name)
        self.table.setItem(row, GROUP, QTableWidgetItem(point.group))
        kinds = QComboBox()
        kinds.addItems(KINDS)
        kinds.setCurrentText(point.kind)
        kinds.currentTextChanged.connect(
            lambda kind, own=point: self.described.emit(self._group_of(own), {"kind": kind})
        )
        self.table.setCellWidget(row, KIND, kinds)

    def _item_changed(self, item: QTableWidgetItem) -> None:
        if self._writing:
            return
        point = self._points[item.row()]
        if item.column() == NAME and item.text().strip() != point.name:
            self._offered = None
            self.renamed.emit(point.name, item.text().strip())
        elif item.column() == GROUP and item.text().strip() != point.group:
            self._offered = None
            self.described.emit((point.name,), {"group": item.text().strip()})
        elif item.column() == SHOWN:
            self.hidden.emit(self._unchecked())

    def _unchecked(self) -> frozenset[str]:
        return frozenset(
            point.name
            for row, point in enumerate(self._points)
            if self.table.item(row, SHOWN).checkState() == Qt.CheckState.Unchecked
        )

    def _move(self, by: int) -> None:
        names = [point.name for point in self._points]
        row = self.table.currentRow()
        if 0 <= row < len(names) and 0 <= row + by < len(names):
            names[row], names[row + by] = names[row + by], names[row]
            self.ordered.emit(tuple(names))

    def _pick_colour(self) -> None:
        row = self.table.currentRow()
        point = self._points[row]
        colour = QColorDialog.getColor(QColor(point.colour), self)
        if colour.isValid():
            self.described.emit((point.name,), {"colour": colour.name()})

    def _group_of(self, point: PointInfo) -> tuple[str, ...]:
        """All points of a point's group: one kind holds for them all."""
        alike = [p.name for p in self._points if p.group == point.group]
        return tuple(alike) if point.group else (point.name,)

    def _join(self) -> None:
        details = {"group": self.group.value.strip(), "kind": self.kind.value}
        if self.all_chosen:
            self.described.emit(self.all_chosen, details)

    def _remove(self) -> None:
        if self.chosen is not None:
            self.removed.emit(self.chosen)

    def _enable(self) -> None:
        chosen = self.chosen is not None
        for button in (self.up, self.down, self.colour, self.remove, self.join):
            button.enabled = chosen
