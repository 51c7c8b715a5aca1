"""Closing a window over unsaved changes."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QMessageBox, QWidget

from napari_usstrack.core.differences import Counts
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.widgets.closing import CloseGuard, Unsaved, ask_in_box, close_box, sentence_of

TRIAL = Unsaved("trial1.mp4", Counts(added=12, moved=3, removed=1), runs_changed=1)
READ_ONLY = Unsaved("trial2.mp4", Counts(added=1), can_save=False)


@pytest.mark.parametrize(
    ("unsaved", "line"),
    [
        (TRIAL, "trial1.mp4: 12 labels added, 3 moved, 1 removed; 1 run changed"),
        (Unsaved("a", Counts(moved=1)), "a: 1 label moved"),
        (Unsaved("a", Counts(points_added=2), 3), "a: 2 points added; 3 runs changed"),
        (Unsaved("a", Counts()), "a: other changes"),
        (READ_ONLY, "trial2.mp4: 1 label added; cannot be saved here"),
    ],
)
def test_one_line_per_clip(unsaved: Unsaved, line: str) -> None:
    assert sentence_of(unsaved) == line


class Scene:
    """A window with a dock that has a guard, and what was asked, saved and told."""

    def __init__(self, qtbot) -> None:
        self.window = QMainWindow()
        self.window.setCentralWidget(QWidget())
        self.frame = QDockWidget()
        self.widget = QWidget()
        self.unsaved = [TRIAL]
        self.answer = "cancel"
        self.broken = ""
        self.asked: list[list[Unsaved]] = []
        self.saved: list[str] = []
        self.told: list[str] = []
        self.guard = CloseGuard(
            self.widget, lambda: self.unsaved, self.save, ask=self.ask, tell=self.told.append
        )
        self.frame.setWidget(self.widget)
        self.window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.frame)
        qtbot.addWidget(self.window)
        self.window.show()
        qtbot.waitUntil(self.widget.isVisible, timeout=2000)

    def ask(self, window: QWidget, unsaved) -> str:
        assert window is self.window
        self.asked.append(list(unsaved))
        return self.answer

    def save(self, unsaved: Unsaved) -> None:
        if unsaved.name == self.broken:
            raise UsstrackError(f"{unsaved.name} cannot be written.")
        self.saved.append(unsaved.name)

    def close(self) -> bool:
        """Close the window; whether it did."""
        return self.window.close() and not self.window.isVisible()


@pytest.fixture
def scene(qtbot):
    scene = Scene(qtbot)
    yield scene
    scene.unsaved = []


def test_cancel_keeps_the_window(scene) -> None:
    assert not scene.close()
    assert scene.window.isVisible()
    assert scene.asked == [[TRIAL]]
    assert scene.saved == []


def test_discard_closes_and_asks_once(scene) -> None:
    scene.answer = "discard"
    assert scene.close()
    assert len(scene.asked) == 1
    assert scene.saved == []


def test_save_saves_each_clip_and_closes(scene) -> None:
    scene.answer = "save"
    scene.unsaved = [TRIAL, Unsaved("other.mp4", Counts(added=1))]
    assert scene.close()
    assert scene.saved == ["trial1.mp4", "other.mp4"]


def test_a_save_that_fails_is_told_and_keeps_the_window(scene) -> None:
    scene.answer, scene.broken = "save", "trial1.mp4"
    assert not scene.close()
    assert scene.told == ["trial1.mp4 cannot be written."]
    assert scene.window.isVisible()


def test_what_cannot_be_saved_keeps_the_window_after_the_rest_is_saved(scene) -> None:
    scene.answer, scene.unsaved = "save", [READ_ONLY, TRIAL]
    assert not scene.close()
    assert scene.saved == ["trial1.mp4"]
    assert "trial2.mp4 cannot be saved here" in scene.told[0]


def test_nothing_unsaved_nothing_asked(scene) -> None:
    scene.unsaved = []
    assert scene.close()
    assert scene.asked == []


def test_a_hidden_window_is_not_asked(scene) -> None:
    scene.window.hide()
    scene.window.close()
    assert scene.asked == []


def test_a_window_whose_content_a_script_took_down_is_not_asked(scene) -> None:
    scene.window.centralWidget().close()
    assert scene.close()
    assert scene.asked == []


def test_closing_again_while_asking_asks_no_second_time(scene) -> None:
    inner: list[bool] = []

    def ask(_window, unsaved) -> str:
        scene.asked.append(list(unsaved))
        again = QCloseEvent()
        QApplication.sendEvent(scene.window, again)
        inner.append(again.isAccepted())
        return "discard"

    scene.guard.close()
    scene.guard = CloseGuard(scene.widget, lambda: scene.unsaved, scene.save, ask=ask)
    assert scene.close()
    assert inner == [False]
    assert len(scene.asked) == 1


def test_a_floating_dock_guards_the_main_window(scene, qtbot) -> None:
    scene.frame.setFloating(True)
    qtbot.waitUntil(scene.frame.isWindow, timeout=2000)
    assert scene.widget.window() is scene.frame
    assert not scene.close()


def test_guard_ends_with_the_dock(scene) -> None:
    scene.frame.setParent(None)
    scene.frame.deleteLater()
    del scene.frame
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert scene.close()
    assert scene.asked == []


def test_guard_leaves_the_window_when_the_widget_is_taken_out(scene) -> None:
    scene.widget.setParent(None)
    assert scene.close()
    assert scene.asked == []


def test_a_closed_guard_asks_no_more(scene) -> None:
    scene.guard.close()
    scene.guard.close()
    assert scene.close()
    assert scene.asked == []


def test_guard_does_not_keep_the_window_alive(qtbot) -> None:
    window, widget = QMainWindow(), QWidget()
    window.setCentralWidget(widget)
    guard = CloseGuard(widget, list, print)
    alive = weakref.ref(window)
    del window, widget
    gc.collect()
    assert alive() is None
    guard.close()


def test_dialog_tells_all_and_is_safe_to_dismiss(qtbot) -> None:
    many = [TRIAL, READ_ONLY, *(Unsaved(f"{i}.mp4", Counts(added=1)) for i in range(10))]
    box = close_box(None, many)
    qtbot.addWidget(box)
    text = box.informativeText()
    assert "trial1.mp4: 12 labels added, 3 moved, 1 removed; 1 run changed" in text
    assert "and 2 more" in text
    assert "journal" in text
    assert box.defaultButton() is box.escapeButton()
    assert box.defaultButton().text() == "Cancel"
    assert {b.text() for b in box.buttons()} == {"Save all", "Don't save", "Cancel"}


def test_dialog_offers_no_save_where_nothing_can_be_saved(qtbot) -> None:
    box = close_box(None, [READ_ONLY])
    qtbot.addWidget(box)
    save = [b for b in box.buttons() if box.buttonRole(b) == QMessageBox.ButtonRole.AcceptRole]
    assert [button.isEnabled() for button in save] == [False]


@pytest.mark.parametrize(
    ("button", "answer"), [("Save all", "save"), ("Don't save", "discard"), ("Cancel", "cancel")]
)
def test_buttons_answer(button: str, answer: str, qtbot) -> None:
    window = QWidget()
    qtbot.addWidget(window)

    def press() -> None:
        box = window.findChild(QMessageBox)
        next(b for b in box.buttons() if b.text() == button).click()

    QTimer.singleShot(0, press)
    assert ask_in_box(window, [TRIAL]) == answer


@pytest.mark.window
def test_a_viewer_asks_its_user_but_not_a_script(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((3, 8, 8)))
    asked: list[str] = []

    def ask(_window, _unsaved) -> str:
        asked.append("asked")
        return "cancel"

    widget = QWidget()
    viewer.window.add_dock_widget(widget, name="guarded")
    CloseGuard(widget, lambda: [TRIAL], print, ask=ask)
    qtbot.waitUntil(widget.isVisible, timeout=5000)
    assert not widget.window().close()
    assert widget.window().isVisible()
    assert asked == ["asked"]
    viewer.close()
    assert asked == ["asked"]
