"""Labels and tables for the tests, and DUSTrack itself where an interpreter has it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import written_by_dustrack

from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo

TABLE = """scorer,,,me,me,me,me
bodyparts,,,point0,point0,point1,point1
coords,,,x,y,x,y
labeled-data,clip,img003.png,1.5,2.0,7.0,8.25
labeled-data,clip,img010.png,4.0,5.0,,
"""
PREDICTED = """scorer,net,net,net,net,net,net
bodyparts,tip,tip,tip,base,base,base
coords,x,y,likelihood,x,y,likelihood
0,1.5,2.5,0.5,4.0,5.0,1.0000001
1,1.75,2.25,0.25,,,
"""

oracle = pytest.mark.skipif(
    "USSTRACK_DUSTRACK_PYTHON" not in os.environ,
    reason="USSTRACK_DUSTRACK_PYTHON names no interpreter that has DUSTrack",
)


def labels(names: tuple[str, ...], frames: int = 12, **more: object) -> Tracks:
    points = tuple(more.pop("points", named_points(names)))
    xy = np.full((frames, len(points), 2), np.nan)
    for column in range(len(points)):
        xy[column] = [column + 1 / 3, 7.0]
        xy[10] = [0.1 + 0.2, 1e-7]
    cells = Cells.placed(xy, more.pop("source", Source.MANUAL), **more)
    video = VideoInfo(frames, 64, 48, name="trial1.mp4")
    return Tracks(cells.xy, cells.confidence, cells.visible, cells.source, points, video)


def dustrack_says(*words: object) -> str:
    python = os.environ["USSTRACK_DUSTRACK_PYTHON"]
    script = Path(written_by_dustrack.__file__)
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg"}
    command = [python, str(script), *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
