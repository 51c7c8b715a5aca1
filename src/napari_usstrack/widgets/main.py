"""The dock widget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton
from napari.layers import Image, Points
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.tables import write_tracks
from napari_usstrack.session import JobState, Runner
from napari_usstrack.widgets.clip_panel import ClipPanel
from napari_usstrack.widgets.points_panel import PointsPanel
from napari_usstrack.widgets.track_panel import TrackPanel
from napari_usstrack.widgets.workbench import Workbench
from napari_usstrack.widgets.workers import run_in_thread

if TYPE_CHECKING:
    from napari.components import ViewerModel

RUN = "track"
HINT = "Press Add points, then click on the tissue."


class UsstrackDock(Container):
    """Points on a clip, tracked.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer the dock sits in.
    runner : Runner
        Where jobs run; a thread by default.
    """

    def __init__(self, napari_viewer: ViewerModel, runner: Runner = run_in_thread) -> None:
        self.clip = ClipPanel()
        self.points = PointsPanel()
        self.tracking = TrackPanel()
        self.undo = _button("Undo", "Take the last change back (Ctrl+Z)")
        self.redo = _button("Redo", "Do it again (Ctrl+Shift+Z)")
        self.save = _button("Save project", "Labels and tracks, beside the clip")
        self.export = _button("Export CSV", "Tracks as a table, one row per frame and point")
        rows = [[self.undo, self.redo], [self.save, self.export]]
        super().__init__(
            widgets=[self.clip, self.points, self.tracking, *(_row(*row) for row in rows)],
            labels=False,
        )
        self._viewer = napari_viewer
        self._runner = runner
        self._benches: dict[int, Workbench] = {}
        self.bench: Workbench | None = None
        self._connect()
        self._use_image()

    def close_benches(self) -> None:
        """Cancel work, give projects back and stop listening to the viewer."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()
        self.bench = None

    def _connect(self) -> None:
        guarded = self._guarded
        self.clip.image.changed.connect(self._use_image)
        self.clip.time_axis.changed.connect(self._use_axis)
        self.points.adding.connect(guarded(self._add_points))
        self.points.adopting.connect(guarded(self._adopt))
        self.points.expecting.connect(self._expect)
        self.tracking.tracking.connect(guarded(self._track))
        self.tracking.filling.connect(guarded(self._fill))
        self.tracking.cancelling.connect(self._cancel)
        self.undo.clicked.connect(guarded(self._undo))
        self.redo.clicked.connect(guarded(self._redo))
        self.save.clicked.connect(guarded(self._save))
        self.export.clicked.connect(guarded(self._export))
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.bind_key("Control-Z", lambda _: guarded(self._undo)(), overwrite=True)
        self._viewer.bind_key("Control-Shift-Z", lambda _: guarded(self._redo)(), overwrite=True)
        self.native.destroyed.connect(partial(_closed, self._benches))

    def _guarded(self, action: Callable[..., object]) -> Callable[..., None]:
        def guarded(*args: object) -> None:
            try:
                action(*args)
            except UsstrackError as error:
                self._complain(str(error))

        return guarded

    def _complain(self, sentence: str) -> None:
        self.tracking.say(sentence)
        show_error(sentence)

    def _use_axis(self) -> None:
        image = self.clip.image.value
        bench = self._benches.pop(id(image), None)
        if bench is not None:
            bench.close()
        self._use_image(keep_axis=True)

    def _use_image(self, _image: object = None, *, keep_axis: bool = False) -> None:
        image = self.clip.image.value
        if not keep_axis:
            self.clip.offer_axes(image)
        self.bench = self._bench_of(image) if isinstance(image, Image) else None
        if image is None:
            self.clip.clear()
        if self.bench is not None:
            info = self.bench.session.video.info
            self.clip.tell(info)
            self.tracking.offer_frames(info.frame_count)
            if self.bench.session.read_only:
                self.tracking.say(self.bench.session.read_only)
        self._refresh()

    def _bench_of(self, image: Image) -> Workbench | None:
        if id(image) in self._benches:
            return self._benches[id(image)]
        try:
            bench = Workbench(
                self._viewer,
                image,
                self.clip.placement(image, self._viewer.dims.current_step),
                runner=self._runner,
                next_name=lambda: self.points.point_name,
                complain=self._complain,
            )
        except UsstrackError as error:
            self.clip.say(str(error))
            return None
        self._benches[id(image)] = bench
        bench.session.job_changed.connect(self._on_job)
        bench.session.history_changed.connect(self._refresh)
        return bench

    def _refresh(self) -> None:
        session = None if self.bench is None else self.bench.session
        labelled = session is not None and bool(session.annotations.by_hand.any())
        self.points.enabled = session is not None
        self.points.offer(session.annotations.names if session else ())
        self.tracking.busy(session is not None and session.busy, ready=labelled)
        self.undo.enabled = session is not None and session.history.undo_name is not None
        self.redo.enabled = session is not None and session.history.redo_name is not None
        self.save.enabled = labelled
        self.export.enabled = session is not None and bool(session.runs)
        if session is None or not labelled:
            self.tracking.say(HINT if session is not None else "")
        self._expect(self.points.point_name)

    def _expect(self, name: str) -> None:
        if self.bench is not None and self.bench.sync is not None:
            self.bench.sync.expect(name)

    def _add_points(self) -> None:
        layer = self._open_bench().label()
        self._viewer.layers.selection.active = layer
        layer.mode = "add"

    def _adopt(self, layer: Points | None) -> None:
        if layer is None:
            raise UsstrackError("There is no Points layer to use; press Add points.")
        self._open_bench().label(layer)

    def _track(self) -> None:
        panel = self.tracking
        self._open_bench().session.track(
            run=RUN,
            method=panel.method.value,
            options=panel.options,
            start=panel.first.value,
            stop=panel.last.value,
            direction=panel.direction.value,
        )

    def _fill(self) -> None:
        panel = self.tracking
        self._open_bench().session.fill(
            run=RUN,
            method=panel.method.value,
            options=panel.options,
            extend=panel.extend.value,
        )

    def _cancel(self) -> None:
        if self.bench is not None:
            self.bench.session.cancel()

    def _undo(self) -> None:
        if self.bench is not None and (name := self.bench.session.undo()):
            self.tracking.say(f"Undone: {name}.")

    def _redo(self) -> None:
        if self.bench is not None and (name := self.bench.session.redo()):
            self.tracking.say(f"Done again: {name}.")

    def _save(self) -> None:
        session = self._open_bench().session
        target = None
        if session.path is None or session.read_only:
            target = self._ask("Save project", f"{session.video.info.name}.usstrack.json")
            if target is None:
                return
        show_info(f"Saved {session.save(target)}")

    def _export(self) -> None:
        bench = self._open_bench()
        target = self._ask("Export tracks", f"{bench.image.name} tracks.csv")
        if target is not None:
            write_tracks(bench.session.runs[RUN], target)
            show_info(f"Saved {target}")

    def _ask(self, title: str, name: str) -> str | None:
        chosen, _ = QFileDialog.getSaveFileName(self.native, title, name)
        return chosen or None

    def _open_bench(self) -> Workbench:
        if self.bench is None:
            raise UsstrackError("Open a clip first: drop a video on the window.")
        return self.bench

    def _on_job(self, state: JobState) -> None:
        if self.bench is None:
            return
        self.tracking.report(state, self.bench.session.video.info.frame_count)
        if state.phase == "failed":
            show_error(state.message)
        if state.phase != "running" or state.progress is None or state.progress.total == 0:
            self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        if self.bench is not None:
            session = self.bench.session
            self.tracking.busy(session.busy, ready=bool(session.annotations.by_hand.any()))

    def _on_removed(self, event: Any) -> None:
        bench = self._benches.pop(id(event.value), None)
        if bench is not None:
            bench.close()
            if bench is self.bench:
                self.bench = None
                self._refresh()


def _closed(benches: dict[int, Workbench], *_: object) -> None:
    for bench in benches.values():
        bench.close()
    benches.clear()


def _button(text: str, tooltip: str) -> PushButton:
    button = PushButton(text=text)
    button.tooltip = tooltip
    return button


def _row(*widgets: PushButton) -> Container:
    row = Container(widgets=list(widgets), layout="horizontal", labels=False)
    row.margins = (0, 0, 0, 0)
    return row
