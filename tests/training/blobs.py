"""Clips of bright blobs on black whose middles are the truth."""

from __future__ import annotations

import numpy as np
import torch

from napari_usstrack.training.clips import TrainingClip

MM = 0.25


def blob_frames(xy: np.ndarray, size: tuple[int, int], width: float) -> torch.Tensor:
    """A blob of this standard deviation (px) at one position per frame, 0 to 250."""
    y, x = np.mgrid[: size[0], : size[1]]
    at = xy[:, None, None]
    square = (x - at[..., 0]) ** 2 + (y - at[..., 1]) ** 2
    return torch.from_numpy(250.0 * np.exp(-0.5 * square / width**2)).float()


def blob_clip(xy, size: tuple[int, int], width: float = 3.0) -> TrainingClip:
    """One blob at one position per frame, and its path."""
    xy = np.asarray(xy, dtype=np.float64)
    return TrainingClip(
        blob_frames(xy, size, width),
        torch.from_numpy(xy[:, None]).float(),
        torch.ones(len(xy), 1, dtype=torch.bool),
        MM,
        "blob",
    )


def centroids(frames: torch.Tensor) -> np.ndarray:
    """Middle of what is bright in each frame, (x, y) px."""
    grey = frames.double().numpy()
    rows, columns = np.indices(grey.shape[1:])
    total = grey.sum(axis=(1, 2))
    return np.stack([(grey * axis).sum(axis=(1, 2)) / total for axis in (columns, rows)], axis=1)


def speckled(count: int, side: int, points: int, seed: int = 0, room: int = 8) -> TrainingClip:
    """A still clip of noise with the speckle of a scan, and points that stay."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(2, side + 3, side + 3))
    smooth = sum(noise[:, i : i + side, j : j + side] for i in range(4) for j in range(4))
    bright = np.sqrt((smooth**2).sum(axis=0))
    frame = np.clip(80.0 * bright / bright.mean(), 0, 255).astype(np.uint8)
    xy = random.uniform(room, side - 1 - room, (points, 2)).astype(np.float32)
    return TrainingClip(
        torch.from_numpy(frame).expand(count, -1, -1).clone(),
        torch.from_numpy(xy).expand(count, -1, -1).clone(),
        torch.ones(count, points, dtype=torch.bool),
        MM,
        "speckled",
    )
