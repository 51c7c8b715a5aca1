from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip


@pytest.fixture(scope="session")
def clip() -> SpeckleClip:
    """Twelve frames of 96 x 80 px that move by (1, 0.5) px a frame."""
    return speckle_clip(shift(1.0, 0.5), frames=12, width=96, height=80, seed=3)


@pytest.fixture
def clip_file(tmp_path, clip):
    """The clip as a file with scale and rate."""
    path = tmp_path / "clip.npz"
    np.savez(path, frames=clip.frames, mm_per_px=0.1, fps=30.0)
    return path
