"""A runner whose jobs move only when the test says so, and a small clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_usstrack.core.tracker import Work
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

CLIP = speckle_clip(shift(1.0, -0.5), frames=8, width=90, height=70, per_px=0.2, margin_px=15.0)


@dataclass
class Queued:
    """One job that waits to be stepped."""

    work: Work[Tracks]
    progressed: Callable
    returned: Callable
    failed: Callable
    cancelled: int = 0

    def step(self) -> None:
        self.progressed(next(self.work))

    def finish(self) -> None:
        try:
            while True:
                self.progressed(next(self.work))
        except StopIteration as stop:
            self.returned(stop.value)


@dataclass
class Queue:
    """A `Runner` that only notes what it was given."""

    jobs: list[Queued] = field(default_factory=list)

    def __call__(self, work, *, progressed, returned, failed):
        job = Queued(work, progressed, returned, failed)
        self.jobs.append(job)

        def cancel() -> None:
            job.cancelled += 1

        return cancel


def write_clip(folder: Path, name: str = "clip.npy") -> Path:
    path = folder / name
    np.save(path, CLIP.frames)
    return path
