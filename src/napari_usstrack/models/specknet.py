"""SpeckNet, slim: any speckle is found again by its descriptors at three scales.

A point of one frame has a descriptor on each of three maps (cells of 8, 4 and 2 px).
The coarser two are compared with every cell of another frame, the finest with the
cells around the best of those. Every pair of frames is matched on its own: nothing
drifts, and no direction or phase of motion is expected. All layers turn and mirror
with the picture (`models.symmetry`), so that answers do as well.

The idea of matching multi-scale cost volumes without a tracking head is that of
SpeckNet (Azad et al., arXiv 2507.10127; `models.specknet_paper`). Symmetric layers,
similarity with learned temperatures, search on a finer map, confidence and
visibility are ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from napari_usstrack.models.sampling import sampled, to_cells, to_px, windows
from napari_usstrack.models.symmetry import ORDER, Lift, Plain, Turning

GRID = 16
"""Frames are a multiple of this many px high and wide."""
FINE, MIDDLE, COARSE = 2, 4, 8
LOCAL_PX = 32
"""Side of the area whose mean and contrast are taken out of the picture."""
CONTRAST = 6.0
"""Grey levels that count as no contrast."""
FACTS = 6


@dataclass(frozen=True)
class SpeckNetSettings:
    """What decides the layers.

    Attributes
    ----------
    fine, middle, coarse, wide : int
        Features of the three maps, and of a fourth with cells of 16 px that
        tells the others what lies around; each has eight channels.
    reach : int
        Cells of 2 px on each side of a guess that are searched on the finest map.
    peak : int
        Cells of 2 px around the best one that are averaged.
    symmetric : bool
        Layers that turn with the picture; or free ones with as many channels.
    """

    fine: int = 3
    middle: int = 6
    coarse: int = 8
    wide: int = 8
    reach: int = 6
    peak: int = 2
    symmetric: bool = True

    def plain(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self)


class Maps(NamedTuple):
    """What the network makes of frames.

    Attributes
    ----------
    fine, middle, coarse : tensor, shape (frames, channels, rows, columns)
        Descriptors of unit length, in cells of 2, 4 and 8 px.
    picture : tensor, shape (frames, 1, height, width)
        The frames without local mean and contrast.
    """

    fine: torch.Tensor
    middle: torch.Tensor
    coarse: torch.Tensor
    picture: torch.Tensor

    def of(self, frames: Any) -> Maps:
        """The maps of some of the frames."""
        return Maps(*(each[frames] for each in self))


class Descriptors(NamedTuple):
    """What is looked for: descriptors of points, each ``(..., points, channels)``."""

    fine: torch.Tensor
    middle: torch.Tensor
    coarse: torch.Tensor

    def of(self, rows: Any) -> Descriptors:
        """Some of them."""
        return Descriptors(*(each[rows] for each in self))


class Found(NamedTuple):
    """Where points were found.

    Attributes
    ----------
    xy : tensor, shape (frames, points, 2)
        Px of the picture.
    spread : tensor, shape (frames, points)
        Logarithm of the expected distance from the truth along an axis, px.
    seen : tensor, shape (frames, points)
        Logit of being visible.
    """

    xy: torch.Tensor
    spread: torch.Tensor
    seen: torch.Tensor


class SpeckNet(nn.Module):
    """The network; `encode` frames, `describe` points, `find` them elsewhere."""

    def __init__(self, settings: SpeckNetSettings | None = None) -> None:
        super().__init__()
        self.settings = s = settings or SpeckNetSettings()
        fine, middle, coarse = s.fine, s.middle, s.coarse
        layer: Any = Turning if s.symmetric else _free
        self.stem: nn.Module = (Lift if s.symmetric else _free_lift)(1, fine, 6, 2)
        self.down_middle = layer(fine, middle, 4, 2)
        self.block_middle = nn.ModuleList([layer(middle, middle, 3), layer(middle, middle, 3)])
        self.down_coarse = layer(middle, coarse, 4, 2)
        self.block_coarse = nn.ModuleList([layer(coarse, coarse, 3), layer(coarse, coarse, 3)])
        self.down_wide = layer(coarse, s.wide, 4, 2)
        self.block_wide = nn.ModuleList([layer(s.wide, s.wide, 3), layer(s.wide, s.wide, 3)])
        self.to_coarse = layer(s.wide, coarse, 1)
        self.to_middle, self.out_middle = layer(coarse, middle, 1), layer(middle, middle, 3)
        self.to_fine, self.out_fine = layer(middle, fine, 1), layer(fine, fine, 3)
        self.out_coarse = layer(coarse, coarse, 1)
        self.scale = nn.Parameter(torch.tensor([2.3, 2.0, 2.0, -1.0]))
        self.judge = nn.Sequential(nn.Linear(FACTS, 24), nn.ReLU(), nn.Linear(24, 2))

    # --- features ----------------------------------------------------------------------------

    def encode(self, grey: torch.Tensor) -> Maps:
        """Descriptors of all cells.

        Parameters
        ----------
        grey : tensor, shape (frames, height, width)
            0 to 255; height and width are multiples of `GRID`.
        """
        picture = levelled(grey.float()[:, None])
        fine = functional.relu(self.stem(picture.contiguous(memory_format=torch.channels_last)))
        middle = self.down_middle(fine)
        middle = _residual(middle, self.block_middle)
        coarse = _residual(self.down_coarse(functional.relu(middle)), self.block_coarse)
        wide = _residual(self.down_wide(functional.relu(coarse)), self.block_wide)
        top = functional.relu(coarse + _larger(self.to_coarse(functional.relu(wide))))
        middle = functional.relu(middle + _larger(self.to_middle(top)))
        middle_out = self.out_middle(middle)
        fine_out = self.out_fine(functional.relu(fine + _larger(self.to_fine(middle))))
        found = (fine_out, middle_out, self.out_coarse(top))
        fine, middle, coarse = (functional.normalize(each, dim=1) for each in found)
        return Maps(fine, middle, coarse, picture)

    @staticmethod
    def describe(maps: Maps, xy: torch.Tensor) -> Descriptors:
        """Descriptors of points.

        Parameters
        ----------
        maps : Maps
            Of as many frames as `xy` has.
        xy : tensor, shape (frames, points, 2)
            Px.
        """
        strides = (FINE, MIDDLE, COARSE)
        found = (sampled(m, xy, stride) for m, stride in zip(maps[:3], strides, strict=True))
        return Descriptors(*(functional.normalize(each, dim=-1) for each in found))

    # --- matching ----------------------------------------------------------------------------

    def volume(self, maps: Maps, wanted: Descriptors) -> torch.Tensor:
        """How well each cell of 4 px matches, ``(frames, points, rows, columns)``.

        Parameters
        ----------
        maps : Maps
        wanted : Descriptors
            (frames, points, channels) each, or (points, channels) for all frames.
        """
        _, middle_gain, coarse_gain, _ = self.scale.exp()
        # Enlarging and comparing are both linear, so the coarse map is enlarged once for all.
        cells = torch.cat([middle_gain * maps.middle, coarse_gain * _larger(maps.coarse)], dim=1)
        found = torch.cat([wanted.middle, wanted.coarse], dim=-1) @ cells.flatten(2)
        return found.view(*found.shape[:2], *cells.shape[-2:])

    def find(self, maps: Maps, wanted: Descriptors, near: torch.Tensor | None = None) -> Found:
        """Find points in frames.

        Parameters
        ----------
        maps : Maps
            Of the frames to look in.
        wanted : Descriptors
            (frames, points, channels) each, or (points, channels) for all frames.
        near : tensor, shape (frames, points, rows, columns), optional
            What is added to the comparison with cells of 4 px: less where points
            are not expected.
        """
        volume = self.volume(maps, wanted)
        expected = volume if near is None else volume + near
        return self.around(maps, wanted, volume, coarse_place(expected))

    def around(
        self, maps: Maps, wanted: Descriptors, volume: torch.Tensor, guess: torch.Tensor
    ) -> Found:
        """Find points on the finest map around a guess, (frames, points, 2) px."""
        logits, corner = self.closely(maps, wanted, volume, guess)
        xy, spread, sure = peak(logits, corner, 2 * self.settings.reach, self.settings.peak)
        facts = self._facts(maps, wanted, volume, xy, spread, sure)
        spread, seen = self.judge(facts).unbind(-1)
        return Found(xy, spread, seen)

    def placed(
        self, maps: Maps, wanted: Descriptors, volume: torch.Tensor, guess: torch.Tensor
    ) -> torch.Tensor:
        """Do as `around`, and give only where: (frames, points, 2) px."""
        logits, corner = self.closely(maps, wanted, volume, guess)
        return peak(logits, corner, 2 * self.settings.reach, self.settings.peak)[0]

    def closely(
        self, maps: Maps, wanted: Descriptors, volume: torch.Tensor, guess: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compare with the cells of 2 px around a guess.

        Returns
        -------
        logits : tensor, shape (frames, points, side * side)
        corner : int tensor, shape (frames, points, 2)
            First cell (x, y) of each square.
        """
        side, (rows, columns) = 2 * self.settings.reach, maps.fine.shape[-2:]
        most = torch.tensor([columns, rows], device=guess.device) - side
        middle = to_cells(guess.detach(), FINE) - 0.5
        corner = (middle.round().long() - self.settings.reach + 1).clamp(min=0)
        corner = torch.minimum(corner, most)
        pieces = windows(maps.fine, corner, side)
        fine = wanted.fine if wanted.fine.dim() == 3 else wanted.fine.expand(len(pieces), -1, -1)
        close = (pieces @ fine[..., None])[..., 0]
        gain, _, _, share = self.scale.exp()
        return gain * close + share * _cut(volume, corner, side), corner

    def _facts(
        self,
        maps: Maps,
        wanted: Descriptors,
        volume: torch.Tensor,
        xy: torch.Tensor,
        spread: torch.Tensor,
        sure: torch.Tensor,
    ) -> torch.Tensor:
        """What the match looks like, (frames, points, FACTS)."""
        at = self.describe(maps, xy.detach())
        alike = [(a * b).sum(-1) for a, b in zip(at, wanted, strict=True)]
        flat = volume.flatten(2)
        share = _value(volume, xy.detach()) - torch.logsumexp(flat, dim=-1)
        facts = torch.stack([*alike, 0.2 * share, torch.log(spread + 1e-3), sure], dim=-1)
        return facts


