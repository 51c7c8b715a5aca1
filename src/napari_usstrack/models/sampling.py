"""Sampling of feature maps at positions in px, safe for pictures that are not square.

A map of stride s shows the picture in cells of s x s px; cell i of an axis has its
centre at ``(i + 0.5) * s - 0.5`` px, an integer being the centre of a pixel.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def to_cells(xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Positions in px as positions in cells of a map."""
    return (xy + 0.5) / stride - 0.5


def to_px(cells: torch.Tensor, stride: int) -> torch.Tensor:
    """Inverse of `to_cells`."""
    return (cells + 0.5) * stride - 0.5


def sampled(maps: torch.Tensor, xy: torch.Tensor, stride: int) -> torch.Tensor:
    """Bilinear values of maps at positions; beyond the border the border holds.

    Parameters
    ----------
    maps : tensor, shape (batch, channels, height, width)
    xy : tensor, shape (batch, points, 2)
        Px of the picture.
    stride : int
        Px per cell.

    Returns
    -------
    tensor, shape (batch, points, channels)
    """
    height, width = maps.shape[-2:]
    size = torch.tensor([width * stride, height * stride], dtype=xy.dtype, device=xy.device)
    grid = (2.0 * xy + 1.0) / size - 1.0
    found = functional.grid_sample(
        maps, grid[:, :, None].to(maps.dtype), padding_mode="border", align_corners=False
    )
    return found[..., 0].transpose(1, 2)


def windows(maps: torch.Tensor, corner: torch.Tensor, side: int) -> torch.Tensor:
    """Square pieces of maps, one for each point.

    Parameters
    ----------
    maps : tensor, shape (batch, channels, height, width)
    corner : int tensor, shape (batch, points, 2)
        Top left cell (x, y) of each piece, all inside the map.
    side : int
        Cells.

    Returns
    -------
    tensor, shape (batch, points, side * side, channels)
    """
    batch, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    step = torch.arange(side, device=maps.device)
    inner = (step[:, None] * width + step).flatten()
    first = corner[..., 1] * width + corner[..., 0]
    first = first + (torch.arange(batch, device=maps.device) * height * width)[:, None]
    cells = first[..., None] + inner
    return rows[cells.flatten()].view(*cells.shape, channels)
