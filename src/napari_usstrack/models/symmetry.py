"""Convolutions that turn and mirror with the picture.

The eight symmetries of the square are the four quarter turns and their mirror
images. Features have eight orientations each; a picture that is turned gives the
same features, turned, with their orientations exchanged. Descriptors of two places
in pictures turned alike therefore match exactly as before, whatever the weights.

Cohen and Welling, "Group equivariant convolutional networks" (ICML 2016).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

ORDER = 8
"""Symmetries of the square."""


def moved(picture: torch.Tensor, element: int) -> torch.Tensor:
    """Turn (and mirror, from the fourth on) a picture by one of the eight symmetries.

    Parameters
    ----------
    picture : tensor, shape (..., height, width)
    element : int
        0 to 7: quarter turns, then the same after mirroring left and right.
    """
    flipped = picture.flip(-1) if element >= 4 else picture
    return torch.rot90(flipped, element % 4, (-2, -1))


def moved_xy(xy: torch.Tensor, element: int, size: tuple[int, int]) -> torch.Tensor:
    """Where points lie after `moved`.

    Parameters
    ----------
    xy : tensor, shape (..., 2)
        Px, an integer is a pixel centre.
    element : int
    size : tuple of int
        Height and width of the picture before, px.
    """
    height, width = size
    x, y = xy.unbind(-1)
    if element >= 4:
        x = width - 1 - x
    for _ in range(element % 4):
        x, y = y, width - 1 - x
        height, width = width, height
    return torch.stack([x, y], dim=-1)


def _table() -> torch.Tensor:
    """For each pair (g, h) the element that is h and then g undone."""
    probe = torch.arange(9.0).reshape(3, 3)
    after = [moved(probe, g) for g in range(ORDER)]

    def which(picture: torch.Tensor) -> int:
        return next(g for g in range(ORDER) if torch.equal(after[g], picture))

    inverse = [next(i for i in range(ORDER) if torch.equal(moved(a, i), probe)) for a in after]
    return torch.tensor(
        [[which(moved(after[h], inverse[g])) for h in range(ORDER)] for g in range(ORDER)]
    )


TABLE = _table()


class Plain(nn.Module):
    """A layer without symmetry: free weights; for comparison, and what the others stand on."""

    def __init__(self, inputs: int, features: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, inputs, kernel, kernel))
        self.gain, self.bias = (
            nn.Parameter(torch.ones(features)),
            nn.Parameter(torch.zeros(features)),
        )
        self.stride, self.padding = stride, (kernel - stride) // 2

    def expanded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Filters ``(features, inputs, kernel, kernel)`` and bias."""
        return _standard(self.weight, self.gain), self.bias

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Filter features ``(batch, inputs, height, width)``."""
        weight, bias = self.expanded()
        return functional.conv2d(features, weight, bias, self.stride, self.padding)


class Lift(Plain):
    """From pictures to features with eight orientations.

    Parameters
    ----------
    inputs, features : int
        Channels of the picture; features, each of which has eight channels.
    kernel, stride : int
        Side of the filter, and step. An even side with stride 2 keeps cell
        centres symmetric.
    """

    def expanded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Plain filters ``(8 features, inputs, kernel, kernel)`` and bias."""
        weight, bias = super().expanded()
        turned = torch.stack([moved(weight, g) for g in range(ORDER)], dim=1)
        return turned.flatten(0, 1), bias.repeat_interleave(ORDER)


class Turning(nn.Module):
    """From features with eight orientations to others.

    Parameters
    ----------
    inputs, features : int
        Features, each of which has eight channels.
    kernel, stride : int
        As in `Lift`.
    """

    def __init__(self, inputs: int, features: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, inputs, ORDER, kernel, kernel))
        self.gain, self.bias = (
            nn.Parameter(torch.ones(features)),
            nn.Parameter(torch.zeros(features)),
        )
        self.stride, self.padding = stride, (kernel - stride) // 2

    def expanded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Plain filters ``(8 features, 8 inputs, kernel, kernel)`` and bias."""
        weight = _standard(self.weight, self.gain)
        turned = torch.stack(
            [moved(weight[:, :, TABLE[g].to(weight.device)], g) for g in range(ORDER)], dim=1
        )
        plain = turned.flatten(0, 1).flatten(1, 2)
        return plain, self.bias.repeat_interleave(ORDER)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Filter features ``(batch, 8 inputs, height, width)``."""
        weight, bias = self.expanded()
        return functional.conv2d(features, weight, bias, self.stride, self.padding)


def _standard(weight: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Filters of zero mean and unit power, times a gain for each feature.

    Qiao et al., "Micro-batch training with batch-channel normalization and weight
    standardization" (2019); scaled by the number of inputs as by Brock et al. (ICLR
    2021), so that no other normalisation is needed.
    """
    flat = weight.flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    power = centred.square().sum(dim=1, keepdim=True)
    scaled = centred * torch.rsqrt(power + 1e-8)
    return (scaled * gain[:, None]).view_as(weight)