def levelled(grey: torch.Tensor) -> torch.Tensor:
    """Pictures without local mean and contrast, ``(frames, 1, height, width)``."""
    small = functional.avg_pool2d(grey, COARSE)
    power = functional.avg_pool2d(grey * grey, COARSE)
    cells = LOCAL_PX // COARSE + 1
    both = torch.cat([small, power], dim=1)
    both = functional.avg_pool2d(
        functional.pad(both, (cells // 2,) * 4, mode="replicate"), cells, stride=1
    )
    mean, power = functional.interpolate(both, scale_factor=COARSE, mode="bilinear").split(1, dim=1)
    contrast = torch.sqrt((power - mean * mean).clamp(min=0.0) + CONTRAST**2)
    return (grey - mean) / contrast


def coarse_place(volume: torch.Tensor) -> torch.Tensor:
    """Best places of comparisons with cells of 4 px, (frames, points, 2) px."""
    _rows, columns = volume.shape[-2:]
    best = volume.flatten(2).argmax(dim=-1)
    cell = torch.stack([best % columns, best // columns], dim=-1)
    return to_px(cell.to(volume.dtype), MIDDLE)


def peak(
    logits: torch.Tensor, corner: torch.Tensor, side: int, radius: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean place near the best cell, its variance there (px^2), and its share of all."""
    step = torch.arange(side, device=logits.device, dtype=logits.dtype)
    cells = torch.stack([step.repeat(side), step.repeat_interleave(side)], dim=-1)
    best = cells[logits.argmax(dim=-1)]
    beyond = (cells - best[..., None, :]).abs().amax(dim=-1) > radius
    weight = torch.softmax(logits.masked_fill(beyond, -1e4), dim=-1)
    mean = weight @ cells
    spread = (weight * (cells - mean[..., None, :]).square().sum(-1)).sum(-1) * FINE**2
    total = torch.softmax(logits, dim=-1)
    sure = (total * ~beyond).sum(-1)
    return to_px(corner + mean, FINE), spread, sure


def _cut(volume: torch.Tensor, corner: torch.Tensor, side: int) -> torch.Tensor:
    """Values of comparisons with cells of 4 px at squares of cells of 2 px."""
    frames, points, rows, columns = volume.shape
    step = torch.arange(side, device=volume.device)
    cell = corner[:, :, None, None, :] + torch.stack(
        [step.repeat(side), step.repeat_interleave(side)], dim=-1
    ).view(side, side, 2)
    size = torch.tensor([columns * 2, rows * 2], device=volume.device, dtype=volume.dtype)
    grid = (2.0 * cell + 1.0) / size - 1.0
    flat = volume.reshape(frames * points, 1, rows, columns)
    found = functional.grid_sample(
        flat,
        grid.reshape(frames * points, side, side, 2).to(flat.dtype),
        padding_mode="border",
        align_corners=False,
    )
    return found.view(frames, points, side * side)


def _value(volume: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Value of each point's comparison at its own place, (frames, points)."""
    frames, points, rows, columns = volume.shape
    flat = volume.reshape(frames * points, 1, rows, columns)
    return sampled(flat, xy.reshape(frames * points, 1, 2), MIDDLE).view(frames, points)


def _larger(maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="bilinear")


def _residual(features: torch.Tensor, block: nn.ModuleList) -> torch.Tensor:
    first, second = block
    return features + second(functional.relu(first(functional.relu(features))))


def _free(inputs: int, features: int, kernel: int, stride: int = 1) -> Plain:
    return Plain(ORDER * inputs, ORDER * features, kernel, stride)


def _free_lift(inputs: int, features: int, kernel: int, stride: int = 1) -> Plain:
    return Plain(inputs, ORDER * features, kernel, stride)
