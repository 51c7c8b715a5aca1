"""The dock widget."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import PushButton
from napari.layers import Image
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.session import JobState, Runner
from napari_usstrack.widgets.clip_panel import ClipPanel
from napari_usstrack.widgets.clips import Clips, is_clip
from napari_usstrack.widgets.curator import Curator
from napari_usstrack.widgets.files import Files
from napari_usstrack.widgets.form import Fold, Form, scrolled, sentence
from napari_usstrack.widgets.heap import QuietHeap
from napari_usstrack.widgets.keybindings import table_html
from napari_usstrack.widgets.keyboard import Keyboard
from napari_usstrack.widgets.points_control import PointsControl
from napari_usstrack.widgets.points_panel import PointsPanel
from napari_usstrack.widgets.preferences import Preferences, PreferenceWatch
from napari_usstrack.widgets.recent import RecentBox
from napari_usstrack.widgets.run_control import RunControl
from napari_usstrack.widgets.safety import Safety
from napari_usstrack.widgets.smooth_control import SmoothControl
from napari_usstrack.widgets.smooth_panel import SmoothPanel
from napari_usstrack.widgets.traces import Traces
from napari_usstrack.widgets.track_panel import TrackPanel
from napari_usstrack.widgets.view_control import ViewControl
from napari_usstrack.widgets.view_panel import ViewPanel
from napari_usstrack.widgets.workbench import Workbench
from napari_usstrack.widgets.workers import run_in_thread

if TYPE_CHECKING:
    from napari import Viewer

HINT = "Press Add points, then click on the tissue."
NEXT_HINT = "Place more points, or press Track."


class UsstrackDock(QWidget):
    """Points on a clip, tracked.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer the dock sits in.
    runner : Runner
        Where jobs run; a thread by default.
    """

    def __init__(self, napari_viewer: Viewer, runner: Runner = run_in_thread) -> None:
        super().__init__()
        self._make_panels()
        self.traces = Traces(napari_viewer)
        self.running = RunControl(self.tracking, self._open_bench)
        self.curator = Curator(
            self.points,
            open_bench=self._open_bench,
            attempt=self._try,
            say=self.tracking.say,
            track=self.running.track_part,
            traces=self.traces,
            parent=self,
        )
        self.smoother = SmoothControl(
            self.smoothing,
            open_bench=self._open_bench,
            attempt=self._try,
            traces=self.traces,
            compared=self.curator.region_control.tell,
            parent=self,
        )
        self.files = Files(self, self._open_bench)
        self.points_control = PointsControl(
            self.points,
            open_bench=self._open_bench,
            attempt=self._try,
            adopted=self.curator.use_labels,
        )
        self.recent = RecentBox()
        self.clips = Clips(napari_viewer)
        self.safety = Safety(self, self._all_benches, self._try, self.tracking.say)
        self.plot = PushButton(text="Traces", tooltip="Show or hide the trace plot (I)")
        self._lay_out()
        self._viewer = napari_viewer
        self._runner = runner
        self._benches: dict[int, Workbench] = {}
        self.bench: Workbench | None = None
        self.looking = ViewControl(
            self.clip,
            self.view,
            bench=self._open_bench,
            attempt=self._try,
            say=self.tracking.say,
        )
        self._heap = QuietHeap()
        self._connect()
        self._use_image()
        self._heap.keep()

    def _make_panels(self) -> None:
        self.clip = ClipPanel()
        self.points = PointsPanel()
        self.view = ViewPanel()
        self.tracking = TrackPanel()
        self.smoothing = SmoothPanel()
        self.smoothing_fold = Fold("Smooth", self.smoothing)
        self.preferences = PreferenceWatch()
        self.tracking.prefer(self.preferences.now)
        self.preferences.changed.connect(self._prefer)
        self.undo = PushButton(text="Undo", tooltip="Take the last change back (Ctrl+Z)")
        self.redo = PushButton(text="Redo", tooltip="Do it again (Ctrl+Shift+Z)")
        self.save = PushButton(text="Save project", tooltip="Labels and tracks, beside the clip")
        self.export = PushButton(
            text="Export…", tooltip="Tracks as a table, or labels for DUSTrack or DeepLabCut"
        )
        self.take_in = PushButton(
            text="Import…", tooltip="Labels from DUSTrack, DeepLabCut, a table or a project"
        )

    def reset_choices(self, _event: object = None) -> None:
        """Offer the layers there are now; napari calls this when layers change."""
        self.clip.image.reset_choices()
        self.points.layer.reset_choices()

    def close_benches(self) -> None:
        """Cancel work, give projects back and stop listening to the viewer."""
        self._heap.release()
        self.looking.stop()
        self.curator.use(None)
        self.smoother.use(None)
        self.traces.close()
        self.keyboard.close()
        self.safety.close_guard()
        self.preferences.close()
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()
        self.bench = None

    def _lay_out(self) -> None:
        panels = Form()
        curator = self.curator
        for panel in (
            self.recent,
            self.clip,
            self.points,
            curator.curate,
            Fold("Check next", curator.review),
            Fold("Regions and comparison", curator.regions),
            Fold("All points", self.points.table),
            Fold("Display and play", self.view),
            Fold("Set scale or frame rate", self.clip.stating),
            Fold("Use a Points layer that is open", self.points.taking_over),
            self.tracking,
            self.smoothing_fold,
            Fold("Keys", sentence(table_html())),
        ):
            panels.wide(panel)
        panels.setContentsMargins(6, 6, 6, 0)
        work = Form()
        work.wide(self.safety)
        work.wide(self.tracking.controls)
        work.wide(self.undo, self.redo, self.plot)
        work.wide(self.save, self.take_in, self.export)
        work.setContentsMargins(6, 6, 6, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 6)
        column.addWidget(scrolled(panels), 1)
        column.addWidget(work)

    def _connect(self) -> None:
        self.clip.image.changed.connect(self._use_image)
        self.clip.time_axis.changed.connect(self._use_axis)
        self.points.expecting.connect(self._expect)
        self.tracking.cancelling.connect(self._cancel)
        self.tracking.proposals.changed.connect(self._propose)
        for signal, action in (
            (self.points.adding, self.add_points),
            (self.tracking.tracking, self.track),
            (self.tracking.filling, self.fill),
            (self.undo.clicked, self._undo),
            (self.redo.clicked, self._redo),
            (self.save.clicked, self.save_project),
            (self.export.clicked, self.export_csv),
            (self.take_in.clicked, self.files.take_in),
            (self.plot.clicked, self.traces.toggle),
        ):
            signal.connect(self._guarded(action))
        self._viewer.layers.events.inserted.connect(self._on_inserted)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self.recent.opening.connect(lambda path: self._try(lambda: self._open_again(path)))
        actions = {name: self._guarded(act) for name, act in self._actions().items()}
        self.keyboard = Keyboard(self._viewer, actions, self)
        self.destroyed.connect(partial(_closed, self._benches, self.preferences, self._heap))

    def _guarded(self, action: Callable[[], object]) -> Callable[[], None]:
        def guarded() -> None:
            self._try(action)

        return guarded

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except UsstrackError as error:
            self._complain(str(error))

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
        self.looking.stop()
        if not keep_axis:
            self.clip.offer_axes(image)
        self.clips.leave(self.bench, image)
        self.bench = self._bench_of(image) if isinstance(image, Image) else None
        if image is None:
            self.clip.empty()
        if self.bench is not None:
            info = self.bench.session.annotations.video
            self.clip.tell(info)
            self.tracking.offer_frames(info.frame_count)
            self.view.offer(self.bench.view, self.bench.can_change_view)
        self.curator.use(self.bench)
        self.smoother.use(self.bench)
        self.safety.use(self.bench)
        self._refresh()
        self.clips.enter(self.bench)

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
                pick=self.points.choose,
            )
        except UsstrackError as error:
            self.clip.say(str(error))
            show_error(str(error))
            return None
        self._benches[id(image)] = bench
        if bench.session.video.info.path:
            self.recent.add(bench.session.video.info.path)
        bench.prefer(self.preferences.now)
        bench.session.curation.use(*self.tracking.proposing)
        bench.session.job_changed.connect(partial(self._on_job, bench))
        bench.session.history_changed.connect(self._refresh)
        bench.session.calibrated.connect(self._on_calibrated)
        self._heap.keep()
        return bench

    def _prefer(self, wanted: Preferences) -> None:
        self.tracking.prefer(wanted)
        for bench in self._benches.values():
            bench.prefer(wanted)
        self._propose()

    def _propose(self) -> None:
        for bench in self._benches.values():
            bench.session.curation.use(*self.tracking.proposing)

    def _refresh(self) -> None:
        session = None if self.bench is None else self.bench.session
        labelled = session is not None and bool(session.annotations.by_hand.any())
        self.points.setEnabled(session is not None)
        self.points.offer(session.annotations.names if session else ())
        if session is not None:
            self.points_control.refresh()
            self.safety.refresh()
        self.tracking.busy(session is not None and session.busy, ready=labelled)
        self.undo.enabled = session is not None and session.history.undo_name is not None
        self.redo.enabled = session is not None and session.history.redo_name is not None
        self.save.enabled = labelled
        self.export.enabled = labelled or (session is not None and bool(session.runs))
        self.take_in.enabled = session is not None
        if session is None or not labelled:
            self.tracking.say("" if session is None else session.read_only or HINT)
        elif self.tracking.status.text() == HINT:
            self.tracking.say(NEXT_HINT)
        self._expect(self.points.point_name)

    def _expect(self, name: str) -> None:
        if self.bench is not None and self.bench.sync is not None:
            self.bench.sync.expect(name)

    def add_points(self) -> None:
        """Let every click on the clip place a point."""
        layer = self._open_bench().label()
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        self.curator.start_placing()

    def _actions(self) -> dict[str, Callable[[], object]]:
        return {
            "undo": self._undo,
            "redo": self._redo,
            "add_points": self.add_points,
            "track": self.track,
            "fill": self.fill,
            "cancel": self._cancel,
            "play": self.looking.play,
            "next_clip": partial(self.show_clip, 1),
            "previous_clip": partial(self.show_clip, -1),
            "save_project": self.save_project,
            "export_csv": self.export_csv,
            **self.curator.actions(),
        }

    def track(self) -> None:
        """Follow every point from its first label."""
        self.running.track()

    def fill(self) -> None:
        """Fill the frames between labels."""
        self.running.fill()

    def open_smoothing(self) -> None:
        """Open the smoothing panel."""
        self.smoothing_fold.button.setChecked(True)

    def show_clip(self, by: int) -> None:
        """Go to the next or the previous clip of the window, as it was left."""
        self.clip.image.value = self.clips.beside(self.clip.image.value, by)

    def _open_again(self, path: str) -> None:
        for bench in self._benches.values():
            if bench.session.video.info.path == path:
                self.clip.image.value = bench.image
                return
        self._viewer.open(path, plugin="napari-usstrack")

    def _all_benches(self) -> list[Workbench]:
        return list(self._benches.values())

    def _cancel(self) -> None:
        if self.bench is not None:
            self.bench.session.cancel()

    def _undo(self) -> None:
        if self.bench is not None and (name := self.bench.session.undo()):
            self.tracking.say(f"Undone: {name}.")

    def _redo(self) -> None:
        if self.bench is not None and (name := self.bench.session.redo()):
            self.tracking.say(f"Done again: {name}.")

    def save_project(self) -> None:
        """Save beside the clip, or where the user says."""
        self.files.save()

    def export_csv(self) -> None:
        """Write tracks or labels where the user says."""
        self.files.export()

    def _open_bench(self) -> Workbench:
        if self.bench is None:
            raise UsstrackError("Open a clip first: drop a video on the window.")
        return self.bench

    def _on_job(self, bench: Workbench, state: JobState) -> None:
        if bench is not self.bench:
            self.clips.hide(bench)
            return
        self.tracking.report(state, bench.session.video.info.frame_count)
        if state.phase == "failed":
            show_error(state.message)
        if state.phase != "running" or state.progress is None or state.progress.total == 0:
            self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        if self.bench is not None:
            session = self.bench.session
            self.tracking.busy(session.busy, ready=bool(session.annotations.by_hand.any()))

    def _on_calibrated(self, _calibration: Calibration) -> None:
        if self.bench is not None:
            self.clip.tell(self.bench.session.annotations.video)

    def _on_inserted(self, event: Any) -> None:
        if is_clip(event.value):
            self.reset_choices()
            self.clip.image.value = event.value

    def _on_removed(self, event: Any) -> None:
        if isinstance(event.value, Image):
            self._heap.release()
        bench = self._benches.pop(id(event.value), None)
        if bench is not None:
            bench.close()
            if bench is self.bench:
                self.bench = None
                self.curator.use(None)
                self.smoother.use(None)
                self.safety.use(None)
                self._refresh()


def _closed(
    benches: dict[int, Workbench], preferences: PreferenceWatch, heap: QuietHeap, *_: object
) -> None:
    heap.release()
    preferences.close()
    for bench in benches.values():
        bench.close()
    benches.clear()
