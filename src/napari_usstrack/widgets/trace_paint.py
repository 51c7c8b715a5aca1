"""Curves, anchors, flags and ticks of one plot, painted once and kept as a picture.

Moving the cursor over the plot then costs one copy of pixels, however many
points and frames there are. Where only the content changed, the former picture
stays until the new one is made, one plot a turn of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QWidget

from napari_usstrack.core.tracks import Source
from napari_usstrack.widgets.trace_data import Floats, in_window, lone, readable, thinned

MOST_DOTS = 2_000
MOST_SMOOTH = 10_000
MOST_BOLD = 4
MANUAL_PX, ACCEPTED_PX, ABSENT_PX, FLAG_PX, MARK_PX = 6.5, 3.5, 3.5, 5.0, 8.0
ALL, CHOSEN, OTHERS, REFERENCE = 235, 255, 60, 110
PREVIEW_PX = 1.5
BOLD = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
RED = "#ff3b30"
FAR = 1e4


@dataclass
class Look:
    """Colours of the theme."""

    background: str = "#262930"
    text: str = "#f0f1f2"

    def faint(self, alpha: int) -> QColor:
        """Text colour, translucent."""
        colour = QColor(self.text)
        colour.setAlpha(alpha)
        return colour


@dataclass
class Content:
    """What the plots of all quantities share.

    Attributes
    ----------
    times : ndarray, shape (frames,)
        Place of each frame on the time axis.
    origin : uint8 ndarray, shape (frames, points)
        A person's cells as `Source`.
    colours : list of str
        One a point.
    shown, chosen : list of int
        Columns that are not hidden, and those of them that are selected.
    flags : list of (int, int)
        Frame and column of cells to check.
    marks : list of int
        Frames of interest.
    """

    times: Floats = field(default_factory=lambda: np.zeros(1))
    origin: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 0), np.uint8))
    colours: list[str] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    flags: list[tuple[int, int]] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    look: Look = field(default_factory=Look)


class Drawing(pg.GraphicsObject):
    """Everything in a plot that does not move with the cursor.

    Parameters
    ----------
    box : pyqtgraph.ViewBox
        The plot; the drawing lies in its pixels.
    content : Content
        Shared by all plots, changed by their owner.
    later : callable
        Asked to call `repaint` soon.
    """

    def __init__(
        self, box: pg.ViewBox, content: Content, later: Callable[[Drawing], object]
    ) -> None:
        super().__init__(box)
        self.setZValue(-10)
        self.vector = False
        self.table: Floats = np.zeros((1, 0))
        self.reference: Floats = np.zeros((1, 0))
        self.preview: Floats = np.zeros((1, 0))
        self._box = box
        self._content = content
        self._later = later
        self._key: tuple = ()
        self._picture: QPixmap | None = None
        self._picture_key: tuple = ()
        self.refit: Callable[[], object] | None = None
        self._shown = False
        self._ratio = 1.0
        self.paths: dict[int, QPainterPath] = {}
        self._reference_paths: dict[int, QPainterPath] = {}
        self._preview_paths: dict[int, QPainterPath] = {}
        box.sigResized.connect(self._resized)
        box.sigRangeChanged.connect(self._moved)

    def show_table(self, table: Floats, reference: Floats) -> None:
        """Draw these values, shape (frames, points); `reference` may hold no points."""
        self.table, self.reference = table, reference
        self.paths.clear()
        self._reference_paths.clear()
        self.restyle()

    def show_preview(self, preview: Floats) -> None:
        """Draw these values on top, in the colour of text; they may hold no points."""
        if preview.shape[1] or self.preview.shape[1]:
            self.preview = preview
            self._preview_paths.clear()
            self.restyle()

    def renew(self, table: Floats, columns: Iterable[int]) -> None:
        """Take new values of some points."""
        self.table = table
        for column in columns:
            self.paths.pop(column, None)
        self.restyle()

    def restyle(self, *_: object) -> None:
        """Draw again soon: values, colours, selection or ticks changed."""
        if self.vector:
            self.update()
        else:
            self._later(self)

    def repaint(self) -> None:
        """Draw again now, stretched as was asked for with `refit`."""
        refit, self.refit = self.refit, None
        if refit is not None:
            refit()
        self._picture = None
        if self.isVisible():
            self._picture = self._painted(self._ratio)
        self.update()

    def set_vector(self, on: bool) -> None:
        """Draw lines cut at the edges instead of a picture: for files that cannot clip."""
        self.vector = on
        self._key = ()
        self.restyle()

    def boundingRect(self) -> QRectF:  # noqa: N802
        """Pixels of the plot."""
        return self._box.rect()

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        """Copy the picture, made anew where it is out of date."""
        if self.vector:
            self._draw(painter)
            return
        self._ratio = painter.device().devicePixelRatioF()
        if self._picture is None and not self._shown:
            self._later(self)
            return
        if self._picture is None or self._picture_key != (self._range_key(), self._ratio):
            self._picture = self._painted(self._ratio)
        painter.drawPixmap(0, 0, self._picture)

    def across(self, times: Floats) -> Floats:
        """Horizontal pixels of places on the time axis."""
        low, high = self._box.viewRange()[0]
        return (times - low) * (self._box.width() / ((high - low) or 1.0))

    def down(self, values: Floats) -> Floats:
        """Vertical pixels of values."""
        low, high = self._box.viewRange()[1]
        share = (values - low) / ((high - low) or 1.0)
        if not self._box.yInverted():
            share = 1.0 - share
        return np.clip(share * self._box.height(), -FAR, FAR)

    def _resized(self, *_: object) -> None:
        self.prepareGeometryChange()
        self._moved()

    def _moved(self, *_: object) -> None:
        """Draw with the next paint: what lies where changed."""
        self.update()

    def _painted(self, ratio: float) -> QPixmap:
        self._shown = True
        self._picture_key = (self._range_key(), ratio)
        size = self._box.size()
        picture = QPixmap(
            max(int(np.ceil(size.width() * ratio)), 1), max(int(np.ceil(size.height() * ratio)), 1)
        )
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        self._draw(painter)
        painter.end()
        return picture

    def _draw(self, painter: QPainter) -> None:
        self._forget_old_range()
        span = in_window(self._content.times, *self._box.viewRange()[0])
        few = (span.stop - span.start) * len(self._content.shown) <= MOST_SMOOTH
        self._draw_marks(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, few or self.vector)
        self._draw_curves(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        origin = self._content.origin[span]
        for column in self._ticked(origin):
            self._draw_ticks(painter, column, origin[:, column], span.start)
        self._draw_flags(painter, span)

    def _forget_old_range(self) -> None:
        key = self._range_key()
        if key != self._key:
            self._key = key
            self.paths.clear()
            self._reference_paths.clear()
            self._preview_paths.clear()

    def _range_key(self) -> tuple:
        (left, right), (low, high) = self._box.viewRange()
        return left, right, low, high, self._box.width(), self._box.height()

    def _ticked(self, origin: NDArray[np.uint8]) -> Sequence[int]:
        """Columns whose anchors are drawn: all, else the selected ones, else none."""
        for columns in (self._content.shown, self._content.chosen):
            hand = np.isin(origin[:, columns], (Source.MANUAL, Source.ACCEPTED))
            if int(np.count_nonzero(hand)) <= MOST_DOTS:
                return columns
        return ()

    def _colour(self, column: int) -> QColor:
        content = self._content
        return QColor(readable(content.colours[column], content.look.background))

    def _draw_curves(self, painter: QPainter) -> None:
        chosen = set(self._content.chosen)
        columns = self._content.shown
        if self.reference.shape[1]:
            for column in columns:
                path = self._path(column, self.reference, self._reference_paths)
                self._stroke(painter, path, column, REFERENCE, Qt.PenStyle.DashLine)
        for column in columns:
            if column not in chosen:
                path = self._path(column, self.table, self.paths)
                self._stroke(painter, path, column, OTHERS if chosen else ALL)
        for column in self._content.chosen:
            path = self._path(column, self.table, self.paths)
            for right, down in BOLD if len(chosen) <= MOST_BOLD else ((0.0, 0.0),):
                painter.translate(right, down)
                self._stroke(painter, path, column, CHOSEN)
                painter.translate(-right, -down)
        if self.preview.shape[1]:
            painter.setPen(QPen(QColor(self._content.look.text), PREVIEW_PX))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for column in columns:
                painter.drawPath(self._path(column, self.preview, self._preview_paths))

    def _stroke(
        self,
        painter: QPainter,
        path: QPainterPath,
        column: int,
        alpha: int,
        style: Qt.PenStyle = Qt.PenStyle.SolidLine,
    ) -> None:
        colour = self._colour(column)
        colour.setAlpha(alpha)
        pen = QPen(colour, 1.0, style)
        pen.setCosmetic(True)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _path(self, column: int, table: Floats, kept: dict[int, QPainterPath]) -> QPainterPath:
        if column not in kept:
            times = self._content.times
            span = in_window(times, *self._box.viewRange()[0])
            x, y = thinned(
                self.across(times[span]), table[span, column], max(int(self._box.width()), 1)
            )
            twice = 1 + lone(y)
            x, y = np.repeat(x, twice), np.repeat(y, twice)
            x[np.cumsum(twice)[twice == 2] - 1] += 0.8
            down = self.down(y)
            if self.vector:
                inside = (down >= 0) & (down <= self._box.height())
                down[~(inside & (x >= 0) & (x <= self._box.width()))] = np.nan
            kept[column] = pg.arrayToQPath(x, down, connect="finite")
        return kept[column]

    def _draw_ticks(
        self, painter: QPainter, column: int, origin: NDArray[np.uint8], start: int
    ) -> None:
        if not origin.any():
            return
        by_source = {
            source: np.flatnonzero(origin == source) + start
            for source in (Source.ACCEPTED, Source.MANUAL, Source.ABSENT)
        }
        colour = self._colour(column)
        if self._content.chosen and column not in self._content.chosen:
            colour.setAlpha(2 * OTHERS)
        for source, size in ((Source.ACCEPTED, ACCEPTED_PX), (Source.MANUAL, MANUAL_PX)):
            if not by_source[source].size:
                continue
            places = self._places(by_source[source], column)
            if source == Source.MANUAL:
                _dots(painter, places, QColor(self._content.look.background), size + 2)
            _dots(painter, places, colour, size)
        if by_source[Source.ABSENT].size:
            self._draw_absent(painter, by_source[Source.ABSENT], colour)

    def _places(self, frames: NDArray[np.intp], column: int) -> Floats:
        x = self.across(self._content.times[frames])
        y = self.down(self.table[frames, column])
        places = np.column_stack([x, y])[~np.isnan(y)]
        if len(places) < MOST_DOTS:
            return places
        return places[np.unique(np.rint(places), axis=0, return_index=True)[1]]

    def _draw_absent(self, painter: QPainter, frames: NDArray[np.intp], colour: QColor) -> None:
        x = self.across(self._content.times[frames])
        x = x[np.unique(np.rint(x), return_index=True)[1]]
        half, y = ABSENT_PX, self._box.height() - ABSENT_PX - 1.5
        painter.setPen(QPen(colour, 1.5))
        for at in x.tolist():
            painter.drawLine(QLineF(at - half, y - half, at + half, y + half))
            painter.drawLine(QLineF(at - half, y + half, at + half, y - half))

    def _draw_flags(self, painter: QPainter, span: slice) -> None:
        shown = set(self._content.shown)
        painter.setPen(QPen(QColor(self._content.look.background), 1.0))
        painter.setBrush(QColor(RED))
        for x, y in self._pixels_once(
            (frame, column)
            for frame, column in self._content.flags
            if column in shown and span.start <= frame < span.stop
        ):
            corners = ((x, y - 1), (x - FLAG_PX, y - 9), (x + FLAG_PX, y - 9))
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))

    def _pixels_once(self, cells: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        found: Sequence[tuple[int, int]] = list(cells)
        if not found:
            return []
        frames, columns = np.array(found, dtype=np.intp).T
        x = self.across(self._content.times[frames])
        y = np.maximum(np.nan_to_num(self.down(self.table[frames, columns]), nan=10.0), 10.0)
        return list({(round(a), round(b)): None for a, b in zip(x, y, strict=True)})

    def _draw_marks(self, painter: QPainter) -> None:
        marks = [frame for frame in self._content.marks if frame < len(self._content.times)]
        x = np.unique(np.rint(self.across(self._content.times[marks])))
        painter.setPen(QPen(self._content.look.faint(150), 1.5))
        for at in x[(x >= 0) & (x <= self._box.width())].tolist():
            painter.drawLine(QLineF(at, 0, at, MARK_PX))


def _dots(painter: QPainter, places: Floats, colour: QColor, size: float) -> None:
    if len(places) == 0:
        return
    pen = QPen(colour, size)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPoints(QPolygonF([QPointF(x, y) for x, y in places.tolist()]))
