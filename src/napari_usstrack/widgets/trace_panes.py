"""The plots of the quantities, one above the other on one time axis."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

import pyqtgraph as pg
from psygnal import Signal
from qtpy.QtCore import QObject, QPointF, QTimer
from qtpy.QtGui import QFont, QFontMetrics, QPalette

from napari_usstrack.widgets.trace_data import QUANTITIES, Floats
from napari_usstrack.widgets.trace_paint import Content, Drawing, Look
from napari_usstrack.widgets.trace_pane import AXIS_WIDTH, NAME_WIDTH, Mouse, Pane

BETWEEN_MS = 8
ROOMY = 2
"""Most plots beside which there is room for the name of the time axis."""
NAMED, BARE = 2.9, 1.6
"""Height of the time axis with its name and without, in heights of the text."""
LEAST_FRAMES = 4
MARGIN = 0.01
SMALLER = 0.92


class Easel(QObject):
    """Repaints drawings that are out of date, one a turn of the event loop.

    Parameters
    ----------
    parent : QObject
        Ends with it.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._due: dict[Drawing, None] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.paint_one)

    def ask(self, drawing: Drawing) -> None:
        """Have a drawing repainted soon, once for all that is asked before."""
        self._due[drawing] = None
        if not self._timer.isActive():
            self._timer.start(BETWEEN_MS)

    def paint_one(self) -> None:
        """Repaint the drawing that waited longest."""
        if self._due:
            drawing = next(iter(self._due))
            del self._due[drawing]
            drawing.repaint()
        if self._due:
            self._timer.start(BETWEEN_MS)

    def finish(self) -> None:
        """Repaint all that is due, now."""
        while self._due:
            self.paint_one()
        self._timer.stop()

    def stop(self) -> None:
        """Forget what is due."""
        self._due.clear()
        self._timer.stop()


