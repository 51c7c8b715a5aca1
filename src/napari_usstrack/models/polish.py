"""Sub-pixel alignment of small patches of pictures, after the network has found them.

Gauss-Newton on the difference of two patches with the gradient of the first (Baker and
Matthews, "Lucas-Kanade 20 years on", IJCV 2004, inverse compositional), translation
only, on pictures without local mean and contrast. A patch is found exactly where it
was taken, and answers turn and mirror with the pictures.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from napari_usstrack.models.sampling import sampled

REACH, STEP_PX = 7, 2.0
"""Samples on each side of the middle, and their distance, px."""
WIDTH = 0.6
"""Standard deviation of the weight of samples, of the reach."""
ROUNDS = 5
LONGEST_PX = 1.5
"""Most that a round moves a patch, px."""
FARTHEST_PX = 5.0
"""A patch that would move further stays where it was."""
EXPECTED, LEAST_PX = 0.43, 0.05
"""Error of a patch, of what its slopes and what is left over say, and at least."""
FLATTEST = 1e-3


class Patches(NamedTuple):
    """Patches around points, ready to be aligned.

    Attributes
    ----------
    values : tensor, shape (points, samples)
    gradient : tensor, shape (points, samples, 2)
        Per px, weighted.
    inverse : tensor, shape (points, 2, 2)
        Of the normal matrix.
    power : tensor, shape (points,)
        Weighted mean square of the values.
    """

    values: torch.Tensor
    gradient: torch.Tensor
    inverse: torch.Tensor
    power: torch.Tensor

    def of(self, rows: Any) -> Patches:
        """Some of them."""
        return Patches(*(each[rows] for each in self))


@lru_cache(maxsize=8)
def _layout(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Offsets of samples (samples, 2) px, and their weights, which sum to 1."""
    step = torch.arange(-REACH, REACH + 1, device=device, dtype=torch.float32)
    at = torch.stack([step.repeat(len(step)), step.repeat_interleave(len(step))], dim=-1)
    weight = torch.exp(-0.5 * (at / (WIDTH * REACH)).square().sum(-1))
    return at * STEP_PX, weight / weight.sum()


def smaller(picture: torch.Tensor, stride: int) -> torch.Tensor:
    """A picture with cells of some px; its sides are multiples of them."""
    return picture if stride == 1 else functional.avg_pool2d(picture, stride)


def cut(picture: torch.Tensor, xy: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Values around points, (points, samples).

    Parameters
    ----------
    picture : tensor, shape (1, 1, height, width)
        In cells of `stride` px.
    xy : tensor, shape (points, 2)
        Px.
    stride : int
        Patches of smaller pictures are as many times larger.
    """
    offsets, _ = _layout(xy.device)
    at = (xy[:, None] + stride * offsets).reshape(1, -1, 2)
    return sampled(picture, at, stride)[0, :, 0].view(len(xy), len(offsets))


def patches(picture: torch.Tensor, xy: torch.Tensor, stride: int = 1) -> Patches:
    """Take patches around points of a picture; see `cut`."""
    _, weight = _layout(xy.device)
    shifts = stride * torch.tensor(
        [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], device=xy.device
    )
    five = cut(picture, (xy + shifts[:, None]).flatten(0, 1), stride)
    values, right, left, below, above = five.view(5, len(xy), -1)
    slopes = [(right - left) / (2.0 * stride), (below - above) / (2.0 * stride)]
    gradient = torch.stack(slopes, dim=-1)
    weighted = gradient * weight[:, None]
    normal = gradient.transpose(1, 2) @ weighted
    trace = normal.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    ridge = FLATTEST * (trace + FLATTEST) * torch.eye(2, device=xy.device)
    power = (weight * values.square()).sum(-1)
    return Patches(values, weighted, torch.linalg.inv(normal + ridge), power)


def polished(
    picture: torch.Tensor, wanted: Patches, guess: torch.Tensor, stride: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Align patches with a picture, beginning at a guess.

    Parameters
    ----------
    picture : tensor, shape (1, 1, height, width)
        In cells of `stride` px.
    wanted : Patches
    guess : tensor, shape (points, 2)
        Px.
    stride : int

    Returns
    -------
    xy : tensor, shape (points, 2)
    likeness : tensor, shape (points,)
        Correlation of both patches there, -1 to 1, without taking out means.
    """
    xy = guess
    for _ in range(ROUNDS):
        off = cut(picture, xy, stride) - wanted.values
        step = (wanted.inverse @ (wanted.gradient.transpose(1, 2) @ off[..., None]))[..., 0]
        length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
        xy = xy - step * (stride * LONGEST_PX / length.clamp(min=stride * LONGEST_PX))
    far = torch.linalg.vector_norm(xy - guess, dim=-1, keepdim=True) > stride * FARTHEST_PX
    xy = torch.where(far, guess, xy)
    return xy, likeness(picture, wanted, xy, stride)


def covariances(picture: torch.Tensor, wanted: Patches, xy: torch.Tensor) -> torch.Tensor:
    """Errors to expect of patches at places, px^2 of pictures of 256, (points, 2, 2).

    What is left over of a patch, through its slopes; the factor is what errors
    were on generated clips when patches were sought from the truth on.
    """
    _, weight = _layout(xy.device)
    left = (weight * (cut(picture, xy) - wanted.values).square()).sum(-1)
    floor = LEAST_PX**2 * torch.eye(2, device=xy.device)
    return EXPECTED**2 * left[:, None, None] * wanted.inverse + floor


def likeness(
    picture: torch.Tensor, wanted: Patches, xy: torch.Tensor, stride: int = 1
) -> torch.Tensor:
    """Correlation of patches with those of a picture at places.

    Parameters
    ----------
    picture, wanted, stride
        As for `polished`.
    xy : tensor, shape (..., points, 2)
        Px; several places for each point, if wanted.

    Returns
    -------
    tensor, shape (..., points)
    """
    _, weight = _layout(xy.device)
    found = cut(picture, xy.reshape(-1, 2), stride).view(*xy.shape[:-1], -1)
    both = (weight * found * wanted.values).sum(-1)
    power = (weight * found.square()).sum(-1)
    return both * torch.rsqrt((power * wanted.power).clamp(min=1e-6))
