"""Panel: the places to check next, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from magicgui.widgets import PushButton
from numpy.typing import ArrayLike
from psygnal import Signal, SignalInstance
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QKeyEvent
from qtpy.QtWidgets import QHeaderView, QTableView

from napari_usstrack.pipelines.suggest import Flag
from napari_usstrack.widgets.curate_panel import frame_and_time
from napari_usstrack.widgets.form import Form, sentence

HEADINGS = ("Frame", "Point", "Why")
FRAME, POINT, WHY = range(3)
ROW_HEIGHT = 22
MOST_ROWS = 8
FRAME_WIDTH, POINT_WIDTH = (56, 120), (40, 84)
"""Least and most, px."""
MARGIN = 12
NOT_YET = "Track or step first; doubtful places are listed here."
NOTHING = "Nothing to check."
NONE_CHOSEN = "Press Next, or click a line, to go there."
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
MOVING = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Tab,
    Qt.Key.Key_Backtab,
)
Key = tuple[int, str]


class FlagModel(QAbstractTableModel):
    """Flags as rows; texts are made when a row comes into view."""

    def __init__(self) -> None:
        super().__init__()
        self.flags: tuple[Flag, ...] = ()
        self.times_s: ArrayLike | None = None
        self._colours: dict[str, QColor] = {}

    def put(
        self, flags: Sequence[Flag], times_s: ArrayLike | None, colours: Mapping[str, str]
    ) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.flags, self.times_s = tuple(flags), times_s
        self._colours = {name: QColor(colour) for name, colour in colours.items()}
        self.endResetModel()

    def drop(self, row: int) -> None:
        """Take one row off."""
        self.beginRemoveRows(QModelIndex(), row, row)
        self.flags = self.flags[:row] + self.flags[row + 1 :]
        self.endRemoveRows()

    def text(self, row: int, column: int) -> str:
        """Text of one cell, not elided."""
        flag = self.flags[row]
        if column == FRAME:
            return frame_and_time(flag.frame, self.times_s)
        return flag.point if column == POINT else ", ".join(flag.reasons)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of flags."""
        return 0 if parent is not None and parent.isValid() else len(self.flags)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(HEADINGS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Text, tooltip and colour of a cell."""
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self.text(index.row(), index.column())
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == POINT:
            return self._colours.get(self.flags[index.row()].point)
        return None

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> object:
        """Headings of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADINGS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None


class FlagView(QTableView):
    """Keeps only Up, Down and Enter; other keys go on to the window."""

    entered_row = Signal(int)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Go where Enter is pressed; leave letters and arrows sideways to the clip."""
        if event.key() in ENTER:
            self.entered_row.emit(self.currentIndex().row())
        elif event.key() in MOVING:
            super().keyPressEvent(event)
        else:
            event.ignore()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Stay small; the form gives the height."""
        return QSize(0, self.height())

    minimumSizeHint = sizeHint  # noqa: N815


class ReviewPanel(Form):
    """Lists flags; every press is told by a signal."""

    going = Signal(object)
    went_to_start = Signal(object)
    accepted = Signal(object)
    dismissed = Signal(object)
    refreshing = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.empty = sentence(NOT_YET, lines=2)
        self.detail = sentence(NONE_CHOSEN, lines=3)
        self.model = FlagModel()
        self.table = FlagView()
        self.go = PushButton(text="Next", tooltip="Go to the next place (C)")
        self.accept = PushButton(text="Accept")
        self.accept.tooltip = (
            "It is right: its proposals become labels, and it is taken off the list; "
            "undoable (Shift+C)"
        )
        self.dismiss = PushButton(text="Not a problem")
        self.dismiss.tooltip = "Take it off the list and make no labels; undoable"
        self.start = PushButton(text="Where it began", tooltip="Go to its first doubtful frame")
        self.again = PushButton(text="Look again", tooltip="Go through the clip anew")
        self._at: Key | None = None
        self._style()
        self._lay_out()
        self._connect()
        self.show_flags((), None, {})

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The list, the worst first."""
        return self.model.flags

    @property
    def chosen(self) -> Flag | None:
        """The entry that is chosen."""
        row = self.table.currentIndex().row()
        return self.flags[row] if 0 <= row < len(self.flags) else None

    def next(self) -> Flag | None:
        """Choose and return where to go next, without telling; None where there is nothing.

        It is the chosen entry if nobody went there yet, else the one below;
        the first one comes after the last.
        """
        if not self.flags:
            return None
        row = self.table.currentIndex().row()
        chosen = self.chosen
        if chosen is None or _key(chosen) == self._at:
            row = (row + 1) % len(self.flags)
        self._choose(row)
        self._at = _key(self.flags[row])
        return self.flags[row]

    def show_flags(
        self, flags: Sequence[Flag], times_s: ArrayLike | None, colours: Mapping[str, str]
    ) -> None:
        """Show a list.

        The chosen entry stays chosen; where it is gone, the one that follows it is.

        Parameters
        ----------
        flags : sequence of Flag
            The worst first.
        times_s : array_like or None
            True time of every frame, s; None while unknown.
        colours : mapping of str to str
            Colour of each point; empty while there is no point.
        """
        wanted, scroll = self._following(flags), self.table.verticalScrollBar().value()
        self.model.put(flags, times_s, colours)
        self._fit_columns()
        self.table.verticalScrollBar().setValue(scroll)
        if wanted is not None:
            self._choose(wanted)
        self.empty.setText(NOTHING if colours else NOT_YET)
        self._refresh()

    def _following(self, flags: Sequence[Flag]) -> int | None:
        """Row, in another list, of the chosen entry or of the first below it that stays."""
        row = self.table.currentIndex().row()
        if row < 0 or not flags:
            return None
        rows = {_key(flag): at for at, flag in reversed(list(enumerate(flags)))}
        for flag in self.flags[row:]:
            if _key(flag) in rows:
                return rows[_key(flag)]
        return min(row, len(flags) - 1)

    def _choose(self, row: int) -> None:
        self.table.selectRow(row)
        self.table.scrollTo(self.model.index(row, FRAME))

    def _go(self, row: int) -> None:
        if 0 <= row < len(self.flags):
            self._at = _key(self.flags[row])
            self.going.emit(self.flags[row])

    def _go_on(self) -> None:
        flag = self.next()
        if flag is not None:
            self.going.emit(flag)

    def _take_off(self, signal: SignalInstance) -> None:
        """Take the chosen entry off the list, tell, and go to the next one."""
        flag, row = self.chosen, self.table.currentIndex().row()
        if flag is None:
            return
        self.model.drop(row)
        if self.flags:
            self._choose(min(row, len(self.flags) - 1))
        self._refresh()
        signal.emit(flag)
        self._go(self.table.currentIndex().row())

    def _refresh(self) -> None:
        some, chosen = bool(self.flags), self.chosen
        self.empty.setVisible(not some)
        self.table.setVisible(some)
        self.detail.setVisible(some)
        self.go.enabled = some
        for button in (self.accept, self.dismiss, self.start):
            button.enabled = chosen is not None
        self.detail.setText(NONE_CHOSEN if chosen is None else self._told(chosen))
        header = self.table.horizontalHeader().sizeHint().height()
        rows = min(max(len(self.flags), 3), MOST_ROWS)
        self.table.setFixedHeight(rows * ROW_HEIGHT + header + 4)

    def _told(self, flag: Flag) -> str:
        place = f"Frame {frame_and_time(flag.frame, self.model.times_s)}, {flag.point}"
        return f"{place}: {', '.join(flag.reasons)}."

    def _fit_columns(self) -> None:
        metrics = self.table.fontMetrics()
        for column, limits in ((FRAME, FRAME_WIDTH), (POINT, POINT_WIDTH)):
            texts = {self.model.text(row, column) for row in range(len(self.flags))}
            self.table.setColumnWidth(column, _width(metrics, texts, *limits))

    def _style(self) -> None:
        table = self.table
        table.setModel(self.model)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.setShowGrid(False)
        table.horizontalHeader().setHighlightSections(False)
        table.horizontalHeader().setStretchLastSection(True)

    def _lay_out(self) -> None:
        self.wide(self.empty)
        self.wide(self.table)
        self.wide(self.detail)
        self.wide(self.go, self.accept, self.dismiss)
        self.wide(self.start, self.again)

    def _connect(self) -> None:
        self.table.clicked.connect(lambda index: self._go(index.row()))
        self.table.entered_row.connect(self._go)
        self.table.selectionModel().currentRowChanged.connect(lambda *_: self._refresh())
        self.go.clicked.connect(self._go_on)
        self.accept.clicked.connect(lambda: self._take_off(self.accepted))
        self.dismiss.clicked.connect(lambda: self._take_off(self.dismissed))
        self.start.clicked.connect(lambda: self.went_to_start.emit(self.chosen))
        self.again.clicked.connect(lambda: self.refreshing.emit())


def _key(flag: Flag) -> Key:
    return flag.frame, flag.point


def _width(metrics: QFontMetrics, texts: set[str], least: int, most: int) -> int:
    widest = max((metrics.horizontalAdvance(text) for text in texts), default=0)
    return min(max(widest + MARGIN, least), most)