class Panes(pg.GraphicsLayoutWidget):
    """Stacked plots with one time axis.

    Parameters
    ----------
    content : Content
        What all plots share.
    mouse : Mouse
        Told of clicks and drags in any plot.
    """

    spanned = Signal()

    def __init__(self, content: Content, mouse: Mouse) -> None:
        super().__init__()
        self.content = content
        self.shown: tuple[str, ...] = ()
        mouse = Mouse(mouse.clicked, mouse.dragged, self._spanned)
        self.easel = Easel(self)
        self.all = {name: Pane(name, content, mouse, self.easel.ask) for name in QUANTITIES}
        self.time = pg.AxisItem("bottom", maxTickLength=-4)
        self.time.enableAutoSIPrefix(False)
        self.time.setStyle(maxTickLevel=0)
        self.legend = pg.LabelItem(justify="left")
        self._text_px = 0
        self._linking = False
        self._whole = self._span = (0.0, 1.0)
        self.ci.layout.setContentsMargins(2, 4, 8, 3)
        self.ci.layout.setVerticalSpacing(5)
        self.ci.layout.setHorizontalSpacing(0)
        self._place()

    def __iter__(self) -> Iterator[Pane]:
        return iter([self.all[name] for name in self.shown])

    def arrange(self, quantities: tuple[str, ...]) -> None:
        """Stack the plots of these quantities."""
        if quantities == self.shown:
            return
        self.shown = quantities
        grid = self.ci.layout
        for row, (name, pane) in enumerate(self.all.items(), 1):
            on = name in quantities
            for item in (pane.name, pane.axis, pane.box):
                item.setVisible(on)
                item.setMinimumHeight(0)
                item.setMaximumHeight(10_000 if on else 0)
            grid.setRowStretchFactor(row, int(on))
            grid.setRowMinimumHeight(row, 0)
            grid.setRowMaximumHeight(row, 10_000 if on else 0)
            grid.setRowSpacing(row, 5 if on else 0)
        self._name_time(len(quantities) <= ROOMY)
        if quantities:
            self.time.linkToView(self.all[quantities[-1]].box)
        for pane in self:
            pane.span(*self._span)

    def _place(self) -> None:
        for row, pane in enumerate(self.all.values(), 1):
            for column, item in enumerate((pane.name, pane.axis, pane.box)):
                self.ci.addItem(item, row, column)
        self.ci.addItem(self.time, len(self.all) + 1, 2)
        self.ci.layout.setColumnStretchFactor(2, 1)
        self.ci.layout.setColumnFixedWidth(0, NAME_WIDTH)
        self.ci.layout.setColumnFixedWidth(1, AXIS_WIDTH)

    def set_whole(self, times: Floats) -> None:
        """Show the whole clip, from its first to its last frame."""
        first, last = float(times[0]), float(times[-1])
        air = MARGIN * (last - first) or 0.5
        self._whole = (first - air, last + air)
        step = (last - first) / max(len(times) - 1, 1)
        for pane in self.all.values():
            pane.box.setLimits(
                xMin=first - air, xMax=last + air, minXRange=min(LEAST_FRAMES * step, 2 * air) or 1
            )
        self.show_whole()

    def show_whole(self) -> None:
        """Show the whole clip and all values."""
        for pane in self.all.values():
            pane.box.own_y = False
        self.set_span(*self._whole)

    def set_span(self, low: float, high: float) -> None:
        """Show this stretch of time in all plots."""
        self._span = (low, high)
        self._linking = True
        for pane in self.all.values():
            pane.span(low, high)
        self._linking = False
        self.spanned.emit()

    @property
    def span(self) -> tuple[float, float]:
        """Stretch of time shown."""
        return self._span

    def reach(self, time: float) -> None:
        """Move on so that this time is in view."""
        low, high = self._span
        if low <= time <= high:
            return
        width = high - low
        start = time - 0.1 * width if time > high else time - 0.9 * width
        start = min(max(start, self._whole[0]), max(self._whole[1] - width, self._whole[0]))
        self.set_span(start, start + width)

    def fit(self, columns: list[int]) -> None:
        """Stretch the value axes to these points."""
        for pane in self:
            pane.fit(columns)

    def fit_later(self, columns: list[int]) -> None:
        """Stretch the value axes to these points as each plot is repainted."""
        for pane in self:
            pane.drawing.refit = partial(pane.fit, columns)
            pane.drawing.restyle()

    def show_interval(self, ends: tuple[float, float] | None) -> None:
        """Shade a stretch of time in all plots."""
        for pane in self.all.values():
            pane.show_interval(ends)

    def at(self, scene: QPointF) -> Pane | None:
        """Plot at a place of the scene."""
        for pane in self:
            if pane.box.sceneBoundingRect().contains(scene):
                return pane
        return None

    def time_at(self, scene: QPointF) -> float:
        """Time at a place of the scene."""
        pane = self.all[self.shown[0]]
        return float(pane.box.mapSceneToView(scene).x())

    def dress(self, palette: QPalette, font: QFont) -> None:
        """Take the colours and the font of the theme."""
        look = Look(
            palette.color(QPalette.ColorRole.Window).name(),
            palette.color(QPalette.ColorRole.WindowText).name(),
        )
        self.content.look = look
        self.setBackground(look.background)
        self.time.setPen(look.faint(90))
        self.time.setTextPen(look.text)
        self.time.setTickFont(smaller(font))
        self._text_px = QFontMetrics(font).height()
        self._name_time(len(self.shown) <= ROOMY)
        for pane in self.all.values():
            pane.dress(look, smaller(font))

    def entitle(self, units: dict[str, str], time: str, font: QFont) -> None:
        """Name the axes."""
        lines = 2 if len(self.shown) <= ROOMY else 1
        for name, pane in self.all.items():
            pane.entitle(units[name], self.content.look, smaller(font), lines=lines)
        style = {"color": self.content.look.text, "font-size": f"{smaller(font).pointSizeF():g}pt"}
        self.time.setLabel(time, **style)
        self._name_time(len(self.shown) <= ROOMY)

    def _name_time(self, on: bool) -> None:
        """Write what the time axis shows below it, or save the room: the tools say it, too."""
        self.time.showLabel(on)
        self.time.setHeight(int((NAMED if on else BARE) * self._text_px))

    def set_vector(self, on: bool, named: Collection[tuple[str, str]] = ()) -> None:
        """Draw lines instead of pictures of lines, under a legend, for an export."""
        for pane in self.all.values():
            pane.drawing.set_vector(on)
        if on and named:
            words = "&nbsp;&nbsp; ".join(
                f'<span style="color: {colour}">{name}</span>' for name, colour in named
            )
            self.legend.setText(words)
            self.ci.addItem(self.legend, 0, 2)
        elif self.legend in self.ci.items:
            self.ci.removeItem(self.legend)
        self._name_time(on or len(self.shown) <= ROOMY)
        self.ci.layout.activate()

    def _spanned(self, box: pg.ViewBox) -> None:
        if not self._linking and any(pane.box is box for pane in self):
            self.set_span(*box.viewRange()[0])


def smaller(font: QFont) -> QFont:
    """Font for ticks and names."""
    out = QFont(font)
    if font.pointSizeF() > 0:
        out.setPointSizeF(max(SMALLER * font.pointSizeF(), 7.0))
    else:
        out.setPointSizeF(8.0)
    return out
