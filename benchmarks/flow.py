"""Speed of the flow methods as ratios, each pair measured in turns in one run.

Run ``python -m benchmarks.flow``. Rows compare, on the same decoded grey frames
(45 px window, 40 points), our forward-only Lucas-Kanade with a plain OpenCV
loop over whole frames, and forward-backward with forward-only. With
``--dustrack PYTHON``, the interpreter of an environment with DUSTrack 1.3.2, or
where DUSTrack can be imported here, last rows compare both from the same mp4
to tracks: a new clip, and one that was opened before, for which DUSTrack kept
its frame index; their points lie on the brighter half of the picture. Times
are medians of the repeats; the machine's other work shows in them, the ratios
suffer less.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

import napari_usstrack as uss
from napari_usstrack.core.tracker import Queries, Tracker, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.pipelines import trackers
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import speckle_clip

SIZES = ((640, 480), (1148, 624))
POINTS = 40
PERIOD = 16
SPANS = {"points all over": (0.06, 0.94), "under a quarter": (0.27, 0.73)}
WINDOW, LEVELS, ITERATIONS, EPSILON_PX = 45, 3, 30, 0.01
DUSTRACK_SIDE = """
import json, sys, time
import numpy as np
from datanavigator import Video
from dustrack import lucas_kanade
times = []
start = np.asarray(json.loads(sys.argv[2]))
for _ in range(int(sys.argv[3])):
    begun = time.perf_counter()
    video = Video(sys.argv[1])
    lucas_kanade(video, 0, len(video) - 1, start)
    times.append(time.perf_counter() - begun)
print("TIMES", json.dumps(times))
"""


def clip_frames(width: int, height: int, count: int, noise: float = 3.0) -> np.ndarray:
    """Moving speckle that plays forward and back."""
    motion = contraction(
        (width / 2, height / 2), period=2.0 * PERIOD, strain=0.04, turn_deg=1.0, sway_px=4.0
    )
    clip = speckle_clip(
        motion, frames=PERIOD, width=width, height=height, seed=7, per_px=0.15, noise=noise
    )
    there_and_back = np.concatenate([clip.frames, clip.frames[::-1]])
    return there_and_back[np.arange(count) % len(there_and_back)]


def places(width: int, height: int, span: tuple[float, float]) -> np.ndarray:
    """The same random points, px, inside a part of the frame."""
    low, high = span
    part = np.random.default_rng(0).uniform(low, high, (POINTS, 2))
    return part * [width, height]


def on_texture(frame: np.ndarray) -> np.ndarray:
    """Random points, px, among the brighter half of what is not black, off the border."""
    inner = frame[WINDOW:-WINDOW, WINDOW:-WINDOW]
    y, x = np.nonzero(inner >= np.median(inner[inner > 16]))
    chosen = np.random.default_rng(0).choice(len(x), POINTS, replace=False)
    return np.column_stack([x[chosen], y[chosen]]) + float(WINDOW)


def plain_loop(frames: np.ndarray, xy: np.ndarray) -> None:
    """What one would write without us."""
    import cv2

    at = xy.astype(np.float32).reshape(-1, 1, 2)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, EPSILON_PX)
    for here, there in pairwise(frames):
        at, _, _ = cv2.calcOpticalFlowPyrLK(
            here, there, at, None, winSize=(WINDOW,) * 2, maxLevel=LEVELS - 1, criteria=stop
        )


def ours(frames: np.ndarray, xy: np.ndarray, tracker: Tracker) -> None:
    """Track from frame 0 to the end."""
    count, height, width = frames.shape
    video = CallbackVideo(VideoInfo(count, width, height), lambda s: frames[s.start : s.stop])
    queries = Queries(np.zeros(len(xy)), xy, tuple(f"p{i}" for i in range(len(xy))))
    finish(tracker.track(video, queries, range(count)))


def in_turns(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each run, all of them one after the other, `repeats` times."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - begun)
    return {name: float(np.median(values)) for name, values in taken.items()}


def memory_rows(size: tuple[int, int], count: int, repeats: int) -> None:
    """Print ratios on frames in memory."""
    frames = clip_frames(*size, count)
    lk = {"window": WINDOW, "levels": LEVELS, "iterations": ITERATIONS, "epsilon_px": EPSILON_PX}
    forward = trackers.make("lucas-kanade", {**lk, "check": False})
    both = trackers.make("lucas-kanade", lk)
    for label, span in SPANS.items():
        xy = places(*size, span)
        run = {
            "plain": lambda xy=xy: plain_loop(frames, xy),
            "forward": lambda xy=xy: ours(frames, xy, forward),
            "both": lambda xy=xy: ours(frames, xy, both),
        }
        took = in_turns(run, repeats)
        pairs = count - 1
        line = f"{size[0]} x {size[1]}, {label}"
        ms = {name: seconds / pairs * 1e3 for name, seconds in took.items()}
        row(f"{line}: plain OpenCV / ours forward", took["plain"] / took["forward"], ms)
        row(f"{line}: forward-backward / forward", took["both"] / took["forward"], {})


def row(what: str, ratio: float, ms: Mapping[str, float]) -> None:
    """Print one line of the table."""
    notes = ", ".join(f"{name} {value:.2f} ms" for name, value in ms.items())
    print(f"{what:<76}{ratio:>7.2f}   {notes}", flush=True)


def write_mp4(frames: np.ndarray, path: Path) -> None:
    """Encode frames as H.264, as a scanner exports them."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "23"}
        for picture in frames:
            rgb = np.repeat(picture[..., None], 3, axis=-1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())


