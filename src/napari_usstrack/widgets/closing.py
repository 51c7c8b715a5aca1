"""Ask before a window closes over changes that are not saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from weakref import ref

from napari.utils.notifications import show_error
from qtpy.QtCore import QCoreApplication, QEvent, QObject, Qt
from qtpy.QtWidgets import QMainWindow, QMessageBox, QWidget

from napari_usstrack.core.differences import Counts
from napari_usstrack.core.errors import UsstrackError

Answer = Literal["save", "discard", "cancel"]
MOST_LINES = 10
KEPT = "What you do not save is kept in the journal and offered again when the clip is next opened."
NOT_HERE = "; cannot be saved here"
ANSWERS: dict[QMessageBox.ButtonRole, Answer] = {
    QMessageBox.ButtonRole.AcceptRole: "save",
    QMessageBox.ButtonRole.DestructiveRole: "discard",
}


@dataclass(frozen=True)
class Unsaved:
    """Changes of one clip that are not saved.

    Attributes
    ----------
    name : str
        The clip's file name.
    counts : Counts
        Its labels against the last save.
    runs_changed : int
        Runs added, replaced or removed.
    can_save : bool
        Whether saving needs no further question: a file, not read-only.
    owner : object
        For the one who asks and saves: which clip this is.
    """

    name: str
    counts: Counts
    runs_changed: int = 0
    can_save: bool = True
    owner: object = field(default=None, compare=False, repr=False)


Ask = Callable[[QWidget, Sequence[Unsaved]], Answer]


def sentence_of(unsaved: Unsaved) -> str:
    """Tell the changes of one clip in one line."""
    counts = unsaved.counts
    labels = [
        f"{number} {verb}"
        for number, verb in (
            (counts.added, "added"),
            (counts.moved, "moved"),
            (counts.removed, "removed"),
        )
        if number
    ]
    parts = [_with_noun(", ".join(labels))] if labels else []
    for number, what, verb in (
        (counts.points_added, "point", "added"),
        (counts.points_removed, "point", "removed"),
        (unsaved.runs_changed, "run", "changed"),
    ):
        if number:
            parts.append(f"{number} {what}{'' if number == 1 else 's'} {verb}")
    told = "; ".join(parts) or "other changes"
    return f"{unsaved.name}: {told}{'' if unsaved.can_save else NOT_HERE}"


class CloseGuard(QObject):
    """Holds a closing window back while changes are not saved, and asks.

    It watches the main window that a widget is in, wherever the widget is
    docked, and ends with the widget. It asks when a person can answer: the
    window is on the screen with its content, and the program is not ending.
    A viewer closed by a script, ``viewer.close()``, takes its content down
    first, so that nobody is asked; the journal has the changes.

    Parameters
    ----------
    widget : QWidget
        The dock's widget; the guard becomes its child.
    unsaved : callable
        Lists the clips that have unsaved changes.
    save : callable
        Saves one of them; what it raises keeps the window open.
    ask : callable, optional
        Takes window and list, returns "save", "discard" or "cancel".
    tell : callable, optional
        Shows a sentence to the user.
    """

    def __init__(
        self,
        widget: QWidget,
        unsaved: Callable[[], Sequence[Unsaved]],
        save: Callable[[Unsaved], object],
        *,
        ask: Ask | None = None,
        tell: Callable[[str], object] = show_error,
    ) -> None:
        super().__init__(widget)
        self._widget: Callable[[], QWidget | None] = ref(widget)
        self._window: Callable[[], QWidget | None] = ref(widget)
        self._unsaved = unsaved
        self._save = save
        self._ask = ask or ask_in_box
        self._tell = tell
        self._asking = False
        widget.installEventFilter(self)
        self._follow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Hold a close event back; follow the widget to another window."""
        kind = event.type()
        if watched is self._widget() and kind in (QEvent.Type.Show, QEvent.Type.ParentChange):
            self._follow()
        if kind == QEvent.Type.Close and watched is self._window() and not self._lets_go():
            event.ignore()
            return True
        return False

    def close(self) -> None:
        """Stop watching."""
        for watched in (self._window(), self._widget()):
            if watched is not None:
                _forget(watched, self)
        self._window = self._widget = _nothing
        self._unsaved = tuple

    def _follow(self) -> None:
        widget, old = self._widget(), self._window()
        if widget is None:
            return
        now = _main_window(widget)
        if now is old:
            return
        if old is not None and old is not widget:
            _forget(old, self)
        if now is not widget:
            now.installEventFilter(self)
        self._window = ref(now)

    def _lets_go(self) -> bool:
        window = self._window()
        if self._asking:
            return False
        if window is None or not _can_answer(window):
            return True
        found = tuple(self._unsaved())
        if not found:
            return True
        self._asking = True
        try:
            answer = self._ask(window, found)
            return answer == "discard" or (answer == "save" and self._save_all(found))
        finally:
            self._asking = False

    def _save_all(self, found: Sequence[Unsaved]) -> bool:
        """Save what can be saved; whether that is all."""
        for unsaved in found:
            if unsaved.can_save:
                try:
                    self._save(unsaved)
                except (UsstrackError, OSError) as error:
                    self._tell(str(error))
                    return False
        left = [unsaved.name for unsaved in found if not unsaved.can_save]
        if left:
            self._tell(
                f"{left[0]} cannot be saved here; choose a place with Save project, "
                "or close without saving."
            )
        return not left


def ask_in_box(window: QWidget, unsaved: Sequence[Unsaved]) -> Answer:
    """Ask in a dialog of the window."""
    box = close_box(window, unsaved)
    box.exec()
    pressed = box.clickedButton()
    role = QMessageBox.ButtonRole.RejectRole if pressed is None else box.buttonRole(pressed)
    box.deleteLater()
    return ANSWERS.get(role, "cancel")


def close_box(window: QWidget | None, unsaved: Sequence[Unsaved]) -> QMessageBox:
    """Make the dialog; Cancel is what Enter and Escape press."""
    box = QMessageBox(window)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Save changes?")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText("Save changes before closing?")
    told = [sentence_of(each) for each in unsaved[:MOST_LINES]]
    if len(unsaved) > MOST_LINES:
        told.append(f"and {len(unsaved) - MOST_LINES} more")
    box.setInformativeText("\n".join([*told, "", KEPT]))
    save = box.addButton("Save all", QMessageBox.ButtonRole.AcceptRole)
    save.setEnabled(any(each.can_save for each in unsaved))
    box.addButton("Don't save", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(cancel)
    box.setEscapeButton(cancel)
    return box


def _with_noun(labels: str) -> str:
    """Put the noun behind the first number: ``3 labels moved, 1 removed``."""
    number, _, rest = labels.partition(" ")
    return f"{number} label{'' if number == '1' else 's'} {rest}"


def _main_window(widget: QWidget) -> QWidget:
    """Climb over floating docks to the window that holds them."""
    while (above := widget.parentWidget()) is not None:
        widget = above
    return widget


def _can_answer(window: QWidget) -> bool:
    if QCoreApplication.closingDown() or not window.isVisible():
        return False
    content = window.centralWidget() if isinstance(window, QMainWindow) else None
    if content is None:
        return True
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    inner = content.findChildren(QWidget, options=direct) or [content]
    return any(part.isVisible() for part in inner)


def _forget(watched: QWidget, guard: QObject) -> None:
    with suppress(RuntimeError):  # Qt deleted it before Python did
        watched.removeEventFilter(guard)


def _nothing() -> None:
    return None
