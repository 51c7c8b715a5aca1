"""How well a network finds points in clips that it was never trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from napari_usstrack.models.specknet import Descriptors, SpeckNet
from napari_usstrack.training.clips import TrainingClip, drawn_clip

SEED = 900_000_000
KINDS = (
    "heart-a4c",
    "heart-a2c",
    "heart-sax",
    "heart-rv",
    "muscle-unipennate",
    "muscle-junction",
    "two-muscles",
    "free",
)
FRAMES, POINTS = 12, 100
THRESHOLDS_PX = (1, 2, 4, 8, 16)


class Scores(NamedTuple):
    """Errors of all seen points in all frames but the query's, pooled over clips.

    Attributes
    ----------
    median_px, mean_px : float
    delta : float
        Share within 1, 2, 4, 8 and 16 px, on average, percent.
    """

    median_px: float
    mean_px: float
    delta: float


def validation_clips(device: str) -> Iterator[TrainingClip]:
    """One clip of each of several kinds of scenes, always the same."""
    for number, kind in enumerate(KINDS):
        yield drawn_clip(SEED + number, frames=FRAMES, mix={kind: 1.0}, device=device)


@torch.inference_mode()
def errors(network: SpeckNet, clip: TrainingClip, query: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances from the truth, px, (frames, points), and where points are seen."""
    asked = torch.nonzero(clip.seen[query])[:POINTS, 0]
    maps = network.encode(clip.frames)
    wanted = network.describe(maps.of(slice(query, query + 1)), clip.xy[query, asked][None])
    found = network.find(maps, Descriptors(*(each[0] for each in wanted)))
    error = torch.linalg.vector_norm(found.xy - clip.xy[:, asked], dim=-1)
    seen = clip.seen[:, asked].clone()
    seen[query] = False
    return error, seen


def validate(network: SpeckNet, clips: Sequence[TrainingClip]) -> Scores:
    """Score a network on clips, with the query in the middle frame."""
    network.eval()
    found = [errors(network, clip, len(clip.frames) // 2) for clip in clips]
    network.train()
    error = torch.cat([each[seen] for each, seen in found])
    within = [float((error < limit).float().mean()) for limit in THRESHOLDS_PX]
    return Scores(
        float(error.median()), float(error.mean()), 100.0 * sum(within) / len(THRESHOLDS_PX)
    )
