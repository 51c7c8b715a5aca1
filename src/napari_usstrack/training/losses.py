"""What a network that matches points is trained for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from napari_usstrack.models.sampling import to_cells
from napari_usstrack.models.specknet import (
    FINE,
    MIDDLE,
    Descriptors,
    Maps,
    SpeckNet,
    coarse_place,
    peak,
)

JITTER = 2
"""Cells of 4 px by which the guess is off in training."""
RIGHT_PX = 4.0
"""A point that is found within this distance counts as seen by the network."""


class Losses(NamedTuple):
    """Parts of the loss, and the error they lead to.

    Attributes
    ----------
    place, close, distance, spread, seen : tensor
        Cross entropy over all cells of 4 px and over cells of 2 px near the
        truth, distance in px, likelihood of the distance, visibility.
    error_px : tensor, shape (pairs,)
        Distance of the answer from the truth where the point is seen.
    """

    place: torch.Tensor
    close: torch.Tensor
    distance: torch.Tensor
    spread: torch.Tensor
    seen: torch.Tensor
    error_px: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """The weighted sum."""
        return self.place + self.close + 0.3 * self.distance + 0.2 * self.spread + 0.2 * self.seen


def losses(
    network: SpeckNet,
    maps: Maps,
    wanted: Descriptors,
    xy: torch.Tensor,
    seen: torch.Tensor,
    jitter: torch.Tensor,
    known: torch.Tensor | None = None,
) -> Losses:
    """Compare what a network says of frames with the truth.

    Parameters
    ----------
    network : SpeckNet
    maps : Maps
        Of the frames to look in.
    wanted : Descriptors
        (points, channels) each.
    xy : tensor, shape (frames, points, 2)
        Truth, px.
    seen : bool tensor, shape (frames, points)
    jitter : tensor, shape (frames, points, 2)
        -1 to 1: how far the guess is off in training, in units of `JITTER`.
    known : bool tensor, shape (frames, points), optional
        Where `seen` says something; everywhere when left out.
    """
    volume = network.volume(maps, wanted)
    columns = volume.shape[-1]
    place = _cross_entropy(volume.flatten(2), to_cells(xy, MIDDLE), columns, volume.shape[-2])
    cell = (to_cells(xy, MIDDLE) + JITTER * jitter).round()
    off = (cell + 0.5) * MIDDLE - 0.5
    logits, corner = network.closely(maps, wanted, volume, off)
    side = 2 * network.settings.reach
    close = _cross_entropy(logits, to_cells(xy, FINE) - corner, side, side)
    near, _, _ = peak(logits, corner, side, network.settings.peak)
    distance = functional.smooth_l1_loss(near, xy, reduction="none", beta=1.0).sum(-1)
    found = network.around(maps, wanted, volume, coarse_place(volume.detach()))
    apart = (found.xy.detach() - xy).abs()
    error = torch.linalg.vector_norm(found.xy.detach() - xy, dim=-1)
    spread = 2.0 * found.spread + apart.clamp(max=20.0).sum(-1) * torch.exp(-found.spread)
    right = (seen & (error < RIGHT_PX)).float()
    sight, right = (found.seen, right) if known is None else (found.seen[known], right[known])
    judged = functional.binary_cross_entropy_with_logits(sight, right)
    return Losses(
        place=_mean(place, seen),
        close=_mean(close, seen),
        distance=_mean(distance, seen),
        spread=_mean(spread, seen & (error < 4 * RIGHT_PX)),
        seen=judged,
        error_px=error[seen],
    )


def pooled(parts: Sequence[Losses]) -> Losses:
    """Means over several clips, and all their errors."""
    return Losses(
        place=torch.stack([part.place for part in parts]).mean(),
        close=torch.stack([part.close for part in parts]).mean(),
        distance=torch.stack([part.distance for part in parts]).mean(),
        spread=torch.stack([part.spread for part in parts]).mean(),
        seen=torch.stack([part.seen for part in parts]).mean(),
        error_px=torch.cat([part.error_px for part in parts]),
    )


def _mean(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    return (values * counted).sum() / counted.sum().clamp(min=1)


def _cross_entropy(
    logits: torch.Tensor, cells: torch.Tensor, columns: int, rows: int
) -> torch.Tensor:
    """Cross entropy with a truth spread over the four cells around it, (frames, points)."""
    most = torch.tensor([columns - 1, rows - 1], device=cells.device)
    cells = torch.minimum(cells.clamp(min=0.0), most.to(cells) - 1e-3)
    corner = cells.floor().long()
    part = cells - corner
    total = torch.logsumexp(logits, dim=-1)
    expected = torch.zeros_like(total)
    for right in (0, 1):
        for down in (0, 1):
            weight = (part[..., 0] if right else 1 - part[..., 0]) * (
                part[..., 1] if down else 1 - part[..., 1]
            )
            index = (corner[..., 1] + down) * columns + corner[..., 0] + right
            expected = expected + weight * logits.gather(-1, index[..., None])[..., 0]
    return total - expected
