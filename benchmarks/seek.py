"""Speed and memory of reading long video: open, step, jump, scroll, track.

Run ``python -m benchmarks.seek`` for two generated H.264 clips of 10,000
frames, 640 x 480 px, one with a key frame every 12 frames and one every 250.
``--clips FILE ...`` measures those files instead, ``--threads`` compares
FFmpeg's ways of sharing decoding among cores. Peak memory is that of a child
process which only opens the clip, scrolls through all of it and tracks 20
points with Lucas-Kanade.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from napari_usstrack.io import pyav_video
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.registry import open_video

SIZE = (640, 480)
THREADS = ("AUTO", "FRAME", "SLICE", "NONE")
JUMPS = 60
STEPS = 200
JUMP_BUDGET = 10**7
POINTS = 20


def speckle(count: int) -> Iterable[NDArray[np.uint8]]:
    """Speckle that drifts by about 1 px a frame under fresh noise."""
    import cv2

    rng = np.random.default_rng(5)
    width, height = SIZE
    field = rng.rayleigh(60, (height + 64, width + 64)).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 1.5)
    field = np.clip((field - field.mean()) * 3 + 90, 0, 235).astype(np.uint8)
    noise = rng.integers(0, 24, (height + 97, width + 97), dtype=np.uint8)
    for i in range(count):
        x, y = (int(32 + 31 * np.sin(i / period)) for period in (31, 47))
        u, v = rng.integers(0, 97, 2)
        yield field[y : y + height, x : x + width] + noise[v : v + height, u : u + width]


def make_clip(path: Path, count: int, gop: int) -> Path:
    """Encode the drifting speckle with a key frame every `gop` frames."""
    with av.open(str(path), "w") as file:
        options = {"preset": "superfast", "crf": "23", "sc_threshold": "0"}
        stream = file.add_stream("libx264", rate=60, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, 2
        stream.codec_context.thread_type = "AUTO"
        chroma = np.full((SIZE[1] // 2, SIZE[0]), 128, dtype=np.uint8)
        for number, picture in enumerate(speckle(count)):
            planes = np.concatenate([picture, chroma])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _milliseconds(action: Callable[[int], object], places: Iterable[int]) -> NDArray[np.float64]:
    taken = []
    for place in places:
        begun = time.perf_counter()
        action(int(place))
        taken.append(1000 * (time.perf_counter() - begun))
    return np.array(taken)


def speed(path: Path) -> dict[str, float]:
    """Milliseconds of opening, stepping and jumping; median and 95th percentile.

    Jumps go through a cache of a few frames, so that every one is decoded;
    each is made three times and the quickest counts, which leaves out what
    other programs take.
    """
    found: dict[str, float] = {}
    begun = time.perf_counter()
    video = open_video(path)
    found["open"] = 1000 * (time.perf_counter() - begun)
    count = len(video)
    steps = min(STEPS, count // 3)
    rng = np.random.default_rng(2)
    forward = _milliseconds(video.__getitem__, range(steps))
    video.close()
    whole = open_video(path)
    video = ClipVideo(whole.info, whole._frames.reader, budget=JUMP_BUDGET)
    places = rng.integers(0, count, JUMPS)
    jumps = np.min([_milliseconds(video.__getitem__, places) for _ in range(3)], axis=0)
    video.close()
    video = open_video(path)
    last = count - 1 - count // 7
    backward = _milliseconds(video.__getitem__, range(last, last - steps, -1))
    for name, taken in (("step", forward), ("jump", jumps), ("back", backward)):
        found[name], found[f"{name} 95"] = np.median(taken), np.percentile(taken, 95)
    found["back max"] = backward.max()
    video.close()
    return found


def work(path: Path) -> dict[str, float]:
    """Scroll through a clip and track points in it; frames per second and peak memory."""
    import napari_usstrack as uss

    video = open_video(path)
    begun = time.perf_counter()
    for number in range(len(video)):
        video[number]
    scrolled = time.perf_counter() - begun
    rng = np.random.default_rng(3)
    height, width = video.shape[1:]
    xy = rng.uniform(0.2, 0.8, (POINTS, 2)) * (width, height)
    begun = time.perf_counter()
    uss.track(video, np.column_stack([np.zeros(POINTS), xy]), method="lucas-kanade")
    tracked = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "scroll f/s": len(video) / scrolled,
        "track f/s": len(video) / tracked,
        "peak MB": peak / 1e6,
    }


def _in_child(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.seek", "--work", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = ("scroll f/s", "track f/s", "peak MB")
    return dict(zip(names, map(float, done.stdout.split()), strict=True))


def _table(paths: list[Path], threads: Iterable[str], full: bool) -> None:
    print("times in ms: median, and 95 for the 95th percentile; max for the longest")
    for path in paths:
        for kind in threads:
            pyav_video.THREADS = kind
            row = speed(path) | (_in_child(path) if full else {})
            if path is paths[0] and kind == next(iter(threads)):
                print(f"{'clip':<36}{'threads':<8}" + "".join(f"{name:>11}" for name in row))
            print(
                f"{path.stem[:35]:<36}{kind:<8}"
                + "".join(f"{value:>11.1f}" for value in row.values())
            )


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=Path, nargs="+", help="measure these instead")
    parser.add_argument("--threads", action="store_true", help="compare ways of decoding")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="folder for the generated clips")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        print(*work(asked.work).values())
        return
    kinds = THREADS if asked.threads else (pyav_video.THREADS,)
    if asked.clips:
        _table(asked.clips, kinds, not asked.threads)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = asked.keep or Path(made)
        paths = [folder / f"speckle_{asked.frames}_gop_{gop}.mp4" for gop in (12, 250)]
        for path, gop in zip(paths, (12, 250), strict=True):
            if not path.exists():
                make_clip(path, asked.frames, gop)
        _table(paths, kinds, not asked.threads)


if __name__ == "__main__":
    main()
