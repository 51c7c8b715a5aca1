"""Trackers on clips with exact motion: accuracy in the field's measures, and time.

Run ``python -m benchmarks.clips FOLDER``, where FOLDER holds ``.npz`` clips
with ``frames`` [t, y, x], ``tracks`` [point, t, (x, y)] and ``mm_per_px``.
Positions are scaled to 256 px on both axes; the query frame 0 is left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import napari_usstrack as uss

THRESHOLDS_PX = (1, 2, 4, 8, 16)
VARIANTS = (
    ("tissue-flow", {}),
    ("tissue-flow", {"rematch": False}),
    ("lucas-kanade", {"window": 21, "levels": 4}),
    ("lucas-kanade", {"window": 45, "levels": 4}),
    ("lucas-kanade", {}),
    ("dense-flow", {}),
    ("dense-flow", {"preset": "fast"}),
    ("block-matching", {}),
)


def measure(clip: Path, method: str, options: dict) -> str:
    """Track one clip from frame 0 and describe how well that went."""
    with np.load(clip) as data:
        frames, truth = data["frames"], data["tracks"].transpose(1, 0, 2).astype(float)
        spacing = float(data["mm_per_px"])
    rows = np.column_stack([np.zeros(truth.shape[1]), truth[0]])
    begun = time.perf_counter()
    run = uss.track(frames, rows, method=method, mm_per_px=spacing, **options)
    seconds = time.perf_counter() - begun
    error = (run.xy - truth)[1:]
    height, width = frames.shape[1:]
    px = np.linalg.norm(error * 256 / np.array([width, height]), axis=-1)
    delta = 100 * np.mean([(px < limit).mean() for limit in THRESHOLDS_PX])
    mte = np.median(px, axis=0).mean()
    mm = np.linalg.norm(error, axis=-1).mean() * spacing
    lost = 100 * (1 - run.visible.mean())
    rate = px.size / seconds
    label = " ".join([method, *(f"{key}={value}" for key, value in options.items())])
    return (
        f"{clip.stem:<30}{label:<36}{delta:>10.1f}{mte:>10.2f}{mm:>9.2f}{lost:>8.1f}{rate:>12.0f}"
    )


def main() -> None:
    """Print one row per clip and variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print(
        f"{'clip':<30}{'method':<36}{'delta avg':>10}{'MTE px':>10}{'mean mm':>9}"
        f"{'lost %':>8}{'points x f/s':>12}"
    )
    for clip in sorted(folder.glob("*.npz")):
        for method, options in VARIANTS:
            print(measure(clip, method, options))


if __name__ == "__main__":
    main()
