"""Frames per second of the generator, and scatterers per resolution cell.

Run ``python -m benchmarks.synth_rate``. Every row renders one scene with a
random look; setting up the scene and drawing are timed apart. Give
``--device cuda`` on a machine that has an accelerator.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import torch

from napari_usstrack.synth.catalogue import SCENES, draw
from napari_usstrack.synth.cloud import PER_CELL, SLAB
from napari_usstrack.synth.render import Renderer


def rate(name: str, size: int, frames: int, device: str) -> tuple[float, float, int]:
    """Seconds to set up, frames per second, scatterers."""
    begun = time.perf_counter()
    scene = draw(name, 1, frames=frames)
    renderer = Renderer(scene, seed=1, size=(size, size), device=device)
    ready = time.perf_counter()
    for picture in renderer.pictures():
        picture.cpu()
    took = time.perf_counter() - ready
    count = sum(len(cloud.scale) for cloud in renderer.clouds)
    return ready - begun, frames / took, count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--scenes", nargs="*", default=list(SCENES))
    given = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, {given.device}; at least {PER_CELL:.0f} scatterers in every "
        f"cell of the slice, in a slab {SLAB:.1f} slices thick"
    )
    print(f"{'scene':<20}{'size':>6}{'scatterers':>12}{'set-up, s':>11}{'frames/s':>10}")
    for name in given.scenes:
        for size in (256, 512):
            setup_s, fps, count = rate(name, size, given.frames, given.device)
            print(f"{name:<20}{size:>6}{count:>12}{setup_s:>11.2f}{fps:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
