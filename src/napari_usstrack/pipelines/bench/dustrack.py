"""DUSTrack itself, in an environment of its own, as a tracker to compare with."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source, blank_arrays
from napari_usstrack.core.video import Video
from napari_usstrack.metrics.pairs import Floats

VARIABLE = "USSTRACK_DUSTRACK_PYTHON"
SCRIPT = """
import json, sys, time
from importlib.metadata import version
import numpy as np
from dustrack import lk_filter
frames = list(np.load("frames.npy"))
begun = time.perf_counter()
found = lk_filter.lucas_kanade_2(frames, np.load("start.npy"))
spent = time.perf_counter() - begun
np.save("found.npy", np.asarray(found, dtype=float))
print("DONE", json.dumps([spent, version("dustrack")]))
"""


class Dustrack:
    """Forward Lucas-Kanade of DUSTrack, with the settings it comes with.

    Parameters
    ----------
    python : str
        Interpreter of an environment that has DUSTrack.

    Attributes
    ----------
    seconds : float
        Time of the last run inside that interpreter, without its start.
    """

    traits = Traits("dustrack", Source.FLOW, "clip", bound_px=float("inf"))

    def __init__(self, python: str) -> None:
        self.python = python
        self.version = ""
        self.seconds = 0.0

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its version, once it has run."""
        return {"version": self.version}

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries forward; points of one query frame go together."""
        self.seconds = 0.0
        arrays = blank_arrays(len(span), len(queries))
        starts = sorted(set(queries.frame.tolist()))
        for i, start in enumerate(starts):
            yield Progress(i, len(starts))
            columns = np.flatnonzero(queries.frame == start)
            frames = video.frames(range(start, span.stop))
            arrays["xy"][start - span.start :, columns] = self._run(frames, queries.xy[columns])
        yield Progress(len(starts), len(starts))
        arrays["xy"][~queries.asked(span)] = np.nan
        return Cells.placed(arrays["xy"], Source.FLOW)

    def _run(self, frames: np.ndarray, xy: Floats) -> Floats:
        if len(frames) < 2:
            return np.repeat(xy[None], len(frames), axis=0)
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg"}
        environment.pop("PYTHONPATH", None)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            np.save(folder / "frames.npy", frames)
            np.save(folder / "start.npy", xy)
            try:
                ran = subprocess.run(
                    [self.python, "-c", SCRIPT],
                    capture_output=True,
                    text=True,
                    check=False,
                    cwd=folder,
                    env=environment,
                )
            except OSError as error:
                raise UsstrackError(
                    f"{self.python} cannot be started ({error.strerror}); point {VARIABLE} at "
                    "the interpreter of an environment that has DUSTrack"
                ) from error
            told = [line for line in ran.stdout.splitlines() if line.startswith("DONE")]
            if not told:
                last = (ran.stderr.strip().splitlines() or ["no message"])[-1]
                raise UsstrackError(
                    f"DUSTrack did not run in {self.python} ({last}); install it there"
                )
            spent, self.version = json.loads(told[0].removeprefix("DONE"))
            self.seconds += spent
            return np.asarray(np.load(folder / "found.npy"), dtype=np.float64)
