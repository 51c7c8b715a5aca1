from __future__ import annotations

import gc
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo

pytest.importorskip("pytestqt")
TIMES = np.array([0, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0, 1.1, 1.2, 1.3])


def tracks(x=(10.0, 60.0)) -> Tracks:
    xy = np.zeros((10, len(x), 2))
    xy[..., 0], xy[..., 1] = x, np.arange(10)[:, None]
    info = VideoInfo(10, 99, 99, Calibration(times_s=TIMES))
    blank = Tracks.blank(info, named_points(["a", "b"]))
    return blank.with_cells(Cells.placed(xy, Source.MANUAL))


@pytest.fixture
def plot(qtbot):
    from napari_usstrack.widgets.trace_plot import TracePlot

    plot = TracePlot()
    qtbot.addWidget(plot)
    plot.resize(1000, 260)
    plot.show_tracks(tracks(), labels=tracks())
    with qtbot.waitExposed(plot):
        plot.show()
    qtbot.wait(80)
    return plot


def spot(plot, time, value, quantity="x"):
    from qtpy.QtCore import QPointF

    box = plot.panes.all[quantity].box
    return plot.panes.mapFromScene(box.mapViewToScene(QPointF(time, value)))


def drag(plot, start, end, shift=False):
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    keys = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    view = plot.panes.viewport()
    steps = [start + (end - start) * i / 8 for i in range(9)]
    kinds = [QEvent.Type.MouseButtonPress] + [QEvent.Type.MouseMove] * 8
    for kind, at in zip(kinds, steps, strict=True):
        button = left if kind == QEvent.Type.MouseButtonPress else none
        where = QPointF(at)
        event = QMouseEvent(kind, where, QPointF(view.mapToGlobal(at)), button, left, keys)
        QApplication.sendEvent(view, event)
        QApplication.processEvents()
        plot.thread().msleep(15)
    where = QPointF(view.mapToGlobal(end))
    event = QMouseEvent(QEvent.Type.MouseButtonRelease, QPointF(end), where, left, none, keys)
    QApplication.sendEvent(view, event)


