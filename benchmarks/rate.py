"""Point-frames per second of trackers, all on the same frames in memory.

Run ``python -m benchmarks.rate --dustrack PYTHON``, the interpreter of an
environment with DUSTrack 1.3.2. 40 points on the brighter half of 120 frames of
moving speckle, 640 x 480 px at 0.2 mm per px, are followed from the first frame to
the last by one method after the other, again and again; each runs on three frames
before that, unmeasured. A point-frame is one point taken to one further frame. Rates
are those of the median time of the repeats, the range is that of the slowest and the
fastest; the last column is the rate over that of ``lucas-kanade`` in the same run.
DUSTrack's own Lucas-Kanade gets the same grey frames in memory, in its own
interpreter with its own OpenCV, whose start is not counted. Methods use as many
threads as they do by default.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.flow import clip_frames, on_texture
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, Video, VideoInfo
from napari_usstrack.pipelines.bench.cases import timed
from napari_usstrack.pipelines.bench.dustrack import Dustrack
from napari_usstrack.pipelines.bench.methods import Method, own
from napari_usstrack.pipelines.bench.run import warm_up

SIZE, MM_PER_PX, FPS = (640, 480), 0.2, 30.0
BASE = "lucas-kanade"


def scene(count: int) -> tuple[Video, Queries]:
    """A clip in memory, and 40 points in its first frame."""
    frames = clip_frames(*SIZE, count)
    scale = Calibration((MM_PER_PX,) * 2, np.arange(count) / FPS, "simulation", "simulation")
    video = CallbackVideo(
        VideoInfo(count, *SIZE, scale), lambda span: frames[span.start : span.stop]
    )
    xy = on_texture(frames[0])
    names = tuple(f"p{i + 1}" for i in range(len(xy)))
    return video, Queries(np.zeros(len(xy), dtype=np.intp), xy, names)


def in_turns(
    methods: Sequence[Method], video: Video, queries: Queries, repeats: int
) -> dict[str, list[float]]:
    """Milliseconds per point and frame of every method in every turn."""
    taken: dict[str, list[float]] = {method.name: [] for method in methods}
    span = range(video.info.frame_count)
    for _ in range(repeats):
        for method in methods:
            _, spent = finish(timed(method.tracker, video, queries, span))
            taken[method.name].append(spent.value)
    return taken


def lines(taken: Mapping[str, Sequence[float]], base: str = BASE) -> list[str]:
    """Lines of the table: rate, its range, and its ratio to the method `base`.

    Parameters
    ----------
    taken : mapping of str to sequence of float
        Milliseconds per point and frame by method.
    base : str
        A method; without it there are no ratios.
    """
    rates = {name: 1e3 / float(np.median(ms)) for name, ms in taken.items()}
    made = []
    for name, rate in rates.items():
        spread = f"{1e3 / max(taken[name]):,.0f}-{1e3 / min(taken[name]):,.0f}"
        ratio = f"{rate / rates[base]:.3f}" if base in rates else "-"
        made.append(f"{name:<40}{rate:>14,.0f}{spread:>22}{ratio:>16}")
    return made


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="hybrid,tissue-flow,lucas-kanade")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dustrack", metavar="PYTHON", help="interpreter that has DUSTrack 1.3.2")
    given = parser.parse_args()
    methods = own(given.methods)
    if given.dustrack:
        methods.append(Method("dustrack", Dustrack(given.dustrack)))
    video, queries = scene(given.frames)
    warm_up(methods)
    width, height = SIZE
    print(f"{len(queries)} points, {given.frames} frames of {width} x {height}")
    print(f"{'method':<40}{'point-frames/s':>14}{'range':>22}{f'x {BASE}':>16}")
    taken = in_turns(methods, video, queries, given.repeats)
    print("\n".join(lines(taken)))


if __name__ == "__main__":
    main()
