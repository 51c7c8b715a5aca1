"""Short clips with the true paths of many points, made for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.synth.catalogue import Orientation, draw
from napari_usstrack.synth.render import Renderer
from napari_usstrack.synth.scene import Scene

SIZE = 256
"""Side of the pictures, px."""
DIMMEST_DB = -16.0
"""Points lie in tissue that is no darker on average."""
CANDIDATES = 3000
MOST_POINTS = 300
MIX: Mapping[str, float] = {
    "heart-a4c": 3.0,
    "heart-a2c": 3.0,
    "heart-a3c": 2.0,
    "heart-sax": 3.0,
    "heart-rv": 2.0,
    "muscle-unipennate": 2.0,
    "muscle-bipennate": 1.5,
    "muscle-junction": 1.0,
    "two-muscles": 1.5,
    "vessel": 1.0,
    "free": 4.0,
}
"""How often each kind of scene is drawn, relative to the others."""


@dataclass(frozen=True, eq=False)
class TrainingClip:
    """Frames and paths.

    Attributes
    ----------
    frames : uint8 tensor, shape (frames, height, width)
    xy : float tensor, shape (frames, points, 2)
        Px.
    seen : bool tensor, shape (frames, points)
        Whether a point is in view and not hidden.
    mm_per_px : float
    scene : str
        Kind of scene.
    known : bool tensor, shape (frames, points), optional
        Where `seen` says something; everywhere when left out. A point that
        nobody looked for is neither seen nor known.
    """

    frames: torch.Tensor
    xy: torch.Tensor
    seen: torch.Tensor
    mm_per_px: float
    scene: str
    known: torch.Tensor | None = None

    def part(self, frames: torch.Tensor | slice) -> TrainingClip:
        """Some of the frames."""
        known = None if self.known is None else self.known[frames]
        return replace(
            self,
            frames=self.frames[frames],
            xy=self.xy[frames],
            seen=self.seen[frames],
            known=known,
        )


def drawn_clip(
    seed: int,
    *,
    frames: int,
    mix: Mapping[str, float] = MIX,
    orientation: Orientation = "any",
    most_stride: int = 6,
    device: str | torch.device = "cpu",
) -> TrainingClip:
    """Draw a scene and render a few of its frames.

    Parameters
    ----------
    seed : int
        Same seed, same clip.
    frames : int
        Frames of the clip; they are 1 to `most_stride` frames of the scene apart.
    mix : mapping
        Kinds of scenes and how often each is drawn.
    orientation : {"usual", "any"}
        As in `synth.catalogue.draw`.
    most_stride : int
    device : str or torch.device
        Where to render.
    """
    random = np.random.default_rng([seed, 7])
    shares = np.array(list(mix.values()), dtype=np.float64)
    name = str(random.choice(list(mix), p=shares / shares.sum()))
    stride = int(random.integers(1, most_stride + 1))
    whole = draw(name, seed, frames=frames * stride, orientation=orientation)
    scene = replace(whole, fps=whole.fps / stride, frame_count=frames)
    renderer = Renderer(scene, seed=seed, size=(SIZE, SIZE), device=device)
    pictures = torch.stack(list(renderer.pictures()))
    xy, seen = _paths(scene, renderer, random)
    return TrainingClip(
        pictures,
        torch.from_numpy(xy).float().to(device),
        torch.from_numpy(seen).to(device),
        renderer.display.mm_per_px,
        name,
    )


def _paths(
    scene: Scene, renderer: Renderer, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Paths in px and visibility of points all over the tissue in view."""
    depth, width = scene.probe.depth_mm, renderer.display.mm_per_px * renderer.display.width
    x_mm = torch.from_numpy(random.uniform(-0.5 * width, 0.5 * width, CANDIDATES)).float()
    y_mm = torch.from_numpy(random.uniform(0.0, depth, CANDIDATES)).float()
    place = scene.pose.anatomy((x_mm, y_mm))
    paths = []
    for body in scene.bodies:
        bright = body.echo_db(*place) > DIMMEST_DB
        if bright.any():
            material = torch.stack([axis[bright] for axis in place], dim=1)
            paths.append(scene.paths(body.name, material.double().numpy()))
    mm = np.concatenate(paths, axis=1)
    x, y = (torch.from_numpy(mm[..., axis].copy()) for axis in (0, 1))
    beam_and_range = (axis.to(renderer.device) for axis in scene.probe.beam_and_range(x, y))
    seen = renderer.scanner.audible(*beam_and_range).cpu().numpy()
    xy = torch.stack(renderer.display.px(x, y), dim=-1).numpy()
    size = np.array([renderer.display.width, renderer.display.height])
    inside = ((xy >= 0) & (xy <= size - 1)).all(axis=-1)
    kept = np.flatnonzero((seen & inside).any(axis=0))
    kept = random.permutation(kept)[:MOST_POINTS]
    return xy[:, kept], (seen & inside)[:, kept]
