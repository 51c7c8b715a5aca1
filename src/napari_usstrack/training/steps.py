"""One step of learning from a few clips, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from napari_usstrack.models.specknet import Descriptors, SpeckNet
from napari_usstrack.training.augment import changed
from napari_usstrack.training.clips import TrainingClip
from napari_usstrack.training.losses import Losses, losses, pooled
from napari_usstrack.training.recipes import Recipe
from napari_usstrack.training.warps import still, warped

BETAS = (0.9, 0.99)
RISE = 0.05
"""Share of a training in which the rate of learning goes up."""
LEAST = 0.01
"""Of the largest rate of learning."""
Query = Callable[[TrainingClip, np.random.Generator], int]
"""Frame of a clip in which its points are asked for."""


def optimizer_of(network: SpeckNet, rate: float) -> torch.optim.Optimizer:
    """The optimizer that goes with `learn`."""
    return torch.optim.AdamW(
        network.parameters(), lr=rate, betas=BETAS, weight_decay=1e-6, eps=1e-8
    )


def set_rate(optimizer: torch.optim.Optimizer, most: float, part: float) -> float:
    """One cycle: up at first, then down to nothing.

    Parameters
    ----------
    optimizer : Optimizer
    most : float
        Largest rate of learning.
    part : float
        Share of the training that is over, 0 to 1.
    """
    share = part / RISE if part < RISE else (1.0 - part) / (1.0 - RISE)
    rate = most * max(share, LEAST)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def varied(
    clip: TrainingClip, recipe: Recipe, frames: int, side: int, random: np.random.Generator
) -> TrainingClip:
    """Some neighbouring frames of a clip, changed as a recipe says."""
    first = int(random.integers(len(clip.frames) - frames + 1))
    chance = random.random()
    if recipe.query == "first":
        first = 0
    clip = clip.part(slice(first, first + frames))
    if chance < recipe.still:
        clip = still(clip, random)
    elif chance < recipe.still + recipe.warped:
        clip = warped(clip, random)
    return changed(clip, recipe.changes, side, random)


def matched(
    network: SpeckNet,
    clips: Sequence[TrainingClip],
    query: Query,
    points: int,
    random: np.random.Generator,
) -> Losses | None:
    """Encode all frames together, then match each clip with its own query frame.

    Parameters
    ----------
    network : SpeckNet
    clips : sequence of TrainingClip
        With frames of the same size.
    query : callable
        Takes a clip and the generator.
    points : int
        At most so many of each clip.
    random : numpy.random.Generator

    Returns
    -------
    Losses or None
        None if no clip has a point in its query frame that is known of elsewhere.
    """
    maps = network.encode(torch.cat([clip.frames for clip in clips]))
    parts, end = [], 0
    for clip in clips:
        first, end = end, end + len(clip.frames)
        own, at = maps.of(slice(first, end)), query(clip, random)
        asked = torch.nonzero(clip.seen[at])[:, 0]
        if not len(asked):
            continue
        order = torch.from_numpy(random.permutation(len(asked))[:points])
        asked = asked[order.to(asked.device)]
        wanted = network.describe(own.of(slice(at, at + 1)), clip.xy[at, asked][None])
        wanted = Descriptors(*(each[0] for each in wanted))
        others = [frame for frame in range(len(clip.frames)) if frame != at]
        xy, seen = clip.xy[others][:, asked], clip.seen[others][:, asked]
        known = None if clip.known is None else clip.known[others][:, asked]
        if known is not None and not known.any():
            continue
        jitter = torch.from_numpy(random.uniform(-1.0, 1.0, xy.shape)).to(xy)
        parts.append(losses(network, own.of(others), wanted, xy, seen, jitter, known))
    return pooled(parts) if parts else None


def learn(network: SpeckNet, optimizer: torch.optim.Optimizer, found: Losses) -> None:
    """Change a network by what a loss says."""
    optimizer.zero_grad(set_to_none=True)
    found.total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimizer.step()
