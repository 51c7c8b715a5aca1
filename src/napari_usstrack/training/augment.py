"""Changes of training clips: geometry with the truth, appearance without.

Every random number comes from a NumPy generator that is handed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from napari_usstrack.models.symmetry import moved, moved_xy
from napari_usstrack.training.clips import TrainingClip


@dataclass(frozen=True)
class Changes:
    """How much a clip is changed.

    Attributes
    ----------
    symmetries : bool
        One of the eight symmetries of the square, each as likely, and time
        backward in half of the clips.
    turn_deg : float
        Largest turn beside that, degrees.
    zoom : tuple of float
        Least and largest zoom of each axis.
    look : bool
        Gain, grey curve, depth gain, blur, noise, shadow, haze.
    """

    symmetries: bool = True
    turn_deg: float = 30.0
    zoom: tuple[float, float] = (0.7, 1.4)
    look: bool = True


IMPARTIAL = Changes()
PLAIN = Changes(symmetries=False, turn_deg=0.0, zoom=(0.9, 1.1))


def changed(
    clip: TrainingClip, changes: Changes, side: int, random: np.random.Generator
) -> TrainingClip:
    """Turn, zoom, crop and redraw a clip.

    Parameters
    ----------
    clip : TrainingClip
    changes : Changes
    side : int
        Side of the result, px; part of the clip's.
    random : numpy.random.Generator

    Returns
    -------
    TrainingClip
        Frames are float, 0 to 255.
    """
    if changes.symmetries:
        clip = _symmetric(clip, random)
    clip = _framed(clip, changes, side, random)
    return replace(clip, frames=_redrawn(clip.frames, random)) if changes.look else clip


def _symmetric(clip: TrainingClip, random: np.random.Generator) -> TrainingClip:
    element = int(random.integers(8))
    height, width = clip.frames.shape[-2:]
    xy = moved_xy(clip.xy, element, (height, width))
    clip = replace(clip, frames=moved(clip.frames, element), xy=xy)
    backward = torch.arange(len(clip.frames) - 1, -1, -1, device=clip.frames.device)
    return clip.part(backward) if random.random() < 0.5 else clip


def _framed(
    clip: TrainingClip, changes: Changes, side: int, random: np.random.Generator
) -> TrainingClip:
    """Cut a turned and zoomed square around some point, the same for all frames."""
    angle = math.radians(random.uniform(-changes.turn_deg, changes.turn_deg))
    low, high = np.log(changes.zoom)
    zoom = np.exp(random.uniform(low, high, 2))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    # From px of the square to px of the clip.
    matrix = turn @ np.diag(1.0 / zoom)
    height, width = clip.frames.shape[-2:]
    around = clip.xy[len(clip.xy) // 2, int(random.integers(clip.xy.shape[1]))].cpu().numpy()
    middle = 0.5 * (side - 1)
    aim = np.array([middle, middle]) + random.uniform(-0.25, 0.25, 2) * side
    half = 0.35 * side * np.abs(matrix).sum(axis=1)
    centre = around - matrix @ (aim - middle)
    size = np.array([width, height])
    centre = np.clip(centre, np.minimum(half, 0.5 * size), np.maximum(size - half, 0.5 * size))
    shift = centre - matrix @ np.array([middle, middle])
    frames = sheared(clip.frames.float(), matrix, shift, side)
    inverse = torch.from_numpy(np.linalg.inv(matrix)).to(clip.xy)
    xy = (clip.xy - torch.from_numpy(shift).to(clip.xy)) @ inverse.T
    inside = ((xy >= 1) & (xy <= side - 2)).all(dim=-1)
    scale = clip.mm_per_px / float(np.sqrt(zoom.prod()))
    return replace(clip, frames=frames, xy=xy, seen=clip.seen & inside, mm_per_px=scale)


def sheared(frames: torch.Tensor, matrix: np.ndarray, shift: np.ndarray, side: int) -> torch.Tensor:
    """Show frames through an affine map from px of a square to px of the frames.

    Parameters
    ----------
    frames : float tensor, shape (frames, height, width)
    matrix : ndarray, shape (2, 2)
    shift : ndarray, shape (2,)
    side : int
        Side of the square, px.
    """
    height, width = frames.shape[-2:]
    step = torch.arange(side, dtype=torch.float32, device=frames.device)
    at = torch.stack([step.expand(side, -1), step[:, None].expand(-1, side)], dim=-1)
    at = at @ torch.from_numpy(matrix.T).to(at) + torch.from_numpy(shift).to(at)
    grid = (2.0 * at + 1.0) / torch.tensor([width, height], device=at.device) - 1.0
    shown = functional.grid_sample(frames[None], grid[None], align_corners=False)
    return shown[0]


# --- appearance ------------------------------------------------------------------------------


def _redrawn(frames: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Another machine's settings, its noise and its artefacts."""
    chance = random.random(6)
    grey = (frames / 255.0).clamp(0.0, 1.0)
    if chance[0] < 0.8:
        grey = grey.clamp(min=1e-4) ** float(np.exp(random.uniform(np.log(0.6), np.log(1.6))))
    if chance[1] < 0.5:
        grey = grey * _ramp(grey, random)
    if chance[2] < 0.3:
        grey = _blurred(grey, random)
    if chance[3] < 0.2:
        grey = grey * _shadow(grey, random)
    if chance[4] < 0.2:
        grey = grey + float(random.uniform(0.02, 0.15)) * _shadow(grey, random)
    if chance[5] < 0.8:
        grey = grey * float(random.uniform(0.7, 1.3)) + float(random.uniform(-0.05, 0.05))
    return noisy(255.0 * grey, float(random.uniform(0.0, 8.0)), random).clamp(0.0, 255.0)


