"""Loss of video compression: blocks of 8 x 8 px, quantised cosine coefficients."""

from __future__ import annotations

import math

import torch

SIDE = 8


def compressed(picture: torch.Tensor, coarsest: float) -> torch.Tensor:
    """What is left of a picture after quantising it in blocks.

    Parameters
    ----------
    picture : tensor, shape (height, width)
        Grey levels, 0 to 255.
    coarsest : float
        Step of the finest detail in grey levels; a quarter of it for the mean.
    """
    height, width = picture.shape
    down, right = -height % SIDE, -width % SIDE
    padded = torch.nn.functional.pad(picture[None, None], (0, right, 0, down), "replicate")[0, 0]
    basis = _cosines().to(picture.device)
    blocks = padded.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE)
    order = torch.arange(SIDE, device=picture.device, dtype=torch.float32) / (SIDE - 1)
    steps = coarsest * (0.25 + 0.375 * (order[:, None] + order[None]))
    coefficients = (basis @ blocks @ basis.T / steps).round() * steps
    back = basis.T @ coefficients @ basis
    return back.permute(0, 2, 1, 3).reshape(padded.shape)[:height, :width]


def _cosines() -> torch.Tensor:
    """Orthonormal cosine transform of 8 numbers, (8, 8)."""
    order = torch.arange(SIDE, dtype=torch.float32)
    table = torch.cos(math.pi / SIDE * (order[None] + 0.5) * order[:, None]) * math.sqrt(2 / SIDE)
    table[0] /= math.sqrt(2.0)
    return table
