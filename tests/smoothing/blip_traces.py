"""Traces with faults, and the script that stores what DUSTrack 1.3.2 says of them.

Needs NumPy only. Where DUSTrack is installed, run this file in an empty folder
with QT_QPA_PLATFORM=offscreen and MPLBACKEND=Agg to write the reference anew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).with_name("dustrack-1.3.2-blips.npz")
COUNT = 100
COUNTS = ("n_skipped_edge", "n_skipped_noreturn", "n_skipped_long")


def options(index: int) -> tuple[float, int, float]:
    """Bar in robust deviations, most frames of a blip, room in median steps."""
    return ((5.0, 5, 3.0), (150.0, 50, 3.0), (3.0, 8, 1.5), (5.0, 1, 6.0))[index % 4]


def trace(index: int) -> np.ndarray:
    """Positions ``[frames, 2]`` in 1/16 px: a walk with blips, jumps, holes and flat parts.

    The last frame is known: DUSTrack's dictionary of places ends with the last known one.
    """
    rng = np.random.default_rng(index)
    frames = int(rng.integers(3, 160))
    xy = np.cumsum(rng.integers(-20, 21, (frames, 2)) * rng.integers(0, 2, (frames, 1)), axis=0)
    if index % 10 == 9:
        xy[:] = 160
    places = xy / 16.0
    for _ in range(int(rng.integers(0, 8))):
        at, size = int(rng.integers(0, frames)), int(rng.integers(1, 9))
        places[at : at + size] += rng.integers(-40, 41, 2) * float(rng.choice([1, 4, 16]))
    for _ in range(int(rng.integers(0, 4))):
        at, size = int(rng.integers(0, frames)), int(rng.integers(1, 6))
        places[at : min(at + size, frames - 1)] = np.nan
    if index % 7 == 3:
        places[frames // 2 :] += 300.0
    return places


def _ask(index: int) -> tuple[np.ndarray, list[int]]:
    from dustrack import VideoAnnotation, detect_blips

    k, longest, back = options(index)
    places = trace(index)
    known = {i: xy.tolist() for i, xy in enumerate(places) if not np.isnan(xy).any()}
    asked = VideoAnnotation(n_labels=1)
    asked.data = {"0": known}
    report = detect_blips(
        asked, threshold_factor=k, max_blip_length=longest, return_position_factor=back
    )
    stats = report.per_label_stats.get("0", {})
    spans = np.array([(blip.start, blip.end) for blip in report.blips], dtype=int).reshape(-1, 2)
    return spans, [int(stats.get(name, 0)) for name in COUNTS]


if __name__ == "__main__":
    spans, counts = zip(*(_ask(index) for index in range(COUNT)), strict=True)
    np.savez_compressed(
        REFERENCE,
        spans=np.concatenate(spans),
        owner=np.repeat(np.arange(COUNT), [len(each) for each in spans]),
        counts=np.array(counts),
    )