def noisy(frames: torch.Tensor, level: float, random: np.random.Generator) -> torch.Tensor:
    """Add noise, new in every frame: some of it fine, some as wide as speckle, grey levels."""
    noise = torch.from_numpy(random.standard_normal(frames.shape, dtype=np.float32))
    noise = noise.to(frames.device)
    if random.random() < 0.5:
        width = int(random.integers(1, 3)) * 2 + 1
        noise = functional.avg_pool2d(noise[:, None], width, 1, width // 2)[:, 0] * width
    shade = 0.3 + 0.7 * (frames / 128.0).clamp(max=1.5) if random.random() < 0.5 else 1.0
    return frames + level * shade * noise


def _ramp(grey: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """A gain that changes along a random direction."""
    across, along = _axes(grey, random)
    return torch.exp(float(random.uniform(-0.8, 0.8)) * along + 0.0 * across)


def _shadow(grey: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """A soft band that is darker, or brighter, by some factor."""
    across, along = _axes(grey, random)
    at, width = random.uniform(-0.8, 0.8), random.uniform(0.05, 0.3)
    opening = 1.0 + 0.5 * along * random.uniform(-1.0, 1.0)
    return 1.0 - float(random.uniform(0.2, 0.8)) * torch.exp(
        -0.5 * ((across - at) / (width * opening)) ** 2
    )


def _axes(grey: torch.Tensor, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two axes at right angles in a random direction, about -1 to 1 over the picture."""
    height, width = grey.shape[-2:]
    y = torch.linspace(-1.0, 1.0, height, device=grey.device)[:, None]
    x = torch.linspace(-1.0, 1.0, width, device=grey.device)
    angle = random.uniform(0.0, 2.0 * math.pi)
    return math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x


def _blurred(grey: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Blur along one axis of the picture, or both."""
    for axis in (-1, -2):
        width = float(random.uniform(0.0, 1.2))
        reach = torch.arange(-3.0, 4.0, device=grey.device)
        kernel = torch.exp(-0.5 * (reach / (width + 0.05)) ** 2)
        kernel = (kernel / kernel.sum()).view((1, 1, 1, 7) if axis == -1 else (1, 1, 7, 1))
        pad = (3, 3, 0, 0) if axis == -1 else (0, 0, 3, 3)
        grey = functional.conv2d(functional.pad(grey[:, None], pad, mode="replicate"), kernel)[:, 0]
    return grey
