"""Clips made from a single picture: warped smoothly, or still, with fresh noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from napari_usstrack.training.augment import noisy
from napari_usstrack.training.clips import TrainingClip

ROUNDS = 12
"""Repetitions that invert a warp; it changes by less than half over any distance."""


def still(clip: TrainingClip, random: np.random.Generator) -> TrainingClip:
    """One frame again and again with fresh noise."""
    one = int(random.integers(len(clip.frames)))
    rows = torch.full((len(clip.frames),), one, device=clip.frames.device)
    clip = clip.part(rows)
    return replace(clip, frames=noisy(clip.frames.float(), random.uniform(2.0, 10.0), random))


def warped(clip: TrainingClip, random: np.random.Generator) -> TrainingClip:
    """Frame 0 moved by a smooth random motion, equally likely in every direction.

    The motion is affine and a plane wave on top; paths solve it to 0.01 px.
    """
    count, (height, width) = len(clip.frames), clip.frames.shape[-2:]
    motion = _Motion.drawn(count, max(height, width), random, clip.frames.device)
    step_x = torch.arange(width, dtype=torch.float32, device=clip.frames.device)
    step_y = torch.arange(height, dtype=torch.float32, device=clip.frames.device)
    at = torch.stack([step_x.expand(height, -1), step_y[:, None].expand(-1, width)], dim=-1)
    size = torch.tensor([width, height], device=at.device)
    grid = (2.0 * motion.origin(at.expand(count, -1, -1, -1)) + 1.0) / size - 1.0
    base = clip.frames[:1].float().expand(count, -1, -1)[:, None]
    frames = functional.grid_sample(base, grid, align_corners=False)[:, 0]
    start, seen = clip.xy[0], clip.seen[0]
    xy = motion.landed(start.expand(count, -1, -1))
    inside = ((xy >= 0) & (xy <= size - 1)).all(dim=-1)
    frames = noisy(frames, random.uniform(2.0, 14.0), random).clamp(0.0, 255.0)
    return replace(clip, frames=frames, xy=xy, seen=seen & inside)


class _Motion:
    """Where the tissue at a place of each frame lay in the picture."""

    def __init__(self, matrix: torch.Tensor, shift: torch.Tensor, centre: float) -> None:
        self.matrix, self.shift, self.centre = matrix, shift, centre
        self.wave, self.size, self.phase = shift.new_zeros(2), shift.new_zeros(len(shift), 2), 0.0

    @classmethod
    def drawn(
        cls, count: int, side: int, random: np.random.Generator, device: torch.device
    ) -> _Motion:
        """Draw a motion of so many frames, up to a tenth of the side."""
        time = np.linspace(0.0, 1.0, count)
        course = np.stack(
            [
                np.sin(2 * math.pi * (random.uniform(0.3, 1.5) * time + random.random()))
                for _ in range(7)
            ],
            axis=1,
        )
        strain = random.normal(0.0, 0.07, 4) * course[:, :4]
        shift = random.normal(0.0, 0.05 * side, 2) * course[:, 4:6]
        matrix = np.eye(2) + strain.reshape(-1, 2, 2)
        motion = cls(_tensor(matrix, device), _tensor(shift, device), 0.5 * (side - 1))
        length = random.uniform(0.25, 0.8) * side
        angle = random.uniform(0.0, 2.0 * math.pi)
        motion.wave = _tensor(
            2 * math.pi / length * np.array([math.cos(angle), math.sin(angle)]), device
        )
        direction = random.normal(0.0, 1.0, 2)
        direction /= np.linalg.norm(direction)
        most = random.uniform(0.0, 0.25) * length / (2 * math.pi)
        motion.size = _tensor(most * direction * course[:, 6:], device)
        motion.phase = float(random.uniform(0.0, 2.0 * math.pi))
        return motion

    def _bent(self, at: torch.Tensor) -> torch.Tensor:
        extra = at.dim() - 2
        size = self.size.view(len(self.size), *(1,) * extra, 2)
        return size * torch.sin(at @ self.wave + self.phase)[..., None]

    def origin(self, at: torch.Tensor) -> torch.Tensor:
        """Where places ``(frames, ..., 2)`` lay in the picture, px."""
        shape = (len(self.shift), *(1,) * (at.dim() - 2), 2)
        linear = torch.einsum("fij,f...j->f...i", self.matrix, at - self.centre)
        return linear + self.centre + self.shift.view(shape) + self._bent(at)

    def landed(self, start: torch.Tensor) -> torch.Tensor:
        """Where places of the picture ``(frames, points, 2)`` lie in each frame, px."""
        inverse = torch.linalg.inv(self.matrix)
        at = start.clone()
        for _ in range(ROUNDS):
            rest = start - self.shift[:, None] - self._bent(at) - self.centre
            at = torch.einsum("fij,fpj->fpi", inverse, rest) + self.centre
        return at


def _tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float().to(device)
