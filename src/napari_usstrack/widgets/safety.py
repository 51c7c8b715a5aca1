"""Nothing is lost: unsaved work is offered again, and closing asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from magicgui.widgets import PushButton
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_usstrack.core.differences import differences
from napari_usstrack.session import Session
from napari_usstrack.widgets.closing import CloseGuard, Unsaved
from napari_usstrack.widgets.form import Form, sentence

if TYPE_CHECKING:
    from napari_usstrack.widgets.workbench import Workbench

SYNC_MS = 3000


class Safety(Form):
    """Offers what an earlier session did not save; asks before the window closes over changes.

    Parameters
    ----------
    dock : QWidget
        Whose window is guarded.
    benches : callable
        All clips that are open.
    attempt : callable
        Runs an action and tells the user when it is refused.
    say : callable
        Shows one sentence.
    """

    def __init__(
        self,
        dock: QWidget,
        benches: Callable[[], list[Workbench]],
        attempt: Callable[[Callable[[], object]], None],
        say: Callable[[str], object],
    ) -> None:
        super().__init__()
        self.text = sentence(lines=2)
        self.recover = PushButton(text="Recover", tooltip="Do it again, as it was")
        self.leave = PushButton(text="Leave aside", tooltip="It stays in a file beside the project")
        self.wide(self.text)
        self.wide(self.recover, self.leave)
        self._bench: Workbench | None = None
        self._benches = benches
        self._say = say
        self.recover.clicked.connect(lambda: attempt(self._recover))
        self.leave.clicked.connect(lambda: attempt(self._leave))
        self.guard = CloseGuard(dock, self._unsaved, _save)
        self._timer = QTimer(self)
        self._timer.setInterval(SYNC_MS)
        self._timer.timeout.connect(lambda: attempt(self._sync))
        self._timer.start()
        self.setVisible(False)

    def use(self, bench: Workbench | None) -> None:
        """Offer what there is to recover of a clip."""
        self._bench = bench
        if bench is not None:
            for note in bench.session.notes:
                self._say(note)
        self.refresh()

    def refresh(self) -> None:
        """Show the offer while there is one."""
        actions = self._bench.session.recoverable if self._bench is not None else ()
        self.setVisible(bool(actions))
        if actions:
            when = datetime.fromisoformat(actions[-1].at).astimezone()
            count = f"{len(actions)} change{'' if len(actions) == 1 else 's'}"
            self.text.setText(f"{count} up to {when:%d %b %Y, %H:%M} {_were(actions)} not saved.")

    def close_guard(self) -> None:
        """Stop guarding and syncing."""
        self._timer.stop()
        self.guard.close()

    def _recover(self) -> None:
        if self._bench is not None:
            count = self._bench.session.recover()
            self._say(f"{count} change{'' if count == 1 else 's'} recovered; save to keep them.")
        self.refresh()

    def _leave(self) -> None:
        if self._bench is not None:
            kept = self._bench.session.put_aside()
            self._say(f"Kept in {kept.name}." if kept else "")
        self.refresh()

    def _sync(self) -> None:
        for bench in self._benches():
            bench.session.sync()

    def _unsaved(self) -> list[Unsaved]:
        return [_told(bench.session) for bench in self._benches() if bench.session.unsaved]


def _save(unsaved: Unsaved) -> None:
    if isinstance(unsaved.owner, Session):
        unsaved.owner.save()


def _were(actions: tuple) -> str:
    return "was" if len(actions) == 1 else "were"


def _told(session: Session) -> Unsaved:
    return Unsaved(
        session.video.info.name or "Clip without a file",
        differences(session.saved_annotations, session.annotations),
        runs_changed=session.runs_changed,
        can_save=session.path is not None and not session.read_only,
        owner=session,
    )
