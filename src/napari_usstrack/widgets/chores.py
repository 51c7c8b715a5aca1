"""Work for the window that can wait until a person pauses, one piece at a time."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

PAUSE_MS = 250
BETWEEN_MS = 15


class Chores(QObject):
    """Does what is due a moment after the last request, one chore per turn of the event loop.

    Parameters
    ----------
    chores : callable, by name
        In the order in which they are done.
    parent : QObject
        Ends with it.
    """

    def __init__(self, chores: dict[str, Callable[[], object]], parent: QObject) -> None:
        super().__init__(parent)
        self._chores = chores
        self._due: set[str] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.do_one)

    @property
    def due(self) -> frozenset[str]:
        """Chores that wait."""
        return frozenset(self._due)

    def ask(self, *names: str) -> None:
        """Note chores as due; all of them if none is named. Waiting starts anew."""
        self._due.update(names or self._chores)
        self._timer.start(PAUSE_MS)

    def do_one(self) -> None:
        """Do the first chore that is due."""
        for name, chore in self._chores.items():
            if name in self._due:
                self._due.discard(name)
                chore()
                break
        if self._due:
            self._timer.start(BETWEEN_MS)

    def finish(self) -> None:
        """Do all that is due, now."""
        while self._due:
            self.do_one()
        self._timer.stop()

    def stop(self) -> None:
        """Forget what is due."""
        self._due.clear()
        self._timer.stop()
