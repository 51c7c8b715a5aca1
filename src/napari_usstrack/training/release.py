"""From the folder of a training to the one file that is used and shared.

``python -m napari_usstrack.training.release FOLDER --output specknet.safetensors``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_usstrack.models.familiar import Looks, statistics
from napari_usstrack.training.augment import changed
from napari_usstrack.training.checkpoints import BEST
from napari_usstrack.training.pool import read_clip
from napari_usstrack.training.recipes import RECIPES

FRAMES = 4
"""Neighbouring frames whose looks are measured together."""
VERSIONS = 2
"""Changed versions of each clip whose looks are measured beside its own."""


def release(folder: Path, output: Path) -> dict[str, Any]:
    """Write the best network of a training with what is known of it.

    Parameters
    ----------
    folder : Path
        As `training.loop.train` leaves it; its clips tell what is familiar.
    output : Path
        File to write.

    Returns
    -------
    dict
        What stands in the file: recipe, network, seed, steps, minutes, hardware,
        scores of the best validation, looks of the training clips.
    """
    with safe_open(folder / BEST, "pt") as kept:
        facts = json.loads(kept.metadata()["usstrack"])
        tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
    state = facts.pop("state")
    judged: list[list[float]] = state["scores"]
    best = min(judged, key=_mean_px)
    facts["steps"], facts["minutes"] = state["step"], round(state["minutes"], 1)
    names = ("step", "minutes", "median_px", "mean_px", "delta_percent")
    facts["scores"] = dict(zip(names, best, strict=True))
    facts["looks"] = looks_of(folder / "clips", facts["recipe"]).plain()
    part = output.with_suffix(".part")
    save_file(tensors, part, {"usstrack": json.dumps(facts)})
    part.chmod(0o644)
    part.replace(output)
    return facts


def _mean_px(row: list[float]) -> float:
    return row[3]


def looks_of(clips: Path, recipe: str) -> Looks:
    """Measure the training clips in a folder, as they are and as they are changed."""
    random, rows = np.random.default_rng(0), []
    changes = RECIPES[recipe].changes
    for path in sorted(clips.glob("clip-*.npz")):
        clip = read_clip(path, torch.device("cpu"))
        few = clip.part(slice(0, FRAMES))
        rows.append(statistics(few.frames))
        for _ in range(VERSIONS):
            rows.append(statistics(changed(few, changes, 192, random).frames))
    return Looks.of(rows)


def main(arguments: list[str] | None = None) -> int:
    """Write the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args(arguments)
    release(given.folder, given.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
