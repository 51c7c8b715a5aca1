"""What the smoothing panel asks for, done on the open clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.session import JobState
from napari_usstrack.session.smoothing import RUN
from napari_usstrack.widgets.form import LAID_OUT_MS
from napari_usstrack.widgets.smooth_panel import POINTS, SmoothPanel
from napari_usstrack.widgets.traces import Traces

if TYPE_CHECKING:
    from napari_usstrack.session import Session
    from napari_usstrack.widgets.workbench import Workbench

PAUSE_MS = 150
COMPUTING = "Computing the preview …"


class SmoothControl(QObject):
    """Smooths runs, and keeps the preview of the chosen point up to date.

    Parameters
    ----------
    panel : SmoothPanel
        Where a person asks for it.
    open_bench : callable
        The clip in view; raises where there is none.
    attempt : callable
        Runs an action and tells the user when it is refused.
    traces : Traces
        The trace plot, which shows the preview.
    compared : callable
        Called when another run serves as reference.
    parent : QObject
        The dock.
    """

    def __init__(
        self,
        panel: SmoothPanel,
        *,
        open_bench: Callable[[], Workbench],
        attempt: Callable[[Callable[[], object]], None],
        traces: Traces,
        compared: Callable[[], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel = panel
        self._open_bench = open_bench
        self._traces = traces
        self._compared = compared
        self._smoothed = False
        self._bench: Workbench | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._ask)
        self._laid_out = QTimer(self)
        self._laid_out.setSingleShot(True)
        self._laid_out.timeout.connect(panel.keep_in_view)
        panel.applying.connect(partial(attempt, self.apply))
        panel.changed.connect(self._later)
        panel.previewing.connect(self._turn)

    @property
    def pending(self) -> bool:
        """Whether a preview is about to be asked for or being computed."""
        if self._bench is None:
            return False
        return self._pause.isActive() or self._bench.session.smooth_preview.busy

    def use(self, bench: Workbench | None) -> None:
        """Serve another clip."""
        if bench is self._bench:
            return
        if self._bench is not None:
            self._listen(self._bench.session, False)
            self._bench.session.smooth_preview.clear()
        self._bench = bench
        self._pause.stop()
        self._laid_out.stop()
        self._traces.preview(None)
        if bench is not None:
            self._listen(bench.session, True)
            self._smoothed = RUN in bench.session.runs
        self._offer()
        self._later()

    def apply(self) -> None:
        """Smooth the chosen run into one beside it."""
        session, panel = self._open_bench().session, self._panel
        names = None
        if panel.points.value == POINTS[1]:
            run = session.run_or_none(panel.run)
            known = {*session.annotations.names, *(run.names if run else ())}
            names = [name for name in session.selection if name in known]
            if not names:
                raise UsstrackError("No point is chosen; click one, or press its number.")
        session.smooth(
            source=panel.run, method=panel.method.value, options=panel.options, names=names
        )

    # --- preview ------------------------------------------------------------------------------

    def _listen(self, session: Session, on: bool) -> None:
        for signal, heard in (
            (session.run_changed, self._offer),
            (session.history_changed, self._later),
            (session.history_changed, self._compare),
            (session.calibrated, self._later),
            (session.curation.proposed, self._later),
            (session.selection_changed, self._later),
            (session.frame_changed, self._moved),
            (session.job_changed, self._on_job),
            (session.smooth_preview.changed, self._show),
            (session.smooth_preview.told, self._tell),
        ):
            if on:
                signal.connect(heard)
            else:
                signal.disconnect(heard)

    def _offer(self, *_: object) -> None:
        if self._bench is None:
            self._panel.offer((), "")
            return
        session = self._bench.session
        runs = [name for name in session.runs if name != RUN]
        self._panel.offer(runs, session.curation.base)
        self._panel.busy(session.busy)

    def _compare(self) -> None:
        """Let the raw run be the reference once there is a smoothed one, until that goes."""
        bench = self._bench
        if bench is None or self._smoothed == (RUN in bench.session.runs):
            return
        self._smoothed = not self._smoothed
        if self._smoothed and not bench.reference:
            bench.reference = self._panel.run
        elif not self._smoothed and bench.reference == bench.session.curation.base:
            bench.reference = ""
        self._compared()

    def _turn(self, on: bool) -> None:
        if on:
            self._traces.show()
            self._laid_out.start(2 * LAID_OUT_MS)
            self._later()
        else:
            self._pause.stop()
            self._panel.say("")
            if self._bench is not None:
                self._bench.session.smooth_preview.clear()

    def _later(self, *_: object) -> None:
        if self._panel.preview.value and self._bench is not None and self._panel.run:
            self._pause.start(PAUSE_MS)

    def _moved(self, frame: int) -> None:
        if self._bench is None:
            return
        now = self._bench.session.smooth_preview.now
        if now is None or frame not in now.frames:
            self._later()

    def _ask(self) -> None:
        if self._bench is None or not self._panel.run:
            return
        session, panel = self._bench.session, self._panel
        point = self._point(session)
        session.smooth_preview.ask(
            point, source=panel.run, method=panel.method.value, options=panel.options
        )

    def _point(self, session: Session) -> str:
        """The chosen point, or the first of the run."""
        names = session.runs[self._panel.run].names
        return next((name for name in session.selection if name in names), names[0])

    def _show(self) -> None:
        if self._bench is None:
            return
        now = self._bench.session.smooth_preview.now
        self._traces.preview(None if now is None else now.tracks)
        if now is None:
            self._panel.say("")
            return
        frames = now.tracks.log[-1].settings.get("window_frames")
        window = f" The window is {frames} frames." if frames else ""
        part = f"frames {now.frames.start} to {now.frames.stop - 1}"
        self._panel.say(f"{now.point}, {part}: the thin line in Traces.{window}")

    def _tell(self, sentence: str) -> None:
        self._panel.say(sentence or COMPUTING)

    def _on_job(self, state: JobState) -> None:
        self._panel.busy(state.phase == "running")