def dustrack_times(python: str, path: Path, xy: np.ndarray) -> list[float]:
    """Seconds from mp4 to tracks in another environment: first time, and once more.

    Imports are not counted. The second time finds the frame index that the
    first one wrote beside the clip.
    """
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [python, "-c", DUSTRACK_SIDE, str(path), json.dumps(xy.tolist()), "2"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg"},
        )
    told = [line for line in ran.stdout.splitlines() if line.startswith("TIMES")]
    if not told:
        raise SystemExit(f"DUSTrack did not run:\n{ran.stderr[-2000:]}")
    return json.loads(told[0].removeprefix("TIMES"))


def file_rows(python: str, clip: Path, repeats: int) -> None:
    """Print the ratios from mp4 to tracks, all frames, forward, on copies of a clip."""
    video = uss.open_video(clip)
    info = video.info
    xy = on_texture(video.frames(range(1))[0])
    rows = np.column_stack([np.zeros(len(xy)), xy])
    theirs, mine = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(shutil.copy(clip, folder))
            theirs.append(dustrack_times(python, path, xy))
            begun = time.perf_counter()
            uss.track(path, rows, check=False, iterations=10, epsilon_px=0.03, patience=0)
            mine.append(time.perf_counter() - begun)
    ours_s = float(np.median(mine))
    line = f"{info.width} x {info.height}, {clip.stem[:20]}, {info.frame_count} frames"
    for when, seconds in zip(("new", "opened before"), np.median(theirs, axis=0), strict=True):
        took = {"DUSTrack": seconds, "ours": ours_s}
        ms = {name: value / (info.frame_count - 1) * 1e3 for name, value in took.items()}
        row(f"{line}, {when}: DUSTrack / ours", seconds / ours_s, ms)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dustrack", metavar="PYTHON", help="interpreter that has DUSTrack 1.3.2")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="more video files")
    parser.add_argument("--files-only", action="store_true")
    given = parser.parse_args()
    print(f"{'what':<76}{'ratio':>7}   per frame pair, {POINTS} points")
    for size in () if given.files_only else SIZES:
        memory_rows(size, given.frames, given.repeats)
    python = given.dustrack
    if python is None and importlib.util.find_spec("dustrack"):
        python = sys.executable
    if not python:
        return
    repeats = max(3, given.repeats // 3)
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = Path(folder) / "synthetic.mp4"
            write_mp4(clip_frames(*size, 2 * given.frames, noise=0.0), path)
            file_rows(python, path, repeats)
    for path in given.clips:
        file_rows(python, path, repeats)


if __name__ == "__main__":
    main()
