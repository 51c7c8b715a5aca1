"""Progress in words: how far, how fast, how long still."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_usstrack.core.tracker import Progress


class RateMeter:
    """Turns `Progress` into a line with rate and time left.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()

    def line(self, progress: Progress) -> str:
        """Steps done, steps per second and time left; what a step is the method decides."""
        if progress.total == 0 or progress.done == 0:
            return "Reading the clip ..."
        elapsed = max(self._clock() - self._started, 1e-6)
        rate = progress.done / elapsed
        left = (progress.total - progress.done) / rate
        return (
            f"{progress.done} of {progress.total} steps, {rate:.0f} per second, "
            f"{_duration(left)} left"
        )

    def summary(self, frames: int) -> str:
        """How long it took, for `frames` frames."""
        return f"{frames} frames in {_duration(self._clock() - self._started)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
