"""The sheet of all keys, in a window of its own."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_usstrack.widgets.form import heading
from napari_usstrack.widgets.keybindings import GROUPS, Line, lines

TITLE = "USSTrack keys"
NOTHING = "No key does that; try another word."
KEY_STYLE = (
    "QLabel { background: rgba(128, 128, 128, 70); border: 1px solid rgba(128, 128, 128, 140);"
    " border-radius: 3px; padding: 1px 6px; font-weight: bold; }"
)
KEY_WIDTH, TEXT_WIDTH = 112, 270
NARROW = 2 * (KEY_WIDTH + TEXT_WIDTH) + 110
LOW = 600


@dataclass(frozen=True)
class Row:
    """A line of the sheet and the widgets that show it."""

    line: Line
    widgets: tuple[QLabel, QLabel]

    def show(self, visible: bool) -> None:
        """Show or hide both widgets."""
        for widget in self.widgets:
            widget.setVisible(visible)


class Group(QWidget):
    """The keys of one group under their title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 4)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        grid.addWidget(heading(title), 0, 0, 1, 2)
        self.rows = [_row(grid, at, line) for at, line in enumerate(lines(title), 1)]

    def narrow(self, word: str) -> int:
        """Show only the lines that have a word; returns how many."""
        whole = word in self.title.lower()
        found = [whole or word in f"{row.line.keys} {row.line.text}".lower() for row in self.rows]
        for row, visible in zip(self.rows, found, strict=True):
            row.show(visible)
        self.setVisible(any(found))
        return sum(found)


class KeySheet(QDialog):
    """All keys in groups, side by side; the window below stays usable.

    Parameters
    ----------
    parent : QWidget, optional
        The window it belongs to, whose colours it takes.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setModal(False)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a key or what it does")
        self.search.setClearButtonEnabled(True)
        self.nothing = QLabel(NOTHING)
        self.nothing.hide()
        self.groups = tuple(Group(title) for title in GROUPS)
        column = QVBoxLayout(self)
        column.addWidget(self.search)
        column.addWidget(self.nothing)
        column.addWidget(self._area(), 1)
        self.search.textChanged.connect(self._narrow)
        self.resize(NARROW, LOW)

    def present(self) -> None:
        """Show the whole sheet in front, ready to search."""
        self.search.clear()
        self.show()
        self.raise_()
        self.activateWindow()
        self.search.setFocus()

    def toggle(self) -> None:
        """Show the sheet, or close it when it is shown."""
        if self.isVisible():
            self.close()
        else:
            self.present()

    def _area(self) -> QScrollArea:
        content = QWidget()
        side_by_side = QHBoxLayout(content)
        side_by_side.setSpacing(28)
        for column in _halves(self.groups):
            layout = QVBoxLayout()
            layout.setSpacing(0)
            for group in column:
                layout.addWidget(group)
            layout.addStretch(1)
            side_by_side.addLayout(layout, 1)
        area = QScrollArea()
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _narrow(self, typed: str) -> None:
        word = typed.strip().lower()
        found = sum([group.narrow(word) for group in self.groups])
        self.nothing.setVisible(found == 0)


def _row(grid: QGridLayout, at: int, line: Line) -> Row:
    key, text = QLabel(line.keys), QLabel(line.text)
    key.setTextFormat(Qt.TextFormat.PlainText)
    key.setStyleSheet(KEY_STYLE)
    key.setAlignment(Qt.AlignmentFlag.AlignCenter)
    key.setMinimumWidth(KEY_WIDTH)
    text.setWordWrap(True)
    grid.addWidget(key, at, 0, Qt.AlignmentFlag.AlignTop)
    grid.addWidget(text, at, 1)
    return Row(line, (key, text))


def _halves(groups: tuple[Group, ...]) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Cut into two columns of about the same height; titles count like two lines."""
    heights = [len(group.rows) + 2 for group in groups]
    cuts = range(1, len(groups))
    cut = min(cuts, key=lambda at: max(sum(heights[:at]), sum(heights[at:])))
    return groups[:cut], groups[cut:]
