"""Rows of labels and widgets that line up across panels."""

from __future__ import annotations

from functools import partial

from magicgui.widgets.bases import Widget
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

LABEL_WIDTH = 98
LAID_OUT_MS = 50
"""After so long what was opened has its size."""
NARROWEST = 322


class Form(QWidget):
    """A column of labelled rows."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(5)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)

    def row(self, label: str, widget: Widget) -> None:
        """Add a labelled row; the label takes the widget's tooltip."""
        text = QLabel(label)
        text.setFixedWidth(LABEL_WIDTH)
        text.setToolTip(widget.tooltip or "")
        native = widget.native
        native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._form.addRow(text, native)

    def wide(self, *widgets: Widget | QWidget) -> None:
        """Add a row without label, its widgets side by side."""
        natives = [w if isinstance(w, QWidget) else w.native for w in widgets]
        if len(natives) == 1:
            self._form.addRow(natives[0])
            return
        line = QHBoxLayout()
        line.setSpacing(6)
        for native in natives:
            line.addWidget(native, 1)
        self._form.addRow(line)

    def show_row(self, widget: Widget, visible: bool) -> None:
        """Show or hide a labelled row."""
        self._form.setRowVisible(widget.native, visible)

    def clear(self) -> None:
        """Remove all rows."""
        while self._form.rowCount():
            self._form.removeRow(0)


class Fold(QWidget):
    """Rows that few need, under a title that opens them."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._title = title
        self._content = content
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setFlat(True)
        self.button.setStyleSheet("QPushButton { text-align: left; background: transparent; }")
        self.button.toggled.connect(self._toggled)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.button)
        column.addWidget(content)
        self._toggled(False)

    def _toggled(self, is_open: bool) -> None:
        self.button.setText(f"{'▾' if is_open else '▸'}  {self._title}")
        self._content.setVisible(is_open)


def heading(text: str) -> QLabel:
    """Make the title of a panel."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; padding-top: 6px;")
    return label


def sentence(text: str = "", *, lines: int = 1) -> QLabel:
    """Make a wrapping text that can be copied, with room for some lines kept free."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setMinimumHeight(lines * label.fontMetrics().lineSpacing())
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def scrolled(content: QWidget) -> QScrollArea:
    """Let a column scroll up and down where the window is too low for it."""
    inner = QWidget()
    column = QVBoxLayout(inner)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(content)
    column.addStretch(1)
    return _Column(inner)


def bring_into_view(widget: QWidget) -> None:
    """Scroll the column that holds a widget so far that it can be seen."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, _Column):
        parent = parent.parentWidget()
    if parent is not None:
        parent.ensureWidgetVisible(widget)


class _Column(QScrollArea):
    """Scrolls up and down only, and is as wide as what it holds."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner.installEventFilter(self)
        self._last: Fold | None = None
        self._laid_out = QTimer(self)
        self._laid_out.setSingleShot(True)
        self._laid_out.timeout.connect(self._show_last)
        for fold in inner.findChildren(Fold):
            fold.button.toggled.connect(partial(self._opened, fold))
        self._widen()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Widen when a fold opens."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._widen()
        return super().eventFilter(watched, event)

    def _opened(self, fold: Fold, is_open: bool) -> None:
        """Bring what was opened into view, once it has its size."""
        if is_open:
            self._last = fold
            self._laid_out.start(LAID_OUT_MS)

    def _show_last(self) -> None:
        fold = self._last
        if fold is None:
            return
        top = fold.mapTo(self.widget(), fold.rect().topLeft()).y()
        bar = self.verticalScrollBar()
        low = top + fold.height() - self.viewport().height()
        bar.setValue(min(max(bar.value(), low), top))

    def _widen(self) -> None:
        bar = self.verticalScrollBar().sizeHint().width()
        needed = self.widget().minimumSizeHint().width()
        self.setMinimumWidth(max(needed, NARROWEST) + bar)
