"""Dialog: what merging a run into the labels would change."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QRadioButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.merge import MergeCounts, MergePlan, PointCounts, Policy
from napari_usstrack.widgets.form import sentence

COLUMNS = {
    "added": "Placed where there is no label",
    "identical": "Label at the same place already; nothing changes",
    "moved": "Label overwritten by the run",
    "kept": "Label that stays as it is",
    "skipped": "The run lost the point, or is less sure than asked for; nothing changes",
}
POLICIES: dict[Policy, tuple[str, str]] = {
    "fill missing": ("Fill missing", "every label stays; only places without one are filled"),
    "keep manual": ("Keep manual", "labels set by hand stay; accepted ones may be replaced"),
    "overwrite": ("Overwrite", "the run replaces every label it has a place for"),
}
NO_RUN = "There is no run to merge yet; track or fill first."
NO_CHANGE = "Nothing would change; choose another run, other labels to keep or less confidence."
SIZE = 560, 420
WAIT_MS = 150
ROW_HEIGHT = 22

Make = Callable[[str, Policy, float], MergePlan]


class MergeDialog(QDialog):
    """Counts before anything changes; `plan` and `run` tell what was confirmed.

    Parameters
    ----------
    runs : sequence of str
        Runs to choose from.
    make : callable
        Plans a merge from run, policy and least confidence, 0 to 1; changes nothing.
    parent : QWidget, optional
        The window.

    Attributes
    ----------
    plan : MergePlan or None
        The merge whose counts are shown; None where none can be confirmed.
    """

    def __init__(self, runs: Sequence[str], make: Make, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Merge a run into the labels")
        self.resize(*SIZE)
        self.plan: MergePlan | None = None
        self._make = make
        self.runs, self.least = QComboBox(), QDoubleSpinBox()
        self.policies = {policy: QRadioButton(": ".join(POLICIES[policy])) for policy in POLICIES}
        self._group = QButtonGroup(self)
        self.table = QTableWidget(0, 1 + len(COLUMNS))
        self.summary = sentence(lines=2)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.merge = self.buttons.addButton("Merge", QDialogButtonBox.ButtonRole.AcceptRole)
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.setInterval(WAIT_MS)
        self._fill_in(runs)
        self._lay_out()
        self._connect()
        self.look()

    @property
    def run(self) -> str:
        """The chosen run."""
        return self.runs.currentText()

    @property
    def policy(self) -> Policy:
        """Which labels stay."""
        return next(policy for policy, radio in self.policies.items() if radio.isChecked())

    def look(self) -> None:
        """Work out the merge and show its counts."""
        self.timer.stop()
        self.plan = None
        try:
            plan = self._plan()
        except UsstrackError as error:
            self.table.setRowCount(0)
            self.summary.setText(str(error))
        else:
            self._show(plan.counts)
            self.plan = plan if plan.counts.changed else None
        self.merge.setEnabled(self.plan is not None)

    def done(self, result: int) -> None:
        """Close; what was not confirmed is forgotten."""
        self.timer.stop()
        if result != QDialog.DialogCode.Accepted:
            self.plan = None
        super().done(result)

    def _plan(self) -> MergePlan:
        if not self.run:
            raise UsstrackError(NO_RUN)
        return self._make(self.run, self.policy, self.least.value())

    def _ask(self, *_: object) -> None:
        """Look again soon; until then there is nothing to confirm."""
        self.plan = None
        self.merge.setEnabled(False)
        self.timer.start()

    def _show(self, counts: MergeCounts) -> None:
        rows = [*counts.points.items(), ("Total", counts)]
        self.table.setRowCount(len(rows))
        for row, (name, each) in enumerate(rows):
            self._write(row, name, each, bold=row == len(rows) - 1)
        self.summary.setText(_told(counts))

    def _write(self, row: int, name: str, counts: PointCounts, *, bold: bool) -> None:
        texts = [name, *(str(getattr(counts, column)) for column in COLUMNS)]
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            font = self.table.font()
            font.setBold(bold)
            item.setFont(font)
            if column:
                right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                item.setTextAlignment(right)
            else:
                item.setToolTip(text)
            self.table.setItem(row, column, item)

    def _fill_in(self, runs: Sequence[str]) -> None:
        self.runs.addItems(list(runs))
        self.runs.setToolTip("The run whose positions become labels")
        for policy, radio in self.policies.items():
            radio.setChecked(policy == "fill missing")
            self._group.addButton(radio)
        self.least.setRange(0.0, 1.0)
        self.least.setSingleStep(0.05)
        self.least.setToolTip("Positions of the run below this confidence, 0 to 1, are left out")
        self.merge.setToolTip("Make these positions labels; undoable (Ctrl+Z)")
        self.buttons.button(QDialogButtonBox.StandardButton.Cancel).setToolTip("Change nothing")
        self._style_table()

    def _style_table(self) -> None:
        table, header = self.table, self.table.horizontalHeader()
        table.setHorizontalHeaderLabels(["Point", *(name.capitalize() for name in COLUMNS)])
        for column, meaning in enumerate(COLUMNS.values(), 1):
            table.horizontalHeaderItem(column).setToolTip(meaning)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Run", self.runs)
        form.addRow("Least confidence", self.least)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(QLabel("Labels there are already:"))
        for radio in self.policies.values():
            column.addWidget(radio)
        column.addWidget(self.table, 1)
        column.addWidget(self.summary)
        column.addWidget(self.buttons)

    def _connect(self) -> None:
        self.runs.currentTextChanged.connect(self._ask)
        self.least.valueChanged.connect(self._ask)
        self._group.buttonClicked.connect(self._ask)
        self.timer.timeout.connect(self.look)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)


def _told(counts: MergeCounts) -> str:
    if not counts.changed:
        return NO_CHANGE
    told = f"{counts.changed} {'label changes' if counts.changed == 1 else 'labels change'}"
    if counts.largest_px is not None and counts.median_px is not None:
        told += f"; largest move {counts.largest_px:.1f} px, median {counts.median_px:.1f} px"
    new = ", ".join(counts.new_points)
    return f"{told}. New points: {new}." if new else f"{told}."
