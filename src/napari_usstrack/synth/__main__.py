"""Render a scene from the command line; needs torch and NumPy only.

``python -m napari_usstrack.synth --scene heart-a4c --seed 3 --output clip.npz``
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from napari_usstrack.synth.catalogue import SCENES, draw
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import render


def main(arguments: list[str] | None = None) -> int:
    """Render and save; returns the exit code."""
    given = _parser().parse_args(arguments)
    if given.list:
        _say("\n".join(SCENES))
        return 0
    problem = _problem(given)
    if problem:
        sys.stderr.write(f"usstrack synth: {problem}\n")
        return 1
    scene = draw(given.scene, given.seed, frames=given.frames, orientation=given.orientation)
    begun = time.perf_counter()
    clip = render(scene, seed=given.seed, size=given.size, device=given.device)
    took = time.perf_counter() - begun
    if given.output is not None:
        clip.save(given.output)
    _say(_summary(clip, took, given.output))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_usstrack.synth", description=__doc__)
    parser.add_argument("--scene", default="heart-a4c", help="kind of scene, see --list")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same clip")
    parser.add_argument("--frames", type=int, default=64, help="frames in the clip")
    parser.add_argument(
        "--size", type=_size, default=(256, 256), metavar="PX", help="side, or HEIGHTxWIDTH, px"
    )
    parser.add_argument(
        "--orientation",
        choices=("usual", "any"),
        default="usual",
        help="the usual view, or anatomy turned and mirrored at random",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--output", type=Path, help="file to write, .npz")
    parser.add_argument("--list", action="store_true", help="print the kinds of scenes")
    return parser


def _size(text: str) -> tuple[int, int]:
    """Height and width of ``256`` or ``176x240``."""
    height, _, width = text.partition("x")
    return int(height), int(width or height)


def _problem(given: argparse.Namespace) -> str:
    """What is wrong with the arguments, and the remedy; empty when nothing is."""
    if given.scene not in SCENES:
        return f"there is no scene {given.scene!r}; choose one of {', '.join(SCENES)}."
    if given.frames < 1:
        return f"--frames is {given.frames}; give 1 or more."
    if not all(32 <= side <= 2048 for side in given.size):
        return f"--size is {given.size[0]}x{given.size[1]}; give 32 to 2048 px."
    if given.output is not None and given.output.suffix != ".npz":
        return f"{given.output} does not end in .npz; choose a name that does."
    if given.output is not None and not given.output.parent.is_dir():
        return f"the folder of {given.output} does not exist; make it first."
    return ""


def _summary(clip: Clip, took: float, output: Path | None) -> str:
    count, height, width = clip.frames.shape
    info = clip.tracks.video
    spacing = info.spacing_mm or (float("nan"),) * 2
    lines = [
        f"{clip.name}: {count} frames of {width} x {height} px, {spacing[0]:.4f} mm/px, "
        f"{info.fps or float('nan'):.1f} frames/s, {len(clip.tracks.points)} points",
        f"rendered in {took:.2f} s, {count / took:.1f} frames per second",
    ]
    lines += [
        f"  {name:<32}{values.min():10.3f} to {values.max():10.3f}"
        for name, values in clip.measures.items()
        if values.ndim == 1
    ]
    return "\n".join(lines + ([f"written to {output}"] if output else []))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
