"""Playing a clip by its true time stamps."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_usstrack.core.video import VideoInfo

TICK_MS = 16
FPS_WHEN_UNKNOWN = 25.0


class Player(QObject):
    """Steps through a clip in real time, leaving frames out where drawing is slower.

    Parameters
    ----------
    show : callable
        Shows a frame.
    clock : callable
        Seconds, monotonic.
    """

    playing_changed = Signal(bool)

    def __init__(
        self, show: Callable[[int], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._show = show
        self._clock = clock
        self._times = np.zeros(1)
        self._speed = 1.0
        self._begun = 0.0
        self._frame = -1
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    @property
    def playing(self) -> bool:
        """Whether the clip is being played."""
        return self._timer.isActive()

    def play(self, info: VideoInfo, frame: int, speed: float = 1.0) -> None:
        """Play from `frame`, over and over, at `speed` times real time."""
        times = info.calibration.times_s
        self._times = (
            np.arange(info.frame_count) / FPS_WHEN_UNKNOWN if times is None else times - times[0]
        )
        self._speed = speed
        start = frame if frame < info.frame_count - 1 else 0
        self._begun = self._clock() - self._times[start] / speed
        self._frame = frame
        self._timer.start()
        self.playing_changed.emit(True)

    def stop(self) -> None:
        """Stop where the clip is."""
        if self.playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def tick(self) -> None:
        """Show the frame that is due now."""
        steps = len(self._times)
        length = self._times[-1] + self._times[-1] / max(steps - 1, 1)
        now = ((self._clock() - self._begun) * self._speed) % length
        due = int(np.searchsorted(self._times, now, side="right")) - 1
        if due != self._frame:
            self._frame = due
            self._show(due)