def click(qtbot, plot, at):
    from qtpy.QtCore import Qt

    qtbot.mouseClick(plot.panes.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_click_seeks_by_true_time(plot, qtbot) -> None:
    frames: list[int] = []
    plot.seek.connect(frames.append)
    click(qtbot, plot, spot(plot, 0.85, 35))
    qtbot.waitUntil(lambda: frames == [5])


def test_drag_seeks_on_the_way(plot, qtbot) -> None:
    frames: list[int] = []
    plot.seek.connect(frames.append)
    drag(plot, spot(plot, 0.1, 35), spot(plot, 1.2, 35))
    qtbot.waitUntil(lambda: bool(frames) and frames[-1] == 8)
    assert len(frames) > 2


def test_shift_drag_selects_an_interval(plot, qtbot) -> None:
    found: list[object] = []
    plot.interval_changed.connect(found.append)
    drag(plot, spot(plot, 0.21, 35), spot(plot, 0.92, 35), shift=True)
    assert found == [range(2, 6)]
    assert plot.interval == range(2, 6)


def test_click_on_a_curve_selects_it(plot, qtbot) -> None:
    found: list[tuple] = []
    plot.selected.connect(found.append)
    click(qtbot, plot, spot(plot, 0.55, 60))
    assert found == [("b",)]
    assert [item.text() for item in plot.legend.selectedItems()] == ["b"]


def test_hidden_points_vanish(plot) -> None:
    plot.hide_points(frozenset({"a"}))
    assert plot.content.shown == [1]
    assert plot.legend.item(0).isHidden()


def test_changed_point_redraws_only_its_curve(plot, qtbot) -> None:
    drawing = plot.panes.all["x"].drawing
    plot.tools.fit.setChecked(False)
    plot.panes.all["x"].box.own_y = True
    plot.grab()
    plot.panes.easel.finish()
    before = dict(drawing.paths)
    changed = tracks((10.0, 55.0))
    plot.show_points(None, ["b"], shown=changed, labels=changed)
    plot.panes.easel.finish()
    assert drawing.paths[0] is before[0]
    assert drawing.paths[1] is not before[1]


def test_changes_are_painted_once_and_one_plot_a_turn(plot, monkeypatch) -> None:
    from napari_usstrack.widgets.trace_paint import Drawing

    painted: list[Drawing] = []
    draw = Drawing._draw

    def noted(self, painter) -> None:
        painted.append(self)
        draw(self, painter)

    plot.tools.fit.setChecked(False)
    plot.grab()
    plot.panes.easel.finish()
    monkeypatch.setattr(Drawing, "_draw", noted)
    plot.select(["a"])
    plot.flag([(2, "b")])
    plot.grab()
    assert painted == []
    plot.panes.easel.paint_one()
    assert len(painted) == 1
    plot.panes.easel.finish()
    shown = [pane.drawing for pane in plot.panes]
    assert painted == shown
    plot.grab()
    assert painted == shown


def test_another_stretch_of_time_is_painted_at_once(plot) -> None:
    plot.grab()
    plot.panes.easel.finish()
    drawing = plot.panes.all["x"].drawing
    before = drawing._picture
    plot.panes.set_span(0.2, 0.6)
    plot.grab()
    assert drawing._picture is not before


def test_a_change_reaches_the_screen_without_being_asked(plot, qtbot) -> None:
    plot.grab()
    plot.panes.easel.finish()
    drawing = plot.panes.all["x"].drawing
    before = drawing._picture.toImage()
    plot.select(["a"])
    qtbot.waitUntil(lambda: drawing._picture.toImage() != before)


def test_cursor_rests_while_playing(plot, qtbot) -> None:
    cursor = plot.panes.all["x"].cursor
    plot.playing = True
    plot.follow(5)
    qtbot.wait(80)
    assert cursor.value() == 0
    plot.playing = False
    qtbot.waitUntil(lambda: cursor.value() == pytest.approx(0.9))


def test_exports(plot, tmp_path) -> None:
    plot.export(tmp_path / "a.png")
    plot.export(tmp_path / "a.svg")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    with pytest.raises(ValueError, match="png"):
        plot.export(tmp_path / "a.bmp")


def test_timers_stop_on_close(plot) -> None:
    plot.follow(3)
    plot.close()
    assert not plot._drawing.timer.isActive()


def test_nothing_keeps_a_closed_plot_alive(qtbot) -> None:
    from napari_usstrack.widgets.trace_plot import TracePlot

    plot = TracePlot()
    plot.show_tracks(tracks(), labels=tracks())
    plot.close()
    gone = weakref.ref(plot)
    del plot
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(("height", "most"), [(30.0, 2), (200.0, 20)])
def test_numbers_at_a_low_axis_keep_apart(qtbot, height, most) -> None:
    from qtpy.QtGui import QFont

    from napari_usstrack.widgets.trace_pane import ValueAxis

    axis = ValueAxis("left")
    font = QFont()
    font.setPixelSize(12)
    axis.setTickFont(font)
    for low, high in ((0.0, 1.0), (230.0, 410.0), (-3.0, 17.0), (0.0, 0.023)):
        ((spacing, _),) = axis.tickSpacing(low, high, height)
        assert f"{spacing:.6e}"[:4] in ("1.00", "2.00", "5.00")
        assert (high - low) / spacing <= most


def test_many_plots_save_the_room_of_the_time_axis_name_but_not_in_an_export(plot) -> None:
    panes = plot.panes
    assert panes.time.label.isVisible()
    for box in plot.tools.boxes.values():
        box.setChecked(True)
    assert not panes.time.label.isVisible()
    low = panes.time.minimumHeight()
    panes.set_vector(True)
    assert panes.time.label.isVisible()
    assert panes.time.minimumHeight() > low
    panes.set_vector(False)
    assert not panes.time.label.isVisible()
