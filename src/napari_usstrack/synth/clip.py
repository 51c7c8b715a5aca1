"""A rendered clip with its truth, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.tracks import Tracks


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames and all that is known of them.

    Attributes
    ----------
    name : str
        Kind of scene.
    frames : uint8 ndarray, shape (frames, height, width)
        Grey pictures.
    tracks : Tracks
        True positions of the scene's points in px, with true visibility.
    measures : mapping
        Derived truth, one number per frame; names end in their unit.
    facts : mapping
        Numbers drawn for the scene.
    mask : bool ndarray, shape (height, width)
        Where the picture shows tissue.
    apex_xy : tuple of float or None
        Origin of the beams, px; None for parallel beams.
    """

    name: str
    frames: NDArray[np.uint8]
    tracks: Tracks
    measures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    mask: NDArray[np.bool_] | None = None
    apex_xy: tuple[float, float] | None = None

    def save(self, path: Path) -> None:
        """Write everything to one ``.npz``.

        The arrays `frames`, `tracks` (points, frames, 2), `mm_per_px` and
        `fps` are named as in other collections of clips with truth; the rest
        are `visible` (points, frames), `names`, `groups`, `kinds`, `scene`,
        `mask`, `apex_xy`, and one array per measure (`measure_...`) and fact
        (`fact_...`).
        """
        info = self.tracks.video
        spacing = info.spacing_mm
        arrays: dict[str, Any] = {
            "frames": self.frames,
            "tracks": self.tracks.xy.transpose(1, 0, 2).astype(np.float32),
            "visible": self.tracks.visible.T,
            "names": np.array([point.name for point in self.tracks.points]),
            "groups": np.array([point.group for point in self.tracks.points]),
            "kinds": np.array([point.kind for point in self.tracks.points]),
            "mm_per_px": np.float64(spacing[0] if spacing else np.nan),
            "fps": np.float64(info.fps or np.nan),
            "scene": np.array(self.name),
        }
        if self.mask is not None:
            arrays["mask"] = self.mask
        if self.apex_xy is not None:
            arrays["apex_xy"] = np.asarray(self.apex_xy)
        arrays |= {f"measure_{name}": values for name, values in self.measures.items()}
        arrays |= {f"fact_{name}": np.float64(value) for name, value in self.facts.items()}
        np.savez_compressed(path, **arrays)
