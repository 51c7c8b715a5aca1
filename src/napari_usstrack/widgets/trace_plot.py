"""Traces of the points over time: a pure view that knows no session and no viewer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from napari_usstrack.core.tracks import Tracks
from napari_usstrack.widgets.trace_data import (
    QUANTITIES,
    Curves,
    interval_at,
    matched,
    nearest_frame,
    place,
    readable,
    said,
    same_times,
    time_axis,
    unit,
)
from napari_usstrack.widgets.trace_export import ask_name, save
from napari_usstrack.widgets.trace_paint import Content
from napari_usstrack.widgets.trace_pane import GRAB_PX, SHIFT, Mouse
from napari_usstrack.widgets.trace_panes import Panes
from napari_usstrack.widgets.trace_tools import Beat, Legend, TraceTools

NOTHING_YET = "No tracks yet. Add a point and place it in the picture, or run a method."
HOVER_PX = 14
MOST_NAMED = 12
CONTROL = Qt.KeyboardModifier.ControlModifier


class TracePlot(QWidget):
    """Position, speed and confidence of points against time.

    Left button: seek; with Shift: select an interval; on a curve: select it.

    Attributes
    ----------
    seek : Signal
        Frame wanted, at most 30 times a second.
    selected : Signal
        Tuple of the names of the points chosen.
    interval_changed : Signal
        Range of frames, or None, after the user changed it.
    """

    seek = Signal(int)
    selected = Signal(tuple)
    interval_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._built = False
        self.content = Content()
        self.tools = TraceTools()
        self.legend = Legend()
        self.panes = Panes(self.content, Mouse(self._clicked, self._dragged, lambda _: None))
        self._curves: Curves | None = None
        self._reference: Tracks | None = None
        self._preview: Tracks | None = None
        self._hidden: frozenset[str] = frozenset()
        self._chosen: tuple[str, ...] = ()
        self._flags: tuple[tuple[int, str], ...] = ()
        self._interval: range | None = None
        self._grip: float | None = None
        self._frame = self._wanted = 0
        self._playing = False
        self._hover: QPointF | None = None
        self._seeking = Beat(self._send_seek, self)
        self._drawing = Beat(self._catch_up, self)
        self._reading = Beat(self._read_out, self)
        self._lay_out()
        self._connect()
        self._built = True
        self._dress()
        self.empty(NOTHING_YET)

    @property
    def playing(self) -> bool:
        """Whether the clip is being played; the cursor rests until it stops."""
        return self._playing

    @playing.setter
    def playing(self, on: bool) -> None:
        self._playing = on
        if not on:
            self._drawing.ask()

    @property
    def interval(self) -> range | None:
        """Frames selected, or None; setting it emits nothing."""
        return self._interval

    @interval.setter
    def interval(self, frames: range | None) -> None:
        self._interval = frames if frames else None
        self._show_interval()

    def show_tracks(
        self, shown: Tracks, *, labels: Tracks, reference: Tracks | None = None
    ) -> None:
        """Show other tracks; the stretch of time in view stays while the clip does.

        Parameters
        ----------
        shown : Tracks
            The curves: labels over proposals over a run.
        labels : Tracks
            What a person set: dots and crosses.
        reference : Tracks, optional
            A second set, drawn dashed where it has points of the same names.
        """
        if not shown.points:
            self.empty(NOTHING_YET)
            return
        before = self._curves
        self._curves = Curves.of(shown, labels)
        self._reference = reference
        self._pages.setCurrentIndex(1)
        self.tools.setEnabled(True)
        self.tools.offer_seconds(shown.video.calibration.times_s is not None)
        self.legend.offer(shown.points)
        same = before is not None and same_times(before.shown.video, shown.video)
        if not same:
            self._interval = None
            self._frame = min(self._frame, shown.video.frame_count - 1)
        self._show_axes(whole=not same)

    def show_preview(self, preview: Tracks | None) -> None:
        """Draw points as they would come out over the curves; None takes that away."""
        self._preview = preview
        if self._curves is not None:
            info, names = self._curves.shown.video, self._curves.shown.names
            for pane in self.panes:
                pane.drawing.show_preview(matched(preview, pane.quantity, names, info))

    def show_points(
        self, frames: range | None, names: Collection[str], *, shown: Tracks, labels: Tracks
    ) -> None:
        """Show changed cells: like `show_tracks`, but only the named points are redone."""
        if self._curves is None or not self._curves.fits(shown):
            self.show_tracks(shown, labels=labels, reference=self._reference)
            return
        columns = self._curves.renew(shown, labels, names)
        self.content.origin = self._curves.origin
        for pane in self.panes:
            pane.drawing.renew(self._curves.table(pane.quantity), columns)
        self.panes.fit_later(self._fitted)

    def follow(self, frame: int) -> None:
        """Move the cursor, soon."""
        self._frame = frame
        if not self._playing:
            self._drawing.ask()

    def select(self, names: Sequence[str]) -> None:
        """Draw these points bold and on top; emits nothing."""
        if tuple(names) != self._chosen:
            self._chosen = tuple(names)
            self._restyle()

    def hide_points(self, names: Collection[str]) -> None:
        """Leave these points out."""
        self._hidden = frozenset(names)
        self._restyle()

    def flag(self, flags: Sequence[tuple[int, str]]) -> None:
        """Put red triangles on these (frame, point name) cells."""
        self._flags = tuple(flags)
        self._restyle()

    def mark(self, frames: Iterable[int]) -> None:
        """Tick these frames of interest at the upper edges."""
        self.content.marks = sorted(frames)
        self._redraw()

    def export(self, path: str | Path) -> None:
        """Save the plots as ``.png`` or ``.svg``; names stand above up to 12 points."""
        points = self._curves.shown.points if self._curves else ()
        columns = self.content.chosen or self.content.shown
        behind = self.content.look.background
        named = [(points[c].name, readable(points[c].colour, behind)) for c in columns]
        self.panes.set_vector(True, named if len(named) <= MOST_NAMED else ())
        try:
            save(self.panes, path)
        finally:
            self.panes.set_vector(False)

    def empty(self, text: str) -> None:
        """Show no curves but this sentence, which says what to do next."""
        self._curves = None
        self._interval = None
        self._seeking.stop()
        self._sentence.setText(text)
        self._pages.setCurrentIndex(0)
        self.tools.read_out.clear()
        self.tools.setEnabled(False)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and self._built:
            self._dress()

    def closeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Stop the timers."""
        for beat in (self._seeking, self._drawing, self._reading):
            beat.stop()
        self.panes.easel.stop()
        super().closeEvent(event)

    def _lay_out(self) -> None:
        self._sentence = QLabel()
        self._sentence.setWordWrap(True)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        plots = QWidget()
        row = QHBoxLayout(plots)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.panes, 1)
        row.addWidget(self.legend)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._sentence)
        self._pages.addWidget(plots)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.setSpacing(2)
        column.addWidget(self.tools)
        column.addWidget(self._pages, 1)

    def _connect(self) -> None:
        self.tools.changed.connect(self._tools_changed)
        self.tools.whole_clip.connect(self.panes.show_whole)
        self.tools.clear_interval.connect(lambda: self._choose_interval(None))
        self.tools.export_wanted.connect(self._ask_export)
        self.legend.picked.connect(self._pick)
        self.panes.spanned.connect(self._fit)
        self.panes.scene().sigMouseMoved.connect(self._hovered)
        for pane in self.panes.all.values():
            for line in pane.region.lines:
                line.sigDragged.connect(self._end_moved)
                line.sigPositionChangeFinished.connect(self._end_dropped)

    def _dress(self) -> None:
        self.panes.dress(self.palette(), self.font())
        self._entitle()

    def _entitle(self) -> None:
        if self._curves is not None:
            info = self._curves.shown.video
            time = "time (s)" if self.tools.in_seconds else "frame"
            self.panes.entitle({q: unit(info, q) for q in QUANTITIES}, time, self.font())

    def _tools_changed(self) -> None:
        if self._curves is None:
            return
        times = time_axis(self._curves.shown.video, self.tools.in_seconds)
        moved = times is not self.content.times and not np.array_equal(times, self.content.times)
        before = self.content.times
        ends = [nearest_frame(before, at) for at in self.panes.span] if moved else None
        self._show_axes(whole=moved)
        if ends is not None and (ends[0] > 0 or ends[1] < len(times) - 1):
            self.panes.set_span(float(times[ends[0]]), float(times[ends[1]]))

    def _show_axes(self, whole: bool) -> None:
        assert self._curves is not None
        info, names = self._curves.shown.video, self._curves.shown.names
        self.content.times = time_axis(info, self.tools.in_seconds)
        self.content.origin = self._curves.origin
        self.content.colours = [point.colour for point in self._curves.shown.points]
        self.panes.arrange(self.tools.quantities)
        for pane in self.panes:
            table = self._curves.table(pane.quantity)
            pane.drawing.show_table(table, matched(self._reference, pane.quantity, names, info))
            pane.drawing.show_preview(matched(self._preview, pane.quantity, names, info))
        self._restyle(fit=False)
        self._entitle()
        if whole:
            self.panes.set_whole(self.content.times)
        else:
            self.panes.fit_later(self._fitted)
        self._show_interval()
        self._catch_up()

    def _restyle(self, fit: bool = True) -> None:
        if self._curves is None:
            return
        names = self._curves.shown.names
        column = {name: i for i, name in enumerate(names) if name not in self._hidden}
        self.content.shown = list(column.values())
        self.content.chosen = [column[name] for name in self._chosen if name in column]
        frames = len(self.content.times)
        self.content.flags = [
            (at, column[name]) for at, name in self._flags if name in column and 0 <= at < frames
        ]
        self.legend.show_state(self._chosen, self._hidden)
        if fit:
            self.panes.fit_later(self._fitted)
        else:
            self._redraw()

    def _redraw(self) -> None:
        for pane in self.panes:
            pane.drawing.restyle()

    def _fit(self) -> None:
        self.panes.fit(self._fitted)

    @property
    def _fitted(self) -> list[int]:
        chosen = self.content.chosen if self.tools.fit.isChecked() else []
        return chosen or self.content.shown

    def _catch_up(self) -> None:
        if self._curves is None or self._playing:
            return
        time = float(self.content.times[np.clip(self._frame, 0, len(self.content.times) - 1)])
        self.panes.reach(time)
        for pane in self.panes:
            pane.cursor.setValue(time)
        if self._hover is None:
            self._read_out()

    def _clicked(self, event: Any) -> None:
        if self._curves is None:
            return
        if event.double():
            self.panes.show_whole()
            return
        pane = self.panes.at(event.scenePos())
        near = pane.nearest(event.scenePos()) if pane else None
        if near is not None and near[1] <= GRAB_PX:
            name = self._curves.shown.names[near[0]]
            others = self._chosen if event.modifiers() & CONTROL else ()
            self._pick((*(n for n in others if n != name), *(() if name in others else (name,))))
        self._want(nearest_frame(self.content.times, self.panes.time_at(event.scenePos())))

    def _dragged(self, event: Any) -> None:
        if self._curves is None:
            return
        at = self.panes.time_at(event.scenePos())
        if event.isStart():
            start = self.panes.time_at(event.buttonDownScenePos())
            self._grip = start if event.modifiers() & SHIFT else None
        if self._grip is None:
            self._want(nearest_frame(self.content.times, at))
            return
        self.interval = interval_at(self.content.times, self._grip, at)
        self._hovered(event.scenePos())
        if event.isFinish():
            self.interval_changed.emit(self._interval)

    def _want(self, frame: int) -> None:
        self._wanted = frame
        self.follow(frame)
        self._seeking.ask()

    def _send_seek(self) -> None:
        self.seek.emit(self._wanted)

    def _pick(self, names: tuple[str, ...]) -> None:
        self.select(names)
        self.selected.emit(names)

    def _choose_interval(self, frames: range | None) -> None:
        if frames != self._interval:
            self.interval = frames
            self.interval_changed.emit(self._interval)

    def _show_interval(self) -> None:
        frames, times = self._interval, self.content.times
        ends = None
        if frames is not None:
            ends = (float(times[frames.start]), float(times[min(frames.stop, len(times)) - 1]))
        self.panes.show_interval(ends)
        self.tools.clear.setEnabled(ends is not None)

    def _end_moved(self, line: Any) -> None:
        low, high = line.parentItem().getRegion()
        self.interval = interval_at(self.content.times, low, high)
        self._reading.ask()

    def _end_dropped(self, line: Any) -> None:
        if not line.moving:
            self.interval_changed.emit(self._interval)

    def _hovered(self, scene: QPointF) -> None:
        self._hover = QPointF(scene)
        self._reading.ask()

    def _read_out(self) -> None:
        if self._curves is None:
            return
        shown, frame, word = self._curves.shown, self._frame, ""
        pane = self.panes.at(self._hover) if self._hover is not None else None
        if pane is not None and self._hover is not None:
            frame = nearest_frame(self.content.times, self.panes.time_at(self._hover))
            near = pane.nearest(self._hover)
            if near is not None and near[1] <= HOVER_PX:
                name = shown.names[near[0]]
                value = pane.value(frame, near[0])
                word = said(name, pane.quantity, value, unit(shown.video, pane.quantity))
        self.tools.read_out.setText(place(shown.video, frame, self._interval) + word)

    def _ask_export(self) -> None:
        path = ask_name(self)
        if path:
            self.export(path)
