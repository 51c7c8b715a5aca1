"""Speed and agreement of the moving-window optical-flow filter and DUSTrack's.

Run ``python -m benchmarks.flow_window --dustrack PYTHON``, the interpreter of an
environment with DUSTrack 1.3.2. Both sides filter the same positions on the same
grey frames in memory: 200 frames of moving speckle, or of ``--clips``, 4 points
that follow the flow with noise of 1 px on top, windows of 25 frames, flow in windows
of 45 px on three levels. DUSTrack runs in its
threads, as by default. The fast mode's flow step searches near the motion of the
frame pair before, but in the row "all levels". Times are medians of runs in turns:
by the clock, and of all cores together, which other work on the machine changes
less. Ratios are of both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

import napari_usstrack as uss
from benchmarks.flow import clip_frames, on_texture
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.smoothing.flow_window import FlowStep, FlowWindow, smooth_with_flow

SIZE = (698, 556)
FRAMES, POINTS, WINDOW, NOISE_PX = 200, 4, 25, 1.0
LK = {"iterations": 10, "epsilon_px": 0.03, "check": False, "lost_px": 1e9}
Seconds = tuple[float, float]
"""By the clock, and of all cores together."""
DUSTRACK_SIDE = """
import sys, time
import numpy as np
from benchmarks.parity import flow_window
frames, xy = list(np.load("frames.npy")), np.load("xy.npy")
begun = time.perf_counter(), time.process_time()
found = flow_window(frames, xy, int(sys.argv[1]), parallel=True)
taken = time.perf_counter() - begun[0], time.process_time() - begun[1]
np.savez("found.npz", xy=found, seconds=taken)
"""


def flow_step(*, predict: bool) -> FlowStep:
    """Lucas-Kanade with DUSTrack's settings."""
    tracker = LucasKanade(predict=predict, **LK)
    return lambda here, there, xy, motion: tracker.step(here, there, xy, motion).xy


def noisy_track(frames: np.ndarray) -> np.ndarray:
    """Positions ``[frame, point, (x, y)]`` that follow the flow, with noise."""
    step = flow_step(predict=False)
    xy = [on_texture(frames[0])[:POINTS]]
    for here, there in pairwise(frames):
        xy.append(step(here, there, xy[-1], None))
    return np.stack(xy) + np.random.default_rng(0).normal(0, NOISE_PX, (len(frames), POINTS, 2))


def ours(
    frames: np.ndarray, xy: np.ndarray, settings: FlowWindow, *, predict: bool = False
) -> tuple[np.ndarray, Seconds]:
    """Our result and the seconds it took."""
    count, height, width = frames.shape
    video = CallbackVideo(VideoInfo(count, width, height), lambda s: frames[s.start : s.stop])
    step = flow_step(predict=predict)
    tracker = LucasKanade(predict=predict, **LK)
    begun = time.perf_counter(), time.process_time()
    work = smooth_with_flow(
        video,
        xy,
        step,
        forward_weight,
        settings,
        steps=lambda crossings: [landing.xy for landing in tracker.steps(crossings)],
    )
    found = finish(work)
    return found.xy, (time.perf_counter() - begun[0], time.process_time() - begun[1])


def dustrack(python: str, frames: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, Seconds]:
    """DUSTrack's result and the seconds its filter took, in another environment."""
    root = Path(__file__).resolve().parent.parent
    offscreen = {"QT_QPA_PLATFORM": "offscreen", "MPLBACKEND": "Agg", "PYTHONPATH": str(root)}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "frames.npy", frames)
        np.save(Path(folder) / "xy.npy", xy)
        ran = subprocess.run(
            [python, "-c", DUSTRACK_SIDE, str(WINDOW)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, **offscreen},
        )
        if ran.returncode:
            raise SystemExit(f"DUSTrack did not run:\n{ran.stderr[-2000:]}")
        with np.load(Path(folder) / "found.npz") as found:
            return found["xy"], tuple(found["seconds"].tolist())


def compare(name: str, frames: np.ndarray, python: str | None, repeats: int) -> None:
    """Print times, ratios and differences on one clip."""
    xy = noisy_track(frames)
    fast = FlowWindow(WINDOW, mode="fast")
    sides: dict[str, Callable[[], tuple[np.ndarray, Seconds]]] = {
        "exact": lambda: ours(frames, xy, FlowWindow(WINDOW)),
        "exact, 1 thread": lambda: ours(frames, xy, FlowWindow(WINDOW, threads=1)),
        "fast": lambda: ours(frames, xy, fast, predict=True),
        "fast, 3 px": lambda: ours(frames, xy, replace(fast, spacing_px=3.0), predict=True),
        "fast, all levels": lambda: ours(frames, xy, fast),
    }
    if python:
        sides = {"DUSTrack": lambda: dustrack(python, frames, xy), **sides}
    found, taken = {}, {side: [] for side in sides}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{name}, {frames.shape[2]} x {frames.shape[1]}, {len(frames)} frames; load {load}")
    for _ in range(repeats):
        for side, run in sides.items():
            found[side], seconds = run()
            taken[side].append(seconds)
    report(found, {side: np.array(rows) for side, rows in taken.items()})


def report(found: dict[str, np.ndarray], taken: dict[str, np.ndarray]) -> None:
    """Print a line for each side: times, ratios to the first side, differences from it."""
    first = next(iter(taken))
    for side, xy in found.items():
        off = np.linalg.norm(xy - found[first], axis=-1)
        wall, cpu = np.median(taken[side], axis=0)
        ratio = np.median(taken[first][:, 0] / taken[side][:, 0])
        less = np.median(taken[first][:, 1] / taken[side][:, 1])
        print(
            f"  {side:<17}{wall:7.2f} s, {cpu:6.2f} s of cores   {first} / it {ratio:5.1f}, "
            f"{less:5.1f}   apart: rms {np.sqrt(np.mean(off**2)):.1e}, largest {off.max():.1e} px"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dustrack", metavar="PYTHON", help="interpreter that has DUSTrack 1.3.2")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="more video files")
    given = parser.parse_args()
    speckle = clip_frames(*SIZE, FRAMES)
    compare("speckle", speckle, given.dustrack, given.repeats)
    for path in given.clips:
        video = uss.open_video(path)
        frames = video.frames(range(min(FRAMES, video.info.frame_count)))
        compare(path.stem, frames, given.dustrack, given.repeats)


if __name__ == "__main__":
    main()
