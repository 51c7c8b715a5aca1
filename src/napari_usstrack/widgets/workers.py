"""Work in a thread: throttled, cancellable, reported on the main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from threading import Event
from typing import TypeVar

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer

from napari_usstrack.core.tracker import Progress, Work

T = TypeVar("T")
INTERVAL_S = 0.2


def throttled(
    work: Work[T],
    cancelled: Event,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Progress, None, T | None]:
    """Run all of `work`, passing on at most five `Progress` a second.

    Looks at `cancelled` after every step of the work; once it is set the work
    is closed and None returned.
    """
    told = -INTERVAL_S
    try:
        while not cancelled.is_set():
            try:
                progress = next(work)
            except StopIteration as stop:
                return stop.value
            now = clock()
            if now - told >= INTERVAL_S:
                told = now
                yield progress
    finally:
        work.close()
    return None


def run_in_thread(
    work: Work[T],
    *,
    progressed: Callable[[Progress], object],
    returned: Callable[[T], object],
    failed: Callable[[BaseException], object],
) -> Callable[[], None]:
    """Start work in napari's thread pool; the callbacks run on the main thread.

    The thread starts in the next turn of the event loop, so that it does not
    compete with the edit that asked for it.
    """
    cancelled = Event()

    def give(result: T | None) -> None:
        if result is not None and not cancelled.is_set():
            returned(result)

    def cancel() -> None:
        cancelled.set()
        worker.quit()

    worker = create_worker(throttled, work, cancelled, _start_thread=False)
    worker.yielded.connect(progressed)
    worker.returned.connect(give)
    worker.errored.connect(failed)
    QTimer.singleShot(0, worker.start)
    return cancel
