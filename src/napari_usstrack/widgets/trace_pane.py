"""One plot of the traces: a quantity of all points over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QFont, QFontMetrics

from napari_usstrack.widgets.trace_data import bounds, distances, in_window
from napari_usstrack.widgets.trace_paint import Content, Drawing, Look

NAME_WIDTH, AXIS_WIDTH = 74, 46
GRAB_PX = 6
APART = 1.1
"""Least distance of numbers at an axis, in heights of their text."""
WORDS = {"x": "x →", "y": "y ↓"}
LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier


@dataclass(frozen=True)
class Mouse:
    """Who is told of what the mouse does; positions are those of the scene."""

    clicked: Callable[[Any], object]
    dragged: Callable[[Any], object]
    spanned: Callable[[pg.ViewBox], object]


class TimeBox(pg.ViewBox):
    """Wheel and right drag zoom time only; left button belongs to the plot's owner."""

    def __init__(self, mouse: Mouse) -> None:
        super().__init__(enableMenu=False)
        self._mouse = mouse
        self.own_y = False
        self.disableAutoRange()
        self.sigXRangeChanged.connect(self._spanned)

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:  # noqa: N802
        """Zoom time, or values where the wheel turns over their axis."""
        self.own_y |= axis == 1
        super().wheelEvent(ev, axis=axis or 0)

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:  # noqa: N802
        """Hand on a left drag in the plot; others pan or zoom."""
        if axis is None and ev.button() == LEFT:
            ev.accept()
            self._mouse.dragged(ev)
            return
        self.own_y |= axis == 1
        super().mouseDragEvent(ev, axis=axis or 0)

    def mouseClickEvent(self, ev: Any) -> None:  # noqa: N802
        """Hand on a left click."""
        if ev.button() == LEFT:
            ev.accept()
            self._mouse.clicked(ev)

    def _spanned(self, *_: object) -> None:
        self._mouse.spanned(self)


class ValueAxis(pg.AxisItem):
    """An axis on the left whose numbers keep apart, however low it is."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
        """Give the spacing of its ticks, a round number, and where they begin."""
        levels = super().tickSpacing(low, high, size)
        if not levels:
            return levels
        spacing, offset = levels[0]
        font = self.style["tickFont"]
        least_px = APART * QFontMetrics(font).height() if font else 0.0
        while spacing / (high - low) * size < least_px and spacing < high - low:
            spacing *= 2.5 if f"{spacing:e}"[0] == "2" else 2.0
        return [(spacing, offset)]


class Pane:
    """Name, axis and box of one quantity, with cursor and interval.

    Parameters
    ----------
    quantity : str
        One of `trace_data.QUANTITIES`.
    content : Content
        What all plots share.
    mouse : Mouse
        Told of clicks and drags.
    later : callable
        Asked to have a drawing repainted soon.
    """

    def __init__(
        self,
        quantity: str,
        content: Content,
        mouse: Mouse,
        later: Callable[[Drawing], object],
    ) -> None:
        self.quantity = quantity
        self._content = content
        self.box = TimeBox(mouse)
        self.box.invertY(quantity == "y")
        self.name = pg.LabelItem(justify="left")
        self.name.setFixedWidth(NAME_WIDTH)
        self.axis = ValueAxis("left", linkView=self.box, maxTickLength=-4)
        self.axis.setWidth(AXIS_WIDTH)
        self.axis.enableAutoSIPrefix(False)
        self.axis.setStyle(maxTickLevel=0, hideOverlappingLabels=True)
        self.drawing = Drawing(self.box, content, later)
        self.cursor = pg.InfiniteLine(angle=90, movable=False)
        self.region = pg.LinearRegionItem(swapMode="sort")
        self.region.setMovable(False)
        for line in self.region.lines:
            line.setMovable(True)
        self.region.setVisible(False)
        for item in (self.region, self.cursor):
            self.box.addItem(item, ignoreBounds=True)
        self.cursor.setZValue(20)

    def dress(self, look: Look, font: QFont) -> None:
        """Take the colours of the theme."""
        self.axis.setPen(look.faint(90))
        self.axis.setTextPen(look.text)
        self.axis.setTickFont(font)
        self.box.setBorder(pg.mkPen(look.faint(50)))
        self.cursor.setPen(pg.mkPen(look.faint(230), width=1))
        self.region.setBrush(look.faint(28))
        self.region.setHoverBrush(look.faint(28))
        for line in self.region.lines:
            line.setPen(pg.mkPen(look.faint(170), width=1))
            line.setHoverPen(pg.mkPen(look.text, width=3))
        self.drawing.restyle()

    def entitle(self, unit: str, look: Look, font: QFont, *, lines: int = 2) -> None:
        """Name the quantity and its unit, on one line or on two."""
        word = WORDS.get(self.quantity, self.quantity)
        text = f"{word}{' ' if lines == 1 else '<br>'}{unit}" if unit else word
        self.name.setText(text, color=look.text, size=f"{font.pointSizeF():g}pt")

    def span(self, low: float, high: float) -> None:
        """Show this stretch of time."""
        self.box.setXRange(low, high, padding=0)

    def fit(self, columns: list[int]) -> None:
        """Show all values of these points in the stretch of time shown."""
        if self.box.own_y:
            return
        frames = in_window(self._content.times, *self.box.viewRange()[0])
        found = bounds(self.drawing.table[frames][:, columns])
        if self.quantity == "confidence":
            found = (-0.04, 1.04)
        if found is not None:
            self.box.setYRange(*found, padding=0)

    def show_interval(self, ends: tuple[float, float] | None) -> None:
        """Shade a stretch of time."""
        self.region.setVisible(ends is not None)
        if ends is not None:
            self.region.setRegion(ends)

    def nearest(self, scene: QPointF) -> tuple[int, float] | None:
        """Column of the curve nearest to a place of the scene and its distance in px."""
        content, drawing = self._content, self.drawing
        if not content.shown:
            return None
        at = self.box.mapFromScene(scene)
        low, high = (
            self.box.mapSceneToView(scene + QPointF(by, 0)).x() for by in (-GRAB_PX, GRAB_PX)
        )
        frames = in_window(content.times, low, high)
        x = drawing.across(content.times[frames])
        y = drawing.down(drawing.table[frames][:, content.shown])
        away = distances(x, y, (at.x(), at.y()))
        if content.chosen:
            away = away - 1e-3 * np.isin(content.shown, content.chosen)
        best = int(np.argmin(away))
        return content.shown[best], float(away[best])

    def value(self, frame: int, column: int) -> float:
        """Value of a point in a frame, NaN where it has none."""
        return float(self.drawing.table[frame, column])
