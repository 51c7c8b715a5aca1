"""What the clips of a training look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from napari_usstrack.models.familiar import Looks, statistics
from napari_usstrack.training.augment import changed
from napari_usstrack.training.pool import read_clip
from napari_usstrack.training.recipes import RECIPES

FRAMES = 4
"""Neighbouring frames whose looks are measured together."""
VERSIONS = 2
"""Changed versions of each clip whose looks are measured beside its own."""
FEWEST = 16
"""Clips from which looks are told."""


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
